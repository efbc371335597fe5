//! `client_credentials` with secrets (RFC 6749 §4.4, RFC 9068).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Method, Response};
use rstest::rstest;

use super::{
    AT_ACME, AT_GLOBEX, AT_SOLO, OLD_SECRET, SECRET, access_token, ask, error, get, json, post,
    start, verified, with_all,
};
use crate::support::audit;
use crate::support::broker::Broker;
use crate::support::nodes::{ACME, ACME_COOKIE, WIKI};
use crate::support::raw;
use crate::support::tampering::Database;

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

fn basic(client: &str, secret: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{client}:{secret}"))
    )
}

/// As RFC 6749 §2.3.1 wants both parts.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Sends a body to acme's token endpoint.
async fn send(
    broker: &Broker,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let authority = format!("{ACME}:{}", broker.address.port());
    let headers = [&[("host", authority.as_str())], headers].concat();
    raw::send(
        broker.address,
        Method::POST,
        "/token",
        &headers,
        body.into(),
    )
    .await
}

#[rstest]
#[case::own_host(AT_ACME)]
#[case::shared_host(AT_GLOBEX)]
#[case::app_host(AT_SOLO)]
#[tokio::test]
async fn a_machine_gets_a_token_that_anybody_can_verify(#[case] at: (&str, &str)) {
    let broker = start().await;
    let authorization = basic("report", &encoded(SECRET));
    let headers = [("authorization", authorization.as_str())];
    let answer = post(&broker, at, "/token", &headers, &[GRANT]).await;
    assert_eq!(answer.status(), 200);
    let body = json(&answer);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 600);
    assert_eq!(body["scope"], "orders.read orders.write");
    let claims = verified(&broker, at, &access_token(&answer)).await;
    assert_eq!(claims["iss"], broker.url(at.0, at.1));
    assert_eq!(claims["sub"], "report");
    assert_eq!(claims["client_id"], "report");
    assert_eq!(claims["aud"], "https://api.example.com");
    assert_eq!(claims["scope"], "orders.read orders.write");
    assert_eq!(
        claims["exp"].as_i64(),
        claims["iat"].as_i64().map(|at| at + 600)
    );
    assert_eq!(claims["jti"].as_str().map(str::len), Some(22));
    let line = audit::of_answer(answer.headers());
    let line = line
        .iter()
        .find(|line| line.event() == "token_issued")
        .expect("a line");
    assert_eq!(line.field("client"), "report");
    assert_eq!(line.field("token"), claims["jti"].as_str().expect("text"));
}

#[tokio::test]
async fn both_secrets_count_while_one_is_changed_however_they_are_sent() {
    let broker = start().await;
    for secret in [SECRET, OLD_SECRET] {
        assert_eq!(ask(&broker, "report", secret, &[]).await.status(), 200);
        for text in [secret.to_owned(), encoded(secret)] {
            let authorization = basic("report", &text);
            let headers = [("authorization", authorization.as_str())];
            let answer = post(&broker, AT_ACME, "/token", &headers, &[GRANT]).await;
            assert_eq!(answer.status(), 200, "{text}");
        }
    }
    assert_eq!(error(&ask(&broker, "broad", OLD_SECRET, &[]).await).0, 401);
}

/// A15: what a client may not have it does not get.
#[rstest]
#[case::a15_audience("report", &[("resource", "https://other.example")], "invalid_target")]
#[case::a15_audience_by_the_other_name("report", &[("audience", "urn:other")], "invalid_target")]
#[case::a15_audience_longer("report", &[("audience", "https://api.example.com/")], "invalid_target")]
#[case::a15_two_audiences("broad", &[("resource", "urn:other"), ("audience", "https://api.example.com")], "invalid_target")]
#[case::a15_which_audience("broad", &[], "invalid_target")]
#[case::a15_no_scope_of_its("report", &[("scope", "orders.read admin")], "invalid_scope")]
#[case::a15_case_of_a_scope("report", &[("scope", "Orders.Read")], "invalid_scope")]
#[case::scope_of_a_client_without("broad", &[("audience", "urn:other"), ("scope", "orders.read")], "invalid_scope")]
#[case::control_characters("report", &[("scope", "orders.read\torders.write")], "invalid_scope")]
#[case::doubled("report", &[("scope", "orders.read"), ("scope", "orders.read")], "invalid_request")]
#[tokio::test]
async fn a15_nothing_is_given_that_was_not_allowed(
    #[case] client: &str,
    #[case] more: &[(&str, &str)],
    #[case] expected: &str,
) {
    let broker = start().await;
    let answer = ask(&broker, client, SECRET, more).await;
    assert_eq!(error(&answer), (400, expected.to_owned()));
}

#[tokio::test]
async fn a_client_narrows_what_it_gets() {
    let broker = start().await;
    let answer = ask(&broker, "report", SECRET, &[("scope", "orders.write")]).await;
    assert_eq!(json(&answer)["scope"], "orders.write");
    let answer = ask(&broker, "broad", SECRET, &[("resource", "urn:other")]).await;
    assert_eq!(json(&answer)["expires_in"], 3600);
    let claims = verified(&broker, AT_ACME, &access_token(&answer)).await;
    assert_eq!(claims["aud"], "urn:other");
    assert!(claims.get("scope").is_none());
}

