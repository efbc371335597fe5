//! `POST {base}/verify`: what callers of a service have shown.

use bytes::Bytes;
use rstest::rstest;

use super::*;
use crate::support::nodes::ACME;

const CLIENT: &str = "EjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8=";
const KEY: &str = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";

/// An app with rules of several kinds, one that nobody verifies for, and machines that may ask.
fn settings() -> String {
    let issuer = format!(
        "[[tenants.trusted_issuers]]\nid = \"it\"\nissuer = \"{{issuer}}\"\naudiences = [\"api://orders\"]\n{MACHINES}"
    );
    let text = configuration(&issuer, "accept = [\"bearer\", \"api_key\", \"session\"]");
    let rules = "[[tenants.apps]]\nid = \"other\"\nhosts = [\"other.acme.localhost:{port}\"]\n\
        accept = [\"bearer\"]\nallow = { signed_in = true }\n\
        [[tenants.apps]]\nid = \"ruled\"\nhosts = [\"ruled.acme.localhost:{port}\", \"*.ruled.acme.localhost:{port}\"]\n\
        accept = [\"bearer\"]\n\
        [[tenants.apps.rules]]\npaths = [\"/admin\"]\ngroups = [\"admins\"]\n\
        [[tenants.apps.rules]]\npaths = [\"/office\"]\nnetworks = [\"203.0.113.0/24\"]\nsigned_in = true\n\
        [[tenants.apps.rules]]\npaths = [\"/when\"]\nwhen = \"caller.client == 'shop' && request.host == 'ruled.acme.localhost'\"\n\
        [[tenants.apps.rules]]\nmethods = [\"GET\"]\nsigned_in = true\n";
    format!("{text}\n{rules}")
}

const MACHINES: &str = r#"
[[tenants.machine_clients]]
id = "worker"
secrets = [{ env = "NEXT_SEALING_KEY" }]
verifies = ["api"]

[[tenants.machine_clients]]
id = "gateway"
secrets = [{ env = "NEXT_SEALING_KEY" }]
verifies = ["api", "ruled"]

[[tenants.machine_clients]]
id = "report"
secrets = [{ env = "NEXT_SEALING_KEY" }]
audiences = ["https://api.example.com"]

[[tenants.api_keys]]
name = "robot"
secret = { env = "SEALING_KEY" }
scopes = ["orders.read"]
"#;

async fn start() -> Broker {
    broker(&settings()).await
}

fn claims() -> Value {
    json!({
        "aud": "api://orders", "sub": "ana", "azp": "shop", "scope": "orders.read orders.write",
        "name": "Ana", "groups": ["staff"],
    })
}

fn basic(client: &str, secret: &str) -> String {
    use base64::Engine as _;
    let pair = format!("{client}:{secret}");
    format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(pair))
}

