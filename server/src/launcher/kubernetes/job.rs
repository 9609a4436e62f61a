//! A Job from the CronJob's template and a request, and what a Job says was asked of it. Nothing here calls the API.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use k8s_openapi::{
    api::{
        batch::v1::{CronJob, Job},
        core::v1::{Container, EnvVar},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use pipeline::{
    hashed::hex,
    period::{NamedPeriod, PeriodId, ReportPeriod, ReportTimeZone, date},
};
use sha2::{Digest, Sha256};

use super::backfill;
use crate::launcher::{JobRequest, PeriodKind};

/// The label by which Jobs and pods of reports are known.
pub(super) const SELECTOR: &str = "app=ticketing-report";

/// What a Job of ours says about itself.
const KIND: &str = "ticketing-report/period";
const FIRST: &str = "ticketing-report/start-date";
const LAST: &str = "ticketing-report/end-date";
const FORCE: &str = "ticketing-report/force";
const KEY: &str = "ticketing-report/idempotency-key";
const REQUEST: &str = "ticketing-report/request";
const MONTHS: &str = "ticketing-report/months";
const ALL: &str = "ticketing-report/all";
const CREATED_BY: &str = "ticketing-report/created-by";

/// What was asked of a Job.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) kind: PeriodKind,
    pub(super) first: Date,
    pub(super) last: Date,
    pub(super) force: bool,
    /// The hash of the request's key.
    pub(super) key: Option<String>,
    /// Whether this launcher made it, so that its run has the Job's name.
    pub(super) ours: bool,
    /// A backfill's months.
    pub(super) months: Vec<PeriodId>,
    /// Whether it was asked for months that need no report too.
    pub(super) all: bool,
}

/// A key as Jobs carry it: everybody in the namespace can read annotations, and a key may have any characters.
pub(super) fn hashed(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

/// The name of the Job with a number.
pub(super) fn name(number: u32) -> String {
    format!("ticketing-report-{number}")
}

/// The Job for a request: the CronJob's template but for name, marks, arguments and the job's number. `id` tells it from
/// another request's Job of the same name. `None` if the template has no container.
pub(super) fn build(cronjob: &CronJob, number: u32, id: &str, request: &JobRequest) -> Option<Job> {
    let template = cronjob.spec.job_template.clone();
    let mut spec = template.spec?;
    // Suspending belongs to the schedule. Somebody who asks for a report wants it now.
    spec.suspend = None;
    spec.template.metadata.get_or_insert_default().labels = Some(labelled(spec.template.metadata.as_ref()));
    let container = container_mut(&mut spec.template.spec.as_mut()?.containers)?;
    let mut variables = vec![("REPORT_JOB", number.to_string())];
    let months = request.backfill.as_ref().map(|backfill| list(&backfill.months));
    if let Some(months) = &months {
        // Which of them a pod makes, the cluster says by its index.
        container.args = None;
        variables.push(("REPORT_MONTHS", months.clone()));
    } else {
        let days = [("--start-date", request.days.first()), ("--end-date", request.days.last())];
        let mut args: Vec<String> = days.iter().flat_map(|(name, day)| [(*name).to_owned(), day.to_string()]).collect();
        args.extend(request.force.then(|| "--force".to_owned()));
        container.args = Some(args);
    }
    let env = container.env.get_or_insert_default();
    for (name, value) in variables {
        env.retain(|variable| variable.name != name);
        env.push(EnvVar { name: name.to_owned(), value: Some(value), value_from: None });
    }
    if let Some(backfill) = &request.backfill {
        backfill::index(&mut spec, backfill);
    }

    let kind = match request.kind {
        PeriodKind::CurrentMonth => "current-month",
        PeriodKind::PreviousMonth => "previous-month",
        PeriodKind::Custom => "custom",
        PeriodKind::Backfill => "backfill",
    };
    let mut annotations = template.metadata.as_ref().and_then(|meta| meta.annotations.clone()).unwrap_or_default();
    let said = [
        (KIND, kind.to_owned()),
        (FIRST, request.days.first().to_string()),
        (LAST, request.days.last().to_string()),
        (FORCE, request.force.to_string()),
        (REQUEST, id.to_owned()),
        (CREATED_BY, concat!("report-server-", env!("CARGO_PKG_VERSION")).to_owned()),
    ];
    annotations.extend(said.map(|(name, value)| (name.to_owned(), value)));
    annotations.extend(months.map(|months| (MONTHS.to_owned(), months)));
    annotations.extend(request.backfill.as_ref().map(|backfill| (ALL.to_owned(), backfill.all.to_string())));
    annotations.extend(request.idempotency_key.as_deref().map(|key| (KEY.to_owned(), hashed(key))));
    let metadata = ObjectMeta {
        name: Some(name(number)),
        namespace: cronjob.metadata.namespace.clone(),
        labels: Some(labelled(template.metadata.as_ref())),
        annotations: Some(annotations),
        // No owner: the CronJob would count the Job among its own, and remove it with them.
        ..ObjectMeta::default()
    };
    Some(Job { metadata, spec: Some(spec), status: None })
}

/// Months as a variable and an annotation hold them.
fn list(months: &[PeriodId]) -> String {
    months.iter().map(PeriodId::to_string).collect::<Vec<_>>().join(",")
}

fn labelled(template: Option<&ObjectMeta>) -> BTreeMap<String, String> {
    let mut labels = template.and_then(|meta| meta.labels.clone()).unwrap_or_default();
    labels.insert("app".to_owned(), "ticketing-report".to_owned());
    labels
}

/// The container that makes the report: the one of that name, or the first.
fn container_mut(containers: &mut [Container]) -> Option<&mut Container> {
    let at = containers.iter().position(|container| container.name == "ticketing-report").unwrap_or(0);
    containers.get_mut(at)
}

/// Whether a Job was made for this very request.
pub(super) fn is_for(job: &Job, id: &str) -> bool {
    annotation(job, REQUEST) == Some(id)
}

fn annotation<'a>(job: &'a Job, name: &str) -> Option<&'a str> {
    job.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

