use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use rstest::rstest;

use super::*;
use crate::domain::email::EmailAddress;
use crate::domain::policy::{Refusal, Ruling, Target};

/// A secret that must never be seen again.
const CANARY: &str = "hunter2-canary";

fn environment() -> BTreeMap<String, String> {
    [
        ("SEAL", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        (
            "SEAL_URL_SAFE",
            "_-7d3Lu6qZiHdmVUQzIhEAABAgMEBQYHCAkKCwwNDg8",
        ),
        ("SHORT", "AAECAwQ="),
        ("ZEROES", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("SECRET", CANARY),
        ("EMPTY", ""),
        ("TWO_LINES", "hunter2-canary\nx"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// What the reader accepts, the schema must accept.
fn read_text(text: &str) -> Result<Config, Faults> {
    let read = parse(text, Path::new("doorward.toml"), &environment());
    if read.is_ok() {
        assert_eq!(schema_faults(text), Vec::<String>::new(), "{text}");
    }
    read
}

/// What the JSON Schema finds wrong.
fn schema_faults(text: &str) -> Vec<String> {
    static VALIDATOR: LazyLock<jsonschema::Validator> =
        LazyLock::new(|| jsonschema::validator_for(&schema(&[])).expect("a schema"));
    let file: toml::Table = text.parse().expect("TOML");
    let file = serde_json::to_value(file).expect("JSON");
    let faults = VALIDATOR.iter_errors(&file);
    faults.map(|fault| fault.to_string()).collect()
}

fn faults(text: &str) -> String {
    read_text(text).map_or_else(|faults| faults.to_string(), |_| "no faults".into())
}

/// One line for each fault: `line:column message = help`.
fn summary(text: &str) -> Vec<String> {
    let Err(faults) = read_text(text) else {
        return Vec::new();
    };
    faults
        .iter()
        .map(|fault| {
            let mut line = fault.position().map_or_else(String::new, |position| {
                format!("{}:{} ", position.line(), position.column())
            });
            line += fault.message();
            if let Some(help) = fault.help() {
                let _ = write!(line, " = {help}");
            }
            line
        })
        .collect()
}

const STORAGE: &str = r#"[storage]
sqlite = "doorward.db"
sealing_keys = [{ env = "SEAL" }]
"#;

const PROVIDER: &str = r#"[[tenants.providers]]
id = "keycloak"
preset = "oidc"
client_id = "doorward"
issuer = "https://sso.acme.example"
"#;

/// A whole file around one table each. Line numbers: storage 1–3, then what is given.
fn with(server: &str, tenant: &str, provider: &str, app: &str) -> String {
    format!(
        "{STORAGE}{server}\n[[tenants]]\nid = \"acme\"\n{tenant}\n{PROVIDER}{provider}\n[[tenants.apps]]\nid = \"wiki\"\n{app}\n"
    )
}

const BASE: &str = r#"base_url = "https://login.acme.example""#;
const APP: &str = "hosts = [\"wiki.acme.example\"]\nallow = { signed_in = true }";

fn one_fault(text: &str) -> String {
    let mut all = summary(text);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

#[test]
fn a_whole_file_is_read() {
    let config = read_text(&with("", BASE, "", APP)).expect("right");
    assert!(config.warnings.is_empty());
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:4180");
    let tenant = &config.tenants[0];
    assert_eq!(&*tenant.name, "acme");
    assert_eq!(
        tenant.base.address("/login"),
        "https://login.acme.example/login"
    );
    assert_eq!(tenant.lifetimes, config.sessions);
    let app = &tenant.apps[0].app;
    assert_eq!(app.allowed_status, 202);
    let headers: Vec<_> = app
        .identity_headers
        .iter()
        .map(|h| h.name.as_str())
        .collect();
    assert_eq!(
        headers,
        [
            "x-auth-request-user",
            "x-auth-request-email",
            "x-auth-request-preferred-username",
            "x-auth-request-groups"
        ]
    );
    assert!(matches!(
        app.policy.ruling(Target::default()),
        Ruling::SignedIn { .. }
    ));
}

#[test]
fn a_fault_shows_the_line_and_what_would_be_right() {
    let text = with(
        "",
        BASE,
        "scope = [\"openid\"]\nid_token_algorithm = \"HS256\"",
        "hosts = [\"wiki acme\"]\nalow = { signed_in = true }",
    );
    insta::assert_snapshot!(faults(&text), @r##"
error: `scope` is not a setting of a provider
  --> doorward.toml:13:1
   |
13 | scope = …
   | ^^^^^
   = help: did you mean `scopes`?

error: `HS256` proves nothing about who signed
  --> doorward.toml:14:22
   |
14 | id_token_algorithm = "HS256"
   |                      ^^^^^^^
   = help: use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA

error: nobody may open this app: it has no rules
  --> doorward.toml:15:1
   |
15 | [[tenants.apps]]
   | ^^^^^^^^^^^^^^^^
   = help: add allow = { signed_in = true } for everybody who is signed in, or [[tenants.apps.rules]]

error: `wiki acme` is not a host
  --> doorward.toml:17:10
   |
17 | hosts = ["wiki acme"]
   |          ^^^^^^^^^^^
   = help: write "wiki.example.com", "wiki.example.com:8443" or "*.example.com"

error: `alow` is not a setting of [[tenants.apps]]
  --> doorward.toml:18:1
   |
18 | alow = …
   | ^^^^
   = help: did you mean `allow`?
"##);
}

#[test]
fn all_faults_are_told_at_once() {
    let text = r##"
[server]
listen = "localhost:4180"
prefix = "oauth2"
request_timeout = 30
publc_url = "x"

[storage]
sqlite = "doorward.db"
sealing_keys = [{ env = "SHORT" }, { env = "GONE" }]

[sessions]
idle = "8d"

[[tenants]]
id = "Acme"
base_url = "http://login.acme.example"
accent = { light = "#8eabff", dark = "blue" }
[[tenants.providers]]
id = "keycloak"
preset = "oidc"
client_secret = "hunter2-canary"
[[tenants.apps]]
id = "wiki"
hosts = ["https://wiki.acme.example", "*.com"]

[[tenants]]
id = "globex"
[[tenants.providers]]
id = "a"
preset = "oidc"
client_id = "x"
[[tenants.providers]]
id = "a"
preset = "oidc"
client_id = "x"
"##;
    insta::assert_debug_snapshot!(summary(text), @r##"
[
    "3:10 `localhost:4180` is not an address to listen on = write an IP address and a port: \"127.0.0.1:4180\", \"[::1]:4180\", \"0.0.0.0:4180\"",
    "4:10 `oauth2` cannot be the prefix = it begins with `/` and does not end with it: \"/oauth2\"",
    "5:19 `request_timeout` has no unit = write it with a unit: \"30s\", \"15m\", \"8h\", \"7d\"",
    "6:1 `publc_url` is not a setting of [server] = did you mean `public_url`?",
    "10:17 a sealing key is 32 bytes in base64, and this is not = make one with: openssl rand -base64 32",
    "10:44 the environment variable `GONE` is not set = set it for this process, or give `sealing_keys` by { file = \"path\" }",
    "13:8 sessions end after 7days in any case, so that 8days of idleness never count = `idle` is at most as long as `absolute`",
    "16:6 `Acme` cannot be used for `id` = use 1 to 63 of `a-z`, `0-9` and `-`, and neither begin nor end with `-`",
    "17:12 `http://login.acme.example` is plain http = use https: plain http is for development on loopback and *.localhost only",
    "18:20 #8eabff has a contrast of 2.22:1 to the text on it (#ffffff), which is hard to read = choose a darker one: at least 4.5:1 is needed",
    "18:38 `blue` is not a colour = write it as #rrggbb: \"#2a56e0\"",
    "19:1 `client_id` is missing in [[tenants.providers]] = add the name under which Doorward is registered at the provider",
    "22:17 `client_secret` is a secret and does not belong in this file = name where it is: { env = \"NAME\" } for an environment variable, { file = \"path\" } for a file",
    "23:1 nobody may open this app: it has no rules = add allow = { signed_in = true } for everybody who is signed in, or [[tenants.apps.rules]]",
    "25:10 `https://wiki.acme.example` is an address, not a host = write the host only: \"wiki.example.com\"",
    "25:39 `*.com` is a whole top-level domain = name a domain of yours: \"*.example.com\"",
    "27:1 this tenant has no address = add base_url = \"https://login.example.com\" here, or public_url in [server] for tenants at /t/{id}",
    "34:6 there is a provider `a` already = the first one is at line 30: give this one another `id`",
]
"##);
}

#[rstest]
#[case::bare_secret("client_secret = \"hunter2-canary\"")]
#[case::bare_secret_in_lines("client_secret = \"\"\"\nhunter2-canary\n\"\"\"")]
#[case::misspelt("client_secrt = \"hunter2-canary\"\nscopes = []")]
#[case::name_instead_of_variable("client_secret = { env = \"hunter2-canary\" }")]
#[case::unknown_reference("client_secret = { value = \"hunter2-canary\" }")]
#[case::list("client_secret = [\"hunter2-canary\"]")]
#[case::table("client_secret = { env = \"SECRET\", text = \"hunter2-canary\" }")]
#[case::two_lines("client_secret = { env = \"TWO_LINES\" }")]
#[case::unterminated("client_secret = \"hunter2-canary")]
#[case::unterminated_lines("client_secret = \"\"\"\nhunter2-canary")]
#[case::unquoted("client_secret = hunter2-canary")]
#[case::same_line_as_another_fault(
    "reach = { password = \"hunter2-canary\", scopes = 1 }\nscopes = 1"
)]
#[case::proxy("proxy = \"http://me:hunter2-canary@proxy.example:3128\"")]
#[case::broken_proxy("proxy = \"http://me:hunter2-canary@\"")]
fn a_secret_is_never_echoed(#[case] provider: &str) {
    // A right reference on the side: what it refers to must not be seen either.
    for name in ["", "\nname = 5"] {
        let text = with("", BASE, &format!("{provider}{name}"), APP);
        let shown = match read_text(&text) {
            Ok(config) => format!("{config:?}"),
            Err(faults) => format!("{faults}{faults:?}{}", faults.render(Style::Colour)),
        };
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_secret_in_one_line_with_faults_is_never_echoed() {
    let text = format!(
        "{STORAGE}[[tenants]]\nid = \"acme\"\n{BASE}\nproviders = [{{ id = \"A\", preset = 1, client_secret = \"hunter2-canary\", x = \"hunter2-canary\", client_id = 5 }}]\n"
    );
    let shown = faults(&text);
    assert!(shown.contains("client_secret = …, x = …"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn what_was_read_does_not_print_its_secrets() {
    let config =
        read_text(&with("", BASE, "client_secret = { env = \"SECRET\" }", APP)).expect("right");
    let secret = config.tenants[0].providers[0]
        .client_secret
        .as_ref()
        .expect("there");
    assert_eq!(secrecy::ExposeSecret::expose_secret(&secret.value), CANARY);
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2"));
    assert!(!shown.contains("1, 2, 3, 4"), "the sealing key is printed");
}

fn server(line: &str) -> String {
    with(&format!("[server]\n{line}"), BASE, "", APP)
}

#[rstest]
#[case::name(
    "listen = \"localhost:4180\"",
    "`localhost:4180` is not an address to listen on"
)]
#[case::no_port("listen = \"127.0.0.1\"", "`127.0.0.1` is not an address to listen on")]
#[case::number("listen = 4180", "`listen` is text in quotes, but this is an integer")]
#[case::relative_prefix("prefix = \"oauth2\"", "`oauth2` cannot be the prefix")]
#[case::slash("prefix = \"/\"", "`/` cannot be the prefix")]
#[case::final_slash("prefix = \"/oauth2/\"", "`/oauth2/` cannot be the prefix")]
#[case::dots("prefix = \"/..\"", "`/..` cannot be the prefix")]
#[case::taken("prefix = \"/t\"", "`/t` is taken: `/t` means something else here")]
#[case::taken_below(
    "prefix = \"/api/authz\"",
    "`/api/authz` is taken: `/api` means something else here"
)]
#[case::path(
    "public_url = \"https://a.example/login\"",
    "`public_url` has the path /login"
)]
#[case::query(
    "public_url = \"https://a.example/?a\"",
    "`https://a.example/?a` has a query"
)]
#[case::scheme(
    "public_url = \"ftp://a.example\"",
    "`ftp://a.example` is not an https address"
)]
#[case::bare_host("public_url = \"a.example\"", "`a.example` is not an absolute address")]
#[case::mended(
    "public_url = \"https:\\\\\\\\a.example\"",
    "`https:\\\\\\\\a.example` has characters that do not belong in an address"
)]
#[case::user(
    "public_url = \"https://me@a.example\"",
    "an address with `@` in it is not accepted"
)]
#[case::empty_user(
    "public_url = \"https://@a.example\"",
    "an address with `@` in it is not accepted"
)]
#[case::user_behind_slashes(
    "public_url = \"https:////me:hunter2-canary@a.example\"",
    "an address with `@` in it is not accepted"
)]
#[case::user_without_slashes(
    "public_url = \"https:me@a.example\"",
    "an address with `@` in it is not accepted"
)]
#[case::http(
    "public_url = \"http://a.example\"",
    "`http://a.example` is plain http"
)]
#[case::http_in_development(
    "development = true\npublic_url = \"http://a.example\"",
    "`http://a.example` is plain http"
)]
#[case::loopback_without_development(
    "public_url = \"http://acme.localhost:4180\"",
    "`http://acme.localhost:4180` is plain http"
)]
#[case::look_alike(
    "development = true\npublic_url = \"http://evil-localhost\"",
    "`http://evil-localhost` is plain http"
)]
#[case::flag(
    "development = \"yes\"",
    "`development` is `true` or `false`, but this is a string"
)]
#[case::too_short(
    "request_timeout = \"10ms\"",
    "`request_timeout` is 10ms, which is too short"
)]
#[case::too_long(
    "shutdown_timeout = \"2h\"",
    "`shutdown_timeout` is 2h, which is too long"
)]
#[case::no_duration("request_timeout = \"soon\"", "`soon` is not a duration")]
#[case::negative("request_timeout = \"-5s\"", "`-5s` is not a duration")]
#[case::everybody(
    "trusted_proxies = [{ networks = [\"0.0.0.0/0\"] }]",
    "`0.0.0.0/0` is every address there is"
)]
#[case::everybody_in_ipv6(
    "trusted_proxies = [{ networks = [\"::/0\"] }]",
    "`::/0` is every address there is"
)]
#[case::one_address(
    "trusted_proxies = [{ networks = [\"10.0.0.1\"] }]",
    "`10.0.0.1` is one address, not a network"
)]
#[case::host_bits(
    "trusted_proxies = [{ networks = [\"10.1.2.3/8\"] }]",
    "`10.1.2.3/8` has bits set behind its prefix"
)]
#[case::no_network(
    "trusted_proxies = [{ networks = [\"nginx\"] }]",
    "`nginx` is not a network"
)]
#[case::trusted_twice(
    "trusted_proxies = [{ networks = [\"10.0.0.0/8\"] }, { networks = [\"10.0.0.0/8\"], target_headers = \"x-original\" }]",
    "`10.0.0.0/8` is trusted already"
)]
#[case::nobody("trusted_proxies = [{ networks = [] }]", "`networks` is an empty list")]
#[case::nothing(
    "trusted_proxies = [{}]",
    "`networks` is missing in [[server.trusted_proxies]]"
)]
#[case::family(
    "trusted_proxies = [{ networks = [\"10.0.0.0/8\"], target_headers = \"x-forward\" }]",
    "`x-forward` is not a value of `target_headers`"
)]
#[case::single_brackets(
    "trusted_proxies = { networks = [\"10.0.0.0/8\"] }",
    "`trusted_proxies` is a list of tables"
)]
#[case::folder(
    "providers_folder = \"no-such-folder\"",
    "`no-such-folder` is not a folder that can be read"
)]
fn a_wrong_server_is_told(#[case] line: &str, #[case] expected: &str) {
    let found = one_fault(&server(line));
    assert!(
        found
            .split_once(' ')
            .expect("a place")
            .1
            .starts_with(expected),
        "{found}"
    );
}

