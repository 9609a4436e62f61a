//! Whether a workbook holds what it should: the header, as many rows, the first and the last of them.

use std::path::Path;

use calamine::{DataRef, Reader, Xlsx};

use benches::report_rows::{Expected, ReportRows};

/// How far a number may be off: a second of time, well under a cent.
const TOLERANCE: f64 = 1.2e-5;

/// Compares; what is wrong comes back as one line.
pub(crate) fn compare(workbook: &Path, rows: &ReportRows) -> Result<(), String> {
    let mut workbook: Xlsx<_> = calamine::open_workbook(workbook).map_err(|e| format!("it doesn't open: {e}"))?;
    let sheet = workbook.sheet_names().first().cloned().ok_or("it has no sheet")?;
    let mut cells = workbook.worksheet_cells_reader(&sheet).map_err(|e| format!("its sheet doesn't open: {e}"))?;
    let header = rows.header();
    let last_row = u32::try_from(rows.rows).map_err(|e| e.to_string())?;
    let mut header_found = vec![String::new(); header.len()];
    let mut found = [vec![Expected::Empty; header.len()], vec![Expected::Empty; header.len()]];
    let (mut row_before, mut rows_found) = (0, 0);
    while let Some(cell) = cells.next_cell().map_err(|e| format!("its sheet can't be read: {e}"))? {
        let (row, column) = cell.get_position();
        if row != row_before {
            (row_before, rows_found) = (row, rows_found + 1);
        }
        let Some(column) = usize::try_from(column).ok().filter(|&column| column < header.len()) else {
            return Err(format!("it has a cell in row {row}, column {column}"));
        };
        match row {
            0 => header_found[column] = text(cell.get_value()).unwrap_or_default(),
            1 => found[0][column] = value(cell.get_value())?,
            _ if row == last_row => found[1][column] = value(cell.get_value())?,
            _ => {}
        }
    }
    if header_found != header {
        return Err(format!("its header is `{}`", header_found.join(" ")));
    }
    if rows_found != rows.rows || row_before != last_row {
        return Err(format!("it has {rows_found} rows, the last of them in line {}", row_before + 1));
    }
    for (end, (found, expected)) in ["first", "last"].iter().zip(found.iter().zip(&rows.ends)) {
        for (name, (found, expected)) in header.iter().zip(found.iter().zip(expected)) {
            if !same(found, expected) {
                return Err(format!("{name} of its {end} row is {found:?} instead of {expected:?}"));
            }
        }
    }
    Ok(())
}

fn text(value: &DataRef<'_>) -> Option<String> {
    match value {
        DataRef::String(text) => Some(text.clone()),
        DataRef::SharedString(text) => Some((*text).to_owned()),
        _ => None,
    }
}

fn value(value: &DataRef<'_>) -> Result<Expected, String> {
    Ok(match value {
        DataRef::Empty => Expected::Empty,
        DataRef::Int(number) => Expected::Number(*number as f64),
        DataRef::Float(number) => Expected::Number(*number),
        DataRef::DateTime(at) => Expected::Number(at.as_f64()),
        other => match text(other) {
            Some(text) if text.is_empty() => Expected::Empty,
            Some(text) => Expected::Text(text),
            None => return Err(format!("it has a cell {other:?}")),
        },
    })
}

fn same(found: &Expected, expected: &Expected) -> bool {
    match (found, expected) {
        (Expected::Number(found), Expected::Number(expected)) => (found - expected).abs() < TOLERANCE,
        _ => found == expected,
    }
}
