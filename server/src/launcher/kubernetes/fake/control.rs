//! What the rest of a cluster does: makes a Job's pod, runs it, and says how it ended, in the steps and the words of a
//! real one.

use std::time::Duration;

use jiff::{Timestamp, civil::Date};
use pipeline::{
    period::{PeriodId, ReportTimeZone},
    record::{RunOutcome, RunRecord},
    store::{Place, Store},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Cluster, uid};

/// How a run goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::launcher::kubernetes) enum Fate {
    Publish,
    /// It fails and says why.
    Exit(u8),
    /// It fails and says nothing anywhere.
    Mute(u8),
    OutOfMemory,
    Deadline,
    NoImage,
    NoVolume,
    Evicted,
    /// The first try fails, the second publishes.
    SecondTry,
}

/// The record of a run.
pub(in crate::launcher::kubernetes) fn record(run: &str, days: (Date, Date), code: u8) -> RunRecord {
    let published = code == 0;
    let month: PeriodId = days.0.strftime("%Y-%m").to_string().parse().unwrap();
    RunRecord {
        run: run.to_owned(),
        first: days.0,
        last: days.1,
        time_zone: ReportTimeZone::utc(),
        began: Timestamp::now(),
        ended: Timestamp::now(),
        outcome: if published { RunOutcome::Published } else { RunOutcome::Failed },
        exit_code: code,
        period: published.then_some(month),
        edition: published.then_some(1),
        rows: published.then_some(200),
        report: published.then(|| format!("ticketing-report-{month}.xlsx")),
        message: (!published).then(|| format!("the run's own words for {code}")),
    }
}

pub(super) fn pause() -> impl Future<Output = ()> {
    tokio::time::sleep(Duration::from_millis(4))
}

impl Cluster {
    /// Runs each new Job with the fate that is chosen for it, and holds the runs back until `go`.
    pub(in crate::launcher::kubernetes) fn control(
        &self,
        store: Store,
        go: watch::Receiver<bool>,
        fate: impl Fn(&Value) -> Fate + Send + 'static,
    ) {
        let cluster = self.clone();
        let mut changes = self.changes();
        tokio::spawn(async move {
            let mut known = std::collections::HashSet::new();
            while changes.changed().await.is_ok() {
                for name in cluster.names("jobs") {
                    let Some(job) = cluster.object("jobs", &name) else { continue };
                    let waits = job["spec"]["suspend"] == true;
                    if !waits && known.insert(job["metadata"]["uid"].to_string()) {
                        tokio::spawn(cluster.clone().play(job.clone(), fate(&job), store.clone(), go.clone()));
                    }
                }
            }
        });
    }

    pub(super) fn job_is(&self, job: &Value, status: Value) {
        let name = job["metadata"]["name"].as_str().unwrap();
        if let Some(mut now) = self.object("jobs", name).filter(|now| now["metadata"]["uid"] == job["metadata"]["uid"])
        {
            now["status"] = status;
            self.put("jobs", now);
        }
    }

    pub(super) fn is_there(&self, job: &Value) -> bool {
        let now = self.object("jobs", job["metadata"]["name"].as_str().unwrap());
        now.is_some_and(|now| now["metadata"]["uid"] == job["metadata"]["uid"])
    }

    /// A pod of a Job, which waits for its container.
    pub(in crate::launcher::kubernetes) fn make_pod(&self, job: &Value) -> Value {
        let recorded: Value = serde_json::from_str(include_str!("../testdata/pods-ok-1.json")).unwrap();
        let mut pod = recorded["items"][0].clone();
        let name = format!("{}-{}", job["metadata"]["name"].as_str().unwrap(), &uid()[..5]);
        for (field, value) in [("name", name), ("uid", uid()), ("creationTimestamp", self.now())] {
            pod["metadata"][field] = value.into();
        }
        pod["metadata"]["labels"] = job["spec"]["template"]["metadata"]["labels"].clone();
        pod["spec"] = job["spec"]["template"]["spec"].clone();
        let placed = json!({"type": "PodScheduled", "status": "True"});
        pod["status"] = json!({"phase": "Pending", "conditions": [placed]});
        self.container_is(pod, "Pending", json!({"waiting": {"reason": "ContainerCreating"}}))
    }

    /// Puts a pod there whose container is in a state.
    pub(in crate::launcher::kubernetes) fn container_is(&self, mut pod: Value, phase: &str, state: Value) -> Value {
        let recorded: Value = serde_json::from_str(include_str!("../testdata/pods-ok-1.json")).unwrap();
        let mut container = recorded["items"][0]["status"]["containerStatuses"][0].clone();
        let spec = &pod["spec"]["containers"][0];
        for field in ["name", "image", "resources"] {
            container[field] = spec[field].clone();
        }
        container["state"] = state;
        pod["status"]["phase"] = phase.into();
        pod["status"]["containerStatuses"] = json!([container]);
        self.put("pods", pod.clone());
        pod
    }

    pub(super) fn end_pod(&self, pod: Value, code: u8, reason: &str, message: Option<String>) {
        self.write_log(pod["metadata"]["name"].as_str().unwrap(), "", true);
        let mut end = json!({"exitCode": code, "reason": reason, "startedAt": self.now(), "finishedAt": self.now()});
        if let Some(message) = message {
            end["message"] = message.into();
        }
        self.container_is(pod, if code == 0 { "Succeeded" } else { "Failed" }, json!({"terminated": end}));
    }

