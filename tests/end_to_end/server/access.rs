//! Who is let in where.

use std::{fs, net::TcpListener};

use server::{
    auth::{Access, Role},
    router::routes,
};
use tests::{
    server::{Setup, TOKENS, token, write_tokens},
    waiting,
    workplace::Workplace,
};

use super::store;

/// A path that the route takes, of something that isn't there.
fn path(pattern: &str) -> String {
    let names =
        [("{name}", "ticketing-report-1"), ("{filename}", "ticketing-report-1998-01.xlsx"), ("{period}", "1998-01")];
    let names = names.into_iter().chain([("{edition}", "1"), ("{file}", "tickets.parquet")]);
    names.fold(pattern.to_owned(), |path, (name, value)| path.replace(name, value))
}

fn role(name: &str) -> Role {
    clap::ValueEnum::from_str(name, false).unwrap()
}

#[test]
fn every_route_lets_in_whom_its_rule_names_and_nobody_else() {
    let work = Workplace::new();
    fs::create_dir(work.store().path()).unwrap();
    // A queue of none and a command that isn't there: what is let in is harmless.
    let server = Setup::new(&work.store()).with(&["--report-command", "/nowhere"]).tokens(work.path()).start();
    for route in routes().into_iter().filter(|route| route.path != "/api/k8s/events") {
        let ask = || server.request(route.method.as_str(), &path(route.path));
        let name = format!("{} {}", route.method, route.path);
        let refused = |status: u16| matches!(status, 401 | 403);
        for role_name in TOKENS {
            let status = ask().as_role(role_name).send().status;
            assert_eq!(!refused(status), route.access.admits(role(role_name)), "{name} as {role_name}: {status}");
        }
        if route.access == Access::Public {
            continue;
        }
        for nobody in
            [ask(), ask().header("authorization", "Bearer wrong"), ask().header("authorization", "Basic YTpi")]
        {
            let answer = nobody.send();
            assert_eq!(answer.status, 401, "{name}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{name}");
            assert!(answer.problem(401).contains("Authorization: Bearer"));
        }
    }
}

#[test]
fn who_listens_to_events_must_be_let_in_too() {
    let work = Workplace::new();
    let server = Setup::new(&store()).tokens(work.path()).start();
    assert_eq!(server.get("/api/k8s/events").status, 401);
    assert_eq!(server.request("GET", "/api/k8s/events").as_role("metrics").send().status, 403);
}

#[test]
fn an_address_that_others_reach_needs_tokens_or_a_word() {
    let work = Workplace::new();
    fs::create_dir(work.store().path()).unwrap();
    let (code, said) = Setup::new(&work.store()).with(&["--listen", "0.0.0.0:0"]).refused();
    assert_eq!(code, Some(78));
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("--tokens") && said.contains("--anonymous"), "{said}");

    let mut server = Setup::new(&work.store()).with(&["--listen", "0.0.0.0:0", "--anonymous", "viewer"]).start();
    server.address = server.address.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(server.get("/api/k8s/reports").status, 200);
    assert_eq!(server.post("/api/k8s/jobs/ticketing-report/current-month").status, 403);
}

#[test]
fn settings_that_cannot_work_are_refused_in_one_line() {
    let work = Workplace::new();
    fs::create_dir(work.store().path()).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let file = work.file("tokens");
    let file = file.to_str().unwrap();
    for (line, word) in [
        ("anna operator", "line 1"),
        ("anna king 00", "`king` is no role"),
        ("anna operator 00", "64 hexadecimal digits"),
        ("an/na operator 00", "`an/na`"),
    ] {
        fs::write(file, line).unwrap();
        let (code, said) = Setup::new(&work.store()).with(&["--tokens", file]).refused();
        assert!(code == Some(78) && said.contains(word) && said.lines().count() == 1, "{line}: {code:?} {said}");
    }
    for (arguments, expected, word) in [
        (["--listen", taken.as_str()], 73, "--listen"),
        (["--tokens", "/nowhere/tokens"], 78, "can't be read"),
        (["--store", "s4://bucket"], 78, "s4://bucket"),
        (["--time-zone", "Mars"], 2, "Mars"),
        (["--anonymous", "analyst"], 2, "viewer or operator"),
    ] {
        let (code, said) = Setup::new(&work.store()).with(&arguments).refused();
        assert!(code == Some(expected) && said.contains(word), "{arguments:?}: {code:?} {said}");
    }
}

