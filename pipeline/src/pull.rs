//! The pull: all tables of one cut into their files, the tickets to the sheet at the same time, and their summary.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Instant,
};

use arrow::record_batch::RecordBatch;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::{
    columns::{BOOKINGS, EXCEPTIONS, PAYMENTS, REFUNDS, TABLES, TICKETS, TRIPS, Table},
    error::Error,
    manifest::{Control, ControlName, TableFile, Totals},
    period::{ReportPeriod, ReportTimeZone},
    progress::{Event, Reporter},
    snapshot::{self, Provenance, SnapshotError, TableWriter},
    source::{Cut, SourceError},
    store::StoreError,
    summary::{
        Summary,
        assemble::assemble,
        bookings::{self, BookingSums, SummaryError},
        exceptions::{Days, Differences, Exceptions},
        tickets::TicketSums,
    },
};

/// Batches that wait between two stages: enough to keep both busy, few enough to stay flat in memory.
pub const WAITING_BATCHES: usize = 4;

/// The file in which exceptions of single tickets wait until those of the bookings are written.
const OF_TICKETS: &str = "exceptions-of-tickets";

/// What else is done with each batch.
type Also<'a> = dyn FnMut(&RecordBatch) -> Result<(), Error> + Send + 'a;

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
    /// The days of the tickets.
    pub period: ReportPeriod,
    /// The zone of these days.
    pub zone: &'a ReportTimeZone,
    /// Set by the part that the database stops first. The others end then, and give back what they hold there.
    pub stopped: AtomicBool,
}

/// What was pulled.
#[derive(Debug)]
pub struct Pulled {
    /// The files by table.
    pub tables: BTreeMap<String, TableFile>,
    /// Wall time by table.
    pub seconds: BTreeMap<String, f64>,
    /// What the tables come to.
    pub summary: Summary,
    /// The file of what doesn't agree in them.
    pub exceptions: TableFile,
    /// Whether rows and amounts are the database's own counts and sums.
    pub database_sums: Control,
}

