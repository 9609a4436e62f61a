//! Runs that are killed: nothing half-made is ever visible, and the next run succeeds.

use std::{fs, thread, time::Instant};

use serde_json::Value;
use tests::{
    database::{Database, Kind, SMALL},
    mount::Mount,
    store_folder::StoreFolder,
    workplace::Workplace,
};

use super::{JANUARY, change, first_ticket};

/// Kills fifteen runs, each a little later in its work than the one before, and sees after each that all is whole.
fn kill_runs(work: &Workplace, database: &Database, address: &str) {
    let store = StoreFolder::new(address.into());
    let arguments = ["--period", "2025-01", "--store", address];
    let began = Instant::now();
    work.succeed(database, &arguments);
    let whole_run = began.elapsed();
    let reference = first_ticket(&store);
    let mut survived = 0;
    for moment in 1..=15 {
        change(database, &reference);
        let editions = store.manifests().len();
        let run = work.with(database, &arguments).start();
        thread::sleep(whole_run * moment / 14);
        run.signal("KILL");
        let killed = run.finish();
        store.assert_nothing_is_half_visible();
        let list = work.command(&["list", "--store", address]).finish().succeeded();
        assert!(!list.stdout.is_empty());
        survived += u32::from(killed.code() == Some(0));

        store.expire_claims();
        work.succeed(database, &arguments);
        store.assert_nothing_is_half_visible();
        // Whether the killed run got as far as the manifest or not, the data is published, and only once.
        assert_eq!(store.manifests().len(), editions + 1, "killed after {moment} fourteenths of a run");
    }
    assert!(survived < 15, "no run was killed in its work");
    // What the dead runs were making still lies there, out of sight; the names are right all the same.
    for left in store.half_made() {
        let path = store.file(&left);
        fs::remove_file(&path).unwrap();
    }
    store.assert_settled();
}

#[test]
fn a_run_killed_at_any_moment_leaves_nothing_half_visible() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &SMALL));
    let address = work.store().path().display().to_string();
    kill_runs(&work, &database, &address);
}

#[test]
fn nor_does_one_in_a_folder_that_refuses_hard_links() {
    let (work, database, mount) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL), Mount::without_hard_links());
    kill_runs(&work, &database, &mount.path().join("store").display().to_string());
}

#[test]
fn the_number_of_a_run_that_died_holding_it_is_skipped() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let store = work.store();
    // It had moved some of its files in, but not made the manifest.
    fs::create_dir_all(store.file("state/claims/2025-01")).unwrap();
    fs::write(store.file("state/claims/2025-01/1.json"), r#"{"owner":"dead","expires":"2020-01-01T00:00:00Z"}"#)
        .unwrap();
    fs::create_dir_all(store.file("editions/2025-01/1")).unwrap();
    fs::write(store.file("editions/2025-01/1/tickets.parquet"), "half").unwrap();
    fs::write(store.file("editions/2025-01/1/workbook.xlsx"), "half").unwrap();

    work.succeed(&database, &JANUARY);
    let manifest = store.manifest();
    assert_eq!((manifest.edition, manifest.changes), (2, None));
    let list = work.command(&["list", "--json"]).finish().succeeded();
    let listed: Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(store.workbooks(), ["ticketing-report-2025-01.xlsx"]);
    // And what is left of the first never gets a name.
    work.succeed(&database, &JANUARY);
    assert_eq!(store.workbooks(), ["ticketing-report-2025-01.xlsx"]);
    store.assert_nothing_is_half_visible();
}

#[test]
fn a_claim_of_which_nothing_was_written_is_passed_by_when_it_is_old() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let store = work.store();
    fs::create_dir_all(store.file("state/claims/2025-01")).unwrap();
    let claim = store.file("state/claims/2025-01/1.json");
    fs::write(&claim, "").unwrap();
    fs::File::options().write(true).open(&claim).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    work.succeed(&database, &JANUARY);
    assert_eq!(store.manifest().edition, 2);
}
