//! What analysts load: notebooks from top to bottom, and the same months with each program that reads them.

use tests::{
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
    let said = tools::python_of("analysts", "analysts/conformance.py", &[&work.file("demo-store")]);
    assert!(said.contains("all the same to the cent"), "{said}");
}
