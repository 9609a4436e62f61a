//! The gate: what is seen to before an edition is published, and what it is compared with.

use jiff::{ToSpan, civil::Date};

use crate::{
    manifest::{Control, ControlName},
    period::{PeriodId, ReportPeriod, ReportTimeZone},
    store::{Store, StoreError},
    summary::{Compared, Relation, Summary},
};

/// Earlier months whose tickets are counted.
const MONTHS: usize = 6;

/// Whether each step of the reconciliation follows from the one before it and the differences between them.
#[must_use]
pub fn reconciliation(summary: &Summary) -> Control {
    let mut unexplained = Vec::new();
    for (currency, of) in &summary.currencies {
        for (step, amount) in of.unexplained().into_iter().filter(|(_, amount)| amount.0 != 0) {
            unexplained.push(format!("{amount} {currency} are unexplained at {step}"));
        }
    }
    let passed = unexplained.is_empty();
    let detail = if passed { "nothing is unexplained".to_owned() } else { unexplained.join("; ") };
    Control { name: ControlName::Reconciliation, passed, detail }
}

/// Whether a month has at least half as many tickets as the median of the last six months that have editions. Nothing
/// for other periods, and for the first month.
///
/// # Errors
/// When the store fails.
pub async fn row_count(store: &Store, period: PeriodId, rows: u64) -> Result<Option<Control>, StoreError> {
    if period.month().is_none() {
        return Ok(None);
    }
    let mut months = store.periods().await?;
    months.retain(|other| other.month().is_some() && other.period().last() < period.period().first());
    months.sort_by_key(|month| month.period().first());
    let mut counts = Vec::new();
    for month in months.into_iter().rev().take(MONTHS) {
        match store.newest(month).await {
            Ok(newest) => counts.extend(newest.map(|manifest| manifest.rows)),
            // A month that can't be read has no part in the median.
            Err(StoreError::Manifest { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    counts.sort_unstable();
    let (Some(lower), Some(upper)) = (counts.get(counts.len().saturating_sub(1) / 2), counts.get(counts.len() / 2))
    else {
        return Ok(None);
    };
    // Twice the median, so that it stays a whole number.
    let twice_median = lower + upper;
    let passed = rows * 4 >= twice_median;
    let median =
        if twice_median.is_multiple_of(2) { (twice_median / 2).to_string() } else { format!("{}.5", twice_median / 2) };
    let detail = format!("{rows} tickets; the median of the last {} months is {median}", counts.len());
    Ok(Some(Control { name: ControlName::RowCount, passed, detail }))
}

/// A failed control in one line.
#[must_use]
pub fn line(control: &Control) -> String {
    let name = match control.name {
        ControlName::DatabaseSums => "the sums are not the database's own",
        ControlName::Reconciliation => "the reconciliation leaves a residual",
        ControlName::RowCount => "there are fewer than half as many tickets as usual",
    };
    format!("control failed: {name}: {}", control.detail)
}

/// What the period before and the same days a year before came to, where they have editions with a summary.
///
/// # Errors
/// When the store fails.
pub async fn compared(store: &Store, period: ReportPeriod, zone: &ReportTimeZone) -> Result<Vec<Compared>, StoreError> {
    let mut found = Vec::new();
    for (relation, days) in neighbours(period) {
        let Ok((first, last)) = days else { continue };
        // Both lie before the period, and are over when it has begun.
        let Ok(other) = ReportPeriod::new(first, last, period.last()) else { continue };
        let Ok(id) = zone.start_of(period.first()).and_then(|begun| other.id(zone, begun)) else { continue };
        let Some(manifest) = store.newest(id).await? else { continue };
        let Some(summary) = &manifest.summary else { continue };
        found.push(Compared { relation, period: id, edition: manifest.edition, currencies: summary.compared() });
    }
    Ok(found)
}

/// The first and the last day of a period, unless they lie beyond the calendar.
type Days = Result<(Date, Date), jiff::Error>;

/// The days just before, as many; for a month the month before. And the same days a year before.
fn neighbours(period: ReportPeriod) -> [(Relation, Days); 2] {
    let (first, last) = (period.first(), period.last());
    let before = first.yesterday().and_then(|end| {
        if period.is_whole_month() {
            return Ok((end.first_of_month(), end));
        }
        let length = last.since(first)?;
        Ok((end.checked_sub(length)?, end))
    });
    let year_before = first.checked_sub(1.year()).and_then(|from| {
        let to = last.checked_sub(1.year())?;
        Ok((from, if period.is_whole_month() { to.last_of_month() } else { to }))
    });
    [(Relation::Previous, before), (Relation::YearBefore, year_before)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        manifest::Money,
        summary::{CurrencySummary, LineKind, ReconciliationLine},
    };

    #[test]
    fn what_no_difference_explains_is_a_control_that_fails_with_the_amount() {
        let line =
            |kind, key: &str, cents| ReconciliationLine { kind, key: key.to_owned(), count: 1, amount: Money(cents) };
        let of = |difference| {
            let reconciliation = vec![
                line(LineKind::Step, "tickets_sold", 10_000),
                line(LineKind::Exception, "total_unlike_tickets", difference),
                line(LineKind::Step, "booking_totals", 10_050),
                line(LineKind::Step, "payments_given_back", 700),
                line(LineKind::Step, "ticket_refunds", 700),
            ];
            let currency = CurrencySummary { reconciliation, ..CurrencySummary::default() };
            Summary { currencies: [("EUR".to_owned(), currency)].into(), ..Summary::default() }
        };
        assert!(reconciliation(&of(50)).passed);
        let failed = reconciliation(&of(49));
        assert!(!failed.passed);
        assert_eq!(failed.detail, "0.01 EUR are unexplained at booking_totals");
    }

    #[test]
    fn a_period_is_compared_with_as_many_days_before_it_and_the_same_a_year_before() {
        for (days, before, year_before) in [
            ("2025-02-01 2025-02-28", "2025-01-01 2025-01-31", "2024-02-01 2024-02-29"),
            ("2024-02-01 2024-02-29", "2024-01-01 2024-01-31", "2023-02-01 2023-02-28"),
            ("2025-03-10 2025-03-16", "2025-03-03 2025-03-09", "2024-03-10 2024-03-16"),
            ("2025-01-01 2025-12-31", "2024-01-02 2024-12-31", "2024-01-01 2024-12-31"),
            ("2025-03-01 2025-03-01", "2025-02-28 2025-02-28", "2024-03-01 2024-03-01"),
        ] {
            let dates: Vec<Date> = days.split(' ').map(|day| day.parse().unwrap()).collect();
            let period = ReportPeriod::new(dates[0], dates[1], dates[1]).unwrap();
            let found = neighbours(period).map(|(_, days)| days.map(|(from, to)| format!("{from} {to}")).unwrap());
            assert_eq!(found, [before, year_before], "{days}");
        }
    }
}
