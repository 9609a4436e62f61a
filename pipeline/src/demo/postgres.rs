//! The demo in a PostgreSQL database.

use std::io::Write;

use jiff::civil::{Date, date};
use postgres::{Client, CopyInWriter, Transaction};

use super::{
    DemoError, DemoOptions, DemoSummary,
    calendar::{MINUTE, Micros},
    flyway::{POSTGRES_HISTORY, POSTGRES_KEYS, POSTGRES_TABLES, history},
    sales::Business,
    tables::{Cell, Store, TABLES, Table, Writer, fill},
};

/// PostgreSQL counts days and microseconds from here.
const EPOCH: Date = date(2000, 1, 1);

/// The same in microseconds since 1970-01-01 UTC.
const EPOCH_MICROS: Micros = 946_684_800_000_000;

/// Rows are sent in pieces of about this size.
const PIECE: usize = 256 * 1024;

/// Makes the demo in a database whose schema `public` has no table yet. All of it appears at once or not at all.
///
/// `progress` is told the table and the number of its rows so far, every 10,000 rows and at the table's end.
///
/// # Errors
/// When the options are out of bounds, the database has tables, or it can't be written.
pub fn into_postgres(
    client: &mut Client,
    options: &DemoOptions,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<DemoSummary, DemoError> {
    let options = options.validated(false)?;
    let business = Business::new(&options)?;

    let mut transaction = client.transaction()?;
    transaction.batch_execute("set local search_path to public; set local maintenance_work_mem to '256MB'")?;
    refuse_tables(&mut transaction)?;
    transaction.batch_execute(POSTGRES_TABLES.sql)?;
    let summary = fill(&business, &mut Database(&mut transaction), progress)?;
    for migration in &POSTGRES_KEYS {
        transaction.batch_execute(migration.sql)?;
    }
    write_history(&mut transaction, &options)?;
    for table in &TABLES {
        transaction.batch_execute(&format!("analyze {}", table.name))?;
    }
    transaction.commit()?;
    Ok(summary)
}

fn refuse_tables(transaction: &mut Transaction<'_>) -> Result<(), DemoError> {
    let found = transaction.query_opt(
        "select relname::text from pg_class
         where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
         order by 1 limit 1",
        &[],
    )?;
    match found {
        Some(row) => Err(DemoError::NotEmpty { table: row.try_get(0)? }),
        None => Ok(()),
    }
}

fn write_history(transaction: &mut Transaction<'_>, options: &DemoOptions) -> Result<(), postgres::Error> {
    transaction.batch_execute(POSTGRES_HISTORY)?;
    let migrations = std::iter::once(&POSTGRES_TABLES).chain(&POSTGRES_KEYS);
    for row in history(migrations, options.first_month) {
        transaction.execute(
            "insert into flyway_schema_history
             values ($1, $2, $3, 'SQL', $4, $5, current_user, $6::text::timestamp, 0, true)",
            &[&row.rank, &row.version, &row.description, &row.script, &row.checksum, &row.installed_on],
        )?;
    }
    Ok(())
}

struct Database<'d, 't>(&'d mut Transaction<'t>);

impl Store for Database<'_, '_> {
    fn load(
        &mut self,
        table: &Table,
        rows: &mut dyn FnMut(&mut Writer<'_>) -> Result<(), DemoError>,
    ) -> Result<(), DemoError> {
        // Frozen rows need no vacuum before they can be read from an index alone; allowed, as this very transaction
        // made the table.
        let columns = table.columns.join(", ");
        let copy = format!("copy {} ({columns}) from stdin with (format binary, freeze)", table.name);
        let mut stream = self.0.copy_in(&copy)?;

        let mut piece = Vec::with_capacity(PIECE * 2);
        piece.extend_from_slice(b"PGCOPY\n\xff\r\n\0");
        piece.extend_from_slice(&[0; 8]);
        rows(&mut |cells| {
            put_row(&mut piece, cells);
            if piece.len() >= PIECE { send(&mut stream, &mut piece) } else { Ok(()) }
        })?;
        piece.extend_from_slice(&(-1_i16).to_be_bytes());
        send(&mut stream, &mut piece)?;
        stream.finish()?;
        Ok(())
    }
}

fn send(stream: &mut CopyInWriter<'_>, piece: &mut Vec<u8>) -> Result<(), DemoError> {
    stream.write_all(piece).and_then(|()| stream.flush()).map_err(DemoError::Stream)?;
    piece.clear();
    Ok(())
}

/// Appends a row in the binary format of COPY: the number of its fields, then each field's length and bytes.
fn put_row(row: &mut Vec<u8>, cells: &[Cell<'_>]) {
    let count = i16::try_from(cells.len()).unwrap_or_else(|_| unreachable!("a table has a dozen columns"));
    row.extend_from_slice(&count.to_be_bytes());
    for cell in cells {
        let length_at = row.len();
        row.extend_from_slice(&(-1_i32).to_be_bytes());
        if matches!(cell, Cell::Null) {
            continue;
        }
        put_cell(row, *cell);
        let length = row.len() - length_at - 4;
        let length = i32::try_from(length).unwrap_or_else(|_| unreachable!("no text of a demo has a gigabyte"));
        row[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    }
}

fn put_cell(row: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Null => {}
        Cell::Id(id) => row.extend_from_slice(id.as_bytes()),
        Cell::Text(text) => row.extend_from_slice(text.as_bytes()),
        Cell::Whole(number) => row.extend_from_slice(&number.to_be_bytes()),
        Cell::Cents(cents) => put_numeric(row, cents * 100, 1, 2),
        Cell::Degrees(millionths) => put_numeric(row, i64::from(millionths) * 100, 2, 6),
        Cell::Instant(micros) => row.extend_from_slice(&(micros - EPOCH_MICROS).to_be_bytes()),
        Cell::Date(date) => {
            let days = date.duration_since(EPOCH).as_hours() / 24;
            let days = i32::try_from(days).unwrap_or_else(|_| unreachable!("jiff's dates fit in 32 bits of days"));
            row.extend_from_slice(&days.to_be_bytes());
        }
        Cell::Minutes(minutes) => row.extend_from_slice(&(i64::from(minutes) * MINUTE).to_be_bytes()),
        Cell::Flag(flag) => row.push(flag.into()),
    }
}

/// Appends a `numeric`: PostgreSQL sends it as digits to the base of 10,000. `scaled` has four decimal places for each
/// of its `fractional` digits behind the point; `scale` of the places are shown.
fn put_numeric(row: &mut Vec<u8>, scaled: i64, fractional: i16, scale: i16) {
    const NEGATIVE: i16 = 0x4000;
    let mut digits = [0_i16; 5];
    let mut count: i16 = 0;
    let mut left = scaled.unsigned_abs();
    for digit in digits.iter_mut().rev() {
        *digit = i16::try_from(left % 10_000).unwrap_or_else(|_| unreachable!("a digit is below 10,000"));
        left /= 10_000;
        count += 1;
        if left == 0 {
            break;
        }
    }
    let sign = if scaled < 0 { NEGATIVE } else { 0 };
    for part in [count, count - 1 - fractional, sign, scale] {
        row.extend_from_slice(&part.to_be_bytes());
    }
    for digit in &digits[digits.len() - usize::from(count.unsigned_abs())..] {
        row.extend_from_slice(&digit.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(scaled: i64, fractional: i16, scale: i16) -> Vec<i16> {
        let mut bytes = Vec::new();
        put_numeric(&mut bytes, scaled, fractional, scale);
        bytes.chunks(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn amounts_become_digits_to_the_base_of_ten_thousand() {
        // Count, weight of the first, sign, places shown, digits.
        assert_eq!(numeric(12_345_678 * 100, 1, 2), [3, 1, 0, 2, 12, 3456, 7800]);
        assert_eq!(numeric(5 * 100, 1, 2), [1, -1, 0, 2, 500]);
        assert_eq!(numeric(-125_278 * 100, 2, 6), [2, -1, 0x4000, 6, 1252, 7800]);
        assert_eq!(numeric(0, 1, 2), [1, -1, 0, 2, 0]);
    }

    #[test]
    fn the_epochs_agree() {
        assert_eq!(EPOCH.duration_since(date(1970, 1, 1)).as_secs() * 1_000_000, EPOCH_MICROS);
    }
}
