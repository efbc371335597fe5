//! The ticket that turns a tenant's session into an app session.

use std::time::Duration;

use http::StatusCode;
use rstest::rstest;
use url::Url;

use crate::support::broker::Broker;
use crate::support::browser::{Browser, Page};
use crate::support::nodes::{ACME, APP_COOKIE, BOARD, GLOBEX_WIKI, WIKI, acme_cookie, app_cookie};
use crate::support::raw::misspelt;
use crate::support::tampering::Database;

/// A browser that has been through the login and holds a ticket that it has not shown yet.
async fn with_ticket(broker: &Broker) -> (Browser, Url) {
    let mut browser = broker.browser();
    let mut page = browser.open(&broker.sign_in_url(WIKI, "/page?x=1")).await;
    loop {
        let next = page.location().expect("a way on");
        if next.path() == "/oauth2/callback" {
            return (browser, next);
        }
        page = browser.step(&page).await;
    }
}

/// 400, a page of our own, no cookie and no way on.
fn assert_refused(page: &Page) {
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.text());
    assert!(page.location().is_none());
    assert!(page.set_cookies().is_empty(), "{:?}", page.set_cookies());
    assert_eq!(page.header("cache-control"), "no-store");
}

fn assert_entered(page: &Page, target: &str) {
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
    assert_eq!(page.header("location"), target);
    let cookies = page.set_cookies();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert!(cookies[0].starts_with("__Host-dwa="), "{cookies:?}");
    assert!(
        cookies[0].ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=36000"),
        "{cookies:?}"
    );
    assert!(
        cookies[1].starts_with("__Host-dwt-") && cookies[1].contains("=; "),
        "{cookies:?}"
    );
}

/// At another host (name and port are the same browser's), with the binding cookie of the first planted.
fn moved(browser: &Browser, broker: &Broker, ticket: &Url, host: &str) -> String {
    let binding = binding(browser, ticket);
    let line = format!("{}={}; Secure; Path=/; HttpOnly", binding.0, binding.1);
    browser.set_cookie(&broker.url(host, "/"), &line);
    broker.url(
        host,
        &format!("/oauth2/callback?{}", ticket.query().expect("a ticket")),
    )
}

/// Name and value of the binding cookie of a ticket.
fn binding(browser: &Browser, ticket: &Url) -> (String, String) {
    let cookies = browser.jar().cookies(ticket).into_iter();
    let mut bindings = cookies.filter(|cookie| cookie.name.starts_with("__Host-dwt-"));
    let binding = bindings.next().expect("a binding cookie");
    (binding.name, binding.value)
}

#[tokio::test]
async fn t24_a_ticket_is_redeemed_once() {
    let broker = Broker::start().await;
    let (mut browser, ticket) = with_ticket(&broker).await;
    let kept = binding(&browser, &ticket);
    let page = browser.open(ticket.as_str()).await;
    assert_entered(&page, &broker.url(WIKI, "/page?x=1"));
    // Again, with and without the cookie that is gone now.
    assert_refused(&browser.open(ticket.as_str()).await);
    let line = format!("{}={}; Secure; Path=/; HttpOnly", kept.0, kept.1);
    browser.set_cookie(ticket.as_str(), &line);
    assert_refused(&browser.open(ticket.as_str()).await);
    // The first time still counts.
    let page = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
}

/// Somebody is sent a ticket of somebody else, to be signed in as them.
#[tokio::test]
async fn t24_a_ticket_without_its_binding_cookie_is_worth_nothing() {
    let broker = Broker::start().await;
    let (mut attacker, ticket) = with_ticket(&broker).await;
    let mut victim = broker.browser();
    assert_refused(&victim.open(ticket.as_str()).await);
    // Also one who waits for a ticket of their own.
    let mut waiting = broker.browser();
    waiting.open(&broker.sign_in_url(WIKI, "/")).await;
    assert_refused(&waiting.open(ticket.as_str()).await);
    // Also with their own cookie under the name of the other's.
    let (name, _) = binding(&attacker, &ticket);
    let (_, value) = binding(&waiting, &ticket);
    waiting.set_cookie(ticket.as_str(), &format!("{name}={value}; Secure; Path=/"));
    assert_refused(&waiting.open(ticket.as_str()).await);
    // None of that has used it up.
    let page = attacker.open(ticket.as_str()).await;
    assert_entered(&page, &broker.url(WIKI, "/page?x=1"));
}

#[rstest]
#[case::another_app_of_the_tenant(BOARD)]
#[case::another_tenants_app(GLOBEX_WIKI)]
#[case::below(&format!("x.{BOARD}"))]
#[tokio::test]
async fn t24_a_ticket_at_another_host_is_worth_nothing(#[case] host: &str) {
    let broker = Broker::start().await;
    let (mut browser, ticket) = with_ticket(&broker).await;
    let elsewhere = moved(&browser, &broker, &ticket, host);
    assert_refused(&browser.open(&elsewhere).await);
    let page = browser.open(ticket.as_str()).await;
    assert_entered(&page, &broker.url(WIKI, "/page?x=1"));
}

