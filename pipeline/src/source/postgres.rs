//! PostgreSQL: a coordinator's transaction exports its snapshot, and every other connection reads in that snapshot.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use ::postgres::{
    Client, Config, Error as PgError, NoTls, Socket,
    tls::{MakeTlsConnect, TlsConnect},
    types::{self, Type},
};
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Utc};
use connectorx::{
    data_order::DataOrder,
    sources::{
        PartitionParser, Produce, Source, SourcePartition,
        postgres::{
            BinaryProtocol, PostgresBinarySourcePartitionParser, PostgresSource, PostgresSourceError, rewrite_tls_args,
        },
    },
    sql::CXQuery,
};
use jiff::Timestamp;
use postgres_openssl::MakeTlsConnector;
use rust_decimal::Decimal;
use url::Url;

use super::{
    Cut, SourceError,
    batch::{Cells, Reason, read_rows},
    explain::{explain, explain_source},
    fill,
    record::{self, Record},
};
use crate::{
    columns::{Kind, Table},
    manifest::{self, Money, Total, Totals},
};

/// What our transactions ask of the server. No compilation, which takes longer than it saves. No helping processes: up to
/// three connections work at once anyway, and these would only take the cores from each other and from whoever sells
/// tickets. Memory for sorts and joins that otherwise go through temporary files; a server that grants more keeps it.
const SETTINGS: [&str; 3] = [
    "SET LOCAL jit = off",
    "SET LOCAL max_parallel_workers_per_gather = 0",
    "SELECT set_config('work_mem', '16MB', true) WHERE pg_size_bytes(current_setting('work_mem')) < 16777216",
];

/// How long to wait for a lock. Our connections wait for each other in ways that the server can't see: one that holds its
/// locks, idle, for the others keeps a migration waiting, and behind that migration the others would wait for ever, and
/// whoever sells tickets with them. What the address asks for itself comes after it, and counts.
const LOCK_TIMEOUT: &str = "-c lock_timeout=10s";

/// How long to wait for the server's first answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

pub(super) fn sql(table: &Table) -> &'static str {
    match table.name {
        "tickets" => include_str!("sql/postgres/tickets.sql"),
        "bookings" => include_str!("sql/postgres/bookings.sql"),
        "payments" => include_str!("sql/postgres/payments.sql"),
        "refunds" => include_str!("sql/postgres/refunds.sql"),
        _ => include_str!("sql/postgres/trips.sql"),
    }
}

/// A connection to a server, and what more of them need.
pub struct PostgresSession {
    client: Client,
    config: Config,
    tls: Option<MakeTlsConnector>,
    address: String,
}

impl PostgresSession {
    /// Connects within five seconds, or says what is wrong. `name` becomes the connection's `application_name`.
    ///
    /// # Errors
    /// When the server can't be reached or lets us not in.
    pub fn open(url: &Url, address: &str, name: &str) -> Result<Self, SourceError> {
        let unusable = |e: PostgresSourceError| SourceError::Tls { address: address.to_owned(), reason: e.to_string() };
        let (mut config, tls) = rewrite_tls_args(url).map_err(unusable)?;
        config.application_name(name).connect_timeout(CONNECT_WITHIN).keepalives_idle(Duration::from_secs(30));
        let plain = config.clone();
        let options = format!("{LOCK_TIMEOUT} {}", config.get_options().unwrap_or_default());
        config.options(options.trim_end());
        let mut answer = connect(&config, tls.as_ref());
        // A pooler in between may not let them through.
        if let Ok(Err(error)) = &answer
            && error.as_db_error().is_some_and(|error| error.message().contains("startup parameter"))
        {
            config = plain;
            answer = connect(&config, tls.as_ref());
        }
        match answer {
            Ok(Ok(client)) => Ok(Self { client, config, tls, address: address.to_owned() }),
            Ok(Err(error)) => Err(explain(&error, address, "the connection")),
            Err(_) => Err(SourceError::Unreachable {
                address: address.to_owned(),
                reason: format!("no answer within {} seconds", CONNECT_WITHIN.as_secs()),
            }),
        }
    }

    /// The connection itself.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Makes the cut: from here on everything is read as of this moment.
    ///
    /// # Errors
    /// When the server fails.
    pub fn cut(mut self, start: Timestamp, end: Timestamp) -> Result<PostgresCut, SourceError> {
        let begun = self
            .client
            .batch_execute(&format!(
                // It stays open, idle, as long as others read in its snapshot.
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0; {}",
                SETTINGS.join("; ")
            ))
            .and_then(|()| self.client.query_one("SELECT pg_export_snapshot(), now()", &[]));
        let row = begun.map_err(|e| explain(&e, &self.address, "the cut"))?;
        let at: DateTime<Utc> = row.get(1);
        let at = Timestamp::from_microsecond(at.timestamp_micros())
            .map_err(|e| SourceError::Other { what: "the database's clock".to_owned(), reason: e.to_string() })?;
        let literal = |instant: Timestamp| format!("timestamptz '{instant}'");
        Ok(PostgresCut {
            cut: manifest::Cut { at, snapshot: Some(row.get(0)) },
            coordinator: Mutex::new(self.client),
            config: self.config,
            tls: self.tls,
            address: self.address,
            start: literal(start),
            end: literal(end),
        })
    }
}

