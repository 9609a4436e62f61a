//! Jobs as Jobs of a Kubernetes cluster.
//!
//! Each is made from the template of the CronJob that makes the monthly report, so that there is one description of a
//! report's pod. What becomes of them is watched, not asked for; how a run ended stands in the store, as Jobs and their
//! pods are removed sooner or later.

mod backfill;
mod board;
mod calls;
pub mod doctor;
mod ends;
mod job;
mod log;
mod state;
mod watch;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use k8s_openapi::api::{
    batch::v1::{CronJob, Job as Object},
    core::v1::{PersistentVolumeClaim, Pod},
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, ListParams, PostParams, Preconditions},
    config::{KubeConfigOptions, Kubeconfig},
};
use pipeline::{
    hashed::hex,
    period::ReportTimeZone,
    store::{Place, Store, StoreError},
};
use rand::RngExt;
use tokio::sync::mpsc;

pub use self::calls::Pace;
use self::{
    board::Board,
    calls::{Call, patiently},
};
use super::{Job, JobLauncher, JobRequest, LaunchError, Parallel};
use crate::{events::Hub, index::Index};

/// Where and how Jobs are made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The CronJob whose template makes them.
    pub cronjob: String,
    /// Its namespace, and theirs.
    pub namespace: String,
    /// The report's time zone.
    pub zone: ReportTimeZone,
    /// How long things may take.
    pub pace: Pace,
}

/// The launcher. Cheap to clone.
#[derive(Clone)]
pub struct Kubernetes(Arc<Parts>);

struct Parts {
    settings: Settings,
    jobs: Api<Object>,
    pods: Api<Pod>,
    cronjobs: Api<CronJob>,
    claims: Api<PersistentVolumeClaim>,
    store: Store,
    index: Arc<Index>,
    events: Arc<Hub>,
    board: Mutex<Board>,
    /// One request at a time, so that equal ones find each other's job.
    starting: tokio::sync::Mutex<()>,
    /// Whether all Jobs have been listed once.
    listed: tokio::sync::watch::Sender<bool>,
}

/// A cluster that can be asked.
pub struct Connected {
    /// Who asks it.
    pub client: Client,
    /// The pod's own namespace, in a pod.
    pub namespace: Option<String>,
    /// Its API's address.
    pub address: String,
    /// The kubeconfig's context; none in a pod.
    pub context: Option<String>,
}

/// The cluster that this program runs in, or else that of the kubeconfig.
///
/// # Errors
/// When there is neither, or its certificate or token can't be read.
pub async fn connect(in_cluster: bool) -> Result<Connected, String> {
    let remedy = "name a kubeconfig in KUBECONFIG; reports without a cluster need --launcher local";
    let mut config = if in_cluster {
        Config::incluster().map_err(|e| format!("the cluster's token can't be read ({e}): mount it; or {remedy}"))?
    } else {
        let read = Config::from_kubeconfig(&KubeConfigOptions::default()).await;
        read.map_err(|e| format!("the kubeconfig can't be read ({e}): {remedy}"))?
    };
    // Repetitions are counted and timed here.
    config.default_retry = false;
    config.connect_timeout = Some(Pace::default().call);
    let namespace = in_cluster.then(|| config.default_namespace.clone());
    let address = config.cluster_url.to_string();
    let named = || Kubeconfig::read().ok().and_then(|known| known.current_context);
    let context = (!in_cluster).then(|| named().unwrap_or_else(|| "the kubeconfig's".to_owned()));
    let client = Client::try_from(config).map_err(|e| format!("the cluster can't be reached ({e}): {remedy}"))?;
    Ok(Connected { client, namespace, address, context })
}

