//! `private_key_jwt` (RFC 7523 §2.2, §3).

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use doorward::jose::{Signer, SigningAlgorithm};
use doorward::ports::Clock as _;
use http::Response;
use rstest::rstest;
use serde_json::{Value, json};

use super::{AT_ACME, AT_GLOBEX, access_token, error, post, verified, with};
use crate::support::broker::{Broker, CONFIGURATION};
use crate::support::nodes::{ACME, Node};
use crate::support::provider::{Endpoint as At, Fault, IdTokenFault, Trouble};
use crate::support::raw;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn signer() -> Signer {
    Signer::generate(SigningAlgorithm::Es256).expect("a key")
}

fn machine(id: &str, signer: &Signer) -> String {
    let keys = json!({ "keys": [signer.public_jwk()] });
    format!(
        "[[tenants.machine_clients]]\nid = \"{id}\"\njwks = '{keys}'\naudiences = [\"https://api.example.com\"]\n"
    )
}

/// What `robot` says, with some of it changed; null: left out.
fn claims(broker: &Broker, changed: &Value) -> Value {
    let now = broker.clock.now().unix_timestamp();
    let mut claims = json!({
        "iss": "robot",
        "sub": "robot",
        "aud": broker.url(ACME, ""),
        "jti": "one",
        "iat": now,
        "exp": now + 60,
    });
    // The addresses of a test's broker are not known before it runs.
    let changed = changed.to_string().replace("{acme}", &broker.url(ACME, ""));
    let changed: Value = serde_json::from_str(&changed).expect("JSON");
    for (name, value) in changed.as_object().expect("an object") {
        let members = claims.as_object_mut().expect("an object");
        match value {
            Value::Null => drop(members.remove(name)),
            Value::Number(seconds) if name == "exp" || name == "nbf" || name == "iat" => {
                members.insert(
                    name.clone(),
                    json!(now + seconds.as_i64().expect("seconds")),
                );
            }
            other => drop(members.insert(name.clone(), other.clone())),
        }
    }
    claims
}

async fn ask_at(
    broker: &Broker,
    at: (&str, &str),
    token: &str,
    more: &[(&str, &str)],
) -> Response<Bytes> {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", token),
    ];
    post(broker, at, "/token", &[], &[&form, more].concat()).await
}

async fn ask(broker: &Broker, token: &str) -> Response<Bytes> {
    ask_at(broker, AT_ACME, token, &[]).await
}

#[rstest]
#[case::for_the_issuer(json!({}))]
#[case::for_the_endpoint(json!({ "aud": "{acme}/token" }))]
#[case::five_minutes(json!({ "exp": 300 }))]
#[case::clocks_differ(json!({ "exp": -30, "nbf": 30 }))]
#[tokio::test]
async fn a_signed_assertion_admits(#[case] changed: Value) {
    let signer = signer();
    let broker = with(&machine("robot", &signer)).await;
    let token = signer
        .sign(&claims(&broker, &changed), "JWT")
        .expect("signed");
    let answer = ask_at(&broker, AT_ACME, &token, &[("client_id", "robot")]).await;
    let claims = verified(&broker, AT_ACME, &access_token(&answer)).await;
    assert_eq!(claims["sub"], "robot");
}

#[rstest]
#[case::of_another(json!({ "iss": "other", "sub": "other" }))]
#[case::issuer_is_another(json!({ "iss": "report" }))]
#[case::subject_is_another(json!({ "sub": "report" }))]
#[case::no_subject(json!({ "sub": null }))]
#[case::no_issuer(json!({ "iss": null }))]
#[case::no_audience(json!({ "aud": null }))]
#[case::a15_for_another_server(json!({ "aud": "https://elsewhere.example" }))]
#[case::a15_for_a_longer_one(json!({ "aud": "{acme}/" }))]
#[case::a15_for_us_and_another(json!({ "aud": ["{acme}", "https://elsewhere.example"] }))]
#[case::no_end(json!({ "exp": null }))]
#[case::a_word_for_an_end(json!({ "exp": "never" }))]
#[case::over(json!({ "exp": -61 }))]
#[case::too_long(json!({ "exp": 361 }))]
#[case::not_yet(json!({ "nbf": 61 }))]
#[case::no_name(json!({ "jti": null }))]
#[case::an_empty_name(json!({ "jti": "" }))]
#[case::a_number_for_a_name(json!({ "jti": 7 }))]
#[case::a_logout_token(json!({ "events": {} }))]
#[tokio::test]
async fn an_assertion_that_does_not_hold_is_refused(#[case] changed: Value) {
    let signer = signer();
    let broker = with(&machine("robot", &signer)).await;
    let token = signer
        .sign(&claims(&broker, &changed), "JWT")
        .expect("signed");
    assert_eq!(
        error(&ask(&broker, &token).await),
        (401, "invalid_client".to_owned())
    );
}

