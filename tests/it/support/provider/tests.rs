//! What the provider promises: strict when nothing is wrong, and wrong in one thing at a time.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use doorward::ports::{Clock as _, ManualClock};
use http::{Response, StatusCode};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use rstest::rstest;
use serde_json::{Value, json};
use time::macros::datetime;
use url::Url;

use super::{
    Algorithm, AuthorizeFault, CLIENT_ID, CLIENT_SECRET, DiscoveryFault, Endpoint, Fault,
    GithubFault, IdTokenFault, JwksFault, KeyText, TestProvider, TokenFault, Trouble,
    UserinfoFault,
};
use crate::support::http::{get, post_form};

const VERIFIER: &str = "a-verifier-that-is-long-enough-for-the-rfc-0123456789";
const CALLBACK: &str = "http://app.localhost/callback";

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(datetime!(2027-01-15 08:00 UTC)))
}

fn provider() -> TestProvider {
    TestProvider::start(clock())
}

fn challenge() -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, VERIFIER.as_bytes());
    URL_SAFE_NO_PAD.encode(digest)
}

fn json_of(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).expect("JSON")
}

fn location(response: &Response<Bytes>) -> Url {
    let value = response.headers()["location"].to_str().expect("text");
    Url::parse(value).expect("an address")
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into())
}

async fn authorize(provider: &TestProvider, more: &str) -> Response<Bytes> {
    let target = format!(
        "/authorize?response_type=code&client_id={CLIENT_ID}&redirect_uri={CALLBACK}&state=st\
         &nonce=no&scope=openid+email+profile&code_challenge_method=S256&code_challenge={}{more}",
        challenge()
    );
    get(provider.address(), &target, &[])
        .await
        .expect("an answer")
}

async fn code(provider: &TestProvider) -> String {
    parameter(&location(&authorize(provider, "").await), "code").expect("a code")
}

fn basic() -> String {
    let encode =
        |part: &str| url::form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(CLIENT_ID), encode(CLIENT_SECRET));
    format!("Basic {}", STANDARD.encode(pair))
}

async fn exchange(provider: &TestProvider, code: &str) -> io::Result<Response<Bytes>> {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let headers = [("authorization", basic())];
    let headers = headers
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    post_form(provider.address(), "/token", &headers, &form).await
}

async fn signed_in(provider: &TestProvider) -> Value {
    let code = code(provider).await;
    json_of(&exchange(provider, &code).await.expect("an answer"))
}

/// The judgement of a verifier that is not ours.
fn verify(provider: &TestProvider, token: &str, algorithm: Algorithm) -> Result<Value, String> {
    let header = jsonwebtoken::decode_header(token).map_err(|error| error.to_string())?;
    let set: JwkSet =
        serde_json::from_value(provider.key_set()).map_err(|error| error.to_string())?;
    let key = set
        .find(header.kid.as_deref().unwrap_or_default())
        .ok_or("no such kid")?;
    let key = DecodingKey::from_jwk(key).map_err(|error| error.to_string())?;
    let mut validation = Validation::new(match algorithm {
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
    });
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    validation.set_audience(&[CLIENT_ID]);
    jsonwebtoken::decode(token, &key, &validation)
        .map(|token| token.claims)
        .map_err(|error| error.to_string())
}

#[rstest]
#[case(Algorithm::Rs256)]
#[case(Algorithm::Es256)]
#[tokio::test]
async fn a_whole_login_gives_a_token_that_others_verify(#[case] algorithm: Algorithm) {
    let clock = clock();
    let provider = TestProvider::start(Arc::clone(&clock));
    provider.configure(|settings| settings.algorithm = algorithm);
    let answer = signed_in(&provider).await;
    let token = answer["id_token"].as_str().expect("an ID token");
    let claims = verify(&provider, token, algorithm).expect("valid");
    let now = clock.now().unix_timestamp();
    assert_eq!(claims["iss"], provider.base());
    assert_eq!(claims["sub"], "subject-of-ada");
    assert_eq!(claims["nonce"], "no");
    assert_eq!(claims["email"], "ada@example.com");
    assert_eq!(claims["exp"], now + 300);
    let bearer = format!(
        "Bearer {}",
        answer["access_token"].as_str().expect("a token")
    );
    let userinfo = get(
        provider.address(),
        "/userinfo",
        &[("authorization", &bearer)],
    )
    .await
    .expect("an answer");
    assert_eq!(json_of(&userinfo)["sub"], "subject-of-ada");
    assert_eq!(provider.count(Endpoint::Token), 1);
    let last = provider.last(Endpoint::Token).expect("a request");
    assert_eq!(last.form("redirect_uri"), Some(CALLBACK));
    assert!(last.header("authorization").is_some());
}

