//! `when` in rules: conditions about callers and requests.

use http::StatusCode;
use rstest::{fixture, rstest};

use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::browser::Browser;

const APP: &str = "when.cel.localhost";

/// A tenant with an app that has a condition of every kind, and one that looks at an address.
const RULES: &str = r#"
[[tenants]]
id = "cel"
base_url = "http://cel.localhost:{port}"

[[tenants.providers]]
id = "main"
preset = "oidc"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret = { env = "CLIENT_SECRET" }
scopes = ["openid", "profile", "email", "groups"]
groups_claim = "groups"

[[tenants.apps]]
id = "when"
hosts = ["when.cel.localhost:{port}"]
[[tenants.apps.rules]]
paths = ["/public"]
public = true
[[tenants.apps.rules]]
paths = ["/users"]
when = "caller.email != null && request.path.startsWith('/users/' + caller.email.split('@')[0] + '/')"
[[tenants.apps.rules]]
paths = ["/write"]
when = "request.method == 'GET' || 'admins' in caller.groups"
[[tenants.apps.rules]]
paths = ["/both"]
groups = ["admins"]
when = "caller.scheme == 'session' && caller.provider == 'main'"
[[tenants.apps.rules]]
paths = ["/either"]
any_of = [{ when = "caller.email.endsWith('@other.example')" }, { groups = ["admins"] }]
[[tenants.apps.rules]]
paths = ["/fails"]
when = "caller.client.startsWith('x') || 1 / size(caller.roles) > 0"
[[tenants.apps.rules]]
paths = ["/true"]
when = "caller.groups.exists(g, g == 'true') && caller.groups[0] != 'admins'"
[[tenants.apps.rules]]
signed_in = true

[[tenants.apps]]
id = "near"
hosts = ["near.cel.localhost:{port}"]
allow = { when = "request.address == '203.0.113.9' && request.host == 'near.cel.localhost'" }
"#;

#[fixture]
async fn broker() -> Broker {
    Broker::with(Setup {
        configuration: format!("{CONFIGURATION}{RULES}"),
        ..Setup::default()
    })
    .await
}

/// A browser of somebody with these groups.
async fn signed_in(broker: &Broker, app: &str, groups: &[&str]) -> Browser {
    broker.provider.person("ada", |ada| {
        ada.groups = groups.iter().map(|group| (*group).to_owned()).collect();
    });
    broker.provider.sign_in_as("ada");
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, app, "/public").await;
    browser
}

#[rstest]
#[case::own_folder("GET", "/users/ada/x", &[], 202)]
#[case::other_folder("GET", "/users/bob/x", &[], 403)]
#[case::folder_beside("GET", "/users/adam/x", &[], 403)]
#[case::own_folder_encoded("GET", "/users/%61da/x", &[], 202)]
#[case::out_of_the_folder("GET", "/users/ada/../bob/x", &[], 403)]
#[case::out_of_the_folder_encoded("GET", "/users/ada/%2e%2e/bob/x", &[], 403)]
#[case::reads("GET", "/write", &[], 202)]
#[case::does_not_write("POST", "/write", &[], 403)]
#[case::no_override("POST", "/write?_method=GET", &[], 403)]
#[case::writes("POST", "/write", &["admins"], 202)]
#[case::both("GET", "/both", &["admins"], 202)]
#[case::list_does_not_fit("GET", "/both", &["staff"], 403)]
#[case::second_alternative("GET", "/either", &["admins"], 202)]
#[case::no_alternative("GET", "/either", &["staff"], 403)]
#[case::fails("GET", "/fails", &["admins"], 403)]
#[case::group_named_true("GET", "/true", &["true"], 202)]
#[case::group_named_as_a_condition("GET", "/true", &["caller.groups == []", "1 == 1"], 403)]
#[case::no_groups("GET", "/true", &[], 403)]
#[tokio::test]
async fn a_rule_passes_those_for_whom_its_condition_is_true(
    #[future(awt)] broker: Broker,
    #[case] method: &str,
    #[case] path: &str,
    #[case] groups: &[&str],
    #[case] expected: u16,
) {
    let browser = signed_in(&broker, APP, groups).await;
    // Twice: what is remembered is judged as what was read.
    for _ in 0..2 {
        let page = broker.check(&browser, method, APP, path).await;
        assert_eq!(page.status, expected);
    }
    let stranger = broker.check(&broker.browser(), method, APP, path).await;
    assert!(stranger.status != StatusCode::ACCEPTED, "a stranger");
}

/// What a client writes into headers is neither caller nor request.
#[rstest]
#[case::group("x-auth-request-groups", "admins")]
#[case::remote_group("remote-groups", "admins")]
#[case::forwarded_method("x-http-method-override", "GET")]
#[case::method_of_the_other_family("x-forwarded-method", "GET")]
#[case::email("x-auth-request-email", "x@other.example")]
#[tokio::test]
async fn t29_a_header_cannot_make_a_condition_true(
    #[future(awt)] broker: Broker,
    #[case] name: &'static str,
    #[case] value: &'static str,
) {
    let browser = signed_in(&broker, APP, &["staff"]).await;
    for path in ["/write", "/either"] {
        let page = broker
            .check_with(&browser, "POST", APP, path, &[(name, value)])
            .await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
    }
}

/// A proxy that does not tell path and method opens nothing, not even by the rules without a condition.
#[rstest]
#[tokio::test]
async fn t29_an_unknown_path_is_no_path(#[future(awt)] broker: Broker) {
    let browser = signed_in(&broker, APP, &["admins"]).await;
    let address = broker.url(APP, "/oauth2/auth");
    let page = browser.request(http::Method::GET, &address, &[]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
}

#[rstest]
#[case::from_there("203.0.113.9", 202)]
#[case::from_elsewhere("203.0.113.8", 403)]
#[case::a06_unknown("office", 403)]
#[case::a01_claimed_in_front("203.0.113.9, 198.51.100.7", 403)]
#[tokio::test]
async fn a_condition_can_ask_for_an_address(
    #[future(awt)] broker: Broker,
    #[case] from: &str,
    #[case] expected: u16,
) {
    const NEAR: &str = "near.cel.localhost";
    // Signing in asks for no address: there is no request yet.
    let browser = signed_in(&broker, NEAR, &[]).await;
    let page = broker
        .check_with(&browser, "GET", NEAR, "/", &[("x-forwarded-for", from)])
        .await;
    assert_eq!(page.status, expected);
}

/// Whoever does not fit is told so at once, and is not sent in a circle.
#[rstest]
#[tokio::test]
async fn whoever_does_not_fit_sees_a_page(#[future(awt)] broker: Broker) {
    for path in ["/users/bob/x", "/fails"] {
        let mut browser = signed_in(&broker, APP, &["staff"]).await;
        let page = browser.visit(&broker.sign_in_url(APP, path)).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
    }
}
