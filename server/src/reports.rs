//! Workbooks: lists and downloads.

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, Method},
    response::Response,
};
use jiff::Timestamp;
use pipeline::{period::PeriodId, store::Place};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    audit::Entry,
    auth::Who,
    download::{File, XLSX},
    error::{ApiError, Problem},
    extract::{Params, Segments},
    index::{Contents, Report, Sold, Sort, is_report_name},
};

/// No list is longer.
const MOST: u64 = 1_000_000_000;

/// Which way a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The least first.
    Asc,
    /// The greatest first.
    Desc,
}

/// Kinds of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReportKind {
    /// Whole months.
    Month,
    /// Other days, and months that weren't over.
    Range,
    /// Workbooks that no manifest names.
    Unmanaged,
}

/// How a report's controls ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ControlsOutcome {
    /// All of them hold.
    Passed,
    /// At least one doesn't.
    Failed,
}

/// Which reports, and how.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportsQuery {
    /// `true` adds what is known of each.
    pub details: Option<bool>,
    /// A part of the name.
    #[param(max_length = 200)]
    pub search: Option<String>,
    /// Only such.
    pub kind: Option<ReportKind>,
    /// Only those whose controls ended so.
    pub controls: Option<ControlsOutcome>,
    /// By what they are ordered; by name without it.
    pub sort: Option<Sort>,
    /// Which way.
    pub order: Option<Order>,
    /// At most so many; all without it.
    #[param(minimum = 1, maximum = 10_000)]
    pub limit: Option<u64>,
    /// So many are passed over first.
    #[param(minimum = 0, maximum = 1_000_000_000)]
    pub offset: Option<u64>,
}

/// How many controls ended how.
#[derive(Debug, Serialize, ToSchema)]
pub struct ControlsCount {
    passed: u16,
    failed: u16,
}

/// Where a report leads.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportLinks {
    download: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tickets: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
}

/// What is known of a report.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportDetails {
    name: String,
    size: u64,
    /// When the edition was made; of an unmanaged workbook, when it was written.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// Whether no manifest names it.
    unmanaged: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    period: Option<PeriodId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edition: Option<u32>,
    /// Whether it is its period's newest edition.
    newest: bool,
    /// Whether the period wasn't over at the cut.
    provisional: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// By currency.
    totals: BTreeMap<String, Sold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    controls: Option<ControlsCount>,
    links: ReportLinks,
}

impl From<&Report> for ReportDetails {
    fn from(report: &Report) -> Self {
        let edition = report.edition.as_deref();
        let snapshot = edition.map(|of| format!("/api/k8s/snapshots/{}", of.period));
        Self {
            name: report.name.to_string(),
            size: report.size,
            created: report.created,
            unmanaged: edition.is_none(),
            period: edition.map(|of| of.period),
            edition: edition.map(|of| of.edition),
            newest: report.newest,
            provisional: edition.is_some_and(|of| of.provisional),
            rows: edition.map(|of| of.rows),
            totals: edition
                .map(|of| of.sold().map(|(code, sold)| (code.to_owned(), sold)).collect())
                .unwrap_or_default(),
            controls: edition.map(|of| ControlsCount { passed: of.controls.0, failed: of.controls.1 }),
            links: ReportLinks {
                download: format!("/api/k8s/reports/{}", report.name),
                manifest: snapshot.as_ref().zip(edition).map(|(base, of)| format!("{base}?edition={}", of.edition)),
                tickets: snapshot.zip(edition).map(|(base, of)| format!("{base}/{}/tickets.parquet", of.edition)),
                page: edition.map(|of| format!("/editions/{}/{}", of.period, of.edition)),
            },
        }
    }
}

/// Reports.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportsAnswer {
    /// Their names.
    reports: Vec<String>,
    /// How many there are in this answer.
    count: usize,
    /// How many there are in all that are asked for.
    total: u64,
    /// What is known of each, in the same order, with `details`.
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<ReportDetails>>,
}

