//! `ticketing-report prune`: what goes, in which steps, and what never does.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use tests::{
    bucket::Bucket,
    database::Database,
    server::Setup,
    workplace::{Ended, Workplace},
};

use super::{JANUARY, PLAIN, demo, fetched, report};

over_both_servers! { a_bucket_is_pruned_in_the_same_two_steps }

/// Keeps nothing but the newest editions, whatever their age.
const NEWEST: [&str; 4] = ["--keep-editions", "1", "--keep-days", "0"];

/// A store with three editions of January.
fn three_editions() -> (Workplace, Database) {
    let (work, database) = demo();
    for _ in 0..3 {
        work.succeed(&database, &[&JANUARY[..], &["--store", "reports"]].concat());
        database.execute("UPDATE tickets SET price = price + 1");
    }
    (work, database)
}

#[track_caller]
fn prune(work: &Workplace, more: &[&str]) -> Ended {
    work.command(&[&["prune", "--store", "reports"], more].concat()).finish().succeeded()
}

#[test]
fn without_apply_nothing_is_changed() {
    let (work, _) = three_editions();
    let before = work.store().files();
    let said = prune(&work, &NEWEST);
    assert!(said.last_line().starts_with("2 steps, for ") && said.last_line().contains("not done"), "{}", said.stdout);
    assert!(said.stdout.contains("2025-01 edition 1") && said.stdout.contains("2025-01 edition 2"), "{}", said.stdout);
    assert!(!said.stdout.contains("edition 3"), "{}", said.stdout);
    assert_eq!(work.store().files(), before);
}

#[test]
fn retired_editions_leave_the_lists_at_once_and_the_disk_after_the_grace_time() {
    let (work, database) = three_editions();
    prune(&work, &[&NEWEST[..], &["--apply"]].concat());
    let store = work.store();
    assert_eq!(store.numbers("2025-01"), [3]);
    assert_eq!(store.workbooks(), [PLAIN]);
    store.assert_settled();
    // Whoever is reading them can go on.
    assert!(store.file("editions/2025-01/1/tickets.parquet").is_file());
    prune(&work, &[&NEWEST[..], &["--apply"]].concat());
    assert!(store.file("editions/2025-01/1/tickets.parquet").is_file());

    prune(&work, &[&NEWEST[..], &["--grace-hours", "0", "--apply"]].concat());
    let left: Vec<_> = store.paths().into_iter().filter(|path| path.starts_with("editions/2025-01/")).collect();
    assert!(left.iter().all(|path| path.starts_with("editions/2025-01/3/")), "{left:?}");
    assert!(!store.file("editions/2025-01/1").exists());
    assert!(!store.paths().iter().any(|path| path.starts_with("state/retired/")));
    assert!(prune(&work, &NEWEST).last_line().starts_with("nothing to remove"));
    // The next edition's number goes on from the newest.
    work.succeed(&database, &[&JANUARY[..], &["--store", "reports"]].concat());
    assert_eq!(store.numbers("2025-01"), [3, 4]);
    store.assert_settled();
}

#[test]
fn editions_are_kept_for_their_number_or_their_age() {
    let (work, _) = three_editions();
    for kept in [&["--keep-editions", "3", "--keep-days", "0"], &["--keep-editions", "1", "--keep-days", "1"]] {
        assert!(prune(&work, &kept[..]).last_line().starts_with("nothing to remove"));
    }
    let two = prune(&work, &["--keep-editions", "2", "--keep-days", "0", "--json"]);
    let steps: serde_json::Value = serde_json::from_str(&two.stdout).unwrap();
    assert_eq!(steps.as_array().unwrap().len(), 1);
    assert_eq!((&steps[0]["action"], &steps[0]["what"]), (&"retire".into(), &"2025-01 edition 1".into()));
}