/// The name beside an assertion is its own (RFC 7521 §4.2).
#[tokio::test]
async fn a11_an_assertion_of_one_admits_no_other() {
    let signer = signer();
    let broker = with(&machine("robot", &signer)).await;
    let token = signer
        .sign(&claims(&broker, &json!({})), "JWT")
        .expect("signed");
    for named in ["report", "Robot", "nobody"] {
        let answer = ask_at(&broker, AT_ACME, &token, &[("client_id", named)]).await;
        assert_eq!(
            error(&answer),
            (401, "invalid_client".to_owned()),
            "{named}"
        );
    }
    assert_eq!(
        ask(&broker, &token).await.status(),
        200,
        "it was not used up"
    );
}

/// A11, A18: other tokens, keys and algorithms.
#[tokio::test]
async fn a11_other_signatures_are_refused() {
    let (signer, stranger) = (signer(), signer());
    let wrong_kind = Signer::generate(SigningAlgorithm::EdDsa).expect("a key");
    let broker = with(&machine("robot", &signer)).await;
    let said = claims(&broker, &json!({}));
    let right = signer.sign(&said, "JWT").expect("signed");
    let (head, signature) = right.rsplit_once('.').expect("three parts");
    let none = r#"{"alg":"none"}"#;
    let tokens = [
        stranger.sign(&said, "JWT").expect("signed"),
        wrong_kind.sign(&said, "JWT").expect("signed"),
        signer.sign(&said, "logout+jwt").expect("signed"),
        signer.sign(&said, "at+jwt").expect("signed"),
        format!("{head}."),
        format!("{head}.{}", &signature[..80]),
        format!(
            "{}.{}.",
            BASE64_URL_SAFE_NO_PAD.encode(none),
            head.split_once('.').expect("two").1
        ),
        "a.b.c".to_owned(),
        ".".repeat(10_000),
    ];
    for token in &tokens {
        assert_eq!(error(&ask(&broker, token).await).0, 401, "{token}");
    }
    // A token of ours is nobody's assertion.
    let ours = access_token(&ask(&broker, &right).await);
    assert_eq!(error(&ask(&broker, &ours).await).0, 401);
}

/// Each is used once, at every process, and after a restart.
#[tokio::test]
async fn an_assertion_is_used_once() {
    let signer = signer();
    let broker = with(&machine("robot", &signer)).await;
    let token = signer
        .sign(&claims(&broker, &json!({ "exp": 120 })), "JWT")
        .expect("signed");
    let authority = format!("{ACME}:{}", broker.address.port());
    let form = format!(
        "grant_type=client_credentials&client_assertion_type={JWT_BEARER}&client_assertion={token}"
    );
    let send = |address: std::net::SocketAddr| {
        let (authority, body) = (authority.clone(), Bytes::from(form.clone()));
        async move {
            let headers = [
                ("host", authority.as_str()),
                ("content-type", "application/x-www-form-urlencoded"),
            ];
            let answer = raw::send(address, http::Method::POST, "/token", &headers, body).await;
            answer.status().as_u16()
        }
    };
    let mut asks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        asks.spawn(send(broker.address));
    }
    let answers = asks.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 19);
    let configuration = std::fs::read_to_string(broker.file()).expect("the file");
    let second = Node::beside_with(&broker, &configuration).await;
    for seconds in [0, 100, 79] {
        broker
            .clock
            .advance(std::time::Duration::from_secs(seconds));
        broker.door.upkeep().await;
        second.broker.door.upkeep().await;
        broker.door.housekeeping().await;
        assert_eq!(send(second.broker.address).await, 401);
    }
}

