//! What `check` sees of the database.

use std::{collections::BTreeMap, path::Path};

use ::postgres::{Client, Row};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::Finding;
use crate::{
    config::DatabaseAddress,
    period::{ReportPeriod, ReportTimeZone},
    source::{PostgresSession, SourceError},
};

/// Every column that the report reads, with its type in PostgreSQL; an enum is named by its own name.
const READ: &[(&str, &[(&str, &str)])] = &[
    (
        "tickets",
        &[
            ("id", "uuid"),
            ("booking_id", "uuid"),
            ("passenger_id", "uuid"),
            ("trip_id", "uuid"),
            ("fare_id", "uuid"),
            ("seat_id", "uuid"),
            ("ticket_ref", "text"),
            ("price", "numeric"),
            ("currency", "bpchar"),
            ("status", "ticket_status"),
            ("issued_at", "timestamptz"),
        ],
    ),
    (
        "bookings",
        &[
            ("id", "uuid"),
            ("booking_ref", "text"),
            ("status", "booking_status"),
            ("total_amount", "numeric"),
            ("currency", "bpchar"),
            ("created_at", "timestamptz"),
            ("expires_at", "timestamptz"),
        ],
    ),
    ("passengers", &[("id", "uuid"), ("first_name", "text"), ("last_name", "text"), ("doc_type", "doc_type")]),
    (
        "trips",
        &[
            ("id", "uuid"),
            ("route_id", "uuid"),
            ("train_id", "uuid"),
            ("service_date", "date"),
            ("departure_time", "time"),
            ("arrival_time", "time"),
            ("departure_station_id", "uuid"),
            ("arrival_station_id", "uuid"),
            ("status", "text"),
        ],
    ),
    ("routes", &[("id", "uuid"), ("code", "text"), ("name", "text")]),
    ("stations", &[("id", "uuid"), ("code", "text"), ("name", "text"), ("timezone", "text")]),
    ("fares", &[("id", "uuid"), ("code", "text"), ("seat_class", "seat_class")]),
    ("trains", &[("id", "uuid"), ("registration", "text"), ("capacity", "int4")]),
    ("carriages", &[("id", "uuid"), ("carriage_number", "int4")]),
    ("seats", &[("id", "uuid"), ("carriage_id", "uuid"), ("seat_number", "text")]),
    (
        "payments",
        &[
            ("id", "uuid"),
            ("booking_id", "uuid"),
            ("amount", "numeric"),
            ("currency", "bpchar"),
            ("method", "text"),
            ("status", "payment_status"),
            ("paid_at", "timestamptz"),
            ("created_at", "timestamptz"),
        ],
    ),
    (
        "ticket_refunds",
        &[
            ("id", "uuid"),
            ("ticket_id", "uuid"),
            ("refunded_amount", "numeric"),
            ("currency", "bpchar"),
            ("processed_at", "timestamptz"),
            ("reason", "text"),
        ],
    ),
];

const INDEX_REMEDY: &str = "no index begins with tickets.issued_at, so each report reads the whole table; ask the \
    database's owner for: CREATE INDEX CONCURRENTLY tickets_issued_at_idx ON tickets (issued_at)";

/// What is asked of either database.
struct Facts {
    /// Columns by table and name, with their types (empty where the database has none to speak of).
    columns: BTreeMap<(String, String), String>,
    /// Applied migrations: the newest version and how many failed. `None` without Flyway's history.
    migrations: Option<(String, i64)>,
    /// Whether an index begins with `tickets.issued_at`.
    indexed: bool,
}

/// Tickets in the period, and the first and last `issued_at` of all.
struct Tickets {
    in_period: i64,
    first: Option<i64>,
    last: Option<i64>,
}

