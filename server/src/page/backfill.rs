//! The page before a backfill: what it would make.

use maud::{Markup, html};

use super::{
    format,
    layout::{Needs, layout},
    parts::{Shape, notice, prose},
    view::BackfillView,
};
use crate::backfill::Plan;

/// What the page is called.
pub(crate) const TITLE: &str = "Make the months that need a report";

/// The months that would be made, and the button that does it.
#[must_use]
pub fn backfill(view: &BackfillView) -> Markup {
    let body = html! {
        nav class="crumbs" aria-label="Where this page belongs" {
            a href="/" { "Reports" } " / " span aria-current="page" { (TITLE) }
        }
        div class="title" { h1 { (TITLE) } }
        @if let Some(error) = &view.error {
            (notice("bad", Shape::Cross, "That can't be done", &html! { p class="sentence" role="alert" { (prose(error)) } }))
        }
        (choose(view))
        @match &view.plan {
            Some(plan) if plan.months.is_empty() => {
                (notice("ok", Shape::Check, "Nothing to do", &html! { p { "Each of these months is published, or is being made." } }))
            }
            Some(plan) => (planned(view, plan)),
            None => {},
        }
    };
    layout(TITLE, Some(&view.viewer), Needs::Nothing, &body)
}

fn planned(view: &BackfillView, plan: &Plan) -> Markup {
    html! {
        (confirm(view, plan))
        table class="list planned" {
            caption class="unseen" { "The months that would be made" }
            thead { tr { th scope="col" { "Month" } th scope="col" { "Why" } } }
            tbody {
                @for planned in &plan.months {
                    tr {
                        th scope="row" { time datetime=(planned.month) { (format::period(planned.month)) } }
                        td { (planned.why.words()) }
                    }
                }
            }
        }
    }
}

fn choose(view: &BackfillView) -> Markup {
    html! {
        form class="start backfill" method="get" action="/backfill" {
            div class="range" {
                label for="from" { "First month" }
                input type="month" id="from" name="from" value=(view.from) required;
                label for="to" { "Last month" }
                input type="month" id="to" name="to" value=(view.to) required;
                label for="parallel" { "Months at once" }
                input type="number" id="parallel" name="parallel" min="1" max="64" value=(view.parallel)
                    placeholder=[view.plan.as_ref().map(|plan| plan.parallel)];
            }
            label class="choice" {
                input type="checkbox" name="all" value="true" checked[view.all];
                span { "also months that need no report" }
            }
            button type="submit" { "Show what would be made" }
        }
    }
}

fn confirm(view: &BackfillView, plan: &Plan) -> Markup {
    let count = plan.months.len();
    html! {
        @if let Some(warning) = &plan.warning {
            (notice("warn", Shape::Triangle, "Months at once", &html! { p class="sentence" { (prose(warning)) } }))
        }
        form class="confirm" method="post" action="/backfill" {
            @for (name, value) in [("from", &view.from), ("to", &view.to), ("parallel", &view.parallel)] {
                input type="hidden" name=(name) value=(value);
            }
            @if view.all { input type="hidden" name="all" value="true"; }
            p {
                button type="submit" class="primary" {
                    "Make " (count) @if count == 1 { " report" } @else { " reports" }
                }
                span class="muted" {
                    @if plan.parallel == 1 { " one at a time" } @else { " " (plan.parallel) " at a time" }
                }
            }
        }
    }
}
