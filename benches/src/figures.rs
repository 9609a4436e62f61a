//! Measures the report on PostgreSQL at its full sizes, and writes docs/figures.md.
//!
//! The questions: how long does a month of so many tickets take, stage by stage, and in how much memory, beside the
//! query that the program replaces, run in turn on the same server? Does memory stay flat up to ten million? Does half a
//! core and 512 MiB, a pod's limits, suffice for a million, and does it ever wait there? What does a smaller workbook
//! cost? Run it by `make figures`, as root, because limits are set through control groups. With `--read-back` it answers
//! another one: do other programs read all that is in a workbook of a million tickets, to the last row? With `--server` it
//! measures only the server: a thousand downloads at once, lists of ten thousand editions, two hundred open pages. With
//! `--lake` it measures three years of a million tickets a month, as analysts read them.
#![expect(clippy::unwrap_used, reason = "a measurement that fails must stop where it fails")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use benches::report_rows::ReportRows;
use jiff::civil::date;
use pipeline::{demo::DemoOptions, manifest::Manifest, workbook::SHEET_ROWS};
use tempfile::TempDir;
use tests::{postgres::PostgresDatabase, tools, workplace::command};

/// What the program replaces: a query that adds up every payment there is and sends nothing before all is sorted.
const OLD_QUERY: &str = include_str!("old-query.sql");

/// Everything is run so many times, in turn; the medians count.
const TIMES: usize = 3;

/// Below this line docs/figures.md is written anew.
const MARK: &str = "<!-- Written by `make figures` from here on. -->\n";

/// The last part of docs/figures.md begins with this.
const SERVER: &str = "\n## The server\n";

/// The most memory that a report of any size may take.
const MOST_MEMORY: u64 = 256 * 1024 * 1024;

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/figures.md");
    let old = fs::read_to_string(&path).unwrap();
    match std::env::args().nth(1).as_deref() {
        Some("--read-back") => return read_back(),
        Some("--lake") => return lake(&path),
        Some("--server") => {
            let kept = old.split_once(SERVER).map_or(old.as_str(), |(kept, _)| kept);
            return fs::write(&path, format!("{kept}{}", server())).unwrap();
        }
        _ => {}
    }
    let mut text = format!("\n{}\n", machine());
    for tickets in [100_000, 1_000_000] {
        text.push_str(&measure(tickets));
    }
    text.push_str(&larger());
    let kept = old.split_once(MARK).map_or(old.as_str(), |(kept, _)| kept);
    text = format!("{kept}{MARK}{text}");
    // A limit that the server breaks mustn't cost a quarter of an hour's figures.
    fs::write(&path, &text).unwrap();
    fs::write(&path, format!("{text}{}", server())).unwrap();
}

/// What the server takes under load; each script fails when it is more than it may be.
fn server() -> String {
    let report = command();
    let server = report.with_file_name("report-server");
    let (server, report): (&Path, &Path) = (&server, &report);
    let mut text = format!("{SERVER}\n");
    for (script, programs) in
        [("downloads.py", &[server][..]), ("listing.py", &[server, report]), ("idle.py", &[server, report])]
    {
        let said = tools::python(&format!("../../benches/load/{script}"), programs);
        writeln!(text, "- {}", said.lines().last().unwrap_or_default()).unwrap();
    }
    text
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

/// A table of which a third are the month's.
fn demo(tickets: u64) -> PostgresDatabase {
    let options = DemoOptions { tickets: tickets * 3, first_month: date(2025, 1, 1), months: 3, seed: 1 };
    let database = PostgresDatabase::demo(&options);
    database.execute("VACUUM ANALYZE");
    database
}

/// One size: the report and the old query in turn.
fn measure(tickets: u64) -> String {
    let database = demo(tickets);
    let (mut reports, mut old) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        reports.push(Report::make(&database, "2025-02", &[], None));
        old.push(old_query(&database));
    }
    reports.sort_by_key(|report| report.wall);
    old.sort();
    let peak = reports.iter().map(Report::peak).max().unwrap();
    assert!(peak <= MOST_MEMORY, "{peak} bytes resident are more than {MOST_MEMORY}");
    let middle = reports.swap_remove(TIMES / 2);
    let mut text = table(&middle.manifest, middle.wall, old[TIMES / 2], peak);
    if tickets >= 1_000_000 {
        text.push_str(&compressions(&database, &middle));
        text.push_str(&limited(&database));
    }
    text
}

