//! What analysts load: notebooks from top to bottom, and the same months with each program that reads them.

use std::path::Path;

use tests::{
    postgres::PostgresDatabase,
    tools,
    workplace::{Workplace, command},
};

#[test]
fn notebooks_run_and_every_reader_finds_the_same_to_the_cent() {
    let work = Workplace::new();
    let said = tools::python_of("analysts", "analysts/run_notebooks.py", &[&command(), work.path()]);
    assert!(said.contains("they notice a cent too much"), "{said}");
    for notebook in ["first_look", "revenue", "demand", "payments", "changes"] {
        assert!(work.file(&format!("{notebook}.html")).is_file(), "no page of {notebook}: {:?}", work.names());
    }
    // The notebooks' store has an empty month by now.
    let store = work.file("demo-store");
    let server = command().with_file_name("report-server");
    let said = tools::python_of("analysts", "analysts/conformance.py", &[&store, &server]);
    assert!(said.contains("all the same to the cent"), "{said}");
    let said = tools::python_of("analysts", "analysts/readme.py", &[&store]);
    assert!(said.contains("the README's lines find what the manifests say"), "{said}");
}

#[test]
fn months_are_read_as_a_lake_and_beside_other_writers_to_the_cent() {
    let database = PostgresDatabase::empty();
    let report = command();
    let server = report.with_file_name("report-server");
    let url = database.url();
    let arguments: [&Path; 4] = [&report, &server, Path::new(&url), Path::new("--short")];
    let said = tools::python_of("analysts", "../../benches/lake/lake.py", &arguments);
    assert!(said.contains("## A lake of three years"), "{said}");
}
