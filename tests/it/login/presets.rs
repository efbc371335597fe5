//! Every preset against its provider's own shapes: a role for each in `tests/fixtures/providers/`, played by the
//! test provider. All values are made up.
//!
//! Addresses stand in presets and roles as they really are. Both are rewritten to the test provider's, each host
//! as a folder there, so that two hosts of one provider stay two. Addresses that nobody asks, of pictures, are
//! written with `\/` and stay as they are.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::refresh::{TEN_MINUTES, settled, used_after};
use crate::support::broker::CONFIGURATION;
use crate::support::provider::{CLIENT_ID, Endpoint, Fault, IdTokenFault, JwksFault};
use crate::support::tampering::Database;

/// Presets that have tests of their own, with a provider that does more than play a role.
const ELSEWHERE: [&str; 3] = ["apple", "oauth2", "oidc"];

fn folder_of_roles() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/providers")
}

/// `text` with every https address below `base`: the host that is `here` is `base` itself.
fn rewritten(text: &str, here: &str, base: &str) -> String {
    let text = if here.is_empty() {
        text.to_owned()
    } else {
        text.replace(here, base)
    };
    text.replace("https://", &format!("{base}/"))
}

/// The role as it stands in its file.
fn as_it_stands(name: &str) -> (String, Value) {
    let file = folder_of_roles().join(format!("{name}.json"));
    let text = fs::read_to_string(file).expect("a role");
    let role = serde_json::from_str(&text).expect("JSON");
    (text, role)
}

/// A broker with this role's preset as `acme`'s second provider, which plays the role.
pub(super) async fn start(
    name: &str,
    change: impl Fn(&mut Value),
) -> (Broker, TestProvider, Value) {
    let (text, written) = as_it_stands(name);
    let preset = written["preset"].as_str().expect("a preset");
    let here = written["here"].as_str().unwrap_or_default();
    let base = |provider: &TestProvider| provider.base().to_owned();
    let role = |provider: &TestProvider| -> Value {
        let text = rewritten(&text, here, &base(provider)).replace("{client_id}", CLIENT_ID);
        serde_json::from_str(&text).expect("JSON")
    };
    let settings = |provider: &TestProvider| {
        let mut role = role(provider);
        change(&mut role);
        let lines = role["settings"].as_array().expect("a list");
        let lines = lines.iter().map(|line| line.as_str().expect("a line"));
        format!(
            "preset = \"{preset}\"\n{}",
            lines.collect::<Vec<_>>().join("\n")
        )
    };
    let headers = "hide_cookies = true\nidentity_headers = { X-Auth-Request-User = \"user\", \
        X-Auth-Request-Email = \"email\", X-Auth-Request-Preferred-Username = \"preferred_username\", \
        X-Auth-Request-Groups = \"groups\", X-Name = \"name\", X-Roles = \"roles\", X-Picture = \"picture\", \
        X-Locale = \"locale\" }";
    let setup = Setup {
        configuration: CONFIGURATION.replacen("hide_cookies = true", headers, 1),
        ..Setup::default()
    };
    let rewrite = |text: &str, provider: &TestProvider| rewritten(text, here, &base(provider));
    let (broker, provider) = with_rewritten_preset(Some(preset), rewrite, settings, setup).await;
    let mut role = role(&provider);
    change(&mut role);
    provider.play(role.clone());
    (broker, provider, role)
}

pub(super) fn as_written(_: &mut Value) {}

fn path_of(address: &Value) -> String {
    let address = Url::parse(address.as_str().expect("an address")).expect("an address");
    address.path().to_owned()
}

/// Who has signed in, with the keys by which they are known.
async fn people(broker: &Broker) -> Vec<(String, String)> {
    let mut database = Database::of(broker).await;
    let people = database.people().await;
    database.close().await;
    people
}

/// Signs in, through a page of the operator's where the role has one. Gives the check's answer.
pub(super) async fn signs_in(broker: &Broker, browser: &mut Browser, role: &Value) -> Page {
    if role["authorization"]["page"] != true {
        return signs_in_at_second(broker, browser).await;
    }
    let page = through_the_page(broker, browser).await;
    assert_eq!(page.url.path(), "/sessions", "{}", page.text());
    assert_signs_in(broker, browser).await
}

/// What the form of the operator's page leads to.
pub(super) async fn through_the_page(broker: &Broker, browser: &mut Browser) -> Page {
    let login = broker.url("acme.localhost", "/login/second");
    let page = browser.visit(&login).await;
    browser
        .submit(&page.form("/login/second/callback"), &[])
        .await
}

