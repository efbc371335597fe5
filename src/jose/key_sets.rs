//! The key sets of all providers, each kept by its address, and the key for one token.
//!
//! Invariant: a token can cause a fetch only of the address that configuration or metadata names, only when
//! its algorithm is the pinned one, and only as often as [`Spending`] allows. The key set is never asked for
//! by issuer: two tenants may name one issuer with different keys.

use std::sync::Arc;

use http::HeaderValue;
use url::Url;

use super::algorithm::SignatureAlgorithm;
use super::header::JoseHeader;
use super::key_set::{Jwk, KeyRefused, KeySet, check_algorithm};
use crate::outbound::{
    DocumentCache, DocumentRules, FetchFault, FetchObserver, HttpClient, Refetch, Spending,
    Standing,
};
use crate::ports::Clock;

/// No key set is larger, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// How often a fetch that others began is waited for before giving up.
const JOINS: usize = 2;

/// What became of asking again.
enum Renewed {
    Found(KeySet),
    /// In vain.
    Asked,
    TooSoon,
    Failed(FetchFault),
}

impl Renewed {
    /// The set that was found, or why there is none: `refused`, as far as that is known.
    fn or(self, refused: KeyRefused) -> Result<KeySet, KeyRefused> {
        Err(match self {
            Self::Found(found) => return Ok(found),
            Self::Asked => refused,
            Self::TooSoon => KeyRefused::TooSoon(refused.into()),
            Self::Failed(fault) => KeyRefused::NotRenewed(refused.into(), fault),
        })
    }
}

/// Key sets, cached.
#[derive(Debug)]
pub struct KeySets {
    cache: DocumentCache<KeySet>,
}

