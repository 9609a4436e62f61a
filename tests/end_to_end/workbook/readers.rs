//! The workbook in the hands of the programs that people have.

use std::{fs, path::Path};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use tests::{
    cells::{Cell, TableRows},
    sheet,
    tools::{convert_in_libreoffice, python, validate_open_xml},
    workplace::Workplace,
};

use super::{on_sheet, report_of_march};

/// What a script should find in a cell.
fn as_json(cell: &Cell, zone: &TimeZone) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Text(text) => json!({ "text": sheet::fitting(text) }),
        Cell::Integer(number) => json!({ "number": number.to_string() }),
        Cell::Money(cents) => {
            json!({ "number": format!("{}{}.{:02}", if *cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100) })
        }
        Cell::Date(day) => json!({ "date": day.to_string() }),
        Cell::Time(time) => json!({ "time": time.to_string() }),
        Cell::Instant(micros) => {
            let local = zone.to_datetime(Timestamp::from_microsecond(*micros).unwrap());
            json!({ "instant": local.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string() })
        }
    }
}

/// Writes what should be on the sheet beside the workbook.
fn write_expected(path: &Path, tickets: &TableRows) {
    let (columns, rome) = (on_sheet(), TimeZone::get("Europe/Rome").unwrap());
    let row = |row: &Vec<Cell>| -> Value { row[..columns.len()].iter().map(|cell| as_json(cell, &rome)).collect() };
    let rows: Vec<Value> = tickets.rows.iter().map(row).collect();
    fs::write(path, json!({ "columns": columns, "rows": rows }).to_string()).unwrap();
}

#[test]
fn openpyxl_and_pandas_read_what_the_snapshot_holds() {
    let work = Workplace::new();
    let (manifest, tickets) = report_of_march(&work, &[]);
    let expected = work.file("expected.json");
    write_expected(&expected, &tickets);
    let said = python("read_back.py", &[&work.store().workbook(&manifest), &expected]);
    assert_eq!(said.trim(), format!("{} rows as expected", tickets.rows.len()));
}

#[test]
fn the_open_xml_sdk_finds_nothing_wrong() {
    for compression in ["fast", "small"] {
        let work = Workplace::new();
        let (manifest, _) = report_of_march(&work, &["--compression", compression]);
        validate_open_xml(&work.store().workbook(&manifest));
    }
}

#[test]
fn libreoffice_opens_it_and_shows_every_row() {
    let work = Workplace::new();
    let (manifest, tickets) = report_of_march(&work, &[]);
    // Semicolons between quoted texts, in UTF-8, cells as they are shown.
    let format = "csv:Text - txt - csv (StarCalc):59,34,76,1,,0,false,true,true,false,false,0";
    let csv = convert_in_libreoffice(&work.store().workbook(&manifest), format, work.path());
    let rows = parse_csv(&fs::read_to_string(csv).unwrap());
    assert_eq!(rows[0], on_sheet());
    assert_eq!(rows.len(), tickets.rows.len() + 1);
    let columns = ["ticket_ref", "service_date", "ticket_status", "ticket_currency", "train_registration"];
    for (shown, expected) in rows[1..].iter().zip(&tickets.rows) {
        for column in columns {
            let at = tickets.position(column);
            let expected = match &expected[at] {
                Cell::Date(day) => day.to_string(),
                other => other.text().to_owned(),
            };
            assert_eq!(shown[at], expected, "{column} of {}", shown[0]);
        }
        let price = &expected[tickets.position("ticket_price")];
        let cents: i128 = shown[tickets.position("ticket_price")].replace([',', '.'], "").parse().unwrap();
        assert_eq!(Cell::Money(cents), *price);
    }
}

/// The fields of a CSV file with semicolons, in which quotes may stand around anything.
fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let field = rows.last_mut().unwrap().last_mut().unwrap();
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ';' if !quoted => rows.last_mut().unwrap().push(String::new()),
            '\n' if !quoted => rows.push(vec![String::new()]),
            other => field.push(other),
        }
    }
    rows.pop_if(|row| row.len() == 1);
    rows
}
