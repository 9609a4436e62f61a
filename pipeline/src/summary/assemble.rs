//! The summary put together from what tickets, bookings, payments and refunds came to.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CurrencySummary, LineKind, ReconciliationLine, Summary,
    bookings::BookingSums,
    exceptions::Differences,
    judge::Stage,
    terms::REASONS,
    tickets::{SalesByCurrency, TicketFigures, listed},
};
use crate::manifest::{Money, Total};

/// Puts the summary together. `differences` are those of bookings, refunds and tickets.
#[must_use]
pub fn assemble(
    tickets: SalesByCurrency,
    mut bookings: BTreeMap<String, BookingSums>,
    exceptions: BTreeMap<String, u64>,
    differences: &Differences,
) -> Summary {
    let SalesByCurrency { mut currencies, load } = tickets;
    let codes: BTreeSet<String> = currencies.keys().chain(bookings.keys()).cloned().collect();
    let summaries = codes.into_iter().map(|code| {
        let tickets = currencies.remove(&code).unwrap_or_default();
        let bookings = bookings.remove(&code).unwrap_or_default();
        let summary = one_currency(&code, tickets, &bookings, differences);
        (code, summary)
    });
    Summary { currencies: summaries.collect(), load, exceptions }
}

fn one_currency(
    code: &str,
    tickets: TicketFigures,
    bookings: &BookingSums,
    differences: &Differences,
) -> CurrencySummary {
    let sales = tickets.total;
    let figures = bookings.figures;
    let completed = bookings.payments_of("completed");
    let given_back = bookings.payments_of("refunded");
    let mut lines = Vec::new();
    let step = |key: &str, count: u64, amount: Money| ReconciliationLine {
        kind: LineKind::Step,
        key: key.to_owned(),
        count,
        amount,
    };
    lines.push(step("tickets_sold", sales.tickets, sales.gross));
    for (stage, key, reasons) in Stage::ALL {
        if stage == Stage::Refunds {
            lines.push(step("payments_given_back", given_back.rows, given_back.amount));
        }
        for reason in reasons {
            let Some(&(count, amount)) = differences.get(&(code.to_owned(), stage, *reason)) else { continue };
            let exceptional = REASONS.iter().any(|term| term.key == *reason);
            let kind = if exceptional { LineKind::Exception } else { LineKind::Ordinary };
            lines.push(ReconciliationLine { kind, key: (*reason).to_owned(), count, amount: Money(amount) });
        }
        let Total { rows, amount } = match stage {
            Stage::Totals => Total { rows: figures.bookings, amount: figures.totals },
            Stage::Due => Total { rows: bookings.due_and_received.0, amount: figures.due },
            Stage::Received => Total { rows: bookings.due_and_received.1, amount: figures.received },
            Stage::Completed => completed,
            Stage::Refunds => bookings.refunds,
        };
        lines.push(step(key, rows, amount));
    }
    CurrencySummary {
        sales,
        bookings: figures,
        by_day: listed(tickets.by_day),
        by_route: listed(tickets.by_route),
        by_fare: listed(tickets.by_fare),
        by_station_pair: listed(tickets.by_station_pair),
        payments: bookings.payment_lines(),
        reconciliation: lines,
        unpaid: bookings.unpaid,
    }
}
