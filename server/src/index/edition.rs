//! What is kept of an edition.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
};

use jiff::Timestamp;
use pipeline::{
    manifest::{Money, WorkbookFile},
    period::PeriodId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
pub(super) struct Head {
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
pub(super) struct Texts(std::sync::Mutex<BTreeSet<Arc<str>>>);

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
    pub(super) fn new(head: Head, texts: &Texts) -> Result<Self, std::num::TryFromIntError> {
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
