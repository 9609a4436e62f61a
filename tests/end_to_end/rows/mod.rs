//! The rows of a snapshot: the same from both databases, and what the operational tables say.

mod expected;

use std::collections::BTreeMap;

use pipeline::{columns::TABLES, manifest::Money};
use tests::{
    cells::{Cell, TableRows},
    database::{Database, Kind, MEDIUM, demo},
    workplace::Workplace,
};

use self::expected::Business;

over_both_databases! {
    every_cell_is_what_the_operational_tables_say,
    rows_are_in_the_declared_order_whatever_the_collation,
    control_totals_are_the_sums_of_the_rows,
    a_ticket_without_anything_around_it_is_not_lost,
    payments_and_refunds_in_other_currencies_are_left_out_of_the_sums,
    the_latest_payment_is_told_by_time_and_then_by_key,
}

/// January 2025 in Rome.
const JANUARY: [&str; 2] = ["2024-12-31T23:00:00Z", "2025-01-31T23:00:00Z"];

fn report_of_january(work: &Workplace, database: &Database) -> BTreeMap<&'static str, TableRows> {
    work.succeed(database, &["--period", "2025-01", "--time-zone", "Europe/Rome"]);
    let store = work.store();
    let manifest = store.manifests().pop().unwrap();
    TABLES.iter().map(|table| (table.name, store.table(&manifest, table.name))).collect()
}

fn every_cell_is_what_the_operational_tables_say(kind: Kind) {
    let (work, database) = (Workplace::new(), Database::demo(kind, &MEDIUM));
    let found = report_of_january(&work, &database);
    let expected = Business::read(&database).report(JANUARY);
    assert!(expected["tickets"].rows.len() > 600 && expected["refunds"].rows.len() > 10);
    for table in TABLES {
        let (found, expected) = (&found[table.name], &expected[table.name]);
        assert_eq!(found.columns, expected.columns, "columns of {}", table.name);
        assert_eq!(found.rows.len(), expected.rows.len(), "rows of {}", table.name);
        for (i, (found, expected)) in found.rows.iter().zip(&expected.rows).enumerate() {
            for (column, (found, expected)) in table.columns.iter().zip(found.iter().zip(expected)) {
                assert!(found == expected, "{} row {i}, {}: {found}, not {expected}", table.name, column.name);
            }
        }
    }
}

fn rows_are_in_the_declared_order_whatever_the_collation(kind: Kind) {
    let (work, database) = (Workplace::new(), Database::demo(kind, &MEDIUM));
    // One trip's tickets, with references that bytes and dictionaries order differently.
    match kind {
        Kind::Postgres => database.execute(
            "ALTER TABLE tickets ALTER ticket_ref TYPE text COLLATE \"und-x-icu\"; \
             ALTER TABLE bookings ALTER booking_ref TYPE text COLLATE \"und-x-icu\"",
        ),
        Kind::Sqlite => {}
    }
    database.execute("UPDATE bookings SET booking_ref = lower(booking_ref) WHERE substr(booking_ref, 3, 1) > 'M'");
    let references = ["a-1", "B-1", "Z", "_", "a1", "b", "é", "É", "z", "0", "~", "🚄", "\u{ff5e}"];
    let inside = database.instant("2025-01-15T12:00:00Z");
    for (i, reference) in references.iter().enumerate() {
        database.execute(&format!(
            "INSERT INTO tickets (id, trip_id, ticket_ref, price, status, issued_at) SELECT \
             '00000000-0000-4000-8000-{i:012}', trip_id, '{reference}', 1, 'issued', {inside} FROM tickets \
             WHERE ticket_ref = (SELECT min(ticket_ref) FROM tickets WHERE length(ticket_ref) > 5)",
        ));
    }
    let tables = report_of_january(&work, &database);
    let tickets = &tables["tickets"];
    let position = |name: &str| tickets.position(name);
    let (day, time, reference) = (position("service_date"), position("departure_time"), position("ticket_ref"));
    let key = |row: &Vec<Cell>| (row[day].clone(), row[time].clone(), row[reference].text().as_bytes().to_vec());
    assert!(tickets.rows.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])));
    for name in references {
        assert!(tickets.column("ticket_ref").any(|found| found.text() == name), "{name}");
    }
    for (table, keys) in [
        ("bookings", &["booking_id"][..]),
        ("payments", &["booking_id", "payment_id"]),
        ("refunds", &["refund_id"]),
        ("trips", &["trip_id"]),
    ] {
        let keys: Vec<usize> = keys.iter().map(|key| tables[table].position(key)).collect();
        let bytes = |row: &Vec<Cell>| keys.iter().map(|&key| row[key].text().as_bytes().to_vec()).collect::<Vec<_>>();
        assert!(tables[table].rows.windows(2).all(|pair| bytes(&pair[0]) < bytes(&pair[1])), "{table}");
    }
}

