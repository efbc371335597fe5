//! Where a person may be sent after signing in or out.
//!
//! Invariant: a [`ReturnTarget`] is an absolute address on a host that the tenant owns. It is parsed by
//! the URL Standard, as browsers do, and what is sent on is the parser's own text, so that nothing can be
//! read differently later.

use url::Url;

use super::host::Host;

/// Of the text, and of what it becomes.
const MAX_BYTES: usize = 4096;

/// An absolute address on an allowed host, without user information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTarget {
    url: Url,
    host: Host,
}

/// Why an address is not returned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReturnTarget {
    /// Too long, or characters that browsers drop or rewrite.
    #[error(
        "the address to return to is longer than 4,096 bytes or has characters that do not belong there"
    )]
    Malformed,
    /// Neither an absolute http(s) address nor a path.
    #[error("the address to return to is neither an https address nor a path")]
    Scheme,
    /// Somebody else's host.
    #[error("the address to return to is on a host that does not belong to this tenant")]
    Host,
}

impl ReturnTarget {
    /// Parses `text`: an absolute address, or a path on `here` (an origin such as
    /// `https://wiki.example.com`). `allowed` says which hosts belong to the tenant; plain http is
    /// accepted only where `here` itself is plain http (development on loopback).
    ///
    /// # Errors
    /// [`InvalidReturnTarget`].
    pub fn parse(
        text: &str,
        here: &Url,
        allowed: impl Fn(&Host) -> bool,
    ) -> Result<Self, InvalidReturnTarget> {
        // What the URL Standard would mend, others read differently: it drops tabs and line breaks and
        // white space at the ends, and takes `\` for `/` up to the query.
        let before_query = text.split(['?', '#']).next().unwrap_or_default();
        let clean = text.len() <= MAX_BYTES
            && text.trim() == text
            && !before_query.contains('\\')
            && !text.chars().any(char::is_control);
        if !clean {
            return Err(InvalidReturnTarget::Malformed);
        }
        let url = if text.starts_with('/') && !text.starts_with("//") {
            here.join(text)
                .map_err(|_| InvalidReturnTarget::Malformed)?
        } else {
            parse_absolute(text)?
        };
        let secure = url.scheme() == "https" || (url.scheme() == "http" && here.scheme() == "http");
        if !secure {
            return Err(InvalidReturnTarget::Scheme);
        }
        // Many an app answers `//evil.example/` with a redirect to just that, less the slash.
        if url.path().starts_with("//") || url.as_str().len() > MAX_BYTES {
            return Err(InvalidReturnTarget::Malformed);
        }
        let host = Host::of(&url).ok_or(InvalidReturnTarget::Malformed)?;
        if !allowed(&host) {
            return Err(InvalidReturnTarget::Host);
        }
        Ok(Self { url, host })
    }

    /// The address, as it goes into `Location`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The parsed address.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Its host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }
}

/// An http(s) address whose authority is written as the parser reads it: one host, perhaps a port, no
/// user information, nothing folded or left out.
fn parse_absolute(text: &str) -> Result<Url, InvalidReturnTarget> {
    let (scheme, rest) = text.split_once("://").ok_or(InvalidReturnTarget::Scheme)?;
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "https" => 443,
        "http" => 80,
        _ => return Err(InvalidReturnTarget::Scheme),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let written =
        Host::parse(authority, default_port).map_err(|_| InvalidReturnTarget::Malformed)?;
    Url::parse(text)
        .ok()
        .filter(|url| Host::of(url) == Some(written))
        .ok_or(InvalidReturnTarget::Malformed)
}

#[cfg(test)]
mod tests {
    use super::super::host::HostPattern;
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const REFUSED: &str = include_str!("../../tests/fixtures/redirects/refused.txt");
    const ALLOWED: &str = include_str!("../../tests/fixtures/redirects/allowed.txt");

    fn is_ours(host: &Host) -> bool {
        ["app.example.com", "*.example.org"].iter().any(|pattern| {
            let pattern: HostPattern = pattern.parse().expect("a pattern");
            pattern.matches(host)
        })
    }

    fn parse_at(here: &str, text: &str) -> Result<ReturnTarget, InvalidReturnTarget> {
        let here = Url::parse(here).expect("an origin");
        ReturnTarget::parse(text, &here, is_ours)
    }

    fn parse(text: &str) -> Result<ReturnTarget, InvalidReturnTarget> {
        parse_at("https://app.example.com", text)
    }

    /// The lines of a corpus that are values, still in its notation.
    fn values(corpus: &str) -> impl Iterator<Item = &str> {
        corpus
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
    }

    /// `<U+0009>` is one character, `<x*300>` a repeated text; anything else stands for itself.
    fn decode(line: &str) -> String {
        let mut text = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once('<') {
            text.push_str(before);
            let special = after.split_once('>').and_then(|(inside, rest)| {
                let decoded = if let Some(number) = inside.strip_prefix("U+") {
                    let number = u32::from_str_radix(number, 16).ok();
                    number.and_then(char::from_u32)?.to_string()
                } else {
                    let (text, times) = inside.rsplit_once('*')?;
                    text.repeat(times.parse().ok()?)
                };
                Some((decoded, rest))
            });
            if let Some((decoded, after)) = special {
                text.push_str(&decoded);
                rest = after;
            } else {
                text.push('<');
                rest = after;
            }
        }
        text + rest
    }

    #[test]
    fn a07_open_redirect_corpus() {
        let refused: Vec<&str> = values(REFUSED).collect();
        assert!(refused.len() >= 300, "only {} lines", refused.len());
        let accepted: Vec<String> = refused
            .iter()
            .filter_map(|line| {
                let target = parse(&decode(line)).ok()?;
                Some(format!("{line}\n    became {}", target.as_str()))
            })
            .collect();
        assert!(accepted.is_empty(), "not refused:\n{}", accepted.join("\n"));
    }

