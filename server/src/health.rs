//! Whether the server lives, whether it can do its work, and what it has to tell in numbers.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use pipeline::{
    period::PeriodId,
    record::{RunOutcome, RunRecord},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use serde_json::{Value, json};

use crate::{app::App, error::ApiError, index::Contents, launcher::JobState};

/// Whether the process answers
#[utoipa::path(get, path = "/healthz", tag = "server", responses((status = 200, body = Object)))]
pub async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether the store can be read
#[utoipa::path(get, path = "/readyz", tag = "server",
    responses((status = 200, body = Object), (status = 503, body = crate::error::Problem)))]
pub async fn readyz(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    app.store.reachable().await?;
    app.index.contents().await?;
    Ok(Json(json!({ "status": "ready" })))
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMonth {
    month: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPeriod {
    period: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    state: &'static str,
}

/// Months of which is told whether they are published.
const MONTHS: usize = 24;

fn kind(run: &RunRecord) -> &'static str {
    match run.period {
        Some(PeriodId::Month(_)) => "month",
        Some(PeriodId::Range(_)) => "range",
        // A run that has failed knows only its days.
        None => match pipeline::period::ReportPeriod::new(run.first, run.last, run.last) {
            Ok(days) if days.is_whole_month() => "month",
            _ => "range",
        },
    }
}

/// Numbers for Prometheus
///
/// Everything follows from what the store remembers, so that a restart of the server changes nothing.
#[utoipa::path(get, path = "/metrics", tag = "server", responses((status = 200, content_type = "application/openmetrics-text", body = String)))]
pub async fn metrics(State(app): State<App>) -> Result<Response, ApiError> {
    let contents = app.index.contents().await?;
    let jobs = app.launcher.list().await?;
    let mut registry = Registry::with_prefix("report");
    runs(&contents, &mut registry);
    editions(&contents, &mut registry);
    let states = Family::<OfState, Gauge>::default();
    for state in [JobState::Queued, JobState::Running] {
        let name = if state == JobState::Queued { "queued" } else { "running" };
        let count = jobs.iter().filter(|job| job.state == state).count();
        states.get_or_create(&OfState { state: name }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    registry.register("jobs", "Jobs that wait or run", states);
    if let Some(free) = app.store.room() {
        let room = Gauge::<i64>::default();
        room.set(i64::try_from(free).unwrap_or(i64::MAX));
        registry.register_with_unit("store_free", "Room left on the store's file system", Unit::Bytes, room);
    }
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|e| ApiError::later(e.to_string(), 10))?;
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Of the runs that are remembered.
fn runs(contents: &Contents, registry: &mut Registry) {
    let count = Family::<Kind, Gauge>::default();
    let seconds = Family::<OfKind, Histogram>::new_with_constructor(|| {
        Histogram::new([1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0])
    });
    let rows = Family::<OfKind, Gauge>::default();
    let success = Family::<OfKind, Gauge>::default();
    for run in &contents.runs {
        let kind = kind(run);
        let outcome = match run.outcome {
            RunOutcome::Published => "published",
            RunOutcome::Unchanged => "unchanged",
            RunOutcome::Failed => "failed",
        };
        count.get_or_create(&Kind { kind, outcome }).inc();
        if run.outcome != RunOutcome::Failed {
            seconds.get_or_create(&OfKind { kind }).observe(run.ended.duration_since(run.began).as_secs_f64());
            rows.get_or_create(&OfKind { kind }).inc_by(i64::try_from(run.rows.unwrap_or(0)).unwrap_or(0));
            let last = success.get_or_create(&OfKind { kind });
            last.set(last.get().max(run.ended.as_second()));
        }
    }
    registry.register("runs", "Runs that the store remembers, at most the last thousand", count);
    registry.register_with_unit("run_duration", "Time of those that ended well", Unit::Seconds, seconds);
    registry.register("run_rows", "Tickets of those that ended well", rows);
    registry.register_with_unit("last_success_timestamp", "When the last one ended well", Unit::Seconds, success);
}

/// Of the editions.
fn editions(contents: &Contents, registry: &mut Registry) {
    let bytes = Gauge::<i64>::default();
    bytes.set(i64::try_from(contents.bytes).unwrap_or(i64::MAX));
    registry.register_with_unit("store", "Size of all editions", Unit::Bytes, bytes);
    let number = Gauge::<i64>::default();
    number.set(i64::try_from(contents.editions.len()).unwrap_or(i64::MAX));
    registry.register("editions", "Editions in the store", number);
    let damaged = Gauge::<i64>::default();
    damaged.set(i64::try_from(contents.damaged.len()).unwrap_or(i64::MAX));
    registry.register("damaged_manifests", "Manifests that can't be read", damaged);

    let mut newest = BTreeMap::new();
    for edition in contents.editions.values() {
        newest.insert(edition.period, edition);
    }
    let published = Family::<OfMonth, Gauge>::default();
    let failed = Family::<OfPeriod, Gauge>::default();
    let months = newest.values().filter(|edition| matches!(edition.period, PeriodId::Month(_))).rev().take(MONTHS);
    for edition in months {
        let month = edition.period.to_string();
        failed.get_or_create(&OfPeriod { period: month.clone() }).set(edition.controls.1.into());
        published.get_or_create(&OfMonth { month }).set(1);
    }
    registry.register("month_published", "Months that have an edition, the last 24 of them", published);
    registry.register("failed_controls", "Controls that don't hold, of these months' newest editions", failed);
}
