//! People are looked at again while they are signed in: their provider's tokens are refreshed, and what it says of
//! them now counts.

mod admission;
mod continuity;
mod handed;
mod hands;
mod revocation;
mod trouble;

use std::time::Duration;

use http::StatusCode;

use crate::support::audit;
use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::browser::{Browser, Page};
use crate::support::nodes::{BOARD, WIKI};
use crate::support::provider::{Endpoint, RefreshTokens, UserinfoFault};
use crate::support::tampering::Database;

/// The usual configuration, and acme's people are looked at every ten minutes.
pub(crate) fn configuration() -> String {
    let wanted = "groups_claim = \"groups\"\nrefresh = true\nrecheck_after = \"10m\"";
    CONFIGURATION.replacen("groups_claim = \"groups\"", wanted, 1)
}

pub(crate) fn setup() -> Setup {
    Setup {
        configuration: configuration(),
        ..Setup::default()
    }
}

pub(crate) const TEN_MINUTES: Duration = Duration::from_mins(10);

/// A broker, and a browser that is signed in at both apps of acme.
async fn signed_in() -> (Broker, Browser) {
    let broker = Broker::with(setup()).await;
    let browser = signs_in(&broker).await;
    (broker, browser)
}

async fn signs_in(broker: &Broker) -> Browser {
    let mut browser = broker.browser();
    for app in [WIKI, BOARD] {
        broker.sign_in(&mut browser, app, "/").await;
        let check = broker.check(&browser, "GET", app, "/").await;
        assert_eq!(check.status, StatusCode::ACCEPTED);
    }
    browser
}

/// Somebody uses the wiki when so much time has passed, and what that sets going is done. Gives the answer to a second
/// use.
pub(crate) async fn used_after(broker: &Broker, browser: &Browser, time: Duration) -> Page {
    broker.advance(time).await;
    broker.check(browser, "GET", WIKI, "/").await;
    settled(broker).await;
    broker.check(browser, "GET", WIKI, "/").await
}

/// What is due is done, and told.
pub(crate) async fn settled(broker: &Broker) {
    broker.door.upkeep().await;
    broker.door.looked_at_people().await;
    broker.door.upkeep().await;
}

/// From now on a refresh brings no new ID token.
fn without_id_tokens(broker: &Broker) {
    broker.provider.configure(|settings| {
        settings.refresh = RefreshTokens {
            with_id_token: false,
            ..RefreshTokens::default()
        };
    });
}

/// How often tokens were refreshed.
fn refreshes(broker: &Broker) -> usize {
    let requests = broker.provider.requests();
    let refreshes = requests
        .iter()
        .filter(|it| it.form("grant_type") == Some("refresh_token"));
    refreshes.count()
}

fn ended() -> Vec<audit::Line> {
    let mut lines = audit::here();
    lines.retain(|line| line.event() == "session_ended");
    lines
}

async fn rows_of_tokens(broker: &Broker) -> i64 {
    let mut database = Database::of(broker).await;
    let rows = database.rows("upstream_tokens").await;
    database.close().await;
    rows
}

#[tokio::test]
async fn somebody_in_use_is_looked_at_ahead_of_the_expiry() {
    let (broker, browser) = signed_in().await;
    let authorize = broker
        .provider
        .last(Endpoint::Authorize)
        .expect("a request");
    let scope = authorize.query("scope").expect("a scope");
    assert!(scope.ends_with(" offline_access"), "{scope}");
    let early = used_after(&broker, &browser, Duration::from_mins(8)).await;
    assert_eq!(
        (early.status, refreshes(&broker)),
        (StatusCode::ACCEPTED, 0)
    );
    let late = used_after(&broker, &browser, Duration::from_mins(2)).await;
    assert_eq!((late.status, refreshes(&broker)), (StatusCode::ACCEPTED, 1));
    broker
        .provider
        .configure(|settings| settings.access_token_lifetime = 300);
    used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(refreshes(&broker), 2);
    used_after(&broker, &browser, Duration::from_secs(200)).await;
    assert_eq!(refreshes(&broker), 2);
    used_after(&broker, &browser, Duration::from_secs(40)).await;
    assert_eq!(refreshes(&broker), 3, "a fifth ahead of the expiry");
    assert!(ended().is_empty());
}

