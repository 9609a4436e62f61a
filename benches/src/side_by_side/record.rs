//! What was measured, and the history of it: one line of JSON for each time, in `benches/history.jsonl`.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    process::Command,
};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    Failure,
    contestants::{Contestant, OURS},
    measure::{Run, median},
};

/// The part of the last recorded ratio that `--check` asks for.
const ENOUGH: f64 = 0.7;

/// One time the benchmark was run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) date: Date,
    /// The revision of the source, with a plus where it had changes that no revision has.
    pub(crate) revision: String,
    pub(crate) machine: Machine,
    pub(crate) form: String,
    pub(crate) rounds: u32,
    pub(crate) sizes: Vec<Size>,
}

/// Where it was run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
}

/// All contestants with a number of rows, in the table's order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) rows: u64,
    pub(crate) contestants: Vec<Figures>,
    /// How many times what we take each rival takes, by its name: the median over the rounds.
    pub(crate) ratios: BTreeMap<String, Ratio>,
}

/// The medians of one contestant.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) wall_seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_mib: f64,
    pub(crate) rows_per_second: f64,
    pub(crate) file_mb: f64,
    /// What is wrong with the workbook; nothing when it opens and its first and last row are the database's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wrong: Option<String>,
}

/// A rival's time in ours.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ratio {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

impl Size {
    /// The medians, of rounds in which all have run.
    pub(crate) fn new(rows: u64, runs: &[(&Contestant, Vec<Run>)]) -> Result<Self, Failure> {
        let (_, ours) = runs.iter().find(|(one, _)| one.name == OURS).ok_or("we weren't measured")?;
        let figures = |(one, runs): &(&Contestant, Vec<Run>)| {
            let middle = |figure: fn(&Run) -> f64| rounded(median(runs.iter().map(figure)));
            let wall_seconds = middle(|run| run.wall);
            Figures {
                name: one.name.to_owned(),
                wall_seconds,
                cpu_seconds: middle(|run| run.cpu),
                peak_mib: middle(|run| run.peak_mib).round(),
                rows_per_second: (rows as f64 / wall_seconds).round(),
                file_mb: middle(|run| run.file_mb),
                wrong: runs.iter().find_map(|run| run.wrong.clone()),
            }
        };
        let ratio = |runs: &[Run], figure: fn(&Run) -> f64| {
            rounded(median(runs.iter().zip(ours).map(|(rival, ours)| figure(rival) / figure(ours))))
        };
        let ratios = runs.iter().filter(|(one, _)| one.name != OURS).map(|(one, runs)| {
            let ratio = Ratio { wall: ratio(runs, |run| run.wall), cpu: ratio(runs, |run| run.cpu) };
            (one.name.to_owned(), ratio)
        });
        Ok(Self { rows, contestants: runs.iter().map(figures).collect(), ratios: ratios.collect() })
    }
}

impl Record {
    /// A record of today, of a program built from `revision`.
    pub(crate) fn new(form: String, revision: String, rounds: u32, sizes: Vec<Size>) -> Self {
        let date = jiff::ZonedDateTime::now().date();
        Self { date, revision, machine: machine(), form, rounds, sizes }
    }

    /// Adds it to the history.
    pub(crate) fn append(&self, history: &Path) -> Result<(), Failure> {
        let mut line = serde_json::to_string(self)?;
        line.push('\n');
        OpenOptions::new().create(true).append(true).open(history)?.write_all(line.as_bytes())?;
        Ok(())
    }

    /// Whether every rival still takes about as many times our CPU time as last time. Wall time isn't looked at: it
    /// depends on how many cores there are and on what else they do.
    pub(crate) fn check(&self, history: &[Self]) -> Result<(), Failure> {
        let last = history.iter().rfind(|record| record.form == self.form);
        let last = last.ok_or_else(|| format!("nothing of the form `{}` is recorded to compare with", self.form))?;
        for (size, last_size) in self.sizes.iter().zip(&last.sizes) {
            if let Some(wrong) = size.contestants.iter().filter(|one| one.name == OURS).find_map(|o| o.wrong.as_ref()) {
                return Err(format!("our workbook of {} rows isn't right: {wrong}", size.rows).into());
            }
            for (name, ratio) in &size.ratios {
                let Some(before) = last_size.ratios.get(name) else { continue };
                if ratio.cpu < before.cpu * ENOUGH {
                    return Err(format!(
                        "with {} rows {name} takes {:.2} times our CPU time, where it took {:.2} times on {} ({})",
                        size.rows, ratio.cpu, before.cpu, last.date, last.revision
                    )
                    .into());
                }
            }
        }
        Ok(())
    }
}

/// The history so far; none when there is no file yet.
pub(crate) fn read(history: &Path) -> Result<Vec<Record>, Failure> {
    if !history.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(history)?;
    let record = |(i, line)| {
        serde_json::from_str(line).map_err(|e| format!("{}, line {}: {e}", history.display(), i + 1).into())
    };
    text.lines().enumerate().map(record).collect()
}

/// The revision of the source as it is now. To be asked before measuring, which takes long enough for it to change.
pub(crate) fn revision() -> Result<String, Failure> {
    let git = |arguments: &[&str]| -> Result<String, Failure> {
        let output = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = !git(&["status", "--porcelain", "--", "../pipeline", "../Cargo.toml", "../Cargo.lock"])?.is_empty();
    Ok(if changed { format!("{revision}+") } else { revision })
}

fn machine() -> Machine {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown processor");
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0);
    Machine {
        processor: processor.trim_start_matches(['\t', ' ', ':']).to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_gib: kib.div_ceil(1024 * 1024),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(form: &str, cpu: f64) -> Record {
        let ratios = BTreeMap::from([("rival".to_owned(), Ratio { wall: 1.0, cpu })]);
        let machine = Machine { processor: "p".to_owned(), cores: 2, memory_gib: 8 };
        let sizes = vec![Size { rows: 1000, contestants: Vec::new(), ratios }];
        let date = jiff::civil::date(2025, 1, 1);
        Record { date, revision: "r".to_owned(), machine, form: form.to_owned(), rounds: 3, sizes }
    }

    #[test]
    fn a_check_compares_with_the_last_record_of_its_form() {
        let history = [record("short", 9.0), record("short", 4.0), record("long", 9.0)];
        assert!(record("short", 2.9).check(&history).is_ok());
        let failure = record("short", 2.7).check(&history).unwrap_err().to_string();
        assert_eq!(
            failure,
            "with 1000 rows rival takes 2.70 times our CPU time, where it took 4.00 times on 2025-01-01 (r)"
        );
        assert!(record("other", 9.0).check(&history).is_err());
    }

    #[test]
    fn what_is_recorded_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let history = folder.path().join("history.jsonl");
        assert!(read(&history).unwrap().is_empty());
        for cpu in [3.0, 4.0] {
            record("short", cpu).append(&history).unwrap();
        }
        let cpu: Vec<f64> = read(&history).unwrap().iter().map(|record| record.sizes[0].ratios["rival"].cpu).collect();
        assert_eq!(cpu, [3.0, 4.0]);
    }
}
