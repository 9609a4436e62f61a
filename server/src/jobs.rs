//! Starting, watching and ending jobs.

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use pipeline::{
    period::{self, NamedPeriod, PeriodError, ReportPeriod},
    record::{RunOutcome, RunRecord},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    audit::Entry,
    auth::Who,
    error::{ApiError, Problem},
    extract::{Nothing, Params, Segments},
    index::Contents,
    launcher::{Job, JobRequest, JobState, LaunchError, PeriodKind},
};

/// Where a job's answers are.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobLinks {
    /// Its state.
    #[serde(rename = "self")]
    this: String,
    /// Its log.
    logs: String,
    /// Its page.
    page: String,
}

/// A job with where to ask for it.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobAnswer {
    /// `Created` when it was just asked for; else `Queued`, `Running`, `Succeeded`, `Failed` or `Cancelled`.
    status: &'static str,
    #[serde(flatten)]
    job: Job,
    links: JobLinks,
}

impl JobAnswer {
    /// The answer to whoever has just asked for it.
    pub(crate) fn created(job: Job) -> Self {
        Self { status: "Created", ..job.into() }
    }
}

impl From<Job> for JobAnswer {
    fn from(job: Job) -> Self {
        let this = format!("/api/k8s/jobs/{}", job.job_name);
        let links = JobLinks { logs: format!("{this}/logs"), page: format!("/jobs/{}", job.job_name), this };
        let status = match job.state {
            JobState::Queued => "Queued",
            JobState::Running => "Running",
            JobState::Succeeded => "Succeeded",
            JobState::Failed => "Failed",
            JobState::Cancelled => "Cancelled",
        };
        Self { status, job, links }
    }
}

/// Jobs, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobsAnswer {
    jobs: Vec<JobAnswer>,
    count: usize,
}

/// The days of a report.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Days {
    /// First day, YYYY-MM-DD, inclusive; the 1st of this month without it.
    #[param(format = Date)]
    pub start_date: Option<String>,
    /// Last day, YYYY-MM-DD, inclusive; today without it.
    #[param(format = Date)]
    pub end_date: Option<String>,
    /// `true` makes a new edition even if the data hasn't changed.
    pub force: Option<bool>,
}

/// Nothing but what can be said of any job.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Again {
    /// `true` makes a new edition even if the data hasn't changed.
    force: Option<bool>,
}

/// The days that are meant, seen from today in the report's time zone; the dates come with the names by which whoever
/// asks knows them.
///
/// # Errors
/// When a date or their order is wrong.
pub fn days(
    app: &App,
    kind: PeriodKind,
    [(first_name, first), (last_name, last)]: [(&str, Option<&str>); 2],
) -> Result<ReportPeriod, PeriodError> {
    let today = app.zone.date_at(Timestamp::now());
    let named = match kind {
        PeriodKind::CurrentMonth => Some(NamedPeriod::CurrentMonth),
        PeriodKind::PreviousMonth => Some(NamedPeriod::PreviousMonth),
        PeriodKind::Custom | PeriodKind::Backfill => None,
    };
    if let Some(named) = named {
        return named.resolve(today);
    }
    let or = |given: Option<&str>, name, default| given.map_or(Ok(default), |text| period::date(name, text));
    let first = or(first, first_name, today.first_of_month())?;
    let last = or(last, last_name, today)?;
    ReportPeriod::new(first, last, today)
}

/// Asks the launcher for a job, and writes down who did.
///
/// # Errors
/// When the days are wrong or the job can't be accepted.
pub async fn launch(app: &App, who: &Who, request: &JobRequest) -> Result<Job, ApiError> {
    let started = app.launcher.start(request).await;
    let (what, outcome) = match &started {
        Ok(job) => (format!("{} {}", job.job_name, request.days), "accepted".to_owned()),
        Err(error) => (request.days.to_string(), error.to_string()),
    };
    app.audit.write(Entry::new(Some(who), "start", &what, &outcome));
    Ok(started?)
}

