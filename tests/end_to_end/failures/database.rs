//! A database that can't be reached, or isn't what the report expects.

use std::{net::TcpListener, time::Instant};

use tests::{
    database::{Database, Kind, SMALL},
    postgres::{self, PASSWORD, PostgresDatabase, USER, encode},
    waiting,
};

use super::Scene;

const JANUARY: [&str; 4] = ["--period", "2025-01", "--store", "reports"];

fn scene() -> (Scene, Database) {
    let database = Database::demo(Kind::Postgres, &SMALL);
    (Scene::new(&database), database)
}

#[test]
fn a_port_on_which_nobody_listens_is_worth_another_try() {
    let (scene, _) = scene();
    let port = postgres::free_port().unwrap();
    let url = format!("postgres://{USER}:secret@127.0.0.1:{port}/traindb");
    let address = format!("postgres://postgres@127.0.0.1:{port}/traindb");
    let ended = scene.fails_with(&url, &JANUARY, 75, &[&address, "can't be reached", "refused", "check that it runs"]);
    assert!(!ended.stderr[0].contains("secret"), "{}", ended.stderr[0]);
}

#[test]
fn a_host_that_does_not_exist_is_named() {
    let (scene, _) = scene();
    let url = "postgres://postgres@no-such-host.invalid/traindb";
    scene.fails_with(url, &JANUARY, 75, &["no-such-host.invalid", "can't be reached", "host and port"]);
}

