//! What each request must show beside whoever calls.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use rstest::rstest;

use super::*;
use crate::support::broker::{clock, folder};
use crate::support::provider::TestProvider;
use std::sync::Arc;

const SECRET: &[u8] = b"a secret of thirty-two bytes or more";

fn attested(secret: &[u8], claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let message = format!("{}.{}", part(&header), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

fn claims() -> Value {
    json!({"exp": 1_800_000_300.5, "iat": NOW, "ip": "203.0.113.7", "did": "ZGV2aWNl"})
}

/// An app with a public page, whose requests come from attested devices only.
async fn guarded(app: &str) -> Broker {
    let issuer = "[[tenants.trusted_issuers]]\nid = \"approov\"\nprofile = \"approov\"\nsecret = { file = \"approov\" }";
    let app = format!("{app}\n[tenants.apps.attestation]\nissuer = \"approov\"\n{{bound}}");
    let (app, bound) = match app.split_once("bound_to") {
        Some((before, rest)) => {
            let (line, after) = rest.split_once('\n').expect("a line");
            (format!("{before}{after}"), format!("bound_to{line}"))
        }
        None => (app, String::new()),
    };
    let text = configuration(issuer, "").replace(
        "allow = { signed_in = true }",
        "rules = [{ paths = [\"/public\"], public = true }, { signed_in = true }]",
    );
    let text = format!("{text}{}", app.replace("{bound}", &bound));
    let folder = folder();
    std::fs::write(
        folder.path().join("approov"),
        BASE64_STANDARD.encode(SECRET),
    )
    .expect("a file");
    let clock = clock();
    let provider = TestProvider::start(Arc::clone(&clock));
    let setup = Setup {
        configuration: text,
        ..Setup::default()
    };
    Broker::on(setup, clock, provider, folder).await
}

async fn at(broker: &Broker, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String, bool) {
    let host = format!("{API}:{}", broker.address.port());
    let url = format!("http://{host}{path}");
    let mut all = vec![
        ("host", &*host),
        ("x-original-url", &*url),
        ("x-original-method", "GET"),
    ];
    all.extend(headers);
    let answer = raw::get(broker.address, "/oauth2/auth", &all).await;
    let challenged = answer.headers().contains_key("www-authenticate");
    let body = String::from_utf8_lossy(answer.body()).into_owned();
    (answer.status(), body, challenged)
}

#[rstest]
#[case::good(Some(attested(SECRET, &claims())), true)]
#[case::none(None, false)]
#[case::empty(Some(String::new()), false)]
#[case::garbage(Some("x".into()), false)]
#[case::without_end(Some(attested(SECRET, &with(&claims(), json!({"exp": null})))), false)]
#[case::over(Some(attested(SECRET, &with(&claims(), json!({"exp": NOW - 61})))), false)]
#[case::of_another_secret(Some(attested(b"another secret of thirty-two bytes..", &claims())), false)]
#[case::of_the_secret_undecoded(Some(attested(BASE64_STANDARD.encode(SECRET).as_bytes(), &claims())), false)]
#[case::of_a_foreign_issuer(Some(attested(SECRET, &with(&claims(), json!({"iss": "other.approov.io"})))), false)]
#[tokio::test]
async fn even_what_is_public_takes_an_attestation(
    #[case] token: Option<String>,
    #[case] expected: bool,
) {
    let broker = guarded("").await;
    let headers: Vec<_> = token.iter().map(|it| ("approov-token", &**it)).collect();
    // Twice: the second time from memory.
    for _ in 0..2 {
        let (status, body, challenged) = at(&broker, "/public", &headers).await;
        if expected {
            assert_eq!(status, StatusCode::ACCEPTED);
        } else {
            assert_eq!((status, &*body), (StatusCode::UNAUTHORIZED, "{}"));
            assert!(!challenged);
        }
    }
}

#[tokio::test]
async fn an_attestation_is_nobody() {
    let broker = guarded("").await;
    let token = attested(SECRET, &claims());
    let (status, body, _) = at(&broker, "/", &[("approov-token", &token)]).await;
    assert_eq!((status, &*body), (StatusCode::UNAUTHORIZED, ""));
    // In the place of a bearer it is nothing, and twice it is none.
    let authorization = format!("Bearer {token}");
    let (status, body, _) = at(&broker, "/public", &[("authorization", &authorization)]).await;
    assert_eq!((status, &*body), (StatusCode::UNAUTHORIZED, "{}"));
    let twice = [("approov-token", &*token), ("approov-token", &*token)];
    assert_eq!(
        at(&broker, "/public", &twice).await.0,
        StatusCode::UNAUTHORIZED
    );
}

#[rstest]
#[case::bound("Bearer x", Some("Bearer x"), true)]
#[case::to_another("Bearer x", Some("Bearer y"), false)]
#[case::to_nothing("Bearer x", None, false)]
#[case::to_the_bare_token("Bearer x", Some("x"), false)]
#[case::the_header_is_missing("", Some(""), false)]
#[tokio::test]
async fn an_attestation_can_be_bound(
    #[case] authorization: &str,
    #[case] bound_to: Option<&str>,
    #[case] expected: bool,
) {
    let broker = guarded("bound_to = \"Authorization\"\n").await;
    let pay = bound_to
        .map(|text| BASE64_STANDARD.encode(digest::digest(&digest::SHA256, text.as_bytes())));
    let token = attested(SECRET, &with(&claims(), json!({ "pay": pay })));
    let mut headers = vec![("approov-token", &*token)];
    if !authorization.is_empty() {
        headers.push(("authorization", authorization));
    }
    let (status, _, _) = at(&broker, "/public", &headers).await;
    assert_eq!(status == StatusCode::ACCEPTED, expected);
}
