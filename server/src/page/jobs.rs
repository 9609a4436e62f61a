//! Jobs that run or wait, and the last that ended.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{
    format,
    parts::{job_badge, prose, time},
    view::{Doubtful, Home, Role, StoreState},
};
use crate::launcher::{Job, JobState};

/// How many ended jobs are shown at once.
const ENDED: usize = 4;

/// The list of jobs.
pub(crate) fn jobs(home: &Home) -> Markup {
    let zone = format::zone(&home.zone);
    let (ended, active): (Vec<&Job>, Vec<&Job>) = home.jobs.iter().partition(|job| job.state.is_over());
    let (shown, more) = ended.split_at(ended.len().min(ENDED));
    html! {
        section aria-labelledby="jobs-title" data-live="jobs" {
            h2 id="jobs-title" { "Jobs" }
            @if home.jobs.is_empty() {
                p class="empty" {
                    @if matches!(home.store, StoreState::Gone(_)) {
                        "The store can't be read, so jobs can't be listed."
                    } @else {
                        "None yet. Jobs that run stand here with their progress, and those that ended with how."
                    }
                }
            }
            @if !active.is_empty() {
                h3 class="minor" { "Under way" }
                ul class="jobs" { @for job in active { (active_job(job, home)) } }
            }
            @if !shown.is_empty() {
                h3 class="minor" { "Ended" }
                ul class="jobs" { @for job in shown { (ended_job(job, &home.doubtful, &zone)) } }
            }
            @if !more.is_empty() {
                details id="more-jobs" {
                    summary { (more.len()) " earlier" }
                    ul class="jobs" { @for job in more { (ended_job(job, &home.doubtful, &zone)) } }
                }
            }
        }
    }
}

/// The days of a job.
pub(crate) fn days(job: &Job) -> String {
    format::days(job.start_date, job.end_date)
}

/// The bar and the figures beside it, which scripts bring up to date. The share is that of the tickets, or of a
/// backfill's months: once all tickets are read it says nothing more of what is left to do.
pub(crate) fn progress(job: &Job) -> Markup {
    let counted = job.is_backfill() || job.percent.is_none_or(|percent| percent < 100);
    let percent = job.percent.filter(|_| counted);
    html! {
        div class="progress" data-job=(job.job_name) data-job-state=(states(job)) {
            @if job.state == JobState::Running {
                progress max="100" value=[percent] aria-label={ "Progress of the report for " (days(job)) } {}
            }
            p class="muted" {
                span data-field="stage" {
                    @match (&job.stage, job.state) {
                        (Some(stage), _) => (stage),
                        (None, JobState::Queued) => "waiting for its turn",
                        (None, _) => "starting",
                    }
                }
                span data-field="rows" {
                    @if let Some(rows) = job.rows.filter(|_| counted) { " · " (format::count(rows)) " tickets" }
                }
                span data-field="percent" { @if let Some(percent) = percent { " · " (percent) " %" } }
            }
        }
    }
}

/// What ends a job.
pub(crate) fn cancel(job: &Job) -> Markup {
    html! {
        form method="post" action={ (format::job_link(&job.job_name)) "/cancel" } {
            button type="submit" { "Cancel" span class="unseen" { " the report for " (days(job)) } }
        }
    }
}

fn active_job(job: &Job, home: &Home) -> Markup {
    html! {
        li id={ "job-" (job.job_name) } {
            div class="job-head" { a href=(format::job_link(&job.job_name)) { (days(job)) } (job_badge(job, &home.doubtful)) }
            (progress(job))
            @if let Some(reason) = &job.reason { p class="reason" { (prose(reason)) } }
            div class="actions" {
                @if home.viewer.role >= Role::Operator {
                    a href={ (format::job_link(&job.job_name)) "#log" } {
                        "Log" span class="unseen" { " of " (days(job)) }
                    }
                }
                @if home.can_start { (cancel(job)) }
            }
        }
    }
}

fn ended_job(job: &Job, doubtful: &Doubtful, zone: &TimeZone) -> Markup {
    html! {
        li id={ "job-" (job.job_name) } {
            div class="job-head" { a href=(format::job_link(&job.job_name)) { (days(job)) } (job_badge(job, doubtful)) }
            p class="muted" {
                (time(job.completion_time.unwrap_or(job.creation_timestamp), zone))
                @if let Some(took) = took(job) { ", took " (took) }
            }
            @if let Some(reason) = &job.reason { p class="reason" { (prose(reason)) } }
        }
    }
}

/// How long an ended job ran.
pub(crate) fn took(job: &Job) -> Option<String> {
    Some(format::duration(job.completion_time?.duration_since(job.start_time?)))
}

/// Its state and those of its months, as scripts compare them.
fn states(job: &Job) -> String {
    let all = std::iter::once(job.state).chain(job.months.iter().map(|month| month.state));
    all.map(state).collect::<Vec<_>>().join(" ")
}

/// A state as the API writes it.
fn state(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}
