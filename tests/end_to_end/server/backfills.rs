//! Months of years by one job.

use std::process::{Command, Output};

use serde_json::{Value, json};
use tests::{
    database::{Database, Kind, SMALL},
    server::{Server, Setup},
    waiting,
    workplace::{Workplace, command},
};

use super::{
    fresh,
    jobs::{go, held, held_over, name},
};

const BACKFILL: &str = "/api/k8s/jobs/ticketing-report/backfill";

/// The months with their states.
fn states(job: &Value) -> Vec<(&str, &str)> {
    let months = job["months"].as_array().unwrap();
    months.iter().map(|month| (month["month"].as_str().unwrap(), month["state"].as_str().unwrap())).collect()
}

fn find(server: &Server, job: &Value) -> Value {
    server.get(&format!("/api/k8s/jobs/{}", name(job))).json(200)
}

#[test]
fn a_backfill_makes_the_months_that_need_a_report_and_no_other() {
    let (work, _database, server) = fresh(&[]);
    let january = server.post("/api/k8s/jobs/ticketing-report?startDate=2025-01-01&endDate=2025-01-31").json(200);
    assert_eq!(server.until_over(name(&january))["state"], "succeeded");
    let years = format!("{BACKFILL}?from=2024-12&to=2025-02");

    let planned = server.post(&format!("{years}&dryRun=true")).json(200);
    let missing = ["2024-12", "2025-02"].map(|month| json!({ "month": month, "why": "missing" }));
    assert_eq!(planned, json!({ "status": "Planned", "planned": missing, "count": 2, "parallel": 1 }));
    assert_eq!(server.get("/api/k8s/jobs/all").json(200)["count"], 1);

    let started = server.post(&years).json(200);
    let days = json!(["Created", "backfill", "2024-12-01", "2025-02-28"]);
    assert_eq!(json!(["status", "period", "startDate", "endDate"].map(|field| started[field].clone())), days);
    let ended = server.until_over(name(&started));
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(states(&ended), [("2024-12", "succeeded"), ("2025-02", "succeeded")]);
    assert_eq!(ended["months"][1]["report"], "ticketing-report-2025-02.xlsx");
    assert!(work.store().file("ticketing-report-2024-12.xlsx").is_file(), "an empty month has its report too");
    // It is one job, though each month is a run of its own.
    assert_eq!(server.get("/api/k8s/jobs/all").json(200)["count"], 2);
    assert!(work.store().file(&format!("state/runs/{}-2025-02.json", name(&started))).is_file());
    let log = server.get(&format!("/api/k8s/jobs/{}/logs", name(&started)));
    assert!(log.text().starts_with("== 2024-12\n") && log.text().contains("\n== 2025-02\n"), "{}", log.text());

    let nothing = server.post(&years).json(200);
    assert_eq!((&nothing["status"], &nothing["count"]), (&json!("Nothing to do"), &json!(0)));
    let all = server.post(&format!("{years}&all=true&dryRun=true")).json(200);
    assert_eq!(all["planned"][0], json!({ "month": "2024-12", "why": "asked" }));
    assert_eq!(all["count"], 3);
    let audited = waiting::until("the audit log has it", || {
        let log = server.get("/api/k8s/audit").json(200);
        log["entries"].as_array().unwrap().iter().find(|entry| entry["action"] == "backfill").cloned()
    });
    assert_eq!(audited["what"], format!("{} 2024-12-01 to 2025-02-28", name(&started)));
}

#[test]
fn months_that_can_not_be_are_refused() {
    let (_work, _database, server) = fresh(&[]);
    let month = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).strftime("%Y-%m").to_string();
    for (query, said) in [
        ("from=2025&to=2025-01", "`2025` for from is no month: write YYYY-MM"),
        ("from=2025-01&to=2025-13", "`2025-13` for to is no month"),
        ("from=2025-02&to=2025-01", "swap the two"),
        (&format!("from=2025-01&to={month}"), "isn't over"),
        ("from=2010-01&to=2025-01", "more than 120 months"),
        ("from=2025-01&to=2025-02&parallel=0", "from 1 to 64"),
        ("from=2025-01", "missing field `to`"),
        ("from=2025-01&to=2025-02&month=1", "month"),
    ] {
        let error = server.post(&format!("{BACKFILL}?{query}")).problem(400);
        assert!(error.contains(said), "{query}: {error}");
    }
    let warned = server.post(&format!("{BACKFILL}?from=2025-01&to=2025-02&parallel=3&dryRun=true")).json(200);
    assert!(warned["parallel"] == 1 && warned["warning"].as_str().unwrap().contains("--jobs"), "{warned}");
}

#[test]
fn a_single_report_goes_before_the_months_of_a_backfill() {
    let (work, _database, server) = held(&[]);
    let backfill = server.post(&format!("{BACKFILL}?from=2024-12&to=2025-02")).json(200);
    waiting::until("the first month runs", || {
        (find(&server, &backfill)["months"][0]["state"] == "running").then_some(())
    });
    let single = server.post("/api/k8s/jobs/ticketing-report?startDate=2025-01-03&endDate=2025-01-05").json(200);
    go(&work);
    let ended = server.until_over(name(&backfill));
    let single = server.until_over(name(&single));
    assert_eq!((&ended["state"], &single["state"]), (&json!("succeeded"), &json!("succeeded")));
    let began = |run: &str| -> jiff::Timestamp {
        let record = std::fs::read(work.store().file(&format!("state/runs/{run}.json"))).unwrap();
        serde_json::from_slice::<Value>(&record).unwrap()["began"].as_str().unwrap().parse().unwrap()
    };
    let second = began(&format!("{}-2025-01", name(&backfill)));
    assert!(began(name(&single)) < second, "the second month didn't wait");
}

