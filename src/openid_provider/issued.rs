//! Tokens of ours that come back: introspection (RFC 7662) and revocation (RFC 7009).
//!
//! Invariant: a client learns about tokens that are for an audience of its own, and about no others, not even that
//! there are such; it revokes what it was given itself. Without news of the keys and of what was revoked nothing is
//! said at all.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::OpenIdProvider;
use super::client_authentication::AuthenticatedClient;
use super::refused::TokenRefused;
use crate::domain::ids::Issuer;
use crate::domain::tenant::Tenant;
use crate::jose::{JoseHeader, TrustedIssuer, UnverifiedToken, VerifiedToken};
use crate::signing::NotSigned;
use crate::storage::RevokedToken;

/// What is told of a token (RFC 7662 §2.2).
const TOLD: [&str; 8] = [
    "iss",
    "sub",
    "aud",
    "client_id",
    "scope",
    "iat",
    "exp",
    "jti",
];

impl OpenIdProvider {
    /// What is to be known of `token` by `client`, to whom it was sent.
    ///
    /// # Errors
    /// [`TokenRefused`], where it cannot be judged now. A token that is not good is no error.
    pub async fn introspect(
        &self,
        tenant: &Tenant,
        client: AuthenticatedClient<'_>,
        token: &str,
    ) -> Result<Value, TokenRefused> {
        let audiences: Vec<_> = client
            .client()
            .introspects
            .iter()
            .map(AsRef::as_ref)
            .collect();
        let Some(verified) = self.read_back(tenant, token, Some(&audiences)).await? else {
            // Nothing tells why (RFC 7662 §2.2).
            return Ok(json!({ "active": false }));
        };
        let claims = verified.claims();
        let told = TOLD.into_iter().filter_map(|name| {
            let value = claims.get(name)?.clone();
            Some((name.to_owned(), value))
        });
        let mut answer: Map<String, Value> = told.collect();
        answer.insert("active".to_owned(), true.into());
        answer.insert("token_type".to_owned(), "Bearer".into());
        Ok(answer.into())
    }

    /// Revokes `token`, everywhere and durably. Its `jti`; none: it was not good any more, or never.
    ///
    /// # Errors
    /// [`TokenRefused`], also where it was given to another client (RFC 7009 §2.1).
    pub async fn revoke(
        &self,
        tenant: &Tenant,
        client: AuthenticatedClient<'_>,
        token: &str,
    ) -> Result<Option<Box<str>>, TokenRefused> {
        let Some(verified) = self.read_back(tenant, token, None).await? else {
            return Ok(None);
        };
        let given_to = verified.claims().get("client_id").and_then(Value::as_str);
        if given_to != Some(client.client().id.as_str()) {
            return Err(TokenRefused::NotItsOwn);
        }
        let (Some(id), Some(valid_until)) = (verified.id(), verified.expires_at()) else {
            return Ok(None);
        };
        let revoked = RevokedToken {
            tenant: tenant.id.clone(),
            issuer: tenant.base.address("").into(),
            id: id.into(),
            valid_until,
        };
        self.signing.revoke(&revoked).await?;
        Ok(Some(revoked.id))
    }

    /// The token, if we have issued it, for one of `audiences` where they matter, and it still counts.
    pub(super) async fn read_back(
        &self,
        tenant: &Tenant,
        token: &str,
        audiences: Option<&[&str]>,
    ) -> Result<Option<VerifiedToken>, TokenRefused> {
        if !self.signing.has_news() {
            return Err(NotSigned::NoNews.into());
        }
        let Ok(header) = JoseHeader::peek(token) else {
            return Ok(None);
        };
        let keys = self.signing.trusted_keys(&tenant.id, header.algorithm())?;
        let (Some(keys), Ok(unverified)) = (keys, UnverifiedToken::read(token)) else {
            return Ok(None);
        };
        let issuer = Issuer::new(&tenant.base.address(""));
        let mut trusted =
            TrustedIssuer::of_access_tokens(issuer, keys, audiences.unwrap_or_default());
        if audiences.is_none() {
            trusted.audience = None;
        }
        // The clock is the one that it was issued by.
        trusted.times.skew = Duration::ZERO;
        let verified = self.verifier.verify(unverified, &trusted).await.ok();
        let revocations = self.signing.revocations();
        Ok(verified.filter(|token| !revocations.refuse(&tenant.id, token)))
    }
}
