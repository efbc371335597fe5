//! `/healthz`, `/readyz`, `/metrics`.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{Method, StatusCode};
use rstest::rstest;
use serde_json::json;

use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::nodes::{ACME, BOARD, WIKI};
use crate::support::raw;
use crate::support::tampering::Database;

/// Asked by address, as a probe asks: no host of ours.
async fn status(broker: &Broker, path: &str) -> StatusCode {
    let host = broker.address.to_string();
    let headers = [("host", &*host), ("user-agent", "kube-probe/1.31")];
    raw::get(broker.address, path, &headers).await.status()
}

#[rstest]
#[case("/healthz")]
#[case("/ping")]
#[case("/readyz")]
#[case("/ready")]
#[tokio::test]
async fn a_healthy_broker_says_so(#[case] path: &str) {
    let broker = Broker::start().await;
    assert_eq!(status(&broker, path).await, StatusCode::OK);
    // A provider that is down takes nobody's door away.
    broker.provider.down().await;
    assert_eq!(status(&broker, path).await, StatusCode::OK);
}

#[tokio::test]
async fn a41_a_broker_without_its_store_is_alive_but_not_ready() {
    let broker = Broker::start().await;
    let mut database = Database::of(&broker).await;
    database.break_it().await;
    assert_eq!(
        status(&broker, "/readyz").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        status(&broker, "/ready").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(status(&broker, "/healthz").await, StatusCode::OK);
    database.mend().await;
    assert_eq!(status(&broker, "/readyz").await, StatusCode::OK);
}

#[tokio::test]
async fn a41_a_broker_that_cannot_write_is_not_ready() {
    let broker = Broker::start().await;
    let mut database = Database::of(&broker).await;
    database.lock().await;
    let answer = tokio::time::timeout(Duration::from_millis(2_500), status(&broker, "/readyz"));
    assert_eq!(
        answer.await.expect("an answer"),
        StatusCode::SERVICE_UNAVAILABLE
    );
    database.unlock().await;
    assert_eq!(status(&broker, "/readyz").await, StatusCode::OK);
}

#[tokio::test]
async fn a_broker_without_news_is_not_ready() {
    let broker = Broker::start().await;
    broker.clock.advance(Duration::from_secs(5));
    assert_eq!(
        status(&broker, "/readyz").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    broker.door.upkeep().await;
    assert_eq!(status(&broker, "/readyz").await, StatusCode::OK);
}

/// An app that takes tokens of an issuer, which is the provider itself.
async fn trusting() -> Broker {
    let issuer = "[[tenants.trusted_issuers]]\nid = \"keys-told\"\nissuer = \"{issuer}\"\naudiences = [\"api\"]\n\
                  [[tenants.apps]]\nid = \"wiki\"\naccept = [\"bearer\", \"session\"]\n";
    Broker::with(Setup {
        configuration: CONFIGURATION.replacen("[[tenants.apps]]\nid = \"wiki\"\n", issuer, 1),
        ..Setup::default()
    })
    .await
}

/// The first line of `/readyz?details`, what it says of the issuer, and what `/metrics` does: age, then failing.
async fn told(broker: &Broker) -> (StatusCode, String, [String; 2]) {
    let host = broker.address.to_string();
    let answer = raw::get(broker.address, "/readyz?details", &[("host", &host)]).await;
    let status = answer.status();
    let text = String::from_utf8(answer.body().to_vec()).expect("text");
    assert!(text.starts_with("ready\n"), "{text}");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("keys of acme/keys-told: "));
    let metrics = raw::get(broker.address, "/metrics", &[("host", &host)]).await;
    let metrics = String::from_utf8(metrics.body().to_vec()).expect("text");
    let value = |name: &str| {
        let mut lines = metrics.lines();
        let line = lines.find(|line| line.starts_with(name) && line.contains("\"keys-told\""));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value.unwrap_or_default().to_owned()
    };
    let values = [
        value("doorward_issuer_keys_age_seconds"),
        value("doorward_issuer_keys_failing_seconds"),
    ];
    (status, line.unwrap_or_default().to_owned(), values)
}

/// An issuer that is down is seen, and is no reason to send requests elsewhere.
#[tokio::test]
async fn how_the_keys_of_issuers_stand_is_told() {
    let broker = trusting().await;
    let (status, line, values) = told(&broker).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(line, "not asked for yet");
    assert_eq!(values, ["NaN", "0"]);

    let token = broker.provider.token(json!({ "aud": "api", "sub": "ana" }));
    let authorization = format!("Bearer {token}");
    let shown = [("authorization", &*authorization)];
    let page = broker
        .check_with(&broker.browser(), "GET", WIKI, "/", &shown)
        .await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
    broker.clock.advance(Duration::from_secs(40));
    broker.door.upkeep().await;
    let (_, line, values) = told(&broker).await;
    assert_eq!(line, "40 s old");
    assert_eq!(values, ["40", "0"]);

    broker.provider.down().await;
    broker.clock.advance(Duration::from_hours(23));
    broker.door.upkeep().await;
    broker.door.parts.relying_party.key_sets.settled().await;
    broker.door.parts.issuer_metadata.settled().await;
    broker.clock.advance(Duration::from_secs(4));
    broker.door.upkeep().await;
    let (status, line, values) = told(&broker).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        line,
        "cannot be fetched for 4 s, the last good ones are 82844 s old"
    );
    assert_eq!(values, ["82844", "4"]);
}

