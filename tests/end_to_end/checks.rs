//! `ticketing-report check`: why is my report empty or failing?

use std::fs;

use serde_json::Value;
use tests::{
    database::{Database, Kind, SMALL},
    mount::Mount,
    postgres::{self, PASSWORD, PostgresDatabase, USER, encode},
    workplace::{Ended, Workplace},
};

over_both_databases! {
    a_sound_database_and_store_are_found_so,
    an_index_is_recommended_until_there_is_one,
    a_period_without_tickets_is_told_with_the_span_of_all,
    failed_migrations_are_told,
}

/// Looks at January as JSON.
fn look(work: &Workplace, url: &str) -> (Ended, Vec<Value>) {
    let arguments = ["check", "--period", "2025-01", "--store", "reports", "--json"];
    let ended = work.command(&arguments).env("DATABASE_URL", url).finish();
    assert_eq!(ended.stderr, Vec::<String>::new());
    let findings: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {}", ended.stdout));
    (ended, findings.as_array().unwrap().clone())
}

/// The state and the detail of a subject.
fn finding<'a>(findings: &'a [Value], subject: &str) -> (&'a str, &'a str) {
    let found = findings.iter().find(|finding| finding["subject"] == subject);
    let found = found.unwrap_or_else(|| panic!("no {subject} in {findings:#?}"));
    (found["state"].as_str().unwrap(), found["detail"].as_str().unwrap())
}

fn a_sound_database_and_store_are_found_so(kind: Kind) {
    let (work, database) = (Workplace::new(), Database::demo(kind, &SMALL));
    let rows = {
        work.succeed(&database, &["--period", "2025-01", "--store", "reports"]);
        work.store().manifest().rows
    };
    let (ended, findings) = look(&work, &database.url());
    assert_eq!(ended.code(), Some(0));
    for subject in ["database", "migrations", "schema", "tickets", "store", "room", "editions"] {
        assert_eq!(finding(&findings, subject).0, "ok", "{subject}: {}", finding(&findings, subject).1);
    }
    assert!(finding(&findings, "tickets").1.starts_with(&format!("{rows} issued from 2025-01-01 to 2025-01-31")));
    assert!(finding(&findings, "store").1.contains("hard links"));
    assert_eq!(finding(&findings, "editions").1, "1 published");
    assert!(!ended.stdout.contains(&PASSWORD[..8]));
    work.store().assert_settled();

    // The same for people, as a table.
    let ended = work.succeed(&database, &["check", "--period", "2025-01", "--store", "reports"]);
    for finding in &findings {
        assert!(ended.stdout.contains(finding["subject"].as_str().unwrap()), "{}", ended.stdout);
    }
}

fn an_index_is_recommended_until_there_is_one(kind: Kind) {
    let (work, database) = (Workplace::new(), Database::demo(kind, &SMALL));
    let (ended, findings) = look(&work, &database.url());
    let (state, detail) = finding(&findings, "index");
    assert_eq!((ended.code(), state), (Some(0), "warning"));
    assert!(detail.contains("CREATE INDEX") && detail.contains("(issued_at)"), "{detail}");
    database.execute("CREATE INDEX tickets_issued_at_idx ON tickets (issued_at)");
    assert_eq!(finding(&look(&work, &database.url()).1, "index").0, "ok");
}

fn a_period_without_tickets_is_told_with_the_span_of_all(kind: Kind) {
    let (work, database) = (Workplace::new(), Database::demo(kind, &SMALL));
    let ended = work.succeed(&database, &["check", "--period", "2024-03", "--json"]);
    let findings: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
    let (state, detail) = finding(&findings, "tickets");
    assert_eq!(state, "warning");
    assert!(detail.contains("none issued from 2024-03-01 to 2024-03-31 (UTC)"), "{detail}");
    assert!(detail.contains("from 2024-12-31T") && detail.contains("to 2025-02-28T"), "{detail}");
}

fn failed_migrations_are_told(kind: Kind) {
    let (work, database) = (Workplace::new(), Database::demo(kind, &SMALL));
    let newest = finding(&look(&work, &database.url()).1, "migrations").1.to_owned();
    assert!(newest.contains("version"), "{newest}");
    let no = if kind == Kind::Postgres { "false" } else { "0" };
    database.execute(&format!(
        "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, \
         execution_time, success) VALUES (99, '99', 'more', 'SQL', 'V99__more.sql', 1, 'flyway', 1, {no})"
    ));
    let (ended, findings) = look(&work, &database.url());
    let (state, detail) = finding(&findings, "migrations");
    assert_eq!((ended.code(), state), (Some(78), "failed"));
    assert!(detail.contains("1 migration") && detail.contains("Flyway"), "{detail}");
    database.execute("DROP TABLE flyway_schema_history");
    assert_eq!(finding(&look(&work, &database.url()).1, "migrations").0, "warning");
}

