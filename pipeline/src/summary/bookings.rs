//! Bookings and their payments and refunds: two files in the same order, met booking by booking, and what doesn't agree.

use std::{cmp::Ordering, collections::BTreeMap};

use arrow::{
    array::{Array, AsArray},
    datatypes::{Decimal128Type, Int64Type, TimestampMicrosecondType},
    record_batch::RecordBatch,
};

use super::{
    AGES, BookingFigures, PaymentLine, Unpaid,
    exceptions::{Days, Exception, Exceptions},
    judge::{Booking, Stage},
};
use crate::{
    columns::{BOOKINGS, PAYMENTS, REFUNDS, Table},
    manifest::{Money, Total},
    snapshot::SnapshotError,
};

/// Two payments of the same amount and method within so many microseconds are the same payment twice.
const TWICE_WITHIN: i64 = 10 * 60 * 1_000_000;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum SummaryError {
    /// A table can't be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Arrow or the file of exceptions fails, or the tables contradict each other.
    #[error("the summary can't be made: {0}")]
    Failed(String),
}

impl From<String> for SummaryError {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

/// A payment's method and its status.
type MethodAndStatus = (Option<String>, Option<String>);

/// What a currency's bookings, payments and refunds come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BookingSums {
    /// The bookings.
    pub figures: BookingFigures,
    /// Of the bookings those that are confirmed, and those for which something was received.
    pub due_and_received: (u64, u64),
    /// By method and status: first payments, and retries.
    pub payments: BTreeMap<MethodAndStatus, (Total, Total)>,
    /// All refunds.
    pub refunds: Total,
    /// What is outstanding, by age.
    pub unpaid: [Unpaid; 5],
}

/// A column of a batch by its name.
fn column<'a>(table: &Table, batch: &'a RecordBatch, name: &str) -> &'a dyn Array {
    batch.column(table.position(name).unwrap_or_default())
}

/// Texts, amounts and the like of one row of a batch.
#[derive(Clone, Copy)]
struct Row<'a> {
    table: &'static Table,
    batch: &'a RecordBatch,
    row: usize,
}

impl<'a> Row<'a> {
    fn text(self, name: &str) -> Option<&'a str> {
        let texts = column(self.table, self.batch, name).as_string::<i32>();
        texts.is_valid(self.row).then(|| texts.value(self.row))
    }

    fn owned(self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    fn money(self, name: &str) -> i128 {
        let amounts = column(self.table, self.batch, name).as_primitive::<Decimal128Type>();
        if amounts.is_valid(self.row) { amounts.value(self.row) } else { 0 }
    }

    fn integer(self, name: &str) -> i64 {
        let numbers = column(self.table, self.batch, name).as_primitive::<Int64Type>();
        if numbers.is_valid(self.row) { numbers.value(self.row) } else { 0 }
    }

    fn instant(self, name: &str) -> Option<i64> {
        let instants = column(self.table, self.batch, name).as_primitive::<TimestampMicrosecondType>();
        instants.is_valid(self.row).then(|| instants.value(self.row))
    }
}

/// One payment of a booking.
struct Payment {
    key: String,
    amount: i128,
    currency: String,
    method: Option<String>,
    status: Option<String>,
    created_at: i64,
    /// When it was paid, or else begun.
    at: i64,
}

impl Payment {
    fn was_received(&self) -> bool {
        matches!(self.status.as_deref(), Some("completed" | "refunded"))
    }
}

/// Payments in the order of their bookings.
struct Payments<I> {
    batches: I,
    batch: Option<RecordBatch>,
    row: usize,
}

