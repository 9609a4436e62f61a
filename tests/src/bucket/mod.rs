//! Buckets in S3 servers that run for the tests.

mod in_process;
mod moto;

use in_process::InProcess;

use crate::{store_folder::StoreFolder, workplace::Run};

/// What the servers' buckets are called, and who may use them.
const BUCKET: &str = "reports";
const KEY: &str = "test";
const SECRET: &str = "test";

/// The store's folder in the bucket.
const FOLDER: &str = "monthly";

/// Which S3 server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum S3Server {
    /// Beside the tests: it honours conditional requests, and asks nobody who he is.
    Moto,
    /// Within them: it honours no conditional requests, and checks each request's signature.
    InProcess,
}

/// What the server in this process does with all parts of an upload but the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// It takes them.
    Taken,
    /// It refuses them.
    Refused,
    /// It never answers.
    Held,
}

/// A folder of its own in a server's bucket.
#[derive(Debug)]
pub struct Bucket {
    folder: String,
    server: Running,
}

#[derive(Debug)]
enum Running {
    /// At this address, shared by all tests.
    Moto(&'static str),
    /// This bucket's own.
    InProcess(InProcess),
}

impl Bucket {
    /// An empty one.
    ///
    /// # Panics
    /// When the server can't be started.
    #[must_use]
    pub fn new(server: S3Server) -> Self {
        match server {
            S3Server::Moto => Self { folder: moto::new_folder(), server: Running::Moto(moto::address()) },
            S3Server::InProcess => Self { folder: FOLDER.to_owned(), server: Running::InProcess(InProcess::start()) },
        }
    }

    /// Its address, as `--store` takes it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("s3://{BUCKET}/{}", self.folder)
    }

    /// The server's address.
    #[must_use]
    pub fn endpoint(&self) -> String {
        match &self.server {
            Running::Moto(address) => format!("http://{address}"),
            Running::InProcess(server) => format!("http://{}", server.address),
        }
    }

    /// What a program needs in its environment to reach it.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
    }

    /// The paths of all objects in it, sorted.
    ///
    /// # Panics
    /// When the server doesn't list them.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        match &self.server {
            Running::Moto(address) => moto::paths(address, &self.folder),
            Running::InProcess(server) => StoreFolder::new(server.objects().join(&self.folder)).paths(),
        }
    }

    /// Whether an upload was begun and neither finished nor given up.
    ///
    /// # Panics
    /// When the server doesn't tell.
    #[must_use]
    pub fn has_open_uploads(&self) -> bool {
        match &self.server {
            Running::Moto(address) => moto::has_open_uploads(address, &self.folder),
            Running::InProcess(server) => server.has_open_uploads(),
        }
    }

    /// Tells the server in this process what to do with all parts of uploads but the first.
    ///
    /// # Panics
    /// When the server is another.
    pub fn set_parts(&self, parts: Parts) {
        let Running::InProcess(server) = &self.server else { panic!("moto takes whatever comes") };
        *server.parts.lock().unwrap() = parts;
    }

    /// An object's bytes.
    ///
    /// # Panics
    /// When there is no such object.
    #[must_use]
    #[track_caller]
    pub fn read(&self, path: &str) -> Vec<u8> {
        match &self.server {
            Running::Moto(address) => moto::read(address, &self.folder, path),
            Running::InProcess(server) => std::fs::read(server.objects().join(&self.folder).join(path)).unwrap(),
        }
    }
}

impl Run {
    /// With what is needed to reach a bucket.
    #[must_use]
    pub fn reaching(self, bucket: &Bucket) -> Self {
        bucket.environment().into_iter().fold(self, |run, (name, value)| run.env(name, &value))
    }
}
