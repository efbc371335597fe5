//! Keys over a real store, with a clock that stands still until it is moved.

use std::path::Path;

use secrecy::SecretString;
use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::domain::signing_key::{AHEAD, KEY_SET_MAX_AGE, Phase};
use crate::jose::{JoseHeader, KeySet};
use crate::ports::{ManualClock, SeededRandom};
use crate::storage::sealing::SealingKeys;
use crate::storage::sqlite::SqliteStore;

const START: OffsetDateTime = datetime!(2027-01-15 08:00 UTC);
const EVERY_ALGORITHM: [SigningAlgorithm; 3] = SigningAlgorithm::ALL;

fn acme() -> TenantId {
    "acme".parse().expect("a name")
}

fn ring(bytes: &[u8]) -> SealingKeys {
    let keys = bytes
        .iter()
        .map(|byte| crate::config::SealingKey::from_bytes([*byte; 32]));
    SealingKeys::new(&keys.collect::<Vec<_>>()).expect("keys")
}

/// Processes over one database.
struct House {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::TempDir::new_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self {
            folder: folder.expect("a folder"),
            clock: Arc::new(ManualClock::at(START)),
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("doorward.db")
    }

    /// A process with these sealing keys. It has heard what there is, and has made nothing.
    async fn process(&self, sealing: &[u8]) -> Signing {
        let store = open(&self.path(), ring(sealing)).await;
        let signing = Signing::new(Arc::new(store), self.clock.clone());
        signing.poll().await.expect("news");
        signing
    }

    fn advance(&self, by: time::Duration) {
        self.clock.advance(by.unsigned_abs());
    }
}

async fn open(path: &Path, sealing: SealingKeys) -> SqliteStore {
    SqliteStore::open(path, sealing, Arc::new(SeededRandom::new(1)))
        .await
        .expect("a store")
}

async fn turn(signing: &Signing, rules: SigningRules) {
    signing.poll().await.expect("news");
    signing.turn(&[(acme(), rules)]).await;
}

fn rules(algorithm: SigningAlgorithm) -> SigningRules {
    SigningRules {
        algorithm,
        ..SigningRules::default()
    }
}

fn claims(now: OffsetDateTime, life: time::Duration) -> Value {
    json!({ "iss": "https://login.example", "sub": "ana", "exp": (now + life).unix_timestamp() })
}

fn token(signing: &Signing, clock: &ManualClock) -> String {
    let claims = claims(clock.now(), LONGEST_TOKEN);
    signing.sign(&acme(), &claims, "at+jwt").expect("signed")
}

/// What somebody who has fetched `key_set` says of `token`. There is nothing of ours in the verification.
fn verifies(key_set: &Value, token: &str) -> bool {
    let header = JoseHeader::peek(token).expect("a header");
    let set: jsonwebtoken::jwk::JwkSet =
        serde_json::from_value(key_set.clone()).expect("a key set");
    let Some(key) = set.find(header.kid().expect("a kid")) else {
        return false;
    };
    let key = jsonwebtoken::DecodingKey::from_jwk(key).expect("a key");
    let algorithm = header.algorithm().as_str().parse().expect("an algorithm");
    let mut validation = jsonwebtoken::Validation::new(algorithm);
    validation.validate_exp = false;
    jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok()
}

#[tokio::test]
async fn the_first_key_is_made_once_and_signs_at_once() {
    let house = House::new();
    for algorithm in EVERY_ALGORITHM {
        let house = House {
            folder: House::new().folder,
            clock: Arc::clone(&house.clock),
        };
        let (one, two) = (house.process(&[7]).await, house.process(&[7]).await);
        assert_eq!(
            one.sign(&acme(), &claims(START, LONGEST_TOKEN), "JWT"),
            Err(NotSigned::NoKey)
        );
        assert_eq!(one.key_set(&acme()), Err(NoKeySet));
        tokio::join!(turn(&one, rules(algorithm)), turn(&two, rules(algorithm)));
        two.poll().await.expect("news");
        one.poll().await.expect("news");
        let token = token(&one, &house.clock);
        assert!(verifies(&two.key_set(&acme()).expect("keys"), &token));
        assert_eq!(one.schedules(&acme()).len(), 1);
        assert_eq!(one.schedules(&acme()), two.schedules(&acme()));
        assert_eq!(one.algorithms(&acme()), [algorithm]);
        let header = JoseHeader::peek(&token).expect("a header");
        assert_eq!(header.typ(), Some("at+jwt"));
        assert!(KeySet::parse(two.key_set(&acme()).expect("keys").to_string().as_bytes()).is_ok());
    }
}

