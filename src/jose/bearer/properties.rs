//! What holds for every token, drawn at random.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::testing::*;
use super::*;

/// Any JSON, with what attackers are fond of.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        (-100_i64..400).prop_map(|seconds| json!(at(seconds))),
        prop_oneof![
            Just(ISSUER.to_owned()),
            Just(AUDIENCE.to_owned()),
            Just("never".to_owned()),
            any::<String>(),
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn any_claims() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "iss",
        "aud",
        "sub",
        "azp",
        "exp",
        "nbf",
        "iat",
        "jti",
        "typ",
        "token_use",
        "events",
        "nonce",
        "cnf",
        "tid",
    ]);
    prop::collection::vec((name, any_json()), 0..4).prop_map(|changes| {
        let mut claims = claims();
        for (name, value) in changes {
            claims[name] = value;
        }
        claims
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_changed_byte_verifies(
        algorithm in prop::sample::select(vec!["RS256", "PS256", "ES256", "ES384", "EdDSA", "HS256"]),
        place in any::<prop::sample::Index>(),
        byte in 0_u8..128,
    ) {
        let token = keys().token(&header(algorithm), &claims());
        let place = place.index(token.len());
        let mut changed = token.clone().into_bytes();
        prop_assume!(changed[place] != byte);
        changed[place] = byte;
        let changed = String::from_utf8(changed).expect("ASCII");
        prop_assert!(verify(&changed, &trusted(algorithm)).is_err(), "{changed}");
        prop_assert!(verify(&token, &trusted(algorithm)).is_ok());
    }

    #[test]
    fn no_bit_of_a_signature_is_idle(
        algorithm in prop::sample::select(vec!["RS256", "PS384", "ES256", "ES384", "EdDSA", "HS512"]),
        place in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let token = token(&header(algorithm), &claims(), |message| {
            let mut signature = keys().sign(algorithm, message);
            let place = place.index(signature.len());
            signature[place] ^= 1 << bit;
            signature
        });
        prop_assert_eq!(verify(&token, &trusted(algorithm)), Err(TokenRefused::Signature));
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        prop_assert!(verify(&text, &trusted("ES256")).is_err());
    }

    #[test]
    fn no_segments_panic(
        header in prop_oneof![any_json().prop_map(|json| json.to_string()), any::<String>()],
        payload in prop_oneof![any_json().prop_map(|json| json.to_string()), any::<String>()],
        signature in any::<Vec<u8>>(),
    ) {
        let text = format!("{}.{}.{}", encoded(header), encoded(payload), encoded(signature));
        prop_assert!(verify(&text, &trusted("ES256")).is_err());
    }

    #[test]
    fn no_header_panics(changes in prop::collection::btree_map(
        prop::sample::select(vec!["alg", "kid", "typ", "crit", "b64", "jku", "x"]),
        any_json(),
        0..4,
    )) {
        let mut header = header("ES256");
        for (name, value) in changes {
            header[name] = value;
        }
        let token = token(&header, &claims(), |message| keys().sign("ES256", message));
        if verify(&token, &trusted("ES256")).is_ok() {
            prop_assert_eq!(&header["alg"], "ES256");
            prop_assert!(["crit", "b64", "jku"].iter().all(|name| header.get(name).is_none()));
        }
    }

    /// Whatever an issuer signs: what is accepted is for us, from them, and in its time.
    #[test]
    fn no_claims_panic_and_what_is_accepted_is_good(claims in any_claims(), kind in prop::sample::select(vec![
        TokenKind::Access, TokenKind::AccessWithNonce, TokenKind::Identity, TokenKind::Attestation,
    ])) {
        let rules = TrustedIssuer { kind, ..trusted("ES256") };
        let token = keys().token(&header("ES256"), &claims);
        if let Ok(verified) = verify(&token, &rules) {
            prop_assert_eq!(verified.issuer(), Some(ISSUER));
            let audience = &claims["aud"];
            prop_assert!(
                audience == AUDIENCE
                    || audience.as_array().is_some_and(|all| all.contains(&json!(AUDIENCE)))
            );
            let time = |name: &str| claims.get(name).map(|value| value.as_f64().expect("a number"));
            #[expect(clippy::cast_precision_loss, reason = "seconds fit")]
            let now = at(0) as f64;
            prop_assert!(time("exp").expect("an end") > now - 60.0);
            prop_assert!(time("nbf").is_none_or(|at| at <= now + 60.0));
            prop_assert!(time("iat").is_none_or(|at| at <= now + 60.0));
            prop_assert!(claims.get("cnf").is_none() && claims.get("events").is_none());
        }
    }
}
