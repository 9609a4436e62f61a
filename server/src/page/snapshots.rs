//! The snapshots and how programs read them.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{
    format,
    parts::{Shape, badge, controls_failed, time},
    snippets,
    view::{Home, Role, SnapshotItem, StoreState},
};

/// How many periods are shown at once.
const SHOWN: usize = 12;

/// The list, and the snippets.
pub(crate) fn snapshots(home: &Home) -> Markup {
    let zone = format::zone(&home.zone);
    let may_load = home.viewer.role >= Role::Analyst;
    let (shown, more) = home.snapshots.split_at(home.snapshots.len().min(SHOWN));
    html! {
        section aria-labelledby="snapshots" data-live="snapshots" {
            div class="section-head" {
                h2 id="snapshots" { "Snapshots" }
                p class="muted" { "The same data as Parquet files, for programs." }
            }
            @if matches!(home.store, StoreState::Gone(_)) {
                p class="empty" { "The store can't be read, so nothing can be listed." }
            } @else if shown.is_empty() {
                p class="empty" { "No snapshots yet. Each report makes one beside its workbook." }
            } @else {
                @if !may_load {
                    p class="muted" {
                        "To download them takes the role analyst; you have the role " (home.viewer.role.as_str()) "."
                    }
                }
                (table(shown, may_load, &zone, "Snapshots, the newest period first"))
                @if !more.is_empty() {
                    details id="more-snapshots" {
                        summary { (more.len()) " earlier periods" }
                        (table(more, may_load, &zone, "Snapshots of earlier periods"))
                    }
                }
                (snippets::snippets(home))
            }
        }
    }
}

fn table(items: &[SnapshotItem], may_load: bool, zone: &TimeZone, caption: &str) -> Markup {
    html! {
        table class="list cards" role="table" {
            caption class="unseen" { (caption) }
            thead role="rowgroup" {
                tr role="row" {
                    th scope="col" role="columnheader" { "Period" }
                    th scope="col" role="columnheader" class="number" { "Tickets" }
                    th scope="col" role="columnheader" class="number" { "All tables" }
                    th scope="col" role="columnheader" { "Files" }
                    th scope="col" role="columnheader" { "Made" }
                }
            }
            tbody role="rowgroup" { @for item in items { (row(item, may_load, zone)) } }
        }
    }
}

fn row(item: &SnapshotItem, may_load: bool, zone: &TimeZone) -> Markup {
    let id = item.period.to_string();
    let name = format::period(item.period);
    let tickets = format!("/api/k8s/snapshots/{id}/{}/tickets.parquet", item.edition);
    html! {
        tr role="row" id={ "snapshot-" (id) } {
            th scope="row" role="rowheader" {
                a href=(format::edition_link(&id, item.edition)) { (name) }
                " " span class="muted nowrap" { "edition " (item.edition) }
                @if item.failed_controls > 0 { " " (controls_failed()) }
                @if item.provisional { " " (badge("old", Shape::Clock, "provisional")) }
            }
            td role="cell" class="number" data-label="Tickets" { (format::count(item.rows)) }
            td role="cell" class="number" data-label="All tables" { (format::bytes(item.size)) }
            td role="cell" data-label="Files" {
                span class="links" {
                    @if may_load {
                        a href=(tickets) download={ "tickets-" (id) ".parquet" } {
                            "tickets" span class="unseen" { " of " (name) }
                        }
                    } @else { "tickets" }
                    span class="muted" { (format::bytes(item.tickets_size)) }
                    a href={ "/api/k8s/snapshots/" (id) "?edition=" (item.edition) } {
                        "manifest" span class="unseen" { " of " (name) }
                    }
                }
            }
            td role="cell" data-label="Made" { (time(item.created, zone)) }
        }
    }
}