#[tokio::test]
async fn a_code_is_for_one_use() {
    let provider = provider();
    let code = code(&provider).await;
    let first = exchange(&provider, &code).await.expect("an answer");
    let second = exchange(&provider, &code).await.expect("an answer");
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(second.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(&second)["error"], "invalid_grant");
    assert_eq!(provider.replayed_codes(), 1);
}

#[tokio::test]
async fn a_code_gets_old() {
    let clock = clock();
    let provider = TestProvider::start(Arc::clone(&clock));
    let code = code(&provider).await;
    clock.advance(std::time::Duration::from_secs(61));
    let answer = exchange(&provider, &code).await.expect("an answer");
    assert_eq!(json_of(&answer)["error"], "invalid_grant");
}

#[rstest]
#[case::verifier("code_verifier", "another-verifier-that-is-long-enough-0123456789")]
#[case::short_verifier("code_verifier", "short")]
#[case::redirect_uri("redirect_uri", "http://app.localhost/callback/")]
#[case::code("code", "code-000099")]
#[tokio::test]
async fn a_code_is_bound(#[case] name: &str, #[case] value: &str) {
    let provider = provider();
    let code = code(&provider).await;
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
    ];
    for (key, old) in &mut form {
        if *key == name {
            *old = value;
        }
    }
    let answer = post_form(provider.address(), "/token", &[], &form)
        .await
        .expect("an answer");
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(&answer)["error"], "invalid_grant");
}

#[rstest]
#[case::nobody(None, None)]
#[case::wrong_post(None, Some("wrong"))]
#[case::empty_post(None, Some(""))]
#[case::wrong_basic(Some("Basic ZG9vcndhcmQtYXQtdGhlLXRlc3Q6d3Jvbmc="), None)]
#[case::not_encoded(Some("raw"), None)]
#[case::both(Some("right"), Some(CLIENT_SECRET))]
#[tokio::test]
async fn a_client_authenticates_in_one_way(
    #[case] basic_value: Option<&str>,
    #[case] post: Option<&str>,
) {
    let provider = provider();
    let code = code(&provider).await;
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", CLIENT_ID),
    ];
    form.extend(post.map(|secret| ("client_secret", secret)));
    let value = basic_value.map(|value| match value {
        "right" => basic(),
        "raw" => format!(
            "Basic {}",
            STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"))
        ),
        value => value.to_owned(),
    });
    let headers: Vec<_> = value
        .iter()
        .map(|value| ("authorization", value.as_str()))
        .collect();
    let answer = post_form(provider.address(), "/token", &headers, &form)
        .await
        .expect("an answer");
    assert_eq!(json_of(&answer)["error"], "invalid_client");
}

/// Faults of the ID token's text that any careful verifier of signatures refuses.
#[rstest]
#[case(IdTokenFault::BadSignature)]
#[case(IdTokenFault::ChangedAfterSigning)]
#[case(IdTokenFault::NoSignature)]
#[case(IdTokenFault::Unsigned("none"))]
#[case(IdTokenFault::Unsigned("nOnE"))]
#[case(IdTokenFault::HmacKeyedWith(KeyText::Pem))]
#[case(IdTokenFault::HmacKeyedWith(KeyText::Jwk))]
#[case(IdTokenFault::SignedWithTheOtherAlgorithm)]
#[case(IdTokenFault::MislabelledAlgorithm("ES256"))]
#[case(IdTokenFault::EmbeddedKey)]
#[case(IdTokenFault::KeySetAddress)]
#[case(IdTokenFault::SignedByStranger)]
#[case(IdTokenFault::UnknownKid)]
#[case(IdTokenFault::KidOfOtherKey)]
#[case(IdTokenFault::OtherAudience)]
#[case(IdTokenFault::AudienceThatBeginsWithOurs)]
#[case(IdTokenFault::Encrypted)]
#[case(IdTokenFault::FourParts)]
#[case(IdTokenFault::Dots(1000))]
#[case(IdTokenFault::Padded)]
#[tokio::test]
async fn forged_tokens_are_forged(#[case] fault: IdTokenFault) {
    let provider = provider();
    let good = provider.token(json!({"sub": "subject-of-ada"}));
    assert!(verify(&provider, &good, Algorithm::Rs256).is_ok());
    provider.set(fault);
    let forged = provider.token(json!({"sub": "subject-of-ada"}));
    assert!(verify(&provider, &forged, Algorithm::Rs256).is_err());
}

