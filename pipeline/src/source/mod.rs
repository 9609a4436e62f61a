//! The databases that tickets are read from, through connectorx's sources.
//!
//! A [`Cut`] is one consistent view: everything read from it, over however many connections, is of one moment. Rows
//! come through connectorx's parsers and go straight to Arrow builders of the declared schema, so what reaches the rest
//! of the program conforms to it; a value that doesn't is an error that names it. connectorx knows no bind parameters:
//! the SQL's two placeholders are only ever filled with instants made from a period.

mod batch;
mod explain;
mod postgres;
mod record;
mod sqlite;

use std::{collections::BTreeMap, path::Path};

use arrow::record_batch::RecordBatch;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::{
    columns::{TABLES, Table},
    config::DatabaseAddress,
    hashed::hex,
    manifest::{self, Totals},
};

pub(crate) use self::explain::explain;
pub use self::postgres::{PostgresCut, PostgresSession, cancel_backends};

/// Rows in each batch that a cut gives.
pub const BATCH_ROWS: usize = 1024;

/// What can go wrong with the database or its data.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    /// Nothing answers there, or not in time.
    #[error("the database {address} can't be reached: {reason}; check that it runs and that host and port are right")]
    Unreachable {
        /// The address without its password.
        address: String,
        /// The reason.
        reason: String,
    },
    /// It answered, then went away or gave up.
    #[error("the database stopped the report: {0}; try again")]
    Interrupted(String),
    /// It lets nobody in with this user and password.
    #[error(
        "the database {address} refuses the user or password ({reason}): check DB_USER and DB_PASSWORD, or DATABASE_URL"
    )]
    Password {
        /// The address without its password.
        address: String,
        /// The reason.
        reason: String,
    },
    /// The server has no database of that name.
    #[error("{reason} at {address}: check DB_NAME, or DATABASE_URL")]
    NoDatabase {
        /// The address without its password.
        address: String,
        /// The reason.
        reason: String,
    },
    /// TLS couldn't be agreed on.
    #[error("no TLS connection to {address}: {reason}; check sslmode and sslrootcert in DATABASE_URL")]
    Tls {
        /// The address without its password.
        address: String,
        /// The reason.
        reason: String,
    },
    /// The coordinator's transaction has ended, and the cut with it: something else has failed before.
    #[error("the database has given up the report's snapshot ({0}); try again")]
    CutLost(String),
    /// A table or column is missing, of another type, or may not be read.
    #[error(
        "the database isn't as expected: {0}; run `ticketing-report check`, and apply the missing migrations or grants"
    )]
    Schema(String),
    /// A value breaks a rule of the data.
    #[error("{table} `{key}`: {column} {reason}; correct it in the database and run again")]
    Value {
        /// The table of the snapshot.
        table: &'static str,
        /// The row's first column.
        key: String,
        /// The column.
        column: &'static str,
        /// What is wrong, with the value where it is known.
        reason: String,
    },
    /// Anything else.
    #[error("reading {what} failed: {reason}")]
    Other {
        /// What was being read.
        what: String,
        /// The reason.
        reason: String,
    },
}

/// One consistent view of a database.
pub trait Cut: Sync {
    /// What the cut is.
    fn cut(&self) -> &manifest::Cut;

    /// Number of tickets in the period.
    ///
    /// # Errors
    /// When the database fails.
    fn count(&self) -> Result<u64, SourceError>;

    /// The database's own counts and sums of each table, by currency, made by SQL that shares nothing with the one
    /// that reads the rows.
    ///
    /// # Errors
    /// When the database fails.
    fn controls(&self) -> Result<BTreeMap<String, Totals>, SourceError>;

    /// Reads a table in its order, in batches of [`BATCH_ROWS`], until `take` says no by giving `false`. May be called
    /// from several threads at once, each of which gets a connection of its own.
    ///
    /// # Errors
    /// When the database fails or a value breaks a rule.
    fn read(&self, table: &'static Table, take: &mut dyn FnMut(RecordBatch) -> bool) -> Result<(), SourceError>;

    /// Ends what other threads still ask of the database, where it can be ended: nobody needs the answers any more.
    fn stop(&self) {}
}

/// Opens a cut of the tickets issued from `start` to before `end`.
///
/// `name` is how the database's own lists show our connections; `scratch` is a folder for whatever must be kept while
/// reading.
///
/// # Errors
/// When the database can't be reached or isn't as expected.
pub fn open(
    address: &DatabaseAddress,
    start: Timestamp,
    end: Timestamp,
    name: &str,
    scratch: &Path,
) -> Result<Box<dyn Cut>, SourceError> {
    Ok(match address {
        DatabaseAddress::Postgres(url) => {
            let session = PostgresSession::open(url, &address.to_string(), name)?;
            Box::new(session.cut(start, end)?)
        }
        DatabaseAddress::Sqlite(path) => Box::new(sqlite::SqliteCut::open(path, start, end, scratch)?),
    })
}

/// SHA-256 in hexadecimal over all SQL that a cut of this database runs.
#[must_use]
pub fn sql_sha256(address: &DatabaseAddress) -> String {
    let mut hash = Sha256::new();
    for table in TABLES {
        hash.update(match address {
            DatabaseAddress::Postgres(_) => postgres::sql(table),
            DatabaseAddress::Sqlite(_) => sqlite::sql(table),
        });
    }
    hex(&hash.finalize())
}

/// A query with its two placeholders filled.
fn fill(sql: &str, start: &str, end: &str) -> String {
    sql.replace("{start}", start).replace("{end}", end)
}
