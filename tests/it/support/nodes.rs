//! Several brokers over one database: a second node beside the first, or the same one started again. Both
//! keep the public addresses of the first, so that its browsers' cookies fit; what differs is the port
//! behind them, which is asked with [`raw`](super::raw).

use std::net::SocketAddr;
use std::sync::Arc;

use http::StatusCode;

use super::broker::{Broker, CONFIGURATION, Setup};
use super::browser::Browser;
use super::provider::TestProvider;
use super::raw;

/// An app of `acme` that everybody who is signed in may open.
pub(crate) const WIKI: &str = "wiki.acme.localhost";
/// An app of `acme` with ordered rules.
pub(crate) const BOARD: &str = "board.acme.localhost";
/// The pages of `acme`.
pub(crate) const ACME: &str = "acme.localhost";
/// An app of `globex`.
pub(crate) const GLOBEX_WIKI: &str = "wiki.globex.localhost";
/// The shared host, where the pages of `globex` are.
pub(crate) const SHARED: &str = "login.localhost";
/// Pages and app of `solo`.
pub(crate) const SOLO: &str = "solo.localhost";

/// The cookie of a session at an app host.
pub(crate) const APP_COOKIE: &str = "__Host-dwa";
/// The cookie of a session at `acme`.
pub(crate) const ACME_COOKIE: &str = "__Host-dws-acme";

/// A node whose address is not the one that people see.
pub(crate) struct Node {
    pub(crate) broker: Broker,
    /// The port of the public addresses.
    port: u16,
}

impl Node {
    /// A second node, over the same database and by the same clock.
    pub(crate) async fn beside(first: &Broker) -> Self {
        Self::beside_with(first, CONFIGURATION).await
    }

    /// The same with the configuration that the first one has.
    pub(crate) async fn beside_with(first: &Broker, configuration: &str) -> Self {
        Self::started(first.address.port(), first, 2, configuration).await
    }

    /// The same broker, stopped as by SIGTERM and started again.
    pub(crate) async fn after(first: Broker) -> Self {
        first.door.drain().await;
        let node = Self::started(first.address.port(), &first, 3, CONFIGURATION).await;
        drop(first);
        node
    }

    async fn started(port: u16, first: &Broker, seed: u64, configuration: &str) -> Self {
        let setup = Setup {
            configuration: configuration
                .replace("{port}", &port.to_string())
                .replace("{issuer}", first.provider.base()),
            seed,
            ..Setup::default()
        };
        let provider = TestProvider::start(Arc::clone(&first.clock));
        let folder = Arc::clone(&first.folder);
        let clock = Arc::clone(&first.clock);
        Self {
            broker: Broker::on(setup, clock, provider, folder).await,
            port,
        }
    }

    /// The check for `GET host path` with this cookie line, at this node.
    pub(crate) async fn check(&self, host: &str, path: &str, cookies: &str) -> StatusCode {
        check_at(self.broker.address, self.port, host, path, cookies).await
    }
}

/// The check for `GET host path` with this cookie line, as a trusted nginx asks.
pub(crate) async fn check(broker: &Broker, host: &str, path: &str, cookies: &str) -> StatusCode {
    check_at(broker.address, broker.address.port(), host, path, cookies).await
}

/// The same of the broker at `address`, whose public port is `port`.
pub(crate) async fn check_at(
    address: SocketAddr,
    port: u16,
    host: &str,
    path: &str,
    cookies: &str,
) -> StatusCode {
    let authority = format!("{host}:{port}");
    let url = format!("http://{authority}{path}");
    let headers = [
        ("host", authority.as_str()),
        ("x-original-url", &url),
        ("x-original-method", "GET"),
        ("sec-fetch-mode", "navigate"),
        ("cookie", cookies),
    ];
    raw::get(address, "/oauth2/auth", &headers).await.status()
}

/// The cookie line of `browser` at an app host: its app session alone.
pub(crate) fn app_cookie(broker: &Broker, browser: &Browser, host: &str) -> String {
    let value = browser.cookie(&broker.url(host, "/"), APP_COOKIE);
    format!("{APP_COOKIE}={}", value.expect("an app session"))
}

/// The cookie line of `browser` at `acme`'s pages: its session alone.
pub(crate) fn acme_cookie(broker: &Broker, browser: &Browser) -> String {
    let value = browser.cookie(&broker.url(ACME, "/"), ACME_COOKIE);
    format!("{ACME_COOKIE}={}", value.expect("a session"))
}
