//! Jobs as child processes, where there is no cluster.
//!
//! Each accepted job is an object of the store, `state/jobs/<name>.json`, written before it is answered; its run writes
//! its log beside it and its end to `state/runs`. So whatever becomes of the server, the next one finds them: jobs that
//! waited go on waiting, those under way are followed to their true end.
//!
//! A backfill is one such job with a run for each of its months. Its months take the places that no other job wants, so
//! that a report somebody asks for waits for no more than the months that are being made.

mod log;
mod process;
mod run;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;
use pipeline::store::{Place, Store, StoreError};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};

pub(super) use self::log::read_from;
use self::{
    process::{Process, terminate},
    run::Turn,
};
use super::{Job, JobLauncher, JobRequest, JobState, LaunchError, Parallel};
use crate::{events::Hub, index::Index};

/// Jobs that are over and still listed.
const LISTED: usize = 1000;

/// How runs are made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The report command.
    pub command: PathBuf,
    /// Jobs at once.
    pub at_once: usize,
    /// Jobs that wait.
    pub queue: usize,
    /// The namespace in answers.
    pub namespace: String,
    /// The report's time zone, by its name.
    pub zone: String,
    /// Whether jobs outlive this program: kept in the store, where the next one finds them.
    pub lasting: bool,
}

/// A job as the store keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    job: Job,
    force: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<Process>,
    /// Those of a backfill's months, by their places.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    processes: BTreeMap<usize, Process>,
    /// How many months may be made at once.
    #[serde(default)]
    parallel: u16,
    #[serde(default)]
    cancelled: bool,
}

impl Kept {
    fn process_of(&self, month: Option<usize>) -> Option<Process> {
        month.map_or(self.process, |at| self.processes.get(&at).copied())
    }

    /// Puts together what the months say, at a moment.
    fn sum_up(&mut self, at: Timestamp) {
        self.job.sum_up(self.cancelled);
        if self.job.state.is_over() {
            // A run's record may be of another clock.
            self.job.completion_time = Some(self.job.start_time.map_or(at, |start| at.max(start)));
        }
    }

    /// The next month to make, if there may be one more at once; `begun` are the runs that have their place.
    fn next(&self, begun: &HashMap<String, watch::Sender<bool>>) -> Option<Turn> {
        let runs = self.job.runs();
        let running = runs.iter().filter(|run| begun.contains_key(*run)).count();
        let waits = |at: &usize| self.job.months[*at].state == JobState::Queued && !begun.contains_key(&runs[*at]);
        let at = (0..runs.len()).find(waits)?;
        let free = !self.cancelled && running < usize::from(self.parallel.max(1));
        free.then(|| Turn { job: self.job.job_name.clone(), month: Some(at), run: runs[at].clone() })
    }
}

#[derive(Default)]
struct Jobs {
    all: HashMap<String, Kept>,
    waiting: VecDeque<String>,
    /// Backfills, the oldest first.
    backfills: Vec<String>,
    running: usize,
    /// Told when a run has ended; those that have begun are here.
    ended: HashMap<String, watch::Sender<bool>>,
}

impl Jobs {
    /// Whose turn it is: single reports go before the months of backfills.
    fn next(&mut self) -> Option<Turn> {
        if let Some(job) = self.waiting.pop_front() {
            return Some(Turn::of(job));
        }
        self.backfills.retain(|name| self.all.get(name).is_some_and(|kept| !kept.job.state.is_over()));
        self.backfills.iter().find_map(|name| self.all.get(name)?.next(&self.ended))
    }
}

/// The launcher. Cheap to clone.
#[derive(Clone)]
pub struct Local(Arc<Parts>);

struct Parts {
    settings: Settings,
    store: Store,
    index: Arc<Index>,
    events: Arc<Hub>,
    jobs: Mutex<Jobs>,
}

