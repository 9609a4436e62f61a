//! What the pages show. The handlers fill these shapes; nothing here reads a store or a job.

use std::collections::BTreeSet;

use jiff::{Timestamp, civil::Date};
use pipeline::{
    manifest::{Manifest, Money},
    period::PeriodId,
};

pub use crate::auth::Role;
use crate::{backfill::Plan, launcher::Job};

/// Who looks at a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// The token's name; `None` without a token.
    pub name: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Whether they have signed in, so that they can sign out.
    pub signed_in: bool,
}

/// How a month stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MonthState {
    /// Its newest edition is published and its controls hold.
    Published,
    /// Its newest edition is published, and a control doesn't hold.
    ControlsFailed,
    /// It has no edition.
    Missing,
    /// A job is about to make it.
    Waiting,
    /// A job makes it.
    Running,
    /// The last job failed, and there is no edition.
    Failed,
    /// Its newest edition is of an older schema version than the program's.
    Outdated,
}

/// Editions of which a control doesn't hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doubtful(pub BTreeSet<(PeriodId, u32)>);

impl Doubtful {
    /// How many of a job's editions are among them.
    #[must_use]
    pub fn count(&self, job: &Job) -> usize {
        job.editions().filter(|edition| self.0.contains(edition)).count()
    }
}

/// A month on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// `YYYY-MM`.
    pub id: String,
    /// Its first day.
    pub first: Date,
    /// Its last day.
    pub last: Date,
    /// How it stands.
    pub state: MonthState,
    /// Its newest edition.
    pub edition: Option<u32>,
    /// Tickets of that edition.
    pub rows: Option<u64>,
    /// Net sales of that edition by currency code, the one with the most tickets first.
    pub net: Vec<(String, Money)>,
    /// Why it failed, or which control doesn't hold.
    pub reason: Option<String>,
    /// The job that makes it, or that failed.
    pub job: Option<String>,
    /// The workbook's name.
    pub report: Option<String>,
}

/// A workbook in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportItem {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Whether no manifest knows it.
    pub unmanaged: bool,
    /// Its period.
    pub period: Option<PeriodId>,
    /// Its edition.
    pub edition: Option<u32>,
    /// Whether that is its period's newest.
    pub newest: bool,
    /// Whether the period wasn't over at the cut.
    pub provisional: bool,
    /// Its tickets.
    pub rows: Option<u64>,
    /// Its net sales by currency code.
    pub net: Vec<(String, Money)>,
    /// How many of its controls don't hold.
    pub failed_controls: Option<usize>,
    /// When it was made.
    pub created: Timestamp,
}

/// A page of the list of workbooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The workbooks of this page.
    pub items: Vec<ReportItem>,
    /// How many match the search.
    pub total: u64,
    /// How many come before this page.
    pub offset: u64,
    /// How many a page has at most.
    pub limit: u64,
    /// What is searched for; empty for nothing.
    pub search: String,
    /// The order: `name`, `period`, `created`, `size` or `rows`.
    pub sort: String,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// The newest snapshot of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotItem {
    /// The period.
    pub period: PeriodId,
    /// Its newest edition.
    pub edition: u32,
    /// Tickets.
    pub rows: u64,
    /// Bytes of all tables.
    pub size: u64,
    /// Bytes of the tickets.
    pub tickets_size: u64,
    /// When it was made.
    pub created: Timestamp,
    /// Whether the period wasn't over at the cut.
    pub provisional: bool,
    /// How many of its controls don't hold.
    pub failed_controls: usize,
}

/// Whether the store can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreState {
    /// It can.
    Ready {
        /// Bytes that the store takes.
        bytes: u64,
        /// Bytes that are free, where the system tells.
        free: Option<u64>,
    },
    /// It can't, and why.
    Gone(String),
}

/// The home page.
#[derive(Debug, Clone, PartialEq)]
pub struct Home {
    /// Who looks.
    pub viewer: Viewer,
    /// The moment of the answer.
    pub now: Timestamp,
    /// The day then, in the report's time zone.
    pub today: Date,
    /// The report's time zone by its IANA name.
    pub zone: String,
    /// The store.
    pub store: StoreState,
    /// The last 24 months, the newest first.
    pub months: Vec<Month>,
    /// Jobs that run or wait, and the last ten that ended, the newest first.
    pub jobs: Vec<Job>,
    /// Those of the jobs' editions of which a control doesn't hold.
    pub doubtful: Doubtful,
    /// The workbooks.
    pub reports: Listing,
    /// The snapshots, the newest period first.
    pub snapshots: Vec<SnapshotItem>,
    /// The server's address as the browser sees it, without a slash at its end.
    pub base: String,
    /// The store's address.
    pub store_address: String,
    /// Whether the viewer may start and cancel jobs.
    pub can_start: bool,
}

/// The page before a backfill.
#[derive(Debug, Clone, PartialEq)]
pub struct BackfillView {
    /// Who looks.
    pub viewer: Viewer,
    /// The first month, as `YYYY-MM`.
    pub from: String,
    /// The last month.
    pub to: String,
    /// Whether months that need no report are wanted too.
    pub all: bool,
    /// How many at once are wanted, as it was typed.
    pub parallel: String,
    /// What is wrong with that.
    pub error: Option<String>,
    /// What would be done; `None` where something is wrong.
    pub plan: Option<Plan>,
}

/// What a browser shows when a request can't be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemView {
    /// Who looks; `None` for nobody that is known.
    pub viewer: Option<Viewer>,
    /// The status.
    pub status: u16,
    /// The status in words.
    pub title: &'static str,
    /// What is wrong, and what to do.
    pub detail: String,
    /// The page from which they came, as a path.
    pub from: Option<String>,
}

/// An edition's page.
#[derive(Debug, Clone, PartialEq)]
pub struct EditionView {
    /// Who looks.
    pub viewer: Viewer,
    /// The edition's manifest.
    pub manifest: Manifest,
    /// The workbook's name at present, while there is a file.
    pub report: Option<String>,
    /// The period's newest edition.
    pub newest: u32,
    /// All editions of the period.
    pub editions: Vec<u32>,
    /// The server's address as the browser sees it, without a slash at its end.
    pub base: String,
}

/// A job's page.
#[derive(Debug, Clone, PartialEq)]
pub struct JobView {
    /// Who looks.
    pub viewer: Viewer,
    /// The job.
    pub job: Job,
    /// Those of its editions of which a control doesn't hold.
    pub doubtful: Doubtful,
    /// Its log so far; `None` if the viewer may not read logs.
    pub log: Option<String>,
    /// The report's time zone by its IANA name.
    pub zone: String,
    /// Whether a cluster executes it, so that its namespace is one.
    pub in_cluster: bool,
}