    /// What is refused for its host alone shows that the other lines fail for their trick, not because
    /// nothing at all is accepted.
    #[test]
    fn a07_without_a_list_of_hosts_the_corpus_would_get_through() {
        let here = Url::parse("https://app.example.com").expect("an origin");
        let everything = values(REFUSED)
            .filter(|line| ReturnTarget::parse(&decode(line), &here, |_| true).is_ok());
        assert!(everything.count() >= 60);
    }

    #[test]
    fn a07_what_is_ours_is_returned_to() {
        let lines: Vec<&str> = values(ALLOWED).collect();
        assert!(lines.len() >= 40, "only {} lines", lines.len());
        for line in lines {
            let (text, expected) = line.split_once(" -> ").expect("what it becomes");
            let target = parse(&decode(text));
            let target = target.unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(target.as_str(), decode(expected), "{line}");
        }
    }

    #[rstest]
    #[case::itself("http://wiki.localhost:4180", "/x", Ok("http://wiki.localhost:4180/x"))]
    #[case::plain(
        "http://wiki.localhost:4180",
        "http://wiki.localhost:4180/x",
        Ok("http://wiki.localhost:4180/x")
    )]
    #[case::to_tls(
        "http://wiki.localhost:4180",
        "https://wiki.localhost:4180/",
        Ok("https://wiki.localhost:4180/")
    )]
    #[case::other_port(
        "http://wiki.localhost:4180",
        "http://wiki.localhost:4181/",
        Err(InvalidReturnTarget::Host)
    )]
    #[case::from_tls(
        "https://wiki.localhost:4180",
        "http://wiki.localhost:4180/",
        Err(InvalidReturnTarget::Scheme)
    )]
    fn plain_http_is_returned_to_only_from_plain_http(
        #[case] here: &str,
        #[case] text: &str,
        #[case] expected: Result<&str, InvalidReturnTarget>,
    ) {
        let here = Url::parse(here).expect("an origin");
        let ours: HostPattern = "wiki.localhost:4180".parse().expect("a pattern");
        let target = ReturnTarget::parse(text, &here, |host| ours.matches(host));
        assert_eq!(
            target
                .as_ref()
                .map(ReturnTarget::as_str)
                .map_err(|error| *error),
            expected
        );
    }

    #[rstest]
    #[case::host("https://evil.example/", InvalidReturnTarget::Host)]
    #[case::scheme("javascript:alert(1)", InvalidReturnTarget::Scheme)]
    #[case::relative("private", InvalidReturnTarget::Scheme)]
    #[case::no_scheme("//evil.example", InvalidReturnTarget::Scheme)]
    #[case::downgrade("http://app.example.com/", InvalidReturnTarget::Scheme)]
    #[case::user("https://a@app.example.com/", InvalidReturnTarget::Malformed)]
    #[case::control("/\t/evil.example", InvalidReturnTarget::Malformed)]
    fn the_reason_is_named(#[case] text: &str, #[case] reason: InvalidReturnTarget) {
        assert_eq!(parse(text), Err(reason));
    }

    /// Pieces that addresses and attacks on their parsers are made of.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "https://",
            "http://",
            "https:",
            "//",
            "/",
            "\\",
            "@",
            ":",
            ":443",
            "?",
            "#",
            ".",
            "..",
            "%2f",
            "%5c",
            "%2e",
            "%00",
            "%09",
            " ",
            "\t",
            "\n",
            "\u{0}",
            "\u{ad}",
            "\u{3002}",
            "\u{ff0f}",
            "\u{ff20}",
            "[::1]",
            "127.1",
            "app.example.com",
            "example.org",
            "wiki.",
            "evil.example",
            "javascript:",
            "x",
            "é",
            "xn--",
        ]);
        prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
    }

    fn harmless(text: &str) -> Result<(), TestCaseError> {
        let Ok(target) = parse(text) else {
            return Ok(());
        };
        prop_assert!(is_ours(target.host()));
        let output = target.as_str();
        prop_assert!(output.is_ascii() && !output.bytes().any(|byte| byte.is_ascii_control()));
        prop_assert!(output.len() <= MAX_BYTES);
        // As a browser reads it.
        let url = Url::parse(output).expect("an address");
        prop_assert_eq!(url.scheme(), "https");
        prop_assert_eq!(Host::of(&url), Some(target.host().clone()));
        prop_assert!(url.username().is_empty() && url.password().is_none());
        prop_assert!(!url.path().starts_with("//"));
        // As the simplest parser reads it.
        let (_, rest) = output.split_once("https://").expect("https");
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        prop_assert_eq!(authority, target.host().to_string());
        prop_assert_eq!(parse(output), Ok(target));
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        #[test]
        fn a07_any_text_ends_on_our_hosts(text in any::<String>()) {
            harmless(&text)?;
        }

        #[test]
        fn a07_any_path_ends_on_our_hosts(text in any::<String>()) {
            harmless(&format!("/{text}"))?;
        }

        #[test]
        fn a07_anything_after_our_host_stays_there(text in any::<String>()) {
            harmless(&format!("https://app.example.com{text}"))?;
        }

        #[test]
        fn a07_anything_before_our_host_stays_there(text in "\\PC{0,12}") {
            harmless(&format!("https://{text}app.example.com/"))?;
            harmless(&format!("https://{text}.example.org/"))?;
        }

        #[test]
        fn a07_pieces_of_attacks_end_on_our_hosts(text in pieces()) {
            harmless(&text)?;
        }
    }
}
