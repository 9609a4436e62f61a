//! The row writer: Arrow batches to the XML of a sheet's rows.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray},
    buffer::NullBuffer,
    datatypes::{Date32Type, Decimal128Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use jiff::Timestamp;

use super::{
    CHUNK_ROWS, Layout,
    deflate::Deflated,
    tape::{BLOCK, NOWHERE, Tape},
    values::{
        DAY_MICROS, Form, LONGEST_TEXT, column_letters, escape, fitting, form, fraction, integer, iso_date, iso_time,
        money, serial,
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

/// A column of the sheet.
struct Cells {
    name: &'static str,
    kind: Kind,
    /// In the table.
    position: usize,
    /// `<c r="AB`
    open: String,
    /// What follows the row's number, up to the value.
    value: String,
    /// Columns with the same number here have the same `value`.
    class: usize,
    /// What follows the value, and its length.
    close: ([u8; BLOCK], usize),
    /// What follows the row's number where the value is text in a column of another kind, up to the tag's end.
    text: String,
}

/// Where the parts of a column's last cell stand in the chunk.
#[derive(Clone, Copy)]
struct Last {
    open: usize,
    /// What follows the row's number.
    before: usize,
    value: usize,
    length: usize,
    /// The number that the value shows; 0 for a text that is written as it is; `None` for one that isn't.
    raw: Option<i128>,
    close: usize,
}

/// No cell yet.
const NONE: Last = Last { open: NOWHERE, before: NOWHERE, value: NOWHERE, length: 0, raw: None, close: NOWHERE };

/// What the cells of a chunk are written with.
struct Chunk<'a> {
    tape: Tape,
    columns: &'a [Cells],
    /// Each column's last cell.
    last: Vec<Last>,
    /// Each column's text up to the value, with the row's number in it, and its length.
    blocks: Vec<([u8; BLOCK], usize)>,
    /// The number of the row, as text.
    number: Vec<u8>,
    /// Where the row's number stood last in this row: before each class of `Cells::value`, and at all.
    numbers: Vec<usize>,
    last_number: usize,
    /// Where the row before begins, where its number is followed by the tag's end, and where it ends.
    row: [usize; 3],
    /// A value on its way to the tape.
    scratch: Vec<u8>,
    cut: Cut,
}

/// A column of a batch, its type told once.
enum Values<'a> {
    Texts(&'a StringArray),
    Amounts(&'a [i128]),
    Longs(&'a [i64]),
    Days(&'a [i32]),
}

impl<'a> Values<'a> {
    fn new(kind: Kind, array: &'a ArrayRef) -> (Self, Option<&'a NullBuffer>) {
        let values = match kind {
            Kind::Text | Kind::Key => Self::Texts(array.as_string()),
            Kind::Integer => Self::Longs(array.as_primitive::<Int64Type>().values()),
            Kind::Money => Self::Amounts(array.as_primitive::<Decimal128Type>().values()),
            Kind::Date => Self::Days(array.as_primitive::<Date32Type>().values()),
            Kind::Time => Self::Longs(array.as_primitive::<Time64MicrosecondType>().values()),
            Kind::Instant => Self::Longs(array.as_primitive::<TimestampMicrosecondType>().values()),
        };
        (values, array.nulls())
    }
}

/// How rows are written: the columns with their styles, and the zone of instants.
pub(super) struct RowFormat {
    columns: Vec<Cells>,
    classes: usize,
    offsets: Offsets,
    compression: Compression,
    /// What chunks were written on, for the next ones.
    tapes: Mutex<Vec<Tape>>,
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
                    close: block(&[if is_text { TEXT_END } else { b"</v></c>" }]),
                    text,
                }
            })
            .collect();
        let offsets = Offsets::new(&layout.zone, layout.bounds);
        let tapes = Mutex::new(Vec::new());
        Self { columns, classes: classes.len(), offsets, compression: layout.compression, tapes }
    }

    /// The deflated XML of the batches' rows; `first` is the first one's number on the sheet.
    pub(super) fn rows(&self, batches: &[RecordBatch], first: u64) -> (Deflated, Cut) {
        let spare = self.tapes.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut chunk = Chunk {
            tape: spare.unwrap_or_else(|| Tape::new(TYPICAL_CHUNK, self.compression)),
            columns: &self.columns,
            last: vec![NONE; self.columns.len()],
            blocks: Vec::new(),
            number: Vec::new(),
            numbers: vec![NOWHERE; self.classes],
            last_number: NOWHERE,
            row: [NOWHERE; 3],
            scratch: Vec::new(),
            cut: Cut::default(),
        };
        let mut number = first;
        for batch in batches {
            let arrays: Vec<_> =
                self.columns.iter().map(|column| Values::new(column.kind, batch.column(column.position))).collect();
            for row in 0..batch.num_rows() {
                chunk.open_row(number);
                for (i, (values, nulls)) in arrays.iter().enumerate() {
                    if nulls.is_none_or(|nulls| nulls.is_valid(row)) && self.cell(&mut chunk, i, values, row) {
                        chunk.cut.cells += 1;
                        let ticket =
                            || (batch.column(0).as_string::<i32>().value(row).to_owned(), self.columns[i].name);
                        chunk.cut.first.get_or_insert_with(ticket);
                    }
                }
                chunk.close_row();
                number += 1;
            }
        }
        let Chunk { mut tape, cut, .. } = chunk;
        let deflated = tape.finish();
        // One that has grown for texts out of the ordinary isn't kept.
        if tape.room() <= TYPICAL_CHUNK * 3 {
            tape.clear(self.compression);
            self.tapes.lock().unwrap_or_else(PoisonError::into_inner).push(tape);
        }
        (deflated, cut)
    }

    /// Writes one cell; says whether its text had to be cut.
    fn cell(&self, chunk: &mut Chunk, i: usize, values: &Values, row: usize) -> bool {
        let raw = match values {
            Values::Texts(array) => return chunk.texts(i, array.value(row)),
            Values::Amounts(amounts) => amounts[row],
            Values::Longs(numbers) => numbers[row].into(),
            Values::Days(days) => days[row].into(),
        };
        if chunk.last[i].raw == Some(raw) {
            chunk.same(i);
            return false;
        }
        let mut value = std::mem::take(&mut chunk.scratch);
        value.clear();
        // Only money is wider, and that is no more than twelve digits.
        let number = i64::try_from(raw).unwrap_or(i64::MAX);
        let as_text = match self.columns[i].kind {
            Kind::Text | Kind::Key | Kind::Integer => {
                integer(&mut value, number);
                None
            }
            Kind::Money => {
                money(&mut value, raw);
                None
            }
            Kind::Date => match serial(number) {
                Some(serial) => {
                    integer(&mut value, serial);
                    None
                }
                None => Some(iso_date(number)),
            },
            Kind::Time => {
                fraction::<15>(&mut value, 0, number);
                None
            }
            Kind::Instant => {
                let local = self.offsets.local(number);
                let (days, millis) = (local.div_euclid(DAY_MICROS), local.rem_euclid(DAY_MICROS) / 1000);
                match serial(days) {
                    Some(serial) => {
                        fraction::<12>(&mut value, serial, millis);
                        None
                    }
                    None => Some(format!("{} {}", iso_date(days), iso_time(millis))),
                }
            }
        };
        match as_text {
            Some(text) => chunk.unusual(i, ">", text.as_bytes()),
            None => chunk.plain(i, &value, raw),
        }
        chunk.scratch = value;
        false
    }
}

/// Bytes of a chunk's XML, which are seldom more: a row of the demo has 1,480.
const TYPICAL_CHUNK: usize = CHUNK_ROWS * 1600;

const TEXT_END: &[u8] = b"</t></is></c>";

const ROW_OPEN: &[u8] = b"<row r=\"";

/// The parts in a block, and their length.
fn block(parts: &[&[u8]]) -> ([u8; BLOCK], usize) {
    let whole = parts.concat();
    let mut block = [0; BLOCK];
    // What stands before and after a value has some fifty bytes at most.
    block[..whole.len()].copy_from_slice(&whole);
    (block, whole.len())
}

impl Chunk<'_> {
    fn open_row(&mut self, number: u64) {
        let mut digits = std::mem::take(&mut self.scratch);
        digits.clear();
        integer(&mut digits, i64::try_from(number).unwrap_or(i64::MAX));
        // Mostly only the last digit is another one.
        let same = if digits.len() == self.number.len() {
            let same = self.number.iter().zip(&digits).take_while(|(before, now)| before == now).count();
            for (column, (block, _)) in self.columns.iter().zip(&mut self.blocks) {
                for (place, digit) in digits.iter().enumerate().skip(same) {
                    block[column.open.len() + place] = *digit;
                }
            }
            same
        } else {
            let parts = |column: &Cells| block(&[column.open.as_bytes(), &digits, column.value.as_bytes()]);
            self.blocks = self.columns.iter().map(parts).collect();
            0
        };
        self.scratch = std::mem::replace(&mut self.number, digits);

        let here = self.tape.end();
        self.tape.append(ROW_OPEN);
        self.tape.append(&self.number);
        self.tape.append(b"\">");
        self.tape.again(ROW_OPEN.len() + same, self.row[0]);
        self.tape.literal(self.number.len() - same);
        self.tape.again(2, self.row[1]);
        self.last_number = here + ROW_OPEN.len();
        self.row = [here, self.last_number + self.number.len(), self.row[2]];
        self.numbers.fill(NOWHERE);
    }

    fn close_row(&mut self) {
        let here = self.tape.end();
        self.tape.append(b"</row>");
        self.tape.again(6, self.row[2]);
        self.row[2] = here;
    }

    /// A cell of text; says whether it had to be cut.
    fn texts(&mut self, i: usize, whole: &str) -> bool {
        let text = fitting(whole);
        let last = &self.last[i];
        if last.raw.is_some() && self.tape.text_at(last.value, last.length) == text.as_bytes() {
            self.same(i);
            return text.len() < whole.len();
        }
        let form = form(text);
        if form == Form::Plain {
            self.plain(i, text.as_bytes(), 0);
        } else {
            let mut value = std::mem::take(&mut self.scratch);
            value.clear();
            escape(&mut value, text);
            if form == Form::Spaced {
                self.unusual(i, " xml:space=\"preserve\">", &value);
            } else {
                self.plain(i, &value, 0);
                self.last[i].raw = None;
            }
            self.scratch = value;
        }
        text.len() < whole.len()
    }

    /// What stands before the value of a cell of its column's usual form.
    #[inline]
    fn open(&mut self, i: usize) {
        let (column, last) = (&self.columns[i], &mut self.last[i]);
        let (block, length) = &self.blocks[i];
        let here = self.tape.end();
        self.tape.block(block, *length);
        self.tape.again(column.open.len(), last.open);
        let number = here + column.open.len();
        let same = std::mem::replace(&mut self.numbers[column.class], number);
        if same == NOWHERE {
            self.tape.again(self.number.len(), self.last_number);
            self.tape.again(column.value.len(), last.before);
        } else {
            self.tape.again(self.number.len() + column.value.len(), same);
        }
        self.last_number = number;
        last.open = here;
        last.before = number + self.number.len();
    }

    #[inline]
    fn close(&mut self, i: usize) {
        let here = self.tape.end();
        let (block, length) = &self.columns[i].close;
        self.tape.block(block, *length);
        let before = std::mem::replace(&mut self.last[i].close, here);
        self.tape.again(*length, before);
    }

    /// A cell with the same value as the column's last.
    fn same(&mut self, i: usize) {
        self.open(i);
        let last = &mut self.last[i];
        let before = std::mem::replace(&mut last.value, self.tape.end());
        self.tape.append_from(before, last.length);
        self.tape.again(last.length, before);
        self.close(i);
    }

    /// A cell of its column's usual form with another value than the last.
    fn plain(&mut self, i: usize, value: &[u8], raw: i128) {
        self.open(i);
        let last = &mut self.last[i];
        let before = std::mem::replace(&mut last.value, self.tape.end());
        (last.length, last.raw) = (value.len(), Some(raw));
        self.tape.append(value);
        self.tape.value(value.len(), before);
        self.close(i);
    }

    /// A cell of text that its column doesn't usually hold: the rest of the text's tag, and the text.
    fn unusual(&mut self, i: usize, tag: &str, value: &[u8]) {
        let (column, last) = (&self.columns[i], &mut self.last[i]);
        let here = self.tape.end();
        for part in [column.open.as_bytes(), &self.number, column.text.as_bytes(), tag.as_bytes(), value, TEXT_END] {
            self.tape.append(part);
        }
        self.tape.again(column.open.len(), last.open);
        self.tape.literal(self.tape.end() - here - column.open.len());
        last.open = here;
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
