//! What the command line asks, as a proxy would put it.

use std::net::IpAddr;

use anyhow::{Context as _, bail};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::Url;

use super::Arguments;
use crate::config::{Config, TargetHeaders};
use crate::web::cookies;

/// A check request.
#[derive(Debug)]
pub(super) struct Question {
    /// Without what nobody needs to see: no query, no fragment.
    pub(super) shown: String,
    pub(super) method: Method,
    /// Scheme and host.
    pub(super) origin: String,
    pub(super) peer: IpAddr,
    /// Whether it is believed.
    pub(super) trusted: bool,
    /// The family in which this proxy tells what is asked for.
    pub(super) family: Option<TargetHeaders>,
    pub(super) headers: HeaderMap,
    /// Whether there is a cookie of ours that reads as one.
    pub(super) shows_session: bool,
    pub(super) has_cookie: bool,
}

impl Question {
    /// Faults never repeat what they are about: it may be secret.
    pub(super) fn read(arguments: &Arguments, config: &Config) -> anyhow::Result<Self> {
        let address = Address::read(&arguments.url)?;
        let method = Method::from_bytes(arguments.method.as_bytes())
            .context("`--method` is not a method: write GET, POST, …")?;
        let peer = arguments.proxy.unwrap_or_else(|| asking_proxy(config));
        let proxy = config.server.trusted_proxy(peer);
        let family = proxy.and_then(|proxy| proxy.target_headers);
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
            None => {}
        }
        given_headers(&arguments.header, &mut headers)?;
        if let Some(cookie) = &arguments.cookie {
            headers.append(header::COOKIE, cookie_header(cookie)?);
        }
        if !headers.contains_key(header::ACCEPT) && !headers.contains_key("sec-fetch-mode") {
            headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
        }
        Ok(Self {
            shown: format!(
                "{}{}",
                address.origin,
                address.path_and_query.split('?').next().unwrap_or_default()
            ),
            method,
            origin: address.origin,
            peer,
            trusted: proxy.is_some(),
            family,
            shows_session: cookies::app_session::<crate::domain::handle::AppSessionKind>(&headers)
                .is_some(),
            has_cookie: headers.contains_key(header::COOKIE),
            headers,
        })
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
            .find(['/', '?', '#'])
            .map_or("", |at| rest.get(at..).unwrap_or(""));
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

/// The first trusted proxy that tells what is asked for, else the first one, else somebody who is not believed.
fn asking_proxy(config: &Config) -> IpAddr {
    let proxies = &config.server.trusted_proxies;
    let telling = proxies.iter().find(|proxy| proxy.target_headers.is_some());
    telling
        .or_else(|| proxies.first())
        .and_then(|proxy| proxy.networks.first())
        .map_or(IpAddr::from([127, 0, 0, 1]), ipnet::IpNet::addr)
}

/// A header that is given takes the place of one that the proxy would have set.
fn given_headers(given: &[String], headers: &mut HeaderMap) -> anyhow::Result<()> {
    let mut read = Vec::new();
    for (number, line) in given.iter().enumerate() {
        let help = format!(
            "`--header` number {} does not read as `Name: value`",
            number + 1
        );
        let (name, value) = line.split_once(':').context(help.clone())?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).context(help.clone())?;
        let value = HeaderValue::from_str(value.trim()).context(help)?;
        read.push((name, value));
    }
    for (name, _) in &read {
        headers.remove(name);
    }
    for (name, value) in read {
        headers.append(name, value);
    }
    Ok(())
}

/// A whole header, or the bare value of the one cookie that the check reads.
fn cookie_header(given: &str) -> anyhow::Result<HeaderValue> {
    let given = given.trim();
    let given = given
        .strip_prefix("Cookie:")
        .or_else(|| given.strip_prefix("cookie:"))
        .unwrap_or(given)
        .trim();
    let header = if given.contains('=') {
        given.to_owned()
    } else {
        format!("{}={given}", cookies::APP_SESSION)
    };
    HeaderValue::from_str(&header).context("`--cookie` has a character that no header can carry")
}