impl Local {
    /// Takes up what an earlier server left, and waits for requests.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn begin(
        settings: Settings,
        store: Store,
        index: Arc<Index>,
        events: Arc<Hub>,
    ) -> Result<Self, StoreError> {
        let local = Self(Arc::new(Parts { settings, store, index, events, jobs: Mutex::default() }));
        if local.0.settings.lasting {
            local.take_up().await?;
        }
        Ok(local)
    }

    async fn take_up(&self) -> Result<(), StoreError> {
        let mut left: Vec<Kept> = Vec::new();
        for name in self.0.store.jobs().await? {
            if let Some(bytes) = self.0.store.read(Place::Job(&name)).await?
                && let Ok(kept) = serde_json::from_slice::<Kept>(&bytes)
            {
                left.push(kept);
            }
        }
        left.sort_by_key(|kept| kept.job.creation_timestamp);
        let mut jobs = self.0.jobs.lock().await;
        let forgotten = left.len().saturating_sub(LISTED);
        for kept in left.into_iter().skip(forgotten) {
            let name = kept.job.job_name.clone();
            let mut running = Vec::new();
            match kept.job.state {
                JobState::Queued | JobState::Running if kept.job.is_backfill() => {
                    jobs.backfills.push(name.clone());
                    let months = kept.job.months.iter().enumerate();
                    running.extend(months.filter(|(_, month)| month.state == JobState::Running).map(|(at, month)| {
                        Turn { job: name.clone(), month: Some(at), run: kept.job.run_of(month.month) }
                    }));
                }
                JobState::Queued => jobs.waiting.push_back(name.clone()),
                JobState::Running => running.push(Turn::of(name.clone())),
                JobState::Succeeded | JobState::Failed | JobState::Cancelled => {}
            }
            for turn in running {
                jobs.running += 1;
                jobs.ended.insert(turn.run.clone(), watch::Sender::new(false));
                tokio::spawn(self.clone().follow(turn, None));
            }
            jobs.all.insert(name, kept);
        }
        self.pump(&mut jobs);
        Ok(())
    }

    /// Starts as many of those that wait as may run.
    fn pump(&self, jobs: &mut Jobs) {
        while jobs.running < self.0.settings.at_once
            && let Some(turn) = jobs.next()
        {
            self.begin_turn(jobs, turn);
        }
    }

    async fn keep(&self, kept: &Kept) -> Result<(), LaunchError> {
        if !self.0.settings.lasting {
            return Ok(());
        }
        let bytes = self.kept(kept).await?;
        Ok(self.0.store.write(Place::Job(&kept.job.job_name), bytes).await?)
    }

    /// Keeps a new job, unless its name has been another's.
    async fn create(&self, kept: &Kept) -> Result<bool, LaunchError> {
        let (bytes, name) = (self.kept(kept).await?, &kept.job.job_name);
        if self.0.settings.lasting {
            return Ok(self.0.store.create(Place::Job(name), bytes).await?);
        }
        // A log alone takes the name, and no server takes it for a job.
        Ok(self.0.store.size(Place::Job(name)).await?.is_none()
            && self.0.store.create(Place::JobLog(name), Vec::new()).await?)
    }

    async fn kept(&self, kept: &Kept) -> Result<Vec<u8>, LaunchError> {
        // Writing would make a folder that is gone anew.
        self.0.store.reachable().await?;
        serde_json::to_vec_pretty(kept).map_err(|e| LaunchError::Unavailable(e.to_string()))
    }

    /// Changes a job, keeps it, and tells it.
    async fn change(&self, name: &str, change: impl FnOnce(&mut Kept)) -> Option<Kept> {
        let mut jobs = self.0.jobs.lock().await;
        let kept = jobs.all.get_mut(name)?;
        change(kept);
        let kept = kept.clone();
        // While others wait: nobody sees what a next server wouldn't know.
        if let Err(error) = self.keep(&kept).await {
            tracing::error!(%error, job = name, "the job's state can't be kept");
        }
        self.0.events.tell("job", &kept.job);
        Some(kept)
    }
}

