//! The demo as a whole, seen through the rows it writes.

mod sales;
mod sqlite;

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::date;

use super::{
    hostile,
    sales::Business,
    tables::{Cell, Store, TABLES, Table, Writer, fill},
    *,
};

fn options(tickets: u64, months: u32) -> DemoOptions {
    DemoOptions { tickets, first_month: date(2025, 1, 1), months, seed: 7 }
}

/// Rows as text, by table.
#[derive(Debug, Default, PartialEq)]
struct Rows(BTreeMap<&'static str, Vec<Vec<String>>>);

impl Store for Rows {
    fn load(
        &mut self,
        table: &Table,
        rows: &mut dyn FnMut(&mut Writer<'_>) -> Result<(), DemoError>,
    ) -> Result<(), DemoError> {
        let kept = self.0.entry(table.name).or_default();
        rows(&mut |cells| {
            kept.push(
                cells
                    .iter()
                    .map(|cell| match cell {
                        Cell::Null => String::new(),
                        Cell::Text(text) => (*text).to_owned(),
                        other => format!("{other:?}"),
                    })
                    .collect(),
            );
            Ok(())
        })
    }
}

impl Rows {
    fn of(options: &DemoOptions) -> (Self, DemoSummary) {
        let mut rows = Self::default();
        let business = Business::new(options).unwrap();
        let summary = fill(&business, &mut rows, &mut |_, _| {}).unwrap();
        (rows, summary)
    }

    fn column(&self, table: &str, column: &str) -> Vec<&str> {
        let columns = TABLES.iter().find(|known| known.name == table).unwrap().columns;
        let place = columns.iter().position(|known| *known == column).unwrap();
        self.0[table].iter().map(|row| row[place].as_str()).collect()
    }

    fn filled(&self, table: &str, column: &str) -> Vec<&str> {
        self.column(table, column).into_iter().filter(|value| !value.is_empty()).collect()
    }
}

#[test]
fn a_seed_decides_everything() {
    let first = Rows::of(&options(500, 2));
    assert_eq!(first, Rows::of(&options(500, 2)));
    assert_ne!(first, Rows::of(&DemoOptions { seed: 8, ..options(500, 2) }));
}

#[test]
fn there_are_exactly_as_many_tickets_as_asked_for() {
    for (tickets, months) in [(100, 1), (100, 12), (101, 5), (480, 60), (2000, 3), (12_345, 7)] {
        let (rows, summary) = Rows::of(&options(tickets, months));
        assert_eq!(summary.tickets, tickets);
        assert_eq!(rows.0["tickets"].len() as u64, tickets);
        assert_eq!(rows.0["bookings"].len() as u64, summary.bookings);
        assert_eq!(rows.0["trips"].len() as u64, summary.trips);
    }
}

#[test]
fn references_lead_to_rows_and_keys_are_unique() {
    let (rows, _) = Rows::of(&options(20_000, 1));
    for (table, column) in [
        ("tickets", "ticket_ref"),
        ("bookings", "booking_ref"),
        ("trips", "id"),
        ("routes", "code"),
        ("stations", "code"),
        ("fares", "code"),
        ("trains", "registration"),
        ("seats", "id"),
        ("payments", "id"),
        ("ticket_refunds", "id"),
    ] {
        let values = rows.column(table, column);
        assert_eq!(values.iter().collect::<HashSet<_>>().len(), values.len(), "{table}.{column}");
    }
    for (table, column, other) in [
        ("carriages", "train_id", "trains"),
        ("seats", "carriage_id", "carriages"),
        ("trips", "route_id", "routes"),
        ("trips", "train_id", "trains"),
        ("trips", "departure_station_id", "stations"),
        ("tickets", "booking_id", "bookings"),
        ("tickets", "passenger_id", "passengers"),
        ("tickets", "trip_id", "trips"),
        ("tickets", "fare_id", "fares"),
        ("tickets", "seat_id", "seats"),
        ("payments", "booking_id", "bookings"),
        ("ticket_refunds", "ticket_id", "tickets"),
    ] {
        let known: HashSet<_> = rows.column(other, "id").into_iter().collect();
        let missing = rows.filled(table, column).into_iter().find(|id| !known.contains(id));
        assert_eq!(missing, None, "{table}.{column}");
    }
}

#[test]
fn no_seat_of_a_trip_is_sold_twice_and_each_belongs_to_the_trips_train() {
    // So many in one month that the popular trips are full.
    let (rows, _) = Rows::of(&options(150_000, 1));
    let trains: HashMap<_, _> = rows.column("trips", "id").into_iter().zip(rows.column("trips", "train_id")).collect();
    let carriages: HashMap<_, _> =
        rows.column("carriages", "id").into_iter().zip(rows.column("carriages", "train_id")).collect();
    let seats: HashMap<_, _> =
        rows.column("seats", "id").into_iter().zip(rows.column("seats", "carriage_id")).collect();

    let (mut sold, mut without) = (HashSet::new(), 0);
    for (trip, seat) in rows.column("tickets", "trip_id").into_iter().zip(rows.column("tickets", "seat_id")) {
        if seat.is_empty() {
            without += 1;
            continue;
        }
        assert!(sold.insert((trip, seat)), "seat {seat} of {trip} is sold twice");
        assert_eq!(carriages[seats[seat]], trains[trip]);
    }
    assert!(without * 2 < sold.len());
}

#[test]
fn a_hundred_tickets_show_every_hostile_name() {
    for months in [1, 12] {
        let (rows, _) = Rows::of(&options(100, months));
        let travelling: HashSet<_> = rows.filled("tickets", "passenger_id").into_iter().collect();
        let names: HashSet<_> = rows.0["passengers"]
            .iter()
            .filter(|row| travelling.contains(row[0].as_str()))
            .map(|row| [row[2].clone(), row[3].clone()])
            .collect();
        for place in 0..hostile::NAMES.len() {
            assert!(names.contains(&hostile::names(place).map(String::from)), "name {place}");
        }
    }
}

#[test]
fn options_out_of_bounds_are_refused_with_a_remedy() {
    let valid = options(100, 1);
    for (options, message) in [
        (DemoOptions { tickets: 99, ..valid }, "a demo can't have `99` tickets; ask for 100 to 1000000"),
        (DemoOptions { tickets: 1_000_001, ..valid }, "a demo can't have `1000001` tickets; ask for 100 to 1000000"),
        (DemoOptions { months: 0, ..valid }, "a demo can't have `0` months; ask for 1 to 60"),
        (
            DemoOptions { months: 20, ..valid },
            "`100` tickets are too few for 20 months; ask for 160 or more, or for fewer months",
        ),
        (
            DemoOptions { first_month: date(2025, 1, 17), ..valid },
            "`2025-01-17` is not the first day of a month; give `2025-01-01`",
        ),
        (
            DemoOptions { first_month: date(1999, 12, 1), ..valid },
            "a demo can't begin on `1999-12-01`; give the first day of a month from 2000-01-01 to 2090-01-01",
        ),
    ] {
        assert_eq!(options.validated(true).unwrap_err().to_string(), message);
    }
    assert_eq!(valid.validated(true).unwrap(), valid);
    assert!(DemoOptions { tickets: MOST_TICKETS, ..valid }.validated(false).is_ok());
}