impl Kubernetes {
    /// Watches the cluster's Jobs, and waits for requests.
    ///
    /// # Errors
    /// When the store can't be read. A cluster that doesn't answer is waited for.
    pub async fn begin(
        settings: Settings,
        client: Client,
        store: Store,
        index: Arc<Index>,
        events: Arc<Hub>,
    ) -> Result<Self, StoreError> {
        let namespace = settings.namespace.clone();
        let launcher = Self(Arc::new(Parts {
            jobs: Api::namespaced(client.clone(), &namespace),
            pods: Api::namespaced(client.clone(), &namespace),
            cronjobs: Api::namespaced(client.clone(), &namespace),
            claims: Api::namespaced(client, &namespace),
            settings,
            store,
            index,
            events,
            board: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            listed: tokio::sync::watch::Sender::new(false),
        }));
        launcher.remember().await?;
        launcher.watch();
        Ok(launcher)
    }

    /// The job that an equal request has already, or the reason why there can't be one.
    fn known(&self, request: &JobRequest, there: &HashMap<String, &Object>) -> Result<Option<Job>, LaunchError> {
        let board = self.board();
        let key = request.idempotency_key.as_deref().map(job::hashed);
        if key.is_some()
            && let Some(entry) = board.entries.values().find(|entry| entry.key == key)
        {
            let job = &entry.job;
            let other = || LaunchError::KeyUsed(format!("{} to {}", job.start_date, job.end_date));
            return if job.is_for(request) { Ok(Some(job.clone())) } else { Err(other()) };
        }
        let under_way = board.entries.values().find(|entry| {
            // Asked of the API just now: the watch may be behind.
            let object = there.get(&entry.job.job_name);
            let goes_on = |object: &&Object| {
                let removed = object.metadata.deletion_timestamp.is_some();
                !removed && !state::is_ending(object) && !state::is_suspended(object)
            };
            entry.job.is_for(request) && !entry.cancelled && entry.force >= request.force && object.is_some_and(goes_on)
        });
        Ok(under_way.map(|entry| entry.job.clone()))
    }

    /// A number that no job and no run has had.
    async fn draw(&self, there: &HashMap<String, &Object>) -> Result<u32, LaunchError> {
        loop {
            let number = rand::rng().random_range(10_000..1_000_000);
            let name = job::name(number);
            let known = there.contains_key(&name) || self.board().entries.contains_key(&name);
            if !known && self.0.store.size(Place::Run(&name)).await?.is_none() {
                return Ok(number);
            }
        }
    }

    async fn template(&self) -> Result<CronJob, LaunchError> {
        let Settings { cronjob, namespace, pace, .. } = &self.0.settings;
        let found = patiently(*pace, || self.0.cronjobs.get_opt(cronjob)).await;
        let found = found.map_err(|refusal| refusal.error(Call::GET_CRONJOB, namespace))?;
        found.ok_or_else(|| {
            let remedy = "kubectl apply -f k8s/ticketing-report-job.yaml";
            LaunchError::Refused(format!("there is no CronJob `{cronjob}` in the namespace `{namespace}`; {remedy}"))
        })
    }

    /// Makes the Job of a request, once, however often the API has to be asked.
    async fn create(&self, request: &JobRequest, there: &HashMap<String, &Object>) -> Result<Object, LaunchError> {
        let Settings { cronjob, namespace, pace, .. } = &self.0.settings;
        let template = self.template().await?;
        let id = hex(&rand::rng().random::<[u8; 16]>());
        loop {
            let number = self.draw(there).await?;
            let object = job::build(&template, number, &id, request).ok_or_else(|| {
                let remedy = "kubectl apply -f k8s/ticketing-report-job.yaml";
                LaunchError::Refused(format!("the template of the CronJob `{cronjob}` has no container; {remedy}"))
            })?;
            let params = PostParams::default();
            let refusal = match patiently(*pace, || self.0.jobs.create(&params, &object)).await {
                Ok(created) => return Ok(created),
                Err(refusal) => refusal,
            };
            // Perhaps an attempt before whose answer was lost has made it.
            if matches!(refusal.code(), 0 | 409 | 500 | 502..=504) {
                let name = job::name(number);
                match patiently(*pace, || self.0.jobs.get_opt(&name)).await {
                    Ok(Some(found)) if job::is_for(&found, &id) => return Ok(found),
                    // Somebody else's Job has the name.
                    Ok(_) if refusal.code() == 409 => continue,
                    _ => {}
                }
            }
            return Err(refusal.error(Call::CREATE_JOB, namespace));
        }
    }
}

