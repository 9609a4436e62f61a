//! The one table of columns: what each is called, holds, means and looks like.
//!
//! The SQL's checks, the Parquet schema, the sheet and the data dictionary all follow from it.

/// Goes up whenever a table, a column, a type or a meaning changes, so that old and new files are told apart.
pub const SCHEMA_VERSION: u32 = 2;

/// Digits of an amount, before and after the point together.
pub const MONEY_PRECISION: u8 = 12;

/// Digits of an amount after the point.
pub const MONEY_SCALE: i8 = 2;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// A UUID, as its text of 36 characters.
    Key,
    /// A whole number of 64 bits.
    Integer,
    /// An exact amount with two decimals, in the currency that stands in a column of its own.
    Money,
    /// A civil date.
    Date,
    /// A wall-clock time of day, to the microsecond.
    Time,
    /// An instant, in microseconds of UTC.
    Instant,
}

impl Kind {
    /// The kind in words that an error message or the data dictionary can use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Key => "uuid as text",
            Self::Integer => "integer",
            Self::Money => "decimal(12,2)",
            Self::Date => "date",
            Self::Time => "time of day",
            Self::Instant => "instant (microseconds, UTC)",
        }
    }
}

/// One column of a table.
#[derive(Debug)]
pub struct Column {
    /// Its name in the SQL's result, in Parquet and on the sheet.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Its width on the sheet in characters; `None` for a column that is in the Parquet file only.
    pub width: Option<f64>,
    /// Whether few distinct values repeat, so that a dictionary makes the Parquet file smaller.
    pub repeats: bool,
    /// Whether no row may be without it: rows are known or grouped by it, or it is summed up, and the database has it as
    /// `not null` and demands the row that it comes from. A column that a later version adds can't be one of these: files
    /// from before lack it.
    pub always: bool,
    /// Where it comes from and what it means.
    pub meaning: &'static str,
}

/// Where a table's money stands, for its control totals.
#[derive(Debug)]
pub struct Amount {
    /// The column with the amount.
    pub amount: &'static str,
    /// The column with its currency.
    pub currency: &'static str,
}

/// One table of a snapshot.
#[derive(Debug)]
pub struct Table {
    /// Its name: the Parquet file's, the SQL file's and the control totals'.
    pub name: &'static str,
    /// What one row is.
    pub row: &'static str,
    /// Its columns, in order.
    pub columns: &'static [Column],
    /// The money that its control totals add up, if it has any.
    pub amount: Option<Amount>,
    /// The date by which its rows are ordered first, if it is one.
    pub day: Option<&'static str>,
}

impl Table {
    /// The columns that stand on the sheet, with their positions in the table.
    pub fn sheet_columns(&self) -> impl Iterator<Item = (usize, &'static Column, f64)> + use<> {
        self.columns.iter().enumerate().filter_map(|(i, column)| column.width.map(|width| (i, column, width)))
    }

