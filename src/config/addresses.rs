//! Addresses that an operator writes: https, or plain http where development permits it.
//!
//! Invariant: an address that is accepted is what a browser makes of it; what the URL Standard would mend
//! silently (white space, `\`) is refused.

use std::net::SocketAddr;

use url::Url;

use super::diagnostics::{Fault, quoted};
use super::reader::Item;
use crate::domain::host::Host;

/// Why an address cannot be used, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddressFault {
    pub(crate) message: String,
    pub(crate) help: String,
}

/// Checks an absolute address. Plain http is accepted with `development`, on loopback and `*.localhost`.
pub(crate) fn checked_url(text: &str, development: bool) -> Result<Url, AddressFault> {
    let fault = |message: String, help: &str| {
        Err(AddressFault {
            message,
            help: help.into(),
        })
    };
    let whole = "write it whole, as https://login.example.com";
    if text.contains('\\') || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return fault(
            format!(
                "{} has characters that do not belong in an address",
                quoted(text)
            ),
            whole,
        );
    }
    let Ok(url) = Url::parse(text) else {
        return fault(
            format!("{} is not an absolute address", quoted(text)),
            whole,
        );
    };
    // In a path it means nothing.
    let authority = text.split(['?', '#']).next().map(|head| {
        let rest = head.split_once("://").map(|(_, rest)| rest);
        rest.map_or(head, |rest| rest.split('/').next().unwrap_or_default())
    });
    let names_a_user = !url.username().is_empty() || url.password().is_some();
    if names_a_user || authority.is_some_and(|text| text.contains('@')) {
        // A password could stand there: the text is not repeated.
        return fault(
            "an address with `@` in it is not accepted".into(),
            "leave out user name and password",
        );
    }
    let host = match Host::of(&url) {
        Some(host) if matches!(url.scheme(), "https" | "http") => host,
        _ => return fault(format!("{} is not an https address", quoted(text)), whole),
    };
    if url.fragment().is_some() {
        return fault(
            format!("{} has a fragment", quoted(text)),
            "leave out `#` and what follows",
        );
    }
    match (url.scheme(), host.is_loopback(), development) {
        ("http", true, false) => fault(
            format!("{} is plain http", quoted(text)),
            "use https, or set development = true in [server], which permits plain http on loopback and *.localhost",
        ),
        ("http", false, _) => fault(
            format!("{} is plain http", quoted(text)),
            "use https: plain http is for development on loopback and *.localhost only",
        ),
        _ => Ok(url),
    }
}

/// Reads an address.
pub(super) fn url(item: &Item<'_>, development: bool) -> Option<Url> {
    checked_url(item.text()?, development)
        .map_err(|fault| item.fault_with_help(fault.message, fault.help))
        .ok()
}

/// Reads an address without query; its path without a final slash.
pub(super) fn plain_url(item: &Item<'_>, development: bool) -> Option<(Url, Box<str>)> {
    let url = url(item, development)?;
    if url.query().is_some() {
        item.fault_with_help(
            format!("{} has a query", item.shown()),
            "leave out `?` and what follows",
        );
        return None;
    }
    let path = url.path().trim_end_matches('/').into();
    Some((url, path))
}

/// Says that `development` is on where people sign in from elsewhere.
pub(super) fn warn_of_development(item: &Item<'_>, url: &Url, development: bool) {
    let elsewhere = Host::of(url).filter(|host| development && !host.is_loopback());
    if let Some(host) = elsewhere {
        let warning = format!("`development` is on, and {host} is not on this machine");
        item.report(
            Fault::at(item.position(), warning)
                .with_help("development = true is for loopback and *.localhost")
                .as_warning(),
        );
    }
}

/// Reads where to listen.
pub(super) fn listen(item: &Item<'_>) -> Option<SocketAddr> {
    let address = item.text()?.parse().ok();
    if address.is_none() {
        item.fault_with_help(
            format!("{} is not an address to listen on", item.shown()),
            "write an IP address and a port: \"127.0.0.1:4180\", \"[::1]:4180\", \"0.0.0.0:4180\"",
        );
    }
    address
}

/// Only scheme, host and port of `url`.
pub(super) fn origin(url: &Url) -> Url {
    let mut origin = url.clone();
    origin.set_path("/");
    origin.set_query(None);
    origin.set_fragment(None);
    origin
}
