//! Several runs of one period at the same time.

use tests::{
    database::{Database, Kind, SMALL},
    waiting,
    workplace::Workplace,
};

use super::{JANUARY, PLAIN, change, first_ticket};

#[test]
fn six_runs_at_once_make_one_edition_and_all_succeed() {
    for kind in [Kind::Postgres, Kind::Sqlite] {
        let (work, database) = (Workplace::new(), Database::demo(kind, &SMALL));
        let runs: Vec<_> = (0..6).map(|_| work.with(&database, &JANUARY).start()).collect();
        let ended: Vec<_> = runs.into_iter().map(|run| run.finish().succeeded()).collect();
        let published = ended.iter().filter(|run| run.events().last().unwrap()["outcome"] == "published").count();
        assert_eq!(published, 1);
        assert!(ended.iter().all(|run| run.last_line().ends_with(PLAIN)));
        assert_eq!(work.store().manifest().edition, 1);
        assert_eq!(work.store().workbooks(), [PLAIN]);
        work.store().assert_settled();
    }
}

#[test]
fn two_runs_at_once_that_have_read_different_data_make_two_editions() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &SMALL));
    work.succeed(&database, &["--period", "2025-01", "--store", "elsewhere"]);
    let reference = first_ticket(&tests::store_folder::StoreFolder::new(work.file("elsewhere")));

    // Both make their cut, the data changing between them, and then wait for the same table.
    let mut client = database.postgres().client();
    let mut lock = client.transaction().unwrap();
    lock.batch_execute("LOCK TABLE stations IN ACCESS EXCLUSIVE MODE").unwrap();
    let blocked = |runs: i64| {
        waiting::until("the runs wait for the lock", || {
            (database.postgres().report_connections().1 >= runs).then_some(())
        });
    };
    let first = work.with(&database, &JANUARY).start();
    blocked(1);
    change(&database, &reference);
    let before = database.postgres().report_connections().1;
    let second = work.with(&database, &JANUARY).start();
    blocked(before + 1);
    lock.commit().unwrap();

    first.finish().succeeded();
    second.finish().succeeded();
    let store = work.store();
    assert_eq!(store.numbers("2025-01"), [1, 2]);
    let (first, second) = (store.edition("2025-01", 1), store.edition("2025-01", 2));
    assert_ne!(first.digest, second.digest);
    assert_eq!(second.changes.unwrap().changed, 1);
    store.assert_settled();
}

#[test]
fn many_forced_runs_at_once_take_a_number_each() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let arguments = [&JANUARY[..], &["--force", "--quiet"]].concat();
    let runs: Vec<_> = (0..6).map(|_| work.with(&database, &arguments).start()).collect();
    for run in runs {
        run.finish().succeeded();
    }
    assert_eq!(work.store().numbers("2025-01"), [1, 2, 3, 4, 5, 6]);
    work.store().assert_settled();
}

#[test]
fn runs_of_different_months_do_not_wait_for_each_other() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &SMALL));
    // January's next number is held by a run that never ends.
    let claim = work.store().file("state/claims/2025-01/1.json");
    std::fs::create_dir_all(claim.parent().unwrap()).unwrap();
    std::fs::write(&claim, r#"{"owner":"somebody","expires":"9999-01-01T00:00:00Z"}"#).unwrap();
    let january = work.with(&database, &JANUARY).start();
    january.until_event("the snapshot is made", |event| event["event"] == "finished" && event["stage"] == "trips");
    work.succeed(&database, &["--period", "2025-02", "--store", "reports"]);
    assert_eq!(work.store().numbers("2025-01"), Vec::<u32>::new());
    // It goes on as soon as the number is free.
    std::fs::remove_file(&claim).unwrap();
    january.finish().succeeded();
    assert_eq!(work.store().numbers("2025-01"), [1]);
    work.store().assert_settled();
}
