//! Tokens of others, and our own, changed into narrower ones (RFC 8693).

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use doorward::domain::revocation::Revocation;
use doorward::jose::{Signer, SigningAlgorithm};
use doorward::ports::Clock as _;
use doorward::storage::StoredRevocation;
use http::Response;
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    AT_ACME, AT_GLOBEX, SECRET, access_token, ask, error, get, json, post, verified, with, with_all,
};
use crate::support::audit;
use crate::support::broker::Broker;
use crate::support::nodes::ACME;
use crate::support::provider::{Endpoint, Trouble};
use crate::support::tampering::Database;

const NOW: i64 = 1_800_000_000;
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
const IDENTITY: &str = "urn:ietf:params:oauth:token-type:id_token";
const ISSUER: &str = "https://issuer.example";

/// The key of the trusted issuer.
fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| Signer::generate(SigningAlgorithm::Es256).expect("a key"))
}

/// An issuer whose tokens apps expect for an audience of their own, and rules for several ways to ask.
fn rules() -> String {
    let keys = json!({ "keys": [signer().public_jwk()] });
    format!(
        r#"
[[tenants.trusted_issuers]]
id = "ci"
issuer = "{ISSUER}"
audiences = ["https://api.example.com"]
algorithm = "ES256"
keys = '{keys}'

[[tenants.token_exchanges]]
id = "deploy"
issuers = ["ci"]
required_claims = [{{ claim = "repository", one_of = ["org/app"] }}]
when = 'claims.ref == "refs/heads/main"'
audiences = ["https://deploy.example.com", "urn:other"]
scopes = ["deploy", "read"]
lifetime = "5m"

[[tenants.token_exchanges]]
id = "on-behalf"
issuers = ["self"]
subject_audiences = ["https://api.example.com"]
clients = ["broad"]
audiences = ["https://stock.example.com", "https://api.example.com"]
scopes = ["orders.read", "stock.read"]
lifetime = "1h"

[[tenants.token_exchanges]]
id = "further"
issuers = ["self"]
subject_audiences = ["https://stock.example.com"]
clients = ["report"]
audiences = ["https://stock.example.com"]

[[tenants.token_exchanges]]
id = "of-people"
issuers = ["ci"]
subjects = ["person"]
clients = ["broad"]
audiences = ["https://stock.example.com"]

[[tenants.token_exchanges]]
id = "with-actor"
issuers = ["ci"]
subjects = ["person"]
actors = ["ci"]
audiences = ["https://stock.example.com"]
"#
    )
}

async fn start() -> Broker {
    with(&rules()).await
}

/// A run of the deployment, for acme.
fn run(broker: &Broker) -> Value {
    json!({
        "iss": ISSUER, "aud": broker.url(ACME, ""), "sub": "repo:org/app", "repository": "org/app",
        "ref": "refs/heads/main", "iat": NOW, "exp": NOW + 3_600, "jti": "j-1",
    })
}

fn person(broker: &Broker) -> Value {
    json!({"iss": ISSUER, "aud": broker.url(ACME, ""), "sub": "person", "iat": NOW, "exp": NOW + 3_600})
}

/// `value` with these members; null takes one away.
fn changed(mut value: Value, changes: &Value) -> Value {
    let members = value.as_object_mut().expect("an object");
    for (name, change) in changes.as_object().expect("an object") {
        if change.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), change.clone());
        }
    }
    value
}

fn signed(claims: &Value) -> String {
    signer().sign(claims, "JWT").expect("signed")
}

/// Shows a token without being a client, and asks for the deployment where nothing else is asked for.
async fn exchange(broker: &Broker, token: &str, more: &[(&str, &str)]) -> Response<Bytes> {
    let mut form = vec![("grant_type", GRANT), ("subject_token", token)];
    if more.iter().all(|(name, _)| *name != "subject_token_type") {
        form.push(("subject_token_type", JWT));
    }
    form.extend(more);
    post(broker, AT_ACME, "/token", &[], &form).await
}

const DEPLOY: (&str, &str) = ("audience", "https://deploy.example.com");
const STOCK: (&str, &str) = ("resource", "https://stock.example.com");

fn client(id: &'static str) -> [(&'static str, &'static str); 2] {
    [("client_id", id), ("client_secret", SECRET)]
}

