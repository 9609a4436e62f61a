//! A small stand-in for a cluster's API server, over HTTP on this machine: the calls that the launcher makes, answered
//! as a real server was recorded to answer them (testdata/), allowed as the project's own Role allows them.

mod answers;
mod control;
mod indexed;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    future,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::Router;
use jiff::{SignedDuration, Timestamp};
use kube::{Client, Config};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use self::answers::{Asked, serve};
pub(super) use self::control::{Fate, record};

pub(super) const NAMESPACE: &str = "train-orchestrator";

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// It is refused with a code.
    Code(u16),
    /// It is never answered.
    Silence,
    /// It is done, and never answered.
    SilenceAfter,
    /// Somebody else makes a Job of the same name first.
    Taken,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
}

/// Faults by chance.
struct Chance {
    random: StdRng,
    left: u32,
}

#[derive(Default)]
struct World {
    version: u64,
    /// The version up to which the past is forgotten.
    forgotten: u64,
    objects: BTreeMap<(&'static str, String), Value>,
    history: Vec<(u64, &'static str, &'static str, Value)>,
    logs: HashMap<String, (String, bool)>,
    rules: Vec<Rule>,
    /// Whether everything is allowed.
    admin: bool,
    faults: HashMap<(&'static str, &'static str), VecDeque<Fault>>,
    chance: Option<Chance>,
    /// Watches that began under an earlier number end.
    cut: u64,
    token_is_known: bool,
    calls: Vec<String>,
}

/// The cluster. Cheap to clone.
#[derive(Clone)]
pub(super) struct Cluster(Arc<(Mutex<World>, watch::Sender<u64>, AtomicI64)>);

/// The project's CronJob.
pub(super) fn cronjob() -> Value {
    let documents = serde_saphyr::from_multiple(include_str!("../../../../../k8s/base/ticketing-report.yaml")).unwrap();
    documents.into_iter().find(|document: &Value| document["kind"] == "CronJob").unwrap()
}

/// The project's claim.
pub(super) fn claim() -> Value {
    serde_saphyr::from_str(include_str!("../../../../../k8s/base/pvc.yaml")).unwrap()
}

fn uid() -> String {
    let drawn = format!("{:032x}", rand::rng().random::<u128>());
    format!("{}-{}-{}-{}-{}", &drawn[..8], &drawn[8..12], &drawn[12..16], &drawn[16..20], &drawn[20..])
}

impl World {
    fn put(&mut self, kind: &'static str, name: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let before = self.objects.insert((kind, name.to_owned()), object.clone());
        let what = if before.is_some() { "MODIFIED" } else { "ADDED" };
        self.history.push((self.version, kind, what, object));
    }

    fn remove(&mut self, kind: &'static str, name: &str) {
        if let Some(mut object) = self.objects.remove(&(kind, name.to_owned())) {
            self.version += 1;
            object["metadata"]["resourceVersion"] = self.version.to_string().into();
            self.history.push((self.version, kind, "DELETED", object));
        }
    }

    fn fault(&mut self, asked: &Asked) -> Option<Fault> {
        if let Some(fault) = self.faults.get_mut(&(asked.verb, asked.resource)).and_then(VecDeque::pop_front) {
            return Some(fault);
        }
        let chance = self.chance.as_mut().filter(|chance| chance.left > 0)?;
        let fault = match chance.random.random_range(0..24) {
            0 => Fault::Code(429),
            1 => Fault::Code(500),
            2 => Fault::Code(503),
            3 => Fault::Silence,
            4 => Fault::SilenceAfter,
            5 => {
                chance.left -= 1;
                self.forget();
                return None;
            }
            6 | 7 => {
                self.cut += 1;
                chance.left -= 1;
                return None;
            }
            _ => return None,
        };
        chance.left -= 1;
        Some(fault)
    }

    /// All that anybody has seen is past: elsewhere in the cluster something changes as well, and has its version.
    fn forget(&mut self) {
        self.version += 1;
        self.forgotten = self.version;
        self.cut += 1;
    }

    fn allows(&self, asked: &Asked) -> bool {
        // What every user may.
        let public = matches!(asked.resource, "version" | "selfsubjectaccessreviews");
        self.admin || public || self.rules_allow(asked.group, asked.resource, asked.verb)
    }

    fn rules_allow(&self, group: &str, resource: &str, verb: &str) -> bool {
        let has = |list: &[String], what: &str| list.iter().any(|one| one == what);
        let allows =
            |rule: &Rule| has(&rule.api_groups, group) && has(&rule.resources, resource) && has(&rule.verbs, verb);
        self.rules.iter().any(allows)
    }

