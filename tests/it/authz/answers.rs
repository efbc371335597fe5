//! The table of answers: endpoint by endpoint, case by case.

use http::StatusCode;
use rstest::rstest;

use crate::support::asking::Endpoint::{self, AuthRequest, ExtAuthz, ForwardAuth};
use crate::support::asking::{ALL, Target, ask};
use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::nodes::{BOARD, WIKI, app_cookie};
use crate::support::raw::{self, values};

const BROWSER: (&str, &str) = ("sec-fetch-mode", "navigate");

/// The statuses of `ForwardAuth`, `AuthRequest` and `ExtAuthz`.
async fn statuses(broker: &Broker, target: Target<'_>, more: &[(&str, &str)]) -> [u16; 3] {
    let mut found = [0; 3];
    for (endpoint, found) in ALL.into_iter().zip(&mut found) {
        let answer = ask(broker, endpoint, target, more).await;
        assert_eq!(values(answer.headers(), "cache-control"), ["no-store"]);
        // A person who gets the answer as it is reads why they may not.
        let page = endpoint != AuthRequest && answer.status() == StatusCode::FORBIDDEN;
        assert!(page || answer.body().is_empty());
        *found = answer.status().as_u16();
    }
    found
}

#[tokio::test]
async fn an_allowed_request_is_answered_with_200_and_remote_headers() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/").await;
    let cookie = app_cookie(&broker, &browser, BOARD);
    let as_oauth2_proxy = broker.check(&browser, "GET", BOARD, "/").await;
    for endpoint in ALL {
        let planted = [("cookie", &*cookie), ("remote-user", "boss")];
        let answer = ask(&broker, endpoint, Target::get(BOARD, "/"), &planted).await;
        assert_eq!(answer.status(), StatusCode::OK, "{endpoint:?}");
        let headers = answer.headers();
        let user = as_oauth2_proxy.header("x-auth-request-user");
        assert_eq!(values(headers, "remote-user"), [user]);
        assert_eq!(values(headers, "remote-email"), ["ada@example.com"]);
        assert_eq!(values(headers, "remote-groups"), ["staff"]);
        assert_eq!(values(headers, "remote-name"), ["Ada Example"]);
        assert!(values(headers, "x-auth-request-user").is_empty());

        // Nobody is told to a public path: each header is there, and empty.
        let answer = ask(&broker, endpoint, Target::get(BOARD, "/public"), &planted).await;
        assert_eq!(answer.status(), StatusCode::OK, "{endpoint:?}");
        for name in [
            "remote-user",
            "remote-email",
            "remote-groups",
            "remote-name",
        ] {
            assert_eq!(values(answer.headers(), name), [""], "{endpoint:?} {name}");
        }
    }
    // Each dialect keeps its own names, also for a session that both have seen.
    let again = broker.check(&browser, "GET", BOARD, "/").await;
    assert_eq!(again.header("x-auth-request-email"), "ada@example.com");
    assert_eq!(again.header("remote-email"), "");
}

#[tokio::test]
async fn an_app_can_name_its_own_identity_headers() {
    let usual = "hide_cookies = true\n";
    let own = "identity_headers = { X-Webauth-User = \"user\" }\n";
    let broker = Broker::with(Setup {
        configuration: CONFIGURATION.replace(usual, &format!("{usual}{own}")),
        ..Setup::default()
    })
    .await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = format!("a=b; {}", app_cookie(&broker, &browser, WIKI));
    for endpoint in ALL {
        let more = [("cookie", &*cookie)];
        let answer = ask(&broker, endpoint, Target::get(WIKI, "/"), &more).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(values(answer.headers(), "x-webauth-user")[0].len(), 32);
        assert!(values(answer.headers(), "remote-user").is_empty());
        assert_eq!(values(answer.headers(), "cookie"), ["a=b"]);
    }
}

