//! What a server needs of the store beside what runs do: whole lists, and objects to send.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::Path as FilePath,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use jiff::{Timestamp, civil::Date};
use object_store::{GetOptions, GetResult, GetResultPayload, ObjectMeta, ObjectStore, path::Path};

use super::{Place, Store, StoreError};
use crate::period::PeriodId;

/// Bytes of the record that a ZIP archive ends with, where it has no comment; no program gives a workbook one.
const END_RECORD: u64 = 22;

/// Bytes that are read and sent at once.
const PIECE: usize = 1 << 17;

/// A file of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundFile {
    /// Its size in bytes.
    pub size: u64,
    /// When it was written.
    pub modified: Timestamp,
}

impl FoundFile {
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        Self { size: meta.size, modified: instant(meta) }
    }
}

/// One version of an object, opened. It stays that version's even when the object is replaced meanwhile.
#[derive(Debug)]
pub struct Opened {
    store: Store,
    path: Path,
    result: GetResult,
}

impl Opened {
    /// The object's size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.result.meta.size
    }

    /// When it was written.
    #[must_use]
    pub fn modified(&self) -> Timestamp {
        instant(&self.result.meta)
    }

    /// What tells this version from the object's others.
    #[must_use]
    pub fn version(&self) -> String {
        self.result.meta.e_tag.clone().unwrap_or_else(|| format!("{}-{}", self.modified(), self.size()))
    }

    /// The bytes of a range within the size.
    ///
    /// # Errors
    /// When the store fails or, in a bucket, the object has been replaced meanwhile.
    pub async fn bytes(self, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        let path = self.path;
        match self.result.payload {
            GetResultPayload::File(file, _) => Ok(pieces(path, file, range).boxed()),
            GetResultPayload::Stream(_) => {
                let options =
                    GetOptions { range: Some(range.into()), if_match: self.result.meta.e_tag, ..GetOptions::default() };
                let part = self.store.objects.get_opts(&path, options).await;
                let part = part.map_err(|e| StoreError::object(&path, &e))?;
                Ok(part.into_stream().map_err(move |e| StoreError::object(&path, &e)).boxed())
            }
        }
    }
}

/// A part of an open file, a piece at a time, so that nothing is read before it can be sent.
fn pieces(path: Path, file: fs::File, range: Range<u64>) -> impl futures::Stream<Item = Result<Bytes, StoreError>> {
    futures::stream::try_unfold((file, range), move |(mut file, range)| {
        let path = path.clone();
        async move {
            if range.is_empty() {
                return Ok(None);
            }
            let wanted = usize::try_from(range.end - range.start).unwrap_or(PIECE).min(PIECE);
            let read = move || -> io::Result<_> {
                let mut piece = vec![0; wanted];
                file.seek(SeekFrom::Start(range.start))?;
                file.read_exact(&mut piece)?;
                Ok((file, piece))
            };
            let read = tokio::task::spawn_blocking(read).await.map_err(io::Error::other).and_then(|read| read);
            let (file, piece) =
                read.map_err(|e| StoreError::Object { place: path.to_string(), reason: e.to_string(), full: false })?;
            let next = range.start + piece.len() as u64..range.end;
            Ok(Some((Bytes::from(piece), (file, next))))
        }
    })
}

fn instant(meta: &ObjectMeta) -> Timestamp {
    Timestamp::from_millisecond(meta.last_modified.timestamp_millis()).unwrap_or_default()
}

impl Store {
    /// Whether the store can be read at all. A folder that is gone looks empty otherwise.
    ///
    /// # Errors
    /// When it can't.
    pub async fn reachable(&self) -> Result<(), StoreError> {
        if self.is_bucket() {
            let folder = Path::from("editions");
            let first = self.objects.list(Some(&folder)).try_next().await;
            return first.map(drop).map_err(|e| StoreError::object(&folder, &e));
        }
        let root = self.root.clone();
        let looked = tokio::task::spawn_blocking(move || match fs::read_dir(&root) {
            Ok(_) => Ok(()),
            Err(reason) => Err(StoreError::Folder { path: root, reason }),
        });
        looked
            .await
            .unwrap_or_else(|e| Err(StoreError::Folder { path: self.root.clone(), reason: io::Error::other(e) }))
    }

    /// Whether it is a file of the store, and no link that leads out of it.
    fn is_inside(&self, file: &FilePath) -> bool {
        file.canonicalize().is_ok_and(|real| real.starts_with(&self.root) && real.is_file())
    }

