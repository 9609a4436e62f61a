//! The package around the rows, made by rust_xlsxwriter: styles, heads and tails of the ticket sheets, and
//! everything else that makes a workbook; what our own sheets say is in [`super::sheets`].

use std::io::{Read, Write};

use rawzip::{CompressionMethod, DataDescriptorOutput, ZipArchive, ZipArchiveWriter};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatBorder, Note, Workbook, Worksheet, XlsxError};

use super::{
    Facts, Layout, SHEET_ROWS, WorkbookError,
    deflate::{Joined, by_zlib},
    sheets::{EXCEPTIONS_SHEET, SUMMARY_SHEETS},
    values::column_letters,
};
use crate::{
    columns::{Kind, TICKETS},
    locale::Locale,
    manifest::Money,
};

/// The first sheet. Its continuations are named after it: `TicketingReport (2)` and so on.
pub const ROWS_SHEET: &str = "TicketingReport";

/// The parts that stand first in the file, by which programs tell that it is a workbook. What is on the other sheets
/// makes no difference to them.
pub(super) const LEADING_PARTS: [&str; 2] = ["_rels/.rels", "docProps/core.xml"];

/// The part that holds a sheet.
pub(super) fn sheet_part(index: usize) -> String {
    format!("xl/worksheets/sheet{}.xml", index + 1)
}

/// A workbook's package, in memory, some of its sheets without their rows.
pub(super) struct Package {
    bytes: Vec<u8>,
    /// The ticket sheets.
    pub(super) tickets: Vec<Frame>,
    /// The sheet of exceptions, if there are any.
    pub(super) exceptions: Option<Frame>,
    /// Parts that stand for those of the same name.
    replaced: Vec<(String, String)>,
}

/// A sheet without its rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The part that holds it.
    pub(super) part: String,
    /// The number of its first row.
    pub(super) first_row: u64,
    /// Its XML up to where the rows begin.
    pub(super) head: String,
    /// And from where they end.
    pub(super) tail: String,
    /// The ids of the cell formats of its columns.
    pub(super) styles: Vec<u32>,
}

impl Frame {
    /// Takes a sheet apart around its sample row, and makes room for so many rows in its place. Below it there is
    /// another row at most.
    fn new(part: String, xml: &str, columns: usize, first_row: u64, rows: u64) -> Result<Self, WorkbookError> {
        let (head, rest) = xml.split_once(&format!("<row r=\"{first_row}\"")).ok_or_else(|| broken("sample row"))?;
        let (sample, rest) = rest.split_once("</row>").ok_or_else(|| broken("sample row"))?;
        let styles = sample_styles(sample);
        if styles.len() != columns {
            return Err(broken("sample row"));
        }
        let (mut below, end) =
            rest.split_once("</sheetData>").map(|(b, e)| (b.to_owned(), e)).ok_or_else(|| broken("end"))?;
        let last = first_row + rows - u64::from(below.is_empty());
        for column in std::iter::once(String::new()).chain((0..columns).map(column_letters)) {
            below = below.replace(&format!(" r=\"{column}{}\"", first_row + 1), &format!(" r=\"{column}{last}\""));
        }
        let (before, after) = head.split_once("<dimension ref=\"").ok_or_else(|| broken("dimension"))?;
        let (_, after) = after.split_once('"').ok_or_else(|| broken("dimension"))?;
        let head = format!("{before}<dimension ref=\"A1:{}{last}\"{after}", column_letters(columns - 1));
        Ok(Self { part, first_row, head, tail: format!("{below}</sheetData>{end}"), styles })
    }
}

impl From<XlsxError> for WorkbookError {
    fn from(error: XlsxError) -> Self {
        Self::Package(error.to_string())
    }
}

fn broken(what: &str) -> WorkbookError {
    WorkbookError::Package(format!("its {what} isn't as expected"))
}

impl Package {
    /// Makes the package for ticket sheets of so many rows. Without a manifest the other sheets stay empty.
    pub(super) fn make(sheets: &[u64], layout: &Layout, facts: Option<&Facts>) -> Result<Self, WorkbookError> {
        let manifest = facts.map(|facts| &facts.manifest);
        let mut workbook = Workbook::new();
        workbook.set_properties(&properties(layout)?);
        let locale = manifest.map(|manifest| manifest.locale).unwrap_or_default();
        for (i, &rows) in sheets.iter().enumerate() {
            ticket_sheet(workbook.add_worksheet(), i, rows, locale)?;
        }
        super::sheets::add(&mut workbook, facts, sheets.len())?;
        let bytes = workbook.save_to_buffer()?;
        let mut package = Self { bytes, tickets: Vec::new(), exceptions: None, replaced: Vec::new() };
        let columns = TICKETS.sheet_columns().count();
        for (i, &rows) in sheets.iter().enumerate() {
            let xml = package.text(&sheet_part(i))?;
            package.tickets.push(Frame::new(sheet_part(i), &xml, columns, 2, rows)?);
        }
        let listed = facts.map(|facts| facts.exceptions.rows()).unwrap_or_default();
        if listed > 0 && manifest.is_some_and(|manifest| manifest.summary.is_some()) {
            package.make_room_for_exceptions(sheets.len(), listed)?;
        }
        Ok(package)
    }

