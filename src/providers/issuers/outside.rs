//! What of trusted issuers has to be fetched: their metadata, their keys.
//!
//! Invariant: an issuer that cannot be reached is known to be that, and its tokens are neither let in nor called
//! bad.

use std::borrow::Cow;
use std::sync::Arc;

use super::rules::{IssuerRules, KeySource};
use crate::jose::{IssuerMetadata, KeySets, TrustedIssuer};
use crate::outbound::{DocumentCache, HttpClient, HttpClients};

/// The way to issuers.
#[derive(Clone, Debug)]
pub struct Outside {
    /// Makes requests.
    pub http: HttpClients,
    /// Key sets, which logins use too.
    pub key_sets: Arc<KeySets>,
    /// Metadata of issuers.
    pub metadata: Arc<DocumentCache<IssuerMetadata>>,
}

/// Why an issuer cannot be used now, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub Box<str>);

impl Outside {
    /// The rules with their keys, or the address of those.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn rules<'r>(
        &self,
        rules: &'r IssuerRules,
    ) -> Result<Cow<'r, TrustedIssuer>, Unavailable> {
        if rules.keys == KeySource::Held {
            return Ok(Cow::Borrowed(&rules.rules));
        }
        let client = self.client(rules)?;
        let (address, algorithm, cool_down) = match &rules.keys {
            KeySource::Held => return Ok(Cow::Borrowed(&rules.rules)),
            KeySource::Published {
                algorithm,
                address,
                cool_down,
            } => (address.clone(), *algorithm, *cool_down),
            KeySource::Discovered {
                algorithm,
                cool_down,
                ..
            } => {
                let metadata = self.metadata_of(rules, &client).await?;
                let address = metadata.jwks_uri.clone().ok_or_else(|| {
                    Unavailable("its metadata does not say where its keys are".into())
                })?;
                (address, *algorithm, *cool_down)
            }
        };
        let keyed = rules.with_keys_at(address, algorithm, cool_down, client);
        Ok(Cow::Owned(keyed))
    }

    /// The metadata, if it is the issuer's own: compared byte for byte (OIDC Discovery 1.0 §4.3).
    async fn metadata_of(
        &self,
        rules: &IssuerRules,
        client: &HttpClient,
    ) -> Result<Arc<IssuerMetadata>, Unavailable> {
        let KeySource::Discovered {
            metadata, names, ..
        } = &rules.keys
        else {
            return Err(Unavailable("its metadata is not asked for".into()));
        };
        let found = self.metadata.get(metadata, client).await;
        let found = found.map_err(|fault| Unavailable(fault.to_string().into()))?;
        if names.iter().any(|name| **name == *found.issuer) {
            return Ok(found);
        }
        let called: String = found.issuer.chars().take(200).collect();
        Err(Unavailable(
            format!(
                "its metadata is of issuer `{}`: say so, or where its keys are (`jwks_uri`)",
                called.escape_debug()
            )
            .into(),
        ))
    }

    /// What makes requests to the issuer.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn client(&self, rules: &IssuerRules) -> Result<HttpClient, Unavailable> {
        let client = self.http.for_reach(&rules.reach);
        client.map_err(|fault| Unavailable(fault.to_string().into()))
    }
}
