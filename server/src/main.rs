//! The command `report-server`.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use server::{
    auth::tokens,
    backfill,
    config::{Cli, Command, StartError},
    launcher::kubernetes::doctor,
    start,
};
use tracing_subscriber::EnvFilter;

/// See docs/decisions/allocator.md.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        return fail(&StartError::Config(format!(
            "the file .env can't be read ({error}): write NAME=value on each line"
        )));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and the version are asked for, and go to stdout; what is wrong with the usage goes to stderr.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let done = match cli.command {
        Some(Command::Token(args)) => tokens::make(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Backfill(args)) => {
            log_from("warn");
            in_runtime(backfill::command::run(args))
        }
        Some(Command::Doctor(args)) => in_runtime(doctor::run(args)),
        None => {
            log_from("info");
            in_runtime(start::run(cli.serve)).map(|()| ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|error| fail(&error))
}

/// Logs to stderr what is at least of this level, unless a variable says otherwise.
fn log_from(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().json().with_writer(std::io::stderr).with_env_filter(filter).init();
}

fn in_runtime<T>(work: impl Future<Output = Result<T, StartError>>) -> Result<T, StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| StartError::System(e.to_string()))?;
    let done = runtime.block_on(work);
    // Whatever still waits for a disk that doesn't answer isn't waited for.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    done
}

fn fail(error: &StartError) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "report-server: {error}");
    ExitCode::from(error.exit_code())
}
