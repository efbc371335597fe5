//! Tokens that are no longer taken although nothing in them says so.
//!
//! Invariant: from the moment when [`Revocations::revoke`] returns, no token that it means is remembered or
//! recalled. Nothing is forgotten for lack of room. What is deliberately absent: storage, and other nodes; what
//! they revoked is handed in the same way.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest;
use time::OffsetDateTime;

use super::memory::TokenFacts;
use super::verifier::VerifiedToken;
use crate::domain::ids::TenantId;
pub use crate::domain::revocation::Revocation;
use crate::ports::Clock;

/// There is no room for another revocation: revoke the subject, or the issuer, or restart with more room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many revocations are kept ({0}): nothing was revoked")]
pub struct RevocationsFull(pub usize);

/// All revocations.
pub struct Revocations {
    clock: Arc<dyn Clock>,
    most: usize,
    /// Counts revocations. Who has seen this number has seen them all.
    version: AtomicU64,
    marks: RwLock<HashMap<Digest, Mark>>,
}

type Digest = [u8; 32];

struct Mark {
    /// None: whenever it was issued.
    issued_until: Option<OffsetDateTime>,
    /// On the monotonic clock: from then on no token that is meant can be good.
    needed_until: Duration,
}

impl Revocations {
    /// None yet, and `most` at a time.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, most: usize) -> Self {
        Self {
            clock,
            most,
            version: AtomicU64::new(0),
            marks: RwLock::default(),
        }
    }

    /// Revokes. `needed` is how long a token that is meant could still be good: the longest life of the
    /// issuer's tokens, and the skew. Afterwards the place may be given to another.
    ///
    /// # Errors
    /// When there is no room. Then nothing has changed. For a whole issuer there always is: they are few.
    pub fn revoke(
        &self,
        tenant: &TenantId,
        revocation: &Revocation,
        needed: Duration,
    ) -> Result<(), RevocationsFull> {
        let now = self.clock.monotonic();
        let (key, issued_until) = match revocation {
            Revocation::Token { issuer, id } => (mark(tenant, "jti", issuer, id), None),
            Revocation::Subject {
                issuer,
                subject,
                issued_until,
            } => (mark(tenant, "sub", issuer, subject), Some(*issued_until)),
            Revocation::Issuer {
                issuer,
                issued_until,
            } => (mark(tenant, "iss", issuer, ""), Some(*issued_until)),
        };
        let needed_until = now.saturating_add(needed);
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = marks.get_mut(&key) {
            known.issued_until = known.issued_until.max(issued_until);
            known.needed_until = known.needed_until.max(needed_until);
        } else {
            if marks.len() >= self.most {
                marks.retain(|_, mark| now < mark.needed_until);
            }
            if marks.len() >= self.most && !matches!(revocation, Revocation::Issuer { .. }) {
                return Err(RevocationsFull(self.most));
            }
            let mark = Mark {
                issued_until,
                needed_until,
            };
            marks.insert(key, mark);
        }
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Revokes what was revoked already, somewhere, and cannot be taken back. Where there is no room for it, whatever
    /// its issuer has issued by now: that closes the doors of one issuer's tokens in one tenant, and of nobody else's.
    /// Whether there was room.
    pub fn revoke_at_least(
        &self,
        tenant: &TenantId,
        revocation: &Revocation,
        needed: Duration,
    ) -> bool {
        if self.revoke(tenant, revocation, needed).is_ok() {
            return true;
        }
        let (Revocation::Token { issuer, .. }
        | Revocation::Subject { issuer, .. }
        | Revocation::Issuer { issuer, .. }) = revocation;
        let all = Revocation::Issuer {
            issuer: issuer.clone(),
            issued_until: self.clock.now(),
        };
        // Never an error for an issuer.
        let _ = self.revoke(tenant, &all, needed);
        false
    }

    /// How many revocations there have been.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whether the token is meant by one of them.
    #[must_use]
    pub fn refuse(&self, tenant: &TenantId, token: &VerifiedToken) -> bool {
        self.version() != 0 && self.refuses(tenant, &token.into())
    }

    /// The same for a token of which no more than this is known.
    #[must_use]
    pub fn refuses(&self, tenant: &TenantId, token: &TokenFacts) -> bool {
        if self.version() == 0 {
            return false;
        }
        let (issuer, issued_at) = (&*token.issuer, token.issued_at);
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        let refused = |kind, name| {
            marks
                .get(&mark(tenant, kind, issuer, name))
                .is_some_and(|mark| match (mark.issued_until, issued_at) {
                    (Some(until), Some(at)) => at.unix_timestamp() <= until.unix_timestamp(),
                    _ => true,
                })
        };
        refused("iss", "")
            || token
                .subject
                .as_deref()
                .is_some_and(|subject| refused("sub", subject))
            || token.id.as_deref().is_some_and(|id| refused("jti", id))
    }
}

/// The place of a revocation. Each part has its length before it, so that no two say the same.
fn mark(tenant: &TenantId, kind: &str, issuer: &str, name: &str) -> Digest {
    let parts = [tenant.as_str(), kind, issuer, name];
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    super::memory::finish(context)
}

impl fmt::Debug for Revocations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Revocations")
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::ManualClock;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2027-01-15 08:00 UTC);

    fn token(id: &str) -> Revocation {
        Revocation::Token {
            issuer: "https://issuer.example".into(),
            id: id.into(),
        }
    }

    fn facts(issuer: &str, id: &str, issued_at: OffsetDateTime) -> TokenFacts {
        TokenFacts {
            issuer: issuer.into(),
            id: Some(id.into()),
            issued_at: Some(issued_at),
            ..TokenFacts::default()
        }
    }

    /// Whoever fills the room closes their own issuer's doors, and nobody else's.
    #[test]
    fn without_room_an_issuer_is_refused_whole_and_no_other() {
        let clock = Arc::new(ManualClock::at(NOW));
        let revocations = Revocations::new(clock, 2);
        let acme: TenantId = "acme".parse().expect("a name");
        let globex: TenantId = "globex".parse().expect("a name");
        let hour = Duration::from_hours(1);
        assert!(revocations.revoke_at_least(&acme, &token("1"), hour));
        assert!(revocations.revoke_at_least(&acme, &token("2"), hour));
        assert_eq!(
            revocations.revoke(&acme, &token("3"), hour),
            Err(RevocationsFull(2))
        );
        let issuer = "https://issuer.example";
        let third = facts(issuer, "3", NOW);
        assert!(!revocations.refuses(&acme, &third));
        assert!(!revocations.revoke_at_least(&acme, &token("3"), hour));
        assert!(revocations.refuses(&acme, &third));
        assert!(revocations.refuses(&acme, &facts(issuer, "4", NOW)));
        let later = NOW + time::Duration::seconds(1);
        assert!(!revocations.refuses(&acme, &facts(issuer, "5", later)));
        assert!(!revocations.refuses(&acme, &facts("https://other.example", "4", NOW)));
        assert!(!revocations.refuses(&globex, &third));
    }
}
