//! How proxies ask: where each tells what is asked for, and what only one of them is asked.

use std::net::IpAddr;

use http::HeaderMap;

use super::asked::Asked;
use super::target::{AmbiguousTarget, CheckTarget, WholeTarget, forwarded_scheme};
use super::verdict::Verdict;
use crate::config::Server;
use crate::domain::handle::{AppSessionKind, Handle, ParentSessionKind};
use crate::domain::host::Host;
use crate::domain::identity_header::HeaderSet;
use crate::domain::ids::TenantId;
use crate::tenants::AppAt;

/// What the proxy sent.
#[derive(Debug)]
pub struct CheckRequest<'a> {
    /// Its headers: the held-back request's, and the proxy's own.
    pub headers: &'a HeaderMap,
    /// How it asks.
    pub dialect: Dialect<'a>,
    /// Who asks.
    pub peer: IpAddr,
    /// The app session cookie, if there is exactly one.
    pub app_session: Option<Handle<AppSessionKind>>,
    /// Finds the cookie of a tenant that several of its app hosts share, if there is exactly one. Asked only where
    /// such a cookie counts.
    pub parent_session: fn(&HeaderMap, &TenantId) -> Option<Handle<ParentSessionKind>>,
}

/// How a proxy asks: where it tells what is asked for, and which headers it expects.
#[derive(Clone, Copy, Debug)]
pub enum Dialect<'a> {
    /// oauth2-proxy's: in the headers named in the peer's entry, if at all.
    OAuth2Proxy {
        /// The query of the check's own address: limits that oauth2-proxy knows (`allowed_groups`, …).
        limits: Option<&'a str>,
    },
    /// Authelia's: in one family of headers, or in the start line; whole.
    Authelia {
        /// Where.
        target: WholeTarget<'a>,
        /// Whether the person gets the answer as it is. Then there is nobody else to answer our own paths.
        relayed: bool,
    },
    /// Nobody asks: the request itself came to us, and is forwarded if it may pass. Its headers are what those
    /// expect who forward with oauth2-proxy.
    Forwarding,
}

impl Dialect<'_> {
    pub(super) const fn header_set(self) -> HeaderSet {
        match self {
            Self::OAuth2Proxy { .. } | Self::Forwarding => HeaderSet::OAuth2Proxy,
            Self::Authelia { .. } => HeaderSet::Authelia,
        }
    }
}

pub(super) fn read_target<'a>(
    request: &CheckRequest<'a>,
    server: &Server,
) -> Result<CheckTarget<'a>, AmbiguousTarget> {
    let proxy = server.trusted_proxy(request.peer);
    match request.dialect {
        Dialect::OAuth2Proxy { .. } | Dialect::Forwarding => {
            let family = proxy.and_then(|proxy| proxy.target_headers);
            CheckTarget::read(request.headers, family)
        }
        Dialect::Authelia { .. } if proxy.is_none() => Err(AmbiguousTarget::Untrusted),
        Dialect::Authelia { target, .. } => CheckTarget::read_whole(request.headers, target),
    }
}

/// What is asked before the rules when we forward: whether a proxy in front of us says that the request came
/// in the clear. What anybody else says of it counts nothing.
pub(super) fn before_forwarding(
    request: &CheckRequest<'_>,
    host: &Host,
    server: &Server,
) -> Option<Verdict> {
    server.trusted_proxy(request.peer)?;
    match forwarded_scheme(request.headers) {
        Ok(Some("http")) if !server.permits_plain_http(host) => {
            Some(Verdict::Ambiguous(AmbiguousTarget::PlainHttp))
        }
        Ok(_) => None,
        Err(ambiguous) => Some(Verdict::Ambiguous(ambiguous)),
    }
}

/// What only Authelia's dialect asks before the rules.
pub(super) fn before_rules(
    target: &CheckTarget<'_>,
    at: AppAt<'_>,
    host: &Host,
    relayed: bool,
    server: &Server,
) -> Option<Verdict> {
    if target.scheme == Some("http") && !server.permits_plain_http(host) {
        return Some(Verdict::Ambiguous(AmbiguousTarget::PlainHttp));
    }
    let path = target.path_and_query?.split('?').next()?;
    let below = path.strip_prefix(&*server.prefix)?;
    if !(below.is_empty() || below.starts_with('/')) {
        return None;
    }
    Some(if relayed {
        Verdict::OwnPath(Box::new(Asked::new(target, at, host)))
    } else {
        Verdict::Ambiguous(AmbiguousTarget::OwnPath)
    })
}
