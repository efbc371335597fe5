//! Userinfo: asked only for what is missing, and believed only about the same person.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::support::provider::{DiscoveryFault, Endpoint, Trouble, UserinfoFault};

#[tokio::test]
async fn nobody_is_asked_where_nothing_is_missing() {
    let broker = Broker::start().await;
    let check = assert_signs_in(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-email"), "ada@example.com");
    assert_eq!(broker.provider.count(Endpoint::Userinfo), 0);
}

#[rstest]
#[case::address(UserinfoFault::EmailOnlyHere)]
#[case::everything(UserinfoFault::EverythingOnlyHere)]
#[tokio::test]
async fn what_is_missing_is_asked_for(#[case] fault: UserinfoFault) {
    let broker = Broker::start().await;
    broker.provider.set(fault);
    let check = assert_signs_in(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-email"), "ada@example.com");
    assert_eq!(check.header("x-auth-request-groups"), "staff");
    assert_eq!(broker.provider.count(Endpoint::Userinfo), 1);
    let asked = broker.provider.last(Endpoint::Userinfo).expect("a request");
    let token = asked.header("authorization").expect("a token");
    assert!(token.starts_with("Bearer access-token-"), "{token}");
    assert!(asked.query.is_empty(), "never in the address");
}

#[rstest]
#[case::other(UserinfoFault::OtherSubject, "userinfo has another `sub`")]
#[case::none(UserinfoFault::NoSubject, "it has no `sub`")]
#[case::number(UserinfoFault::With("sub", json!(7)), "it has no `sub`")]
#[case::in_capitals(
    UserinfoFault::With("sub", json!("SUBJECT-OF-ADA")),
    "userinfo has another `sub`"
)]
#[tokio::test]
async fn userinfo_of_somebody_else_signs_nobody_in(
    #[case] fault: UserinfoFault,
    #[case] reason: &str,
) {
    let broker = Broker::start().await;
    broker.provider.set(UserinfoFault::EmailOnlyHere);
    broker.provider.set(fault);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(&broker, &browser, &page, (400, NOT_TRUSTED), reason).await;
}

/// Nobody asked for one, and what is in it would be believed without looking at the signature.
#[tokio::test]
async fn a_signed_userinfo_answer_signs_nobody_in() {
    let broker = Broker::start().await;
    broker.provider.set(UserinfoFault::EmailOnlyHere);
    broker.provider.set(UserinfoFault::Jwt);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(&broker, &browser, &page, (400, NOT_TRUSTED), "userinfo").await;
}

#[rstest]
#[case::html(Trouble::Html(200), 400, NOT_TRUSTED)]
#[case::list(Trouble::Text("[]".into()), 400, NOT_TRUSTED)]
#[case::refused(Trouble::Status(401), 400, NOT_TRUSTED)]
#[case::failing(Trouble::Status(503), 502, UNREACHABLE)]
#[case::hang_up(Trouble::HangUp, 502, UNREACHABLE)]
#[case::huge(Trouble::Huge(300 * 1024), 502, UNREACHABLE)]
#[case::cut_off(Trouble::CutOff, 502, UNREACHABLE)]
#[tokio::test]
async fn t04_userinfo_that_cannot_be_had_is_not_an_empty_one(
    #[case] trouble: Trouble,
    #[case] status: u16,
    #[case] title: &str,
) {
    let broker = Broker::start().await;
    broker.provider.set(UserinfoFault::EverythingOnlyHere);
    broker.provider.trouble(Endpoint::Userinfo, trouble);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(&broker, &browser, &page, (status, title), "").await;
}

/// The token's word counts more than userinfo's.
#[tokio::test]
async fn userinfo_does_not_overrule_the_token() {
    let broker = Broker::start().await;
    broker
        .provider
        .set(crate::support::provider::IdTokenFault::WithoutClaim("name"));
    broker
        .provider
        .set(UserinfoFault::With("email", json!("ceo@example.com")));
    broker
        .provider
        .set(UserinfoFault::With("groups", json!(["admins"])));
    let check = assert_signs_in(&broker, &mut broker.browser()).await;
    assert_eq!(broker.provider.count(Endpoint::Userinfo), 1);
    assert_eq!(check.header("x-auth-request-email"), "ada@example.com");
    assert_eq!(check.header("x-auth-request-groups"), "staff");
}

#[tokio::test]
async fn a_provider_without_userinfo_signs_in_with_what_there_is() {
    let broker = Broker::start().await;
    broker.provider.set(UserinfoFault::EmailOnlyHere);
    broker
        .provider
        .set(DiscoveryFault::Without("userinfo_endpoint"));
    let check = assert_signs_in(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-email"), "");
}

/// Groups of another shape than the preset says are not "no groups".
#[rstest]
#[case::objects(json!([{"name": "staff"}]))]
#[case::number(json!(7))]
#[case::mixed(json!(["staff", 7]))]
#[tokio::test]
async fn groups_of_another_shape_refuse_the_login(#[case] groups: serde_json::Value) {
    let broker = Broker::start().await;
    broker
        .provider
        .set(crate::support::provider::IdTokenFault::Claim(
            "groups", groups,
        ));
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(&broker, &browser, &page, (400, NOT_TRUSTED), "`groups`").await;
}
