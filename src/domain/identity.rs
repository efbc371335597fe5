//! Who somebody is, once a provider has vouched for it.
//!
//! Invariant: a [`VerifiedIdentity`] exists only for a [`MatchedAttempt`]: nobody is signed in without a
//! login that this browser began. A person is keyed by (tenant, issuer key, subject key), never by an
//! e-mail address.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::caller::{Scheme, Subject};
use super::email::EmailAddress;
use super::ids::{Issuer, ProviderId, TenantId, UserId};
use super::login_attempt::MatchedAttempt;
use super::upstream_logout::{UpstreamLogin, UpstreamNames};

/// What a provider says of a person, mapped from verified documents.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The preset's canonical name of the issuer: stable where `iss` has several spellings.
    pub issuer_key: Box<str>,
    /// What the provider really keeps stable about a person.
    pub subject_key: Box<str>,
    /// `iss` as it stood, or the preset's name of a provider without issuer.
    pub issuer: Issuer,
    /// The same for whoever compares what two of its tokens name: the issuer key, or, where each tenant of a
    /// cloud is an issuer of its own, `iss`.
    pub naming_issuer: Box<str>,
    /// `sub` as it stood, or the provider's own identifier.
    pub subject: Box<str>,
    /// Display name.
    pub name: Option<Box<str>>,
    /// The name people type at the provider. Can be renamed and taken by somebody else.
    pub preferred_username: Option<Box<str>>,
    /// Present only if the provider vouches for it (OIDC Core 1.0 §5.1, `email_verified`).
    pub email: Option<EmailAddress>,
    /// Groups, in the provider's order.
    pub groups: Vec<Box<str>>,
    /// Roles, in the provider's order.
    pub roles: Vec<Box<str>>,
    /// The https address of a picture. Only where an app of the tenant is told it.
    pub picture: Option<Box<str>>,
    /// Language tag (BCP 47). Only where an app of the tenant is told it.
    pub locale: Option<Box<str>>,
    /// When the person last proved who they are (`auth_time`, OIDC Core 1.0 §2).
    pub authenticated_at: Option<OffsetDateTime>,
    /// The provider's own session (`sid`, OIDC Back-Channel Logout 1.0 §2.1).
    pub upstream_session: Option<Box<str>>,
}

/// A person whom a provider has vouched for, in answer to a login that this browser began.
#[derive(Clone, Debug)]
pub struct VerifiedIdentity {
    tenant: TenantId,
    provider: ProviderId,
    profile: Profile,
    asked_at: OffsetDateTime,
}

impl VerifiedIdentity {
    /// The last step of a login.
    #[cfg_attr(
        not(feature = "server"),
        expect(dead_code, reason = "logins are the server's")
    )]
    pub(crate) fn new(attempt: &MatchedAttempt, profile: Profile) -> Self {
        Self {
            tenant: attempt.attempt().tenant.clone(),
            provider: attempt.attempt().provider.clone(),
            profile,
            asked_at: attempt.attempt().began_at,
        }
    }

    /// Where the login was begun.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Who vouched.
    #[must_use]
    pub const fn provider(&self) -> &ProviderId {
        &self.provider
    }

    /// What they said.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What the provider will call this login, should it end it.
    #[must_use]
    pub fn upstream_login(&self) -> UpstreamLogin {
        let profile = &self.profile;
        let names = UpstreamNames {
            provider: &self.provider,
            issuer: &profile.naming_issuer,
        };
        UpstreamLogin {
            session: profile
                .upstream_session
                .as_deref()
                .map(|sid| names.session(sid)),
            subject: names.subject(&profile.subject),
            asked_at: self.asked_at,
        }
    }
}

/// The person of a session: what rules look at and apps are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// For ever the same in this tenant.
    #[serde(with = "user_id_text")]
    pub user: UserId,
    /// The provider they signed in through.
    #[serde(with = "provider_text")]
    pub provider: ProviderId,
    /// The provider's identifier of them.
    pub subject: Box<str>,
    /// Display name.
    pub name: Option<Box<str>>,
    /// Name at the provider.
    pub preferred_username: Option<Box<str>>,
    /// Verified address.
    #[serde(deserialize_with = "email_text::deserialize", default)]
    pub email: Option<EmailAddress>,
    /// Groups.
    pub groups: Box<[Box<str>]>,
    /// Roles. Sessions from before they were known have none.
    #[serde(default)]
    pub roles: Box<[Box<str>]>,
    /// What hardly anybody asks for, in one place: a session in memory is a pointer larger without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<PersonDetails>>,
}

