//! A snapshot: one Parquet file for each table, written batch by batch and read back the same way.

use std::{
    collections::HashMap,
    fs::File,
    path::Path,
    sync::{Arc, atomic::AtomicU64},
};

use arrow::{
    array::{AsArray, new_null_array},
    datatypes::{DataType, Date32Type, Field, Schema, TimeUnit},
    record_batch::RecordBatch,
};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
    basic::{Compression, Encoding, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties, WriterVersion},
    },
    schema::types::ColumnPath,
};

use crate::{
    columns::{Kind, MONEY_PRECISION, MONEY_SCALE, SCHEMA_VERSION, Table},
    digest::RowDigest,
    hashed::HashedFile,
    manifest::TableFile,
    totals::TotalsSoFar,
};

/// Bytes of a page before it is compressed. A quarter of what is usual: each column keeps one in memory, and a reader
/// who looks for few rows reads less.
const PAGE_BYTES: usize = 262_144;

/// Most rows in a row group: few enough to stay flat in memory, and as many as readers like who take each row group's
/// part of the footer before its rows.
const ROW_GROUP_ROWS: usize = 122_880;

/// Most rows in a page. While a page is made, each of its rows takes eight bytes of memory in every column with a
/// dictionary.
const PAGE_ROWS: usize = ROW_GROUP_ROWS / 3;

/// Rows after which a row group ends with its day, so that whoever reads some days skips the others.
const ROW_GROUP_DAY_ROWS: usize = ROW_GROUP_ROWS / 2;

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
            Field::new(column.name, data_type, true).with_metadata(meaning)
        })
        .collect();
    Schema::new(fields)
}

/// What [`Provenance`] says.
pub const PROVENANCE: [&str; 5] = ["source", "period", "time_zone", "cut", "program"];

/// Where the rows of a file come from, for the file's own metadata: a value for each of [`PROVENANCE`].
pub type Provenance = Vec<(&'static str, String)>;

/// Writes a table's file while keeping its digest and control totals.
pub struct TableWriter {
    table: &'static Table,
    writer: ArrowWriter<HashedFile>,
    bytes: Arc<AtomicU64>,
    digest: RowDigest,
    totals: TotalsSoFar,
    rows: u64,
    /// The column by whose days row groups end, and the day of the last row.
    days: Option<(usize, Option<i32>)>,
}

impl TableWriter {
    /// Begins a table's file.
    ///
    /// # Errors
    /// When the writer can't be made.
    pub fn new(table: &'static Table, file: File, provenance: &Provenance) -> Result<Self, SnapshotError> {
        let schema = Arc::new(schema(table));
        let file = HashedFile::new(file);
        let bytes = file.size();
        let writer = ArrowWriter::try_new(file, schema, Some(properties(table, provenance)))
            .map_err(|e| Self::failed(table, &e))?;
        let (digest, totals) = (RowDigest::new(table), TotalsSoFar::new(table));
        let days = table.day.and_then(|day| table.position(day)).map(|position| (position, None));
        Ok(Self { table, writer, bytes, digest, totals, rows: 0, days })
    }

    /// Bytes written so far, for others to watch.
    #[must_use]
    pub fn bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes)
    }

    fn failed(table: &'static Table, error: &ParquetError) -> SnapshotError {
        SnapshotError::Write { table: table.name, reason: error.to_string() }
    }

    /// Adds a batch of the table's schema.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), SnapshotError> {
        self.digest.add(batch);
        self.rows += batch.num_rows() as u64;
        let written = self.totals.add(batch).map_err(|reason| SnapshotError::Write { table: self.table.name, reason });
        written.and_then(|()| self.append(batch).map_err(|e| Self::failed(self.table, &e)))
    }

    fn append(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        let Some((position, last)) = &mut self.days else { return self.writer.write(batch) };
        let mut from = 0;
        for (row, day) in batch.column(*position).as_primitive::<Date32Type>().iter().enumerate() {
            let ended = std::mem::replace(last, day) != day;
            // What is full ends by itself.
            let rows = self.writer.in_progress_rows() + row - from;
            if ended && rows % ROW_GROUP_ROWS >= ROW_GROUP_DAY_ROWS {
                self.writer.write(&batch.slice(from, row - from))?;
                self.writer.flush()?;
                from = row;
            }
        }
        self.writer.write(&batch.slice(from, batch.num_rows() - from))
    }

    /// Ends the row group: until then its rows wait in memory.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn end_row_group(&mut self) -> Result<(), SnapshotError> {
        self.writer.flush().map_err(|e| Self::failed(self.table, &e))
    }

    /// Ends the file and makes it durable.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn finish(self) -> Result<TableFile, SnapshotError> {
        let table = self.table;
        let failed = |reason: String| SnapshotError::Write { table: table.name, reason };
        let totals = self.totals.finish().map_err(failed)?;
        let written = self.writer.into_inner().map_err(|e| Self::failed(table, &e))?;
        let (size, sha256) = written.finish().map_err(|e| failed(e.to_string()))?;
        Ok(TableFile { rows: self.rows, size, sha256, digest: self.digest.finish(), totals })
    }
}

