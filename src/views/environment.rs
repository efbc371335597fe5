//! The template engine with everything switched off that could let a value through unescaped.

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, escape_formatter};
use url::Url;

/// An engine in which a missing name, a printed `none` and a strange address are errors.
pub(super) fn strict() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Not by file name: a replaced template must not be able to lose its escaping. The style sheet is
    // an exception that prints no values.
    environment.set_auto_escape_callback(|name| {
        if name == super::templates::STYLE {
            AutoEscape::None
        } else {
            AutoEscape::Html
        }
    });
    environment.remove_filter("safe");
    environment.set_formatter(|out, state, value| {
        if value.is_none() {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "an absent value is printed; ask for it with `{% if … %}` first",
            ));
        }
        escape_formatter(out, state, value)
    });
    environment.add_filter("address", address);
    environment
}

/// `{{ href|address }}`: lets an address pass that a browser follows without running anything.
///
/// Parsed as browsers parse it (WHATWG URL), where `java\tscript:` is `javascript:`. A path stays on
/// this host: `//elsewhere` and `/\elsewhere` do not pass.
fn address(value: Value) -> Result<Value, Error> {
    let refused = || {
        Error::new(
            ErrorKind::InvalidOperation,
            "only http(s) and mailto: addresses, and paths, may be linked",
        )
    };
    let text = value.as_str().ok_or_else(refused)?;
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https" | "mailto") => Ok(value),
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            let here = Url::parse("https://here.invalid/").map_err(|_| refused())?;
            let joined = here.join(text).map_err(|_| refused())?;
            if joined.origin() == here.origin() {
                Ok(value)
            } else {
                Err(refused())
            }
        }
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::path("/login/google?x=1&y=2")]
    #[case::query("?again")]
    #[case::https("https://login.example.com/a")]
    #[case::http("http://wiki.localhost:8080/")]
    #[case::mail("mailto:it@acme.example")]
    fn an_address_passes_unchanged(#[case] text: &str) {
        assert_eq!(
            address(Value::from(text)).expect("passes").as_str(),
            Some(text)
        );
    }

    #[rstest]
    #[case::script("javascript:alert(1)")]
    #[case::upper_case("JaVaScRiPt:alert(1)")]
    #[case::tab_inside("java\tscript:alert(1)")]
    #[case::line_inside("java\nscript:alert(1)")]
    #[case::space_before(" javascript:alert(1)")]
    #[case::control_before("\u{1}javascript:alert(1)")]
    #[case::data("data:text/html,<script>alert(1)</script>")]
    #[case::vbscript("vbscript:x")]
    #[case::blob("blob:https://a.example/1")]
    #[case::file("file:///etc/passwd")]
    #[case::other_host("//evil.example/")]
    #[case::other_host_backslash("/\\evil.example/")]
    #[case::other_host_backslashes("\\\\evil.example/")]
    fn a38_an_address_that_could_do_more_than_lead_somewhere_is_refused(#[case] text: &str) {
        address(Value::from(text)).expect_err("refused");
    }
}
