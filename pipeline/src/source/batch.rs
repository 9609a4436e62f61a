//! From a connectorx parser's cells to Arrow batches of the declared schema.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Date32Builder, Decimal128Builder, Int64Builder, StringBuilder,
        Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
    },
    record_batch::RecordBatch,
};
use chrono::{NaiveDate, TimeDelta};

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
    /// Goes to the next of these rows.
    fn next_row(&mut self) -> Result<(), SourceError>;
    /// Text.
    fn text(&mut self, take: impl FnOnce(Option<&str>)) -> Result<(), Reason>;
    /// A UUID as its text.
    fn key(&mut self, take: impl FnOnce(Option<&str>)) -> Result<(), Reason>;
    /// A whole number.
    fn integer(&mut self) -> Result<Option<i64>, Reason>;
    /// An amount in minor units.
    fn money(&mut self) -> Result<Option<i128>, Reason>;
    /// A civil date in days since 1970.
    fn date(&mut self) -> Result<Option<i32>, Reason>;
    /// A time of day in microseconds.
    fn time(&mut self) -> Result<Option<i64>, Reason>;
    /// An instant in microseconds of UTC since 1970.
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
            Self::Text(builder) => cells.text(|text| builder.append_option(text))?,
            Self::Key(builder) => cells.key(|text| builder.append_option(text))?,
            Self::Integer(builder) => builder.append_option(cells.integer()?),
            Self::Money(builder) => builder.append_option(cells.money()?),
            Self::Date(builder) => builder.append_option(cells.date()?),
            Self::Time(builder) => builder.append_option(cells.time()?),
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
            cells.next_row()?;
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

/// Microseconds of a day.
pub(super) const DAY_MICROS: i64 = 86_400_000_000;

/// The days of the years 1 to 9999, counted from 1970-01-01: those that every calendar knows.
const CALENDAR: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;

/// A day since 1970, if a calendar knows it.
pub(super) fn day(days: i64) -> Result<i32, Reason> {
    match i32::try_from(days) {
        Ok(day) if CALENDAR.contains(&days) => Ok(day),
        _ => Err(outside(days)),
    }
}

/// Microseconds of UTC since 1970, if a calendar knows the day.
pub(super) fn moment(micros: i64) -> Result<i64, Reason> {
    let days = micros.div_euclid(DAY_MICROS);
    if CALENDAR.contains(&days) { Ok(micros) } else { Err(outside(days)) }
}

fn outside(days: i64) -> Reason {
    let date = TimeDelta::try_days(days).and_then(|days| NaiveDate::default().checked_add_signed(days));
    let date = date.map_or_else(|| if days < 0 { "-infinity" } else { "infinity" }.to_owned(), |date| date.to_string());
    format!("is `{date}`, outside the years 1 to 9999")
}

/// An amount of minor units, if it fits into the column's type.
pub(super) fn fits(minor: i128) -> Result<i128, Reason> {
    if minor.unsigned_abs() < 10_u128.pow(u32::from(MONEY_PRECISION)) {
        Ok(minor)
    } else {
        Err(format!("is `{minor}` cents, too large for {}", Kind::Money.name()))
    }
}
