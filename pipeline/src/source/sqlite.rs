//! SQLite, for the demo and for trying things out.
//!
//! connectorx reads a column's type from its declaration, or else from the first row, and opens connections of its
//! own, which no transaction can span. So the cut is made first: one transaction writes the period's rows, typed, into
//! a scratch file, and connectorx reads them from there. Money is an integer of minor units, an instant an integer of
//! microseconds in UTC; dates and times of day are ISO text.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use arrow::record_batch::RecordBatch;
use chrono::{NaiveDate, NaiveTime, Timelike};
use connectorx::{
    sources::{
        PartitionParser, Produce, Source, SourcePartition,
        sqlite::{SQLiteSource, SQLiteSourceError, SQLiteSourcePartitionParser},
    },
    sql::CXQuery,
};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{
    Cut, SourceError,
    batch::{Cells, Reason, day, fits, moment, read_rows},
    fill,
};
use crate::{
    columns::{Kind, TABLES, Table},
    manifest::{self, Money, Total, Totals},
};

pub(super) fn sql(table: &Table) -> &'static str {
    match table.name {
        "tickets" => include_str!("sql/sqlite/tickets.sql"),
        "bookings" => include_str!("sql/sqlite/bookings.sql"),
        "payments" => include_str!("sql/sqlite/payments.sql"),
        "refunds" => include_str!("sql/sqlite/refunds.sql"),
        _ => include_str!("sql/sqlite/trips.sql"),
    }
}

/// A cut of a SQLite database.
pub(super) struct SqliteCut {
    cut: manifest::Cut,
    connection: Mutex<Connection>,
    scratch: PathBuf,
    controls: BTreeMap<String, Totals>,
}

impl SqliteCut {
    /// Copies the period's rows, in one transaction, to a file in `scratch`.
    pub(super) fn open(path: &Path, start: Timestamp, end: Timestamp, scratch: &Path) -> Result<Self, SourceError> {
        let address = format!("sqlite://{}", path.display());
        if !path.is_file() {
            return Err(SourceError::NoDatabase { address, reason: "there is no such file".to_owned() });
        }
        let failed = |e: rusqlite::Error| explain(&e, &address);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI;
        let file = scratch.join("cut.sqlite");
        let connection = Connection::open_with_flags(&file, flags).map_err(failed)?;
        let (start, end) = (start.as_microsecond().to_string(), end.as_microsecond().to_string());
        connection
            .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE;")
            .map_err(failed)?;
        // Never creates a file that a mistyped path names, never writes to the database.
        let read_only = format!("file:{}?mode=ro", utf8_percent_encode(&path.display().to_string(), NON_ALPHANUMERIC));
        connection.execute("ATTACH DATABASE ?1 AS db", [read_only]).map_err(failed)?;
        connection.execute_batch("BEGIN").map_err(failed)?;
        let at = Timestamp::now();
        for table in TABLES {
            let source = fill(sql(table), &start, &end);
            let create = format!("CREATE TABLE cut_{} ({})", table.name, declarations(table));
            let copy = format!("INSERT INTO cut_{} {source}", table.name);
            connection.execute_batch(&create).and_then(|()| connection.execute_batch(&copy)).map_err(failed)?;
        }
        let controls = fill(include_str!("sql/sqlite/controls.sql"), &start, &end);
        let controls = self::controls(&connection, &controls).map_err(failed)?;
        connection.execute_batch("COMMIT; DETACH DATABASE db;").map_err(failed)?;
        Ok(Self {
            cut: manifest::Cut { at, snapshot: None },
            connection: Mutex::new(connection),
            scratch: file,
            controls,
        })
    }

    fn read_scratch(
        &self,
        table: &'static Table,
        take: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<(), SourceError> {
        let failed = |e: SQLiteSourceError| SourceError::Other { what: table.name.to_owned(), reason: e.to_string() };
        let path = utf8_percent_encode(&self.scratch.display().to_string(), NON_ALPHANUMERIC).to_string();
        let mut source = SQLiteSource::new(&path, 1).map_err(failed)?;
        source.set_queries(&[CXQuery::naked(format!("SELECT * FROM cut_{} ORDER BY rowid", table.name))]);
        source.fetch_metadata().map_err(failed)?;
        for mut partition in source.partition().map_err(failed)? {
            let mut parser = partition.parser().map_err(failed)?;
            read_rows(&mut SqliteCells { parser: &mut parser, table }, table, take)?;
        }
        Ok(())
    }
}

impl Cut for SqliteCut {
    fn cut(&self) -> &manifest::Cut {
        &self.cut
    }

