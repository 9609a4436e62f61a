//! The store: one folder or bucket with every file of every edition, reached through object_store.
//!
//! [`Place`] owns the path of each object. On a folder writers stage beside what people browse and rename into place;
//! in a bucket they stage on this machine and upload, and an object appears there when it is whole. So a reader never
//! sees half a file.

mod bucket;
mod error;
mod place;
mod serve;
mod transfer;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, local::LocalFileSystem, path::Path};

pub use self::{
    error::StoreError,
    place::Place,
    serve::{FoundFile, Opened},
};
use crate::{
    manifest::{Manifest, Retired},
    period::PeriodId,
};

/// How long giving up uploads may take, or giving back a claim, when a run is ended by a signal.
const UNDO_WITHIN: Duration = Duration::from_secs(1);

/// A store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    /// The store's folder; beside a bucket a folder of our own for half-made files.
    root: PathBuf,
    bucket: Option<Arc<Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    address: String,
    /// Removed when the last user of this store goes.
    _scratch: tempfile::TempDir,
}

impl Store {
    /// Opens a store: a folder's path or `file://` address, which is made where it is missing, or a bucket's address.
    ///
    /// # Errors
    /// When the address is of another kind, the folder can't be made or reached, or the bucket's settings can't be
    /// used. Whether the bucket answers is seen when it is read.
    pub fn open(address: &str) -> Result<Self, StoreError> {
        let root = match address.split_once("://") {
            None => PathBuf::from(address),
            Some(("file", _)) => url::Url::parse(address)
                .ok()
                .and_then(|url| url.to_file_path().ok())
                .ok_or_else(|| StoreError::Address(address.to_owned()))?,
            Some(_) => return Self::open_bucket(address),
        };
        if root.as_os_str().is_empty() {
            return Err(StoreError::Address(address.to_owned()));
        }
        let unusable = |reason| StoreError::Folder { path: root.clone(), reason };
        fs::create_dir_all(&root).map_err(unusable)?;
        let root = root.canonicalize().map_err(unusable)?;
        let objects = LocalFileSystem::new_with_prefix(&root)
            .map_err(|e| StoreError::object(&Path::default(), &e))?
            .with_fsync(true);
        Ok(Self { objects: Arc::new(objects), root, bucket: None })
    }

