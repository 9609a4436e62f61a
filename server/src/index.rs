//! What is in the store, in memory: an entry for each edition, made from its manifest and never from a folder's name.
//!
//! Manifests don't change, so each is read once. Looking for new ones costs as much as listing the store: it is done
//! when somebody asks or listens, and then not again for a while that is a hundred times as long, up to half a minute.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use pipeline::{
    manifest::{Money, WorkbookFile},
    period::PeriodId,
    record::RunRecord,
    store::{Place, Store, StoreError},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use utoipa::ToSchema;

use crate::events::Hub;

/// Manifests that are read at once.
const READ_AT_ONCE: usize = 4;

/// Runs that are remembered.
const RUNS: usize = 1000;

/// What is new is seen after this time, however long looking takes.
const LATEST: Duration = Duration::from_secs(30);

/// The longest that somebody who asks waits for what is new.
const PATIENCE: Duration = Duration::from_millis(250);

/// Tickets and their money in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sold {
    /// Tickets issued in the period.
    pub tickets: u64,
    /// Sum of their prices, with two decimals.
    #[schema(value_type = String)]
    pub gross: Money,
    /// Sum of their refunds.
    #[schema(value_type = String)]
    pub refunds: Money,
    /// What is left.
    #[schema(value_type = String)]
    pub net: Money,
}

/// An edition. What a list says of it and no more: a store may have ten thousand.
#[derive(Debug, Clone, PartialEq)]
pub struct Edition {
    /// The period.
    pub period: PeriodId,
    /// The number.
    pub edition: u32,
    /// Whether the period wasn't over at the cut.
    pub provisional: bool,
    /// When it was made.
    pub created: Timestamp,
    /// The version of its schema.
    pub schema_version: u32,
    /// Tickets.
    pub rows: u64,
    sold: Box<[KeptSold]>,
    /// Controls that hold, and those that don't.
    pub controls: (u16, u16),
    /// The workbook's name on the root while this is the newest edition of that name.
    pub plain_name: Arc<str>,
    /// Its name afterwards.
    pub edition_name: Arc<str>,
    /// The workbook's size.
    pub workbook_size: u64,
    /// The size of all Parquet files.
    pub tables_size: u64,
    /// The size of that with the tickets.
    pub tickets_size: u64,
}

/// What is read of a manifest: the rest, which can be a megabyte, is passed over.
#[derive(Deserialize)]
struct Head {
    period: PeriodId,
    edition: u32,
    provisional: bool,
    created_at: Timestamp,
    schema_version: u32,
    rows: u64,
    tables: BTreeMap<String, FileHead>,
    workbook: WorkbookFile,
    #[serde(default)]
    exceptions: Option<FileHead>,
    #[serde(default)]
    controls: Vec<ControlHead>,
    #[serde(default)]
    summary: Option<SummaryHead>,
}

#[derive(Deserialize)]
struct FileHead {
    size: u64,
}

#[derive(Deserialize)]
struct ControlHead {
    passed: bool,
}

#[derive(Deserialize)]
struct SummaryHead {
    currencies: BTreeMap<String, CurrencyHead>,
}

#[derive(Deserialize)]
struct CurrencyHead {
    sales: pipeline::summary::Sales,
}

/// Tickets and their money in one currency, in cents.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KeptSold {
    currency: Arc<str>,
    tickets: u64,
    gross: i64,
    refunds: i64,
}

/// Texts that many editions have, each kept once: currency codes, and the names that editions of a period share.
#[derive(Debug, Default)]
struct Texts(std::sync::Mutex<BTreeSet<Arc<str>>>);

impl Texts {
    fn kept(&self, text: &str) -> Arc<str> {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        texts.insert(Arc::clone(&new));
        new
    }
}

impl Edition {
    fn new(head: Head, texts: &Texts) -> Result<Self, std::num::TryFromIntError> {
        // Editions made before there were summaries tell no refunds.
        let currencies = head.summary.map(|summary| summary.currencies).unwrap_or_default();
        let sold = currencies.iter().filter(|(_, of)| of.sales.tickets > 0).map(|(code, CurrencyHead { sales })| {
            let (gross, refunds) = (sales.gross.0.try_into()?, sales.refunds.0.try_into()?);
            Ok::<_, std::num::TryFromIntError>(KeptSold {
                currency: texts.kept(code),
                tickets: sales.tickets,
                gross,
                refunds,
            })
        });
        let passed = head.controls.iter().filter(|control| control.passed).count();
        let count = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        Ok(Self {
            period: head.period,
            edition: head.edition,
            provisional: head.provisional,
            created: head.created_at,
            schema_version: head.schema_version,
            rows: head.rows,
            sold: sold.collect::<Result<_, _>>()?,
            controls: (count(passed), count(head.controls.len() - passed)),
            plain_name: texts.kept(&head.workbook.name),
            edition_name: head.workbook.edition_name.into(),
            workbook_size: head.workbook.size,
            tables_size: head.tables.values().chain(&head.exceptions).map(|file| file.size).sum(),
            tickets_size: head.tables.get("tickets").map_or(0, |file| file.size),
        })
    }

