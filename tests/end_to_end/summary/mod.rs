//! What the summary sheets say: of a month small enough to check by hand, of any month, and before publishing.

mod any_month;
mod by_hand;
mod gate;
mod looks;

use calamine::{Data, Reader};
use pipeline::manifest::Manifest;
use tests::{sheet, workplace::Workplace};

/// A sheet's rows without what is empty at their ends.
fn rows_of(work: &Workplace, manifest: &Manifest, name: &str) -> Vec<Vec<Data>> {
    let mut workbook = sheet::open(&work.store().workbook(manifest));
    let range = workbook.worksheet_range(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    range.rows().map(<[Data]>::to_vec).collect()
}

/// The first row after `section` that begins with a text.
fn row_after<'a>(rows: &'a [Vec<Data>], section: &str, label: &str) -> &'a [Data] {
    let begins = |row: &&Vec<Data>, text: &str| matches!(row.first(), Some(Data::String(first)) if first == text);
    let mut after = rows.iter().skip_while(|row| !begins(row, section));
    after.find(|row| begins(row, label)).unwrap_or_else(|| panic!("no {label} after {section} in {rows:#?}"))
}

/// The cents of a cell.
fn cents(cell: &Data) -> i128 {
    match cell {
        Data::Float(amount) => (amount * 100.0).round() as i128,
        Data::Int(amount) => i128::from(*amount) * 100,
        other => panic!("{other:?} is no amount"),
    }
}
