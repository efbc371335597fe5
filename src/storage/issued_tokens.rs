//! What a store does for the tokens that we issue.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::StorageError;
use crate::domain::handle::{ClientAssertionKind, Digest};
use crate::domain::ids::TenantId;

/// A token of ours that is not to be taken any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedToken {
    /// Who issued it.
    pub tenant: TenantId,
    /// Its `iss`.
    pub issuer: Box<str>,
    /// Its `jti`.
    pub id: Box<str>,
    /// Its `exp`.
    pub valid_until: OffsetDateTime,
}

/// What has to be remembered about tokens that we issue. The tokens themselves are not.
#[async_trait]
pub trait IssuedTokens: Send + Sync {
    /// Uses up an assertion that a machine has authenticated with, until `valid_until`. Whether this was the first
    /// time (RFC 7523 §3, point 7).
    async fn use_assertion(
        &self,
        tenant: &TenantId,
        assertion: Digest<ClientAssertionKind>,
        valid_until: OffsetDateTime,
    ) -> Result<bool, StorageError>;

    /// Remembers that a token is revoked, durably. Once more changes nothing.
    async fn revoke_token(&self, revoked: &RevokedToken) -> Result<(), StorageError>;

    /// What was revoked after `sequence`, and the new sequence, a thousand at most. Processes poll this, beginning
    /// with 0. Kept until the tokens end by themselves.
    async fn revoked_since(&self, sequence: i64) -> Result<(i64, Vec<RevokedToken>), StorageError>;
}
