use std::collections::BTreeMap;
use std::path::Path;

use rstest::rstest;

use super::preset::Preset;
use super::*;
use crate::config::{self, Faults, ProviderSettings};
use crate::domain::client_authentication::ClientAuthentication;
use crate::domain::email_rule::EmailRule;
use crate::domain::logout::Logout;
use crate::domain::profile_request::{Asked, Pages};
use crate::domain::upstream_provider::{
    ClaimRule, KeyIssuer, OpenIdConnect, Protocol, Source, UpstreamProvider, Userinfo,
};

/// A file with one provider.
fn text(provider: &str, development: bool) -> String {
    format!(
        r#"[server]
development = {development}
[storage]
sqlite = "doorward.db"
sealing_keys = [{{ env = "SEAL" }}]
[[tenants]]
id = "acme"
base_url = "https://login.acme.example"
[[tenants.providers]]
id = "it"
client_id = "doorward"
{provider}
"#
    )
}

/// The settings of one provider, read as an operator's file is.
fn settings(provider: &str, development: bool) -> ProviderSettings {
    settings_with(provider, development, &[("SECRET", "hunter2-canary")])
}

/// The same, with these variables.
pub(super) fn settings_with(
    provider: &str,
    development: bool,
    variables: &[(&str, &str)],
) -> ProviderSettings {
    let text = text(provider, development);
    let seal = ("SEAL", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let environment: BTreeMap<String, String> = std::iter::once(&seal)
        .chain(variables)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let config = config::parse(&text, Path::new("doorward.toml"), &environment);
    config.expect("right").tenants[0].providers[0].clone()
}

/// Where the given settings begin.
pub(super) const PRESET_LINE: u32 = 12;

fn resolve(provider: &str) -> Result<UpstreamProvider, Faults> {
    let presets = Presets::load(None).expect("embedded presets are right");
    presets.resolve(&settings(provider, false), false)
}

#[test]
fn the_embedded_presets_are_right() {
    let presets = Presets::load(None).map_err(|faults| faults.to_string());
    let presets = presets.expect("right");
    assert_eq!(presets.names().collect::<Vec<_>>(), SHIPPED);
}

/// In alphabetical order.
const SHIPPED: [&str; 33] = [
    "apple",
    "auth0",
    "azure_b2c",
    "bitbucket",
    "cognito",
    "discord",
    "entra",
    "entra_external_id",
    "facebook",
    "firebase",
    "fitbit",
    "github",
    "gitlab",
    "google",
    "kakao",
    "keycloak",
    "line",
    "linkedin",
    "naver",
    "notion",
    "oauth2",
    "oidc",
    "okta",
    "salesforce",
    "seznam",
    "slack",
    "soundcloud",
    "spotify",
    "tidal",
    "twitch",
    "x",
    "yandex",
    "zoom",
];

#[test]
fn openid_connect_needs_an_issuer_and_finds_the_rest() {
    let provider = resolve("preset = \"oidc\"\nissuer = \"https://sso.example/realms/main\"\ngroups_claim = \"/realm_access/roles\"")
        .expect("right");
    let Protocol::OpenIdConnect(oidc) = &provider.protocol else {
        panic!("another protocol");
    };
    assert_eq!(oidc.issuer.as_str(), "https://sso.example/realms/main");
    assert_eq!(
        oidc.discovery.as_str(),
        "https://sso.example/realms/main/.well-known/openid-configuration"
    );
    assert_eq!(oidc.userinfo, Userinfo::WhenMissing);
    assert_eq!(&*provider.issuer_key, "https://sso.example/realms/main");
    assert_eq!(&*provider.name, "OpenID Connect");
    assert_eq!(
        provider.scopes,
        ["openid", "profile", "email"].map(Into::into)
    );
    assert!(matches!(
        provider.client_authentication,
        ClientAuthentication::Discovered
    ));
    assert!(provider.pkce && provider.client_secret.is_none());
    assert_eq!(
        provider.claims.groups[0].place.path.to_string(),
        "/realm_access/roles"
    );
    assert!(matches!(
        provider.claims.email,
        (Source::Claims, EmailRule::Flag { .. })
    ));
}

#[rstest]
#[case::slash(
    "https://x.eu.auth0.com/",
    "https://x.eu.auth0.com/.well-known/openid-configuration"
)]
#[case::upper(
    "https://SSO.example",
    "https://sso.example/.well-known/openid-configuration"
)]
fn an_issuer_is_kept_byte_for_byte(#[case] issuer: &str, #[case] discovery: &str) {
    let provider = resolve(&format!("preset = \"oidc\"\nissuer = \"{issuer}\"")).expect("right");
    let Protocol::OpenIdConnect(oidc) = &provider.protocol else {
        panic!("another protocol");
    };
    assert_eq!(oidc.issuer.as_str(), issuer);
    assert_eq!(oidc.discovery.as_str(), discovery);
}

const GITHUB: &str = "preset = \"github\"\nclient_secret = { env = \"SECRET\" }";

#[rstest]
#[case::public("", "https://github.com", "https://api.github.com", true)]
#[case::server(
    "\nhost = \"GitHub.example.com\"",
    "https://github.example.com",
    "https://github.example.com/api/v3",
    false
)]
#[case::data_residency(
    "\nhost = \"octo.ghe.com\"",
    "https://octo.ghe.com",
    "https://api.octo.ghe.com",
    true
)]
fn github_is_where_its_host_says(
    #[case] host: &str,
    #[case] web: &str,
    #[case] api: &str,
    #[case] pkce: bool,
) {
    let provider = resolve(&format!("{GITHUB}{host}")).expect("right");
    let Protocol::OAuth2 {
        authorization_endpoint,
        token_endpoint,
        response_issuer,
    } = &provider.protocol
    else {
        panic!("another protocol");
    };
    assert_eq!(
        authorization_endpoint.as_str(),
        format!("{web}/login/oauth/authorize")
    );
    assert_eq!(
        token_endpoint.as_str(),
        format!("{web}/login/oauth/access_token")
    );
    let issuer = response_issuer.as_ref().expect("there");
    assert_eq!(issuer.as_str(), format!("{web}/login/oauth"));
    assert_eq!(&*provider.issuer_key, web);
    assert_eq!(provider.pkce, pkce);
    let urls: Vec<_> = provider
        .profile_requests
        .iter()
        .map(|r| r.url.as_str())
        .collect();
    assert_eq!(
        urls,
        [
            format!("{api}/user"),
            format!("{api}/user/emails?per_page=100"),
            format!("{api}/user/orgs?per_page=100"),
            format!("{api}/user/teams?per_page=100"),
        ]
    );
}

