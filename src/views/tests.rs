//! Every template with every sample, and with what nobody should send.

use std::fs;
use std::path::Path;

use rstest::rstest;
use serde_json::Value as Json;

use super::*;

fn views() -> Views {
    Views::new(None).expect("the templates of the binary")
}

/// Every page with every sample in both surroundings: name, HTML.
fn every_page() -> Vec<(String, String)> {
    let views = views();
    let mut all = Vec::new();
    for (template, sample, page) in page_samples() {
        for (look, chrome) in [
            ("acme", samples::acme()),
            ("long", samples::landkreis()),
            ("bare", Chrome::bare("c2FtcGxl")),
        ] {
            let html = views
                .render_value(template, page.clone(), &chrome)
                .unwrap_or_else(|error| panic!("{template} with {sample}: {error:#}"));
            let page = template.replace('/', "-").replace(".html", "");
            all.push((format!("{page}--{sample}--{look}"), html));
        }
    }
    all
}

/// Leaves the pages beside the test's binary, for somebody to look at.
#[test]
fn every_page_renders_with_every_sample() {
    let binary = std::env::current_exe().expect("a path");
    let folder = binary.ancestors().nth(2).expect("a folder").join("pages");
    fs::create_dir_all(&folder).expect("a folder");
    for (name, html) in every_page() {
        fs::write(folder.join(format!("{name}.html")), html).expect("written");
    }
}

#[test]
fn every_page_says_where_one_is_to_a_screen_reader_too() {
    for (name, html) in every_page() {
        for once in [
            "<html lang=\"",
            "<title>",
            "<main",
            "<h1",
            "<meta name=\"viewport\"",
        ] {
            assert_eq!(html.matches(once).count(), 1, "{once} in {name}");
        }
        let title =
            &html[html.find("<title>").expect("one") + 7..html.find("</title>").expect("one")];
        assert!(title.trim().len() > 5, "{name} is called {title:?}");
    }
}

#[test]
fn every_page_speaks_plainly() {
    for (name, html) in every_page() {
        let body = html
            .split("</style>")
            .last()
            .expect("a body")
            .to_lowercase();
        for word in ["!", "please", "oops", "sorry"] {
            assert!(!body.contains(word), "{word:?} in {name}");
        }
    }
}

#[test]
fn a38_templates_fetch_nothing_and_run_nothing() {
    for (name, source) in templates::embedded_sources() {
        for forbidden in [
            "<script",
            "javascript:",
            " src=",
            " srcset=",
            "@import",
            "url(",
            "<iframe",
            "<object",
            "<base",
            "http-equiv",
            " style=",
            "autoescape",
            "|safe",
            "| safe",
            " on",
        ] {
            let found = source.match_indices(forbidden).find(|(at, _)| {
                // ` on` is about handlers such as ` onload=`, not about the word.
                forbidden != " on" || {
                    let rest = &source[at + 1..];
                    rest.find(|c: char| !c.is_ascii_alphabetic())
                        .is_some_and(|end| end > 2 && rest[end..].starts_with('='))
                }
            });
            assert_eq!(found, None, "{forbidden} in {name}");
        }
        for attribute in [" href=\"", " action=\"", " formaction=\""] {
            for (at, _) in source.match_indices(attribute) {
                let value = source[at + attribute.len()..]
                    .split('"')
                    .next()
                    .unwrap_or_default();
                let checked = value.starts_with("{{ ") && value.ends_with("|address }}");
                let icon = value.starts_with("data:image/svg+xml,{{ ");
                assert!(checked || icon, "{attribute}{value} in {name}");
            }
        }
        assert!(
            name == templates::STYLE
                || !source.contains("<form")
                || source.contains("method=\"post\""),
            "{name} has a form that is not posted"
        );
    }
}

/// The words by which a template chooses between sentences. They are enums, nobody else's text.
const WORDS: [&str; 3] = ["class", "because", "kind"];

fn is_address(key: &str) -> bool {
    ["href", "action"].iter().any(|end| key.ends_with(end))
}

