//! Entra ID and Azure AD B2C.

use doorward::domain::upstream_provider::KeyIssuer;
use rstest::rstest;

use super::*;

const DIRECTORY: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
const OTHER_DIRECTORY: &str = "bbbbbbbb-cccc-4ddd-8eee-ffffffffffff";
/// Of personal accounts.
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const API: &str = "66666666-7777-4888-8999-000000000000";
const TEMPLATE: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

fn issuer_of(tenant: &str) -> String {
    TEMPLATE.replace("{tenantid}", tenant)
}

/// The issuer's key, which says whose tokens it signs.
fn key_of(issuer: Option<&str>) -> TrustedKeys {
    published(&[with(
        signer().public_jwk().clone(),
        json!({"issuer": issuer}),
    )])
}

/// What people's apps send: version 2, of one directory, with a permission.
fn delegated() -> TrustedIssuer {
    let mut rules = access_tokens("", &[API]);
    rules.issuers = Issuers::Template {
        template: TEMPLATE.into(),
        tenant_claim: ClaimPath::new("tid"),
        tenants: Some(vec![DIRECTORY.into()]),
    };
    rules.keys = key_of(Some(TEMPLATE));
    rules.key_issuer = KeyIssuer::Required;
    rules.claims = vec![is("ver", "2.0"), present("scp")];
    rules
}

/// What programs send for themselves.
fn app_only() -> TrustedIssuer {
    let mut rules = delegated();
    rules.claims = vec![
        is("ver", "2.0"),
        is("idtyp", "app"),
        present("roles"),
        absent("scp"),
    ];
    rules
}

/// Of any directory that is somebody's, and of no person alone.
fn organizations() -> TrustedIssuer {
    let mut rules = delegated();
    rules.issuers = Issuers::Template {
        template: TEMPLATE.into(),
        tenant_claim: ClaimPath::new("tid"),
        tenants: None,
    };
    rules.claims.push(ClaimDemand::NoneOf {
        claim: ClaimPath::new("tid"),
        values: vec![json!(CONSUMERS)],
    });
    rules
}

fn version_one() -> TrustedIssuer {
    let issuer = format!("https://sts.windows.net/{DIRECTORY}/");
    let mut rules = access_tokens(&issuer, &["api://orders", API]);
    rules.claims = vec![is("ver", "1.0"), present("scp")];
    rules
}

fn token() -> Value {
    json!({
        "aud": API, "iss": issuer_of(DIRECTORY), "tid": DIRECTORY, "ver": "2.0",
        "iat": 1_800_000_000, "nbf": 1_800_000_000, "exp": 1_800_004_200,
        "azp": "11111111-2222-4333-8444-555555555555", "azpacr": "1",
        "oid": "99999999-8888-4777-8666-555555555555", "sub": "pairwise", "preferred_username": "ada@contoso.example",
        "scp": "orders.read orders.write", "uti": "u1",
    })
}

fn token_of_a_program() -> Value {
    let claims = json!({"scp": null, "preferred_username": null, "idtyp": "app", "roles": ["Orders.Read.All"]});
    with(token(), claims)
}

fn token_of_version_one() -> Value {
    with(
        token(),
        json!({
            "iss": format!("https://sts.windows.net/{DIRECTORY}/"), "ver": "1.0", "aud": "api://orders", "azp": null,
            "azpacr": null, "appid": "11111111-2222-4333-8444-555555555555", "appidacr": "1", "acr": "1",
        }),
    )
}

/// Of a login at the same registration: the same issuer, audience, version and key.
fn id_token() -> Value {
    let claims =
        json!({"scp": null, "azp": null, "azpacr": null, "nonce": "n-1", "name": "Ada Example"});
    with(token(), claims)
}

