//! Whom a tenant lets in from a provider: each restriction refuses with a reason of its own, and leaves nothing
//! behind.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::support::provider::{Endpoint, IdTokenFault as F};
use crate::support::tampering::Database;

const SIGN_IN: &str = "This sign-in is not enough here";

/// Eight in the morning, as the test's clock has it.
const NOW: i64 = 1_800_000_000;

async fn start(restrictions: &str) -> (Broker, TestProvider) {
    let settings = format!(
        "{OIDC}\nroles_claim = \"roles\"\n[tenants.providers.restrictions]\n{restrictions}"
    );
    with_second_provider(&settings, Setup::default()).await
}

/// Nobody was made of who was refused.
async fn assert_nobody_is_known(broker: &Broker) {
    let mut database = Database::of(broker).await;
    let people = database.people().await;
    database.close().await;
    assert_eq!(people, []);
}

#[rstest]
#[case::email_domain("email_domains = [\"example.com\"]", "email", json!("ada@other.example"), "`email_domains`: the address is at `other.example`")]
#[case::below_the_domain("email_domains = [\"example.com\"]", "email", json!("ada@a.example.com"), "`email_domains`")]
#[case::unverified("email_domains = [\"example.com\"]", "email_verified", json!(false), "`email_domains`: no e-mail address counts")]
#[case::verified_in_text("email_domains = [\"example.com\"]", "email_verified", json!("true"), "`email_domains`: no e-mail address counts")]
#[case::group("groups = [\"staff\", \"ops\"]", "groups", json!(["guests"]), "`groups`: in none of them")]
#[case::no_group("groups = [\"staff\"]", "groups", json!([]), "`groups`")]
#[case::all_groups("all_groups = [\"staff\"]", "groups", json!(["ops"]), "`all_groups`: not in `staff`")]
#[case::role("roles = [\"editor\"]", "roles", json!(["Editor"]), "`roles`: has none of them")]
#[case::all_roles("all_roles = [\"editor\", \"reader\"]", "roles", json!(["editor"]), "`all_roles`: does not have `reader`")]
#[case::acr("acr_values = [\"phr\", \"phrh\"]", "acr", json!("0"), "`acr_values`: `acr` is `0`")]
#[case::acr_missing("acr_values = [\"phr\"]", "acr", json!(null), "`acr_values`: `acr` is missing")]
#[case::amr("amr = [\"mfa\"]", "amr", json!(["pwd"]), "`amr`: `mfa` is missing")]
#[case::age("max_authentication_age = \"1h\"", "auth_time", json!(NOW - 3661), "`max_authentication_age`: the sign-in there is 3661 seconds old")]
#[case::age_missing("max_authentication_age = \"1h\"", "auth_time", json!(null), "`auth_time` is missing")]
#[case::age_in_text("max_authentication_age = \"1h\"", "auth_time", json!("1800000000"), "`auth_time` is missing")]
#[case::age_in_the_future("max_authentication_age = \"1h\"", "auth_time", json!(NOW + 61), "in the future")]
#[tokio::test]
async fn who_does_not_meet_one_is_refused(
    #[case] restriction: &str,
    #[case] claim: &'static str,
    #[case] value: Value,
    #[case] reason: &str,
) {
    let (broker, provider) = start(restriction).await;
    if claim == "email_verified" {
        // Whatever document it is in.
        provider.person("ada", |person| person.email_verified = Some(value));
    } else {
        provider.set(F::Claim(claim, value));
    }
    // Who has the right account is not sent for another one.
    let about_the_sign_in = ["acr_values", "amr", "max_authentication_age"];
    let title = if about_the_sign_in
        .iter()
        .any(|it| restriction.starts_with(it))
    {
        SIGN_IN
    } else {
        ACCOUNT
    };
    refused_at_second(&broker, (403, title), reason).await;
    assert_nobody_is_known(&broker).await;
}

