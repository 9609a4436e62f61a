//! A month with one of each exception, small enough to check by hand.
#![expect(clippy::inconsistent_digit_grouping, reason = "amounts are in cents, whose two digits stand apart")]

use calamine::Data;
use pipeline::{
    manifest::{Manifest, Money, Total},
    summary::{CurrencySummary, LineKind, Sales},
};
use tests::{
    cells::Cell,
    database::{Database, Kind, SMALL},
    tools,
    workplace::Workplace,
};

use super::{cents, row_after, rows_of};

over_both_databases! {
    figures_are_what_a_controller_adds_up,
    each_difference_stands_under_its_reason,
    the_sheets_show_it,
    a_later_edition_explains_the_difference_of_net_sales,
}

const JANUARY: [&str; 4] = ["--period", "2025-01", "--store", "reports"];

/// One sale: the booking's status and total, its tickets' statuses and prices, and its payments.
struct Sale {
    name: &'static str,
    booking: Option<(&'static str, i64)>,
    tickets: &'static [(&'static str, i64, &'static str)],
    payments: &'static [(&'static str, i64, &'static str)],
    refund: Option<i64>,
}

const fn sale(
    name: &'static str,
    booking: (&'static str, i64),
    tickets: &'static [(&'static str, i64, &'static str)],
    payments: &'static [(&'static str, i64, &'static str)],
) -> Sale {
    Sale { name, booking: Some(booking), tickets, payments, refund: None }
}

/// When a ticket was issued: in the period, or after it.
const IN: &str = "2025-01-10T12:00:00Z";
const AFTER: &str = "2025-02-03T12:00:00Z";

/// The month. Amounts are in cents, payments five minutes apart, in the currency that is given.
const SALES: [Sale; 14] = [
    sale("SOUND", ("confirmed", 100_00), &[("issued", 100_00, IN)], &[("completed", 100_00, "EUR")]),
    sale("UNPAID", ("confirmed", 50_00), &[("issued", 50_00, IN)], &[]),
    sale("CANCELLED", ("cancelled", 40_00), &[("cancelled", 40_00, IN)], &[("completed", 40_00, "EUR")]),
    sale("UNDER", ("confirmed", 80_00), &[("issued", 80_00, IN)], &[("completed", 70_00, "EUR")]),
    sale("OVER", ("confirmed", 30_00), &[("issued", 30_00, IN)], &[("completed", 35_00, "EUR")]),
    sale(
        "TWICE",
        ("confirmed", 60_00),
        &[("issued", 60_00, IN)],
        &[("completed", 60_00, "EUR"), ("completed", 60_00, "EUR")],
    ),
    Sale {
        refund: Some(30_00),
        ..sale("ABOVE", ("cancelled", 20_00), &[("refunded", 20_00, IN)], &[("refunded", 20_00, "EUR")])
    },
    Sale {
        refund: Some(45_00),
        ..sale("UNLIKE", ("cancelled", 90_00), &[("refunded", 90_00, IN)], &[("completed", 90_00, "EUR")])
    },
    sale("CHECKEDIN", ("pending", 25_00), &[("checked_in", 25_00, IN)], &[("pending", 25_00, "EUR")]),
    sale("TOTALS", ("confirmed", 55_00), &[("issued", 50_00, IN)], &[("completed", 55_00, "EUR")]),
    sale("FRANCS", ("confirmed", 70_00), &[("issued", 70_00, IN)], &[("completed", 65_00, "CHF")]),
    Sale { booking: None, ..sale("BARE", ("", 0), &[("issued", 15_00, IN)], &[]) },
    sale(
        "LATER",
        ("confirmed", 100_00),
        &[("issued", 60_00, IN), ("issued", 40_00, AFTER)],
        &[("completed", 100_00, "EUR")],
    ),
    sale(
        "RETRY",
        ("confirmed", 10_00),
        &[("issued", 10_00, IN)],
        &[("failed", 10_00, "EUR"), ("completed", 10_00, "EUR")],
    ),
];

/// The month in a database: all tickets on one trip of 200 seats, but the last on one without a train.
fn database(kind: Kind) -> Database {
    let database = Database::demo(kind, &SMALL);
    database.execute("DELETE FROM ticket_refunds; DELETE FROM payments; DELETE FROM tickets; DELETE FROM bookings");
    let mut trips: Vec<String> = database.table("trips").iter().map(|trip| trip["id"].text().to_owned()).collect();
    trips.sort_unstable();
    let train = database.table("trains")[0]["id"].text().to_owned();
    database.execute(&format!(
        "UPDATE trains SET capacity = 200; UPDATE trips SET train_id = '{train}' WHERE id = '{}'; \
         UPDATE trips SET train_id = NULL WHERE id = '{}'",
        trips[0], trips[1]
    ));
    for (number, sale) in SALES.iter().enumerate() {
        insert(&database, number, sale, if sale.name == "RETRY" { &trips[1] } else { &trips[0] });
    }
    database
}

fn insert(database: &Database, number: usize, sale: &Sale, trip: &str) {
    let id = |of: usize| format!("'00000000-0000-4000-8{of:03}-{number:012}'");
    // Made in November, so that what is unpaid is old.
    let made = if sale.name == "UNPAID" { "2024-11-20T12:00:00Z" } else { "2025-01-10T11:00:00Z" };
    if let Some((status, total)) = sale.booking {
        database.execute(&format!(
            "INSERT INTO bookings (id, booking_ref, status, total_amount, currency, created_at) VALUES \
             ({}, 'BK-{}', '{status}', {}, 'EUR', {})",
            id(0),
            sale.name,
            database.amount(total),
            database.instant(made)
        ));
    }
    for (nth, (status, price, issued)) in sale.tickets.iter().enumerate() {
        let booking = sale.booking.map_or_else(|| "NULL".to_owned(), |_| id(0));
        database.execute(&format!(
            "INSERT INTO tickets (id, booking_id, trip_id, ticket_ref, price, currency, status, issued_at) VALUES \
             ({}, {booking}, '{trip}', 'TK-{}-{nth}', {}, 'EUR', '{status}', {})",
            id(1 + nth),
            sale.name,
            database.amount(*price),
            database.instant(issued)
        ));
    }
    for (nth, (status, amount, currency)) in sale.payments.iter().enumerate() {
        database.execute(&format!(
            "INSERT INTO payments (id, booking_id, amount, currency, method, status, created_at) VALUES \
             ({}, {}, {}, '{currency}', 'card', '{status}', {})",
            id(5 + nth),
            id(0),
            database.amount(*amount),
            database.instant(&format!("2025-01-10T11:{:02}:00Z", 5 * nth))
        ));
    }
    if let Some(amount) = sale.refund {
        database.execute(&format!(
            "INSERT INTO ticket_refunds (id, ticket_id, refunded_amount, currency, processed_at) VALUES \
             ({}, {}, {}, 'EUR', {})",
            id(9),
            id(1),
            database.amount(amount),
            database.instant("2025-01-12T12:00:00Z")
        ));
    }
}

fn report(work: &Workplace, database: &Database) -> Manifest {
    work.succeed(database, &JANUARY);
    work.store().manifests().pop().unwrap()
}

fn of<'a>(manifest: &'a Manifest, currency: &str) -> &'a CurrencySummary {
    &manifest.summary.as_ref().unwrap().currencies[currency]
}

