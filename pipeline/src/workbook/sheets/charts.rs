//! The charts of the summary: drawn from the tables of other sheets, in the currency with the most tickets.

use rust_xlsxwriter::{
    Chart, ChartAxisLabelPosition, ChartFont, ChartFormat, ChartLegendPosition, ChartLine, ChartLineDashType,
    ChartSolidFill, ChartType, XlsxError,
};

use super::{Facts, Grid};

/// Width and height of a chart, in pixels.
const SIZE: (u32, u32) = (434, 280);

/// Rows that a chart takes.
const ROWS: u32 = 15;

/// Bars of a chart of the greatest.
pub(super) const GREATEST: usize = 10;

/// Where the numbers of a chart lie: a sheet, the rows from the first to the last, and the columns of the names and of
/// the amounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) sheet: &'static str,
    pub(super) rows: (u32, u32),
    pub(super) names: u16,
    pub(super) amounts: u16,
}

/// Where the numbers of all charts lie, each with the currency; `None` where there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) days: Option<Range>,
    /// The column of the period before, beside the days'.
    pub(super) previous_days: Option<u16>,
    pub(super) routes: Option<Range>,
    pub(super) methods: Option<Range>,
    pub(super) classes: Option<Range>,
}

/// Draws all charts, two beside each other, from the grid's row on.
pub(super) fn draw(facts: &Facts<'_>, grid: &mut Grid<'_>, places: &Places, currency: &str) -> Result<(), XlsxError> {
    let locale = facts.locale();
    let ink = facts.formats.ink;
    let mut charts = Vec::new();
    if let Some(range) = &places.days {
        let mut chart = Chart::new(ChartType::Line);
        let mut line = ChartLine::new();
        line.set_color(ink).set_width(2.25);
        series(&mut chart, range, range.amounts, &locale.text("chart.this_period"), ChartFormat::new().set_line(&line));
        if let Some(previous) = places.previous_days {
            let mut line = ChartLine::new();
            line.set_color("595959").set_width(1.25).set_dash_type(ChartLineDashType::Dash);
            let name = locale.text("chart.previous_period");
            series(&mut chart, range, previous, &name, ChartFormat::new().set_line(&line));
            chart.legend().set_position(ChartLegendPosition::Bottom);
        } else {
            chart.legend().set_hidden();
        }
        chart.x_axis().set_name(locale.text("chart.day").as_str()).set_num_format("d");
        chart.y_axis().set_num_format("#,##0").set_name(currency);
        charts.push((chart, "days"));
    }
    for (range, name, kind) in [
        (&places.routes, "routes", ChartType::Bar),
        (&places.methods, "methods", ChartType::Bar),
        (&places.classes, "classes", ChartType::Column),
    ] {
        let Some(range) = range else { continue };
        let mut chart = Chart::new(kind);
        let mut fill = ChartSolidFill::new();
        fill.set_color(ink);
        series(&mut chart, range, range.amounts, "", ChartFormat::new().set_solid_fill(&fill));
        chart.legend().set_hidden();
        let amounts = if kind == ChartType::Bar {
            // The greatest on top, the amounts below.
            chart.y_axis().set_reverse().set_font(ChartFont::new().set_size(8));
            chart.x_axis().set_label_position(ChartAxisLabelPosition::High)
        } else {
            chart.y_axis()
        };
        amounts.set_num_format("#,##0").set_name(currency);
        charts.push((chart, name));
    }
    let top = grid.row;
    for (i, (mut chart, name)) in charts.into_iter().enumerate() {
        let title = locale.fill(&format!("chart.{name}"), &[currency]);
        chart.title().set_name(&title).set_overlay(false);
        chart.title().set_font(ChartFont::new().set_size(12));
        chart.set_width(SIZE.0).set_height(SIZE.1);
        chart.set_alt_text(locale.fill(&format!("alt.{name}"), &[currency, facts.report()]));
        let row = top + u32::try_from(i / 2).unwrap_or(0) * ROWS;
        let beside = if i % 2 == 0 { 0 } else { SIZE.0 + 8 };
        grid.sheet.insert_chart_with_offset(row, 0, &chart, beside, 0)?;
        grid.row = row + ROWS;
    }
    Ok(())
}

fn series(chart: &mut Chart, range: &Range, amounts: u16, name: &str, format: &mut ChartFormat) {
    let (first, last) = range.rows;
    let series = chart
        .add_series()
        .set_categories((range.sheet, first, range.names, last, range.names))
        .set_values((range.sheet, first, amounts, last, amounts))
        .set_format(format)
        .set_gap(60);
    if !name.is_empty() {
        series.set_name(name);
    }
}