/// A table's name and file, and the seconds it took.
type Timed = (&'static str, TableFile, f64);

/// What bookings and payments come to, by currency code.
type SumsByCurrency = BTreeMap<String, BookingSums>;

/// What of the exceptions is known from some of the tables.
struct Found<T> {
    sums: T,
    counts: BTreeMap<String, u64>,
    differences: Differences,
}

impl Pull<'_> {
    /// Reads all tables from the cut into their files, the tickets to the sheet as well, sums them up, and compares them
    /// with the database's own sums.
    ///
    /// # Errors
    /// When the database or a file fails, or a value breaks a rule.
    pub fn all(&self, rows: u64, to_sheet: Sender<RecordBatch>) -> Result<Pulled, Error> {
        let days = Days::new(self.zone.clone(), self.period.last());
        let mut exceptions = TableWriter::new(&EXCEPTIONS, create(&self.staged(EXCEPTIONS.name))?, &self.provenance)?;
        let (controls, tickets, others) = thread::scope(|scope| {
            let controls = scope.spawn(|| self.part(self.cut.controls().map_err(Error::from)));
            let others = scope.spawn(|| self.part(self.others(&days, &mut exceptions)));
            let tickets = self.part(self.tickets(rows, to_sheet, &days));
            Ok::<_, Error>((join(controls)?, tickets, join(others)?))
        })?;
        let (controls, tickets, others) = match (controls, tickets, others) {
            (Ok(controls), Ok(tickets), Ok(others)) => (controls, tickets, others),
            (controls, tickets, others) => {
                return Err(cause([controls.err(), tickets.err(), others.err()].into_iter().flatten()));
            }
        };
        let (timed, sold) = tickets;
        let (mut all_timed, booked) = others;
        all_timed.push(timed);
        let mut tables = BTreeMap::new();
        let mut seconds = BTreeMap::new();
        for (name, file, took) in all_timed {
            tables.insert(name.to_owned(), file);
            seconds.insert(name.to_owned(), took);
        }
        for batch in self.read_back(&EXCEPTIONS, OF_TICKETS)? {
            exceptions.write(&batch?)?;
        }
        let (mut counts, mut differences) = (booked.counts, booked.differences);
        for (reason, count) in sold.counts {
            *counts.entry(reason).or_default() += count;
        }
        for (place, (count, amount)) in sold.differences {
            let sum = differences.entry(place).or_default();
            *sum = (sum.0 + count, sum.1 + amount);
        }
        let sales = sold.sums.finish(self.read_back(&TRIPS, TRIPS.name)?)?;
        Ok(Pulled {
            database_sums: agree(&tables, &controls),
            summary: assemble(sales, booked.sums, counts, &differences),
            exceptions: exceptions.finish()?,
            tables,
            seconds,
        })
    }

    /// What a part has come to. Where the database has stopped it, the others are stopped too, and their errors are
    /// consequences. With a wrong value they go on: another of them may name its row better.
    fn part<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        let Err(error) = result else { return result };
        if !matches!(error, Error::Source(SourceError::Interrupted(_))) {
            return Err(error);
        }
        if self.stopped.swap(true, Ordering::Relaxed) {
            return Err(SourceError::CutLost(error.line()).into());
        }
        self.cut.stop();
        Err(error)
    }

    fn staged(&self, name: &str) -> PathBuf {
        self.staging.join(format!("{name}.parquet"))
    }

    fn read_back(
        &self,
        table: &'static Table,
        name: &str,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, SnapshotError>>, Error> {
        let path = self.staged(name);
        let file = File::open(&path).map_err(|e| StoreError::file(&path, &e))?;
        Ok(snapshot::read(table, file)?.1)
    }

    /// The tickets, summed up while they pass. What is wrong with single ones waits in a file of its own.
    fn tickets(
        &self,
        rows: u64,
        to_sheet: Sender<RecordBatch>,
        days: &Days,
    ) -> Result<(Timed, Found<TicketSums>), Error> {
        let mut sums = TicketSums::new(self.period, self.zone)?;
        let mut writer = TableWriter::new(&EXCEPTIONS, create(&self.staged(OF_TICKETS))?, &Vec::new())?;
        let mut take =
            |batch: RecordBatch| writer.write(&batch).and_then(|()| writer.end_row_group()).map_err(|e| e.to_string());
        let mut exceptions = Exceptions::new(days, &mut take);
        let timed = self.timed(&TICKETS, Some(rows), Some(to_sheet), &mut |batch| {
            sums.add(batch, &mut exceptions).map_err(|e| SummaryError::from(e).into())
        })?;
        let (counts, differences) = exceptions.finish().map_err(SummaryError::from)?;
        writer.finish()?;
        Ok((timed, Found { sums, counts, differences }))
    }

    /// The other tables, and then what doesn't agree among them. All of it takes less time than the tickets.
    fn others(&self, days: &Days, writer: &mut TableWriter) -> Result<(Vec<Timed>, Found<SumsByCurrency>), Error> {
        let timed =
            [&BOOKINGS, &PAYMENTS, &REFUNDS, &TRIPS].map(|table| self.timed(table, None, None, &mut |_| Ok(())));
        let timed = timed.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut take = |batch: RecordBatch| writer.write(&batch).map_err(|e| e.to_string());
        let mut exceptions = Exceptions::new(days, &mut take);
        let sums = bookings::sum_up(
            self.read_back(&BOOKINGS, BOOKINGS.name)?,
            self.read_back(&PAYMENTS, PAYMENTS.name)?,
            self.read_back(&REFUNDS, REFUNDS.name)?,
            days,
            &mut exceptions,
        )?;
        let (counts, differences) = exceptions.finish().map_err(SummaryError::from)?;
        // Those of the tickets follow much later.
        writer.end_row_group()?;
        Ok((timed, Found { sums, counts, differences }))
    }

    fn timed(
        &self,
        table: &'static Table,
        of: Option<u64>,
        to_sheet: Option<Sender<RecordBatch>>,
        also: &mut Also<'_>,
    ) -> Result<Timed, Error> {
        let began = Instant::now();
        let file = self.table(table, of, to_sheet, also)?;
        Ok((table.name, file, began.elapsed().as_secs_f64()))
    }

    /// Reads one table into its file, to the sheet where there is one, and to whom it concerns `also`; `of` is the number
    /// of rows there will be, where it is known.
    fn table(
        &self,
        table: &'static Table,
        of: Option<u64>,
        to_sheet: Option<Sender<RecordBatch>>,
        also: &mut Also<'_>,
    ) -> Result<TableFile, Error> {
        let began = Instant::now();
        let mut writer = TableWriter::new(table, create(&self.staged(table.name))?, &self.provenance)?;
        let bytes = writer.bytes();
        let rows = AtomicU64::new(0);
        // Until the first rows are sorted there is nothing to see but that the database works on them.
        self.reporter.tell(&Event::Progress { stage: table.name, rows: 0, of, bytes: None });
        let (to_file, file_batches): (_, Receiver<RecordBatch>) = bounded(WAITING_BATCHES);
        let file = thread::scope(|scope| {
            let file = scope.spawn(move || {
                for batch in file_batches {
                    writer.write(&batch)?;
                    also(&batch)?;
                }
                Ok(writer.finish()?)
            });
            let read = self.cut.read(table, &mut |batch| {
                let so_far = rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed) + batch.num_rows() as u64;
                let bytes = Some(bytes.load(Ordering::Relaxed));
                self.reporter.tell(&Event::Progress { stage: table.name, rows: so_far, of, bytes });
                !self.stopped.load(Ordering::Relaxed)
                    && to_sheet.as_ref().is_none_or(|sheet| sheet.send(batch.clone()).is_ok())
                    && to_file.send(batch).is_ok()
            });
            drop(to_file);
            let file: Result<TableFile, Error> = join(file)?;
            read?;
            if self.stopped.load(Ordering::Relaxed) {
                return Err(SourceError::CutLost("another part has failed".to_owned()).into());
            }
            file
        })?;
        let seconds = began.elapsed().as_secs_f64();
        self.reporter.tell(&Event::Finished { stage: table.name, rows: file.rows, bytes: Some(file.size), seconds });
        Ok(file)
    }
}

