//! The page that a provider has browsers load when somebody signs out there (OIDC Front-Channel Logout 1.0).

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use rstest::rstest;

use crate::support::audit;
use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::browser::Browser;
use crate::support::nodes::{ACME, ACME_COOKIE, WIKI};
use crate::support::raw;
use crate::support::tampering::Database;

const PATH: &str = "/login/main/frontchannel-logout";

async fn signed_in(broker: &Broker, person: &str, sid: &str) -> Browser {
    broker.provider.sign_in_as(person);
    broker
        .provider
        .configure(|settings| sid.clone_into(&mut settings.session));
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    assert!(is_in(broker, &browser).await, "{person} signs in");
    browser
}

async fn is_in(broker: &Broker, browser: &Browser) -> bool {
    let answer = broker.check(browser, "GET", WIKI, "/").await;
    answer.status == StatusCode::ACCEPTED
}

/// How a browser asks for it: in a frame of another site, without our cookies; in a frame of the same site, or
/// because a page of another site sent it here, with them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Framed,
    FramedBySameSite,
    SentHere,
    OldBrowser,
}

async fn load(
    broker: &Broker,
    query: &str,
    way: Way,
    browser: Option<&Browser>,
) -> Response<Bytes> {
    let authority = format!("{ACME}:{}", broker.address.port());
    let cookie = browser
        .filter(|_| way != Way::Framed)
        .and_then(|it| it.cookie(&broker.url(ACME, "/"), ACME_COOKIE))
        .map(|value| format!("{ACME_COOKIE}={value}"));
    let mut headers = vec![("host", authority.as_str())];
    match way {
        Way::Framed => headers.extend([
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "iframe"),
        ]),
        Way::FramedBySameSite => headers.extend([
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "iframe"),
        ]),
        Way::SentHere => headers.extend([
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ]),
        Way::OldBrowser => {}
    }
    headers.extend(cookie.as_deref().map(|cookie| ("cookie", cookie)));
    raw::get(broker.address, &format!("{PATH}{query}"), &headers).await
}

fn query(broker: &Broker, sid: &str) -> String {
    let pairs = [("iss", broker.provider.base()), ("sid", sid)];
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("?{query}")
}

