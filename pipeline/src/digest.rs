//! A digest of rows in their order, whatever batches they come in and however a file encodes them.

use arrow::{
    array::{AsArray, PrimitiveArray},
    datatypes::{
        ArrowPrimitiveType, Date32Type, Decimal128Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
    },
    record_batch::RecordBatch,
};
use blake3::Hasher;

use crate::columns::{Kind, SCHEMA_VERSION, Table};

/// The digest of a table's rows so far: one hash for each column, over presence, length and value of every cell.
pub struct RowDigest {
    table: &'static Table,
    columns: Vec<Hasher>,
    cells: Vec<u8>,
    rows: u64,
}

impl RowDigest {
    /// The digest of no rows.
    #[must_use]
    pub fn new(table: &'static Table) -> Self {
        Self { table, columns: vec![Hasher::new(); table.columns.len()], cells: Vec::new(), rows: 0 }
    }

    /// Adds the rows of a batch of the table's schema.
    pub fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for ((column, hash), array) in self.table.columns.iter().zip(&mut self.columns).zip(batch.columns()) {
            self.cells.clear();
            match column.kind {
                Kind::Text | Kind::Key => {
                    for text in array.as_string::<i32>() {
                        let length = text.map_or(u32::MAX, |text| u32::try_from(text.len()).unwrap_or(u32::MAX - 1));
                        self.cells.extend_from_slice(&length.to_le_bytes());
                        self.cells.extend_from_slice(text.unwrap_or_default().as_bytes());
                    }
                }
                Kind::Integer => fixed(array.as_primitive::<Int64Type>(), &mut self.cells, i64::to_le_bytes),
                Kind::Money => fixed(array.as_primitive::<Decimal128Type>(), &mut self.cells, i128::to_le_bytes),
                Kind::Date => fixed(array.as_primitive::<Date32Type>(), &mut self.cells, i32::to_le_bytes),
                Kind::Time => fixed(array.as_primitive::<Time64MicrosecondType>(), &mut self.cells, i64::to_le_bytes),
                Kind::Instant => {
                    fixed(array.as_primitive::<TimestampMicrosecondType>(), &mut self.cells, i64::to_le_bytes);
                }
            }
            hash.update(&self.cells);
        }
    }

    /// The digest in hexadecimal.
    #[must_use]
    pub fn finish(&self) -> String {
        let mut whole = Hasher::new();
        whole.update(&self.rows.to_le_bytes());
        for (column, hash) in self.table.columns.iter().zip(&self.columns) {
            whole.update(column.name.as_bytes()).update(b"\0").update(hash.finalize().as_bytes());
        }
        whole.finalize().to_hex().to_string()
    }
}

fn fixed<T: ArrowPrimitiveType, const N: usize>(
    array: &PrimitiveArray<T>,
    cells: &mut Vec<u8>,
    bytes: impl Fn(T::Native) -> [u8; N],
) {
    for value in array {
        cells.push(u8::from(value.is_some()));
        cells.extend_from_slice(&bytes(value.unwrap_or_default()));
    }
}

/// The digest of a whole snapshot from its tables' digests, in the order of [`crate::columns::TABLES`].
#[must_use]
pub fn of_snapshot<'a>(tables: impl Iterator<Item = &'a str>) -> String {
    let mut whole = Hasher::new();
    whole.update(&SCHEMA_VERSION.to_le_bytes());
    for digest in tables {
        whole.update(digest.as_bytes());
    }
    whole.finalize().to_hex().to_string()
}
