//! Whole objects on their way: from this machine into the store, out of it, and from one store to another.

use std::{
    fs, io,
    path::{Path as FilePath, PathBuf},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryFutureExt, TryStreamExt};
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload, PutPayloadMut, path::Path};
use sha2::{Digest, Sha256};
use tokio::sync::{RwLock, SetOnce};

use super::{Place, Store, StoreError, UNDO_WITHIN};
use crate::hashed::hex;

/// Bytes that are read or sent at once. What is smaller goes to a bucket in one request.
const PART: usize = 8 << 20;

/// Parts that are on their way to a bucket at once: a slow line must not fill the memory.
const PARTS_AT_ONCE: usize = 2;

/// Held by whoever uploads in parts, until the upload is finished or given up.
static UPLOADING: RwLock<()> = RwLock::const_new(());

/// Set when uploads in parts are to be given up.
static GIVE_UP: SetOnce<()> = SetOnce::const_new();

/// An upload in parts. Whoever stops in the middle gives it up.
struct Upload {
    parts: Box<dyn MultipartUpload>,
    is_open: bool,
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.is_open {
            Store::undo(self.parts.abort());
        }
    }
}

impl Store {
    /// Puts a finished file that a run has staged where it belongs.
    ///
    /// # Errors
    /// When the store fails; what was at the place is there still then.
    pub async fn put(&self, run: &str, file: &str, to: Place<'_>) -> Result<(), StoreError> {
        let staged = Place::Staging(run, file);
        if !self.is_bucket() {
            return self.rename(staged, to).await;
        }
        let path = self.file(staged);
        let failed = |e: io::Error| StoreError::file(&path, &e);
        let file = fs::File::open(&path).map_err(failed)?;
        let pieces = futures::stream::try_unfold(file, |mut file| async {
            let mut piece = Vec::with_capacity(PART / 8);
            io::Read::read_to_end(&mut io::Read::take(&mut file, PART as u64 / 8), &mut piece).map_err(failed)?;
            Ok((!piece.is_empty()).then(|| (Bytes::from(piece), file)))
        });
        self.upload(pieces, &to.path()).await
    }

    /// Writes an object that comes in pieces; nothing of it is left when it fails.
    async fn upload(&self, pieces: impl Stream<Item = Result<Bytes, StoreError>>, to: &Path) -> Result<(), StoreError> {
        let failed = |e| StoreError::object(to, &e);
        let given_up = || StoreError::file(FilePath::new(to.as_ref()), &io::ErrorKind::Interrupted.into());
        let mut parts = std::pin::pin!(parts(pieces));
        let first = parts.try_next().await?.unwrap_or_default();
        if first.content_length() < PART {
            return self.objects.put(to, first).await.map(drop).map_err(failed);
        }
        let _uploading = UPLOADING.read().await;
        if GIVE_UP.initialized() {
            return Err(given_up());
        }
        let mut upload = Upload { parts: self.objects.put_multipart(to).await.map_err(failed)?, is_open: true };
        let parts = futures::stream::iter([Ok(first)]).chain(parts);
        let sending = parts.map_ok(|part| upload.parts.put_part(part).map_err(failed));
        let sent = tokio::select! {
            biased;
            _ = GIVE_UP.wait() => Err(given_up()),
            sent = sending.try_buffer_unordered(PARTS_AT_ONCE).try_collect::<()>() => sent,
        };
        // From here on a signal breaks nothing off: the bucket may have finished it already.
        let finished = match sent {
            Ok(()) => upload.parts.complete().await.map(drop).map_err(failed),
            Err(error) => Err(error),
        };
        if finished.is_err() {
            // What can't even be given up, the bucket's own rules remove.
            let _ = upload.parts.abort().await;
        }
        upload.is_open = false;
        finished
    }

    /// Has all uploads in parts of this process given up, as somebody would pay for the parts, and waits for that up to
    /// a second. None begins from then on.
    pub async fn give_up_uploads() {
        let _ = GIVE_UP.set(());
        let _ = tokio::time::timeout(UNDO_WITHIN, UPLOADING.write()).await;
    }

    /// An object as a file on this machine: on a folder the object itself, of a bucket a copy in the run's folder.
    ///
    /// # Errors
    /// When the store fails or there is no such object.
    pub async fn on_disk(&self, place: Place<'_>, run: &str) -> Result<PathBuf, StoreError> {
        if !self.is_bucket() {
            return Ok(self.file(place));
        }
        let path = self.staging(run)?.join(place.path().as_ref().replace('/', "-"));
        let failed = |e: io::Error| StoreError::file(&path, &e);
        let mut file = fs::File::create(&path).map_err(failed)?;
        let mut pieces = std::pin::pin!(self.pieces(place).await?);
        while let Some(piece) = pieces.try_next().await? {
            io::Write::write_all(&mut file, &piece).map_err(failed)?;
        }
        Ok(path)
    }

