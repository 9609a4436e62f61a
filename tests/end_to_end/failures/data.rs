//! Values that break a rule of the data: the row is named, and nothing is rounded, cut or left out in silence.

use tests::database::{Database, Kind, SMALL};

use super::Scene;

/// The reference of a ticket of January, or the id of what belongs to it.
const TICKET: &str =
    "SELECT min(ticket_ref) FROM tickets WHERE issued_at >= '2025-01-01Z' AND issued_at < '2025-02-01Z'";
const OF_JANUARY: &str =
    "booking_id IN (SELECT booking_id FROM tickets WHERE issued_at >= '2025-01-01Z' AND issued_at < '2025-02-01Z')";

fn one(database: &Database, sql: &str) -> String {
    database.postgres().client().query_one(sql, &[]).unwrap().get(0)
}

#[test]
fn amounts_that_are_no_cents_are_named_with_their_ticket() {
    for (value, words) in [
        ("'NaN'", "ticket_price"),
        ("'Infinity'", "ticket_price"),
        ("'-Infinity'", "ticket_price"),
        ("12.34567890123", "12.34567890123"),
        ("12.345", "12.345"),
        ("0.001", "0.001"),
        ("10000000000.00", "too large"),
        ("1e40", "ticket_price"),
    ] {
        let database = Database::demo(Kind::Postgres, &SMALL);
        let scene = Scene::new(&database);
        let ticket = one(&database, TICKET);
        database.execute(&format!(
            "ALTER TABLE tickets ALTER price TYPE numeric; UPDATE tickets SET price = {value} WHERE ticket_ref = '{ticket}'"
        ));
        scene.fails(
            &database,
            65,
            &[&format!("tickets `{ticket}`"), "ticket_price", words, "correct it in the database"],
        );
    }
}

#[test]
fn amounts_that_are_written_with_more_zeros_are_the_same_amounts() {
    let database = Database::demo(Kind::Postgres, &SMALL);
    let scene = Scene::new(&database);
    database.execute("ALTER TABLE tickets ALTER price TYPE numeric; UPDATE tickets SET price = price::numeric(30, 15)");
    let ended = scene.work.succeed(&database, &["--period", "2025-01", "--store", "reports"]);
    assert!(ended.last_line().contains("nothing has changed"), "{}", ended.stdout);
}

#[test]
fn amounts_of_other_tables_are_named_with_a_row_that_leads_to_them() {
    for (table, column, condition) in [
        ("bookings", "total_amount", OF_JANUARY.replacen("booking_id", "id", 1)),
        ("payments", "amount", OF_JANUARY.to_owned()),
        ("ticket_refunds", "refunded_amount", format!("ticket_id IN (SELECT id FROM tickets WHERE {OF_JANUARY})")),
    ] {
        for value in ["'NaN'", "1.23456789012", "0.005", "'Infinity'", "12345678901.00"] {
            let database = Database::demo(Kind::Postgres, &SMALL);
            let scene = Scene::new(&database);
            let id = one(&database, &format!("SELECT min(id::text) FROM {table} WHERE {condition}"));
            database.execute(&format!(
                "ALTER TABLE {table} ALTER {column} TYPE numeric; UPDATE {table} SET {column} = {value} WHERE id = '{id}'"
            ));
            scene.fails(&database, 65, &["correct it in the database", "amount"]);
        }
    }
}

#[test]
fn amounts_that_only_add_up_to_whole_cents_are_refused_too() {
    let database = Database::demo(Kind::Postgres, &SMALL);
    let scene = Scene::new(&database);
    // Two halves of a cent: the sums agree with each other, and yet no row can show its own.
    let payments = format!(
        "SELECT string_agg('''' || id || '''', ', ') FROM (SELECT id FROM payments WHERE {OF_JANUARY} ORDER BY id LIMIT 2) two"
    );
    let two = one(&database, &payments);
    database.execute(&format!(
        "ALTER TABLE payments ALTER amount TYPE numeric; UPDATE payments SET amount = 10.005 WHERE id IN ({two})"
    ));
    scene.fails(&database, 65, &["10.005", "finer than a cent"]);
}

#[test]
fn instants_without_end_are_named_with_their_row() {
    for value in ["infinity", "-infinity", "20000-01-01Z", "0001-01-01 BC Z"] {
        let database = Database::demo(Kind::Postgres, &SMALL);
        let scene = Scene::new(&database);
        let id = one(&database, &format!("SELECT min(id::text) FROM payments WHERE {OF_JANUARY}"));
        let value = if value.contains("BC") { "0002-01-01 00:00:00+00 BC" } else { value };
        database.execute(&format!("UPDATE payments SET paid_at = '{value}' WHERE id = '{id}'"));
        scene.fails(&database, 65, &[&format!("payments `{id}`"), "paid_at", "outside the years 1 to 9999"]);
    }
}