#[rstest]
#[case("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces")]
#[case("http://localhost:4318/", "http://localhost:4318/v1/traces")]
#[case("https://otlp.example/otlp", "https://otlp.example/otlp/v1/traces")]
#[case("https://otlp.example/v1/traces", "https://otlp.example/v1/traces")]
fn a_collector_has_one_address(#[case] written: &str, #[case] meant: &str) {
    let text = format!("[tracing]\nendpoint = \"{written}\"");
    let config = read_text(&with(&text, BASE, "", APP)).expect("right");
    let tracing = config.tracing.expect("there");
    assert_eq!(tracing.endpoint.as_str(), meant);
    assert_eq!(
        (tracing.sampled_percent, &*tracing.service_name),
        (100, "doorward")
    );
    assert!(
        read_text(&with("", BASE, "", APP))
            .expect("right")
            .tracing
            .is_none()
    );
}

#[test]
fn limits_are_read_one_by_one() {
    let text = "[limits.ticket]\nuser = 7\n[limits.failed_checks]\naddress = 8\ntenant = 9";
    let config = read_text(&with(text, BASE, "", APP)).expect("right");
    let usual = Limits::default();
    assert!(usual.enabled);
    assert_eq!(config.limits.login, usual.login);
    assert_eq!(config.limits.ticket.user.get(), 7);
    assert_eq!(config.limits.ticket.address, usual.ticket.address);
    assert_eq!(config.limits.failed_checks.address.get(), 8);
    assert_eq!(config.limits.failed_checks.tenant.get(), 9);
    let off = read_text(&with("[limits]\nenabled = false", BASE, "", APP)).expect("right");
    assert!(!off.limits.enabled);
}

#[rstest]
#[case::ext_authz_taken(
    "[ext_authz]\nlisten = \"127.0.0.1:4180\"",
    "another listener has 127.0.0.1:4180 already"
)]
#[case::ext_authz_nowhere("[ext_authz]", "`listen` is missing in [ext_authz]")]
#[case::operations(
    "[operations]\nlisten = \"127.0.0.1:4180\"",
    "the main listener has 127.0.0.1:4180 already"
)]
#[case::format(
    "[logging]\nformat = \"jsn\"",
    "`jsn` is not a value of `format` = use one of \"pretty\", \"json\" (did you mean \"json\"?)"
)]
#[case::level("[logging]\nlevel = \"verbose\"", "`verbose` is not a log level")]
#[case::level_of_module(
    "[logging]\nlevel = \"doorward=loud\"",
    "`doorward=loud` is not a log level"
)]
#[case::table(
    "[loging]",
    "`loging` is not a setting of this file = did you mean `logging`?"
)]
#[case::out_of_place(
    "[[apps]]",
    "`apps` is not a setting of this file = it belongs to a tenant: [[tenants.apps]]"
)]
#[case::no_table("logging = \"info\"", "`logging` is a table, but this is a string")]
#[case::idle("[sessions]\nidle = \"8d\"", "sessions end after 7days in any case")]
#[case::never(
    "[sessions]\nabsolute = \"10years\"",
    "`absolute` is 10years, which is too long"
)]
#[case::no_endpoint("[tracing]", "`endpoint` is missing in [tracing]")]
#[case::collector_far_away(
    "[tracing]\nendpoint = \"http://collector.example:4318\"",
    "`http://collector.example:4318` is plain http = write a collector's address"
)]
#[case::key_in_the_address(
    "[tracing]\nendpoint = \"https://collector.example/?key=hunter2\"",
    "`endpoint` has a query"
)]
#[case::more_than_all(
    "[tracing]\nendpoint = \"http://127.0.0.1:4318\"\nsampled_percent = 101",
    "`101` is no percentage"
)]
#[case::bare_key(
    "[tracing]\nendpoint = \"http://127.0.0.1:4318\"\nauthorization = \"Bearer hunter2\"",
    "`authorization` is a secret and does not belong in this file"
)]
#[case::no_limit(
    "[limits.login]\naddress = 0",
    "`0` cannot be `address` = write how often a minute, from 1 to 10000000"
)]
#[case::negative("[limits.ticket]\nuser = -1", "`-1` cannot be `user`")]
#[case::nobody_known(
    "[limits.login]\nuser = 5",
    "`user` is not a setting of [limits.login]"
)]
#[case::limit_as_text(
    "[limits.login]\ntenant = \"60/min\"",
    "`tenant` is a whole number, but this is a string"
)]
#[case::misspelt_limit(
    "[limits.tickets]",
    "`tickets` is not a setting of [limits] = did you mean `ticket`?"
)]
#[case::at_once("[sessions]\nidle = \"0s\"", "`idle` is 0s, which is too short")]
fn a_wrong_section_is_told(#[case] section: &str, #[case] expected: &str) {
    // Before the first header, so that a bare key is one of the whole file.
    let text = format!("{section}\n{}", with("", BASE, "", APP));
    let found = one_fault(&text);
    assert!(
        found
            .split_once(' ')
            .expect("a place")
            .1
            .starts_with(expected),
        "{found}"
    );
}

#[rstest]
#[case::bare(
    "[\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"]",
    "`sealing_keys` is a secret and does not belong in this file"
)]
#[case::none("[]", "`sealing_keys` is an empty list")]
#[case::short(
    "[{ env = \"SHORT\" }]",
    "a sealing key is 32 bytes in base64, and this is not"
)]
#[case::no_base64(
    "[{ env = \"SECRET\" }]",
    "a sealing key is 32 bytes in base64, and this is not"
)]
#[case::guessable("[{ env = \"ZEROES\" }]", "this sealing key is one byte repeated")]
#[case::twice(
    "[{ env = \"SEAL\" }, { env = \"SEAL\" }]",
    "this sealing key is in the list already"
)]
#[case::unset("[{ env = \"GONE\" }]", "the environment variable `GONE` is not set")]
#[case::empty(
    "[{ env = \"EMPTY\" }]",
    "the environment variable of `sealing_keys` is empty"
)]
#[case::both(
    "[{ env = \"SEAL\", file = \"seal\" }]",
    "`sealing_keys` needs exactly one of `env` and `file`"
)]
#[case::neither("[{}]", "`sealing_keys` needs exactly one of `env` and `file`")]
#[case::no_file(
    "[{ file = \"no-such-file\" }]",
    "the file of `sealing_keys` cannot be read: No such file"
)]
fn a_wrong_sealing_key_is_told(#[case] keys: &str, #[case] expected: &str) {
    let text = with("", BASE, "", APP).replace("[{ env = \"SEAL\" }]", keys);
    let found = one_fault(&text);
    assert!(
        found
            .split_once(' ')
            .expect("a place")
            .1
            .starts_with(expected),
        "{found}"
    );
    assert!(!faults(&text).contains("AAECAwQ"), "a key is echoed");
}

#[test]
fn both_alphabets_of_base64_are_read() {
    let keys = "[{ env = \"SEAL\" }, { env = \"SEAL_URL_SAFE\" }]";
    let text = with("", BASE, "", APP).replace("[{ env = \"SEAL\" }]", keys);
    let config = read_text(&text).expect("right");
    assert_eq!(config.storage.sealing_keys.len(), 2);
    assert_eq!(config.storage.sealing_keys[0].expose()[31], 31);
    assert_eq!(config.storage.sealing_keys[1].expose()[0], 0xff);
}

