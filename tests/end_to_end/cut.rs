//! One consistent cut, however many connections read from it and whatever is committed meanwhile.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use arrow::{array::AsArray, datatypes::Decimal128Type};
use jiff::Timestamp;
use pipeline::{
    columns::{BOOKINGS, PAYMENTS, TABLES, Table},
    manifest::{Manifest, Totals},
    source::{self, Cut},
};
use tests::{
    database::{Database, Kind, MEDIUM},
    postgres::PostgresDatabase,
    waiting,
    workplace::Workplace,
};

/// January 2025 in UTC.
fn january() -> (Timestamp, Timestamp) {
    ("2025-01-01T00:00:00Z".parse().unwrap(), "2025-02-01T00:00:00Z".parse().unwrap())
}

/// Two bookings of January in euro, each with a completed payment in euro.
fn two_bookings(database: &PostgresDatabase) -> [String; 2] {
    let sql = "SELECT b.id::text FROM bookings b \
               WHERE b.currency = 'EUR' AND EXISTS (SELECT FROM tickets t WHERE t.booking_id = b.id \
                   AND t.issued_at >= '2025-01-01Z' AND t.issued_at < '2025-02-01Z') \
               AND EXISTS (SELECT FROM payments p WHERE p.booking_id = b.id AND p.currency = 'EUR') ORDER BY b.id";
    let rows = database.client().query(sql, &[]).unwrap();
    // The first and the last in the order in which they are read.
    [rows.first().unwrap().get(0), rows.last().unwrap().get(0)]
}

/// A transaction that moves money from one booking to another, and from a payment of the one to one of the other.
fn move_money([from, to]: &[String; 2], euro: i32) -> String {
    let payment = |booking: &String| {
        format!("(SELECT min(id::text)::uuid FROM payments WHERE booking_id = '{booking}' AND currency = 'EUR')")
    };
    format!(
        "BEGIN; \
         UPDATE bookings SET total_amount = total_amount - {euro} WHERE id = '{from}'; \
         UPDATE bookings SET total_amount = total_amount + {euro} WHERE id = '{to}'; \
         UPDATE payments SET amount = amount - {euro} WHERE id = {}; \
         UPDATE payments SET amount = amount + {euro} WHERE id = {}; \
         COMMIT",
        payment(from),
        payment(to),
    )
}

#[test]
fn fifty_pulls_under_a_writer_at_full_speed_see_exact_totals() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &MEDIUM));
    let bookings = two_bookings(database.postgres());
    let store = work.store();
    let pull = || {
        work.succeed(&database, &["--period", "2025-01", "--store", "reports"]);
        let numbers = store.numbers("2025-01");
        store.edition("2025-01", *numbers.last().unwrap())
    };
    let totals = |manifest: &Manifest| -> Vec<Totals> {
        TABLES.iter().map(|table| manifest.tables[table.name].totals.clone()).collect()
    };
    let before = pull();
    let expected = totals(&before);

    let (done, moved) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = database.postgres().client();
            let mut euro = 1;
            while !done.load(Ordering::Relaxed) {
                client.batch_execute(&move_money(&bookings, euro)).unwrap();
                moved.fetch_add(1, Ordering::Relaxed);
                euro = euro % 7 + 1;
            }
        });
        let mut digests = BTreeSet::from([before.digest.clone()]);
        for _ in 0..50 {
            let at_least = moved.load(Ordering::Relaxed) + 1;
            waiting::until("the writer writes", || (moved.load(Ordering::Relaxed) >= at_least).then_some(()));
            let pulled = pull();
            assert_eq!(totals(&pulled), expected);
            digests.insert(pulled.digest);
        }
        done.store(true, Ordering::Relaxed);
        assert!(digests.len() > 40, "the pulls have seen only {} states of the data", digests.len());
    });
    assert!(moved.load(Ordering::Relaxed) > 200, "only {moved:?} transactions in 50 pulls");
}

/// The sum of a column of amounts that a cut gives.
fn sum(cut: &dyn Cut, table: &'static Table, column: &str) -> i128 {
    let position = table.position(column).unwrap();
    let mut sum = 0;
    cut.read(table, &mut |batch| {
        sum += batch.column(position).as_primitive::<Decimal128Type>().iter().flatten().sum::<i128>();
        true
    })
    .unwrap();
    sum
}