/// Which of several errors is the cause: what one connection meets makes the others fail too, with less to say, as their
/// snapshot is gone.
fn cause(errors: impl Iterator<Item = Error>) -> Error {
    let mut errors: Vec<Error> = errors.collect();
    let consequence = |error: &Error| matches!(error, Error::Source(SourceError::CutLost(_)));
    let cause = errors.iter().position(|error| !consequence(error)).unwrap_or(0);
    errors.swap_remove(cause)
}

/// Whether what was read is what the database counts and adds up itself.
fn agree(tables: &BTreeMap<String, TableFile>, controls: &BTreeMap<String, Totals>) -> Control {
    let mut differences = Vec::new();
    for table in TABLES {
        let none = Totals::new();
        let read = tables.get(table.name).map_or(&none, |file| &file.totals);
        let mut expected = controls.get(table.name).cloned().unwrap_or_default();
        expected.retain(|_, total| total.rows > 0);
        for currency in read.keys().chain(expected.keys().filter(|code| !read.contains_key(*code))) {
            let [read, expected] = [read, &expected].map(|totals| totals.get(currency).copied().unwrap_or_default());
            if read != expected {
                differences.push(format!(
                    "{} {currency}: {} rows of {} were read, the database says {} of {}",
                    table.name, read.rows, read.amount, expected.rows, expected.amount
                ));
            }
        }
    }
    let passed = differences.is_empty();
    let detail = if passed { "all tables agree to the cent".to_owned() } else { differences.join("; ") };
    Control { name: ControlName::DatabaseSums, passed, detail }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Money, Total};

    fn totals(currency: &str, rows: u64, cents: i128) -> Totals {
        Totals::from([(currency.to_owned(), Total { rows, amount: Money(cents) })])
    }

    #[test]
    fn sums_unlike_the_databases_own_are_told_by_table_and_currency() {
        let file = |totals| TableFile { rows: 2, size: 0, sha256: String::new(), digest: String::new(), totals };
        let tables = BTreeMap::from([("tickets".to_owned(), file(totals("EUR", 2, 1_000)))]);
        assert!(agree(&tables, &BTreeMap::from([("tickets".to_owned(), totals("EUR", 2, 1_000))])).passed);
        for (controls, told) in [
            (totals("EUR", 2, 1_001), "tickets EUR: 2 rows of 10.00 were read, the database says 2 of 10.01"),
            (totals("EUR", 3, 1_000), "the database says 3 of 10.00"),
            (totals("CHF", 2, 1_000), "tickets CHF: 0 rows of 0.00 were read"),
            (Totals::new(), "the database says 0 of 0.00"),
        ] {
            let control = agree(&tables, &BTreeMap::from([("tickets".to_owned(), controls)]));
            assert!(!control.passed && control.detail.contains(told), "{}", control.detail);
        }
    }
}
