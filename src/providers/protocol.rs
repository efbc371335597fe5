//! What a provider speaks, and where: OpenID Connect with discovery, or OAuth 2.

use std::time::Duration;

use super::layers::{Layers, Names};
use super::template::Template;
use crate::domain::upstream_provider::{KeyIssuer, Userinfo};

#[derive(Clone, Debug)]
pub(super) enum Protocol {
    OpenIdConnect {
        issuer: Template,
        further_issuers: Vec<Template>,
        tenant_claim: Option<Template>,
        key_issuer: KeyIssuer,
        key_cool_down: Duration,
        discovery: Option<Template>,
        discovery_query: Vec<(Box<str>, Template)>,
        names_itself_in_any_spelling: bool,
        userinfo: Userinfo,
    },
    OAuth2 {
        authorization_endpoint: Template,
        token_endpoint: Template,
        response_issuer: Option<Template>,
    },
}

/// How long a provider's keys are not asked for again, where it asks for nothing longer.
const KEY_COOL_DOWN: Duration = Duration::from_secs(30);

pub(super) fn read(layers: &Layers<'_, '_>, names: &Names<'_>) -> Option<Protocol> {
    let oidc = layers
        .require("protocol")?
        .choice(&[("oidc", true), ("oauth2", false)])?;
    let required = |key| layers.require(key).and_then(|item| names.template(&item));
    if oidc {
        let issuer = required("issuer");
        let further_issuers = layers
            .get("further_issuers")
            .map_or(Some(Vec::new()), |item| {
                item.list(|item| names.template(item))
            });
        let tenant_claim = names.optional(layers.get("tenant_claim"));
        let key_issuer = layers
            .get("key_issuer")
            .map_or(Some(KeyIssuer::default()), |item| {
                item.choice(&[
                    ("ignored", KeyIssuer::Ignored),
                    ("checked", KeyIssuer::Checked),
                    ("required", KeyIssuer::Required),
                ])
            });
        let key_cool_down = layers
            .get("key_cool_down")
            .map_or(Some(KEY_COOL_DOWN), |item| {
                item.duration(KEY_COOL_DOWN, Duration::from_hours(1))
            });
        let discovery = names.optional(layers.get("discovery"));
        let query = layers.entries("discovery_query");
        let query = query
            .iter()
            .map(|item| Some((item.name.into(), names.template(item)?)));
        let discovery_query: Option<Vec<_>> = query.collect();
        let metadata_issuer = layers.get("metadata_issuer").map_or(Some(false), |item| {
            item.choice(&[("issuer", false), ("any_spelling", true)])
        });
        let userinfo = layers
            .get("userinfo")
            .map_or(Some(Userinfo::default()), |item| {
                item.choice(&[
                    ("when_missing", Userinfo::WhenMissing),
                    ("always", Userinfo::Always),
                    ("never", Userinfo::Never),
                ])
            });
        return Some(Protocol::OpenIdConnect {
            issuer: issuer?,
            further_issuers: further_issuers?,
            tenant_claim,
            key_issuer: key_issuer?,
            key_cool_down: key_cool_down?,
            discovery,
            discovery_query: discovery_query?,
            names_itself_in_any_spelling: metadata_issuer?,
            userinfo: userinfo?,
        });
    }
    let authorization_endpoint = required("authorization_endpoint");
    let token_endpoint = required("token_endpoint");
    let response_issuer = names.optional(layers.get("response_issuer"));
    Some(Protocol::OAuth2 {
        authorization_endpoint: authorization_endpoint?,
        token_endpoint: token_endpoint?,
        response_issuer,
    })
}
