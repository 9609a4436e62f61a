//! From the settings to a server that answers.

use std::{io::Write, path::PathBuf, sync::Arc, time::Duration};

use pipeline::store::{Store, StoreError};
use tokio::net::TcpListener;

use crate::{
    app::{App, Parts},
    audit::Audit,
    auth::guard::Guard,
    config::{LaunchArgs, LauncherKind, ServeArgs, StartError},
    download::Digests,
    events::Hub,
    index::Index,
    launcher::{
        JobLauncher,
        kubernetes::{self, Connected, Kubernetes},
        local::{Local, Settings},
    },
    limits::Limits,
    router::router,
    serve::serve,
};

/// The namespace of jobs where nothing names another.
const NAMESPACE: &str = "train-orchestrator";

/// How often the file of tokens is looked at.
const TOKENS_EVERY: Duration = Duration::from_secs(2);

/// Serves until SIGTERM or Ctrl-C.
///
/// # Errors
/// When a setting can't be used, or the address can't be listened on.
pub async fn run(args: ServeArgs) -> Result<(), StartError> {
    let guard = Guard::new(args.listen.ip(), args.tokens.clone(), args.anonymous)?;
    let store = Store::open(&args.launching.store).map_err(|e| StartError::Config(e.to_string()))?;
    let listener =
        TcpListener::bind(args.listen).await.map_err(|reason| StartError::Listen { address: args.listen, reason })?;
    let system = |e: std::io::Error| StartError::System(e.to_string());
    let address = listener.local_addr().map_err(system)?;

    let events = Arc::new(Hub::default());
    let index = Arc::new(Index::new(store.clone(), Arc::clone(&events)));
    let room = Room { jobs: args.jobs, queue: args.queue, lasting: true };
    let (launcher, namespace) = launcher(&args.launching, &room, &store, &index, &events).await?;
    let app = App::new(Parts {
        audit: Audit::begin(store.clone()),
        store,
        index: Arc::clone(&index),
        launcher,
        events: Arc::clone(&events),
        guard,
        limits: Limits::new(args.rate, args.downloads),
        zone: args.launching.time_zone,
        namespace,
        in_cluster: !is_local(args.launching.launcher),
        digests: Digests::default(),
    });
    tokio::spawn(Arc::clone(&index).watch());
    tokio::spawn(housekeeping(app.clone()));

    let ending = ending().map_err(system)?;
    // For whoever waits for it, and wants to know the port.
    writeln!(std::io::stdout(), "listening on http://{address}").map_err(system)?;
    let end = async move {
        ending.await;
        tracing::info!("ending: what is under way comes to its end");
        events.end();
    };
    serve(listener, router(app.clone()), end).await.map_err(system)?;
    app.audit.finish().await;
    Ok(())
}

/// SIGTERM or Ctrl-C.
#[cfg(unix)]
pub(crate) fn ending() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Ctrl-C.
#[cfg(not(unix))]
pub(crate) fn ending() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// How many child processes there may be, and whether they are a server's.
#[derive(Debug)]
pub struct Room {
    /// Jobs at once.
    pub jobs: u16,
    /// Jobs that wait.
    pub queue: u16,
    /// Whether jobs outlive this program.
    pub lasting: bool,
}

/// Whether this program runs in a pod: the cluster says so in each of its pods.
#[must_use]
pub fn in_cluster() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// Whether jobs are child processes.
#[must_use]
pub fn is_local(launcher: LauncherKind) -> bool {
    match launcher {
        LauncherKind::Local => true,
        LauncherKind::Auto => !in_cluster(),
        LauncherKind::Kubernetes => false,
    }
}

/// The namespace of jobs: as named, the pod's own, or the one that the manifests have.
#[must_use]
pub fn namespace(named: Option<&str>, own: Option<String>) -> String {
    named.map(str::to_owned).or(own).unwrap_or_else(|| NAMESPACE.to_owned())
}

/// Whoever executes jobs, and the namespace of these.
///
/// # Errors
/// When there is no cluster, or the store can't be read.
pub async fn launcher(
    args: &LaunchArgs,
    room: &Room,
    store: &Store,
    index: &Arc<Index>,
    events: &Arc<Hub>,
) -> Result<(Arc<dyn JobLauncher>, String), StartError> {
    let config = |e: StoreError| StartError::Config(e.to_string());
    let (store, index, events) = (store.clone(), Arc::clone(index), Arc::clone(events));
    let named = args.cluster.namespace.as_deref();
    if is_local(args.launcher) {
        let namespace = namespace(named, None);
        let settings = Settings {
            command: args.report_command.clone().map_or_else(beside, Ok)?,
            at_once: usize::from(room.jobs),
            queue: usize::from(room.queue),
            namespace: namespace.clone(),
            zone: args.time_zone.name().to_owned(),
            lasting: room.lasting,
        };
        let launcher = Local::begin(settings, store, index, events).await.map_err(config)?;
        return Ok((Arc::new(launcher), namespace));
    }
    let Connected { client, namespace: own, .. } =
        kubernetes::connect(in_cluster()).await.map_err(StartError::Config)?;
    let namespace = namespace(named, own);
    let settings = kubernetes::Settings {
        cronjob: args.cluster.cronjob.clone(),
        namespace: namespace.clone(),
        zone: args.time_zone.clone(),
        pace: kubernetes::Pace::default(),
    };
    let launcher = Kubernetes::begin(settings, client, store, index, events).await.map_err(config)?;
    Ok((Arc::new(launcher), namespace))
}

/// The report command in this program's folder.
fn beside() -> Result<PathBuf, StartError> {
    let own = std::env::current_exe().map_err(|e| StartError::System(e.to_string()))?;
    Ok(own.with_file_name(format!("ticketing-report{}", std::env::consts::EXE_SUFFIX)))
}

async fn housekeeping(app: App) {
    loop {
        tokio::time::sleep(TOKENS_EVERY).await;
        app.guard.refresh();
        app.limits.tidy();
    }
}
