//! What each of the big providers is known to get wrong, or to have done to it: a row of tests for each, by the
//! number of the provider. Rows that have a file of their own are there.

use rstest::rstest;
use serde_json::{Value, json};

use super::entra::{ACME, MANY, OTHER, PERSONAL};
use super::presets::{as_written, start};
use super::*;
use crate::support::provider::{Endpoint, Fault, GithubFault, IdTokenFault as F, JwksFault};

/// What must be said of an Entra token: the tenant in `iss`, in `tid` and of the key is one.
#[rstest]
#[case::in_one("common", MANY, OTHER, ACME, (400, SECOND_NOT_TRUSTED), "Invalid issuer")]
#[case::for_one(ACME, "", OTHER, ACME, (400, SECOND_NOT_TRUSTED), "Invalid issuer")]
#[case::the_other_way_round(ACME, "", ACME, OTHER, (400, SECOND_NOT_TRUSTED), "`/tid`")]
#[tokio::test]
async fn p13_1_entra_iss_of_one_tenant_with_tid_of_another(
    #[case] tenant: &str,
    #[case] more: &str,
    #[case] issuer: &str,
    #[case] tid: &str,
    #[case] answer: (u16, &str),
    #[case] reason: &str,
) {
    let (broker, entra) = super::entra::start(tenant, more).await;
    super::entra::comes_from(&entra, issuer);
    entra.set(F::Claim("tid", tid.into()));
    refused_at_second(&broker, answer, reason).await;
}

#[tokio::test]
async fn p13_1_entra_tid_that_is_the_template() {
    let (broker, entra) = super::entra::start("common", "allowed_tenants = \"any\"").await;
    super::entra::comes_from(&entra, "{tenantid}");
    entra.set(F::Claim("tid", "{tenantid}".into()));
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "Invalid issuer").await;
}

#[tokio::test]
async fn p13_1_entra_personal_account_under_organizations() {
    let any = "allowed_tenants = \"any\"";
    let (broker, entra) = super::entra::start("organizations", any).await;
    super::entra::comes_from(&entra, PERSONAL);
    entra.set(F::Claim("tid", PERSONAL.into()));
    refused_at_second(&broker, (403, ACCOUNT), PERSONAL).await;
}

#[rstest]
#[case::issuer("iss", json!("https://sts.windows.net/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/"), "Invalid issuer")]
#[case::version("ver", json!("1.0"), "`/ver`")]
#[tokio::test]
async fn p13_1_entra_token_of_version_one(
    #[case] claim: &'static str,
    #[case] value: Value,
    #[case] reason: &str,
) {
    let (broker, entra) = super::entra::start(ACME, "").await;
    entra.set(F::Claim(claim, value));
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), reason).await;
}

#[tokio::test]
async fn p13_1_entra_key_of_another_tenant() {
    let (broker, entra) = super::entra::start("common", MANY).await;
    let named = |tenant: &str| JwksFault::KeyIssuer(format!("{}/{tenant}/v2.0", entra.base()));
    entra.unset(named("{tenantid}"));
    entra.set(named(OTHER));
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "a key whose `issuer`").await;
}

#[rstest]
#[case::no_slash("iss", json!("{base}"), (400, SECOND_NOT_TRUSTED), "Invalid issuer")]
#[case::for_userinfo("aud", json!("{base}/userinfo"), (400, SECOND_NOT_TRUSTED), "Invalid audiences")]
#[case::no_organization("org_name", Value::Null, (403, ACCOUNT), "absent")]
#[case::another_organization("org_name", json!("globex"), (403, ACCOUNT), "`globex`")]
#[case::longer("org_name", json!("acme2"), (403, ACCOUNT), "`acme2`")]
#[tokio::test]
async fn p13_4_auth0_issuer_audience_and_organization(
    #[case] claim: &'static str,
    #[case] value: Value,
    #[case] answer: (u16, &str),
    #[case] reason: &str,
) {
    let (broker, auth0, _role) = start("auth0_organization_name", as_written).await;
    let value = match value {
        Value::String(text) => text.replace("{base}", auth0.base()).into(),
        other => other,
    };
    auth0.set(F::Claim(claim, value));
    refused_at_second(&broker, answer, reason).await;
}

