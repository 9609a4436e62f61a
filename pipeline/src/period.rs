//! The days a report covers, and the instants at which they begin and end.
//!
//! People name two civil dates, both inclusive. Inside, a period is half-open: from the first day's start to the start
//! of the day after the last, both in the report's time zone. Every border is the image of one date under one
//! function, so neighbouring periods share it and no ticket falls into two of them or between them.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// No report spans more than this many years.
pub const LONGEST_YEARS: i32 = 10;

/// What is wrong with dates, a month or a time zone that somebody typed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// Not a date in the calendar.
    #[error("`{value}` for {name} is no date of the calendar: write YYYY-MM-DD, for example 2025-01-31")]
    Date {
        /// The parameter that held it.
        name: String,
        /// What was given.
        value: String,
    },
    /// Not a month, nor one of the two words.
    #[error("`{0}` is no period: write current-month, previous-month or YYYY-MM, for example 2025-01")]
    Month(String),
    /// Not an edition's period id.
    #[error("`{0}` is no period: write YYYY-MM, or YYYY-MM-DD_to_YYYY-MM-DD for a range")]
    Id(String),
    /// The last day precedes the first.
    #[error("the start `{first}` is after the end `{last}`: swap the two dates")]
    Swapped {
        /// The first day.
        first: Date,
        /// The last day.
        last: Date,
    },
    /// Only the last day is given, and it lies before this month.
    #[error("the end `{last}` is before `{first}`, the start where none is given: give the start as well")]
    NoStart {
        /// The 1st of this month.
        first: Date,
        /// The last day.
        last: Date,
    },
    /// Nothing can have been sold yet.
    #[error("the start `{first}` is in the future (today is {today}): choose a day that has begun")]
    Future {
        /// The first day.
        first: Date,
        /// Today in the report's time zone.
        today: Date,
    },
    /// Longer than [`LONGEST_YEARS`].
    #[error("`{first}` to `{last}` is longer than {LONGEST_YEARS} years: ask for several shorter reports")]
    TooLong {
        /// The first day.
        first: Date,
        /// The last day.
        last: Date,
    },
    /// A date next to the calendar's own limits.
    #[error("`{0}` is outside the years that a report can cover: choose a date from 0001 to 9998")]
    OutOfRange(Date),
    /// Not an IANA time zone.
    #[error("`{0}` is no time zone: write an IANA name, for example Europe/Rome or UTC")]
    TimeZone(String),
}

/// A time zone by its IANA name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReportTimeZone(TimeZone);

impl ReportTimeZone {
    /// Coordinated universal time, the default.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The zone's rules.
    #[must_use]
    pub fn rules(&self) -> &TimeZone {
        &self.0
    }

    /// The civil date at an instant.
    #[must_use]
    pub fn date_at(&self, instant: Timestamp) -> Date {
        self.0.to_datetime(instant).date()
    }

    /// The instant at which a day begins: 00:00, or where the clocks skip it, the first instant after the gap.
    ///
    /// # Errors
    /// When the day lies at the calendar's very end.
    pub fn start_of(&self, day: Date) -> Result<Timestamp, PeriodError> {
        self.0
            .to_ambiguous_timestamp(day.to_datetime(jiff::civil::Time::midnight()))
            .compatible()
            .map_err(|_| PeriodError::OutOfRange(day))
    }
}

impl FromStr for ReportTimeZone {
    type Err = PeriodError;

    fn from_str(name: &str) -> Result<Self, PeriodError> {
        if name.eq_ignore_ascii_case("utc") {
            return Ok(Self::utc());
        }
        match TimeZone::get(name) {
            Ok(zone) if zone.iana_name().is_some() => Ok(Self(zone)),
            _ => Err(PeriodError::TimeZone(name.to_owned())),
        }
    }
}

impl TryFrom<String> for ReportTimeZone {
    type Error = PeriodError;

    fn try_from(name: String) -> Result<Self, PeriodError> {
        name.parse()
    }
}

impl From<ReportTimeZone> for String {
    fn from(zone: ReportTimeZone) -> Self {
        zone.name().to_owned()
    }
}

