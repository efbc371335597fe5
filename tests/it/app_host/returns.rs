//! Where a person may be sent after signing in or out: the corpus of attacks, through the routes.

use http::StatusCode;

use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::browser::Browser;
use crate::support::raw::{self, values};

const REFUSED: &str = include_str!("../../fixtures/redirects/refused.txt");
const ALLOWED: &str = include_str!("../../fixtures/redirects/allowed.txt");
const NAVIGATION: (&str, &str) = ("sec-fetch-mode", "navigate");

/// The tenant that the corpus is written for.
const CORPUS: &str = r#"
[[tenants]]
id = "corpus"
base_url = "https://login.example.com"

[[tenants.providers]]
id = "main"
preset = "oidc"
name = "Corpus ID"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret = { env = "CLIENT_SECRET" }

[[tenants.apps]]
id = "app"
hosts = ["app.example.com", "*.example.org"]
allow = { signed_in = true }
"#;

async fn broker() -> Broker {
    Broker::with(Setup {
        configuration: format!("{CONFIGURATION}{CORPUS}"),
        ..Setup::default()
    })
    .await
}

/// A browser for which something in between ends TLS.
fn browser(broker: &Broker) -> Browser {
    let browser = broker.browser();
    for host in ["login.example.com", "app.example.com", "wiki.example.org"] {
        browser.reach(host, broker.address);
    }
    browser
}

/// The values of a corpus, out of its notation: `<U+0009>` is one character, `<x*300>` a repeated text.
fn corpus(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(decode)
        .collect()
}

fn decode(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let special = after.split_once('>').and_then(|(inside, rest)| {
            let decoded = if let Some(number) = inside.strip_prefix("U+") {
                let number = u32::from_str_radix(number, 16).ok()?;
                char::from_u32(number)?.to_string()
            } else {
                let (text, times) = inside.rsplit_once('*')?;
                text.repeat(times.parse().ok()?)
            };
            Some((decoded, rest))
        });
        if let Some((decoded, after)) = special {
            text.push_str(&decoded);
            rest = after;
        } else {
            text.push('<');
            rest = after;
        }
    }
    text + rest
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn a07_no_line_of_the_corpus_is_where_a_sign_in_leads() {
    let broker = broker().await;
    let lines = corpus(REFUSED);
    assert!(lines.len() >= 300, "{} lines", lines.len());
    for (number, line) in lines.iter().enumerate() {
        let route = ["sign_in", "start"][number % 2];
        let target = format!("/oauth2/{route}?rd={}", encoded(line));
        let headers = [("host", "app.example.com"), NAVIGATION];
        let answer = raw::get(broker.address, &target, &headers).await;
        if line.is_empty() {
            // As if nothing were said: to the app's first page.
            assert_eq!(answer.status(), StatusCode::SEE_OTHER);
            continue;
        }
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{line:?}");
        assert!(answer.headers().get("location").is_none(), "{line:?}");
        assert!(
            values(answer.headers(), "set-cookie").is_empty(),
            "{line:?}"
        );
    }
}

/// nginx cannot encode, so an address may stand in the query as it is.
#[tokio::test]
async fn a07_no_line_that_stands_in_the_query_as_it_is_gets_through() {
    let broker = broker().await;
    let mut asked = 0;
    for line in corpus(REFUSED) {
        let whole = ["http://", "https://", "/"]
            .iter()
            .any(|start| line.starts_with(start));
        let target = format!("/oauth2/sign_in?rd={line}");
        // What the client's own parser takes away never arrives.
        if !whole || line.contains('#') || target.parse::<http::Uri>().is_err() {
            continue;
        }
        asked += 1;
        let headers = [("host", "app.example.com"), NAVIGATION];
        let answer = raw::get(broker.address, &target, &headers).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{line:?}");
    }
    assert!(asked >= 100, "only {asked} lines");
}

#[tokio::test]
async fn a07_no_line_in_a_header_gets_through() {
    let broker = broker().await;
    let mut asked = 0;
    for line in corpus(REFUSED) {
        let plain = line
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if !plain || line.trim() != line || line.is_empty() {
            continue;
        }
        asked += 1;
        let headers = [
            ("host", "app.example.com"),
            NAVIGATION,
            ("x-auth-request-redirect", &*line),
        ];
        let answer = raw::get(broker.address, "/oauth2/sign_in", &headers).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{line:?}");
    }
    assert!(asked >= 100, "only {asked} lines");
}

