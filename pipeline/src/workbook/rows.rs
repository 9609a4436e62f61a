//! The row writer: Arrow batches to the XML of a sheet's rows.

use std::{fmt::Write as _, sync::Arc};

use arrow::{
    array::{Array, AsArray},
    datatypes::{Date32Type, Decimal128Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use jiff::Timestamp;

use super::{
    Layout,
    deflate::{self, Deflated},
    tape::Tape,
    values::{
        DAY_MICROS, DAY_MILLIS, LONGEST_TEXT, column_letters, escape, fitting, fraction, integer, iso_date, iso_time,
        keeps_spaces, money, needs_escape, serial,
    },
};
use crate::{
    columns::{Kind, TICKETS},
    manifest::Compression,
    period::ReportTimeZone,
};

/// Texts that were too long for a cell.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    cells: u64,
    first: Option<(String, &'static str)>,
}

impl Cut {
    pub(super) fn add(&mut self, later: Self) {
        self.cells += later.cells;
        self.first = self.first.take().or(later.first);
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let Some((ticket, column)) = &self.first else { return Vec::new() };
        vec![format!(
            "texts longer than Excel's {LONGEST_TEXT} characters were cut on the sheet, {} in all, the first in {column} \
             of ticket {ticket}; the Parquet file has them whole",
            self.cells
        )]
    }
}

struct Cells {
    name: &'static str,
    kind: Kind,
    position: usize,
    /// `<c r="AB`
    open: String,
    /// What follows the row's number, up to the value.
    value: String,
    /// Columns with the same number here have the same `value`.
    class: usize,
    /// What follows the value.
    close: &'static str,
    /// What follows the row's number where the value is text in a column of another kind, up to the tag's end.
    text: String,
}

/// Where the parts of a column's last cell stand in the chunk.
#[derive(Clone, Copy)]
struct Places {
    open: usize,
    before_value: usize,
    value: usize,
    close: usize,
}

/// No place: nothing can stand there.
const NOWHERE: usize = usize::MAX;

/// What the cells of a chunk are written with.
struct Chunk {
    tape: Tape,
    places: Vec<Places>,
    /// The number of the row, as text.
    number: String,
    /// Where the row's number stood last in this row, before each class of `Cells::value`, and at all.
    numbers: Vec<usize>,
    last_number: usize,
    /// A value on its way to the tape.
    scratch: Vec<u8>,
    cut: Cut,
}

/// How rows are written: the columns with their styles, and the zone of instants.
pub(super) struct RowFormat {
    columns: Vec<Cells>,
    classes: usize,
    offsets: Offsets,
    compression: Compression,
}

impl RowFormat {
    /// `styles` are the ids of the cell formats of the sheet's columns.
    pub(super) fn new(styles: &[u32], layout: &Layout) -> Self {
        let mut classes: Vec<String> = Vec::new();
        let columns = TICKETS
            .sheet_columns()
            .zip(styles)
            .enumerate()
            .map(|(i, ((position, column, _), style))| {
                let style = if *style == 0 { String::new() } else { format!(" s=\"{style}\"") };
                let text = format!("\"{style} t=\"inlineStr\"><is><t");
                let is_text = matches!(column.kind, Kind::Text | Kind::Key);
                let value = if is_text { format!("{text}>") } else { format!("\"{style}><v>") };
                let class = classes.iter().position(|known| *known == value).unwrap_or(classes.len());
                if class == classes.len() {
                    classes.push(value.clone());
                }
                Cells {
                    name: column.name,
                    kind: column.kind,
                    position,
                    open: format!("<c r=\"{}", column_letters(i)),
                    value,
                    class,
                    close: if is_text { TEXT_END } else { "</v></c>" },
                    text,
                }
            })
            .collect();
        let offsets = Offsets::new(&layout.zone, layout.bounds);
        Self { columns, classes: classes.len(), offsets, compression: layout.compression }
    }

    /// The deflated XML of the batches' rows; `first` is the first one's number on the sheet.
    pub(super) fn rows(&self, batches: &[RecordBatch], first: u64) -> (Deflated, Cut) {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let nowhere = Places { open: NOWHERE, before_value: NOWHERE, value: NOWHERE, close: NOWHERE };
        let mut chunk = Chunk {
            tape: Tape::new(rows * 1600),
            places: vec![nowhere; self.columns.len()],
            number: String::new(),
            numbers: vec![NOWHERE; self.classes],
            last_number: NOWHERE,
            scratch: Vec::new(),
            cut: Cut::default(),
        };
        let (mut row_open, mut row_close) = (NOWHERE, NOWHERE);
        let mut number = first;
        for batch in batches {
            let arrays: Vec<&dyn Array> =
                self.columns.iter().map(|column| batch.column(column.position).as_ref()).collect();
            for row in 0..batch.num_rows() {
                chunk.number.clear();
                let _ = write!(chunk.number, "{number}");
                chunk.numbers.fill(NOWHERE);
                let here = chunk.tape.position();
                chunk.tape.again(b"<row r=\"", row_open);
                chunk.last_number = chunk.tape.position();
                chunk.tape.literal(chunk.number.as_bytes());
                let after = chunk.tape.position();
                chunk.tape.again(b"\">", row_close);
                (row_open, row_close) = (here, after);
                for (i, array) in arrays.iter().enumerate() {
                    if array.is_valid(row) && self.cell(&mut chunk, i, *array, row) {
                        chunk.cut.cells += 1;
                        let ticket = || (arrays[0].as_string::<i32>().value(row).to_owned(), self.columns[i].name);
                        chunk.cut.first.get_or_insert_with(ticket);
                    }
                }
                chunk.tape.literal(b"</row>");
                number += 1;
            }
        }
        let deflated = match self.compression {
            Compression::Fast => chunk.tape.finish(),
            Compression::Small => deflate::by_zlib(&chunk.tape.into_text()),
        };
        (deflated, chunk.cut)
    }

    /// Writes one cell; says whether its text had to be cut.
    fn cell(&self, chunk: &mut Chunk, i: usize, array: &dyn Array, row: usize) -> bool {
        let column = &self.columns[i];
        let mut value = std::mem::take(&mut chunk.scratch);
        value.clear();
        let mut was_cut = false;
        match column.kind {
            Kind::Text | Kind::Key => {
                let whole = array.as_string::<i32>().value(row);
                let text = fitting(whole);
                was_cut = text.len() < whole.len();
                if keeps_spaces(text) {
                    escape(&mut value, text);
                    chunk.text(column, i, " xml:space=\"preserve\">", &value);
                } else if needs_escape(text) {
                    escape(&mut value, text);
                    chunk.plain(column, i, &value);
                } else {
                    chunk.plain(column, i, text.as_bytes());
                }
            }
            Kind::Integer => {
                integer(&mut value, array.as_primitive::<Int64Type>().value(row));
                chunk.plain(column, i, &value);
            }
            Kind::Money => {
                money(&mut value, array.as_primitive::<Decimal128Type>().value(row));
                chunk.plain(column, i, &value);
            }
            Kind::Date => {
                let days = i64::from(array.as_primitive::<Date32Type>().value(row));
                if let Some(serial) = serial(days) {
                    integer(&mut value, serial);
                    chunk.plain(column, i, &value);
                } else {
                    chunk.text(column, i, ">", iso_date(days).as_bytes());
                }
            }
            Kind::Time => {
                let micros = array.as_primitive::<Time64MicrosecondType>().value(row);
                fraction::<15>(&mut value, 0, micros, DAY_MICROS);
                chunk.plain(column, i, &value);
            }
            Kind::Instant => {
                let local = self.offsets.local(array.as_primitive::<TimestampMicrosecondType>().value(row));
                let (days, millis) = (local.div_euclid(DAY_MICROS), local.rem_euclid(DAY_MICROS) / 1000);
                if let Some(serial) = serial(days) {
                    fraction::<12>(&mut value, serial, millis, DAY_MILLIS);
                    chunk.plain(column, i, &value);
                } else {
                    chunk.text(column, i, ">", format!("{} {}", iso_date(days), iso_time(millis)).as_bytes());
                }
            }
        }
        chunk.scratch = value;
        was_cut
    }
}

const TEXT_END: &str = "</t></is></c>";

impl Chunk {
    /// A cell of its column's usual form.
    fn plain(&mut self, column: &Cells, i: usize, value: &[u8]) {
        let last = self.places[i];
        let here = &mut self.places[i];
        here.open = self.tape.position();
        self.tape.again(column.open.as_bytes(), last.open);
        let number = self.tape.position();
        let same = std::mem::replace(&mut self.numbers[column.class], number);
        if same == NOWHERE {
            self.tape.again(self.number.as_bytes(), self.last_number);
            here.before_value = self.tape.position();
            self.tape.again(column.value.as_bytes(), last.before_value);
        } else {
            self.tape.again(self.number.as_bytes(), same);
            here.before_value = self.tape.position();
            self.tape.again(column.value.as_bytes(), same + self.number.len());
        }
        self.last_number = number;
        here.value = self.tape.position();
        self.tape.value(value, last.value);
        here.close = self.tape.position();
        self.tape.again(column.close.as_bytes(), last.close);
    }

    /// A cell of text that its column doesn't usually hold: the rest of the text's tag, and the text.
    fn text(&mut self, column: &Cells, i: usize, tag: &str, value: &[u8]) {
        let last = self.places[i];
        self.places[i].open = self.tape.position();
        self.tape.again(column.open.as_bytes(), last.open);
        for part in [self.number.as_bytes(), column.text.as_bytes(), tag.as_bytes(), value, TEXT_END.as_bytes()] {
            self.tape.literal(part);
        }
    }
}

/// The zone's offsets within a period, which has few of them.
struct Offsets(Arc<[(i64, i64)]>);

impl Offsets {
    fn new(zone: &ReportTimeZone, (start, end): (Timestamp, Timestamp)) -> Self {
        let micros = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * 1_000_000;
        let mut offsets = vec![(i64::MIN, micros(zone.rules().to_offset(start)))];
        for transition in zone.rules().following(start).take_while(|transition| transition.timestamp() < end) {
            offsets.push((transition.timestamp().as_microsecond(), micros(transition.offset())));
        }
        Self(offsets.into())
    }

    /// Microseconds on the zone's clock since 1970 began there.
    fn local(&self, utc: i64) -> i64 {
        let after = self.0.partition_point(|(from, _)| *from <= utc);
        utc + self.0[after - 1].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_shown_on_the_zones_clock_before_and_after_it_changes() {
        let zone: ReportTimeZone = "Europe/Rome".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let offsets = Offsets::new(&zone, (at("2025-09-30T22:00:00Z"), at("2025-10-31T23:00:00Z")));
        let hours = |text: &str| (offsets.local(at(text).as_microsecond()) - at(text).as_microsecond()) / 3_600_000_000;
        assert_eq!(hours("2025-09-30T22:00:00Z"), 2);
        assert_eq!(hours("2025-10-26T00:59:59.999999Z"), 2);
        assert_eq!(hours("2025-10-26T01:00:00Z"), 1);
    }
}
