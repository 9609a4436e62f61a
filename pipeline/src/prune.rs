//! Retention: which editions and workbooks a store keeps, and the removing of others.
//!
//! An edition goes in two steps. First it is retired: its manifest is put away, so that lists and globs no longer show
//! it, and its workbook removed. Its Parquet files, which a reader may be in the middle of, stay for the grace time; a
//! later call removes them. The newest edition of a period is never retired.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    error::Error,
    manifest::{Manifest, Retired},
    period::PeriodId,
    publish,
    store::{Place, Store, StoreError},
};

/// What no manifest names is left alone for this long: a run may be about to name it.
const UNNAMED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Editions of a period, the newest first.
    pub editions: u32,
    /// Editions younger than this, however many.
    pub younger: SignedDuration,
    /// Workbooks of editions younger than this; all where it isn't set.
    pub workbooks: Option<SignedDuration>,
    /// How long a retired edition's files stay.
    pub grace: SignedDuration,
    /// Whether what no manifest names is kept.
    pub unnamed: bool,
}

/// What is to be done with something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Take an edition out of the lists.
    Retire,
    /// Remove the files of an edition that was retired before.
    Remove,
    /// Remove a workbook that can be rendered again.
    RemoveWorkbook,
    /// Remove what no manifest names.
    RemoveUnnamed,
    /// Leave what no manifest names.
    LeaveUnnamed,
}

/// One thing to be done.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What.
    pub action: Action,
    /// With what: an edition or an object's path.
    pub what: String,
    /// Bytes that it frees, now or after the grace time.
    pub bytes: u64,
    /// Why.
    pub reason: String,
    #[serde(skip)]
    of: Of,
}

#[derive(Debug, Clone)]
enum Of {
    Edition(Box<Manifest>),
    Retired(PeriodId, u32),
    Workbook(PeriodId, u32, String),
    Path(String),
}

/// What keeping so much would do to a store at a moment. Changes nothing.
///
/// # Errors
/// When the store fails.
pub async fn plan(store: &Store, keep: &Keep, now: Timestamp) -> Result<Vec<Step>, Error> {
    store.reachable().await?;
    let mut steps = Vec::new();
    let editions = store.editions().await?;
    let mut named = std::collections::HashSet::new();
    for of_period in editions.chunk_by(|a, b| a.0 == b.0) {
        // From the newest to the oldest.
        for (newer, &(period, number)) in of_period.iter().rev().enumerate() {
            named.insert((period, number));
            let manifest = store.manifest(period, number).await?;
            let age = now.duration_since(manifest.created_at);
            if newer > 0 && newer >= keep.editions as usize && age >= keep.younger {
                let reason = format!("{newer} newer editions; made {}", days(age));
                steps.push(Step {
                    action: Action::Retire,
                    what: format!("{period} edition {number}"),
                    bytes: manifest.size(),
                    reason,
                    of: Of::Edition(Box::new(manifest)),
                });
            } else if keep.workbooks.is_some_and(|younger| age >= younger)
                && let Some(path) = publish::find_workbook(store, &manifest).await?
            {
                steps.push(Step {
                    action: Action::RemoveWorkbook,
                    what: path.clone(),
                    bytes: manifest.workbook.size,
                    reason: format!("made {}; `ticketing-report render` makes it again", days(age)),
                    of: Of::Workbook(period, number, path),
                });
            }
        }
    }
    let removed = retired(store, keep, now, &mut named).await?;
    steps.extend(removed);
    steps.extend(unnamed(store, keep, now, &named).await?);
    Ok(steps)
}

fn days(age: SignedDuration) -> String {
    format!("{} days ago", age.as_hours() / 24)
}

/// The editions whose grace time is over.
async fn retired(
    store: &Store,
    keep: &Keep,
    now: Timestamp,
    named: &mut std::collections::HashSet<(PeriodId, u32)>,
) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    for path in store.objects("state/retired").await?.into_keys() {
        let Some((period, number)) = edition_of(path.trim_end_matches(".json"), "state/retired/") else { continue };
        let Some(retired) = store.retired(period, number).await? else { continue };
        // Retiring that was broken off: the edition is there still.
        if !named.insert((period, number)) {
            continue;
        }
        let since = now.duration_since(retired.since);
        if since >= keep.grace {
            steps.push(Step {
                action: Action::Remove,
                what: format!("{period} edition {number}"),
                bytes: retired.manifest.files().map(|(_, file)| file.size).sum(),
                reason: format!("retired {} hours ago", since.as_hours()),
                of: Of::Retired(period, number),
            });
        }
    }
    Ok(steps)
}

/// `2025-01/3` after a folder's name, and what may stand below it.
fn edition_of(path: &str, folder: &str) -> Option<(PeriodId, u32)> {
    let mut parts = path.strip_prefix(folder)?.split('/');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Files of editions that have neither a manifest nor a note of retirement.
async fn unnamed(
    store: &Store,
    keep: &Keep,
    now: Timestamp,
    named: &std::collections::HashSet<(PeriodId, u32)>,
) -> Result<Vec<Step>, Error> {
    let objects = store.objects("editions").await?.into_iter();
    let stray = objects.filter(|(path, file)| {
        edition_of(path, "editions/").is_none_or(|edition| !named.contains(&edition))
            && now.duration_since(file.modified) >= UNNAMED_FOR
    });
    let action = if keep.unnamed { Action::LeaveUnnamed } else { Action::RemoveUnnamed };
    let step = |(path, file): (String, crate::store::FoundFile)| Step {
        action,
        what: path.clone(),
        bytes: file.size,
        reason: "no manifest names it".to_owned(),
        of: Of::Path(path),
    };
    Ok(stray.map(step).collect())
}

/// Does the steps of a plan.
///
/// # Errors
/// When the store fails; what was done stays done, and another call goes on from there.
pub async fn apply(store: &Store, steps: &[Step], now: Timestamp) -> Result<(), Error> {
    for step in steps.iter().filter(|step| step.action != Action::LeaveUnnamed) {
        match &step.of {
            Of::Edition(manifest) => retire(store, manifest, now).await?,
            Of::Retired(period, number) => {
                let folder = format!("editions/{period}/{number}");
                for path in store.objects(&folder).await?.into_keys() {
                    store.remove(Place::Other(&path)).await?;
                }
                store.remove_empty(*period, *number);
                store.remove(Place::Dropped(*period, *number)).await?;
                store.remove(Place::Retired(*period, *number)).await?;
            }
            Of::Workbook(period, number, path) => {
                // The note first: a workbook that is gone without it would be missed.
                store.write(Place::Dropped(*period, *number), now.to_string().into_bytes()).await?;
                store.remove(Place::Other(path)).await?;
            }
            Of::Path(path) => store.remove(Place::Other(path)).await?,
        }
    }
    Ok(())
}

async fn retire(store: &Store, manifest: &Manifest, now: Timestamp) -> Result<(), Error> {
    let (period, number) = (manifest.period, manifest.edition);
    let workbook = publish::find_workbook(store, manifest).await?;
    let note = serde_json::to_vec_pretty(&Retired { since: now, manifest: manifest.clone() })
        .map_err(|e| StoreError::Manifest { place: format!("{period}/{number}"), reason: e.to_string() })?;
    store.write(Place::Retired(period, number), note).await?;
    store.remove(Place::Manifest(period, number)).await?;
    if let Some(path) = workbook {
        store.remove(Place::Other(&path)).await?;
    }
    Ok(())
}
