//! The documents say what is: what can be read from the code is compared with it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use doorward::config::{self, Config};
use doorward::providers::Presets;
use doorward::tenants::Directory;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).into()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Markdown page that people are led to.
fn pages() -> Vec<String> {
    let mut pages = vec![
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "tests/e2e/README.md",
    ]
    .into_iter()
    .map(ToOwned::to_owned)
    .collect();
    below("docs", "md", &mut pages);
    pages
}

fn below(folder: &str, extension: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root().join(folder)).expect("a folder") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a name");
        let path = format!("{folder}/{name}");
        if root().join(&path).is_dir() {
            below(&path, extension, found);
        } else if name.ends_with(&format!(".{extension}")) {
            found.push(path);
        }
    }
}

/// The blocks of `page` in one language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(&*fence)
        .skip(1)
        .map(|after| after.split_once("```").expect("its end").0)
        .collect()
}

fn all_code() -> String {
    let mut files = Vec::new();
    below("src", "rs", &mut files);
    files.iter().map(|path| read(path)).collect()
}

/// What stands between each `before` and the next `after`.
fn between<'a>(text: &'a str, before: &str, after: char) -> BTreeSet<&'a str> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split(after).next())
        .collect()
}

/// The configuration of the README, in a folder that has what its steps make.
fn readme_configuration() -> (Config, Directory) {
    let page = read("README.md");
    let folder = tempfile::tempdir().expect("a folder");
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
    fs::write(folder.path().join("sealing-key"), key).expect("a file");
    fs::write(folder.path().join("client-secret"), "secret\n").expect("a file");
    let file = folder.path().join("doorward.toml");
    let text = blocks(&page, "toml")[0];
    let config = config::parse(text, &file, &config::SystemEnvironment)
        .unwrap_or_else(|faults| panic!("{}", faults.render(config::Style::Plain)));
    let presets = Presets::load(None).expect("presets");
    let directory = Directory::build(&config, &presets, 1)
        .unwrap_or_else(|faults| panic!("{}", faults.render(config::Style::Plain)));
    (config, directory)
}

#[test]
fn the_readmes_configuration_is_right() {
    let (config, directory) = readme_configuration();
    assert_eq!(config.warnings.len(), 0);
    let tenant = &directory.tenants()[0];
    let page = read("README.md");
    for address in [
        tenant.base.redirect_uri(&tenant.providers[0].id),
        tenant.base.address("/signed-out"),
    ] {
        assert!(
            page.contains(&address),
            "the README says to register {address}"
        );
    }
}

/// The block of each provider's page as it stands, and the lines that can be put into its place.
#[test]
fn the_providers_pages_are_right() {
    let presets = Presets::load(None).expect("presets");
    // As `openssl req` makes them.
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key");
    let params = rcgen::CertificateParams::new(Vec::new()).expect("names");
    let certificate = params.self_signed(&key).expect("a certificate");
    for (page, sign_out) in [
        ("entra", true),
        ("entra_external_id", true),
        ("azure_b2c", true),
        ("google", false),
        ("auth0", true),
        ("cognito", true),
        ("github", false),
        ("firebase", false),
        ("okta", true),
        ("keycloak", true),
    ] {
        let text = read(&format!("docs/providers/{page}.md"));
        let blocks = blocks(&text, "toml");
        let (block, more) = blocks.split_first().expect("a block");
        for more in std::iter::once(&"").chain(more) {
            let replaced = |line: &&str| {
                let key = line.split(" = ").next().expect("a key");
                let gives = |key: &str| {
                    let begin = format!("{key} = ");
                    more.lines().any(|own| own.trim_start().starts_with(&begin))
                };
                !key.is_empty() && gives(key) || key == "client_secret" && gives("private_key")
            };
            let block: Vec<&str> = block.lines().filter(|line| !replaced(line)).collect();
            let configuration = format!(
                "[storage]\nsqlite = \"doorward.db\"\nsealing_keys = [{{ env = \"SEAL\" }}]\n\
                 [[tenants]]\nid = \"acme\"\nbase_url = \"https://login.example.com\"\n{}\n{more}",
                block.join("\n")
            );
            let environment = std::collections::BTreeMap::from([(
                "SEAL".to_owned(),
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned(),
            )]);
            let folder = tempfile::tempdir().expect("a folder");
            fs::write(folder.path().join("client-secret"), "secret\n").expect("a file");
            fs::write(folder.path().join("entra-key.pem"), key.serialize_pem()).expect("a file");
            fs::write(folder.path().join("entra.crt"), certificate.pem()).expect("a file");
            let file = folder.path().join("doorward.toml");
            let config = config::parse(&configuration, &file, &environment)
                .unwrap_or_else(|faults| panic!("{page}: {faults}"));
            let directory = Directory::build(&config, &presets, 1)
                .unwrap_or_else(|faults| panic!("{page}: {faults}"));
            let tenant = &directory.tenants()[0];
            let redirect_uri = tenant.base.redirect_uri(&tenant.providers[0].id);
            assert!(text.contains(&redirect_uri), "{page}: {redirect_uri}");
            let signed_out = tenant.base.address("/signed-out");
            assert_eq!(text.contains(&signed_out), sign_out, "{page}: {signed_out}");
        }
    }
}

