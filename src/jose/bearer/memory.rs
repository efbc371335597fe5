//! Tokens that were verified a moment ago.
//!
//! Invariant: a token is recalled only for the tenant, configuration, audience and purpose that it was
//! verified for, never at or after its `exp`, never longer than the limit, and never when it was revoked. The
//! text of a token is nowhere kept: only a digest that covers all of it. Neither a step of the clock nor a
//! flood of tokens changes that: what is not remembered is verified again.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use serde_json::Value;
use time::OffsetDateTime;

use super::refused::TokenRefused;
use super::revocations::Revocations;
use super::verifier::VerifiedToken;
use crate::domain::ids::TenantId;
use crate::ports::Clock;

/// What a remembered token costs beside its claims, in bytes.
const OVERHEAD: usize = 400;
/// What a JSON value costs beside its text, in bytes.
const VALUE: usize = 72;

/// What tokens are verified for: made once for each app, or whatever has rules of its own, and again when the
/// configuration changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenScope {
    tenant: TenantId,
    digest: [u8; 32],
}

impl TokenScope {
    /// `configuration` is a number that changes with the rules. `audience` says for whom the token must be (the
    /// app, or what is protected there), `purpose` what is decided by it (a check, an exchange, an
    /// attestation). Where two places have different rules, one of the four must differ.
    #[must_use]
    pub fn new(tenant: &TenantId, configuration: u64, audience: &str, purpose: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [tenant.as_str(), audience, purpose] {
            // The length in front: "a", "bc" must not be "ab", "c".
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        context.update(&configuration.to_be_bytes());
        Self {
            tenant: tenant.clone(),
            digest: finish(context),
        }
    }

    /// The name of `token` in the memory.
    #[must_use]
    pub fn key(&self, token: &str) -> TokenKey<'_> {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.digest);
        context.update(token.as_bytes());
        TokenKey {
            scope: self,
            digest: finish(context),
        }
    }
}

/// A token in its scope, as a digest of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenKey<'a> {
    scope: &'a TokenScope,
    digest: [u8; 32],
}

impl TokenKey<'_> {
    /// The digest of both, which tells nothing of the token.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// How much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Tokens at most.
    pub tokens: u64,
    /// Bytes at most, as far as they can be known.
    pub bytes: u64,
    /// How long a token is remembered at most: as long as a key that its issuer took back can still count.
    pub longest: Duration,
}

impl Default for MemoryLimits {
    /// 100,000 tokens, 64 MiB, five minutes.
    fn default() -> Self {
        Self {
            tokens: 100_000,
            bytes: 64 * 1024 * 1024,
            longest: Duration::from_mins(5),
        }
    }
}

/// The memory. What it keeps is the token itself, or whatever its caller has made of it. One kind of cache keeps all
/// kinds of `T`: each of its own would take a second of everybody's build.
pub struct TokenMemory<T = VerifiedToken> {
    tokens: Cache<[u8; 32], Arc<Remembered>>,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    limits: MemoryLimits,
    of: PhantomData<fn() -> T>,
}

/// What is known of a token whatever is made of it: when it ends, and by which names it can be revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFacts {
    /// `iss`; empty where a token names none.
    pub issuer: Box<str>,
    /// `sub`.
    pub subject: Option<Box<str>>,
    /// `jti`.
    pub id: Option<Box<str>>,
    /// `iat`.
    pub issued_at: Option<OffsetDateTime>,
    /// `exp`.
    pub expires_at: Option<OffsetDateTime>,
}

impl From<&VerifiedToken> for TokenFacts {
    fn from(token: &VerifiedToken) -> Self {
        Self {
            issuer: token.issuer().unwrap_or_default().into(),
            subject: token.subject().map(Into::into),
            id: token.id().map(Into::into),
            issued_at: token.issued_at(),
            expires_at: token.expires_at(),
        }
    }
}

impl TokenFacts {
    fn size(&self) -> usize {
        let names = [&self.subject, &self.id];
        let names = names.into_iter().flatten().map(|name| name.len());
        self.issuer.len() + names.sum::<usize>()
    }
}

struct Remembered {
    what: Arc<dyn Any + Send + Sync>,
    facts: TokenFacts,
    /// On the monotonic clock.
    until: Duration,
    /// The revocations that it is known to be spared by.
    spared: AtomicU64,
    weight: u32,
}