/// The reports that are asked for, and how many there are beside this page of them.
///
/// # Errors
/// When a limit is out of bounds.
pub fn chosen<'a>(
    contents: &'a Contents,
    query: &ReportsQuery,
    default: (Sort, Order),
) -> Result<(Vec<&'a Report>, u64), ApiError> {
    if query.limit.is_some_and(|limit| !(1..=10_000).contains(&limit)) {
        return Err(ApiError::bad("limit is a number from 1 to 10000"));
    }
    if query.offset.is_some_and(|offset| offset > MOST) {
        return Err(ApiError::bad(format!("offset is a number from 0 to {MOST}")));
    }
    if query.search.as_ref().is_some_and(|search| search.chars().count() > 200) {
        return Err(ApiError::bad("search has at most 200 characters"));
    }
    let search = query.search.as_deref().unwrap_or_default().to_lowercase();
    let fits = |report: &Report| {
        let kind = match report.edition.as_deref().map(|edition| edition.period) {
            Some(PeriodId::Month(_)) => ReportKind::Month,
            Some(PeriodId::Range(_)) => ReportKind::Range,
            None => ReportKind::Unmanaged,
        };
        let failed = report.edition.as_ref().map(|edition| edition.controls.1 > 0);
        report.name.contains(&search)
            && query.kind.is_none_or(|wanted| wanted == kind)
            && query.controls.is_none_or(|wanted| failed == Some(wanted == ControlsOutcome::Failed))
    };
    let all = search.is_empty() && query.kind.is_none() && query.controls.is_none();
    let ordered = contents.ordered(query.sort.unwrap_or(default.0), query.order.unwrap_or(default.1) == Order::Desc);
    let offset = usize::try_from(query.offset.unwrap_or(0)).unwrap_or(usize::MAX);
    let limit = query.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let mut total = 0_u64;
    let mut page = Vec::new();
    for report in ordered.filter(|report| all || fits(report)) {
        let place = usize::try_from(total).unwrap_or(usize::MAX);
        if all && place >= offset.saturating_add(limit) {
            break;
        }
        total += 1;
        if place >= offset && page.len() < limit {
            page.push(report);
        }
    }
    let total = if all { contents.reports.len() as u64 } else { total };
    Ok((page, total))
}

/// The workbooks
///
/// Without parameters all of them by name.
#[utoipa::path(get, path = "/api/k8s/reports", tag = "reports", params(ReportsQuery),
    responses((status = 200, body = ReportsAnswer), (status = 400, body = Problem)))]
pub async fn list(
    State(app): State<App>,
    Params(query): Params<ReportsQuery>,
) -> Result<Json<ReportsAnswer>, ApiError> {
    let contents = app.index.contents().await?;
    let (page, total) = chosen(&contents, &query, (Sort::Name, Order::Asc))?;
    let items =
        query.details.unwrap_or(false).then(|| page.iter().map(|report| ReportDetails::from(*report)).collect());
    let reports: Vec<String> = page.iter().map(|report| report.name.to_string()).collect();
    Ok(Json(ReportsAnswer { count: reports.len(), reports, total, items }))
}

/// A workbook
#[utoipa::path(get, path = "/api/k8s/reports/{filename}", tag = "reports",
    params(("filename" = String, Path, description = "The workbook's name")),
    responses((status = 200, content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (status = 206, description = "The range that was asked for"), (status = 304), (status = 404, body = Problem),
        (status = 416, body = Problem), (status = 503, body = Problem)))]
pub async fn download(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    Segments(name): Segments<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let missing =
        || ApiError::not_found("there is no report of this name: GET /api/k8s/reports lists those that exist");
    if !is_report_name(&name) {
        return Err(missing());
    }
    let contents = app.index.contents().await?;
    let found = match app.digests.opened(&app.store, Place::Workbook(&name)).await? {
        // What the last look into the store hasn't found may be finished since.
        Some(_) if contents.report(&name).is_none() && !app.store.is_finished(&name).await? => None,
        Some(found) => Some(found),
        // It may still wait for its name.
        None => {
            match contents.report(&name).filter(|report| report.pending).and_then(|report| report.edition.as_deref()) {
                Some(of) => app.digests.opened(&app.store, Place::PendingWorkbook(of.period, of.edition)).await?,
                None => None,
            }
        }
    };
    let (object, sha256) = found.ok_or_else(missing)?;
    let answer = File { name: &name, media: XLSX, object, sha256 }.answer(&app, &method, &headers).await?;
    if method == Method::GET {
        app.audit.write(Entry::new(Some(&who), "download", &name, answer.status().as_str()));
    }
    Ok(answer)
}