impl KeySets {
    /// None yet: each is fetched when first needed.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, observer: Arc<dyn FetchObserver>) -> Self {
        let rules = DocumentRules {
            accept: HeaderValue::from_static("application/jwk-set+json, application/json"),
            max_body: MAX_BYTES,
            parse: Box::new(|document| {
                let set = KeySet::parse(document).map_err(|fault| fault.to_string())?;
                for key in set.skipped() {
                    let kid = key.kid.as_deref().unwrap_or("(no kid)");
                    tracing::debug!(kid, reason = key.reason, "a published key is not used");
                }
                Ok(set)
            }),
        };
        Self {
            cache: DocumentCache::new(rules, clock, observer),
        }
    }

    /// A set of exactly one key: the one that may verify a token with this header. Where the set at hand has
    /// none, it is fetched again, as far as `spending` allows. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// Why there is no such key.
    pub async fn keys_for(
        &self,
        address: &Url,
        client: &HttpClient,
        header: &JoseHeader,
        pinned: SignatureAlgorithm,
        spending: &Spending,
    ) -> Result<KeySet, KeyRefused> {
        check_algorithm(header, pinned)?;
        let set = self.cache.get(address, client).await?;
        match set.select(header, pinned) {
            Err(refused) if may_be_newer(&refused) => {
                let renewed = |set: &KeySet| set.select(header, pinned).ok();
                let renewed = self.renewed(address, client, spending, renewed).await;
                renewed.or(refused)
            }
            selected => selected,
        }
    }

    /// All keys that are published at `address`.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub async fn published(
        &self,
        address: &Url,
        client: &HttpClient,
    ) -> Result<Arc<KeySet>, FetchFault> {
        self.cache.get(address, client).await
    }

    /// How the keys at `address` stand, without asking for them. None: nobody has yet.
    #[must_use]
    pub fn standing(&self, address: &Url, client: &HttpClient) -> Option<Standing<KeySet>> {
        self.cache.standing(address, client)
    }

    /// What `verify` makes of the one key that may verify a token with this header; `None` from it: the signature
    /// is not that key's. A provider can put a new key in the place of an old one, under its name or without any:
    /// `verify` is asked once more then, with the key that stands there now.
    ///
    /// # Errors
    /// Why there is no such key, or [`KeyRefused::Signature`]; inside [`KeyRefused::TooSoon`] or
    /// [`KeyRefused::NotRenewed`] where nobody knows yet whether there is another one.
    pub async fn verified<T>(
        &self,
        address: &Url,
        client: &HttpClient,
        header: &JoseHeader,
        pinned: SignatureAlgorithm,
        spending: &Spending,
        verify: impl Fn(&Arc<Jwk>) -> Option<T>,
    ) -> Result<T, KeyRefused> {
        let keys = self
            .keys_for(address, client, header, pinned, spending)
            .await?;
        if let Some(verified) = verify(the_one(&keys)?) {
            return Ok(verified);
        }
        let keys = self
            .keys_instead_of(&keys, address, client, header, pinned, spending)
            .await?;
        verify(the_one(&keys)?).ok_or(KeyRefused::Signature)
    }

    /// After `refused` (from [`KeySets::keys_for`]) did not verify the token's signature: another key, if
    /// the provider has put one in its place. Spends like an unknown `kid`.
    async fn keys_instead_of(
        &self,
        refused: &KeySet,
        address: &Url,
        client: &HttpClient,
        header: &JoseHeader,
        pinned: SignatureAlgorithm,
        spending: &Spending,
    ) -> Result<KeySet, KeyRefused> {
        let other = |set: &KeySet| {
            let selected = set.select(header, pinned).ok()?;
            (selected.keys() != refused.keys()).then_some(selected)
        };
        // It may have been fetched since.
        if let Some(found) = other(&*self.cache.get(address, client).await?) {
            return Ok(found);
        }
        let renewed = self.renewed(address, client, spending, other).await;
        renewed.or(KeyRefused::Signature)
    }

    /// Fetches again until `find` is content or spending ends.
    async fn renewed(
        &self,
        address: &Url,
        client: &HttpClient,
        spending: &Spending,
        find: impl Fn(&KeySet) -> Option<KeySet>,
    ) -> Renewed {
        for _ in 0..=JOINS {
            let (fetched, joined) = match self.cache.refetch(address, client, spending).await {
                Refetch::Fetched(fetched) => (fetched, false),
                Refetch::Joined(fetched) => (fetched, true),
                // Somebody else's fetch may have ended since the caller looked.
                Refetch::CoolingDown => {
                    let now = self.cache.get(address, client).await.ok();
                    let found = now.as_deref().and_then(&find);
                    return found.map_or(Renewed::TooSoon, Renewed::Found);
                }
            };
            match fetched.map(|set| find(&set)) {
                Ok(Some(found)) => return Renewed::Found(found),
                Ok(None) if joined => {}
                Ok(None) => return Renewed::Asked,
                Err(fault) => return Renewed::Failed(fault),
            }
        }
        Renewed::Asked
    }

    /// Upkeep, about once a second: see [`DocumentCache::tick`].
    #[expect(
        clippy::must_use_candidate,
        reason = "the number is for tests and curiosity"
    )]
    pub fn tick(&self) -> usize {
        self.cache.tick()
    }

    /// Waits until no fetch is under way: see [`DocumentCache::settled`].
    pub async fn settled(&self) {
        self.cache.settled().await;
    }
}

/// The key of a set of exactly one.
fn the_one(keys: &KeySet) -> Result<&Arc<Jwk>, KeyRefused> {
    match keys.keys() {
        [key] => Ok(key),
        _ => Err(KeyRefused::Ambiguous),
    }
}

