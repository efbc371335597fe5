//! What the command line asks, as a proxy would put it.

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, bail};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use secrecy::zeroize::Zeroizing;
use url::Url;

use super::Arguments;
use super::endpoint::Endpoint;
use crate::config::{Config, TargetHeaders};
use crate::domain::handle::{AppSessionKind, ParentSessionKind};
use crate::domain::host::Host;
use crate::domain::ids::TenantId;
use crate::tenants::Directory;
use crate::web::cookies;

/// A check request.
#[derive(Debug)]
pub(super) struct Question {
    /// How it is asked.
    pub(super) endpoint: Endpoint,
    /// Whether that was said, and is not what the configuration suggests.
    pub(super) endpoint_given: bool,
    /// Without what nobody needs to see: no query, no fragment.
    pub(super) shown: String,
    pub(super) method: Method,
    /// Scheme and host.
    pub(super) origin: String,
    /// As `Host` has it.
    pub(super) host_text: String,
    pub(super) path_and_query: String,
    pub(super) peer: IpAddr,
    /// Whether it is believed.
    pub(super) trusted: bool,
    /// The family in which the proxy tells what is asked for.
    pub(super) family: Option<TargetHeaders>,
    pub(super) headers: HeaderMap,
    /// The cookies that count there.
    pub(super) cookies: Vec<String>,
    pub(super) shown_cookie: ShownCookie,
    /// Whether it shows something beside a cookie that the app may accept.
    pub(super) shows_credential: bool,
}

/// What the request shows of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShownCookie {
    /// There is no cookie.
    None,
    /// There are cookies, and none that counts there reads as one of ours.
    Others,
    /// There is one of ours; whether it is good is for the check to say.
    Ours,
}

impl Question {
    /// Faults never repeat what they are about: it may be secret.
    pub(super) fn read(
        arguments: &Arguments,
        config: &Config,
        directory: &Directory,
    ) -> anyhow::Result<Self> {
        let address = Address::read(&arguments.url)?;
        let method = Method::from_bytes(arguments.method.as_bytes())
            .context("`--method` is not a method: write GET, POST, …")?;
        let host = Host::parse(&address.host, 443).ok();
        let at = host.as_ref().and_then(|host| directory.app_at(host));
        let peer = arguments
            .proxy
            .unwrap_or_else(|| Endpoint::usual_proxy(arguments.endpoint, config));
        let proxy = config.server.trusted_proxy(peer);
        let endpoint = arguments
            .endpoint
            .unwrap_or_else(|| Endpoint::usual(config, at, proxy));
        let family = endpoint.family(proxy);
        let mut headers = told(&address, &method, endpoint, family)?;
        let mut given = Vec::new();
        read_headers("--header", &arguments.header, &mut given)?;
        if let Some(file) = &arguments.headers_from {
            let lines = lines_of(file)?;
            read_headers("--headers-from", &lines, &mut given)?;
        }
        give(given, &mut headers);
        let shared = at
            .filter(|_| endpoint != Endpoint::Forwarding)
            .map(|at| at.tenant)
            .filter(|tenant| {
                let cookie = host.as_ref().and_then(|host| tenant.parent_cookie_at(host));
                cookie.is_some()
            })
            .map(|tenant| &tenant.id);
        let mut cookies = vec![cookies::APP_SESSION.to_owned()];
        cookies.extend(shared.map(cookies::parent));
        if let Some(cookie) = &arguments.cookie {
            headers.append(header::COOKIE, cookie_header(cookie, &cookies)?);
        }
        if let Some(file) = &arguments.bearer_file {
            headers.insert(header::AUTHORIZATION, bearer(file)?);
        }
        if !headers.contains_key(header::ACCEPT) && !headers.contains_key("sec-fetch-mode") {
            headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
        }
        let shows_credential = at.is_some_and(|at| {
            let key = &at.tenant.api_key_header;
            let by_query = at.app.api_key_query && address.path_and_query.contains("api-key=");
            let shown = headers.contains_key(header::AUTHORIZATION) || headers.contains_key(key);
            at.app.accepts.beyond_session() && (shown || by_query)
        });
        Ok(Self {
            endpoint,
            endpoint_given: arguments.endpoint.is_some(),
            shown: format!("{}{}", address.origin, path_of(&address.path_and_query)),
            method,
            origin: address.origin,
            host_text: address.host,
            path_and_query: address.path_and_query,
            peer,
            trusted: proxy.is_some(),
            family,
            cookies,
            shown_cookie: ShownCookie::of(&headers, shared),
            shows_credential,
            headers,
        })
    }
}

/// Longest file with a token, in bytes.
const LONGEST_TOKEN: u64 = 64 * 1024;

/// The token in a file, or in standard input, as a request shows it.
fn bearer(file: &Path) -> anyhow::Result<HeaderValue> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin()
            .take(LONGEST_TOKEN)
            .read_to_string(&mut text)
    } else {
        File::open(file).and_then(|file| file.take(LONGEST_TOKEN).read_to_string(&mut text))
    };
    read.context("`--bearer-file` cannot be read")?;
    let value = HeaderValue::from_str(&format!("Bearer {}", text.trim()));
    let mut value = value.context("what `--bearer-file` holds is no token")?;
    value.set_sensitive(true);
    Ok(value)
}

