//! What an app is told about a person.

use http::StatusCode;

use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::nodes::{BOARD, WIKI, acme_cookie, app_cookie};
use crate::support::provider::TestProvider;
use crate::support::raw::{self, values};

const DEFAULT: [&str; 4] = [
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-request-preferred-username",
    "x-auth-request-groups",
];

/// What a hostile client adds, so that the app might take it for ours.
const PLANTED: [(&str, &str); 16] = [
    ("x-auth-request-user", "planted"),
    ("X-Auth-Request-User", "planted"),
    ("x-auth-request-email", "planted@example.com"),
    ("x-auth-request-groups", "planted,admins"),
    ("x-auth-request-preferred-username", "planted"),
    ("x-auth-request-access-token", "planted"),
    ("x_auth_request_user", "planted"),
    ("X_Auth_Request_Groups", "planted,admins"),
    ("x-auth_request-email", "planted"),
    ("remote-user", "planted"),
    ("x-forwarded-user", "planted"),
    ("x-webauth-user", "planted"),
    ("authorization", "Basic cGxhbnRlZDpwbGFudGVk"),
    ("connection", "x-auth-request-user, x-auth-request-groups"),
    ("te", "trailers"),
    ("trailer", "x-auth-request-user"),
];

#[tokio::test]
async fn a04_each_header_is_there_once_and_ours() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/").await;
    let honest = broker.check(&browser, "GET", BOARD, "/").await;
    assert_eq!(honest.status, StatusCode::ACCEPTED);
    assert_eq!(honest.header("x-auth-request-email"), "ada@example.com");
    assert_eq!(honest.header("x-auth-request-groups"), "staff");
    assert_eq!(honest.header("x-auth-request-preferred-username"), "ada");

    let authority = format!("{BOARD}:{}", broker.address.port());
    let cookie = app_cookie(&broker, &browser, BOARD);
    for (path, signed_in) in [("/", true), ("/public", true), ("/public", false)] {
        let url = format!("http://{authority}{path}");
        let mut headers = vec![
            ("host", &*authority),
            ("x-original-url", &url),
            ("x-original-method", "GET"),
        ];
        headers.extend(PLANTED);
        if signed_in {
            headers.push(("cookie", &cookie));
        }
        let answer = raw::get(broker.address, "/oauth2/auth", &headers).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{path}");
        for name in DEFAULT {
            // A public path tells the app of nobody, signed in or not.
            let expected = if path == "/" { honest.header(name) } else { "" };
            assert_eq!(
                values(answer.headers(), name),
                [expected],
                "{name} at {path}"
            );
        }
        let all = format!("{:?}", answer.headers());
        assert!(!all.contains("planted"), "{all}");
        assert!(answer.body().is_empty());
    }
}

#[tokio::test]
async fn a04_a_header_without_a_value_is_there_and_empty() {
    let broker = Broker::start().await;
    broker.provider.person("ada", |ada| {
        ada.email_verified = None;
        ada.groups.clear();
    });
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let planted = [("x-auth-request-email", "boss@example.com")];
    let page = broker
        .check_with(&browser, "GET", WIKI, "/", &planted)
        .await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
    assert_eq!(values(&page.headers, "x-auth-request-email"), [""]);
    assert_eq!(values(&page.headers, "x-auth-request-groups"), [""]);
    assert_eq!(page.header("x-auth-request-user").len(), 32);
}

/// A refusal tells nothing about anybody.
#[tokio::test]
async fn a_refusal_names_nobody() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/").await;
    let page = broker.check(&browser, "GET", BOARD, "/admin").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    for name in DEFAULT {
        assert!(values(&page.headers, name).is_empty(), "{name}");
    }
    assert!(page.body.is_empty());
}

/// `wiki` with headers of its own choice.
async fn with_headers(headers: &str) -> Broker {
    let usual = "hide_cookies = true\n";
    assert!(CONFIGURATION.contains(usual));
    Broker::with(Setup {
        configuration: CONFIGURATION.replace(
            usual,
            &format!("{usual}identity_headers = {{ {headers} }}\n"),
        ),
        ..Setup::default()
    })
    .await
}

#[tokio::test]
async fn an_app_names_its_own_headers() {
    let broker = with_headers(
        r#"X-WEBAUTH-USER = "user", X-Name = "name", X-Mail-Email = "email", X-Groups = "groups", X-Via = "provider", X-Sub = "subject""#,
    )
    .await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let page = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(page.header("x-webauth-user").len(), 32);
    assert_eq!(page.header("x-name"), "Ada Example");
    assert_eq!(page.header("x-mail-email"), "ada@example.com");
    assert_eq!(page.header("x-groups"), "staff");
    assert_eq!(page.header("x-via"), "main");
    assert_eq!(page.header("x-sub"), "subject-of-ada");
    // They replace the usual ones.
    for name in DEFAULT {
        assert!(values(&page.headers, name).is_empty(), "{name}");
    }
    let globex = broker.check(&browser, "GET", BOARD, "/public").await;
    assert_eq!(values(&globex.headers, DEFAULT[0]), [""]);
}

