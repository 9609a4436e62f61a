//! What the API is: as OpenAPI for programs, as a page for people.

use axum::{Extension, Json};
use maud::Markup;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use crate::{auth::Who, page};

/// The API's description, made from the handlers themselves.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "report-server", description = "Lists and serves the ticketing reports, and starts them.",
        license(name = "MIT OR Apache-2.0")),
    paths(
        crate::jobs::current_month, crate::jobs::previous_month, crate::jobs::start, crate::jobs::list,
        crate::jobs::find, crate::jobs::logs, crate::jobs::cancel,
        crate::reports::list, crate::reports::download,
        crate::snapshots::list, crate::snapshots::manifest, crate::snapshots::download,
        crate::events::listen, crate::audit::list,
        crate::health::healthz, crate::health::readyz, crate::health::metrics, openapi,
    ),
    tags((name = "reports", description = "Workbooks"), (name = "snapshots", description = "Parquet files"),
        (name = "jobs", description = "Runs"), (name = "server", description = "The server itself")),
    security(("token" = []), ()),
    modifiers(&Token),
)]
pub struct Api;

/// Adds how requests show their token.
struct Token;

impl Modify for Token {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// This description
#[utoipa::path(get, path = "/api/openapi.json", tag = "server", responses((status = 200, body = Object)))]
pub async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}

/// The same for people.
pub async fn docs(Extension(who): Extension<Who>) -> Markup {
    let api = serde_json::to_value(Api::openapi()).unwrap_or_default();
    page::documentation::documentation(&page::view::Viewer::of(&who), &api)
}
