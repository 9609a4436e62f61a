//! Stores in folders that aren't as most are.

use std::fs;

use tests::{
    database::{Database, Kind, SMALL},
    mount::Mount,
    store_folder::StoreFolder,
    workplace::Workplace,
};

use super::{change, first_ticket};

/// Three editions and a repair in a store.
fn publish_in(address: &str) {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let run = ["--period", "2025-01", "--store", address];
    let store = StoreFolder::new(work.path().join(address));
    work.succeed(&database, &run);
    for _ in 0..2 {
        change(&database, &first_ticket(&store));
        work.succeed(&database, &run);
        store.assert_settled();
    }
    let unchanged = work.succeed(&database, &run);
    assert!(unchanged.last_line().contains("nothing has changed since edition 3"), "{}", unchanged.stdout);
    fs::remove_file(store.file("ticketing-report-2025-01.xlsx")).unwrap();
    work.succeed(&database, &run);
    store.assert_settled();
    assert_eq!(store.numbers("2025-01"), [1, 2, 3]);
}

#[test]
fn a_folder_that_refuses_hard_links_holds_a_store() {
    let mount = Mount::without_hard_links();
    let address = mount.path().join("store").display().to_string();
    publish_in(&address);
    let work = Workplace::new();
    let database = Database::demo(Kind::Sqlite, &SMALL);
    let check = work.succeed(&database, &["check", "--period", "2025-01", "--store", &address]);
    assert!(check.stdout.contains("refuses hard links"), "{}", check.stdout);
    // Six at once there, too.
    let address = mount.path().join("another").display().to_string();
    let run = ["--period", "2025-01", "--store", &address, "--quiet"];
    let runs: Vec<_> = (0..6).map(|_| work.with(&database, &run).start()).collect();
    for run in runs {
        run.finish().succeeded();
    }
    assert_eq!(StoreFolder::new(address.clone().into()).manifest().edition, 1);
    StoreFolder::new(address.into()).assert_settled();
}

#[test]
fn a_folder_of_any_name_holds_a_store() {
    for name in ["with a space", "100% #1 & more?", "Berichte für März", "a=b;c,d", "%2e%2e", "(1) [x] {y}"] {
        publish_in(name);
    }
}

#[test]
fn a_store_is_found_by_a_file_address_as_well() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let address = format!("file://{}/with%20a%20space", work.path().display());
    work.succeed(&database, &["--period", "2025-01", "--store", &address]);
    StoreFolder::new(work.file("with a space")).assert_settled();
}

#[test]
fn a_store_that_cannot_be_written_is_named_with_the_remedy() {
    let (work, database, mount) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL), Mount::read_only());
    fs::write(work.file("a-file"), "").unwrap();
    for address in [mount.path().join("store"), mount.path().to_owned(), work.file("a-file"), work.file("a-file/store")]
    {
        let address = address.display().to_string();
        let ended = work.with(&database, &["--period", "2025-01", "--store", &address, "--quiet"]).finish();
        let message = ended.failed(73);
        assert!(message.contains(&address), "{message}");
        assert!(message.contains("--store") && message.contains("permissions"), "{message}");
    }
}
