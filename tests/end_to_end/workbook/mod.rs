//! The workbook, read back by other programs and compared with the snapshot cell by cell.

mod many_rows;
mod readers;

use calamine::{Data, Reader};
use jiff::{civil::date, tz::TimeZone};
use pipeline::{
    columns::{Kind, TICKETS},
    demo::DemoOptions,
    manifest::Manifest,
};
use tests::{
    cells::{Cell, TableRows},
    database::{self, Database, MEDIUM},
    sheet,
    workplace::Workplace,
};

/// A month in which Rome's clocks change, so that one offset doesn't do for all instants.
const MARCH: DemoOptions = DemoOptions { tickets: 3000, first_month: date(2025, 3, 1), months: 1, seed: 1 };

/// A report of March on Rome's clock, and the tickets of its snapshot.
fn report_of_march(work: &Workplace, more: &[&str]) -> (Manifest, TableRows) {
    let database = Database::demo(database::Kind::Sqlite, &MARCH);
    let arguments = [&["--period", "2025-03", "--time-zone", "Europe/Rome"], more].concat();
    work.succeed(&database, &arguments);
    let manifest = work.store().manifests().pop().unwrap();
    let tickets = work.store().table(&manifest, "tickets");
    assert!(tickets.rows.len() > 2990);
    (manifest, tickets)
}

/// The columns that stand on the sheet.
fn on_sheet() -> Vec<&'static str> {
    TICKETS.sheet_columns().map(|(_, column, _)| column.name).collect()
}

#[test]
fn every_cell_shows_what_the_snapshot_holds() {
    for compression in ["fast", "small"] {
        let work = Workplace::new();
        let (manifest, tickets) = report_of_march(&work, &["--compression", compression]);
        let rome = TimeZone::get("Europe/Rome").unwrap();
        let mut workbook = sheet::open(&work.store().workbook(&manifest));
        let (header, rows) = sheet::rows(&mut workbook, "TicketingReport");
        assert_eq!(header, on_sheet());
        assert_eq!(rows.len(), tickets.rows.len());
        for (i, (found, expected)) in rows.iter().zip(&tickets.rows).enumerate() {
            for (column, (found, expected)) in header.iter().zip(found.iter().zip(expected)) {
                assert!(sheet::shows(found, expected, &rome), "row {}, {column}: {found:?} for {expected}", i + 2);
            }
        }
    }
}

#[test]
fn hostile_texts_are_on_the_sheet_and_come_back_as_they_were() {
    let (work, database) = (Workplace::new(), Database::demo(database::Kind::Sqlite, &MARCH));
    work.succeed(&database, &["--start-date", "2025-02-28", "--end-date", "2025-04-01"]);
    let manifest = work.store().manifest();
    let mut workbook = sheet::open(&work.store().workbook(&manifest));
    let (header, rows) = sheet::rows(&mut workbook, "TicketingReport");
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let (first, last) = (column("passenger_first_name"), column("passenger_last_name"));
    for name in [
        ["=HYPERLINK(\"http://example.com\",\"x\")", "=1+1"],
        ["<b>Ann & Bob</b>", "</script><script>alert('&amp;')</script>"],
        ["_x0041_", "_x000D__x005F_"],
        ["\u{1}\u{8}", "a\u{b}b\u{1f}c\u{7f}"],
        ["first\r\nsecond", "a\nb\rc\td"],
        ["\u{fffe}", "\u{ffff}x\u{feff}"],
        ["  leading", "trailing  "],
        ["0123", "1e5"],
        ["@SUM(A1)", "|calc"],
        ["NULL", "null"],
    ] {
        let name = name.map(|part| Data::String(part.to_owned()));
        assert!(rows.iter().any(|row| [&row[first], &row[last]] == [&name[0], &name[1]]), "{name:?}");
    }
    let longest = rows.iter().filter_map(|row| match &row[first] {
        Data::String(name) => Some(name.len()),
        _ => None,
    });
    assert_eq!(longest.max(), Some(sheet::LONGEST_TEXT));
    let warning = manifest.warnings.iter().find(|warning| warning.contains("were cut on the sheet")).unwrap();
    assert!(warning.contains("32767") && warning.contains("passenger_first_name"), "{warning}");
}

