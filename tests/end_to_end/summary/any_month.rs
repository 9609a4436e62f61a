//! What must hold of any database, however little sense its data make.

use std::collections::BTreeMap;

use calamine::Data;
use jiff::civil::date;
use pipeline::{demo::DemoOptions, manifest::Money};
use proptest::prelude::*;
use rusqlite::Connection;
use tests::{
    database::{Database, Kind},
    workplace::Workplace,
};

use super::{cents, row_after, rows_of};

/// Sums in cents by currency.
type Sums = BTreeMap<String, i128>;

/// Sums of the database's own, over the tickets of January 2025 and the bookings they belong to.
fn sums(connection: &Connection, sql: &str) -> Sums {
    let chosen = "chosen AS (SELECT * FROM tickets WHERE issued_at >= 1735689600000000 AND issued_at < 1738368000000000), \
                  booked AS (SELECT * FROM bookings WHERE id IN (SELECT booking_id FROM chosen))";
    let mut statement = connection.prepare(&format!("WITH {chosen} {sql}")).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, i128::from(row.get::<_, i64>(1)?)))).unwrap();
    rows.map(Result::unwrap).filter(|(_, sum): &(String, i128)| *sum != 0).collect()
}

fn of(figures: impl Iterator<Item = (String, Money)>) -> Sums {
    figures.map(|(code, amount)| (code, amount.0)).filter(|(_, sum)| *sum != 0).collect()
}

