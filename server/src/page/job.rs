//! A job's page.

use maud::{Markup, html};

use super::{
    format, jobs,
    layout::{Needs, layout},
    parts::{Shape, at, job_badge, job_month_badge, notice, prose, start_button},
    view::{Doubtful, JobView, Role},
};
use crate::launcher::{Job, JobMonth, JobState, PeriodKind};

/// The page.
#[must_use]
pub fn job(view: &JobView) -> Markup {
    let job = &view.job;
    let reports = if job.is_backfill() { "Reports" } else { "Report" };
    let title = format!("{reports} for {}", jobs::days(job));
    let body = html! {
        nav class="crumbs" aria-label="Where this page belongs" {
            a href="/" { "Reports" } " / " span aria-current="page" { (job.job_name) }
        }
        div data-live="job" {
            div class="title" { h1 { (title) } (job_badge(job, &view.doubtful)) }
            @if job.state.is_over() { (outcome(view)) } @else { (under_way(job)) }
            div class="actions" { (actions(view)) }
            @if !job.months.is_empty() { (months(job, &view.doubtful)) }
            (facts(view))
        }
        (log(view))
    };
    layout(&title, Some(&view.viewer), Needs::Log, &body)
}

fn under_way(job: &Job) -> Markup {
    html! {
        (jobs::progress(job))
        @if let Some(reason) = &job.reason { p class="reason" { (prose(reason)) } }
    }
}

fn outcome(view: &JobView) -> Markup {
    let job = &view.job;
    let reason = html! { @if let Some(reason) = &job.reason { p { (prose(reason)) } } };
    match job.state {
        JobState::Failed => {
            let body = html! {
                (reason)
                @if job.reason.is_none() { p { "The log may say why." } }
                p {
                    "What was published before is untouched."
                    @if let Some(code) = job.exit_code { " The command ended with code " (code) "." }
                }
            };
            let title = if job.is_backfill() { "Not all months were made" } else { "No report was made" };
            notice("bad", Shape::Cross, title, &body)
        }
        JobState::Cancelled if job.is_backfill() => {
            notice("idle", Shape::Stop, "Cancelled before all months were made", &reason)
        }
        JobState::Cancelled => notice("idle", Shape::Stop, "Cancelled, so no report was made", &reason),
        _ if view.doubtful.count(job) > 0 => doubt(view),
        _ if job.unchanged => {
            let body =
                html! { p { "The newest edition holds the same data already, so there is no new one." } (reason) };
            notice("ok", Shape::Check, "Nothing had changed", &body)
        }
        _ if job.is_backfill() => notice("ok", Shape::Check, "All months are done", &reason),
        _ => {
            let edition = job.edition.map(|edition| format!("Edition {edition} is published"));
            notice("ok", Shape::Check, edition.as_deref().unwrap_or("The report is published"), &reason)
        }
    }
}

/// What is said of editions that nobody should use yet.
fn doubt(view: &JobView) -> Markup {
    let job = &view.job;
    let title = match job.edition {
        Some(edition) if job.unchanged => format!("Nothing had changed, and a control of edition {edition} failed"),
        Some(edition) => format!("Edition {edition} is published, but a control failed"),
        None => "All months are done, but not all controls hold".to_owned(),
    };
    let figures = match (&job.period_id, job.edition) {
        (Some(period), Some(edition)) => Some(format::edition_link(&format::encoded(period), edition)),
        _ => None,
    };
    let body = html! {
        p {
            @match figures {
                Some(link) => { "Don't use " a href=(link) { "its figures" } " before it is known why." }
                None => "Don't use the figures of months whose controls failed before it is known why.",
            }
        }
    };
    notice("warn", Shape::Triangle, &title, &body)
}

fn actions(view: &JobView) -> Markup {
    let job = &view.job;
    let (first, last) = (job.start_date.to_string(), job.end_date.to_string());
    let fields = [("period", "custom"), ("startDate", first.as_str()), ("endDate", last.as_str())];
    let again = if job.state == JobState::Succeeded { "Make again" } else { "Try again" };
    html! {
        @if let Some(report) = &job.report {
            a class="button primary" href=(format::workbook_link(report)) download { "Download the workbook" }
        }
        @if let (Some(period), Some(edition)) = (&job.period_id, job.edition) {
            a class="button" href=(format::edition_link(&format::encoded(period), edition)) { "Figures" }
        }
        @if view.viewer.role >= Role::Operator {
            @if job.state.is_over() && job.is_backfill() {
                @if job.state != JobState::Succeeded {
                    a class="button" href=(backfill_link(job)) { "Make what is left" }
                }
            } @else if job.state.is_over() {
                (start_button(again, &jobs::days(job), &fields))
            } @else { (jobs::cancel(job)) }
        }
    }
}

