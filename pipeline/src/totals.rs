//! Control totals: rows and money by currency, added up by Polars while the batches pass.

use arrow::record_batch::RecordBatch;
use df_interchange::Interchange;
use polars::prelude::*;

use crate::{
    columns::{Amount, Table},
    manifest::{Money, Totals},
    snapshot::schema,
};

/// Rows that are added up at once. Polars takes as long to plan a sum as to add up thousands of rows.
const ROWS_AT_ONCE: usize = 16_384;

/// Batches as one Polars frame, through the Arrow C data interface, without copying.
///
/// # Errors
/// When Polars has no such type.
pub fn frame(batches: Vec<RecordBatch>) -> Result<DataFrame, String> {
    Interchange::from_arrow_58(batches)
        .and_then(|frame| frame.to_polars_0_53())
        .map_err(|e| format!("batches can't become a frame: {e}"))
}

/// A table's control totals so far.
pub struct TotalsSoFar {
    table: &'static Table,
    /// The amounts and currencies that aren't added up yet.
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    totals: Totals,
}

impl TotalsSoFar {
    /// The totals of no rows.
    #[must_use]
    pub fn new(table: &'static Table) -> Self {
        Self { table, waiting: Vec::new(), waiting_rows: 0, totals: Totals::new() }
    }

    /// Adds a batch of the table's schema.
    ///
    /// # Errors
    /// When Polars fails.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let Some(Amount { amount, currency }) = &self.table.amount else {
            if batch.num_rows() > 0 {
                self.totals.entry(String::new()).or_default().rows += batch.num_rows() as u64;
            }
            return Ok(());
        };
        let schema = schema(self.table);
        let positions = [schema.index_of(currency), schema.index_of(amount)].map(Result::unwrap_or_default);
        self.waiting.push(batch.project(&positions).map_err(|e| e.to_string())?);
        self.waiting_rows += batch.num_rows();
        if self.waiting_rows < ROWS_AT_ONCE { Ok(()) } else { self.add_waiting() }
    }

    fn add_waiting(&mut self) -> Result<(), String> {
        let (Some(Amount { amount, currency }), false) = (&self.table.amount, self.waiting.is_empty()) else {
            return Ok(());
        };
        self.waiting_rows = 0;
        let sums = frame(std::mem::take(&mut self.waiting))?
            .lazy()
            .group_by([col(*currency)])
            .agg([len().cast(DataType::UInt64).alias("rows"), col(*amount).sum()])
            .collect()
            .map_err(|e| e.to_string())?;
        self.add_sums(&sums, amount, currency).map_err(|e| e.to_string())
    }

    fn add_sums(&mut self, sums: &DataFrame, amount: &str, currency: &str) -> PolarsResult<()> {
        let currencies = sums.column(currency)?.str()?;
        let rows = sums.column("rows")?.u64()?;
        let amounts = sums.column(amount)?.decimal()?.physical();
        for ((currency, rows), minor) in currencies.iter().zip(rows.iter()).zip(amounts.iter()) {
            let total = self.totals.entry(currency.unwrap_or_default().to_owned()).or_default();
            total.rows += rows.unwrap_or_default();
            total.amount = Money(total.amount.0 + minor.unwrap_or_default());
        }
        Ok(())
    }

    /// The totals.
    ///
    /// # Errors
    /// When Polars fails.
    pub fn finish(mut self) -> Result<Totals, String> {
        self.add_waiting()?;
        Ok(self.totals)
    }
}
