//! How jobs end: found out from the cluster and the run's own record, and kept in the store, as Jobs themselves are
//! removed after a day.

use std::time::Instant;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use pipeline::{
    record::RunRecord,
    store::{Place, StoreError},
};
use serde::{Deserialize, Serialize};

use super::{Kubernetes, board::Entry, calls::call, state};
use crate::launcher::{Job, JobState, LaunchError};

/// Jobs that are over and still listed.
pub(super) const LISTED: usize = 1000;

/// The cause when somebody here asked for it.
const CANCELLED: &str = "somebody cancelled it";

/// A job that is over, as the store keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    job: Job,
    #[serde(default)]
    uid: String,
    force: bool,
    /// Its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
}

impl Kubernetes {
    /// Reads the jobs that ended in earlier days.
    pub(super) async fn remember(&self) -> Result<(), StoreError> {
        let mut ended: Vec<Kept> = Vec::new();
        for name in self.0.store.jobs().await? {
            if let Some(bytes) = self.0.store.read(Place::Job(&name)).await?
                && let Ok(kept) = serde_json::from_slice::<Kept>(&bytes)
                && kept.job.state.is_over()
            {
                ended.push(kept);
            }
        }
        ended.sort_by_key(|kept| std::cmp::Reverse(kept.job.creation_timestamp));
        let entries = ended.into_iter().take(LISTED).map(|Kept { job, uid, force, idempotency_key: key }| {
            let entry = Entry {
                job,
                uid,
                force,
                key,
                object: None,
                cancelled: false,
                ours: true,
                removed: false,
                waited: None,
                ending: false,
                followed: None,
            };
            (entry.job.job_name.clone(), entry)
        });
        self.board().entries.extend(entries);
        Ok(())
    }

    /// Begins to write down the end of a job, once.
    pub(super) fn begin_to_end(&self, entry: &mut Entry) {
        if !entry.job.state.is_over() && !entry.ending {
            entry.ending = true;
            tokio::spawn(self.clone().end(entry.clone()));
        }
    }

    /// Finds out how a job has ended, keeps it and tells it.
    async fn end(self, mut entry: Entry) {
        let name = entry.job.job_name.clone();
        let pods = self.all_pods(&name).await;
        let pods: Vec<&Pod> = pods.iter().collect();
        let seen = entry.object.as_ref().map(|object| state::read(object, &pods, entry.waited.as_deref()));
        if !entry.ours && entry.job.run.is_none() {
            entry.job.run = self.run_of(state::newest(&pods)).await;
        }
        // A backfill's months have runs of their own.
        let backfill = entry.job.is_backfill();
        let expected = !backfill && seen.as_ref().is_none_or(|seen| seen.state == JobState::Succeeded);
        let record = self.record(entry.job.run.as_deref().unwrap_or(&name), expected).await;
        // First the edition, so that whoever hears of the job's end finds it.
        self.0.index.look().await;
        let cancelled = match (entry.cancelled, entry.removed) {
            (true, _) => Some(CANCELLED),
            (false, true) => Some("somebody removed its Job from the cluster"),
            (false, false) => None,
        };
        if let Some(known) = self.board().entries.get(&name).filter(|known| known.uid == entry.uid) {
            // The log may have told more meanwhile.
            (entry.job.rows, entry.job.percent) = (known.job.rows, known.job.percent);
        }
        state::end(&mut entry.job, seen.as_ref(), record.as_ref(), cancelled);
        if backfill {
            self.end_months(&mut entry.job, entry.object.as_ref(), &pods, cancelled).await;
        }
        let (job, uid) = (entry.job.clone(), entry.uid.clone());
        let kept = Kept { job: job.clone(), uid, force: entry.force, idempotency_key: entry.key.clone() };
        if let Err(error) = self.keep(&kept).await {
            tracing::error!(%error, job = name, "the job's end can't be kept");
        }
        let mut board = self.board();
        if let Some(known) = board.entries.get_mut(&name).filter(|known| known.uid == entry.uid) {
            (known.job, known.ending) = (job, false);
            self.0.events.tell("job", &known.job);
        }
    }

    async fn keep(&self, kept: &Kept) -> Result<(), LaunchError> {
        let bytes = serde_json::to_vec_pretty(kept).map_err(|e| LaunchError::Unavailable(e.to_string()))?;
        // Writing would make a folder that is gone anew.
        self.0.store.reachable().await?;
        Ok(self.0.store.write(Place::Job(&kept.job.job_name), bytes).await?)
    }

    /// A Job's pods as the API knows them, as the watch of pods may be behind that of Jobs; else as they were seen last.
    async fn all_pods(&self, name: &str) -> Vec<Pod> {
        let params = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={name}"));
        let listed = call(self.0.settings.pace.call, self.0.pods.list(&params)).await;
        match listed {
            Ok(list) if !list.items.is_empty() => list.items,
            _ => self.board().pods(name).into_iter().cloned().collect(),
        }
    }

    /// The record of a run. One that must be there may take a moment to be seen.
    pub(super) async fn record(&self, run: &str, expected: bool) -> Option<RunRecord> {
        let end = Instant::now() + self.0.settings.pace.record;
        loop {
            let read = self.0.store.read(Place::Run(run)).await;
            if let Ok(Some(bytes)) = &read
                && let Ok(record) = serde_json::from_slice(bytes)
            {
                return Some(record);
            }
            if (read.is_ok() && !expected) || Instant::now() >= end {
                return None;
            }
            tokio::time::sleep(self.0.settings.pace.look.min(self.0.settings.pace.record / 4)).await;
        }
    }
}
