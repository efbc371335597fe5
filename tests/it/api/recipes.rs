//! The recipes of `docs/bearer.md`, with keys of the test's own: what they take, and what they protect from.
//!
//! The functions are those of the page, word for word; the last test compares them.

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use doorward::api::{Caller, IssuerRules, RequiredScopes, TrustedIssuers};
use doorward::jose::{KeySet, SignatureAlgorithm, Signer, SigningAlgorithm, TokenRefused};
use doorward::ports::ManualClock;
use rstest::rstest;
use serde_json::{Value, json};
use time::OffsetDateTime;

const NOW: i64 = 1_800_000_000;

// Recipe: entra
fn entra() -> IssuerRules {
    use std::time::Duration;

    use doorward::api::ScopeClaims;
    use doorward::jose::ClaimDemand;

    let tenant = "https://login.microsoftonline.com/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/v2.0";
    IssuerRules::discovered(tenant, &["66666666-7777-4888-8999-000000000000"])
        .any_typ()
        .demand(ClaimDemand::is("ver", "2.0"))
        .demand(ClaimDemand::any_present(&["scp", "idtyp"]))
        .demand(ClaimDemand::any_present(&["scp", "roles"]))
        .scopes(ScopeClaims::new(&["scp", "roles"]))
        .cool_down(Duration::from_mins(5))
}
// End.

// Recipe: entra_tenants
fn entra_tenants() -> IssuerRules {
    use doorward::api::ScopeClaims;
    use doorward::jose::ClaimDemand;

    let any = "https://login.microsoftonline.com/{tenantid}/v2.0";
    let metadata =
        "https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration";
    IssuerRules::discovered(any, &["66666666-7777-4888-8999-000000000000"])
        .metadata_at(metadata)
        .tenants(&[
            "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
            "bbbbbbbb-cccc-4ddd-8eee-ffffffffffff",
        ])
        .any_typ()
        .demand(ClaimDemand::is("ver", "2.0"))
        .demand(ClaimDemand::any_present(&["scp", "idtyp"]))
        .demand(ClaimDemand::any_present(&["scp", "roles"]))
        .scopes(ScopeClaims::new(&["scp", "roles"]))
}
// End.

// Recipe: auth0
fn auth0() -> IssuerRules {
    use doorward::api::ScopeClaims;

    IssuerRules::discovered("https://acme.eu.auth0.com/", &["https://api.acme.example"])
        .any_typ()
        .scopes(ScopeClaims::new(&["permissions"]))
}
// End.

// Recipe: cognito
fn cognito() -> IssuerRules {
    use doorward::api::ScopeClaims;
    use doorward::jose::ClaimDemand;

    let pool = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123";
    IssuerRules::discovered(pool, &["1abcdefghijk2lmnop3qrst4uv"])
        .audience_in("client_id")
        .any_typ()
        .demand(ClaimDemand::is("token_use", "access"))
        .scopes(ScopeClaims::new(&["scope", "cognito:groups"]))
}
// End.

// Recipe: google_service_account
fn google_service_account() -> IssuerRules {
    use doorward::jose::TokenKind;

    IssuerRules::discovered(
        "https://accounts.google.com",
        &["https://orders.example.com"],
    )
    .also_named("accounts.google.com")
    .kind(TokenKind::Identity)
    .issued_to("azp", &["104000000000000000001"])
}
// End.

// Recipe: google_iap
fn google_iap() -> IssuerRules {
    use doorward::jose::TokenKind;

    IssuerRules::keys_at(
        "https://cloud.google.com/iap",
        "https://www.gstatic.com/iap/verify/public_key-jwk",
        SignatureAlgorithm::Es256,
        &["/projects/123456789/global/backendServices/987654321"],
    )
    .kind(TokenKind::Attestation)
    .any_typ()
}
// End.

