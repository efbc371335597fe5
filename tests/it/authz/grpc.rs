//! Envoy asks over gRPC.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use rstest::rstest;

use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::browser::Browser;
use crate::support::envoy::{
    self, AttributeContext, AttributeRequest, CHECK, CheckRequest, Envoy, HttpRequest, Listener,
    RawHeaders, about, framed, question,
};
use crate::support::nodes::{BOARD, WIKI, app_cookie};
use crate::support::raw;

const NAVIGATES: (&str, &str) = ("sec-fetch-mode", "navigate");

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(
            HeaderName::try_from(*name).expect("a name"),
            HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
        );
    }
    headers
}

/// A broker with its listener, and somebody signed in at the wiki and the board.
async fn signed_in() -> (Broker, Listener, Envoy, Browser) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    broker.sign_in(&mut browser, BOARD, "/").await;
    let listener = Listener::start(&broker).await;
    let envoy = listener.envoy().await;
    (broker, listener, envoy, browser)
}

fn at(broker: &Broker, host: &str) -> String {
    format!("{host}:{}", broker.address.port())
}

#[tokio::test]
async fn a04_identity_headers_overwrite_and_copies_are_removed() {
    let (broker, _listener, mut envoy, browser) = signed_in().await;
    let cookie = format!("a=b; {}; c=d", app_cookie(&broker, &browser, WIKI));
    let sent = headers(&[
        ("cookie", &cookie),
        ("remote-user", "boss"),
        ("remote_user", "boss"),
        ("remote_groups", "admins"),
        ("x-auth-request-user", "boss"),
        ("x_auth-request_email", "boss@example.com"),
        ("x.auth.request.user", "boss"),
        ("remote*email", "boss@example.com"),
        ("remote-addr", "203.0.113.1"),
        ("x_request_id", "7"),
    ]);
    let asked = question("GET", &at(&broker, WIKI), "/", &sent);
    let answer = envoy.check(&asked).await.expect("an answer");
    assert_eq!(answer.http_status(), 200);
    let told = answer.headers();
    assert_eq!(told["remote-email"], "ada@example.com");
    assert_eq!(told["remote-groups"], "staff");
    assert_eq!(told["remote-name"], "Ada Example");
    assert_eq!(told["remote-user"].len(), 32);
    assert_eq!(told["cookie"], "a=b; c=d");
    assert_eq!(told.len(), 5, "{told:?}");
    let mut removed = answer.ok.expect("it passes").headers_to_remove;
    removed.sort();
    assert_eq!(
        removed,
        [
            "remote*email",
            "remote_groups",
            "remote_user",
            "x-auth-request-user",
            "x.auth.request.user",
            "x_auth-request_email"
        ]
    );

    // Nobody is told to a public path: the headers are there, and empty. Without other cookies there are none.
    let only_ours = app_cookie(&broker, &browser, WIKI);
    let sent = headers(&[("cookie", &only_ours), ("remote-user", "boss")]);
    let asked = question("GET", &at(&broker, WIKI), "/", &sent);
    let answer = envoy.check(&asked).await.expect("an answer");
    assert_eq!(answer.ok.expect("it passes").headers_to_remove, ["cookie"]);
    let asked = question("GET", &at(&broker, BOARD), "/public", &sent);
    let answer = envoy.check(&asked).await.expect("an answer");
    for name in [
        "remote-user",
        "remote-email",
        "remote-groups",
        "remote-name",
    ] {
        assert_eq!(answer.headers()[name], "", "{name}");
    }
}

