//! What a tenant changes about the claims of its provider, and what becomes of it for apps.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::support::broker::CONFIGURATION;
use crate::support::provider::Endpoint;

/// A broker whose second provider has these changes; apps are told everything.
async fn start(changes: &str) -> (Broker, TestProvider) {
    let headers = "hide_cookies = true\nidentity_headers = { X-Auth-Request-User = \"user\", X-Name = \"name\", \
        X-Preferred-Username = \"preferred_username\", X-Groups = \"groups\", X-Roles = \"roles\", X-Picture = \"picture\", \
        X-Locale = \"locale\" }";
    let setup = Setup {
        configuration: CONFIGURATION.replacen("hide_cookies = true", headers, 1),
        ..Setup::default()
    };
    with_second_provider(&format!("{OIDC}\n{changes}"), setup).await
}

fn says(provider: &TestProvider, claims: &Value) {
    let claims = claims.as_object().expect("claims").clone();
    provider.person("ada", |person| person.more.extend(claims));
}

#[tokio::test]
async fn facts_come_from_other_claims() {
    let (broker, provider) = start(
        "roles_claim = \"roles\"\n[tenants.providers.claims]\nname = \"/profile/full.name\"\npreferred_username = \"cognito:username\"\n\
         picture = \"https://acme.example/picture\"\nlocale = \"/profile/language\"\n\
         [tenants.providers.claims.groups]\nfrom = [\"/realm_access/roles\", \"groups\"]\n\
         leave_out = [\"offline_access\", \"uma_*\"]\n\
         [tenants.providers.claims.roles]\nstrip_prefix = \"wiki-\"\nrename = { adm = \"admin\" }\nadd_prefix = \"w:\"",
    )
    .await;
    says(
        &provider,
        &json!({
            "profile": {"full.name": "Ada Byron", "language": "en_GB"},
            "cognito:username": "byron",
            "https://acme.example/picture": "https://img.example/ada.png",
            "realm_access": {"roles": ["offline_access", "uma_authorization", "editor"]},
            "roles": ["wiki-adm", "wiki-reader", "admin", "other"],
        }),
    );
    let mut browser = broker.browser();
    let check = signs_in_at_second(&broker, &mut browser).await;
    for (header, expected) in [
        ("x-name", "Ada Byron"),
        ("x-preferred-username", "byron"),
        ("x-picture", "https://img.example/ada.png"),
        ("x-locale", "en-GB"),
        ("x-groups", "editor,staff"),
        ("x-roles", "w:admin,w:reader"),
    ] {
        assert_eq!(check.header(header), expected, "{header}");
    }
    let known = browser.open(&broker.url(WIKI, "/oauth2/userinfo")).await;
    let known: Value = serde_json::from_str(&known.text()).expect("JSON");
    assert_eq!(known["roles"], json!(["w:admin", "w:reader"]));
    assert_eq!(known["picture"], "https://img.example/ada.png");
    assert_eq!(known["locale"], "en-GB");
}

/// Who somebody is does not depend on it.
#[tokio::test]
async fn changes_make_nobody_another_person() {
    let (plain, provider) = start("").await;
    let of = async |broker: &Broker| {
        let check = signs_in_at_second(broker, &mut broker.browser()).await;
        check.header("x-auth-request-user").to_owned()
    };
    let before = of(&plain).await;
    plain.edit(|text| {
        let from = format!("issuer = \"{}\"\n", provider.base());
        assert!(text.contains(&from), "{text}");
        let to = format!("{from}claims = {{ name = \"sub\", preferred_username = \"email\" }}\n");
        text.replacen(&from, &to, 1)
    });
    plain.reload().await.expect("right");
    assert_eq!(of(&plain).await, before);
}

