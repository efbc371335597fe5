//! The login: from the first redirect to a session, with a provider that keeps its side, or does not.

mod addresses;
mod apple;
mod auth0;
mod azure_b2c;
mod begin;
mod callback;
mod choosing;
mod client_authentication;
mod cognito;
mod discovery_and_keys;
mod entra;
mod firebase;
mod flood;
mod form_post;
mod github;
mod google;
mod group_overage;
mod id_token;
mod oauth2;
mod parallel;
mod people;
mod presets;
mod provider_rows;
mod restart;
mod tls;
mod token_endpoint;
mod userinfo;

use std::path::Path;
use std::sync::Arc;

use http::StatusCode;
use url::Url;

use crate::support::audit;
use crate::support::broker::{Broker, Setup, clock, folder};
use crate::support::browser::{Browser, Page};
use crate::support::provider::TestProvider;

/// An app that lets in everybody who is signed in.
pub(crate) const WIKI: &str = "wiki.acme.localhost";
/// An app that wants an address at example.com.
pub(crate) const BOARD: &str = "board.acme.localhost";
/// The other tenant's app.
pub(crate) const GLOBEX_WIKI: &str = "wiki.globex.localhost";

/// The title of the page for callbacks that nobody waits for.
pub(crate) const EXPIRED: &str = "This sign-in has expired";
/// The title where a check of the provider's answer failed.
pub(crate) const NOT_TRUSTED: &str = "The answer of Acme ID cannot be trusted";
/// The title where the provider does not take us for its client.
pub(crate) const NOT_SET_UP: &str = "Signing in with Acme ID does not work";
/// The title where no answer came.
pub(crate) const UNREACHABLE: &str = "Acme ID cannot be reached";

/// Goes from `start` along redirects, until one points to an address that is `wanted`; gives that address,
/// which nobody has opened yet.
pub(crate) async fn up_to(
    browser: &mut Browser,
    start: &str,
    wanted: impl Fn(&Url) -> bool,
) -> Url {
    let mut page = browser.open(start).await;
    for _ in 0..10 {
        let Some(next) = page.location() else {
            panic!("{} at {}: {}", page.status, page.url, page.text());
        };
        if wanted(&next) {
            return next;
        }
        page = browser.step(&page).await;
    }
    panic!("ten redirects, now at {}", page.url)
}

/// The authorization request of a sign-in at `app`.
pub(crate) async fn up_to_provider(broker: &Broker, browser: &mut Browser, app: &str) -> Url {
    let start = broker.sign_in_url(app, "/");
    let port = broker.provider.address().port();
    up_to(browser, &start, |url| url.port() == Some(port)).await
}

/// The provider's answer to a sign-in at `app`.
pub(crate) async fn up_to_callback(broker: &Broker, browser: &mut Browser, app: &str) -> Url {
    up_to(browser, &broker.sign_in_url(app, "/"), is_callback).await
}

/// Whether it is a provider's answer.
pub(crate) fn is_callback(url: &Url) -> bool {
    url.path().contains("/login/") && url.path().ends_with("/callback")
}

/// Signs in at `app` and gives the answer to the callback, which is not followed.
pub(crate) async fn answer_to_callback(broker: &Broker, browser: &mut Browser, app: &str) -> Page {
    let callback = up_to_callback(broker, browser, app).await;
    browser.open(callback.as_str()).await
}

/// `name` of the query of `url`.
pub(crate) fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// The same address with another value of one parameter; without it where there is none.
pub(crate) fn with_parameter(url: &Url, name: &str, value: Option<&str>) -> Url {
    let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    pairs.retain(|(key, _)| key != name);
    pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    let mut changed = url.clone();
    changed.query_pairs_mut().clear().extend_pairs(pairs);
    changed
}

