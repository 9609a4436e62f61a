//! What goes wrong, and how it is told: the exit code, and one line that says what, with which value, and the remedy.

mod data;
mod database;
mod output;

use std::fs;

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use tests::{
    database::{Database, Kind, SMALL},
    store_folder::Files,
    workplace::{Ended, Workplace},
};

/// A place where January has an edition already, which no failure may touch.
struct Scene {
    work: Workplace,
    before: Files,
}

impl Scene {
    fn new(database: &Database) -> Self {
        let work = Workplace::new();
        work.succeed(database, &["--period", "2025-01", "--store", "reports"]);
        let before = work.store().files();
        Self { work, before }
    }

    /// Runs the report of January, which must fail with this code and a message that holds these words.
    #[track_caller]
    fn fails(&self, database: &Database, code: i32, words: &[&str]) -> Ended {
        self.fails_with(&database.url(), &["--period", "2025-01", "--store", "reports"], code, words)
    }

    /// The same with another address and other arguments.
    #[track_caller]
    fn fails_with(&self, url: &str, arguments: &[&str], code: i32, words: &[&str]) -> Ended {
        let quiet = [arguments, &["--quiet"]].concat();
        let ended = self.work.command(&quiet).env("DATABASE_URL", url).finish();
        self.assert_failed(&ended, code, words);
        ended
    }

    /// The run has failed as told, nothing earlier is touched, and nothing half-made is left.
    #[track_caller]
    fn assert_failed(&self, ended: &Ended, code: i32, words: &[&str]) {
        let message = ended.failed(code);
        for word in words {
            assert!(message.contains(word), "no `{word}` in: {message}");
        }
        self.assert_untouched();
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(self.work.store().files(), self.before);
        assert_eq!(self.work.names(), ["reports"]);
    }
}

#[test]
fn wrong_usage_is_refused_before_anything_is_touched() {
    let tomorrow = TimeZone::UTC.to_datetime(Timestamp::now()).date().checked_add(2.days()).unwrap().to_string();
    let forms = "write YYYY-MM-DD";
    let cases: &[(&[&str], &[&str])] = &[
        (&["--start-date", "2025-02-29"], &["`2025-02-29`", "--start-date", forms]),
        (&["--end-date", "31.01.2025"], &["`31.01.2025`", "--end-date", forms]),
        (&["--start-date", "2025-1-1"], &["`2025-1-1`", "--start-date", forms]),
        (&["--start-date", ""], &["``", "--start-date", forms]),
        (&["--start-date", "2025-01-01; DROP TABLE tickets"], &["DROP TABLE", "--start-date", forms]),
        (&["--start-date", "2025-02-01", "--end-date", "2025-01-31"], &["`2025-02-01`", "`2025-01-31`", "swap"]),
        (&["--start-date", &tomorrow, "--end-date", &tomorrow], &[&tomorrow, "in the future", "today is"]),
        (&["--start-date", "2015-01-01", "--end-date", "2025-01-01"], &["longer than 10 years", "several shorter"]),
        (&["--period", "2025-13"], &["`2025-13`", "current-month, previous-month or YYYY-MM"]),
        (&["--period", "last-month"], &["`last-month`", "previous-month"]),
        (&["--period", "9000-01"], &["9000-01-01", "in the future"]),
        (&["--period", "2025-01", "--time-zone", "Mars/Olympus"], &["`Mars/Olympus`", "IANA", "Europe/Rome"]),
        (&["--period", "2025-01", "--time-zone", "+01:00"], &["`+01:00`", "IANA"]),
        (&["--period", "2025-01", "--time-zone", ""], &["``", "IANA"]),
    ];
    let work = Workplace::new();
    for (arguments, words) in cases {
        let quiet = [arguments, &["--quiet"][..]].concat();
        let ended = work.command(&quiet).env("DATABASE_URL", "sqlite://nowhere.sqlite").finish();
        let message = ended.failed(2);
        for word in *words {
            assert!(message.contains(word), "{arguments:?}: no `{word}` in: {message}");
        }
        assert_eq!(work.names(), Vec::<String>::new(), "{arguments:?} has made something");
    }
}

#[test]
fn arguments_that_do_not_exist_are_named() {
    let cases: &[(&[&str], &str)] = &[
        (&["--strat-date", "2025-01-01"], "--strat-date"),
        (&["reprot"], "reprot"),
        (&["render"], "<PERIOD>"),
        (&["render", "2025"], "2025"),
        (&["--threads", "0"], "--threads"),
        (&["--threads", "many"], "many"),
        (&["--period", "2025-01", "--start-date", "2025-01-01"], "--start-date"),
        (&["completions", "cmd"], "cmd"),
        (&["--compression", "huge"], "huge"),
        (&["list", "--period", "2025-01"], "--period"),
    ];
    let work = Workplace::new();
    for (arguments, named) in cases {
        let ended = work.command(arguments).finish();
        assert_eq!(ended.code(), Some(2), "{arguments:?}");
        assert_eq!(ended.stdout, "", "{arguments:?}");
        let said = ended.stderr.join("\n");
        assert!(said.contains(named) && said.contains("--help"), "{arguments:?}: {said}");
        assert_eq!(work.names(), Vec::<String>::new());
    }
}

