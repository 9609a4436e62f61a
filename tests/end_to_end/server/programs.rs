//! The server under other programs: a browser, one that makes requests up, one that reads requests.http.

use std::path::{Path, PathBuf};

use tests::{tools, workplace::command};

/// The two programs.
fn programs() -> [PathBuf; 2] {
    [command().with_file_name("report-server"), command()]
}

#[test]
fn every_call_of_requests_http_works_as_written() {
    let [server, report] = programs();
    let said = tools::python("server/requests_http.py", &[&server, &report]);
    assert!(said.contains("none missing"), "{said}");
}

#[test]
fn requests_that_are_made_up_are_answered_as_the_document_says() {
    let [server, report] = programs();
    let said = tools::python("server/conformance.py", &[&server, &report]);
    assert!(said.contains("every answer is as the document says"), "{said}");
}

#[test]
fn snapshots_are_read_straight_from_their_urls() {
    let server = super::server();
    let manifest = server.get("/api/k8s/snapshots/2025-01").json(200);
    let totals = manifest["tables"]["tickets"]["totals"].as_object().unwrap();
    let cents = |total: &serde_json::Value| total["amount"].as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
    let sum: i64 = totals.values().map(cents).sum();
    // Across currencies, as it is only compared.
    let expected = format!("{} {}.{:02}", manifest["rows"], sum / 100, sum % 100);
    let url = format!("http://{}/api/k8s/snapshots/2025-01/latest/tickets.parquet", server.address);
    for (program, packages) in [("polars", "analysts"), ("pandas", "analysts"), ("duckdb", "duckdb")] {
        let said = tools::python_of(packages, "server/readers.py", &[Path::new(program), Path::new(&url)]);
        assert_eq!(said.trim(), expected, "{program}");
    }
}

#[test]
fn people_do_their_work_in_a_browser() {
    let [server, report] = programs();
    let said = tools::python("server/browser.py", &[&server, &report]);
    assert!(!said.is_empty());
}

#[test]
fn many_downloads_at_once_are_whole_in_little_memory() {
    let [server, _] = programs();
    let said = tools::python("../../benches/load/downloads.py", &[&server, Path::new("--short")]);
    assert!(said.contains('{'), "{said}");
}
