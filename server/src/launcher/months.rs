//! The months of a backfill: one job that makes many reports, each by a run of its own.

use jiff::civil::Date;
use pipeline::{
    period::PeriodId,
    record::{RunOutcome, RunRecord},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Job, JobRequest, JobState, PeriodKind};

/// What is asked of a backfill beside its days.
#[derive(Debug, Clone, PartialEq)]
pub struct Backfill {
    /// The months to make, in this order.
    pub months: Vec<PeriodId>,
    /// Whether months that need no report were asked for too.
    pub all: bool,
    /// How many may be made at once.
    pub parallel: u16,
}

/// How many months of a backfill may be made at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parallel {
    /// So many.
    pub months: u16,
    /// What whoever asks should know about that.
    pub warning: Option<String>,
}

/// A month of a backfill, and how far it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobMonth {
    /// `YYYY-MM`.
    #[schema(value_type = String)]
    pub month: PeriodId,
    /// How far it has come.
    pub state: JobState,
    /// Tickets read so far; in the end all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Why it waits, failed or wasn't made, with the remedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The report command's exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The workbook's name, also when nothing had changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// The edition's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<u32>,
    /// Whether the newest edition held the same data already.
    #[serde(default)]
    pub unchanged: bool,
}

impl JobMonth {
    /// A month that waits for its turn.
    #[must_use]
    pub fn new(month: PeriodId) -> Self {
        Self {
            month,
            state: JobState::Queued,
            rows: None,
            reason: None,
            exit_code: None,
            report: None,
            edition: None,
            unchanged: false,
        }
    }

    /// Its first and its last day.
    #[must_use]
    pub fn days(&self) -> (Date, Date) {
        let days = self.month.period();
        (days.first(), days.last())
    }

    /// Takes in how its run has ended.
    pub(super) fn end(
        &mut self,
        state: JobState,
        code: Option<i32>,
        reason: Option<String>,
        record: Option<&RunRecord>,
    ) {
        (self.state, self.exit_code, self.reason) = (state, code, reason);
        if let Some(record) = record.filter(|_| state == JobState::Succeeded) {
            self.unchanged = record.outcome == RunOutcome::Unchanged;
            (self.rows, self.edition) = (record.rows.or(self.rows), record.edition);
            self.report.clone_from(&record.report);
        }
    }
}

impl Job {
    /// Whether it makes months.
    #[must_use]
    pub fn is_backfill(&self) -> bool {
        self.period == PeriodKind::Backfill
    }

    /// Whether a request asks for the same.
    pub(super) fn is_for(&self, request: &JobRequest) -> bool {
        let all = request.backfill.as_ref().map(|backfill| backfill.all);
        (self.start_date, self.end_date) == (request.days.first(), request.days.last())
            && self.is_backfill().then_some(self.all) == all
    }

    /// The editions that it has published or found to hold the same data.
    pub fn editions(&self) -> impl Iterator<Item = (PeriodId, u32)> + '_ {
        let own = self.period_id.as_deref().and_then(|id| id.parse().ok()).zip(self.edition);
        own.into_iter().chain(self.months.iter().filter_map(|month| Some((month.month, month.edition?))))
    }

    /// The ids of its runs, as the store knows them.
    #[must_use]
    pub fn runs(&self) -> Vec<String> {
        if self.is_backfill() {
            return self.months.iter().map(|month| self.run_of(month.month)).collect();
        }
        vec![self.run.clone().unwrap_or_else(|| self.job_name.clone())]
    }

    /// The id of the run that makes a month.
    pub(super) fn run_of(&self, month: PeriodId) -> String {
        format!("{}-{month}", self.job_name)
    }

    /// Puts together what its months say; `cancelled` is whether somebody has ended it.
    pub(super) fn sum_up(&mut self, cancelled: bool) {
        let count = |state| self.months.iter().filter(|month| month.state == state).count();
        let (all, failed) = (self.months.len(), count(JobState::Failed));
        let over = self.months.iter().filter(|month| month.state.is_over()).count();
        self.rows = self.months.iter().filter_map(|month| month.rows).reduce(|a, b| a + b);
        self.percent = u8::try_from(over * 100 / all.max(1)).ok();
        self.stage = (over < all).then(|| format!("{over} of {all} months"));
        let said = |month: &JobMonth| Some(format!("{}: {}", month.month, month.reason.as_ref()?));
        if over < all {
            let begun = over > 0 || count(JobState::Running) > 0;
            self.state = if begun { JobState::Running } else { JobState::Queued };
            self.reason = self.months.iter().filter(|month| !month.state.is_over()).find_map(said);
            if cancelled {
                self.reason = Some("is being cancelled".to_owned());
            }
            return;
        }
        let first = self.months.iter().find(|month| month.state == JobState::Failed);
        self.exit_code = first.map_or(Some(0), |month| month.exit_code);
        (self.state, self.reason) = if cancelled && count(JobState::Cancelled) > 0 {
            (JobState::Cancelled, Some("somebody cancelled it".to_owned()))
        } else if let Some(first) = first {
            let why = said(first).unwrap_or_else(|| first.month.to_string());
            let again = "asked for again, only months that need it are made";
            (JobState::Failed, Some(format!("{failed} of {all} months failed, first {why}; {again}")))
        } else if count(JobState::Cancelled) > 0 {
            (JobState::Failed, self.months.iter().filter(|month| month.state == JobState::Cancelled).find_map(said))
        } else {
            (JobState::Succeeded, None)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backfill_is_as_its_months_are() {
        use JobState::{Cancelled, Failed, Queued, Running, Succeeded};
        let check = |states: [JobState; 3], cancelled: bool, state: JobState, percent: u8, reason: Option<&str>| {
            let days = ("2025-01-01".parse().unwrap(), "2025-03-31".parse().unwrap());
            let mut job = Job::of_days(String::new(), String::new(), PeriodKind::Backfill, days);
            let months = ["2025-01", "2025-02", "2025-03"].map(|month| month.parse().unwrap());
            job.months = months.into_iter().map(JobMonth::new).collect();
            for (month, state) in job.months.iter_mut().zip(states) {
                month.state = state;
                (month.exit_code, month.reason) = match state {
                    Failed => (Some(65), Some("row 7".to_owned())),
                    Cancelled => (None, Some("not tried".to_owned())),
                    _ => (None, None),
                };
            }
            job.sum_up(cancelled);
            assert_eq!((job.state, job.percent, job.reason.as_deref()), (state, Some(percent), reason), "{states:?}");
            assert_eq!(job.stage.is_some(), !state.is_over());
        };
        let failed = "1 of 3 months failed, first 2025-02: row 7; asked for again, only months that need it are made";
        check([Queued; 3], false, Queued, 0, None);
        check([Running, Queued, Queued], false, Running, 0, None);
        check([Succeeded, Queued, Queued], false, Running, 33, None);
        check([Succeeded, Running, Cancelled], true, Running, 66, Some("is being cancelled"));
        check([Succeeded; 3], false, Succeeded, 100, None);
        check([Succeeded, Failed, Succeeded], false, Failed, 100, Some(failed));
        check([Cancelled, Failed, Succeeded], false, Failed, 100, Some(failed));
        check([Cancelled, Succeeded, Succeeded], false, Failed, 100, Some("2025-01: not tried"));
        check([Succeeded, Failed, Cancelled], true, Cancelled, 100, Some("somebody cancelled it"));
        // Cancelled when there was nothing left to cancel.
        check([Succeeded; 3], true, Succeeded, 100, None);
    }
}
