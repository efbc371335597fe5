//! Whoever sent a good token.

use std::sync::Arc;

use super::scopes::{RequiredScopes, ScopeClaims};
use crate::jose::VerifiedToken;

/// A verified token, and what its issuer's rules say of it. Nothing else makes one than
/// [`TrustedIssuers`](super::TrustedIssuers).
///
/// ```
/// # use doorward::api::{Caller, RequiredScopes};
/// fn may_read(caller: &Caller) -> bool {
///     // Issuer and subject together name a person; the subject alone does not.
///     tracing::info!(issuer = caller.issuer(), subject = caller.subject(), "reads");
///     caller.has(&RequiredScopes::all(["orders:read"]))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Caller {
    token: Arc<VerifiedToken>,
    scope_claims: Arc<ScopeClaims>,
}

impl Caller {
    pub(super) const fn new(token: Arc<VerifiedToken>, scope_claims: Arc<ScopeClaims>) -> Self {
        Self {
            token,
            scope_claims,
        }
    }

    /// All that was signed.
    #[must_use]
    pub fn token(&self) -> &VerifiedToken {
        &self.token
    }

    /// `iss` (RFC 7519 §4.1.1); attestations may have none.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.token.issuer()
    }

    /// `sub` (RFC 7519 §4.1.2). Unique together with the issuer only.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.token.subject()
    }

    /// What the token allows, from the claims that its issuer writes it into.
    #[must_use]
    pub fn scopes(&self) -> Vec<&str> {
        self.scope_claims.granted(self.token.claims())
    }

    /// Whether it allows what is `required`.
    #[must_use]
    pub fn has(&self, required: &RequiredScopes) -> bool {
        required.are_in(&self.scopes())
    }
}
