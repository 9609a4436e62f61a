//! An edition's figures by currency, beside those of earlier periods, and its changes against the edition before.

use maud::{Markup, html};
use pipeline::{
    manifest::{Manifest, Money, Total},
    summary::{BookingFigures, Compared, CurrencySummary, Relation, Sales, Summary, terms::find},
};

use super::{format, plots};

/// How a figure is read from what an edition keeps of it.
enum Figure {
    Count(fn(&Sales, &BookingFigures) -> u64),
    Amount(fn(&Sales, &BookingFigures) -> Option<Money>),
}

/// The figures in their order, by the keys of their terms.
const FIGURES: [(&str, Figure); 9] = [
    ("tickets", Figure::Count(|sales, _| sales.tickets)),
    ("gross", Figure::Amount(|sales, _| Some(sales.gross))),
    ("refunds", Figure::Amount(|sales, _| Some(sales.refunds))),
    ("net", Figure::Amount(|sales, _| Some(sales.net()))),
    ("average_fare", Figure::Amount(|sales, _| sales.average_fare())),
    ("bookings", Figure::Count(|_, bookings| bookings.bookings)),
    ("due", Figure::Amount(|_, bookings| Some(bookings.due))),
    ("paid", Figure::Amount(|_, bookings| Some(bookings.paid))),
    ("outstanding", Figure::Amount(|_, bookings| Some(bookings.outstanding))),
];

impl Figure {
    fn number(&self, sales: &Sales, bookings: &BookingFigures) -> Option<i128> {
        match self {
            Self::Count(of) => Some(i128::from(of(sales, bookings))),
            Self::Amount(of) => of(sales, bookings).map(|amount| amount.0),
        }
    }

    fn text(&self, sales: &Sales, bookings: &BookingFigures) -> String {
        match self {
            Self::Count(of) => format::count(of(sales, bookings)),
            Self::Amount(of) => of(sales, bookings).map_or_else(|| "–".to_owned(), format::money),
        }
    }
}

/// All currencies, the one with the most tickets first.
pub(crate) fn figures(manifest: &Manifest, summary: &Summary) -> Markup {
    let mut currencies: Vec<_> = summary.currencies.iter().collect();
    currencies.sort_by_key(|(code, of)| (std::cmp::Reverse(of.sales.tickets), *code));
    html! {
        section aria-labelledby="figures" {
            h2 id="figures" { "Figures" }
            @if currencies.is_empty() { p class="empty" { "No ticket was issued in this period." } }
            (not_compared(manifest))
            @if let Some(((code, of), others)) = currencies.split_first() {
                (one(manifest, code, of))
                @if !others.is_empty() {
                    @let codes: Vec<&str> = others.iter().map(|(code, _)| format::currency(code)).collect();
                    details class="currencies" id="other-currencies" {
                        summary { "Other currencies: " (codes.join(", ")) }
                        @for (code, of) in others { (one(manifest, code, of)) }
                    }
                }
            }
            @if !currencies.is_empty() {
                details id="meanings" {
                    summary { "What the figures mean" }
                    dl class="meanings" {
                        @for (key, _) in &FIGURES {
                            @if let Some(term) = find(key) { dt { (term.name) } dd { (term.meaning) } }
                        }
                    }
                }
            }
        }
    }
}

/// Which comparisons there are none of, and why.
fn not_compared(manifest: &Manifest) -> Markup {
    let all = [(Relation::Previous, "the period before"), (Relation::YearBefore, "the same days a year before")];
    let is_missing = |relation| manifest.compared.iter().all(|other| other.relation != relation);
    let missing: Vec<&str> = all.iter().filter(|(of, _)| is_missing(*of)).map(|(_, words)| *words).collect();
    html! {
        @if !missing.is_empty() {
            p class="muted" {
                "Not compared with " (missing.join(" and "))
                ", of which there was no edition with figures when this one was made."
            }
        }
    }
}

