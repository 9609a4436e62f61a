//! What the state of a Job and its pods means, in words a person understands. Nothing here calls the API.

use jiff::Timestamp;
use k8s_openapi::api::{
    batch::v1::{Job, JobCondition},
    core::v1::{ContainerStateTerminated, ContainerStatus, Pod},
};
use pipeline::record::{RunOutcome, RunRecord};
use serde::Deserialize;

use super::job::instant;
use crate::launcher::{self, JobState};

/// The container that makes the report.
const REPORT: &str = "ticketing-report";

/// A Job as it is now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) state: JobState,
    pub(super) reason: Option<String>,
    pub(super) exit_code: Option<i32>,
    pub(super) began: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
}

/// Reads a Job with its pods; `waited_for` is what was seen of it before, as a pod that ran out of time is gone.
///
/// Only the conditions Complete and Failed end a Job, never the numbers of pods.
pub(super) fn read(job: &Job, pods: &[&Pod], waited_for: Option<&str>) -> Seen {
    let newest = newest(pods);
    let began = pods.iter().filter_map(|pod| began(pod)).min();
    let seen = |state, reason| Seen { state, reason, exit_code: None, began, ended: None };
    if let Some(complete) = condition(job, "Complete") {
        let completion = job.status.as_ref().and_then(|status| status.completion_time.as_ref());
        let ended = completion.or(complete.last_transition_time.as_ref()).and_then(instant);
        return Seen { exit_code: Some(0), ended, ..seen(JobState::Succeeded, None) };
    }
    if let Some(failed) = condition(job, "Failed") {
        let (exit_code, reason) = failure(job, failed, newest, waited_for);
        let ended = failed.last_transition_time.as_ref().and_then(instant);
        return Seen { exit_code, ended, ..seen(JobState::Failed, Some(reason)) };
    }
    // What follows these two is certain, but the pod may still be busy ending.
    if let Some(failing) = condition(job, "FailureTarget") {
        let (_, reason) = failure(job, failing, newest, waited_for);
        return seen(JobState::Running, Some(format!("is being ended: {reason}")));
    }
    if condition(job, "SuccessCriteriaMet").is_some() {
        return seen(JobState::Running, None);
    }
    if is_suspended(job) {
        let name = job.metadata.name.as_deref().unwrap_or_default();
        let remedy = format!("kubectl patch job {name} -p '{{\"spec\":{{\"suspend\":false}}}}' lets it run");
        return seen(JobState::Queued, Some(format!("its Job is suspended: {remedy}")));
    }
    let Some(pod) = newest else {
        return seen(JobState::Queued, Some("waits for the cluster to make its pod".to_owned()));
    };
    let before: Vec<&Pod> = pods.iter().copied().filter(|other| other.metadata.name != pod.metadata.name).collect();
    let earlier = || self::newest(&before).and_then(ending);
    match phase(pod) {
        "Failed" => {
            let why = ending(pod).map_or_else(|| "its pod failed".to_owned(), |(_, why)| why);
            seen(JobState::Running, Some(format!("a try failed: {why}")))
        }
        "Succeeded" | "Running" => seen(JobState::Running, None),
        _ => match (waiting(pod), earlier()) {
            (waits, Some((_, why))) => seen(JobState::Running, Some(format!("{waits}; the try before failed: {why}"))),
            (waits, None) if began.is_none() => seen(JobState::Queued, Some(waits)),
            (waits, None) => seen(JobState::Running, Some(waits)),
        },
    }
}

