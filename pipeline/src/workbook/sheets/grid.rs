//! What all of our own sheets are made of: a title, lines that say on what the numbers are based, and tables.

use jiff::civil::Date;
use rust_xlsxwriter::{
    Format, FormatAlign, FormatBorder, Formula, Table, TableColumn, TableFunction, TableStyle, Worksheet, XlsxError,
    utility::row_col_to_cell,
};

use super::Words;
use crate::{
    manifest::{Branding, Money},
    summary::day_number,
    workbook::{
        package::number,
        values::{LONGEST_TEXT, serial},
    },
};

/// The colour of headings where the company has none of its own.
const ACCENT: &str = "1F4E79";

/// How the cells of a column are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Words.
    Text,
    /// Words over several lines.
    Wrapped,
    /// A whole number.
    Count,
    /// An amount.
    Money,
    /// A share, as a percentage.
    Share,
    /// A day.
    Date,
}

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Nothing: not known, or not applicable.
    Empty,
    /// Words.
    Text(String),
    /// A whole number.
    Count(i128),
    /// An amount.
    Money(Money),
    /// A share.
    Share(f64),
    /// A day.
    Date(Date),
    /// A formula, and what it comes to.
    Formula(String, Money),
}

impl Value {
    /// A count.
    pub(super) fn count(count: u64) -> Self {
        Self::Count(count.into())
    }

    /// Words, or nothing.
    pub(super) fn text(text: Option<&str>) -> Self {
        text.map_or(Self::Empty, |text| Self::Text(text.to_owned()))
    }
}

/// What stands below a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Total {
    /// Nothing.
    None,
    /// Words.
    Label(String),
    /// The sum of what is shown of the column, which is this.
    Sum(Value),
    /// The number of rows shown, which is this.
    Rows(u64),
    /// A formula over the table's columns, and what it comes to.
    Formula(String, Value),
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) heading: String,
    pub(super) meaning: String,
    pub(super) kind: Kind,
    pub(super) total: Total,
}

/// Where a table's rows lie on its sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) first_row: u32,
    pub(super) last_row: u32,
}

/// Formats of cells.
pub(super) struct Formats {
    /// The colour of lines and bars on white.
    pub(super) ink: u32,
    title: Format,
    basis: Format,
    pub(super) section: Format,
    pub(super) alarm: Format,
    header: Format,
    total: Format,
    step: Format,
}

impl Formats {
    pub(super) fn new(branding: &Branding) -> Self {
        let accent = branding.accent.as_deref().unwrap_or(ACCENT);
        let accent = u32::from_str_radix(accent, 16).unwrap_or(0);
        // Words stay legible on any colour, also in grey.
        let [_, red, green, blue] = accent.to_be_bytes().map(u32::from);
        let light = red * 299 + green * 587 + blue * 114 > 140_000;
        let on_accent = if light { "000000" } else { "FFFFFF" };
        // And lines and bars on white, which take a darker shade of a light one.
        let ink = if light {
            [red, green, blue].into_iter().fold(0, |ink, part| (ink << 8) | (part * 9 / 16))
        } else {
            accent
        };
        let top = Format::new().set_align(FormatAlign::Top);
        Self {
            ink,
            title: Format::new().set_bold().set_font_size(16),
            basis: top.clone().set_italic().set_text_wrap().set_font_color("404040"),
            section: Format::new().set_bold().set_font_size(13),
            alarm: top.set_bold().set_text_wrap().set_font_color("9C0006").set_background_color("FFE0E0"),
            header: Format::new()
                .set_bold()
                .set_text_wrap()
                .set_align(FormatAlign::Top)
                .set_font_color(on_accent)
                .set_background_color(accent),
            total: Format::new().set_bold().set_border_top(FormatBorder::Thin).set_border_bottom(FormatBorder::Double),
            step: Format::new().set_bold().set_background_color("EDEDED"),
        }
    }