/// Faults whose signature is right: only a check of the claims or of the header finds them.
#[rstest]
#[case(IdTokenFault::OtherIssuer, "iss", json!("https://evil.example"))]
#[case(IdTokenFault::ExtraAudienceWithoutAzp, "aud", json!([CLIENT_ID, "somebody-else"]))]
#[case(IdTokenFault::OtherAzp, "azp", json!("somebody-else"))]
#[case(IdTokenFault::OtherNonce, "nonce", json!("a-nonce-of-another-browser"))]
#[case(IdTokenFault::NoNonce, "nonce", Value::Null)]
#[case(IdTokenFault::StringExpiry, "exp", json!("never"))]
#[case(IdTokenFault::EndlessExpiry, "exp", json!(1e300))]
#[case(IdTokenFault::FractionalExpiry, "exp", json!(1_800_000_300.5))]
#[case(IdTokenFault::NotBeforeIn(61), "nbf", json!(1_800_000_061))]
#[case(IdTokenFault::EmptySubject, "sub", json!(""))]
#[case(IdTokenFault::NoSubject, "sub", Value::Null)]
#[tokio::test]
async fn wrong_claims_are_truly_signed(
    #[case] fault: IdTokenFault,
    #[case] claim: &str,
    #[case] value: Value,
) {
    let provider = provider();
    provider.set(fault);
    let answer = signed_in(&provider).await;
    let token = answer["id_token"].as_str().expect("an ID token");
    let claims = verify(&provider, token, Algorithm::Rs256).expect("the signature is right");
    assert_eq!(claims[claim], value);
}

#[tokio::test]
async fn rotation_retires_the_old_key() {
    let provider = provider();
    let old = provider.token(json!({}));
    provider.announce_next_key();
    assert_eq!(provider.key_set()["keys"].as_array().map(Vec::len), Some(3));
    assert!(verify(&provider, &old, Algorithm::Rs256).is_ok());
    provider.rotate();
    assert_eq!(provider.kid(), "rs256-2");
    assert_eq!(provider.key_set()["keys"].as_array().map(Vec::len), Some(2));
    assert!(verify(&provider, &old, Algorithm::Rs256).is_err());
    assert!(verify(&provider, &provider.token(json!({})), Algorithm::Rs256).is_ok());
    provider.set(JwksFault::Stale);
    assert!(verify(&provider, &old, Algorithm::Rs256).is_ok());
}

#[tokio::test]
async fn two_providers_have_different_keys() {
    let (one, two) = (provider(), provider());
    assert_ne!(one.key_set()["keys"][0]["n"], two.key_set()["keys"][0]["n"]);
    assert_ne!(one.key_set()["keys"][1]["x"], two.key_set()["keys"][1]["x"]);
}

#[rstest]
#[case(JwksFault::ManyKeys(101), 101)]
#[case(JwksFault::Empty, 0)]
#[case(JwksFault::DuplicateKid, 4)]
#[case(JwksFault::SymmetricKeys, 4)]
#[case(JwksFault::BrokenKeyAmongGoodOnes, 12)]
#[tokio::test]
async fn key_sets_go_wrong(#[case] fault: JwksFault, #[case] keys: usize) {
    let provider = provider();
    provider.set(fault);
    let answer = get(provider.address(), "/jwks", &[])
        .await
        .expect("an answer");
    assert_eq!(
        json_of(&answer)["keys"].as_array().map(Vec::len),
        Some(keys)
    );
    assert_eq!(answer.headers()["cache-control"], "public, max-age=3600");
}

