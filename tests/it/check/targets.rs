//! Which app, path and method a check is about, and who may say so.

use http::StatusCode;
use rstest::rstest;

use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::nodes::{BOARD, WIKI, app_cookie};
use crate::support::{audit, raw};

const TRUSTED: &str =
    r#"trusted_proxies = [{ networks = ["127.0.0.1/32"], target_headers = "x-original" }]"#;

/// An app that anybody may open, at the end of the usual configuration.
const OPEN: &str = r#"
[[tenants.apps]]
id = "open"
hosts = ["open.solo.localhost:{port}"]
allow = { public = true }
"#;

/// A broker whose `trusted_proxies` are these, with an open app.
async fn with_proxies(proxies: &str) -> Broker {
    assert!(CONFIGURATION.contains(TRUSTED));
    Broker::with(Setup {
        configuration: CONFIGURATION.replace(TRUSTED, proxies) + OPEN,
        ..Setup::default()
    })
    .await
}

/// Asks the check with `Host: host`, these headers (`{port}` is filled in) and a browser's marks.
async fn ask(broker: &Broker, host: &str, headers: &[(&str, &str)]) -> StatusCode {
    let port = broker.address.port().to_string();
    let authority = format!("{host}:{port}");
    let filled: Vec<(&str, String)> = headers
        .iter()
        .map(|(name, value)| (*name, value.replace("{port}", &port)))
        .collect();
    let mut all = vec![("host", &*authority), ("sec-fetch-mode", "navigate")];
    all.extend(filled.iter().map(|(name, value)| (*name, value.as_str())));
    raw::get(broker.address, "/oauth2/auth", &all)
        .await
        .status()
}