impl fmt::Display for ReportTimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The moment for which the monthly schedule made a Job, by the Job's name: Kubernetes ends it with the minutes since
/// 1970. `None` for Jobs made in other ways. The run may begin much later, and is still for that moment.
#[must_use]
pub fn scheduled_at(job: &str) -> Option<Timestamp> {
    let minutes = job.strip_prefix("ticketing-report-cronjob-")?;
    let digits = !minutes.is_empty() && minutes.bytes().all(|byte| byte.is_ascii_digit());
    let minutes: i64 = digits.then(|| minutes.parse().ok())??;
    Timestamp::from_second(minutes.checked_mul(60)?).ok()
}

/// The days of a report, first and last both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReportPeriod {
    first: Date,
    last: Date,
}

/// How somebody names a period: `current-month`, `previous-month` or `YYYY-MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedPeriod {
    /// From the 1st of the running month to today.
    CurrentMonth,
    /// The whole month before the running one.
    PreviousMonth,
    /// A whole month, given as its first day.
    Month(Date),
}

impl FromStr for NamedPeriod {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        match text {
            "current-month" => Ok(Self::CurrentMonth),
            "previous-month" => Ok(Self::PreviousMonth),
            _ => month(text).map(Self::Month).ok_or_else(|| PeriodError::Month(text.to_owned())),
        }
    }
}

impl NamedPeriod {
    /// The period's days, seen from `today`. This is the one place where a relative name becomes dates.
    ///
    /// # Errors
    /// When the month lies in the future.
    pub fn resolve(self, today: Date) -> Result<ReportPeriod, PeriodError> {
        match self {
            Self::CurrentMonth => ReportPeriod::new(today.first_of_month(), today, today),
            Self::PreviousMonth => {
                let last = today.first_of_month().checked_sub(1.day()).map_err(|_| PeriodError::OutOfRange(today))?;
                ReportPeriod::new(last.first_of_month(), last, today)
            }
            Self::Month(first) => ReportPeriod::new(first, first.last_of_month(), today),
        }
    }
}

impl ReportPeriod {
    /// A period from two inclusive dates, checked against `today`.
    ///
    /// # Errors
    /// When the dates are swapped, the first is in the future, or they span more than [`LONGEST_YEARS`].
    pub fn new(first: Date, last: Date, today: Date) -> Result<Self, PeriodError> {
        let period = Self::of_days(first, last)?;
        if first > today {
            return Err(PeriodError::Future { first, today });
        }
        let limit = first.checked_add(LONGEST_YEARS.years()).map_err(|_| PeriodError::OutOfRange(first))?;
        if last >= limit { Err(PeriodError::TooLong { first, last }) } else { Ok(period) }
    }

    fn of_days(first: Date, last: Date) -> Result<Self, PeriodError> {
        if let Some(&day) = [first, last].iter().find(|day| !(1..=9998).contains(&day.year())) {
            return Err(PeriodError::OutOfRange(day));
        }
        if first > last { Err(PeriodError::Swapped { first, last }) } else { Ok(Self { first, last }) }
    }

    /// The first day, inclusive.
    #[must_use]
    pub fn first(self) -> Date {
        self.first
    }

    /// The last day, inclusive.
    #[must_use]
    pub fn last(self) -> Date {
        self.last
    }

    /// The instants between which a ticket must have been issued: the first inclusive, the second exclusive.
    ///
    /// # Errors
    /// When a date lies at the calendar's very end.
    pub fn bounds(self, zone: &ReportTimeZone) -> Result<(Timestamp, Timestamp), PeriodError> {
        let after = self.last.checked_add(1.day()).map_err(|_| PeriodError::OutOfRange(self.last))?;
        Ok((zone.start_of(self.first)?, zone.start_of(after)?))
    }

    /// Whether these are all days of one month.
    #[must_use]
    pub fn is_whole_month(self) -> bool {
        self.first == self.first.first_of_month() && self.last == self.first.last_of_month()
    }