#[test]
fn neither_the_rows_nor_the_run_info_have_a_formula() {
    let work = Workplace::new();
    let (manifest, _) = report_of_march(&work, &[]);
    let mut workbook = sheet::open(&work.store().workbook(&manifest));
    for name in ["TicketingReport", "Run info"] {
        let formulas = workbook.worksheet_formula(name).unwrap();
        assert!(formulas.used_cells().all(|(_, _, formula)| formula.is_empty()), "{name}");
    }
}

#[test]
fn the_rows_stand_first_and_the_run_info_last() {
    let work = Workplace::new();
    let (manifest, _) = report_of_march(&work, &[]);
    let mut workbook = sheet::open(&work.store().workbook(&manifest));
    assert_eq!(workbook.sheet_names().first().unwrap(), "TicketingReport");
    assert_eq!(workbook.sheet_names().last().unwrap(), "Run info");
    let (header, _) = sheet::rows(&mut workbook, "TicketingReport");
    assert_eq!(
        header[..25],
        [
            "ticket_ref",
            "ticket_status",
            "ticket_price",
            "ticket_currency",
            "issued_at",
            "booking_ref",
            "booking_status",
            "booking_total_amount",
            "booking_currency",
            "paid_amount",
            "latest_payment_status",
            "passenger_first_name",
            "passenger_last_name",
            "passenger_doc_type",
            "service_date",
            "departure_time",
            "arrival_time",
            "departure_station_code",
            "arrival_station_code",
            "route_code",
            "fare_code",
            "fare_seat_class",
            "seat_number",
            "carriage_number",
            "train_registration",
        ]
    );
}

/// All texts and numbers of the sheet `Run info`, row by row.
fn run_info(work: &Workplace, manifest: &Manifest) -> Vec<Vec<String>> {
    let mut workbook = sheet::open(&work.store().workbook(manifest));
    let range = workbook.worksheet_range("Run info").unwrap();
    range.rows().map(|row| row.iter().filter(|cell| **cell != Data::Empty).map(ToString::to_string).collect()).collect()
}

#[test]
fn the_run_info_says_what_the_manifest_says() {
    let work = Workplace::new();
    let (manifest, _) = report_of_march(&work, &[]);
    let info = run_info(&work, &manifest);
    let fact = |label: &str| {
        let row = info.iter().find(|row| row.first().is_some_and(|first| first == label));
        row.unwrap_or_else(|| panic!("no {label} in {info:#?}"))[1].clone()
    };
    assert_eq!(info[1], ["Ticketing report 2025-03, edition 1"]);
    assert!(fact("Period").starts_with("2025-03-01 to 2025-03-31"));
    assert_eq!(fact("Time zone"), "Europe/Rome");
    assert_eq!(fact("Edition"), "1");
    assert_eq!(fact("Digest of the data"), manifest.digest);
    assert_eq!(fact("Source"), manifest.source);
    assert!(fact("Tickets").starts_with(&manifest.rows.to_string()));
    assert!(fact("Status").contains("was over"));
    assert!(fact("Changes").contains("first edition"));
    // Every control total stands there, per currency.
    for (name, file) in &manifest.tables {
        for (currency, total) in &file.totals {
            let amount = total.amount.0;
            let found = info.iter().any(|row| {
                row.first() == Some(name)
                    && row.contains(&total.rows.to_string())
                    && (name == "trips" || row.get(1) == Some(currency))
                    && (name == "trips" || row.iter().any(|cell| cents(cell) == Some(amount)))
            });
            assert!(found, "{name} {currency} {total:?} in {info:#?}");
        }
    }
    for warning in &manifest.warnings {
        assert!(info.iter().any(|row| row == std::slice::from_ref(warning)), "{warning}");
    }
}

fn cents(text: &str) -> Option<i128> {
    text.parse::<f64>().ok().map(|amount| (amount * 100.0).round() as i128)
}

