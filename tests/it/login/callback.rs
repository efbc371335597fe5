//! What comes back from the provider: whose it is, and whether anybody waits for it.

use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::support::provider::{AuthorizeFault, Endpoint, IdTokenFault};

#[rstest]
#[case::no_state(AuthorizeFault::NoState, "`state` is missing or is none of ours")]
#[case::foreign_state(AuthorizeFault::OtherState, "`state` is missing or is none of ours")]
#[case::state_twice(AuthorizeFault::DuplicateState, "`state` stands twice")]
#[case::code_twice(AuthorizeFault::DuplicateCode, "`code` stands twice")]
#[case::no_code(AuthorizeFault::NoCode, "neither `code` nor `error`")]
#[case::empty_code(AuthorizeFault::EmptyCode, "neither `code` nor `error`")]
#[case::long_code(AuthorizeFault::LongCode(8193), "`code` is longer than 8192 bytes")]
#[case::error_without_state(AuthorizeFault::ErrorWithoutState, "`state` is missing")]
#[case::other_issuer(
    AuthorizeFault::OtherIssuer,
    "`iss` is missing or names another issuer"
)]
#[case::issuer_with_slash(AuthorizeFault::IssuerWithSlash, "`iss` is missing or names another")]
#[case::promised_issuer_missing(AuthorizeFault::NoIssuer, "`iss` is missing or names another")]
#[tokio::test]
async fn t01_an_answer_that_is_not_ours_exchanges_nothing(
    #[case] fault: AuthorizeFault,
    #[case] reason: &str,
) {
    let broker = Broker::start().await;
    broker.provider.set(fault);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(&broker, &browser, &page, (400, EXPIRED), reason).await;
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
}

#[tokio::test]
async fn an_issuer_that_was_not_promised_may_be_missing() {
    let broker = Broker::start().await;
    broker
        .provider
        .configure(|settings| settings.promises_issuer = false);
    broker.provider.set(AuthorizeFault::NoIssuer);
    assert_signs_in(&broker, &mut broker.browser()).await;
}

#[tokio::test]
async fn a_wrong_issuer_counts_though_none_was_promised() {
    let broker = Broker::start().await;
    broker
        .provider
        .configure(|settings| settings.promises_issuer = false);
    broker.provider.set(AuthorizeFault::OtherIssuer);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(&broker, &browser, &page, (400, EXPIRED), "`iss`").await;
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
}

/// The state of a login that another browser began.
#[tokio::test]
async fn a25_another_browser_cannot_complete_a_login_nor_use_it_up() {
    let broker = Broker::start().await;
    let mut victim = broker.browser();
    let callback = up_to_callback(&broker, &mut victim, WIKI).await;
    let mut other = broker.browser();
    // Not without cookies at all: that has a page of its own.
    other.set_cookie(&broker.url("acme.localhost", "/"), "theme=dark; Path=/");
    let page = other.open(callback.as_str()).await;
    let reason = "from another browser";
    assert_refused(&broker, &other, &page, (400, EXPIRED), reason).await;
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
    let page = victim.visit(callback.as_str()).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"));
}

/// Another browser that has a login of its own under way, and puts its cookie under the name that the
/// callback asks for.
#[tokio::test]
async fn a25_t08_the_cookie_of_another_attempt_does_not_fit() {
    let broker = Broker::start().await;
    let mut attacker = broker.browser();
    let callback = up_to_callback(&broker, &mut attacker, WIKI).await;
    let mut victim = broker.browser();
    up_to_callback(&broker, &mut victim, WIKI).await;
    let [wanted] = &*cookies(&attacker, "__Host-dwl-") else {
        panic!("one attempt");
    };
    let [own] = &*cookies(&victim, "__Host-dwl-") else {
        panic!("one attempt");
    };
    let value = victim.cookie(&broker.url("acme.localhost", "/"), own);
    let line = format!("{wanted}={}; Path=/; Secure", value.expect("a cookie"));
    victim.set_cookie(&broker.url("acme.localhost", "/"), &line);
    let page = victim.open(callback.as_str()).await;
    assert_refused(&broker, &victim, &page, (400, EXPIRED), "no login waits").await;
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
    // It was not used up by that.
    let page = attacker.visit(callback.as_str()).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"));
}

