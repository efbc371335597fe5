//! The seeds of `tests/fuzz`, by the same properties: those whose name begins with `good` are accepted, the others are
//! refused.

#[path = "../fuzz/properties.rs"]
mod properties;

use std::path::Path;

use rstest::rstest;

#[rstest]
#[case::bearer("bearer", properties::bearer)]
#[case::key_set("key_set", properties::key_set)]
#[case::metadata("metadata", properties::metadata)]
#[case::headers("headers", properties::headers)]
#[case::form("form", properties::form)]
fn what_was_fuzzed_holds(#[case] target: &str, #[case] holds: fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(target);
    let (mut good, mut bad) = (0, 0);
    for seed in std::fs::read_dir(folder).expect("a folder") {
        let seed = seed.expect("a seed").path();
        let name = seed.file_name().expect("a name").to_string_lossy();
        let accepted = holds(&std::fs::read(&seed).expect("bytes"));
        assert_eq!(accepted, name.starts_with("good"), "{target}/{name}");
        if accepted {
            good += 1;
        } else {
            bad += 1;
        }
    }
    assert!(good >= 3 && bad >= 3, "{good} good, {bad} bad");
}
