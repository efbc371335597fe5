//! Tokens of sessions that have ended are revoked at the provider (RFC 7009), and nobody waits for it.

use rstest::rstest;

use super::*;
use crate::login::{signs_in_at_second, signs_out, with_second_provider};
use crate::support::nodes::{ACME, Node, app_cookie, check};
use crate::support::provider::{CLIENT_ID, DiscoveryFault, Trouble};

fn told(event: &str) -> usize {
    let lines = audit::here();
    lines.iter().filter(|line| line.event() == event).count()
}

#[tokio::test]
async fn a_sign_out_revokes_the_tokens() {
    let (broker, mut browser) = signed_in().await;
    used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(broker.provider.live_refresh_tokens(), 1);
    browser.visit(&broker.url(WIKI, "/oauth2/sign_out")).await;
    settled(&broker).await;
    assert_eq!(broker.provider.count(Endpoint::Revoke), 1);
    let request = broker.provider.last(Endpoint::Revoke).expect("a request");
    assert_eq!(request.form("token_type_hint"), Some("refresh_token"));
    assert_eq!(broker.provider.live_refresh_tokens(), 0);
    assert_eq!(rows_of_tokens(&broker).await, 0);
    assert_eq!((told("tokens_revoked"), told("tokens_not_revoked")), (1, 0));
    settled(&broker).await;
    assert_eq!(broker.provider.count(Endpoint::Revoke), 1, "once");
}

