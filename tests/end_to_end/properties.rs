//! What must hold of any period, amount, text and division into batches.

use std::ops::Range;

use calamine::Data;
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use pipeline::{
    columns::{Kind, TICKETS},
    manifest::{Compression, Money},
    period::{PeriodId, ReportPeriod, ReportTimeZone},
    workbook::{self, Layout},
};
use proptest::{collection::vec, prelude::*, sample::select};
use tests::{
    cells::{Cell, batch},
    sheet,
};

use crate::constructed;

/// Zones whose clocks change at midnight, by half an hour, near the date line, or never.
const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Rome",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Africa/Cairo",
];

fn days(years: Range<i16>) -> impl Strategy<Value = Date> {
    (years, 1..=12_i8, 1..=31_i8)
        .prop_filter_map("a day of the calendar", |(year, month, day)| Date::new(year, month, day).ok())
}

fn zones() -> impl Strategy<Value = ReportTimeZone> {
    select(&ZONES[..]).prop_map(|name| name.parse().unwrap())
}

/// Some days from the first on, seen from later.
fn period(first: Date, length: i32) -> ReportPeriod {
    let last = first.checked_add(length.days()).unwrap();
    ReportPeriod::new(first, last, last).unwrap()
}

/// Texts of what careless writers and readers of XML and of Excel's escapes stumble over.
fn hostile_texts() -> impl Strategy<Value = String> {
    let pieces = select(
        &[
            "_x",
            "_x0041",
            "_x0041_",
            "_x005F_",
            "_x000D_",
            "_",
            "x0000_",
            "\u{1}",
            "\0",
            "\r",
            "\n",
            "\t",
            " ",
            "  ",
            "&amp;",
            "&",
            "<",
            ">",
            "\"",
            "'",
            "]]>",
            "<![CDATA[",
            "=",
            "+",
            "é",
            "e\u{301}",
            "🚄",
            "\u{fffe}",
            "\u{ffff}",
            "\u{fffd}",
            "\u{feff}",
            "\u{85}",
            "\u{a0}",
            "\u{2028}",
            "\u{7f}",
            "\u{9f}",
            "\u{10ffff}",
            "0041_",
            "D83D_",
            "a",
            "1",
        ][..],
    );
    prop_oneof![
        vec(pieces.prop_map(str::to_owned), 0..12).prop_map(|pieces| pieces.concat()),
        any::<String>(),
        vec(any::<char>(), 0..40).prop_map(String::from_iter),
    ]
}

/// A row whose texts are given and whose other cells follow from a number.
fn row(texts: &[String], number: i64) -> Vec<Cell> {
    let mut texts = texts.iter().cycle();
    let noon: Timestamp = "2025-01-15T12:00:00Z".parse().unwrap();
    let cells = TICKETS.columns.iter().enumerate().map(|(i, column)| {
        if i > 0 && (number + i64::try_from(i).unwrap()) % 7 == 0 {
            return Cell::Null;
        }
        match column.kind {
            Kind::Text | Kind::Key => texts.next().cloned().map_or(Cell::Null, Cell::Text),
            Kind::Integer => Cell::Integer(number),
            Kind::Money => Cell::Money(i128::from(number) * 37 - 5_000),
            Kind::Date => Cell::Date("2025-01-01".parse::<Date>().unwrap() + (number % 500).days()),
            Kind::Time => Cell::Time(jiff::civil::Time::midnight() + (number * 17 % 86_400).seconds()),
            Kind::Instant => Cell::Instant(noon.as_microsecond() + number * 1_234_567),
        }
    });
    cells.collect()
}

/// The bytes of a workbook of these rows, which come in batches that end where told.
fn workbook_of(rows: &[Vec<Cell>], ends: &[usize], threads: usize, compression: Compression) -> Vec<u8> {
    let mut manifest = constructed::manifest(rows.len() as u64);
    manifest.workbook.compression = compression;
    let mut from = 0;
    let mut batches = Vec::new();
    for &end in ends.iter().chain([&rows.len()]) {
        batches.push(batch(&TICKETS, &rows[from..end]));
        from = end;
    }
    let mut bytes = Vec::new();
    workbook::write(&mut bytes, &Layout::of(&manifest).unwrap(), threads, batches, |_| Some(manifest.into())).unwrap();
    bytes
}

