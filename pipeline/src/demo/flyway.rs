//! The migrations, and the history that Flyway keeps of them, as if Flyway had run them: a real one finds nothing left
//! to do.

use jiff::civil::Date;

/// One migration script.
#[derive(Debug)]
pub(crate) struct Migration {
    /// Its name, such as `V1__ticketing_schema.sql`.
    pub(crate) script: &'static str,
    pub(crate) sql: &'static str,
}

macro_rules! migration {
    ($folder:literal, $script:literal) => {
        Migration { script: $script, sql: include_str!(concat!("../../migrations/", $folder, "/", $script)) }
    };
}

/// The tables; what belongs to the keys and indexes is better done when they are full.
pub(crate) const POSTGRES_TABLES: Migration = migration!("postgres", "V1__ticketing_schema.sql");
pub(crate) const POSTGRES_KEYS: [Migration; 2] =
    [migration!("postgres", "V2__keys_and_references.sql"), migration!("postgres", "V3__indexes.sql")];

/// The same for SQLite, where keys and references are part of the tables.
pub(crate) const SQLITE_TABLES: Migration = migration!("sqlite", "V1__ticketing_schema.sql");
pub(crate) const SQLITE_KEYS: [Migration; 1] = [migration!("sqlite", "V2__indexes.sql")];

/// Flyway's own table on PostgreSQL.
pub(crate) const POSTGRES_HISTORY: &str = r#"
create table flyway_schema_history (
    installed_rank integer not null constraint flyway_schema_history_pk primary key,
    version varchar(50),
    description varchar(200) not null,
    type varchar(20) not null,
    script varchar(1000) not null,
    checksum integer,
    installed_by varchar(100) not null,
    installed_on timestamp not null default now(),
    execution_time integer not null,
    success boolean not null
);
create index flyway_schema_history_s_idx on flyway_schema_history (success);
"#;

/// Flyway's own table on SQLite, where moments are text.
pub(crate) const SQLITE_HISTORY: &str = r#"
create table flyway_schema_history (
    installed_rank int not null primary key,
    version varchar(50),
    description varchar(200) not null,
    type varchar(20) not null,
    script varchar(1000) not null,
    checksum int,
    installed_by varchar(100) not null,
    installed_on text not null default (strftime('%Y-%m-%d %H:%M:%f','now')),
    execution_time int not null,
    success boolean not null
);
create index flyway_schema_history_s_idx on flyway_schema_history (success);
"#;

/// A row of the history.
#[derive(Debug, PartialEq)]
pub(crate) struct Installed {
    pub(crate) rank: i32,
    pub(crate) version: &'static str,
    pub(crate) description: String,
    pub(crate) script: &'static str,
    pub(crate) checksum: i32,
    /// `YYYY-MM-DD HH:MM:SS.fff`: the day the demo's first month begins, so that the same demo is the same everywhere.
    pub(crate) installed_on: String,
}

/// The history's rows.
pub(crate) fn history<'m>(
    migrations: impl IntoIterator<Item = &'m Migration>,
    first_month: Date,
) -> impl Iterator<Item = Installed> {
    (1..).zip(migrations).map(move |(rank, migration)| {
        let (version, description) = title(migration.script);
        Installed {
            rank,
            version,
            description,
            script: migration.script,
            checksum: checksum(migration.sql),
            installed_on: format!("{first_month} 00:00:00.000"),
        }
    })
}

/// Version and description from a script's name.
fn title(script: &'static str) -> (&'static str, String) {
    let name = script.trim_start_matches('V').trim_end_matches(".sql");
    let (version, description) = name.split_once("__").unwrap_or((name, ""));
    (version, description.replace('_', " "))
}

/// Flyway's checksum of a script: the CRC-32 of its lines without their ends and without a byte order mark, read as a
/// signed number.
fn checksum(sql: &str) -> i32 {
    let mut crc = crc32fast::Hasher::new();
    for line in sql.trim_start_matches('\u{feff}').split(['\r', '\n']) {
        crc.update(line.as_bytes());
    }
    crc.finalize().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_and_byte_order_marks_leave_the_checksum_alone() {
        // The CRC-32 of `123456789` is a published check value.
        let expected = 0xcbf4_3926_u32.cast_signed();
        for sql in ["123456789", "\u{feff}1234\n56789\n", "1234\r\n\r\n56789", "1\r23456789\r"] {
            assert_eq!(checksum(sql), expected, "{sql:?}");
        }
    }

    #[test]
    fn a_script_is_known_by_its_name() {
        assert_eq!(title("V1__ticketing_schema.sql"), ("1", "ticketing schema".to_owned()));
        assert_eq!(title(POSTGRES_KEYS[0].script), ("2", "keys and references".to_owned()));
    }
}
