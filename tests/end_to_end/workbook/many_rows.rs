//! More rows than a sheet can hold.

use std::io::{BufReader, BufWriter, Seek, SeekFrom, Write};

use calamine::{DataRef, Reader, Xlsx};
use pipeline::{
    columns::TICKETS,
    workbook::{self, Layout, SHEET_ROWS},
};
use tests::cells::{Cell, batch};

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
    workbook::write(&mut output, &Layout::of(&manifest).unwrap(), 2, batches, |_| Some(manifest)).unwrap();
    output.flush().unwrap();
    drop(output);

    file.seek(SeekFrom::Start(0)).unwrap();
    let mut workbook = Xlsx::new(BufReader::new(file)).unwrap();
    assert_eq!(workbook.sheet_names(), ["TicketingReport", "TicketingReport (2)", "Run info"]);
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
