//! Processes of the system: whether one lives, and how one is ended.

#[cfg(unix)]
use std::time::Instant;
use std::{fs, time::Duration};

/// How long a run that shall end may take to tidy up.
#[cfg(unix)]
const GRACE: Duration = Duration::from_secs(20);

/// How often it is looked whether it has.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A process's number, and when the system says it began, by which another with its number is told apart.
pub(super) type Process = (u32, u64);

/// When a process began, in the system's own count; `None` where it is gone.
pub(super) fn began(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next() == Some("Z") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Asks a process to end, and ends it when it doesn't.
#[cfg(unix)]
pub(super) async fn terminate((id, since): Process) {
    use rustix::process::{Pid, Signal, kill_process};
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return };
    let deadline = Instant::now() + GRACE;
    let _ = kill_process(pid, Signal::TERM);
    while began(id) == Some(since) {
        if Instant::now() >= deadline {
            let _ = kill_process(pid, Signal::KILL);
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Ends a process: on other systems none can be asked.
#[cfg(not(unix))]
pub(super) async fn terminate((id, _): Process) {
    let _ = tokio::process::Command::new("taskkill").args(["/F", "/T", "/PID", &id.to_string()]).status().await;
}

/// What can be said of a process that has said nothing.
pub(super) fn killed(status: std::process::ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let perhaps = if signal == 9 { ", perhaps because memory ran out" } else { "" };
        return format!("the run was killed by signal {signal}{perhaps}: look at the system's log and start it again");
    }
    format!("the run ended with {status} and said no more: look at its log")
}
