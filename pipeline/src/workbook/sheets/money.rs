//! Payments, the reconciliation, what is unpaid, and what has changed: a table for each currency.

use std::collections::BTreeMap;

use rust_xlsxwriter::XlsxError;

use super::{
    CHANGES, Facts, Grid, Kind, PAYMENTS, RECONCILIATION, Total, UNPAID, Value,
    charts::{Places, Range},
    grid::address,
};
use crate::{
    manifest::Money,
    summary::{
        AGES, LineKind,
        judge::{STARTS, Stage},
    },
};

fn plus(rows: impl Iterator<Item = Money>) -> Money {
    Money(rows.map(|amount| amount.0).sum())
}

pub(super) fn payments(facts: &Facts<'_>, grid: &mut Grid<'_>, places: &mut Places) -> Result<(), XlsxError> {
    let locale = facts.locale();
    grid.basis(&facts.cut())?;
    grid.basis(&locale.text("basis.Payments"))?;
    let paid: Vec<_> = facts.currencies.iter().filter(|(_, of)| !of.payments.is_empty()).collect();
    if paid.is_empty() {
        grid.section(&locale.text("nothing_paid"))?;
    }
    for (i, (code, of)) in paid.into_iter().enumerate() {
        grid.section(&facts.currency(code))?;
        let lines = &of.payments;
        let count = |counts: &dyn Fn(usize) -> u64| Total::Sum(Value::count((0..lines.len()).map(counts).sum()));
        let money = |amounts: &dyn Fn(usize) -> Money| Total::Sum(Value::Money(plus((0..lines.len()).map(amounts))));
        let rows_of = |i: usize| lines[i].first.rows + lines[i].retries.rows;
        let amount_of = |i: usize| Money(lines[i].first.amount.0 + lines[i].retries.amount.0);
        let columns = [
            facts.column("method", Kind::Text, facts.total_label()),
            facts.column("payment_status", Kind::Text, Total::None),
            facts.column("first_count", Kind::Count, count(&|i| lines[i].first.rows)),
            facts.column("first_amount", Kind::Money, money(&|i| lines[i].first.amount)),
            facts.column("retry_count", Kind::Count, count(&|i| lines[i].retries.rows)),
            facts.column("retry_amount", Kind::Money, money(&|i| lines[i].retries.amount)),
            facts.column("payment_count", Kind::Count, count(&rows_of)),
            facts.column("payment_amount", Kind::Money, money(&amount_of)),
        ];
        let rows: Vec<Vec<Value>> = (0..lines.len())
            .map(|i| {
                let line = &lines[i];
                vec![
                    line.method.as_deref().map_or_else(|| facts.missing(), |method| Value::Text(method.to_owned())),
                    line.status.as_deref().map_or_else(|| facts.missing(), |status| Value::Text(status.to_owned())),
                    Value::count(line.first.rows),
                    Value::Money(line.first.amount),
                    Value::count(line.retries.rows),
                    Value::Money(line.retries.amount),
                    Value::count(rows_of(i)),
                    Value::Money(amount_of(i)),
                ]
            })
            .collect();
        grid.table(&facts.table_name(PAYMENTS, code), &columns, &rows, &[])?;

        let mut kept: BTreeMap<&str, (u64, Money)> = BTreeMap::new();
        for line in lines.iter().filter(|line| line.status.as_deref() == Some("completed")) {
            let sum = kept.entry(line.method.as_deref().unwrap_or_default()).or_default();
            sum.0 += line.first.rows + line.retries.rows;
            sum.1.0 += line.first.amount.0 + line.retries.amount.0;
        }
        if kept.is_empty() {
            continue;
        }
        let mut kept: Vec<_> = kept.into_iter().collect();
        kept.sort_by_key(|(method, (_, amount))| (std::cmp::Reverse(*amount), *method));
        grid.section(&format!("{}, {}", locale.text("completed_by_method"), facts.currency(code)))?;
        let columns = [
            facts.column("method", Kind::Text, facts.total_label()),
            facts.column(
                "payment_count",
                Kind::Count,
                Total::Sum(Value::count(kept.iter().map(|(_, (count, _))| count).sum())),
            ),
            facts.column(
                "completed_amount",
                Kind::Money,
                Total::Sum(Value::Money(plus(kept.iter().map(|(_, (_, amount))| *amount)))),
            ),
        ];
        let rows: Vec<Vec<Value>> = kept
            .iter()
            .map(|(method, (count, amount))| {
                vec![Value::Text((*method).to_owned()), Value::count(*count), Value::Money(*amount)]
            })
            .collect();
        let place = grid.table(&facts.table_name("Completed", code), &columns, &rows, &[])?;
        if i == 0 {
            places.methods =
                Some(Range { sheet: PAYMENTS, rows: (place.first_row, place.last_row), names: 0, amounts: 2 });
        }
    }
    Ok(())
}

