//! What must be seen by nobody is seen by nobody: not in answers, not in addresses, not in the log.

use base64::Engine as _;
use http::StatusCode;

use crate::support::broker::Broker;
use crate::support::browser::{Browser, Hop, Page};
use crate::support::nodes::{ACME, BOARD, WIKI, acme_cookie, app_cookie};
use crate::support::provider::{CLIENT_SECRET, Endpoint, TokenFault};
use crate::support::tampering::Database;
use crate::support::{audit, raw};

const SEALING_KEY: &str = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";

fn query(url: &url::Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// What a browser and its server know of each other after a whole visit.
struct Visit {
    hops: Vec<Hop>,
    bodies: Vec<(String, String)>,
    /// Name, value, and what the paths end with that may have it in their query.
    secrets: Vec<(&'static str, String, Vec<&'static str>)>,
}

async fn visit(broker: &Broker) -> (Browser, Visit) {
    let mut browser = broker.browser();
    let mut visit = Visit {
        hops: Vec::new(),
        bodies: Vec::new(),
        secrets: vec![
            ("client secret", CLIENT_SECRET.to_owned(), vec![]),
            ("sealing key", SEALING_KEY.to_owned(), vec![]),
        ],
    };
    let keep = |visit: &mut Visit, page: Page| {
        visit.bodies.push((page.url.to_string(), page.html()));
        visit.hops.extend(page.chain);
    };
    let page = broker.sign_in(&mut browser, WIKI, "/page").await;
    for hop in &page.chain {
        let url = &hop.url;
        for (kind, name, places) in [
            ("code", "code", vec!["/callback"]),
            ("state", "state", vec!["/authorize", "/login/main/callback"]),
            ("sign-in", "continue", vec!["/login"]),
        ] {
            if let Some(value) = query(url, name) {
                visit.secrets.push((kind, value, places));
            }
        }
        if let Some(ticket) = query(url, "ticket") {
            let ticket = ticket.split_once('.').expect("tag and ticket").1.to_owned();
            visit
                .secrets
                .push(("ticket", ticket, vec!["/oauth2/callback"]));
        }
        for line in raw::values(&hop.headers, "set-cookie") {
            let value = line.split_once('=').expect("a pair").1;
            let value = value.split_once(';').expect("attributes").0;
            let handle = value.split_once('.').map_or(value, |(_, handle)| handle);
            if !handle.is_empty() {
                visit.secrets.push(("cookie", handle.to_owned(), vec![]));
            }
        }
    }
    keep(&mut visit, page);
    let asked = broker.provider.last(Endpoint::Token).expect("an exchange");
    let verifier = asked.form("code_verifier").expect("a verifier").to_owned();
    visit.secrets.push(("verifier", verifier, vec![]));
    let nonce = broker.provider.last(Endpoint::Authorize).expect("a login");
    let nonce = nonce.query("nonce").expect("a nonce").to_owned();
    visit.secrets.push(("nonce", nonce, vec!["/authorize"]));
    let refused = broker.sign_in(&mut browser, BOARD, "/admin").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    keep(&mut visit, refused);
    for path in [
        "/sessions",
        "/logout",
        "/nothing",
        "/login/main/callback?code=x&state=AAAAAAAAAAAAAAAAAAAAAA",
    ] {
        let page = browser.visit(&broker.url(ACME, path)).await;
        keep(&mut visit, page);
    }
    let page = browser.visit(&broker.url(WIKI, "/oauth2/userinfo")).await;
    keep(&mut visit, page);
    let page = browser
        .visit(&broker.url(WIKI, "/oauth2/sign_out?rd=/bye"))
        .await;
    let asked = broker
        .provider
        .last(Endpoint::EndSession)
        .expect("a sign-out");
    let token = asked.query("id_token_hint").expect("a token").to_owned();
    // The signature alone gives a token away too.
    let signature = token.rsplit_once('.').expect("a signature").1.to_owned();
    visit
        .secrets
        .push(("ID token", token, vec!["/end_session"]));
    visit
        .secrets
        .push(("signature", signature, vec!["/end_session"]));
    keep(&mut visit, page);
    let metrics = browser.visit(&broker.url(ACME, "/metrics")).await;
    keep(&mut visit, metrics);
    (browser, visit)
}

#[tokio::test]
async fn a36_secrets_are_where_they_belong_and_nowhere_else() {
    let broker = Broker::start().await;
    let (_, visit) = visit(&broker).await;
    assert!(visit.secrets.len() >= 15, "{:?}", visit.secrets.len());
    let log = audit::everything_here();
    assert!(log.len() > 20, "{} lines", log.len());
    let log = format!("{log:?}");
    for (kind, secret, places) in &visit.secrets {
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for spelling in [secret, &encoded] {
            for (url, body) in &visit.bodies {
                // A page may carry on the sign-in that it was opened for.
                let own = *kind == "sign-in" && url.contains("/login?");
                assert!(
                    own || !body.contains(spelling.as_str()),
                    "{kind} in the body of {url}"
                );
            }
            for hop in &visit.hops {
                let path = hop.url.path();
                let belongs = places.iter().any(|place| path.ends_with(place));
                let there = hop.url.as_str().contains(spelling.as_str());
                assert!(belongs || !there, "{kind} in the address {path}");
            }
            assert!(!log.contains(spelling.as_str()), "{kind} in the log");
        }
    }
}

/// The same while things fail: error texts quote nothing.
#[tokio::test]
async fn a36_failures_tell_no_secrets() {
    let broker = Broker::start().await;
    let canary = "canary-in-a-token-answer";
    let faults = [
        TokenFault::InvalidClient,
        TokenFault::InvalidGrant,
        TokenFault::With("access_token", serde_json::json!({ "x": canary })),
        TokenFault::With("id_token", format!("{canary}.{canary}.{canary}").into()),
        TokenFault::With("expires_in", canary.into()),
        TokenFault::With("token_type", canary.into()),
    ];
    for fault in faults {
        broker.provider.behave();
        broker.provider.set(fault.clone());
        let mut browser = broker.browser();
        let page = broker.sign_in(&mut browser, WIKI, "/page").await;
        if page.url.path() != "/page" {
            assert!(
                page.status.is_client_error() || page.status.is_server_error(),
                "{fault:?}"
            );
        }
        let asked = broker.provider.last(Endpoint::Token).expect("an exchange");
        let code = asked.form("code").expect("a code").to_owned();
        let verifier = asked.form("code_verifier").expect("a verifier").to_owned();
        let log = format!("{:?}", audit::everything_here());
        for secret in [canary, &code, &verifier, CLIENT_SECRET] {
            assert!(
                !page.html().contains(secret),
                "{secret} on the page of {fault:?}"
            );
            assert!(!log.contains(secret), "{secret} in the log of {fault:?}");
        }
    }
}

/// Handles, codes and tokens are in the database as digests or sealed.
#[tokio::test]
async fn a36_a_stolen_database_holds_no_secret() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let app = app_cookie(&broker, &browser, WIKI);
    let tenant = acme_cookie(&broker, &browser);
    // And one that waits at the provider.
    let mut waiting = broker.browser();
    let asked = waiting.open(&broker.sign_in_url(BOARD, "/")).await;
    let begun = waiting.step(&asked).await;
    let authorize = begun.location().expect("the provider");
    let mut database = Database::of(&broker).await;
    database.run("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let mut bytes = std::fs::read(broker.folder.path().join("doorward.db")).expect("a file");
    for companion in ["doorward.db-wal", "doorward.db-shm"] {
        bytes.extend(std::fs::read(broker.folder.path().join(companion)).unwrap_or_default());
    }
    let id_token = broker.provider.last(Endpoint::Token);
    assert!(id_token.is_some());
    let mut secrets = vec![
        CLIENT_SECRET.to_owned(),
        "eyJhbGciOi".to_owned(),
        query(&authorize, "state").expect("a state"),
        query(&authorize, "nonce").expect("a nonce"),
        query(&asked.location().expect("a login"), "continue").expect("an id"),
    ];
    for line in [&app, &tenant] {
        secrets.push(line.split_once('=').expect("a pair").1.to_owned());
    }
    for cookie in waiting.jar().cookies(&begun.url) {
        secrets.push(
            cookie
                .value
                .split_once('.')
                .expect("time and handle")
                .1
                .to_owned(),
        );
    }
    let contains = |wanted: &[u8]| bytes.windows(wanted.len()).any(|part| part == wanted);
    // The file is really looked at.
    assert!(contains(b"subject-of-ada"));
    for secret in secrets {
        assert!(!contains(secret.as_bytes()), "{secret}");
        let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&secret);
        if let Ok(decoded) = decoded.as_deref()
            && decoded.len() >= 16
        {
            assert!(!contains(decoded), "the bytes of {secret}");
        }
    }
}
