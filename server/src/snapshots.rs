//! Snapshots: lists, manifests, Parquet files.

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use pipeline::{
    columns::{EXCEPTIONS, TABLES, Table},
    period::PeriodId,
    store::{Place, StoreError},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    audit::Entry,
    auth::Who,
    download::{File, PARQUET},
    error::{ApiError, Problem},
    extract::{Nothing, Params, Segments},
};

/// The tables that editions have files of.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    TABLES.into_iter().chain([&EXCEPTIONS])
}

/// Where a snapshot leads.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnapshotLinks {
    manifest: String,
    tickets: String,
    page: String,
}

/// A period's newest edition.
#[derive(Debug, Serialize, ToSchema)]
pub struct Snapshot {
    #[schema(value_type = String)]
    period: PeriodId,
    /// The newest one.
    edition: u32,
    /// All that there are.
    editions: Vec<u32>,
    /// Tickets.
    rows: u64,
    /// Bytes of all its Parquet files.
    size: u64,
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// Whether the period wasn't over at the cut.
    provisional: bool,
    links: SnapshotLinks,
}

/// Snapshots by period.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnapshotsAnswer {
    snapshots: Vec<Snapshot>,
    count: usize,
}

/// The periods that have a snapshot
#[utoipa::path(get, path = "/api/k8s/snapshots", tag = "snapshots", responses((status = 200, body = SnapshotsAnswer)))]
pub async fn list(State(app): State<App>, _none: Params<Nothing>) -> Result<Json<SnapshotsAnswer>, ApiError> {
    let contents = app.index.contents().await?;
    let mut snapshots: Vec<Snapshot> = Vec::new();
    for edition in contents.editions.values() {
        let mut editions = Vec::new();
        if snapshots.last().is_some_and(|last| last.period == edition.period) {
            editions = snapshots.pop().map(|last| last.editions).unwrap_or_default();
        }
        editions.push(edition.edition);
        let (period, number) = (edition.period, edition.edition);
        snapshots.push(Snapshot {
            period,
            edition: number,
            editions,
            rows: edition.rows,
            size: edition.tables_size,
            created: edition.created,
            provisional: edition.provisional,
            links: SnapshotLinks {
                manifest: format!("/api/k8s/snapshots/{period}"),
                tickets: format!("/api/k8s/snapshots/{period}/{number}/tickets.parquet"),
                page: format!("/editions/{period}/{number}"),
            },
        });
    }
    let count = snapshots.len();
    Ok(Json(SnapshotsAnswer { snapshots, count }))
}

/// Which edition.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EditionQuery {
    /// Its number; the newest without it.
    #[param(minimum = 1)]
    edition: Option<u32>,
}

fn no_edition(wanted: impl std::fmt::Display) -> ApiError {
    ApiError::not_found(format!("there is no edition {wanted}: GET /api/k8s/snapshots lists those that exist"))
}

/// An edition's manifest, as it stands in the store
#[utoipa::path(get, path = "/api/k8s/snapshots/{period}", tag = "snapshots",
    params(("period" = String, Path, description = "YYYY-MM, or YYYY-MM-DD_to_YYYY-MM-DD"), EditionQuery),
    responses((status = 200, content_type = "application/json", body = Object), (status = 400, body = Problem),
        (status = 404, body = Problem)))]
pub async fn manifest(
    State(app): State<App>,
    Segments(period): Segments<String>,
    Params(query): Params<EditionQuery>,
) -> Result<Response, ApiError> {
    let period: PeriodId = period.parse()?;
    let contents = app.index.contents().await?;
    let number = match query.edition {
        Some(number) => number,
        None => contents.newest(period).ok_or_else(|| no_edition(format!("of {period}")))?.edition,
    };
    let bytes = app.store.read(Place::Manifest(period, number)).await?;
    let bytes = bytes.ok_or_else(|| no_edition(format!("{number} of {period}")))?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes).into_response())
}

/// A Parquet file of an edition
///
/// The file is `tickets`, `bookings`, `payments`, `refunds`, `trips` or `exceptions`, with `.parquet` behind it.
#[utoipa::path(get, path = "/api/k8s/snapshots/{period}/{edition}/{file}", tag = "snapshots",
    params(("period" = String, Path, description = "YYYY-MM, or YYYY-MM-DD_to_YYYY-MM-DD"),
        ("edition" = String, Path, description = "The number, or `latest`"),
        ("file" = String, Path, description = "For example tickets.parquet")),
    responses((status = 200, content_type = "application/vnd.apache.parquet"),
        (status = 206, description = "The range that was asked for"), (status = 304), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 416, body = Problem), (status = 503, body = Problem)))]
pub async fn download(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    Segments((period, edition, file)): Segments<(String, String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let period: PeriodId = period.parse()?;
    let table = file.strip_suffix(".parquet");
    let table = table.and_then(|name| tables().map(|table| table.name).find(|known| *known == name));
    let table = table.ok_or_else(|| {
        ApiError::not_found(
            "there is no such file: write tickets.parquet, or bookings, payments, refunds, trips, exceptions",
        )
    })?;
    let number: u32 = match edition.as_str() {
        "latest" => {
            let contents = app.index.contents().await?;
            contents.newest(period).ok_or_else(|| no_edition(format!("of {period}")))?.edition
        }
        number => number.parse().map_err(|_| ApiError::bad("the edition is a number, or `latest`"))?,
    };
    let manifest = match app.store.manifest(period, number).await {
        // Retention has taken it out of the lists; who was reading it may go on until its files are removed.
        Err(StoreError::NoEdition { wanted }) => {
            app.store.retired(period, number).await?.ok_or_else(|| no_edition(wanted))?.manifest
        }
        found => found?,
    };
    let named = manifest.files().find(|(name, _)| *name == table).map(|(_, named)| named.clone());
    let named = named.ok_or_else(|| ApiError::not_found(format!("edition {number} of {period} has no {file}")))?;
    let object = app.store.opened(Place::Table(period, number, table)).await?;
    let object = object.filter(|object| object.size() == named.size).ok_or_else(|| {
        ApiError::not_found(format!(
            "{file} of edition {number} of {period} is gone or damaged: `ticketing-report check` says more"
        ))
    })?;
    let name = format!("{table}-{period}-edition-{number}.parquet");
    let file = File { name: &name, media: PARQUET, object, sha256: named.sha256 };
    let mut answer = file.answer(&app, &method, &headers).await?;
    if let Ok(pinned) = HeaderValue::from_str(&format!("/api/k8s/snapshots/{period}/{number}/{table}.parquet")) {
        answer.headers_mut().insert(header::CONTENT_LOCATION, pinned);
    }
    if method == Method::GET {
        app.audit.write(Entry::new(Some(&who), "download", &name, answer.status().as_str()));
    }
    Ok(answer)
}
