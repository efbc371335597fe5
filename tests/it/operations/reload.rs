//! The configuration read again while people are signed in.

use std::fs;
use std::os::unix::fs::symlink;

use doorward::cli::reload::Trigger;
use http::StatusCode;
use rstest::rstest;

use crate::support::audit;
use crate::support::broker::Broker;
use crate::support::browser::Browser;
use crate::support::nodes::{ACME, BOARD, GLOBEX_WIKI, WIKI};
use crate::support::provider::{Endpoint, Trouble};

const OPEN: &str = "hide_cookies = true\nallow = { signed_in = true }";
const CLOSED: &str = "hide_cookies = true\nallow = { groups = [\"nobody\"] }";

async fn at_the_wiki(broker: &Broker, browser: &Browser) -> StatusCode {
    broker.check(browser, "GET", WIKI, "/").await.status
}

async fn signed_in(broker: &Broker) -> Browser {
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    assert_eq!(at_the_wiki(broker, &browser).await, StatusCode::ACCEPTED);
    browser
}

/// The one audit line about the configuration, so far.
fn told() -> audit::Line {
    let mut lines = audit::here();
    lines.retain(|line| line.event().starts_with("configuration_"));
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.remove(0)
}

#[tokio::test]
async fn the_next_request_sees_the_new_rules_and_nobody_is_signed_out() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker).await;
    broker.edit(|text| text.replacen(OPEN, CLOSED, 1));
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::ACCEPTED);
    broker.reload().await.expect("right");
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::FORBIDDEN);
    broker.edit(|text| text.replacen(CLOSED, OPEN, 1));
    broker.reload().await.expect("right");
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::ACCEPTED);
}

/// What was made ready for a session is made anew.
#[tokio::test]
async fn the_next_answer_has_the_new_headers() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker).await;
    let headers = format!("{OPEN}\nidentity_headers = {{ X-Person = \"user\" }}");
    broker.edit(|text| text.replacen(OPEN, &headers, 1));
    broker.reload().await.expect("right");
    let answer = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(answer.header("x-person").len(), 32);
    assert_eq!(answer.header("x-auth-request-user"), "");
}

#[tokio::test]
async fn a_reload_is_told() {
    let broker = Broker::start().await;
    broker.reload().await.expect("right");
    let line = told();
    assert_eq!(line.event(), "configuration_reloaded");
    assert_eq!(line.field("trigger"), "signal");
    assert_eq!(line.field("version"), "2");
    assert_eq!(line.field("tenants"), "3");
    let metrics = broker.browser().visit(&broker.url(ACME, "/metrics")).await;
    let counted = "doorward_reloads_total{outcome=\"applied\"}";
    assert!(metrics.html().contains(counted), "{}", metrics.html());
}

/// What presets and other tenants show to be wrong stands in one list with what the file itself does.
#[tokio::test]
async fn a_file_with_faults_of_several_kinds_is_refused_with_all_of_them() {
    let broker = Broker::start().await;
    broker.edit(|text| {
        text.replacen("preset = \"oidc\"", "preset = \"oidcc\"", 1)
            .replacen("hide_cookies = true", "hide_cookies = 1", 1)
    });
    let faults = broker.reload().await.expect_err("wrong").to_string();
    assert!(faults.contains("there is no preset `oidcc`"), "{faults}");
    assert!(faults.contains("`hide_cookies` is `true`"), "{faults}");
    let line = told();
    assert_eq!(line.event(), "configuration_refused");
    assert_eq!(line.field("faults"), "2");
}

/// Cut anywhere, the file is refused whole, or, where what is there is a configuration by itself, it is not
/// one that anybody finds half of: those cuts are what standing still is for.
#[rstest]
#[case::in_a_word("client_secr")]
#[case::in_quotes("name = \"Wik")]
#[case::before_the_rules("hosts = [\"board.acme")]
#[case::before_the_providers("id = \"globex\"\n")]
#[case::at_once("[server]\n")]
#[tokio::test]
async fn a_half_written_file_changes_nothing_and_says_why(#[case] last: &str) {
    let broker = Broker::start().await;
    let browser = signed_in(&broker).await;
    broker.edit(|text| {
        let text = text.replacen(OPEN, CLOSED, 1);
        let end = text.find(last).expect("there") + last.len();
        text[..end].to_owned()
    });
    let faults = broker.reload().await.expect_err("half a file");
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::ACCEPTED);
    let line = told();
    assert_eq!(line.event(), "configuration_refused");
    assert_eq!(line.field("faults"), faults.count().to_string());
    assert!(line.field("reason").contains("doorward.toml"), "{line:?}");
    let metrics = broker.browser().visit(&broker.url(ACME, "/metrics")).await;
    let counted = "doorward_reloads_total{outcome=\"refused\"}";
    assert!(metrics.html().contains(counted), "{}", metrics.html());
}

