//! Calls of the API: how long they may take, when they are made again, and what people are told when they fail.

use std::time::{Duration, Instant};

use kube::core::Status;

use crate::launcher::LaunchError;

/// A call of the API, as a Role allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    pub(crate) verb: &'static str,
    pub(crate) group: &'static str,
    pub(crate) resource: &'static str,
}

impl Call {
    pub(super) const GET_JOB: Self = Self::of_batch("get", "jobs");
    pub(super) const LIST_JOBS: Self = Self::of_batch("list", "jobs");
    pub(super) const WATCH_JOBS: Self = Self::of_batch("watch", "jobs");
    pub(super) const CREATE_JOB: Self = Self::of_batch("create", "jobs");
    pub(super) const DELETE_JOB: Self = Self::of_batch("delete", "jobs");
    pub(super) const GET_CRONJOB: Self = Self::of_batch("get", "cronjobs");
    pub(super) const LIST_PODS: Self = Self::of_core("list", "pods");
    pub(super) const WATCH_PODS: Self = Self::of_core("watch", "pods");
    pub(super) const GET_LOG: Self = Self::of_core("get", "pods/log");
    pub(super) const GET_CLAIM: Self = Self::of_core("get", "persistentvolumeclaims");

    /// All that the launcher makes, and so all that the server's Role must allow.
    pub(crate) const ALL: [Self; 10] = [
        Self::GET_JOB,
        Self::LIST_JOBS,
        Self::WATCH_JOBS,
        Self::CREATE_JOB,
        Self::DELETE_JOB,
        Self::GET_CRONJOB,
        Self::LIST_PODS,
        Self::WATCH_PODS,
        Self::GET_LOG,
        Self::GET_CLAIM,
    ];

    const fn of_batch(verb: &'static str, resource: &'static str) -> Self {
        Self { verb, group: "batch", resource }
    }

    const fn of_core(verb: &'static str, resource: &'static str) -> Self {
        Self { verb, group: "", resource }
    }
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// A call.
    pub call: Duration,
    /// A call with all its repetitions.
    pub patience: Duration,
    /// The wait before the first repetition; it doubles each time.
    pub wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// A watch in which nothing happens: the API itself ends one after 290 seconds.
    pub silence: Duration,
    /// How often something that must come is looked for.
    pub look: Duration,
    /// How long after a Job's end its run's record may take to appear.
    pub record: Duration,
    /// How long a pod whose Job is gone may take to end.
    pub grace: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(5),
            patience: Duration::from_secs(10),
            wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(15),
            silence: Duration::from_secs(310),
            look: Duration::from_secs(1),
            record: Duration::from_secs(2),
            grace: Duration::from_secs(60),
        }
    }
}

/// Why a call has failed.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    /// The API says no.
    Status(Box<Status>),
    /// It says nothing, or nothing that can be read.
    Silent(String),
}

impl Refusal {
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Status(status) => status.code,
            Self::Silent(_) => 0,
        }
    }

    /// Whether the same call may do in a moment.
    pub(super) fn passes(&self) -> bool {
        matches!(self.code(), 0 | 429 | 500 | 502 | 503 | 504)
    }

    /// How long the API asks to be left alone.
    fn asks_for(&self) -> Duration {
        let details = match self {
            Self::Status(status) => status.details.as_ref(),
            Self::Silent(_) => None,
        };
        details.map_or(Duration::ZERO, |details| Duration::from_secs(details.retry_after_seconds.into()))
    }

    /// What people are told of a call that was refused.
    pub(super) fn says(&self, Call { verb, resource, .. }: Call, namespace: &str) -> String {
        let apply = "kubectl apply -f k8s/base/rbac.yaml";
        match self {
            Self::Silent(why) => format!("the cluster's API doesn't answer ({why}): look at the API server"),
            Self::Status(status) => match status.code {
                401 => {
                    "the cluster's API doesn't know the server's token (401): restart the server's pod, and see that \
                        its service account `train-orchestrator` exists"
                        .to_owned()
                }
                // A quota or an admission rule says no with the same code.
                403 if status.message.contains(" cannot ") => format!(
                    "forbidden: the server may not `{verb}` `{resource}` in the namespace `{namespace}`: its Role \
                     `train-orchestrator` is missing or incomplete; {apply}"
                ),
                code => format!("the cluster's API refuses to {verb} {resource} ({code}): {}", status.message),
            },
        }
    }

    pub(super) fn error(&self, call: Call, namespace: &str) -> LaunchError {
        let words = self.says(call, namespace);
        if self.passes() { LaunchError::Unavailable(words) } else { LaunchError::Refused(words) }
    }
}

impl From<kube::Error> for Refusal {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Status(status),
            other => {
                // The outermost says no more than where it happened.
                let mut cause: &dyn std::error::Error = &other;
                while let Some(next) = cause.source() {
                    cause = next;
                }
                Self::Silent(cause.to_string())
            }
        }
    }
}

/// Waits that grow.
pub(super) struct Waits {
    pace: Pace,
    next: Duration,
}

impl Waits {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, next: pace.wait }
    }

    pub(super) fn reset(&mut self) {
        self.next = self.pace.wait;
    }

    pub(super) fn next(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(self.pace.longest_wait);
        now
    }
}

/// Calls once.
pub(super) async fn call<T>(limit: Duration, call: impl Future<Output = kube::Result<T>>) -> Result<T, Refusal> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Refusal::Silent(format!("no answer within {} s", limit.as_secs_f32()))),
    }
}

/// Calls until there is an answer that counts, or patience ends.
pub(super) async fn patiently<T, F: Future<Output = kube::Result<T>>>(
    pace: Pace,
    make: impl Fn() -> F,
) -> Result<T, Refusal> {
    let end = Instant::now() + pace.patience;
    let mut waits = Waits::new(pace);
    loop {
        let refusal = match call(pace.call, make()).await {
            Ok(answer) => return Ok(answer),
            Err(refusal) => refusal,
        };
        let wait = waits.next().max(refusal.asks_for());
        if !refusal.passes() || Instant::now() + wait >= end {
            return Err(refusal);
        }
        tokio::time::sleep(wait).await;
    }
}
