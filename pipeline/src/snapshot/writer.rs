//! Writes a table's file, row group by row group.

use std::{
    fs::File,
    sync::{Arc, atomic::AtomicU64},
};

use arrow::{array::AsArray, datatypes::Date32Type, record_batch::RecordBatch};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves},
    },
    basic::{Compression, Encoding, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties, WriterVersion},
        writer::SerializedFileWriter,
    },
    schema::types::ColumnPath,
};

use super::{Provenance, SnapshotError, repeating::RepeatingColumn, schema};
use crate::{
    columns::{Kind, SCHEMA_VERSION, Table},
    digest::RowDigest,
    hashed::HashedFile,
    manifest::TableFile,
    source::BATCH_ROWS,
    totals::TotalsSoFar,
};

/// Bytes of a page before it is compressed, where values don't repeat. A quarter of what is usual: each column keeps
/// one in memory, and a reader who looks for few rows reads less.
const PAGE_BYTES: usize = 262_144;

/// Most rows in a row group, as many as DuckDB gives its own: it copies smaller ones once more as it loads them, and with
/// larger ones Polars and the report itself take more memory.
const ROW_GROUP_ROWS: usize = 122_880;

/// Rows from which on a row group ends with a calendar week, so that whoever reads a week skips most other rows: as it
/// begins among the first of a row group, four times as many are in two at most.
const ROW_GROUP_WEEK_ROWS: usize = 49_152;

/// Writes a table's file while keeping its digest and control totals.
pub struct TableWriter {
    table: &'static Table,
    file: SerializedFileWriter<HashedFile>,
    /// Makes the crate's writers of a row group.
    crate_writers: ArrowRowGroupWriterFactory,
    columns: Vec<ColumnWriter>,
    bytes: Arc<AtomicU64>,
    digest: RowDigest,
    totals: TotalsSoFar,
    rows: u64,
    /// Rows of the row group under way.
    group_rows: usize,
    /// The column by whose weeks row groups end.
    weeks: Option<Weeks>,
}

/// Where the rows stand in their weeks.
struct Weeks {
    /// The column with the days.
    column: usize,
    /// The week of the last row.
    last: Option<i32>,
}

/// A column's chunk of the row group under way.
enum ColumnWriter {
    Repeating(RepeatingColumn),
    Other(Box<ArrowColumnWriter>),
}

impl TableWriter {
    /// Begins a table's file.
    ///
    /// # Errors
    /// When the writer can't be made.
    pub fn new(table: &'static Table, file: File, provenance: &Provenance) -> Result<Self, SnapshotError> {
        Self::begin(table, file, provenance).map_err(|e| Self::failed(table, &e))
    }

    fn begin(table: &'static Table, file: File, provenance: &Provenance) -> Result<Self, ParquetError> {
        let file = HashedFile::new(file);
        let bytes = file.size();
        let writer = ArrowWriter::try_new(file, Arc::new(schema(table)), Some(properties(table, provenance)))?;
        let (file, crate_writers) = writer.into_serialized_writer()?;
        let columns =
            table.columns.iter().zip(file.schema_descr().columns()).zip(crate_writers.create_column_writers(0)?);
        let columns = columns
            .map(|((column, described), other)| match column.repeats {
                true => ColumnWriter::Repeating(RepeatingColumn::new(Arc::clone(described))),
                false => ColumnWriter::Other(Box::new(other)),
            })
            .collect();
        let (digest, totals) = (RowDigest::new(table), TotalsSoFar::new(table));
        let weeks = table.day.and_then(|day| table.position(day)).map(|column| Weeks { column, last: None });
        Ok(Self { table, file, crate_writers, columns, bytes, digest, totals, rows: 0, group_rows: 0, weeks })
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
        let mut from = 0;
        while from < batch.num_rows() {
            let rows = self.room(batch, from);
            if rows == 0 {
                self.end_group()?;
                continue;
            }
            self.add(&batch.slice(from, rows))?;
            from += rows;
        }
        Ok(())
    }

