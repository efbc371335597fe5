//! What is accepted, in which order, and what is said otherwise.

use std::time::Duration;

use http::StatusCode;
use rstest::rstest;

use super::*;
use crate::support::asking::{ALL, Endpoint, Target};
use crate::support::nodes::app_cookie;
use crate::support::provider::{Endpoint as At, Trouble};

/// The provider's own access tokens, with keys from its metadata.
const DISCOVERED: &str = "issuer = \"{issuer}\"\naudiences = [\"api://orders\"]";

fn claims() -> Value {
    json!({
        "aud": "api://orders", "sub": "ana", "azp": "shop", "scope": "orders.read orders.write",
        "name": "Ana", "email": "ana@example.com", "email_verified": true, "groups": ["staff"], "roles": ["clerk"],
    })
}

#[tokio::test]
async fn a_token_of_a_discovered_issuer_passes_and_is_told_of() {
    let broker = trusting(DISCOVERED).await;
    let token = broker.provider.token(claims());
    let authorization = format!("Bearer {token}");
    let (status, headers) = ask(&broker, &[("authorization", &authorization)]).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(header(&headers, "x-user").len(), 32);
    assert_eq!(header(&headers, "x-name"), "Ana");
    assert_eq!(header(&headers, "x-email"), "ana@example.com");
    assert_eq!(header(&headers, "x-groups"), "staff");
    assert_eq!(header(&headers, "x-roles"), "clerk");
    let user = header(&headers, "x-user").to_owned();
    // Again from memory, and another token of the same caller.
    for token in [
        token,
        broker.provider.token(with(&claims(), json!({"jti": "2"}))),
    ] {
        let authorization = format!("Bearer {token}");
        let (status, headers) = ask(&broker, &[("authorization", &authorization)]).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        assert_eq!(header(&headers, "x-user"), user);
    }
    assert_eq!(broker.provider.count(At::Jwks), 1);
    assert_eq!(broker.provider.count(At::Discovery), 1);
}

#[rstest]
#[case::small("bearer {token}")]
#[case::large("BEARER {token}")]
#[case::space("  Bearer    {token}  ")]
#[tokio::test]
async fn the_scheme_is_read_as_people_write_it(#[case] written: &str) {
    let broker = trusting(DISCOVERED).await;
    let token = broker.provider.token(claims());
    let authorization = written.replace("{token}", &token);
    let (status, _) = ask(&broker, &[("authorization", authorization.trim())]).await;
    assert_eq!(status, StatusCode::ACCEPTED);
}

/// RFC 6750 §3, §3.1.
#[rstest]
#[case::nothing(&[], "Bearer realm=\"acme\"")]
#[case::another_scheme(&["Basic YTpi"], "Bearer realm=\"acme\"")]
#[case::no_token(&["Bearer"], "Bearer realm=\"acme\", error=\"invalid_request\"")]
#[case::two_words(&["Bearer a b"], "Bearer realm=\"acme\", error=\"invalid_request\"")]
#[case::two_tokens(&["Bearer {good}, Bearer {good}"], "Bearer realm=\"acme\", error=\"invalid_request\"")]
#[case::two_headers(&["Bearer {good}", "Bearer {good}"], "Bearer realm=\"acme\", error=\"invalid_request\"")]
#[case::beside_another(&["Basic YTpi", "Bearer {good}"], "Bearer realm=\"acme\", error=\"invalid_request\"")]
#[case::no_token_at_all(&["Bearer x"], "Bearer realm=\"acme\", error=\"invalid_token\"")]
#[case::of_nobody(&["Bearer {stranger}"], "Bearer realm=\"acme\", error=\"invalid_token\"")]
#[tokio::test]
async fn what_is_missing_or_wrong_is_said_as_the_rfc_says_it(
    #[case] shown: &[&str],
    #[case] challenge: &str,
) {
    let broker = trusting(DISCOVERED).await;
    let good = broker.provider.token(claims());
    let stranger = broker
        .provider
        .token(with(&claims(), json!({"iss": "https://stranger.example"})));
    let shown: Vec<String> = shown
        .iter()
        .map(|it| it.replace("{good}", &good).replace("{stranger}", &stranger))
        .collect();
    let headers: Vec<_> = shown.iter().map(|it| ("authorization", &**it)).collect();
    let (status, headers) = ask(&broker, &headers).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(raw::values(&headers, "www-authenticate"), [challenge]);
    assert_eq!(raw::values(&headers, "cache-control"), ["no-store"]);
}

/// RFC 6750 §2.3: logs and histories would have it.
#[tokio::test]
async fn a_token_in_the_query_is_not_looked_at() {
    let broker = trusting(DISCOVERED).await;
    let token = broker.provider.token(claims());
    let path = format!("/?access_token={token}");
    let (status, headers) = ask_at(&broker, API, &path, &[]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        raw::values(&headers, "www-authenticate"),
        ["Bearer realm=\"acme\""]
    );
}

const BOTH: &str = "accept = [\"session\", \"bearer\"]";

