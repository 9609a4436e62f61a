//! What `check` sees of the store, and what it mends there.

use std::fs;

use jiff::{SignedDuration, Timestamp};

use super::Finding;
use crate::{
    error::Error,
    interrupt::HalfMade,
    publish,
    render::restore_workbook,
    store::{Place, Store, StoreError},
};

/// Half-made files and claims of runs that died are left alone for this long.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// Less room than this, in MiB, is worth a word.
const LITTLE_ROOM: u64 = 1024;

/// Less room than this, in MiB, isn't enough for the smallest report.
const NO_ROOM: u64 = 2;

pub(super) fn look(store: &Store, repair: bool) -> Vec<Finding> {
    let run = format!("check-{}", std::process::id());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return vec![Finding::failed("store", error.to_string(), 1)],
    };
    let mut findings = vec![if store.is_bucket() {
        Finding::of("store", runtime.block_on(conditional(store, &run)))
    } else {
        Finding::of("store", writable(store, &run))
    }];
    findings.push(match store.room().map(|bytes| bytes / 1_048_576) {
        Some(free) if free < NO_ROOM => {
            let detail =
                "less than 2 MiB are left, not enough for any report: free some room or choose another --store";
            Finding::failed("room", detail, 73)
        }
        Some(free) if free < LITTLE_ROOM => Finding::warning(
            "room",
            format!("{free} MiB are left; a million tickets need about 450 MiB: free some room before large months"),
        ),
        Some(free) => Finding::ok("room", format!("{free} MiB are left")),
        None => Finding::warning("room", "the file system doesn't tell how much room is left"),
    });
    match runtime.block_on(editions(store, &run, repair)) {
        Ok(editions) => findings.extend(editions),
        Err(error) => findings.push(Finding::failed("editions", error.to_string(), error.exit_code())),
    }
    findings
}

fn writable(store: &Store, run: &str) -> Result<String, StoreError> {
    let _half_made = HalfMade::new(store.half_made(run));
    let staging = store.staging(run)?;
    let (from, to) = (staging.join("rename-from"), staging.join("rename-to"));
    fs::write(&from, b"x").map_err(|e| StoreError::file(&from, &e))?;
    fs::write(&to, b"y").and_then(|()| fs::rename(&from, &to)).map_err(|e| StoreError::file(&to, &e))?;
    let links = if store.has_hard_links(&staging) {
        "second names of files are hard links"
    } else {
        "it refuses hard links, so second names of files are copies"
    };
    Ok(format!("{} can be written and renamed in; {links}", store.address()))
}

/// Two runs of a period at once are kept apart by the bucket's refusing to create what is there already.
async fn conditional(store: &Store, run: &str) -> Result<String, Error> {
    let probe = Place::Staging(run, "probe");
    let created = (store.create(probe, b"x".to_vec()).await?, store.create(probe, b"y".to_vec()).await?);
    store.remove(probe).await?;
    match created {
        (true, false) => Ok(format!("{} can be written, and creates nothing twice", store.address())),
        _ => Err(Error::System(format!(
            "{} doesn't refuse to create an object that is there already (If-None-Match), so two runs at once could \
             publish the same edition: use a store that does",
            store.address()
        ))),
    }
}

async fn editions(store: &Store, run: &str, repair: bool) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    let mut editions = 0;
    let _half_made = HalfMade::new(store.half_made(run));
    for period in store.periods().await? {
        let Some(newest) = store.newest(period).await? else { continue };
        editions += store.numbers(period).await?.len();
        let subject = format!("edition {period} / {}", newest.edition);
        for (table, file) in newest.files() {
            let place = Place::Table(period, newest.edition, table);
            let found = if repair { Some(store.sha256(place).await?) } else { None };
            let size = store.size(place).await?;
            if size != Some(file.size) || found.is_some_and(|found| found != file.sha256) {
                let detail = format!(
                    "{} is missing or damaged: restore it from a backup or make a new edition with --force",
                    place.path()
                );
                findings.push(Finding::failed(&subject, detail, 65));
            }
        }
        let shown = period.month().is_none() || publish::is_shown(store, period, newest.edition).await?;
        let dropped = store.size(Place::Dropped(period, newest.edition)).await?.is_some();
        let named = dropped || publish::find_workbook(store, &newest).await?.is_some();
        let pending = store.size(Place::PendingWorkbook(period, newest.edition)).await?.is_some();
        if repair {
            publish::settle(store, run, period).await?;
            if period.month().is_some() {
                publish::show_tables(store, run, period, newest.edition).await?;
            }
            if !named {
                let mended = restore_workbook(store, run, &newest, 1).await;
                findings.push(Finding::of(&subject, mended));
            } else if !shown || pending {
                findings.push(Finding::ok(&subject, "its names have been finished"));
            }
        } else if !shown || pending || !named {
            let detail =
                "its workbook or its files under snapshots/ aren't in place: run `ticketing-report check --repair`";
            findings.push(Finding::warning(&subject, detail));
        }
    }
    if repair && !store.is_bucket() {
        findings.extend(remove_abandoned(store)?);
    }
    findings.insert(0, Finding::ok("editions", format!("{editions} published")));
    Ok(findings)
}

/// Removes what runs that died more than a day ago have left half-made.
fn remove_abandoned(store: &Store) -> Result<Option<Finding>, StoreError> {
    let folder = store.staging("")?;
    let failed = |e: std::io::Error| StoreError::file(&folder, &e);
    let mut removed = 0;
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let written = entry.metadata().and_then(|m| m.modified()).ok().and_then(|at| Timestamp::try_from(at).ok());
        if written.is_some_and(|at| Timestamp::now().duration_since(at) > ABANDONED_AFTER) {
            fs::remove_dir_all(entry.path()).map_err(failed)?;
            removed += 1;
        }
    }
    Ok((removed > 0).then(|| Finding::ok("staging", format!("{removed} folders of runs that died have been removed"))))
}
