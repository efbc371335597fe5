//! Logout tokens (OIDC Back-Channel Logout 1.0): what they end, and which of them are refused.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward::ports::Clock as _;
use http::{Method, Response, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};

use crate::login::{
    NOT_TRUSTED, assert_page, assert_refused, has_session, signs_in_at_second, up_to_callback,
    with_rewritten_preset,
};
use crate::support::audit;
use crate::support::broker::{Broker, CONFIGURATION, Setup, clock, folder};
use crate::support::browser::Browser;
use crate::support::http::post_form;
use crate::support::nodes::{
    ACME, BOARD, GLOBEX_WIKI, Node, SHARED, SOLO, WIKI, acme_cookie, app_cookie, check,
};
use crate::support::provider::{
    Algorithm, Endpoint, IdTokenFault as F, JwksFault, KeyText, TestProvider, Trouble,
};
use crate::support::raw;
use crate::support::tampering::Database;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The tenant's address for its provider `main`.
const AT_ACME: (&str, &str) = (ACME, "/login/main/backchannel-logout");

/// Posts a logout token as the provider does: no browser, no cookie.
async fn tell(broker: &Broker, (host, path): (&str, &str), token: &str) -> Response<Bytes> {
    let authority = format!("{host}:{}", broker.address.port());
    let headers = [("host", authority.as_str())];
    let form = [("logout_token", token)];
    let answer = post_form(broker.address, path, &headers, &form).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.headers().get("set-cookie").is_none());
    answer
}

fn member(answer: &Response<Bytes>, name: &str) -> String {
    let body: Value = serde_json::from_slice(answer.body()).expect("JSON");
    body[name].as_str().expect("text").to_owned()
}

/// Somebody signs in at acme's wiki, in the provider's session `sid` (none: the provider does not tell).
async fn signed_in(broker: &Broker, person: &str, sid: &str, app: &str) -> Browser {
    broker.provider.sign_in_as(person);
    broker
        .provider
        .configure(|settings| sid.clone_into(&mut settings.session));
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, app, "/").await;
    assert!(is_in(broker, &browser, app).await, "{person} signs in");
    browser
}

async fn is_in(broker: &Broker, browser: &Browser, app: &str) -> bool {
    let answer = broker.check(browser, "GET", app, "/").await;
    match answer.status {
        StatusCode::ACCEPTED => true,
        StatusCode::UNAUTHORIZED => false,
        other => panic!("{other}"),
    }
}

/// At once here, within a second elsewhere, and for ever: with all that came from it.
#[rstest]
#[case::session(json!({"sid": "s1"}))]
#[case::person(json!({"sub": "subject-of-ada"}))]
#[case::both(json!({"sid": "s1", "sub": "subject-of-ada"}))]
#[tokio::test]
async fn a27_a_logout_token_ends_the_session_everywhere(#[case] about: Value) {
    let broker = Broker::start().await;
    let mut browser = signed_in(&broker, "ada", "s1", WIKI).await;
    broker.sign_in(&mut browser, BOARD, "/").await;
    let cookies = [WIKI, BOARD].map(|app| (app, app_cookie(&broker, &browser, app)));
    let tenant = acme_cookie(&broker, &browser);
    let node = Node::beside(&broker).await;
    for (app, cookie) in &cookies {
        assert_eq!(node.check(app, "/", cookie).await, StatusCode::ACCEPTED);
    }
    let token = broker.provider.logout_token(about);
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let line = audit::of_answer(answer.headers()).remove(0);
    assert_eq!(line.event(), "session_ended_upstream");
    assert_eq!(line.field("channel"), "back");
    assert_eq!(line.field("provider"), "main");
    for (app, cookie) in &cookies {
        let status = check(&broker, app, "/", cookie).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    node.broker.door.upkeep().await;
    for (app, cookie) in &cookies {
        assert_eq!(node.check(app, "/", cookie).await, StatusCode::UNAUTHORIZED);
    }
    let authority = format!("{ACME}:{}", broker.address.port());
    let headers = [("host", &*authority), ("cookie", &*tenant)];
    let answer = raw::get(broker.address, "/sessions", &headers).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let node = Node::after(broker).await;
    for (app, cookie) in &cookies {
        assert_eq!(node.check(app, "/", cookie).await, StatusCode::UNAUTHORIZED);
    }
}

/// Ada in two browsers, Ada whose session the provider did not name, Bob.
#[rstest]
#[case::session(json!({"sid": "s1"}), [true, false, false, false])]
#[case::other_session(json!({"sid": "s2"}), [false, true, false, false])]
#[case::unknown_session(json!({"sid": "s9"}), [false, false, false, false])]
#[case::person(json!({"sub": "subject-of-ada"}), [true, true, true, false])]
#[case::unknown_person(json!({"sub": "subject-of-eve"}), [false, false, false, false])]
// What is not known of the third may be the one that is meant.
#[case::session_of_a_person(json!({"sid": "s1", "sub": "subject-of-ada"}), [true, false, true, false])]
#[case::person_as_session(json!({"sid": "subject-of-ada"}), [false, false, false, false])]
#[case::session_as_person(json!({"sub": "s1"}), [false, false, false, false])]
#[tokio::test]
async fn exactly_what_is_named_ends(#[case] about: Value, #[case] ended: [bool; 4]) {
    let broker = Broker::start().await;
    let browsers = [
        signed_in(&broker, "ada", "s1", WIKI).await,
        signed_in(&broker, "ada", "s2", WIKI).await,
        signed_in(&broker, "ada", "", WIKI).await,
        signed_in(&broker, "bob", "s4", WIKI).await,
    ];
    let token = broker.provider.logout_token(about);
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::OK, "also when nothing ends");
    for (number, (browser, ended)) in browsers.iter().zip(ended).enumerate() {
        assert_eq!(is_in(&broker, browser, WIKI).await, !ended, "{number}");
    }
    let lines = audit::of_answer(answer.headers());
    let number = ended.iter().filter(|it| **it).count();
    let told = |event: &str| lines.iter().filter(|line| line.event() == event).count();
    assert_eq!(told("session_ended_upstream"), number);
    let nothing = usize::from(number == 0);
    assert_eq!(told("upstream_logout_found_nothing"), nothing);
    assert_eq!(lines.len(), number + nothing);
}

