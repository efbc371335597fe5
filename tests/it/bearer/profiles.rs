//! Each profile: a token as its issuer makes it, and what somebody could send in its place.

use http::StatusCode;
use rstest::rstest;

use super::*;

const DIRECTORY: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
const OTHER_DIRECTORY: &str = "bbbbbbbb-cccc-4ddd-8eee-ffffffffffff";
const API_ID: &str = "66666666-7777-4888-8999-000000000000";

fn entra() -> Value {
    json!({
        "aud": API_ID, "iss": format!("https://login.microsoftonline.com/{DIRECTORY}/v2.0"), "exp": NOW + 4_200,
        "iat": NOW, "nbf": NOW, "azp": "22222222-3333-4444-8555-666666666666", "azpacr": "1", "scp": "orders.read",
        "oid": "77777777-0000-4000-8000-000000000001", "sub": "pairwise", "tid": DIRECTORY, "uti": "u3", "ver": "2.0",
    })
}

fn entra_app() -> Value {
    let changes = json!({"scp": null, "idtyp": "app", "roles": ["Orders.Read.All"]});
    with(&entra(), changes)
}

fn entra_v1() -> Value {
    let changes = json!({
        "iss": format!("https://sts.windows.net/{DIRECTORY}/"), "ver": "1.0", "aud": "api://orders", "azp": null,
        "appid": "11111111-2222-4333-8444-555555555555", "appidacr": "1",
    });
    with(&entra(), changes)
}

fn external_id() -> Value {
    let issuer = format!("https://{DIRECTORY}.ciamlogin.com/{DIRECTORY}/v2.0");
    with(&entra(), json!({ "iss": issuer }))
}

fn b2c() -> Value {
    json!({
        "iss": format!("https://acme.b2clogin.com/{DIRECTORY}/v2.0/"), "exp": NOW + 3_600, "nbf": NOW, "aud": API_ID,
        "sub": "99999999-8888-4777-8666-555555555555", "tfp": "B2C_1_sign_in", "scp": "read", "azp": "c", "ver": "1.0",
        "emails": ["ada@example.com"],
    })
}

fn auth0() -> Value {
    json!({
        "iss": "https://acme.eu.auth0.com/", "sub": "auth0|64aa00000000000000000001", "iat": NOW, "exp": NOW + 86_400,
        "aud": ["https://api.acme.example", "https://acme.eu.auth0.com/userinfo"], "azp": "AbCdEf0123456789",
        "scope": "openid profile read:orders", "permissions": ["read:orders"], "org_id": "org_0000000000000001",
    })
}

fn cognito() -> Value {
    json!({
        "sub": "0a1b2c3d-0000-4000-8000-0123456789ab", "cognito:groups": ["admins"], "version": 2,
        "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123", "token_use": "access",
        "client_id": "1abcdefghijk2lmnop3qrst4uv", "scope": "openid orders/read", "auth_time": NOW, "exp": NOW + 3_600,
        "iat": NOW, "jti": "j-1", "origin_jti": "o-1", "username": "ada",
    })
}

fn cognito_id() -> Value {
    let changes = json!({
        "token_use": "id", "client_id": null, "scope": null, "version": null, "username": null, "at_hash": "x",
        "aud": "1abcdefghijk2lmnop3qrst4uv", "cognito:username": "ada",
    });
    with(&cognito(), changes)
}

fn google() -> Value {
    json!({
        "iss": "https://accounts.google.com", "aud": "1.apps.googleusercontent.com", "sub": "110", "hd": "acme.example",
        "azp": "1.apps.googleusercontent.com", "email": "ada@acme.example", "email_verified": true, "at_hash": "x",
        "iat": NOW, "exp": NOW + 3_600,
    })
}

fn service_account() -> Value {
    json!({
        "iss": "https://accounts.google.com", "aud": "https://api.acme.example", "azp": "1234", "sub": "1234",
        "email": "ci@acme.iam.gserviceaccount.com", "email_verified": true, "iat": NOW, "exp": NOW + 3_600,
    })
}

