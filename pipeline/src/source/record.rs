//! A row as PostgreSQL's `record_send` gives it: one value with all fields in their binary form.
//!
//! A query is wrapped so that each of its rows is one such value, which connectorx hands over as it is. That spares the
//! layers between us and the server their work on each single cell, which took longer than anything else of a pull.
//! It also leaves every value as the server sent it: nothing has been rounded, or turned into the end of a calendar,
//! before a rule can be applied to it.

use super::batch::{DAY_MICROS, Reason, day, fits, moment};
use crate::columns::MONEY_SCALE;

/// The query each of whose rows is one record.
pub(super) fn wrapped(query: &str) -> String {
    format!("SELECT record_send(r) FROM ({query}) r")
}

/// Days from 1970-01-01 to PostgreSQL's day 0, 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;

/// Ten thousands, in which the digits of a number are sent.
const BASE: i128 = 10_000;

/// A record, read field by field.
#[derive(Default)]
pub(super) struct Record {
    bytes: Vec<u8>,
    at: usize,
}

impl Record {
    /// Begins a record that has so many fields.
    pub(super) fn new(bytes: Vec<u8>, fields: usize) -> Result<Self, Reason> {
        let mut record = Self { bytes, at: 0 };
        let found = record.number()?;
        if usize::try_from(found) != Ok(fields) {
            return Err(format!("has {found} fields, not {fields}"));
        }
        Ok(record)
    }

    fn number(&mut self) -> Result<i32, Reason> {
        let bytes = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk).ok_or_else(ends_early)?;
        self.at += 4;
        Ok(i32::from_be_bytes(*bytes))
    }

    /// The next field's bytes; `None` for NULL.
    #[inline]
    pub(super) fn field(&mut self) -> Result<Option<&[u8]>, Reason> {
        // The field's type comes first. The query was prepared, and its types looked at, before the first row.
        let head = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>).ok_or_else(ends_early)?;
        let length = i32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        self.at += 8;
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        let field = self.bytes.get(self.at..self.at + length).ok_or_else(ends_early)?;
        self.at += length;
        Ok(Some(field))
    }
}

fn ends_early() -> Reason {
    "ends before it should".to_owned()
}

fn array<const N: usize>(field: &[u8]) -> Result<[u8; N], Reason> {
    field.try_into().map_err(|_| format!("has {} bytes, not {N}", field.len()))
}

/// A UUID as its text.
pub(super) fn key(field: &[u8]) -> Result<[u8; 36], Reason> {
    let bytes: [u8; 16] = array(field)?;
    let mut written = [b'-'; 36];
    for (place, byte) in [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34].into_iter().zip(bytes) {
        written[place..place + 2].copy_from_slice(&HEX[usize::from(byte)]);
    }
    Ok(written)
}

/// Each byte in hexadecimal.
static HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
};

/// A whole number.
pub(super) fn integer(field: &[u8]) -> Result<i64, Reason> {
    array(field).map(i64::from_be_bytes)
}

/// A civil date in days since 1970.
pub(super) fn date(field: &[u8]) -> Result<i32, Reason> {
    let days = i64::from(i32::from_be_bytes(array(field)?));
    day(days + EPOCH_DAYS)
}

/// A time of day in microseconds.
pub(super) fn time(field: &[u8]) -> Result<i64, Reason> {
    let micros = integer(field)?;
    // PostgreSQL knows 24:00:00, readers of Arrow and Parquet don't.
    if (0..DAY_MICROS).contains(&micros) { Ok(micros) } else { Err("is `24:00:00`, the end of no day".to_owned()) }
}

/// An instant in microseconds of UTC since 1970.
pub(super) fn instant(field: &[u8]) -> Result<i64, Reason> {
    // The ends of what 64 bits hold stand for infinity, and adding leaves them outside the calendar.
    moment(integer(field)?.saturating_add(EPOCH_DAYS * DAY_MICROS))
}

/// A numeric in minor units, if it has no more decimals than money and fits.
pub(super) fn amount(field: &[u8]) -> Result<i128, Reason> {
    let numeric = Numeric::new(field)?;
    numeric.minor_units().unwrap_or_else(|| Err(format!("is `{}`, {}", numeric.text(), numeric.flaw())))
}

/// A numeric: digits of base ten thousand, the first of which counts 10000 to the power of `weight`.
struct Numeric<'a> {
    digits: &'a [u8],
    weight: i16,
    sign: u16,
}

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;

impl<'a> Numeric<'a> {
    fn new(field: &'a [u8]) -> Result<Self, Reason> {
        let (head, digits) = field.split_first_chunk::<8>().ok_or_else(ends_early)?;
        let count = usize::from(u16::from_be_bytes([head[0], head[1]]));
        if digits.len() != count * 2 {
            return Err(ends_early());
        }
        let (weight, sign) = (i16::from_be_bytes([head[2], head[3]]), u16::from_be_bytes([head[4], head[5]]));
        Ok(Self { digits, weight, sign })
    }

    fn digits(&self) -> impl DoubleEndedIterator<Item = i128> + ExactSizeIterator {
        self.digits.chunks_exact(2).map(|digit| i128::from(u16::from_be_bytes([digit[0], digit[1]])))
    }

    /// `None` for what isn't a finite number of whole cents.
    fn minor_units(&self) -> Option<Result<i128, Reason>> {
        if self.sign & !NEGATIVE != 0 {
            return None;
        }
        let mut minor = 0_i128;
        let mut place = i32::from(self.weight);
        for digit in self.digits() {
            // More than eight digits before the point don't fit in any case, and would be too many for 128 bits.
            match place {
                8.. => return Some(fits(i128::MAX)),
                0.. => minor += digit * BASE.pow(u32::try_from(place).unwrap_or_default()) * 100,
                -1 if digit % 100 == 0 => minor += digit / 100,
                _ if digit == 0 => {}
                _ => return None,
            }
            place -= 1;
        }
        Some(fits(if self.sign == NEGATIVE { -minor } else { minor }))
    }

