//! The rules of direction in `ARCHITECTURE.md`, read from the paths that the source names.
//!
//! What counts is code: comments, texts in quotes and tests are taken out first. A path is followed wherever it
//! stands (`use`, an expression, inside a macro), and `super` is resolved from the file's own place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder or file of `src/`, and what of ours it may use. Itself is always allowed.
const DIRECTION: &[(&str, &[&str])] = &[
    // These five are the crate without the feature `server`.
    ("domain", &[]),
    ("ports", &[]),
    ("outbound", &["domain", "ports"]),
    ("jose", &["domain", "ports", "outbound"]),
    ("api", &["domain", "ports", "outbound", "jose"]),
    ("config", &["domain", "ports"]),
    ("telemetry", &["domain", "ports", "config"]),
    ("storage", &["domain", "ports", "config", "telemetry"]),
    (
        "providers",
        &["domain", "ports", "config", "telemetry", "outbound", "jose"],
    ),
    (
        "tenants",
        &[
            "domain",
            "ports",
            "config",
            "telemetry",
            "outbound",
            "jose",
            "providers",
        ],
    ),
    (
        "relying_party",
        &[
            "domain",
            "ports",
            "config",
            "telemetry",
            "outbound",
            "jose",
            "storage",
            "providers",
            "tenants",
        ],
    ),
    (
        "sessions",
        &["domain", "ports", "config", "telemetry", "storage"],
    ),
    (
        "signing",
        &["domain", "ports", "config", "telemetry", "jose", "storage"],
    ),
    (
        "openid_provider",
        &[
            "domain",
            "ports",
            "config",
            "telemetry",
            "outbound",
            "jose",
            "storage",
            "providers",
            "tenants",
            "signing",
        ],
    ),
    (
        "access",
        &[
            "domain",
            "ports",
            "config",
            "telemetry",
            "outbound",
            "jose",
            "storage",
            "providers",
            "tenants",
            "sessions",
            "signing",
        ],
    ),
    ("views", &["domain"]),
    (
        "web",
        &[
            "domain",
            "ports",
            "config",
            "telemetry",
            "outbound",
            "jose",
            "storage",
            "providers",
            "tenants",
            "relying_party",
            "sessions",
            "signing",
            "access",
            "openid_provider",
            "views",
        ],
    ),
    (
        "cli",
        &[
            "domain",
            "ports",
            "config",
            "telemetry",
            "outbound",
            "jose",
            "storage",
            "providers",
            "tenants",
            "relying_party",
            "sessions",
            "signing",
            "access",
            "openid_provider",
            "views",
            "web",
        ],
    ),
];

