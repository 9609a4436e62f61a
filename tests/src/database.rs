//! A demo in either database, and its raw rows.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::PathBuf,
    sync::{Mutex, OnceLock, PoisonError},
};

use jiff::{
    Timestamp,
    civil::{DateTime, date},
    tz::TimeZone,
};
use pipeline::{
    config::DatabaseAddress,
    demo::{DemoOptions, into_sqlite},
};
use postgres::SimpleQueryMessage;
use rusqlite::{Connection, types::ValueRef};
use tempfile::TempDir;

use crate::{cells::Cell, guard::shared_folder, postgres::PostgresDatabase};

/// A few hundred tickets of two months.
pub const SMALL: DemoOptions = demo(400, 2);

/// Enough tickets to show everything that a controller looks for.
pub const MEDIUM: DemoOptions = demo(2000, 3);

/// So many tickets, issued in so many months from January 2025.
#[must_use]
pub const fn demo(tickets: u64, months: u32) -> DemoOptions {
    DemoOptions { tickets, first_month: date(2025, 1, 1), months, seed: 1 }
}

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A PostgreSQL server's.
    Postgres,
    /// A SQLite file.
    Sqlite,
}

/// A database of a test's own; gone when dropped.
#[derive(Debug)]
pub enum Database {
    /// In the server of this process.
    Postgres(PostgresDatabase),
    /// A file in a folder of its own.
    Sqlite(TempDir),
}

/// A row as it is in the database, by column.
pub type RawRow = BTreeMap<String, Cell>;

impl Database {
    /// A demo. The same options are made only once, and copied from then on.
    ///
    /// # Panics
    /// When it can't be made.
    #[must_use]
    pub fn demo(kind: Kind, options: &DemoOptions) -> Self {
        static TEMPLATES: OnceLock<Mutex<HashMap<String, PathBuf>>> = OnceLock::new();
        match kind {
            Kind::Postgres => Self::Postgres(PostgresDatabase::demo(options)),
            Kind::Sqlite => {
                let mut templates =
                    TEMPLATES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
                let number = templates.len();
                let template = templates.entry(format!("{options:?}")).or_insert_with(|| {
                    let file = shared_folder().join(format!("template-{number}.sqlite"));
                    into_sqlite(&file, options, &mut |_, _| {}).unwrap();
                    file
                });
                let folder = tempfile::tempdir().unwrap();
                fs::copy(template, file(&folder)).unwrap();
                Self::Sqlite(folder)
            }
        }
    }

