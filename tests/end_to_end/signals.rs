//! Ctrl-C and SIGTERM: the end within two seconds, and nothing left behind.

use std::{
    fs,
    net::TcpListener,
    os::unix::process::ExitStatusExt,
    process::Command,
    time::{Duration, Instant},
};

use tests::{
    database::{Database, Kind, SMALL},
    waiting,
    workplace::{Ended, Running, Workplace},
};

const SIGNALS: [(&str, i32); 2] = [("INT", 130), ("TERM", 143)];

/// How soon a run must have ended.
const WITHIN: Duration = Duration::from_secs(2);

/// Sends a signal and waits for the end, which must come in time and with the signal's code.
fn stop(running: Running, signal: &str, code: i32) -> Ended {
    let sent = Instant::now();
    running.signal(signal);
    let ended = running.finish();
    let took = sent.elapsed();
    assert_eq!(ended.code(), Some(code), "{signal}: {:?}", ended.stderr);
    assert!(took < WITHIN, "{signal} took {took:?}");
    assert_eq!(ended.stdout, "");
    ended
}

#[test]
fn a_run_that_is_stopped_in_its_queries_leaves_nothing_behind() {
    // Where it waits: for the count, for the rows of tickets, for those of another table.
    for table in ["tickets", "stations", "ticket_refunds"] {
        for (signal, code) in SIGNALS {
            let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &SMALL));
            work.succeed(&database, &["--period", "2025-01", "--store", "reports", "--output", "copy.xlsx"]);
            let (files, names) = (work.store().files(), work.names());
            let copy = fs::read(work.file("copy.xlsx")).unwrap();

            let mut client = database.postgres().client();
            let mut lock = client.transaction().unwrap();
            lock.batch_execute(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).unwrap();
            let arguments = ["--period", "2025-01", "--force", "--store", "reports", "--output", "copy.xlsx"];
            let running = work.with(&database, &arguments).start();
            waiting::until("the run waits for the lock", || {
                (database.postgres().report_connections().1 > 0).then_some(())
            });
            assert!(work.names().iter().any(|name| name.ends_with(".part")), "{:?}", work.names());
            stop(running, signal, code);

            // The lock is held still: only the server's ending them makes the connections go.
            waiting::until("our connections are gone", || {
                (database.postgres().report_connections().0 == 0).then_some(())
            });
            assert_eq!(work.store().files(), files);
            assert_eq!(work.store().half_made(), Vec::<String>::new());
            // If the run has come to remembering how it ended, then that it was stopped, and not what its queries said.
            for run in work.store().runs().iter().filter(|run| run["outcome"] == "failed") {
                assert_eq!(
                    (run["exit_code"].as_i64(), run["message"].as_str()),
                    (Some(code.into()), Some("it was interrupted"))
                );
            }
            assert_eq!(work.names(), names);
            assert_eq!(fs::read(work.file("copy.xlsx")).unwrap(), copy);
            drop(lock);
            work.succeed(&database, &arguments);
            work.store().assert_settled();
        }
    }
}

#[test]
fn a_run_that_waits_for_a_server_can_be_stopped() {
    for (signal, code) in SIGNALS {
        let (work, silent) = (Workplace::new(), TcpListener::bind("127.0.0.1:0").unwrap());
        let url = format!("postgres://postgres@{}/traindb", silent.local_addr().unwrap());
        let arguments = ["--period", "2025-01", "--store", "reports"];
        let running = work.command(&arguments).env("DATABASE_URL", &url).start();
        let accepted = silent.accept().unwrap();
        stop(running, signal, code);
        drop(accepted);
        assert_eq!(work.store().half_made(), Vec::<String>::new());
        assert_eq!(work.store().manifests(), Vec::new());
    }
}

