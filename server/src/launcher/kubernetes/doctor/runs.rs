//! The last Jobs: how they ended, and what that says of image, folder and database.

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use serde_json::Value;

use super::{
    Finding, Place,
    api::{Cluster, why},
};
use crate::launcher::{
    JobState,
    kubernetes::{job::instant, state},
};

/// How the reasons begin that every Job has for a moment.
const PASSING: [&str; 3] = [
    "waits for the cluster to make its pod",
    "waits for the cluster to start its pod",
    "its volume and image are being",
];

/// Jobs that are told of.
const SHOWN: usize = 5;

fn typed<T: serde::de::DeserializeOwned>(list: Vec<Value>) -> Vec<T> {
    list.into_iter().filter_map(|object| serde_json::from_value(object).ok()).collect()
}

/// Looks at the last Jobs and their pods; `folder` is the volume's, where that is known.
pub(super) async fn look(cluster: &Cluster, place: &Place, folder: Option<&str>) -> Vec<Finding> {
    let selector = "labelSelector=app%3Dticketing-report";
    let (jobs, pods) =
        match (cluster.list("apis/batch/v1/jobs", selector).await, cluster.list("api/v1/pods", selector).await) {
            (Ok(jobs), Ok(pods)) => (jobs, pods),
            (Err(refusal), _) | (_, Err(refusal)) => {
                return vec![Finding::warning("last runs", format!("Jobs and pods can't be read: {}", why(&refusal)))];
            }
        };
    let (mut jobs, pods): (Vec<Job>, Vec<Pod>) = (typed(jobs), typed(pods));
    jobs.sort_by_key(|job| std::cmp::Reverse(job.metadata.creation_timestamp.as_ref().and_then(instant)));
    let Some(newest) = jobs.first() else {
        let first = format!("kubectl create job -n {} --from=cronjob/{} first-report", place.namespace, place.cronjob);
        return vec![Finding::ok("last runs", "no Job is left to tell of: they are removed after a day").with(first)];
    };
    let own = |job: &Job| -> Vec<&Pod> {
        let name = job.name_any();
        pods.iter().filter(|pod| pod.labels().get("batch.kubernetes.io/job-name") == Some(&name)).collect()
    };
    let seen = |job: &Job| state::read(job, &own(job), None);
    let tell = |job: &Job| {
        let seen = seen(job);
        let how = match seen.state {
            JobState::Queued => "waits",
            JobState::Running => "runs",
            JobState::Succeeded => "succeeded",
            JobState::Failed | JobState::Cancelled => "failed",
        };
        let why = seen.reason.map_or_else(String::new, |reason| format!(": {reason}"));
        format!("{} {how}{why}", job.name_any())
    };
    let told: Vec<String> = jobs.iter().take(SHOWN).map(tell).collect();
    // What failed before the newest did well is over.
    let last = seen(newest);
    let bad = match last.state {
        JobState::Succeeded => false,
        JobState::Failed | JobState::Cancelled => true,
        JobState::Queued | JobState::Running => {
            last.reason.as_deref().is_some_and(|reason| !PASSING.iter().any(|words| reason.starts_with(words)))
        }
    };
    let logs =
        format!("kubectl logs -n {} job/{}; kubectl describe job -n {0} {1}", place.namespace, newest.name_any());
    let finding = if bad {
        Finding::failed("last runs", told.join("\n")).with(logs)
    } else {
        Finding::ok("last runs", told.join("\n"))
    };
    let mut findings = vec![finding];
    if let Some(pod) = state::newest(&own(newest)).filter(|_| bad) {
        findings.extend(cause(place, pod, &last, folder));
    }
    findings
}

/// What a pod that came to nothing says is wrong.
fn cause(place: &Place, pod: &Pod, seen: &state::Seen, folder: Option<&str>) -> Option<Finding> {
    let namespace = &place.namespace;
    let reason = seen.reason.as_deref().unwrap_or_default();
    let code = seen.exit_code.or_else(|| state::ending(pod).and_then(|(code, _)| code));
    if reason.contains("the image `") {
        let image = reason.split('`').nth(1).unwrap_or_default();
        let detail = format!("`{image}` is on none of the nodes, and can't be pulled");
        return Some(Finding::failed("image", detail).with(format!(
            "docker build --tag {image} .; on kind: kind load docker-image {image}; on minikube: minikube image load {image}"
        )));
    }
    if reason.contains("Permission denied") || code == Some(73) {
        let path = folder.unwrap_or("/path/of/the/volume");
        let detail = if reason.contains("Permission denied") {
            format!("`{path}` belongs to root, and reports run as user 10001")
        } else {
            format!(
                "the run can't write to `{path}` (exit code 73): it belongs to somebody else, is full, or can only be read"
            )
        };
        return Some(Finding::failed("folder's owner", detail).with(format!(
            "sudo install -d -o 10001 -g 10001 {path}; or deploy with ./build-and-deploy.sh --overlay docker-desktop-chown"
        )));
    }
    match code {
        Some(75) => Some(
            Finding::failed("database from a pod", "the last run couldn't reach it, or was interrupted (exit code 75)")
                .with(format!("kubectl get pods,endpointslices -n {namespace}; kubectl get networkpolicy -n {namespace} ticketing-report -o yaml")),
        ),
        Some(78) => Some(
            Finding::failed("database from a pod", "it refuses the run's user or password, or isn't as expected (exit code 78)")
                .with(format!("kubectl describe secret -n {namespace} postgres-secret; then make it anew, and run Flyway")),
        ),
        _ => None,
    }
}
