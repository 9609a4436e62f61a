//! The exceptions, one row each.

use arrow::{
    array::{Array, AsArray, Date32Array, Decimal128Array, Int64Array, StringArray},
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
    let batches: Vec<Columns<'_>> = batches.iter().map(Columns::of).collect();
    // By reason; those of the same in the order of the file.
    let mut rows: Vec<(usize, usize, usize)> = Vec::new();
    for (i, batch) in batches.iter().enumerate() {
        rows.extend((0..batch.reasons.len()).map(|row| (batch.priority(row), i, row)));
    }
    rows.sort_unstable();
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
    let mut row = |i: usize| rows.get(i).map_or_else(Vec::new, |&(_, batch, row)| batches[batch].row(facts, row));
    grid.long_table("Exceptions", &columns, rows.len(), &mut row, &[])?;
    grid.sheet.set_freeze_panes(header + 1, 0)?.set_repeat_rows(header, header)?;
    Ok(())
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
    fn priority(&self, row: usize) -> usize {
        let reason = self.reasons.value(row);
        REASONS.iter().position(|term| term.key == reason).unwrap_or(REASONS.len())
    }

    fn row(&self, facts: &Facts<'_>, row: usize) -> Vec<Value> {
        let locale = facts.locale();
        let text = |texts: &StringArray| Value::text(texts.is_valid(row).then(|| texts.value(row)));
        let day = |number: i32| Date::constant(1970, 1, 1).saturating_add(number.days());
        vec![
            Value::Text(locale.name(self.reasons.value(row))),
            Value::Text(locale.name(self.steps.value(row))),
            text(self.bookings),
            text(self.tickets),
            text(self.currencies),
            if self.amounts.is_valid(row) { Value::Money(Money(self.amounts.value(row))) } else { Value::Empty },
            if self.days.is_valid(row) { Value::Date(day(self.days.value(row))) } else { Value::Empty },
            if self.ages.is_valid(row) { Value::Count(self.ages.value(row).into()) } else { Value::Empty },
        ]
    }
}