async fn started(
    app: &App,
    who: &Who,
    headers: &HeaderMap,
    kind: PeriodKind,
    asked: (Option<&str>, Option<&str>, bool),
) -> Result<Json<JobAnswer>, ApiError> {
    let (first, last, force) = asked;
    let idempotency_key = idempotency_key(headers)?;
    let days = days(app, kind, [("startDate", first), ("endDate", last)]).map_err(|error| match error {
        PeriodError::Date { .. } => error.into(),
        _ => ApiError::bad(format!("{error} (startDate and endDate, in the form YYYY-MM-DD)")),
    })?;
    let request = JobRequest { kind, days, force, idempotency_key, backfill: None };
    Ok(Json(JobAnswer::created(launch(app, who, &request).await?)))
}

/// What tells a repeated request from another one.
///
/// # Errors
/// When it has other characters than it may, or too many.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    match headers.get("idempotency-key").map(HeaderValue::to_str) {
        None => Ok(None),
        Some(Ok(key)) if (1..=200).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(Some(key.to_owned()))
        }
        Some(_) => Err(ApiError::bad("the header Idempotency-Key has 1 to 200 visible ASCII characters")),
    }
}

/// Report from the 1st of this month to today
#[utoipa::path(post, path = "/api/k8s/jobs/ticketing-report/current-month", tag = "jobs",
    params(Again, ("Idempotency-Key" = Option<String>, Header, description = "Equal for a repeated request")),
    responses((status = 200, body = JobAnswer), (status = 409, body = Problem), (status = 429, body = Problem)))]
pub async fn current_month(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    Params(again): Params<Again>,
) -> Result<Json<JobAnswer>, ApiError> {
    started(&app, &who, &headers, PeriodKind::CurrentMonth, (None, None, again.force.unwrap_or(false))).await
}

/// Report of the whole previous month
#[utoipa::path(post, path = "/api/k8s/jobs/ticketing-report/previous-month", tag = "jobs",
    params(Again, ("Idempotency-Key" = Option<String>, Header, description = "Equal for a repeated request")),
    responses((status = 200, body = JobAnswer), (status = 409, body = Problem), (status = 429, body = Problem)))]
pub async fn previous_month(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    Params(again): Params<Again>,
) -> Result<Json<JobAnswer>, ApiError> {
    started(&app, &who, &headers, PeriodKind::PreviousMonth, (None, None, again.force.unwrap_or(false))).await
}

/// Report of any days
///
/// While a job for the same days isn't over, or for the same Idempotency-Key, the answer is that job.
#[utoipa::path(post, path = "/api/k8s/jobs/ticketing-report", tag = "jobs",
    params(Days, ("Idempotency-Key" = Option<String>, Header, description = "Equal for a repeated request")),
    responses((status = 200, body = JobAnswer), (status = 400, body = Problem), (status = 409, body = Problem),
        (status = 429, body = Problem)))]
pub async fn start(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    Params(days): Params<Days>,
) -> Result<Json<JobAnswer>, ApiError> {
    let kind = match (&days.start_date, &days.end_date) {
        (None, None) => PeriodKind::CurrentMonth,
        _ => PeriodKind::Custom,
    };
    let asked = (days.start_date.as_deref(), days.end_date.as_deref(), days.force.unwrap_or(false));
    started(&app, &who, &headers, kind, asked).await
}

/// A run of the command line or the schedule, as a job.
fn recorded(run: &RunRecord, namespace: &str) -> Job {
    let failed = run.outcome == RunOutcome::Failed;
    Job {
        job_name: run.run.clone(),
        namespace: namespace.to_owned(),
        state: if failed { JobState::Failed } else { JobState::Succeeded },
        period: PeriodKind::Custom,
        start_date: run.first,
        end_date: run.last,
        creation_timestamp: run.began,
        start_time: Some(run.began),
        completion_time: Some(run.ended),
        stage: None,
        rows: run.rows,
        percent: (!failed).then_some(100),
        reason: run.message.clone(),
        exit_code: Some(run.exit_code.into()),
        report: run.report.clone(),
        period_id: run.period.map(|period| period.to_string()),
        edition: run.edition,
        unchanged: run.outcome == RunOutcome::Unchanged,
        run: None,
        months: Vec::new(),
        all: false,
    }
}

/// All jobs, and the runs that the store remembers beside them; the newest first.
///
/// # Errors
/// When the store can't be read.
pub async fn all(app: &App) -> Result<Vec<Job>, ApiError> {
    all_of(app, &*app.index.contents().await?).await
}