#[tokio::test]
async fn sessions_that_were_ended_from_another_one_are_revoked_too() {
    let (broker, _lost) = signed_in().await;
    let mut own = broker.browser();
    broker.sign_in(&mut own, WIKI, "/").await;
    assert_eq!(broker.provider.live_refresh_tokens(), 2);
    let page = own.open(&broker.url(ACME, "/sessions")).await;
    own.submit(&page.form("/sessions/end-others"), &[]).await;
    settled(&broker).await;
    assert_eq!(broker.provider.live_refresh_tokens(), 1);
    let check = used_after(&broker, &own, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    assert_eq!(refreshes(&broker), 1, "one's own are as they were");
}

/// One process of two takes them, and tells the provider once.
#[tokio::test]
async fn two_processes_revoke_once() {
    let (first, mut browser) = signed_in().await;
    let second = Node::beside_with(&first, &configuration()).await;
    browser.visit(&first.url(WIKI, "/oauth2/sign_out")).await;
    for node in [&first, &second.broker, &first] {
        settled(node).await;
    }
    assert_eq!(first.provider.count(Endpoint::Revoke), 1);
}

/// The person is signed out at once, whatever the provider does.
#[rstest]
#[case::slow(Trouble::Held)]
#[case::broken(Trouble::Status(503))]
#[case::refusing(Trouble::Status(400))]
#[case::dead(Trouble::HangUp)]
#[tokio::test]
async fn a_sign_out_neither_waits_nor_fails(#[case] trouble: Trouble) {
    let broker = Broker::with(Setup {
        provider_deadline: Duration::from_millis(500),
        ..setup()
    })
    .await;
    let mut browser = signs_in(&broker).await;
    let kept = app_cookie(&broker, &browser, WIKI);
    broker.provider.trouble(Endpoint::Revoke, trouble);
    browser.visit(&broker.url(WIKI, "/oauth2/sign_out")).await;
    assert_eq!(
        check(&broker, WIKI, "/", &kept).await,
        StatusCode::UNAUTHORIZED
    );
    settled(&broker).await;
    assert_eq!((told("tokens_revoked"), told("tokens_not_revoked")), (0, 1));
    broker.provider.behave();
    settled(&broker).await;
    assert_eq!(
        broker.provider.count(Endpoint::Revoke),
        1,
        "it was tried once"
    );
}

#[tokio::test]
async fn a_provider_without_an_endpoint_is_told_nothing() {
    let broker = Broker::with(setup()).await;
    broker
        .provider
        .set(DiscoveryFault::Without("revocation_endpoint"));
    let mut browser = signs_in(&broker).await;
    browser.visit(&broker.url(WIKI, "/oauth2/sign_out")).await;
    settled(&broker).await;
    assert_eq!((told("tokens_revoked"), told("tokens_not_revoked")), (0, 0));
    assert_eq!(rows_of_tokens(&broker).await, 0);
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let off = "recheck_after = \"10m\"\nrevoke_tokens = false";
    let broker = Broker::with(Setup {
        configuration: configuration().replacen("recheck_after = \"10m\"", off, 1),
        ..setup()
    })
    .await;
    let mut browser = signs_in(&broker).await;
    browser.visit(&broker.url(WIKI, "/oauth2/sign_out")).await;
    settled(&broker).await;
    assert_eq!(broker.provider.count(Endpoint::Revoke), 0);
    assert_eq!(
        rows_of_tokens(&broker).await,
        0,
        "they are forgotten all the same"
    );
}

/// New tokens that come when their session has ended are revoked as well: with the old ones dead, nobody else could.
#[tokio::test]
async fn t25_what_comes_too_late_is_revoked() {
    let (broker, mut browser) = signed_in().await;
    broker.provider.trouble(Endpoint::Token, Trouble::Held);
    broker.advance(TEN_MINUTES).await;
    broker.check(&browser, "GET", WIKI, "/").await;
    broker.door.upkeep().await;
    broker.provider.until_waiting(Endpoint::Token, 1).await;
    // The old one is told in vain.
    broker.provider.trouble(Endpoint::Revoke, Trouble::HangUp);
    browser.visit(&broker.url(WIKI, "/oauth2/sign_out")).await;
    broker.door.upkeep().await;
    broker.provider.until_asked(Endpoint::Revoke, 1).await;
    broker.provider.behave();
    broker.door.looked_at_people().await;
    assert_eq!(broker.provider.count(Endpoint::Revoke), 2);
    assert_eq!(broker.provider.live_refresh_tokens(), 0);
}

/// Where there are two providers, the person says which.
pub(super) async fn signs_in_at_main(broker: &Broker) -> Browser {
    let mut browser = broker.browser();
    browser.visit(&broker.url(ACME, "/login/main")).await;
    broker.sign_in(&mut browser, WIKI, "/").await;
    let check = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    browser
}

/// A provider that hangs is waited for by nobody whose provider is another one.
#[tokio::test]
async fn a_slow_provider_holds_up_no_others_revocations() {
    let settings = "preset = \"oidc\"\nissuer = \"{second}\"\nrefresh = true";
    let (broker, second) = with_second_provider(settings, setup()).await;
    let mut slow = signs_in_at_main(&broker).await;
    let mut other = broker.browser();
    signs_in_at_second(&broker, &mut other).await;
    broker.provider.trouble(Endpoint::Revoke, Trouble::Held);
    slow.visit(&broker.url(WIKI, "/oauth2/sign_out")).await;
    broker.door.upkeep().await;
    broker.provider.until_waiting(Endpoint::Revoke, 1).await;
    signs_out(&broker, &mut other).await;
    broker.door.upkeep().await;
    second.until_asked(Endpoint::Revoke, 1).await;
    assert_eq!(broker.provider.waiting(Endpoint::Revoke), 1);
    broker.provider.behave();
    settled(&broker).await;
    assert_eq!((told("tokens_revoked"), told("tokens_not_revoked")), (2, 0));
}

/// GitHub wants DELETE, the access token, and its client in the path and by basic authentication.
#[tokio::test]
async fn githubs_own_way() {
    let settings = "preset = \"github\"\nhost = \"{second_host}\"\nrefresh = true";
    let (broker, github) = with_second_provider(settings, Setup::default()).await;
    let mut browser = broker.browser();
    signs_in_at_second(&broker, &mut browser).await;
    signs_out(&broker, &mut browser).await;
    settled(&broker).await;
    let request = github.last(Endpoint::Revoke).expect("a request");
    let path = format!("/api/v3/applications/{CLIENT_ID}/token");
    assert_eq!(request.path, path);
    assert_eq!(request.method, http::Method::DELETE);
    assert_eq!((told("tokens_revoked"), told("tokens_not_revoked")), (1, 0));
}

/// Where more would end than what is ours, the operator has to want it.
#[rstest]
#[case::not_by_itself("", 0)]
#[case::wanted("revoke_tokens = true", 1)]
#[tokio::test]
async fn a_whole_grant_is_revoked_only_where_that_is_wanted(
    #[case] wanted: &str,
    #[case] expected: usize,
) {
    let settings =
        format!("preset = \"auth0\"\ndomain = \"{{second_host}}\"\nrefresh = true\n{wanted}");
    let (broker, auth0) = with_second_provider(&settings, Setup::default()).await;
    auth0.configure(|settings| settings.issuer.push('/'));
    let mut browser = broker.browser();
    signs_in_at_second(&broker, &mut browser).await;
    signs_out(&broker, &mut browser).await;
    settled(&broker).await;
    assert_eq!(auth0.count(Endpoint::Revoke), expected);
}