pub(super) fn look(database: &DatabaseAddress, period: ReportPeriod, zone: &ReportTimeZone) -> Vec<Finding> {
    let bounds = match period.bounds(zone) {
        Ok((start, end)) => (start.as_microsecond(), end.as_microsecond()),
        Err(error) => return vec![Finding::of("period", Err(error))],
    };
    match database {
        DatabaseAddress::Postgres(url) => {
            let address = database.to_string();
            match PostgresSession::open(url, &address, "ticketing-report-check") {
                Ok(mut session) => {
                    let ask = |error: ::postgres::Error| crate::source::explain(&error, &address, "the catalogue");
                    let client = session.client();
                    let facts = postgres_facts(client).map_err(ask);
                    findings(&address, facts, true, period, zone, || postgres_tickets(client, bounds).map_err(ask))
                }
                Err(error) => vec![Finding::of("database", Err(error))],
            }
        }
        DatabaseAddress::Sqlite(path) => {
            let address = database.to_string();
            let ask = |error: rusqlite::Error| SourceError::Schema(error.to_string());
            match open_sqlite(path) {
                Ok(connection) => {
                    let facts = sqlite_facts(&connection).map_err(ask);
                    findings(&address, facts, false, period, zone, || sqlite_tickets(&connection, bounds).map_err(ask))
                }
                Err(reason) => vec![Finding::of("database", Err(SourceError::NoDatabase { address, reason }))],
            }
        }
    }
}

fn findings(
    address: &str,
    facts: Result<Facts, SourceError>,
    typed: bool,
    period: ReportPeriod,
    zone: &ReportTimeZone,
    tickets: impl FnOnce() -> Result<Tickets, SourceError>,
) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("database", format!("{address} answers"))];
    let facts = match facts {
        Ok(facts) => facts,
        Err(error) => {
            findings.push(Finding::of("schema", Err(error)));
            return findings;
        }
    };
    findings.push(match &facts.migrations {
        Some((version, 0)) => Finding::ok("migrations", format!("Flyway's history is at version {version}")),
        Some((version, failed)) => Finding::failed(
            "migrations",
            format!(
                "{failed} migrations have failed after version {version}: mend them with Flyway, then migrate again"
            ),
            78,
        ),
        None => Finding::warning(
            "migrations",
            "there is no flyway_schema_history, or it may not be read: if tables are missing, run Flyway",
        ),
    });
    let wrong = wrong_columns(&facts.columns, typed);
    if !wrong.is_empty() {
        let detail = format!("{}: apply the missing migrations or grants", wrong.join("; "));
        findings.push(Finding::failed("schema", detail, 78));
        return findings;
    }
    findings.push(Finding::ok("schema", "every table and column that the report reads is there, with its type"));
    findings.push(if facts.indexed {
        Finding::ok("index", "an index begins with tickets.issued_at")
    } else {
        // SQLite makes it at once.
        Finding::warning(
            "index",
            if typed { INDEX_REMEDY.to_owned() } else { INDEX_REMEDY.replace(" CONCURRENTLY", "") },
        )
    });
    findings.push(match tickets() {
        Ok(tickets) => tickets_finding(&tickets, period, zone),
        Err(error) => Finding::of("tickets", Err(error)),
    });
    findings
}

fn tickets_finding(tickets: &Tickets, period: ReportPeriod, zone: &ReportTimeZone) -> Finding {
    let show = |micros: Option<i64>| {
        let instant = micros.and_then(|micros| Timestamp::from_microsecond(micros).ok());
        instant.map_or_else(|| "never".to_owned(), |instant| instant.to_string())
    };
    let span = format!("issued_at of all tickets is from {} to {}", show(tickets.first), show(tickets.last));
    if tickets.in_period > 0 {
        Finding::ok("tickets", format!("{} issued from {period} ({zone}); {span}", tickets.in_period))
    } else {
        let detail =
            format!("none issued from {period} ({zone}), so the report will be empty; {span}: check the dates");
        Finding::warning("tickets", detail)
    }
}

fn wrong_columns(found: &BTreeMap<(String, String), String>, typed: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for (table, columns) in READ {
        if !found.keys().any(|(found, _)| found == table) {
            wrong.push(format!("the table `{table}` is missing or may not be read"));
            continue;
        }
        for (column, expected) in *columns {
            match found.get(&((*table).to_owned(), (*column).to_owned())) {
                None => wrong.push(format!("the column `{table}.{column}` is missing")),
                Some(kind) if typed && !same_type(kind, expected) => {
                    wrong.push(format!("the column `{table}.{column}` is `{kind}`, expected `{expected}`"));
                }
                Some(_) => {}
            }
        }
    }
    wrong
}