#[rstest]
#[case::none("")]
#[case::password("password")]
#[case::code("authorization_code")]
#[case::refresh("refresh_token")]
#[case::exchange("urn:ietf:params:oauth:grant-type:token-exchange")]
#[case::case_of_letters("Client_Credentials")]
#[tokio::test]
async fn a10_other_grants_are_refused(#[case] grant: &str) {
    let broker = start().await;
    let form = [
        ("grant_type", grant),
        ("client_id", "report"),
        ("client_secret", SECRET),
    ];
    let answer = post(&broker, AT_ACME, "/token", &[], &form).await;
    let expected = if grant.is_empty() {
        "invalid_request"
    } else {
        "unsupported_grant_type"
    };
    assert_eq!(error(&answer), (400, expected.to_owned()));
}

/// T18: nothing tells a client that there is from one that there is not.
#[tokio::test]
async fn t18_unknown_and_known_clients_are_answered_alike() {
    let broker = start().await;
    let mut answers = std::collections::BTreeSet::new();
    for (client, secret) in [
        ("report", "wrong"),
        ("report", ""),
        ("report", "EjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8"),
        ("nobody", SECRET),
        ("nobody", ""),
        ("Report", SECRET),
        ("report ", SECRET),
        ("", SECRET),
    ] {
        let answer = ask(&broker, client, secret, &[]).await;
        let challenge = answer.headers()["www-authenticate"]
            .to_str()
            .expect("text")
            .to_owned();
        assert!(challenge.starts_with("Basic realm="), "{challenge}");
        let body = String::from_utf8(answer.body().to_vec()).expect("text");
        answers.insert((answer.status().as_u16(), challenge, body));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers.first().map(|(status, ..)| *status), Some(401));
}

#[tokio::test]
async fn a12_two_ways_at_once_are_refused() {
    let broker = start().await;
    let authorization = basic("report", SECRET);
    let headers = [("authorization", authorization.as_str())];
    for more in [
        [("client_id", "report"), ("client_secret", SECRET)],
        [("client_id", "broad"), ("x", "")],
        [
            ("client_assertion_type", "x"),
            ("client_assertion", "a.b.c"),
        ],
    ] {
        let form = [&[GRANT], more.as_slice()].concat();
        let answer = post(&broker, AT_ACME, "/token", &headers, &form).await;
        assert_eq!(
            error(&answer),
            (400, "invalid_request".to_owned()),
            "{more:?}"
        );
    }
}

/// A11: a credential counts as what it is, and at the tenant whose it is.
#[tokio::test]
async fn a11_other_credentials_are_no_clients() {
    let broker = start().await;
    let mut ada = broker.browser();
    broker.sign_in(&mut ada, WIKI, "/").await;
    let session = ada
        .cookie(&broker.url(ACME, "/"), ACME_COOKIE)
        .expect("a session");
    let token = access_token(&ask(&broker, "report", SECRET, &[]).await);
    let key = json(&get(&broker, ACME, "/jwks.json").await)["keys"][0]["kid"].to_string();
    for secret in [&session, &token, &key] {
        assert_eq!(error(&ask(&broker, "report", secret, &[]).await).0, 401);
    }
    for authorization in [format!("Bearer {token}"), format!("DPoP {token}")] {
        let headers = [("authorization", authorization.as_str())];
        let answer = post(&broker, AT_ACME, "/token", &headers, &[GRANT]).await;
        assert_eq!(error(&answer), (401, "invalid_client".to_owned()));
    }
    let cookie = format!("{ACME_COOKIE}={session}");
    let answer = post(&broker, AT_ACME, "/token", &[("cookie", &cookie)], &[GRANT]).await;
    assert_eq!(error(&answer).0, 401);
    // The token is none of the check's.
    let bearer = format!("Bearer {token}");
    let page = broker
        .check_with(
            &broker.browser(),
            "GET",
            WIKI,
            "/",
            &[("authorization", &bearer)],
        )
        .await;
    assert_eq!(page.status, 401);
}