    /// Which database it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Postgres(_) => Kind::Postgres,
            Self::Sqlite(_) => Kind::Sqlite,
        }
    }

    /// What `DATABASE_URL` must say.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Postgres(database) => database.url(),
            Self::Sqlite(folder) => format!("sqlite://{}", file(folder).display()),
        }
    }

    /// The address as the library takes it.
    ///
    /// # Panics
    /// When the library refuses it.
    #[must_use]
    pub fn address(&self) -> DatabaseAddress {
        DatabaseAddress::parse(&self.url()).unwrap()
    }

    /// The PostgreSQL database that this is.
    ///
    /// # Panics
    /// When it is another.
    #[must_use]
    pub fn postgres(&self) -> &PostgresDatabase {
        match self {
            Self::Postgres(database) => database,
            Self::Sqlite(_) => panic!("this is SQLite"),
        }
    }

    /// A connection to the SQLite file that this is.
    ///
    /// # Panics
    /// When it is another, or can't be opened.
    #[must_use]
    pub fn sqlite(&self) -> Connection {
        match self {
            Self::Sqlite(folder) => Connection::open(file(folder)).unwrap(),
            Self::Postgres(_) => panic!("this is PostgreSQL"),
        }
    }

    /// Runs statements that mean the same in both.
    ///
    /// # Panics
    /// When one of them fails.
    pub fn execute(&self, sql: &str) {
        match self {
            Self::Postgres(database) => database.execute(sql),
            Self::Sqlite(_) => self.sqlite().execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}")),
        }
    }

    /// An amount of cents as the database's SQL writes it.
    #[must_use]
    pub fn amount(&self, cents: i64) -> String {
        match self {
            Self::Postgres(_) => format!("({cents} / 100.0)"),
            Self::Sqlite(_) => cents.to_string(),
        }
    }

    /// An instant as the database's SQL writes it.
    ///
    /// # Panics
    /// When the text is no instant.
    #[must_use]
    pub fn instant(&self, text: &str) -> String {
        match self {
            Self::Postgres(_) => format!("timestamptz '{text}'"),
            Self::Sqlite(_) => text.parse::<Timestamp>().unwrap().as_microsecond().to_string(),
        }
    }

    /// All rows of a table, by nothing more than `SELECT *`, read as text and by another client than the report's.
    ///
    /// # Panics
    /// When the table can't be read.
    #[must_use]
    pub fn table(&self, table: &str) -> Vec<RawRow> {
        let sql = format!("SELECT * FROM {table}");
        match self {
            Self::Postgres(database) => {
                let mut client = database.client();
                client.batch_execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'").unwrap();
                let messages = client.simple_query(&sql).unwrap();
                let rows = messages.iter().filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(row),
                    _ => None,
                });
                let cell = |name: &str, text: Option<&str>| {
                    text.map_or(Cell::Null, |text| meaning(name, text, cents_of_decimal, micros_of_text))
                };
                rows.map(|row| {
                    let cells = row.columns().iter().enumerate();
                    cells.map(|(i, column)| (column.name().to_owned(), cell(column.name(), row.get(i)))).collect()
                })
                .collect()
            }
            Self::Sqlite(_) => {
                let connection = self.sqlite();
                let mut statement = connection.prepare(&sql).unwrap();
                let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
                let mut rows = statement.query([]).unwrap();
                let mut all = Vec::new();
                while let Some(row) = rows.next().unwrap() {
                    let cell = |i: usize, name: &str| {
                        let text = match row.get_ref(i).unwrap() {
                            ValueRef::Null => return Cell::Null,
                            ValueRef::Integer(number) => number.to_string(),
                            ValueRef::Real(number) => number.to_string(),
                            ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
                            ValueRef::Blob(_) => panic!("{table}.{name} is a blob"),
                        };
                        let number = |text: &str| text.parse::<i64>().unwrap();
                        meaning(name, &text, |text| number(text).into(), number)
                    };
                    all.push(names.iter().enumerate().map(|(i, name)| (name.clone(), cell(i, name))).collect());
                }
                all
            }
        }
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("traindb.sqlite")
}

/// What the text of a column means.
fn meaning(column: &str, text: &str, cents: impl Fn(&str) -> i128, micros: impl Fn(&str) -> i64) -> Cell {
    match column {
        "price" | "total_amount" | "amount" | "refunded_amount" => Cell::Money(cents(text)),
        "service_date" => Cell::Date(text.parse().unwrap()),
        "departure_time" | "arrival_time" => Cell::Time(text.parse().unwrap()),
        "carriage_number" | "capacity" => Cell::Integer(text.parse().unwrap()),
        "processed_at" | "paid_at" | "issued_at" | "created_at" | "expires_at" => Cell::Instant(micros(text)),
        _ => Cell::Text(text.to_owned()),
    }
}

fn cents_of_decimal(text: &str) -> i128 {
    let (whole, cents) = text.split_once('.').unwrap();
    assert_eq!(cents.len(), 2, "{text}");
    format!("{whole}{cents}").parse().unwrap()
}

fn micros_of_text(text: &str) -> i64 {
    let civil: DateTime = text.strip_suffix("+00").unwrap().parse().unwrap();
    TimeZone::UTC.to_ambiguous_timestamp(civil).unambiguous().unwrap().as_microsecond()
}