async fn both() -> Broker {
    let issuer = format!("[[tenants.trusted_issuers]]\nid = \"it\"\n{DISCOVERED}");
    broker(&configuration(&issuer, BOTH)).await
}

/// The token goes first, good or bad, in whatever order they are listed.
#[tokio::test]
async fn a_token_goes_before_a_cookie() {
    let broker = both().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, API, "/").await;
    let cookie = app_cookie(&broker, &browser, API);
    let token = format!("Bearer {}", broker.provider.token(claims()));
    let (status, headers) = ask(&broker, &[("cookie", &cookie)]).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let person = header(&headers, "x-user").to_owned();
    let shown = [("cookie", &*cookie), ("authorization", &*token)];
    let (status, headers) = ask(&broker, &shown).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_ne!(header(&headers, "x-user"), person);
    assert_eq!(header(&headers, "x-name"), "Ana");
    let shown = [("cookie", &*cookie), ("authorization", "Bearer bad")];
    let (status, headers) = ask(&broker, &shown).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let challenges = raw::values(&headers, "www-authenticate");
    assert_eq!(
        challenges[0],
        "Bearer realm=\"acme\", error=\"invalid_token\""
    );
    assert!(
        challenges[1].starts_with("Cookie realm=\"acme\""),
        "{challenges:?}"
    );
    // What the app does not accept is the app's own.
    let shown = [("cookie", &*cookie), ("authorization", "Basic YTpi")];
    let (status, headers) = ask(&broker, &shown).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(header(&headers, "x-user"), person);
}

/// An app that does not accept tokens does not look at them.
#[tokio::test]
async fn a_token_is_nothing_where_none_is_accepted() {
    let issuer = format!("[[tenants.trusted_issuers]]\nid = \"it\"\n{DISCOVERED}");
    let broker = broker(&configuration(&issuer, "")).await;
    let token = broker.provider.token(claims());
    assert_eq!(shown(&broker, &token).await, StatusCode::UNAUTHORIZED);
    assert_eq!(broker.provider.count(At::Jwks), 0);
}

/// WebSocket handshakes are requests like others.
#[rstest]
#[case::good("{good}", [200, 200, 200])]
#[case::bad("bad", [401, 401, 401])]
#[tokio::test]
async fn a_handshake_is_judged_as_any_request(#[case] token: &str, #[case] expected: [u16; 3]) {
    let broker = trusting(DISCOVERED).await;
    let token = token.replace("{good}", &broker.provider.token(claims()));
    let authorization = format!("Bearer {token}");
    let more = [
        ("authorization", &*authorization),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
    ];
    let mut found = [0; 3];
    for (endpoint, found) in ALL.into_iter().zip(&mut found) {
        let more = if endpoint == Endpoint::ExtAuthz {
            &more[..1]
        } else {
            &more
        };
        let target = Target::get(API, "/ws");
        let answer = crate::support::asking::ask(&broker, endpoint, target, more).await;
        *found = answer.status().as_u16();
    }
    assert_eq!(found, expected);
}

/// With the provider named they are the same people, by the same keys.
#[tokio::test]
async fn people_of_tokens_are_those_of_sessions_where_it_is_said() {
    for (line, same) in [("provider = \"main\"", true), ("", false)] {
        let issuer = format!("[[tenants.trusted_issuers]]\nid = \"it\"\n{DISCOVERED}\n{line}");
        let broker = broker(&configuration(&issuer, BOTH)).await;
        let mut browser = broker.browser();
        broker.sign_in(&mut browser, API, "/").await;
        let cookie = app_cookie(&broker, &browser, API);
        let (_, headers) = ask(&broker, &[("cookie", &cookie)]).await;
        let person = header(&headers, "x-user").to_owned();
        let sub = "subject-of-ada";
        let token = broker.provider.token(with(&claims(), json!({"sub": sub})));
        let authorization = format!("Bearer {token}");
        let (status, headers) = ask(&broker, &[("authorization", &authorization)]).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        assert_eq!(header(&headers, "x-user") == person, same);
    }
}

