//! A digest of rows in their order, whatever batches they come in and however a file encodes them.

use arrow::{
    array::{Array, AsArray, PrimitiveArray, StringArray},
    datatypes::{
        ArrowNativeType, ArrowPrimitiveType, Date32Type, Decimal128Type, Int64Type, Time64MicrosecondType,
        TimestampMicrosecondType, ToByteSlice,
    },
    record_batch::RecordBatch,
};
use blake3::Hasher;

use crate::columns::{Kind, SCHEMA_VERSION, Table};

/// The digest of a table's rows so far.
pub struct RowDigest {
    table: &'static Table,
    columns: Vec<ColumnDigest>,
    /// What is being made for a hash.
    scratch: Vec<u8>,
    rows: u64,
}

/// Two hashes of a column: over which cells there are, and how long their texts are; and over the values one after the
/// other. Together they tell any two columns apart, and the second takes an array's buffer as it is.
#[derive(Clone, Default)]
struct ColumnDigest {
    cells: Hasher,
    values: Hasher,
}

/// Values are hashed as they lie in memory.
const _: () = assert!(cfg!(target_endian = "little"), "digests would differ from those of other machines");

impl RowDigest {
    /// The digest of no rows.
    #[must_use]
    pub fn new(table: &'static Table) -> Self {
        Self { table, columns: vec![ColumnDigest::default(); table.columns.len()], scratch: Vec::new(), rows: 0 }
    }

    /// Adds the rows of a batch of the table's schema.
    pub fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for ((column, digest), array) in self.table.columns.iter().zip(&mut self.columns).zip(batch.columns()) {
            match column.kind {
                Kind::Text | Kind::Key => digest.add_texts(array.as_string(), &mut self.scratch),
                Kind::Integer => digest.add_numbers(array.as_primitive::<Int64Type>(), &mut self.scratch),
                Kind::Money => digest.add_numbers(array.as_primitive::<Decimal128Type>(), &mut self.scratch),
                Kind::Date => digest.add_numbers(array.as_primitive::<Date32Type>(), &mut self.scratch),
                Kind::Time => digest.add_numbers(array.as_primitive::<Time64MicrosecondType>(), &mut self.scratch),
                Kind::Instant => {
                    digest.add_numbers(array.as_primitive::<TimestampMicrosecondType>(), &mut self.scratch)
                }
            }
        }
    }

    /// The digest in hexadecimal.
    #[must_use]
    pub fn finish(&self) -> String {
        let mut whole = Hasher::new();
        whole.update(&self.rows.to_le_bytes());
        for (column, digest) in self.table.columns.iter().zip(&self.columns) {
            whole.update(column.name.as_bytes()).update(b"\0");
            whole.update(digest.cells.finalize().as_bytes()).update(digest.values.finalize().as_bytes());
        }
        whole.finalize().to_hex().to_string()
    }
}

impl ColumnDigest {
    fn add_texts(&mut self, texts: &StringArray, scratch: &mut Vec<u8>) {
        scratch.clear();
        for text in texts {
            let length = text.map_or(u32::MAX, |text| u32::try_from(text.len()).unwrap_or(u32::MAX - 1));
            scratch.extend_from_slice(&length.to_le_bytes());
        }
        self.cells.update(scratch);
        if texts.null_count() == 0 {
            let ends = texts.value_offsets();
            let from = ends.first().map_or(0, |from| from.as_usize());
            let to = ends.last().map_or(0, |to| to.as_usize());
            self.values.update(&texts.value_data()[from..to]);
        } else {
            // What lies under a cell that isn't there means nothing.
            scratch.clear();
            texts.iter().flatten().for_each(|text| scratch.extend_from_slice(text.as_bytes()));
            self.values.update(scratch);
        }
    }

    fn add_numbers<T: ArrowPrimitiveType>(&mut self, numbers: &PrimitiveArray<T>, scratch: &mut Vec<u8>) {
        scratch.clear();
        scratch.extend((0..numbers.len()).map(|row| u8::from(numbers.is_valid(row))));
        self.cells.update(scratch);
        if numbers.null_count() == 0 {
            self.values.update(numbers.values().inner().as_slice());
        } else {
            scratch.clear();
            numbers.iter().flatten().for_each(|number| scratch.extend_from_slice(number.to_byte_slice()));
            self.values.update(scratch);
        }
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

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;

    fn of_texts(batches: &[&[Option<&str>]]) -> [String; 2] {
        let mut digest = ColumnDigest::default();
        batches.iter().for_each(|texts| digest.add_texts(&StringArray::from(texts.to_vec()), &mut Vec::new()));
        [digest.cells, digest.values].map(|hash| hash.finalize().to_string())
    }

    fn of_numbers(batches: &[&[Option<i64>]]) -> [String; 2] {
        let mut digest = ColumnDigest::default();
        batches.iter().for_each(|numbers| digest.add_numbers(&Int64Array::from(numbers.to_vec()), &mut Vec::new()));
        [digest.cells, digest.values].map(|hash| hash.finalize().to_string())
    }

    #[test]
    fn batches_make_no_difference_and_every_cell_does() {
        let texts = of_texts(&[&[Some("ab"), Some("c"), None, Some("")]]);
        assert_eq!(texts, of_texts(&[&[Some("ab"), Some("c")], &[], &[None, Some("")]]));
        for others in [
            &[Some("a"), Some("bc"), None, Some("")][..],
            &[Some("ab"), Some("c"), Some(""), None],
            &[Some("ab"), Some("c"), None],
            &[Some("ab"), Some("d"), None, Some("")],
        ] {
            assert_ne!(texts, of_texts(&[others]));
        }
        let numbers = of_numbers(&[&[Some(1), None, Some(0)]]);
        assert_eq!(numbers, of_numbers(&[&[Some(1)], &[None, Some(0)]]));
        for others in [&[Some(1), Some(0), None][..], &[Some(1), None, Some(2)], &[Some(1), None]] {
            assert_ne!(numbers, of_numbers(&[others]));
        }
    }

    #[test]
    fn slices_of_an_array_are_hashed_as_the_rows_they_are() {
        let (texts, numbers) = (StringArray::from(vec!["a", "bc", "d"]), Int64Array::from(vec![1, 2, 3]));
        let mut sliced = ColumnDigest::default();
        sliced.add_texts(&texts.slice(1, 1), &mut Vec::new());
        sliced.add_numbers(&numbers.slice(1, 2), &mut Vec::new());
        let mut alone = ColumnDigest::default();
        alone.add_texts(&StringArray::from(vec!["bc"]), &mut Vec::new());
        alone.add_numbers(&Int64Array::from(vec![2, 3]), &mut Vec::new());
        assert_eq!(sliced.values.finalize(), alone.values.finalize());
    }
}