fn properties(table: &Table, provenance: &Provenance) -> WriterProperties {
    let columns: serde_json::Map<String, serde_json::Value> =
        table.columns.iter().map(|column| (column.name.to_owned(), column.meaning.into())).collect();
    let mut metadata = vec![
        KeyValue::new("table".to_owned(), table.name.to_owned()),
        KeyValue::new("row".to_owned(), table.row.to_owned()),
        KeyValue::new("schema_version".to_owned(), SCHEMA_VERSION.to_string()),
        KeyValue::new("columns".to_owned(), serde_json::Value::Object(columns).to_string()),
    ];
    metadata.extend(provenance.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone())));
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(format!("ticketing-report {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_data_page_row_count_limit(PAGE_ROWS)
        // What stands for each page stays in memory to the end, and few readers look at it.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(Some(metadata));
    for column in table.columns {
        let path = ColumnPath::from(column.name);
        properties = properties.set_column_dictionary_enabled(path.clone(), column.repeats);
        // A dictionary's numbers are packed as tightly as they can be: zstd would save a thirtieth of the file, and cost
        // every reader its time.
        if column.repeats {
            properties = properties.set_column_compression(path.clone(), Compression::UNCOMPRESSED);
        }
        match column.kind {
            Kind::Instant | Kind::Integer if !column.repeats => {
                properties = properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
            }
            // The least and greatest of what is all different lets nobody skip anything.
            Kind::Text | Kind::Key if !column.repeats => {
                properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
            }
            _ => {}
        }
    }
    properties.build()
}

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

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Date32Array};
    use parquet::file::{metadata::ParquetMetaData, statistics::Statistics};

    use super::*;
    use crate::columns::TICKETS;

    /// The file's row groups when so many tickets travel on each day, written in batches of so many rows.
    fn written(days: &[usize], batch_rows: usize) -> ParquetMetaData {
        let all: Vec<i32> = days.iter().zip(20_000..).flat_map(|(&rows, day)| vec![day; rows]).collect();
        let file = tempfile::tempfile().unwrap();
        let mut writer = TableWriter::new(&TICKETS, file.try_clone().unwrap(), &Vec::new()).unwrap();
        let schema = Arc::new(schema(&TICKETS));
        for part in all.chunks(batch_rows) {
            let column = |field: &Arc<Field>| -> ArrayRef {
                if field.name() == "service_date" {
                    Arc::new(Date32Array::from(part.to_vec()))
                } else {
                    new_null_array(field.data_type(), part.len())
                }
            };
            let columns = schema.fields().iter().map(column).collect();
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()).unwrap();
        }
        assert_eq!(writer.finish().unwrap().rows, all.len() as u64);
        ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap().metadata().as_ref().clone()
    }

    #[test]
    fn a_row_group_of_tickets_ends_with_its_day_once_it_is_half_full() {
        let of = |days: &[usize], batch_rows| -> Vec<i64> {
            written(days, batch_rows).row_groups().iter().map(|group| group.num_rows()).collect()
        };
        for batch_rows in [1_000, 8_192, 122_880, 1_000_000] {
            assert_eq!(of(&[80_000; 3], batch_rows), [80_000; 3], "in {batch_rows}");
            assert_eq!(of(&[20_000; 9], batch_rows), [80_000, 80_000, 20_000], "in {batch_rows}");
            // What is full ends anywhere, and the rest of that day counts for the next.
            assert_eq!(of(&[150_000, 50_000, 5_000], batch_rows), [122_880, 77_120, 5_000], "in {batch_rows}");
            assert_eq!(of(&[ROW_GROUP_ROWS, 1], batch_rows), [122_880, 1], "in {batch_rows}");
        }
        let metadata = written(&[80_000; 3], 8_192);
        let day = TICKETS.position("service_date").unwrap();
        let days = metadata.row_groups().iter().map(|group| match group.column(day).statistics() {
            Some(Statistics::Int32(found)) => (*found.min_opt().unwrap(), *found.max_opt().unwrap()),
            other => panic!("{other:?}"),
        });
        assert_eq!(days.collect::<Vec<_>>(), [(20_000, 20_000), (20_001, 20_001), (20_002, 20_002)]);
    }
}
