//! The sheet `Run info`: what this workbook is, and how it can be trusted.

use rust_xlsxwriter::{Format, FormatAlign, XlsxError};

use super::{Facts, Grid, Kind, Total, Value};
use crate::columns::TABLES;

pub(super) fn write(facts: &Facts<'_>, grid: &mut Grid<'_>, ticket_sheets: usize) -> Result<(), XlsxError> {
    let locale = facts.locale();
    let section = facts.formats.section.clone();
    grid.paragraph(facts.report(), &section)?;
    grid.row += 1;
    let label = Format::new().set_bold().set_align(FormatAlign::Top);
    for (key, fact) in about(facts, ticket_sheets) {
        grid.sheet.write_string_with_format(grid.row, 0, locale.text(&format!("info.{key}")), &label)?;
        grid.wrapped(1, &fact)?;
    }
    grid.section(&locale.text("info.warnings"))?;
    let none = [locale.text("info.none")];
    let warnings = &facts.manifest.warnings;
    for warning in if warnings.is_empty() { &none[..] } else { warnings } {
        grid.wrapped(0, warning)?;
    }
    totals(facts, grid)?;
    grid.section(&locale.text("info.rules"))?;
    for rule in ["currencies", "bookings", "others"] {
        grid.wrapped(0, &locale.text(&format!("info.rule_{rule}")))?;
    }
    grid.wrapped(0, &locale.fill("info.rule_instants", &[facts.manifest.time_zone.name()]))
}

/// What the run was, each with the key of its label.
fn about(facts: &Facts<'_>, ticket_sheets: usize) -> Vec<(&'static str, String)> {
    let (manifest, locale) = (facts.manifest, facts.locale());
    let days = manifest.period.period();
    let local = manifest.cut.at.to_zoned_datetime(manifest.time_zone.rules().clone());
    let utc = manifest.cut.at.strftime("%Y-%m-%d %H:%M:%S%.6f");
    let changes = match &manifest.changes {
        Some(c) => {
            let counts = [u64::from(c.edition), c.added, c.removed, c.changed].map(|count| count.to_string());
            locale.fill("info.compared", &counts.each_ref().map(String::as_str))
        }
        None => locale.text(if manifest.edition == 1 { "info.first_edition" } else { "info.not_compared" }),
    };
    let failed: Vec<&str> = manifest.failed_controls().map(|control| control.detail.as_str()).collect();
    let controls = match failed.is_empty() {
        true => locale.text("info.controls_hold"),
        false => locale.fill("info.controls_failed", &[&failed.join("; ")]),
    };
    let status = if manifest.provisional { "provisional" } else { "info.over" };
    let (rows, sheets) = (manifest.rows.to_string(), ticket_sheets.to_string());
    let snapshot = manifest.cut.snapshot.clone();
    vec![
        ("period", locale.fill("info.days", &[&days.first().to_string(), &days.last().to_string()])),
        ("time_zone", manifest.time_zone.name().to_owned()),
        ("status", locale.text(status)),
        ("cut", format!("{} ({utc} UTC)", local.strftime("%Y-%m-%d %H:%M:%S %Z"))),
        ("snapshot", snapshot.unwrap_or_else(|| locale.text("info.one_transaction"))),
        ("edition", manifest.edition.to_string()),
        ("changes", changes),
        ("controls", controls),
        ("source", manifest.source.clone()),
        ("tickets", locale.fill(if ticket_sheets == 1 { "info.one_sheet" } else { "info.sheets" }, &[&rows, &sheets])),
        ("program", manifest.program.clone()),
        ("schema_version", manifest.schema_version.to_string()),
        ("digest", manifest.digest.clone()),
    ]
}

/// Rows and amounts of each table, as they were read.
fn totals(facts: &Facts<'_>, grid: &mut Grid<'_>) -> Result<(), XlsxError> {
    grid.section(&facts.locale().text("info.totals"))?;
    let columns = [
        facts.column("table", Kind::Text, Total::None),
        facts.column("table_currency", Kind::Text, Total::None),
        facts.column("table_rows", Kind::Count, Total::None),
        facts.column("table_amount", Kind::Money, Total::None),
        facts.column("table_row", Kind::Wrapped, Total::None),
    ];
    let mut rows = Vec::new();
    for table in TABLES {
        let mut row = |currency: &str, count: u64, amount: Value| {
            let name = Value::Text(table.name.to_owned());
            let one = Value::Text(facts.locale().table(table.name, table.row));
            rows.push(vec![name, Value::Text(currency.to_owned()), Value::count(count), amount, one]);
        };
        let totals = facts.manifest.tables.get(table.name).map(|file| &file.totals);
        for (currency, total) in totals.into_iter().flatten() {
            let amount = if table.amount.is_some() { Value::Money(total.amount) } else { Value::Empty };
            row(currency, total.rows, amount);
        }
        if totals.is_none_or(|totals| totals.is_empty()) {
            row("", 0, Value::Empty);
        }
    }
    grid.table("ControlTotals", &columns, &rows, &[]).map(drop)
}
