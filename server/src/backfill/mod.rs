//! Backfills: the months of years that need a report, made by one job.

pub mod call;
pub mod command;
pub mod pages;

use jiff::{ToSpan, civil::Date};
use pipeline::period::{PeriodError, PeriodId, ReportPeriod};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    index::Contents,
    launcher::{Backfill, Job, JobLauncher, JobRequest, LaunchError, PeriodKind},
    months::month,
    page::view::MonthState,
};

/// No backfill has more months.
pub const LONGEST: usize = 120;

/// Most months that may be made at once.
pub const MOST_AT_ONCE: u16 = 64;

/// Why months can't be backfilled.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// No month.
    #[error("`{value}` for {name} is no month: write YYYY-MM, for example 2024-01")]
    Month {
        /// The parameter.
        name: &'static str,
        /// What was given.
        value: String,
    },
    /// The last month precedes the first.
    #[error("the first month `{from}` is after the last `{to}`: swap the two")]
    Swapped {
        /// The first month.
        from: PeriodId,
        /// The last month.
        to: PeriodId,
    },
    /// The last month goes on, or hasn't begun.
    #[error("the month `{to}` isn't over (today is {today}): choose an earlier one for the last")]
    NotOver {
        /// The last month.
        to: PeriodId,
        /// Today in the report's time zone.
        today: Date,
    },
    /// Too many months.
    #[error("`{from}` to `{to}` are more than {LONGEST} months: ask for fewer at a time")]
    TooMany {
        /// The first month.
        from: PeriodId,
        /// The last month.
        to: PeriodId,
    },
    /// What the calendar refuses.
    #[error(transparent)]
    Period(#[from] PeriodError),
    /// No such number at once.
    #[error("`{0}` months can't be made at once: write a number from 1 to {MOST_AT_ONCE}")]
    Parallel(String),
}

/// Why a month needs a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It has no edition.
    Missing,
    /// It has none, and the last job for it failed.
    Failed,
    /// A control of its newest edition doesn't hold.
    ControlsFailed,
    /// Its newest edition is of an older version of the schema.
    Outdated,
    /// It needs none, and was asked for all the same.
    Asked,
}

impl Why {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Missing => "no report yet",
            Self::Failed => "the last report failed",
            Self::ControlsFailed => "its controls failed",
            Self::Outdated => "of an older version, which had fewer columns",
            Self::Asked => "published, and asked for again",
        }
    }
}

/// A month that a backfill makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlannedMonth {
    /// `YYYY-MM`.
    #[schema(value_type = String)]
    pub month: PeriodId,
    /// Why it needs a report.
    pub why: Why,
}

/// What somebody wants: months, both inclusive.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    days: ReportPeriod,
    all: bool,
    parallel: Option<u16>,
}

/// What a backfill would do, or does.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The months, the oldest first.
    pub months: Vec<PlannedMonth>,
    /// How many at once.
    pub parallel: u16,
    /// What whoever asks should know about that.
    pub warning: Option<String>,
}