#[tokio::test]
async fn a_session_of_somebody_else_is_a_contradiction() {
    let broker = Broker::start().await;
    let ada = signed_in(&broker, "ada", "s1", WIKI).await;
    let bob = signed_in(&broker, "bob", "s2", WIKI).await;
    let about = json!({"sid": "s1", "sub": "subject-of-bob"});
    let token = broker.provider.logout_token(about);
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(member(&answer, "error"), "invalid_request");
    assert!(is_in(&broker, &ada, WIKI).await && is_in(&broker, &bob, WIKI).await);
}

/// Same provider, same person, same session there: three tenants, of which one is told.
#[tokio::test]
async fn t01_a_tenants_token_ends_no_other_tenants_session() {
    let broker = Broker::start().await;
    let acme = signed_in(&broker, "ada", "s1", WIKI).await;
    let globex = signed_in(&broker, "ada", "s1", GLOBEX_WIKI).await;
    let solo = signed_in(&broker, "ada", "s1", SOLO).await;
    for about in [json!({"sid": "s1"}), json!({"sub": "subject-of-ada"})] {
        let token = broker.provider.logout_token(about);
        assert_eq!(
            tell(&broker, AT_ACME, &token).await.status(),
            StatusCode::OK
        );
    }
    assert!(!is_in(&broker, &acme, WIKI).await);
    assert!(is_in(&broker, &globex, GLOBEX_WIKI).await);
    assert!(is_in(&broker, &solo, SOLO).await);
    for (at, browser, app) in [
        (
            (SHARED, "/t/globex/login/main/backchannel-logout"),
            &globex,
            GLOBEX_WIKI,
        ),
        ((SOLO, "/oauth2/login/main/backchannel-logout"), &solo, SOLO),
    ] {
        let token = broker.provider.logout_token(json!({"sid": "s1"}));
        assert_eq!(tell(&broker, at, &token).await.status(), StatusCode::OK);
        assert!(!is_in(&broker, browser, app).await, "{app}");
    }
}

/// Two registrations at one issuer: what each calls its sessions is its own.
#[tokio::test]
async fn t01_a_provider_ends_its_own_sessions_only() {
    let setup = Setup {
        configuration: with_second(),
        ..Setup::default()
    };
    let broker = Broker::with(setup).await;
    let main = signed_in(&broker, "ada", "s1", WIKI).await;
    let at = (ACME, "/login/second/backchannel-logout");
    let abouts = [json!({"sid": "s1"}), json!({"sub": "subject-of-ada"})];
    let tokens = abouts.map(|about| broker.provider.logout_token(about));
    for token in &tokens {
        assert_eq!(tell(&broker, at, token).await.status(), StatusCode::OK);
        assert!(is_in(&broker, &main, WIKI).await);
    }
    // Which token was used is its own too.
    for token in &tokens {
        assert_eq!(tell(&broker, AT_ACME, token).await.status(), StatusCode::OK);
    }
    assert!(!is_in(&broker, &main, WIKI).await);
}