/// What was asked of a Job, ours or any other with the label. Where neither annotations nor arguments tell the days,
/// they are those that the command takes by itself.
pub(super) fn asked(job: &Job, cronjob: &str, zone: &ReportTimeZone) -> Asked {
    let of = |name| annotation(job, name);
    let months: Vec<PeriodId> =
        of(MONTHS).into_iter().flat_map(|list| list.split(',')).flat_map(str::parse::<PeriodId>).collect();
    let kind = match of(KIND) {
        Some("backfill") if !months.is_empty() => PeriodKind::Backfill,
        Some("current-month") => PeriodKind::CurrentMonth,
        Some("previous-month") => PeriodKind::PreviousMonth,
        _ => PeriodKind::Custom,
    };
    let args = arguments(job);
    let said = of(FIRST).zip(of(LAST)).and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    let (first, last) = said.unwrap_or_else(|| days(&args, today(job, cronjob, zone)));
    Asked {
        kind,
        first,
        last,
        force: of(FORCE) == Some("true") || args.iter().any(|arg| arg == "--force"),
        key: of(KEY).map(str::to_owned),
        ours: of(REQUEST).is_some(),
        all: of(ALL) == Some("true"),
        months: if kind == PeriodKind::Backfill { months } else { Vec::new() },
    }
}

fn container(job: &Job) -> Option<Container> {
    let mut containers = job.spec.as_ref()?.template.spec.clone()?.containers;
    container_mut(&mut containers).map(std::mem::take)
}

fn arguments(job: &Job) -> Vec<String> {
    container(job).and_then(|container| container.args).unwrap_or_default()
}

/// A variable's value, where it stands in the Job itself.
fn variable(job: &Job, name: &str) -> Option<String> {
    container(job)?.env?.into_iter().find(|variable| variable.name == name)?.value
}

fn days(args: &[String], today: Date) -> (Date, Date) {
    let value = |name: &str| {
        let at = args.iter().position(|arg| arg == name);
        let next = at.and_then(|at| args.get(at + 1)).map(String::as_str);
        next.or_else(|| args.iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('=')))
    };
    let named = value("--period").and_then(|period| period.parse::<NamedPeriod>().ok()?.resolve(today).ok());
    if let Some(period) = named {
        return (period.first(), period.last());
    }
    let day = |name, default| value(name).and_then(|text| date(name, text).ok()).unwrap_or(default);
    let (first, last) = (day("--start-date", today.first_of_month()), day("--end-date", today));
    match ReportPeriod::new(first, last, today) {
        Ok(period) => (period.first(), period.last()),
        // The run refuses them; the list shows them as they are.
        Err(_) => (first, last),
    }
}

