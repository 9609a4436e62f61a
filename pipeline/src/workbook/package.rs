//! The package around the rows, made by rust_xlsxwriter: styles, heads and tails of the ticket sheets, the sheet
//! `Run info`, and everything else that makes a workbook.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
};

use rawzip::{CompressionMethod, DataDescriptorOutput, ZipArchive, ZipArchiveWriter};
use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Note, Workbook, Worksheet, XlsxError,
};

use super::{Facts, Layout, SHEET_ROWS, WorkbookError};
use crate::{
    columns::{Kind, TABLES, TICKETS},
    locale::Locale,
    manifest::{Manifest, Money},
};

/// The first sheet. Its continuations are named after it: `TicketingReport (2)` and so on.
pub const ROWS_SHEET: &str = "TicketingReport";

/// The last sheet.
pub const INFO_SHEET: &str = "Run info";

/// The parts that stand first in the file, by which programs tell that it is a workbook. What is on the other sheets
/// makes no difference to them.
pub(super) const LEADING_PARTS: [&str; 2] = ["_rels/.rels", "docProps/core.xml"];

/// The part that holds a sheet.
pub(super) fn sheet_part(index: usize) -> String {
    format!("xl/worksheets/sheet{}.xml", index + 1)
}

/// A workbook's package, in memory, its ticket sheets without their rows.
pub(super) struct Package {
    bytes: Vec<u8>,
    /// Each ticket sheet's XML up to where its rows begin.
    pub(super) heads: Vec<String>,
    /// And from where they end.
    pub(super) tails: Vec<String>,
    /// The ids of the cell formats of the ticket sheets' columns.
    pub(super) styles: Vec<u32>,
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
        super::sheets::add(&mut workbook, manifest, facts.map(|facts| &facts.exceptions[..]).unwrap_or_default())?;
        let info = workbook.add_worksheet();
        info.set_name(INFO_SHEET)?;
        if let Some(manifest) = manifest {
            Info::new(info, layout, sheets.len()).write(manifest)?;
        }
        let bytes = workbook.save_to_buffer()?;
        let mut package = Self { bytes, heads: Vec::new(), tails: Vec::new(), styles: Vec::new() };
        for (i, &rows) in sheets.iter().enumerate() {
            let xml = package.text(&sheet_part(i))?;
            let (head, rest) = xml.split_once("<row r=\"2\"").ok_or_else(|| broken("sample row"))?;
            let (sample, tail) = rest.split_once("</row>").ok_or_else(|| broken("sample row"))?;
            package.styles = sample_styles(sample);
            let columns = TICKETS.sheet_columns().count();
            if package.styles.len() != columns {
                return Err(broken("sample row"));
            }
            let last_column = rust_xlsxwriter::utility::column_number_to_name(u16::try_from(columns - 1).unwrap_or(0));
            let (before, after) = head.split_once("<dimension ref=\"").ok_or_else(|| broken("dimension"))?;
            let (_, after) = after.split_once('"').ok_or_else(|| broken("dimension"))?;
            package.heads.push(format!("{before}<dimension ref=\"A1:{last_column}{}\"{after}", rows + 1));
            package.tails.push(tail.to_owned());
        }
        Ok(package)
    }

    /// Whether the ticket sheets of both packages take the same rows.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.heads == other.heads && self.tails == other.tails && self.styles == other.styles
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

    /// Copies all parts but the leading ones and the ticket sheets.
    pub(super) fn copy_rest<W: Write>(&self, to: &mut ZipArchiveWriter<W>) -> Result<(), WorkbookError> {
        let sheets: Vec<String> = (0..self.heads.len()).map(sheet_part).collect();
        self.copy_where(|name| !LEADING_PARTS.contains(&name) && !sheets.iter().any(|sheet| sheet == name), to)
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

/// The sheet `Run info`: what this is, and how it can be trusted.
struct Info<'a> {
    sheet: &'a mut Worksheet,
    layout: &'a Layout,
    sheets: usize,
    row: u32,
    label: Format,
    wrapped: Format,
    section: Format,
    header: Format,
    money: Format,
    count: Format,
}

impl<'a> Info<'a> {
    fn new(sheet: &'a mut Worksheet, layout: &'a Layout, sheets: usize) -> Self {
        Self {
            sheet,
            layout,
            sheets,
            row: 0,
            label: Format::new().set_bold().set_align(FormatAlign::Top),
            wrapped: Format::new().set_text_wrap().set_align(FormatAlign::Top).set_align(FormatAlign::Left),
            section: Format::new().set_bold().set_font_size(13),
            header: header_format(),
            money: Format::new().set_num_format("#,##0.00"),
            count: Format::new().set_num_format("#,##0").set_align(FormatAlign::Right),
        }
    }

    fn write(mut self, manifest: &Manifest) -> Result<(), XlsxError> {
        for (column, width) in [(0, 26.0), (1, 24.0), (2, 14.0), (3, 18.0), (4, 60.0)] {
            self.sheet.set_column_width(column, width)?;
        }
        let title = Format::new().set_bold().set_font_size(16);
        let name = format!("Ticketing report {}, edition {}", manifest.period, manifest.edition);
        self.sheet.write_string_with_format(0, 0, name, &title)?;
        self.row = 2;
        self.facts(manifest)?;
        self.lines("Warnings", &manifest.warnings, "None.")?;
        self.controls(manifest)?;
        self.lines("How to read the amounts", &reading_rules(manifest), "")?;
        self.sheet.set_landscape().set_paper_size(9).set_print_fit_to_pages(1, 0);
        Ok(())
    }