    /// What was sold, by currency code.
    pub fn sold(&self) -> impl Iterator<Item = (&str, Sold)> {
        self.sold.iter().map(|of| {
            let (gross, refunds) = (of.gross.into(), of.refunds.into());
            let net = Money(gross - refunds);
            (&*of.currency, Sold { tickets: of.tickets, gross: Money(gross), refunds: Money(refunds), net })
        })
    }
}

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
    orders: HashMap<Sort, Vec<u32>>,
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

/// What is known of the store, and how old that is.
struct Known {
    contents: Arc<Contents>,
    /// Why the store can't be read.
    gone: Option<String>,
    /// When it was looked at last, and how long that took.
    looked: Option<(Instant, Duration)>,
}

/// The index.
pub struct Index {
    store: Store,
    events: Arc<Hub>,
    known: RwLock<Known>,
    looking: Mutex<()>,
    texts: Texts,
}

impl Index {
    /// An index that knows nothing yet.
    #[must_use]
    pub fn new(store: Store, events: Arc<Hub>) -> Self {
        let known = Known { contents: Arc::default(), gone: None, looked: None };
        Self { store, events, known: RwLock::new(known), looking: Mutex::default(), texts: Texts::default() }
    }

    /// What is in the store. What has come in the last moments may be missing, where listing the store takes long.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn contents(self: &Arc<Self>) -> Result<Arc<Contents>, StoreGone> {
        if self.is_due(20, Duration::from_millis(50)) {
            let index = Arc::clone(self);
            let looking = tokio::spawn(async move { index.look().await });
            // Who is in a hurry gets what is known; the first has to wait.
            if self.is_read() {
                let _ = tokio::time::timeout(PATIENCE, looking).await;
            } else {
                let _ = looking.await;
            }
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match &known.gone {
            Some(reason) => Err(StoreGone(reason.clone())),
            None => Ok(Arc::clone(&known.contents)),
        }
    }

