//! Names of things: what an operator calls a tenant, a provider or an app, and what a provider calls
//! itself and a person.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A name that is not `[a-z0-9-]{1,63}`, or begins or ends with a hyphen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use 1 to 63 of `a-z`, `0-9` and `-`, and neither begin nor end with `-`")]
pub struct InvalidName;

fn checked(name: &str) -> Result<Box<str>, InvalidName> {
    let fits = (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !name.starts_with('-')
        && !name.ends_with('-');
    if fits {
        Ok(name.into())
    } else {
        Err(InvalidName)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $type(Box<str>);

        impl $type {
            /// As the operator wrote it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(name: &str) -> Result<Self, InvalidName> {
                checked(name).map(Self)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

name! {
    /// An organization with its own issuer, providers, apps and sessions.
    TenantId
}
name! {
    /// One of a tenant's upstream providers.
    ProviderId
}
name! {
    /// One of a tenant's protected apps.
    AppId
}
name! {
    /// One of a tenant's downstream clients: what asks us for tokens.
    ClientId
}
name! {
    /// One of a tenant's trusted issuers, whose tokens its apps accept.
    TrustedIssuerId
}
name! {
    /// One of a tenant's rules for exchanging tokens.
    TokenExchangeId
}

/// An issuer, compared byte for byte and never normalised (OIDC Core 1.0 §3.1.3.7, point 2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Issuer(Box<str>);

impl Issuer {
    /// Takes the issuer as it stands.
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        Self(issuer.into())
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether `text` is a GUID as directories write theirs: hexadecimal groups of 8-4-4-4-12.
#[must_use]
pub fn is_guid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

macro_rules! opaque_id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type([u8; 16]);

        impl $type {
            /// From 16 random bytes, or from storage.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// For storage.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $type {
            /// 32 hexadecimal digits.
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($type), "({})"), self)
            }
        }

        impl FromStr for $type {
            type Err = InvalidOpaqueId;

            fn from_str(text: &str) -> Result<Self, InvalidOpaqueId> {
                let number = u128::from_str_radix(text, 16).map_err(|_| InvalidOpaqueId)?;
                if text.len() == 32 && !text.starts_with('+') {
                    Ok(Self(number.to_be_bytes()))
                } else {
                    Err(InvalidOpaqueId)
                }
            }
        }
    };
}

/// Text that is not 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 hexadecimal digits")]
pub struct InvalidOpaqueId;

opaque_id! {
    /// A person in one tenant, for ever: what apps are told by default. Never reused, not a secret.
    UserId
}
opaque_id! {
    /// An API key's name for ever. Not a secret.
    ApiKeyId
}
opaque_id! {
    /// A session's name in storage and on the sessions page. Not a secret: the handle is.
    SessionId
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::empty("")]
    #[case::upper("Acme")]
    #[case::dot("a.b")]
    #[case::slash("a/b")]
    #[case::leading_hyphen("-a")]
    #[case::trailing_hyphen("a-")]
    #[case::unicode("ácme")]
    fn a_name_that_could_be_misread_is_refused(#[case] name: &str) {
        assert_eq!(name.parse::<TenantId>(), Err(InvalidName));
    }

    #[test]
    fn an_opaque_id_survives_printing() {
        let id = UserId::from_bytes([7; 16]);
        assert_eq!(id.to_string().parse::<UserId>(), Ok(id));
        assert!(
            "+0000000000000000000000000000007"
                .parse::<UserId>()
                .is_err()
        );
    }
}
