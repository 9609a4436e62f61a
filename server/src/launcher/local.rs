//! Jobs as child processes, where there is no cluster.
//!
//! Each accepted job is an object of the store, `state/jobs/<name>.json`, written before it is answered; its run writes
//! its log beside it and its end to `state/runs`. So whatever becomes of the server, the next one finds them: jobs that
//! waited go on waiting, those under way are followed to their true end.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream, stream::BoxStream};
use jiff::Timestamp;
use pipeline::{
    record::{RunOutcome, RunRecord},
    store::{Place, Store, StoreError},
};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tokio::{
    process::{Child, Command},
    sync::{Mutex, watch},
};

use super::{Job, JobLauncher, JobRequest, JobState, LaunchError, progress::Progress};
use crate::{events::Hub, index::Index};

/// How often a job's log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// How long a run that shall end may take to tidy up.
const GRACE: Duration = Duration::from_secs(20);

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
}

/// A job as the store keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    job: Job,
    force: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    /// The process, and when the system says it began, by which another with its number is told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<(u32, u64)>,
    #[serde(default)]
    cancelled: bool,
}

#[derive(Default)]
struct Jobs {
    all: HashMap<String, Kept>,
    waiting: VecDeque<String>,
    running: usize,
    /// Told when one has ended.
    ended: HashMap<String, watch::Sender<bool>>,
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
        let mut left: Vec<Kept> = Vec::new();
        for name in local.0.store.jobs().await? {
            if let Some(bytes) = local.0.store.read(Place::Job(&name)).await?
                && let Ok(kept) = serde_json::from_slice::<Kept>(&bytes)
            {
                left.push(kept);
            }
        }
        left.sort_by_key(|kept| kept.job.creation_timestamp);
        {
            let mut jobs = local.0.jobs.lock().await;
            let forgotten = left.len().saturating_sub(LISTED);
            for kept in left.into_iter().skip(forgotten) {
                let name = kept.job.job_name.clone();
                match kept.job.state {
                    JobState::Queued => jobs.waiting.push_back(name.clone()),
                    JobState::Running => {
                        jobs.running += 1;
                        jobs.ended.insert(name.clone(), watch::Sender::new(false));
                        tokio::spawn(local.clone().follow(name.clone(), None));
                    }
                    JobState::Succeeded | JobState::Failed | JobState::Cancelled => {}
                }
                jobs.all.insert(name, kept);
            }
            local.pump(&mut jobs);
        }
        Ok(local)
    }

    /// Starts as many of those that wait as may run.
    fn pump(&self, jobs: &mut Jobs) {
        while jobs.running < self.0.settings.at_once
            && let Some(name) = jobs.waiting.pop_front()
        {
            jobs.running += 1;
            jobs.ended.insert(name.clone(), watch::Sender::new(false));
            tokio::spawn(self.clone().run(name));
        }
    }

    async fn keep(&self, kept: &Kept) -> Result<(), LaunchError> {
        let bytes = self.kept(kept).await?;
        Ok(self.0.store.write(Place::Job(&kept.job.job_name), bytes).await?)
    }

    /// Keeps a new job, unless its name has been another's.
    async fn create(&self, kept: &Kept) -> Result<bool, LaunchError> {
        let bytes = self.kept(kept).await?;
        Ok(self.0.store.create(Place::Job(&kept.job.job_name), bytes).await?)
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

    /// Runs a job whose turn has come.
    async fn run(self, name: String) {
        let Some(kept) = self.0.jobs.lock().await.all.get(&name).cloned() else { return };
        match self.spawn(&kept).await {
            Ok(child) => {
                let process = child.id().map(|id| (id, began(id).unwrap_or_default()));
                let kept = self
                    .change(&name, |kept| {
                        kept.process = process;
                        kept.job.state = JobState::Running;
                        kept.job.start_time = Some(Timestamp::now());
                    })
                    .await;
                // Somebody may have cancelled it while it began.
                if let Some((id, since)) = process.filter(|_| kept.is_some_and(|kept| kept.cancelled)) {
                    tokio::spawn(terminate(id, since));
                }
                self.follow(name, Some(child)).await;
            }
            Err(reason) => {
                let command = self.0.settings.command.display();
                let reason =
                    format!("`{command}` can't be run: {reason}; name the report command with --report-command");
                self.end(&name, JobState::Failed, None, Some(reason), None).await;
            }
        }
    }

    async fn spawn(&self, kept: &Kept) -> std::io::Result<Child> {
        let (job, settings) = (&kept.job, &self.0.settings);
        let log = self.0.store.file(Place::JobLog(&job.job_name));
        // On a folder it lies beside the job's own object; of a bucket this machine keeps the log.
        log.parent().map_or(Ok(()), fs::create_dir_all)?;
        let log = fs::File::create(log)?;
        let number = job.job_name.rsplit('-').next().unwrap_or_default();
        let mut command = Command::new(&settings.command);
        command
            .args(["--start-date", &job.start_date.to_string(), "--end-date", &job.end_date.to_string()])
            .args(["--time-zone", &settings.zone, "--store", &self.0.store.address()])
            .args(kept.force.then_some("--force"))
            .env("REPORT_JOB", number)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(false);
        // A group of its own: Ctrl-C ends the server, and what it has begun comes to its end.
        #[cfg(unix)]
        command.process_group(0);
        command.spawn()
    }

    /// Follows a run to its end: our own child, or one that an earlier server started.
    async fn follow(self, name: String, mut child: Option<Child>) {
        let process = self.0.jobs.lock().await.all.get(&name).and_then(|kept| kept.process);
        let path = self.0.store.file(Place::JobLog(&name));
        let mut progress = Progress::default();
        let (mut told, mut untold) = (Instant::now(), false);
        loop {
            let exit = match &mut child {
                Some(child) => match tokio::time::timeout(LOOK_EVERY, child.wait()).await {
                    Ok(status) => Some(status.ok()),
                    Err(_) => None,
                },
                None => {
                    tokio::time::sleep(LOOK_EVERY).await;
                    let alive = process.is_some_and(|(id, since)| began(id) == Some(since));
                    (!alive).then_some(None)
                }
            };
            untold |= progress.read(&path);
            if let Some(status) = exit {
                return self.ended(&name, &progress, status).await;
            }
            if untold && told.elapsed() >= TELL_EVERY {
                (told, untold) = (Instant::now(), false);
                let mut jobs = self.0.jobs.lock().await;
                if let Some(kept) = jobs.all.get_mut(&name) {
                    progress.show(&mut kept.job);
                    self.0.events.tell("job", &kept.job);
                }
            }
        }
    }

    /// What became of a run whose process is gone.
    async fn ended(&self, name: &str, progress: &Progress, status: Option<std::process::ExitStatus>) {
        let record = match self.0.store.read(Place::Run(name)).await {
            Ok(Some(bytes)) => serde_json::from_slice::<RunRecord>(&bytes).ok(),
            _ => None,
        };
        let cancelled = self.0.jobs.lock().await.all.get(name).is_some_and(|kept| kept.cancelled);
        let code = status.and_then(|status| status.code());
        let (state, reason) = match (&record, status) {
            (Some(record), _) if record.outcome != RunOutcome::Failed => (JobState::Succeeded, None),
            _ if cancelled => (JobState::Cancelled, Some("somebody cancelled it".to_owned())),
            (Some(record), _) => (JobState::Failed, record.message.clone()),
            (None, Some(status)) => (JobState::Failed, Some(progress.failure().unwrap_or_else(|| killed(status)))),
            (None, None) => {
                let lost = "its process is gone and has left no word, for example because the machine was restarted: \
                            start it again";
                (JobState::Failed, Some(progress.failure().unwrap_or_else(|| lost.to_owned())))
            }
        };
        let code = code.or_else(|| record.as_ref().map(|record| record.exit_code.into()));
        self.end(name, state, code, reason, record).await;
    }

    async fn end(
        &self,
        name: &str,
        state: JobState,
        code: Option<i32>,
        reason: Option<String>,
        record: Option<RunRecord>,
    ) {
        // First the edition, so that whoever hears of the job's end finds it.
        self.0.index.look().await;
        self.change(name, |kept| {
            let job = &mut kept.job;
            (job.state, job.exit_code, job.reason) = (state, code, reason);
            job.completion_time = Some(record.as_ref().map_or_else(Timestamp::now, |record| record.ended));
            job.stage = None;
            if let Some(record) = &record {
                job.unchanged = record.outcome == RunOutcome::Unchanged;
                (job.rows, job.edition) = (record.rows.or(job.rows), record.edition);
                (job.report, job.period_id) = (record.report.clone(), record.period.map(|period| period.to_string()));
            }
            if state == JobState::Succeeded {
                job.percent = Some(100);
            }
        })
        .await;
        let mut jobs = self.0.jobs.lock().await;
        jobs.running -= 1;
        if let Some(ended) = jobs.ended.remove(name) {
            ended.send_replace(true);
        }
        if jobs.all.len() > LISTED {
            let over = jobs.all.values().filter(|kept| kept.job.state.is_over());
            let oldest = over.min_by_key(|kept| kept.job.creation_timestamp).map(|kept| kept.job.job_name.clone());
            oldest.and_then(|oldest| jobs.all.remove(&oldest));
        }
        self.pump(&mut jobs);
    }
}

