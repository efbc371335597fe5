//! Several providers: which one somebody is led to, and what goes there with them.

use rstest::rstest;

use super::*;

/// `acme` with `main` and `second`, to which people of `corp.example` belong.
const BY_EMAIL: &str =
    "preset = \"oidc\"\nissuer = \"{second}\"\nemail_domains = [\"corp.example\"]";

async fn two() -> (Broker, TestProvider) {
    with_second_provider(OIDC, Setup::default()).await
}

/// Where a sign-in at `app` with this query leads: the authorization request.
async fn asked_with(broker: &Broker, browser: &mut Browser, app: &str, query: &str) -> Url {
    let start = broker.url(app, &format!("/oauth2/sign_in?{query}"));
    up_to(browser, &start, |url| url.path() == "/authorize").await
}

/// The page to choose, with both of them.
fn assert_choice(page: &Page, status: u16) {
    assert_eq!(page.status.as_u16(), status, "{}", page.text());
    assert!(page.html().contains("<title>Sign in to Acme"));
    assert_eq!(page.link("Acme ID").path(), "/login/main");
    assert_eq!(page.link("Second ID").path(), "/login/second");
}

fn leads_to(request: &Url, provider: &str) -> bool {
    let redirect = parameter(request, "redirect_uri").unwrap_or_default();
    redirect.ends_with(&format!("/login/{provider}/callback"))
}

#[rstest]
#[case::first("main")]
#[case::second("second")]
#[tokio::test]
async fn a_hint_names_the_provider(#[case] provider: &str) {
    let (broker, _second) = two().await;
    let mut browser = broker.browser();
    let query = format!("idp_hint={provider}&rd=/read");
    let request = asked_with(&broker, &mut browser, WIKI, &query).await;
    assert!(leads_to(&request, provider), "{request}");
    let page = browser.visit(request.as_str()).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/read"));
}

/// What is no provider of this tenant, or is said within the address that is asked for, leaves the choice.
#[rstest]
#[case::unknown("idp_hint=third&rd=/")]
#[case::no_id("idp_hint=../main&rd=/")]
#[case::empty("idp_hint=&rd=/")]
#[case::within_the_target("rd=http://wiki.acme.localhost:{port}/?a=b&idp_hint=second")]
#[case::within_the_path("rd=/?a=b&idp_hint=second")]
#[tokio::test]
async fn another_hint_leaves_the_choice(#[case] query: &str) {
    let (broker, _second) = two().await;
    let mut browser = broker.browser();
    let query = query.replace("{port}", &broker.address.port().to_string());
    let page = browser
        .visit(&broker.url(WIKI, &format!("/oauth2/sign_in?{query}")))
        .await;
    assert_choice(&page, 200);
}

/// The board lets in people of one provider, the wiki of both.
#[tokio::test]
async fn a_rule_that_names_a_provider_leaves_no_choice() {
    let configuration = crate::support::broker::CONFIGURATION.replace(
        "email_domains = [\"example.com\"]",
        "email_domains = [\"example.com\"]\nproviders = [\"second\"]",
    );
    let setup = Setup {
        configuration,
        ..Setup::default()
    };
    let (broker, _second) = with_second_provider(OIDC, setup).await;
    let mut browser = broker.browser();
    let request = asked_with(&broker, &mut browser, BOARD, "rd=/").await;
    assert!(leads_to(&request, "second"), "{request}");
    // A hint chooses among those only.
    let request = asked_with(&broker, &mut browser, BOARD, "idp_hint=main&rd=/").await;
    assert!(leads_to(&request, "second"), "{request}");
    // Elsewhere in the same app another rule counts.
    let page = browser
        .visit(&broker.url(BOARD, "/oauth2/sign_in?rd=/read"))
        .await;
    assert_choice(&page, 200);
}

#[tokio::test]
async fn the_last_one_used_comes_first() {
    let (broker, _second) = two().await;
    let mut browser = broker.browser();
    let request = asked_with(&broker, &mut browser, WIKI, "idp_hint=second&rd=/").await;
    let page = browser.visit(request.as_str()).await;
    let remembered: Vec<_> = page
        .chain
        .iter()
        .flat_map(|hop| hop.headers.get_all("set-cookie"))
        .filter_map(|line| line.to_str().ok())
        .filter(|line| line.starts_with("__Host-dwp-acme="))
        .collect();
    let expected =
        "__Host-dwp-acme=second; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000";
    assert_eq!(remembered, [expected]);
    let page = browser
        .visit(&broker.url("acme.localhost", "/login?another=1"))
        .await;
    let text = page.text();
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(place("Second ID") < place("Acme ID"), "{text}");
    assert!(place("You used this last") < place("Acme ID"), "{text}");
    // What is no provider here says nothing.
    for value in ["third", "main; second", "<b>", ""] {
        let mut other = broker.browser();
        let line = format!("__Host-dwp-acme={value}; Secure; Path=/; HttpOnly");
        other.set_cookie(&broker.url("acme.localhost", "/"), &line);
        let page = other.visit(&broker.url("acme.localhost", "/login")).await;
        assert_eq!(page.status, StatusCode::OK);
        let first = value.starts_with("main");
        assert_eq!(page.text().contains("You used this last"), first, "{value}");
    }
}

