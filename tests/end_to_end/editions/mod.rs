//! Editions: numbered, immutable, made only of data that has changed, and found under the names that people know.

mod at_once;
mod crashes;
mod folders;
mod full_disks;
mod repairs;

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use pipeline::{
    demo::DemoOptions,
    manifest::{ChangedNet, Manifest, Money},
};
use tests::{
    database::{Database, Kind, SMALL},
    store_folder::{StoreFolder, sha256},
    workplace::Workplace,
};

over_both_databases! {
    an_unchanged_run_says_so_and_touches_nothing,
    changed_data_becomes_the_next_edition_and_the_old_one_stays,
}

/// A report of January into `reports`, nowhere else.
const JANUARY: [&str; 4] = ["--period", "2025-01", "--store", "reports"];

const PLAIN: &str = "ticketing-report-2025-01.xlsx";

/// The edition compared with, and the tickets added, removed and changed since; the money must explain itself.
fn counts(manifest: &Manifest) -> [u64; 4] {
    let changes = manifest.changes.as_ref().unwrap();
    for (currency, net) in &changes.net {
        let explained = net.before.0 + net.added.amount.0 + net.removed.amount.0 + net.changed.amount.0;
        assert_eq!(explained, net.after.0, "{currency}");
        assert_eq!(net.after, manifest.summary.as_ref().unwrap().currencies[currency].sales.net(), "{currency}");
    }
    let sum = |of: fn(&ChangedNet) -> u64| changes.net.values().map(of).sum::<u64>();
    let by_currency = [sum(|net| net.added.rows), sum(|net| net.removed.rows), sum(|net| net.changed.rows)];
    assert_eq!(by_currency, [changes.added, changes.removed, changes.changed]);
    [changes.edition.into(), changes.added, changes.removed, changes.changed]
}

/// The reference of the first ticket of the store's newest edition.
fn first_ticket(store: &StoreFolder) -> String {
    let manifest = store.manifests().pop().unwrap();
    store.table(&manifest, "tickets").rows[0][0].text().to_owned()
}

/// Makes one ticket a euro dearer.
fn change(database: &Database, reference: &str) {
    let more = database.amount(100);
    database.execute(&format!("UPDATE tickets SET price = price + {more} WHERE ticket_ref = '{reference}'"));
}

fn an_unchanged_run_says_so_and_touches_nothing(kind: Kind) {
    let (work, database) = (Workplace::new(), Database::demo(kind, &SMALL));
    let first = work.succeed(&database, &JANUARY);
    let store = work.store();
    let rows = store.manifest().rows;
    let plain = store.path().canonicalize().unwrap().join(PLAIN);
    assert_eq!(first.last_line(), format!("{rows} rows in {}", plain.display()));
    let before = store.files();

    let second = work.succeed(&database, &JANUARY);
    let expected = format!("{rows} rows, nothing has changed since edition 1, in {}", plain.display());
    assert_eq!(second.last_line(), expected);
    assert_eq!(second.events().last().unwrap()["outcome"], "unchanged");
    assert_eq!(store.files(), before);
    store.assert_settled();
}

fn changed_data_becomes_the_next_edition_and_the_old_one_stays(kind: Kind) {
    let (work, database) = (Workplace::new(), Database::demo(kind, &SMALL));
    work.succeed(&database, &JANUARY);
    let store = work.store();
    let reference = first_ticket(&store);
    let first = store.files();

    change(&database, &reference);
    let ended = work.succeed(&database, &JANUARY);
    assert!(ended.last_line().ends_with(PLAIN) && !ended.last_line().contains("nothing has changed"));
    store.assert_settled();
    assert_eq!(store.workbooks(), ["ticketing-report-2025-01-edition-1.xlsx", PLAIN]);
    assert_eq!(sha256(&store.file("ticketing-report-2025-01-edition-1.xlsx")).unwrap(), first[PLAIN].0);
    let second = store.edition("2025-01", 2);
    assert_eq!(counts(&second), [1, 0, 0, 1]);
    let dearer: i128 = second.changes.as_ref().unwrap().net.values().map(|net| net.changed.amount.0).sum();
    assert_eq!(Money(dearer), Money(100));
    assert_eq!(store.numbers("2025-01"), [1, 2]);
    // Whatever was there of the first edition is there still, byte by byte.
    for (path, (hash, _)) in first.iter().filter(|(path, _)| path.starts_with("editions/")) {
        assert_eq!(sha256(&store.file(path)).as_ref(), Some(hash), "{path}");
    }

    // One ticket gone, one new: the third. And back to what the second was: the fourth, since only the newest counts.
    database.execute(&format!("UPDATE tickets SET ticket_ref = 'NEW-REFERENCE' WHERE ticket_ref = '{reference}'"));
    work.succeed(&database, &JANUARY);
    let third = store.edition("2025-01", 3);
    assert_eq!(counts(&third), [2, 1, 1, 0]);
    database.execute(&format!("UPDATE tickets SET ticket_ref = '{reference}' WHERE ticket_ref = 'NEW-REFERENCE'"));
    work.succeed(&database, &JANUARY);
    assert_eq!(store.edition("2025-01", 4).digest, second.digest);
    assert_ne!(third.digest, second.digest);
    store.assert_settled();
    assert_eq!(store.workbooks().len(), 4);
}

