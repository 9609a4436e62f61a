//! The board of months.

use maud::{Markup, html};

use super::{
    backfill, format, jobs,
    parts::{amounts, month_badge, prose, start_button},
    view::{Home, Month, MonthState},
};

/// What a backfill makes again.
const NEEDS_REPORT: [MonthState; 4] =
    [MonthState::Missing, MonthState::Failed, MonthState::ControlsFailed, MonthState::Outdated];

/// How many currencies a month shows.
const CURRENCIES: usize = 2;

/// All months, the newest first.
pub(crate) fn board(home: &Home) -> Markup {
    html! {
        section aria-labelledby="months-title" data-live="months" hidden[is_empty(home)] {
            div class="section-head" {
                h2 id="months-title" { "Months" }
                p class="muted" {
                    (tally(&home.months))
                    @if home.months.iter().any(|month| !month.net.is_empty()) { "; amounts are net sales" }
                }
                @if home.can_start && home.months.iter().any(|month| NEEDS_REPORT.contains(&month.state)) {
                    a class="button" href="/backfill" { (backfill::TITLE) }
                }
            }
            @if home.months.is_empty() {
                p class="empty" { "The months can't be shown while the store can't be read." }
            }
            ol class="months" { @for month in &home.months { (card(home, month)) } }
        }
    }
}

/// Whether there is nothing to see: no report, and none on its way.
pub(crate) fn is_empty(home: &Home) -> bool {
    let no_reports = home.reports.total == 0 && home.reports.search.is_empty();
    no_reports && !home.months.is_empty() && home.months.iter().all(|month| month.state == MonthState::Missing)
}

fn tally(months: &[Month]) -> String {
    let states = [
        (MonthState::Published, "published"),
        (MonthState::ControlsFailed, "with failed controls"),
        (MonthState::Running, "running"),
        (MonthState::Waiting, "waiting"),
        (MonthState::Failed, "failed"),
        (MonthState::Outdated, "outdated"),
        (MonthState::Missing, "missing"),
    ];
    let counted = states.map(|(state, words)| (months.iter().filter(|month| month.state == state).count(), words));
    let parts: Vec<_> =
        counted.iter().filter(|(number, _)| *number > 0).map(|(number, words)| format!("{number} {words}")).collect();
    parts.join(", ")
}

fn card(home: &Home, month: &Month) -> Markup {
    let name = format::days(month.first, month.first.last_of_month());
    let job = home.jobs.iter().find(|job| month.job.as_deref() == Some(job.job_name.as_str()));
    let under_way = matches!(month.state, MonthState::Waiting | MonthState::Running);
    // How far a backfill has come says nothing of one of its months.
    let shown = job.filter(|job| under_way && !job.is_backfill());
    html! {
        li class="month" data-state=(word(month.state)) id={ "month-" (month.id) } {
            div class="month-head" {
                h3 { time datetime=(month.id) { (month.first.strftime("%b %Y")) } }
                (month_badge(month.state))
            }
            @if let Some(job) = shown { (jobs::progress(job)) }
            @if month.rows.is_some() || !month.net.is_empty() {
                div class="month-figures" {
                    p { span class="unseen" { "Net sales " } (amounts(&month.net, CURRENCIES)) }
                    @if let Some(rows) = month.rows {
                        p class="muted" { (format::count(rows)) @if rows == 1 { " ticket" } @else { " tickets" } }
                    }
                }
            } @else if month.state == MonthState::Missing {
                p class="muted" { "No report yet." }
            }
            @if let Some(reason) = &month.reason { p class="reason" { (prose(reason)) } }
            @if month.state == MonthState::Outdated {
                p class="reason" { "Of an older version, which had fewer columns." }
            }
            div class="actions" {
                @if let Some(edition) = month.edition {
                    a href=(format::edition_link(&month.id, edition)) {
                        "Figures" span class="unseen" { " of " (name) }
                    }
                }
                @if let Some(report) = &month.report {
                    a href=(format::workbook_link(report)) download {
                        "Workbook" span class="unseen" { " of " (name) }
                    }
                }
                @if let (Some(job), true) = (&month.job, under_way || month.state == MonthState::Failed) {
                    a href=(format::job_link(job)) { "Job" span class="unseen" { " for " (name) } }
                }
                @if home.can_start && !under_way { (make(home, month, &name)) }
            }
        }
    }
}

fn make(home: &Home, month: &Month, name: &str) -> Markup {
    let words = if month.edition.is_some() { "Make again" } else { "Make report" };
    if month.first == home.today.first_of_month() {
        return start_button(words, &format!("{name} up to today"), &[("period", "current-month")]);
    }
    let (first, last) = (month.first.to_string(), month.last.to_string());
    start_button(words, name, &[("period", "custom"), ("startDate", &first), ("endDate", &last)])
}

fn word(state: MonthState) -> &'static str {
    match state {
        MonthState::Published => "published",
        MonthState::ControlsFailed => "controls-failed",
        MonthState::Missing => "missing",
        MonthState::Waiting => "waiting",
        MonthState::Running => "running",
        MonthState::Failed => "failed",
        MonthState::Outdated => "outdated",
    }
}