#[async_trait]
impl JobLauncher for Kubernetes {
    async fn start(&self, request: &JobRequest) -> Result<Job, LaunchError> {
        let _one = self.0.starting.lock().await;
        let pace = self.0.settings.pace;
        let params = ListParams::default().labels(job::SELECTOR);
        let listed = patiently(pace, || self.0.jobs.list(&params)).await;
        let listed = listed.map_err(|refusal| refusal.error(Call::LIST_JOBS, &self.0.settings.namespace))?.items;
        {
            let mut board = self.board();
            listed.iter().for_each(|object| self.put(&mut board, object.clone(), false));
        }
        let there: HashMap<String, &Object> = listed.iter().map(|object| (object.name_any(), object)).collect();
        if let Some(job) = self.known(request, &there)? {
            return Ok(job);
        }
        let created = self.create(request, &there).await?;
        let name = created.name_any();
        let mut board = self.board();
        self.put(&mut board, created, false);
        board.entries.get(&name).map(|entry| entry.job.clone()).ok_or(LaunchError::NotFound(name))
    }

    async fn parallel(&self, asked: Option<u16>) -> Result<Parallel, LaunchError> {
        self.advised(asked).await
    }

    async fn list(&self) -> Result<Vec<Job>, LaunchError> {
        self.ready().await?;
        let mut all: Vec<Job> = self.board().entries.values().map(|entry| entry.job.clone()).collect();
        all.sort_by(|a, b| (b.creation_timestamp, &b.job_name).cmp(&(a.creation_timestamp, &a.job_name)));
        Ok(all)
    }

    async fn find(&self, name: &str) -> Result<Job, LaunchError> {
        self.ready().await?;
        let found = self.board().entries.get(name).map(|entry| entry.job.clone());
        found.ok_or_else(|| LaunchError::NotFound(name.to_owned()))
    }

    async fn logs(
        &self,
        name: &str,
        follow: bool,
    ) -> Result<BoxStream<'static, Result<Bytes, LaunchError>>, LaunchError> {
        self.find(name).await?;
        let (to, from) = mpsc::channel(4);
        tokio::spawn(self.clone().send_logs(name.to_owned(), follow, to));
        Ok(stream::unfold(from, |mut from| async move { Some((from.recv().await?, from)) }).boxed())
    }

    async fn cancel(&self, name: &str) -> Result<Job, LaunchError> {
        self.ready().await?;
        let not_found = || LaunchError::NotFound(name.to_owned());
        let mark = |cancelled| {
            let mut board = self.board();
            if let Some(entry) = board.entries.get_mut(name) {
                entry.cancelled = cancelled;
            }
            self.look(&mut board, name);
        };
        let uid = {
            let board = self.board();
            let entry = board.entries.get(name).ok_or_else(not_found)?;
            if entry.job.state.is_over() || entry.object.as_ref().is_some_and(state::is_over) {
                return Err(LaunchError::Over(name.to_owned()));
            }
            entry.uid.clone()
        };
        // At once, so that an equal request doesn't get a job that is about to go.
        mark(true);
        // Without background propagation the pods would stay and go on. The uid keeps a new Job of the name out of it.
        let preconditions = Preconditions { uid: Some(uid), resource_version: None };
        let params = DeleteParams::background().preconditions(preconditions);
        match patiently(self.0.settings.pace, || self.0.jobs.delete(name, &params)).await {
            Ok(_) => {}
            Err(refusal) if refusal.code() == 404 => {}
            Err(refusal) => {
                mark(false);
                return Err(refusal.error(Call::DELETE_JOB, &self.0.settings.namespace));
            }
        }
        let found = self.board().entries.get(name).map(|entry| entry.job.clone());
        found.ok_or_else(not_found)
    }
}