/// The usual tenants; acme has a second provider, at which nobody signs in for the wiki.
fn with_second() -> String {
    let (before, after) = CONFIGURATION
        .split_once("[[tenants.apps]]")
        .expect("an app");
    let after = after.replacen(
        "allow = { signed_in = true }",
        "allow = { providers = [\"main\"] }",
        1,
    );
    format!(
        "{before}[[tenants.providers]]\nid = \"second\"\npreset = \"oidc\"\n\
         issuer = \"{{issuer}}\"\nclient_id = \"{{client_id}}\"\n\
         client_secret = {{ env = \"CLIENT_SECRET\" }}\n\n[[tenants.apps]]{after}"
    )
}

/// What a logout token must not be: each is refused, ends nothing and says which claim it is.
async fn refused(fault: Option<F>, about: Value, words: &str) {
    let broker = Broker::start().await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    if let Some(fault) = fault.clone() {
        broker.provider.set(fault);
    }
    let token = broker.provider.logout_token(about);
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{fault:?}");
    assert_eq!(member(&answer, "error"), "invalid_request");
    let description = member(&answer, "error_description");
    assert!(description.contains(words), "{description}");
    let line = audit::of_answer(answer.headers()).remove(0);
    assert_eq!(line.event(), "upstream_logout_refused");
    assert!(is_in(&broker, &browser, WIKI).await);
    // Nothing is in the way of the real one.
    broker.provider.behave();
    broker.advance(Duration::from_secs(1)).await;
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::OK
    );
    assert!(!is_in(&broker, &browser, WIKI).await);
}

/// With one claim changed, in a token that is otherwise right.
#[rstest]
#[case::other_issuer(json!({"iss": "https://evil.example"}), "iss")]
#[case::issuer_missing(json!({"iss": null}), "iss")]
#[case::issuer_in_a_list(json!({"iss": ["https://evil.example"]}), "iss")]
#[case::other_audience(json!({"aud": "somebody-else"}), "aud")]
#[case::audience_that_begins_with_ours(json!({"aud": "doorward-at-the-test-2"}), "aud")]
#[case::audience_within_ours(json!({"aud": "doorward-at-the-tes"}), "aud")]
#[case::audience_missing(json!({"aud": null}), "aud")]
#[case::audience_empty(json!({"aud": []}), "aud")]
#[case::audience_of_numbers(json!({"aud": ["doorward-at-the-test", 1]}), "aud")]
#[case::issued_at_missing(json!({"iat": null}), "iat")]
#[case::issued_at_as_text(json!({"iat": "1800000000"}), "iat")]
#[case::no_token_id(json!({"jti": null}), "jti")]
#[case::empty_token_id(json!({"jti": ""}), "jti")]
#[case::number_as_token_id(json!({"jti": 1}), "jti")]
#[case::no_event(json!({"events": null}), "events")]
#[case::event_as_text(json!({"events": EVENT}), "events")]
#[case::event_in_a_list(json!({"events": [EVENT]}), "events")]
#[case::another_event(json!({"events": {"https://schemas.openid.net/secevent/risc/event-type/account-disabled": {}}}), "events")]
#[case::event_with_https(json!({"events": {"https://schemas.openid.net/event/backchannel-logout": {}}}), "events")]
#[case::event_that_is_true(json!({"events": {EVENT: true}}), "events")]
#[case::event_that_is_a_list(json!({"events": {EVENT: []}}), "events")]
#[case::event_that_is_null(json!({"events": {EVENT: null}}), "events")]
#[case::nonce(json!({"nonce": "n"}), "nonce")]
#[case::nobody(json!({"sid": null}), "sub or sid")]
#[case::empty_session(json!({"sid": ""}), "sub or sid")]
#[case::number_as_session(json!({"sid": 1}), "sub or sid")]
#[case::empty_person(json!({"sub": ""}), "sub or sid")]
#[case::list_as_person(json!({"sub": ["subject-of-ada"]}), "sub or sid")]
#[case::long_person(json!({"sub": "a".repeat(256)}), "sub or sid")]
#[tokio::test]
async fn c_a_logout_token_has_each_claim(#[case] change: Value, #[case] words: &str) {
    let mut about = json!({"sid": "s1"});
    let all = about.as_object_mut().expect("an object");
    all.extend(change.as_object().expect("an object").clone());
    refused(None, about, words).await;
}

