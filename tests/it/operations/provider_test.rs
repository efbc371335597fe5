//! `doorward provider test`, as a process of its own against a provider on loopback.

use std::process::Output;

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::broker::{Broker, clock, folder};
use crate::support::command::doorward;
use crate::support::provider::{
    CLIENT_SECRET, DiscoveryFault, Endpoint, JwksFault, TestProvider, TokenFault, Trouble,
};

const CALLBACK: &str = "/login/main/callback";

/// A broker whose redirect URI at acme is the only one that its provider knows.
async fn registered() -> Broker {
    let broker = Broker::start().await;
    let callback = broker.url("acme.localhost", CALLBACK);
    broker
        .provider
        .configure(|settings| settings.redirect_uris = vec![callback]);
    broker
}

async fn try_out(broker: &Broker, secret: &str, arguments: &[&str]) -> Output {
    let file = broker.file();
    let file = file.to_str().expect("a plain path");
    let whole = [&["provider", "test", "--config", file], arguments].concat();
    doorward(&whole, secret).await
}

/// What was found, by what it is about.
async fn steps(broker: &Broker, secret: &str) -> (Output, Vec<(String, String, String)>) {
    let output = try_out(broker, secret, &["acme/main", "--output", "json"]).await;
    let found: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {output:?}"));
    assert_eq!(found[0]["tenant"], "acme");
    assert_eq!(found[0]["provider"], "main");
    let text = |step: &Value, member: &str| step[member].as_str().expect("text").to_owned();
    let steps = found[0]["steps"].as_array().expect("steps").iter();
    let steps = steps
        .map(|step| {
            (
                text(step, "what"),
                text(step, "finding"),
                text(step, "seen"),
            )
        })
        .collect();
    (output, steps)
}

