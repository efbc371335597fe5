//! What attackers and broken issuers send, as tables. Each case is one fault in a token that is good otherwise;
//! `a_good_token_is_verified` shows that it is.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use rstest::rstest;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::testing::*;
use super::*;
use crate::domain::claims::ClaimPath;
use crate::domain::ids::Issuer;
use crate::domain::upstream_provider::{KeyIssuer, Reach};
use crate::jose::{HeaderRefused, JoseHeader, KeyRefused, KeySets, SignatureAlgorithm};
use crate::outbound::test_server::{Answer, TestServer, json as answer_json};
use crate::outbound::{Budget, FetchCounts, HttpClients, OutboundSettings, Spending};
use crate::ports::{Clock as _, ManualClock, SecureRandom, SeededRandom, SystemClock};

const ALGORITHMS: [&str; 12] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256",
    "HS384", "HS512",
];

#[test]
fn a_good_token_is_verified() {
    for algorithm in ALGORITHMS {
        let token = keys().token(&header(algorithm), &claims());
        assert_eq!(
            UnverifiedToken::read(&token).expect("a token").issuer(),
            Some(ISSUER)
        );
        let verified = verify(&token, &trusted(algorithm)).expect("verified");
        assert_eq!(verified.claims(), &claims());
        assert_eq!(verified.algorithm(), algorithm);
        assert_eq!(verified.issuer(), Some(ISSUER));
        assert_eq!(verified.subject(), Some("ana"));
        assert_eq!(verified.id(), Some("j-1"));
        assert_eq!(
            verified.expires_at().map(OffsetDateTime::unix_timestamp),
            Some(at(300))
        );
    }
}

#[test]
fn another_library_signs_what_we_verify() {
    let claims = with(claims(), json!({"name": "Ána Ω"}));
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let key = jsonwebtoken::EncodingKey::from_secret(&SECRET);
    let token = jsonwebtoken::encode(&header, &claims, &key).expect("signed");
    let verified = verify(&token, &trusted("HS256")).expect("verified");
    assert_eq!(verified.claims(), &claims);
}

#[test]
fn a18_only_the_pinned_algorithm_verifies() {
    for pinned in ALGORITHMS {
        for found in ALGORITHMS.into_iter().filter(|found| *found != pinned) {
            let token = keys().token(&header(found), &claims());
            let refused = verify(&token, &trusted(pinned)).expect_err("refused");
            assert_eq!(refused, TokenRefused::Algorithm { pinned, found });
        }
    }
}

#[test]
fn a18_a_header_that_lies_about_its_algorithm_is_refused() {
    for pinned in ALGORITHMS {
        for real in ALGORITHMS.into_iter().filter(|real| *real != pinned) {
            let token = token(&header(pinned), &claims(), |message| {
                keys().sign(real, message)
            });
            let refused = verify(&token, &trusted(pinned)).expect_err("refused");
            assert_eq!(refused, TokenRefused::Signature, "{real} as {pinned}");
        }
    }
}

#[test]
fn a18_a_public_key_is_no_secret() {
    for text in keys().rsa_texts() {
        for (algorithm, named) in [
            (hmac::HMAC_SHA256, "HS256"),
            (hmac::HMAC_SHA384, "HS384"),
            (hmac::HMAC_SHA512, "HS512"),
            (hmac::HMAC_SHA256, "RS256"),
        ] {
            let forged = token(&header(named), &claims(), |message| {
                hmac::sign(&hmac::Key::new(algorithm, &text), message)
                    .as_ref()
                    .to_vec()
            });
            for pinned in ["RS256", "PS256", "ES256", "HS256", "HS512"] {
                assert!(
                    verify(&forged, &trusted(pinned)).is_err(),
                    "{named} at {pinned}"
                );
            }
        }
    }
}

#[test]
fn a18_no_secret_is_taken_from_a_key_set() {
    let published = json!({"kty": "oct", "k": encoded(SECRET), "kid": "k1", "alg": "HS256"});
    let mut rules = trusted("RS256");
    rules.keys = TrustedKeys::Inline {
        algorithm: SignatureAlgorithm::Rs256,
        keys: key_set(&[published, keys().public("RS256", "k2")]),
    };
    let token = keys().token(&header("HS256"), &claims());
    let refused = verify(&token, &rules).expect_err("refused");
    assert!(matches!(refused, TokenRefused::Algorithm { .. }));
}

#[rstest]
#[case::none("none")]
#[case::none_in_capitals("NONE")]
#[case::none_mixed("nOnE")]
#[case::none_padded("none ")]
#[case::empty("")]
#[case::lower("rs256")]
#[case::encryption("RSA-OAEP")]
#[case::unknown("ES256K")]
fn a18_an_algorithm_that_there_is_not(#[case] algorithm: &str) {
    for signature in [Vec::new(), keys().sign("RS256", b"x")] {
        let token = token(&header(algorithm), &claims(), |_| signature);
        for pinned in ALGORITHMS {
            assert!(
                matches!(
                    verify(&token, &trusted(pinned)),
                    Err(TokenRefused::Header(HeaderRefused::Algorithm(_)))
                ),
                "{algorithm} at {pinned}"
            );
        }
    }
}

/// The issuer has two keys, and signed with the one of the algorithm that is not pinned.
#[test]
fn a18_the_issuers_other_key_does_not_verify() {
    let mut rules = trusted("RS256");
    rules.keys = TrustedKeys::Inline {
        algorithm: SignatureAlgorithm::Rs256,
        keys: key_set(&[keys().public("RS256", "r"), keys().public("ES256", "e")]),
    };
    let header = |algorithm, kid| json!({"alg": algorithm, "kid": kid});
    let good = keys().token(&header("RS256", "r"), &claims());
    assert!(verify(&good, &rules).is_ok());
    let other = keys().token(&header("ES256", "e"), &claims());
    assert!(matches!(
        verify(&other, &rules),
        Err(TokenRefused::Algorithm { .. })
    ));
    // The name of the one, the signature of the other.
    let crossed = token(&header("RS256", "e"), &claims(), |message| {
        keys().sign("ES256", message)
    });
    assert!(matches!(
        verify(&crossed, &rules),
        Err(TokenRefused::Key(KeyRefused::Unfit(_)))
    ));
}

#[test]
fn a18_a_key_keeps_to_its_own_alg() {
    let mut key = keys().public("RS256", "k1");
    key["alg"] = "PS256".into();
    let mut rules = trusted("RS256");
    rules.keys = TrustedKeys::Inline {
        algorithm: SignatureAlgorithm::Rs256,
        keys: key_set(&[key]),
    };
    let token = keys().token(&header("RS256"), &claims());
    assert!(matches!(
        verify(&token, &rules),
        Err(TokenRefused::Key(KeyRefused::Unfit(_)))
    ));
}