#[test]
fn what_no_row_may_be_without_is_named_with_its_row() {
    let payment = format!("SELECT min(id::text) FROM payments WHERE {OF_JANUARY}");
    for (table, key, row, column, named) in [
        ("tickets", "ticket_ref", TICKET.to_owned(), "price", "ticket_price"),
        ("tickets", "ticket_ref", TICKET.to_owned(), "status", "ticket_status"),
        ("payments", "id::text", payment.clone(), "amount", "amount"),
        ("payments", "id::text", payment, "currency", "currency"),
    ] {
        let database = Database::demo(Kind::Postgres, &SMALL);
        let scene = Scene::new(&database);
        let row = one(&database, &row);
        database.execute(&format!(
            "ALTER TABLE {table} ALTER {column} DROP NOT NULL; UPDATE {table} SET {column} = NULL WHERE {key} = '{row}'"
        ));
        scene.fails(&database, 65, &[&format!("{table} `{row}`: {named} is empty"), "correct it in the database"]);
    }
}

#[test]
fn tickets_without_their_route_are_not_lost_but_refused() {
    for (kind, without_references) in [
        (Kind::Postgres, "ALTER TABLE trips DROP CONSTRAINT trips_route_id_fkey"),
        (Kind::Sqlite, "PRAGMA foreign_keys = off"),
    ] {
        let database = Database::demo(kind, &SMALL);
        let scene = Scene::new(&database);
        database
            .execute(&format!("{without_references}; DELETE FROM routes WHERE code = (SELECT min(code) FROM routes)"));
        scene.fails(&database, 65, &["route_code is empty", "correct it in the database"]);
    }
}

#[test]
fn other_moments_without_end_are_named_with_their_row() {
    for (table, column, condition, words) in [
        ("bookings", "expires_at", OF_JANUARY.replacen("booking_id", "id", 1), "expires_at"),
        ("bookings", "created_at", OF_JANUARY.replacen("booking_id", "id", 1), "created_at"),
        (
            "ticket_refunds",
            "processed_at",
            format!("ticket_id IN (SELECT id FROM tickets WHERE {OF_JANUARY})"),
            "processed_at",
        ),
        ("trips", "service_date", format!("id IN (SELECT trip_id FROM tickets WHERE {OF_JANUARY})"), "service_date"),
    ] {
        let database = Database::demo(Kind::Postgres, &SMALL);
        let scene = Scene::new(&database);
        let id = one(&database, &format!("SELECT min(id::text) FROM {table} WHERE {condition}"));
        database.execute(&format!("UPDATE {table} SET {column} = 'infinity' WHERE id = '{id}'"));
        scene.fails(&database, 65, &[words, "outside the years 1 to 9999", "correct it in the database"]);
    }
}

#[test]
fn tickets_issued_at_no_moment_are_in_no_month_and_hinder_none() {
    let database = Database::demo(Kind::Postgres, &SMALL);
    let scene = Scene::new(&database);
    database.execute(&format!("UPDATE tickets SET issued_at = 'infinity' WHERE ticket_ref = ({TICKET})"));
    let rows = scene.work.store().manifest().rows;
    let ended = scene.work.succeed(&database, &["--period", "2025-01", "--store", "reports"]);
    assert!(ended.last_line().starts_with(&format!("{} rows in", rows - 1)), "{}", ended.stdout);
}

#[test]
fn sqlite_values_of_another_kind_than_declared_are_named_with_their_ticket() {
    let of_january = "issued_at >= 1735689600000000 AND issued_at < 1738368000000000";
    for (column, value) in [("price", "12.5"), ("price", "'much'"), ("price", "9e18")] {
        let database = Database::demo(Kind::Sqlite, &SMALL);
        let scene = Scene::new(&database);
        let sql = format!("SELECT min(ticket_ref) FROM tickets WHERE {of_january}");
        let ticket: String = database.sqlite().query_row(&sql, [], |row| row.get(0)).unwrap();
        database.execute(&format!("UPDATE tickets SET {column} = {value} WHERE ticket_ref = '{ticket}'"));
        scene.fails(&database, 65, &[&format!("tickets `{ticket}`"), "ticket_price", "correct it in the database"]);
    }
}