fn firebase() -> Value {
    json!({
        "iss": "https://securetoken.google.com/demo-project", "aud": "demo-project", "auth_time": NOW, "iat": NOW,
        "user_id": "uid123", "sub": "uid123", "exp": NOW + 3_600, "email": "ada@mail.example", "email_verified": true,
        "firebase": {"identities": {}, "sign_in_provider": "google.com"},
    })
}

fn firebase_cookie() -> Value {
    let issuer = "https://session.firebase.google.com/demo-project";
    with(&firebase(), json!({ "iss": issuer }))
}

fn okta() -> Value {
    json!({
        "ver": 1, "jti": "AT.example", "iss": "https://acme.okta.com/oauth2/default", "aud": "api://default",
        "iat": NOW, "exp": NOW + 3_600, "cid": "0oaEXAMPLE", "uid": "00uEXAMPLE", "scp": ["openid", "orders.read"],
        "auth_time": NOW - 10, "sub": "ada@acme.example",
    })
}

fn keycloak() -> Value {
    json!({
        "exp": NOW + 300, "iat": NOW, "jti": "j-1", "iss": "https://sso.acme.example/realms/main", "typ": "Bearer",
        "aud": ["orders-api", "account"], "sub": "6f1c0f5e-0000-4000-8000-000000000001", "azp": "web-app", "sid": "s-1",
        "realm_access": {"roles": ["user"]}, "resource_access": {"orders-api": {"roles": ["reader"]}},
        "scope": "openid email profile", "email_verified": true, "preferred_username": "ada",
        "email": "ada@acme.example",
    })
}

fn actions() -> Value {
    json!({
        "iss": "https://token.actions.githubusercontent.com", "aud": "https://broker.example", "actor": "ada",
        "sub": "repo:acme@123456/app@456789:ref:refs/heads/main", "repository": "acme/app", "repository_id": "456789",
        "repository_owner": "acme", "repository_owner_id": "123456", "ref": "refs/heads/main", "event_name": "push",
        "run_id": "1", "jti": "j", "nbf": NOW, "iat": NOW, "exp": NOW + 900,
    })
}

fn kubernetes() -> Value {
    json!({
        "iss": "https://kubernetes.default.svc", "aud": ["orders"], "sub": "system:serviceaccount:shop:web",
        "iat": NOW, "nbf": NOW, "exp": NOW + 3_600, "jti": "j",
        "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "web", "uid": "u"}},
    })
}

fn rfc9068() -> Value {
    json!({
        "iss": "https://issuer.example", "aud": "orders", "sub": "ana", "client_id": "shop", "iat": NOW,
        "exp": NOW + 300, "jti": "j", "scope": "read",
    })
}

fn id_token() -> Value {
    let changes = json!({"client_id": null, "azp": "orders", "nonce": "n", "at_hash": "x"});
    with(&rfc9068(), changes)
}