#[rstest]
#[case::none(Value::Null, "absent")]
#[case::other(json!("org_0000000000000002"), "`org_0000000000000002`")]
#[tokio::test]
async fn p13_4_auth0_org_id_missing_or_other(#[case] id: Value, #[case] reason: &str) {
    let (broker, auth0, _role) = start("auth0_organization_id", as_written).await;
    auth0.set(F::Claim("org_id", id));
    refused_at_second(&broker, (403, ACCOUNT), reason).await;
}

#[tokio::test]
async fn p13_4_auth0_claim_named_by_an_address_with_dots() {
    let (broker, auth0, role) = start("auth0", as_written).await;
    let claims = role["token"]["id_token"].as_object().expect("claims");
    let name = claims.keys().find(|name| name.ends_with("/roles.v1"));
    let name: &'static str = name.expect("a claim").clone().leak();
    auth0.set(F::Claim(name, json!(["a.b", "c"])));
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-groups"), "a.b,c");
}

#[rstest]
#[case::false_in_text(json!("false"), "")]
#[case::true_in_text(json!("true"), "ada@acme.example")]
#[tokio::test]
async fn p13_5_cognito_flag_in_text(#[case] flag: Value, #[case] email: &str) {
    let (broker, cognito, _role) = start("cognito", as_written).await;
    cognito.set(F::Claim("email_verified", flag));
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-email"), email);
}

#[tokio::test]
async fn p13_5_cognito_access_token_in_the_place_of_an_id_token() {
    let (broker, cognito, _role) = start("cognito", as_written).await;
    cognito.set(F::Claim("token_use", "access".into()));
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "`/token_use`").await;
}

/// Where somebody was sent to is a wish: what the token says counts.
#[rstest]
#[case::own_user(Value::Null, "absent")]
#[case::another(json!([{"providerName": "Google"}]), "`Google`")]
#[case::longer(json!([{"providerName": "Okta2"}]), "`Okta2`")]
#[case::no_list(json!({"providerName": "Okta"}), "absent")]
#[tokio::test]
async fn p13_5_cognito_identity_provider(#[case] identities: Value, #[case] reason: &str) {
    let (broker, cognito, _role) = start("cognito_identity_provider", as_written).await;
    cognito.set(F::Claim("identities", identities));
    refused_at_second(&broker, (403, ACCOUNT), reason).await;
}

#[rstest]
#[case::without_scheme("accounts.google.com", true)]
#[case::with_scheme("{issuer}", true)]
#[case::slash("{issuer}/", false)]
#[tokio::test]
async fn p13_6_google_two_spellings_of_the_issuer(#[case] issuer: &str, #[case] passes: bool) {
    let (broker, google, role) = start("google", as_written).await;
    let own = role["metadata"]["answer"]["issuer"].as_str().expect("one");
    google.set(F::Claim("iss", issuer.replace("{issuer}", own).into()));
    if passes {
        signs_in_at_second(&broker, &mut broker.browser()).await;
    } else {
        refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "Invalid issuer").await;
    }
}

/// The request said `hd`, and the callback says it again: neither is Google's word about the account.
#[rstest]
#[case::personal(Value::Null, "absent")]
#[case::another(json!("evil.example"), "`evil.example`")]
#[tokio::test]
async fn p13_6_google_hd_of_the_request_gives_nothing(#[case] hd: Value, #[case] reason: &str) {
    let (broker, google, _role) = start("google", as_written).await;
    google.set(F::Claim("hd", hd));
    refused_at_second(&broker, (403, ACCOUNT), reason).await;
    let asked = google.last(Endpoint::Authorize).expect("a request");
    assert_eq!(asked.query("hd"), Some("acme.example"));
}

/// Groups are read to the last page, and nothing but a whole list is one.
#[rstest]
#[case::token_is_a_number("/calls/0/answer/nextPageToken", json!(2), (403, GROUPS), "is not whole")]
#[case::endless("/calls/1/answer/nextPageToken", json!("page two="), (403, GROUPS), "is not whole")]
#[case::gone("/calls/0/answer/nextPageToken", json!("gone"), (400, SECOND_NOT_TRUSTED), "status 404")]
#[case::no_list("/calls/0/answer/memberships", json!({}), (400, SECOND_NOT_TRUSTED), "not a list")]
#[case::no_names("/calls/0/answer/memberships/0/groupKey", json!({}), (400, SECOND_NOT_TRUSTED), "groups")]
#[tokio::test]
async fn t13_googles_groups_are_whole_or_unknown(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] answer: (u16, &str),
    #[case] reason: &str,
) {
    let (broker, _google, _role) = start("google_groups", |role| {
        let (parent, member) = pointer.rsplit_once('/').expect("a member");
        role.pointer_mut(parent).expect("a parent")[member] = value.clone();
    })
    .await;
    refused_at_second(&broker, answer, reason).await;
}