/// T15: size, coding, kind.
#[tokio::test]
async fn t15_bodies_are_forms_of_a_bounded_size() {
    let broker = start().await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let right = format!(
        "grant_type=client_credentials&client_id=report&client_secret={}",
        encoded(SECRET)
    );
    assert_eq!(send(&broker, &[form], right.clone()).await.status(), 200);
    let charset = (
        "content-type",
        "Application/X-WWW-Form-URLencoded; charset=UTF-8",
    );
    assert_eq!(send(&broker, &[charset], right.clone()).await.status(), 200);
    for (headers, body, status) in [
        (vec![], right.clone(), 415),
        (
            vec![("content-type", "application/json")],
            "{\"grant_type\":\"client_credentials\"}".to_owned(),
            415,
        ),
        (vec![("content-type", "text/plain")], right.clone(), 415),
        (
            vec![("content-type", "multipart/form-data")],
            right.clone(),
            415,
        ),
        (vec![form, ("content-encoding", "gzip")], right.clone(), 415),
        (vec![form], format!("{right}&x={}", "a".repeat(20_000)), 413),
        (vec![form], String::new(), 401),
        (vec![form], "&".repeat(16_000), 401),
    ] {
        let answer = send(&broker, &headers, body).await;
        assert_eq!(answer.status().as_u16(), status, "{headers:?}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(json(&answer)["error"].is_string());
    }
    let query = format!("/token?{right}");
    let authority = format!("{ACME}:{}", broker.address.port());
    let host = ("host", authority.as_str());
    let answer = raw::send(
        broker.address,
        Method::POST,
        &query,
        &[host, form],
        Bytes::new(),
    )
    .await;
    assert_eq!(answer.status(), 401, "credentials in the address are none");
    let answer = raw::send(broker.address, Method::GET, &query, &[host], Bytes::new()).await;
    assert_eq!(answer.status(), 405);
}

/// T22: neither tokens nor errors are kept by anybody.
#[tokio::test]
async fn t22_answers_are_not_stored() {
    let broker = start().await;
    let answers = [
        (ask(&broker, "report", SECRET, &[]).await, 200),
        (ask(&broker, "report", "wrong", &[]).await, 401),
        (ask(&broker, "report", SECRET, &[("scope", "x")]).await, 400),
        (send(&broker, &[], "x").await, 415),
    ];
    for (answer, status) in &answers {
        assert_eq!(answer.status().as_u16(), *status);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.headers()["content-type"], "application/json");
    }
}

/// A36: no secret is in an answer or a line of the log.
#[tokio::test]
async fn a36_no_secret_is_told() {
    let broker = start().await;
    let canary = "canary-of-a-secret";
    let mut told = String::new();
    let token = access_token(&ask(&broker, "report", SECRET, &[]).await);
    for (client, secret, more) in [
        ("report", canary, &[][..]),
        (canary, SECRET, &[]),
        ("report", SECRET, &[("scope", canary)]),
        ("report", SECRET, &[("resource", canary)]),
        ("report", SECRET, &[("client_assertion", canary)]),
    ] {
        let answer = ask(&broker, client, secret, more).await;
        let _ = write!(told, "{:?}{:?}", answer.headers(), answer.body());
    }
    let _ = write!(told, "{:?}", audit::here());
    for secret in [canary, SECRET, &encoded(SECRET), &token] {
        assert!(!told.contains(secret), "{secret}");
    }
}

/// A39: spellings of one address, and other names, share the limit of the network.
#[tokio::test]
async fn a39_guesses_in_parallel_share_one_limit() {
    let broker = with_all("[limits.token]\naddress = 20\n", "").await;
    let names = ["report", "Report", "REPORT", "broad", "nobody"];
    let authority = format!("{ACME}:{}", broker.address.port());
    let mut guesses = tokio::task::JoinSet::new();
    for number in 0..60 {
        let (address, authority) = (broker.address, authority.clone());
        let client = names[number % names.len()];
        guesses.spawn(async move {
            let headers = [
                ("host", authority.as_str()),
                ("x-forwarded-for", "198.51.100.7"),
                ("content-type", "application/x-www-form-urlencoded"),
            ];
            let form = format!(
                "grant_type=client_credentials&client_id={client}&client_secret=a+wrong+guess"
            );
            raw::send(address, Method::POST, "/token", &headers, form.into()).await
        });
    }
    let answers = guesses.join_all().await;
    let over = answers.iter().filter(|answer| answer.status() == 429);
    assert_eq!(over.clone().count(), 40);
    for answer in over {
        assert!(answer.headers().contains_key("retry-after"));
    }
    // Others are not kept out.
    let headers = [("x-forwarded-for", "198.51.100.8")];
    let form = [GRANT, ("client_id", "report"), ("client_secret", SECRET)];
    assert_eq!(
        post(&broker, AT_ACME, "/token", &headers, &form)
            .await
            .status(),
        200
    );
}

/// A41: without news of the keys there is no token, and what others hold stays good.
#[tokio::test]
async fn a41_without_the_store_there_are_no_tokens() {
    let broker = start().await;
    let token = access_token(&ask(&broker, "report", SECRET, &[]).await);
    Database::of(&broker).await.break_it().await;
    broker.advance(std::time::Duration::from_secs(6)).await;
    let answer = ask(&broker, "report", SECRET, &[]).await;
    assert_eq!(error(&answer), (503, "temporarily_unavailable".to_owned()));
    assert!(answer.headers().contains_key("retry-after"));
    let set = get(&broker, ACME, "/jwks.json").await;
    assert_eq!(set.status(), 200, "{token}");
    broker.advance(std::time::Duration::from_secs(300)).await;
    assert_eq!(get(&broker, ACME, "/jwks.json").await.status(), 503);
}