#[tokio::test]
async fn a25_an_answer_is_for_one_use() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let callback = up_to_callback(&broker, &mut browser, WIKI).await;
    let kept = cookie_header(&browser, &callback);
    browser.visit(callback.as_str()).await;
    // The same request once more, with the cookie that was deleted.
    let mut again = broker.browser().always("cookie", &kept);
    let page = again.open(callback.as_str()).await;
    assert_page(&page, 400, EXPIRED);
    assert!(
        audit::only(&page)
            .field("reason")
            .contains("no login waits")
    );
    assert!(!has_session(&again));
    assert_eq!(broker.provider.count(Endpoint::Token), 1);
    // And from the browser itself, which goes back in its history.
    let page = browser.open(callback.as_str()).await;
    assert_page(&page, 400, EXPIRED);
    assert_eq!(broker.provider.count(Endpoint::Token), 1);
    let check = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::ACCEPTED, "still signed in");
}

/// Both requests of a double click arrive before either is answered.
#[tokio::test]
async fn a25_of_two_answers_at_once_one_signs_in() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let callback = up_to_callback(&broker, &mut browser, WIKI).await;
    let (mut first, mut second) = (browser.tab(), browser.tab());
    let (first, second) = tokio::join!(
        first.open(callback.as_str()),
        second.open(callback.as_str())
    );
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 400]);
    assert_eq!(broker.provider.count(Endpoint::Token), 1);
    assert_eq!(broker.provider.replayed_codes(), 0);
}

#[rstest]
#[case::missing(IdTokenFault::NoNonce)]
#[case::of_another_login(IdTokenFault::OtherNonce)]
#[case::empty(IdTokenFault::Claim("nonce", "".into()))]
#[case::null(IdTokenFault::Claim("nonce", serde_json::Value::Null))]
#[tokio::test]
async fn a25_the_nonce_binds_the_token_to_this_login(#[case] fault: IdTokenFault) {
    let broker = Broker::start().await;
    broker.provider.set(fault);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(
        &broker,
        &browser,
        &page,
        (400, NOT_TRUSTED),
        "missing or another login's",
    )
    .await;
}

/// A code that the provider gave to another login of the same person.
#[tokio::test]
async fn a25_a_code_of_another_login_does_not_fit_the_verifier() {
    let broker = Broker::start().await;
    let mut attacker = broker.browser();
    let stolen = up_to_callback(&broker, &mut attacker, WIKI).await;
    let mut victim = broker.browser();
    let callback = up_to_callback(&broker, &mut victim, WIKI).await;
    let code = parameter(&stolen, "code");
    let injected = with_parameter(&callback, "code", code.as_deref());
    let page = victim.open(injected.as_str()).await;
    assert_refused(
        &broker,
        &victim,
        &page,
        (400, NOT_TRUSTED),
        "`invalid_grant`",
    )
    .await;
}

#[tokio::test]
async fn an_attempt_lasts_fifteen_minutes() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    // The provider's codes would be over long before.
    broker
        .provider
        .configure(|settings| settings.code_lifetime = 3600);
    let in_time = up_to_callback(&broker, &mut browser, WIKI).await;
    broker.advance(Duration::from_secs(14 * 60)).await;
    let page = browser.open(in_time.as_str()).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());

    let mut late = broker.browser();
    let callback = up_to_callback(&broker, &mut late, WIKI).await;
    let kept = cookie_header(&late, &callback);
    broker.advance(Duration::from_secs(16 * 60)).await;
    // A browser forgets the cookie by itself; a clock that is behind does not.
    let mut late = late.always("cookie", &kept);
    let page = late.open(callback.as_str()).await;
    assert_page(&page, 400, EXPIRED);
    let reason = audit::only(&page).field("reason");
    assert!(reason.contains("longer than 15 minutes"), "{reason}");
    assert!(!has_session(&late));
    assert_eq!(broker.provider.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn a_browser_without_cookies_is_told_so() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let callback = up_to_callback(&broker, &mut browser, WIKI).await;
    browser.jar().clear();
    let page = browser.open(callback.as_str()).await;
    let title = "Your browser does not keep cookies";
    assert_refused(
        &broker,
        &browser,
        &page,
        (400, title),
        "from another browser",
    )
    .await;
    assert!(page.text().contains("acme.localhost"), "{}", page.text());
}