/// The blocks of the page of the rest, and its table: every preset without a page of its own.
#[test]
fn the_page_of_the_other_providers_is_right() {
    let presets = Presets::load(None).expect("presets");
    let text = read("docs/providers/others.md");
    let pages = [
        "auth0",
        "azure_b2c",
        "cognito",
        "entra",
        "entra_external_id",
        "firebase",
        "github",
        "google",
        "keycloak",
        "okta",
    ];
    let elsewhere = ["oauth2", "oidc"];
    let others = presets
        .names()
        .filter(|name| !pages.contains(name) && !elsewhere.contains(name));
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.collect::<Vec<_>>(), others.collect::<Vec<_>>());
    let environment = std::collections::BTreeMap::from([(
        "SEAL".to_owned(),
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned(),
    )]);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("client-secret"), "secret\n").expect("a file");
    let configuration = format!(
        "[storage]\nsqlite = \"doorward.db\"\nsealing_keys = [{{ env = \"SEAL\" }}]\n\
         [[tenants]]\nid = \"acme\"\nbase_url = \"https://login.example.com\"\n{}",
        blocks(&text, "toml").join("\n")
    );
    let file = folder.path().join("doorward.toml");
    let config = config::parse(&configuration, &file, &environment)
        .unwrap_or_else(|faults| panic!("{faults}"));
    Directory::build(&config, &presets, 1).unwrap_or_else(|faults| panic!("{faults}"));
}

/// Each block of the page of claims, below a provider that knows what it is about.
#[test]
fn the_page_of_claims_is_right() {
    let presets = Presets::load(None).expect("presets");
    let environment = std::collections::BTreeMap::from([(
        "SEAL".to_owned(),
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned(),
    )]);
    for block in blocks(&read("docs/claims.md"), "toml") {
        let entra = "preset = \"entra\"\ntenant = \"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"\n";
        let keycloak = "preset = \"keycloak\"\nurl = \"https://sso.example\"\nrealm = \"main\"\n";
        let preset = if block.contains("guests") || block.starts_with("groups_claim") {
            entra
        } else {
            keycloak
        };
        let own = block.split("# …\n").last().expect("a block");
        let table = if own.starts_with("condition") {
            "[tenants.providers.restrictions]\n"
        } else if own.starts_with("identity_headers") {
            "[[tenants.apps]]\nid = \"wiki\"\nhosts = [\"wiki.example.com\"]\nallow = { signed_in = true }\n"
        } else {
            ""
        };
        let configuration = format!(
            "[storage]\nsqlite = \"doorward.db\"\nsealing_keys = [{{ env = \"SEAL\" }}]\n\
             [[tenants]]\nid = \"acme\"\nbase_url = \"https://login.example.com\"\n\
             [[tenants.providers]]\nid = \"sso\"\n{preset}client_id = \"doorward\"\n\
             client_secret = {{ env = \"SEAL\" }}\n{table}{own}"
        );
        let config = config::parse(&configuration, Path::new("doorward.toml"), &environment)
            .unwrap_or_else(|faults| panic!("{block}\n{faults}"));
        Directory::build(&config, &presets, 1).unwrap_or_else(|faults| panic!("{block}\n{faults}"));
    }
}

