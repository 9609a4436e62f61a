//! What the rest of a cluster does for an Indexed Job: as many indexes at once as it allows, each with pods of its own.

use std::collections::BTreeSet;

use pipeline::store::{Place, Store};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    Cluster,
    control::{Fate, pause, record},
};

/// Indexes as Kubernetes writes them: `0,2-4`.
fn written(indexes: &BTreeSet<usize>) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &at in indexes {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == at => *last = at,
            _ => parts.push((at, at)),
        }
    }
    let part =
        |(first, last): (usize, usize)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    parts.into_iter().map(part).collect::<Vec<_>>().join(",")
}

fn variable(job: &Value, name: &str) -> String {
    let env = job["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    env.iter().find(|variable| variable["name"] == name).unwrap()["value"].as_str().unwrap().to_owned()
}

impl Cluster {
    /// Plays all indexes. Their months of the years 2001 and 2003 end with 65 and 78, all others as `fate` says.
    pub(super) async fn play_indexes(self, job: Value, fate: Fate, store: Store, mut go: watch::Receiver<bool>) {
        let name = job["metadata"]["name"].as_str().unwrap().to_owned();
        let count = |field: &str| usize::try_from(job["spec"][field].as_u64().unwrap()).unwrap();
        let (completions, parallel, most) = (count("completions"), count("parallelism"), count("maxFailedIndexes"));
        let months: Vec<String> = variable(&job, "REPORT_MONTHS").split(',').map(str::to_owned).collect();
        assert_eq!(months.len(), completions);
        let (mut completed, mut failed) = (BTreeSet::new(), BTreeSet::new());
        let (mut next, mut running) = (0, Vec::new());
        let began = self.now();
        let status = |completed: &BTreeSet<usize>, failed: &BTreeSet<usize>, active: usize| {
            json!({"startTime": began, "active": active, "ready": active, "terminating": 0, "failed": failed.len(),
                "succeeded": completed.len(), "completedIndexes": written(completed), "failedIndexes": written(failed)})
        };
        let mut stop = false;
        while self.is_there(&job) && (!running.is_empty() || (next < completions && !stop)) {
            while running.len() < parallel && next < completions && !stop {
                let mut pod = self.make_pod(&job);
                pod["metadata"]["annotations"] = json!({"batch.kubernetes.io/job-completion-index": next.to_string()});
                let state = json!({"running": {"startedAt": self.now()}});
                running.push((next, self.container_is(pod, "Running", state)));
                next += 1;
            }
            self.job_is(&job, status(&completed, &failed, running.len()));
            pause().await;
            while !*go.borrow_and_update() && self.is_there(&job) {
                let held = tokio::time::timeout(std::time::Duration::from_millis(20), go.changed()).await;
                if held.is_ok_and(|go| go.is_err()) {
                    return;
                }
            }
            if !self.is_there(&job) {
                return;
            }
            let (at, pod) = running.remove(0);
            let first: jiff::civil::Date = format!("{}-01", months[at]).parse().unwrap();
            let code = match first.year() {
                2001 => 65,
                2003 => 78,
                _ => u8::from(fate != Fate::Publish),
            };
            let run = format!("{name}-{}", months[at]);
            let kept = serde_json::to_vec(&record(&run, (first, first.last_of_month()), code)).unwrap();
            store.write(Place::Run(&run), kept).await.unwrap();
            let log = format!("{}\n", json!({"event": "done", "rows": 200}));
            self.write_log(pod["metadata"]["name"].as_str().unwrap(), &log, false);
            let words = (code > 0).then(|| json!({"event": "failed", "message": "its last words"}).to_string());
            self.end_pod(pod, code, if code == 0 { "Completed" } else { "Error" }, words);
            if code == 0 {
                completed.insert(at)
            } else {
                failed.insert(at)
            };
            // One rule ends the whole Job; too many that fail do so as well.
            stop = code == 78 || failed.len() > most;
            if stop {
                running.clear();
            }
        }
        let (interim, last, reason) = match failed.len() {
            0 => ("SuccessCriteriaMet", "Complete", "CompletionsReached"),
            many if many > most => ("FailureTarget", "Failed", "MaxFailedIndexesExceeded"),
            _ if stop => ("FailureTarget", "Failed", "PodFailurePolicy"),
            _ => ("FailureTarget", "Failed", "FailedIndexes"),
        };
        let condition = |what: &str| {
            json!({"type": what, "status": "True", "lastTransitionTime": self.now(), "reason": reason,
                "message": "Job has failed indexes"})
        };
        let mut ended = status(&completed, &failed, 0);
        ended["conditions"] = json!([condition(interim)]);
        self.job_is(&job, ended.clone());
        pause().await;
        ended["conditions"] = json!([condition(interim), condition(last)]);
        self.job_is(&job, ended);
    }
}
