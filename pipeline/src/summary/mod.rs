//! The summary of an edition: what its sheets say beside the rows. Small whatever the number of rows, per currency, and
//! kept in the manifest, so that others can plot it without reading a Parquet file.
//!
//! How it comes about: [`tickets`] adds up the tickets while they pass, [`bookings`] meets each booking with its
//! payments, and [`judge`] says what doesn't agree and why. What each figure means stands in [`terms`].

#[cfg(feature = "engine")]
pub mod assemble;
#[cfg(feature = "engine")]
pub mod bookings;
#[cfg(feature = "engine")]
pub mod exceptions;
pub mod judge;
pub mod terms;
#[cfg(feature = "engine")]
pub mod tickets;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    manifest::{Money, Total},
    period::PeriodId,
};

/// Days since 1970.
#[must_use]
pub fn day_number(day: Date) -> i32 {
    let epoch = Date::constant(1970, 1, 1);
    day.since(epoch).map_or(0, |span| span.get_days())
}

/// Tickets and their money in one currency; see [`terms::TERMS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sales {
    /// All tickets issued in the period.
    pub tickets: u64,
    /// Those that are reserved at the cut.
    pub reserved: u64,
    /// Those that are cancelled.
    pub cancelled: u64,
    /// Those that are refunded.
    pub refunded: u64,
    /// Those whose passengers have checked in.
    pub checked_in: u64,
    /// Sum of their prices.
    pub gross: Money,
    /// Sum of their refunds in their own currency.
    pub refunds: Money,
}

impl Sales {
    /// Gross sales less refunds.
    #[must_use]
    pub fn net(&self) -> Money {
        Money(self.gross.0 - self.refunds.0)
    }

    /// Gross sales by ticket, rounded half up to the cent; `None` without a ticket.
    #[must_use]
    pub fn average_fare(&self) -> Option<Money> {
        let tickets = i128::from(self.tickets);
        (tickets > 0).then(|| Money((2 * self.gross.0 + tickets).div_euclid(2 * tickets)))
    }

    /// Tickets that carry somebody.
    #[must_use]
    pub fn passengers(&self) -> u64 {
        self.tickets - self.cancelled - self.refunded
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.tickets += other.tickets;
        self.reserved += other.reserved;
        self.cancelled += other.cancelled;
        self.refunded += other.refunded;
        self.checked_in += other.checked_in;
        self.gross.0 += other.gross.0;
        self.refunds.0 += other.refunds.0;
    }
}

/// The sales of one part of the period's tickets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part<K> {
    /// What its tickets have in common.
    #[serde(flatten)]
    pub key: K,
    /// Their sales.
    #[serde(flatten)]
    pub sales: Sales,
}

/// Tickets issued on one day of the report's time zone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Day {
    /// The day.
    pub day: Date,
}

/// Tickets of one route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    /// The route's code; `None` where the trip has none.
    pub route: Option<String>,
    /// The route's name.
    pub name: Option<String>,
}

/// Tickets of one fare in one class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fare {
    /// The fare's code; `None` for tickets without fare.
    pub fare: Option<String>,
    /// The class of its seats.
    pub class: Option<String>,
}

/// Tickets from one station to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StationPair {
    /// Code of the station of departure.
    pub from: Option<String>,
    /// Code of the station of arrival.
    pub to: Option<String>,
}

/// How full a route's trains were, as far as their capacity is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// The route.
    #[serde(flatten)]
    pub route: Route,
    /// Trips for which a ticket was issued in the period.
    pub trips: u64,
    /// Those whose train's capacity is known.
    pub known_trips: u64,
    /// Passengers of those, of whatever currency.
    pub passengers: u64,
    /// Sum of their capacities.
    pub capacity: u64,
}

/// Payments of one method and status, in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentLine {
    /// The method.
    pub method: Option<String>,
    /// The status at the cut.
    pub status: Option<String>,
    /// Payments that were their booking's first.
    pub first: Total,
    /// Later payments of their booking.
    pub retries: Total,
}

/// Distinct bookings in one currency, and what was paid for them; see [`terms::TERMS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BookingFigures {
    /// Bookings with a ticket in the period.
    pub bookings: u64,
    /// Sum of their totals.
    pub totals: Money,
    /// Of those that are confirmed.
    pub due: Money,
    /// Payments completed or refunded.
    pub received: Money,
    /// Payments refunded.
    pub given_back: Money,
    /// Payments completed.
    pub paid: Money,
    /// What is due and wasn't received.
    pub outstanding: Money,
}