impl Wanted {
    /// Reads the first and the last month, as the parameters of these names gave them.
    ///
    /// # Errors
    /// When they are no months, swapped, not over, or too many.
    pub fn new(
        [(from_name, from), (to_name, to)]: [(&'static str, &str); 2],
        all: bool,
        parallel: Option<u16>,
        today: Date,
    ) -> Result<Self, BackfillError> {
        let month = |name, value: &str| match value.parse() {
            Ok(month @ PeriodId::Month(_)) => Ok(month),
            _ => Err(BackfillError::Month { name, value: value.to_owned() }),
        };
        let (from, to) = (month(from_name, from)?, month(to_name, to)?);
        let (first, last) = (from.period().first(), to.period().last());
        if first > last {
            return Err(BackfillError::Swapped { from, to });
        }
        if last >= today {
            return Err(BackfillError::NotOver { to, today });
        }
        if let Some(parallel) = parallel.filter(|parallel| !(1..=MOST_AT_ONCE).contains(parallel)) {
            return Err(BackfillError::Parallel(parallel.to_string()));
        }
        let days = ReportPeriod::new(first, last, today).map_err(|error| match error {
            PeriodError::TooLong { .. } => BackfillError::TooMany { from, to },
            other => other.into(),
        })?;
        Ok(Self { days, all, parallel })
    }

    /// All of the months, the oldest first.
    fn months(&self) -> impl Iterator<Item = ReportPeriod> {
        let last = self.days.last();
        let next = move |first: &Date| first.last_of_month().checked_add(1.day()).ok();
        let firsts = std::iter::successors(Some(self.days.first()), next).take_while(move |first| *first < last);
        firsts.filter_map(move |first| ReportPeriod::new(first, first.last_of_month(), last).ok())
    }

    /// Those that need a report and that no other job makes.
    fn planned(&self, contents: &Contents, jobs: &[Job]) -> Vec<PlannedMonth> {
        // Whoever asks again gets the job that is under way, so its months count as asked for.
        let is_this = |job: &Job| {
            let days = (job.start_date, job.end_date) == (self.days.first(), self.days.last());
            job.is_backfill() && !job.state.is_over() && days && job.all == self.all
        };
        let others: Vec<Job> = jobs.iter().filter(|job| !is_this(job)).cloned().collect();
        let planned = |days| {
            let why = match month(contents, &others, days).state {
                MonthState::Waiting | MonthState::Running => return None,
                MonthState::Missing => Why::Missing,
                MonthState::Failed => Why::Failed,
                MonthState::ControlsFailed => Why::ControlsFailed,
                MonthState::Outdated => Why::Outdated,
                MonthState::Published if self.all => Why::Asked,
                MonthState::Published => return None,
            };
            Some(PlannedMonth { month: PeriodId::Month(days), why })
        };
        self.months().filter_map(planned).collect()
    }

    /// What to do.
    ///
    /// # Errors
    /// When the launcher can't say how many months may be made at once.
    pub async fn plan(
        &self,
        launcher: &dyn JobLauncher,
        contents: &Contents,
        jobs: &[Job],
    ) -> Result<Plan, LaunchError> {
        let parallel = launcher.parallel(self.parallel).await?;
        Ok(Plan { months: self.planned(contents, jobs), parallel: parallel.months, warning: parallel.warning })
    }

    /// The request for a job that does it.
    #[must_use]
    pub fn request(&self, plan: &Plan, idempotency_key: Option<String>) -> JobRequest {
        let months = plan.months.iter().map(|planned| planned.month).collect();
        let backfill = Some(Backfill { months, all: self.all, parallel: plan.parallel });
        JobRequest { kind: PeriodKind::Backfill, days: self.days, force: false, idempotency_key, backfill }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher::JobState;

    fn wanted(from: &str, to: &str, all: bool) -> Result<Wanted, BackfillError> {
        Wanted::new([("from", from), ("to", to)], all, None, "2025-03-10".parse().unwrap())
    }

    #[test]
    fn months_are_those_from_the_first_to_the_last_that_is_over() {
        let all: Vec<String> =
            wanted("2024-11", "2025-02", false).unwrap().months().map(|days| days.to_string()).collect();
        let expected = ["2024-11-01 to 2024-11-30", "2024-12-01 to 2024-12-31", "2025-01-01 to 2025-01-31"];
        assert_eq!(all[..3], expected);
        assert_eq!(all.len(), 4);
        assert_eq!(wanted("2015-03", "2025-02", false).unwrap().months().count(), LONGEST);
        for (from, to, said) in [
            ("2025", "2025-01", "`2025` for from is no month: write YYYY-MM"),
            ("2025-01", "2025-13", "`2025-13` for to is no month"),
            ("2025-02", "2025-01", "the first month `2025-02` is after the last `2025-01`"),
            ("2025-02", "2025-03", "the month `2025-03` isn't over (today is 2025-03-10)"),
            ("2015-02", "2025-02", "are more than 120 months"),
        ] {
            let error = wanted(from, to, false).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn months_that_are_published_or_being_made_are_left_out() {
        let contents = Contents::default();
        let plan = |all, jobs: &[Job]| -> Vec<(String, Why)> {
            let planned = wanted("2024-12", "2025-02", all).unwrap().planned(&contents, jobs);
            planned.into_iter().map(|planned| (planned.month.to_string(), planned.why)).collect()
        };
        let missing = ["2024-12", "2025-01", "2025-02"].map(|month| (month.to_owned(), Why::Missing));
        assert_eq!(plan(false, &[]), missing);

        let wanted = wanted("2024-12", "2025-02", false).unwrap();
        let all = Plan { months: wanted.planned(&contents, &[]), parallel: 1, warning: None };
        let mut job = Job::new("ticketing-report-1".to_owned(), String::new(), &wanted.request(&all, None));
        job.months[0].state = JobState::Running;
        // The same again is the same job; for others its months are being made.
        assert_eq!(plan(false, &[job.clone()]), missing);
        assert_eq!(plan(true, &[job.clone()]), []);
        job.months[1].state = JobState::Failed;
        job.months[2].state = JobState::Cancelled;
        let failed = ("2025-01".to_owned(), Why::Failed);
        assert_eq!(plan(true, &[job.clone()]), [failed.clone(), missing[2].clone()]);
        job.months[0].state = JobState::Failed;
        job.state = JobState::Failed;
        assert_eq!(plan(false, &[job]), [("2024-12".to_owned(), Why::Failed), failed, missing[2].clone()]);
    }
}
