//! Our own sheets, those of the summary and `Run info`: everything on them comes from the manifest and the exceptions.

mod charts;
mod exceptions;
mod grid;
mod info;
mod money;
mod sales;
mod summary;

use rust_xlsxwriter::{Workbook, XlsxError};

use self::grid::{Column, Formats, Grid, Kind, Total, Value};
use crate::{
    columns::TICKETS,
    locale::Locale,
    manifest::Manifest,
    summary::{CurrencySummary, Summary},
};

/// The sheets in their order. Their names are the same in every language.
pub const SUMMARY_SHEETS: [&str; 11] = [
    SUMMARY,
    BY_DAY,
    BY_ROUTE,
    BY_FARE,
    BY_PAIR,
    PAYMENTS,
    RECONCILIATION,
    EXCEPTIONS_SHEET,
    UNPAID,
    CHANGES,
    DICTIONARY,
];

/// The last sheet.
pub const INFO_SHEET: &str = "Run info";

const SUMMARY: &str = "Summary";
const BY_DAY: &str = "By day";
const BY_ROUTE: &str = "By route";
const BY_FARE: &str = "By fare and class";
const BY_PAIR: &str = "By station pair";
const PAYMENTS: &str = "Payments";
const RECONCILIATION: &str = "Reconciliation";
/// The sheet, and its table.
pub(super) const EXCEPTIONS_SHEET: &str = "Exceptions";
const UNPAID: &str = "Unpaid by age";
const CHANGES: &str = "Changes";
const DICTIONARY: &str = "Data dictionary";

/// The language, and what all sheets say.
struct Words {
    locale: Locale,
    footer: String,
}

impl Words {
    /// A sheet's title in its language.
    fn title(&self, sheet: &str) -> String {
        self.locale.text(&format!("title.{sheet}"))
    }
}

/// What the sheets are written from.
struct Facts<'a> {
    manifest: &'a Manifest,
    summary: &'a Summary,
    /// The currencies, that with the greatest sales first.
    currencies: Vec<(&'a str, &'a CurrencySummary)>,
    words: Words,
    formats: Formats,
}

impl<'a> Facts<'a> {
    fn new(manifest: &'a Manifest, summary: &'a Summary) -> Self {
        let mut currencies: Vec<_> = summary.currencies.iter().map(|(code, of)| (code.as_str(), of)).collect();
        currencies.sort_by_key(|(code, of)| (std::cmp::Reverse(of.sales.tickets), *code));
        let locale = manifest.locale;
        let edition = manifest.edition.to_string();
        let report = locale.fill("report", &[&manifest.period.to_string(), &edition]);
        let footer = match &manifest.branding.company {
            Some(company) => format!("{company} · {report}"),
            None => report,
        };
        Self {
            manifest,
            summary,
            currencies,
            words: Words { locale, footer },
            formats: Formats::new(&manifest.branding),
        }
    }

    /// The company's name and the report's.
    fn report(&self) -> &str {
        &self.words.footer
    }

    fn locale(&self) -> Locale {
        self.words.locale
    }

    /// The days and the cut, which all numbers have in common.
    fn cut(&self) -> String {
        let manifest = self.manifest;
        let days = manifest.period.period();
        let at = manifest.cut.at.to_zoned_datetime(manifest.time_zone.rules().clone());
        self.locale().fill(
            "basis",
            &[
                &days.first().to_string(),
                &days.last().to_string(),
                manifest.time_zone.name(),
                &at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            ],
        )
    }

    /// The name of a table, its sheet's and the currency's.
    fn table_name(&self, sheet: &str, currency: &str) -> String {
        let sheet: String = sheet.split(' ').map(capitalised).collect();
        let place = self.currencies.iter().position(|(code, _)| *code == currency).unwrap_or_default();
        match currency {
            plain if plain.len() == 3 && plain.bytes().all(|b| b.is_ascii_uppercase()) => format!("{sheet}_{plain}"),
            _ => format!("{sheet}_{}", place + 1),
        }
    }

    /// A column that shows a term.
    fn term(&self, key: &str, kind: Kind, total: Total) -> Column {
        Column { heading: self.locale().name(key), meaning: self.locale().meaning(key), kind, total }
    }

    /// A column that is described in the language's file.
    fn column(&self, key: &str, kind: Kind, total: Total) -> Column {
        let meaning = self.locale().text(&format!("about.{key}"));
        Column { heading: self.locale().text(&format!("heading.{key}")), meaning, kind, total }
    }

    /// The word that stands below the first column of a table.
    fn total_label(&self) -> Total {
        Total::Label(self.locale().text("total"))
    }

    /// A currency's heading.
    fn currency(&self, code: &str) -> String {
        if code.is_empty() { self.locale().text("no_currency") } else { code.to_owned() }
    }