/// With something wrong about the token as such.
#[rstest]
#[case::null_nonce(F::Claim("nonce", json!(null)), "nonce")]
#[case::null_session(F::Claim("sid", json!(null)), "sub or sid")]
#[case::null_expiry(F::NullExpiry, "exp")]
#[case::endless(F::EndlessExpiry, "exp")]
#[case::not_yet(F::NotBeforeIn(61), "nbf")]
#[case::issuer_with_slash(F::IssuerWithSlash, "iss")]
#[case::unsigned(F::Unsigned("none"), "header")]
#[case::unsigned_mixed(F::Unsigned("nOnE"), "header")]
#[case::keyed_with_pem(F::HmacKeyedWith(KeyText::Pem), "header")]
#[case::keyed_with_our_secret(F::HmacKeyedWith(KeyText::ClientSecret), "header")]
#[case::bad_signature(F::BadSignature, "signature")]
#[case::changed_after_signing(F::ChangedAfterSigning, "signature")]
#[case::no_signature(F::NoSignature, "signature")]
#[case::signed_by_stranger(F::SignedByStranger, "signature")]
#[case::signed_with_the_providers_other_key(F::SignedWithTheOtherAlgorithm, "key")]
#[case::kid_of_other_key(F::KidOfOtherKey, "key")]
#[case::unknown_kid(F::UnknownKid, "key")]
#[case::embedded_key(F::EmbeddedKey, "header")]
#[case::key_set_address(F::KeySetAddress, "header")]
#[case::certificate_address(F::CertificateAddress, "header")]
#[case::unknown_critical(F::UnknownCritical, "header")]
#[case::unencoded_payload(F::BareUnencodedPayload, "header")]
#[case::encrypted(F::Encrypted, "header")]
#[case::four_parts(F::FourParts, "header")]
#[case::dots(F::Dots(2_000), "header")]
#[case::twice_a_claim(F::DuplicateClaim("sid", "s2"), "read")]
#[case::deep(F::NestedClaims(40), "read")]
#[case::type_of_an_access_token(F::Type("at+jwt"), "typ")]
#[case::type_of_an_event_token(F::Type("secevent+jwt"), "typ")]
#[case::type_of_something_longer(F::Type("logout+jwt2"), "typ")]
#[tokio::test]
async fn c_a_logout_token_is_the_providers_and_of_its_kind(#[case] fault: F, #[case] words: &str) {
    let attackers = matches!(fault, F::KeySetAddress | F::CertificateAddress);
    if fault == F::ChangedAfterSigning {
        refused(
            Some(fault),
            json!({"sub": "subject-of-ada", "sid": null}),
            words,
        )
        .await;
    } else {
        refused(Some(fault), json!({"sid": "s1"}), words).await;
    }
    assert!(
        !attackers || words == "header",
        "before anything is asked for"
    );
}

/// Kinds that name a logout token, or none; a list of audiences; no `exp`.
#[rstest]
#[case::plain(None, json!({}))]
#[case::in_capitals(Some(F::Type("LOGOUT+JWT")), json!({}))]
#[case::with_its_tree(Some(F::Type("application/logout+jwt")), json!({}))]
#[case::of_no_kind(Some(F::Type("JWT")), json!({}))]
#[case::audiences(None, json!({"aud": ["somebody-else", "doorward-at-the-test"]}))]
#[case::no_expiry(None, json!({"exp": null}))]
#[case::event_with_members(None, json!({"events": {EVENT: {"a": 1}, "https://other.example": {}}}))]
#[case::issued_a_minute_ahead(Some(F::IssuedIn(60)), json!({}))]
#[case::three_minutes_old(Some(F::IssuedIn(-179)), json!({"exp": null}))]
#[case::expired_within_the_skew(Some(F::ExpiredFor(59)), json!({}))]
#[tokio::test]
async fn a_logout_token_may_look_like_this(#[case] fault: Option<F>, #[case] change: Value) {
    let broker = Broker::start().await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    if let Some(fault) = fault {
        broker.provider.set(fault);
    }
    let mut about = json!({"sid": "s1"});
    let all = about.as_object_mut().expect("an object");
    all.extend(change.as_object().expect("an object").clone());
    let token = broker.provider.logout_token(about);
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.body());
    assert!(!is_in(&broker, &browser, WIKI).await);
}

#[rstest]
#[case::issued_in_the_future(F::IssuedIn(61), "iat")]
#[case::older_than_two_minutes_and_the_skew(F::IssuedIn(-180), "iat")]
#[case::expired(F::ExpiredFor(60), "exp")]
#[tokio::test]
async fn t16_a_logout_token_is_young(#[case] fault: F, #[case] words: &str) {
    // However long it says that it is good for.
    refused(Some(fault), json!({"sid": "s1"}), words).await;
}