#[test]
fn a_backfill_goes_on_with_the_next_server() {
    let (work, database, server) = held(&[]);
    let backfill = server.post(&format!("{BACKFILL}?from=2024-12&to=2025-02")).json(200);
    waiting::until("the first month runs", || {
        (find(&server, &backfill)["months"][0]["state"] == "running").then_some(())
    });
    // Killed without a word.
    drop(server);
    let server = held_over(&work, &database, &[]);
    assert_eq!(states(&find(&server, &backfill))[..2], [("2024-12", "running"), ("2025-01", "queued")]);
    go(&work);
    let ended = server.until_over(name(&backfill));
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(work.store().manifests().len(), 3);
}

#[test]
fn the_page_shows_what_would_be_made_before_it_is() {
    let (_work, _database, server) = fresh(&[]);
    let home = server.request("GET", "/").for_page().send();
    assert!(home.text().contains("href=\"/backfill\""));
    let asked = server.request("GET", "/backfill?from=2025-01&to=2025-02").for_page().send();
    assert_eq!(asked.status, 200);
    assert!(asked.text().contains("January 2025") && asked.text().contains("no report yet"), "{}", asked.text());
    assert!(asked.text().contains("Make 2 reports"));
    let wrong = server.request("GET", "/backfill?from=2025-02&to=2025-01").for_page().send();
    assert!(wrong.status == 400 && wrong.text().contains("swap the two"));
    assert!(wrong.text().contains("value=\"2025-02\""), "the form is no longer filled in: {}", wrong.text());
    let typed = server.request("POST", "/backfill").for_page().form("from=2025-01&to=2025-02&parallel=many").send();
    assert!(typed.status == 400 && typed.text().contains("<code>many</code> months"), "{}", typed.text());
    let started = server.request("POST", "/backfill").form("from=2025-01&to=2025-02&parallel=").send();
    assert_eq!(started.status, 303);
    let place = started.header("location").unwrap();
    let _ = server.until_over(place.strip_prefix("/jobs/").unwrap());
    let page = server.request("GET", place).for_page().send();
    for found in ["February 2025", "ticketing-report-2025-02.xlsx", "All months are done"] {
        assert!(page.text().contains(found), "{found}");
    }
}

/// The command over a store, without a server.
fn run(work: &Workplace, database: Option<&Database>, arguments: &[&str]) -> Output {
    let mut program = Command::new(command().with_file_name("report-server"));
    program.env_clear().envs(["PATH", "HOME"].map(|name| (name, std::env::var_os(name).unwrap_or_default())));
    program.envs(database.map(|database| ("DATABASE_URL", database.url())));
    program.current_dir(work.path()).env("REPORT_LAUNCHER", "local").arg("backfill").args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_command_makes_the_months_and_says_how_each_ended() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    std::fs::create_dir(work.store().path()).unwrap();
    let years = ["--from", "2024-12", "--to", "2025-02", "--parallel", "2"];
    let with = |more: &[&'static str]| -> Vec<&'static str> { [&years[..], more].concat() };

    let planned = run(&work, Some(&database), &with(&["--dry-run"]));
    assert_eq!(planned.status.code(), Some(0), "{}", said(&planned));
    assert!(said(&planned).contains("2025-01") && said(&planned).contains("no report yet"), "{}", said(&planned));
    assert!(said(&planned).ends_with("3 months, 2 at a time\n"), "{}", said(&planned));
    assert_eq!(work.store().workbooks(), Vec::<String>::new());

    let made = run(&work, Some(&database), &years);
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    for line in ["2025-01  published, ticketing-report-2025-01.xlsx\n", "\n3 of 3 months done\n"] {
        assert!(said(&made).contains(line), "{}", said(&made));
    }
    assert_eq!(work.store().manifests().len(), 3);
    // Nothing that a server would take for a job of its own.
    let jobs = work.store().path().join("state/jobs").read_dir().unwrap();
    assert!(jobs.map(|entry| entry.unwrap().file_name()).all(|name| name.to_str().unwrap().ends_with(".log")));

    let again = run(&work, Some(&database), &years);
    assert!(again.status.success() && said(&again).starts_with("nothing to do"), "{}", said(&again));
}

#[test]
fn the_command_tells_failures_by_its_exit_code() {
    let work = Workplace::new();
    let absent = run(&work, None, &["--from", "2025-01", "--to", "2025-01", "--launcher", "kubernetes"]);
    assert_eq!(absent.status.code(), Some(78), "{}", said(&absent));
    assert!(said(&absent).contains("--store") && said(&absent).contains("kubectl exec"), "{}", said(&absent));
    std::fs::create_dir(work.store().path()).unwrap();
    // No database listens there.
    let failed = run(&work, None, &["--from", "2025-01", "--to", "2025-02"]);
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    assert!(said(&failed).contains("2025-02  FAILED: ") && said(&failed).contains("0 of 2 months done"));
    for (arguments, word) in [
        (&["--from", "2025-01", "--to", "2025-13"][..], "for --to is no month"),
        (&["--from", "2025-01", "--to", "2025-02", "--no-wait"], "--no-wait needs a cluster"),
    ] {
        let refused = run(&work, None, arguments);
        assert!(refused.status.code() == Some(2) && said(&refused).contains(word), "{}", said(&refused));
    }
}

#[test]
fn only_operators_may_backfill() {
    let work = Workplace::new();
    std::fs::create_dir(work.store().path()).unwrap();
    let server = Setup::new(&work.store()).tokens(work.path()).start();
    let ask = |role: &str| {
        server.request("POST", &format!("{BACKFILL}?from=2025-01&to=2025-01&dryRun=true")).as_role(role).send()
    };
    assert_eq!(["viewer", "analyst", "operator"].map(|role| ask(role).status), [403, 403, 200]);
}
