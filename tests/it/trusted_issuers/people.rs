//! Auth0, Cognito, Google, Firebase, Okta and Keycloak: tokens that stand for somebody.

use rstest::rstest;

use super::*;

const AUTH0: &str = "https://acme.eu.auth0.com/";

/// An API with role-based access control, for the people of one organization.
fn auth0() -> TrustedIssuer {
    let mut rules = access_tokens(AUTH0, &["https://api.acme.example"]);
    rules.typ = TypRule::OneOf(vec!["JWT".into(), "at+jwt".into()]);
    rules.claims = vec![is("org_id", "org_1"), present("https://acme.example/roles")];
    rules
}

#[rstest]
#[case::it_is_good(json!({}), ACCEPTED)]
#[case::issuer_without_slash(json!({"iss": "https://acme.eu.auth0.com"}), of_another_issuer("https://acme.eu.auth0.com"))]
#[case::a_custom_domain(json!({"iss": "https://login.acme.example/"}), of_another_issuer("https://login.acme.example/"))]
#[case::for_userinfo_alone(json!({"aud": "https://acme.eu.auth0.com/userinfo"}), for_others())]
#[case::for_userinfo_alone_in_a_list(json!({"aud": ["https://acme.eu.auth0.com/userinfo"]}), for_others())]
#[case::for_another_api(json!({"aud": ["https://other.acme.example", "https://acme.eu.auth0.com/userinfo"]}), for_others())]
#[case::the_api_with_a_slash(json!({"aud": "https://api.acme.example/"}), for_others())]
#[case::an_id_token(json!({"aud": "AbCdEf0123456789", "nonce": "n-1", "sid": "s-1"}), of_another_kind("nonce"))]
#[case::an_id_token_without_nonce(json!({"aud": "AbCdEf0123456789"}), for_others())]
#[case::no_organization(json!({"org_id": null}), not_as_demanded("/org_id"))]
#[case::another_organization(json!({"org_id": "org_2"}), not_as_demanded("/org_id"))]
#[case::an_organization_by_its_name(json!({"org_id": null, "org_name": "org_1"}), not_as_demanded("/org_id"))]
#[case::no_roles(json!({"https://acme.example/roles": []}), not_as_demanded("/https:~1~1acme.example~1roles"))]
#[case::roles_one_level_deeper(json!({"https://acme.example/roles": null, "https://acme": {"example/roles": ["editor"]}}), not_as_demanded("/https:~1~1acme.example~1roles"))]
#[case::bound_to_a_key(json!({"cnf": {"jkt": "x"}}), Some(TokenRefused::SenderConstrained))]
#[tokio::test]
async fn p13_4_auth0_tokens_at_an_api(
    #[case] changes: Value,
    #[case] expected: Option<TokenRefused>,
) {
    let claims = json!({
        "iss": AUTH0, "sub": "auth0|64aa00000000000000000001",
        "aud": ["https://api.acme.example", "https://acme.eu.auth0.com/userinfo"],
        "iat": 1_800_000_000, "exp": 1_800_086_400, "azp": "AbCdEf0123456789", "scope": "openid profile read:orders",
        "permissions": ["read:orders"], "org_id": "org_1", "https://acme.example/roles": ["editor"],
    });
    let claims = with(claims, changes);
    for typ in ["JWT", "at+jwt"] {
        let token = signer().sign(&claims, typ).expect("signed");
        assert_eq!(verified(&token, &auth0()).await.err(), expected, "{typ}");
    }
}

const POOL: &str = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123";

fn cognito_access_token() -> Value {
    json!({
        "iss": POOL, "sub": "0a1b2c3d-0000-4000-8000-0123456789ab", "username": "0a1b2c3d-0000-4000-8000-0123456789ab",
        "client_id": "1abcdefghijk2lmnop3qrst4uv", "token_use": "access", "scope": "openid orders/read", "version": 2,
        "origin_jti": "o-1", "jti": "j-1", "auth_time": 1_800_000_000, "iat": 1_800_000_000, "exp": 1_800_003_600,
    })
}

fn cognito_id_token() -> Value {
    let changes = json!({
        "client_id": null, "username": null, "scope": null, "version": null, "token_use": "id",
        "aud": "1abcdefghijk2lmnop3qrst4uv", "cognito:username": "ada", "email": "ada@acme.example", "email_verified": true,
    });
    with(cognito_access_token(), changes)
}