fn control_totals_are_the_sums_of_the_rows(kind: Kind) {
    let (work, database) = (Workplace::new(), Database::demo(kind, &MEDIUM));
    let tables = report_of_january(&work, &database);
    let manifest = work.store().manifest();
    assert_eq!(manifest.rows, tables["tickets"].rows.len() as u64);
    for table in TABLES {
        let rows = &tables[table.name];
        let mut sums: BTreeMap<String, (u64, i128)> = BTreeMap::new();
        for row in &rows.rows {
            let (currency, cents) = match &table.amount {
                Some(money) => (row[rows.position(money.currency)].text(), row[rows.position(money.amount)].cents()),
                None => ("", 0),
            };
            let sum = sums.entry(currency.to_owned()).or_default();
            *sum = (sum.0 + 1, sum.1 + cents);
        }
        let file = &manifest.tables[table.name];
        let totals: BTreeMap<_, _> =
            file.totals.iter().map(|(code, total)| (code.clone(), (total.rows, total.amount.0))).collect();
        assert_eq!(totals, sums, "{}", table.name);
        assert_eq!(file.rows, rows.rows.len() as u64);
        if table.name != "trips" {
            assert!(sums.contains_key("EUR") && sums.len() > 1, "{} has one currency only", table.name);
        }
    }
    assert!(manifest.tables["tickets"].totals["EUR"].amount > Money(0));
}

fn a_ticket_without_anything_around_it_is_not_lost(kind: Kind) {
    let (work, database) = (Workplace::new(), Database::demo(kind, &MEDIUM));
    work.succeed(&database, &["--start-date", "2024-12-01", "--end-date", "2025-03-31"]);
    let tickets = work.store().table(&work.store().manifest(), "tickets");
    assert_eq!(tickets.rows.len(), 2000);
    for nothing in ["booking_ref", "passenger_last_name", "fare_code", "seat_number", "train_registration"] {
        assert!(tickets.column(nothing).any(|cell| *cell == Cell::Null), "no ticket without {nothing}");
    }
    // A bare ticket has its own values and its trip's, and nothing else.
    let missing = ["booking_id", "passenger_id", "fare_code", "seat_number"].map(|column| tickets.position(column));
    let bare: Vec<_> = tickets.rows.iter().filter(|row| missing.iter().all(|&i| row[i] == Cell::Null)).collect();
    assert!(!bare.is_empty());
    for row in bare {
        for column in ["booking_total_amount", "paid_amount", "latest_payment_status", "carriage_number"] {
            assert_eq!(row[tickets.position(column)], Cell::Null, "{column}");
        }
        for column in ["ticket_ref", "ticket_price", "service_date", "route_code", "departure_station_name"] {
            assert_ne!(row[tickets.position(column)], Cell::Null, "{column}");
        }
    }
}