    /// How many rows from that one on can be added at once; none when the row group has to end first. Remembers the week
    /// of the last.
    fn room(&mut self, batch: &RecordBatch, from: usize) -> usize {
        let full = |column: &ColumnWriter| matches!(column, ColumnWriter::Repeating(column) if column.is_full());
        if self.columns.iter().any(full) {
            return 0;
        }
        // Of no more rows is it certain that their values find room.
        let rows = BATCH_ROWS.min(batch.num_rows() - from).min(ROW_GROUP_ROWS - self.group_rows);
        let Some(weeks) = &mut self.weeks else { return rows };
        let days = batch.column(weeks.column).slice(from, rows);
        for (row, day) in days.as_primitive::<Date32Type>().iter().enumerate() {
            // Weeks begin on Monday, and days are counted from a Thursday.
            let week = day.map(|day| (day + 3).div_euclid(7));
            if weeks.last != week && self.group_rows + row >= ROW_GROUP_WEEK_ROWS {
                // Rows before it are added first, and the next call finds it again.
                return row;
            }
            weeks.last = week;
        }
        rows
    }

    fn add(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        let schema = rows.schema_ref();
        for ((column, field), values) in self.columns.iter_mut().zip(schema.fields()).zip(rows.columns()) {
            match column {
                ColumnWriter::Repeating(column) => column.add(values)?,
                ColumnWriter::Other(column) => {
                    compute_leaves(field, values)?.iter().try_for_each(|leaf| column.write(leaf))?;
                }
            }
        }
        self.group_rows += rows.num_rows();
        Ok(())
    }