#[test]
fn a_change_in_any_table_makes_an_edition() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &SMALL));
    work.succeed(&database, &JANUARY);
    let of_january = "(SELECT id FROM tickets WHERE issued_at >= '2025-01-01Z' AND issued_at < '2025-02-01Z')";
    let changes = [
        format!(
            "UPDATE ticket_refunds SET reason = reason || '!' WHERE id = (SELECT min(id::text)::uuid FROM ticket_refunds WHERE ticket_id IN {of_january})"
        ),
        format!(
            "UPDATE payments SET paid_at = paid_at + interval '1 microsecond' WHERE booking_id = (SELECT min(booking_id::text)::uuid FROM tickets WHERE id IN {of_january})"
        ),
        format!(
            "UPDATE bookings SET expires_at = created_at + interval '1 hour' WHERE id = (SELECT min(booking_id::text)::uuid FROM tickets WHERE id IN {of_january})"
        ),
        "UPDATE trains SET capacity = capacity + 1".to_owned(),
        "UPDATE stations SET name = name || ' Centrale'".to_owned(),
    ];
    for (sql, number) in changes.iter().zip(2..) {
        database.execute(sql);
        work.succeed(&database, &JANUARY);
        assert_eq!(work.store().numbers("2025-01").last(), Some(&number), "{sql}");
    }
    // What the report doesn't read changes nothing.
    database.execute("UPDATE passengers SET doc_number = 'changed'; UPDATE tickets SET notes = 'changed'");
    let ended = work.succeed(&database, &JANUARY);
    assert!(ended.last_line().contains("nothing has changed since edition 6"), "{}", ended.stdout);
    work.store().assert_settled();
}

#[test]
fn force_makes_an_edition_of_data_that_has_not_changed() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    work.succeed(&database, &JANUARY);
    work.succeed(&database, &[&JANUARY[..], &["--force"]].concat());
    let store = work.store();
    let (first, second) = (store.edition("2025-01", 1), store.edition("2025-01", 2));
    assert_eq!(first.digest, second.digest);
    assert_eq!(counts(&second), [1, 0, 0, 0]);
    store.assert_settled();
}

#[test]
fn months_have_editions_of_their_own() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    for month in ["2025-01", "2025-02"] {
        work.succeed(&database, &["--period", month]);
    }
    work.succeed(&database, &["--start-date", "2025-01-01", "--end-date", "2025-01-31"]);
    work.succeed(&database, &["--start-date", "2025-01-05", "--end-date", "2025-02-05"]);
    let store = work.store();
    store.assert_settled();
    let periods: Vec<_> = store.manifests().iter().map(|m| (m.period.to_string(), m.edition)).collect();
    let expected = [("2025-01", 1), ("2025-02", 1), ("2025-01-05_to_2025-02-05", 1)];
    assert_eq!(periods, expected.map(|(period, number)| (period.to_owned(), number)));
    assert_eq!(
        store.workbooks(),
        [
            "ticketing-report-2025-01-05-to-2025-02-05.xlsx",
            "ticketing-report-2025-01.xlsx",
            "ticketing-report-2025-02.xlsx"
        ]
    );
    // A range isn't among the months that a glob finds.
    let shown = store.paths().into_iter().filter(|path| path.starts_with("snapshots/tickets/"));
    let months = ["2025-01", "2025-02"].map(|month| format!("snapshots/tickets/month={month}/part-0.parquet"));
    assert_eq!(shown.collect::<Vec<_>>(), months);
}