#[test]
fn github_says_who_somebody_is_by_number() {
    let provider = resolve(GITHUB).expect("right");
    let claims = &provider.claims;
    assert_eq!(claims.subject[0].source, Source::Profile("user".into()));
    assert_eq!(claims.subject[0].path.to_string(), "/id");
    assert!(!provider.preferred_username_is_stable);
    assert!(provider.errors_with_success_status);
    assert_eq!(
        provider.scopes,
        ["read:user", "user:email", "read:org"].map(Into::into)
    );
    let document = serde_json::json!([
        {"email": "other@x.example", "primary": false, "verified": true},
        {"email": "ada@x.example", "primary": true, "verified": true},
    ]);
    let (source, rule) = &claims.email;
    assert_eq!(*source, Source::Profile("emails".into()));
    assert_eq!(
        rule.verified(&document).map(|it| it.to_string()),
        Some("ada@x.example".into())
    );
    let teams = &claims.groups[1];
    let document = serde_json::json!([{"organization": {"login": "acme"}, "slug": "ops"}]);
    let list = teams
        .place
        .path
        .find(&document)
        .and_then(|it| it.as_array())
        .expect("the list itself");
    let name: Vec<_> = teams
        .members
        .iter()
        .filter_map(|it| it.text(&list[0]))
        .collect();
    assert_eq!(name.join("/"), "acme/ops");
    for request in &provider.profile_requests[2..] {
        assert_eq!(request.pages, Pages::Link);
        let header = request
            .incomplete_header
            .as_ref()
            .expect("unknown is not none");
        assert_eq!(header.as_str(), "x-github-sso");
    }
}

fn openid(provider: &UpstreamProvider) -> &OpenIdConnect {
    match &provider.protocol {
        Protocol::OpenIdConnect(openid) => openid,
        Protocol::OAuth2 { .. } => panic!("another protocol"),
    }
}

const DIRECTORY: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
const ENTRA: &str = "preset = \"entra\"\nclient_secret = { env = \"SECRET\" }";

#[rstest]
#[case::one_directory(
    "tenant = \"AAAAAAAA-bbbb-4ccc-8ddd-eeeeeeeeeeee\"",
    "https://login.microsoftonline.com/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/v2.0",
    "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
    KeyIssuer::Checked
)]
#[case::national_cloud(
    "tenant = \"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"\ncloud = \"us_government\"",
    "https://login.microsoftonline.us/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/v2.0",
    "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
    KeyIssuer::Checked
)]
#[case::common(
    "tenant = \"common\"\nallowed_tenants = \"any\"",
    "https://login.microsoftonline.com/{tenantid}/v2.0",
    "common",
    KeyIssuer::Required
)]
#[case::organizations(
    "tenant = \"organizations\"\nallowed_tenants = [\"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"]",
    "https://login.microsoftonline.com/{tenantid}/v2.0",
    "organizations",
    KeyIssuer::Required
)]
#[case::consumers(
    "tenant = \"consumers\"",
    "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
    "consumers",
    KeyIssuer::Checked
)]
fn entra_is_where_its_tenant_says(
    #[case] tenant: &str,
    #[case] issuer: &str,
    #[case] authority: &str,
    #[case] key_issuer: KeyIssuer,
) {
    let provider = resolve(&format!("{ENTRA}\n{tenant}")).expect("right");
    let openid = openid(&provider);
    assert_eq!(openid.issuer.as_str(), issuer);
    let host = openid.discovery.host_str().expect("a host");
    assert_eq!(
        openid.discovery.as_str(),
        format!("https://{host}/{authority}/v2.0/.well-known/openid-configuration")
    );
    assert_eq!(*provider.issuer_key, format!("https://{host}"));
    assert_eq!(openid.key_issuer, key_issuer);
    assert_eq!(openid.key_cool_down.as_secs(), 300);
    assert_eq!(
        provider.only_issuer().is_some(),
        !issuer.contains("{tenantid}")
    );
    let subject = provider.claims.subject.iter().map(|it| it.path.to_string());
    assert_eq!(subject.collect::<Vec<_>>(), ["/tid", "/oid"]);
}

#[rstest]
#[case::global("", "login.microsoftonline.com", "graph.microsoft.com")]
#[case::named("global", "login.microsoftonline.com", "graph.microsoft.com")]
#[case::government("us_government", "login.microsoftonline.us", "graph.microsoft.us")]
#[case::defense("us_dod", "login.microsoftonline.us", "dod-graph.microsoft.us")]
#[case::china(
    "china",
    "login.partner.microsoftonline.cn",
    "microsoftgraph.chinacloudapi.cn"
)]
fn entras_graph_is_that_of_its_cloud(
    #[case] cloud: &str,
    #[case] login: &str,
    #[case] graph: &str,
) {
    let cloud = match cloud {
        "" => String::new(),
        cloud => format!("cloud = \"{cloud}\"\n"),
    };
    let settings = format!(
        "{ENTRA}\ntenant = \"{DIRECTORY}\"\n{cloud}groups_claim = \"groups\"\ngraph_permission = \"User.Read\""
    );
    let provider = resolve(&settings).expect("right");
    let issuer = format!("https://{login}/{DIRECTORY}/v2.0");
    assert_eq!(openid(&provider).issuer.as_str(), issuer);
    let [request] = provider.profile_requests.as_slice() else {
        panic!("{:?}", provider.profile_requests);
    };
    let address = format!("https://{graph}/v1.0/me/getMemberGroups");
    assert_eq!(request.url.as_str(), address);
    assert_eq!(request.asked, Asked::OnOverage);
    let scope = format!("https://{graph}/User.Read");
    assert_eq!(provider.scopes.last().map(|it| &**it), Some(&*scope));
}

/// Without the permission nothing is asked, of people or of Graph.
#[test]
fn entras_graph_is_asked_only_where_the_operator_wants_it() {
    let settings = format!("{ENTRA}\ntenant = \"{DIRECTORY}\"\ngroups_claim = \"groups\"");
    let provider = resolve(&settings).expect("right");
    assert!(provider.profile_requests.is_empty());
    assert_eq!(
        provider.scopes,
        ["openid", "profile", "email"].map(Into::into)
    );
    // The list that the marks are about is still known not to be whole.
    assert!(!provider.claims.groups[0].overage.is_empty());
}

#[rstest]
#[case::own("own", "?appid=doorward")]
#[case::shared("shared", "")]
fn entras_own_keys_are_those_of_the_registration(#[case] keys: &str, #[case] query: &str) {
    let settings = format!("{ENTRA}\ntenant = \"{DIRECTORY}\"\nsigning_keys = \"{keys}\"");
    let provider = resolve(&settings).expect("right");
    assert_eq!(
        openid(&provider).discovery.as_str(),
        format!(
            "https://login.microsoftonline.com/{DIRECTORY}/v2.0/.well-known/openid-configuration{query}"
        )
    );
}

