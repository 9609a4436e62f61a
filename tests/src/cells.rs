//! Cells of Parquet files as plain values, and back.

use std::{fmt, fs::File, path::Path, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Int64Array, StringArray, Time64MicrosecondArray,
        TimestampMicrosecondArray,
    },
    datatypes::{
        DataType, Date32Type, Decimal128Type, Int64Type, Schema, Time64MicrosecondType, TimeUnit,
        TimestampMicrosecondType,
    },
    record_batch::RecordBatch,
};
use jiff::{
    ToSpan,
    civil::{Date, Time, date},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipeline::{
    columns::{Kind, Table},
    snapshot::schema,
};

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A text, or a key's text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// An amount in cents.
    Money(i128),
    /// A civil date.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// An instant in microseconds since 1970 in UTC.
    Instant(i64),
}

impl Cell {
    /// The text of a cell that holds one; for `None` the empty text.
    ///
    /// # Panics
    /// When it holds something else.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Null => "",
            other => panic!("{other} is no text"),
        }
    }

    /// The amount in cents of a cell that holds one.
    ///
    /// # Panics
    /// When it holds something else.
    #[must_use]
    pub fn cents(&self) -> i128 {
        match self {
            Self::Money(cents) => *cents,
            other => panic!("{other} is no amount"),
        }
    }

    /// The instant of a cell that holds one.
    ///
    /// # Panics
    /// When it holds something else.
    #[must_use]
    pub fn micros(&self) -> i64 {
        match self {
            Self::Instant(micros) => *micros,
            other => panic!("{other} is no instant"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{:?}", text.chars().take(80).collect::<String>()),
            other => write!(f, "{other:?}"),
        }
    }
}

/// A table as read from its file.
#[derive(Debug, PartialEq)]
pub struct TableRows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
}

impl TableRows {
    /// A column's position.
    ///
    /// # Panics
    /// When there is no such column.
    #[must_use]
    pub fn position(&self, column: &str) -> usize {
        self.columns.iter().position(|name| name == column).unwrap_or_else(|| panic!("no column {column}"))
    }

    /// A column's cells.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn column(&self, column: &str) -> impl Iterator<Item = &Cell> {
        let position = self.position(column);
        self.rows.iter().map(move |row| &row[position])
    }
}

/// Reads a Parquet file whole.
///
/// # Panics
/// When it can't be read.
#[must_use]
pub fn read_parquet(path: &Path) -> TableRows {
    let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let columns = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut rows = Vec::new();
    for batch in builder.build().unwrap() {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            rows.push(batch.columns().iter().map(|array| cell(array, row)).collect());
        }
    }
    TableRows { columns, rows }
}

const EPOCH: Date = date(1970, 1, 1);

fn cell(array: &ArrayRef, row: usize) -> Cell {
    if array.is_null(row) {
        return Cell::Null;
    }
    match array.data_type() {
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::Int64 => Cell::Integer(array.as_primitive::<Int64Type>().value(row)),
        DataType::Decimal128(12, 2) => Cell::Money(array.as_primitive::<Decimal128Type>().value(row)),
        DataType::Date32 => Cell::Date(EPOCH + array.as_primitive::<Date32Type>().value(row).days()),
        DataType::Time64(TimeUnit::Microsecond) => {
            let micros = array.as_primitive::<Time64MicrosecondType>().value(row);
            Cell::Time(Time::midnight() + micros.microseconds())
        }
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => {
            Cell::Instant(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        other => panic!("a snapshot has no column of {other}"),
    }
}

/// A batch of a table's columns from rows, of which any cell may be empty: a workbook takes them all.
///
/// # Panics
/// When a cell is of another kind than its column.
#[must_use]
pub fn batch(table: &Table, rows: &[Vec<Cell>]) -> RecordBatch {
    let arrays = table.columns.iter().enumerate().map(|(i, column)| {
        let cells = rows.iter().map(|row| &row[i]);
        let wrong = |cell: &Cell| -> ! { panic!("{cell} in {}", column.name) };
        macro_rules! values {
            ($variant:ident, $value:ident => $map:expr) => {
                cells.map(|cell| match cell {
                    Cell::Null => None,
                    Cell::$variant($value) => Some($map),
                    other => wrong(other),
                })
            };
        }
        let array: ArrayRef = match column.kind {
            Kind::Text | Kind::Key => Arc::new(values!(Text, text => text.as_str()).collect::<StringArray>()),
            Kind::Integer => Arc::new(values!(Integer, number => *number).collect::<Int64Array>()),
            Kind::Money => {
                let amounts = values!(Money, cents => *cents).collect::<Decimal128Array>();
                Arc::new(amounts.with_precision_and_scale(12, 2).unwrap())
            }
            Kind::Date => {
                let days = values!(Date, day => (*day - EPOCH).get_days());
                Arc::new(days.collect::<Date32Array>())
            }
            Kind::Time => {
                let micros = values!(Time, time => micros_of(*time));
                Arc::new(micros.collect::<Time64MicrosecondArray>())
            }
            Kind::Instant => {
                let micros = values!(Instant, micros => *micros).collect::<TimestampMicrosecondArray>();
                Arc::new(micros.with_timezone("UTC"))
            }
        };
        array
    });
    let schema = schema(table);
    let fields: Vec<_> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays.collect()).unwrap()
}

/// Microseconds since midnight.
#[must_use]
pub fn micros_of(time: Time) -> i64 {
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    seconds * 1_000_000 + i64::from(time.subsec_nanosecond()) / 1000
}
