//! How an edition becomes visible: one run at a time claims the next number, moves its finished files in, and creates
//! the manifest, which is the commit point. Everything after that only makes names follow the manifest, so a crash
//! leaves work for [`settle`] and never a contradiction.
//!
//! A claim is never taken over. The number of a run that died holding one is skipped once the claim has expired, so a
//! run that was merely asleep can't mix its files with another's.

use std::{fs, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    columns::{EXCEPTIONS, SCHEMA_VERSION, TABLES},
    dictionary::dictionary,
    interrupt::HalfMade,
    manifest::{Manifest, WorkbookFile},
    period::PeriodId,
    snapshot,
    store::{Place, Store, StoreError},
};

/// How long a run may hold a number before others pass it by. Publishing takes milliseconds on a folder.
const CLAIM_LASTS: SignedDuration = SignedDuration::from_secs(60);

/// How often a run that is sending files to a bucket says that it is alive.
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// How often a run looks whether the one before it has finished.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug, Serialize, Deserialize)]
struct ClaimNote {
    owner: String,
    expires: Timestamp,
}

impl ClaimNote {
    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// A number that this run alone may publish.
#[derive(Debug)]
pub struct Claim {
    period: PeriodId,
    number: u32,
    note: ClaimNote,
    /// Whatever ends this run before it publishes gives the number back.
    half_made: HalfMade,
}

/// What came of asking for the next number.
#[derive(Debug)]
pub enum Turn {
    /// The number is ours; the manifest is that of the edition before it, if there is one.
    Ours(Claim, Option<Box<Manifest>>),
    /// The newest edition holds the same data already.
    Unchanged(Box<Manifest>),
}

impl Claim {
    /// Claims a number that somebody else has given; `None` if it is taken.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn on(store: &Store, period: PeriodId, number: u32, owner: &str) -> Result<Option<Self>, StoreError> {
        let note = ClaimNote { owner: owner.to_owned(), expires: Timestamp::now() + CLAIM_LASTS };
        // Before it is there, so that no signal finds it unknown.
        let half_made = HalfMade::claim(store, period, number, owner);
        let created = store.create(Place::Claim(period, number), note.bytes()).await?;
        if !created {
            half_made.forget();
            return Ok(None);
        }
        Ok(Some(Self { period, number, note, half_made }))
    }

    /// Holds the number for longer.
    async fn renew(&mut self, store: &Store) -> Result<(), StoreError> {
        let (period, number) = (self.period, self.number);
        if self.note.expires <= Timestamp::now() {
            return Err(StoreError::Busy { period, number });
        }
        self.note.expires = Timestamp::now() + CLAIM_LASTS;
        store.write(Place::Claim(period, number), self.note.bytes()).await
    }

    /// The edition's number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Gives the number back unused.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn release(self, store: &Store) -> Result<(), StoreError> {
        store.remove(Place::Claim(self.period, self.number)).await?;
        self.half_made.forget();
        Ok(())
    }
}

/// Removes the claim on a number if it is `owner`'s.
///
/// # Errors
/// When the store fails.
pub async fn give_back(store: &Store, period: PeriodId, number: u32, owner: &str) -> Result<(), StoreError> {
    let place = Place::Claim(period, number);
    let note = store.read(place).await?;
    let ours = |note: ClaimNote| note.owner == owner;
    if note.and_then(|bytes| serde_json::from_slice(&bytes).ok()).is_some_and(ours) {
        store.remove(place).await?;
    }
    Ok(())
}

/// Asks for the next number of a period, waiting for a run that is publishing just now. With `digest`, an edition that
/// holds the same data ends the wait.
///
/// # Errors
/// When the store fails.
pub async fn next_turn(store: &Store, period: PeriodId, owner: &str, digest: Option<&str>) -> Result<Turn, StoreError> {
    loop {
        let newest = store.newest(period).await?;
        if let Some(manifest) = same_data(newest, digest) {
            return Ok(Turn::Unchanged(Box::new(manifest)));
        }
        let published = store.numbers(period).await?.last().copied().unwrap_or(0);
        let claimed = store.claims(period).await?.last().copied().unwrap_or(0);
        if claimed > published && is_live(store, period, claimed).await? {
            tokio::time::sleep(LOOK_AGAIN).await;
            continue;
        }
        let number = published.max(claimed) + 1;
        let Some(claim) = Claim::on(store, period, number, owner).await? else { continue };
        // Somebody may have published between our look and our claim: look once more, now that nobody else can.
        let newest = store.newest(period).await?;
        if newest.as_ref().is_some_and(|manifest| manifest.edition >= number) {
            claim.release(store).await?;
        } else if let Some(manifest) = same_data(newest.clone(), digest) {
            claim.release(store).await?;
            return Ok(Turn::Unchanged(Box::new(manifest)));
        } else {
            return Ok(Turn::Ours(claim, newest.map(Box::new)));
        }
    }
}