/// Puts the end of a job into it: the run's own record says most, and what the cluster saw says the rest. Without `seen`
/// the Job is gone; `cancelled` then says whether somebody is known to have removed it, and in what words.
pub(super) fn end(job: &mut launcher::Job, seen: Option<&Seen>, record: Option<&RunRecord>, cancelled: Option<&str>) {
    let published = record.filter(|record| record.outcome != RunOutcome::Failed);
    let code = seen.and_then(|seen| seen.exit_code);
    let recorded = record.map(|record| i32::from(record.exit_code));
    // A record of an earlier try says nothing of the last one.
    let said = record.filter(|_| code.is_none() || code == recorded).and_then(|record| record.message.clone());
    let late = seen.and_then(|seen| seen.reason.as_deref()).is_some_and(|reason| reason.starts_with(TOO_LATE));
    (job.state, job.reason) = match (published, seen.map(|seen| seen.state), cancelled) {
        (Some(_), _, _) | (None, Some(JobState::Succeeded), _) => (JobState::Succeeded, None),
        (None, Some(_), _) => {
            let seen = seen.and_then(|seen| seen.reason.clone());
            (JobState::Failed, said.filter(|_| !late).or(seen))
        }
        (None, None, Some(words)) => (JobState::Cancelled, Some(words.to_owned())),
        (None, None, None) => {
            let lost = "its Job is gone and has left no word: somebody removed it, or it ended long ago without being \
                        able to write to the store; start it again";
            (JobState::Failed, Some(said.unwrap_or_else(|| lost.to_owned())))
        }
    };
    job.exit_code = if job.state == JobState::Succeeded { Some(0) } else { code.or(recorded) };
    job.start_time = seen.and_then(|seen| seen.began).or(job.start_time).or(record.map(|record| record.began));
    let ended = record.filter(|_| job.state != JobState::Cancelled).map(|record| record.ended);
    let ended = ended.or(seen.and_then(|seen| seen.ended)).unwrap_or_else(Timestamp::now);
    // Pods, the cluster and this program each have a clock.
    job.completion_time = Some(job.start_time.map_or(ended, |start| ended.max(start)));
    job.stage = None;
    if job.state == JobState::Succeeded {
        job.percent = Some(100);
    }
    if let Some(record) = record {
        (job.start_date, job.end_date) = (record.first, record.last);
    }
    if let Some(record) = published {
        job.unchanged = record.outcome == RunOutcome::Unchanged;
        (job.rows, job.edition) = (record.rows.or(job.rows), record.edition);
        (job.report, job.period_id) = (record.report.clone(), record.period.map(|period| period.to_string()));
    }
}

/// How the reason of a Job that ran out of time begins.
const TOO_LATE: &str = "its time limit";

/// A condition of a Job that holds.
fn condition<'a>(job: &'a Job, name: &str) -> Option<&'a JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == name && condition.status == "True")
}

/// Whether a Job will do nothing more.
pub(super) fn is_over(job: &Job) -> bool {
    condition(job, "Complete").or(condition(job, "Failed")).is_some()
}

/// Whether a Job's end is certain, though its pods may still be busy.
pub(super) fn is_ending(job: &Job) -> bool {
    is_over(job) || condition(job, "FailureTarget").or(condition(job, "SuccessCriteriaMet")).is_some()
}

/// Whether somebody holds a Job back.
pub(super) fn is_suspended(job: &Job) -> bool {
    job.spec.as_ref().and_then(|spec| spec.suspend).unwrap_or(false)
}

/// The newest pod of a Job.
pub(super) fn newest<'a>(pods: &[&'a Pod]) -> Option<&'a Pod> {
    let age = |pod: &&Pod| (pod.metadata.creation_timestamp.as_ref().and_then(instant), pod.metadata.name.clone());
    pods.iter().copied().max_by_key(age)
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending")
}

/// What is known of a pod's containers, those first that run first.
fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let lists = pod.status.iter().flat_map(|status| [&status.init_container_statuses, &status.container_statuses]);
    lists.flatten().flatten()
}

/// The status of the container that makes the report.
fn report(pod: &Pod) -> Option<&ContainerStatus> {
    let all = pod.status.as_ref()?.container_statuses.as_ref()?;
    all.iter().find(|container| container.name == REPORT).or(all.first())
}

/// The name of the container that makes the report: a cluster may put others of its own beside it.
pub(super) fn container(pod: &Pod) -> Option<&str> {
    let all = &pod.spec.as_ref()?.containers;
    all.iter().find(|container| container.name == REPORT).or(all.first()).map(|container| container.name.as_str())
}

/// When a pod's report began.
pub(super) fn began(pod: &Pod) -> Option<Timestamp> {
    let state = report(pod)?.state.as_ref()?;
    let running = state.running.as_ref().and_then(|running| running.started_at.as_ref());
    let ended = state.terminated.as_ref().and_then(|ended| ended.started_at.as_ref());
    running.or(ended).and_then(instant)
}

