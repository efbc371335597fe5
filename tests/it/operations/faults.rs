//! What the program says of a configuration that is wrong.

use std::path::Path;
use std::process::{Command, Output};

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