#[test]
fn a_retired_edition_is_still_served_to_whoever_knows_its_address_until_it_is_removed() {
    let (work, _) = three_editions();
    let server = Setup::new(&work.store()).start();
    let pinned = "/api/k8s/snapshots/2025-01/1/tickets.parquet";
    let whole = server.get(pinned).body;
    prune(&work, &[&NEWEST[..], &["--apply"]].concat());
    let part = server.request("GET", pinned).header("range", "bytes=4-99").send();
    assert_eq!((part.status, &part.body[..]), (206, &whole[4..100]));
    let shown = server.get("/api/k8s/snapshots").text().to_owned();
    assert!(!shown.contains("/1/tickets.parquet"), "{shown}");
    prune(&work, &[&NEWEST[..], &["--grace-hours", "0", "--apply"]].concat());
    assert_eq!(server.get(pinned).status, 404);
}

#[test]
fn workbooks_can_go_before_their_snapshots_and_are_made_again_when_asked_for() {
    let (work, database) = demo();
    let arguments = [&JANUARY[..], &["--store", "reports"]].concat();
    work.succeed(&database, &arguments);
    let workbook = fs::read(work.store().file(PLAIN)).unwrap();
    prune(&work, &["--keep-workbooks-days", "0", "--apply"]);
    assert!(!work.store().file(PLAIN).exists());
    assert_eq!(work.store().numbers("2025-01"), [1]);
    // That isn't a fault of the store's.
    let checked = work.with(&database, &["check", "--period", "2025-01", "--repair"]).finish().succeeded().stdout;
    assert!(!checked.contains("render") && !checked.contains("FAILED"), "{checked}");
    assert!(!work.store().file(PLAIN).exists());
    work.command(&["render", "2025-01", "--store", "reports", "--output", "again.xlsx"]).finish().succeeded();
    assert_eq!(fs::read(work.file("again.xlsx")).unwrap(), workbook);
    work.succeed(&database, &arguments);
    assert_eq!(fs::read(work.store().file(PLAIN)).unwrap(), workbook);
    work.store().assert_settled();
}

#[test]
fn what_no_manifest_names_is_left_alone_unless_that_is_asked_for() {
    let (work, database) = demo();
    work.succeed(&database, &[&JANUARY[..], &["--store", "reports"]].concat());
    let stray = work.store().file("editions/2025-01/7/tickets.parquet");
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, b"half").unwrap();
    // A run may be about to name it.
    assert!(prune(&work, &["--unnamed"]).last_line().starts_with("nothing to remove"));
    let yesterday = SystemTime::now() - Duration::from_secs(25 * 3600);
    fs::File::options().write(true).open(&stray).unwrap().set_modified(yesterday).unwrap();
    let said = prune(&work, &["--apply"]).stdout;
    assert!(said.contains("left alone") && said.contains("editions/2025-01/7/tickets.parquet"), "{said}");
    assert!(stray.is_file());
    prune(&work, &["--unnamed", "--apply"]);
    assert!(!stray.exists());
    work.store().assert_settled();
}

fn a_bucket_is_pruned_in_the_same_two_steps(bucket: &Bucket) {
    let (work, database) = demo();
    for _ in 0..2 {
        report(&work, &database, bucket, &[]);
        database.execute("UPDATE tickets SET price = price + 1");
    }
    let address = bucket.address();
    let prune = |more: &[&str]| {
        let arguments = [&["prune", "--store", &address, "--apply"], &NEWEST[..], more].concat();
        work.command(&arguments).reaching(bucket).finish().succeeded()
    };
    prune(&[]);
    assert!(bucket.paths().contains(&"editions/2025-01/1/tickets.parquet".to_owned()));
    prune(&["--grace-hours", "0"]);
    assert!(!bucket.paths().iter().any(|path| path.starts_with("editions/2025-01/1/")));
    let copy = fetched(&work, bucket, "copy");
    assert_eq!(copy.numbers("2025-01"), [2]);
    copy.assert_settled();
}