fn one(manifest: &Manifest, code: &str, of: &CurrencySummary) -> Markup {
    let name = format::currency(code);
    let id = format!("currency-{}", if code.is_empty() { "none" } else { code });
    html! {
        section class="currency" aria-labelledby=(id) {
            h3 id=(id) { (name) }
            div class="scroll" tabindex="0" role="group" aria-labelledby=(id) { (table(manifest, code, name, of)) }
            (plots::plots(manifest.period.period(), name, of))
        }
    }
}

fn table(manifest: &Manifest, code: &str, name: &str, of: &CurrencySummary) -> Markup {
    html! {
        table class="list figures" {
            caption class="unseen" { "Figures in " (name) }
            thead {
                tr {
                    th scope="col" { "Figure" }
                    th scope="col" class="number" { "This edition" }
                    @for other in &manifest.compared {
                        th scope="col" class="number" {
                            (relation(other)) br; span class="muted" { (format::period(other.period)) }
                        }
                        th scope="col" class="number" { "Change" }
                    }
                }
            }
            tbody {
                @for (key, figure) in &FIGURES {
                    tr class=[(*key == "net").then_some("strong")] {
                        th scope="row" { (find(key).map_or(*key, |term| term.name)) }
                        td class="number" { (figure.text(&of.sales, &of.bookings)) }
                        @for other in &manifest.compared { (beside(figure, of, other, code)) }
                    }
                }
            }
        }
    }
}

fn beside(figure: &Figure, of: &CurrencySummary, other: &Compared, code: &str) -> Markup {
    let Some(before) = other.currencies.get(code) else {
        return html! { td class="number muted" { "–" } td class="number muted" { "–" } };
    };
    let now = figure.number(&of.sales, &of.bookings);
    let then = figure.number(&before.sales, &before.bookings);
    let change = now.zip(then).and_then(|(now, then)| format::change(now, then));
    html! {
        td class="number" { (figure.text(&before.sales, &before.bookings)) }
        td class="number muted" { (change.unwrap_or_else(|| "–".to_owned())) }
    }
}

fn relation(other: &Compared) -> &'static str {
    match other.relation {
        Relation::Previous => "Period before",
        Relation::YearBefore => "Year before",
    }
}

/// What differs from the edition before.
pub(crate) fn changes(manifest: &Manifest) -> Markup {
    let Some(changes) = &manifest.changes else {
        return html! {};
    };
    let before = format::edition_link(&manifest.period.to_string(), changes.edition);
    let tickets = |code: &str| {
        let of = manifest.summary.as_ref().and_then(|summary| summary.currencies.get(code));
        of.map_or(0, |of| of.sales.tickets)
    };
    let mut net: Vec<_> = changes.net.iter().collect();
    net.sort_by_key(|(code, _)| std::cmp::Reverse(tickets(code)));
    html! {
        section aria-labelledby="changes" {
            h2 id="changes" { "Changes" }
            p {
                "Against " a href=(before) { "edition " (changes.edition) } ": "
                (format::count(changes.added)) " tickets added, " (format::count(changes.removed)) " removed, "
                (format::count(changes.changed)) " changed."
            }
            @if !changes.net.is_empty() {
                div class="scroll" tabindex="0" role="group" aria-labelledby="changes" {
                    table class="list" {
                        caption class="unseen" { "What the changes do to net sales" }
                        thead {
                            tr {
                                th scope="col" { "Net sales" }
                                @for step in ["Before", "Added", "Removed", "Changed", "Now"] {
                                    th scope="col" class="number" { (step) }
                                }
                            }
                        }
                        tbody {
                            @for (code, net) in net {
                                tr {
                                    th scope="row" { (format::currency(code)) }
                                    td class="number" { (format::money(net.before)) }
                                    (step(net.added)) (step(net.removed)) (step(net.changed))
                                    td class="number" { (format::money(net.after)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn step(total: Total) -> Markup {
    html! {
        td class="number" {
            (format::money(total.amount)) br;
            span class="muted" { (format::count(total.rows)) @if total.rows == 1 { " ticket" } @else { " tickets" } }
        }
    }
}