#[test]
fn a_token_that_is_made_lets_in_and_one_that_is_taken_away_does_not() {
    let work = Workplace::new();
    let file = work.file("tokens");
    let binary = tests::workplace::command().with_file_name("report-server");
    let made =
        tests::tools::run(std::process::Command::new(binary).args(["token", "--name", "anna", "--role", "analyst"]));
    let (token, line) = (made.lines().nth(1).unwrap().trim(), made.lines().last().unwrap().trim());
    assert!(line.starts_with("anna analyst ") && !line.contains(token), "{made}");
    fs::write(&file, line).unwrap();
    let server = Setup::new(&store()).with(&["--tokens", file.to_str().unwrap()]).start();
    let ask = || {
        server
            .request("GET", "/api/k8s/snapshots/2025-01/1/trips.parquet")
            .header("authorization", &format!("Bearer {token}"))
    };
    assert_eq!(ask().send().status, 200);

    // A file that is wrong changes nothing; one without the line does.
    fs::write(&file, "anna").unwrap();
    waiting::until("the wrong file is noticed", || server.log().contains("the tokens stay as they were").then_some(()));
    assert_eq!(ask().send().status, 200);
    write_tokens(&file);
    waiting::until("the token is gone", || (ask().send().status == 401).then_some(()));
}

#[test]
fn without_tokens_only_this_machines_own_names_are_answered_to() {
    let server = Setup::new(&store()).start();
    let port = server.address.rsplit_once(':').unwrap().1;
    for host in ["localhost", "127.0.0.1", "[::1]", &format!("localhost:{port}"), &format!("LOCALHOST:{port}")] {
        assert_eq!(server.request("GET", "/healthz").header("host", host).send().status, 200, "{host}");
    }
    for host in ["evil.example", &format!("evil.example:{port}"), "localhost.evil.example", "127.0.0.1.evil.example"] {
        let answer = server.request("GET", "/api/k8s/reports").header("host", host).send();
        assert!(answer.problem(403).contains("localhost"), "{host}");
    }
}

#[test]
fn pages_of_other_sites_start_nothing() {
    let work = Workplace::new();
    fs::create_dir(work.store().path()).unwrap();
    let server = Setup::new(&work.store()).with(&["--report-command", "/nowhere"]).start();
    let own = format!("http://{}", server.address);
    let post = |name: &str, value: &str| {
        let path = "/api/k8s/jobs/ticketing-report?startDate=2024-01-01&endDate=2024-01-02";
        server.request("POST", path).header(name, value).send().status
    };
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(post(name, value), 403, "{name}: {value}");
    }
    assert_eq!(
        server.request("DELETE", "/api/k8s/jobs/ticketing-report-1").header("origin", "null").send().status,
        403
    );
    assert_eq!(post("origin", &own), 200);
    assert_eq!(post("sec-fetch-site", "same-origin"), 200);
}

#[test]
fn who_did_what_stands_in_the_audit_log() {
    let work = Workplace::new();
    fs::create_dir(work.store().path()).unwrap();
    fs::write(work.store().file("ticketing-report-2001-01.xlsx"), tests::server::EMPTY_ARCHIVE).unwrap();
    let server = Setup::new(&work.store()).with(&["--report-command", "/nowhere"]).tokens(work.path()).start();
    let ask = |method: &str, path: &str, role: &str| server.request(method, path).as_role(role).send();
    for _ in 0..3 {
        assert_eq!(ask("GET", "/api/k8s/reports/ticketing-report-2001-01.xlsx", "viewer").status, 200);
    }
    let job =
        ask("POST", "/api/k8s/jobs/ticketing-report?startDate=2024-01-01&endDate=2024-01-02", "operator").json(200);
    assert_eq!(ask("POST", "/api/k8s/jobs/ticketing-report/current-month", "viewer").status, 403);
    assert_eq!(server.get("/api/k8s/jobs/all").status, 401);
    let job = job["jobName"].as_str().unwrap();
    let expected = [
        ("the-viewer", "viewer", "download", "ticketing-report-2001-01.xlsx".to_owned(), "200"),
        ("the-operator", "operator", "start", format!("{job} 2024-01-01 to 2024-01-02"), "accepted"),
        ("the-viewer", "viewer", "refused", "POST /api/k8s/jobs/ticketing-report/current-month".to_owned(), "refused"),
        ("anonymous", "none", "refused", "GET /api/k8s/jobs/all".to_owned(), "refused"),
    ];
    let entries = waiting::until("all entries are written", || {
        let log = ask("GET", "/api/k8s/audit", "operator").json(200);
        (log["count"].as_u64() >= Some(expected.len() as u64)).then(|| log["entries"].as_array().unwrap().clone())
    });
    let found: Vec<_> = entries
        .iter()
        .map(|e| ["who", "role", "action", "what", "outcome"].map(|field| e[field].as_str().unwrap().to_owned()))
        .collect();
    let expected: Vec<_> =
        expected.iter().map(|(a, b, c, d, e)| [*a, *b, *c, d.as_str(), *e].map(str::to_owned)).collect();
    assert_eq!(found, expected);
    // The log that machines keep names nobody, and no token is anywhere.
    let log = server.log();
    assert!(!log.contains("the-viewer") && !log.contains("127.0.0.1") && !log.contains(&token("viewer")), "{log}");
    assert_eq!(ask("GET", "/api/k8s/audit?day=1999-01-01", "operator").json(200)["count"], 0);
    assert!(ask("GET", "/api/k8s/audit?day=soon", "operator").problem(400).contains("YYYY-MM-DD"));
}