    /// Lengthens the table of exceptions, which has one row yet.
    fn make_room_for_exceptions(&mut self, ticket_sheets: usize, listed: u64) -> Result<(), WorkbookError> {
        let name = format!(" name=\"{EXCEPTIONS_SHEET}\"");
        let mut tables = (1..).map(|i| format!("xl/tables/table{i}.xml")).map(|part| Ok((self.text(&part)?, part)));
        let found =
            tables.find(|table: &Result<_, WorkbookError>| table.as_ref().map_or(true, |(xml, _)| xml.contains(&name)));
        let (xml, part) = found.ok_or_else(|| broken("table of exceptions"))??;
        // `A7:J9`: a header, the sample row and the totals.
        let reference = xml.split_once(" ref=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(found, _)| found);
        let parsed = reference.and_then(|reference| {
            let (first, last) = reference.split_once(':')?;
            let header: u64 = first.strip_prefix('A')?.parse().ok()?;
            let letter = last.chars().next().filter(char::is_ascii_uppercase)?;
            (last[1..].parse() == Ok(header + 2)).then_some((header, letter))
        });
        let (header, letter) = parsed.ok_or_else(|| broken("table of exceptions"))?;
        let range = |last: u64| format!(" ref=\"A{header}:{letter}{last}\"");
        let xml = xml.replace(&range(header + 1), &range(header + listed));
        let xml = xml.replace(&range(header + 2), &range(header + listed + 1));
        self.replaced.push((part, xml));

        let index = SUMMARY_SHEETS.iter().position(|name| *name == EXCEPTIONS_SHEET).unwrap_or_default();
        let part = sheet_part(ticket_sheets + index);
        let columns = usize::from(letter as u8 - b'A') + 1;
        self.exceptions = Some(Frame::new(part.clone(), &self.text(&part)?, columns, header + 1, listed)?);
        Ok(())
    }

    /// Whether the ticket sheets of both packages take the same rows.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.tickets == other.tickets
    }

    fn text(&self, part: &str) -> Result<String, WorkbookError> {
        let archive = ZipArchive::from_slice(&self.bytes)?;
        for entry in archive.entries() {
            let entry = entry?;
            if entry.file_path().as_ref() == part.as_bytes() {
                let data = archive.get_entry(entry.wayfinder())?;
                let mut text = String::new();
                flate2::read::DeflateDecoder::new(data.data()).read_to_string(&mut text)?;
                return Ok(text);
            }
        }
        Err(broken(part))
    }

    /// Copies one part into another archive.
    pub(super) fn copy<W: Write>(&self, part: &str, to: &mut ZipArchiveWriter<W>) -> Result<(), WorkbookError> {
        self.copy_where(|name| name == part, to)
    }

    /// Copies all parts but the leading ones and those sheets whose rows are written apart.
    pub(super) fn copy_rest<W: Write>(&self, to: &mut ZipArchiveWriter<W>) -> Result<(), WorkbookError> {
        let apart: Vec<&str> = (self.tickets.iter().chain(&self.exceptions).map(|frame| frame.part.as_str()))
            .chain(self.replaced.iter().map(|(part, _)| part.as_str()))
            .chain(LEADING_PARTS)
            .collect();
        self.copy_where(|name| !apart.contains(&name), to)?;
        for (part, xml) in &self.replaced {
            let (mut entry, _) = to.new_file(part).compression_method(CompressionMethod::DEFLATE).start()?;
            let mut joined = Joined::default();
            joined.write(&mut entry, &by_zlib(xml.as_bytes()))?;
            let (crc, size) = joined.finish(&mut entry)?;
            entry.finish(DataDescriptorOutput::new(crc, size))?;
        }
        Ok(())
    }

