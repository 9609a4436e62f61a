//! All objects of a kind with the reports' label, now and from now on.

use std::fmt::Debug;

use futures::StreamExt;
use kube::{
    Api, ResourceExt,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde::de::DeserializeOwned;

use super::{
    calls::{Call, Pace, Refusal, Waits, call},
    job::SELECTOR,
};

/// What has become known.
pub(super) enum Change<K> {
    /// These are all there are.
    All(Vec<K>),
    /// One is new, or has changed.
    Put(K),
    /// One is gone; so it was at last.
    Gone(K),
    /// The API refuses a call for now.
    Refused(Call, Refusal),
}

/// Tells changes for ever. A watch that is cut goes on where it was; where the API has forgotten that place, everything
/// is listed anew.
pub(super) async fn watch<K>(api: Api<K>, [list, watch]: [Call; 2], pace: Pace, tell: impl Fn(Change<K>))
where
    K: Clone + DeserializeOwned + Debug + ResourceExt,
{
    let mut waits = Waits::new(pace);
    loop {
        let mut version = match call(pace.call, api.list(&ListParams::default().labels(SELECTOR))).await {
            Ok(list) => {
                tell(Change::All(list.items));
                list.metadata.resource_version.unwrap_or_default()
            }
            Err(refusal) => {
                tell(Change::Refused(list, refusal));
                tokio::time::sleep(waits.next()).await;
                continue;
            }
        };
        loop {
            let before = version.clone();
            let cut = follow(&api, pace, &mut version, &tell).await;
            if version != before {
                waits.reset();
            }
            match cut {
                Err(gone) if gone.code() == 410 => break,
                Err(refusal) => tell(Change::Refused(watch, refusal)),
                Ok(()) => {}
            }
            tokio::time::sleep(waits.next()).await;
        }
    }
}

/// Tells what happens after a version, until the watch is cut.
async fn follow<K>(api: &Api<K>, pace: Pace, version: &mut String, tell: &impl Fn(Change<K>)) -> Result<(), Refusal>
where
    K: Clone + DeserializeOwned + Debug + ResourceExt,
{
    let mut events = Box::pin(call(pace.call, api.watch(&WatchParams::default().labels(SELECTOR), version)).await?);
    // A connection may die without a word.
    while let Ok(Some(event)) = tokio::time::timeout(pace.silence, events.next()).await {
        let seen = match event? {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                let seen = object.resource_version();
                tell(Change::Put(object));
                seen
            }
            WatchEvent::Deleted(object) => {
                let seen = object.resource_version();
                tell(Change::Gone(object));
                seen
            }
            WatchEvent::Bookmark(bookmark) => Some(bookmark.metadata.resource_version),
            WatchEvent::Error(status) => return Err(Refusal::Status(status)),
        };
        if let Some(seen) = seen {
            *version = seen;
        }
    }
    Ok(())
}
