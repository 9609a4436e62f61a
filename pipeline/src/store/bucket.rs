//! Stores in buckets: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.
//!
//! Credentials come from where each cloud's own tools find them: `AWS_…`, `GOOGLE_…` and `AZURE_…` variables, the
//! files that these name, or the workload's identity.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use object_store::{
    ClientConfigKey, ObjectStore, ObjectStoreScheme, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    client::SpawnedReqwestConnector,
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    path::Path,
    prefix::PrefixStore,
};
use tokio::runtime::Runtime;
use url::Url;

use super::error::{StoreError, innermost};

/// How long a request is tried again before the store counts as unreachable.
const TRY_FOR: Duration = Duration::from_secs(10);

/// An object may take long to come, but not stand still for long.
const PATIENCE: [(ClientConfigKey, &str); 2] =
    [(ClientConfigKey::Timeout, "1 hour"), (ClientConfigKey::ReadTimeout, "30 seconds")];

/// Where all requests are made, whatever runtime asks for them: a connection belongs to the runtime that opened it, and
/// would hang with one that is waiting for something else.
pub(super) fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if RUNTIME.get().is_none() {
        let made =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("bucket").enable_all().build()?;
        // Somebody else may have made one meanwhile: then that one is used, and ours does nothing.
        if let Err(ours) = RUNTIME.set(made) {
            ours.shutdown_background();
        }
    }
    RUNTIME.get().ok_or_else(|| io::Error::other("no runtime"))
}

/// Opens a bucket, or a folder in it.
pub(super) fn open(address: &str) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let wrong = || StoreError::Address(address.to_owned());
    let url = Url::parse(address).map_err(|_| wrong())?;
    let (scheme, folder) = ObjectStoreScheme::parse(&url).map_err(|_| wrong())?;
    // Who has installed another one first keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let unusable = |reason: String| StoreError::Bucket { address: address.to_owned(), reason };
    let runtime = runtime().map_err(|e| unusable(e.to_string()))?;
    let connector = SpawnedReqwestConnector::new(runtime.handle().clone());
    let retry = RetryConfig { retry_timeout: TRY_FOR, ..RetryConfig::default() };
    let objects: object_store::Result<Arc<dyn ObjectStore>> = match scheme {
        ObjectStoreScheme::AmazonS3 => {
            let builder =
                AmazonS3Builder::from_env().with_url(address).with_retry(retry).with_http_connector(connector);
            let patient =
                |builder: AmazonS3Builder, (key, value)| builder.with_config(AmazonS3ConfigKey::Client(key), value);
            PATIENCE.into_iter().fold(builder, patient).build().map(|s3| Arc::new(s3) as _)
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            let builder = GoogleCloudStorageBuilder::from_env().with_url(address);
            let builder = builder.with_retry(retry).with_http_connector(connector);
            let patient = |builder: GoogleCloudStorageBuilder, (key, value)| {
                builder.with_config(GoogleConfigKey::Client(key), value)
            };
            PATIENCE.into_iter().fold(builder, patient).build().map(|gcs| Arc::new(gcs) as _)
        }
        ObjectStoreScheme::MicrosoftAzure => {
            let builder = MicrosoftAzureBuilder::from_env().with_url(address);
            let builder = builder.with_retry(retry).with_http_connector(connector);
            let patient =
                |builder: MicrosoftAzureBuilder, (key, value)| builder.with_config(AzureConfigKey::Client(key), value);
            PATIENCE.into_iter().fold(builder, patient).build().map(|azure| Arc::new(azure) as _)
        }
        _ => return Err(wrong()),
    };
    let objects = objects.map_err(|e| unusable(innermost(&e).0))?;
    Ok(if folder == Path::default() { objects } else { Arc::new(PrefixStore::new(objects, folder)) })
}
