//! `/oauth2/permissions`: what whoever asks may do.

use bytes::Bytes;
use http::{Method, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::browser::Browser;
use crate::support::raw;
use crate::support::relay::{Asks, Relay};

const APP: &str = "may.acme.localhost";

/// An app of Acme's with rules of several kinds, whose callers show keys, passwords and sessions.
const RULES: &str = r#"
[[tenants.apps]]
id = "may"
hosts = ["may.acme.localhost:{port}"]
accept = ["api_key", "session"]
[[tenants.apps.rules]]
paths = ["/public"]
public = true
[[tenants.apps.rules]]
paths = ["/admin"]
groups = ["admins"]
[[tenants.apps.rules]]
paths = ["/nobody"]
deny = true
[[tenants.apps.rules]]
paths = ["/read"]
methods = ["GET"]
signed_in = true
[[tenants.apps.rules]]
paths = ["/mine"]
when = "request.path == '/mine/' + caller.name && caller.scheme == 'session'"
[[tenants.apps.rules]]
paths = ["/fails"]
when = "caller.client.startsWith('x')"
[[tenants.apps.rules]]
paths = ["/office"]
networks = ["203.0.113.0/24"]
signed_in = true
[[tenants.apps.rules]]
paths = ["/robots"]
any_of = [{ schemes = ["api_key"] }, { when = "caller.groups == ['staff']" }]
"#;

const KEY: &str = "EjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8=";

async fn start() -> Broker {
    let configuration = CONFIGURATION.replacen(
        "[[tenants]]\nid = \"globex\"",
        &format!("{RULES}\n[[tenants]]\nid = \"globex\""),
        1,
    );
    let configuration = configuration.replacen(
        "contact = \"it@acme.example\"",
        "contact = \"it@acme.example\"\napi_keys = [{ name = \"robot\", secret = { env = \"NEXT_SEALING_KEY\" }, groups = [\"admins\"] }]",
        1,
    );
    Broker::with(Setup {
        configuration,
        ..Setup::default()
    })
    .await
}

/// Every path and method that the rules could be asked about.
fn corpus() -> Vec<(&'static str, &'static str)> {
    let paths = [
        "/",
        "/public",
        "/admin",
        "/admin/x?y=1",
        "/administrator",
        "/nobody",
        "/read",
        "/mine/Ada%20Lovelace",
        "/mine/ada",
        "/fails",
        "/office",
        "/robots",
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public//admin",
        "/public%2fadmin",
        "/admin;x",
    ];
    let methods = ["GET", "POST", "HEAD", "OPTIONS", "PURGE"];
    paths
        .into_iter()
        .flat_map(|path| methods.into_iter().map(move |method| (method, path)))
        .collect()
}

fn questions(corpus: &[(&str, &str)]) -> Value {
    let all: Vec<_> = corpus
        .iter()
        .map(|(method, path)| json!({ "path": path, "method": method }))
        .collect();
    json!({ "questions": all })
}

/// Asks as whoever shows `headers`.
async fn ask(broker: &Broker, headers: &[(&str, &str)], body: &Value) -> (StatusCode, Value) {
    let host = format!("{APP}:{}", broker.address.port());
    let mut all = vec![("host", &*host), ("content-type", "application/json")];
    all.extend(headers);
    let answer = raw::send(
        broker.address,
        Method::POST,
        "/oauth2/permissions",
        &all,
        Bytes::from(body.to_string()),
    )
    .await;
    let told = serde_json::from_slice(answer.body()).unwrap_or_default();
    (answer.status(), told)
}

/// What the check says to the same.
async fn checked(broker: &Broker, headers: &[(&str, &str)], method: &str, path: &str) -> bool {
    let host = format!("{APP}:{}", broker.address.port());
    let url = format!("http://{host}{path}");
    let mut all = vec![
        ("host", &*host),
        ("x-original-url", &*url),
        ("x-original-method", method),
    ];
    all.extend(headers);
    let answer = raw::send(
        broker.address,
        Method::GET,
        "/oauth2/auth",
        &all,
        Bytes::new(),
    )
    .await;
    answer.status() == StatusCode::ACCEPTED
}

async fn signed_in(broker: &Broker, groups: &[&str]) -> Browser {
    broker.provider.person("ada", |ada| {
        ada.groups = groups.iter().map(|group| (*group).to_owned()).collect();
    });
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, APP, "/public").await;
    browser
}

/// Whoever asks, and whatever about: the check says the same.
#[rstest]
#[case::person("session", &["staff"])]
#[case::admin("session", &["admins"])]
#[case::robot("key", &[])]
#[tokio::test]
async fn the_check_says_the_same(#[case] by: &str, #[case] groups: &[&str]) {
    let broker = start().await;
    let browser = signed_in(&broker, groups).await;
    let cookie = crate::support::nodes::app_cookie(&broker, &browser, APP);
    let headers: Vec<(&str, &str)> = match by {
        "session" => vec![("cookie", &cookie)],
        _ => vec![("x-api-key", KEY)],
    };
    for from in ["203.0.113.9", "198.51.100.7"] {
        let mut headers = headers.clone();
        headers.push(("x-forwarded-for", from));
        let corpus = corpus();
        let (status, told) = ask(&broker, &headers, &questions(&corpus)).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        let answers = told["answers"].as_array().expect("a list");
        assert_eq!(answers.len(), corpus.len());
        let mut allowed = 0;
        for ((method, path), answer) in corpus.iter().zip(answers) {
            let expected = checked(&broker, &headers, method, path).await;
            assert_eq!(answer["allowed"], expected, "{method} {path}: {answer}");
            assert_eq!(answer["allowed"] == true, answer["reason"].is_null());
            allowed += usize::from(expected);
        }
        assert!(allowed > 0 && allowed < corpus.len(), "{allowed}");
    }
}

