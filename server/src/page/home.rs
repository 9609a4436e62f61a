//! The home page: the months, how to start a report, jobs, workbooks and snapshots.

use maud::{Markup, html};
use pipeline::period::NamedPeriod;

use super::{
    backfill, board, format, jobs,
    layout::{Needs, layout},
    parts::{Shape, notice, start_button},
    reports, snapshots, start,
    view::{Home, StoreState},
};

/// Less room than this is told.
const LITTLE_ROOM: u64 = 1 << 30;

/// The home page.
#[must_use]
pub fn home(home: &Home) -> Markup {
    let body = html! {
        div class="title" {
            h1 { "Reports" }
            p class="muted" data-live="store-line" { (store_line(home)) }
            nav class="jumps" aria-label="On this page" {
                a href="#months-title" data-live="months-jump" hidden[board::is_empty(home)] { "Months" }
                a href="#workbooks" { "Workbooks" }
                a href="#snapshots" { "Snapshots" }
            }
        }
        div data-live="store" { (store(home)) }
        div class="columns" {
            div class="rail" {
                @if home.can_start { (start::start(home)) }
                (jobs::jobs(home))
            }
            div class="wide" {
                (board::board(home))
                (reports::reports(home))
                (snapshots::snapshots(home))
            }
        }
    };
    layout("Reports", Some(&home.viewer), Needs::Nothing, &body)
}

fn store_line(home: &Home) -> Markup {
    html! {
        "Time zone " (home.zone)
        @if let StoreState::Ready { bytes, free } = home.store {
            " · store " (format::bytes(bytes))
            @if let Some(free) = free { ", " (format::bytes(free)) " free" }
        }
    }
}

fn store(home: &Home) -> Markup {
    let nothing_yet = home.reports.total == 0
        && home.reports.search.is_empty()
        && home.snapshots.is_empty()
        && home.jobs.iter().all(|job| job.state.is_over());
    match &home.store {
        StoreState::Gone(reason) => {
            let body = html! {
                p { (reason) }
                p {
                    "Reports can't be listed, downloaded or made until the folder or volume at "
                    code { (home.store_address) }
                    " is there again. Then this page goes on by itself; nothing has to be restarted."
                }
            };
            notice("bad", Shape::Cross, "The store can't be read", &body)
        }
        StoreState::Ready { .. } if nothing_yet => first_steps(home),
        StoreState::Ready { free: Some(free), .. } if *free < LITTLE_ROOM => {
            let body = html! {
                p {
                    "Only " (format::bytes(*free)) " are free at " code { (home.store_address) }
                    ". A report that doesn't fit fails; make room before the next one."
                }
            };
            notice("warn", Shape::Triangle, "The store is nearly full", &body)
        }
        StoreState::Ready { .. } => html! {},
    }
}

fn first_steps(home: &Home) -> Markup {
    let month = NamedPeriod::PreviousMonth.resolve(home.today).map(|days| format::days(days.first(), days.last()));
    let month = month.unwrap_or_else(|_| "the previous month".to_owned());
    let body = html! {
        @if home.can_start {
            p {
                "Start with the previous month, " (month)
                ". Its workbook and its snapshot appear here when it is done."
            }
            (start_button("Make the report", &month, &[("period", "previous-month")]))
            p { "For earlier months at once: " a href="/backfill" { (backfill::TITLE) } "." }
        } @else {
            p {
                "Somebody with the role operator has to make one, for example of " (month)
                ". It appears here when it is done."
            }
        }
    };
    notice("busy", Shape::Play, "There are no reports yet", &body)
}
