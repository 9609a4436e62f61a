//! Editions made by hand, for what would take a database too long.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pipeline::{
    locale::Locale,
    manifest::{Branding, Compression, Cut, Manifest, RunFigures, WorkbookFile},
    period::ReportTimeZone,
};

/// The manifest of an edition of January 2025 with so many tickets.
pub(crate) fn manifest(rows: u64) -> Manifest {
    let cut: Timestamp = "2025-02-03T04:05:06.789Z".parse().unwrap();
    Manifest {
        period: "2025-01".parse().unwrap(),
        edition: 1,
        provisional: false,
        time_zone: ReportTimeZone::utc(),
        cut: Cut { at: cut, snapshot: None },
        created_at: cut,
        schema_version: 1,
        program: "the test".to_owned(),
        source: "no database".to_owned(),
        sql_sha256: String::new(),
        digest: String::new(),
        rows,
        tables: BTreeMap::new(),
        workbook: WorkbookFile {
            name: "ticketing-report-2025-01.xlsx".to_owned(),
            edition_name: "ticketing-report-2025-01-edition-1.xlsx".to_owned(),
            compression: Compression::Fast,
            size: 0,
            sha256: String::new(),
        },
        warnings: Vec::new(),
        changes: None,
        summary: None,
        exceptions: None,
        compared: Vec::new(),
        controls: Vec::new(),
        locale: Locale::default(),
        branding: Branding::default(),
        run: RunFigures::default(),
    }
}
