//! The handlers of the pages: they fill what [`crate::page`] shows.

use axum::{
    Extension, Form,
    extract::{State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use futures::TryStreamExt;
use jiff::Timestamp;
use maud::Markup;
use pipeline::{period::PeriodId, store::StoreError};
use serde::Deserialize;

use crate::{
    app::App,
    audit::Entry,
    auth::{Access, Who, guard::session, sessions, tokens},
    error::ApiError,
    extract::{Params, Segments},
    index::{Contents, Report, Sort},
    jobs,
    launcher::{Job, JobRequest, PeriodKind},
    months::{months, net},
    page::{
        assets, edition, home, job, sign_in,
        view::{Doubtful, EditionView, Home, JobView, Listing, ReportItem, SnapshotItem, StoreState, Viewer},
    },
    reports::{Order, ReportsQuery, chosen},
};

/// Jobs that are over and still on the page.
const ENDED_JOBS: usize = 10;

/// Workbooks on a page.
const PAGE: u64 = 25;

/// Snapshots on the page; the API lists all.
const SNAPSHOTS: usize = 36;

/// The longest part of a log that stands on its page before it is followed.
const LOG_BYTES: usize = 1 << 18;

impl Viewer {
    /// Whoever asks.
    #[must_use]
    pub fn of(who: &Who) -> Self {
        Self { name: who.name.as_deref().map(str::to_owned), role: who.role, signed_in: who.signed_in }
    }
}

/// How the list of workbooks is shown.
#[derive(Debug, Deserialize)]
pub struct HomeQuery {
    search: Option<String>,
    sort: Option<Sort>,
    order: Option<Order>,
    offset: Option<u64>,
}

/// The page that shows everything.
pub async fn home(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    Params(query): Params<HomeQuery>,
) -> Result<Response, ApiError> {
    let (contents, store) = match app.index.contents().await {
        Ok(contents) => {
            let store = StoreState::Ready { bytes: contents.bytes, free: app.store.room() };
            (contents, store)
        }
        Err(gone) => (std::sync::Arc::default(), StoreState::Gone(gone.to_string())),
    };
    let is_gone = matches!(store, StoreState::Gone(_));
    // Of the same moment: the store may be gone in the next.
    let all = jobs::all_of(&app, &contents).await?;
    let now = Timestamp::now();
    let today = app.zone.date_at(now);
    let months = if is_gone { Vec::new() } else { months(&contents, &all, today) };
    let jobs = shown(all);
    let (sort, order) = (query.sort.unwrap_or_default(), query.order.unwrap_or(Order::Desc));
    let search: String = query.search.unwrap_or_default().trim().chars().take(200).collect();
    let wanted = ReportsQuery {
        search: Some(search.clone()),
        sort: Some(sort),
        order: Some(order),
        limit: Some(PAGE),
        offset: query.offset,
        ..ReportsQuery::default()
    };
    let (page, total) = chosen(&contents, &wanted, (sort, order))?;
    let listing = Listing {
        items: page.into_iter().map(item).collect(),
        total,
        offset: query.offset.unwrap_or(0),
        limit: PAGE,
        search,
        sort: sort.as_str().to_owned(),
        descending: order == Order::Desc,
    };
    let view = Home {
        now,
        today,
        zone: app.zone.name().to_owned(),
        months,
        reports: listing,
        snapshots: snapshots(&contents),
        base: base(&headers),
        store_address: app.store.address(),
        can_start: Access::Operator.admits(who.role),
        doubtful: doubtful(&contents, &jobs),
        jobs,
        store,
        viewer: Viewer::of(&who),
    };
    let status = if is_gone { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok((status, home::home(&view)).into_response())
}

/// Those of the jobs' editions of which a control doesn't hold.
fn doubtful(contents: &Contents, jobs: &[Job]) -> Doubtful {
    let fails = |of: &(PeriodId, u32)| contents.editions.get(of).is_some_and(|edition| edition.controls.1 > 0);
    Doubtful(jobs.iter().flat_map(Job::editions).filter(fails).collect())
}

/// Those that aren't over, and the last of the others.
fn shown(all: Vec<Job>) -> Vec<Job> {
    let mut ended = 0;
    let keep = |job: &Job| {
        ended += usize::from(job.state.is_over());
        !job.state.is_over() || ended <= ENDED_JOBS
    };
    let mut keep = keep;
    all.into_iter().filter(|job| keep(job)).collect()
}

fn item(report: &Report) -> ReportItem {
    let edition = report.edition.as_deref();
    ReportItem {
        name: report.name.to_string(),
        size: report.size,
        unmanaged: edition.is_none(),
        period: edition.map(|of| of.period),
        edition: edition.map(|of| of.edition),
        newest: report.newest,
        provisional: edition.is_some_and(|of| of.provisional),
        rows: edition.map(|of| of.rows),
        net: edition.map(net).unwrap_or_default(),
        failed_controls: edition.map(|of| usize::from(of.controls.1)),
        created: report.created,
    }
}

/// The newest editions of the last periods. A store may have thousands: only their end is looked at.
fn snapshots(contents: &Contents) -> Vec<SnapshotItem> {
    let mut items: Vec<SnapshotItem> = contents
        .last_periods(SNAPSHOTS)
        .into_iter()
        .map(|of| SnapshotItem {
            period: of.period,
            edition: of.edition,
            rows: of.rows,
            size: of.tables_size,
            tickets_size: of.tickets_size,
            created: of.created,
            provisional: of.provisional,
            failed_controls: usize::from(of.controls.1),
        })
        .collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.period.period()));
    items.truncate(SNAPSHOTS);
    items
}

/// The server's address as the browser sees it.
fn base(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = if is_https(headers) { "https" } else { "http" };
    format!("{scheme}://{}", text("host").unwrap_or("localhost:8080"))
}

fn is_https(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https")
}

/// An edition's page.
pub async fn edition(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    Segments((period, number)): Segments<(String, String)>,
) -> Result<Markup, ApiError> {
    let period: PeriodId = period.parse()?;
    let number: u32 = number.parse().map_err(|_| ApiError::bad("an edition's number is a whole number"))?;
    let contents = app.index.contents().await?;
    let manifest = app.store.manifest(period, number).await.map_err(|error| match error {
        StoreError::NoEdition { wanted } => ApiError::not_found(format!("there is no edition {wanted}")),
        error => error.into(),
    })?;
    let editions: Vec<u32> =
        contents.editions.range((period, 0)..=(period, u32::MAX)).map(|((_, number), _)| *number).collect();
    Ok(edition::edition(&EditionView {
        viewer: Viewer::of(&who),
        report: contents.report_of(period, number).map(|report| report.name.to_string()),
        newest: editions.last().copied().unwrap_or(number),
        editions,
        base: base(&headers),
        manifest,
    }))
}

/// A job's page.
pub async fn job(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    Segments(name): Segments<String>,
) -> Result<Markup, ApiError> {
    let job = jobs::one(&app, &name).await?;
    let log = if Access::Operator.admits(who.role) { Some(log(&app, &name).await) } else { None };
    // How a job has ended can be told while the store can't be read.
    let doubtful = app.index.contents().await.map(|contents| doubtful(&contents, std::slice::from_ref(&job)));
    Ok(job::job(&JobView {
        viewer: Viewer::of(&who),
        job,
        doubtful: doubtful.unwrap_or_default(),
        log,
        zone: app.zone.name().to_owned(),
        in_cluster: app.in_cluster,
    }))
}

/// The end of a job's log so far; empty for runs that no server started.
async fn log(app: &App, name: &str) -> String {
    let Ok(mut pieces) = app.launcher.logs(name, false).await else { return String::new() };
    let mut log = Vec::new();
    while let Ok(Some(piece)) = pieces.try_next().await {
        log.extend_from_slice(&piece);
        if log.len() > 2 * LOG_BYTES {
            log.drain(..log.len() - LOG_BYTES);
        }
    }
    String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_BYTES)..]).into_owned()
}

