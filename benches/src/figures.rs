//! Measures the report on PostgreSQL at its full sizes, and writes docs/figures.md.
//!
//! The question: how long does a month of so many tickets take, stage by stage, and in how much memory, beside the
//! query that the program replaces, run in turn on the same server? Run it by `make figures`; other sizes are given as
//! arguments. A third of the table's tickets are the month's.
#![expect(clippy::unwrap_used, reason = "a measurement that fails must stop where it fails")]

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use jiff::civil::date;
use pipeline::{demo::DemoOptions, manifest::Manifest};
use tests::postgres::PostgresDatabase;

/// What the program replaces: a query that adds up every payment there is and sends nothing before all is sorted.
const OLD_QUERY: &str = include_str!("old-query.sql");

/// Everything is run so many times, in turn; the medians count.
const TIMES: usize = 3;

/// Below this line docs/figures.md is written anew.
const MARK: &str = "<!-- Written by `make figures` from here on. -->\n";

/// The most memory that a report of any size may take.
const MOST_MEMORY: u64 = 256 * 1024 * 1024;

fn main() {
    let sizes: Vec<u64> = std::env::args().skip(1).map(|size| size.parse().unwrap()).collect();
    let sizes = if sizes.is_empty() { vec![100_000, 1_000_000] } else { sizes };
    let mut text = format!("\n{}\n", machine());
    for tickets in sizes {
        text.push_str(&measure(tickets));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/figures.md");
    let old = fs::read_to_string(&path).unwrap();
    let kept = old.split_once(MARK).map_or(old.as_str(), |(kept, _)| kept);
    fs::write(&path, format!("{kept}{MARK}{text}")).unwrap();
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown processor");
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = model.trim_start_matches(['\t', ' ', ':']);
    format!(
        "Measured on {} on {cores} cores ({model}) with {} GiB, shared by the program and a PostgreSQL with its default \
         settings; medians of {TIMES} runs.",
        jiff::ZonedDateTime::now().date(),
        kib.div_ceil(1024 * 1024)
    )
}

/// One size: the report and the old query in turn.
fn measure(tickets: u64) -> String {
    let options = DemoOptions { tickets: tickets * 3, first_month: date(2025, 1, 1), months: 3, seed: 1 };
    let database = PostgresDatabase::demo(&options);
    database.execute("VACUUM ANALYZE");
    let (mut reports, mut old) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        reports.push(report(&database));
        old.push(old_query(&database));
    }
    reports.sort_by_key(|(wall, _)| *wall);
    old.sort();
    let (wall, manifest) = &reports[TIMES / 2];
    let old = old[TIMES / 2];
    let peak = reports.iter().filter_map(|(_, manifest)| manifest.run.peak_memory).max().unwrap();
    assert!(peak <= MOST_MEMORY, "{peak} bytes resident are more than {MOST_MEMORY}");
    table(manifest, *wall, old, peak)
}

fn report(database: &PostgresDatabase) -> (Duration, Manifest) {
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap().with_file_name("ticketing-report");
    let began = Instant::now();
    let status = Command::new(program)
        .args(["--period", "2025-02", "--quiet", "--store"])
        .arg(folder.path())
        .env("DATABASE_URL", database.url())
        .current_dir(&folder)
        .status()
        .unwrap();
    assert!(status.success());
    let wall = began.elapsed();
    let manifest = fs::read(folder.path().join("editions/2025-02/1/manifest.json")).unwrap();
    (wall, serde_json::from_slice(&manifest).unwrap())
}

fn old_query(database: &PostgresDatabase) -> Duration {
    let mut client = database.client();
    let began = Instant::now();
    client.batch_execute(&format!("COPY ({OLD_QUERY}) TO '/dev/null' (FORMAT binary)")).unwrap();
    began.elapsed()
}

fn table(manifest: &Manifest, wall: Duration, old: Duration, peak: u64) -> String {
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / 1_048_576.0);
    let mut text = format!("\n## {} tickets in the month\n\n| | |\n| --- | --- |\n", manifest.rows);
    let mut row = |name: &str, value: String| writeln!(text, "| {name} | {value} |").unwrap();
    row("wall time from start to published edition", format!("{:.2} s", wall.as_secs_f64()));
    row(
        "against the old query alone, sent to nowhere",
        format!("{:.2} × its {:.2} s", wall.as_secs_f64() / old.as_secs_f64(), old.as_secs_f64()),
    );
    row("CPU time of the program", format!("{:.2} s", manifest.run.cpu_seconds.unwrap()));
    row("most resident memory", mib(peak));
    for (stage, seconds) in &manifest.run.seconds {
        row(&format!("stage {stage}, alongside the others"), format!("{seconds:.2} s"));
    }
    row("workbook", mib(manifest.workbook.size));
    row("snapshot, all tables", mib(manifest.tables.values().map(|table| table.size).sum()));
    text
}