fn rename(provider: &TestProvider, name: &str, username: &str, groups: &[&str]) {
    provider.person("ada", |ada| {
        name.clone_into(&mut ada.name);
        username.clone_into(&mut ada.username);
        ada.groups = groups.iter().map(|group| (*group).to_owned()).collect();
    });
}

#[tokio::test]
async fn t07_nothing_that_a_provider_says_ends_a_header() {
    let broker = with_headers(
        r#"X-Name = "name", X-Groups = "groups", X-Preferred-Username = "preferred_username""#,
    )
    .await;
    let hostile = [
        "staff",
        "a\r\nX-Admin: yes",
        "b\nc",
        "with,comma",
        "nul\0",
        "\u{1b}[31mred",
        "del\u{7f}",
        "c1\u{85}",
    ];
    rename(
        &broker.provider,
        "Ada\r\nX-Admin: yes\r\n\r\n<script>",
        "ada\tx\0y\u{7f}",
        &hostile,
    );
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let authority = format!("{WIKI}:{}", broker.address.port());
    let request = format!(
        "GET /oauth2/auth HTTP/1.1\r\nHost: {authority}\r\nX-Original-URL: http://{authority}/\r\n\
         X-Original-Method: GET\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    );
    let (status, answer) = raw::bytes(broker.address, request.as_bytes()).await;
    assert_eq!(status, Some(StatusCode::ACCEPTED), "{answer}");
    let lines: Vec<String> = answer.split("\r\n").map(str::to_ascii_lowercase).collect();
    let line = |wanted: &str| lines.iter().filter(|line| line.starts_with(wanted)).count();
    assert_eq!(line("x-admin"), 0, "{answer}");
    assert!(
        lines.contains(&"x-name: ada%0d%0ax-admin: yes%0d%0a%0d%0a<script>".to_owned()),
        "{answer}"
    );
    // A list with commas cannot carry these groups: they are left out.
    assert!(lines.contains(&"x-groups: staff".to_owned()), "{answer}");
    assert!(
        lines.contains(&"x-preferred-username: ada%09x%00y%7f".to_owned()),
        "{answer}"
    );
    let controls = answer
        .chars()
        .filter(|c| c.is_control() && !"\r\n".contains(*c));
    assert_eq!(controls.count(), 0, "{answer:?}");
    let left_out = crate::support::audit::here();
    assert!(
        left_out
            .iter()
            .any(|line| line.event() == "groups_left_out")
    );
}

#[tokio::test]
async fn t07_names_in_any_script_survive() {
    let broker = with_headers(
        r#"X-Name = "name", X-Groups = "groups", X-Preferred-Username = "preferred_username""#,
    )
    .await;
    rename(
        &broker.provider,
        "Žofie Müller 山田 🦀",
        "žofie",
        &["käse", "書道"],
    );
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let page = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(values(&page.headers, "x-name"), ["Žofie Müller 山田 🦀"]);
    assert_eq!(values(&page.headers, "x-groups"), ["käse,書道"]);
    assert_eq!(values(&page.headers, "x-preferred-username"), ["žofie"]);
}

/// The wiki asks for `Cookie` without ours; the board has not asked.
#[tokio::test]
async fn our_cookies_are_taken_out_where_an_app_wants_it() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    broker.sign_in(&mut browser, BOARD, "/").await;
    let ours = app_cookie(&broker, &browser, WIKI);
    let tenants = acme_cookie(&broker, &browser);
    let authority = format!("{WIKI}:{}", broker.address.port());
    for (lines, expected) in [
        (vec![format!("a=b; {ours}; c=\"d e\"")], "a=b; c=\"d e\""),
        (
            vec![format!("{ours}; {tenants}; __Host-dwl-x=1; __Host-dwt-y=2")],
            "",
        ),
        (vec!["a=b".into(), ours.clone(), "c=d".into()], "a=b; c=d"),
        (
            vec![format!("name=M\u{fc}ller; {ours}")],
            "name=M\u{fc}ller",
        ),
    ] {
        let mut headers = vec![("host", &*authority)];
        headers.extend(lines.iter().map(|line| ("cookie", line.as_str())));
        let answer = raw::get(broker.address, "/oauth2/auth", &headers).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{lines:?}");
        assert_eq!(values(answer.headers(), "cookie"), [expected], "{lines:?}");
    }
    let page = broker.check(&browser, "GET", BOARD, "/").await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
    assert!(values(&page.headers, "cookie").is_empty());
}

#[tokio::test]
async fn an_app_can_have_200_for_202() {
    let usual = "hide_cookies = true\n";
    let broker = Broker::with(Setup {
        configuration: CONFIGURATION.replace(usual, "allowed_status = 200\n"),
        ..Setup::default()
    })
    .await;
    let mut browser = broker.browser();
    let before = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(before.status, StatusCode::UNAUTHORIZED);
    broker.sign_in(&mut browser, WIKI, "/").await;
    let page = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(page.status, StatusCode::OK);
    // One app's choice only.
    let page = broker.check(&browser, "GET", BOARD, "/public").await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
}