/// Whoever chose the key: it does not verify with another algorithm.
#[test]
fn a18_a_key_verifies_by_its_own_algorithms_only() {
    let mut key = keys().public("RS256", "k1");
    key["alg"] = "RS256".into();
    let set = key_set(&[key]);
    let found = |algorithm: SignatureAlgorithm| {
        let signature = keys().sign(algorithm.as_str(), b"message");
        set.keys()[0].verifies(algorithm, b"message", &signature)
    };
    for algorithm in SignatureAlgorithm::ALL {
        assert_eq!(found(algorithm), algorithm == SignatureAlgorithm::Rs256);
    }
}

#[test]
fn a_foreign_signature_is_refused() {
    for algorithm in &ALGORITHMS[..9] {
        let token = foreign_keys().token(&header(algorithm), &claims());
        let refused = verify(&token, &trusted(algorithm)).expect_err("refused");
        assert_eq!(refused, TokenRefused::Signature);
    }
    let stripped = keys().token(&header("ES256"), &claims());
    let (front, _) = stripped.rsplit_once('.').expect("a signature");
    assert_eq!(
        verify(&format!("{front}."), &trusted("ES256")),
        Err(TokenRefused::Signature)
    );
}

/// What a forged token says is nobody's business: no claim is judged before the signature.
#[test]
fn claims_are_judged_after_the_signature() {
    for changes in [
        json!({"exp": 1}),
        json!({"exp": "never"}),
        json!({"aud": "x"}),
        json!({"cnf": {}}),
        json!({"nonce": "x"}),
        json!({"sub": 1}),
    ] {
        let forged = foreign_keys().token(&header("ES256"), &with(claims(), changes.clone()));
        assert_eq!(
            verify(&forged, &trusted("ES256")),
            Err(TokenRefused::Signature)
        );
        let refused = verify_claims(changes, &trusted("ES256")).expect_err("refused");
        assert_ne!(refused, TokenRefused::Signature);
    }
}

#[rstest]
#[case::missing(json!({"iss": null}), "")]
#[case::slash_missing(json!({"iss": "https://issuer.example"}), "https://issuer.example")]
#[case::longer(json!({"iss": "https://issuer.example/x"}), "https://issuer.example/x")]
#[case::capitals(json!({"iss": "https://ISSUER.example/"}), "https://ISSUER.example/")]
#[case::white_space(json!({"iss": "https://issuer.example/ "}), "https://issuer.example/ ")]
#[case::list(json!({"iss": [ISSUER]}), "")]
#[case::number(json!({"iss": 1}), "")]
#[case::empty(json!({"iss": ""}), "")]
#[case::another(json!({"iss": "https://evil.example/"}), "https://evil.example/")]
fn a16_the_issuer_is_exact(#[case] changes: Value, #[case] shown: &str) {
    assert_eq!(
        verify_claims(changes, &trusted("ES256")),
        Err(TokenRefused::Issuer(shown.into()))
    );
}

#[rstest]
#[case::missing(json!({"aud": null}))]
#[case::part(json!({"aud": "api://order"}))]
#[case::longer(json!({"aud": "api://orders/"}))]
#[case::capitals(json!({"aud": "API://orders"}))]
#[case::in_a_text(json!({"aud": "api://orders https://other.example"}))]
#[case::another(json!({"aud": "https://issuer.example/userinfo"}))]
#[case::empty_list(json!({"aud": []}))]
#[case::list_of_lists(json!({"aud": [[AUDIENCE]]}))]
#[case::list_with_a_number(json!({"aud": [AUDIENCE, 1]}))]
#[case::object(json!({"aud": {"0": AUDIENCE}}))]
#[case::number(json!({"aud": 7}))]
#[case::truth(json!({"aud": true}))]
fn a16_the_audience_is_ours(#[case] changes: Value) {
    assert_eq!(
        verify_claims(changes, &trusted("ES256")),
        Err(TokenRefused::Audience("/aud".into()))
    );
}

/// Cognito's access tokens have `client_id` in place of `aud`; another client of the same pool stays out.
#[test]
fn a16_the_audience_stands_where_the_rules_say() {
    let mut rules = trusted("ES256");
    rules.audience = Some(any_of("client_id", &["one", "two"]));
    let with_client = |client| verify_claims(json!({"aud": null, "client_id": client}), &rules);
    assert!(with_client(json!("two")).is_ok());
    for client in [json!("three"), json!(""), Value::Null, json!(["x"])] {
        assert!(with_client(client).is_err());
    }
    rules.audience = Some(any_of("aud", &[]));
    assert!(
        verify_claims(json!({}), &rules).is_err(),
        "no value admits nobody"
    );
}

#[rstest]
#[case::admitted(json!({"azp": "shop"}), true)]
#[case::missing(json!({"azp": null}), false)]
#[case::another(json!({"azp": "shopp"}), false)]
#[case::list(json!({"azp": ["shop"]}), false)]
fn a16_the_client_is_admitted(#[case] changes: Value, #[case] expected: bool) {
    let mut rules = trusted("ES256");
    rules.party = Some(any_of("azp", &["till", "shop"]));
    assert_eq!(verify_claims(changes, &rules).is_ok(), expected);
}

#[rstest]
#[case::single(json!({"aud": "shop", "azp": null}), true)]
#[case::own(json!({"aud": ["shop"], "azp": "shop"}), true)]
#[case::of_the_app_for_its_server(json!({"aud": "shop", "azp": "till"}), true)]
#[case::several(json!({"aud": ["shop", "till"], "azp": "shop"}), true)]
#[case::several_without_party(json!({"aud": ["shop", "till"], "azp": null}), false)]
#[case::an_audience_that_nobody_knows(json!({"aud": ["shop", "evil"], "azp": "shop"}), false)]
#[case::party_that_nobody_knows(json!({"aud": "shop", "azp": "evil"}), false)]
#[case::party_of_another_shape(json!({"aud": "shop", "azp": ["shop"]}), false)]
fn a16_an_id_token_is_for_us_alone(#[case] changes: Value, #[case] expected: bool) {
    let mut rules = trusted("ES256");
    rules.kind = TokenKind::Identity;
    rules.audience = Some(any_of("aud", &["shop", "till"]));
    assert_eq!(verify_claims(changes, &rules).is_ok(), expected);
}

const A: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
const B: &str = "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee";

fn entra(tenants: Option<&[&str]>) -> TrustedIssuer {
    let mut rules = trusted("ES256");
    rules.issuers = Issuers::Template {
        template: "https://login.example/{tenantid}/v2.0".into(),
        tenant_claim: ClaimPath::new("tid"),
        tenants: tenants.map(|tenants| tenants.iter().map(|each| (*each).into()).collect()),
    };
    rules
}