#[async_trait]
impl JobLauncher for Local {
    async fn start(&self, request: &JobRequest) -> Result<Job, LaunchError> {
        let mut jobs = self.0.jobs.lock().await;
        let days = (request.days.first(), request.days.last());
        let same = |job: &Job| (job.start_date, job.end_date) == days;
        if let Some(key) = &request.idempotency_key
            && let Some(kept) = jobs.all.values().find(|kept| kept.idempotency_key.as_ref() == Some(key))
        {
            let job = &kept.job;
            let other = || LaunchError::KeyUsed(format!("{} to {}", job.start_date, job.end_date));
            return if same(job) { Ok(job.clone()) } else { Err(other()) };
        }
        let under_way = |kept: &&Kept| !kept.job.state.is_over() && !kept.cancelled && kept.force >= request.force;
        if let Some(kept) = jobs.all.values().filter(under_way).find(|kept| same(&kept.job)) {
            return Ok(kept.job.clone());
        }
        if jobs.running >= self.0.settings.at_once && jobs.waiting.len() >= self.0.settings.queue {
            return Err(LaunchError::Full { waiting: jobs.waiting.len() });
        }
        // While the others wait: an answer is given for what is kept, and for nothing else.
        let kept = loop {
            let name = format!("ticketing-report-{}", rand::rng().random_range(10_000..1_000_000_u32));
            let kept = Kept {
                job: Job::new(name, self.0.settings.namespace.clone(), request),
                force: request.force,
                idempotency_key: request.idempotency_key.clone(),
                process: None,
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
        jobs.waiting.push_back(name);
        self.0.events.tell("job", &job);
        self.pump(&mut jobs);
        Ok(job)
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
        let ended = {
            let jobs = self.0.jobs.lock().await;
            let kept = jobs.all.get(name).ok_or_else(|| LaunchError::NotFound(name.to_owned()))?;
            if kept.job.state == JobState::Queued { None } else { jobs.ended.get(name).map(watch::Sender::subscribe) }
        };
        let path = self.0.store.file(Place::JobLog(name));
        let told = stream::unfold((path, 0, ended.filter(|_| follow), false), |(path, at, ended, last)| async move {
            if last {
                return None;
            }
            // Looked at before reading: what is written before the end is read then.
            let over = ended.as_ref().is_none_or(|ended| *ended.borrow() || ended.has_changed().is_err());
            let piece = read_from(&path, at);
            let at = at + piece.len() as u64;
            if piece.is_empty() {
                if over {
                    return None;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Some((Ok(Bytes::from(piece)), (path, at, ended, false)))
        });
        Ok(told.filter(|piece| std::future::ready(!matches!(piece, Ok(piece) if piece.is_empty()))).boxed())
    }

    async fn cancel(&self, name: &str) -> Result<Job, LaunchError> {
        let process = {
            let mut jobs = self.0.jobs.lock().await;
            let kept = jobs.all.get_mut(name).ok_or_else(|| LaunchError::NotFound(name.to_owned()))?;
            if kept.job.state.is_over() {
                return Err(LaunchError::Over(name.to_owned()));
            }
            kept.cancelled = true;
            let process = kept.process;
            if let Some(place) = jobs.waiting.iter().position(|waiting| waiting == name) {
                jobs.waiting.remove(place);
                drop(jobs);
                let kept = self.change(name, |kept| {
                    kept.job.state = JobState::Cancelled;
                    kept.job.reason = Some("somebody cancelled it before its turn".to_owned());
                    kept.job.completion_time = Some(Timestamp::now());
                });
                return Ok(kept.await.ok_or_else(|| LaunchError::NotFound(name.to_owned()))?.job);
            }
            process
        };
        let kept = self.change(name, |kept| kept.job.reason = Some("is being cancelled".to_owned())).await;
        if let Some((id, since)) = process {
            tokio::spawn(terminate(id, since));
        }
        Ok(kept.ok_or_else(|| LaunchError::NotFound(name.to_owned()))?.job)
    }
}

/// What is written in a file from a place on, up to a piece's size; nothing where there is no file yet.
pub(super) fn read_from(path: &std::path::Path, at: u64) -> Vec<u8> {
    let mut piece = Vec::new();
    if let Ok(mut file) = fs::File::open(path)
        && file.seek(SeekFrom::Start(at)).is_ok()
    {
        // What was read before an error is good.
        let _ = file.take(1 << 16).read_to_end(&mut piece);
    }
    piece
}

/// When a process began, in the system's own count; `None` where it is gone.
fn began(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next() == Some("Z") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Asks a process to end, and ends it when it doesn't.
#[cfg(unix)]
async fn terminate(id: u32, since: u64) {
    use rustix::process::{Pid, Signal, kill_process};
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return };
    let deadline = Instant::now() + GRACE;
    let _ = kill_process(pid, Signal::TERM);
    while began(id) == Some(since) {
        if Instant::now() >= deadline {
            let _ = kill_process(pid, Signal::KILL);
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Ends a process: on other systems none can be asked.
#[cfg(not(unix))]
async fn terminate(id: u32, _since: u64) {
    let _ = Command::new("taskkill").args(["/F", "/T", "/PID", &id.to_string()]).status().await;
}

/// What can be said of a process that has said nothing.
fn killed(status: std::process::ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let perhaps = if signal == 9 { ", perhaps because memory ran out" } else { "" };
        return format!("the run was killed by signal {signal}{perhaps}: look at the system's log and start it again");
    }
    format!("the run ended with {status} and said no more: look at its log")
}