    /// How a kind of cell is shown on top of another format.
    fn shown(kind: Kind, format: Format) -> Format {
        let format = format.set_align(FormatAlign::Top);
        match kind {
            Kind::Text => format,
            Kind::Wrapped => format.set_text_wrap().set_indent(1),
            Kind::Count => format.set_num_format("#,##0"),
            Kind::Money => format.set_num_format("#,##0.00"),
            Kind::Share => format.set_num_format("0.0%"),
            // The one that follows the reader's own settings.
            Kind::Date => format.set_num_format_index(14).set_align(FormatAlign::Left).set_indent(1),
        }
    }
}

/// A sheet that is written from top to bottom.
pub(super) struct Grid<'a> {
    pub(super) sheet: &'a mut Worksheet,
    pub(super) name: &'static str,
    pub(super) row: u32,
    pub(super) formats: &'a Formats,
    words: &'a Words,
    /// The widths of the columns, in characters.
    widths: Vec<f64>,
    /// The sheet, heading and meaning of each column, for the data dictionary.
    dictionary: &'a mut Vec<[String; 3]>,
}

impl<'a> Grid<'a> {
    /// Begins a sheet with columns of these widths: its title, and on what it is based.
    pub(super) fn new(
        sheet: &'a mut Worksheet,
        name: &'static str,
        widths: &[f64],
        words: &'a Words,
        formats: &'a Formats,
        dictionary: &'a mut Vec<[String; 3]>,
    ) -> Result<Self, XlsxError> {
        for (column, width) in (0..).zip(widths) {
            sheet.set_column_width(column, *width)?;
        }
        sheet.set_landscape().set_paper_size(9).set_print_fit_to_pages(1, 0).set_screen_gridlines(false);
        sheet.set_footer(format!("&L{}&C&A&R&P / &N", words.footer.replace('&', "&&")));
        let mut grid = Self { sheet, name, row: 0, formats, words, widths: widths.to_vec(), dictionary };
        grid.sheet.write_string_with_format(0, 0, words.title(name), &formats.title)?;
        grid.sheet.set_row_height(0, 24)?;
        grid.row = 1;
        Ok(grid)
    }

    /// A paragraph over the whole width.
    pub(super) fn paragraph(&mut self, text: &str, format: &Format) -> Result<(), XlsxError> {
        self.merged(0, text, format)
    }

    /// A text from a column to the last one, on as many lines as it needs.
    pub(super) fn wrapped(&mut self, from: u16, text: &str) -> Result<(), XlsxError> {
        let format = Format::new().set_text_wrap().set_align(FormatAlign::Top).set_align(FormatAlign::Left);
        self.merged(from, text, &format)
    }

    fn merged(&mut self, from: u16, text: &str, format: &Format) -> Result<(), XlsxError> {
        let last = u16::try_from(self.widths.len() - 1).unwrap_or(0);
        self.sheet.merge_range(self.row, from, self.row, last, text, format)?;
        // Merged cells don't grow by themselves.
        let width = self.widths[usize::from(from)..].iter().sum();
        self.sheet.set_row_height(self.row, height(text, width))?;
        self.row += 1;
        Ok(())
    }

    /// On what the sheet's numbers are based.
    pub(super) fn basis(&mut self, text: &str) -> Result<(), XlsxError> {
        let format = self.formats.basis.clone();
        self.paragraph(text, &format)
    }

    /// The title of a part.
    pub(super) fn section(&mut self, title: &str) -> Result<(), XlsxError> {
        self.row += 1;
        self.sheet.write_string_with_format(self.row, 0, title, &self.formats.section)?;
        self.row += 1;
        Ok(())
    }