/// Whether the report reads a column of one type as well as one of the other: all kinds of text and enums, and all
/// integers, are cast.
fn same_type(found: &str, expected: &str) -> bool {
    let text = |kind: &str| matches!(kind, "text" | "varchar" | "bpchar") || kind.contains('_');
    let integer = |kind: &str| matches!(kind, "int2" | "int4" | "int8");
    found == expected || (text(found) && text(expected)) || (integer(found) && integer(expected))
}

fn postgres_facts(client: &mut Client) -> Result<Facts, ::postgres::Error> {
    let sql = "SELECT table_name::text, column_name::text, udt_name::text FROM information_schema.columns \
               WHERE table_schema = ANY (current_schemas(false))";
    let columns = client.query(sql, &[])?.iter().map(|row: &Row| ((row.get(0), row.get(1)), row.get(2))).collect();
    let history: bool = client
        .query_one("SELECT coalesce(has_table_privilege(to_regclass('flyway_schema_history'), 'SELECT'), false)", &[])?
        .get(0);
    let migrations = if history {
        let sql = "SELECT coalesce((SELECT version FROM flyway_schema_history WHERE success AND version IS NOT NULL \
                   ORDER BY installed_rank DESC LIMIT 1), 'none'), \
                   (SELECT count(*) FROM flyway_schema_history WHERE NOT success)";
        let row = client.query_one(sql, &[])?;
        Some((row.get::<_, String>(0), row.get(1)))
    } else {
        None
    };
    let sql = "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a \
               ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
               WHERE i.indrelid = to_regclass('tickets') AND a.attname = 'issued_at' AND i.indisvalid)";
    let indexed = client.query_one(sql, &[])?.get(0);
    Ok(Facts { columns, migrations, indexed })
}

fn postgres_tickets(client: &mut Client, (start, end): (i64, i64)) -> Result<Tickets, ::postgres::Error> {
    let micros = "(extract(epoch FROM {}) * 1000000)::bigint";
    let sql = format!(
        "SELECT count(*) FILTER (WHERE issued_at >= to_timestamp({start} / 1e6) AND issued_at < to_timestamp({end} / 1e6)), \
         {}, {} FROM tickets WHERE isfinite(issued_at)",
        micros.replace("{}", "min(issued_at)"),
        micros.replace("{}", "max(issued_at)"),
    );
    let row = client.query_one(&sql, &[])?;
    Ok(Tickets { in_period: row.get(0), first: row.get(1), last: row.get(2) })
}

fn open_sqlite(path: &Path) -> Result<Connection, String> {
    if !path.is_file() {
        return Err("there is no such file".to_owned());
    }
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|e| e.to_string())
}

fn sqlite_facts(connection: &Connection) -> rusqlite::Result<Facts> {
    let sql = "SELECT m.name, c.name, c.type FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'";
    let mut statement = connection.prepare(sql)?;
    let columns: BTreeMap<_, _> =
        statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?.collect::<Result<_, _>>()?;
    let history = columns.keys().any(|(table, _): &(String, String)| table == "flyway_schema_history");
    let migrations = if history {
        let sql = "SELECT coalesce((SELECT version FROM flyway_schema_history WHERE success AND version IS NOT NULL \
                   ORDER BY installed_rank DESC LIMIT 1), 'none'), \
                   (SELECT count(*) FROM flyway_schema_history WHERE NOT success)";
        Some(connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
    } else {
        None
    };
    let sql = "SELECT count(*) > 0 FROM pragma_index_list('tickets') l, pragma_index_info(l.name) i \
               WHERE i.seqno = 0 AND i.name = 'issued_at'";
    let indexed = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(Facts { columns, migrations, indexed })
}

fn sqlite_tickets(connection: &Connection, (start, end): (i64, i64)) -> rusqlite::Result<Tickets> {
    let sql = "SELECT count(*) FILTER (WHERE issued_at >= ?1 AND issued_at < ?2), min(issued_at), max(issued_at) FROM tickets";
    connection.query_row(sql, [start, end], |row| {
        Ok(Tickets { in_period: row.get(0)?, first: row.get(1)?, last: row.get(2)? })
    })
}