/// The answer to whoever shows these headers.
async fn post(
    broker: &Broker,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> (StatusCode, Value) {
    let host = format!("{ACME}:{}", broker.address.port());
    let mut all = vec![("host", &*host)];
    all.extend(headers);
    let answer = raw::send(broker.address, Method::POST, "/verify", &all, body.into()).await;
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let told = serde_json::from_slice(answer.body()).unwrap_or_default();
    (answer.status(), told)
}

async fn ask_as(broker: &Broker, client: &str, question: &Value) -> (StatusCode, Value) {
    let authorization = basic(client, CLIENT);
    let headers = [
        ("authorization", &*authorization),
        ("content-type", "application/json"),
    ];
    post(broker, &headers, question.to_string()).await
}

#[tokio::test]
async fn a_service_is_told_who_its_caller_is() {
    let broker = start().await;
    let token = broker.provider.token(claims());
    let (status, told) = ask_as(&broker, "worker", &json!({ "token": token })).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(told["active"], true);
    assert_eq!(told["scheme"], "bearer");
    assert_eq!(told["subject"], "ana");
    assert_eq!(told["issuer"], "it");
    assert_eq!(told["client"], "shop");
    assert_eq!(told["scopes"], json!(["orders.read", "orders.write"]));
    // The same person as at the check.
    let (status, headers) = ask(&broker, &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(told["user"], header(&headers, "x-user"));
    let whole = json!({ "authorization": format!("bearer  {token}"), "app": "api" });
    let (_, told) = ask_as(&broker, "gateway", &whole).await;
    assert_eq!(told["active"], true, "{told}");
    let key = json!({ "token": KEY, "scheme": "api_key", "scopes": ["orders.read"] });
    let (_, told) = ask_as(&broker, "worker", &key).await;
    assert_eq!(told["active"], true, "{told}");
    assert_eq!(told["subject"], "robot");
}

/// `{good}` is a good token, of an `ana` in `staff`.
#[rstest]
#[case::good(json!({"app": "api", "token": "{good}"}), None)]
#[case::scopes(json!({"app": "api", "token": "{good}", "scopes": ["orders.write", "orders.read"]}), None)]
#[case::more_scopes(json!({"app": "api", "token": "{good}", "scopes": ["orders.read", "orders.admin"]}), Some("scope"))]
#[case::two_scopes_in_one(json!({"app": "api", "token": "{good}", "scopes": ["orders.read orders.write"]}), Some("scope"))]
#[case::no_scope_by_name(json!({"app": "api", "token": "{good}", "scopes": [""]}), Some("scope"))]
#[case::no_token(json!({"app": "api", "token": "x"}), Some("invalid"))]
#[case::two_words(json!({"app": "api", "token": "a b"}), Some("malformed"))]
#[case::two_tokens(json!({"app": "api", "token": "{good}, Bearer {good}"}), Some("malformed"))]
#[case::of_a_stranger(json!({"app": "api", "token": "{stranger}"}), Some("invalid"))]
#[case::for_another(json!({"app": "api", "token": "{elsewhere}"}), Some("invalid"))]
#[case::over(json!({"app": "api", "token": "{over}"}), Some("invalid"))]
#[case::unsigned(json!({"app": "api", "token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEifQ."}), Some("invalid"))]
#[case::key_as_a_token(json!({"app": "api", "token": KEY}), Some("invalid"))]
#[case::token_as_a_key(json!({"app": "api", "token": "{good}", "scheme": "api_key"}), Some("invalid"))]
#[case::key_elsewhere(json!({"app": "ruled", "token": KEY, "scheme": "api_key"}), Some("not_accepted"))]
#[case::password_elsewhere(json!({"app": "api", "authorization": "Basic YTpi"}), Some("not_accepted"))]
#[case::another_scheme(json!({"app": "api", "authorization": "Digest x"}), Some("not_accepted"))]
// The rules hold, and what they need to know is not guessed.
#[case::path_unknown(json!({"app": "ruled", "token": "{good}"}), Some("path_unknown"))]
#[case::method_unknown(json!({"app": "ruled", "token": "{good}", "path": "/"}), Some("method_unknown"))]
#[case::allowed(json!({"app": "ruled", "token": "{good}", "path": "/", "method": "GET"}), None)]
#[case::no_rule(json!({"app": "ruled", "token": "{good}", "path": "/", "method": "POST"}), Some("no_rule"))]
#[case::method_in_small_letters(json!({"app": "ruled", "token": "{good}", "path": "/", "method": "get"}), Some("no_rule"))]
#[case::group(json!({"app": "ruled", "token": "{good}", "path": "/admin", "method": "GET"}), Some("group"))]
#[case::two_meanings(json!({"app": "ruled", "token": "{good}", "path": "/x/../admin", "method": "GET"}), Some("ambiguous"))]
#[case::no_path(json!({"app": "ruled", "token": "{good}", "path": "admin", "method": "GET"}), Some("ambiguous"))]
#[case::address_unknown(json!({"app": "ruled", "token": "{good}", "path": "/office", "method": "GET"}), Some("network"))]
#[case::address(json!({"app": "ruled", "token": "{good}", "path": "/office", "method": "GET", "address": "203.0.113.9"}), None)]
#[case::mapped_address(json!({"app": "ruled", "token": "{good}", "path": "/office", "method": "GET", "address": "::ffff:203.0.113.9"}), None)]
#[case::other_address(json!({"app": "ruled", "token": "{good}", "path": "/office", "method": "GET", "address": "10.0.0.1"}), Some("network"))]
#[case::host_unknown(json!({"app": "ruled", "token": "{good}", "path": "/when", "method": "GET"}), Some("condition_failed"))]
#[case::host(json!({"app": "ruled", "token": "{good}", "path": "/when", "method": "GET", "host": "ruled.acme.localhost:{port}"}), None)]
#[case::other_host(json!({"app": "ruled", "token": "{good}", "path": "/when", "method": "GET", "host": "a.ruled.acme.localhost:{port}"}), Some("condition"))]
#[tokio::test]
async fn what_is_shown_is_judged_as_at_the_check(
    #[case] question: Value,
    #[case] expected: Option<&str>,
) {
    let broker = start().await;
    let good = broker.provider.token(claims());
    let of = |changes: Value| broker.provider.token(with(&claims(), changes));
    let text = question
        .to_string()
        .replace("{good}", &good)
        .replace("{port}", &broker.address.port().to_string())
        .replace(
            "{stranger}",
            &of(json!({"iss": "https://stranger.example"})),
        )
        .replace("{elsewhere}", &of(json!({"aud": "api://elsewhere"})))
        .replace("{over}", &of(json!({"exp": NOW - 3600})));
    let question: Value = serde_json::from_str(&text).expect("JSON");
    for _ in 0..2 {
        let (status, told) = ask_as(&broker, "gateway", &question).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        assert_eq!(told["active"], expected.is_none(), "{told}");
        assert_eq!(told["reason"].as_str(), expected, "{told}");
        // No more than that, and nothing of what was shown.
        assert!(expected.is_none() || told.as_object().is_some_and(|it| it.len() == 2));
        assert!(!told.to_string().contains(&good));
    }
}

/// Nothing is judged for whoever has not proved who they are.
#[rstest]
#[case::nobody("", "")]
#[case::wrong_secret("worker", "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=")]
#[case::unknown("stranger", CLIENT)]
#[case::no_secret("worker", "")]
#[tokio::test]
async fn a43_whoever_asks_has_to_prove_who_they_are(#[case] client: &str, #[case] secret: &str) {
    let broker = start().await;
    let token = broker.provider.token(claims());
    let authorization = if client.is_empty() {
        format!("Bearer {token}")
    } else {
        basic(client, secret)
    };
    for question in [
        json!({ "token": token }).to_string(),
        json!({ "token": "x", "app": "nothing" }).to_string(),
        "{".to_owned(),
    ] {
        let headers = [
            ("authorization", &*authorization),
            ("content-type", "application/json"),
        ];
        let (status, told) = post(&broker, &headers, question).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(told["error"], "invalid_client");
        assert!(told["active"].is_null());
    }
    // Not even the issuer was asked for its keys.
    let fetched = broker
        .provider
        .count(crate::support::provider::Endpoint::Jwks);
    assert_eq!(fetched, 0);
}

#[tokio::test]
async fn credentials_may_stand_in_the_question() {
    let broker = start().await;
    let token = broker.provider.token(claims());
    let question = json!({ "token": token, "client_id": "worker", "client_secret": CLIENT });
    let headers = [("content-type", "application/json")];
    let (status, told) = post(&broker, &headers, question.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let authorization = basic("worker", CLIENT);
    let headers = [
        ("content-type", "application/json"),
        ("authorization", &*authorization),
    ];
    let (status, _) = post(&broker, &headers, question.to_string()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "in two ways at once");
}

/// Apps that are not the client's, and apps that there are not, are one answer.
#[rstest]
#[case::not_its_own("worker", "other")]
#[case::unknown("worker", "nothing")]
#[case::for_nothing("report", "api")]
#[case::of_another_tenant("worker", "wiki")]
#[tokio::test]
async fn a15_a_service_learns_about_its_own_apps_alone(#[case] client: &str, #[case] app: &str) {
    let broker = start().await;
    let token = broker.provider.token(claims());
    let (status, told) = ask_as(&broker, client, &json!({ "token": token, "app": app })).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(
        told,
        json!({ "error": "access_denied", "error_description": "this client may not verify for that app" })
    );
}

#[rstest]
#[case::unknown_member(json!({"token": "x", "audience": "a"}))]
#[case::nothing_shown(json!({"app": "api"}))]
#[case::both(json!({"app": "api", "token": "x", "authorization": "Bearer x"}))]
#[case::no_text(json!({"app": "api", "token": ["x"]}))]
#[case::null(json!({"app": "api", "token": null}))]
#[case::truth(json!({"app": "api", "token": true}))]
#[case::empty(json!({"app": "api", "token": ""}))]
#[case::cookie(json!({"app": "api", "token": "x", "scheme": "session"}))]
#[case::second_header(json!({"app": "api", "authorization": "Bearer x\r\nX-API-Key: y"}))]
#[case::path_is_null(json!({"app": "api", "token": "x", "path": null}))]
#[case::method(json!({"app": "api", "token": "x", "path": "/", "method": "G ET"}))]
#[case::scopes_as_a_text(json!({"app": "api", "token": "x", "scopes": "a"}))]
#[case::scopes_of_anything(json!({"app": "api", "token": "x", "scopes": [1]}))]
#[case::many_scopes(json!({"app": "api", "token": "x", "scopes": vec!["a"; 101]}))]
#[case::address(json!({"app": "api", "token": "x", "address": "10.0.0.0/8"}))]
#[case::host(json!({"app": "api", "token": "x", "host": "a b"}))]
#[case::host_of_another_app(json!({"app": "api", "token": "x", "host": "other.acme.localhost"}))]
#[case::which_app(json!({"token": "x"}))]
#[tokio::test]
async fn a_question_that_is_none_is_refused(#[case] question: Value) {
    let broker = start().await;
    let (status, told) = ask_as(&broker, "gateway", &question).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{told}");
    assert_eq!(told["error"], "invalid_request");
}

#[rstest]
#[case::form("application/x-www-form-urlencoded", "token=x".to_owned(), 415)]
#[case::none("", "{}".to_owned(), 415)]
#[case::doubled("application/json", "{\"token\":\"x\",\"token\":\"y\"}".to_owned(), 400)]
#[case::list("application/json", "[]".to_owned(), 400)]
#[case::deep("application/json", format!("{{\"scopes\":{}{}}}", "[".repeat(3000), "]".repeat(3000)), 400)]
#[case::large("application/json", format!("{{\"token\":\"{}\"}}", "x".repeat(17_000)), 413)]
#[tokio::test]
async fn t23_a_body_that_is_none_is_refused(
    #[case] kind: &str,
    #[case] body: String,
    #[case] expected: u16,
) {
    let broker = start().await;
    let authorization = basic("worker", CLIENT);
    let headers = [("authorization", &*authorization), ("content-type", kind)];
    let (status, told) = post(&broker, &headers, body).await;
    assert_eq!(status, expected, "{told}");
}

/// A session is the browser's: neither its handle nor a cookie beside the question is anybody.
#[tokio::test]
async fn a_session_is_nobody_here() {
    let broker = start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, API, "/").await;
    let cookie = crate::support::nodes::app_cookie(&broker, &browser, API);
    let handle = cookie.split_once('=').expect("a cookie").1;
    let authorization = basic("worker", CLIENT);
    for shown in [
        json!({ "token": handle }),
        json!({ "token": handle, "scheme": "api_key" }),
        json!({ "authorization": cookie }),
        json!({ "authorization": format!("Cookie {cookie}") }),
        json!({ "authorization": "Basic x" }),
    ] {
        let headers = [
            ("authorization", &*authorization),
            ("content-type", "application/json"),
            ("cookie", &*cookie),
            ("x-api-key", KEY),
        ];
        let (status, told) = post(&broker, &headers, shown.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        assert_eq!(told["active"], false, "{shown}: {told}");
    }
}

/// An issuer that does not answer makes nothing good, and calls nothing bad.
#[tokio::test]
async fn t04_what_cannot_be_judged_is_503() {
    use crate::support::provider::{Endpoint as At, Trouble};
    let broker = start().await;
    let token = broker.provider.token(claims());
    broker.provider.trouble(At::Jwks, Trouble::Status(500));
    let (status, told) = ask_as(&broker, "worker", &json!({ "token": token })).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(told["active"].is_null());
}
