//! `doorward explain`, as a process of its own beside a broker that runs.

use std::process::Output;

use bytes::Bytes;
use http::{Method, Response};
use rstest::rstest;
use serde_json::Value;

use crate::support::app::App;
use crate::support::asking::{self, Target, ask};
use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::browser::Browser;
use crate::support::command::doorward;
use crate::support::nodes::{ACME, ACME_COOKIE, APP_COOKIE, BOARD, SHARED, SOLO, WIKI};
use crate::support::provider::CLIENT_SECRET;
use crate::support::raw::{self, values};
use crate::support::tampering::Database;

async fn explain(broker: &Broker, arguments: &[&str]) -> Output {
    run(broker.file().to_str().expect("a plain path"), arguments).await
}

async fn run(file: &str, arguments: &[&str]) -> Output {
    let whole = [&["explain", "--config", file], arguments].concat();
    doorward(&whole, CLIENT_SECRET).await
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&text(output)).unwrap_or_else(|_| panic!("no JSON: {output:?}"))
}

/// The line that begins with `name`.
fn line(output: &Output, name: &str) -> String {
    let text = text(output);
    let mut lines = text.lines().map(str::trim_start);
    let found = lines.find_map(|line| line.strip_prefix(name));
    found
        .unwrap_or_else(|| panic!("no {name} in {text}"))
        .trim()
        .to_owned()
}

fn app_cookie(broker: &Broker, browser: &Browser, host: &str) -> String {
    browser
        .cookie(&broker.url(host, "/"), APP_COOKIE)
        .expect("a cookie")
}

#[tokio::test]
async fn somebody_who_is_signed_in_is_recognized_and_told_on() {
    let broker = Broker::start().await;
    let mut ada = broker.browser();
    broker.sign_in(&mut ada, BOARD, "/read").await;
    let cookie = app_cookie(&broker, &ada, BOARD);
    let url = broker.url(BOARD, "/read?token=hunter2-query");
    for given in [cookie.clone(), format!("a=b; {APP_COOKIE}={cookie}")] {
        let output = explain(&broker, &["--url", &url, "--cookie", &given]).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(line(&output, "passes"), "yes; the proxy is answered 202");
        assert_eq!(line(&output, "tenant"), "Acme (acme)");
        assert!(line(&output, "app ").starts_with("Board (board), found by its host board.acme"));
        assert!(
            line(&output, "rule").starts_with("3 of 4: /read, GET or HEAD; whoever is signed in")
        );
        let check = broker.check(&ada, "GET", BOARD, "/read").await;
        let user = check.header("x-auth-request-user");
        assert!(line(&output, "person").starts_with(user), "{output:?}");
        assert_eq!(line(&output, "x-auth-request-user:"), user);
        // Neither a cookie nor a query is repeated.
        let everything = format!("{output:?}");
        assert!(!everything.contains(&cookie), "{everything}");
        assert!(!everything.contains("hunter2"), "{everything}");
    }
}

/// Each answer of the check, and what an operator reads.
#[rstest]
#[case::nobody(WIKI, "/", &[], "the rule wants somebody who is signed in, and there is no cookie")]
#[case::public(BOARD, "/public/x", &[], "the rule lets anybody pass, signed in or not")]
#[case::no_method(
    BOARD, "/", &["--header", "X-Original-Method: "],
    "the proxy did not say which method is asked for"
)]
#[case::forged(
    WIKI, "/", &["--header", "X-Forwarded-Host: evil.example"],
    "the request has no single meaning: `x-forwarded-host` contradicts"
)]
#[case::two_meanings(BOARD, "/public/..%2fadmin", &[], "the request has no single meaning")]
#[case::unknown_host("wikki.acme.localhost", "/", &[], "the host is no app's")]
#[case::not_trusted(
    BOARD, "/public", &["--proxy", "192.0.2.1"],
    "the proxy did not say which path is asked for"
)]
#[case::malformed_cookie(WIKI, "/", &["--cookie", "hunter2"], "the rule wants somebody who is signed in, and among the cookies there is not one `__Host-dwa`")]
#[case::cookie_like_an_option(
    WIKI, "/", &["--cookie", "-AAAAAAAAAAAAAAAAAAAAA"],
    "the cookie's session is over"
)]
#[case::unknown_cookie(
    WIKI, "/", &["--cookie", "AAAAAAAAAAAAAAAAAAAAAA"],
    "the cookie's session is over"
)]
#[tokio::test]
async fn it_says_why(
    #[case] host: &str,
    #[case] path: &str,
    #[case] more: &[&str],
    #[case] because: &str,
) {
    let broker = Broker::start().await;
    let url = broker.url(host, path);
    let output = explain(&broker, &[&["--url", &url], more].concat()).await;
    assert!(line(&output, "because").starts_with(because), "{output:?}");
    let passes = because.starts_with("the rule lets anybody");
    assert_eq!(
        output.status.code(),
        Some(if passes { 0 } else { 3 }),
        "{output:?}"
    );
    assert!(!format!("{output:?}").contains("hunter2"), "{output:?}");
    assert_eq!(
        text(&output).contains("Did you mean wiki.acme"),
        host.starts_with("wikki")
    );
}

