//! What the browser promises.

use std::sync::Arc;
use std::time::Duration;

use doorward::ports::ManualClock;
use rstest::rstest;
use time::macros::datetime;
use url::Url;

use super::html::{forms, links, text_of, unescape};
use super::{Browser, Jar};
use crate::support::browser::jar::Crossing;
use crate::support::provider::{AuthorizeFault, CLIENT_ID, Endpoint, TestProvider, Trouble};

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(datetime!(2027-01-15 08:00 UTC)))
}

fn url(text: &str) -> Url {
    Url::parse(text).expect("an address")
}

const SAME: Crossing = Crossing {
    cross_site: false,
    lax_allowed: true,
};

#[rstest]
#[case::host_prefix("__Host-a=1; Secure; Path=/", "http://acme.localhost:8080/x", true)]
#[case::host_prefix_by_number("__Host-a=1; Secure; Path=/", "http://127.0.0.1:8080/x", true)]
#[case::host_prefix_not_secure("__Host-a=1; Path=/", "https://a.example/x", false)]
#[case::host_prefix_with_path("__Host-a=1; Secure; Path=/x", "https://a.example/x", false)]
#[case::host_prefix_without_path("__Host-a=1; Secure", "https://a.example/", false)]
#[case::host_prefix_with_domain(
    "__Host-a=1; Secure; Path=/; Domain=a.example",
    "https://a.example/",
    false
)]
#[case::host_prefix_in_capitals("__HOST-a=1; Path=/", "https://a.example/", false)]
#[case::secure_prefix("__Secure-a=1", "https://a.example/", false)]
#[case::secure_on_plain_http("a=1; Secure", "http://a.example/", false)]
#[case::secure_removal_without_secure("__Host-a=; Path=/; Max-Age=0", "https://a.example/", false)]
#[case::none_without_secure("a=1; SameSite=None", "https://a.example/", false)]
#[case::foreign_domain("a=1; Domain=b.example", "https://a.example/", false)]
#[case::public_suffix("a=1; Domain=example", "https://a.example/", false)]
#[case::public_suffix_localhost("a=1; Domain=localhost", "http://acme.localhost/", false)]
#[case::parent_domain("a=1; Domain=a.example", "https://b.a.example/", true)]
#[case::huge(&format!("a={}", "v".repeat(4096)), "https://a.example/", false)]
fn cookies_are_taken_as_chromium_does(#[case] line: &str, #[case] from: &str, #[case] taken: bool) {
    let mut jar = Jar::new(clock());
    jar.store(line, &url(from));
    assert_eq!(jar.rejected.is_empty(), taken, "{:?}", jar.rejected);
    assert_eq!(jar.all().len(), usize::from(taken));
}

#[rstest]
#[case::own_host(
    "a=1; Path=/",
    "http://acme.localhost:1/",
    "http://acme.localhost:2/x",
    true
)]
#[case::host_only("a=1; Path=/", "https://a.example/", "https://b.a.example/", false)]
#[case::domain(
    "a=1; Path=/; Domain=a.example",
    "https://a.example/",
    "https://b.a.example/",
    true
)]
#[case::other_site(
    "a=1; Path=/",
    "http://acme.localhost/",
    "http://globex.localhost/",
    false
)]
#[case::below_path("a=1; Path=/x", "https://a.example/", "https://a.example/x/y", true)]
#[case::beside_path("a=1; Path=/x", "https://a.example/", "https://a.example/xy", false)]
#[case::default_path("a=1", "https://a.example/x/y", "https://a.example/z", false)]
#[case::secure(
    "a=1; Path=/; Secure",
    "https://a.example/",
    "http://a.example/",
    false
)]
fn cookies_go_where_they_belong(
    #[case] line: &str,
    #[case] from: &str,
    #[case] to: &str,
    #[case] goes: bool,
) {
    let mut jar = Jar::new(clock());
    jar.store(line, &url(from));
    assert_eq!(jar.header(&url(to), SAME).is_some(), goes);
}

#[rstest]
#[case::lax_link("Lax", true, true)]
#[case::lax_post("Lax", false, false)]
#[case::strict_link("Strict", true, false)]
#[case::none_post("None; Secure", false, true)]
fn same_site_decides_what_other_sites_can_send(
    #[case] same_site: &str,
    #[case] lax_allowed: bool,
    #[case] goes: bool,
) {
    let mut jar = Jar::new(clock());
    let here = url("https://a.example/");
    jar.store(&format!("a=1; SameSite={same_site}"), &here);
    let crossing = Crossing {
        cross_site: true,
        lax_allowed,
    };
    assert_eq!(jar.header(&here, crossing).is_some(), goes);
}

#[test]
fn cookies_age_are_replaced_and_deleted() {
    let clock = clock();
    let mut jar = Jar::new(Arc::clone(&clock));
    let here = url("https://a.example/");
    jar.store("a=1; Path=/; Max-Age=60", &here);
    jar.store("b=1; Path=/", &here);
    jar.store("a=2; Path=/; Max-Age=60", &here);
    assert_eq!(jar.header(&here, SAME).as_deref(), Some("a=2; b=1"));
    clock.advance(Duration::from_secs(60));
    assert_eq!(jar.header(&here, SAME).as_deref(), Some("b=1"));
    jar.store("b=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", &here);
    assert_eq!(jar.header(&here, SAME), None);
    assert!(jar.all().is_empty());
}

#[test]
fn a_removal_with_another_path_removes_nothing() {
    let mut jar = Jar::new(clock());
    let here = url("https://a.example/x/");
    jar.store("a=1; Path=/", &here);
    jar.store("a=; Max-Age=0", &here);
    assert_eq!(jar.header(&here, SAME).as_deref(), Some("a=1"));
}

