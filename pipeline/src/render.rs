//! An edition's workbook again, from its Parquet files and manifest, without a database.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use crate::{
    columns::{EXCEPTIONS, TICKETS, Table},
    error::Error,
    hashed::{self, HashedFile},
    manifest::{Manifest, TableFile},
    publish::settle,
    snapshot::{self, SnapshotError},
    store::{Place, Store, StoreError},
    workbook::{self, Exceptions, Facts, Layout, WorkbookError},
};

/// Writes an edition's workbook to a file; of a bucket the tables are fetched into the run's folder. The build that made the edition gives the same bytes again. Gives the file's
/// size and SHA-256.
///
/// # Errors
/// When the snapshot isn't the one that the manifest names, or can't be read, or the file can't be written.
pub async fn render(
    store: &Store,
    run: &str,
    manifest: &Manifest,
    file: File,
    threads: usize,
) -> Result<(u64, String), Error> {
    let path = intact(store, run, manifest, &TICKETS, manifest.tables.get(TICKETS.name)).await?;
    let (_, batches) = snapshot::read(&TICKETS, open(&path)?)?;
    let exceptions = match &manifest.exceptions {
        Some(file) => exceptions(intact(store, run, manifest, &EXCEPTIONS, Some(file)).await?)?,
        None => Exceptions::none(),
    };
    let mut damage: Option<SnapshotError> = None;
    let batches = batches.map_while(|batch| match batch {
        Ok(batch) => Some(batch),
        Err(error) => {
            damage = Some(error);
            None
        }
    });
    let mut file = HashedFile::new(file);
    let written = workbook::write(&mut file, &Layout::of(manifest)?, threads, batches, |_| {
        Some(Facts { manifest: manifest.clone(), exceptions })
    });
    if let Some(damage) = damage {
        return Err(damage.into());
    }
    written?;
    Ok(file.finish().map_err(WorkbookError::Write)?)
}

/// The path of one of an edition's files, once it is seen to be the one that the manifest names.
async fn intact(
    store: &Store,
    run: &str,
    manifest: &Manifest,
    table: &Table,
    file: Option<&TableFile>,
) -> Result<PathBuf, Error> {
    let place = Place::Table(manifest.period, manifest.edition, table.name);
    let expected = file.map(|file| file.sha256.clone()).unwrap_or_default();
    let path = store.on_disk(place, run).await?;
    let found = hashed::of_file(&path).map_err(|e| StoreError::file(&path, &e))?;
    if found != expected {
        return Err(StoreError::Damaged { place: place.path().to_string(), found, expected }.into());
    }
    Ok(path)
}

fn open(path: &Path) -> Result<File, StoreError> {
    File::open(path).map_err(|e| StoreError::file(path, &e))
}

/// The exceptions in a Parquet file, as a workbook takes them.
///
/// # Errors
/// When the file can't be read.
pub fn exceptions(path: PathBuf) -> Result<Exceptions, WorkbookError> {
    Exceptions::new(move || {
        let file = open(&path).map_err(|e| e.to_string())?;
        let (_, batches) = snapshot::read(&EXCEPTIONS, file).map_err(|e| e.to_string())?;
        Ok(Box::new(batches.map(|batch| batch.map_err(|e| e.to_string()))))
    })
}

/// Makes the workbook of a period's newest edition again if it is gone, and gives it its name. Says what was done.
///
/// # Errors
/// When it can't be made, or this version of the program makes other bytes than the manifest names.
pub async fn restore_workbook(store: &Store, run: &str, manifest: &Manifest, threads: usize) -> Result<String, Error> {
    let path = store.staging(run)?.join("restored.xlsx");
    let file = File::create(&path).map_err(|e| StoreError::file(&path, &e))?;
    let (_, sha256) = render(store, run, manifest, file, threads).await?;
    let name = &manifest.workbook.name;
    if sha256 != manifest.workbook.sha256 {
        let program = &manifest.program;
        return Err(Error::System(format!(
            "`{name}` is missing, and only {program}, which made it, can make the same bytes again: use that version, \
             or make a new edition with --force"
        )));
    }
    store.put(run, "restored.xlsx", Place::PendingWorkbook(manifest.period, manifest.edition)).await?;
    settle(store, run, manifest.period).await?;
    Ok(format!("`{name}` was missing and has been made again from its snapshot"))
}
