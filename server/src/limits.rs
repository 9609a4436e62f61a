//! How much at once: requests of one sender, downloads.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc};

use axum::http::{StatusCode, header};
use governor::{DefaultKeyedRateLimiter, Quota};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// Requests in a burst, in seconds' worth.
const BURST: u32 = 20;

/// The limits.
#[derive(Debug)]
pub struct Limits {
    rate: DefaultKeyedRateLimiter<String>,
    downloads: Arc<Semaphore>,
}

impl Limits {
    /// So many requests a second for each sender, and so many downloads at once.
    #[must_use]
    pub fn new(rate: u32, downloads: u16) -> Self {
        let rate = NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(rate).allow_burst(rate.saturating_mul(NonZeroU32::MIN.saturating_add(BURST - 1)));
        Self {
            rate: DefaultKeyedRateLimiter::keyed(quota),
            downloads: Arc::new(Semaphore::new(usize::from(downloads))),
        }
    }

    /// Counts a request of a token, or of an address.
    ///
    /// # Errors
    /// 429 when there are too many.
    pub fn rate(&self, token: Option<&str>, from: IpAddr) -> Result<(), ApiError> {
        let key = token.map_or_else(|| from.to_string(), |token| format!("token {token}"));
        self.rate.check_key(&key).map_err(|_| {
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too many requests: wait a second")
                .with(header::RETRY_AFTER, "1")
        })
    }

    /// Forgets senders of whom nothing has been heard.
    pub fn tidy(&self) {
        self.rate.retain_recent();
        self.rate.shrink_to_fit();
    }

    /// A place among the downloads, to be kept until its end.
    ///
    /// # Errors
    /// 503 when all are taken.
    pub fn download(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.downloads)
            .try_acquire_owned()
            .map_err(|_| ApiError::later("too many downloads at once: try again in some seconds", 2))
    }
}