/// As the page of claims has it: a raw claim becomes a group, another a role, and neither is kept as it was.
#[rstest]
#[case::on_call(json!({"department": "Sales", "on_call": true}), "staff,Sales", "on-call")]
#[case::off_duty(json!({"department": ["Sales", "Board"], "on_call": false}), "staff,Sales,Board", "")]
#[case::neither(json!({}), "staff", "")]
#[tokio::test]
async fn raw_claims_count_as_what_the_page_makes_of_them(
    #[case] raw: Value,
    #[case] groups: &str,
    #[case] roles: &str,
) {
    let page = include_str!("../../../docs/claims.md");
    let (_, section) = page.split_once("## Raw claims\n").expect("the section");
    let (_, section) = section
        .split_once("\nThe rest is not kept")
        .expect("what rules can ask for");
    let (_, block) = section.split_once("```toml\n").expect("a block");
    let (block, _) = block.split_once("```").expect("its end");
    let (broker, provider) = start(block).await;
    says(&provider, &raw);
    let mut browser = broker.browser();
    let check = signs_in_at_second(&broker, &mut browser).await;
    assert_eq!(check.header("x-groups"), groups);
    assert_eq!(check.header("x-roles"), roles);
    let known = browser.open(&broker.url(WIKI, "/oauth2/userinfo")).await;
    let known: Value = serde_json::from_str(&known.text()).expect("JSON");
    for claim in ["department", "on_call"] {
        assert_eq!(known.get(claim), None, "{claim}");
    }
}

/// Without the header nobody keeps where the picture is.
#[tokio::test]
async fn what_no_app_is_told_is_not_kept() {
    let (broker, provider) = with_second_provider(OIDC, Setup::default()).await;
    says(
        &provider,
        &json!({"picture": "https://img.example/ada.png", "locale": "de"}),
    );
    let mut browser = broker.browser();
    signs_in_at_second(&broker, &mut browser).await;
    let known = browser.open(&broker.url(WIKI, "/oauth2/userinfo")).await;
    let known: Value = serde_json::from_str(&known.text()).expect("JSON");
    assert_eq!(known["name"], "Ada Example");
    assert_eq!(known.get("picture"), None);
    assert_eq!(known.get("locale"), None);
}

/// What no word is there for reaches an app as the provider said it, if the app asks for it; and no other app.
#[tokio::test]
async fn an_app_is_told_the_claims_that_it_asks_for() {
    let headers = "hide_cookies = true\nidentity_headers = { X-Given-Name = \"claim:given_name\", \
        X-Organization = \"claim:/org/id\", X-On-Call = \"claim:on_call\", X-Places = \"claim:places\", \
        X-Org = \"claim:org\", X-Long = \"claim:long\", X-Absent = \"claim:absent\" }";
    let setup = Setup {
        configuration: CONFIGURATION.replacen("hide_cookies = true", headers, 1),
        ..Setup::default()
    };
    let (broker, provider) = with_second_provider(OIDC, setup).await;
    says(
        &provider,
        &json!({
            "given_name": "Ada\r\nX-Admin: yes", "org": {"id": 7}, "on_call": true,
            "places": ["Wien", "Graz, Steiermark"], "long": "x".repeat(2048), "secret": "canary",
        }),
    );
    let mut browser = broker.browser();
    let check = signs_in_at_second(&broker, &mut browser).await;
    for (header, expected) in [
        ("x-given-name", "Ada%0D%0AX-Admin: yes"),
        ("x-organization", "7"),
        ("x-on-call", "true"),
        ("x-places", "Wien"),
        ("x-org", "{\"id\":7}"),
        ("x-long", ""),
        ("x-absent", ""),
    ] {
        assert_eq!(check.header(header), expected, "{header}");
    }
    broker.sign_in(&mut browser, BOARD, "/").await;
    let board = broker.check(&browser, "GET", BOARD, "/").await;
    let told = format!("{:?}", board.headers);
    assert!(!told.contains("Wien"), "{told}");
    let lines = audit::here();
    assert!(lines.iter().any(|line| line.event() == "claim_left_out"));
}

#[rstest]
#[case::plain_http(json!("http://img.example/ada.png"))]
#[case::script(json!("javascript:alert(1)"))]
#[case::object(json!({"data": {"url": "https://img.example/ada.png"}}))]
#[tokio::test]
async fn a_picture_of_another_shape_is_none(#[case] picture: Value) {
    let (broker, provider) = start("").await;
    says(&provider, &json!({ "picture": picture }));
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-picture"), "");
}