async fn exchange_as(
    broker: &Broker,
    id: &'static str,
    token: &str,
    more: &[(&str, &str)],
) -> Response<Bytes> {
    exchange(broker, token, &[&client(id), more].concat()).await
}

/// One of ours for `https://api.example.com`, of the machine `report`.
async fn own(broker: &Broker, more: &[(&str, &str)]) -> String {
    access_token(&ask(broker, "report", SECRET, more).await)
}

#[tokio::test]
async fn a_workload_changes_its_token_without_a_secret() {
    let broker = start().await;
    let answer = exchange(&broker, &signed(&run(&broker)), &[DEPLOY]).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    let body = json(&answer);
    assert_eq!(body["issued_token_type"], ACCESS);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 300);
    assert_eq!(body["scope"], "deploy read");
    let claims = verified(&broker, AT_ACME, &access_token(&answer)).await;
    assert_eq!(claims["iss"], broker.url(ACME, ""));
    assert_eq!(claims["aud"], DEPLOY.1);
    assert_eq!(claims["client_id"], "exchange:deploy");
    assert_eq!(claims["scope"], "deploy read");
    assert_eq!(claims["exp"], NOW + 300);
    assert!(claims.get("act").is_none());
    let subject = claims["sub"].as_str().expect("text");
    assert_eq!(subject.len(), 32, "{subject}");
    let lines = audit::of_answer(answer.headers());
    let line = lines.iter().find(|line| line.event() == "token_exchanged");
    let line = line.expect("a line");
    assert_eq!(line.field("rule"), "deploy");
    assert_eq!(line.field("issuer"), "ci");
    assert_eq!(line.field("shown"), "j-1");
    assert_eq!(line.field("subject"), subject);
    // The same program is the same subject, another another.
    let again = signed(&changed(run(&broker), &json!({"jti": "j-2"})));
    let other = signed(&changed(run(&broker), &json!({"sub": "repo:org/other"})));
    for (token, same) in [(again, true), (other, false)] {
        let wanted = ("requested_token_type", JWT);
        let answer = exchange(&broker, &token, &[DEPLOY, ("scope", "read"), wanted]).await;
        assert_eq!(json(&answer)["issued_token_type"], JWT);
        let claims = verified(&broker, AT_ACME, &access_token(&answer)).await;
        assert_eq!(claims["scope"], "read");
        assert_eq!(claims["sub"] == subject, same);
    }
}

/// A15: what is not for us, or not as a rule says, is changed into nothing.
#[rstest]
#[case::a16_stolen_at_an_api_that_trusts_the_issuer(json!({"aud": "https://api.example.com"}))]
#[case::a16_no_audience(json!({"aud": null}))]
#[case::a16_audience_with_a_slash(json!({"aud": "{acme}/"}))]
#[case::a16_the_token_endpoint(json!({"aud": "{acme}/token"}))]
#[case::a16_audience_of_another_rule(json!({"aud": "https://stock.example.com"}))]
#[case::a16_another_issuer(json!({"iss": "https://other.example"}))]
#[case::a16_no_issuer(json!({"iss": null}))]
#[case::a11_it_says_that_it_is_ours(json!({"iss": "{acme}"}))]
#[case::a15_another_repository(json!({"repository": "org/app2"}))]
#[case::a15_several_repositories(json!({"repository": ["org/app"]}))]
#[case::a15_no_repository(json!({"repository": null}))]
#[case::a15_another_branch(json!({"ref": "refs/heads/main2"}))]
#[case::a41_a_condition_that_fails(json!({"ref": null}))]
#[case::a19_over(json!({"exp": NOW - 61}))]
#[case::a19_over_within_the_skew(json!({"exp": NOW - 1}))]
#[case::a19_over_now(json!({"exp": NOW}))]
#[case::a19_no_end(json!({"exp": null}))]
#[case::a19_end_as_text(json!({"exp": "1900000000"}))]
#[case::a19_not_yet(json!({"nbf": NOW + 61}))]
#[case::bound_to_a_key(json!({"cnf": {"jkt": "abc"}}))]
#[case::a_logout_token(json!({"events": {}}))]
#[case::an_identity_token(json!({"nonce": "n"}))]
#[case::nobody(json!({"sub": null}))]
#[case::somebody_else_may_act(json!({"may_act": {"sub": "pod"}}))]
#[case::actors_that_cannot_be_read(json!({"act": "pod"}))]
#[case::too_many_actors(json!({"act": {"sub": "1", "act": {"sub": "2", "act": {"sub": "3", "act": {"sub": "4", "act": {"sub": "5"}}}}}}))]
#[tokio::test]
async fn a15_a_token_that_no_rule_is_about_is_refused(#[case] changes: Value) {
    let broker = start().await;
    let mut changes = changes.to_string();
    changes = changes.replace("{acme}", &broker.url(ACME, ""));
    let changes = serde_json::from_str(&changes).expect("JSON");
    let token = signed(&changed(run(&broker), &changes));
    let answer = exchange(&broker, &token, &[DEPLOY]).await;
    assert_eq!(error(&answer), (400, "invalid_request".to_owned()));
    let told = format!("{answer:?}");
    assert!(!told.contains("org/app"), "{told}");
}

