//! More rows than a sheet can hold.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Seek, SeekFrom, Write},
};

use calamine::{DataRef, Reader, Xlsx};
use pipeline::{
    columns::TICKETS,
    workbook::{self, Layout, SHEET_ROWS},
};
use tests::{
    cells::{Cell, batch},
    tools::python,
};

use crate::constructed;

#[test]
fn rows_beyond_a_sheets_last_continue_on_the_next_one() {
    const MORE: u64 = 1500;
    let rows = SHEET_ROWS + MORE;
    // Nothing but the numbered references: the sheet's limit is a matter of rows.
    let rows_of = |from: u64, to: u64| -> Vec<Vec<Cell>> {
        let row = |number: u64| {
            let mut row = vec![Cell::Null; TICKETS.columns.len()];
            row[0] = Cell::Text(number.to_string());
            row
        };
        (from..to).map(row).collect()
    };
    let batches = (0..rows.div_ceil(5000)).map(|i| batch(&TICKETS, &rows_of(i * 5000, rows.min((i + 1) * 5000))));

    let manifest = constructed::manifest(rows);
    let mut file = tempfile::tempfile().unwrap();
    let mut output = BufWriter::new(&mut file);
    workbook::write(&mut output, &Layout::of(&manifest).unwrap(), 2, batches, |_| Some(manifest.into())).unwrap();
    output.flush().unwrap();
    drop(output);

    file.seek(SeekFrom::Start(0)).unwrap();
    let mut workbook = Xlsx::new(BufReader::new(file)).unwrap();
    let tickets = ["TicketingReport", "TicketingReport (2)"];
    assert_eq!(workbook.sheet_names(), [&tickets[..], &workbook::SUMMARY_SHEETS, &["Run info"]].concat());
    let mut next = 0;
    for (sheet, expected) in [("TicketingReport", SHEET_ROWS), ("TicketingReport (2)", MORE)] {
        let mut cells = workbook.worksheet_cells_reader(sheet).unwrap();
        assert_eq!(u64::from(cells.dimensions().end.0), expected, "the last row of {sheet}");
        let mut header = Vec::new();
        let mut last = 0;
        while let Some(cell) = cells.next_cell().unwrap() {
            let (row, column) = cell.get_position();
            let text = match cell.get_value() {
                DataRef::String(text) => text.as_str(),
                DataRef::SharedString(text) => text,
                other => panic!("{other:?} at {row}, {column}"),
            };
            if row == 0 {
                header.push(text.to_owned());
                continue;
            }
            assert_eq!((column, text), (0, next.to_string().as_str()));
            next += 1;
            last = row;
        }
        assert_eq!(header.len(), TICKETS.sheet_columns().count(), "{sheet} has the header too");
        assert_eq!(u64::from(last), expected);
    }
    assert_eq!(next, rows);
}

#[test]
fn a_sheet_of_more_than_four_gib_is_whole() {
    const BATCH: u64 = 512;
    const BATCHES: u64 = 130;
    // Two of the longest texts in each row: the limit is a matter of bytes.
    let mut row = vec![Cell::Null; TICKETS.columns.len()];
    for column in ["passenger_first_name", "passenger_last_name"] {
        row[TICKETS.position(column).unwrap()] = Cell::Text("n".repeat(32_767));
    }
    let rows = batch(&TICKETS, &vec![row; usize::try_from(BATCH).unwrap()]);

    let manifest = constructed::manifest(BATCH * BATCHES);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.xlsx");
    let output = BufWriter::new(File::create(&path).unwrap());
    let batches = (0..BATCHES).map(|_| rows.clone());
    workbook::write(output, &Layout::of(&manifest).unwrap(), 2, batches, |_| Some(manifest.into())).unwrap();

    let said = python("whole_parts.py", &[&path]);
    let sheet = said.lines().find_map(|line| line.strip_prefix("xl/worksheets/sheet1.xml ")).unwrap();
    assert!(sheet.parse::<u64>().unwrap() > u64::from(u32::MAX), "{sheet} bytes");
}