#[rstest]
#[case::own(A, A, true)]
#[case::of_another_tenant(A, B, false)]
#[case::the_template("{tenantid}", "{tenantid}", false)]
#[case::no_guid("common", "common", false)]
#[case::path("../evil", "../evil", false)]
#[case::not_let_in(B, B, false)]
fn a16_the_tenant_fills_the_issuer(
    #[case] in_issuer: &str,
    #[case] tenant: &str,
    #[case] expected: bool,
) {
    let issuer = format!("https://login.example/{in_issuer}/v2.0");
    let changes = json!({"iss": issuer, "tid": tenant});
    let found = verify_claims(changes.clone(), &entra(Some(&[A])));
    assert_eq!(found.is_ok(), expected);
    let found = verify_claims(changes, &entra(None));
    assert_eq!(found.is_ok(), expected || (in_issuer == B && tenant == B));
}

#[rstest]
#[case::template(Some(json!("https://login.example/{tenantid}/v2.0")), true)]
#[case::own(Some(json!(format!("https://login.example/{A}/v2.0"))), true)]
#[case::of_another_tenant(Some(json!(format!("https://login.example/{B}/v2.0"))), false)]
#[case::of_another_cloud(Some(json!("https://login.other/{tenantid}/v2.0")), false)]
#[case::not_text(Some(json!([A])), false)]
#[case::absent(None, false)]
fn a16_a_key_signs_for_whom_it_names(#[case] named: Option<Value>, #[case] expected: bool) {
    let mut key = keys().public("ES256", "k1");
    if let Some(named) = &named {
        key["issuer"] = named.clone();
    }
    let issuer = format!("https://login.example/{A}/v2.0");
    let single = TrustedIssuer {
        issuers: Issuers::OneOf(vec![Issuer::new(&issuer)]),
        ..trusted("ES256")
    };
    for mut rules in [entra(None), single] {
        rules.keys = TrustedKeys::Inline {
            algorithm: SignatureAlgorithm::Es256,
            keys: key_set(std::slice::from_ref(&key)),
        };
        for (rule, expected) in [
            (KeyIssuer::Required, expected),
            (KeyIssuer::Checked, expected || named.is_none()),
            (KeyIssuer::Ignored, true),
        ] {
            rules.key_issuer = rule;
            let found = verify_claims(json!({"iss": issuer, "tid": A}), &rules);
            assert_eq!(found.is_ok(), expected, "{rule:?}");
        }
    }
}

#[rstest]
#[case::text(json!({"exp": "never"}), Err(TokenRefused::Time("exp")))]
#[case::number_in_text(json!({"exp": "1900000000"}), Err(TokenRefused::Time("exp")))]
#[case::absent(json!({"exp": null}), Err(TokenRefused::Time("exp")))]
#[case::list(json!({"exp": [1_900_000_000]}), Err(TokenRefused::Time("exp")))]
#[case::truth(json!({"exp": true}), Err(TokenRefused::Time("exp")))]
#[case::negative(json!({"exp": -1}), Err(TokenRefused::Time("exp")))]
#[case::huge(json!({"exp": 1e300}), Err(TokenRefused::Time("exp")))]
#[case::largest_number(json!({"exp": u64::MAX}), Err(TokenRefused::Time("exp")))]
#[case::last_second_of_all(json!({"exp": 253_402_300_799_i64}), Ok(()))]
#[case::a_second_later(json!({"exp": 253_402_300_800_i64}), Err(TokenRefused::Time("exp")))]
#[case::zero(json!({"exp": 0}), Err(TokenRefused::Expired))]
#[case::fractional(json!({"exp": at(299), "nbf": 1_800_000_000.5, "iat": 1_800_000_000.25}), Ok(()))]
#[case::fractional_exp(json!({"exp": 1_900_000_000.5}), Ok(()))]
#[case::nbf_text(json!({"nbf": "0"}), Err(TokenRefused::Time("nbf")))]
#[case::nbf_list(json!({"nbf": []}), Err(TokenRefused::Time("nbf")))]
#[case::nbf_huge(json!({"nbf": 1e300}), Err(TokenRefused::Time("nbf")))]
#[case::nbf_absent(json!({"nbf": null}), Ok(()))]
#[case::iat_text(json!({"iat": "now"}), Err(TokenRefused::Time("iat")))]
#[case::iat_object(json!({"iat": {}}), Err(TokenRefused::Time("iat")))]
#[case::iat_absent(json!({"iat": null}), Ok(()))]
fn a19_a_malformed_time_is_never_an_absent_one(
    #[case] changes: Value,
    #[case] expected: Result<(), TokenRefused>,
) {
    let found = verify_claims(changes, &trusted("ES256")).map(drop);
    assert_eq!(found, expected);
}

/// JSON's null is no number, and not the same as nothing.
#[test]
fn a19_null_is_no_time() {
    for name in ["exp", "nbf", "iat"] {
        let mut claims = claims();
        claims[name] = Value::Null;
        let token = keys().token(&header("ES256"), &claims);
        let refused = verify(&token, &trusted("ES256")).expect_err("refused");
        assert_eq!(
            refused.to_string(),
            format!("`{name}` is missing or not a NumericDate")
        );
    }
}

#[test]
fn a19_without_exp_only_where_the_rules_say_so() {
    let mut rules = trusted("ES256");
    rules.times.expiry_required = false;
    let token = verify_claims(json!({"exp": null}), &rules).expect("verified");
    assert_eq!(token.expires_at(), None);
    let refused = verify_claims(json!({"exp": "never"}), &rules).expect_err("refused");
    assert_eq!(refused, TokenRefused::Time("exp"));
}

#[rstest]
#[case::in_the_skew("exp", -59, None)]
#[case::after_it("exp", -60, Some(TokenRefused::Expired))]
#[case::a_second_more("exp", -61, Some(TokenRefused::Expired))]
#[case::soon("nbf", 60, None)]
#[case::too_soon("nbf", 61, Some(TokenRefused::Early("nbf")))]
#[case::issued_soon("iat", 60, None)]
#[case::issued_too_soon("iat", 61, Some(TokenRefused::Early("iat")))]
fn t16_clocks_may_differ_by_a_minute(
    #[case] name: &str,
    #[case] seconds: i64,
    #[case] expected: Option<TokenRefused>,
) {
    let found = verify_claims(json!({name: at(seconds)}), &trusted("ES256"));
    assert_eq!(found.err(), expected);
}

