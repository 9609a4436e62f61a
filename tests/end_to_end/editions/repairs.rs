//! What earlier runs could not finish, or what somebody has removed: the next run mends it, or `check --repair`.

use std::{fs, path::PathBuf, sync::Arc};

use parquet::{
    arrow::{ArrowWriter, ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder},
    file::{metadata::KeyValue, properties::WriterProperties},
};
use pipeline::{columns::TABLES, manifest::Manifest};
use tests::{
    cells::Cell,
    database::{Database, Kind, SMALL},
    mount,
    store_folder::{StoreFolder, sha256},
    workplace::{Ended, Workplace},
};

use super::{JANUARY, PLAIN, change, first_ticket};

/// Who mends.
#[derive(Clone, Copy)]
enum Mender {
    NextRun,
    Check,
}

impl Mender {
    const ALL: [Self; 2] = [Self::NextRun, Self::Check];

    fn mend(self, work: &Workplace, database: &Database) -> Ended {
        match self {
            Self::NextRun => work.succeed(database, &JANUARY),
            Self::Check => work.succeed(database, &["check", "--repair", "--period", "2025-01", "--store", "reports"]),
        }
    }
}

/// Two editions of January.
fn two_editions(work: &Workplace) -> (Database, StoreFolder) {
    let database = Database::demo(Kind::Sqlite, &SMALL);
    work.succeed(&database, &JANUARY);
    change(&database, &first_ticket(&work.store()));
    work.succeed(&database, &JANUARY);
    work.store().assert_settled();
    (database, work.store())
}

#[test]
fn a_crash_between_the_manifest_and_the_names_is_mended() {
    for mender in Mender::ALL {
        let work = Workplace::new();
        let (database, store) = two_editions(&work);
        let before: Vec<String> = store.paths();
        // As it is just after the second edition's manifest: its workbook waits, the first one has the name, and
        // `snapshots/` shows the first.
        fs::rename(store.file(PLAIN), store.file("editions/2025-01/2/workbook.xlsx")).unwrap();
        fs::rename(store.file("ticketing-report-2025-01-edition-1.xlsx"), store.file(PLAIN)).unwrap();
        for table in ["tickets", "bookings", "payments", "refunds", "trips"] {
            let shown = store.file(&format!("snapshots/{table}/month=2025-01/part-0.parquet"));
            fs::remove_file(&shown).unwrap();
            fs::copy(store.file(&format!("editions/2025-01/1/{table}.parquet")), &shown).unwrap();
        }
        fs::write(store.file("state/shown/2025-01.json"), "1").unwrap();
        store.assert_nothing_is_half_visible();

        mender.mend(&work, &database);
        store.assert_settled();
        let without_runs =
            |paths: Vec<String>| paths.into_iter().filter(|path| !path.starts_with("state/runs")).collect::<Vec<_>>();
        assert_eq!(without_runs(store.paths()), without_runs(before));
    }
}

#[test]
fn a_crash_before_the_names_and_then_another_edition_lose_no_workbook() {
    let work = Workplace::new();
    let (database, store) = two_editions(&work);
    fs::rename(store.file(PLAIN), store.file("editions/2025-01/2/workbook.xlsx")).unwrap();
    fs::rename(store.file("ticketing-report-2025-01-edition-1.xlsx"), store.file(PLAIN)).unwrap();
    fs::write(store.file("state/shown/2025-01.json"), "1").unwrap();
    change(&database, &first_ticket(&store));
    work.succeed(&database, &JANUARY);
    assert_eq!(store.numbers("2025-01"), [1, 2, 3]);
    store.assert_settled();
}

#[test]
fn a_crash_while_the_names_change_is_mended() {
    for mender in Mender::ALL {
        let work = Workplace::new();
        let (database, store) = two_editions(&work);
        // The first edition has its second name already, and still the plain one.
        fs::rename(store.file(PLAIN), store.file("editions/2025-01/2/workbook.xlsx")).unwrap();
        fs::copy(store.file("ticketing-report-2025-01-edition-1.xlsx"), store.file(PLAIN)).unwrap();
        // Two of the tables are shown already, and nobody has noted it.
        fs::remove_file(store.file("state/shown/2025-01.json")).unwrap();
        fs::remove_file(store.file("snapshots/payments/month=2025-01/part-0.parquet")).unwrap();
        mender.mend(&work, &database);
        store.assert_settled();
    }
}