impl TokenMemory {
    /// Remembers a token that was verified for the scope of `key`, from the text that `key` was made of.
    ///
    /// # Errors
    /// [`TokenRefused::Revoked`]: it must not be used.
    pub fn remember(
        &self,
        key: &TokenKey<'_>,
        token: VerifiedToken,
    ) -> Result<Arc<VerifiedToken>, TokenRefused> {
        let (facts, size) = (TokenFacts::from(&token), size(token.claims()));
        self.keep(key, Arc::new(token), facts, size)
    }
}

impl<T: Send + Sync + 'static> TokenMemory<T> {
    /// Empty.
    #[must_use]
    pub fn new(limits: MemoryLimits, revocations: Arc<Revocations>, clock: Arc<dyn Clock>) -> Self {
        Self {
            tokens: Cache::builder()
                .max_capacity(limits.bytes)
                .weigher(|_, remembered: &Arc<Remembered>| remembered.weight)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            revocations,
            clock,
            limits,
            of: PhantomData,
        }
    }

    /// What was made of the token, if it was verified in this scope and is still good. No I/O, no waiting, no
    /// allocation.
    #[must_use]
    pub fn recall(&self, key: &TokenKey<'_>) -> Option<Arc<T>> {
        let remembered = self.tokens.get(&key.digest)?;
        if self.is_over(&remembered) || self.is_revoked(&remembered, &key.scope.tenant) {
            self.tokens.invalidate(&key.digest);
            return None;
        }
        Arc::clone(&remembered.what).downcast().ok()
    }

    /// Remembers `what` was made of a token with these facts, which was judged for the scope of `key` from the
    /// text that `key` was made of; `size` is about the bytes that `what` takes.
    ///
    /// # Errors
    /// [`TokenRefused::Revoked`]: it must not be used.
    pub fn keep(
        &self,
        key: &TokenKey<'_>,
        what: Arc<T>,
        facts: TokenFacts,
        size: usize,
    ) -> Result<Arc<T>, TokenRefused> {
        self.keep_for(key, what, facts, size, self.limits.longest)
    }

    /// The same for no longer than `longest`: what somebody else said of a token can change before its end.
    ///
    /// # Errors
    /// As [`TokenMemory::keep`].
    pub fn keep_for(
        &self,
        key: &TokenKey<'_>,
        what: Arc<T>,
        facts: TokenFacts,
        size: usize,
        longest: Duration,
    ) -> Result<Arc<T>, TokenRefused> {
        // Before they are asked: one that comes in between is asked about again.
        let spared = self.revocations.version();
        if self.revocations.refuses(&key.scope.tenant, &facts) {
            return Err(TokenRefused::Revoked);
        }
        let longest = longest.min(self.limits.longest);
        let left = match facts.expires_at {
            None => longest,
            Some(at) => Duration::try_from(at - self.clock.now())
                .unwrap_or_default()
                .min(longest),
        };
        if !left.is_zero() {
            let remembered = Remembered {
                until: self.clock.monotonic().saturating_add(left),
                spared: AtomicU64::new(spared),
                weight: self.weight(size + facts.size()),
                what: Arc::<T>::clone(&what),
                facts,
            };
            self.tokens.insert(key.digest, Arc::new(remembered));
        }
        Ok(what)
    }

    /// Past its end by either clock: one that was set back cannot lengthen a life.
    fn is_over(&self, remembered: &Remembered) -> bool {
        let expired = remembered
            .facts
            .expires_at
            .is_some_and(|at| self.clock.now() >= at);
        expired || self.clock.monotonic() >= remembered.until
    }

    /// Costs one comparison, except for the first time after somebody revoked something.
    fn is_revoked(&self, remembered: &Remembered, tenant: &TenantId) -> bool {
        let version = self.revocations.version();
        if remembered.spared.load(Ordering::Relaxed) == version {
            return false;
        }
        if self.revocations.refuses(tenant, &remembered.facts) {
            return true;
        }
        remembered.spared.fetch_max(version, Ordering::Relaxed);
        false
    }

    /// Bytes, and at least so many that no more tokens than the limit fit in.
    fn weight(&self, size: usize) -> u32 {
        let bytes = u64::try_from(OVERHEAD.saturating_add(size)).unwrap_or(u64::MAX);
        let share = self.limits.bytes.div_ceil(self.limits.tokens.max(1));
        u32::try_from(bytes.max(share)).unwrap_or(u32::MAX)
    }

    /// How many are remembered, when all is settled. For tests and metrics.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.tokens.run_pending_tasks();
        self.tokens.entry_count()
    }
}