#[test]
fn t16_the_skew_is_configurable_and_never_overflows() {
    let mut rules = trusted("ES256");
    rules.times.skew = Duration::ZERO;
    assert!(verify_claims(json!({"exp": at(0)}), &rules).is_err());
    assert!(verify_claims(json!({"exp": at(1)}), &rules).is_ok());
    assert!(verify_claims(json!({"nbf": at(1)}), &rules).is_err());
    rules.times.skew = Duration::MAX;
    assert!(verify_claims(json!({"exp": 1}), &rules).is_ok());
    rules.times.oldest = Some(Duration::MAX);
    assert!(verify_claims(json!({"exp": 1}), &rules).is_ok());
}

#[test]
fn t16_an_age_can_be_too_high() {
    let mut rules = trusted("ES256");
    rules.times.oldest = Some(Duration::from_mins(5));
    assert!(verify_claims(json!({"iat": at(-360)}), &rules).is_ok());
    assert_eq!(
        verify_claims(json!({"iat": at(-361)}), &rules),
        Err(TokenRefused::Old)
    );
    assert_eq!(
        verify_claims(json!({"iat": null}), &rules),
        Err(TokenRefused::Time("iat"))
    );
}

#[rstest]
#[case::crit(json!({"crit": ["exp"]}), HeaderRefused::Extension("crit"))]
#[case::crit_empty(json!({"crit": []}), HeaderRefused::Extension("crit"))]
#[case::b64(json!({"b64": false}), HeaderRefused::Extension("b64"))]
#[case::b64_with_crit(json!({"b64": false, "crit": ["b64"]}), HeaderRefused::Extension("crit"))]
#[case::zip(json!({"zip": "DEF"}), HeaderRefused::Extension("zip"))]
fn a20_extensions_are_refused(#[case] changes: Value, #[case] reason: HeaderRefused) {
    let token = keys().token(&with(header("ES256"), changes), &claims());
    assert_eq!(verify(&token, &trusted("ES256")), Err(reason.into()));
}

#[tokio::test]
async fn a21_keys_from_the_token_are_refused_without_a_request() {
    let fixture = Fixture::new(&[keys().public("ES256", "k1")]).await;
    let planted = TestServer::start(published(&[foreign_keys().public("ES256", "k1")])).await;
    for (name, value) in [
        ("jku", json!(planted.url("/keys").as_str())),
        ("x5u", json!(planted.url("/certificate").as_str())),
        ("jwk", foreign_keys().public("ES256", "k1")),
        ("x5c", json!(["MIIB"])),
    ] {
        let token = foreign_keys().token(&with(header("ES256"), json!({name: value})), &claims());
        let refused = fixture.verify(&token).await.expect_err("refused");
        assert_eq!(refused, HeaderRefused::EmbeddedKey(name).into());
    }
    assert_eq!((fixture.server.hits(), planted.hits()), (0, 0));
}

/// The quickest of a few: others work on this machine too.
fn quickest(mut work: impl FnMut()) -> Duration {
    let clock = SystemClock::new();
    (0..5)
        .map(|_| {
            let began = clock.monotonic();
            work();
            clock.monotonic().saturating_sub(began)
        })
        .min()
        .expect("five")
}

#[test]
fn a22_an_encrypted_token_is_refused_unread() {
    let bomb = encoded(
        json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": i32::MAX, "zip": "DEF"})
            .to_string(),
    );
    let token = format!("{bomb}.a.b.{}.d", "A".repeat(10_000));
    let took = quickest(|| {
        assert_eq!(
            verify(&token, &trusted("RS256")),
            Err(HeaderRefused::Encrypted.into())
        );
    });
    assert!(took < Duration::from_millis(50), "{took:?}");
}

#[rstest]
#[case::dots(".".repeat(1_000_000), HeaderRefused::TooLong.into())]
#[case::dots_within_the_limit(".".repeat(16 * 1024), HeaderRefused::Malformed.into())]
#[case::long(format!("e30.{}.c2ln", "A".repeat(16 * 1024)), HeaderRefused::TooLong.into())]
#[case::empty(String::new(), HeaderRefused::Malformed.into())]
#[case::opaque("gho_16C7e42F292c6912E7710c838347Ae178B4a".to_owned(), HeaderRefused::Malformed.into())]
#[case::two_parts("e30.e30".to_owned(), HeaderRefused::Malformed.into())]
#[case::four_parts("e30.e30.e30.e30".to_owned(), HeaderRefused::Malformed.into())]
#[case::nested(in_payload(&"[".repeat(100_000)), HeaderRefused::TooLong.into())]
#[case::nested_within_the_limit(in_payload(&"[".repeat(9_000)), TokenRefused::Payload)]
#[case::nested_objects(in_payload(&r#"{"a":"#.repeat(2_000)), TokenRefused::Payload)]
#[case::not_an_object(in_payload("[]"), TokenRefused::Payload)]
#[case::not_json(in_payload("exp=1"), TokenRefused::Payload)]
#[case::two_objects(in_payload("{}{}"), TokenRefused::Payload)]
#[case::not_utf_8(in_payload_bytes(b"{\"a\":\"\xff\"}"), TokenRefused::Payload)]
#[case::number_without_end(in_payload(&format!("{{\"exp\":{}}}", "9".repeat(5_000))), TokenRefused::Payload)]
fn a23_floods_and_rubbish_are_refused(#[case] token: String, #[case] reason: TokenRefused) {
    let took = quickest(|| assert_eq!(verify(&token, &trusted("ES256")), Err(reason.clone())));
    assert!(took < Duration::from_millis(50), "{took:?}");
}

fn in_payload(text: &str) -> String {
    in_payload_bytes(text.as_bytes())
}

/// With a signature that is good, so that nothing else refuses it.
fn in_payload_bytes(payload: &[u8]) -> String {
    let front = format!(
        "{}.{}",
        encoded(header("ES256").to_string()),
        encoded(payload)
    );
    let signature = encoded(keys().sign("ES256", front.as_bytes()));
    format!("{front}.{signature}")
}

#[test]
fn a23_a_limit_can_be_lower() {
    let token = keys().token(&header("ES256"), &claims());
    assert!(UnverifiedToken::read_within(&token, token.len()).is_ok());
    let refused = UnverifiedToken::read_within(&token, token.len() - 1).expect_err("refused");
    assert_eq!(refused, HeaderRefused::TooLong.into());
}

#[rstest]
#[case::thirty_two(31, true)]
#[case::thirty_three(32, false)]
fn t15_claims_are_nested_no_deeper_than_32(#[case] inner: usize, #[case] expected: bool) {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let middle = if open == "[" { "" } else { "1" };
        let deep = format!("{}{middle}{}", open.repeat(inner), close.repeat(inner));
        let claims = claims().to_string();
        let token = in_payload(&format!(
            "{},\"deep\":{deep}}}",
            &claims[..claims.len() - 1]
        ));
        assert_eq!(verify(&token, &trusted("ES256")).is_ok(), expected);
    }
}

