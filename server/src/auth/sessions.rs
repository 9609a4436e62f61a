//! Sign-ins of the page. They live in memory, for half a day: after a restart people sign in again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use pipeline::hashed::hex;
use rand::RngExt;

/// How long a sign-in lasts.
pub const LASTING: Duration = Duration::from_secs(12 * 60 * 60);

/// More than these at once push out the oldest.
const MOST: usize = 10_000;

/// The cookie's name.
pub const COOKIE: &str = "report_session";

/// All sign-ins: the digest of the token that each was made with, so that one whose token is taken away ends.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<String, (String, Instant)>>);

impl Sessions {
    /// Begins one; gives its id.
    pub fn begin(&self, token_digest: &str) -> String {
        let id = hex(&rand::rng().random::<[u8; 32]>());
        let now = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, began)| now.duration_since(*began) < LASTING);
        if all.len() >= MOST
            && let Some(oldest) = all.iter().min_by_key(|(_, (_, began))| *began).map(|(id, _)| id.clone())
        {
            all.remove(&oldest);
        }
        all.insert(id.clone(), (token_digest.to_owned(), now));
        id
    }

    /// The digest of the token that a session was begun with.
    #[must_use]
    pub fn token(&self, id: &str) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(id).filter(|(_, began)| began.elapsed() < LASTING).map(|(token, _)| token.clone())
    }

    /// Ends one.
    pub fn end(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}
