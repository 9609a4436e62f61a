//! The server's pages: HTML made here, from the shapes in [`view`]. All of them work without JavaScript.

pub mod assets;
pub mod backfill;
mod board;
pub mod documentation;
pub mod edition;
mod figures;
mod format;
pub mod home;
pub mod job;
mod jobs;
pub mod layout;
mod parts;
mod plots;
pub mod problem;
mod reports;
pub mod sign_in;
mod snapshots;
mod snippets;
mod start;
pub mod view;

#[cfg(test)]
mod tests;