#[tokio::test]
async fn a_rule_that_refuses_a_person_is_named() {
    let broker = Broker::start().await;
    let mut ada = broker.browser();
    broker.sign_in(&mut ada, BOARD, "/read").await;
    let cookie = app_cookie(&broker, &ada, BOARD);
    let url = broker.url(BOARD, "/admin/users");
    let output = explain(&broker, &["--url", &url, "--cookie", &cookie]).await;
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(line(&output, "because"), "in none of the allowed groups");
    assert!(line(&output, "rule").starts_with("2 of 4: /admin; whoever is in admins passes"));
    let program = ["--url", &url, "--cookie", &cookie, "--output", "json"];
    let output = explain(&broker, &program).await;
    let json = self::json(&output);
    assert_eq!(json["allowed"], false);
    assert_eq!(json["status"], 403);
    assert_eq!(json["app"]["id"], "board");
    assert_eq!(json["because"], "in none of the allowed groups");
}

/// It is the cookie of an app's host that counts, and only there.
#[tokio::test]
async fn other_cookies_are_not_taken_for_it() {
    let broker = Broker::start().await;
    let mut ada = broker.browser();
    broker.sign_in(&mut ada, WIKI, "/").await;
    let tenants = ada
        .cookie(&broker.url(ACME, "/"), ACME_COOKIE)
        .expect("one");
    let wikis = app_cookie(&broker, &ada, WIKI);
    for (host, cookie) in [
        (WIKI, format!("{ACME_COOKIE}={tenants}")),
        (WIKI, tenants.clone()),
        (BOARD, wikis.clone()),
    ] {
        let url = broker.url(host, "/read");
        let output = explain(&broker, &["--url", &url, "--cookie", &cookie]).await;
        assert_eq!(output.status.code(), Some(3), "{host}: {output:?}");
    }
    // Once signed out it is over, and looking has changed nothing before.
    let url = broker.url(WIKI, "/");
    let ask = ["--url", url.as_str(), "--cookie", &wikis];
    assert_eq!(explain(&broker, &ask).await.status.code(), Some(0));
    ada.visit(&broker.url(WIKI, "/oauth2/sign_out")).await;
    let output = explain(&broker, &ask).await;
    assert_eq!(output.status.code(), Some(3));
    assert!(line(&output, "because").starts_with("the cookie's session is over"));
}

/// What looks at a session does not end it, not even one whose time is up.
#[tokio::test]
async fn it_changes_nothing() {
    let broker = Broker::start().await;
    let mut ada = broker.browser();
    broker.sign_in(&mut ada, WIKI, "/").await;
    let mut database = Database::of(&broker).await;
    database.run("UPDATE session SET used_at = 0").await;
    let cookie = app_cookie(&broker, &ada, WIKI);
    let url = broker.url(WIKI, "/");
    let output = explain(&broker, &["--url", &url, "--cookie", &cookie]).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(line(&output, "because").starts_with("the cookie's session is over"));
    let alive = "session WHERE ended_at IS NULL AND used_at = 0";
    assert_eq!(database.rows(alive).await, 1);
    assert_eq!(database.rows("ended_session").await, 0);
}