/// Accepted as it is, and with each change refused; a change called `good_…` is accepted too.
#[rstest]
#[case::entra(
    "profile = \"entra\"\nallowed_tenants = [\"{directory}\"]\naudiences = [\"{api}\"]",
    entra(),
    &[
        ("tenant_of_another", json!({"tid": OTHER_DIRECTORY})),
        ("tenant_literally", json!({"tid": "{tenantid}"})),
        ("another_tenant", json!({"tid": OTHER_DIRECTORY, "iss": format!("https://login.microsoftonline.com/{OTHER_DIRECTORY}/v2.0")})),
        ("version_one", json!({"ver": "1.0"})),
        ("id_token", json!({"scp": null, "nonce": "n"})),
        ("id_token_with_roles", json!({"scp": null, "roles": ["admin"]})),
        ("app_without_a_role", json!({"scp": null, "idtyp": "app", "roles": null})),
        ("another_api", json!({"aud": "other"})),
        ("scopes_as_list", json!({"scp": ["orders.read"]})),
        ("no_oid", json!({"oid": null})),
        ("too_many_roles", json!({"_claim_names": {"roles": "src1"}})),
        ("good_app", json!({"scp": null, "idtyp": "app", "roles": ["x"]})),
    ]
)]
#[case::entra_people(
    "profile = \"entra\"\nallowed_tenants = [\"{directory}\"]\naudiences = [\"{api}\"]\ncallers = \"people\"",
    entra(),
    &[("app", json!({"scp": null, "idtyp": "app", "roles": ["x"]}))]
)]
#[case::entra_members(
    "profile = \"entra\"\nallowed_tenants = [\"{directory}\"]\naudiences = [\"{api}\"]\nguests = \"refuse\"",
    with(&entra(), json!({"acct": 0})),
    &[
        ("guest", json!({"acct": 1})),
        ("not_told", json!({"acct": null})),
        ("told_as_text", json!({"acct": "0"})),
        ("told_as_truth", json!({"acct": false})),
        ("told_in_a_list", json!({"acct": [0]})),
        ("home_elsewhere_and_not_told", json!({"acct": null, "idp": "https://sts.windows.net/x/"})),
        ("app", json!({"acct": null, "scp": null, "idtyp": "app", "roles": ["x"]})),
    ]
)]
#[case::entra_apps(
    "profile = \"entra\"\nallowed_tenants = [\"{directory}\"]\naudiences = [\"{api}\"]\ncallers = \"apps\"",
    entra_app(),
    &[
        ("a_person", json!({"idtyp": null, "scp": "orders.read"})),
        ("with_a_scope", json!({"scp": "orders.read"})),
        ("no_mark", json!({"idtyp": null})),
        ("no_role", json!({"roles": null})),
    ]
)]
#[case::entra_of_anybody(
    "profile = \"entra\"\nallowed_tenants = \"any\"\naudiences = [\"{api}\"]",
    entra(),
    &[
        ("good_another_tenant", json!({"tid": OTHER_DIRECTORY, "iss": format!("https://login.microsoftonline.com/{OTHER_DIRECTORY}/v2.0")})),
        ("tenant_of_another", json!({"tid": OTHER_DIRECTORY})),
        ("no_guid", json!({"tid": "common", "iss": "https://login.microsoftonline.com/common/v2.0"})),
    ]
)]
#[case::entra_v1(
    "profile = \"entra_v1\"\nallowed_tenants = [\"{directory}\"]\naudiences = [\"api://orders\"]\nclients = [\"11111111-2222-4333-8444-555555555555\"]",
    entra_v1(),
    &[
        ("version_two", json!({"ver": "2.0"})),
        ("without_slash", json!({"iss": format!("https://sts.windows.net/{DIRECTORY}")})),
        ("another_client", json!({"appid": "other"})),
    ]
)]
#[case::entra_external_id(
    "profile = \"entra_external_id\"\nhost = \"acme.ciamlogin.com\"\ntenant_id = \"{directory}\"\naudiences = [\"{api}\"]",
    external_id(),
    &[
        ("good_by_name", json!({"iss": format!("https://acme.ciamlogin.com/{DIRECTORY}/v2.0")})),
        ("good_by_cloud", json!({"iss": format!("https://login.microsoftonline.com/{DIRECTORY}/v2.0")})),
        ("another_tenant", json!({"tid": OTHER_DIRECTORY})),
        ("with_slash", json!({"iss": format!("https://acme.ciamlogin.com/{DIRECTORY}/v2.0/")})),
    ]
)]
#[case::azure_b2c(
    "profile = \"azure_b2c\"\nhost = \"acme.b2clogin.com\"\ndirectory = \"acme.onmicrosoft.com\"\ntenant_id = \"{directory}\"\npolicy = \"B2C_1_sign_in\"\naudiences = [\"{api}\"]",
    b2c(),
    &[
        ("good_in_capitals", json!({"tfp": "B2C_1_SIGN_IN"})),
        ("another_policy", json!({"tfp": "B2C_1_reset"})),
        ("no_policy", json!({"tfp": null})),
        ("without_slash", json!({"iss": format!("https://acme.b2clogin.com/{DIRECTORY}/v2.0")})),
        ("id_token", json!({"scp": null})),
    ]
)]
#[case::auth0(
    "profile = \"auth0\"\ndomain = \"acme.eu.auth0.com\"\naudiences = [\"https://api.acme.example\"]\norganizations = [\"org_0000000000000001\"]",
    auth0(),
    &[
        ("without_slash", json!({"iss": "https://acme.eu.auth0.com"})),
        ("userinfo_only", json!({"aud": "https://acme.eu.auth0.com/userinfo"})),
        ("no_organization", json!({"org_id": null})),
        ("another_organization", json!({"org_id": "org_0000000000000002"})),
        ("id_token", json!({"nonce": "n"})),
    ]
)]
#[case::auth0_claims_with_dots(
    "profile = \"auth0\"\ndomain = \"acme.eu.auth0.com\"\naudiences = [\"https://api.acme.example\"]\nroles_claim = \"https://acme.example/roles\"",
    with(&auth0(), json!({"https://acme.example/roles": ["clerk"]})),
    &[("roles_that_are_none", json!({"https://acme.example/roles": {"clerk": true}}))]
)]
#[case::cognito(
    "profile = \"cognito\"\nregion = \"eu-central-1\"\nuser_pool_id = \"eu-central-1_AbCdEf123\"\nclients = [\"1abcdefghijk2lmnop3qrst4uv\"]",
    cognito(),
    &[
        ("id_token", json!({"token_use": "id", "client_id": null, "aud": "1abcdefghijk2lmnop3qrst4uv"})),
        ("another_client", json!({"client_id": "other"})),
        ("no_client", json!({"client_id": null})),
        ("no_use", json!({"token_use": null})),
        ("another_pool", json!({"iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Other"})),
    ]
)]
#[case::cognito_id_token(
    "profile = \"cognito_id_token\"\nregion = \"eu-central-1\"\nuser_pool_id = \"eu-central-1_AbCdEf123\"\naudiences = [\"1abcdefghijk2lmnop3qrst4uv\"]",
    cognito_id(),
    &[
        ("access_token", json!({"token_use": "access"})),
        ("another_client", json!({"aud": "other"})),
    ]
)]
#[case::google(
    "profile = \"google\"\nhosted_domains = [\"acme.example\"]\naudiences = [\"1.apps.googleusercontent.com\"]",
    google(),
    &[
        ("good_other_spelling", json!({"iss": "accounts.google.com"})),
        ("with_slash", json!({"iss": "https://accounts.google.com/"})),
        ("no_domain", json!({"hd": null})),
        ("another_domain", json!({"hd": "evil.example"})),
        ("another_client", json!({"aud": "2.apps.googleusercontent.com"})),
    ]
)]
#[case::google_service_account(
    "profile = \"google_service_account\"\naccounts = [\"ci@acme.iam.gserviceaccount.com\"]\naudiences = [\"https://api.acme.example\"]",
    service_account(),
    &[
        ("another_account", json!({"email": "ci@other.iam.gserviceaccount.com"})),
        ("not_verified", json!({"email_verified": false})),
        ("verified_as_text", json!({"email_verified": "true"})),
        ("another_audience", json!({"aud": "https://other.example"})),
        ("of_a_person", json!({"at_hash": "x"})),
    ]
)]
#[case::firebase(
    "profile = \"firebase\"\nproject = \"demo-project\"\nsign_in_providers = [\"google.com\"]",
    firebase(),
    &[
        ("custom_token", json!({"aud": "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"})),
        ("session_cookie", json!({"iss": "https://session.firebase.google.com/demo-project"})),
        ("another_project", json!({"aud": "other", "iss": "https://securetoken.google.com/other"})),
        ("a_tenant", json!({"firebase": {"sign_in_provider": "google.com", "tenant": "t1"}})),
        ("anonymous", json!({"firebase": {"sign_in_provider": "anonymous"}})),
        ("signed_in_tomorrow", json!({"auth_time": NOW + 86_400})),
        ("never_signed_in", json!({"auth_time": null})),
        ("nobody", json!({"sub": ""})),
    ]
)]
#[case::firebase_of_a_tenant(
    "profile = \"firebase\"\nproject = \"demo-project\"\nsign_in_providers = [\"google.com\"]\ntenant = \"t1\"",
    with(&firebase(), json!({"firebase": {"sign_in_provider": "google.com", "tenant": "t1"}})),
    &[
        ("no_tenant", json!({"firebase": {"sign_in_provider": "google.com"}})),
        ("another_tenant", json!({"firebase": {"sign_in_provider": "google.com", "tenant": "t2"}})),
    ]
)]
#[case::firebase_session_cookie(
    "profile = \"firebase_session_cookie\"\nproject = \"demo-project\"\nsign_in_providers = [\"google.com\"]",
    firebase_cookie(),
    &[("id_token", json!({"iss": "https://securetoken.google.com/demo-project"}))]
)]
#[case::okta(
    "profile = \"okta\"\ndomain = \"acme.okta.com\"\nauthorization_server = \"default\"\naudiences = [\"api://default\"]",
    okta(),
    &[
        ("org_server", json!({"iss": "https://acme.okta.com"})),
        ("scopes_as_text", json!({"scp": "orders.read"})),
        ("of_an_app", json!({"uid": null})),
        ("id_token", json!({"cid": null, "nonce": "n"})),
        ("no_client", json!({"cid": null})),
    ]
)]
#[case::okta_apps(
    "profile = \"okta\"\ndomain = \"acme.okta.com\"\nauthorization_server = \"default\"\naudiences = [\"api://default\"]\ncallers = \"apps\"",
    with(&okta(), json!({"uid": null, "sub": "0oaEXAMPLE"})),
    &[("of_a_person", json!({"uid": "00uEXAMPLE"}))]
)]
#[case::keycloak(
    "profile = \"keycloak\"\nurl = \"https://sso.acme.example\"\nrealm = \"main\"\naudiences = [\"orders-api\"]",
    keycloak(),
    &[
        ("good_with_the_nonce_of_its_login", json!({"nonce": "n"})),
        ("no_audience", json!({"aud": null})),
        ("account_only", json!({"aud": "account"})),
        ("id_token", json!({"typ": "ID"})),
        ("refresh_token", json!({"typ": "Refresh"})),
        ("says_nothing", json!({"typ": null})),
        ("plain_http", json!({"iss": "http://sso.acme.example/realms/main"})),
    ]
)]
#[case::github_actions(
    "profile = \"github_actions\"\nowners = [\"123456\"]\nrepositories = [\"456789\"]\nevents = [\"push\"]\naudiences = [\"https://broker.example\"]",
    actions(),
    &[
        ("good_old_form_of_sub", json!({"sub": "repo:acme/app:ref:refs/heads/main"})),
        ("audience_by_default", json!({"aud": "https://github.com/acme"})),
        ("pull_request", json!({"event_name": "pull_request"})),
        ("another_repository_of_that_name", json!({"repository_id": "1"})),
        ("another_owner", json!({"repository_owner_id": "1"})),
        ("ids_as_numbers", json!({"repository_id": 456_789})),
        ("enterprise", json!({"iss": "https://token.actions.githubusercontent.com/acme"})),
    ]
)]
#[case::kubernetes(
    "profile = \"kubernetes\"\nissuer = \"https://kubernetes.default.svc\"\nservice_accounts = [\"system:serviceaccount:shop:web\"]\naudiences = [\"orders\"]",
    kubernetes(),
    &[
        ("for_the_server", json!({"aud": ["https://kubernetes.default.svc"]})),
        ("another_account", json!({"sub": "system:serviceaccount:shop:other"})),
        ("no_account", json!({"kubernetes.io": null})),
    ]
)]
#[case::oidc(
    "issuer = \"https://issuer.example\"\naudiences = [\"orders\"]\nclients = [\"shop\"]",
    with(&rfc9068(), json!({"azp": "shop"})),
    &[
        ("another_client", json!({"azp": "other"})),
        ("id_token", json!({"nonce": "n"})),
        ("groups_that_are_none", json!({"groups": {"a": 1}})),
    ]
)]
#[case::oidc_id_token(
    "profile = \"oidc_id_token\"\nissuer = \"https://issuer.example\"\naudiences = [\"orders\"]",
    id_token(),
    &[
        ("issued_to_another", json!({"azp": "other"})),
        ("for_others_too", json!({"aud": ["orders", "other"]})),
        ("access_token", json!({"typ": "Bearer"})),
        ("logout_token", json!({"events": {}})),
    ]
)]
#[case::demands(
    "issuer = \"https://issuer.example\"\naudiences = [\"orders\"]\noldest = \"5m\"\nrequired_claims = [{ claim = \"plan\", one_of = [\"gold\", \"silver\"] }, { claim = \"/org/id\" }]",
    with(&rfc9068(), json!({"plan": "gold", "org": {"id": "1"}})),
    &[
        ("good_other_plan", json!({"plan": "silver"})),
        ("another_plan", json!({"plan": "free"})),
        ("no_organization", json!({"org": {}})),
        ("old", json!({"iat": NOW - 361})),
        ("of_unknown_age", json!({"iat": null})),
    ]
)]
#[tokio::test]
async fn a_profile_accepts_its_own_tokens_and_no_other(
    #[case] settings: &str,
    #[case] token: Value,
    #[case] changes: &[(&str, Value)],
) {
    let settings = settings
        .replace("{directory}", DIRECTORY)
        .replace("{api}", API_ID);
    let (first, rest) = settings.split_once("\nrequired_claims").map_or_else(
        || (settings.clone(), String::new()),
        |(first, rest)| (first.to_owned(), format!("\nrequired_claims{rest}")),
    );
    let broker = trusting(&format!("{first}\n{}{rest}", keys())).await;
    assert_eq!(shown(&broker, &signed(&token)).await, StatusCode::ACCEPTED);
    for (name, change) in changes {
        let status = shown(&broker, &signed(&with(&token, change.clone()))).await;
        let expected = if name.starts_with("good_") {
            StatusCode::ACCEPTED
        } else {
            StatusCode::UNAUTHORIZED
        };
        assert_eq!(status, expected, "{name}");
    }
    // Nobody's.
    let part = |value: &Value| {
        use base64::Engine as _;
        base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
    };
    let unsigned = format!("{}.{}.", part(&json!({"alg": "none"})), part(&token));
    assert_eq!(shown(&broker, &unsigned).await, StatusCode::UNAUTHORIZED);
}

