//! What goes around every answer: a request's id, headers that browsers heed, an end to what takes too long, a line in
//! the log without names, addresses or anything else of a person.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use pipeline::hashed::hex;

use crate::error::ApiError;

/// How long an answer may take to begin.
const LONGEST: Duration = Duration::from_secs(30);

/// Bytes of all headers of a request. The connection's own limit is higher, but its refusal has no words.
const HEADER_BYTES: usize = 16 * 1024;

/// Everything comes from this server; nothing is written into pages for the browser to run.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Puts it around.
pub async fn envelope(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = hex(&rand::random::<[u8; 8]>());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let size: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let mut response = if size > HEADER_BYTES {
        let message = format!("the headers have {size} bytes: send at most {HEADER_BYTES}");
        ApiError::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message).into_response()
    } else {
        match tokio::time::timeout(LONGEST, AssertUnwindSafe(next.run(request)).catch_unwind()).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                let message = format!("a fault in the server, please report it with the request's id {id}");
                ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
            }
            Err(_) => ApiError::later("the answer took too long: try again in a minute", 30).into_response(),
        }
    };
    let status = response.status().as_u16();
    let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(id, %method, route = route.as_deref().unwrap_or("none"), status, milliseconds, "answered");
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "same-origin");
    set(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY);
    set(header::CACHE_CONTROL, "no-store");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    response
}
