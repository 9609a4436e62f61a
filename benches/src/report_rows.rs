//! The query result that everybody writes into a workbook: a month of a demo, materialised once.

use jiff::civil::date;
use pipeline::{
    columns::{Kind, TICKETS},
    demo::DemoOptions,
};
use tests::postgres::PostgresDatabase;

use crate::Failure;

/// The report's own query for the tickets.
const TICKETS_SQL: &str = include_str!("../../pipeline/src/source/sql/postgres/tickets.sql");

/// A table of the report's rows, in the report's order.
pub struct ReportRows {
    database: PostgresDatabase,
    /// How many they are.
    pub rows: u64,
    /// What stands in the first and in the last of them.
    pub ends: [Vec<Expected>; 2],
}

/// A cell as a workbook must hold it.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// Nothing.
    Empty,
    /// A text.
    Text(String),
    /// A number, a date as days since Excel's day 0, or a time as a fraction of a day.
    Number(f64),
}

/// The columns of the sheet.
fn sheet_columns() -> Vec<&'static str> {
    TICKETS.sheet_columns().map(|(_, column, _)| column.name).collect()
}

impl ReportRows {
    /// Makes a table of exactly so many rows.
    ///
    /// # Errors
    /// When the demo's month has fewer, or the server fails.
    pub fn make(rows: u64) -> Result<Self, Failure> {
        // The middle month of three has nearly a third of the tickets.
        let options = DemoOptions { tickets: rows * 10 / 3 + 100, first_month: date(2025, 1, 1), months: 3, seed: 1 };
        let database = PostgresDatabase::demo(&options);
        database.execute("VACUUM ANALYZE");
        let query = TICKETS_SQL
            .replace("{start}", "timestamptz '2025-02-01T00:00:00Z'")
            .replace("{end}", "timestamptz '2025-03-01T00:00:00Z'");
        let columns: Vec<String> = TICKETS.columns.iter().map(|column| tame(column.name)).collect();
        let columns = columns.join(", ");
        database.execute(&format!("CREATE TABLE report_rows AS SELECT {columns} FROM ({query}) report LIMIT {rows}"));
        database.execute("VACUUM ANALYZE report_rows");
        // Everybody gets the rows in the order in which they were put in, wherever the reader before has stopped.
        let name = database.name();
        database.execute(&format!(
            "ALTER DATABASE {name} SET synchronize_seqscans = off; \
             ALTER DATABASE {name} SET max_parallel_workers_per_gather = 0; \
             ALTER DATABASE {name} SET timezone = 'UTC'"
        ));
        let mut client = database.client();
        let found: i64 = client.query_one("SELECT count(*) FROM report_rows", &[])?.get(0);
        if u64::try_from(found)? != rows {
            return Err(format!("the demo's month has only {found} rows instead of {rows}").into());
        }
        let mut end = |place: &str| -> Result<Vec<Expected>, Failure> {
            let cells = sheet_columns().into_iter().map(|name| {
                let sql = format!(
                    "SELECT {} FROM report_rows WHERE ctid = (SELECT {place}(ctid) FROM report_rows)",
                    number_sql(name)
                );
                let row = client.query_one(&sql, &[])?;
                let (number, text): (Option<f64>, Option<String>) = (row.get(0), row.get(1));
                Ok(match (number, text) {
                    (Some(number), _) => Expected::Number(number),
                    (None, Some(text)) => Expected::Text(text),
                    (None, None) => Expected::Empty,
                })
            });
            cells.collect()
        };
        let ends = [end("min")?, end("max")?];
        Ok(Self { rows, ends, database })
    }

    /// The database's address, with its password. It says that there is no encryption, so that nobody gets ready for it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}?sslmode=disable", self.database.url())
    }

    /// What is run on it; with the keys for whoever writes the snapshot as well.
    #[must_use]
    pub fn query(&self, with_keys: bool) -> String {
        let all = if with_keys { TICKETS.columns.iter().map(|column| column.name).collect() } else { sheet_columns() };
        format!("SELECT {} FROM report_rows", all.join(", "))
    }

    /// The sheet's header.
    #[must_use]
    pub fn header(&self) -> Vec<&'static str> {
        sheet_columns()
    }
}

/// A column without the demo's hostile names that end some of the rivals: control characters, texts longer than a cell
/// takes, and texts that begin like formulas.
fn tame(name: &str) -> String {
    let kind = TICKETS.columns.iter().find(|column| column.name == name).map(|column| column.kind);
    if kind != Some(Kind::Text) {
        return name.to_owned();
    }
    if !name.starts_with("passenger_") {
        // Not every rival takes an enum.
        return format!("{name}::text AS {name}");
    }
    format!(
        r"CASE WHEN {name}::text ~ '[[:cntrl:]\uFFFE\uFFFF]|^=' OR length({name}::text) > 1000 THEN 'Ann' ELSE {name}::text END AS {name}"
    )
}

/// A column as Excel's number, or else as text.
fn number_sql(name: &str) -> String {
    let kind = TICKETS.columns.iter().find(|column| column.name == name).map_or(Kind::Text, |column| column.kind);
    let number = match kind {
        Kind::Text | Kind::Key => return format!("NULL::float8, {name}::text"),
        Kind::Integer | Kind::Money => format!("{name}::float8"),
        Kind::Date => format!("({name} - date '1899-12-30')::float8"),
        Kind::Time => format!("(extract(epoch FROM {name}) / 86400)::float8"),
        Kind::Instant => format!("(extract(epoch FROM {name}) / 86400 + 25569)::float8"),
    };
    format!("{number}, NULL::text")
}
