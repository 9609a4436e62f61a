//! `ticketing-report copy`: whole editions, verified, into another store.

use std::fs;

use tests::{
    bucket::{Bucket, Parts, S3Server},
    mount::Mount,
    store_folder::StoreFolder,
    waiting,
    workplace::Workplace,
};

use super::{JANUARY, PLAIN, demo, fetched};

over_both_servers! { a_copy_into_a_bucket_and_back_is_byte_by_byte_the_same_store }

/// A store of two editions of January and one of February, beside a workbook of the service before.
fn three_editions() -> Workplace {
    let (work, database) = demo();
    let january = [&JANUARY[..], &["--store", "reports"]].concat();
    work.succeed(&database, &january);
    work.succeed(&database, &["--period", "2025-02", "--store", "reports"]);
    database.execute("UPDATE tickets SET price = price + 1");
    work.succeed(&database, &january);
    fs::write(work.file("reports/ticketing-report-2019-01.xlsx"), b"PK old").unwrap();
    work
}

/// Everything that isn't the two stores' own: where each is and when it was written.
fn contents(store: &StoreFolder) -> Vec<(String, String)> {
    store.files().into_iter().map(|(path, (hash, _))| (path, hash)).collect()
}

fn a_copy_into_a_bucket_and_back_is_byte_by_byte_the_same_store(bucket: &Bucket) {
    let work = three_editions();
    let copied = work.command(&["copy", "reports", &bucket.address()]).reaching(bucket).finish().succeeded();
    assert!(copied.last_line().starts_with("3 editions ("), "{}", copied.last_line());
    assert_eq!(contents(&fetched(&work, bucket, "back")), contents(&work.store()));
    assert_eq!(bucket.paths().iter().filter(|path| path.starts_with("state/claims/")).count(), 0);
}

#[test]
fn a_copy_that_is_made_again_copies_only_what_is_new() {
    let (work, database) = demo();
    let report = |period: &str| work.succeed(&database, &["--period", period, "--store", "reports"]);
    report("2025-01");
    work.command(&["copy", "reports", "other"]).finish().succeeded();
    report("2025-02");
    let copied = work.command(&["copy", "reports", "other"]).finish().succeeded();
    assert!(copied.last_line().contains("1 editions (") && copied.last_line().contains(", 1 were there already"));
    let other = StoreFolder::new(work.file("other"));
    other.assert_settled();
    assert_eq!(contents(&other), contents(&work.store()));
}

#[test]
fn a_damaged_file_is_found_on_its_way_and_its_edition_is_not_in_the_copy() {
    let (work, database) = demo();
    work.succeed(&database, &[&JANUARY[..], &["--store", "reports"]].concat());
    let file = work.store().table_file(&work.store().manifest(), "payments");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let ended = work.command(&["copy", "reports", "other"]).finish();
    assert_eq!(ended.code(), Some(65), "{:?}", ended.stderr);
    assert!(ended.stderr.last().unwrap().contains("payments.parquet` is damaged"), "{:?}", ended.stderr);
    let other = StoreFolder::new(work.file("other"));
    assert!(other.manifests().is_empty());
    assert_eq!(other.half_made(), Vec::<String>::new());
    other.assert_nothing_is_half_visible();
}

/// A store with a workbook so large that it goes to a bucket in parts, and its name.
fn with_a_large_workbook() -> (Workplace, &'static str) {
    let (work, large) = (three_editions(), "ticketing-report-2018-01.xlsx");
    let bytes: Vec<u8> = (0..(20 << 20) + 1).map(|at: u32| (at / 1000) as u8).collect();
    fs::write(work.file("reports").join(large), bytes).unwrap();
    (work, large)
}

