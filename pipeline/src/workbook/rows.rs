//! The row writer: Arrow batches to the XML of a sheet's rows.

use std::{fmt::Write as _, sync::Arc};

use arrow::{
    array::{Array, AsArray},
    datatypes::{Date32Type, Decimal128Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use jiff::{Timestamp, civil::Date};

use super::{
    Layout,
    deflate::{self, Deflated},
    tape::Tape,
};
use crate::{
    columns::{Kind, TICKETS},
    manifest::Compression,
    period::ReportTimeZone,
};

/// The longest text that Excel takes in a cell, in UTF-16 units.
const LONGEST_TEXT: usize = 32_767;

const DAY_MICROS: i64 = 86_400_000_000;
const DAY_MILLIS: i64 = 86_400_000;

/// Days from Excel's day 0, 1899-12-30, to 1970-01-01.
const EPOCH_SERIAL: i64 = 25_569;

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

/// A day as Excel counts it, or `None` before 1900, which it doesn't know. It takes 1900 for a leap year: days before
/// its 29 February count one less.
fn serial(days: i64) -> Option<i64> {
    match days + EPOCH_SERIAL {
        serial if serial > 60 => Some(serial),
        serial if serial > 1 => Some(serial - 1),
        _ => None,
    }
}

fn iso_date(days: i64) -> String {
    let date = jiff::SignedDuration::from_hours(days * 24);
    Date::constant(1970, 1, 1).checked_add(date).map_or_else(|_| days.to_string(), |date| date.to_string())
}

fn iso_time(millis: i64) -> String {
    let seconds = millis / 1000;
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, millis % 1000)
}

fn integer(xml: &mut Vec<u8>, value: i64) {
    if value < 0 {
        xml.push(b'-');
    }
    digits(xml, value.unsigned_abs());
}

fn digits(xml: &mut Vec<u8>, mut value: u64) {
    let mut reversed = [0_u8; 20];
    let mut length = 0;
    loop {
        reversed[length] = b'0' + u8::try_from(value % 10).unwrap_or_default();
        length += 1;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    xml.extend(reversed[..length].iter().rev());
}

/// An amount of minor units as a number: `12.3` for 1230.
fn money(xml: &mut Vec<u8>, minor: i128) {
    if minor < 0 {
        xml.push(b'-');
    }
    let minor = u64::try_from(minor.unsigned_abs()).unwrap_or(u64::MAX);
    digits(xml, minor / 100);
    decimals(xml, minor % 100, 2);
}

/// A whole number and a fraction of a day, to as many decimals as a double of that size can tell apart: 12 beside a
/// day's five digits, 15 alone. Fewer would show 08:15 as 08:14.
fn fraction<const PLACES: usize>(xml: &mut Vec<u8>, whole: i64, part: i64, of: i64) {
    let scale = 10_i128.pow(u32::try_from(PLACES).unwrap_or(0));
    let scaled = (i128::from(part) * scale + i128::from(of / 2)) / i128::from(of);
    let scaled = u64::try_from(scaled.min(scale - 1)).unwrap_or_default();
    integer(xml, whole);
    decimals(xml, scaled, PLACES);
}

/// The decimals after a point, without the zeros at their end; nothing for zero.
fn decimals(xml: &mut Vec<u8>, mut value: u64, mut places: usize) {
    if value == 0 {
        return;
    }
    while value.is_multiple_of(10) {
        value /= 10;
        places -= 1;
    }
    xml.push(b'.');
    let start = xml.len();
    xml.resize(start + places, b'0');
    for place in (start..start + places).rev() {
        xml[place] = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
    }
}

/// A text, or as much of it as a cell takes.
fn fitting(text: &str) -> &str {
    let fits = text.len() <= LONGEST_TEXT || text.encode_utf16().count() <= LONGEST_TEXT;
    if fits { text } else { cut_to_fit(text) }
}

/// Whether white space in a text would be lost if readers weren't told to keep it.
fn keeps_spaces(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| matches!(b, b' ' | b'\n' | b'\t'));
    edge(text.as_bytes().first()) || edge(text.as_bytes().last()) || text.contains('\n')
}

fn cut_to_fit(text: &str) -> &str {
    let mut units = 0;
    for (at, character) in text.char_indices() {
        units += character.len_utf16();
        if units > LONGEST_TEXT {
            return &text[..at];
        }
    }
    text
}

/// Whether a text holds anything that [`escape`] may write otherwise.
fn needs_escape(text: &str) -> bool {
    text.bytes().any(|b| b < 0x20 || matches!(b, b'&' | b'<' | b'>' | b'_' | 0xef))
}

/// Escapes what XML can't hold or Excel would read otherwise: markup, control characters and U+FFFE and U+FFFF as
/// `_xHHHH_`, and an underscore that would begin such an escape.
fn escape(xml: &mut Vec<u8>, text: &str) {
    for (at, character) in text.char_indices() {
        match character {
            '&' => xml.extend_from_slice(b"&amp;"),
            '<' => xml.extend_from_slice(b"&lt;"),
            '>' => xml.extend_from_slice(b"&gt;"),
            '\t' | '\n' => xml.push(if character == '\t' { b'\t' } else { b'\n' }),
            '\0'..'\x20' | '\u{fffe}' | '\u{ffff}' => {
                xml.extend_from_slice(format!("_x{:04X}_", u32::from(character)).as_bytes());
            }
            '_' if looks_escaped(&text[at..]) => xml.extend_from_slice(b"_x005F_"),
            _ => xml.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Whether a text that begins with an underscore would be read as an escape. What ends it may also be the underscore
/// with which the escape of the character after it begins.
fn looks_escaped(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |c: char| matches!(c, '_' | '\0'..='\x08' | '\x0b'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    bytes.len() >= 7 && bytes[1] == b'x' && bytes[2..6].iter().all(u8::is_ascii_hexdigit) && text[6..].starts_with(ends)
}

fn column_letters(index: usize) -> String {
    let mut letters = String::new();
    let mut rest = index + 1;
    while rest > 0 {
        letters.insert(0, char::from(b'A' + u8::try_from((rest - 1) % 26).unwrap_or_default()));
        rest = (rest - 1) / 26;
    }
    letters
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

    fn xml(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn amounts_are_written_to_the_cent() {
        for (minor, written) in
            [(0, "0"), (5, "0.05"), (-5, "-0.05"), (1230, "12.3"), (-999_999_999_999, "-9999999999.99")]
        {
            assert_eq!(xml(|x| money(x, minor)), written);
        }
    }

    #[test]
    fn days_are_counted_as_excel_does_and_not_before_1900() {
        let days = |text: &str| {
            let date: Date = text.parse().unwrap();
            i64::from((date - Date::constant(1970, 1, 1)).get_days())
        };
        let cases = [
            ("1899-12-31", None),
            ("1900-01-01", Some(1)),
            ("1900-02-28", Some(59)),
            ("1900-03-01", Some(61)),
            ("2025-11-30", Some(45991)),
            ("9999-12-31", Some(2_958_465)),
        ];
        for (date, expected) in cases {
            assert_eq!(serial(days(date)), expected, "{date}");
            assert_eq!(iso_date(days(date)), date);
        }
    }

    #[test]
    fn the_last_millisecond_of_a_day_stays_in_it() {
        assert_eq!(xml(|x| fraction::<12>(x, 45_991, DAY_MILLIS - 1, DAY_MILLIS)), "45991.999999988426");
        assert_eq!(xml(|x| fraction::<15>(x, 0, DAY_MICROS / 2, DAY_MICROS)), "0.5");
        assert_eq!(xml(|x| fraction::<15>(x, 7, 0, DAY_MICROS)), "7");
        assert!(xml(|x| fraction::<15>(x, 0, DAY_MICROS - 1, DAY_MICROS)).starts_with("0.99999999998"));
    }

    #[test]
    fn texts_are_escaped_so_that_readers_get_them_back() {
        let cases = [
            ("a<b>&\"c'", "a&lt;b&gt;&amp;\"c'"),
            ("\u{1}\u{8}\r\u{b}", "_x0001__x0008__x000D__x000B_"),
            ("_x0041_", "_x005F_x0041_"),
            ("_x0041\u{1}", "_x005F_x0041_x0001_"),
            ("_x004_ _y0041_ a_b", "_x004_ _y0041_ a_b"),
            ("\u{fffe}\u{ffff}\u{fffd}ﬁ", "_xFFFE__xFFFF_\u{fffd}ﬁ"),
            ("=1+1", "=1+1"),
            ("🚄 שלום", "🚄 שלום"),
        ];
        for (raw, written) in cases {
            assert_eq!(xml(|x| escape(x, raw)), written);
        }
    }

    #[test]
    fn texts_are_cut_at_excels_limit_and_between_characters() {
        let long = "🚄".repeat(16_384);
        assert_eq!(fitting(&long).chars().count(), 16_383);
        let longest = "é".repeat(LONGEST_TEXT);
        assert_eq!(fitting(&longest), longest);
    }

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

    #[test]
    fn columns_have_the_letters_of_a_sheet() {
        for (index, letters) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")] {
            assert_eq!(column_letters(index), letters);
        }
    }
}
