//! The tables: their columns, and what a database has to offer to be filled with them.

use jiff::civil::Date;
use uuid::Uuid;

use super::{DemoError, DemoSummary, calendar::Micros, rows, sales::Business};

/// What stands in a column of a row. Every database stores each in its own way.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'c> {
    Null,
    Id(Uuid),
    Text(&'c str),
    Whole(i32),
    /// Hundredths of a currency.
    Cents(i64),
    /// Millionths of a degree.
    Degrees(i32),
    Instant(Micros),
    Date(Date),
    /// A time of day in minutes after midnight.
    Minutes(u32),
    Flag(bool),
}

impl<'c> Cell<'c> {
    /// The value's cell, or null.
    pub(crate) fn or_null<T>(value: Option<T>, cell: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Null, cell)
    }
}

/// Takes a row.
pub(crate) type Writer<'w> = dyn FnMut(&[Cell<'_>]) -> Result<(), DemoError> + 'w;

/// A table to fill.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [&'static str],
    /// Gives all its rows to a writer.
    rows: fn(&Business, &mut Writer<'_>) -> Result<(), DemoError>,
}

/// A database under construction.
pub(crate) trait Store {
    /// Fills a table with the rows that `rows` gives to the writer it is called with, once.
    fn load(
        &mut self,
        table: &Table,
        rows: &mut dyn FnMut(&mut Writer<'_>) -> Result<(), DemoError>,
    ) -> Result<(), DemoError>;
}

/// All tables, each after those it refers to.
#[rustfmt::skip]
pub(crate) const TABLES: [Table; 12] = [
    Table {
        name: "stations",
        columns: &["id", "code", "name", "city", "region", "country", "latitude", "longitude", "timezone"],
        rows: rows::stations,
    },
    Table { name: "routes", columns: &["id", "code", "name", "notes"], rows: rows::routes },
    Table {
        name: "fares",
        columns: &[
            "id", "code", "name", "price", "currency", "seat_class", "refundable", "refund_policy", "valid_from",
            "valid_until",
        ],
        rows: rows::fares,
    },
    Table {
        name: "trains",
        columns: &["id", "registration", "model", "operator", "capacity"],
        rows: rows::trains,
    },
    Table {
        name: "carriages",
        columns: &["id", "train_id", "carriage_number", "carriage_type", "capacity"],
        rows: rows::carriages,
    },
    Table {
        name: "seats",
        columns: &["id", "carriage_id", "seat_number", "seat_class", "position", "is_accessible"],
        rows: rows::seats,
    },
    Table {
        name: "trips",
        columns: &[
            "id", "route_id", "train_id", "service_date", "departure_time", "arrival_time", "departure_station_id",
            "arrival_station_id", "status", "created_at",
        ],
        rows: rows::trips,
    },
    Table {
        name: "passengers",
        columns: &[
            "id", "user_id", "first_name", "last_name", "date_of_birth", "doc_type", "doc_number", "email", "phone",
            "created_at",
        ],
        rows: rows::passengers,
    },
    Table {
        name: "bookings",
        columns: &[
            "id", "user_id", "booking_ref", "status", "total_amount", "currency", "created_at", "expires_at",
        ],
        rows: rows::bookings,
    },
    Table {
        name: "tickets",
        columns: &[
            "id", "booking_id", "passenger_id", "trip_id", "fare_id", "seat_id", "ticket_ref", "price", "currency",
            "status", "issued_at", "cancelled_at", "checked_in_at", "notes",
        ],
        rows: rows::tickets,
    },
    Table {
        name: "payments",
        columns: &[
            "id", "booking_id", "amount", "currency", "method", "provider_reference", "status", "paid_at",
            "created_at",
        ],
        rows: rows::payments,
    },
    Table {
        name: "ticket_refunds",
        columns: &["id", "ticket_id", "refunded_amount", "currency", "processed_at", "reason"],
        rows: rows::refunds,
    },
];

/// Fills every table of a database.
pub(crate) fn fill(
    business: &Business,
    store: &mut dyn Store,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<DemoSummary, DemoError> {
    let mut summary = DemoSummary::default();
    for table in &TABLES {
        let mut count = 0;
        store.load(table, &mut |write| {
            let mut counted = |cells: &[Cell<'_>]| {
                debug_assert_eq!(cells.len(), table.columns.len(), "a row of {} has its columns", table.name);
                write(cells)?;
                count += 1;
                if count % 10_000 == 0 {
                    progress(table.name, count);
                }
                Ok(())
            };
            (table.rows)(business, &mut counted)
        })?;
        progress(table.name, count);
        match table.name {
            "tickets" => summary.tickets = count,
            "bookings" => summary.bookings = count,
            "payments" => summary.payments = count,
            "ticket_refunds" => summary.refunds = count,
            "trips" => summary.trips = count,
            _ => {}
        }
    }
    Ok(summary)
}