    /// The identity under which editions of this period are kept, given what was true at the cut.
    ///
    /// # Errors
    /// When a date lies at the calendar's very end.
    pub fn id(self, zone: &ReportTimeZone, cut: Timestamp) -> Result<PeriodId, PeriodError> {
        let over = self.bounds(zone)?.1 <= cut;
        Ok(if self.is_whole_month() && over { PeriodId::Month(self) } else { PeriodId::Range(self) })
    }
}

impl fmt::Display for ReportPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.first, self.last)
    }
}

/// A period's identity: `YYYY-MM` for a whole month that was over at the cut, else `YYYY-MM-DD_to_YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PeriodId {
    /// A whole month that was over.
    Month(ReportPeriod),
    /// Any other range, or a month that was still running.
    Range(ReportPeriod),
}

impl PeriodId {
    /// The days.
    #[must_use]
    pub fn period(self) -> ReportPeriod {
        match self {
            Self::Month(period) | Self::Range(period) => period,
        }
    }

    /// The month as `YYYY-MM`, if it is one.
    #[must_use]
    pub fn month(self) -> Option<String> {
        matches!(self, Self::Month(_)).then(|| self.to_string())
    }

    /// The name of the period's workbook; `job` is the number of the server's job that asked for a range.
    #[must_use]
    pub fn workbook_name(self, job: Option<u32>) -> String {
        match (self, job) {
            (Self::Month(_), _) => format!("ticketing-report-{self}.xlsx"),
            (Self::Range(days), None) => format!("ticketing-report-{}-to-{}.xlsx", days.first, days.last),
            (Self::Range(days), Some(job)) => {
                format!("ticketing-report-{}-to-{}-{job}.xlsx", days.first, days.last)
            }
        }
    }
}

impl fmt::Display for PeriodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Month(days) => write!(f, "{:04}-{:02}", days.first.year(), days.first.month()),
            Self::Range(days) => write!(f, "{}_to_{}", days.first, days.last),
        }
    }
}

impl FromStr for PeriodId {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let wrong = || PeriodError::Id(text.to_owned());
        if let Some(first) = month(text) {
            return ReportPeriod::of_days(first, first.last_of_month()).map(Self::Month);
        }
        let (first, last) = text.split_once("_to_").ok_or_else(wrong)?;
        let days = date("the first day", first).and_then(|first| Ok((first, date("the last day", last)?)));
        let (first, last) = days.map_err(|_| wrong())?;
        ReportPeriod::of_days(first, last).map(Self::Range)
    }
}

impl TryFrom<String> for PeriodId {
    type Error = PeriodError;

    fn try_from(text: String) -> Result<Self, PeriodError> {
        text.parse()
    }
}

impl From<PeriodId> for String {
    fn from(id: PeriodId) -> Self {
        id.to_string()
    }
}

/// A date from its one accepted form, YYYY-MM-DD; `name` is the parameter that held it.
///
/// # Errors
/// When the text has another form or no such day exists.
pub fn date(name: &str, text: &str) -> Result<Date, PeriodError> {
    let wrong = || PeriodError::Date { name: name.to_owned(), value: text.to_owned() };
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    if shaped { text.parse().map_err(|_| wrong()) } else { Err(wrong()) }
}

