//! The tickets added up while they pass: Polars groups some thousands of them at a time, and the groups again at the end.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, Date32Array},
    datatypes::{DataType, Decimal128Type, Field, Int64Type, Schema, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use jiff::{ToSpan, civil::Date};
use polars::prelude::{DataFrame, Expr, IntoLazy, LazyFrame, col, len};

use super::{
    Day, Fare, Load, Part, Route, Sales, StationPair, day_number,
    exceptions::{Exception, Exceptions},
    judge::Stage,
};
use crate::{
    columns::{TICKETS, TRIPS},
    manifest::Money,
    period::{PeriodError, ReportPeriod, ReportTimeZone},
    snapshot::SnapshotError,
    totals::frame,
};

/// Rows that are grouped at once.
const ROWS_AT_ONCE: usize = 16_384;

/// Groups that may wait to be put together.
const GROUPS_AT_ONCE: usize = 32_768;

/// The columns that are grouped or added up.
const COLUMNS: [&str; 7] =
    ["ticket_status", "ticket_price", "ticket_currency", "refunded_amount", "fare_code", "fare_seat_class", "trip_id"];

/// The day of issue, which only the frames have.
const DAY: &str = "issue_day";

/// By what tickets are grouped, always by currency and status too.
const GROUPINGS: [&[&str]; 3] = [
    &["ticket_currency", "ticket_status", DAY],
    &["ticket_currency", "ticket_status", "trip_id"],
    &["ticket_currency", "ticket_status", "fare_code", "fare_seat_class"],
];

/// What is added up of each group.
const SUMS: [&str; 3] = ["tickets", "ticket_price", "refunded_amount"];

/// The days of a period, each from its first instant on.
#[derive(Debug)]
struct Starts {
    first: Date,
    /// In microseconds, and one more: where the period ends.
    starts: Vec<i64>,
}

impl Starts {
    fn new(period: ReportPeriod, zone: &ReportTimeZone) -> Result<Self, PeriodError> {
        let mut starts = Vec::new();
        let mut day = period.first();
        while day <= period.last() {
            starts.push(zone.start_of(day)?.as_microsecond());
            day = day.checked_add(1.day()).map_err(|_| PeriodError::OutOfRange(day))?;
        }
        Ok(Self { first: period.first(), starts })
    }

    /// The day of an instant, as a number since 1970. Tickets are all of the period.
    fn day(&self, micros: i64) -> i32 {
        let day = self.starts.partition_point(|start| *start <= micros).saturating_sub(1);
        day_number(self.first) + i32::try_from(day).unwrap_or(i32::MAX)
    }
}

/// A day by its number since 1970.
fn date(number: i32) -> Date {
    jiff::civil::date(1970, 1, 1).saturating_add(number.days())
}

/// The tickets so far.
pub struct TicketSums {
    starts: Starts,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    /// The frames of each of [`GROUPINGS`].
    groups: [Vec<DataFrame>; 3],
}

impl TicketSums {
    /// No tickets of a period.
    ///
    /// # Errors
    /// When the period lies at the calendar's very end.
    pub fn new(period: ReportPeriod, zone: &ReportTimeZone) -> Result<Self, PeriodError> {
        let groups = std::array::from_fn(|_| Vec::new());
        Ok(Self { starts: Starts::new(period, zone)?, waiting: Vec::new(), waiting_rows: 0, groups })
    }

    /// Adds a batch of tickets; what is wrong with single ones goes to `exceptions`.
    ///
    /// # Errors
    /// When Polars fails, or the exceptions can't be written.
    pub fn add(&mut self, batch: &RecordBatch, exceptions: &mut Exceptions<'_>) -> Result<(), String> {
        let days = self.days(batch);
        judge_tickets(batch, &days, exceptions)?;
        let positions = COLUMNS.map(|name| TICKETS.position(name).unwrap_or_default());
        let chosen = batch.project(&positions).map_err(|e| e.to_string())?;
        let mut fields = chosen.schema().fields().to_vec();
        fields.push(Arc::new(Field::new(DAY, DataType::Date32, true)));
        let mut columns = chosen.columns().to_vec();
        columns.push(Arc::new(days));
        self.waiting.push(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| e.to_string())?);
        self.waiting_rows += batch.num_rows();
        if self.waiting_rows < ROWS_AT_ONCE { Ok(()) } else { self.group() }
    }

    fn days(&self, batch: &RecordBatch) -> Date32Array {
        let issued = batch.column(TICKETS.position("issued_at").unwrap_or_default());
        let issued = issued.as_primitive::<TimestampMicrosecondType>();
        issued.iter().map(|at| at.map(|at| self.starts.day(at))).collect()
    }

    fn group(&mut self) -> Result<(), String> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.waiting_rows = 0;
        let rows = frame(std::mem::take(&mut self.waiting))?;
        for (keys, groups) in GROUPINGS.iter().zip(&mut self.groups) {
            let sums = [
                len().cast(polars::prelude::DataType::UInt64).alias("tickets"),
                col("ticket_price").sum(),
                col("refunded_amount").sum(),
            ];
            groups.push(collect(rows.clone().lazy().group_by(names(keys)).agg(sums))?);
            if groups.iter().map(DataFrame::height).sum::<usize>() > GROUPS_AT_ONCE {
                let together = put_together(keys, std::mem::take(groups))?;
                groups.push(together);
            }
        }
        Ok(())
    }

    /// What the tickets come to; `trips` are all of theirs.
    ///
    /// # Errors
    /// When Polars fails, or the trips can't be read.
    pub fn finish(
        mut self,
        trips: impl Iterator<Item = Result<RecordBatch, SnapshotError>>,
    ) -> Result<SalesByCurrency, super::bookings::SummaryError> {
        self.group()?;
        let trips = Trips::read(trips)?;
        let mut sums = SalesByCurrency::default();
        let [days, by_trip, fares] = self.groups;
        if days.is_empty() {
            return Ok(sums);
        }
        for (currency, key, sales) in parts(&put_together(GROUPINGS[0], days)?, GROUPINGS[0])? {
            let of = sums.currencies.entry(currency).or_default();
            of.total.add(&sales);
            if let [Key::Day(Some(day))] = key[..] {
                of.by_day.entry(Day { day: date(day) }).or_default().add(&sales);
            }
        }
        for (currency, key, sales) in parts(&put_together(GROUPINGS[1], by_trip)?, GROUPINGS[1])? {
            let of = sums.currencies.entry(currency).or_default();
            let [Key::Text(Some(id))] = &key[..] else { continue };
            let Some(trip) = trips.0.get(id) else { continue };
            of.by_route.entry(trip.route.clone()).or_default().add(&sales);
            of.by_station_pair.entry(trip.stations.clone()).or_default().add(&sales);
            if trip.capacity.is_some() {
                *sums.passengers.entry(trip.route.clone()).or_default() += sales.passengers();
            }
        }
        for (currency, key, sales) in parts(&put_together(GROUPINGS[2], fares)?, GROUPINGS[2])? {
            let of = sums.currencies.entry(currency).or_default();
            if let [Key::Text(fare), Key::Text(class)] = &key[..] {
                let key = Fare { fare: fare.clone(), class: class.clone() };
                of.by_fare.entry(key).or_default().add(&sales);
            }
        }
        sums.load = trips.load(&sums.passengers);
        Ok(sums)
    }
}

