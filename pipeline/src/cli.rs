//! The command line of `ticketing-report`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, builder::FalseyValueParser};
use clap_complete::Shell;
use jiff::Timestamp;

use crate::{
    config::ConfigError,
    error::Error,
    locale::Locale,
    manifest::Compression,
    period::{self, NamedPeriod, PeriodError, PeriodId, ReportPeriod, ReportTimeZone},
};

const REPORT_EXAMPLES: &str = "\
Examples:
  ticketing-report                                     the running month, to ./reports and ./ticketing-report.xlsx
  ticketing-report --period previous-month             the month before
  ticketing-report --start-date 2025-01-01 --end-date 2025-01-31 --output report.xlsx

Database: DATABASE_URL (postgres://user:password@host:5432/traindb or sqlite://file.sqlite), or DB_HOST (localhost),
DB_PORT (5432), DB_NAME (traindb), DB_USER (postgres) and DB_PASSWORD; also from a file `.env`.

Exit codes: 0 done, unchanged, or published with failed controls; 2 usage; 65 data that breaks a rule, damaged
snapshot, controls that fail with --strict; 73 can't write; 75 try again;
78 configuration; 130 and 143 interrupted; 1 anything else.";

const PRUNE_EXAMPLES: &str = "\
Examples:
  ticketing-report prune --store ./reports                                  what would go
  ticketing-report prune --store ./reports --apply                          retire it; what was retired a day ago goes
  ticketing-report prune --store ./reports --keep-workbooks-days 90 --apply

An edition goes in two steps: retired, it is no longer listed, but its Parquet files stay for the grace time, so that
nobody who reads them is cut off; the next call after that removes them. A period's newest edition always stays.";

/// Turns the ticketing database into a month's Excel workbook and Parquet snapshot.
#[derive(Debug, Parser)]
#[command(name = "ticketing-report", version, args_conflicts_with_subcommands = true, after_help = REPORT_EXAMPLES)]
pub struct Cli {
    /// What to do instead of making a report.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The report.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// The period and its time zone.
#[derive(Debug, Clone, Args)]
pub struct PeriodArgs {
    /// First day, YYYY-MM-DD, inclusive; where only the last is given, the 1st of this month
    #[arg(long, value_name = "DATE")]
    pub start_date: Option<String>,
    /// Last day, YYYY-MM-DD, inclusive; where only the first is given, today
    #[arg(long, value_name = "DATE")]
    pub end_date: Option<String>,
    /// Instead of two dates: current-month, previous-month or YYYY-MM
    #[arg(long, value_name = "PERIOD", conflicts_with_all = ["start_date", "end_date"])]
    pub period: Option<String>,
    /// Time zone whose midnights bound the days, an IANA name
    #[arg(long, value_name = "ZONE", env = "REPORT_TIME_ZONE", default_value = "UTC")]
    pub time_zone: String,
}

impl PeriodArgs {
    /// The time zone and, seen from `now`, the days.
    ///
    /// # Errors
    /// When a date, the month or the zone is wrong.
    pub fn resolve(&self, now: Timestamp, default: NamedPeriod) -> Result<(ReportPeriod, ReportTimeZone), PeriodError> {
        let zone: ReportTimeZone = self.time_zone.parse()?;
        let today = zone.date_at(now);
        if let Some(named) = &self.period {
            return Ok((named.parse::<NamedPeriod>()?.resolve(today)?, zone));
        }
        if self.start_date.is_none() && self.end_date.is_none() {
            return Ok((default.resolve(today)?, zone));
        }
        let or = |given: &Option<String>, name: &str, default| match given {
            Some(text) => period::date(name, text),
            None => Ok(default),
        };
        let first = or(&self.start_date, "--start-date", today.first_of_month())?;
        let last = or(&self.end_date, "--end-date", today)?;
        if self.start_date.is_none() && first > last {
            return Err(PeriodError::NoStart { first, last });
        }
        Ok((ReportPeriod::new(first, last, today)?, zone))
    }
}

/// Where the store is.
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    /// Folder or bucket that keeps every edition: a path, file://, s3://, gs:// or az:// [default: ./reports]
    #[arg(long, value_name = "STORE", env = "REPORT_STORE")]
    pub store: Option<String>,
}

impl StoreArgs {
    /// The store's address.
    #[must_use]
    pub fn address(&self) -> &str {
        self.store.as_deref().filter(|store| !store.is_empty()).unwrap_or("./reports")
    }
}

/// How a report is made.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// The days.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Extra copy of the workbook [default: ticketing-report.xlsx, unless a store is named]
    #[arg(long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Make a new edition even if the data hasn't changed
    #[arg(long)]
    pub force: bool,
    /// End with 65 when no ticket was issued in the period
    #[arg(long)]
    pub fail_if_empty: bool,
    /// Threads that write the sheet [default: as many as the CPU quota allows]
    #[arg(long, value_name = "NUMBER", env = "REPORT_THREADS", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// How small the workbook is made: `small` takes several times longer
    #[arg(long, value_enum, env = "REPORT_COMPRESSION", default_value_t = Compression::Fast)]
    pub compression: Compression,
    /// Publish nothing and end with 65 when a control fails, instead of marking the edition
    #[arg(long, env = "REPORT_STRICT", value_parser = FalseyValueParser::new())]
    pub strict: bool,
    /// Language of the workbook's own sheets
    #[arg(long, value_enum, env = "REPORT_LOCALE", default_value_t = Locale::En)]
    pub locale: Locale,
    /// Company's name on the workbook's own sheets
    #[arg(long, value_name = "NAME", env = "REPORT_COMPANY")]
    pub company: Option<String>,
    /// Company's logo, a PNG or JPEG file of at most 100 KiB
    #[arg(long, value_name = "FILE", env = "REPORT_LOGO")]
    pub logo: Option<String>,
    /// Company's colour for headings and charts, as RRGGBB
    #[arg(long, value_name = "COLOUR", env = "REPORT_ACCENT")]
    pub accent: Option<String>,
    /// Tell nothing but failures and the last line
    #[arg(long, short)]
    pub quiet: bool,
    /// Number of the server's job that asks
    #[arg(long, value_name = "NUMBER", env = "REPORT_JOB", hide = true)]
    pub job: Option<u32>,
    /// Months of the server's backfill, of which this run makes one: YYYY-MM,YYYY-MM
    #[arg(long, value_name = "MONTHS", env = "REPORT_MONTHS", hide = true,
        conflicts_with_all = ["start_date", "end_date", "period"])]
    pub months: Option<String>,
    /// Which of them, counted from 0
    #[arg(long, value_name = "NUMBER", env = "JOB_COMPLETION_INDEX", hide = true)]
    pub month_index: Option<String>,
    /// Name of the Kubernetes Job that runs this: if the schedule made it, previous-month is that of its time
    #[arg(long, value_name = "JOB", env = "REPORT_SCHEDULED_BY")]
    pub scheduled_by: Option<String>,
    /// Time zone of that schedule, the CronJob's timeZone: in it the schedule's time lies in a month
    #[arg(long, value_name = "ZONE", env = "REPORT_SCHEDULE_TIME_ZONE")]
    pub schedule_time_zone: Option<String>,
}

