//! The server, asked over HTTP as programs and browsers ask it.

mod access;
mod answers;
mod backfills;
mod downloads;
mod hostile;
mod jobs;
mod pages;
mod programs;
mod running;

use std::{
    fs,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;
use tests::{
    database::{Database, Kind, MEDIUM, SMALL},
    guard::shared_folder,
    server::{EMPTY_ARCHIVE, Server, Setup},
    store_folder::StoreFolder,
    workplace::Workplace,
};

/// What the old service left: a workbook that no manifest names.
const UNMANAGED: &str = "ticketing-report-2001-01-01-to-2001-01-31-12345.xlsx";

/// Workbooks that something else hasn't finished writing, or has failed to.
const UNFINISHED: [(&str, &[u8]); 2] = [
    ("ticketing-report-2001-02.xlsx", b""),
    ("ticketing-report-2001-03.xlsx", b"PK\x03\x04 and then the disk was full"),
];

/// A store with two editions of January, one of February, one of some days, and a workbook that nobody made; and
/// files that are no reports. It is made once, and tests leave it as it is.
fn store() -> StoreFolder {
    static MADE: Mutex<bool> = Mutex::new(false);
    let folder = shared_folder().join("server-store");
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if !*made {
        let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &MEDIUM));
        let to = folder.to_str().unwrap();
        work.succeed(&database, &["--period", "2025-01", "--store", to]);
        work.succeed(&database, &["--period", "2025-01", "--store", to, "--force"]);
        work.succeed(&database, &["--period", "2025-02", "--store", to]);
        work.succeed(&database, &["--start-date", "2025-01-10", "--end-date", "2025-01-12", "--store", to]);
        fs::write(folder.join(UNMANAGED), EMPTY_ARCHIVE).unwrap();
        for (name, bytes) in UNFINISHED {
            fs::write(folder.join(name), bytes).unwrap();
        }
        fs::write(folder.join("notes.xlsx"), b"no report").unwrap();
        fs::write(folder.join("~$ticketing-report-2025-01.xlsx"), b"Excel's own").unwrap();
        fs::write(shared_folder().join("secret.xlsx"), b"outside").unwrap();
        std::os::unix::fs::symlink(shared_folder().join("secret.xlsx"), folder.join("ticketing-report-1999-01.xlsx"))
            .unwrap();
        *made = true;
    }
    StoreFolder::new(folder)
}

/// A server over that store, for anybody on this machine.
fn server() -> Server {
    Setup::new(&store()).start()
}

/// A server over an empty store of its own, whose runs read a small demo.
fn fresh(arguments: &[&str]) -> (Workplace, Database, Server) {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let server = Setup::new(&work.store()).database(&database).with(arguments).start();
    (work, database, server)
}

/// The same without what differs from run to run: instants, sizes, digests and numbers drawn.
fn without_chance(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let shown = match (name.as_str(), value) {
                    ("creationTimestamp" | "startTime" | "completionTime" | "created" | "at", Value::String(_)) => {
                        Value::from("<time>")
                    }
                    ("size", Value::Number(_)) => Value::from("<size>"),
                    _ => without_chance(value),
                };
                (name.clone(), shown)
            })
            .collect(),
        Value::Array(values) => values.iter().map(without_chance).collect(),
        Value::String(text) => match text.find("ticketing-report-") {
            Some(at) => {
                let (before, name) = text.split_at(at + "ticketing-report-".len());
                let digits = name.bytes().take_while(u8::is_ascii_digit).count();
                if digits >= 5 { Value::from(format!("{before}<number>{}", &name[digits..])) } else { value.clone() }
            }
            None => value.clone(),
        },
        _ => value.clone(),
    }
}
