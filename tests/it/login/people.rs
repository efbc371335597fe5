//! Who the person is: never by e-mail, and an e-mail only where the provider vouches for it.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::support::provider::{IdTokenFault, UserinfoFault};

/// Signs in as somebody with this address, and gives what the wiki is told and what the board says.
async fn told(email: Option<&str>, verified: Option<Value>) -> (Page, Page) {
    let broker = Broker::start().await;
    broker.provider.person("ada", |person| {
        person.email = email.map(str::to_owned);
        person.email_verified = verified;
    });
    let mut browser = broker.browser();
    let wiki = assert_signs_in(&broker, &mut browser).await;
    // The board's rules refuse at the tenant's host already; the check must say the same.
    broker.sign_in(&mut browser, BOARD, "/read").await;
    let board = broker.check(&browser, "GET", BOARD, "/").await;
    (wiki, board)
}

#[tokio::test]
async fn a28_the_boards_rule_lets_its_own_domain_in() {
    let (wiki, board) = told(Some("Ada@Example.COM"), Some(json!(true))).await;
    assert_eq!(wiki.header("x-auth-request-email"), "ada@example.com");
    assert_eq!(board.status, StatusCode::ACCEPTED);
    assert_eq!(board.header("x-auth-request-email"), "ada@example.com");
}

#[rstest]
#[case::two_at("ada@evil.com@example.com")]
#[case::two_at_the_other_way("ada@example.com@evil.com")]
#[case::full_width_at("ada@evil.com＠example.com")]
#[case::full_width_at_alone("ada＠example.com")]
#[case::small_at("ada@evil.com﹫example.com")]
#[case::suffix("ada@evil-example.com")]
#[case::prefix("ada@example.com.evil")]
#[case::sub_domain("ada@sub.example.com")]
#[case::cyrillic("ada@exаmple.com")]
#[case::full_width_letters("ada@ｅxample.com")]
#[case::ideographic_dot("ada@example。com")]
#[case::zero_width("ada@exam\u{200b}ple.com")]
#[case::trailing_dot("ada@example.com.")]
#[case::space("ada@example.com ")]
#[case::line_break("ada@example.com\r\n")]
#[case::nul("ada@example.com\0.evil")]
#[case::quoted("\"ada@example.com\"@evil.com")]
#[case::comment("ada@example.com(evil.com)")]
#[case::display_name("Ada <ada@example.com>")]
#[case::list("ada@example.com,eve@evil.com")]
#[case::percent("ada%40example.com@evil.com")]
#[case::slash("ada@evil.com/example.com")]
#[case::no_at("example.com")]
#[case::nothing("")]
#[tokio::test]
async fn a28_t10_t11_a_look_alike_does_not_pass_the_rule(#[case] email: &str) {
    let (wiki, board) = told(Some(email), Some(json!(true))).await;
    assert_eq!(board.status, StatusCode::FORBIDDEN, "{email}");
    assert!(
        !wiki
            .header("x-auth-request-email")
            .ends_with("@example.com"),
        "{email}"
    );
    // The person is signed in all the same.
    assert_eq!(wiki.header("x-auth-request-user").len(), 32);
}

#[rstest]
#[case::text("true".into())]
#[case::false_text("false".into())]
#[case::no(false.into())]
#[case::null(Value::Null)]
#[tokio::test]
async fn t12_only_a_true_flag_vouches_for_an_address(#[case] flag: Value) {
    let (wiki, board) = told(Some("ada@example.com"), Some(flag)).await;
    assert!(wiki.headers.contains_key("x-auth-request-email"));
    assert_eq!(wiki.header("x-auth-request-email"), "");
    assert_eq!(board.status, StatusCode::FORBIDDEN);
}

/// A flag of another kind vouches for nothing, and is no reason to keep the person out.
#[rstest]
#[case::number(1.into())]
#[case::list(json!([true]))]
#[case::object(json!({"verified": true}))]
#[tokio::test]
async fn t12_a_flag_of_another_kind_vouches_for_nothing(#[case] flag: Value) {
    let (wiki, board) = told(Some("ada@example.com"), Some(flag)).await;
    assert_eq!(wiki.header("x-auth-request-email"), "");
    assert_eq!(board.status, StatusCode::FORBIDDEN);
}