/// `page` with `text` as each of its texts, and `https://x/{text}` as each of its addresses.
fn filled(page: &Json, key: &str, text: &str) -> Json {
    match page {
        Json::String(_) if WORDS.contains(&key) => page.clone(),
        Json::String(_) if is_address(key) => format!("https://x/{text}").into(),
        Json::String(_) => text.into(),
        Json::Array(items) => items.iter().map(|item| filled(item, key, text)).collect(),
        Json::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), filled(value, key, text)))
            .collect(),
        _ => page.clone(),
    }
}

fn json(value: &Value) -> Json {
    serde_json::to_value(value).expect("contexts are plain")
}

/// By hand, so that the engine is not its own witness.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#x27;")
        .replace('/', "&#x2f;")
}

#[rstest]
#[case::element("x\"><script>alert(1)</script>")]
#[case::end_of_title("x</title><svg/onload=alert(1)>")]
#[case::end_of_style("x</style><script>alert(1)</script>")]
#[case::double_quote("x\" onfocus=alert(1) autofocus=\"")]
#[case::single_quote("x' onfocus=alert(1) autofocus='")]
#[case::comment("x--><!--")]
#[case::entity("x&#x22;&gt;&quot;")]
#[case::template("x{{ 7*7 }}{% raw %}{#")]
#[case::backquote("x`-alert(1)-`")]
fn a38_a_hostile_text_changes_nothing_but_itself(#[case] hostile: &str) {
    let views = views();
    let chrome = |name: &str| Chrome {
        tenant: Some(TenantChrome::new(name, None)),
        style_nonce: name.to_owned(),
        language: name.to_owned(),
    };
    for (template, sample, page) in page_samples() {
        let page = json(&page);
        let with = |text: &str| {
            let page = Value::from(Serde(filled(&page, "", text)));
            views
                .render_value(template, page, &chrome(text))
                .unwrap_or_else(|error| panic!("{template} with {sample}: {error:#}"))
        };
        let harmless = "xharmlessx";
        assert_eq!(
            with(hostile).replace(&escaped(hostile), harmless),
            with(harmless),
            "{template} with {sample}"
        );
    }
}

