//! Metadata and keys: slow, dead, huge, rotated, flooded.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::support::provider::{Endpoint, IdTokenFault, JwksFault, Trouble};

/// A broker whose patience with providers is short where it is needed. Real time: nothing else makes a
/// socket give up.
pub(crate) async fn impatient(trouble: &Trouble) -> Broker {
    let waits = matches!(trouble, Trouble::Held | Trouble::Stalled);
    Broker::with(Setup {
        provider_deadline: Duration::from_secs(if waits { 1 } else { 5 }),
        ..Setup::default()
    })
    .await
}

#[rstest]
#[case::slow(Trouble::Held, "1s")]
#[case::stalled(Trouble::Stalled, "1s")]
#[case::huge(Trouble::Huge(300 * 1024), "larger than")]
#[case::huge_in_chunks(Trouble::HugeInChunks(300 * 1024), "larger than")]
#[case::html(Trouble::Html(200), "")]
#[case::failing(Trouble::Status(500), "500")]
#[case::gone(Trouble::Status(404), "404")]
#[case::true_answer_of_a_failure(Trouble::AnswerWithStatus(500), "500")]
#[case::hang_up(Trouble::HangUp, "")]
#[case::cut_off(Trouble::CutOff, "")]
#[case::compressed(Trouble::ContentEncoding("gzip"), "gzip")]
#[case::nothing(Trouble::Text(String::new()), "")]
#[case::list(Trouble::Text("[]".into()), "")]
#[case::deep(Trouble::Text("[".repeat(100_000)), "")]
#[tokio::test]
async fn t04_a_discovery_document_that_cannot_be_had(
    #[case] trouble: Trouble,
    #[case] reason: &str,
) {
    let broker = impatient(&trouble).await;
    broker.provider.trouble(Endpoint::Discovery, trouble);
    let mut browser = broker.browser();
    let page = broker.sign_in(&mut browser, WIKI, "/deep").await;
    assert_page(&page, 502, UNREACHABLE);
    let line = audit::only(&page);
    assert_eq!(line.event(), "login_not_begun");
    assert!(
        line.field("reason").contains(reason),
        "{}",
        line.field("reason")
    );
    assert_eq!(broker.provider.count(Endpoint::Authorize), 0);
    // The way on keeps the target.
    broker.provider.behave();
    broker.advance(Duration::from_secs(60)).await;
    let page = browser.click(&page.link("Try again")).await;
    assert_eq!(
        page.url.as_str(),
        broker.url(WIKI, "/deep"),
        "{}",
        page.text()
    );
}

#[rstest]
#[case::slow(Trouble::Held)]
#[case::stalled(Trouble::Stalled)]
#[case::huge(Trouble::Huge(300 * 1024))]
#[case::html(Trouble::Html(200))]
#[case::failing(Trouble::Status(503))]
#[case::hang_up(Trouble::HangUp)]
#[case::cut_off(Trouble::CutOff)]
#[case::deep(Trouble::Text("[".repeat(100_000)))]
#[tokio::test]
async fn t04_keys_that_cannot_be_had(#[case] trouble: Trouble) {
    let broker = impatient(&trouble).await;
    broker.provider.trouble(Endpoint::Jwks, trouble);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(&broker, &browser, &page, (502, UNREACHABLE), "keys").await;
    broker.provider.behave();
    broker.advance(Duration::from_secs(60)).await;
    let page = browser.click(&page.link("Try again")).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"), "{}", page.text());
}

/// While one tenant's provider hangs, others sign in; and it hangs for nobody once its deadline is over.
#[rstest]
#[case::discovery(Endpoint::Discovery)]
#[case::token(Endpoint::Token)]
#[case::keys(Endpoint::Jwks)]
#[tokio::test]
async fn t04_a_slow_provider_slows_nobody_elses_login(#[case] endpoint: Endpoint) {
    let (broker, second) = with_second_provider(OIDC, Setup::default()).await;
    second.trouble(endpoint, Trouble::Held);
    let mut slow = broker.browser();
    let address = broker.url("acme.localhost", "/login/second");
    let waits = tokio::spawn(async move { slow.visit(&address).await });
    second.until_waiting(endpoint, 1).await;
    let mut quick = broker.browser();
    let page = quick
        .visit(&broker.url("acme.localhost", "/login/main"))
        .await;
    assert_eq!(page.url.path(), "/sessions", "{}", page.text());
    assert_eq!(second.waiting(endpoint), 1, "the other one still waits");
    second.release(endpoint);
    let page = waits.await.expect("a page");
    assert_eq!(page.url.path(), "/sessions", "{}", page.text());
}

