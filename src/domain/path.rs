//! The path of a request as rules see it: one spelling, or none.
//!
//! Invariant: a [`CanonicalPath`] means the same to every reasonable server behind us. Where servers
//! differ about a path (encoded slashes, dot segments, path parameters, doubled slashes, control
//! characters, bytes that are not UTF-8) there is no canonical form and the request is refused.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;

/// A decoded, absolute path without dot segments, empty segments or parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath(Box<str>);

/// Servers could read this path in more than one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path can be read in more than one way: {0}")]
pub struct AmbiguousPath(&'static str);

impl CanonicalPath {
    /// Takes the path of a request target (RFC 9112 §3.2), with or without its query.
    ///
    /// # Errors
    /// [`AmbiguousPath`] with what makes it so.
    pub fn parse(target: &str) -> Result<Self, AmbiguousPath> {
        let raw = target.split_once('?').map_or(target, |(path, _)| path);
        if !raw.starts_with('/') {
            return Err(AmbiguousPath("it does not begin with `/`"));
        }
        if raw.contains('#') {
            return Err(AmbiguousPath("it has a fragment"));
        }
        let decoded = decode(raw)?;
        for c in decoded.chars() {
            match c {
                '\\' => return Err(AmbiguousPath("it has a backslash")),
                ';' => return Err(AmbiguousPath("it has path parameters")),
                '%' => return Err(AmbiguousPath("it is encoded twice")),
                '?' | '#' => return Err(AmbiguousPath("it has an encoded `?` or `#`")),
                c if c.is_control() => return Err(AmbiguousPath("it has a control character")),
                _ => {}
            }
        }
        let mut segments = decoded.split('/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            if segment == "." || segment == ".." {
                return Err(AmbiguousPath("it has a dot segment"));
            }
            if segment.is_empty() && segments.peek().is_some() {
                return Err(AmbiguousPath("it has an empty segment"));
            }
        }
        Ok(Self(decoded.into()))
    }

    /// The decoded path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this path is `prefix` or below it, in whole segments.
    #[must_use]
    pub fn is_under(&self, prefix: &Self) -> bool {
        let prefix = prefix.0.trim_end_matches('/');
        self.0
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Most paths have nothing to decode.
fn decode(raw: &str) -> Result<Cow<'_, str>, AmbiguousPath> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let decoded = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| AmbiguousPath("it is not UTF-8"))?;
    if has_broken_escape(raw) {
        return Err(AmbiguousPath("it has a broken percent-encoding"));
    }
    if decoded.matches('/').count() != raw.matches('/').count() {
        return Err(AmbiguousPath("it has an encoded slash"));
    }
    Ok(decoded)
}

fn has_broken_escape(raw: &str) -> bool {
    raw.split('%').skip(1).any(|rest| {
        let mut digits = rest.bytes().take(2);
        !(digits.next().is_some_and(|b| b.is_ascii_hexdigit())
            && digits.next().is_some_and(|b| b.is_ascii_hexdigit()))
    })
}

impl fmt::Display for CanonicalPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("/a/b", "/a/b")]
    #[case::root("/", "/")]
    #[case::trailing_slash("/a/", "/a/")]
    #[case::query("/private?x=/public", "/private")]
    #[case::encoded_letter("/%61dmin", "/admin")]
    #[case::unicode("/caf%C3%A9", "/café")]
    #[case::three_dots("/...", "/...")]
    #[case::encoded_space("/a%20b", "/a b")]
    fn a_clear_path_has_one_form(#[case] target: &str, #[case] canonical: &str) {
        assert_eq!(
            CanonicalPath::parse(target).map(|p| p.to_string()),
            Ok(canonical.into())
        );
    }

    #[rstest]
    #[case::dot_dot("/public/../private")]
    #[case::encoded_dots("/public/%2e%2e/private")]
    #[case::half_encoded_dots("/public/.%2E/private")]
    #[case::dot("/./private")]
    #[case::parameters("/public/..;/private")]
    #[case::parameter("/public;x=1")]
    #[case::encoded_parameter("/public%3Bx")]
    #[case::encoded_slash("/public%2fprivate")]
    #[case::backslash("/public\\..\\private")]
    #[case::encoded_backslash("/public%5c..")]
    #[case::doubled_slash("//private")]
    #[case::inner_doubled_slash("/public//private")]
    #[case::fragment("/private#/public")]
    #[case::encoded_fragment("/private%23/public")]
    #[case::encoded_query("/private%3f/public")]
    #[case::twice("/%252e%252e/private")]
    #[case::nul("/private%00/public")]
    #[case::new_line("/private%0a")]
    #[case::not_utf8("/%ff")]
    #[case::overlong_slash("/%c0%af")]
    #[case::broken_escape("/%zz")]
    #[case::cut_escape("/a%2")]
    #[case::relative("private")]
    #[case::absolute("https://app.example/private")]
    #[case::empty("")]
    #[case::star("*")]
    fn a02_a_path_with_two_meanings_has_none(#[case] target: &str) {
        assert!(CanonicalPath::parse(target).is_err(), "{target}");
    }

    #[rstest]
    #[case("/health", "/health", true)]
    #[case("/health/", "/health", true)]
    #[case("/health/live", "/health", true)]
    #[case("/healthXYZ", "/health", false)]
    #[case("/", "/health", false)]
    #[case("/anything", "/", true)]
    #[case("/health", "/health/", true)]
    fn whole_segments(#[case] path: &str, #[case] prefix: &str, #[case] expected: bool) {
        let path = CanonicalPath::parse(path).expect("clear");
        let prefix = CanonicalPath::parse(prefix).expect("clear");
        assert_eq!(path.is_under(&prefix), expected);
    }

    proptest! {
        #[test]
        fn a02_a_canonical_path_has_nothing_left_to_read_differently(
            target in "/[/a.%25efEF0;\\\\?#é -]{0,24}",
        ) {
            if let Ok(path) = CanonicalPath::parse(&target) {
                let text = path.as_str();
                prop_assert!(text.starts_with('/'));
                prop_assert!(!text.contains("//") && !text.contains(['%', ';', '\\', '?', '#']));
                prop_assert!(text.split('/').all(|segment| segment != "." && segment != ".."));
                prop_assert_eq!(CanonicalPath::parse(text), Ok(path.clone()));
                prop_assert!(path.is_under(&path));
                prop_assert!(path.is_under(&CanonicalPath::parse("/").expect("clear")));
            }
        }
    }
}
