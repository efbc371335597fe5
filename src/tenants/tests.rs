use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use rstest::rstest;

use super::*;
use crate::config::{self, Faults};
use crate::domain::host::Host;
use crate::providers::Presets;

fn build(tenants: &str) -> Result<Directory, Faults> {
    let text = format!(
        "[server]\npublic_url = \"https://login.example.com\"\n[storage]\nsqlite = \"doorward.db\"\nsealing_keys = [{{ env = \"SEAL\" }}]\n{tenants}"
    );
    let environment: BTreeMap<String, String> = [
        ("SEAL", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        ("SECRET", "secret"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let config = config::parse(&text, Path::new("doorward.toml"), &environment)?;
    Directory::build(&config, &Presets::load(None)?, 7)
}

fn provider(id: &str) -> String {
    format!(
        "[[tenants.providers]]\nid = \"{id}\"\npreset = \"oidc\"\nclient_id = \"x\"\nissuer = \"https://{id}.example\"\n"
    )
}

fn tenant(id: &str, base: &str, apps: &[(&str, &str)]) -> String {
    let base = if base.is_empty() {
        String::new()
    } else {
        format!("base_url = \"{base}\"\n")
    };
    let mut text = format!("[[tenants]]\nid = \"{id}\"\n{base}{}", provider("one"));
    for (app, hosts) in apps {
        let _ = write!(
            text,
            "[[tenants.apps]]\nid = \"{app}\"\nhosts = [{hosts}]\nallow = {{ signed_in = true }}\n"
        );
    }
    text
}

fn host(text: &str) -> Host {
    Host::parse(text, 443).expect("a host")
}

fn three() -> Directory {
    let text = [
        tenant(
            "acme",
            "https://login.acme.example",
            &[
                ("wiki", "\"wiki.acme.example\", \"*.wiki.acme.example\""),
                ("one", "\"one.wiki.acme.example\", \"dev.acme.example:*\""),
            ],
        ),
        tenant("globex", "", &[("shop", "\"*.shop.example\"")]),
        tenant(
            "solo",
            "https://app.solo.example/oauth2",
            &[("app", "\"app.solo.example\"")],
        ),
    ]
    .concat();
    build(&text)
        .map_err(|faults| faults.to_string())
        .expect("right")
}

#[rstest]
#[case::own("login.acme.example", "/login", Some(("acme", "/login")))]
#[case::own_root("login.acme.example", "/", Some(("acme", "/")))]
#[case::shared("login.example.com", "/t/globex/login/one/callback", Some(("globex", "/login/one/callback")))]
#[case::shared_alone("login.example.com", "/t/globex", Some(("globex", "")))]
#[case::app_host("app.solo.example", "/oauth2/login", Some(("solo", "/login")))]
#[case::app_page("app.solo.example", "/", None)]
#[case::half_a_prefix("app.solo.example", "/oauth2x/login", None)]
#[case::longer_id("login.example.com", "/t/globexx/login", None)]
#[case::own_tenant_on_shared_host("login.example.com", "/t/acme/login", None)]
#[case::shared_root("login.example.com", "/", None)]
#[case::unknown_tenant("login.example.com", "/t/initech/login", None)]
#[case::unknown_host("login.evil.example", "/login", None)]
#[case::other_port("login.acme.example:8443", "/login", None)]
#[case::app_of_another_set_up("wiki.acme.example", "/oauth2/login", None)]
fn a33_an_address_is_one_tenants_or_nobodys(
    #[case] at: &str,
    #[case] path: &str,
    #[case] expected: Option<(&str, &str)>,
) {
    let directory = three();
    let found = directory.locate(&host(at), path);
    assert_eq!(found.map(|it| (it.tenant.id.as_str(), it.rest)), expected);
}

#[rstest]
#[case::exact("wiki.acme.example", Some(("acme", "wiki")))]
#[case::exact_before_pattern("one.wiki.acme.example", Some(("acme", "one")))]
#[case::pattern("two.wiki.acme.example", Some(("acme", "wiki")))]
#[case::deep("a.b.shop.example", Some(("globex", "shop")))]
#[case::any_port("dev.acme.example:8080", Some(("acme", "one")))]
#[case::pattern_itself("shop.example", None)]
#[case::look_alike("evilshop.example", None)]
#[case::other_port("wiki.acme.example:8443", None)]
#[case::unknown("evil.example", None)]
fn a_host_is_one_app_or_none(#[case] at: &str, #[case] expected: Option<(&str, &str)>) {
    let directory = three();
    let found = directory.app_at(&host(at));
    let names = found.map(|it| (it.tenant.id.as_str(), it.app.id.as_str()));
    assert_eq!(names, expected);
    if let Some(found) = found {
        assert_eq!(found.tenant.apps[found.index].id, found.app.id);
    }
}

#[test]
fn an_exact_host_is_found_as_it_stands() {
    let directory = three();
    let found = |text| {
        directory
            .app_at_name(text)
            .map(|(it, _)| it.app.id.to_string())
    };
    assert_eq!(found("wiki.acme.example"), Some("wiki".into()));
    assert_eq!(found("WIKI.acme.example"), None);
    assert_eq!(found("two.wiki.acme.example"), None);
}

#[test]
fn a34_ids_name_one_tenant_each() {
    let directory = three();
    assert_eq!(directory.version(), 7);
    assert_eq!(directory.tenants().len(), 3);
    let id = "globex".parse().expect("a name");
    let found = directory.tenant(&id).expect("there");
    assert_eq!(
        found.base.address("/login"),
        "https://login.example.com/t/globex/login"
    );
    assert!(
        directory
            .tenant(&"initech".parse().expect("a name"))
            .is_none()
    );
    let twice = [
        tenant("acme", "", &[]),
        tenant("acme", "https://a.example", &[]),
    ]
    .concat();
    let faults = build(&twice).expect_err("wrong").to_string();
    assert!(
        faults.contains("there is a tenant `acme` already"),
        "{faults}"
    );
}

#[rstest]
#[case::same("\"a.example\"", "\"a.example\"")]
#[case::spelling("\"a.example\"", "\"A.example:443\"")]
#[case::exact_in_pattern("\"*.acme.example\"", "\"wiki.acme.example\"")]
#[case::pattern_over_exact("\"wiki.acme.example\"", "\"*.acme.example\"")]
#[case::pattern_in_pattern("\"*.acme.example\"", "\"*.wiki.acme.example\"")]
#[case::deep("\"*.acme.example\"", "\"a.b.c.acme.example\"")]
#[case::any_port("\"a.example:*\"", "\"a.example:8080\"")]
fn a_host_of_two_tenants_is_a_fault_that_names_both(#[case] first: &str, #[case] second: &str) {
    let text = [
        tenant("acme", "", &[("wiki", first)]),
        tenant("globex", "", &[("shop", second)]),
    ]
    .concat();
    let faults = build(&text).expect_err("a clash");
    assert_eq!(faults.count(), 1, "{faults}");
    let fault = faults.iter().next().expect("one");
    assert_eq!(fault.position().expect("a line").line(), 26);
    assert!(
        fault
            .message()
            .contains("app `shop` of tenant `globex` overlaps with"),
        "{fault}"
    );
    assert!(
        fault.message().ends_with("of app `wiki` of tenant `acme`"),
        "{fault}"
    );
    assert!(fault.help().expect("help").contains("line 15"), "{fault}");
}

#[rstest]
#[case::exception("\"*.acme.example\"", "\"wiki.acme.example\"", true)]
#[case::twice("\"wiki.acme.example\"", "\"wiki.acme.example\"", false)]
#[case::patterns("\"*.acme.example\"", "\"*.wiki.acme.example\"", false)]
#[case::apart("\"a.example\"", "\"b.example\", \"*.b.example\"", true)]
fn within_a_tenant_an_exact_host_is_an_exception(
    #[case] first: &str,
    #[case] second: &str,
    #[case] right: bool,
) {
    let built = build(&tenant("acme", "", &[("wiki", first), ("shop", second)]));
    assert_eq!(built.is_ok(), right, "{built:?}");
}

#[rstest]
#[case::two_tenants_one_host(
    tenant("acme", "https://a.example", &[]) + &tenant("globex", "https://A.example/", &[]),
    "tenant `acme` is at a.example already"
)]
#[case::login_on_an_app(
    tenant("acme", "https://wiki.acme.example", &[("wiki", "\"wiki.acme.example\"")]),
    "wiki.acme.example is the host of tenant `acme` and also wiki.acme.example of app `wiki`"
)]
#[case::login_under_a_pattern(
    tenant("acme", "https://login.acme.example", &[("wiki", "\"*.acme.example\"")]),
    "login.acme.example is the host of tenant `acme` and also *.acme.example of app `wiki`"
)]
#[case::login_on_anothers_app(
    tenant("acme", "https://shop.example", &[]) + &tenant("globex", "", &[("shop", "\"shop.example\"")]),
    "shop.example is the host of tenant `acme` and also shop.example of app `shop` of tenant `globex`"
)]
#[case::shared_host_is_an_app(
    tenant("acme", "", &[("wiki", "\"login.example.com\"")]),
    "login.example.com is the host of tenant `acme` and also"
)]
#[case::tenant_below_anothers_host(
    tenant("acme", "https://a.example", &[]) + &tenant("globex", "https://a.example/t/globex", &[]),
    "a.example is the own host of tenant `acme`"
)]
fn an_address_with_two_meanings_is_a_fault(#[case] text: String, #[case] expected: &str) {
    let faults = build(&text).expect_err("a clash");
    assert_eq!(faults.count(), 1, "{faults}");
    let fault = faults.iter().next().expect("one");
    assert!(fault.message().starts_with(expected), "{fault}");
}