/// As Auth0 writes it, and Cognito.
#[tokio::test]
async fn claims_in_the_manner_of_big_providers_are_no_reason_to_refuse() {
    let broker = Broker::start().await;
    broker.provider.person("ada", |person| {
        let more = [
            ("updated_at", json!("2026-12-30T15:13:40.474Z")),
            ("phone_number_verified", json!(1)),
            ("picture", json!("https://pictures.example/ada.png")),
            ("locale", json!("en-GB")),
            ("address", json!("12 St James's Square, London")),
            ("zoneinfo", json!(0)),
            ("amr", json!("pwd")),
            ("identities", json!([{"provider": "x", "primary": "true"}])),
        ];
        let more = more.map(|(name, value)| (name.to_owned(), value));
        person.more.extend(more);
    });
    assert_signs_in(&broker, &mut broker.browser()).await;
}

#[tokio::test]
async fn t12_an_absent_flag_is_not_a_true_one() {
    let (wiki, board) = told(Some("ada@example.com"), None).await;
    assert_eq!(wiki.header("x-auth-request-email"), "");
    assert_eq!(board.status, StatusCode::FORBIDDEN);
}

/// The flag in the ID token is about the address there, not about the one in userinfo.
#[rstest]
#[case::flag_in_the_token(
    vec![IdTokenFault::WithoutClaim("email")],
    vec![UserinfoFault::Without("email_verified"), UserinfoFault::With("email", json!("ceo@example.com"))]
)]
#[case::flag_in_userinfo(
    vec![IdTokenFault::WithoutClaim("email_verified"), IdTokenFault::WithoutClaim("name")],
    vec![UserinfoFault::Without("email"), UserinfoFault::With("email_verified", json!(true))]
)]
#[tokio::test]
async fn t12_a_flag_counts_only_beside_its_address(
    #[case] token: Vec<IdTokenFault>,
    #[case] userinfo: Vec<UserinfoFault>,
) {
    let broker = Broker::start().await;
    for fault in token {
        broker.provider.set(fault);
    }
    for fault in userinfo {
        broker.provider.set(fault);
    }
    let mut browser = broker.browser();
    let wiki = assert_signs_in(&broker, &mut browser).await;
    assert_eq!(
        broker
            .provider
            .count(crate::support::provider::Endpoint::Userinfo),
        1,
        "both documents were read"
    );
    assert_eq!(wiki.header("x-auth-request-email"), "");
}

async fn user(broker: &Broker, app: &str) -> String {
    let page = assert_signs_in_at(broker, &mut broker.browser(), app).await;
    page.header("x-auth-request-user").to_owned()
}

#[tokio::test]
async fn a29_the_same_address_is_not_the_same_person() {
    let (broker, second) = with_second_provider(OIDC, Setup::default()).await;
    let through = |path: &'static str| {
        let broker = &broker;
        async move {
            let mut browser = broker.browser();
            browser.visit(&broker.url("acme.localhost", path)).await;
            broker.sign_in(&mut browser, WIKI, "/").await;
            let check = broker.check(&browser, "GET", WIKI, "/").await;
            assert_eq!(check.status, StatusCode::ACCEPTED);
            assert_eq!(check.header("x-auth-request-email"), "ada@example.com");
            check.header("x-auth-request-user").to_owned()
        }
    };
    let ada = through("/login/main").await;
    assert_eq!(
        through("/login/main").await,
        ada,
        "she is the same each time"
    );
    // Another account with her address.
    broker.provider.person("eve", |person| {
        person.email = Some("ada@example.com".into());
        person.username = "ada".into();
        person.name = "Ada Example".into();
    });
    broker.provider.sign_in_as("eve");
    assert_ne!(through("/login/main").await, ada);
    // The same `sub` and address at another issuer.
    assert_ne!(through("/login/second").await, ada);
    second.sign_in_as("ada");
    assert_ne!(through("/login/second").await, ada);
}