    /// A table of at least one row; its name must be the workbook's only one. Rows whose number is among `steps` stand
    /// out.
    pub(super) fn table(
        &mut self,
        name: &str,
        columns: &[Column],
        rows: &[Vec<Value>],
        steps: &[usize],
    ) -> Result<Place, XlsxError> {
        let place = self.begin_table(name, columns, rows.len())?;
        let (plain, step) = (shown(columns, &Format::new()), shown(columns, &self.formats.step));
        let wrapped = columns.iter().position(|column| column.kind == Kind::Wrapped);
        for ((i, row), at) in rows.iter().enumerate().zip(place.first_row..) {
            let is_step = steps.contains(&i);
            let formats = if is_step { &step } else { &plain };
            if let Some((column, Some(Value::Text(text)))) = wrapped.map(|column| (column, row.get(column))) {
                self.sheet.set_row_height(at, height(text, self.widths[column]))?;
            }
            for ((column, value), format) in (0..).zip(row).zip(formats) {
                if let (Value::Text(text), Kind::Count | Kind::Money | Kind::Share) =
                    (value, columns[usize::from(column)].kind)
                {
                    // A word in the place of a number stands where the number would.
                    let format = format.clone().set_align(FormatAlign::Right);
                    self.sheet.write_string_with_format(at, column, fitting(text), &format)?;
                } else if *value != Value::Empty || is_step {
                    self.cell(at, column, value, format)?;
                }
            }
        }
        self.end_table(name, columns, place)?;
        Ok(place)
    }

    /// A table with one row of empty cells, whose formats the real rows take when they are written in its place.
    pub(super) fn sample_table(&mut self, name: &str, columns: &[Column]) -> Result<(), XlsxError> {
        let place = self.begin_table(name, columns, 1)?;
        for (column, format) in (0..).zip(shown(columns, &Format::new())) {
            self.sheet.write_blank(place.first_row, column, &format)?;
        }
        self.end_table(name, columns, place)
    }

    fn begin_table(&mut self, name: &str, columns: &[Column], rows: usize) -> Result<Place, XlsxError> {
        let last_row = self.row + u32::try_from(rows).unwrap_or(u32::MAX);
        let last_column = u16::try_from(columns.len() - 1).unwrap_or(0);
        let described: Vec<TableColumn> = columns.iter().map(|column| self.describe(column)).collect();
        let table = Table::new()
            .set_name(name)
            .set_style(TableStyle::Light1)
            .set_columns(&described)
            .set_total_row(has_total(columns))
            .set_alt_text(self.words.title(self.name));
        self.sheet.set_row_height(self.row, 32)?;
        let end = last_row + u32::from(has_total(columns));
        self.sheet.add_table(self.row, 0, end, last_column, &table)?;
        Ok(Place { first_row: self.row + 1, last_row })
    }

    fn end_table(&mut self, name: &str, columns: &[Column], place: Place) -> Result<(), XlsxError> {
        self.row = place.last_row + 1;
        if has_total(columns) {
            for (column, described) in (0..).zip(columns) {
                self.total(name, self.row, column, described)?;
            }
            self.row += 1;
        }
        for column in columns {
            self.dictionary_term(&column.heading, &column.meaning);
        }
        Ok(())
    }

    /// An entry of the data dictionary: a column, or a figure that stands in a row.
    pub(super) fn dictionary_term(&mut self, name: &str, meaning: &str) {
        let entry = [self.name.to_owned(), name.to_owned(), meaning.to_owned()];
        if !self.dictionary.contains(&entry) {
            self.dictionary.push(entry);
        }
    }

    fn describe(&self, column: &Column) -> TableColumn {
        let header = self.formats.header.clone();
        let header = match column.kind {
            Kind::Count | Kind::Money | Kind::Share => header.set_align(FormatAlign::Right),
            Kind::Text | Kind::Wrapped | Kind::Date => header,
        };
        let described = TableColumn::new().set_header(&column.heading).set_header_format(header);
        match &column.total {
            Total::None => described,
            Total::Label(label) => described.set_total_label(label),
            Total::Sum(_) => described.set_total_function(TableFunction::Sum),
            Total::Rows(_) => described.set_total_function(TableFunction::Count),
            Total::Formula(formula, _) => {
                described.set_total_function(TableFunction::Custom(Formula::new(formula.as_str())))
            }
        }
    }

