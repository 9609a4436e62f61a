//! Jobs: runs of the report command that somebody asked the server for, whoever executes them.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::{Timestamp, civil::Date};
use pipeline::{period::ReportPeriod, store::StoreError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[cfg(test)]
mod contract;
pub mod kubernetes;
pub mod local;
mod months;
mod progress;

pub use self::months::{Backfill, JobMonth, Parallel};

/// How somebody named the days of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PeriodKind {
    /// From the 1st of the running month to the day of the request.
    CurrentMonth,
    /// The whole month before.
    PreviousMonth,
    /// Two dates.
    Custom,
    /// Those of the months from one to another that need a report.
    Backfill,
}

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Accepted, and waiting for its turn.
    Queued,
    /// Under way.
    Running,
    /// Ended well: an edition was published, or nothing had changed.
    Succeeded,
    /// Ended without an edition.
    Failed,
    /// Ended because somebody asked for that.
    Cancelled,
}

impl JobState {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// A job as the API shows it. Instants are RFC 3339 in UTC, dates are days of the report's time zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its name, for example `ticketing-report-12345`.
    pub job_name: String,
    /// The namespace of its cluster; without a cluster the one it would have.
    pub namespace: String,
    /// How far it has come.
    pub state: JobState,
    /// How its days were named.
    pub period: PeriodKind,
    /// First day, inclusive.
    #[schema(value_type = String, format = Date)]
    pub start_date: Date,
    /// Last day, inclusive.
    #[schema(value_type = String, format = Date)]
    pub end_date: Date,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub creation_timestamp: Timestamp,
    /// When it began to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start_time: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completion_time: Option<Timestamp>,
    /// What it is doing: the stage that was heard of last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Tickets read so far; in the end all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Share of the tickets that are read, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Why it waits, failed or was cancelled, with the remedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The report command's exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The workbook's name, also when nothing had changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// The edition's period: `YYYY-MM` or `YYYY-MM-DD_to_YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_id: Option<String>,
    /// The edition's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<u32>,
    /// Whether the newest edition held the same data already.
    #[serde(default)]
    pub unchanged: bool,
    /// The run's id in the store, where it isn't the job's name: in a cluster, jobs of the schedule and by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The months of a backfill, in the order in which they are made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<JobMonth>,
    /// Whether a backfill was asked for months that need no report too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

impl Job {
    /// A job that has just been accepted.
    #[must_use]
    pub fn new(job_name: String, namespace: String, request: &JobRequest) -> Self {
        let days = (request.days.first(), request.days.last());
        let mut job = Self::of_days(job_name, namespace, request.kind, days);
        if let Some(backfill) = &request.backfill {
            job.all = backfill.all;
            job.months = backfill.months.iter().copied().map(JobMonth::new).collect();
            job.sum_up(false);
        }
        job
    }

    fn of_days(job_name: String, namespace: String, period: PeriodKind, (start_date, end_date): (Date, Date)) -> Self {
        Self {
            job_name,
            namespace,
            state: JobState::Queued,
            period,
            start_date,
            end_date,
            creation_timestamp: Timestamp::now(),
            start_time: None,
            completion_time: None,
            stage: None,
            rows: None,
            percent: None,
            reason: None,
            exit_code: None,
            report: None,
            period_id: None,
            edition: None,
            unchanged: false,
            run: None,
            months: Vec::new(),
            all: false,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRequest {
    /// How the days were named.
    pub kind: PeriodKind,
    /// The days.
    pub days: ReportPeriod,
    /// Whether to make an edition even of data that hasn't changed.
    pub force: bool,
    /// What tells a repeated request from another one.
    pub idempotency_key: Option<String>,
    /// The months, if these days are made month by month.
    pub backfill: Option<Backfill>,
}

/// Why a job can't be started, found or ended.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Too many are waiting.
    #[error("{waiting} jobs are waiting already: try again in a minute, or cancel one")]
    Full {
        /// How many.
        waiting: usize,
    },
    /// The key belongs to a request for other days.
    #[error("the Idempotency-Key was used for {0}: use another key for another request")]
    KeyUsed(String),
    /// No such job.
    #[error("there is no job `{0}`")]
    NotFound(String),
    /// It has ended already.
    #[error("job `{0}` has ended already")]
    Over(String),
    /// What executes jobs won't, until somebody has changed something.
    #[error("{0}")]
    Refused(String),
    /// What executes jobs can't.
    #[error("jobs can't be started or read at the moment: {0}")]
    Unavailable(String),
    /// Jobs can't be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whatever executes jobs.
#[async_trait]
pub trait JobLauncher: Send + Sync {
    /// Accepts a request and starts its job, at once or when its turn comes. An equal request while the job isn't over,
    /// or one with the same key, gives the same job.
    async fn start(&self, request: &JobRequest) -> Result<Job, LaunchError>;

    /// How many months of a backfill may be made at once, where so many are asked for.
    async fn parallel(&self, asked: Option<u16>) -> Result<Parallel, LaunchError>;

    /// All jobs, the newest first.
    async fn list(&self) -> Result<Vec<Job>, LaunchError>;

    /// One job.
    async fn find(&self, name: &str) -> Result<Job, LaunchError>;

    /// A job's log, and with `follow` what it writes until it ends.
    async fn logs(
        &self,
        name: &str,
        follow: bool,
    ) -> Result<BoxStream<'static, Result<Bytes, LaunchError>>, LaunchError>;

    /// Ends a job; gives its state then, which may still be running for some seconds.
    async fn cancel(&self, name: &str) -> Result<Job, LaunchError>;
}
