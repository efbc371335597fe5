//! How the keys of trusted issuers stand, for operators. Nothing is asked for.

use std::time::Duration;

use super::Credentials;
use crate::domain::ids::{TenantId, TrustedIssuerId};
use crate::providers::issuers::{IssuerRules, KeySource, Outside};
use crate::tenants::Directory;

/// The keys of one trusted issuer that publishes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerKeys {
    /// Who trusts it.
    pub tenant: TenantId,
    /// Which one.
    pub issuer: TrustedIssuerId,
    /// How long ago the last good set was fetched; none: never yet.
    pub age: Option<Duration>,
    /// For how long no fetch has gone well, of the keys or of the metadata that name them.
    pub failing: Option<Duration>,
}

impl Credentials {
    /// How the keys of each trusted issuer of `directory` stand, in the order of the configuration. Whose keys are
    /// written there, or whose tokens only it can read, has none to fetch.
    #[must_use]
    pub fn issuer_keys(&self, directory: &Directory) -> Vec<IssuerKeys> {
        let mut all = Vec::new();
        for tenant in directory.tenants() {
            let tokens = directory.tokens_of(&tenant.id);
            for rules in tokens.into_iter().flat_map(|tokens| &tokens.issuers) {
                let Some((age, failing)) = standing(self.bearer.outside(), rules) else {
                    continue;
                };
                all.push(IssuerKeys {
                    tenant: tenant.id.clone(),
                    issuer: rules.id.clone(),
                    age,
                    failing,
                });
            }
        }
        all
    }
}

/// Age, and for how long it has failed; none: nothing is fetched.
fn standing(
    outside: &Outside,
    rules: &IssuerRules,
) -> Option<(Option<Duration>, Option<Duration>)> {
    if rules.keys == KeySource::Held {
        return None;
    }
    let unknown = Some((None, None));
    let Ok(client) = outside.client(rules) else {
        return unknown;
    };
    let (address, failing) = match &rules.keys {
        KeySource::Held => return None,
        KeySource::Published { address, .. } => (Some(address.clone()), None),
        KeySource::Discovered { metadata, .. } => {
            let Some(standing) = outside.metadata.standing(metadata, &client) else {
                return unknown;
            };
            let named = standing.document.and_then(|it| it.jwks_uri.clone());
            (named, standing.failing)
        }
    };
    let keys = address.and_then(|address| outside.key_sets.standing(&address, &client));
    let age = keys.as_ref().and_then(|keys| keys.age);
    let of_keys = keys.and_then(|keys| keys.failing);
    Some((age, failing.max(of_keys)))
}