fn names(keys: &[&str]) -> Vec<Expr> {
    keys.iter().map(|key| col(*key)).collect()
}

fn collect(frame: LazyFrame) -> Result<DataFrame, String> {
    frame.collect().map_err(|e| e.to_string())
}

/// The sums of groups that were made apart, of which there must be some.
fn put_together(keys: &[&str], groups: Vec<DataFrame>) -> Result<DataFrame, String> {
    let mut all = DataFrame::empty();
    for group in &groups {
        if all.width() == 0 {
            all = group.clone();
        } else {
            all.vstack_mut(group).map_err(|e| e.to_string())?;
        }
    }
    collect(all.lazy().group_by(names(keys)).agg(SUMS.map(|name| col(name).sum())))
}

/// A value by which tickets were grouped.
#[derive(Debug, Clone)]
enum Key {
    Text(Option<String>),
    Day(Option<i32>),
}

/// The groups of a frame: currency, the other keys, and what it comes to.
fn parts(groups: &DataFrame, keys: &[&str]) -> Result<Vec<(String, Vec<Key>, Sales)>, String> {
    let failed = |e: polars::prelude::PolarsError| e.to_string();
    let counts = |name: &str| -> Result<Vec<u64>, String> {
        let numbers = groups.column(name).and_then(|column| column.u64()).map_err(failed)?;
        Ok(numbers.iter().map(Option::unwrap_or_default).collect())
    };
    let amounts = |name: &str| -> Result<Vec<i128>, String> {
        let numbers = groups.column(name).and_then(|column| column.decimal()).map_err(failed)?;
        Ok(numbers.physical().iter().map(Option::unwrap_or_default).collect())
    };
    let mut rows: Vec<Vec<Key>> = vec![Vec::new(); groups.height()];
    for name in keys {
        let column = groups.column(name).map_err(failed)?;
        if *name == DAY {
            let days = column.date().map_err(failed)?;
            days.physical().iter().zip(&mut rows).for_each(|(day, row)| row.push(Key::Day(day)));
        } else {
            let texts = column.str().map_err(failed)?;
            texts.iter().zip(&mut rows).for_each(|(text, row)| row.push(Key::Text(text.map(str::to_owned))));
        }
    }
    let [tickets, gross, refunds] = SUMS;
    let (tickets, gross, refunds) = (counts(tickets)?, amounts(gross)?, amounts(refunds)?);
    let part = |(i, mut key): (usize, Vec<Key>)| {
        let mut taken = |at: usize| match key.remove(at) {
            Key::Text(text) => text.unwrap_or_default(),
            Key::Day(_) => String::new(),
        };
        let (currency, status) = (taken(0), taken(0));
        let mut sales =
            Sales { tickets: tickets[i], gross: Money(gross[i]), refunds: Money(refunds[i]), ..Sales::default() };
        match status.as_str() {
            "reserved" => sales.reserved = sales.tickets,
            "cancelled" => sales.cancelled = sales.tickets,
            "refunded" => sales.refunded = sales.tickets,
            "checked_in" => sales.checked_in = sales.tickets,
            _ => {}
        }
        (currency, key, sales)
    };
    Ok(rows.into_iter().enumerate().map(part).collect())
}

