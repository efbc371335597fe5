//! What a preset says of client authentication: the methods that its provider knows, and what it wants of assertions.

use super::layers::{Layers, Names};
use super::template::Template;
use crate::config::reader::Item;
use crate::config::{AudienceKind, AuthenticationMethod as Method};
use crate::jose::SignatureAlgorithm;

/// What a preset says of assertions: `[assertions]`.
#[derive(Clone, Debug)]
pub(super) struct Assertions {
    /// In the order of preference; the first that fits the key is used.
    pub(super) algorithms: Vec<SignatureAlgorithm>,
    /// `iss`, where it is not our name at the provider.
    pub(super) issuer: Option<Template>,
    pub(super) audience: AudienceKind,
    /// What the header must name the key by.
    pub(super) key: KeyName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyName {
    /// Whatever the operator gives.
    Either,
    /// `kid`.
    KeyId,
    /// `x5t#S256`.
    Certificate,
}

/// Where a preset does not say: RS256 first, which everybody verifies (OIDC Core 1.0 §15.1).
const ALGORITHMS: [SignatureAlgorithm; 5] = [
    SignatureAlgorithm::Rs256,
    SignatureAlgorithm::Ps256,
    SignatureAlgorithm::Es256,
    SignatureAlgorithm::Es384,
    SignatureAlgorithm::EdDsa,
];

/// The ways that the provider knows, of which the first is used unless the operator says otherwise.
pub(super) fn methods(layers: &Layers<'_, '_>) -> Option<Vec<Method>> {
    let [basic, post, private, shared, generated] = Method::WORDS;
    let words = [
        ("discovered", Method::Discovered),
        basic,
        post,
        private,
        shared,
        generated,
    ];
    let Some(item) = layers.get("client_authentication") else {
        return Some(vec![Method::Discovered, Method::Basic, Method::Post]);
    };
    if item.as_items().is_some() {
        return item.list(|item| item.choice(&words));
    }
    item.choice(&words).map(|only| vec![only])
}

/// Reads `[assertions]`.
pub(super) fn assertions(layers: &Layers<'_, '_>, names: &Names<'_>) -> Option<Assertions> {
    let Some(item) = layers.get("assertions") else {
        return Some(Assertions {
            algorithms: ALGORITHMS.into(),
            issuer: None,
            audience: AudienceKind::TokenEndpoint,
            key: KeyName::Either,
        });
    };
    let section = item.free_section("[assertions]")?;
    let algorithms = section
        .get("algorithms")
        .map_or(Some(ALGORITHMS.into()), |item| item.list(Item::parsed));
    let issuer = names.optional(section.get("issuer"));
    let audience = section
        .get("audience")
        .map_or(Some(AudienceKind::TokenEndpoint), |item| {
            item.choice(&AudienceKind::WORDS)
        });
    let key = section
        .get("key_named_by")
        .map_or(Some(KeyName::Either), |item| {
            item.choice(&[
                ("key_id", KeyName::KeyId),
                ("certificate", KeyName::Certificate),
            ])
        });
    section.finish();
    Some(Assertions {
        algorithms: algorithms?,
        issuer,
        audience: audience?,
        key: key?,
    })
}
