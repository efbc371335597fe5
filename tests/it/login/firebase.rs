//! Firebase: no redirect, no code, no nonce. A page of the operator's posts an ID token, and what else Firebase
//! signs is none. All values are made up.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};

use super::presets::{as_written, signs_in, start, through_the_page};
use super::*;
use crate::support::browser::Form;
use crate::support::provider::{Endpoint, IdTokenFault as F, JwksFault};

/// What the test's clock says at the start.
const NOW: i64 = 1_800_000_000;

async fn refused(broker: &Broker, answer: (u16, &str), reason: &str) {
    let mut browser = broker.browser();
    let page = through_the_page(broker, &mut browser).await;
    assert_refused(broker, &browser, &page, answer, reason).await;
}

#[rstest]
#[case::emulator(F::Unsigned("none"), "header")]
#[case::emulator_in_capitals(F::Unsigned("NONE"), "header")]
#[case::custom_token_issuer(
    F::Claim("iss", json!("firebase-adminsdk@acme-project.iam.gserviceaccount.com")),
    "Invalid issuer"
)]
#[case::custom_token_audience(
    F::Claim("aud", json!("https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit")),
    "Invalid audiences"
)]
#[case::session_cookie(
    F::Claim("iss", json!("https://session.firebase.google.com/doorward-at-the-test")),
    "Invalid issuer"
)]
#[case::another_project(
    F::Claim("iss", json!("https://securetoken.google.com/another-project")),
    "Invalid issuer"
)]
#[case::audience_of_another_project(F::OtherAudience, "Invalid audiences")]
#[case::signed_in_in_the_future(F::Claim("auth_time", json!(NOW + 61)), "`auth_time`")]
#[case::signed_in_too_long_ago(F::Claim("auth_time", json!(NOW - 3601)), "`auth_time`")]
#[case::never_signed_in(F::WithoutClaim("auth_time"), "`auth_time`")]
#[case::signed_in_in_words(F::Claim("auth_time", json!("1800000000")), "`auth_time`")]
#[case::issued_before_this_sign_in(F::IssuedIn(-61), "`iat`")]
#[case::expired(F::ExpiredFor(60), "`exp`")]
#[case::nobody(F::EmptySubject, "`sub`")]
#[case::signed_by_a_stranger(F::SignedByStranger, "signature")]
#[case::a_text_as_key(F::HmacKeyedWith(crate::support::provider::KeyText::Pem), "")]
#[tokio::test]
async fn p13_9_only_an_id_token_of_this_project_and_sign_in_counts(
    #[case] fault: F,
    #[case] reason: &str,
) {
    let (broker, firebase, role) = start("firebase", as_written).await;
    firebase.set(fault);
    refused(&broker, (400, SECOND_NOT_TRUSTED), reason).await;
    firebase.behave();
    signs_in(&broker, &mut broker.browser(), &role).await;
}

/// Just inside what the cases above are just outside of.
#[rstest]
#[case::signed_in_a_moment_later(F::Claim("auth_time", json!(NOW + 59)))]
#[case::signed_in_within_the_hour(F::Claim("auth_time", json!(NOW - 3599)))]
#[case::issued_a_moment_before(F::IssuedIn(-59))]
#[tokio::test]
async fn clocks_may_differ_by_a_minute(#[case] fault: F) {
    let (broker, firebase, role) = start("firebase", as_written).await;
    firebase.set(fault);
    signs_in(&broker, &mut broker.browser(), &role).await;
}

/// All tenants of a project have its issuer, audience and keys.
#[rstest]
#[case::other("firebase_tenant", json!("globex-c3d4e"), "`/firebase/tenant`")]
#[case::other_letters("firebase_tenant", json!("ACME-a1b2c"), "`/firebase/tenant`")]
#[case::of_none("firebase_tenant", Value::Null, "`/firebase/tenant`")]
#[case::of_one_where_none_is_named("firebase", json!("acme-a1b2c"), "`/firebase/tenant`")]
#[case::odd_where_none_is_named("firebase", json!({}), "`/firebase/tenant`")]
#[tokio::test]
async fn p13_9_a_token_of_another_tenant_is_refused(
    #[case] name: &str,
    #[case] tenant: Value,
    #[case] reason: &str,
) {
    let (broker, _firebase, _role) = start(name, |role| {
        role["token"]["id_token"]["firebase"]["tenant"] = tenant.clone();
    })
    .await;
    refused(&broker, (400, SECOND_NOT_TRUSTED), reason).await;
}

