//! moto, an S3 server in a process of its own, which honours conditional requests.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{BUCKET, KEY};
use crate::{server::Request, tools::python_command};

/// The server that all tests of this process share. It ends when this process does, which closes its stdin.
pub(super) fn address() -> &'static str {
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

/// A folder of the bucket that nobody else has.
pub(super) fn new_folder() -> String {
    static FOLDERS: AtomicU32 = AtomicU32::new(1);
    format!("store-{}", FOLDERS.fetch_add(1, Ordering::Relaxed))
}

pub(super) fn paths(address: &str, folder: &str) -> Vec<String> {
    let listed = Request::new(address, "GET", &format!("/{BUCKET}?list-type=2&prefix={folder}/")).send();
    assert_eq!(listed.status, 200, "{}", listed.text());
    assert!(listed.text().contains("<IsTruncated>false"), "too many objects for one answer");
    let keys = listed.text().split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap());
    let mut paths: Vec<String> = keys.map(|key| key[folder.len() + 1..].to_owned()).collect();
    paths.sort();
    paths
}

pub(super) fn has_open_uploads(address: &str, folder: &str) -> bool {
    let listed = Request::new(address, "GET", &format!("/{BUCKET}?uploads&prefix={folder}/")).send();
    assert_eq!(listed.status, 200, "{}", listed.text());
    listed.text().contains(&format!("<Key>{folder}/"))
}

#[track_caller]
pub(super) fn read(address: &str, folder: &str, path: &str) -> Vec<u8> {
    // Nobody checks the signature, but there has to be one.
    let signed = format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    );
    let object = format!("/{BUCKET}/{folder}/{path}");
    let found = Request::new(address, "GET", &object).header("authorization", &signed).send();
    assert_eq!(found.status, 200, "{path}: {}", String::from_utf8_lossy(&found.body));
    found.body
}
