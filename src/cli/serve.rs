//! `doorward serve`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::reload::Reloader;
use super::{Failure, load, say, say_warnings, start};
use crate::config::{Config, SystemEnvironment, WatchedFiles};
use crate::tenants::Directory;
use crate::web::serve::Server;

/// Serves until SIGTERM or SIGINT.
pub(super) fn run(file: &Path) -> Result<(), Failure> {
    let files = WatchedFiles::new(file.to_owned());
    let (config, directory) = load(file)?;
    let runtime = runtime()?;
    let traces = start::traces(&config, runtime.handle())?;
    crate::telemetry::logging::start(&config.logging, traces.as_ref());
    say_warnings(&config);
    let served = runtime.block_on(serve(config, directory, files));
    if let Some(traces) = traces {
        traces.finish();
    }
    served
}

/// As many threads as the machine has cores.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

async fn serve(config: Config, directory: Directory, files: WatchedFiles) -> Result<(), Failure> {
    let summary = summary(&directory);
    let listener = bind(config.server.listen).await?;
    let operations = match config.operations.listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let ext_authz = match config.ext_authz.listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let door = start::door(&config, directory, start::Ground::default()).await?;
    let stop = stop_signal()?;
    let hangup = signal(SignalKind::hangup())?;
    let scheme = if config.server.tls.is_some() {
        "https"
    } else {
        "http"
    };
    say(&format!(
        "doorward {} listens on {scheme}://{}\nconfiguration: {}\n{summary}",
        env!("CARGO_PKG_VERSION"),
        listener.local_addr()?,
        config.file.display(),
    ));
    let server = Server {
        listener,
        operations,
        ext_authz,
    };
    let environment = Arc::new(SystemEnvironment);
    let reloader = Reloader::new(&config, environment, Arc::clone(&door), files);
    tokio::spawn(reloader.run(hangup, stop.clone()));
    server.run(door, stop).await;
    Ok(())
}

async fn bind(address: std::net::SocketAddr) -> Result<TcpListener, Failure> {
    Ok(TcpListener::bind(address).await.with_context(|| {
        format!("{address} cannot be listened on: change `listen`, or end what uses it")
    })?)
}

fn summary(directory: &Directory) -> String {
    let count = |number: usize, one: &str, many: &str| match number {
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    };
    let (mut tenants, mut providers, mut apps) = (0, 0, 0);
    for tenant in directory.tenants() {
        tenants += 1;
        providers += tenant.providers.len();
        apps += tenant.apps.len();
    }
    format!(
        "{}, {}, {}",
        count(tenants, "tenant", "tenants"),
        count(providers, "provider", "providers"),
        count(apps, "app", "apps"),
    )
}

/// Turns true at SIGTERM or SIGINT.
pub(super) fn stop_signal() -> Result<watch::Receiver<bool>, Failure> {
    let (say_stop, stop) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = say_stop.send(true);
    });
    Ok(stop)
}