/// What the proxy adds to the request to say what it is about.
fn told(
    address: &Address,
    method: &Method,
    endpoint: Endpoint,
    family: Option<TargetHeaders>,
) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, value: &str| -> anyhow::Result<()> {
        let value = HeaderValue::from_str(value)
            .context("`--url` has a character that no header can carry")?;
        headers.insert(name, value);
        Ok(())
    };
    put("host", &address.host)?;
    match family {
        Some(TargetHeaders::XOriginal) => {
            let whole = format!("{}{}", address.origin, address.path_and_query);
            put("x-original-url", &whole)?;
            put("x-original-method", method.as_str())?;
        }
        Some(TargetHeaders::XForwarded) => {
            put("x-forwarded-proto", &address.scheme)?;
            put("x-forwarded-host", &address.host)?;
            put("x-forwarded-uri", &address.path_and_query)?;
            put("x-forwarded-method", method.as_str())?;
        }
        // The start line has all the rest.
        None if endpoint == Endpoint::ExtAuthz => put("x-forwarded-proto", &address.scheme)?,
        None => {}
    }
    Ok(headers)
}

/// Queries hold tokens and codes.
pub(super) fn path_of(path_and_query: &str) -> &str {
    path_and_query.split('?').next().unwrap_or_default()
}

impl ShownCookie {
    /// `shared`: the tenant whose apps share a cookie at this host.
    fn of(headers: &HeaderMap, shared: Option<&TenantId>) -> Self {
        let own = cookies::app_session::<AppSessionKind>(headers);
        let parents = |tenant| cookies::parent_session::<ParentSessionKind>(headers, tenant);
        if own.is_some() || shared.and_then(parents).is_some() {
            Self::Ours
        } else if headers.contains_key(header::COOKIE) {
            Self::Others
        } else {
            Self::None
        }
    }
}

/// An address in its parts, the path as it was written: a path with two meanings is a thing to explain.
struct Address {
    scheme: String,
    /// As `Host` has it.
    host: String,
    origin: String,
    path_and_query: String,
}

impl Address {
    fn read(text: &str) -> anyhow::Result<Self> {
        const HELP: &str = "`--url` is not an address such as https://wiki.example.com/page";
        let url = Url::parse(text).context(HELP)?;
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() {
            bail!(HELP);
        }
        let (_, rest) = text.split_once("://").context(HELP)?;
        let path = rest
            .find(['/', '?', '#', '\\'])
            .map_or("", |at| rest.get(at..).unwrap_or(""));
        // Browsers take it for the first slash of the path, and this text would name another path.
        if path.starts_with('\\') {
            bail!(HELP);
        }
        let path = path.split('#').next().unwrap_or_default();
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => bail!(HELP),
        };
        Ok(Self {
            origin: format!("{}://{host}", url.scheme()),
            scheme: url.scheme().to_owned(),
            host,
            path_and_query: if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("/{path}")
            },
        })
    }
}

/// Lines of a file, or of standard input, that are not empty. Wiped when they are not needed any more.
fn lines_of(file: &Path) -> anyhow::Result<Zeroizing<Vec<String>>> {
    let mut text = Zeroizing::new(String::new());
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(MOST).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(MOST).read_to_string(&mut text))
    };
    read.with_context(|| format!("{} cannot be read", file.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(Zeroizing::new(lines.map(ToOwned::to_owned).collect()))
}

/// Most that is read of a file with headers, in bytes.
const MOST: u64 = 64 * 1024;

fn read_headers(
    option: &str,
    lines: &[String],
    read: &mut Vec<(HeaderName, HeaderValue)>,
) -> anyhow::Result<()> {
    for (number, line) in lines.iter().enumerate() {
        let help = format!(
            "`{option}` number {} does not read as `Name: value`",
            number + 1
        );
        let (name, value) = line.split_once(':').context(help.clone())?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).context(help.clone())?;
        let value = HeaderValue::from_str(value.trim()).context(help)?;
        read.push((name, value));
    }
    Ok(())
}

/// A header that is given takes the place of one that the proxy would have set.
fn give(given: Vec<(HeaderName, HeaderValue)>, headers: &mut HeaderMap) {
    for (name, _) in &given {
        headers.remove(name);
    }
    for (name, value) in given {
        headers.append(name, value);
    }
}

/// A whole header, or the bare value of a cookie that counts there. It is the value of one of `names`; handles
/// are told from each other by their kind, so that it counts as no other one.
fn cookie_header(given: &str, names: &[String]) -> anyhow::Result<HeaderValue> {
    let given = given.trim();
    let given = given
        .strip_prefix("Cookie:")
        .or_else(|| given.strip_prefix("cookie:"))
        .unwrap_or(given)
        .trim();
    let header = if given.contains('=') {
        given.to_owned()
    } else {
        let pairs: Vec<_> = names.iter().map(|name| format!("{name}={given}")).collect();
        pairs.join("; ")
    };
    HeaderValue::from_str(&header).context("`--cookie` has a character that no header can carry")
}