// Recipe: firebase
fn firebase() -> IssuerRules {
    use doorward::jose::{ClaimDemand, TokenKind};

    IssuerRules::keys_at(
        "https://securetoken.google.com/demo-project",
        "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
        SignatureAlgorithm::Rs256,
        &["demo-project"],
    )
    .kind(TokenKind::Identity)
    .demand(ClaimDemand::present("sub"))
    .demand(ClaimDemand::past("auth_time"))
    .demand(ClaimDemand::one_of(
        "/firebase/sign_in_provider",
        &["password", "google.com"],
    ))
    .demand(ClaimDemand::absent("/firebase/tenant"))
}
// End.

// Recipe: okta
fn okta() -> IssuerRules {
    use doorward::api::ScopeClaims;

    IssuerRules::discovered("https://acme.okta.com/oauth2/default", &["api://default"])
        .any_typ()
        .issued_to("cid", &["0oaEXAMPLE"])
        .scopes(ScopeClaims::new(&["scp"]))
}
// End.

// Recipe: keycloak
fn keycloak() -> IssuerRules {
    use doorward::api::ScopeClaims;
    use doorward::jose::ClaimDemand;

    IssuerRules::discovered("https://sso.acme.example/realms/main", &["orders-api"])
        .any_typ()
        .demand(ClaimDemand::is("typ", "Bearer"))
        .scopes(ScopeClaims::new(&[
            "scope",
            "/resource_access/orders-api/roles",
        ]))
}
// End.

// Recipe: github_actions
fn github_actions() -> IssuerRules {
    use doorward::jose::ClaimDemand;

    IssuerRules::discovered(
        "https://token.actions.githubusercontent.com",
        &["https://orders.example.com"],
    )
    .any_typ()
    .demand(ClaimDemand::is("repository_id", "456789"))
    .demand(ClaimDemand::is("ref", "refs/heads/main"))
    .demand(ClaimDemand::one_of(
        "event_name",
        &["push", "workflow_dispatch"],
    ))
}
// End.

// Recipe: kubernetes
fn kubernetes() -> IssuerRules {
    use doorward::domain::upstream_provider::Reach;
    use doorward::jose::ClaimDemand;

    IssuerRules::discovered("https://kubernetes.default.svc.cluster.local", &["orders"])
        .any_typ()
        .demand(ClaimDemand::one_of(
            "sub",
            &["system:serviceaccount:shop:frontend"],
        ))
        .reach(Reach {
            ca_file: Some("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt".into()),
            allow_networks: "10.0.0.0/8".parse().into_iter().collect(),
            ..Reach::default()
        })
}
// End.

static SIGNER: LazyLock<Signer> =
    LazyLock::new(|| Signer::generate(SigningAlgorithm::Es256).expect("a key"));

/// Judges a token with these claims, signed with a key that the recipe is told to take. Null leaves a claim out.
async fn judged(
    rules: IssuerRules,
    sample: &Value,
    changes: &Value,
) -> Result<Caller, TokenRefused> {
    let mut claims = sample.clone();
    let members = claims.as_object_mut().expect("an object");
    members.extend(changes.as_object().expect("an object").clone());
    members.retain(|_, value| !value.is_null());
    let keys = json!({ "keys": [SIGNER.public_jwk()] }).to_string();
    let keys = KeySet::parse(keys.as_bytes()).expect("keys");
    let now = OffsetDateTime::from_unix_timestamp(NOW).expect("a time");
    let issuers = TrustedIssuers::builder()
        .trust(rules.keys_here(keys, SignatureAlgorithm::Es256))
        .clock(Arc::new(ManualClock::at(now)))
        .build()
        .expect("issuers");
    issuers
        .verify(&SIGNER.sign(&claims, "JWT").expect("signed"))
        .await
}

fn may(caller: &Caller, scope: &str) -> bool {
    caller.has(&RequiredScopes::all([scope]))
}

fn entra_delegated() -> Value {
    json!({
        "aud": "66666666-7777-4888-8999-000000000000", "ver": "2.0", "scp": "orders.read orders.write",
        "iss": "https://login.microsoftonline.com/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/v2.0",
        "tid": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "azp": "22222222-3333-4444-8555-666666666666",
        "oid": "99999999-8888-4777-8666-555555555555", "sub": "zZ", "iat": NOW, "nbf": NOW, "exp": NOW + 4200,
    })
}