/// Crates, and modules of `std`, that live in one place: the beginnings of paths in `src/`.
const HOMES: &[(&str, &[&str])] = &[
    ("axum", &["web", "cli/demo"]),
    // Extractors and layers for other people's servers.
    ("axum_core", &["api"]),
    ("tower_layer", &["api"]),
    ("tower_service", &["api"]),
    // Connections are served by hyper, and the demo's proxy asks the broker as a service.
    // The connectors of the client for apps are services too.
    ("tower", &["web", "cli/demo", "outbound/app_client.rs"]),
    (
        "hyper",
        &[
            "web/connections.rs",
            "web/front.rs",
            "web/silence.rs",
            "web/ext_authz",
            "web/forward",
            "outbound/app_client.rs",
        ],
    ),
    (
        "hyper_util",
        &[
            "web/connections.rs",
            "web/ext_authz",
            "web/forward/tunnel.rs",
            "outbound/app_client.rs",
        ],
    ),
    ("tonic", &["web/ext_authz"]),
    ("tonic_prost", &["web/ext_authz"]),
    ("prost", &["web/ext_authz", "telemetry/traces.rs"]),
    ("hyper_rustls", &["outbound/app_client.rs"]),
    ("tower_http", &["web"]),
    ("cookie", &["web"]),
    ("openidconnect", &["relying_party"]),
    ("oauth2", &["relying_party"]),
    // What the `openidconnect` crate takes for a time.
    ("chrono", &["relying_party"]),
    ("jsonwebtoken", &["jose"]),
    (
        "aws_lc_rs",
        &[
            "jose",
            "storage/sealing.rs",
            "domain/handle.rs",
            "ports.rs",
            "config/passwords.rs",
            "access/credentials/memory.rs",
            "cli/demo",
        ],
    ),
    ("sqlx", &["storage"]),
    ("tower_sessions_core", &["sessions"]),
    (
        "moka",
        &[
            "outbound",
            "jose",
            "sessions",
            "access/limiter.rs",
            "access/credentials",
        ],
    ),
    ("argon2", &["config/passwords.rs"]),
    ("bcrypt", &["config/passwords.rs"]),
    ("governor", &["access/limiter.rs"]),
    ("reqwest", &["outbound"]),
    // A certificate is judged where it is configured, or with its key, and shown where connections begin.
    (
        "rustls",
        &[
            "outbound",
            "config/tls.rs",
            "web/tls.rs",
            "jose/client_key.rs",
        ],
    ),
    ("tokio_rustls", &["web/tls.rs", "web/front.rs"]),
    ("rustls_native_certs", &["outbound"]),
    // A file of authorities is read when it is configured.
    (
        "rustls_pki_types",
        &[
            "outbound",
            "config/client_authentication.rs",
            "config/tls.rs",
            "jose/client_key.rs",
        ],
    ),
    ("webpki_roots", &["outbound"]),
    ("arc_swap", &["tenants"]),
    ("minijinja", &["views"]),
    ("rust_embed", &["views", "providers"]),
    ("toml", &["config"]),
    ("humantime", &["config"]),
    ("strsim", &["config"]),
    ("cel", &["config/expressions"]),
    ("addr", &["config/parent_cookie.rs"]),
    // A counter is kept where it is used on every request, a handle where it is shown.
    (
        "metrics",
        &["telemetry", "access/verdict.rs", "access/credentials"],
    ),
    ("metrics_exporter_prometheus", &["telemetry", "web/door.rs"]),
    ("opentelemetry", &["telemetry/traces.rs"]),
    ("opentelemetry_proto", &["telemetry/traces.rs"]),
    ("opentelemetry_sdk", &["telemetry/traces.rs"]),
    (
        "tracing_opentelemetry",
        &["telemetry/traces.rs", "telemetry/logging.rs"],
    ),
    // The level is checked as it will be read.
    ("tracing_subscriber", &["telemetry", "config/logging.rs"]),
    ("clap", &["cli"]),
    ("anyhow", &["cli"]),
    ("tempfile", &["cli/demo"]),
    ("std::env", &["config"]),
    ("std::process", &["cli", "main.rs"]),
];

/// Crates that are vocabulary: types and formats that any room may speak.
const ANYWHERE: &[&str] = &[
    "async_trait",
    "base64",
    "bytes",
    "http",
    "http_body_util",
    "idna",
    "ipnet",
    "percent_encoding",
    "secrecy",
    "serde",
    "serde_json",
    "subtle",
    "thiserror",
    "time",
    "tokio",
    "tracing",
    "url",
];

/// Lines of a file without its tests.
const LONGEST: usize = 500;

/// Files that are longer, and why.
const LONGER: &[(&str, usize, &str)] = &[(
    "outbound/document_cache.rs",
    550,
    "one state machine: entries, flights and cool-downs hold each other's invariants",
)];

/// A file of `src/`: its path there, and its code.
struct Source {
    path: String,
    code: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).into()
}

/// All files below `folder`, as paths from it.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Every file of `src/` that is compiled into the program.
fn sources() -> Vec<Source> {
    let folder = root().join("src");
    let files: BTreeMap<PathBuf, String> = files_below(&folder)
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a text");
            (path, text)
        })
        .collect();
    let tests: BTreeSet<PathBuf> = files
        .iter()
        .flat_map(|(path, text)| {
            let parent = path.parent().expect("a folder").to_owned();
            test_modules(text).map(move |name| parent.join(format!("{name}.rs")))
        })
        .collect();
    files
        .into_iter()
        .filter(|(path, _)| !tests.contains(path))
        .map(|(path, text)| Source {
            path: path
                .strip_prefix(&folder)
                .expect("below src")
                .to_str()
                .expect("a plain name")
                .to_owned(),
            code: bare(without_tests(&text)),
        })
        .collect()
}

