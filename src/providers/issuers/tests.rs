use super::Profiles;
use crate::config::{self, Fault, PRESET_WORDS, PROFILE_WORDS};
use crate::providers::Presets;
use crate::tenants::Directory;
use rstest::rstest;
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn the_embedded_profiles_are_right() {
    let (profiles, faults) = Profiles::read();
    let faults: Vec<_> = faults.iter().map(Fault::to_string).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(profiles.names().count() > 20);
}

/// Their values may be shown in messages, and the page describes them.
#[test]
fn the_settings_of_the_embedded_profiles_are_known() {
    let page = include_str!("../../../docs/bearer-at-the-check.md");
    let (profiles, _) = Profiles::read();
    for (name, profile) in profiles.iter() {
        let (_, below) = page
            .split_once(&format!("### Profile `{name}`\n"))
            .unwrap_or_else(|| panic!("the profile {name} has no heading"));
        let section = below.split("\n#").next().unwrap_or_default();
        let mut described: Vec<&str> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .collect();
        let mut declared: Vec<&str> = profile.parameters.iter().map(|own| &*own.name).collect();
        for word in &declared {
            assert!(
                PRESET_WORDS.contains(word) || PROFILE_WORDS.contains(word),
                "{word}"
            );
        }
        declared.sort_unstable();
        described.sort_unstable();
        assert_eq!(described, declared, "{name}");
    }
}

/// A configuration with these trusted issuers and an app with these lines.
fn judged(issuers: &str, app: &str) -> Vec<String> {
    let text = format!(
        r#"
[storage]
sqlite = "doorward.db"
sealing_keys = [{{ env = "KEY" }}]
[[tenants]]
id = "acme"
base_url = "https://login.acme.example"
[[tenants.providers]]
id = "main"
preset = "oidc"
issuer = "https://id.example"
client_id = "c"
{issuers}
[[tenants.apps]]
id = "api"
hosts = ["api.acme.example"]
allow = {{ signed_in = true }}
{app}
"#
    );
    let environment: BTreeMap<String, String> = BTreeMap::from([
        (
            "KEY".to_owned(),
            "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=".to_owned(),
        ),
        ("SHORT".to_owned(), "short".to_owned()),
        (
            "PEM".to_owned(),
            format!("-----BEGIN PUBLIC KEY-----{}", "A".repeat(40)),
        ),
        (
            "GOOD".to_owned(),
            "a secret of thirty-two bytes or more".to_owned(),
        ),
    ]);
    let config = match config::parse(&text, Path::new("doorward.toml"), &environment) {
        Ok(config) => config,
        Err(faults) => return faults.iter().map(Fault::to_string).collect(),
    };
    let presets = Presets::load(None).expect("right");
    match Directory::build(&config, &presets, 1) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(Fault::to_string).collect(),
    }
}

const ISSUER: &str =
    "[[tenants.trusted_issuers]]\nid = \"it\"\nissuer = \"https://issuer.example\"\n";
const BEARER: &str = "accept = [\"bearer\"]";