#[rstest]
#[case::at_once(0, true)]
#[case::just_in_time(60, true)]
#[case::a_second_late(61, false)]
#[case::late(600, false)]
#[tokio::test]
async fn t24_a_ticket_is_good_for_a_minute(#[case] seconds: u64, #[case] good: bool) {
    let broker = Broker::start().await;
    let (mut browser, ticket) = with_ticket(&broker).await;
    broker.advance(Duration::from_secs(seconds)).await;
    let page = browser.open(ticket.as_str()).await;
    if good {
        assert_entered(&page, &broker.url(WIKI, "/page?x=1"));
    } else {
        assert_refused(&page);
    }
}

#[tokio::test]
async fn t24_a_ticket_of_a_session_that_has_ended_is_worth_nothing() {
    let broker = Broker::start().await;
    let (mut browser, ticket) = with_ticket(&broker).await;
    let mut tab = browser.tab();
    let ask = tab.visit(&broker.url(ACME, "/logout")).await;
    tab.submit(&ask.form("/logout"), &[]).await;
    assert_refused(&browser.open(ticket.as_str()).await);
}

#[tokio::test]
async fn t24_a_sign_in_is_answered_with_one_ticket() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/").await;
    let asked = browser.open(&broker.sign_in_url(WIKI, "/page")).await;
    let first = browser.step(&asked).await;
    assert_eq!(
        first.location().expect("a ticket").path(),
        "/oauth2/callback"
    );
    // The page of the login opened again (the back button): on to the app, without another ticket.
    let again = browser.step(&asked).await;
    assert_eq!(again.header("location"), broker.url(WIKI, "/page"));
}

#[tokio::test]
async fn a24_a_truncated_or_extended_ticket_is_none() {
    let broker = Broker::start().await;
    let (mut browser, ticket) = with_ticket(&broker).await;
    let query = ticket.query().expect("a query").to_owned();
    let (tag, handle) = query.split_once('.').expect("tag and ticket");
    for spelling in misspelt(handle) {
        // A whole ticket in another place than its own is no ticket either.
        let url = broker.url(WIKI, &format!("/oauth2/callback?{tag}.{spelling}"));
        assert_refused(&browser.open(&url).await);
    }
    let others = [
        "",
        "ticket=",
        "ticket",
        &format!("ticket={handle}"),
        &format!("{query}&{query}"),
        "code=x&state=y",
    ];
    for other in others {
        let url = broker.url(WIKI, &format!("/oauth2/callback?{other}"));
        assert_refused(&browser.open(&url).await);
    }
    let page = browser.open(ticket.as_str()).await;
    assert_entered(&page, &broker.url(WIKI, "/page?x=1"));
}

#[tokio::test]
async fn a24_a_truncated_or_extended_binding_cookie_is_none() {
    let broker = Broker::start().await;
    let (mut browser, ticket) = with_ticket(&broker).await;
    let (name, value) = binding(&browser, &ticket);
    let (time, handle) = value.split_once('.').expect("time and handle");
    for spelling in misspelt(handle) {
        let line = format!("{name}={time}.{spelling}; Secure; Path=/; HttpOnly");
        browser.set_cookie(ticket.as_str(), &line);
        assert_refused(&browser.open(ticket.as_str()).await);
    }
    browser.set_cookie(
        ticket.as_str(),
        &format!("{name}={value}; Secure; Path=/; HttpOnly"),
    );
    let page = browser.open(ticket.as_str()).await;
    assert_entered(&page, &broker.url(WIKI, "/page?x=1"));
}

#[tokio::test]
async fn a24_a_truncated_or_extended_sign_in_is_none() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let asked = browser.open(&broker.sign_in_url(WIKI, "/")).await;
    let login = asked.location().expect("a way on");
    let id = login
        .query()
        .expect("a query")
        .strip_prefix("continue=")
        .expect("an id");
    for spelling in misspelt(id) {
        let url = broker.url(ACME, &format!("/login?continue={spelling}"));
        // `%00` and the like: what is no handle after decoding is none.
        let page = browser.open(&url).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{spelling:?}");
        assert!(page.set_cookies().is_empty());
    }
    assert_eq!(
        browser.open(login.as_str()).await.status,
        StatusCode::SEE_OTHER
    );
}