#[rstest]
#[case(AuthorizeFault::NoIssuer, "iss", None)]
#[case(AuthorizeFault::OtherIssuer, "iss", Some("https://evil.example"))]
#[case(AuthorizeFault::CodeAndError, "error", Some("access_denied"))]
#[case(
    AuthorizeFault::OtherState,
    "state",
    Some("a-state-of-another-browser")
)]
#[case(
    AuthorizeFault::Error("access_denied", "<script>"),
    "error_description",
    Some("<script>")
)]
#[case(AuthorizeFault::Error("access_denied", "<script>"), "code", None)]
#[tokio::test]
async fn authorization_answers_go_wrong(
    #[case] fault: AuthorizeFault,
    #[case] name: &str,
    #[case] value: Option<&str>,
) {
    let provider = provider();
    provider.set(fault);
    let url = location(&authorize(&provider, "").await);
    assert_eq!(parameter(&url, name).as_deref(), value);
}

#[tokio::test]
async fn who_signs_in_is_named_by_hint_cookie_or_test() {
    let provider = provider();
    provider.sign_in_as("bob");
    let subject = async |more: &str| {
        let url = location(&authorize(&provider, more).await);
        let code = parameter(&url, "code").expect("a code");
        let answer = json_of(&exchange(&provider, &code).await.expect("an answer"));
        let token = answer["id_token"].as_str().expect("an ID token").to_owned();
        verify(&provider, &token, Algorithm::Rs256).expect("valid")["sub"].clone()
    };
    assert_eq!(subject("").await, "subject-of-bob");
    assert_eq!(subject("&login_hint=user-17").await, "subject-of-user-17");
}

#[rstest]
#[case(TokenFault::InvalidGrant, "error", json!("invalid_grant"), 400)]
#[case(TokenFault::ErrorUnder200, "error", json!("invalid_grant"), 200)]
#[case(TokenFault::StringExpiresIn, "expires_in", json!("3600"), 200)]
#[case(TokenFault::NoIdToken, "id_token", Value::Null, 200)]
#[case(TokenFault::NoTokenType, "token_type", Value::Null, 200)]
#[case(TokenFault::TokenType("bEARER"), "token_type", json!("bEARER"), 200)]
#[tokio::test]
async fn token_answers_go_wrong(
    #[case] fault: TokenFault,
    #[case] member: &str,
    #[case] value: Value,
    #[case] status: u16,
) {
    let provider = provider();
    provider.set(fault);
    let code = code(&provider).await;
    let answer = exchange(&provider, &code).await.expect("an answer");
    assert_eq!(answer.status(), status);
    assert_eq!(json_of(&answer)[member], value);
}

#[tokio::test]
async fn metadata_and_userinfo_go_wrong() {
    let provider = provider();
    provider.set(DiscoveryFault::Without("jwks_uri"));
    provider.set(DiscoveryFault::IssuerWithSlash);
    let path = "/.well-known/openid-configuration";
    let metadata = json_of(&get(provider.address(), path, &[]).await.expect("an answer"));
    assert_eq!(metadata["issuer"], format!("{}/", provider.base()));
    assert_eq!(metadata["jwks_uri"], Value::Null);
    provider.behave();
    let metadata = json_of(&get(provider.address(), path, &[]).await.expect("an answer"));
    assert_eq!(metadata["issuer"], provider.base());

    provider.set(UserinfoFault::EmailOnlyHere);
    provider.set(UserinfoFault::OtherSubject);
    let answer = signed_in(&provider).await;
    let token = answer["id_token"].as_str().expect("an ID token");
    let claims = verify(&provider, token, Algorithm::Rs256).expect("valid");
    assert_eq!(claims["email"], Value::Null);
    let bearer = format!(
        "Bearer {}",
        answer["access_token"].as_str().expect("a token")
    );
    let userinfo = get(
        provider.address(),
        "/userinfo",
        &[("authorization", &bearer)],
    )
    .await
    .expect("an answer");
    assert_eq!(json_of(&userinfo)["email"], "ada@example.com");
    assert_eq!(json_of(&userinfo)["sub"], "somebody-else");
}