/// Each way in names whom it lets in; no list is never everybody, unless that is written.
#[test]
fn entra_lets_in_whom_the_operator_names() {
    let rules = |more: &str| -> Vec<(String, ClaimRule)> {
        let provider = resolve(&format!("{ENTRA}\n{more}")).expect("right");
        let claims = provider.required_claims.into_iter();
        claims
            .map(|claim| (claim.places[0].path.to_string(), claim.rule))
            .collect()
    };
    let tid = |rule| ("/tid".to_owned(), rule);
    let ver = ("/ver".to_owned(), ClaimRule::Is("2.0".into()));
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    assert_eq!(
        rules(&format!("tenant = \"{DIRECTORY}\"")),
        [ver.clone(), tid(ClaimRule::Is(DIRECTORY.into()))]
    );
    assert_eq!(
        rules("tenant = \"common\"\nallowed_tenants = \"any\""),
        std::slice::from_ref(&ver)
    );
    assert_eq!(
        rules(&format!(
            "tenant = \"common\"\nallowed_tenants = [\"{DIRECTORY}\"]"
        )),
        [ver.clone(), tid(ClaimRule::OneOf(vec![DIRECTORY.into()]))]
    );
    assert_eq!(
        rules("tenant = \"organizations\"\nallowed_tenants = \"any\""),
        [ver.clone(), tid(ClaimRule::NoneOf(vec![personal.into()]))]
    );
    assert_eq!(
        rules("tenant = \"consumers\""),
        [ver, tid(ClaimRule::Is(personal.into()))]
    );
}

#[test]
fn entra_trusts_addresses_of_a_directory_only_where_it_is_told() {
    let rule = |more: &str| {
        let provider = resolve(&format!("{ENTRA}\ntenant = \"{DIRECTORY}\"\n{more}"));
        provider.expect("right").claims.email.1
    };
    assert!(matches!(rule(""), EmailRule::Flag { .. }));
    let EmailRule::Trusted { domains, .. } = rule("email_trusted_domains = [\"Acme.example\"]")
    else {
        panic!("another rule");
    };
    assert_eq!(domains[0].to_string(), "acme.example");
}

#[test]
fn google_vouches_for_its_own_mailboxes_and_organizations() {
    let preset = "preset = \"google\"\nclient_secret = { env = \"SECRET\" }\n";
    let google =
        |domains: &str| resolve(&format!("{preset}hosted_domains = {domains}")).expect("right");
    let provider = google("[\"Acme.example\"]");
    let openid = openid(&provider);
    assert_eq!(
        openid.discovery.as_str(),
        "https://accounts.google.com/.well-known/openid-configuration"
    );
    assert_eq!(openid.further_issuers[0].as_str(), "accounts.google.com");
    assert!(matches!(provider.claims.email.1, EmailRule::Hosted { .. }));
    assert_eq!(provider.logout, Logout::None);
    let hint = |provider: &UpstreamProvider| provider.authorization_parameters.clone();
    assert_eq!(hint(&provider), [("hd".into(), "acme.example".into())]);
    let admitted = |provider: &UpstreamProvider| provider.required_claims[0].rule.clone();
    assert_eq!(
        admitted(&provider),
        ClaimRule::OneOf(vec!["acme.example".into()])
    );
    // A hint names one.
    let two = google("[\"acme.example\", \"globex.example\"]");
    assert_eq!(hint(&two), []);
    assert!(matches!(admitted(&two), ClaimRule::OneOf(list) if list.len() == 2));
    assert_eq!(google("\"any\"").required_claims, []);
}

#[test]
fn auth0_is_its_domain_with_a_slash() {
    let preset = "preset = \"auth0\"\nclient_secret = { env = \"SECRET\" }\ndomain = \"acme.eu.auth0.com\"\n";
    let provider = resolve(preset).expect("right");
    assert_eq!(
        openid(&provider).issuer.as_str(),
        "https://acme.eu.auth0.com/"
    );
    assert_eq!(&*provider.issuer_key, "https://acme.eu.auth0.com/");
    assert_eq!(provider.required_claims, []);
    assert!(provider.claims.groups.is_empty());
    let Logout::Redirect(logout) = &provider.logout else {
        panic!("it has a sign-out");
    };
    assert!(logout.discovered);
    assert_eq!(
        logout.address.as_ref().map(url::Url::as_str),
        Some("https://acme.eu.auth0.com/oidc/logout")
    );
    // A custom domain keeps the people of the old one.
    let moved = preset.replace("acme.eu.auth0.com", "id.acme.example");
    let moved = format!(
        "{moved}issuer_key = \"https://acme.eu.auth0.com/\"\norganizations = [\"org_1\"]\ngroups_claim = \"https://acme.example/roles.v1\""
    );
    let moved = resolve(&moved).expect("right");
    assert_eq!(moved.issuer_key, provider.issuer_key);
    assert_eq!(moved.authorization_parameters[0].0.as_ref(), "organization");
    assert_eq!(
        moved.claims.groups[0].place.path.to_string(),
        "/https:~1~1acme.example~1roles.v1"
    );
}

#[test]
fn cognito_is_on_two_hosts() {
    let provider = resolve(
        "preset = \"cognito\"\nregion = \"eu-central-1\"\nuser_pool_id = \"eu-central-1_AbCdEf123\"\ndomain = \"acme.auth.eu-central-1.amazoncognito.com\"",
    )
    .expect("right");
    assert_eq!(
        openid(&provider).issuer.as_str(),
        "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123"
    );
    assert!(matches!(
        provider.client_authentication,
        ClientAuthentication::Basic
    ));
    let Logout::Redirect(logout) = &provider.logout else {
        panic!("it has a sign-out");
    };
    assert_eq!(
        logout.address.as_ref().map(url::Url::as_str),
        Some("https://acme.auth.eu-central-1.amazoncognito.com/logout")
    );
    let names: Vec<_> = logout.parameters.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["client_id", "logout_uri"]);
}

const OAUTH2: &str = "preset = \"oauth2\"\nclient_secret = { env = \"SECRET\" }\nauthorization_endpoint = \"https://a.example/authorize\"\ntoken_endpoint = \"https://a.example/token\"\nuserinfo_endpoint = \"https://a.example/me\"\n";

#[test]
fn an_address_without_a_flag_never_counts() {
    let email = |more: &str| {
        resolve(&format!("{OAUTH2}{more}"))
            .expect("right")
            .claims
            .email
            .1
    };
    assert_eq!(email(""), EmailRule::Never);
    assert!(matches!(
        email("email_verified_claim = \"verified\""),
        EmailRule::Flag { .. }
    ));
}

#[test]
fn two_oauth2_servers_are_never_one_issuer() {
    let key = |more: &str| {
        resolve(&format!("{OAUTH2}{more}"))
            .expect("right")
            .issuer_key
    };
    assert_eq!(&*key(""), "https://a.example/authorize");
    assert_eq!(&*key("issuer_key = \"our-old-server\""), "our-old-server");
}

