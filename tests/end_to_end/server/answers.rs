//! What each call answers, to the letter.

use serde_json::{Value, json};

use super::{UNFINISHED, UNMANAGED, server, without_chance};

#[test]
fn the_list_of_reports_is_the_one_that_scripts_know() {
    let server = server();
    let list = server.get("/api/k8s/reports").json(200);
    let expected = json!({
        "reports": [
            UNMANAGED,
            "ticketing-report-2025-01-10-to-2025-01-12.xlsx",
            "ticketing-report-2025-01-edition-1.xlsx",
            "ticketing-report-2025-01.xlsx",
            "ticketing-report-2025-02.xlsx",
        ],
        "count": 5,
        "total": 5,
    });
    assert_eq!(list, expected);
    for (name, _) in UNFINISHED {
        assert_eq!(server.get(&format!("/api/k8s/reports/{name}")).status, 404, "{name}");
    }
}

#[test]
fn details_say_what_is_known_of_a_report() {
    let server = server();
    let list = server.get("/api/k8s/reports?details=true&search=2025-01-edition").json(200);
    let item = &list["items"][0];
    let manifest = server.get("/api/k8s/snapshots/2025-01?edition=1").json(200);
    let totals: serde_json::Map<String, Value> = manifest["summary"]["currencies"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, of)| of["sales"]["tickets"].as_u64() > Some(0))
        .map(|(code, of)| {
            let sales = &of["sales"];
            let cents = |amount: &Value| amount.as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
            let net = cents(&sales["gross"]) - cents(&sales["refunds"]);
            let net = format!("{}.{:02}", net / 100, net % 100);
            let of = json!({
                "tickets": sales["tickets"], "gross": sales["gross"], "refunds": sales["refunds"], "net": net,
            });
            (code.clone(), of)
        })
        .collect();
    assert!(!totals.is_empty());
    let controls = manifest["controls"].as_array().unwrap().len();
    let expected = json!({
        "name": "ticketing-report-2025-01-edition-1.xlsx",
        "size": manifest["workbook"]["size"],
        "created": manifest["created_at"],
        "unmanaged": false,
        "period": "2025-01",
        "edition": 1,
        "newest": false,
        "provisional": false,
        "rows": manifest["rows"],
        "totals": totals,
        "controls": { "passed": controls, "failed": 0 },
        "links": {
            "download": "/api/k8s/reports/ticketing-report-2025-01-edition-1.xlsx",
            "manifest": "/api/k8s/snapshots/2025-01?edition=1",
            "tickets": "/api/k8s/snapshots/2025-01/1/tickets.parquet",
            "page": "/editions/2025-01/1",
        },
    });
    assert_eq!(*item, expected);
    for link in ["download", "manifest", "tickets", "page"] {
        assert_eq!(server.get(item["links"][link].as_str().unwrap()).status, 200, "{link}");
    }
    let old = server.get("/api/k8s/reports?details=true&kind=unmanaged").json(200);
    let expected = json!([{
        "name": UNMANAGED,
        "size": "<size>",
        "created": "<time>",
        "unmanaged": true,
        "newest": false,
        "provisional": false,
        "totals": {},
        "links": { "download": format!("/api/k8s/reports/{UNMANAGED}") },
    }]);
    assert_eq!(without_chance(&old["items"]), without_chance(&expected));
}

#[test]
fn lists_are_filtered_ordered_and_cut_into_pages() {
    let server = server();
    let names = |query: &str| {
        let list = server.get(&format!("/api/k8s/reports?{query}")).json(200);
        let names: Vec<String> = serde_json::from_value(list["reports"].clone()).unwrap();
        assert_eq!(list["count"], names.len());
        let short = |name: &String| name.trim_start_matches("ticketing-report-").trim_end_matches(".xlsx").to_owned();
        (names.iter().map(short).collect::<Vec<_>>().join(" "), list["total"].as_u64().unwrap())
    };
    let (jan, first, feb, days) = ("2025-01", "2025-01-edition-1", "2025-02", "2025-01-10-to-2025-01-12");
    let old = "2001-01-01-to-2001-01-31-12345";
    for (query, expected, total) in [
        ("kind=month", format!("{first} {jan} {feb}"), 3),
        ("kind=range", days.to_owned(), 1),
        ("kind=unmanaged", old.to_owned(), 1),
        ("search=2025-02", feb.to_owned(), 1),
        ("search=EDITION", first.to_owned(), 1),
        ("controls=failed", String::new(), 0),
        ("controls=passed&kind=month", format!("{first} {jan} {feb}"), 3),
        ("sort=period&order=desc", format!("{feb} {days} {jan} {first} {old}"), 5),
        ("sort=rows&kind=range&order=asc", days.to_owned(), 1),
        ("sort=name&order=desc&limit=2", format!("{feb} {jan}"), 5),
        ("limit=2&offset=1", format!("{days} {first}"), 5),
        ("kind=month&limit=1&offset=2", feb.to_owned(), 3),
        ("offset=99", String::new(), 5),
    ] {
        assert_eq!(names(query), (expected, total), "{query}");
    }
}

