//! LINE and Approov: tokens that are signed with a secret.

use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::BASE64_STANDARD;
use doorward::jose::{HmacAlgorithm, SecretRefused, SharedSecret, SharedSecrets};
use rstest::rstest;

use super::*;

const CHANNEL_SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn secrets(secret: &[u8]) -> TrustedKeys {
    let secrets = SharedSecrets::new(HmacAlgorithm::Hs256).with(secret, None);
    TrustedKeys::Shared(secrets.expect("a secret"))
}

fn line() -> TrustedIssuer {
    let mut rules = id_tokens(&["https://access.line.me"], &["1234567890"]);
    rules.keys = secrets(CHANNEL_SECRET);
    rules
}

fn line_token() -> Value {
    json!({
        "iss": "https://access.line.me", "sub": "U1234567890abcdef1234567890abcdef", "aud": "1234567890",
        "iat": 1_800_000_000, "exp": 1_800_003_600, "amr": ["linesso"], "name": "Ada Example",
    })
}

/// What people could take for a key of LINE's: the texts of a public key, as somebody else's provider publishes it.
fn texts_of_a_public_key() -> Vec<Vec<u8>> {
    let key = signer().public_jwk();
    let member = |name: &str| key[name].as_str().expect("text").to_owned();
    let modulus = BASE64_URL_SAFE_NO_PAD
        .decode(member("n"))
        .expect("base64url");
    vec![
        key.to_string().into_bytes(),
        json!({"keys": [key]}).to_string().into_bytes(),
        member("n").into_bytes(),
        modulus,
    ]
}

fn header(algorithm: &str) -> Value {
    json!({"alg": algorithm, "typ": "JWT"})
}

#[tokio::test]
async fn p13_14_line_only_the_secret_signs() {
    let token = keyed(CHANNEL_SECRET, &header("HS256"), &line_token());
    assert_eq!(verified(&token, &line()).await.err(), ACCEPTED);
    let for_another = with(line_token(), json!({"aud": "999"}));
    let token = keyed(CHANNEL_SECRET, &header("HS256"), &for_another);
    assert_eq!(verified(&token, &line()).await.err(), for_others());
}

/// `RS256` in the header, the secret in the place of a key.
#[tokio::test]
async fn p13_14_line_a_token_for_rs256_signed_with_the_secret() {
    let token = keyed(CHANNEL_SECRET, &header("RS256"), &line_token());
    let refused = verified(&token, &line()).await.err();
    let algorithm = Some(TokenRefused::Algorithm {
        pinned: "HS256",
        found: "RS256",
    });
    assert_eq!(refused, algorithm);
    // Where RS256 is right, the secret is none of the keys.
    let mut published = line();
    published.keys = super::published(&[signer().public_jwk().clone()]);
    let refused = verified(&token, &published).await.err();
    assert_eq!(refused, Some(TokenRefused::Signature));
}

/// `HS256` in the header, the text of a public key in the place of the secret.
#[tokio::test]
async fn p13_14_line_a_token_signed_with_the_text_of_a_public_key() {
    let mut published = line();
    published.keys = super::published(&[signer().public_jwk().clone()]);
    for text in texts_of_a_public_key() {
        let token = keyed(&text, &header("HS256"), &line_token());
        let refused = verified(&token, &line()).await.err();
        assert_eq!(refused, Some(TokenRefused::Signature));
        let refused = verified(&token, &published).await.err();
        let algorithm = Some(TokenRefused::Algorithm {
            pinned: "RS256",
            found: "HS256",
        });
        assert_eq!(refused, algorithm);
    }
    // An operator who takes a published key for the secret is told so.
    for text in texts_of_a_public_key().iter().take(2) {
        let refused = SharedSecret::new(HmacAlgorithm::Hs256, text, None);
        assert_eq!(refused.expect_err("refused"), SecretRefused::Key);
    }
}

/// As it stands in the account: to be decoded before use.
const ACCOUNT_SECRET: &str =
    "c2VjcmV0IG9mIGFuIGFjY291bnQsIHdoaWNoIGlzIGxvbmcgZW5vdWdoIGZvciBIUzI1Ng==";
const AUTHORIZATION: &[u8] = b"Bearer users-own-token";

fn decoded() -> Vec<u8> {
    BASE64_STANDARD.decode(ACCOUNT_SECRET).expect("base64")
}

