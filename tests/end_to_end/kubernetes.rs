//! Manifests, scripts and documents for Kubernetes, without a cluster.

use tests::{tools, workplace::command};

#[test]
fn manifests_are_valid_and_keep_what_people_rely_on() {
    let said = tools::python_of(
        "kubernetes",
        "kubernetes/check.py",
        &[&command(), &command().with_file_name("report-server")],
    );
    assert!(said.contains("no problems"), "{said}");
}

#[test]
fn images_are_built_and_hold_what_they_need_and_nothing_else() {
    let server = command().with_file_name("report-server");
    let said = tools::python_of("kubernetes", "kubernetes/image.py", &[&command(), &server]);
    assert!(said.contains("no problems"), "{said}");
}

#[test]
fn each_check_of_manifests_and_images_notices_what_it_is_there_for() {
    let server = command().with_file_name("report-server");
    let said = tools::python_of("kubernetes", "kubernetes/can_fail.py", &[&command(), &server]);
    assert!(!said.is_empty());
}