/// A person signs in with the right key, name, address and groups, and out in the provider's own way.
async fn signs_in_and_out(name: &str) {
    let (broker, provider, role) = start(name, as_written).await;
    let mut browser = broker.browser();
    let check = signs_in(&broker, &mut browser, &role).await;
    let person = &role["person"];
    for (header, member) in [
        ("x-auth-request-email", "email"),
        ("x-auth-request-groups", "groups"),
        ("x-auth-request-preferred-username", "username"),
        ("x-name", "name"),
    ] {
        let expected = person[member].as_str().expect("a text");
        assert_eq!(check.header(header), expected, "{member}");
    }
    // Few providers tell these.
    for (header, member) in [
        ("x-roles", "roles"),
        ("x-picture", "picture"),
        ("x-locale", "locale"),
    ] {
        let expected = person[member].as_str().unwrap_or_default();
        assert_eq!(check.header(header), expected, "{member}");
    }
    let key = |member: &str| person[member].as_str().expect("a key").to_owned();
    assert_eq!(
        people(&broker).await,
        [(key("issuer_key"), key("subject_key"))]
    );
    if role["authorization"]["page"] == true {
        assert_eq!(provider.count(Endpoint::Token), 0, "nothing is exchanged");
    } else {
        let exchange = provider.last(Endpoint::Token).expect("an exchange");
        let challenged = role["authorization"]["pkce"] == true;
        assert_eq!(exchange.form("code_verifier").is_some(), challenged);
    }
    signs_out(&broker, &mut browser).await;
    let expected = usize::from(!role["logout"].is_null());
    assert_eq!(provider.count(Endpoint::EndSession), expected);
    settled(&broker).await;
    assert_eq!(provider.count(Endpoint::Revoke), 0, "nothing was kept");
    assert_eq!(provider.count(Endpoint::Elsewhere), 0);
}

/// The operator wants people to be looked at again, and tokens to be revoked where that takes a word of theirs.
pub(super) fn with_refresh(role: &mut Value) {
    let settings = role["settings"].as_array_mut().expect("a list");
    settings.extend(["refresh = true", "recheck_after = \"10m\""].map(Value::from));
    if role["revocation"]["wanted"] == true {
        let settings = role["settings"].as_array_mut().expect("a list");
        settings.push("revoke_tokens = true".into());
    }
    if let Some(request) = role["refresh"]["request"].as_object().cloned() {
        let asked = role["authorization"]["request"].as_object_mut();
        asked.expect("parameters").extend(request);
        role["refresh"]["asked"] = true.into();
    }
}

/// How often `old` stood in `document`, where `new` stands now.
fn replaced(document: &mut Value, old: &str, new: &str) -> usize {
    match document {
        Value::String(text) if text == old => {
            new.clone_into(text);
            1
        }
        Value::Array(list) => list.iter_mut().map(|it| replaced(it, old, new)).sum(),
        Value::Object(members) => members.values_mut().map(|it| replaced(it, old, new)).sum(),
        _ => 0,
    }
}

/// How often the provider tells `old` of its person, where it tells `new` now.
fn told(role: &mut Value, old: &str, new: &str) -> usize {
    let answers = ["/token/id_token", "/token/answer", "/calls"];
    let times = answers.map(|at| role.pointer_mut(at).map(|it| replaced(it, old, new)));
    times.into_iter().flatten().sum()
}

/// The role when its person has another name, and one group is another, which the operator does not ask for; with that
/// name and those groups.
fn changed(role: &Value) -> (Value, String, String) {
    let mut now = role.clone();
    let person = |member: &str| role["person"][member].as_str().expect("a text");
    let mut name = person("name");
    if !name.is_empty() {
        assert!(told(&mut now, name, "Ada Lovelace") > 0, "{name}");
        name = "Ada Lovelace";
    }
    let mut groups: Vec<String> = person("groups").split(',').map(str::to_owned).collect();
    if groups != [""] {
        let found = groups.iter_mut().rev().any(|group| {
            let other = format!("{}7", &group[..group.len() - 1]);
            let found = told(&mut now, group, &other) > 0;
            if found {
                *group = other;
            }
            found
        });
        assert!(found, "{groups:?}");
    }
    (now, name.to_owned(), groups.join(","))
}