    /// Opens an object to send it; `None` where there is none, or where a link leads out of the store.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn opened(&self, place: Place<'_>) -> Result<Option<Opened>, StoreError> {
        let path = place.path();
        let (file, store) = (self.file(place), self.clone());
        // In a bucket nothing leads anywhere, and what it holds is asked for when it is sent.
        let options = GetOptions { head: self.is_bucket(), ..GetOptions::default() };
        if !self.is_bucket() && !tokio::task::spawn_blocking(move || store.is_inside(&file)).await.unwrap_or(false) {
            self.reachable().await?;
            return Ok(None);
        }
        match self.objects.get_opts(&path, options).await {
            Ok(result) => Ok(Some(Opened { store: self.clone(), path, result })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StoreError::object(&path, &error)),
        }
    }

    /// All files on the root whose names are wanted, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn root_files(&self, wanted: fn(&str) -> bool) -> Result<HashMap<String, FoundFile>, StoreError> {
        if self.is_bucket() {
            let failed = |e| StoreError::object(&Path::default(), &e);
            let listed = self.objects.list_with_delimiter(None).await.map_err(failed)?;
            let found = listed.objects.iter().filter_map(|meta| {
                let name = meta.location.filename().filter(|name| wanted(name))?;
                Some((name.to_owned(), FoundFile::of(meta)))
            });
            return Ok(found.collect());
        }
        let store = self.clone();
        let listed = tokio::task::spawn_blocking(move || {
            let mut found = HashMap::new();
            for entry in fs::read_dir(&store.root)? {
                let entry = entry?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                // What is gone by now, or leads out of the store, isn't there.
                let of = wanted(&name).then(|| store.found(&entry.path())).flatten();
                found.extend(of.map(|of| (name, of)));
            }
            Ok::<_, io::Error>(found)
        });
        let listed = listed.await.map_err(io::Error::other).and_then(|listed| listed);
        listed.map_err(|reason| StoreError::Folder { path: self.root.clone(), reason })
    }

    /// Whether a file on the root is a whole workbook: what every ZIP archive ends with is written last.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_finished(&self, name: &str) -> Result<bool, StoreError> {
        let Some(opened) = self.opened(Place::Workbook(name)).await? else { return Ok(false) };
        let size = opened.size();
        let Some(start) = size.checked_sub(END_RECORD) else { return Ok(false) };
        let end: Vec<Bytes> = opened.bytes(start..size).await?.try_collect().await?;
        Ok(end.concat().starts_with(b"PK\x05\x06"))
    }

    fn found(&self, file: &FilePath) -> Option<FoundFile> {
        if file.is_symlink() && !self.is_inside(file) {
            return None;
        }
        let meta = file.metadata().ok().filter(fs::Metadata::is_file)?;
        let modified = meta.modified().ok().and_then(|at| Timestamp::try_from(at).ok()).unwrap_or_default();
        Some(FoundFile { size: meta.len(), modified })
    }

    /// The editions that have a manifest.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn editions(&self) -> Result<Vec<(PeriodId, u32)>, StoreError> {
        let folder = Path::from("editions");
        let failed = |e| StoreError::object(&folder, &e);
        let mut editions = Vec::new();
        let mut objects = self.objects.list(Some(&folder));
        while let Some(meta) = objects.try_next().await.map_err(failed)? {
            let parts: Vec<_> = meta.location.parts().collect();
            if let [_, period, number, name] = parts.as_slice()
                && name.as_ref() == "manifest.json"
                && let (Ok(period), Ok(number)) = (period.as_ref().parse(), number.as_ref().parse())
            {
                editions.push((period, number));
            }
        }
        editions.sort_unstable();
        Ok(editions)
    }

    /// The names of the runs whose ends are recorded.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn runs(&self) -> Result<Vec<String>, StoreError> {
        self.names("state/runs", ".json").await
    }

    /// The names of the jobs that a server has accepted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn jobs(&self) -> Result<Vec<String>, StoreError> {
        self.names("state/jobs", ".json").await
    }

    /// A day's entries of the audit log by their ids, which are in the order of time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit(&self, day: Date) -> Result<BTreeMap<String, Bytes>, StoreError> {
        let mut entries = BTreeMap::new();
        for id in self.names(&format!("state/audit/{day}"), ".json").await? {
            if let Some(entry) = self.read(Place::Audit(day, &id)).await? {
                entries.insert(id, entry);
            }
        }
        Ok(entries)
    }

    async fn names(&self, folder: &str, ending: &str) -> Result<Vec<String>, StoreError> {
        let listed = self.list(&Path::from(folder)).await?;
        let names = listed.iter().filter_map(|path| path.filename()?.strip_suffix(ending).map(str::to_owned));
        Ok(names.collect())
    }
}