/// What is known of a person only where an app of the tenant is told it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonDetails {
    /// The https address of a picture.
    #[serde(default)]
    pub picture: Option<Box<str>>,
    /// Language tag (BCP 47).
    #[serde(default)]
    pub locale: Option<Box<str>>,
}

impl Person {
    /// The person of `identity`, who is `user` here.
    #[must_use]
    pub fn new(user: UserId, identity: &VerifiedIdentity) -> Self {
        Self::of(user, &identity.provider, &identity.profile)
    }

    /// The same person as their provider describes them now.
    #[must_use]
    pub fn again(&self, profile: &Profile) -> Self {
        Self::of(self.user, &self.provider, profile)
    }

    fn of(user: UserId, provider: &ProviderId, profile: &Profile) -> Self {
        Self {
            user,
            provider: provider.clone(),
            subject: profile.subject.clone(),
            name: profile.name.clone(),
            preferred_username: profile.preferred_username.clone(),
            email: profile.email.clone(),
            groups: profile.groups.clone().into(),
            roles: profile.roles.clone().into(),
            details: PersonDetails::of(profile),
        }
    }

    /// What rules look at, and apps are told of.
    #[must_use]
    pub fn as_subject(&self) -> Subject<'_> {
        Subject {
            scheme: Scheme::Session,
            user: self.user,
            subject: &self.subject,
            issuer: None,
            provider: Some(&self.provider),
            client: None,
            name: self.name.as_deref(),
            preferred_username: self.preferred_username.as_deref(),
            email: self.email.as_ref(),
            groups: &self.groups,
            roles: &self.roles,
            scopes: &[],
            permissions: &[],
            details: self.details.as_deref(),
        }
    }

    /// What a page calls them: name, else address, else name at the provider, else their id.
    #[must_use]
    pub fn display_name(&self) -> String {
        self.name
            .as_deref()
            .or_else(|| self.email.as_ref().map(EmailAddress::as_str))
            .or(self.preferred_username.as_deref())
            .map_or_else(|| self.user.to_string(), ToOwned::to_owned)
    }
}

impl PersonDetails {
    fn of(profile: &Profile) -> Option<Box<Self>> {
        let details = Self {
            picture: profile.picture.clone(),
            locale: profile.locale.clone(),
        };
        (details != Self::default()).then(|| Box::new(details))
    }
}

macro_rules! as_text {
    ($module:ident, $type:ty) => {
        mod $module {
            use serde::{Deserialize, Deserializer, Serializer, de::Error};

            pub(super) fn serialize<S: Serializer>(
                value: &$type,
                to: S,
            ) -> Result<S::Ok, S::Error> {
                to.collect_str(value)
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(
                from: D,
            ) -> Result<$type, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    };
}

as_text!(user_id_text, super::UserId);
as_text!(provider_text, super::ProviderId);

mod email_text {
    use serde::{Deserialize, Deserializer, de::Error};

    use super::EmailAddress;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<EmailAddress>, D::Error> {
        Option::<String>::deserialize(from)?
            .map(|text| text.parse().map_err(D::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Sessions outlive an upgrade.
    #[test]
    fn a_person_stored_before_there_were_roles_is_read() {
        let stored = json!({
            "user": "0123456789abcdef0123456789abcdef", "provider": "entra", "subject": "s-1", "name": "Ada",
            "preferred_username": null, "email": "ada@acme.example", "groups": ["staff"],
        });
        let person: Person = serde_json::from_value(stored.clone()).expect("a person");
        assert!(person.roles.is_empty());
        assert_eq!(person.details, None);
        let mut written = serde_json::to_value(&person).expect("JSON");
        assert_eq!(written["roles"].take(), json!([]));
        assert_eq!(written["groups"], stored["groups"]);
    }
}
