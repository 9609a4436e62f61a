//! Disks that are full: before a run, in its middle, and at each moment of publishing.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tests::{
    database::{Database, Kind, SMALL},
    mount::Mount,
    store_folder::StoreFolder,
    waiting,
    workplace::Workplace,
};

use super::{change, first_ticket};

/// Fills a file system to its last block, by a file whose size it gives.
fn fill(path: &Path) -> u64 {
    let mut file = fs::File::create(path).unwrap();
    for piece in [1 << 20, 4096] {
        let piece = vec![1_u8; piece];
        loop {
            match io::Write::write_all(&mut file, &piece) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    file.metadata().unwrap().len()
}

#[test]
fn a_store_without_room_is_refused_before_anything_is_written() {
    let (work, database, mount) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL), Mount::of_size(16));
    let address = mount.path().display().to_string();
    let run = ["--period", "2025-01", "--store", &address, "--quiet"];
    work.succeed(&database, &run);
    let store = StoreFolder::new(mount.path().to_owned());
    change(&database, &first_ticket(&store));
    let before = store.files();
    // Less than is needed, and still enough for small files.
    let filler = fs::File::create(mount.path().join("state/filler")).unwrap();
    let room = 16 * 1_048_576
        - 900_000
        - store.paths().iter().map(|p| fs::metadata(store.file(p)).unwrap().len()).sum::<u64>();
    io::copy(&mut io::Read::take(io::repeat(1), room), &mut &filler).unwrap();
    drop(filler);
    let ended = work.with(&database, &run).finish();
    let message = ended.failed(73);
    assert!(message.contains("MiB left and this report needs about"), "{message}");
    assert!(message.contains("free some room or choose another --store"), "{message}");
    fs::remove_file(mount.path().join("state/filler")).unwrap();
    assert_eq!(store.files(), before);
    work.succeed(&database, &run);
    store.assert_settled();
}

#[test]
fn a_store_that_becomes_full_in_the_middle_loses_nothing() {
    let (work, database, mount) = (Workplace::new(), Database::demo(Kind::Postgres, &SMALL), Mount::of_size(16));
    let address = mount.path().display().to_string();
    let run = ["--period", "2025-01", "--store", &address, "--quiet"];
    work.succeed(&database, &run);
    let store = StoreFolder::new(mount.path().to_owned());
    change(&database, &first_ticket(&store));
    let before = store.files();

    let mut client = database.postgres().client();
    let mut lock = client.transaction().unwrap();
    lock.batch_execute("LOCK TABLE stations IN ACCESS EXCLUSIVE MODE").unwrap();
    let running = work.with(&database, &run).start();
    waiting::until("the run waits for the lock", || (database.postgres().report_connections().1 > 0).then_some(()));
    fill(&mount.path().join("state/filler"));
    lock.commit().unwrap();
    let ended = running.finish();
    let message = ended.failed(73);
    assert!(message.contains("room") || message.contains("No space left"), "{message}");

    fs::remove_file(mount.path().join("state/filler")).unwrap();
    assert_eq!(store.files(), before);
    work.succeed(&database, &run);
    store.assert_settled();
    assert_eq!(store.numbers("2025-01"), [1, 2]);
}

/// Lets runs publish on a disk that has room for ever fewer blocks more, and sees that nothing is ever half visible and
/// nothing lost, and that the next run succeeds when there is room again.
fn publish_with_hardly_any_room(mount: &Mount) {
    const BLOCK: u64 = 4096;
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let address = mount.path().join("store").display().to_string();
    let report = ["--period", "2025-01", "--store", &address];
    let store = StoreFolder::new(address.clone().into());
    work.succeed(&database, &report);
    let reference = first_ticket(&store);
    let filler: PathBuf = mount.path().join("filler");
    let mut code = None;
    for blocks in (0..14).rev() {
        change(&database, &reference);
        let before = store.manifests();
        // Somebody else is about to publish, so the run has made its files and waits for its turn.
        let next = before.last().unwrap().edition + 1;
        let claim = store.file(&format!("state/claims/2025-01/{next}.json"));
        fs::create_dir_all(claim.parent().unwrap()).unwrap();
        fs::write(&claim, r#"{"owner":"somebody","expires":"9999-01-01T00:00:00Z"}"#).unwrap();
        let running = work.with(&database, &report).start();
        // These two end last: the others are read before the trips.
        for last in ["tickets", "trips"] {
            running.until_event("the tables are read", |event| event["event"] == "finished" && event["stage"] == last);
        }
        let size = fill(&filler);
        let shorter = size.saturating_sub(blocks * BLOCK);
        fs::File::options().write(true).open(&filler).and_then(|file| file.set_len(shorter)).unwrap();
        fs::remove_file(&claim).unwrap();
        let ended = running.finish();
        assert!(matches!(ended.code(), Some(0 | 73)), "{blocks} blocks: {:?}", ended.stderr);
        code = ended.code();
        store.assert_nothing_is_half_visible();
        assert_eq!(store.manifests()[..before.len()], before);

        fs::remove_file(&filler).unwrap();
        store.expire_claims();
        work.succeed(&database, &report);
        store.assert_nothing_is_half_visible();
        assert_eq!(store.manifests().len(), before.len() + 1, "{blocks} blocks");
    }
    // How many blocks are enough depends on what the sheet's threads have written by then; none never are.
    assert_eq!(code, Some(73), "a run has published on a disk without a block to spare");
}

#[test]
fn a_disk_that_is_full_at_any_moment_of_publishing_loses_nothing() {
    publish_with_hardly_any_room(&Mount::of_size(16));
}

#[test]
fn nor_does_one_that_refuses_hard_links() {
    publish_with_hardly_any_room(&Mount::without_hard_links());
}