    /// Ends the row group: until then its rows wait in memory.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn end_row_group(&mut self) -> Result<(), SnapshotError> {
        self.end_group().map_err(|e| Self::failed(self.table, &e))
    }

    fn end_group(&mut self) -> Result<(), ParquetError> {
        if self.group_rows == 0 {
            return Ok(());
        }
        self.group_rows = 0;
        let next = self.crate_writers.create_column_writers(self.file.flushed_row_groups().len() + 1)?;
        let mut group = self.file.next_row_group()?;
        for (column, next) in self.columns.iter_mut().zip(next) {
            match column {
                ColumnWriter::Repeating(column) => {
                    let (chunk, closed) = column.end()?;
                    group.append_column(&chunk, closed)?;
                }
                ColumnWriter::Other(column) => {
                    std::mem::replace(&mut **column, next).close()?.append_to_row_group(&mut group)?;
                }
            }
        }
        group.close().map(drop)
    }

    /// Ends the file and makes it durable.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn finish(mut self) -> Result<TableFile, SnapshotError> {
        self.end_row_group()?;
        let table = self.table;
        let failed = |reason: String| SnapshotError::Write { table: table.name, reason };
        let totals = self.totals.finish().map_err(failed)?;
        let written = self.file.into_inner().map_err(|e| Self::failed(table, &e))?;
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
        // For the columns whose values don't repeat. The others have dictionaries, whose numbers are packed: zstd would
        // save a thirtieth of the file, and every reader would have to unpack it.
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(PAGE_BYTES)
        // What stands for each page stays in memory to the end, and few readers look at it.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(Some(metadata));
    for column in table.columns {
        let path = ColumnPath::from(column.name);
        properties = match column.kind {
            // The crate makes a writer for them too, which nobody uses: without zstd it takes less memory.
            _ if column.repeats => properties.set_column_compression(path, Compression::UNCOMPRESSED),
            Kind::Instant | Kind::Integer => properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            // The least and greatest of what is all different lets nobody skip anything. Without the lengths between
            // them, which stand apart, keys are a twelfth smaller, and DuckDB reads them in two thirds of the time.
            Kind::Text | Kind::Key => properties
                .set_column_encoding(path.clone(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
                .set_column_statistics_enabled(path, EnabledStatistics::None),
            Kind::Money | Kind::Date | Kind::Time => properties,
        };
    }
    properties.build()
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use arrow::{
        array::{ArrayRef, Date32Array, Int64Array, StringArray},
        compute::{cast, concat_batches},
        datatypes::{DataType, Field},
    };
    use parquet::{
        arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions},
        file::{metadata::ParquetMetaData, statistics::Statistics},
    };
    use proptest::prelude::*;

    use super::*;
    use crate::{columns::TICKETS, snapshot::read};

    /// 2024-09-30, in days since 1970.
    const MONDAY: i32 = 19_996;

    /// The batches' file.
    fn written<'a>(batches: impl IntoIterator<Item = &'a RecordBatch>) -> File {
        let file = tempfile::tempfile().unwrap();
        let mut writer = TableWriter::new(&TICKETS, file.try_clone().unwrap(), &Vec::new()).unwrap();
        batches.into_iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
        file
    }

    fn metadata(file: &File) -> ParquetMetaData {
        ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).unwrap().metadata().as_ref().clone()
    }

    fn group_rows(file: &File) -> Vec<i64> {
        metadata(file).row_groups().iter().map(|group| group.num_rows()).collect()
    }

    fn all_rows(file: File) -> RecordBatch {
        let batches: Vec<_> = read(&TICKETS, file).unwrap().1.map(Result::unwrap).collect();
        concat_batches(&Arc::new(schema(&TICKETS)), &batches).unwrap()
    }

    fn batch(column: impl Fn(&Field) -> ArrayRef) -> RecordBatch {
        let schema = Arc::new(schema(&TICKETS));
        let columns = schema.fields().iter().map(|field| column(field)).collect();
        RecordBatch::try_new(schema, columns).unwrap()
    }

    /// Rows in which a column says nothing: empty, or zeros if it never is.
    fn nothing(field: &Field, rows: usize) -> ArrayRef {
        values(field, &vec![None; rows])
    }

    /// The file when so many tickets travel on each day from a Monday on, written in batches of so many rows.
    fn of_days(days: &[usize], batch_rows: usize) -> File {
        let all: Vec<i32> = days.iter().zip(MONDAY..).flat_map(|(&rows, day)| vec![day; rows]).collect();
        let batches: Vec<_> = all
            .chunks(batch_rows)
            .map(|part| {
                batch(|field| match field.name().as_str() {
                    "service_date" => Arc::new(Date32Array::from(part.to_vec())),
                    _ => nothing(field, part.len()),
                })
            })
            .collect();
        written(&batches)
    }

    #[test]
    fn a_row_group_of_tickets_ends_with_a_week_once_that_leaves_it_large_enough() {
        for batch_rows in [1_000, 8_192, ROW_GROUP_ROWS, 1_000_000] {
            let of = |days: &[usize]| group_rows(&of_days(days, batch_rows));
            assert_eq!(of(&[10_000; 17]), [70_000, 70_000, 30_000], "in {batch_rows}");
            assert_eq!(of(&[7_000; 21]), [98_000, 49_000], "in {batch_rows}");
            assert_eq!(of(&[7_200; 14]), [50_400, 50_400], "in {batch_rows}");
            // What is full ends anywhere, and the rest of that week goes on with the next.
            assert_eq!(of(&[20_000; 14]), [122_880, 122_880, 34_240], "in {batch_rows}");
            assert_eq!(of(&[30_000; 14]), [122_880, 87_120, 122_880, 87_120], "in {batch_rows}");
            assert_eq!(of(&[ROW_GROUP_ROWS, 0, 0, 0, 0, 0, 0, 1]), [122_880, 1], "in {batch_rows}");
        }
        let metadata = metadata(&of_days(&[10_000; 17], 8_192));
        let day = TICKETS.position("service_date").unwrap();
        let days = metadata.row_groups().iter().map(|group| match group.column(day).statistics() {
            Some(Statistics::Int32(found)) => (*found.min_opt().unwrap() - MONDAY, *found.max_opt().unwrap() - MONDAY),
            other => panic!("{other:?}"),
        });
        assert_eq!(days.collect::<Vec<_>>(), [(0, 6), (7, 13), (14, 16)]);
    }

    /// Values for a column, one for each number. One that is never empty has zeros instead.
    fn values(field: &Field, numbers: &[Option<i64>]) -> ArrayRef {
        let numbers: Vec<_> = numbers.iter().map(|number| number.or((!field.is_nullable()).then_some(0))).collect();
        match field.data_type() {
            DataType::Utf8 => {
                let text = |number: i64| "é".repeat(number.rem_euclid(50) as usize) + &number.to_string();
                Arc::new(numbers.iter().map(|number| number.map(text)).collect::<StringArray>())
            }
            DataType::Date32 => Arc::new(numbers.iter().map(|n| n.map(|n| n as i32)).collect::<Date32Array>()),
            other => cast(&Int64Array::from(numbers), other).unwrap(),
        }
    }

    /// Rows in which a value, or none, stands several times, or values come in turn.
    fn rows() -> impl Strategy<Value = Vec<Option<i64>>> {
        let value = prop_oneof![1 => Just(None), 9 => (-300_i64..300).prop_map(Some)];
        let run = (value, 1_usize..40).prop_map(|(value, rows)| vec![value; rows]);
        let in_turn = (1_i64..300, 1_i64..300).prop_map(|(rows, of)| (0..rows).map(|n| Some(n * 7 % of)).collect());
        prop::collection::vec(prop_oneof![run, in_turn], 0..60).prop_map(|parts: Vec<Vec<_>>| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_is_written_is_read_back(numbers in rows(), part in 1_usize..3_000) {
            let all = batch(|field| values(field, &numbers));
            let parts: Vec<_> = (0..all.num_rows()).step_by(part)
                .map(|from| all.slice(from, part.min(all.num_rows() - from)))
                .collect();
            let file = written(&parts);
            prop_assert_eq!(all_rows(file), all);
        }
    }

    #[test]
    fn a_row_group_ends_once_a_dictionary_has_a_megabyte() {
        let of = |numbers: Range<i64>| batch(|field| values(field, &numbers.clone().map(Some).collect::<Vec<_>>()));
        let batches: Vec<_> = (0..70).map(|n| of(n * 1_000..(n + 1) * 1_000)).collect();
        let file = written(&batches);
        let groups = group_rows(&file);
        // A text has some sixty bytes.
        assert!(groups.len() > 2 && groups.iter().all(|&rows| rows <= 20_000), "{groups:?}");
        assert_eq!(all_rows(file), concat_batches(&batches[0].schema(), &batches).unwrap());
    }

    #[test]
    fn a_row_group_ends_before_a_number_needs_more_than_two_bytes() {
        // Without texts, which have a megabyte before, and without days, which end row groups themselves.
        let of = |numbers: Range<i64>| {
            batch(|field| match field.data_type() {
                DataType::Utf8 | DataType::Date32 => nothing(field, BATCH_ROWS),
                _ => values(field, &numbers.clone().map(Some).collect::<Vec<_>>()),
            })
        };
        let rows = BATCH_ROWS as i64;
        let batches: Vec<_> = (0..66).map(|n| of(n * rows..(n + 1) * rows)).collect();
        let file = written(&batches);
        assert_eq!(group_rows(&file), [65_536, 2_048]);
        assert_eq!(all_rows(file), concat_batches(&batches[0].schema(), &batches).unwrap());
    }

    #[test]
    fn the_footer_has_the_least_and_the_greatest_unless_they_are_long() {
        let status = TICKETS.position("booking_status").unwrap();
        let amount = TICKETS.position("booking_total_amount").unwrap();
        let of = |texts: [Option<&str>; 3], amounts: [Option<i64>; 3]| {
            let rows = batch(|field| match field.name().as_str() {
                "booking_status" => Arc::new(StringArray::from(texts.to_vec())),
                "booking_total_amount" => values(field, &amounts),
                _ => nothing(field, 3),
            });
            let metadata = metadata(&written([&rows]));
            let group = metadata.row_group(0);
            (group.column(status).statistics().cloned(), group.column(amount).statistics().cloned())
        };
        let long = "a".repeat(65);
        let (texts, amounts) = of([Some("issued"), None, Some("Ärger")], [Some(-7), Some(3), None]);
        let texts = texts.unwrap();
        assert_eq!(texts.min_bytes_opt(), Some("issued".as_bytes()));
        assert_eq!(texts.max_bytes_opt(), Some("Ärger".as_bytes()));
        assert_eq!(texts.null_count_opt(), Some(1));
        assert_eq!(amounts, Some(Statistics::int64(Some(-700), Some(300), None, Some(1), false)));
        let (texts, amounts) = of([Some("Z"), Some(&long), None], [None; 3]);
        for (found, least, nulls) in [(texts, Some("Z"), 1), (amounts, None, 3)] {
            let found = found.unwrap();
            assert_eq!((found.min_bytes_opt(), found.max_bytes_opt()), (least.map(str::as_bytes), None));
            assert_eq!(found.null_count_opt(), Some(nulls));
        }
    }
}
