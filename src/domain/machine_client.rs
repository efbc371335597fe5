//! Machines that ask us for tokens in their own name (RFC 6749 §4.4): who they are, and what they may have.
//!
//! Invariant: what is kept of a secret is a digest, and a client has either secrets or keys. What is deliberately
//! absent: HTTP, signatures, clocks.

use subtle::ConstantTimeEq as _;
use time::Duration;

use super::handle::{ClientSecretKind, Digest};
use super::ids::{AppId, ClientId};

/// A machine that may ask for tokens.
#[derive(Clone, Debug)]
pub struct MachineClient {
    /// Its `client_id`, and `sub` of its tokens (RFC 9068 §2.2).
    pub id: ClientId,
    /// What people call it.
    pub name: Box<str>,
    /// How it proves who it is.
    pub authentication: MachineAuthentication,
    /// Whom its tokens can be for; none: it gets none.
    pub audiences: Vec<Box<str>>,
    /// What they may allow.
    pub scopes: Vec<Scope>,
    /// How long each of them is good for.
    pub token_life: Duration,
    /// Audiences as whose resource server it is told about tokens (RFC 7662 §2.1).
    pub introspects: Vec<Box<str>>,
    /// Apps of its tenant as whose service it has what callers show judged.
    pub verifies: Vec<AppId>,
}

/// How a machine proves who it is.
#[derive(Clone, Debug)]
pub enum MachineAuthentication {
    /// With a secret, in the header or in the form (RFC 6749 §2.3.1): one of these. There are two while it changes.
    Secrets(Vec<SecretDigest>),
    /// With a signed assertion (RFC 7523 §2.2).
    PrivateKeyJwt {
        /// With what its assertions are signed.
        algorithm: Box<str>,
        /// What verifies them.
        keys: ClientKeys,
    },
}

/// Where a client's public keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientKeys {
    /// A JWK set, as it was written down.
    Inline(Box<str>),
    /// Where the client publishes it.
    At(url::Url),
}

/// What is kept of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretDigest(Digest<ClientSecretKind>);

impl SecretDigest {
    /// Of a secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Digest::of_name(&[secret]))
    }

    /// Whether they are the same; takes as long whatever they are.
    #[must_use]
    pub fn fits(self, presented: Self) -> bool {
        self.0.as_bytes().ct_eq(presented.0.as_bytes()).into()
    }
}

impl MachineAuthentication {
    /// Whether `presented` is one of the secrets. Of a client that has none, or is unknown, none is; that takes
    /// as long.
    #[must_use]
    pub fn admits(known: Option<&Self>, presented: &[SecretDigest]) -> bool {
        // Nobody has this secret.
        let nobodys = [SecretDigest::of(""), SecretDigest::of("")];
        let secrets = match known {
            Some(Self::Secrets(secrets)) => secrets.as_slice(),
            Some(Self::PrivateKeyJwt { .. }) | None => &nobodys,
        };
        let fits = secrets.iter().fold(false, |fits, secret| {
            presented
                .iter()
                .fold(fits, |fits, presented| fits | secret.fits(*presented))
        });
        fits & matches!(known, Some(Self::Secrets(_)))
    }
}

/// One scope (RFC 6749 §3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(Box<str>);

/// Text that is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is 1 to 128 visible ASCII characters without quotes and backslashes")]
pub struct NoScope;

impl Scope {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Scope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        let fits = (1..=128).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(NoScope)
        }
    }
}

/// Why a machine does not get the token that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefused {
    /// A scope that it may not have, or none.
    #[error("`scope` is more than this client may have, or none")]
    Scope,
    /// An audience that it may not have a token for.
    #[error("this client may have no token for that audience")]
    Audience,
    /// It is a resource server alone.
    #[error("this client may have no tokens")]
    NoAudience,
    /// It may have tokens for several, and says not for which one.
    #[error("this client may have tokens for several audiences, and must name one")]
    WhichAudience,
}

impl MachineClient {
    /// Whom its token is for: what it asks for, or the only one that there is (RFC 8707 §2).
    ///
    /// # Errors
    /// [`GrantRefused`].
    pub fn audience(&self, asked: Option<&str>) -> Result<&str, GrantRefused> {
        one_audience(&self.audiences, asked)
    }

    /// What its token allows: what it asks for, each once, or all that it may have (RFC 6749 §3.3).
    ///
    /// # Errors
    /// [`GrantRefused::Scope`].
    pub fn scope(&self, asked: Option<&str>) -> Result<String, GrantRefused> {
        scope_within(self.scopes.iter().map(Scope::as_str), asked)
    }
}