    fn facts(&mut self, manifest: &Manifest) -> Result<(), XlsxError> {
        let days = manifest.period.period();
        let local = manifest.cut.at.to_zoned_datetime(self.layout.zone.rules().clone());
        let status = if manifest.provisional {
            "PROVISIONAL: the period wasn't over at the cut"
        } else {
            "The period was over at the cut"
        };
        let changes = manifest.changes.as_ref().map_or_else(
            || match manifest.edition {
                1 => "The first edition of this period".to_owned(),
                _ => "Not compared with an earlier edition".to_owned(),
            },
            |c| {
                format!(
                    "Against edition {}: {} tickets added, {} removed, {} changed",
                    c.edition, c.added, c.removed, c.changed
                )
            },
        );
        let failed: Vec<&str> = manifest.failed_controls().map(|control| control.detail.as_str()).collect();
        let controls = if failed.is_empty() { "All hold".to_owned() } else { format!("FAILED: {}", failed.join("; ")) };
        let facts = [
            ("Period", format!("{} to {}, both inclusive, by the tickets' issued_at", days.first(), days.last())),
            ("Time zone", manifest.time_zone.name().to_owned()),
            ("Status", status.to_owned()),
            (
                "Cut",
                format!(
                    "{} ({} UTC)",
                    local.strftime("%Y-%m-%d %H:%M:%S %Z"),
                    manifest.cut.at.strftime("%Y-%m-%d %H:%M:%S%.6f")
                ),
            ),
            ("Database snapshot", manifest.cut.snapshot.clone().unwrap_or_else(|| "one transaction".to_owned())),
            ("Edition", manifest.edition.to_string()),
            ("Changes", changes),
            ("Controls", controls),
            ("Source", manifest.source.clone()),
            (
                "Tickets",
                format!(
                    "{} on {}",
                    manifest.rows,
                    if self.sheets == 1 { "one sheet".to_owned() } else { format!("{} sheets", self.sheets) }
                ),
            ),
            ("Program", manifest.program.clone()),
            ("Schema version", manifest.schema_version.to_string()),
            ("Digest of the data", manifest.digest.clone()),
        ];
        for (label, fact) in facts {
            self.sheet.write_string_with_format(self.row, 0, label, &self.label)?;
            self.sheet.merge_range(self.row, 1, self.row, 4, &fact, &self.wrapped)?;
            self.row += 1;
        }
        Ok(())
    }

    fn section(&mut self, title: &str) -> Result<(), XlsxError> {
        self.row += 1;
        self.sheet.write_string_with_format(self.row, 0, title, &self.section)?;
        self.row += 1;
        Ok(())
    }

    fn lines(&mut self, title: &str, lines: &[String], none: &str) -> Result<(), XlsxError> {
        self.section(title)?;
        let none = [none.to_owned()];
        for line in if lines.is_empty() { &none } else { lines } {
            self.sheet.merge_range(self.row, 0, self.row, 4, line, &self.wrapped)?;
            // Merged cells don't grow by themselves: some 130 characters fit on a line of this width.
            let needed = u32::try_from(line.chars().count() / 130 + 1).unwrap_or(1);
            self.sheet.set_row_height(self.row, 15.0 * f64::from(needed.min(20)))?;
            self.row += 1;
        }
        Ok(())
    }

    fn controls(&mut self, manifest: &Manifest) -> Result<(), XlsxError> {
        self.section("Control totals, as read")?;
        let right = self.header.clone().set_align(FormatAlign::Right);
        let indented = self.header.clone().set_indent(2);
        let formats = [&self.header, &self.header, &right, &right, &indented];
        for (column, (heading, format)) in
            (0..).zip(["Table", "Currency", "Rows", "Amount", "One row is"].iter().zip(formats))
        {
            self.sheet.write_string_with_format(self.row, column, *heading, format)?;
        }
        self.row += 1;
        for table in TABLES {
            let none = BTreeMap::from([(String::new(), crate::manifest::Total::default())]);
            let totals = manifest.tables.get(table.name).map(|file| &file.totals).filter(|totals| !totals.is_empty());
            for (currency, total) in totals.unwrap_or(&none) {
                self.sheet.write_string(self.row, 0, table.name)?;
                self.sheet.write_string(self.row, 1, currency)?;
                self.sheet.write_number_with_format(
                    self.row,
                    2,
                    number(Money(i128::from(total.rows) * 100)),
                    &self.count,
                )?;
                if table.amount.is_some() {
                    self.sheet.write_number_with_format(self.row, 3, number(total.amount), &self.money)?;
                }
                self.sheet.write_string_with_format(self.row, 4, table.row, &Format::new().set_indent(2))?;
                self.row += 1;
            }
        }
        Ok(())
    }
}

fn reading_rules(manifest: &Manifest) -> Vec<String> {
    vec![
        "Amounts in different currencies are never added together: every total is per currency.".to_owned(),
        "booking_total_amount and paid_amount belong to the booking and stand on each of its tickets: add them up over \
         distinct bookings only, or they count once for every ticket."
            .to_owned(),
        "A payment in another currency than its booking's, or a refund in another than its ticket's, is left out of \
         paid_amount and refunded_amount."
            .to_owned(),
        format!(
            "Instants on the sheet are on the clock of {} and cut to milliseconds; the Parquet files hold them in UTC to \
             the microsecond.",
            manifest.time_zone
        ),
    ]
}

/// Whether Excel shows such a picture; if not, why.
pub(super) fn picture(bytes: &[u8]) -> Result<(), WorkbookError> {
    Ok(rust_xlsxwriter::Image::new_from_buffer(bytes).map(drop)?)
}

/// The number that a cell holds for an amount: the nearest double, exact to the cent for every decimal(12,2).
pub(super) fn number(money: Money) -> f64 {
    money.to_string().parse().unwrap_or(f64::NAN)
}
