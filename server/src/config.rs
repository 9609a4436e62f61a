//! The command line of `report-server` and its variables.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use pipeline::period::ReportTimeZone;

use crate::auth::Role;

const EXAMPLES: &str = "\
Examples:
  report-server                                             ./reports on http://127.0.0.1:8080, for this machine alone
  report-server --listen 0.0.0.0:8080 --tokens tokens       for whoever has a token
  report-server token --name anna --role operator           makes a token and the line for the file of tokens
  report-server backfill --from 2022-01 --to 2024-12        makes the months of these years that need a report
  report-server doctor                                      why there are no reports from the cluster

The database's variables (DATABASE_URL, or DB_HOST, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD) and those of the report
command go to the runs; also from a file `.env`.

Exit codes: 0 ended by SIGTERM or Ctrl-C, or done; 1 a month failed; 2 usage; 73 can't listen; 75 try again;
78 configuration; 130 interrupted.";

/// Lists and serves the reports, starts them, and shows them on a page.
#[derive(Debug, Parser)]
#[command(name = "report-server", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// Everything but serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token, and the line for the file of tokens
    Token(TokenArgs),
    /// Make the months from one to another that need a report: missing, failed, or of an older version
    #[command(after_help = BACKFILL_EXAMPLES)]
    Backfill(BackfillArgs),
    /// Find out why there are no reports from the cluster; changes nothing
    #[command(after_help = "Examples:\n  report-server doctor\n  kubectl exec -n train-orchestrator \
        deployment/train-orchestrator -- report-server doctor\n\nExit codes: 0 nothing must be done; 1 something must.")]
    Doctor(DoctorArgs),
}

/// Where to look.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where the reports are.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

const BACKFILL_EXAMPLES: &str = "\
Examples:
  report-server backfill --from 2022-01 --to 2024-12 --dry-run     which months, and why
  report-server backfill --from 2022-01 --to 2024-12 --parallel 2
  kubectl exec -n train-orchestrator deployment/train-orchestrator -- \\
      report-server backfill --from 2022-01 --to 2024-12           in the cluster

Asked for again, it makes what is still left. Exit codes: 0 all done; 1 a month failed; 2 usage; 75 try again;
78 configuration; 130 interrupted.";

/// Which months, and how they are made.
#[derive(Debug, Args)]
pub struct BackfillArgs {
    /// First month, YYYY-MM, inclusive
    #[arg(long, value_name = "MONTH")]
    pub from: String,
    /// Last month, YYYY-MM, inclusive; it must be over
    #[arg(long, value_name = "MONTH")]
    pub to: String,
    /// Make also months that need no report
    #[arg(long)]
    pub all: bool,
    /// Start nothing; say what would be made
    #[arg(long)]
    pub dry_run: bool,
    /// Months at once [default: 1, or 2 in a cluster on whose volume all nodes may write]
    #[arg(long, value_name = "NUMBER")]
    pub parallel: Option<u16>,
    /// Don't wait for the end of the cluster's Job
    #[arg(long)]
    pub no_wait: bool,
    /// Where the reports are, and who makes them.
    #[command(flatten)]
    pub launching: LaunchArgs,
}

/// Where the reports are, and who makes them.
#[derive(Debug, Clone, Args)]
pub struct LaunchArgs {
    /// Folder that keeps every edition
    #[arg(long, value_name = "STORE", env = "REPORT_STORE", default_value = "./reports")]
    pub store: String,
    /// Time zone in which months begin and end, an IANA name
    #[arg(long, value_name = "ZONE", env = "REPORT_TIME_ZONE", default_value = "UTC")]
    pub time_zone: ReportTimeZone,
    /// The report command [default: `ticketing-report` beside this program]
    #[arg(long, value_name = "FILE", env = "REPORT_COMMAND")]
    pub report_command: Option<PathBuf>,
    /// Who executes jobs: child processes, or the cluster; `auto` means the cluster in a pod of one
    #[arg(long, value_name = "LAUNCHER", env = "REPORT_LAUNCHER", value_enum, default_value_t)]
    pub launcher: LauncherKind,
    /// The cluster's jobs.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Where a cluster's jobs are.
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// CronJob that the cluster's jobs are made from
    #[arg(long, value_name = "NAME", env = "REPORT_CRONJOB", default_value = "ticketing-report-cronjob")]
    pub cronjob: String,
    /// Namespace of the jobs [default: the pod's own, else train-orchestrator]
    #[arg(long, value_name = "NAME", env = "REPORT_NAMESPACE")]
    pub namespace: Option<String>,
}

/// Whose token, and for what.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// Who will use it: letters, digits, `.`, `_` and `-`
    #[arg(long, value_parser = crate::auth::tokens::name)]
    pub name: String,
    /// What it lets them do
    #[arg(long, value_enum)]
    pub role: Role,
}

/// How the server serves.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Address and port; port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS", env = "REPORT_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where the reports are, and who makes them.
    #[command(flatten)]
    pub launching: LaunchArgs,
    /// Jobs that run at once
    #[arg(long, value_name = "NUMBER", env = "REPORT_JOBS", default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Jobs that wait for their turn; more are refused
    #[arg(long, value_name = "NUMBER", env = "REPORT_QUEUE", default_value_t = 20)]
    pub queue: u16,
    /// File of tokens: a line `name role sha256` for each
    #[arg(long, value_name = "FILE", env = "REPORT_TOKENS")]
    pub tokens: Option<PathBuf>,
    /// What somebody without a token may do, also on an address that others reach
    #[arg(long, value_name = "ROLE", env = "REPORT_ANONYMOUS", value_parser = anonymous)]
    pub anonymous: Option<Role>,
    /// Downloads at once; more are told to come back
    #[arg(long, value_name = "NUMBER", env = "REPORT_DOWNLOADS", default_value_t = 64,
        value_parser = clap::value_parser!(u16).range(1..))]
    pub downloads: u16,
    /// Requests a second for each token or address; twenty times as many in a burst
    #[arg(long, value_name = "NUMBER", env = "REPORT_RATE", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
}

/// Who executes jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LauncherKind {
    /// The cluster in a pod of one, else child processes.
    #[default]
    Auto,
    /// Child processes of the server.
    Local,
    /// Jobs of a cluster.
    Kubernetes,
}

fn anonymous(text: &str) -> Result<Role, String> {
    match text {
        "viewer" => Ok(Role::Viewer),
        "operator" => Ok(Role::Operator),
        _ => Err("write viewer or operator".to_owned()),
    }
}

/// Why the server doesn't start, or a command doesn't do its work.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An argument is wrong.
    #[error("{0}")]
    Usage(String),
    /// It may do in a moment.
    #[error("{0}")]
    Later(String),
    /// A setting can't be used.
    #[error("{0}")]
    Config(String),
    /// The address can't be listened on.
    #[error("can't listen on {address}: {reason}; choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// Anything else.
    #[error("{0}")]
    System(String),
}

impl StartError {
    /// The exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Later(_) => 75,
            Self::Config(_) => 78,
            Self::Listen { .. } => 73,
            Self::System(_) => 1,
        }
    }
}