#[tokio::test]
async fn an_address_leads_to_its_provider() {
    let (broker, _second) = with_second_provider(BY_EMAIL, Setup::default()).await;
    let mut browser = broker.browser();
    let page = browser
        .visit(&broker.url(WIKI, "/oauth2/sign_in?ui_locales=de&rd=/read"))
        .await;
    // The form leads to another host in the end.
    let policy = page.header("content-security-policy");
    assert!(policy.contains("form-action 'self' http:"), "{policy}");
    let form = page.form("/login");
    let answer = browser
        .submit_once(&form, &[("email", " Ada@Corp.Example ")])
        .await;
    let request = answer.location().expect("the way to the provider");
    assert!(leads_to(&request, "second"), "{request}");
    let hint = parameter(&request, "login_hint");
    assert_eq!(hint.as_deref(), Some("ada@corp.example"));
    assert_eq!(parameter(&request, "ui_locales").as_deref(), Some("de"));
    let page = browser.visit(request.as_str()).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/read"));
}

#[rstest]
#[case::elsewhere("ada@example.com")]
#[case::below("ada@a.corp.example")]
#[case::above("ada@example")]
#[case::look_alike("ada@corp.example.evil.example")]
#[case::two("ada@evil.example@corp.example")]
#[case::no_address("corp.example")]
#[case::markup("\"><b>@corp.example")]
#[case::full_width("ada@ｃorp.example")]
#[case::nothing("")]
#[tokio::test]
async fn an_address_of_nobody_leads_nowhere(#[case] email: &str) {
    let (broker, _second) = with_second_provider(BY_EMAIL, Setup::default()).await;
    let mut browser = broker.browser();
    let page = browser.visit(&broker.url("acme.localhost", "/login")).await;
    let form = page.form("/login");
    let page = browser.submit_once(&form, &[("email", email)]).await;
    assert_choice(&page, 422);
    assert!(page.set_cookies().is_empty());
    assert!(page.text().contains("No way to sign in is known"));
    assert!(!page.html().contains("<b>@"), "{}", page.html());
}

/// A form that brings no address, or is none.
#[tokio::test]
async fn a_form_without_an_address_is_asked_again() {
    let (broker, _second) = with_second_provider(BY_EMAIL, Setup::default()).await;
    let mut browser = broker.browser();
    let login = broker.url("acme.localhost", "/login");
    browser.visit(&login).await;
    let page = browser.post(&login, &[("mail", "ada@corp.example")]).await;
    assert_choice(&page, 422);
    let long = "a".repeat(20_000);
    let page = browser.post(&login, &[("email", &long)]).await;
    assert_choice(&page, 422);
}

/// Hints that a preset knows go along; what protects the request cannot be touched.
#[rstest]
#[case::login("login_hint=ada%40example.com", "login_hint", Some("ada@example.com"))]
#[case::locales("ui_locales=de+en", "ui_locales", Some("de en"))]
#[case::class("acr_values=urn:mfa", "acr_values", Some("urn:mfa"))]
#[case::prompt("prompt=consent", "prompt", Some("consent"))]
#[case::silent("prompt=none", "prompt", None)]
#[case::unknown_prompt("prompt=create", "prompt", None)]
#[case::two_prompts("prompt=login+none", "prompt", None)]
#[case::no_name_here("domain_hint=corp.example", "domain_hint", None)]
#[case::too_long(&format!("login_hint={}", "a".repeat(257)), "login_hint", None)]
#[case::control("login_hint=a%0d%0ab", "login_hint", None)]
#[case::not_a_hint("max_age=0", "max_age", None)]
#[case::scope("scope=admin", "scope", Some("openid profile email groups"))]
#[case::redirect("redirect_uri=https://evil.example/", "response_type", Some("code"))]
#[tokio::test]
async fn hints_go_along(#[case] query: &str, #[case] name: &str, #[case] expected: Option<&str>) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let query = format!("{query}&rd=/");
    let request = asked_with(&broker, &mut browser, WIKI, &query).await;
    let mut all = request.query_pairs().filter(|(key, _)| key == name);
    let value = all.next().map(|(_, value)| value.into_owned());
    assert_eq!(value.as_deref(), expected, "{request}");
    assert!(all.next().is_none(), "twice: {request}");
    assert!(leads_to(&request, "main"));
}

/// Who wants to be somebody else is not led back to who they were.
#[tokio::test]
async fn another_account_is_no_hinted_one() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let query = "another=1&login_hint=ada&prompt=consent&ui_locales=de&rd=/";
    let request = asked_with(&broker, &mut browser, WIKI, query).await;
    assert_eq!(parameter(&request, "login_hint"), None);
    assert_eq!(parameter(&request, "prompt").as_deref(), Some("login"));
    assert_eq!(parameter(&request, "ui_locales").as_deref(), Some("de"));
}
