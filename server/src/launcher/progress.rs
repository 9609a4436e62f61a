//! What a run tells in its log, line by line.

use std::path::Path;

use jiff::civil::Date;
use serde::Deserialize;

use super::{Job, local::read_from};

/// A line of the report command's that says something about how far it is.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Started {
        run: String,
        first: Date,
        last: Date,
    },
    Progress {
        stage: String,
        rows: u64,
        of: Option<u64>,
    },
    Finished {
        stage: String,
        rows: u64,
    },
    Failed {
        message: String,
    },
    #[serde(other)]
    Other,
}

/// How far a run has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    at: u64,
    rest: Vec<u8>,
    stage: Option<String>,
    rows: Option<u64>,
    of: Option<u64>,
    failure: Option<String>,
    started: Option<(String, Date, Date)>,
}

impl Progress {
    /// Reads what has been written since; says whether there was anything.
    pub(super) fn read(&mut self, path: &Path) -> bool {
        let before = self.at;
        loop {
            let piece = read_from(path, self.at);
            if piece.is_empty() {
                return self.at > before;
            }
            self.at += piece.len() as u64;
            self.take(&piece);
        }
    }

    /// Takes in what a run has written.
    pub(super) fn take(&mut self, piece: &[u8]) {
        self.rest.extend_from_slice(piece);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            if let Ok(line) = serde_json::from_slice(&line) {
                self.hear(line);
            }
        }
    }

    fn hear(&mut self, line: Line) {
        match line {
            Line::Started { run, first, last } => self.started = Some((run, first, last)),
            Line::Progress { stage, rows, of } => {
                if stage == "tickets" {
                    (self.rows, self.of) = (Some(rows), of.or(self.of));
                }
                self.stage = Some(stage);
            }
            Line::Finished { stage, rows } => {
                if stage == "tickets" {
                    (self.rows, self.of) = (Some(rows), Some(rows));
                }
                self.stage = Some(stage);
            }
            Line::Failed { message } => self.failure = Some(message),
            Line::Other => {}
        }
    }

    /// Puts it into a job.
    pub(super) fn show(&self, job: &mut Job) {
        job.stage.clone_from(&self.stage);
        job.rows = self.rows;
        let share = |rows: u64, of: u64| u8::try_from(rows.min(of) * 100 / of.max(1)).unwrap_or(100);
        job.percent = self.rows.zip(self.of).map(|(rows, of)| share(rows, of));
    }

    /// Tickets read so far.
    pub(super) fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// Why the run says it has failed.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.clone()
    }

    /// The run's id and its days.
    pub(super) fn started(&self) -> Option<&(String, Date, Date)> {
        self.started.as_ref()
    }
}