#[rstest]
#[case(Trouble::Html(200), Ok(200))]
#[case(Trouble::Status(503), Ok(503))]
#[case(Trouble::RedirectTo("http://evil.example/".into()), Ok(307))]
#[case(Trouble::HangUp, Err(()))]
#[case(Trouble::CutOff, Err(()))]
#[tokio::test]
async fn any_endpoint_can_be_in_trouble(
    #[case] trouble: Trouble,
    #[case] expected: Result<u16, ()>,
) {
    let provider = provider();
    provider.trouble(Endpoint::Jwks, trouble);
    let answer = get(provider.address(), "/jwks", &[]).await;
    let status = answer
        .map(|answer| answer.status().as_u16())
        .map_err(|_| ());
    assert_eq!(status, expected);
    let elsewhere = get(provider.address(), "/.well-known/openid-configuration", &[]).await;
    assert_eq!(elsewhere.expect("an answer").status(), StatusCode::OK);
}

#[rstest]
#[case(Trouble::Huge(10_000_000))]
#[case(Trouble::HugeInChunks(10_000_000))]
#[tokio::test]
async fn a_huge_answer_is_right_but_for_its_size(#[case] trouble: Trouble) {
    let provider = provider();
    provider.trouble(Endpoint::Jwks, trouble);
    let answer = get(provider.address(), "/jwks", &[])
        .await
        .expect("an answer");
    assert!(answer.body().len() > 10_000_000);
    assert_eq!(json_of(&answer), provider.key_set());
}

#[tokio::test]
async fn a_redirect_to_itself_would_give_the_true_answer() {
    let provider = provider();
    provider.trouble(Endpoint::Jwks, Trouble::RedirectToItself);
    let answer = get(provider.address(), "/jwks", &[])
        .await
        .expect("an answer");
    let to = location(&answer);
    let target = format!("{}?{}", to.path(), to.query().unwrap_or_default());
    let answer = get(provider.address(), &target, &[])
        .await
        .expect("an answer");
    assert_eq!(json_of(&answer), provider.key_set());
}

#[rstest]
#[case(Trouble::Held)]
#[case(Trouble::Stalled)]
#[tokio::test]
async fn what_is_slow_waits_for_the_test(#[case] trouble: Trouble) {
    let provider = provider();
    let address = provider.address();
    provider.trouble(Endpoint::Jwks, trouble);
    let first = tokio::spawn(async move { get(address, "/jwks", &[]).await });
    let second = tokio::spawn(async move { get(address, "/jwks", &[]).await });
    provider.until_waiting(Endpoint::Jwks, 2).await;
    assert!(!first.is_finished() && !second.is_finished());
    provider.release_one(Endpoint::Jwks);
    provider.until_waiting(Endpoint::Jwks, 1).await;
    provider.release(Endpoint::Jwks);
    for request in [first, second] {
        let answer = request.await.expect("no panic").expect("an answer");
        assert_eq!(json_of(&answer), provider.key_set());
    }
}

