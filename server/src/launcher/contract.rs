//! What every launcher does, whoever executes its jobs.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use jiff::civil::Date;
use pipeline::period::{PeriodId, ReportPeriod};

use super::{Backfill, Job, JobLauncher, JobRequest, JobState, LaunchError, PeriodKind};

/// A launcher and what executes its jobs: runs tell that they have read 50 of 200 tickets, wait until they may go on,
/// and then publish; those of the year 2001 end with exit code 65 instead.
pub(super) trait Stage {
    fn launcher(&self) -> &dyn JobLauncher;

    /// Where jobs say that they are.
    fn namespace(&self) -> &str {
        "train-orchestrator"
    }

    /// Lets runs go on, or has them wait.
    fn go(&self, on: bool);
}

/// A request for days.
pub(super) fn request(first: &str, last: &str) -> JobRequest {
    let day = |text: &str| -> Date { text.parse().unwrap() };
    let days = ReportPeriod::new(day(first), day(last), day("2026-11-26")).unwrap();
    JobRequest { kind: PeriodKind::Custom, days, force: false, idempotency_key: None, backfill: None }
}

/// A request for months, so many at once.
pub(super) fn backfill(months: &[&str], parallel: u16) -> JobRequest {
    let all: Vec<PeriodId> = months.iter().map(|month| month.parse().unwrap()).collect();
    let days = all.iter().map(|month| month.period());
    let (first, last) = (days.clone().min().unwrap().first(), days.max().unwrap().last());
    let request = request(&first.to_string(), &last.to_string());
    JobRequest { kind: PeriodKind::Backfill, backfill: Some(Backfill { months: all, all: false, parallel }), ..request }
}

fn states(job: &Job) -> Vec<JobState> {
    job.months.iter().map(|month| month.state).collect()
}