/// Else a provider's `ada` would be the user of that name who is the tenant's own.
#[test]
fn a29_no_provider_has_the_key_of_users_of_a_tenants_own() {
    let faults = resolve(&format!("{OAUTH2}issuer_key = \"doorward:users\"")).expect_err("refused");
    assert!(faults.to_string().contains("which is ours"), "{faults}");
}

#[rstest]
#[case::no_preset(
    "preset = \"githb\"",
    0,
    "there is no preset `githb` = did you mean `github`?"
)]
#[case::missing(
    "preset = \"oidc\"",
    0,
    "the preset `oidc` needs `issuer` = add issuer = \"…\": the provider's issuer, exactly as its tokens and metadata write it"
)]
#[case::unknown(
    "preset = \"oidc\"\nissuer = \"https://a.example\"\ngroup_claim = \"x\"",
    2,
    "`group_claim` is not a setting of a provider with the preset `oidc` = did you mean `groups_claim`?"
)]
#[case::of_another_preset(
    "preset = \"oidc\"\nissuer = \"https://a.example\"\nhost = \"x\"",
    2,
    "`host` is not a setting of a provider with the preset `oidc` = known here: `issuer`, `discovery`, `groups_claim`, `roles_claim`, `switch_account_prompt`, `id`, `preset`, `name`, `client_id`, `client_secret`, `scopes`, `client_authentication`, `private_key`, `key_id`, `certificate`, `assertion_algorithm`, `assertion_audience`, `id_token_algorithm`, `backchannel_logout`, `frontchannel_logout`, `email_domains`, `refresh`, `recheck_after`, `revoke_tokens`, `tokens_for_apps`, `ca_file`, `allow_networks`, `proxy`, `claims`, `restrictions`"
)]
#[case::not_text("preset = \"oidc\"\nissuer = 5", 1, "`issuer` is text in quotes")]
#[case::http(
    "preset = \"oidc\"\nissuer = \"http://a.example\"",
    1,
    "`http://a.example` is plain http = use https: plain http is for development on loopback and *.localhost only"
)]
#[case::loopback(
    "preset = \"oidc\"\nissuer = \"http://127.0.0.1:5556\"",
    1,
    "`http://127.0.0.1:5556` is plain http = use https, or set development = true in [server], which permits plain http on loopback and *.localhost"
)]
#[case::metadata(
    "preset = \"oidc\"\nissuer = \"https://a.example/.well-known/openid-configuration\"",
    1,
    "`https://a.example/.well-known/openid-configuration` is not an issuer = leave out /.well-known/openid-configuration: that is where its metadata is"
)]
#[case::host(
    "preset = \"github\"\nclient_secret = { env = \"SECRET\" }\nhost = \"https://x\"",
    2,
    "`https://x` is not a host = write it as \"github.example.com\""
)]
#[case::host_with_path(
    "preset = \"github\"\nclient_secret = { env = \"SECRET\" }\nhost = \"x.example/evil\"",
    2,
    "`x.example/evil` is not a host = write it as \"github.example.com\""
)]
#[case::no_secret(
    "preset = \"github\"",
    0,
    "the preset `github` needs `client_secret` = add client_secret = { env = \"NAME\" } or { file = \"path\" }"
)]
#[case::algorithm(
    "preset = \"github\"\nclient_secret = { env = \"SECRET\" }\nid_token_algorithm = \"RS256\"",
    2,
    "a provider with the preset `github` has no ID tokens = leave out `id_token_algorithm`"
)]
#[case::sign_outs_that_are_not_told(
    "preset = \"github\"\nclient_secret = { env = \"SECRET\" }\nbackchannel_logout = true",
    2,
    "a provider with the preset `github` tells of no sign-outs in this way = leave out `backchannel_logout`"
)]
#[case::sign_outs_told_in_the_other_way_only(
    "preset = \"auth0\"\nclient_secret = { env = \"SECRET\" }\ndomain = \"acme.eu.auth0.com\"\nfrontchannel_logout = true",
    3,
    "a provider with the preset `auth0` tells of no sign-outs in this way = leave out `frontchannel_logout`"
)]
#[case::scopes(
    "preset = \"oidc\"\nissuer = \"https://a.example\"\nscopes = [\"email\"]",
    0,
    "without the scope `openid` there is no ID token (OIDC Core 1.0 §3.1.2.1) = add \"openid\" to `scopes`"
)]
#[case::no_tenants(
    "preset = \"entra\"\nclient_secret = { env = \"SECRET\" }\ntenant = \"common\"",
    0,
    "the preset `entra` with `tenant` = \"common\" needs `allowed_tenants` = add allowed_tenants = [\"…\"]: the ids of the directories that are let in, or \"any\" for everybody's"
)]
#[case::tenants_of_one_directory(
    "preset = \"entra\"\nclient_secret = { env = \"SECRET\" }\ntenant = \"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"\nallowed_tenants = \"any\"",
    3,
    "`allowed_tenants` means nothing here = leave it out"
)]
#[case::trust_in_many_directories(
    "preset = \"entra\"\nclient_secret = { env = \"SECRET\" }\ntenant = \"common\"\nallowed_tenants = \"any\"\nemail_trusted_domains = [\"acme.example\"]",
    4,
    "`email_trusted_domains` means nothing here with `tenant` = \"common\" and `allowed_tenants` = \"any\" = leave it out"
)]
#[case::roles_of_everybody(
    "preset = \"entra\"\nclient_secret = { env = \"SECRET\" }\ntenant = \"organizations\"\nallowed_tenants = \"any\"\ngroups_claim = \"groups\"",
    4,
    "`groups_claim` means nothing here with `tenant` = \"organizations\" and `allowed_tenants` = \"any\" = leave it out"
)]
#[case::personal_accounts_by_their_number(
    "preset = \"entra\"\nclient_secret = { env = \"SECRET\" }\ntenant = \"9188040d-6c67-4c5b-b112-36a304b66dad\"",
    2,
    "`9188040d-6c67-4c5b-b112-36a304b66dad` is not a value of `tenant` = write \"consumers\" for personal accounts, or as one of \"organizations\", \"common\", \"consumers\""
)]
#[case::names_of_everybody(
    "preset = \"entra\"\nclient_secret = { env = \"SECRET\" }\ntenant = \"organizations\"\nallowed_tenants = \"any\"\n[tenants.providers.claims.roles]\nfrom = [\"roles\"]",
    3,
    "with everybody let in by `allowed_tenants`, groups and roles are whatever anybody's administrator says = name who is let in, or leave out `from` in `claims` (`allowed_tenants`)"
)]
#[case::tenant_by_domain(
    "preset = \"entra\"\nclient_secret = { env = \"SECRET\" }\ntenant = \"acme.example\"",
    2,
    "`acme.example` is not a GUID = write it as 00000000-0000-0000-0000-000000000000, or as one of \"organizations\", \"common\", \"consumers\""
)]
#[case::team_without_its_organization(
    "preset = \"github\"\nclient_secret = { env = \"SECRET\" }\nteams = [\"acme/ops\", \"ops\"]",
    2,
    "`ops` is not a name below another = write both with one slash between them: \"acme/ops\""
)]
#[case::team_below_a_team(
    "preset = \"github\"\nclient_secret = { env = \"SECRET\" }\nteams = [\"acme/ops/night\"]",
    2,
    "`acme/ops/night` is not a name below another = write both with one slash between them: \"acme/ops\""
)]
#[case::any_in_a_list(
    "preset = \"entra\"\nclient_secret = { env = \"SECRET\" }\ntenant = \"common\"\nallowed_tenants = [\"any\"]",
    3,
    "`any` is no entry of a list = write allowed_tenants = \"any\", without brackets"
)]
#[case::empty_list(
    "preset = \"google\"\nclient_secret = { env = \"SECRET\" }\nhosted_domains = []",
    2,
    "`hosted_domains` is an empty list = name at least one, or \"any\""
)]
#[case::no_list(
    "preset = \"google\"\nclient_secret = { env = \"SECRET\" }\nhosted_domains = \"acme.example\"",
    2,
    "`hosted_domains` is a list of texts in brackets, or \"any\" = write hosted_domains = [\"…\"]"
)]
#[case::no_domain(
    "preset = \"google\"\nclient_secret = { env = \"SECRET\" }\nhosted_domains = [\"acme\"]",
    2,
    "`acme` is not the domain of e-mail addresses = write it as \"example.com\""
)]
#[case::google_without_domains(
    "preset = \"google\"\nclient_secret = { env = \"SECRET\" }",
    0,
    "the preset `google` needs `hosted_domains` = add hosted_domains = [\"…\"]: the primary domains of the organizations that are let in, or \"any\" for everybody with a Google account"
)]
#[case::cloud(
    "preset = \"entra\"\nclient_secret = { env = \"SECRET\" }\ntenant = \"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"\ncloud = \"us_goverment\"",
    3,
    "`us_goverment` is not a value of `cloud` = did you mean \"us_government\"? use one of \"global\", \"us_government\", \"us_dod\", \"china\""
)]
#[case::another_clouds_host(
    "preset = \"entra\"\nclient_secret = { env = \"SECRET\" }\ntenant = \"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"\nhost = \"Login.microsoftonline.us\"",
    3,
    "`Login.microsoftonline.us` is not a value of `host` = write cloud = \"us_government\" or cloud = \"us_dod\""
)]
#[case::closed(
    "preset = \"entra\"\nclient_secret = { env = \"SECRET\" }\ntenant = \"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"\nhost = \"login.microsoftonline.de\"",
    3,
    "`login.microsoftonline.de` is not a value of `host` = leave it out: this cloud was closed in 2021"
)]
#[case::version_one(
    "preset = \"entra\"\nclient_secret = { env = \"SECRET\" }\ntenant = \"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"\nhost = \"sts.windows.net\"",
    3,
    "`sts.windows.net` is not a value of `host` = leave it out: it stands in tokens of version 1, which are none to sign in with"
)]
#[case::secret_where_nothing_is_exchanged(
    "preset = \"firebase\"\nclient_secret = { env = \"SECRET\" }\nsign_in_page = \"https://a.example\"\nsign_in_providers = [\"password\"]",
    1,
    "nothing is exchanged with the preset `firebase` = leave out `client_secret`"
)]
#[case::scopes_where_nothing_is_asked_for(
    "preset = \"firebase\"\nscopes = [\"openid\"]\nsign_in_page = \"https://a.example\"\nsign_in_providers = [\"password\"]",
    0,
    "nothing is asked for with the preset `firebase` = leave out `scopes`"
)]
#[case::name_of_an_organization(
    "preset = \"auth0\"\nclient_secret = { env = \"SECRET\" }\ndomain = \"acme.eu.auth0.com\"\norganizations = [\"acme\"]",
    3,
    "`acme` is not a value of `organizations` = it begins with `org_`"
)]
fn what_the_preset_does_not_take_is_told_at_its_line(
    #[case] provider: &str,
    #[case] below: u32,
    #[case] expected: &str,
) {
    let faults = resolve(provider).expect_err("wrong");
    assert_eq!(faults.count(), 1, "{faults}");
    let fault = faults.iter().next().expect("one");
    let shown = format!("{} = {}", fault.message(), fault.help().unwrap_or_default());
    assert_eq!(shown.trim_end_matches(" = "), expected);
    let position = fault.position().expect("the operator's line");
    assert_eq!(position.line(), PRESET_LINE + below);
    assert!(!faults.to_string().contains("hunter2"));
}