#[test]
fn snapshots_are_listed_by_period_with_all_their_editions() {
    let server = server();
    let list = server.get("/api/k8s/snapshots").json(200);
    assert_eq!(list["count"], 3);
    let newest = server.get("/api/k8s/snapshots/2025-01").json(200);
    let expected = json!({
        "period": "2025-01",
        "edition": 2,
        "editions": [1, 2],
        "rows": newest["rows"],
        "size": "<size>",
        "created": "<time>",
        "provisional": false,
        "links": {
            "manifest": "/api/k8s/snapshots/2025-01",
            "tickets": "/api/k8s/snapshots/2025-01/2/tickets.parquet",
            "page": "/editions/2025-01/2",
        },
    });
    let periods: Vec<_> = list["snapshots"].as_array().unwrap().iter().map(|one| one["period"].clone()).collect();
    assert_eq!(periods, ["2025-01", "2025-02", "2025-01-10_to_2025-01-12"]);
    assert_eq!(without_chance(&list["snapshots"][0]), expected);
    // The manifest is the one of the store, unchanged.
    let stored = std::fs::read(super::store().file("editions/2025-01/2/manifest.json")).unwrap();
    assert!(server.get("/api/k8s/snapshots/2025-01").body == stored);
}

#[test]
fn runs_of_the_command_line_are_among_the_jobs() {
    let list = server().get("/api/k8s/jobs/all").json(200);
    assert_eq!(list["count"], 4);
    let newest = &list["jobs"][0];
    assert_eq!(newest["status"], "Succeeded");
    assert_eq!(newest["report"], "ticketing-report-2025-01-10-to-2025-01-12.xlsx");
    assert_eq!((&newest["startDate"], &newest["endDate"]), (&json!("2025-01-10"), &json!("2025-01-12")));
    assert_eq!(newest["namespace"], "train-orchestrator");
}

#[test]
fn metrics_tell_what_the_store_remembers() {
    let server = server();
    let text = server.get("/metrics").text().to_owned();
    let value = |name: &str| {
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    for (name, expected) in [
        ("report_runs{kind=\"month\",outcome=\"published\"}", 3.0),
        ("report_runs{kind=\"range\",outcome=\"published\"}", 1.0),
        ("report_editions", 4.0),
        ("report_damaged_manifests", 0.0),
        ("report_jobs{state=\"queued\"}", 0.0),
        ("report_month_published{month=\"2025-02\"}", 1.0),
        ("report_failed_controls{period=\"2025-01\"}", 0.0),
        ("report_run_duration_seconds_count{kind=\"month\"}", 3.0),
    ] {
        assert!((value(name) - expected).abs() < f64::EPSILON, "{name} {}", value(name));
    }
    assert!(value("report_last_success_timestamp_seconds{kind=\"month\"}") > 1_700_000_000.0);
    assert!(value("report_store_bytes") > 100_000.0 && value("report_store_free_bytes") > 0.0);
    assert!(value("report_run_rows{kind=\"range\"}") > 0.0);
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn every_answer_has_an_id_and_the_headers_that_browsers_heed() {
    let server = server();
    let mut ids = std::collections::BTreeSet::new();
    for path in ["/", "/healthz", "/api/k8s/reports", "/api/k8s/reports/none", "/none", "/assets/page.css"] {
        let answer = server.get(path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert!(ids.insert(answer.header("x-request-id").unwrap().to_owned()), "{path}");
    }
    // The id leads to the request's line in the log.
    for id in ids {
        tests::waiting::until("the request is in the log", || server.log().contains(&id).then_some(()));
    }
}
