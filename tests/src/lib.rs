//! What the end-to-end tests stand on: real databases, the built command, the files it leaves, and the other programs
//! that read them.
//!
//! Whatever can't be had fails the test with what to do about it; nothing is ever skipped.
#![expect(clippy::unwrap_used, reason = "a harness whose every failure must end the test where it happens")]

pub mod bucket;
pub mod cells;
pub mod database;
pub mod guard;
pub mod mount;
pub mod postgres;
pub mod server;
pub mod sheet;
pub mod store_folder;
pub mod tools;
pub mod waiting;
pub mod workplace;
