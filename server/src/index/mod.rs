//! What is in the store, in memory: an entry for each edition, made from its manifest and never from a folder's name.
//!
//! Manifests don't change, so each is read once. Looking for new ones costs as much as listing the store: it is done
//! when somebody asks or listens, and then not again for a while that is a hundred times as long, up to half a minute.

mod contents;
mod edition;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use pipeline::{
    period::PeriodId,
    record::RunRecord,
    store::{Place, Store, StoreError},
};
use tokio::sync::Mutex;

use self::{
    contents::orders,
    edition::{Head, Texts},
};
pub use self::{
    contents::{Contents, Report, Sort, is_report_name},
    edition::{Edition, Sold},
};
use crate::events::Hub;

/// Manifests that are read at once.
const READ_AT_ONCE: usize = 4;

/// Runs that are remembered.
const RUNS: usize = 1000;

/// What is new is seen after this time, however long looking takes.
const LATEST: Duration = Duration::from_secs(30);

/// The longest that somebody who asks waits for what is new.
const PATIENCE: Duration = Duration::from_millis(250);

/// What is known of the store, and how old that is.
struct Known {
    contents: Arc<Contents>,
    /// Whether the store can't be read.
    gone: bool,
    /// When it was looked at last, and how long that took.
    looked: Option<(Instant, Duration)>,
}

/// The index.
pub struct Index {
    store: Store,
    events: Arc<Hub>,
    known: RwLock<Known>,
    looking: Mutex<()>,
    texts: Texts,
}

impl Index {
    /// An index that knows nothing yet.
    #[must_use]
    pub fn new(store: Store, events: Arc<Hub>) -> Self {
        let known = Known { contents: Arc::default(), gone: false, looked: None };
        Self { store, events, known: RwLock::new(known), looking: Mutex::default(), texts: Texts::default() }
    }

    /// What is in the store. What has come in the last moments may be missing, where listing the store takes long.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn contents(self: &Arc<Self>) -> Result<Arc<Contents>, StoreGone> {
        if self.is_due(20, Duration::from_millis(50)) {
            let index = Arc::clone(self);
            let looking = tokio::spawn(async move { index.look().await });
            // Who is in a hurry gets what is known; the first has to wait.
            if self.is_read() {
                let _ = tokio::time::timeout(PATIENCE, looking).await;
            } else {
                let _ = looking.await;
            }
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.gone { Err(StoreGone) } else { Ok(Arc::clone(&known.contents)) }
    }