    /// The next event for a watch.
    fn event(&self, asked: &Asked, after: u64) -> Option<(u64, Value)> {
        let mut later = self
            .history
            .iter()
            .filter(|(version, kind, _, object)| *version > after && *kind == asked.resource && asked.matches(object));
        later.next().map(|(version, _, what, object)| (*version, json!({"type": what, "object": object})))
    }
}

impl Cluster {
    /// A cluster with the project's CronJob and Role, and a client of it.
    pub(super) async fn start() -> (Self, Client) {
        let documents = serde_saphyr::from_multiple(include_str!("../../../../../k8s/base/rbac.yaml")).unwrap();
        let role = documents.into_iter().find(|document: &Value| document["kind"] == "Role").unwrap();
        let rules = serde_json::from_value(role["rules"].clone()).unwrap();
        // Versions begin high, as a cluster has a past.
        let mut world = World { version: 1000, rules, token_is_known: true, ..World::default() };
        world.put("cronjobs", "ticketing-report-cronjob", cronjob());
        world.put("persistentvolumeclaims", "ticketing-reports-pvc", claim());
        let cluster = Self(Arc::new((Mutex::new(world), watch::Sender::new(0), AtomicI64::new(0))));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(serve).with_state(cluster.clone());
        tokio::spawn(crate::serve::serve(listener, router, future::pending()));
        let mut config = Config::new(format!("http://{address}").parse().unwrap());
        config.default_retry = false;
        (cluster, Client::try_from(config).unwrap())
    }

    /// Its clock is so many seconds ahead of ours.
    pub(super) fn be_ahead(&self, seconds: i64) {
        self.0.2.store(seconds, Ordering::Relaxed);
    }

    /// What its clock says.
    fn now(&self) -> String {
        format!("{:.0}", Timestamp::now() + SignedDuration::from_secs(self.0.2.load(Ordering::Relaxed)))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.0.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let done = change(&mut self.world());
        self.0.1.send_modify(|number| *number += 1);
        done
    }

    /// The next calls of this kind go wrong like this.
    pub(super) fn fail(&self, verb: &'static str, resource: &'static str, faults: &[Fault]) {
        self.world().faults.entry((verb, resource)).or_default().extend(faults);
    }

    /// So many calls go wrong, by chance.
    pub(super) fn fail_by_chance(&self, seed: u64, faults: u32) {
        self.world().chance = Some(Chance { random: StdRng::seed_from_u64(seed), left: faults });
    }

    pub(super) fn faults_left(&self) -> u32 {
        self.world().chance.as_ref().map_or(0, |chance| chance.left)
    }

    /// All watches break off.
    pub(super) fn cut(&self) {
        self.change(|world| world.cut += 1);
    }

    /// All watches break off, and can't go on where they were.
    pub(super) fn forget(&self) {
        self.change(World::forget);
    }

    /// Whoever asks may do everything.
    pub(super) fn make_admin(&self) {
        self.change(|world| world.admin = true);
    }

    pub(super) fn know_token(&self, known: bool) {
        self.change(|world| world.token_is_known = known);
    }

    /// Takes a verb out of the Role, or puts it back.
    pub(super) fn forbid(&self, verb: &str, resource: &str, forbidden: bool) {
        self.change(|world| {
            for rule in world.rules.iter_mut().filter(|rule| rule.resources.iter().any(|one| one == resource)) {
                rule.verbs.retain(|one| one != verb);
                rule.verbs.extend((!forbidden).then(|| verb.to_owned()));
            }
        });
    }

    /// How often a call was made.
    pub(super) fn calls(&self, call: &str) -> usize {
        self.world().calls.iter().filter(|made| *made == call).count()
    }

    /// Does something that is answered by a call, and waits for that.
    pub(super) async fn until_called(&self, call: &str, act: impl FnOnce()) {
        let before = self.calls(call);
        act();
        self.until_more_than(before, call).await;
    }

    /// Waits until a call has been made more often than that.
    pub(super) async fn until_more_than(&self, times: usize, call: &str) {
        for _ in 0..6000 {
            if self.calls(call) > times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("nobody calls `{call}`");
    }

    /// All calls that were made, each once.
    pub(super) fn all_calls(&self) -> BTreeSet<String> {
        self.world().calls.iter().cloned().collect()
    }

    /// The names of all objects of a kind.
    pub(super) fn names(&self, kind: &'static str) -> Vec<String> {
        self.world().objects.keys().filter(|(of, _)| *of == kind).map(|(_, name)| name.clone()).collect()
    }

    pub(super) fn object(&self, kind: &'static str, name: &str) -> Option<Value> {
        self.world().objects.get(&(kind, name.to_owned())).cloned()
    }

    /// Puts an object there, or changes it.
    pub(super) fn put(&self, kind: &'static str, object: Value) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.change(|world| world.put(kind, &name, object));
    }

    pub(super) fn remove(&self, kind: &'static str, name: &str) {
        self.change(|world| world.remove(kind, name));
    }

    /// Adds to a pod's log; the last piece ends it.
    pub(super) fn write_log(&self, pod: &str, text: &str, last: bool) {
        self.change(|world| {
            let log = world.logs.entry(pod.to_owned()).or_default();
            log.0.push_str(text);
            log.1 |= last;
        });
    }

    /// Whenever something changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.0.1.subscribe()
    }

    /// A Job's pods go, and their logs with them.
    pub(super) fn remove_pods(&self, job: &str) {
        self.change(|world| {
            let of = |pod: &Value| pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == job;
            let pods: Vec<String> = (world.objects.iter().filter(|((kind, _), pod)| *kind == "pods" && of(pod)))
                .map(|((_, name), _)| name.clone())
                .collect();
            for pod in pods {
                world.remove("pods", &pod);
                world.logs.remove(&pod);
            }
        });
    }
}
