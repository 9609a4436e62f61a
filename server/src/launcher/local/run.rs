//! A run from its turn to its end.

use std::{
    fs,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use pipeline::{
    record::{RunOutcome, RunRecord},
    store::Place,
};
use tokio::{
    process::{Child, Command},
    sync::watch,
};

use super::{
    Kept, LISTED, Local,
    process::{LOOK_EVERY, began, killed, terminate},
};
use crate::launcher::{JobState, progress::Progress};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Whose turn it is: a job's one run, or the run of one of its months.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) job: String,
    /// The month's place in the job.
    pub(super) month: Option<usize>,
    /// The run's id.
    pub(super) run: String,
}

impl Turn {
    /// A job's one run.
    pub(super) fn of(job: String) -> Self {
        Self { run: job.clone(), month: None, job }
    }
}

/// How a run has ended.
struct End {
    state: JobState,
    code: Option<i32>,
    reason: Option<String>,
    record: Option<RunRecord>,
}

impl Local {
    /// Runs what has its turn.
    pub(super) async fn run(self, turn: Turn) {
        let Some(kept) = self.0.jobs.lock().await.all.get(&turn.job).cloned() else { return };
        if turn.month.is_some() && kept.cancelled {
            return self.leave(&turn).await;
        }
        match self.spawn(&kept, &turn) {
            Ok(child) => {
                let process = child.id().map(|id| (id, began(id).unwrap_or_default()));
                let kept = self
                    .change(&turn.job, |kept| {
                        kept.job.start_time = kept.job.start_time.or_else(|| Some(Timestamp::now()));
                        match turn.month {
                            Some(at) => {
                                kept.processes.extend(process.map(|process| (at, process)));
                                if !kept.cancelled {
                                    kept.job.months[at].state = JobState::Running;
                                    kept.job.sum_up(false);
                                }
                            }
                            None => (kept.process, kept.job.state) = (process, JobState::Running),
                        }
                    })
                    .await;
                // Somebody may have cancelled it while it began.
                if let Some(process) = process.filter(|_| kept.is_some_and(|kept| kept.cancelled)) {
                    tokio::spawn(terminate(process));
                }
                self.follow(turn, Some(child)).await;
            }
            Err(reason) => {
                let command = self.0.settings.command.display();
                let reason =
                    format!("`{command}` can't be run: {reason}; name the report command with --report-command");
                let end = End { state: JobState::Failed, code: None, reason: Some(reason), record: None };
                self.end(&turn, end).await;
            }
        }
    }

    fn spawn(&self, kept: &Kept, turn: &Turn) -> std::io::Result<Child> {
        let (job, settings) = (&kept.job, &self.0.settings);
        let log = self.0.store.file(Place::JobLog(&turn.run));
        // On a folder it lies beside the job's own object; of a bucket this machine keeps the log.
        log.parent().map_or(Ok(()), fs::create_dir_all)?;
        let log = fs::File::create(log)?;
        let number = job.job_name.rsplit('-').next().unwrap_or_default();
        let mut command = Command::new(&settings.command);
        match turn.month {
            // As in a cluster, where all months have the same arguments.
            Some(at) => {
                let months: Vec<String> = job.months.iter().map(|month| month.month.to_string()).collect();
                command.env("REPORT_MONTHS", months.join(",")).env("JOB_COMPLETION_INDEX", at.to_string());
            }
            None => {
                let (first, last) = (job.start_date.to_string(), job.end_date.to_string());
                command.args(["--start-date", &first, "--end-date", &last]);
            }
        }
        command
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
    pub(super) async fn follow(self, turn: Turn, mut child: Option<Child>) {
        let process = self.0.jobs.lock().await.all.get(&turn.job).and_then(|kept| kept.process_of(turn.month));
        let path = self.0.store.file(Place::JobLog(&turn.run));
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
                return self.ended(&turn, &progress, status).await;
            }
            if untold && told.elapsed() >= TELL_EVERY {
                (told, untold) = (Instant::now(), false);
                let mut jobs = self.0.jobs.lock().await;
                if let Some(kept) = jobs.all.get_mut(&turn.job) {
                    match turn.month {
                        Some(at) => {
                            kept.job.months[at].rows = progress.rows();
                            kept.job.sum_up(kept.cancelled);
                        }
                        None => progress.show(&mut kept.job),
                    }
                    self.0.events.tell("job", &kept.job);
                }
            }
        }
    }

    /// What became of a run whose process is gone.
    async fn ended(&self, turn: &Turn, progress: &Progress, status: Option<ExitStatus>) {
        let record = match self.0.store.read(Place::Run(&turn.run)).await {
            Ok(Some(bytes)) => serde_json::from_slice::<RunRecord>(&bytes).ok(),
            _ => None,
        };
        let cancelled = self.0.jobs.lock().await.all.get(&turn.job).is_some_and(|kept| kept.cancelled);
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
        self.end(turn, End { state, code, reason, record }).await;
    }

    async fn end(&self, turn: &Turn, end: End) {
        // First the edition, so that whoever hears of the job's end finds it.
        self.0.index.look().await;
        let End { state, code, reason, record } = end;
        let at = record.as_ref().map_or_else(Timestamp::now, |record| record.ended);
        self.change(&turn.job, |kept| match turn.month {
            Some(month) => {
                kept.processes.remove(&month);
                kept.job.months[month].end(state, code, reason, record.as_ref());
                kept.sum_up(at);
            }
            None => {
                let job = &mut kept.job;
                (job.state, job.exit_code, job.reason) = (state, code, reason);
                (job.completion_time, job.stage) = (Some(at), None);
                if let Some(record) = &record {
                    job.unchanged = record.outcome == RunOutcome::Unchanged;
                    (job.rows, job.edition) = (record.rows.or(job.rows), record.edition);
                    job.report.clone_from(&record.report);
                    job.period_id = record.period.map(|period| period.to_string());
                }
                if state == JobState::Succeeded {
                    job.percent = Some(100);
                }
            }
        })
        .await;
        self.leave(turn).await;
    }

    /// Gives a run's place to the next.
    async fn leave(&self, turn: &Turn) {
        let mut jobs = self.0.jobs.lock().await;
        jobs.running -= 1;
        if let Some(ended) = jobs.ended.remove(&turn.run) {
            ended.send_replace(true);
        }
        if jobs.all.len() > LISTED {
            let over = jobs.all.values().filter(|kept| kept.job.state.is_over());
            let oldest = over.min_by_key(|kept| kept.job.creation_timestamp).map(|kept| kept.job.job_name.clone());
            oldest.and_then(|oldest| jobs.all.remove(&oldest));
        }
        self.pump(&mut jobs);
    }

    /// Has a run begin, whose place among those that run is taken.
    pub(super) fn begin_turn(&self, jobs: &mut super::Jobs, turn: Turn) {
        jobs.running += 1;
        jobs.ended.insert(turn.run.clone(), watch::Sender::new(false));
        tokio::spawn(self.clone().run(turn));
    }
}
