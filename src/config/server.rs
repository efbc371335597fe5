//! `[server]`: where and how we listen.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use super::reader::{Item, Section};
use super::secrets::looked_at;
use super::table::{Key, Shape, Table};
use super::tls::{self, ServerCertificate};
use super::{Context, addresses};
use crate::domain::host::Host;
use crate::domain::path::CanonicalPath;

/// Where and how we listen.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting with a name of its own"
)]
pub struct Server {
    /// Where requests arrive, plain http.
    pub listen: SocketAddr,
    /// Origin of the shared host of tenants that have none of their own.
    pub public_url: Option<Url>,
    /// Whether plain http is accepted on loopback and `*.localhost`.
    pub development: bool,
    /// What our paths on app hosts begin with; no final slash.
    pub prefix: Box<str>,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// How long requests under way may take once we are told to stop.
    pub shutdown_timeout: Duration,
    /// Peers whose forwarded headers are believed.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// Whether allowed requests are forwarded to the apps that have an `upstream`.
    pub forward_to_apps: bool,
    /// A folder whose presets are added to, or replace, the embedded ones.
    pub providers_folder: Option<PathBuf>,
    /// Whether the configuration is read again when a file of it changes.
    pub reload_on_change: bool,
    /// What is shown on the main listener; none: plain http is served there.
    pub tls: Option<ServerCertificate>,
    pub(super) public_url_given: bool,
}

impl Server {
    /// Whether `host` may be served over plain http.
    #[must_use]
    pub fn permits_plain_http(&self, host: &Host) -> bool {
        self.development && host.is_loopback()
    }

    /// The proxy whose networks `peer` is in. The first one that has it counts.
    #[must_use]
    pub fn trusted_proxy(&self, peer: IpAddr) -> Option<&TrustedProxy> {
        // A listener on `[::]` sees IPv4 peers as mapped addresses (RFC 4291 §2.5.5.2).
        let peer = peer.to_canonical();
        self.trusted_proxies
            .iter()
            .find(|proxy| proxy.networks.iter().any(|network| network.contains(&peer)))
    }
}

/// Peers whose forwarded headers are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxy {
    /// Where they are.
    pub networks: Vec<IpNet>,
    /// The headers in which this proxy tells `/oauth2/auth` what is asked for; none: it does not tell.
    pub target_headers: Option<TargetHeaders>,
}

/// A family of headers that tell what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetHeaders {
    /// `X-Original-Method`, `X-Original-URL`.
    XOriginal,
    /// `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri`.
    XForwarded,
}

const SECOND: Duration = Duration::from_secs(1);
const LONGEST_REQUEST: Duration = Duration::from_secs(600);
const LONGEST_SHUTDOWN: Duration = Duration::from_secs(3600);

pub(super) static TABLE: Table = Table::new(
    "[server]",
    "Where and how we listen.",
    &[
        Key::new(
            "listen",
            Shape::Socket,
            "Where requests arrive: plain http, for a proxy that does TLS, unless there is [server.tls].",
        )
        .or("127.0.0.1:4180")
        .fixed(),
        Key::new(
            "public_url",
            Shape::Address,
            "Host of tenants without `base_url`; they are at /t/{id} below it. No path.",
        ),
        Key::new(
            "development",
            Shape::Flag,
            "Permits plain http on loopback and *.localhost, for public addresses, app hosts and providers.",
        )
        .or("false")
        .fixed(),
        Key::new(
            "prefix",
            Shape::Path,
            "What our paths on app hosts begin with.",
        )
        .or("/oauth2")
        .fixed(),
        Key::new(
            "request_timeout",
            Shape::Duration(SECOND, LONGEST_REQUEST),
            "How long one request may take.",
        )
        .or("30s"),
        Key::new(
            "shutdown_timeout",
            Shape::Duration(SECOND, LONGEST_SHUTDOWN),
            "How long requests under way may take after SIGTERM.",
        )
        .or("20s"),
        Key::new(
            "forward_to_apps",
            Shape::Flag,
            "Allowed requests are forwarded to the apps that have an `upstream`.",
        )
        .or("false")
        .fixed(),
        Key::new(
            "providers_folder",
            Shape::Path,
            "Folder with presets of your own (*.toml): new names are added, known names replaced.",
        ),
        Key::new(
            "reload_on_change",
            Shape::Flag,
            "Reads the configuration again when a file of it changes. SIGHUP does always.",
        )
        .or("true"),
        Key::table("tls", &tls::TABLE),
        Key::tables("trusted_proxies", &TRUSTED_PROXY),
    ],
);

