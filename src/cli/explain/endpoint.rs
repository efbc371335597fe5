//! The ways in which the check is asked, by the names that users know.

use std::net::IpAddr;

use clap::ValueEnum;

use crate::config::{Config, TargetHeaders, TrustedProxy};
use crate::tenants::AppAt;
use crate::web::authz;

/// How the check is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Endpoint {
    #[value(help = "/oauth2/auth: nginx; Traefik or Caddy as users of oauth2-proxy have them")]
    Auth,
    #[value(help = "/api/authz/forward-auth: Traefik, Caddy, HAProxy, Apache")]
    ForwardAuth,
    #[value(help = "/api/authz/auth-request: nginx as users of Authelia have it")]
    AuthRequest,
    #[value(help = "/api/authz/ext-authz/, or over gRPC: Envoy")]
    ExtAuthz,
    #[value(help = "no proxy asks: Doorward itself forwards to the app, which has an `upstream`")]
    Forwarding,
}

impl Endpoint {
    /// As whoever stands before this app asks, as far as the configuration tells. `proxy` is the one that asks.
    pub(super) fn usual(
        config: &Config,
        at: Option<AppAt<'_>>,
        proxy: Option<&TrustedProxy>,
    ) -> Self {
        if config.server.forward_to_apps && at.is_some_and(|at| at.app.upstream.is_some()) {
            return Self::Forwarding;
        }
        match proxy {
            // Only `/oauth2/auth` has to be told which headers count, and only there does anybody ask who is not
            // trusted.
            Some(proxy) if proxy.target_headers.is_none() => Self::ForwardAuth,
            _ => Self::Auth,
        }
    }

    /// The one of Authelia's dialect, as the server knows it.
    pub(super) const fn authelias(self) -> Option<authz::Endpoint> {
        match self {
            Self::ForwardAuth => Some(authz::Endpoint::ForwardAuth),
            Self::AuthRequest => Some(authz::Endpoint::AuthRequest),
            Self::ExtAuthz => Some(authz::Endpoint::ExtAuthz),
            Self::Auth | Self::Forwarding => None,
        }
    }

    /// The headers in which it is told what is asked for.
    pub(super) fn family(self, proxy: Option<&TrustedProxy>) -> Option<TargetHeaders> {
        match self {
            Self::Auth => proxy.and_then(|proxy| proxy.target_headers),
            Self::ForwardAuth => Some(TargetHeaders::XForwarded),
            Self::AuthRequest => Some(TargetHeaders::XOriginal),
            Self::ExtAuthz | Self::Forwarding => None,
        }
    }

    /// The trusted proxy that most likely asks here; where there is none, somebody who is not believed.
    pub(super) fn usual_proxy(chosen: Option<Self>, config: &Config) -> IpAddr {
        let proxies = &config.server.trusted_proxies;
        let in_authelias_way = chosen.is_some_and(|chosen| chosen.authelias().is_some());
        proxies
            .iter()
            .find(|proxy| proxy.target_headers.is_none() == in_authelias_way)
            .or_else(|| proxies.first())
            .and_then(|proxy| proxy.networks.first())
            .map_or(IpAddr::from([127, 0, 0, 1]), ipnet::IpNet::addr)
    }

    /// As it is written on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::ForwardAuth => "forward-auth",
            Self::AuthRequest => "auth-request",
            Self::ExtAuthz => "ext-authz",
            Self::Forwarding => "forwarding",
        }
    }

    /// Its address; none: it is not one.
    pub(super) fn path(self, prefix: &str) -> Option<String> {
        match self {
            Self::Auth => Some(format!("{prefix}/auth")),
            Self::ForwardAuth | Self::AuthRequest => {
                Some(format!("{}{}", authz::PREFIX, self.name()))
            }
            Self::ExtAuthz => Some(format!("{}{}/", authz::PREFIX, self.name())),
            Self::Forwarding => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What users write, what JSON says and what is asked are one and the same.
    #[test]
    fn each_endpoint_is_asked_under_its_name() {
        for endpoint in Endpoint::value_variants() {
            let value = endpoint.to_possible_value().expect("a value");
            assert_eq!(value.get_name(), endpoint.name());
            let path = endpoint.path("/oauth2").unwrap_or_default();
            let served = authz::Endpoint::at(&path).map(|(served, _)| served);
            assert_eq!(served, endpoint.authelias(), "{path}");
        }
        assert_eq!(Endpoint::Auth.path("/door").as_deref(), Some("/door/auth"));
        assert_eq!(Endpoint::Forwarding.path("/oauth2"), None);
    }
}
