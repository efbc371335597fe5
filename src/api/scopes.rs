//! What a token allows, and what a route asks for.
//!
//! Invariant: a claim of another shape grants nothing, and a demand that is no demand (no scope, or a text that
//! can be none) is met by nobody.

use std::fmt;

use serde_json::Value;

use crate::domain::claims::ClaimPath;

/// Where an issuer writes what its tokens allow.
///
/// ```
/// use doorward::api::ScopeClaims;
///
/// // RFC 9068 §2.2.3, and Okta's and Entra's `scp`: what holds where nothing else is said.
/// assert_eq!(ScopeClaims::default(), ScopeClaims::new(&["scope", "scp"]));
/// // Auth0's permissions of the caller, which are not what the client asked for.
/// ScopeClaims::new(&["permissions"]);
/// // Keycloak's roles: a JSON pointer leads inside.
/// ScopeClaims::new(&["/realm_access/roles"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeClaims(Box<[ClaimPath]>);

impl ScopeClaims {
    /// The claims, each by its name or as a JSON pointer (RFC 6901). What stands in any of them is granted.
    #[must_use]
    pub fn new(claims: &[&str]) -> Self {
        Self(claims.iter().map(|claim| ClaimPath::new(claim)).collect())
    }

    /// Everything that `claims` grant. A text is a list with spaces (RFC 6749 §3.3), of an array each element
    /// is one. Anything else, and an array of which one element is no text, grants nothing.
    pub(super) fn granted<'a>(&self, claims: &'a Value) -> Vec<&'a str> {
        let mut granted = Vec::new();
        for claim in &self.0 {
            match claim.find(claims) {
                Some(Value::String(text)) => granted.extend(text.split_ascii_whitespace()),
                Some(Value::Array(values)) => {
                    let texts: Option<Vec<_>> = values.iter().map(Value::as_str).collect();
                    granted.extend(texts.unwrap_or_default());
                }
                _ => {}
            }
        }
        granted
    }
}

impl Default for ScopeClaims {
    /// `scope` and `scp`.
    fn default() -> Self {
        Self::new(&["scope", "scp"])
    }
}

/// Scopes that a token must have: all of them, or any.
///
/// An empty list, and a text that no scope can be (RFC 6749 §3.3: no space, no `"`, no `\`), is a mistake in the
/// program. It is written to the log, and nobody has such a scope.
///
/// ```
/// use doorward::api::RequiredScopes;
///
/// let reading = RequiredScopes::all(["orders:read", "prices:read"]);
/// assert!(reading.are_in(&["orders:read", "prices:read", "orders:write"]));
/// assert!(!reading.are_in(&["orders:read"]));
///
/// let writing = RequiredScopes::any(["orders:write", "admin"]);
/// assert!(writing.are_in(&["admin"]));
/// // As the challenge names them.
/// assert_eq!(writing.to_string(), "orders:write admin");
///
/// let nonsense = RequiredScopes::all::<[&str; 0]>([]);
/// assert!(!nonsense.are_in(&["admin"]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredScopes {
    scopes: Box<[Box<str>]>,
    all: bool,
}

impl RequiredScopes {
    /// Every one of them.
    #[must_use]
    pub fn all<S: IntoIterator<Item: AsRef<str>>>(scopes: S) -> Self {
        Self::new(scopes, true)
    }

    /// At least one of them.
    #[must_use]
    pub fn any<S: IntoIterator<Item: AsRef<str>>>(scopes: S) -> Self {
        Self::new(scopes, false)
    }

    fn new<S: IntoIterator<Item: AsRef<str>>>(scopes: S, all: bool) -> Self {
        let scopes: Box<[Box<str>]> = scopes
            .into_iter()
            .map(|scope| scope.as_ref().into())
            .collect();
        if scopes.is_empty() || !scopes.iter().all(|scope| is_scope(scope)) {
            tracing::error!(
                ?scopes,
                "these are no scopes (RFC 6749 section 3.3): nobody is let through"
            );
            return Self {
                scopes: Box::default(),
                all,
            };
        }
        Self { scopes, all }
    }

    /// Whether what is `granted` suffices. Compared byte for byte.
    #[must_use]
    pub fn are_in(&self, granted: &[&str]) -> bool {
        let mut scopes = self.scopes.iter().map(AsRef::as_ref);
        let is_granted = |scope: &str| granted.contains(&scope);
        if self.all {
            !self.scopes.is_empty() && scopes.all(is_granted)
        } else {
            scopes.any(is_granted)
        }
    }
}

/// `scope-token` (RFC 6749 §3.3).
fn is_scope(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// With spaces between them, as `scope` of a challenge has them (RFC 6750 §3).
impl fmt::Display for RequiredScopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.scopes.iter().enumerate() {
            if position > 0 {
                formatter.write_str(" ")?;
            }
            formatter.write_str(scope)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::text(json!({"scope": "a b"}), &["a", "b"])]
    #[case::other_spaces(json!({"scope": "  a\t b  "}), &["a", "b"])]
    #[case::array(json!({"scp": ["a", "b"]}), &["a", "b"])]
    #[case::both(json!({"scope": "a", "scp": ["b"]}), &["a", "b"])]
    #[case::an_element_is_one(json!({"scp": ["a b"]}), &["a b"])]
    #[case::a_comma_is_no_space(json!({"scope": "a,b"}), &["a,b"])]
    #[case::number(json!({"scope": 7}), &[])]
    #[case::mixed_array(json!({"scp": ["a", 7]}), &[])]
    #[case::object(json!({"scope": {"a": true}}), &[])]
    #[case::null(json!({"scope": null}), &[])]
    #[case::absent(json!({"permissions": ["a"], "roles": ["a"]}), &[])]
    fn scopes_are_read_in_every_shape(#[case] claims: Value, #[case] expected: &[&str]) {
        assert_eq!(ScopeClaims::default().granted(&claims), expected);
    }

    #[rstest]
    #[case::permissions(&["permissions"], json!({"scope": "no", "permissions": ["a"]}))]
    #[case::pointer(&["/realm_access/roles"], json!({"scope": "no", "realm_access": {"roles": ["a"]}}))]
    #[case::literal(&["https://acme.example/roles"], json!({"https://acme.example/roles": ["a"]}))]
    fn scopes_are_read_where_the_issuer_writes_them(#[case] names: &[&str], #[case] claims: Value) {
        assert_eq!(ScopeClaims::new(names).granted(&claims), ["a"]);
    }

    #[rstest]
    #[case::part_of_one("orders")]
    #[case::other_case("Orders:Read")]
    #[case::longer("orders:read:all")]
    fn a_scope_is_compared_whole(#[case] granted: &str) {
        assert!(!RequiredScopes::all(["orders:read"]).are_in(&[granted]));
        assert!(!RequiredScopes::any(["orders:read"]).are_in(&[granted]));
    }

    #[rstest]
    #[case::none(&[])]
    #[case::empty(&[""])]
    #[case::space(&["a", "a b"])]
    #[case::quote(&["a\""])]
    #[case::backslash(&["a\\"])]
    #[case::line(&["a\r\nx: y"])]
    fn nobody_meets_a_demand_that_is_none(#[case] scopes: &[&str]) {
        for required in [RequiredScopes::all(scopes), RequiredScopes::any(scopes)] {
            assert!(!required.are_in(scopes));
            assert!(!required.are_in(&[]));
            assert_eq!(required.to_string(), "");
        }
    }
}
