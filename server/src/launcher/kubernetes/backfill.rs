//! A backfill as one Indexed Job: each index is a month, and has pods and tries of its own.

use std::collections::BTreeSet;

use futures::future::join_all;
use k8s_openapi::api::{
    batch::v1::{CronJob, Job as Object, JobSpec, PodFailurePolicy, PodFailurePolicyRule},
    core::v1::{PersistentVolumeClaim, Pod},
};

use super::{
    Kubernetes,
    calls::{Call, patiently},
    state::{self, Seen},
};
use crate::launcher::{Backfill, Job, JobMonth, JobState, LaunchError, Parallel, PeriodKind};

/// Exit code of a wrong configuration: what is wrong for one month is wrong for all.
const CONFIGURATION: i32 = 78;

/// Where a pod's index stands, as an annotation and as a label.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// Makes a Job's description one of a Job with an index for each month.
pub(super) fn index(spec: &mut JobSpec, backfill: &Backfill) {
    let months = i32::try_from(backfill.months.len()).unwrap_or(i32::MAX);
    let parallel = i32::from(backfill.parallel.max(1)).min(months);
    spec.completion_mode = Some("Indexed".to_owned());
    (spec.completions, spec.parallelism) = (Some(months), Some(parallel));
    // Each month has the tries of a single report. When half of them fail, the rest isn't tried.
    spec.backoff_limit_per_index = Some(spec.backoff_limit.take().unwrap_or(3));
    spec.max_failed_indexes = Some((months + 1) / 2);
    // The limit is for all of a Job.
    let turns = i64::from((months + parallel - 1) / parallel);
    spec.active_deadline_seconds = spec.active_deadline_seconds.map(|limit| limit.saturating_mul(turns));
    if let Some(pod) = &mut spec.template.spec {
        // Tries can be counted for each index only so.
        pod.restart_policy = Some("Never".to_owned());
    }
    if let Some(PodFailurePolicy { rules }) = &mut spec.pod_failure_policy {
        *rules = rules.drain(..).flat_map(for_an_index).collect();
    }
}

/// What ended the whole Job now ends the month, unless it would end every other month too.
fn for_an_index(rule: PodFailurePolicyRule) -> Vec<PodFailurePolicyRule> {
    let Some(codes) = rule.on_exit_codes.clone().filter(|codes| rule.action == "FailJob" && codes.operator == "In")
    else {
        return vec![rule];
    };
    let (all, one): (Vec<i32>, Vec<i32>) = codes.values.iter().copied().partition(|code| *code == CONFIGURATION);
    let part = |action: &str, values: Vec<i32>| {
        let mut rule = PodFailurePolicyRule { action: action.to_owned(), ..rule.clone() };
        rule.on_exit_codes.get_or_insert_default().values = values;
        rule
    };
    [("FailJob", all), ("FailIndex", one)]
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(action, values)| part(action, values))
        .collect()
}

/// The claim of the volume that a CronJob's reports are written to.
fn claim(cronjob: &CronJob) -> Option<String> {
    let pod = cronjob.spec.job_template.spec.as_ref()?.template.spec.as_ref()?;
    let claims = pod.volumes.iter().flatten().filter_map(|volume| volume.persistent_volume_claim.as_ref());
    claims.map(|claim| claim.claim_name.clone()).next()
}

/// How many months may be made at once, by what can be said of the volume.
fn advise(asked: Option<u16>, volume: Volume) -> Parallel {
    let remedy = "use a ReadWriteMany volume or a bucket, or one at a time";
    let (months, warning) = match (asked, volume) {
        (None, Volume::Shared) => (2, None),
        (None, _) => (1, None),
        (Some(asked), Volume::Single(claim)) if asked > 1 => {
            let why = format!(
                "the volume of `{claim}` is ReadWriteOnce, so pods on other nodes than the one that has it wait"
            );
            (asked, Some(format!("{why}: {remedy}")))
        }
        (Some(asked), Volume::Unknown(why)) if asked > 1 => {
            let on = "over several nodes, months at once need a ReadWriteMany volume or a bucket";
            (asked, Some(format!("{on}, and whether there is one isn't known: {why}")))
        }
        (Some(asked), _) => (asked.max(1), None),
    };
    Parallel { months, warning }
}

