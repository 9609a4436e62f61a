//! What all handlers share.

use std::{ops::Deref, sync::Arc};

use pipeline::{period::ReportTimeZone, store::Store};

use crate::{audit::Audit, auth::guard::Guard, events::Hub, index::Index, launcher::JobLauncher, limits::Limits};

/// The server's state. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of the state.
pub struct Parts {
    /// The store.
    pub store: Store,
    /// What is in it, in memory.
    pub index: Arc<Index>,
    /// What executes jobs.
    pub launcher: Arc<dyn JobLauncher>,
    /// What happens, for whoever listens.
    pub events: Arc<Hub>,
    /// Who may do what.
    pub guard: Guard,
    /// Who did what.
    pub audit: Audit,
    /// How much at once.
    pub limits: Limits,
    /// The report's time zone.
    pub zone: ReportTimeZone,
    /// The namespace that jobs' answers name.
    pub namespace: String,
    /// Whether jobs are executed by a cluster.
    pub in_cluster: bool,
    /// Digests of files on the store's root.
    pub digests: crate::download::Digests,
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