    /// What stands where a value isn't known.
    fn missing(&self) -> Value {
        Value::Text(self.locale().text("not_available"))
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Adds the sheets, behind so many of tickets; without facts they stay empty. The summary is the one that is open at
/// first.
pub(super) fn add(
    workbook: &mut Workbook,
    facts: Option<&super::Facts>,
    ticket_sheets: usize,
) -> Result<(), XlsxError> {
    for name in SUMMARY_SHEETS.into_iter().chain([INFO_SHEET]) {
        workbook.add_worksheet().set_name(name)?.set_active(name == SUMMARY);
    }
    let Some(super::Facts { manifest, exceptions }) = facts else { return Ok(()) };
    let none = Summary::default();
    let facts = Facts::new(manifest, manifest.summary.as_ref().unwrap_or(&none));
    let mut dictionary: Vec<[String; 3]> = Vec::new();
    let mut open = |workbook: &mut Workbook, name: &'static str, widths: &[f64], write: Write<'_>| {
        let sheet = workbook.worksheet_from_name(name)?;
        let mut grid = Grid::new(sheet, name, widths, &facts.words, &facts.formats, &mut dictionary)?;
        write(&facts, &mut grid)
    };
    let widths = [26.0, 24.0, 14.0, 18.0, 76.0];
    open(workbook, INFO_SHEET, &widths, &mut |facts, grid| info::write(facts, grid, ticket_sheets))?;
    if manifest.summary.is_none() {
        for name in SUMMARY_SHEETS {
            workbook.worksheet_from_name(name)?.write_string(0, 0, manifest.locale.text("no_summary"))?;
        }
        return Ok(());
    }
    let sales = &[24.0, 26.0, 15.0, 15.0, 15.0, 15.0, 13.0, 11.0];
    let mut places = charts::Places::default();
    open(workbook, BY_DAY, &[14.0, 15.0, 15.0, 15.0, 15.0, 13.0, 11.0, 17.0], &mut |facts, grid| {
        sales::by_day(facts, grid, &mut places)
    })?;
    open(workbook, BY_ROUTE, sales, &mut |facts, grid| sales::by_route(facts, grid, &mut places))?;
    open(workbook, BY_FARE, sales, &mut |facts, grid| sales::by_fare(facts, grid, &mut places))?;
    open(workbook, BY_PAIR, sales, &mut |facts, grid| sales::by_station_pair(facts, grid))?;
    open(workbook, PAYMENTS, &[20.0, 16.0, 16.0, 16.0, 11.0, 16.0, 11.0, 16.0], &mut |facts, grid| {
        money::payments(facts, grid, &mut places)
    })?;
    open(workbook, RECONCILIATION, &[56.0, 18.0, 12.0, 18.0, 18.0, 16.0], &mut money::reconciliation)?;
    let widths = [40.0, 22.0, 15.0, 16.0, 11.0, 14.0, 13.0, 10.0, 18.0, 28.0];
    open(workbook, EXCEPTIONS_SHEET, &widths, &mut |facts, grid| exceptions::write(facts, grid, exceptions.rows()))?;
    open(workbook, UNPAID, &[26.0, 14.0, 18.0, 14.0], &mut money::unpaid)?;
    open(workbook, CHANGES, &[46.0, 14.0, 20.0], &mut money::changes)?;
    open(workbook, SUMMARY, &[34.0, 18.0, 18.0, 18.0, 18.0, 18.0], &mut |facts, grid| {
        summary::write(facts, grid, &places)
    })?;
    let entries = described(&facts, dictionary);
    let sheet = workbook.worksheet_from_name(DICTIONARY)?;
    let mut none = Vec::new();
    let widths = [24.0, 34.0, 90.0];
    let mut grid = Grid::new(sheet, DICTIONARY, &widths, &facts.words, &facts.formats, &mut none)?;
    grid.basis(&facts.locale().text("basis.Data dictionary"))?;
    grid.row += 1;
    let columns = [
        facts.column("sheet", Kind::Text, Total::None),
        facts.column("column", Kind::Text, Total::None),
        facts.column("meaning", Kind::Wrapped, Total::None),
    ];
    let header = grid.row;
    grid.table("DataDictionary", &columns, &entries, &[])?;
    grid.sheet.set_freeze_panes(header + 1, 0)?.set_repeat_rows(header, header)?;
    Ok(())
}

/// How a sheet is written.
type Write<'a> = &'a mut dyn FnMut(&Facts<'_>, &mut Grid<'_>) -> Result<(), XlsxError>;

/// All columns of all sheets: those of the tickets, and of the tables in the order of the sheets.
fn described(facts: &Facts<'_>, mut dictionary: Vec<[String; 3]>) -> Vec<Vec<Value>> {
    let locale = facts.locale();
    dictionary.extend(["sheet", "column", "meaning"].map(|key| {
        let column = facts.column(key, Kind::Text, Total::None);
        [DICTIONARY.to_owned(), column.heading, column.meaning]
    }));
    // `Run info`, which is none of the summary's, comes last.
    let place = |entry: &[String; 3]| SUMMARY_SHEETS.iter().position(|name| *name == entry[0]);
    dictionary.sort_by_key(|entry| place(entry).unwrap_or(SUMMARY_SHEETS.len()));
    let tickets = TICKETS.sheet_columns().map(|(_, column, _)| {
        [super::ROWS_SHEET.to_owned(), column.name.to_owned(), locale.column(column.name, column.meaning)]
    });
    tickets.chain(dictionary).map(|entry| entry.into_iter().map(Value::Text).collect()).collect()
}
