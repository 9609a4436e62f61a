//! The borders of months: in every time zone the months together hold each ticket exactly once.

use std::collections::BTreeMap;

use jiff::civil::date;
use pipeline::demo::DemoOptions;
use tests::{
    database::{Database, Kind},
    workplace::Workplace,
};

over_both_databases! {
    the_months_together_hold_every_ticket_once_in_every_time_zone,
}

/// Months in which midnight doesn't exist in São Paulo, comes twice in Rome's October night, and in which Apia leaves
/// out a whole day.
const OPTIONS: DemoOptions = DemoOptions { tickets: 700, first_month: date(2011, 10, 1), months: 5, seed: 1 };

const MONTHS: [&str; 7] = ["2011-09", "2011-10", "2011-11", "2011-12", "2012-01", "2012-02", "2012-03"];

/// Instants in which a day begins or ends somewhere, and a microsecond before each.
const BORDERS: [&str; 16] = [
    "2011-10-01T00:00:00Z",
    "2011-10-31T23:59:59.999999Z",
    // Rome, in summer and in winter time.
    "2011-09-30T21:59:59.999999Z",
    "2011-09-30T22:00:00Z",
    "2011-10-31T22:59:59.999999Z",
    "2011-10-31T23:00:00Z",
    // São Paulo's summer time begins at a midnight, and ends in one.
    "2011-10-01T02:59:59.999999Z",
    "2011-10-01T03:00:00Z",
    "2011-11-01T01:59:59.999999Z",
    "2011-11-01T02:00:00Z",
    "2012-03-01T02:59:59.999999Z",
    "2012-03-01T03:00:00Z",
    // Apia: before it has left out 30 December it is the last to begin a month, afterwards the first.
    "2011-12-01T09:59:59.999999Z",
    "2011-12-01T10:00:00Z",
    "2011-12-31T09:59:59.999999Z",
    "2011-12-31T10:00:00Z",
];

fn the_months_together_hold_every_ticket_once_in_every_time_zone(kind: Kind) {
    let database = Database::demo(kind, &OPTIONS);
    // PostgreSQL's own calendar, of the same tickets, says in which month each belongs.
    let judge = Database::demo(Kind::Postgres, &OPTIONS);
    for (i, instant) in BORDERS.iter().enumerate() {
        for database in [&database, &judge] {
            database.execute(&format!(
                "INSERT INTO tickets (id, trip_id, ticket_ref, price, status, issued_at) \
                 SELECT '00000000-0000-4000-8000-{i:012}', min(CAST(id AS text)){}, 'BORDER{i:02}', 1, 'issued', {} FROM trips",
                if database.kind() == Kind::Postgres { "::uuid" } else { "" },
                database.instant(instant),
            ));
        }
    }
    let mut months: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    let zones = ["UTC", "Europe/Rome", "America/Sao_Paulo", "Pacific/Apia"];
    for zone in zones {
        let sql = "SELECT ticket_ref, to_char(issued_at AT TIME ZONE $1, 'YYYY-MM') FROM tickets";
        let rows = judge.postgres().client().query(sql, &[&zone]).unwrap();
        let expected: BTreeMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(expected.len(), 716);

        let work = Workplace::new();
        for month in MONTHS {
            work.succeed(&database, &["--period", month, "--time-zone", zone]);
        }
        let store = work.store();
        let mut found = BTreeMap::new();
        for manifest in store.manifests() {
            for reference in store.table(&manifest, "tickets").column("ticket_ref") {
                let before = found.insert(reference.text().to_owned(), manifest.period.to_string());
                assert_eq!(before, None, "{reference} is in two months in {zone}");
            }
        }
        for (reference, month) in &expected {
            assert_eq!(found.get(reference), Some(month), "{reference} in {zone}");
        }
        assert_eq!(found.len(), expected.len(), "{zone}");
        months.insert(zone, found);
    }
    for other in &zones[1..] {
        assert_ne!(months["UTC"], months[other], "{other} must differ from UTC for this test to say anything");
    }
}