/// A tenant whose cookie reaches all below `example.com`, and another one.
#[rstest]
#[case::an_app_below(
    "\"shop.example.com\"",
    "",
    Some("would reach shop.example.com of tenant `globex`")
)]
#[case::a_pattern_below(
    "\"*.shop.example.com\"",
    "",
    Some("would reach shop.example.com of tenant `globex`")
)]
#[case::the_name_itself(
    "\"example.com\"",
    "",
    Some("would reach example.com of tenant `globex`")
)]
#[case::the_same_domain(
    "\"shop.example.com\"",
    "example.com",
    Some("would reach shop.example.com of tenant `globex`")
)]
#[case::beside("\"shop.example.org\"", "", None)]
#[case::look_alike("\"shop.notexample.com\"", "", None)]
fn a_shared_cookie_never_reaches_another_tenant(
    #[case] hosts: &str,
    #[case] domain: &str,
    #[case] expected: Option<&str>,
) {
    let shared = |text: String, domain: &str, host: &str| {
        let table = format!("parent_cookie = {{ domain = \"{domain}\", hosts = [{host}] }}\n");
        let id = text.find("[[tenants.providers]]").expect("a provider");
        format!("{}{table}{}", &text[..id], &text[id..])
    };
    let acme = tenant("acme", "", &[("wiki", "\"wiki.example.com\"")]);
    let acme = shared(acme, "example.com", "\"wiki.example.com\"");
    let mut globex = tenant("globex", "", &[("shop", hosts)]);
    if !domain.is_empty() {
        globex = shared(globex, domain, hosts);
    }
    let faults: Vec<String> = build(&(acme + &globex)).map_or_else(
        |faults| faults.iter().map(|it| it.message().to_owned()).collect(),
        |_| Vec::new(),
    );
    match expected {
        Some(expected) => assert!(faults[0].contains(expected), "{faults:#?}"),
        None => assert_eq!(faults, Vec::<String>::new()),
    }
}

