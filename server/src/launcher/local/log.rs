//! Logs: what runs have written, and what they go on to write.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures::{StreamExt, future, stream, stream::BoxStream};
use pipeline::store::Place;
use tokio::sync::watch;

use super::{Local, process::LOOK_EVERY};
use crate::launcher::{JobState, LaunchError};

type Log = BoxStream<'static, Result<Bytes, LaunchError>>;

/// What is written in a file from a place on, up to a piece's size; nothing where there is no file yet.
pub(in crate::launcher) fn read_from(path: &Path, at: u64) -> Vec<u8> {
    let mut piece = Vec::new();
    if let Ok(mut file) = fs::File::open(path)
        && file.seek(SeekFrom::Start(at)).is_ok()
    {
        // What was read before an error is good.
        let _ = file.take(1 << 16).read_to_end(&mut piece);
    }
    piece
}

/// A file to its end; with `ended`, what is written until then.
fn tail(path: PathBuf, ended: Option<watch::Receiver<bool>>) -> Log {
    let told = stream::unfold((path, 0, ended), |(path, at, ended)| async move {
        loop {
            // Looked at before reading: what is written before the end is read then.
            let over = ended.as_ref().is_none_or(|ended| *ended.borrow() || ended.has_changed().is_err());
            let piece = read_from(&path, at);
            if !piece.is_empty() {
                let at = at + piece.len() as u64;
                return Some((Ok(Bytes::from(piece)), (path, at, ended)));
            }
            if over {
                return None;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    told.boxed()
}

impl Local {
    /// The log of a run; with `follow` until its end, also where it still waits for its turn.
    pub(super) fn log(&self, name: &str, follow: bool) -> Log {
        let (local, name) = (self.clone(), name.to_owned());
        let log = async move {
            while follow && local.waits(&name).await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            let ended = local.0.jobs.lock().await.ended.get(&name).map(watch::Sender::subscribe);
            tail(local.0.store.file(Place::JobLog(&name)), ended.filter(|_| follow))
        };
        stream::once(log).flatten().boxed()
    }

    /// Whether a job waits for its turn.
    async fn waits(&self, name: &str) -> bool {
        let jobs = self.0.jobs.lock().await;
        jobs.all.get(name).is_some_and(|kept| kept.job.state == JobState::Queued)
    }

    /// The logs of a backfill's months, one after the other, each under its name; with `follow` those that are still to
    /// come as well.
    pub(super) fn logs_of_months(&self, name: &str, months: usize, follow: bool) -> Log {
        let (local, name) = (self.clone(), name.to_owned());
        let begun = move |at| {
            let (local, name) = (local.clone(), name.clone());
            async move {
                let (month, run) = local.begun(&name, at, follow).await?;
                let heading = Bytes::from(format!("== {month}\n"));
                Some(stream::once(future::ready(Ok(heading))).chain(local.log(&run, follow)))
            }
        };
        stream::iter(0..months).filter_map(begun).flatten().boxed()
    }

    /// A month that has begun, and its run; with `follow` it is waited for. `None` if it never did.
    async fn begun(&self, name: &str, at: usize, follow: bool) -> Option<(String, String)> {
        loop {
            {
                let jobs = self.0.jobs.lock().await;
                let job = &jobs.all.get(name)?.job;
                let month = job.months.get(at)?;
                let run = job.run_of(month.month);
                let has_log = jobs.ended.contains_key(&run) || self.0.store.file(Place::JobLog(&run)).is_file();
                if has_log {
                    return Some((month.month.to_string(), run));
                }
                if month.state.is_over() || job.state.is_over() || !follow {
                    return None;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
