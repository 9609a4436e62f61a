//! The row writer: Arrow batches to the XML of a sheet's rows.

use std::{fmt::Write as _, sync::Arc};

use arrow::{
    array::{Array, AsArray},
    datatypes::{Date32Type, Decimal128Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use jiff::{Timestamp, civil::Date};

use super::Layout;
use crate::{
    columns::{Kind, TICKETS},
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
    /// The same where the value is text in a column of another kind.
    text: String,
}

/// How rows are written: the columns with their styles, and the zone of instants.
pub(super) struct RowFormat {
    columns: Vec<Cells>,
    offsets: Offsets,
}

impl RowFormat {
    /// `styles` are the ids of the cell formats of the sheet's columns.
    pub(super) fn new(styles: &[u32], layout: &Layout) -> Self {
        let columns = TICKETS
            .sheet_columns()
            .zip(styles)
            .enumerate()
            .map(|(i, ((position, column, _), style))| {
                let style = if *style == 0 { String::new() } else { format!(" s=\"{style}\"") };
                let text = format!("\"{style} t=\"inlineStr\"><is><t");
                Cells {
                    name: column.name,
                    kind: column.kind,
                    position,
                    open: format!("<c r=\"{}", column_letters(i)),
                    value: if column.kind == Kind::Text { text.clone() } else { format!("\"{style}><v>") },
                    text,
                }
            })
            .collect();
        Self { columns, offsets: Offsets::new(&layout.zone, layout.bounds) }
    }

    /// The XML of the batches' rows; `first` is the first one's number on the sheet.
    pub(super) fn rows(&self, batches: &[RecordBatch], first: u64) -> (Vec<u8>, Cut) {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let mut xml = Vec::with_capacity(rows * 1500);
        let mut cut = Cut::default();
        let mut number = first;
        let mut digits = String::new();
        for batch in batches {
            let arrays: Vec<&dyn Array> =
                self.columns.iter().map(|column| batch.column(column.position).as_ref()).collect();
            for row in 0..batch.num_rows() {
                digits.clear();
                let _ = write!(digits, "{number}");
                xml.extend_from_slice(b"<row r=\"");
                xml.extend_from_slice(digits.as_bytes());
                xml.extend_from_slice(b"\">");
                for (column, array) in self.columns.iter().zip(&arrays) {
                    if array.is_valid(row) {
                        self.cell(&mut xml, column, *array, row, &digits, &mut |column| {
                            cut.cells += 1;
                            let ticket = arrays[0].as_string::<i32>().value(row);
                            cut.first.get_or_insert_with(|| (ticket.to_owned(), column));
                        });
                    }
                }
                xml.extend_from_slice(b"</row>");
                number += 1;
            }
        }
        (xml, cut)
    }

    fn cell(
        &self,
        xml: &mut Vec<u8>,
        column: &Cells,
        array: &dyn Array,
        row: usize,
        digits: &str,
        was_cut: &mut dyn FnMut(&'static str),
    ) {
        let open = |xml: &mut Vec<u8>, rest: &str| {
            xml.extend_from_slice(column.open.as_bytes());
            xml.extend_from_slice(digits.as_bytes());
            xml.extend_from_slice(rest.as_bytes());
        };
        let plain = |xml: &mut Vec<u8>, text: &str| {
            xml.push(b'>');
            xml.extend_from_slice(text.as_bytes());
            xml.extend_from_slice(b"</t></is></c>");
        };
        match column.kind {
            Kind::Text | Kind::Key => {
                open(xml, &column.value);
                if text(xml, array.as_string::<i32>().value(row)) {
                    was_cut(column.name);
                }
                return;
            }
            Kind::Integer => {
                open(xml, &column.value);
                integer(xml, array.as_primitive::<Int64Type>().value(row));
            }
            Kind::Money => {
                open(xml, &column.value);
                money(xml, array.as_primitive::<Decimal128Type>().value(row));
            }
            Kind::Date => {
                let days = i64::from(array.as_primitive::<Date32Type>().value(row));
                let Some(serial) = serial(days) else {
                    open(xml, &column.text);
                    return plain(xml, &iso_date(days));
                };
                open(xml, &column.value);
                integer(xml, serial);
            }
            Kind::Time => {
                open(xml, &column.value);
                fraction::<15>(xml, 0, array.as_primitive::<Time64MicrosecondType>().value(row), DAY_MICROS);
            }
            Kind::Instant => {
                let local = self.offsets.local(array.as_primitive::<TimestampMicrosecondType>().value(row));
                let (days, millis) = (local.div_euclid(DAY_MICROS), local.rem_euclid(DAY_MICROS) / 1000);
                let Some(serial) = serial(days) else {
                    open(xml, &column.text);
                    return plain(xml, &format!("{} {}", iso_date(days), iso_time(millis)));
                };
                open(xml, &column.value);
                fraction::<12>(xml, serial, millis, DAY_MILLIS);
            }
        }
        xml.extend_from_slice(b"</v></c>");
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
    while value % 10 == 0 {
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

/// Text from `>` or the attribute before it to the cell's end; says whether it had to be cut.
fn text(xml: &mut Vec<u8>, whole: &str) -> bool {
    let fits = whole.len() <= LONGEST_TEXT || whole.encode_utf16().count() <= LONGEST_TEXT;
    let text = if fits { whole } else { cut_to_fit(whole) };
    let edge = |b: Option<&u8>| b.is_some_and(|b| matches!(b, b' ' | b'\n' | b'\t'));
    let spaces = edge(text.as_bytes().first()) || edge(text.as_bytes().last()) || text.contains('\n');
    xml.extend_from_slice(if spaces { b" xml:space=\"preserve\">" } else { b">" });
    escape(xml, text);
    xml.extend_from_slice(b"</t></is></c>");
    !fits
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

/// Escapes what XML can't hold or Excel would read otherwise: markup, control characters and U+FFFE and U+FFFF as
/// `_xHHHH_`, and an underscore that would begin such an escape.
fn escape(xml: &mut Vec<u8>, text: &str) {
    let special = |b: u8| b < 0x20 || matches!(b, b'&' | b'<' | b'>' | b'_' | 0xef);
    if !text.bytes().any(special) {
        xml.extend_from_slice(text.as_bytes());
        return;
    }
    for (at, character) in text.char_indices() {
        match character {
            '&' => xml.extend_from_slice(b"&amp;"),
            '<' => xml.extend_from_slice(b"&lt;"),
            '>' => xml.extend_from_slice(b"&gt;"),
            '\t' | '\n' => xml.push(if character == '\t' { b'\t' } else { b'\n' }),
            '\0'..'\x20' | '\u{fffe}' | '\u{ffff}' => {
                xml.extend_from_slice(format!("_x{:04X}_", u32::from(character)).as_bytes());
            }
            '_' if looks_escaped(&text.as_bytes()[at..]) => xml.extend_from_slice(b"_x005F_"),
            _ => xml.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

fn looks_escaped(text: &[u8]) -> bool {
    text.len() >= 7 && text[1] == b'x' && text[6] == b'_' && text[2..6].iter().all(u8::is_ascii_hexdigit)
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
        assert!(xml(|x| assert!(text(x, &long))).len() < long.len() + 20);
        assert_eq!(cut_to_fit(&long).chars().count(), 16_383);
        assert!(xml(|x| assert!(!text(x, &"é".repeat(LONGEST_TEXT)))).contains('é'));
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
