//! Where each object lies.

use jiff::civil::Date;
use object_store::path::Path;

use crate::period::PeriodId;

/// Every object of the store, by what it is.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// An edition's manifest: the commit point.
    Manifest(PeriodId, u32),
    /// An edition's Parquet file of a table.
    Table(PeriodId, u32, &'a str),
    /// An edition's workbook until it has got its name on the root.
    PendingWorkbook(PeriodId, u32),
    /// A workbook on the root, by its name.
    Workbook(&'a str),
    /// The newest edition's Parquet file of a table and month, for globs.
    Latest(&'a str, PeriodId),
    /// The claim on an edition's number.
    Claim(PeriodId, u32),
    /// Which edition the names of a period were last made to show.
    Shown(PeriodId),
    /// How a run ended.
    Run(&'a str),
    /// A half-made file of a run.
    Staging(&'a str, &'a str),
    /// What a server knows of a job.
    Job(&'a str),
    /// What a job's run has told.
    JobLog(&'a str),
    /// An entry of the audit log, by its day and id.
    Audit(Date, &'a str),
    /// The note of an edition that retention has taken out of the lists.
    Retired(PeriodId, u32),
    /// The note that retention has removed an edition's workbook.
    Dropped(PeriodId, u32),
    /// What every table and column means.
    Dictionary,
    /// An object that only its path names.
    Other(&'a str),
}

impl Place<'_> {
    /// The object's path in the store.
    #[must_use]
    pub fn path(&self) -> Path {
        match self {
            Self::Manifest(period, number) => Path::from(format!("editions/{period}/{number}/manifest.json")),
            Self::Table(period, number, table) => Path::from(format!("editions/{period}/{number}/{table}.parquet")),
            Self::PendingWorkbook(period, number) => Path::from(format!("editions/{period}/{number}/workbook.xlsx")),
            Self::Workbook(name) => Path::from(*name),
            Self::Latest(table, period) => Path::from(format!("snapshots/{table}/month={period}/part-0.parquet")),
            Self::Claim(period, number) => Path::from(format!("state/claims/{period}/{number}.json")),
            Self::Shown(period) => Path::from(format!("state/shown/{period}.json")),
            Self::Run(run) => Path::from(format!("state/runs/{run}.json")),
            Self::Staging(run, file) => Path::from(format!("state/staging/{run}/{file}")),
            Self::Job(job) => Path::from(format!("state/jobs/{job}.json")),
            Self::JobLog(job) => Path::from(format!("state/jobs/{job}.log")),
            Self::Audit(day, id) => Path::from(format!("state/audit/{day}/{id}.json")),
            Self::Retired(period, number) => Path::from(format!("state/retired/{period}/{number}.json")),
            Self::Dropped(period, number) => Path::from(format!("state/dropped/{period}/{number}.json")),
            Self::Dictionary => Path::from("data-dictionary.md"),
            Self::Other(path) => Path::from(*path),
        }
    }
}
