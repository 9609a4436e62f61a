//! What is known of all Jobs, in memory: what the watches tell, turned into jobs as the API shows them.

use std::{
    collections::{HashMap, HashSet},
    sync::PoisonError,
};

use k8s_openapi::api::{batch::v1::Job as Object, core::v1::Pod};
use kube::ResourceExt;

use super::{
    Kubernetes, backfill,
    calls::{Call, Refusal, call},
    ends::LISTED,
    job::{self, instant},
    state,
    watch::{Change, watch},
};
use crate::launcher::{Job, JobMonth, JobState, LaunchError};

/// A job, and what is known beside it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) job: Job,
    pub(super) uid: String,
    pub(super) force: bool,
    pub(super) key: Option<String>,
    /// The Job while there is one.
    pub(super) object: Option<Object>,
    /// Somebody here wants it ended.
    pub(super) cancelled: bool,
    /// Whether this launcher made it.
    pub(super) ours: bool,
    /// Whether it was seen to be removed before its end.
    pub(super) removed: bool,
    /// What it waited for when that was last heard of.
    pub(super) waited: Option<String>,
    /// Whether its end is being written down.
    pub(super) ending: bool,
    /// The pod whose log is followed.
    pub(super) followed: Option<String>,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) entries: HashMap<String, Entry>,
    pods: HashMap<String, Pod>,
    /// What the API refuses, by resource, and whether that may pass by itself.
    troubles: HashMap<&'static str, (String, bool)>,
}

impl Board {
    pub(super) fn pod(&self, name: &str) -> Option<&Pod> {
        self.pods.get(name)
    }

    /// The pods of a Job.
    pub(super) fn pods(&self, name: &str) -> Vec<&Pod> {
        self.pods.values().filter(|pod| job_of(pod) == Some(name)).collect()
    }
}

fn job_of(pod: &Pod) -> Option<&str> {
    let labels = pod.metadata.labels.as_ref()?;
    labels.get("batch.kubernetes.io/job-name").map(String::as_str)
}

impl Kubernetes {
    /// Watches Jobs and pods from now on.
    pub(super) fn watch(&self) {
        let (jobs, pods) = (self.clone(), self.clone());
        let pace = self.0.settings.pace;
        let calls = ([Call::LIST_JOBS, Call::WATCH_JOBS], [Call::LIST_PODS, Call::WATCH_PODS]);
        tokio::spawn(watch(self.0.jobs.clone(), calls.0, pace, move |change| jobs.hear_of_jobs(change)));
        tokio::spawn(watch(self.0.pods.clone(), calls.1, pace, move |change| pods.hear_of_pods(change)));
    }

    pub(super) fn board(&self) -> std::sync::MutexGuard<'_, Board> {
        self.0.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear_of_jobs(&self, change: Change<Object>) {
        let mut board = self.board();
        match change {
            Change::All(objects) => {
                board.troubles.remove("jobs");
                let there: HashSet<String> = objects.iter().map(ResourceExt::name_any).collect();
                for object in objects {
                    self.put(&mut board, object, true);
                }
                let missing = board.entries.values().filter(|e| e.object.is_some() && !there.contains(&e.job.job_name));
                for entry in missing.cloned().collect::<Vec<_>>() {
                    tokio::spawn(self.clone().look_for(entry.job.job_name, entry.uid));
                }
                self.0.listed.send_replace(true);
            }
            Change::Put(object) => {
                self.put(&mut board, object, true);
            }
            Change::Gone(object) => {
                let (name, uid) = (object.name_any(), object.uid().unwrap_or_default());
                self.put(&mut board, object, true);
                self.gone(&mut board, &name, &uid, true);
            }
            Change::Refused(call, refusal) => self.refused(&mut board, call, &refusal),
        }
    }

    fn hear_of_pods(&self, change: Change<Pod>) {
        let mut board = self.board();
        let changed: Vec<String> = match change {
            Change::All(pods) => {
                board.troubles.remove("pods");
                let before: Vec<Pod> = board.pods.drain().map(|(_, pod)| pod).collect();
                board.pods.extend(pods.into_iter().map(|pod| (pod.name_any(), pod)));
                before.iter().chain(board.pods.values()).filter_map(job_of).map(str::to_owned).collect()
            }
            Change::Put(pod) => {
                let name = job_of(&pod).map(str::to_owned);
                board.pods.insert(pod.name_any(), pod);
                name.into_iter().collect()
            }
            Change::Gone(pod) => {
                board.pods.remove(&pod.name_any());
                job_of(&pod).map(str::to_owned).into_iter().collect()
            }
            Change::Refused(call, refusal) => return self.refused(&mut board, call, &refusal),
        };
        for name in changed.into_iter().collect::<HashSet<_>>() {
            self.look(&mut board, &name);
        }
    }

    fn refused(&self, board: &mut Board, call: Call, refusal: &Refusal) {
        let (resource, trouble) = (call.resource, refusal.says(call, &self.0.settings.namespace));
        // Once, not with each repetition.
        if board.troubles.get(resource).is_none_or(|(known, _)| *known != trouble) {
            tracing::warn!(resource, trouble, "what happens in the cluster isn't seen at the moment");
            board.troubles.insert(resource, (trouble, refusal.passes()));
        }
    }