/// `mod name;` under `#[cfg(test)]`.
fn test_modules(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[cfg(test)]\n").skip(1).filter_map(|after| {
        let line = after.lines().next()?;
        let (_, name) = line.strip_suffix(';')?.split_once("mod ")?;
        Some(name)
    })
}

/// What stands before the tests, which come last in a file.
fn without_tests(text: &str) -> &str {
    text.split_once("#[cfg(test)]\nmod tests {")
        .map_or(text, |(code, _)| code)
}

/// Without comments and without what stands in quotes. Lines stay lines.
fn bare(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(hashes) = raw_string(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let begin = hashes + 2;
            begin + rest[begin..].find(&end).expect("an end") + end.len()
        } else if first == '"' {
            1 + end_of_string(&rest[1..])
        } else if let Some(length) = character(rest) {
            length
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.extend(rest[..length].chars().filter(|c| *c == '\n'));
        // A place holder, so that what is on both sides does not become one word.
        code.push(' ');
        rest = &rest[length..];
    }
    code
}

/// The number of `#` of a raw string that begins here.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (position, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return position + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character in quotes, which may be a quote; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let mut rest = text.strip_prefix('\'')?.char_indices();
    let (_, first) = rest.next()?;
    if first == '\\' {
        return text[2..]
            .char_indices()
            .skip(1)
            .find(|(_, c)| *c == '\'')
            .map(|(at, _)| at + 3);
    }
    let (at, second) = rest.next()?;
    (second == '\'').then_some(at + 2)
}

/// Each path in `code`, as its segments: `use a::{b, c::d}` gives `a b` and `a c d`.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut words = words(code).into_iter().peekable();
    // Before each brace of a group: what was read of the path so far.
    let mut groups: Vec<Option<Vec<String>>> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "::" => {
                if words.peek().is_some_and(|next| next == "{") {
                    words.next();
                    groups.push(Some(std::mem::take(&mut path)));
                    path = groups.last().cloned().flatten().unwrap_or_default();
                }
            }
            "{" => {
                finish(&mut path, &mut found);
                groups.push(None);
            }
            "}" => {
                finish(&mut path, &mut found);
                groups.pop();
            }
            "," => {
                finish(&mut path, &mut found);
                path = groups.last().cloned().flatten().unwrap_or_default();
            }
            name if is_name(name) => {
                path.push(word);
                if words.peek().is_none_or(|next| next != "::") {
                    finish(&mut path, &mut found);
                }
            }
            _ => finish(&mut path, &mut found),
        }
    }
    found
}

