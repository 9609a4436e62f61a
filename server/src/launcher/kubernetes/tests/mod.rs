//! The launcher over a cluster's stand-in, when all is well and when it isn't.

mod faults;
mod manifests;
mod real;

use std::{sync::Arc, time::Duration};

use axum::http::Request;
use kube::{
    Api, Client,
    api::{LogParams, PostParams},
};
use pipeline::store::Place;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use super::{
    fake::{self, Cluster, Fate, Fault},
    *,
};
use crate::launcher::{
    JobState,
    contract::{self, Stage, backfill, log, request, until, until_over},
};

const PACE: Pace = Pace {
    call: Duration::from_millis(400),
    patience: Duration::from_secs(3),
    wait: Duration::from_millis(4),
    longest_wait: Duration::from_millis(60),
    silence: Duration::from_secs(5),
    look: Duration::from_millis(20),
    record: Duration::from_millis(400),
    grace: Duration::from_secs(4),
};

/// A cluster and a launcher in it.
struct Scene {
    cluster: Cluster,
    client: Client,
    launcher: Kubernetes,
    store: Store,
    go: watch::Sender<bool>,
    _folder: TempDir,
}

impl Stage for Scene {
    fn launcher(&self) -> &dyn JobLauncher {
        &self.launcher
    }

    fn go(&self, on: bool) {
        self.go.send_replace(on);
    }
}

impl Scene {
    async fn new(fate: impl Fn(&Value) -> Fate + Send + 'static) -> Self {
        let (cluster, client) = Cluster::start().await;
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let go = watch::Sender::new(true);
        cluster.control(store.clone(), go.subscribe(), fate);
        let launcher = begin(&client, &store).await;
        Self { cluster, client, launcher, store, go, _folder: folder }
    }

    /// One in which every run publishes.
    async fn fine() -> Self {
        Self::new(|_| Fate::Publish).await
    }

    async fn start(&self) -> Job {
        self.launcher.start(&request("2025-01-01", "2025-01-31")).await.unwrap()
    }

    async fn error(&self) -> String {
        self.launcher.start(&request("2025-01-01", "2025-01-31")).await.unwrap_err().to_string()
    }

    /// Makes a Job of the CronJob's template, as the schedule and kubectl do.
    fn make(&self, name: &str, change: impl Fn(&mut Value)) -> Value {
        let template = fake::cronjob()["spec"]["jobTemplate"].clone();
        let mut job = json!({"metadata": template["metadata"], "spec": template["spec"]});
        job["metadata"]["name"] = name.into();
        change(&mut job);
        let created = self.cluster.create(job);
        assert_eq!(created.status(), 201);
        self.cluster.object("jobs", name).unwrap()
    }
}

async fn begin(client: &Client, store: &Store) -> Kubernetes {
    let events = Arc::new(Hub::default());
    let index = Arc::new(Index::new(store.clone(), Arc::clone(&events)));
    let settings = Settings {
        cronjob: "ticketing-report-cronjob".to_owned(),
        namespace: fake::NAMESPACE.to_owned(),
        zone: ReportTimeZone::utc(),
        pace: PACE,
    };
    Kubernetes::begin(settings, client.clone(), store.clone(), index, events).await.unwrap()
}