#[rstest]
#[case::get("GET", [302, 401, 302])]
#[case::head("HEAD", [302, 401, 302])]
#[case::post("POST", [303, 401, 303])]
#[case::delete("DELETE", [303, 401, 303])]
#[tokio::test]
async fn a_person_is_offered_a_login(#[case] method: &str, #[case] expected: [u16; 3]) {
    let broker = Broker::start().await;
    for (endpoint, status) in ALL.into_iter().zip(expected) {
        let target = Target {
            method,
            ..Target::get(WIKI, "/a%20b?c=d&rd=https://evil.example")
        };
        let answer = ask(&broker, endpoint, target, &[BROWSER]).await;
        assert_eq!(answer.status(), status, "{endpoint:?}");
        let location = values(answer.headers(), "location");
        let location = url::Url::parse(&location[0]).expect("an address");
        let pairs: Vec<(String, String)> = location.query_pairs().into_owned().collect();
        let page = broker.url(WIKI, "/a%20b?c=d&rd=https://evil.example");
        assert_eq!(
            pairs,
            [("rd".into(), page), ("rm".into(), method.to_owned())]
        );
        assert!(
            location
                .as_str()
                .starts_with(&broker.url(WIKI, "/oauth2/sign_in?")),
            "{location}"
        );
        assert!(values(answer.headers(), "set-cookie").is_empty());
    }
}

/// The portal's address in the query is Authelia's way to say where people sign in. Here the app's tenant says
/// it, so that nobody is led elsewhere by a query that a client may have written.
#[rstest]
#[case("?authelia_url=https%3A%2F%2Fevil.example%2F")]
#[case("?rd=https%3A%2F%2Fevil.example%2F&rm=GET")]
#[case("?allowed_groups=nobody&allowed_emails=nobody@example.com")]
#[tokio::test]
async fn the_query_of_the_check_decides_nothing(#[case] query: &str) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let authority = format!("{WIKI}:{}", broker.address.port());
    let url = format!("http://{authority}/");
    for (path, headers) in [
        (
            "forward-auth",
            vec![
                ("x-forwarded-proto", "http"),
                ("x-forwarded-host", &*authority),
                ("x-forwarded-uri", "/"),
                ("x-forwarded-method", "GET"),
            ],
        ),
        (
            "auth-request",
            vec![("x-original-url", &*url), ("x-original-method", "GET")],
        ),
    ] {
        let asked = format!("/api/authz/{path}{query}");
        let mut headers = [headers, vec![("host", "doorward"), BROWSER]].concat();
        let answer = raw::get(broker.address, &asked, &headers).await;
        let location = values(answer.headers(), "location");
        assert!(!location[0].contains("evil"), "{location:?}");
        headers.push(("cookie", &cookie));
        let answer = raw::get(broker.address, &asked, &headers).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
}

#[rstest]
#[case::script(&[("sec-fetch-mode", "cors")])]
#[case::xhr(&[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")])]
#[case::json(&[("accept", "application/json")])]
#[case::web_socket(&[("sec-fetch-mode", "websocket"), ("upgrade", "websocket")])]
#[case::bearer(&[("accept", "text/html"), ("authorization", "Bearer x")])]
#[case::nothing(&[])]
#[tokio::test]
async fn a_background_call_gets_401_and_a_challenge(#[case] headers: &[(&str, &str)]) {
    let broker = Broker::start().await;
    for endpoint in ALL {
        let answer = ask(&broker, endpoint, Target::get(WIKI, "/"), headers).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{endpoint:?}");
        assert!(values(answer.headers(), "location").is_empty());
        assert!(values(answer.headers(), "set-cookie").is_empty());
        let challenge = values(answer.headers(), "www-authenticate");
        assert!(challenge[0].starts_with("Cookie realm=\"acme\""));
    }
}

#[tokio::test]
async fn what_rules_refuse_is_403_whoever_asks() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/").await;
    let cookie = app_cookie(&broker, &browser, BOARD);
    let target = Target::get(BOARD, "/admin");
    let more = [("cookie", &*cookie), BROWSER];
    assert_eq!(statuses(&broker, target, &more).await, [403; 3]);
    // A host that is nobody's.
    let target = Target::get("other.localhost", "/");
    assert_eq!(statuses(&broker, target, &more).await, [403; 3]);
}