/// An address that is not ours to return to keeps nobody signed in, and is left out.
#[tokio::test]
async fn a07_no_line_of_the_corpus_is_where_a_sign_out_leads() {
    let broker = broker().await;
    for line in corpus(REFUSED) {
        let query = format!("?rd={}", encoded(&line));
        let headers = [("host", "app.example.com"), NAVIGATION];
        let target = format!("/oauth2/sign_out{query}");
        let answer = raw::get(broker.address, &target, &headers).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{line:?}");
        let location = values(answer.headers(), "location");
        assert_eq!(location, ["https://login.example.com/logout"], "{line:?}");

        let headers = [("host", "login.example.com"), NAVIGATION];
        let target = format!("/logout{query}");
        let answer = raw::get(broker.address, &target, &headers).await;
        // An empty value is none.
        let expected = if line.is_empty() { 200 } else { 400 };
        assert_eq!(answer.status(), expected, "{line:?}");
        assert!(answer.headers().get("location").is_none(), "{line:?}");
    }
}

/// The same with somebody who is signed in and really leaves.
#[tokio::test]
async fn a07_a_real_sign_out_ends_on_our_own_page() {
    let broker = broker().await;
    let every_tenth = corpus(REFUSED).into_iter().step_by(10);
    for line in every_tenth {
        let mut browser = browser(&broker);
        browser
            .visit("https://app.example.com/oauth2/sign_in?rd=/")
            .await;
        let url = format!(
            "https://app.example.com/oauth2/sign_out?rd={}",
            encoded(&line)
        );
        let page = browser.visit(&url).await;
        assert_eq!(page.url.host_str(), Some("login.example.com"), "{line:?}");
        assert_eq!(page.url.path(), "/signed-out", "{line:?}");
    }
}

/// The line's target is what the form of the sign-out page sends on, too.
#[tokio::test]
async fn a07_a_forged_field_of_the_sign_out_page_leads_nowhere() {
    let broker = broker().await;
    for line in corpus(REFUSED).into_iter().step_by(10) {
        let mut browser = browser(&broker);
        browser
            .visit("https://app.example.com/oauth2/sign_in?rd=/")
            .await;
        let ask = browser.visit("https://login.example.com/logout").await;
        let page = browser
            .submit_once(&ask.form("/logout"), &[("rd", &line)])
            .await;
        if let Some(location) = page.location() {
            let provider = location.as_str().starts_with(broker.provider.base());
            assert!(
                provider && !location.as_str().contains("evil"),
                "{location}"
            );
        } else {
            assert_eq!(page.status, StatusCode::BAD_REQUEST, "{line:?}");
        }
    }
}

/// From the app through ticket and cookie to the very address that was asked for.
#[tokio::test]
async fn a07_what_is_ours_is_where_a_sign_in_leads_in_the_end() {
    let broker = broker().await;
    let mut browser = browser(&broker);
    let lines: Vec<&str> = ALLOWED
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    assert!(lines.len() >= 40, "{} lines", lines.len());
    for line in lines {
        let (wanted, becomes) = line.split_once(" -> ").expect("what it becomes");
        let (wanted, becomes) = (decode(wanted), decode(becomes));
        let host = url::Url::parse(&becomes).expect("an address");
        browser.reach(host.host_str().expect("a host"), broker.address);
        let url = format!(
            "https://app.example.com/oauth2/sign_in?rd={}",
            encoded(&wanted)
        );
        let page = browser.visit(&url).await;
        let last = page.chain.last().expect("a redirect");
        assert_eq!(last.url.path(), "/oauth2/callback", "{wanted:?}");
        assert_eq!(values(&last.headers, "location"), [becomes], "{wanted:?}");
    }
    // Signed in once, at the first line.
    assert_eq!(
        broker
            .provider
            .count(crate::support::provider::Endpoint::Token),
        1
    );
}

#[tokio::test]
async fn a07_what_is_ours_is_where_a_sign_out_leads_in_the_end() {
    let broker = broker().await;
    for line in ALLOWED
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .step_by(7)
    {
        let (wanted, becomes) = line.split_once(" -> ").expect("what it becomes");
        let (wanted, becomes) = (decode(wanted), decode(becomes));
        let mut browser = browser(&broker);
        let host = url::Url::parse(&becomes).expect("an address");
        browser.reach(host.host_str().expect("a host"), broker.address);
        browser
            .visit("https://app.example.com/oauth2/sign_in?rd=/")
            .await;
        let url = format!(
            "https://app.example.com/oauth2/sign_out?rd={}",
            encoded(&wanted)
        );
        let page = browser.visit(&url).await;
        let last = page.chain.last().expect("a redirect");
        assert_eq!(last.url.path(), "/signed-out", "{wanted:?}");
        assert_eq!(values(&last.headers, "location"), [becomes], "{wanted:?}");
    }
}
