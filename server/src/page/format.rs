//! How numbers, days and instants are written: `1,234`, `1,234.50 EUR`, `1 Nov 2025`, `343 KiB`.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pipeline::{manifest::Money, period::PeriodId};

const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with a comma before each three digits.
pub(crate) fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// An amount without its currency. Below nought it begins with a minus sign, which screen readers read as such.
pub(crate) fn money(amount: Money) -> String {
    let sign = if amount.0 < 0 { "\u{2212}" } else { "" };
    let minor = amount.0.unsigned_abs();
    format!("{sign}{}.{:02}", grouped(&(minor / 100).to_string()), minor % 100)
}

/// A currency's code, also where there is none.
pub(crate) fn currency(code: &str) -> &str {
    if code.is_empty() { "no currency" } else { code }
}

/// An amount that is never torn from its currency.
pub(crate) fn amount(amount: Money, code: &str) -> String {
    format!("{}\u{a0}{}", money(amount), currency(code))
}

/// A size with at most three digits, and one after the point where it is small.
pub(crate) fn bytes(size: u64) -> String {
    if size < 1024 {
        return format!("{size}\u{a0}B");
    }
    let mut tenths = size.saturating_mul(10) / 1024;
    let mut units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].iter();
    let mut unit = units.next();
    while tenths >= 10_240 {
        let Some(larger) = units.next() else { break };
        unit = Some(larger);
        tenths /= 1024;
    }
    let unit = unit.copied().unwrap_or_default();
    if tenths < 100 {
        format!("{}.{}\u{a0}{unit}", tenths / 10, tenths % 10)
    } else {
        format!("{}\u{a0}{unit}", tenths / 10)
    }
}

/// A day: `1 Nov 2025`.
pub(crate) fn day(day: Date) -> String {
    day.strftime("%-d %b %Y").to_string()
}

/// Days from one to another, always as days.
pub(crate) fn range(first: Date, last: Date) -> String {
    if first == last { day(first) } else { format!("{} to {}", day(first), day(last)) }
}

/// Days from one to another; whole months by their names.
pub(crate) fn days(first: Date, last: Date) -> String {
    if first == first.first_of_month() && last == last.last_of_month() {
        let month = |day: Date| day.strftime("%B %Y").to_string();
        if first == last.first_of_month() { month(first) } else { format!("{} to {}", month(first), month(last)) }
    } else {
        range(first, last)
    }
}

/// A period's days. A month that wasn't over is told by its two dates.
pub(crate) fn period(id: PeriodId) -> String {
    let days = id.period();
    match id {
        PeriodId::Month(_) => self::days(days.first(), days.last()),
        PeriodId::Range(_) => range(days.first(), days.last()),
    }
}

/// A time zone by its name, UTC if nobody knows it.
pub(crate) fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// An instant to the minute, on the clock of a time zone.
pub(crate) fn instant(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%-d %b %Y, %H:%M").to_string()
}

/// An instant to the second.
pub(crate) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%-d %b %Y, %H:%M:%S").to_string()
}

/// How long something took.
pub(crate) fn duration(took: SignedDuration) -> String {
    let seconds = took.as_secs().max(0);
    match seconds {
        0..10 => format!("{}.{}\u{a0}s", seconds, took.subsec_millis().max(0) / 100),
        10..60 => format!("{seconds}\u{a0}s"),
        60..3600 => format!("{}\u{a0}min {}\u{a0}s", seconds / 60, seconds % 60),
        _ => format!("{}\u{a0}h {}\u{a0}min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// By how many per cent one amount differs from an earlier one, with its sign; `None` where the earlier one is nought
/// or less.
pub(crate) fn change(now: i128, before: i128) -> Option<String> {
    if before <= 0 {
        return None;
    }
    let difference = now - before;
    let tenths = (difference.abs() * 1000 + before / 2) / before;
    let sign = match difference {
        _ if tenths == 0 => "\u{b1}",
        0.. => "+",
        _ => "\u{2212}",
    };
    Some(format!("{sign}{}.{}\u{a0}%", grouped(&(tenths / 10).to_string()), tenths % 10))
}

/// A text as part of a path or of a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &KEPT).to_string()
}

/// Where a workbook is downloaded from.
pub(crate) fn workbook_link(name: &str) -> String {
    format!("/api/k8s/reports/{}", encoded(name))
}

/// Where an edition's page is.
pub(crate) fn edition_link(period: &str, edition: u32) -> String {
    format!("/editions/{period}/{edition}")
}

/// Where a job's page is.
pub(crate) fn job_link(name: &str) -> String {
    format!("/jobs/{}", encoded(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        for (minor, text) in
            [(0, "0.00"), (-5, "\u{2212}0.05"), (123_450, "1,234.50"), (-100_000_000, "\u{2212}1,000,000.00")]
        {
            assert_eq!(money(Money(minor)), text);
        }
        assert_eq!(amount(Money(100), ""), "1.00\u{a0}no currency");
    }

    #[test]
    fn sizes_have_at_most_three_digits_before_the_unit() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (351_679, "343 KiB"),
            (1 << 20, "1.0 MiB"),
            (20 << 30, "20 GiB"),
            (u64::MAX, "1.5 EiB"),
        ];
        for (size, text) in cases {
            assert_eq!(bytes(size).replace('\u{a0}', " "), text);
        }
    }

    #[test]
    fn whole_months_have_names_and_ranges_two_dates() {
        let date = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(days(date("2024-02-01"), date("2024-02-29")), "February 2024");
        assert_eq!(days(date("2024-02-01"), date("2024-02-28")), "1 Feb 2024 to 28 Feb 2024");
        assert_eq!(days(date("2024-02-07"), date("2024-02-07")), "7 Feb 2024");
        assert_eq!(days(date("2023-12-01"), date("2024-02-29")), "December 2023 to February 2024");
        assert_eq!(range(date("2024-02-01"), date("2024-02-29")), "1 Feb 2024 to 29 Feb 2024");
        assert_eq!(period("2025-11".parse().unwrap()), "November 2025");
        assert_eq!(period("2025-11-01_to_2025-11-30".parse().unwrap()), "1 Nov 2025 to 30 Nov 2025");
    }

    #[test]
    fn changes_have_a_sign_and_one_decimal() {
        let cases = [
            (110, 100, "+10.0 %"),
            (90, 100, "\u{2212}10.0 %"),
            (100, 100, "\u{b1}0.0 %"),
            (20_000, 1, "+1,999,900.0 %"),
        ];
        for (now, before, text) in cases {
            assert_eq!(change(now, before).unwrap().replace('\u{a0}', " "), text);
        }
        assert_eq!(change(1, 0), None);
        assert_eq!(change(1, -5), None);
    }

    #[test]
    fn times_are_short_and_names_are_encoded() {
        assert_eq!(duration(SignedDuration::from_millis(1234)).replace('\u{a0}', " "), "1.2 s");
        assert_eq!(duration(SignedDuration::from_secs(184)).replace('\u{a0}', " "), "3 min 4 s");
        assert_eq!(duration(SignedDuration::from_secs(7_260)).replace('\u{a0}', " "), "2 h 1 min");
        assert_eq!(encoded("a b/ü&.xlsx"), "a%20b%2F%C3%BC%26.xlsx");
    }
}