#[rstest]
#[case::no_path(Target { path: "", ..Target::get(WIKI, "") }, [400, 401, 302])]
#[case::no_scheme(Target { scheme: "", ..Target::get(WIKI, "/") }, [400, 403, 400])]
#[case::no_host(Target { host: "", ..Target::get(WIKI, "/") }, [400, 403, 400])]
#[case::other_scheme(Target { scheme: "ftp", ..Target::get(WIKI, "/") }, [400, 403, 400])]
#[case::two_schemes(Target { scheme: "https, http", ..Target::get(WIKI, "/") }, [400, 403, 400])]
#[case::method(Target { method: "get", ..Target::get(WIKI, "/") }, [400, 403, 400])]
#[case::two_slashes(Target::get(BOARD, "//public"), [400, 403, 400])]
#[case::dots(Target::get(BOARD, "/public/../admin"), [400, 403, 400])]
#[case::dots_out_of_our_own(Target::get(BOARD, "/oauth2/../public"), [404, 403, 404])]
#[case::encoded_dots(Target::get(BOARD, "/public/%2e%2e/admin"), [400, 403, 400])]
#[case::parameters(Target::get(BOARD, "/public/..;/admin"), [400, 403, 400])]
#[case::encoded_slash(Target::get(BOARD, "/public%2f..%2fadmin"), [400, 403, 400])]
#[tokio::test]
async fn a02_a05_a_target_that_cannot_be_told_is_refused(
    #[case] target: Target<'_>,
    #[case] expected: [u16; 3],
) {
    let broker = Broker::start().await;
    let mut found = [0; 3];
    for (endpoint, found) in ALL.into_iter().zip(&mut found) {
        *found = ask(&broker, endpoint, target, &[BROWSER])
            .await
            .status()
            .as_u16();
    }
    // `X-Original-URL` without a path means `/`, and so does what stands behind `ext-authz`.
    assert_eq!(found, expected);
}

/// No session over plain http, except in development on loopback.
#[tokio::test]
async fn a_target_without_tls_is_refused() {
    let app = r#"
[[tenants.apps]]
id = "public"
hosts = ["wiki.solo.example:*"]
allow = { public = true }
"#;
    let broker = Broker::with(Setup {
        configuration: CONFIGURATION.to_owned() + app,
        ..Setup::default()
    })
    .await;
    for (scheme, expected) in [
        ("http", [400, 403, 400]),
        ("ws", [400, 403, 400]),
        ("https", [200; 3]),
    ] {
        let target = Target {
            scheme,
            ..Target::get("wiki.solo.example", "/")
        };
        if scheme == "ws" {
            let answer = ask(&broker, ForwardAuth, target, &[]).await;
            assert_eq!(answer.status(), 400);
        } else {
            assert_eq!(statuses(&broker, target, &[]).await, expected, "{scheme}");
        }
    }
    // A WebSocket's scheme is what Traefik passes on.
    let target = Target {
        scheme: "wss",
        ..Target::get("wiki.solo.example", "/")
    };
    let answer = ask(&broker, ForwardAuth, target, &[]).await;
    assert_eq!(answer.status(), 200);
}

const FORGED: [(&str, &str); 6] = [
    ("x-forwarded-uri", "/public"),
    ("x-forwarded-method", "OPTIONS"),
    ("x-forwarded-host", "open.example"),
    ("x-original-url", "http://board.acme.localhost/public"),
    ("x-original-method", "OPTIONS"),
    ("x-original-uri", "/public"),
];

