//! The demo as a file.

use std::{fs, path::PathBuf};

use rusqlite::Connection;

use super::options;
use crate::demo::{DemoError, into_sqlite};

/// A folder of a test's own, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("demo-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn sqlite_gets_a_complete_file_and_no_other() {
    let folder = Folder::new("complete");
    let path = folder.0.join("traindb.sqlite");
    let mut told = Vec::new();
    let summary = into_sqlite(&path, &options(500, 2), &mut |table, rows| told.push((table.to_owned(), rows))).unwrap();
    assert_eq!(folder.names(), ["traindb.sqlite"]);
    assert!(told.contains(&("tickets".to_owned(), 500)));

    let database = Connection::open(&path).unwrap();
    let number = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(number("select count(*) from pragma_foreign_key_check"), 0);
    assert_eq!(number("select count(*) from tickets"), 500);
    assert_eq!(number("select count(*) from ticket_refunds"), i64::try_from(summary.refunds).unwrap());
    assert_eq!(number("select count(*) from flyway_schema_history where success"), 2);
    assert_eq!(number("select max(length(first_name)) from passengers"), 40_000);
    assert_eq!(
        number("select count(*) from trips where typeof(departure_time) || typeof(service_date) <> 'texttext'"),
        0
    );
    assert_eq!(
        number("select count(*) from tickets where issued_at between 1735689600000000 and 1740787199999999"),
        499
    );

    let error = into_sqlite(&path, &options(500, 2), &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, DemoError::Exists { .. }), "{error}");
    assert_eq!(folder.names(), ["traindb.sqlite"]);
}

#[test]
fn sqlite_leaves_nothing_behind_when_it_fails() {
    let folder = Folder::new("fails");
    let error = into_sqlite(&folder.0.join("no/such/folder.sqlite"), &options(100, 1), &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, DemoError::File { .. }), "{error}");
    assert!(folder.names().is_empty());
}
