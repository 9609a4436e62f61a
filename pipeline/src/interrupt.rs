//! Ctrl-C and SIGTERM: end within two seconds, leave nothing behind.
//!
//! A run registers what must be undone while it lasts. On a signal uploads are given up, our backends in the database
//! are ended, half-made files are removed, and the process exits with 128 and the signal's number. What a run has
//! already committed stays: the next one finishes its names.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
        mpsc,
    },
    time::Duration,
};

use tokio::runtime::Runtime;
use url::Url;

use crate::{period::PeriodId, publish, source::cancel_backends, store::Store};

/// How long the database may take to end our backends.
const CANCEL_WITHIN: Duration = Duration::from_millis(1200);

/// Held while something is done that must be done wholly or not at all, and by a signal from its arrival to the end.
static WHOLE: Mutex<()> = Mutex::new(());

/// The exit code that the signal which has arrived asks for; 0 before.
static CODE: AtomicU8 = AtomicU8::new(0);

static UNDO: Mutex<Undo> = Mutex::new(Undo { half_made: Vec::new(), backends: None });

#[derive(Default)]
struct Undo {
    half_made: Vec<Arc<Half>>,
    backends: Option<(Url, String, String)>,
}

#[derive(Debug)]
enum Half {
    Path(PathBuf),
    Claim(Store, PeriodId, u32, String),
}

/// A half-made file or folder, or a claim, that is removed when this goes out of scope, or when a signal ends the
/// process.
#[derive(Debug)]
pub struct HalfMade(Arc<Half>);

impl HalfMade {
    /// Registers a path that may or may not exist yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self::register(Half::Path(path))
    }

    /// Registers the claim on an edition's number that `owner` has made or is about to make.
    #[must_use]
    pub fn claim(store: &Store, period: PeriodId, number: u32, owner: &str) -> Self {
        Self::register(Half::Claim(store.clone(), period, number, owner.to_owned()))
    }

    /// What was half made is finished, or gone already.
    pub fn forget(self) {
        UNDO.lock().unwrap_or_else(PoisonError::into_inner).half_made.retain(|half| !Arc::ptr_eq(half, &self.0));
        std::mem::forget(self);
    }

    fn register(half: Half) -> Self {
        let half = Arc::new(half);
        UNDO.lock().unwrap_or_else(PoisonError::into_inner).half_made.push(Arc::clone(&half));
        Self(half)
    }
}

impl Drop for HalfMade {
    fn drop(&mut self) {
        self.0.remove();
        UNDO.lock().unwrap_or_else(PoisonError::into_inner).half_made.retain(|half| !Arc::ptr_eq(half, &self.0));
    }
}

impl Half {
    fn remove(&self) {
        match self {
            Self::Path(path) => remove(path),
            Self::Claim(store, period, number, owner) => {
                Store::undo(publish::give_back(store, *period, *number, owner))
            }
        }
    }
}

fn remove(path: &Path) {
    // The run's other threads may put one more file into a folder while it is being emptied. What can't be removed for
    // another reason nobody could mend now.
    for _ in 0..50 {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        if removed.is_ok() || !path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Does something that a signal must not find half done. Has to take milliseconds: the signal waits.
pub fn wholly<T>(act: impl FnOnce() -> T) -> T {
    let _whole = WHOLE.lock().unwrap_or_else(PoisonError::into_inner);
    act()
}

/// The exit code that a signal has asked for, if one has arrived: whatever fails from then on fails because of it.
#[must_use]
pub fn code() -> Option<u8> {
    Some(CODE.load(Ordering::Relaxed)).filter(|&code| code != 0)
}

/// Registers the connections that this run opens in a PostgreSQL server.
pub fn backends(url: &Url, address: &str, name: &str) {
    UNDO.lock().unwrap_or_else(PoisonError::into_inner).backends =
        Some((url.clone(), address.to_owned(), name.to_owned()));
}

/// Watches for signals, from a thread of its own.
pub fn watch() {
    std::thread::spawn(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        let code = runtime.block_on(signal());
        CODE.store(code, Ordering::Relaxed);
        let _whole = WHOLE.lock().unwrap_or_else(PoisonError::into_inner);
        undo(&runtime);
        std::process::exit(code.into());
    });
}

#[cfg(unix)]
async fn signal() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    }
}

#[cfg(not(unix))]
async fn signal() -> u8 {
    match tokio::signal::ctrl_c().await {
        Ok(()) => 130,
        Err(_) => std::future::pending().await,
    }
}

fn undo(runtime: &Runtime) {
    let undo = std::mem::take(&mut *UNDO.lock().unwrap_or_else(PoisonError::into_inner));
    let cancelled = undo.backends.map(|(url, address, name)| {
        let (done, cancelled) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = done.send(cancel_backends(&url, &address, &name));
        });
        cancelled
    });
    runtime.block_on(Store::give_up_uploads());
    if let Some(cancelled) = cancelled {
        // A server that doesn't answer notices the closed connections by itself, later.
        let _ = cancelled.recv_timeout(CANCEL_WITHIN);
    }
    undo.half_made.iter().for_each(|half| half.remove());
}
