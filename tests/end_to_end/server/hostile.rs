//! Bad input: a clear refusal, never a fault, never a file from outside.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

use tests::{server::Setup, waiting, workplace::Workplace};

use super::server;

#[test]
fn names_that_are_no_reports_lead_nowhere() {
    let server = server();
    let long = "a".repeat(5000);
    for name in [
        "..%2f..%2fetc%2fpasswd",
        "..%2Fsecret.xlsx",
        "%2e%2e%2fsecret.xlsx",
        "..%5csecret.xlsx",
        "..\\secret.xlsx",
        "%2fetc%2fpasswd",
        "C:%5cWindows%5cwin.ini",
        "ticketing-report-2025-01.xlsx%00",
        "%00",
        "ticketing-report-2025-01.xlsx%2f..%2f..%2fsecret.xlsx",
        "notes.xlsx",
        "state",
        "~$ticketing-report-2025-01.xlsx",
        "ticketing-report-2025-01.XLSX",
        "ticketing-report-2025-01.xlsx.",
        "ticketing-report-2025-01.xlsx%20",
        // A link that leads out of the store.
        "ticketing-report-1999-01.xlsx",
        "ticketing-report-1998-01.xlsx",
        &long,
    ] {
        let answer = server.get(&format!("/api/k8s/reports/{name}"));
        assert!(answer.problem(404).contains("no report"), "{name}");
        let head = server.request("HEAD", &format!("/api/k8s/reports/{name}")).send();
        assert_eq!(head.status, 404, "{name}");
    }
    for path in
        ["/api/k8s/reports/../../secret.xlsx", "/api/k8s/reports/..", "/assets/..%2f..%2fCargo.toml", "/assets/x"]
    {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    // Broken UTF-8.
    assert!(!server.get("/api/k8s/reports/%ff%fe").problem(400).is_empty());
}

#[test]
fn periods_editions_and_tables_that_do_not_exist_are_told_apart_from_malformed_ones() {
    let server = server();
    for (path, status, word) in [
        ("/api/k8s/snapshots/2025-13", 400, "2025-13"),
        ("/api/k8s/snapshots/..%2f..", 400, "no period"),
        ("/api/k8s/snapshots/2025-02-30_to_2025-03-01", 400, "no period"),
        ("/api/k8s/snapshots/2025-03-02_to_2025-03-01", 400, "swap"),
        ("/api/k8s/snapshots/1998-01", 404, "no edition"),
        ("/api/k8s/snapshots/2025-01?edition=9", 404, "no edition 9"),
        ("/api/k8s/snapshots/2025-01?edition=-1", 400, "edition"),
        ("/api/k8s/snapshots/2025-01?edition=99999999999", 400, "edition"),
        ("/api/k8s/snapshots/2025-01/9/tickets.parquet", 404, "no edition 9"),
        ("/api/k8s/snapshots/2025-01/x/tickets.parquet", 400, "latest"),
        ("/api/k8s/snapshots/2025-01/1/manifest.json", 404, "tickets.parquet"),
        ("/api/k8s/snapshots/2025-01/1/..%2f..%2f1%2ftickets.parquet", 404, "tickets.parquet"),
        ("/api/k8s/snapshots/1998-01/latest/tickets.parquet", 404, "no edition"),
        ("/api/k8s/reports?limit=0", 400, "limit"),
        ("/api/k8s/reports?limit=x", 400, "limit"),
        ("/api/k8s/reports?sort=colour", 400, "colour"),
        ("/api/k8s/reports?colour=red", 400, "colour"),
        ("/api/k8s/reports?offset=-1", 400, "offset"),
        ("/api/k8s/jobs/ticketing-report-1", 404, "no job `ticketing-report-1`"),
        ("/api/k8s/jobs/..%2f..%2fruns%2fx", 404, "no job"),
        ("/api/k8s/jobs/ticketing-report-1/logs", 404, "no job"),
        ("/api/k8s/audit?day=2025-02-30", 400, "day"),
        ("/editions/2025-01/x", 400, "whole number"),
        ("/editions/1998-01/1", 404, "no edition"),
        ("/nothing", 404, "/docs"),
    ] {
        let problem = server.get(path).problem(status);
        assert!(problem.contains(word), "{path}: {problem}");
    }
}

#[test]
fn days_that_cannot_be_meant_are_refused_with_the_parameter_and_its_form() {
    let server = server();
    for (query, words) in [
        ("startDate=2025-13-01&endDate=2025-01-31", &["startDate", "2025-13-01", "YYYY-MM-DD"][..]),
        ("startDate=2025-01-01&endDate=31.1.2025", &["endDate", "31.1.2025", "YYYY-MM-DD"]),
        ("startDate=&endDate=2025-01-31", &["startDate", "YYYY-MM-DD"]),
        ("startDate=2025-02-30&endDate=2025-03-31", &["startDate", "2025-02-30", "YYYY-MM-DD"]),
        ("startDate=2025-02-01&endDate=2025-01-01", &["swap", "startDate", "endDate", "YYYY-MM-DD"]),
        ("startDate=2999-01-01&endDate=2999-01-31", &["future", "2999-01-01", "startDate"]),
        ("startDate=2001-01-01&endDate=2025-01-01", &["10 years", "startDate"]),
        ("startDate=%00&endDate=2025-01-01", &["startDate", "YYYY-MM-DD"]),
        ("startdate=2025-01-01", &["startdate"]),
        ("start=2025-01-01", &["start"]),
        ("startDate=2025-01-01&startDate=2025-01-02", &["startDate"]),
        ("force=perhaps", &["force"]),
    ] {
        let problem = server.post(&format!("/api/k8s/jobs/ticketing-report?{query}")).problem(400);
        assert!(words.iter().all(|word| problem.contains(word)), "{query}: {problem}");
    }
    assert!(!server.post("/api/k8s/jobs/ticketing-report/current-month?startDate=2025-01-01").problem(400).is_empty());
    let key = "k".repeat(201);
    let asked = server.request("POST", "/api/k8s/jobs/ticketing-report/current-month").header("idempotency-key", &key);
    assert!(asked.send().problem(400).contains("Idempotency-Key"));
}

#[test]
fn wrong_methods_are_refused_with_those_that_are_right() {
    let server = server();
    for (method, path, allowed) in [
        ("POST", "/api/k8s/reports", "GET,HEAD"),
        ("DELETE", "/api/k8s/reports/ticketing-report-2025-01.xlsx", "GET,HEAD"),
        ("GET", "/api/k8s/jobs/ticketing-report/current-month", "POST"),
        ("PUT", "/api/k8s/jobs/ticketing-report-1", "GET,HEAD,DELETE"),
        ("TRACE", "/healthz", "GET,HEAD"),
        ("BREW", "/", "GET,HEAD"),
    ] {
        let answer = server.request(method, path).send();
        let mut found: Vec<_> = answer.header("allow").unwrap_or_default().split(',').collect();
        let mut allowed: Vec<_> = allowed.split(',').collect();
        found.sort_unstable();
        allowed.sort_unstable();
        assert_eq!(found, allowed, "{method} {path}");
        assert!(answer.problem(405).contains(method), "{method} {path}");
    }
}

#[test]
fn requests_that_are_too_large_or_broken_are_refused() {
    let server = server();
    let big = server.request("GET", "/healthz").header("x-big", &"x".repeat(20_000)).send();
    assert!(big.problem(431).contains("headers"));
    let huge = server.request("GET", "/healthz").header("x-huge", &"x".repeat(500_000)).send();
    assert_eq!(huge.status, 431);
    let form = server.request("POST", "/start").form(&format!("period=custom&x={}", "x".repeat(100_000))).send();
    assert_eq!(form.problem(413), form.problem(413));
    for body in ["period=sometime", "period=%ff", "nothing"] {
        let status = server.request("POST", "/start").form(body).send().status;
        assert!((400..500).contains(&status), "{body}: {status}");
    }
    for raw in [
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "GET /\u{fffd} HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(raw.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{raw:?}: {answer}");
    }
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn too_many_requests_of_one_sender_are_told_to_wait() {
    let work = Workplace::new();
    fs::create_dir(work.store().path()).unwrap();
    let server = Setup::new(&work.store()).with(&["--rate", "1"]).tokens(work.path()).start();
    let ask = |role: &str| server.request("GET", "/api/k8s/reports").as_role(role).send();
    let refused = (0..100).map(|_| ask("viewer")).find(|answer| answer.status != 200).expect("some are refused");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.problem(429).contains("wait"));
    // Others aren't kept waiting by it.
    assert_eq!(ask("analyst").status, 200);
    waiting::until("it may ask again", || (ask("viewer").status == 200).then_some(()));
}