#[tokio::test]
async fn a_caller_is_told_who_they_are() {
    let broker = start().await;
    let browser = signed_in(&broker, &["staff"]).await;
    let address = broker.url(
        APP,
        "/oauth2/permissions?path=/admin&path=/read&method=POST",
    );
    let page = browser.request(Method::GET, &address, &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.headers["cache-control"], "no-store");
    let told: Value = serde_json::from_str(&page.text()).expect("JSON");
    assert_eq!(told["scheme"], "session");
    assert_eq!(told["groups"], json!(["staff"]));
    assert_eq!(told["email"], "ada@example.com");
    assert_eq!(told["scopes"], json!([]));
    assert_eq!(
        told["answers"],
        json!([
            { "path": "/admin", "method": "GET", "allowed": false, "reason": "group" },
            { "path": "/read", "method": "POST", "allowed": false, "reason": "no_rule" },
        ])
    );
}

#[rstest]
#[case::nothing(&[], 401)]
#[case::bad_key(&[("x-api-key", "EjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze9=")], 401)]
#[case::bad_session(&[("cookie", "__Host-dwa=AAAAAAAAAAAAAAAAAAAAAA")], 401)]
#[case::bad_key_beside_a_session(&[("x-api-key", "x"), ("cookie", "{session}")], 401)]
#[case::wrong_password(&[("authorization", "Basic YTpi")], 401)]
#[case::somebody_named(&[("x-auth-request-user", "ada"), ("remote-user", "ada")], 401)]
#[case::session(&[("cookie", "{session}")], 200)]
#[tokio::test]
async fn a01_nobody_is_told_of_anybody_else(
    #[case] headers: &[(&str, &str)],
    #[case] expected: u16,
) {
    let broker = start().await;
    let browser = signed_in(&broker, &["admins"]).await;
    let cookie = crate::support::nodes::app_cookie(&broker, &browser, APP);
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.replace("{session}", &cookie)))
        .collect();
    let headers: Vec<_> = headers.iter().map(|(name, it)| (*name, &**it)).collect();
    let (status, told) = ask(&broker, &headers, &questions(&[("GET", "/admin")])).await;
    assert_eq!(status, expected, "{told}");
    assert_eq!(told["answers"].is_null(), expected != 200);
}

/// Another app's session is nobody's here.
#[tokio::test]
async fn a15_a_session_of_another_app_is_none() {
    let broker = start().await;
    let mut browser = broker.browser();
    broker
        .sign_in(&mut browser, crate::support::nodes::WIKI, "/")
        .await;
    let cookie = crate::support::nodes::app_cookie(&broker, &browser, crate::support::nodes::WIKI);
    let (status, _) = ask(&broker, &[("cookie", &cookie)], &questions(&[])).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[rstest]
#[case::form("application/x-www-form-urlencoded", "path=/a".into(), 415)]
#[case::none("", "{}".into(), 415)]
#[case::no_object("application/json", "[]".into(), 400)]
#[case::deep("application/json", format!("{{\"questions\":{}{}}}", "[".repeat(5000), "]".repeat(5000)), 400)]
#[case::large("application/json", format!("{{\"questions\":[{{\"path\":\"/{}\"}}]}}", "a".repeat(17_000)), 413)]
#[case::many("application/json", questions(&[("GET", "/"); 101]).to_string(), 400)]
#[tokio::test]
async fn t23_a_body_that_is_none_is_refused(
    #[case] kind: &str,
    #[case] body: String,
    #[case] expected: u16,
) {
    let broker = start().await;
    let host = format!("{APP}:{}", broker.address.port());
    let headers = [("host", &*host), ("content-type", kind), ("x-api-key", KEY)];
    let answer = raw::send(
        broker.address,
        Method::POST,
        "/oauth2/permissions",
        &headers,
        Bytes::from(body),
    )
    .await;
    assert_eq!(answer.status(), expected);
}

/// Where the proxy passes the check's own answer on, 2xx would let the request through to the app.
#[rstest]
#[case::forward_auth(Asks::ForwardAuth)]
#[case::ext_authz(Asks::ExtAuthz)]
#[tokio::test]
async fn a_relayed_check_never_answers_it(#[case] asks: Asks) {
    let broker = start().await;
    let relay = Relay::start(&broker, asks).await;
    let mut browser = relay.browser(&broker, &[APP]);
    let page = browser.visit(&broker.url(APP, "/read")).await;
    assert!(crate::support::relay::is_app(&page), "{}", page.text());
    let page = browser
        .visit(&broker.url(APP, "/oauth2/permissions?path=/read"))
        .await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
}

/// Questions are no checks: whoever asks about what they may not do is not counted out.
#[tokio::test]
async fn questions_count_as_no_failed_checks() {
    let broker = start().await;
    let browser = signed_in(&broker, &["staff"]).await;
    let cookie = crate::support::nodes::app_cookie(&broker, &browser, APP);
    for _ in 0..30 {
        let (status, _) = ask(
            &broker,
            &[("cookie", &cookie)],
            &questions(&[("GET", "/admin"); 100]),
        )
        .await;
        assert_eq!(status, StatusCode::OK);
    }
    assert!(checked(&broker, &[("cookie", &cookie)], "GET", "/read").await);
    let page = broker.check(&browser, "GET", APP, "/admin").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.headers.get("retry-after").is_none());
}
