//! From the cells of a database's rows to Arrow batches of the declared schema.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Date32Builder, Decimal128Builder, Int64Builder, NullBufferBuilder, StringArray,
        Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
    },
    buffer::{Buffer, OffsetBuffer},
    datatypes::{DataType, SchemaRef},
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

/// Rows of a database, reduced to the kinds of cells that tables have. Each call takes the next cell of the row.
pub(super) trait Cells {
    /// Number of rows that can be read now, and whether they are the last.
    fn fetch(&mut self) -> Result<(usize, bool), SourceError>;
    /// Goes to the next of these rows.
    fn next_row(&mut self) -> Result<(), SourceError>;
    /// Text, whose UTF-8 isn't looked at yet.
    fn text(&mut self, take: impl FnOnce(Option<&[u8]>) -> Result<(), Reason>) -> Result<(), Reason>;
    /// A UUID as its text.
    fn key(&mut self, take: impl FnOnce(Option<&[u8]>) -> Result<(), Reason>) -> Result<(), Reason>;
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

/// Texts whose UTF-8 is looked at for a whole batch at once, which takes a fraction of the time.
struct Texts {
    bytes: Vec<u8>,
    /// Where each ends, after a zero.
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl Texts {
    fn with_room(bytes: usize) -> Self {
        let mut ends = Vec::with_capacity(BATCH_ROWS + 1);
        ends.push(0);
        Self { bytes: Vec::with_capacity(bytes), ends, nulls: NullBufferBuilder::new(BATCH_ROWS) }
    }

    #[inline]
    fn append(&mut self, text: Option<&[u8]>) -> Result<(), Reason> {
        self.bytes.extend_from_slice(text.unwrap_or_default());
        let end = i32::try_from(self.bytes.len()).map_err(|_| "is too large, with others of its batch".to_owned())?;
        self.ends.push(end);
        self.nulls.append(text.is_some());
        Ok(())
    }

    /// The texts as an array, or the first row whose text isn't UTF-8.
    fn finish(mut self) -> Result<ArrayRef, usize> {
        let (ends, bytes) = (OffsetBuffer::new(self.ends.into()), Buffer::from_vec(self.bytes));
        match StringArray::try_new(ends.clone(), bytes.clone(), self.nulls.finish()) {
            Ok(array) => Ok(Arc::new(array)),
            Err(_) => {
                let text = |row: usize| &bytes[ends[row] as usize..ends[row + 1] as usize];
                Err((0..ends.len() - 1).find(|&row| str::from_utf8(text(row)).is_err()).unwrap_or_default())
            }
        }
    }
}

enum Builder {
    Text(Texts),
    Key(Texts),
    Integer(Int64Builder),
    Money(Decimal128Builder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Instant(TimestampMicrosecondBuilder),
}

impl Builder {
    /// A builder for one batch, whose texts may have so many bytes.
    fn new(kind: Kind, bytes: usize) -> Self {
        match kind {
            Kind::Text => Self::Text(Texts::with_room(bytes)),
            Kind::Key => Self::Key(Texts::with_room(bytes)),
            Kind::Integer => Self::Integer(Int64Builder::with_capacity(BATCH_ROWS)),
            Kind::Money => Self::Money(
                Decimal128Builder::with_capacity(BATCH_ROWS)
                    .with_data_type(DataType::Decimal128(MONEY_PRECISION, MONEY_SCALE)),
            ),
            Kind::Date => Self::Date(Date32Builder::with_capacity(BATCH_ROWS)),
            Kind::Time => Self::Time(Time64MicrosecondBuilder::with_capacity(BATCH_ROWS)),
            Kind::Instant => Self::Instant(TimestampMicrosecondBuilder::with_capacity(BATCH_ROWS).with_timezone("UTC")),
        }
    }

    /// A builder for the batch after this one, which will be of about the same size.
    fn next(&self, kind: Kind) -> Self {
        let bytes = match self {
            Self::Text(texts) | Self::Key(texts) => texts.bytes.len() + texts.bytes.len() / 8,
            _ => 0,
        };
        Self::new(kind, bytes)
    }