#[test]
fn files_are_beside_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let seal = &environment()["SEAL"];
    std::fs::write(folder.path().join("seal"), format!("{seal}\n")).expect("written");
    std::fs::write(folder.path().join("secret"), format!("{CANARY}\r\n")).expect("written");
    std::fs::write(folder.path().join("empty"), "\n").expect("written");
    let provider = "client_secret = { file = \"secret\" }";
    let text = with("", BASE, provider, APP).replace("env = \"SEAL\"", "file = \"seal\"");
    let path = folder.path().join("doorward.toml");
    std::fs::write(&path, &text).expect("written");
    let nothing = BTreeMap::new();
    let config = load(&path, &nothing).expect("right");
    assert_eq!(config.storage.sqlite, folder.path().join("doorward.db"));
    let secret = config.tenants[0].providers[0]
        .client_secret
        .as_ref()
        .expect("there");
    assert_eq!(secrecy::ExposeSecret::expose_secret(&secret.value), CANARY);

    std::fs::write(&path, text.replace("\"secret\"", "\"empty\"")).expect("written");
    let faults = load(&path, &nothing).expect_err("empty").to_string();
    assert!(
        faults.contains("the file of `client_secret` is empty"),
        "{faults}"
    );
    std::fs::write(&path, text.replace("\"secret\"", "\"no/such\"")).expect("written");
    let faults = load(&path, &nothing).expect_err("absent").to_string();
    assert!(
        faults.contains("the file of `client_secret` cannot be read"),
        "{faults}"
    );
    let absent = load(&folder.path().join("gone.toml"), &nothing).expect_err("absent");
    assert!(absent.to_string().contains("--config"), "{absent}");
    let is_folder = load(folder.path(), &nothing).expect_err("a folder");
    assert!(
        is_folder.to_string().contains("it is a folder"),
        "{is_folder}"
    );
    std::fs::write(&path, b"[server]\n\xff").expect("written");
    let latin = load(&path, &nothing).expect_err("not UTF-8");
    assert!(
        latin.to_string().contains("line 2, column 1 is not UTF-8"),
        "{latin}"
    );
}

#[rstest]
#[case::path(
    "base_url = \"https://a.example/login\"",
    "`https://a.example/login` cannot be the address of a tenant"
)]
#[case::another_id(
    "base_url = \"https://a.example/t/globex\"",
    "`https://a.example/t/globex` cannot be the address of a tenant"
)]
#[case::no_app(
    "base_url = \"https://a.example/oauth2\"",
    "a.example is not the host of one of this tenant's apps"
)]
#[case::contrast(
    "base_url = \"https://a.example\"\naccent = { light = \"#8eabff\", dark = \"#8eabff\" }",
    "#8eabff has a contrast of 2.22:1 to the text on it (#ffffff)"
)]
#[case::dark_contrast(
    "base_url = \"https://a.example\"\naccent = { light = \"#2a56e0\", dark = \"#2A56E0\" }",
    "#2a56e0 has a contrast of 3.16:1 to the text on it (#0b1020)"
)]
#[case::half_an_accent(
    "base_url = \"https://a.example\"\naccent = { light = \"#2a56e0\" }",
    "`dark` is missing in `accent`"
)]
#[case::control(
    "base_url = \"https://a.example\"\nname = \"a\\nb\"",
    "`name` is one line"
)]
#[case::return_host(
    "base_url = \"https://a.example\"\nreturn_hosts = [\"https://a.example\"]",
    "`https://a.example` is an address, not a host"
)]
#[case::everywhere(
    "base_url = \"https://a.example\"\nreturn_hosts = [\"*\"]",
    "`*` is not a host"
)]
#[case::sessions(
    "base_url = \"https://a.example\"\nsessions = { idle = \"8d\" }",
    "sessions end after 7days"
)]
#[case::no_address("", "this tenant has no address")]
fn a_wrong_tenant_is_told(#[case] tenant: &str, #[case] expected: &str) {
    let found = one_fault(&with("", tenant, "", APP));
    assert!(
        found
            .split_once(' ')
            .expect("a place")
            .1
            .starts_with(expected),
        "{found}"
    );
}

#[rstest]
#[case::own(
    "https://login.acme.example/",
    "https://login.acme.example/login",
    false
)]
#[case::shared(
    "https://login.example.com/t/acme",
    "https://login.example.com/t/acme/login",
    false
)]
#[case::app_host(
    "https://wiki.acme.example/oauth2",
    "https://wiki.acme.example/oauth2/login",
    true
)]
#[case::port(
    "https://LOGIN.acme.example:8443",
    "https://login.acme.example:8443/login",
    false
)]
fn a_tenant_has_one_of_three_shapes(
    #[case] base: &str,
    #[case] login: &str,
    #[case] on_app_host: bool,
) {
    let text = with("", &format!("base_url = \"{base}\""), "", APP);
    let config = read_text(&text).expect("right");
    assert_eq!(config.tenants[0].base.address("/login"), login);
    assert_eq!(config.tenants[0].base.on_app_host, on_app_host);
}

#[test]
fn the_shared_host_serves_those_without_their_own() {
    let server = "[server]\npublic_url = \"https://login.example.com/\"";
    let config = read_text(&with(server, "", "", APP)).expect("right");
    assert_eq!(
        config.tenants[0].base.address("/login"),
        "https://login.example.com/t/acme/login"
    );
    let own = "base_url = \"https://login.example.com\"";
    let found = one_fault(&with(server, own, "", APP));
    assert!(
        found.contains("is the shared host of `public_url`"),
        "{found}"
    );
}

#[rstest]
#[case::tag("id = \"Keycloak\"", "`Keycloak` cannot be used for `id`")]
#[case::dns_look_alike("id = \"../evil\"", "`../evil` cannot be used for `id`")]
#[case::secret_without_reference(
    "client_secret = true",
    "`client_secret` is a secret and does not belong in this file"
)]
#[case::scopes_in_one(
    "scopes = [\"openid profile\"]",
    "`openid profile` is more than one scope"
)]
#[case::scope(
    "scopes = [\"caf\u{e9}\"]",
    "`caf\u{e9}` has characters that a scope cannot have"
)]
#[case::no_scopes("scopes = []", "`scopes` is an empty list")]
#[case::authentication(
    "client_authentication = \"tls_client_auth\"",
    "`tls_client_auth` is not a value of `client_authentication`"
)]
#[case::algorithm(
    "id_token_algorithm = \"HS256\"",
    "`HS256` proves nothing about who signed"
)]
#[case::none(
    "id_token_algorithm = \"none\"",
    "`none` proves nothing about who signed"
)]
#[case::misspelt_algorithm(
    "id_token_algorithm = \"RSA256\"",
    "`RSA256` is not a value of `id_token_algorithm`"
)]
#[case::ca(
    "ca_file = \"no-such-file.pem\"",
    "the file `no-such-file.pem` of `ca_file` cannot be read: No such file"
)]
#[case::not_a_certificate("ca_file = \"Cargo.toml\"", "there is no certificate in `Cargo.toml`")]
#[case::no_client_certificate(
    "certificate = \"Cargo.toml\"",
    "there is no certificate in `Cargo.toml`"
)]
#[case::missing_client_certificate(
    "certificate = \"no-such-file.pem\"",
    "the certificate in `no-such-file.pem` cannot be read"
)]
#[case::key_in_place_of_a_certificate(
    "certificate = \"tests/fixtures/one-line-key.pem\"",
    "the certificate in `tests/fixtures/one-line-key.pem` cannot be read = its end is missing"
)]
#[case::private_key_without_reference(
    "private_key = \"key.pem\"",
    "`private_key` is a secret and does not belong in this file"
)]
#[case::assertion_algorithm(
    "assertion_algorithm = \"HS256\"",
    "`HS256` proves nothing about who signed"
)]
#[case::assertion_audience(
    "assertion_audience = \"https://id.example\"",
    "`https://id.example` is not a value of `assertion_audience`"
)]
#[case::network(
    "allow_networks = [\"0.0.0.0/0\"]",
    "`0.0.0.0/0` is every address there is"
)]
#[case::proxy(
    "proxy = \"proxy.internal:3128\"",
    "`proxy.internal:3128` is not the address of a proxy"
)]
#[case::misspelt(
    "client_secrets = { env = \"SECRET\" }",
    "`client_secrets` is not a setting of a provider = did you mean `client_secret`?"
)]
fn a_wrong_provider_is_told(#[case] line: &str, #[case] expected: &str) {
    let mut text = with("", BASE, line, APP);
    if line.starts_with("id ") {
        text = text.replace("id = \"keycloak\"\n", "");
    }
    let found = one_fault(&text);
    assert!(
        found
            .split_once(' ')
            .expect("a place")
            .1
            .starts_with(expected),
        "{found}"
    );
}

const HOST: &str = "hosts = [\"wiki.acme.example\"]\n";