/// Who asked for a token stands in `client_id`; an audience there is only for who asked for one.
fn cognito() -> TrustedIssuer {
    let mut rules = access_tokens(POOL, &[]);
    rules.audience = None;
    rules.party = Some(any_of("client_id", &["1abcdefghijk2lmnop3qrst4uv"]));
    rules.claims = vec![is("token_use", "access")];
    rules
}

#[rstest]
#[case::it_is_good(cognito_access_token(), json!({}), ACCEPTED)]
#[case::with_an_audience(cognito_access_token(), json!({"aud": "https://api.acme.example"}), ACCEPTED)]
#[case::another_app_client(cognito_access_token(), json!({"client_id": "9zzzzzzzzzzz9zzzzz9zzzzzzz"}), of_another_client("/client_id"))]
#[case::in_capitals(cognito_access_token(), json!({"client_id": "1ABCDEFGHIJK2LMNOP3QRST4UV"}), of_another_client("/client_id"))]
#[case::a_list_of_clients(cognito_access_token(), json!({"client_id": ["1abcdefghijk2lmnop3qrst4uv"]}), of_another_client("/client_id"))]
#[case::another_client_with_our_audience(cognito_access_token(), json!({"client_id": "9zzzzzzzzzzz9zzzzz9zzzzzzz", "aud": "1abcdefghijk2lmnop3qrst4uv"}), of_another_client("/client_id"))]
#[case::no_client(cognito_access_token(), json!({"client_id": null}), of_another_client("/client_id"))]
#[case::another_pool(cognito_access_token(), json!({"iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_other"}), of_another_issuer("https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_other"))]
#[case::it_does_not_say_its_use(cognito_access_token(), json!({"token_use": null}), not_as_demanded("/token_use"))]
#[case::an_id_token(cognito_id_token(), json!({}), of_another_kind("token_use"))]
#[case::an_id_token_with_a_client(cognito_id_token(), json!({"client_id": "1abcdefghijk2lmnop3qrst4uv"}), of_another_kind("token_use"))]
#[case::an_id_token_in_capitals(cognito_id_token(), json!({"client_id": "1abcdefghijk2lmnop3qrst4uv", "token_use": "ID"}), of_another_kind("token_use"))]
#[tokio::test]
async fn p13_5_cognito_access_tokens_at_an_api(
    #[case] claims: Value,
    #[case] changes: Value,
    #[case] expected: Option<TokenRefused>,
) {
    assert_eq!(refusal(&with(claims, changes), &cognito()).await, expected);
}

/// The other way round: an API that takes ID tokens takes no access tokens.
#[rstest]
#[case::it_is_good(cognito_id_token(), json!({}), ACCEPTED)]
#[case::another_app_client(cognito_id_token(), json!({"aud": "9zzzzzzzzzzz9zzzzz9zzzzzzz"}), for_others())]
#[case::an_access_token(cognito_access_token(), json!({}), of_another_kind("token_use"))]
#[case::an_access_token_with_our_audience(cognito_access_token(), json!({"aud": "1abcdefghijk2lmnop3qrst4uv"}), of_another_kind("token_use"))]
#[tokio::test]
async fn p13_5_cognito_id_tokens_at_an_api(
    #[case] claims: Value,
    #[case] changes: Value,
    #[case] expected: Option<TokenRefused>,
) {
    let mut rules = id_tokens(&[POOL], &["1abcdefghijk2lmnop3qrst4uv"]);
    rules.claims = vec![is("token_use", "id")];
    assert_eq!(refusal(&with(claims, changes), &rules).await, expected);
}

#[rstest]
#[case::it_is_good(json!({}), ACCEPTED)]
#[case::the_other_spelling(json!({"iss": "accounts.google.com"}), ACCEPTED)]
#[case::a_third_spelling(json!({"iss": "https://accounts.google.com/"}), of_another_issuer("https://accounts.google.com/"))]
#[case::without_tls(json!({"iss": "http://accounts.google.com"}), of_another_issuer("http://accounts.google.com"))]
#[case::of_the_phones_app(json!({"azp": "2-phone.apps.googleusercontent.com"}), ACCEPTED)]
#[case::another_client(json!({"aud": "9-other.apps.googleusercontent.com"}), for_others())]
#[case::asked_for_by_another_client(json!({"azp": "9-other.apps.googleusercontent.com"}), of_another_client("azp"))]
#[case::a_personal_account(json!({"hd": null, "email": "ada@gmail.com"}), not_as_demanded("/hd"))]
#[case::the_address_alone(json!({"hd": null}), not_as_demanded("/hd"))]
#[case::another_organization(json!({"hd": "other.example"}), not_as_demanded("/hd"))]
#[case::any_organization(json!({"hd": "*"}), not_as_demanded("/hd"))]
#[tokio::test]
async fn p13_6_google_id_tokens_at_an_api(
    #[case] changes: Value,
    #[case] expected: Option<TokenRefused>,
) {
    let clients = [
        "1-web.apps.googleusercontent.com",
        "2-phone.apps.googleusercontent.com",
    ];
    let mut rules = id_tokens(
        &["https://accounts.google.com", "accounts.google.com"],
        &clients,
    );
    rules.claims = vec![is("hd", "school.example")];
    let claims = json!({
        "iss": "https://accounts.google.com", "aud": "1-web.apps.googleusercontent.com",
        "azp": "1-web.apps.googleusercontent.com", "sub": "100000000000000000001", "hd": "school.example",
        "email": "ada@school.example", "email_verified": true, "iat": 1_800_000_000, "exp": 1_800_003_600,
    });
    assert_eq!(refusal(&with(claims, changes), &rules).await, expected);
}

