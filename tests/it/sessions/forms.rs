//! Forms that another site sends, or that were made for another session: 403, and nothing has changed.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use rstest::rstest;

use crate::support::broker::Broker;
use crate::support::browser::Browser;
use crate::support::nodes::{ACME, SHARED, SOLO, WIKI, acme_cookie};
use crate::support::raw;

struct Scene {
    broker: Broker,
    browser: Browser,
    /// A second session of the same person.
    other: Browser,
    token: String,
    /// The name of the second session.
    session: String,
}

async fn scene() -> Scene {
    let broker = Broker::start().await;
    let (mut other, mut browser) = (broker.browser(), broker.browser());
    broker.sign_in(&mut other, WIKI, "/").await;
    broker.sign_in(&mut browser, WIKI, "/").await;
    let page = browser.visit(&broker.url(ACME, "/sessions")).await;
    let fields = page.form("/sessions/end").fields;
    let field = |name: &str| {
        let field = fields.iter().find(|(other, _)| other == name);
        field.expect("a field").1.clone()
    };
    Scene {
        token: field("csrf"),
        session: field("session"),
        broker,
        browser,
        other,
    }
}

impl Scene {
    fn own_origin(&self) -> String {
        format!("http://{ACME}:{}", self.broker.address.port())
    }

    /// Posts a form with the browser's cookie, this token and these headers.
    async fn post(&self, path: &str, token: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        let authority = format!("{ACME}:{}", self.broker.address.port());
        let cookie = acme_cookie(&self.broker, &self.browser);
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("csrf", token)
            .append_pair("session", &self.session)
            .finish();
        let mut all = vec![
            ("host", &*authority),
            ("cookie", &cookie),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        all.extend(headers);
        raw::send(self.broker.address, Method::POST, path, &all, body.into()).await
    }

    async fn assert_nothing_changed(&self) {
        for browser in [&self.browser, &self.other] {
            let page = self.broker.check(browser, "GET", WIKI, "/").await;
            assert_eq!(page.status, StatusCode::ACCEPTED);
        }
    }
}

const PATHS: [&str; 3] = ["/sessions/end", "/sessions/end-others", "/logout"];

#[rstest]
#[case::another_site(&[("origin", "https://evil.example")])]
#[case::null(&[("origin", "null")])]
#[case::an_app_of_the_tenant(&[("origin", "http://wiki.acme.localhost:{port}")])]
#[case::other_scheme(&[("origin", "https://acme.localhost:{port}")])]
#[case::other_port(&[("origin", "http://acme.localhost:1")])]
#[case::longer(&[("origin", "http://acme.localhost:{port}.evil.example")])]
#[case::with_path(&[("origin", "http://acme.localhost:{port}/")])]
#[case::upper_case(&[("origin", "HTTP://ACME.localhost:{port}")])]
#[case::empty(&[("origin", "")])]
#[case::not_ascii(&[("origin", "http://acme.localhost:{port}\u{e9}")])]
#[case::origin_before_site(&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")])]
#[case::cross_site(&[("sec-fetch-site", "cross-site")])]
#[case::same_site(&[("sec-fetch-site", "same-site")])]
#[case::typed(&[("sec-fetch-site", "none")])]
#[case::nothing(&[])]
#[tokio::test]
async fn a_form_of_another_origin_changes_nothing(#[case] headers: &[(&str, &str)]) {
    let scene = scene().await;
    let port = scene.broker.address.port().to_string();
    let headers: Vec<(&str, String)> = headers
        .iter()
        .map(|(name, value)| (*name, value.replace("{port}", &port)))
        .collect();
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    for path in PATHS {
        let answer = scene.post(path, &scene.token, &headers).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        assert!(raw::values(answer.headers(), "set-cookie").is_empty());
    }
    scene.assert_nothing_changed().await;
    // With the right origin the same form does what it says.
    let own = scene.own_origin();
    let answer = scene
        .post(PATHS[1], &scene.token, &[("origin", &own)])
        .await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
}

#[rstest]
#[case::none("")]
#[case::garbage("x")]
#[case::truncated("{token-}")]
#[case::extended("{token}A")]
#[case::the_handle("{handle}")]
#[case::of_the_other_session("{other}")]
#[tokio::test]
async fn a_form_without_this_sessions_token_changes_nothing(#[case] token: &str) {
    let scene = scene().await;
    let mut other = scene.other.clone();
    let page = other.visit(&scene.broker.url(ACME, "/logout")).await;
    let fields = page.form("/logout").fields;
    let other = &fields
        .iter()
        .find(|(name, _)| name == "csrf")
        .expect("a token")
        .1;
    assert_ne!(*other, scene.token);
    let cookie = acme_cookie(&scene.broker, &scene.browser);
    let token = token
        .replace("{token-}", &scene.token[1..])
        .replace("{token}", &scene.token)
        .replace("{other}", other)
        .replace("{handle}", cookie.split_once('=').expect("a pair").1);
    let own = scene.own_origin();
    for path in PATHS {
        let answer = scene.post(path, &token, &[("origin", &own)]).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        let text = String::from_utf8_lossy(answer.body());
        assert!(text.contains("This form has expired"), "{text}");
    }
    scene.assert_nothing_changed().await;
}

#[rstest]
#[case::no_type("")]
#[case::json("application/json")]
#[case::text("text/plain")]
#[case::multipart("multipart/form-data; boundary=x")]
#[tokio::test]
async fn only_a_form_is_a_form(#[case] kind: &str) {
    let scene = scene().await;
    let authority = format!("{ACME}:{}", scene.broker.address.port());
    let cookie = acme_cookie(&scene.broker, &scene.browser);
    let own = scene.own_origin();
    let body = format!("csrf={}&session={}", scene.token, scene.session);
    let mut headers = vec![("host", &*authority), ("cookie", &cookie), ("origin", &own)];
    if !kind.is_empty() {
        headers.push(("content-type", kind));
    }
    for path in PATHS {
        for body in [body.clone(), String::new()] {
            let answer = raw::send(
                scene.broker.address,
                Method::POST,
                path,
                &headers,
                body.into(),
            )
            .await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
            let text = String::from_utf8_lossy(answer.body());
            assert!(text.contains("<title>This form has expired"), "{text}");
        }
    }
    scene.assert_nothing_changed().await;
}

#[rstest]
#[case::field_twice("csrf={token}&csrf={token}&session={session}")]
#[case::not_utf8("csrf=%ff%fe&session=%ff")]
#[case::separators("&&&===&&&")]
#[case::binary("\u{0}\u{1}\u{2}")]
#[tokio::test]
async fn a05_a_malformed_form_changes_nothing(#[case] body: &str) {
    let scene = scene().await;
    let authority = format!("{ACME}:{}", scene.broker.address.port());
    let cookie = acme_cookie(&scene.broker, &scene.browser);
    let own = scene.own_origin();
    let body = body
        .replace("{token}", &scene.token)
        .replace("{session}", &scene.session);
    let headers = [
        ("host", &*authority),
        ("cookie", &cookie),
        ("origin", &own),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    for path in PATHS {
        let body = Bytes::from(body.clone());
        let answer = raw::send(scene.broker.address, Method::POST, path, &headers, body).await;
        let status = answer.status().as_u16();
        assert!([400, 403].contains(&status), "{status} at {path}");
        let text = String::from_utf8_lossy(answer.body());
        assert!(text.contains("<title>This form has expired"), "{text}");
    }
    scene.assert_nothing_changed().await;
}

#[tokio::test]
async fn t15_a_form_of_more_than_16_kib_is_not_read() {
    let scene = scene().await;
    let authority = format!("{ACME}:{}", scene.broker.address.port());
    let cookie = acme_cookie(&scene.broker, &scene.browser);
    let own = scene.own_origin();
    let headers = [
        ("host", &*authority),
        ("cookie", &cookie),
        ("origin", &own),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    for path in PATHS {
        let body = format!("csrf={}&rd={}", scene.token, "x".repeat(17 * 1024));
        let answer = raw::send(
            scene.broker.address,
            Method::POST,
            path,
            &headers,
            body.into(),
        )
        .await;
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
    scene.assert_nothing_changed().await;
}

/// The same without a length that could be refused beforehand.
#[tokio::test]
async fn t15_a_form_that_never_ends_is_not_read() {
    let scene = scene().await;
    let cookie = acme_cookie(&scene.broker, &scene.browser);
    let own = scene.own_origin();
    let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
    let request = format!(
        "POST /logout HTTP/1.1\r\nHost: {ACME}:{}\r\nCookie: {cookie}\r\nOrigin: {own}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n{}",
        scene.broker.address.port(),
        chunk.repeat(4)
    );
    let (status, answer) = raw::bytes(scene.broker.address, request.as_bytes()).await;
    assert_eq!(status, Some(StatusCode::PAYLOAD_TOO_LARGE), "{answer}");
    scene.assert_nothing_changed().await;
}

/// A body in a content coding is no form: it is not unpacked, however small it says it is.
#[rstest]
#[case("gzip")]
#[case("deflate")]
#[case("br")]
#[case("identity, gzip")]
#[tokio::test]
async fn t15_a_packed_form_is_not_unpacked(#[case] coding: &str) {
    let scene = scene().await;
    let own = scene.own_origin();
    let headers = [("origin", &*own), ("content-encoding", coding)];
    for path in PATHS {
        let answer = scene.post(path, &scene.token, &headers).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
    }
    scene.assert_nothing_changed().await;
}

/// A tenant under a path shares its origin with others: the token tells them apart.
#[tokio::test]
async fn a_form_of_one_tenant_is_none_at_another() {
    let scene = scene().await;
    let mut browser = scene.browser.clone();
    browser
        .visit(&scene.broker.url(SHARED, "/t/globex/login"))
        .await;
    let mut page = browser
        .visit(&scene.broker.url(SHARED, "/t/globex/logout"))
        .await;
    let mut form = page.form("/logout");
    let answer = browser.submit_once(&form, &[("csrf", &scene.token)]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    // Nor does the form of one tenant fit the address of another on the same host.
    page = browser
        .visit(&scene.broker.url(SHARED, "/t/globex/logout"))
        .await;
    form = page.form("/logout");
    let url = form.action.as_str().replace("/t/globex/", "/t/solo/");
    form.action = url.parse().expect("an address");
    let answer = browser.submit_once(&form, &[]).await;
    assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
    scene.assert_nothing_changed().await;
}

/// An app that shares its host with the login is another thing than its login.
#[tokio::test]
async fn a_form_needs_the_tenants_session_not_the_apps() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, SOLO, "/").await;
    let app = crate::support::nodes::app_cookie(&broker, &browser, SOLO);
    let page = browser.visit(&broker.url(SOLO, "/oauth2/logout")).await;
    let form = page.form("/oauth2/logout");
    let token = &form
        .fields
        .iter()
        .find(|(name, _)| name == "csrf")
        .expect("a token")
        .1;
    let authority = format!("{SOLO}:{}", broker.address.port());
    let own = format!("http://{authority}");
    let headers = [
        ("host", &*authority),
        ("cookie", &app),
        ("origin", &own),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let body = format!("csrf={token}");
    let answer = raw::send(
        broker.address,
        Method::POST,
        "/oauth2/logout",
        &headers,
        body.into(),
    )
    .await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let page = broker.check(&browser, "GET", SOLO, "/").await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
}
