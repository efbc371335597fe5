//! What this process knows of all keys: one snapshot, replaced whole.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;

use super::NotSigned;
use crate::domain::ids::TenantId;
use crate::domain::signing_key::{KeySchedule, signer};
use crate::jose::Signer;
use crate::storage::StoredSigningKey;

/// The keys of all tenants.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The store's number when they were read.
    change: Option<i64>,
    tenants: HashMap<TenantId, TenantKeys>,
}

/// The keys of one tenant, oldest first; the three lists go together.
#[derive(Debug, Default)]
pub(super) struct TenantKeys {
    schedules: Vec<KeySchedule>,
    public: Vec<Value>,
    /// None: it does not open, or is damaged.
    signers: Vec<Option<Arc<Signer>>>,
}

impl Known {
    /// From what is stored. What was parsed `before` is not parsed again.
    pub(super) fn read(change: i64, stored: Vec<StoredSigningKey>, before: &Self) -> Self {
        let mut tenants: HashMap<TenantId, TenantKeys> = HashMap::new();
        for key in stored {
            let signer = before
                .of_tenant(&key.tenant)
                .and_then(|keys| keys.parsed(&key.schedule.kid))
                .or_else(|| open(&key, before));
            let keys = tenants.entry(key.tenant).or_default();
            keys.schedules.push(key.schedule);
            keys.public.push(key.public);
            keys.signers.push(signer);
        }
        Self {
            change: Some(change),
            tenants,
        }
    }

    pub(super) const fn change(&self) -> Option<i64> {
        self.change
    }

    /// Whether there are keys that did not open. A sealing key that is put back is to be noticed.
    pub(super) fn is_shut(&self) -> bool {
        let mut all = self.tenants.values().flat_map(|keys| &keys.signers);
        all.any(Option::is_none)
    }

    pub(super) fn of_tenant(&self, tenant: &TenantId) -> Option<&TenantKeys> {
        self.tenants.get(tenant)
    }
}

impl TenantKeys {
    pub(super) fn schedules(&self) -> impl Iterator<Item = &KeySchedule> {
        self.schedules.iter()
    }

    /// What may verify.
    pub(super) fn published(&self, now: OffsetDateTime) -> impl Iterator<Item = &Value> {
        let both = self.schedules.iter().zip(&self.public);
        both.filter(move |(schedule, _)| schedule.is_published(now))
            .map(|(_, public)| public)
    }

    /// The one key that signs. Where it does not open, no other one signs in its place.
    pub(super) fn signer(&self, now: OffsetDateTime) -> Result<&Signer, NotSigned> {
        let kid = &signer(&self.schedules, now).ok_or(NotSigned::NoKey)?.kid;
        let place = self.schedules.iter().position(|key| key.kid == *kid);
        let signer = place.and_then(|place| self.signers.get(place)?.as_deref());
        signer.ok_or(NotSigned::Unopened)
    }

    fn knows(&self, kid: &str) -> bool {
        self.schedules.iter().any(|key| *key.kid == *kid)
    }

    fn parsed(&self, kid: &str) -> Option<Arc<Signer>> {
        let place = self.schedules.iter().position(|key| *key.kid == *kid)?;
        self.signers.get(place)?.clone()
    }
}

fn open(key: &StoredSigningKey, before: &Known) -> Option<Arc<Signer>> {
    let StoredSigningKey {
        tenant, schedule, ..
    } = key;
    let opened = match &key.private {
        Ok(secret) => Signer::read(schedule.algorithm, secret).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match opened {
        Ok(signer) if *signer.kid() == *schedule.kid => return Some(Arc::new(signer)),
        // Told once, and not each second.
        _ if before
            .of_tenant(tenant)
            .is_some_and(|keys| keys.knows(&schedule.kid)) => {}
        Ok(_) => {
            tracing::error!(%tenant, kid = &*schedule.kid, "a signing key is another one than its name says");
        }
        Err(error) => tracing::error!(
            %tenant, kid = &*schedule.kid, %error,
            "a signing key does not open: while it should sign, no tokens are issued. Put the sealing key that \
             it was sealed with back into `storage.sealing_keys`, or run `doorward keys rotate {tenant} --at-once`",
        ),
    }
    None
}