/// A list that is not where it should be, or not whole, refuses; one that is not there is empty.
#[rstest]
#[case::absent(json!({}), None)]
#[case::null(json!({"mine": null}), None)]
#[case::number(json!({"mine": 7}), Some((400, SECOND_NOT_TRUSTED, "no usable `groups`")))]
#[case::objects(json!({"mine": [{"name": "a"}]}), Some((400, SECOND_NOT_TRUSTED, "no usable `groups`")))]
#[case::too_many(json!({"mine": (0..1001).map(|n| format!("g{n}")).collect::<Vec<_>>()}), Some((400, SECOND_NOT_TRUSTED, "no usable `groups`")))]
#[case::elsewhere(json!({"_claim_names": {"mine": "src1"}}), Some((403, GROUPS, "`/_claim_names/mine`")))]
#[tokio::test]
async fn t23_a_list_is_read_whole_or_not_at_all(
    #[case] claims: Value,
    #[case] refused: Option<(u16, &str, &str)>,
) {
    let (broker, provider) = start("[tenants.providers.claims.groups]\nfrom = [\"mine\"]").await;
    says(&provider, &claims);
    if let Some((status, title, reason)) = refused {
        refused_at_second(&broker, (status, title), reason).await;
    } else {
        let check = signs_in_at_second(&broker, &mut broker.browser()).await;
        assert_eq!(check.header("x-groups"), "");
    }
}

/// What a change names is asked of userinfo where the ID token lacks it.
#[tokio::test]
async fn userinfo_is_asked_for_what_is_missing() {
    let (broker, provider) = start("[tenants.providers.claims.roles]\nfrom = [\"mine\"]").await;
    provider.set(crate::support::provider::IdTokenFault::WithoutClaim("mine"));
    says(
        &provider,
        &json!({"mine": ["a"], "picture": "https://i.example/p", "locale": "de"}),
    );
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-roles"), "a");
    assert_eq!(provider.count(Endpoint::Userinfo), 1);
}

/// Rules see roles after all changes.
#[tokio::test]
async fn a_rule_asks_for_roles() {
    let setup = Setup {
        configuration: CONFIGURATION.replacen(
            "allow = { signed_in = true }",
            "allow = { roles = [\"editor\"] }",
            1,
        ),
        ..Setup::default()
    };
    let settings =
        format!("{OIDC}\nroles_claim = \"roles\"\nclaims = {{ roles = {{ lower_case = true }} }}");
    let (broker, provider) = with_second_provider(&settings, setup).await;
    says(&provider, &json!({"roles": ["Editor"]}));
    let mut browser = broker.browser();
    signs_in_at_second(&broker, &mut browser).await;
    says(&provider, &json!({"roles": ["Reader"]}));
    let mut browser = broker.browser();
    browser
        .visit(&broker.url("acme.localhost", "/login/second"))
        .await;
    let page = broker.sign_in(&mut browser, WIKI, "/").await;
    assert_page(&page, 403, "Your account cannot open Wiki");
    assert!(page.text().contains("certain roles"), "{}", page.text());
}

#[tokio::test]
async fn expressions_make_what_settings_cannot() {
    let (broker, provider) = start(
        "roles_claim = \"roles\"\n[tenants.providers.claims.groups]\nstrip_prefix = \"app-\"\n\
         [tenants.providers.claims.expressions]\n\
         name = \"claims.given_name + ' ' + claims.family_name\"\n\
         preferred_username = \"has(claims.upn) ? claims.upn.split('@')[0] : identity.preferred_username\"\n\
         groups = \"identity.groups.filter(g, !(g in claims.revoked))\"\n\
         roles = \"claims.entries.filter(e, e.active).map(e, e.name) + identity.groups\"\n\
         picture = \"'https://img.example/' + identity.preferred_username\"\n\
         locale = \"claims.language.lowerAscii()\"",
    )
    .await;
    says(
        &provider,
        &json!({
            "given_name": "Ada",
            "family_name": "Byron",
            "upn": "byron@acme.example",
            "groups": [],
            "revoked": ["old"],
            "entries": [{"name": "editor", "active": true}, {"name": "owner", "active": false}],
            "language": "EN",
        }),
    );
    provider.person("ada", |person| {
        person.groups = vec!["app-staff".into(), "app-old".into(), "other".into()];
    });
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    for (header, expected) in [
        ("x-name", "Ada Byron"),
        ("x-preferred-username", "byron"),
        ("x-groups", "staff"),
        // Each sees what stood before any of them.
        ("x-roles", "editor,staff,old"),
        ("x-picture", "https://img.example/ada"),
        ("x-locale", "en"),
    ] {
        assert_eq!(check.header(header), expected, "{header}");
    }
}

