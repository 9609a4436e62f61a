//! `ticketing-report check`: why is my report empty or failing?

mod database;
mod store;

use serde::Serialize;

use crate::{
    config::DatabaseAddress,
    error::Error,
    period::{ReportPeriod, ReportTimeZone},
    store::{Store, StoreError},
};

/// How a thing that was looked at is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Reports work, but somebody should know.
    Warning,
    /// Reports fail.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// How it is.
    pub state: State,
    /// What was found, and what to do about it.
    pub detail: String,
    /// The exit code that a report would end with because of it.
    #[serde(skip)]
    pub exit_code: u8,
}

impl Finding {
    fn ok(subject: &str, detail: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), state: State::Ok, detail: detail.into(), exit_code: 0 }
    }

    fn warning(subject: &str, detail: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), state: State::Warning, detail: detail.into(), exit_code: 0 }
    }

    fn failed(subject: &str, detail: impl Into<String>, exit_code: u8) -> Self {
        Self { subject: subject.to_owned(), state: State::Failed, detail: detail.into(), exit_code }
    }

    fn of(subject: &str, result: Result<String, impl Into<Error>>) -> Self {
        match result {
            Ok(detail) => Self::ok(subject, detail),
            Err(error) => {
                let error = error.into();
                Self::failed(subject, error.to_string(), error.exit_code())
            }
        }
    }
}

/// Looks at the database, at the period's tickets in it, and at the store; with `repair`, finishes and mends what
/// earlier runs left in the store.
#[must_use]
pub fn check(
    database: &DatabaseAddress,
    period: ReportPeriod,
    zone: &ReportTimeZone,
    store: Result<Store, Error>,
    repair: bool,
) -> Vec<Finding> {
    let mut findings = database::look(database, period, zone);
    match store {
        Ok(store) => findings.extend(store::look(&store, repair)),
        // The first report makes it.
        Err(error @ Error::Store(StoreError::NoStore(_))) => {
            findings.push(Finding::warning("store", error.to_string()));
        }
        Err(error) => findings.push(Finding::failed("store", error.to_string(), error.exit_code())),
    }
    findings
}