/// ID tokens of one project, of one of its tenants if there are several, of people who said who they are.
fn firebase(tenant: Option<&str>) -> TrustedIssuer {
    let mut rules = id_tokens(
        &["https://securetoken.google.com/acme-project"],
        &["acme-project"],
    );
    rules.claims = vec![
        present("sub"),
        ClaimDemand::Past(ClaimPath::new("auth_time")),
        one_of(
            "/firebase/sign_in_provider",
            &["password", "google.com", "phone"],
        ),
        match tenant {
            Some(tenant) => is("/firebase/tenant", tenant),
            None => absent("/firebase/tenant"),
        },
    ];
    rules
}

fn firebase_token() -> Value {
    json!({
        "iss": "https://securetoken.google.com/acme-project", "aud": "acme-project", "sub": "uid123", "user_id": "uid123",
        "auth_time": 1_800_000_000, "iat": 1_800_000_000, "exp": 1_800_003_600, "email": "ada@mail.example",
        "firebase": {"identities": {"email": ["ada@mail.example"]}, "sign_in_provider": "password"},
    })
}

fn signed_in_by(way: &str, tenant: Option<&str>) -> Value {
    let mut firebase = json!({"identities": {}, "sign_in_provider": way});
    if let Some(tenant) = tenant {
        firebase["tenant"] = json!(tenant);
    }
    json!({"firebase": firebase})
}

#[rstest]
#[case::it_is_good(json!({}), ACCEPTED)]
#[case::another_project(json!({"iss": "https://securetoken.google.com/other", "aud": "other"}), of_another_issuer("https://securetoken.google.com/other"))]
#[case::another_projects_audience(json!({"aud": "other"}), for_others())]
#[case::the_number_of_the_project(json!({"aud": "123456789012"}), for_others())]
#[case::a_custom_token(json!({"iss": "admin@acme-project.iam.gserviceaccount.com", "aud": "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit", "uid": "uid123"}), of_another_issuer("admin@acme-project.iam.gserviceaccount.com"))]
#[case::a_custom_token_that_names_the_project(json!({"aud": "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit", "uid": "uid123"}), for_others())]
#[case::a_session_cookie(json!({"iss": "https://session.firebase.google.com/acme-project"}), of_another_issuer("https://session.firebase.google.com/acme-project"))]
#[case::an_app_check_token(json!({"iss": "https://firebaseappcheck.googleapis.com/123456789012", "aud": ["projects/123456789012", "projects/acme-project"]}), of_another_issuer("https://firebaseappcheck.googleapis.com/123456789012"))]
#[case::a_tenant_where_none_is(
    signed_in_by("password", Some("tenant-a")),
    not_as_demanded("/firebase/tenant")
)]
#[case::in_the_future(json!({"auth_time": 1_800_000_060 + 61}), not_as_demanded("/auth_time"))]
#[case::within_the_skew(json!({"auth_time": 1_800_000_060 + 60}), ACCEPTED)]
#[case::a_time_in_text(json!({"auth_time": "1800000000"}), not_as_demanded("/auth_time"))]
#[case::no_time(json!({"auth_time": null}), not_as_demanded("/auth_time"))]
#[case::anonymous(
    signed_in_by("anonymous", None),
    not_as_demanded("/firebase/sign_in_provider")
)]
#[case::by_a_custom_token(json!({"firebase": {"sign_in_provider": "custom"}}), not_as_demanded("/firebase/sign_in_provider"))]
#[case::it_does_not_say_how(json!({"firebase": {"identities": {}}}), not_as_demanded("/firebase/sign_in_provider"))]
#[case::nobody(json!({"sub": ""}), not_as_demanded("/sub"))]
#[tokio::test]
async fn p13_9_firebase_id_tokens_at_an_api(
    #[case] changes: Value,
    #[case] expected: Option<TokenRefused>,
) {
    let claims = with(firebase_token(), changes);
    assert_eq!(refusal(&claims, &firebase(None)).await, expected);
}