#[rstest]
#[case::no_rules("", "nobody may open this app: it has no rules")]
#[case::empty_rules("rules = []", "nobody may open this app: its list of rules is empty")]
#[case::both(
    "allow = { signed_in = true }\n[[tenants.apps.rules]]\npublic = true",
    "this app has both `allow` and `rules`"
)]
#[case::nobody("allow = {}", "`allow` does not say who may pass")]
#[case::not_public("allow = { public = false }", "`allow` does not say who may pass")]
#[case::contradiction(
    "allow = { public = true, groups = [\"a\"] }",
    "`public` and `groups` contradict each other"
)]
#[case::denied_public(
    "allow = { public = true, deny = true }",
    "`public` and `deny` contradict each other"
)]
#[case::twice(
    "allow = { signed_in = true, groups = [\"a\"] }",
    "`signed_in` and `groups` contradict each other = leave out `signed_in`"
)]
#[case::lists_and_public(
    "allow = { public = true, any_of = [{ groups = [\"a\"] }, { roles = [\"b\"] }] }",
    "`public` and `any_of` contradict each other"
)]
#[case::one_alternative(
    "allow = { any_of = [{ groups = [\"a\"] }] }",
    "`any_of` needs two alternatives at least"
)]
#[case::open_alternative(
    "allow = { any_of = [{ groups = [\"a\"] }, {}] }",
    "this alternative has no list: anybody would fit it"
)]
#[case::alternative_in_alternative(
    "allow = { any_of = [{ groups = [\"a\"] }, { groups = [\"b\"], any_of = [] }] }",
    "`any_of` is not a setting of [[tenants.apps.rules.any_of]]"
)]
#[case::two_scopes_in_one(
    "allow = { scopes = [\"read write\"] }",
    "`read write` is not a scope = write each in quotes of its own"
)]
#[case::scope_that_ends_a_header("allow = { all_scopes = [\"a\\\"b\"] }", "`a\"b` is not a scope")]
#[case::user("allow = { users = [\"ada\"] }", "`ada` is not the id of a person")]
#[case::everywhere(
    "allow = { signed_in = true, networks = [\"0.0.0.0/0\"] }",
    "`0.0.0.0/0` is every address there is"
)]
#[case::networks_alone(
    "allow = { networks = [\"10.0.0.0/8\"] }",
    "`allow` does not say who may pass"
)]
#[case::condition_of_what_is_public(
    "allow = { public = true, when = \"caller.scheme == 'session'\" }",
    "`public` and `when` contradict each other"
)]
#[case::condition_beside_everybody(
    "allow = { signed_in = true, when = \"caller.scheme == 'session'\" }",
    "`signed_in` and `when` contradict each other = leave out `signed_in`"
)]
#[case::condition_for_everybody(
    "allow = { when = \"true\" }",
    "this looks at neither `caller` nor `request`"
)]
#[case::condition_of_a_header(
    "allow = { when = \"request.headers['a'] == 'b'\" }",
    "`request` has no `headers`"
)]
#[case::condition_of_an_alternative(
    "allow = { any_of = [{ groups = [\"a\"] }, { when = \"caller.groups\" }] }",
    "this can be neither true nor false"
)]
#[case::empty_list(
    "allow = { groups = [] }",
    "`groups` is an empty list = leave it out, or name at least one"
)]
#[case::at_domain(
    "allow = { email_domains = [\"@acme.example\"] }",
    "`@acme.example` is not a domain = write it without `@`: \"acme.example\""
)]
#[case::every_domain(
    "allow = { email_domains = [\"*\"] }",
    "`*` is not a domain = for everybody who is signed in: signed_in = true"
)]
#[case::sub_domains(
    "allow = { email_domains = [\"*.acme.example\"] }",
    "`*.acme.example` is not a domain = name each domain"
)]
#[case::look_alike(
    "allow = { emails = [\"ada@evil.example\u{ff20}acme.example\"] }",
    "`ada@evil.example\u{ff20}acme.example` is not an e-mail address"
)]
#[case::provider(
    "allow = { providers = [\"keycloack\"] }",
    "this tenant has no provider `keycloack` = did you mean `keycloak`?"
)]
#[case::unknown(
    "allow = { signed_in = true, group = [\"a\"] }",
    "`group` is not a setting of `allow` = did you mean `groups`?"
)]
#[case::glob(
    "[[tenants.apps.rules]]\npaths = [\"/admin/*\"]\npublic = true",
    "`/admin/*` has a `*`, which is no wildcard here"
)]
#[case::query(
    "[[tenants.apps.rules]]\npaths = [\"/a?b\"]\npublic = true",
    "`/a?b` has a query"
)]
#[case::dots(
    "[[tenants.apps.rules]]\npaths = [\"/a/../b\"]\npublic = true",
    "`/a/../b` cannot be the path of a rule = the path can be read in more than one way: it has a dot segment"
)]
#[case::relative(
    "[[tenants.apps.rules]]\npaths = [\"admin\"]\npublic = true",
    "`admin` cannot be the path of a rule"
)]
#[case::no_paths(
    "[[tenants.apps.rules]]\npaths = []\npublic = true",
    "`paths` is an empty list"
)]
#[case::lower_case(
    "[[tenants.apps.rules]]\nmethods = [\"get\"]\npublic = true",
    "`get` is not a method = did you mean \"GET\"?"
)]
#[case::misspelt_method(
    "[[tenants.apps.rules]]\nmethods = [\"PSOT\"]\npublic = true",
    "`PSOT` is not a method = did you mean \"POST\"?"
)]
#[case::any_method(
    "[[tenants.apps.rules]]\nmethods = [\"*\"]\npublic = true",
    "`*` is not a method = write it in capitals"
)]
#[case::after_everything(
    "[[tenants.apps.rules]]\nsigned_in = true\n[[tenants.apps.rules]]\npaths = [\"/admin\"]\ngroups = [\"a\"]",
    "this rule is never reached: the one at line 17 covers all of it"
)]
#[case::after_the_root(
    "[[tenants.apps.rules]]\npaths = [\"/\"]\npublic = true\n[[tenants.apps.rules]]\ndeny = true",
    "this rule is never reached: the one at line 17 covers all of it"
)]
#[case::below(
    "[[tenants.apps.rules]]\npaths = [\"/a\"]\npublic = true\n[[tenants.apps.rules]]\npaths = [\"/a/b\"]\nmethods = [\"GET\"]\ndeny = true",
    "this rule is never reached: the one at line 17 covers all of it"
)]
#[case::status(
    "allowed_status = 204\nallow = { signed_in = true }",
    "`204` cannot be the status of an allowed answer"
)]
#[case::header_name(
    "identity_headers = { \"X User\" = \"user\" }\nallow = { signed_in = true }",
    "`X User` is not the name of a header"
)]
#[case::header_twice(
    "identity_headers = { X-User = \"user\", x-user = \"email\" }\nallow = { signed_in = true }",
    "the header x-user is there already"
)]
#[case::reserved_header(
    "identity_headers = { Set-Cookie = \"user\" }\nallow = { signed_in = true }",
    "the header set-cookie means something else"
)]
#[case::authorization(
    "identity_headers = { Authorization = \"user\" }\nallow = { signed_in = true }",
    "the header authorization means something else"
)]
#[case::source(
    "identity_headers = { X-User = \"mail\" }\nallow = { signed_in = true }",
    "`mail` is nothing that is known of a person = did you mean `email`?"
)]
#[case::unjudged_address(
    "identity_headers = { X-Mail = \"claim:email\" }\nallow = { signed_in = true }",
    "the claim in `claim:email` must not be told unjudged = write \"email\""
)]
#[case::unjudged_name(
    "identity_headers = { X-User = \"claim:/sub\" }\nallow = { signed_in = true }",
    "the claim in `claim:/sub` must not be told unjudged = write \"subject\""
)]
#[case::no_claim(
    "identity_headers = { X-User = \"claim:\" }\nallow = { signed_in = true }",
    "`claim:` names no claim"
)]
fn a_wrong_app_is_told(#[case] app: &str, #[case] expected: &str) {
    let found = one_fault(&with("", BASE, "", &format!("{HOST}{app}")));
    assert!(
        found
            .split_once(' ')
            .expect("a place")
            .1
            .starts_with(expected),
        "{found}"
    );
}

#[rstest]
#[case::narrow_first("paths = [\"/admin\"]\ngroups = [\"a\"]", "signed_in = true")]
#[case::other_methods(
    "methods = [\"GET\"]\npublic = true",
    "methods = [\"POST\"]\nsigned_in = true"
)]
#[case::sibling(
    "paths = [\"/health\"]\npublic = true",
    "paths = [\"/healthy\"]\nsigned_in = true"
)]
#[case::preflight_too(
    "methods = [\"GET\"]\npublic = true",
    "methods = [\"GET\"]\npreflight = true\nsigned_in = true"
)]
fn a_rule_that_can_be_reached_is_right(#[case] first: &str, #[case] second: &str) {
    let rules = format!("{HOST}[[tenants.apps.rules]]\n{first}\n[[tenants.apps.rules]]\n{second}");
    assert_eq!(summary(&with("", BASE, "", &rules)), Vec::<String>::new());
}

#[test]
fn an_app_without_a_fitting_rule_is_closed() {
    let rules = format!("{HOST}[[tenants.apps.rules]]\npaths = [\"/a\"]\npublic = true");
    let config = read_text(&with("", BASE, "", &rules)).expect("right");
    let path = crate::domain::path::CanonicalPath::parse("/b").expect("clear");
    let target = Target {
        path: Some(&path),
        ..Target::default()
    };
    let ruling = config.tenants[0].apps[0].app.policy.ruling(target);
    assert!(matches!(ruling, Ruling::Refused(Refusal::NoRule)));
}

#[test]
fn development_has_ports_and_plain_http_on_loopback() {
    let server = "[server]\ndevelopment = true";
    let base = "base_url = \"http://acme.localhost:4180\"";
    let app =
        "hosts = [\"wiki.localhost:8080\", \"shop.localhost:80\"]\nallow = { signed_in = true }";
    let config = read_text(&with(server, base, "", app)).expect("right");
    assert!(config.warnings.is_empty());
    let hosts: Vec<_> = config.tenants[0].apps[0]
        .app
        .hosts
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(hosts, ["wiki.localhost:8080", "shop.localhost"]);
}

/// A code comes back below the tenant's address, and nowhere else: what stands there is the one redirect URI that
/// anybody registers for us.
#[rstest]
#[case::response_parameters("https://login.acme.example/?code=x&state=y")]
#[case::empty_query("https://login.acme.example/?")]
#[case::fragment("https://login.acme.example/#access_token=x")]
#[case::script("javascript:alert(1)")]
#[case::data("data:text/html,x")]
#[case::app_scheme("com.example.app:/login")]
#[case::plain_http("http://login.acme.example")]
#[case::no_scheme("//login.acme.example")]
#[case::somebody("https://login.acme.example@attacker.example")]
fn a09_codes_come_back_to_a_page_of_ours_only(#[case] base: &str) {
    let found = summary(&with("", &format!("base_url = \"{base}\""), "", APP));
    assert!(
        found.iter().any(|fault| fault.starts_with("7:12 ")),
        "{found:#?}"
    );
}

#[rstest]
#[case::public_suffix("com", "`com` is a public suffix")]
#[case::longer_public_suffix("co.uk", "`co.uk` is a public suffix")]
#[case::private_suffix("github.io", "`github.io` is a public suffix")]
#[case::localhost("localhost", "`localhost` is a public suffix")]
#[case::address("127.0.0.1", "`127.0.0.1` is an address")]
#[case::ipv6("[::1]", "`[::1]` is an address")]
#[case::port("acme.example:8443", "`acme.example:8443` is not the name of a domain")]
#[case::star("*.acme.example", "`*.acme.example` is not the name of a domain")]
#[case::elsewhere("other.example", "login.acme.example is not below other.example")]
#[case::look_alike("cme.example", "login.acme.example is not below cme.example")]
#[case::too_narrow(
    "login.acme.example",
    "wiki.acme.example is not below login.acme.example"
)]
fn a_wrong_domain_of_a_shared_cookie_is_told(#[case] domain: &str, #[case] expected: &str) {
    let shared = format!(
        "{BASE}\nparent_cookie = {{ domain = \"{domain}\", hosts = [\"wiki.acme.example\"] }}"
    );
    let found = summary(&with("", &shared, "", APP));
    assert!(found[0].contains(expected), "{found:#?}");
}

#[rstest]
#[case::nobodys(
    "\"shop.acme.example\"",
    "no app of this tenant has the host shop.acme.example"
)]
#[case::pattern(
    "\"*.acme.example\"",
    "no app of this tenant has the host *.acme.example"
)]
#[case::elsewhere(
    "\"wiki.other.example\"",
    "wiki.other.example is not below acme.example"
)]
fn a_wrong_host_of_a_shared_cookie_is_told(#[case] host: &str, #[case] expected: &str) {
    let shared =
        format!("{BASE}\nparent_cookie = {{ domain = \"acme.example\", hosts = [{host}] }}");
    let found = one_fault(&with("", &shared, "", APP));
    assert!(found.contains(expected), "{found}");
}

/// Forwarding asks for the app's own cookie: whoever had the shared one alone would be sent in a circle.
#[rstest]
#[case::named("\"b.acme.example\"", true)]
#[case::by_a_pattern("\"x.b.acme.example\"", true)]
#[case::a_pattern("\"*.b.acme.example\"", true)]
#[case::below_a_pattern("\"*.w.acme.example\"", true)]
#[case::an_exception("\"y.b.acme.example\"", false)]
#[case::another("\"a.acme.example\"", false)]
fn a_forwarded_app_shares_no_cookie(#[case] host: &str, #[case] is_forwarded: bool) {
    let allow = "allow = { signed_in = true }\n";
    let apps = format!(
        "hosts = [\"a.acme.example\", \"*.w.acme.example\", \"y.b.acme.example\"]\n{allow}\
         [[tenants.apps]]\nid = \"b\"\nhosts = [\"b.acme.example\", \"*.b.acme.example\", \"b.w.acme.example\"]\n{allow}\
         upstream = {{ address = \"http://127.0.0.1:3000\" }}\n\
         [[tenants.apps]]\nid = \"c\"\nhosts = [\"c.acme.example\"]\n\
         allow = {{ any_of = [{{ groups = [\"a\"] }}, {{ scopes = [\"b\"] }}] }}"
    );
    let shared =
        format!("{BASE}\nparent_cookie = {{ domain = \"acme.example\", hosts = [{host}] }}");
    let found = summary(&with(
        "[server]\nforward_to_apps = true",
        &shared,
        "",
        &apps,
    ));
    let expected = "leads to the app `b`, whose `upstream` has requests forwarded";
    assert_eq!(found.len(), usize::from(is_forwarded), "{found:#?}");
    assert!(
        found.iter().all(|fault| fault.contains(expected)),
        "{found:#?}"
    );
}