/// What a line of the reconciliation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// An amount that stands by itself: a sum over a table.
    Step,
    /// A difference that is in the ordinary course of business.
    Ordinary,
    /// A difference that an exception explains.
    Exception,
}

/// A line of the reconciliation. After the first step come the differences that lead to the next, and so on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconciliationLine {
    /// What it is.
    pub kind: LineKind,
    /// The key of its term or reason.
    pub key: String,
    /// How many tickets, bookings or payments make it up.
    pub count: u64,
    /// The step's amount, or the difference.
    pub amount: Money,
}

/// Outstanding amounts of one age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Unpaid {
    /// Bookings.
    pub bookings: u64,
    /// What is outstanding of them.
    pub amount: Money,
}

/// The ages by which outstanding amounts are told apart: not due, and up to so many days.
pub const AGES: [(&str, Option<i32>); 5] = [
    ("not_due", Some(0)),
    ("days_1_30", Some(30)),
    ("days_31_60", Some(60)),
    ("days_61_90", Some(90)),
    ("over_90_days", None),
];

/// Everything in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CurrencySummary {
    /// All tickets.
    pub sales: Sales,
    /// All bookings.
    pub bookings: BookingFigures,
    /// Each day of the period with a ticket.
    pub by_day: Vec<Part<Day>>,
    /// Each route.
    pub by_route: Vec<Part<Route>>,
    /// Each fare and class.
    pub by_fare: Vec<Part<Fare>>,
    /// Each pair of stations.
    pub by_station_pair: Vec<Part<StationPair>>,
    /// Each method and status.
    pub payments: Vec<PaymentLine>,
    /// From the tickets sold to the payments, and from what was given back to the refunds.
    pub reconciliation: Vec<ReconciliationLine>,
    /// Outstanding amounts, by [`AGES`].
    pub unpaid: [Unpaid; 5],
}

impl CurrencySummary {
    /// What the differences leave unexplained between each step and the one before it; all nought unless the program or
    /// the database contradicts itself. [`judge::STARTS`] begin anew.
    #[must_use]
    pub fn unexplained(&self) -> Vec<(&str, Money)> {
        let mut expected = 0;
        let mut unexplained = Vec::new();
        for line in &self.reconciliation {
            match line.kind {
                LineKind::Step => {
                    if !judge::STARTS.contains(&line.key.as_str()) {
                        unexplained.push((line.key.as_str(), Money(line.amount.0 - expected)));
                    }
                    expected = line.amount.0;
                }
                LineKind::Ordinary | LineKind::Exception => expected += line.amount.0,
            }
        }
        unexplained
    }
}

/// The summary of an edition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// By currency code.
    pub currencies: BTreeMap<String, CurrencySummary>,
    /// How full each route's trains were.
    pub load: Vec<Load>,
    /// Rows of the table of exceptions, by reason.
    pub exceptions: BTreeMap<String, u64>,
}

/// How a period that another is compared with lies to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The period just before.
    Previous,
    /// The same days a year before.
    YearBefore,
}

/// What another period came to, from its own manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// How it lies to the edition's period.
    pub relation: Relation,
    /// The other period.
    pub period: PeriodId,
    /// Its newest edition when this one was made.
    pub edition: u32,
    /// Its figures by currency.
    pub currencies: BTreeMap<String, ComparedFigures>,
}

/// What another period came to in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ComparedFigures {
    /// All tickets.
    pub sales: Sales,
    /// All bookings.
    pub bookings: BookingFigures,
    /// Net sales by day.
    pub net_by_day: Vec<(Date, Money)>,
}

impl Summary {
    /// What an edition that is compared with this one keeps of it.
    #[must_use]
    pub fn compared(&self) -> BTreeMap<String, ComparedFigures> {
        let figures = |of: &CurrencySummary| ComparedFigures {
            sales: of.sales,
            bookings: of.bookings,
            net_by_day: of.by_day.iter().map(|part| (part.key.day, part.sales.net())).collect(),
        };
        self.currencies.iter().map(|(code, of)| (code.clone(), figures(of))).collect()
    }
}
