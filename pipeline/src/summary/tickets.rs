//! The tickets added up while they pass. What is kept grows with the days, trips and fares, not with the tickets.

use std::collections::{BTreeMap, HashMap};

use arrow::{
    array::{Array, AsArray, Date32Array, StringArray},
    datatypes::{Decimal128Type, Int64Type, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use jiff::{ToSpan, civil::Date};
use uuid::Uuid;

use super::{
    Day, Fare, Load, Part, Route, Sales, StationPair,
    bookings::SummaryError,
    day_number,
    exceptions::{Exception, Exceptions},
    judge::Stage,
};
use crate::{
    columns::{TICKETS, TRIPS},
    manifest::Money,
    period::{PeriodError, ReportPeriod, ReportTimeZone},
    snapshot::SnapshotError,
};

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

/// Texts by numbers, so that what is grouped by them is found without making texts.
#[derive(Debug, Default)]
struct Texts {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Texts {
    /// The number of a text; 0 for none.
    fn number(&mut self, texts: &StringArray, row: usize) -> u32 {
        if texts.is_null(row) {
            return 0;
        }
        let text = texts.value(row);
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        self.texts.push(text.to_owned());
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.numbers.insert(text.to_owned(), number);
        number
    }

    fn text(&self, number: u32) -> Option<String> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        self.texts.get(place).cloned()
    }
}

/// A trip's key as a number: there may be tens of thousands of trips, and a text is several times as large.
fn trip_key(text: &str) -> Result<u128, String> {
    Uuid::parse_str(text).map(|key| key.as_u128()).map_err(|e| format!("`{text}` is no trip's key: {e}"))
}

/// The tickets so far.
pub struct TicketSums {
    starts: Starts,
    texts: Texts,
    by_day: HashMap<(u32, i32), Sales>,
    /// By route, from one station to another.
    by_journey: HashMap<[u32; 4], Sales>,
    by_fare: HashMap<[u32; 3], Sales>,
    /// Passengers by trip.
    passengers: HashMap<u128, u32>,
}

impl TicketSums {
    /// No tickets of a period.
    ///
    /// # Errors
    /// When the period lies at the calendar's very end.
    pub fn new(period: ReportPeriod, zone: &ReportTimeZone) -> Result<Self, PeriodError> {
        Ok(Self {
            starts: Starts::new(period, zone)?,
            texts: Texts::default(),
            by_day: HashMap::new(),
            by_journey: HashMap::new(),
            by_fare: HashMap::new(),
            passengers: HashMap::new(),
        })
    }

    /// Adds a batch of tickets; what is wrong with single ones goes to `exceptions`.
    ///
    /// # Errors
    /// When the exceptions can't be written, or a trip's key is no UUID.
    pub fn add(&mut self, batch: &RecordBatch, exceptions: &mut Exceptions<'_>) -> Result<(), String> {
        let issued = column(batch, "issued_at").as_primitive::<TimestampMicrosecondType>();
        let days: Date32Array = issued.iter().map(|at| at.map(|at| self.starts.day(at))).collect();
        judge_tickets(batch, &days, exceptions)?;
        let texts = |name: &str| column(batch, name).as_string::<i32>();
        let amounts = |name: &str| column(batch, name).as_primitive::<Decimal128Type>();
        let [currencies, statuses, trips] = ["ticket_currency", "ticket_status", "trip_id"].map(texts);
        let [fares, classes] = ["fare_code", "fare_seat_class"].map(texts);
        let journeys = ["route_code", "departure_station_code", "arrival_station_code"].map(texts);
        let [prices, refunds] = ["ticket_price", "refunded_amount"].map(amounts);
        for row in 0..batch.num_rows() {
            let amount = |of: &arrow::array::Decimal128Array| if of.is_valid(row) { of.value(row) } else { 0 };
            let status = if statuses.is_valid(row) { statuses.value(row) } else { "" };
            let one = Sales {
                tickets: 1,
                reserved: u64::from(status == "reserved"),
                cancelled: u64::from(status == "cancelled"),
                refunded: u64::from(status == "refunded"),
                checked_in: u64::from(status == "checked_in"),
                gross: Money(amount(prices)),
                refunds: Money(amount(refunds)),
            };
            let currency = self.texts.number(currencies, row);
            let [fare, class] = [fares, classes].map(|of| self.texts.number(of, row));
            let [route, from, to] = journeys.map(|of| self.texts.number(of, row));
            let trip = trip_key(if trips.is_valid(row) { trips.value(row) } else { "" })?;
            self.by_day.entry((currency, days.value(row))).or_default().add(&one);
            self.by_journey.entry([currency, route, from, to]).or_default().add(&one);
            self.by_fare.entry([currency, fare, class]).or_default().add(&one);
            *self.passengers.entry(trip).or_default() += u32::try_from(one.passengers()).unwrap_or_default();
        }
        Ok(())
    }

    /// What the tickets come to; `trips` are all of theirs.
    ///
    /// # Errors
    /// When the trips can't be read.
    pub fn finish(
        self,
        trips: impl Iterator<Item = Result<RecordBatch, SnapshotError>>,
    ) -> Result<SalesByCurrency, SummaryError> {
        let Self { texts, by_day, by_journey, by_fare, passengers, .. } = self;
        let trips = Trips::read(trips)?;
        let mut currencies: BTreeMap<String, TicketFigures> = BTreeMap::new();
        let code = |number| texts.text(number).unwrap_or_default();
        for ((currency, day), sales) in by_day {
            let of = currencies.entry(code(currency)).or_default();
            of.total.add(&sales);
            of.by_day.entry(Day { day: date(day) }).or_default().add(&sales);
        }
        let names: BTreeMap<_, _> = trips.0.values().map(|trip| (&trip.route.route, &trip.route.name)).collect();
        for ([currency, route, from, to], sales) in by_journey {
            let [route, from, to] = [route, from, to].map(|number| texts.text(number));
            let name = names.get(&route).and_then(|name| (*name).clone());
            let of = currencies.entry(code(currency)).or_default();
            of.by_route.entry(Route { route, name }).or_default().add(&sales);
            of.by_station_pair.entry(StationPair { from, to }).or_default().add(&sales);
        }
        let mut by_route: BTreeMap<Route, u64> = BTreeMap::new();
        for (key, passengers) in passengers {
            let unknown = || SummaryError::Failed(format!("trip `{}` is none of the trips", Uuid::from_u128(key)));
            let trip = trips.0.get(&key).ok_or_else(unknown)?;
            if trip.capacity.is_some() {
                *by_route.entry(trip.route.clone()).or_default() += u64::from(passengers);
            }
        }
        for ([currency, fare, class], sales) in by_fare {
            let of = currencies.entry(code(currency)).or_default();
            let key = Fare { fare: texts.text(fare), class: texts.text(class) };
            of.by_fare.entry(key).or_default().add(&sales);
        }
        Ok(SalesByCurrency { currencies, load: trips.load(&by_route) })
    }
}

/// A column of the tickets by its name.
fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a dyn Array {
    batch.column(TICKETS.position(name).unwrap_or_default())
}

/// What is wrong with single tickets.
fn judge_tickets(batch: &RecordBatch, days: &Date32Array, exceptions: &mut Exceptions<'_>) -> Result<(), String> {
    let column = |name: &str| column(batch, name);
    let texts = |name: &str| column(name).as_string::<i32>();
    let text = |name: &str, row: usize| texts(name).is_valid(row).then(|| texts(name).value(row).to_owned());
    let (bookings, currencies, their_currencies) =
        (column("booking_id"), texts("ticket_currency"), texts("booking_currency"));
    let (statuses, latest) = (texts("ticket_status"), texts("latest_payment_status"));
    let prices = column("ticket_price").as_primitive::<Decimal128Type>();
    let totals = column("booking_total_amount").as_primitive::<Decimal128Type>();
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
        let unpaid = totals.value(row) > 0 && (paid.is_null(row) || paid.value(row) == 0);
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
}

/// Parts in the order of their keys.
pub(super) fn listed<K>(parts: BTreeMap<K, Sales>) -> Vec<Part<K>> {
    parts.into_iter().map(|(key, sales)| Part { key, sales }).collect()
}

struct Trip {
    route: Route,
    capacity: Option<i64>,
}

/// The trips by key: as many as a timetable has, whatever the number of tickets.
struct Trips(BTreeMap<u128, Trip>);

impl Trips {
    fn read(batches: impl Iterator<Item = Result<RecordBatch, SnapshotError>>) -> Result<Self, SummaryError> {
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
                    capacity: capacities.is_valid(row).then(|| capacities.value(row)),
                };
                let key = trip_key(&text("trip_id", row).unwrap_or_default()).map_err(SummaryError::Failed)?;
                trips.insert(key, trip);
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