#[test]
fn a_setting_that_cannot_be_used_is_named_with_the_remedy() {
    /// Variables, and words of the message.
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);
    let cases: &[Case] = &[
        (&[("DATABASE_URL", "mysql://localhost/traindb")], &["mysql://", "postgres:// and sqlite://"]),
        (&[("DATABASE_URL", "traindb")], &["DATABASE_URL", "postgres://user:password@host:5432/traindb"]),
        (&[("DATABASE_URL", "sqlite://")], &["path is missing"]),
        (&[("DATABASE_URL", "postgres://h/d?sslmode=verify-full")], &["`verify-full`", "`require`"]),
        (&[("DB_PORT", "54320000")], &["DB_PORT", "`54320000`", "1 to 65535"]),
        (&[("DB_HOST", "")], &["DB_HOST is empty"]),
        (&[("DB_NAME", "")], &["DB_NAME is empty"]),
        (&[("REPORT_STORE", "ftp://bucket"), ("DATABASE_URL", "sqlite://x")], &["`ftp://bucket`", "folder", "s3://"]),
        (&[("REPORT_STORE", "az://container"), ("DATABASE_URL", "sqlite://x")], &["`az://container`", "AZURE_"]),
        (
            &[("DATABASE_URL", "sqlite://no-such-file.sqlite"), ("REPORT_STORE", "")],
            &["no-such-file.sqlite", "DATABASE_URL"],
        ),
    ];
    for (variables, words) in cases {
        let work = Workplace::new();
        let mut run = work.command(&["--period", "2025-01", "--quiet"]);
        for (name, value) in *variables {
            run = run.env(name, value);
        }
        let ended = run.finish();
        let message = ended.failed(78);
        for word in *words {
            assert!(message.contains(word), "{variables:?}: no `{word}` in: {message}");
        }
        assert!(!work.file("no-such-file.sqlite").exists(), "a mistyped path must not become a database");
    }
}

#[test]
fn a_password_that_breaks_what_it_stands_in_is_not_shown() {
    let work = Workplace::new();
    for address in ["postgres://me:Se@cret/Hidden@127.0.0.1:1/traindb", "postgres://me:Hidden#cret@127.0.0.1:1/traindb"]
    {
        let ended = work.command(&["--period", "2025-01"]).env("DATABASE_URL", address).finish();
        let said = ended.stderr.join("\n");
        assert_eq!(ended.code(), Some(78), "{said}");
        assert!(said.contains("percent-encoded") && !said.contains("Hidden") && !said.contains("cret"), "{said}");
    }
    fs::write(work.file(".env"), "DB_HOST=127.0.0.1\nDB_PASSWORD=my Hidden#x\n").unwrap();
    let ended = work.command(&["--period", "2025-01"]).finish();
    let message = ended.failed(78);
    assert!(message.contains(".env") && message.contains("single quotes") && !message.contains("Hidden"), "{message}");
}

#[test]
fn an_empty_period_can_be_asked_to_be_a_failure() {
    for kind in [Kind::Postgres, Kind::Sqlite] {
        let database = Database::demo(kind, &SMALL);
        let scene = Scene::new(&database);
        let arguments = ["--period", "2023-01", "--store", "reports", "--fail-if-empty"];
        let words = ["2023-01-01 to 2023-01-31", "--fail-if-empty"];
        scene.fails_with(&database.url(), &arguments, 65, &words);
        let arguments =
            ["--period", "2023-01", "--output", "reports/../copy.xlsx", "--store", "reports", "--fail-if-empty"];
        scene.fails_with(&database.url(), &arguments, 65, &words);
    }
}

#[test]
fn a_failed_run_is_told_to_programs_as_an_event_and_remembered_by_the_store() {
    let database = Database::demo(Kind::Postgres, &SMALL);
    let scene = Scene::new(&database);
    database.execute("DROP TABLE ticket_refunds");
    let ended = scene.work.with(&database, &["--period", "2025-01", "--store", "reports"]).finish();
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(78), ""));
    let events = ended.events();
    let failed = events.last().unwrap();
    assert_eq!((failed["event"].as_str(), failed["code"].as_u64()), (Some("failed"), Some(78)));
    assert_eq!(events.iter().filter(|event| event["event"] == "failed").count(), 1);
    let run = scene.work.store().runs().pop().unwrap();
    assert_eq!((run["outcome"].as_str(), run["exit_code"].as_u64()), (Some("failed"), Some(78)));
    assert_eq!(run["message"], failed["message"]);
    assert_eq!(run["run"], events[0]["run"]);
    scene.assert_untouched();
}