/// Names of the cookies that begin so, in the whole browser.
pub(crate) fn cookies(browser: &Browser, prefix: &str) -> Vec<String> {
    let jar = browser.jar();
    let names = jar.all().iter().map(|cookie| cookie.name.clone());
    names.filter(|name| name.starts_with(prefix)).collect()
}

/// `Cookie` as this browser would send it to `url`, for a browser that sends what it should not.
pub(crate) fn cookie_header(browser: &Browser, url: &Url) -> String {
    let cookies = browser.jar().cookies(url).into_iter();
    let pairs: Vec<String> = cookies
        .map(|cookie| format!("{}={}", cookie.name, cookie.value))
        .collect();
    pairs.join("; ")
}

/// What a tenant's `[[tenants.providers]]` says beside the client, for a second provider.
pub(crate) const OIDC: &str = "preset = \"oidc\"\nissuer = \"{second}\"";

/// A broker whose tenant `acme` has two providers: `main`, and `second` ("Second ID") with these settings,
/// in which `{second}` is its address.
pub(crate) async fn with_second_provider(settings: &str, setup: Setup) -> (Broker, TestProvider) {
    with_preset(None, settings, setup).await
}

/// The same with a shipped preset of which one address stands for that of the provider, where it leaves an
/// operator no choice: `(name, address, path below the provider's)`.
pub(crate) async fn with_preset(
    preset: Option<(&str, &str, &str)>,
    settings: &str,
    setup: Setup,
) -> (Broker, TestProvider) {
    let rewrite = |text: &str, second: &TestProvider| {
        let (_, address, path) = preset.unwrap_or_default();
        assert!(text.contains(address), "{address} in {text}");
        text.replace(address, &second.url(path))
    };
    with_rewritten_preset(
        preset.map(|it| it.0),
        rewrite,
        |_| settings.to_owned(),
        setup,
    )
    .await
}

/// The same with a shipped preset that is changed in any way.
pub(crate) async fn with_rewritten_preset(
    preset: Option<&str>,
    rewrite: impl Fn(&str, &TestProvider) -> String,
    settings: impl Fn(&TestProvider) -> String,
    setup: Setup,
) -> (Broker, TestProvider) {
    let clock = clock();
    let first = TestProvider::start(Arc::clone(&clock));
    let second = TestProvider::start(Arc::clone(&clock));
    let folder = folder();
    let mut setup = setup;
    if let Some(name) = preset {
        let file = format!("{name}.toml");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("providers");
        let text = std::fs::read_to_string(shipped.join(&file)).expect("a preset");
        let own = folder.path().join("presets");
        std::fs::create_dir(&own).expect("a folder");
        std::fs::write(own.join(&file), rewrite(&text, &second)).expect("a file");
        let server = "[server]\nproviders_folder = \"presets\"";
        setup.configuration = setup.configuration.replacen("[server]", server, 1);
    }
    let settings = settings(&second)
        .replace("{second}", second.base())
        .replace("{second_host}", &second.address().to_string());
    let (before, after) = setup
        .configuration
        .split_once("[[tenants.apps]]")
        .expect("an app");
    let configuration = format!(
        "{before}[[tenants.providers]]\nid = \"second\"\nname = \"Second ID\"\n\
         client_id = \"{{client_id}}\"\nclient_secret = {{ env = \"CLIENT_SECRET\" }}\n\
         {settings}\n\n[[tenants.apps]]{after}"
    );
    let setup = Setup {
        configuration,
        ..setup
    };
    (Broker::on(setup, clock, first, folder).await, second)
}

/// Whether this browser holds a session of any kind.
pub(crate) fn has_session(browser: &Browser) -> bool {
    !cookies(browser, "__Host-dws-").is_empty() || !cookies(browser, "__Host-dwa").is_empty()
}

