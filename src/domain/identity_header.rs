//! What apps are told about a person: which headers, and what stands in them.

use http::HeaderName;

use super::caller::Subject;

/// Which of the two sets of identity headers an endpoint answers with, where an app names none of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderSet {
    /// `X-Auth-Request-…`.
    OAuth2Proxy,
    /// `Remote-…`.
    Authelia,
}

impl HeaderSet {
    /// Both.
    pub const ALL: [Self; 2] = [Self::OAuth2Proxy, Self::Authelia];

    /// What it consists of: names in lower case, and what they say.
    #[must_use]
    pub const fn defaults(self) -> [(&'static str, IdentitySource); 4] {
        match self {
            Self::OAuth2Proxy => [
                ("x-auth-request-user", IdentitySource::User),
                ("x-auth-request-email", IdentitySource::Email),
                (
                    "x-auth-request-preferred-username",
                    IdentitySource::PreferredUsername,
                ),
                ("x-auth-request-groups", IdentitySource::Groups),
            ],
            Self::Authelia => [
                ("remote-user", IdentitySource::User),
                ("remote-groups", IdentitySource::Groups),
                ("remote-name", IdentitySource::Name),
                ("remote-email", IdentitySource::Email),
            ],
        }
    }
}

/// One header that tells an app about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub source: IdentitySource,
}

/// What an identity header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentitySource {
    /// Our stable id of the person: 32 hexadecimal digits.
    User,
    /// The provider's identifier of the person.
    Subject,
    /// Verified e-mail address.
    Email,
    /// Name at the provider.
    PreferredUsername,
    /// Display name.
    Name,
    /// Groups, joined by commas.
    Groups,
    /// Roles, joined by commas.
    Roles,
    /// The address of a picture.
    Picture,
    /// Language tag.
    Locale,
    /// The provider's name in the configuration.
    Provider,
    /// The provider's access token for the person.
    AccessToken,
    /// The newest ID token that the provider gave about the person.
    IdToken,
    /// All of this in a token that we signed for the app.
    Assertion,
}

impl IdentitySource {
    /// All of them, with the word of the configuration.
    pub const ALL: [(&'static str, Self); 13] = [
        ("user", Self::User),
        ("subject", Self::Subject),
        ("email", Self::Email),
        ("preferred_username", Self::PreferredUsername),
        ("name", Self::Name),
        ("groups", Self::Groups),
        ("roles", Self::Roles),
        ("picture", Self::Picture),
        ("locale", Self::Locale),
        ("provider", Self::Provider),
        ("access_token", Self::AccessToken),
        ("id_token", Self::IdToken),
        ("assertion", Self::Assertion),
    ];

    /// Whether it is a token of the provider, which is nothing about the person.
    #[must_use]
    pub const fn is_token(self) -> bool {
        matches!(self, Self::AccessToken | Self::IdToken)
    }

    /// Whether whoever has it could use it: it is neither printed nor indexed.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        self.is_token() || matches!(self, Self::Assertion)
    }

    /// The value for `subject`, empty where there is none; and the groups or roles that a list with commas
    /// cannot carry, which are left out.
    #[must_use]
    pub fn value(self, subject: &Subject<'_>) -> (String, Vec<Box<str>>) {
        let plain = |value: Option<&str>| (value.unwrap_or_default().to_owned(), Vec::new());
        match self {
            Self::User => (subject.user.to_string(), Vec::new()),
            Self::Subject => plain(Some(subject.subject)),
            Self::Email => plain(subject.email.map(super::email::EmailAddress::as_str)),
            Self::PreferredUsername => plain(subject.preferred_username),
            Self::Name => plain(subject.name),
            Self::Provider => plain(subject.provider.map(super::ids::ProviderId::as_str)),
            Self::Picture => plain(subject.details.and_then(|it| it.picture.as_deref())),
            Self::Locale => plain(subject.details.and_then(|it| it.locale.as_deref())),
            Self::Groups => joined(subject.groups),
            Self::Roles => joined(subject.roles),
            // They are made elsewhere.
            Self::AccessToken | Self::IdToken | Self::Assertion => plain(None),
        }
    }
}

/// Who reads a list cuts it at commas, and often the space around them too.
fn fits_in_list(name: &str) -> bool {
    let whole = !name.is_empty() && name.trim() == name;
    whole && !name.contains(|c: char| c == ',' || c.is_control())
}

/// Names with commas between them, and those that such a list cannot carry.
fn joined(names: &[Box<str>]) -> (String, Vec<Box<str>>) {
    let (kept, left_out): (Vec<_>, Vec<_>) = names.iter().partition(|name| fits_in_list(name));
    let joined = kept.iter().map(|name| &***name).collect::<Vec<_>>();
    (joined.join(","), left_out.into_iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t07_a_list_holds_whole_names_only() {
        let names = [
            "staff",
            " admins",
            "admins ",
            "",
            "a,b",
            "a\nb",
            "two words",
        ];
        let (joined, left_out) = joined(&names.map(Into::into));
        assert_eq!(joined, "staff,two words");
        assert_eq!(left_out.len(), 5);
    }
}
