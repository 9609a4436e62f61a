//! A column of few different values, which repeat: its chunk of a row group is a dictionary and one page of numbers.
//!
//! The parquet crate writes such chunks too. This one first compares a value with that of the row before, as most are
//! the same; takes least and greatest from the dictionary; and keeps a byte or two for each row, so that a chunk can be a
//! single page, which readers like.

use std::collections::HashMap;

use arrow::{
    array::{Array, AsArray, NullBufferBuilder},
    datatypes::{
        ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Int64Type, Time64MicrosecondType,
        TimestampMicrosecondType,
    },
};
use bytes::Bytes;
use foldhash::fast::RandomState;
use parquet::{
    basic::{Compression, Encoding, Type},
    column::{
        page::{CompressedPage, Page, PageWriter},
        writer::ColumnCloseResult,
    },
    data_type::ByteArray,
    errors::ParquetError,
    file::{
        metadata::{ColumnChunkMetaData, PageEncodingStats},
        statistics::Statistics,
        writer::{SerializedPageWriter, TrackedWrite},
    },
    schema::types::ColumnDescPtr,
};

use super::hybrid;
use crate::{columns::MONEY_PRECISION, source::BATCH_ROWS};

/// Most values in a dictionary, so that a number has two bytes.
const VALUES: usize = 1 << 16;

/// Bytes of a dictionary after which it takes no further values.
const DICTIONARY_BYTES: usize = 1 << 20;

// Amounts of 10 to 18 digits have eight bytes in Parquet.
const _: () = assert!(MONEY_PRECISION > 9 && MONEY_PRECISION <= 18);

/// Bytes of the longest text that the footer shows as a chunk's least or greatest.
const SHOWN_BYTES: usize = 64;

/// A column's chunk under way.
pub(super) struct RepeatingColumn {
    column: ColumnDescPtr,
    dictionary: Dictionary,
    /// Which rows are empty.
    nulls: NullBufferBuilder,
    /// For each row that isn't empty the number of its value.
    numbers: Numbers,
}

impl RepeatingColumn {
    /// Begins the first chunk of a column.
    ///
    /// # Panics
    /// When the column is part of another or a list: none of ours is.
    pub(super) fn new(column: ColumnDescPtr) -> Self {
        assert!(column.max_def_level() <= 1 && column.max_rep_level() == 0, "{}", column.name());
        let dictionary = Dictionary { physical: column.physical_type(), known: HashMap::default(), plain: Vec::new() };
        Self { column, dictionary, nulls: NullBufferBuilder::new(0), numbers: Numbers::default() }
    }

    /// Whether the chunk must end, as the values of another batch might not find room.
    pub(super) fn is_full(&self) -> bool {
        self.dictionary.known.len() > VALUES - BATCH_ROWS || self.dictionary.plain.len() > DICTIONARY_BYTES
    }

    /// Adds the column of a batch, of the type that the table's schema declares.
    pub(super) fn add(&mut self, values: &dyn Array) -> Result<(), ParquetError> {
        match values.data_type() {
            DataType::Utf8 => self.add_values(values.as_string::<i32>().iter().map(|of| of.map(str::as_bytes))),
            DataType::Date32 => self.add_integers::<Date32Type, 4>(values, i32::to_le_bytes),
            DataType::Int64 => self.add_integers::<Int64Type, 8>(values, i64::to_le_bytes),
            DataType::Time64(_) => self.add_integers::<Time64MicrosecondType, 8>(values, i64::to_le_bytes),
            DataType::Timestamp(..) => self.add_integers::<TimestampMicrosecondType, 8>(values, i64::to_le_bytes),
            DataType::Decimal128(..) => self.add_integers::<Decimal128Type, 8>(values, |amount| {
                debug_assert!(i64::try_from(amount).is_ok(), "an amount of {amount}");
                (amount as i64).to_le_bytes()
            }),
            other => return Err(ParquetError::NYI(format!("{} has values of {other}", self.column.name()))),
        }
        Ok(())
    }

    fn add_integers<T: ArrowPrimitiveType, const BYTES: usize>(
        &mut self,
        values: &dyn Array,
        bytes: impl Fn(T::Native) -> [u8; BYTES],
    ) {
        self.add_values(values.as_primitive::<T>().iter().map(|of| of.map(&bytes)));
    }

    fn add_values<V: AsRef<[u8]> + Copy + PartialEq>(&mut self, values: impl Iterator<Item = Option<V>>) {
        let mut last = None;
        for value in values {
            self.nulls.append(value.is_some());
            let Some(value) = value else { continue };
            let number = match last {
                Some((known, number)) if known == value => number,
                _ => self.dictionary.number_of(value.as_ref()),
            };
            self.numbers.push(number);
            last = Some((value, number));
        }
    }