#[rstest]
#[case::twice("\"exp\":1900000000,\"exp\":\"never\"")]
#[case::twice_the_same("\"sub\":\"ana\"")]
#[case::in_disguise("\"\\u0061ud\":\"api://orders\"")]
fn a_claim_that_stands_twice_is_refused(#[case] doubled: &str) {
    let claims = claims().to_string();
    let token = in_payload(&format!("{},{doubled}}}", &claims[..claims.len() - 1]));
    assert_eq!(
        verify(&token, &trusted("ES256")),
        Err(TokenRefused::Payload)
    );
}

#[rstest]
#[case::padded(|text: &str| format!("{text}="))]
#[case::white_space(|text: &str| format!("{text} "))]
#[case::line_break(|text: &str| format!("{}\n{}", &text[..8], &text[8..]))]
#[case::standard_alphabet(|text: &str| format!("{}+/{}", &text[..8], &text[10..]))]
fn base64url_is_strict(#[case] change: fn(&str) -> String) {
    let token = keys().token(&header("ES256"), &claims());
    let segments: Vec<_> = token.split('.').collect();
    for changed in 0..3 {
        let mut segments: Vec<_> = segments.iter().map(ToString::to_string).collect();
        segments[changed] = change(&segments[changed]);
        let refused = verify(&segments.join("."), &trusted("ES256")).expect_err("refused");
        let expected = [
            HeaderRefused::Malformed.into(),
            TokenRefused::Payload,
            TokenRefused::SignatureEncoding,
        ];
        assert_eq!(refused, expected[changed]);
    }
}

#[test]
fn a24_every_truncation_and_extension_is_refused() {
    for algorithm in ["RS256", "ES256", "EdDSA", "HS256"] {
        let rules = trusted(algorithm);
        let token = keys().token(&header(algorithm), &claims());
        for length in 0..token.len() {
            assert!(verify(&token[..length], &rules).is_err(), "{length}");
            assert!(
                verify(&token[token.len() - length..], &rules).is_err(),
                "{length}"
            );
        }
        for byte in 0..=127_u8 {
            let byte = char::from(byte);
            assert!(
                verify(&format!("{token}{byte}"), &rules).is_err(),
                "{byte:?}"
            );
            assert!(
                verify(&format!("{byte}{token}"), &rules).is_err(),
                "{byte:?}"
            );
        }
    }
}

#[rstest]
#[case::plain(Some("JWT"), [false, true, false])]
#[case::none(None, [false, true, false])]
#[case::access(Some("at+jwt"), [true, true, false])]
#[case::access_as_a_media_type(Some("application/at+jwt"), [true, true, false])]
#[case::access_in_capitals(Some("AT+JWT"), [true, true, false])]
#[case::named(Some("Okta-Internal-AT+JWT"), [false, false, true])]
#[case::logout(Some("logout+jwt"), [false, false, false])]
#[case::security_event(Some("application/secevent+jwt"), [false, false, false])]
#[case::proof(Some("dpop+jwt"), [false, false, false])]
#[case::request(Some("oauth-authz-req+jwt"), [false, false, false])]
#[case::part(Some("t+jwt"), [false, false, false])]
fn a11_the_type_tells_tokens_apart(#[case] typ: Option<&str>, #[case] expected: [bool; 3]) {
    let token = keys().token(&with(header("ES256"), json!({ "typ": typ })), &claims());
    let rules = [
        TypRule::AccessToken,
        TypRule::NotDemanded,
        TypRule::OneOf(vec!["application/okta-internal-at+jwt".into()]),
    ];
    for (typ, expected) in rules.into_iter().zip(expected) {
        let rules = TrustedIssuer {
            typ,
            ..trusted("ES256")
        };
        let found = verify(&token, &rules);
        assert_eq!(found.is_ok(), expected, "{found:?}");
    }
}

#[rstest]
#[case::id_token(json!({"at_hash": "x"}), [false, false, true, true])]
#[case::of_a_login(json!({"nonce": "x"}), [false, true, true, true])]
#[case::with_a_code(json!({"c_hash": "x"}), [false, false, true, true])]
#[case::logout(json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}), [false; 4])]
#[case::keycloak_access(json!({"typ": "Bearer"}), [true, true, false, true])]
#[case::keycloak_id(json!({"typ": "ID"}), [false, false, true, true])]
#[case::keycloak_refresh(json!({"typ": "Refresh"}), [false; 4])]
#[case::keycloak_offline(json!({"typ": "Offline"}), [false; 4])]
#[case::keycloak_logout(json!({"typ": "Logout"}), [false; 4])]
#[case::of_another_shape(json!({"typ": ["Bearer"]}), [false; 4])]
#[case::cognito_access(json!({"token_use": "access"}), [true, true, false, false])]
#[case::cognito_id(json!({"token_use": "id"}), [false, false, true, false])]
#[case::access_in_an_answer(json!({"token_use": "access_token"}), [true, true, false, false])]
#[case::refresh_in_an_answer(json!({"token_use": "refresh_token"}), [false; 4])]
#[case::refresh_in_short(json!({"token_use": "refresh"}), [false; 4])]
#[case::identity_in_an_answer(json!({"token_use": "id_token"}), [false, false, true, false])]
fn a11_kinds_are_told_apart(#[case] changes: Value, #[case] expected: [bool; 4]) {
    let kinds = [
        TokenKind::Access,
        TokenKind::AccessWithNonce,
        TokenKind::Identity,
        TokenKind::Attestation,
    ];
    for (kind, expected) in kinds.into_iter().zip(expected) {
        let rules = TrustedIssuer {
            kind,
            ..trusted("ES256")
        };
        let changes = with(json!({"aud": AUDIENCE, "azp": AUDIENCE}), changes.clone());
        let found = verify_claims(changes, &rules);
        assert_eq!(found.is_ok(), expected, "{kind:?}: {found:?}");
    }
}

#[rstest]
#[case::certificate(json!({"x5t#S256": "x"}))]
#[case::key(json!({"jkt": "x"}))]
#[case::empty(json!({}))]
#[case::of_another_shape(json!("x"))]
fn a_token_that_is_bound_to_a_key_is_no_plain_bearer(#[case] confirmation: Value) {
    assert_eq!(
        verify_claims(json!({"cnf": confirmation}), &trusted("ES256")),
        Err(TokenRefused::SenderConstrained)
    );
}

#[rstest]
#[case::number("sub", json!(7))]
#[case::list("sub", json!(["ana"]))]
#[case::long("sub", json!("x".repeat(256)))]
#[case::id_number("jti", json!(7))]
#[case::id_long("jti", json!("x".repeat(256)))]
fn a_name_is_text(#[case] name: &'static str, #[case] value: Value) {
    assert_eq!(
        verify_claims(json!({name: value}), &trusted("ES256")),
        Err(TokenRefused::Shape(name))
    );
}

