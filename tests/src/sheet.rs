//! A workbook read back by calamine, and what its cells should be.

use std::{
    fs::File,
    io::{BufReader, Cursor, Read, Seek},
    path::Path,
};

use calamine::{Data, Reader, Xlsx};
use jiff::{
    Timestamp,
    civil::{DateTime, date},
    tz::TimeZone,
};

use crate::cells::{Cell, micros_of};

/// The longest text that a cell of Excel takes, in UTF-16 units.
pub const LONGEST_TEXT: usize = 32_767;

const DAY_MILLIS: f64 = 86_400_000.0;

/// Opens a workbook's file.
///
/// # Panics
/// When it can't be opened.
#[must_use]
pub fn open(path: &Path) -> Xlsx<BufReader<File>> {
    calamine::open_workbook(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Opens a workbook in memory.
///
/// # Panics
/// When it can't be opened.
#[must_use]
pub fn open_bytes(bytes: &[u8]) -> Xlsx<Cursor<&[u8]>> {
    Xlsx::new(Cursor::new(bytes)).unwrap()
}

/// The header and the rows of a sheet, each row as wide as the header.
///
/// # Panics
/// When there is no such sheet.
#[must_use]
pub fn rows<R: Read + Seek>(workbook: &mut Xlsx<R>, sheet: &str) -> (Vec<String>, Vec<Vec<Data>>) {
    let range = workbook.worksheet_range(sheet).unwrap_or_else(|e| panic!("{sheet}: {e}"));
    let mut rows = range.rows();
    let header: Vec<String> = rows.next().unwrap().iter().map(ToString::to_string).collect();
    let rows = rows.map(|row| {
        let mut row = row.to_vec();
        row.resize(header.len(), Data::Empty);
        row
    });
    let rows = rows.collect();
    (header, rows)
}

/// Whether a cell of the sheet shows a cell of the snapshot, on the clock of a zone.
#[must_use]
pub fn shows(found: &Data, expected: &Cell, zone: &TimeZone) -> bool {
    match (found, expected) {
        (Data::Empty, Cell::Null) => true,
        (Data::String(found), Cell::Text(expected)) => found == fitting(expected),
        (Data::Float(found), Cell::Integer(expected)) => exactly(*found, *expected),
        (Data::Float(found), Cell::Money(cents)) => {
            format!("{found:.2}") == format!("{:.2}", decimal(*cents))
                && (found * 100.0 - decimal(cents * 100)).abs() < 0.001
        }
        (Data::DateTime(found), Cell::Date(day)) => {
            found.is_datetime() && exactly(found.as_f64(), serial_millis(day.at(0, 0, 0, 0)) / 86_400_000)
        }
        (Data::DateTime(found), Cell::Time(time)) => {
            let micros = found.as_f64() * DAY_MILLIS * 1000.0;
            found.is_datetime() && exactly(micros.round(), micros_of(*time))
        }
        (Data::DateTime(found), Cell::Instant(micros)) => {
            let local = zone.to_datetime(Timestamp::from_microsecond(*micros).unwrap());
            let millis = (found.as_f64() * DAY_MILLIS).round();
            found.is_datetime() && exactly(millis, serial_millis(local))
        }
        _ => false,
    }
}

fn exactly(found: f64, expected: i64) -> bool {
    found == expected as f64
}

fn decimal(cents: i128) -> f64 {
    cents as f64 / 100.0
}

/// Whole milliseconds since Excel's day 0.
fn serial_millis(civil: DateTime) -> i64 {
    let since = civil.duration_since(date(1899, 12, 30).at(0, 0, 0, 0));
    i64::try_from(since.as_micros().div_euclid(1000)).unwrap()
}

/// What a cell can hold of a text.
#[must_use]
pub fn fitting(text: &str) -> &str {
    let mut units = 0;
    let end = text.char_indices().find(|(_, character)| {
        units += character.len_utf16();
        units > LONGEST_TEXT
    });
    end.map_or(text, |(at, _)| &text[..at])
}