/// Words that a preset can use are asked for by name.
#[test]
fn every_word_of_a_preset_is_described() {
    let page = read("docs/providers/presets.md");
    let mut files = Vec::new();
    below("src/providers", "rs", &mut files);
    let mut words = BTreeSet::new();
    for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
        let code = read(file);
        for asked in [
            "get(",
            "require(",
            "required(",
            "flag(",
            "words(",
            "entries(",
            "section, ",
        ] {
            for rest in code.split(asked).skip(1) {
                let word = rest.trim_start().strip_prefix('"');
                let word = word.and_then(|rest| rest.split('"').next());
                words.extend(word.map(ToOwned::to_owned));
            }
        }
    }
    assert!(words.len() > 60, "{words:?}");
    let missing: Vec<_> = words
        .iter()
        .filter(|word| {
            let written = [format!("`{word}`"), format!("[{word}"), format!(".{word}]")];
            let in_braces = [
                format!("{{ {word},"),
                format!(", {word} }}"),
                format!("`{word} ="),
                format!(", {word} ="),
            ];
            !written
                .iter()
                .chain(&in_braces)
                .any(|it| page.contains(it.as_str()))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_readmes_nginx_configuration_is_the_recipe() {
    let recipe = read("docs/proxies/nginx.conf");
    let (_, recipe) = recipe.split_once("\n\n").expect("a heading");
    assert_eq!(blocks(&read("README.md"), "nginx"), [recipe]);
}

/// `docs/configuration.schema.json` is made by the program, and kept here for editors.
#[test]
fn the_published_schema_is_that_of_this_version() {
    let presets = Presets::load(None).expect("presets");
    assert!(
        read("docs/configuration.schema.json") == presets.configuration_schema(),
        "the settings have changed; renew the schema:\n\
         cargo run -- schema > docs/configuration.schema.json"
    );
}

/// What people copy: the examples, and every whole configuration on a page.
#[test]
fn the_examples_fit_the_schema() {
    let schema = serde_json::from_str(&read("docs/configuration.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut examples = Vec::new();
    below("docs/examples", "toml", &mut examples);
    for example in &examples {
        let line = read(example).lines().next().map(ToOwned::to_owned);
        assert_eq!(
            line.as_deref(),
            Some("#:schema ../configuration.schema.json"),
            "{example}"
        );
    }
    let mut texts: Vec<_> = examples
        .iter()
        .map(|path| (path.clone(), read(path)))
        .collect();
    for page in pages() {
        let text = read(&page);
        let whole = blocks(&text, "toml").into_iter();
        let whole =
            whole.filter(|block| block.contains("[storage]") && block.contains("[[tenants]]"));
        texts.extend(whole.map(|block| (page.clone(), block.to_owned())));
    }
    assert!(texts.len() > examples.len(), "the README has one");
    for (place, text) in texts {
        let file: toml::Table = text.parse().expect("TOML");
        let file = serde_json::to_value(file).expect("JSON");
        let faults: Vec<_> = validator
            .iter_errors(&file)
            .map(|it| it.to_string())
            .collect();
        assert_eq!(faults, Vec::<String>::new(), "{place}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        let text = read(&page);
        let folder = root().join(&page);
        let folder = folder.parent().expect("a folder");
        for link in between(&text, "](", ')') {
            if link.contains("://") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() {
                root().join(&page)
            } else {
                folder.join(path)
            };
            assert!(target.exists(), "{page}: {link}");
            if !heading.is_empty() {
                let text = fs::read_to_string(&target).expect("a page");
                assert!(anchors(&text).contains(heading), "{page}: {link}");
            }
        }
    }
}

/// The names under which a page's headings can be linked to.
fn anchors(page: &str) -> BTreeSet<String> {
    page.lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|heading| {
            heading
                .trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

#[test]
fn every_audit_event_is_described_and_no_other() {
    let code = all_code();
    let told = between(&code, "event = \"", '"');
    assert!(told.len() > 10, "{told:?}");
    let page = read("docs/operating.md");
    let (_, table) = page.split_once("| Event | Level |").expect("the table");
    let (table, _) = table.split_once("\n\n").expect("its end");
    let described: BTreeSet<&str> = table
        .lines()
        .skip(2)
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(described, told);
}

#[test]
fn every_metric_is_described_and_no_other() {
    let code = read("src/telemetry/metrics.rs");
    let mut made = between(&code, "counter!(\"", '"');
    made.extend(between(&code, "histogram!(\"", '"'));
    made.extend(between(&code, "gauge!(\"", '"'));
    let page = read("docs/operating.md");
    let described: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.starts_with("doorward_"))
        .collect();
    assert_eq!(described, made);
}

/// `docs/conformance.md` names code and tests: `file.rs::function`, and of a test perhaps one of its cases.
#[test]
fn what_the_page_of_conformance_names_is_there() {
    let page = read("docs/conformance.md");
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split(" | ").collect()).collect();
    let mut tests = 0;
    for row in &rows {
        let [.., place, shown] = row.as_slice() else {
            panic!("four columns: {row:?}");
        };
        if *place == "Where" {
            continue;
        }
        let places = between_quotes(place);
        assert!(!places.is_empty(), "{row:?}");
        for place in places {
            let (file, name) = place.split_once("::").expect("a file and a name");
            let code = read(&format!("src/{file}"));
            assert!(code.contains(&format!("fn {name}(")), "{place}");
        }
        let shown = between_quotes(shown);
        assert!(!shown.is_empty(), "{row:?}");
        for test in shown {
            tests += 1;
            let mut parts = test.split("::");
            let (file, name) = (parts.next().expect("a file"), parts.next());
            let code = read(file);
            let name = name.unwrap_or_else(|| panic!("{test}"));
            let (before, _) = code
                .split_once(&format!("fn {name}("))
                .unwrap_or_else(|| panic!("{test}"));
            // What stands above it, up to the end of what comes before.
            let above = before.rsplit("\n}\n").next().unwrap_or_default();
            let above = above.rsplit("\n    }\n").next().unwrap_or_default();
            assert!(above.contains("test]"), "{test} is no test");
            if let Some(case) = parts.next() {
                assert!(above.contains(&format!("#[case::{case}(")), "{test}");
            }
        }
    }
    assert!(tests > 40, "{tests}");
}

fn between_quotes(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// What oauth2-proxy's options are called here is a setting, or a value that the reference knows.
#[test]
fn the_migration_guide_names_settings_that_exist() {
    let guide = read("docs/migrating-from-oauth2-proxy.md");
    let reference = read("docs/configuration.md");
    for row in guide.lines().filter(|line| line.starts_with("| `--")) {
        let ours = row.split(" | ").nth(1).expect("two columns");
        for word in ours.split('`').skip(1).step_by(2) {
            let setting = word.split(" = ").next().expect("a word").rsplit('.').next();
            let setting = setting.expect("a word").trim_matches(['[', ']', '"']);
            let is_name = setting.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let quoted = format!("`{setting}`");
            let tables = [format!("[{setting}]"), format!(".{setting}]")];
            let known =
                reference.contains(&quoted) || tables.iter().any(|table| reference.contains(table));
            let foreign = [
                "end_session_endpoint",
                "level",
                "format",
                "common",
                "email_verified",
            ];
            if is_name && setting.contains('_') && !foreign.contains(&setting) {
                assert!(known, "{setting}, in: {row}");
            }
        }
    }
}