    /// Whether the store has been read once.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).looked.is_some()
    }

    fn is_due(&self, times: u32, least: Duration) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.looked.is_none_or(|(at, took)| at.elapsed() > (took * times).clamp(least, LATEST))
    }

    /// Looks again and again for what others put into the store, while somebody listens.
    pub async fn watch(self: Arc<Self>) {
        self.look().await;
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            if self.events.has_listeners() && self.is_due(100, Duration::from_secs(2)) {
                self.look().await;
            }
        }
    }

    /// Looks at the store now, and tells what is new.
    pub async fn look(&self) {
        let _one = self.looking.lock().await;
        let began = Instant::now();
        let before = Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner).contents);
        let read = self.read(&before).await;
        let reading = read.as_ref().map_or(Duration::ZERO, |(_, reading)| *reading);
        let looked = Some((Instant::now(), began.elapsed().saturating_sub(reading)));
        let read = read.map(|(contents, _)| contents);
        let (was_gone, first) = {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            let (was_gone, first) = (known.gone, known.looked.is_none());
            known.looked = looked;
            match &read {
                Ok(contents) => (known.contents, known.gone) = (Arc::clone(contents), false),
                Err(_) => known.gone = true,
            }
            (was_gone, first)
        };
        match read {
            Ok(contents) => {
                if was_gone {
                    self.events.tell("store", &serde_json::json!({ "ready": true }));
                }
                if !first {
                    self.tell_new(&before, &contents);
                }
            }
            Err(error) if !was_gone => {
                tracing::error!(%error, "the store can't be read");
                let reason = StoreGone.to_string();
                self.events.tell("store", &serde_json::json!({ "ready": false, "reason": reason }));
            }
            Err(_) => {}
        }
    }

    fn tell_new(&self, before: &Contents, now: &Contents) {
        for edition in now.editions.iter().filter(|(key, _)| !before.editions.contains_key(key)).map(|(_, e)| e) {
            let report = now.report_of(edition.period, edition.edition).map(|report| &*report.name);
            let told = serde_json::json!({ "period": edition.period, "edition": edition.edition, "report": report });
            self.events.tell("edition", &told);
        }
        // Also those that are gone change what a page shows.
        if before.editions.keys().any(|key| !now.editions.contains_key(key)) {
            self.events.tell("reset", &serde_json::json!({}));
        }
    }

    /// Reads the store; says how long it took to read manifests that weren't known, which is done once.
    async fn read(&self, before: &Arc<Contents>) -> Result<(Arc<Contents>, Duration), StoreError> {
        self.store.reachable().await?;
        let mut contents = Contents::default();
        let mut unknown = Vec::new();
        for key in self.store.editions().await? {
            match before.editions.get(&key) {
                Some(edition) => drop(contents.editions.insert(key, Arc::clone(edition))),
                None => unknown.push(key),
            }
        }
        let began = Instant::now();
        let mut read = stream::iter(unknown)
            .map(|key| async move { (key, self.edition(key).await) })
            .buffer_unordered(READ_AT_ONCE);
        while let Some((key, edition)) = read.next().await {
            match edition {
                Ok(Some(edition)) => drop(contents.editions.insert(key, Arc::new(edition))),
                Ok(None) => {}
                Err(reason) => {
                    if !before.damaged.contains_key(&key) {
                        tracing::error!(period = %key.0, edition = key.1, reason, "a manifest can't be read");
                    }
                    contents.damaged.insert(key, reason);
                }
            }
        }
        let reading = began.elapsed();
        contents.bytes = contents.editions.values().map(|edition| edition.tables_size + edition.workbook_size).sum();
        contents.reports = self.reports(&contents.editions, &before.reports).await?;
        contents.orders = orders(&contents.reports);
        contents.runs = self.runs(&before.runs).await?;
        // What nobody can tell apart needn't be there twice.
        let contents = if contents == **before { Arc::clone(before) } else { Arc::new(contents) };
        Ok((contents, reading))
    }

    async fn edition(&self, (period, number): (PeriodId, u32)) -> Result<Option<Edition>, String> {
        let bytes = self.store.read(Place::Manifest(period, number)).await.map_err(|e| e.to_string())?;
        let Some(bytes) = bytes else { return Ok(None) };
        let head: Head = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
        Edition::new(head, &self.texts).map(Some).map_err(|e| e.to_string())
    }

    /// The workbooks of the editions as far as they are there, and others on the root, finished ones whose names have a
    /// report's form. What was among them `before` needn't be looked into again.
    async fn reports(
        &self,
        editions: &BTreeMap<(PeriodId, u32), Arc<Edition>>,
        before: &[Report],
    ) -> Result<Vec<Report>, StoreError> {
        let mut found = self.store.root_files(is_report_name).await?;
        let mut reports = Vec::with_capacity(found.len());
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        // From the newest to the oldest: the first of a name has it.
        for ((period, number), edition) in editions.iter().rev() {
            let plain = taken.insert(&edition.plain_name);
            let newest = editions.range((*period, number + 1)..=(*period, u32::MAX)).next().is_none();
            let name = if plain { &edition.plain_name } else { &edition.edition_name };
            let file = found.remove(&**name);
            let pending = file.is_none() && self.store.size(Place::PendingWorkbook(*period, *number)).await?.is_some();
            if file.is_some() || pending {
                reports.push(Report {
                    name: name.clone(),
                    size: file.map_or(edition.workbook_size, |file| file.size),
                    created: edition.created,
                    edition: Some(Arc::clone(edition)),
                    newest,
                    pending,
                });
            }
        }
        for (name, file) in found {
            let (size, created) = (file.size, file.modified);
            let report = Report { name: name.into(), size, created, edition: None, newest: false, pending: false };
            if before.contains(&report) || self.store.is_finished(&report.name).await? {
                reports.push(report);
            }
        }
        reports.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(reports)
    }

    async fn runs(&self, before: &[Arc<RunRecord>]) -> Result<Vec<Arc<RunRecord>>, StoreError> {
        let known: HashMap<&str, &Arc<RunRecord>> = before.iter().map(|run| (run.run.as_str(), run)).collect();
        let mut runs = Vec::new();
        for name in self.store.runs().await? {
            if let Some(run) = known.get(name.as_str()) {
                runs.push(Arc::clone(run));
            } else if let Some(bytes) = self.store.read(Place::Run(&name)).await?
                && let Ok(run) = serde_json::from_slice::<RunRecord>(&bytes)
            {
                runs.push(Arc::new(run));
            }
        }
        runs.sort_unstable_by_key(|run| std::cmp::Reverse(run.ended));
        runs.truncate(RUNS);
        Ok(runs)
    }
}

/// The store can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the store of reports can't be read at the moment: try again in a minute")]
pub struct StoreGone;

impl From<StoreGone> for crate::error::ApiError {
    fn from(gone: StoreGone) -> Self {
        Self::later(gone.to_string(), 30)
    }
}