pub(super) fn reconciliation(facts: &Facts<'_>, grid: &mut Grid<'_>) -> Result<(), XlsxError> {
    let locale = facts.locale();
    grid.basis(&facts.cut())?;
    grid.basis(&locale.text("basis.Reconciliation"))?;
    if facts.currencies.is_empty() {
        grid.section(&locale.text("nothing_sold"))?;
    }
    for (code, of) in &facts.currencies {
        grid.section(&facts.currency(code))?;
        let first = grid.row + 1;
        let unexplained: BTreeMap<&str, Money> = of.unexplained().into_iter().collect();
        let mut rows = Vec::new();
        let mut steps = Vec::new();
        // The last step, with which the next one is compared.
        let mut from = 0;
        for (i, line) in of.reconciliation.iter().enumerate() {
            let at = first + u32::try_from(i).unwrap_or(0);
            let is_step = line.kind == LineKind::Step;
            let check = unexplained.get(line.key.as_str()).filter(|_| is_step).map_or(Value::Empty, |amount| {
                let between = if at > from + 1 {
                    format!("SUM({}:{})", address(from + 1, 4), address(at - 1, 4))
                } else {
                    "0".to_owned()
                };
                Value::Formula(format!("ROUND({}-{}-{between},2)", address(at, 3), address(from, 3)), *amount)
            });
            if is_step {
                steps.push(i);
                from = at;
            }
            let kind = match line.kind {
                LineKind::Step => "step",
                LineKind::Ordinary => "ordinary",
                LineKind::Exception => "exception",
            };
            rows.push(vec![
                Value::Text(locale.name(&line.key)),
                Value::Text(locale.text(&format!("kind.{kind}"))),
                Value::count(line.count),
                if is_step { Value::Money(line.amount) } else { Value::Empty },
                if is_step { Value::Empty } else { Value::Money(line.amount) },
                check,
            ]);
        }
        let residual = plus(unexplained.values().copied());
        let columns = [
            facts.column("line", Kind::Text, Total::Label(locale.text("residual"))),
            facts.column("line_kind", Kind::Text, Total::None),
            facts.column("line_count", Kind::Count, Total::None),
            facts.column("step_amount", Kind::Money, Total::None),
            facts.column("difference", Kind::Money, Total::None),
            facts.term("unexplained", Kind::Money, Total::Sum(Value::Money(residual))),
        ];
        grid.table(&facts.table_name(RECONCILIATION, code), &columns, &rows, &steps)?;
    }
    for (_, step, differences) in Stage::ALL {
        for key in [step].iter().chain(differences).chain(&STARTS) {
            grid.dictionary_term(&locale.name(key), &locale.meaning(key));
        }
    }
    grid.section(&locale.text("priority"))?;
    for reason in &crate::summary::terms::REASONS {
        grid.basis(&format!("{}: {}", locale.name(reason.key), locale.meaning(reason.key)))?;
    }
    Ok(())
}

pub(super) fn unpaid(facts: &Facts<'_>, grid: &mut Grid<'_>) -> Result<(), XlsxError> {
    let locale = facts.locale();
    grid.basis(&facts.cut())?;
    grid.basis(&format!(
        "{} {}",
        locale.meaning("outstanding"),
        locale.fill("basis.Unpaid by age", &[&facts.manifest.period.period().last().to_string()])
    ))?;
    if facts.currencies.is_empty() {
        grid.section(&locale.text("nothing_sold"))?;
    }
    for (code, of) in &facts.currencies {
        grid.section(&facts.currency(code))?;
        let all = of.bookings.outstanding;
        let share = |amount: Money| if all.0 == 0 { 0.0 } else { amount.0 as f64 / all.0 as f64 };
        let bookings = of.unpaid.iter().map(|unpaid| unpaid.bookings).sum();
        let amount = plus(of.unpaid.iter().map(|unpaid| unpaid.amount));
        let columns = [
            facts.term("unpaid_age", Kind::Text, facts.total_label()),
            facts.column("unpaid_bookings", Kind::Count, Total::Sum(Value::count(bookings))),
            facts.term("outstanding", Kind::Money, Total::Sum(Value::Money(amount))),
            facts.column("unpaid_share", Kind::Share, Total::Sum(Value::Share(share(amount)))),
        ];
        let rows: Vec<Vec<Value>> = AGES
            .iter()
            .zip(&of.unpaid)
            .map(|((age, _), unpaid)| {
                vec![
                    Value::Text(locale.text(&format!("age.{age}"))),
                    Value::count(unpaid.bookings),
                    Value::Money(unpaid.amount),
                    Value::Share(share(unpaid.amount)),
                ]
            })
            .collect();
        grid.table(&facts.table_name(UNPAID, code), &columns, &rows, &[])?;
    }
    Ok(())
}

pub(super) fn changes(facts: &Facts<'_>, grid: &mut Grid<'_>) -> Result<(), XlsxError> {
    let locale = facts.locale();
    grid.basis(&facts.cut())?;
    let Some(changes) = &facts.manifest.changes else {
        let first = facts.manifest.edition == 1;
        grid.row += 1;
        return grid.basis(&locale.text(if first { "first_edition" } else { "not_compared" }));
    };
    let earlier = changes.edition.to_string();
    let counts = [changes.added, changes.removed, changes.changed].map(|count| count.to_string());
    grid.basis(&locale.fill("basis.Changes", &[&earlier, &counts[0], &counts[1], &counts[2]]))?;
    for (code, net) in &changes.net {
        grid.section(&facts.currency(code))?;
        let columns = [
            facts.column("change", Kind::Text, Total::Label(locale.text("net_after"))),
            facts.column("changed_tickets", Kind::Count, Total::None),
            facts.column("changed_net", Kind::Money, Total::Sum(Value::Money(net.after))),
        ];
        let rows = [
            vec![Value::Text(locale.fill("net_before", &[&earlier])), Value::Empty, Value::Money(net.before)],
            vec![Value::Text(locale.text("added")), Value::count(net.added.rows), Value::Money(net.added.amount)],
            vec![Value::Text(locale.text("removed")), Value::count(net.removed.rows), Value::Money(net.removed.amount)],
            vec![Value::Text(locale.text("changed")), Value::count(net.changed.rows), Value::Money(net.changed.amount)],
        ];
        grid.table(&facts.table_name(CHANGES, code), &columns, &rows, &[])?;
    }
    Ok(())
}
