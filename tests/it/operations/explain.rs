//! `doorward explain`, as a process of its own beside a broker that runs.

use std::process::Output;

use rstest::rstest;

use crate::support::broker::{Broker, CONFIGURATION};
use crate::support::browser::Browser;
use crate::support::nodes::{ACME, ACME_COOKIE, APP_COOKIE, BOARD, WIKI};
use crate::support::provider::{CLIENT_ID, CLIENT_SECRET};
use crate::support::tampering::Database;

/// The configuration of `broker`, in a file beside its database.
fn configured(broker: &Broker, change: impl Fn(String) -> String) -> String {
    let text = CONFIGURATION
        .replace("{port}", &broker.address.port().to_string())
        .replace("{issuer}", broker.provider.base())
        .replace("{client_id}", CLIENT_ID);
    let file = broker.folder.path().join("doorward.toml");
    std::fs::write(&file, change(text)).expect("written");
    file.to_str().expect("a plain path").to_owned()
}

async fn explain(broker: &Broker, arguments: &[&str]) -> Output {
    let file = configured(broker, |text| text);
    run(&file, arguments).await
}

async fn run(file: &str, arguments: &[&str]) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(["explain", "--config", file])
        .args(arguments)
        .env(
            "SEALING_KEY",
            "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
        )
        .env("CLIENT_SECRET", CLIENT_SECRET)
        .env("NO_COLOR", "1")
        .output()
        .await
        .expect("it runs")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
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
    assert!(
        line(&output, "rule")
            .starts_with("2 of 4: /admin; who is signed in passes with group admins")
    );
    let program = ["--url", &url, "--cookie", &cookie, "--output", "json"];
    let output = explain(&broker, &program).await;
    let json: serde_json::Value = serde_json::from_str(&text(&output)).expect("JSON");
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
    let file = configured(&broker, |text| text.replace("doorward.db", "elsewhere.db"));
    let url = broker.url(WIKI, "/");
    let ask = ["--url", &*url, "--cookie", "AAAAAAAAAAAAAAAAAAAAAA"];
    let output = run(&file, &ask).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("elsewhere.db"));
    assert!(!broker.folder.path().join("elsewhere.db").exists());
    // A question about nobody's session needs none.
    let output = run(&file, &ask[..2]).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}
