//! One store's editions into another: a folder into a bucket, or back.
//!
//! Each file is compared with its manifest while it passes, and the manifest comes last, so that whatever ends a copy
//! leaves whole editions, and the next copy goes on from there.

use crate::{
    error::Error,
    manifest::Manifest,
    period::PeriodId,
    publish::{self, Claim},
    store::{Place, Store, StoreError},
};

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Editions that weren't there.
    pub editions: u64,
    /// Editions that were there already, all of their files with the right sizes.
    pub present: u64,
    /// Bytes of what was copied.
    pub bytes: u64,
    /// Editions without a workbook: it can be rendered again.
    pub without_workbook: u64,
}

/// Copies all editions with their workbooks, what other workbooks lie on the root, the records of runs and jobs, and the
/// audit log. `tell` hears of each edition before it is copied.
///
/// # Errors
/// When a store fails, a file isn't the one that its manifest names, or the other store has another edition of the same
/// period and number.
pub async fn copy(from: &Store, to: &Store, run: &str, mut tell: impl FnMut(PeriodId, u32)) -> Result<Copied, Error> {
    let (here, there) = (from.address(), to.address());
    let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with(['/', '\\']));
    if here == there || within(&here, &there) || within(&there, &here) {
        return Err(Error::Usage(format!(
            "`{there}` is the store `{here}` itself, or one lies in the other: name another to copy to"
        )));
    }
    from.reachable().await?;
    // Where nothing can be written, this says so with the remedy.
    to.staging(run)?;
    let mut copied = Copied::default();
    let mut periods = Vec::new();
    let mut workbooks = std::collections::HashSet::new();
    for (period, number) in from.editions().await? {
        tell(period, number);
        let manifest = from.manifest(period, number).await?;
        let workbook = publish::find_workbook(from, &manifest).await?;
        workbooks.extend(workbook.clone());
        if is_there(from, to, &manifest).await? {
            copied.present += 1;
        } else {
            copied.bytes += edition(from, to, run, &manifest, workbook.as_deref()).await?;
            copied.editions += 1;
            copied.without_workbook += u64::from(workbook.is_none());
        }
        if periods.last() != Some(&period) {
            periods.push(period);
        }
    }
    for period in periods {
        publish::settle(to, run, period).await?;
    }
    let mut others = from.root_files(|name| name.ends_with(".xlsx")).await?.into_keys().collect::<Vec<_>>();
    others.retain(|name| !workbooks.contains(name));
    for folder in ["state/runs", "state/jobs", "state/audit", "state/dropped"] {
        others.extend(from.objects(folder).await?.into_keys());
    }
    for path in others {
        if to.size(Place::Other(&path)).await?.is_none() {
            copied.bytes += to.receive(run, from, Place::Other(&path), Place::Other(&path), None).await?;
        }
    }
    Ok(copied)
}

/// Whether the other store has an edition already.
async fn is_there(from: &Store, to: &Store, manifest: &Manifest) -> Result<bool, Error> {
    let (period, number) = (manifest.period, manifest.edition);
    let place = Place::Manifest(period, number);
    let Some(there) = to.read(place).await? else { return Ok(false) };
    if from.read(place).await?.is_none_or(|here| here != there) {
        return Err(Error::Conflict { place: to.show(place) });
    }
    for (table, file) in manifest.files() {
        let place = Place::Table(period, number, table);
        let size = to.size(place).await?.unwrap_or_default();
        if size != file.size {
            let (found, expected) = (format!("that of {size} bytes"), file.sha256.clone());
            return Err(StoreError::Damaged { place: to.show(place), found, expected }.into());
        }
    }
    Ok(true)
}

/// Copies one edition; gives its bytes.
async fn edition(
    from: &Store,
    to: &Store,
    run: &str,
    manifest: &Manifest,
    workbook: Option<&str>,
) -> Result<u64, Error> {
    let (period, number) = (manifest.period, manifest.edition);
    // A copy that died holds its number still, and only this very edition may have it.
    if to.size(Place::Claim(period, number)).await?.is_some() && !publish::is_live(to, period, number).await? {
        to.remove(Place::Claim(period, number)).await?;
    }
    let busy = StoreError::Busy { period, number };
    let claim = Claim::on(to, period, number, run).await?.ok_or(busy)?;
    let copied = async {
        let mut bytes = 0;
        for (table, file) in manifest.files() {
            let place = Place::Table(period, number, table);
            bytes += to.receive(run, from, place, place, Some(&file.sha256)).await?;
        }
        if let Some(workbook) = workbook {
            let place = Place::PendingWorkbook(period, number);
            bytes += to.receive(run, from, Place::Other(workbook), place, Some(&manifest.workbook.sha256)).await?;
        }
        // The very bytes: the manifest's own hash is what tells editions apart.
        let place = Place::Manifest(period, number);
        let bytes_of_manifest = from.read(place).await?.unwrap_or_default();
        if !to.create(place, bytes_of_manifest.to_vec()).await? {
            return Err(StoreError::Busy { period, number });
        }
        Ok(bytes)
    };
    let copied = copied.await;
    claim.release(to).await?;
    Ok(copied?)
}
