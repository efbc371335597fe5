//! What a store does for our own signing keys.

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::Value;

use super::StorageError;
use super::sealing::Unsealable;
use crate::domain::ids::TenantId;
use crate::domain::signing_key::{KeyPlan, KeySchedule, SigningAlgorithm};

/// A key as it is stored.
#[derive(Debug)]
pub struct StoredSigningKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// Name and times.
    pub schedule: KeySchedule,
    /// The public half, a JWK.
    pub public: Value,
    /// The private half; not there while its sealing key is not.
    pub private: Result<SecretString, Unsealable>,
}

/// A key to be stored.
#[derive(Debug)]
pub struct NewSigningKey {
    /// Its thumbprint.
    pub kid: Box<str>,
    /// With what it signs.
    pub algorithm: SigningAlgorithm,
    /// The public half, a JWK.
    pub public: Value,
    /// The private half; sealed.
    pub private: SecretString,
}

/// Decides from a tenant's keys what has to change.
pub type PlanKeys<'a> = &'a (dyn Fn(&[KeySchedule]) -> Option<KeyPlan> + Send + Sync);

/// Our own signing keys.
#[async_trait]
pub trait SigningKeys: Send + Sync {
    /// A number that is another one after each change. Processes poll this.
    async fn signing_key_change(&self) -> Result<i64, StorageError>;

    /// The keys of all tenants.
    async fn signing_keys(&self) -> Result<Vec<StoredSigningKey>, StorageError>;

    /// Does what `plan` says of the keys that there are, in one durable step: of several processes that want a
    /// key, one makes it. `new` is put where the plan wants one; without it such a plan is not done. What was
    /// done; none: nothing.
    async fn turn_signing_keys(
        &self,
        tenant: &TenantId,
        plan: PlanKeys<'_>,
        new: Option<&NewSigningKey>,
        now: time::OffsetDateTime,
    ) -> Result<Option<KeyPlan>, StorageError>;
}