impl ReportArgs {
    /// The time zone and, seen from `now`, the days. A late or repeated run of the schedule reports the month before the
    /// one in which it was due by the schedule's own zone.
    ///
    /// # Errors
    /// When a date, the month or a zone is wrong, the month isn't over yet in the report's zone, or nothing says by which
    /// zone the schedule goes and it matters.
    pub fn resolve(&self, now: Timestamp) -> Result<(ReportPeriod, ReportTimeZone), Error> {
        let (period, zone) = self.period()?.resolve(now, NamedPeriod::CurrentMonth)?;
        let scheduled = self.scheduled_by.as_deref().and_then(period::scheduled_at);
        let Some(at) = scheduled.filter(|_| self.period.period.as_deref() == Some("previous-month")) else {
            return Ok((period, zone));
        };
        let schedule = self.schedule_time_zone.as_deref().filter(|name| !name.is_empty());
        let schedule = schedule.map(str::parse::<ReportTimeZone>).transpose()?;
        let day = schedule.clone().unwrap_or_else(ReportTimeZone::utc).date_at(at);
        let name = zone.name().to_owned();
        if schedule.is_none() && day.first_of_month() != zone.date_at(at).first_of_month() {
            return Err(ConfigError::UnknownSchedule { at, zone: name }.into());
        }
        let period = NamedPeriod::PreviousMonth.resolve(day)?;
        if period.bounds(&zone)?.1 > now {
            return Err(ConfigError::NotOver { day, period, zone: name }.into());
        }
        Ok((period, zone))
    }

    /// The days; in a backfill those of the month that the index names.
    ///
    /// # Errors
    /// When they are wrong, or there is no such month.
    pub fn period(&self) -> Result<PeriodArgs, ConfigError> {
        let Some(months) = self.months.as_deref().filter(|months| !months.is_empty()) else {
            return Ok(self.period.clone());
        };
        let month = month_of(months, self.month_index.as_deref())?;
        Ok(PeriodArgs { period: Some(month), ..self.period.clone() })
    }

    /// Whether this run makes one of a backfill's months.
    #[must_use]
    pub fn is_of_backfill(&self) -> bool {
        self.months.as_ref().is_some_and(|months| !months.is_empty())
    }

    /// Where the extra copy goes: as asked, or to the default when neither it nor a store is named.
    #[must_use]
    pub fn output(&self) -> Option<PathBuf> {
        let no_store = self.store.store.as_deref().is_none_or(str::is_empty);
        self.output.clone().or_else(|| no_store.then(|| PathBuf::from("ticketing-report.xlsx")))
    }

    /// Threads that write the sheet.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.map_or_else(available_threads, usize::from)
    }
}

