//! The command line as people and their scripts know it.

use std::fs;

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use pipeline::demo::DemoOptions;
use tests::{
    database::{Database, Kind, SMALL},
    postgres::{self, PASSWORD, USER},
    store_folder::{StoreFolder, sha256},
    workplace::{Run, Workplace},
};

/// The 1st of this month in UTC.
fn this_month() -> Date {
    TimeZone::UTC.to_datetime(Timestamp::now()).date().first_of_month()
}

/// Tickets of the running month and of the one before.
fn recent() -> DemoOptions {
    DemoOptions { first_month: this_month().checked_sub(1.month()).unwrap(), ..SMALL }
}

#[test]
fn without_arguments_the_running_month_goes_to_the_default_places() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &recent()));
    let ended = work.succeed(&database, &[] as &[&str]);
    let copy = work.path().canonicalize().unwrap().join("ticketing-report.xlsx");
    let manifest = work.store().manifest();
    assert_eq!(ended.last_line(), format!("{} rows in {}", manifest.rows, copy.display()));
    assert_eq!(ended.stdout.lines().count(), 1, "stdout is for data: {}", ended.stdout);
    assert_eq!(work.names(), ["reports", "ticketing-report.xlsx"]);
    assert_eq!(sha256(&copy), Some(manifest.workbook.sha256));
    assert_eq!(manifest.period.period().first(), this_month());
    assert!(manifest.provisional && manifest.rows > 0);
    work.store().assert_settled();
}

#[test]
fn previous_month_is_the_whole_month_before() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &recent()));
    work.succeed(&database, &["--period", "previous-month"]);
    let manifest = work.store().manifest();
    let before = this_month().checked_sub(1.month()).unwrap();
    assert_eq!(manifest.period.to_string(), format!("{:04}-{:02}", before.year(), before.month()));
    assert!(!manifest.provisional && manifest.rows > 0);
}

#[test]
fn the_extra_copy_is_made_where_the_contract_says() {
    let database = Database::demo(Kind::Sqlite, &SMALL);
    /// Arguments, `REPORT_STORE`, the store, and all that is there afterwards.
    type Case = (&'static [&'static str], Option<&'static str>, &'static str, &'static [&'static str]);
    let cases: &[Case] = &[
        (&[], None, "reports", &["reports", "ticketing-report.xlsx"]),
        (&[], Some(""), "reports", &["reports", "ticketing-report.xlsx"]),
        (&["--store", "kept"], None, "kept", &["kept"]),
        (&[], Some("kept"), "kept", &["kept"]),
        (&["--store", "named"], Some("kept"), "named", &["named"]),
        (&["--output", "copy.xlsx"], None, "reports", &["copy.xlsx", "reports"]),
        (&["--output", "copy.xlsx"], Some("kept"), "kept", &["copy.xlsx", "kept"]),
        (&["--output", "copy.xlsx", "--store", "kept"], None, "kept", &["copy.xlsx", "kept"]),
    ];
    for (arguments, variable, store, names) in cases {
        let work = Workplace::new();
        let arguments = [&["--period", "2025-01"], *arguments].concat();
        let mut run = work.with(&database, &arguments);
        if let Some(value) = variable {
            run = run.env("REPORT_STORE", value);
        }
        let ended = run.finish().succeeded();
        assert_eq!(work.names(), *names, "{arguments:?} {variable:?}");
        let folder = work.path().canonicalize().unwrap();
        let copy = names.iter().find(|name| name.ends_with(".xlsx"));
        let expected = match copy {
            Some(copy) => folder.join(copy),
            None => folder.join(store).join("ticketing-report-2025-01.xlsx"),
        };
        assert!(ended.last_line().ends_with(&format!(" rows in {}", expected.display())), "{}", ended.stdout);
        let manifest = StoreFolder::new(work.file(store)).manifest();
        assert_eq!(sha256(&expected), Some(manifest.workbook.sha256));
    }
}

