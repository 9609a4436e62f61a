//! Whether the store has room for what a report makes.

use crate::{
    manifest::Manifest,
    store::{Store, StoreError},
};

/// Bytes that a ticket takes in a workbook and a snapshot together, where no earlier edition tells.
const TYPICAL_TICKET_BYTES: u64 = 450;

/// With room for fewer more reports than these it is time to say so.
const FEW_MORE: u64 = 3;

const MIB: u64 = 1_048_576;

/// Refuses early what would fill the store: a report of so many tickets, which take what those of the newest edition do.
///
/// # Errors
/// When there is less room than it needs.
pub fn refuse_to_fill(store: &Store, newest: Option<&Manifest>, rows: u64) -> Result<(), StoreError> {
    let newest = newest.filter(|newest| newest.rows > 0);
    let needed = rows * newest.map_or(TYPICAL_TICKET_BYTES, |newest| newest.size() / newest.rows + 1) + MIB;
    match store.room() {
        Some(free) if free < needed => Err(StoreError::Full { free: free / MIB, needed: needed / MIB + 1 }),
        _ => Ok(()),
    }
}

/// Warns before the store is full: there are people who can do something about it.
#[must_use]
pub fn filling(store: &Store, published: &Manifest) -> Option<String> {
    let free = store.room().filter(|_| !store.is_bucket())?;
    let more = free / published.size().max(1);
    (more < FEW_MORE).then(|| {
        format!(
            "the store has {} MiB left, enough for {more} more reports of this size: make it larger, or see what \
             `ticketing-report prune` would remove",
            free / MIB
        )
    })
}
