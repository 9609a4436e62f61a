//! The pull: all tables of one cut into their files, the tickets to the sheet at the same time.

use std::{
    collections::BTreeMap,
    fs::File,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use arrow::record_batch::RecordBatch;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::{
    columns::{BOOKINGS, PAYMENTS, REFUNDS, TABLES, TICKETS, TRIPS, Table},
    error::Error,
    manifest::{TableFile, Totals},
    progress::{Event, Reporter},
    snapshot::{Provenance, SnapshotError, TableWriter},
    source::{Cut, SourceError},
    store::StoreError,
};

/// Batches that wait between two stages: enough to keep both busy, few enough to stay flat in memory.
pub const WAITING_BATCHES: usize = 4;

/// What is pulled from where to where.
pub struct Pull<'a> {
    /// The cut to read from.
    pub cut: &'a dyn Cut,
    /// The folder for the files, each named after its table.
    pub staging: &'a Path,
    /// What each file says of its origin.
    pub provenance: Provenance,
    /// Who is told how far it is.
    pub reporter: &'a Reporter,
}

/// Each table's file, and the seconds each took.
#[derive(Debug, Default)]
pub struct Pulled {
    /// The files by table.
    pub tables: BTreeMap<String, TableFile>,
    /// Wall time by table.
    pub seconds: BTreeMap<String, f64>,
}

impl Pull<'_> {
    /// Reads all tables from the cut into their files, the tickets to the sheet as well, and sees that they agree with
    /// the database's own sums.
    ///
    /// # Errors
    /// When the database or a file fails, a value breaks a rule, or the sums differ.
    pub fn all(&self, rows: u64, to_sheet: Sender<RecordBatch>) -> Result<Pulled, Error> {
        let (controls, tables) = thread::scope(|scope| {
            let controls = scope.spawn(|| self.cut.controls());
            let others =
                scope.spawn(|| [&BOOKINGS, &PAYMENTS, &REFUNDS, &TRIPS].map(|table| self.timed(table, None, None)));
            let tickets = self.timed(&TICKETS, Some(rows), Some(to_sheet));
            Ok::<_, Error>((join(controls)?, [tickets].into_iter().chain(join(others)?)))
        })?;
        let mut pulled = Pulled::default();
        let mut errors = Vec::new();
        for table in tables {
            match table {
                Ok((name, file, seconds)) => {
                    pulled.tables.insert(name.to_owned(), file);
                    pulled.seconds.insert(name.to_owned(), seconds);
                }
                Err(error) => errors.push(error),
            }
        }
        match controls {
            Ok(controls) if errors.is_empty() => {
                agree(&pulled.tables, &controls)?;
                return Ok(pulled);
            }
            Ok(_) => {}
            Err(error) => errors.push(error.into()),
        }
        // What one connection meets makes the others fail too, with less to say: their snapshot is gone.
        let consequence = |error: &Error| matches!(error, Error::Source(SourceError::CutLost(_)));
        let cause = errors.iter().position(|error| !consequence(error)).unwrap_or(0);
        Err(errors.swap_remove(cause))
    }

    fn timed(
        &self,
        table: &'static Table,
        of: Option<u64>,
        to_sheet: Option<Sender<RecordBatch>>,
    ) -> Result<(&'static str, TableFile, f64), Error> {
        let began = Instant::now();
        let file = self.table(table, of, to_sheet)?;
        Ok((table.name, file, began.elapsed().as_secs_f64()))
    }

    /// Reads one table into its file, and to the sheet where there is one; `of` is the number of rows there will be,
    /// where it is known.
    fn table(
        &self,
        table: &'static Table,
        of: Option<u64>,
        to_sheet: Option<Sender<RecordBatch>>,
    ) -> Result<TableFile, Error> {
        let began = Instant::now();
        let mut writer =
            TableWriter::new(table, create(&self.staging.join(format!("{}.parquet", table.name)))?, &self.provenance)?;
        let bytes = writer.bytes();
        let rows = AtomicU64::new(0);
        // Until the first rows are sorted there is nothing to see but that the database works on them.
        self.reporter.tell(&Event::Progress { stage: table.name, rows: 0, of, bytes: None });
        let (to_file, file_batches): (_, Receiver<RecordBatch>) = bounded(WAITING_BATCHES);
        let file = thread::scope(|scope| {
            let file = scope.spawn(move || {
                for batch in file_batches {
                    writer.write(&batch)?;
                }
                writer.finish()
            });
            let read = self.cut.read(table, &mut |batch| {
                let so_far = rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed) + batch.num_rows() as u64;
                let bytes = Some(bytes.load(Ordering::Relaxed));
                self.reporter.tell(&Event::Progress { stage: table.name, rows: so_far, of, bytes });
                to_sheet.as_ref().is_none_or(|sheet| sheet.send(batch.clone()).is_ok()) && to_file.send(batch).is_ok()
            });
            drop(to_file);
            let file: Result<TableFile, SnapshotError> = join(file)?;
            read?;
            Ok::<_, Error>(file?)
        })?;
        let seconds = began.elapsed().as_secs_f64();
        self.reporter.tell(&Event::Finished { stage: table.name, rows: file.rows, bytes: Some(file.size), seconds });
        Ok(file)
    }
}

/// Sees that what was read is what the database counts and adds up itself.
fn agree(tables: &BTreeMap<String, TableFile>, controls: &BTreeMap<String, Totals>) -> Result<(), SourceError> {
    for table in TABLES {
        let none = Totals::new();
        let read = tables.get(table.name).map_or(&none, |file| &file.totals);
        let mut expected = controls.get(table.name).cloned().unwrap_or_default();
        expected.retain(|_, total| total.rows > 0);
        if *read != expected {
            let say = |totals: &Totals| serde_json::to_string(totals).unwrap_or_default();
            return Err(SourceError::Controls { table: table.name, read: say(read), database: say(&expected) });
        }
    }
    Ok(())
}

/// Makes a file in a staging folder.
///
/// # Errors
/// When it can't be made.
pub fn create(path: &Path) -> Result<File, StoreError> {
    File::create(path).map_err(|e| StoreError::file(path, &e))
}

/// What a thread has come to.
///
/// # Errors
/// When it has panicked.
pub fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> Result<T, Error> {
    thread.join().map_err(|_| Error::System("a thread of the report has died; please report this".to_owned()))
}