/// That a page of ours says so, with every header that a page must have.
pub(crate) fn assert_page(page: &Page, status: u16, title: &str) {
    assert_eq!(
        page.status.as_u16(),
        status,
        "{} {}: {}",
        page.url,
        page.text(),
        audit::of(page)
            .first()
            .map(|line| line.field("reason"))
            .unwrap_or_default(),
    );
    let html = page.html();
    assert!(html.contains(&format!("<title>{title}")), "{html}");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    let id = page.header("x-request-id");
    assert!(html.contains(id), "the page names its request: {html}");
}

/// That the callback which `page` answers signed nobody in: the page, the audit line with this reason, no
/// session in `browser`, and a check that still says 401.
pub(crate) async fn assert_refused(
    broker: &Broker,
    browser: &Browser,
    page: &Page,
    (status, title): (u16, &str),
    reason: &str,
) {
    assert_page(page, status, title);
    let line = audit::only(page);
    assert_eq!(line.event(), "login_refused");
    assert!(
        line.field("reason").contains(reason),
        "\"{}\" instead of \"{reason}\"",
        line.field("reason")
    );
    assert!(
        !page
            .set_cookies()
            .iter()
            .any(|line| line.contains("__Host-dws") || line.contains("__Host-dwa")),
        "{:?}",
        page.set_cookies()
    );
    assert!(!has_session(browser), "{:?}", browser.jar().all());
    let check = broker.check(browser, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::UNAUTHORIZED);
}

/// The title where the second provider's answer failed a check.
pub(crate) const SECOND_NOT_TRUSTED: &str = "The answer of Second ID cannot be trusted";
/// The title for people whom the provider knows and the tenant does not let in.
pub(crate) const ACCOUNT: &str = "This account cannot sign in here";

/// The title where the second provider said that it left out groups.
pub(crate) const GROUPS: &str = "Second ID did not tell all your groups";

/// Signs in at the second provider, then enters the wiki. Gives the check's answer.
pub(crate) async fn signs_in_at_second(broker: &Broker, browser: &mut Browser) -> Page {
    let login = broker.url("acme.localhost", "/login/second");
    let page = browser.visit(&login).await;
    assert_eq!(
        page.url.path(),
        "/sessions",
        "{}: {}",
        page.text(),
        audit::of(&page)
            .first()
            .map(|line| line.field("reason"))
            .unwrap_or_default(),
    );
    assert_signs_in(broker, browser).await
}

/// That a login at the second provider signs nobody in.
pub(crate) async fn refused_at_second(broker: &Broker, answer: (u16, &str), reason: &str) {
    let mut browser = broker.browser();
    let login = broker.url("acme.localhost", "/login/second");
    let page = browser.visit(&login).await;
    assert_refused(broker, &browser, &page, answer, reason).await;
}

/// Signs out at the wiki on the way to its page `/bye`, and gives where the browser went.
pub(crate) async fn signs_out(broker: &Broker, browser: &mut Browser) -> Page {
    let target = broker.url(WIKI, "/bye");
    let rd: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
    let sign_out = broker.url(WIKI, &format!("/oauth2/sign_out?rd={rd}"));
    let page = browser.visit(&sign_out).await;
    assert_eq!(page.url.as_str(), target, "{}", page.text());
    assert!(!has_session(browser), "{:?}", browser.jar().all());
    assert!(cookies(browser, "__Host-dwo-").is_empty());
    let check = broker.check(browser, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::UNAUTHORIZED);
    page
}

/// That a whole sign-in at acme's wiki works; gives the check's answer.
pub(crate) async fn assert_signs_in(broker: &Broker, browser: &mut Browser) -> Page {
    assert_signs_in_at(broker, browser, WIKI).await
}

/// That a whole sign-in works; gives the check's answer.
pub(crate) async fn assert_signs_in_at(broker: &Broker, browser: &mut Browser, app: &str) -> Page {
    let page = broker.sign_in(browser, app, "/").await;
    assert_eq!(page.url.as_str(), broker.url(app, "/"), "{}", page.text());
    let check = broker.check(browser, "GET", app, "/").await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    check
}