#[test]
fn the_extra_copy_is_written_again_also_when_nothing_has_changed() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let arguments = ["--period", "2025-01", "--output", "copy.xlsx"];
    work.succeed(&database, &arguments);
    let whole = sha256(&work.file("copy.xlsx"));
    fs::write(work.file("copy.xlsx"), "spoilt").unwrap();
    let ended = work.succeed(&database, &arguments);
    assert!(ended.last_line().contains("nothing has changed since edition 1"), "{}", ended.stdout);
    assert!(ended.last_line().ends_with("copy.xlsx"));
    assert_eq!(sha256(&work.file("copy.xlsx")), whole);
    fs::remove_file(work.file("copy.xlsx")).unwrap();
    work.succeed(&database, &arguments);
    assert_eq!(sha256(&work.file("copy.xlsx")), whole);
}

#[test]
fn dates_are_inclusive_and_each_has_its_default() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &SMALL));
    let sql = "SELECT count(*) FROM tickets WHERE issued_at >= '2025-01-10Z' AND issued_at < '2025-01-21Z'";
    let expected: i64 = database.postgres().client().query_one(sql, &[]).unwrap().get(0);
    let ended = work.succeed(&database, &["--start-date", "2025-01-10", "--end-date", "2025-01-20"]);
    assert!(ended.last_line().starts_with(&format!("{expected} rows in ")), "{}", ended.stdout);
    let ended = work.succeed(&database, &["--start-date", "2025-01-10", "--store", "to-today"]);
    assert!(ended.code() == Some(0));
    let period = StoreFolder::new(work.file("to-today")).manifest().period.period();
    assert_eq!(period.first().to_string(), "2025-01-10");
    assert!(period.last() >= this_month());
}

/// The variables of a database in their old form.
fn with_variables(run: Run, database: &Database) -> Run {
    run.env("DB_HOST", "127.0.0.1")
        .env("DB_PORT", &postgres::port().to_string())
        .env("DB_NAME", database.postgres().name())
        .env("DB_USER", USER)
        .env("DB_PASSWORD", PASSWORD)
}

#[test]
fn the_database_is_found_by_its_variables_whatever_the_password_holds() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &SMALL));
    let report = ["--period", "2025-01", "--store", "reports"];
    let ended = with_variables(work.command(&report), &database).finish().succeeded();
    // The password is shown nowhere: not in the events, the manifest, the files or the workbook.
    let manifest = work.store().manifest();
    assert_eq!(
        manifest.source,
        format!("postgres://postgres@127.0.0.1:{}/{}", postgres::port(), database.postgres().name())
    );
    let secret = &PASSWORD[..8];
    assert!(ended.stderr.iter().all(|line| !line.contains(secret)));
    for path in work.store().paths() {
        let bytes = fs::read(work.store().file(&path)).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "the password is in {path}");
    }
    // DATABASE_URL goes before them.
    let other = Database::demo(Kind::Sqlite, &SMALL);
    with_variables(work.with(&other, &["--period", "2025-02", "--store", "reports"]), &database).finish().succeeded();
    assert!(work.store().edition("2025-02", 1).source.starts_with("sqlite://"));
}

#[test]
fn the_dotenv_file_is_read_and_the_environment_goes_before_it() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &SMALL));
    let quoted: String =
        PASSWORD.chars().flat_map(|c| if "\"\\$".contains(c) { vec!['\\', c] } else { vec![c] }).collect();
    let dotenv = format!(
        "# The ticketing database\nDB_HOST=127.0.0.1\nDB_PORT={}\nDB_NAME={}\nDB_PASSWORD=\"{quoted}\"\n\
         export REPORT_TIME_ZONE='Europe/Rome'\nREPORT_STORE=kept\n",
        postgres::port(),
        database.postgres().name(),
    );
    fs::write(work.file(".env"), dotenv).unwrap();
    work.command(&["--period", "2025-01"]).finish().succeeded();
    let store = StoreFolder::new(work.file("kept"));
    assert_eq!(store.manifest().time_zone.name(), "Europe/Rome");
    work.command(&["--period", "2025-02"]).env("REPORT_TIME_ZONE", "Asia/Tokyo").finish().succeeded();
    assert_eq!(store.edition("2025-02", 1).time_zone.name(), "Asia/Tokyo");
    work.command(&["--period", "2025-01", "--time-zone", "UTC", "--store", "other"]).finish().succeeded();
    assert_eq!(StoreFolder::new(work.file("other")).manifest().time_zone.name(), "UTC");

    fs::write(work.file(".env"), "DB_HOST=a b c\n").unwrap();
    let ended = work.command(&["--period", "2025-01"]).finish();
    assert!(ended.failed(78).contains(".env"), "{ended:?}");
}