/// A18, A24: what is not signed by the issuer with its algorithm.
#[tokio::test]
async fn a18_a24_forged_tokens_are_refused() {
    let broker = start().await;
    let good = signed(&run(&broker));
    assert_eq!(exchange(&broker, &good, &[DEPLOY]).await.status(), 200);
    let stranger = Signer::generate(SigningAlgorithm::Es256).expect("a key");
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let payload = message.split('.').nth(1).expect("a payload");
    let tokens = [
        stranger.sign(&run(&broker), "JWT").expect("signed"),
        format!("{message}."),
        format!("{message}.{}", &signature[1..]),
        format!("eyJhbGciOiJub25lIn0.{payload}."),
        format!("eyJhbGciOiJIUzI1NiJ9.{payload}.{signature}"),
        signer().sign(&run(&broker), "logout+jwt").expect("signed"),
        "opaque".to_owned(),
        "a.b.c".to_owned(),
        "a.b.c.d.e".to_owned(),
        "x".repeat(9_000),
    ];
    for token in tokens {
        let answer = exchange(&broker, &token, &[DEPLOY]).await;
        assert_eq!(
            error(&answer),
            (400, "invalid_request".to_owned()),
            "{token}"
        );
    }
}

#[rstest]
#[case::another_audience(&[("audience", "https://api.example.com")], "invalid_target")]
#[case::audience_of_another_rule(&[STOCK], "invalid_target")]
#[case::which_audience(&[], "invalid_target")]
#[case::two_audiences(&[DEPLOY, ("resource", "urn:other")], "invalid_target")]
#[case::audience_twice(&[DEPLOY, ("audience", "urn:other")], "invalid_request")]
#[case::more_scopes(&[DEPLOY, ("scope", "deploy admin")], "invalid_scope")]
#[case::a_refresh_token_is_wanted(&[DEPLOY, ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")], "invalid_request")]
#[case::an_id_token_is_wanted(&[DEPLOY, ("requested_token_type", IDENTITY)], "invalid_request")]
#[case::it_is_no_id_token(&[DEPLOY, ("subject_token_type", IDENTITY)], "invalid_request")]
#[case::no_type(&[DEPLOY, ("subject_token_type", "")], "invalid_request")]
#[case::saml(&[DEPLOY, ("subject_token_type", "urn:ietf:params:oauth:token-type:saml2")], "invalid_request")]
#[case::an_actor_without_type(&[DEPLOY, ("actor_token", "a.b.c")], "invalid_request")]
#[case::a_type_without_actor(&[DEPLOY, ("actor_token_type", JWT)], "invalid_request")]
#[case::a_client_that_does_not_prove_it(&[DEPLOY, ("client_id", "broad")], "invalid_client")]
#[case::an_empty_secret(&[DEPLOY, ("client_id", "broad"), ("client_secret", "")], "invalid_client")]
#[case::half_an_assertion(&[DEPLOY, ("client_assertion_type", "")], "invalid_request")]
#[case::a_client_where_none_is_wanted(&[DEPLOY, ("client_id", "broad"), ("client_secret", SECRET)], "unauthorized_client")]
#[tokio::test]
async fn a15_nothing_is_given_beyond_the_rule(
    #[case] more: &[(&str, &str)],
    #[case] expected: &str,
) {
    let broker = start().await;
    let answer = exchange(&broker, &signed(&run(&broker)), more).await;
    assert_eq!(error(&answer).1, expected);
}

