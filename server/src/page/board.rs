//! The board of months.

use maud::{Markup, html};

use super::{
    format, jobs,
    parts::{amounts, month_badge, start_button},
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
        section aria-labelledby="months-title" data-live="months" {
            div class="section-head" {
                h2 id="months-title" { "Months" }
                p class="muted" { (tally(&home.months)) }
                @if home.can_start && home.months.iter().any(|month| NEEDS_REPORT.contains(&month.state)) {
                    a class="button" href="/backfill" { "Fill the missing months" }
                }
            }
            @if home.months.is_empty() {
                p class="empty" { "The months can't be shown while the store can't be read." }
            }
            ol class="months" { @for month in &home.months { (card(home, month)) } }
        }
    }
}

fn tally(months: &[Month]) -> String {
    let states = [
        (MonthState::Published, "published"),
        (MonthState::ControlsFailed, "with failed controls"),
        (MonthState::Running, "running"),
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
    let under_way_or_failed = matches!(month.state, MonthState::Running | MonthState::Failed);
    let running = job.filter(|job| !job.state.is_over());
    html! {
        li class="month" data-state=(word(month.state)) id={ "month-" (month.id) } {
            div class="month-head" {
                h3 { time datetime=(month.id) { (month.first.strftime("%b %Y")) } }
                (month_badge(month.state))
            }
            @if let Some(job) = running { (jobs::progress(job)) }
            @if month.rows.is_some() || !month.net.is_empty() {
                div class="month-figures" {
                    p { (amounts(&month.net, CURRENCIES)) }
                    @if let Some(rows) = month.rows {
                        p class="muted" { (format::count(rows)) @if rows == 1 { " ticket" } @else { " tickets" } }
                    }
                }
            } @else if month.state == MonthState::Missing {
                p class="muted" { "No report yet." }
            }
            @if let Some(reason) = &month.reason { p class="reason" { (reason) } }
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
                @if let (Some(job), true) = (&month.job, under_way_or_failed) {
                    a href=(format::job_link(job)) { "Job" span class="unseen" { " for " (name) } }
                }
                @if home.can_start && month.state != MonthState::Running { (make(home, month, &name)) }
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
        MonthState::Running => "running",
        MonthState::Failed => "failed",
        MonthState::Outdated => "outdated",
    }
}
