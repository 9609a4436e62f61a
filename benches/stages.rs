//! Times each stage of a report alone, at ten thousand, a hundred thousand and a million tickets.
//!
//! The question: where do the seconds of a report go, and which stage has a change made slower? Run it by
//! `make stages`; criterion compares with its run before and takes a filter, as in
//! `cargo bench --workspace --bench stages -- rows/100000`.
//!
//! - `pull`: the tickets' query from PostgreSQL to Arrow batches, all other columns of a report included
//! - `snapshot`: batches to a Parquet file, with its digest and its totals
//! - `rows`: batches to the sheet's deflated rows on one thread; formatting and coding are one pass
//! - `deflate`: the same rows through zlib's level 6 instead, as `--compression small` makes them
//! - `package`: a workbook without rows
//! - `whole`: a report, from its start to the published edition
#![expect(clippy::unwrap_used, reason = "a measurement that fails must stop where it fails")]

use std::{cell::OnceCell, io, time::Duration};

use arrow::record_batch::RecordBatch;
use criterion::{
    BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use jiff::civil::date;
use pipeline::{
    cli::available_threads,
    columns::TICKETS,
    config::DatabaseAddress,
    demo::DemoOptions,
    locale::Locale,
    manifest::{Branding, Compression, Manifest},
    period::{ReportPeriod, ReportTimeZone},
    progress::Reporter,
    run::{Outcome, ReportRequest, run_report},
    snapshot::TableWriter,
    source,
    store::Store,
    workbook::{self, Layout},
};
use tests::postgres::PostgresDatabase;

const SIZES: [u64; 3] = [10_000, 100_000, 1_000_000];

/// A month of a demo, made when the first bench of its size runs.
struct Month {
    tickets: u64,
    made: OnceCell<Made>,
}

struct Made {
    database: PostgresDatabase,
    batches: Vec<RecordBatch>,
    manifest: Manifest,
}

impl Month {
    fn made(&self) -> &Made {
        self.made.get_or_init(|| {
            // The middle month of three has about a third of the tickets.
            let options = DemoOptions { tickets: self.tickets * 3, first_month: date(2025, 1, 1), months: 3, seed: 1 };
            let database = PostgresDatabase::demo(&options);
            database.execute("VACUUM ANALYZE");
            let batches = pull(&database);
            let manifest = report(&database).manifest;
            Made { database, batches, manifest }
        })
    }
}

fn february() -> ReportPeriod {
    ReportPeriod::new(date(2025, 2, 1), date(2025, 2, 28), date(2025, 12, 1)).unwrap()
}

fn address(database: &PostgresDatabase) -> DatabaseAddress {
    DatabaseAddress::parse(&database.url()).unwrap()
}

fn pull(database: &PostgresDatabase) -> Vec<RecordBatch> {
    let (start, end) = february().bounds(&ReportTimeZone::utc()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cut = source::open(&address(database), start, end, "ticketing-report-stages", folder.path()).unwrap();
    let mut batches = Vec::new();
    cut.read(&TICKETS, &mut |batch| {
        batches.push(batch);
        true
    })
    .unwrap();
    batches
}

fn snapshot(batches: &[RecordBatch]) {
    let mut writer = TableWriter::new(&TICKETS, tempfile::tempfile().unwrap(), &Vec::new()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

fn rows(made: &Made, compression: Compression, batches: &[RecordBatch]) {
    let mut layout = Layout::of(&made.manifest).unwrap();
    layout.compression = compression;
    layout.rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let manifest = made.manifest.clone();
    workbook::write(io::sink(), &layout, 1, batches.iter().cloned(), |_| Some(manifest.into())).unwrap();
}

fn report(database: &PostgresDatabase) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let request = ReportRequest {
        period: february(),
        zone: ReportTimeZone::utc(),
        output: None,
        job: None,
        of_backfill: false,
        force: false,
        fail_if_empty: true,
        threads: available_threads(),
        compression: Compression::default(),
        strict: false,
        locale: Locale::default(),
        branding: Branding::default(),
    };
    let store = Store::open(&folder.path().display().to_string()).unwrap();
    run_report(&request, &address(database), &store, &Reporter::quiet()).unwrap()
}

fn stage(criterion: &mut Criterion, months: &[Month], name: &str, mut run: impl FnMut(&Made)) {
    let mut group: BenchmarkGroup<'_, WallTime> = criterion.benchmark_group(name);
    // A million rows take seconds: ten runs are enough, one after the other.
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_secs(1));
    for month in months {
        group.throughput(Throughput::Elements(month.tickets));
        group.bench_function(month.tickets.to_string(), |bench| {
            let made = month.made();
            bench.iter(|| run(made));
        });
    }
}

fn stages(criterion: &mut Criterion) {
    let months = SIZES.map(|tickets| Month { tickets, made: OnceCell::new() });
    stage(criterion, &months, "pull", |made| drop(pull(&made.database)));
    stage(criterion, &months, "snapshot", |made| snapshot(&made.batches));
    stage(criterion, &months, "rows", |made| rows(made, Compression::Fast, &made.batches));
    stage(criterion, &months, "deflate", |made| rows(made, Compression::Small, &made.batches));
    stage(criterion, &months, "package", |made| rows(made, Compression::Fast, &[]));
    stage(criterion, &months, "whole", |made| drop(report(&made.database)));
}

criterion_group!(benches, stages);
criterion_main!(benches);
