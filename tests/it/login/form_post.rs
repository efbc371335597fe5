//! A provider that answers by POST: from another site, so without our cookies. What arrives is kept, and
//! counts when the browser that began the login comes for it.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use rstest::rstest;

use super::*;
use crate::support::broker::CONFIGURATION;
use crate::support::browser::Form;
use crate::support::http::exchange;
use crate::support::provider::{AuthorizeFault, Endpoint};

/// What nobody was ever sent away with.
const UNKNOWN_STATE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// A broker whose tenant `acme` has a provider that posts; those of the other tenants redirect.
async fn start() -> Broker {
    let clock = clock();
    let provider = TestProvider::start(Arc::clone(&clock));
    let folder = folder();
    let presets = folder.path().join("presets");
    std::fs::create_dir(&presets).expect("a folder");
    let preset = include_str!("../../../providers/oidc.toml");
    let preset = preset.replacen(
        "pkce = true",
        "pkce = true\nresponse_mode = \"form_post\"",
        1,
    );
    std::fs::write(presets.join("posting.toml"), preset).expect("written");
    let configuration = CONFIGURATION
        .replacen("[server]", "[server]\nproviders_folder = \"presets\"", 1)
        .replacen("preset = \"oidc\"", "preset = \"posting\"", 1);
    let setup = Setup {
        configuration,
        ..Setup::default()
    };
    Broker::on(setup, clock, provider, folder).await
}

/// The form that the provider has the browser post.
async fn up_to_form(broker: &Broker, browser: &mut Browser) -> Form {
    let page = browser.visit(&broker.sign_in_url(WIKI, "/page")).await;
    assert_eq!(page.url.path(), "/authorize", "{}", page.text());
    page.form("/login/main/callback")
}

