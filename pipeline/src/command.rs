//! What the report command does: parse, act, and say it in one last line.

use std::{
    fs::File,
    io::{IsTerminal as _, Write as _},
    panic::catch_unwind,
    path::Path,
    sync::{Mutex, PoisonError},
};

use clap::{CommandFactory, Parser};
use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::{
    branding,
    check::{State, check},
    cli::{
        CheckArgs, Cli, Command, CopyArgs, DemoArgs, ListArgs, PruneArgs, RenderArgs, ReportArgs, available_threads,
    },
    config::DatabaseAddress,
    controls, copy,
    demo::{self, DemoOptions},
    error::Error,
    interrupt::{self, HalfMade},
    manifest::Manifest,
    output::Output,
    period::{NamedPeriod, PeriodId, ReportTimeZone},
    progress::{Event, Reporter},
    prune::{self, Action, Keep},
    render::render,
    run::{ReportRequest, run_report},
    source::PostgresSession,
    store::{Store, StoreError},
};

/// Runs the command; gives its exit code. Panics, the program's own and connectorx's, become one line like any error.
#[must_use]
pub fn main() -> u8 {
    static LAST: Mutex<String> = Mutex::new(String::new());
    std::panic::set_hook(Box::new(|panic| {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    }));
    let code = catch_unwind(run).unwrap_or_else(|_| {
        let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
        fail(&Reporter::for_stderr(), &Error::System(format!("a fault in the program, please report it: {last}")))
    });
    // A signal that is being handled ends the process, also where what it broke off counts as no failure.
    interrupt::wholly(|| ());
    code
}

fn run() -> u8 {
    if let Err(error) = read_dotenv() {
        return fail(&Reporter::quiet(), &error);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and the version are asked for, and go to stdout; what is wrong with the usage goes to stderr.
            let _ = error.print();
            return if error.use_stderr() { 2 } else { 0 };
        }
    };
    interrupt::watch();
    let reporter = match &cli.command {
        None if cli.report.quiet => Reporter::quiet(),
        None => Reporter::for_stderr(),
        Some(Command::Demo(args)) if !args.quiet => Reporter::for_stderr(),
        Some(_) => Reporter::quiet(),
    };
    let done = match &cli.command {
        None => report(&cli.report, &reporter),
        Some(Command::Demo(args)) => make_demo(args, &reporter),
        Some(Command::Check(args)) => return look(args, &reporter),
        Some(Command::List(args)) => list(args),
        Some(Command::Render(args)) => render_again(args),
        Some(Command::Copy(args)) => copy_store(args),
        Some(Command::Prune(args)) => prune_store(args),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "ticketing-report", &mut script);
            // Whoever has read enough closes the pipe: no failure.
            let _ = std::io::stdout().write_all(&script);
            Ok(())
        }
    };
    match done {
        Ok(()) => 0,
        Err(error) => fail(&reporter, &error),
    }
}

fn fail(reporter: &Reporter, error: &Error) -> u8 {
    // A signal that is being handled ends the queries, which fail then: it is the signal that ends the process.
    interrupt::wholly(|| ());
    let message = error.line();
    reporter.tell(&Event::Failed { message: &message, code: error.exit_code() });
    error.exit_code()
}

/// Prints a line for whoever reads stdout; that nobody does any more is no failure.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn read_dotenv() -> Result<(), Error> {
    match dotenvy::dotenv() {
        Ok(_) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        Err(error) => Err(Error::Config(crate::config::ConfigError::DotEnv(match error {
            // The line itself may hold a password.
            dotenvy::Error::LineParse(_, at) => format!("a line can't be read from its character {at} on"),
            other => other.to_string(),
        }))),
    }
}

fn database() -> Result<DatabaseAddress, Error> {
    Ok(DatabaseAddress::from_variables(|name| std::env::var(name).ok())?)
}

/// Opens a store that is there.
fn open(address: &str) -> Result<(Store, Option<HalfMade>), Error> {
    open_by(Store::existing, address)
}

/// Opens a store by one of its ways. What lies on this machine beside a bucket goes when this command ends, by a signal
/// too.
fn open_by(way: fn(&str) -> Result<Store, StoreError>, address: &str) -> Result<(Store, Option<HalfMade>), Error> {
    // A signal waits until the folder that has been made is known.
    interrupt::wholly(|| {
        let store = way(address)?;
        let scratch = store.scratch().map(|folder| HalfMade::new(folder.to_owned()));
        Ok((store, scratch))
    })
}