#[test]
fn a_server_that_accepts_and_never_answers_is_given_up_after_five_seconds() {
    let (scene, _) = scene();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://postgres@{}/traindb", silent.local_addr().unwrap());
    let began = Instant::now();
    scene.fails_with(&url, &JANUARY, 75, &["can't be reached", "no answer within 5 seconds"]);
    let took = began.elapsed();
    assert!((5..9).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn a_wrong_password_is_told_without_showing_it() {
    let (scene, database) = scene();
    let name = database.postgres().name();
    let url = format!("postgres://{USER}:hunter2@127.0.0.1:{}/{name}", postgres::port());
    let ended = scene.fails_with(&url, &JANUARY, 78, &["password", "DB_PASSWORD", "DATABASE_URL"]);
    assert!(!ended.stderr[0].contains("hunter2"));
    let url = format!("postgres://{USER}@127.0.0.1:{}/{name}", postgres::port());
    scene.fails_with(&url, &JANUARY, 78, &["password", "DB_PASSWORD"]);
    let url = format!("postgres://nobody:x@127.0.0.1:{}/{name}", postgres::port());
    scene.fails_with(&url, &JANUARY, 78, &["nobody", "DB_USER"]);
}

#[test]
fn a_database_that_does_not_exist_is_named() {
    let (scene, _) = scene();
    let url = format!("postgres://{USER}:{}@127.0.0.1:{}/tarindb", encode(PASSWORD), postgres::port());
    scene.fails_with(&url, &JANUARY, 78, &["\"tarindb\" does not exist", "DB_NAME"]);
    let missing = scene.work.file("missing.sqlite");
    let url = format!("sqlite://{}", missing.display());
    scene.fails_with(&url, &JANUARY, 78, &["missing.sqlite", "no such file"]);
    assert!(!missing.exists());
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let (scene, _) = scene();
    let file = scene.work.path().join("reports/state/no-database");
    std::fs::write(&file, "just a text, and long enough to be looked at: ".repeat(100)).unwrap();
    let ended = scene
        .work
        .command(&[&JANUARY[..], &["--quiet"]].concat())
        .env("DATABASE_URL", &format!("sqlite://{}", file.display()))
        .finish();
    std::fs::remove_file(&file).unwrap();
    scene.assert_failed(&ended, 78, &["no-database", "not a database"]);
}

#[test]
fn a_database_without_migrations_is_told_with_the_remedy() {
    let (scene, _) = scene();
    let empty = PostgresDatabase::empty();
    scene.fails_with(
        &empty.url(),
        &JANUARY,
        78,
        &["\"tickets\" does not exist", "ticketing-report check", "migrations"],
    );
}

#[test]
fn a_schema_that_is_not_as_expected_is_told_by_the_thing_that_differs() {
    let cases: &[(&str, &[&str])] = &[
        ("DROP TABLE ticket_refunds", &["\"ticket_refunds\" does not exist"]),
        ("DROP TABLE stations CASCADE", &["\"stations\" does not exist"]),
        ("ALTER TABLE tickets RENAME price TO cost", &["price does not exist"]),
        ("ALTER TABLE payments DROP COLUMN method", &["method does not exist"]),
        ("ALTER TABLE tickets ALTER price TYPE double precision", &["`ticket_price`", "decimal(12,2)"]),
        ("ALTER TABLE bookings ALTER total_amount TYPE bigint", &["`booking_total_amount`", "decimal(12,2)"]),
        ("ALTER TABLE tickets ALTER issued_at TYPE timestamp", &["`issued_at`", "instant"]),
        ("ALTER TABLE trips ALTER service_date TYPE text", &["`service_date`", "date"]),
        ("ALTER TABLE trips ALTER departure_time TYPE interval", &["departure_time"]),
        ("ALTER TABLE trips ALTER arrival_time TYPE timetz", &["arrival_time"]),
        ("ALTER TABLE payments ALTER amount TYPE money USING amount::money", &["money"]),
    ];
    for (sql, words) in cases {
        let (scene, database) = scene();
        database.execute(sql);
        let words = [words, &["the database isn't as expected", "ticketing-report check", "migrations"][..]].concat();
        scene.fails(&database, 78, &words);
    }
}

#[test]
fn missing_grants_are_told_by_the_table() {
    let (scene, database) = scene();
    let role = format!("reader_of_{}", database.postgres().name());
    database.execute(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'reader'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    let url = format!("postgres://{role}:reader@127.0.0.1:{}/{}", postgres::port(), database.postgres().name());
    // To read is all that it must be allowed.
    let read = scene.work.command(&JANUARY).env("DATABASE_URL", &url).finish().succeeded();
    assert!(read.last_line().contains("nothing has changed"));
    database.execute(&format!("REVOKE SELECT ON payments FROM {role}"));
    scene.fails_with(&url, &JANUARY, 78, &["permission denied for table payments", "grants"]);
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// Runs a report that waits for a table, does something to its connections there, and sees it fail with 75.
fn interrupted(table: &str, act: &str, words: &[&str]) {
    let (scene, database) = scene();
    let mut client = database.postgres().client();
    let mut lock = client.transaction().unwrap();
    lock.batch_execute(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).unwrap();
    let running = scene.work.with(&database, &[&JANUARY[..], &["--quiet"]].concat()).start();
    waiting::until("the run waits for the lock", || (database.postgres().report_connections().1 > 0).then_some(()));
    // Until it has given up: a connection that is just not waiting when it is its turn comes later.
    waiting::until("the run's connections are gone", || {
        database.execute(&format!(
            "SELECT {act}(pid) FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name LIKE 'ticketing-report%' AND wait_event_type = 'Lock'"
        ));
        (database.postgres().report_connections().0 == 0).then_some(())
    });
    drop(lock);
    scene.assert_failed(&running.finish(), 75, words);
}

#[test]
fn a_query_that_is_cancelled_is_worth_another_try() {
    for table in ["tickets", "stations", "payments", "trips"] {
        interrupted(
            table,
            "pg_cancel_backend",
            &["the database stopped the report", "canceling statement", "try again"],
        );
    }
}

#[test]
fn a_connection_that_is_ended_is_worth_another_try() {
    for table in ["tickets", "stations", "payments"] {
        interrupted(table, "pg_terminate_backend", &["the database stopped the report", "try again"]);
    }
}

#[test]
fn a_statement_timeout_is_worth_another_try() {
    let (scene, database) = scene();
    let name = database.postgres().name();
    database.execute(&format!("ALTER DATABASE {name} SET statement_timeout = '300ms'"));
    let mut client = database.postgres().client();
    let mut lock = client.transaction().unwrap();
    lock.batch_execute("LOCK TABLE stations IN ACCESS EXCLUSIVE MODE").unwrap();
    scene.fails(&database, 75, &["statement timeout", "statement_timeout raised", "try again"]);
}

/// A migration waits for the report's own locks, and would stop whatever of the report comes after it, and sales, for
/// ever: neither the server nor the report could see who waits for whom.
#[test]
fn a_report_ends_rather_than_wait_for_a_migration_that_waits_for_it() {
    let (scene, database) = scene();
    let mut client = database.postgres().client();
    for table in ["payments", "tickets", "trips"] {
        let mut lock = client.transaction().unwrap();
        lock.batch_execute(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).unwrap();
        let url = format!("{}?options=-c%20lock_timeout%3D300ms", database.url());
        scene.fails_with(&url, &JANUARY, 75, &["waited too long for a lock", "a migration", "try again"]);
        assert_eq!(database.postgres().report_connections().0, 0, "{table}");
        drop(lock);
    }
    // What nobody asks for otherwise is ten seconds, in every connection.
    let mut lock = client.transaction().unwrap();
    lock.batch_execute("LOCK TABLE ticket_refunds IN ACCESS EXCLUSIVE MODE").unwrap();
    let mut running = scene.work.with(&database, &[&JANUARY[..], &["--quiet"]].concat()).start();
    waiting::until("the run gives up", || running.has_ended().then_some(()));
    scene.assert_failed(&running.finish(), 75, &["waited too long for a lock"]);
}

#[test]
fn a_server_with_no_connection_left_is_worth_another_try() {
    let (scene, database) = scene();
    let role = format!("limited_in_{}", database.postgres().name());
    database.execute(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 1; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    let url = format!("postgres://{role}:x@127.0.0.1:{}/{}", postgres::port(), database.postgres().name());
    let mut running = scene.work.command(&[&JANUARY[..], &["--quiet"]].concat()).env("DATABASE_URL", &url).start();
    waiting::until("the run gives up", || running.has_ended().then_some(()));
    scene.assert_failed(&running.finish(), 75, &["too many connections"]);
    waiting::until("the run's connections are gone", || {
        (database.postgres().report_connections().0 == 0).then_some(())
    });
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn a_sqlite_file_that_somebody_writes_is_worth_another_try() {
    let database = Database::demo(Kind::Sqlite, &SMALL);
    let scene = Scene::new(&database);
    let writer = database.sqlite();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    scene.fails(&database, 75, &["locked", "try again"]);
}
