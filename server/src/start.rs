//! From the settings to a server that answers.

use std::{io::Write, path::PathBuf, sync::Arc, time::Duration};

use pipeline::store::{Store, StoreError};
use tokio::net::TcpListener;

use crate::{
    app::{App, Parts},
    audit::Audit,
    auth::guard::Guard,
    config::{LauncherKind, ServeArgs, StartError},
    download::Digests,
    events::Hub,
    index::Index,
    launcher::{
        JobLauncher,
        kubernetes::{self, Kubernetes},
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
    let store = Store::open(&args.store).map_err(|e| StartError::Config(e.to_string()))?;
    let listener =
        TcpListener::bind(args.listen).await.map_err(|reason| StartError::Listen { address: args.listen, reason })?;
    let system = |e: std::io::Error| StartError::System(e.to_string());
    let address = listener.local_addr().map_err(system)?;

    let events = Arc::new(Hub::default());
    let index = Arc::new(Index::new(store.clone(), Arc::clone(&events)));
    let (launcher, namespace) = launcher(&args, &store, &index, &events).await?;
    let app = App::new(Parts {
        audit: Audit::begin(store.clone()),
        store,
        index: Arc::clone(&index),
        launcher,
        events: Arc::clone(&events),
        guard,
        limits: Limits::new(args.rate, args.downloads),
        zone: args.time_zone,
        namespace,
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
fn ending() -> std::io::Result<impl Future<Output = ()>> {
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
fn ending() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// Whoever executes jobs, and the namespace of these.
async fn launcher(
    args: &ServeArgs,
    store: &Store,
    index: &Arc<Index>,
    events: &Arc<Hub>,
) -> Result<(Arc<dyn JobLauncher>, String), StartError> {
    let config = |e: StoreError| StartError::Config(e.to_string());
    let (store, index, events) = (store.clone(), Arc::clone(index), Arc::clone(events));
    let named = |own: Option<String>| args.namespace.clone().or(own).unwrap_or_else(|| NAMESPACE.to_owned());
    // The cluster says so in each of its pods.
    let in_cluster = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    match args.launcher {
        LauncherKind::Kubernetes => {}
        LauncherKind::Auto if in_cluster => {}
        LauncherKind::Auto | LauncherKind::Local => {
            let namespace = named(None);
            let settings = Settings {
                command: args.report_command.clone().map_or_else(beside, Ok)?,
                at_once: usize::from(args.jobs),
                queue: usize::from(args.queue),
                namespace: namespace.clone(),
                zone: args.time_zone.name().to_owned(),
            };
            let launcher = Local::begin(settings, store, index, events).await.map_err(config)?;
            return Ok((Arc::new(launcher), namespace));
        }
    }
    let (client, own) = kubernetes::connect(in_cluster).await.map_err(StartError::Config)?;
    let namespace = named(own);
    let settings = kubernetes::Settings {
        cronjob: args.cronjob.clone(),
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