#[test]
fn a_brand_without_preset_is_shown_another_way() {
    let faults = resolve("preset = \"authentik\"").expect_err("wrong");
    let help = faults.iter().next().and_then(config::Fault::help);
    let help = help.expect("help");
    assert!(help.starts_with("known here: `apple`, `auth0`"), "{help}");
    assert!(
        help.ends_with("with its `issuer`, `oidc` does for any OpenID Connect provider"),
        "{help}"
    );
}

#[rstest]
#[case::plain("https://sso.acme.example", "https://sso.acme.example")]
#[case::slash("https://sso.acme.example/", "https://sso.acme.example")]
#[case::path("https://sso.acme.example/auth", "https://sso.acme.example/auth")]
#[case::path_and_slash("https://sso.acme.example/auth/", "https://sso.acme.example/auth")]
fn keycloak_is_a_realm_below_its_address(#[case] url: &str, #[case] base: &str) {
    let provider = resolve(&format!(
        "preset = \"keycloak\"\nurl = \"{url}\"\nrealm = \"main\""
    ));
    let provider = provider.expect("right");
    let issuer = format!("{base}/realms/main");
    assert_eq!(openid(&provider).issuer.as_str(), issuer);
    assert_eq!(*provider.issuer_key, issuer);
    assert_eq!(
        openid(&provider).discovery.as_str(),
        format!("{issuer}/.well-known/openid-configuration")
    );
    assert_eq!(provider.authorization_parameters, []);
}

/// A hidden network has the metadata somewhere else; whose tokens they are stays what browsers see.
#[test]
fn keycloak_can_be_reached_elsewhere_than_browsers_do() {
    let provider = resolve(
        "preset = \"keycloak\"\nurl = \"https://sso.acme.example\"\nrealm = \"main\"\ndiscovery = \"https://keycloak.internal/realms/main/.well-known/openid-configuration\"",
    );
    let provider = provider.expect("right");
    let openid = openid(&provider);
    assert_eq!(openid.discovery.host_str(), Some("keycloak.internal"));
    assert_eq!(
        openid.issuer.as_str(),
        "https://sso.acme.example/realms/main"
    );
}

