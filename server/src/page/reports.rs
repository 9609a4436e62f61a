//! The list of workbooks.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{
    format,
    parts::{Shape, amounts, badge, time},
    view::{Home, Listing, ReportItem, StoreState},
};

/// How many currencies a row shows.
const CURRENCIES: usize = 3;

/// The columns by which one can sort: key, heading, whether the greatest comes first at the first click, and class.
const COLUMNS: [(&str, &str, bool, &str); 5] = [
    ("name", "Workbook", false, ""),
    ("period", "Period", true, ""),
    ("rows", "Tickets", true, "number"),
    ("size", "Size", true, "number"),
    ("created", "Made", true, ""),
];

/// Search, list and pages.
pub(crate) fn reports(home: &Home) -> Markup {
    let list = &home.reports;
    html! {
        section aria-labelledby="workbooks" {
            div class="section-head" {
                h2 id="workbooks" { "Workbooks" }
                form class="search" method="get" action="/#workbooks" role="search" data-list {
                    label for="search" class="unseen" { "Search workbooks by name" }
                    input type="search" id="search" name="search" value=(list.search) placeholder="Search by name"
                        autocomplete="off" spellcheck="false";
                    input type="hidden" name="sort" value=(list.sort);
                    input type="hidden" name="order" value=(order(list.descending));
                    button type="submit" { "Search" }
                }
            }
            div data-live="reports" data-total=(list.total) {
                @if list.items.is_empty() {
                    (none(home))
                } @else {
                    (table(list, &format::zone(&home.zone)))
                    (pages(list))
                }
            }
        }
    }
}

fn order(descending: bool) -> &'static str {
    if descending { "desc" } else { "asc" }
}

fn link(list: &Listing, sort: &str, descending: bool, offset: u64) -> String {
    let mut link = format!("/?sort={}&order={}", format::encoded(sort), order(descending));
    if !list.search.is_empty() {
        link += "&search=";
        link += &format::encoded(&list.search);
    }
    if offset > 0 {
        link += &format!("&offset={offset}");
    }
    link + "#workbooks"
}

fn none(home: &Home) -> Markup {
    let list = &home.reports;
    html! {
        p class="empty" {
            @if matches!(home.store, StoreState::Gone(_)) {
                "The store can't be read, so nothing can be listed."
            } @else if !list.search.is_empty() {
                "No workbook's name contains “" (list.search) "”. " a href="/#workbooks" data-list { "Show all" }
            } @else if list.total > 0 {
                "There is nothing on this page of the list. " a href="/#workbooks" data-list { "Back to the first" }
            } @else if home.can_start {
                "No workbooks yet. Make a report, and its workbook stands here."
            } @else {
                "No workbooks yet. They stand here once an operator has made a report."
            }
        }
    }
}

fn heading(list: &Listing, key: &str, words: &str, greatest_first: bool, class: &str) -> Markup {
    let current = list.sort == key;
    let descending = if current { !list.descending } else { greatest_first };
    let aria = current.then_some(if list.descending { "descending" } else { "ascending" });
    html! {
        th scope="col" role="columnheader" class=[(!class.is_empty()).then_some(class)] aria-sort=[aria] {
            a href=(link(list, key, descending, 0)) id={ "sort-" (key) } data-list {
                (words)
                @if current { span class="arrow" aria-hidden="true" { @if list.descending { "▼" } @else { "▲" } } }
            }
        }
    }
}

fn table(list: &Listing, zone: &TimeZone) -> Markup {
    // The roles say again what the elements say, because on narrow screens the style makes cards of the rows.
    html! {
        table class="list cards" role="table" aria-labelledby="workbooks" {
            thead role="rowgroup" {
                tr role="row" {
                    @for (place, (key, words, greatest_first, class)) in COLUMNS.iter().enumerate() {
                        @if place == 3 { th scope="col" role="columnheader" class="number" { "Net sales" } }
                        (heading(list, key, words, *greatest_first, class))
                    }
                }
            }
            tbody role="rowgroup" { @for item in &list.items { (row(item, zone)) } }
        }
    }
}

fn row(item: &ReportItem, zone: &TimeZone) -> Markup {
    html! {
        tr role="row" id={ "report-" (item.name) } {
            th scope="row" role="rowheader" {
                a href=(format::workbook_link(&item.name)) download { (item.name) }
                (badges(item))
            }
            td role="cell" data-label="Period" {
                @if let (Some(period), Some(edition)) = (item.period, item.edition) {
                    a href=(format::edition_link(&period.to_string(), edition)) { (format::period(period)) }
                    " " span class="muted nowrap" { "edition " (edition) }
                } @else { span class="muted" { "unknown" } }
            }
            td role="cell" class="number" data-label="Tickets" {
                @if let Some(rows) = item.rows { (format::count(rows)) } @else { span class="muted" { "–" } }
            }
            td role="cell" class="number" data-label="Net sales" {
                @if item.net.is_empty() { span class="muted" { "–" } }
                (amounts(&item.net, CURRENCIES))
            }
            td role="cell" class="number" data-label="Size" { (format::bytes(item.size)) }
            td role="cell" data-label="Made" { (time(item.created, zone)) }
        }
    }
}

fn badges(item: &ReportItem) -> Markup {
    let failed = item.failed_controls.unwrap_or(0);
    let words = format!("{failed} failed {}", if failed == 1 { "control" } else { "controls" });
    html! {
        @if failed > 0 { " " (badge("warn", Shape::Triangle, &words)) }
        @if item.provisional { " " (badge("old", Shape::Clock, "provisional")) }
        @if item.unmanaged { " " (badge("idle", Shape::Ring, "unmanaged")) }
        @if item.edition.is_some() && !item.newest { " " (badge("idle", Shape::Clock, "earlier edition")) }
    }
}

fn pages(list: &Listing) -> Markup {
    let first = list.offset + 1;
    let last = list.offset + list.items.len() as u64;
    let to = |offset: u64| link(list, &list.sort, list.descending, offset);
    html! {
        nav class="pages" aria-label="Pages of workbooks" {
            p class="muted" {
                @if list.total > list.items.len() as u64 { (format::count(first)) " to " (format::count(last)) " of " }
                (format::count(list.total)) @if list.total == 1 { " workbook" } @else { " workbooks" }
            }
            @if list.offset > 0 {
                a id="page-before" rel="prev" data-list href=(to(list.offset.saturating_sub(list.limit))) { "Previous" }
            }
            @if last < list.total { a id="page-after" rel="next" data-list href=(to(last)) { "Next" } }
        }
    }
}