fn at_claim(name: &str) -> ClaimPath {
    ClaimPath::new(name)
}

#[rstest]
#[case::is(ClaimDemand::Is { claim: at_claim("token_use"), value: json!("access") }, json!({"token_use": "access"}), true)]
#[case::is_absent(ClaimDemand::Is { claim: at_claim("token_use"), value: json!("access") }, json!({}), false)]
#[case::is_in_capitals(ClaimDemand::Is { claim: at_claim("tenant"), value: json!("x") }, json!({"tenant": "X"}), false)]
#[case::is_true(ClaimDemand::Is { claim: at_claim("email_verified"), value: json!(true) }, json!({"email_verified": true}), true)]
#[case::is_true_in_text(ClaimDemand::Is { claim: at_claim("email_verified"), value: json!(true) }, json!({"email_verified": "true"}), false)]
#[case::nested(ClaimDemand::Is { claim: at_claim("/firebase/tenant"), value: json!("t") }, json!({"firebase": {"tenant": "t"}}), true)]
#[case::one_of(ClaimDemand::OneOf { claim: at_claim("ver"), values: vec![json!("1.0"), json!("2.0")] }, json!({"ver": "2.0"}), true)]
#[case::none_of(ClaimDemand::OneOf { claim: at_claim("ver"), values: vec![json!("1.0")] }, json!({"ver": "2.0"}), false)]
#[case::none_at_all(ClaimDemand::OneOf { claim: at_claim("ver"), values: vec![] }, json!({"ver": "2.0"}), false)]
#[case::not_among(ClaimDemand::NoneOf { claim: at_claim("tid"), values: vec![json!("personal")] }, json!({"tid": "acme"}), true)]
#[case::among(ClaimDemand::NoneOf { claim: at_claim("tid"), values: vec![json!("personal")] }, json!({"tid": "personal"}), false)]
#[case::among_nothing(ClaimDemand::NoneOf { claim: at_claim("tid"), values: vec![json!("personal")] }, json!({}), false)]
#[case::among_null(ClaimDemand::NoneOf { claim: at_claim("tid"), values: vec![json!("personal")] }, json!({"tid": null}), false)]
#[case::b2c_policy(ClaimDemand::OneOfInAnyCase { claim: at_claim("tfp"), values: vec!["B2C_1_signin".into()] }, json!({"tfp": "b2c_1_SignIn"}), true)]
#[case::b2c_other_policy(ClaimDemand::OneOfInAnyCase { claim: at_claim("tfp"), values: vec!["B2C_1_signin".into()] }, json!({"tfp": "b2c_1_reset"}), false)]
#[case::present(ClaimDemand::Present(at_claim("scp")), json!({"scp": "read"}), true)]
#[case::blank(ClaimDemand::Present(at_claim("scp")), json!({"scp": " "}), false)]
#[case::empty(ClaimDemand::Present(at_claim("roles")), json!({"roles": []}), false)]
#[case::missing(ClaimDemand::Present(at_claim("scp")), json!({}), false)]
#[case::one_present(ClaimDemand::AnyPresent(vec![at_claim("scp"), at_claim("roles")]), json!({"roles": ["r"]}), true)]
#[case::none_present(ClaimDemand::AnyPresent(vec![at_claim("scp"), at_claim("roles")]), json!({"roles": []}), false)]
#[case::absent(ClaimDemand::Absent(at_claim("acct")), json!({}), true)]
#[case::not_absent(ClaimDemand::Absent(at_claim("acct")), json!({"acct": 0}), false)]
#[case::past(ClaimDemand::Past(at_claim("auth_time")), json!({"auth_time": at(60)}), true)]
#[case::future(ClaimDemand::Past(at_claim("auth_time")), json!({"auth_time": at(61)}), false)]
#[case::past_missing(ClaimDemand::Past(at_claim("auth_time")), json!({}), false)]
#[case::past_in_text(ClaimDemand::Past(at_claim("auth_time")), json!({"auth_time": "1"}), false)]
fn a_demand_is_met_or_the_token_refused(
    #[case] demand: ClaimDemand,
    #[case] changes: Value,
    #[case] expected: bool,
) {
    let rules = TrustedIssuer {
        claims: vec![demand],
        ..trusted("ES256")
    };
    let found = verify_claims(changes, &rules);
    assert_eq!(found.is_ok(), expected, "{found:?}");
}

#[test]
fn a_claim_that_is_null_is_not_absent() {
    let mut claims = claims();
    claims["acct"] = Value::Null;
    let rules = TrustedIssuer {
        claims: vec![ClaimDemand::Absent(at_claim("acct"))],
        ..trusted("ES256")
    };
    let token = keys().token(&header("ES256"), &claims);
    assert_eq!(
        verify(&token, &rules),
        Err(TokenRefused::Claim("/acct".into()))
    );
}

/// What an attestation service sends: no issuer, a fractional time, a binding to another header.
fn attestation() -> (TrustedIssuer, Value) {
    let rules = TrustedIssuer {
        issuers: Issuers::Unnamed(vec![Issuer::new("acme.approov.io")]),
        kind: TokenKind::Attestation,
        audience: None,
        ..trusted("HS256")
    };
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"Bearer abc");
    let bound = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, digest);
    (
        rules,
        json!({"exp": 1_800_000_300.5, "did": "d", "pay": bound}),
    )
}

#[test]
fn a19_an_attestation_needs_its_end() {
    let (rules, claims) = attestation();
    let sign = |claims: &Value| keys().token(&json!({"alg": "HS256", "typ": "JWT"}), claims);
    assert!(verify(&sign(&claims), &rules).is_ok());
    let named = with(claims.clone(), json!({"iss": "acme.approov.io"}));
    assert!(verify(&sign(&named), &rules).is_ok());
    for (changes, reason) in [
        (json!({"exp": null}), TokenRefused::Time("exp")),
        (
            json!({"iss": "evil.approov.io"}),
            TokenRefused::Issuer("evil.approov.io".into()),
        ),
        (json!({"iss": 1}), TokenRefused::Issuer("".into())),
    ] {
        let token = sign(&with(claims.clone(), changes));
        assert_eq!(verify(&token, &rules), Err(reason));
    }
}