#[test]
fn check_without_repair_says_what_is_to_be_mended_and_mends_nothing() {
    let work = Workplace::new();
    let (database, store) = two_editions(&work);
    fs::rename(store.file(PLAIN), store.file("editions/2025-01/2/workbook.xlsx")).unwrap();
    let before = store.files();
    let ended = work.succeed(&database, &["check", "--period", "2025-01", "--store", "reports"]);
    assert!(ended.stdout.contains("check --repair"), "{}", ended.stdout);
    assert_eq!(store.files(), before);
}

#[test]
fn a_workbook_that_somebody_deleted_is_made_again_with_the_same_bytes() {
    for mender in Mender::ALL {
        let work = Workplace::new();
        let (database, store) = two_editions(&work);
        let before = sha256(&store.file(PLAIN));
        fs::remove_file(store.file(PLAIN)).unwrap();
        let ended = mender.mend(&work, &database);
        assert_eq!(sha256(&store.file(PLAIN)), before);
        store.assert_settled();
        let said = ended.stdout + &ended.stderr.join("\n");
        assert!(said.contains("`ticketing-report-2025-01.xlsx` was missing and has been made again"), "{said}");
    }
}

#[test]
fn a_name_that_somebody_has_saved_over_shows_the_edition_again() {
    let work = Workplace::new();
    let (database, store) = two_editions(&work);
    fs::write(store.file(PLAIN), "somebody's own").unwrap();
    let ended = work.succeed(&database, &JANUARY);
    store.assert_settled();
    assert!(ended.warnings().iter().any(|warning| warning.contains(PLAIN)), "{:?}", ended.warnings());
}

#[test]
fn an_edition_whose_workbook_somebody_has_spoilt_stays_beside_the_next_one() {
    for spoil in [fs::remove_file, |path: PathBuf| fs::write(path, "somebody's own")] {
        let work = Workplace::new();
        let (database, store) = two_editions(&work);
        spoil(store.file(PLAIN)).unwrap();
        change(&database, &first_ticket(&store));
        work.succeed(&database, &JANUARY);
        assert_eq!(store.numbers("2025-01"), [1, 2, 3]);
        store.assert_settled();
    }
}

/// The warning that a workbook hasn't got its name yet.
fn waiting_for_name(ended: &Ended) -> Option<String> {
    ended.warnings().into_iter().find(|warning| warning.contains("waits for its name"))
}

#[test]
fn a_name_that_is_held_open_is_repaired_by_the_next_run() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    work.succeed(&database, &JANUARY);
    let store = work.store();
    let first = sha256(&store.file(PLAIN));
    change(&database, &first_ticket(&store));

    let held = mount::hold(&store.file(PLAIN));
    let ended = work.succeed(&database, &JANUARY);
    let warning = waiting_for_name(&ended).unwrap();
    assert!(warning.contains("the workbook of edition 2"), "{warning}");
    assert!(warning.contains("close it in Excel") && warning.contains("the next run will name it"), "{warning}");
    // The edition is published all the same, and the last line says where its workbook is until then.
    assert_eq!(store.numbers("2025-01"), [1, 2]);
    store.assert_nothing_is_half_visible();
    assert_eq!(sha256(&store.file(PLAIN)), first);
    let waiting = store.file("editions/2025-01/2/workbook.xlsx").canonicalize().unwrap();
    assert!(ended.last_line().ends_with(&format!(" rows in {}", waiting.display())), "{}", ended.stdout);
    let list = work.command(&["list"]).finish().succeeded();
    assert!(list.stdout.contains("2025-01"), "{}", list.stdout);

    // Still held: the next run says it again and ends well.
    assert!(waiting_for_name(&work.succeed(&database, &JANUARY)).is_some());

    drop(held);
    let ended = work.succeed(&database, &JANUARY);
    assert_eq!(waiting_for_name(&ended), None);
    assert!(ended.last_line().contains("nothing has changed since edition 2"), "{}", ended.stdout);
    store.assert_settled();
    assert_eq!(sha256(&store.file("ticketing-report-2025-01-edition-1.xlsx")), first);
}

#[test]
fn two_editions_that_wait_for_a_held_name_both_get_theirs() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    work.succeed(&database, &JANUARY);
    let store = work.store();
    let reference = first_ticket(&store);
    let held = mount::hold(&store.file(PLAIN));
    for _ in 0..2 {
        change(&database, &reference);
        work.succeed(&database, &JANUARY);
        store.assert_nothing_is_half_visible();
    }
    drop(held);
    work.succeed(&database, &JANUARY);
    store.assert_settled();
    let edition = |number: u32| format!("ticketing-report-2025-01-edition-{number}.xlsx");
    assert_eq!(store.workbooks(), [edition(1), edition(2), PLAIN.to_owned()]);
}