    fn count(&self) -> Result<u64, SourceError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let count: i64 = connection
            .query_row("SELECT count(*) FROM cut_tickets", [], |row| row.get(0))
            .map_err(|e| explain(&e, "the cut"))?;
        Ok(count.unsigned_abs())
    }

    fn controls(&self) -> Result<BTreeMap<String, Totals>, SourceError> {
        Ok(self.controls.clone())
    }

    fn read(&self, table: &'static Table, take: &mut dyn FnMut(RecordBatch) -> bool) -> Result<(), SourceError> {
        catch_unwind(AssertUnwindSafe(|| self.read_scratch(table, take))).unwrap_or_else(|_| {
            Err(SourceError::Schema(format!("a column of {} has a type that can't be read", table.name)))
        })
    }
}

fn declarations(table: &Table) -> String {
    let declared: Vec<_> = table
        .columns
        .iter()
        .map(|column| {
            let kind = match column.kind {
                Kind::Text | Kind::Key => "TEXT",
                Kind::Integer | Kind::Money | Kind::Instant => "INTEGER",
                Kind::Date => "DATE",
                Kind::Time => "TIME",
            };
            format!("{} {kind}", column.name)
        })
        .collect();
    declared.join(", ")
}

fn controls(connection: &Connection, sql: &str) -> rusqlite::Result<BTreeMap<String, Totals>> {
    let mut controls: BTreeMap<String, Totals> = BTreeMap::new();
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let table: String = row.get(0)?;
        let currency: Option<String> = row.get(1)?;
        let count: i64 = row.get(2)?;
        // A sum of anything but integers is a real: reading the rows names the row that isn't one.
        let Ok(amount) = row.get::<_, Option<i64>>(3) else { continue };
        let total = Total { rows: count.unsigned_abs(), amount: Money(amount.unwrap_or(0).into()) };
        controls.entry(table).or_default().insert(currency.unwrap_or_default(), total);
    }
    Ok(controls)
}

struct SqliteCells<'a, 'b> {
    parser: &'b mut SQLiteSourcePartitionParser<'a>,
    table: &'static Table,
}

impl SqliteCells<'_, '_> {
    fn cell<T>(&mut self) -> Result<Option<T>, Reason>
    where
        for<'r, 'a> SQLiteSourcePartitionParser<'a>: Produce<'r, Option<T>, Error = SQLiteSourceError>,
    {
        self.parser.produce().map_err(|e| format!("can't be taken ({e})"))
    }
}

impl Cells for SqliteCells<'_, '_> {
    fn fetch(&mut self) -> Result<(usize, bool), SourceError> {
        self.parser
            .fetch_next()
            .map_err(|e| SourceError::Other { what: self.table.name.to_owned(), reason: e.to_string() })
    }

    fn next_row(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    fn text(&mut self, take: impl FnOnce(Option<&[u8]>) -> Result<(), Reason>) -> Result<(), Reason> {
        take(self.cell::<Box<str>>()?.as_deref().map(str::as_bytes))
    }

    fn key(&mut self, take: impl FnOnce(Option<&[u8]>) -> Result<(), Reason>) -> Result<(), Reason> {
        self.text(take)
    }

    fn integer(&mut self) -> Result<Option<i64>, Reason> {
        self.cell()
    }

    fn money(&mut self) -> Result<Option<i128>, Reason> {
        self.cell::<i64>()?.map(|minor| fits(minor.into())).transpose()
    }

    fn date(&mut self) -> Result<Option<i32>, Reason> {
        let date = self.cell::<NaiveDate>()?;
        date.map(|date| day(date.signed_duration_since(NaiveDate::default()).num_days())).transpose()
    }

    fn time(&mut self) -> Result<Option<i64>, Reason> {
        let micros = |time: NaiveTime| {
            i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1000)
        };
        Ok(self.cell()?.map(micros))
    }

    fn instant(&mut self) -> Result<Option<i64>, Reason> {
        self.cell::<i64>()?.map(moment).transpose()
    }
}

fn explain(error: &rusqlite::Error, address: &str) -> SourceError {
    let reason = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => SourceError::Interrupted(reason),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::NotADatabase) => {
            SourceError::NoDatabase { address: address.to_owned(), reason }
        }
        _ if reason.starts_with("no such table") || reason.starts_with("no such column") => SourceError::Schema(reason),
        _ => SourceError::Other { what: address.to_owned(), reason },
    }
}
