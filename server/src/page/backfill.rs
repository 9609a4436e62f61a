//! The page before a backfill: what it would make.

use maud::{Markup, html};

use super::{
    format,
    layout::{Needs, layout},
    parts::{Shape, notice},
    view::BackfillView,
};

/// The months that would be made, and the button that does it.
#[must_use]
pub fn backfill(view: &BackfillView) -> Markup {
    let months = view.plan.as_ref().map(|plan| plan.months.as_slice()).unwrap_or_default();
    let body = html! {
        nav class="crumbs" aria-label="Where this page belongs" {
            a href="/" { "Reports" } " / " span aria-current="page" { "Fill the missing months" }
        }
        div class="title" { h1 { "Fill the missing months" } }
        (choose(view))
        @if months.is_empty() {
            (notice("ok", Shape::Check, "Nothing to do", &html! { p { "Each of these months is published, or is being made." } }))
        } @else {
            (confirm(view, months.len()))
            table class="list" {
                caption class="unseen" { "The months that would be made" }
                thead { tr { th scope="col" { "Month" } th scope="col" { "Why" } } }
                tbody {
                    @for planned in months {
                        tr {
                            th scope="row" { time datetime=(planned.month) { (format::period(planned.month)) } }
                            td { (planned.why.words()) }
                        }
                    }
                }
            }
        }
    };
    layout("Fill the missing months", view.viewer.as_ref(), Needs::Nothing, &body)
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
                input type="number" id="parallel" name="parallel" min="1" max="64" value=[view.parallel];
            }
            label class="choice" {
                input type="checkbox" name="all" value="true" checked[view.all];
                span { "also months that need no report" }
            }
            button type="submit" { "Show what would be made" }
        }
    }
}

fn confirm(view: &BackfillView, count: usize) -> Markup {
    let plan = view.plan.as_ref();
    let parallel = plan.map_or(1, |plan| plan.parallel);
    html! {
        @if let Some(warning) = plan.and_then(|plan| plan.warning.as_ref()) {
            (notice("warn", Shape::Triangle, "Months at once", &html! { p { (warning) } }))
        }
        form class="confirm" method="post" action="/backfill" {
            @for (name, value) in [("from", &view.from), ("to", &view.to)] { input type="hidden" name=(name) value=(value); }
            @if view.all { input type="hidden" name="all" value="true"; }
            @if let Some(parallel) = view.parallel { input type="hidden" name="parallel" value=(parallel); }
            p {
                button type="submit" class="primary" {
                    "Make " (count) @if count == 1 { " report" } @else { " reports" }
                }
                span class="muted" {
                    @if parallel == 1 { " one at a time" } @else { " " (parallel) " at a time" }
                }
            }
        }
    }
}