#[rstest]
#[case::alone(entra())]
#[case::among_tenants(entra_tenants())]
#[tokio::test]
async fn entra_takes_people_and_programs(#[case] rules: IssuerRules) {
    let sample = entra_delegated();
    let person = judged(rules.clone(), &sample, &json!({}))
        .await
        .expect("good");
    assert!(may(&person, "orders.read"));
    let program = json!({"scp": null, "idtyp": "app", "roles": ["orders.read"]});
    let program = judged(rules, &sample, &program).await.expect("good");
    assert!(may(&program, "orders.read") && !may(&program, "orders.write"));
}

#[rstest]
#[case::id_token(json!({"scp": null, "nonce": "n"}))]
#[case::id_token_without_nonce(json!({"scp": null, "roles": ["orders.read"]}))]
#[case::version_1(json!({"ver": "1.0"}))]
#[case::another_api(json!({"aud": "00000000-0000-4000-8000-000000000000"}))]
#[case::another_tenant(json!({
    "iss": "https://login.microsoftonline.com/cccccccc-dddd-4eee-8fff-000000000000/v2.0",
    "tid": "cccccccc-dddd-4eee-8fff-000000000000",
}))]
#[case::the_template(json!({"iss": "https://login.microsoftonline.com/{tenantid}/v2.0"}))]
#[case::bound_to_a_key(json!({"cnf": {"kid": "x"}}))]
#[tokio::test]
async fn entra_refuses(#[case] changes: Value) {
    for rules in [entra(), entra_tenants()] {
        assert!(judged(rules, &entra_delegated(), &changes).await.is_err());
    }
}

#[tokio::test]
async fn entra_tenants_are_those_that_are_listed_and_say_who_they_are() {
    let listed = json!({
        "iss": "https://login.microsoftonline.com/bbbbbbbb-cccc-4ddd-8eee-ffffffffffff/v2.0",
        "tid": "bbbbbbbb-cccc-4ddd-8eee-ffffffffffff",
    });
    let sample = entra_delegated();
    assert!(judged(entra_tenants(), &sample, &listed).await.is_ok());
    let of_another = json!({"tid": "bbbbbbbb-cccc-4ddd-8eee-ffffffffffff"});
    assert!(judged(entra_tenants(), &sample, &of_another).await.is_err());
}