#[test]
fn a_run_that_waits_for_another_to_publish_can_be_stopped() {
    for (signal, code) in SIGNALS {
        let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
        let claim = work.store().file("state/claims/2025-01/1.json");
        fs::create_dir_all(claim.parent().unwrap()).unwrap();
        fs::write(&claim, r#"{"owner":"somebody","expires":"9999-01-01T00:00:00Z"}"#).unwrap();
        let running = work.with(&database, &["--period", "2025-01", "--store", "reports"]).start();
        running.until_event("the tables are read", |event| event["event"] == "finished" && event["stage"] == "trips");
        stop(running, signal, code);
        // The other run's claim isn't ours to remove.
        assert_eq!(work.store().half_made(), ["state/claims/2025-01/1.json"]);
        fs::remove_file(&claim).unwrap();
        work.succeed(&database, &["--period", "2025-01", "--store", "reports"]);
        work.store().assert_settled();
    }
}

#[test]
fn a_run_that_is_stopped_while_it_holds_a_number_gives_it_back() {
    for (signal, code) in SIGNALS {
        let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
        let report = ["--period", "2025-01", "--force", "--store", "reports"];
        work.succeed(&database, &report);
        // Whoever compares with the first edition's tickets waits until somebody writes them.
        let tickets = work.store().file("editions/2025-01/1/tickets.parquet");
        let aside = work.file("aside");
        fs::rename(&tickets, &aside).unwrap();
        assert!(Command::new("mkfifo").arg(&tickets).status().unwrap().success());
        let running = work.with(&database, &report).start();
        let claim = work.store().file("state/claims/2025-01/2.json");
        waiting::until("the run holds the number", || claim.exists().then_some(()));
        stop(running, signal, code);
        fs::rename(&aside, &tickets).unwrap();
        assert_eq!(work.store().half_made(), Vec::<String>::new());
        let again = work.succeed(&database, &report);
        assert!(again.took < Duration::from_secs(20), "the next run has waited {:?} for the number", again.took);
        work.store().assert_settled();
    }
}

#[test]
fn a_sqlite_run_that_waits_for_a_writer_can_be_stopped() {
    for (signal, code) in SIGNALS {
        let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
        let writer = database.sqlite();
        writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let running = work.with(&database, &["--period", "2025-01", "--store", "reports"]).start();
        let staging = work.store().file("state/staging");
        waiting::until("the run has begun", || {
            let run = fs::read_dir(&staging).ok()?.next()?.ok()?;
            run.path().join("cut.sqlite").exists().then_some(())
        });
        stop(running, signal, code);
        assert_eq!(work.store().half_made(), Vec::<String>::new());
    }
}

#[test]
fn signals_at_any_moment_leave_nothing_behind() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &SMALL));
    let arguments = ["--period", "2025-01", "--force", "--store", "reports", "--output", "copy.xlsx"];
    let began = Instant::now();
    work.succeed(&database, &arguments);
    let whole_run = began.elapsed();
    let names = work.names();
    for moment in 1..=16 {
        let (signal, code) = SIGNALS[moment as usize % 2];
        let running = work.with(&database, &arguments).start();
        std::thread::sleep(whole_run * moment / 16);
        running.signal(signal);
        let ended = running.finish();
        // A signal may come before anything watches for it, or after the end.
        let by_signal = ended.status.signal();
        assert!(by_signal.is_some() || [Some(0), Some(code)].contains(&ended.code()), "{ended:?}");
        let staged = work.store().half_made().into_iter().filter(|path| path.starts_with("state/staging/"));
        assert_eq!(staged.collect::<Vec<_>>(), Vec::<String>::new(), "after {moment} sixteenths of a run");
        assert_eq!(work.names(), names, "after {moment} sixteenths of a run");
        work.store().assert_nothing_is_half_visible();
        work.store().expire_claims();
    }
    work.succeed(&database, &arguments);
    work.store().assert_nothing_is_half_visible();
    waiting::until("no connection is left", || (database.postgres().report_connections().0 == 0).then_some(()));
}
