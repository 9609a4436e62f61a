//! A snapshot: one Parquet file for each table, written batch by batch and read back the same way.

mod hybrid;
mod repeating;
mod writer;

use std::{collections::HashMap, fs::File, path::Path, sync::Arc};

use arrow::{
    array::new_null_array,
    datatypes::{DataType, Field, Schema, TimeUnit},
    record_batch::RecordBatch,
};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

pub use self::writer::TableWriter;
use crate::columns::{Kind, MONEY_PRECISION, MONEY_SCALE, SCHEMA_VERSION, Table};

/// Rows in a batch read back from a file.
const READ_ROWS: usize = crate::source::BATCH_ROWS;

/// What can go wrong with a Parquet file.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Writing failed.
    #[error("writing the {table} snapshot failed: {reason}; see that the store has room and can be written")]
    Write {
        /// The table.
        table: &'static str,
        /// The reason.
        reason: String,
    },
    /// The file isn't one that can be read.
    #[error("the {table} snapshot is damaged: {reason}; restore it from a backup or make a new edition with --force")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The reason.
        reason: String,
    },
    /// The file has other columns than this program knows.
    #[error(
        "the {table} snapshot has other columns than this version knows (schema version {version}): use the version that its manifest names"
    )]
    Schema {
        /// The table.
        table: &'static str,
        /// The schema version that the file claims.
        version: String,
    },
}

/// A table's Arrow schema, as declared: the one shape of its batches everywhere in the program.
#[must_use]
pub fn schema(table: &Table) -> Schema {
    let fields: Vec<Field> = table
        .columns
        .iter()
        .map(|column| {
            let data_type = match column.kind {
                Kind::Text | Kind::Key => DataType::Utf8,
                Kind::Integer => DataType::Int64,
                Kind::Money => DataType::Decimal128(MONEY_PRECISION, MONEY_SCALE),
                Kind::Date => DataType::Date32,
                Kind::Time => DataType::Time64(TimeUnit::Microsecond),
                Kind::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            };
            let meaning = HashMap::from([("description".to_owned(), column.meaning.to_owned())]);
            Field::new(column.name, data_type, !column.always).with_metadata(meaning)
        })
        .collect();
    Schema::new(fields)
}

/// What [`Provenance`] says.
pub const PROVENANCE: [&str; 5] = ["source", "period", "time_zone", "cut", "program"];

/// Where the rows of a file come from, for the file's own metadata: a value for each of [`PROVENANCE`].
pub type Provenance = Vec<(&'static str, String)>;

/// Writes a file of an older schema version anew with the columns that have been added since, empty.
///
/// # Errors
/// When the file is damaged, of a newer schema, or the new one can't be written.
pub fn migrate(table: &'static Table, from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let written = |e: std::io::Error| SnapshotError::Write { table: table.name, reason: e.to_string() };
    let file = File::open(from).map_err(|e| SnapshotError::Damaged { table: table.name, reason: e.to_string() })?;
    let (provenance, batches) = (provenance(&file), read(table, file)?.1);
    let mut writer = TableWriter::new(table, File::create(to).map_err(written)?, &provenance)?;
    for batch in batches {
        writer.write(&batch?)?;
    }
    writer.finish().map(drop)
}

/// Where a file's rows come from, as it says itself.
fn provenance(file: &File) -> Provenance {
    let metadata = ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).ok();
    let all = metadata.as_ref().and_then(|found| found.metadata().file_metadata().key_value_metadata());
    let value = |key| all?.iter().find(|kv| kv.key == key)?.value.clone();
    PROVENANCE.into_iter().filter_map(|key| Some((key, value(key)?))).collect()
}

/// Opens a table's file and gives its number of rows and its batches. A file of an older schema version lacks columns:
/// they are empty.
///
/// # Errors
/// When the file is damaged or of another schema.
pub fn read(
    table: &'static Table,
    file: File,
) -> Result<(u64, impl Iterator<Item = Result<RecordBatch, SnapshotError>>), SnapshotError> {
    let damaged = |reason: String| SnapshotError::Damaged { table: table.name, reason };
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged(e.to_string()))?;
    let expected = Arc::new(schema(table));
    let found = builder.schema();
    let metadata = builder.metadata().file_metadata();
    let version = metadata.key_value_metadata().and_then(|all| all.iter().find(|kv| kv.key == "schema_version"));
    let version = version.and_then(|kv| kv.value.clone()).unwrap_or_else(|| "unknown".to_owned());
    // A version only adds columns after those that were there: in files of an older one the last are missing.
    let as_expected = |(found, expected): (&Arc<Field>, &Arc<Field>)| {
        found.name() == expected.name() && found.data_type() == expected.data_type()
    };
    let older = version.parse().is_ok_and(|version: u32| version < SCHEMA_VERSION);
    let missing = expected.fields().len().checked_sub(found.fields().len());
    let same = found.fields().iter().zip(expected.fields()).all(as_expected);
    if !same || missing.is_none_or(|missing| missing > 0 && !older) {
        return Err(SnapshotError::Schema { table: table.name, version });
    }
    let rows = metadata.num_rows().unsigned_abs();
    let batches = builder.with_batch_size(READ_ROWS).build().map_err(|e| damaged(e.to_string()))?;
    let batches = batches.map(move |batch| {
        let batch = batch.map_err(|e| damaged(e.to_string()))?;
        let mut columns = batch.columns().to_vec();
        let added = expected.fields().iter().skip(columns.len());
        columns.extend(added.map(|field| new_null_array(field.data_type(), batch.num_rows())));
        RecordBatch::try_new(Arc::clone(&expected), columns).map_err(|e| damaged(e.to_string()))
    });
    Ok((rows, batches))
}
