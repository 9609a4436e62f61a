//! The one error of the report command, and the exit code that goes with each.

use crate::{
    config::ConfigError, demo::DemoError, period::PeriodError, snapshot::SnapshotError, source::SourceError,
    store::StoreError, summary::bookings::SummaryError, workbook::WorkbookError,
};

/// Why a command failed. The message is one line: what went wrong, with the value, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Dates, a month or a time zone.
    #[error(transparent)]
    Period(#[from] PeriodError),
    /// Other arguments.
    #[error("{0}")]
    Usage(String),
    /// The database's address or another setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database or its data.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The Parquet files.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The workbook.
    #[error(transparent)]
    Workbook(#[from] WorkbookError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The extra copy.
    #[error("the output `{path}` can't be written: {reason}")]
    Output {
        /// Its path.
        path: String,
        /// The reason, and what to do.
        reason: String,
    },
    /// The demo database.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// Nothing was sold, and that was asked to be a failure.
    #[error("no ticket was issued from {0}: check the period, or leave --fail-if-empty away to get an empty workbook")]
    Empty(String),
    /// Controls fail, and that was asked to be a failure.
    #[error("{0}; nothing was published, as --strict says: correct the data and run again, or leave --strict away")]
    Controls(String),
    /// Two stores disagree.
    #[error(
        "`{place}` is another edition than the one to be copied: copy into an empty store, or remove that one first"
    )]
    Conflict {
        /// The manifest that is there.
        place: String,
    },
    /// What the system refuses.
    #[error("{0}")]
    System(String),
}

impl From<SummaryError> for Error {
    fn from(error: SummaryError) -> Self {
        match error {
            SummaryError::Snapshot(error) => error.into(),
            SummaryError::Failed(_) => Self::System(error.to_string()),
        }
    }
}

impl Error {
    /// The whole message on one line, with its causes.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line.replace(['\n', '\r'], " ")
    }

    /// The exit code: 2 usage, 65 data that breaks a rule, 73 can't write, 75 try again, 78 configuration, 1 else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Period(_) | Self::Usage(_) | Self::Store(StoreError::NoEdition { .. } | StoreError::Period(_)) => 2,
            Self::Snapshot(SnapshotError::Damaged { .. } | SnapshotError::Schema { .. })
            | Self::Store(StoreError::Damaged { .. } | StoreError::Manifest { .. })
            | Self::Source(SourceError::Value { .. })
            | Self::Workbook(WorkbookError::Rows { .. } | WorkbookError::Exceptions(_))
            | Self::Empty(_)
            | Self::Controls(_) => 65,
            Self::Output { .. }
            | Self::Conflict { .. }
            | Self::Snapshot(SnapshotError::Write { .. })
            | Self::Workbook(WorkbookError::Write(_))
            | Self::Store(StoreError::Object { .. } | StoreError::Full { .. } | StoreError::Folder { .. }) => 73,
            Self::Source(SourceError::Unreachable { .. } | SourceError::Interrupted(_) | SourceError::CutLost(_))
            | Self::Store(StoreError::Busy { .. } | StoreError::Unreachable { .. }) => 75,
            Self::Config(_)
            | Self::Store(
                StoreError::Address(_)
                | StoreError::NoStore(_)
                | StoreError::Bucket { .. }
                | StoreError::NoBucket(_)
                | StoreError::Refused { .. },
            )
            | Self::Source(
                SourceError::Password { .. }
                | SourceError::NoDatabase { .. }
                | SourceError::Tls { .. }
                | SourceError::Schema(_),
            ) => 78,
            Self::Demo(error) => demo_code(error),
            Self::Source(SourceError::Other { .. })
            | Self::Workbook(WorkbookError::Package(_) | WorkbookError::Abandoned)
            | Self::System(_) => 1,
        }
    }
}

fn demo_code(error: &DemoError) -> u8 {
    match error {
        DemoError::Tickets { .. }
        | DemoError::Months { .. }
        | DemoError::TooFew { .. }
        | DemoError::NotFirstOfMonth { .. }
        | DemoError::FirstMonth { .. } => 2,
        DemoError::Exists { .. } | DemoError::File { .. } | DemoError::Sqlite(_) => 73,
        DemoError::Postgres(_) | DemoError::Stream(_) => 75,
        DemoError::NotEmpty { .. } => 78,
        DemoError::Calendar(_) => 1,
    }
}
