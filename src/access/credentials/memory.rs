//! What was judged a moment ago, by a digest of what was shown.
//!
//! Invariant: the digest is keyed with bytes that only this process has, and is made of everything that the
//! judgement depended on: scheme, tenant, app, version of the configuration, and all that was shown. So what is
//! remembered answers for nothing else, and what is in memory is no help in finding what was shown.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::access::check::Found;
use crate::domain::caller::Scheme;
use crate::ports::{Clock, SecureRandom};

/// What stands for something that was shown.
pub(super) type Name = [u8; 32];

/// Something, and until when it is believed (monotonic).
#[derive(Clone, Debug)]
struct Remembered {
    judged: Arc<dyn Any + Send + Sync>,
    until: Duration,
}

/// What was judged a moment ago. One kind of cache keeps all kinds of `T`: each of its own would take a second of
/// everybody's build.
#[derive(Debug)]
pub(super) struct Memory<T> {
    key: hmac::Key,
    judged: Cache<Name, Remembered>,
    clock: Arc<dyn Clock>,
    of: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> Memory<T> {
    /// Of at most `capacity`; the least recently used go.
    pub(super) fn new(capacity: u64, clock: Arc<dyn Clock>, random: &dyn SecureRandom) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            judged: Cache::builder()
                .max_capacity(capacity)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            clock,
            of: PhantomData,
        }
    }

    /// What stands for `shown` at this app, as the configuration stands.
    pub(super) fn name(&self, scheme: Scheme, found: Found<'_>, shown: &[u8]) -> Name {
        let mut context = hmac::Context::with_key(&self.key);
        let (tenant, app) = (found.at.tenant.id.as_str(), found.at.app.id.as_str());
        context.update(&[scheme as u8]);
        context.update(&found.directory.version().to_le_bytes());
        // Names have no NUL in them.
        for part in [tenant, app] {
            context.update(part.as_bytes());
            context.update(&[0]);
        }
        context.update(shown);
        let tag = context.sign();
        let mut name = Name::default();
        name.copy_from_slice(tag.as_ref());
        name
    }

    /// What was judged of it, a moment ago.
    pub(super) fn recall(&self, name: &Name) -> Option<Arc<T>> {
        let remembered = self.judged.get(name)?;
        let believed = self.clock.monotonic() < remembered.until;
        believed.then(|| remembered.judged.downcast().ok())?
    }

    /// Believes it for so long.
    pub(super) fn remember(&self, name: Name, judged: Arc<T>, how_long: Duration) {
        let until = self.clock.monotonic().saturating_add(how_long);
        self.judged.insert(name, Remembered { judged, until });
    }
}
