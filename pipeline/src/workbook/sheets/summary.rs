//! The first thing that is seen: the period's figures beside those of earlier periods, and charts of them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rust_xlsxwriter::{Image, XlsxError};

use super::{Facts, Grid, Kind, Total, Value, charts};
use crate::{
    manifest::{ControlName, Money},
    summary::{BookingFigures, Compared, Relation, Sales},
};

/// The figures, in the order in which they stand.
const FIGURES: [&str; 17] = [
    "tickets",
    "reserved",
    "cancelled",
    "refunded",
    "checked_in",
    "passengers",
    "gross",
    "refunds",
    "net",
    "average_fare",
    "bookings",
    "booking_totals",
    "due",
    "received",
    "given_back",
    "paid",
    "outstanding",
];

/// The logo's greatest width and height, in pixels.
const LOGO: (f64, f64) = (160.0, 48.0);

pub(super) fn write(facts: &Facts<'_>, grid: &mut Grid<'_>, places: &charts::Places) -> Result<(), XlsxError> {
    let locale = facts.locale();
    logo(facts, grid)?;
    let section = facts.formats.section.clone();
    grid.paragraph(facts.report(), &section)?;
    controls(facts, grid)?;
    if facts.manifest.provisional {
        let alarm = facts.formats.alarm.clone();
        grid.paragraph(&locale.text("provisional"), &alarm)?;
    }
    grid.basis(&facts.cut())?;
    grid.basis(&locale.text("basis.Summary"))?;
    if facts.currencies.is_empty() {
        return grid.section(&locale.text("nothing_sold"));
    }
    let find = |relation| facts.manifest.compared.iter().find(|other| other.relation == relation);
    let (previous, year_before) = (find(Relation::Previous), find(Relation::YearBefore));
    for (i, (code, of)) in facts.currencies.iter().enumerate() {
        grid.section(&facts.currency(code))?;
        let now = figures(&of.sales, &of.bookings);
        let others = [previous, year_before].map(|other| compared(other, code));
        let rows: Vec<Vec<Value>> = FIGURES
            .iter()
            .enumerate()
            .map(|(i, key)| {
                let mut row = vec![Value::Text(locale.name(key)), now[i].clone()];
                for other in &others {
                    let then = other.as_ref().map(|figures| &figures[i]);
                    row.push(then.cloned().unwrap_or_else(|| facts.missing()));
                    row.push(then.map_or_else(|| facts.missing(), |then| difference(&now[i], then)));
                }
                row
            })
            .collect();
        let heading = |key: &str, other: Option<&Compared>| {
            let mut column = facts.column(key, Kind::Money, Total::None);
            if let Some(other) = other {
                column.heading = format!("{} ({})", column.heading, other.period);
            }
            column
        };
        let columns = [
            facts.column("figure", Kind::Text, Total::None),
            facts.column("this_period", Kind::Money, Total::None),
            heading("previous", previous),
            facts.column("previous_difference", Kind::Money, Total::None),
            heading("year_before", year_before),
            facts.column("year_before_difference", Kind::Money, Total::None),
        ];
        grid.table(&facts.table_name("Summary", code), &columns, &rows, &[])?;
        if i == 0 {
            grid.row += 1;
            charts::draw(facts, grid, places, &facts.currency(code))?;
            // The first currency and its charts are a page of their own.
            grid.sheet.set_portrait();
            if facts.currencies.len() > 1 {
                grid.sheet.set_page_breaks(&[grid.row])?;
            }
        }
    }
    for key in FIGURES {
        grid.dictionary_term(&locale.name(key), &locale.meaning(key));
    }
    Ok(())
}

/// The controls on the first lines: an alarm for each that failed, one line where all hold.
fn controls(facts: &Facts<'_>, grid: &mut Grid<'_>) -> Result<(), XlsxError> {
    let locale = facts.locale();
    let alarm = facts.formats.alarm.clone();
    let failed: Vec<_> = facts.manifest.failed_controls().collect();
    for control in &failed {
        let name = match control.name {
            ControlName::DatabaseSums => "database_sums",
            ControlName::Reconciliation => "reconciliation",
            ControlName::RowCount => "row_count",
        };
        let name = locale.text(&format!("control.{name}"));
        grid.paragraph(&locale.fill("control_failed", &[&name, &control.detail]), &alarm)?;
    }
    if failed.is_empty() && !facts.manifest.controls.is_empty() {
        grid.basis(&locale.text("controls_passed"))?;
    }
    Ok(())
}

fn logo(facts: &Facts<'_>, grid: &mut Grid<'_>) -> Result<(), XlsxError> {
    let Some(logo) = &facts.manifest.branding.logo else { return Ok(()) };
    let Ok(bytes) = BASE64_STANDARD.decode(logo) else { return Ok(()) };
    let company = facts.manifest.branding.company.as_deref().unwrap_or_default();
    let image = Image::new_from_buffer(&bytes)?.set_scale_to_size(LOGO.0, LOGO.1, true);
    let image = image.set_alt_text(facts.locale().fill("alt.logo", &[company]));
    grid.sheet.insert_image(0, 4, &image)?;
    Ok(())
}

/// The figures in the order of [`FIGURES`].
fn figures(sales: &Sales, bookings: &BookingFigures) -> [Value; FIGURES.len()] {
    [
        Value::count(sales.tickets),
        Value::count(sales.reserved),
        Value::count(sales.cancelled),
        Value::count(sales.refunded),
        Value::count(sales.checked_in),
        Value::count(sales.passengers()),
        Value::Money(sales.gross),
        Value::Money(sales.refunds),
        Value::Money(sales.net()),
        sales.average_fare().map_or(Value::Empty, Value::Money),
        Value::count(bookings.bookings),
        Value::Money(bookings.totals),
        Value::Money(bookings.due),
        Value::Money(bookings.received),
        Value::Money(bookings.given_back),
        Value::Money(bookings.paid),
        Value::Money(bookings.outstanding),
    ]
}

/// The figures of another period, in a currency in which it may have sold nothing.
fn compared(other: Option<&Compared>, code: &str) -> Option<[Value; FIGURES.len()]> {
    let figures_of = other?.currencies.get(code).cloned().unwrap_or_default();
    Some(figures(&figures_of.sales, &figures_of.bookings))
}

fn difference(now: &Value, then: &Value) -> Value {
    match (now, then) {
        (Value::Count(now), Value::Count(then)) => Value::Count(now - then),
        (Value::Money(now), Value::Money(then)) => Value::Money(Money(now.0 - then.0)),
        _ => Value::Empty,
    }
}