fn finish(path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    if !path.is_empty() {
        found.push(std::mem::take(path));
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::`, and every other character that is not white space.
fn words(code: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("::") {
            2
        } else if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        words.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    words
}

/// The folder or file of `src/` that a file is in.
fn room(path: &str) -> &str {
    path.split_once('/')
        .map_or(path.trim_end_matches(".rs"), |(room, _)| room)
}

/// The modules of a file, from the crate's root: `["web", "login"]`.
fn place(path: &str) -> Vec<&str> {
    let mut place: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    if place.last() == Some(&"mod") || place == ["lib"] {
        place.pop();
    }
    place
}

/// The room of ours that a path leads to, if it begins with `crate` or `super`.
fn ours(path: &[String], place: &[&str]) -> Option<String> {
    let ups = path
        .iter()
        .take_while(|segment| *segment == "super")
        .count();
    match path.first().map(String::as_str) {
        Some("crate") => path.get(1).cloned(),
        // Up to the root: the next segment is a room. Elsewhere it stays in its own.
        Some("super") if ups >= place.len() => path.get(ups).cloned(),
        _ => None,
    }
}

/// What breaks the rules of direction.
fn wrong_ways(sources: &[Source]) -> Vec<String> {
    let rules: BTreeMap<&str, &[&str]> = DIRECTION.iter().copied().collect();
    let mut wrong = BTreeSet::new();
    for source in sources {
        let Some(allowed) = rules.get(room(&source.path)) else {
            continue;
        };
        let place = place(&source.path);
        for path in paths(&source.code) {
            let Some(used) = ours(&path, &place) else {
                continue;
            };
            let known = rules.contains_key(used.as_str());
            if known && used != room(&source.path) && !allowed.contains(&used.as_str()) {
                wrong.insert(format!("src/{} uses {used}", source.path));
            }
        }
    }
    wrong.into_iter().collect()
}

/// Crates that are used outside of their homes.
fn strays(sources: &[Source]) -> Vec<String> {
    let mut strays = BTreeSet::new();
    for source in sources {
        for name in crates_of(&source.code) {
            let home = HOMES.iter().find(|(other, _)| *other == name);
            let at_home = home.is_none_or(|(_, homes)| {
                homes.iter().any(|home| {
                    source.path == *home || source.path.starts_with(&format!("{home}/"))
                })
            });
            if !at_home {
                strays.insert(format!("src/{} uses {name}", source.path));
            }
        }
    }
    strays.into_iter().collect()
}

/// What the paths in `code` begin with: a crate, or `std::` and a module.
fn crates_of(code: &str) -> BTreeSet<String> {
    paths(code)
        .into_iter()
        .filter_map(|path| match path.as_slice() {
            [std, module, ..] if std == "std" => Some(format!("std::{module}")),
            [first, _, ..] => Some(first.clone()),
            _ => None,
        })
        .collect()
}

/// What [`strays`] and [`wrong_ways`] have to find, in a file of one line.
fn one(path: &str, code: &str) -> Vec<Source> {
    vec![Source {
        path: path.to_owned(),
        code: bare(without_tests(code)),
    }]
}

#[test]
fn no_room_uses_one_that_comes_after_it() {
    assert_eq!(wrong_ways(&sources()), Vec::<String>::new());
}

#[test]
fn a_crate_stays_in_its_home() {
    assert_eq!(strays(&sources()), Vec::<String>::new());
}

#[rstest::rstest]
#[case::plainly("domain/host.rs", "use crate::config::Config;")]
#[case::in_a_group(
    "relying_party/mod.rs",
    "use crate::{domain::ids, sessions::{Sessions, live}};"
)]
#[case::in_an_expression("storage/mod.rs", "fn f() { crate::web::router(1) }")]
#[case::in_a_macro("views/mod.rs", "tracing::info!(x = crate::ports::now());")]
#[case::upwards("outbound/tls.rs", "use super::super::config::Server;")]
#[case::upwards_from_a_folder("domain/mod.rs", "use super::storage::Store;")]
#[case::renamed("access/check.rs", "pub(crate) use crate::web as pages;")]
#[case::after_quotes(
    "domain/host.rs",
    "const Q: char = '\"'; const R: &str = r#\"\"#; use crate::web;"
)]
#[case::one_use_case_another("relying_party/mod.rs", "use crate::access::Gate;")]
fn a_wrong_way_is_found(#[case] path: &str, #[case] code: &str) {
    assert_eq!(wrong_ways(&one(path, code)).len(), 1, "{code}");
}

#[rstest::rstest]
#[case::itself("web/login.rs", "use super::visit::Visit; use crate::web::Door;")]
#[case::allowed("access/check.rs", "use crate::sessions::AppSessions;")]
#[case::in_a_comment("domain/host.rs", "//! [`crate::web`]\n// crate::web::x")]
#[case::in_quotes(
    "domain/host.rs",
    "const A: &str = \"\\\"crate::web\"; const B: &str = r#\"\"crate::web\"#;"
)]
#[case::in_tests("domain/host.rs", "#[cfg(test)]\nmod tests { use crate::web::Door; }")]
#[case::a_neighbour_of_that_name("domain/identity.rs", "use super::config::Thing;")]
fn a_right_way_is_none(#[case] path: &str, #[case] code: &str) {
    assert_eq!(wrong_ways(&one(path, code)), Vec::<String>::new(), "{code}");
}

#[rstest::rstest]
#[case::axum("access/check.rs", "use axum::http::StatusCode;", true)]
#[case::axum_at_home("cli/demo/apps.rs", "use axum::Router;", false)]
#[case::sql("sessions/live.rs", "let x = sqlx::query(\"\");", true)]
#[case::environment("cli/serve.rs", "let home = std::env::var(\"HOME\");", true)]
#[case::environment_by_name("cli/serve.rs", "use std::{env, fmt};", true)]
#[case::a_file_as_home("domain/handle.rs", "use aws_lc_rs::digest;", false)]
#[case::beside_that_file("domain/host.rs", "use aws_lc_rs::digest;", true)]
#[case::a_module_of_that_name("web/login.rs", "use crate::telemetry::metrics::count_login;", false)]
fn a_stray_crate_is_found(#[case] path: &str, #[case] code: &str, #[case] expected: bool) {
    assert_eq!(!strays(&one(path, code)).is_empty(), expected, "{code}");
}

/// A new dependency has to be given a home, or be called vocabulary, by somebody who thought about it; and no
/// home is kept for one that has gone.
#[test]
fn every_dependency_has_a_place() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let dependencies: BTreeSet<String> = manifest["dependencies"]
        .as_table()
        .expect("a table")
        .keys()
        .map(|name| name.replace('-', "_"))
        .collect();
    let homes = HOMES.iter().map(|(name, _)| *name);
    let placed: BTreeSet<String> = homes
        .filter(|name| !name.starts_with("std::"))
        .chain(ANYWHERE.iter().copied())
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(dependencies, placed);
}

#[test]
fn no_home_stands_empty() {
    let sources = sources();
    for (name, homes) in HOMES {
        for home in *homes {
            let used = sources.iter().any(|source| {
                (source.path == *home || source.path.starts_with(&format!("{home}/")))
                    && crates_of(&source.code).contains(*name)
            });
            assert!(
                used,
                "{name} is not used in {home} any more: take it off the list"
            );
        }
    }
}

#[test]
fn no_file_is_longer_than_one_can_read() {
    for source in sources() {
        let lines = source.code.lines().count();
        let longest = LONGER
            .iter()
            .find(|(path, ..)| *path == source.path)
            .map_or(LONGEST, |(_, longest, _)| *longest);
        assert!(
            lines <= longest,
            "src/{} has {lines} lines without its tests: split it by thought, or name a reason here",
            source.path
        );
    }
}

/// The map in `ARCHITECTURE.md` and the folders are the same, and the map follows the rules' order.
#[test]
fn the_map_shows_what_is_there() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page");
    let (_, map) = page.split_once("```text\nsrc/\n").expect("a map");
    let (map, _) = map.split_once("```").expect("its end");
    let shown: BTreeSet<String> = map
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .map(|name| name.trim_end_matches('/').to_owned())
        .collect();
    let there: BTreeSet<String> = fs::read_dir(root().join("src"))
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    assert_eq!(shown, there);
    let ruled: BTreeSet<String> = DIRECTION
        .iter()
        .map(|(room, _)| (*room).to_owned())
        .collect();
    let rooms: BTreeSet<String> = there
        .iter()
        .map(|name| name.trim_end_matches(".rs").to_owned())
        .filter(|name| name != "main" && name != "lib")
        .collect();
    assert_eq!(ruled, rooms, "each room has its rule, each rule its room");
}

/// `path.rs::name` in `ARCHITECTURE.md` is a function, type or constant of that file.
#[test]
fn the_walks_lead_somewhere() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page");
    let mut steps = 0;
    for step in page.split('`').skip(1).step_by(2) {
        let Some((path, name)) = step.split_once(".rs::") else {
            continue;
        };
        let text = fs::read_to_string(root().join(format!("src/{path}.rs")))
            .unwrap_or_else(|error| panic!("{step}: {error}"));
        let defined = ["fn ", "struct ", "enum ", "trait ", "const "]
            .iter()
            .any(|kind| {
                text.split(&format!("{kind}{name}"))
                    .skip(1)
                    .any(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            });
        assert!(defined, "{step} is not there");
        steps += 1;
    }
    assert!(
        steps > 20,
        "the walks are written as `web/router.rs::router`"
    );
}
