//! Jobs, from the request to their end.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    process::Command,
    thread,
    time::Instant,
};

use serde_json::{Value, json};
use tests::{
    database::{Database, Kind, SMALL},
    server::{Server, Setup},
    waiting,
    workplace::{Workplace, command},
};

use super::{fresh, without_chance};

const JANUARY: &str = "/api/k8s/jobs/ticketing-report?startDate=2025-01-01&endDate=2025-01-31";
const FEBRUARY: &str = "/api/k8s/jobs/ticketing-report?startDate=2025-02-01&endDate=2025-02-28";

pub(super) fn name(job: &Value) -> &str {
    job["jobName"].as_str().unwrap()
}

/// A script in place of the report command; `$REPORT` runs the real one.
fn script(work: &Workplace, text: &str) -> String {
    let file = work.file("command.sh");
    let real = command();
    fs::write(&file, format!("#!/bin/sh\nREPORT={}\n{text}\n", real.display())).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A server whose runs wait until a file `go` is there, and then are the real command's.
pub(super) fn held(arguments: &[&str]) -> (Workplace, Database, Server) {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let server = held_over(&work, &database, arguments);
    (work, database, server)
}

pub(super) fn held_over(work: &Workplace, database: &Database, arguments: &[&str]) -> Server {
    let go = work.file("go");
    let told = r#"echo '{"event":"progress","stage":"tickets","rows":50,"of":200}' >&2"#;
    let wait = format!("{told}\nuntil [ -e {} ]; do sleep 0.02; done\nexec $REPORT \"$@\"", go.display());
    let command = script(work, &wait);
    Setup::new(&work.store()).database(database).with(&["--report-command", &command]).with(arguments).start()
}

pub(super) fn go(work: &Workplace) {
    fs::write(work.file("go"), b"").unwrap();
}

#[test]
fn a_job_runs_to_its_end_and_its_workbook_is_there_when_it_says_so() {
    let (work, _database, server) = fresh(&[]);
    let created = server.post(JANUARY).json(200);
    let expected = json!({
        "status": "Created",
        "jobName": "ticketing-report-<number>",
        "namespace": "train-orchestrator",
        "state": "queued",
        "period": "custom",
        "startDate": "2025-01-01",
        "endDate": "2025-01-31",
        "creationTimestamp": "<time>",
        "unchanged": false,
        "links": {
            "self": "/api/k8s/jobs/ticketing-report-<number>",
            "logs": "/api/k8s/jobs/ticketing-report-<number>/logs",
            "page": "/jobs/ticketing-report-<number>",
        },
    });
    assert_eq!(without_chance(&created), expected);
    let at: jiff::Timestamp = created["creationTimestamp"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(at).as_secs() < 60);

    let ended = server.until_over(name(&created));
    let manifest = work.store().manifest();
    let expected = json!({
        "status": "Succeeded",
        "jobName": "ticketing-report-<number>",
        "namespace": "train-orchestrator",
        "state": "succeeded",
        "period": "custom",
        "startDate": "2025-01-01",
        "endDate": "2025-01-31",
        "creationTimestamp": "<time>",
        "startTime": "<time>",
        "completionTime": "<time>",
        "rows": manifest.rows,
        "percent": 100,
        "exitCode": 0,
        "report": "ticketing-report-2025-01.xlsx",
        "periodId": "2025-01",
        "edition": 1,
        "unchanged": false,
        "links": created["links"],
    });
    assert_eq!(without_chance(&ended), without_chance(&expected));
    let report = server.get(&format!("/api/k8s/reports/{}", ended["report"].as_str().unwrap()));
    assert!(report.body == fs::read(work.store().file("ticketing-report-2025-01.xlsx")).unwrap());
    let log = server.get(&format!("/api/k8s/jobs/{}/logs", name(&created)));
    assert_eq!(log.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(log.text().contains("\"event\":\"started\"") && log.text().contains(" rows in "), "{}", log.text());
    // The state is no secret, nor the database's address in it; its password never is.
    assert!(work.store().path().join(format!("state/jobs/{}.json", name(&created))).is_file());

    // The same again finds nothing new, and names the workbook that is there.
    let again = server.post(JANUARY).json(200);
    assert_ne!(name(&again), name(&created));
    let again = server.until_over(name(&again));
    assert_eq!(again["unchanged"], true);
    assert_eq!(again["report"], "ticketing-report-2025-01.xlsx");
    // And with force there is a new edition.
    let forced = server.post(&format!("{JANUARY}&force=true")).json(200);
    let forced = server.until_over(name(&forced));
    assert_eq!((&forced["edition"], &forced["unchanged"]), (&json!(2), &json!(false)));
    assert_eq!(server.get("/api/k8s/jobs/all").json(200)["count"], 3);
}

#[test]
fn a_range_carries_the_jobs_number_in_its_workbooks_name() {
    let (_work, _database, server) = fresh(&[]);
    let job = server.post("/api/k8s/jobs/ticketing-report?startDate=2025-01-03&endDate=2025-01-05").json(200);
    let ended = server.until_over(name(&job));
    let number = name(&job).rsplit('-').next().unwrap();
    assert_eq!(ended["report"], format!("ticketing-report-2025-01-03-to-2025-01-05-{number}.xlsx"));
    // A later job for the same data names that workbook, not one of its own.
    let again = server.post("/api/k8s/jobs/ticketing-report?startDate=2025-01-03&endDate=2025-01-05").json(200);
    assert_eq!(server.until_over(name(&again))["report"], ended["report"]);
}

#[test]
fn months_are_named_from_today_in_the_reports_time_zone() {
    let (work, _database, server) = fresh(&["--time-zone", "Pacific/Kiritimati", "--report-command", "/nowhere"]);
    let zone = jiff::tz::TimeZone::get("Pacific/Kiritimati").unwrap();
    let today = zone.to_datetime(jiff::Timestamp::now()).date();
    let first = today.first_of_month();
    let current = server.post("/api/k8s/jobs/ticketing-report/current-month").json(200);
    assert_eq!(current["period"], "current-month");
    assert_eq!((&current["startDate"], &current["endDate"]), (&json!(first.to_string()), &json!(today.to_string())));
    let previous = server.post("/api/k8s/jobs/ticketing-report/previous-month").json(200);
    let last = first.yesterday().unwrap();
    assert_eq!(previous["period"], "previous-month");
    let days = (&json!(last.first_of_month().to_string()), &json!(last.to_string()));
    assert_eq!((&previous["startDate"], &previous["endDate"]), days);
    // Without dates it is the running month, with one the other has its default.
    let plain = server.post("/api/k8s/jobs/ticketing-report").json(200);
    assert_eq!((&plain["period"], &plain["startDate"]), (&json!("current-month"), &current["startDate"]));
    let one = server.post("/api/k8s/jobs/ticketing-report?startDate=2020-05-05").json(200);
    assert_eq!((&one["period"], &one["endDate"]), (&json!("custom"), &json!(today.to_string())));
    drop(work);
}

#[test]
fn twenty_equal_requests_at_once_give_one_job_and_twenty_equal_answers() {
    let (work, _database, server) = held(&[]);
    for (path, key) in [(JANUARY, None), (FEBRUARY, Some("the-key"))] {
        let answers: BTreeSet<String> = thread::scope(|scope| {
            let ask = || {
                let request = server.request("POST", path);
                let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
                let mut job = request.send().json(200);
                // It may have begun meanwhile.
                for changing in ["state", "startTime", "stage", "rows", "percent"] {
                    job.as_object_mut().unwrap().remove(changing);
                }
                job.to_string()
            };
            let asked: Vec<_> = (0..20).map(|_| scope.spawn(ask)).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        assert_eq!(answers.len(), 1, "{answers:#?}");
    }
    assert_eq!(server.get("/api/k8s/jobs/all").json(200)["count"], 2);
    go(&work);
    waiting::until("both are over", || {
        let jobs = server.get("/api/k8s/jobs/all").json(200);
        jobs["jobs"].as_array().unwrap().iter().all(|job| job["state"] == "succeeded").then_some(())
    });
    assert_eq!(work.store().manifests().len(), 2);
    // A key is good for one request, also when its job is over, and also for the next server.
    let with_key =
        |server: &Server, path: &str| server.request("POST", path).header("idempotency-key", "the-key").send();
    let job = with_key(&server, FEBRUARY).json(200);
    assert_eq!(job["state"], "succeeded");
    assert!(with_key(&server, JANUARY).problem(409).contains("2025-02-01 to 2025-02-28"));
    assert_eq!(server.terminate(), Some(0));
    let server = Setup::new(&work.store()).start();
    assert_eq!(name(&with_key(&server, FEBRUARY).json(200)), name(&job));
}

#[test]
fn jobs_wait_for_their_turn_and_too_many_are_refused() {
    let (work, _database, server) = held(&["--queue", "1"]);
    let running = server.post(JANUARY).json(200);
    let waiting = server.post(FEBRUARY).json(200);
    waiting::until("the first tells how far it is", || {
        let job = server.get(&format!("/api/k8s/jobs/{}", name(&running))).json(200);
        let told = json!({ "state": "running", "status": "Running", "stage": "tickets", "rows": 50, "percent": 25 });
        told.as_object().unwrap().iter().all(|(field, value)| job[field] == *value).then_some(())
    });
    assert_eq!(server.get(&format!("/api/k8s/jobs/{}", name(&waiting))).json(200)["status"], "Queued");
    let refused = server.post("/api/k8s/jobs/ticketing-report?startDate=2025-01-01&endDate=2025-01-02");
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert!(refused.problem(429).contains("1 jobs are waiting"));
    // One that is there already is no more.
    assert_eq!(name(&server.post(FEBRUARY).json(200)), name(&waiting));
    go(&work);
    for job in [&running, &waiting] {
        assert_eq!(server.until_over(name(job))["state"], "succeeded");
    }
}

#[test]
fn jobs_are_cancelled_before_and_during_their_run() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Postgres, &SMALL));
    let server = Setup::new(&work.store()).database(&database).start();
    // The real command, held by a lock.
    let mut client = database.postgres().client();
    let mut lock = client.transaction().unwrap();
    lock.batch_execute("LOCK TABLE tickets IN ACCESS EXCLUSIVE MODE").unwrap();
    let running = server.post(JANUARY).json(200);
    let waiting = server.post(FEBRUARY).json(200);
    waiting::until("the first waits for the lock", || (database.postgres().report_connections().1 > 0).then_some(()));

    let delete = |job: &Value| server.request("DELETE", &format!("/api/k8s/jobs/{}", name(job))).send();
    let cancelled = delete(&waiting).json(202);
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(delete(&running).status, 202);
    let ended = server.until_over(name(&running));
    assert_eq!((&ended["state"], &ended["exitCode"]), (&json!("cancelled"), &json!(143)));
    assert!(ended["reason"].as_str().unwrap().contains("cancelled"));
    assert!(delete(&running).problem(409).contains("ended already"));
    drop(lock);
    waiting::until("its connections are gone", || (database.postgres().report_connections().0 == 0).then_some(()));
    assert_eq!(work.store().half_made(), Vec::<String>::new());
    assert_eq!(work.store().workbooks(), Vec::<String>::new());
    // There is room for the next.
    let next = server.post(JANUARY).json(200);
    assert_eq!(server.until_over(name(&next))["state"], "succeeded");
}

#[test]
fn a_job_that_fails_says_why_and_what_to_do() {
    for (text, code, reason) in [
        ("exec $REPORT --start-date x", Some(2), "YYYY-MM-DD"),
        (
            r#"echo '{"event":"failed","message":"the disk is full","code":73}' >&2; exit 73"#,
            Some(73),
            "the disk is full",
        ),
        ("exit 5", Some(5), "look at its log"),
        ("kill -9 $$", None, "memory"),
    ] {
        let work = Workplace::new();
        fs::create_dir(work.store().path()).unwrap();
        let server = Setup::new(&work.store()).with(&["--report-command", &script(&work, text)]).start();
        let job = server.post(JANUARY).json(200);
        let ended = server.until_over(name(&job));
        assert_eq!(ended["state"], "failed", "{text}");
        assert_eq!(ended["exitCode"].as_i64(), code, "{text}: {ended}");
        assert!(ended["reason"].as_str().unwrap().contains(reason), "{text}: {ended}");
    }
    // The real one, of a database that isn't there.
    let work = Workplace::new();
    fs::create_dir(work.store().path()).unwrap();
    let server = Setup::new(&work.store()).start();
    let job = server.post(JANUARY).json(200);
    let ended = server.until_over(name(&job));
    assert_eq!((&ended["state"], &ended["exitCode"]), (&json!("failed"), &json!(75)), "{ended}");
    assert!(ended["reason"].as_str().unwrap().contains("localhost"), "{ended}");
    // And a command that isn't there.
    let server = Setup::new(&work.store()).with(&["--report-command", "/nowhere/command"]).start();
    let job = server.post(FEBRUARY).json(200);
    assert!(server.until_over(name(&job))["reason"].as_str().unwrap().contains("--report-command"));
}

#[test]
fn a_server_that_comes_back_finds_the_jobs_and_tells_their_true_end() {
    let (work, database, server) = held(&["--queue", "5"]);
    let running = server.post(JANUARY).json(200);
    let waiting = server.post(FEBRUARY).json(200);
    let is = |server: &Server, job: &Value, state: &str| {
        let job = server.get(&format!("/api/k8s/jobs/{}", name(job))).json(200);
        (job["state"] == state).then_some(job)
    };
    waiting::until("the first runs", || is(&server, &running, "running"));
    // Killed without a word.
    drop(server);
    let server = held_over(&work, &database, &["--queue", "5"]);
    assert!(is(&server, &running, "running").is_some());
    assert!(is(&server, &waiting, "queued").is_some());
    go(&work);
    for (job, report) in [(&running, "ticketing-report-2025-01.xlsx"), (&waiting, "ticketing-report-2025-02.xlsx")] {
        let ended = server.until_over(name(job));
        assert_eq!((&ended["state"], &ended["report"]), (&json!("succeeded"), &json!(report)), "{ended}");
    }

    // A run that ends while no server is there.
    fs::remove_file(work.file("go")).unwrap();
    let third = server.post(&format!("{JANUARY}&force=true")).json(200);
    waiting::until("the third runs", || is(&server, &third, "running"));
    assert_eq!(server.terminate(), Some(0));
    go(&work);
    let record = work.store().file(&format!("state/runs/{}.json", name(&third)));
    waiting::until("the third has ended", || record.is_file().then_some(()));
    let server = held_over(&work, &database, &[]);
    let ended = server.until_over(name(&third));
    assert_eq!((&ended["state"], &ended["edition"]), (&json!("succeeded"), &json!(2)), "{ended}");

    // And one that is killed while no server is there.
    fs::remove_file(work.file("go")).unwrap();
    let fourth = server.post(&format!("{FEBRUARY}&force=true")).json(200);
    waiting::until("the fourth runs", || is(&server, &fourth, "running"));
    drop(server);
    let kept = fs::read(work.store().file(&format!("state/jobs/{}.json", name(&fourth)))).unwrap();
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    let process = kept["process"][0].to_string();
    tests::tools::run(Command::new("kill").args(["-KILL", &process]));
    let server = held_over(&work, &database, &[]);
    let ended = server.until_over(name(&fourth));
    assert_eq!(ended["state"], "failed");
    assert!(ended["reason"].as_str().unwrap().contains("start it again"), "{ended}");
}

#[test]
fn a_log_is_followed_until_the_run_ends() {
    let (work, _database, server) = held(&[]);
    let job = server.post(JANUARY).json(200);
    let path = format!("/api/k8s/jobs/{}/logs?follow=true", name(&job));
    waiting::until("there is a log", || {
        let log = server.get(&path.replace("true", "false"));
        log.text().contains("progress").then_some(())
    });
    let mut lines = BufReader::new(server.request("GET", &path).open()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap().contains("\"rows\":50")));
    go(&work);
    // The stream ends by itself, with the command's last line in it.
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(rest.iter().any(|line| line.contains(" rows in ")), "{rest:?}");
}