#[rstest]
#[case::its_own(signed_in_by("password", Some("tenant-a")), ACCEPTED)]
#[case::anothers(
    signed_in_by("password", Some("tenant-b")),
    not_as_demanded("/firebase/tenant")
)]
#[case::of_none(json!({}), not_as_demanded("/firebase/tenant"))]
#[tokio::test]
async fn p13_9_firebase_a_tenant_is_one_of_several(
    #[case] changes: Value,
    #[case] expected: Option<TokenRefused>,
) {
    let claims = with(firebase_token(), changes);
    assert_eq!(
        refusal(&claims, &firebase(Some("tenant-a"))).await,
        expected
    );
}

#[tokio::test]
async fn p13_9_firebase_tokens_of_the_emulator_are_nobodys() {
    let refused = verified(&unsigned(&firebase_token()), &firebase(None)).await;
    let refused = refused.expect_err("refused");
    assert!(matches!(refused, TokenRefused::Header(_)), "{refused:?}");
}

/// Cookies that the Admin SDK makes are an issuer of their own, with rules of their own.
#[tokio::test]
async fn p13_9_firebase_session_cookies_are_not_id_tokens() {
    let issuer = "https://session.firebase.google.com/acme-project";
    let mut rules = firebase(None);
    rules.issuers = Issuers::OneOf(vec![Issuer::new(issuer)]);
    let cookie = with(firebase_token(), json!({"iss": issuer}));
    assert_eq!(refusal(&cookie, &rules).await, ACCEPTED);
    let expected = of_another_issuer("https://securetoken.google.com/acme-project");
    assert_eq!(refusal(&firebase_token(), &rules).await, expected);
}

fn okta_token() -> Value {
    json!({
        "ver": 1, "jti": "AT.example", "iss": "https://acme.okta.com/oauth2/default", "aud": "api://default",
        "iat": 1_800_000_000, "exp": 1_800_003_600, "auth_time": 1_799_999_990, "cid": "0oaEXAMPLE",
        "uid": "00uEXAMPLE", "scp": ["openid", "orders.read"], "sub": "ada@acme.example",
    })
}

fn okta() -> TrustedIssuer {
    let mut rules = access_tokens("https://acme.okta.com/oauth2/default", &["api://default"]);
    rules.party = Some(any_of("cid", &["0oaEXAMPLE"]));
    rules.claims = vec![present("scp")];
    rules
}

#[rstest]
#[case::it_is_good(json!({}), ACCEPTED)]
#[case::permissions_in_text(json!({"scp": "openid orders.read"}), ACCEPTED)]
#[case::no_permissions(json!({"scp": []}), not_as_demanded("/scp"))]
#[case::of_the_orgs_own_server(json!({"iss": "https://acme.okta.com", "aud": "https://acme.okta.com"}), of_another_issuer("https://acme.okta.com"))]
#[case::of_the_orgs_own_server_with_our_audience(json!({"iss": "https://acme.okta.com"}), of_another_issuer("https://acme.okta.com"))]
#[case::of_another_server(json!({"iss": "https://acme.okta.com/oauth2/aus1"}), of_another_issuer("https://acme.okta.com/oauth2/aus1"))]
#[case::another_client(json!({"cid": "0oaOTHER"}), of_another_client("/cid"))]
#[case::a_client_in_another_claim(json!({"cid": null, "azp": "0oaEXAMPLE", "client_id": "0oaEXAMPLE"}), of_another_client("/cid"))]
#[case::an_id_token(json!({"jti": "ID.example", "aud": "0oaEXAMPLE", "sub": "00uEXAMPLE", "cid": null, "scp": null, "at_hash": "h"}), of_another_kind("at_hash"))]
#[case::an_id_token_without_hash(json!({"jti": "ID.example", "aud": "0oaEXAMPLE", "sub": "00uEXAMPLE", "cid": null, "scp": null}), for_others())]
#[tokio::test]
async fn p13_10_okta_tokens_at_an_api(
    #[case] changes: Value,
    #[case] expected: Option<TokenRefused>,
) {
    assert_eq!(
        refusal(&with(okta_token(), changes), &okta()).await,
        expected
    );
}

