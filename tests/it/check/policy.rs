//! Who may open what, by the rules of an app and by the limits that a proxy adds.

use http::StatusCode;
use rstest::{fixture, rstest};

use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::browser::Browser;
use crate::support::nodes::WIKI;

const APP: &str = "kinds.rules.localhost";

/// A tenant with two providers, and an app with a rule of every kind.
const RULES: &str = r#"
[[tenants]]
id = "rules"
base_url = "http://rules.localhost:{port}"

[[tenants.providers]]
id = "first"
preset = "oidc"
name = "First ID"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret = { env = "CLIENT_SECRET" }
scopes = ["openid", "profile", "email", "groups"]
groups_claim = "groups"

[[tenants.providers]]
id = "second"
preset = "oidc"
name = "Second ID"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret = { env = "CLIENT_SECRET" }
scopes = ["openid", "profile", "email", "groups"]
groups_claim = "groups"

[[tenants.apps]]
id = "kinds"
hosts = ["kinds.rules.localhost:{port}"]
identity_headers = { X-User = "user" }
[[tenants.apps.rules]]
paths = ["/public"]
public = true
[[tenants.apps.rules]]
paths = ["/signed-in"]
signed_in = true
[[tenants.apps.rules]]
paths = ["/domain"]
email_domains = ["example.com", "other.example"]
[[tenants.apps.rules]]
paths = ["/address"]
emails = ["Ada@Example.com"]
[[tenants.apps.rules]]
paths = ["/group"]
groups = ["admins", "staff"]
[[tenants.apps.rules]]
paths = ["/second"]
providers = ["second"]
[[tenants.apps.rules]]
paths = ["/both"]
groups = ["admins"]
email_domains = ["example.com"]
[[tenants.apps.rules]]
paths = ["/api"]
methods = ["GET"]
preflight = true
signed_in = true
[[tenants.apps.rules]]
paths = ["/api"]
methods = ["POST", "DELETE"]
groups = ["admins"]
[[tenants.apps.rules]]
paths = ["/hook"]
networks = ["203.0.113.0/24", "2001:db8::/32"]
public = true
[[tenants.apps.rules]]
paths = ["/office"]
networks = ["203.0.113.0/24"]
signed_in = true
[[tenants.apps.rules]]
paths = ["/either"]
any_of = [{ groups = ["admins"] }, { email_domains = ["other.example"] }]
[[tenants.apps.rules]]
paths = ["/all-groups"]
all_groups = ["staff", "admins"]
[[tenants.apps.rules]]
paths = ["/scopes"]
scopes = ["orders:read"]
"#;

#[fixture]
async fn broker() -> Broker {
    Broker::with(Setup {
        configuration: format!("{CONFIGURATION}{RULES}"),
        ..Setup::default()
    })
    .await
}

/// A browser in which this person has signed in through this provider.
async fn signed_in(broker: &Broker, person: &str, provider: &str) -> Browser {
    broker.provider.sign_in_as(person);
    let mut browser = broker.browser();
    let page = browser.visit(&broker.sign_in_url(APP, "/public")).await;
    assert!(
        page.text().contains("Continue with First ID"),
        "{}",
        page.text()
    );
    browser.click(&page.link(provider)).await;
    browser
}