#[rstest]
#[case("", "ES256", 30)]
#[case("signing = {}", "ES256", 30)]
#[case("signing = { algorithm = \"RS256\" }", "RS256", 30)]
#[case(
    "signing = { algorithm = \"EdDSA\", rotate_after = \"24h\" }",
    "EdDSA",
    1
)]
fn signing_keys_are_as_the_operator_wants(
    #[case] signing: &str,
    #[case] algorithm: &str,
    #[case] days: i64,
) {
    let config = read_text(&with("", &format!("{BASE}\n{signing}"), "", APP)).expect("right");
    let rules = config.tenants[0].signing;
    assert_eq!(rules.algorithm.as_str(), algorithm);
    assert_eq!(rules.rotate_after, time::Duration::days(days));
}

#[rstest]
#[case("algorithm = \"es256\"", "`es256` is not a value of `algorithm`")]
#[case("algorithm = \"HS256\"", "`HS256` is not a value of `algorithm`")]
#[case("rotate_after = \"1h\"", "`rotate_after` is 1h, which is too short")]
#[case("rotate_after = \"3y\"", "`rotate_after` is 3years")]
#[case("rotate_after = 30", "`rotate_after` has no unit")]
#[case("rotate = \"30d\"", "`rotate` is not a setting of [tenants.signing]")]
fn wrong_wishes_about_signing_keys_are_told(#[case] signing: &str, #[case] expected: &str) {
    let found = one_fault(&with(
        "",
        &format!("{BASE}\nsigning = {{ {signing} }}"),
        "",
        APP,
    ));
    assert!(found.contains(expected), "{found}");
}

const MACHINE: &str =
    "[[tenants.machine_clients]]\nid = \"report\"\naudiences = [\"https://api.example\"]\n";

/// What is read with these lines in a machine's table.
fn machine(lines: &str) -> String {
    with("", BASE, "", &format!("{APP}\n{MACHINE}{lines}"))
}

#[test]
fn a_machine_is_read() {
    let config = read_text(&machine(
        "secrets = [{ env = \"SEAL\" }]\nscopes = [\"a\", \"b:c\"]",
    ))
    .expect("right");
    let client = &config.tenants[0].machine_clients[0].client;
    assert_eq!((client.id.as_str(), &*client.name), ("report", "report"));
    assert_eq!(client.token_life, time::Duration::minutes(10));
    assert_eq!(client.scopes.len(), 2);
    assert!(!format!("{client:?}").contains(CANARY));
}

#[rstest]
#[case::no_method("", "exactly one of `secrets`, `jwks` and `jwks_uri`")]
#[case::two_methods("secrets = [{ env = \"SEAL\" }]\njwks = \"{}\"", "exactly one of")]
#[case::a_secret_itself(
    "secrets = [\"hunter2-canary\"]",
    "is a secret and does not belong in this file"
)]
#[case::short_secret("secrets = [{ env = \"SHORT\" }]", "at least 16 characters")]
#[case::three_secrets(
    "secrets = [{ env = \"SEAL\" }, { env = \"SEAL\" }, { env = \"SEAL\" }]",
    "at most two secrets"
)]
#[case::no_secrets("secrets = []", "`secrets` is an empty list")]
#[case::plain_http("jwks_uri = \"http://report.example/keys\"", "")]
#[case::algorithm_of_secrets(
    "secrets = [{ env = \"SEAL\" }]\nalgorithm = \"ES256\"",
    "`algorithm` means nothing for a client with a secret"
)]
#[case::symmetric(
    "jwks = \"{}\"\nalgorithm = \"HS256\"",
    "`HS256` is not a value of `algorithm`"
)]
#[case::life("jwks = \"{}\"\ntoken_life = \"2d\"", "`token_life` is 2days")]
#[case::scope(
    "jwks = \"{}\"\nscopes = [\"a b\"]",
    "`a b` cannot be used for `scopes`"
)]
#[case::empty_scopes("jwks = \"{}\"\nscopes = []", "`scopes` is an empty list")]
#[case::verifies_for_no_app(
    "jwks = \"{}\"\nverifies = [\"wikki\"]",
    "this tenant has no app `wikki` = did you mean `wiki`?"
)]
fn a_wrong_machine_is_told(#[case] lines: &str, #[case] expected: &str) {
    let found = one_fault(&machine(lines));
    assert!(found.contains(expected), "{found}");
    assert!(!found.contains(CANARY), "{found}");
}

const EXCHANGE: &str = "[[tenants.token_exchanges]]\nid = \"deploy\"\nissuers = [\"ci\"]\naudiences = [\"https://api.example\"]\n";

/// What is read with these lines in a table about exchanging tokens.
fn exchange(lines: &str) -> String {
    with("", BASE, "", &format!("{APP}\n{EXCHANGE}{lines}"))
}

#[test]
fn a_rule_for_exchanging_tokens_is_read() {
    let text = exchange(
        "subjects = [\"a\"]\nrequired_claims = [{ claim = \"repository\", one_of = [\"org/app\"] }]\n\
         when = 'claims.ref == \"refs/heads/main\"'\nclients = [\"report\"]\nactors = [\"self\"]\nscopes = [\"a\"]",
    );
    let config = read_text(&text).expect("right");
    let rule = &config.tenants[0].token_exchanges[0];
    assert_eq!(
        (rule.id.as_str(), rule.lifetime),
        ("deploy", time::Duration::minutes(10))
    );
    assert_eq!(rule.subject_audiences, None);
    assert_eq!((rule.required_claims.len(), rule.clients.len()), (1, 1));
    assert!(rule.when.is_some());
}

#[rstest]
#[case::no_subjects("subjects = []", "`subjects` is an empty list")]
#[case::no_clients("clients = []", "`clients` is an empty list")]
#[case::no_audience("subject_audiences = []", "`subject_audiences` is an empty list")]
#[case::scope("scopes = [\"a b\"]", "`a b` cannot be used for `scopes`")]
#[case::life("lifetime = \"2h\"", "`lifetime` is 2h")]
#[case::syntax("when = 'claims.ref =='", "this is not an expression")]
#[case::nobody_is_known_yet("when = 'identity.email == \"a\"'", "does not look at the token")]
#[case::always("when = 'true'", "does not look at the token")]
#[case::claim_without_a_name("required_claims = [{ one_of = [\"a\"] }]", "`claim` is missing")]
#[case::misspelt("subject = [\"a\"]", "did you mean `subjects`")]
fn a_wrong_rule_for_exchanging_tokens_is_told(#[case] lines: &str, #[case] expected: &str) {
    let found = one_fault(&exchange(lines));
    assert!(found.contains(expected), "{found}");
}

#[test]
fn tokens_for_pages_are_read() {
    let lines = "audiences = [\"x\"]\norigins = [\"https://Pages.example:443/\"]\npath = \"/app\"";
    let config = read_text(&pages(lines)).expect("right");
    let tokens = config.tenants[0].apps[0].app.session_tokens.as_ref();
    let tokens = tokens.expect("tokens");
    assert_eq!(&*tokens.origins[0], "https://pages.example");
    assert_eq!(tokens.lifetime, time::Duration::minutes(5));
}

fn pages(lines: &str) -> String {
    with(
        "",
        BASE,
        "",
        &format!("{APP}\n[tenants.apps.session_tokens]\n{lines}"),
    )
}

#[rstest]
#[case::for_nobody("scopes = [\"a\"]", "`audiences` is missing")]
#[case::scope(
    "audiences = [\"x\"]\nscopes = [\"a b\"]",
    "`a b` cannot be used for `scopes`"
)]
#[case::a_page(
    "audiences = [\"x\"]\norigins = [\"https://pages.example/a\"]",
    "is not an origin"
)]
#[case::plain_http("audiences = [\"x\"]\norigins = [\"http://pages.example\"]", "https")]
#[case::anybody("audiences = [\"x\"]\norigins = [\"*\"]", "`*`")]
#[case::two_meanings(
    "audiences = [\"x\"]\npath = \"/a/../b\"",
    "not a path with one meaning"
)]
#[case::life("audiences = [\"x\"]\nlifetime = \"2h\"", "`lifetime` is 2h")]
fn wrong_tokens_for_pages_are_told(#[case] lines: &str, #[case] expected: &str) {
    let found = one_fault(&pages(lines));
    assert!(found.contains(expected), "{found}");
}

#[test]
fn tokens_for_a_session_need_one() {
    let text = pages("audiences = [\"x\"]").replace(APP, &format!("{APP}\naccept = [\"bearer\"]"));
    let found = one_fault(&text);
    assert!(
        found.contains("nobody has a session at this app"),
        "{found}"
    );
    let demanding = "audiences = [\"x\"]\n[tenants.apps.attestation]\nissuer = \"it\"";
    let found = one_fault(&pages(demanding));
    assert!(found.contains("could be used without one"), "{found}");
}

#[test]
fn a_machine_may_do_something() {
    let text = machine("jwks = \"{}\"").replace("audiences = [\"https://api.example\"]\n", "");
    let found = one_fault(&text);
    assert!(found.contains("this machine may do nothing"), "{found}");
    let config =
        read_text(&format!("{text}\nintrospects = [\"https://api.example\"]")).expect("right");
    let client = &config.tenants[0].machine_clients[0].client;
    assert!(client.audiences.is_empty());
}

#[test]
fn a_machine_is_nobody() {
    let id = "0123456789abcdef0123456789abcdef";
    let text =
        machine("secrets = [{ env = \"SEAL\" }]").replace("\"report\"", &format!("\"{id}\""));
    let found = one_fault(&text);
    assert!(found.contains("could be the name of a person"), "{found}");
}

#[rstest]
#[case("acme.example")]
#[case(".acme.example")]
#[case("ACME.example")]
fn a_shared_cookie_is_read(#[case] domain: &str) {
    let shared = format!(
        "{BASE}\nparent_cookie = {{ domain = \"{domain}\", hosts = [\"wiki.acme.example\"] }}"
    );
    let config = read_text(&with("", &shared, "", APP)).expect("right");
    let cookie = config.tenants[0].parent_cookie.as_ref().expect("a cookie");
    assert_eq!(cookie.cookie.domain.name(), "acme.example");
}

#[test]
fn what_is_odd_but_usable_is_a_warning() {
    let server = "[server]\ndevelopment = true\n[operations]\nlisten = \"0.0.0.0:4181\"\n[ext_authz]\nlisten = \"127.0.0.1:4182\"";
    let config = read_text(&with(server, BASE, "", APP)).expect("usable");
    let shown: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(shown.iter().all(|warning| warning.starts_with("warning: ")));
}

#[test]
fn the_first_network_that_has_a_peer_counts() {
    let server = "[server]\ntrusted_proxies = [{ networks = [\"10.0.0.0/8\", \"::1/128\"], target_headers = \"x-original\" }, { networks = [\"10.1.0.0/16\"] }]";
    let config = read_text(&with(server, BASE, "", APP)).expect("right");
    let family = |peer: &str| {
        let peer = peer.parse().expect("an address");
        config
            .server
            .trusted_proxy(peer)
            .map(|proxy| proxy.target_headers)
    };
    assert_eq!(family("10.1.2.3"), Some(Some(TargetHeaders::XOriginal)));
    assert_eq!(
        family("::ffff:10.1.2.3"),
        Some(Some(TargetHeaders::XOriginal))
    );
    assert_eq!(family("::1"), Some(Some(TargetHeaders::XOriginal)));
    assert_eq!(family("192.0.2.1"), None);
}

#[rstest]
#[case::doorward(include_str!("../../docs/examples/doorward.toml"))]
#[case::single_name(include_str!("../../docs/examples/single-name.toml"))]
fn the_examples_are_right(#[case] text: &str) {
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
    let config = parse(text, Path::new("docs/examples/doorward.toml"), &environment);
    let config = config.map_err(|faults| faults.to_string()).expect("right");
    let only_the_folder =
        |warning: &Fault| warning.message().contains("does not exist on this machine");
    assert!(
        config.warnings.iter().all(only_the_folder),
        "{:?}",
        config.warnings
    );
}

