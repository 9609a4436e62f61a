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