fn sample(of: &str) -> (IssuerRules, Value) {
    match of {
        "auth0" => (
            auth0(),
            json!({
                "iss": "https://acme.eu.auth0.com/", "sub": "auth0|64aa00000000000000000001",
                "aud": ["https://api.acme.example", "https://acme.eu.auth0.com/userinfo"], "iat": NOW,
                "exp": NOW + 86_400, "azp": "AbCdEf0123456789", "scope": "openid write:orders",
                "permissions": ["read:orders"],
            }),
        ),
        "cognito" => (
            cognito(),
            json!({
                "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123", "sub": "0a1b",
                "cognito:groups": ["admins"], "version": 2, "client_id": "1abcdefghijk2lmnop3qrst4uv",
                "origin_jti": "o-1", "token_use": "access", "scope": "openid orders/read", "auth_time": NOW,
                "exp": NOW + 3600, "iat": NOW, "jti": "j-1", "username": "0a1b",
            }),
        ),
        "google_service_account" => (
            google_service_account(),
            json!({
                "iss": "https://accounts.google.com", "aud": "https://orders.example.com",
                "azp": "104000000000000000001", "sub": "104000000000000000001",
                "email": "robot@acme.iam.gserviceaccount.com", "email_verified": true, "iat": NOW, "exp": NOW + 3600,
            }),
        ),
        "google_iap" => (
            google_iap(),
            json!({
                "iss": "https://cloud.google.com/iap", "sub": "accounts.google.com:100", "email": "ada@acme.example",
                "aud": "/projects/123456789/global/backendServices/987654321", "iat": NOW, "exp": NOW + 600,
            }),
        ),
        "firebase" => (
            firebase(),
            json!({
                "iss": "https://securetoken.google.com/demo-project", "aud": "demo-project", "auth_time": NOW,
                "user_id": "uid123", "sub": "uid123", "iat": NOW, "exp": NOW + 3600,
                "firebase": {"identities": {}, "sign_in_provider": "google.com"},
            }),
        ),
        "okta" => (
            okta(),
            json!({
                "ver": 1, "jti": "AT.example", "iss": "https://acme.okta.com/oauth2/default", "aud": "api://default",
                "iat": NOW, "exp": NOW + 3600, "cid": "0oaEXAMPLE", "uid": "00uEXAMPLE",
                "scp": ["openid", "orders.read"], "sub": "ada@acme.example",
            }),
        ),
        "keycloak" => (
            keycloak(),
            json!({
                "exp": NOW + 300, "iat": NOW, "jti": "j-1", "iss": "https://sso.acme.example/realms/main",
                "aud": ["orders-api", "account"], "sub": "6f1c", "typ": "Bearer", "azp": "web-app", "sid": "s-1",
                "realm_access": {"roles": ["user"]}, "scope": "openid email",
                "resource_access": {"orders-api": {"roles": ["reader"]}, "other-api": {"roles": ["admin"]}},
            }),
        ),
        "github_actions" => (
            github_actions(),
            json!({
                "iss": "https://token.actions.githubusercontent.com", "aud": "https://orders.example.com",
                "sub": "repo:acme@123456/app@456789:ref:refs/heads/main", "repository": "acme/app",
                "repository_id": "456789", "repository_owner_id": "123456", "ref": "refs/heads/main",
                "event_name": "push", "jti": "j", "nbf": NOW, "iat": NOW, "exp": NOW + 900,
            }),
        ),
        "kubernetes" => (
            kubernetes(),
            json!({
                "iss": "https://kubernetes.default.svc.cluster.local", "aud": ["orders"],
                "sub": "system:serviceaccount:shop:frontend", "iat": NOW, "nbf": NOW, "exp": NOW + 3600, "jti": "j",
                "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "frontend", "uid": "u"}},
            }),
        ),
        _ => unreachable!("{of}"),
    }
}

#[rstest]
#[case("auth0", Some("read:orders"), Some("write:orders"))]
#[case("cognito", Some("orders/read"), Some("orders/write"))]
#[case("cognito", Some("admins"), None)]
#[case("google_service_account", None, None)]
#[case("google_iap", None, None)]
#[case("firebase", None, None)]
#[case("okta", Some("orders.read"), Some("orders.write"))]
#[case("keycloak", Some("reader"), Some("admin"))]
#[case("github_actions", None, None)]
#[case("kubernetes", None, None)]
#[tokio::test]
async fn a_recipe_takes_its_tokens(
    #[case] of: &str,
    #[case] allowed: Option<&str>,
    #[case] not_allowed: Option<&str>,
) {
    let (rules, sample) = sample(of);
    let caller = judged(rules, &sample, &json!({})).await.expect("good");
    assert!(allowed.is_none_or(|scope| may(&caller, scope)));
    assert!(!not_allowed.is_some_and(|scope| may(&caller, scope)));
}