/// The refresh tokens that were used, in order.
fn used(provider: &TestProvider) -> Vec<String> {
    let requests = provider.requests();
    let tokens = requests
        .iter()
        .filter(|it| it.form("grant_type") == Some("refresh_token"))
        .filter_map(|it| it.form("refresh_token"));
    tokens.map(str::to_owned).collect()
}

/// Somebody in use is looked at in the provider's own way, and is out when the provider says so.
async fn refreshes(name: &'static str) {
    if as_it_stands(name).1["refresh"] == false {
        let started = tokio::spawn(start(name, with_refresh)).await;
        let faults = started.err().expect("faults").into_panic();
        let faults = faults.downcast::<String>().expect("a text");
        assert!(faults.contains("it gives no refresh tokens"), "{faults}");
        return;
    }
    let (broker, provider, role) = start(name, with_refresh).await;
    let mut browser = broker.browser();
    let check = signs_in(&broker, &mut browser, &role).await;
    let user = check.header("x-auth-request-user").to_owned();
    let (now, name, groups) = changed(&role);
    provider.play(now);
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    assert_eq!(check.header("x-auth-request-user"), user);
    if role["refresh"].is_null() {
        assert_eq!(used(&provider), Vec::<String>::new(), "none came");
        return;
    }
    assert_eq!(used(&provider).len(), 1);
    assert_eq!(check.header("x-name"), name);
    assert_eq!(check.header("x-auth-request-groups"), groups);
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    let tokens = used(&provider);
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0] != tokens[1], role["refresh"]["rotates"] == true);
    provider.set(Fault::RoleRefuses(path_of(&role["token"]["at"])));
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::UNAUTHORIZED);
    assert_eq!(used(&provider).len(), 3, "it was asked");
    let lines = audit::here();
    let ended = lines.iter().find(|line| line.event() == "session_ended");
    let reason = ended.expect("a line").field("reason").clone();
    let expected = role["refresh"]["refusal"]["reason"].as_str();
    let expected = expected.expect("a reason");
    assert!(
        reason.contains(expected),
        "\"{reason}\" instead of \"{expected}\""
    );
    assert_eq!(provider.count(Endpoint::Elsewhere), 0);
}

/// At the sign-out the provider is told, in its own way, where there is one.
async fn revokes(name: &str) {
    let change = match as_it_stands(name).1["refresh"] {
        Value::Bool(false) => as_written,
        _ => with_refresh,
    };
    let (broker, provider, role) = start(name, change).await;
    let mut browser = broker.browser();
    signs_in(&broker, &mut browser, &role).await;
    let given = provider.live_refresh_tokens();
    assert_eq!(given, usize::from(role["refresh"].is_object()));
    signs_out(&broker, &mut browser).await;
    settled(&broker).await;
    let revocation = &role["revocation"];
    let told = usize::from(revocation.is_object());
    assert_eq!(provider.count(Endpoint::Revoke), told);
    let lines = audit::here();
    let count = |event: &str| lines.iter().filter(|line| line.event() == event).count();
    assert_eq!(
        (count("tokens_revoked"), count("tokens_not_revoked")),
        (told, 0)
    );
    if revocation["token"] == "refresh_token" {
        assert_eq!(provider.live_refresh_tokens(), 0);
    }
    assert_eq!(provider.count(Endpoint::Elsewhere), 0);
}

/// The provider's own words for "no", at the token endpoint and at each call, sign nobody in.
async fn refuses(name: &str) {
    let (broker, provider, role) = start(name, as_written).await;
    if role["authorization"]["page"] == true {
        let page = &role["authorization"];
        provider.set(Fault::RoleRefuses(path_of(&page["at"])));
        let mut browser = broker.browser();
        let answer = through_the_page(&broker, &mut browser).await;
        let reason = page["refusal"]["reason"].as_str().expect("a reason");
        let title = (400, "Second ID did not sign you in");
        assert_refused(&broker, &browser, &answer, title, reason).await;
        provider.behave();
        signs_in(&broker, &mut broker.browser(), &role).await;
        return;
    }
    let calls = role["calls"].as_array().expect("a list");
    let asked = calls
        .iter()
        .filter(|call| call["refusal"]["unused"] != true);
    for part in std::iter::once(&role["token"]).chain(asked) {
        provider.behave();
        provider.set(Fault::RoleRefuses(path_of(&part["at"])));
        let refusal = &part["refusal"];
        let answer = if refusal["stranger"] == true {
            (403, ACCOUNT)
        } else {
            (400, SECOND_NOT_TRUSTED)
        };
        let reason = refusal["reason"].as_str().expect("a reason");
        refused_at_second(&broker, answer, reason).await;
    }
    provider.behave();
    signs_in_at_second(&broker, &mut broker.browser()).await;
}

