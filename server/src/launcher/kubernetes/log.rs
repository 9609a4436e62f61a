//! Logs of pods: for people, and for what they tell of a run's progress.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{AsyncBufRead, AsyncBufReadExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use tokio::sync::mpsc;

use super::{
    Kubernetes, backfill,
    calls::{Call, Refusal, call},
    state,
};
use crate::launcher::{Job, JobState, LaunchError, progress::Progress};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// What stands in place of a log that is gone.
const GONE: &str =
    "the log is gone: it goes with its pod, which the cluster removes with the job or when its time is up";

/// The end of a log's reader: whoever asked for it has gone, or everything is said.
type Sender = mpsc::Sender<Result<Bytes, LaunchError>>;

impl Kubernetes {
    async fn open(&self, pod: &str, follow: bool) -> Result<impl AsyncBufRead + use<>, Refusal> {
        let container = self.board().pod(pod).and_then(state::container).map(str::to_owned);
        let params = LogParams { follow, container, ..LogParams::default() };
        call(self.0.settings.pace.call, self.0.pods.log_stream(pod, &params)).await
    }

    /// Follows the log of a job's pod, and puts what it tells into the job.
    pub(super) async fn follow(self, name: String, pod: String) {
        while self.is_followed(&name, &pod) {
            if let Ok(log) = self.open(&pod, true).await {
                let (mut log, mut progress) = (pin!(log), Progress::default());
                let (mut told, mut untold) = (Instant::now(), false);
                loop {
                    match tokio::time::timeout(TELL_EVERY, log.fill_buf()).await {
                        Ok(Ok(piece)) if !piece.is_empty() => {
                            progress.take(piece);
                            let taken = piece.len();
                            log.consume_unpin(taken);
                            untold = true;
                        }
                        Ok(_) => break,
                        Err(_) => {}
                    }
                    if untold && told.elapsed() >= TELL_EVERY {
                        self.show(&name, &pod, &progress);
                        (told, untold) = (Instant::now(), false);
                    }
                }
                self.show(&name, &pod, &progress);
            }
            tokio::time::sleep(self.0.settings.pace.look).await;
        }
    }

    /// Whether there may be more to read of a pod that is a job's newest.
    fn is_followed(&self, name: &str, pod: &str) -> bool {
        let board = self.board();
        let newest = board.entries.get(name).filter(|entry| entry.followed.as_deref() == Some(pod));
        newest.is_some_and(|entry| !entry.job.state.is_over())
            && board.pods(name).iter().any(|known| known.metadata.name.as_deref() == Some(pod))
    }

    fn show(&self, name: &str, pod: &str, progress: &Progress) {
        let mut board = self.board();
        let Some(entry) = board.entries.get_mut(name).filter(|entry| entry.followed.as_deref() == Some(pod)) else {
            return;
        };
        if entry.job.state.is_over() {
            return;
        }
        let before = entry.job.clone();
        progress.show(&mut entry.job);
        if let Some((run, first, last)) = progress.started() {
            (entry.job.start_date, entry.job.end_date) = (*first, *last);
            entry.job.run = (run != name).then(|| run.clone());
        }
        if entry.job != before {
            self.0.events.tell("job", &entry.job);
        }
    }

    /// The id of the run in a pod, which its log begins with.
    pub(super) async fn run_of(&self, pod: Option<&Pod>) -> Option<String> {
        let log = self.open(pod?.metadata.name.as_deref()?, false).await.ok()?;
        let (mut log, mut progress) = (pin!(log), Progress::default());
        while progress.started().is_none() {
            let piece = call(self.0.settings.pace.call, async { Ok(log.fill_buf().await.unwrap_or_default()) }).await;
            let piece = piece.ok().filter(|piece| !piece.is_empty())?;
            progress.take(piece);
            let taken = piece.len();
            log.consume_unpin(taken);
        }
        progress.started().map(|(run, _, _)| run.clone())
    }

