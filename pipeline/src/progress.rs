//! What a run tells while it works: bars for people on a terminal, JSON lines for programs, nothing when asked to be
//! quiet. All of it goes to stderr; stdout is for data.

use std::{
    collections::HashMap,
    fmt,
    io::{IsTerminal, Write},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use jiff::Timestamp;
use serde::Serialize;

/// How often a stage that goes on reports itself as a line.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// What happens in a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// A run begins.
    Started {
        /// The run's id.
        run: &'a str,
        /// First day of the period.
        first: String,
        /// Last day of the period.
        last: String,
        /// The database, without its password.
        source: String,
        /// The store's address.
        store: String,
    },
    /// A stage has got so far.
    Progress {
        /// The stage's name.
        stage: &'a str,
        /// Rows so far.
        rows: u64,
        /// Rows there will be, where that is known.
        of: Option<u64>,
        /// Bytes written so far, where there are any.
        bytes: Option<u64>,
    },
    /// A stage is done.
    Finished {
        /// The stage's name.
        stage: &'a str,
        /// Its rows.
        rows: u64,
        /// Its bytes, where it writes any.
        bytes: Option<u64>,
        /// Its wall time in seconds.
        seconds: f64,
    },
    /// Something a reader of the numbers should know.
    Warning {
        /// In words.
        message: &'a str,
    },
    /// The run has ended well.
    Done {
        /// `published`, or `unchanged` when the newest edition holds the same data.
        outcome: &'a str,
        /// The period's id.
        period: String,
        /// The edition's number.
        edition: u32,
        /// Tickets.
        rows: u64,
        /// The workbook's name in the store.
        report: String,
    },
    /// The run has failed.
    Failed {
        /// In words, with the remedy.
        message: &'a str,
        /// The exit code.
        code: u8,
    },
}

enum Form {
    Bars { all: MultiProgress, bars: HashMap<String, ProgressBar> },
    Lines { last: HashMap<String, Instant> },
    Quiet,
}

/// Where events go. Shared by a run's threads.
pub struct Reporter(Mutex<Form>);

impl Reporter {
    /// Bars if stderr is a terminal, else JSON lines.
    #[must_use]
    pub fn for_stderr() -> Self {
        if std::io::stderr().is_terminal() {
            Self(Mutex::new(Form::Bars { all: MultiProgress::new(), bars: HashMap::new() }))
        } else {
            Self::lines()
        }
    }

    /// One JSON line for each event.
    #[must_use]
    pub fn lines() -> Self {
        Self(Mutex::new(Form::Lines { last: HashMap::new() }))
    }

    /// Nothing but failures.
    #[must_use]
    pub fn quiet() -> Self {
        Self(Mutex::new(Form::Quiet))
    }

    /// Tells one event.
    pub fn tell(&self, event: &Event<'_>) {
        let mut form = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *form {
            Form::Quiet => {
                if let Event::Failed { message, .. } = event {
                    let _ = writeln!(std::io::stderr(), "ticketing-report: {message}");
                }
            }
            Form::Lines { last } => {
                if let Event::Progress { stage, .. } = event {
                    let now = Instant::now();
                    let due = last.get(*stage).is_none_or(|then| now - *then >= LINE_EVERY);
                    if !due {
                        return;
                    }
                    last.insert((*stage).to_owned(), now);
                }
                line(event);
            }
            Form::Bars { all, bars } => show(event, all, bars),
        }
    }
}

fn line(event: &Event<'_>) {
    #[derive(Serialize)]
    struct Line<'a> {
        time: Timestamp,
        #[serde(flatten)]
        event: &'a Event<'a>,
    }
    if let Ok(text) = serde_json::to_string(&Line { time: Timestamp::now(), event }) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

fn show(event: &Event<'_>, all: &MultiProgress, bars: &mut HashMap<String, ProgressBar>) {
    let mut bar = |stage: &str, of: Option<u64>| {
        let bar = bars.entry(stage.to_owned()).or_insert_with(|| {
            let template = match of {
                Some(_) => "{prefix:10} {bar:30} {human_pos:>11} of {human_len} rows  {rate:>16}  {msg}",
                None => "{prefix:10} {spinner:30} {human_pos:>11} rows  {rate:>16}  {msg}",
            };
            let rate = |state: &ProgressState, to: &mut dyn fmt::Write| {
                // Whole rows; that a bar can't be written is no concern of the run.
                let _ = write!(to, "{} rows/s", HumanCount(state.per_sec() as u64));
            };
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let style = style.with_key("rate", rate);
            let bar = of.map_or_else(ProgressBar::no_length, ProgressBar::new).with_style(style);
            all.add(bar).with_prefix(stage.to_owned())
        });
        bar.clone()
    };
    let size = |bytes: Option<u64>| bytes.map(|b| indicatif::HumanBytes(b).to_string()).unwrap_or_default();
    match event {
        Event::Progress { stage, rows, of, bytes } => {
            let bar = bar(stage, *of);
            bar.set_position(*rows);
            bar.set_message(size(*bytes));
        }
        Event::Finished { stage, rows, bytes, .. } => {
            let bar = bar(stage, None);
            bar.set_position(*rows);
            bar.finish_with_message(size(*bytes));
        }
        Event::Warning { message } => {
            let _ = all.println(format!("warning: {message}"));
        }
        Event::Failed { message, .. } => {
            for bar in bars.values() {
                bar.abandon();
            }
            let _ = writeln!(std::io::stderr(), "ticketing-report: {message}");
        }
        Event::Started { first, last, source, .. } => {
            let _ = all.println(format!("Reporting {first} to {last} from {source}"));
        }
        Event::Done { .. } => {}
    }
}
