//! The commands beside the report: `list`, `demo`, `completions`, and every command's own help.

use std::fs;

use serde_json::Value;
use tests::{
    database::{Database, Kind, SMALL},
    postgres::PostgresDatabase,
    sheet,
    workplace::Workplace,
};

#[test]
fn list_shows_the_editions_for_people_and_as_json() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &SMALL));
    for period in ["2025-01", "2025-02"] {
        work.succeed(&database, &["--period", period, "--store", "reports"]);
    }
    database.execute("UPDATE tickets SET price = price + 1 WHERE issued_at < '2025-02-01Z'");
    work.succeed(&database, &["--period", "2025-01", "--store", "reports"]);

    let ended = work.command(&["list", "--store", "reports"]).finish().succeeded();
    assert_eq!(ended.stderr, Vec::<String>::new());
    for manifest in work.store().manifests() {
        let older = (manifest.period.to_string(), manifest.edition) == ("2025-01".to_owned(), 1);
        let name = if older { &manifest.workbook.edition_name } else { &manifest.workbook.name };
        let words = [&manifest.period.to_string(), &manifest.edition.to_string(), &manifest.rows.to_string(), name];
        let line = |line: &&str| words.iter().all(|word| line.split_whitespace().any(|part| part == *word));
        assert!(ended.stdout.lines().any(|row| line(&row)), "no {words:?} in\n{}", ended.stdout);
        for (currency, total) in &manifest.tables["tickets"].totals {
            let sales = format!("{} {currency}", total.amount);
            assert!(ended.stdout.contains(&sales), "no {sales} in\n{}", ended.stdout);
        }
    }

    let ended = work.command(&["list", "--json"]).env("REPORT_STORE", "reports").finish().succeeded();
    let listed: Value = serde_json::from_str(&ended.stdout).unwrap();
    let listed: Vec<pipeline::manifest::Manifest> = serde_json::from_value(listed).unwrap();
    assert_eq!(listed, work.store().manifests());
}

#[test]
fn an_empty_store_is_listed_as_empty() {
    let work = Workplace::new();
    fs::create_dir(work.file("reports")).unwrap();
    let ended = work.command(&["list", "--json"]).finish().succeeded();
    assert_eq!(serde_json::from_str::<Value>(&ended.stdout).unwrap(), Value::Array(Vec::new()));
    work.command(&["list"]).finish().succeeded();
}

#[test]
fn every_command_explains_itself_with_an_example() {
    let work = Workplace::new();
    for command in [&[][..], &["demo"], &["check"], &["list"], &["render"], &["completions"]] {
        for flag in ["--help", "-h"] {
            let ended = work.command(&[command, &[flag]].concat()).finish().succeeded();
            assert_eq!(ended.stderr, Vec::<String>::new());
            let (help, example) = (&ended.stdout, format!("ticketing-report {}", command.join(" ")));
            assert!(help.contains("Usage:") && help.contains("Example"), "{command:?}: {help}");
            let examples = help.split_once("Example").unwrap().1;
            assert!(examples.contains(example.trim()), "{command:?}: {help}");
        }
    }
    let help = work.command(&["--help"]).finish().succeeded().stdout;
    for word in ["DATABASE_URL", "DB_PASSWORD", "REPORT_STORE", "REPORT_TIME_ZONE", ".env", "Exit codes", "130 and 143"]
    {
        assert!(help.contains(word), "{word}");
    }
    let version = work.command(&["--version"]).finish().succeeded().stdout;
    assert!(
        version.starts_with("ticketing-report ") && version.trim().ends_with(env!("CARGO_PKG_VERSION")),
        "{version}"
    );
    assert_eq!(work.names(), Vec::<String>::new());
}

#[test]
fn completions_are_printed_for_each_shell() {
    let work = Workplace::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = work.command(&["completions", shell]).finish().succeeded();
        assert!(ended.stdout.contains("ticketing-report") && ended.stdout.contains("start-date"), "{shell}");
    }
    let bash = work.command(&["completions", "bash"]).finish().succeeded();
    fs::write(work.file("completions"), bash.stdout).unwrap();
    let script = "source completions && complete -p ticketing-report";
    let said = tests::tools::run(std::process::Command::new("bash").args(["-c", script]).current_dir(work.path()));
    assert!(said.contains("ticketing-report"), "{said}");
}

#[test]
fn a_demo_can_be_made_and_reported() {
    let work = Workplace::new();
    let demo = ["demo", "sqlite://demo.sqlite", "--tickets", "300", "--from", "2025-01", "--months", "2"];
    let ended = work.command(&demo).finish().succeeded();
    assert!(ended.last_line().starts_with("300 tickets of "), "{}", ended.stdout);
    let report =
        work.command(&["--period", "2025-02"]).env("DATABASE_URL", "sqlite://demo.sqlite").finish().succeeded();
    assert!(report.last_line().ends_with("ticketing-report.xlsx"));
    let mut workbook = sheet::open(&work.file("ticketing-report.xlsx"));
    let (_, rows) = sheet::rows(&mut workbook, "TicketingReport");
    assert_eq!(rows.len() as u64, work.store().manifest().rows);

    let again = work.command(&[&demo[..], &["--quiet"]].concat()).finish();
    assert!(again.failed(73).contains("`demo.sqlite` exists"), "{again:?}");
    for (option, value, words) in
        [("--tickets", "99", "100 to 1000000"), ("--months", "61", "1 to 60"), ("--from", "2025-13", "--from")]
    {
        let ended = work.command(&["demo", "sqlite://other.sqlite", option, value, "--quiet"]).finish();
        assert!(ended.failed(2).contains(words), "{ended:?}");
    }
    assert_eq!(work.names(), ["demo.sqlite", "reports", "ticketing-report.xlsx"]);
}

#[test]
fn a_demo_needs_an_empty_postgresql_database() {
    let work = Workplace::new();
    let empty = PostgresDatabase::empty();
    let demo = ["demo", "--tickets", "300", "--from", "2025-01", "--months", "2", "--quiet"];
    let ended = work.command(&demo).env("DATABASE_URL", &empty.url()).finish().succeeded();
    assert!(ended.stdout.starts_with("300 tickets of ") && !ended.stdout.contains(":p"), "{}", ended.stdout);
    let again = work.command(&demo).env("DATABASE_URL", &empty.url()).finish();
    assert!(again.failed(78).contains("give an empty database"), "{again:?}");
}
