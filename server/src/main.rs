//! The command `report-server`.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use server::{
    auth::tokens,
    config::{Cli, Command, StartError},
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
        Some(Command::Token(args)) => tokens::make(&args),
        None => {
            let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
            tracing_subscriber::fmt().json().with_writer(std::io::stderr).with_env_filter(filter).init();
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            runtime.map_err(|e| StartError::System(e.to_string())).and_then(|runtime| {
                let done = runtime.block_on(start::run(cli.serve));
                // Whatever still waits for a disk that doesn't answer isn't waited for.
                runtime.shutdown_timeout(std::time::Duration::from_secs(1));
                done
            })
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &StartError) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "report-server: {error}");
    ExitCode::from(error.exit_code())
}