#[test]
fn each_missing_table_and_column_is_named() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &SMALL));
    database.execute(
        "DROP TABLE ticket_refunds; ALTER TABLE payments DROP COLUMN method; \
         ALTER TABLE tickets ALTER price TYPE double precision; ALTER TABLE trips ALTER departure_time TYPE interval",
    );
    let (ended, findings) = look(&work, &database.url());
    let (state, detail) = finding(&findings, "schema");
    assert_eq!((ended.code(), state), (Some(78), "failed"));
    for words in [
        "the table `ticket_refunds` is missing",
        "the column `payments.method` is missing",
        "the column `tickets.price` is `float8`, expected `numeric`",
        "the column `trips.departure_time` is `interval`, expected `time`",
        "migrations or grants",
    ] {
        assert!(detail.contains(words), "{words} in {detail}");
    }
    let empty = PostgresDatabase::empty();
    let (ended, findings) = look(&work, &empty.url());
    assert_eq!(ended.code(), Some(78));
    assert!(finding(&findings, "schema").1.contains("the table `tickets` is missing"));
    assert_eq!(finding(&findings, "migrations").0, "warning");
}

#[test]
fn a_database_that_cannot_be_reached_is_told_and_the_store_is_looked_at_all_the_same() {
    let work = Workplace::new();
    let port = postgres::free_port().unwrap();
    let cases = [
        (format!("postgres://u:p@127.0.0.1:{port}/d"), 75, "can't be reached"),
        (format!("postgres://{USER}:wrong@127.0.0.1:{}/postgres", postgres::port()), 78, "DB_PASSWORD"),
        (format!("postgres://{USER}:{}@127.0.0.1:{}/nowhere", encode(PASSWORD), postgres::port()), 78, "DB_NAME"),
        ("sqlite://nowhere.sqlite".to_owned(), 78, "no such file"),
    ];
    for (url, code, words) in cases {
        let (ended, findings) = look(&work, &url);
        assert_eq!(ended.code(), Some(code), "{url}");
        let (state, detail) = finding(&findings, "database");
        assert!(state == "failed" && detail.contains(words), "{detail}");
        let (state, detail) = finding(&findings, "store");
        assert!(state == "warning" && detail.contains("there is no store at"), "{detail}");
    }
    assert!(!work.file("nowhere.sqlite").exists() && !work.file("reports").exists());
    fs::create_dir(work.file("reports")).unwrap();
    assert_eq!(finding(&look(&work, "sqlite://nowhere.sqlite").1, "store").0, "ok");
}

#[test]
fn a_store_that_cannot_be_used_is_told() {
    let (work, database, mount) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL), Mount::read_only());
    fs::write(work.file("a-file"), "").unwrap();
    for address in [mount.path().to_owned(), work.file("a-file")] {
        let arguments = ["check", "--period", "2025-01", "--json", "--store", &address.display().to_string()];
        let ended = work.with(&database, &arguments).finish();
        assert_eq!(ended.code(), Some(73), "{}", ended.stdout);
        let findings: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
        let (state, detail) = finding(&findings, "store");
        assert!(state == "failed" && detail.contains(&*address.display().to_string()), "{detail}");
        assert_eq!(finding(&findings, "tickets").0, "ok");
    }
    let little = Mount::of_size(4);
    let arguments = ["check", "--period", "2025-01", "--json", "--store", &little.path().display().to_string()];
    let ended = work.succeed(&database, &arguments);
    let findings: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
    let (state, detail) = finding(&findings, "room");
    assert!(state == "warning" && detail.contains("MiB are left") && detail.contains("free some room"), "{detail}");
}

#[test]
fn without_a_period_the_month_before_is_looked_at() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let ended = work.succeed(&database, &["check"]);
    // A demo of the winter of 2025: by now long over.
    assert!(ended.stdout.contains("none issued from"), "{}", ended.stdout);
    let wrong = work.with(&database, &["check", "--period", "soon"]).finish();
    assert!(wrong.failed(2).contains("`soon`"), "{wrong:?}");
}