/// What a schema can see is wrong: an editor underlines it while it is typed.
#[rstest]
#[case::misspelt("publc_url = \"https://a.example\"", "", APP)]
#[case::no_unit("request_timeout = 30", "", APP)]
#[case::no_port("listen = \"127.0.0.1\"", "", APP)]
#[case::word(
    "trusted_proxies = [{ networks = [\"10.0.0.0/8\"], target_headers = \"forwarded\" }]",
    "",
    APP
)]
#[case::empty_list("trusted_proxies = [{ networks = [] }]", "", APP)]
#[case::missing("trusted_proxies = [{ target_headers = \"x-original\" }]", "", APP)]
#[case::written_secret("", "client_secret = \"hunter2\"", APP)]
#[case::two_references("", "client_secret = { env = \"A\", file = \"b\" }", APP)]
#[case::colour(
    "",
    "",
    "hosts = [\"a.example\"]\nallow = { signed_in = true }\n[[tenants]]\nid = \"b\"\naccent = { light = \"red\", dark = \"#8eabff\" }\n[[tenants.providers]]\nid = \"a\"\npreset = \"oidc\"\nclient_id = \"a\""
)]
#[case::status(
    "",
    "",
    "hosts = [\"a.example\"]\nallowed_status = 204\nallow = { signed_in = true }"
)]
#[case::no_rules("", "", "hosts = [\"a.example\"]")]
#[case::both(
    "",
    "",
    "hosts = [\"a.example\"]\nallow = { signed_in = true }\nrules = [{ public = true }]"
)]
#[case::source(
    "",
    "",
    "hosts = [\"a.example\"]\nallow = { signed_in = true }\nidentity_headers = { X-User = \"mail\" }"
)]
#[case::id(
    "",
    "",
    "id = \"Wiki\"\nhosts = [\"a.example\"]\nallow = { signed_in = true }"
)]
fn the_schema_sees_a_wrong_shape(#[case] server: &str, #[case] provider: &str, #[case] app: &str) {
    let mut text = with(&format!("[server]\n{server}"), BASE, provider, app);
    if app.starts_with("id ") {
        text = text.replace("id = \"wiki\"\n", "");
    }
    assert_ne!(schema_faults(&text), Vec::<String>::new(), "{text}");
    assert_ne!(faults(&text), "no faults", "{text}");
}

/// All tables, those in others too, each once.
fn all_tables() -> Vec<&'static Table> {
    let mut found: Vec<&'static Table> = vec![&TABLE, &secrets::REFERENCE];
    let mut next = 0;
    while let Some(table) = found.get(next) {
        next += 1;
        for inner in table.tables() {
            if !found.iter().any(|other| other.name == inner.name) {
                found.push(inner);
            }
        }
    }
    found
}

/// The reader stops, in tests, where it asks for something else than is declared. So it is enough that
/// each table is read to its end by some test; here by one file that has them all.
#[test]
fn every_declared_table_is_read_key_by_key() {
    let app = format!(
        "{HOST}[[tenants.apps.rules]]\npaths = [\"/a\"]\npublic = true\n\
         [[tenants.apps]]\nid = \"b\"\nhosts = [\"b.acme.example\"]\nupstream = {{ address = \"http://127.0.0.1:3000\" }}\n\
         allow = {{ any_of = [{{ groups = [\"a\"] }}, {{ scopes = [\"b\"] }}] }}\n\
         session_tokens = {{ audiences = [\"x\"] }}\n\
         [[tenants.apps]]\nid = \"c\"\nhosts = [\"c.acme.example\"]\nallow = {{ signed_in = true }}\n\
         protected_resource = {{ scopes = [\"a\"] }}\n\
         [tenants.apps.attestation]\nissuer = \"it\"\n\
         {MACHINE}secrets = [{{ env = \"SEAL\" }}]\n\
         {EXCHANGE}required_claims = [{{ claim = \"plan\" }}]"
    );
    // Files that are wrong are read to the end of their table all the same.
    let server = "[server]\nforward_to_apps = true\ntrusted_proxies = [{ networks = [\"10.0.0.0/8\"] }]\n\
                  [server.tls]\ncertificate = \"Cargo.toml\"\nkey = \"Cargo.toml\"\n\
                  [operations]\n[ext_authz]\nlisten = \"127.0.0.1:4181\"\n[logging]\n[sessions]\n\
                  [tracing]\nendpoint = \"http://127.0.0.1:4318\"\n\
                  [limits.login]\n[limits.callback]\n[limits.ticket]\n[limits.failed_checks]\n[limits.token]\n[limits.passwords]";
    let tenant = format!(
        "{BASE}\naccent = {{ light = \"#2a56e0\", dark = \"#8eabff\" }}\n\
         parent_cookie = {{ domain = \"acme.example\", hosts = [\"wiki.acme.example\"] }}\n\
         users = [{{ name = \"ada\", password_hash = \"{ARGON2}\" }}]\n\
         api_keys = [{{ name = \"a\", secret = {{ env = \"SEAL\" }} }}]\n\
         signing = {{ algorithm = \"EdDSA\", rotate_after = \"7d\" }}"
    );
    reader::READ.with_borrow_mut(std::collections::BTreeSet::clear);
    let provider = "[tenants.providers.claims]\ngroups = { lower_case = true }\nroles = { lower_case = true }\n\
                    expressions = { name = \"null\" }\n\
                    [tenants.providers.restrictions]\ngroups = [\"a\"]\n\
                    [[tenants.trusted_issuers]]\nid = \"it\"\n\
                    required_claims = [{ claim = \"plan\" }]";
    let found = summary(&with(server, &tenant, provider, &app));
    assert_eq!(found.len(), 2, "no certificate, no key: {found:?}");
    let read = reader::READ.with_borrow(Clone::clone);
    let declared = all_tables().iter().map(|table| table.name).collect();
    assert_eq!(read, declared);
}

#[rstest]
#[case::not_declared(&["a", "b", "c"])]
#[case::not_asked_for(&["a"])]
#[case::asked_for(&["a", "b"])]
fn a_reader_and_a_declaration_that_differ_are_found(#[case] asked: &[&'static str]) {
    static DECLARED: Table = Table::new(
        "this file",
        "",
        &[
            table::Key::new("a", Shape::Flag, ""),
            table::Key::new("b", Shape::Flag, ""),
        ],
    );
    let source = Source::new(Path::new("x.toml"), "");
    let empty = syntax(&source, "").expect("TOML");
    let document = Document::new(&source);
    let read = std::panic::AssertUnwindSafe(|| {
        let section = document.declared_root(&empty, &DECLARED);
        for key in asked {
            section.get(key);
        }
        section.finish();
    });
    assert_eq!(std::panic::catch_unwind(read).is_ok(), asked == ["a", "b"]);
}

#[test]
#[should_panic(expected = "is declared as Some(Flag) and read as something else")]
fn a_value_that_is_read_as_something_else_is_found() {
    static DECLARED: Table = Table::new("this file", "", &[table::Key::new("a", Shape::Flag, "")]);
    let source = Source::new(Path::new("x.toml"), "a = \"b\"");
    let file = syntax(&source, "a = \"b\"").expect("TOML");
    let document = Document::new(&source);
    document
        .declared_root(&file, &DECLARED)
        .get("a")
        .and_then(|item| item.text());
}

/// The settings below `heading` in the reference: key, default, whole row.
fn rows<'a>(reference: &'a str, heading: &str) -> Option<Vec<(&'a str, &'a str, &'a str)>> {
    let below = reference.split_once(&format!("{heading}\n"))?.1;
    let section = below.split("\n#").next().unwrap_or_default();
    let tables = section
        .split("\n\n")
        .map(str::trim)
        .filter(|part| part.starts_with("| Key |"));
    let rows = tables.flat_map(|table| table.lines().skip(2)).map(|row| {
        let mut cells = row.trim_matches('|').split(" | ").map(str::trim);
        let key = cells.next().unwrap_or_default().trim_matches('`');
        (key, cells.nth(1).unwrap_or_default(), row)
    });
    // The row of lists in general has no key.
    Some(rows.filter(|(key, ..)| *key != "lists").collect())
}

#[test]
fn the_reference_has_every_key_and_no_other() {
    let reference = include_str!("../../docs/configuration.md");
    let mut compared = 0;
    for table in all_tables() {
        let Some(rows) = rows(reference, &format!("## `{}`", table.name)) else {
            // A small table, told in the row of its key.
            for key in table.keys() {
                let name = key.name;
                let told = [
                    format!("`{name}`"),
                    format!("[{name}]"),
                    format!("{{ {name} ="),
                ];
                assert!(told.iter().any(|told| reference.contains(told)), "{name}");
            }
            continue;
        };
        compared += 1;
        for (name, _, row) in &rows {
            assert!(
                table.key(name).is_some(),
                "{} has no such key: {row}",
                table.name
            );
        }
        for key in table.keys() {
            let row = rows.iter().find(|(name, ..)| *name == key.name);
            let (_, default, row) =
                row.unwrap_or_else(|| panic!("`{}` is missing in {}", key.name, table.name));
            assert_eq!(default.contains("required"), key.required, "{row}");
            assert!(default.contains(key.default.unwrap_or_default()), "{row}");
            assert_eq!(row.contains("Restart."), key.fixed, "{row}");
            if let Shape::Duration(least, most) = key.shape {
                let limits = format!("{} to {}", schema::short(least), schema::short(most));
                assert!(row.contains(&limits), "{row}: {limits}");
            }
        }
    }
    assert!(compared >= 9, "{compared} tables have a heading");
}

const FORWARD: &str = "[server]\nforward_to_apps = true";

fn with_upstream(upstream: &str) -> String {
    with(FORWARD, BASE, "", &format!("{APP}\nupstream = {upstream}"))
}

fn upstream_of(text: &str) -> crate::domain::app_upstream::AppUpstream {
    let config = read_text(text)
        .map_err(|faults| faults.to_string())
        .expect("right");
    let app = &config.tenants[0].apps[0].app;
    app.upstream.clone().expect("an upstream")
}

#[rstest]
#[case::plain("\"http://127.0.0.1:3000\"", "http://127.0.0.1:3000")]
#[case::slash("\"http://wiki.internal/\"", "http://wiki.internal:80")]
#[case::tls("\"https://wiki.internal\"", "https://wiki.internal:443")]
#[case::ipv6("\"http://[::1]:3000\"", "http://[::1]:3000")]
#[case::table("{ address = \"http://127.0.0.1:3000\" }", "http://127.0.0.1:3000")]
fn an_upstream_is_an_address(#[case] upstream: &str, #[case] expected: &str) {
    let upstream = upstream_of(&with_upstream(upstream));
    let address = format!("{}://{}", upstream.scheme, upstream.authority);
    assert_eq!(address, expected);
    assert_eq!(upstream.connect_timeout.as_secs(), 5);
    assert_eq!(upstream.response_timeout.as_secs(), 60);
    assert_eq!(upstream.idle_timeout.as_secs(), 600);
}

#[test]
fn an_upstream_can_say_more() {
    let text = with_upstream(
        "{ address = \"http://127.0.0.1:3000\", host = \"upstream\", connect_timeout = \"500ms\", response_timeout = \"2m\", idle_timeout = \"1h\" }",
    );
    let upstream = upstream_of(&text);
    assert_eq!(
        upstream.host,
        crate::domain::app_upstream::UpstreamHost::Upstream
    );
    assert_eq!(upstream.connect_timeout.as_millis(), 500);
    assert_eq!(upstream.response_timeout.as_secs(), 120);
    assert_eq!(upstream.idle_timeout.as_secs(), 3600);
}