/// A token whose life is longer than two minutes is used once for all of the time that it would be taken.
#[rstest]
#[case::as_usual(json!(null))]
#[case::for_a_day(json!(86_400))]
#[tokio::test]
async fn c_a_logout_token_is_used_once(#[case] lifetime: Value) {
    let broker = Broker::start().await;
    let ada = signed_in(&broker, "ada", "s1", WIKI).await;
    let mut about = json!({"sub": "subject-of-ada"});
    if let Some(seconds) = lifetime.as_i64() {
        let now = broker.clock.now().unix_timestamp();
        about["exp"] = (now + seconds).into();
    }
    let token = broker.provider.logout_token(about);
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::OK
    );
    assert!(!is_in(&broker, &ada, WIKI).await);
    broker.advance(Duration::from_secs(170)).await;
    broker.door.housekeeping().await;
    let again = signed_in(&broker, "ada", "s2", WIKI).await;
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(member(&answer, "error_description").contains("before"));
    assert!(is_in(&broker, &again, WIKI).await);
    let broker = broker.restart(Setup::default()).await;
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(member(&answer, "error_description").contains("before"));
    assert!(is_in(&broker, &again, WIKI).await);
    // Nothing of it is kept when its age refuses it.
    broker.advance(Duration::from_mins(30)).await;
    broker.door.housekeeping().await;
    let mut database = Database::of(&broker).await;
    assert_eq!(database.rows("logout_token").await, 0);
    assert_eq!(database.rows("upstream_logout").await, 0);
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(is_in(&broker, &again, WIKI).await);
}

/// Fifty at once are one.
#[tokio::test]
async fn c_a_logout_token_is_used_once_by_fifty() {
    let broker = Broker::start().await;
    signed_in(&broker, "ada", "s1", WIKI).await;
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    let authority = format!("{ACME}:{}", broker.address.port());
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (address, authority, token) = (broker.address, authority.clone(), token.clone());
        all.spawn(async move {
            let headers = [("host", authority.as_str())];
            let form = [("logout_token", token.as_str())];
            let answer = post_form(address, AT_ACME.1, &headers, &form).await;
            answer.expect("an answer").status()
        });
    }
    let statuses = all.join_all().await;
    let of = |status| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((of(StatusCode::OK), of(StatusCode::BAD_REQUEST)), (1, 49));
}

/// An ID token, whole and fresh, is none, nor is a logout token an ID token.
#[tokio::test]
async fn a11_id_tokens_and_logout_tokens_are_not_taken_for_each_other() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    let claims = json!({"sub": "subject-of-ada", "sid": "s1", "nonce": "n", "jti": "1"});
    for token in [
        broker.provider.token(claims.clone()),
        // As some providers sign ID tokens after a refresh.
        broker
            .provider
            .token(json!({"sub": "subject-of-ada", "sid": "s1", "jti": "1"})),
    ] {
        let answer = tell(&broker, AT_ACME, &token).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(is_in(&broker, &browser, WIKI).await);
    }
    let mut other = broker.browser();
    broker.provider.set(F::Type("logout+jwt"));
    broker.provider.set(F::Claim("events", json!({EVENT: {}})));
    broker.provider.set(F::NoNonce);
    let callback = up_to_callback(&broker, &mut other, WIKI).await;
    let page = other.open(callback.as_str()).await;
    assert_refused(&broker, &other, &page, (400, NOT_TRUSTED), "").await;
}

/// The signature is checked with the algorithm that ID tokens have, whichever keys there are.
#[tokio::test]
async fn a18_a_logout_token_has_the_pinned_algorithm() {
    let clock = clock();
    let provider = TestProvider::start(Arc::clone(&clock));
    provider.configure(|settings| settings.algorithm = Algorithm::Es256);
    let setup = Setup {
        configuration: CONFIGURATION.replacen(
            "scopes = [",
            "id_token_algorithm = \"ES256\"\nscopes = [",
            1,
        ),
        ..Setup::default()
    };
    let broker = Broker::on(setup, clock, provider, folder()).await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    broker.provider.set(F::SignedWithTheOtherAlgorithm);
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(is_in(&broker, &browser, WIKI).await);
    broker.provider.behave();
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::OK
    );
    assert!(!is_in(&broker, &browser, WIKI).await);
}

/// A key that was rotated in a moment ago signs logout tokens too; the old one alone is not enough for long.
#[tokio::test]
async fn a_rotated_key_signs_logout_tokens() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    broker.provider.rotate();
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::OK
    );
    assert!(!is_in(&broker, &browser, WIKI).await);
}

/// Keys that cannot be had: nothing is lost, the same token does it later.
#[tokio::test]
async fn a41_without_the_providers_keys_a_logout_token_can_come_again() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    let broker = broker.restart(Setup::default()).await;
    broker.provider.down().await;
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "30");
    assert_eq!(member(&answer, "error"), "temporarily_unavailable");
    assert!(is_in(&broker, &browser, WIKI).await);
    broker.provider.up().await;
    broker.advance(Duration::from_secs(30)).await;
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::OK
    );
    assert!(!is_in(&broker, &browser, WIKI).await);
}

#[tokio::test]
async fn a41_without_the_store_a_logout_token_can_come_again() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    let mut database = Database::of(&broker).await;
    database.break_it().await;
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(member(&answer, "error"), "temporarily_unavailable");
    database.mend().await;
    assert!(is_in(&broker, &browser, WIKI).await);
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::OK
    );
    assert!(!is_in(&broker, &browser, WIKI).await);
}