    /// Opens a store that must be there already: nobody wants to read from a folder that a slip of the pen has made.
    ///
    /// # Errors
    /// As [`Store::open`], and when there is no such folder.
    pub fn existing(address: &str) -> Result<Self, StoreError> {
        let folder = match address.split_once("://") {
            None => Some(PathBuf::from(address)),
            Some(("file", _)) => url::Url::parse(address).ok().and_then(|url| url.to_file_path().ok()),
            Some(_) => None,
        };
        match folder.filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
            Some(folder) => Err(StoreError::NoStore(folder)),
            None => Self::open(address),
        }
    }

    fn open_bucket(address: &str) -> Result<Self, StoreError> {
        let address = address.trim_end_matches('/');
        let objects = bucket::open(address)?;
        let mut folder = tempfile::Builder::new();
        // Nobody else on this machine may read what is in it.
        #[cfg(unix)]
        folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let scratch = folder
            .prefix("ticketing-report-")
            .tempdir()
            .map_err(|reason| StoreError::Folder { path: std::env::temp_dir(), reason })?;
        let root = scratch.path().to_owned();
        let bucket = Bucket { address: address.to_owned(), _scratch: scratch };
        Ok(Self { objects, root, bucket: Some(Arc::new(bucket)) })
    }

    /// Whether it is a bucket.
    #[must_use]
    pub fn is_bucket(&self) -> bool {
        self.bucket.is_some()
    }

    /// Where people find an object: its path in the file system, or its address in the bucket.
    #[must_use]
    pub fn show(&self, place: Place<'_>) -> String {
        match &self.bucket {
            Some(bucket) => format!("{}/{}", bucket.address, place.path()),
            None => self.file(place).display().to_string(),
        }
    }

    /// The store's address.
    #[must_use]
    pub fn address(&self) -> String {
        self.bucket.as_ref().map_or_else(|| self.root.display().to_string(), |bucket| bucket.address.clone())
    }

    /// An object as a file that programs without object_store can read: on a folder the object itself, beside a bucket a
    /// file on this machine that only we know.
    #[must_use]
    pub fn file(&self, place: Place<'_>) -> PathBuf {
        place.path().parts().fold(self.root.clone(), |path, part| path.join(part.as_ref()))
    }

    /// Makes the folder for a run's half-made files: on the store's own file system, so that renaming them into place is
    /// one step, or beside a bucket on this machine.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn staging(&self, run: &str) -> Result<PathBuf, StoreError> {
        let folder = self.half_made(run);
        fs::create_dir_all(&folder).map_err(|reason| StoreError::Folder { path: folder.clone(), reason })?;
        Ok(folder)
    }

    /// What must be removed when a run ends, however it ends: its half-made files.
    #[must_use]
    pub fn half_made(&self, run: &str) -> PathBuf {
        self.root.join("state").join("staging").join(run)
    }

    /// Beside a bucket, the folder on this machine that must be removed when the program ends, however it ends.
    #[must_use]
    pub fn scratch(&self) -> Option<&FilePath> {
        self.bucket.as_ref().map(|_| self.root.as_path())
    }

    /// Bytes left on the file system of half-made files, which on a folder is the store's own, where it tells.
    #[must_use]
    pub fn room(&self) -> Option<u64> {
        fs4::available_space(&self.root).ok()
    }

    /// Whether the store's folder takes hard links, by trying.
    #[must_use]
    pub fn has_hard_links(&self, staging: &FilePath) -> bool {
        let (from, to) = (staging.join("link-from"), staging.join("link-to"));
        let linked = fs::write(&from, b"").and_then(|()| fs::hard_link(&from, &to)).is_ok();
        let _ = fs::remove_file(&to);
        let _ = fs::remove_file(&from);
        linked
    }

    /// An object's size, or `None` where there is no such object.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn size(&self, place: Place<'_>) -> Result<Option<u64>, StoreError> {
        Ok(self.meta(&place.path()).await?.map(|meta| meta.size))
    }

    /// Whether an object exists and was written less than `age` ago.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_younger(&self, place: Place<'_>, age: jiff::SignedDuration) -> Result<bool, StoreError> {
        let now = jiff::Timestamp::now().as_second();
        let written = self.meta(&place.path()).await?.map(|meta| meta.last_modified.timestamp());
        Ok(written.is_some_and(|written| now - written < age.as_secs()))
    }

    async fn meta(&self, path: &Path) -> Result<Option<ObjectMeta>, StoreError> {
        match self.objects.head(path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StoreError::object(path, &error)),
        }
    }

    /// An object's bytes, or `None` where there is no such object. For small objects.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(&self, place: Place<'_>) -> Result<Option<Bytes>, StoreError> {
        let path = place.path();
        let failed = |error: &object_store::Error| StoreError::object(&path, error);
        match self.objects.get(&path).await {
            Ok(found) => found.bytes().await.map(Some).map_err(|e| failed(&e)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Writes a small object whole, over what may be there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn write(&self, place: Place<'_>, bytes: Vec<u8>) -> Result<(), StoreError> {
        let path = place.path();
        self.objects.put(&path, PutPayload::from(bytes)).await.map_err(|e| StoreError::object(&path, &e))?;
        Ok(())
    }

    /// Writes a small object only if it doesn't exist; says whether it did.
    ///
    /// On folders object_store does this by a hard link. Where the file system refuses those, the file is created
    /// exclusively instead: then a reader might see it half written, so use this for claims, and for a manifest only
    /// under a claim.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn create(&self, place: Place<'_>, bytes: Vec<u8>) -> Result<bool, StoreError> {
        let path = place.path();
        match self.objects.put_opts(&path, PutPayload::from(bytes.clone()), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            // Two at once: the other one has it, or will have.
            Err(object_store::Error::Precondition { .. }) => Ok(false),
            Err(error) if self.is_bucket() => Err(StoreError::object(&path, &error)),
            Err(_) => {
                let file = self.file(place);
                match fs::OpenOptions::new().write(true).create_new(true).open(&file) {
                    Ok(mut created) => {
                        let written = io::Write::write_all(&mut created, &bytes).and_then(|()| created.sync_all());
                        written.map(|()| true).map_err(|e| {
                            // What isn't whole must not be there. That it can't even be removed changes nothing.
                            let _ = fs::remove_file(&file);
                            StoreError::file(&file, &e)
                        })
                    }
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                    Err(error) => Err(StoreError::file(&file, &error)),
                }
            }
        }
    }

    /// Moves an object over what may be at the other place. On a folder in one step; in a bucket it is at both places for
    /// a moment.
    ///
    /// # Errors
    /// When the store fails, or somebody holds the other place open on a system that forbids replacing it then.
    pub async fn rename(&self, from: Place<'_>, to: Place<'_>) -> Result<(), StoreError> {
        let to = to.path();
        self.objects.rename(&from.path(), &to).await.map_err(|e| StoreError::object(&to, &e))
    }

    /// All objects below a folder, by their paths.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn objects(&self, folder: &str) -> Result<BTreeMap<String, FoundFile>, StoreError> {
        let folder = Path::from(folder);
        let found = self.objects.list(Some(&folder));
        let found = found.map_ok(|meta| (meta.location.to_string(), FoundFile::of(&meta)));
        found.try_collect().await.map_err(|e| StoreError::object(&folder, &e))
    }

    /// Removes an edition's folder once it is empty. A bucket has no folders.
    pub fn remove_empty(&self, period: PeriodId, number: u32) {
        if !self.is_bucket() {
            // One that isn't empty stays, and there may be none.
            let _ = fs::remove_dir(self.root.join("editions").join(period.to_string()).join(number.to_string()));
        }
    }

    /// Removes an object; one that isn't there is removed already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove(&self, place: Place<'_>) -> Result<(), StoreError> {
        let path = place.path();
        match self.objects.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(StoreError::object(&path, &error)),
        }
    }

    /// Undoes something now, when a run ends. That it can't be undone nobody could mend then.
    pub fn undo<E>(undo: impl Future<Output = Result<(), E>> + Send) {
        // From a thread of its own, as this one may be a runtime's.
        std::thread::scope(|scope| {
            let undoing = scope.spawn(|| {
                let runtime = bucket::runtime()?;
                let _ = runtime.block_on(async { tokio::time::timeout(UNDO_WITHIN, undo).await });
                Ok::<_, io::Error>(())
            });
            let _ = undoing.join();
        });
    }

    /// The numbers of a period that have a manifest, ascending.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn numbers(&self, period: PeriodId) -> Result<Vec<u32>, StoreError> {
        let folder = Path::from(format!("editions/{period}"));
        let mut numbers: Vec<u32> = self
            .list(&folder)
            .await?
            .iter()
            .filter(|path| path.filename() == Some("manifest.json"))
            .filter_map(|path| path.parts().nth(2).and_then(|part| part.as_ref().parse().ok()))
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The numbers of a period on which there is a claim, ascending.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claims(&self, period: PeriodId) -> Result<Vec<u32>, StoreError> {
        let folder = Path::from(format!("state/claims/{period}"));
        let claims = self.list(&folder).await?;
        let number = |path: &Path| path.filename()?.strip_suffix(".json")?.parse().ok();
        let mut numbers: Vec<u32> = claims.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The periods that have an edition, ascending.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn periods(&self) -> Result<Vec<PeriodId>, StoreError> {
        let folder = Path::from("editions");
        let listed =
            self.objects.list_with_delimiter(Some(&folder)).await.map_err(|e| StoreError::object(&folder, &e))?;
        let mut periods: Vec<PeriodId> =
            listed.common_prefixes.iter().filter_map(|path| path.filename()?.parse().ok()).collect();
        periods.sort_unstable();
        Ok(periods)
    }

    /// An edition's manifest.
    ///
    /// # Errors
    /// When there is none, or it can't be read.
    pub async fn manifest(&self, period: PeriodId, number: u32) -> Result<Manifest, StoreError> {
        let place = Place::Manifest(period, number);
        let bytes =
            self.read(place).await?.ok_or_else(|| StoreError::NoEdition { wanted: format!("{number} of {period}") })?;
        serde_json::from_slice(&bytes)
            .map_err(|e| StoreError::Manifest { place: place.path().to_string(), reason: e.to_string() })
    }

    /// The newest edition's manifest of a period, if the period has one.
    ///
    /// # Errors
    /// When the store fails or the manifest is damaged.
    pub async fn newest(&self, period: PeriodId) -> Result<Option<Manifest>, StoreError> {
        match self.numbers(period).await?.last() {
            Some(&number) => self.manifest(period, number).await.map(Some),
            None => Ok(None),
        }
    }

    /// The manifest of an edition that retention has taken out of the lists and not yet removed.
    ///
    /// # Errors
    /// When the store fails or the note can't be read.
    pub async fn retired(&self, period: PeriodId, number: u32) -> Result<Option<Retired>, StoreError> {
        let place = Place::Retired(period, number);
        let Some(bytes) = self.read(place).await? else { return Ok(None) };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| StoreError::Manifest { place: place.path().to_string(), reason: e.to_string() })
    }

    async fn list(&self, folder: &Path) -> Result<Vec<Path>, StoreError> {
        self.objects
            .list(Some(folder))
            .map_ok(|meta| meta.location)
            .try_collect()
            .await
            .map_err(|e| StoreError::object(folder, &e))
    }
}
