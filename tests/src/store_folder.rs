//! A store as it lies in its folder, and what must be true of it whatever has happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use pipeline::{columns::TABLES, dictionary::dictionary, manifest::Manifest};
use sha2::{Digest, Sha256};

use crate::cells::{TableRows, read_parquet};

/// The name of the data dictionary on the root.
const DICTIONARY: &str = "data-dictionary.md";

/// A store's folder.
#[derive(Debug, Clone)]
pub struct StoreFolder(PathBuf);

/// Every file of a store but the notes about runs: its path, SHA-256 and time of writing.
pub type Files = BTreeMap<String, (String, SystemTime)>;

impl StoreFolder {
    /// The store in a folder, which may not exist yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// The paths of all files in it, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    paths.push(entry.path().strip_prefix(&self.0).unwrap().display().to_string());
                }
            }
        }
        paths.sort();
        paths
    }

    /// All files but the notes about runs.
    ///
    /// # Panics
    /// When one can't be read.
    #[must_use]
    pub fn files(&self) -> Files {
        let paths = self.paths().into_iter().filter(|path| !path.starts_with("state/runs/"));
        let file = |path: String| {
            let written = fs::metadata(self.file(&path)).and_then(|meta| meta.modified()).unwrap();
            let hash = sha256(&self.file(&path)).unwrap();
            (path, (hash, written))
        };
        paths.map(file).collect()
    }

    /// The names of the files on the root, sorted: workbooks, and once there is an edition the data dictionary, which is
    /// left out here.
    #[must_use]
    pub fn workbooks(&self) -> Vec<String> {
        self.paths().into_iter().filter(|path| !path.contains('/') && path != DICTIONARY).collect()
    }

    /// All manifests, by period and number.
    ///
    /// # Panics
    /// When one can't be read.
    #[must_use]
    pub fn manifests(&self) -> Vec<Manifest> {
        let paths = self.paths();
        let paths = paths.iter().filter(|path| path.starts_with("editions/") && path.ends_with("/manifest.json"));
        let mut manifests: Vec<Manifest> = paths
            .map(|path| {
                let bytes = fs::read(self.file(path)).unwrap();
                serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{path}: {e}"))
            })
            .collect();
        manifests.sort_by_key(|manifest| (manifest.period, manifest.edition));
        manifests
    }

    /// The only manifest.
    ///
    /// # Panics
    /// When there is none, or more than one.
    #[must_use]
    #[track_caller]
    pub fn manifest(&self) -> Manifest {
        let mut manifests = self.manifests();
        assert_eq!(manifests.len(), 1, "manifests in {}", self.0.display());
        manifests.remove(0)
    }

    /// One edition's manifest.
    ///
    /// # Panics
    /// When there is no such edition.
    #[must_use]
    #[track_caller]
    pub fn edition(&self, period: &str, number: u32) -> Manifest {
        let path = self.file(&format!("editions/{period}/{number}/manifest.json"));
        let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// The numbers of the editions of a period, ascending.
    ///
    /// # Panics
    /// When a manifest can't be read.
    #[must_use]
    pub fn numbers(&self, period: &str) -> Vec<u32> {
        let manifests = self.manifests();
        manifests.iter().filter(|manifest| manifest.period.to_string() == period).map(|m| m.edition).collect()
    }

    /// The Parquet file of a table of an edition.
    #[must_use]
    pub fn table_file(&self, manifest: &Manifest, table: &str) -> PathBuf {
        self.file(&format!("editions/{}/{}/{table}.parquet", manifest.period, manifest.edition))
    }

    /// A table of an edition.
    ///
    /// # Panics
    /// When it can't be read.
    #[must_use]
    pub fn table(&self, manifest: &Manifest, table: &str) -> TableRows {
        read_parquet(&self.table_file(manifest, table))
    }

    /// Where an edition's workbook is, by its bytes.
    ///
    /// # Panics
    /// When it is nowhere.
    #[must_use]
    #[track_caller]
    pub fn workbook(&self, manifest: &Manifest) -> PathBuf {
        let pending = format!("editions/{}/{}/workbook.xlsx", manifest.period, manifest.edition);
        let names = [&manifest.workbook.name, &manifest.workbook.edition_name, &pending];
        let found = names
            .into_iter()
            .map(|name| self.file(name))
            .find(|path| sha256(path).is_some_and(|hash| hash == manifest.workbook.sha256));
        found.unwrap_or_else(|| panic!("no workbook of {} edition {}", manifest.period, manifest.edition))
    }

    /// What must be true at any moment, even after a run was killed: every manifest is whole and names files that are
    /// there, byte by byte; what people see in the root and in `snapshots/` is whole too, and nothing else.
    ///
    /// # Panics
    /// When it isn't so.
    #[track_caller]
    pub fn assert_nothing_is_half_visible(&self) {
        let manifests = self.manifests();
        let (mut workbooks, mut tables) = (BTreeSet::new(), BTreeSet::new());
        for manifest in &manifests {
            for table in TABLES {
                assert!(manifest.tables.contains_key(table.name), "no {} in {}", table.name, manifest.period);
            }
            for (table, file) in manifest.files() {
                let path = self.table_file(manifest, table);
                assert_eq!(sha256(&path).as_ref(), Some(&file.sha256), "{}", path.display());
                assert_eq!(fs::metadata(&path).unwrap().len(), file.size, "{}", path.display());
                tables.insert((table.to_owned(), manifest.period.to_string(), file.sha256.clone()));
            }
            let path = self.workbook(manifest);
            assert_eq!(fs::metadata(&path).unwrap().len(), manifest.workbook.size, "{}", path.display());
            workbooks.insert(manifest.workbook.sha256.clone());
        }
        for path in self.paths() {
            let hash = || sha256(&self.file(&path)).unwrap();
            if path == DICTIONARY {
                assert_eq!(fs::read_to_string(self.file(&path)).unwrap(), dictionary());
            } else if !path.contains('/') {
                assert!(path.ends_with(".xlsx") && workbooks.contains(&hash()), "{path} is no edition's workbook");
            } else if let Some(below) = path.strip_prefix("snapshots/") {
                let parts: Vec<&str> = below.split(['/', '=']).collect();
                let [table, "month", month, "part-0.parquet"] = parts[..] else { panic!("what is {path}?") };
                let known = tables.contains(&(table.to_owned(), month.to_owned(), hash()));
                assert!(known, "{path} is no edition's file");
            }
        }
    }

    /// What must be true when a run has ended well: nothing is half visible, every name shows the edition that it
    /// should, and no half-made file is left.
    ///
    /// # Panics
    /// When it isn't so.
    #[track_caller]
    pub fn assert_settled(&self) {
        self.assert_nothing_is_half_visible();
        let manifests = self.manifests();
        let mut expected = BTreeSet::new();
        for manifest in &manifests {
            let of_its_name = |m: &&Manifest| m.period == manifest.period && m.workbook.name == manifest.workbook.name;
            let newest = manifests.iter().filter(of_its_name).map(|m| m.edition).max() == Some(manifest.edition);
            let workbook = &manifest.workbook;
            let name = if newest { &workbook.name } else { &workbook.edition_name };
            assert_eq!(sha256(&self.file(name)).as_ref(), Some(&workbook.sha256), "{name}");
            expected.insert(name.clone());
            let newest = manifests.iter().filter(|m| m.period == manifest.period).map(|m| m.edition).max();
            if let (Some(month), true) = (manifest.period.month(), newest == Some(manifest.edition)) {
                for (table, file) in manifest.files() {
                    let path = format!("snapshots/{table}/month={month}/part-0.parquet");
                    assert_eq!(sha256(&self.file(&path)).as_ref(), Some(&file.sha256), "{path}");
                }
            }
        }
        assert_eq!(self.workbooks(), expected.into_iter().collect::<Vec<_>>());
        assert_eq!(self.half_made(), Vec::<String>::new());
    }

    /// What runs have left half-made.
    #[must_use]
    pub fn half_made(&self) -> Vec<String> {
        let half = |path: &String| ["state/staging/", "state/claims/"].iter().any(|folder| path.starts_with(folder));
        self.paths().into_iter().filter(half).collect()
    }

    /// Lets the minute pass for which a run that died holds the number that it has claimed.
    ///
    /// # Panics
    /// When a claim can't be written.
    pub fn expire_claims(&self) {
        for claim in self.paths().into_iter().filter(|path| path.starts_with("state/claims/")) {
            let path = self.file(&claim);
            match serde_json::from_slice::<serde_json::Value>(&fs::read(&path).unwrap()) {
                Ok(mut note) => {
                    note["expires"] = "2020-01-01T00:00:00Z".into();
                    fs::write(&path, note.to_string()).unwrap();
                }
                // Killed while it wrote the note: such a one counts by its age.
                Err(_) => fs::File::options().write(true).open(&path).unwrap().set_modified(UNIX_EPOCH).unwrap(),
            }
        }
    }

    /// The notes that runs have left about themselves, in the order in which they began.
    ///
    /// # Panics
    /// When one can't be read.
    #[must_use]
    pub fn runs(&self) -> Vec<serde_json::Value> {
        let paths = self.paths();
        let paths = paths.iter().filter(|path| path.starts_with("state/runs/"));
        let mut runs: Vec<serde_json::Value> =
            paths.map(|path| serde_json::from_slice(&fs::read(self.file(path)).unwrap()).unwrap()).collect();
        runs.sort_by_key(|run| run["began"].as_str().unwrap().to_owned());
        runs
    }
}

/// SHA-256 of a file in hexadecimal, if there is such a file.
#[must_use]
pub fn sha256(path: &Path) -> Option<String> {
    fs::read(path).ok().map(|bytes| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}
