//! Who calls: by which scheme they are known, and what is known of them.
//!
//! A [`Caller`] is known by what the request itself shows (a token, a key, a name and password); a session's
//! person is [`Person`](super::identity::Person). Rules look at both, and apps are told of both, as a
//! [`Subject`].

use serde::Serialize;

use super::email::EmailAddress;
use super::identity::PersonDetails;
use super::ids::{ProviderId, TrustedIssuerId, UserId};

/// How somebody shows who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// A session's cookie.
    Session,
    /// A token of a trusted issuer (RFC 6750).
    Bearer,
    /// An API key of ours.
    ApiKey,
    /// Name and password (RFC 7617).
    Basic,
}

impl Scheme {
    /// All of them, with the word of the configuration, in the order in which they are looked for.
    pub const ALL: [(&'static str, Self); 4] = [
        ("bearer", Self::Bearer),
        ("api_key", Self::ApiKey),
        ("basic", Self::Basic),
        ("session", Self::Session),
    ];

    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Bearer => "bearer",
            Self::ApiKey => "api_key",
            Self::Basic => "basic",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The schemes that an app accepts: any one of them lets a caller be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schemes(u8);

impl Schemes {
    /// A session's cookie alone, as if nothing were written.
    pub const SESSION: Self = Self(Scheme::Session.bit());

    /// Whether this one is accepted.
    #[must_use]
    pub const fn accepts(self, scheme: Scheme) -> bool {
        self.0 & scheme.bit() != 0
    }

    /// Whether a request may show anything but a cookie.
    #[must_use]
    pub const fn beyond_session(self) -> bool {
        self.0 & !Self::SESSION.0 != 0
    }

    /// Those that are accepted, in the order in which they are looked for.
    pub fn iter(self) -> impl Iterator<Item = Scheme> {
        let all = Scheme::ALL.into_iter().map(|(_, scheme)| scheme);
        all.filter(move |scheme| self.accepts(*scheme))
    }
}

impl FromIterator<Scheme> for Schemes {
    fn from_iter<T: IntoIterator<Item = Scheme>>(schemes: T) -> Self {
        Self(
            schemes
                .into_iter()
                .fold(0, |bits, scheme| bits | scheme.bit()),
        )
    }
}

/// Somebody, or something, known by what the request itself shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// How.
    pub scheme: Scheme,
    /// For ever the same in this tenant, and the same person's as that of their sessions.
    pub user: UserId,
    /// What whoever vouches calls them: `sub`, the name of a key, the name of a local user.
    pub subject: Box<str>,
    /// Whose token it is; none for keys and passwords.
    pub issuer: Option<TrustedIssuerId>,
    /// The provider that the issuer stands for, if people of its sessions and of its tokens are the same.
    pub provider: Option<ProviderId>,
    /// The client that the token was issued to (`client_id`, `azp`, `appid`, `cid`).
    pub client: Option<Box<str>>,
    /// Display name.
    pub name: Option<Box<str>>,
    /// Name at whoever vouches.
    pub preferred_username: Option<Box<str>>,
    /// Verified address.
    pub email: Option<EmailAddress>,
    /// Groups.
    pub groups: Box<[Box<str>]>,
    /// Roles.
    pub roles: Box<[Box<str>]>,
    /// What the token may be used for (RFC 6749 §3.3).
    pub scopes: Box<[Box<str>]>,
    /// What its issuer lets the caller do (Auth0's `permissions`): not the same as scopes.
    pub permissions: Box<[Box<str>]>,
    /// What hardly anybody asks for.
    pub details: Option<Box<PersonDetails>>,
}

impl Caller {
    /// What rules look at, and apps are told of.
    #[must_use]
    pub fn as_subject(&self) -> Subject<'_> {
        Subject {
            scheme: self.scheme,
            user: self.user,
            subject: &self.subject,
            issuer: self.issuer.as_ref(),
            provider: self.provider.as_ref(),
            client: self.client.as_deref(),
            name: self.name.as_deref(),
            preferred_username: self.preferred_username.as_deref(),
            email: self.email.as_ref(),
            groups: &self.groups,
            roles: &self.roles,
            scopes: &self.scopes,
            permissions: &self.permissions,
            details: self.details.as_deref(),
        }
    }
}

/// Whoever calls, as rules look at them and apps are told of them.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// How they are known.
    pub scheme: Scheme,
    /// For ever the same in this tenant.
    pub user: UserId,
    /// What whoever vouches calls them.
    pub subject: &'a str,
    /// Whose token it is.
    pub issuer: Option<&'a TrustedIssuerId>,
    /// The provider that vouches.
    pub provider: Option<&'a ProviderId>,
    /// The client that a token was issued to.
    pub client: Option<&'a str>,
    /// Display name.
    pub name: Option<&'a str>,
    /// Name at whoever vouches.
    pub preferred_username: Option<&'a str>,
    /// Verified address, if there is one.
    pub email: Option<&'a EmailAddress>,
    /// Groups.
    pub groups: &'a [Box<str>],
    /// Roles.
    pub roles: &'a [Box<str>],
    /// What a token may be used for. A session has none.
    pub scopes: &'a [Box<str>],
    /// What a token's issuer lets its caller do. A session has none.
    pub permissions: &'a [Box<str>],
    /// What hardly anybody asks for.
    pub details: Option<&'a PersonDetails>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_kept_apart() {
        for (word, scheme) in Scheme::ALL {
            let alone: Schemes = [scheme].into_iter().collect();
            assert_eq!(scheme.as_str(), word);
            assert_eq!(alone.iter().collect::<Vec<_>>(), [scheme]);
            assert_eq!(alone.beyond_session(), scheme != Scheme::Session);
        }
        assert_eq!(
            Schemes::SESSION,
            [Scheme::Session].into_iter().collect::<Schemes>()
        );
        let none: Schemes = [].into_iter().collect();
        assert!(!none.accepts(Scheme::Session) && !none.beyond_session());
    }
}
