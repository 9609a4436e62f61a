//! The rows of the sheet of exceptions. There can be as many as would fill the memory of a small pod, so they are read
//! from their file while they are written: once for each reason, as the sheet is in the order of the reasons.

use std::io::Write;

use arrow::{
    array::{Array, AsArray, Date32Array, Decimal128Array, Int64Array, StringArray},
    datatypes::{Date32Type, Decimal128Type, Int64Type},
    record_batch::RecordBatch,
};

use super::{
    WorkbookError,
    deflate::{Joined, by_zlib},
    package::Frame,
    values::{column_letters, escape, fitting, integer, iso_date, money, serial},
};
use crate::{columns, locale::Locale, summary::terms::REASONS};

/// The most exceptions on their sheet.
pub const LISTED_EXCEPTIONS: usize = 100_000;

/// Bytes of XML that are deflated together. Part of the format: another number gives other bytes.
const CHUNK_BYTES: usize = 1 << 18;

/// Batches of the table of exceptions, or why they can't be read.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch, String>>>;

/// The exceptions that a sheet lists: the first [`LISTED_EXCEPTIONS`] of all.
pub struct Exceptions {
    open: Box<dyn Fn() -> Result<Batches, String> + Send>,
    /// By the places of their reasons.
    counts: Vec<u64>,
}

impl Exceptions {
    /// Takes what opens the table, each time it is called, and counts.
    ///
    /// # Errors
    /// When the table can't be read.
    pub fn new(open: impl Fn() -> Result<Batches, String> + Send + 'static) -> Result<Self, WorkbookError> {
        let mut exceptions = Self { open: Box::new(open), counts: Vec::new() };
        // Reasons that an earlier version knew come last.
        let mut counts = vec![0; REASONS.len() + 1];
        exceptions.each(|columns, row| {
            counts[columns.place(row)] += 1;
            Ok(())
        })?;
        exceptions.counts = counts;
        Ok(exceptions)
    }

    /// No exceptions.
    #[must_use]
    pub fn none() -> Self {
        Self { open: Box::new(|| Ok(Box::new(std::iter::empty()))), counts: Vec::new() }
    }

    /// How many are listed.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn each(
        &self,
        mut take: impl FnMut(&Columns<'_>, usize) -> Result<(), WorkbookError>,
    ) -> Result<(), WorkbookError> {
        let mut left = LISTED_EXCEPTIONS;
        for batch in (self.open)().map_err(WorkbookError::Exceptions)? {
            let batch = batch.map_err(WorkbookError::Exceptions)?;
            let columns = Columns::of(&batch);
            let taken = batch.num_rows().min(left);
            (0..taken).try_for_each(|row| take(&columns, row))?;
            left -= taken;
            if left == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Writes the sheet: its frame, and in it the rows, by reason; those of the same in the order of the file.
    pub(super) fn write(
        &self,
        output: &mut impl Write,
        frame: &Frame,
        locale: Locale,
    ) -> Result<(u32, u64), WorkbookError> {
        let mut joined = Joined::default();
        let mut xml = frame.head.clone().into_bytes();
        let mut number = frame.first_row;
        let listed = (0..).zip(&self.counts).filter(|(_, count)| **count > 0);
        for (place, _) in listed {
            self.each(|columns, row| {
                if columns.place(row) == place {
                    columns.write(&mut xml, row, number, &frame.styles, locale);
                    number += 1;
                    if xml.len() >= CHUNK_BYTES {
                        joined.write(output, &by_zlib(&xml))?;
                        xml.clear();
                    }
                }
                Ok(())
            })?;
        }
        xml.extend_from_slice(frame.tail.as_bytes());
        joined.write(output, &by_zlib(&xml))?;
        Ok(joined.finish(output)?)
    }
}

/// The columns of a batch of exceptions.
struct Columns<'a> {
    reasons: &'a StringArray,
    steps: &'a StringArray,
    bookings: &'a StringArray,
    tickets: &'a StringArray,
    amounts: &'a Decimal128Array,
    currencies: &'a StringArray,
    days: &'a Date32Array,
    ages: &'a Int64Array,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Self {
        let column = |name: &str| batch.column(columns::EXCEPTIONS.position(name).unwrap_or_default());
        Self {
            reasons: column("reason").as_string(),
            steps: column("step").as_string(),
            bookings: column("booking_ref").as_string(),
            tickets: column("ticket_ref").as_string(),
            amounts: column("amount").as_primitive::<Decimal128Type>(),
            currencies: column("currency").as_string(),
            days: column("since").as_primitive::<Date32Type>(),
            ages: column("age_days").as_primitive::<Int64Type>(),
        }
    }

    /// The place of a row's reason among all.
    fn place(&self, row: usize) -> usize {
        let reason = self.reasons.value(row);
        REASONS.iter().position(|term| term.key == reason).unwrap_or(REASONS.len())
    }

    /// Appends a row of the sheet; its cells are those of the table that [`super::sheets`] describes, and what nobody
    /// has filled in yet is left out.
    fn write(&self, xml: &mut Vec<u8>, row: usize, number: u64, styles: &[u32], locale: Locale) {
        let number = number.to_string();
        let open = |xml: &mut Vec<u8>, column: usize, end: &str| {
            let style = styles.get(column).copied().unwrap_or_default();
            xml.extend_from_slice(format!("<c r=\"{}{number}\" s=\"{style}\"{end}", column_letters(column)).as_bytes());
        };
        let text = |xml: &mut Vec<u8>, column: usize, text: &str| {
            open(xml, column, " t=\"inlineStr\"><is><t xml:space=\"preserve\">");
            escape(xml, fitting(text));
            xml.extend_from_slice(b"</t></is></c>");
        };
        let value = |xml: &mut Vec<u8>, column: usize, write: &dyn Fn(&mut Vec<u8>)| {
            open(xml, column, "><v>");
            write(xml);
            xml.extend_from_slice(b"</v></c>");
        };
        xml.extend_from_slice(format!("<row r=\"{number}\">").as_bytes());
        text(xml, 0, &locale.name(self.reasons.value(row)));
        text(xml, 1, &locale.name(self.steps.value(row)));
        for (column, texts) in (2..).zip([self.bookings, self.tickets, self.currencies]) {
            if texts.is_valid(row) {
                text(xml, column, texts.value(row));
            }
        }
        if self.amounts.is_valid(row) {
            value(xml, 5, &|xml| money(xml, self.amounts.value(row)));
        }
        if self.days.is_valid(row) {
            let day = self.days.value(row).into();
            // Excel knows no days before 1900.
            match serial(day) {
                Some(serial) => value(xml, 6, &|xml| integer(xml, serial)),
                None => text(xml, 6, &iso_date(day)),
            }
        }
        if self.ages.is_valid(row) {
            value(xml, 7, &|xml| integer(xml, self.ages.value(row)));
        }
        xml.extend_from_slice(b"</row>");
    }
}