/// A credential counts at the tenant whose it is.
#[tokio::test]
async fn t27_the_same_name_elsewhere_has_other_keys() {
    let (one, two) = (signer(), signer());
    let machines = CONFIGURATION.matches("[[tenants]]").count();
    assert_eq!(machines, 3);
    let broker = with(&machine("robot", &one)).await;
    broker.edit(|text| {
        let (first, rest) = text.split_once("id = \"globex\"").expect("a tenant");
        let keys = |signer: &Signer| signer.public_jwk()["x"].to_string();
        let other = |signer: &Signer| signer.public_jwk()["y"].to_string();
        let kid = |signer: &Signer| signer.public_jwk()["kid"].to_string();
        let rest = rest
            .replace(&keys(&one), &keys(&two))
            .replace(&other(&one), &other(&two))
            .replace(&kid(&one), &kid(&two));
        format!("{first}id = \"globex\"{rest}")
    });
    broker.reload().await.expect("right");
    let globex = broker.url(AT_GLOBEX.0, AT_GLOBEX.1);
    let said = claims(&broker, &json!({ "aud": globex }));
    let of_acme = one.sign(&said, "JWT").expect("signed");
    let of_globex = two.sign(&said, "JWT").expect("signed");
    assert_eq!(
        ask_at(&broker, AT_GLOBEX, &of_acme, &[]).await.status(),
        401
    );
    assert_eq!(ask(&broker, &of_globex).await.status(), 401);
    assert_eq!(
        ask_at(&broker, AT_GLOBEX, &of_globex, &[]).await.status(),
        200
    );
}

/// A machine that publishes its keys; the test's provider is where they are.
async fn with_published_keys() -> Broker {
    with(
        "[[tenants.machine_clients]]\nid = \"robot\"\njwks_uri = \"{issuer}/jwks\"\nalgorithm = \"RS256\"\naudiences = [\"https://api.example.com\"]\n",
    )
    .await
}

async fn ask_signed(broker: &Broker, jti: &str) -> Response<Bytes> {
    let claims = claims(broker, &json!({ "jti": jti }));
    ask(broker, &broker.provider.token(claims)).await
}

#[tokio::test]
async fn published_keys_are_fetched_once_and_again_when_they_turn() {
    let broker = with_published_keys().await;
    for jti in ["1", "2", "3"] {
        assert_eq!(ask_signed(&broker, jti).await.status(), 200);
    }
    assert_eq!(broker.provider.count(At::Jwks), 1);
    broker.provider.rotate();
    assert_eq!(ask_signed(&broker, "4").await.status(), 200);
    assert_eq!(broker.provider.count(At::Jwks), 2);
    // T5: keys that nobody has are looked for once in the cool-down. Until then it is not known whether they are new.
    broker.provider.set(IdTokenFault::UnknownKid);
    for jti in ["5", "6", "7"] {
        let answer = ask_signed(&broker, jti).await;
        assert_eq!(error(&answer), (503, "temporarily_unavailable".to_owned()));
    }
    assert_eq!(broker.provider.count(At::Jwks), 2);
    broker.provider.unset(IdTokenFault::UnknownKid);
    assert_eq!(ask_signed(&broker, "8").await.status(), 200);
}

/// Whose keys cannot be had is not called a liar, and one that was known stays known.
#[rstest]
#[case::dead(Trouble::HangUp)]
#[case::unwell(Trouble::Status(503))]
#[case::huge(Trouble::Huge(300 * 1024))]
#[case::empty(Trouble::Text(r#"{"keys":[]}"#.into()))]
#[tokio::test]
async fn keys_that_cannot_be_had_are_no_refusal(#[case] trouble: Trouble) {
    let broker = with_published_keys().await;
    broker.provider.trouble(At::Jwks, trouble.clone());
    let answer = ask_signed(&broker, "1").await;
    assert_eq!(answer.status(), 503, "{answer:?}");
    broker.provider.unset(Fault::At(At::Jwks, trouble.clone()));
    broker.advance(Duration::from_mins(1)).await;
    assert_eq!(ask_signed(&broker, "2").await.status(), 200);
    broker.provider.trouble(At::Jwks, trouble);
    broker.advance(Duration::from_hours(2)).await;
    assert_eq!(ask_signed(&broker, "3").await.status(), 200);
}