#[tokio::test]
async fn a_provider_that_works_has_nothing_wrong() {
    let broker = registered().await;
    let (output, steps) = steps(&broker, CLIENT_SECRET).await;
    let found: Vec<_> = steps
        .iter()
        .map(|(what, finding, _)| (what.as_str(), finding.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("discovery", "ok"),
            ("keys", "ok"),
            ("redirect URI", "ok"),
            ("client", "ok"),
            ("userinfo", "ok"),
        ],
        "{steps:?}"
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // A stranger's secret was tried beside ours, and neither code nor token came of anything.
    assert_eq!(broker.provider.count(Endpoint::Token), 2);
    assert_eq!(broker.provider.count(Endpoint::Authorize), 2);
    let userinfo = broker.provider.last(Endpoint::Userinfo).expect("asked");
    assert_eq!(userinfo.header("authorization"), None);
}

#[tokio::test]
async fn it_is_a_list_for_people() {
    let broker = registered().await;
    let output = try_out(&broker, CLIENT_SECRET, &["acme/main"]).await;
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    let callback = broker.url("acme.localhost", CALLBACK);
    assert!(
        text.starts_with("acme/main (Acme ID, preset oidc)\n"),
        "{text}"
    );
    for line in [
        format!("  ok     redirect URI   {callback} is known there (`login_required`)\n"),
        "  ok     client         it takes us for its client, and refuses another secret\n".into(),
        format!(
            "  open   a person       sign in once: {}\n",
            broker.url("acme.localhost", "/login/main")
        ),
    ] {
        assert!(text.contains(&line), "{line} in {text}");
    }
    assert!(!text.contains(CLIENT_SECRET), "{text}");
}

#[tokio::test]
async fn a_redirect_uri_that_is_not_registered_is_told() {
    let broker = Broker::start().await;
    broker.provider.configure(|settings| {
        settings.redirect_uris = vec!["https://login.example/callback".to_owned()];
    });
    let output = try_out(&broker, CLIENT_SECRET, &["acme/main"]).await;
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    let callback = broker.url("acme.localhost", CALLBACK);
    let advice = format!("-> register exactly {callback} at the provider");
    assert!(
        text.contains("WRONG  redirect URI   it answers 400"),
        "{text}"
    );
    assert!(text.contains(&advice), "{text}");
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(stderr, "error: one thing is wrong: see above\n");
}

#[tokio::test]
async fn a_provider_that_answers_anywhere_should_be_looked_at() {
    let broker = Broker::start().await;
    let (output, steps) = steps(&broker, CLIENT_SECRET).await;
    let step = steps.iter().find(|(what, ..)| what == "redirect URI");
    let (_, finding, seen) = step.expect("a step");
    assert_eq!(finding, "look", "{seen}");
    assert!(
        seen.contains("/login/main/callback/not-registered too"),
        "{seen}"
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[tokio::test]
async fn a_wrong_secret_is_told_and_never_shown() {
    let broker = registered().await;
    let (output, steps) = steps(&broker, "hunter2-not-the-secret").await;
    let step = steps.iter().find(|(what, ..)| what == "client");
    let (_, finding, seen) = step.expect("a step");
    assert_eq!(
        (finding.as_str(), seen.contains("`invalid_client`")),
        ("wrong", true)
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(!format!("{output:?}").contains("hunter2"), "{output:?}");
}

#[tokio::test]
async fn a_provider_that_does_not_look_at_the_secret_proves_nothing() {
    let broker = registered().await;
    broker.provider.set(TokenFault::InvalidGrant);
    let (_, steps) = steps(&broker, "whatever").await;
    let step = steps.iter().find(|(what, ..)| what == "client");
    assert_eq!(step.expect("a step").1, "open");
}

#[tokio::test]
async fn another_issuer_ends_the_trial() {
    let broker = registered().await;
    broker.provider.set(DiscoveryFault::OtherIssuer);
    let (output, steps) = steps(&broker, CLIENT_SECRET).await;
    let [(what, finding, seen)] = &steps[..] else {
        panic!("{steps:?}");
    };
    assert_eq!((what.as_str(), finding.as_str()), ("discovery", "wrong"));
    assert!(seen.contains("set `issuer`, or what"), "{seen}");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
}

/// A provider's words do not move the cursor of whoever reads them.
#[tokio::test]
async fn a36_what_a_provider_says_is_shown_as_it_is_spelt() {
    let broker = registered().await;
    let issuer = "x\u{1b}[1A\u{1b}[2K\r  ok     discovery  fine\n  ok     client";
    broker
        .provider
        .set(DiscoveryFault::With("issuer", json!(issuer)));
    let output = try_out(&broker, CLIENT_SECRET, &["acme/main"]).await;
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(!text.contains(['\u{1b}', '\r']), "{text:?}");
    assert!(text.contains(r"x\u{1b}[1A"), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("  ok")), "{text}");
}

#[tokio::test]
async fn a_userinfo_endpoint_that_is_missing_and_always_asked_is_told() {
    let broker = registered().await;
    broker
        .provider
        .set(DiscoveryFault::Without("userinfo_endpoint"));
    broker.edit(|text| {
        text.replacen("[server]", "[server]\nproviders_folder = \"presets\"", 1)
            .replacen("preset = \"oidc\"", "preset = \"always\"", 1)
    });
    let presets = broker.file().with_file_name("presets");
    std::fs::create_dir(&presets).expect("a folder");
    let preset =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/providers/oidc.toml"));
    let preset = preset
        .expect("a preset")
        .replace("\"when_missing\"", "\"always\"");
    assert!(preset.contains("userinfo = \"always\""), "{preset}");
    std::fs::write(presets.join("always.toml"), preset).expect("written");
    let (_, steps) = steps(&broker, CLIENT_SECRET).await;
    let step = steps.iter().find(|(what, ..)| what == "userinfo");
    assert_eq!(step.expect("a step").1, "wrong", "{steps:?}");
}

#[tokio::test]
async fn a_provider_that_is_down_is_told() {
    let broker = registered().await;
    broker.provider.down().await;
    let (output, steps) = steps(&broker, CLIENT_SECRET).await;
    assert_eq!(
        (steps.len(), steps[0].1.as_str()),
        (1, "wrong"),
        "{steps:?}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[rstest]
#[case::for_encryption(JwksFault::ForEncryption, "cannot be used")]
#[case::empty(JwksFault::Empty, "cannot be used")]
#[tokio::test]
async fn keys_that_cannot_be_used_are_told(#[case] fault: JwksFault, #[case] word: &str) {
    let broker = registered().await;
    broker.provider.set(fault);
    let (_, steps) = steps(&broker, CLIENT_SECRET).await;
    let step = steps.iter().find(|(what, ..)| what == "keys");
    let (_, finding, seen) = step.expect("a step");
    assert_eq!(finding, "wrong", "{seen}");
    assert!(seen.contains(word), "{seen}");
}

#[tokio::test]
async fn what_the_metadata_do_not_list_should_be_looked_at() {
    let broker = registered().await;
    for (member, list) in [
        ("code_challenge_methods_supported", json!(["plain"])),
        ("response_modes_supported", json!(["fragment"])),
    ] {
        broker.provider.set(DiscoveryFault::With(member, list));
    }
    let (output, steps) = steps(&broker, CLIENT_SECRET).await;
    let step = steps.iter().find(|(what, ..)| what == "metadata");
    let (_, finding, seen) = step.expect("a step");
    assert_eq!(finding, "look");
    assert_eq!(seen, "its metadata do not list S256, query");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[tokio::test]
async fn an_endpoint_in_trouble_should_be_looked_at() {
    let broker = registered().await;
    broker
        .provider
        .trouble(Endpoint::Userinfo, Trouble::Status(503));
    let (_, steps) = steps(&broker, CLIENT_SECRET).await;
    let step = steps.iter().find(|(what, ..)| what == "userinfo");
    assert_eq!(step.expect("a step").1, "look");
}

/// All providers of all tenants, each at its own redirect URI.
#[tokio::test]
async fn without_a_name_all_are_tried() {
    let broker = registered().await;
    let output = try_out(&broker, CLIENT_SECRET, &[]).await;
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    for name in ["acme/main (", "globex/main (", "solo/main ("] {
        assert!(text.contains(name), "{name} in {text}");
    }
    // The provider knows only that of acme.
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(stderr, "error: 2 things are wrong: see above\n");
}

#[tokio::test]
async fn a_misspelt_name_is_put_right() {
    let broker = Broker::start().await;
    let output = try_out(&broker, CLIENT_SECRET, &["acme/mian"]).await;
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(
        stderr,
        "error: there is no provider `acme/mian`: did you mean `acme/main`?\n"
    );
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(broker.provider.count(Endpoint::Discovery), 0);
}

/// Nothing is written anywhere, not even a database.
#[tokio::test]
async fn nothing_is_remembered() {
    let provider = TestProvider::start(clock());
    let folder = folder();
    let file = folder.path().join("doorward.toml");
    let configuration = format!(
        r#"
[server]
listen = "127.0.0.1:0"
development = true
public_url = "http://login.localhost:8080"

[storage]
sqlite = "doorward.db"
sealing_keys = [{{ env = "SEALING_KEY" }}]

[[tenants]]
id = "acme"
name = "Acme"

[[tenants.providers]]
id = "main"
preset = "oidc"
issuer = "{}"
client_id = "doorward-at-the-test"
client_secret = {{ env = "CLIENT_SECRET" }}

[[tenants.apps]]
id = "wiki"
name = "Wiki"
hosts = ["wiki.localhost:8080"]
allow = {{ signed_in = true }}
"#,
        provider.base()
    );
    std::fs::write(&file, configuration).expect("written");
    let path = file.to_str().expect("a plain path");
    let arguments = ["provider", "test", "acme/main", "--config", path];
    let output = doorward(&arguments, CLIENT_SECRET).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(left, ["doorward.toml"]);
}