/// The one of `audiences` that is asked for, or the only one that there is (RFC 8707 §2).
///
/// # Errors
/// [`GrantRefused`].
pub fn one_audience<'a>(
    audiences: &'a [Box<str>],
    asked: Option<&str>,
) -> Result<&'a str, GrantRefused> {
    match (asked, audiences) {
        (_, []) => Err(GrantRefused::NoAudience),
        (None, [only]) => Ok(only),
        (None, _) => Err(GrantRefused::WhichAudience),
        (Some(asked), all) => all
            .iter()
            .map(AsRef::as_ref)
            .find(|known| *known == asked)
            .ok_or(GrantRefused::Audience),
    }
}

/// What is asked for, each once, if it is among `scopes`; all of them where nothing is (RFC 6749 §3.3).
///
/// # Errors
/// [`GrantRefused::Scope`].
pub fn scope_within<'a>(
    scopes: impl Iterator<Item = &'a str> + Clone,
    asked: Option<&str>,
) -> Result<String, GrantRefused> {
    let Some(asked) = asked else {
        return Ok(joined(scopes));
    };
    let mut granted = Vec::new();
    for name in asked.split(' ') {
        if !scopes.clone().any(|scope| scope == name) {
            return Err(GrantRefused::Scope);
        }
        if !granted.contains(&name) {
            granted.push(name);
        }
    }
    Ok(joined(granted.into_iter()))
}

fn joined<'a>(scopes: impl Iterator<Item = &'a str>) -> String {
    scopes.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn client(audiences: &[&str]) -> MachineClient {
        MachineClient {
            id: "report".parse().expect("a name"),
            name: "Report".into(),
            authentication: MachineAuthentication::Secrets(vec![SecretDigest::of("s1")]),
            audiences: audiences.iter().map(|name| (*name).into()).collect(),
            scopes: ["a", "b:c"]
                .map(|scope| scope.parse().expect("a scope"))
                .into(),
            token_life: Duration::minutes(10),
            introspects: Vec::new(),
            verifies: Vec::new(),
        }
    }

    #[rstest]
    #[case::all(None, Ok("a b:c"))]
    #[case::one(Some("b:c"), Ok("b:c"))]
    #[case::its_own_order_each_once(Some("b:c a b:c"), Ok("b:c a"))]
    #[case::more(Some("a d"), Err(GrantRefused::Scope))]
    #[case::other_case(Some("A"), Err(GrantRefused::Scope))]
    #[case::part(Some("b"), Err(GrantRefused::Scope))]
    #[case::doubled_space(Some("a  b:c"), Err(GrantRefused::Scope))]
    fn a_scope_is_within_what_was_allowed(
        #[case] asked: Option<&str>,
        #[case] expected: Result<&str, GrantRefused>,
    ) {
        let found = client(&["https://api.example"]).scope(asked);
        assert_eq!(found.as_deref(), expected.as_deref());
    }

    #[rstest]
    #[case::the_only_one(&["https://api.example"], None, Ok("https://api.example"))]
    #[case::one_of_two(&["x", "https://api.example"], Some("x"), Ok("x"))]
    #[case::which(&["x", "y"], None, Err(GrantRefused::WhichAudience))]
    #[case::a_resource_server_alone(&[], None, Err(GrantRefused::NoAudience))]
    #[case::another(&["x"], Some("y"), Err(GrantRefused::Audience))]
    #[case::longer(&["https://api.example"], Some("https://api.example/"), Err(GrantRefused::Audience))]
    #[case::shorter(&["https://api.example"], Some("https://api"), Err(GrantRefused::Audience))]
    fn an_audience_is_one_that_was_allowed(
        #[case] known: &[&str],
        #[case] asked: Option<&str>,
        #[case] expected: Result<&str, GrantRefused>,
    ) {
        assert_eq!(client(known).audience(asked), expected);
    }

    #[test]
    fn a43_secrets_are_compared_as_digests_and_none_admits_nobody() {
        let digest = SecretDigest::of;
        let known = MachineAuthentication::Secrets(vec![digest("new"), digest("old")]);
        for (presented, fits) in [("new", true), ("old", true), ("ne", false), ("", false)] {
            assert_eq!(
                MachineAuthentication::admits(Some(&known), &[digest(presented)]),
                fits
            );
        }
        assert!(!MachineAuthentication::admits(None, &[digest("")]));
        assert!(!MachineAuthentication::admits(Some(&known), &[]));
        let keys = MachineAuthentication::PrivateKeyJwt {
            algorithm: "ES256".into(),
            keys: ClientKeys::Inline("{}".into()),
        };
        assert!(!MachineAuthentication::admits(Some(&keys), &[digest("")]));
    }
}