fn approov() -> TrustedIssuer {
    let mut rules = access_tokens("", &[]);
    rules.issuers = Issuers::Unnamed(vec![Issuer::new("acme.approov.io")]);
    rules.keys = secrets(&decoded());
    rules.kind = TokenKind::Attestation;
    rules.audience = None;
    rules
}

fn attestation() -> Value {
    let bound = BASE64_STANDARD.encode(digest(&SHA256, AUTHORIZATION));
    json!({
        "exp": 1_800_000_300.5, "iat": 1_800_000_000, "ip": "203.0.113.7", "did": "ZGV2aWNlLWlkLWV4YW1wbGU=",
        "pay": bound, "iss": "acme.approov.io", "sub": "approov|ZGV2aWNlLWlkLWV4YW1wbGU=",
    })
}

fn attested(claims: &Value) -> String {
    keyed(&decoded(), &header("HS256"), claims)
}

#[rstest]
#[case::it_is_good(json!({}), ACCEPTED)]
#[case::without_issuer(json!({"iss": null}), ACCEPTED)]
#[case::an_empty_audience(json!({"aud": ""}), ACCEPTED)]
#[case::another_account(json!({"iss": "other.approov.io"}), of_another_issuer("other.approov.io"))]
#[case::without_end(json!({"exp": null}), Some(TokenRefused::Time("exp")))]
#[case::an_end_in_text(json!({"exp": "1800000300.5"}), Some(TokenRefused::Time("exp")))]
#[case::within_the_skew(json!({"exp": 1_800_000_000.5}), ACCEPTED)]
#[case::half_a_second_too_late(json!({"exp": 1_799_999_999.5}), Some(TokenRefused::Expired))]
#[tokio::test]
async fn p13_15_approov_attestations(
    #[case] changes: Value,
    #[case] expected: Option<TokenRefused>,
) {
    let token = attested(&with(attestation(), changes));
    assert_eq!(verified(&token, &approov()).await.err(), expected);
}

/// A fraction of a second is kept: the end is neither a second earlier nor later.
#[tokio::test]
async fn p13_15_approov_a_fraction_of_a_second_counts() {
    let verified = verified(&attested(&attestation()), &approov()).await;
    let end = verified.expect("verified").expires_at().expect("an end");
    assert_eq!(end, datetime!(2027-01-15 08:05:00.5 UTC));
}

/// The secret is handed out as base64; its text is another secret.
#[tokio::test]
async fn p13_15_approov_a_secret_that_was_not_decoded() {
    let mut rules = approov();
    rules.keys = secrets(ACCOUNT_SECRET.as_bytes());
    let refused = verified(&attested(&attestation()), &rules).await.err();
    assert_eq!(refused, Some(TokenRefused::Signature));
    let by_its_text = keyed(ACCOUNT_SECRET.as_bytes(), &header("HS256"), &attestation());
    let refused = verified(&by_its_text, &approov()).await.err();
    assert_eq!(refused, Some(TokenRefused::Signature));
}

#[tokio::test]
async fn p13_15_approov_is_bound_to_one_header() {
    let verified = verified(&attested(&attestation()), &approov()).await;
    let verified = verified.expect("verified");
    let pay = ClaimPath::new("pay");
    assert!(verified.is_bound_to(&pay, AUTHORIZATION));
    // Of somebody else; without its scheme; none at all.
    for other in [b"Bearer other-token".as_slice(), b"users-own-token", b""] {
        assert!(!verified.is_bound_to(&pay, other));
    }
    let unbound = attested(&with(attestation(), json!({"pay": null})));
    let unbound = super::verified(&unbound, &approov())
        .await
        .expect("verified");
    assert!(!unbound.is_bound_to(&pay, AUTHORIZATION));
}

/// In `Authorization` it would stand for a person: the rules for those know no secret, and no nameless issuer.
#[tokio::test]
async fn p13_15_approov_an_attestation_is_no_access_token() {
    let rules = access_tokens("acme.approov.io", &["https://api.acme.example"]);
    let refused = verified(&attested(&attestation()), &rules).await.err();
    let algorithm = Some(TokenRefused::Algorithm {
        pinned: "RS256",
        found: "HS256",
    });
    assert_eq!(refused, algorithm);
    // The same by an account whose attestations are signed with a key.
    assert_eq!(refusal(&attestation(), &rules).await, for_others());
}