/// A form's fields.
pub(crate) fn form<T>(form: Result<Form<T>, FormRejection>) -> Result<T, ApiError> {
    form.map(|Form(form)| form).map_err(|e| ApiError::new(e.status(), e.body_text()))
}

/// What the form for a new report says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartForm {
    period: PeriodKind,
    start_date: Option<String>,
    end_date: Option<String>,
    #[serde(default)]
    force: Option<String>,
}

/// Starts a report from the page.
pub async fn start(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    asked: Result<Form<StartForm>, FormRejection>,
) -> Result<Redirect, ApiError> {
    let asked = form(asked)?;
    let given =
        |date: &Option<String>| date.as_deref().map(str::trim).filter(|date| !date.is_empty()).map(str::to_owned);
    let (first, last) = (given(&asked.start_date), given(&asked.end_date));
    if asked.period == PeriodKind::Backfill {
        return Err(ApiError::bad("many months have a page of their own: `/backfill`"));
    }
    if asked.period == PeriodKind::Custom && (first.is_none() || last.is_none()) {
        return Err(ApiError::bad("a range needs both days: choose the first and the last"));
    }
    let named = [("the first day", first.as_deref()), ("the last day", last.as_deref())];
    let days = jobs::days(&app, asked.period, named)?;
    let force = asked.force.is_some_and(|force| !force.is_empty() && force != "false");
    let request = JobRequest { kind: asked.period, days, force, idempotency_key: None, backfill: None };
    let job = jobs::launch(&app, &who, &request).await?;
    Ok(Redirect::to(&format!("/jobs/{}", job.job_name)))
}

