//! Control totals: rows and money by currency, added up by Polars while the batches pass.

use arrow::record_batch::RecordBatch;
use df_interchange::Interchange;
use polars::prelude::*;

use crate::{
    columns::{Amount, Table},
    manifest::{Money, Totals},
    snapshot::schema,
};

/// A batch as a Polars frame, through the Arrow C data interface, without copying.
///
/// # Errors
/// When Polars has no such type.
pub fn frame(batch: RecordBatch) -> Result<DataFrame, String> {
    Interchange::from_arrow_58(vec![batch])
        .and_then(|frame| frame.to_polars_0_53())
        .map_err(|e| format!("the batch can't become a frame: {e}"))
}

/// A table's control totals so far.
pub struct TotalsSoFar {
    table: &'static Table,
    totals: Totals,
}

impl TotalsSoFar {
    /// The totals of no rows.
    #[must_use]
    pub fn new(table: &'static Table) -> Self {
        Self { table, totals: Totals::new() }
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
        let money = frame(batch.project(&positions).map_err(|e| e.to_string())?)?;
        let sums = money
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
    #[must_use]
    pub fn finish(self) -> Totals {
        self.totals
    }
}