impl<I: Iterator<Item = Result<RecordBatch, SnapshotError>>> Payments<I> {
    /// The payments of a booking that comes after all that were asked for before.
    fn of(&mut self, booking: &str) -> Result<Vec<Payment>, SummaryError> {
        let mut found = Vec::new();
        loop {
            if self.batch.as_ref().is_none_or(|batch| self.row == batch.num_rows()) {
                self.row = 0;
                self.batch = self.batches.next().transpose()?;
            }
            let Some(batch) = &self.batch else { return Ok(found) };
            if batch.num_rows() == 0 {
                continue;
            }
            let row = Row { table: &PAYMENTS, batch, row: self.row };
            match row.text("booking_id").unwrap_or_default().cmp(booking) {
                Ordering::Greater => return Ok(found),
                Ordering::Less => {
                    let key = row.text("payment_id").unwrap_or_default();
                    return Err(SummaryError::Failed(format!("payment `{key}` belongs to none of the bookings")));
                }
                Ordering::Equal => {
                    let created_at = row.instant("created_at").unwrap_or_default();
                    found.push(Payment {
                        key: row.owned("payment_id").unwrap_or_default(),
                        amount: row.money("amount"),
                        currency: row.owned("currency").unwrap_or_default(),
                        method: row.owned("method"),
                        status: row.owned("status"),
                        created_at,
                        at: row.instant("paid_at").unwrap_or(created_at),
                    });
                    self.row += 1;
                }
            }
        }
    }
}

/// Sums up bookings with their payments, and refunds; whatever doesn't agree goes to `exceptions`.
///
/// # Errors
/// When a table can't be read, or the exceptions can't be written.
pub fn sum_up(
    bookings: impl Iterator<Item = Result<RecordBatch, SnapshotError>>,
    payments: impl Iterator<Item = Result<RecordBatch, SnapshotError>>,
    refunds: impl Iterator<Item = Result<RecordBatch, SnapshotError>>,
    days: &Days,
    exceptions: &mut Exceptions<'_>,
) -> Result<BTreeMap<String, BookingSums>, SummaryError> {
    let mut sums: BTreeMap<String, BookingSums> = BTreeMap::new();
    let mut payments = Payments { batches: payments, batch: None, row: 0 };
    for batch in bookings {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            let row = Row { table: &BOOKINGS, batch: &batch, row };
            let its_payments = payments.of(row.text("booking_id").unwrap_or_default())?;
            add_booking(&mut sums, row, its_payments, days, exceptions)?;
        }
    }
    for batch in refunds {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            add_refund(&mut sums, Row { table: &REFUNDS, batch: &batch, row }, days, exceptions)?;
        }
    }
    Ok(sums)
}

fn add_booking(
    sums: &mut BTreeMap<String, BookingSums>,
    row: Row<'_>,
    mut payments: Vec<Payment>,
    days: &Days,
    exceptions: &mut Exceptions<'_>,
) -> Result<(), SummaryError> {
    let currency = row.text("currency").unwrap_or_default();
    let exception = |reason, stage, amount, currency: &str, since: Option<i64>| Exception {
        reason,
        stage,
        booking: row.owned("booking_ref"),
        ticket: None,
        amount,
        currency: Some(currency.to_owned()),
        since: since.and_then(|at| days.of(at)),
    };
    payments.sort_by(|a, b| (a.created_at, &a.key).cmp(&(b.created_at, &b.key)));
    let mut booking = Booking {
        status: row.text("status").unwrap_or_default(),
        total: row.money("total_amount"),
        ticket_total: row.money("ticket_total"),
        period_ticket_total: row.money("period_ticket_total"),
        other_tickets: row.text("ticket_totals_other").is_some(),
        refund_total: row.money("refund_total"),
        period_refund_total: row.money("period_refund_total"),
        other_refunds: row.integer("other_refund_count") > 0,
        ..Booking::default()
    };
    for (i, payment) in payments.iter().enumerate() {
        let of_currency = sums.entry(payment.currency.clone()).or_default();
        let (first, retries) =
            of_currency.payments.entry((payment.method.clone(), payment.status.clone())).or_default();
        let total = if i == 0 { first } else { retries };
        total.rows += 1;
        total.amount.0 += payment.amount;
        if !payment.was_received() {
            continue;
        }
        let completed = payment.status.as_deref() == Some("completed");
        if payment.currency != currency {
            booking.other_payments = true;
            let (stage, amount) =
                if completed { (Stage::Completed, payment.amount) } else { (Stage::Refunds, -payment.amount) };
            let since = Some(payment.created_at);
            exceptions.add(exception("currencies_differ", stage, Some(amount), &payment.currency, since))?;
        } else if completed {
            booking.completed += payment.amount;
        } else {
            booking.given_back += payment.amount;
        }
    }
    booking.twice = twice(&payments, currency);
    for difference in booking.differences() {
        let (stage, key) = (difference.stage, difference.key);
        if super::terms::REASONS.iter().any(|reason| reason.key == key) {
            exceptions.add(exception(key, stage, difference.amount, currency, row.instant("created_at")))?;
        } else if let Some(amount) = difference.amount {
            exceptions.difference(currency, stage, key, amount);
        }
    }
    let of_currency = sums.entry(currency.to_owned()).or_default();
    of_currency.due_and_received.0 += u64::from(booking.is_confirmed());
    of_currency.due_and_received.1 += u64::from(booking.received() != 0);
    let figures = &mut of_currency.figures;
    figures.bookings += 1;
    figures.totals.0 += booking.total;
    figures.due.0 += booking.due();
    figures.received.0 += booking.received();
    figures.given_back.0 += booking.given_back;
    figures.paid.0 += booking.completed;
    figures.outstanding.0 += booking.outstanding();
    if booking.outstanding() > 0 {
        let payable_until = row.instant("expires_at").or(row.instant("created_at")).and_then(|at| days.of(at));
        let age = payable_until.map_or(0, |until| days.age(until));
        let place = AGES.iter().position(|(_, to)| to.is_none_or(|to| age <= to)).unwrap_or(AGES.len() - 1);
        of_currency.unpaid[place].bookings += 1;
        of_currency.unpaid[place].amount.0 += booking.outstanding();
    }
    Ok(())
}