#[test]
fn people_of_okta_are_the_orgs_whichever_server_they_came_through() {
    let okta = |more: &str| {
        resolve(&format!(
            "preset = \"okta\"\ndomain = \"acme.okta.com\"\n{more}"
        ))
        .expect("right")
    };
    let (own, custom) = (
        okta("groups_scope = \"groups\""),
        okta("authorization_server = \"default\""),
    );
    assert_eq!(openid(&own).issuer.as_str(), "https://acme.okta.com");
    assert_eq!(
        openid(&custom).issuer.as_str(),
        "https://acme.okta.com/oauth2/default"
    );
    assert_eq!(own.issuer_key, custom.issuer_key);
    // What was left out is not asked for.
    assert_eq!(
        own.scopes,
        ["openid", "profile", "email", "groups"].map(Into::into)
    );
    assert_eq!(
        custom.scopes,
        ["openid", "profile", "email"].map(Into::into)
    );
    let place = |provider: &UpstreamProvider| match &provider.logout {
        Logout::Redirect(logout) => logout.address.clone().map(String::from),
        Logout::None => None,
    };
    assert_eq!(
        place(&own).as_deref(),
        Some("https://acme.okta.com/oauth2/v1/logout")
    );
    assert_eq!(
        place(&custom).as_deref(),
        Some("https://acme.okta.com/oauth2/default/v1/logout")
    );
}

/// Anybody can make a workspace, and give its members any address.
#[rstest]
#[case::slack("slack", "teams", "T")]
#[case::zoom("zoom", "accounts", "A")]
#[case::salesforce("salesforce", "organizations", "00D")]
fn an_address_counts_for_named_organizations_only(
    #[case] preset: &str,
    #[case] list: &str,
    #[case] id: &str,
) {
    let claims = |named: &str| {
        let settings = format!(
            "preset = \"{preset}\"\nclient_secret = {{ env = \"SECRET\" }}\n{list} = {named}"
        );
        resolve(&settings).expect("right").claims
    };
    for named in [format!("[\"{id}1\"]"), format!("[\"{id}1\", \"{id}2\"]")] {
        let email = claims(&named).email.1;
        assert!(matches!(email, EmailRule::Flag { .. }), "{email:?}");
    }
    let everybodys = claims("\"any\"");
    assert_eq!(everybodys.email.1, EmailRule::Never);
    // What identifies a person is the same either way.
    assert_eq!(everybodys.subject, claims(&format!("[\"{id}1\"]")).subject);
}

#[test]
fn development_permits_plain_http_on_loopback_only() {
    let presets = Presets::load(None).expect("right");
    let resolve = |provider: &str| presets.resolve(&settings(provider, true), true);
    assert!(resolve("preset = \"oidc\"\nissuer = \"http://127.0.0.1:5556\"").is_ok());
    assert!(resolve("preset = \"oidc\"\nissuer = \"http://sso.localhost:5556\"").is_ok());
    assert!(resolve("preset = \"oidc\"\nissuer = \"http://sso.example\"").is_err());
    let github = resolve(&format!("{GITHUB}\nhost = \"127.0.0.1:9000\"")).expect("right");
    assert_eq!(
        github.profile_requests[0].url.as_str(),
        "http://127.0.0.1:9000/api/v3/user"
    );
}

#[test]
fn a_folder_adds_and_replaces_presets() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = include_str!("../../providers/oidc.toml").replace("\"OpenID Connect\"", "\"Ours\"");
    std::fs::write(folder.path().join("oidc.toml"), &own).expect("written");
    std::fs::write(folder.path().join("ours.toml"), &own).expect("written");
    std::fs::write(folder.path().join("notes.txt"), "not a preset").expect("written");
    let presets = Presets::load(Some(folder.path())).expect("right");
    let added: Vec<_> = presets.names().filter(|it| !SHIPPED.contains(it)).collect();
    assert_eq!(added, ["ours"]);
    let settings = settings("preset = \"oidc\"\nissuer = \"https://a.example\"", false);
    assert_eq!(
        &*presets.resolve(&settings, false).expect("right").name,
        "Ours"
    );
}

/// A preset that leaves the issuer to the operator does not leave the choice of everybody to them.
#[test]
fn an_issuer_for_all_tenants_is_refused_where_nobody_asks_which() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = include_str!("../../providers/oidc.toml").replace(
        "issuer = \"{issuer}\"",
        "issuer = \"{issuer}\"\ntenant_claim = \"tid\"",
    );
    std::fs::write(folder.path().join("ours.toml"), own).expect("written");
    let presets = Presets::load(Some(folder.path())).expect("right");
    let resolve = |tenant: &str| {
        let settings = settings(
            &format!(
                "preset = \"ours\"\nissuer = \"https://a.example/{tenant}\"\ndiscovery = \"https://a.example/x\""
            ),
            false,
        );
        presets.resolve(&settings, false)
    };
    assert!(resolve("one").is_ok());
    let faults = resolve("{tenantid}").expect_err("refused");
    assert!(
        faults.to_string().contains("would let in every tenant"),
        "{faults}"
    );
}

