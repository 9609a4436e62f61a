//! The exceptions, one row each.

use arrow::{
    array::{Array, AsArray},
    datatypes::{Date32Type, Decimal128Type, Int64Type},
    record_batch::RecordBatch,
};
use jiff::{ToSpan, civil::Date};
use rust_xlsxwriter::XlsxError;

use super::{Facts, Grid, Kind, Total, Value};
use crate::{columns, manifest::Money, summary::terms::REASONS};

pub(super) fn write(facts: &Facts<'_>, grid: &mut Grid<'_>, batches: &[RecordBatch]) -> Result<(), XlsxError> {
    let locale = facts.locale();
    let last = facts.manifest.period.period().last();
    grid.basis(&facts.cut())?;
    grid.basis(&locale.fill("basis.Exceptions", &[&last.to_string()]))?;
    let mut rows: Vec<(usize, Vec<Value>)> = batches.iter().flat_map(|batch| rows(facts, batch)).collect();
    // By reason; those of the same in the order of the file.
    rows.sort_by_key(|(priority, _)| *priority);
    let rows: Vec<Vec<Value>> = rows.into_iter().map(|(_, row)| row).collect();
    let listed = rows.len() as u64;
    let all = facts.summary.exceptions.values().sum::<u64>();
    if listed < all {
        let manifest = facts.manifest;
        let file = format!("editions/{}/{}/exceptions.parquet", manifest.period, manifest.edition);
        let (more, all) = ((all - listed).to_string(), all.to_string());
        let alarm = facts.formats.alarm.clone();
        grid.paragraph(&locale.fill("more_exceptions", &[&more, &all, &file]), &alarm)?;
    }
    if rows.is_empty() {
        return grid.section(&locale.text("no_exceptions"));
    }
    grid.row += 1;
    let header = grid.row;
    let columns = [
        facts.column("reason", Kind::Text, Total::Rows(listed)),
        facts.column("reason_step", Kind::Text, Total::None),
        facts.column("booking", Kind::Text, Total::None),
        facts.column("ticket", Kind::Text, Total::None),
        facts.column("currency", Kind::Text, Total::None),
        facts.column("exception_amount", Kind::Money, Total::None),
        facts.column("since", Kind::Date, Total::None),
        facts.term("age", Kind::Count, Total::None),
        facts.column("owner", Kind::Text, Total::None),
        facts.column("comment", Kind::Text, Total::None),
    ];
    grid.table("Exceptions", &columns, &rows, &[])?;
    grid.sheet.set_freeze_panes(header + 1, 0)?.set_repeat_rows(header, header)?;
    Ok(())
}

/// The rows of a batch, each with the priority of its reason.
fn rows(facts: &Facts<'_>, batch: &RecordBatch) -> Vec<(usize, Vec<Value>)> {
    let locale = facts.locale();
    let column = |name: &str| batch.column(columns::EXCEPTIONS.position(name).unwrap_or_default());
    let texts = |name: &str| column(name).as_string::<i32>();
    let amounts = column("amount").as_primitive::<Decimal128Type>();
    let days = column("since").as_primitive::<Date32Type>();
    let ages = column("age_days").as_primitive::<Int64Type>();
    let text = |name: &str, row: usize| Value::text(texts(name).is_valid(row).then(|| texts(name).value(row)));
    let epoch = Date::constant(1970, 1, 1);
    (0..batch.num_rows())
        .map(|row| {
            let reason = texts("reason").value(row);
            let priority = REASONS.iter().position(|term| term.key == reason).unwrap_or(REASONS.len());
            let cells = vec![
                Value::Text(locale.name(reason)),
                Value::Text(locale.name(texts("step").value(row))),
                text("booking_ref", row),
                text("ticket_ref", row),
                text("currency", row),
                if amounts.is_valid(row) { Value::Money(Money(amounts.value(row))) } else { Value::Empty },
                if days.is_valid(row) {
                    Value::Date(epoch.saturating_add(days.value(row).days()))
                } else {
                    Value::Empty
                },
                if ages.is_valid(row) { Value::Count(ages.value(row).into()) } else { Value::Empty },
                Value::Empty,
                Value::Empty,
            ];
            (priority, cells)
        })
        .collect()
}