    /// Takes in a Job. What comes from elsewhere than the watch may be older than what is known, and adds only what is
    /// new.
    pub(super) fn put(&self, board: &mut Board, object: Object, watched: bool) {
        let (name, uid) = (object.name_any(), object.uid().unwrap_or_default());
        match board.entries.get_mut(&name) {
            Some(_) if !watched => return,
            Some(entry) if entry.uid == uid => entry.object = Some(object),
            _ => {
                let entry = self.entry(name.clone(), uid, object);
                self.0.events.tell("job", &entry.job);
                board.entries.insert(name.clone(), entry);
                self.prune(board);
            }
        }
        self.look(board, &name);
    }

    fn entry(&self, name: String, uid: String, object: Object) -> Entry {
        let settings = &self.0.settings;
        let asked = job::asked(&object, &settings.cronjob, &settings.zone);
        let created = object.metadata.creation_timestamp.as_ref().and_then(instant);
        let mut job = Job::of_days(name, settings.namespace.clone(), asked.kind, (asked.first, asked.last));
        job.creation_timestamp = created.unwrap_or(job.creation_timestamp);
        job.all = asked.all;
        job.months = asked.months.into_iter().map(JobMonth::new).collect();
        Entry {
            job,
            uid,
            force: asked.force,
            key: asked.key,
            object: Some(object),
            cancelled: false,
            ours: asked.ours,
            removed: false,
            waited: None,
            ending: false,
            followed: None,
        }
    }

    fn prune(&self, board: &mut Board) {
        let mut over: Vec<_> = (board.entries.values().filter(|e| e.object.is_none() && e.job.state.is_over()))
            .map(|entry| (entry.job.creation_timestamp, entry.job.job_name.clone()))
            .collect();
        if over.len() > LISTED {
            over.sort();
            over.truncate(over.len() - LISTED);
            for (_, name) in over {
                board.entries.remove(&name);
            }
        }
    }

    /// Whether a Job that a list doesn't have is really gone: it may be younger than the list.
    async fn look_for(self, name: String, uid: String) {
        loop {
            match call(self.0.settings.pace.call, self.0.jobs.get_opt(&name)).await {
                Ok(Some(object)) if object.uid().as_ref() == Some(&uid) => return,
                Ok(_) => break,
                Err(_) => tokio::time::sleep(self.0.settings.pace.look).await,
            }
        }
        self.gone(&mut self.board(), &name, &uid, false);
    }

    /// Takes in that a Job is gone. If it wasn't over, its pods may still be ending, and one may yet publish.
    fn gone(&self, board: &mut Board, name: &str, uid: &str, seen: bool) {
        let Some(entry) = board.entries.get_mut(name).filter(|entry| entry.uid == uid) else { return };
        entry.object = None;
        entry.removed |= seen;
        if !entry.job.state.is_over() && !entry.ending {
            let (launcher, name, uid) = (self.clone(), name.to_owned(), uid.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(launcher.0.settings.pace.grace).await;
                let mut board = launcher.board();
                if let Some(entry) = board.entries.get_mut(&name).filter(|entry| entry.uid == uid) {
                    launcher.begin_to_end(entry);
                }
            });
        }
        self.look(board, name);
    }

    /// Sees what a job's Job and pods mean now.
    pub(super) fn look(&self, board: &mut Board, name: &str) {
        let pods: Vec<&Pod> = board.pods.values().filter(|pod| job_of(pod) == Some(name)).collect();
        let Some(entry) = board.entries.get_mut(name) else { return };
        if entry.job.state.is_over() || entry.ending {
            return;
        }
        let before = entry.job.clone();
        match &entry.object {
            Some(object) if state::is_over(object) => return self.begin_to_end(entry),
            Some(object) => {
                let seen = state::read(object, &pods, entry.waited.as_deref());
                entry.job.start_time = entry.job.start_time.or(seen.began);
                // A pod that is removed for want of time may be gone before the Job says why.
                if !state::is_ending(object) && !pods.is_empty() {
                    entry.waited.clone_from(&seen.reason);
                }
                if entry.job.is_backfill() {
                    backfill::look(object, &pods, &mut entry.job, entry.cancelled);
                } else {
                    (entry.job.state, entry.job.reason) = (seen.state, seen.reason);
                }
                // Between two tries there is no pod.
                if pods.is_empty() && entry.job.start_time.is_some() && !state::is_suspended(object) {
                    entry.job.state = JobState::Running;
                }
            }
            None if pods.is_empty() => return self.begin_to_end(entry),
            None => {}
        }
        if entry.cancelled || entry.object.is_none() {
            entry.job.reason = Some("is being cancelled".to_owned());
        }
        // What a backfill's runs tell is of single months.
        let begun = state::newest(&pods).filter(|pod| !entry.job.is_backfill() && state::began(pod).is_some());
        if let Some(pod) = begun.and_then(|pod| pod.metadata.name.clone())
            && entry.followed.as_ref() != Some(&pod)
        {
            entry.followed = Some(pod.clone());
            tokio::spawn(self.clone().follow(name.to_owned(), pod));
        }
        if entry.job != before {
            self.0.events.tell("job", &entry.job);
        }
    }

    /// Waits until all Jobs have been listed once.
    ///
    /// # Errors
    /// When that takes too long.
    pub(super) async fn ready(&self) -> Result<(), LaunchError> {
        let mut listed = self.0.listed.subscribe();
        let wait = tokio::time::timeout(self.0.settings.pace.call, listed.wait_for(|listed| *listed)).await;
        if wait.is_ok() {
            return Ok(());
        }
        Err(match self.board().troubles.get("jobs").cloned() {
            Some((trouble, false)) => LaunchError::Refused(trouble),
            Some((trouble, true)) => LaunchError::Unavailable(trouble),
            None => LaunchError::Unavailable("the cluster's API hasn't answered yet".to_owned()),
        })
    }
}
