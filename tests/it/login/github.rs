//! The GitHub preset, end to end: no ID token, errors under 200, lists in pages that may not be whole.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::support::provider::{CLIENT_SECRET, Endpoint, GithubFault, Trouble};

/// A host of its own keeps its API below `/api/v3`, as Enterprise Server does.
const GITHUB: &str = "preset = \"github\"\nhost = \"{second_host}\"";
const TITLE: &str = "The answer of Second ID cannot be trusted";

pub(super) async fn start() -> (Broker, TestProvider) {
    with_second_provider(GITHUB, Setup::default()).await
}

/// Signs in there, then enters the wiki. Gives the check's answer.
async fn sign_in(broker: &Broker, browser: &mut Browser) -> Page {
    let login = broker.url("acme.localhost", "/login/second");
    let page = browser.visit(&login).await;
    assert_eq!(page.url.path(), "/sessions", "{}", page.text());
    assert_signs_in(broker, browser).await
}

/// The page that a login there ends with.
pub(super) async fn refused(broker: &Broker, (status, title): (u16, &str), reason: &str) {
    let mut browser = broker.browser();
    let login = broker.url("acme.localhost", "/login/second");
    let page = browser.visit(&login).await;
    assert_refused(broker, &browser, &page, (status, title), reason).await;
}

#[tokio::test]
async fn a_person_of_github_signs_in() {
    let (broker, github) = start().await;
    let mut browser = broker.browser();
    let check = sign_in(&broker, &mut browser).await;
    assert_eq!(check.header("x-auth-request-email"), "ada@example.com");
    assert_eq!(check.header("x-auth-request-groups"), "acme,acme/staff");
    let exchange = github.last(Endpoint::GithubToken).expect("an exchange");
    assert_eq!(exchange.form("client_secret"), Some(CLIENT_SECRET));
    assert!(
        exchange
            .header("accept")
            .is_some_and(|kind| kind.contains("application/json"))
    );
    let user = github.last(Endpoint::GithubUser).expect("a request");
    assert_eq!(user.path, "/api/v3/user");
    assert_eq!(user.header("x-github-api-version"), Some("2022-11-28"));
    assert_eq!(user.header("accept"), Some("application/vnd.github+json"));
    assert!(
        user.header("user-agent")
            .is_some_and(|agent| agent.starts_with("doorward/"))
    );
    assert_eq!(github.count(Endpoint::Discovery), 0);
}

#[tokio::test]
async fn a29_a_renamed_account_is_the_same_person_and_a_taken_name_is_not() {
    let (broker, github) = start().await;
    let user = |check: &Page| check.header("x-auth-request-user").to_owned();
    let before = user(&sign_in(&broker, &mut broker.browser()).await);
    github.person("ada", |person| person.username = "countess".into());
    assert_eq!(user(&sign_in(&broker, &mut broker.browser()).await), before);
    // Somebody else takes the old name, and the address with it.
    github.person("ada", |person| {
        person.username = "ada".into();
        person.github.id = 4711;
    });
    assert_ne!(user(&sign_in(&broker, &mut broker.browser()).await), before);
}

/// "1001" here is not "1001" at another issuer.
#[tokio::test]
async fn a29_a_number_is_a_person_only_beside_its_issuer() {
    let (broker, _github) = start().await;
    broker
        .provider
        .person("ada", |person| person.subject = "1001".into());
    let user = |check: &Page| check.header("x-auth-request-user").to_owned();
    let github = user(&sign_in(&broker, &mut broker.browser()).await);
    let mut browser = broker.browser();
    browser
        .visit(&broker.url("acme.localhost", "/login/main"))
        .await;
    let other = user(&assert_signs_in(&broker, &mut browser).await);
    assert_ne!(github, other);
}

#[tokio::test]
async fn lists_are_read_to_their_last_page() {
    let (broker, github) = start().await;
    github.person("ada", |person| {
        person.github.organizations = (0..250)
            .map(|number| (format!("org-{number}"), "active".to_owned()))
            .collect();
        person.github.teams = (0..120)
            .map(|number| ("org-0".to_owned(), format!("team-{number}")))
            .collect();
    });
    let check = sign_in(&broker, &mut broker.browser()).await;
    let groups: Vec<&str> = check.header("x-auth-request-groups").split(',').collect();
    assert_eq!(groups.len(), 370);
    assert!(groups.contains(&"org-249") && groups.contains(&"org-0/team-119"));
    assert_eq!(github.count(Endpoint::GithubOrganizations), 3);
    assert_eq!(github.count(Endpoint::GithubTeams), 2);
}

