//! Small pieces of several pages.

use jiff::{Timestamp, tz::TimeZone};
use maud::{Markup, html};
use pipeline::manifest::Money;

use super::{
    format,
    view::{Doubtful, MonthState},
};
use crate::launcher::{Job, JobMonth, JobState};

/// The shape that stands beside a word, so that no state is told by its colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Check,
    Triangle,
    Ring,
    Play,
    Cross,
    Clock,
    Stop,
}

impl Shape {
    fn path(self) -> &'static str {
        match self {
            Self::Check => "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm-1.1 10.2L3.9 8.2 5 7.1l1.9 1.9 4.1-4.2 1.1 1.1Z",
            Self::Triangle => "M8 1 .6 14.5h14.8ZM7.2 6h1.6v4.4H7.2Zm0 5.6h1.6v1.6H7.2Z",
            Self::Ring => {
                "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm0 1.6a4.9 4.9 0 1 1 0 9.8 4.9 4.9 0 0 1 0-9.8Z"
            }
            Self::Play => "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1ZM6.2 4.9 11.4 8l-5.2 3.1Z",
            Self::Cross => {
                "M4.9 1h6.2L15 4.9v6.2L11.1 15H4.9L1 11.1V4.9Zm.9 3.7L4.7 5.8 6.9 8l-2.2 2.2 1.1 1.1L8 9.1l\
                 2.2 2.2 1.1-1.1L9.1 8l2.2-2.2-1.1-1.1L8 6.9Z"
            }
            Self::Clock => {
                "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.6a5.4 5.4 0 1 1 0 10.8A5.4 5.4 0 0 1 8 2.6Z\
                 M7.2 4.2v4.3l3.2 1.9.8-1.3-2.5-1.5V4.2Z"
            }
            Self::Stop => "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1ZM5.2 5.2h5.6v5.6H5.2Z",
        }
    }
}

/// A shape alone, for beside words.
pub(crate) fn icon(shape: Shape) -> Markup {
    html! {
        svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false" {
            path fill-rule="evenodd" d=(shape.path()) {}
        }
    }
}

/// A word with its shape and colour. `tone` is one of the style sheet's: ok, warn, bad, busy, idle, old.
pub(crate) fn badge(tone: &str, shape: Shape, words: &str) -> Markup {
    html! { span class={ "badge " (tone) } { (icon(shape)) (words) } }
}

/// How a month stands.
pub(crate) fn month_badge(state: MonthState) -> Markup {
    match state {
        MonthState::Published => badge("ok", Shape::Check, "published"),
        MonthState::ControlsFailed => controls_failed(),
        MonthState::Missing => badge("idle", Shape::Ring, "missing"),
        MonthState::Waiting => badge("idle", Shape::Clock, "waiting"),
        MonthState::Running => badge("busy", Shape::Play, "running"),
        MonthState::Failed => badge("bad", Shape::Cross, "failed"),
        MonthState::Outdated => badge("old", Shape::Clock, "outdated"),
    }
}

/// What is said of an edition before anything else.
pub(crate) fn controls_failed() -> Markup {
    badge("warn", Shape::Triangle, "controls failed")
}

/// How far a job has come.
pub(crate) fn job_badge(job: &Job, doubtful: &Doubtful) -> Markup {
    let fails = job.state == JobState::Succeeded && doubtful.count(job) > 0;
    if fails { controls_failed() } else { state_badge(job.state, job.unchanged) }
}

/// How far a month of a job has come.
pub(crate) fn job_month_badge(month: &JobMonth, doubtful: &Doubtful) -> Markup {
    let fails = month.edition.is_some_and(|edition| doubtful.0.contains(&(month.month, edition)));
    if fails { controls_failed() } else { state_badge(month.state, month.unchanged) }
}

fn state_badge(state: JobState, unchanged: bool) -> Markup {
    match state {
        JobState::Queued => badge("idle", Shape::Clock, "waiting"),
        JobState::Running => badge("busy", Shape::Play, "running"),
        JobState::Succeeded if unchanged => badge("ok", Shape::Check, "unchanged"),
        JobState::Succeeded => badge("ok", Shape::Check, "published"),
        JobState::Failed => badge("bad", Shape::Cross, "failed"),
        JobState::Cancelled => badge("idle", Shape::Stop, "cancelled"),
    }
}

/// An instant. Scripts write how long ago it was, where it is recent.
pub(crate) fn time(at: Timestamp, zone: &TimeZone) -> Markup {
    html! { time datetime=(at) data-ago { (format::instant(at, zone)) } }
}

/// An instant to the second, for good.
pub(crate) fn at(at: Timestamp, zone: &TimeZone) -> Markup {
    html! { time datetime=(at) { (format::moment(at, zone)) } }
}

/// What is wrong, in the words of whoever found it: what stands between backticks is code, and the documentation's
/// address a link.
pub(crate) fn prose(text: &str) -> Markup {
    // Without its fellow, a backtick is one.
    let paired = text.matches('`').count() / 2 * 2;
    html! {
        @for (place, part) in text.splitn(paired + 1, '`').enumerate() {
            @if place % 2 == 0 { (part) }
            @else if part == "/docs" { a href=(part) { code { (part) } } }
            @else { code { (part) } }
        }
    }
}

/// Amounts, one below the other, at most `most` of them.
pub(crate) fn amounts(net: &[(String, Money)], most: usize) -> Markup {
    let more = net.len().saturating_sub(most);
    html! {
        @for (code, amount) in net.iter().take(most) { span class="amount" { (format::amount(*amount, code)) } }
        @if more > 0 { span class="amount muted" { "and " (more) " more" } }
    }
}

/// What says that something is wrong, or what to do.
pub(crate) fn notice(tone: &str, shape: Shape, title: &str, body: &Markup) -> Markup {
    html! {
        div class={ "notice " (tone) } {
            (icon(shape))
            div { p { strong { (title) } } (body) }
        }
    }
}

/// A button that starts a report of some days; `of` says of which, for those who only hear the button.
pub(crate) fn start_button(words: &str, of: &str, fields: &[(&str, &str)]) -> Markup {
    html! {
        form method="post" action="/start" {
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button type="submit" { (words) span class="unseen" { " for " (of) } }
        }
    }
}

/// A piece of program text that can be copied.
pub(crate) fn snippet(id: &str, label: &str, text: &str) -> Markup {
    html! {
        figure class="snippet" {
            figcaption {
                span { (label) }
                button type="button" class="quiet" data-copy=(id) { "Copy" span class="unseen" { ": " (label) } }
            }
            pre id=(id) tabindex="0" role="group" aria-label=(label) { code { (text) } }
        }
    }
}