fn figures_are_what_a_controller_adds_up(kind: Kind) {
    let (work, database) = (Workplace::new(), database(kind));
    let manifest = report(&work, &database);
    let euro = of(&manifest, "EUR");
    let sales = Sales {
        tickets: 14,
        reserved: 0,
        cancelled: 1,
        refunded: 2,
        checked_in: 1,
        gross: Money(700_00),
        refunds: Money(75_00),
    };
    assert_eq!(euro.sales, sales);
    assert_eq!((sales.net(), sales.passengers(), sales.average_fare()), (Money(625_00), 11, Some(Money(50_00))));
    let bookings = euro.bookings;
    assert_eq!(bookings.bookings, 13);
    let amounts =
        [bookings.totals, bookings.due, bookings.received, bookings.given_back, bookings.paid, bookings.outstanding];
    assert_eq!(amounts.map(|amount| amount.0), [730_00, 555_00, 640_00, 20_00, 620_00, 130_00]);
    assert_eq!(euro.by_day.len(), 1);
    assert_eq!((euro.by_day[0].key.day.to_string(), euro.by_day[0].sales), ("2025-01-10".to_owned(), sales));
    // By age: FRANCS and UNDER since 10 January, UNPAID since 20 November.
    let unpaid = euro.unpaid.map(|unpaid| (unpaid.bookings, unpaid.amount.0));
    assert_eq!(unpaid, [(0, 0), (2, 80_00), (0, 0), (1, 50_00), (0, 0)]);
    // First tries and retries.
    let lines: Vec<_> =
        euro.payments.iter().map(|line| (line.status.clone().unwrap(), line.first, line.retries)).collect();
    let total = |rows, cents| Total { rows, amount: Money(cents) };
    let expected = [
        ("completed", total(8, 550_00), total(2, 70_00)),
        ("failed", total(1, 10_00), total(0, 0)),
        ("pending", total(1, 25_00), total(0, 0)),
        ("refunded", total(1, 20_00), total(0, 0)),
    ];
    assert_eq!(lines, expected.map(|(status, first, retries)| (status.to_owned(), first, retries)));
    // Ten passengers on a train of 200 seats; of the other trip nothing is known.
    let load = &manifest.summary.as_ref().unwrap().load;
    let known: Vec<_> = load.iter().map(|of| (of.trips, of.known_trips, of.passengers, of.capacity)).collect();
    let sum = known.iter().fold((0, 0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2, a.3 + b.3));
    assert_eq!(sum, (2, 1, 10, 200), "{load:?}");
}

