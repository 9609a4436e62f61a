//! The figures as pictures, readable on a light and on a dark page.

use std::fmt::Write as _;

use crate::{
    contestants::{OURS, title},
    options::LONG,
    record::{Record, Size},
    table::thousands,
};

const STYLE: &str = "<style>\
    text { font: 13px system-ui, sans-serif; fill: #24292f } .head { font-weight: 600 } .small { font-size: 11px }\
    .ours { fill: #1f883d } .rival { fill: #8c959f } .axis { stroke: #8c959f; stroke-width: 1 }\
    .line { fill: none; stroke-width: 2 }\
    @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ours { fill: #3fb950 } .rival { fill: #6e7681 } }\
    </style>";

/// Colours of lines that stand out from white as from black.
const COLOURS: [&str; 8] = ["#2f81f7", "#db6d28", "#a371f7", "#d4a72c", "#e5534b", "#39a0a0", "#bf5fa5", "#768390"];

const WIDTH: f64 = 860.0;

fn svg(height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\">\n{STYLE}\n{body}</svg>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Text at a place; `class` may name more than one.
fn text(body: &mut String, x: f64, y: f64, class: &str, what: &str) {
    // Writing into a string can't fail.
    let _ = writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{}</text>", escape(what));
}

/// CPU seconds of all contestants at each size, the largest size first.
pub(crate) fn bars(record: &Record) -> String {
    const LEFT: f64 = 370.0;
    const RIGHT: f64 = 110.0;
    const BAR: f64 = 24.0;
    let (mut body, mut y) = (String::new(), 26.0);
    for size in record.sizes.iter().rev() {
        text(&mut body, 10.0, y, "head", &format!("{} rows, seconds of CPU time", thousands(size.rows)));
        y += 12.0;
        let most = size.contestants.iter().map(|one| one.cpu_seconds).fold(f64::MIN_POSITIVE, f64::max);
        for one in &size.contestants {
            let width = one.cpu_seconds / most * (WIDTH - LEFT - RIGHT);
            let class = if one.name == OURS { "ours" } else { "rival" };
            text(&mut body, 10.0, y + 16.0, "", &title(&one.name).replace('`', ""));
            let _ = writeln!(
                body,
                "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{}\" rx=\"2\" class=\"{class}\"/>",
                y + 3.0,
                BAR - 6.0
            );
            let times = size.ratios.get(&one.name).map(|ratio| format!(" ({:.1} ×)", ratio.cpu)).unwrap_or_default();
            text(&mut body, LEFT + width + 6.0, y + 16.0, "", &format!("{:.1}{times}", one.cpu_seconds));
            y += BAR;
        }
        y += 36.0;
    }
    svg(y - 26.0, &body)
}

/// How many times our CPU time each rival takes at the long form's largest size, over all that is recorded.
pub(crate) fn history(records: &[Record]) -> String {
    const LEFT: f64 = 50.0;
    const RIGHT: f64 = 330.0;
    const TOP: f64 = 44.0;
    const HEIGHT: f64 = 240.0;
    let points: Vec<(&Record, &Size)> =
        records.iter().filter(|record| record.form == LONG).filter_map(|r| Some((r, r.sizes.last()?))).collect();
    let Some((_, last)) = points.last() else { return svg(TOP, "") };
    let most = points.iter().flat_map(|(_, size)| size.ratios.values()).map(|ratio| ratio.cpu).fold(1.0, f64::max);
    let most = most.ceil() + 1.0;
    let x = |i: usize| LEFT + 20.0 + (WIDTH - LEFT - RIGHT - 40.0) * i as f64 / (points.len().max(2) - 1) as f64;
    let y = |ratio: f64| TOP + HEIGHT * (1.0 - ratio / most);

    let mut body = String::new();
    let head = format!("{} rows: CPU time of the rivals in ours, from run to run", thousands(last.rows));
    text(&mut body, 10.0, 24.0, "head", &head);
    let mut line = |class: &str, from: (f64, f64), to: (f64, f64)| {
        let _ = writeln!(
            body,
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        );
    };
    line("axis", (LEFT, TOP), (LEFT, y(0.0)));
    line("axis", (LEFT, y(0.0)), (WIDTH - RIGHT, y(0.0)));
    line("axis", (LEFT, y(1.0)), (WIDTH - RIGHT, y(1.0)));
    for mark in 1..=(most as u32) {
        text(&mut body, LEFT - 30.0, y(f64::from(mark)) + 4.0, "small", &format!("{mark} ×"));
    }
    for (i, (record, _)) in points.iter().enumerate() {
        // As many dates as there is room for.
        if i % points.len().div_ceil(6) == 0 {
            text(&mut body, x(i) - 30.0, y(0.0) + 18.0, "small", &record.date.to_string());
        }
    }
    let mut names: Vec<(&String, f64)> = last.ratios.iter().map(|(name, ratio)| (name, ratio.cpu)).collect();
    names.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (i, (name, ratio)) in names.into_iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let places: Vec<(f64, f64)> = points
            .iter()
            .enumerate()
            .filter_map(|(i, (_, size))| Some((x(i), y(size.ratios.get(name)?.cpu))))
            .collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(body, "<polyline class=\"line\" stroke=\"{colour}\" points=\"{}\"/>", path.join(" "));
        for (x, y) in places {
            let _ = writeln!(body, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
        }
        let row = TOP + 14.0 + 22.0 * i as f64;
        let (left, top) = (WIDTH - RIGHT + 14.0, row - 9.0);
        let _ = writeln!(body, "<rect x=\"{left}\" y=\"{top:.1}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>");
        let label = title(name).split(" in constant").next().unwrap_or(name);
        text(&mut body, left + 16.0, row, "small", &format!("{ratio:.1} ×  {label}"));
    }
    svg(TOP + HEIGHT + 32.0, &body)
}