/// What the server answers to a new connection within the time for it.
fn connect(config: &Config, tls: Option<&MakeTlsConnector>) -> Result<Result<Client, PgError>, RecvTimeoutError> {
    // The client's own limit covers the TCP connection only: a server that accepts and then says nothing would hold us
    // for ever.
    let (send, receive) = mpsc::channel();
    let (config, tls) = (config.clone(), tls.cloned());
    std::thread::spawn(move || {
        let connected = match tls {
            Some(tls) => config.connect(tls),
            None => config.connect(NoTls),
        };
        // Nobody listens any more once the time was over.
        let _ = send.send(connected);
    });
    receive.recv_timeout(CONNECT_WITHIN)
}

/// Ends whatever connections of this name still do in the database. For interrupted runs, whose queries the server
/// would otherwise finish for nobody.
///
/// # Errors
/// When the server can't be reached or refuses.
pub fn cancel_backends(url: &Url, address: &str, name: &str) -> Result<(), SourceError> {
    let mut session = PostgresSession::open(url, address, "ticketing-report-cancel")?;
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
    // One that is just being opened is no backend of this name yet: look until there has been none for a while.
    let mut looks_without = 0;
    while looks_without < LOOKS_WITHOUT {
        let ended = session.client.execute(sql, &[&name]).map_err(|e| explain(&e, address, "the cancellation"))?;
        looks_without = if ended == 0 { looks_without + 1 } else { 0 };
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// How many looks must find no connection, before there is none.
const LOOKS_WITHOUT: u32 = 4;

/// How long to wait between two of them.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// A cut of a PostgreSQL database.
pub struct PostgresCut {
    cut: manifest::Cut,
    /// Its open transaction keeps the snapshot alive.
    coordinator: Mutex<Client>,
    config: Config,
    tls: Option<MakeTlsConnector>,
    address: String,
    start: String,
    end: String,
}

impl PostgresCut {
    fn cancel_queries(&self) -> Result<(), PgError> {
        let mut client = match &self.tls {
            Some(tls) => self.config.connect(tls.clone())?,
            None => self.config.connect(NoTls)?,
        };
        client.batch_execute(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
             WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()",
        )
    }

    fn query(&self, sql: &str, what: &str) -> Result<Vec<::postgres::Row>, SourceError> {
        let mut client = self.coordinator.lock().unwrap_or_else(PoisonError::into_inner);
        client.query(&fill(sql, &self.start, &self.end), &[]).map_err(|e| explain(&e, &self.address, what))
    }

    /// Reads the rows of any query that gives a table's columns. [`Cut::read`] does so with the table's own query.
    ///
    /// # Errors
    /// When the database fails or a value breaks a rule.
    pub fn read_query(
        &self,
        query: &str,
        table: &'static Table,
        take: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<(), SourceError> {
        // connectorx panics rather than fail, as when it finds a type that it doesn't know.
        let read = catch_unwind(AssertUnwindSafe(|| match &self.tls {
            Some(tls) => self.read_with(tls.clone(), query, table, take),
            None => self.read_with(NoTls, query, table, take),
        }));
        read.unwrap_or_else(|_| {
            Err(SourceError::Schema(format!("a column of {} has a type that can't be read", table.name)))
        })
    }

    fn read_with<C>(
        &self,
        tls: C,
        query: &str,
        table: &'static Table,
        take: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<(), SourceError>
    where
        C: MakeTlsConnect<Socket> + Clone + 'static + Sync + Send,
        C::TlsConnect: Send,
        C::Stream: Send,
        <C::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let failed = |e: PostgresSourceError| explain_source(e, &self.address, table.name);
        // connectorx tries for half a minute to get a connection that the server refuses: ask before it does.
        let refused = |e| explain(&e, &self.address, table.name);
        let mut first = self.config.connect(tls.clone()).map_err(refused)?;
        conforms(table, first.prepare(query).map_err(refused)?.columns())?;
        drop(first);
        let mut source = PostgresSource::<BinaryProtocol, C>::new(self.config.clone(), tls, 1).map_err(failed)?;
        let snapshot = self.cut.snapshot.as_deref().unwrap_or_default();
        source.set_data_order(DataOrder::RowMajor).map_err(failed)?;
        source.set_queries(&[CXQuery::naked(record::wrapped(query))]);
        let begin = [
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned(),
            format!("SET TRANSACTION SNAPSHOT '{snapshot}'"),
        ];
        source.set_pre_execution_queries(Some(&[&begin[..], &SETTINGS.map(str::to_owned)].concat()));
        source.fetch_metadata().map_err(failed)?;
        for mut partition in source.partition().map_err(failed)? {
            let mut parser = partition.parser().map_err(failed)?;
            let record = Record::default();
            read_rows(&mut PostgresCells { parser: &mut parser, record, address: &self.address, table }, table, take)?;
        }
        Ok(())
    }
}

impl Cut for PostgresCut {
    fn cut(&self) -> &manifest::Cut {
        &self.cut
    }

    fn count(&self) -> Result<u64, SourceError> {
        let sql = "SELECT count(*) FROM tickets WHERE issued_at >= {start} AND issued_at < {end}";
        let rows = self.query(sql, "the number of tickets")?;
        let count: i64 = rows.first().map_or(0, |row| row.get(0));
        Ok(count.unsigned_abs())
    }

    fn controls(&self) -> Result<BTreeMap<String, Totals>, SourceError> {
        let mut controls: BTreeMap<String, Totals> = BTreeMap::new();
        for row in self.query(include_str!("sql/postgres/controls.sql"), "the control totals")? {
            let table: String = row.get(0);
            let currency: Option<String> = row.get(1);
            let rows: i64 = row.get(2);
            let amount: Option<String> = row.get(3);
            let parsed = amount.as_deref().map_or(Ok(Decimal::ZERO), str::parse);
            let amount = parsed.map_err(|e| e.to_string()).and_then(sum_in_minor_units);
            // A sum that is NaN or finer than a cent is the sum of a row that is: reading the rows names it.
            let Ok(amount) = amount else { continue };
            let total = Total { rows: rows.unsigned_abs(), amount: Money(amount) };
            controls.entry(table).or_default().insert(currency.unwrap_or_default(), total);
        }
        Ok(controls)
    }

    fn read(&self, table: &'static Table, take: &mut dyn FnMut(RecordBatch) -> bool) -> Result<(), SourceError> {
        self.read_query(&fill(sql(table), &self.start, &self.end), table, take)
    }

    fn stop(&self) {
        // That it can't be done is only a consequence of what has stopped the report.
        let _ = self.cancel_queries();
    }
}

fn sum_in_minor_units(sum: Decimal) -> Result<i128, Reason> {
    let exact = sum.normalize();
    let missing = 2_u32.checked_sub(exact.scale()).ok_or("finer than a cent")?;
    Ok(exact.mantissa() * 10_i128.pow(missing))
}

/// Whether the query's columns are those that the table declares.
fn conforms(table: &Table, columns: &[::postgres::Column]) -> Result<(), SourceError> {
    for (column, given) in table.columns.iter().zip(columns) {
        let found = given.type_();
        let fits = match column.kind {
            // An enum is sent as its label.
            Kind::Text => {
                [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME].contains(found)
                    || matches!(found.kind(), types::Kind::Enum(_))
            }
            Kind::Key => *found == Type::UUID,
            Kind::Integer => *found == Type::INT8,
            Kind::Money => *found == Type::NUMERIC,
            Kind::Date => *found == Type::DATE,
            Kind::Time => *found == Type::TIME,
            Kind::Instant => *found == Type::TIMESTAMPTZ,
        };
        if !fits || given.name() != column.name {
            return Err(SourceError::Schema(format!(
                "the column `{}` of {} has the type `{found}`, expected {}",
                given.name(),
                table.name,
                column.kind.name()
            )));
        }
    }
    Ok(())
}

struct PostgresCells<'a, 'b> {
    parser: &'b mut PostgresBinarySourcePartitionParser<'a>,
    record: Record,
    address: &'b str,
    table: &'static Table,
}

impl PostgresCells<'_, '_> {
    fn cell<T>(&mut self, read: impl FnOnce(&[u8]) -> Result<T, Reason>) -> Result<Option<T>, Reason> {
        self.record.field()?.map(read).transpose()
    }
}

impl Cells for PostgresCells<'_, '_> {
    fn fetch(&mut self) -> Result<(usize, bool), SourceError> {
        self.parser.fetch_next().map_err(|e| explain_source(e, self.address, self.table.name))
    }

    fn next_row(&mut self) -> Result<(), SourceError> {
        let bytes: Vec<u8> = self.parser.produce().map_err(|e| explain_source(e, self.address, self.table.name))?;
        self.record = Record::new(bytes, self.table.columns.len())
            .map_err(|reason| SourceError::Other { what: self.table.name.to_owned(), reason })?;
        Ok(())
    }

    fn text(&mut self, take: impl FnOnce(Option<&[u8]>) -> Result<(), Reason>) -> Result<(), Reason> {
        take(self.record.field()?)
    }

    fn key(&mut self, take: impl FnOnce(Option<&[u8]>) -> Result<(), Reason>) -> Result<(), Reason> {
        take(self.cell(record::key)?.as_ref().map(|key| &key[..]))
    }

    fn integer(&mut self) -> Result<Option<i64>, Reason> {
        self.cell(record::integer)
    }

    fn money(&mut self) -> Result<Option<i128>, Reason> {
        self.cell(record::amount)
    }

    fn date(&mut self) -> Result<Option<i32>, Reason> {
        self.cell(record::date)
    }

    fn time(&mut self) -> Result<Option<i64>, Reason> {
        self.cell(record::time)
    }

    fn instant(&mut self) -> Result<Option<i64>, Reason> {
        self.cell(record::instant)
    }
}