#[rstest]
#[case::scheme("\"ftp://127.0.0.1\"", "is not the address of an app")]
#[case::no_scheme("\"127.0.0.1:3000\"", "is not the address of an app")]
#[case::no_host("\"http://\"", "is not the address of an app")]
#[case::query("\"http://127.0.0.1:3000?x=1\"", "is not the address of an app")]
#[case::space("\"http://127.0.0.1:3000 \"", "is not the address of an app")]
#[case::path("\"http://127.0.0.1:3000/wiki\"", "has the path /wiki")]
#[case::password("\"http://a:hunter2-canary@127.0.0.1\"", "an address with `@` in it")]
#[case::ourselves("\"http://127.0.0.1:4180\"", "is where Doorward itself listens")]
#[case::ourselves_by_name("\"http://localhost:4180\"", "is where Doorward itself listens")]
#[case::number("3000", "`upstream` is text in quotes")]
#[case::no_address("{ host = \"upstream\" }", "`address` is missing")]
#[case::unknown(
    "{ address = \"http://127.0.0.1:3000\", timeout = \"5s\" }",
    "is not a setting of [tenants.apps.upstream]"
)]
#[case::host(
    "{ address = \"http://127.0.0.1:3000\", host = \"own\" }",
    "is not a value of `host`"
)]
#[case::no_unit(
    "{ address = \"http://127.0.0.1:3000\", idle_timeout = 5 }",
    "has no unit"
)]
#[case::too_short(
    "{ address = \"http://127.0.0.1:3000\", idle_timeout = \"1ms\" }",
    "too short"
)]
#[case::no_file(
    "{ address = \"https://a.internal\", ca_file = \"nowhere.pem\" }",
    "cannot be read"
)]
fn a_wrong_upstream_is_a_fault(#[case] upstream: &str, #[case] expected: &str) {
    let fault = one_fault(&with_upstream(upstream));
    assert!(fault.contains(expected), "{fault}");
    assert!(!fault.contains(CANARY), "{fault}");
}

#[test]
fn an_authority_for_plain_http_is_a_fault() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().display();
    let upstream = format!("{{ address = \"http://a.internal\", ca_file = \"{path}\" }}");
    let all = summary(&with_upstream(&upstream));
    assert!(
        all.iter().any(|it| it.contains("there is no certificate")),
        "{all:?}"
    );
}

/// A switch that is off is not silently ignored.
#[test]
fn an_upstream_without_forwarding_is_a_fault() {
    let text = with(
        "",
        BASE,
        "",
        &format!("{APP}\nupstream = \"http://127.0.0.1:3000\""),
    );
    let fault = one_fault(&text);
    assert!(fault.contains("`upstream` has no effect"), "{fault}");
    assert!(fault.contains("forward_to_apps = true"), "{fault}");
}

fn security_headers(value: &str) -> Option<Vec<(String, String)>> {
    let text = with("", BASE, "", &format!("{APP}\nsecurity_headers = {value}"));
    let config = read_text(&text)
        .map_err(|faults| faults.to_string())
        .expect("right");
    let headers = config.tenants[0].apps[0].app.security_headers.clone()?;
    let pair = |(name, value): &(http::HeaderName, http::HeaderValue)| {
        (name.to_string(), value.to_str().expect("text").to_owned())
    };
    Some(headers.iter().map(pair).collect())
}

#[test]
fn security_headers_are_a_set_that_can_be_changed() {
    assert_eq!(security_headers("false"), None);
    let usual = security_headers("true").expect("on");
    assert_eq!(usual.len(), 7);
    assert_eq!(security_headers("{}").expect("on"), usual);
    let changed = security_headers(
        "{ strict-transport-security = false, Referrer-Policy = \"no-referrer\", Cross-Origin-Resource-Policy = \"same-origin\", X-Frame-Options = true }",
    )
    .expect("on");
    let value = |name: &str| {
        let found = changed.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(value("strict-transport-security"), None);
    assert_eq!(value("referrer-policy"), Some("no-referrer"));
    assert_eq!(value("cross-origin-resource-policy"), Some("same-origin"));
    assert_eq!(value("x-frame-options"), Some("SAMEORIGIN"));
    assert_eq!(value("x-content-type-options"), Some("nosniff"));
}

#[rstest]
#[case::unknown("{ X-XSS-Protection = \"0\" }", "is not one of the security headers")]
#[case::misspelt("{ Referer-Policy = \"origin\" }", "did you mean `referrer-policy`?")]
#[case::twice(
    "{ Referrer-Policy = \"origin\", referrer-policy = \"origin\" }",
    "is there already"
)]
#[case::no_default("{ Cross-Origin-Resource-Policy = true }", "has no value of its own")]
#[case::number("{ X-Frame-Options = 1 }", "is `true` or `false`")]
#[case::line_break(
    "{ X-Frame-Options = \"DENY\\r\\nSet-Cookie: a=b\" }",
    "one line without control characters"
)]
#[case::not_ascii(
    "{ X-Frame-Options = \"DÉNY\" }",
    "characters that no header can carry"
)]
#[case::reports_to_nobody(
    "{ Content-Security-Policy-Report-Only = \"default-src 'self'\" }",
    "nowhere to report to"
)]
#[case::reports_to_no_name(
    "{ Content-Security-Policy-Report-Only = \"default-src 'self'; report-to csp\" }",
    "nowhere to report to"
)]
#[case::reports_to_another_name(
    "{ Content-Security-Policy-Report-Only = \"default-src 'self'; report-to csp\", Reporting-Endpoints = \"other=\\\"https://r.example/\\\"\" }",
    "nowhere to report to"
)]
#[case::reports_in_plain(
    "{ Content-Security-Policy-Report-Only = \"default-src 'self'; report-uri http://r.example/\" }",
    "nowhere to report to"
)]
#[case::reports_without_address(
    "{ Content-Security-Policy-Report-Only = \"default-src 'self'; report-uri\" }",
    "nowhere to report to"
)]
fn a_wrong_security_header_is_a_fault(#[case] value: &str, #[case] expected: &str) {
    let text = with("", BASE, "", &format!("{APP}\nsecurity_headers = {value}"));
    let fault = one_fault(&text);
    assert!(fault.contains(expected), "{fault}");
}

#[rstest]
#[case::uri(
    "{ Content-Security-Policy-Report-Only = \"default-src 'self'; report-uri https://r.example/csp\" }"
)]
#[case::own_path(
    "{ Content-Security-Policy-Report-Only = \"default-src 'self'; Report-URI /csp\" }"
)]
#[case::endpoint(
    "{ Content-Security-Policy-Report-Only = \"default-src 'self'; report-to csp\", Reporting-Endpoints = \"csp=\\\"https://r.example/\\\"\" }"
)]
fn a_policy_that_reports_somewhere_is_right(#[case] value: &str) {
    assert_eq!(
        security_headers(value).expect("on").len(),
        8 + usize::from(value.contains("Endpoints"))
    );
}

/// What an address leads to is written once, and is a domain.
#[rstest]
#[case::at("[\"@corp.example\"]", "`@corp.example` is not a domain")]
#[case::wildcard("[\"*.corp.example\"]", "is not a domain")]
#[case::no_list("\"corp.example\"", "`email_domains`")]
#[case::twice("[\"corp.example\", \"CORP.example\"]", "leads to a provider already")]
fn a_providers_domain_is_told_apart(#[case] domains: &str, #[case] expected: &str) {
    let provider = format!("email_domains = {domains}");
    let shown = faults(&with("", BASE, &provider, APP));
    assert!(shown.contains(expected), "{shown}");
}

fn claims(lines: &str) -> String {
    with(
        "",
        BASE,
        &format!("[tenants.providers.claims]\n{lines}"),
        APP,
    )
}

#[test]
fn changes_of_claims_are_read() {
    let text = claims(
        "name = \"/profile/display.name\"\nlocale = \"https://acme.example/locale\"\n\
         [tenants.providers.claims.groups]\nfrom = [\"/realm_access/roles\", \"groups\"]\nkeep = [\"app-*\"]\n\
         strip_prefix = \"app-\"\nrename = { \"7f1c\" = \"admins\", ops = \"operators\" }",
    );
    assert_eq!(schema_faults(&text), Vec::<String>::new());
    let config = read_text(&text).expect("right");
    let changes = &config.tenants[0].providers[0].changes;
    let paths: Vec<_> = changes.paths().map(ToString::to_string).collect();
    assert_eq!(
        paths,
        [
            "/profile/display.name",
            "/https:~1~1acme.example~1locale",
            "/realm_access/roles",
            "/groups"
        ]
    );
    let groups = changes.groups.as_ref().expect("a change");
    let names = ["app-ops", "app-wiki", "vpn"].map(Into::into).into();
    let expected: [Box<str>; 2] = ["operators".into(), "wiki".into()];
    assert_eq!(groups.apply(names), expected);
    assert!(changes.roles.is_none());
}

#[rstest]
#[case::misspelt(
    "preferred_user = \"login\"",
    "14:1 `preferred_user` is not a setting of [tenants.providers.claims]"
)]
#[case::a_person_is_not_mapped(
    "subject = \"email\"",
    "`subject` is not a setting of [tenants.providers.claims]"
)]
#[case::an_address_is_not_mapped(
    "email = \"upn\"",
    "`email` is not a setting of [tenants.providers.claims]"
)]
#[case::list_in_place_of_a_table(
    "groups = [\"roles\"]",
    "14:10 `groups` is a table, but this is an array"
)]
#[case::wrong_type("name = 1", "`name` is text in quotes, but this is an integer")]
#[case::empty("name = \"\"", "`name` is empty")]
#[case::nothing("name = \"/\"", "`/` names no claim")]
#[case::no_list(
    "groups = { keep = \"app-*\" }",
    "`keep` is a list in brackets, but this is a string = write keep = [\"app-*\"]"
)]
#[case::misspelt_list(
    "roles = { strip_prefx = \"a\" }",
    "`strip_prefx` is not a setting of [tenants.providers.claims.roles] = did you mean `strip_prefix`?"
)]
#[case::flag(
    "roles = { lower_case = \"yes\" }",
    "`lower_case` is `true` or `false`"
)]
#[case::no_name("groups = { rename = {} }", "`rename` renames nothing")]
#[case::name("groups = { rename = { a = 1 } }", "`a` is text in quotes")]
fn a_wrong_change_of_claims_is_told(#[case] lines: &str, #[case] expected: &str) {
    let found = one_fault(&claims(lines));
    assert!(found.contains(expected), "{found}");
}

fn restrictions(lines: &str) -> String {
    with(
        "",
        BASE,
        &format!("[tenants.providers.restrictions]\n{lines}"),
        APP,
    )
}

#[test]
fn restrictions_are_read() {
    let text = restrictions(
        "email_domains = [\"acme.example\"]\nall_groups = [\"staff\"]\nroles = [\"a\", \"b\"]\nguests = true\n\
         acr_values = [\"phr\"]\namr = [\"mfa\"]\nmax_authentication_age = \"8h\"",
    );
    assert_eq!(schema_faults(&text), Vec::<String>::new());
    let config = read_text(&text).expect("right");
    let settings = &config.tenants[0].providers[0].restrictions;
    assert_eq!(settings.no_guests, None);
    let restrictions = &settings.restrictions;
    assert_eq!(restrictions.roles.len(), 2);
    assert_eq!(
        restrictions.max_authentication_age,
        Some(std::time::Duration::from_hours(8))
    );
    let of_id_token: Vec<_> = settings.of_id_token.iter().map(|it| it.value).collect();
    assert_eq!(of_id_token, ["acr_values", "amr", "max_authentication_age"]);
}