    #[inline]
    fn take(&mut self, cells: &mut impl Cells) -> Result<(), Reason> {
        match self {
            Self::Text(texts) => return cells.text(|text| texts.append(text)),
            Self::Key(texts) => return cells.key(|text| texts.append(text)),
            Self::Integer(builder) => builder.append_option(cells.integer()?),
            Self::Money(builder) => builder.append_option(cells.money()?),
            Self::Date(builder) => builder.append_option(cells.date()?),
            Self::Time(builder) => builder.append_option(cells.time()?),
            Self::Instant(builder) => builder.append_option(cells.instant()?),
        }
        Ok(())
    }

    fn finish(self) -> Result<ArrayRef, usize> {
        Ok(match self {
            Self::Text(texts) | Self::Key(texts) => return texts.finish(),
            Self::Integer(mut builder) => Arc::new(builder.finish()),
            Self::Money(mut builder) => Arc::new(builder.finish()),
            Self::Date(mut builder) => Arc::new(builder.finish()),
            Self::Time(mut builder) => Arc::new(builder.finish()),
            Self::Instant(mut builder) => Arc::new(builder.finish()),
        })
    }
}

/// The rows of a batch that isn't full yet.
struct Rows {
    table: &'static Table,
    schema: SchemaRef,
    builders: Vec<Builder>,
    filled: usize,
}

impl Rows {
    fn new(table: &'static Table) -> Self {
        let builders = table.columns.iter().map(|column| Builder::new(column.kind, 0)).collect();
        Self { table, schema: Arc::new(schema(table)), builders, filled: 0 }
    }

    fn take(&mut self, cells: &mut impl Cells) -> Result<(), SourceError> {
        cells.next_row()?;
        for i in 0..self.builders.len() {
            if let Err(reason) = self.builders[i].take(cells) {
                let keys = if i > 0 { self.builders.swap_remove(0).finish().ok() } else { None };
                return Err(self.unusable(keys.as_ref(), self.filled, i, reason));
            }
        }
        self.filled += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<RecordBatch, SourceError> {
        self.filled = 0;
        let mut arrays = Vec::with_capacity(self.builders.len());
        for (i, column) in self.table.columns.iter().enumerate() {
            let next = self.builders[i].next(column.kind);
            match std::mem::replace(&mut self.builders[i], next).finish() {
                Ok(array) => arrays.push(array),
                Err(row) => return Err(self.unusable(arrays.first(), row, i, "is no UTF-8 text".to_owned())),
            }
            let empty = |array: &ArrayRef| array.nulls()?.iter().position(|there| !there);
            if let Some(row) = arrays.last().filter(|_| column.always).and_then(empty) {
                let reason = "is empty, but no row may be without it".to_owned();
                return Err(self.unusable(arrays.first(), row, i, reason));
            }
        }
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|e| SourceError::Other { what: self.table.name.to_owned(), reason: e.to_string() })
    }

    /// What is wrong with a row's value, which its first column names.
    fn unusable(&self, keys: Option<&ArrayRef>, row: usize, column: usize, reason: Reason) -> SourceError {
        let keys =
            keys.and_then(|keys| keys.as_string_opt::<i32>()).filter(|keys| row < keys.len() && keys.is_valid(row));
        let key = keys.map_or_else(|| "?".to_owned(), |keys| keys.value(row).to_owned());
        SourceError::Value { table: self.table.name, key, column: self.table.columns[column].name, reason }
    }
}

/// Reads all rows of a table from a parser and gives them on in batches, until `take` gives `false`.
pub(super) fn read_rows(
    cells: &mut impl Cells,
    table: &'static Table,
    take: &mut dyn FnMut(RecordBatch) -> bool,
) -> Result<(), SourceError> {
    let mut rows = Rows::new(table);
    loop {
        let (ready, last) = cells.fetch()?;
        for _ in 0..ready {
            rows.take(cells)?;
            if rows.filled == BATCH_ROWS && !take(rows.finish()?) {
                return Ok(());
            }
        }
        if last {
            break;
        }
    }
    if rows.filled > 0 {
        take(rows.finish()?);
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
