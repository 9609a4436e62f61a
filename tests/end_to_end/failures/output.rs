//! An extra copy that can't be written.

use std::fs;

use tests::{
    database::{Database, Kind, SMALL},
    mount::{self, Mount},
    store_folder::sha256,
    workplace::Workplace,
};

use super::Scene;

fn scene() -> (Scene, Database) {
    let database = Database::demo(Kind::Sqlite, &SMALL);
    (Scene::new(&database), database)
}

/// A report of January with an extra copy.
fn with_copy(output: &str) -> [&str; 6] {
    ["--period", "2025-01", "--store", "reports", "--output", output]
}

#[test]
fn an_output_that_cannot_be_is_refused_before_any_work() {
    let (scene, database) = scene();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("read-only.xlsx"), "kept").unwrap();
    let mut permissions = fs::metadata(path("read-only.xlsx")).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(path("read-only.xlsx"), permissions).unwrap();
    fs::write(path("a-file"), "").unwrap();
    let read_only = Mount::read_only();

    let cases = [
        (path(""), "it is a folder; add a file's name"),
        ("/".to_owned(), "add a file's name"),
        (path("missing/report.xlsx"), "doesn't exist; make it first"),
        (path("a-file/report.xlsx"), "doesn't exist; make it first"),
        (path("read-only.xlsx"), "it is read-only; choose another name or make it writable"),
        (read_only.path().join("report.xlsx").display().to_string(), "choose a folder that can be written"),
    ];
    for (output, remedy) in cases {
        // A database that isn't there shows that nothing was asked of it.
        let ended = scene.fails_with("sqlite://nowhere.sqlite", &with_copy(&output), 73, &[&output, remedy]);
        assert!(ended.stderr[0].contains("can't be written"), "{}", ended.stderr[0]);
    }
    assert_eq!(fs::read_to_string(path("read-only.xlsx")).unwrap(), "kept");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing half-made is left");
    drop(database);
}

#[test]
fn an_output_on_a_full_disk_leaves_the_old_copy_and_the_edition() {
    let (scene, database) = scene();
    let mount = Mount::of_size(1);
    let output = mount.path().join("report.xlsx");
    fs::write(&output, "the old copy").unwrap();
    fs::write(mount.path().join("filler"), vec![1; 1_000_000]).unwrap();
    let words = [&*output.display().to_string(), "free some room"];
    scene.fails_with(&database.url(), &with_copy(&output.display().to_string()), 73, &words);
    assert_eq!(fs::read_to_string(&output).unwrap(), "the old copy");
    assert_eq!(fs::read_dir(mount.path()).unwrap().count(), 2, "nothing half-made is left");

    fs::remove_file(mount.path().join("filler")).unwrap();
    scene.work.succeed(&database, &with_copy(&output.display().to_string()));
    let manifest = scene.work.store().manifest();
    assert_eq!(sha256(&output), Some(manifest.workbook.sha256));
}

#[test]
fn an_output_that_is_held_open_stays_as_it_was() {
    let (scene, database) = scene();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("report.xlsx");
    fs::write(&output, "held").unwrap();
    let held = mount::hold(&output);
    let ended = scene.fails_with(&database.url(), &with_copy(&output.display().to_string()), 73, &["report.xlsx"]);
    assert!(ended.stderr[0].contains("choose another name"), "{}", ended.stderr[0]);
    assert_eq!(fs::read_to_string(&output).unwrap(), "held");
    drop(held);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half-made is left");
}

#[test]
fn a_failed_report_leaves_the_old_copy() {
    let work = Workplace::new();
    let database = Database::demo(Kind::Postgres, &SMALL);
    fs::write(work.file("report.xlsx"), "the old copy").unwrap();
    database.execute("DROP TABLE ticket_refunds");
    let ended = work.with(&database, &[&with_copy("report.xlsx")[..], &["--quiet"]].concat()).finish();
    assert!(ended.failed(78).contains("ticket_refunds"));
    assert_eq!(fs::read_to_string(work.file("report.xlsx")).unwrap(), "the old copy");
    assert_eq!(work.names(), ["report.xlsx", "reports"]);
    assert_eq!(work.store().half_made(), Vec::<String>::new());
    assert_eq!(work.store().manifests(), Vec::new());
}