/// Compared whole, and in constant time.
#[test]
fn a43_a_binding_fits_one_value_only() {
    let (rules, claims) = attestation();
    let claim = ClaimPath::new("pay");
    let verified = |claims: &Value| {
        let token = keys().token(&json!({"alg": "HS256"}), claims);
        verify(&token, &rules).expect("verified")
    };
    let token = verified(&claims);
    assert!(token.is_bound_to(&claim, b"Bearer abc"));
    for other in ["Bearer abd", "abc", "Bearer abc ", "bearer abc", ""] {
        assert!(!token.is_bound_to(&claim, other.as_bytes()), "{other}");
    }
    assert!(!token.is_bound_to(&ClaimPath::new("did"), b"Bearer abc"));
    let digest = claims["pay"].as_str().expect("a text");
    for pay in [
        json!(digest[..digest.len() - 1]),
        json!(""),
        json!([digest]),
        Value::Null,
    ] {
        let token = verified(&with(claims.clone(), json!({"pay": pay})));
        assert!(!token.is_bound_to(&claim, b"Bearer abc"));
    }
}

/// A digest is compared whole: no part of it, nothing longer, no byte of it changed.
#[test]
fn a43_a_shared_secret_signs_the_whole_digest() {
    for algorithm in ["HS256", "HS384", "HS512"] {
        let rules = trusted(algorithm);
        let signed = keys().token(&header(algorithm), &claims());
        let (front, _) = signed.rsplit_once('.').expect("a signature");
        let digest = keys().sign(algorithm, front.as_bytes());
        for length in 0..digest.len() {
            let cut = format!("{front}.{}", encoded(&digest[..length]));
            assert_eq!(verify(&cut, &rules), Err(TokenRefused::Signature));
            let mut changed = digest.clone();
            changed[length] ^= 1;
            let changed = format!("{front}.{}", encoded(changed));
            assert_eq!(verify(&changed, &rules), Err(TokenRefused::Signature));
        }
        let longer = format!("{front}.{}", encoded([digest, vec![0]].concat()));
        assert_eq!(verify(&longer, &rules), Err(TokenRefused::Signature));
    }
}

#[test]
fn a36_nothing_of_a_token_is_printed() {
    let canary = "canary".repeat(20);
    let changes = json!({"iss": ISSUER, "sub": canary, "canary": canary});
    let token = keys().token(&header("ES256"), &with(claims(), changes.clone()));
    assert!(!format!("{:?}", UnverifiedToken::read(&token)).contains("canary"));
    let verified = verify(&token, &trusted("ES256")).expect("verified");
    assert!(!format!("{verified:?}").contains("canary"));
    let hostile = json!({"iss": format!("\u{1b}[2J\r\n{}", "x".repeat(4_000))});
    let refused = verify_claims(hostile, &trusted("ES256"))
        .expect_err("refused")
        .to_string();
    assert!(
        refused.len() < 200 && !refused.chars().any(char::is_control),
        "{refused}"
    );
}

#[test]
fn a_caller_learns_nothing_but_two_words() {
    for changes in [
        json!({"iss": "x"}),
        json!({"exp": 1}),
        json!({"aud": "x"}),
        json!({"cnf": {}}),
    ] {
        let refused = verify_claims(changes, &trusted("ES256")).expect_err("refused");
        assert_eq!(refused.answer().error(), Some("invalid_token"));
    }
}

/// An issuer whose keys are published, and our verifier.
struct Fixture {
    server: TestServer,
    clock: Arc<ManualClock>,
    key_sets: Arc<KeySets>,
    verifier: TokenVerifier,
    rules: TrustedIssuer,
}

fn published(keys: &[Value]) -> Answer {
    answer_json(
        &json!({ "keys": keys }).to_string(),
        "cache-control: max-age=86400\r\n",
    )
}

impl Fixture {
    async fn new(keys: &[Value]) -> Self {
        let server = TestServer::start(published(keys)).await;
        let clock = Arc::new(ManualClock::at(NOW));
        let key_sets = Arc::new(KeySets::new(
            clock.clone(),
            Arc::new(FetchCounts::default()),
        ));
        let clients = HttpClients::new(OutboundSettings {
            development: true,
            ..OutboundSettings::default()
        });
        let mut rules = trusted("ES256");
        rules.keys = TrustedKeys::Published {
            algorithm: SignatureAlgorithm::Es256,
            address: server.url("/keys"),
            client: clients.for_reach(&Reach::default()).expect("a client"),
            tenant: "acme".parse().expect("a name"),
            cool_down: Duration::from_secs(30),
        };
        Self {
            verifier: TokenVerifier::new(key_sets.clone(), clock.clone()),
            server,
            clock,
            key_sets,
            rules,
        }
    }

    async fn verify(&self, token: &str) -> Result<VerifiedToken, TokenRefused> {
        let token = UnverifiedToken::read(token)?;
        self.verifier.verify(token, &self.rules).await
    }

    /// Of another tenant that trusts the same address.
    fn at_tenant(&self, name: &str) -> TrustedIssuer {
        let mut rules = self.rules.clone();
        if let TrustedKeys::Published { tenant, .. } = &mut rules.keys {
            *tenant = name.parse().expect("a name");
        }
        rules
    }

    async fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.key_sets.tick();
        self.key_sets.settled().await;
    }
}

fn signed_by(signer: &Keys, kid: Option<&str>) -> String {
    let header = with(header("ES256"), json!({ "kid": kid }));
    let claims = with(claims(), json!({"exp": at(90_000)}));
    signer.token(&header, &claims)
}

#[tokio::test]
async fn a_published_key_verifies_and_is_fetched_once() {
    let fixture = Fixture::new(&[keys().public("ES256", "k1")]).await;
    for _ in 0..10 {
        assert!(fixture.verify(&signed_by(keys(), Some("k1"))).await.is_ok());
    }
    assert_eq!(fixture.server.hits(), 1);
}

#[tokio::test]
async fn nothing_is_fetched_for_a_token_that_no_key_could_save() {
    let fixture = Fixture::new(&[keys().public("ES256", "k1")]).await;
    let foreign = with(claims(), json!({"iss": "https://evil.example/"}));
    for token in [
        keys().token(&header("RS256"), &claims()),
        keys().token(&header("HS256"), &claims()),
        keys().token(&header("ES256"), &foreign),
        keys().token(
            &with(header("ES256"), json!({"typ": "logout+jwt"})),
            &claims(),
        ),
    ] {
        assert!(fixture.verify(&token).await.is_err());
    }
    assert_eq!(fixture.server.hits(), 0);
}

