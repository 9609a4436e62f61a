//! End to end: the report command and its library against real databases, its files read back by other programs.
//!
//! `tests/prepare` brings what these tests need. They run in threads of one process and share its PostgreSQL server.
#![expect(clippy::unwrap_used, reason = "tests end where something isn't as expected")]

/// Writes each test twice: over PostgreSQL and over SQLite.
macro_rules! over_both_databases {
    ($($name:ident),+ $(,)?) => {
        mod postgresql {
            $(#[test] fn $name() { super::$name(::tests::database::Kind::Postgres); })+
        }
        mod sqlite {
            $(#[test] fn $name() { super::$name(::tests::database::Kind::Sqlite); })+
        }
    };
}

mod analysts;
mod checks;
mod command_line;
mod constructed;
mod cut;
mod editions;
mod failures;
mod kubernetes;
mod months;
mod other_commands;
mod properties;
mod render;
mod rows;
mod server;
mod signals;
mod stores;
mod summary;
mod workbook;
