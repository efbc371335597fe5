//! Text with `{names}` that values are put into.

use std::collections::BTreeMap;
use std::fmt;

/// Values by name. A name without value is a parameter that was left out.
pub(super) type Values = BTreeMap<Box<str>, Box<str>>;

/// Text with `{names}`; `{{` and `}}` are braces themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Box<[Part]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Name(Box<str>),
}

/// A brace without its other half, or nothing between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("names stand in braces: \"https://{{host}}/authorize\"")]
pub(super) struct InvalidTemplate;

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = brace.strip_prefix("{{").or(brace.strip_prefix("}}")) {
                plain.extend(brace.chars().next());
                rest = after;
                continue;
            }
            let (name, after) = brace
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'))
                .ok_or(InvalidTemplate)?;
            let is_name = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || b"_.".contains(&byte));
            if !is_name {
                return Err(InvalidTemplate);
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain).into()));
            }
            parts.push(Part::Name(name.into()));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        Ok(Self(parts.into()))
    }

    /// The names in it.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Name(name) => Some(&**name),
            Part::Text(_) => None,
        })
    }

    /// Whether `text` stands in it as it is.
    pub(super) fn says(&self, text: &str) -> bool {
        self.0.iter().any(|part| match part {
            Part::Name(_) => false,
            Part::Text(plain) => plain.contains(text),
        })
    }

    /// The text; none where a name has no value: what depends on a parameter that was left out is left out.
    pub(super) fn fill(&self, values: &Values) -> Option<String> {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => Some(&**text),
                Part::Name(name) => values.get(name).map(|value| &**value),
            })
            .collect()
    }
}

/// As it is written in a preset.
impl fmt::Display for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => formatter.write_str(text),
            Part::Name(name) => write!(formatter, "{{{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("openid", Some("openid"))]
    #[case::name("https://{host}/x", Some("https://a.example/x"))]
    #[case::dotted("{host.origin}", Some("https://a.example"))]
    #[case::absent("https://{realm}/", None)]
    #[case::braces("{{tenantid}}", Some("{tenantid}"))]
    fn names_get_their_values(#[case] text: &str, #[case] expected: Option<&str>) {
        let values: Values = [("host", "a.example"), ("host.origin", "https://a.example")]
            .map(|(name, value)| (name.into(), value.into()))
            .into();
        let template = Template::parse(text).expect("a template");
        assert_eq!(template.fill(&values).as_deref(), expected);
    }

    #[test]
    fn a_value_is_not_read_again() {
        let values: Values = [("a", "{b}"), ("b", "x")]
            .map(|(name, value)| (name.into(), value.into()))
            .into();
        let template = Template::parse("{a}").expect("a template");
        assert_eq!(template.fill(&values).as_deref(), Some("{b}"));
    }

    #[rstest]
    #[case("{")]
    #[case("a}")]
    #[case("{}")]
    #[case("{Host}")]
    #[case("{a b}")]
    fn half_a_brace_is_a_fault(#[case] text: &str) {
        assert_eq!(Template::parse(text), Err(InvalidTemplate));
    }
}
