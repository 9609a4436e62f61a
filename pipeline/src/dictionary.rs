//! The data dictionary: what every table and column of a snapshot means, as a file beside the data.

use std::fmt::Write as _;

use crate::columns::{EXCEPTIONS, SCHEMA_VERSION, TABLES};

/// The dictionary as Markdown. It follows from the tables of columns alone: the same program, the same text.
#[must_use]
pub fn dictionary() -> String {
    let mut text = format!(
        "# What the tables hold\n\nSchema version {SCHEMA_VERSION}. Each table lies under `snapshots/<table>/` with one \
         file for each month, the newest edition's, and under `editions/<period>/<number>/<table>.parquet` for every \
         edition. The folder's `month` is text, for example `2025-11`. Amounts are exact decimals in the currency that \
         stands beside them; amounts in different currencies are never added together. Instants are UTC. A value may be \
         missing unless its column is always there. A version only adds columns after those that were there.\n",
    );
    for table in TABLES.into_iter().chain([&EXCEPTIONS]) {
        let _ = write!(
            text,
            "\n## {}\n\nA row is {}.\n\n| column | type | meaning |\n| --- | --- | --- |\n",
            table.name, table.row
        );
        for column in table.columns {
            let always = if column.always { ", always there" } else { "" };
            let _ = writeln!(text, "| {} | {}{always} | {} |", column.name, column.kind.name(), column.meaning);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_every_table_stands_in_the_dictionary_and_breaks_no_row() {
        let text = dictionary();
        let columns: usize = TABLES.into_iter().chain([&EXCEPTIONS]).map(|table| table.columns.len()).sum();
        let rows = text
            .lines()
            .filter(|line| line.starts_with("| ") && !line.starts_with("| column") && !line.starts_with("| ---"));
        let cells: Vec<usize> = rows.map(|row| row.matches(" | ").count()).collect();
        assert_eq!(cells.len(), columns);
        assert!(cells.iter().all(|&cells| cells == 2), "{text}");
    }
}