macro_rules! table {
    ($($name:ident),* $(,)?) => {
        const ROLES: &[&str] = &[$(stringify!($name)),*];

        $(mod $name {
            #[tokio::test]
            async fn a_person_signs_in_and_out() {
                super::signs_in_and_out(stringify!($name)).await;
            }

            #[tokio::test]
            async fn a_refusal_is_understood() {
                super::refuses(stringify!($name)).await;
            }

            #[tokio::test]
            async fn a_refresh_is_in_its_own_shape() {
                super::refreshes(stringify!($name)).await;
            }

            #[tokio::test]
            async fn a_sign_out_revokes_where_it_can() {
                super::revokes(stringify!($name)).await;
            }
        })*
    };
}

table!(
    entra,
    entra_groups,
    entra_us_government,
    entra_us_dod,
    entra_china,
    azure_b2c,
    azure_b2c_policy_issuer,
    entra_external_id,
    entra_external_id_by_name,
    entra_external_id_by_microsoftonline,
    google,
    google_groups,
    auth0,
    auth0_organization_id,
    auth0_organization_name,
    auth0_federated,
    cognito,
    cognito_identity_provider,
    cognito_sent_to,
    github,
    github_teams,
    firebase,
    firebase_tenant,
    okta,
    okta_custom_server,
    keycloak,
    gitlab,
    linkedin,
    discord,
    discord_guild,
    slack,
    slack_any_team,
    twitch,
    facebook,
    facebook_business,
    bitbucket,
    bitbucket_workspaces,
    x,
    spotify,
    zoom,
    salesforce,
    notion,
    kakao,
    naver,
    line,
    yandex,
    seznam,
    fitbit,
    soundcloud,
    tidal,
);

#[test]
fn every_preset_has_a_role_and_every_role_is_played() {
    let stems = |folder: PathBuf, extension: &str| -> BTreeSet<String> {
        let files = fs::read_dir(folder).expect("a folder");
        let paths = files.map(|file| file.expect("a file").path());
        let right = paths.filter(|path| path.extension().is_some_and(|it| it == extension));
        let stems = right.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
        stems.collect()
    };
    let roles = stems(folder_of_roles(), "json");
    assert_eq!(roles, ROLES.iter().map(ToString::to_string).collect());
    let presets = stems(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("providers"),
        "toml",
    );
    let played = roles.into_iter().chain(ELSEWHERE.map(String::from));
    let played: BTreeSet<String> = played.collect();
    let without: Vec<_> = presets.difference(&played).collect();
    assert!(without.is_empty(), "{without:?}");
}

/// A preset with refresh tokens or a revocation has roles that play them, and no other has.
#[test]
fn every_role_refreshes_and_revokes_as_its_preset_does() {
    let read = |path: PathBuf| fs::read_to_string(path).expect("a file");
    for name in ROLES {
        let (_, role) = as_it_stands(name);
        let preset = role["preset"].as_str().expect("a preset");
        let preset = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("providers/{preset}.toml"));
        let preset = read(preset);
        for part in ["refresh", "revocation"] {
            let (table, word) = (format!("[{part}]"), format!("{part} = "));
            let says = |line: &str| line.starts_with(&table) || line.starts_with(&word);
            let expected = preset.lines().any(says);
            assert_eq!(role[part].is_object(), expected, "`{part}` of {name}");
        }
    }
}