#[rstest]
#[case::email_domain("email_domains = [\"example.com\"]", json!({}))]
#[case::group("groups = [\"staff\", \"ops\"]", json!({"groups": ["ops"]}))]
#[case::all_groups("all_groups = [\"staff\"]", json!({"groups": ["ops", "staff"]}))]
#[case::role("roles = [\"editor\"]", json!({"roles": ["editor"]}))]
#[case::acr("acr_values = [\"phr\", \"phrh\"]", json!({"acr": "phrh"}))]
#[case::amr("amr = [\"mfa\"]", json!({"amr": ["pwd", "mfa"]}))]
#[case::age("max_authentication_age = \"1h\"", json!({"auth_time": NOW - 3600}))]
#[case::all_of_them(
    "email_domains = [\"example.com\"]\ngroups = [\"staff\"]\namr = [\"mfa\"]\nmax_authentication_age = \"1h\"",
    json!({"amr": ["mfa"], "auth_time": NOW})
)]
#[tokio::test]
async fn who_meets_them_comes_in(#[case] restriction: &str, #[case] claims: Value) {
    let (broker, provider) = start(restriction).await;
    for (name, value) in claims.as_object().expect("claims") {
        let name: &'static str = name.clone().leak();
        provider.set(F::Claim(name, value.clone()));
    }
    signs_in_at_second(&broker, &mut broker.browser()).await;
}

/// What is asked for is judged by the ID token alone: userinfo says nothing about a sign-in.
#[tokio::test]
async fn userinfo_does_not_speak_for_a_sign_in() {
    let (broker, provider) = start("amr = [\"mfa\"]").await;
    provider.person("ada", |person| {
        drop(person.more.insert("amr".into(), json!(["mfa"])));
    });
    provider.set(F::WithoutClaim("amr"));
    provider.set(F::WithoutClaim("groups"));
    refused_at_second(&broker, (403, SIGN_IN), "`amr`: `mfa` is missing").await;
    assert_eq!(provider.count(Endpoint::Userinfo), 1);
}

/// The provider is told what will be asked of its ID token, and no link can ask for less.
#[tokio::test]
async fn the_request_asks_for_what_is_required() {
    let (broker, provider) =
        start("acr_values = [\"phr\", \"phrh\"]\nmax_authentication_age = \"90m\"").await;
    let login = "/login/second?acr_values=0&max_age=999999";
    let mut browser = broker.browser();
    browser.visit(&broker.url("acme.localhost", login)).await;
    let request = provider.last(Endpoint::Authorize).expect("a request");
    let all = |name: &str| -> Vec<&str> {
        let pairs = request.query.iter().filter(|(key, _)| key == name);
        pairs.map(|(_, value)| &**value).collect()
    };
    assert_eq!(all("acr_values"), ["phr phrh"]);
    assert_eq!(all("max_age"), ["5400"]);
}

/// Somebody who was let in and does not meet them any more keeps what they have, and does not come in again.
#[tokio::test]
async fn each_sign_in_is_judged_anew() {
    let (broker, provider) = start("groups = [\"staff\"]").await;
    signs_in_at_second(&broker, &mut broker.browser()).await;
    provider.person("ada", |person| person.groups = vec!["guests".into()]);
    refused_at_second(&broker, (403, ACCOUNT), "`groups`").await;
}

/// Restrictions see what rules see.
#[tokio::test]
async fn groups_are_judged_after_their_change() {
    let (broker, provider) = start(
        "groups = [\"admins\"]\n[tenants.providers.claims.groups]\nrename = { \"7f1c\" = \"admins\" }",
    )
    .await;
    provider.person("ada", |person| person.groups = vec!["admins".into()]);
    refused_at_second(&broker, (403, ACCOUNT), "`groups`").await;
    provider.person("ada", |person| person.groups = vec!["7f1c".into()]);
    signs_in_at_second(&broker, &mut broker.browser()).await;
}

/// The last resort.
#[rstest]
#[case::false_("claims.level >= 2", json!({"level": 1}), Some("`condition`: it is not true"))]
#[case::true_("claims.level >= 2", json!({"level": 2}), None)]
#[case::missing("claims.level >= 2", json!({}), Some("`condition`: there is no `level`"))]
#[case::no_truth("claims.level", json!({"level": 2}), Some("`condition`: it gives a number, not true or false"))]
#[case::null("null", json!({}), Some("`condition`: it gives null, not true or false"))]
#[case::identity("'staff' in identity.groups && identity.email.endsWith('@example.com')", json!({}), None)]
#[tokio::test]
async fn a_condition_must_be_true(
    #[case] condition: &str,
    #[case] claims: Value,
    #[case] refused: Option<&str>,
) {
    let (broker, provider) = start(&format!("condition = \"{condition}\"")).await;
    let claims = claims.as_object().expect("claims").clone();
    provider.person("ada", |person| person.more.extend(claims));
    if let Some(reason) = refused {
        refused_at_second(&broker, (403, ACCOUNT), reason).await;
        assert_nobody_is_known(&broker).await;
    } else {
        signs_in_at_second(&broker, &mut broker.browser()).await;
    }
}