    /// Ends the chunk, and begins the next: its bytes, and what the footer says of it.
    pub(super) fn end(&mut self) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let (rows, values) = (self.nulls.len(), self.dictionary.known.len());
        let nulls = rows - self.numbers.low.len();
        assert!(nulls == 0 || self.column.max_def_level() > 0, "{} is never empty", self.column.name());
        let statistics = self.dictionary.statistics(nulls);
        // Where all rows are empty there is no dictionary: many a reader has failed on one without values.
        let repeats = values > 0;
        let dictionary = Page::DictionaryPage {
            buf: std::mem::take(&mut self.dictionary.plain).into(),
            num_values: values as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let data = Page::DataPage {
            buf: self.page(values).into(),
            num_values: rows as u32,
            encoding: if repeats { Encoding::RLE_DICTIONARY } else { Encoding::PLAIN },
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        self.dictionary.known.clear();
        let mut chunk = TrackedWrite::new(Vec::new());
        let mut writer = SerializedPageWriter::new(&mut chunk);
        let (mut encodings, mut counts, mut data_at) = (vec![Encoding::RLE], Vec::new(), 0);
        for page in repeats.then_some(dictionary).into_iter().chain([data]) {
            encodings.push(page.encoding());
            counts.push(PageEncodingStats { page_type: page.page_type(), encoding: page.encoding(), count: 1 });
            let size = page.buffer().len();
            data_at = writer.write_page(CompressedPage::new(page, size))?.offset;
        }
        writer.close()?;
        let chunk = chunk.into_inner()?;
        let metadata = ColumnChunkMetaData::builder(self.column.clone())
            .set_compression(Compression::UNCOMPRESSED)
            .set_encodings(encodings)
            .set_page_encoding_stats(counts)
            .set_num_values(rows as i64)
            .set_total_compressed_size(chunk.len() as i64)
            .set_total_uncompressed_size(chunk.len() as i64)
            .set_dictionary_page_offset(repeats.then_some(0))
            .set_data_page_offset(data_at as i64)
            .set_statistics(statistics)
            .build()?;
        let closed = ColumnCloseResult {
            bytes_written: chunk.len() as u64,
            rows_written: rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok((chunk.into(), closed))
    }

    /// The page of a chunk whose dictionary has so many values: levels after their length, unless the column is never
    /// empty, and numbers after their width.
    fn page(&mut self, values: usize) -> Vec<u8> {
        let mut page = Vec::new();
        let (rows, nulls) = (self.nulls.len(), self.nulls.finish());
        if self.column.max_def_level() > 0 {
            let levels = nulls.map_or_else(|| vec![1; rows], |nulls| nulls.iter().map(u8::from).collect());
            let mut packed = Vec::new();
            hybrid::write(&levels, 1, &mut packed);
            page.extend((packed.len() as u32).to_le_bytes());
            page.extend(packed);
        }
        let numbers = self.numbers.take();
        if values > 0 {
            // A single value takes a bit, too: not every reader knows numbers without any.
            let width = (values - 1).max(1).ilog2() + 1;
            page.push(width as u8);
            hybrid::write(&numbers, width as usize, &mut page);
        }
        page
    }
}

/// Numbers of values, a byte each until one needs two.
#[derive(Default)]
struct Numbers {
    low: Vec<u8>,
    /// Nothing, or as many as there are low ones.
    high: Vec<u8>,
}

impl Numbers {
    fn push(&mut self, number: u16) {
        let [low, high] = number.to_le_bytes();
        if high > 0 || !self.high.is_empty() {
            self.high.resize(self.low.len(), 0);
            self.high.push(high);
        }
        self.low.push(low);
    }

    fn take(&mut self) -> Vec<u16> {
        let high = self.high.drain(..).chain(std::iter::repeat(0));
        self.low.drain(..).zip(high).map(|of| u16::from_le_bytes(of.into())).collect()
    }
}

/// The values so far.
struct Dictionary {
    physical: Type,
    /// The number of each.
    known: HashMap<Box<[u8]>, u16, RandomState>,
    /// The values in the order of their numbers, as they stand in the file: a text with its length before it.
    plain: Vec<u8>,
}

impl Dictionary {
    fn number_of(&mut self, value: &[u8]) -> u16 {
        if let Some(&number) = self.known.get(value) {
            return number;
        }
        let number = self.known.len() as u16;
        self.known.insert(value.into(), number);
        if self.physical == Type::BYTE_ARRAY {
            self.plain.extend((value.len() as u32).to_le_bytes());
        }
        self.plain.extend(value);
        number
    }

    /// The least and greatest, which let readers skip what they don't look for, and how many rows are empty.
    fn statistics(&self, nulls: usize) -> Statistics {
        let nulls = Some(nulls as u64);
        let values = || self.known.keys().map(Box::as_ref);
        match self.physical {
            Type::INT32 => {
                let days = || values().filter_map(|of| of.try_into().ok()).map(i32::from_le_bytes);
                Statistics::int32(days().min(), days().max(), None, nulls, false)
            }
            Type::INT64 => {
                let integers = || values().filter_map(|of| of.try_into().ok()).map(i64::from_le_bytes);
                Statistics::int64(integers().min(), integers().max(), None, nulls, false)
            }
            _ => {
                let shown = |text: Option<&[u8]>| {
                    text.filter(|text| text.len() <= SHOWN_BYTES).map(|text| ByteArray::from(text.to_vec()))
                };
                Statistics::byte_array(shown(values().min()), shown(values().max()), None, nulls, false)
            }
        }
    }
}