/// Who has gone away is not looked at for ever.
#[tokio::test]
async fn an_abandoned_session_is_left_alone() {
    let (broker, browser) = signed_in().await;
    for _ in 0..5 {
        broker.advance(TEN_MINUTES).await;
        settled(&broker).await;
    }
    assert_eq!(refreshes(&broker), 0);
    broker.check(&browser, "GET", WIKI, "/").await;
    settled(&broker).await;
    assert_eq!(refreshes(&broker), 1, "its first use is noticed");
}

#[tokio::test]
async fn without_the_setting_nothing_is_asked_for_and_nothing_is_kept() {
    let broker = Broker::start().await;
    let browser = signs_in(&broker).await;
    let authorize = broker
        .provider
        .last(Endpoint::Authorize)
        .expect("a request");
    let scope = authorize.query("scope").expect("a scope");
    assert!(!scope.contains("offline_access"), "{scope}");
    assert_eq!(rows_of_tokens(&broker).await, 0);
    used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(refreshes(&broker), 0);
}

/// All app sessions hear of other groups, another name and another address.
#[tokio::test]
async fn what_the_provider_says_now_counts_at_every_app() {
    let (broker, browser) = signed_in().await;
    let admin = broker.check(&browser, "GET", BOARD, "/admin").await;
    assert_eq!(admin.status, StatusCode::FORBIDDEN);
    broker.provider.person("ada", |ada| {
        ada.groups = vec!["admins".into()];
        ada.username = "ada".into();
        ada.email = Some("ada@new.example.com".into());
    });
    let wiki = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(wiki.header("x-auth-request-groups"), "admins");
    assert_eq!(wiki.header("x-auth-request-email"), "ada@new.example.com");
    let admin = broker.check(&browser, "GET", BOARD, "/admin").await;
    assert_eq!(admin.status, StatusCode::ACCEPTED);
    assert_eq!(admin.header("x-auth-request-groups"), "admins");
    let changed = audit::here();
    assert!(changed.iter().any(|line| line.event() == "person_changed"));
    broker.provider.person("ada", |ada| ada.groups.clear());
    used_after(&broker, &browser, TEN_MINUTES).await;
    let admin = broker.check(&browser, "GET", BOARD, "/admin").await;
    assert_eq!(
        admin.status,
        StatusCode::FORBIDDEN,
        "groups are taken away, too"
    );
}

#[tokio::test]
async fn a_new_refresh_token_takes_the_place_of_the_old_one() {
    let (broker, browser) = signed_in().await;
    let mut used = Vec::new();
    for _ in 0..3 {
        let check = used_after(&broker, &browser, TEN_MINUTES).await;
        assert_eq!(check.status, StatusCode::ACCEPTED);
        let last = broker.provider.last(Endpoint::Token).expect("a refresh");
        used.push(last.form("refresh_token").expect("a token").to_owned());
    }
    used.dedup();
    assert_eq!(used.len(), 3, "each is used once");
    assert_eq!(broker.provider.reused_refresh_tokens(), 0);
}

/// Google and Cognito answer without one.
#[tokio::test]
async fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    let (broker, browser) = signed_in().await;
    broker
        .provider
        .configure(|settings| settings.refresh.rotates = false);
    let mut used = Vec::new();
    for _ in 0..3 {
        used_after(&broker, &browser, TEN_MINUTES).await;
        let last = broker.provider.last(Endpoint::Token).expect("a refresh");
        used.push(last.form("refresh_token").expect("a token").to_owned());
    }
    assert_eq!(refreshes(&broker), 3);
    used.dedup();
    assert_eq!(used.len(), 1);
}

/// Without a new ID token its old claims hold, and userinfo says what has changed.
#[tokio::test]
async fn a_refresh_without_an_id_token_asks_userinfo() {
    let (broker, browser) = signed_in().await;
    without_id_tokens(&broker);
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["new".into()]);
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.header("x-auth-request-groups"), "new");
    assert_eq!(check.header("x-auth-request-email"), "ada@example.com");
    broker.provider.set(UserinfoFault::OtherSubject);
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::UNAUTHORIZED);
}

