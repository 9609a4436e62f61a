//! What the API is: as OpenAPI for programs, as a page for people.

use axum::http::StatusCode;
use axum::{Extension, Json};
use maud::Markup;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, Ref, RefOr, Response,
        path::ParameterIn,
        schema::{ObjectBuilder, Type},
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use crate::{auth::Who, page, snapshots::tables};

/// The API's description, made from the handlers themselves.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "report-server", description = "Lists and serves the ticketing reports, and starts them.",
        license(name = "MIT OR Apache-2.0")),
    paths(
        crate::jobs::current_month, crate::jobs::previous_month, crate::jobs::start, crate::jobs::list,
        crate::backfill::call::backfill, crate::jobs::find, crate::jobs::logs, crate::jobs::cancel,
        crate::reports::list, crate::reports::download,
        crate::snapshots::list, crate::snapshots::manifest, crate::snapshots::download,
        crate::events::listen, crate::audit::list,
        crate::health::healthz, crate::health::readyz, crate::health::metrics, openapi,
    ),
    tags((name = "reports", description = "Workbooks"), (name = "snapshots", description = "Parquet files"),
        (name = "jobs", description = "Runs"), (name = "server", description = "The server itself")),
    components(schemas(crate::error::Problem, crate::index::Sort, crate::reports::ControlsOutcome,
        crate::reports::Order, crate::reports::ReportKind)),
    security(("token" = [])),
    modifiers(&Common),
)]
pub struct Api;

/// What all calls have in common: how they show their token, how they refuse, and what a period looks like.
struct Common;

/// The form of a period's id.
const PERIOD: &str = "^[0-9]{4}-(0[1-9]|1[0-2])$|^[0-9]{4}-[0-9]{2}-[0-9]{2}_to_[0-9]{4}-[0-9]{2}-[0-9]{2}$";

impl Modify for Common {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components.get_or_insert_default().add_security_scheme("token", scheme);
        for (path, item) in &mut api.paths.paths {
            let operations = [&mut item.get, &mut item.post, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
                let name = operation.operation_id.take().unwrap_or_default();
                operation.operation_id = Some(format!("{tag}_{name}"));
                let is_open = matches!(path.as_str(), "/healthz" | "/readyz");
                let mut refusals = vec![429];
                refusals.extend(if is_open { &[][..] } else { &[401, 403] });
                refusals.extend((path != "/healthz").then_some(503));
                // What a cluster refuses until somebody has changed something.
                refusals.extend((tag == "jobs").then_some(502));
                refusals.extend(operation.parameters.is_some().then_some(400));
                for status in refusals {
                    let refused = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
                    let response = Response::new(refused.unwrap_or_default());
                    operation.responses.responses.entry(status.to_string()).or_insert(RefOr::T(response));
                }
                for (status, response) in &mut operation.responses.responses {
                    if let RefOr::T(response) = response
                        && status.starts_with(['4', '5'])
                    {
                        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
                        response.content =
                            [("application/problem+json".to_owned(), RefOr::T(problem))].into_iter().collect();
                    }
                }
                if is_open {
                    operation.security = Some(vec![SecurityRequirement::default()]);
                }
                for parameter in operation.parameters.iter_mut().flatten() {
                    let RefOr::T(parameter) = parameter else { continue };
                    let text = ObjectBuilder::new().schema_type(Type::String);
                    let text = match (&parameter.parameter_in, parameter.name.as_str()) {
                        (ParameterIn::Path, "period") => text.pattern(Some(PERIOD)),
                        (ParameterIn::Path, "edition") => text.pattern(Some("^(latest|[1-9][0-9]{0,8})$")),
                        (ParameterIn::Path, "file") => {
                            text.enum_values(Some(tables().map(|table| format!("{}.parquet", table.name))))
                        }
                        (ParameterIn::Header, "Idempotency-Key") => {
                            text.min_length(Some(1)).max_length(Some(200)).pattern(Some("^[!-~]+$"))
                        }
                        (ParameterIn::Header, _) => text,
                        _ => continue,
                    };
                    parameter.schema = Some(text.build().into());
                }
            }
        }
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