#[rstest]
#[case::misspelt_switch("pkce = true", "pkec = true", "`pkec` is not a setting of this file")]
#[case::misspelt_inside(
    "kind = \"issuer\"",
    "kind = \"isuer\"",
    "`isuer` is not a value of `kind`"
)]
#[case::unknown_name(
    "issuer = \"{issuer}\"",
    "issuer = \"{isuer}\"",
    "there is no parameter or variable `isuer`"
)]
#[case::no_subject("subject = \"sub\"", "", "`subject` is missing in [claims]")]
#[case::no_such_document(
    "subject = \"sub\"",
    "subject = { from = \"user\", path = \"id\" }",
    "there is no profile request `user`"
)]
#[case::half_a_brace(
    "issuer = \"{issuer}\"",
    "issuer = \"{issuer\"",
    "`{issuer` cannot be used for `issuer`"
)]
#[case::protected_parameter(
    "[scopes]",
    "[authorization_parameters]\nstate = \"x\"\n[scopes]",
    "`state` is sent by Doorward itself"
)]
#[case::unknown_variant_parameter(
    "[scopes]",
    "[[variants]]\nwhen = { hots = \"x\" }\n[scopes]",
    "there is no parameter `hots`"
)]
#[case::template_for_all_tenants(
    "issuer = \"{issuer}\"",
    "issuer = \"https://a.example/{{tenantid}}\"\ntenant_claim = \"tid\"",
    "an issuer with {tenantid} would let in every tenant"
)]
#[case::list_that_is_none(
    "[scopes]",
    "[[required_claims]]\nclaim = \"hd\"\none_of = \"issuer\"\n[scopes]",
    "there is no parameter `issuer` that is a list"
)]
#[case::two_rules(
    "[scopes]",
    "[[required_claims]]\nclaim = \"hd\"\nis = \"a\"\nnone_of = [\"b\"]\n[scopes]",
    "a required claim has exactly one of"
)]
#[case::no_rule(
    "[scopes]",
    "[[required_claims]]\nclaim = \"hd\"\n[scopes]",
    "a required claim has exactly one of"
)]
#[case::unknown_hint(
    "login_hint = \"login_hint\"",
    "login_hnt = \"login_hint\"",
    "there is no hint `login_hnt`"
)]
#[case::hint_that_protects(
    "login_hint = \"login_hint\"",
    "login_hint = \"state\"",
    "`state` is no hint"
)]
#[case::silent_prompt(
    "prompts = [\"login\"",
    "prompts = [\"none\"",
    "`none` cannot be handed on"
)]
#[case::two_prompts(
    "prompts = [\"login\"",
    "prompts = [\"login consent\"",
    "`login consent` cannot be handed on"
)]
#[case::logout_value(
    "logout = \"discovered\"",
    "logout = { discovered = true, parameters = { to = \"return_adress\" } }",
    "`return_adress` is not a value of `to`"
)]
#[case::sign_outs_told_in_words(
    "backchannel_logout = true",
    "backchannel_logout = \"yes\"",
    "`backchannel_logout` is `true` or `false`"
)]
#[case::sign_outs_told_without_id_tokens(
    "protocol = \"oidc\"",
    "protocol = \"oauth2\"\nauthorization_endpoint = \"https://a.example/a\"\ntoken_endpoint = \"https://a.example/t\"",
    "`backchannel_logout` is OpenID Connect's"
)]
#[case::logout_to_nowhere(
    "logout = \"discovered\"",
    "logout = { parameters = { to = \"return_address\" } }",
    "this sign-out leads nowhere"
)]
#[case::spelling_of_truth(
    "flag = \"email_verified\"",
    "flag = \"email_verified\"\nalso_true = [\"yes\"]",
    "`yes` is not a value of `also_true`"
)]
#[case::userinfo_that_is_not_always_asked(
    "subject = \"sub\"",
    "subject = { from = \"userinfo\", path = \"id\" }",
    "userinfo is not asked at every login here"
)]
#[case::document_misspelt(
    "subject = \"sub\"",
    "subject = { from = \"token_anser\", path = \"id\" }",
    "there is no profile request `token_anser`"
)]
#[case::scope_of_a_missing_parameter(
    "email = [\"email\"]",
    "email = [\"{group_claim}\"]",
    "there is no parameter or variable `group_claim`"
)]
#[case::protected_parameter_of_another_account(
    "[scopes]",
    "[switch_account_parameters]\nprompt = \"x\"\n[scopes]",
    "`prompt` is sent by Doorward itself"
)]
#[case::body_of_another_kind(
    "pkce = true",
    "token_request = \"xml\"",
    "`xml` is not a value of `token_request`"
)]
#[case::two_kinds_of_pages(
    "[scopes]",
    "[[profile_requests]]\nname = \"user\"\nurl = \"https://a.example\"\npaginated = true\npages = { next = \"a\", list = \"b\" }\n[scopes]",
    "a list has one kind of pages"
)]
#[case::pages_without_a_list(
    "[scopes]",
    "[[profile_requests]]\nname = \"user\"\nurl = \"https://a.example\"\npages = { next = \"a\" }\n[scopes]",
    "`list` is missing in `pages`"
)]
#[case::success_without_a_value(
    "[scopes]",
    "[[profile_requests]]\nname = \"user\"\nurl = \"https://a.example\"\nsuccess = { member = \"ok\" }\n[scopes]",
    "`is` is missing in `success`"
)]
#[case::status_of_success(
    "[scopes]",
    "[[profile_requests]]\nname = \"user\"\nurl = \"https://a.example\"\nnot_admitted_status = 200\n[scopes]",
    "this is no status of a refusal"
)]
#[case::chosen_by_nothing(
    "[scopes]",
    "[variables]\nx = { by = \"cluod\", a = \"b\" }\n[scopes]",
    "there is no parameter `cluod`"
)]
#[case::chosen_by_another_value(
    "[scopes]",
    "[parameters.cloud]\nkind = \"name\"\none_of = [\"a\"]\nabout = \"x\"\n[variables]\nx = { by = \"cloud\", b = \"y\" }\n[scopes]",
    "`b` is no value of `cloud`"
)]
#[case::body_of_a_get(
    "[scopes]",
    "[[profile_requests]]\nname = \"user\"\nurl = \"https://a.example\"\nbody = '{}'\n[scopes]",
    "a request by GET has no body"
)]
#[case::body_that_is_no_json(
    "[scopes]",
    "[[profile_requests]]\nname = \"user\"\nurl = \"https://a.example\"\nmethod = \"POST\"\nbody = \"a=b\"\n[scopes]",
    "this is not JSON"
)]
#[case::requires_what_is_not_there(
    "[scopes]",
    "[[profile_requests]]\nname = \"user\"\nurl = \"https://a.example\"\nrequires = \"group_claim\"\n[scopes]",
    "there is no parameter `group_claim`"
)]
#[case::query_without_a_claim(
    "[scopes]",
    "[[profile_requests]]\nname = \"user\"\nurl = \"https://a.example\"\nquery_from_claims = { userKey = \"email\" }\n[scopes]",
    "there is no claim in `userKey`"
)]
#[case::asked_at_another_time(
    "[scopes]",
    "[[profile_requests]]\nname = \"user\"\nurl = \"https://a.example\"\nasked = \"sometimes\"\n[scopes]",
    "`sometimes` is not a value of `asked`"
)]
#[case::pages_by_a_token_without_a_parameter(
    "[scopes]",
    "[[profile_requests]]\nname = \"user\"\nurl = \"https://a.example\"\npages = { token = \"a\", list = \"b\" }\n[scopes]",
    "`parameter` is missing in `pages`"
)]
#[case::instead_of_a_list_that_is_always_whole(
    "list = \"{groups_claim}\"",
    "list = \"{groups_claim}\"\ninstead = { list = \"x\" }",
    "nothing says when this list stands in place of the other"
)]
#[case::groups_that_are_there_at_times(
    "[[claims.groups]]\nlist = \"{groups_claim}\"",
    "[[claims.groups]]\nfrom = \"user\"\n\n[[profile_requests]]\nname = \"user\"\nurl = \"https://a.example\"\nasked = \"on_overage\"",
    "the answer to `user` is there only where groups were left out"
)]
#[case::page_that_answers_by_redirect(
    "[scopes]",
    "[sign_in_page]\naddress = \"https://a.example\"\nkeys = \"https://a.example\"\nauthenticated_within = \"1h\"\n[scopes]",
    "this page has its answer posted"
)]
#[case::page_without_keys(
    "[scopes]",
    "[sign_in_page]\naddress = \"https://a.example\"\nauthenticated_within = \"1h\"\n[scopes]",
    "`keys` is missing in [sign_in_page]"
)]
#[case::notes_that_are_no_list("pkce = true", "notes = \"x\"", "`notes` is a list")]
#[case::unknown_status(
    "status = \"standard\"",
    "status = \"sure\"",
    "`sure` is not a value of `status`"
)]
#[case::withheld(
    "[scopes]",
    "[[variants]]\nwhen = { issuer = \"x\" }\nwithholds = [\"group_claim\"]\n[scopes]",
    "there is no parameter `group_claim`"
)]
fn a_wrong_preset_is_told_with_its_line(
    #[case] from: &str,
    #[case] to: &str,
    #[case] expected: &str,
) {
    let right = include_str!("../../providers/oidc.toml");
    assert!(right.contains(from));
    let wrong = right.replacen(from, to, 1);
    let faults = Preset::parse(&wrong, Path::new("own.toml")).expect_err("wrong");
    let messages: Vec<_> = faults.iter().map(config::Fault::message).collect();
    assert!(
        messages.iter().any(|message| message.starts_with(expected)),
        "{faults}"
    );
    assert!(faults.iter().all(|fault| fault.position().is_some()));
}

