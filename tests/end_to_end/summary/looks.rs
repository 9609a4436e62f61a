//! Languages, branding, earlier periods, and what doesn't fit on a sheet.

use std::{collections::BTreeMap, fs};

use arrow::record_batch::RecordBatch;
use calamine::{Data, Reader};
use pipeline::{
    columns::EXCEPTIONS,
    locale::Locale,
    summary::{
        Relation, Summary,
        terms::{REASONS, TERMS},
    },
    workbook::{self, Batches, Exceptions, Facts, LISTED_EXCEPTIONS, Layout, SUMMARY_SHEETS},
};
use tests::{
    cells::{Cell, batch},
    database::{Database, Kind, MEDIUM},
    sheet, tools,
    workplace::Workplace,
};

use super::{cents, row_after, rows_of};
use crate::constructed;

/// A PNG file of one pixel.
const PIXEL: &[u8] = include_bytes!("pixel.png");

#[test]
fn figures_stand_beside_those_of_earlier_periods() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &MEDIUM));
    work.succeed(&database, &["--period", "2024-12", "--store", "reports"]);
    work.succeed(&database, &["--period", "2025-01", "--store", "reports"]);
    let [before, now] = ["2024-12", "2025-01"].map(|month| work.store().edition(month, 1));
    assert_eq!(now.compared.len(), 1);
    let compared = &now.compared[0];
    assert_eq!((compared.relation, compared.period, compared.edition), (Relation::Previous, before.period, 1));
    let [earlier, later] = [&before, &now].map(|m| m.summary.as_ref().unwrap().currencies["EUR"].sales.net().0);
    assert_eq!(compared.currencies["EUR"].sales.net().0, earlier);
    let summary = rows_of(&work, &now, "Summary");
    let net = row_after(&summary, "EUR", "Net sales");
    assert_eq!([cents(&net[1]), cents(&net[2]), cents(&net[3])], [later, earlier, later - earlier]);
    assert_eq!(net[4], Data::String("not available".to_owned()), "of the year before there is nothing");
    // December has 31 days as January has: all of it stands beside January's days.
    let days = rows_of(&work, &now, "By day");
    assert_eq!(cents(&row_after(&days, "EUR", "Total")[7]), earlier);
}

#[test]
fn sheets_speak_german_and_show_whose_they_are() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &MEDIUM));
    fs::write(work.file("logo.png"), PIXEL).unwrap();
    let brand = ["--locale", "de", "--company", "Bahn & Söhne", "--accent", "#ffcc00", "--logo", "logo.png"];
    work.succeed(&database, &[&["--period", "2025-01", "--store", "reports"][..], &brand].concat());
    let manifest = work.store().manifest();
    assert_eq!(manifest.locale, Locale::De);
    let mut workbook = sheet::open(&work.store().workbook(&manifest));
    assert_eq!(workbook.sheet_names()[1..12], SUMMARY_SHEETS, "sheets' names are never translated");
    let (header, _) = sheet::rows(&mut workbook, "TicketingReport");
    assert_eq!(header[0], "ticket_ref", "nor are the tickets' columns");
    let summary = rows_of(&work, &manifest, "Summary");
    assert_eq!(summary[0][0], Data::String("Zusammenfassung".to_owned()));
    assert!(summary[1][0].to_string().starts_with("Bahn & Söhne"));
    let gross = row_after(&summary, "EUR", &Locale::De.name("gross"));
    assert_eq!(cents(&gross[1]), manifest.summary.as_ref().unwrap().currencies["EUR"].sales.gross.0);
    tools::validate_open_xml(&work.store().workbook(&manifest));

    // Another run of the same edition gives the same bytes, without the logo's file.
    fs::remove_file(work.file("logo.png")).unwrap();
    work.command(&["render", "2025-01", "--output", "again.xlsx", "--store", "reports"]).finish().succeeded();
    assert_eq!(fs::read(work.file("again.xlsx")).unwrap(), fs::read(work.store().workbook(&manifest)).unwrap());

    let ended = work.with(&database, &["--quiet", "--period", "2025-01", "--logo", "logo.png"]).finish();
    let message = ended.failed(78);
    assert!(message.contains("`logo.png`") && message.contains("PNG or JPEG"), "{message}");
    let ended = work.with(&database, &["--quiet", "--period", "2025-01", "--accent", "yellow"]).finish();
    assert!(ended.failed(78).contains("`yellow`"));
}

