//! What the queries of our addresses say: where somebody wants to go afterwards, and how they would like to sign in.

use crate::domain::handle::{Handle, SignInKind};
use crate::domain::login_hint::LoginHints;

/// What `{base}/login` and `{base}/login/{provider}` are asked with.
#[derive(Clone, Debug, Default)]
pub(super) struct LoginQuery {
    pub(super) sign_in: Option<Handle<SignInKind>>,
    pub(super) another: bool,
    pub(super) hints: LoginHints,
}

impl LoginQuery {
    /// `Err`: there is a `continue` that is none of ours.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, ()> {
        let mut parsed = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "continue" => parsed.sign_in = Some(value.parse().map_err(|_| ())?),
                "another" => parsed.another = value == "1",
                _ => {}
            }
        }
        parsed.hints = hints(query);
        Ok(parsed)
    }

    /// The tenant's login for a sign-in that an app asks for with `query`: "Use another account" and hints pass
    /// through the app's host to keep its target.
    pub(super) fn passed_on(query: Option<&str>, sign_in: &Handle<SignInKind>) -> String {
        let asked = Self {
            sign_in: Some(sign_in.clone()),
            another: query.is_some_and(|query| query.starts_with("another=1&")),
            hints: hints(query),
        };
        format!("/login{}", asked.to_query(asked.another))
    }

    /// The same, for a link.
    pub(super) fn to_query(&self, another: bool) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(sign_in) = &self.sign_in {
            query.append_pair("continue", &sign_in.reveal());
        }
        if another {
            query.append_pair("another", "1");
        }
        query.extend_pairs(self.hints.pairs());
        let query = query.finish();
        if query.is_empty() {
            query
        } else {
            format!("?{query}")
        }
    }
}

/// The hints of a query. Where all of it is an address to return to, what looks like one is for that address.
fn hints(query: Option<&str>) -> LoginHints {
    let ours = query.filter(|query| bare_return(query).is_none());
    let pairs = url::form_urlencoded::parse(ours.unwrap_or_default().as_bytes());
    let pairs: Vec<_> = pairs.collect();
    LoginHints::parse(pairs.iter().map(|(name, value)| (&**name, &**value)))
}

/// As much of an address as a log needs: its query can hold what is nobody's business.
pub(super) fn shown(wanted: &str) -> String {
    let address = wanted.split(['?', '#']).next().unwrap_or_default();
    address.chars().take(200).collect()
}

/// `rd`. nginx cannot encode: where `rd` comes first and begins like an address, it has the whole rest of
/// the query, `&` and all.
pub(super) fn wanted_return(query: Option<&str>) -> Option<String> {
    let query = query?;
    if let Some(rest) = bare_return(query) {
        return Some(rest.to_owned());
    }
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, value)| name == "rd" && !value.is_empty())
        .map(|(_, value)| value.into_owned())
}

/// The address that is the whole query.
fn bare_return(query: &str) -> Option<&str> {
    let rest = query.strip_prefix("rd=")?;
    let starts = ["http://", "https://", "/"];
    starts
        .iter()
        .any(|start| rest.starts_with(start))
        .then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::encoded(
        "rd=https%3A%2F%2Fa.example%2Fx%3Fa%3D1%26b%3D2",
        "https://a.example/x?a=1&b=2"
    )]
    #[case::as_nginx_writes_it("rd=https://a.example/x?a=1&b=2", "https://a.example/x?a=1&b=2")]
    #[case::path("rd=/x?a=1&b=2", "/x?a=1&b=2")]
    #[case::among_others("x=1&rd=%2Fx", "/x")]
    fn the_whole_target_is_read(#[case] query: &str, #[case] expected: &str) {
        assert_eq!(wanted_return(Some(query)).as_deref(), Some(expected));
    }
}