/// Cookies know no ports.
#[test]
fn a_shared_cookie_never_reaches_a_pattern_from_above_at_another_port() {
    let base = "https://login.apps.example.com";
    let acme = tenant("acme", base, &[("wiki", "\"wiki.apps.example.com\"")]);
    let acme = acme.replacen(
        "[[tenants.providers]]",
        "parent_cookie = { domain = \"apps.example.com\", hosts = [\"wiki.apps.example.com\"] }\n\
         [[tenants.providers]]",
        1,
    );
    let globex = tenant("globex", "", &[("shop", "\"*.example.com:8443\"")]);
    let faults = build(&(acme + &globex)).expect_err("another tenant's");
    let fault = faults.iter().next().expect("a fault");
    assert!(
        fault
            .message()
            .contains("would reach example.com of tenant `globex`"),
        "{fault}"
    );
}

fn with_headers(headers: &str, providers: &str, allow: &str) -> Vec<String> {
    let text = format!(
        "[[tenants]]\nid = \"acme\"\n{providers}[[tenants.apps]]\nid = \"wiki\"\nhosts = [\"wiki.example\"]\nidentity_headers = {{ {headers} }}\n{allow}\n"
    );
    build(&text).map_or_else(
        |faults| {
            faults
                .iter()
                .map(|fault| fault.message().to_owned())
                .collect()
        },
        |_| Vec::new(),
    )
}

const ANYBODY: &str = "allow = { signed_in = true }";

