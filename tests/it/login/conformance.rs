//! What the OpenID Foundation's plans for relying parties ask and no other test here shows; `docs/conformance.md`
//! has the whole list.

use super::*;
use crate::support::provider::{Endpoint, IdTokenFault};
use crate::support::raw;

/// The provider changes its key between its answer to the browser and the token that it signs.
#[tokio::test]
async fn a_key_rotated_just_before_signing_is_found() {
    let broker = Broker::start().await;
    assert_signs_in(&broker, &mut broker.browser()).await;
    let mut browser = broker.browser();
    let callback = up_to_callback(&broker, &mut browser, WIKI).await;
    let before = broker.provider.count(Endpoint::Jwks);
    broker.provider.rotate();
    browser.visit(callback.as_str()).await;
    assert_eq!(broker.provider.count(Endpoint::Jwks), before + 1);
    let check = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
}

/// Two keys could have signed it: guessing is not verifying.
#[tokio::test]
async fn a_token_without_kid_beside_several_keys_signs_nobody_in() {
    let broker = Broker::start().await;
    broker.provider.announce_next_key();
    broker.provider.set(IdTokenFault::NoKid);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    let reason = "several keys of the set fit";
    assert_refused(&broker, &browser, &page, (400, NOT_TRUSTED), reason).await;
}

/// Back from the provider with a `state` that nobody gave out: the session has ended all the same, and the
/// address decides nothing.
#[tokio::test]
async fn a_return_from_a_sign_out_with_another_state_leads_nowhere() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    assert_signs_in(&broker, &mut browser).await;
    let target = broker.url(WIKI, "/bye");
    let rd: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
    let start = broker.url(WIKI, &format!("/oauth2/sign_out?rd={rd}"));
    let back = up_to(&mut browser, &start, |url| url.path() == "/signed-out").await;
    assert!(parameter(&back, "state").is_some());
    for state in [Some("AAAAAAAAAAAAAAAAAAAAAA"), Some("x"), None] {
        let other = with_parameter(&back, "state", state);
        let page = browser.open(other.as_str()).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(
            page.text().contains("You are not signed in"),
            "{}",
            page.text()
        );
        assert!(page.location().is_none());
        assert!(raw::values(&page.headers, "set-cookie").is_empty());
    }
    let check = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::UNAUTHORIZED);
    // The one that was given out still leads on, once.
    let page = browser.open(back.as_str()).await;
    assert_eq!(page.location().map(String::from), Some(target));
}
