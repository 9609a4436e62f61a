//! Our side of the side-by-side benchmark: the library's own reader, snapshot and workbook over a given query.
//!
//! It does what a run does with the tickets, no less: one cut, each batch into a Parquet file with its digest and
//! totals, and into the workbook at the same time. Run with the database's address in `DATABASE_URL`, the query in
//! `QUERY`, and the workbook's path as its only argument; the snapshot is written beside it.

use std::{collections::BTreeMap, error::Error, fs::File, path::Path, thread};

use arrow::record_batch::RecordBatch;
use crossbeam_channel::bounded;
use jiff::{Timestamp, civil::date};
use pipeline::{
    columns::{SCHEMA_VERSION, TICKETS},
    config::DatabaseAddress,
    hashed::HashedFile,
    locale::Locale,
    manifest::{Branding, Compression, Cut as CutInfo, Manifest, RunFigures, TableFile, WorkbookFile},
    period::{ReportPeriod, ReportTimeZone},
    run::program,
    snapshot::TableWriter,
    source::{Cut, PostgresSession},
    workbook::{self, Facts, Layout},
};

/// Batches that wait between two stages, as in a run.
const WAITING_BATCHES: usize = 4;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let path = std::env::args_os().nth(1).ok_or("usage: DATABASE_URL=... QUERY=... side-by-side-ours PATH")?;
    let path = Path::new(&path);
    let query = std::env::var("QUERY")?;
    let address = DatabaseAddress::parse(&std::env::var("DATABASE_URL")?)?;
    let DatabaseAddress::Postgres(url) = &address else { return Err("the benchmark reads from PostgreSQL".into()) };

    let mut session = PostgresSession::open(url, &address.to_string(), "ticketing-report-side-by-side")?;
    let counted: i64 = session.client().query_one(&format!("SELECT count(*) FROM ({query}) q"), &[])?.get(0);
    let rows = u64::try_from(counted)?;

    let zone = ReportTimeZone::utc();
    let period = ReportPeriod::new(date(2025, 2, 1), date(2025, 2, 28), date(2025, 12, 1))?;
    let bounds = period.bounds(&zone)?;
    let cut = session.cut(bounds.0, bounds.1)?;
    let created = cut.cut().at;
    let layout = Layout { rows, zone: zone.clone(), bounds, created, compression: Compression::default() };
    let threads = thread::available_parallelism().map_or(1, usize::from);

    let (to_sheet, sheet_batches) = bounded::<RecordBatch>(WAITING_BATCHES);
    let (to_file, file_batches) = bounded::<RecordBatch>(WAITING_BATCHES);
    let (send_file, tickets) = bounded::<TableFile>(1);
    let workbook = File::create(path)?;
    let snapshot = File::create(path.with_extension("parquet"))?;
    thread::scope(|scope| {
        let sheet = scope.spawn(|| {
            let mut file = HashedFile::new(workbook);
            workbook::write(&mut file, &layout, threads, sheet_batches, |warnings| {
                let tickets = tickets.recv().ok()?;
                manifest(period, &zone, cut.cut(), &address, warnings, tickets).map(Facts::from)
            })?;
            Ok::<_, Failure>(file.finish()?)
        });
        let file = scope.spawn(move || {
            let mut writer = TableWriter::new(&TICKETS, snapshot, &Vec::new())?;
            for batch in file_batches {
                writer.write(&batch)?;
            }
            send_file.send(writer.finish()?).map_err(|_| "the workbook's thread has ended before its time")?;
            Ok::<_, Failure>(())
        });
        let read = cut.read_query(&query, &TICKETS, &mut |batch| {
            to_sheet.send(batch.clone()).is_ok() && to_file.send(batch).is_ok()
        });
        drop((to_sheet, to_file));
        read?;
        file.join().map_err(|_| "the snapshot's thread has died")??;
        sheet.join().map_err(|_| "the workbook's thread has died")??;
        Ok(())
    })
}

/// An edition as a run would describe it, so that the workbook's last sheet is complete.
fn manifest(
    period: ReportPeriod,
    zone: &ReportTimeZone,
    cut: &CutInfo,
    address: &DatabaseAddress,
    warnings: Vec<String>,
    tickets: TableFile,
) -> Option<Manifest> {
    let period = period.id(zone, cut.at).ok()?;
    let name = period.workbook_name(None);
    Some(Manifest {
        period,
        edition: 1,
        provisional: false,
        time_zone: zone.clone(),
        cut: cut.clone(),
        created_at: Timestamp::now(),
        schema_version: SCHEMA_VERSION,
        program: program(),
        source: address.to_string(),
        sql_sha256: pipeline::source::sql_sha256(address),
        digest: tickets.digest.clone(),
        rows: tickets.rows,
        tables: BTreeMap::from([(TICKETS.name.to_owned(), tickets)]),
        workbook: WorkbookFile {
            edition_name: name.clone(),
            name,
            compression: Compression::default(),
            size: 0,
            sha256: String::new(),
        },
        warnings,
        changes: None,
        summary: None,
        exceptions: None,
        compared: Vec::new(),
        controls: Vec::new(),
        locale: Locale::default(),
        branding: Branding::default(),
        run: RunFigures::default(),
    })
}