/// Whether a newer set could have the key. One that is there and is for something else will not change.
fn may_be_newer(refused: &KeyRefused) -> bool {
    matches!(
        refused,
        KeyRefused::UnknownKid(_) | KeyRefused::Skipped { .. } | KeyRefused::NoneFits
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::upstream_provider::Reach;
    use crate::jose::{Signer, SigningAlgorithm};
    use crate::outbound::test_server::{Answer, TestServer, json, response};
    use crate::outbound::{Budget, FetchCounts, FetchFault, HttpClients, OutboundSettings};
    use crate::ports::{ManualClock, SecureRandom, SeededRandom};
    use serde_json::json;
    use std::time::Duration;
    use time::macros::datetime;

    /// A provider with keys, and our cache of them.
    struct Fixture {
        server: TestServer,
        clock: Arc<ManualClock>,
        key_sets: KeySets,
        client: HttpClient,
        address: Url,
    }

    fn signer() -> Signer {
        Signer::generate(SigningAlgorithm::Es256).expect("a key")
    }

    fn published(signers: &[&Signer]) -> Answer {
        let keys: Vec<_> = signers.iter().map(|signer| signer.public_jwk()).collect();
        json(
            &json!({ "keys": keys }).to_string(),
            "cache-control: max-age=86400\r\n",
        )
    }

    fn header_of(signer: &Signer) -> JoseHeader {
        let token = signer.sign(&json!({}), "JWT").expect("signed");
        JoseHeader::peek(&token).expect("a header")
    }

    fn header(kid: Option<&str>) -> JoseHeader {
        let mut header = json!({ "alg": "ES256" });
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        let token = signer().sign_with_header(&header, &json!({}));
        JoseHeader::peek(&token.expect("signed")).expect("a header")
    }

    impl Fixture {
        async fn new(answer: Answer) -> Self {
            let server = TestServer::start(answer).await;
            let clock = Arc::new(ManualClock::at(datetime!(2026-11-01 12:00 UTC)));
            let clients = HttpClients::new(OutboundSettings {
                development: true,
                ..OutboundSettings::default()
            });
            Self {
                key_sets: KeySets::new(clock.clone(), Arc::new(FetchCounts::default())),
                client: clients.for_reach(&Reach::default()).expect("a client"),
                address: server.url("/keys"),
                server,
                clock,
            }
        }

        async fn keys_for(&self, header: &JoseHeader) -> Result<KeySet, KeyRefused> {
            self.keys_on(header, Budget::Bearer).await
        }

        async fn keys_on(&self, header: &JoseHeader, budget: Budget) -> Result<KeySet, KeyRefused> {
            let pinned = SignatureAlgorithm::Es256;
            let spending = spending(budget);
            self.key_sets
                .keys_for(&self.address, &self.client, header, pinned, &spending)
                .await
        }

        async fn keys_instead_of(
            &self,
            refused: &KeySet,
            header: &JoseHeader,
        ) -> Result<KeySet, KeyRefused> {
            let pinned = SignatureAlgorithm::Es256;
            let spending = spending(Budget::TokenEndpoint);
            self.key_sets
                .keys_instead_of(
                    refused,
                    &self.address,
                    &self.client,
                    header,
                    pinned,
                    &spending,
                )
                .await
        }

        async fn pass(&self, seconds: u64) {
            for _ in 0..seconds {
                self.clock.advance(Duration::from_secs(1));
                self.key_sets.tick();
                self.key_sets.settled().await;
            }
        }
    }

    fn spending(budget: Budget) -> Spending {
        Spending {
            tenant: "acme".parse().expect("a name"),
            budget,
            cool_down: Duration::from_secs(30),
        }
    }

    fn kid_of(set: &KeySet) -> &str {
        let [key] = set.keys() else {
            panic!("exactly one key: {set:?}")
        };
        key.kid().expect("a kid")
    }

    #[tokio::test]
    async fn the_key_of_a_token_is_found_and_nothing_else_is_given() {
        let (one, two) = (signer(), signer());
        let fixture = Fixture::new(published(&[&one, &two])).await;
        for signer in [&one, &two, &one] {
            let found = fixture.keys_for(&header_of(signer)).await.expect("found");
            assert_eq!(kid_of(&found), signer.kid());
        }
        assert_eq!(fixture.server.hits(), 1);
    }

    #[tokio::test]
    async fn a_rotated_key_is_found_at_the_first_token_it_signed() {
        let (old, new) = (signer(), signer());
        let fixture = Fixture::new(published(&[&old])).await;
        fixture.keys_for(&header_of(&old)).await.expect("found");
        fixture.server.answer(published(&[&new]));
        let found = fixture.keys_for(&header_of(&new)).await.expect("found");
        assert_eq!(kid_of(&found), new.kid());
        assert_eq!(fixture.server.hits(), 2);
        // The old one is gone with it, and its tokens.
        assert!(fixture.keys_for(&header_of(&old)).await.is_err());
    }

    #[tokio::test]
    async fn t05_kid_flood() {
        let real = signer();
        let random: Arc<dyn SecureRandom> = Arc::new(SeededRandom::new(5));
        for provider in [
            published(&[&real]),
            response("503 Service Unavailable", "text/plain", "", ""),
            Answer::Hangup,
        ] {
            let fixture = Fixture::new(published(&[&real])).await;
            fixture.keys_for(&header_of(&real)).await.expect("found");
            fixture.server.answer(provider);
            // Within one second, and then one a second over more than sixteen minutes.
            for pause in [0, 1] {
                let before = fixture.server.hits();
                for _ in 0..1_000 {
                    let kid = format!("{:x?}", random.array::<8>());
                    let refused = fixture.keys_for(&header(Some(&kid))).await;
                    assert!(refused.is_err());
                    fixture.pass(pause).await;
                }
                let fetched = fixture.server.hits() - before;
                let allowed = if pause == 0 { 1..=1 } else { 33..=34 };
                assert!(allowed.contains(&fetched), "{fetched} in pause {pause}");
            }
            fixture.keys_for(&header_of(&real)).await.expect("kept");
        }
    }

    #[tokio::test]
    async fn t05_a_flood_at_a_provider_that_was_never_up() {
        let fixture = Fixture::new(Answer::Hangup).await;
        for _ in 0..1_000 {
            let refused = fixture.keys_for(&header(Some("k"))).await;
            assert!(
                matches!(
                    refused,
                    Err(KeyRefused::Unavailable(FetchFault::Outbound(_)))
                ),
                "{refused:?}"
            );
        }
        assert_eq!(fixture.server.hits(), 1);
    }

    #[tokio::test]
    async fn t05_flooding_bearers_leave_a_login_its_new_key() {
        let (old, new) = (signer(), signer());
        let fixture = Fixture::new(published(&[&old])).await;
        for number in 0..10 {
            let flood = header(Some(&format!("flood{number}")));
            let refused = fixture.keys_for(&flood).await.expect_err("unknown");
            // Who was asked in vain has answered; who was not asked has not.
            assert_eq!(
                matches!(refused, KeyRefused::TooSoon(_)),
                number > 0,
                "{refused:?}"
            );
        }
        fixture.server.answer(published(&[&old, &new]));
        assert!(
            fixture.keys_for(&header_of(&new)).await.is_err(),
            "bearers wait"
        );
        let found = fixture
            .keys_on(&header_of(&new), Budget::TokenEndpoint)
            .await
            .expect("logins do not");
        assert_eq!(kid_of(&found), new.kid());
    }

    #[tokio::test]
    async fn t05_a_kid_seen_in_the_cool_down_is_there_after_it() {
        let (old, new) = (signer(), signer());
        let fixture = Fixture::new(published(&[&old])).await;
        assert!(fixture.keys_for(&header(Some("flood"))).await.is_err());
        fixture.server.answer(published(&[&old, &new]));
        assert!(fixture.keys_for(&header_of(&new)).await.is_err());
        fixture.pass(30).await;
        let hits = fixture.server.hits();
        fixture.keys_for(&header_of(&new)).await.expect("found");
        assert_eq!(fixture.server.hits(), hits, "fetched before it was needed");
    }

    /// Two threads looked at the old set; one of them has had it fetched before the other one asks.
    #[tokio::test]
    async fn whoever_comes_after_a_fetch_for_another_has_its_keys() {
        let (old, new) = (signer(), signer());
        let fixture = Fixture::new(published(&[&old])).await;
        fixture.keys_for(&header_of(&old)).await.expect("found");
        fixture.server.answer(published(&[&new]));
        fixture.keys_for(&header_of(&new)).await.expect("found");
        let find = |set: &KeySet| {
            let header = header_of(&new);
            set.select(&header, SignatureAlgorithm::Es256).ok()
        };
        let spending = spending(Budget::Bearer);
        let renewed = fixture
            .key_sets
            .renewed(&fixture.address, &fixture.client, &spending, find)
            .await;
        assert!(matches!(renewed, Renewed::Found(_)));
        assert_eq!(fixture.server.hits(), 2);
    }

    #[tokio::test]
    async fn t04_rotation_to_a_broken_set_keeps_the_last_good_one() {
        let real = signer();
        let fixture = Fixture::new(published(&[&real])).await;
        fixture.keys_for(&header_of(&real)).await.expect("found");
        let many = json!({ "keys": vec![real.public_jwk(); 101] }).to_string();
        let huge = format!("{{\"keys\":[{}]}}", " ".repeat(MAX_BYTES));
        for broken in [
            "<html>",
            "{\"keys\":[]}",
            "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}",
            &many,
            &huge,
        ] {
            fixture.server.answer(json(broken, ""));
            let hits = fixture.server.hits();
            assert!(fixture.keys_for(&header(Some("other"))).await.is_err());
            assert_eq!(fixture.server.hits(), hits + 1);
            fixture.keys_for(&header_of(&real)).await.expect("kept");
            fixture.pass(31).await;
        }
    }

    #[tokio::test]
    async fn a18_a21_a_refused_algorithm_makes_no_request() {
        let fixture = Fixture::new(published(&[&signer()])).await;
        let header = header(Some("k"));
        let refused = fixture
            .key_sets
            .keys_for(
                &fixture.address,
                &fixture.client,
                &header,
                SignatureAlgorithm::Rs256,
                &spending(Budget::Bearer),
            )
            .await;
        assert!(
            matches!(refused, Err(KeyRefused::Algorithm { .. })),
            "{refused:?}"
        );
        assert_eq!(fixture.server.hits(), 0);
    }

    #[tokio::test]
    async fn a_key_that_is_there_for_something_else_is_not_looked_for_again() {
        let real = signer();
        let mut other = real.public_jwk().clone();
        other["alg"] = "ES384".into();
        let fixture = Fixture::new(json(&json!({ "keys": [other] }).to_string(), "")).await;
        let refused = fixture.keys_for(&header_of(&real)).await;
        assert!(matches!(refused, Err(KeyRefused::Unfit(_))), "{refused:?}");
        assert_eq!(fixture.server.hits(), 1);
    }

    #[tokio::test]
    async fn a_rotation_without_kid_is_seen_when_a_signature_fails() {
        let (old, new) = (signer(), signer());
        let nameless = |signer: &Signer| {
            let mut key = signer.public_jwk().clone();
            key.as_object_mut().expect("an object").remove("kid");
            json(&json!({ "keys": [key] }).to_string(), "")
        };
        let fixture = Fixture::new(nameless(&old)).await;
        let first = fixture.keys_for(&header(None)).await.expect("found");
        let nothing_new = fixture.keys_instead_of(&first, &header(None)).await;
        assert_eq!(nothing_new.err(), Some(KeyRefused::Signature));

        fixture.server.answer(nameless(&new));
        let too_soon = fixture.keys_instead_of(&first, &header(None)).await;
        let too_soon = too_soon.expect_err("nobody knows");
        assert_eq!(too_soon, KeyRefused::TooSoon(KeyRefused::Signature.into()));
        assert!(too_soon.is_undecided());
        fixture.clock.advance(Duration::from_secs(30));
        let second = fixture
            .keys_instead_of(&first, &header(None))
            .await
            .expect("another key");
        assert_eq!(second.keys()[0].members()["x"], new.public_jwk()["x"]);
        let hits = fixture.server.hits();
        assert!(fixture.keys_instead_of(&first, &header(None)).await.is_ok());
        assert_eq!(fixture.server.hits(), hits, "it had been fetched already");
    }

    /// A newer set that cannot be had is no answer: the key may be in it.
    #[tokio::test]
    async fn a41_a_set_that_cannot_be_fetched_again_decides_nothing() {
        let (old, new) = (signer(), signer());
        let fixture = Fixture::new(published(&[&old])).await;
        let first = fixture.keys_for(&header_of(&old)).await.expect("found");
        fixture
            .server
            .answer(response("503 Service Unavailable", "text/plain", "", ""));
        let unknown = fixture.keys_for(&header_of(&new)).await;
        let changed = fixture.keys_instead_of(&first, &header_of(&old)).await;
        for refused in [unknown, changed] {
            assert!(
                matches!(refused, Err(KeyRefused::NotRenewed(..))),
                "{refused:?}"
            );
        }
    }
}