#[rstest]
// Everybody who is signed in, and nobody else.
#[case::public("ada", "GET", "/public", 202)]
#[case::signed_in("ada", "GET", "/signed-in", 202)]
#[case::default_deny("ada", "GET", "/", 403)]
#[case::default_deny_elsewhere("ada", "GET", "/elsewhere", 403)]
// E-mail addresses.
#[case::domain("ada", "GET", "/domain", 202)]
#[case::second_domain("dan@other.example", "GET", "/domain", 202)]
#[case::other_domain("eve@elsewhere.example", "GET", "/domain", 403)]
#[case::domain_below("eve@mail.example.com", "GET", "/domain", 403)]
#[case::domain_beside("eve@evil-example.com", "GET", "/domain", 403)]
#[case::domain_behind("eve@example.com.evil.example", "GET", "/domain", 403)]
#[case::address("ada", "GET", "/address", 202)]
#[case::other_address("bob", "GET", "/address", 403)]
// Groups: everybody is in `staff`.
#[case::group("bob", "GET", "/group", 202)]
#[case::no_fall_through("bob", "GET", "/both", 403)]
#[case::in_one_of_two("ada", "GET", "/all-groups", 403)]
#[case::neither("ada", "GET", "/either", 403)]
#[case::the_other("dan@other.example", "GET", "/either", 202)]
// A session has no scopes: what may be done with a token is not what a person may do.
#[case::scopes("ada", "GET", "/scopes", 403)]
// Networks: the tests' own machine is in none of these.
#[case::network("ada", "GET", "/office", 403)]
// Providers.
#[case::other_provider("ada", "GET", "/second", 403)]
// Methods.
#[case::method("ada", "GET", "/api", 202)]
#[case::stricter_method("ada", "POST", "/api", 403)]
#[case::method_without_a_rule("ada", "PUT", "/api", 403)]
#[case::head_is_not_get("ada", "HEAD", "/api", 403)]
#[case::options_is_not_get("ada", "OPTIONS", "/api", 403)]
#[tokio::test]
async fn the_first_rule_that_covers_decides(
    #[future(awt)] broker: Broker,
    #[case] person: &str,
    #[case] method: &str,
    #[case] path: &str,
    #[case] expected: u16,
) {
    let browser = signed_in(&broker, person, "First").await;
    let page = broker.check(&browser, method, APP, path).await;
    assert_eq!(page.status, expected);
    // Whoever is not signed in gets further only where it is public.
    let stranger = broker.check(&broker.browser(), method, APP, path).await;
    let expected = match (path, expected) {
        ("/public", _) => 202,
        ("/" | "/elsewhere" | "/office", _) => 403,
        ("/api", _) if ["PUT", "HEAD", "OPTIONS"].contains(&method) => 403,
        _ => 401,
    };
    assert_eq!(stranger.status, expected, "a stranger");
}

#[rstest]
#[tokio::test]
async fn a_rule_can_ask_for_a_provider(#[future(awt)] broker: Broker) {
    let browser = signed_in(&broker, "ada", "Second").await;
    let page = broker.check(&browser, "GET", APP, "/second").await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
}

#[rstest]
#[case::not_said(None)]
#[case::text(Some("true".into()))]
#[case::no(Some(false.into()))]
#[tokio::test]
async fn an_unconfirmed_address_fits_no_rule(
    #[future(awt)] broker: Broker,
    #[case] verified: Option<serde_json::Value>,
) {
    broker
        .provider
        .person("ada", |ada| ada.email_verified = verified);
    let browser = signed_in(&broker, "ada", "First").await;
    for (path, expected) in [("/domain", 403), ("/address", 403), ("/signed-in", 202)] {
        let page = broker.check(&browser, "GET", APP, path).await;
        assert_eq!(page.status, expected, "{path}");
    }
}

#[rstest]
#[case::of_another_case(&["Admins", "STAFF"])]
#[case::longer(&["administrators", "staff2"])]
#[case::with_space(&[" staff", "staff "])]
#[case::joined(&["admins,staff"])]
#[case::none(&[])]
#[tokio::test]
async fn groups_are_compared_byte_for_byte(#[future(awt)] broker: Broker, #[case] groups: &[&str]) {
    broker.provider.person("ada", |ada| {
        ada.groups = groups.iter().map(|group| (*group).to_owned()).collect();
    });
    let browser = signed_in(&broker, "ada", "First").await;
    let page = broker.check(&browser, "GET", APP, "/group").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
}

#[rstest]
#[tokio::test]
async fn every_list_of_a_rule_must_fit(#[future(awt)] broker: Broker) {
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["admins".into()]);
    broker.provider.person("eve", |eve| {
        eve.groups = vec!["admins".into()];
        eve.email = Some("eve@elsewhere.example".into());
    });
    for (person, expected) in [("ada", 202), ("eve", 403)] {
        let browser = signed_in(&broker, person, "First").await;
        let page = broker.check(&browser, "GET", APP, "/both").await;
        assert_eq!(page.status, expected, "{person}");
    }
}