#[rstest]
#[case::ours("Remote-User = \"user\"", ANYBODY, None)]
#[case::address_as_fact("X-Auth-Request-Email = \"email\"", ANYBODY, None)]
#[case::label(
    "X-Auth-Request-Preferred-Username = \"preferred_username\"",
    ANYBODY,
    None
)]
#[case::groups("Remote-Groups = \"groups\"", ANYBODY, None)]
#[case::subject(
    "Remote-User = \"subject\"",
    ANYBODY,
    Some(
        "remote-user gives `subject` as the name of a person, but app `wiki` admits more than one issuer: `one`, `two`"
    )
)]
#[case::address_as_name(
    "X-WEBAUTH-USER = \"email\"",
    ANYBODY,
    Some(
        "x-webauth-user gives `email` as the name of a person, but app `wiki` admits more than one issuer: `one`, `two`"
    )
)]
#[case::one_provider(
    "X-WEBAUTH-USER = \"email\"",
    "allow = { providers = [\"two\"] }",
    None
)]
#[case::public_beside(
    "Remote-User = \"subject\"",
    "[[tenants.apps.rules]]\npaths = [\"/health\"]\npublic = true\n[[tenants.apps.rules]]\nproviders = [\"one\"]",
    None
)]
#[case::another_rule_opens(
    "Remote-User = \"subject\"",
    "[[tenants.apps.rules]]\npaths = [\"/admin\"]\nproviders = [\"one\"]\n[[tenants.apps.rules]]\ngroups = [\"staff\"]",
    Some(
        "remote-user gives `subject` as the name of a person, but app `wiki` admits more than one issuer: `one`, `two`"
    )
)]
#[case::name_that_moves(
    "Remote-User = \"preferred_username\"",
    "allow = { providers = [\"one\"] }",
    Some(
        "remote-user gives `preferred_username` as the name of a person, but provider `one` may give it to somebody else one day"
    )
)]
fn a_name_that_two_issuers_can_give_is_a_fault(
    #[case] headers: &str,
    #[case] allow: &str,
    #[case] expected: Option<&str>,
) {
    let providers = provider("one") + &provider("two");
    let found = with_headers(headers, &providers, allow);
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn two_clients_of_one_issuer_are_one_issuer() {
    let second = provider("one").replace("id = \"one\"", "id = \"other\"");
    let providers = provider("one") + &second;
    assert!(with_headers("Remote-User = \"subject\"", &providers, ANYBODY).is_empty());
}

fn entra(id: &str, more: &str) -> String {
    format!(
        "[[tenants.providers]]\nid = \"{id}\"\npreset = \"entra\"\nclient_id = \"x\"\nclient_secret = {{ env = \"SECRET\" }}\n{more}\n"
    )
}

fn slack(more: &str) -> String {
    entra("one", more).replace("\"entra\"", "\"slack\"")
}

const ONE_DIRECTORY: &str = "tenant = \"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"";

/// All directories of a cloud share one key of persons, and are as many issuers all the same.
#[rstest]
#[case::one_directory(entra("one", ONE_DIRECTORY), None)]
#[case::two_registrations(entra("one", ONE_DIRECTORY) + &entra("two", ONE_DIRECTORY), None)]
#[case::two_directories(
    entra("one", ONE_DIRECTORY) + &entra("two", "tenant = \"bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee\""),
    Some("`one`, `two`")
)]
#[case::common(
    entra("one", "tenant = \"common\"\nallowed_tenants = \"any\""),
    Some("`one`")
)]
#[case::organizations(
    entra(
        "one",
        "tenant = \"organizations\"\nallowed_tenants = [\"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"]"
    ),
    Some("`one`")
)]
#[case::consumers(entra("one", "tenant = \"consumers\""), None)]
#[case::one_workspace(slack("teams = [\"T1\"]"), None)]
#[case::two_workspaces(slack("teams = [\"T1\", \"T2\"]"), Some("`one`"))]
#[case::all_workspaces(slack("teams = \"any\""), Some("`one`"))]
fn a29_all_directories_together_are_not_one_issuer(
    #[case] providers: String,
    #[case] admitted: Option<&str>,
) {
    for (header, source) in [
        ("Remote-User", "subject"),
        ("X-WEBAUTH-USER", "email"),
        ("X-Auth-Request-User", "email"),
    ] {
        let headers = format!("{header} = \"{source}\"");
        let found = with_headers(&headers, &providers, ANYBODY);
        let expected: Vec<String> = admitted
            .iter()
            .map(|admitted| {
                let header = header.to_lowercase();
                format!("{header} gives `{source}` as the name of a person, but app `wiki` admits more than one issuer: {admitted}")
            })
            .collect();
        assert_eq!(found, expected);
    }
    // As a fact or by our own id everybody can be told.
    let headers = "X-Auth-Request-User = \"user\", X-Auth-Request-Email = \"email\"";
    assert!(with_headers(headers, &providers, ANYBODY).is_empty());
}