/// A crowd at a hanging provider makes one request for its documents.
#[tokio::test]
async fn t04_a_crowd_fetches_once() {
    let broker = Broker::start().await;
    broker.provider.trouble(Endpoint::Discovery, Trouble::Held);
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (mut browser, url) = (broker.browser(), broker.sign_in_url(WIKI, "/"));
        crowd.spawn(async move { browser.visit(&url).await.url });
    }
    broker.provider.until_waiting(Endpoint::Discovery, 1).await;
    broker.provider.release(Endpoint::Discovery);
    while let Some(url) = crowd.join_next().await {
        assert_eq!(url.expect("a page").as_str(), broker.url(WIKI, "/"));
    }
    assert_eq!(broker.provider.count(Endpoint::Discovery), 1);
    assert_eq!(broker.provider.count(Endpoint::Jwks), 1);
}

#[tokio::test]
async fn a_provider_that_dies_while_somebody_is_there() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let callback = up_to_callback(&broker, &mut browser, WIKI).await;
    broker.provider.down().await;
    let page = browser.open(callback.as_str()).await;
    assert_refused(
        &broker,
        &browser,
        &page,
        (502, UNREACHABLE),
        "cannot be reached",
    )
    .await;
    broker.provider.up().await;
    let page = browser.click(&page.link("Try again")).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"), "{}", page.text());
}

#[tokio::test]
async fn a_dead_provider_ends_no_session() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    assert_signs_in(&broker, &mut browser).await;
    broker.provider.down().await;
    broker.advance(Duration::from_secs(30 * 60)).await;
    let check = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    let page = broker.sign_in(&mut browser, BOARD, "/").await;
    assert_eq!(page.url.as_str(), broker.url(BOARD, "/"));
}

#[tokio::test]
async fn a_key_rotated_a_second_after_a_login_is_found_at_the_next() {
    let broker = Broker::start().await;
    assert_signs_in(&broker, &mut broker.browser()).await;
    broker.provider.rotate();
    broker.advance(Duration::from_secs(1)).await;
    assert_signs_in(&broker, &mut broker.browser()).await;
    assert_eq!(broker.provider.count(Endpoint::Jwks), 2);
    // And the old key is no key any more.
    broker.provider.set(IdTokenFault::SignedByRetiredKey);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(&broker, &browser, &page, (400, NOT_TRUSTED), "").await;
}

#[tokio::test]
async fn a_key_that_was_announced_costs_no_fetch() {
    let broker = Broker::start().await;
    broker.provider.announce_next_key();
    assert_signs_in(&broker, &mut broker.browser()).await;
    broker.provider.rotate();
    assert_signs_in(&broker, &mut broker.browser()).await;
    assert_eq!(broker.provider.count(Endpoint::Jwks), 1);
}

#[rstest]
#[case::failing(Trouble::Status(500))]
#[case::html(Trouble::Html(200))]
#[case::empty_answer(Trouble::Text(String::new()))]
#[case::cut_off(Trouble::CutOff)]
#[tokio::test]
async fn t04_the_last_good_keys_are_kept_through_an_outage(#[case] trouble: Trouble) {
    let broker = Broker::start().await;
    assert_signs_in(&broker, &mut broker.browser()).await;
    broker.provider.trouble(Endpoint::Jwks, trouble.clone());
    broker.provider.trouble(Endpoint::Discovery, trouble);
    // Far beyond `max-age`.
    broker.advance(Duration::from_secs(5 * 3600)).await;
    assert_signs_in(&broker, &mut broker.browser()).await;
    assert!(
        broker.provider.count(Endpoint::Jwks) > 1,
        "it was asked again"
    );
}