#[async_trait]
impl JobLauncher for Local {
    async fn start(&self, request: &JobRequest) -> Result<Job, LaunchError> {
        let mut jobs = self.0.jobs.lock().await;
        if let Some(key) = &request.idempotency_key
            && let Some(kept) = jobs.all.values().find(|kept| kept.idempotency_key.as_ref() == Some(key))
        {
            let job = &kept.job;
            let other = || LaunchError::KeyUsed(format!("{} to {}", job.start_date, job.end_date));
            return if job.is_for(request) { Ok(job.clone()) } else { Err(other()) };
        }
        let under_way = |kept: &&Kept| !kept.job.state.is_over() && !kept.cancelled && kept.force >= request.force;
        if let Some(kept) = jobs.all.values().filter(under_way).find(|kept| kept.job.is_for(request)) {
            return Ok(kept.job.clone());
        }
        let waiting = if request.backfill.is_some() { jobs.backfills.len() } else { jobs.waiting.len() };
        if jobs.running >= self.0.settings.at_once && waiting >= self.0.settings.queue {
            return Err(LaunchError::Full { waiting });
        }
        // While the others wait: an answer is given for what is kept, and for nothing else.
        let kept = loop {
            let name = format!("ticketing-report-{}", rand::rng().random_range(10_000..1_000_000_u32));
            let kept = Kept {
                job: Job::new(name, self.0.settings.namespace.clone(), request),
                force: request.force,
                idempotency_key: request.idempotency_key.clone(),
                process: None,
                processes: BTreeMap::new(),
                parallel: request.backfill.as_ref().map_or(1, |backfill| backfill.parallel),
                cancelled: false,
            };
            // No two jobs have ever had the same number.
            if self.create(&kept).await? {
                break kept;
            }
        };
        let job = kept.job.clone();
        let name = job.job_name.clone();
        jobs.all.insert(name.clone(), kept);
        if job.is_backfill() {
            jobs.backfills.push(name);
        } else {
            jobs.waiting.push_back(name);
        }
        self.0.events.tell("job", &job);
        self.pump(&mut jobs);
        Ok(job)
    }

    async fn parallel(&self, asked: Option<u16>) -> Result<Parallel, LaunchError> {
        let most = u16::try_from(self.0.settings.at_once).unwrap_or(u16::MAX);
        let asked = asked.unwrap_or(1);
        let reports = if most == 1 { "report" } else { "reports" };
        let more = || format!("this server makes {most} {reports} at a time; its option `--jobs` allows more");
        Ok(Parallel { months: asked.min(most), warning: (asked > most).then(more) })
    }

    async fn list(&self) -> Result<Vec<Job>, LaunchError> {
        let jobs = self.0.jobs.lock().await;
        let mut all: Vec<Job> = jobs.all.values().map(|kept| kept.job.clone()).collect();
        all.sort_by(|a, b| (b.creation_timestamp, &b.job_name).cmp(&(a.creation_timestamp, &a.job_name)));
        Ok(all)
    }

    async fn find(&self, name: &str) -> Result<Job, LaunchError> {
        let jobs = self.0.jobs.lock().await;
        jobs.all.get(name).map(|kept| kept.job.clone()).ok_or_else(|| LaunchError::NotFound(name.to_owned()))
    }

    async fn logs(
        &self,
        name: &str,
        follow: bool,
    ) -> Result<BoxStream<'static, Result<Bytes, LaunchError>>, LaunchError> {
        let job = self.find(name).await?;
        if job.is_backfill() {
            return Ok(self.logs_of_months(name, job.months.len(), follow));
        }
        Ok(self.log(name, follow))
    }

    async fn cancel(&self, name: &str) -> Result<Job, LaunchError> {
        let not_found = || LaunchError::NotFound(name.to_owned());
        let processes = {
            let mut jobs = self.0.jobs.lock().await;
            let kept = jobs.all.get_mut(name).ok_or_else(not_found)?;
            if kept.job.state.is_over() {
                return Err(LaunchError::Over(name.to_owned()));
            }
            kept.cancelled = true;
            let processes: Vec<Process> = kept.process.iter().chain(kept.processes.values()).copied().collect();
            if let Some(place) = jobs.waiting.iter().position(|waiting| waiting == name) {
                jobs.waiting.remove(place);
                drop(jobs);
                let kept = self.change(name, |kept| {
                    kept.job.state = JobState::Cancelled;
                    kept.job.reason = Some("somebody cancelled it before its turn".to_owned());
                    kept.job.completion_time = Some(Timestamp::now());
                });
                return Ok(kept.await.ok_or_else(not_found)?.job);
            }
            processes
        };
        let kept = self.change(name, |kept| {
            kept.job.reason = Some("is being cancelled".to_owned());
            for month in kept.job.months.iter_mut().filter(|month| month.state == JobState::Queued) {
                month.end(JobState::Cancelled, None, Some("somebody cancelled it before its turn".to_owned()), None);
            }
            if kept.job.is_backfill() {
                kept.sum_up(Timestamp::now());
            }
        });
        let kept = kept.await.ok_or_else(not_found)?;
        for process in processes {
            tokio::spawn(terminate(process));
        }
        Ok(kept.job)
    }
}
