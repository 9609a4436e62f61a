//! Controls that fail are an alarm: the edition is marked, or with `--strict` withheld.

use calamine::Data;
use pipeline::manifest::ControlName;
use tests::{
    database::{Database, Kind, MEDIUM},
    workplace::Workplace,
};

use super::rows_of;

/// Two months published, and of the third nearly all tickets gone.
fn fewer_tickets(work: &Workplace) -> Database {
    let database = Database::demo(Kind::Sqlite, &MEDIUM);
    for month in ["2024-12", "2025-01"] {
        work.succeed(&database, &["--period", month, "--store", "reports"]);
    }
    database.execute("DELETE FROM tickets WHERE issued_at >= 1738368000000000 AND abs(random()) % 10 > 0");
    database
}

#[test]
fn a_month_with_far_fewer_tickets_is_published_and_marked() {
    let work = Workplace::new();
    let database = fewer_tickets(&work);
    let february = ["--period", "2025-02", "--store", "reports"];
    let ended = work.succeed(&database, &february);
    let warned = ended.warnings();
    assert!(warned.iter().any(|warning| warning.starts_with("control failed: ")), "{warned:?}");
    assert!(ended.last_line().contains("control failed: there are fewer than half as many tickets as usual"));
    let manifest = work.store().edition("2025-02", 1);
    let failed: Vec<_> = manifest.failed_controls().collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].name, ControlName::RowCount);
    assert!(failed[0].detail.contains("median of the last 2 months"), "{}", failed[0].detail);
    let summary = rows_of(&work, &manifest, "Summary");
    let alarm = summary.iter().take(4).flatten().find(|cell| cell.to_string().starts_with("CONTROL FAILED"));
    assert!(alarm.is_some_and(|alarm| alarm.to_string().contains(&failed[0].detail)), "{summary:#?}");
    let listed = work.command(&["list", "--store", "reports"]).finish().succeeded();
    assert!(listed.stdout.contains("2025-02 (controls failed)"), "{}", listed.stdout);
    work.store().assert_settled();

    // The next run of the same data finds nothing new, and says again what is wrong.
    let again = work.succeed(&database, &february);
    assert!(again.last_line().contains("nothing has changed") && again.last_line().contains("control failed"));
}

#[test]
fn with_strict_it_is_withheld() {
    let work = Workplace::new();
    let database = fewer_tickets(&work);
    let before = work.store().files();
    let ended = work.with(&database, &["--period", "2025-02", "--store", "reports", "--strict", "--quiet"]).finish();
    let message = ended.failed(65);
    assert!(message.contains("fewer than half") && message.contains("--strict"), "{message}");
    let published = |files: &tests::store_folder::Files| -> Vec<String> {
        files.keys().filter(|path| !path.starts_with("state/")).cloned().collect()
    };
    assert_eq!(published(&work.store().files()), published(&before));
    work.store().assert_settled();
    // A month like the others passes.
    work.succeed(&database, &["--period", "2025-01", "--store", "reports", "--strict", "--force"]);
}

#[test]
fn listed_exceptions_are_the_ordinary_business_of_a_month() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &MEDIUM));
    let ended = work.succeed(&database, &["--period", "2025-01", "--strict"]);
    assert!(!ended.last_line().contains("control"), "{}", ended.stdout);
    let manifest = work.store().manifest();
    assert!(manifest.exceptions.as_ref().unwrap().rows > 10);
    let summary = rows_of(&work, &manifest, "Summary");
    let held = |cell: &&Data| cell.to_string().starts_with("All controls hold");
    assert!(summary.iter().take(4).flatten().any(|cell| held(&cell)));
}