static TRUSTED_PROXY: Table = Table::new(
    "[[server.trusted_proxies]]",
    "Peers whose forwarded headers are believed. None: nobody is believed.",
    &[
        Key::new(
            "networks",
            Shape::List(&Shape::Network),
            "Where the proxy is. The first entry that has a peer counts.",
        )
        .required(),
        Key::new(
            "target_headers",
            Shape::Words(&["x-original", "x-forwarded"]),
            "The headers in which this proxy tells /oauth2/auth what is asked for. None: path and method are unknown, and apps with rules about them refuse.",
        ),
    ],
);

/// A setting that is wrong is reported and read as its default, so that what depends on it is judged too.
pub(super) fn read(root: &Section<'_>, context: &Context<'_>) -> Server {
    let mut server = Server {
        listen: SocketAddr::from(([127, 0, 0, 1], 4180)),
        public_url: None,
        development: false,
        prefix: "/oauth2".into(),
        request_timeout: Duration::from_secs(30),
        shutdown_timeout: Duration::from_secs(20),
        trusted_proxies: Vec::new(),
        forward_to_apps: false,
        providers_folder: None,
        reload_on_change: true,
        tls: None,
        public_url_given: false,
    };
    let Some(section) = root.get("server").and_then(|item| item.section(&TABLE)) else {
        return server;
    };
    let set = |to: &mut Duration, item: Option<Item<'_>>, most: Duration| {
        if let Some(duration) = item.and_then(|item| item.duration(SECOND, most)) {
            *to = duration;
        }
    };
    if let Some(listen) = section.get("listen").and_then(|i| addresses::listen(&i)) {
        server.listen = listen;
    }
    server.development = section
        .get("development")
        .and_then(|item| item.flag())
        .unwrap_or(false);
    let public_url = section.get("public_url");
    server.public_url_given = public_url.is_some();
    server.public_url = public_url.and_then(|item| public(&item, server.development));
    if let Some(prefix) = section.get("prefix").and_then(|item| prefix(&item)) {
        server.prefix = prefix;
    }
    set(
        &mut server.request_timeout,
        section.get("request_timeout"),
        LONGEST_REQUEST,
    );
    set(
        &mut server.shutdown_timeout,
        section.get("shutdown_timeout"),
        LONGEST_SHUTDOWN,
    );
    let proxies = section
        .get("trusted_proxies")
        .map(|item| item.sections(&TRUSTED_PROXY))
        .unwrap_or_default();
    server.trusted_proxies = proxies.iter().filter_map(trusted_proxy).collect();
    report_trusted_twice(&proxies);
    server.forward_to_apps = section
        .get("forward_to_apps")
        .and_then(|item| item.flag())
        .unwrap_or(false);
    server.providers_folder = section.get("providers_folder").and_then(|item| {
        let folder = item.text()?;
        let path = context.file(folder);
        let entries = match path.read_dir() {
            Ok(entries) => entries,
            Err(error) => {
                item.fault_with_help(
                    format!("{} is not a folder that can be read: {error}", item.shown()),
                    looked_at(&path),
                );
                return Some(path);
            }
        };
        for entry in entries.flatten() {
            if entry.path().extension().is_some_and(|end| end == "toml") {
                context.also(entry.path());
            }
        }
        Some(path)
    });
    server.reload_on_change = section
        .get("reload_on_change")
        .and_then(|item| item.flag())
        .unwrap_or(true);
    server.tls = section
        .get("tls")
        .and_then(|item| tls::read(&item, context));
    section.finish();
    server
}