    /// Sends a job's log; a backfill's is that of its months, one after the other, each under its name.
    pub(super) async fn send_logs(self, name: String, follow: bool, to: Sender) {
        let months = self.board().entries.get(&name).map(|entry| entry.job.months.clone()).unwrap_or_default();
        if months.is_empty() {
            return self.send_log(&name, None, follow, &to).await;
        }
        for (at, month) in months.iter().enumerate().filter(|(_, month)| follow || month.state != JobState::Queued) {
            let heading = Bytes::from(format!("== {}\n", month.month));
            if to.send(Ok(heading)).await.is_err() {
                return;
            }
            self.send_log(&name, Some(at), follow, &to).await;
        }
    }

    /// Whether a job, or its month, is over, and its newest pod.
    fn newest_pod(&self, name: &str, month: Option<usize>) -> (bool, Option<String>) {
        let board = self.board();
        let pods = board.pods(name);
        let pods = month.map_or_else(|| pods.clone(), |at| backfill::pods_of(&pods, at));
        let pod = state::newest(&pods).and_then(|pod| pod.metadata.name.clone());
        let is_over = |job: &Job| {
            let month = month.and_then(|at| job.months.get(at));
            job.state.is_over() || month.is_some_and(|month| month.state.is_over())
        };
        (board.entries.get(name).is_none_or(|entry| is_over(&entry.job)), pod)
    }

    /// Sends the log of the newest pod of a job, or of one of its months; with `follow` until that is over, whatever
    /// becomes of pods and connections meanwhile.
    async fn send_log(&self, name: &str, month: Option<usize>, follow: bool, to: &Sender) {
        let (mut of, mut sent) = (None, 0);
        while !to.is_closed() {
            // Looked at before reading: what is written before the end is read then.
            let (over, pod) = self.newest_pod(name, month);
            let last = over || !follow;
            if pod.is_some() && pod != of {
                (of, sent) = (pod, 0);
            }
            let end = match &of {
                None if last => Some(if over { GONE.to_owned() } else { "there is no log yet".to_owned() }),
                None => None,
                Some(pod) => match self.pipe(pod, follow && !over, &mut sent, to).await {
                    Ok(()) if last => return,
                    Ok(()) => None,
                    Err(refusal) if refusal.code() == 404 && last => Some(GONE.to_owned()),
                    Err(refusal) if refusal.code() == 400 && last => Some(match &refusal {
                        Refusal::Status(status) => format!("there is no log yet: {}", status.message),
                        Refusal::Silent(_) => GONE.to_owned(),
                    }),
                    Err(refusal) if last || matches!(refusal.code(), 401 | 403) => {
                        Some(refusal.says(Call::GET_LOG, &self.0.settings.namespace))
                    }
                    Err(_) => None,
                },
            };
            if let Some(words) = end {
                // What was sent already says more.
                if sent == 0 {
                    let _ = to.send(Ok(Bytes::from(format!("{words}\n")))).await;
                }
                return;
            }
            tokio::time::sleep(self.0.settings.pace.look).await;
        }
    }

    /// Sends what a pod's log holds beyond what was sent.
    async fn pipe(&self, pod: &str, follow: bool, sent: &mut usize, to: &Sender) -> Result<(), Refusal> {
        let mut log = pin!(self.open(pod, follow).await?);
        let mut skip = *sent;
        loop {
            let piece = tokio::select! {
                piece = log.fill_buf() => piece.map_err(|e| Refusal::Silent(e.to_string()))?,
                () = to.closed() => return Ok(()),
            };
            if piece.is_empty() {
                return Ok(());
            }
            let (taken, known) = (piece.len(), skip.min(piece.len()));
            skip -= known;
            if known < taken {
                let piece = Bytes::copy_from_slice(&piece[known..]);
                *sent += piece.len();
                if to.send(Ok(piece)).await.is_err() {
                    return Ok(());
                }
            }
            log.consume_unpin(taken);
        }
    }
}