fn each_difference_stands_under_its_reason(kind: Kind) {
    let (work, database) = (Workplace::new(), database(kind));
    let manifest = report(&work, &database);
    let lines = |currency: &str| -> Vec<(LineKind, String, u64, i128)> {
        let lines = &of(&manifest, currency).reconciliation;
        lines.iter().map(|line| (line.kind, line.key.clone(), line.count, line.amount.0)).collect()
    };
    use LineKind::{Exception, Ordinary, Step};
    let euro = [
        (Step, "tickets_sold", 14, 700_00),
        (Exception, "ticket_without_booking", 1, -15_00),
        (Ordinary, "issued_in_other_periods", 1, 40_00),
        (Exception, "total_unlike_tickets", 1, 5_00),
        (Step, "booking_totals", 13, 730_00),
        (Ordinary, "not_confirmed", 4, -175_00),
        (Step, "due", 9, 555_00),
        (Exception, "currencies_differ", 1, -70_00),
        (Exception, "confirmed_unpaid", 1, -50_00),
        (Exception, "paid_twice", 1, 60_00),
        (Exception, "underpaid", 1, -10_00),
        (Exception, "overpaid", 1, 5_00),
        (Exception, "cancelled_not_refunded", 1, 40_00),
        (Ordinary, "received_not_due", 2, 110_00),
        (Step, "received", 10, 640_00),
        (Ordinary, "less_given_back", 1, -20_00),
        (Step, "payments_completed", 10, 620_00),
        (Step, "payments_given_back", 1, 20_00),
        (Exception, "refund_above_received", 1, 10_00),
        (Exception, "refunds_unlike_payments", 1, 45_00),
        (Step, "ticket_refunds", 2, 75_00),
    ];
    assert_eq!(lines("EUR"), euro.map(|(kind, key, count, cents)| (kind, key.to_owned(), count, cents)));
    let francs: Vec<_> = lines("CHF").into_iter().filter(|line| line.3 != 0).collect();
    let paid = [(Exception, "currencies_differ", 1, 65_00), (Step, "payments_completed", 1, 65_00)];
    assert_eq!(francs, paid.map(|(kind, key, count, cents)| (kind, key.to_owned(), count, cents)));
    assert!(manifest.controls.iter().all(|control| control.passed), "{:?}", manifest.controls);

    let rows = work.store().table(&manifest, "exceptions");
    let shown = |cell: &Cell| match cell {
        Cell::Null => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Money(cents) => Money(*cents).to_string(),
        Cell::Integer(number) => number.to_string(),
        other => panic!("{other} isn't expected"),
    };
    let columns = ["reason", "booking_ref", "ticket_ref", "amount", "age_days"].map(|name| rows.position(name));
    let found: Vec<[String; 5]> = rows.rows.iter().map(|row| columns.map(|column| shown(&row[column]))).collect();
    let expected = [
        ["confirmed_unpaid", "BK-UNPAID", "", "-50.00", "72"],
        ["cancelled_not_refunded", "BK-CANCELLED", "", "40.00", "21"],
        ["underpaid", "BK-UNDER", "", "-10.00", "21"],
        ["overpaid", "BK-OVER", "", "5.00", "21"],
        ["paid_twice", "BK-TWICE", "", "60.00", "21"],
        ["refund_above_received", "BK-ABOVE", "", "10.00", "21"],
        ["refunds_unlike_payments", "BK-UNLIKE", "", "45.00", "21"],
        ["total_unlike_tickets", "BK-TOTALS", "", "5.00", "21"],
        ["currencies_differ", "BK-FRANCS", "", "65.00", "21"],
        ["currencies_differ", "BK-FRANCS", "", "-70.00", "21"],
        ["checked_in_unpaid", "BK-CHECKEDIN", "TK-CHECKEDIN-0", "", "21"],
        ["ticket_without_booking", "", "TK-BARE-0", "-15.00", "21"],
    ];
    for row in expected.map(|row| row.map(str::to_owned)) {
        assert!(found.contains(&row), "no {row:?} in {found:#?}");
    }
    assert_eq!(found.len(), expected.len());
}