#[rstest]
#[case::misspelt("hide_cookies", "hide_cookie", "did you mean `hide_cookies`?")]
#[case::secret_that_is_gone("env = \"CLIENT_SECRET\"", "env = \"GONE\"", "`GONE` is not set")]
#[case::secret_file(
    "{ env = \"CLIENT_SECRET\" }",
    "{ file = \"gone\" }",
    "the file of `client_secret` cannot be read"
)]
#[case::clash("wiki.globex.localhost", "wiki.acme.localhost", "overlaps with")]
#[case::preset("preset = \"oidc\"", "preset = \"odic\"", "there is no preset `odic`")]
#[case::key(
    "env = \"SEALING_KEY\"",
    "env = \"CLIENT_SECRET\"",
    "32 bytes in base64"
)]
#[tokio::test]
async fn a_wrong_file_changes_nothing(
    #[case] what: &str,
    #[case] by: &str,
    #[case] expected: &str,
) {
    let broker = Broker::start().await;
    let browser = signed_in(&broker).await;
    broker.edit(|text| text.replacen(OPEN, CLOSED, 1).replacen(what, by, 1));
    let faults = broker.reload().await.expect_err("wrong");
    assert!(faults.to_string().contains(expected), "{faults}");
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::ACCEPTED);
    assert_eq!(told().event(), "configuration_refused");
}

#[tokio::test]
async fn a_file_that_is_gone_changes_nothing() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker).await;
    fs::remove_file(broker.file()).expect("removed");
    let faults = broker.reload().await.expect_err("gone");
    assert!(faults.to_string().contains("cannot be read"), "{faults}");
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::ACCEPTED);
}

/// What runs is always one whole file: a change that needs a restart holds back all the others.
#[rstest]
#[case::listen(
    "listen = \"127.0.0.1:0\"",
    "listen = \"127.0.0.1:9\"",
    "`listen` of [server]"
)]
#[case::listen_left_out("listen = \"127.0.0.1:0\"", "", "`listen` of [server]")]
#[case::prefix(
    "development = true",
    "development = true\nprefix = \"/sso\"",
    "`prefix` of [server]"
)]
#[case::store(
    "sqlite = \"doorward.db\"",
    "sqlite = \"other.db\"",
    "`sqlite` of [storage]"
)]
#[case::operations(
    "[sessions]",
    "[operations]\nlisten = \"127.0.0.1:9\"\n[sessions]",
    "`listen` of [operations]"
)]
#[case::level(
    "[sessions]",
    "[logging]\nlevel = \"debug\"\n[sessions]",
    "`level` of [logging]"
)]
#[tokio::test]
async fn what_needs_a_restart_is_refused_with_the_rest(
    #[case] what: &str,
    #[case] by: &str,
    #[case] expected: &str,
) {
    let broker = Broker::start().await;
    let browser = signed_in(&broker).await;
    broker.edit(|text| {
        let text = text.replacen(OPEN, CLOSED, 1).replacen(what, by, 1);
        let prefix = if by.contains("/sso") {
            "/sso\""
        } else {
            "/oauth2\""
        };
        text.replace("/oauth2\"", prefix)
    });
    let faults = broker.reload().await.expect_err("a restart");
    assert!(faults.to_string().contains(expected), "{faults}");
    assert_eq!(faults.count(), 1, "{faults}");
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::ACCEPTED);
    assert_eq!(told().event(), "configuration_refused");
}

/// A default written out is no change.
#[tokio::test]
async fn a_default_may_be_written_down() {
    let broker = Broker::start().await;
    broker.edit(|text| {
        text.replacen(
            "[sessions]",
            "[logging]\nlevel = \"info\"\nformat = \"pretty\"\n[sessions]",
            1,
        )
    });
    broker.reload().await.expect("the same");
}

#[tokio::test]
async fn whom_we_believe_changes_with_the_rest() {
    let broker = Broker::start().await;
    let browser = broker.browser();
    let before = broker.check(&browser, "GET", BOARD, "/public").await;
    assert_eq!(before.status, StatusCode::ACCEPTED);
    broker.edit(|text| text.replacen("127.0.0.1/32", "192.0.2.0/24", 1));
    broker.reload().await.expect("right");
    // Nobody tells the path any more, and this app has rules about it.
    let after = broker.check(&browser, "GET", BOARD, "/public").await;
    assert_eq!(after.status, StatusCode::FORBIDDEN);
}

