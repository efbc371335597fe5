//! What somebody could send in place of a good token.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use rstest::rstest;

use super::*;
use crate::support::provider::{Endpoint, Trouble};

fn at_hand() -> String {
    format!(
        "issuer = \"https://issuer.example\"\naudiences = [\"orders\"]\n{}",
        keys()
    )
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer.example", "aud": "orders", "sub": "ana", "exp": NOW + 300, "iat": NOW, "jti": "j-1",
    })
}

fn part(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

fn good_header() -> Value {
    json!({"alg": "RS256", "kid": signer().kid(), "typ": "JWT"})
}

/// The signer signs whatever header it is given.
fn with_header(changes: Value) -> String {
    let header = with(&good_header(), changes);
    signer()
        .sign_with_header(&header, &claims())
        .expect("signed")
}

fn keyed(secret: &[u8], algorithm: &str) -> String {
    let header = json!({"alg": algorithm, "kid": signer().kid()});
    let message = format!("{}.{}", part(&header), part(&claims()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

#[rstest]
#[case::missing(json!({"aud": null}))]
#[case::another(json!({"aud": "invoices"}))]
#[case::part_of_it(json!({"aud": "order"}))]
#[case::more_than_it(json!({"aud": "orders2"}))]
#[case::other_case(json!({"aud": "Orders"}))]
#[case::object(json!({"aud": {"orders": true}}))]
#[case::list_with_a_number(json!({"aud": ["orders", 1]}))]
#[case::empty_list(json!({"aud": []}))]
#[case::issuer_with_slash(json!({"iss": "https://issuer.example/"}))]
#[case::issuer_in_capitals(json!({"iss": "https://Issuer.example"}))]
#[case::issuer_as_list(json!({"iss": ["https://issuer.example"]}))]
#[case::no_issuer(json!({"iss": null}))]
#[tokio::test]
async fn a16_loose_audience_and_issuer(#[case] changes: Value) {
    let broker = trusting(&at_hand()).await;
    assert_eq!(
        shown(&broker, &signed(&claims())).await,
        StatusCode::ACCEPTED
    );
    let token = signed(&with(&claims(), changes));
    assert_eq!(shown(&broker, &token).await, StatusCode::UNAUTHORIZED);
}

/// What one tenant, app or snapshot has accepted says nothing to another.
#[tokio::test]
async fn a17_t09_a_remembered_token_belongs_to_one_app_of_one_tenant() {
    let other = format!(
        r#"
[[tenants.apps]]
id = "invoices"
hosts = ["invoices.acme.localhost:{{port}}"]
accept = ["bearer"]
issuers = ["other"]
allow = {{ signed_in = true }}

[[tenants]]
id = "globex"
[[tenants.providers]]
id = "main"
preset = "oidc"
issuer = "{{issuer}}"
client_id = "{{client_id}}"
client_secret = {{ env = "CLIENT_SECRET" }}
[[tenants.trusted_issuers]]
id = "it"
issuer = "https://issuer.example"
audiences = ["globex"]
{keys}
[[tenants.apps]]
id = "api"
hosts = ["api.globex.localhost:{{port}}"]
accept = ["bearer"]
allow = {{ signed_in = true }}
"#,
        keys = keys()
    );
    let issuers = format!(
        "[[tenants.trusted_issuers]]\nid = \"it\"\n{}\n\
         [[tenants.trusted_issuers]]\nid = \"other\"\n{}",
        at_hand(),
        at_hand().replace("\"orders\"", "\"invoices\"")
    );
    let broker = broker(&(configuration(&issuers, BEARER) + &other)).await;
    let authorization = format!("Bearer {}", signed(&claims()));
    let shown = [("authorization", &*authorization)];
    for _ in 0..2 {
        for (host, expected) in [
            (API, StatusCode::ACCEPTED),
            ("invoices.acme.localhost", StatusCode::UNAUTHORIZED),
            ("api.globex.localhost", StatusCode::UNAUTHORIZED),
        ] {
            let (status, _) = ask_at(&broker, host, "/", &shown).await;
            assert_eq!(status, expected, "{host}");
        }
    }
    // Another snapshot, in which it is not accepted any more.
    broker.edit(|text| text.replacen("audiences = [\"orders\"]", "audiences = [\"none\"]", 1));
    broker.reload().await.expect("reloaded");
    let (status, _) = ask(&broker, &shown).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a17_t16_a_remembered_token_ends_when_it_expires() {
    let broker = trusting(&at_hand()).await;
    let token = signed(&claims());
    assert_eq!(shown(&broker, &token).await, StatusCode::ACCEPTED);
    broker.advance(Duration::from_secs(299)).await;
    assert_eq!(shown(&broker, &token).await, StatusCode::ACCEPTED);
    // Remembered no longer, and judged anew with the skew that clocks may have.
    broker.advance(Duration::from_secs(60)).await;
    assert_eq!(shown(&broker, &token).await, StatusCode::ACCEPTED);
    broker.advance(Duration::from_secs(2)).await;
    assert_eq!(shown(&broker, &token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a18_algorithm_confusion_through_the_whole_check() {
    let broker = trusting(&at_hand()).await;
    let jwk = signer().public_jwk();
    let modulus = jwk["n"].as_str().expect("a modulus");
    let der = BASE64_URL_SAFE_NO_PAD.decode(modulus).expect("bytes");
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        BASE64_STANDARD.encode(&der)
    );
    let text = jwk.to_string();
    let mut tokens: Vec<String> = Vec::new();
    for secret in [
        pem.as_bytes(),
        pem.trim().as_bytes(),
        &der,
        text.as_bytes(),
        modulus.as_bytes(),
    ] {
        tokens.push(keyed(secret, "HS256"));
        // Called what is pinned.
        tokens.push(keyed(secret, "RS256"));
    }
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let message = format!("{}.{}", part(&json!({"alg": none})), part(&claims()));
        tokens.push(format!("{message}."));
        tokens.push(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode("x")));
    }
    for algorithm in ["RS384", "PS256", "ES256", "EdDSA"] {
        tokens.push(with_header(json!({"alg": algorithm})));
    }
    for token in tokens {
        assert_eq!(
            shown(&broker, &token).await,
            StatusCode::UNAUTHORIZED,
            "{token}"
        );
    }
    assert_eq!(
        shown(&broker, &signed(&claims())).await,
        StatusCode::ACCEPTED
    );
}

#[rstest]
#[case::expiry_as_text(json!({"exp": "never"}), false)]
#[case::expiry_as_digits(json!({"exp": "1800000300"}), false)]
#[case::no_expiry(json!({"exp": null}), false)]
#[case::huge(json!({"exp": 1e300}), false)]
#[case::negative(json!({"exp": -1}), false)]
#[case::fraction(json!({"exp": 1_800_000_300.5}), true)]
#[case::over(json!({"exp": NOW - 61}), false)]
#[case::within_the_skew(json!({"exp": NOW - 59}), true)]
#[case::not_yet(json!({"nbf": NOW + 61}), false)]
#[case::not_yet_as_text(json!({"nbf": "soon"}), false)]
#[tokio::test]
async fn a19_t16_a_malformed_time_is_not_an_absent_one(
    #[case] changes: Value,
    #[case] expected: bool,
) {
    let broker = trusting(&at_hand()).await;
    let token = signed(&with(&claims(), changes));
    assert_eq!(
        shown(&broker, &token).await == StatusCode::ACCEPTED,
        expected
    );
}

#[rstest]
#[case::a20_crit(json!({"crit": ["exp"]}))]
#[case::a20_unencoded(json!({"b64": false, "crit": ["b64"]}))]
#[case::a21_jku(json!({"jku": "http://127.0.0.1:1/keys"}))]
#[case::a21_x5u(json!({"x5u": "http://127.0.0.1:1/keys"}))]
#[case::a21_jwk(json!({"jwk": {"kty": "oct", "k": "AAAA"}}))]
#[case::a21_x5c(json!({"x5c": ["AAAA"]}))]
#[case::logout_token(json!({"typ": "logout+jwt"}))]
#[tokio::test]
async fn a20_a21_headers_that_lead_astray(#[case] changes: Value) {
    let broker = trusting(&at_hand()).await;
    let token = with_header(changes);
    assert_eq!(shown(&broker, &token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a22_a23_t15_what_costs_much_is_refused_unread() {
    let broker = trusting(&at_hand()).await;
    let jwe = format!(
        "{}.AAAA.AAAA.AAAA.AAAA",
        part(&json!({"alg": "PBES2-HS256+A128KW", "p2c": 100_000_000, "enc": "A128GCM"}))
    );
    let nested = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let deep = format!(
        "{}.{}.AAAA",
        part(&good_header()),
        BASE64_URL_SAFE_NO_PAD.encode(format!(
            "{{\"iss\":\"https://issuer.example\",\"a\":{nested}}}"
        ))
    );
    let dots = ".".repeat(30_000);
    for token in [jwe, deep, dots, "a".repeat(30_000)] {
        let status = shown(&broker, &token);
        let status = tokio::time::timeout(Duration::from_secs(2), status).await;
        let status = status.expect("at once");
        assert!(status.is_client_error(), "{status}");
    }
    assert_eq!(
        shown(&broker, &signed(&claims())).await,
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn a24_a_truncated_or_extended_token_is_none() {
    let broker = trusting(&at_hand()).await;
    let token = signed(&claims());
    for length in (0..token.len()).step_by(17) {
        let status = shown(&broker, &token[..length]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{length}");
    }
    for more in ["A", "=", ".", ".e30"] {
        let status = shown(&broker, &format!("{token}{more}")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{more}");
    }
}

/// A thousand keys that nobody has: one fetch, and people go on signing in.
#[tokio::test]
async fn t05_kid_flood() {
    let broker = trusting("issuer = \"{issuer}\"\naudiences = [\"orders\"]").await;
    let good = broker
        .provider
        .token(json!({"aud": "orders", "sub": "ana"}));
    assert_eq!(shown(&broker, &good).await, StatusCode::ACCEPTED);
    let before = broker.provider.count(Endpoint::Jwks);
    let issuer = broker.provider.base().to_owned();
    for number in 0..1_000 {
        let header = json!({"alg": "RS256", "kid": format!("k-{number}")});
        let claims = with(&claims(), json!({"iss": issuer}));
        let token = signer().sign_with_header(&header, &claims).expect("signed");
        assert_eq!(shown(&broker, &token).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(broker.provider.count(Endpoint::Jwks) - before, 1);
    // The login's account is its own.
    broker.provider.rotate();
    let token = broker
        .provider
        .token(json!({"aud": "orders", "sub": "ana"}));
    assert_eq!(shown(&broker, &token).await, StatusCode::UNAUTHORIZED);
    let issuer = format!(
        "[[tenants.trusted_issuers]]\nid = \"it\"\nissuer = \"{issuer}\"\naudiences = [\"orders\"]"
    );
    broker.edit(|text| {
        text.replace(
            "accept = [\"bearer\"]",
            "accept = [\"bearer\", \"session\"]",
        )
        .replace("issuer-not-there", &issuer)
    });
    broker.reload().await.expect("reloaded");
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, API, "/").await;
    let page = broker.check(&browser, "GET", API, "/").await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
}

/// Two tenants name one issuer, each with keys of its own.
#[tokio::test]
async fn t02_t27_keys_are_a_tenants_own() {
    let theirs = Signer::generate(SigningAlgorithm::Rs256).expect("a key");
    let their_keys = json!({ "keys": [theirs.public_jwk()] });
    let other = format!(
        r#"
[[tenants]]
id = "globex"
[[tenants.providers]]
id = "main"
preset = "oidc"
issuer = "{{issuer}}"
client_id = "{{client_id}}"
client_secret = {{ env = "CLIENT_SECRET" }}
[[tenants.trusted_issuers]]
id = "it"
issuer = "https://issuer.example"
audiences = ["orders"]
keys = '{their_keys}'
[[tenants.apps]]
id = "api"
hosts = ["api.globex.localhost:{{port}}"]
accept = ["bearer"]
allow = {{ signed_in = true }}
"#
    );
    let issuers = format!("[[tenants.trusted_issuers]]\nid = \"it\"\n{}", at_hand());
    let broker = broker(&(configuration(&issuers, BEARER) + &other)).await;
    let ours = signed(&claims());
    let theirs = theirs.sign(&claims(), "JWT").expect("signed");
    for (host, token, expected) in [
        (API, &ours, true),
        (API, &theirs, false),
        ("api.globex.localhost", &theirs, true),
        ("api.globex.localhost", &ours, false),
    ] {
        let authorization = format!("Bearer {token}");
        let (status, _) = ask_at(&broker, host, "/", &[("authorization", &authorization)]).await;
        assert_eq!(status == StatusCode::ACCEPTED, expected, "{host}");
    }
}

/// The reason is for the log; of the token nothing is there.
#[tokio::test]
async fn t17_a_refused_token_is_in_no_answer_and_no_log() {
    let broker = trusting(&at_hand()).await;
    let token = signed(&with(
        &claims(),
        json!({"aud": "canary-audience", "sub": "canary-subject"}),
    ));
    let authorization = format!("Bearer {token}");
    let (status, headers) = ask(&broker, &[("authorization", &authorization)]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(!format!("{headers:?}").contains("canary"));
    let signature = token.rsplit('.').next().expect("three parts");
    for line in crate::support::audit::everything_here() {
        let line = format!("{line:?}");
        assert!(!line.contains(signature), "{line}");
        assert!(!line.contains("canary"), "{line}");
    }
}

/// Whoever holds the keys back calls nothing bad.
#[tokio::test]
async fn a41_t04_hostile_key_sets_let_nobody_in() {
    for trouble in [
        Trouble::Huge(300_000),
        Trouble::Status(500),
        Trouble::Text("[".into()),
    ] {
        let broker = trusting("issuer = \"{issuer}\"\naudiences = [\"orders\"]").await;
        broker.provider.trouble(Endpoint::Jwks, trouble.clone());
        let token = broker
            .provider
            .token(json!({"aud": "orders", "sub": "ana"}));
        let status = shown(&broker, &token).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{trouble:?}");
    }
}
