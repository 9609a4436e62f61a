//! Every route, with what it takes to be let in.

use axum::{
    Router,
    extract::{DefaultBodyLimit, OriginalUri},
    handler::Handler,
    http::{Method, StatusCode},
    middleware::{from_fn, from_fn_with_state},
    routing::{MethodRouter, delete, get, post},
};

use crate::{
    app::App,
    audit,
    auth::{Access, guard::guard},
    backfill, documentation, envelope,
    error::{self, ApiError},
    events, health, jobs, pages, reports, snapshots,
};

/// The longest body of a request.
const BODY_BYTES: usize = 1 << 16;

/// A route.
pub struct Route {
    /// Its method; GET stands for HEAD as well.
    pub method: Method,
    /// Its path, with the names of its parts.
    pub path: &'static str,
    /// What it takes to be let in.
    pub access: Access,
    handler: MethodRouter<App>,
}

/// All routes.
#[must_use]
pub fn routes() -> Vec<Route> {
    use Access::{Analyst, Metrics, Operator, Public, Viewer};
    let route = |method, path, access, handler| Route { method, path, access, handler };
    const REPORT: &str = "/api/k8s/jobs/ticketing-report";
    vec![
        route(Method::POST, "/api/k8s/jobs/ticketing-report/current-month", Operator, post(jobs::current_month)),
        route(Method::POST, "/api/k8s/jobs/ticketing-report/previous-month", Operator, post(jobs::previous_month)),
        route(Method::POST, "/api/k8s/jobs/ticketing-report/backfill", Operator, post(backfill::call::backfill)),
        route(Method::POST, REPORT, Operator, post(jobs::start)),
        route(Method::GET, "/api/k8s/jobs/all", Viewer, get(jobs::list)),
        route(Method::GET, "/api/k8s/jobs/{name}", Viewer, get(jobs::find)),
        route(Method::DELETE, "/api/k8s/jobs/{name}", Operator, delete(jobs::cancel)),
        route(Method::GET, "/api/k8s/jobs/{name}/logs", Operator, get(jobs::logs)),
        route(Method::GET, "/api/k8s/reports", Viewer, get(reports::list)),
        route(Method::GET, "/api/k8s/reports/{filename}", Viewer, get(reports::download)),
        route(Method::GET, "/api/k8s/snapshots", Viewer, get(snapshots::list)),
        route(Method::GET, "/api/k8s/snapshots/{period}", Viewer, get(snapshots::manifest)),
        route(Method::GET, "/api/k8s/snapshots/{period}/{edition}/{file}", Analyst, get(snapshots::download)),
        route(Method::GET, "/api/k8s/events", Viewer, get(events::listen)),
        route(Method::GET, "/api/k8s/audit", Operator, get(audit::list)),
        route(Method::GET, "/api/openapi.json", Viewer, get(documentation::openapi)),
        route(Method::GET, "/docs", Viewer, get(documentation::docs)),
        route(Method::GET, "/", Viewer, get(pages::home)),
        route(Method::GET, "/editions/{period}/{edition}", Viewer, get(pages::edition)),
        route(Method::GET, "/jobs/{name}", Viewer, get(pages::job)),
        route(Method::POST, "/start", Operator, post(pages::start)),
        route(Method::GET, "/backfill", Operator, get(backfill::pages::ask)),
        route(Method::POST, "/backfill", Operator, post(backfill::pages::start)),
        route(Method::POST, "/jobs/{name}/cancel", Operator, post(pages::cancel)),
        route(Method::GET, "/sign-in", Public, get(pages::sign_in_form)),
        route(Method::POST, "/sign-in", Public, post(pages::sign_in)),
        route(Method::POST, "/sign-out", Public, post(pages::sign_out)),
        route(Method::GET, "/assets/{file}", Public, get(pages::asset)),
        route(Method::GET, "/healthz", Public, get(health::healthz)),
        route(Method::GET, "/readyz", Public, get(health::readyz)),
        route(Method::GET, "/metrics", Metrics, get(health::metrics)),
    ]
}

/// What is answered where there is nothing. It takes nothing to be told so.
async fn nothing_there(OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::not_found(format!("there is nothing at `{}`: `/docs` says what there is", uri.path()))
}

/// The whole service.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for Route { path, access, handler, .. } in routes() {
        router = router.route(path, handler.route_layer(from_fn_with_state((app.clone(), access), guard)));
    }
    router
        .fallback(nothing_there.layer(from_fn_with_state((app.clone(), Access::Public), guard)))
        .method_not_allowed_fallback(async |method: Method, OriginalUri(uri): OriginalUri| {
            let message = format!("`{}` takes no {method}: `/docs` says what it takes", uri.path());
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message)
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn(error::as_page))
        .layer(from_fn(envelope::envelope))
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use utoipa::OpenApi;

    use super::*;
    use crate::documentation::Api;

    #[test]
    fn every_route_of_the_api_is_documented_and_nothing_else() {
        let documented: BTreeSet<String> = (Api::openapi().paths.paths.iter())
            .flat_map(|(path, item)| {
                let methods = [("GET", &item.get), ("POST", &item.post), ("DELETE", &item.delete), ("PUT", &item.put)];
                methods.into_iter().filter(|(_, of)| of.is_some()).map(move |(method, _)| format!("{method} {path}"))
            })
            .collect();
        let pages = |path: &str| {
            path == "/"
                || ["/docs", "/backfill", "/editions", "/jobs", "/start", "/sign", "/assets"]
                    .iter()
                    .any(|p| path.starts_with(p))
        };
        let routes: BTreeSet<String> = (routes().iter())
            .filter(|route| !pages(route.path))
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        assert_eq!(documented, routes);
    }
}