#[rstest]
#[case::misspelt(
    "group = [\"a\"]",
    "`group` is not a setting of [tenants.providers.restrictions] = did you mean `groups`?"
)]
#[case::empty("groups = []", "`groups` is an empty list")]
#[case::whole_address(
    "email_domains = [\"ada@acme.example\"]",
    "`ada@acme.example` is not a domain"
)]
#[case::guests_in_words("guests = \"none\"", "`guests` is `true` or `false`")]
#[case::several_in_one("acr_values = [\"phr phrh\"]", "`phr phrh` is more than one value")]
#[case::no_unit(
    "max_authentication_age = 3600",
    "`max_authentication_age` has no unit"
)]
#[case::too_short("max_authentication_age = \"5s\"", "too short")]
#[case::nothing("", "these restrictions restrict nothing")]
fn a_wrong_restriction_is_told(#[case] lines: &str, #[case] expected: &str) {
    let found = one_fault(&restrictions(lines));
    assert!(found.contains(expected), "{found}");
}

/// At the very place in the file, where the text stands there as it is.
#[rstest]
#[case::basic(
    "name = \"claims.given_nme + usr\"",
    "14:28 there is no variable `usr` = known here: `claims`, `identity`"
)]
#[case::literal(
    "name = 'claims.a + '",
    "14:20 this is not an expression: it ends too early"
)]
#[case::several_lines(
    "name = \"\"\"\nhas(claims.a)\n  ? claims.a : user\"\"\"",
    "16:16 there is no variable `user`"
)]
#[case::escaped(
    "name = \"'\\u017D' + usr\"",
    "14:8 there is no variable `usr` (at character 7)"
)]
#[case::misspelt(
    "nme = \"claims.a\"",
    "`nme` is not a setting of [tenants.providers.claims.expressions] = did you mean `name`?"
)]
#[case::no_subject(
    "subject = \"claims.a\"",
    "`subject` is not a setting of [tenants.providers.claims.expressions]"
)]
#[case::type_of_setting(
    "groups = [\"claims.a\"]",
    "`groups` is text in quotes, but this is an array"
)]
#[case::member(
    "groups = \"identity.group\"",
    "14:19 `identity` has no `group` = did you mean `groups`?"
)]
fn a_wrong_expression_is_told_at_its_place(#[case] line: &str, #[case] expected: &str) {
    let text = with(
        "",
        BASE,
        &format!("[tenants.providers.claims.expressions]\n{line}"),
        APP,
    );
    let found = one_fault(&text);
    assert!(found.contains(expected), "{found}");
}

#[test]
fn a_wrong_condition_is_told() {
    let found = one_fault(&restrictions(
        "condition = \"identity.groups.exists(g, g.matches('a'))\"",
    ));
    assert!(
        found.contains("there is no function `matches` = there are no regular expressions here"),
        "{found}"
    );
}

const ARGON2: &str = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$KFDFXmWVCCkZ1AHP4GquFSqSiAj8Y1sHzTtd/WMrwFY";
const WEAK: &str = "$2b$04$UuTkLRZZ6QofpDOlMz32MuuxEHA43WOemOYHPz6.SjsVsyO1tDU96";

/// A tenant with these users; its app accepts passwords.
fn users(lines: &str) -> String {
    let app = format!("{APP}\naccept = [\"basic\"]");
    with("", &format!("{BASE}\n{lines}"), "", &app)
}

#[test]
fn users_are_read() {
    let one = format!(
        "[[tenants.users]]\nname = \"Sebasti\u{e1}n\"\npassword_hash = \"{ARGON2}\"\ndisplay_name = \"S.\"\n\
         email = \"s@acme.example\"\nemail_verified = true\ngroups = [\"staff\"]\nroles = [\"editor\"]\n\
         [[tenants.users]]\nname = \"bob\"\npassword_hash = \"{WEAK}\"\nemail = \"bob@acme.example\""
    );
    let config = read_text(&users(&one)).expect("right");
    let read: Vec<_> = config.tenants[0].users.iter().collect();
    assert_eq!(read.len(), 2);
    assert_eq!(&*read[0].name, "Sebasti\u{e1}n");
    assert!(read[0].password.is("Sebasti\u{e1}n".as_bytes()));
    assert_eq!(
        read[0].email.as_ref().map(EmailAddress::as_str),
        Some("s@acme.example")
    );
    assert_eq!(
        (&*read[0].groups[0], &*read[0].roles[0]),
        ("staff", "editor")
    );
    assert_eq!(read[1].email, None, "nobody vouches for it");
    assert_eq!(config.warnings.len(), 1);
    let warning = &config.warnings[0];
    assert!(warning.message().contains("weak"), "{warning:?}");
    assert!(warning.help().is_some_and(|it| it.contains("users hash")));
}

#[rstest]
#[case::plain_text(
    "name = \"ada\"\npassword_hash = \"hunter2-canary\"",
    "`password_hash` is not the hash of a password = make one with `doorward users hash`"
)]
#[case::md5(
    "name = \"ada\"\npassword_hash = \"$apr1$hunter2-canary\"",
    "is a hash of a kind that is too weak: MD5, htpasswd's -m"
)]
#[case::from_the_environment(
    "name = \"ada\"\npassword_hash = { env = \"SECRET\" }",
    "`password_hash` is not the hash of a password"
)]
#[case::a_password(
    "name = \"ada\"\npassword = \"hunter2-canary\"",
    "`password` is not a setting of [[tenants.users]]"
)]
#[case::no_name(
    "password_hash = \"$2b$04$UuTkLRZZ6QofpDOlMz32MuuxEHA43WOemOYHPz6.SjsVsyO1tDU96\"",
    "`name` is missing in [[tenants.users]]"
)]
#[case::colon(
    "name = \"a:b\"\npassword_hash = \"$2b$04$UuTkLRZZ6QofpDOlMz32MuuxEHA43WOemOYHPz6.SjsVsyO1tDU96\"",
    "`a:b` has a colon in it"
)]
#[case::address(
    "name = \"ada\"\nemail = \"ada\"\npassword_hash = \"$2b$04$UuTkLRZZ6QofpDOlMz32MuuxEHA43WOemOYHPz6.SjsVsyO1tDU96\"",
    "`ada` is not an e-mail address"
)]
#[case::twice(
    "name = \"ada\"\npassword_hash = \"$2b$04$UuTkLRZZ6QofpDOlMz32MuuxEHA43WOemOYHPz6.SjsVsyO1tDU96\"\n[[tenants.users]]\nname = \"Ada\"\npassword_hash = \"$2b$04$UuTkLRZZ6QofpDOlMz32MuuxEHA43WOemOYHPz6.SjsVsyO1tDU96\"",
    "`Ada` is there already = the first one is at line 9: case alone does not tell names apart"
)]
fn a_wrong_user_is_told_and_no_secret_is(#[case] lines: &str, #[case] expected: &str) {
    let text = users(&format!("[[tenants.users]]\n{lines}"));
    let all = summary(&text).join("\n");
    assert!(all.contains(expected), "{all}");
    let whole = faults(&text);
    assert!(!whole.contains(CANARY), "{whole}");
    assert!(!whole.contains("UuTkLRZZ6"), "{whole}");
}

#[test]
fn passwords_are_accepted_where_somebody_has_one() {
    let found = one_fault(&users(""));
    assert!(found.contains("nobody has a password"), "{found}");
}

#[rstest]
#[case::right("# ours\nada:{WEAK}\n\nbob:{WEAK}\n", None)]
#[case::windows("ada:{WEAK}\r\nbob:{WEAK}\r\n", None)]
#[case::no_colon("ada:{WEAK}\nbob\n", Some("line 2 of that file has no colon"))]
#[case::no_name(":{WEAK}\n", Some("line 1 of that file has no name"))]
#[case::sha(
    "ada:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n",
    Some("line 1 of that file has what is a hash of a kind that is too weak: SHA-1")
)]
#[case::plain(
    "ada:hunter2-canary\n",
    Some("line 1 of that file has what is not the hash of a password")
)]
#[case::twice(
    "ada:{WEAK}\nADA:{WEAK}\n",
    Some("line 2 of that file has a name that is there already: `ADA`")
)]
#[case::empty("\n# nobody\n", Some("has no users"))]
fn a_htpasswd_file_is_read_line_by_line(#[case] text: &str, #[case] expected: Option<&str>) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("doorward.toml");
    let lines = text.replace("{WEAK}", WEAK);
    std::fs::write(folder.path().join("users"), lines).expect("written");
    let read = parse(&users("htpasswd_file = \"users\""), &file, &environment());
    match (read, expected) {
        (Ok(config), None) => {
            let names = config.tenants[0].users.iter().map(|user| &*user.name);
            assert_eq!(names.collect::<Vec<_>>(), ["ada", "bob"]);
            assert_eq!(config.warnings.len(), 1);
            assert!(config.files.contains(&folder.path().join("users")));
        }
        (Err(faults), Some(expected)) => {
            let all = faults.to_string();
            assert!(all.contains(expected), "{all}");
            assert!(!all.contains(CANARY), "{all}");
        }
        (read, expected) => panic!("{read:?} for {expected:?}"),
    }
}

/// A tenant with these keys; its app accepts keys.
fn keys(lines: &str) -> String {
    let app = format!("{APP}\naccept = [\"api_key\"]");
    with("", &format!("{BASE}\n{lines}"), "", &app)
}

#[test]
fn api_keys_are_read() {
    let config = read_text(&keys(
        "api_key_header = \"X-Acme-Key\"\n[[tenants.api_keys]]\nname = \"monitoring\"\nsecret = { env = \"SEAL\" }\n\
         apps = [\"wiki\"]\ngroups = [\"machines\"]\nroles = [\"reader\"]\nscopes = [\"orders:read\"]",
    ))
    .expect("right");
    let read = &config.tenants[0].api_keys;
    assert_eq!(read.header, "x-acme-key");
    let digest = crate::domain::api_key::digest("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let grant = &read.keys[&digest];
    assert_eq!((&*grant.name, grant.apps.len()), ("monitoring", 1));
    assert_eq!(
        (&*grant.groups[0], &*grant.roles[0]),
        ("machines", "reader")
    );
    assert_eq!(&*grant.scopes[0], "orders:read");
}

#[rstest]
#[case::written(
    "name = \"a\"\nsecret = \"hunter2-canary\"",
    "`secret` is a secret and does not belong in this file"
)]
#[case::short(
    "name = \"a\"\nsecret = { env = \"SECRET\" }",
    "the key of `secret` has less than 32 characters"
)]
#[case::unknown_app(
    "name = \"a\"\nsecret = { env = \"SEAL\" }\napps = [\"wikki\"]",
    "this tenant has no app `wikki` = did you mean `wiki`?"
)]
#[case::twice(
    "name = \"a\"\nsecret = { env = \"SEAL\" }\n[[tenants.api_keys]]\nname = \"b\"\nsecret = { env = \"SEAL\" }",
    "another key has the same secret"
)]
#[case::same_name(
    "name = \"a\"\nsecret = { env = \"SEAL\" }\n[[tenants.api_keys]]\nname = \"a\"\nsecret = { env = \"SEAL_URL_SAFE\" }",
    "there is a key `a` already"
)]
fn a_wrong_api_key_is_told_and_no_secret_is(#[case] lines: &str, #[case] expected: &str) {
    let text = keys(&format!("[[tenants.api_keys]]\n{lines}"));
    let found = one_fault(&text);
    assert!(found.contains(expected), "{found}");
    assert!(!faults(&text).contains(CANARY));
}

#[rstest]
#[case::no_header("api_key_header = \"X API Key\"", "is not the name of a header")]
#[case::authorization("api_key_header = \"Authorization\"", "means something else")]
#[case::proxys("api_key_header = \"X-Forwarded-Key\"", "means something else")]
fn a_header_for_keys_is_a_header_of_its_own(#[case] line: &str, #[case] expected: &str) {
    let found = one_fault(&keys(line));
    assert!(found.contains(expected), "{found}");
}

#[test]
fn keys_in_the_query_need_keys() {
    let app = format!("{APP}\napi_key_query = true");
    let found = one_fault(&with("", BASE, "", &app));
    assert!(found.contains("accepts no API keys"), "{found}");
}