    /// The formula below a column, with its result stored for whoever doesn't calculate.
    fn total(&mut self, table: &str, row: u32, column: u16, of: &Column) -> Result<(), XlsxError> {
        let format = Formats::shown(of.kind, self.formats.total.clone());
        let (formula, result) = match &of.total {
            Total::None => return self.sheet.write_blank(row, column, &format).map(drop),
            Total::Label(label) => return self.sheet.write_string_with_format(row, column, label, &format).map(drop),
            Total::Sum(sum) => (format!("SUBTOTAL(109,{table}[{}])", of.heading), result(sum)),
            Total::Rows(rows) => (format!("SUBTOTAL(103,{table}[{}])", of.heading), rows.to_string()),
            Total::Formula(formula, value) => (formula.clone(), result(value)),
        };
        let format = if matches!(of.total, Total::Rows(_)) {
            self.formats.total.clone().set_num_format("#,##0").set_align(FormatAlign::Left)
        } else {
            format
        };
        let formula = Formula::new(formula).set_result(result);
        self.sheet.write_formula_with_format(row, column, formula, &format)?;
        Ok(())
    }

    fn cell(&mut self, row: u32, column: u16, value: &Value, format: &Format) -> Result<(), XlsxError> {
        let sheet = &mut *self.sheet;
        match value {
            Value::Empty => sheet.write_blank(row, column, format)?,
            Value::Text(text) => sheet.write_string_with_format(row, column, fitting(text), format)?,
            Value::Count(count) => {
                let count = number(Money(count * 100));
                // In a column of amounts a count still shows as what it is.
                let format = format.clone().set_num_format("#,##0");
                sheet.write_number_with_format(row, column, count, &format)?
            }
            Value::Money(amount) => sheet.write_number_with_format(row, column, number(*amount), format)?,
            Value::Share(share) => sheet.write_number_with_format(row, column, *share, format)?,
            // Excel knows no days before 1900.
            Value::Date(day) => match serial(day_number(*day).into()) {
                Some(days) => {
                    let days = number(Money(i128::from(days) * 100));
                    sheet.write_number_with_format(row, column, days, format)?
                }
                None => sheet.write_string_with_format(row, column, day.to_string(), format)?,
            },
            Value::Formula(formula, amount) => {
                let formula = Formula::new(formula.as_str()).set_result(number(*amount).to_string());
                sheet.write_formula_with_format(row, column, formula, format)?
            }
        };
        Ok(())
    }
}

fn has_total(columns: &[Column]) -> bool {
    columns.iter().any(|column| column.total != Total::None)
}

/// The formats of a row's cells, on top of another.
fn shown(columns: &[Column], base: &Format) -> Vec<Format> {
    columns.iter().map(|column| Formats::shown(column.kind, base.clone())).collect()
}

/// The height of a row whose text is wrapped in a column of such a width, which is told in digits: letters are narrower.
fn height(text: &str, width: f64) -> f64 {
    let lines = (text.chars().count() as f64 / (width * 1.05)).ceil().clamp(1.0, 20.0);
    lines * 15.5
}

/// A text as far as it fits into a cell.
fn fitting(text: &str) -> &str {
    // No character has more UTF-16 units than bytes, so most texts need no counting.
    if text.len() <= LONGEST_TEXT {
        return text;
    }
    let mut units = 0;
    let end = text.char_indices().find(|(_, character)| {
        units += character.len_utf16();
        units > LONGEST_TEXT
    });
    end.map_or(text, |(end, _)| &text[..end])
}

/// What a formula comes to, as a cell stores it.
fn result(value: &Value) -> String {
    match value {
        Value::Count(count) => count.to_string(),
        Value::Money(amount) | Value::Formula(_, amount) => number(*amount).to_string(),
        Value::Share(share) => share.to_string(),
        Value::Text(text) => text.clone(),
        Value::Empty | Value::Date(_) => String::new(),
    }
}

/// A cell's address in a formula.
pub(super) fn address(row: u32, column: u16) -> String {
    row_col_to_cell(row, column)
}