/// Streams of events say every while that they live, so no time-out of theirs ends a test.
fn in_time() -> impl FnMut(&String) -> bool {
    let began = Instant::now();
    move |_| began.elapsed() < waiting::SOON
}

#[test]
fn events_tell_of_jobs_and_editions_and_go_on_where_somebody_was_cut_off() {
    let (work, database, server) = held(&[]);
    let stream = server.request("GET", "/api/k8s/events").open();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap).take_while(in_time());
    assert!(lines.by_ref().any(|line| line.starts_with("content-type: text/event-stream")));
    let job = server.post(JANUARY).json(200);
    let mut next = |wanted: &str| {
        let (mut kind, mut id) = (String::new(), String::new());
        loop {
            let line = lines.next().expect("the stream goes on");
            match line.split_once(": ") {
                Some(("event", found)) => kind = found.to_owned(),
                Some(("id", found)) => id = found.to_owned(),
                Some(("data", data)) if kind == wanted => {
                    return (id, serde_json::from_str::<Value>(data).unwrap());
                }
                _ => {}
            }
        }
    };
    let (first, told) = next("job");
    assert_eq!((name(&told), &told["state"]), (name(&job), &json!("queued")));
    go(&work);
    let (_, edition) = next("edition");
    assert_eq!(edition, json!({ "period": "2025-01", "edition": 1, "report": "ticketing-report-2025-01.xlsx" }));
    let (_, ended) = next("job");
    assert_eq!(ended["state"], "succeeded");

    // Somebody who was cut off after the first gets the rest; nothing twice, nothing left out.
    let stream = server.request("GET", "/api/k8s/events").header("last-event-id", &first).open();
    let lines = BufReader::new(stream).lines().map(Result::unwrap).take_while(in_time());
    let states: Vec<String> = lines
        .filter_map(|line| line.strip_prefix("data: ").map(str::to_owned))
        .map(|data| serde_json::from_str::<Value>(&data).unwrap())
        .map(|data| data["state"].as_str().unwrap_or("edition").to_owned())
        .take_while(|state| state != "succeeded")
        .collect();
    let mut seen = states.clone();
    seen.dedup();
    assert_eq!(seen, ["running", "edition"], "{states:?}");
    // What others publish is told as well.
    work.succeed(&database, &["--period", "2025-02", "--store", work.store().path().to_str().unwrap()]);
    assert_eq!(next("edition").1["period"], "2025-02");
}