    /// Takes an object over from another store, whole and with the expected SHA-256, if one is expected; gives its size.
    ///
    /// # Errors
    /// When one of the stores fails, or what arrives is something else. Nothing is at `to` then that wasn't before.
    pub async fn receive(
        &self,
        run: &str,
        store: &Self,
        from: Place<'_>,
        to: Place<'_>,
        expected: Option<&str>,
    ) -> Result<u64, StoreError> {
        let seen = Mutex::new((Sha256::new(), 0));
        let pieces = store.pieces(from).await?.inspect_ok(|piece| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.0.update(piece);
            seen.1 += piece.len() as u64;
        });
        let landing = if self.is_bucket() { to } else { Place::Staging(run, "arriving") };
        self.upload(pieces, &landing.path()).await?;
        let (hash, size) = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let found = hex(&hash.finalize());
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            self.remove(landing).await?;
            return Err(StoreError::Damaged { place: store.show(from), found, expected: expected.to_owned() });
        }
        if !self.is_bucket() {
            self.rename(landing, to).await?;
        }
        Ok(size)
    }

    /// An object's bytes in pieces.
    async fn pieces(
        &self,
        place: Place<'_>,
    ) -> Result<impl Stream<Item = Result<Bytes, StoreError>> + use<>, StoreError> {
        let path = place.path();
        let found = self.objects.get(&path).await.map_err(|e| StoreError::object(&path, &e))?;
        Ok(found.into_stream().map_err(move |e| StoreError::object(&path, &e)))
    }

    /// Makes a second name for an immutable object; nothing half-made is ever at `to`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn duplicate(&self, from: Place<'_>, staging: Place<'_>, to: Place<'_>) -> Result<(), StoreError> {
        if self.is_bucket() {
            let to = to.path();
            return self.objects.copy(&from.path(), &to).await.map_err(|e| StoreError::object(&to, &e));
        }
        let staged = staging.path();
        if self.objects.copy(&from.path(), &staged).await.is_err() {
            // No hard links here: copy the bytes.
            let (source, target) = (self.file(from), self.file(staging));
            target.parent().map_or(Ok(()), fs::create_dir_all).map_err(|e| StoreError::file(&target, &e))?;
            fs::copy(&source, &target).map_err(|e| StoreError::file(&target, &e))?;
            fs::File::open(&target).and_then(|f| f.sync_all()).map_err(|e| StoreError::file(&target, &e))?;
        }
        self.rename(staging, to).await
    }

    /// SHA-256 of an object in hexadecimal, read in pieces.
    ///
    /// # Errors
    /// When the store fails or there is no such object.
    pub async fn sha256(&self, place: Place<'_>) -> Result<String, StoreError> {
        let mut bytes = std::pin::pin!(self.pieces(place).await?);
        let mut hash = Sha256::new();
        while let Some(piece) = bytes.try_next().await? {
            hash.update(piece);
        }
        Ok(hex(&hash.finalize()))
    }
}

/// Pieces of whatever length as parts of one length, the last of which may be shorter.
fn parts(pieces: impl Stream<Item = Result<Bytes, StoreError>>) -> impl Stream<Item = Result<PutPayload, StoreError>> {
    futures::stream::try_unfold((Box::pin(pieces.fuse()), Bytes::new()), |(mut pieces, mut piece)| async {
        let mut part = PutPayloadMut::new();
        while part.content_length() < PART {
            if piece.is_empty() {
                let Some(next) = pieces.try_next().await? else { break };
                piece = next;
            }
            part.push(piece.split_to(piece.len().min(PART - part.content_length())));
        }
        Ok((part.content_length() > 0).then(|| (part.freeze(), (pieces, piece))))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use object_store::{PutResult, UploadPart};

    use super::*;

    /// An upload that counts how often it is given up.
    #[derive(Debug)]
    struct Counted(&'static AtomicU32);

    #[async_trait::async_trait]
    impl MultipartUpload for Counted {
        fn put_part(&mut self, _: PutPayload) -> UploadPart {
            Box::pin(std::future::pending())
        }

        async fn complete(&mut self) -> object_store::Result<PutResult> {
            std::future::pending().await
        }

        async fn abort(&mut self) -> object_store::Result<()> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    #[test]
    fn an_upload_that_nobody_waits_for_any_more_is_given_up_once() {
        static GIVEN_UP: AtomicU32 = AtomicU32::new(0);
        for (is_open, times) in [(true, 1), (false, 1)] {
            drop(Upload { parts: Box::new(Counted(&GIVEN_UP)), is_open });
            assert_eq!(GIVEN_UP.load(Ordering::Relaxed), times);
        }
    }

    #[tokio::test]
    async fn parts_have_one_length_whatever_the_pieces_have() {
        for (pieces, expected) in [
            (vec![], vec![]),
            (vec![0, 0], vec![]),
            (vec![5], vec![5]),
            (vec![PART], vec![PART]),
            (vec![PART - 1, 1], vec![PART]),
            (vec![PART, 1], vec![PART, 1]),
            (vec![1, 3 * PART, 2], vec![PART, PART, PART, 3]),
            (vec![PART / 8; 20], vec![PART, PART, PART / 2]),
        ] {
            let bytes: Vec<u8> = (0..pieces.iter().sum()).map(|at: usize| (at / 1000) as u8).collect();
            let mut rest = Bytes::from(bytes.clone());
            let pieces: Vec<_> = pieces.into_iter().map(|length| Ok(rest.split_to(length))).collect();
            let found: Vec<_> = parts(futures::stream::iter(pieces)).try_collect().await.unwrap();
            assert_eq!(found.iter().map(PutPayload::content_length).collect::<Vec<_>>(), expected);
            assert!(found.into_iter().flat_map(|part| Vec::from(Bytes::from(part))).eq(bytes), "{expected:?}");
        }
    }
}
