//! From the settings to a server that answers.

use std::{io::Write, path::PathBuf, sync::Arc, time::Duration};

use pipeline::store::Store;
use tokio::net::TcpListener;

use crate::{
    app::{App, Parts},
    audit::Audit,
    auth::guard::Guard,
    config::{ServeArgs, StartError},
    download::Digests,
    events::Hub,
    index::Index,
    launcher::local::{Local, Settings},
    limits::Limits,
    router::router,
    serve::serve,
};

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
    let settings = Settings {
        command: args.report_command.clone().map_or_else(beside, Ok)?,
        at_once: usize::from(args.jobs),
        queue: usize::from(args.queue),
        namespace: args.namespace.clone(),
        zone: args.time_zone.name().to_owned(),
    };
    let launcher = Local::begin(settings, store.clone(), Arc::clone(&index), Arc::clone(&events))
        .await
        .map_err(|e| StartError::Config(e.to_string()))?;
    let app = App::new(Parts {
        audit: Audit::begin(store.clone()),
        store,
        index: Arc::clone(&index),
        launcher: Arc::new(launcher),
        events: Arc::clone(&events),
        guard,
        limits: Limits::new(args.rate, args.downloads),
        zone: args.time_zone,
        namespace: args.namespace,
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
