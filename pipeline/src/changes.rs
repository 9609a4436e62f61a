//! How the tickets of two editions differ: a merge of two sorted files, in flat memory.

use std::cmp::Ordering;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{Date32Type, Decimal128Type, Time64MicrosecondType},
    record_batch::RecordBatch,
    row::{RowConverter, Rows, SortField},
};

use crate::{
    columns::TICKETS,
    manifest::{ChangedNet, Changes, Money},
    snapshot::{SnapshotError, schema},
};

/// Counts the tickets added to, removed from and changed in `new` against `old`, the edition numbered `edition`. Both
/// come in the report's order. A ticket whose trip has moved to another day or time stands elsewhere in that order: it
/// counts as removed and added.
///
/// # Errors
/// When a file can't be read.
pub fn compare(
    edition: u32,
    old: impl Iterator<Item = Result<RecordBatch, SnapshotError>>,
    new: impl Iterator<Item = Result<RecordBatch, SnapshotError>>,
) -> Result<Changes, SnapshotError> {
    let mut changes = Changes { edition, ..Changes::default() };
    let (mut old, mut new) = (Tickets::new(old)?, Tickets::new(new)?);
    loop {
        let order = match (old.batch.is_some(), new.batch.is_some()) {
            (false, false) => return Ok(changes),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (true, true) => old.key().cmp(&new.key()),
        };
        let same = order.is_eq() && old.same_row(&new);
        match order {
            Ordering::Less => changes.removed += 1,
            Ordering::Greater => changes.added += 1,
            Ordering::Equal => changes.changed += u64::from(!same),
        }
        if order.is_le() {
            let (currency, amount) = old.net();
            let net = entry(&mut changes, currency);
            net.before.0 += amount;
            let total = if order.is_lt() { Some(&mut net.removed) } else { Some(&mut net.changed).filter(|_| !same) };
            if let Some(total) = total {
                total.rows += 1;
                total.amount.0 -= amount;
            }
        }
        if order.is_ge() {
            let (currency, amount) = new.net();
            let again = order.is_eq() && old.net().0 == currency;
            let net = entry(&mut changes, currency);
            net.after = Money(net.after.0 + amount);
            let total = if order.is_gt() { Some(&mut net.added) } else { Some(&mut net.changed).filter(|_| !same) };
            if let Some(total) = total {
                total.rows += u64::from(!again);
                total.amount.0 += amount;
            }
        }
        if order.is_le() {
            old.advance()?;
        }
        if order.is_ge() {
            new.advance()?;
        }
    }
}

fn entry<'a>(changes: &'a mut Changes, currency: &str) -> &'a mut ChangedNet {
    // Nearly every ticket is in a currency that has come before, for which no text need be made.
    if !changes.net.contains_key(currency) {
        changes.net.insert(currency.to_owned(), ChangedNet::default());
    }
    changes.net.get_mut(currency).expect("it has just been seen to be there")
}

struct Tickets<I> {
    batches: I,
    converter: RowConverter,
    batch: Option<(RecordBatch, Rows)>,
    row: usize,
    key: [usize; 3],
    /// Where currency, price and refund stand.
    money: [usize; 3],
}

/// A row's place in the report's order; what is missing comes last.
type Key<'a> = (bool, i32, bool, i64, &'a [u8]);

impl<I: Iterator<Item = Result<RecordBatch, SnapshotError>>> Tickets<I> {
    fn new(batches: I) -> Result<Self, SnapshotError> {
        let fields = schema(&TICKETS).fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let places = |names: [&str; 3]| names.map(|name| TICKETS.position(name).unwrap_or_default());
        let key = places(["service_date", "departure_time", "ticket_ref"]);
        let money = places(["ticket_currency", "ticket_price", "refunded_amount"]);
        let converter = RowConverter::new(fields).map_err(|e| unreadable(&e))?;
        let mut tickets = Self { batches, converter, batch: None, row: 0, key, money };
        tickets.next_batch()?;
        Ok(tickets)
    }

    fn next_batch(&mut self) -> Result<(), SnapshotError> {
        self.row = 0;
        self.batch = None;
        for batch in self.batches.by_ref() {
            let batch = batch?;
            if batch.num_rows() > 0 {
                let rows = self.converter.convert_columns(batch.columns()).map_err(|e| unreadable(&e))?;
                self.batch = Some((batch, rows));
                break;
            }
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<(), SnapshotError> {
        self.row += 1;
        if self.batch.as_ref().is_some_and(|(batch, _)| self.row == batch.num_rows()) {
            self.next_batch()
        } else {
            Ok(())
        }
    }

    fn key(&self) -> Key<'_> {
        let Some((batch, _)) = &self.batch else { return (true, 0, true, 0, &[]) };
        let [date, time, reference] = self.key.map(|column| batch.column(column));
        (
            date.is_null(self.row),
            date.as_primitive::<Date32Type>().value(self.row),
            time.is_null(self.row),
            time.as_primitive::<Time64MicrosecondType>().value(self.row),
            reference.as_string::<i32>().value(self.row).as_bytes(),
        )
    }

    /// The ticket's currency and net amount.
    fn net(&self) -> (&str, i128) {
        let Some((batch, _)) = &self.batch else { return ("", 0) };
        let [currency, price, refund] = self.money.map(|column| batch.column(column));
        let amount = |of: &ArrayRef| {
            let amounts = of.as_primitive::<Decimal128Type>();
            if amounts.is_valid(self.row) { amounts.value(self.row) } else { 0 }
        };
        (currency.as_string::<i32>().value(self.row), amount(price) - amount(refund))
    }

    fn same_row<J>(&self, other: &Tickets<J>) -> bool {
        match (&self.batch, &other.batch) {
            (Some((_, mine)), Some((_, theirs))) => mine.row(self.row).as_ref() == theirs.row(other.row).as_ref(),
            _ => false,
        }
    }
}

fn unreadable(error: &arrow::error::ArrowError) -> SnapshotError {
    SnapshotError::Damaged { table: TICKETS.name, reason: error.to_string() }
}
