//! Rows of the table of exceptions.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray},
    error::ArrowError,
};
use jiff::civil::Date;

use super::{day_number, judge::Stage};
use crate::{
    columns::{EXCEPTIONS, MONEY_PRECISION, MONEY_SCALE},
    period::ReportTimeZone,
    snapshot::schema,
};

/// Rows in a batch of exceptions.
const BATCH_ROWS: usize = 1024;

/// One reason why something doesn't agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The key of the reason.
    pub reason: &'static str,
    /// Where its amount stands.
    pub stage: Stage,
    /// The booking's reference.
    pub booking: Option<String>,
    /// The ticket's reference.
    pub ticket: Option<String>,
    /// The amount in minor units; `None` for a flag.
    pub amount: Option<i128>,
    /// The amount's currency.
    pub currency: Option<String>,
    /// The day from which its age is counted.
    pub since: Option<Date>,
}

/// Differences by currency, stage and key: how many, and how much.
pub type Differences = BTreeMap<(String, Stage, &'static str), (u64, i128)>;

/// Days as Arrow counts them, and the last day of the period.
#[derive(Debug, Clone)]
pub struct Days {
    zone: ReportTimeZone,
    last: Date,
}

impl Days {
    /// The days of a zone, ages counted to the last one.
    #[must_use]
    pub fn new(zone: ReportTimeZone, last: Date) -> Self {
        Self { zone, last }
    }

    /// The day on which an instant falls, given in microseconds since 1970.
    #[must_use]
    pub fn of(&self, micros: i64) -> Option<Date> {
        jiff::Timestamp::from_microsecond(micros).ok().map(|at| self.zone.date_at(at))
    }

    /// Days from a day to the last one of the period.
    #[must_use]
    pub fn age(&self, since: Date) -> i32 {
        day_number(self.last) - day_number(since)
    }
}

/// Exceptions on their way to a file, counted by reason, and what they and everything ordinary amount to.
pub struct Exceptions<'a> {
    days: &'a Days,
    waiting: Vec<Exception>,
    take: &'a mut (dyn FnMut(RecordBatch) -> Result<(), String> + Send),
    /// Rows by reason.
    pub counts: BTreeMap<String, u64>,
    /// What the differences amount to.
    pub differences: Differences,
}

impl<'a> Exceptions<'a> {
    /// None so far; batches of them go to `take`.
    pub fn new(days: &'a Days, take: &'a mut (dyn FnMut(RecordBatch) -> Result<(), String> + Send)) -> Self {
        Self { days, waiting: Vec::new(), take, counts: BTreeMap::new(), differences: Differences::new() }
    }

    /// Adds to the reconciliation.
    pub fn difference(&mut self, currency: &str, stage: Stage, key: &'static str, amount: i128) {
        let (count, sum) = self.differences.entry((currency.to_owned(), stage, key)).or_default();
        *count += 1;
        *sum += amount;
    }

    /// Adds an exception, and its amount to the reconciliation.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn add(&mut self, exception: Exception) -> Result<(), String> {
        if let Some(amount) = exception.amount {
            self.difference(
                exception.currency.as_deref().unwrap_or_default(),
                exception.stage,
                exception.reason,
                amount,
            );
        }
        *self.counts.entry(exception.reason.to_owned()).or_default() += 1;
        self.waiting.push(exception);
        if self.waiting.len() < BATCH_ROWS { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), String> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let batch = batch(&self.waiting, self.days).map_err(|e| e.to_string())?;
        self.waiting.clear();
        (self.take)(batch)
    }

    /// Hands over what is left; gives the rows by reason, and what the differences amount to.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn finish(mut self) -> Result<(BTreeMap<String, u64>, Differences), String> {
        self.flush()?;
        Ok((self.counts, self.differences))
    }
}

fn batch(rows: &[Exception], days: &Days) -> Result<RecordBatch, ArrowError> {
    let texts = |of: fn(&Exception) -> Option<&str>| Arc::new(rows.iter().map(of).collect::<StringArray>());
    let amounts: Decimal128Array = rows.iter().map(|row| row.amount).collect();
    let since: Date32Array = rows.iter().map(|row| row.since.map(day_number)).collect();
    let ages: Int64Array = rows.iter().map(|row| row.since.map(|since| days.age(since).into())).collect();
    RecordBatch::try_new(
        Arc::new(schema(&EXCEPTIONS)),
        vec![
            texts(|row| Some(row.reason)),
            texts(|row| Some(row.stage.key())),
            texts(|row| row.booking.as_deref()),
            texts(|row| row.ticket.as_deref()),
            Arc::new(amounts.with_precision_and_scale(MONEY_PRECISION, MONEY_SCALE)?),
            texts(|row| row.currency.as_deref()),
            Arc::new(since),
            Arc::new(ages),
        ],
    )
}