/// One that fails ends the sign-in: the reason is the operator's, without what the provider said.
#[rstest]
#[case::missing(
    "name = \"claims.department\"",
    "the expression `name` of the provider's `claims` failed: there is no `department`"
)]
#[case::another_type(
    "name = \"claims.secret + 1\"",
    "a value is of another type than it expects"
)]
#[case::no_text("name = \"[claims.secret]\"", "it gives a list, not a text or null")]
#[case::no_list(
    "groups = \"claims.secret\"",
    "it gives a text, not a list of texts or null"
)]
#[case::mixed_list("roles = \"[1, 2]\"", "it gives a number")]
#[case::address("email = \"claims.secret\"", "it gives an address that does not count")]
#[tokio::test]
async fn a_failed_expression_signs_nobody_in(#[case] line: &str, #[case] reason: &str) {
    let (broker, provider) =
        start(&format!("[tenants.providers.claims.expressions]\n{line}")).await;
    says(&provider, &json!({"secret": "canary@example.com"}));
    let mut browser = broker.browser();
    let page = browser
        .visit(&broker.url("acme.localhost", "/login/second"))
        .await;
    assert_refused(&broker, &browser, &page, (400, SECOND_NOT_TRUSTED), reason).await;
    assert!(!audit::only(&page).field("reason").contains("canary"));
    assert!(!page.html().contains("department"));
}

/// An expression withdraws an address, or leaves it; it makes none.
#[rstest]
#[case::kept("identity.email", "ada@example.com")]
#[case::chosen(
    "identity.emails.exists(e, e.endsWith('@example.com')) ? identity.emails[0] : null",
    "ada@example.com"
)]
#[case::in_other_letters("identity.email.upperAscii()", "ada@example.com")]
#[case::withdrawn("null", "")]
#[case::withdrawn_by_a_claim("claims.contractor ? null : identity.email", "")]
#[tokio::test]
async fn t12_an_expression_makes_no_address_count(
    #[case] expression: &str,
    #[case] expected: &str,
) {
    let settings =
        format!("{OIDC}\n[tenants.providers.claims.expressions]\nemail = \"{expression}\"");
    let (broker, provider) = with_second_provider(&settings, Setup::default()).await;
    says(&provider, &json!({"contractor": true}));
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-email"), expected);
}

/// Nobody vouches for an address, whatever an expression says of it.
#[tokio::test]
async fn t12_an_address_that_does_not_count_is_not_among_those_to_choose_from() {
    let settings =
        format!("{OIDC}\n[tenants.providers.claims.expressions]\nemail = \"claims.email\"");
    let (broker, provider) = with_second_provider(&settings, Setup::default()).await;
    provider.person("ada", |person| person.email_verified = Some(false.into()));
    refused_at_second(
        &broker,
        (400, SECOND_NOT_TRUSTED),
        "an address that does not count",
    )
    .await;
}

/// What an expression looks at is never missing because nobody asked.
#[tokio::test]
async fn userinfo_is_asked_for_expressions() {
    let (broker, provider) = start(
        "[tenants.providers.claims.expressions]\nroles = \"has(claims.mine) ? claims.mine : []\"",
    )
    .await;
    provider.set(crate::support::provider::IdTokenFault::WithoutClaim("mine"));
    says(
        &provider,
        &json!({"mine": ["a"], "picture": "https://i.example/p", "locale": "de"}),
    );
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-roles"), "a");
    assert_eq!(provider.count(Endpoint::Userinfo), 1);
}