#[test]
fn forms_and_links_are_read() {
    let here = url("http://acme.localhost/login?x=1");
    let page = r#"<!doctype html><style>a{}</style><!-- <a href="/no">no</a> -->
        <form method="post" action="/login/entra&amp;x"><input type=hidden name="token" value="a&quot;&#x2f;&#39;b">
        <input type="checkbox" name="off"><input type="checkbox" name="on" value="1" checked>
        <button name="go" value="1">Continue <b>now</b></button></form>
        <form><input name="q"></form>
        <a class="x>y" href="sessions">My
        sessions</a>"#;
    let found = forms(page, &here);
    assert_eq!(found.len(), 2);
    assert_eq!(
        found[0].action.as_str(),
        "http://acme.localhost/login/entra&x"
    );
    assert!(found[0].post);
    let fields = [("token".into(), "a\"/'b".into()), ("on".into(), "1".into())];
    assert_eq!(found[0].fields, fields);
    assert_eq!(
        found[0].buttons,
        [("go".into(), "1".into(), "Continue now".into())]
    );
    assert_eq!(found[1].action, here);
    let found = links(page, &here);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].href.as_str(), "http://acme.localhost/sessions");
    assert_eq!(found[0].text, "My sessions");
    assert_eq!(text_of(page), "Continue now My sessions");
    assert_eq!(unescape("a&amp;lt; &unknown; &"), "a&lt; &unknown; &");
}

fn authorize(provider: &TestProvider, callback: &str) -> String {
    provider.configure(|settings| settings.requires_pkce = false);
    let query = format!("response_type=code&client_id={CLIENT_ID}&redirect_uri={callback}&state=s");
    provider.url(&format!("/authorize?{query}"))
}

#[tokio::test]
async fn redirects_are_followed_and_remembered() {
    let provider = TestProvider::start(clock());
    let port = provider.address().port();
    let callback = format!("http://app.localhost:{port}/callback");
    let mut browser = Browser::new(clock());
    let page = browser.visit(&authorize(&provider, &callback)).await;
    assert_eq!(page.chain.len(), 1);
    assert_eq!(page.url.host_str(), Some("app.localhost"));
    let last = provider.last(Endpoint::Elsewhere).expect("a request");
    assert_eq!(
        last.header("host"),
        Some(format!("app.localhost:{port}").as_str())
    );
    assert_eq!(last.header("sec-fetch-site"), Some("none"));
    assert_eq!(last.header("sec-fetch-mode"), Some("navigate"));
    assert_eq!(browser.at(), Some(&page.url));
}

#[tokio::test]
async fn a_posted_answer_comes_from_another_site() {
    let provider = TestProvider::start(clock());
    provider.set(AuthorizeFault::FormPost);
    let port = provider.address().port();
    let callback = format!("http://app.localhost:{port}/callback");
    let mut browser = Browser::new(clock());
    browser.set_cookie(&callback, "lax=1; Path=/; SameSite=Lax");
    browser.set_cookie(&callback, "none=1; Path=/; SameSite=None; Secure");
    let page = browser.visit(&authorize(&provider, &callback)).await;
    browser.submit(&page.form("/callback"), &[]).await;
    let last = provider.last(Endpoint::Elsewhere).expect("a request");
    assert_eq!(last.header("origin"), Some(provider.base()));
    assert_eq!(last.header("sec-fetch-site"), Some("cross-site"));
    assert_eq!(last.header("cookie"), Some("none=1"));
    assert_eq!(last.form("state"), Some("s"));
    assert_eq!(last.form("iss"), Some(provider.base()));
}

#[tokio::test]
async fn tabs_share_cookies_and_browsers_do_not() {
    let provider = TestProvider::start(clock());
    let browser = Browser::new(clock());
    browser.set_cookie(provider.base(), "person=bob; Path=/");
    browser.tab().visit(&provider.url("/x")).await;
    let last = provider.last(Endpoint::Elsewhere).expect("a request");
    assert_eq!(last.header("cookie"), Some("person=bob"));
    Browser::new(clock()).visit(&provider.url("/x")).await;
    let last = provider.last(Endpoint::Elsewhere).expect("a request");
    assert_eq!(last.header("cookie"), None);
}

#[tokio::test]
async fn a_script_says_that_it_is_one() {
    let provider = TestProvider::start(clock());
    let mut browser = Browser::new(clock());
    browser.visit(&provider.url("/page")).await;
    browser.fetch(&provider.url("/api")).await;
    let last = provider.last(Endpoint::Elsewhere).expect("a request");
    assert_eq!(last.header("sec-fetch-mode"), Some("cors"));
    assert_eq!(last.header("sec-fetch-site"), Some("same-origin"));
    assert_eq!(last.header("accept"), Some("*/*"));
    assert_eq!(last.header("origin"), None);
}

#[tokio::test]
async fn hosts_of_the_world_are_reached_where_the_test_says() {
    let provider = TestProvider::start(clock());
    let mut browser = Browser::new(clock());
    browser.reach("login.example.com", provider.address());
    browser.set_cookie("https://login.example.com/", "__Host-a=1; Secure; Path=/");
    browser.open("https://login.example.com/x").await;
    let last = provider.last(Endpoint::Elsewhere).expect("a request");
    assert_eq!(last.header("host"), Some("login.example.com"));
    assert_eq!(last.header("cookie"), Some("__Host-a=1"));
}

#[tokio::test]
#[should_panic(expected = "too many redirects")]
async fn a_loop_is_noticed() {
    let provider = TestProvider::start(clock());
    let again = provider.url("/jwks");
    provider.trouble(Endpoint::Jwks, Trouble::RedirectTo(again.clone()));
    Browser::new(clock()).visit(&again).await;
}
