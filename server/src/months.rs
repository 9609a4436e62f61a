//! How months stand: by their newest editions, and by the jobs that make them.

use jiff::{Timestamp, civil::Date};
use pipeline::{
    columns::SCHEMA_VERSION,
    manifest::Money,
    period::{NamedPeriod, PeriodId, ReportPeriod},
};

use crate::{
    index::{Contents, Edition},
    launcher::{Job, JobState},
    page::view::{Month, MonthState},
};

/// Months on the board.
const MONTHS: usize = 24;

/// How each of the last months stands, the newest first.
#[must_use]
pub fn months(contents: &Contents, jobs: &[Job], today: Date) -> Vec<Month> {
    let mut months = Vec::with_capacity(MONTHS);
    let mut seen_from = today;
    while months.len() < MONTHS
        && let Ok(days) = NamedPeriod::PreviousMonth.resolve(seen_from)
    {
        seen_from = days.first();
        months.push(month(contents, jobs, days));
    }
    months
}

/// What a job says of a month.
struct Made<'a> {
    job: &'a Job,
    state: JobState,
    reason: Option<&'a String>,
}

impl<'a> Made<'a> {
    fn of(job: &'a Job, days: ReportPeriod) -> Option<Self> {
        if !job.is_backfill() {
            let is = (job.start_date, job.end_date) == (days.first(), days.last());
            return is.then_some(Self { job, state: job.state, reason: job.reason.as_ref() });
        }
        let month = job.months.iter().find(|month| month.month.period() == days)?;
        // A month that was cancelled before its turn says nothing.
        let counts = month.state != JobState::Cancelled;
        counts.then_some(Self { job, state: month.state, reason: month.reason.as_ref() })
    }

    fn ended_after(&self, at: Timestamp) -> bool {
        self.job.completion_time.is_some_and(|ended| ended > at)
    }
}

/// How a month stands.
#[must_use]
pub fn month(contents: &Contents, jobs: &[Job], days: ReportPeriod) -> Month {
    let period = PeriodId::Month(days);
    let edition = contents.newest(period);
    // The newest comes first.
    let made = jobs.iter().find_map(|job| Made::of(job, days));
    let later = |made: &&Made<'_>| edition.is_none_or(|of| made.ended_after(of.created));
    let failed = made.as_ref().filter(|made| made.state == JobState::Failed).filter(later);
    let under_way = made.as_ref().filter(|made| !made.state.is_over());
    let state = match edition {
        _ if under_way.as_ref().is_some_and(|made| made.state == JobState::Queued) => MonthState::Waiting,
        _ if under_way.is_some() => MonthState::Running,
        None if failed.is_some() => MonthState::Failed,
        None => MonthState::Missing,
        Some(edition) if edition.schema_version < SCHEMA_VERSION => MonthState::Outdated,
        Some(edition) if edition.controls.1 > 0 => MonthState::ControlsFailed,
        Some(_) => MonthState::Published,
    };
    let report = edition.and_then(|of| contents.report_of(period, of.edition));
    Month {
        id: period.to_string(),
        first: days.first(),
        last: days.last(),
        state,
        edition: edition.map(|of| of.edition),
        rows: edition.map(|of| of.rows),
        net: edition.map(|of| net(of)).unwrap_or_default(),
        reason: failed.and_then(|made| made.reason.cloned()),
        job: under_way.or(failed).map(|made| made.job.job_name.clone()),
        report: report.map(|report| report.name.to_string()),
    }
}

/// Net sales by currency, that with the most tickets first.
#[must_use]
pub fn net(edition: &Edition) -> Vec<(String, Money)> {
    let mut sold: Vec<_> = edition.sold().collect();
    sold.sort_by_key(|(code, sold)| (std::cmp::Reverse(sold.tickets), *code));
    sold.into_iter().map(|(code, sold)| (code.to_owned(), sold.net)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher::{JobMonth, JobRequest, PeriodKind};

    #[test]
    fn a_month_waits_or_runs_as_its_own_part_of_a_job_does() {
        let today: Date = "2025-03-10".parse().unwrap();
        let days = ReportPeriod::new("2025-01-01".parse().unwrap(), "2025-02-28".parse().unwrap(), today).unwrap();
        let request =
            JobRequest { kind: PeriodKind::Backfill, days, force: false, idempotency_key: None, backfill: None };
        let mut job = Job::new("ticketing-report-1".to_owned(), String::new(), &request);
        job.months = ["2025-01", "2025-02"].map(|month| JobMonth::new(month.parse().unwrap())).into();
        (job.state, job.months[0].state) = (JobState::Running, JobState::Running);
        let found: Vec<MonthState> =
            months(&Contents::default(), &[job], today).into_iter().take(3).map(|month| month.state).collect();
        assert_eq!(found, [MonthState::Waiting, MonthState::Running, MonthState::Missing]);
    }
}
