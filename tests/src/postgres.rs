//! A throw-away PostgreSQL server for all tests of this process, and databases in it.

use std::{
    collections::HashMap,
    fs,
    net::TcpListener,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use pipeline::demo::{DemoOptions, into_postgres};
use postgres::{Client, Config, NoTls};

use crate::guard::Guard;

/// The user whom everything in the server belongs to.
pub const USER: &str = "postgres";

/// The user's password: of characters that mean something to URLs, shells, `.env` files and SQL.
pub const PASSWORD: &str = "p@ss/w:rd%?#&+ =$é'\"\\";

/// The oldest server that the report must work with.
const OLDEST: u32 = 15;

struct Server {
    port: u16,
    templates: Mutex<HashMap<String, String>>,
    _guard: Guard,
}

/// The server; started when first asked for, stopped when this process ends.
fn server() -> &'static Server {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    match SERVER.get_or_init(start) {
        Ok(server) => server,
        Err(message) => panic!("{message}"),
    }
}

/// The port on 127.0.0.1 at which the server listens.
#[must_use]
pub fn port() -> u16 {
    server().port
}

/// The folder of the newest server's programs, and its version.
fn programs() -> Result<PathBuf, String> {
    let versions = |folder: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path().join("bin")).collect()
    };
    let mut folders = versions("/usr/lib/postgresql");
    folders.extend(versions("/usr").into_iter().filter(|path| path.to_string_lossy().contains("/pgsql-")));
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    let version = |folder: &Path| -> Option<u32> {
        let output = Command::new(folder.join("initdb")).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
        digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let newest = folders.into_iter().filter_map(|folder| Some((version(&folder)?, folder))).max();
    match newest {
        Some((version, folder)) if version >= OLDEST => Ok(folder),
        _ => Err(format!(
            "the tests need a PostgreSQL server, {OLDEST} or newer: run tests/prepare, or apt-get install postgresql"
        )),
    }
}

/// What begins a command so that it runs as somebody whom PostgreSQL takes: it refuses root.
fn as_somebody() -> Vec<&'static str> {
    if fs::metadata("/proc/self").is_ok_and(|me| me.uid() != 0) {
        return Vec::new();
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = if users.lines().any(|line| line.starts_with("postgres:")) { "postgres" } else { "nobody" };
    vec!["runuser", "-u", user, "--"]
}

fn run(command: &[&str]) -> Result<String, String> {
    let somebody = as_somebody();
    let whole: Vec<&str> = somebody.iter().chain(command).copied().collect();
    let output = Command::new(whole[0])
        .args(&whole[1..])
        .current_dir("/")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .map_err(|e| format!("`{}` can't be run: {e}", whole.join(" ")))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        Err(format!("`{}` failed: {said}", whole.join(" ")))
    }
}

fn start() -> Result<Server, String> {
    let programs = programs()?;
    let program = |name: &str| programs.join(name).to_string_lossy().into_owned();
    let folder = run(&["mktemp", "-d", "/tmp/ticketing-report-tests-XXXXXX"])?;
    let data = format!("{folder}/data");

    let pg_ctl = program("pg_ctl");
    let shell: Vec<&str> = as_somebody().into_iter().chain(["sh"]).collect();
    let stop = r#""$1" -D "$2/data" -m immediate -w stop; rm -rf "$2""#;
    let guard = Guard::new(&shell, stop, &[&pg_ctl, &folder]);

    // A file of the server's own user, that only it can read.
    let password = format!("{folder}/password");
    let write = r#"umask 077; printf '%s\n' "$1" > "$2""#;
    run(&["sh", "-c", write, "sh", PASSWORD, &password])?;
    run(&[
        &program("initdb"),
        &format!("--pgdata={data}"),
        &format!("--username={USER}"),
        &format!("--pwfile={password}"),
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    ])?;

    // Nothing in it is to last, and nothing may happen in it that a test hasn't asked for.
    let settings = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "autovacuum=off",
        "wal_level=minimal",
        "max_wal_senders=0",
        "shared_buffers=128MB",
    ];
    let mut failure = String::new();
    for _ in 0..5 {
        let port = free_port().map_err(|e| format!("there is no free port: {e}"))?;
        let options = settings.iter().fold(format!("-p {port}"), |all, setting| format!("{all} -c {setting}"));
        let log = format!("--log={folder}/log");
        match run(&[&pg_ctl, "-D", &data, &log, "-o", &options, "-w", "-s", "start"]) {
            Ok(_) => return Ok(Server { port, templates: Mutex::default(), _guard: guard }),
            // Somebody else may have taken the port meanwhile.
            Err(message) => failure = message + &fs::read_to_string(format!("{folder}/log")).unwrap_or_default(),
        }
    }
    Err(failure)
}

/// A port on which nothing listens just now.
///
/// # Errors
/// When the system gives none.
pub fn free_port() -> std::io::Result<u16> {
    TcpListener::bind("127.0.0.1:0")?.local_addr().map(|address| address.port())
}

/// Percent-encodes whatever isn't a letter or a digit.
#[must_use]
pub fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut url, byte| {
        if byte.is_ascii_alphanumeric() {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
        url
    })
}

fn connect(database: &str) -> Client {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port()).user(USER).password(PASSWORD).dbname(database);
    config.application_name("the test").connect(NoTls).unwrap_or_else(|e| panic!("no connection to {database}: {e}"))
}

/// A database of a test's own; gone when dropped.
#[derive(Debug)]
pub struct PostgresDatabase {
    name: String,
}

static NUMBER: AtomicU32 = AtomicU32::new(1);

impl PostgresDatabase {
    /// A database without any table.
    #[must_use]
    pub fn empty() -> Self {
        Self::copy_of("template1")
    }

    /// A demo. The same options are made only once, and copied from then on.
    ///
    /// # Panics
    /// When the demo can't be made.
    #[must_use]
    pub fn demo(options: &DemoOptions) -> Self {
        let key = format!("{options:?}");
        let mut templates = server().templates.lock().unwrap_or_else(PoisonError::into_inner);
        let template = templates.entry(key).or_insert_with(|| {
            let made = Self::empty();
            into_postgres(&mut made.client(), options, &mut |_, _| {}).expect("the demo can't be made");
            let name = made.name.clone();
            std::mem::forget(made);
            name
        });
        let template = template.clone();
        drop(templates);
        Self::copy_of(&template)
    }

    fn copy_of(template: &str) -> Self {
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        connect("postgres").batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).unwrap();
        Self { name }
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The database's address, with the password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/{}", encode(PASSWORD), port(), self.name)
    }

    /// A connection of the test's own.
    #[must_use]
    pub fn client(&self) -> Client {
        connect(&self.name)
    }

    /// Runs statements.
    ///
    /// # Panics
    /// When one of them fails.
    pub fn execute(&self, sql: &str) {
        self.client().batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    /// How many of the report's connections there are, and how many of them wait for a lock.
    ///
    /// # Panics
    /// When the server doesn't tell.
    #[must_use]
    pub fn report_connections(&self) -> (i64, i64) {
        let sql = "SELECT count(*), count(*) FILTER (WHERE wait_event_type = 'Lock') FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name LIKE 'ticketing-report%'";
        let row = self.client().query_one(sql, &[]).unwrap();
        (row.get(0), row.get(1))
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            connect("postgres").batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).unwrap();
        }
    }
}