fn backfill_link(job: &Job) -> String {
    let month = |day: jiff::civil::Date| day.strftime("%Y-%m").to_string();
    let all = if job.all { "&all=true" } else { "" };
    format!("/backfill?from={}&to={}{all}", month(job.start_date), month(job.end_date))
}

fn months(job: &Job, doubtful: &Doubtful) -> Markup {
    html! {
        div class="scroll months-made" tabindex="0" role="group" aria-label="The months of this job" {
            table class="list" {
                caption class="unseen" { "The months of this job" }
                thead {
                    tr {
                        th scope="col" { "Month" }
                        th scope="col" { "State" }
                        th scope="col" class="number" { "Tickets" }
                        th scope="col" { "Result" }
                    }
                }
                tbody { @for month in &job.months { (month_row(month, doubtful)) } }
            }
        }
    }
}

fn month_row(month: &JobMonth, doubtful: &Doubtful) -> Markup {
    let period = month.month.to_string();
    html! {
        tr {
            th scope="row" {
                time datetime=(period) {
                    @match month.edition {
                        Some(edition) => a href=(format::edition_link(&period, edition)) { (format::period(month.month)) },
                        None => (format::period(month.month)),
                    }
                }
            }
            td { (job_month_badge(month, doubtful)) }
            td class="number" { @if let Some(rows) = month.rows { (format::count(rows)) } }
            td class="result" {
                @if let Some(report) = &month.report { a href=(format::workbook_link(report)) download { (report) } }
                @if let Some(reason) = &month.reason { (prose(reason)) }
            }
        }
    }
}

fn facts(view: &JobView) -> Markup {
    let (job, zone) = (&view.job, format::zone(&view.zone));
    let is_month = job.start_date == job.start_date.first_of_month() && job.end_date == job.start_date.last_of_month();
    html! {
        dl class="facts" {
            div { dt { "Days" } dd { (format::range(job.start_date, job.end_date)) } }
            div {
                dt { "Asked for as" }
                dd {
                    @match job.period {
                        PeriodKind::CurrentMonth => "current month",
                        PeriodKind::PreviousMonth => "previous month",
                        PeriodKind::Custom if is_month => "month",
                        PeriodKind::Custom => "range of days",
                        PeriodKind::Backfill => "months that need a report",
                    }
                }
            }
            div { dt { "Accepted" } dd { (at(job.creation_timestamp, &zone)) } }
            @if let Some(start) = job.start_time { div { dt { "Began" } dd { (at(start, &zone)) } } }
            @if let Some(end) = job.completion_time { div { dt { "Ended" } dd { (at(end, &zone)) } } }
            @if let Some(took) = jobs::took(job) { div { dt { "Took" } dd { (took) } } }
            @if let (Some(rows), JobState::Succeeded) = (job.rows, job.state) {
                div { dt { "Tickets" } dd { (format::count(rows)) } }
            }
            @if let Some(report) = &job.report { div { dt { "Workbook" } dd { (report) } } }
            @if view.in_cluster { div { dt { "Namespace" } dd { (job.namespace) } } }
            div { dt { "Time zone" } dd { (view.zone) } }
        }
    }
}

fn log(view: &JobView) -> Markup {
    let Some(log) = &view.log else {
        return html! {
            section aria-labelledby="log-title" {
                h2 id="log-title" { "Log" }
                p class="empty" {
                    "To read logs takes the role operator; you have the role " (view.viewer.role.as_str()) "."
                }
            }
        };
    };
    let follow = format!("/api/k8s/jobs/{}/logs?follow=true", format::encoded(&view.job.job_name));
    html! {
        section aria-labelledby="log-title" {
            div class="section-head" {
                h2 id="log-title" { "Log" }
                p id="log-state" class="muted" {
                    @if view.job.state.is_over() { "Complete." } @else { "As far as it was when this page was loaded." }
                }
            }
            pre id="log" class="log" tabindex="0" role="group" aria-labelledby="log-title"
                data-follow=[(!view.job.state.is_over()).then_some(follow)] { (log) }
            @if log.is_empty() {
                p id="log-empty" class="empty" {
                    @if view.job.state.is_over() { "Nothing was written to it." }
                    @else { "Nothing has been written to it yet." }
                }
            }
        }
    }
}
