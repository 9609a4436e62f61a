//! The workbook: tickets' rows by our own row writer, everything else by rust_xlsxwriter.
//!
//! Rows are cut into chunks that depend on the data alone; each is formatted and deflated on any free thread, and they
//! are joined in order, so the bytes are the same whatever the number of threads and wherever the rows came from. The
//! package around them is made twice: before the rows, for the sheets' heads and styles, and after them, when
//! everything that the other sheets say is known.

mod deflate;
mod exceptions;
mod huffman;
mod package;
mod rows;
mod sheets;
mod tape;
mod values;

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, mpsc},
};

use arrow::record_batch::RecordBatch;
use jiff::Timestamp;
use rawzip::{CompressionMethod, DataDescriptorOutput, ZipArchiveWriter};

use self::{
    deflate::Deflated,
    package::Package,
    rows::{Cut, RowFormat},
};
pub use self::{
    exceptions::{Batches, Exceptions, LISTED_EXCEPTIONS},
    package::ROWS_SHEET,
    sheets::{INFO_SHEET, SUMMARY_SHEETS},
};
use crate::{
    manifest::{Compression, Manifest},
    period::ReportTimeZone,
};

/// Rows of data on one sheet: Excel's 1,048,576 less the header.
pub const SHEET_ROWS: u64 = 1_048_575;

/// Rows in a chunk. Part of the format: another number gives other bytes.
const CHUNK_ROWS: usize = 512;

/// What can go wrong while a workbook is made.
#[derive(Debug, thiserror::Error)]
pub enum WorkbookError {
    /// The file can't be written.
    #[error("writing the workbook failed: {0}; see that there is room and that the folder can be written")]
    Write(io::Error),
    /// The package around the rows can't be made.
    #[error("the workbook's package can't be made: {0}")]
    Package(String),
    /// More or fewer rows came than were announced.
    #[error("{found} rows came where {expected} were counted in the same cut")]
    Rows {
        /// Rows counted before.
        expected: u64,
        /// Rows that came.
        found: u64,
    },
    /// The table of exceptions can't be read.
    #[error("the exceptions can't be read again: {0}")]
    Exceptions(String),
    /// Whoever asked for the workbook doesn't want it any more.
    #[error("the workbook isn't needed any more")]
    Abandoned,
}

impl From<io::Error> for WorkbookError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<rawzip::Error> for WorkbookError {
    fn from(error: rawzip::Error) -> Self {
        Self::Write(io::Error::other(error))
    }
}

/// What the sheets beside the tickets are made from, known after the last row.
pub struct Facts {
    /// The edition.
    pub manifest: Manifest,
    /// Its exceptions.
    pub exceptions: Exceptions,
}

impl From<Manifest> for Facts {
    fn from(manifest: Manifest) -> Self {
        Self { manifest, exceptions: Exceptions::none() }
    }
}

/// Whether a workbook can show a picture.
///
/// # Errors
/// When it can't: the reason.
pub fn check_picture(bytes: &[u8]) -> Result<(), WorkbookError> {
    package::picture(bytes)
}

/// What must be known before the first row.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Number of tickets that will come.
    pub rows: u64,
    /// The zone in which instants are shown.
    pub zone: ReportTimeZone,
    /// The instants between which all tickets were issued, the second exclusive.
    pub bounds: (Timestamp, Timestamp),
    /// The cut's time: the document's creation date.
    pub created: Timestamp,
    /// How small the rows are made.
    pub compression: Compression,
}

impl Layout {
    /// The layout of an edition.
    ///
    /// # Errors
    /// When the period lies at the calendar's very end.
    pub fn of(manifest: &Manifest) -> Result<Self, crate::period::PeriodError> {
        Ok(Self {
            rows: manifest.rows,
            zone: manifest.time_zone.clone(),
            bounds: manifest.period.period().bounds(&manifest.time_zone)?,
            created: manifest.cut.at,
            compression: manifest.workbook.compression,
        })
    }

    /// Rows of data on each sheet; one sheet at least.
    fn sheets(&self) -> Vec<u64> {
        let full = usize::try_from(self.rows / SHEET_ROWS).unwrap_or(usize::MAX);
        let mut sheets = vec![SHEET_ROWS; full];
        if !self.rows.is_multiple_of(SHEET_ROWS) || full == 0 {
            sheets.push(self.rows % SHEET_ROWS);
        }
        sheets
    }
}