/// What the page says that each protects from.
#[rstest]
#[case::auth0_id_token("auth0", json!({"aud": "AbCdEf0123456789", "nonce": "n"}))]
#[case::auth0_another_api("auth0", json!({"aud": ["https://other.acme.example"]}))]
#[case::auth0_without_slash("auth0", json!({"iss": "https://acme.eu.auth0.com"}))]
#[case::cognito_id_token("cognito", json!({"token_use": "id", "aud": "1abcdefghijk2lmnop3qrst4uv", "client_id": null}))]
#[case::cognito_another_app("cognito", json!({"client_id": "another-app-of-the-pool"}))]
#[case::cognito_no_use("cognito", json!({"token_use": null}))]
#[case::cognito_no_expiry("cognito", json!({"exp": null}))]
#[case::cognito_another_pool("cognito", json!({"iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Other"}))]
#[case::google_another_robot("google_service_account", json!({"azp": "104000000000000000002", "sub": "104000000000000000002"}))]
#[case::google_another_service("google_service_account", json!({"aud": "https://other.example.com"}))]
#[case::google_two_services("google_service_account", json!({"aud": ["https://orders.example.com", "https://other.example.com"]}))]
#[case::iap_another_backend("google_iap", json!({"aud": "/projects/123456789/global/backendServices/1"}))]
#[case::iap_of_google_itself("google_iap", json!({"iss": "https://accounts.google.com"}))]
#[case::firebase_another_project("firebase", json!({"aud": "other-project"}))]
#[case::firebase_anonymous("firebase", json!({"firebase": {"sign_in_provider": "anonymous"}}))]
#[case::firebase_custom("firebase", json!({"firebase": {"sign_in_provider": "custom"}}))]
#[case::firebase_of_a_tenant("firebase", json!({"firebase": {"sign_in_provider": "password", "tenant": "t-1"}}))]
#[case::firebase_future_sign_in("firebase", json!({"auth_time": NOW + 600}))]
#[case::firebase_no_sign_in("firebase", json!({"auth_time": null}))]
#[case::firebase_no_subject("firebase", json!({"sub": ""}))]
#[case::firebase_session_cookie("firebase", json!({"iss": "https://session.firebase.google.com/demo-project"}))]
#[case::okta_another_client("okta", json!({"cid": "0oaOTHER"}))]
#[case::okta_id_token("okta", json!({"cid": null, "aud": "0oaEXAMPLE", "jti": "ID.example"}))]
#[case::okta_of_the_organization("okta", json!({"iss": "https://acme.okta.com"}))]
#[case::keycloak_id_token("keycloak", json!({"typ": "ID", "aud": "orders-api"}))]
#[case::keycloak_no_audience("keycloak", json!({"aud": null}))]
#[case::keycloak_account("keycloak", json!({"aud": "account"}))]
#[case::keycloak_no_type("keycloak", json!({"typ": null}))]
#[case::github_another_repository("github_actions", json!({"repository_id": "456780"}))]
#[case::github_id_as_number("github_actions", json!({"repository_id": 456_789}))]
#[case::github_pull_request("github_actions", json!({"event_name": "pull_request", "ref": "refs/pull/1/merge"}))]
#[case::github_pull_request_on_main("github_actions", json!({"event_name": "pull_request_target"}))]
#[case::github_branch("github_actions", json!({"ref": "refs/heads/mainframe"}))]
#[case::github_usual_audience("github_actions", json!({"aud": "https://github.com/acme"}))]
#[case::kubernetes_another_account("kubernetes", json!({"sub": "system:serviceaccount:shop:default"}))]
#[case::kubernetes_for_the_cluster("kubernetes", json!({"aud": ["https://kubernetes.default.svc.cluster.local"]}))]
#[case::kubernetes_without_end("kubernetes", json!({"exp": null}))]
#[tokio::test]
async fn a_recipe_refuses(#[case] of: &str, #[case] changes: Value) {
    let (rules, sample) = sample(of);
    let refused = judged(rules, &sample, &changes).await;
    assert!(refused.is_err(), "{refused:?}");
}

/// People copy the page, so what is tested here must be what stands there.
#[test]
fn the_page_has_the_recipes_that_are_tested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a text");
    let page = read("docs/bearer.md");
    let source = read(file!());
    let mut recipes = 0;
    for recipe in source.split("\n// Recipe: ").skip(1) {
        let (name, rest) = recipe.split_once('\n').expect("a function");
        let (recipe, _) = rest.split_once("// End.").expect("its end");
        assert!(
            page.contains(recipe.trim()),
            "{name} stands in the page as it is tested"
        );
        recipes += 1;
    }
    assert_eq!(recipes, page.matches("-> IssuerRules {").count());
    assert_eq!(recipes, 11);
}