/// About the bytes that a value keeps.
fn size(value: &Value) -> usize {
    VALUE
        + match value {
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(size).sum(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| name.len() + size(value))
                .sum(),
            _ => 0,
        }
}

/// The digest as an array.
pub(super) fn finish(context: digest::Context) -> [u8; 32] {
    let digest = context.finish();
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    bytes
}

impl<T> fmt::Debug for TokenMemory<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenMemory")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Revocation, RevocationsFull, UnverifiedToken};
    use super::*;
    use crate::ports::ManualClock;
    use rstest::rstest;
    use serde_json::json;
    use time::OffsetDateTime;

    struct Fixture {
        clock: Arc<ManualClock>,
        revocations: Arc<Revocations>,
        memory: TokenMemory,
        scope: TokenScope,
        text: String,
    }

    fn tenant(name: &str) -> TenantId {
        name.parse().expect("a name")
    }

    fn signed(changes: Value) -> String {
        keys().token(&header("HS256"), &with(claims(), changes))
    }

    impl Fixture {
        fn new(changes: Value) -> Self {
            Self::within(MemoryLimits::default(), changes)
        }

        fn within(limits: MemoryLimits, changes: Value) -> Self {
            let clock = Arc::new(ManualClock::at(NOW));
            let revocations = Arc::new(Revocations::new(clock.clone(), 3));
            Self {
                memory: TokenMemory::new(limits, revocations.clone(), clock.clone()),
                scope: TokenScope::new(&tenant("acme"), 1, "orders", "check"),
                text: signed(changes),
                clock,
                revocations,
            }
        }

        /// As a check does it: by memory, else by verifying.
        fn check(&self, scope: &TokenScope, text: &str) -> Result<bool, TokenRefused> {
            let key = scope.key(text);
            if self.memory.recall(&key).is_some() {
                return Ok(true);
            }
            let token = verify_at(text, &trusted("HS256"), self.clock.now())?;
            self.memory.remember(&key, token)?;
            Ok(false)
        }

        fn recalled(&self) -> bool {
            self.memory.recall(&self.scope.key(&self.text)).is_some()
        }

        fn remember(&self) {
            assert_eq!(self.check(&self.scope, &self.text), Ok(false));
            assert!(self.recalled());
        }

        fn revoke(&self, tenant_name: &str, revocation: &Revocation) {
            self.revocations
                .revoke(&tenant(tenant_name), revocation, Duration::from_mins(10))
                .expect("room");
        }
    }

    #[test]
    fn a_verified_token_is_recalled_as_it_was() {
        let fixture = Fixture::new(json!({}));
        fixture.remember();
        let token = fixture.memory.recall(&fixture.scope.key(&fixture.text));
        assert_eq!(token.expect("recalled").claims(), &claims());
        assert_eq!(fixture.memory.count(), 1);
    }

    #[rstest]
    #[case::tenant(TokenScope::new(&tenant("beta"), 1, "orders", "check"))]
    #[case::configuration(TokenScope::new(&tenant("acme"), 2, "orders", "check"))]
    #[case::audience(TokenScope::new(&tenant("acme"), 1, "invoices", "check"))]
    #[case::purpose(TokenScope::new(&tenant("acme"), 1, "orders", "exchange"))]
    #[case::shifted(TokenScope::new(&tenant("acme"), 1, "orderscheck", ""))]
    #[case::shifted_by_one(TokenScope::new(&tenant("acme"), 1, "order", "scheck"))]
    #[case::shifted_to_the_tenant(TokenScope::new(&tenant("acmeo"), 1, "rders", "check"))]
    fn a17_t09_a_token_of_one_scope_is_unknown_in_another(#[case] other: TokenScope) {
        let fixture = Fixture::new(json!({}));
        fixture.remember();
        assert!(fixture.memory.recall(&other.key(&fixture.text)).is_none());
        // And the other way round.
        let mut fixture = Fixture::new(json!({}));
        let first = std::mem::replace(&mut fixture.scope, other);
        fixture.remember();
        assert!(fixture.memory.recall(&first.key(&fixture.text)).is_none());
    }

    #[test]
    fn a24_every_truncation_and_extension_is_unknown() {
        let fixture = Fixture::new(json!({}));
        fixture.remember();
        for length in 0..fixture.text.len() {
            let key = fixture.scope.key(&fixture.text[..length]);
            assert!(fixture.memory.recall(&key).is_none());
        }
        let longer = format!("{}A", fixture.text);
        assert!(fixture.memory.recall(&fixture.scope.key(&longer)).is_none());
    }

    #[rstest]
    #[case::a_second_before(99, true)]
    #[case::at_its_end(100, false)]
    #[case::after_it(130, false)]
    fn t09_never_past_its_end(#[case] seconds: u64, #[case] expected: bool) {
        let fixture = Fixture::new(json!({"exp": at(100)}));
        fixture.remember();
        fixture.clock.advance(Duration::from_secs(seconds));
        assert_eq!(fixture.recalled(), expected);
    }

    #[test]
    fn t09_a_token_in_the_skew_is_verified_each_time() {
        let fixture = Fixture::new(json!({"exp": at(-30)}));
        for _ in 0..3 {
            assert_eq!(fixture.check(&fixture.scope, &fixture.text), Ok(false));
        }
        assert_eq!(fixture.memory.count(), 0);
        fixture.clock.advance(Duration::from_secs(30));
        assert_eq!(
            fixture.check(&fixture.scope, &fixture.text),
            Err(TokenRefused::Expired)
        );
    }

    #[test]
    fn t16_a_clock_that_is_set_back_revives_nothing() {
        let fixture = Fixture::new(json!({"exp": at(100)}));
        fixture.remember();
        fixture.clock.advance(Duration::from_secs(100));
        fixture.clock.step_to(NOW);
        assert!(!fixture.recalled());
    }

    #[test]
    fn t16_a_clock_that_is_set_forward_ends_what_has_expired() {
        let fixture = Fixture::new(json!({"exp": at(100)}));
        fixture.remember();
        fixture.clock.step_to(NOW + Duration::from_secs(100));
        assert!(!fixture.recalled());
    }

    #[test]
    fn no_token_is_remembered_longer_than_the_limit() {
        let fixture = Fixture::new(json!({"exp": at(90_000)}));
        fixture.remember();
        fixture.clock.advance(Duration::from_secs(299));
        assert!(fixture.recalled());
        fixture.clock.advance(Duration::from_secs(1));
        assert!(!fixture.recalled());
        assert_eq!(fixture.check(&fixture.scope, &fixture.text), Ok(false));
    }

    const LATER: OffsetDateTime = time::macros::datetime!(2027-01-15 08:00:00.9 UTC);

    #[rstest]
    #[case::token(Revocation::Token { issuer: ISSUER.into(), id: "j-1".into() }, true)]
    #[case::other_token(Revocation::Token { issuer: ISSUER.into(), id: "j-2".into() }, false)]
    #[case::token_of_another_issuer(Revocation::Token { issuer: "https://other/".into(), id: "j-1".into() }, false)]
    #[case::subject(Revocation::Subject { issuer: ISSUER.into(), subject: "ana".into(), issued_until: NOW }, true)]
    #[case::in_the_same_second(Revocation::Subject { issuer: ISSUER.into(), subject: "ana".into(), issued_until: LATER }, true)]
    #[case::issued_since(Revocation::Subject { issuer: ISSUER.into(), subject: "ana".into(), issued_until: NOW - Duration::from_secs(1) }, false)]
    #[case::other_subject(Revocation::Subject { issuer: ISSUER.into(), subject: "an".into(), issued_until: NOW }, false)]
    #[case::issuer(Revocation::Issuer { issuer: ISSUER.into(), issued_until: NOW }, true)]
    #[case::other_issuer(Revocation::Issuer { issuer: "https://issuer.example".into(), issued_until: NOW }, false)]
    #[case::a_subject_of_that_name(Revocation::Subject { issuer: ISSUER.into(), subject: "j-1".into(), issued_until: NOW }, false)]
    fn t09_a_revocation_counts_at_once(#[case] revocation: Revocation, #[case] expected: bool) {
        let fixture = Fixture::new(json!({}));
        fixture.remember();
        fixture.revoke("beta", &revocation);
        assert!(fixture.recalled(), "another tenant's");
        fixture.revoke("acme", &revocation);
        assert_eq!(fixture.recalled(), !expected);
        // Nor is it taken when it is verified again, here or elsewhere in the tenant.
        let elsewhere = TokenScope::new(&tenant("acme"), 7, "x", "y");
        for scope in [&fixture.scope, &elsewhere] {
            let found = fixture.check(scope, &fixture.text);
            assert_eq!(found.err(), expected.then_some(TokenRefused::Revoked));
        }
    }

    #[test]
    fn t09_what_was_revoked_before_it_was_seen_is_refused() {
        let fixture = Fixture::new(json!({"iat": null}));
        let revocation = Revocation::Issuer {
            issuer: ISSUER.into(),
            issued_until: NOW - Duration::from_hours(1),
        };
        fixture.revoke("acme", &revocation);
        // Nothing says that it was issued later.
        assert_eq!(
            fixture.check(&fixture.scope, &fixture.text),
            Err(TokenRefused::Revoked)
        );
    }

    #[test]
    fn revocations_are_never_dropped_for_others() {
        let fixture = Fixture::new(json!({}));
        let revocation = |number: usize| Revocation::Token {
            issuer: ISSUER.into(),
            id: format!("j-{number}").into(),
        };
        for number in 1..=3 {
            fixture.revoke("acme", &revocation(number));
        }
        let acme = tenant("acme");
        let minutes = Duration::from_mins(10);
        let refused = fixture.revocations.revoke(&acme, &revocation(4), minutes);
        assert_eq!(refused, Err(RevocationsFull(3)));
        // One that is there already needs no room.
        fixture.revoke("acme", &revocation(1));
        assert_eq!(
            fixture.check(&fixture.scope, &fixture.text),
            Err(TokenRefused::Revoked)
        );
        // Its tokens have all expired: now there is room.
        fixture.clock.advance(minutes);
        fixture.revoke("acme", &revocation(4));
    }

    #[test]
    fn tokens_are_bounded_in_number() {
        let limits = MemoryLimits {
            tokens: 10,
            bytes: 1024 * 1024,
            ..MemoryLimits::default()
        };
        let fixture = Fixture::within(limits, json!({}));
        for number in 0..100 {
            let text = signed(json!({"jti": format!("j{number}")}));
            fixture.check(&fixture.scope, &text).expect("good");
            assert!(fixture.memory.count() <= 10);
        }
        assert!(fixture.memory.count() >= 9);
    }

    #[test]
    fn tokens_are_bounded_in_bytes() {
        let limits = MemoryLimits {
            tokens: 1_000,
            bytes: 100 * 1024,
            ..MemoryLimits::default()
        };
        let fixture = Fixture::within(limits, json!({}));
        for number in 0..50 {
            let text = signed(json!({"jti": format!("j{number}"), "x": "x".repeat(9_000)}));
            UnverifiedToken::read(&text).expect("short enough");
            fixture.check(&fixture.scope, &text).expect("good");
        }
        let kept = fixture.memory.count();
        assert!((5..=10).contains(&kept), "{kept}");
    }

    /// Whoever is between two revocations asks again: nothing is missed when they come at once.
    #[test]
    fn t09_revocations_in_parallel_are_all_seen() {
        let clock = Arc::new(ManualClock::at(NOW));
        let revocations = Arc::new(Revocations::new(clock.clone(), 100));
        let memory = TokenMemory::new(MemoryLimits::default(), revocations.clone(), clock);
        let scope = TokenScope::new(&tenant("acme"), 1, "orders", "check");
        let texts: Vec<_> = (0..32)
            .map(|number| signed(json!({"jti": format!("j{number}")})))
            .collect();
        for text in &texts {
            let token = verify(text, &trusted("HS256")).expect("verified");
            memory
                .remember(&scope.key(text), token)
                .expect("remembered");
        }
        std::thread::scope(|threads| {
            for (number, text) in texts.iter().enumerate() {
                let (memory, revocations, scope) = (&memory, &revocations, &scope);
                threads.spawn(move || {
                    let key = scope.key(text);
                    assert!(memory.recall(&key).is_some());
                    let revocation = Revocation::Token {
                        issuer: ISSUER.into(),
                        id: format!("j{number}").into(),
                    };
                    revocations
                        .revoke(&tenant("acme"), &revocation, Duration::from_mins(5))
                        .expect("room");
                    assert!(memory.recall(&key).is_none());
                });
            }
        });
    }
}