#[rstest]
#[case::nobody_is_trusted("")]
#[case::an_empty_list("trusted_proxies = []")]
#[case::somebody_else(
    r#"trusted_proxies = [{ networks = ["10.0.0.0/8", "::1/128"], target_headers = "x-original" }]"#
)]
#[tokio::test]
async fn a01_an_untrusted_peer_names_its_host_and_nothing_else(#[case] proxies: &str) {
    let broker = with_proxies(proxies).await;
    for headers in [
        vec![("x-forwarded-host", "open.solo.localhost:{port}")],
        vec![("x-original-url", "http://open.solo.localhost:{port}/")],
        vec![
            ("x-forwarded-host", "open.solo.localhost:{port}"),
            ("x-forwarded-uri", "/public"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-prefix", "/public"),
            ("x-forwarded-port", "80"),
        ],
    ] {
        let status = ask(&broker, WIKI, &headers).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    // The path is not known, so that the board cannot be judged, public rule or not.
    for headers in [
        vec![],
        vec![
            ("x-forwarded-uri", "/public"),
            ("x-forwarded-method", "GET"),
        ],
        vec![
            (
                "x-original-url",
                "http://board.acme.localhost:{port}/public",
            ),
            ("x-original-method", "GET"),
        ],
        vec![("x-original-uri", "/public"), ("x-original-method", "GET")],
    ] {
        let status = ask(&broker, BOARD, &headers).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    // What is ignored cannot make anything worse either.
    let garbage = [
        ("x-original-url", "::"),
        ("x-forwarded-uri", "a"),
        ("x-forwarded-uri", "b"),
    ];
    let status = ask(&broker, "open.solo.localhost", &garbage).await;
    assert_eq!(status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a01_an_untrusted_peers_word_moves_no_address() {
    let broker = with_proxies("").await;
    let mut browser = broker
        .browser()
        .always("x-forwarded-for", "203.0.113.9")
        .always("x-real-ip", "203.0.113.9")
        .always("x-forwarded-host", "evil.example")
        .always("x-forwarded-proto", "https")
        .always("x-forwarded-prefix", "/evil")
        .always("x-forwarded-port", "444")
        .always("forwarded", "for=203.0.113.9;host=evil.example;proto=https");
    let page = broker.sign_in(&mut browser, WIKI, "/page").await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/page"));
    for hop in &page.chain {
        let location = hop.headers["location"].to_str().expect("text");
        assert!(!location.contains("evil"), "{location}");
        assert!(!location.contains("444/"), "{location}");
    }
    let sessions = browser
        .visit(&broker.url("acme.localhost", "/sessions"))
        .await;
    assert!(
        sessions.text().contains("from 127.0.0.1"),
        "{}",
        sessions.text()
    );
    assert!(!sessions.html().contains("203.0.113.9"));
}

/// A trusted proxy names the person's address.
#[tokio::test]
async fn a_trusted_proxys_word_about_addresses_counts() {
    let broker = Broker::start().await;
    let mut browser = broker
        .browser()
        .always("x-forwarded-for", "198.51.100.1, 203.0.113.9");
    broker.sign_in(&mut browser, WIKI, "/").await;
    let sessions = browser
        .visit(&broker.url("acme.localhost", "/sessions"))
        .await;
    assert!(
        sessions.text().contains("from 203.0.113.9"),
        "{}",
        sessions.text()
    );
}

/// `/public` of the board is open; what is not clearly below it is not.
#[rstest]
#[case::itself("/public", 202)]
#[case::below("/public/a/b", 202)]
#[case::slash("/public/", 202)]
#[case::query("/public?x=/../private", 202)]
#[case::encoded_letter("/%70ublic", 202)]
#[case::in_the_query("/private?x=/public", 401)]
#[case::in_the_query_only("/?/public", 401)]
#[case::longer_name("/publicity", 401)]
#[case::other_case("/PUBLIC", 401)]
#[case::behind("/private/public", 401)]
#[case::fragment("/private#/public", 403)]
#[case::public_and_fragment("/public#/../private", 403)]
#[case::encoded_fragment("/private%23/public", 403)]
#[case::encoded_fragment_behind("/public%23/../private", 403)]
#[case::encoded_query("/public%3f/../private", 403)]
#[case::dot_segments("/public/../private", 403)]
#[case::dot_segment_at_the_end("/public/..", 403)]
#[case::single_dot("/public/./../private", 403)]
#[case::encoded_dots("/public/%2e%2e/private", 403)]
#[case::half_encoded_dots("/public/.%2E/private", 403)]
#[case::encoded_slash("/public/..%2fprivate", 403)]
#[case::encoded_slashes("/public%2F..%2Fprivate", 403)]
#[case::matrix_parameter("/public/..;/private", 403)]
#[case::matrix_parameters("/public;a=b/../private", 403)]
#[case::semicolon("/public;x", 403)]
#[case::encoded_semicolon("/public/..%3b/private", 403)]
#[case::doubled_slash("//public", 403)]
#[case::doubled_slash_inside("/public//../private", 403)]
#[case::doubled_slash_behind("/public//", 403)]
#[case::backslash("/public/..\\private", 403)]
#[case::encoded_backslash("/public/..%5cprivate", 403)]
#[case::encoded_twice("/public/%252e%252e/private", 403)]
#[case::slash_encoded_twice("/public%252f..%252fprivate", 403)]
#[case::nul("/public%00/../private", 403)]
#[case::line_break("/public%0a/private", 403)]
#[case::delete("/public%7f", 403)]
#[case::broken_escape("/public%", 403)]
#[case::broken_escape_inside("/public%zz/x", 403)]
#[case::overlong_utf8("/public/%c0%ae%c0%ae/private", 403)]
#[case::not_utf8("/public/%ff", 403)]
#[case::full_width_dots("/public/\u{ff0e}\u{ff0e}/private", 403)]
#[tokio::test]
async fn a02_no_spelling_of_a_path_opens_what_is_not_public(
    #[case] path: &str,
    #[case] expected: u16,
) {
    let broker = Broker::start().await;
    let url = format!("http://{BOARD}:{{port}}{path}");
    let headers = [("x-original-url", &*url), ("x-original-method", "GET")];
    assert_eq!(ask(&broker, BOARD, &headers).await, expected, "x-original");

    let forwarded = TRUSTED.replace("x-original", "x-forwarded");
    let broker = with_proxies(&forwarded).await;
    let headers = [
        ("x-forwarded-host", "board.acme.localhost:{port}"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-uri", path),
        ("x-forwarded-method", "GET"),
    ];
    assert_eq!(ask(&broker, BOARD, &headers).await, expected, "x-forwarded");
}

/// Only admins may open `/admin`; `/` is for everybody at example.com.
#[rstest]
#[case::itself("/admin", 403)]
#[case::below("/admin/x", 403)]
#[case::encoded("/%61dmin", 403)]
#[case::over_public("/public/../admin", 403)]
#[case::doubled("//admin", 403)]
#[case::parameters("/admin;x=/public", 403)]
#[case::encoded_slash("/x%2f..%2fadmin", 403)]
#[case::beside("/administrators", 202)]
#[tokio::test]
async fn a02_no_spelling_of_a_path_takes_a_person_past_the_stricter_rule(
    #[case] path: &str,
    #[case] expected: u16,
) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/").await;
    let cookie = app_cookie(&broker, &browser, BOARD);
    let url = format!("http://{BOARD}:{{port}}{path}");
    let headers = [
        ("x-original-url", &*url),
        ("x-original-method", "GET"),
        ("cookie", &cookie),
    ];
    assert_eq!(ask(&broker, BOARD, &headers).await, expected);
}

#[rstest]
#[case("kube-probe/1.31")]
#[case("GoogleHC/1.0")]
#[case("ELB-HealthChecker/2.0")]
#[case("Amazon-Route53-Health-Check-Service")]
#[case("Consul Health Check")]
#[case("Prometheus/2.53.0")]
#[case("check_http/v2.3.1 (monitoring-plugins 2.3.1)")]
#[tokio::test]
async fn a03_a_probes_name_opens_nothing(#[case] user_agent: &str) {
    let broker = Broker::start().await;
    for path in ["/", "/healthz", "/ping", "/ready", "/robots.txt"] {
        let url = format!("http://{WIKI}:{{port}}{path}");
        let headers = [
            ("user-agent", user_agent),
            ("x-original-url", &*url),
            ("x-original-method", "GET"),
        ];
        let status = ask(&broker, WIKI, &headers).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[rstest]
#[case::no_address("x-original-url", "/private")]
#[case::words("x-original-url", "not an address")]
#[case::scheme_only("x-original-url", "http://")]
#[case::no_host("x-original-url", "https:///admin")]
#[case::other_scheme("x-original-url", "ftp://wiki.acme.localhost:{port}/")]
#[case::javascript("x-original-url", "javascript:alert(1)")]
#[case::user_information("x-original-url", "http://wiki.acme.localhost:{port}@evil.example/")]
#[case::user("x-original-url", "http://a@wiki.acme.localhost:{port}/")]
#[case::backslash("x-original-url", "http://wiki.acme.localhost:{port}\\@evil.example/")]
#[case::space("x-original-url", "http://wiki.acme.localhost :{port}/")]
#[case::port("x-original-url", "http://wiki.acme.localhost:99999/")]
#[case::not_ascii("x-original-url", "http://wiki.acme.localhost:{port}/\u{e9}")]
#[case::lower_case_method("x-original-method", "get")]
#[case::method_with_space("x-original-method", "GET /public")]
#[case::method_with_tab("x-original-method", "GET\tX")]
#[case::method_of_punctuation("x-original-method", "G!T")]
#[case::method_not_ascii("x-original-method", "G\u{c9}T")]
#[tokio::test]
async fn a05_a_malformed_target_is_refused(#[case] name: &'static str, #[case] value: &str) {
    let broker = Broker::start().await;
    let mut headers = vec![
        ("x-original-url", "http://wiki.acme.localhost:{port}/"),
        ("x-original-method", "GET"),
    ];
    headers.retain(|(other, _)| *other != name);
    headers.push((name, value));
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    for with_session in [false, true] {
        if with_session {
            headers.push(("cookie", &cookie));
        }
        let status = ask(&broker, WIKI, &headers).await;
        assert_eq!(
            status,
            StatusCode::FORBIDDEN,
            "with a session: {with_session}"
        );
    }
}

/// The check's own method is never the target's, and no method of it is an answer of its own.
#[rstest]
#[case("GET")]
#[case("HEAD")]
#[case("POST")]
#[case("PUT")]
#[case("DELETE")]
#[case("OPTIONS")]
#[case("TRACE")]
#[case("PATCH")]
#[case("PROPFIND")]
#[case("X")]
#[tokio::test]
async fn a05_the_checks_own_method_changes_nothing(#[case] method: &str) {
    let broker = Broker::start().await;
    let authority = format!("{BOARD}:{}", broker.address.port());
    let method = http::Method::from_bytes(method.as_bytes()).expect("a method");
    for (path, expected) in [("/private", 401), ("/public", 202), ("/read", 401)] {
        let url = format!("http://{authority}{path}");
        let headers = [
            ("host", &*authority),
            ("x-original-url", &url),
            ("x-original-method", "GET"),
            ("origin", "http://evil.example"),
            ("access-control-request-method", "GET"),
        ];
        let answer = raw::send(
            broker.address,
            method.clone(),
            "/oauth2/auth",
            &headers,
            bytes::Bytes::new(),
        );
        assert_eq!(answer.await.status(), expected, "{path}");
    }
}

#[rstest]
#[case("a")]
#[case("")]
#[case(",")]
#[case("999.999.999.999")]
#[case("127.0.0.1, a")]
#[case("[::1")]
#[case("127.0.0.1:80:80")]
#[case("\u{e9}")]
#[tokio::test]
async fn a06_an_unreadable_address_of_the_client_skips_no_rule(#[case] forwarded_for: &str) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/").await;
    let cookie = app_cookie(&broker, &browser, BOARD);
    for (path, cookie, expected) in [
        ("/", "", 401),
        ("/admin", cookie.as_str(), 403),
        ("/", cookie.as_str(), 202),
    ] {
        let url = format!("http://{BOARD}:{{port}}{path}");
        let headers = [
            ("x-forwarded-for", forwarded_for),
            ("x-original-url", &*url),
            ("x-original-method", "GET"),
            ("cookie", cookie),
        ];
        assert_eq!(ask(&broker, BOARD, &headers).await, expected, "{path}");
    }
}

/// nginx says what was asked for in `X-Original-*`; the client adds headers of its own.
#[rstest]
#[case::uri(&[("x-forwarded-uri", "/public")])]
#[case::uri_and_method(&[("x-forwarded-uri", "/public"), ("x-forwarded-method", "GET")])]
#[case::original_uri(&[("x-original-uri", "/public")])]
#[case::host(&[("x-forwarded-host", "open.solo.localhost:{port}")])]
#[case::second_url(&[("x-original-url", "http://board.acme.localhost:{port}/public")])]
#[case::second_url_elsewhere(&[("x-original-url", "http://open.solo.localhost:{port}/")])]
#[case::second_method(&[("x-original-method", "GET")])]
#[case::forwarded_method(&[("x-forwarded-method", "OPTIONS")])]
#[case::uri_twice(&[("x-forwarded-uri", "/admin"), ("x-forwarded-uri", "/public")])]
#[tokio::test]
async fn t28_behind_nginx_a_clients_own_target_headers_open_nothing(
    #[case] forged: &[(&str, &str)],
) {
    let broker = with_proxies(TRUSTED).await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/").await;
    let cookie = app_cookie(&broker, &browser, BOARD);
    // Refused where the person may go, too: a contradiction is nobody's request.
    for (path, alone) in [("/admin", 403), ("/list", 202)] {
        let url = format!("http://{BOARD}:{{port}}{path}");
        let honest = [
            ("x-original-url", &*url),
            ("x-original-method", "GET"),
            ("cookie", &*cookie),
        ];
        assert_eq!(ask(&broker, BOARD, &honest).await, alone, "{path}");
        for headers in [[&honest, forged].concat(), [forged, &honest].concat()] {
            let status = ask(&broker, BOARD, &headers).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{headers:?}");
        }
    }
}

/// Some proxies say it in `X-Original-URI` alone, and pass on what their client wrote into `X-Original-URL`.
#[tokio::test]
async fn t28_an_address_that_contradicts_the_path_opens_nothing() {
    let broker = Broker::start().await;
    let headers = [
        ("x-original-uri", "/admin"),
        ("x-original-method", "GET"),
        (
            "x-original-url",
            "http://board.acme.localhost:{port}/public",
        ),
    ];
    assert_eq!(ask(&broker, BOARD, &headers).await, StatusCode::FORBIDDEN);
}

/// Traefik and Caddy say it in `X-Forwarded-*`.
#[rstest]
#[case::url(&[("x-original-url", "http://board.acme.localhost:{port}/public")])]
#[case::uri(&[("x-original-uri", "/public")])]
#[case::method(&[("x-original-method", "HEAD")])]
#[case::all(&[("x-original-url", "http://open.solo.localhost:{port}/public"), ("x-original-method", "GET")])]
#[case::second_uri(&[("x-forwarded-uri", "/public")])]
#[case::second_host(&[("x-forwarded-host", "open.solo.localhost:{port}")])]
#[tokio::test]
async fn t28_behind_traefik_a_clients_own_target_headers_open_nothing(
    #[case] forged: &[(&str, &str)],
) {
    let broker = with_proxies(&TRUSTED.replace("x-original", "x-forwarded")).await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/").await;
    let cookie = app_cookie(&broker, &browser, BOARD);
    for (path, alone) in [("/admin", 403), ("/list", 202)] {
        let honest = [
            ("x-forwarded-host", "board.acme.localhost:{port}"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-uri", path),
            ("x-forwarded-method", "GET"),
            ("cookie", &*cookie),
        ];
        assert_eq!(ask(&broker, BOARD, &honest).await, alone, "{path}");
        for headers in [[&honest, forged].concat(), [forged, &honest].concat()] {
            let status = ask(&broker, BOARD, &headers).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn t28_a_target_that_says_the_same_twice_is_no_forgery() {
    let broker = Broker::start().await;
    let headers = [
        (
            "x-original-url",
            "http://board.acme.localhost:{port}/public",
        ),
        ("x-original-method", "GET"),
        ("x-original-uri", "/public"),
        ("x-forwarded-uri", "/public"),
        ("x-forwarded-host", "BOARD.acme.localhost:{port}"),
        ("x-forwarded-method", "GET"),
    ];
    assert_eq!(ask(&broker, BOARD, &headers).await, StatusCode::ACCEPTED);
}

#[rstest]
#[case::nothing(&[])]
#[case::no_path(&[("x-original-method", "GET")])]
#[case::no_method(&[("x-original-url", "http://board.acme.localhost:{port}/")])]
#[case::empty(&[("x-original-url", ""), ("x-original-method", "")])]
#[case::no_method_on_the_public_path(&[("x-original-url", "http://board.acme.localhost:{port}/public")])]
#[tokio::test]
async fn t29_an_unknown_path_or_method_skips_no_rule(#[case] headers: &[(&str, &str)]) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/").await;
    let cookie = app_cookie(&broker, &browser, BOARD);
    let headers = [headers, &[("cookie", &*cookie)]].concat();
    assert_eq!(ask(&broker, BOARD, &headers).await, StatusCode::FORBIDDEN);
    let lines = audit::here();
    let line = lines.last().expect("an audit line");
    assert_eq!(line.event(), "check_refused");
    assert!(line.field("message").contains("X-Original-URL"), "{line:?}");
}

/// nginx asks with GET whatever the method was.
#[tokio::test]
async fn t29_a_post_behind_nginx_is_judged_as_a_post() {
    let broker = Broker::start().await;
    broker.provider.person("eve", |eve| {
        eve.email = Some("eve@elsewhere.example".into());
    });
    broker.provider.sign_in_as("eve");
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/read").await;
    for (method, expected) in [("GET", 202), ("HEAD", 202), ("POST", 403), ("DELETE", 403)] {
        let page = broker.check(&browser, method, BOARD, "/read").await;
        assert_eq!(page.status, expected, "{method}");
    }
}

#[rstest]
#[case::unknown("other.acme.localhost")]
#[case::below_an_exact_host("a.wiki.acme.localhost")]
#[case::beside_a_pattern("evilboard.acme.localhost")]
#[case::behind_a_name("wiki.acme.localhost.evil.example")]
#[case::the_tenants_pages("acme.localhost")]
#[case::an_address("127.0.0.1")]
#[case::with_a_line_break("wiki\\r\\nx")]
#[tokio::test]
async fn a_host_that_is_no_app_is_refused_and_written_down(#[case] host: &str) {
    let broker = Broker::start().await;
    let url = format!("http://{host}:{{port}}/");
    let headers = [("x-original-url", &*url), ("x-original-method", "GET")];
    let status = ask(&broker, host, &headers).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let lines = audit::here();
    let line = lines.last().expect("an audit line");
    let expected = ["check_unknown_host", "check_ambiguous"];
    assert!(expected.contains(&line.event().as_str()), "{line:?}");
}

#[rstest]
#[case::exact(BOARD, 202)]
#[case::below("a.board.acme.localhost", 202)]
#[case::deep_below("a.b.board.acme.localhost", 202)]
#[case::upper_case("A.Board.ACME.localhost", 202)]
#[tokio::test]
async fn a_pattern_covers_what_is_below_it(#[case] host: &str, #[case] expected: u16) {
    let broker = Broker::start().await;
    let page = broker
        .check(&broker.browser(), "GET", host, "/public")
        .await;
    assert_eq!(page.status, expected);
}

/// A person's session at one sub-domain of an app is not one at another: each is a host of its own.
#[tokio::test]
async fn hosts_below_a_pattern_have_sessions_of_their_own() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker
        .sign_in(&mut browser, "a.board.acme.localhost", "/")
        .await;
    let cookie = app_cookie(&broker, &browser, "a.board.acme.localhost");
    for (host, expected) in [
        ("a.board.acme.localhost", 202),
        ("b.board.acme.localhost", 401),
        (BOARD, 401),
    ] {
        let status = crate::support::nodes::check(&broker, host, "/", &cookie).await;
        assert_eq!(status, expected, "{host}");
    }
}