/// What a pod waits for that hasn't begun.
fn waiting(pod: &Pod) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let unplaced = conditions.iter().find(|c| c.type_ == "PodScheduled" && c.status == "False");
    if let Some(why) = unplaced {
        let message = why.message.as_deref().unwrap_or("no node takes its pod");
        return if message.to_lowercase().contains("persistentvolumeclaim") || message.contains("volume") {
            format!("waits for the volume ({message}): kubectl describe pvc says at its end why there is none")
        } else {
            format!("waits for a node ({message}): kubectl describe nodes shows what they have left")
        };
    }
    let waits = containers(pod).find_map(|c| Some((c, c.state.as_ref()?.waiting.as_ref()?)));
    let Some((container, waits)) = waits else { return "waits for the cluster to start its pod".to_owned() };
    let reason = waits.reason.as_deref().unwrap_or_default();
    match (reason, waits.message.as_deref()) {
        ("ErrImageNeverPull" | "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName", _) => {
            let image = &container.image;
            format!("the image `{image}` is missing ({reason}): build it, and load it into the cluster")
        }
        ("ContainerCreating" | "PodInitializing" | "", _) => {
            format!(
                "its volume and image are being made ready; if that doesn't end, kubectl describe pod {name} says why"
            )
        }
        (_, Some(message)) => format!("its container can't start ({reason}: {message})"),
        (_, None) => format!("its container can't start ({reason}): kubectl describe pod {name} says why"),
    }
}

/// Why a Job failed, and the last exit code.
fn failure(job: &Job, failed: &JobCondition, pod: Option<&Pod>, waited_for: Option<&str>) -> (Option<i32>, String) {
    let ended = pod.and_then(ending);
    if failed.reason.as_deref() == Some("DeadlineExceeded") {
        let limit = job.spec.as_ref().and_then(|spec| spec.active_deadline_seconds).unwrap_or_default();
        let waits = pod.filter(|pod| phase(pod) == "Pending").map(waiting);
        let why = match waits.as_deref().or(waited_for) {
            Some(waits) => format!("until then: {waits}"),
            None => "if it only needs longer, raise activeDeadlineSeconds in the CronJob".to_owned(),
        };
        return (ended.and_then(|(code, _)| code), format!("{TOO_LATE} of {limit} s has passed; {why}"));
    }
    let tries = job.status.as_ref().and_then(|status| status.failed).filter(|tries| *tries > 1);
    let tried = tries.map_or_else(String::new, |tries| format!(" (the last of {tries} tries)"));
    if let Some((code, why)) = ended {
        return (code, format!("{why}{tried}"));
    }
    let message = failed.message.as_deref().unwrap_or("its Job failed");
    let reason = failed.reason.as_deref().unwrap_or("no reason");
    (None, format!("{message} ({reason}), and its pods are gone with their logs: start it again and watch it"))
}

/// How a pod ended that failed: its exit code, and why in words.
pub(super) fn ending(pod: &Pod) -> Option<(Option<i32>, String)> {
    let status = pod.status.as_ref()?;
    let failed = |c: &&ContainerStatus| ended(c).is_some_and(|end| end.exit_code != 0);
    let container = containers(pod).find(failed);
    let end = container.and_then(ended);
    let code = end.map(|end| end.exit_code);
    let disrupted = status.conditions.iter().flatten().find(|c| c.type_ == "DisruptionTarget" && c.status == "True");
    let message = |text: Option<&String>| text.map_or_else(String::new, |text| format!(" ({})", text.trim()));
    if status.reason.as_deref() == Some("Evicted") {
        let why = message(status.message.as_ref());
        return Some((code, format!("the cluster evicted its pod{why}: give the node more room, or start it again")));
    }
    if let Some(disrupted) = disrupted {
        let why = message(disrupted.message.as_ref());
        return Some((code, format!("the cluster took its pod away{why}: start it again")));
    }
    let (container, end) = (container?, end?);
    if end.reason.as_deref() == Some("OOMKilled") {
        let limit = memory(container).unwrap_or_else(|| "no".to_owned());
        let remedy = "raise resources.limits.memory in the CronJob";
        return Some((code, format!("memory ran out: it was killed at its limit of {limit}; {remedy}")));
    }
    let meaning = match end.exit_code {
        2 => "its arguments are wrong",
        65 => "the data breaks a rule",
        73 => "it can't write to its volume",
        75 => "the database can't be reached or the run was interrupted, so that another try may do",
        78 => "its configuration is wrong: password, schema or mount",
        126..=128 => "the report command can't be run",
        130 | 143 => "it was told to end",
        137 => "it was killed",
        _ => "it failed",
    };
    let words = end.message.as_deref().and_then(last_words);
    let words = words.unwrap_or_else(|| "look at its log".to_owned());
    Some((code, format!("exit code {}, {meaning}: {words}", end.exit_code)))
}

fn ended(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    container.state.as_ref()?.terminated.as_ref()
}

fn memory(container: &ContainerStatus) -> Option<String> {
    Some(container.resources.as_ref()?.limits.as_ref()?.get("memory")?.0.clone())
}

