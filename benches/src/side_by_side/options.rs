//! What may be asked for, and what it means.

use clap::Parser;

use crate::contestants::{ALL, Contestant};

/// The form that fills docs/side-by-side.md.
pub(crate) const LONG: &str = "long";

/// The form for every change.
const SHORT: &str = "short";

/// The sizes of the long form; the first is for all contestants, the second for those that stay usable.
const SIZES: [u64; 2] = [100_000, 1_000_000];

/// Times the report beside other ways to the same workbook.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Only the first size, and only beside the fastest rivals.
    #[arg(long)]
    short: bool,
    /// Rows of the workbook, instead of the form's own sizes.
    #[arg(long, value_parser = clap::value_parser!(u64).range(100..=1_048_575))]
    rows: Option<u64>,
    /// How often each is run; the medians count.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) rounds: u32,
    /// Record nothing, and fail when a ratio is far below the last recorded one of the same form.
    #[arg(long)]
    pub(crate) check: bool,
}

/// One size and who is measured at it.
pub(crate) struct Plan {
    pub(crate) rows: u64,
    pub(crate) contestants: Vec<&'static Contestant>,
}

impl Options {
    /// The name under which the history knows what is measured: runs of the same form can be compared.
    pub(crate) fn form(&self) -> String {
        let form = if self.short { SHORT } else { LONG };
        self.rows.map_or_else(|| form.to_owned(), |rows| format!("{form}, {rows} rows"))
    }

    pub(crate) fn plans(&self) -> Vec<Plan> {
        let sizes = match self.rows {
            Some(rows) => vec![rows],
            None if self.short => vec![SIZES[0]],
            None => SIZES.to_vec(),
        };
        let takes_part = |one: &Contestant, rows: u64| rows <= one.most_rows && (!self.short || one.in_short);
        let plan = |rows| Plan { rows, contestants: ALL.iter().filter(|one| takes_part(one, rows)).collect() };
        sizes.into_iter().map(plan).collect()
    }
}