#[test]
fn quiet_runs_write_nothing_but_the_last_line() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    for flag in ["--quiet", "-q"] {
        let ended = work.succeed(&database, &["--period", "2025-01", flag]);
        assert_eq!(ended.stderr, Vec::<String>::new());
        assert_eq!(ended.stdout.lines().count(), 1);
    }
}

#[test]
fn a_run_tells_programs_its_stages_as_json_lines() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &SMALL));
    let ended = work.succeed(&database, &["--period", "2025-01", "--store", "reports"]);
    let events = ended.events();
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).collect::<Vec<_>>();
    assert_eq!(events[0]["event"], "started");
    assert_eq!((&events[0]["first"], &events[0]["last"]), (&"2025-01-01".into(), &"2025-01-31".into()));
    let done = events.last().unwrap();
    let manifest = work.store().manifest();
    assert_eq!(done["event"], "done");
    assert_eq!(done["rows"].as_u64(), Some(manifest.rows));
    assert_eq!(done["report"], manifest.workbook.name.as_str());
    let finished: Vec<_> = of("finished").iter().map(|event| event["stage"].as_str().unwrap().to_owned()).collect();
    for stage in ["tickets", "bookings", "payments", "refunds", "trips", "workbook"] {
        assert_eq!(finished.iter().filter(|name| *name == stage).count(), 1, "{stage}");
    }
    assert!(events.iter().all(|event| event["time"].as_str().unwrap().parse::<Timestamp>().is_ok()));
}

#[test]
fn threads_and_compression_can_be_set_by_variables() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let run = work.with(&database, &["--period", "2025-01"]);
    run.env("REPORT_THREADS", "3").env("REPORT_COMPRESSION", "small").finish().succeeded();
    let small = work.store().manifest();
    assert_eq!(serde_json::to_value(small.workbook.compression).unwrap(), "small");
    let ended = work.with(&database, &["--period", "2025-01", "--quiet"]).env("REPORT_THREADS", "0").finish();
    assert_eq!(ended.code(), Some(2));
}

#[test]
fn a_run_of_a_backfill_makes_the_month_that_its_index_names() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let run = |months: &str, arguments: &[&str]| {
        work.with(&database, arguments).env("REPORT_MONTHS", months).env("REPORT_JOB", "12345")
    };
    run("2025-01,2025-02", &[]).env("JOB_COMPLETION_INDEX", "1").finish().succeeded();
    assert_eq!(work.store().manifest().period.to_string(), "2025-02");
    // Each month is a run of its own.
    assert!(work.store().file("state/runs/ticketing-report-12345-2025-02.json").is_file());

    let ended = run("2025-01,2025-02", &["--quiet"]).env("JOB_COMPLETION_INDEX", "2").finish();
    assert!(ended.failed(78).contains("JOB_COMPLETION_INDEX `2` names none of the months"));
    let ended = run("2025-01,2025-02", &["--quiet"]).finish();
    assert!(ended.failed(78).contains("from 0 to 1"));
    let ended = run("2025-01;2025-02", &["--quiet"]).env("JOB_COMPLETION_INDEX", "0").finish();
    assert!(ended.failed(78).contains("REPORT_MONTHS `2025-01;2025-02` is no list of months"));
    assert_eq!(run("2025-01", &["--period", "2025-01"]).finish().code(), Some(2));
    // Jobs of others have an index too.
    work.with(&database, &["--period", "2025-01"]).env("JOB_COMPLETION_INDEX", "7").finish().succeeded();
}
