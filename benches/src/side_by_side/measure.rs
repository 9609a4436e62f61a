//! One run of one contestant.

use std::{fs, path::Path, process::Command};

use benches::{Failure, report_rows::ReportRows};

use crate::{contestants, contestants::Contestant};

/// GNU time, which asks the system what a process and its children have taken.
const TIME: &str = "/usr/bin/time";

/// What a run took.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// Seconds of CPU time, user and system, without the database's.
    pub(crate) cpu: f64,
    /// Most resident memory.
    pub(crate) peak_mib: f64,
    /// Size of the workbook.
    pub(crate) file_mb: f64,
    /// What is wrong with the workbook, if anything is.
    pub(crate) wrong: Option<String>,
}

/// Runs a contestant as a process of its own.
pub(crate) fn run(contestant: &Contestant, rows: &ReportRows, workbook: &Path) -> Result<Run, Failure> {
    let figures = workbook.with_extension("time");
    let output = Command::new(TIME)
        .args(["--format=%e %U %S %M", "--output"])
        .arg(&figures)
        .args(contestant.command()?)
        .arg(workbook)
        .env("DATABASE_URL", rows.url())
        .env("QUERY", rows.query(contestant.reads_keys))
        .env("DUCKDB_EXTENSIONS", contestants::rivals().join("duckdb"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .map_err(|e| format!("`{TIME}` can't be run ({e}): run benches/prepare"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().next_back().unwrap_or("it says nothing");
        return Err(format!("{} failed: {last}", contestant.name).into());
    }
    let text = fs::read_to_string(figures)?;
    let numbers = text.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    let [wall, user, system, peak_kib] = numbers[..] else {
        return Err(format!("`{TIME}` says `{}`, which are no four numbers", text.trim()).into());
    };
    let file_mb = fs::metadata(workbook)?.len() as f64 / 1e6;
    Ok(Run { wall, cpu: user + system, peak_mib: peak_kib / 1024.0, file_mb, wrong: None })
}

/// The middle of some numbers; of an even number of them, the upper one of the two in the middle.
pub(crate) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0].into_iter()), 4.0);
    }
}
