//! From a ticketing database to a month's Parquet snapshot and Excel workbook.
//!
//! Without the feature `engine` only those modules remain that a server needs to list and serve what runs have made; the
//! feature `workbook` adds the making of workbooks.

pub mod columns;
pub mod config;
pub mod hashed;
pub mod locale;
pub mod manifest;
pub mod period;
pub mod record;
pub mod store;
pub mod summary;

#[cfg(feature = "engine")]
pub mod branding;
#[cfg(feature = "engine")]
pub mod changes;
#[cfg(feature = "engine")]
pub mod check;
#[cfg(feature = "engine")]
pub mod cli;
#[cfg(feature = "engine")]
pub mod command;
#[cfg(feature = "engine")]
pub mod controls;
#[cfg(feature = "engine")]
pub mod copy;
#[cfg(feature = "engine")]
pub mod demo;
#[cfg(feature = "engine")]
pub mod dictionary;
#[cfg(feature = "engine")]
pub mod digest;
#[cfg(feature = "engine")]
pub mod error;
#[cfg(feature = "engine")]
pub mod interrupt;
#[cfg(feature = "engine")]
pub mod output;
#[cfg(feature = "engine")]
pub mod progress;
#[cfg(feature = "engine")]
pub mod prune;
#[cfg(feature = "engine")]
pub mod publish;
#[cfg(feature = "engine")]
pub mod pull;
#[cfg(feature = "engine")]
pub mod render;
#[cfg(feature = "engine")]
pub mod room;
#[cfg(feature = "engine")]
pub mod run;
#[cfg(feature = "engine")]
pub mod snapshot;
#[cfg(feature = "engine")]
pub mod source;
#[cfg(feature = "engine")]
pub mod totals;
#[cfg(feature = "workbook")]
pub mod workbook;
