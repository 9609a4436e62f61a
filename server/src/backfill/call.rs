//! The API's call for a backfill.

use axum::{Extension, Json, extract::State, http::HeaderMap};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{BackfillError, Plan, PlannedMonth, Wanted};
use crate::{
    app::App,
    audit::Entry,
    auth::Who,
    error::{ApiError, Problem},
    extract::Params,
    jobs::{self, JobAnswer},
    launcher::Job,
};

impl From<BackfillError> for ApiError {
    fn from(error: BackfillError) -> Self {
        Self::bad(error.to_string())
    }
}

/// Which months, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BackfillQuery {
    /// First month, YYYY-MM, inclusive.
    #[param(pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$")]
    pub from: String,
    /// Last month, YYYY-MM, inclusive; it must be over.
    #[param(pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$")]
    pub to: String,
    /// Months at once; without it what the volume allows: one, or two if all nodes may write to it.
    #[param(minimum = 1, maximum = 64)]
    pub parallel: Option<u16>,
    /// `true` makes also months that need no report.
    pub all: Option<bool>,
    /// `true` starts nothing, and says what would be made.
    pub dry_run: Option<bool>,
}

/// A backfill that is under way.
#[derive(Debug, Serialize, ToSchema)]
pub struct BackfillStarted {
    #[serde(flatten)]
    job: JobAnswer,
    /// Months at once.
    parallel: u16,
    /// What should be known about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// A backfill that isn't started.
#[derive(Debug, Serialize, ToSchema)]
pub struct BackfillPlan {
    /// `Planned` for a dry run, `Nothing to do` when no month needs a report.
    status: &'static str,
    /// The months that would be made, and why.
    planned: Vec<PlannedMonth>,
    /// Their number.
    count: usize,
    /// Months at once.
    parallel: u16,
    /// What should be known about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// What came of a request for a backfill.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum BackfillAnswer {
    /// A job makes the months.
    Started(Box<BackfillStarted>),
    /// None is started.
    Planned(BackfillPlan),
}

/// What a backfill would do.
///
/// # Errors
/// When the store or the jobs can't be read.
pub async fn plan(app: &App, wanted: &Wanted) -> Result<Plan, ApiError> {
    let contents = app.index.contents().await?;
    let known = jobs::all_of(app, &contents).await?;
    Ok(wanted.plan(&*app.launcher, &contents, &known).await?)
}

/// Asks the launcher for the job, and writes down who did. `None` when there is nothing to do.
///
/// # Errors
/// When it can't be accepted.
pub async fn launch(
    app: &App,
    who: &Who,
    wanted: &Wanted,
    plan: &Plan,
    key: Option<String>,
) -> Result<Option<Job>, ApiError> {
    if plan.months.is_empty() {
        return Ok(None);
    }
    let request = wanted.request(plan, key);
    let started = app.launcher.start(&request).await;
    let (what, outcome) = match &started {
        Ok(job) => (format!("{} {}", job.job_name, request.days), "accepted".to_owned()),
        Err(error) => (request.days.to_string(), error.to_string()),
    };
    app.audit.write(Entry::new(Some(who), "backfill", &what, &outcome));
    Ok(Some(started?))
}

/// Reports of many months by one job
///
/// Those that are missing, have failed, have failed controls or are of an older schema version. Asked for again, it
/// makes only what is still left; while the same is under way, the answer is that job. In a cluster it is one Indexed
/// Job; elsewhere its months wait behind all single reports.
#[utoipa::path(post, path = "/api/k8s/jobs/ticketing-report/backfill", tag = "jobs",
    params(BackfillQuery, ("Idempotency-Key" = Option<String>, Header, description = "Equal for a repeated request")),
    responses((status = 200, body = BackfillAnswer), (status = 400, body = Problem), (status = 409, body = Problem),
        (status = 429, body = Problem)))]
pub async fn backfill(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    Params(query): Params<BackfillQuery>,
) -> Result<Json<BackfillAnswer>, ApiError> {
    let key = jobs::idempotency_key(&headers)?;
    let today = app.zone.date_at(Timestamp::now());
    let all = query.all.unwrap_or(false);
    let wanted = Wanted::new([("from", query.from.as_str()), ("to", query.to.as_str())], all, query.parallel, today)?;
    let plan = plan(&app, &wanted).await?;
    let dry = query.dry_run.unwrap_or(false);
    let job = if dry { None } else { launch(&app, &who, &wanted, &plan, key).await? };
    let Plan { months: planned, parallel, warning } = plan;
    Ok(Json(match job {
        Some(job) => {
            BackfillAnswer::Started(Box::new(BackfillStarted { job: JobAnswer::created(job), parallel, warning }))
        }
        None => {
            let status = if planned.is_empty() { "Nothing to do" } else { "Planned" };
            BackfillAnswer::Planned(BackfillPlan { status, count: planned.len(), planned, parallel, warning })
        }
    }))
}
