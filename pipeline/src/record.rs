//! How a run ended, as the store remembers it: for lists of runs, failed ones too.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::period::{PeriodId, ReportTimeZone};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// With a new edition.
    Published,
    /// Without one, as the newest edition holds the same data.
    Unchanged,
    /// Not well.
    Failed,
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run's id: the job's name if a server started it.
    pub run: String,
    /// First day of the period.
    pub first: Date,
    /// Last day of the period.
    pub last: Date,
    /// The report's time zone.
    pub time_zone: ReportTimeZone,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The command's exit code.
    pub exit_code: u8,
    /// The edition's period, if it ended well.
    pub period: Option<PeriodId>,
    /// The edition's number.
    pub edition: Option<u32>,
    /// Its tickets.
    pub rows: Option<u64>,
    /// Its workbook's name.
    pub report: Option<String>,
    /// Why it failed.
    pub message: Option<String>,
}