#[test]
fn a_folder_of_the_workbooks_name_does_not_hinder_the_edition() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let store = work.store();
    fs::create_dir_all(store.file(PLAIN).join("somebody's")).unwrap();
    let ended = work.succeed(&database, &JANUARY);
    assert!(waiting_for_name(&ended).is_some());
    assert_eq!(store.manifest().edition, 1);
    fs::remove_dir_all(store.file(PLAIN)).unwrap();
    work.succeed(&database, &JANUARY);
    store.assert_settled();
}

#[test]
fn check_repair_finds_damaged_files_and_removes_only_old_half_made_ones() {
    let work = Workplace::new();
    let (database, store) = two_editions(&work);
    for (run, age) in [("old", 30), ("young", 1)] {
        let folder = store.file(&format!("state/staging/{run}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("tickets.parquet"), "half").unwrap();
        let written = std::time::SystemTime::now() - std::time::Duration::from_secs(age * 3600);
        fs::File::open(&folder).unwrap().set_modified(written).unwrap();
    }
    let check = ["check", "--repair", "--period", "2025-01", "--store", "reports", "--json"];
    work.succeed(&database, &check);
    assert_eq!(store.half_made(), ["state/staging/young/tickets.parquet"]);

    let path = store.file("editions/2025-01/2/bookings.parquet");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // What `snapshots/` shows may be another name of the same file, so make this one a file of its own.
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let ended = work.with(&database, &check).finish();
    assert_eq!(ended.code(), Some(65), "{}", ended.stdout);
    let findings: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let damaged = findings.as_array().unwrap().iter().find(|finding| finding["state"] == "failed").unwrap();
    assert!(damaged["detail"].as_str().unwrap().contains("editions/2025-01/2/bookings.parquet"), "{damaged}");
}

/// Makes an edition what version 1 of the schema would have made: bookings and refunds without their last five columns,
/// and no exceptions.
fn as_version_1(store: &StoreFolder, manifest: &Manifest) {
    let place = |file: &str| store.file(&format!("editions/{}/{}/{file}", manifest.period, manifest.edition));
    let mut edited: serde_json::Value = serde_json::from_slice(&fs::read(place("manifest.json")).unwrap()).unwrap();
    edited["schema_version"] = 1.into();
    edited.as_object_mut().unwrap().remove("exceptions");
    fs::remove_file(place("exceptions.parquet")).unwrap();
    for table in ["bookings", "refunds"] {
        let path = store.table_file(manifest, table);
        let builder = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(&path).unwrap()).unwrap();
        let first = builder.schema().fields().len() - 5;
        let mask = ProjectionMask::roots(builder.parquet_schema(), 0..first);
        let batches: Vec<_> = builder.with_projection(mask).build().unwrap().map(Result::unwrap).collect();
        let version = vec![KeyValue::new("schema_version".to_owned(), "1".to_owned())];
        let properties = WriterProperties::builder().set_key_value_metadata(Some(version)).build();
        let file = fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, Arc::clone(&batches[0].schema()), Some(properties)).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.close().unwrap();
        edited["tables"][table]["sha256"] = sha256(&path).unwrap().into();
        edited["tables"][table]["size"] = fs::metadata(&path).unwrap().len().into();
    }
    fs::write(place("manifest.json"), edited.to_string()).unwrap();
}

#[test]
fn a_month_of_an_older_schema_version_is_shown_with_the_columns_that_have_been_added_since() {
    for mender in Mender::ALL {
        let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
        work.succeed(&database, &JANUARY);
        let (store, manifest) = (work.store(), work.store().manifest());
        let before = store.table(&manifest, "bookings");
        as_version_1(&store, &manifest);
        fs::write(store.file("state/shown/2025-01.json"), "1").unwrap();

        mender.mend(&work, &database);
        for table in TABLES {
            let shown = tests::cells::read_parquet(
                &store.file(&format!("snapshots/{}/month=2025-01/part-0.parquet", table.name)),
            );
            let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
            assert_eq!(shown.columns, names, "{}", table.name);
        }
        let shown = tests::cells::read_parquet(&store.file("snapshots/bookings/month=2025-01/part-0.parquet"));
        let known = before.columns.len() - 5;
        for (row, before) in shown.rows.iter().zip(&before.rows) {
            assert_eq!(row[..known], before[..known]);
            assert!(row[known..].iter().all(|cell| *cell == Cell::Null));
        }
        assert_eq!(shown.rows.len(), before.rows.len());
    }
}
