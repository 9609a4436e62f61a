//! The manifest: what an edition is, what it holds and how it came about. What no manifest names doesn't exist.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    columns::EXCEPTIONS,
    locale::Locale,
    period::{PeriodId, ReportTimeZone},
    summary::{Compared, Summary},
};

/// An amount in minor units (cents), written as a decimal with two places, for example `"-12.05"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Money(pub i128);

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let minor = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", minor / 100, minor % 100)
    }
}

/// The text is no amount with two decimals.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no amount with two decimals")]
pub struct NotMoney(String);

impl TryFrom<String> for Money {
    type Error = NotMoney;

    fn try_from(text: String) -> Result<Self, NotMoney> {
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let minor = digits.split_once('.').and_then(|(whole, cents)| {
            let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            if cents.len() != 2 || !plain(whole) || !plain(cents) {
                return None;
            }
            whole.parse::<i128>().ok()?.checked_mul(100)?.checked_add(cents.parse().ok()?)
        });
        let sign = if text.starts_with('-') { -1 } else { 1 };
        minor.map(|minor| Self(sign * minor)).ok_or(NotMoney(text))
    }
}

impl From<Money> for String {
    fn from(money: Money) -> Self {
        money.to_string()
    }
}

/// Rows and money of one table in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Total {
    /// Number of rows.
    pub rows: u64,
    /// Sum of the table's amount column over them.
    pub amount: Money,
}

/// A table's totals by currency code; rows without a currency stand under the empty code.
pub type Totals = BTreeMap<String, Total>;

/// One Parquet file of an edition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFile {
    /// Number of rows.
    pub rows: u64,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Digest of the rows in their order, whatever the file's encoding, in hexadecimal.
    pub digest: String,
    /// Totals per currency, as read; a control compares them with the database's own sums in the same cut.
    #[serde(default)]
    pub totals: Totals,
}

/// The workbook of an edition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkbookFile {
    /// Its name on the store's root while this is the newest edition of that name.
    pub name: String,
    /// Its name on the store's root once a newer edition has taken the plain one.
    pub edition_name: String,
    /// How small its rows are made.
    pub compression: Compression,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// How small a workbook's rows are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "engine", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// By our own encoder, which knows what repeats in a row.
    #[default]
    Fast,
    /// By zlib's level 6: smaller, and several times slower.
    Small,
}

/// The moment whose committed data, and nothing else, an edition shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The database's clock when the cut was made.
    pub at: Timestamp,
    /// PostgreSQL's name for the exported snapshot; empty for other databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// How an edition's tickets differ from the previous edition's, by key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Changes {
    /// The edition compared with.
    pub edition: u32,
    /// Tickets that are new.
    pub added: u64,
    /// Tickets that are gone.
    pub removed: u64,
    /// Tickets that differ in any column.
    pub changed: u64,
    /// What they do to net sales, by currency code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub net: BTreeMap<String, ChangedNet>,
}

/// From one edition's net sales to the next one's: what is added, removed and changed explains the difference exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChangedNet {
    /// Net sales of the earlier edition.
    pub before: Money,
    /// Of the tickets that are new.
    pub added: Total,
    /// Of the tickets that are gone, below nought.
    pub removed: Total,
    /// The difference that tickets make which stand in both. One that has changed its currency counts in both.
    pub changed: Total,
    /// Net sales of this edition.
    pub after: Money,
}

/// What is seen to before an edition is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlName {
    /// Rows and amounts of each table are the database's own counts and sums in the same cut.
    DatabaseSums,
    /// The differences explain all of the reconciliation.
    Reconciliation,
    /// A month has at least half as many tickets as the median of the last six.
    RowCount,
}

/// One control and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Which one.
    pub name: ControlName,
    /// Whether it holds.
    pub passed: bool,
    /// What was found; where it doesn't hold, by how much.
    pub detail: String,
}

/// What the workbook's sheets are written with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Branding {
    /// The company's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// Its colour, as `RRGGBB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accent: Option<String>,
    /// Its logo, a PNG or JPEG file in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo: Option<String>,
}

impl Manifest {
    /// All Parquet files by the names of their tables, the exceptions among them.
    pub fn files(&self) -> impl Iterator<Item = (&str, &TableFile)> {
        let tables = self.tables.iter().map(|(name, file)| (name.as_str(), file));
        tables.chain(self.exceptions.as_ref().map(|file| (EXCEPTIONS.name, file)))
    }

    /// Bytes of its Parquet files and its workbook together.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files().map(|(_, file)| file.size).sum::<u64>() + self.workbook.size
    }

    /// The controls that don't hold.
    pub fn failed_controls(&self) -> impl Iterator<Item = &Control> {
        self.controls.iter().filter(|control| !control.passed)
    }
}

/// How a run went. Never part of the workbook, whose bytes must not depend on it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RunFigures {
    /// Seconds of wall time by stage.
    pub seconds: BTreeMap<String, f64>,
    /// Seconds of CPU time of the process, user and system, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// Greatest resident memory of the process in bytes, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
}

/// An edition: immutable, numbered, and complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The period's identity.
    pub period: PeriodId,
    /// The edition's number within the period; the first is 1.
    pub edition: u32,
    /// Whether the period wasn't over at the cut.
    pub provisional: bool,
    /// The report's time zone.
    pub time_zone: ReportTimeZone,
    /// The cut.
    pub cut: Cut,
    /// When the edition was made.
    pub created_at: Timestamp,
    /// [`crate::columns::SCHEMA_VERSION`] of the program that made it.
    pub schema_version: u32,
    /// Version of the program, with its git revision where that was known.
    pub program: String,
    /// The database, without its password.
    pub source: String,
    /// SHA-256 of the SQL that was run, in hexadecimal.
    pub sql_sha256: String,
    /// Digest over all tables' rows and the schema version: equal data, equal digest.
    pub digest: String,
    /// Number of tickets.
    pub rows: u64,
    /// The Parquet files by table.
    pub tables: BTreeMap<String, TableFile>,
    /// The workbook.
    pub workbook: WorkbookFile,
    /// Whatever a reader of the numbers should know.
    pub warnings: Vec<String>,
    /// How the tickets differ from the previous edition's; empty for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    /// What the summary sheets say; empty in editions made before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// The table of exceptions, which follows from the snapshot's tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceptions: Option<TableFile>,
    /// The periods with which this one is compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<Compared>,
    /// What was seen to before it was published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<Control>,
    /// The language of the workbook's sheets.
    #[serde(default)]
    pub locale: Locale,
    /// Whose workbook it is.
    #[serde(default)]
    pub branding: Branding,
    /// How the run went.
    pub run: RunFigures,
}

/// An edition that retention has taken out of the lists: its files stay a while for whoever is reading them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retired {
    /// Since when.
    pub since: Timestamp,
    /// Its manifest.
    pub manifest: Manifest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_and_read_to_the_cent() {
        for (minor, text) in [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (123_456, "1234.56"), (-100, "-1.00")] {
            assert_eq!(Money(minor).to_string(), text);
            assert_eq!(Money::try_from(text.to_owned()).unwrap(), Money(minor));
        }
        for wrong in ["", "1", "1.5", "1.500", "--1.00", "1.-5", "+1.00", "NaN", ".00"] {
            assert!(Money::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
