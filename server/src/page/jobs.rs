//! Jobs that run or wait, and the last that ended.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{
    format,
    parts::{job_badge, time},
    view::{Home, Role, StoreState, Viewer},
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
                ul class="jobs" { @for job in active { (active_job(job, &home.viewer, home.can_start)) } }
            }
            @if !shown.is_empty() {
                h3 class="minor" { "Ended" }
                ul class="jobs" { @for job in shown { (ended_job(job, &zone)) } }
            }
            @if !more.is_empty() {
                details id="more-jobs" {
                    summary { (more.len()) " earlier" }
                    ul class="jobs" { @for job in more { (ended_job(job, &zone)) } }
                }
            }
        }
    }
}

/// The days of a job.
pub(crate) fn days(job: &Job) -> String {
    format::days(job.start_date, job.end_date)
}

/// The bar and the figures beside it, which scripts bring up to date.
pub(crate) fn progress(job: &Job) -> Markup {
    let percent = job.percent.map(|percent| percent.min(100));
    html! {
        div class="progress" data-job=(job.job_name) data-job-state=(state(job.state)) {
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
                span data-field="rows" { @if let Some(rows) = job.rows { " · " (format::count(rows)) " rows" } }
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

fn active_job(job: &Job, viewer: &Viewer, can_cancel: bool) -> Markup {
    html! {
        li id={ "job-" (job.job_name) } {
            div class="job-head" { a href=(format::job_link(&job.job_name)) { (days(job)) } (job_badge(job)) }
            (progress(job))
            @if let Some(reason) = &job.reason { p class="reason" { (reason) } }
            div class="actions" {
                @if viewer.role >= Role::Operator {
                    a href={ (format::job_link(&job.job_name)) "#log" } {
                        "Log" span class="unseen" { " of " (days(job)) }
                    }
                }
                @if can_cancel { (cancel(job)) }
            }
        }
    }
}

fn ended_job(job: &Job, zone: &TimeZone) -> Markup {
    html! {
        li id={ "job-" (job.job_name) } {
            div class="job-head" { a href=(format::job_link(&job.job_name)) { (days(job)) } (job_badge(job)) }
            p class="muted" {
                (time(job.completion_time.unwrap_or(job.creation_timestamp), zone))
                @if let Some(took) = took(job) { ", took " (took) }
            }
            @if let Some(reason) = &job.reason { p class="reason" { (reason) } }
        }
    }
}

/// How long an ended job ran.
pub(crate) fn took(job: &Job) -> Option<String> {
    Some(format::duration(job.completion_time?.duration_since(job.start_time?)))
}

/// A state as the API writes it.
pub(crate) fn state(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}