/// A stranger's keys are asked for once, and neither a login nor another tenant waits for it.
#[tokio::test]
async fn t05_t27_a_flood_of_unknown_keys_makes_one_fetch() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    broker.provider.set(F::UnknownKid);
    let flood: Vec<_> = (0..40)
        .map(|_| broker.provider.logout_token(json!({"sid": "s1"})))
        .collect();
    broker.provider.behave();
    let before = broker.provider.count(Endpoint::Jwks);
    for (number, token) in flood.iter().enumerate() {
        let answer = tell(&broker, AT_ACME, token).await;
        // The first was asked about; of the others nothing is known, and they may come again.
        let expected = if number == 0 { 400 } else { 503 };
        assert_eq!(answer.status(), expected, "{number}");
    }
    assert_eq!(broker.provider.count(Endpoint::Jwks), before + 1);
    // With the key that is there, a token counts all the while.
    let other = signed_in(&broker, "bob", "s2", WIKI).await;
    let token = broker.provider.logout_token(json!({"sid": "s2"}));
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::OK
    );
    assert!(!is_in(&broker, &other, WIKI).await);
    // A key rotated now is there for people at once, and so for this tenant's tokens.
    broker.provider.rotate();
    signed_in(&broker, "eve", "s3", WIKI).await;
    // The next one for another tenant's tokens, which have not asked yet.
    broker.provider.rotate();
    let at = (SHARED, "/t/globex/login/main/backchannel-logout");
    let token = broker.provider.logout_token(json!({"sid": "s9"}));
    assert_eq!(tell(&broker, at, &token).await.status(), StatusCode::OK);
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::OK
    );
    assert!(!is_in(&broker, &browser, WIKI).await);
}

/// What the provider rotated in during a cool-down is there after it, and its token was not refused meanwhile.
#[tokio::test]
async fn t05_a_token_of_a_new_key_is_only_put_off() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    broker.provider.set(F::UnknownKid);
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    broker.provider.behave();
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::BAD_REQUEST
    );
    broker.provider.rotate();
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    broker.advance(Duration::from_secs(31)).await;
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::OK
    );
    assert!(!is_in(&broker, &browser, WIKI).await);
}

/// The same where the new key has the name of the old one, so that only the signature does not fit.
#[tokio::test]
async fn t05_a_token_of_a_new_key_under_the_old_name_is_only_put_off() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    broker.provider.set(F::BadSignature);
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    broker.provider.behave();
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "it was asked");
    broker.provider.rotate_under_the_old_name();
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(is_in(&broker, &browser, WIKI).await);
    broker.advance(Duration::from_secs(31)).await;
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!is_in(&broker, &browser, WIKI).await);
}

/// The set at hand does not have the key, and the newer one cannot be had: nobody knows whose the token is.
#[tokio::test]
async fn a41_a_new_key_that_cannot_be_fetched_is_no_refusal() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    broker.provider.rotate();
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    broker
        .provider
        .trouble(Endpoint::Jwks, Trouble::Status(503));
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(is_in(&broker, &browser, WIKI).await);
    broker.provider.behave();
    broker.advance(Duration::from_secs(31)).await;
    let answer = tell(&broker, AT_ACME, &token).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!is_in(&broker, &browser, WIKI).await);
}

#[rstest]
#[case::get(Method::GET)]
#[case::head(Method::HEAD)]
#[case::put(Method::PUT)]
#[case::delete(Method::DELETE)]
#[case::options(Method::OPTIONS)]
#[tokio::test]
async fn only_post_tells_of_a_sign_out(#[case] method: Method) {
    let broker = Broker::start().await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    let authority = format!("{ACME}:{}", broker.address.port());
    let headers = [
        ("host", authority.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let target = format!("{}?logout_token={token}", AT_ACME.1);
    let body = format!("logout_token={token}");
    let answer = raw::send(broker.address, method, &target, &headers, body.into()).await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers()["allow"], "POST");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(is_in(&broker, &browser, WIKI).await);
}

/// How the form must be; `TOKEN` stands for a good one.
#[rstest]
#[case::another_kind("application/json", "{\"logout_token\":\"TOKEN\"}", 415)]
#[case::form_as_text("text/plain", "logout_token=TOKEN", 415)]
#[case::no_kind("", "logout_token=TOKEN", 415)]
#[case::empty("application/x-www-form-urlencoded", "", 400)]
#[case::other_name("application/x-www-form-urlencoded", "token=TOKEN", 400)]
#[case::twice(
    "application/x-www-form-urlencoded",
    "logout_token=TOKEN&logout_token=TOKEN",
    400
)]
#[case::no_token("application/x-www-form-urlencoded", "logout_token=", 400)]
#[case::too_large(
    "application/x-www-form-urlencoded",
    "logout_token=TOKEN&more=SPACE",
    413
)]
#[case::with_others(
    "application/x-www-form-urlencoded;charset=UTF-8",
    "a=b&logout_token=TOKEN&state=x",
    200
)]
#[tokio::test]
async fn t15_a_logout_token_comes_in_a_small_form(
    #[case] kind: &str,
    #[case] body: &str,
    #[case] status: u16,
) {
    let broker = Broker::start().await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    let body = body
        .replace("TOKEN", &token)
        .replace("SPACE", &"x".repeat(16 * 1024));
    let authority = format!("{ACME}:{}", broker.address.port());
    let headers = [("host", authority.as_str()), ("content-type", kind)];
    let answer = raw::send(
        broker.address,
        Method::POST,
        AT_ACME.1,
        &headers,
        body.into(),
    )
    .await;
    assert_eq!(answer.status(), status);
    if status != 200 {
        assert_eq!(member(&answer, "error"), "invalid_request");
    }
    assert_eq!(is_in(&broker, &browser, WIKI).await, status != 200);
}

