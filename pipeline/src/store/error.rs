//! What can go wrong with the store.

use std::{
    io,
    path::{Path as FilePath, PathBuf},
};

use object_store::path::Path;

use crate::period::{PeriodError, PeriodId};

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is none that this program knows.
    #[error(
        "the store `{0}` can't be used: give a folder's path or an address, file://, s3://bucket/folder, gs://bucket/folder or az://container/folder"
    )]
    Address(String),
    /// The folder can't be made or opened.
    #[error("the store's folder `{path}` can't be used: {reason}; choose another with --store or mend its permissions")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// There is no such folder.
    #[error("there is no store at `{0}`: correct the path, or make a first report there")]
    NoStore(PathBuf),
    /// The bucket can't be used as it is configured.
    #[error(
        "the store `{address}` can't be used: {reason}; set the variables that its cloud's own tools read (AWS_…, GOOGLE_… or AZURE_…), or give this workload an identity that may"
    )]
    Bucket {
        /// Its address.
        address: String,
        /// The reason.
        reason: String,
    },
    /// There is no such bucket.
    #[error("the store's bucket doesn't exist ({0}): make it first, or correct --store")]
    NoBucket(String),
    /// The bucket doesn't let us.
    #[error(
        "the store refuses access to `{place}`: {reason}; see that its credentials are valid and may read, write, list and delete there"
    )]
    Refused {
        /// The object's path.
        place: String,
        /// The cloud's reason.
        reason: String,
    },
    /// The bucket can't be reached.
    #[error(
        "the store didn't answer at `{place}`: {reason}; see that the network lets this machine through, and try again"
    )]
    Unreachable {
        /// The object's path.
        place: String,
        /// The reason.
        reason: String,
    },
    /// Reading or writing an object failed.
    #[error("the store failed at `{place}`: {reason}")]
    Object {
        /// The object's path.
        place: String,
        /// The reason.
        reason: String,
        /// Whether the reason is that there is no room left.
        full: bool,
    },
    /// The room left isn't enough for what a run is about to write.
    #[error(
        "the store has {free} MiB left and this report needs about {needed} MiB: free some room or choose another --store"
    )]
    Full {
        /// MiB left.
        free: u64,
        /// MiB that the run is about to write.
        needed: u64,
    },
    /// A manifest that can't be read.
    #[error("the manifest `{place}` is damaged ({reason}): restore it from a backup, or remove its folder")]
    Manifest {
        /// The manifest's path.
        place: String,
        /// What the parser says.
        reason: String,
    },
    /// An edition that doesn't exist.
    #[error("there is no edition {wanted}: `ticketing-report list` shows those that exist")]
    NoEdition {
        /// The period and number asked for.
        wanted: String,
    },
    /// A file whose bytes aren't those that its manifest names.
    #[error(
        "`{place}` is damaged: its SHA-256 is {found}, its manifest says {expected}; restore it from a backup or make a new edition with --force"
    )]
    Damaged {
        /// The object's path.
        place: String,
        /// SHA-256 found.
        found: String,
        /// SHA-256 in the manifest.
        expected: String,
    },
    /// Another run holds the next number and doesn't finish.
    #[error("another run is publishing {period} edition {number} and hasn't finished: try again in a minute")]
    Busy {
        /// The period.
        period: PeriodId,
        /// The number it holds.
        number: u32,
    },
    /// A period in a path that isn't one.
    #[error(transparent)]
    Period(#[from] PeriodError),
}

impl StoreError {
    pub(super) fn object(place: &Path, error: &object_store::Error) -> Self {
        let (reason, full) = innermost(error);
        let place = place.to_string();
        match error {
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                Self::Refused { place, reason }
            }
            // Where a whole folder is asked for, object_store tells no more than the answer's status.
            object_store::Error::Generic { store, .. } if *store != LOCAL => {
                let status = |code: &str| reason.contains(&format!("status code: {code}"));
                match () {
                    () if status("404") => Self::NoBucket(plain(&reason)),
                    () if status("401") || status("403") => Self::Refused { place, reason: plain(&reason) },
                    () => Self::Unreachable { place, reason: plain(&reason) },
                }
            }
            _ => Self::Object { place, reason, full },
        }
    }

    /// An input or output error of a file beside the store's objects.
    #[must_use]
    pub fn file(place: &FilePath, error: &io::Error) -> Self {
        Self::Object {
            place: place.display().to_string(),
            reason: error.to_string(),
            full: error.kind() == io::ErrorKind::StorageFull,
        }
    }
}

/// What object_store calls its store of folders.
const LOCAL: &str = "LocalFileSystem";

/// An answer's message without the XML around it.
fn plain(reason: &str) -> String {
    let message = reason.split_once("<Message>").and_then(|(_, rest)| rest.split_once("</Message>"));
    message.map_or_else(|| reason.to_owned(), |(message, _)| message.to_owned())
}

/// The reason at the bottom of an error, and whether it is that there is no room left.
pub(super) fn innermost(error: &object_store::Error) -> (String, bool) {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    let mut reason = error.to_string();
    let mut full = false;
    while let Some(current) = cause {
        reason = current.to_string();
        full |= current.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::StorageFull);
        cause = current.source();
    }
    (reason, full)
}
