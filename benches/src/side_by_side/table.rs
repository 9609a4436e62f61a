//! The figures as Markdown.

use std::fmt::Write as _;

use crate::{
    contestants::title,
    record::{Record, Size},
};

/// The whole record.
pub(crate) fn markdown(record: &Record) -> String {
    let machine = &record.machine;
    let mut text = format!(
        "Measured on {} at revision {} on {} cores ({}) with {} GiB, shared with the database; medians of {} rounds.\n",
        record.date, record.revision, machine.cores, machine.processor, machine.memory_gib, record.rounds
    );
    for size in &record.sizes {
        text.push_str(&section(size));
    }
    text
}

fn section(size: &Size) -> String {
    let mut text = format!(
        "\n## {} rows\n\n\
         | | CPU s | × ours | wall s | × ours | peak MiB | rows/s | file MB | right |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        thousands(size.rows)
    );
    for one in &size.contestants {
        let ratio = size.ratios.get(&one.name);
        let times = |ratio: Option<f64>| ratio.map_or_else(|| "1".to_owned(), |ratio| format!("{ratio:.1}"));
        // Writing into a string can't fail.
        let _ = writeln!(
            text,
            "| {} | {:.2} | {} | {:.2} | {} | {:.0} | {} | {:.1} | {} |",
            title(&one.name),
            one.cpu_seconds,
            times(ratio.map(|ratio| ratio.cpu)),
            one.wall_seconds,
            times(ratio.map(|ratio| ratio.wall)),
            one.peak_mib,
            thousands(one.rows_per_second as u64),
            one.file_mb,
            one.wrong.as_deref().map_or_else(|| "yes".to_owned(), |wrong| format!("no: {wrong}")),
        );
    }
    text
}

/// How many times what we take each takes, in one table for all sizes.
pub(crate) fn short(record: &Record) -> String {
    let mut text = "| |".to_owned();
    for size in &record.sizes {
        // Writing into a string can't fail.
        let _ = write!(text, " {0} rows: CPU | wall | peak MiB |", thousands(size.rows));
    }
    text.push_str("\n| --- |");
    text.push_str(&" --- | --- | --- |".repeat(record.sizes.len()));
    let all = record.sizes.first().map(|size| &size.contestants[..]).unwrap_or_default();
    for one in all {
        let _ = write!(text, "\n| {} |", title(&one.name));
        for size in &record.sizes {
            let figures = size.contestants.iter().find(|other| other.name == one.name);
            let _ = match (figures, size.ratios.get(&one.name)) {
                (None, _) => write!(text, " | | |"),
                (Some(its), Some(ratio)) => {
                    write!(text, " {:.1} × | {:.1} × | {:.0} |", ratio.cpu, ratio.wall, its.peak_mib)
                }
                (Some(ours), None) => {
                    write!(text, " {:.2} s | {:.2} s | {:.0} |", ours.cpu_seconds, ours.wall_seconds, ours.peak_mib)
                }
            };
        }
    }
    text.push('\n');
    text
}

/// A number with commas.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8_lossy(&groups.join(&b","[..])).into_owned()
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn thousands_are_separated() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_048_575, "1,048,575")] {
            assert_eq!(thousands(number), text);
        }
    }
}
