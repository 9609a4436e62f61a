//! The months a demo covers, how many tickets each sells, and when in the month they are sold. Instants are
//! microseconds since 1970-01-01 UTC.

use jiff::{
    Error, ToSpan,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use rand::{Rng, RngExt};

/// An instant in microseconds since 1970-01-01 UTC, or a time between two.
pub(crate) type Micros = i64;

pub(crate) const SECOND: Micros = 1_000_000;
pub(crate) const MINUTE: Micros = 60 * SECOND;
pub(crate) const HOUR: Micros = 60 * MINUTE;
pub(crate) const DAY: Micros = 24 * HOUR;

/// How many days ahead a ticket can be bought.
pub(crate) const SOLD_AHEAD: usize = 60;

/// The zone whose month borders the demo marks with tickets, besides those of UTC.
const LOCAL_ZONE: &str = "Europe/Rome";

/// January to December: how much of a year's sales falls on each.
const SEASON: [u64; 12] = [85, 85, 95, 100, 105, 110, 120, 115, 105, 100, 90, 110];

/// Midnight to midnight: how much of a day's sales falls on each hour of UTC.
const HOURS: [u64; 24] = [3, 2, 1, 1, 2, 5, 11, 17, 21, 22, 21, 20, 19, 18, 19, 20, 22, 24, 23, 20, 16, 12, 8, 5];

/// Sale moments are found on a scale of 2^32 steps from the month's first to its last.
const STEPS: u32 = 32;

/// A month and its sales.
#[derive(Debug)]
pub(crate) struct Month {
    /// The tickets to sell.
    pub(crate) tickets: u64,
    /// From the first instant of the month to the first one after it, in UTC.
    pub(crate) utc: [Micros; 2],
    /// The same in [`LOCAL_ZONE`].
    pub(crate) local: [Micros; 2],
    /// The day before the night in which the clocks change, if they do.
    pub(crate) clocks_change_after: Option<Date>,
    /// The weight of each day's sales.
    days: Vec<u64>,
}

/// The months and days of a demo.
#[derive(Debug)]
pub(crate) struct Calendar {
    pub(crate) months: Vec<Month>,
    /// The days on which trains run: those of the months and [`SOLD_AHEAD`] more.
    pub(crate) days: Vec<Date>,
    /// The moment at which the demo was taken from the running business: what departs later has not departed.
    pub(crate) taken_at: Micros,
}

impl Calendar {
    /// Lays `tickets` out over `months` months from the one that begins with `first`.
    pub(crate) fn new(first: Date, months: u32, tickets: u64) -> Result<Self, Error> {
        let firsts = (0..i64::from(months)).map(|n| first.checked_add(n.months())).collect::<Result<Vec<_>, _>>()?;
        let quotas = quotas(&firsts, tickets);
        let months = firsts.iter().zip(quotas).map(|(&first, tickets)| Month::new(first, tickets));
        let months = months.collect::<Result<Vec<_>, _>>()?;

        let after = firsts.last().map_or(Ok(first), |last| last.checked_add(1.month()))?;
        let end = after.checked_add(i64::try_from(SOLD_AHEAD).unwrap_or(0).days())?;
        Ok(Self {
            months,
            days: first.series(1.day()).take_while(|day| *day < end).collect(),
            taken_at: midnight(after, &TimeZone::UTC)? + 3 * DAY,
        })
    }

    /// The place of an instant's day (in UTC) among the days on which trains run; instants outside count for the
    /// nearest.
    pub(crate) fn day_of(&self, instant: Micros) -> usize {
        let start = self.months.first().map_or(0, |month| month.utc[0]);
        let day = usize::try_from((instant - start).div_euclid(DAY)).unwrap_or(0);
        day.min(self.days.len() - 1)
    }
}

impl Month {
    fn new(first: Date, tickets: u64) -> Result<Self, Error> {
        let after = first.checked_add(1.month())?;
        let zone = TimeZone::get(LOCAL_ZONE)?;
        let clocks_change_after = match first.month() {
            3 | 10 => Some(first.nth_weekday_of_month(-1, Weekday::Sunday)?.yesterday()?),
            _ => None,
        };
        Ok(Self {
            tickets,
            utc: [midnight(first, &TimeZone::UTC)?, midnight(after, &TimeZone::UTC)?],
            local: [midnight(first, &zone)?, midnight(after, &zone)?],
            clocks_change_after,
            days: first.series(1.day()).take_while(|day| *day < after).map(day_weight).collect(),
        })
    }

    /// When a ticket is sold: `part` of `whole` says how far through the month's sales we are. Weekdays and hours sell
    /// more or less, seconds and microseconds fall as they may.
    pub(crate) fn sale_moment(&self, part: u64, whole: u64, rng: &mut impl Rng) -> Micros {
        let step = ((part << STEPS) + u64::from(rng.random::<u32>())) / whole.max(1);
        let (day, rest) = share(step.min((1 << STEPS) - 1), &self.days);
        let (hour, rest) = share(rest, &HOURS);
        let second = (rest * 3600) >> STEPS;
        let whole_seconds = (day * 24 + hour) * 3600 + second;
        self.utc[0] + i64::try_from(whole_seconds).unwrap_or(0) * SECOND + rng.random_range(0..SECOND)
    }
}

/// Which of the weighted shares a step of 2^32 falls on, and its step of 2^32 within that share.
fn share(step: u64, weights: &[u64]) -> (u64, u64) {
    let mut left = step * weights.iter().sum::<u64>();
    for (index, weight) in (0..).zip(weights) {
        let width = weight << STEPS;
        if left < width {
            return (index, left / weight);
        }
        left -= width;
    }
    unreachable!("a step below 2^32 falls on one of the shares")
}

/// Each month's tickets: all of them together, spread by season, no month below two thirds of the average.
fn quotas(firsts: &[Date], tickets: u64) -> Vec<u64> {
    let season = |first: &Date| SEASON[usize::from(first.month().unsigned_abs()) - 1];
    let year: u64 = firsts.iter().map(season).sum();
    let mut quotas: Vec<u64> = firsts.iter().map(|first| tickets * season(first) / year).collect();
    let given: u64 = quotas.iter().sum();
    for quota in quotas.iter_mut().zip(given..tickets).map(|(quota, _)| quota) {
        *quota += 1;
    }
    quotas
}

/// Fridays and the first days after payday sell best.
fn day_weight(day: Date) -> u64 {
    let weekday = match day.weekday() {
        Weekday::Monday => 16,
        Weekday::Tuesday | Weekday::Wednesday => 14,
        Weekday::Thursday => 15,
        Weekday::Friday => 18,
        Weekday::Saturday | Weekday::Sunday => 12,
    };
    if day.day() <= 3 { weekday + 3 } else { weekday }
}

fn midnight(day: Date, zone: &TimeZone) -> Result<Micros, Error> {
    Ok(zone.to_timestamp(day.at(0, 0, 0, 0))?.as_microsecond())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn months_share_all_tickets() {
        for (months, tickets) in [(1, 100), (12, 100), (7, 12_345), (60, 480)] {
            let calendar = Calendar::new(date(2024, 11, 1), months, tickets).unwrap();
            let quotas: Vec<_> = calendar.months.iter().map(|month| month.tickets).collect();
            assert_eq!(quotas.iter().sum::<u64>(), tickets);
            assert!(quotas.iter().all(|quota| quota * u64::from(months) * 2 >= tickets), "{quotas:?}");
        }
    }

    #[test]
    fn sales_begin_and_end_with_the_month_and_move_forward() {
        let calendar = Calendar::new(date(2025, 2, 1), 1, 1000).unwrap();
        let month = &calendar.months[0];
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let moments: Vec<_> = (0..1000).map(|part| month.sale_moment(part, 1000, &mut rng)).collect();
        assert!(moments.is_sorted());
        assert!(moments[0] >= month.utc[0] && moments[0] < month.utc[0] + 6 * HOUR);
        assert!(moments[999] < month.utc[1] && moments[999] > month.utc[1] - 6 * HOUR);
    }

    #[test]
    fn the_clocks_change_in_march_and_october() {
        let calendar = Calendar::new(date(2025, 1, 1), 12, 1000).unwrap();
        let nights: Vec<_> = calendar.months.iter().filter_map(|month| month.clocks_change_after).collect();
        assert_eq!(nights, [date(2025, 3, 29), date(2025, 10, 25)]);
        // In Rome the month of March 2025 is an hour short.
        let [start, end] = calendar.months[2].local;
        assert_eq!(end - start, 31 * DAY - HOUR);
    }
}
