//! `report-server`: lists and serves the reports in a store, starts them, and shows them on a page.
//!
//! It reads the store through manifests alone and links nothing that reads a database or makes a file: that is the
//! report command's work, which it starts.

pub mod app;
pub mod audit;
pub mod auth;
pub mod backfill;
pub mod config;
pub mod documentation;
pub mod download;
pub mod envelope;
pub mod error;
pub mod events;
pub mod extract;
pub mod health;
pub mod index;
pub mod jobs;
pub mod launcher;
pub mod limits;
pub mod months;
pub mod page;
pub mod pages;
pub mod reports;
pub mod router;
pub mod serve;
pub mod snapshots;
pub mod start;
