//! `doorward demo`: everything in one process, on loopback, without a network.
//!
//! A person opens an app; a proxy in this process stands in for nginx and asks the broker at each request;
//! the broker sends the person to a small provider, also in this process. The broker is the real one, with
//! a real configuration and SQLite in a temporary folder.

mod apps;
mod people;
mod provider;
mod proxy;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpListener;

use super::serve::{runtime, stop_signal};
use super::{Failure, say, start};
use crate::config::{LogFormat, Logging};
use crate::ports::{SecureRandom, SystemRandom};
use crate::providers::Presets;
use crate::tenants::Directory;
use crate::views::Views;
use crate::web::router::router;

/// Runs the demo until SIGTERM or Ctrl-C.
pub(super) fn run(port: u16) -> Result<(), Failure> {
    crate::telemetry::logging::start(
        &Logging {
            format: LogFormat::Pretty,
            level: "warn,audit=off".into(),
        },
        None,
    );
    runtime()?.block_on(demo(port))
}

async fn demo(port: u16) -> Result<(), Failure> {
    let folder = tempfile::Builder::new()
        .prefix("doorward-demo-")
        .tempdir()
        .context("there is no temporary folder for the demo's database")?;
    let front = listen(port).await?;
    let behind = listen(0).await?;
    let port = front.local_addr()?.port();
    let issuer = format!("http://{}", behind.local_addr()?);
    let random: Arc<dyn SecureRandom> = Arc::new(SystemRandom);
    let environment = BTreeMap::from([
        (
            "SEALING_KEY".to_owned(),
            STANDARD.encode(random.array::<32>()),
        ),
        (
            "CLIENT_SECRET".to_owned(),
            STANDARD.encode(random.array::<32>()),
        ),
    ]);
    let secret = environment
        .get("CLIENT_SECRET")
        .cloned()
        .unwrap_or_default();
    let file = folder.path().join("doorward.toml");
    let config = crate::config::parse(&configuration(port, &issuer), &file, &environment)?;
    let directory = Directory::build(&config, &Presets::load(None)?, 1)?;
    let door = start::door(&config, directory, start::Ground::default()).await?;
    let views = Arc::new(Views::new(None).context("the pages cannot be used")?);
    let stop = stop_signal()?;

    let provider =
        provider::DemoProvider::new(issuer, secret, Arc::clone(&views), Arc::clone(&random))?;
    let provider = tokio::spawn(axum::serve(behind, provider.router()).into_future());
    let proxy = proxy::Proxy::new(
        router(&door, true),
        apps::DemoApps::new(port, views, random),
    );
    let proxy = tokio::spawn(
        axum::serve(
            front,
            proxy
                .router()
                .into_make_service_with_connect_info::<SocketAddr>(),
        )
        .into_future(),
    );
    say(&welcome(port));
    let upkeep = tokio::spawn(crate::web::serve::upkeep(Arc::clone(&door), stop.clone()));
    let mut stop = stop;
    let _ = stop.wait_for(|stop| *stop).await;
    provider.abort();
    proxy.abort();
    let _ = upkeep.await;
    door.drain().await;
    say("\nStopped. The demo's database is gone with its temporary folder.");
    Ok(())
}

/// The port asked for, else one that is free.
async fn listen(port: u16) -> Result<TcpListener, Failure> {
    if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        return Ok(listener);
    }
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .context("no port of 127.0.0.1 is free")?)
}

/// A configuration like any other.
fn configuration(port: u16, issuer: &str) -> String {
    let mut text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
development = true
public_url = "http://localhost:{port}"
trusted_proxies = [{{ networks = ["127.0.0.1/32"], target_headers = "x-original" }}]

[storage]
sqlite = "doorward.db"
sealing_keys = [{{ env = "SEALING_KEY" }}]
"#
    );
    for tenant in people::TENANTS {
        let _ = write!(
            text,
            r#"
[[tenants]]
id = "{id}"
name = "{name}"
base_url = "http://{id}.localhost:{port}"
contact = "it@{id}.example"

[[tenants.providers]]
id = "demo"
preset = "oidc"
name = "{name} Demo ID"
issuer = "{issuer}"
client_id = "{id}"
client_secret = {{ env = "CLIENT_SECRET" }}
scopes = ["openid", "profile", "email", "groups"]
groups_claim = "groups"

[[tenants.apps]]
id = "wiki"
name = "Wiki"
hosts = ["wiki.{id}.localhost:{port}"]
hide_cookies = true
allow = {{ email_domains = ["{id}.example"] }}

[[tenants.apps]]
id = "payroll"
name = "Payroll"
hosts = ["payroll.{id}.localhost:{port}"]
hide_cookies = true
allow = {{ groups = ["finance"] }}
"#,
            id = tenant.id,
            name = tenant.name,
        );
    }
    text
}

fn welcome(port: u16) -> String {
    let mut text = format!(
        "\nDoorward's demo is running.\n\n  Open   http://wiki.acme.localhost:{port}\n\n  Sign in as\n"
    );
    for person in people::PEOPLE {
        let _ = writeln!(
            text,
            "    {:<8} password {:<10} {}",
            person.login, person.password, person.about
        );
    }
    let _ = write!(
        text,
        "\n  Then   http://payroll.acme.localhost:{port}   a second app, no second login\n         \
         http://wiki.globex.localhost:{port}    another organization, another login\n         \
         http://acme.localhost:{port}/sessions  where you are signed in\n\n  \
         Stop   Ctrl-C\n"
    );
    text
}