#[rstest]
#[case::anonymous(json!("anonymous"), "`anonymous`")]
#[case::custom(json!("custom"), "`custom`")]
#[case::longer(json!("google.com.evil"), "`google.com.evil`")]
#[case::silent(Value::Null, "absent")]
#[tokio::test]
async fn p13_9_who_signed_in_in_another_way_is_not_let_in(#[case] way: Value, #[case] found: &str) {
    let (broker, _firebase, _role) = start("firebase", |role| {
        role["token"]["id_token"]["firebase"]["sign_in_provider"] = way.clone();
    })
    .await;
    refused(&broker, (403, ACCOUNT), found).await;
}

fn set(form: &mut Form, name: &str, value: &str) {
    let mut fields = form.fields.iter_mut();
    let field = fields.find(|(key, _)| key == name);
    field.expect("a field").1 = value.to_owned();
}

fn field(form: &Form, name: &str) -> String {
    let mut fields = form.fields.iter();
    let found = fields.find(|(key, _)| key == name);
    found.expect("a field").1.clone()
}

async fn form_of(broker: &Broker, browser: &mut Browser) -> Form {
    let login = broker.url("acme.localhost", "/login/second");
    let page = browser.visit(&login).await;
    page.form("/login/second/callback")
}

/// No nonce binds a token to a login: that it was made after the login began does.
#[tokio::test]
async fn a10_a_token_of_an_earlier_sign_in_signs_nobody_in_again() {
    let (broker, _firebase, _role) = start("firebase", as_written).await;
    let earlier = form_of(&broker, &mut broker.browser()).await;
    broker.advance(Duration::from_secs(62)).await;
    let mut browser = broker.browser();
    let mut form = form_of(&broker, &mut browser).await;
    set(&mut form, "id_token", &field(&earlier, "id_token"));
    let page = browser.submit(&form, &[]).await;
    let answer = (400, SECOND_NOT_TRUSTED);
    assert_refused(&broker, &browser, &page, answer, "`iat`").await;
}

/// Somebody else's answer, posted in this browser.
#[tokio::test]
async fn t03_an_answer_counts_in_the_browser_that_asked_only() {
    let (broker, _firebase, _role) = start("firebase", as_written).await;
    let planted = form_of(&broker, &mut broker.browser()).await;
    let mut browser = broker.browser();
    form_of(&broker, &mut browser).await;
    let page = browser.submit(&planted, &[]).await;
    assert_page(&page, 400, EXPIRED);
    assert!(!has_session(&browser));
}

/// The token is in the form alone: not in an address, not in a redirect, and not as a code.
#[tokio::test]
async fn a_token_comes_by_post_and_under_its_own_name() {
    let (broker, _firebase, _role) = start("firebase", as_written).await;
    let mut browser = broker.browser();
    let form = form_of(&broker, &mut browser).await;
    let (token, state) = (field(&form, "id_token"), field(&form, "state"));
    for query in [
        format!("id_token={token}&state={state}"),
        format!("code={token}&state={state}"),
    ] {
        let callback = format!("/login/second/callback?{query}");
        let page = browser
            .visit(&broker.url("acme.localhost", &callback))
            .await;
        assert_page(&page, 400, EXPIRED);
    }
    let mut as_code = form.clone();
    as_code.fields.retain(|(name, _)| name == "state");
    as_code.fields.push(("code".into(), token));
    let page = browser.submit(&as_code, &[]).await;
    assert_page(&page, 400, EXPIRED);
    // None of that has used up the sign-in.
    let page = browser.submit(&form, &[]).await;
    assert_eq!(page.url.path(), "/sessions", "{}", page.text());
}

/// Keys that Google rotates are found; unknown ones do not have them fetched again and again.
#[tokio::test]
async fn t05_a_browser_cannot_have_the_keys_fetched_at_will() {
    let (broker, firebase, _role) = start("firebase", as_written).await;
    firebase.set(JwksFault::CacheControl("max-age=19000"));
    firebase.set(F::UnknownKid);
    for fetched in [2, 2, 2] {
        refused(&broker, (400, SECOND_NOT_TRUSTED), "no key").await;
        assert_eq!(firebase.count(Endpoint::Jwks), fetched);
    }
}

#[tokio::test]
async fn t12_an_address_that_is_not_confirmed_is_none() {
    let (broker, _firebase, role) = start("firebase", |role| {
        role["token"]["id_token"]["email_verified"] = json!(false);
    })
    .await;
    let check = signs_in(&broker, &mut broker.browser(), &role).await;
    assert_eq!(check.header("x-auth-request-email"), "");
}
