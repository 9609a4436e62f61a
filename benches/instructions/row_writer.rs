//! How many instructions does it take to write the sheet of ten thousand tickets?
//!
//! `make instructions` counts them, in all threads, and compares the count with the last one in `history.jsonl`. It is
//! the same to within 0.02 %, whatever else the machine does: valgrind shows programs a processor of its own, so that
//! libraries which ask what the processor can do take the same path on every x86-64 with AVX2. What is left are hash
//! tables, whose seeds are random, and threads that wait for each other.

#![expect(missing_docs, reason = "gungraun's macros make public items without documentation")]

mod tickets;

use std::{collections::BTreeMap, io};

use arrow::record_batch::RecordBatch;
use gungraun::{Callgrind, prelude::*};
use pipeline::{
    columns::SCHEMA_VERSION,
    locale::Locale,
    manifest::{Branding, Compression, Cut, Manifest, RunFigures, WorkbookFile},
    period::ReportTimeZone,
    workbook::{self, Layout},
};

/// What a workbook is made from.
struct Edition {
    layout: Layout,
    manifest: Manifest,
    batches: Vec<RecordBatch>,
}

/// The edition of a month with that many tickets. Not counted.
fn edition(rows: usize) -> Edition {
    let manifest = manifest(rows as u64);
    let layout = Layout::of(&manifest).expect("the month lies within the calendar");
    Edition { layout, manifest, batches: tickets::batches(rows) }
}

fn manifest(rows: u64) -> Manifest {
    let cut = "2025-12-01T04:05:06.789Z".parse().expect("an instant");
    Manifest {
        period: "2025-11".parse().expect("a month"),
        edition: 1,
        provisional: false,
        time_zone: ReportTimeZone::utc(),
        cut: Cut { at: cut, snapshot: None },
        created_at: cut,
        schema_version: SCHEMA_VERSION,
        program: "the bench".to_owned(),
        source: "no database".to_owned(),
        sql_sha256: String::new(),
        digest: String::new(),
        rows,
        tables: BTreeMap::new(),
        workbook: WorkbookFile {
            name: "ticketing-report-2025-11.xlsx".to_owned(),
            edition_name: "ticketing-report-2025-11-edition-1.xlsx".to_owned(),
            compression: Compression::Fast,
            size: 0,
            sha256: String::new(),
        },
        warnings: Vec::new(),
        changes: None,
        summary: None,
        exceptions: None,
        compared: Vec::new(),
        controls: Vec::new(),
        locale: Locale::default(),
        branding: Branding::default(),
        run: RunFigures::default(),
    }
}

/// Makes the workbook on one thread and throws it away. Not a part of the bench's function: callgrind takes closures in
/// that for another beginning or end of what it counts.
fn make(edition: Edition) {
    let Edition { layout, manifest, batches } = edition;
    workbook::write(io::sink(), &layout, 1, batches, |_| Some(manifest.into())).expect("a workbook");
}

#[library_benchmark]
#[bench::month(args = (10_000), setup = edition)]
fn write(edition: Edition) {
    make(edition);
}

library_benchmark_group!(name = row_writer, benchmarks = write);

/// What callgrind counts.
fn config() -> LibraryBenchmarkConfig {
    // Left to itself it counts the bench's own thread alone. All others begin with this function of the standard
    // library, so whatever threads the workbook is made on are counted, too.
    let callgrind = Callgrind::with_args(["--toggle-collect=*::thread_start", "--cache-sim=no"]);
    let mut config = LibraryBenchmarkConfig::default();
    // Long fills and copies are one instruction, `rep stosb` or `rep movsb`, which is counted once for each byte. Done
    // without it, 32 bytes at a time, they count for what they are beside the rest.
    let never = u32::MAX;
    let tunables = format!("glibc.cpu.x86_rep_stosb_threshold={never}:glibc.cpu.x86_rep_movsb_threshold={never}");
    config.tool(callgrind).env("GLIBC_TUNABLES", tunables);
    config
}

main!(config = config(), library_benchmark_groups = row_writer);