    async fn end_job(&self, job: &Value, failed: Option<(&str, &str)>) {
        let (interim, last, reason, message) = match failed {
            None => {
                ("SuccessCriteriaMet", "Complete", "CompletionsReached", "Reached expected number of succeeded pods")
            }
            Some((reason, message)) => ("FailureTarget", "Failed", reason, message),
        };
        let condition = |what: &str| {
            json!({"type": what, "status": "True", "lastProbeTime": self.now(), "lastTransitionTime": self.now(),
                "reason": reason, "message": message})
        };
        let mut status =
            json!({"startTime": self.now(), "terminating": 0, "ready": 0, "conditions": [condition(interim)]});
        self.job_is(job, status.clone());
        pause().await;
        if failed.is_none() {
            (status["completionTime"], status["succeeded"]) = (self.now().into(), 1.into());
        } else {
            status["failed"] = 1.into();
        }
        status["conditions"] = json!([condition(interim), condition(last)]);
        self.job_is(job, status);
    }

    async fn play(self, job: Value, fate: Fate, store: Store, mut go: watch::Receiver<bool>) {
        if job["spec"]["completionMode"] == "Indexed" {
            return self.play_indexes(job, fate, store, go).await;
        }
        let name = job["metadata"]["name"].as_str().unwrap().to_owned();
        pause().await;
        self.job_is(&job, json!({"startTime": self.now(), "active": 1, "terminating": 0, "ready": 0}));
        pause().await;
        if !self.is_there(&job) {
            return;
        }
        let mut pod = self.make_pod(&job);
        pause().await;
        let late = ("DeadlineExceeded", "Job was active longer than specified deadline");
        match fate {
            Fate::NoImage => {
                let why = json!({"reason": "ErrImageNeverPull", "message": "Container image is not present"});
                pod = self.container_is(pod, "Pending", json!({"waiting": why}));
            }
            Fate::NoVolume => {
                let recorded: Value = serde_json::from_str(include_str!("../testdata/pods-unb-1.json")).unwrap();
                pod["status"] = recorded["items"][0]["status"].clone();
                self.put("pods", pod.clone());
            }
            _ => pod = self.container_is(pod, "Running", json!({"running": {"startedAt": self.now()}})),
        }
        let begins = !matches!(fate, Fate::NoImage | Fate::NoVolume);
        let env = job["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
        let named = env.iter().any(|variable| variable["name"] == "REPORT_JOB");
        let run = if named { name.clone() } else { format!("20260101T020000Z-{}", &uid()[..8]) };
        let days = days(&job);
        let pod_name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        if begins {
            let told = format!(
                "{}\n{}\n",
                json!({"event": "started", "run": run, "first": days.0, "last": days.1}),
                json!({"event": "progress", "stage": "tickets", "rows": 50, "of": 200})
            );
            self.write_log(&pod_name, &told, false);
        }
        while !*go.borrow_and_update() {
            if tokio::time::timeout(Duration::from_millis(20), go.changed()).await.is_ok_and(|go| go.is_err()) {
                return;
            }
            if !self.is_there(&job) {
                return;
            }
        }
        let keep = |code: u8| {
            let record = serde_json::to_vec(&record(&run, days, code)).unwrap();
            let (store, run) = (store.clone(), run.clone());
            async move { store.write(Place::Run(&run), record).await.unwrap() }
        };
        let backoff = ("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        match fate {
            Fate::Publish => {
                keep(0).await;
                self.write_log(&pod_name, &format!("{}\n", json!({"event": "done", "rows": 200})), false);
                self.end_pod(pod, 0, "Completed", None);
                pause().await;
                self.end_job(&job, None).await;
            }
            Fate::Exit(code) | Fate::Mute(code) => {
                let words = json!({"event": "failed", "message": "its last words", "code": code});
                if matches!(fate, Fate::Exit(_)) {
                    keep(code).await;
                    self.write_log(&pod_name, &format!("{words}\n"), false);
                }
                self.end_pod(pod, code, "Error", matches!(fate, Fate::Exit(_)).then(|| words.to_string()));
                pause().await;
                self.end_job(&job, Some(backoff)).await;
            }
            Fate::OutOfMemory => {
                self.end_pod(pod, 137, "OOMKilled", None);
                self.end_job(&job, Some(backoff)).await;
            }
            Fate::Evicted => {
                pod["status"]["reason"] = "Evicted".into();
                pod["status"]["message"] = "The node was low on resource: memory.".into();
                self.end_pod(pod, 137, "Error", None);
                self.end_job(&job, Some(backoff)).await;
            }
            Fate::Deadline | Fate::NoImage | Fate::NoVolume => {
                // The two watches may tell it in either order.
                self.remove_pods(&name);
                self.end_job(&job, Some(late)).await;
            }
            Fate::SecondTry => {
                keep(75).await;
                self.end_pod(pod, 75, "Error", None);
                pause().await;
                // Pods' ages are told in seconds: the newer one must have a later one.
                tokio::time::sleep(Duration::from_millis(1100)).await;
                let second = self.make_pod(&job);
                pause().await;
                let second = self.container_is(second, "Running", json!({"running": {"startedAt": self.now()}}));
                keep(0).await;
                self.end_pod(second, 0, "Completed", None);
                self.end_job(&job, None).await;
            }
        }
    }
}

/// The days in a Job's arguments; for others, those of the month before.
fn days(job: &Value) -> (Date, Date) {
    let args = &job["spec"]["template"]["spec"]["containers"][0]["args"];
    let day = |at: usize| args[at].as_str().and_then(|text| text.parse().ok());
    let named = day(1).zip(day(3));
    named.unwrap_or_else(|| ("2025-12-01".parse().unwrap(), "2025-12-31".parse().unwrap()))
}
