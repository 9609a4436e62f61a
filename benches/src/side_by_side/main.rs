//! Times the report beside other ways to the same workbook, and writes docs/side-by-side.md.
//!
//! The question: what does a workbook of so many rows cost, from one PostgreSQL and one query result, made by us and
//! made by whatever else people would take? All are whole processes, run in turn, so that whatever else the machine
//! does falls on each of them alike: what tells something is the ratio between two of the same round. Run it by
//! `make side-by-side`, after `benches/prepare`.

mod contestants;
mod measure;
mod opens;
mod options;
mod plot;
mod record;
mod table;

use std::{fs, path::Path, process::ExitCode};

use benches::{Failure, report_rows::ReportRows};
use clap::Parser;

use crate::{
    contestants::Contestant,
    measure::Run,
    options::{Options, Plan},
    record::{Record, Size},
};

/// Below this line docs/side-by-side.md is written anew.
const MARK: &str = "<!-- Written by `make side-by-side` from here on. -->\n";

/// Between these lines the README is.
const README_MARKS: [&str; 2] = ["<!-- Written by `make side-by-side`. -->\n", "<!-- Until here. -->\n"];

fn main() -> ExitCode {
    match compare(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("side-by-side: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Measures what is asked for, shows it, and either checks it or keeps it.
fn compare(options: &Options) -> Result<(), Failure> {
    let revision = record::revision()?;
    let sizes = options.plans().iter().map(|plan| measure_size(plan, options.rounds)).collect::<Result<Vec<_>, _>>()?;
    let record = Record::new(options.form(), revision, options.rounds, sizes);
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    let history = benches.join("history.jsonl");
    print(&table::markdown(&record));
    if options.check {
        return record.check(&record::read(&history)?);
    }
    record.append(&history)?;
    if record.form == options::LONG {
        let docs = benches.join("../docs");
        let read = |page: &Path| fs::read_to_string(page).map_err(|e| format!("{}: {e}", page.display()));
        let page = docs.join("side-by-side.md");
        let old = read(&page)?;
        let kept = old.split_once(MARK).map_or(old.as_str(), |(kept, _)| kept);
        fs::write(&page, format!("{kept}{MARK}\n{}", table::markdown(&record)))?;
        let page = benches.join("../README.md");
        let old = read(&page)?;
        let [from, to] = README_MARKS;
        let parts = old.split_once(from).and_then(|(before, rest)| Some((before, rest.split_once(to)?.1)));
        let (before, after) = parts.ok_or("the README has lost the lines between which the table stands")?;
        fs::write(&page, format!("{before}{from}\n{}\n{to}{after}", table::short(&record)))?;
        fs::write(docs.join("images/side-by-side.svg"), plot::bars(&record))?;
        fs::write(docs.join("images/side-by-side-history.svg"), plot::history(&record::read(&history)?))?;
    }
    Ok(())
}

/// One size: every contestant in turn, round after round.
fn measure_size(plan: &Plan, rounds: u32) -> Result<Size, Failure> {
    eprintln!("side-by-side: making {} rows", plan.rows);
    let rows = ReportRows::make(plan.rows)?;
    let mut runs: Vec<(&Contestant, Vec<Run>)> = plan.contestants.iter().map(|&one| (one, Vec::new())).collect();
    for round in 1..=rounds {
        // Every other round goes backwards, so that nobody always comes after the same neighbour.
        let count = runs.len();
        for i in 0..count {
            let (contestant, its_runs) = &mut runs[if round % 2 == 1 { i } else { count - 1 - i }];
            let folder = tempfile::tempdir()?;
            let workbook = folder.path().join("report.xlsx");
            let mut run = measure::run(contestant, &rows, &workbook)?;
            if round == 1 {
                run.wrong = opens::compare(&workbook, &rows).err();
            }
            eprintln!(
                "side-by-side: round {round}, {}: {:.2} s, CPU {:.2} s, {:.0} MiB{}",
                contestant.name,
                run.wall,
                run.cpu,
                run.peak_mib,
                run.wrong.as_ref().map(|wrong| format!("; {wrong}")).unwrap_or_default()
            );
            its_runs.push(run);
        }
    }
    Size::new(plan.rows, &runs)
}

#[expect(clippy::print_stdout, reason = "the table is what the program is run for")]
fn print(text: &str) {
    println!("{text}");
}
