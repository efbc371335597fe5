//! What a store does for revoked tokens.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::StorageError;
use crate::domain::ids::TenantId;
use crate::domain::revocation::Revocation;

/// A revocation as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRevocation {
    /// Whose it is.
    pub tenant: TenantId,
    /// What is revoked.
    pub what: Revocation,
    /// From then on nothing that is meant can be good, and the row goes.
    pub needed_until: OffsetDateTime,
}

/// Revoked tokens of trusted issuers.
#[async_trait]
pub trait TokenRevocations: Send + Sync {
    /// Revokes, durably.
    async fn revoke_tokens(&self, revocation: &StoredRevocation) -> Result<(), StorageError>;

    /// What was revoked after `sequence`, at most a thousand, and the sequence of the last of them. Ask again until
    /// there is nothing more.
    async fn token_revocations_since(
        &self,
        sequence: i64,
    ) -> Result<(i64, Vec<StoredRevocation>), StorageError>;
}