fn public(item: &Item<'_>, development: bool) -> Option<Url> {
    let (url, path) = addresses::plain_url(item, development)?;
    if path.is_empty() {
        addresses::warn_of_development(item, &url, development);
        return Some(addresses::origin(&url));
    }
    item.fault_with_help(
        format!("`public_url` has the path {path}"),
        "write scheme and host only: tenants are at /t/{id} below it",
    );
    None
}

/// First segments that are taken on every host.
const TAKEN: [&str; 6] = ["t", "api", "healthz", "readyz", "metrics", "assets"];

fn prefix(item: &Item<'_>) -> Option<Box<str>> {
    let text = item.text()?;
    let mut segments = text.split('/');
    let plain = |segment: &str| {
        !segment.is_empty()
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
    };
    let whole = segments.next() == Some("")
        && text.split('/').skip(1).all(plain)
        && CanonicalPath::parse(text).is_ok();
    let first = segments.next().unwrap_or_default();
    if !whole {
        item.fault_with_help(
            format!("{} cannot be the prefix", item.shown()),
            "it begins with `/` and does not end with it: \"/oauth2\"",
        );
        None
    } else if TAKEN.contains(&first) {
        item.fault_with_help(
            format!(
                "{} is taken: `/{first}` means something else here",
                item.shown()
            ),
            "choose another one, such as \"/oauth2\"",
        );
        None
    } else {
        Some(text.into())
    }
}

/// The first entry with a network counts: a second one would say something else about it that nobody hears.
fn report_trusted_twice(proxies: &[Section<'_>]) {
    let mut seen: HashMap<IpNet, u32> = HashMap::new();
    let lists = proxies
        .iter()
        .filter_map(|it| it.get("networks")?.as_items());
    for item in lists.flatten() {
        let Some(Ok(network)) = item.as_text().map(str::parse::<IpNet>) else {
            continue;
        };
        if let Some(line) = seen.get(&network) {
            item.fault_with_help(
                format!("{} is trusted already", item.shown()),
                format!("line {line} has it, and what stands there counts: leave one of them"),
            );
        } else {
            seen.insert(network, item.position().line());
        }
    }
}

fn trusted_proxy(section: &Section<'_>) -> Option<TrustedProxy> {
    let networks = section
        .require("networks", "add networks = [\"127.0.0.1/32\"]")
        .and_then(|item| item.list(|item| network(item)));
    let target_headers = section.get("target_headers").and_then(|item| {
        item.choice(&[
            ("x-original", TargetHeaders::XOriginal),
            ("x-forwarded", TargetHeaders::XForwarded),
        ])
    });
    section.finish();
    Some(TrustedProxy {
        networks: networks?,
        target_headers,
    })
}

/// Reads a network. One that has every address in it is refused: it would mean "anybody".
pub(super) fn network(item: &Item<'_>) -> Option<IpNet> {
    let text = item.text()?;
    if let Ok(address) = text.parse::<IpAddr>() {
        let network = IpNet::from(address);
        item.fault_with_help(
            format!("{} is one address, not a network", item.shown()),
            format!("write \"{network}\" if you mean this address alone"),
        );
        return None;
    }
    let Ok(network) = text.parse::<IpNet>() else {
        item.fault_with_help(
            format!("{} is not a network", item.shown()),
            "write it as \"10.0.0.0/8\" or \"fd00::/8\"",
        );
        return None;
    };
    if network.prefix_len() == 0 {
        item.fault_with_help(
            format!("{} is every address there is", item.shown()),
            "name the networks that are really meant",
        );
        None
    } else if network.trunc() != network {
        item.fault_with_help(
            format!("{} has bits set behind its prefix", item.shown()),
            format!("write \"{}\", or a longer prefix", network.trunc()),
        );
        None
    } else {
        Some(network)
    }
}
