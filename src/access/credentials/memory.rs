//! Callers that were judged a moment ago, by a digest of what they showed.
//!
//! Invariant: the digest is keyed with bytes that only this process has, and is made of everything that the
//! judgement depended on: scheme, tenant, app, version of the configuration, and all that was shown. So what is
//! remembered answers for nothing else, and what is in memory is no help in finding what was shown.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::KnownCaller;
use crate::access::check::Found;
use crate::domain::caller::Scheme;
use crate::ports::{Clock, SecureRandom};

/// How many callers are remembered; the least recently used go.
const CAPACITY: u64 = 50_000;

/// What stands for something that was shown.
pub(super) type Name = [u8; 32];

/// A caller, and until when they are believed (monotonic).
#[derive(Clone, Debug)]
struct Remembered {
    known: Arc<KnownCaller>,
    until: Duration,
}

/// What was judged a moment ago.
#[derive(Debug)]
pub(super) struct Memory {
    key: hmac::Key,
    known: Cache<Name, Remembered>,
    clock: Arc<dyn Clock>,
}

impl Memory {
    pub(super) fn new(clock: Arc<dyn Clock>, random: &dyn SecureRandom) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            known: Cache::builder()
                .max_capacity(CAPACITY)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            clock,
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

    /// Who it is, if that was judged a moment ago.
    pub(super) fn recall(&self, name: &Name) -> Option<Arc<KnownCaller>> {
        let remembered = self.known.get(name)?;
        (self.clock.monotonic() < remembered.until).then_some(remembered.known)
    }

    /// Believes it for so long.
    pub(super) fn remember(&self, name: Name, known: Arc<KnownCaller>, how_long: Duration) {
        let until = self.clock.monotonic() + how_long;
        self.known.insert(name, Remembered { known, until });
    }
}