/// Without any cookie: the name of the session there is enough, and ends that one.
#[tokio::test]
async fn the_session_that_is_named_ends() {
    let broker = Broker::start().await;
    let ada = signed_in(&broker, "ada", "s1").await;
    let other = signed_in(&broker, "ada", "s2").await;
    let answer = load(&broker, &query(&broker, "s1"), Way::Framed, Some(&ada)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let line = audit::of_answer(answer.headers()).remove(0);
    assert_eq!(line.event(), "session_ended_upstream");
    assert_eq!(line.field("channel"), "front");
    assert!(!is_in(&broker, &ada).await);
    assert!(is_in(&broker, &other).await);
    // A second time there is nothing to do, and nobody can tell the difference.
    let again = load(&broker, &query(&broker, "s1"), Way::Framed, None).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(again.body(), answer.body());
}

/// Nobody but the provider may hold it in a frame, nothing runs in it, nothing keeps it.
#[tokio::test]
async fn the_page_is_for_a_frame_of_the_provider_alone() {
    let broker = Broker::start().await;
    let answer = load(&broker, &query(&broker, "s1"), Way::Framed, None).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let headers = answer.headers();
    let policy = raw::values(headers, "content-security-policy");
    let base = broker.provider.base();
    assert_eq!(
        policy,
        [format!(
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors {base}"
        )]
    );
    assert!(headers.get("x-frame-options").is_none());
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert!(headers.get("set-cookie").is_none());
    let page = String::from_utf8_lossy(answer.body());
    assert!(!page.contains("<script") && page.len() < 200, "{page}");
}

#[rstest]
#[case::only_the_issuer("?iss={iss}")]
#[case::only_the_session("?sid=s1")]
#[case::other_issuer("?iss=https://evil.example&sid=s1")]
#[case::issuer_with_slash("?iss={iss}/&sid=s1")]
#[case::issuer_twice("?iss={iss}&iss={iss}&sid=s1")]
#[case::session_twice("?iss={iss}&sid=s1&sid=s1")]
#[case::empty_session("?iss={iss}&sid=")]
#[case::empty_issuer("?iss=&sid=s1")]
#[tokio::test]
async fn c_issuer_and_session_come_together_and_fit(#[case] query: &str) {
    let broker = Broker::start().await;
    let ada = signed_in(&broker, "ada", "s1").await;
    let query = query.replace("{iss}", broker.provider.base());
    for way in [Way::Framed, Way::FramedBySameSite, Way::OldBrowser] {
        let answer = load(&broker, &query, way, Some(&ada)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{way:?}");
        assert!(is_in(&broker, &ada).await, "{way:?}");
    }
}

#[rstest]
#[case::framed_by_the_same_site(Way::FramedBySameSite, true)]
#[case::a_browser_that_does_not_say(Way::OldBrowser, true)]
// Its cookie does not come.
#[case::framed_by_another_site(Way::Framed, false)]
// Any page could do that to its readers.
#[case::t08_sent_here_by_another_site(Way::SentHere, false)]
#[tokio::test]
async fn without_a_name_the_browsers_own_session_ends(#[case] way: Way, #[case] ended: bool) {
    let broker = Broker::start().await;
    let ada = signed_in(&broker, "ada", "s1").await;
    let other = signed_in(&broker, "ada", "s2").await;
    let answer = load(&broker, "", way, Some(&ada)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(is_in(&broker, &ada).await, !ended);
    assert!(is_in(&broker, &other).await);
}

#[tokio::test]
async fn c_a_name_that_is_not_the_browsers_ends_nothing() {
    let broker = Broker::start().await;
    let ada = signed_in(&broker, "ada", "s1").await;
    let bob = signed_in(&broker, "bob", "s2").await;
    let query = query(&broker, "s2");
    let answer = load(&broker, &query, Way::FramedBySameSite, Some(&ada)).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let line = audit::of_answer(answer.headers()).remove(0);
    assert_eq!(line.event(), "upstream_logout_refused");
    assert!(is_in(&broker, &ada).await && is_in(&broker, &bob).await);
    // Its own.
    let answer = load(&broker, &query, Way::FramedBySameSite, Some(&bob)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(is_in(&broker, &ada).await && !is_in(&broker, &bob).await);
}

/// The provider did not say what it calls this browser's session: it may be the one.
#[tokio::test]
async fn a_browser_whose_session_has_no_name_there_is_believed() {
    let broker = Broker::start().await;
    let ada = signed_in(&broker, "ada", "").await;
    let query = query(&broker, "s1");
    let answer = load(&broker, &query, Way::Framed, Some(&ada)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(
        is_in(&broker, &ada).await,
        "nothing says that it is this one"
    );
    let answer = load(&broker, &query, Way::FramedBySameSite, Some(&ada)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!is_in(&broker, &ada).await);
}

/// A session that came from another provider is not this one's to end.
#[tokio::test]
async fn t01_another_providers_session_stays() {
    let (before, after) = CONFIGURATION
        .split_once("[[tenants.apps]]")
        .expect("an app");
    let second = "[[tenants.providers]]\nid = \"second\"\npreset = \"oidc\"\nissuer = \"{issuer}\"\n\
                  client_id = \"{client_id}\"\nclient_secret = { env = \"CLIENT_SECRET\" }\n";
    let setup = Setup {
        configuration: format!("{before}{second}[[tenants.apps]]{after}"),
        ..Setup::default()
    };
    let broker = Broker::with(setup).await;
    broker
        .provider
        .configure(|settings| "s1".clone_into(&mut settings.session));
    let mut browser = broker.browser();
    let page = browser.visit(&broker.url(ACME, "/login/second")).await;
    assert_eq!(page.url.path(), "/sessions", "{}", page.text());
    for query in [String::new(), query(&broker, "s1")] {
        let answer = load(&broker, &query, Way::FramedBySameSite, Some(&browser)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let page = browser.open(&broker.url(ACME, "/sessions")).await;
        assert_eq!(page.status, StatusCode::OK, "still signed in");
    }
}

#[tokio::test]
async fn only_get_ends_a_session() {
    let broker = Broker::start().await;
    let ada = signed_in(&broker, "ada", "s1").await;
    let authority = format!("{ACME}:{}", broker.address.port());
    let headers = [("host", authority.as_str())];
    let target = format!("{PATH}{}", query(&broker, "s1"));
    for method in [Method::HEAD, Method::POST, Method::PUT, Method::OPTIONS] {
        let answer = raw::send(broker.address, method, &target, &headers, Bytes::new()).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(is_in(&broker, &ada).await);
    }
}

#[tokio::test]
async fn the_operator_can_switch_it_off() {
    let setup = Setup {
        configuration: CONFIGURATION.replacen(
            "scopes = [",
            "frontchannel_logout = false\nscopes = [",
            1,
        ),
        ..Setup::default()
    };
    let broker = Broker::with(setup).await;
    let ada = signed_in(&broker, "ada", "s1").await;
    let answer = load(
        &broker,
        &query(&broker, "s1"),
        Way::FramedBySameSite,
        Some(&ada),
    )
    .await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.headers()["x-frame-options"], "DENY");
    assert!(is_in(&broker, &ada).await);
}

#[tokio::test]
async fn a41_without_the_store_nobody_is_told_that_they_signed_out() {
    let broker = Broker::start().await;
    let ada = signed_in(&broker, "ada", "s1").await;
    let mut database = Database::of(&broker).await;
    database.break_it().await;
    let answer = load(&broker, &query(&broker, "s1"), Way::Framed, None).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    database.mend().await;
    assert!(is_in(&broker, &ada).await);
    let answer = load(&broker, &query(&broker, "s1"), Way::Framed, None).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!is_in(&broker, &ada).await);
}

/// Names are guessed in vain, and a page that makes its readers guess does not keep them from signing in.
#[tokio::test]
async fn t26_guesses_are_counted_apart_from_sign_ins() {
    let setup = Setup {
        configuration: format!("[limits.callback]\naddress = 5\n{CONFIGURATION}"),
        ..Setup::default()
    };
    let broker = Broker::with(setup).await;
    let ada = signed_in(&broker, "ada", "s1").await;
    let authority = format!("{ACME}:{}", broker.address.port());
    let headers = [
        ("host", authority.as_str()),
        ("x-forwarded-for", "192.0.2.7"),
    ];
    let mut last = StatusCode::OK;
    for number in 0..6 {
        let target = format!("{PATH}{}", query(&broker, &format!("guess-{number}")));
        last = raw::get(broker.address, &target, &headers).await.status();
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert!(is_in(&broker, &ada).await);
    let mut browser = broker.browser().always("x-forwarded-for", "192.0.2.7");
    broker.sign_in(&mut browser, WIKI, "/").await;
    assert!(is_in(&broker, &browser).await);
}