/// A booking with one ticket in January, on which a test can put payments: its key and the ticket's reference.
fn a_booking(database: &Database) -> (String, String) {
    let business = Business::read(database);
    let mut tickets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ticket in &business.tickets {
        if ticket["currency"].text() == "EUR" {
            tickets
                .entry(ticket["booking_id"].text().to_owned())
                .or_default()
                .push(ticket["ticket_ref"].text().to_owned());
        }
    }
    let [start, end] = JANUARY.map(|text| text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    let inside = |reference: &String| {
        business
            .tickets
            .iter()
            .any(|t| t["ticket_ref"].text() == reference && (start..end).contains(&t["issued_at"].micros()))
    };
    let one = tickets.iter().find(|(booking, tickets)| {
        let known = business.bookings.get(booking.as_str());
        known.is_some_and(|b| b["currency"].text() == "EUR") && tickets.len() == 1 && inside(&tickets[0])
    });
    let (booking, tickets) = one.unwrap();
    database.execute(&format!("DELETE FROM payments WHERE booking_id = '{booking}'"));
    (booking.clone(), tickets[0].clone())
}

/// The row of a ticket.
fn row_of<'a>(tickets: &'a TableRows, reference: &str) -> impl Fn(&str) -> &'a Cell {
    let at = tickets.position("ticket_ref");
    let row = tickets.rows.iter().find(|row| row[at].text() == reference).unwrap();
    move |column| &row[tickets.position(column)]
}

fn pay(database: &Database, booking: &str, number: u32, cents: i64, rest: [&str; 3], paid_at: Option<&str>) {
    let [currency, status, method] = rest;
    let (amount, created) = (database.amount(cents), database.instant("2025-01-10T08:00:00Z"));
    let paid_at = paid_at.map_or_else(|| "NULL".to_owned(), |at| database.instant(at));
    database.execute(&format!(
        "INSERT INTO payments (id, booking_id, amount, currency, status, method, paid_at, created_at) VALUES \
         ('00000000-0000-4000-8000-{number:012}', '{booking}', {amount}, '{currency}', '{status}', '{method}', {paid_at}, {created})"
    ));
}

fn payments_and_refunds_in_other_currencies_are_left_out_of_the_sums(kind: Kind) {
    let (work, database) = (Workplace::new(), Database::demo(kind, &MEDIUM));
    let (booking, reference) = a_booking(&database);
    let later = Some("2025-01-11T08:00:00Z");
    pay(&database, &booking, 1, 1_001, ["EUR", "completed", "card"], later);
    pay(&database, &booking, 2, 2_002, ["EUR", "completed", "card"], later);
    pay(&database, &booking, 3, 40_000, ["CHF", "completed", "card"], later);
    pay(&database, &booking, 4, 50_000, ["EUR", "failed", "card"], later);
    pay(&database, &booking, 5, 60_000, ["EUR", "pending", "card"], None);
    pay(&database, &booking, 6, 70_000, ["EUR", "refunded", "card"], later);
    database.execute(&format!(
        "DELETE FROM ticket_refunds WHERE ticket_id = (SELECT id FROM tickets WHERE ticket_ref = '{reference}')"
    ));
    for (number, cents, currency) in [(1, 150, "EUR"), (2, 250, "EUR"), (3, 9_900, "GBP")] {
        database.execute(&format!(
            "INSERT INTO ticket_refunds (id, ticket_id, refunded_amount, currency, processed_at) SELECT \
             '00000000-0000-4000-8000-{number:012}', id, {}, '{currency}', {} FROM tickets WHERE ticket_ref = '{reference}'",
            database.amount(cents),
            database.instant("2025-03-01T00:00:00Z"),
        ));
    }
    let tables = report_of_january(&work, &database);
    let row = row_of(&tables["tickets"], &reference);
    assert_eq!(*row("paid_amount"), Cell::Money(3_003));
    assert_eq!(*row("refunded_amount"), Cell::Money(400));
    let of_booking = tables["payments"].column("booking_id").filter(|cell| cell.text() == booking).count();
    assert_eq!(of_booking, 6, "the table of payments holds them all");
    assert_eq!(tables["refunds"].column("currency").filter(|cell| cell.text() == "GBP").count(), 1);

    // Payments, but none completed: nought, not nothing.
    database.execute(&format!("DELETE FROM payments WHERE booking_id = '{booking}' AND status = 'completed'"));
    let tables = report_of_january(&work, &database);
    assert_eq!(*row_of(&tables["tickets"], &reference)("paid_amount"), Cell::Money(0));
    database.execute(&format!("DELETE FROM payments WHERE booking_id = '{booking}'"));
    let tables = report_of_january(&work, &database);
    assert_eq!(*row_of(&tables["tickets"], &reference)("paid_amount"), Cell::Null);
}