    /// A column's position.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

const fn sheet(name: &'static str, kind: Kind, width: f64, repeats: bool, meaning: &'static str) -> Column {
    Column { name, kind, width: Some(width), repeats, always: false, meaning }
}

const fn data(name: &'static str, kind: Kind, repeats: bool, meaning: &'static str) -> Column {
    Column { name, kind, width: None, repeats, always: false, meaning }
}

impl Column {
    /// The same column, of which no row is without.
    const fn always(self) -> Self {
        Self { always: true, ..self }
    }
}

use Kind::{Date, Instant, Integer, Key, Money, Text, Time};

/// One row for each ticket issued in the period, ordered by service_date, departure_time and the bytes of ticket_ref.
pub static TICKETS: Table = Table {
    name: "tickets",
    row: "one ticket issued in the period",
    amount: Some(Amount { amount: "ticket_price", currency: "ticket_currency" }),
    day: Some("service_date"),
    columns: &[
        sheet("ticket_ref", Text, 16.0, false, "The ticket's reference (tickets.ticket_ref).").always(),
        sheet(
            "ticket_status",
            Text,
            13.0,
            true,
            "reserved, issued, checked_in, cancelled or refunded at the cut (tickets.status).",
        )
        .always(),
        sheet("ticket_price", Money, 12.0, true, "The ticket's price, in ticket_currency (tickets.price).").always(),
        sheet("ticket_currency", Text, 9.0, true, "ISO code of the ticket's currency (tickets.currency).").always(),
        sheet(
            "issued_at",
            Instant,
            23.0,
            false,
            "When the ticket was issued: on the sheet in the report's time zone and cut to milliseconds, in Parquet to the microsecond in UTC (tickets.issued_at).",
        )
        .always(),
        sheet(
            "booking_ref",
            Text,
            15.0,
            false,
            "The booking's reference; empty for a ticket without booking (bookings.booking_ref).",
        ),
        sheet(
            "booking_status",
            Text,
            14.0,
            true,
            "pending, confirmed, cancelled or failed at the cut (bookings.status).",
        ),
        sheet(
            "booking_total_amount",
            Money,
            14.0,
            true,
            "The whole booking's total, in booking_currency, repeated on each of its tickets: add it up over distinct bookings only (bookings.total_amount).",
        ),
        sheet("booking_currency", Text, 9.0, true, "ISO code of the booking's currency (bookings.currency)."),
        sheet(
            "paid_amount",
            Money,
            12.0,
            true,
            "Sum of the booking's completed payments in the booking's currency, repeated on each of its tickets: add it up over distinct bookings only. Empty without any payment, 0.00 when none is completed.",
        ),
        sheet(
            "latest_payment_status",
            Text,
            14.0,
            true,
            "Status of the booking's payment with the greatest (paid_at, or created_at where that is empty; then id).",
        ),
        sheet(
            "passenger_first_name",
            Text,
            16.0,
            true,
            "The passenger's first name; empty for a ticket without passenger (passengers.first_name).",
        ),
        sheet("passenger_last_name", Text, 18.0, true, "The passenger's last name (passengers.last_name)."),
        sheet(
            "passenger_doc_type",
            Text,
            11.0,
            true,
            "Kind of the passenger's document: id_card, passport or other (passengers.doc_type).",
        ),
        sheet(
            "service_date",
            Date,
            12.0,
            true,
            "The day on which the trip departs, in the departure station's own calendar (trips.service_date).",
        )
        .always(),
        sheet(
            "departure_time",
            Time,
            11.0,
            true,
            "Wall-clock departure at the departure station (trips.departure_time).",
        )
        .always(),
        sheet(
            "arrival_time",
            Time,
            11.0,
            true,
            "Wall-clock arrival at the arrival station; earlier than the departure means the next day (trips.arrival_time).",
        )
        .always(),
        sheet("departure_station_code", Text, 11.0, true, "Code of the departure station (stations.code).").always(),
        sheet("arrival_station_code", Text, 11.0, true, "Code of the arrival station (stations.code).").always(),
        sheet("route_code", Text, 14.0, true, "Code of the trip's route (routes.code).").always(),
        sheet("fare_code", Text, 14.0, true, "Code of the fare; empty for a ticket without fare (fares.code)."),
        sheet("fare_seat_class", Text, 11.0, true, "economy, standard, first or business (fares.seat_class)."),
        sheet(
            "seat_number",
            Text,
            9.0,
            true,
            "The seat's number; empty for a ticket without seat (seats.seat_number).",
        ),
        sheet("carriage_number", Integer, 9.0, true, "Number of the seat's carriage (carriages.carriage_number)."),
        sheet(
            "train_registration",
            Text,
            16.0,
            true,
            "The train's registration; empty for a trip without train (trains.registration).",
        ),
        sheet(
            "payment_method",
            Text,
            14.0,
            true,
            "Method of the booking's latest payment (payments.method; the latest as in latest_payment_status).",
        ),
        sheet(
            "refunded_amount",
            Money,
            12.0,
            true,
            "Sum of the ticket's refunds in the ticket's currency; empty without any refund (ticket_refunds.refunded_amount).",
        ),
        sheet("departure_station_name", Text, 22.0, true, "Name of the departure station (stations.name)."),
        sheet("arrival_station_name", Text, 22.0, true, "Name of the arrival station (stations.name)."),
        sheet("trip_status", Text, 12.0, true, "Status of the trip at the cut (trips.status)."),
        data("ticket_id", Key, false, "Key of the ticket (tickets.id).").always(),
        data("booking_id", Key, false, "Key of the booking, joins with bookings and payments (tickets.booking_id)."),
        data("passenger_id", Key, false, "Key of the passenger (tickets.passenger_id)."),
        data("trip_id", Key, true, "Key of the trip, joins with trips (tickets.trip_id).").always(),
    ],
};

/// Each booking with a ticket in the period, once, ordered by key, so that it meets its payments in the same order.
pub static BOOKINGS: Table = Table {
    name: "bookings",
    row: "one booking that has a ticket in the period",
    amount: Some(Amount { amount: "total_amount", currency: "currency" }),
    day: None,
    columns: &[
        data("booking_id", Key, false, "Key of the booking (bookings.id).").always(),
        data("booking_ref", Text, false, "The booking's reference (bookings.booking_ref).").always(),
        data("status", Text, true, "pending, confirmed, cancelled or failed at the cut (bookings.status).").always(),
        data("total_amount", Money, true, "The booking's total, in currency (bookings.total_amount).").always(),
        data("currency", Text, true, "ISO code of the booking's currency (bookings.currency).").always(),
        data("created_at", Instant, false, "When the booking was made (bookings.created_at).").always(),
        data("expires_at", Instant, false, "When an unpaid booking lapses; may be empty (bookings.expires_at)."),
        data("ticket_count", Integer, true, "Number of all the booking's tickets, whenever issued."),
        data(
            "ticket_total",
            Money,
            true,
            "Sum of the prices of all the booking's tickets in the booking's currency, whenever issued.",
        ),
        data(
            "ticket_totals_other",
            Text,
            true,
            "Sums of the booking's tickets in other currencies, for example `CHF 12.00; GBP 3.50`; empty when there are none.",
        ),
        data("period_ticket_count", Integer, true, "Number of the booking's tickets issued in the period."),
        data(
            "period_ticket_total",
            Money,
            true,
            "Sum of the prices of the booking's tickets issued in the period, in the booking's currency.",
        ),
        data(
            "refund_total",
            Money,
            true,
            "Sum of the refunds of all the booking's tickets, whenever issued, where refund, ticket and booking are in one currency.",
        ),
        data("period_refund_total", Money, true, "The same of the booking's tickets issued in the period."),
        data(
            "other_refund_count",
            Integer,
            true,
            "Number of refunds of the booking's tickets where refund, ticket and booking aren't all in one currency.",
        ),
    ],
};

/// All payments of those bookings, ordered by the booking's key and their own.
pub static PAYMENTS: Table = Table {
    name: "payments",
    row: "one payment of a booking that has a ticket in the period",
    amount: Some(Amount { amount: "amount", currency: "currency" }),
    day: None,
    columns: &[
        data("payment_id", Key, false, "Key of the payment (payments.id).").always(),
        data("booking_id", Key, false, "Key of the booking (payments.booking_id).").always(),
        data("amount", Money, true, "The amount, in currency (payments.amount).").always(),
        data("currency", Text, true, "ISO code of the payment's currency (payments.currency).").always(),
        data("method", Text, true, "How it was paid (payments.method)."),
        data(
            "status",
            Text,
            true,
            "pending, completed, failed or refunded (received and given back) at the cut (payments.status).",
        )
        .always(),
        data("paid_at", Instant, false, "When it was paid; may be empty (payments.paid_at)."),
        data("created_at", Instant, false, "When the payment was begun (payments.created_at).").always(),
    ],
};

/// All refunds of the period's tickets, ordered by key.
pub static REFUNDS: Table = Table {
    name: "refunds",
    row: "one refund of a ticket issued in the period",
    amount: Some(Amount { amount: "amount", currency: "currency" }),
    day: None,
    columns: &[
        data("refund_id", Key, false, "Key of the refund (ticket_refunds.id).").always(),
        data("ticket_id", Key, false, "Key of the ticket (ticket_refunds.ticket_id).").always(),
        data("amount", Money, true, "The refunded amount, in currency (ticket_refunds.refunded_amount).").always(),
        data("currency", Text, true, "ISO code of the refund's currency (ticket_refunds.currency).").always(),
        data("processed_at", Instant, false, "When it was processed (ticket_refunds.processed_at).").always(),
        data("reason", Text, true, "The reason given (ticket_refunds.reason)."),
        data("ticket_ref", Text, false, "The ticket's reference (tickets.ticket_ref)."),
        data("ticket_currency", Text, true, "ISO code of the ticket's currency (tickets.currency)."),
        data("booking_id", Key, false, "Key of the booking; empty for a ticket without booking (tickets.booking_id)."),
        data("booking_ref", Text, false, "The booking's reference (bookings.booking_ref)."),
        data("booking_currency", Text, true, "ISO code of the booking's currency (bookings.currency)."),
    ],
};

/// The trips of the period's tickets, ordered by key.
pub static TRIPS: Table = Table {
    name: "trips",
    row: "one trip for which a ticket was issued in the period",
    amount: None,
    day: None,
    columns: &[
        data("trip_id", Key, false, "Key of the trip (trips.id).").always(),
        data("route_code", Text, true, "Code of the route (routes.code).").always(),
        data("route_name", Text, true, "Name of the route (routes.name)."),
        data(
            "service_date",
            Date,
            true,
            "The day on which the trip departs, in the departure station's own calendar (trips.service_date).",
        )
        .always(),
        data("departure_time", Time, true, "Wall-clock departure at the departure station (trips.departure_time).")
            .always(),
        data("arrival_time", Time, true, "Wall-clock arrival at the arrival station (trips.arrival_time).").always(),
        data("departure_station_code", Text, true, "Code of the departure station (stations.code).").always(),
        data("departure_time_zone", Text, true, "IANA time zone of the departure station (stations.timezone)."),
        data("arrival_station_code", Text, true, "Code of the arrival station (stations.code).").always(),
        data("arrival_time_zone", Text, true, "IANA time zone of the arrival station (stations.timezone)."),
        data("status", Text, true, "Status of the trip at the cut (trips.status)."),
        data(
            "train_registration",
            Text,
            true,
            "Registration of the train; empty for a trip without train (trains.registration).",
        ),
        data("capacity", Integer, true, "Seats of the train; empty where it isn't known (trains.capacity)."),
    ],
};

/// Whatever a controller has to look at: the bookings' exceptions in the order of their keys, each after its payments',
/// then the refunds', then the tickets' in the order of [`TICKETS`]. It follows from the snapshot's tables and is none of
/// them.
pub static EXCEPTIONS: Table = Table {
    name: "exceptions",
    row: "one reason why amounts of a booking or ticket don't agree",
    amount: None,
    day: None,
    columns: &[
        data("reason", Text, true, "Key of the reason."),
        data("step", Text, true, "The step of the reconciliation on the way to which the amount stands."),
        data("booking_ref", Text, false, "The booking's reference; empty for a ticket without booking."),
        data("ticket_ref", Text, false, "The ticket's reference; empty where it is about the booking."),
        data("amount", Money, true, "The difference, as it stands in the reconciliation; empty for a flag."),
        data("currency", Text, true, "ISO code of the amount's currency."),
        data(
            "since",
            Date,
            true,
            "The day in the report's time zone on which the booking was made, the payment begun, the refund processed or the ticket issued.",
        ),
        data("age_days", Integer, true, "Days from since to the last day of the period."),
    ],
};

/// All tables of a snapshot, in the order in which they enter the data's digest.
pub static TABLES: [&Table; 5] = [&TICKETS, &BOOKINGS, &PAYMENTS, &REFUNDS, &TRIPS];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_25_columns_keep_their_names_and_order() {
        let names: Vec<_> = TICKETS.sheet_columns().take(25).map(|(_, column, _)| column.name).collect();
        assert_eq!(
            names.join(" "),
            "ticket_ref ticket_status ticket_price ticket_currency issued_at booking_ref booking_status \
             booking_total_amount booking_currency paid_amount latest_payment_status passenger_first_name \
             passenger_last_name passenger_doc_type service_date departure_time arrival_time departure_station_code \
             arrival_station_code route_code fare_code fare_seat_class seat_number carriage_number train_registration"
        );
    }

    #[test]
    fn the_sheet_holds_no_keys_and_they_stand_after_its_columns() {
        let on_sheet = TICKETS.sheet_columns().count();
        assert!(TICKETS.columns[on_sheet..].iter().all(|column| column.width.is_none() && column.kind == Key));
    }

    #[test]
    fn no_table_reads_what_the_report_has_no_need_of() {
        for column in TABLES.iter().flat_map(|table| table.columns) {
            for private in ["doc_number", "birth", "email", "phone"] {
                assert!(!column.name.contains(private), "{}", column.name);
            }
        }
    }

    #[test]
    fn each_control_total_names_columns_that_exist() {
        for table in TABLES {
            if let Some(amount) = &table.amount {
                assert!(table.position(amount.amount).is_some() && table.position(amount.currency).is_some());
            }
        }
    }
}