/// Proxies pass on what the client sent: a header of another family that says something else is refused, one of
/// the own family that stands twice too.
#[rstest]
#[tokio::test]
async fn t28_a_forged_target_is_refused(
    #[values(ForwardAuth, AuthRequest, ExtAuthz)] endpoint: Endpoint,
) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/").await;
    let cookie = app_cookie(&broker, &browser, BOARD);
    let refused = if endpoint == AuthRequest { 403 } else { 400 };
    for forged in FORGED {
        for path in ["/public/x", "/admin"] {
            let more = [("cookie", &*cookie), forged];
            let answer = ask(&broker, endpoint, Target::get(BOARD, path), &more).await;
            assert_eq!(answer.status(), refused, "{forged:?} {path}");
        }
    }
    // What agrees is no forgery: a chain of proxies tells the same in two ways.
    let more = [("cookie", &*cookie), ("x-original-uri", "/mine")];
    let answer = ask(&broker, endpoint, Target::get(BOARD, "/mine"), &more).await;
    assert_eq!(answer.status(), 200);
}

#[rstest]
#[case::nobody("")]
#[case::somebody_else(r#"trusted_proxies = [{ networks = ["10.0.0.0/8"] }]"#)]
#[tokio::test]
async fn a01_a_peer_that_is_not_trusted_opens_nothing(#[case] proxies: &str) {
    let trusted =
        r#"trusted_proxies = [{ networks = ["127.0.0.1/32"], target_headers = "x-original" }]"#;
    assert!(CONFIGURATION.contains(trusted));
    let broker = Broker::with(Setup {
        configuration: CONFIGURATION.replace(trusted, proxies),
        ..Setup::default()
    })
    .await;
    let target = Target::get(BOARD, "/public");
    assert_eq!(statuses(&broker, target, &[BROWSER]).await, [400, 403, 400]);
}

/// With `path_prefix: /api/authz/ext-authz`, `//public` of a client would be read as `/public`.
#[tokio::test]
async fn a02_without_its_last_slash_the_prefix_decides_no_rule() {
    let broker = Broker::start().await;
    let port = broker.address.port();
    let ask = async |host: &str, path: &str| {
        let authority = format!("{host}:{port}");
        let headers = [
            ("host", &*authority),
            ("x-forwarded-proto", "http"),
            BROWSER,
        ];
        raw::get(broker.address, path, &headers).await
    };
    // With it, the path is what stands behind.
    let answer = ask(BOARD, "/api/authz/ext-authz//public").await;
    assert_eq!(answer.status(), 200);
    let answer = ask(BOARD, "/api/authz/ext-authz///public").await;
    assert_eq!(answer.status(), 400);
    // Without it, an app with rules about paths is shut,
    let answer = ask(BOARD, "/api/authz/ext-authz/public").await;
    assert_eq!(answer.status(), 403);
    // and one without goes on.
    let answer = ask(WIKI, "/api/authz/ext-authz/page?x=1").await;
    assert_eq!(answer.status(), 302);
    let location = values(answer.headers(), "location").remove(0);
    assert!(location.contains("%2Fpage%3Fx%3D1"), "{location}");
    let answer = ask(WIKI, "/api/authz/ext-authz").await;
    assert!(answer.status().is_client_error());
}

/// nginx does not pass our answer on, so that it has to send people to us; where it does not, they would be
/// sent to sign in for ever.
#[tokio::test]
async fn an_own_path_that_nginx_does_not_route_is_refused() {
    let broker = Broker::start().await;
    for path in ["/oauth2/sign_in?rd=%2F", "/oauth2/", "/oauth2"] {
        let target = Target::get(WIKI, path);
        let answer = ask(&broker, AuthRequest, target, &[BROWSER]).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn what_is_no_endpoint_is_not_found() {
    let broker = Broker::start().await;
    let authority = format!("{WIKI}:{}", broker.address.port());
    for path in [
        "/api/authz/",
        "/api/authz/forward-auth/",
        "/api/authz/legacy",
        "/api/authz/ext-authz",
        "/api/verify",
    ] {
        let answer = raw::get(broker.address, path, &[("host", &*authority)]).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

/// Trouble with the store lets nobody through.
#[tokio::test]
async fn a41_store_trouble_is_503() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    // News of ended sessions is overdue: nothing in memory counts.
    broker.clock.advance(std::time::Duration::from_secs(10));
    let more = [("cookie", &*cookie), BROWSER];
    let target = Target::get(WIKI, "/");
    assert_eq!(statuses(&broker, target, &more).await, [503; 3]);
}
