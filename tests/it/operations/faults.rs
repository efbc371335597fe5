//! What the program says of a configuration that is wrong.

use std::path::Path;
use std::process::{Command, Output};

use rstest::rstest;

/// Runs the program in the folder of the fixture, so that its messages name no folder of this machine.
fn run(command: &str) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/faults");
    Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args([command, "--config", "doorward.toml"])
        .current_dir(folder)
        .env_remove("DOORWARD_FAULTS_NOT_SET")
        .output()
        .expect("the program")
}

/// Grammar of values, secrets, presets and their files, hosts with two owners, headers that two issuers could
/// fill: whoever mends a file reads all of it at once.
#[test]
fn faults_of_every_kind_are_one_list() {
    let checked = run("check");
    assert_eq!(checked.status.code(), Some(2));
    assert!(checked.stdout.is_empty());
    let list = String::from_utf8(checked.stderr).expect("text");
    insta::assert_snapshot!(list);
    let served = run("serve");
    assert_eq!(served.status.code(), Some(2));
    assert_eq!(String::from_utf8(served.stderr).expect("text"), list);
}

const CONFIGURATION: &str = r#"
[server]
listen = "127.0.0.1:0"
public_url = "https://login.example.com"

[storage]
sqlite = "doorward.db"
sealing_keys = [{ env = "SEALING_KEY" }]

[[tenants]]
id = "acme"

[[tenants.providers]]
id = "main"
preset = "oidc"
issuer = "https://sso.example.com"
client_id = "doorward"

[[tenants.apps]]
id = "wiki"
hosts = ["wiki.example.com"]
allow = { signed_in = true }
"#;

/// What the program says of `text`, beside files that are not what they should be. Nothing that it says may
/// need the reader to know where it ran.
fn said(command: &str, text: &[u8]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).expect("written");
    };
    write("doorward.toml", text);
    write("empty", b"");
    write("text", b"dear reader, this is a letter, and nothing else\n");
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    write("broken.pem", certificate.as_bytes());
    let done = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args([command, "--config", "doorward.toml"])
        .current_dir(folder.path())
        .env(
            "SEALING_KEY",
            "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
        )
        .env("EMPTY", "")
        .output()
        .expect("the program");
    let text = String::from_utf8(done.stderr).expect("text");
    (done.status.code(), text)
}