/// A login that waits at the provider while the sealing keys are rotated comes back to what it began with.
#[tokio::test]
async fn sealing_keys_rotate_without_signing_anybody_out() {
    let broker = Broker::start().await;
    let signed_in = signed_in(&broker).await;
    let old = "sealing_keys = [{ env = \"SEALING_KEY\" }]";
    let both = "sealing_keys = [{ env = \"NEXT_SEALING_KEY\" }, { env = \"SEALING_KEY\" }]";
    let new = "sealing_keys = [{ env = \"NEXT_SEALING_KEY\" }]";

    let mut waiting = broker.browser();
    let at_provider = up_to_provider(&broker, &mut waiting).await;
    broker.edit(|text| text.replacen(old, both, 1));
    broker.reload().await.expect("right");
    waiting.visit(&at_provider).await;
    assert_eq!(at_the_wiki(&broker, &waiting).await, StatusCode::ACCEPTED);

    // What begins now is sealed with the new key, so that it survives the end of the old one.
    let mut next = broker.browser();
    let at_provider = up_to_provider(&broker, &mut next).await;
    broker.edit(|text| text.replacen(both, new, 1));
    broker.reload().await.expect("right");
    next.visit(&at_provider).await;
    assert_eq!(at_the_wiki(&broker, &next).await, StatusCode::ACCEPTED);
    assert_eq!(at_the_wiki(&broker, &signed_in).await, StatusCode::ACCEPTED);
}

/// Where the provider would be asked to sign the person in.
async fn up_to_provider(broker: &Broker, browser: &mut Browser) -> String {
    let mut page = browser.open(&broker.sign_in_url(WIKI, "/")).await;
    while let Some(next) = page.location() {
        if next.as_str().starts_with(broker.provider.base()) {
            return next.into();
        }
        page = browser.step(&page).await;
    }
    panic!("never at the provider: {}", page.url);
}

/// A request keeps the configuration that it began with, to its end.
#[tokio::test]
async fn a_login_under_way_ends_as_it_began() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let at_provider = up_to_provider(&broker, &mut browser).await;
    broker.provider.trouble(Endpoint::Token, Trouble::Held);
    let visit = browser.visit(&at_provider);
    let change = async {
        broker.provider.until_waiting(Endpoint::Token, 1).await;
        // The tenant is renamed, and its provider with it.
        broker.edit(|text| {
            text.replacen("id = \"main\"", "id = \"other\"", 1)
                .replacen("name = \"Acme ID\"", "name = \"Other ID\"", 1)
        });
        broker.reload().await.expect("right");
        broker.provider.release(Endpoint::Token);
    };
    let (page, ()) = tokio::join!(visit, change);
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"), "{}", page.text());
    // It has its session; nobody vouches for that until the provider is back.
    broker.edit(|text| text.replacen("id = \"other\"", "id = \"main\"", 1));
    broker.reload().await.expect("right");
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::ACCEPTED);
}

/// Two looks have to see the same: who writes in two halves is not read between them.
#[tokio::test]
async fn a_changed_file_is_read_once_it_stands_still() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker).await;
    assert!(
        broker.reloader.look().await.is_none(),
        "nothing has changed"
    );
    let whole = fs::read_to_string(broker.file()).expect("a file");
    let whole = whole.replacen(OPEN, CLOSED, 1);
    let (first_half, _) = whole
        .split_once("[[tenants]]\nid = \"globex\"")
        .expect("there");
    fs::write(broker.file(), first_half).expect("written");
    assert!(broker.reloader.look().await.is_none(), "it may go on");
    fs::write(broker.file(), &whole).expect("written");
    assert!(broker.reloader.look().await.is_none(), "it did");
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::ACCEPTED);
    let read = broker.reloader.look().await.expect("it stands still");
    read.expect("right");
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::FORBIDDEN);
    assert_eq!(told().field("trigger"), "file");
    assert!(broker.reloader.look().await.is_none(), "it was read");
    // The second tenant was never away.
    let other = broker.check(&browser, "GET", GLOBEX_WIKI, "/").await;
    assert_eq!(other.status, StatusCode::UNAUTHORIZED);
}

