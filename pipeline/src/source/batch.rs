//! From a connectorx parser's cells to Arrow batches of the declared schema.

use std::{fmt::Write as _, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Date32Builder, Decimal128Builder, Int64Builder, StringBuilder,
        Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
    },
    record_batch::RecordBatch,
};
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike, Utc};

use super::{BATCH_ROWS, SourceError};
use crate::{
    columns::{Kind, MONEY_PRECISION, MONEY_SCALE, Table},
    snapshot::schema,
};

/// Why a cell's value can't be taken, in words that follow the column's name.
pub(super) type Reason = String;

/// A parser of connectorx, reduced to the kinds of cells that tables have. Each call takes the next cell of the row.
pub(super) trait Cells {
    /// Number of rows that can be read now, and whether they are the last.
    fn fetch(&mut self) -> Result<(usize, bool), SourceError>;
    /// Text, borrowed from the parser's buffer.
    fn text(&mut self, take: &mut dyn FnMut(Option<&str>)) -> Result<(), Reason>;
    /// A UUID, written as text to the scratch string.
    fn key(&mut self, take: &mut dyn FnMut(Option<&str>)) -> Result<(), Reason>;
    /// A whole number.
    fn integer(&mut self) -> Result<Option<i64>, Reason>;
    /// An amount in minor units.
    fn money(&mut self) -> Result<Option<i128>, Reason>;
    /// A civil date.
    fn date(&mut self) -> Result<Option<NaiveDate>, Reason>;
    /// A time of day.
    fn time(&mut self) -> Result<Option<NaiveTime>, Reason>;
    /// An instant in microseconds since 1970 in UTC.
    fn instant(&mut self) -> Result<Option<i64>, Reason>;
}

enum Builder {
    Text(StringBuilder),
    Key(StringBuilder),
    Integer(Int64Builder),
    Money(Decimal128Builder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Instant(TimestampMicrosecondBuilder),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::with_capacity(BATCH_ROWS, BATCH_ROWS * 12)),
            Kind::Key => Self::Key(StringBuilder::with_capacity(BATCH_ROWS, BATCH_ROWS * 36)),
            Kind::Integer => Self::Integer(Int64Builder::with_capacity(BATCH_ROWS)),
            Kind::Money => Self::Money(
                Decimal128Builder::with_capacity(BATCH_ROWS)
                    .with_data_type(arrow::datatypes::DataType::Decimal128(MONEY_PRECISION, MONEY_SCALE)),
            ),
            Kind::Date => Self::Date(Date32Builder::with_capacity(BATCH_ROWS)),
            Kind::Time => Self::Time(Time64MicrosecondBuilder::with_capacity(BATCH_ROWS)),
            Kind::Instant => Self::Instant(TimestampMicrosecondBuilder::with_capacity(BATCH_ROWS).with_timezone("UTC")),
        }
    }

    fn take(&mut self, cells: &mut impl Cells) -> Result<(), Reason> {
        match self {
            Self::Text(builder) => cells.text(&mut |text| builder.append_option(text))?,
            Self::Key(builder) => cells.key(&mut |text| builder.append_option(text))?,
            Self::Integer(builder) => builder.append_option(cells.integer()?),
            Self::Money(builder) => builder.append_option(cells.money()?),
            Self::Date(builder) => builder.append_option(cells.date()?.map(days).transpose()?),
            Self::Time(builder) => builder.append_option(cells.time()?.map(microseconds)),
            Self::Instant(builder) => builder.append_option(cells.instant()?),
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) | Self::Key(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Money(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Instant(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Reads all rows of a table from a parser and gives them on in batches, until `take` gives `false`.
pub(super) fn read_rows(
    cells: &mut impl Cells,
    table: &'static Table,
    take: &mut dyn FnMut(RecordBatch) -> bool,
) -> Result<(), SourceError> {
    let schema = Arc::new(schema(table));
    let mut builders: Vec<Builder> = table.columns.iter().map(|column| Builder::new(column.kind)).collect();
    let mut filled = 0;
    let finish = |builders: &mut [Builder]| {
        RecordBatch::try_new(Arc::clone(&schema), builders.iter_mut().map(Builder::finish).collect())
            .map_err(|e| SourceError::Other { what: table.name.to_owned(), reason: e.to_string() })
    };
    loop {
        let (rows, last) = cells.fetch()?;
        for _ in 0..rows {
            for i in 0..builders.len() {
                if let Err(reason) = builders[i].take(cells) {
                    let first = builders[0].finish();
                    let key = match first.as_string_opt::<i32>() {
                        Some(keys) if i > 0 && !keys.is_empty() => keys.value(keys.len() - 1).to_owned(),
                        _ => "?".to_owned(),
                    };
                    return Err(SourceError::Value { table: table.name, key, column: table.columns[i].name, reason });
                }
            }
            filled += 1;
            if filled == BATCH_ROWS {
                filled = 0;
                if !take(finish(&mut builders)?) {
                    return Ok(());
                }
            }
        }
        if last {
            break;
        }
    }
    if filled > 0 {
        take(finish(&mut builders)?);
    }
    Ok(())
}

const ISO_YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

fn days(date: NaiveDate) -> Result<i32, Reason> {
    let since = date.signed_duration_since(NaiveDate::default()).num_days();
    match i32::try_from(since) {
        Ok(days) if ISO_YEARS.contains(&date.year()) => Ok(days),
        _ => Err(format!("is `{date}`, outside the years 1 to 9999")),
    }
}

fn microseconds(time: NaiveTime) -> i64 {
    i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1000)
}

/// An instant in microseconds, if it is one that a calendar knows; connectorx gives infinity as chrono's ends of time.
pub(super) fn instant(value: DateTime<Utc>) -> Result<i64, Reason> {
    if ISO_YEARS.contains(&value.year()) {
        Ok(value.timestamp_micros())
    } else {
        let sign = if value.year() < 0 { "-" } else { "" };
        Err(format!("is `{sign}infinity` or outside the years 1 to 9999"))
    }
}

/// An amount in minor units, if it has at most two decimals and fits.
pub(super) fn minor_units(amount: rust_decimal::Decimal) -> Result<i128, Reason> {
    let exact = amount.normalize();
    let missing = 2_u32.checked_sub(exact.scale()).ok_or_else(|| format!("is `{amount}`, finer than a cent"))?;
    fits(exact.mantissa() * 10_i128.pow(missing))
        .map_err(|_| format!("is `{amount}`, too large for {}", Kind::Money.name()))
}

/// An amount of minor units, if it fits into the column's type.
pub(super) fn fits(minor: i128) -> Result<i128, Reason> {
    if minor.unsigned_abs() < 10_u128.pow(u32::from(MONEY_PRECISION)) {
        Ok(minor)
    } else {
        let mut reason = String::new();
        let _ = write!(reason, "is `{minor}` cents, too large for {}", Kind::Money.name());
        Err(reason)
    }
}