/// What a run said last: the message of its failure, or its last line.
fn last_words(message: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(tag = "event", rename_all = "snake_case")]
    enum Line {
        Failed { message: String },
    }
    let lines = || message.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let failure = lines().find_map(|line| serde_json::from_str::<Line>(line).ok());
    failure.map(|Line::Failed { message }| message).or_else(|| lines().next().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn job(text: &str) -> Job {
        serde_json::from_str(text).unwrap()
    }

    fn pods(text: &str) -> Vec<Pod> {
        let list: Value = serde_json::from_str(text).unwrap();
        serde_json::from_value(list["items"].clone()).unwrap()
    }

    fn check(job: &Job, pods: &[Pod], waited: Option<&str>, state: JobState, code: Option<i32>, reason: Option<&str>) {
        let seen = read(job, &pods.iter().collect::<Vec<_>>(), waited);
        assert_eq!((seen.state, seen.exit_code, seen.reason.as_deref()), (state, code, reason), "{job:?}");
        let over = matches!(state, JobState::Succeeded | JobState::Failed);
        assert_eq!((seen.ended.is_some(), is_over(job)), (over, over));
    }

    #[test]
    fn recorded_ends_have_their_state_and_reason() {
        let (ok, ok_pods) = (include_str!("testdata/job-ok-1.json"), include_str!("testdata/pods-ok-1.json"));
        check(&job(ok), &pods(ok_pods), None, JobState::Succeeded, Some(0), None);
        let seen = read(&job(ok), &pods(ok_pods).iter().collect::<Vec<_>>(), None);
        assert_eq!(seen.began.unwrap().to_string(), "2026-11-23T16:28:17Z");
        assert_eq!(seen.ended.unwrap().to_string(), "2026-11-23T16:28:21Z");

        let (fail, fail_pods) = (include_str!("testdata/job-fail-1.json"), include_str!("testdata/pods-fail-1.json"));
        let reason = Some("exit code 3, it failed: look at its log");
        check(&job(fail), &pods(fail_pods), None, JobState::Failed, Some(3), reason);
        let gone = "Job has reached the specified backoff limit (BackoffLimitExceeded), and its pods are gone with their \
                    logs: start it again and watch it";
        check(&job(fail), &[], None, JobState::Failed, None, Some(gone));

        let (oom, oom_pods) = (include_str!("testdata/job-oom-1.json"), include_str!("testdata/pods-oom-1.json"));
        let reason = "memory ran out: it was killed at its limit of 32Mi; raise resources.limits.memory in the CronJob";
        check(&job(oom), &pods(oom_pods), None, JobState::Failed, Some(137), Some(reason));

        let slow = job(include_str!("testdata/job-slow-1.json"));
        let reason =
            "its time limit of 6 s has passed; if it only needs longer, raise activeDeadlineSeconds in the CronJob";
        check(&slow, &[], None, JobState::Failed, None, Some(reason));
        let image = job(include_str!("testdata/job-noimg.json"));
        let reason = "its time limit of 14 s has passed; until then: the image is missing";
        check(&image, &[], Some("the image is missing"), JobState::Failed, None, Some(reason));
    }

    #[test]
    fn recorded_waits_say_what_for() {
        let suspended = job(include_str!("testdata/job-susp-1.json"));
        let reason = "its Job is suspended: kubectl patch job susp-1 -p '{\"spec\":{\"suspend\":false}}' lets it run";
        check(&suspended, &[], None, JobState::Queued, None, Some(reason));
        let waiting = job(include_str!("testdata/201-create-job.json"));
        check(&waiting, &[], None, JobState::Queued, None, Some("waits for the cluster to make its pod"));
        let unbound = pods(include_str!("testdata/pods-unb-1.json"));
        let reason = "waits for the volume (0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. \
                      not found): kubectl describe pvc says at its end why there is none";
        check(&waiting, &unbound, None, JobState::Queued, None, Some(reason));

        let state = |waits: Value| {
            let mut pod = serde_json::to_value(&pods(include_str!("testdata/pods-ok-1.json"))[0]).unwrap();
            pod["status"]["phase"] = "Pending".into();
            pod["status"]["containerStatuses"][0]["state"] = serde_json::json!({"waiting": waits});
            let pod: Pod = serde_json::from_value(pod).unwrap();
            read(&waiting, &[&pod], None).reason.unwrap()
        };
        let json = serde_json::from_str::<Value>;
        let image = state(json(r#"{"reason": "ImagePullBackOff", "message": "Back-off"}"#).unwrap());
        assert_eq!(
            image,
            "the image `localhost/busybox:1` is missing (ImagePullBackOff): build it, and load it into the cluster"
        );
        let config =
            state(json(r#"{"reason": "CreateContainerConfigError", "message": "secret \"x\" not found"}"#).unwrap());
        assert_eq!(config, "its container can't start (CreateContainerConfigError: secret \"x\" not found)");
        let creating = state(json(r#"{"reason": "ContainerCreating"}"#).unwrap());
        assert!(creating.ends_with("kubectl describe pod ok-1-g2v6l says why"), "{creating}");
    }

    #[test]
    fn a_recorded_watch_ends_no_job_before_its_condition() {
        let mut last = std::collections::BTreeMap::new();
        for line in include_str!("testdata/watch-jobs.ndjson").lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            if event["object"]["kind"] != "Job" {
                continue;
            }
            let job: Job = serde_json::from_value(event["object"].clone()).unwrap();
            let seen = read(&job, &[], None);
            let over = line.contains(r#""type":"Complete""#) || line.contains(r#""type":"Failed""#);
            assert_eq!(matches!(seen.state, JobState::Succeeded | JobState::Failed), over, "{line}");
            last.insert(job.metadata.name.unwrap(), seen.state);
        }
        let failed: Vec<_> =
            last.iter().filter(|(_, state)| **state == JobState::Failed).map(|(name, _)| &**name).collect();
        let good: Vec<_> =
            last.iter().filter(|(_, state)| **state == JobState::Succeeded).map(|(name, _)| &**name).collect();
        assert_eq!(failed, ["fail-1", "noimg", "oom-1", "run-1", "slow-1"]);
        assert_eq!(good, ["ok-1", "run-2", "ttl-1"]);
        assert_eq!(last["susp-1"], JobState::Queued);
    }

    #[test]
    fn exit_codes_have_a_meaning_and_last_words() {
        let mut pod = serde_json::to_value(&pods(include_str!("testdata/pods-fail-1.json"))[0]).unwrap();
        let mut check = |code: i32, message: &str, expected: &str| {
            let end = &mut pod["status"]["containerStatuses"][0]["state"]["terminated"];
            (end["exitCode"], end["message"]) = (code.into(), message.into());
            let pod: Pod = serde_json::from_value(pod.clone()).unwrap();
            assert_eq!(ending(&pod), Some((Some(code), expected.to_owned())));
        };
        let lines =
            "{\"event\":\"warning\",\"message\":\"no\"}\n{\"event\":\"failed\",\"message\":\"row 7\",\"code\":65}\n";
        check(65, lines, "exit code 65, the data breaks a rule: row 7");
        check(2, "one\n\nthe last\n", "exit code 2, its arguments are wrong: the last");
        check(143, "", "exit code 143, it was told to end: look at its log");
        check(1, " \n", "exit code 1, it failed: look at its log");
    }

    #[test]
    fn the_record_counts_for_more_than_the_cluster_but_not_for_a_later_try() {
        use crate::launcher::kubernetes::fake::record;
        let days = ("2025-01-01".parse().unwrap(), "2025-01-31".parse().unwrap());
        let blank = launcher::Job::of_days(String::new(), String::new(), launcher::PeriodKind::Custom, days);
        let failed = |code: Option<i32>, reason: &str| Seen {
            state: JobState::Failed,
            reason: Some(reason.to_owned()),
            exit_code: code,
            began: None,
            ended: None,
        };
        let check = |seen: Option<&Seen>, code: Option<u8>, cancelled: Option<&str>, state, reason: Option<&str>| {
            let (mut job, record) = (blank.clone(), code.map(|code| record("run", days, code)));
            end(&mut job, seen, record.as_ref(), cancelled);
            assert_eq!((job.state, job.reason.as_deref()), (state, reason));
            assert!(job.completion_time.is_some());
        };
        let words = Some("the run's own words for 65");
        check(Some(&failed(Some(65), "seen")), Some(65), None, JobState::Failed, words);
        check(Some(&failed(None, "seen")), Some(65), None, JobState::Failed, words);
        check(Some(&failed(Some(137), "seen")), Some(65), None, JobState::Failed, Some("seen"));
        let late = "its time limit of 1 s has passed";
        check(Some(&failed(None, late)), Some(75), None, JobState::Failed, Some(late));
        check(Some(&failed(Some(137), "seen")), Some(0), None, JobState::Succeeded, None);
        check(None, Some(0), Some("cancelled"), JobState::Succeeded, None);
        check(None, Some(75), Some("cancelled"), JobState::Cancelled, Some("cancelled"));
        check(None, Some(65), None, JobState::Failed, words);
        check(None, None, Some("cancelled"), JobState::Cancelled, Some("cancelled"));
    }
}