#[rstest]
#[case::it_is_good(json!({}), ACCEPTED)]
#[case::issuer_of_one_and_tid_of_another(json!({"tid": OTHER_DIRECTORY}), of_another_issuer(&issuer_of(DIRECTORY)))]
#[case::tid_of_one_and_issuer_of_another(json!({"iss": issuer_of(OTHER_DIRECTORY)}), of_another_issuer(&issuer_of(OTHER_DIRECTORY)))]
#[case::the_template(json!({"iss": TEMPLATE, "tid": "{tenantid}"}), of_another_issuer(TEMPLATE))]
#[case::a_domain(json!({"iss": issuer_of("contoso.example"), "tid": "contoso.example"}), of_another_issuer(&issuer_of("contoso.example")))]
#[case::no_tid(json!({"tid": null}), of_another_issuer(&issuer_of(DIRECTORY)))]
#[case::another_directory(json!({"iss": issuer_of(OTHER_DIRECTORY), "tid": OTHER_DIRECTORY}), of_another_issuer(&issuer_of(OTHER_DIRECTORY)))]
#[case::another_cloud(json!({"iss": issuer_of(DIRECTORY).replace(".com", ".us")}), of_another_issuer(&issuer_of(DIRECTORY).replace(".com", ".us")))]
#[case::a_slash_at_the_end(json!({"iss": issuer_of(DIRECTORY) + "/"}), of_another_issuer(&(issuer_of(DIRECTORY) + "/")))]
#[case::version_one_by_its_claim(json!({"ver": "1.0"}), not_as_demanded("/ver"))]
#[case::version_as_a_number(json!({"ver": 2.0}), not_as_demanded("/ver"))]
#[case::another_api(json!({"aud": "77777777-7777-4888-8999-000000000000"}), for_others())]
#[case::the_apis_address(json!({"aud": "api://orders"}), for_others())]
#[case::no_permission(json!({"scp": null}), not_as_demanded("/scp"))]
#[case::an_empty_permission(json!({"scp": " "}), not_as_demanded("/scp"))]
#[tokio::test]
async fn p13_1_entra_tokens_at_an_api(
    #[case] changes: Value,
    #[case] expected: Option<TokenRefused>,
) {
    assert_eq!(
        refusal(&with(token(), changes), &delegated()).await,
        expected
    );
}

/// A token of version 1 under the rules of version 2, and the other way round: the API's registration decides, so
/// only one of them comes.
#[tokio::test]
async fn p13_1_entra_versions_are_not_mixed() {
    let (one, two) = (token_of_version_one(), token());
    assert_eq!(refusal(&one, &version_one()).await, ACCEPTED);
    for (claims, rules) in [(&one, delegated()), (&two, version_one())] {
        let issuer = claims["iss"].as_str().expect("an issuer");
        assert_eq!(refusal(claims, &rules).await, of_another_issuer(issuer));
    }
    let of_neither = with(two, json!({"ver": "1.0"}));
    assert_eq!(
        refusal(&of_neither, &delegated()).await,
        not_as_demanded("/ver")
    );
}

/// The last three are of people who have app roles: those stand in both kinds of token, so `roles` alone is no mark
/// of an access token, and a login need not send a nonce.
#[rstest]
#[case::of_a_login(json!({}), [of_another_kind("nonce"), of_another_kind("nonce")])]
#[case::without_nonce(json!({"nonce": null}), [not_as_demanded("/scp"), not_as_demanded("/idtyp")])]
#[case::with_roles(json!({"roles": ["Orders.Read.All"]}), [of_another_kind("nonce"), of_another_kind("nonce")])]
#[case::with_roles_without_nonce(json!({"nonce": null, "roles": ["Orders.Read.All"]}), [not_as_demanded("/scp"), not_as_demanded("/idtyp")])]
#[case::with_roles_and_type(json!({"nonce": null, "roles": ["Orders.Read.All"], "idtyp": "user"}), [not_as_demanded("/scp"), not_as_demanded("/idtyp")])]
#[tokio::test]
async fn p13_1_entra_an_id_token_is_refused_by_the_api(
    #[case] changes: Value,
    #[case] expected: [Option<TokenRefused>; 2],
) {
    let claims = with(id_token(), changes);
    let [by_people, by_programs] = expected;
    assert_eq!(refusal(&claims, &delegated()).await, by_people);
    assert_eq!(refusal(&claims, &app_only()).await, by_programs);
}