/// What is wrong with single tickets.
fn judge_tickets(batch: &RecordBatch, days: &Date32Array, exceptions: &mut Exceptions<'_>) -> Result<(), String> {
    let column = |name: &str| batch.column(TICKETS.position(name).unwrap_or_default());
    let texts = |name: &str| column(name).as_string::<i32>();
    let text = |name: &str, row: usize| texts(name).is_valid(row).then(|| texts(name).value(row).to_owned());
    let (bookings, currencies, their_currencies) =
        (column("booking_id"), texts("ticket_currency"), texts("booking_currency"));
    let (statuses, latest) = (texts("ticket_status"), texts("latest_payment_status"));
    let prices = column("ticket_price").as_primitive::<Decimal128Type>();
    let paid = column("paid_amount").as_primitive::<Decimal128Type>();
    for row in 0..batch.num_rows() {
        let mut add = |reason, stage, amount| {
            exceptions.add(Exception {
                reason,
                stage,
                booking: text("booking_ref", row),
                ticket: text("ticket_ref", row),
                amount,
                currency: text("ticket_currency", row),
                since: days.is_valid(row).then(|| date(days.value(row))),
            })
        };
        let price = if prices.is_valid(row) { prices.value(row) } else { 0 };
        if bookings.is_null(row) {
            add("ticket_without_booking", Stage::Totals, Some(-price))?;
            continue;
        }
        if currencies.value(row) != their_currencies.value(row) {
            add("currencies_differ", Stage::Totals, Some(-price))?;
        }
        let unpaid = paid.is_null(row) || paid.value(row) == 0;
        let settled = latest.is_valid(row) && matches!(latest.value(row), "completed" | "refunded");
        if statuses.value(row) == "checked_in" && unpaid && !settled {
            add("checked_in_unpaid", Stage::Received, None)?;
        }
    }
    Ok(())
}

