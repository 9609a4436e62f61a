//! Who may do what.
//!
//! Somebody is known by a bearer token, by the cookie of a sign-in with one, or not at all. Each route names what it
//! takes to be let in; [`guard`] is the one place that decides.

pub mod guard;
pub mod sessions;
pub mod tokens;

use std::sync::Arc;

use clap::ValueEnum;
use serde::Serialize;
use utoipa::ToSchema;

/// What a token lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Only the metrics.
    Metrics,
    /// The page, the lists, jobs' states, events and workbooks.
    Viewer,
    /// The snapshots as well.
    Analyst,
    /// Starts and cancels jobs, reads logs, metrics and the audit log as well.
    Operator,
}

impl Role {
    /// Its name, as in the file of tokens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Viewer => "viewer",
            Self::Analyst => "analyst",
            Self::Operator => "operator",
        }
    }
}

/// What a route asks of whoever comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// The role for metrics, or operator.
    Metrics,
    /// Viewer or more.
    Viewer,
    /// Analyst or more.
    Analyst,
    /// Operator.
    Operator,
}

impl Access {
    /// Whether the role is enough.
    #[must_use]
    pub fn admits(self, role: Role) -> bool {
        match self {
            Self::Public => true,
            Self::Metrics => matches!(role, Role::Metrics | Role::Operator),
            Self::Viewer => role >= Role::Viewer,
            Self::Analyst => role >= Role::Analyst,
            Self::Operator => role >= Role::Operator,
        }
    }
}

/// Whoever a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The token's name; none without a token.
    pub name: Option<Arc<str>>,
    /// What they may do.
    pub role: Role,
    /// Whether a cookie of the page says so.
    pub signed_in: bool,
}

impl Who {
    /// The name for the audit log.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or("anonymous")
    }
}