/// The server of the org signs with keys that it does not publish: even with its name among the rules, no key fits.
#[tokio::test]
async fn p13_10_okta_a_token_of_the_orgs_own_server_fits_no_key() {
    let own = Signer::generate(SigningAlgorithm::Rs256).expect("a key");
    let mut rules = okta();
    rules.issuers = Issuers::OneOf(vec![Issuer::new("https://acme.okta.com")]);
    let claims = with(okta_token(), json!({"iss": "https://acme.okta.com"}));
    let token = own.sign(&claims, "JWT").expect("signed");
    let refused = verified(&token, &rules).await.expect_err("refused");
    assert!(matches!(refused, TokenRefused::Key(_)), "{refused:?}");
}

const REALM: &str = "https://sso.acme.example/realms/main";

fn keycloak_token() -> Value {
    json!({
        "exp": 1_800_000_300, "iat": 1_800_000_000, "jti": "j-1", "iss": REALM, "aud": ["orders-api", "account"],
        "sub": "6f1c0f5e-0000-4000-8000-000000000001", "typ": "Bearer", "azp": "web-app", "sid": "s-1",
        "resource_access": {"orders.api": {"roles": ["reader"]}}, "scope": "openid email profile",
    })
}

fn keycloak() -> TrustedIssuer {
    let mut rules = access_tokens(REALM, &["orders-api"]);
    rules.claims = vec![
        is("typ", "Bearer"),
        present("/resource_access/orders.api/roles"),
    ];
    rules
}

#[rstest]
#[case::it_is_good(json!({}), ACCEPTED)]
#[case::one_audience(json!({"aud": "orders-api"}), ACCEPTED)]
#[case::no_audience(json!({"aud": null}), for_others())]
#[case::the_audience_of_a_fresh_realm(json!({"aud": "account"}), for_others())]
#[case::asked_for_by_us_and_for_nobody(json!({"aud": null, "azp": "orders-api"}), for_others())]
#[case::an_id_token(json!({"typ": "ID", "aud": "orders-api"}), of_another_kind("typ"))]
#[case::a_refresh_token(json!({"typ": "Refresh"}), of_another_kind("typ"))]
#[case::an_offline_token(json!({"typ": "Offline"}), of_another_kind("typ"))]
#[case::it_does_not_say_its_type(json!({"typ": null}), not_as_demanded("/typ"))]
#[case::without_tls(json!({"iss": "http://sso.acme.example/realms/main"}), of_another_issuer("http://sso.acme.example/realms/main"))]
#[case::the_host_inside(json!({"iss": "https://keycloak:8443/realms/main"}), of_another_issuer("https://keycloak:8443/realms/main"))]
#[case::another_realm(json!({"iss": "https://sso.acme.example/realms/master"}), of_another_issuer("https://sso.acme.example/realms/master"))]
#[case::the_path_of_old(json!({"iss": "https://sso.acme.example/auth/realms/main"}), of_another_issuer("https://sso.acme.example/auth/realms/main"))]
#[case::roles_of_another_client(json!({"resource_access": {"orders": {"api": {"roles": ["reader"]}}}}), not_as_demanded("/resource_access/orders.api/roles"))]
#[tokio::test]
async fn p13_11_keycloak_tokens_at_an_api(
    #[case] changes: Value,
    #[case] expected: Option<TokenRefused>,
) {
    assert_eq!(
        refusal(&with(keycloak_token(), changes), &keycloak()).await,
        expected
    );
}

/// A realm publishes a key for encryption beside the one that signs, of the same kind.
#[tokio::test]
async fn p13_11_keycloak_a_key_for_encryption_verifies_nothing() {
    let other = Signer::generate(SigningAlgorithm::Rs256).expect("a key");
    let for_encryption = |changes: Value| with(other.public_jwk().clone(), changes);
    let marked = [
        json!({"use": "enc", "alg": "RSA-OAEP"}),
        json!({"use": "enc", "alg": null}),
        json!({"use": null, "alg": "RSA-OAEP"}),
        json!({"use": null, "alg": null, "key_ops": ["wrapKey"]}),
    ];
    for marks in marked {
        let mut rules = keycloak();
        rules.keys = published(&[for_encryption(marks.clone()), signer().public_jwk().clone()]);
        assert_eq!(
            refusal(&keycloak_token(), &rules).await,
            ACCEPTED,
            "{marks}"
        );
        let token = other.sign(&keycloak_token(), "JWT").expect("signed");
        let refused = verified(&token, &rules).await.expect_err("refused");
        assert!(
            matches!(refused, TokenRefused::Key(_)),
            "{marks}: {refused:?}"
        );
    }
}