fn the_sheets_show_it(kind: Kind) {
    let (work, database) = (Workplace::new(), database(kind));
    let manifest = report(&work, &database);
    let summary = rows_of(&work, &manifest, "Summary");
    for (figure, value) in
        [("Tickets issued", 14_00), ("Gross sales", 700_00), ("Net sales", 625_00), ("Outstanding", 130_00)]
    {
        let row = row_after(&summary, "EUR", figure);
        assert_eq!(cents(&row[1]), value, "{figure}");
        assert_eq!(row[2], Data::String("not available".to_owned()), "there is no period before");
    }
    // Totals below the tables, as stored results of formulas.
    for (name, column, value) in [
        ("By day", 2, 700_00),
        ("By day", 4, 625_00),
        ("By route", 3, 700_00),
        ("By fare and class", 3, 700_00),
        ("By station pair", 5, 625_00),
        ("Payments", 7, 675_00),
        ("Unpaid by age", 2, 130_00),
    ] {
        let rows = rows_of(&work, &manifest, name);
        assert_eq!(cents(&row_after(&rows, "EUR", "Total")[column]), value, "{name}, column {column}");
    }
    let reconciliation = rows_of(&work, &manifest, "Reconciliation");
    assert_eq!(cents(&row_after(&reconciliation, "EUR", "Residual")[5]), 0);
    assert_eq!(cents(&row_after(&reconciliation, "EUR", "Payments completed")[3]), 620_00);
    assert_eq!(cents(&row_after(&reconciliation, "EUR", "Confirmed but unpaid")[4]), -50_00);
    let exceptions = rows_of(&work, &manifest, "Exceptions");
    let row = row_after(&exceptions, "Reason", "Confirmed but unpaid");
    assert_eq!(row[2], Data::String("BK-UNPAID".to_owned()));
    assert_eq!((cents(&row[5]), cents(&row[7])), (-50_00, 72_00));
    let route = rows_of(&work, &manifest, "By route");
    assert!(route.iter().any(|row| row.contains(&Data::String("not available".to_owned()))), "the load isn't known");
    let dictionary = rows_of(&work, &manifest, "Data dictionary");
    for column in ["ticket_ref", "Gross sales", "Age in days", "Bookings not confirmed: nothing is due", "Residual"] {
        let explained = dictionary.iter().any(|row| row.get(1) == Some(&Data::String(column.to_owned())));
        assert_eq!(explained, column != "Residual", "{column}");
    }
    tools::validate_open_xml(&work.store().workbook(&manifest));
}

fn a_later_edition_explains_the_difference_of_net_sales(kind: Kind) {
    let (work, database) = (Workplace::new(), database(kind));
    let first = report(&work, &database);
    let sheet = rows_of(&work, &first, "Changes");
    assert!(sheet.iter().flatten().any(|cell| cell.to_string().contains("first edition of this period")));
    database.execute(&format!(
        "UPDATE tickets SET price = {} WHERE ticket_ref = 'TK-SOUND-0'; DELETE FROM tickets WHERE ticket_ref = 'TK-BARE-0'; \
         UPDATE tickets SET currency = 'CHF' WHERE ticket_ref = 'TK-RETRY-0'",
        database.amount(112_34)
    ));
    let second = report(&work, &database);
    let net = &second.changes.as_ref().unwrap().net;
    let figures = |code: &str| {
        let net = net[code];
        let total = |total: Total| (total.rows, total.amount.0);
        (net.before.0, total(net.added), total(net.removed), total(net.changed), net.after.0)
    };
    assert_eq!(figures("EUR"), (625_00, (0, 0), (1, -15_00), (2, 2_34), 612_34));
    assert_eq!(figures("CHF"), (0, (0, 0), (0, 0), (1, 10_00), 10_00));
    let sheet = rows_of(&work, &second, "Changes");
    assert_eq!(cents(&row_after(&sheet, "EUR", "Net sales of edition 1")[2]), 625_00);
    assert_eq!(cents(&row_after(&sheet, "EUR", "Tickets that are gone")[2]), -15_00);
    assert_eq!(cents(&row_after(&sheet, "EUR", "Net sales of this edition")[2]), 612_34);
}