/// The same, plainly asked of the database.
fn plain_sum(client: &mut postgres::Client, table: &str, column: &str) -> i128 {
    let of_january =
        "booking_id IN (SELECT booking_id FROM tickets WHERE issued_at >= '2025-01-01Z' AND issued_at < '2025-02-01Z')";
    let of_january =
        if table == "bookings" { of_january.replacen("booking_id", "id", 1) } else { of_january.to_owned() };
    let row = client.query_one(&format!("SELECT sum({column})::text FROM {table} WHERE {of_january}"), &[]).unwrap();
    row.get::<_, String>(0).replace('.', "").parse().unwrap()
}

#[test]
fn a_commit_between_the_reads_of_two_connections_is_seen_by_neither() {
    let database = Database::demo(Kind::Postgres, &MEDIUM);
    let [booking, _] = two_bookings(database.postgres());
    // What a booking owes becomes what it has paid: the two tables' sum is the same before and after.
    let transfer = format!(
        "BEGIN; UPDATE bookings SET total_amount = total_amount - 1000 WHERE id = '{booking}'; \
         UPDATE payments SET amount = amount + 1000 \
             WHERE id = (SELECT min(id::text)::uuid FROM payments WHERE booking_id = '{booking}'); COMMIT"
    );
    let whole = |client: &mut postgres::Client| {
        plain_sum(client, "bookings", "total_amount") + plain_sum(client, "payments", "amount")
    };
    let mut client = database.postgres().client();
    let expected = whole(&mut client);

    // Two connections that share nothing: one reads before the commit, the other after it, and the sum is wrong.
    let first = plain_sum(&mut database.postgres().client(), "bookings", "total_amount");
    database.execute(&transfer);
    let second = plain_sum(&mut database.postgres().client(), "payments", "amount");
    assert_eq!(first + second, expected + 100_000, "this must go wrong, or the test below says nothing");
    assert_eq!(whole(&mut client), expected);

    let scratch = Workplace::new();
    let (start, end) = january();
    let cut = source::open(&database.address(), start, end, "ticketing-report-cut-test", scratch.path()).unwrap();
    let first = sum(&*cut, &BOOKINGS, "total_amount");
    database.execute(&transfer);
    let second = sum(&*cut, &PAYMENTS, "amount");
    assert_eq!(first + second, expected);
    // Nor is the commit seen by whoever reads again, or by the database's own sums.
    assert_eq!(sum(&*cut, &BOOKINGS, "total_amount"), first);
    let controls = cut.controls().unwrap();
    let of = |table: &str| controls[table].values().map(|total| total.amount.0).sum::<i128>();
    assert_eq!(of("bookings") + of("payments"), expected);
    assert_eq!(of("bookings"), first);
    drop(cut);
    assert_eq!(plain_sum(&mut client, "bookings", "total_amount"), first - 100_000, "the commit has happened");
}

#[test]
fn rows_that_come_or_go_between_the_reads_are_seen_by_none() {
    let database = Database::demo(Kind::Postgres, &MEDIUM);
    let scratch = Workplace::new();
    let (start, end) = january();
    let cut = source::open(&database.address(), start, end, "ticketing-report-cut-test", scratch.path()).unwrap();
    let counted = cut.count().unwrap();
    database.execute(
        "DELETE FROM ticket_refunds; DELETE FROM payments; \
         DELETE FROM tickets WHERE issued_at >= '2025-01-10Z' AND issued_at < '2025-02-01Z'; \
         UPDATE tickets SET issued_at = '2025-01-02Z' WHERE issued_at >= '2025-02-01Z'",
    );
    let controls = cut.controls().unwrap();
    for table in TABLES {
        let mut rows = 0;
        cut.read(table, &mut |batch| {
            rows += batch.num_rows() as u64;
            true
        })
        .unwrap();
        let expected = controls[table.name].values().map(|total| total.rows).sum::<u64>();
        assert!(rows > 0 && rows == expected, "{}: {rows} rows, {expected} expected", table.name);
        assert!(table.name != "tickets" || rows == counted);
    }
}

#[test]
fn the_manifest_names_the_cut() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &MEDIUM));
    let now = |database: &Database| -> i64 {
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        database.postgres().client().query_one(sql, &[]).unwrap().get(0)
    };
    let before = now(&database);
    work.succeed(&database, &["--period", "2025-01"]);
    let manifest = work.store().manifest();
    assert!((before..=now(&database)).contains(&manifest.cut.at.as_microsecond()));
    // PostgreSQL names an exported snapshot by three hexadecimal numbers.
    let snapshot = manifest.cut.snapshot.unwrap();
    assert_eq!(snapshot.split('-').count(), 3, "{snapshot}");
    assert!(snapshot.chars().all(|c| c == '-' || c.is_ascii_hexdigit()), "{snapshot}");
}