/// Where the browser is sent after its POST.
async fn posted(browser: &mut Browser, form: &Form) -> Url {
    let page = browser.submit_once(form, &[]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
    assert_eq!(page.set_cookies(), Vec::<String>::new());
    let next = page.location().expect("an address");
    assert_eq!(next.path(), "/login/main/callback");
    let names: Vec<_> = next
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    assert_eq!(names, ["answer"], "neither code nor state is in an address");
    next
}

fn field(form: &Form, name: &str) -> String {
    let mut fields = form.fields.iter();
    let found = fields.find(|(key, _)| key == name);
    found.expect("a field").1.clone()
}

/// That the login goes on as if nothing had happened.
async fn assert_goes_on(broker: &Broker, browser: &mut Browser, answer: &Url) {
    let page = browser.visit(answer.as_str()).await;
    assert_eq!(
        page.url.as_str(),
        broker.url(WIKI, "/page"),
        "{}",
        page.text()
    );
    let check = broker.check(browser, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    assert_eq!(broker.provider.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn a_person_signs_in() {
    let broker = start().await;
    let mut browser = broker.browser();
    let form = up_to_form(&broker, &mut browser).await;
    let asked = broker
        .provider
        .last(Endpoint::Authorize)
        .expect("a request");
    assert_eq!(asked.query("response_mode"), Some("form_post"));
    let page = browser.submit(&form, &[]).await;
    assert_eq!(
        page.url.as_str(),
        broker.url(WIKI, "/page"),
        "{}",
        page.text()
    );
    let check = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    assert!(cookies(&browser, "__Host-dwl-").is_empty());
}

/// Only Apple's first answer holds a name, and anybody could have written it.
#[tokio::test]
async fn what_else_is_posted_is_neither_believed_nor_kept() {
    let broker = start().await;
    let mut browser = broker.browser();
    let form = up_to_form(&broker, &mut browser).await;
    let user = r#"{"name":{"firstName":"Mallory-canary"},"email":"root@example.com"}"#;
    let page = browser
        .submit(&form, &[("user", user), ("id_token", "x")])
        .await;
    assert_eq!(
        page.url.as_str(),
        broker.url(WIKI, "/page"),
        "{}",
        page.text()
    );
    let check = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(check.header("x-auth-request-email"), "ada@example.com");
}

#[tokio::test]
async fn a_provider_that_refuses_is_told_in_our_words() {
    let broker = start().await;
    let error = AuthorizeFault::Error("access_denied", "Call 0900-EVIL now");
    broker.provider.set(error);
    let mut browser = broker.browser();
    let form = up_to_form(&broker, &mut browser).await;
    let answer = posted(&mut browser, &form).await;
    let page = browser.open(answer.as_str()).await;
    let expected = (400, "Acme ID did not sign you in");
    assert_refused(&broker, &browser, &page, expected, "access_denied").await;
}

/// Longer than an issuer can be, and much longer once it is encoded again.
const LONG: &str = {
    const QUOTES: [u8; 4000] = [b'"'; 4000];
    match std::str::from_utf8(&QUOTES) {
        Ok(text) => text,
        Err(_) => "",
    }
};

#[rstest]
#[case::unknown_state(&[("state", UNKNOWN_STATE)], "no login waits")]
#[case::foreign_state(&[("state", "x")], "`state` is missing or is none of ours")]
#[case::no_code(&[("code", "")], "neither `code` nor `error`")]
#[case::issuer_without_end(&[("iss", LONG)], "`iss` is too long")]
#[tokio::test]
async fn a25_t01_an_answer_to_nothing_is_not_kept(
    #[case] fields: &[(&str, &str)],
    #[case] reason: &str,
) {
    let broker = start().await;
    let mut browser = broker.browser();
    let form = up_to_form(&broker, &mut browser).await;
    let mut stranger = browser.tab();
    let page = stranger.submit_once(&form, fields).await;
    assert_refused(&broker, &stranger, &page, (400, EXPIRED), reason).await;
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
    let answer = posted(&mut browser, &form).await;
    assert_goes_on(&broker, &mut browser, &answer).await;
}

#[tokio::test]
async fn a25_the_first_answer_counts() {
    let broker = start().await;
    let mut browser = broker.browser();
    let form = up_to_form(&broker, &mut browser).await;
    let answer = posted(&mut browser, &form).await;
    let mut again = browser.tab();
    let page = again.submit_once(&form, &[("code", "another")]).await;
    assert_refused(&broker, &again, &page, (400, EXPIRED), "no login waits").await;
    assert_goes_on(&broker, &mut browser, &answer).await;
}

#[tokio::test]
async fn a25_another_browser_cannot_fetch_an_answer_nor_use_it_up() {
    let broker = start().await;
    let mut browser = broker.browser();
    let form = up_to_form(&broker, &mut browser).await;
    let answer = posted(&mut browser, &form).await;
    let mut other = broker.browser();
    other.set_cookie(&broker.url("acme.localhost", "/"), "theme=dark; Path=/");
    let page = other.open(answer.as_str()).await;
    let reason = "from another browser";
    assert_refused(&broker, &other, &page, (400, EXPIRED), reason).await;
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
    assert_goes_on(&broker, &mut browser, &answer).await;
}

/// Login CSRF: a page of the attacker has the victim's browser post the attacker's own answer.
#[tokio::test]
async fn a25_an_answer_that_was_planted_signs_nobody_in() {
    let broker = start().await;
    let mut attacker = broker.browser();
    let form = up_to_form(&broker, &mut attacker).await;
    let mut victim = broker.browser();
    // A login of the victim's own waits meanwhile.
    up_to_form(&broker, &mut victim).await;
    let page = victim.submit(&form, &[]).await;
    let reason = "from another browser";
    assert_refused(&broker, &victim, &page, (400, EXPIRED), reason).await;
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
}

#[tokio::test]
async fn a25_an_answer_is_for_one_use() {
    let broker = start().await;
    let mut browser = broker.browser();
    let form = up_to_form(&broker, &mut browser).await;
    let answer = posted(&mut browser, &form).await;
    let kept = cookie_header(&browser, &answer);
    assert_goes_on(&broker, &mut browser, &answer).await;
    let mut again = broker.browser().always("cookie", &kept);
    let page = again.open(answer.as_str()).await;
    assert_page(&page, 400, EXPIRED);
    let reason = audit::only(&page).field("reason");
    assert!(reason.contains("no login waits"), "{reason}");
    assert_eq!(broker.provider.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn an_answer_is_kept_for_a_minute() {
    let broker = start().await;
    for (seconds, fetched) in [(59, true), (61, false)] {
        let mut browser = broker.browser();
        let form = up_to_form(&broker, &mut browser).await;
        let answer = posted(&mut browser, &form).await;
        broker.advance(Duration::from_secs(seconds)).await;
        let page = browser.open(answer.as_str()).await;
        if fetched {
            assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
        } else {
            assert_refused(&broker, &browser, &page, (400, EXPIRED), "no login waits").await;
        }
    }
}

/// The address of the callback takes nothing but what was posted: a code in a query is in histories and logs.
#[rstest]
#[case::code(true, "it did not come by POST")]
#[case::nothing(false, "it did not come by POST")]
#[tokio::test]
async fn an_answer_by_redirect_is_refused(#[case] with_code: bool, #[case] reason: &str) {
    let broker = start().await;
    let mut browser = broker.browser();
    let form = up_to_form(&broker, &mut browser).await;
    let mut address = form.action.clone();
    if with_code {
        for name in ["code", "state", "iss"] {
            let value = field(&form, name);
            address.query_pairs_mut().append_pair(name, &value);
        }
    }
    let mut tab = browser.tab();
    let page = tab.open(address.as_str()).await;
    assert_refused(&broker, &tab, &page, (400, EXPIRED), reason).await;
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
    let answer = posted(&mut browser, &form).await;
    assert_goes_on(&broker, &mut browser, &answer).await;
}

#[rstest]
#[case::twice(
    "answer=AAAAAAAAAAAAAAAAAAAAAA&answer=AAAAAAAAAAAAAAAAAAAAAA",
    "by POST"
)]
#[case::no_handle("answer=x", "by POST")]
#[case::unknown("answer=AAAAAAAAAAAAAAAAAAAAAA", "no login waits")]
#[tokio::test]
async fn a_handle_that_is_none_fetches_nothing(#[case] query: &str, #[case] reason: &str) {
    let broker = start().await;
    let mut browser = broker.browser();
    let address = broker.url("acme.localhost", &format!("/login/main/callback?{query}"));
    let page = browser.open(&address).await;
    assert_refused(&broker, &browser, &page, (400, EXPIRED), reason).await;
}

/// At the same moment, and where the preset says nothing of a POST: nothing is read.
#[tokio::test]
async fn a_provider_that_redirects_takes_no_post() {
    let broker = start().await;
    let mut browser = broker.browser();
    let callback = "/t/globex/login/main/callback";
    let fields = [("code", "c"), ("state", UNKNOWN_STATE)];
    let page = browser
        .post(&broker.url("login.localhost", callback), &fields)
        .await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(page.header("allow"), "GET, HEAD");
    assert_eq!(page.set_cookies(), Vec::<String>::new());
}

#[rstest]
#[case::json("application/json", 415)]
#[case::multipart("multipart/form-data; boundary=x", 415)]
#[case::plain("text/plain", 415)]
#[case::none("", 415)]
#[case::form("application/x-www-form-urlencoded", 303)]
#[case::form_with_charset("Application/X-WWW-Form-Urlencoded; charset=UTF-8", 303)]
#[tokio::test]
async fn only_a_form_is_read(#[case] kind: &str, #[case] status: u16) {
    let broker = start().await;
    let mut browser = broker.browser();
    let form = up_to_form(&broker, &mut browser).await;
    assert_eq!(post(&broker, &form, kind, 0).await, status);
}

#[rstest]
#[case::small(1024, 303)]
#[case::too_large(17 * 1024, 413)]
#[case::far_too_large(4 * 1024 * 1024, 413)]
#[tokio::test]
async fn t04_a_large_form_is_not_read(#[case] padding: usize, #[case] status: u16) {
    let broker = start().await;
    let mut browser = broker.browser();
    let form = up_to_form(&broker, &mut browser).await;
    let kind = "application/x-www-form-urlencoded";
    assert_eq!(post(&broker, &form, kind, padding).await, status);
}

/// Posts the answer as the browser would, in this content type and with a field of this length besides.
async fn post(broker: &Broker, form: &Form, kind: &str, padding: usize) -> u16 {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(&form.fields);
    body.append_pair("user", &"x".repeat(padding));
    let body = body.finish();
    let host = format!("acme.localhost:{}", broker.address.port());
    let mut request = Request::post("/login/main/callback")
        .header("host", host)
        .header("sec-fetch-mode", "navigate")
        .header("content-length", body.len());
    if !kind.is_empty() {
        request = request.header("content-type", kind);
    }
    let request = request.body(Bytes::from(body)).expect("a request");
    let answer = exchange(broker.address, request).await.expect("an answer");
    answer.status().as_u16()
}

/// Whoever reads the database reads no code.
#[tokio::test]
async fn a_kept_code_is_sealed() {
    let broker = start().await;
    let mut browser = broker.browser();
    let form = up_to_form(&broker, &mut browser).await;
    let canary = "code-canary-0123456789";
    let page = browser.submit_once(&form, &[("code", canary)]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
    let mut read = 0;
    for entry in std::fs::read_dir(broker.folder.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("read");
            read += usize::from(path.to_string_lossy().contains("doorward.db"));
            let found = bytes
                .windows(canary.len())
                .any(|it| it == canary.as_bytes());
            assert!(!found, "the code stands in {}", path.display());
        }
    }
    assert!(read > 0, "there is a database");
}