/// What makes LibreOffice calculate all formulas anew when it reads a workbook.
const ALWAYS_CALCULATE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load"><prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop></item>
</oor:items>"#;

#[test]
fn formulas_come_to_what_is_stored_with_them() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &MEDIUM));
    work.succeed(&database, &["--period", "2024-12", "--store", "reports"]);
    for locale in ["en", "de"] {
        work.succeed(&database, &["--period", "2025-01", "--store", "reports", "--force", "--locale", locale]);
        let manifest = work.store().manifests().pop().unwrap();
        let path = work.store().workbook(&manifest);
        let folder = tempfile::tempdir().unwrap();
        let profile = folder.path().join("profile/user");
        fs::create_dir_all(&profile).unwrap();
        fs::write(profile.join("registrymodifications.xcu"), ALWAYS_CALCULATE).unwrap();
        let calculated = tools::convert_in_libreoffice(&path, "xlsx:Calc MS Excel 2007 XML", folder.path());
        let (mut stored, mut calculated) = (sheet::open(&path), sheet::open(&calculated));
        let mut formulas = 0;
        for name in SUMMARY_SHEETS {
            let places = stored.worksheet_formula(name).unwrap();
            let start = places.start().unwrap_or_default();
            let [ours, theirs] = [&mut stored, &mut calculated].map(|book| book.worksheet_range(name).unwrap());
            for (row, column, _) in places.used_cells() {
                let at = (start.0 + u32::try_from(row).unwrap(), start.1 + u32::try_from(column).unwrap());
                let [ours, theirs] = [&ours, &theirs].map(|range| range.get_value(at).cloned().unwrap_or_default());
                let same = match (&ours, &theirs) {
                    (Data::Float(ours), Data::Float(theirs)) => (ours - theirs).abs() < 1e-6,
                    (ours, theirs) => ours == theirs,
                };
                assert!(same, "{locale} {name} {at:?}: {ours:?} is stored, LibreOffice makes it {theirs:?}");
                formulas += 1;
            }
        }
        assert!(formulas > 100, "{formulas} formulas");
    }
}

#[test]
fn every_column_of_every_table_is_in_the_dictionary() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &MEDIUM));
    work.succeed(&database, &["--period", "2024-12", "--store", "reports"]);
    work.succeed(&database, &["--period", "2025-01", "--store", "reports"]);
    let manifest = work.store().edition("2025-01", 1);
    let explained = rows_of(&work, &manifest, "Data dictionary");
    let explained = |sheet: &str, column: &str| {
        let named = |row: &&Vec<Data>| row[..2] == [Data::String(sheet.to_owned()), Data::String(column.to_owned())];
        explained.iter().find(named).is_some_and(|row| !row[2].to_string().is_empty())
    };
    let mut workbook = sheet::open(&work.store().workbook(&manifest));
    workbook.load_tables().unwrap();
    let mut tables = 0;
    for sheet in workbook.sheet_names() {
        for table in workbook.table_names_in_sheet(&sheet).into_iter().cloned().collect::<Vec<_>>() {
            for column in workbook.table_by_name(&table).unwrap().columns() {
                assert!(explained(&sheet, column), "{sheet}: {column}");
            }
            tables += 1;
        }
    }
    assert!(tables > 25, "{tables} tables");
    let (header, _) = sheet::rows(&mut workbook, "TicketingReport");
    assert!(header.iter().all(|column| explained("TicketingReport", column)));
}

/// As many exceptions in batches of a thousand.
fn exceptions(count: usize) -> Vec<RecordBatch> {
    let row = |i: usize| -> Vec<Cell> {
        let values = EXCEPTIONS.columns.iter().map(|column| match column.name {
            "reason" if i.is_multiple_of(2) => Cell::Text("underpaid".to_owned()),
            "reason" => Cell::Text("overpaid".to_owned()),
            "step" => Cell::Text("received".to_owned()),
            "booking_ref" => Cell::Text(format!("BK{i}")),
            "amount" => Cell::Money(-1),
            "currency" => Cell::Text("EUR".to_owned()),
            _ => Cell::Null,
        });
        values.collect()
    };
    let batches = (0..count.div_ceil(1000)).map(|nth| {
        let rows: Vec<_> = (nth * 1000..count.min((nth + 1) * 1000)).map(row).collect();
        batch(&EXCEPTIONS, &rows)
    });
    batches.collect()
}