/// A CORS preflight carries no cookie; it passes where the rule says so, and only with all its marks.
#[rstest]
#[case::preflight("OPTIONS", "/api", true, true, 202)]
#[case::without_origin("OPTIONS", "/api", false, true, 403)]
#[case::without_method("OPTIONS", "/api", true, false, 403)]
#[case::no_options("GET", "/api", true, true, 401)]
#[case::stricter_method("POST", "/api", true, true, 401)]
#[case::no_rule_says_so("OPTIONS", "/signed-in", true, true, 401)]
#[case::no_rule_at_all("OPTIONS", "/", true, true, 403)]
#[tokio::test]
async fn a_preflight_passes_only_where_the_rule_says_so(
    #[future(awt)] broker: Broker,
    #[case] method: &str,
    #[case] path: &str,
    #[case] origin: bool,
    #[case] asks: bool,
    #[case] expected: u16,
) {
    let mut headers = vec![("sec-fetch-mode", "cors")];
    if origin {
        headers.push(("origin", "http://elsewhere.example"));
    }
    if asks {
        headers.push(("access-control-request-method", "GET"));
    }
    let browser = broker.browser();
    let page = broker
        .check_with(&browser, method, APP, path, &headers)
        .await;
    assert_eq!(page.status, expected);
    if expected == 202 {
        assert_eq!(
            page.headers.get("x-user").map(http::HeaderValue::as_bytes),
            Some(&b""[..])
        );
    }
}

/// oauth2-proxy's limits in the query of the check.
#[rstest]
#[case::group("allowed_groups=staff", 202)]
#[case::one_of_the_groups("allowed_groups=admins,staff", 202)]
#[case::with_spaces("allowed_groups=admins,%20staff", 202)]
#[case::encoded_comma("allowed_groups=admins%2Cstaff", 202)]
#[case::other_group("allowed_groups=admins", 403)]
#[case::part_of_a_group("allowed_groups=sta", 403)]
#[case::no_group("allowed_groups=", 403)]
#[case::email("allowed_emails=ada@example.com", 202)]
#[case::email_in_another_case("allowed_emails=Ada@EXAMPLE.com,bob@example.com", 202)]
#[case::other_email("allowed_emails=bob@example.com", 403)]
#[case::longer_email("allowed_emails=ada@example.com.evil.example", 403)]
#[case::domain("allowed_email_domains=example.com", 202)]
#[case::other_domain("allowed_email_domains=elsewhere.example", 403)]
#[case::part_of_a_domain("allowed_email_domains=ample.com", 403)]
#[case::above_the_domain("allowed_email_domains=com", 403)]
#[case::two_limits("allowed_groups=staff&allowed_email_domains=elsewhere.example", 403)]
#[case::twice("allowed_groups=staff&allowed_groups=admins", 403)]
#[case::unknown_parameter("x=1", 202)]
#[tokio::test]
async fn a_proxy_can_limit_an_app_further(#[case] query: &str, #[case] expected: u16) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let url = broker.url(WIKI, "/");
    let headers = [
        ("x-original-url", url.as_str()),
        ("x-original-method", "GET"),
    ];
    let address = broker.url(WIKI, &format!("/oauth2/auth?{query}"));
    let page = browser.request(http::Method::GET, &address, &headers).await;
    assert_eq!(page.status, expected);
    // A limit is no reason to be let in.
    let stranger = broker.browser();
    let page = stranger
        .request(http::Method::GET, &address, &headers)
        .await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
}

/// The person's address counts, as far as trusted proxies tell it; whoever is not where the rule says is refused
/// before anybody asks who they are.
#[rstest]
#[case::within("/hook", "203.0.113.9", 202)]
#[case::six("/hook", "2001:db8::9", 202)]
#[case::mapped("/hook", "::ffff:203.0.113.9", 202)]
#[case::beside("/hook", "203.0.114.9", 403)]
#[case::a06_no_address("/hook", "office", 403)]
#[case::a06_last_word_unreadable("/hook", "203.0.113.9, office", 403)]
#[case::a01_claimed_in_front("/hook", "203.0.113.9, 198.51.100.7", 403)]
#[case::behind_a_trusted_proxy("/hook", "203.0.113.9, 127.0.0.1", 202)]
#[case::then_signed_in("/office", "203.0.113.9", 401)]
#[case::not_even_asked("/office", "198.51.100.7", 403)]
#[tokio::test]
async fn a_rule_can_ask_for_a_network(
    #[future(awt)] broker: Broker,
    #[case] path: &str,
    #[case] from: &str,
    #[case] expected: u16,
) {
    let page = broker
        .check_with(
            &broker.browser(),
            "GET",
            APP,
            path,
            &[("x-forwarded-for", from)],
        )
        .await;
    assert_eq!(page.status, expected);
}
