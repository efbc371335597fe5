//! `doorward serve`.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
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
    let listener = bind(config.server.listen, "server").await?;
    let operations = match config.operations.listen {
        Some(address) => Some(bind(address, "operations").await?),
        None => None,
    };
    let ext_authz = match config.ext_authz.listen {
        Some(address) => Some(bind(address, "ext_authz").await?),
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

/// `section`: whose `listen` it is.
async fn bind(address: SocketAddr, section: &str) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).await;
    Ok(bound.map_err(|error| not_bound(address, section, &error))?)
}

/// What is wrong with an address to listen on, and what to do.
fn not_bound(address: SocketAddr, section: &str, error: &io::Error) -> anyhow::Error {
    let setting = format!("`listen` in [{section}]");
    match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!(
            "{address} is in use by another program: end that one (`ss -ltnp` names it), or change {setting}"
        ),
        io::ErrorKind::AddrNotAvailable => anyhow!(
            "this machine does not have the address {}: write one that it has (`ip address` names them), or {} for all of them, as {setting}",
            address.ip(),
            if address.is_ipv4() { "0.0.0.0" } else { "[::]" },
        ),
        io::ErrorKind::PermissionDenied => anyhow!(
            "this user may not listen on port {}: change {setting} to a port from 1024 on, or permit it (CAP_NET_BIND_SERVICE: docs/operating.md, \"A port below 1024\")",
            address.port(),
        ),
        _ => anyhow!("{address} cannot be listened on: {error}; change {setting}"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests may run as a user who may do anything.
    #[test]
    fn a_port_that_needs_privileges_is_told() {
        let address = SocketAddr::from(([0, 0, 0, 0], 443));
        let error = io::Error::from(io::ErrorKind::PermissionDenied);
        let told = not_bound(address, "ext_authz", &error).to_string();
        assert!(told.contains("port 443"), "{told}");
        assert!(told.contains("`listen` in [ext_authz]"), "{told}");
        assert!(told.contains("CAP_NET_BIND_SERVICE"), "{told}");
    }
}
