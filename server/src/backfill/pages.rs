//! The page that shows what a backfill would do, and starts it.

use axum::{
    Extension, Form,
    extract::{State, rejection::FormRejection},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use jiff::{Timestamp, civil::Date};
use serde::Deserialize;

use super::{BackfillError, Wanted, call};
use crate::{
    app::App,
    auth::Who,
    error::ApiError,
    extract::Params,
    months::months,
    page::{
        backfill,
        view::{BackfillView, Month, Viewer},
    },
    pages,
};

/// Which months, as the page's form asks for them.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct BackfillForm {
    from: Option<String>,
    to: Option<String>,
    all: Option<String>,
    parallel: Option<String>,
}

impl BackfillForm {
    /// The form as it was filled in; without months with those of the board.
    fn view(&self, who: &Who, today: Date) -> BackfillView {
        let board = months(&crate::index::Contents::default(), &[], today);
        let given = |text: &Option<String>| text.as_deref().unwrap_or_default().trim().to_owned();
        let or = |text: &Option<String>, month: Option<&Month>| {
            let given = given(text);
            if given.is_empty() { month.map(|month| month.id.clone()).unwrap_or_default() } else { given }
        };
        let all = given(&self.all);
        BackfillView {
            viewer: Viewer::of(who),
            from: or(&self.from, board.last()),
            to: or(&self.to, board.first()),
            all: !all.is_empty() && all != "false",
            parallel: given(&self.parallel),
            error: None,
            plan: None,
        }
    }
}

/// What a filled form wants.
fn wanted(view: &BackfillView, today: Date) -> Result<Wanted, BackfillError> {
    let parallel = match view.parallel.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| BackfillError::Parallel(text.to_owned()))?),
    };
    let names = [("the first month", view.from.as_str()), ("the last month", view.to.as_str())];
    Wanted::new(names, view.all, parallel, today)
}

/// The form again, with what is wrong with it.
fn refused(view: BackfillView, error: &BackfillError) -> Response {
    let view = BackfillView { error: Some(error.to_string()), ..view };
    (StatusCode::BAD_REQUEST, backfill::backfill(&view)).into_response()
}

/// What would be made.
///
/// # Errors
/// When the store or the jobs can't be read.
pub async fn ask(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    Params(form): Params<BackfillForm>,
) -> Result<Response, ApiError> {
    let today = app.zone.date_at(Timestamp::now());
    let view = form.view(&who, today);
    match wanted(&view, today) {
        Ok(wanted) => {
            let plan = Some(call::plan(&app, &wanted).await?);
            Ok(backfill::backfill(&BackfillView { plan, ..view }).into_response())
        }
        Err(error) => Ok(refused(view, &error)),
    }
}

/// Makes it.
///
/// # Errors
/// When the job can't be accepted.
pub async fn start(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    asked: Result<Form<BackfillForm>, FormRejection>,
) -> Result<Response, ApiError> {
    let today = app.zone.date_at(Timestamp::now());
    let view = pages::form(asked)?.view(&who, today);
    let wanted = match wanted(&view, today) {
        Ok(wanted) => wanted,
        Err(error) => return Ok(refused(view, &error)),
    };
    let plan = call::plan(&app, &wanted).await?;
    let job = call::launch(&app, &who, &wanted, &plan, None).await?;
    let place = job.map_or_else(|| "/".to_owned(), |job| format!("/jobs/{}", job.job_name));
    Ok(Redirect::to(&place).into_response())
}
