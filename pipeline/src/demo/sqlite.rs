//! The demo as an SQLite file.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection, ToSql, params, params_from_iter,
    types::{ToSqlOutput, Value, ValueRef},
};

use super::{
    DemoError, DemoOptions, DemoSummary,
    flyway::{SQLITE_HISTORY, SQLITE_KEYS, SQLITE_TABLES, history},
    sales::Business,
    tables::{Cell, Store, Table, Writer, fill},
};

/// Nobody sees the file before it is complete, and a crash throws it away: no need for a journal or for waiting until
/// the disk has it.
const WHILE_BUILDING: &str = "
    pragma journal_mode = off;
    pragma synchronous = off;
    pragma locking_mode = exclusive;
    pragma foreign_keys = off;
    pragma temp_store = memory;
    pragma cache_size = -131072;
";

/// Makes the demo as an SQLite file that does not exist yet. The file appears under its name when it is complete.
///
/// `progress` is told the table and the number of its rows so far, every 10,000 rows and at the table's end.
///
/// # Errors
/// When the options are out of bounds, the file exists, or it can't be written.
pub fn into_sqlite(
    path: &Path,
    options: &DemoOptions,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<DemoSummary, DemoError> {
    let options = options.validated(true)?;
    refuse_existing(path)?;
    let unfinished = Unfinished::beside(path)?;

    let summary = build(&unfinished.0, &options, progress)?;
    File::open(&unfinished.0).and_then(|file| file.sync_all()).map_err(|source| DemoError::file(path, source))?;
    unfinished.finish(path)?;
    Ok(summary)
}

fn build(path: &Path, options: &DemoOptions, progress: &mut dyn FnMut(&str, u64)) -> Result<DemoSummary, DemoError> {
    let business = Business::new(options)?;
    let connection = Connection::open(path)?;
    connection.execute_batch(WHILE_BUILDING)?;
    connection.execute_batch("begin")?;
    connection.execute_batch(SQLITE_TABLES.sql)?;
    let summary = fill(&business, &mut Database(&connection), progress)?;
    for migration in &SQLITE_KEYS {
        connection.execute_batch(migration.sql)?;
    }
    write_history(&connection, options)?;
    connection.execute_batch("analyze; commit")?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(summary)
}

fn write_history(connection: &Connection, options: &DemoOptions) -> rusqlite::Result<()> {
    connection.execute_batch(SQLITE_HISTORY)?;
    let migrations = std::iter::once(&SQLITE_TABLES).chain(&SQLITE_KEYS);
    for row in history(migrations, options.first_month) {
        connection.execute(
            "insert into flyway_schema_history values (?1, ?2, ?3, 'SQL', ?4, ?5, 'demo', ?6, 0, 1)",
            params![row.rank, row.version, row.description, row.script, row.checksum, row.installed_on],
        )?;
    }
    Ok(())
}

fn refuse_existing(path: &Path) -> Result<(), DemoError> {
    match path.symlink_metadata() {
        Ok(_) => Err(DemoError::Exists { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(DemoError::file(path, source)),
    }
}

/// The file while it is being made, gone again unless finished.
struct Unfinished(PathBuf);

impl Unfinished {
    /// A new file in the folder of `path`, with a name that no other process uses.
    fn beside(path: &Path) -> Result<Self, DemoError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.unfinished", std::process::id()));
        let unfinished = path.with_file_name(name);
        File::create_new(&unfinished).map_err(|source| DemoError::file(&unfinished, source))?;
        Ok(Self(unfinished))
    }

    fn finish(self, path: &Path) -> Result<(), DemoError> {
        refuse_existing(path)?;
        fs::rename(&self.0, path).map_err(|source| DemoError::file(path, source))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the rename there is nothing left to remove, and a failure to tidy up must not hide the first error.
        let _ = fs::remove_file(&self.0);
    }
}

struct Database<'c>(&'c Connection);

impl Store for Database<'_> {
    fn load(
        &mut self,
        table: &Table,
        rows: &mut dyn FnMut(&mut Writer<'_>) -> Result<(), DemoError>,
    ) -> Result<(), DemoError> {
        let places = vec!["?"; table.columns.len()].join(", ");
        let columns = table.columns.join(", ");
        let mut insert = self.0.prepare(&format!("insert into {} ({columns}) values ({places})", table.name))?;
        rows(&mut |cells| {
            insert.execute(params_from_iter(cells))?;
            Ok(())
        })
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match *self {
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Id(id) => id.hyphenated().to_string().into(),
            Self::Whole(number) => number.into(),
            Self::Cents(number) | Self::Instant(number) => number.into(),
            Self::Degrees(millionths) => (f64::from(millionths) / 1e6).into(),
            Self::Date(date) => date.to_string().into(),
            Self::Minutes(minutes) => format!("{:02}:{:02}:00", minutes / 60, minutes % 60).into(),
            Self::Flag(flag) => flag.into(),
        })
    }
}
