//! Sending a file: whole or in part, under a strong ETag, one version of it to the end.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, TryStreamExt};
use headers::{
    AcceptRanges, ContentLength, ContentRange, ETag, HeaderMapExt, IfMatch, IfNoneMatch, IfRange, LastModified,
};
use pipeline::{
    hashed::hex,
    store::{Opened, Place, Store, StoreError},
};
use sha2::{Digest, Sha256};

use crate::{app::App, error::ApiError};

/// The media type of workbooks.
pub const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// The media type of Parquet files.
pub const PARQUET: &str = "application/vnd.apache.parquet";

/// A file to be sent.
#[derive(Debug)]
pub struct File<'a> {
    /// Its name for whoever keeps it.
    pub name: &'a str,
    /// Its media type.
    pub media: &'static str,
    /// The object, opened.
    pub object: Opened,
    /// SHA-256 of just this version, in hexadecimal.
    pub sha256: String,
}

impl File<'_> {
    /// The answer to a request with such a method and headers.
    ///
    /// # Errors
    /// 412, 416, 503 when there are too many downloads, and when the store fails.
    pub async fn answer(self, app: &App, method: &Method, headers: &HeaderMap) -> Result<Response, ApiError> {
        let size = self.object.size();
        let tag: ETag = format!("\"{}\"", self.sha256)
            .parse()
            .map_err(|_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "no ETag"))?;
        let modified =
            LastModified::from(UNIX_EPOCH + Duration::from_secs(self.object.modified().as_second().unsigned_abs()));
        let mut own = HeaderMap::new();
        own.typed_insert(tag.clone());
        own.typed_insert(modified);
        own.typed_insert(AcceptRanges::bytes());
        own.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        if headers.typed_get::<IfMatch>().is_some_and(|wanted| !wanted.precondition_passes(&tag)) {
            return Err(ApiError::new(StatusCode::PRECONDITION_FAILED, "the file is another one by now: load it anew"));
        }
        if headers.typed_get::<IfNoneMatch>().is_some_and(|known| !known.precondition_passes(&tag)) {
            return Ok((StatusCode::NOT_MODIFIED, own).into_response());
        }
        let same = headers.typed_get::<IfRange>().is_none_or(|known| !known.is_modified(Some(&tag), Some(&modified)));
        let wanted = headers.get(header::RANGE).and_then(|wanted| wanted.to_str().ok());
        let wanted = wanted.filter(|_| same && method == Method::GET);
        let part = match wanted.map(|wanted| part(wanted, size)).transpose() {
            Ok(part) => part.flatten(),
            Err(()) => {
                let message = format!("the file has {size} bytes: ask for a range within it");
                return Err(ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, message)
                    .with(header::CONTENT_RANGE, &format!("bytes */{size}")));
            }
        };
        let range = part.clone().unwrap_or(0..size);
        own.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media));
        own.typed_insert(ContentLength(range.end - range.start));
        own.insert(header::CONTENT_DISPOSITION, disposition(self.name));
        let status = if part.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        if let Some(part) = part
            && let Ok(of) = ContentRange::bytes(part, size)
        {
            own.typed_insert(of);
        }
        if method == Method::HEAD {
            return Ok((status, own).into_response());
        }
        let place = app.limits.download()?;
        let bytes = self.object.bytes(range).await?;
        // The place is given back when the last piece is sent, or whoever asked has gone.
        let bytes = bytes.inspect_ok(move |_| {
            let _ = &place;
        });
        Ok((status, own, Body::from_stream(bytes)).into_response())
    }
}

/// The one part that is asked for; `None` for several and for what isn't understood, which get the whole.
fn part(wanted: &str, size: u64) -> Result<Option<Range<u64>>, ()> {
    let Some((from, to)) = wanted.strip_prefix("bytes=").and_then(|parts| parts.trim().split_once('-')) else {
        return Ok(None);
    };
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().unwrap_or(u64::MAX));
    let range = match (from, to) {
        ("", "") => return Ok(None),
        ("", last) => number(last).map(|last| size.saturating_sub(last)..size),
        (from, "") => number(from).map(|from| from..size),
        (from, to) => match (number(from), number(to)) {
            (Some(from), Some(to)) if from <= to => Some(from..to.saturating_add(1).min(size)),
            _ => None,
        },
    };
    match range {
        Some(range) if range.is_empty() => Err(()),
        range => Ok(range),
    }
}

/// The name under which a browser keeps the file, in both forms. Names of the store have no character that would have
/// to be escaped in the first.
fn disposition(name: &str) -> HeaderValue {
    let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    let plain: String = name.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\')).collect();
    HeaderValue::from_str(&format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"))
        .unwrap_or(HeaderValue::from_static("attachment"))
}

/// SHA-256 of files whose names can come to stand for other files, for each version of them.
#[derive(Debug, Default)]
pub struct Digests {
    known: Mutex<HashMap<(String, String), String>>,
    /// One at a time: a thousand that ask for the same file wait for one reading of it.
    reading: tokio::sync::Mutex<()>,
}

/// More versions than these aren't remembered.
const REMEMBERED: usize = 10_000;

impl Digests {
    /// Opens a file of the root with its digest; `None` where there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn opened(&self, store: &Store, place: Place<'_>) -> Result<Option<(Opened, String)>, StoreError> {
        let Some(object) = store.opened(place).await? else { return Ok(None) };
        if let Some(known) = self.known(place, &object) {
            return Ok(Some((object, known)));
        }
        let _one = self.reading.lock().await;
        if let Some(known) = self.known(place, &object) {
            return Ok(Some((object, known)));
        }
        // What is read may be a later version than the one just opened: both are opened from here on.
        let Some(read) = store.opened(place).await? else { return Ok(None) };
        let key = (place.path().to_string(), read.version());
        let size = read.size();
        let mut pieces = read.bytes(0..size).await?;
        let mut hash = Sha256::new();
        while let Some(piece) = pieces.next().await {
            hash.update(&piece?);
        }
        let sha256 = hex(&hash.finalize());
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(key, sha256.clone());
        }
        let Some(object) = store.opened(place).await? else { return Ok(None) };
        match self.known(place, &object) {
            Some(known) => Ok(Some((object, known))),
            // Replaced again in this moment.
            None => Err(StoreError::Object {
                place: place.path().to_string(),
                reason: "it is being replaced".to_owned(),
                full: false,
            }),
        }
    }

    fn known(&self, place: Place<'_>, object: &Opened) -> Option<String> {
        let key = (place.path().to_string(), object.version());
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }
}