/// Whatever the rule says, a token does not outlive the one that was shown.
#[tokio::test]
async fn t16_a_token_ends_with_the_one_that_was_shown() {
    let broker = start().await;
    let short = signed(&changed(run(&broker), &json!({"exp": NOW + 45})));
    let answer = exchange(&broker, &short, &[DEPLOY]).await;
    assert_eq!(json(&answer)["expires_in"], 45);
    let claims = verified(&broker, AT_ACME, &access_token(&answer)).await;
    assert_eq!(claims["exp"], NOW + 45);
    // Ours, too: `report` gets ten minutes, the rule would give an hour.
    let token = own(&broker, &[]).await;
    broker.advance(Duration::from_secs(60)).await;
    let answer = exchange_as(&broker, "broad", &token, &[STOCK]).await;
    assert_eq!(json(&answer)["expires_in"], 540);
    broker.advance(Duration::from_secs(540)).await;
    let answer = exchange_as(&broker, "broad", &token, &[STOCK]).await;
    assert_eq!(error(&answer), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn an_api_asks_on_behalf_of_its_caller_and_says_so() {
    let broker = start().await;
    let token = own(&broker, &[]).await;
    let answer = exchange_as(
        &broker,
        "broad",
        &token,
        &[STOCK, ("subject_token_type", ACCESS)],
    );
    let first = access_token(&answer.await);
    let claims = verified(&broker, AT_ACME, &first).await;
    assert_eq!(claims["sub"], "report");
    assert_eq!(claims["client_id"], "broad");
    assert_eq!(claims["scope"], "orders.read stock.read");
    assert_eq!(claims["act"], json!({"sub": "broad"}));
    // Further on: those who acted before stand inside.
    let person = signed(&person(&broker));
    let theirs = exchange_as(&broker, "broad", &person, &[]).await;
    let answer = exchange_as(&broker, "report", &access_token(&theirs), &[]).await;
    let claims = verified(&broker, AT_ACME, &access_token(&answer)).await;
    assert_eq!(
        claims["act"],
        json!({"sub": "report", "act": {"sub": "broad"}})
    );
    assert_eq!(claims["client_id"], "report");
    // Nobody acts for themselves.
    let answer = exchange_as(&broker, "report", &first, &[]).await;
    let claims = verified(&broker, AT_ACME, &access_token(&answer)).await;
    assert_eq!(claims["act"], json!({"sub": "broad"}));
}

/// A11: tokens of ours count where they are for, from who may have them.
#[tokio::test]
async fn a11_tokens_of_ours_are_exchanged_by_those_they_are_for() {
    let broker = start().await;
    let token = own(&broker, &[]).await;
    let refused = |error: &str| (400, error.to_owned());
    // Nobody, and another client.
    let answer = exchange(&broker, &token, &[STOCK]).await;
    assert_eq!(error(&answer), refused("unauthorized_client"));
    let answer = exchange_as(&broker, "report", &token, &[STOCK]).await;
    assert_eq!(error(&answer), refused("unauthorized_client"));
    // One that is for somebody else.
    let other = ask(&broker, "broad", SECRET, &[("audience", "urn:other")]).await;
    let answer = exchange_as(&broker, "broad", &access_token(&other), &[STOCK]).await;
    assert_eq!(error(&answer), refused("invalid_request"));
    // At another tenant.
    let form = [
        ("grant_type", GRANT),
        ("subject_token", token.as_str()),
        ("subject_token_type", JWT),
        ("client_id", "broad"),
        ("client_secret", SECRET),
        STOCK,
    ];
    let answer = post(&broker, AT_GLOBEX, "/token", &[], &form).await;
    assert_eq!(error(&answer), refused("invalid_request"));
    assert_eq!(
        post(&broker, AT_ACME, "/token", &[], &form).await.status(),
        200
    );
    // As an ID token.
    let answer = exchange_as(
        &broker,
        "broad",
        &token,
        &[STOCK, ("subject_token_type", IDENTITY)],
    );
    assert_eq!(error(&answer.await), refused("invalid_request"));
    // After it was revoked.
    let form = [&client("report")[..], &[("token", token.as_str())]].concat();
    assert_eq!(
        post(&broker, AT_ACME, "/revoke", &[], &form).await.status(),
        200
    );
    let answer = exchange_as(&broker, "broad", &token, &[STOCK]).await;
    assert_eq!(error(&answer), refused("invalid_request"));
}

/// A15: for the same audience a token never allows more than before.
#[tokio::test]
async fn a15_scopes_do_not_grow() {
    let broker = start().await;
    let api = ("audience", "https://api.example.com");
    let token = own(&broker, &[("scope", "orders.write")]).await;
    let answer = exchange_as(&broker, "broad", &token, &[api]).await;
    assert_eq!(json(&answer)["scope"], "");
    let answer = exchange_as(&broker, "broad", &token, &[api, ("scope", "orders.read")]).await;
    assert_eq!(error(&answer), (400, "invalid_scope".to_owned()));
    let token = own(&broker, &[]).await;
    let answer = exchange_as(&broker, "broad", &token, &[api]).await;
    assert_eq!(json(&answer)["scope"], "orders.read");
}

#[tokio::test]
async fn an_actor_shows_a_token_of_its_own() {
    let broker = start().await;
    let pod = |changes: Value| {
        let pod = changed(person(&broker), &json!({"sub": "pod", "exp": NOW + 120}));
        signed(&changed(pod, &changes))
    };
    let token = signed(&changed(
        person(&broker),
        &json!({"may_act": {"sub": "pod"}}),
    ));
    let with = |actor: String| {
        let (broker, token) = (&broker, &token);
        async move {
            let actor = [("actor_token", actor.as_str()), ("actor_token_type", JWT)];
            exchange(broker, token, &actor).await
        }
    };
    let answer = with(pod(json!({}))).await;
    assert_eq!(json(&answer)["expires_in"], 120, "it ends with the actor's");
    let claims = verified(&broker, AT_ACME, &access_token(&answer)).await;
    assert_eq!(claims["act"]["sub"].as_str().map(str::len), Some(32));
    assert_ne!(claims["act"]["sub"], claims["sub"]);
    for changes in [
        json!({"sub": "another"}),
        json!({"aud": "https://api.example.com"}),
        json!({"exp": NOW - 61}),
        json!({"iss": "https://other.example"}),
    ] {
        let answer = with(pod(changes.clone())).await;
        assert_eq!(
            error(&answer),
            (400, "invalid_request".to_owned()),
            "{changes}"
        );
    }
    // `may_act` names somebody: nobody alone may, and no client of that name with another issuer.
    let answer = exchange_as(&broker, "broad", &token, &[]).await;
    assert_eq!(error(&answer), (400, "invalid_request".to_owned()));
    // Where no rule is about actors, none is taken.
    let actor = pod(json!({}));
    let more = [
        DEPLOY,
        ("actor_token", actor.as_str()),
        ("actor_token_type", JWT),
    ];
    let answer = exchange(&broker, &signed(&run(&broker)), &more).await;
    assert_eq!(error(&answer), (400, "invalid_request".to_owned()));
}

/// A14: what was revoked here is not changed into something that was not.
#[rstest]
#[case::one(Revocation::Token { issuer: ISSUER.into(), id: "j-1".into() }, true)]
#[case::its_subject(Revocation::Subject { issuer: ISSUER.into(), subject: "repo:org/app".into(), issued_until: time::OffsetDateTime::from_unix_timestamp(NOW).expect("a time") }, true)]
#[case::its_issuer(Revocation::Issuer { issuer: ISSUER.into(), issued_until: time::OffsetDateTime::from_unix_timestamp(NOW).expect("a time") }, true)]
#[case::another(Revocation::Token { issuer: ISSUER.into(), id: "j-2".into() }, false)]
#[tokio::test]
async fn a14_revoked_tokens_are_not_exchanged(#[case] what: Revocation, #[case] refused: bool) {
    let broker = start().await;
    let revocation = StoredRevocation {
        tenant: "acme".parse().expect("a name"),
        what,
        needed_until: broker.clock.now() + Duration::from_hours(1),
    };
    let store = &broker.door.parts.store;
    store.revoke_tokens(&revocation).await.expect("revoked");
    broker.advance(Duration::from_secs(1)).await;
    let answer = exchange(&broker, &signed(&run(&broker)), &[DEPLOY]).await;
    let expected = if refused { 400 } else { 200 };
    assert_eq!(answer.status(), expected);
}

/// A41: what cannot be judged is neither taken nor called bad.
#[tokio::test]
async fn a41_without_news_or_keys_nothing_is_exchanged() {
    let broker = start().await;
    Database::of(&broker).await.break_it().await;
    broker.advance(Duration::from_secs(6)).await;
    let answer = exchange(&broker, &signed(&run(&broker)), &[DEPLOY]).await;
    assert_eq!(error(&answer), (503, "temporarily_unavailable".to_owned()));
    assert!(answer.headers().contains_key("retry-after"));
    let more = r#"
[[tenants.trusted_issuers]]
id = "ci"
issuer = "{issuer}"
audiences = ["orders"]

[[tenants.token_exchanges]]
id = "deploy"
issuers = ["ci"]
subject_audiences = ["here"]
audiences = ["https://deploy.example.com"]
"#;
    let broker = with(more).await;
    let token = broker.provider.token(json!({"aud": "here", "sub": "ana"}));
    broker
        .provider
        .trouble(Endpoint::Jwks, Trouble::Status(500));
    let answer = exchange(&broker, &token, &[DEPLOY]).await;
    assert_eq!(error(&answer), (503, "temporarily_unavailable".to_owned()));
    broker.provider.behave();
    broker.advance(Duration::from_secs(60)).await;
    let answer = exchange(&broker, &token, &[DEPLOY]).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    // What apps of the tenant take is still nothing here.
    let token = broker
        .provider
        .token(json!({"aud": "orders", "sub": "ana"}));
    let answer = exchange(&broker, &token, &[DEPLOY]).await;
    assert_eq!(error(&answer), (400, "invalid_request".to_owned()));
}

/// A39: whoever shows tokens has the limit of whoever shows secrets.
#[tokio::test]
async fn a39_exchanges_count() {
    let broker = with_all("[limits.token]\naddress = 3\n", &rules()).await;
    let headers = [("x-forwarded-for", "198.51.100.7")];
    let form = [
        ("grant_type", GRANT),
        ("subject_token", "a.b.c"),
        ("subject_token_type", JWT),
    ];
    let mut found = Vec::new();
    for _ in 0..4 {
        let answer = post(&broker, AT_ACME, "/token", &headers, &form).await;
        found.push(answer.status().as_u16());
    }
    assert_eq!(found, [400, 400, 400, 429]);
}

/// A36: what is shown is nowhere told.
#[tokio::test]
async fn a36_t17_no_token_is_in_an_answer_or_a_line() {
    let broker = start().await;
    let good = signed(&run(&broker));
    let bad = signed(&changed(
        run(&broker),
        &json!({"aud": "canary", "sub": "canary"}),
    ));
    let answers = [
        exchange(&broker, &good, &[DEPLOY]).await,
        exchange(&broker, &bad, &[DEPLOY]).await,
    ];
    let new = access_token(&answers[0]);
    let lines = format!("{:?}", audit::everything_here());
    for token in [&good, &bad, &new] {
        let signature = token.rsplit('.').next().expect("three parts");
        assert!(!lines.contains(signature));
        assert!(!format!("{:?}", answers[1]).contains(signature));
    }
    assert!(!lines.contains("canary"));
}

#[tokio::test]
async fn the_metadata_says_whether_tokens_are_exchanged() {
    let broker = start().await;
    let metadata = get(&broker, ACME, "/.well-known/oauth-authorization-server").await;
    let grants = json!(["client_credentials", GRANT]);
    assert_eq!(json(&metadata)["grant_types_supported"], grants);
    // Taken out, it is over at once.
    let token = signed(&run(&broker));
    broker.edit(|text| {
        let (before, _) = text
            .split_once("[[tenants.token_exchanges]]")
            .expect("rules");
        let (_, behind) = text
            .split_once("[[tenants]]\nid = \"globex\"")
            .expect("another");
        format!("{before}[[tenants]]\nid = \"globex\"{behind}")
    });
    broker.reload().await.expect("reloaded");
    let metadata = get(&broker, ACME, "/.well-known/oauth-authorization-server").await;
    assert_eq!(
        json(&metadata)["grant_types_supported"],
        json!(["client_credentials"])
    );
    let answer = exchange_as(&broker, "broad", &token, &[DEPLOY]).await;
    assert_eq!(error(&answer), (400, "unsupported_grant_type".to_owned()));
}