/// Today in UTC.
fn today() -> Date {
    TimeZone::UTC.to_datetime(Timestamp::now()).date()
}

/// Does something that must happen within one day, again if midnight comes between.
fn within_a_day<T>(mut act: impl FnMut(Date) -> T) -> T {
    loop {
        let day = today();
        let done = act(day);
        if today() == day {
            return done;
        }
    }
}

#[test]
fn a_month_that_is_not_over_is_provisional_and_named_by_its_days() {
    within_a_day(|today| {
        let first = today.first_of_month();
        let options = DemoOptions { first_month: first, ..SMALL };
        let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &options));
        work.succeed(&database, &["--period", "current-month", "--store", "reports"]);
        let whole_month = format!("{}-{:02}", first.year(), first.month());
        let ended = work.succeed(&database, &["--period", &whole_month, "--store", "reports"]);

        let store = work.store();
        let name = |last: Date| format!("ticketing-report-{first}-to-{last}.xlsx");
        assert!(ended.last_line().ends_with(&name(first.last_of_month())), "{}", ended.stdout);
        let mut expected = vec![name(today), name(first.last_of_month())];
        expected.dedup();
        assert_eq!(store.workbooks(), expected);
        assert!(store.manifests().iter().all(|manifest| manifest.provisional && manifest.period.month().is_none()));
        assert!(!store.file("snapshots").exists());
        store.assert_settled();

        let list = work.with(&database, &["list", "--store", "reports"]).finish().succeeded();
        assert!(list.stdout.contains("(provisional)"), "{}", list.stdout);
        // Its workbook says so too.
        let manifest = store.manifests().remove(0);
        let mut workbook = tests::sheet::open(&store.workbook(&manifest));
        let range = calamine::Reader::worksheet_range(&mut workbook, "Run info").unwrap();
        assert!(range.used_cells().any(|(_, _, cell)| cell.to_string().starts_with("PROVISIONAL")));
    });
}

#[test]
fn a_range_that_ended_yesterday_is_not_provisional() {
    within_a_day(|today| {
        let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
        let yesterday = today.checked_sub(1.day()).unwrap().to_string();
        work.succeed(&database, &["--start-date", &yesterday, "--end-date", &yesterday]);
        work.succeed(&database, &["--start-date", &yesterday, "--end-date", &today.to_string()]);
        let provisional: Vec<bool> = work.store().manifests().iter().map(|manifest| manifest.provisional).collect();
        assert_eq!(provisional, [false, true]);
    });
}

#[test]
fn a_jobs_number_stands_in_the_name_of_a_range_and_not_of_a_month() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let range = ["--start-date", "2025-01-02", "--end-date", "2025-01-20", "--store", "reports"];
    let first = work.with(&database, &range).env("REPORT_JOB", "12345").finish().succeeded();
    assert!(first.last_line().ends_with("/ticketing-report-2025-01-02-to-2025-01-20-12345.xlsx"), "{}", first.stdout);
    // Nothing has changed: the next job names the workbook that exists.
    let second = work.with(&database, &range).env("REPORT_JOB", "99999").finish().succeeded();
    assert!(second.last_line().ends_with("/ticketing-report-2025-01-02-to-2025-01-20-12345.xlsx"), "{}", second.stdout);
    work.with(&database, &JANUARY).env("REPORT_JOB", "777").finish().succeeded();
    let expected = ["ticketing-report-2025-01-02-to-2025-01-20-12345.xlsx", PLAIN];
    assert_eq!(work.store().workbooks(), expected);
    // Two jobs' editions of one range have names of their own, and neither takes the other's.
    change(&database, &first_ticket(&work.store()));
    database.execute("UPDATE bookings SET status = 'failed'");
    let third = work.with(&database, &range).env("REPORT_JOB", "54321").finish().succeeded();
    assert!(third.last_line().ends_with("/ticketing-report-2025-01-02-to-2025-01-20-54321.xlsx"), "{}", third.stdout);
    work.store().assert_settled();
}
