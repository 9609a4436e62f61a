//! The report's rows again, made in Rust from nothing but `SELECT *` of each table: look-ups by key, row by row.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use jiff::Timestamp;
use tests::{
    cells::{Cell, TableRows},
    database::{Database, RawRow},
};

/// The operational tables, by key where they are looked up.
pub(super) struct Business {
    pub(super) tickets: Vec<RawRow>,
    pub(super) bookings: BTreeMap<String, RawRow>,
    payments: Vec<RawRow>,
    refunds: Vec<RawRow>,
    by_id: BTreeMap<&'static str, BTreeMap<String, RawRow>>,
}

fn by_id(rows: Vec<RawRow>) -> BTreeMap<String, RawRow> {
    rows.into_iter().map(|row| (row["id"].text().to_owned(), row)).collect()
}

/// A named row of cells.
fn named(cells: Vec<(&str, Cell)>) -> (Vec<String>, Vec<Cell>) {
    cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)).unzip()
}

fn table(rows: Vec<Vec<(&str, Cell)>>) -> TableRows {
    let mut columns = Vec::new();
    let rows = rows.into_iter().map(|row| {
        let (names, cells) = named(row);
        columns = names;
        cells
    });
    let rows = rows.collect();
    TableRows { columns, rows }
}

fn sum<'a>(amounts: impl Iterator<Item = &'a Cell>) -> Cell {
    Cell::Money(amounts.map(Cell::cents).sum())
}

impl Business {
    pub(super) fn read(database: &Database) -> Self {
        let looked_up = ["passengers", "trips", "routes", "stations", "fares", "trains", "carriages", "seats"];
        Self {
            tickets: database.table("tickets"),
            bookings: by_id(database.table("bookings")),
            payments: database.table("payments"),
            refunds: database.table("ticket_refunds"),
            by_id: looked_up.into_iter().map(|name| (name, by_id(database.table(name)))).collect(),
        }
    }

    /// The five tables of the tickets issued from one instant to before another.
    pub(super) fn report(&self, bounds: [&str; 2]) -> BTreeMap<&'static str, TableRows> {
        let [start, end] = bounds.map(|bound| bound.parse::<Timestamp>().unwrap().as_microsecond());
        let mut tickets: Vec<&RawRow> =
            self.tickets.iter().filter(|ticket| (start..end).contains(&ticket["issued_at"].micros())).collect();
        tickets.sort_by_key(|ticket| {
            let trip = &self.by_id["trips"][ticket["trip_id"].text()];
            (trip["service_date"].clone(), trip["departure_time"].clone(), ticket["ticket_ref"].text().as_bytes())
        });
        let ids = |column: &str| -> BTreeSet<&str> {
            tickets.iter().filter(|t| t[column] != Cell::Null).map(|t| t[column].text()).collect()
        };
        let (trips, chosen) = (ids("trip_id"), ids("id"));
        let mut bookings: Vec<&str> = ids("booking_id").into_iter().collect();
        bookings.sort_unstable();

        let mut payments: Vec<_> =
            self.payments.iter().filter(|payment| bookings.contains(&payment["booking_id"].text())).collect();
        payments.sort_by_key(|payment| (payment["booking_id"].text(), payment["id"].text()));
        let mut refunds: Vec<_> =
            self.refunds.iter().filter(|refund| chosen.contains(refund["ticket_id"].text())).collect();
        refunds.sort_by_key(|refund| refund["id"].text());