fn report(args: &ReportArgs, reporter: &Reporter) -> Result<(), Error> {
    let (period, zone) = args.resolve(Timestamp::now())?;
    let request = ReportRequest {
        period,
        zone,
        output: args.output(),
        job: args.job,
        of_backfill: args.is_of_backfill(),
        force: args.force,
        fail_if_empty: args.fail_if_empty,
        threads: args.threads(),
        compression: args.compression,
        strict: args.strict,
        locale: args.locale,
        branding: branding::read(args.company.as_deref(), args.logo.as_deref().map(Path::new), args.accent.as_deref())?,
    };
    let database = database()?;
    let (store, _scratch) = open_by(Store::open, args.store.address())?;
    let outcome = run_report(&request, &database, &store, reporter)?;
    let (rows, edition) = (outcome.manifest.rows, outcome.manifest.edition);
    let mut what =
        if outcome.unchanged { format!(", nothing has changed since edition {edition},") } else { String::new() };
    let failed: Vec<_> = outcome.manifest.failed_controls().map(controls::line).collect();
    if !failed.is_empty() {
        what = format!("{} ({}),", what.trim_end_matches(','), failed.join("; "));
    }
    say(&format!("{rows} rows{what} in {}", outcome.workbook));
    Ok(())
}

fn make_demo(args: &DemoArgs, reporter: &Reporter) -> Result<(), Error> {
    let address = args.database.as_deref().map_or_else(database, |url| Ok(DatabaseAddress::parse(url)?))?;
    let this_month = ReportTimeZone::utc().date_at(Timestamp::now()).first_of_month();
    let first_month = match &args.from {
        Some(month) => match month.parse() {
            Ok(PeriodId::Month(month)) => month.first(),
            _ => {
                return Err(Error::Usage(format!(
                    "`{month}` for --from is no month: write YYYY-MM, for example 2025-01"
                )));
            }
        },
        None => this_month.checked_sub(1.year()).unwrap_or(this_month),
    };
    let sqlite = matches!(address, DatabaseAddress::Sqlite(_));
    let options = DemoOptions { tickets: args.tickets, first_month, months: args.months, seed: args.seed };
    let options = options.validated(sqlite)?;
    let mut progress = |table: &str, rows: u64| {
        reporter.tell(&Event::Progress { stage: table, rows, of: None, bytes: None });
    };
    let made = match &address {
        DatabaseAddress::Sqlite(path) => demo::into_sqlite(path, &options, &mut progress)?,
        DatabaseAddress::Postgres(url) => {
            let mut session = PostgresSession::open(url, &address.to_string(), "ticketing-report-demo")?;
            demo::into_postgres(session.client(), &options, &mut progress)?
        }
    };
    say(&format!("{} tickets of {} bookings in {address}", made.tickets, made.bookings));
    Ok(())
}

/// Columns of a terminal that the findings of `check` take.
const CHECK_WIDTH: u16 = 100;

fn look(args: &CheckArgs, reporter: &Reporter) -> u8 {
    let asked = args.period.resolve(Timestamp::now(), NamedPeriod::PreviousMonth).map_err(Error::from);
    let ((period, zone), database) = match asked.and_then(|asked| Ok((asked, database()?))) {
        Ok(asked) => asked,
        Err(error) => return fail(reporter, &error),
    };
    let (store, _scratch) = match open(args.store.address()) {
        Ok((store, scratch)) => (Ok(store), scratch),
        Err(error) => (Err(error), None),
    };
    let findings = check(&database, period, &zone, store, args.repair);
    if args.json {
        say(&serde_json::to_string_pretty(&findings).unwrap_or_default());
    } else {
        let rows = findings.iter().map(|finding| {
            let mark = match finding.state {
                State::Ok => "ok",
                State::Warning => "warning",
                State::Failed => "FAILED",
            };
            [mark, &finding.subject, &finding.detail]
        });
        if std::io::stdout().is_terminal() {
            let mut table = Table::new();
            table.load_style(UTF8_HORIZONTAL_ONLY).set_header(["", "What", "Found"]);
            table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic).set_width(CHECK_WIDTH);
            say(&table.add_rows(rows).to_string());
        } else {
            rows.for_each(|[mark, subject, detail]| say(&format!("{mark:<8}{subject}: {detail}")));
        }
    }
    findings.iter().map(|finding| finding.exit_code).find(|&code| code != 0).unwrap_or(0)
}

fn in_runtime<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::System(format!("no runtime: {e}")))?;
    runtime.block_on(work)
}