#[rstest]
#[case::declined("access_denied", "Acme ID did not sign you in", "you cancelled")]
#[case::busy(
    "temporarily_unavailable",
    "Acme ID cannot sign you in right now",
    "a few minutes"
)]
#[case::broken(
    "server_error",
    "Acme ID cannot sign you in right now",
    "a few minutes"
)]
#[case::unheard_of(
    "made_up_error",
    "Acme ID did not sign you in",
    "answered with an error"
)]
#[tokio::test]
async fn a_provider_that_refuses_is_told_in_our_words(
    #[case] error: &'static str,
    #[case] title: &str,
    #[case] words: &str,
) {
    let broker = Broker::start().await;
    broker
        .provider
        .set(AuthorizeFault::Error(error, "Call 0900-EVIL now"));
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(&broker, &browser, &page, (400, title), error).await;
    assert!(page.text().contains(words), "{}", page.text());
    assert!(!page.text().contains("EVIL"), "{}", page.text());
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
    // The way on leads to the same app again.
    broker.provider.behave();
    let again = browser.click(&page.link("Start again")).await;
    assert_eq!(again.url.as_str(), broker.url(WIKI, "/"));
}

#[tokio::test]
async fn code_and_error_at_once_is_an_error() {
    let broker = Broker::start().await;
    broker.provider.set(AuthorizeFault::CodeAndError);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    let title = "Acme ID did not sign you in";
    assert_refused(&broker, &browser, &page, (400, title), "access_denied").await;
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
}

#[rstest]
// RFC 6749 §4.1.2.1 allows angle brackets in a code, so the log may name it; the page does not.
#[case::script("<script>alert(1)</script>", "`<script>alert(1)</script>`")]
#[case::attribute("\" onmouseover=\"alert(1)", "`malformed_error`")]
#[case::line_break("a\r\nSet-Cookie: x=1", "`malformed_error`")]
#[case::long(LONG, "`malformed_error`")]
#[tokio::test]
async fn a38_a_hostile_error_is_neither_shown_nor_logged(
    #[case] error: &'static str,
    #[case] reason: &str,
) {
    let broker = Broker::start().await;
    let description = "<img src=x onerror=alert(2)> your account is blocked, call 0900-EVIL";
    broker
        .provider
        .set(AuthorizeFault::Error(error, description));
    let mut browser = broker.browser();
    let callback = up_to_callback(&broker, &mut browser, WIKI).await;
    let callback = with_parameter(&callback, "error_uri", Some("javascript:alert(3)"));
    let page = browser.open(callback.as_str()).await;
    let title = "Acme ID did not sign you in";
    assert_refused(&broker, &browser, &page, (400, title), reason).await;
    for hostile in ["alert", "onmouseover", "EVIL", "<img", "<script"] {
        assert!(!page.html().contains(hostile), "{hostile}: {}", page.html());
    }
    for line in audit::everything_here() {
        let line = format!("{line:?}");
        assert!(!line.contains("EVIL"), "{line}");
    }
    assert!(
        page.set_cookies()
            .iter()
            .all(|line| !line.starts_with("x="))
    );
}

const LONG: &str =
    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

