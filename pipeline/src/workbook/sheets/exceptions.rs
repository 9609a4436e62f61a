//! The exceptions: all of their sheet but the rows, which [`crate::workbook::exceptions`] writes.

use rust_xlsxwriter::XlsxError;

use super::{EXCEPTIONS_SHEET, Facts, Grid, Kind, Total};

/// Writes the sheet for so many exceptions; with any, one empty row stands for all of them.
pub(super) fn write(facts: &Facts<'_>, grid: &mut Grid<'_>, listed: u64) -> Result<(), XlsxError> {
    let locale = facts.locale();
    let last = facts.manifest.period.period().last();
    grid.basis(&facts.cut())?;
    grid.basis(&locale.fill("basis.Exceptions", &[&last.to_string()]))?;
    let all = facts.summary.exceptions.values().sum::<u64>();
    if listed < all {
        let manifest = facts.manifest;
        let file = format!("editions/{}/{}/exceptions.parquet", manifest.period, manifest.edition);
        let (more, all) = ((all - listed).to_string(), all.to_string());
        let alarm = facts.formats.alarm.clone();
        grid.paragraph(&locale.fill("more_exceptions", &[&more, &all, &file]), &alarm)?;
    }
    if listed == 0 {
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
    grid.sample_table(EXCEPTIONS_SHEET, &columns)?;
    grid.sheet.set_freeze_panes(header + 1, 0)?.set_repeat_rows(header, header)?;
    Ok(())
}
