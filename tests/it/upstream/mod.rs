//! Doorward as the proxy: requests to the apps that have an `upstream`.

mod bad_apps;
mod forwarding;
mod headers;
mod refusals;
mod security_headers;
mod smuggling;
mod tls;
mod websocket;

use http::StatusCode;

use crate::support::app::App;
use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::browser::Browser;
use crate::support::nodes::WIKI;

/// The wiki and the board of `acme` forwarded to `upstream` (as TOML writes it), `more` in the wiki's table.
fn configuration(upstream: &str, more: &str) -> String {
    let upstream = format!("upstream = {upstream}");
    let wiki = "hosts = [\"wiki.acme.localhost:{port}\"]\n";
    let board = "hosts = [\"board.acme.localhost:{port}\", \"*.board.acme.localhost:{port}\"]\n";
    for there in [wiki, board] {
        assert!(CONFIGURATION.contains(there), "{there}");
    }
    CONFIGURATION
        .replace(
            "development = true\n",
            "development = true\nforward_to_apps = true\n",
        )
        .replace("hide_cookies = true\n", "")
        .replace(wiki, &format!("{wiki}{upstream}\n{more}\n"))
        .replace(board, &format!("{board}{upstream}\n"))
}

async fn start(configuration: String) -> Broker {
    Broker::with(Setup {
        configuration,
        ..Setup::default()
    })
    .await
}

/// A broker in front of `app`.
async fn before(app: &App) -> Broker {
    before_with(app, "").await
}

async fn before_with(app: &App, more: &str) -> Broker {
    let upstream = format!("\"http://{}\"", app.address);
    start(configuration(&upstream, more)).await
}

/// The same with times of the upstream.
async fn before_with_times(app: &App, times: &str) -> Broker {
    let upstream = format!("{{ address = \"http://{}\", {times} }}", app.address);
    start(configuration(&upstream, "")).await
}

/// Somebody who is signed in at the wiki.
async fn signed_in(broker: &Broker) -> Browser {
    let mut browser = broker.browser();
    let page = broker.sign_in(&mut browser, WIKI, "/").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.html());
    browser
}
