//! The crates `postgres` and `rust_xlsxwriter` in its constant memory mode: what a Rust program would do.
//!
//! Run with the database's address in `DATABASE_URL`, the query in `QUERY`, and the workbook's path as its only
//! argument.

use std::error::Error;

use chrono::{DateTime, NaiveDate, NaiveTime, Timelike, Utc};
use postgres::{Client, NoTls, fallible_iterator::FallibleIterator, types::Type};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use rust_xlsxwriter::{Format, Workbook};

/// Days from Excel's day 0 to 1970-01-01.
const UNIX_EPOCH: f64 = 25_569.0;

fn main() -> Result<(), Box<dyn Error>> {
    let path =
        std::env::args_os().nth(1).ok_or("usage: DATABASE_URL=... QUERY=... side-by-side-rust-xlsxwriter PATH")?;
    let mut client = Client::connect(&std::env::var("DATABASE_URL")?, NoTls)?;
    let query = client.prepare(&std::env::var("QUERY")?)?;

    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet_with_constant_memory()?.set_name("TicketingReport")?;
    let money = Format::new().set_num_format("#,##0.00");
    let date = Format::new().set_num_format("yyyy-mm-dd");
    let time = Format::new().set_num_format("hh:mm");
    let instant = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
    for (i, column) in (0..).zip(query.columns()) {
        sheet.write_string(0, i, column.name())?;
    }

    let types: Vec<Type> = query.columns().iter().map(|column| column.type_().clone()).collect();
    let mut rows = client.query_raw(&query, Vec::<i32>::new())?;
    let mut line = 0;
    while let Some(row) = rows.next()? {
        line += 1;
        for (i, (column, kind)) in (0..).zip(types.iter().enumerate()) {
            match *kind {
                Type::INT8 => {
                    if let Some(number) = row.try_get::<_, Option<i64>>(column)? {
                        sheet.write_number(line, i, number as f64)?;
                    }
                }
                Type::NUMERIC => {
                    if let Some(amount) = row.try_get::<_, Option<Decimal>>(column)?.and_then(|d| d.to_f64()) {
                        sheet.write_number_with_format(line, i, amount, &money)?;
                    }
                }
                Type::DATE => {
                    if let Some(day) = row.try_get::<_, Option<NaiveDate>>(column)? {
                        let days = (day - NaiveDate::default()).num_days() as f64;
                        sheet.write_number_with_format(line, i, days + UNIX_EPOCH, &date)?;
                    }
                }
                Type::TIME => {
                    if let Some(at) = row.try_get::<_, Option<NaiveTime>>(column)? {
                        let seconds = f64::from(at.num_seconds_from_midnight());
                        sheet.write_number_with_format(line, i, seconds / 86_400.0, &time)?;
                    }
                }
                Type::TIMESTAMPTZ => {
                    if let Some(at) = row.try_get::<_, Option<DateTime<Utc>>>(column)? {
                        let days = at.timestamp_millis() as f64 / 86_400_000.0;
                        sheet.write_number_with_format(line, i, days + UNIX_EPOCH, &instant)?;
                    }
                }
                _ => {
                    if let Some(text) = row.try_get::<_, Option<&str>>(column)? {
                        sheet.write_string(line, i, text)?;
                    }
                }
            }
        }
    }
    workbook.save(path)?;
    Ok(())
}
