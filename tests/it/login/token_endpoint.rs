//! The token endpoint: what it is asked, and the odd things it answers.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::support::provider::{CLIENT_ID, CLIENT_SECRET, Endpoint, TokenFault, Trouble};

#[rstest]
#[case::text_expiry(TokenFault::StringExpiresIn)]
#[case::null_expiry(TokenFault::With("expires_in", json!(null)))]
#[case::fractional_expiry(TokenFault::With("expires_in", json!(3599.5)))]
#[case::negative_expiry(TokenFault::With("expires_in", json!(-1)))]
#[case::no_token_type(TokenFault::NoTokenType)]
#[case::token_type_in_lower_case(TokenFault::TokenType("bearer"))]
#[case::token_type_in_capitals(TokenFault::TokenType("BEARER"))]
#[case::scope_as_list(TokenFault::With("scope", json!(["openid", "email"])))]
#[case::scope_with_commas(TokenFault::With("scope", json!("openid,email")))]
#[case::null_scope(TokenFault::With("scope", json!(null)))]
#[case::null_refresh_token(TokenFault::With("refresh_token", json!(null)))]
#[case::extra_member(TokenFault::With("not_before_policy", json!(0)))]
#[tokio::test]
async fn a_token_answer_that_others_give_is_understood(#[case] fault: TokenFault) {
    let broker = Broker::start().await;
    broker.provider.set(fault);
    assert_signs_in(&broker, &mut broker.browser()).await;
}

#[tokio::test]
async fn a_form_encoded_answer_is_understood() {
    let broker = Broker::start().await;
    broker.provider.set(TokenFault::FormEncoded);
    assert_signs_in(&broker, &mut broker.browser()).await;
}

#[tokio::test]
async fn a_wrong_media_type_is_no_reason_to_fail() {
    let broker = Broker::start().await;
    let trouble = Trouble::ContentType("text/html; charset=utf-8");
    broker.provider.trouble(Endpoint::Token, trouble);
    assert_signs_in(&broker, &mut broker.browser()).await;
}

/// Nothing that the person did, and nothing that trying again would mend.
#[tokio::test]
async fn a_provider_that_does_not_know_us_is_told_as_that() {
    let broker = Broker::start().await;
    broker.provider.set(TokenFault::InvalidClient);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    let reason = "`doorward provider test` tries them";
    assert_refused(&broker, &browser, &page, (502, NOT_SET_UP), reason).await;
    assert!(
        page.html().contains("mailto:it@acme.example"),
        "{}",
        page.html()
    );
    assert!(!page.text().contains("Start again"), "{}", page.text());
}

#[tokio::test]
async fn where_one_provider_does_not_know_us_another_is_offered() {
    let (broker, _second) = with_second_provider(OIDC, Setup::default()).await;
    broker.provider.set(TokenFault::InvalidClient);
    let mut browser = broker.browser();
    let login = broker.url(WIKI, "/oauth2/sign_in?idp_hint=main&rd=/");
    let callback = up_to(&mut browser, &login, is_callback).await;
    let page = browser.open(callback.as_str()).await;
    let page = browser.click(&page.link("Sign in another way")).await;
    let page = browser.click(&page.link("Second ID")).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"), "{}", page.text());
}

#[rstest]
#[case::used_code(TokenFault::InvalidGrant, "`invalid_grant`")]
#[case::error_under_200(TokenFault::ErrorUnder200, "`invalid_grant`")]
#[case::error_beside_tokens(TokenFault::With("error", json!("invalid_grant")), "`invalid_grant`")]
#[case::no_id_token(TokenFault::NoIdToken, "no ID token")]
#[case::null_id_token(TokenFault::With("id_token", json!(null)), "no ID token")]
#[case::number_as_id_token(TokenFault::With("id_token", json!(7)), "cannot be read")]
#[case::no_access_token(TokenFault::NoAccessToken, "")]
#[case::access_token_as_list(TokenFault::With("access_token", json!(["a"])), "access_token")]
#[tokio::test]
async fn a_token_answer_without_tokens_signs_nobody_in(
    #[case] fault: TokenFault,
    #[case] reason: &str,
) {
    let broker = Broker::start().await;
    broker.provider.set(fault);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(&broker, &browser, &page, (400, NOT_TRUSTED), reason).await;
    // The way on begins anew: the code is spent.
    broker.provider.behave();
    let page = browser.click(&page.link("Start again")).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"), "{}", page.text());
}

#[rstest]
#[case::html(Trouble::Html(200))]
#[case::list(Trouble::Text("[]".into()))]
#[case::deep(Trouble::Text("{\"a\":".repeat(50_000)))]
#[case::nothing(Trouble::Text(String::new()))]
#[case::refusal_in_html(Trouble::Html(403))]
#[tokio::test]
async fn t04_an_answer_that_is_none_is_not_to_be_trusted(#[case] trouble: Trouble) {
    let broker = Broker::start().await;
    broker.provider.trouble(Endpoint::Token, trouble);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(
        &broker,
        &browser,
        &page,
        (400, NOT_TRUSTED),
        "token endpoint",
    )
    .await;
}