#[rstest]
#[case::nobody(
    "",
    BEARER,
    "app `api` accepts bearer tokens, and nobody's are trusted"
)]
#[case::no_audience(ISSUER, BEARER, "it is not said for whom its tokens must be")]
#[case::no_issuer(
    "[[tenants.trusted_issuers]]\nid = \"it\"\naudiences = [\"a\"]",
    BEARER,
    "the profile `oidc` needs `issuer`"
)]
#[case::no_profile(
    "[[tenants.trusted_issuers]]\nid = \"it\"\nprofile = \"entre\"",
    BEARER,
    "there is no profile `entre`"
)]
#[case::unknown_setting(&format!("{ISSUER}audiences = [\"a\"]\nissuers = \"x\""), BEARER, "`issuers` is not a setting of a trusted issuer")]
#[case::misspelt(&format!("{ISSUER}audience = [\"a\"]"), BEARER, "`audience` is not a setting of a trusted issuer")]
#[case::no_client(
    "[[tenants.trusted_issuers]]\nid = \"it\"\nprofile = \"cognito\"\nregion = \"eu\"\nuser_pool_id = \"p\"",
    BEARER,
    "it is not said to which clients"
)]
#[case::two_places(&format!("{ISSUER}audiences = [\"a\"]\njwks_uri = \"https://issuer.example/keys\"\nkeys = '{{\"keys\": []}}'"), BEARER, "there are two places for the keys")]
#[case::no_keys(&format!("{ISSUER}audiences = [\"a\"]\nkeys = '{{\"keys\": []}}'"), BEARER, "can verify a signature")]
#[case::broken_keys(&format!("{ISSUER}audiences = [\"a\"]\nkeys = '['"), BEARER, "the keys cannot be read")]
#[case::a18_symmetric_keys(&format!("{ISSUER}audiences = [\"a\"]\nkeys = '{{\"keys\": [{{\"kty\": \"oct\", \"k\": \"AAAA\"}}]}}'"), BEARER, "can verify a signature")]
#[case::short_secret(&format!("{ISSUER}audiences = [\"a\"]\nsecret = {{ env = \"SHORT\" }}"), BEARER, "`secret` cannot be used: the secret has 5 bytes")]
#[case::a18_public_key_as_secret(&format!("{ISSUER}audiences = [\"a\"]\nsecret = {{ env = \"PEM\" }}"), BEARER, "`secret` cannot be used: the secret is the text of a key")]
#[case::secret_for_keys(&format!("{ISSUER}audiences = [\"a\"]\nalgorithm = \"RS256\"\nsecret = {{ env = \"GOOD\" }}"), BEARER, "`RS256` needs keys, not a secret")]
#[case::no_secret(&format!("{ISSUER}audiences = [\"a\"]\nalgorithm = \"HS256\""), BEARER, "the profile `oidc` with HS256 needs `secret`")]
#[case::no_base64(&format!("{ISSUER}audiences = [\"a\"]\nsecret = {{ env = \"GOOD\" }}\nsecret_encoding = \"base64\""), BEARER, "what `secret` refers to is not base64")]
#[case::algorithm_of_others(
    "[[tenants.trusted_issuers]]\nid = \"it\"\nprofile = \"okta\"\ndomain = \"acme.okta.com\"\nauthorization_server = \"default\"\naudiences = [\"a\"]\nalgorithm = \"ES256\"",
    BEARER,
    "tokens of `okta` are never signed with ES256"
)]
#[case::plain_http(&format!("{ISSUER}audiences = [\"a\"]\njwks_uri = \"http://issuer.example/keys\""), BEARER, "is plain http")]
#[case::no_provider(&format!("{ISSUER}audiences = [\"a\"]\nprovider = \"other\""), BEARER, "there is no provider `other`")]
#[case::another_provider(&format!("{ISSUER}audiences = [\"a\"]\nprovider = \"main\""), BEARER, "the provider `main` knows its people by `https://id.example`")]
#[case::nobody_is_asked(&format!("{ISSUER}audiences = [\"a\"]\nclient_id = \"c\""), BEARER, "nobody is asked about tokens of `oidc`")]
#[case::no_credentials(
    "[[tenants.trusted_issuers]]\nid = \"it\"\nprofile = \"introspection\"\nissuer = \"https://i.example\"\nintrospection_endpoint = \"https://i.example/i\"\naudiences = [\"a\"]",
    BEARER,
    "the profile `introspection` needs `client_id` and `client_secret`"
)]
#[case::fixed_audience(
    "[[tenants.trusted_issuers]]\nid = \"it\"\nprofile = \"firebase\"\nproject = \"p\"\nsign_in_providers = [\"password\"]\naudiences = [\"a\"]",
    BEARER,
    "`audiences` means nothing with the profile `firebase`"
)]
#[case::issuer_of_nobody(&format!("{ISSUER}audiences = [\"a\"]"), "accept = [\"bearer\"]\nissuers = [\"other\"]", "there is no trusted issuer `other`")]
#[case::audience_of_nobody(&format!("{ISSUER}audiences = [\"a\"]"), "accept = [\"bearer\"]\naudiences = [\"b\"]", "no issuer of this app issues tokens for `b`")]
#[case::unused(&format!("{ISSUER}audiences = [\"a\"]"), "issuers = [\"it\"]", "`issuers` means nothing where no bearer tokens are accepted")]
#[case::attests_nothing(&format!("{ISSUER}audiences = [\"a\"]"), "[tenants.apps.attestation]\nissuer = \"it\"", "`it` attests nothing")]
#[case::says_nobody(
    "[[tenants.trusted_issuers]]\nid = \"it\"\nprofile = \"approov\"\nsecret = { env = \"GOOD\" }\nsecret_encoding = \"text\"",
    "accept = [\"bearer\"]\nissuers = [\"it\"]",
    "tokens of `it` say nothing of who calls"
)]
#[case::two_names(&format!("{ISSUER}audiences = [\"a\"]"), "accept = [\"bearer\", \"session\"]\nidentity_headers = { X-Who = \"subject\" }", "admits more than one issuer")]
#[case::twice(&format!("{ISSUER}audiences = [\"a\"]\n{ISSUER}audiences = [\"a\"]"), BEARER, "there is a trusted issuer `it` already")]
fn what_would_admit_anybody_or_nobody_is_a_fault(
    #[case] issuers: &str,
    #[case] app: &str,
    #[case] expected: &str,
) {
    let faults = judged(issuers, app);
    assert!(
        faults.iter().any(|fault| fault.contains(expected)),
        "{faults:#?}"
    );
    assert!(faults.iter().all(|fault| !fault.contains("thirty-two")));
}

#[rstest]
#[case::plain(&format!("{ISSUER}audiences = [\"a\"]"), BEARER)]
#[case::secret(&format!("{ISSUER}audiences = [\"a\"]\nsecret = {{ env = \"GOOD\" }}"), BEARER)]
#[case::one_name(&format!("{ISSUER}audiences = [\"a\"]"), "accept = [\"bearer\"]\nidentity_headers = { X-Who = \"subject\" }")]
#[case::not_accepted(&format!("{ISSUER}audiences = [\"a\"]"), "")]
#[case::same_people(
    "[[tenants.trusted_issuers]]\nid = \"it\"\nissuer = \"https://id.example\"\naudiences = [\"a\"]\nprovider = \"main\"",
    BEARER
)]
fn what_is_right_is_no_fault(#[case] issuers: &str, #[case] app: &str) {
    let faults = judged(issuers, app);
    assert!(faults.is_empty(), "{faults:#?}");
}