    /// Whether the store has been read once.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).looked.is_some()
    }

    fn is_due(&self, times: u32, least: Duration) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.looked.is_none_or(|(at, took)| at.elapsed() > (took * times).clamp(least, LATEST))
    }

    /// Looks again and again for what others put into the store, while somebody listens.
    pub async fn watch(self: Arc<Self>) {
        self.look().await;
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            if self.events.has_listeners() && self.is_due(100, Duration::from_secs(2)) {
                self.look().await;
            }
        }
    }

    /// Looks at the store now, and tells what is new.
    pub async fn look(&self) {
        let _one = self.looking.lock().await;
        let began = Instant::now();
        let before = Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner).contents);
        let read = self.read(&before).await;
        let reading = read.as_ref().map_or(Duration::ZERO, |(_, reading)| *reading);
        let looked = Some((Instant::now(), began.elapsed().saturating_sub(reading)));
        let read = read.map(|(contents, _)| contents);
        let (was_gone, first) = {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            let (was_gone, first) = (known.gone.is_some(), known.looked.is_none());
            known.looked = looked;
            match &read {
                Ok(contents) => (known.contents, known.gone) = (Arc::clone(contents), None),
                Err(error) => known.gone = Some(error.to_string()),
            }
            (was_gone, first)
        };
        match read {
            Ok(contents) => {
                if was_gone {
                    self.events.tell("store", &serde_json::json!({ "ready": true }));
                }
                if !first {
                    self.tell_new(&before, &contents);
                }
            }
            Err(error) if !was_gone => {
                tracing::error!(%error, "the store can't be read");
                let reason = StoreGone(String::new()).to_string();
                self.events.tell("store", &serde_json::json!({ "ready": false, "reason": reason }));
            }
            Err(_) => {}
        }
    }

    fn tell_new(&self, before: &Contents, now: &Contents) {
        for edition in now.editions.iter().filter(|(key, _)| !before.editions.contains_key(key)).map(|(_, e)| e) {
            let report = now.report_of(edition.period, edition.edition).map(|report| &*report.name);
            let told = serde_json::json!({ "period": edition.period, "edition": edition.edition, "report": report });
            self.events.tell("edition", &told);
        }
        // Also those that are gone change what a page shows.
        if before.editions.keys().any(|key| !now.editions.contains_key(key)) {
            self.events.tell("reset", &serde_json::json!({}));
        }
    }

    /// Reads the store; says how long it took to read manifests that weren't known, which is done once.
    async fn read(&self, before: &Arc<Contents>) -> Result<(Arc<Contents>, Duration), StoreError> {
        self.store.reachable().await?;
        let mut contents = Contents::default();
        let mut unknown = Vec::new();
        for key in self.store.editions().await? {
            match before.editions.get(&key) {
                Some(edition) => drop(contents.editions.insert(key, Arc::clone(edition))),
                None => unknown.push(key),
            }
        }
        let began = Instant::now();
        let mut read = stream::iter(unknown)
            .map(|key| async move { (key, self.edition(key).await) })
            .buffer_unordered(READ_AT_ONCE);
        while let Some((key, edition)) = read.next().await {
            match edition {
                Ok(Some(edition)) => drop(contents.editions.insert(key, Arc::new(edition))),
                Ok(None) => {}
                Err(reason) => {
                    if !before.damaged.contains_key(&key) {
                        tracing::error!(period = %key.0, edition = key.1, reason, "a manifest can't be read");
                    }
                    contents.damaged.insert(key, reason);
                }
            }
        }
        let reading = began.elapsed();
        contents.bytes = contents.editions.values().map(|edition| edition.tables_size + edition.workbook_size).sum();
        contents.reports = self.reports(&contents.editions).await?;
        contents.orders = orders(&contents.reports);
        contents.runs = self.runs(&before.runs).await?;
        // What nobody can tell apart needn't be there twice.
        let contents = if contents == **before { Arc::clone(before) } else { Arc::new(contents) };
        Ok((contents, reading))
    }

    async fn edition(&self, (period, number): (PeriodId, u32)) -> Result<Option<Edition>, String> {
        let bytes = self.store.read(Place::Manifest(period, number)).await.map_err(|e| e.to_string())?;
        let Some(bytes) = bytes else { return Ok(None) };
        let head: Head = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
        Edition::new(head, &self.texts).map(Some).map_err(|e| e.to_string())
    }

    /// The workbooks of the editions as far as they are there, and others on the root whose names have a report's form.
    async fn reports(&self, editions: &BTreeMap<(PeriodId, u32), Arc<Edition>>) -> Result<Vec<Report>, StoreError> {
        let mut found = self.store.root_files(is_report_name).await?;
        let mut reports = Vec::with_capacity(found.len());
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        // From the newest to the oldest: the first of a name has it.
        for ((period, number), edition) in editions.iter().rev() {
            let plain = taken.insert(&edition.plain_name);
            let newest = editions.range((*period, number + 1)..=(*period, u32::MAX)).next().is_none();
            let name = if plain { &edition.plain_name } else { &edition.edition_name };
            let file = found.remove(&**name);
            let pending = file.is_none() && self.store.size(Place::PendingWorkbook(*period, *number)).await?.is_some();
            if file.is_some() || pending {
                reports.push(Report {
                    name: name.clone(),
                    size: file.map_or(edition.workbook_size, |file| file.size),
                    created: edition.created,
                    edition: Some(Arc::clone(edition)),
                    newest,
                    pending,
                });
            }
        }
        reports.extend(found.into_iter().map(|(name, file)| Report {
            name: name.into(),
            size: file.size,
            created: file.modified,
            edition: None,
            newest: false,
            pending: false,
        }));
        reports.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(reports)
    }

    async fn runs(&self, before: &[Arc<RunRecord>]) -> Result<Vec<Arc<RunRecord>>, StoreError> {
        let known: HashMap<&str, &Arc<RunRecord>> = before.iter().map(|run| (run.run.as_str(), run)).collect();
        let mut runs = Vec::new();
        for name in self.store.runs().await? {
            if let Some(run) = known.get(name.as_str()) {
                runs.push(Arc::clone(run));
            } else if let Some(bytes) = self.store.read(Place::Run(&name)).await?
                && let Ok(run) = serde_json::from_slice::<RunRecord>(&bytes)
            {
                runs.push(Arc::new(run));
            }
        }
        runs.sort_unstable_by_key(|run| std::cmp::Reverse(run.ended));
        runs.truncate(RUNS);
        Ok(runs)
    }
}

/// The store can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the store of reports can't be read at the moment: try again in a minute")]
pub struct StoreGone(pub String);

impl From<StoreGone> for crate::error::ApiError {
    fn from(gone: StoreGone) -> Self {
        Self::later(gone.to_string(), 30)
    }
}

fn orders(reports: &[Report]) -> HashMap<Sort, Vec<u32>> {
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