#[tokio::test]
async fn a36_the_key_set_has_public_members_only_and_the_store_no_open_key() {
    let house = House::new();
    for (number, algorithm) in EVERY_ALGORITHM.into_iter().enumerate() {
        let tenant: TenantId = format!("t{number}").parse().expect("a name");
        let signing = house.process(&[7]).await;
        signing.turn(&[(tenant.clone(), rules(algorithm))]).await;
        let set = signing.key_set(&tenant).expect("keys");
        let names = set["keys"][0].as_object().expect("a key").keys();
        for name in names {
            let public = ["alg", "crv", "e", "kid", "kty", "n", "use", "x", "y"];
            assert!(public.contains(&name.as_str()), "{name}");
        }
        let stored = signing.store.signing_keys().await.expect("read");
        let key = stored
            .iter()
            .find(|key| key.tenant == tenant)
            .expect("a key");
        let secret: &SecretString = key.private.as_ref().expect("it opens");
        let secret = secrecy::ExposeSecret::expose_secret(secret);
        for name in ["doorward.db", "doorward.db-wal"] {
            let file = std::fs::read(house.folder.path().join(name)).expect("a file");
            let found = file
                .windows(40)
                .any(|part| part == &secret.as_bytes()[..40]);
            assert!(!found, "{name}");
        }
        assert!(!format!("{signing:?}{key:?}").contains(secret));
    }
}

/// 400 days, two processes, each token looked at by somebody with an old and somebody with a new key set.
#[tokio::test]
async fn no_verification_fails_in_400_days() {
    let house = House::new();
    let mut one = house.process(&[7]).await;
    let two = house.process(&[7]).await;
    let mut good: Vec<(OffsetDateTime, String)> = Vec::new();
    let mut signers = std::collections::HashSet::new();
    let mut round = 0;
    turn(&one, rules(SigningAlgorithm::Es256)).await;
    while house.clock.now() < START + time::Duration::days(400) {
        // The algorithm changes now and then, and operators have wishes.
        let rules = rules(EVERY_ALGORITHM[usize::from(round % 90 > 60) * 2]);
        turn(if round % 2 == 0 { &one } else { &two }, rules).await;
        if round % 37 == 5 {
            one.turn_one(&acme(), rules, Occasion::Asked)
                .await
                .expect("turned");
        }
        // The other one has heard of it five minutes ago, and then its store went away.
        one.poll().await.expect("news");
        let fetched = one.key_set(&acme()).expect("keys");
        house.advance(KEY_SET_STALENESS + KEY_SET_MAX_AGE);
        one.poll().await.expect("news");
        two.poll().await.expect("news");
        let now = house.clock.now();
        for signing in [&one, &two] {
            let token = token(signing, &house.clock);
            signers.insert(
                JoseHeader::peek(&token)
                    .expect("a header")
                    .kid()
                    .map(str::to_owned),
            );
            good.push((now + LONGEST_TOKEN, token));
        }
        good.retain(|(until, _)| now <= *until);
        let fresh = two.key_set(&acme()).expect("keys");
        for (_, token) in &good {
            assert!(
                verifies(&fetched, token),
                "with the set of before, at {now}"
            );
            assert!(verifies(&fresh, token), "with the set of now, at {now}");
        }
        if round % 50 == 0 {
            one = house.process(&[7]).await;
        }
        house.advance(time::Duration::minutes(311 + round * 53 % 700));
        round += 1;
    }
    assert!(signers.len() >= 14, "{}", signers.len());
    assert!(one.schedules(&acme()).len() <= 4);
}

#[tokio::test]
async fn a_new_key_signs_nowhere_before_it_is_shown_everywhere() {
    let house = House::new();
    let (one, two) = (house.process(&[7]).await, house.process(&[7]).await);
    let rules = rules(SigningAlgorithm::Es256);
    turn(&one, rules).await;
    two.poll().await.expect("news");
    one.turn_one(&acme(), rules, Occasion::Asked)
        .await
        .expect("turned");
    let next = one.schedules(&acme())[1].clone();
    assert_eq!(next.phase(house.clock.now()), Phase::Published);
    assert!(
        one.key_set(&acme())
            .expect("keys")
            .to_string()
            .contains(&*next.kid)
    );
    // The other process hears nothing, and goes on showing what it knows for as long as that can be right.
    let before = two.key_set(&acme()).expect("keys");
    house.advance(KEY_SET_STALENESS - time::Duration::seconds(1));
    assert_eq!(two.key_set(&acme()), Ok(before.clone()));
    house.advance(KEY_SET_MAX_AGE);
    assert_eq!(two.key_set(&acme()), Err(NoKeySet));
    one.poll().await.expect("news");
    let last = token(&one, &house.clock);
    assert!(
        verifies(&before, &last),
        "it signs with the key that everybody knows"
    );
    house.advance(AHEAD);
    one.poll().await.expect("news");
    let header = JoseHeader::peek(&token(&one, &house.clock))
        .expect("a header")
        .kid()
        .map(str::to_owned);
    assert_eq!(header.as_deref(), Some(&*next.kid));
}

