//! What a provider speaks, and where: OpenID Connect with discovery, or OAuth 2.

use std::time::Duration;

use super::layers::{Layers, Names};
use super::template::Template;
use crate::config::reader::Item;
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
        sign_in_page: Option<SignInPage>,
    },
    OAuth2 {
        authorization_endpoint: Template,
        token_endpoint: Template,
        response_issuer: Option<Template>,
    },
}

/// The operator's own page, which posts ID tokens.
#[derive(Clone, Debug)]
pub(super) struct SignInPage {
    pub(super) address: Template,
    pub(super) keys: Template,
    pub(super) authenticated_within: Duration,
}

fn sign_in_page(item: &Item<'_>, layers: &Layers<'_, '_>, names: &Names<'_>) -> Option<SignInPage> {
    let section = item.free_section("[sign_in_page]")?;
    let place = |key, help| {
        let item = section.require(key, help);
        item.and_then(|item| names.template(&item))
    };
    let address = place("address", "add address = \"…\": where people sign in");
    let keys = place(
        "keys",
        "add keys = \"…\": where the keys are that sign the ID tokens",
    );
    let within = section
        .require(
            "authenticated_within",
            "add authenticated_within = \"1h\": how long ago people may have signed in",
        )
        .and_then(|item| item.duration(Duration::from_mins(5), Duration::from_hours(24)));
    let posts = layers.get("response_mode").and_then(|item| item.as_text());
    if posts != Some("form_post") {
        section.fault_with_help(
            "this page has its answer posted",
            "add response_mode = \"form_post\"",
        );
    }
    section.finish();
    Some(SignInPage {
        address: address?,
        keys: keys?,
        authenticated_within: within?,
    })
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
        let sign_in_page = layers.get("sign_in_page").map_or(Some(None), |item| {
            self::sign_in_page(&item, layers, names).map(Some)
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
            sign_in_page: sign_in_page?,
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