#[tokio::test]
async fn t05_kid_flood() {
    let fixture = Fixture::new(&[keys().public("ES256", "k1")]).await;
    assert!(fixture.verify(&signed_by(keys(), Some("k1"))).await.is_ok());
    let random: Arc<dyn SecureRandom> = Arc::new(SeededRandom::new(5));
    for answer in [published(&[keys().public("ES256", "k1")]), Answer::Hangup] {
        // Twice: the first flood's last token makes a fetch at the end of the cool-down, and begins another.
        fixture.pass(31).await;
        fixture.pass(31).await;
        fixture.server.answer(answer);
        let before = fixture.server.hits();
        for _ in 0..1_000 {
            let kid = format!("{:x?}", random.array::<8>());
            let refused = fixture.verify(&signed_by(foreign_keys(), Some(&kid))).await;
            let refused = refused.expect_err("refused");
            // The first one has the keys asked for; the others come too soon after it.
            assert!(matches!(
                refused,
                TokenRefused::Key(
                    KeyRefused::UnknownKid(_) | KeyRefused::TooSoon(_) | KeyRefused::NotRenewed(..)
                )
            ));
        }
        assert_eq!(fixture.server.hits() - before, 1);
        assert!(
            fixture.verify(&signed_by(keys(), Some("k1"))).await.is_ok(),
            "kept"
        );
    }
}

/// Bad signatures under a known name force no more than unknown names do.
#[tokio::test]
async fn t05_a_flood_of_bad_signatures() {
    let fixture = Fixture::new(&[keys().public("ES256", "k1")]).await;
    for _ in 0..100 {
        for kid in [Some("k1"), None] {
            let refused = fixture.verify(&signed_by(foreign_keys(), kid)).await;
            assert_eq!(refused, Err(TokenRefused::Signature));
        }
    }
    assert_eq!(fixture.server.hits(), 2);
}

#[tokio::test]
async fn t05_flooding_bearers_leave_a_login_its_new_key() {
    let fixture = Fixture::new(&[keys().public("ES256", "old")]).await;
    for number in 0..10 {
        let kid = format!("flood{number}");
        let flood = signed_by(foreign_keys(), Some(&kid));
        assert!(fixture.verify(&flood).await.is_err());
    }
    fixture
        .server
        .answer(published(&[keys().public("ES256", "new")]));
    let token = signed_by(keys(), Some("new"));
    assert!(fixture.verify(&token).await.is_err(), "bearers wait");
    let TrustedKeys::Published {
        algorithm,
        address,
        client,
        tenant,
        cool_down,
    } = &fixture.rules.keys
    else {
        panic!("published")
    };
    let login = Spending {
        tenant: tenant.clone(),
        budget: Budget::TokenEndpoint,
        cool_down: *cool_down,
    };
    let header = JoseHeader::peek(&token).expect("a header");
    let found = fixture
        .key_sets
        .keys_for(address, client, &header, *algorithm, &login)
        .await;
    assert!(found.is_ok(), "logins do not");
}

#[tokio::test]
async fn t27_a_tenants_flood_does_not_spend_anothers_refetch() {
    let fixture = Fixture::new(&[keys().public("ES256", "old")]).await;
    for number in 0..10 {
        let kid = format!("flood{number}");
        assert!(
            fixture
                .verify(&signed_by(foreign_keys(), Some(&kid)))
                .await
                .is_err()
        );
    }
    fixture
        .server
        .answer(published(&[keys().public("ES256", "new")]));
    let token = signed_by(keys(), Some("new"));
    assert!(fixture.verify(&token).await.is_err(), "this tenant waits");
    let other = fixture.at_tenant("beta");
    let unverified = UnverifiedToken::read(&token).expect("a token");
    assert!(fixture.verifier.verify(unverified, &other).await.is_ok());
}

#[tokio::test]
async fn t27_a_tenant_with_keys_of_its_own_verifies_nothing_elsewhere() {
    let honest = Fixture::new(&[keys().public("ES256", "k1")]).await;
    let evil = Fixture::new(&[foreign_keys().public("ES256", "k1")]).await;
    // One cache for both, one name for both.
    let forged = signed_by(foreign_keys(), Some("k1"));
    let read = |text| UnverifiedToken::read(text).expect("a token");
    assert!(
        honest
            .verifier
            .verify(read(&forged), &evil.rules)
            .await
            .is_ok()
    );
    assert_eq!(
        honest.verifier.verify(read(&forged), &honest.rules).await,
        Err(TokenRefused::Signature)
    );
    assert!(honest.verify(&signed_by(keys(), Some("k1"))).await.is_ok());
}

#[tokio::test]
async fn t04_rotation_is_seen_at_the_first_token_and_a_broken_set_changes_nothing() {
    let fixture = Fixture::new(&[foreign_keys().public("ES256", "old")]).await;
    assert!(
        fixture
            .verify(&signed_by(foreign_keys(), Some("old")))
            .await
            .is_ok()
    );
    fixture.server.answer(published(&[
        keys().public("ES256", "new"),
        json!({"kty": "oct", "k": encoded(SECRET), "kid": "shared"}),
        json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "broken"}),
    ]));
    assert!(
        fixture
            .verify(&signed_by(keys(), Some("new")))
            .await
            .is_ok()
    );
    for broken in [
        answer_json("<html>", ""),
        answer_json("{\"keys\":[]}", ""),
        answer_json(&format!("{{\"keys\":[{}]}}", " ".repeat(256 * 1024)), ""),
        Answer::Hangup,
        Answer::Flood,
    ] {
        fixture.pass(31).await;
        fixture.server.answer(broken);
        let hits = fixture.server.hits();
        assert!(
            fixture
                .verify(&signed_by(keys(), Some("other")))
                .await
                .is_err()
        );
        assert_eq!(fixture.server.hits(), hits + 1, "asked");
        assert!(
            fixture
                .verify(&signed_by(keys(), Some("new")))
                .await
                .is_ok(),
            "kept"
        );
    }
}

/// A new key under the old name, and one without a name.
#[tokio::test]
async fn t04_a_new_key_under_an_old_name_is_found() {
    for kid in [Some("k1"), None] {
        let fixture = Fixture::new(&[foreign_keys().public("ES256", "k1")]).await;
        assert!(
            fixture
                .verify(&signed_by(foreign_keys(), kid))
                .await
                .is_ok()
        );
        fixture
            .server
            .answer(published(&[keys().public("ES256", "k1")]));
        assert!(fixture.verify(&signed_by(keys(), kid)).await.is_ok());
        assert_eq!(
            fixture.verify(&signed_by(foreign_keys(), kid)).await,
            Err(TokenRefused::Signature)
        );
    }
}

/// An issuer that was never reached: nothing is known about the token, and the caller is not told that it is bad.
#[tokio::test]
async fn a41_without_keys_no_token_is_let_in_nor_called_bad() {
    let fixture = Fixture::new(&[]).await;
    fixture.server.answer(Answer::Hangup);
    let refused = fixture.verify(&signed_by(keys(), Some("k1"))).await;
    let refused = refused.expect_err("refused");
    assert!(
        matches!(refused, TokenRefused::KeysUnavailable(_)),
        "{refused:?}"
    );
    assert_eq!(refused.answer(), BearerAnswer::Unavailable);
    assert_eq!(refused.answer().error(), None);
}