/// The day that relative days are seen from: for a Job of the schedule that on which it was due, which its name ends in,
/// in the schedule's own zone.
fn today(job: &Job, cronjob: &str, zone: &ReportTimeZone) -> Date {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let minutes = name.strip_prefix(cronjob).and_then(|rest| rest.strip_prefix('-')?.parse::<i64>().ok());
    let due = minutes.and_then(|minutes| Timestamp::from_second(minutes.checked_mul(60)?).ok());
    if let Some(due) = due {
        let schedule = variable(job, "REPORT_SCHEDULE_TIME_ZONE").and_then(|name| name.parse().ok());
        return schedule.as_ref().unwrap_or(zone).date_at(due);
    }
    zone.date_at(job.metadata.creation_timestamp.as_ref().and_then(instant).unwrap_or_else(Timestamp::now))
}

/// An instant of the API's; its library has another version of ours.
pub(super) fn instant(time: &Time) -> Option<Timestamp> {
    Timestamp::new(time.0.as_second(), time.0.subsec_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher::{Backfill, kubernetes::fake};

    fn request() -> JobRequest {
        let day = |text: &str| text.parse().unwrap();
        JobRequest {
            kind: PeriodKind::PreviousMonth,
            days: ReportPeriod::new(day("2025-10-01"), day("2025-10-31"), day("2025-11-05")).unwrap(),
            force: true,
            idempotency_key: Some("of October".to_owned()),
            backfill: None,
        }
    }

    fn cronjob() -> CronJob {
        serde_json::from_value(fake::cronjob()).unwrap()
    }

    #[test]
    fn a_job_is_the_template_but_for_marks_arguments_and_number() {
        let cronjob = cronjob();
        let mut job = build(&cronjob, 12345, "0123", &request()).unwrap();
        assert_eq!(job.metadata.name.as_deref(), Some("ticketing-report-12345"));
        assert_eq!(job.metadata.owner_references, None);
        let expected = [
            ("ticketing-report/created-by", concat!("report-server-", env!("CARGO_PKG_VERSION"))),
            ("ticketing-report/end-date", "2025-10-31"),
            ("ticketing-report/force", "true"),
            ("ticketing-report/idempotency-key", &hashed("of October")),
            ("ticketing-report/period", "previous-month"),
            ("ticketing-report/request", "0123"),
            ("ticketing-report/start-date", "2025-10-01"),
        ];
        let annotations = job.metadata.annotations.clone().unwrap();
        assert!(
            annotations.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected),
            "{annotations:?}"
        );

        let template = cronjob.spec.job_template;
        assert_eq!(job.metadata.labels, template.metadata.unwrap().labels);
        let spec = job.spec.as_mut().unwrap();
        let container = &mut spec.template.spec.as_mut().unwrap().containers[0];
        let args = container.args.clone().unwrap();
        assert_eq!(args, ["--start-date", "2025-10-01", "--end-date", "2025-10-31", "--force"]);
        let number = container.env.as_mut().unwrap().pop().unwrap();
        assert_eq!((number.name.as_str(), number.value.as_deref()), ("REPORT_JOB", Some("12345")));
        container.args = Some(vec!["--period".to_owned(), "previous-month".to_owned()]);
        assert_eq!(job.spec, template.spec);
    }

    #[test]
    fn a_backfills_job_carries_its_months_and_tells_them() {
        let months: Vec<PeriodId> = ["2025-01", "2025-03"].map(|month| month.parse().unwrap()).to_vec();
        let backfill = Backfill { months: months.clone(), all: true, parallel: 1 };
        let day = |text: &str| text.parse().unwrap();
        let days = ReportPeriod::new(day("2025-01-01"), day("2025-03-31"), day("2025-11-05")).unwrap();
        let kind = PeriodKind::Backfill;
        let request = JobRequest { kind, days, force: false, idempotency_key: None, backfill: Some(backfill) };
        let job = build(&cronjob(), 12345, "0123", &request).unwrap();
        let asked = asked(&job, "ticketing-report-cronjob", &ReportTimeZone::utc());
        assert_eq!((asked.kind, asked.months, asked.all), (kind, months, true));
        assert_eq!((asked.first, asked.last), (days.first(), days.last()));
        let spec = job.spec.unwrap();
        assert_eq!((spec.completion_mode.as_deref(), spec.completions), (Some("Indexed"), Some(2)));
        let container = &spec.template.spec.unwrap().containers[0];
        assert_eq!(container.args, None);
        let of = |name: &str| container.env.iter().flatten().find(|variable| variable.name == name)?.value.clone();
        assert_eq!(of("REPORT_MONTHS").as_deref(), Some("2025-01,2025-03"));
        assert_eq!(of("REPORT_JOB").as_deref(), Some("12345"));
    }

    #[test]
    fn a_template_that_suspends_its_jobs_or_has_no_labels_gives_a_job_that_runs_and_is_found() {
        let mut bare = cronjob();
        let template = &mut bare.spec.job_template;
        template.metadata = None;
        let spec = template.spec.as_mut().unwrap();
        (spec.suspend, spec.template.metadata) = (Some(true), None);
        let job = build(&bare, 1, "", &request()).unwrap();
        let spec = job.spec.unwrap();
        assert_eq!(spec.suspend, None);
        for labels in [job.metadata.labels, spec.template.metadata.unwrap().labels] {
            assert_eq!(labels.unwrap()["app"], "ticketing-report");
        }
        bare.spec.job_template.spec.as_mut().unwrap().template.spec.as_mut().unwrap().containers = vec![];
        assert_eq!(build(&bare, 1, "", &request()), None);
    }

    #[test]
    fn a_job_tells_what_was_asked_of_it() {
        let ours = build(&cronjob(), 12345, "0123", &request()).unwrap();
        let asked_of = |job: &Job| asked(job, "ticketing-report-cronjob", &ReportTimeZone::utc());
        let expected = Asked {
            kind: PeriodKind::PreviousMonth,
            first: "2025-10-01".parse().unwrap(),
            last: "2025-10-31".parse().unwrap(),
            force: true,
            key: Some(hashed("of October")),
            ours: true,
            months: Vec::new(),
            all: false,
        };
        assert_eq!(asked_of(&ours), expected);

        let check = |name: &str, args: &[&str], days: [&str; 2]| {
            let mut job = build(&cronjob(), 12345, "0123", &request()).unwrap();
            job.metadata.annotations = None;
            job.metadata.name = Some(name.to_owned());
            job.metadata.creation_timestamp = Some(serde_json::from_str("\"2026-03-04T05:06:07Z\"").unwrap());
            let containers = &mut job.spec.as_mut().unwrap().template.spec.as_mut().unwrap().containers;
            containers[0].args = Some(args.iter().map(|arg| (*arg).to_owned()).collect());
            let asked = asked_of(&job);
            let said = [asked.first.to_string(), asked.last.to_string()];
            assert_eq!(
                (asked.kind, asked.ours, said),
                (PeriodKind::Custom, false, days.map(str::to_owned)),
                "{args:?}"
            );
        };
        check("by-hand", &["--period", "previous-month"], ["2026-02-01", "2026-02-28"]);
        check("by-hand", &["--period=2025-11"], ["2025-11-01", "2025-11-30"]);
        check("by-hand", &["--start-date=2025-01-02", "--end-date", "2025-01-03"], ["2025-01-02", "2025-01-03"]);
        check("by-hand", &["--start-date"], ["2026-03-01", "2026-03-04"]);
        check("by-hand", &[], ["2026-03-01", "2026-03-04"]);
        // Due on 2026-01-01 at 02:00.
        check("ticketing-report-cronjob-29453880", &["--period", "previous-month"], ["2025-12-01", "2025-12-31"]);
        // Due at 02:00 on the 1st in Tokyo: by the schedule's zone, which the fake's template says is UTC, the day before.
        check("ticketing-report-cronjob-29453340", &["--period", "previous-month"], ["2025-11-01", "2025-11-30"]);
        check("ticketing-report-cronjob-x", &["--period", "previous-month"], ["2026-02-01", "2026-02-28"]);
    }
}