#[rstest]
#[case::address(&["--url", "wiki.acme.localhost"], "`--url` is not an address such as")]
#[case::two_readings(&["--url", "https://wiki.example\\admin/x"], "`--url` is not an address such as")]
#[case::password(&["--url", "http://me:hunter2@wiki.example/"], "`--url` is not an address such as")]
#[case::header(
    &["--url", "http://wiki.example/", "--header", "A: b", "--header", "Bearer hunter2"],
    "`--header` number 2 does not read as `Name: value`"
)]
#[case::cookie(&["--url", "http://wiki.example/", "--cookie", "hunter2\n"], "")]
#[case::method(&["--url", "http://wiki.example/", "--method", "G T"], "`--method` is not a method")]
#[tokio::test]
async fn a_wrong_command_line_is_told_without_secrets(
    #[case] arguments: &[&str],
    #[case] expected: &str,
) {
    let broker = Broker::start().await;
    let output = explain(&broker, arguments).await;
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(shown.contains(expected), "{shown}");
    if !expected.is_empty() {
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    assert!(!format!("{output:?}").contains("hunter2"), "{output:?}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told_and_not_made() {
    let broker = Broker::start().await;
    broker.edit(|text| text.replace("doorward.db", "elsewhere.db"));
    let url = broker.url(WIKI, "/");
    let ask = ["--url", &*url, "--cookie", "AAAAAAAAAAAAAAAAAAAAAA"];
    let output = explain(&broker, &ask).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("elsewhere.db"));
    assert!(!broker.folder.path().join("elsewhere.db").exists());
    // A question about nobody's session needs none.
    let output = explain(&broker, &ask[..2]).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

/// Asks the broker as nginx does at `/oauth2/auth`.
async fn auth(broker: &Broker, target: Target<'_>, more: &[(&str, &str)]) -> Response<Bytes> {
    let authority = format!("{}:{}", target.host, broker.address.port());
    let url = format!("{}://{authority}{}", target.scheme, target.path);
    let told = [
        ("host", &*authority),
        ("x-original-url", &*url),
        ("x-original-method", target.method),
    ];
    raw::get(broker.address, "/oauth2/auth", &[&told, more].concat()).await
}

const BROWSER: (&str, &str) = ("sec-fetch-mode", "navigate");
const SCRIPT: (&str, &str) = ("sec-fetch-mode", "cors");

/// Whatever the broker answers a proxy, and tells the app, this says beforehand.
#[rstest]
#[case::auth("auth", None)]
#[case::forward_auth("forward-auth", Some(asking::Endpoint::ForwardAuth))]
#[case::auth_request("auth-request", Some(asking::Endpoint::AuthRequest))]
#[case::ext_authz("ext-authz", Some(asking::Endpoint::ExtAuthz))]
#[tokio::test]
async fn it_says_what_the_proxy_is_answered(
    #[case] name: &str,
    #[case] endpoint: Option<asking::Endpoint>,
) {
    let broker = Broker::start().await;
    let mut ada = broker.browser();
    broker.sign_in(&mut ada, BOARD, "/read").await;
    let cookie = format!("{APP_COOKIE}={}", app_cookie(&broker, &ada, BOARD));
    let preflight: &[_] = &[
        SCRIPT,
        ("origin", "https://other.example"),
        ("access-control-request-method", "POST"),
    ];
    let of_the_other_family: &[_] = &[BROWSER, ("x-original-uri", "/other")];
    for (signed_in, method, host, path, more) in [
        (false, "GET", WIKI, "/page?x=1", &[BROWSER][..]),
        (false, "POST", WIKI, "/", &[BROWSER]),
        (false, "GET", WIKI, "/", &[SCRIPT]),
        (false, "GET", BOARD, "/public", &[BROWSER]),
        (false, "OPTIONS", BOARD, "/read", preflight),
        (false, "GET", "nobody.acme.localhost", "/", &[BROWSER]),
        (false, "GET", BOARD, "/public/..%2fadmin", &[BROWSER]),
        (false, "GET", WIKI, "/", of_the_other_family),
        (false, "get", BOARD, "/public", &[BROWSER]),
        (true, "GET", BOARD, "/", &[BROWSER]),
        (true, "GET", BOARD, "/admin", &[SCRIPT]),
        (true, "GET", WIKI, "/", &[BROWSER]),
    ] {
        let mut sent = more.to_vec();
        if signed_in {
            sent.push(("cookie", &cookie));
        }
        let target = Target {
            method,
            ..Target::get(host, path)
        };
        let answer = match endpoint {
            Some(endpoint) => ask(&broker, endpoint, target, &sent).await,
            None => auth(&broker, target, &sent).await,
        };
        let url = broker.url(host, path);
        let mut command = ["--endpoint", name, "--output", "json", "--url", &url].to_vec();
        command.extend(["--method", method]);
        let lines: Vec<_> = sent
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        for line in &lines {
            command.extend(["--header", line]);
        }
        let output = explain(&broker, &command).await;
        let said = json(&output);
        let what = format!("{method} {url} {sent:?}: {said}");
        assert_eq!(said["status"], answer.status().as_u16(), "{what}");
        assert_eq!(said["allowed"], answer.status().is_success(), "{what}");
        assert_eq!(said["endpoint"], name);
        let expected = if answer.status().is_success() { 0 } else { 3 };
        assert_eq!(output.status.code(), Some(expected), "{what}");
        let told = said["headers"].as_object().expect("an object");
        assert_eq!(told.is_empty(), !answer.status().is_success(), "{what}");
        for (name, value) in told {
            let value = value.as_str().expect("text");
            assert_eq!(values(answer.headers(), name), [value], "{what}");
        }
        for location in values(answer.headers(), "location") {
            let (address, _) = location.split_once('?').expect("a query");
            let next = said["next"].as_str().expect("text");
            assert!(next.ends_with(address), "{what}");
        }
    }
}

/// The broker with the board forwarded to `app`, and the wiki not.
async fn forwarding(app: &App) -> Broker {
    let board = "id = \"board\"\n";
    let upstream = format!("{board}upstream = \"http://{}\"\n", app.address);
    let shared = r#"name = "Acme"
parent_cookie = { domain = "acme.localhost", hosts = ["wiki.acme.localhost:{port}"] }
"#;
    let configuration = CONFIGURATION
        .replace(
            "development = true\n",
            "development = true\nforward_to_apps = true\n",
        )
        .replace("name = \"Acme\"\n", shared)
        .replace(board, &upstream);
    Broker::with(Setup {
        configuration,
        ..Setup::default()
    })
    .await
}

/// What Doorward answers in the place of an app that it forwards to, and what goes on to it.
#[tokio::test]
async fn it_says_what_is_forwarded() {
    let app = App::start().await;
    let broker = forwarding(&app).await;
    let mut ada = broker.browser();
    broker.sign_in(&mut ada, BOARD, "/").await;
    let cookie = format!("{APP_COOKIE}={}", app_cookie(&broker, &ada, BOARD));
    for (signed_in, method, host, path, more) in [
        (false, "GET", BOARD, "/", BROWSER),
        (false, "POST", BOARD, "/", BROWSER),
        (false, "GET", BOARD, "/", SCRIPT),
        (false, "GET", BOARD, "/public", BROWSER),
        (false, "GET", BOARD, "/public/..%2fadmin", BROWSER),
        (true, "GET", BOARD, "/admin", BROWSER),
        (true, "GET", BOARD, "/", SCRIPT),
        (true, "GET", BOARD, "/", ("x-forwarded-uri", "/public")),
        (false, "GET", WIKI, "/", BROWSER),
        (false, "GET", "nobody.acme.localhost", "/", BROWSER),
    ] {
        let authority = format!("{host}:{}", broker.address.port());
        let mut sent = vec![("accept", "text/html"), more];
        if signed_in {
            sent.push(("cookie", &cookie));
        }
        let headers = [&[("host", &*authority)], &*sent].concat();
        let asked: Method = method.parse().expect("a method");
        let answer = raw::send(broker.address, asked, path, &headers, Bytes::new()).await;
        let passed = answer.status().is_success();
        let url = broker.url(host, path);
        let mut command = ["--output", "json", "--url", &url, "--method", method].to_vec();
        // For the board that is what is asked without being said.
        if host != BOARD {
            command.extend(["--endpoint", "forwarding"]);
        }
        let lines: Vec<_> = sent
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        for line in &lines {
            command.extend(["--header", line]);
        }
        let said = json(&explain(&broker, &command).await);
        let what = format!("{method} {url} {sent:?}: {said}");
        assert_eq!(said["endpoint"], "forwarding", "{what}");
        assert_eq!(said["allowed"], passed, "{what}");
        let status = if passed {
            Value::Null
        } else {
            answer.status().as_u16().into()
        };
        assert_eq!(said["status"], status, "{what}");
    }
    let url = broker.url(BOARD, "/");
    let output = explain(&broker, &["--url", &url, "--cookie", &cookie]).await;
    assert_eq!(
        line(&output, "passes"),
        "yes; the request is forwarded to the app"
    );
    assert_eq!(
        line(&output, "asked by"),
        "Doorward itself, before it forwards the request to the app"
    );
    let seen = app.last();
    assert_eq!(
        line(&output, "x-auth-request-email:"),
        seen.only("x-auth-request-email")
    );
    // Who switches it off forwards to nobody.
    let upstream = format!("upstream = \"http://{}\"\n", app.address);
    broker.edit(|text| {
        text.replace("forward_to_apps = true\n", "")
            .replace(&upstream, "")
    });
    let output = explain(&broker, &["--url", &url, "--endpoint", "forwarding"]).await;
    assert_eq!(
        line(&output, "because"),
        "nothing is forwarded to any app: `forward_to_apps` in [server] is off"
    );
}

/// Our own paths on an app's host, and the hosts where people sign in, are no app's to let anybody into.
#[rstest]
#[case::auth("auth")]
#[case::forward_auth("forward-auth")]
#[case::auth_request("auth-request")]
#[case::ext_authz("ext-authz")]
#[case::forwarding("forwarding")]
#[tokio::test]
async fn it_says_where_doorward_itself_answers(#[case] endpoint: &str) {
    let broker = Broker::start().await;
    for (host, path, because) in [
        (
            WIKI,
            "/oauth2/sign_in?rd=/hunter2",
            "everything below /oauth2/ on the host of an app is Doorward's own",
        ),
        (WIKI, "/oauth2/auth", "everything below /oauth2/"),
        (SOLO, "/oauth2/login", "everything below /oauth2/"),
        (
            ACME,
            "/login",
            "the host is no app's, but where people of Acme sign in: http://acme.localhost",
        ),
        (
            ACME,
            "/anything",
            "the host is no app's, but where people of Acme sign in",
        ),
        (
            SHARED,
            "/t/globex/sessions",
            "the host is no app's, but where people of Globex sign in",
        ),
        (
            SHARED,
            "/",
            "the host is no app's, but where tenants have their pages",
        ),
    ] {
        let url = broker.url(host, path);
        let command = ["--endpoint", endpoint, "--url", &url];
        let output = explain(&broker, &command).await;
        assert_eq!(
            line(&output, "passes"),
            "not to an app: Doorward itself answers there",
            "{url}"
        );
        assert!(line(&output, "because").starts_with(because), "{output:?}");
        assert!(!text(&output).contains("hunter2"));
        assert_eq!(output.status.code(), Some(3), "{url}");
        // The check is asked where the proxy hands on what it answers, and nowhere else.
        let relayed = endpoint == "forward-auth" || endpoint == "ext-authz";
        let own_path = host == WIKI || host == SOLO;
        assert_eq!(text(&output).contains("\nasked at "), relayed && own_path);
        let said = json(&explain(&broker, &[&command[..], &["--output", "json"]].concat()).await);
        assert_eq!(
            (&said["allowed"], &said["status"]),
            (&false.into(), &Value::Null)
        );
        assert!(said["person"].is_null());
    }
    // The whole first segment counts.
    let url = broker.url(WIKI, "/oauth2x/auth");
    let output = explain(&broker, &["--endpoint", endpoint, "--url", &url]).await;
    assert!(line(&output, "passes").starts_with("no; "), "{output:?}");
}

/// Who asks, and how, follows from the configuration; what was said counts first.
#[rstest]
#[case::target_headers(r#"[{ networks = ["10.0.0.1/32"] }, { networks = ["10.0.0.2/32"], target_headers = "x-forwarded" }]"#, &[], "at /oauth2/auth by the proxy at 10.0.0.2, in X-Forwarded-Proto")]
#[case::none(r#"[{ networks = ["10.0.0.1/32"] }]"#, &[], "at /api/authz/forward-auth by the proxy at 10.0.0.1, in X-Forwarded-Proto")]
#[case::another_proxy(r#"[{ networks = ["10.0.0.1/32"] }, { networks = ["10.0.0.2/32"], target_headers = "x-original" }]"#, &["--proxy", "10.0.0.1"], "at /api/authz/forward-auth by the proxy at 10.0.0.1, in X-Forwarded-Proto")]
#[case::endpoint(r#"[{ networks = ["10.0.0.2/32"], target_headers = "x-forwarded" }, { networks = ["10.0.0.1/32"] }]"#, &["--endpoint", "auth-request"], "at /api/authz/auth-request by the proxy at 10.0.0.1, in X-Original-URL")]
#[case::envoy(r#"[{ networks = ["10.0.0.1/32"] }]"#, &["--endpoint", "ext-authz"], "at /api/authz/ext-authz/ by the proxy at 10.0.0.1, in the start line")]
#[case::untold(r#"[{ networks = ["10.0.0.1/32"] }]"#, &["--endpoint", "auth"], "at /oauth2/auth by the proxy at 10.0.0.1, which does not tell path and method")]
#[case::nobody_trusted("[]", &[], "at /oauth2/auth from 127.0.0.1, which is no trusted proxy: only `Host` is believed")]
#[case::stranger("[]", &["--endpoint", "forward-auth"], "at /api/authz/forward-auth from 127.0.0.1, which is no trusted proxy")]
#[tokio::test]
async fn it_says_how_it_was_asked(
    #[case] proxies: &str,
    #[case] more: &[&str],
    #[case] expected: &str,
) {
    let broker = Broker::start().await;
    let usual = r#"[{ networks = ["127.0.0.1/32"], target_headers = "x-original" }]"#;
    broker.edit(|text| text.replace(usual, proxies));
    let url = broker.url(BOARD, "/public");
    let output = explain(&broker, &[&["--url", &url], more].concat()).await;
    assert!(line(&output, "asked").starts_with(expected), "{output:?}");
    let guessed = more.is_empty() || more[0] == "--proxy";
    let hint = expected.contains("forward-auth") && guessed;
    assert_eq!(text(&output).contains("--endpoint"), hint, "{output:?}");
    if expected.ends_with("no trusted proxy") {
        assert_eq!(line(&output, "passes"), "no; the proxy is answered 400");
        assert!(line(&output, "because").starts_with("whoever asks is not in `trusted_proxies`"));
    }
}

const SHARED_COOKIE: &str = "__Secure-dwd-acme";

/// A cookie that several hosts share counts where it does, as its value alone or in a whole header.
#[tokio::test]
async fn a_shared_cookie_is_recognized_where_it_counts() {
    let shared = r#"name = "Acme"
parent_cookie = { domain = "acme.localhost", hosts = ["wiki.acme.localhost:{port}"] }
"#;
    let broker = Broker::with(Setup {
        configuration: CONFIGURATION.replace("name = \"Acme\"\n", shared),
        ..Setup::default()
    })
    .await;
    let mut ada = broker.browser();
    let url = broker.url(WIKI, "/");
    let rd: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
    ada.visit(&broker.url(ACME, &format!("/login?rd={rd}")))
        .await;
    let value = ada.cookie(&url, SHARED_COOKIE).expect("a cookie");
    let header = format!("a=b; {SHARED_COOKIE}={value}");
    for endpoint in ["auth", "forward-auth", "auth-request", "ext-authz"] {
        let ask = ["--url", &*url, "--endpoint", endpoint];
        for given in [&*value, &*header] {
            let output = explain(&broker, &[&ask[..], &["--cookie", given]].concat()).await;
            assert_eq!(output.status.code(), Some(0), "{endpoint}: {output:?}");
            assert!(line(&output, "person").contains("ada@example.com"));
        }
        // One that is over is told from one that is none.
        let over = format!("{SHARED_COOKIE}=AAAAAAAAAAAAAAAAAAAAAA");
        let output = explain(&broker, &[&ask[..], &["--cookie", &over]].concat()).await;
        assert!(line(&output, "because").starts_with("the cookie's session is over"));
        let none = "a=b; __Secure-dwd-globex=AAAAAAAAAAAAAAAAAAAAAA";
        let output = explain(&broker, &[&ask[..], &["--cookie", none]].concat()).await;
        assert!(line(&output, "because").ends_with(
            "among the cookies there is not one `__Host-dwa` or `__Secure-dwd-acme` that reads as ours"
        ));
    }
    // People sign in at the tenant's own address then.
    let output = explain(&broker, &["--url", &url, "--endpoint", "forward-auth"]).await;
    assert!(
        text(&output).ends_with(&format!("  {}\n", broker.url(ACME, "/login"))),
        "{output:?}"
    );
    // At a host that is not listed it is none.
    let board = broker.url(BOARD, "/");
    let output = explain(&broker, &["--url", &board, "--cookie", &header]).await;
    assert!(line(&output, "because").ends_with("there is not one `__Host-dwa` that reads as ours"));
}