/// Each kind of handle, live, in the place of each other kind.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "seven kinds in seven places")]
async fn a11_a_handle_of_one_kind_is_none_of_another() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let asked = browser.open(&broker.sign_in_url(WIKI, "/")).await;
    let to_provider = browser.step(&asked).await;
    let query = |url: &Url, name: &str| {
        let mut pairs = url.query_pairs();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let at_provider = to_provider.location().expect("the provider");
    let state = query(&at_provider, "state").expect("a state");
    let sign_in = query(&asked.location().expect("a login"), "continue").expect("an id");
    let attempt_cookies = browser.jar().cookies(&to_provider.url);
    let attempt = attempt_cookies
        .iter()
        .find(|cookie| cookie.name.starts_with("__Host-dwl-"))
        .expect("an attempt's cookie");
    let attempt = attempt
        .value
        .split_once('.')
        .expect("time and handle")
        .1
        .to_owned();
    let back = browser.step(&to_provider).await;
    let answered = browser.step(&back).await;
    let ticket_url = answered.location().expect("a ticket");
    let ticket_query = query(&ticket_url, "ticket").expect("a ticket");
    let (tag, ticket) = ticket_query.split_once('.').expect("tag and ticket");
    let binding_cookie = binding(&browser, &ticket_url);
    let bound = binding_cookie
        .1
        .split_once('.')
        .expect("time and handle")
        .1
        .to_owned();
    let session = acme_cookie(&broker, &browser);
    let session = session.split_once('=').expect("a pair").1;
    // Another app, so that this sign-in's ticket stays unused.
    broker.sign_in(&mut browser.tab(), BOARD, "/").await;
    let app = app_cookie(&broker, &browser, BOARD);
    let app = app.split_once('=').expect("a pair").1;
    let sessions = browser.tab().visit(&broker.url(ACME, "/sessions")).await;
    assert_eq!(sessions.status, StatusCode::OK);

    let kinds = [
        ("session", session),
        ("app session", app),
        ("attempt", &*attempt),
        ("state", &*state),
        ("sign-in", &*sign_in),
        ("ticket", ticket),
        ("binding", &*bound),
    ];
    for (kind, handle) in kinds {
        let stranger = broker.browser();
        let mut tab = stranger.tab();
        if kind != "app session" {
            let line = format!("{APP_COOKIE}={handle}");
            let status = crate::support::nodes::check(&broker, BOARD, "/", &line).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{kind} as app session");
        }
        if kind != "session" {
            let line = format!("__Host-dws-acme={handle}; Secure; Path=/");
            stranger.set_cookie(&broker.url(ACME, "/"), &line);
            let page = tab.open(&broker.url(ACME, "/sessions")).await;
            assert_eq!(page.status, StatusCode::SEE_OTHER, "{kind} as session");
            assert_eq!(page.header("location"), broker.url(ACME, "/login"));
        }
        if kind != "sign-in" {
            let page = tab
                .open(&broker.url(ACME, &format!("/login?continue={handle}")))
                .await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST, "{kind} as sign-in");
        }
        if kind != "ticket" {
            // With the right binding cookie.
            let url = broker.url(WIKI, &format!("/oauth2/callback?ticket={tag}.{handle}"));
            let page = browser.tab().open(&url).await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST, "{kind} as ticket");
        }
        if kind != "binding" {
            let line = format!("{}=1800000000.{handle}; Secure; Path=/", binding_cookie.0);
            stranger.set_cookie(ticket_url.as_str(), &line);
            let page = tab.open(ticket_url.as_str()).await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST, "{kind} as binding");
        }
        if kind != "state" {
            let url = broker.url(ACME, &format!("/login/main/callback?code=x&state={handle}"));
            let page = tab.open(&url).await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST, "{kind} as state");
        }
        for path in ["/logout?continue=", "/signed-out?state="] {
            let page = tab
                .open(&broker.url(ACME, &format!("{path}{handle}")))
                .await;
            assert!(page.location().is_none(), "{kind} at {path}");
            assert!(
                page.text().contains("You are not signed in"),
                "{kind} at {path}"
            );
        }
    }
    // All of them are still what they are.
    let page = browser.open(ticket_url.as_str()).await;
    assert_entered(&page, &broker.url(WIKI, "/"));
}

#[tokio::test]
async fn every_sign_in_of_many_tabs_arrives() {
    let broker = Broker::start().await;
    let browser = broker.browser();
    let mut waiting = Vec::new();
    for number in 0..20 {
        let mut tab = browser.tab();
        let page = tab
            .open(&broker.sign_in_url(WIKI, &format!("/{number}")))
            .await;
        waiting.push((tab, page));
    }
    for (number, (mut tab, mut page)) in waiting.into_iter().enumerate() {
        while page.status.is_redirection() && page.url.host_str() != Some(WIKI)
            || page.url.path() == "/oauth2/sign_in"
        {
            page = tab.step(&page).await;
        }
        assert_eq!(page.url.path(), "/oauth2/callback");
        assert_eq!(
            page.header("location"),
            broker.url(WIKI, &format!("/{number}"))
        );
    }
    let mut database = Database::of(&broker).await;
    assert_eq!(database.rows("app_session").await, 20);
}