#[rstest]
#[case::it_is_good(json!({}), ACCEPTED)]
#[case::of_a_person(json!({"idtyp": null, "roles": ["Orders.Read.All"]}), not_as_demanded("/idtyp"))]
#[case::on_behalf_of_a_person(json!({"scp": "orders.read"}), not_as_demanded("/scp"))]
#[case::without_roles(json!({"roles": []}), not_as_demanded("/roles"))]
#[tokio::test]
async fn p13_1_entra_tokens_of_programs(
    #[case] changes: Value,
    #[case] expected: Option<TokenRefused>,
) {
    let claims = with(token_of_a_program(), changes);
    assert_eq!(refusal(&claims, &app_only()).await, expected);
    // A program's own token never passes for a person's.
    if expected == ACCEPTED {
        assert_eq!(
            refusal(&claims, &delegated()).await,
            not_as_demanded("/scp")
        );
    }
}

/// All directories share one address for keys; each key says whose tokens it signs.
#[rstest]
#[case::of_all(Some(TEMPLATE.to_owned()), ACCEPTED)]
#[case::of_this_directory(Some(issuer_of(DIRECTORY)), ACCEPTED)]
#[case::of_another_directory(Some(issuer_of(OTHER_DIRECTORY)), Some(TokenRefused::KeyIssuer))]
#[case::of_personal_accounts(Some(issuer_of(CONSUMERS)), Some(TokenRefused::KeyIssuer))]
#[case::of_another_cloud(Some(TEMPLATE.replace(".com", ".us")), Some(TokenRefused::KeyIssuer))]
#[case::it_does_not_say(None, Some(TokenRefused::KeyIssuer))]
#[tokio::test]
async fn p13_1_entra_a_key_of_another_tenant(
    #[case] issuer: Option<String>,
    #[case] expected: Option<TokenRefused>,
) {
    for mut rules in [delegated(), organizations()] {
        rules.keys = key_of(issuer.as_deref());
        assert_eq!(refusal(&token(), &rules).await, expected);
    }
}

#[rstest]
#[case::this_one(DIRECTORY, ACCEPTED)]
#[case::another(OTHER_DIRECTORY, ACCEPTED)]
#[case::personal_accounts(CONSUMERS, not_as_demanded("/tid"))]
#[tokio::test]
async fn p13_1_entra_personal_accounts_under_organizations(
    #[case] directory: &str,
    #[case] expected: Option<TokenRefused>,
) {
    let claims = with(
        token(),
        json!({"iss": issuer_of(directory), "tid": directory}),
    );
    assert_eq!(refusal(&claims, &organizations()).await, expected);
}

/// One tenant of B2C has one issuer, whatever policy somebody signed in by.
#[rstest]
#[case::it_is_good(json!({}), ACCEPTED)]
#[case::in_other_letters(json!({"tfp": "b2c_1_signin"}), ACCEPTED)]
#[case::a_weaker_policy(json!({"tfp": "B2C_1_guests"}), not_as_demanded("/tfp"))]
#[case::no_policy(json!({"tfp": null}), not_as_demanded("/tfp"))]
#[case::the_older_claim(json!({"tfp": null, "acr": "B2C_1_signin"}), not_as_demanded("/tfp"))]
#[case::no_slash(json!({"iss": format!("https://acme.b2clogin.com/{DIRECTORY}/v2.0")}), of_another_issuer(&format!("https://acme.b2clogin.com/{DIRECTORY}/v2.0")))]
#[case::id_token(json!({"scp": null, "azp": null}), not_as_demanded("/scp"))]
#[case::another_api(json!({"aud": "77777777-7777-4888-8999-000000000000"}), for_others())]
#[tokio::test]
async fn p13_3_b2c_tokens_at_an_api(
    #[case] changes: Value,
    #[case] expected: Option<TokenRefused>,
) {
    let issuer = format!("https://acme.b2clogin.com/{DIRECTORY}/v2.0/");
    let mut rules = access_tokens(&issuer, &[API]);
    rules.claims = vec![
        ClaimDemand::OneOfInAnyCase {
            claim: ClaimPath::new("tfp"),
            values: vec!["B2C_1_signin".into()],
        },
        present("scp"),
    ];
    let claims = json!({
        "iss": issuer, "aud": API, "exp": 1_800_003_600, "nbf": 1_800_000_000, "iat": 1_800_000_000,
        "auth_time": 1_800_000_000, "ver": "1.0", "tfp": "B2C_1_signin", "scp": "orders.read",
        "azp": "11111111-2222-4333-8444-555555555555", "sub": "99999999-8888-4777-8666-555555555555",
    });
    assert_eq!(refusal(&with(claims, changes), &rules).await, expected);
}
