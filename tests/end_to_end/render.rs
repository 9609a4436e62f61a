//! An edition's workbook again, without a database: the same bytes, or the word that the snapshot is damaged.

use std::fs;

use tests::{
    database::{Database, Kind, MEDIUM, SMALL},
    store_folder::sha256,
    workplace::Workplace,
};

/// A store with two editions of January; the database is gone.
fn two_editions() -> Workplace {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &MEDIUM));
    let report = ["--period", "2025-01", "--time-zone", "Europe/Rome", "--store", "reports"];
    work.succeed(&database, &[&report[..], &["--compression", "small"]].concat());
    database.execute("UPDATE tickets SET price = price + 1");
    work.succeed(&database, &report);
    work
}

#[test]
fn every_edition_is_rendered_with_the_same_bytes_by_any_number_of_threads() {
    let work = two_editions();
    for number in [1, 2] {
        let manifest = work.store().edition("2025-01", number);
        for threads in ["1", "2", "5"] {
            let number = number.to_string();
            let arguments = [
                "render",
                "2025-01",
                "--edition",
                &number,
                "--threads",
                threads,
                "--output",
                "again.xlsx",
                "--store",
                "reports",
            ];
            let ended = work.command(&arguments).finish().succeeded();
            let again = work.path().canonicalize().unwrap().join("again.xlsx");
            assert_eq!(ended.last_line(), format!("{} rows in {}", manifest.rows, again.display()));
            assert_eq!(sha256(&again).as_ref(), Some(&manifest.workbook.sha256), "edition {number}, {threads} threads");
        }
    }
    assert_eq!(work.names(), ["again.xlsx", "reports"]);
}

#[test]
fn without_a_number_the_newest_edition_is_rendered_under_its_own_name() {
    let work = two_editions();
    work.command(&["render", "2025-01", "--store", "reports"]).finish().succeeded();
    let newest = work.store().edition("2025-01", 2);
    assert_eq!(sha256(&work.file("ticketing-report-2025-01.xlsx")), Some(newest.workbook.sha256));
    work.store().assert_settled();
}

#[test]
fn an_edition_that_does_not_exist_is_named() {
    let work = two_editions();
    for (arguments, named) in
        [(["render", "2025-01", "--edition", "7"], "7"), (["render", "2024-12", "--edition", "1"], "2024-12")]
    {
        let ended = work.command(&[&arguments[..], &["--store", "reports"]].concat()).finish();
        let message = ended.failed(2);
        assert!(message.contains(named) && message.contains("ticketing-report list"), "{message}");
    }
    assert_eq!(work.names(), ["reports"]);
}

#[test]
fn a_damaged_snapshot_is_never_rendered() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    work.succeed(&database, &["--period", "2025-01", "--store", "reports"]);
    let path = work.store().file("editions/2025-01/1/tickets.parquet");
    let whole = fs::read(&path).unwrap();
    let names = work.names();
    fs::write(work.file("old.xlsx"), "the old copy").unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    for damaged in [
        flipped(0),
        flipped(10),
        flipped(whole.len() / 2),
        flipped(whole.len() - 1),
        whole[..whole.len() / 2].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        Vec::new(),
        [&whole[..], b"more"].concat(),
    ] {
        fs::remove_file(&path).unwrap();
        fs::write(&path, damaged).unwrap();
        let ended = work.command(&["render", "2025-01", "--output", "old.xlsx", "--store", "reports"]).finish();
        let message = ended.failed(65);
        assert!(message.contains("`editions/2025-01/1/tickets.parquet` is damaged"), "{message}");
        assert!(message.contains("backup") && message.contains("--force"), "{message}");
        assert_eq!(fs::read_to_string(work.file("old.xlsx")).unwrap(), "the old copy");
    }
    fs::remove_file(work.file("old.xlsx")).unwrap();
    assert_eq!(work.names(), names, "nothing half-made is left");

    assert_eq!(work.store().manifests().len(), 1);
}

#[test]
fn a_new_edition_is_the_remedy_for_a_damaged_one() {
    let report = ["--period", "2025-01", "--store", "reports"];
    for damaged in [None, Some("damaged")] {
        let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
        let damage = |edition: u32| {
            let path = work.store().file(&format!("editions/2025-01/{edition}/tickets.parquet"));
            fs::remove_file(&path).unwrap();
            damaged.map_or(Ok(()), |bytes| fs::write(&path, bytes)).unwrap();
        };
        work.succeed(&database, &report);
        damage(1);
        work.succeed(&database, &[&report[..], &["--force"]].concat());
        work.command(&["render", "2025-01", "--store", "reports"]).finish().succeeded();

        // Other data can become an edition too, though nobody knows any more what has changed.
        damage(2);
        database.execute("UPDATE tickets SET price = price + 1");
        let ended = work.succeed(&database, &report);
        assert_eq!(work.store().edition("2025-01", 3).changes, None);
        assert!(ended.warnings().iter().any(|warning| warning.contains("edition 2")), "{:?}", ended.warnings());
        work.command(&["render", "2025-01", "--store", "reports"]).finish().succeeded();
    }
}

#[test]
fn a_damaged_manifest_is_named() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let report = ["--period", "2025-01", "--store", "reports"];
    work.succeed(&database, &report);
    let path = work.store().file("editions/2025-01/1/manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    for damaged in [&text[..text.len() / 2], "", "{}", "null"] {
        fs::write(&path, damaged).unwrap();
        for arguments in [
            &["list", "--store", "reports"][..],
            &["render", "2025-01", "--store", "reports"],
            &[&report[..], &["--quiet"]].concat(),
        ] {
            let ended = work.with(&database, arguments).finish();
            let message = ended.failed(65);
            assert!(message.contains("editions/2025-01/1/manifest.json") && message.contains("backup"), "{message}");
        }
    }
    // Without it the edition doesn't exist, as if it had never been.
    fs::remove_file(&path).unwrap();
    assert_eq!(work.store().half_made(), Vec::<String>::new());
}