/// What is known of the volume.
enum Volume {
    /// Pods on all nodes may write to it; or it is none, but a bucket.
    Shared,
    /// Pods of one node.
    Single(String),
    /// It can't be told, for this reason.
    Unknown(String),
}

/// The places in a list such as `0,2-4`.
fn places(indexes: Option<&str>) -> BTreeSet<usize> {
    let part = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
    };
    indexes.unwrap_or_default().split(',').filter_map(part).flatten().collect()
}

/// The pods of an index.
pub(super) fn pods_of<'a>(pods: &[&'a Pod], at: usize) -> Vec<&'a Pod> {
    let index = |pod: &Pod| {
        let marks = [&pod.metadata.annotations, &pod.metadata.labels];
        marks.into_iter().flatten().find_map(|marks| marks.get(INDEX)?.parse::<usize>().ok())
    };
    pods.iter().copied().filter(|pod| index(pod) == Some(at)).collect()
}

/// How each index of a Job has ended, if it has.
fn ends(object: &Object, pods: &[&Pod], months: usize) -> Vec<Option<Seen>> {
    let status = object.status.clone().unwrap_or_default();
    let (completed, failed) = (places(status.completed_indexes.as_deref()), places(status.failed_indexes.as_deref()));
    let end = |at: usize| {
        let blank = Seen { state: JobState::Succeeded, reason: None, exit_code: Some(0), began: None, ended: None };
        if completed.contains(&at) {
            return Some(blank);
        }
        failed.contains(&at).then(|| {
            let last = state::newest(&pods_of(pods, at)).and_then(state::ending);
            let (exit_code, why) = last
                .unwrap_or_else(|| (None, "its pods are gone with their logs: start it again and watch it".to_owned()));
            Seen { state: JobState::Failed, reason: Some(why), exit_code, ..blank }
        })
    };
    (0..months).map(end).collect()
}

/// Sees what a Job and its pods say of the months.
pub(super) fn look(object: &Object, pods: &[&Pod], job: &mut Job, cancelled: bool) {
    // Conditions are of the whole.
    let bare = Object { status: None, ..object.clone() };
    let ends = ends(object, pods, job.months.len());
    for (at, (month, end)) in job.months.iter_mut().zip(ends).enumerate() {
        let own = pods_of(pods, at);
        let seen = match end {
            Some(end) => end,
            None if own.is_empty() => continue,
            None => state::read(&bare, &own, None),
        };
        (month.state, month.exit_code, month.reason) = (seen.state, seen.exit_code, seen.reason);
    }
    job.sum_up(cancelled);
    if !job.state.is_over() {
        let whole = state::is_suspended(object).then(|| state::read(&bare, &[], None).reason).flatten();
        job.reason = whole.or(job.reason.take());
    } else if !state::is_over(object) {
        // The cluster hasn't said so yet.
        (job.state, job.reason) = (JobState::Running, None);
    }
}

impl Kubernetes {
    /// Finds out what became of the months, from the Job if it is there and from their runs' records.
    pub(super) async fn end_months(
        &self,
        job: &mut Job,
        object: Option<&Object>,
        pods: &[&Pod],
        cancelled: Option<&str>,
    ) {
        let ends = object.map_or_else(|| vec![None; job.months.len()], |object| ends(object, pods, job.months.len()));
        let whole = job.clone();
        let not_made = object.map(|_| "it was not made, as the job ended before: ask for it again");
        let ended = job.months.iter_mut().zip(ends).map(|(month, seen)| {
            let run = whole.run_of(month.month);
            self.end_month(month, run, seen, cancelled.or(not_made))
        });
        join_all(ended).await;
        let (state, reason) = (job.state, job.reason.take());
        job.sum_up(cancelled.is_some());
        if state == job.state && !job.months.iter().any(|month| month.state == JobState::Failed) {
            job.reason = reason;
        }
    }

    /// The same of a month, whose index ended as is `seen`, or not at all for the reason `without`.
    async fn end_month(&self, month: &mut JobMonth, run: String, seen: Option<Seen>, without: Option<&str>) {
        let expected = seen.as_ref().is_some_and(|seen| seen.state == JobState::Succeeded);
        let record = self.record(&run, expected).await;
        let mut one = Job::of_days(run, String::new(), PeriodKind::Custom, month.days());
        state::end(&mut one, seen.as_ref(), record.as_ref(), without);
        month.end(one.state, one.exit_code, one.reason, record.as_ref());
    }