#[tokio::test]
async fn an_invitation_is_not_a_membership() {
    let (broker, github) = start().await;
    github.person("ada", |person| {
        person
            .github
            .organizations
            .push(("secret".into(), "pending".into()));
        person.github.teams.push(("secret".into(), "core".into()));
    });
    let check = sign_in(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-groups"), "acme,acme/staff");
}

#[rstest]
#[case::hidden_organizations(GithubFault::PartialSingleSignOn, "is not whole")]
#[case::required(GithubFault::RequiredSingleSignOn, "403")]
#[case::scopes_unticked(GithubFault::GrantsOnly("read:user"), "")]
#[case::rate_limited(GithubFault::RateLimited, "403")]
#[case::endless(GithubFault::NextPageIsThisPage, "is not whole")]
#[case::elsewhere(GithubFault::NextPageElsewhere("https://evil.example"), "is not whole")]
#[tokio::test]
async fn t13_a_list_that_is_not_whole_is_not_an_empty_one(
    #[case] fault: GithubFault,
    #[case] reason: &str,
) {
    let (broker, github) = start().await;
    github.set(fault);
    // Where something is said to be missing, people are told so.
    let answer = if reason == "is not whole" {
        (403, GROUPS)
    } else {
        (400, TITLE)
    };
    refused(&broker, answer, reason).await;
}

#[rstest]
#[case::used("bad_verification_code", (400, TITLE))]
#[case::secret("incorrect_client_credentials", (502, "Signing in with Second ID does not work"))]
#[tokio::test]
async fn an_error_under_200_is_an_error(#[case] error: &'static str, #[case] answer: (u16, &str)) {
    let (broker, github) = start().await;
    github.set(GithubFault::ErrorUnder200(error));
    refused(&broker, answer, error).await;
    assert_eq!(github.count(Endpoint::GithubUser), 0);
}

#[tokio::test]
async fn a_form_encoded_answer_with_commas_is_understood() {
    let (broker, github) = start().await;
    github.set(GithubFault::AlwaysFormEncoded);
    sign_in(&broker, &mut broker.browser()).await;
}

#[rstest]
#[case::not_verified(json!([{"email": "ada@example.com", "primary": true, "verified": false}]))]
#[case::not_primary(json!([{"email": "ada@example.com", "primary": false, "verified": true}]))]
#[case::verified_in_text(json!([{"email": "ada@example.com", "primary": true, "verified": "true"}]))]
#[case::flags_on_two(json!([
    {"email": "ada@example.com", "primary": true, "verified": false},
    {"email": "ada@example.com", "primary": false, "verified": true}
]))]
#[case::none(json!([]))]
#[tokio::test]
async fn t12_an_address_that_is_not_verified_is_none_and_the_login_works(
    #[case] emails: serde_json::Value,
) {
    let (broker, github) = start().await;
    github.person("ada", |person| {
        person.github.emails = emails.as_array().expect("a list").clone();
    });
    let mut browser = broker.browser();
    let check = sign_in(&broker, &mut browser).await;
    assert_eq!(check.header("x-auth-request-email"), "");
    broker.sign_in(&mut browser, BOARD, "/read").await;
    let board = broker.check(&browser, "GET", BOARD, "/").await;
    assert_eq!(board.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_issuer_is_checked_where_it_is_sent() {
    let (broker, github) = start().await;
    let own: &'static str = format!("{}/login/oauth", github.base()).leak();
    github.set(GithubFault::SendsIssuer(own));
    sign_in(&broker, &mut broker.browser()).await;
    github.behave();
    github.set(GithubFault::SendsIssuer("https://evil.example"));
    refused(&broker, (400, EXPIRED), "another issuer").await;
    assert_eq!(github.count(Endpoint::GithubToken), 1);
}

#[rstest]
#[case::user(Endpoint::GithubUser)]
#[case::emails(Endpoint::GithubEmails)]
#[case::organizations(Endpoint::GithubOrganizations)]
#[case::teams(Endpoint::GithubTeams)]
#[tokio::test]
async fn t04_an_api_that_fails_signs_nobody_in(#[case] endpoint: Endpoint) {
    let (broker, github) = start().await;
    for (trouble, status, title) in [
        (Trouble::Status(503), 502, "Second ID cannot be reached"),
        (Trouble::HangUp, 502, "Second ID cannot be reached"),
        (Trouble::Html(200), 400, TITLE),
        (Trouble::RedirectToItself, 400, TITLE),
    ] {
        github.behave();
        github.trouble(endpoint, trouble);
        refused(&broker, (status, title), "").await;
    }
}
