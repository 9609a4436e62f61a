//! The store at one moment: its editions, and its workbooks in every order.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use jiff::Timestamp;
use pipeline::{period::PeriodId, record::RunRecord};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::edition::Edition;

/// A workbook that can be downloaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its name.
    pub name: Arc<str>,
    /// Its size.
    pub size: u64,
    /// When it was made.
    pub created: Timestamp,
    /// Its edition; none for a workbook that no manifest names.
    pub edition: Option<Arc<Edition>>,
    /// Whether it is its period's newest edition.
    pub newest: bool,
    /// Whether it waits for its name in its edition's folder.
    pub pending: bool,
}

/// How lists of reports are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// By name.
    Name,
    /// By the first day, then the edition.
    #[default]
    Period,
    /// By when they were made.
    Created,
    /// By size.
    Size,
    /// By tickets.
    Rows,
}

impl Sort {
    const ALL: [Self; 5] = [Self::Name, Self::Period, Self::Created, Self::Size, Self::Rows];

    /// Its name in a query.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Period => "period",
            Self::Created => "created",
            Self::Size => "size",
            Self::Rows => "rows",
        }
    }
}

/// The store at one moment.
#[derive(Debug, Default, PartialEq)]
pub struct Contents {
    /// All editions, by period and number.
    pub editions: BTreeMap<(PeriodId, u32), Arc<Edition>>,
    /// All workbooks, by name.
    pub reports: Vec<Report>,
    /// The reports' places in `reports`, in each order, ascending.
    pub(super) orders: HashMap<Sort, Vec<u32>>,
    /// Runs that are over, the newest first.
    pub runs: Vec<Arc<RunRecord>>,
    /// Manifests that can't be read, and why.
    pub damaged: BTreeMap<(PeriodId, u32), String>,
    /// Bytes of all editions.
    pub bytes: u64,
}

impl Contents {
    /// The reports in an order.
    pub fn ordered(&self, sort: Sort, descending: bool) -> Box<dyn Iterator<Item = &Report> + '_> {
        let order = self.orders.get(&sort).map_or(&[][..], Vec::as_slice);
        let reports = order.iter().map(|&place| &self.reports[place as usize]);
        if descending { Box::new(reports.rev()) } else { Box::new(reports) }
    }

    /// A report by its name.
    #[must_use]
    pub fn report(&self, name: &str) -> Option<&Report> {
        let found = self.reports.binary_search_by(|report| (*report.name).cmp(name));
        found.ok().map(|place| &self.reports[place])
    }

    /// The newest edition of a period.
    #[must_use]
    pub fn newest(&self, period: PeriodId) -> Option<&Arc<Edition>> {
        self.editions.range((period, 0)..=(period, u32::MAX)).next_back().map(|(_, edition)| edition)
    }

    /// The newest editions of at most so many months and so many other periods, the last ones.
    #[must_use]
    pub fn last_periods(&self, most: usize) -> Vec<&Edition> {
        // Months come before all other periods, of which this is the first that there can be.
        let Ok(border) = "0001-01-01_to_0001-01-01".parse::<PeriodId>() else { return Vec::new() };
        let mut last: Vec<&Edition> = Vec::new();
        for part in [self.editions.range(..(border, 0)), self.editions.range((border, 0)..)] {
            let from = last.len();
            for edition in part.rev().map(|(_, edition)| &**edition) {
                if last[from..].last().is_none_or(|newer| newer.period != edition.period) {
                    if last.len() - from == most {
                        break;
                    }
                    last.push(edition);
                }
            }
        }
        last
    }

    /// The workbook of an edition, if there is one.
    #[must_use]
    pub fn report_of(&self, period: PeriodId, number: u32) -> Option<&Report> {
        let edition = self.editions.get(&(period, number))?;
        let names = [&edition.plain_name, &edition.edition_name];
        let of =
            |report: &&Report| report.edition.as_ref().is_some_and(|of| of.edition == number && of.period == period);
        names.into_iter().filter_map(|name| self.report(name)).find(of)
    }
}

pub(super) fn orders(reports: &[Report]) -> HashMap<Sort, Vec<u32>> {
    let period =
        |report: &Report| report.edition.as_ref().map(|of| (of.period.period().first(), of.period, of.edition));
    let rows = |report: &Report| report.edition.as_ref().map(|of| of.rows);
    let orders = Sort::ALL.map(|sort| {
        let mut order: Vec<u32> = (0..).take(reports.len()).collect();
        // Sorting is stable, and equal ones stay in the order of their names.
        let at = |place: &u32| &reports[*place as usize];
        match sort {
            Sort::Name => {}
            Sort::Period => order.sort_by_key(|place| period(at(place))),
            Sort::Created => order.sort_by_key(|place| at(place).created),
            Sort::Size => order.sort_by_key(|place| at(place).size),
            Sort::Rows => order.sort_by_key(|place| rows(at(place))),
        }
        (sort, order)
    });
    orders.into()
}

/// Whether a file's name has one of the forms that reports have.
#[must_use]
pub fn is_report_name(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("ticketing-report").and_then(|rest| rest.strip_suffix(".xlsx")) else {
        return false;
    };
    if rest.is_empty() {
        return true;
    }
    let Some(rest) = rest.strip_prefix('-') else { return false };
    let number = |text: &str| (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let rest = match rest.rsplit_once("-edition-") {
        Some((rest, edition)) if number(edition) => rest,
        Some(_) => return false,
        None => rest,
    };
    if let Some((first, last)) = rest.split_once("-to-") {
        let (last, job) = last.split_at_checked(10).unwrap_or((last, ""));
        let job = job.is_empty() || job.strip_prefix('-').is_some_and(number);
        return job && format!("{first}_to_{last}").parse::<PeriodId>().is_ok();
    }
    matches!(rest.parse(), Ok(PeriodId::Month(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_known_by_their_names() {
        for name in [
            "ticketing-report.xlsx",
            "ticketing-report-2025-11.xlsx",
            "ticketing-report-2025-11-edition-1.xlsx",
            "ticketing-report-2025-01-01-to-2025-01-31.xlsx",
            "ticketing-report-2025-01-01-to-2025-01-31-12345.xlsx",
            "ticketing-report-2025-01-01-to-2025-01-31-12345-edition-2.xlsx",
        ] {
            assert!(is_report_name(name), "{name}");
        }
        for name in [
            "report.xlsx",
            "ticketing-report",
            "ticketing-report-.xlsx",
            "ticketing-report-2025-13.xlsx",
            "ticketing-report-2025-11-edition-.xlsx",
            "ticketing-report-2025-11-edition-x.xlsx",
            "ticketing-report-2025-02-30-to-2025-03-01.xlsx",
            "ticketing-report-2025-03-02-to-2025-03-01.xlsx",
            "ticketing-report-2025-01-01-to-2025-01-31-.xlsx",
            "../ticketing-report-2025-11.xlsx",
            "ticketing-report-2025-11.xlsx\0",
            "~$ticketing-report-2025-11.xlsx",
            "ticketing-report-2025-01-01-to-é2025-01-31.xlsx",
        ] {
            assert!(!is_report_name(name), "{name}");
        }
    }
}