    /// How many months may be made at once, by the volume that they write to.
    pub(super) async fn advised(&self, asked: Option<u16>) -> Result<Parallel, LaunchError> {
        let template = self.template().await?;
        let Some(claim) = claim(&template) else { return Ok(advise(asked, Volume::Shared)) };
        let pace = self.0.settings.pace;
        let volume = match patiently(pace, || self.0.claims.get_opt(&claim)).await {
            Ok(Some(found)) if is_shared(&found) => Volume::Shared,
            Ok(Some(_)) => Volume::Single(claim),
            Ok(None) => Volume::Unknown(format!("there is no claim `{claim}`; kubectl apply -f k8s/pv-hostpath.yaml")),
            Err(refusal) => Volume::Unknown(refusal.says(Call::GET_CLAIM, &self.0.settings.namespace)),
        };
        Ok(advise(asked, volume))
    }
}

fn is_shared(claim: &PersistentVolumeClaim) -> bool {
    let asked = claim.spec.as_ref().and_then(|spec| spec.access_modes.as_ref());
    let given = claim.status.as_ref().and_then(|status| status.access_modes.as_ref());
    given.or(asked).is_some_and(|modes| modes.iter().any(|mode| mode == "ReadWriteMany"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::launcher::kubernetes::fake;

    #[test]
    fn a_backfills_job_has_an_index_for_each_month() {
        let cronjob: CronJob = serde_json::from_value(fake::cronjob()).unwrap();
        let template = cronjob.spec.job_template.spec.unwrap();
        let mut spec = template.clone();
        let months = ["2025-01", "2025-02", "2025-04"].map(|month| month.parse().unwrap()).to_vec();
        index(&mut spec, &Backfill { months, all: false, parallel: 2 });
        let before: Value = serde_json::to_value(&template).unwrap();
        let mut after: Value = serde_json::to_value(&spec).unwrap();
        let codes = |action: &str, values: Value| json!({"action": action, "onExitCodes": {"containerName": "ticketing-report", "operator": "In", "values": values}});
        let expected = json!({
            "completionMode": "Indexed", "completions": 3, "parallelism": 2, "maxFailedIndexes": 2,
            "backoffLimitPerIndex": before["backoffLimit"], "activeDeadlineSeconds": 7200,
            "podFailurePolicy": {"rules": [
                before["podFailurePolicy"]["rules"][0], codes("FailJob", json!([78])), codes("FailIndex", json!([2, 65])),
            ]},
        });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(after.as_object_mut().unwrap().remove(field).as_ref(), Some(value), "{field}");
        }
        // The rest is the template's.
        let mut rest = before.clone();
        rest.as_object_mut().unwrap().retain(|name, _| !expected.as_object().unwrap().contains_key(name));
        rest.as_object_mut().unwrap().remove("backoffLimit");
        assert_eq!(after, rest);
    }

    #[test]
    fn a_list_of_indexes_is_read_as_kubernetes_writes_it() {
        assert_eq!(places(Some("0,2-4,7")), BTreeSet::from([0, 2, 3, 4, 7]));
        assert_eq!(places(Some("1-2")), BTreeSet::from([1, 2]));
        for none in [None, Some(""), Some("x"), Some("3-")] {
            assert_eq!(places(none), BTreeSet::new(), "{none:?}");
        }
    }

    #[test]
    fn a_volume_of_one_node_has_one_month_at_a_time_unless_somebody_insists() {
        let once = || Volume::Single("ticketing-reports-pvc".to_owned());
        assert_eq!(advise(None, once()), Parallel { months: 1, warning: None });
        assert_eq!(advise(Some(1), once()), Parallel { months: 1, warning: None });
        assert_eq!(advise(None, Volume::Shared), Parallel { months: 2, warning: None });
        assert_eq!(advise(Some(6), Volume::Shared), Parallel { months: 6, warning: None });
        let insisted = advise(Some(3), once());
        let warning = insisted.warning.unwrap();
        assert_eq!(insisted.months, 3);
        assert!(warning.contains("`ticketing-reports-pvc` is ReadWriteOnce") && warning.contains("ReadWriteMany"));
        let unknown = advise(Some(3), Volume::Unknown("forbidden".to_owned())).warning.unwrap();
        assert!(unknown.contains("ReadWriteMany volume or a bucket") && unknown.contains("forbidden"), "{unknown}");
    }
}