#[rstest]
#[case::broken_among_good(JwksFault::BrokenKeyAmongGoodOnes)]
#[case::encryption_first(JwksFault::EncryptionKeysFirst)]
#[case::without_algorithm(JwksFault::WithoutAlgorithm)]
#[case::without_use(JwksFault::WithoutUse)]
#[case::up_to_a_hundred(JwksFault::ManyKeys(100))]
#[tokio::test]
async fn a42_one_bad_key_breaks_nothing(#[case] fault: JwksFault) {
    let broker = Broker::start().await;
    broker.provider.set(fault);
    assert_signs_in(&broker, &mut broker.browser()).await;
}

#[tokio::test]
async fn keys_and_tokens_without_names_fit_where_there_is_one() {
    let broker = Broker::start().await;
    broker.provider.set(JwksFault::WithoutKid);
    broker.provider.set(IdTokenFault::NoKid);
    assert_signs_in(&broker, &mut broker.browser()).await;
    // Nobody can tell from names that the key has changed.
    broker.provider.rotate();
    assert_signs_in(&broker, &mut broker.browser()).await;
}

#[rstest]
#[case::empty(JwksFault::Empty)]
#[case::no_keys(JwksFault::NoKeys)]
#[case::strangers_key_of_the_same_name(JwksFault::DuplicateKid)]
#[case::stale(JwksFault::Stale)]
#[case::for_encryption(JwksFault::ForEncryption)]
#[case::too_many(JwksFault::ManyKeys(101))]
#[tokio::test]
async fn t04_a_key_set_without_the_key_signs_nobody_in(#[case] fault: JwksFault) {
    let broker = Broker::start().await;
    broker.provider.set(fault);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert!(matches!(page.status.as_u16(), 400 | 502), "{}", page.status);
    let line = audit::only(&page);
    assert_eq!(line.event(), "login_refused");
    assert!(
        line.field("reason").contains("key"),
        "{}",
        line.field("reason")
    );
    assert!(!has_session(&browser));
}

/// A symmetric key of the same name is never used, and takes the good one's place from it.
#[tokio::test]
async fn t04_a_symmetric_key_never_verifies() {
    let broker = Broker::start().await;
    broker.provider.set(JwksFault::SymmetricKeys);
    broker.provider.set(IdTokenFault::SignedByStranger);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_page(&page, 400, NOT_TRUSTED);
    assert!(!has_session(&browser));
}

/// Each login brings a token of another name: the provider hears of one fetch in a cool-down.
#[tokio::test]
async fn t05_a_kid_flood_through_logins_costs_one_fetch_in_a_cool_down() {
    let broker = Broker::start().await;
    assert_signs_in(&broker, &mut broker.browser()).await;
    assert_eq!(broker.provider.count(Endpoint::Jwks), 1);
    for number in 0..30 {
        broker.provider.behave();
        let kid = json!(format!("made-up-{number}"));
        broker.provider.set(IdTokenFault::Header("kid", kid));
        let mut browser = broker.browser();
        let page = answer_to_callback(&broker, &mut browser, WIKI).await;
        assert_page(&page, 400, NOT_TRUSTED);
        assert!(!has_session(&browser));
    }
    assert_eq!(broker.provider.count(Endpoint::Jwks), 2);
    broker.advance(Duration::from_secs(31)).await;
    // The fetch that is due at the end of the cool-down, and nothing for those who come in the next.
    for _ in 0..5 {
        let mut browser = broker.browser();
        answer_to_callback(&broker, &mut browser, WIKI).await;
    }
    assert_eq!(broker.provider.count(Endpoint::Jwks), 3);
    broker.provider.behave();
    assert_signs_in(&broker, &mut broker.browser()).await;
}

/// The flood goes on while the provider is away: its absence is no reason to ask more often.
#[tokio::test]
async fn t05_a_kid_flood_at_a_provider_whose_keys_are_away() {
    let broker = Broker::start().await;
    assert_signs_in(&broker, &mut broker.browser()).await;
    broker
        .provider
        .trouble(Endpoint::Jwks, Trouble::Status(503));
    for number in 0..10 {
        let kid = json!(format!("made-up-{number}"));
        broker.provider.set(IdTokenFault::Header("kid", kid));
        let mut browser = broker.browser();
        let page = answer_to_callback(&broker, &mut browser, WIKI).await;
        assert!(!has_session(&browser), "{}", page.status);
    }
    assert_eq!(broker.provider.count(Endpoint::Jwks), 2);
}