/// The first day of a month written YYYY-MM.
fn month(text: &str) -> Option<Date> {
    if text.len() == 7 { date("the month", &format!("{text}-01")).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        date("the test's date", text).unwrap()
    }

    #[test]
    fn dates_have_one_form_and_must_exist() {
        for wrong in
            ["2025-02-29", "2025-1-01", "20250101", "2025-13-01", "", "2025-01-01 ", "٢٠٢٥-01-01", "+025-01-01"]
        {
            let error = date("--start-date", wrong).unwrap_err();
            assert!(error.to_string().contains("--start-date") && error.to_string().contains("YYYY-MM-DD"));
        }
        assert_eq!(day("2024-02-29").to_string(), "2024-02-29");
    }

    #[test]
    fn named_periods_resolve_against_today() {
        let cases = [
            ("current-month", "2025-03-07", "2025-03-01 to 2025-03-07"),
            ("previous-month", "2025-03-31", "2025-02-01 to 2025-02-28"),
            ("previous-month", "2025-01-01", "2024-12-01 to 2024-12-31"),
            ("2024-02", "2025-03-31", "2024-02-01 to 2024-02-29"),
        ];
        for (name, today, days) in cases {
            let period = name.parse::<NamedPeriod>().unwrap().resolve(day(today)).unwrap();
            assert_eq!(period.to_string(), days);
        }
        assert!("last-month".parse::<NamedPeriod>().is_err());
        assert!(matches!(
            NamedPeriod::Month(day("2025-04-01")).resolve(day("2025-03-31")),
            Err(PeriodError::Future { .. })
        ));
    }

    #[test]
    fn swapped_future_and_endless_ranges_are_refused() {
        let today = day("2025-06-15");
        let range = |first: &str, last: &str| ReportPeriod::new(day(first), day(last), today);
        assert!(matches!(range("2025-02-01", "2025-01-31"), Err(PeriodError::Swapped { .. })));
        assert!(matches!(range("2025-06-16", "2025-06-30"), Err(PeriodError::Future { .. })));
        assert!(matches!(range("2015-01-01", "2025-01-01"), Err(PeriodError::TooLong { .. })));
        assert!(range("2015-01-01", "2024-12-31").is_ok());
        assert!(range("2025-06-15", "2025-06-15").is_ok());
    }

    #[test]
    fn every_month_border_from_1990_to_2070_is_shared_by_its_neighbours() {
        for name in ["Europe/Rome", "America/Sao_Paulo", "Pacific/Apia", "UTC", "Asia/Kathmandu", "Africa/Cairo"] {
            let zone: ReportTimeZone = name.parse().unwrap();
            let mut first = day("1990-01-01");
            let mut border = None;
            while first.year() <= 2070 {
                let period = ReportPeriod::of_days(first, first.last_of_month()).unwrap();
                let (start, end) = period.bounds(&zone).unwrap();
                assert!(start < end, "{name} {period}");
                assert!(border.is_none_or(|b| b == start), "{name} {period}");
                assert_eq!(zone.date_at(start).first_of_month(), first, "{name} {period}");
                let last_instant = end.checked_sub(1.nanosecond()).unwrap();
                assert_eq!(zone.date_at(last_instant).first_of_month(), first, "{name} {period}");
                border = Some(end);
                first = first.last_of_month().checked_add(1.day()).unwrap();
            }
        }
    }

    #[test]
    fn only_a_whole_month_that_was_over_is_a_month() {
        let zone: ReportTimeZone = "Europe/Rome".parse().unwrap();
        let november = ReportPeriod::of_days(day("2025-11-01"), day("2025-11-30")).unwrap();
        let before: Timestamp = "2025-11-30T22:59:59.999999Z".parse().unwrap();
        let after: Timestamp = "2025-11-30T23:00:00Z".parse().unwrap();
        assert_eq!(november.id(&zone, before).unwrap().to_string(), "2025-11-01_to_2025-11-30");
        assert_eq!(november.id(&zone, after).unwrap().to_string(), "2025-11");
    }

    #[test]
    fn workbooks_are_named_as_people_know_them() {
        let month: PeriodId = "2025-11".parse().unwrap();
        let range: PeriodId = "2025-01-01_to_2025-01-31".parse().unwrap();
        assert_eq!(month.workbook_name(Some(7)), "ticketing-report-2025-11.xlsx");
        assert_eq!(range.workbook_name(Some(12345)), "ticketing-report-2025-01-01-to-2025-01-31-12345.xlsx");
        assert_eq!(range.workbook_name(None), "ticketing-report-2025-01-01-to-2025-01-31.xlsx");
    }

    #[test]
    fn an_unknown_time_zone_is_refused() {
        for wrong in ["Europe/Atlantis", "", "+01:00", "../../etc/passwd"] {
            assert!(wrong.parse::<ReportTimeZone>().is_err(), "{wrong}");
        }
        assert_eq!("utc".parse::<ReportTimeZone>().unwrap().name(), "UTC");
    }
}