/// An address counts by the preset's own rule, and a sign-in without one works.
#[rstest]
#[case::okta("okta", "/calls/0/answer/email_verified", json!(false))]
#[case::okta_in_text("okta", "/calls/0/answer/email_verified", json!("true"))]
#[case::keycloak("keycloak", "/token/id_token/email_verified", json!(false))]
#[case::gitlab_in_text("gitlab", "/token/id_token/email_verified", json!("true"))]
#[case::linkedin("linkedin", "/calls/0/answer/email_verified", json!(null))]
#[case::discord("discord", "/calls/0/answer/verified", json!(false))]
#[case::slack("slack", "/token/id_token/email_verified", json!(false))]
#[case::twitch("twitch", "/token/id_token/email_verified", json!(null))]
#[case::bitbucket_not_confirmed("bitbucket", "/calls/2/answer/values/0/is_confirmed", json!(false))]
#[case::bitbucket_not_primary("bitbucket", "/calls/2/answer/values/0/is_primary", json!(false))]
#[case::x_not_confirmed("x", "/calls/0/answer/data/confirmed_email", json!(null))]
#[case::zoom("zoom", "/calls/0/answer/verified", json!(0))]
#[case::zoom_in_words("zoom", "/calls/0/answer/verified", json!("true"))]
#[case::salesforce("salesforce", "/calls/0/answer/email_verified", json!(null))]
#[case::kakao_not_valid("kakao", "/calls/0/answer/kakao_account/is_email_valid", json!(false))]
#[case::kakao_not_verified("kakao", "/calls/0/answer/kakao_account/is_email_verified", json!(null))]
#[tokio::test]
async fn t12_an_address_that_nobody_vouches_for_is_none(
    #[case] name: &str,
    #[case] pointer: &str,
    #[case] value: Value,
) {
    let change = |role: &mut Value| {
        // What stands in both documents is the same in both.
        let member = pointer.rsplit('/').next().expect("a member");
        for document in ["/token/id_token", "/calls/0/answer"] {
            if let Some(document) = role.pointer_mut(document)
                && document.get(member).is_some()
            {
                document[member] = value.clone();
            }
        }
        *role.pointer_mut(pointer).expect("a member") = value.clone();
    };
    let (broker, _provider, _role) = start(name, change).await;
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-email"), "");
}

/// Whom the operator did not name is not let in.
#[rstest]
#[case::slack("slack", "/token/id_token/https:~1~1slack.com~1team_id", json!("T0EVIL"), "`T0EVIL`")]
#[case::slack_without("slack", "/token/id_token/https:~1~1slack.com~1team_id", json!(null), "absent")]
#[case::zoom("zoom", "/calls/0/answer/account_id", json!("EVIL"), "`EVIL`")]
#[case::salesforce("salesforce", "/calls/0/answer/organization_id", json!("00DEVIL"), "`00DEVIL`")]
#[case::notion("notion", "/token/answer/workspace_id", json!("bbbbbbbb-0000-4000-8000-000000000001"), "`bbbbbbbb")]
#[case::notion_without("notion", "/token/answer/workspace_id", json!(null), "absent")]
#[tokio::test]
async fn an_account_of_another_organization_is_not_let_in(
    #[case] name: &str,
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] found: &str,
) {
    let change = |role: &mut Value| {
        // The name of a claim can be an address, which was rewritten.
        let issuer = role["metadata"]["answer"]["issuer"]
            .as_str()
            .unwrap_or_default();
        let own = issuer.replace('~', "~0").replace('/', "~1");
        let pointer = pointer.replace("https:~1~1slack.com", &own);
        *role.pointer_mut(&pointer).expect("a member") = value.clone();
    };
    let (broker, _provider, _role) = start(name, change).await;
    refused_at_second(&broker, (403, ACCOUNT), found).await;
}

/// Two facts that only together are one person.
#[rstest]
#[case::other_workspace("slack_any_team", "team_id", "T0OTHER:U0R7JM")]
#[case::other_user("slack_any_team", "user_id", "T0R7GR:U0OTHER")]
#[tokio::test]
async fn a29_the_same_user_of_another_workspace_is_another_person(
    #[case] name: &str,
    #[case] claim: &str,
    #[case] key: &str,
) {
    let (broker, provider, mut role) = start(name, as_written).await;
    let user = |check: &Page| check.header("x-auth-request-user").to_owned();
    let first = user(&signs_in_at_second(&broker, &mut broker.browser()).await);
    let issuer = role["metadata"]["answer"]["issuer"]
        .as_str()
        .expect("one")
        .to_owned();
    let other = key
        .split(':')
        .find(|part| part.contains("OTHER"))
        .expect("another");
    role["token"]["id_token"][format!("{issuer}/{claim}")] = other.into();
    provider.play(role);
    let second = user(&signs_in_at_second(&broker, &mut broker.browser()).await);
    assert_ne!(first, second);
    let keys: Vec<String> = people(&broker).await.into_iter().map(|it| it.1).collect();
    assert!(keys.iter().any(|it| it == key), "{keys:?}");
}