/// An issuer that is down lets nobody in, and nobody's token is called bad.
#[tokio::test]
async fn what_cannot_be_judged_now_is_503() {
    let broker = trusting(DISCOVERED).await;
    broker.provider.down().await;
    let token = broker.provider.token(claims());
    let authorization = format!("Bearer {token}");
    let (status, headers) = ask(&broker, &[("authorization", &authorization)]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(raw::values(&headers, "www-authenticate").is_empty());
    broker.provider.up().await;
    broker.advance(Duration::from_secs(11)).await;
    assert_eq!(shown(&broker, &token).await, StatusCode::ACCEPTED);
    // What was judged before goes on, and new tokens do with the keys at hand.
    broker.provider.down().await;
    assert_eq!(shown(&broker, &token).await, StatusCode::ACCEPTED);
    let other = broker
        .provider
        .token(with(&claims(), json!({"sub": "bob"})));
    assert_eq!(shown(&broker, &other).await, StatusCode::ACCEPTED);
}

/// Somebody else's metadata name somebody else's keys.
#[tokio::test]
async fn metadata_of_another_issuer_are_not_used() {
    let broker = trusting(DISCOVERED).await;
    broker
        .provider
        .configure(|settings| settings.issuer = "https://other.example".into());
    let issuer = broker.provider.base().to_owned();
    let token = broker
        .provider
        .token(with(&claims(), json!({"iss": issuer})));
    assert_eq!(
        shown(&broker, &token).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(broker.provider.count(At::Jwks), 0);
}

/// A key that came after the first token is found at the first token that it signed.
#[tokio::test]
async fn a_rotated_key_is_found() {
    let broker = trusting(DISCOVERED).await;
    let before = broker.provider.token(claims());
    assert_eq!(shown(&broker, &before).await, StatusCode::ACCEPTED);
    broker.provider.rotate();
    let after = broker.provider.token(claims());
    assert_eq!(shown(&broker, &after).await, StatusCode::ACCEPTED);
    assert_eq!(broker.provider.count(At::Jwks), 2);
}

/// A store that fails is no stranger, and nobody.
#[tokio::test]
async fn a_store_that_fails_lets_no_new_caller_in() {
    let broker = trusting(DISCOVERED).await;
    let known = broker.provider.token(claims());
    assert_eq!(shown(&broker, &known).await, StatusCode::ACCEPTED);
    broker.door.parts.store.close().await;
    let new = broker
        .provider
        .token(with(&claims(), json!({"sub": "bob"})));
    assert_eq!(shown(&broker, &new).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(shown(&broker, &known).await, StatusCode::ACCEPTED);
}

/// Two issuers with one name: each token is held against both.
#[tokio::test]
async fn issuers_of_one_name_are_tried_in_order() {
    let issuers = format!(
        "[[tenants.trusted_issuers]]\nid = \"one\"\nissuer = \"{{issuer}}\"\naudiences = [\"one\"]\n\
         [[tenants.trusted_issuers]]\nid = \"two\"\n{DISCOVERED}"
    );
    let broker = broker(&configuration(&issuers, BEARER)).await;
    for (audience, expected) in [
        ("one", StatusCode::ACCEPTED),
        ("api://orders", StatusCode::ACCEPTED),
        ("three", StatusCode::UNAUTHORIZED),
    ] {
        let token = broker
            .provider
            .token(with(&claims(), json!({"aud": audience})));
        assert_eq!(shown(&broker, &token).await, expected, "{audience}");
    }
}

/// An app accepts what its own lists say of what its tenant's issuers say.
#[rstest]
#[case::all("", [true, true])]
#[case::one_issuer("issuers = [\"one\"]", [true, false])]
#[case::the_other("issuers = [\"two\"]", [false, true])]
#[case::one_audience("audiences = [\"one\"]", [true, false])]
#[case::the_other_audience("audiences = [\"api://orders\"]", [false, true])]
#[tokio::test]
async fn an_app_narrows_what_it_accepts(#[case] app: &str, #[case] expected: [bool; 2]) {
    let issuers = format!(
        "[[tenants.trusted_issuers]]\nid = \"one\"\nissuer = \"{{issuer}}\"\naudiences = [\"one\"]\n\
         [[tenants.trusted_issuers]]\nid = \"two\"\n{DISCOVERED}"
    );
    let broker = broker(&configuration(&issuers, &format!("{BEARER}\n{app}"))).await;
    let mut found = [false; 2];
    for (audience, found) in ["one", "api://orders"].iter().zip(&mut found) {
        let token = broker
            .provider
            .token(with(&claims(), json!({"aud": audience})));
        *found = shown(&broker, &token).await == StatusCode::ACCEPTED;
    }
    assert_eq!(found, expected);
}

/// A slow issuer holds up its own tokens only.
#[tokio::test]
async fn t04_a_slow_issuer_holds_up_nobody_else() {
    let issuers = format!(
        "[[tenants.trusted_issuers]]\nid = \"slow\"\n{DISCOVERED}\n\
         [[tenants.trusted_issuers]]\nid = \"here\"\nissuer = \"https://here.example\"\n\
         audiences = [\"api://orders\"]\n{}",
        keys()
    );
    let broker = broker(&configuration(&issuers, BEARER)).await;
    broker.provider.trouble(At::Jwks, Trouble::Held);
    let slow = format!("Bearer {}", broker.provider.token(claims()));
    let waiting = [("authorization", &*slow)];
    let slow = ask(&broker, &waiting);
    let here = async {
        broker.provider.until_waiting(At::Jwks, 1).await;
        let now = json!({"iss": "https://here.example", "exp": NOW + 60});
        let token = signed(&with(&claims(), now));
        let status = shown(&broker, &token).await;
        broker.provider.release(At::Jwks);
        status
    };
    let ((slow, _), here) = tokio::join!(slow, here);
    assert_eq!((slow, here), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
}