fn list(args: &ListArgs) -> Result<(), Error> {
    let (store, _scratch) = open(args.store.address())?;
    let manifests: Vec<Manifest> = in_runtime(async {
        let mut manifests = Vec::new();
        for period in store.periods().await? {
            for number in store.numbers(period).await? {
                manifests.push(store.manifest(period, number).await?);
            }
        }
        Ok(manifests)
    })?;
    if args.json {
        say(&serde_json::to_string_pretty(&manifests).unwrap_or_default());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header([
        "Period",
        "Edition",
        "Tickets",
        "Sales",
        "Cut (UTC)",
        "Workbook",
    ]);
    for (i, manifest) in manifests.iter().enumerate() {
        let sales = manifest.tables.get("tickets").map(|tickets| &tickets.totals).into_iter().flatten();
        let sales: Vec<_> = sales.map(|(currency, total)| format!("{} {currency}", total.amount)).collect();
        let newest = manifests.get(i + 1).is_none_or(|next| next.period != manifest.period);
        let workbook = if newest { &manifest.workbook.name } else { &manifest.workbook.edition_name };
        table.add_row([
            format!(
                "{}{}{}",
                manifest.period,
                if manifest.provisional { " (provisional)" } else { "" },
                if manifest.failed_controls().next().is_some() { " (controls failed)" } else { "" }
            ),
            manifest.edition.to_string(),
            manifest.rows.to_string(),
            sales.join("\n"),
            manifest.cut.at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            workbook.clone(),
        ]);
    }
    say(&table.to_string());
    Ok(())
}

fn render_again(args: &RenderArgs) -> Result<(), Error> {
    let (store, _scratch) = open(args.store.address())?;
    let run = format!("render-{}", std::process::id());
    let _half_made = HalfMade::new(store.half_made(&run));
    in_runtime(async {
        let number = match args.edition {
            Some(number) => number,
            None => {
                let wanted = format!("of {}", args.period);
                store.newest(args.period).await?.ok_or(StoreError::NoEdition { wanted })?.edition
            }
        };
        let manifest = store.manifest(args.period, number).await?;
        let default = manifest.workbook.name.clone().into();
        let output = Output::prepare(args.output.as_ref().unwrap_or(&default))?;
        let file: File = output.file()?;
        let threads = args.threads.map_or_else(available_threads, usize::from);
        render(&store, &run, &manifest, file, threads).await?;
        let path = output.place()?;
        say(&format!("{} rows in {}", manifest.rows, path.display()));
        Ok(())
    })
}

fn copy_store(args: &CopyArgs) -> Result<(), Error> {
    let ((from, _scratch_from), (to, _scratch_to)) = (open(&args.from)?, open_by(Store::open, &args.to)?);
    let run = format!("copy-{}", std::process::id());
    let _half_made = HalfMade::new(to.half_made(&run));
    let copied = in_runtime(copy::copy(&from, &to, &run, |period, number| {
        let _ = writeln!(std::io::stderr(), "{period} edition {number}");
    }))?;
    let without = match copied.without_workbook {
        0 => String::new(),
        some => format!(", {some} of them without a workbook"),
    };
    let mib = copied.bytes as f64 / 1_048_576.0;
    say(&format!(
        "{} editions{without} ({mib:.1} MiB) copied, {} were there already, in {}",
        copied.editions,
        copied.present,
        to.address()
    ));
    Ok(())
}

fn prune_store(args: &PruneArgs) -> Result<(), Error> {
    let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
    let keep = Keep {
        editions: args.keep_editions,
        younger: days(args.keep_days),
        workbooks: args.keep_workbooks_days.map(days),
        grace: SignedDuration::from_hours(args.grace_hours.into()),
        unnamed: !args.unnamed,
    };
    let (store, _scratch) = open(args.store.address())?;
    let now = Timestamp::now();
    let steps = in_runtime(async {
        let steps = prune::plan(&store, &keep, now).await?;
        if args.apply {
            prune::apply(&store, &steps, now).await?;
        }
        Ok(steps)
    })?;
    if args.json {
        say(&serde_json::to_string_pretty(&steps).unwrap_or_default());
        return Ok(());
    }
    if !steps.is_empty() {
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY).set_header(["", "What", "MiB", "Why"]);
        for step in &steps {
            let action = match step.action {
                Action::Retire => "retire",
                Action::Remove => "remove",
                Action::RemoveWorkbook => "remove workbook",
                Action::RemoveUnnamed => "remove file",
                Action::LeaveUnnamed => "left alone",
            };
            let mib = format!("{:.1}", step.bytes as f64 / 1_048_576.0);
            table.add_row([action, &step.what, &mib, &step.reason]);
        }
        say(&table.to_string());
    }
    let all = steps.iter().filter(|step| step.action != Action::LeaveUnnamed);
    let (count, bytes) = all.fold((0, 0), |(count, bytes), step| (count + 1, bytes + step.bytes));
    let mib = bytes as f64 / 1_048_576.0;
    say(&match (count, args.apply) {
        (0, _) => format!("nothing to remove in {}", store.address()),
        (_, true) => format!("{count} steps done in {}, for {mib:.1} MiB", store.address()),
        (_, false) => format!("{count} steps, for {mib:.1} MiB, not done: --apply does them in {}", store.address()),
    });
    Ok(())
}