/// Numbers that no float holds (Kakao sends numbers, Discord text): the last digit tells people apart.
#[rstest]
#[case::kakao("kakao", json!(4_123_456_789_012_345_679_u64), "4123456789012345679")]
#[case::kakao_in_text("kakao", json!("4123456789012345678"), "4123456789012345678")]
#[case::discord("discord", json!("1152921504606846976"), "1152921504606846976")]
#[tokio::test]
async fn a_long_number_is_kept_to_its_last_digit(
    #[case] name: &str,
    #[case] id: Value,
    #[case] key: &str,
) {
    let (broker, _provider, _role) = start(name, |role| {
        role["calls"][0]["answer"]["id"] = id.clone();
    })
    .await;
    signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(people(&broker).await[0].1, key);
}

/// Keycloak signs other tokens with the same key, for the same client.
#[rstest]
#[case::access("Bearer")]
#[case::logout("Logout")]
#[tokio::test]
async fn keycloaks_other_tokens_are_no_id_tokens(#[case] kind: &str) {
    let (broker, _provider, _role) = start("keycloak", |role| {
        role["token"]["id_token"]["typ"] = kind.into();
    })
    .await;
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "`/typ`").await;
}

/// Keycloak lists a key for encryption first, and says `no-cache` of its keys.
#[tokio::test]
async fn keycloaks_key_set_is_usable() {
    let (broker, provider, _role) = start("keycloak", as_written).await;
    provider.set(JwksFault::EncryptionKeysFirst);
    provider.set(JwksFault::CacheControl("no-cache"));
    for _ in 0..2 {
        signs_in_at_second(&broker, &mut broker.browser()).await;
    }
    assert_eq!(provider.count(Endpoint::Jwks), 1);
}

/// A realm whose hostname setting is wrong writes another scheme or host into its tokens.
#[tokio::test]
async fn keycloaks_issuer_is_the_configured_one_to_the_letter() {
    let (broker, _provider, _role) = start("keycloak", |role| {
        let issuer = role["metadata"]["answer"]["issuer"].as_str().expect("one");
        role["token"]["id_token"]["iss"] = issuer.replacen("http:", "https:", 1).into();
    })
    .await;
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "Invalid issuer").await;
}

/// What a provider's userinfo says of its groups counts, not what its ID token says.
#[tokio::test]
async fn gitlabs_groups_are_those_of_userinfo() {
    let (broker, provider, _role) = start("gitlab", |role| {
        role["token"]["id_token"]["groups"] = json!(["forged"]);
        role["calls"][0]["answer"]["groups"] = json!([]);
    })
    .await;
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-groups"), "");
    assert_eq!(provider.count(Endpoint::Call), 1);
}

/// An algorithm that the provider does not use is refused, whoever's text is the key.
#[rstest]
#[case::okta("okta")]
#[case::slack("slack")]
#[case::twitch("twitch")]
#[tokio::test]
async fn an_id_token_signed_with_a_text_is_refused(#[case] name: &str) {
    use crate::support::provider::KeyText;
    let (broker, provider, _role) = start(name, as_written).await;
    for text in [KeyText::ClientSecret, KeyText::Pem, KeyText::Jwk] {
        provider.behave();
        provider.set(IdTokenFault::HmacKeyedWith(text));
        refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "").await;
    }
}

/// A page of a list that leads elsewhere, or nowhere that one can read, is not followed, and what stands there is
/// missing.
#[rstest]
#[case::elsewhere(json!("https://evil.example/emails?page=2"))]
#[case::no_address(json!({"page": 2}))]
#[case::a_number(json!(2))]
#[tokio::test]
async fn t13_bitbuckets_next_page_is_its_own(#[case] next: Value) {
    let (broker, _provider, _role) = start("bitbucket", |role| {
        role["calls"][1]["answer"]["next"] = next.clone();
    })
    .await;
    refused_at_second(&broker, (403, GROUPS), "is not whole").await;
}

/// Who wants to choose another account is asked in the provider's own way.
#[tokio::test]
async fn another_account_can_be_chosen() {
    let (broker, provider, _role) = start("twitch", |role| {
        role["authorization"]["request"]["force_verify"] = "true".into();
    })
    .await;
    let login = broker.url("acme.localhost", "/login/second?another=1");
    let page = broker.browser().visit(&login).await;
    assert_eq!(page.url.path(), "/sessions", "{}", page.text());
    assert_eq!(provider.count(Endpoint::Authorize), 1);
}