#[rstest]
#[case::slow(Trouble::Held)]
#[case::stalled(Trouble::Stalled)]
#[case::huge(Trouble::Huge(300 * 1024))]
#[case::huge_in_chunks(Trouble::HugeInChunks(300 * 1024))]
#[case::hang_up(Trouble::HangUp)]
#[case::cut_off(Trouble::CutOff)]
#[case::failing(Trouble::Status(503))]
#[case::failing_in_html(Trouble::Html(502))]
#[case::overloaded(Trouble::Status(429))]
#[tokio::test]
async fn t04_a_token_endpoint_that_does_not_answer(#[case] trouble: Trouble) {
    let broker = discovery_and_keys::impatient(&trouble).await;
    broker.provider.trouble(Endpoint::Token, trouble);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(&broker, &browser, &page, (502, UNREACHABLE), "").await;
    assert_eq!(
        broker.provider.count(Endpoint::Token),
        1,
        "a code is offered once"
    );
    broker.provider.behave();
    let page = browser.click(&page.link("Try again")).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"), "{}", page.text());
}

/// RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
#[tokio::test]
async fn an_odd_secret_arrives_whole_in_the_header() {
    let broker = Broker::start().await;
    broker
        .provider
        .configure(|settings| settings.client_authentication = vec!["client_secret_basic"]);
    assert_signs_in(&broker, &mut broker.browser()).await;
    let exchange = broker.provider.last(Endpoint::Token).expect("an exchange");
    assert_eq!(exchange.form("client_secret"), None);
    let header = exchange.header("authorization").expect("a header");
    let decoded = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        header.strip_prefix("Basic ").expect("basic"),
    );
    let text = String::from_utf8(decoded.expect("base64")).expect("text");
    let (id, secret) = text.split_once(':').expect("two parts");
    let plain = |text: &str| {
        let spaced = text.replace('+', " ");
        let decoded = percent_encoding::percent_decode_str(&spaced);
        decoded.decode_utf8().expect("text").into_owned()
    };
    assert_eq!(plain(id), CLIENT_ID);
    assert_eq!(plain(secret), CLIENT_SECRET);
    assert!(!secret.contains([':', '/', '&', ' ']), "{secret}");
}

#[tokio::test]
async fn the_secret_goes_into_the_body_where_the_metadata_say_so() {
    let broker = Broker::start().await;
    broker
        .provider
        .configure(|settings| settings.client_authentication = vec!["client_secret_post"]);
    assert_signs_in(&broker, &mut broker.browser()).await;
    let exchange = broker.provider.last(Endpoint::Token).expect("an exchange");
    assert_eq!(exchange.form("client_secret"), Some(CLIENT_SECRET));
    assert_eq!(exchange.header("authorization"), None);
}

/// Codes, tokens and secrets reach neither pages nor log lines, whatever fails.
#[rstest]
#[case::refused(Some(TokenFault::InvalidGrant))]
#[case::no_id_token(Some(TokenFault::NoIdToken))]
#[case::fine(None)]
#[tokio::test]
async fn a36_t17_no_secret_is_shown_or_logged(#[case] fault: Option<TokenFault>) {
    let broker = Broker::start().await;
    if let Some(fault) = fault {
        broker.provider.set(fault);
    }
    let mut browser = broker.browser();
    let request = up_to_provider(&broker, &mut browser, WIKI).await;
    let callback = up_to(&mut browser, request.as_str(), is_callback).await;
    let cookie = cookie_header(&browser, &callback);
    let page = browser.visit(callback.as_str()).await;
    let exchange = broker.provider.last(Endpoint::Token).expect("an exchange");
    let mut secrets = vec![CLIENT_SECRET.to_owned()];
    secrets.extend(parameter(&callback, "code"));
    secrets.extend(parameter(&request, "nonce"));
    secrets.extend(parameter(&callback, "state"));
    secrets.extend(exchange.form("code_verifier").map(str::to_owned));
    secrets.extend(exchange.header("authorization").map(str::to_owned));
    secrets.extend(
        cookie
            .split("; ")
            .filter_map(|pair| pair.split_once('.').map(|(_, handle)| handle.to_owned())),
    );
    assert!(secrets.len() >= 7, "{secrets:?}");
    let lines: Vec<String> = audit::everything_here()
        .iter()
        .map(|line| format!("{line:?}"))
        .collect();
    assert!(!lines.is_empty());
    for secret in secrets {
        assert!(
            !page.html().contains(&secret),
            "{secret} in {}",
            page.html()
        );
        for line in &lines {
            assert!(!line.contains(&secret), "{secret} in {line}");
        }
    }
}
