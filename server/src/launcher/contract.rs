//! What every launcher does, whoever executes its jobs.

use std::time::Duration;

use futures::StreamExt;
use jiff::civil::Date;
use pipeline::period::ReportPeriod;

use super::{Job, JobLauncher, JobRequest, JobState, LaunchError, PeriodKind};

/// A launcher and what executes its jobs: runs tell that they have read 50 of 200 tickets, wait until they may go on,
/// and then publish; those of the year 2001 end with exit code 65 instead.
pub(super) trait Stage {
    fn launcher(&self) -> &dyn JobLauncher;

    /// Lets runs go on, or has them wait.
    fn go(&self, on: bool);
}

/// A request for days.
pub(super) fn request(first: &str, last: &str) -> JobRequest {
    let day = |text: &str| -> Date { text.parse().unwrap() };
    let days = ReportPeriod::new(day(first), day(last), day("2026-11-26")).unwrap();
    JobRequest { kind: PeriodKind::Custom, days, force: false, idempotency_key: None }
}

/// Waits until a job is as it should be.
pub(super) async fn until(launcher: &dyn JobLauncher, name: &str, is: impl Fn(&Job) -> bool) -> Job {
    let mut last = None;
    for _ in 0..3000 {
        let found = launcher.find(name).await;
        match found {
            Ok(job) if is(&job) => return job,
            found => last = Some(found),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("this doesn't come: {last:#?}");
}

/// Waits until a job is over.
pub(super) async fn until_over(launcher: &dyn JobLauncher, name: &str) -> Job {
    until(launcher, name, |job| job.state.is_over()).await
}

/// All of a log.
pub(super) async fn log(launcher: &dyn JobLauncher, name: &str, follow: bool) -> String {
    let pieces = launcher.logs(name, follow).await.unwrap();
    let pieces: Vec<u8> = pieces.map(Result::unwrap).collect::<Vec<_>>().await.concat();
    String::from_utf8(pieces).unwrap()
}

/// All of it.
pub(super) async fn suite(stage: &impl Stage) {
    let launcher = stage.launcher();
    unknown_names(launcher).await;
    a_run_to_its_end(stage).await;
    equal_requests(stage).await;
    keys(stage).await;
    a_failure(stage).await;
    cancelled(stage).await;
}

async fn unknown_names(launcher: &dyn JobLauncher) {
    for name in ["ticketing-report-12345", "x"] {
        assert!(matches!(launcher.find(name).await, Err(LaunchError::NotFound(found)) if found == name));
        assert!(matches!(launcher.cancel(name).await, Err(LaunchError::NotFound(_))));
        assert!(matches!(launcher.logs(name, true).await, Err(LaunchError::NotFound(_))));
    }
    assert_eq!(launcher.list().await.unwrap(), []);
}

async fn a_run_to_its_end(stage: &impl Stage) {
    let launcher = stage.launcher();
    stage.go(false);
    let started = launcher.start(&request("2025-01-01", "2025-01-31")).await.unwrap();
    let number: u32 = started.job_name.strip_prefix("ticketing-report-").unwrap().parse().unwrap();
    assert!((10_000..1_000_000).contains(&number));
    assert!(matches!(started.state, JobState::Queued | JobState::Running), "{started:?}");
    assert_eq!(started.namespace, "train-orchestrator");
    assert_eq!(
        (started.start_date, started.end_date),
        (request("2025-01-01", "2025-01-31").days.first(), "2025-01-31".parse().unwrap())
    );

    let running = until(launcher, &started.job_name, |job| job.rows.is_some()).await;
    assert_eq!((running.state, running.stage.as_deref()), (JobState::Running, Some("tickets")));
    assert_eq!((running.rows, running.percent, running.reason), (Some(50), Some(25), None));
    assert!(running.start_time.is_some() && running.completion_time.is_none());

    let (followed, ()) = tokio::join!(log(launcher, &started.job_name, true), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stage.go(true);
    });
    let ended = until_over(launcher, &started.job_name).await;
    assert_eq!((ended.state, ended.exit_code, ended.reason.as_deref()), (JobState::Succeeded, Some(0), None));
    assert_eq!(
        (ended.report.as_deref(), ended.period_id.as_deref()),
        (Some("ticketing-report-2025-01.xlsx"), Some("2025-01"))
    );
    assert_eq!((ended.edition, ended.rows, ended.percent, ended.unchanged), (Some(1), Some(200), Some(100), false));
    assert!(ended.stage.is_none() && ended.completion_time.is_some() && ended.run.is_none());
    for text in
        [&followed, &log(launcher, &started.job_name, false).await, &log(launcher, &started.job_name, true).await]
    {
        assert!(text.contains("\"started\"") && text.contains("\"done\""), "{text}");
        assert_eq!(text.matches("\"started\"").count(), 1, "{text}");
    }
    assert_eq!(launcher.list().await.unwrap(), [ended]);
    assert!(matches!(launcher.cancel(&started.job_name).await, Err(LaunchError::Over(_))));
}

async fn equal_requests(stage: &impl Stage) {
    let launcher = stage.launcher();
    stage.go(false);
    let asked = request("2025-02-01", "2025-02-28");
    let all = futures::future::join_all((0..5).map(|_| launcher.start(&asked))).await;
    let names: Vec<String> = all.into_iter().map(|job| job.unwrap().job_name).collect();
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    let forced = launcher.start(&JobRequest { force: true, ..asked.clone() }).await.unwrap();
    assert_ne!(forced.job_name, names[0]);
    let other = launcher.start(&request("2025-02-01", "2025-02-27")).await.unwrap();
    assert_ne!(other.job_name, names[0]);
    stage.go(true);
    for name in [&names[0], &forced.job_name, &other.job_name] {
        assert_eq!(until_over(launcher, name).await.state, JobState::Succeeded);
    }
    let again = launcher.start(&asked).await.unwrap();
    assert!(again.job_name != names[0] && again.job_name != forced.job_name);
    until_over(launcher, &again.job_name).await;
}

async fn keys(stage: &impl Stage) {
    let launcher = stage.launcher();
    let asked = JobRequest { idempotency_key: Some("a key".to_owned()), ..request("2025-03-01", "2025-03-31") };
    let job = launcher.start(&asked).await.unwrap();
    assert_eq!(launcher.start(&asked).await.unwrap().job_name, job.job_name);
    let ended = until_over(launcher, &job.job_name).await;
    assert_eq!(launcher.start(&asked).await.unwrap(), ended);
    let other = JobRequest { days: request("2025-03-01", "2025-03-30").days, ..asked };
    let error = launcher.start(&other).await.unwrap_err();
    assert!(matches!(&error, LaunchError::KeyUsed(days) if days == "2025-03-01 to 2025-03-31"), "{error}");
}

async fn a_failure(stage: &impl Stage) {
    let launcher = stage.launcher();
    let job = launcher.start(&request("2001-01-01", "2001-01-31")).await.unwrap();
    let ended = until_over(launcher, &job.job_name).await;
    assert_eq!((ended.state, ended.exit_code), (JobState::Failed, Some(65)));
    assert_eq!(ended.reason.as_deref(), Some("the run's own words for 65"));
    assert_eq!((ended.report, ended.edition), (None, None));
}

async fn cancelled(stage: &impl Stage) {
    let launcher = stage.launcher();
    stage.go(false);
    let asked = request("2025-04-01", "2025-04-30");
    let job = launcher.start(&asked).await.unwrap();
    until(launcher, &job.job_name, |job| job.state == JobState::Running).await;
    launcher.cancel(&job.job_name).await.unwrap();
    let next = launcher.start(&asked).await.unwrap();
    assert_ne!(next.job_name, job.job_name);
    let ended = until_over(launcher, &job.job_name).await;
    assert_eq!((ended.state, ended.reason.as_deref()), (JobState::Cancelled, Some("somebody cancelled it")));
    assert!(matches!(launcher.cancel(&job.job_name).await, Err(LaunchError::Over(_))));
    stage.go(true);
    assert_eq!(until_over(launcher, &next.job_name).await.state, JobState::Succeeded);
    let all = launcher.list().await.unwrap();
    assert!(all.windows(2).all(|pair| pair[0].creation_timestamp >= pair[1].creation_timestamp));
}

mod local {
    use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

    use pipeline::store::Store;
    use tempfile::TempDir;

    use super::*;
    use crate::{
        events::Hub,
        index::Index,
        launcher::local::{Local, Settings},
    };

    const COMMAND: &str = r#"#!/bin/sh
run=ticketing-report-$REPORT_JOB
echo "{\"event\":\"started\",\"run\":\"$run\",\"first\":\"$2\",\"last\":\"$4\"}"
echo '{"event":"progress","stage":"tickets","rows":50,"of":200}'
until [ -e GO ]; do sleep 0.02; done
mkdir -p "$8/state/runs"
month=${2%-*}
case $2 in
2001*) code=65 end='"outcome":"failed","message":"the run'"'"'s own words for 65"' ;;
*) code=0 end="\"outcome\":\"published\",\"period\":\"$month\",\"edition\":1,\"rows\":200,\"report\":\"ticketing-report-$month.xlsx\"" ;;
esac
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
echo "{\"run\":\"$run\",\"first\":\"$2\",\"last\":\"$4\",\"time_zone\":\"UTC\",\"began\":\"$now\",\"ended\":\"$now\",\"exit_code\":$code,$end}" >"$8/state/runs/$run.json"
echo '{"event":"done","rows":200}'
exit $code
"#;

    struct Processes {
        launcher: Local,
        go: PathBuf,
        _folder: TempDir,
    }

    impl Stage for Processes {
        fn launcher(&self) -> &dyn JobLauncher {
            &self.launcher
        }

        fn go(&self, on: bool) {
            if on { fs::write(&self.go, "").unwrap() } else { drop(fs::remove_file(&self.go)) }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn child_processes_keep_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        let (go, command, root) =
            (folder.path().join("go"), folder.path().join("command"), folder.path().join("store"));
        fs::create_dir(&root).unwrap();
        fs::write(&command, COMMAND.replace("GO", go.to_str().unwrap())).unwrap();
        fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).unwrap();
        let store = Store::open(root.to_str().unwrap()).unwrap();
        let events = Arc::new(Hub::default());
        let index = Arc::new(Index::new(store.clone(), Arc::clone(&events)));
        let namespace = "train-orchestrator".to_owned();
        let settings = Settings { command, at_once: 4, queue: 20, namespace, zone: "UTC".to_owned() };
        let launcher = Local::begin(settings, store, index, events).await.unwrap();
        suite(&Processes { launcher, go, _folder: folder }).await;
    }
}