fn same_data(newest: Option<Manifest>, digest: Option<&str>) -> Option<Manifest> {
    newest.filter(|manifest| digest == Some(manifest.digest.as_str()))
}

/// Whether a run that claimed a number may be publishing still.
///
/// # Errors
/// When the store fails.
pub async fn is_live(store: &Store, period: PeriodId, number: u32) -> Result<bool, StoreError> {
    let Some(bytes) = store.read(Place::Claim(period, number)).await? else { return Ok(false) };
    // A note that is still being written counts as live; one that stays unreadable is passed by like a dead one, but
    // only by its age.
    match serde_json::from_slice::<ClaimNote>(&bytes) {
        Ok(note) => Ok(note.expires > Timestamp::now()),
        Err(_) => store.is_younger(Place::Claim(period, number), CLAIM_LASTS).await,
    }
}

/// Puts the files that `run` staged under their tables' names and as `workbook.xlsx` where the claimed edition's belong.
/// Without a manifest they are nobody's yet.
///
/// # Errors
/// When the store fails.
pub async fn lay(store: &Store, run: &str, claim: &mut Claim) -> Result<(), StoreError> {
    let (period, number) = (claim.period, claim.number);
    let laying = async {
        for table in TABLES.into_iter().chain([&EXCEPTIONS]) {
            let file = format!("{}.parquet", table.name);
            store.put(run, &file, Place::Table(period, number, table.name)).await?;
        }
        store.put(run, "workbook.xlsx", Place::PendingWorkbook(period, number)).await
    };
    let holding = async {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            if let Err(lost) = claim.renew(store).await {
                return lost;
            }
        }
    };
    tokio::select! {
        laid = laying => laid,
        lost = holding => Err(lost),
    }
}

/// Commits an edition whose files are in their places: creates the manifest.
///
/// # Errors
/// When the store fails, or the claim ran out meanwhile. Nothing is visible then.
pub async fn commit(store: &Store, claim: Claim, manifest: &Manifest) -> Result<(), StoreError> {
    let (period, number) = (claim.period, claim.number);
    let bytes = serde_json::to_vec_pretty(manifest)
        .map_err(|e| StoreError::Manifest { place: format!("{period}/{number}"), reason: e.to_string() })?;
    if claim.note.expires <= Timestamp::now() || !store.create(Place::Manifest(period, number), bytes).await? {
        return Err(StoreError::Busy { period, number });
    }
    claim.release(store).await
}

/// Makes the names that people and globs use follow the period's manifests: the workbooks on the root and, for a
/// month, the files under `snapshots/`. Does nothing where they do already. Gives back a warning for each workbook
/// whose name somebody holds open; the next run tries again.
///
/// # Errors
/// When the store fails.
pub async fn settle(store: &Store, run: &str, period: PeriodId) -> Result<Vec<String>, StoreError> {
    let numbers = store.numbers(period).await?;
    let Some(&newest) = numbers.last() else { return Ok(Vec::new()) };
    let mut warnings = Vec::new();
    for &number in &numbers {
        if store.size(Place::PendingWorkbook(period, number)).await?.is_some()
            && let Err(error) = name_workbook(store, run, period, number, &numbers).await
        {
            warnings.push(format!(
                "the workbook of edition {number} waits for its name, which can't be replaced now ({error}): close it \
                 in Excel, and the next run will name it; until then it is at {}",
                store.show(Place::PendingWorkbook(period, number)),
            ));
        }
    }
    if period.month().is_some() && !is_shown(store, period, newest).await? {
        show_tables(store, run, period, newest).await?;
        store.write(Place::Shown(period), marker(newest)).await?;
    }
    show_dictionary(store, run).await?;
    Ok(warnings)
}

/// What [`Place::Shown`] says: the edition, and in which version of the schema its tables are shown.
fn marker(newest: u32) -> Vec<u8> {
    format!("{newest} in schema version {SCHEMA_VERSION}").into_bytes()
}

/// Whether the files under `snapshots/` are those of a month's newest edition, in this version's schema.
///
/// # Errors
/// When the store fails.
pub async fn is_shown(store: &Store, period: PeriodId, newest: u32) -> Result<bool, StoreError> {
    Ok(store.read(Place::Shown(period)).await?.is_some_and(|shown| shown == marker(newest)))
}

async fn show_dictionary(store: &Store, run: &str) -> Result<(), StoreError> {
    let text = dictionary();
    if store.read(Place::Dictionary).await?.is_none_or(|shown| shown != text) {
        let staged = store.staging(run)?.join("data-dictionary.md");
        fs::write(&staged, text).map_err(|e| StoreError::file(&staged, &e))?;
        store.put(run, "data-dictionary.md", Place::Dictionary).await?;
    }
    Ok(())
}