/// A wrong file is told once, not each second, and a mended one is taken.
#[tokio::test]
async fn a_wrong_file_is_told_once_and_a_mended_one_is_taken() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker).await;
    let right = fs::read_to_string(broker.file()).expect("a file");
    fs::write(broker.file(), "no configuration").expect("written");
    let looks = [
        broker.reloader.look().await.is_none(),
        broker
            .reloader
            .look()
            .await
            .is_some_and(|read| read.is_err()),
        broker.reloader.look().await.is_none(),
        broker.reloader.look().await.is_none(),
    ];
    assert_eq!(looks, [true; 4]);
    assert_eq!(told().event(), "configuration_refused");
    fs::write(broker.file(), right.replacen(OPEN, CLOSED, 1)).expect("written");
    assert!(broker.reloader.look().await.is_none());
    broker.reloader.look().await.expect("read").expect("right");
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::FORBIDDEN);
}

/// A secret in a file is part of the configuration, also one that was missing at the last attempt.
#[tokio::test]
async fn a_file_that_is_named_counts_too() {
    let broker = Broker::start().await;
    let reference = "client_secret = { file = \"client-secret\" }";
    broker.edit(|text| text.replacen("client_secret = { env = \"CLIENT_SECRET\" }", reference, 1));
    broker.reload().await.expect_err("there is no such file");
    assert!(broker.reloader.look().await.is_none());
    fs::write(broker.folder.path().join("client-secret"), "other\n").expect("written");
    assert!(broker.reloader.look().await.is_none());
    broker.reloader.look().await.expect("read").expect("right");
    fs::write(broker.folder.path().join("client-secret"), "another\n").expect("written");
    assert!(broker.reloader.look().await.is_none());
    broker.reloader.look().await.expect("read").expect("right");
}

/// Editors put a new file in the place of the old one; Kubernetes swaps a link to the folder above.
#[tokio::test]
async fn a_file_that_is_replaced_is_a_changed_file() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker).await;
    let folder = broker.folder.path();
    let text = fs::read_to_string(broker.file()).expect("a file");
    let closed = text.replacen(OPEN, CLOSED, 1);

    fs::write(folder.join("new.toml"), &closed).expect("written");
    fs::rename(folder.join("new.toml"), broker.file()).expect("renamed");
    assert!(broker.reloader.look().await.is_none());
    broker.reloader.look().await.expect("read").expect("right");
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::FORBIDDEN);

    for (name, text) in [("..1", &closed), ("..2", &text)] {
        fs::create_dir(folder.join(name)).expect("a folder");
        fs::write(folder.join(name).join("doorward.toml"), text).expect("written");
    }
    symlink("..1", folder.join("..data")).expect("a link");
    symlink("..data/doorward.toml", folder.join("link")).expect("a link");
    fs::rename(folder.join("link"), broker.file()).expect("renamed");
    assert!(broker.reloader.look().await.is_none());
    broker.reloader.look().await.expect("read").expect("right");
    symlink("..2", folder.join("..data_tmp")).expect("a link");
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("swapped");
    assert!(broker.reloader.look().await.is_none());
    broker.reloader.look().await.expect("read").expect("right");
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn files_can_be_left_alone_until_somebody_says_so() {
    let broker = Broker::start().await;
    let browser = signed_in(&broker).await;
    broker.edit(|text| text.replacen("[server]", "[server]\nreload_on_change = false", 1));
    broker.reload().await.expect("right");
    broker.edit(|text| text.replacen(OPEN, CLOSED, 1));
    for _ in 0..3 {
        assert!(broker.reloader.look().await.is_none());
    }
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::ACCEPTED);
    broker
        .reloader
        .reload(Trigger::Signal)
        .await
        .expect("right");
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::FORBIDDEN);
}

/// A14: a provider that is taken out lets nobody in any more, neither into the app nor into the next one.
#[tokio::test]
async fn a14_a_provider_that_is_taken_out_vouches_for_nobody() {
    let broker = Broker::start().await;
    let mut browser = signed_in(&broker).await;
    broker.edit(|text| text.replacen("id = \"main\"", "id = \"other\"", 1));
    broker.reload().await.expect("right");
    assert_eq!(
        at_the_wiki(&broker, &browser).await,
        StatusCode::UNAUTHORIZED
    );
    let page = browser.open(&broker.sign_in_url(BOARD, "/")).await;
    assert!(!page.url.as_str().contains("ticket="), "{}", page.url);
    broker.edit(|text| text.replacen("id = \"other\"", "id = \"main\"", 1));
    broker.reload().await.expect("right");
    assert_eq!(at_the_wiki(&broker, &browser).await, StatusCode::ACCEPTED);
}