    fn flaw(&self) -> &'static str {
        if self.sign & !NEGATIVE == 0 { "finer than a cent" } else { "no number" }
    }

    fn text(&self) -> String {
        match self.sign {
            0 | NEGATIVE => {}
            NAN => return "NaN".to_owned(),
            0xd000 => return "Infinity".to_owned(),
            _ => return "-Infinity".to_owned(),
        }
        let digits: Vec<i128> = self.digits().collect();
        let at = |place: i32| {
            usize::try_from(i32::from(self.weight) - place).ok().and_then(|i| digits.get(i)).copied().unwrap_or(0)
        };
        let whole: String = (0..=self.weight.max(0).into()).rev().map(|place| format!("{:04}", at(place))).collect();
        let last = i32::from(self.weight) + 1 - i32::try_from(digits.len()).unwrap_or(0);
        let part: String = (last..0).rev().map(|place| format!("{:04}", at(place))).collect();
        let whole = whole.trim_start_matches('0');
        let sign = if self.sign == NEGATIVE { "-" } else { "" };
        format!("{sign}{}.{}", if whole.is_empty() { "0" } else { whole }, part.trim_end_matches('0'))
    }
}

const _: () = assert!(MONEY_SCALE == 2, "a digit of base ten thousand is divided by 100 to give cents");

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(weight: i16, sign: u16, digits: &[u16]) -> Result<i128, Reason> {
        let head = [u16::try_from(digits.len()).unwrap(), weight.cast_unsigned(), sign, 0];
        let field: Vec<u8> = head.iter().chain(digits).flat_map(|number| number.to_be_bytes()).collect();
        amount(&field)
    }

    #[test]
    fn numerics_of_whole_cents_are_amounts() {
        for (weight, sign, digits, minor) in [
            (0, 0, &[][..], 0),
            (0, 0, &[12, 3400], 1234),
            (0, NEGATIVE, &[12, 3400], -1234),
            (-1, 0, &[100], 1),
            (0, 0, &[7], 700),
            (2, 0, &[99, 9999, 9999, 9900], 999_999_999_999),
            (0, 0, &[5, 100, 0, 0], 501),
        ] {
            assert_eq!(numeric(weight, sign, digits), Ok(minor), "{digits:?}");
        }
    }

    #[test]
    fn other_numerics_are_named_as_the_server_writes_them() {
        for (weight, sign, digits, reason) in [
            (0, NAN, &[][..], "is `NaN`, no number"),
            (0, 0xd000, &[], "is `Infinity`, no number"),
            (0, 0xf000, &[], "is `-Infinity`, no number"),
            (0, 0, &[12, 3450], "is `12.345`, finer than a cent"),
            (-1, NEGATIVE, &[10], "is `-0.001`, finer than a cent"),
            (-3, 0, &[1], "is `0.000000000001`, finer than a cent"),
            (1, 0, &[1, 0, 50], "is `10000.005`, finer than a cent"),
            (2, 0, &[100], "is `1000000000000` cents, too large for decimal(12,2)"),
        ] {
            assert_eq!(numeric(weight, sign, digits), Err(reason.to_owned()));
        }
        assert!(numeric(30, 0, &[1]).unwrap_err().contains("too large"));
    }

    #[test]
    fn days_and_moments_outside_the_calendar_are_named() {
        let days = |days: i32| date(&days.to_be_bytes());
        assert_eq!(days(0), Ok(10_957));
        assert_eq!(days(2_921_939), Ok(2_932_896), "9999-12-31");
        assert_eq!(days(2_921_940), Err("is `+10000-01-01`, outside the years 1 to 9999".to_owned()));
        assert_eq!(days(i32::MAX), Err("is `infinity`, outside the years 1 to 9999".to_owned()));
        let micros = |micros: i64| instant(&micros.to_be_bytes());
        assert_eq!(micros(-946_684_800_000_001), Ok(-1));
        assert_eq!(micros(i64::MAX), Err("is `infinity`, outside the years 1 to 9999".to_owned()));
        assert_eq!(micros(i64::MIN), Err("is `-infinity`, outside the years 1 to 9999".to_owned()));
        assert_eq!(time(&86_399_999_999_i64.to_be_bytes()), Ok(86_399_999_999));
        assert_eq!(time(&86_400_000_000_i64.to_be_bytes()), Err("is `24:00:00`, the end of no day".to_owned()));
    }

    #[test]
    fn a_record_is_its_fields_and_no_others() {
        let bytes =
            [&3_i32.to_be_bytes()[..], &[0, 0, 0, 25, 0, 0, 0, 2], b"ok", &[0, 0, 0, 25, 0xff, 0xff, 0xff, 0xff]];
        let mut record = Record::new(bytes.concat(), 3).unwrap();
        assert_eq!(record.field(), Ok(Some(&b"ok"[..])));
        assert_eq!(record.field(), Ok(None));
        assert!(record.field().is_err());
        assert!(Record::new(bytes.concat(), 2).is_err());
        assert_eq!(
            key(&(0..16_u8).map(|i| i * 17).collect::<Vec<_>>()).as_ref().map(|key| &key[..]),
            Ok(&b"00112233-4455-6677-8899-aabbccddeeff"[..])
        );
    }
}