/// Waits until a job is as it should be.
pub(super) async fn until(launcher: &dyn JobLauncher, name: &str, is: impl Fn(&Job) -> bool) -> Job {
    let mut last = None;
    for _ in 0..6000 {
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
    text(launcher.logs(name, follow).await.unwrap()).await
}

/// What a log says to its end.
async fn text(pieces: BoxStream<'static, Result<Bytes, LaunchError>>) -> String {
    let pieces: Vec<u8> = pieces.map(Result::unwrap).collect::<Vec<_>>().await.concat();
    String::from_utf8(pieces).unwrap()
}

/// A log that is followed to its end; `then` comes once some of it has arrived.
pub(super) async fn followed(launcher: &dyn JobLauncher, name: &str, then: impl FnOnce()) -> String {
    let mut pieces = launcher.logs(name, true).await.unwrap();
    let mut said = pieces.next().await.expect("the log ends before it has begun").unwrap().to_vec();
    then();
    while let Some(piece) = pieces.next().await {
        said.extend(piece.unwrap());
    }
    String::from_utf8(said).unwrap()
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
    a_backfill(stage).await;
    a_cancelled_backfill(stage).await;
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
    assert_eq!(started.namespace, stage.namespace());
    assert_eq!(
        (started.start_date, started.end_date),
        (request("2025-01-01", "2025-01-31").days.first(), "2025-01-31".parse().unwrap())
    );

    let running = until(launcher, &started.job_name, |job| job.rows.is_some()).await;
    assert_eq!((running.state, running.stage.as_deref()), (JobState::Running, Some("tickets")));
    assert_eq!((running.rows, running.percent, running.reason), (Some(50), Some(25), None));
    assert!(running.start_time.is_some() && running.completion_time.is_none());

    let followed = followed(launcher, &started.job_name, || stage.go(true)).await;
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

async fn a_backfill(stage: &impl Stage) {
    use JobState::{Failed, Queued, Running, Succeeded};
    let launcher = stage.launcher();
    stage.go(false);
    let parallel = launcher.parallel(None).await.unwrap();
    assert!((1..=2).contains(&parallel.months) && parallel.warning.is_none(), "{parallel:?}");
    let asked = backfill(&["2002-01", "2001-12", "2002-02"], 1);
    let started = launcher.start(&asked).await.unwrap();
    assert!(started.job_name.starts_with("ticketing-report-") && started.is_backfill(), "{started:?}");
    assert_eq!(started.start_date, request("2001-12-01", "2001-12-31").days.first());

    let running = until(launcher, &started.job_name, |job| job.months[0].state == Running).await;
    assert_eq!(states(&running), [Running, Queued, Queued]);
    assert_eq!((running.state, running.stage.as_deref()), (Running, Some("0 of 3 months")));
    // The same again is the same job; a report of the same days isn't, nor does it wait for the months.
    assert_eq!(launcher.start(&asked).await.unwrap().job_name, started.job_name);
    let single = launcher.start(&request("2001-12-01", "2002-02-28")).await.unwrap();
    until(launcher, &single.job_name, |job| job.state == Running).await;

    let followed = followed(launcher, &started.job_name, || stage.go(true)).await;
    let ended = until_over(launcher, &started.job_name).await;
    assert_eq!((ended.state, ended.exit_code, states(&ended)), (Failed, Some(65), vec![Succeeded, Failed, Succeeded]));
    let reason = ended.reason.as_deref().unwrap();
    assert!(reason.starts_with("1 of 3 months failed, first 2001-12: the run's own words for 65; "), "{reason}");
    let month = &ended.months[2];
    assert_eq!(
        (month.report.as_deref(), month.edition, month.rows, month.unchanged),
        (Some("ticketing-report-2002-02.xlsx"), Some(1), Some(200), false)
    );
    assert_eq!((ended.percent, ended.rows, ended.stage.as_deref()), (Some(100), Some(400), None));
    assert!(ended.completion_time >= ended.start_time && ended.start_time.is_some());
    let places = ["== 2002-01\n", "== 2001-12\n", "== 2002-02\n"].map(|heading| followed.find(heading));
    assert!(places.is_sorted() && places[0].is_some(), "{followed}");
    assert!(followed.matches("\"done\"").count() >= 2, "{followed}");
    assert_eq!(launcher.find(&started.job_name).await.unwrap(), ended);
    assert_eq!(until_over(launcher, &single.job_name).await.state, Failed);
}

async fn a_cancelled_backfill(stage: &impl Stage) {
    use JobState::{Cancelled, Running};
    let launcher = stage.launcher();
    stage.go(false);
    let asked = backfill(&["2004-01", "2004-02", "2004-03"], 2);
    let name = launcher.start(&asked).await.unwrap().job_name;
    until(launcher, &name, |job| job.months[..2].iter().all(|month| month.state == Running)).await;
    launcher.cancel(&name).await.unwrap();
    let next = launcher.start(&asked).await.unwrap();
    assert_ne!(next.job_name, name);
    let ended = until_over(launcher, &name).await;
    assert_eq!((ended.state, states(&ended)), (Cancelled, vec![Cancelled; 3]));
    assert_eq!(ended.reason.as_deref(), Some("somebody cancelled it"));
    stage.go(true);
    assert_eq!(until_over(launcher, &next.job_name).await.state, JobState::Succeeded);
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
if [ -n "$REPORT_MONTHS" ]; then
  month=$(echo "$REPORT_MONTHS" | cut -d, -f$((JOB_COMPLETION_INDEX + 1)))
  run=$run-$month first=$month-01 last=$month-28 store=$4
else
  first=$2 last=$4 store=$8 month=${2%-*}
fi
echo "{\"event\":\"started\",\"run\":\"$run\",\"first\":\"$first\",\"last\":\"$last\"}"
echo '{"event":"progress","stage":"tickets","rows":50,"of":200}'
until [ -e GO ]; do sleep 0.02; done
mkdir -p "$store/state/runs"
case $first in
2001*) code=65 end='"outcome":"failed","message":"the run'"'"'s own words for 65"' ;;
*) code=0 end="\"outcome\":\"published\",\"period\":\"$month\",\"edition\":1,\"rows\":200,\"report\":\"ticketing-report-$month.xlsx\"" ;;
esac
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
echo "{\"run\":\"$run\",\"first\":\"$first\",\"last\":\"$last\",\"time_zone\":\"UTC\",\"began\":\"$now\",\"ended\":\"$now\",\"exit_code\":$code,$end}" >"$store/state/runs/$run.json"
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

    async fn processes(at_once: usize) -> Processes {
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
        let settings = Settings { command, at_once, queue: 20, namespace, zone: "UTC".to_owned(), lasting: true };
        let launcher = Local::begin(settings, store, index, events).await.unwrap();
        Processes { launcher, go, _folder: folder }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn child_processes_keep_the_contract() {
        suite(&processes(4).await).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_that_waits_for_its_turn_is_followed_to_its_end() {
        let stage = processes(1).await;
        let launcher = stage.launcher();
        let first = launcher.start(&request("2025-01-01", "2025-01-31")).await.unwrap().job_name;
        until(launcher, &first, |job| job.state == JobState::Running).await;
        let second = launcher.start(&request("2025-02-01", "2025-02-28")).await.unwrap();
        assert_eq!(second.state, JobState::Queued);
        assert_eq!(log(launcher, &second.job_name, false).await, "");
        let mut pieces = launcher.logs(&second.job_name, true).await.unwrap();
        let early = tokio::time::timeout(Duration::ZERO, pieces.next()).await;
        assert!(early.is_err(), "the log ends before the job has had its turn");
        stage.go(true);
        let followed = text(pieces).await;
        assert!(followed.contains("\"started\"") && followed.contains("\"done\""), "{followed}");
        // One that is cancelled while it waits has nothing to say.
        stage.go(false);
        let third = launcher.start(&request("2025-03-01", "2025-03-31")).await.unwrap().job_name;
        until(launcher, &third, |job| job.state == JobState::Running).await;
        let fourth = launcher.start(&request("2025-04-01", "2025-04-30")).await.unwrap().job_name;
        let (said, cancelled) = tokio::join!(log(launcher, &fourth, true), launcher.cancel(&fourth));
        assert_eq!((said.as_str(), cancelled.unwrap().state), ("", JobState::Cancelled));
        stage.go(true);
        until_over(launcher, &third).await;
    }
}