#[rstest]
#[case::table_twice("[storage]", "[server]\nprefix = \"/x\"\n[storage]", &["the table [server] is there already", "doorward.toml:6:2", "line 2: put the settings of both under one header"])]
#[case::list_as_table("[[tenants.apps]]", "[tenants]\n[[tenants.apps]]", &["the table [tenants] is there already", "write [[tenants]] for one more of them"])]
#[case::key_twice("[storage]\n", "[storage]\nsqlite = \"old.db\"\n", &["`sqlite` is there already", "doorward.toml:8:1", "line 7: keep one of the two"])]
#[case::key_twice_in_a_line("{ env = \"SEALING_KEY\" }", "{ env = \"A\", env = \"B\" }", &["this key is there twice in one table", "keep one of the two"])]
#[case::secret_file_empty("{ env = \"SEALING_KEY\" }", "{ file = \"empty\" }", &["the file of `sealing_keys` is empty", "write the secret into it", "looked for it at `empty`"])]
#[case::secret_variable_empty("SEALING_KEY", "EMPTY", &["the environment variable of `sealing_keys` is empty", "where this process is started"])]
#[case::secret_not_in_a_list("[{ env = \"SEALING_KEY\" }]", "{ env = \"SEALING_KEY\" }", &["`sealing_keys` is a list in brackets", "write sealing_keys = [{ env = \"SEALING_KEY\" }]"])]
#[case::text_for_a_list("[\"wiki.example.com\"]", "\"wiki.example.com\"", &["`hosts` is a list in brackets, but this is a string", "write hosts = [\"wiki.example.com\"]"])]
#[case::text_for_tables("[storage]", "trusted_proxies = \"10.0.0.0/8\"\n[storage]", &["`trusted_proxies` is a list of tables", "[[server.trusted_proxies]]"])]
#[case::authority_missing("client_id", "ca_file = \"not-there.pem\"\nclient_id", &["the file `not-there.pem` of `ca_file` cannot be read: No such file", "relative paths begin at the folder of this file"])]
#[case::authority_empty("client_id", "ca_file = \"empty\"\nclient_id", &["there is no certificate in `empty`", "begins with -----BEGIN CERTIFICATE-----"])]
#[case::authority_broken("client_id", "ca_file = \"broken.pem\"\nclient_id", &["certificate 1 in `broken.pem` cannot be used as an authority", "export it anew"])]
#[case::authority_is_a_folder("client_id", "ca_file = \".\"\nclient_id", &["the file `.` of `ca_file` cannot be read: Is a directory"])]
#[case::no_database("doorward.db", "text", &["`text` is there and is not an SQLite database", "name another file"])]
fn what_is_wrong_comes_with_what_to_do(
    #[case] from: &str,
    #[case] to: &str,
    #[case] expected: &[&str],
) {
    assert!(CONFIGURATION.contains(from));
    let (status, text) = said("check", CONFIGURATION.replacen(from, to, 1).as_bytes());
    assert_eq!(status, Some(2), "{text}");
    for expected in expected {
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(text.matches("error: ").count(), 1, "{text}");
    assert!(text.contains("= help: "), "{text}");
}

#[rstest]
#[case::latin_1(
    b"[server]\nname = \"Z\xfcrich\"\n",
    "line 2, column 10 is not UTF-8",
    "save it as UTF-8"
)]
#[case::utf_16(b"\xff\xfe[\0s\0", "it is UTF-16", "save it as UTF-8")]
fn a_file_that_is_no_text_is_told(#[case] bytes: &[u8], #[case] why: &str, #[case] help: &str) {
    let (status, text) = said("check", bytes);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains(why) && text.contains(help), "{text}");
}

#[rstest]
#[case::gone(
    "gone.toml",
    "No such file",
    "put it there, or name another file with --config"
)]
#[case::folder(".", "it is a folder", "name the file in it: --config ./doorward.toml")]
fn a_file_that_is_none_is_told(#[case] name: &str, #[case] why: &str, #[case] help: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let done = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(["check", "--config", name])
        .current_dir(folder.path())
        .output()
        .expect("the program");
    let text = String::from_utf8(done.stderr).expect("text");
    assert_eq!(done.status.code(), Some(2), "{text}");
    assert!(text.contains(why) && text.contains(help), "{text}");
}

/// 192.0.2.1 is nobody's (RFC 5737).
#[test]
fn an_address_that_cannot_be_listened_on_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let cases = [
        (
            &*taken,
            "is in use by another program",
            "`listen` in [server]",
        ),
        (
            "192.0.2.1:4180",
            "this machine does not have the address 192.0.2.1",
            "0.0.0.0",
        ),
    ];
    for (listen, why, help) in cases {
        let (status, text) = said(
            "serve",
            CONFIGURATION.replace("127.0.0.1:0", listen).as_bytes(),
        );
        assert_eq!(status, Some(1), "{text}");
        assert!(text.contains(why) && text.contains(help), "{text}");
    }
}

/// A rule that asks for what no provider tells lets nobody in. It may be about to be mended: no fault.
#[test]
fn groups_that_nobody_can_have_are_a_warning() {
    let google = CONFIGURATION
        .replace("\"oidc\"", "\"google\"\nhosted_domains = \"any\"")
        .replace(
            "issuer = \"https://sso.example.com\"",
            "client_secret = { env = \"SEALING_KEY\" }",
        )
        .replace("signed_in = true", "groups = [\"staff\"]");
    let (status, text) = said("check", google.as_bytes());
    assert_eq!(status, Some(0), "{text}");
    let expected = "warning: nobody can pass this rule of app `wiki`: it asks for groups, and `main` tells none";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("doorward.toml:23:9"), "{text}");
    let (status, text) = said(
        "check",
        CONFIGURATION
            .replace("signed_in = true", "groups = [\"staff\"]")
            .as_bytes(),
    );
    assert_eq!((status, &*text), (Some(0), ""));
}