#[test]
fn more_exceptions_than_a_sheet_lists_are_told_with_the_file_that_has_all() {
    let all = LISTED_EXCEPTIONS + 1_500;
    let batches = exceptions(all);
    let open = move || -> Result<Batches, String> { Ok(Box::new(batches.clone().into_iter().map(Ok))) };
    let mut manifest = constructed::manifest(0);
    let counts = BTreeMap::from([("overpaid".to_owned(), all as u64 / 2), ("underpaid".to_owned(), all as u64 / 2)]);
    manifest.summary = Some(Summary { exceptions: counts, ..Summary::default() });
    let facts = Facts { manifest: manifest.clone(), exceptions: Exceptions::new(open).unwrap() };
    let mut bytes = Vec::new();
    workbook::write(&mut bytes, &Layout::of(&manifest).unwrap(), 1, [], |_| Some(facts)).unwrap();
    let mut workbook = sheet::open_bytes(&bytes);
    workbook.load_tables().unwrap();
    let table = workbook.table_by_name("Exceptions").unwrap();
    let rows: Vec<Vec<String>> = table.data().rows().map(|row| row.iter().map(ToString::to_string).collect()).collect();
    assert_eq!(rows.len(), LISTED_EXCEPTIONS);
    // By reason, those of the same in the order of the file.
    let (even, odd): (Vec<usize>, Vec<usize>) = (0..LISTED_EXCEPTIONS).partition(|i| i.is_multiple_of(2));
    let expected: Vec<String> = even.into_iter().chain(odd).map(|i| format!("BK{i}")).collect();
    assert!(rows.iter().map(|row| &row[2]).eq(&expected), "{:?} {:?}", &rows[..3], &rows[LISTED_EXCEPTIONS - 3..]);

    let range = workbook.worksheet_range("Exceptions").unwrap();
    let told = range.rows().flatten().find(|cell| cell.to_string().contains("editions/2025-01/1/exceptions.parquet"));
    assert!(told.is_some_and(|told| told.to_string().starts_with("1500 more of 101500 exceptions")), "{told:?}");
    // The totals stand right below the last one.
    let last = range.rows().next_back().unwrap();
    assert_eq!(last[0].to_string(), LISTED_EXCEPTIONS.to_string());
}

#[test]
fn headers_of_bookings_amounts_warn_against_adding_them_up() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &MEDIUM));
    work.succeed(&database, &["--period", "2025-01"]);
    let folder = tempfile::tempdir().unwrap();
    let workbook = work.store().workbook(&work.store().manifest());
    tools::run(std::process::Command::new("unzip").arg("-q").arg(&workbook).arg("-d").arg(folder.path()));
    let notes = fs::read_to_string(folder.path().join("xl/comments1.xml")).unwrap();
    assert_eq!(notes.matches("counts a booking with three tickets three times").count(), 2);
    // The summary is what is open at first.
    let book = fs::read_to_string(folder.path().join("xl/workbook.xml")).unwrap();
    assert!(book.contains("activeTab=\"1\""), "{book}");
    let charts = fs::read_dir(folder.path().join("xl/charts")).unwrap().count();
    assert_eq!(charts, 4);
    let drawing = fs::read_to_string(folder.path().join("xl/drawings/drawing1.xml")).unwrap();
    assert_eq!(drawing.matches(" descr=\"").count(), 4, "every chart has an alternative text");
}

#[test]
fn the_documents_define_what_the_code_does() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/definitions.md")).unwrap();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = words(&page);
    for term in TERMS.iter().chain(&REASONS) {
        let line = words(&format!("- **{}**: {}", term.name, term.meaning));
        assert!(page.contains(&line), "docs/definitions.md lacks: {line}");
    }
}
