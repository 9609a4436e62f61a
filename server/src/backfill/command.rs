//! `report-server backfill`: the same from a shell.

use std::{io::Write, process::ExitCode, sync::Arc, time::Duration};

use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};
use jiff::Timestamp;
use pipeline::store::Store;

use super::{BackfillError, Plan, Wanted};
use crate::{
    config::{BackfillArgs, StartError},
    events::Hub,
    index::Index,
    launcher::{Job, JobLauncher, JobMonth, JobState, LaunchError},
    start::{self, Room},
};

/// How often it is looked how far the job has come.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long a cluster that doesn't answer is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

impl From<BackfillError> for StartError {
    fn from(error: BackfillError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<LaunchError> for StartError {
    fn from(error: LaunchError) -> Self {
        match error {
            LaunchError::Unavailable(_) | LaunchError::Full { .. } => Self::Later(error.to_string()),
            other => Self::Config(other.to_string()),
        }
    }
}

fn say(line: &str) {
    // That nobody reads it any more is no failure.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Makes the months that need a report, and says how each has ended.
///
/// # Errors
/// When an argument or the configuration is wrong, or the cluster doesn't answer.
pub async fn run(args: BackfillArgs) -> Result<ExitCode, StartError> {
    let zone = &args.launching.time_zone;
    let months = [("--from", args.from.as_str()), ("--to", args.to.as_str())];
    let wanted = Wanted::new(months, args.all, args.parallel, zone.date_at(Timestamp::now()))?;
    let local = start::is_local(args.launching.launcher);
    let address = &args.launching.store;
    // A folder that isn't there would be made, and every month would seem to be missing.
    if !local && !address.contains("://") && !std::path::Path::new(address).is_dir() {
        let elsewhere = "name the store of the reports with --store; where it is a volume of the cluster, run this in the \
                         server's pod, with kubectl exec";
        return Err(StartError::Config(format!("there is no folder `{address}`: {elsewhere}")));
    }
    let store = Store::open(address).map_err(|e| StartError::Config(e.to_string()))?;
    let events = Arc::new(Hub::default());
    let index = Arc::new(Index::new(store.clone(), Arc::clone(&events)));
    // Each month has its place, as nobody else uses this launcher.
    let room = Room { jobs: args.parallel.unwrap_or(1), queue: 1, lasting: false };
    let (launcher, _) = start::launcher(&args.launching, &room, &store, &index, &events).await?;
    if local && args.no_wait {
        let why = "--no-wait needs a cluster, as child processes end with this program: leave it away";
        return Err(StartError::Usage(why.to_owned()));
    }

    let contents = index.contents().await.map_err(|e| StartError::Config(e.to_string()))?;
    let known = launcher.list().await?;
    let plan = wanted.plan(&*launcher, &contents, &known).await?;
    show(&plan);
    if args.dry_run || plan.months.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let ending = start::ending().map_err(|e| StartError::System(e.to_string()))?;
    let job = launcher.start(&wanted.request(&plan, None)).await?;
    say(&format!("{} makes them", job.job_name));
    if args.no_wait {
        return Ok(ExitCode::SUCCESS);
    }
    tokio::select! {
        job = wait(&*launcher, &job.job_name) => Ok(ended(&job?)),
        () = ending => {
            interrupt(&*launcher, &job.job_name, local).await?;
            Ok(ExitCode::from(130))
        }
    }
}

fn show(plan: &Plan) {
    if plan.months.is_empty() {
        return say("nothing to do: each of these months is published, or is being made");
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(["Month", "Why"]);
    for planned in &plan.months {
        table.add_row([planned.month.to_string(), planned.why.words().to_owned()]);
    }
    say(&table.to_string());
    let at_once = if plan.parallel == 1 { "one at a time".to_owned() } else { format!("{} at a time", plan.parallel) };
    let months = if plan.months.len() == 1 { "month" } else { "months" };
    say(&format!("{} {months}, {at_once}", plan.months.len()));
    if let Some(warning) = &plan.warning {
        say(&format!("warning: {warning}"));
    }
}

/// Waits for the job's end, and says how each month ends.
async fn wait(launcher: &dyn JobLauncher, name: &str) -> Result<Job, LaunchError> {
    let (mut said, mut heard) = (Vec::new(), std::time::Instant::now());
    loop {
        match launcher.find(name).await {
            Ok(job) => {
                heard = std::time::Instant::now();
                for month in job.months.iter().filter(|month| month.state.is_over()) {
                    // A month that the cluster says is done may still get its workbook's name from its record.
                    let known = month.state != JobState::Succeeded || month.report.is_some() || job.state.is_over();
                    if known && !said.contains(&month.month) {
                        said.push(month.month);
                        say(&line(month));
                    }
                }
                if job.state.is_over() {
                    return Ok(job);
                }
            }
            Err(LaunchError::Unavailable(_)) if heard.elapsed() < PATIENCE => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn line(month: &JobMonth) -> String {
    let name = &month.month;
    match (month.state, &month.report) {
        (JobState::Succeeded, Some(report)) if month.unchanged => format!("{name}  unchanged, {report}"),
        (JobState::Succeeded, Some(report)) => format!("{name}  published, {report}"),
        (JobState::Succeeded, None) => format!("{name}  done"),
        (state, _) => {
            let state = if state == JobState::Failed { "FAILED" } else { "not made" };
            format!("{name}  {state}: {}", month.reason.as_deref().unwrap_or("it has left no word"))
        }
    }
}

fn ended(job: &Job) -> ExitCode {
    let done = job.months.iter().filter(|month| month.state == JobState::Succeeded).count();
    say(&format!("{done} of {} months done", job.months.len()));
    if job.state == JobState::Succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What Ctrl-C and SIGTERM do: child processes are ended, a cluster's Job goes on.
async fn interrupt(launcher: &dyn JobLauncher, name: &str, local: bool) -> Result<(), StartError> {
    if !local {
        say(&format!("{name} goes on in the cluster: kubectl delete job {name} ends it"));
        return Ok(());
    }
    say("ending: what is half-made is removed");
    match launcher.cancel(name).await {
        Ok(_) | Err(LaunchError::Over(_)) => wait(launcher, name).await?,
        Err(error) => return Err(error.into()),
    };
    Ok(())
}