/// What a smaller workbook costs.
fn compressions(database: &PostgresDatabase, fast: &Report) -> String {
    let small = Report::make(database, "2025-02", &["--compression", "small"], None);
    let (fast_bytes, small_bytes) = (fast.manifest.workbook.size as f64, small.manifest.workbook.size as f64);
    format!(
        "\n`--compression fast` makes the workbook {:.2} times as large as `small`, which is zlib's level 6; `small` takes \
         {:.1} times the CPU time for the whole report.\n",
        fast_bytes / small_bytes,
        small.cpu() / fast.cpu()
    )
}

/// The same report with a pod's limits, and without the time for which the server is still sorting.
fn limited(database: &PostgresDatabase) -> String {
    let pod = ControlGroup::new(0.5, 512);
    let report = Report::make(database, "2025-02", &[], Some(&pod));
    let (wall, cpu, peak) = rows_at_hand(&pod);
    let times = |wall: f64, cpu: f64| wall / (cpu / 0.5);
    format!(
        "\nIn a control group of half a core and 512 MiB: {:.1} s for {:.2} s of CPU time, {:.2} times the least that \
         half a core allows, with {:.1} MiB resident at most. Where the server has a million rows at hand and needn't \
         sort them: {wall:.1} s for {cpu:.2} s, {:.2} times the least, with {peak:.1} MiB.\n",
        report.wall.as_secs_f64(),
        report.cpu(),
        times(report.wall.as_secs_f64(), report.cpu()),
        mib(report.peak()),
        times(wall, cpu),
    )
}

/// Wall and CPU seconds and MiB for snapshot and workbook of a million rows that a table holds in their order.
fn rows_at_hand(pod: &ControlGroup) -> (f64, f64, f64) {
    let rows = ReportRows::make(1_000_000).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let figures = folder.path().join("time");
    let status = pod
        .command(Path::new("/usr/bin/time"))
        .args(["--format=%e %U %S %M", "--output"])
        .arg(&figures)
        .arg(std::env::current_exe().unwrap().with_file_name("side-by-side-ours"))
        .arg(folder.path().join("report.xlsx"))
        .env("DATABASE_URL", rows.url())
        .env("QUERY", rows.query(true))
        .status()
        .unwrap();
    assert!(status.success());
    let figures = fs::read_to_string(figures).unwrap();
    let numbers: Vec<f64> = figures.split_whitespace().map(|number| number.parse().unwrap()).collect();
    (numbers[0], numbers[1] + numbers[2], numbers[3] / 1024.0)
}

/// Whether other programs find every row of the snapshot in a workbook of a million.
fn read_back() {
    let report = Report::make(&demo(1_000_000), "2025-02", &[], None);
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".cache"), PathBuf::from);
    let status = Command::new(cache.join("ticketing-report/rivals/bin/python"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("read_back.py"))
        .arg(report.folder.path().join("ticketing-report-2025-02.xlsx"))
        .arg(report.folder.path().join("editions/2025-02/1/tickets.parquet"))
        .status()
        .unwrap();
    assert!(status.success(), "a reader doesn't find what the snapshot holds");
}

/// Three years of a million tickets a month: a script makes, reads and measures them, and writes its section itself.
#[expect(clippy::print_stdout, reason = "what was measured is what the program is run for")]
fn lake(figures: &Path) {
    let database = PostgresDatabase::empty();
    let report = command();
    let server = report.with_file_name("report-server");
    let url = database.url();
    let arguments: [&Path; 5] = [&report, &server, Path::new(&url), Path::new("--figures"), figures];
    println!("{}", tools::python_of("analysts", "../../benches/lake/lake.py", &arguments));
}

