//! The audit log: who started, downloaded or was refused what, and when. Each entry is an object of its own that is
//! never written again, so that it works in a bucket.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Json, extract::State};
use jiff::{Timestamp, tz::TimeZone};
use pipeline::{
    period,
    store::{Place, Store},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use utoipa::{IntoParams, ToSchema};

use crate::{app::App, auth::Who, error::ApiError, extract::Params};

/// The same entry is written once in this time: a program reads a Parquet file by a hundred requests.
const ONCE_IN: Duration = Duration::from_secs(600);

/// Refusals written in a minute; what comes beyond is only counted, so that nobody fills the store by knocking.
const REFUSALS_A_MINUTE: u64 = 60;

/// Entries that wait to be written.
const WAITING: usize = 1024;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The token's name, or `anonymous`.
    pub who: String,
    /// Their role.
    pub role: String,
    /// What they did: `start`, `cancel`, `download`, `sign-in`, `refused`.
    pub action: String,
    /// What with: a job, a file, a route.
    pub what: String,
    /// What came of it.
    pub outcome: String,
}

impl Entry {
    /// An entry of now.
    #[must_use]
    pub fn new(who: Option<&Who>, action: &str, what: &str, outcome: &str) -> Self {
        Self {
            at: Timestamp::now(),
            who: who.map_or("anonymous", Who::label).to_owned(),
            role: who.map_or("none", |who| who.role.as_str()).to_owned(),
            action: action.to_owned(),
            what: what.to_owned(),
            outcome: outcome.to_owned(),
        }
    }

    fn is_refusal(&self) -> bool {
        self.outcome == "refused"
    }
}

/// What the writing task is given.
#[derive(Debug)]
enum Message {
    Write(Entry),
    /// To say when all that came before is written.
    Finish(oneshot::Sender<()>),
}

/// Where entries go.
#[derive(Debug)]
pub struct Audit {
    send: mpsc::Sender<Message>,
    recent: Mutex<HashMap<(String, String, String), Instant>>,
    refusals: Mutex<(Instant, u64)>,
}

impl Audit {
    /// Begins to write to the store.
    #[must_use]
    pub fn begin(store: Store) -> Self {
        let (send, mut messages) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            static NUMBER: AtomicU64 = AtomicU64::new(0);
            while let Some(message) = messages.recv().await {
                let entry = match message {
                    Message::Write(entry) => entry,
                    Message::Finish(done) => {
                        // Whoever waited may have given up.
                        let _ = done.send(());
                        continue;
                    }
                };
                let number = NUMBER.fetch_add(1, Ordering::Relaxed) % 1_000_000;
                let id = format!("{}-{number:06}-{:08x}", entry.at.as_microsecond(), rand::random::<u32>());
                let day = TimeZone::UTC.to_datetime(entry.at).date();
                if let Err(error) = write(&store, Place::Audit(day, &id), &entry).await {
                    tracing::error!(error, action = entry.action, outcome = entry.outcome, "no audit entry written");
                }
            }
        });
        Self { send, recent: Mutex::default(), refusals: Mutex::new((Instant::now(), 0)) }
    }

    /// Writes an entry, unless the same has been written a moment ago.
    pub fn write(&self, entry: Entry) {
        if entry.is_refusal() && !self.may_write_refusal() {
            return;
        }
        if entry.action == "download" {
            let key = (entry.who.clone(), entry.what.clone(), entry.outcome.clone());
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.retain(|_, at| at.elapsed() < ONCE_IN);
            if recent.insert(key, Instant::now()).is_some() {
                return;
            }
        }
        if self.send.try_send(Message::Write(entry)).is_err() {
            tracing::error!("the audit log can't keep up: an entry is lost");
        }
    }

    /// Waits until all entries are written.
    pub async fn finish(&self) {
        let (done, written) = oneshot::channel();
        if self.send.send(Message::Finish(done)).await.is_ok() {
            let _ = written.await;
        }
    }

    fn may_write_refusal(&self) -> bool {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.0.elapsed() >= Duration::from_secs(60) {
            if refusals.1 > REFUSALS_A_MINUTE {
                tracing::warn!(unwritten = refusals.1 - REFUSALS_A_MINUTE, "refusals that are not in the audit log");
            }
            *refusals = (Instant::now(), 0);
        }
        refusals.1 += 1;
        refusals.1 <= REFUSALS_A_MINUTE
    }
}

async fn write(store: &Store, place: Place<'_>, entry: &Entry) -> Result<(), String> {
    let bytes = serde_json::to_vec(entry).map_err(|e| e.to_string())?;
    // Writing would make a folder that is gone anew.
    store.reachable().await.map_err(|e| e.to_string())?;
    store.create(place, bytes).await.map(drop).map_err(|e| e.to_string())
}

/// Which day of the audit log.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// The day in UTC, YYYY-MM-DD; today without it.
    #[param(format = Date)]
    day: Option<String>,
}

/// A day's entries.
#[derive(Debug, Serialize, ToSchema)]
pub struct Entries {
    #[schema(value_type = Vec<Entry>)]
    entries: Vec<Value>,
    count: usize,
}

/// A day of the audit log
#[utoipa::path(get, path = "/api/k8s/audit", tag = "server", params(AuditQuery),
    responses((status = 200, body = Entries)))]
pub async fn list(State(app): State<App>, Params(query): Params<AuditQuery>) -> Result<Json<Entries>, ApiError> {
    let day = match query.day {
        Some(day) => period::date("day", &day)?,
        None => TimeZone::UTC.to_datetime(Timestamp::now()).date(),
    };
    app.store.reachable().await?;
    let entries: Vec<Value> =
        app.store.audit(day).await?.into_values().filter_map(|bytes| serde_json::from_slice(&bytes).ok()).collect();
    let count = entries.len();
    Ok(Json(Entries { entries, count }))
}