/// What a booking's received payments of this currency repeat of earlier ones: the same amount and method within ten
/// minutes. Of three in a row, two do.
fn twice(payments: &[Payment], currency: &str) -> i128 {
    let mut received: Vec<&Payment> =
        payments.iter().filter(|payment| payment.was_received() && payment.currency == currency).collect();
    received.sort_by(|a, b| (a.amount, &a.method, a.at).cmp(&(b.amount, &b.method, b.at)));
    let same = |pair: &&[&Payment]| {
        let [a, b] = pair else { return false };
        a.amount == b.amount && a.method == b.method && b.at - a.at <= TWICE_WITHIN
    };
    received.windows(2).filter(same).map(|pair| pair[1].amount).sum()
}

fn add_refund(
    sums: &mut BTreeMap<String, BookingSums>,
    row: Row<'_>,
    days: &Days,
    exceptions: &mut Exceptions<'_>,
) -> Result<(), SummaryError> {
    let currency = row.text("currency").unwrap_or_default();
    let amount = row.money("amount");
    let refunds = &mut sums.entry(currency.to_owned()).or_default().refunds;
    refunds.rows += 1;
    refunds.amount.0 += amount;
    let reason = if row.text("booking_id").is_none() {
        "ticket_without_booking"
    } else if row.text("ticket_currency") != Some(currency) || row.text("booking_currency") != Some(currency) {
        "currencies_differ"
    } else {
        return Ok(());
    };
    exceptions.add(Exception {
        reason,
        stage: Stage::Refunds,
        booking: row.owned("booking_ref"),
        ticket: row.owned("ticket_ref"),
        amount: Some(amount),
        currency: Some(currency.to_owned()),
        since: row.instant("processed_at").and_then(|at| days.of(at)),
    })?;
    Ok(())
}

impl BookingSums {
    /// Payments by method and status, in the order of both.
    #[must_use]
    pub fn payment_lines(&self) -> Vec<PaymentLine> {
        let line = |((method, status), (first, retries)): (&MethodAndStatus, &(Total, Total))| PaymentLine {
            method: method.clone(),
            status: status.clone(),
            first: *first,
            retries: *retries,
        };
        self.payments.iter().map(line).collect()
    }

    /// All payments of a status: how many, and how much.
    #[must_use]
    pub fn payments_of(&self, status: &str) -> Total {
        let mut sum = Total::default();
        for (_, (first, retries)) in self.payments.iter().filter(|((_, its), _)| its.as_deref() == Some(status)) {
            sum.rows += first.rows + retries.rows;
            sum.amount = Money(sum.amount.0 + first.amount.0 + retries.amount.0);
        }
        sum
    }
}