/// What browsers are told goes into the app's answer where the app says nothing, and not to the app.
#[tokio::test]
async fn security_headers_are_for_the_apps_answer() {
    let configuration = CONFIGURATION.replace(
        "hide_cookies = true\n",
        "hide_cookies = true\nsecurity_headers = { X-Frame-Options = \"DENY\" }\n",
    );
    let broker = Broker::with(Setup {
        configuration,
        ..Setup::default()
    })
    .await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let listener = Listener::start(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let sent = headers(&[("cookie", &cookie)]);
    let asked = question("GET", &at(&broker, WIKI), "/", &sent);
    let answer = listener.envoy().await.check(&asked).await;
    let answer = answer.expect("an answer");
    assert!(!answer.headers().contains_key("x-frame-options"));
    assert_eq!(answer.headers()["remote-email"], "ada@example.com");
    let added = answer.ok.expect("it passes").response_headers_to_add;
    assert_eq!(added.len(), 6, "{added:?}");
    for option in added {
        const ADD_IF_ABSENT: i32 = 1;
        assert_eq!(option.append_action, ADD_IF_ABSENT);
        let header = option.header.expect("a header");
        if header.key == "x-frame-options" {
            assert_eq!(header.value, "DENY");
        }
    }
}

/// Both ways to ask Envoy's question have one answer.
#[rstest]
#[case::wanted("GET", WIKI, "/page?x=1", &[NAVIGATES])]
#[case::posted("POST", WIKI, "/page", &[NAVIGATES])]
#[case::script("GET", WIKI, "/page", &[])]
#[case::upgrade("GET", WIKI, "/page", &[NAVIGATES, ("upgrade", "websocket")])]
#[case::public("GET", BOARD, "/public/x", &[])]
#[case::nobody("GET", BOARD, "/admin", &[NAVIGATES])]
#[case::preflight("OPTIONS", BOARD, "/read", &[("origin", "https://a.example"), ("access-control-request-method", "GET")])]
#[case::method("DELETE", BOARD, "/read", &[NAVIGATES])]
#[case::two_slashes("GET", BOARD, "//public", &[NAVIGATES])]
#[case::dots("GET", BOARD, "/public/../admin", &[NAVIGATES])]
#[case::encoded("GET", BOARD, "/public%2f..%2fadmin", &[NAVIGATES])]
#[case::other_host("GET", "other.localhost", "/", &[NAVIGATES])]
#[case::forged("GET", BOARD, "/admin", &[("x-original-url", "http://board.acme.localhost/public")])]
#[case::forged_too("GET", BOARD, "/admin", &[("x-forwarded-uri", "/public")])]
#[case::forged_host("GET", BOARD, "/admin", &[("x-forwarded-host", "open.example")])]
#[case::garbage("GET", BOARD, "/", &[("cookie", "__Host-dwa=%00")])]
#[case::sign_in("GET", WIKI, "/oauth2/sign_in?rd=https://evil.example", &[NAVIGATES])]
#[case::ticket("GET", WIKI, "/oauth2/callback?ticket=x.y", &[NAVIGATES])]
#[case::userinfo("GET", WIKI, "/oauth2/userinfo", &[])]
#[case::no_tls("GET", WIKI, "/", &[("x-forwarded-proto", "gopher")])]
#[tokio::test]
async fn the_answer_is_that_of_ext_authz_over_http(
    #[case] method: &str,
    #[case] host: &str,
    #[case] path: &str,
    #[case] sent: &[(&str, &str)],
) {
    let (broker, _listener, mut envoy, browser) = signed_in().await;
    let authority = at(&broker, host);
    let known = format!("{BOARD} {WIKI}").contains(host);
    for session in [false, true] {
        let cookie = if known {
            format!("a=b; {}", app_cookie(&broker, &browser, host))
        } else {
            String::new()
        };
        let mut sent = sent.to_vec();
        if session {
            sent.push(("cookie", &cookie));
        }
        if !sent.iter().any(|(name, _)| *name == "x-forwarded-proto") {
            sent.push(("x-forwarded-proto", "http"));
        }
        let asked = question(method, &authority, path, &headers(&sent));
        let answer = envoy.check(&asked).await.expect("an answer");
        sent.push(("host", &authority));
        let target = format!("/api/authz/ext-authz/{path}");
        let method: Method = method.parse().expect("a method");
        let http = raw::send(broker.address, method, &target, &sent, Bytes::new()).await;
        assert_eq!(answer.http_status(), http.status().as_u16(), "{session}");
        let comparable = |headers: &HeaderMap| {
            let mut lines: Vec<_> = headers
                .iter()
                // An id, a nonce or the moment of its own; and what HTTP needs beside.
                .filter(|(name, _)| {
                    let own = ["x-request-id", "content-security-policy", "date"];
                    let http = ["content-length", "cache-control"];
                    !own.contains(&name.as_str()) && !http.contains(&name.as_str())
                })
                .map(|(name, value)| (name.clone(), value.clone()))
                .filter(|(name, _)| name != "set-cookie" && name != "location")
                .collect();
            lines.sort_by(|left, right| left.0.as_str().cmp(right.0.as_str()));
            lines
        };
        assert_eq!(comparable(&answer.headers()), comparable(http.headers()));
        // Handles differ; their number and place do not.
        for name in ["location", "set-cookie"] {
            let begin = |headers: &HeaderMap| -> Vec<String> {
                let values = headers.get_all(name).iter();
                values
                    .map(|value| value.to_str().expect("text").chars().take(11).collect())
                    .collect()
            };
            assert_eq!(begin(&answer.headers()), begin(http.headers()), "{name}");
        }
    }
}

#[tokio::test]
async fn raw_headers_count_as_headers() {
    let (broker, _listener, mut envoy, browser) = signed_in().await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let header = |key: &str, raw: &str| envoy::HeaderValue {
        key: key.into(),
        value: String::new(),
        raw_value: Bytes::copy_from_slice(raw.as_bytes()),
    };
    let asked = about(HttpRequest {
        method: "GET".into(),
        path: "/".into(),
        host: at(&broker, WIKI),
        scheme: "http".into(),
        header_map: Some(RawHeaders {
            headers: vec![header(":path", "/"), header("cookie", &cookie)],
        }),
        ..HttpRequest::default()
    });
    let answer = envoy.check(&asked).await.expect("an answer");
    assert_eq!(answer.http_status(), 200);
    // Two that say different things are not one.
    let mut doubled = asked;
    let http = doubled
        .attributes
        .as_mut()
        .and_then(|it| it.request.as_mut()?.http.as_mut())
        .expect("a request");
    let map = http.header_map.as_mut().expect("headers");
    map.headers.push(header("x-original-uri", "/"));
    map.headers.push(header("x-original-uri", "/other"));
    let answer = envoy.check(&doubled).await.expect("an answer");
    assert_eq!(answer.http_status(), 400);
}

#[tokio::test]
async fn a01_a_peer_that_is_not_trusted_opens_nothing() {
    let trusted =
        r#"trusted_proxies = [{ networks = ["127.0.0.1/32"], target_headers = "x-original" }]"#;
    let broker = Broker::with(Setup {
        configuration: CONFIGURATION.replace(trusted, ""),
        ..Setup::default()
    })
    .await;
    let listener = Listener::start(&broker).await;
    let asked = question("GET", &at(&broker, BOARD), "/public", &HeaderMap::new());
    let answer = listener.envoy().await.check(&asked).await;
    assert_eq!(answer.expect("an answer").http_status(), 400);
}

/// What is no question has an answer that lets nothing pass, and the next question is answered all the same.
#[tokio::test]
async fn a05_a_malformed_question_is_never_a_yes() {
    let (broker, _listener, mut envoy, _) = signed_in().await;
    let good = question("GET", &at(&broker, BOARD), "/public", &HeaderMap::new());
    let whole = framed(&good);
    let mut bad: Vec<(&str, Bytes)> = vec![
        ("nothing", Bytes::new()),
        ("no message", whole.slice(..5)),
        ("half a length", whole.slice(..3)),
        ("half a message", whole.slice(..whole.len() / 2)),
        ("less than announced", whole.slice(..whole.len() - 1)),
        ("empty", framed(&CheckRequest::default())),
        (
            "no request",
            framed(&CheckRequest {
                attributes: Some(AttributeContext::default()),
            }),
        ),
        (
            "not about HTTP",
            framed(&CheckRequest {
                attributes: Some(AttributeContext {
                    request: Some(AttributeRequest { http: None }),
                    ..AttributeContext::default()
                }),
            }),
        ),
        ("text", Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n")),
    ];
    let mut compressed = BytesMut::from(&*whole);
    compressed[0] = 1;
    bad.push(("said to be compressed", compressed.freeze()));
    let mut huge = BytesMut::new();
    huge.put_u8(0);
    huge.put_u32(u32::MAX);
    bad.push(("4 GiB", huge.freeze()));
    let mut long = good.clone();
    let http = long
        .attributes
        .as_mut()
        .and_then(|it| it.request.as_mut()?.http.as_mut())
        .expect("a request");
    http.headers.insert("x".into(), "x".repeat(300 * 1024));
    bad.push(("long", framed(&long)));
    for (name, value) in [
        ("a b", "x"),
        ("", "x"),
        ("x", "a\r\nremote-user: b"),
        ("x", "\0"),
    ] {
        let mut odd = good.clone();
        let http = odd
            .attributes
            .as_mut()
            .and_then(|it| it.request.as_mut()?.http.as_mut())
            .expect("a request");
        http.headers.insert(name.into(), value.into());
        bad.push(("a header", framed(&odd)));
    }
    let mut many = good.clone();
    let http = many
        .attributes
        .as_mut()
        .and_then(|it| it.request.as_mut()?.http.as_mut())
        .expect("a request");
    for number in 0..40_000 {
        http.headers.insert(format!("{number:x}"), String::new());
    }
    bad.push(("many headers", framed(&many)));
    // Every byte of a good question turned over once.
    for index in 5..whole.len() {
        let mut turned = BytesMut::from(&*whole);
        turned[index] ^= 0xff;
        bad.push(("a turned byte", turned.freeze()));
    }
    for (what, body) in bad {
        let (head, trailers, body) = envoy
            .send(Method::POST, CHECK, "application/grpc", body)
            .await;
        let status = trailers
            .get("grpc-status")
            .or(head.headers().get("grpc-status"));
        let status = status.expect("a status").to_str().expect("text");
        if status == "0" {
            use prost::Message as _;
            let answer = envoy::CheckResponse::decode(&body[5..]).expect("a message");
            let turned = what == "a turned byte";
            assert!(turned, "{what}: {answer:?}");
            // What is not asked about may be garbage: the id, the size, who asks.
            assert!(
                [200, 400, 403].contains(&answer.http_status()),
                "{answer:?}"
            );
        }
    }
    let answer = envoy.check(&good).await.expect("an answer");
    assert_eq!(answer.http_status(), 200);
}

#[rstest]
#[case::get(Method::GET, CHECK, "application/grpc", 405)]
#[case::form(Method::POST, CHECK, "application/x-www-form-urlencoded", 415)]
#[case::json(Method::POST, CHECK, "application/grpc+json", 415)]
#[case::web(Method::POST, CHECK, "application/grpc-web", 415)]
#[tokio::test]
async fn what_is_not_grpc_is_refused(
    #[case] method: Method,
    #[case] path: &str,
    #[case] kind: &str,
    #[case] expected: u16,
) {
    let (broker, _listener, mut envoy, _) = signed_in().await;
    let good = question("GET", &at(&broker, BOARD), "/public", &HeaderMap::new());
    let (head, _, _) = envoy.send(method, path, kind, framed(&good)).await;
    assert_eq!(head.status(), expected);
}

#[rstest]
#[case("/envoy.service.auth.v2.Authorization/Check")]
#[case("/envoy.service.auth.v3.Authorization/Check/")]
#[case("/oauth2/auth")]
#[case("/metrics")]
#[tokio::test]
async fn there_is_one_method(#[case] path: &str) {
    let (broker, _listener, mut envoy, _) = signed_in().await;
    let good = question("GET", &at(&broker, BOARD), "/public", &HeaderMap::new());
    let (head, _, body) = envoy
        .send(Method::POST, path, "application/grpc", framed(&good))
        .await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()["grpc-status"], "12");
    assert!(body.is_empty());
}

#[tokio::test]
async fn a41_store_trouble_is_503() {
    let (broker, _listener, mut envoy, browser) = signed_in().await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    broker.clock.advance(Duration::from_secs(10));
    let asked = question(
        "GET",
        &at(&broker, WIKI),
        "/",
        &headers(&[("cookie", &cookie)]),
    );
    let answer = envoy.check(&asked).await.expect("an answer");
    assert_eq!(answer.http_status(), 503);
}

/// A hundred questions at a time on one connection, of several people: nobody gets another's answer.
#[tokio::test]
async fn a31_answers_are_not_mixed_up() {
    let (broker, _listener, envoy, browser) = signed_in().await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let mut asked = Vec::new();
    for number in 0..100 {
        let mut envoy = envoy.clone();
        let mut sent = vec![NAVIGATES];
        if number % 2 == 0 {
            sent.push(("cookie", &cookie));
        }
        let path = format!("/{number}");
        let question = question("GET", &at(&broker, WIKI), &path, &headers(&sent));
        asked.push(tokio::spawn(async move { envoy.check(&question).await }));
    }
    for (number, answer) in asked.into_iter().enumerate() {
        let answer = answer.await.expect("no panic").expect("an answer");
        if number % 2 == 0 {
            assert_eq!(answer.http_status(), 200);
        } else {
            let location = answer.headers()["location"]
                .to_str()
                .expect("text")
                .to_owned();
            assert!(
                location.contains(&format!("%2F{number}&rm=GET")),
                "{location}"
            );
        }
    }
}

/// A question whose end never comes.
#[tokio::test]
async fn t15_a_question_has_a_deadline() {
    let broker = Broker::with(Setup {
        configuration: CONFIGURATION.replace("[server]\n", "[server]\nrequest_timeout = \"1s\"\n"),
        ..Setup::default()
    })
    .await;
    let listener = Listener::start(&broker).await;
    let good = question("GET", &at(&broker, BOARD), "/public", &HeaderMap::new());
    let (answer, rest) = envoy::begin(listener.address, &good).await;
    assert_eq!(answer.await.expect("no panic")["grpc-status"], "4");
    drop(rest);
}

/// Questions under way are answered before the listener is gone.
#[tokio::test]
async fn a_stop_waits_for_what_is_under_way() {
    let (broker, listener, _, _) = signed_in().await;
    let good = question("GET", &at(&broker, BOARD), "/public", &HeaderMap::new());
    let address = listener.address;
    let (answer, rest) = envoy::begin(address, &good).await;
    let ended = listener.stop();
    rest.send(framed(&good)).expect("it listens");
    drop(rest);
    assert_eq!(answer.await.expect("no panic")["grpc-status"], "0");
    ended.await.expect("it ends");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
