//! Stores of every kind: buckets, copies from one to another, and what retention leaves.

/// Writes each test twice: over a bucket of moto and over one in this process.
macro_rules! over_both_servers {
    ($($name:ident),+ $(,)?) => {
        mod moto {
            $(#[test] fn $name() { super::$name(&::tests::bucket::Bucket::new(::tests::bucket::S3Server::Moto)); })+
        }
        mod in_process {
            $(#[test] fn $name() { super::$name(&::tests::bucket::Bucket::new(::tests::bucket::S3Server::InProcess)); })+
        }
    };
}

mod bucket;
mod copy;
mod identities;
mod prune;

use tests::{
    bucket::Bucket,
    database::{Database, Kind, SMALL},
    workplace::{Ended, Workplace},
};

/// The report of a month.
const JANUARY: [&str; 4] = ["--period", "2025-01", "--time-zone", "UTC"];

/// Its workbook.
const PLAIN: &str = "ticketing-report-2025-01.xlsx";

fn demo() -> (Workplace, Database) {
    (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL))
}

/// A report into a bucket, with more arguments.
#[track_caller]
fn report(work: &Workplace, database: &Database, bucket: &Bucket, more: &[&str]) -> Ended {
    let address = bucket.address();
    let arguments = [&JANUARY[..], &["--store", &address], more].concat();
    work.with(database, &arguments).reaching(bucket).finish().succeeded()
}

/// A bucket's editions in a folder of their own, where they can be looked at.
#[track_caller]
fn fetched(work: &Workplace, bucket: &Bucket, folder: &str) -> tests::store_folder::StoreFolder {
    work.command(&["copy", &bucket.address(), folder]).reaching(bucket).finish().succeeded();
    tests::store_folder::StoreFolder::new(work.file(folder))
}