/// Google leaves out a list that is empty: that is what "none" looks like there.
#[tokio::test]
async fn a_person_of_no_google_group_signs_in() {
    let (broker, _google, _role) = start("google_groups", |role| {
        role["calls"][0]["answer"] = json!({});
    })
    .await;
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-groups"), "");
}

/// An address that could end the text in which it stands is in no query.
#[rstest]
#[case::quote("ada' || 'x@acme.example")]
#[case::double_quote("ada\"@acme.example")]
#[case::backslash("ada\\@acme.example")]
#[case::none("")]
#[tokio::test]
async fn a_claim_cannot_change_what_is_asked(#[case] email: &str) {
    let (broker, google, _role) = start("google_groups", as_written).await;
    google.set(F::Claim("email", email.into()));
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "cannot stand in it").await;
    assert_eq!(google.count(Endpoint::Call), 0);
}

#[rstest]
#[case::error_under_200(
    GithubFault::ErrorUnder200("bad_verification_code"),
    400,
    "The answer of Second ID cannot be trusted",
    "bad_verification_code"
)]
#[case::single_sign_on(GithubFault::PartialSingleSignOn, 403, GROUPS, "is not whole")]
#[case::issuer_of_the_callback(
    GithubFault::SendsIssuer("https://evil.example/login/oauth"),
    400,
    EXPIRED,
    "another issuer"
)]
#[tokio::test]
async fn p13_7_github_refusals(
    #[case] fault: GithubFault,
    #[case] status: u16,
    #[case] title: &str,
    #[case] reason: &str,
) {
    let (broker, github) = super::github::start().await;
    github.set(fault);
    super::github::refused(&broker, (status, title), reason).await;
}

/// A form with commas in place of JSON; two pages of teams; an address that nobody has confirmed; an invitation.
#[tokio::test]
async fn p13_7_github_shapes() {
    let (broker, github) = super::github::start().await;
    github.set(GithubFault::AlwaysFormEncoded);
    github.person("ada", |person| {
        person.github.emails =
            vec![json!({"email": "ada@example.com", "primary": true, "verified": false})];
        person.github.organizations = vec![
            ("acme".into(), "active".into()),
            ("secret".into(), "pending".into()),
        ];
        person.github.teams = (0..101)
            .map(|number| ("acme".to_owned(), format!("team-{number}")))
            .collect();
    });
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-email"), "");
    let groups: Vec<&str> = check.header("x-auth-request-groups").split(',').collect();
    assert!(groups.contains(&"acme/team-100"), "{groups:?}");
    assert!(!groups.contains(&"secret"), "{groups:?}");
    assert_eq!(github.count(Endpoint::GithubTeams), 2);
}

/// Members of those that the operator names, in any letter case, and nobody else: an organization that hides itself
/// lets nobody in.
#[rstest]
#[case::another_organization(2, "/0/login", json!("acme2"), "`acme2, globex`")]
#[case::another_team(3, "/0/slug", json!("ops2"), "`Acme/ops2`")]
#[case::team_of_another_organization(3, "/0/organization/login", json!("globex"), "`globex/ops`")]
#[tokio::test]
async fn p13_7_github_restriction_to_organizations_and_teams(
    #[case] call: usize,
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] found: &str,
) {
    let (broker, _github, _role) = start("github_teams", |role| {
        let answer = &mut role["calls"][call]["answer"];
        *answer.pointer_mut(pointer).expect("a member") = value.clone();
    })
    .await;
    refused_at_second(&broker, (403, ACCOUNT), found).await;
}

#[rstest]
#[case::organizations(2)]
#[case::teams(3)]
#[tokio::test]
async fn p13_7_github_hidden_organization_lets_nobody_in(#[case] call: usize) {
    let (broker, github, _role) = start("github_teams", |role| {
        role["calls"][call]["answer"] = json!([]);
    })
    .await;
    refused_at_second(&broker, (403, ACCOUNT), "").await;
    // That the other list cannot be had does not help either.
    let path = if call == 2 {
        "/api/v3/user/teams"
    } else {
        "/api/v3/user/orgs"
    };
    github.set(Fault::RoleRefuses(path.into()));
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "status 403").await;
}