/// What was never asked about is not shown to whoever asks the usual way.
#[tokio::test]
async fn whoever_asks_whether_we_are_ready_is_told_no_names() {
    let broker = trusting().await;
    for path in ["/readyz", "/readyz?", "/readyz?detail", "/readyz?details=1"] {
        let host = broker.address.to_string();
        let answer = raw::get(broker.address, path, &[("host", &host)]).await;
        assert_eq!(&answer.body()[..], b"ready\n", "{path}");
    }
}

/// However many paths, hosts and names are asked for, there is a fixed number of series.
#[tokio::test]
async fn labels_come_from_the_configuration_alone() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let planted = "planted-by-a-client";
    for path in [
        "/",
        "/x",
        "/y/z",
        "/login/planted-by-a-client",
        "/planted-by-a-client",
    ] {
        browser
            .request(Method::GET, &broker.url(ACME, path), &[])
            .await;
        broker.check(&browser, "GET", WIKI, path).await;
        broker
            .check(&browser, "PLANTED-BY-A-CLIENT", BOARD, path)
            .await;
        broker
            .check(&browser, "GET", "planted-by-a-client.localhost", path)
            .await;
        let agent = [("user-agent", planted)];
        broker.check_with(&browser, "GET", WIKI, path, &agent).await;
    }
    let page = browser.visit(&broker.url(ACME, "/metrics")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    let text = page.html();
    assert!(!text.to_ascii_lowercase().contains(planted), "{text}");
    let told = |line: &str| text.lines().any(|other| other.starts_with(line));
    assert!(
        told(r#"doorward_checks_total{tenant="acme",app="wiki",outcome="allowed"}"#),
        "{text}"
    );
    assert!(
        told(r#"doorward_checks_total{tenant="",app="",outcome="unknown_host"}"#),
        "{text}"
    );
    assert!(
        told(r#"doorward_logins_total{tenant="acme",provider="main",outcome="completed"}"#),
        "{text}"
    );
    assert!(
        told(r#"doorward_sessions_total{tenant="acme",event="begun"}"#),
        "{text}"
    );
    let routes: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.split_once("route=\"")?.1.split_once('"'))
        .map(|(route, _)| route)
        .collect();
    let known = [
        "callback",
        "login",
        "other",
        "sessions",
        "sign_in",
        "sign_out",
        "token",
        "upstream_logout",
        "userinfo",
    ];
    assert!(
        routes.iter().all(|route| known.contains(route)),
        "{routes:?}"
    );
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let (_, value) = line.rsplit_once(' ').expect("a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}
