//! The built server, and a client that asks it just what a test says: no redirections, no retries, paths as they are.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use pipeline::hashed::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    bucket::Bucket,
    database::Database,
    store_folder::StoreFolder,
    waiting::{self, SOON},
    workplace::command,
};

/// What every finished workbook ends with, and nothing else: an archive of no files.
pub const EMPTY_ARCHIVE: &[u8; 22] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// So many bytes that end as every finished workbook does.
#[must_use]
pub fn workbook(byte: u8, size: usize) -> Vec<u8> {
    [&vec![byte; size - EMPTY_ARCHIVE.len()], &EMPTY_ARCHIVE[..]].concat()
}

/// Tokens that the tests' servers know, by name and role.
pub const TOKENS: [&str; 4] = ["metrics", "viewer", "analyst", "operator"];

/// The token of a role.
#[must_use]
pub fn token(role: &str) -> String {
    hex(&Sha256::digest(format!("the {role}'s token")))
}

/// Writes a file of the tests' tokens.
///
/// # Panics
/// When it can't be written.
pub fn write_tokens(file: &Path) {
    let mut lines = "# Who may come in.\n\n".to_owned();
    for role in TOKENS {
        writeln!(lines, "the-{role} {role} {}", hex(&Sha256::digest(token(role)))).unwrap();
    }
    std::fs::write(file, lines).unwrap();
}

/// A server that isn't started yet.
#[derive(Debug)]
pub struct Setup(Command);

impl Setup {
    /// One over a store, on any free port, with nothing in its environment.
    #[must_use]
    pub fn new(store: &StoreFolder) -> Self {
        let mut server = Command::new(command().with_file_name("report-server"));
        server.env_clear().current_dir(store.path().parent().unwrap());
        for kept in ["PATH", "HOME", "TMPDIR"] {
            if let Some(value) = std::env::var_os(kept) {
                server.env(kept, value);
            }
        }
        // Variables, so that a test can say otherwise; and a rate that tests which wait for something don't reach.
        server.env("REPORT_LISTEN", "127.0.0.1:0").env("REPORT_STORE", store.path()).env("REPORT_RATE", "10000");
        // Also where the tests themselves run in a cluster.
        server.env("REPORT_LAUNCHER", "local");
        server.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(server)
    }

    /// With more arguments.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.0.args(arguments);
        self
    }

    /// With the database that its runs read.
    #[must_use]
    pub fn database(mut self, database: &Database) -> Self {
        self.0.env("DATABASE_URL", database.url());
        self
    }

    /// Over a bucket instead.
    #[must_use]
    pub fn bucket(mut self, bucket: &Bucket) -> Self {
        self.0.env("REPORT_STORE", bucket.address()).envs(bucket.environment());
        self
    }

    /// With the tests' tokens.
    #[must_use]
    pub fn tokens(self, folder: &Path) -> Self {
        let file = folder.join("tokens");
        write_tokens(&file);
        self.with(&["--tokens", file.to_str().unwrap()])
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// When it doesn't.
    #[must_use]
    #[track_caller]
    pub fn start(mut self) -> Server {
        let mut child = self.0.spawn().unwrap_or_else(|e| panic!("{:?}: {e}", self.0));
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, to) = (child.stderr.take().unwrap(), Arc::clone(&log));
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = to.lock().unwrap_or_else(PoisonError::into_inner);
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let address = said.trim().strip_prefix("listening on http://").map(str::to_owned);
        let server = Server { child, log, address: address.clone().unwrap_or_default() };
        assert!(address.is_some(), "it says {said:?}\n{}", server.log());
        server
    }

    /// Runs one that refuses to start: gives its exit code and what it says.
    ///
    /// # Panics
    /// When it can't be run.
    #[must_use]
    pub fn refused(mut self) -> (Option<i32>, String) {
        let output = self.0.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A server that runs. It is killed when dropped; what it has started goes on.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
    /// Its address and port.
    pub address: String,
}

impl Server {
    /// What it has written to stderr.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends SIGTERM and waits for the end; gives the exit code.
    ///
    /// # Panics
    /// When it doesn't end.
    pub fn terminate(mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        waiting::until("the server ends", || self.child.try_wait().unwrap()).code()
    }

    /// A request that isn't sent yet.
    #[must_use]
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(&self.address, method, path)
    }

    /// Asks for a path.
    #[track_caller]
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send()
    }

    /// Posts to a path, without a body.
    #[track_caller]
    #[must_use]
    pub fn post(&self, path: &str) -> Answer {
        self.request("POST", path).send()
    }

    /// Waits until a job is over, and gives it.
    ///
    /// # Panics
    /// When it goes on.
    #[track_caller]
    #[must_use]
    pub fn until_over(&self, job: &str) -> Value {
        waiting::until("the job is over", || {
            let job = self.get(&format!("/api/k8s/jobs/{job}")).json(200);
            (!matches!(job["state"].as_str(), Some("queued" | "running"))).then_some(job)
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    address: String,
    head: String,
    has_host: bool,
    body: Option<String>,
}

impl Request {
    /// One to an address and port.
    #[must_use]
    pub fn new(address: &str, method: &str, path: &str) -> Self {
        let head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        Self { address: address.to_owned(), head, has_host: false, body: None }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.has_host |= name == "host";
        write!(self.head, "{name}: {value}\r\n").unwrap();
        self
    }

    /// With a role's token.
    #[must_use]
    pub fn as_role(self, role: &str) -> Self {
        let token = format!("Bearer {}", token(role));
        self.header("authorization", &token)
    }

    /// As a browser that shows pages.
    #[must_use]
    pub fn for_page(self) -> Self {
        self.header("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
    }

    /// With a form.
    #[must_use]
    pub fn form(mut self, form: &str) -> Self {
        self.body = Some(form.to_owned());
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    /// Sends it, and reads until the server closes the connection.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    #[must_use]
    pub fn send(self) -> Answer {
        let mut stream = self.open();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap_or_else(|e| panic!("{}: {e}", self.head));
        Answer::parse(&bytes)
    }

    /// Sends it and gives the connection, from which nothing has been read.
    ///
    /// # Panics
    /// When the server can't be reached.
    #[track_caller]
    #[must_use]
    pub fn open(&self) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        let host = if self.has_host { String::new() } else { format!("host: {}\r\n", self.address) };
        let body = self.body.as_deref().unwrap_or_default();
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let whole = format!("{}{host}{length}\r\n{body}", self.head);
        // A server that refuses what it has read so far may close before all of it is written.
        let _ = stream.write_all(whole.as_bytes());
        stream
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let headers: Vec<_> = lines.filter_map(header).collect();
        let body = bytes[end + 4..].to_vec();
        let answer = Self { status, headers, body };
        match answer.header("transfer-encoding") {
            Some("chunked") => Self { body: unchunked(&answer.body), ..answer },
            _ => answer,
        }
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON, if the status is as expected.
    ///
    /// # Panics
    /// When it is another, or the body is no JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// What a problem says; its form must be as promised.
    ///
    /// # Panics
    /// When it isn't.
    #[track_caller]
    #[must_use]
    pub fn problem(&self, status: u16) -> String {
        let problem = self.json(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["detail"], problem["error"]);
        assert!(problem["title"].is_string());
        problem["error"].as_str().unwrap().to_owned()
    }
}

/// Takes a body in chunks apart.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size =
            std::str::from_utf8(&rest[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok()).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    body
}
