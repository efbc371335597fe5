//! `upstream` of an app: where it is, for those who let us forward to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use url::Url;

use super::reader::{Item, Section};
use super::server::Server;
use super::table::{Key, Shape, Table};
use super::{Context, tls};
use crate::domain::app_upstream::{AppUpstream, Authorities, UpstreamHost};

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_hours(24);

pub(super) static TABLE: Table = Table::new(
    "[tenants.apps.upstream]",
    "Where the app is, if Doorward forwards to it.",
    &[
        Key::new(
            "address",
            Shape::Address,
            "Scheme, host and port; plain http is usual. No path: the app gets the path that was asked for.",
        )
        .required(),
        Key::new(
            "host",
            Shape::Words(&["original", "upstream"]),
            "The `Host` that the app is told: the one that was asked for, or its own.",
        )
        .or("original"),
        Key::new(
            "ca_file",
            Shape::Path,
            "Certificate authorities to trust beside the usual ones, PEM; read with the configuration.",
        ),
        Key::new(
            "connect_timeout",
            Shape::Duration(SHORTEST, LONGEST),
            "Until a connection stands: name, TCP and TLS.",
        )
        .or("5s"),
        Key::new(
            "response_timeout",
            Shape::Duration(SHORTEST, LONGEST),
            "From the end of the request to the head of the answer.",
        )
        .or("1m"),
        Key::new(
            "idle_timeout",
            Shape::Duration(SHORTEST, LONGEST),
            "How long a body or a WebSocket may be silent.",
        )
        .or("10m"),
    ],
);

/// Reads an address, or a table with more about it.
pub(super) fn read(item: &Item<'_>, server: &Server, context: &Context<'_>) -> Option<AppUpstream> {
    if !server.forward_to_apps {
        item.fault_with_help(
            "`upstream` has no effect: requests are not forwarded",
            "set forward_to_apps = true in [server], or leave `upstream` to your proxy",
        );
    }
    if !item.is_table() {
        return upstream(Some(item), None, server, context);
    }
    let section = item.section(&TABLE)?;
    let address = section.require("address", "add address = \"http://127.0.0.1:3000\"");
    let upstream = upstream(address.as_ref(), Some(&section), server, context);
    section.finish();
    upstream
}

fn upstream(
    item: Option<&Item<'_>>,
    more: Option<&Section<'_>>,
    server: &Server,
    context: &Context<'_>,
) -> Option<AppUpstream> {
    let get = |key: &'static str| more.and_then(|section| section.get(key));
    let time = |key: &'static str, default: Duration| match get(key) {
        Some(item) => item.duration(SHORTEST, LONGEST),
        None => Some(default),
    };
    let address = item.and_then(|item| address(item, server));
    let host = get("host").map_or(Some(UpstreamHost::Original), |item| {
        item.choice(&[
            ("original", UpstreamHost::Original),
            ("upstream", UpstreamHost::Upstream),
        ])
    });
    let ca_file = get("ca_file");
    let authorities = match &ca_file {
        Some(item) => authorities(item, context),
        None => Some(Arc::default()),
    };
    let connect_timeout = time("connect_timeout", Duration::from_secs(5));
    let response_timeout = time("response_timeout", Duration::from_mins(1));
    let idle_timeout = time("idle_timeout", Duration::from_mins(10));
    let (scheme, authority) = address?;
    if scheme == Scheme::HTTP
        && let Some(item) = ca_file
    {
        item.fault_at_key(
            "`ca_file` has no effect: the app's address is plain http",
            "write the address with https, or leave `ca_file` out",
        );
    }
    Some(AppUpstream {
        scheme,
        authority,
        host: host?,
        authorities: authorities?,
        connect_timeout: connect_timeout?,
        response_timeout: response_timeout?,
        idle_timeout: idle_timeout?,
    })
}

/// Plain http is usual here: apps are on the same machine, or in the same network.
fn address(item: &Item<'_>, server: &Server) -> Option<(Scheme, Authority)> {
    let text = item.text()?;
    if text.contains('@') {
        item.fault_with_help(
            "an address with `@` in it is not accepted",
            "leave out user name and password",
        );
        return None;
    }
    let plain =
        !text.contains(['\\', '?', '#']) && text.bytes().all(|byte| byte.is_ascii_graphic());
    let url = Url::parse(text).ok().filter(|_| plain);
    let parts = url.as_ref().and_then(|url| {
        let scheme = match url.scheme() {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            _ => return None,
        };
        let host = url.host_str()?;
        let port = url.port_or_known_default()?;
        Some((scheme, format!("{host}:{port}").parse().ok()?))
    });
    let (Some(url), Some(parts)) = (&url, parts) else {
        item.fault_with_help(
            format!("{} is not the address of an app", item.shown()),
            "write it as \"http://127.0.0.1:3000\"",
        );
        return None;
    };
    if url.path() != "/" {
        item.fault_with_help(
            format!("`{}` has the path {}", item.name, url.path()),
            "write scheme, host and port only: the app gets the path that was asked for, as it was judged",
        );
        return None;
    }
    if is_ours(url, server.listen) {
        item.fault_with_help(
            format!("{} is where Doorward itself listens", item.shown()),
            "name the address of the app",
        );
        return None;
    }
    Some(parts)
}

/// A request would be forwarded to us again and again.
fn is_ours(url: &Url, listen: SocketAddr) -> bool {
    let here = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback() || listen.ip() == address,
        Some(url::Host::Ipv6(address)) => address.is_loopback() || listen.ip() == address,
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let reached = listen.ip().is_loopback() || listen.ip().is_unspecified();
    let same = url.port_or_known_default() == Some(listen.port()) && listen.port() != 0;
    same && here && (reached || url.host_str() == Some(&listen.ip().to_string()))
}

/// Read now, so that what is wrong is told now, and a reload takes all or nothing.
fn authorities(item: &Item<'_>, context: &Context<'_>) -> Option<Authorities> {
    let (_, found) = tls::authorities(item, context)?;
    let der = found.into_iter().map(|certificate| certificate.to_vec());
    Some(der.map(Vec::into_boxed_slice).collect())
}