/// Cancels a job from the page.
pub async fn cancel(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    Segments(name): Segments<String>,
) -> Result<Redirect, ApiError> {
    let job = jobs::stop(&app, &who, &name).await?;
    Ok(Redirect::to(&format!("/jobs/{}", job.job_name)))
}

/// Where a sign-in leads.
#[derive(Debug, Deserialize)]
pub struct NextQuery {
    next: Option<String>,
}

/// A place on this server, whatever was asked for.
fn here(next: Option<&str>) -> &str {
    let inside = |next: &&str| {
        next.starts_with('/') && !next[1..].starts_with(['/', '\\']) && next.bytes().all(|b| b > b' ' && b < 0x7f)
    };
    next.filter(inside).unwrap_or("/")
}

/// The form for a token.
pub async fn sign_in_form(Params(query): Params<NextQuery>) -> Markup {
    sign_in::sign_in(false, here(query.next.as_deref()))
}

/// A sign-in.
#[derive(Deserialize)]
pub struct SignIn {
    token: String,
    next: Option<String>,
}

/// Signs in with a token.
pub async fn sign_in(
    State(app): State<App>,
    headers: HeaderMap,
    asked: Result<Form<SignIn>, FormRejection>,
) -> Result<Response, ApiError> {
    let asked = form(asked)?;
    let next = here(asked.next.as_deref());
    let digest = tokens::digest(asked.token.trim());
    let Some((name, role)) = app.guard.known(&digest).filter(|(_, role)| Access::Viewer.admits(*role)) else {
        app.audit.write(Entry::new(None, "sign-in", "page", "refused"));
        return Ok((StatusCode::UNAUTHORIZED, sign_in::sign_in(true, next)).into_response());
    };
    let who = Who { name: Some(name), role, signed_in: true };
    app.audit.write(Entry::new(Some(&who), "sign-in", "page", "accepted"));
    let id = app.guard.sessions.begin(&digest);
    let lasting = sessions::LASTING.as_secs();
    Ok((cookie(&headers, &id, lasting), Redirect::to(next)).into_response())
}

/// Signs out.
pub async fn sign_out(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Some(id) = session(&headers) {
        app.guard.sessions.end(id);
    }
    (cookie(&headers, "", 0), Redirect::to("/sign-in")).into_response()
}

fn cookie(headers: &HeaderMap, id: &str, seconds: u64) -> [(header::HeaderName, HeaderValue); 1] {
    let secure = if is_https(headers) { "; Secure" } else { "" };
    let value = format!("{}={id}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}", sessions::COOKIE);
    [(header::SET_COOKIE, HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("")))]
}

/// Which version of a file of the pages.
#[derive(Debug, Deserialize)]
pub struct Version {
    v: Option<String>,
}

/// A file of the pages.
pub async fn asset(
    Segments(name): Segments<String>,
    Params(version): Params<Version>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let asset = assets::asset(&name).ok_or_else(|| ApiError::not_found("the pages have no such file"))?;
    let kept =
        if version.v.as_deref() == Some(asset.version()) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let own = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static(kept)),
        (header::ETAG, HeaderValue::from_str(&asset.etag).unwrap_or(HeaderValue::from_static(""))),
    ];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == asset.etag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, own).into_response());
    }
    Ok((own, asset.bytes).into_response())
}
