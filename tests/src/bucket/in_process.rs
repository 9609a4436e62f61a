//! An S3 server in this process: s3s, which checks each request's signature as S3 does, over s3s-fs, which keeps the
//! objects as files. It honours no conditions: whoever asks to create an object only if it isn't there replaces it.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::{
    S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, auth::SimpleAuth, dto, service::S3ServiceBuilder,
};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime};

use super::{BUCKET, KEY, Parts, SECRET};
use crate::guard::shared_folder;

/// A running server; it ends, and what it keeps is gone, when dropped.
#[derive(Debug)]
pub(super) struct InProcess {
    pub(super) address: SocketAddr,
    /// What it does with all parts of an upload but the first.
    pub(super) parts: Arc<Mutex<Parts>>,
    // Ends before its folder goes.
    _runtime: Runtime,
    folder: TempDir,
}

impl InProcess {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir_in(shared_folder()).unwrap();
        fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let parts = Arc::new(Mutex::new(Parts::Taken));
        let files = FileSystem::new(folder.path()).unwrap();
        let objects = Objects { files, folder: folder.path().to_owned(), parts: Arc::clone(&parts) };
        let mut service = S3ServiceBuilder::new(objects);
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build().into_shared();

        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                // That a client hangs up in the middle is nothing to this server.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(client), service.clone()));
            }
        });
        Self { address, parts, _runtime: runtime, folder }
    }

    /// Where the bucket's objects are, each a file.
    pub(super) fn objects(&self) -> PathBuf {
        self.folder.path().join(BUCKET)
    }

    /// Whether there are notes about uploads, or parts of them: they lie beside the bucket until all is over.
    pub(super) fn has_open_uploads(&self) -> bool {
        let mut names = self.folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        names.any(|name| name.to_str().unwrap().starts_with(".upload"))
    }
}

/// s3s-fs, with what this version of it doesn't do as S3 does put right.
struct Objects {
    files: FileSystem,
    folder: PathBuf,
    parts: Arc<Mutex<Parts>>,
}

impl Objects {
    fn file(&self, bucket: &str, key: &str) -> PathBuf {
        self.folder.join(bucket).join(key)
    }
}

/// A list as S3 gives it. s3s-fs names every object below a folder, and below those whose names begin as this one's.
fn by_folders(mut listed: dto::ListObjectsV2Output, delimiter: Option<&str>) -> dto::ListObjectsV2Output {
    let prefix = listed.prefix.as_deref().unwrap_or_default();
    let mut folders = BTreeSet::new();
    if let Some(found) = &mut listed.contents {
        found.retain(|object| {
            let Some(rest) = object.key.as_deref().and_then(|key| key.strip_prefix(prefix)) else { return false };
            let Some(delimiter) = delimiter else { return true };
            let Some((folder, _)) = rest.split_once(delimiter) else { return true };
            folders.insert(format!("{prefix}{folder}{delimiter}"));
            false
        });
    }
    listed.common_prefixes =
        Some(folders.into_iter().map(|folder| dto::CommonPrefix { prefix: Some(folder) }).collect());
    listed
}

/// Hands each of these calls on as it comes, beside those that are put right.
macro_rules! objects {
    ($($call:ident: $input:ident -> $output:ident),+ $(,)?) => {
        #[async_trait::async_trait]
        impl S3 for Objects {
            $(async fn $call(&self, request: S3Request<dto::$input>) -> S3Result<S3Response<dto::$output>> {
                self.files.$call(request).await
            })+

            async fn list_objects_v2(
                &self,
                mut request: S3Request<dto::ListObjectsV2Input>,
            ) -> S3Result<S3Response<dto::ListObjectsV2Output>> {
                let delimiter = request.input.delimiter.take();
                let listed = self.files.list_objects_v2(request).await?;
                Ok(listed.map_output(|listed| by_folders(listed, delimiter.as_deref())))
            }

            /// What isn't there is deleted as well.
            async fn delete_objects(
                &self,
                request: S3Request<dto::DeleteObjectsInput>,
            ) -> S3Result<S3Response<dto::DeleteObjectsOutput>> {
                let keys = request.input.delete.objects.iter().map(|object| Some(object.key.clone()));
                let all = keys.map(|key| dto::DeletedObject { key, ..Default::default() }).collect();
                let deleted = self.files.delete_objects(request).await?;
                Ok(deleted.map_output(|deleted| dto::DeleteObjectsOutput { deleted: Some(all), ..deleted }))
            }

            /// The last so many bytes of fewer are all.
            async fn get_object(
                &self,
                mut request: S3Request<dto::GetObjectInput>,
            ) -> S3Result<S3Response<dto::GetObjectOutput>> {
                let asked = &mut request.input;
                let size = self.file(&asked.bucket, &asked.key).metadata().map_or(0, |found| found.len());
                let all = |range: &dto::Range| matches!(range, dto::Range::Suffix { length } if *length >= size);
                asked.range = asked.range.filter(|range| !all(range));
                self.files.get_object(request).await
            }

            /// A folder is no object.
            async fn head_object(
                &self,
                request: S3Request<dto::HeadObjectInput>,
            ) -> S3Result<S3Response<dto::HeadObjectOutput>> {
                if self.file(&request.input.bucket, &request.input.key).is_dir() {
                    return Err(S3Error::new(S3ErrorCode::NoSuchKey));
                }
                self.files.head_object(request).await
            }

            async fn upload_part(
                &self,
                request: S3Request<dto::UploadPartInput>,
            ) -> S3Result<S3Response<dto::UploadPartOutput>> {
                let parts = if request.input.part_number > 1 { *self.parts.lock().unwrap() } else { Parts::Taken };
                match parts {
                    Parts::Taken => self.files.upload_part(request).await,
                    Parts::Refused => Err(S3Error::new(S3ErrorCode::AccessDenied)),
                    Parts::Held => std::future::pending().await,
                }
            }
        }
    };
}

objects! {
    abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput,
    complete_multipart_upload: CompleteMultipartUploadInput -> CompleteMultipartUploadOutput,
    copy_object: CopyObjectInput -> CopyObjectOutput,
    create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput,
    delete_object: DeleteObjectInput -> DeleteObjectOutput,
    put_object: PutObjectInput -> PutObjectOutput,
}