/// A browser that posts a stranger's token with all its cookies has done no more than the stranger.
#[tokio::test]
async fn t08_no_cookie_counts_on_the_back_channel() {
    let broker = Broker::start().await;
    let mut browser = signed_in(&broker, "ada", "s1", WIKI).await;
    let url = broker.url(ACME, AT_ACME.1);
    let page = browser.post(&url, &[]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(is_in(&broker, &browser, WIKI).await);
}

#[rstest]
#[case::switched_off("backchannel_logout = false", AT_ACME.1)]
#[case::no_such_provider("", "/login/other/backchannel-logout")]
#[tokio::test]
async fn who_is_not_listened_to_finds_nothing_here(#[case] setting: &str, #[case] path: &str) {
    let setup = Setup {
        configuration: CONFIGURATION.replacen("scopes = [", &format!("{setting}\nscopes = ["), 1),
        ..Setup::default()
    };
    let broker = Broker::with(setup).await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    let answer = tell(&broker, (ACME, path), &token).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert!(is_in(&broker, &browser, WIKI).await);
}

/// Somebody signs out at the provider while their code is exchanged here: the sign-out wins.
#[rstest]
#[case::session("s1", json!({"sid": "s1"}))]
#[case::person("s1", json!({"sub": "subject-of-ada"}))]
#[case::both("s1", json!({"sid": "s1", "sub": "subject-of-ada"}))]
#[case::both_and_a_login_without_a_name("", json!({"sid": "s1", "sub": "subject-of-ada"}))]
#[tokio::test]
async fn t25_a_login_under_way_does_not_survive_the_logout(
    #[case] sid: &str,
    #[case] about: Value,
) {
    let broker = Broker::start().await;
    broker
        .provider
        .configure(|settings| sid.clone_into(&mut settings.session));
    let mut browser = broker.browser();
    let callback = up_to_callback(&broker, &mut browser, WIKI).await;
    broker.provider.trouble(Endpoint::Token, Trouble::Held);
    let mut tab = browser.tab();
    let address = callback.to_string();
    let login = tokio::spawn(async move { tab.open(&address).await });
    broker.provider.until_waiting(Endpoint::Token, 1).await;
    broker.clock.advance(Duration::from_secs(1));
    let token = broker.provider.logout_token(about);
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::OK
    );
    broker.provider.release(Endpoint::Token);
    let page = login.await.expect("an answer");
    assert_page(&page, 400, "This sign-in has expired");
    let line = audit::only(&page);
    assert_eq!(line.event(), "login_refused");
    assert!(line.field("reason").contains("signed out"), "{line:?}");
    assert!(!has_session(&browser));
    let mut database = Database::of(&broker).await;
    assert_eq!(database.rows("session").await, 0);
    // The next one is another login.
    broker.clock.advance(Duration::from_secs(1));
    signed_in(&broker, "ada", "s1", WIKI).await;
}

/// The same where the login would have gone on in a session that is there.
#[tokio::test]
async fn t25_a_login_under_way_renews_no_session() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    broker
        .provider
        .configure(|settings| "s2".clone_into(&mut settings.session));
    broker.clock.advance(Duration::from_secs(1));
    let mut tab = browser.tab();
    let again = broker.url(ACME, "/login/main");
    let page = tab.open(&again).await;
    let page = tab.step(&page).await;
    let callback = page.location().expect("a callback");
    broker.clock.advance(Duration::from_secs(1));
    let token = broker.provider.logout_token(json!({"sid": "s2"}));
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::OK
    );
    let page = tab.open(callback.as_str()).await;
    assert_page(&page, 400, "This sign-in has expired");
    // Its first session is not the one that ended.
    assert!(is_in(&broker, &browser, WIKI).await);
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::OK
    );
    assert!(!is_in(&broker, &browser, WIKI).await);
}

