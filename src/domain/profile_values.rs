//! Facts about a person that have a shape of their own: where their picture is, and which language they read.
//!
//! Providers send them unasked and in many spellings, and nothing depends on them: what has another shape is
//! none, and refuses nobody.

use url::Url;

/// Longest address of a picture, in bytes.
const LONGEST_PICTURE: usize = 2048;

/// Longest language tag, in bytes (RFC 5646 §4.4.1 finds 35 enough for all but made-up ones).
const LONGEST_LOCALE: usize = 35;

/// The https address of a picture, without name and password, as it was written (OIDC Core 1.0 §5.1,
/// `picture`).
#[must_use]
pub fn picture(text: &str) -> Option<Box<str>> {
    let plain = text.len() <= LONGEST_PICTURE && text.bytes().all(|byte| byte.is_ascii_graphic());
    let url = Url::parse(text).ok().filter(|_| plain)?;
    let right = url.scheme() == "https"
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    right.then(|| text.into())
}

/// A language tag in the shape of BCP 47 (RFC 5646 §2.1): letters and digits in parts of one to eight, the
/// first a language. Underscores, which OIDC Core 1.0 §5.1 warns of, become hyphens.
#[must_use]
pub fn locale(text: &str) -> Option<Box<str>> {
    if text.len() > LONGEST_LOCALE {
        return None;
    }
    let tag = text.replace('_', "-");
    let mut parts = tag.split('-');
    let language = parts.next()?;
    let is_language = (2..=8).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_alphabetic());
    let right = is_language
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
    right.then(|| tag.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::https("https://lh3.example.com/a/ada=s96-c", true)]
    #[case::query("https://img.example.com/p?u=1&s=2", true)]
    #[case::http("http://img.example.com/p", false)]
    #[case::data("data:image/png;base64,AAAA", false)]
    #[case::script("javascript:alert(1)", false)]
    #[case::relative("/p.png", false)]
    #[case::password("https://ada:secret@img.example.com/p", false)]
    #[case::line_break("https://img.example.com/p\r\nX-Admin: yes", false)]
    #[case::space("https://img.example.com/a b", false)]
    #[case::quote_kept_out("https://img.example.com/\u{e9}", false)]
    #[case::empty("", false)]
    fn a_picture_is_at_a_plain_https_address(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(picture(text).as_deref(), expected.then_some(text));
    }

    #[test]
    fn a_picture_has_a_bounded_address() {
        let long = |bytes: usize| format!("https://i.example/{}", "x".repeat(bytes - 18));
        assert!(picture(&long(LONGEST_PICTURE)).is_some());
        assert!(picture(&long(LONGEST_PICTURE + 1)).is_none());
    }

    #[rstest]
    #[case::language("de", Some("de"))]
    #[case::region("pt-BR", Some("pt-BR"))]
    #[case::underscore("en_US", Some("en-US"))]
    #[case::script("zh-Hant-TW", Some("zh-Hant-TW"))]
    #[case::digits("es-419", Some("es-419"))]
    #[case::one_letter("x", None)]
    #[case::empty("", None)]
    #[case::empty_part("de--AT", None)]
    #[case::long_part("de-abcdefghi", None)]
    #[case::line_break("de\r\nX: y", None)]
    #[case::path("../../etc", None)]
    #[case::long("de-abcdefgh-abcdefgh-abcdefgh-abcdefgh", None)]
    fn a_locale_is_a_language_tag(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(locale(text).as_deref(), expected);
    }
}