#[tokio::test]
async fn the_attempt_cookie_goes_whatever_comes_of_it() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    for fault in [None, Some(IdTokenFault::BadSignature)] {
        broker.provider.behave();
        if let Some(fault) = fault {
            broker.provider.set(fault);
        }
        let callback = up_to_callback(&broker, &mut browser, WIKI).await;
        assert_eq!(cookies(&browser, "__Host-dwl-").len(), 1);
        browser.open(callback.as_str()).await;
        assert!(cookies(&browser, "__Host-dwl-").is_empty());
        browser.jar().clear();
    }
    assert!(
        browser.jar().rejected.is_empty(),
        "{:?}",
        browser.jar().rejected
    );
}

#[tokio::test]
async fn a26_a_planted_session_cookie_does_not_survive_the_login() {
    let broker = Broker::start().await;
    // The attacker's own, live session.
    let mut attacker = broker.browser();
    broker.provider.sign_in_as("eve");
    assert_signs_in(&broker, &mut attacker).await;
    let base = broker.url("acme.localhost", "/");
    let planted = attacker
        .cookie(&base, "__Host-dws-acme")
        .expect("a session");

    let mut victim = broker.browser();
    let callback = up_to_callback(&broker, &mut victim, WIKI).await;
    victim.set_cookie(&base, &format!("__Host-dws-acme={planted}; Path=/; Secure"));
    broker.provider.sign_in_as("ada");
    // The answer was begun as eve: a fresh one as ada.
    let _ = callback;
    let login = broker.url("acme.localhost", "/login/main");
    let page = victim.visit(&login).await;
    assert!(page.text().contains("Ada Example"), "{}", page.text());
    let new = victim.cookie(&base, "__Host-dws-acme").expect("a session");
    assert_ne!(new, planted);
    // What was planted is dead, and so is the attacker's session that it was.
    let page = attacker
        .open(&broker.url("acme.localhost", "/sessions"))
        .await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert!(page.location().is_some_and(|to| to.path() == "/login"));
}

#[tokio::test]
async fn a26_a_made_up_session_cookie_is_replaced() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let base = broker.url("acme.localhost", "/");
    let planted = "AAAAAAAAAAAAAAAAAAAAAA";
    browser.set_cookie(&base, &format!("__Host-dws-acme={planted}; Path=/; Secure"));
    assert_signs_in(&broker, &mut browser).await;
    let new = browser.cookie(&base, "__Host-dws-acme").expect("a session");
    assert_ne!(new, planted);
    let mut other = broker
        .browser()
        .always("cookie", &format!("__Host-dws-acme={planted}"));
    let page = other.open(&broker.url("acme.localhost", "/sessions")).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn t08_a_cookie_twice_is_no_cookie() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let callback = up_to_callback(&broker, &mut browser, WIKI).await;
    let [name] = &*cookies(&browser, "__Host-dwl-") else {
        panic!("one attempt");
    };
    let value = browser
        .cookie(callback.as_str(), name)
        .expect("the attempt's cookie");
    let twice = format!("{name}={value}; {name}={value}");
    let mut tossed = broker.browser().always("cookie", &twice);
    let page = tossed.open(callback.as_str()).await;
    assert_refused(
        &broker,
        &tossed,
        &page,
        (400, EXPIRED),
        "from another browser",
    )
    .await;
    assert_eq!(broker.provider.count(Endpoint::Token), 0);

    browser.visit(callback.as_str()).await;
    let base = broker.url("acme.localhost", "/sessions");
    let session = browser.cookie(&base, "__Host-dws-acme").expect("a session");
    let mut tossed = broker.browser().always(
        "cookie",
        &format!("__Host-dws-acme={session}; __Host-dws-acme={session}"),
    );
    let page = tossed.open(&base).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let mut once = broker
        .browser()
        .always("cookie", &format!("__Host-dws-acme={session}"));
    assert_eq!(once.open(&base).await.status, StatusCode::OK);
}

#[tokio::test]
async fn other_methods_are_not_taken() {
    let broker = Broker::start().await;
    broker.provider.set(AuthorizeFault::FormPost);
    let mut browser = broker.browser();
    let page = broker.sign_in(&mut browser, WIKI, "/").await;
    let form = page.form("/login/main/callback");
    let page = browser.submit_once(&form, &[]).await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(!has_session(&browser));
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
}
