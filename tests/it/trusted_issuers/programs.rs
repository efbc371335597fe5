//! GitHub Actions and Google's service accounts: tokens that stand for a program.

use rstest::rstest;

use super::*;

const ACTIONS: &str = "https://token.actions.githubusercontent.com";

/// Pushes to the main branch of one repository, by its number: a name can be somebody else's tomorrow.
fn actions() -> TrustedIssuer {
    let mut rules = id_tokens(&[ACTIONS], &["https://broker.example"]);
    rules.claims = vec![
        is("repository_id", "456789"),
        is("repository_owner_id", "123456"),
        is("ref", "refs/heads/main"),
        one_of("event_name", &["push", "workflow_dispatch"]),
    ];
    rules
}

/// All of its claims are text, numbers and truths too.
fn run() -> Value {
    json!({
        "iss": ACTIONS, "aud": "https://broker.example", "sub": "repo:acme@123456/app@456789:ref:refs/heads/main",
        "repository": "acme/app", "repository_id": "456789", "repository_owner": "acme", "repository_owner_id": "123456",
        "ref": "refs/heads/main", "ref_type": "branch", "event_name": "push", "actor": "ada", "actor_id": "1",
        "run_id": "1", "runner_environment": "github-hosted", "jti": "j",
        "nbf": 1_800_000_000, "iat": 1_800_000_000, "exp": 1_800_000_900,
    })
}

#[rstest]
#[case::it_is_good(json!({}), ACCEPTED)]
#[case::the_older_subject(json!({"sub": "repo:acme/app:ref:refs/heads/main"}), ACCEPTED)]
#[case::the_default_audience(json!({"aud": "https://github.com/acme"}), for_others())]
#[case::another_service_of_ours(json!({"aud": "https://other.example"}), for_others())]
#[case::us_and_another_service(json!({"aud": ["https://broker.example", "https://other.example"]}), for_others())]
#[case::no_audience(json!({"aud": null}), for_others())]
#[case::another_repository_of_the_same_name(json!({"repository_id": "987654"}), not_as_demanded("/repository_id"))]
#[case::another_owner_of_the_same_name(json!({"repository_owner_id": "654321"}), not_as_demanded("/repository_owner_id"))]
#[case::a_number_that_is_one(json!({"repository_id": 456_789}), not_as_demanded("/repository_id"))]
#[case::a_fork(json!({"repository": "eve/app", "repository_id": "111111", "repository_owner": "eve", "repository_owner_id": "222222", "sub": "repo:eve@222222/app@111111:ref:refs/heads/main"}), not_as_demanded("/repository_id"))]
#[case::a_pull_request(json!({"event_name": "pull_request", "ref": "refs/pull/7/merge", "sub": "repo:acme@123456/app@456789:pull_request"}), not_as_demanded("/ref"))]
#[case::a_pull_request_that_names_the_branch(json!({"event_name": "pull_request", "sub": "repo:acme@123456/app@456789:pull_request"}), not_as_demanded("/event_name"))]
#[case::a_pull_request_with_rights(json!({"event_name": "pull_request_target"}), not_as_demanded("/event_name"))]
#[case::another_branch(json!({"ref": "refs/heads/next", "sub": "repo:acme@123456/app@456789:ref:refs/heads/next"}), not_as_demanded("/ref"))]
#[case::a_tag_of_that_name(json!({"ref": "refs/tags/main", "ref_type": "tag"}), not_as_demanded("/ref"))]
#[case::the_subject_alone(json!({"repository_id": null, "repository_owner_id": null, "ref": null}), not_as_demanded("/repository_id"))]
#[case::an_enterprises_issuer(json!({"iss": "https://token.actions.githubusercontent.com/acme"}), of_another_issuer("https://token.actions.githubusercontent.com/acme"))]
#[case::an_enterprise_server(json!({"iss": "https://github.acme.example/_services/token"}), of_another_issuer("https://github.acme.example/_services/token"))]
#[case::a_slash_at_the_end(json!({"iss": "https://token.actions.githubusercontent.com/"}), of_another_issuer("https://token.actions.githubusercontent.com/"))]
#[case::over(json!({"exp": 1_800_000_000}), Some(TokenRefused::Expired))]
#[tokio::test]
async fn p13_8_github_actions_tokens(
    #[case] changes: Value,
    #[case] expected: Option<TokenRefused>,
) {
    assert_eq!(refusal(&with(run(), changes), &actions()).await, expected);
}

/// An enterprise can have an issuer of its own, and then it has that one only.
#[tokio::test]
async fn p13_8_github_actions_issuer_of_an_enterprise() {
    let issuer = format!("{ACTIONS}/acme");
    let mut rules = actions();
    rules.issuers = Issuers::OneOf(vec![Issuer::new(&issuer)]);
    assert_eq!(refusal(&run(), &rules).await, of_another_issuer(ACTIONS));
    let claims = with(run(), json!({"iss": issuer}));
    assert_eq!(refusal(&claims, &rules).await, ACCEPTED);
}

/// Anybody at Google can have a token made for any audience: who asks decides.
#[rstest]
#[case::it_is_good(json!({}), ACCEPTED)]
#[case::another_account(json!({"azp": "200000000000000000002", "sub": "200000000000000000002", "email": "eve@other.iam.gserviceaccount.com"}), of_another_client("/azp"))]
#[case::another_account_with_our_subject(json!({"azp": "200000000000000000002"}), of_another_client("/azp"))]
#[case::for_another_service(json!({"aud": "https://other.example"}), for_others())]
#[case::no_account(json!({"azp": null}), of_another_client("/azp"))]
#[tokio::test]
async fn p13_6_google_service_accounts_at_an_api(
    #[case] changes: Value,
    #[case] expected: Option<TokenRefused>,
) {
    let issuers = ["https://accounts.google.com", "accounts.google.com"];
    let mut rules = id_tokens(&issuers, &["https://orders.acme.example"]);
    rules.party = Some(any_of("azp", &["100000000000000000009"]));
    let claims = json!({
        "iss": "https://accounts.google.com", "aud": "https://orders.acme.example", "azp": "100000000000000000009",
        "sub": "100000000000000000009", "email": "robot@acme.iam.gserviceaccount.com", "email_verified": true,
        "iat": 1_800_000_000, "exp": 1_800_003_600,
    });
    assert_eq!(refusal(&with(claims, changes), &rules).await, expected);
}
