//! Waiting for something to come about, with a deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take that should be a matter of moments, on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// Looks again and again until there is something, and gives it.
///
/// # Panics
/// When there is nothing [`SOON`].
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "after {SOON:?} still not: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
