//! What a store does with API keys.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::StorageError;
use crate::domain::api_key::{ApiKeyGrant, KnownApiKey};
use crate::domain::handle::{ApiKeyKind, Digest};
use crate::domain::ids::{ApiKeyId, TenantId};

/// A key to be kept.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name, new.
    pub id: ApiKeyId,
    /// What it will be looked up by.
    pub digest: Digest<ApiKeyKind>,
    /// What it is good for.
    pub grant: ApiKeyGrant,
    /// Now.
    pub created_at: OffsetDateTime,
    /// From when on it is not good; none: never.
    pub expires_at: Option<OffsetDateTime>,
}

/// Why a key was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyNotMade {
    /// A key that was not revoked has this name.
    #[error("there is a key of this name already")]
    NameTaken,
    /// The owner is no user of the tenant.
    #[error("there is no such user in this tenant")]
    NoSuchOwner,
}

/// What is changed about a key.
#[derive(Clone, Copy, Debug)]
pub enum KeyChange {
    /// It is good until then; none: for ever. A key that was revoked stays so.
    Renew(Option<OffsetDateTime>),
    /// It is not good any more.
    Revoke,
}

/// Something that was done to a key, by whatever process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChanged {
    /// Whose it is.
    pub tenant: TenantId,
    /// The key.
    pub id: ApiKeyId,
    /// What operators call it.
    pub name: Box<str>,
    /// What was done: `created`, `renewed` or `revoked`.
    pub what: Box<str>,
}

/// How often a key was let in since it was last written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUses {
    /// Whose it is.
    pub tenant: TenantId,
    /// The key.
    pub id: ApiKeyId,
    /// How often more.
    pub times: u64,
    /// The last time.
    pub last: OffsetDateTime,
}

/// API keys.
#[async_trait]
pub trait ApiKeys: Send + Sync {
    /// What was done to keys after the change with this number, the oldest first, and the number of the newest.
    async fn api_key_changes(&self, after: i64) -> Result<(i64, Vec<KeyChanged>), StorageError>;

    /// The number of the newest change; 0: there was none.
    async fn newest_api_key_change(&self) -> Result<i64, StorageError>;

    /// Keeps a key, durably.
    async fn make_api_key(&self, key: &NewApiKey) -> Result<Result<(), KeyNotMade>, StorageError>;

    /// The key with this digest, however it stands, if it is the tenant's.
    async fn find_api_key(
        &self,
        tenant: &TenantId,
        digest: Digest<ApiKeyKind>,
    ) -> Result<Option<KnownApiKey>, StorageError>;

    /// All keys of a tenant, the oldest first, revoked ones too.
    async fn api_keys_of(&self, tenant: &TenantId) -> Result<Vec<KnownApiKey>, StorageError>;

    /// Changes a key that was not revoked, durably. Whether there was one.
    async fn change_api_key(
        &self,
        tenant: &TenantId,
        id: ApiKeyId,
        change: KeyChange,
        now: OffsetDateTime,
    ) -> Result<bool, StorageError>;

    /// Adds uses, all of them or none. Not waited for to be on disk.
    async fn count_key_uses(&self, uses: &[KeyUses]) -> Result<(), StorageError>;
}