/// Writes a workbook from the tickets' batches, in their order. When all rows are written, `facts` is called with the
/// warnings that writing them gave, and gives that from which the other sheets are made.
///
/// # Errors
/// When the output can't be written, the rows aren't as many as announced, or `facts` gives none.
pub fn write(
    output: impl Write,
    layout: &Layout,
    threads: usize,
    batches: impl IntoIterator<Item = RecordBatch>,
    facts: impl FnOnce(Vec<String>) -> Option<Facts>,
) -> Result<(), WorkbookError> {
    let sheets = layout.sheets();
    let before = Package::make(&sheets, layout, None)?;
    let mut archive = ZipArchiveWriter::new(output);
    // First what tells programs that look at a file's beginning that this is a workbook.
    for name in package::LEADING_PARTS {
        before.copy(name, &mut archive)?;
    }

    let format = Arc::new(RowFormat::new(&before.tickets[0].styles, layout));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("sheet-{i}"))
        .build()
        .map_err(|e| WorkbookError::Package(e.to_string()))?;
    let mut chunks = Chunks::new(batches.into_iter());
    let mut cut = Cut::default();
    for (i, (&rows, frame)) in sheets.iter().zip(&before.tickets).enumerate() {
        let (mut entry, _) = archive.new_file(&frame.part).compression_method(CompressionMethod::DEFLATE).start()?;
        let mut joined = deflate::Joined::default();
        joined.write(&mut entry, &deflate::by_zlib(frame.head.as_bytes()))?;
        let mut under_way: VecDeque<mpsc::Receiver<(Deflated, Cut)>> = VecDeque::new();
        let mut written = 0;
        while written < rows {
            let wanted = usize::try_from(rows - written).unwrap_or(CHUNK_ROWS).min(CHUNK_ROWS);
            let chunk = chunks.next(wanted);
            let found = chunk.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
            if found < wanted as u64 {
                let before = SHEET_ROWS * i as u64 + written;
                return Err(WorkbookError::Rows { expected: layout.rows, found: before + found });
            }
            let (send, receive) = mpsc::channel();
            let (format, first_row) = (Arc::clone(&format), frame.first_row + written);
            pool.spawn(move || {
                // Nobody listens any more once writing has failed.
                let _ = send.send(format.rows(&chunk, first_row));
            });
            under_way.push_back(receive);
            written += found;
            if under_way.len() > threads {
                join_next(&mut under_way, &mut joined, &mut entry, &mut cut)?;
            }
        }
        while !under_way.is_empty() {
            join_next(&mut under_way, &mut joined, &mut entry, &mut cut)?;
        }
        joined.write(&mut entry, &deflate::by_zlib(frame.tail.as_bytes()))?;
        let (crc, size) = joined.finish(&mut entry)?;
        entry.finish(DataDescriptorOutput::new(crc, size))?;
    }
    let left = chunks.next(1).iter().map(RecordBatch::num_rows).sum::<usize>();
    if left > 0 {
        return Err(WorkbookError::Rows { expected: layout.rows, found: layout.rows + 1 });
    }

    let facts = facts(cut.warnings()).ok_or(WorkbookError::Abandoned)?;
    let after = Package::make(&sheets, layout, Some(&facts))?;
    if !after.agrees_with(&before) {
        return Err(WorkbookError::Package("styles or heads differ before and after the rows".to_owned()));
    }
    after.copy_rest(&mut archive)?;
    if let Some(frame) = &after.exceptions {
        let (mut entry, _) = archive.new_file(&frame.part).compression_method(CompressionMethod::DEFLATE).start()?;
        let (crc, size) = facts.exceptions.write(&mut entry, frame, facts.manifest.locale)?;
        entry.finish(DataDescriptorOutput::new(crc, size))?;
    }
    archive.finish()?.flush()?;
    Ok(())
}

fn join_next(
    under_way: &mut VecDeque<mpsc::Receiver<(Deflated, Cut)>>,
    joined: &mut deflate::Joined,
    entry: &mut impl Write,
    cut: &mut Cut,
) -> Result<(), WorkbookError> {
    if let Some(next) = under_way.pop_front() {
        let lost = |_| WorkbookError::Package("a thread that formats rows has died".to_owned());
        let (chunk, its_cut) = next.recv().map_err(lost)?;
        joined.write(entry, &chunk)?;
        cut.add(its_cut);
    }
    Ok(())
}

/// Batches of any size, given out in pieces of as many rows as are asked for.
struct Chunks<I> {
    batches: I,
    rest: Option<RecordBatch>,
}

impl<I: Iterator<Item = RecordBatch>> Chunks<I> {
    fn new(batches: I) -> Self {
        Self { batches, rest: None }
    }

    fn next(&mut self, rows: usize) -> Vec<RecordBatch> {
        let mut chunk = Vec::with_capacity(1);
        let mut missing = rows;
        while missing > 0 {
            let Some(batch) = self.rest.take().or_else(|| self.batches.next()) else { break };
            let taken = batch.num_rows().min(missing);
            if taken < batch.num_rows() {
                self.rest = Some(batch.slice(taken, batch.num_rows() - taken));
            }
            if taken > 0 {
                chunk.push(batch.slice(0, taken));
            }
            missing -= taken;
        }
        chunk
    }
}