/// An answer that speaks of nobody says nothing of the person.
#[tokio::test]
async fn a41_userinfo_of_another_shape_ends_nothing() {
    let (broker, browser) = signed_in().await;
    without_id_tokens(&broker);
    broker.provider.set(UserinfoFault::NoSubject);
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    assert_eq!(ended().len(), 0);
}

/// An address and its flag are one statement: the flag of an older token does not vouch for a newer address.
#[tokio::test]
async fn t12_an_older_flag_does_not_vouch_for_a_newer_address() {
    let (broker, browser) = signed_in().await;
    without_id_tokens(&broker);
    broker
        .provider
        .person("ada", |ada| ada.email = Some("ceo@example.com".into()));
    broker
        .provider
        .set(UserinfoFault::Without("email_verified"));
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    assert_eq!(check.header("x-auth-request-email"), "");
}

/// A provider that gave no refresh token is asked with the access token, as long as that lives.
#[tokio::test]
async fn without_a_refresh_token_the_access_token_has_to_do() {
    let broker = Broker::with(setup()).await;
    broker
        .provider
        .configure(|settings| settings.refresh.scope = "never");
    let browser = signs_in(&broker).await;
    let told = audit::here();
    assert!(told.iter().any(|line| line.event() == "no_refresh_token"));
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["new".into()]);
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.header("x-auth-request-groups"), "new");
    assert_eq!(broker.provider.count(Endpoint::Userinfo), 1);
    broker.provider.withdraw();
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::UNAUTHORIZED, "it was withdrawn");
    assert_eq!(ended().len(), 1);
}

/// Once it has expired there is nothing to ask with: that is found out once, told, and the session goes on.
#[tokio::test]
async fn an_expired_access_token_without_a_refresh_token_is_looked_at_once() {
    let broker = Broker::with(setup()).await;
    broker.provider.configure(|settings| {
        settings.refresh.scope = "never";
        settings.access_token_lifetime = 1200;
    });
    let browser = signs_in(&broker).await;
    used_after(&broker, &browser, Duration::from_mins(30)).await;
    let given_up = || {
        let mut lines = audit::here();
        lines.retain(|line| line.event() == "refresh_ended");
        lines.len()
    };
    assert_eq!(given_up(), 1);
    for _ in 0..3 {
        let check = used_after(&broker, &browser, Duration::from_mins(15)).await;
        assert_eq!(check.status, StatusCode::ACCEPTED);
    }
    let mut lines = audit::everything_here();
    lines.retain(|line| !line.field("failures").is_empty());
    assert_eq!((given_up(), lines.len()), (1, 0));
    assert_eq!(broker.provider.count(Endpoint::Userinfo), 0);
    assert!(ended().is_empty());
}

#[tokio::test]
async fn a_restart_loses_nothing() {
    let (broker, browser) = signed_in().await;
    used_after(&broker, &browser, TEN_MINUTES).await;
    let broker = broker.restart(setup()).await;
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["new".into()]);
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.header("x-auth-request-groups"), "new");
    assert_eq!(refreshes(&broker), 2);
    assert_eq!(broker.provider.reused_refresh_tokens(), 0);
}

#[tokio::test]
async fn a36_tokens_are_in_no_file_and_no_log_line() {
    let (broker, browser) = signed_in().await;
    used_after(&broker, &browser, TEN_MINUTES).await;
    let mut database = Database::of(&broker).await;
    assert_eq!(database.rows("upstream_tokens").await, 1);
    database.run("PRAGMA wal_checkpoint(TRUNCATE)").await;
    database.close().await;
    let file = std::fs::read(broker.folder.path().join("doorward.db")).expect("a file");
    let contains = |wanted: &str| {
        let wanted = wanted.as_bytes();
        file.windows(wanted.len()).any(|part| part == wanted)
    };
    assert!(contains("subject-of-ada"), "it is really looked at");
    let lines = format!("{:?}", audit::everything_here());
    for secret in ["access-token-0", "refresh-token-0", "eyJhbGciOi"] {
        assert!(!contains(secret), "{secret}");
        assert!(!lines.contains(secret), "{secret}");
    }
}
