//! The built command, run as people run it: in a folder of its own, with nothing in its environment but what the test
//! puts there.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{database::Database, store_folder::StoreFolder, waiting};

/// No run of the command may take longer.
const LONGEST: Duration = Duration::from_secs(120);

/// The command that was built beside the tests, whose own folder is `deps`, or beside another program.
///
/// # Panics
/// When it isn't there.
#[must_use]
pub fn command() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().unwrap();
    let folder = if folder.ends_with("deps") { folder.parent().unwrap() } else { folder };
    let command = folder.join("ticketing-report");
    assert!(
        command.is_file(),
        "{} is missing: build the whole workspace first, with `cargo build --release --workspace --tests`",
        command.display()
    );
    command
}

/// A folder to run the command in; gone when dropped.
#[derive(Debug)]
pub struct Workplace(TempDir);

impl Default for Workplace {
    fn default() -> Self {
        Self::new()
    }
}

impl Workplace {
    /// An empty folder.
    ///
    /// # Panics
    /// When the system gives none.
    #[must_use]
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("workplace-").tempdir().unwrap())
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The store that is used when none is named.
    #[must_use]
    pub fn store(&self) -> StoreFolder {
        StoreFolder::new(self.file("reports"))
    }

    /// The names of what is in the folder, sorted.
    ///
    /// # Panics
    /// When it can't be read.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let entries = self.path().read_dir().unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The command with arguments, ready to be run.
    #[must_use]
    pub fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Run {
        let mut run = Command::new(command());
        run.args(arguments).current_dir(self.path()).env_clear();
        for kept in ["PATH", "HOME", "TMPDIR"] {
            if let Some(value) = std::env::var_os(kept) {
                run.env(kept, value);
            }
        }
        run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Run(run)
    }

    /// The command with arguments and a database.
    #[must_use]
    pub fn with(&self, database: &Database, arguments: &[impl AsRef<OsStr>]) -> Run {
        self.command(arguments).env("DATABASE_URL", &database.url())
    }

    /// Runs the command, which must succeed.
    #[track_caller]
    pub fn succeed(&self, database: &Database, arguments: &[impl AsRef<OsStr>]) -> Ended {
        self.with(database, arguments).finish().succeeded()
    }
}

/// A command that isn't started yet.
#[derive(Debug)]
pub struct Run(Command);

impl Run {
    /// The same with a variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(mut self) -> Running {
        let began = Instant::now();
        let mut child = self.0.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let stdout = thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            text
        });
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (stderr, to) = (child.stderr.take().unwrap(), Arc::clone(&lines));
        let stderr = thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                to.lock().unwrap_or_else(PoisonError::into_inner).push(line.unwrap());
            }
        });
        Running { child, began, stdout: Some(stdout), stderr: Some(stderr), lines }
    }

    /// Runs it to its end.
    #[must_use]
    pub fn finish(self) -> Ended {
        self.start().finish()
    }
}

/// A command that runs. It is killed if it is dropped before its end.
#[derive(Debug)]
pub struct Running {
    child: Child,
    began: Instant,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<()>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Running {
    /// Sends it a signal by its name.
    ///
    /// # Panics
    /// When it can't be sent.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "no signal {name}");
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// When the system doesn't tell.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has told an event that is as wanted.
    ///
    /// # Panics
    /// When it doesn't.
    pub fn until_event(&self, what: &str, wanted: impl Fn(&Value) -> bool) {
        waiting::until(what, || {
            let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.iter().filter_map(|line| serde_json::from_str(line).ok()).any(|event| wanted(&event)).then_some(())
        });
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it takes too long.
    #[must_use]
    pub fn finish(mut self) -> Ended {
        let deadline = self.began + LONGEST;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
                panic!("the command doesn't end; it said\n{lines}");
            }
            thread::sleep(Duration::from_millis(2));
        };
        let took = self.began.elapsed();
        let stdout = self.stdout.take().unwrap().join().unwrap();
        self.stderr.take().unwrap().join().unwrap();
        let stderr = std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
        Ended { status, took, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command came to.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// After how long.
    pub took: Duration,
    /// What it wrote to stdout.
    pub stdout: String,
    /// The lines that it wrote to stderr.
    pub stderr: Vec<String>,
}

impl Ended {
    /// The exit code, unless a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The same, if it has succeeded.
    ///
    /// # Panics
    /// When it hasn't.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code(), Some(0), "{}\n{}", self.stdout, self.stderr.join("\n"));
        self
    }

    /// The last line on stdout.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_else(|| panic!("nothing on stdout; on stderr {:?}", self.stderr))
    }

    /// The events that it told.
    ///
    /// # Panics
    /// When a line on stderr isn't one.
    #[must_use]
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        self.stderr.iter().map(parse).collect()
    }

    /// The messages of its warnings.
    ///
    /// # Panics
    /// When a line on stderr isn't an event.
    #[must_use]
    #[track_caller]
    pub fn warnings(&self) -> Vec<String> {
        let events = self.events().into_iter().filter(|event| event["event"] == "warning");
        events.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
    }

    /// The message of a run that was told to be quiet and must have failed with this code, in one line on stderr and
    /// nothing on stdout.
    ///
    /// # Panics
    /// When it ended otherwise.
    #[must_use]
    #[track_caller]
    pub fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code(), Some(code), "{}\n{}", self.stdout, self.stderr.join("\n"));
        assert_eq!(self.stdout, "");
        assert_eq!(self.stderr.len(), 1, "more than one line: {:#?}", self.stderr);
        self.stderr[0].strip_prefix("ticketing-report: ").unwrap_or_else(|| panic!("{}", self.stderr[0]))
    }
}