/// RFC 9068 §4: the header says what it is.
#[tokio::test]
async fn an_access_token_by_the_rfc_says_so_in_its_header() {
    let settings = format!(
        "profile = \"rfc9068\"\nissuer = \"https://issuer.example\"\naudiences = [\"orders\"]\n{}",
        keys()
    );
    let broker = trusting(&settings).await;
    for (typ, changes, expected) in [
        ("at+jwt", json!({}), true),
        ("application/at+jwt", json!({}), true),
        ("JWT", json!({}), false),
        ("at+jwt", json!({"client_id": null}), false),
        ("at+jwt", json!({"sub": null}), false),
    ] {
        let token = signer()
            .sign(&with(&rfc9068(), changes), typ)
            .expect("signed");
        let status = shown(&broker, &token).await;
        assert_eq!(status == StatusCode::ACCEPTED, expected, "{typ}");
    }
}

/// A proxy in front proves that a request came through it; whoever calls is known as before.
#[rstest]
#[case::cloudflare(
    "profile = \"cloudflare_access\"\nteam = \"acme.cloudflareaccess.com\"\naudiences = [\"tag\"]",
    "cf-access-jwt-assertion",
    json!({"iss": "https://acme.cloudflareaccess.com", "aud": ["tag"], "sub": "s", "type": "app", "iat": NOW, "exp": NOW + 60}),
    json!({"aud": ["other"]})
)]
#[tokio::test]
async fn a_proxys_assertion_is_an_attestation(
    #[case] settings: &str,
    #[case] name: &str,
    #[case] token: Value,
    #[case] change: Value,
) {
    let issuer = format!(
        "[[tenants.trusted_issuers]]\nid = \"it\"\n{settings}\n{}",
        keys()
    );
    let text = configuration(&issuer, "")
        .replace("allow = { signed_in = true }", "allow = { public = true }");
    let broker = broker(&format!(
        "{text}[tenants.apps.attestation]\nissuer = \"it\"\n"
    ))
    .await;
    let good = signed(&token);
    let (status, _) = ask(&broker, &[(name, &good)]).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let bad = signed(&with(&token, change));
    for headers in [&[(name, &*bad)][..], &[]] {
        let (status, _) = ask(&broker, headers).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
}