/// The same of what the store held at one moment.
///
/// # Errors
/// When jobs can't be listed.
pub async fn all_of(app: &App, contents: &Contents) -> Result<Vec<Job>, ApiError> {
    let mut jobs = app.launcher.list().await?;
    let named = jobs.iter().map(|job| job.job_name.clone());
    let known: std::collections::HashSet<String> = named.chain(jobs.iter().flat_map(Job::runs)).collect();
    let others: Vec<Job> = (contents.runs.iter().filter(|run| !known.contains(&run.run)))
        .map(|run| recorded(run, &app.namespace))
        .collect();
    jobs.extend(others);
    jobs.sort_by_key(|job| std::cmp::Reverse(job.creation_timestamp));
    Ok(jobs)
}

/// One of [`all`].
///
/// # Errors
/// When there is none of this name.
pub async fn one(app: &App, name: &str) -> Result<Job, ApiError> {
    match app.launcher.find(name).await {
        Err(LaunchError::NotFound(_)) => {
            let contents = app.index.contents().await?;
            let run = contents.runs.iter().find(|run| run.run == name);
            let run = run.ok_or_else(|| LaunchError::NotFound(name.to_owned()))?;
            Ok(recorded(run, &app.namespace))
        }
        found => Ok(found?),
    }
}

/// Whether it is a run of the command line or the schedule that the store remembers.
async fn is_recorded(app: &App, name: &str) -> Result<bool, ApiError> {
    Ok(app.index.contents().await?.runs.iter().any(|run| run.run == name))
}

/// All jobs with their states
///
/// Among them are the runs of the command line and of the schedule that the store remembers.
#[utoipa::path(get, path = "/api/k8s/jobs/all", tag = "jobs", responses((status = 200, body = JobsAnswer)))]
pub async fn list(State(app): State<App>, _none: Params<Nothing>) -> Result<Json<JobsAnswer>, ApiError> {
    let jobs: Vec<JobAnswer> = all(&app).await?.into_iter().map(JobAnswer::from).collect();
    let count = jobs.len();
    Ok(Json(JobsAnswer { jobs, count }))
}

/// A job with its state, stage, rows and reason
#[utoipa::path(get, path = "/api/k8s/jobs/{name}", tag = "jobs", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = JobAnswer), (status = 404, body = Problem)))]
pub async fn find(State(app): State<App>, Segments(name): Segments<String>) -> Result<Json<JobAnswer>, ApiError> {
    Ok(Json(one(&app, &name).await?.into()))
}

/// What of a log.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// `true` goes on with what the run writes until its end.
    follow: Option<bool>,
}

/// A job's log
#[utoipa::path(get, path = "/api/k8s/jobs/{name}/logs", tag = "jobs",
    params(("name" = String, Path, description = "The job's name"), LogQuery),
    responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = Problem)))]
pub async fn logs(
    State(app): State<App>,
    Segments(name): Segments<String>,
    Params(query): Params<LogQuery>,
) -> Result<Response, ApiError> {
    let log = match app.launcher.logs(&name, query.follow.unwrap_or(false)).await {
        Err(LaunchError::NotFound(name)) if is_recorded(&app, &name).await? => {
            return Err(ApiError::not_found(format!("no server started `{name}`, so there is no log of it here")));
        }
        log => log?,
    };
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, plain)], Body::from_stream(log)).into_response())
}

/// Cancels a job, and writes down who did.
///
/// # Errors
/// When there is none, or it is over.
pub async fn stop(app: &App, who: &Who, name: &str) -> Result<Job, ApiError> {
    let cancelled = match app.launcher.cancel(name).await {
        Err(LaunchError::NotFound(name)) if is_recorded(app, &name).await? => Err(LaunchError::Over(name)),
        cancelled => cancelled,
    };
    let outcome = cancelled.as_ref().map_or_else(ToString::to_string, |_| "accepted".to_owned());
    app.audit.write(Entry::new(Some(who), "cancel", name, &outcome));
    Ok(cancelled?)
}

/// Cancel a job
#[utoipa::path(delete, path = "/api/k8s/jobs/{name}", tag = "jobs",
    params(("name" = String, Path, description = "The job's name")),
    responses((status = 202, body = JobAnswer), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn cancel(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    Segments(name): Segments<String>,
) -> Result<(StatusCode, Json<JobAnswer>), ApiError> {
    Ok((StatusCode::ACCEPTED, Json(stop(&app, &who, &name).await?.into())))
}
