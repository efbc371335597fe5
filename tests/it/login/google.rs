//! Google in its own shape: two spellings of its issuer, organizations by their domain, addresses that
//! outlive an employment, no sign-out. All values are made up.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::support::provider::{CLIENT_SECRET, DiscoveryFault, Endpoint, IdTokenFault as F};

/// A broker with Google as `acme`'s second provider, and Ada with an account of the organization
/// example.com.
async fn start(hosted_domains: &str) -> (Broker, TestProvider) {
    let settings = format!("preset = \"google\"\nhosted_domains = {hosted_domains}");
    let preset = ("google", "https://accounts.google.com", "");
    let (broker, google) = with_preset(Some(preset), &settings, Setup::default()).await;
    google.set(DiscoveryFault::Without("end_session_endpoint"));
    google.configure(|settings| {
        settings.client_authentication = vec!["client_secret_post", "client_secret_basic"];
        settings.session = String::new();
    });
    google.person("ada", |person| {
        person.subject = "100000000000000000001".into();
        person.groups = Vec::new();
        person.more.insert("hd".into(), "example.com".into());
        person.more.insert("locale".into(), "en".into());
    });
    (broker, google)
}

fn hosted(google: &TestProvider, domain: Option<&str>) {
    google.person("ada", |person| {
        person.more.remove("hd");
        let domain = domain.map(|domain| ("hd".to_owned(), Value::from(domain)));
        person.more.extend(domain);
    });
}

#[tokio::test]
async fn a_person_of_an_organization_signs_in_and_out() {
    let (broker, google) = start("[\"example.com\"]").await;
    let mut browser = broker.browser();
    let check = signs_in_at_second(&broker, &mut browser).await;
    assert_eq!(check.header("x-auth-request-email"), "ada@example.com");
    let request = google.last(Endpoint::Authorize).expect("a request");
    assert_eq!(request.query("hd"), Some("example.com"));
    assert_eq!(request.query("scope"), Some("openid profile email"));
    let exchange = google.last(Endpoint::Token).expect("an exchange");
    assert_eq!(exchange.form("client_secret"), Some(CLIENT_SECRET));
    // There is no sign-out there, and people are told.
    let out = broker.url(WIKI, "/oauth2/sign_out");
    let page = browser.visit(&out).await;
    assert_eq!(page.url.path(), "/signed-out");
    assert!(page.text().contains("You are signed out"));
    assert!(
        page.text()
            .contains("You may still be signed in at Second ID"),
        "{}",
        page.text()
    );
    assert!(!has_session(&browser));
}

#[rstest]
#[case::without_scheme("accounts.google.com", true)]
#[case::slash("{base}/", false)]
#[case::without_scheme_with_slash("accounts.google.com/", false)]
#[case::http("http://accounts.google.com", false)]
#[case::longer("accounts.google.com.evil.example", false)]
#[case::nothing("", false)]
#[tokio::test]
async fn t02_both_spellings_of_the_issuer_and_no_third(
    #[case] issuer: &str,
    #[case] accepted: bool,
) {
    let (broker, google) = start("[\"example.com\"]").await;
    let mut browser = broker.browser();
    let user = |check: &Page| check.header("x-auth-request-user").to_owned();
    let before = user(&signs_in_at_second(&broker, &mut browser).await);
    google.set(F::Claim(
        "iss",
        issuer.replace("{base}", google.base()).into(),
    ));
    if accepted {
        // And it is the same person.
        let after = user(&signs_in_at_second(&broker, &mut broker.browser()).await);
        assert_eq!(after, before);
    } else {
        refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "Invalid issuer").await;
    }
}

/// What counts is the claim: the request's `hd` is a hint that anybody can take out.
#[rstest]
#[case::personal_account(None, "absent")]
#[case::other_organization(Some("evil.example"), "`evil.example`")]
#[case::domain_below(Some("mail.example.com"), "`mail.example.com`")]
#[case::look_alike(Some("example.com.evil.example"), "`example.com.evil.example`")]
#[tokio::test]
async fn an_account_of_another_organization_is_not_let_in(
    #[case] domain: Option<&str>,
    #[case] found: &str,
) {
    let (broker, google) = start("[\"example.com\", \"example.org\"]").await;
    hosted(&google, domain);
    let reason = format!("its `/hd` is {found}");
    refused_at_second(&broker, (403, ACCOUNT), &reason).await;
    // Two organizations: no account is preferred.
    let request = google.last(Endpoint::Authorize).expect("a request");
    assert_eq!(request.query("hd"), None);
    hosted(&google, Some("example.org"));
    signs_in_at_second(&broker, &mut broker.browser()).await;
}

/// A personal account keeps its work address after its owner has left.
#[rstest]
#[case::own_organization("ada@example.com", Some("example.com"), json!(true), true)]
#[case::flag_in_text("ada@example.com", Some("example.com"), json!("true"), true)]
#[case::work_address_of_a_personal_account("ada@example.com", None, json!(true), false)]
#[case::work_address_of_another_organization("ada@example.com", Some("evil.example"), json!(true), false)]
#[case::not_verified("ada@example.com", Some("example.com"), json!(false), false)]
#[case::not_verified_in_text("ada@example.com", Some("example.com"), json!("false"), false)]
#[case::two_at("ada@evil.example@example.com", Some("example.com"), json!(true), false)]
#[tokio::test]
async fn t12_an_address_counts_for_the_account_of_its_domain(
    #[case] email: &str,
    #[case] domain: Option<&str>,
    #[case] verified: Value,
    #[case] counts: bool,
) {
    let (broker, google) = start("\"any\"").await;
    hosted(&google, domain);
    google.person("ada", |person| {
        person.email = Some(email.to_owned());
        person.email_verified = Some(verified);
    });
    let mut browser = broker.browser();
    let wiki = signs_in_at_second(&broker, &mut browser).await;
    let expected = if counts { email } else { "" };
    assert_eq!(wiki.header("x-auth-request-email"), expected);
    broker.sign_in(&mut browser, BOARD, "/read").await;
    let board = broker.check(&browser, "GET", BOARD, "/").await;
    assert_eq!(board.status == StatusCode::ACCEPTED, counts);
}

#[tokio::test]
async fn t12_a_mailbox_of_google_is_googles_to_vouch_for() {
    let (broker, google) = start("\"any\"").await;
    hosted(&google, None);
    google.person("ada", |person| person.email = Some("ada@gmail.com".into()));
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-email"), "ada@gmail.com");
}