/// Who signed in again has another session there: the end of the old one is no end of theirs.
#[tokio::test]
async fn a_renewed_session_is_called_by_its_last_login() {
    let broker = Broker::start().await;
    let mut browser = signed_in(&broker, "ada", "s1", WIKI).await;
    broker
        .provider
        .configure(|settings| "s2".clone_into(&mut settings.session));
    let page = browser.visit(&broker.url(ACME, "/login/main")).await;
    assert_eq!(page.url.path(), "/sessions", "{}", page.text());
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::OK
    );
    assert!(is_in(&broker, &browser, WIKI).await);
    let token = broker.provider.logout_token(json!({"sid": "s2"}));
    assert_eq!(
        tell(&broker, AT_ACME, &token).await.status(),
        StatusCode::OK
    );
    assert!(!is_in(&broker, &browser, WIKI).await);
}

/// A stranger's flood of bad tokens is counted; what the provider signed is taken all the same.
#[tokio::test]
async fn t26_refused_logout_tokens_are_limited_and_good_ones_are_not() {
    let setup = Setup {
        configuration: format!("[limits.callback]\naddress = 5\n{CONFIGURATION}"),
        ..Setup::default()
    };
    let broker = Broker::with(setup).await;
    let browser = signed_in(&broker, "ada", "s1", WIKI).await;
    let authority = format!("{ACME}:{}", broker.address.port());
    let headers = [
        ("host", authority.as_str()),
        ("x-forwarded-for", "192.0.2.7"),
    ];
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let form = [("logout_token", "a.b.c")];
        let answer = post_form(broker.address, AT_ACME.1, &headers, &form).await;
        statuses.push(answer.expect("an answer").status().as_u16());
    }
    assert_eq!(statuses, [400, 400, 400, 400, 400, 429, 429, 429]);
    let token = broker.provider.logout_token(json!({"sid": "s1"}));
    let form = [("logout_token", token.as_str())];
    let answer = post_form(broker.address, AT_ACME.1, &headers, &form).await;
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
    assert!(!is_in(&broker, &browser, WIKI).await);
}

/// A provider that spells its issuer in two ways, and whose keys say whom they sign for.
async fn with_two_spellings() -> (Broker, TestProvider) {
    let rewrite = |text: &str, _: &TestProvider| {
        let at = "preferred_username_is_stable = false\n";
        assert!(text.contains(at));
        let more = "further_issuers = [\"id.acme.example\"]\nkey_issuer = \"checked\"\n";
        text.replacen(at, &format!("{more}{at}"), 1)
    };
    let settings =
        |second: &TestProvider| format!("preset = \"oidc\"\nissuer = \"{}\"", second.base());
    with_rewritten_preset(Some("oidc"), rewrite, settings, Setup::default()).await
}

/// Whichever spelling the session began with, and whichever the token has.
#[rstest]
#[case::session(json!({"sid": "session-at-the-provider"}))]
#[case::person(json!({"sub": "subject-of-ada"}))]
#[tokio::test]
async fn an_issuer_is_one_in_every_spelling(#[case] about: Value) {
    let (broker, second) = with_two_spellings().await;
    for (began, told) in [(false, true), (true, false)] {
        let spelt = |other: bool| {
            if other {
                "id.acme.example".to_owned()
            } else {
                second.base().to_owned()
            }
        };
        let mut browser = broker.browser();
        if began {
            second.set(F::Claim("iss", spelt(true).into()));
        }
        signs_in_at_second(&broker, &mut browser).await;
        second.behave();
        let mut about = about.clone();
        about["iss"] = spelt(told).into();
        let token = second.logout_token(about);
        let answer = tell(&broker, (ACME, "/login/second/backchannel-logout"), &token).await;
        assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.body());
        assert!(!is_in(&broker, &browser, WIKI).await, "{began}");
        broker.advance(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn t02_a_key_that_signs_for_another_issuer_signs_no_logout_token() {
    let (broker, second) = with_two_spellings().await;
    let at = (ACME, "/login/second/backchannel-logout");
    second.set(JwksFault::KeyIssuer("https://elsewhere.example".into()));
    let token = second.logout_token(json!({"sid": "s1"}));
    let answer = tell(&broker, at, &token).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let line = audit::of_answer(answer.headers()).remove(0);
    assert!(line.field("reason").contains("`issuer`"), "{line:?}");
    // One that says the token's own.
    let (broker, second) = with_two_spellings().await;
    second.set(JwksFault::KeyIssuer(second.base().to_owned()));
    let token = second.logout_token(json!({"sid": "s1"}));
    assert_eq!(tell(&broker, at, &token).await.status(), StatusCode::OK);
}