#[test]
fn an_upload_that_the_bucket_refuses_in_the_middle_is_given_up() {
    let ((work, large), bucket) = (with_a_large_workbook(), Bucket::new(S3Server::InProcess));
    let address = bucket.address();
    let copy = || work.command(&["copy", "reports", &address]).reaching(&bucket).finish();
    bucket.set_parts(Parts::Refused);
    let ended = copy();
    assert_eq!(ended.code(), Some(78), "{:?}", ended.stderr);
    assert!(ended.stderr.last().unwrap().contains(large), "{:?}", ended.stderr);
    assert!(!bucket.has_open_uploads());
    assert!(!bucket.paths().contains(&large.to_owned()));

    bucket.set_parts(Parts::Taken);
    copy().succeeded();
    assert!(!bucket.has_open_uploads());
    assert_eq!(contents(&fetched(&work, &bucket, "back")), contents(&work.store()));
}

#[test]
fn an_upload_that_a_signal_ends_is_given_up() {
    let ((work, large), bucket) = (with_a_large_workbook(), Bucket::new(S3Server::InProcess));
    bucket.set_parts(Parts::Held);
    let copying = work.command(&["copy", "reports", &bucket.address()]).reaching(&bucket).start();
    waiting::until("the upload has begun", || bucket.has_open_uploads().then_some(()));
    copying.signal("TERM");
    assert_eq!(copying.finish().code(), Some(143));
    assert!(!bucket.has_open_uploads());
    assert!(!bucket.paths().contains(&large.to_owned()));
}

#[test]
fn a_copy_that_cannot_be_written_says_why() {
    let (work, database) = demo();
    work.succeed(&database, &[&JANUARY[..], &["--store", "reports"]].concat());
    let full = Mount::of_size(1);
    fs::write(full.path().join("other"), vec![1; (1 << 20) - (64 << 10)]).unwrap();
    for (mount, words) in [(Mount::read_only(), "Read-only"), (full, "No space left")] {
        let ended = work.command(&["copy", "reports", &mount.path().display().to_string()]).finish();
        let said = ended.stderr.join("\n");
        assert_eq!(ended.code(), Some(73), "{said}");
        assert!(said.contains(words) && !said.contains("panicked"), "{said}");
    }
}

#[test]
fn a_copy_from_nowhere_or_into_itself_is_refused_and_makes_nothing() {
    let (work, database) = demo();
    work.succeed(&database, &[&JANUARY[..], &["--store", "reports"]].concat());
    let ended = work.command(&["copy", "reportz", "other"]).finish();
    assert!(ended.failed(78).contains("there is no store at `reportz`"), "{:?}", ended.stderr);
    for to in ["reports", "reports/other", "."] {
        assert!(work.command(&["copy", "reports", to]).finish().failed(2).contains("name another"), "{to}");
    }
    for command in [&["list"][..], &["prune"], &["render", "2025-01"]] {
        let ended = work.command(&[command, &["--store", "reportz"]].concat()).finish();
        assert!(ended.failed(78).contains("there is no store at `reportz`"), "{command:?} {:?}", ended.stderr);
    }
    assert!(!work.file("reportz").exists() && !work.file("other").exists());
}

#[test]
fn another_edition_of_the_same_number_is_never_replaced() {
    let (work, database) = demo();
    work.succeed(&database, &[&JANUARY[..], &["--store", "reports"]].concat());
    work.succeed(&database, &[&JANUARY[..], &["--store", "other"]].concat());
    let other = StoreFolder::new(work.file("other"));
    let before = contents(&other);
    let ended = work.command(&["copy", "reports", "other"]).finish();
    assert_eq!(ended.code(), Some(73), "{:?}", ended.stderr);
    assert!(ended.stderr.last().unwrap().contains("is another edition"), "{:?}", ended.stderr);
    assert_eq!(contents(&other), before);
}

#[test]
fn a_store_is_not_copied_onto_itself() {
    let work = three_editions();
    let ended = work.command(&["copy", "reports", "./reports/../reports"]).finish();
    assert_eq!(ended.code(), Some(2), "{:?}", ended.stderr);
    assert_eq!(work.store().workbooks().len(), 4);
    assert!(work.store().workbooks().contains(&PLAIN.to_owned()));
}
