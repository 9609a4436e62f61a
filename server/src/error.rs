//! What a request gets when it can't have what it asks for: JSON for programs, a page for browsers.

use axum::{
    Json,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use pipeline::{period::PeriodError, store::StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::{Who, guard::wants_page},
    launcher::LaunchError,
    page::{
        self,
        view::{ProblemView, Viewer},
    },
};

/// The body of every answer that isn't a success: what people rely on, and what RFC 9457 asks for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What is wrong, with the value, and what to do.
    pub error: String,
    /// The kind of problem; the status says enough.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The status.
    pub status: u16,
    /// As `error`.
    pub detail: String,
}

/// An answer that isn't a success.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    instead: Option<Box<Response>>,
}

impl ApiError {
    /// With a status and what is wrong.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), headers: Vec::new(), instead: None }
    }

    /// An answer of another form.
    #[must_use]
    pub fn instead(response: Response) -> Self {
        Self { instead: Some(Box::new(response)), ..Self::new(StatusCode::SEE_OTHER, "") }
    }

    /// 400.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 503, to be tried again after some seconds.
    pub fn later(message: impl Into<String>, seconds: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message).with(header::RETRY_AFTER, &seconds.to_string())
    }

    /// With a header more.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(response) = self.instead {
            return *response;
        }
        let title = self.status.canonical_reason().unwrap_or("Error");
        let problem = Problem {
            error: self.message.clone(),
            kind: "about:blank",
            title,
            status: self.status.as_u16(),
            detail: self.message.clone(),
        };
        let mut response = (self.status, Json(&problem)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().extend(self.headers);
        response.extensions_mut().insert(Shown(title, self.message));
        response
    }
}

/// What a page says of a problem.
#[derive(Debug, Clone)]
struct Shown(&'static str, String);

/// Gives browsers a page in place of a problem's JSON.
pub async fn as_page(request: Request, next: Next) -> Response {
    let page = wants_page(&request);
    let from = came_from(request.headers()).map(str::to_owned);
    let response = next.run(request).await;
    match response.extensions().get::<Shown>().cloned().filter(|_| page) {
        None => response,
        Some(Shown(title, message)) => {
            let status = response.status();
            let viewer = response.extensions().get::<Who>().map(Viewer::of);
            let problem = ProblemView { viewer, status: status.as_u16(), title, detail: message, from };
            let mut shown = (status, page::problem::problem(&problem)).into_response();
            let headers = response
                .headers()
                .iter()
                .filter(|(name, _)| !matches!(**name, header::CONTENT_TYPE | header::CONTENT_LENGTH));
            shown.headers_mut().extend(headers.map(|(name, value)| (name.clone(), value.clone())));
            shown
        }
    }
}

/// The page of this server from which a browser came.
fn came_from(headers: &HeaderMap) -> Option<&str> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let path = text(header::REFERER)?.split_once("://")?.1.strip_prefix(text(header::HOST)?)?;
    path.starts_with('/').then_some(path)
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoEdition { .. } => Self::not_found(error.to_string()),
            StoreError::Period(error) => error.into(),
            // Where the store lies is no business of those who only read reports.
            StoreError::Folder { .. } | StoreError::Object { .. } => {
                tracing::error!(%error, "the store failed");
                Self::later("the store of reports can't be read at the moment: try again in a minute", 30)
            }
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }
}

impl From<PeriodError> for ApiError {
    fn from(error: PeriodError) -> Self {
        Self::bad(error.to_string())
    }
}

impl From<LaunchError> for ApiError {
    fn from(error: LaunchError) -> Self {
        let message = error.to_string();
        match error {
            LaunchError::Full { .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, message).with(header::RETRY_AFTER, "60")
            }
            LaunchError::KeyUsed(_) | LaunchError::Over(_) => Self::new(StatusCode::CONFLICT, message),
            LaunchError::NotFound(_) => Self::not_found(message),
            LaunchError::Refused(_) => Self::new(StatusCode::BAD_GATEWAY, message),
            LaunchError::Unavailable(_) => Self::later(message, 30),
            LaunchError::Store(error) => error.into(),
        }
    }
}