fn the_latest_payment_is_told_by_time_and_then_by_key(kind: Kind) {
    let (work, database) = (Workplace::new(), Database::demo(kind, &MEDIUM));
    let (booking, reference) = a_booking(&database);
    let latest = |database: &Database| {
        let tables = report_of_january(&work, database);
        let row = row_of(&tables["tickets"], &reference);
        [row("latest_payment_status"), row("payment_method")].map(|cell| cell.text().to_owned())
    };
    pay(&database, &booking, 9, 100, ["EUR", "completed", "cash"], Some("2025-01-10T09:00:00Z"));
    // Begun before, never paid: stands where it was begun.
    pay(&database, &booking, 8, 100, ["EUR", "pending", "card"], None);
    assert_eq!(latest(&database), ["completed", "cash"]);
    // At the same microsecond the greater key counts, whichever came first.
    pay(&database, &booking, 10, 100, ["EUR", "failed", "wallet"], Some("2025-01-10T09:00:00Z"));
    assert_eq!(latest(&database), ["failed", "wallet"]);
    pay(&database, &booking, 7, 100, ["CHF", "refunded", "voucher"], Some("2025-01-10T09:00:00.000001Z"));
    assert_eq!(latest(&database), ["refunded", "voucher"]);
}

#[test]
fn both_databases_give_the_same_rows_of_a_hundred_thousand_tickets() {
    let options = demo(100_000, 1);
    let manifests = [Kind::Postgres, Kind::Sqlite].map(|kind| {
        let (work, database) = (Workplace::new(), Database::demo(kind, &options));
        work.succeed(&database, &["--period", "2025-01"]);
        let manifest = work.store().manifest();
        let sales: (u64, i128) = match kind {
            Kind::Postgres => {
                let sql = "SELECT count(*), sum(price)::text FROM tickets WHERE currency = 'EUR' AND issued_at < '2025-02-01Z' AND issued_at >= '2025-01-01Z'";
                let row = database.postgres().client().query_one(sql, &[]).unwrap();
                let (rows, sum): (i64, String) = (row.get(0), row.get(1));
                (rows.unsigned_abs(), sum.replace('.', "").parse().unwrap())
            }
            Kind::Sqlite => {
                let sql = "SELECT count(*), sum(price) FROM tickets WHERE currency = 'EUR' AND issued_at < 1738368000000000 AND issued_at >= 1735689600000000";
                let (rows, sum): (i64, i64) =
                    database.sqlite().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
                (rows.unsigned_abs(), sum.into())
            }
        };
        let total = manifest.tables["tickets"].totals["EUR"];
        assert_eq!((total.rows, total.amount.0), sales);
        manifest
    });
    let [postgres, sqlite] = &manifests;
    for table in TABLES {
        assert_eq!(postgres.tables[table.name].digest, sqlite.tables[table.name].digest, "{}", table.name);
        assert_eq!(postgres.tables[table.name].totals, sqlite.tables[table.name].totals, "{}", table.name);
    }
    assert_eq!(postgres.digest, sqlite.digest);
    assert!(postgres.rows > 99_990);
}