        BTreeMap::from([
            ("tickets", table(tickets.iter().map(|ticket| self.ticket(ticket)).collect())),
            ("bookings", table(bookings.iter().map(|id| self.booking(id, &chosen)).collect())),
            ("payments", table(payments.into_iter().map(payment).collect())),
            ("refunds", table(refunds.into_iter().map(|refund| self.refund(refund)).collect())),
            ("trips", table(trips.iter().map(|id| self.trip(id)).collect())),
        ])
    }

    /// A cell of the row that a key leads to; nothing where the key leads nowhere.
    fn of(&self, table: &str, key: &Cell, column: &str) -> Cell {
        match key {
            Cell::Null => Cell::Null,
            key => self.by_id[table][key.text()][column].clone(),
        }
    }

    fn ticket(&self, ticket: &RawRow) -> Vec<(&'static str, Cell)> {
        let own = |column: &str| ticket[column].clone();
        let booking = self.bookings.get(ticket["booking_id"].text());
        let of_booking = |column: &str| booking.map_or(Cell::Null, |booking| booking[column].clone());

        let payments: Vec<&RawRow> = self
            .payments
            .iter()
            .filter(|payment| booking.is_some() && payment["booking_id"] == ticket["booking_id"])
            .collect();
        let kept = payments
            .iter()
            .filter(|payment| payment["status"].text() == "completed" && payment["currency"] == of_booking("currency"));
        let paid = if payments.is_empty() { Cell::Null } else { sum(kept.map(|payment| &payment["amount"])) };
        let moment = |payment: &RawRow| match &payment["paid_at"] {
            Cell::Null => payment["created_at"].clone(),
            paid_at => paid_at.clone(),
        };
        let latest = payments.iter().min_by_key(|payment| Reverse((moment(payment), payment["id"].text())));
        let of_latest = |column: &str| latest.map_or(Cell::Null, |payment| payment[column].clone());

        let refunds: Vec<&RawRow> = self.refunds.iter().filter(|refund| refund["ticket_id"] == ticket["id"]).collect();
        let same_currency = refunds.iter().filter(|refund| refund["currency"] == ticket["currency"]);
        let refunded =
            if refunds.is_empty() { Cell::Null } else { sum(same_currency.map(|refund| &refund["refunded_amount"])) };

        let of_passenger = |column| self.of("passengers", &ticket["passenger_id"], column);
        let of_trip = |column| self.of("trips", &ticket["trip_id"], column);
        let (from, to) = (of_trip("departure_station_id"), of_trip("arrival_station_id"));
        let of_seat = |column| self.of("seats", &ticket["seat_id"], column);
        let of_fare = |column| self.of("fares", &ticket["fare_id"], column);
        vec![
            ("ticket_ref", own("ticket_ref")),
            ("ticket_status", own("status")),
            ("ticket_price", own("price")),
            ("ticket_currency", own("currency")),
            ("issued_at", own("issued_at")),
            ("booking_ref", of_booking("booking_ref")),
            ("booking_status", of_booking("status")),
            ("booking_total_amount", of_booking("total_amount")),
            ("booking_currency", of_booking("currency")),
            ("paid_amount", paid),
            ("latest_payment_status", of_latest("status")),
            ("passenger_first_name", of_passenger("first_name")),
            ("passenger_last_name", of_passenger("last_name")),
            ("passenger_doc_type", of_passenger("doc_type")),
            ("service_date", of_trip("service_date")),
            ("departure_time", of_trip("departure_time")),
            ("arrival_time", of_trip("arrival_time")),
            ("departure_station_code", self.of("stations", &from, "code")),
            ("arrival_station_code", self.of("stations", &to, "code")),
            ("route_code", self.of("routes", &of_trip("route_id"), "code")),
            ("fare_code", of_fare("code")),
            ("fare_seat_class", of_fare("seat_class")),
            ("seat_number", of_seat("seat_number")),
            ("carriage_number", self.of("carriages", &of_seat("carriage_id"), "carriage_number")),
            ("train_registration", self.of("trains", &of_trip("train_id"), "registration")),
            ("payment_method", of_latest("method")),
            ("refunded_amount", refunded),
            ("departure_station_name", self.of("stations", &from, "name")),
            ("arrival_station_name", self.of("stations", &to, "name")),
            ("trip_status", of_trip("status")),
            ("ticket_id", own("id")),
            ("booking_id", own("booking_id")),
            ("passenger_id", own("passenger_id")),
            ("trip_id", own("trip_id")),
        ]
    }

    /// `chosen` are the keys of the period's tickets.
    fn booking(&self, id: &str, chosen: &BTreeSet<&str>) -> Vec<(&'static str, Cell)> {
        let booking = &self.bookings[id];
        let own = |column: &str| booking[column].clone();
        let (mut count, mut total, mut period_count, mut period_total) = (0, 0, 0, 0);
        let (mut refunded, mut period_refunded, mut other_refunds) = (0, 0, 0);
        let mut others: BTreeMap<&str, i128> = BTreeMap::new();
        for ticket in self.tickets.iter().filter(|ticket| ticket["booking_id"].text() == id) {
            count += 1;
            let in_period = chosen.contains(ticket["id"].text());
            period_count += i64::from(in_period);
            let same_currency = ticket["currency"] == booking["currency"];
            for refund in self.refunds.iter().filter(|refund| refund["ticket_id"] == ticket["id"]) {
                if !same_currency || refund["currency"] != ticket["currency"] {
                    other_refunds += 1;
                    continue;
                }
                refunded += refund["refunded_amount"].cents();
                period_refunded += if in_period { refund["refunded_amount"].cents() } else { 0 };
            }
            if same_currency {
                total += ticket["price"].cents();
                period_total += if in_period { ticket["price"].cents() } else { 0 };
            } else {
                *others.entry(ticket["currency"].text()).or_default() += ticket["price"].cents();
            }
        }
        let others: Vec<_> =
            others.iter().map(|(code, cents)| format!("{code} {}.{:02}", cents / 100, cents % 100)).collect();
        vec![
            ("booking_id", own("id")),
            ("booking_ref", own("booking_ref")),
            ("status", own("status")),
            ("total_amount", own("total_amount")),
            ("currency", own("currency")),
            ("created_at", own("created_at")),
            ("expires_at", own("expires_at")),
            ("ticket_count", Cell::Integer(count)),
            ("ticket_total", Cell::Money(total)),
            ("ticket_totals_other", if others.is_empty() { Cell::Null } else { Cell::Text(others.join("; ")) }),
            ("period_ticket_count", Cell::Integer(period_count)),
            ("period_ticket_total", Cell::Money(period_total)),
            ("refund_total", Cell::Money(refunded)),
            ("period_refund_total", Cell::Money(period_refunded)),
            ("other_refund_count", Cell::Integer(other_refunds)),
        ]
    }

    fn refund(&self, refund: &RawRow) -> Vec<(&'static str, Cell)> {
        let own = |column: &str| refund[column].clone();
        let ticket = self.tickets.iter().find(|ticket| ticket["id"] == refund["ticket_id"]).unwrap();
        let booking = self.bookings.get(ticket["booking_id"].text());
        let of_booking = |column: &str| booking.map_or(Cell::Null, |booking| booking[column].clone());
        vec![
            ("refund_id", own("id")),
            ("ticket_id", own("ticket_id")),
            ("amount", own("refunded_amount")),
            ("currency", own("currency")),
            ("processed_at", own("processed_at")),
            ("reason", own("reason")),
            ("ticket_ref", ticket["ticket_ref"].clone()),
            ("ticket_currency", ticket["currency"].clone()),
            ("booking_id", ticket["booking_id"].clone()),
            ("booking_ref", of_booking("booking_ref")),
            ("booking_currency", of_booking("currency")),
        ]
    }

    fn trip(&self, id: &str) -> Vec<(&'static str, Cell)> {
        let trip = &self.by_id["trips"][id];
        let own = |column: &str| trip[column].clone();
        let (from, to) = (own("departure_station_id"), own("arrival_station_id"));
        vec![
            ("trip_id", own("id")),
            ("route_code", self.of("routes", &trip["route_id"], "code")),
            ("route_name", self.of("routes", &trip["route_id"], "name")),
            ("service_date", own("service_date")),
            ("departure_time", own("departure_time")),
            ("arrival_time", own("arrival_time")),
            ("departure_station_code", self.of("stations", &from, "code")),
            ("departure_time_zone", self.of("stations", &from, "timezone")),
            ("arrival_station_code", self.of("stations", &to, "code")),
            ("arrival_time_zone", self.of("stations", &to, "timezone")),
            ("status", own("status")),
            ("train_registration", self.of("trains", &trip["train_id"], "registration")),
            ("capacity", self.of("trains", &trip["train_id"], "capacity")),
        ]
    }
}

fn payment(payment: &RawRow) -> Vec<(&'static str, Cell)> {
    let own = |column: &str| payment[column].clone();
    vec![
        ("payment_id", own("id")),
        ("booking_id", own("booking_id")),
        ("amount", own("amount")),
        ("currency", own("currency")),
        ("method", own("method")),
        ("status", own("status")),
        ("paid_at", own("paid_at")),
        ("created_at", own("created_at")),
    ]
}