#[test]
fn what_a_later_edition_changes_stands_in_its_run_info() {
    let (work, database) = (Workplace::new(), Database::demo(database::Kind::Sqlite, &MEDIUM));
    work.succeed(&database, &["--period", "2025-01"]);
    let tickets = work.store().table(&work.store().manifest(), "tickets");
    let reference = |row: usize| tickets.rows[row][0].text();
    database.execute(&format!(
        "UPDATE tickets SET notes = notes, price = price + 100 WHERE ticket_ref = '{}'",
        reference(3)
    ));
    database.execute(&format!("DELETE FROM tickets WHERE ticket_ref IN ('{}', '{}')", reference(5), reference(600)));
    work.succeed(&database, &["--period", "2025-01"]);
    let second = work.store().edition("2025-01", 2);
    let info = run_info(&work, &second);
    let expected = "Against edition 1: 0 tickets added, 2 removed, 1 changed";
    assert!(info.iter().flatten().any(|cell| cell == expected), "{info:#?}");
}

#[test]
fn an_empty_period_gives_a_whole_workbook_and_files_with_the_full_schema() {
    let (work, database) = (Workplace::new(), Database::demo(database::Kind::Sqlite, &MEDIUM));
    let ended = work.succeed(&database, &["--period", "2024-06"]);
    assert!(ended.last_line().starts_with("0 rows in "), "{}", ended.stdout);
    assert!(ended.warnings().iter().any(|warning| warning.contains("no ticket was issued from 2024-06-01")));
    let manifest = work.store().manifest();
    let mut workbook = sheet::open(&work.store().workbook(&manifest));
    let (header, rows) = sheet::rows(&mut workbook, "TicketingReport");
    assert_eq!(header, on_sheet());
    assert!(rows.is_empty());
    for table in pipeline::columns::TABLES {
        let file = work.store().table(&manifest, table.name);
        assert_eq!(file.columns, table.columns.iter().map(|column| column.name).collect::<Vec<_>>());
        assert!(file.rows.is_empty());
    }
    work.store().assert_settled();
    tests::tools::validate_open_xml(&work.store().workbook(&manifest));
}

#[test]
fn amounts_are_exact_to_the_cent_up_to_the_largest() {
    let (work, database) = (Workplace::new(), Database::demo(database::Kind::Postgres, &MEDIUM));
    let amounts = ["9999999999.99", "-9999999999.99", "0.01", "-0.01", "0.00", "0.10", "1234567.89", "70.07"];
    let tickets =
        "SELECT ticket_ref FROM tickets WHERE issued_at >= '2025-01-01Z' AND issued_at < '2025-02-01Z' ORDER BY 1";
    let references = database.postgres().client().query(tickets, &[]).unwrap();
    for (amount, row) in amounts.iter().zip(&references) {
        let reference: String = row.get(0);
        database.execute(&format!("UPDATE tickets SET price = {amount} WHERE ticket_ref = '{reference}'"));
    }
    work.succeed(&database, &["--period", "2025-01"]);
    let manifest = work.store().manifest();
    let snapshot = work.store().table(&manifest, "tickets");
    let mut workbook = sheet::open(&work.store().workbook(&manifest));
    let (_, rows) = sheet::rows(&mut workbook, "TicketingReport");
    for (amount, row) in amounts.iter().zip(&references) {
        let reference: String = row.get(0);
        let at = snapshot.column("ticket_ref").position(|cell| cell.text() == reference).unwrap();
        let cents: i128 = amount.replace('.', "").parse().unwrap();
        assert_eq!(snapshot.rows[at][snapshot.position("ticket_price")], Cell::Money(cents));
        assert_eq!(rows[at][2], Data::Float(amount.parse().unwrap()), "{amount}");
    }
}

#[test]
fn kinds_of_columns_stay_what_they_are_on_every_row() {
    let work = Workplace::new();
    let (manifest, _) = report_of_march(&work, &[]);
    let mut workbook = sheet::open(&work.store().workbook(&manifest));
    let (_, rows) = sheet::rows(&mut workbook, "TicketingReport");
    for (i, (_, column, _)) in TICKETS.sheet_columns().enumerate() {
        let filled: Vec<&Data> = rows.iter().map(|row| &row[i]).filter(|cell| **cell != Data::Empty).collect();
        let as_declared = |cell: &Data| match column.kind {
            Kind::Text | Kind::Key => matches!(cell, Data::String(_)),
            Kind::Integer | Kind::Money => matches!(cell, Data::Float(_)),
            Kind::Date | Kind::Time | Kind::Instant => matches!(cell, Data::DateTime(moment) if moment.is_datetime()),
        };
        assert!(!filled.is_empty() && filled.into_iter().all(as_declared), "{}", column.name);
    }
}