/// Whether memory stays flat: one month that is all there is.
fn larger() -> String {
    let mut text = "\n## More tickets\n\nA month that is the whole table.\n\n\
         | tickets | most resident memory | wall time | CPU time | sheets | workbook |\n\
         | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for tickets in [100_000, 1_000_000, 5_000_000, 10_000_000] {
        let options = DemoOptions { tickets, first_month: date(2025, 2, 1), months: 1, seed: 1 };
        let database = PostgresDatabase::demo(&options);
        database.execute("VACUUM ANALYZE");
        let report = Report::make(&database, "2025-02", &[], None);
        let manifest = &report.manifest;
        writeln!(
            text,
            "| {} | {:.1} MiB | {:.1} s | {:.1} s | {} | {:.1} MiB |",
            manifest.rows,
            mib(report.peak()),
            report.wall.as_secs_f64(),
            report.cpu(),
            manifest.rows.div_ceil(SHEET_ROWS),
            mib(manifest.workbook.size)
        )
        .unwrap();
    }
    text
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// A report that was made, in a folder of its own.
struct Report {
    wall: Duration,
    manifest: Manifest,
    folder: TempDir,
}

impl Report {
    fn make(database: &PostgresDatabase, month: &str, arguments: &[&str], limits: Option<&ControlGroup>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap().with_file_name("ticketing-report");
        let began = Instant::now();
        let status = limits
            .map_or_else(|| Command::new(&program), |limits| limits.command(&program))
            .args(["--period", month, "--quiet", "--store"])
            .arg(folder.path())
            .args(arguments)
            .env("DATABASE_URL", database.url())
            .current_dir(&folder)
            .status()
            .unwrap();
        assert!(status.success());
        let wall = began.elapsed();
        let manifest = fs::read(folder.path().join(format!("editions/{month}/1/manifest.json"))).unwrap();
        Self { wall, manifest: serde_json::from_slice(&manifest).unwrap(), folder }
    }

    fn cpu(&self) -> f64 {
        self.manifest.run.cpu_seconds.unwrap()
    }

    fn peak(&self) -> u64 {
        self.manifest.run.peak_memory.unwrap()
    }
}

/// A control group with limits, removed when dropped: of version 2, or one for each resource of version 1.
struct ControlGroup(Vec<PathBuf>);

impl ControlGroup {
    fn new(cores: f64, mebibytes: u64) -> Self {
        const PERIOD: u32 = 100_000;
        let root = Path::new("/sys/fs/cgroup");
        let name = format!("ticketing-report-figures-{}", std::process::id());
        let quota = (cores * f64::from(PERIOD)).to_string();
        let bytes = (mebibytes * 1_048_576).to_string();
        let make = |parent: &Path, settings: &[(&str, &str)]| {
            let group = parent.join(&name);
            fs::create_dir(&group).unwrap_or_else(|e| panic!("{}: {e}; run this as root", group.display()));
            for (file, value) in settings {
                fs::write(group.join(file), value).unwrap_or_else(|e| panic!("{file} of {}: {e}", group.display()));
            }
            group
        };
        if root.join("cgroup.controllers").exists() {
            fs::write(root.join("cgroup.subtree_control"), "+cpu +memory").unwrap();
            let limit = format!("{quota} {PERIOD}");
            return Self(vec![make(root, &[("cpu.max", &limit), ("memory.max", &bytes), ("memory.swap.max", "0")])]);
        }
        let period = PERIOD.to_string();
        Self(vec![
            make(&root.join("cpu"), &[("cpu.cfs_period_us", &period), ("cpu.cfs_quota_us", &quota)]),
            make(&root.join("memory"), &[("memory.limit_in_bytes", &bytes)]),
        ])
    }

    /// A program that joins the groups before it begins.
    fn command(&self, program: &Path) -> Command {
        let join: String =
            self.0.iter().map(|group| format!("echo $$ > '{}/cgroup.procs'; ", group.display())).collect();
        let mut command = Command::new("sh");
        command.args(["-ec", &format!("{join}exec \"$0\" \"$@\"")]).arg(program);
        command
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        for group in &self.0 {
            // What is left of it does no harm, and the process in it has ended.
            let _ = fs::remove_dir(group);
        }
    }
}

fn old_query(database: &PostgresDatabase) -> Duration {
    let mut client = database.client();
    let began = Instant::now();
    client.batch_execute(&format!("COPY ({OLD_QUERY}) TO '/dev/null' (FORMAT binary)")).unwrap();
    began.elapsed()
}

fn table(manifest: &Manifest, wall: Duration, old: Duration, peak: u64) -> String {
    let mib = |bytes: u64| format!("{:.1} MiB", mib(bytes));
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
