//! How values are written in a cell: days, fractions of days and amounts as numbers, texts escaped and cut to fit.

use jiff::civil::Date;

/// The longest text that Excel takes in a cell, in UTF-16 units.
pub(super) const LONGEST_TEXT: usize = 32_767;

pub(super) const DAY_MICROS: i64 = 86_400_000_000;
#[cfg(test)]
const DAY_MILLIS: i64 = DAY_MICROS / 1000;

/// Days from Excel's day 0, 1899-12-30, to 1970-01-01.
const EPOCH_SERIAL: i64 = 25_569;

/// A day as Excel counts it, or `None` before 1900, which it doesn't know. It takes 1900 for a leap year: days before
/// its 29 February count one less.
pub(super) fn serial(days: i64) -> Option<i64> {
    match days + EPOCH_SERIAL {
        serial if serial > 60 => Some(serial),
        serial if serial > 1 => Some(serial - 1),
        _ => None,
    }
}

pub(super) fn iso_date(days: i64) -> String {
    let date = jiff::SignedDuration::from_hours(days * 24);
    Date::constant(1970, 1, 1).checked_add(date).map_or_else(|_| days.to_string(), |date| date.to_string())
}

pub(super) fn iso_time(millis: i64) -> String {
    let seconds = millis / 1000;
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, millis % 1000)
}

pub(super) fn integer(xml: &mut Vec<u8>, value: i64) {
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
pub(super) fn money(xml: &mut Vec<u8>, minor: i128) {
    if minor < 0 {
        xml.push(b'-');
    }
    let minor = u64::try_from(minor.unsigned_abs()).unwrap_or(u64::MAX);
    digits(xml, minor / 100);
    decimals(xml, minor % 100, 2);
}

/// A whole number and a fraction of a day, to as many decimals as a double of that size can tell apart: 12 beside a
/// day's five digits, 15 alone. Fewer would show 08:15 as 08:14. The part is in milliseconds for 12 decimals and in
/// microseconds for 15: in both cases the decimals are ten million times the part over 864.
pub(super) fn fraction<const PLACES: usize>(xml: &mut Vec<u8>, whole: i64, part: i64) {
    let part = u64::try_from(part).unwrap_or_default();
    let scaled = (part * 10_000_000 + 432) / 864;
    integer(xml, whole);
    decimals(xml, scaled.min(10_u64.pow(PLACES as u32) - 1), PLACES);
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
pub(super) fn fitting(text: &str) -> &str {
    let fits = text.len() <= LONGEST_TEXT || text.encode_utf16().count() <= LONGEST_TEXT;
    if fits { text } else { cut_to_fit(text) }
}

/// How a text can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// Through [`escape`].
    Escaped,
    /// Through [`escape`], and readers have to be told to keep its white space.
    Spaced,
}

/// What is unusual in a byte: a newline (2), an underscore (4), or another beginning of what [`escape`] may write
/// otherwise (1).
static UNUSUAL: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'\n' => 2,
            b'_' => 4,
            0..0x20 | b'&' | b'<' | b'>' | 0xef => 1,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// How a text has to be written.
pub(super) fn form(text: &str) -> Form {
    let edge = |b: Option<&u8>| matches!(b, Some(b' ' | b'\n' | b'\t'));
    let found = text.bytes().fold(0, |found, byte| found | UNUSUAL[usize::from(byte)]);
    if found & 2 > 0 || edge(text.as_bytes().first()) || edge(text.as_bytes().last()) {
        Form::Spaced
    } else if found & 1 > 0 || found & 4 > 0 && text.contains("_x") {
        Form::Escaped
    } else {
        Form::Plain
    }
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
pub(super) fn escape(xml: &mut Vec<u8>, text: &str) {
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

pub(super) fn column_letters(index: usize) -> String {
    let mut letters = String::new();
    let mut rest = index + 1;
    while rest > 0 {
        letters.insert(0, char::from(b'A' + u8::try_from((rest - 1) % 26).unwrap_or_default()));
        rest = (rest - 1) / 26;
    }
    letters
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
        assert_eq!(xml(|x| fraction::<12>(x, 45_991, DAY_MILLIS - 1)), "45991.999999988426");
        assert_eq!(xml(|x| fraction::<15>(x, 0, DAY_MICROS / 2)), "0.5");
        assert_eq!(xml(|x| fraction::<15>(x, 7, 0)), "7");
        assert!(xml(|x| fraction::<15>(x, 0, DAY_MICROS - 1)).starts_with("0.99999999998"));
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
    fn only_texts_that_need_it_are_escaped() {
        for (text, expected) in [
            ("", Form::Plain),
            ("Zoë O'Brien \"Z\"", Form::Plain),
            ("a  b", Form::Plain),
            ("Smith & Sons", Form::Escaped),
            ("a\tb", Form::Escaped),
            ("checked_in", Form::Plain),
            ("a_x", Form::Escaped),
            ("\u{ffff}", Form::Escaped),
            (" a", Form::Spaced),
            ("a\t", Form::Spaced),
            ("a\n&b", Form::Spaced),
        ] {
            assert_eq!(form(text), expected, "{text:?}");
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
    fn columns_have_the_letters_of_a_sheet() {
        for (index, letters) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")] {
            assert_eq!(column_letters(index), letters);
        }
    }
}
