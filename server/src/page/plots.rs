//! Net sales by day and by route: a table each, from which scripts draw bars.

use maud::{Markup, html};
use pipeline::{
    period::ReportPeriod,
    summary::{CurrencySummary, Part, Route},
};

use super::format;

/// How many routes scripts draw.
const DRAWN: usize = 15;

/// The two plots of a currency.
pub(crate) fn plots(period: ReportPeriod, currency: &str, of: &CurrencySummary) -> Markup {
    let mut routes: Vec<&Part<Route>> = of.by_route.iter().collect();
    routes.sort_by_key(|part| std::cmp::Reverse(part.sales.net()));
    html! {
        div class="plots" {
            figure {
                figcaption { "Net sales by day, " (currency) }
                div class="plot" data-plot="days" data-first=(period.first()) data-last=(period.last()) data-keep {}
                @if of.by_day.is_empty() { p class="note" { "Nothing was sold." } }
                details class="data" open {
                    summary { "Table of net sales by day" }
                    div class="scroll tall" tabindex="0" role="group" aria-label={ "By day, " (currency) } {
                        table class="list" {
                            thead { (head("Day")) }
                            tbody {
                                @for part in &of.by_day {
                                    (row(&part.key.day.to_string(), None, &format::day(part.key.day), part))
                                }
                            }
                        }
                    }
                }
            }
            figure {
                figcaption { "Net sales by route, " (currency) }
                div class="plot" data-plot="routes" data-most=(DRAWN) data-keep {}
                @if routes.is_empty() { p class="note" { "Nothing was sold." } }
                @if routes.len() > DRAWN {
                    p class="note" { "The bars are of the " (DRAWN) " largest of " (routes.len()) " routes." }
                }
                details class="data" open {
                    summary { "Table of net sales by route" }
                    div class="scroll tall" tabindex="0" role="group" aria-label={ "By route, " (currency) } {
                        table class="list" {
                            thead { (head("Route")) }
                            tbody { @for part in routes { (row(&name(&part.key), part.key.route.as_deref(), &name(&part.key), part)) } }
                        }
                    }
                }
            }
        }
    }
}

fn head(first: &str) -> Markup {
    html! {
        tr {
            th scope="col" { (first) }
            th scope="col" class="number" { "Tickets" }
            th scope="col" class="number" { "Net sales" }
        }
    }
}

/// A row, which scripts find by its key; `short` is what they write where the key is too long.
fn row<K>(key: &str, short: Option<&str>, name: &str, part: &Part<K>) -> Markup {
    html! {
        tr data-key=(key) data-short=[short] data-net=(part.sales.net()) {
            th scope="row" { (name) }
            td class="number" { (format::count(part.sales.tickets)) }
            td class="number" { (format::money(part.sales.net())) }
        }
    }
}

fn name(route: &Route) -> String {
    match (&route.route, &route.name) {
        (Some(code), Some(name)) if code != name => format!("{code} {name}"),
        (Some(either), _) | (None, Some(either)) => either.clone(),
        (None, None) => "no route".to_owned(),
    }
}