#[tokio::test]
async fn a_leaked_key_is_gone_everywhere_at_once() {
    let house = House::new();
    let (one, two) = (house.process(&[7]).await, house.process(&[7]).await);
    let rules = rules(SigningAlgorithm::EdDsa);
    turn(&one, rules).await;
    two.poll().await.expect("news");
    let leaked = token(&two, &house.clock);
    one.turn_one(&acme(), rules, Occasion::Leaked)
        .await
        .expect("turned");
    two.poll().await.expect("news");
    for signing in [&one, &two] {
        let set = signing.key_set(&acme()).expect("keys");
        assert!(!verifies(&set, &leaked));
        assert!(verifies(&set, &token(signing, &house.clock)));
    }
    house.clock.step_to(START - time::Duration::DAY);
    assert!(!verifies(&two.key_set(&acme()).expect("keys"), &leaked));
}

#[tokio::test]
async fn a41_without_news_nothing_is_signed() {
    let house = House::new();
    let signing = house.process(&[7]).await;
    turn(&signing, rules(SigningAlgorithm::Es256)).await;
    house.clock.advance(Duration::from_millis(4_999));
    token(&signing, &house.clock);
    house.clock.advance(Duration::from_millis(1));
    let claims = claims(house.clock.now(), LONGEST_TOKEN);
    assert_eq!(
        signing.sign(&acme(), &claims, "JWT"),
        Err(NotSigned::NoNews)
    );
    signing.poll().await.expect("news");
    assert!(signing.sign(&acme(), &claims, "JWT").is_ok());
}

#[tokio::test]
async fn a_token_that_outlives_its_key_is_not_signed() {
    let house = House::new();
    let signing = house.process(&[7]).await;
    turn(&signing, rules(SigningAlgorithm::Es256)).await;
    let too_long = claims(START, LONGEST_TOKEN + time::Duration::SECOND);
    for claims in [
        too_long,
        json!({}),
        json!({ "exp": "never" }),
        json!({ "exp": 1e300 }),
    ] {
        assert_eq!(
            signing.sign(&acme(), &claims, "JWT"),
            Err(NotSigned::Endless),
            "{claims}"
        );
    }
}

#[tokio::test]
async fn keys_open_with_any_sealing_key_of_the_ring_and_are_never_overwritten() {
    let house = House::new();
    let rules = rules(SigningAlgorithm::Es256);
    turn(&house.process(&[1]).await, rules).await;
    let first = house.process(&[2, 1]).await;
    turn(&first, rules).await;
    let token_before = token(&first, &house.clock);

    let wrong = house.process(&[2]).await;
    turn(&wrong, rules).await;
    let claims = claims(house.clock.now(), LONGEST_TOKEN);
    assert_eq!(
        wrong.sign(&acme(), &claims, "JWT"),
        Err(NotSigned::Unopened)
    );
    // What was signed before still verifies, and the key is still there.
    assert!(verifies(
        &wrong.key_set(&acme()).expect("keys"),
        &token_before
    ));
    let again = house.process(&[1]).await;
    assert!(again.sign(&acme(), &claims, "JWT").is_ok());
    assert_eq!(again.schedules(&acme()).len(), 1);

    // The operator, who has lost the sealing key, makes another.
    wrong
        .turn_one(&acme(), rules, Occasion::Leaked)
        .await
        .expect("turned");
    assert!(wrong.sign(&acme(), &claims, "JWT").is_ok());
}

#[tokio::test]
async fn a_sealing_key_that_is_put_back_is_noticed() {
    let house = House::new();
    turn(&house.process(&[1]).await, rules(SigningAlgorithm::Es256)).await;
    let sealing = ring(&[2]);
    let store = open(&house.path(), sealing.clone()).await;
    let signing = Signing::new(Arc::new(store), house.clock.clone());
    signing.poll().await.expect("news");
    let claims = claims(START, LONGEST_TOKEN);
    assert_eq!(
        signing.sign(&acme(), &claims, "JWT"),
        Err(NotSigned::Unopened)
    );
    let keys = [2, 1].map(|byte| crate::config::SealingKey::from_bytes([byte; 32]));
    sealing.replace(&keys).expect("keys");
    signing.poll().await.expect("news");
    assert!(signing.sign(&acme(), &claims, "JWT").is_ok());
}
