//! Tokens that are sent to an API, as the large issuers make them, held against the rules that an operator would
//! write for each: what is accepted, and what somebody could send in its place.
//!
//! The library alone, by its public interface: no broker, and keys that were written down. Each case is one fault in
//! a token that is good otherwise.

#![expect(
    clippy::unnecessary_wraps,
    reason = "what is expected of a case reads alike, whether it is refused or not"
)]

mod microsoft;
mod people;
mod programs;
mod secrets;

use std::sync::{Arc, OnceLock};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward::domain::claims::ClaimPath;
use doorward::domain::ids::Issuer;
use doorward::jose::{
    AnyOf, ClaimDemand, Issuers, KeySet, KeySets, SignatureAlgorithm, Signer, SigningAlgorithm,
    TokenKind, TokenRefused, TokenVerifier, TrustedIssuer, TrustedKeys, TypRule, UnverifiedToken,
    VerifiedToken,
};
use doorward::outbound::FetchCounts;
use doorward::ports::ManualClock;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

/// A minute after the tokens here were issued (`iat` 1800000000).
const NOW: OffsetDateTime = datetime!(2027-01-15 08:01 UTC);

/// The key of whichever issuer is asked about.
fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| Signer::generate(SigningAlgorithm::Rs256).expect("a key"))
}

/// Access tokens of one issuer, signed with RS256 by [`signer`], for `audiences`; `typ` is not demanded, because
/// none of these issuers writes `at+jwt` unless it is asked to.
fn access_tokens(issuer: &str, audiences: &[&str]) -> TrustedIssuer {
    let keys = published(&[signer().public_jwk().clone()]);
    let mut rules = TrustedIssuer::of_access_tokens(Issuer::new(issuer), keys, audiences);
    rules.typ = TypRule::NotDemanded;
    rules
}

/// ID tokens that are used as bearers, likewise.
fn id_tokens(issuers: &[&str], audiences: &[&str]) -> TrustedIssuer {
    let mut rules = access_tokens("", audiences);
    rules.issuers = Issuers::OneOf(issuers.iter().map(|each| Issuer::new(each)).collect());
    rules.kind = TokenKind::Identity;
    rules
}

/// A key set for RS256.
fn published(keys: &[Value]) -> TrustedKeys {
    TrustedKeys::Inline {
        algorithm: SignatureAlgorithm::Rs256,
        keys: KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("a key set"),
    }
}

fn any_of(claim: &str, values: &[&str]) -> AnyOf {
    AnyOf {
        claim: ClaimPath::new(claim),
        values: values.iter().map(|value| (*value).into()).collect(),
    }
}

fn is(claim: &str, value: impl Into<Value>) -> ClaimDemand {
    ClaimDemand::Is {
        claim: ClaimPath::new(claim),
        value: value.into(),
    }
}

fn one_of(claim: &str, values: &[&str]) -> ClaimDemand {
    ClaimDemand::OneOf {
        claim: ClaimPath::new(claim),
        values: values.iter().map(|value| json!(value)).collect(),
    }
}

fn present(claim: &str) -> ClaimDemand {
    ClaimDemand::Present(ClaimPath::new(claim))
}

fn absent(claim: &str) -> ClaimDemand {
    ClaimDemand::Absent(ClaimPath::new(claim))
}

/// `claims` with these members; null takes one away.
fn with(mut claims: Value, changes: Value) -> Value {
    let members = claims.as_object_mut().expect("an object");
    let Value::Object(changes) = changes else {
        panic!("no object: {changes}");
    };
    for (name, change) in changes {
        if change.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, change);
        }
    }
    claims
}

/// A token of the issuer's, with the header that nearly all of them write.
fn signed(claims: &Value) -> String {
    signer().sign(claims, "JWT").expect("signed")
}

/// A token that is signed with a secret.
fn keyed(secret: &[u8], header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

/// A token that nobody signed, as emulators make them.
fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.",
        part(&json!({"alg": "none", "typ": "JWT"})),
        part(claims)
    )
}

/// The whole way of a token.
async fn verified(token: &str, rules: &TrustedIssuer) -> Result<VerifiedToken, TokenRefused> {
    let clock = Arc::new(ManualClock::at(NOW));
    let key_sets = KeySets::new(clock.clone(), Arc::new(FetchCounts::default()));
    let verifier = TokenVerifier::new(Arc::new(key_sets), clock);
    verifier.verify(UnverifiedToken::read(token)?, rules).await
}

/// Why a token of the issuer's with these claims is refused; none when it is accepted.
async fn refusal(claims: &Value, rules: &TrustedIssuer) -> Option<TokenRefused> {
    verified(&signed(claims), rules).await.err()
}

/// Nothing wrong.
const ACCEPTED: Option<TokenRefused> = None;

fn of_another_issuer(named: &str) -> Option<TokenRefused> {
    // As a line of the log shows it.
    Some(TokenRefused::Issuer(
        named.chars().take(64).collect::<String>().into(),
    ))
}

fn for_others() -> Option<TokenRefused> {
    Some(TokenRefused::Audience("/aud".into()))
}

fn of_another_client(claim: &str) -> Option<TokenRefused> {
    Some(TokenRefused::Client(claim.into()))
}

fn not_as_demanded(claim: &str) -> Option<TokenRefused> {
    Some(TokenRefused::Claim(claim.into()))
}

fn of_another_kind(claim: &'static str) -> Option<TokenRefused> {
    Some(TokenRefused::Kind(claim))
}
