//! The ID token of a refresh is about the same sign-in (OIDC Core 1.0 §12.2).

use rstest::rstest;

use super::*;
use crate::support::provider::IdTokenFault as F;

#[rstest]
#[case::issuer(F::OtherIssuer)]
#[case::no_issuer(F::NoIssuer)]
#[case::audience(F::OtherAudience)]
#[case::further_audience(F::ExtraAudience)]
#[case::authorized_party(F::OtherAzp)]
#[case::nonce(F::OtherNonce)]
#[case::no_subject(F::NoSubject)]
#[tokio::test]
async fn an_id_token_about_something_else_ends_the_session(#[case] fault: F) {
    let (broker, browser) = signed_in().await;
    broker.provider.set(fault);
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ended().len(), 1);
}

#[tokio::test]
async fn an_id_token_of_somebody_else_ends_the_session() {
    let (broker, browser) = signed_in().await;
    broker
        .provider
        .person("ada", |ada| ada.subject = "subject-of-eve".into());
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::UNAUTHORIZED);
    let ended = ended();
    assert_eq!(ended.len(), 1, "{ended:#?}");
    assert!(ended[0].field("reason").contains("another `sub`"));
}

/// The person has signed in there once more, for another app.
#[tokio::test]
async fn a_later_sign_in_in_the_same_session_ends_nothing() {
    let (broker, browser) = signed_in().await;
    broker
        .provider
        .configure(|settings| settings.refresh.auth_time = Some(1_800_000_001));
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    assert_eq!(refreshes(&broker), 1);
}

#[tokio::test]
async fn an_id_token_of_another_sign_in_ends_the_session() {
    let (broker, browser) = signed_in().await;
    broker
        .provider
        .configure(|settings| settings.refresh.auth_time = Some(1_799_999_999));
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::UNAUTHORIZED);
    assert!(ended()[0].field("reason").contains("`auth_time`"));
}

/// An answer that nobody can believe says nothing of the person, and what it brought of tokens is kept.
#[rstest]
#[case::no_signature(F::Unsigned("none"))]
#[case::broken_signature(F::BadSignature)]
#[case::changed(F::ChangedAfterSigning)]
#[case::expired(F::ExpiredFor(61))]
#[tokio::test]
async fn an_id_token_that_proves_nothing_ends_nothing(#[case] fault: F) {
    let (broker, browser) = signed_in().await;
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["forged".into()]);
    broker.provider.set(fault);
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    assert_eq!(check.header("x-auth-request-groups"), "staff");
    assert!(ended().is_empty());
    broker.provider.behave();
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["new".into()]);
    let check = used_after(&broker, &browser, Duration::from_mins(1)).await;
    assert_eq!(check.header("x-auth-request-groups"), "new");
    assert_eq!(broker.provider.reused_refresh_tokens(), 0);
}

/// The nonce of the sign-in may come again.
#[tokio::test]
async fn the_same_nonce_may_stand_there() {
    let (broker, browser) = signed_in().await;
    for with_nonce in [false, true] {
        broker
            .provider
            .configure(|settings| settings.refresh.with_nonce = with_nonce);
        let check = used_after(&broker, &browser, TEN_MINUTES).await;
        assert_eq!(check.status, StatusCode::ACCEPTED);
    }
    assert_eq!(refreshes(&broker), 2);
    assert!(ended().is_empty());
}