#[test]
fn a_store_that_is_gone_is_said_and_comes_back_without_a_restart() {
    let work = Workplace::new();
    fs::create_dir(work.store().path()).unwrap();
    fs::write(work.store().file("ticketing-report-2001-01.xlsx"), tests::server::EMPTY_ARCHIVE).unwrap();
    let server = Setup::new(&work.store()).start();
    assert_eq!(server.get("/readyz").status, 200);
    let (store, away) = (work.store().path().to_path_buf(), work.file("away"));
    fs::rename(&store, &away).unwrap();
    let paths =
        ["/readyz", "/api/k8s/reports", "/api/k8s/snapshots", "/api/k8s/jobs/all", "/metrics", "/api/k8s/audit"];
    for path in paths.into_iter().chain(["/api/k8s/reports/ticketing-report-2001-01.xlsx"]) {
        let answer = waiting::until("it is noticed", || Some(server.get(path)).filter(|answer| answer.status != 200));
        assert_eq!(answer.header("retry-after"), Some("30"), "{path}");
        let problem = answer.problem(503);
        assert!(problem.contains("can't be read at the moment"), "{path}: {problem}");
        assert!(!problem.contains(store.to_str().unwrap()), "{path} says where the store is: {problem}");
    }
    let page = server.request("GET", "/").for_page().send();
    assert_eq!(page.status, 503);
    assert!(page.text().contains("can't be read") || page.text().contains("can’t be read"), "{}", page.text());
    assert_eq!(server.get("/healthz").status, 200);
    let refused = server.post("/api/k8s/jobs/ticketing-report?startDate=2024-01-01&endDate=2024-01-31");
    assert_eq!(refused.status, 503, "{:?}", refused.text());

    fs::rename(&away, &store).unwrap();
    waiting::until("it is back", || (server.get("/readyz").status == 200).then_some(()));
    assert_eq!(server.get("/api/k8s/reports").json(200)["count"], 1);
}