/// Calls `with` for each address in `page`, replaced by `address`; the others stay.
fn with_each_address(page: &Json, address: &str, with: &mut dyn FnMut(&Json)) {
    fn pointers(value: &Json, key: &str, at: &str, found: &mut Vec<String>) {
        match value {
            Json::String(_) if is_address(key) => found.push(at.to_owned()),
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    pointers(item, key, &format!("{at}/{index}"), found);
                }
            }
            Json::Object(fields) => {
                for (key, value) in fields {
                    pointers(value, key, &format!("{at}/{key}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    pointers(page, "", "", &mut found);
    for pointer in found {
        let mut page = page.clone();
        *page.pointer_mut(&pointer).expect("just found") = address.into();
        with(&page);
    }
}

#[test]
fn a38_no_page_links_to_a_script() {
    let views = views();
    let mut refused = 0;
    for (template, sample, page) in page_samples() {
        with_each_address(&json(&page), "javascript:alert(1)", &mut |page| {
            let page = Value::from(Serde(page));
            match views.render_value(template, page, &samples::acme()) {
                Ok(html) => assert!(!html.contains("javascript:"), "{template} with {sample}"),
                Err(_) => refused += 1,
            }
        });
    }
    assert!(refused > 100, "only {refused} addresses were shown at all");
}

#[test]
fn a38_a_providers_own_words_are_not_repeated() {
    let stamp = RequestStamp {
        id: "r1",
        at: time::macros::datetime!(2027-01-15 08:00 UTC),
    };
    for error in [
        "<b>call 0900</b>",
        "your_account_is_locked",
        "",
        "access_denied ",
    ] {
        let page = ErrorPage::provider_refused(stamp, "Google", error, "/login");
        assert_eq!(page.incident.code, "provider_error");
        let html = views().render(&page, &samples::acme()).expect("a page");
        assert!(error.trim().is_empty() || !html.contains("0900") && !html.contains("locked"));
    }
}

#[test]
fn the_style_carries_the_nonce_of_its_response() {
    for (name, html) in every_page() {
        assert_eq!(html.matches("<style").count(), 1, "{name}");
        assert!(html.contains("<style nonce=\"c2FtcGxl\">"), "{name}");
    }
    let chrome = Chrome::bare("b3RoZXI=");
    let [(_, page)] = <[_; 1]>::try_from(
        <ErrorPage as samples::Samples>::samples()
            .into_iter()
            .take(1)
            .collect::<Vec<_>>(),
    )
    .expect("one");
    let html = views().render(&page, &chrome).expect("a page");
    assert!(html.contains("<style nonce=\"b3RoZXI=\">"));
}

#[test]
fn the_policy_allows_what_the_pages_have() {
    assert_eq!(
        content_security_policy("n", &["https://login.example.com"]),
        "default-src 'none'; style-src 'nonce-n'; img-src data:; base-uri 'none'; \
         frame-ancestors 'none'; form-action 'self' https://login.example.com"
    );
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, content).expect("written");
    }
    folder
}

#[test]
fn a_folder_replaces_templates_one_by_one() {
    let folder = folder(&[
        (
            "pages/sign_out.html",
            b"{% include \"components/logo.html\" %}{{ page.account.id }}",
        ),
        ("components/logo.html", b"<b>Our logo</b>"),
        (".swp", b"\xff"),
        ("..data/pages/nonsense.html", b"{{"),
    ]);
    let views = Views::new(Some(folder.path())).expect("they fit");
    let (_, page) = <SignOutPage as samples::Samples>::samples()
        .into_iter()
        .next()
        .expect("one");
    let html = views.render(&page, &samples::acme()).expect("a page");
    assert_eq!(html, "<b>Our logo</b>ada@acme.example");
    let (_, page) = <SignedOutPage as samples::Samples>::samples()
        .into_iter()
        .next()
        .expect("one");
    let html = views.render(&page, &samples::acme()).expect("a page");
    assert!(html.contains("<h1>You are signed out</h1>"));
}

#[test]
fn a38_a_replaced_template_escapes_too() {
    let folder = folder(&[("pages/sign_out.html", b"{{ page.account.id }}")]);
    let views = Views::new(Some(folder.path())).expect("it fits");
    let (_, mut page) = <SignOutPage as samples::Samples>::samples()
        .into_iter()
        .next()
        .expect("one");
    page.account = Account::new(None, "<script>");
    let html = views.render(&page, &samples::acme()).expect("a page");
    assert_eq!(html, "&lt;script&gt;");
}

#[rstest]
#[case::misspelt("pages/signin.html", b"x", "replaces no template")]
#[case::syntax("pages/error.html", b"<p>\n{% if %}", "is not a template")]
#[case::unknown_field("pages/error.html", b"{{ page.titel }}", "does not fit its page")]
#[case::printed_absence("pages/error.html", b"{{ page.contact }}", "does not fit its page")]
#[case::unescaped("pages/error.html", b"{{ page.title|safe }}", "filter safe is unknown")]
#[case::not_text("pages/error.html", b"\xff\xfe", "cannot read")]
fn a_replaced_template_with_a_fault_stops_the_start(
    #[case] name: &str,
    #[case] content: &[u8],
    #[case] says: &str,
) {
    let folder = folder(&[(name, content)]);
    let fault = Views::new(Some(folder.path()))
        .expect_err("a fault")
        .to_string();
    assert!(fault.contains(says) && fault.contains(name), "{fault}");
}

#[test]
fn a_folder_that_is_not_there_stops_the_start() {
    let fault = Views::new(Some(Path::new("/does/not/exist"))).expect_err("a fault");
    assert!(matches!(fault, ViewsFault::Unreadable { .. }), "{fault}");
}
