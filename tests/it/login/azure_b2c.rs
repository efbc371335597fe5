//! Azure AD B2C and Entra External ID: one tenant with many policies, and with many spellings of its name.

use rstest::rstest;
use serde_json::{Value, json};

use super::presets::start;
use super::*;

/// All policies sign alike: which one it was is said in the token only.
#[rstest]
#[case::weaker("tfp", json!("B2C_1_sign_up_anybody"), "`/tfp`")]
#[case::longer("tfp", json!("B2C_1_sign_in2"), "`/tfp`")]
#[case::no_text("tfp", json!(["B2C_1_sign_in"]), "`/tfp`")]
#[case::empty("tfp", json!(""), "`/tfp`")]
#[case::silent("tfp", Value::Null, "`/tfp`")]
#[tokio::test]
async fn p13_3_a_token_of_another_policy_is_refused(
    #[case] claim: &str,
    #[case] value: Value,
    #[case] reason: &str,
) {
    let (broker, _b2c, _role) = start("azure_b2c", |role| {
        role["token"]["id_token"][claim] = value.clone();
    })
    .await;
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), reason).await;
}

/// What the older claim says does not stand in for the newer one.
#[tokio::test]
async fn p13_3_a_wrong_policy_is_not_mended_by_the_older_claim() {
    let (broker, _b2c, _role) = start("azure_b2c", |role| {
        role["token"]["id_token"]["tfp"] = "B2C_1_other".into();
        role["token"]["id_token"]["acr"] = "B2C_1_sign_in".into();
    })
    .await;
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "`/tfp`").await;
}

#[rstest]
#[case::newer("tfp", "b2c_1_SIGN_in")]
#[case::older("acr", "b2c_1_sign_in")]
#[tokio::test]
async fn p13_3_the_policy_in_other_letter_case_passes(#[case] claim: &str, #[case] value: &str) {
    let (broker, _b2c, _role) = start("azure_b2c", |role| {
        let claims = role["token"]["id_token"].as_object_mut().expect("claims");
        claims.remove("tfp");
        claims.insert(claim.into(), value.into());
    })
    .await;
    signs_in_at_second(&broker, &mut broker.browser()).await;
}

/// The issuer is the tenant's to the letter, its last one too.
#[rstest]
#[case::no_slash("azure_b2c", "/v2.0/", "/v2.0")]
#[case::another_tenant("azure_b2c", "cccccccc-", "dddddddd-")]
#[case::by_policy("azure_b2c", "/cccccccc-", "/tfp/cccccccc-")]
#[case::slash("entra_external_id", "/v2.0", "/v2.0/")]
#[case::another_tenants_host(
    "entra_external_id",
    "/cccccccc-1111-4222-8333-dddddddddddd.",
    "/evil."
)]
#[case::another_tenant_at_the_same_host("entra_external_id_by_name", "cccccccc-", "dddddddd-")]
#[tokio::test]
async fn t02_an_issuer_of_somebody_else_is_refused(
    #[case] name: &str,
    #[case] from: &str,
    #[case] to: &str,
) {
    let (broker, _provider, _role) = start(name, |role| {
        let issuer = role["metadata"]["answer"]["issuer"].as_str().expect("one");
        let other = issuer.replacen(from, to, 1);
        assert_ne!(issuer, other);
        role["token"]["id_token"]["iss"] = other.into();
    })
    .await;
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "Invalid issuer").await;
}

/// The metadata may be of any spelling, and of this tenant only.
#[tokio::test]
async fn t02_metadata_of_another_tenant_are_none() {
    let (broker, provider, _role) = start("entra_external_id", |role| {
        let issuer = role["metadata"]["answer"]["issuer"].as_str().expect("one");
        let other = issuer.replace("cccccccc-", "dddddddd-");
        role["metadata"]["answer"]["issuer"] = other.into();
    })
    .await;
    let mut browser = broker.browser();
    let login = broker.url("acme.localhost", "/login/second");
    let page = browser.visit(&login).await;
    assert_page(&page, 502, "Second ID cannot be reached");
    assert_eq!(
        provider.count(crate::support::provider::Endpoint::Authorize),
        0
    );
}

/// One spelling in the metadata, another in the token: both are the tenant's.
#[tokio::test]
async fn tokens_may_spell_the_tenant_otherwise_than_its_metadata() {
    let (broker, _provider, role) = start("entra_external_id", |role| {
        let issuer = role["metadata"]["answer"]["issuer"].as_str().expect("one");
        let (base, _) = issuer.split_once("/cccccccc-").expect("a tenant");
        let other =
            format!("{base}/login.microsoftonline.com/cccccccc-1111-4222-8333-dddddddddddd/v2.0");
        role["token"]["id_token"]["iss"] = other.into();
    })
    .await;
    drop(role);
    signs_in_at_second(&broker, &mut broker.browser()).await;
}

/// B2C says nothing about addresses: without the operator's word none counts.
#[tokio::test]
async fn t12_an_address_counts_only_where_the_operator_vouches_for_the_policy() {
    let (broker, _b2c, _role) = start("azure_b2c", |role| {
        let settings = role["settings"].as_array_mut().expect("a list");
        settings.retain(|line| !line.as_str().expect("a line").starts_with("email_claim"));
    })
    .await;
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-email"), "");
}