/// Their values may be shown in messages, and the reference describes them.
#[test]
fn the_settings_of_the_embedded_presets_are_known() {
    let reference = include_str!("../../docs/configuration.md");
    let presets = Presets::load(None).expect("embedded presets are right");
    for (name, preset) in presets.iter() {
        let (_, below) = reference
            .split_once(&format!("### Preset `{name}`\n"))
            .unwrap_or_else(|| panic!("the preset {name} has no heading"));
        let section = below.split("\n#").next().unwrap_or_default();
        let rows: Vec<&str> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .collect();
        let mut declared: Vec<&str> = preset.parameters.iter().map(|own| &*own.name).collect();
        for word in &declared {
            assert!(config::PRESET_WORDS.contains(word), "{word}");
        }
        declared.sort_unstable();
        let mut described = rows.clone();
        described.sort_unstable();
        assert_eq!(described, declared, "{name}");
    }
}

/// What the JSON Schema with the embedded presets finds wrong with a provider.
fn schema_faults(provider: &str) -> Vec<String> {
    let schema = Presets::load(None).expect("right").configuration_schema();
    let schema = serde_json::from_str(&schema).expect("JSON");
    let file: toml::Table = text(provider, false).parse().expect("TOML");
    let file = serde_json::to_value(file).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let faults = validator.iter_errors(&file);
    faults.map(|fault| fault.to_string()).collect()
}

#[rstest]
#[case::oidc("preset = \"oidc\"\nissuer = \"https://sso.acme.example\"")]
#[case::all_of_oidc(
    "preset = \"oidc\"\nissuer = \"https://sso.acme.example\"\ngroups_claim = \"/a/b\"\nname = \"x\""
)]
#[case::github(
    "preset = \"github\"\nclient_secret = { env = \"SECRET\" }\nhost = \"github.acme.example\""
)]
#[case::ones_own("preset = \"ours\"\nanything = \"x\"")]
fn the_schema_knows_the_settings_of_a_preset(#[case] provider: &str) {
    assert_eq!(schema_faults(provider), Vec::<String>::new());
}

#[rstest]
#[case::missing("preset = \"oidc\"")]
#[case::of_another(
    "preset = \"oidc\"\nissuer = \"https://sso.acme.example\"\nhost = \"a.example\""
)]
#[case::unknown("preset = \"github\"\nverify_tls = { env = \"SECRET\" }")]
#[case::no_address("preset = \"oidc\"\nissuer = \"sso.acme.example\"")]
fn the_schema_sees_what_a_preset_would_refuse(#[case] provider: &str) {
    assert_ne!(schema_faults(provider), Vec::<String>::new());
    assert!(resolve(provider).is_err());
}

const NO_GUESTS: &str = "[tenants.providers.restrictions]\nguests = false";

#[test]
fn guests_are_told_apart_where_the_preset_can() {
    let directory = "\ntenant = \"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"\n";
    let provider = resolve(&format!("{ENTRA}{directory}{NO_GUESTS}")).expect("right");
    assert!(provider.restrictions.members.is_some());
    let provider = resolve(&format!("{ENTRA}{directory}")).expect("right");
    assert!(provider.restrictions.members.is_none());
}

#[rstest]
#[case::guests(
    "preset = \"oidc\"\nissuer = \"https://sso.example\"",
    "guests = false",
    "with the preset `oidc` nothing tells a guest from a member"
)]
#[case::acr(
    "preset = \"line\"\nclient_secret = { env = \"SEAL\" }",
    "acr_values = [\"a\"]",
    "`acr_values` cannot be checked: a provider with the preset `line` has no ID tokens"
)]
#[case::amr(
    "preset = \"line\"\nclient_secret = { env = \"SEAL\" }",
    "amr = [\"a\"]",
    "`amr` cannot be checked"
)]
#[case::age(
    "preset = \"line\"\nclient_secret = { env = \"SEAL\" }",
    "max_authentication_age = \"1h\"",
    "`max_authentication_age` cannot be checked"
)]
fn a_restriction_that_the_preset_cannot_judge_is_a_fault(
    #[case] provider: &str,
    #[case] restriction: &str,
    #[case] expected: &str,
) {
    let text = format!("{provider}\n[tenants.providers.restrictions]\n{restriction}");
    let faults = resolve(&text).expect_err("a fault");
    assert_eq!(faults.count(), 1, "{faults}");
    let fault = faults.iter().next().expect("one");
    assert!(fault.message().contains(expected), "{fault}");
    let lines_before = provider.lines().count() + 1;
    let line = PRESET_LINE + u32::try_from(lines_before).expect("few");
    assert_eq!(
        fault.position().map(config::Position::line),
        Some(line),
        "{fault}"
    );
}

/// The preset's word is about the claim that it names, not about another one.
#[test]
fn a_name_from_another_claim_is_not_known_to_be_stable() {
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = include_str!("../../providers/oidc.toml");
    let stable = shipped.replace(
        "preferred_username_is_stable = false",
        "preferred_username_is_stable = true",
    );
    std::fs::write(folder.path().join("own.toml"), stable).expect("a file");
    let presets = Presets::load(Some(folder.path())).expect("right");
    let own = "preset = \"own\"\nissuer = \"https://sso.example\"\n[tenants.providers.claims]\n";
    let is_stable = |change: &str| {
        let settings = settings(&format!("{own}{change}"), false);
        let provider = presets.resolve(&settings, false).expect("right");
        provider.preferred_username_is_stable
    };
    assert!(is_stable("name = \"other\""));
    assert!(!is_stable("preferred_username = \"other\""));
}
