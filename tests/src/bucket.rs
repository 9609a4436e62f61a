//! Buckets in an S3 server that runs for the tests: moto, which honours conditional requests.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{server::Request, tools::python_command, workplace::Run};

/// A folder of its own in the server's bucket.
#[derive(Debug)]
pub struct Bucket {
    server: String,
    folder: String,
}

/// The server that all tests of this process share. It ends when this process does, which closes its stdin.
fn server() -> &'static str {
    static SERVER: OnceLock<(String, Child)> = OnceLock::new();
    &SERVER.get_or_init(start).0
}

fn start() -> (String, Child) {
    let mut server = python_command("bucket", "bucket.py");
    let mut child = server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let address = said.trim().strip_prefix("http://").unwrap_or_else(|| panic!("{server:?} says {said:?}"));
    (address.to_owned(), child)
}

impl Default for Bucket {
    fn default() -> Self {
        Self::new()
    }
}

impl Bucket {
    /// An empty one in the server that all tests share.
    ///
    /// # Panics
    /// When the server can't be started.
    #[must_use]
    pub fn new() -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(1);
        let folder = format!("store-{}", FOLDERS.fetch_add(1, Ordering::Relaxed));
        Self { server: server().to_owned(), folder }
    }

    /// Its address, as `--store` takes it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("s3://reports/{}", self.folder)
    }

    /// The server's address.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server)
    }

    /// What a program needs in its environment to reach it.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }

    /// The paths of all objects in it, sorted.
    ///
    /// # Panics
    /// When the server doesn't list them.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let listed = Request::new(&self.server, "GET", &format!("/reports?list-type=2&prefix={}/", self.folder)).send();
        assert_eq!(listed.status, 200, "{}", listed.text());
        assert!(listed.text().contains("<IsTruncated>false"), "too many objects for one answer");
        let keys = listed.text().split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap());
        let mut paths: Vec<String> = keys.map(|key| key[self.folder.len() + 1..].to_owned()).collect();
        paths.sort();
        paths
    }

    /// Uploads that were begun and neither finished nor given up.
    ///
    /// # Panics
    /// When the server doesn't list them.
    #[must_use]
    pub fn open_uploads(&self) -> usize {
        let listed = Request::new(&self.server, "GET", &format!("/reports?uploads&prefix={}/", self.folder)).send();
        assert_eq!(listed.status, 200, "{}", listed.text());
        listed.text().matches(&format!("<Key>{}/", self.folder)).count()
    }

    /// An object's bytes.
    ///
    /// # Panics
    /// When there is no such object.
    #[must_use]
    #[track_caller]
    pub fn read(&self, path: &str) -> Vec<u8> {
        // Nobody checks the signature, but there has to be one.
        let signed =
            "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let path_of_object = format!("/reports/{}/{path}", self.folder);
        let found = Request::new(&self.server, "GET", &path_of_object).header("authorization", signed).send();
        assert_eq!(found.status, 200, "{path}: {}", String::from_utf8_lossy(&found.body));
        found.body
    }
}

impl Run {
    /// With what is needed to reach a bucket.
    #[must_use]
    pub fn reaching(self, bucket: &Bucket) -> Self {
        bucket.environment().into_iter().fold(self, |run, (name, value)| run.env(name, &value))
    }
}