/// What one currency's tickets come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TicketFigures {
    /// All of them.
    pub total: Sales,
    /// By day of issue.
    pub by_day: BTreeMap<Day, Sales>,
    /// By route.
    pub by_route: BTreeMap<Route, Sales>,
    /// By fare and class.
    pub by_fare: BTreeMap<Fare, Sales>,
    /// By pair of stations.
    pub by_station_pair: BTreeMap<StationPair, Sales>,
}

/// What the tickets come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SalesByCurrency {
    /// By currency code.
    pub currencies: BTreeMap<String, TicketFigures>,
    /// How full each route's trains were.
    pub load: Vec<Load>,
    passengers: BTreeMap<Route, u64>,
}

/// Parts in the order of their keys.
pub(super) fn listed<K>(parts: BTreeMap<K, Sales>) -> Vec<Part<K>> {
    parts.into_iter().map(|(key, sales)| Part { key, sales }).collect()
}

struct Trip {
    route: Route,
    stations: StationPair,
    capacity: Option<i64>,
}

/// The trips by key: as many as a timetable has, whatever the number of tickets.
struct Trips(BTreeMap<String, Trip>);

impl Trips {
    fn read(batches: impl Iterator<Item = Result<RecordBatch, SnapshotError>>) -> Result<Self, SnapshotError> {
        let mut trips = BTreeMap::new();
        for batch in batches {
            let batch = batch?;
            let column = |name: &str| batch.column(TRIPS.position(name).unwrap_or_default());
            let text = |name: &str, row: usize| {
                let texts = column(name).as_string::<i32>();
                texts.is_valid(row).then(|| texts.value(row).to_owned())
            };
            let capacities = column("capacity").as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let trip = Trip {
                    route: Route { route: text("route_code", row), name: text("route_name", row) },
                    stations: StationPair {
                        from: text("departure_station_code", row),
                        to: text("arrival_station_code", row),
                    },
                    capacity: capacities.is_valid(row).then(|| capacities.value(row)),
                };
                trips.insert(text("trip_id", row).unwrap_or_default(), trip);
            }
        }
        Ok(Self(trips))
    }

    fn load(&self, passengers: &BTreeMap<Route, u64>) -> Vec<Load> {
        let mut loads: BTreeMap<&Route, Load> = BTreeMap::new();
        for trip in self.0.values() {
            let load = loads.entry(&trip.route).or_insert_with(|| Load {
                route: trip.route.clone(),
                trips: 0,
                known_trips: 0,
                passengers: passengers.get(&trip.route).copied().unwrap_or_default(),
                capacity: 0,
            });
            load.trips += 1;
            if let Some(capacity) = trip.capacity {
                load.known_trips += 1;
                load.capacity += capacity.unsigned_abs();
            }
        }
        loads.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_report_zones_own() {
        let rome: ReportTimeZone = "Europe/Rome".parse().unwrap();
        let march = ReportPeriod::new(
            jiff::civil::date(2025, 3, 1),
            jiff::civil::date(2025, 3, 31),
            jiff::civil::date(2025, 12, 1),
        )
        .unwrap();
        let starts = Starts::new(march, &rome).unwrap();
        for (instant, day) in [
            ("2025-02-28T23:00:00Z", "2025-03-01"),
            ("2025-03-29T22:59:59.999999Z", "2025-03-29"),
            ("2025-03-29T23:00:00Z", "2025-03-30"),
            ("2025-03-30T21:59:59Z", "2025-03-30"),
            ("2025-03-30T22:00:00Z", "2025-03-31"),
        ] {
            let micros = instant.parse::<jiff::Timestamp>().unwrap().as_microsecond();
            assert_eq!(date(starts.day(micros)).to_string(), day, "{instant}");
        }
    }

    #[test]
    fn dates_and_their_numbers_are_one() {
        let numbers = Date32Array::from_iter_values([-1, 0, 20_089]);
        for number in numbers.values() {
            assert_eq!(day_number(date(*number)), *number);
        }
        assert_eq!(date(20_089).to_string(), "2025-01-01");
    }
}