fn assert_shows(bytes: &[u8], rows: &[Vec<Cell>]) -> Result<(), TestCaseError> {
    let mut workbook = sheet::open_bytes(bytes);
    let (header, found) = sheet::rows(&mut workbook, "TicketingReport");
    prop_assert_eq!(found.len(), rows.len());
    for (found, expected) in found.iter().zip(rows) {
        for (column, (found, expected)) in header.iter().zip(found.iter().zip(expected)) {
            // Nothing tells an empty text from an empty cell.
            let empty = *expected == Cell::Text(String::new()) && *found == Data::Empty;
            prop_assert!(
                empty || sheet::shows(found, expected, &TimeZone::UTC),
                "{column}: {found:?} for {expected:?}"
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn a_periods_id_is_read_back_as_it_was_written(first in days(1..9980), length in 0..3000_i32, over in any::<bool>()) {
        let period = period(first, length);
        let zone = ReportTimeZone::utc();
        let (start, end) = period.bounds(&zone).unwrap();
        let id = period.id(&zone, if over { end } else { start }).unwrap();
        prop_assert_eq!(id.to_string().parse::<PeriodId>(), Ok(id));
        prop_assert_eq!(id.period(), period);
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(serde_json::from_str::<PeriodId>(&json).unwrap(), id);
        prop_assert_eq!(id.month().is_some(), over && period.is_whole_month());
        let name = id.workbook_name(None);
        prop_assert!(name.starts_with("ticketing-report-") && name.ends_with(".xlsx"));
    }

    #[test]
    fn whole_months_that_are_over_are_named_by_their_month(first in days(1..9980)) {
        let first = first.first_of_month();
        let month = ReportPeriod::new(first, first.last_of_month(), first).unwrap();
        let zone = ReportTimeZone::utc();
        let end = month.bounds(&zone).unwrap().1;
        let over = month.id(&zone, end).unwrap();
        prop_assert_eq!(over.to_string(), format!("{:04}-{:02}", first.year(), first.month()));
        let running = month.id(&zone, end - 1.microsecond()).unwrap();
        prop_assert_eq!(running.to_string(), format!("{first}_to_{}", first.last_of_month()));
    }

    #[test]
    fn only_what_a_period_writes_is_read_as_one(text in "[0-9_to-]{0,24}|[0-9]{4}-[0-9]{2}|[0-9]{4}-[01][0-9]-[0-3][0-9]_to_[0-9]{4}-[01][0-9]-[0-3][0-9]") {
        if let Ok(id) = text.parse::<PeriodId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn neighbouring_periods_share_their_border_in_every_zone(first in days(1900..2100), length in 0..400_i32, zone in zones()) {
        let this = period(first, length);
        let next = period(this.last().checked_add(1.day()).unwrap(), length);
        let (start, end) = this.bounds(&zone).unwrap();
        prop_assert!(start <= end);
        prop_assert_eq!(end, next.bounds(&zone).unwrap().0);
    }

    #[test]
    fn an_amount_is_read_back_as_it_was_written(minor in any::<i64>()) {
        let money = Money(minor.into());
        prop_assert_eq!(Money::try_from(money.to_string()).unwrap(), money);
        prop_assert_eq!(money.to_string().replace('.', "").parse::<i64>().unwrap(), minor);
        let json = serde_json::to_string(&money).unwrap();
        prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn texts_come_back_from_the_workbook_as_they_were(texts in vec(hostile_texts(), 1..300), small in any::<bool>()) {
        let rows: Vec<_> = texts.chunks(5).zip(1..).map(|(texts, number)| row(texts, number)).collect();
        let compression = if small { Compression::Small } else { Compression::Fast };
        assert_shows(&workbook_of(&rows, &[], 1, compression), &rows)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn neither_batches_nor_threads_alter_a_byte(
        texts in vec(hostile_texts(), 1..30),
        (count, mut ends) in (1..4000_usize).prop_flat_map(|count| (Just(count), vec(0..=count, 0..12))),
        threads in 1..6_usize,
    ) {
        ends.sort_unstable();
        let from = |i: usize| texts.iter().cycle().skip(i % texts.len()).take(texts.len()).cloned().collect::<Vec<_>>();
        let rows: Vec<_> = (0..count).map(|i| row(&from(i), i64::try_from(i).unwrap())).collect();
        let whole = workbook_of(&rows, &[], 1, Compression::Fast);
        prop_assert!(workbook_of(&rows, &ends, threads, Compression::Fast) == whole, "other bytes");
        assert_shows(&whole, &rows)?;
    }
}