#[test]
fn presets_and_clashes_are_told_together() {
    let text = (tenant("acme", "", &[("wiki", "\"a.example\"")])
        + &tenant("globex", "", &[("shop", "\"a.example\"")]))
        .replacen("issuer = \"https://one.example\"", "", 1);
    let faults = build(&text).expect_err("two faults");
    assert_eq!(faults.count(), 2, "{faults}");
}

#[test]
fn a_swap_is_seen_and_what_is_held_stays() {
    let live = LiveDirectory::new(three());
    let held = live.snapshot();
    let old = live.swap(build(&tenant("initech", "", &[])).expect("right"));
    assert!(Arc::ptr_eq(&held, &old));
    assert_eq!(live.current().tenants()[0].id.as_str(), "initech");
    assert_eq!(held.tenants()[0].id.as_str(), "acme");
}

#[test]
fn thousands_of_tenants_are_checked_in_a_moment() {
    let text: String = (0..2000)
        .map(|n| {
            tenant(
                &format!("t{n}"),
                "",
                &[("app", &format!("\"a{n}.example\", \"*.a{n}.example\""))],
            )
        })
        .collect();
    let directory = build(&text).expect("right");
    let found = directory.app_at(&host("x.a1999.example")).expect("there");
    assert_eq!(found.tenant.id.as_str(), "t1999");
}

#[rstest]
#[case::doorward(include_str!("../../docs/examples/doorward.toml"), &["https://login.acme.example/login/keycloak/callback", "https://login.acme.example/login/github/callback", "https://login.example.com/t/globex/login/legacy/callback"])]
#[case::single_name(include_str!("../../docs/examples/single-name.toml"), &["https://app.acme.example/oauth2/login/sso/callback"])]
fn the_examples_are_right(#[case] text: &str, #[case] redirect_uris: &[&str]) {
    let environment: BTreeMap<String, String> = [
        (
            "DOORWARD_SEALING_KEY",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ),
        ("ACME_CLIENT_SECRET", "a"),
        ("ACME_GITHUB_SECRET", "b"),
        ("GLOBEX_CLIENT_SECRET", "c"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let config = config::parse(text, Path::new("docs/examples/x.toml"), &environment);
    let presets = Presets::load(None).expect("right");
    let directory = config
        .and_then(|config| Directory::build(&config, &presets, 0))
        .map_err(|faults| faults.to_string())
        .expect("right");
    let found: Vec<_> = directory
        .tenants()
        .iter()
        .flat_map(|tenant| {
            let providers = tenant.providers.iter();
            providers.map(|provider| tenant.base.redirect_uri(&provider.id))
        })
        .collect();
    assert_eq!(found, redirect_uris);
}

fn with_tokens(gives: &str, app: &str) -> Result<Directory, Faults> {
    build(&format!(
        "[[tenants]]\nid = \"acme\"\n{}{gives}\n[[tenants.apps]]\nid = \"wiki\"\nhosts = [\"wiki.example\"]\nallow = {{ signed_in = true }}\n{app}\n",
        provider("one"),
    ))
}

const TOKEN_HEADERS: &str = "identity_headers = { X-Forwarded-Access-Token = \"access_token\", Authorization = \"id_token\" }";

#[test]
fn tokens_are_given_where_both_say_so() {
    let directory = with_tokens(
        "refresh = true\ntokens_for_apps = [\"wiki\"]",
        TOKEN_HEADERS,
    );
    directory
        .map_err(|faults| faults.to_string())
        .expect("right");
    with_tokens("refresh = true", "")
        .map_err(|faults| faults.to_string())
        .expect("right");
}

#[rstest]
#[case::provider_alone(
    "refresh = true\ntokens_for_apps = [\"wiki\"]",
    "",
    "no identity header of app `wiki` takes a token"
)]
#[case::app_alone(
    "refresh = true",
    TOKEN_HEADERS,
    "x-forwarded-access-token takes a token, and no provider gives its tokens to app `wiki`"
)]
#[case::not_kept(
    "tokens_for_apps = [\"wiki\"]",
    TOKEN_HEADERS,
    "`tokens_for_apps` has no effect: tokens are not kept"
)]
#[case::misspelt(
    "refresh = true\ntokens_for_apps = [\"wiki\", \"wikki\"]",
    TOKEN_HEADERS,
    "this tenant has no app `wikki`"
)]
fn tokens_that_one_side_alone_names_are_told(
    #[case] gives: &str,
    #[case] app: &str,
    #[case] expected: &str,
) {
    let told = with_tokens(gives, app).expect_err("wrong").to_string();
    assert!(told.contains(expected), "{told}");
}