#[tokio::test]
async fn a_client_that_goes_away_waits_no_more() {
    let provider = provider();
    let address = provider.address();
    provider.trouble(Endpoint::Token, Trouble::Held);
    let request = tokio::spawn(async move { post_form(address, "/token", &[], &[]).await });
    provider.until_waiting(Endpoint::Token, 1).await;
    request.abort();
    provider.until_waiting(Endpoint::Token, 0).await;
    assert_eq!(provider.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn it_can_be_down_and_come_back_on_the_same_port() {
    let provider = provider();
    provider.down().await;
    let refused = get(provider.address(), "/jwks", &[]).await;
    assert_eq!(
        refused.map(|_| ()).map_err(|error| error.kind()),
        Err(io::ErrorKind::ConnectionRefused)
    );
    provider.up().await;
    let answer = get(provider.address(), "/jwks", &[]).await;
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn going_down_ends_open_connections() {
    let provider = provider();
    let address = provider.address();
    provider.trouble(Endpoint::Jwks, Trouble::Held);
    let request = tokio::spawn(async move { get(address, "/jwks", &[]).await });
    provider.until_waiting(Endpoint::Jwks, 1).await;
    provider.down().await;
    assert!(request.await.expect("no panic").is_err());
    assert_eq!(provider.waiting(Endpoint::Jwks), 0);
}

#[tokio::test]
async fn sign_out_comes_back_with_its_state() {
    let provider = provider();
    let target =
        format!("/end_session?client_id={CLIENT_ID}&state=bye&post_logout_redirect_uri={CALLBACK}");
    let answer = get(provider.address(), &target, &[])
        .await
        .expect("an answer");
    assert_eq!(location(&answer).as_str(), format!("{CALLBACK}?state=bye"));
}

#[tokio::test]
async fn keys_of_an_attacker_are_there_to_be_counted() {
    let provider = provider();
    provider.set(IdTokenFault::KeySetAddress);
    let token = provider.token(json!({}));
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap_or_default());
    let header: Value = serde_json::from_slice(&header.expect("base64")).expect("JSON");
    assert_eq!(header["jku"], provider.url("/attacker/jwks"));
    get(provider.address(), "/attacker/jwks", &[])
        .await
        .expect("an answer");
    assert_eq!(provider.count(Endpoint::AttackerKeys), 1);
}

async fn github_token(provider: &TestProvider, scope: &str, accept: &str) -> Response<Bytes> {
    let target = format!(
        "/login/oauth/authorize?client_id={CLIENT_ID}&redirect_uri={CALLBACK}&state=st&scope={scope}"
    );
    let answer = get(provider.address(), &target, &[])
        .await
        .expect("an answer");
    let code = parameter(&location(&answer), "code").expect("a code");
    let form = [
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("code", &code),
        ("redirect_uri", CALLBACK),
    ];
    let headers = [("accept", accept)];
    let path = "/login/oauth/access_token";
    post_form(provider.address(), path, &headers, &form)
        .await
        .expect("an answer")
}

async fn github_api(provider: &TestProvider, token: &str, target: &str) -> Response<Bytes> {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("user-agent", "test")];
    get(provider.address(), target, &headers)
        .await
        .expect("an answer")
}

#[tokio::test]
async fn github_answers_in_a_form_unless_asked_for_json() {
    let provider = provider();
    let form = github_token(&provider, "read:user+user:email", "*/*").await;
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(form.body())
        .into_owned()
        .collect();
    assert!(pairs.contains(&("scope".into(), "read:user,user:email".into())));
    let json = github_token(&provider, "read:user", "application/json").await;
    assert_eq!(json_of(&json)["token_type"], "bearer");
    provider.set(GithubFault::ErrorUnder200("bad_verification_code"));
    let error = github_token(&provider, "read:user", "application/json").await;
    assert_eq!(error.status(), StatusCode::OK);
    assert_eq!(json_of(&error)["error"], "bad_verification_code");
}

#[tokio::test]
async fn github_lists_come_in_pages_and_open_by_scope() {
    let provider = provider();
    provider.person("ada", |ada| {
        ada.github.teams = (0..250)
            .map(|n| ("acme".into(), format!("team-{n}")))
            .collect();
        ada.github
            .organizations
            .push(("globex".into(), "pending".into()));
    });
    let answer = github_token(&provider, "read:org", "application/json").await;
    let token = json_of(&answer)["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    assert_eq!(
        json_of(&github_api(&provider, &token, "/user").await)["id"],
        1001
    );
    let emails = github_api(&provider, &token, "/user/emails").await;
    assert_eq!(emails.status(), StatusCode::NOT_FOUND);

    let mut target = "/user/teams?per_page=100".to_owned();
    let mut sizes = Vec::new();
    loop {
        let page = github_api(&provider, &token, &target).await;
        sizes.push(json_of(&page).as_array().map_or(0, Vec::len));
        let Some(link) = page.headers().get("link") else {
            break;
        };
        let link = link.to_str().expect("text");
        let (next, _) = link.split_once(">; rel=\"next\"").expect("a next page");
        target = next.trim_start_matches('<').replace(provider.base(), "");
    }
    assert_eq!(sizes, [100, 100, 50]);

    provider.set(GithubFault::PartialSingleSignOn);
    let short = github_api(&provider, &token, "/user/orgs").await;
    assert!(short.headers().contains_key("x-github-sso"));
    assert_eq!(json_of(&short).as_array().map(Vec::len), Some(1));
    provider.set(GithubFault::RequiredSingleSignOn);
    let refused = github_api(&provider, &token, "/user/memberships/orgs").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn one_fault_can_be_taken_away() {
    let provider = provider();
    provider.set(JwksFault::Empty);
    provider.set(JwksFault::NoCacheControl);
    provider.unset(Fault::Jwks(JwksFault::Empty));
    let answer = get(provider.address(), "/jwks", &[])
        .await
        .expect("an answer");
    assert_eq!(json_of(&answer), provider.key_set());
    assert!(!answer.headers().contains_key("cache-control"));
}
