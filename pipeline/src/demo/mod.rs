//! A demo: a ticketing database that looks like a real railway's, made from a seed.
//!
//! The same options give the same rows with the same ids, in SQLite as in PostgreSQL, so a report from either is the
//! same. Most sales are sound; a few in a thousand show each of the things that a controller looks for. Every month of
//! a hundred tickets or more has all the passengers with hostile names, and tickets issued in the very first and the
//! very last microsecond of the month in UTC and in Rome; smaller months have their share of both.
//!
//! Memory stays flat: a sale follows from the seed and its number, every table is written in a pass of its own over
//! all sales, and between two tickets only the seats sold on each trip are remembered.

mod calendar;
mod exceptions;
mod flyway;
mod hostile;
mod keys;
mod model;
mod people;
mod postgres;
mod railway;
mod requests;
mod rows;
mod sales;
mod seating;
mod specials;
mod sqlite;
mod tables;
#[cfg(test)]
mod tests;

use std::{io, path::PathBuf};

use jiff::civil::{Date, date};

pub use self::{postgres::into_postgres, sqlite::into_sqlite};

/// The fewest tickets of a demo: enough to show every hostile name.
pub const FEWEST_TICKETS: u64 = 100;

/// The most tickets of a demo.
pub const MOST_TICKETS: u64 = 10_000_000;

/// The most tickets of a demo in SQLite.
pub const MOST_TICKETS_SQLITE: u64 = 1_000_000;

/// The most months of a demo.
pub const MOST_MONTHS: u32 = 60;

/// The fewest tickets for each month, on average.
const FEWEST_A_MONTH: u64 = 8;

/// When the first month may begin.
const FIRST_MONTHS: [Date; 2] = [date(2000, 1, 1), date(2090, 1, 1)];

/// What the demo should be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoOptions {
    /// How many tickets, exactly: 100 to 10,000,000, in SQLite to 1,000,000.
    ///
    /// They are issued in the months of the demo as UTC counts them, but for two: Rome's first microsecond of the
    /// first month falls in the month before, and in a demo of one month a ticket is added to a booking in the hours
    /// after it.
    pub tickets: u64,
    /// The first day of the first month.
    pub first_month: Date,
    /// How many months, from the first on: 1 to 60.
    pub months: u32,
    /// From which everything random follows.
    pub seed: u64,
}

impl DemoOptions {
    /// The same options, if they are within bounds; `sqlite` tells for which kind of database.
    ///
    /// # Errors
    /// When one of them is out of bounds.
    pub fn validated(self, sqlite: bool) -> Result<Self, DemoError> {
        let Self { tickets, first_month, months, .. } = self;
        let most = if sqlite { MOST_TICKETS_SQLITE } else { MOST_TICKETS };
        if !(FEWEST_TICKETS..=most).contains(&tickets) {
            return Err(DemoError::Tickets { tickets, most });
        }
        if !(1..=MOST_MONTHS).contains(&months) {
            return Err(DemoError::Months { months });
        }
        let fewest = u64::from(months) * FEWEST_A_MONTH;
        if tickets < fewest {
            return Err(DemoError::TooFew { tickets, months, fewest });
        }
        if first_month != first_month.first_of_month() {
            return Err(DemoError::NotFirstOfMonth { given: first_month, first: first_month.first_of_month() });
        }
        let [earliest, latest] = FIRST_MONTHS;
        if !(earliest..=latest).contains(&first_month) {
            return Err(DemoError::FirstMonth { given: first_month, earliest, latest });
        }
        Ok(self)
    }
}

/// What the demo holds: the rows of its larger tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DemoSummary {
    /// Rows of `tickets`.
    pub tickets: u64,
    /// Rows of `bookings`.
    pub bookings: u64,
    /// Rows of `payments`.
    pub payments: u64,
    /// Rows of `ticket_refunds`.
    pub refunds: u64,
    /// Rows of `trips`.
    pub trips: u64,
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Too few or too many tickets.
    #[error("a demo can't have `{tickets}` tickets; ask for {FEWEST_TICKETS} to {most}")]
    Tickets {
        /// As asked for.
        tickets: u64,
        /// What this kind of database may have.
        most: u64,
    },
    /// Too few or too many months.
    #[error("a demo can't have `{months}` months; ask for 1 to {MOST_MONTHS}")]
    Months {
        /// As asked for.
        months: u32,
    },
    /// Not enough tickets for the months.
    #[error("`{tickets}` tickets are too few for {months} months; ask for {fewest} or more, or for fewer months")]
    TooFew {
        /// As asked for.
        tickets: u64,
        /// As asked for.
        months: u32,
        /// What so many months need.
        fewest: u64,
    },
    /// The first month begins on another day.
    #[error("`{given}` is not the first day of a month; give `{first}`")]
    NotFirstOfMonth {
        /// As asked for.
        given: Date,
        /// The month's first day.
        first: Date,
    },
    /// The first month lies too far back or ahead.
    #[error("a demo can't begin on `{given}`; give the first day of a month from {earliest} to {latest}")]
    FirstMonth {
        /// As asked for.
        given: Date,
        /// The earliest day that can be.
        earliest: Date,
        /// The latest day that can be.
        latest: Date,
    },
    /// The SQLite file is there already.
    #[error("`{}` exists; give another path, or delete it first", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The PostgreSQL database is in use.
    #[error("the schema `public` has the table `{table}`; give an empty database")]
    NotEmpty {
        /// One of its tables.
        table: String,
    },
    /// A file can't be written.
    #[error("can't write `{}`; check the folder's permissions and the disk's space", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite gave an error.
    #[error("can't write the demo to SQLite")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL gave an error.
    #[error("can't write the demo to PostgreSQL")]
    Postgres(#[from] ::postgres::Error),
    /// PostgreSQL stopped taking rows.
    #[error("can't send the demo's rows to PostgreSQL")]
    Stream(#[source] io::Error),
    /// A date or a time zone can't be reckoned with.
    #[error("can't lay out the demo's calendar")]
    Calendar(#[from] jiff::Error),
}

impl DemoError {
    fn file(path: &std::path::Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}
