//! The page that shows what a backfill would do, and starts it.

use axum::{
    Extension, Form,
    extract::{State, rejection::FormRejection},
    response::Redirect,
};
use jiff::Timestamp;
use maud::Markup;
use serde::Deserialize;

use super::{Wanted, call};
use crate::{
    app::App,
    auth::Who,
    error::ApiError,
    extract::Params,
    months::months,
    page::{
        backfill,
        view::{BackfillView, Viewer},
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
    /// What is wanted; without months those of the board.
    fn read(&self, app: &App) -> Result<(Wanted, BackfillView), ApiError> {
        let today = app.zone.date_at(Timestamp::now());
        let board = months(&crate::index::Contents::default(), &[], today);
        let given =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let or = |text: &Option<String>, month: Option<&crate::page::view::Month>| {
            given(text).or_else(|| month.map(|month| month.id.clone())).unwrap_or_default()
        };
        let (from, to) = (or(&self.from, board.last()), or(&self.to, board.first()));
        let all = given(&self.all).is_some_and(|all| all != "false");
        let parallel = match given(&self.parallel).map(|text| text.parse::<u16>()) {
            None => None,
            Some(Ok(parallel)) => Some(parallel),
            Some(Err(_)) => return Err(ApiError::bad("months at once are a number: write 1, or leave it empty")),
        };
        let wanted = Wanted::new([("from", from.as_str()), ("to", to.as_str())], all, parallel, today)?;
        let view = BackfillView { viewer: None, from, to, all, parallel, plan: None };
        Ok((wanted, view))
    }
}

/// What would be made.
///
/// # Errors
/// When the months are wrong, or the store or the jobs can't be read.
pub async fn ask(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    Params(form): Params<BackfillForm>,
) -> Result<Markup, ApiError> {
    let (wanted, view) = form.read(&app)?;
    let plan = call::plan(&app, &wanted).await?;
    Ok(backfill::backfill(&BackfillView { viewer: Some(Viewer::of(&who)), plan: Some(plan), ..view }))
}

/// Makes it.
///
/// # Errors
/// When the months are wrong, or the job can't be accepted.
pub async fn start(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    asked: Result<Form<BackfillForm>, FormRejection>,
) -> Result<Redirect, ApiError> {
    let (wanted, _) = pages::form(asked)?.read(&app)?;
    let plan = call::plan(&app, &wanted).await?;
    let job = call::launch(&app, &who, &wanted, &plan, None).await?;
    Ok(job.map_or_else(|| Redirect::to("/"), |job| Redirect::to(&format!("/jobs/{}", job.job_name))))
}
