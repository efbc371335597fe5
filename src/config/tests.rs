use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use rstest::rstest;

use super::*;
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

fn read_text(text: &str) -> Result<Config, Faults> {
    parse(text, Path::new("doorward.toml"), &environment())
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
    assert_eq!(secrecy::ExposeSecret::expose_secret(secret), CANARY);
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2"));
    assert!(!shown.contains("1, 2, 3, 4"), "the sealing key is printed");
}