/// Puts the Parquet files of an edition where globs over `snapshots/` find them. Those of an older schema version are
/// written anew with the columns that have been added since, empty, so that all months have the same columns.
///
/// # Errors
/// When the store fails.
pub async fn show_tables(store: &Store, run: &str, period: PeriodId, number: u32) -> Result<(), StoreError> {
    let older = store.manifest(period, number).await?.schema_version < SCHEMA_VERSION;
    for table in TABLES.into_iter().chain([&EXCEPTIONS]) {
        let staged = format!("latest-{}.parquet", table.name);
        // Editions made before there were exceptions have no file of them.
        if store.size(Place::Table(period, number, table.name)).await?.is_none() && table.name == EXCEPTIONS.name {
            continue;
        }
        if older {
            let source = store.on_disk(Place::Table(period, number, table.name), run).await?;
            let target = store.staging(run)?.join(&staged);
            // From a thread of its own: Polars, which adds up what is written, doesn't bear an async one.
            let migrated =
                std::thread::scope(|scope| scope.spawn(|| snapshot::migrate(table, &source, &target)).join());
            let failed = |reason| StoreError::Object { place: source.display().to_string(), reason, full: false };
            match migrated {
                Ok(migrated) => migrated.map_err(|e| failed(e.to_string()))?,
                Err(_) => return Err(failed("a fault in the program".to_owned())),
            }
            store.put(run, &staged, Place::Latest(table.name, period)).await?;
            continue;
        }
        store
            .duplicate(
                Place::Table(period, number, table.name),
                Place::Staging(run, &staged),
                Place::Latest(table.name, period),
            )
            .await?;
    }
    Ok(())
}

/// What an edition's workbook is called; `None` if retention has taken the edition away meanwhile.
async fn named(store: &Store, period: PeriodId, number: u32) -> Result<Option<WorkbookFile>, StoreError> {
    match store.manifest(period, number).await {
        Ok(manifest) => Ok(Some(manifest.workbook)),
        Err(StoreError::NoEdition { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives one edition's workbook its name on the root, and the one that held the name its edition's name first.
async fn name_workbook(
    store: &Store,
    run: &str,
    period: PeriodId,
    number: u32,
    numbers: &[u32],
) -> Result<(), StoreError> {
    let pending = Place::PendingWorkbook(period, number);
    let workbook = store.manifest(period, number).await?.workbook;
    for &newer in numbers.iter().filter(|&&n| n > number) {
        if named(store, period, newer).await?.is_some_and(|newer| newer.name == workbook.name) {
            return store.rename(pending, Place::Workbook(&workbook.edition_name)).await;
        }
    }
    let plain = Place::Workbook(&workbook.name);
    if store.size(plain).await?.is_some() {
        // It is the workbook of the newest edition before this one that has no other name yet, unless somebody has put
        // something else there.
        for &older in numbers.iter().rev().filter(|&&n| n < number) {
            let Some(holder) = named(store, period, older).await? else { continue };
            let kept = Place::Workbook(&holder.edition_name);
            let waits = store.size(Place::PendingWorkbook(period, older)).await?.is_some();
            if holder.name != workbook.name || waits || store.size(kept).await?.is_some() {
                continue;
            }
            if store.sha256(plain).await? == holder.sha256 {
                store.duplicate(plain, Place::Staging(run, "kept.xlsx"), kept).await?;
            }
            break;
        }
    }
    store.rename(pending, plain).await
}

/// Where an edition's workbook is now: under its plain name while it is the newest of that name, else under its
/// edition's name, or not named yet.
///
/// # Errors
/// When the store fails.
pub async fn find_workbook(store: &Store, manifest: &Manifest) -> Result<Option<String>, StoreError> {
    let (period, number) = (manifest.period, manifest.edition);
    let pending = Place::PendingWorkbook(period, number);
    if store.size(pending).await?.is_some() {
        return Ok(Some(pending.path().to_string()));
    }
    let kept = Place::Workbook(&manifest.workbook.edition_name);
    if store.size(kept).await?.is_some() {
        return Ok(Some(kept.path().to_string()));
    }
    for newer in store.numbers(period).await?.into_iter().filter(|&n| n > number) {
        let waits = store.size(Place::PendingWorkbook(period, newer)).await?.is_some();
        if !waits && named(store, period, newer).await?.is_some_and(|newer| newer.name == manifest.workbook.name) {
            return Ok(None);
        }
    }
    let plain = Place::Workbook(&manifest.workbook.name);
    Ok((store.size(plain).await? == Some(manifest.workbook.size)).then(|| plain.path().to_string()))
}