/// A36: whatever stands in place of public keys is not shown.
#[rstest]
#[case::private(
    r#"{"keys":[{"kty":"EC","crv":"P-256","x":"a","y":"b","d":"canary"}]}"#,
    "has a private key"
)]
#[case::secret(r#"{"keys":[{"kty":"oct","k":"canary"}]}"#, "has a private key")]
#[case::no_json("canary", "cannot be used")]
#[case::no_keys(r#"{"canary":[]}"#, "cannot be used")]
#[case::another_algorithm(
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"canary"}]}"#,
    "verifies ES256"
)]
fn a36_wrong_keys_of_a_machine_are_told_and_not_shown(#[case] keys: &str, #[case] expected: &str) {
    let machine = format!(
        "[[tenants.machine_clients]]\nid = \"robot\"\njwks = '{keys}'\naudiences = [\"x\"]\n"
    );
    let text = tenant("acme", "https://login.acme.example", &[]) + &machine;
    let faults = build(&text).expect_err("wrong");
    let shown = faults.render(config::Style::Plain);
    assert_eq!(faults.count(), 1, "{shown}");
    assert!(shown.contains(expected), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[rstest]
#[case::right(
    "issuers = [\"ci\", \"self\"]\nclients = [\"robot\"]\nactors = [\"self\"]",
    None
)]
#[case::misspelt("issuers = [\"cy\"]", Some("there is no trusted issuer `cy`"))]
#[case::misspelt_actor("issuers = [\"ci\"]\nactors = [\"selv\"]", Some("did you mean `self`"))]
#[case::unknown_client(
    "issuers = [\"ci\"]\nclients = [\"robots\"]",
    Some("there is no machine client `robots`")
)]
#[case::attests("issuers = [\"app\"]", Some("say nothing of who calls"))]
#[case::opaque("issuers = [\"asked\"]", Some("can be read by their issuer alone"))]
fn whom_a_rule_for_exchanging_tokens_names_is_known(
    #[case] lines: &str,
    #[case] expected: Option<&str>,
) {
    let text = exchanging("ci", lines);
    match (build(&text), expected) {
        (Ok(_), None) => {}
        (Err(faults), Some(expected)) => {
            let shown = faults.render(config::Style::Plain);
            assert_eq!(faults.count(), 1, "{shown}");
            assert!(shown.contains(expected), "{shown}");
        }
        (found, _) => panic!("{found:?}"),
    }
}

#[test]
fn an_issuer_is_not_called_what_the_tenants_own_tokens_are() {
    let faults = build(&exchanging("self", "issuers = [\"self\"]")).expect_err("wrong");
    assert!(faults.to_string().contains("another `id`"), "{faults}");
    assert_eq!(faults.count(), 1);
}

fn exchanging(id: &str, lines: &str) -> String {
    format!(
        r#"{}
[[tenants.trusted_issuers]]
id = "{id}"
issuer = "https://issuer.example"
audiences = ["x"]
[[tenants.trusted_issuers]]
id = "app"
profile = "approov"
secret = {{ env = "SEAL" }}
[[tenants.trusted_issuers]]
id = "asked"
profile = "introspection"
issuer = "https://other.example"
introspection_endpoint = "https://other.example/introspect"
audiences = ["x"]
client_id = "us"
client_secret = {{ env = "SECRET" }}
[[tenants.machine_clients]]
id = "robot"
secrets = [{{ env = "SEAL" }}]
audiences = ["x"]
[[tenants.token_exchanges]]
id = "deploy"
audiences = ["x"]
{lines}
"#,
        tenant("acme", "https://login.acme.example", &[])
    )
}