/// The month of a list that an index names.
fn month_of(months: &str, index: Option<&str>) -> Result<String, ConfigError> {
    let all: Vec<&str> = months.split(',').collect();
    if all.iter().any(|month| !matches!(month.parse(), Ok(PeriodId::Month(_)))) {
        return Err(ConfigError::Months(months.to_owned()));
    }
    let at = index.and_then(|index| index.parse::<usize>().ok());
    let month = at.and_then(|at| all.get(at));
    month
        .map(|month| (*month).to_owned())
        .ok_or_else(|| ConfigError::MonthIndex { index: index.unwrap_or_default().to_owned(), last: all.len() - 1 })
}

/// Threads that this process may use at once.
#[must_use]
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Everything but making a report.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a demo database, in SQLite or in an empty PostgreSQL
    #[command(
        after_help = "Example:\n  ticketing-report demo sqlite://demo.sqlite --tickets 20000 --from 2025-01 --months 12"
    )]
    Demo(DemoArgs),
    /// Find out why a report is empty or failing; without a period, that of the month before
    #[command(after_help = "Example:\n  ticketing-report check --period previous-month --store ./reports")]
    Check(CheckArgs),
    /// List the editions in the store
    #[command(after_help = "Example:\n  ticketing-report list --store ./reports --json")]
    List(ListArgs),
    /// Make an edition's workbook again from its Parquet file, without a database
    #[command(after_help = "Example:\n  ticketing-report render 2025-11 --edition 1 --output november.xlsx")]
    Render(RenderArgs),
    /// Copy all editions to another store, each file compared with its manifest
    #[command(after_help = "Example:\n  ticketing-report copy ./reports s3://train-reports/monthly")]
    Copy(CopyArgs),
    /// Remove old editions and workbooks; only says what it would do, without --apply
    #[command(after_help = PRUNE_EXAMPLES)]
    Prune(PruneArgs),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  ticketing-report completions bash > /etc/bash_completion.d/ticketing-report")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// How a demo database is made.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where: sqlite://FILE or postgres://… [default: the database of the environment]
    pub database: Option<String>,
    /// Number of tickets: 100 to 10 million, in SQLite to one million
    #[arg(long, default_value_t = 20_000)]
    pub tickets: u64,
    /// First month of sales, YYYY-MM [default: a year before this month]
    #[arg(long, value_name = "MONTH")]
    pub from: Option<String>,
    /// Number of months
    #[arg(long, default_value_t = 13)]
    pub months: u32,
    /// The same seed gives the same data
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Tell nothing but failures and the last line
    #[arg(long, short)]
    pub quiet: bool,
}

/// What to look at.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The days.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Finish and mend what earlier runs left in the store
    #[arg(long)]
    pub repair: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print JSON: the manifests
    #[arg(long)]
    pub json: bool,
}

/// What to render.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// The period's id: YYYY-MM, or YYYY-MM-DD_to_YYYY-MM-DD
    pub period: PeriodId,
    /// The edition's number [default: the newest]
    #[arg(long)]
    pub edition: Option<u32>,
    /// Where the workbook goes [default: its own name, here]
    #[arg(long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Threads that write the sheet [default: as many as the CPU quota allows]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
}

/// What to copy.
#[derive(Debug, Args)]
pub struct CopyArgs {
    /// The store to copy: a folder or an address
    pub from: String,
    /// The store to copy to
    pub to: String,
}

/// What to keep.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Newest editions of each period that are kept, whatever their age
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub keep_editions: u32,
    /// Editions made in so many days are kept, however many
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    pub keep_days: u32,
    /// Workbooks made before so many days are removed also of editions that are kept [default: none]
    #[arg(long, value_name = "DAYS")]
    pub keep_workbooks_days: Option<u32>,
    /// Hours for which the files of a retired edition stay
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    pub grace_hours: u32,
    /// Also remove files of editions that no manifest names
    #[arg(long)]
    pub unnamed: bool,
    /// Do it
    #[arg(long)]
    pub apply: bool,
    /// Print JSON: the steps
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_names_one_of_the_months() {
        let months = "2024-12,2025-01,2025-03";
        assert_eq!(month_of(months, Some("0")).as_deref(), Ok("2024-12"));
        assert_eq!(month_of(months, Some("2")).as_deref(), Ok("2025-03"));
        for index in [None, Some(""), Some("3"), Some("-1"), Some("one")] {
            let error = month_of(months, index).unwrap_err().to_string();
            let said = format!("JOB_COMPLETION_INDEX `{}` names none", index.unwrap_or_default());
            assert!(error.starts_with(&said) && error.contains("from 0 to 2"), "{error}");
        }
        for months in ["2025-13", "2025-01,", "2025-01 2025-02", "previous-month", "2025-01-01_to_2025-01-31"] {
            let error = month_of(months, Some("0")).unwrap_err().to_string();
            assert!(error.contains(&format!("REPORT_MONTHS `{months}`")), "{error}");
        }
    }
}