#[tokio::test]
async fn a29_a_person_stays_who_they_are_when_all_else_changes() {
    let broker = Broker::start().await;
    let before = user(&broker, WIKI).await;
    broker.provider.person("ada", |person| {
        person.email = Some("countess@example.org".into());
        person.username = "lovelace".into();
        person.name = "Ada Lovelace".into();
        person.groups = vec!["retired".into()];
    });
    assert_eq!(user(&broker, WIKI).await, before);
}

#[rstest]
#[case::script("<script>alert(1)</script>")]
#[case::attribute("\"><img src=x onerror=alert(1)>")]
#[case::template("{{ 7 * 7 }}{% include 'x' %}")]
#[case::entity("&lt;b&gt;")]
#[tokio::test]
async fn a38_a_hostile_name_is_shown_as_it_is_spelt(#[case] name: &'static str) {
    let broker = Broker::start().await;
    broker.provider.person("ada", |person| {
        person.name = name.into();
        person.username = name.into();
        person.groups = vec![name.into()];
        person
            .more
            .insert("picture".into(), "javascript:alert(1)".into());
    });
    let mut browser = broker.browser();
    let sessions = browser.visit(&broker.url("acme.localhost", "/login")).await;
    assert_eq!(sessions.url.path(), "/sessions");
    assert!(sessions.text().contains(name), "{}", sessions.text());
    // Refused pages show the account too.
    let refused = broker.sign_in(&mut browser, BOARD, "/admin").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text().contains(name), "{}", refused.text());
    for page in [sessions, refused] {
        let html = page.html();
        for hostile in ["<script>", "<img", "javascript:"] {
            assert!(!html.contains(hostile), "{hostile} in {html}");
        }
        let policy = page.header("content-security-policy");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
    }
}

/// A name cannot end a header either.
#[tokio::test]
async fn t07_a_subject_with_a_line_break_is_no_header() {
    let broker = Broker::start().await;
    broker
        .provider
        .set(IdTokenFault::SubjectWithControlCharacter);
    let mut browser = broker.browser();
    let check = assert_signs_in(&broker, &mut browser).await;
    assert!(!check.headers.contains_key("x-forged"));
    assert_eq!(check.header("x-auth-request-user").len(), 32);
}

/// There is no linking: one who is signed in and signs in elsewhere is whoever they are there, and what was begun
/// for the one is not the other's.
#[tokio::test]
async fn a30_a_second_sign_in_in_one_browser_links_nobody() {
    let (broker, _second) = with_second_provider(OIDC, Setup::default()).await;
    let mut browser = broker.browser();
    let mut users = Vec::new();
    let mut sessions = Vec::new();
    for provider in ["main", "second", "main", "second"] {
        let login = broker.url("acme.localhost", &format!("/login/{provider}"));
        browser.visit(&login).await;
        let session = browser.cookie(&login, "__Host-dws-acme");
        sessions.push(session.expect("a session"));
        broker.sign_in(&mut browser, WIKI, "/").await;
        let check = broker.check(&browser, "GET", WIKI, "/").await;
        assert_eq!(check.header("x-auth-request-email"), "ada@example.com");
        users.push(check.header("x-auth-request-user").to_owned());
    }
    assert_ne!(users[0], users[1], "{users:?}");
    assert_eq!(users[..2], users[2..], "each is who they were");
    // Where the other one signed in, the session before is over.
    for ended in &sessions[..3] {
        let mut old = broker.browser();
        let page = broker.url("acme.localhost", "/sessions");
        let line = format!("__Host-dws-acme={ended}; Secure; HttpOnly; SameSite=Lax; Path=/");
        old.set_cookie(&page, &line);
        let page = old.open(&page).await;
        assert_ne!(page.status, StatusCode::OK, "{}", page.text());
    }
}