    fn copy_where<W: Write>(
        &self,
        wanted: impl Fn(&str) -> bool,
        to: &mut ZipArchiveWriter<W>,
    ) -> Result<(), WorkbookError> {
        let archive = ZipArchive::from_slice(&self.bytes)?;
        for entry in archive.entries() {
            let entry = entry?;
            let path = entry.file_path();
            let name = String::from_utf8_lossy(path.as_ref()).into_owned();
            if wanted(&name) {
                let data = archive.get_entry(entry.wayfinder())?;
                let (mut copy, _) = to.new_file(&name).compression_method(CompressionMethod::DEFLATE).start()?;
                copy.write_all(data.data())?;
                copy.finish(DataDescriptorOutput::new(entry.crc32(), entry.uncompressed_size_hint()))?;
            }
        }
        Ok(())
    }
}

fn properties(layout: &Layout) -> Result<DocProperties, WorkbookError> {
    let created = layout.created.to_zoned_datetime(jiff::tz::TimeZone::UTC);
    let number = |part: i8| u8::try_from(part).unwrap_or(0);
    let year = u16::try_from(created.year()).unwrap_or(0);
    let date = ExcelDateTime::from_ymd(year, number(created.month()), number(created.day()))?.and_hms(
        u16::from(number(created.hour())),
        number(created.minute()),
        f64::from(created.second()),
    )?;
    Ok(DocProperties::new().set_title("Ticketing report").set_creation_datetime(&date))
}

/// The number format of a kind of column.
fn number_format(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Text | Kind::Key | Kind::Integer => None,
        Kind::Money => Some("#,##0.00"),
        Kind::Date => Some("yyyy-mm-dd"),
        Kind::Time => Some("hh:mm"),
        Kind::Instant => Some("yyyy-mm-dd hh:mm:ss.000"),
    }
}

fn header_format() -> Format {
    Format::new().set_bold().set_background_color("#DDE6F0").set_border_bottom(FormatBorder::Thin)
}

/// A ticket sheet with its header and one sample row, from which the column's styles are read and which the rows
/// replace.
fn ticket_sheet(sheet: &mut Worksheet, index: usize, rows: u64, locale: Locale) -> Result<(), XlsxError> {
    let name = if index == 0 { ROWS_SHEET.to_owned() } else { format!("{ROWS_SHEET} ({})", index + 1) };
    sheet.set_name(name)?;
    let header = header_format();
    let mut last = 0;
    for (i, (_, column, width)) in TICKETS.sheet_columns().enumerate() {
        last = u16::try_from(i).unwrap_or(u16::MAX);
        let format = number_format(column.kind).map_or_else(Format::new, |f| Format::new().set_num_format(f));
        sheet.set_column_width(last, width.max(heading_width(column.name)))?;
        sheet.write_string_with_format(0, last, column.name, &header)?;
        sheet.write_number_with_format(1, last, 1.0, &format)?;
        if OF_BOOKINGS.contains(&column.name) {
            let note = Note::new(locale.text("note.of_booking")).add_author_prefix(false);
            sheet.insert_note(0, last, &note.set_width(220).set_height(110))?;
        }
    }
    sheet.set_freeze_panes(1, 1)?;
    sheet.autofilter(0, 0, u32::try_from(rows.min(SHEET_ROWS)).unwrap_or(u32::MAX), last)?;
    sheet.set_landscape().set_paper_size(9).set_print_fit_to_pages(1, 0).set_repeat_rows(0, 0)?;
    Ok(())
}

/// Amounts that stand on each ticket of a booking: whoever adds them up counts them once for every ticket.
const OF_BOOKINGS: [&str; 2] = ["booking_total_amount", "paid_amount"];

/// The width that a heading needs beside its filter's button.
fn heading_width(name: &str) -> f64 {
    f64::from(u16::try_from(name.len()).unwrap_or(u16::MAX)) * 1.1 + 3.5
}

/// The style ids in a sample row, a cell after the other.
fn sample_styles(row: &str) -> Vec<u32> {
    let style = |cell: &str| {
        let tag = cell.split('>').next()?;
        match tag.split_once(" s=\"") {
            None => Some(0),
            Some((_, id)) => id.split('"').next()?.parse().ok(),
        }
    };
    row.split("<c ").skip(1).filter_map(style).collect()
}

/// Whether Excel shows such a picture; if not, why.
pub(super) fn picture(bytes: &[u8]) -> Result<(), WorkbookError> {
    Ok(rust_xlsxwriter::Image::new_from_buffer(bytes).map(drop)?)
}

/// The number that a cell holds for an amount: the nearest double, exact to the cent for every decimal(12,2).
pub(super) fn number(money: Money) -> f64 {
    money.to_string().parse().unwrap_or(f64::NAN)
}