/// The year 2001 fails, all others publish.
fn by_year(job: &Value) -> Fate {
    let first = &job["spec"]["template"]["spec"]["containers"][0]["args"][1];
    if first.as_str().is_some_and(|day| day.starts_with("2001")) { Fate::Exit(65) } else { Fate::Publish }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_the_contract() {
    contract::suite(&Scene::new(by_year).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_is_one_indexed_job_that_a_wrong_configuration_ends() {
    let scene = Scene::fine().await;
    // What is wrong for one month is wrong for all: those that are left aren't tried.
    let asked = backfill(&["2002-12", "2003-01", "2003-02", "2003-03"], 1);
    let started = scene.launcher.start(&asked).await.unwrap();
    assert_eq!(scene.cluster.names("jobs"), [&*started.job_name]);
    let ended = until_over(&scene.launcher, &started.job_name).await;
    let states: Vec<JobState> = ended.months.iter().map(|month| month.state).collect();
    assert_eq!(states, [JobState::Succeeded, JobState::Failed, JobState::Cancelled, JobState::Cancelled]);
    assert_eq!((ended.state, ended.exit_code), (JobState::Failed, Some(78)));
    let reason = ended.months[3].reason.as_deref();
    assert_eq!(reason, Some("it was not made, as the job ended before: ask for it again"));
    // It is remembered with its months when the cluster has forgotten it.
    scene.cluster.remove("jobs", &started.job_name);
    assert_eq!(begin(&scene.client, &scene.store).await.find(&started.job_name).await.unwrap(), ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn months_at_once_take_a_volume_that_all_nodes_may_write_to() {
    let scene = Scene::fine().await;
    let asked = scene.launcher.parallel(Some(4)).await.unwrap();
    assert_eq!(asked.months, 4);
    assert!(asked.warning.unwrap().contains("`ticketing-reports-pvc` is ReadWriteOnce"));
    scene.cluster.forbid("get", "persistentvolumeclaims", true);
    let warning = scene.launcher.parallel(Some(4)).await.unwrap().warning.unwrap();
    assert!(warning.contains("may not `get` `persistentvolumeclaims`"), "{warning}");
    scene.cluster.forbid("get", "persistentvolumeclaims", false);
    let mut claim = fake::claim();
    claim["spec"]["accessModes"] = json!(["ReadWriteMany"]);
    scene.cluster.put("persistentvolumeclaims", claim);
    assert_eq!(scene.launcher.parallel(None).await.unwrap(), Parallel { months: 2, warning: None });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_names_its_cause() {
    let waits_for_image = "its time limit of 3600 s has passed; until then: the image \
                           `train-company-ticketing-report:latest` is missing (ErrImageNeverPull): build it";
    let all: [(Fate, Option<i32>, &str); 11] = [
        (Fate::Exit(2), Some(2), "the run's own words for 2"),
        (Fate::Exit(65), Some(65), "the run's own words for 65"),
        (Fate::Mute(73), Some(73), "exit code 73, it can't write to its volume: look at its log"),
        (Fate::Mute(75), Some(75), "exit code 75, the database can't be reached"),
        (Fate::Mute(78), Some(78), "exit code 78, its configuration is wrong"),
        (Fate::OutOfMemory, Some(137), "memory ran out: it was killed at its limit of 512Mi; raise"),
        (Fate::Deadline, None, "its time limit of 3600 s has passed; if it only needs longer, raise"),
        (Fate::NoImage, None, waits_for_image),
        (Fate::NoVolume, None, "until then: waits for the volume (0/1 nodes are available: pod has unbound immediate"),
        (Fate::Evicted, Some(137), "the cluster evicted its pod (The node was low on resource: memory.)"),
        (Fate::SecondTry, Some(0), ""),
    ];
    let tried = all.map(|(fate, code, reason)| async move {
        let scene = Scene::new(move |_| fate).await;
        scene.go(false);
        let job = scene.start().await;
        let waiting = match fate {
            Fate::NoImage => Some("is missing (ErrImageNeverPull)"),
            Fate::NoVolume => Some("waits for the volume"),
            _ => None,
        };
        let held = until(&scene.launcher, &job.job_name, |job| match waiting {
            Some(words) => job.reason.as_ref().is_some_and(|reason| reason.contains(words)),
            None => job.state == JobState::Running,
        });
        assert_eq!(held.await.state, if waiting.is_some() { JobState::Queued } else { JobState::Running });
        scene.go(true);
        let ended = until_over(&scene.launcher, &job.job_name).await;
        let state = if code == Some(0) { JobState::Succeeded } else { JobState::Failed };
        assert_eq!((ended.state, ended.exit_code), (state, code), "{fate:?}: {ended:?}");
        assert!(ended.reason.unwrap_or_default().contains(reason), "{fate:?}");
        // What no run has written is remembered all the same, when the cluster has forgotten.
        scene.cluster.remove("jobs", &job.job_name);
        let later = begin(&scene.client, &scene.store).await;
        assert_eq!(later.find(&job.job_name).await.unwrap().state, state);
    });
    futures::future::join_all(tried).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_its_time_removes_stays_listed_also_after_a_restart() {
    let scene = Scene::fine().await;
    let job = until_over(&scene.launcher, &scene.start().await.job_name).await;
    scene.cluster.remove("jobs", &job.job_name);
    scene.cluster.remove_pods(&job.job_name);
    until(&scene.launcher, &job.job_name, |_| scene.launcher.board().pods(&job.job_name).is_empty()).await;
    assert_eq!(scene.launcher.find(&job.job_name).await.unwrap(), job);
    let gone = log(&scene.launcher, &job.job_name, true).await;
    assert!(gone.starts_with("the log is gone: it goes with its pod"), "{gone}");
    let later = begin(&scene.client, &scene.store).await;
    assert_eq!(later.list().await.unwrap(), [job]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_cronjob_still_gives_jobs_and_a_suspended_job_says_so() {
    let scene = Scene::fine().await;
    let mut cronjob = scene.cluster.object("cronjobs", "ticketing-report-cronjob").unwrap();
    cronjob["spec"]["suspend"] = true.into();
    scene.cluster.put("cronjobs", cronjob);
    until_over(&scene.launcher, &scene.start().await.job_name).await;

    let args = json!(["--start-date", "2025-02-01", "--end-date", "2025-02-28"]);
    scene.make("held", |job| {
        job["spec"]["suspend"] = true.into();
        job["spec"]["template"]["spec"]["containers"][0]["args"] = args.clone();
    });
    let held = until(&scene.launcher, "held", |_| true).await;
    let expected = "its Job is suspended: kubectl patch job held -p '{\"spec\":{\"suspend\":false}}' lets it run";
    assert_eq!((held.state, held.reason.as_deref()), (JobState::Queued, Some(expected)));
    let other = scene.launcher.start(&request("2025-02-01", "2025-02-28")).await.unwrap();
    assert_ne!(other.job_name, "held");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_the_schedule_and_by_hand_are_listed_with_their_runs() {
    let scene = Scene::fine().await;
    // Due on 2026-01-01 at 02:00.
    let due = "ticketing-report-cronjob-29453880";
    scene.go(false);
    scene.make(due, |_| {});
    let running = until(&scene.launcher, due, |job| job.rows.is_some()).await;
    assert_eq!(
        (running.start_date, running.end_date),
        (request("2025-12-01", "2025-12-31").days.first(), "2025-12-31".parse().unwrap())
    );
    // Whoever asks for the same month gets it.
    assert_eq!(scene.launcher.start(&request("2025-12-01", "2025-12-31")).await.unwrap().job_name, due);
    scene.go(true);
    let ended = until_over(&scene.launcher, due).await;
    assert_eq!((ended.state, ended.report.as_deref()), (JobState::Succeeded, Some("ticketing-report-2025-12.xlsx")));
    let run = ended.run.unwrap();
    assert!(scene.store.size(Place::Run(&run)).await.unwrap().is_some());

    // The name is used again: that is another job.
    scene.cluster.remove("jobs", due);
    scene.cluster.remove_pods(due);
    scene.make(due, |job| {
        job["spec"]["template"]["spec"]["containers"][0]["args"] =
            json!(["--start-date", "2001-01-01", "--end-date", "2001-01-31"])
    });
    let again = until(&scene.launcher, due, |job| job.start_date.year() == 2001 && job.state.is_over()).await;
    assert_ne!(again.run, Some(run));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_waited_for_or_is_said_not_to_be_there() {
    let scene = Scene::new(|_| Fate::NoImage).await;
    scene.go(false);
    let name = scene.start().await.job_name;
    until(&scene.launcher, &name, |job| job.reason.as_ref().is_some_and(|reason| reason.contains("missing"))).await;
    let said = log(&scene.launcher, &name, false).await;
    assert_eq!(said.matches("there is no log yet").count(), 1, "{said}");
    assert!(said.contains("is waiting to start: ErrImageNeverPull"), "{said}");
    let asked = scene.cluster.calls("get pods/log");
    let (followed, ()) = tokio::join!(log(&scene.launcher, &name, true), async {
        scene.cluster.until_more_than(asked, "get pods/log").await;
        scene.go(true);
    });
    assert!(followed.starts_with("the log is gone"), "{followed}");

    // A connection that breaks in the middle is made again, and nothing is sent twice.
    let scene = Scene::fine().await;
    scene.go(false);
    let name = scene.start().await.job_name;
    until(&scene.launcher, &name, |job| job.rows.is_some()).await;
    let asked = scene.cluster.calls("get pods/log");
    let (followed, ()) = tokio::join!(log(&scene.launcher, &name, true), async {
        scene.cluster.until_more_than(asked, "get pods/log").await;
        for _ in 0..3 {
            scene.cluster.until_called("get pods/log", || scene.cluster.cut()).await;
        }
        scene.go(true);
    });
    assert_eq!(followed.lines().count(), 3, "{followed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_publishes_while_it_is_cancelled_has_succeeded() {
    let scene = Scene::fine().await;
    scene.go(false);
    let name = scene.start().await.job_name;
    until(&scene.launcher, &name, |job| job.state == JobState::Running).await;
    let days = ("2025-01-01".parse().unwrap(), "2025-01-31".parse().unwrap());
    let record = serde_json::to_vec(&fake::record(&name, days, 0)).unwrap();
    scene.store.write(Place::Run(&name), record).await.unwrap();
    scene.launcher.cancel(&name).await.unwrap();
    let ended = until_over(&scene.launcher, &name).await;
    assert_eq!((ended.state, ended.edition), (JobState::Succeeded, Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_somebody_removes_is_cancelled_and_one_that_nobody_saw_go_is_lost() {
    let scene = Scene::fine().await;
    scene.go(false);
    for seen in [true, false] {
        let days = request("2025-01-01", if seen { "2025-01-31" } else { "2025-01-30" });
        let name = scene.launcher.start(&days).await.unwrap().job_name;
        until(&scene.launcher, &name, |job| job.state == JobState::Running).await;
        if !seen {
            // Nobody may watch while it goes.
            scene.cluster.fail("watch", "jobs", &[Fault::Silence]);
            scene.cluster.until_called("watch jobs", || scene.cluster.cut()).await;
        }
        scene.cluster.remove("jobs", &name);
        if !seen {
            scene.cluster.forget();
        }
        scene.cluster.remove_pods(&name);
        let ended = until_over(&scene.launcher, &name).await;
        let (state, words) = if seen {
            (JobState::Cancelled, "somebody removed its Job from the cluster")
        } else {
            (JobState::Failed, "its Job is gone and has left no word")
        };
        assert!(ended.state == state && ended.reason.as_ref().unwrap().starts_with(words), "{ended:?}");
    }
}

#[tokio::test]
async fn the_stand_in_answers_as_a_real_server_was_recorded_to() {
    let (cluster, client) = Cluster::start().await;
    let jobs: Api<Object> = Api::namespaced(client.clone(), fake::NAMESPACE);
    let said = |error: kube::Error| match error {
        kube::Error::Api(status) => serde_json::to_value(*status).unwrap(),
        other => panic!("{other}"),
    };
    let recorded = |text: &str, names: &[(&str, &str)]| -> Value {
        let text = names.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours));
        let mut status: Value = serde_json::from_str(&text).unwrap();
        // The client's type doesn't keep these two.
        status.as_object_mut().unwrap().retain(|name, _| name != "kind" && name != "apiVersion");
        status
    };
    let error = said(jobs.get("none").await.unwrap_err());
    assert_eq!(error, recorded(include_str!("../testdata/404-job.json"), &[]));
    let pods: Api<Pod> = Api::namespaced(client.clone(), fake::NAMESPACE);
    let error = said(pods.logs("nopod", &Default::default()).await.unwrap_err());
    assert_eq!(error, recorded(include_str!("../testdata/404-log.json"), &[]));

    let template: CronJob = serde_json::from_value(fake::cronjob()).unwrap();
    let mut job = job::build(&template, 12345, "", &request("2025-01-01", "2025-01-31")).unwrap();
    let created = serde_json::to_value(jobs.create(&PostParams::default(), &job).await.unwrap()).unwrap();
    let real: Value = serde_json::from_str(include_str!("../testdata/201-create-job.json")).unwrap();
    for part in ["/metadata", "/metadata/labels", "/spec", "/spec/template/metadata/labels"] {
        let fields = |of: &Value| of.pointer(part).unwrap().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let missing: Vec<String> = fields(&real).into_iter().filter(|name| !fields(&created).contains(name)).collect();
        assert!(missing.is_empty(), "{part}: {missing:?}");
    }
    let error = said(jobs.create(&PostParams::default(), &job).await.unwrap_err());
    assert_eq!(error, recorded(include_str!("../testdata/409-exists.json"), &[("ok-1", "ticketing-report-12345")]));
    job.metadata.name = Some("x".to_owned());
    job.spec.as_mut().unwrap().template.spec.as_mut().unwrap().restart_policy = Some("Always".to_owned());
    let error = said(jobs.create(&PostParams::default(), &job).await.unwrap_err());
    assert_eq!(error, recorded(include_str!("../testdata/422-restartpolicy.json"), &[]));

    cluster.forbid("delete", "jobs", true);
    let error = said(jobs.delete("run-1", &DeleteParams::background()).await.unwrap_err());
    let names =
        [("imp:runner", "train-orchestrator:train-orchestrator"), ("\\\"imp\\\"", "\\\"train-orchestrator\\\"")];
    assert_eq!(error, recorded(include_str!("../testdata/403-delete-job.json"), &names));
    cluster.forbid("delete", "jobs", false);
    let deleted = jobs.delete("ticketing-report-12345", &DeleteParams::background()).await.unwrap();
    let mut deleted = serde_json::to_value(deleted.right().unwrap()).unwrap();
    deleted["details"]["uid"] = "7a8693aa-bfc9-4e5e-a2a0-3715231f6dd9".into();
    let mut real =
        recorded(include_str!("../testdata/delete-job-background.json"), &[("fail-1", "ticketing-report-12345")]);
    for of in [&mut real, &mut deleted] {
        of.as_object_mut().unwrap().retain(|name, _| matches!(name.as_str(), "status" | "details"));
    }
    assert_eq!(deleted, real);

    job.metadata.name = Some("X_y".to_owned());
    let error = said(jobs.create(&PostParams::default(), &job).await.unwrap_err());
    assert_eq!(error, recorded(include_str!("../testdata/422-name.json"), &[]));

    job.metadata.name = Some("long-1".to_owned());
    job.spec.as_mut().unwrap().template.spec.as_mut().unwrap().restart_policy = Some("Never".to_owned());
    let made = serde_json::to_value(jobs.create(&PostParams::default(), &job).await.unwrap()).unwrap();
    let preconditions = Preconditions { uid: Some("other".to_owned()), resource_version: None };
    let params = DeleteParams::background().preconditions(preconditions);
    let mut error = said(jobs.delete("long-1", &params).await.unwrap_err());
    let mut real = recorded(include_str!("../testdata/409-conflict.json"), &[]);
    // That was of a change, and its words were others from here on.
    for message in [&mut error["message"], &mut real["message"]] {
        *message = message.as_str().unwrap().split_inclusive(": ").next().unwrap().into();
    }
    assert_eq!(error, real);

    let pod = cluster.make_pod(&made);
    let pod = pod["metadata"]["name"].as_str().unwrap();
    let container = LogParams { container: Some("zz".to_owned()), ..LogParams::default() };
    let error = said(pods.logs(pod, &container).await.unwrap_err());
    assert_eq!(error, recorded(include_str!("../testdata/400-log.json"), &[("long-1-52fw8", pod)]));

    let mut real: Value = serde_json::from_str(include_str!("../testdata/access-review.json")).unwrap();
    real["metadata"].as_object_mut().unwrap().clear();
    real["spec"]["resourceAttributes"]["namespace"] = fake::NAMESPACE.into();
    cluster.forbid("delete", "jobs", true);
    let mut asked = real.clone();
    asked.as_object_mut().unwrap().remove("status");
    let request = Request::post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
    let answer: Value = client.request(request.body(serde_json::to_vec(&asked).unwrap()).unwrap()).await.unwrap();
    assert_eq!(answer, real);

    cluster.know_token(false);
    let error = said(jobs.get("none").await.unwrap_err());
    assert_eq!(error, recorded(include_str!("../testdata/401.json"), &[]));
}