/// Makes a hash of everything that a controller relies on, always the same of the same salt.
fn scramble(database: &Database, salt: u32) {
    let pick = |column: &str, of: &[&str]| {
        let cases: Vec<_> = of.iter().enumerate().map(|(i, value)| format!("WHEN {i} THEN {value}")).collect();
        // Of each column another one, so that no two go together.
        let stride = column.bytes().fold(7_u32, |stride, byte| stride * 31 % 65_521 + u32::from(byte)) * 2 + 1;
        format!(
            "{column} = CASE (rowid * {stride} + {salt}) % 104729 * 31337 % 99991 % {} {} END",
            of.len(),
            cases.join(" ")
        )
    };
    let currencies = ["'EUR'", "'EUR'", "'CHF'", "'GBP'", "currency"];
    let amounts =
        |column: &str| pick(column, &[column, column, "0", &format!("-{column}"), &format!("{column} * 2 + 1")]);
    for (table, settings) in [
        (
            "bookings",
            [
                pick("status", &["'pending'", "'confirmed'", "'confirmed'", "'cancelled'", "'failed'"]),
                pick("currency", &currencies),
                amounts("total_amount"),
            ],
        ),
        (
            "payments",
            [
                pick("status", &["'pending'", "'completed'", "'completed'", "'failed'", "'refunded'"]),
                pick("currency", &currencies),
                amounts("amount"),
            ],
        ),
        (
            "ticket_refunds",
            [
                pick("currency", &currencies),
                amounts("refunded_amount"),
                pick("ticket_id", &["ticket_id", "ticket_id", "(SELECT max(id) FROM tickets)"]),
            ],
        ),
        (
            "tickets",
            [
                pick("currency", &currencies),
                pick("status", &["'reserved'", "'issued'", "'checked_in'", "'cancelled'", "'refunded'"]),
                pick("booking_id", &["booking_id", "booking_id", "booking_id", "NULL"]),
            ],
        ),
    ] {
        database.execute(&format!("UPDATE {table} SET {}", settings.join(", ")));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) })]

    #[test]
    fn every_difference_is_explained_and_all_sums_are_the_databases_own(seed in 0..1_000_000_u64, salt in any::<u32>()) {
        let options = DemoOptions { tickets: 900, first_month: date(2024, 12, 1), months: 3, seed };
        let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &options));
        if salt % 4 > 0 {
            scramble(&database, salt % 1000);
        }
        work.succeed(&database, &["--period", "2025-01"]);
        let manifest = work.store().manifest();
        prop_assert!(manifest.controls.iter().all(|control| control.passed), "{:?}", manifest.controls);
        let summary = manifest.summary.as_ref().unwrap();
        for (code, currency) in &summary.currencies {
            for (step, amount) in currency.unexplained() {
                prop_assert_eq!(amount, Money(0), "{} {}", code, step);
            }
        }

        let connection = database.sqlite();
        let figure = |pick: &dyn Fn(&pipeline::summary::CurrencySummary) -> Money| {
            of(summary.currencies.iter().map(|(code, currency)| (code.clone(), pick(currency))))
        };
        let step = |key: &str| {
            figure(&|currency| currency.reconciliation.iter().find(|line| line.key == key).unwrap().amount)
        };
        let refunds = "JOIN ticket_refunds r ON r.ticket_id = chosen.id";
        let payments = "SELECT currency, sum(amount) FROM payments WHERE booking_id IN (SELECT id FROM booked)";
        for (found, sql) in [
            (figure(&|of| of.sales.gross), "SELECT currency, sum(price) FROM chosen GROUP BY 1".to_owned()),
            (
                figure(&|of| of.sales.refunds),
                format!("SELECT r.currency, sum(refunded_amount) FROM chosen {refunds} WHERE r.currency = chosen.currency GROUP BY 1"),
            ),
            (step("ticket_refunds"), format!("SELECT r.currency, sum(refunded_amount) FROM chosen {refunds} GROUP BY 1")),
            (step("booking_totals"), "SELECT currency, sum(total_amount) FROM booked GROUP BY 1".to_owned()),
            (
                figure(&|of| of.bookings.due),
                "SELECT currency, sum(total_amount) FROM booked WHERE status = 'confirmed' GROUP BY 1".to_owned(),
            ),
            (step("payments_completed"), format!("{payments} AND status = 'completed' GROUP BY 1")),
            (step("payments_given_back"), format!("{payments} AND status = 'refunded' GROUP BY 1")),
            (
                figure(&|of| of.bookings.paid),
                "SELECT booked.currency, sum(amount) FROM booked JOIN payments p ON p.booking_id = booked.id \
                 AND p.currency = booked.currency AND p.status = 'completed' GROUP BY 1".to_owned(),
            ),
            (
                figure(&|of| of.bookings.outstanding),
                "SELECT currency, sum(max(0, total_amount - received)) FROM (SELECT booked.currency, total_amount, \
                 coalesce((SELECT sum(amount) FROM payments p WHERE p.booking_id = booked.id AND p.currency = booked.currency \
                 AND p.status IN ('completed', 'refunded')), 0) AS received FROM booked WHERE status = 'confirmed') GROUP BY 1"
                    .to_owned(),
            ),
        ] {
            prop_assert_eq!(found, sums(&connection, &sql), "{}", sql);
        }

        // The sheets say the same, each currency for itself, and agree with each other.
        for (code, currency) in summary.currencies.iter().filter(|(_, of)| of.sales.tickets > 0) {
            for (sheet, column) in [("By day", 4), ("By route", 5), ("By fare and class", 5), ("By station pair", 5)] {
                let rows = rows_of(&work, &manifest, sheet);
                prop_assert_eq!(cents(&row_after(&rows, code, "Total")[column]), currency.sales.net().0, "{} {}", sheet, code);
            }
            let rows = rows_of(&work, &manifest, "Summary");
            prop_assert_eq!(cents(&row_after(&rows, code, "Net sales")[1]), currency.sales.net().0);
            let unpaid = rows_of(&work, &manifest, "Unpaid by age");
            prop_assert_eq!(cents(&row_after(&unpaid, code, "Total")[2]), currency.bookings.outstanding.0);
        }
        let listed = rows_of(&work, &manifest, "Exceptions");
        let reasons: u64 = summary.exceptions.values().sum();
        let header = listed.iter().position(|row| row[0] == Data::String("Reason".to_owned()));
        let below = header.map_or(0, |header| listed.len() - header - 2);
        prop_assert_eq!(below as u64, reasons);
    }
}
