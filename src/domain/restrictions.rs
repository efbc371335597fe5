//! Whom a tenant lets in from one of its providers, beyond what the preset itself asks for.
//!
//! Every restriction that is set must be met, each time that a profile is made of somebody. Invariant: what is
//! not known is not met. Only an address that counts is held against domains, and groups and roles are those
//! that the rules of apps see.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;

use super::claims::texts;
use super::email::{EmailAddress, EmailDomain};
use super::email_rule::{Membership, NotCounted};
use super::expression::{Expression, ExpressionFailed, Known, truth};

/// How far clocks may differ.
const SKEW: Duration = Duration::from_mins(1);

/// What must be true of a person and their sign-in.
#[derive(Clone, Debug, Default)]
pub struct Restrictions {
    /// Domains of a verified address: one of these.
    pub email_domains: Vec<EmailDomain>,
    /// One of these.
    pub groups: Vec<Box<str>>,
    /// All of these.
    pub all_groups: Vec<Box<str>>,
    /// One of these.
    pub roles: Vec<Box<str>>,
    /// All of these.
    pub all_roles: Vec<Box<str>>,
    /// Members only, and what tells them from guests.
    pub members: Option<Membership>,
    /// `acr` of the ID token is one of these (OIDC Core 1.0 §2).
    pub acr_values: Vec<Box<str>>,
    /// `amr` of the ID token has all of these (RFC 8176).
    pub amr: Vec<Box<str>>,
    /// How long ago the person may have proved who they are (`max_age`, OIDC Core 1.0 §3.1.2.1).
    pub max_authentication_age: Option<Duration>,
    /// What no other restriction can say: an expression that must be true.
    pub condition: Option<Arc<dyn Expression>>,
}

/// What is held against the restrictions.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The address that counts.
    pub email: Option<&'a EmailAddress>,
    /// Groups, as the rules of apps see them.
    pub groups: &'a [Box<str>],
    /// Roles, as the rules of apps see them.
    pub roles: &'a [Box<str>],
    /// The claims of the verified ID token, where there is one.
    pub id_token: Option<&'a Value>,
    /// `auth_time` of it.
    pub authenticated_at: Option<OffsetDateTime>,
    /// For `condition`.
    pub known: Known<'a>,
}

/// The first restriction that somebody does not meet. For operators; people are told to use another account, or to
/// sign in again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMet {
    /// `email_domains`
    #[error("`email_domains`: {}", .0.as_deref().map_or_else(|| "no e-mail address counts".to_owned(), |domain| format!("the address is at `{domain}`")))]
    EmailDomain(Option<Box<str>>),
    /// `groups`
    #[error("`groups`: in none of them")]
    Groups,
    /// `all_groups`
    #[error("`all_groups`: not in `{0}`")]
    AllGroups(Box<str>),
    /// `roles`
    #[error("`roles`: has none of them")]
    Roles,
    /// `all_roles`
    #[error("`all_roles`: does not have `{0}`")]
    AllRoles(Box<str>),
    /// `guests = false`
    #[error("`guests`: {0}")]
    Guest(GuestOr),
    /// `acr_values`
    #[error("`acr_values`: `acr` is {0}")]
    AuthenticationContext(Found),
    /// `amr`
    #[error("`amr`: `{wanted}` is missing, `amr` is {found}")]
    AuthenticationMethod {
        /// What is missing.
        wanted: Box<str>,
        /// What is there.
        found: Found,
    },
    /// `max_authentication_age`
    #[error("`max_authentication_age`: {0}")]
    AuthenticationAge(Age),
    /// `condition`
    #[error("`condition`: {}", .0.as_ref().map_or_else(|| "it is not true".to_owned(), ToString::to_string))]
    Condition(Option<ExpressionFailed>),
}

impl NotMet {
    /// Whether it is about how, or when, the person signed in, and not about who they are.
    #[must_use]
    pub const fn is_about_the_sign_in(&self) -> bool {
        matches!(
            self,
            Self::AuthenticationContext(_)
                | Self::AuthenticationMethod { .. }
                | Self::AuthenticationAge(_)
        )
    }
}

/// What is known of somebody who is not known to be a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuestOr {
    /// They are none.
    #[error("the account is a guest's")]
    Guest,
    /// Nothing says it.
    #[error("nothing says whether the account is a member's or a guest's")]
    Unknown,
}

/// How old a sign-in at the provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Age {
    /// The provider does not tell.
    #[error("`auth_time` is missing")]
    Missing,
    /// It has not been yet.
    #[error("`auth_time` is in the future")]
    Future,
    /// So many seconds.
    #[error("the sign-in there is {0} seconds old")]
    Seconds(u64),
}

/// What a claim says, fit for a line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found(Box<str>);

impl Found {
    fn of(value: Option<&Value>) -> Self {
        let text = match value {
            None | Some(Value::Null) => return Self("missing".into()),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
        Self(format!("`{shown}`").into())
    }
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Restrictions {
    /// Whether all claims are looked at, so that none may be left unasked.
    #[must_use]
    pub fn look_at_claims(&self) -> bool {
        let condition = self.condition.as_ref();
        condition.is_some_and(|it| it.looks_at_claims())
    }

    /// Whether somebody may come in.
    ///
    /// # Errors
    /// The first restriction that is not met, in the order of the fields.
    pub fn judge(&self, candidate: &Candidate<'_>, now: OffsetDateTime) -> Result<(), NotMet> {
        self.email(candidate.email)?;
        one_of(&self.groups, candidate.groups, NotMet::Groups)?;
        all_of(&self.all_groups, candidate.groups, NotMet::AllGroups)?;
        one_of(&self.roles, candidate.roles, NotMet::Roles)?;
        all_of(&self.all_roles, candidate.roles, NotMet::AllRoles)?;
        self.member(candidate.id_token)?;
        self.context(candidate.id_token)?;
        self.methods(candidate.id_token)?;
        self.age(candidate.authenticated_at, now)?;
        self.condition(candidate.known)
    }

    fn condition(&self, known: Known<'_>) -> Result<(), NotMet> {
        let Some(condition) = &self.condition else {
            return Ok(());
        };
        let answer = condition.evaluate(known).and_then(|it| truth(&it));
        match answer {
            Ok(true) => Ok(()),
            Ok(false) => Err(NotMet::Condition(None)),
            Err(failed) => Err(NotMet::Condition(Some(failed))),
        }
    }

    fn email(&self, email: Option<&EmailAddress>) -> Result<(), NotMet> {
        let fits = |email: &EmailAddress| self.email_domains.iter().any(|it| email.is_in(it));
        if self.email_domains.is_empty() || email.is_some_and(fits) {
            return Ok(());
        }
        let domain = email.and_then(|email| email.as_str().split_once('@'));
        Err(NotMet::EmailDomain(domain.map(|(_, domain)| domain.into())))
    }

    fn member(&self, id_token: Option<&Value>) -> Result<(), NotMet> {
        let Some(membership) = &self.members else {
            return Ok(());
        };
        match id_token.map(|claims| membership.of(claims)) {
            Some(Ok(())) => Ok(()),
            Some(Err(NotCounted::Guest)) => Err(NotMet::Guest(GuestOr::Guest)),
            Some(Err(_)) | None => Err(NotMet::Guest(GuestOr::Unknown)),
        }
    }

    /// OIDC Core 1.0 §3.1.3.7, point 12.
    fn context(&self, id_token: Option<&Value>) -> Result<(), NotMet> {
        let found = id_token.and_then(|claims| claims.get("acr"));
        let fits = |acr: &str| self.acr_values.iter().any(|wanted| **wanted == *acr);
        if self.acr_values.is_empty() || found.and_then(Value::as_str).is_some_and(fits) {
            return Ok(());
        }
        Err(NotMet::AuthenticationContext(Found::of(found)))
    }

    fn methods(&self, id_token: Option<&Value>) -> Result<(), NotMet> {
        let found = id_token.and_then(|claims| claims.get("amr"));
        // A list (OIDC Core 1.0 §2); one method is sent as text by some.
        let methods = found.and_then(texts).unwrap_or_default();
        all_of(&self.amr, &methods, |wanted| NotMet::AuthenticationMethod {
            wanted,
            found: Found::of(found),
        })
    }

    /// OIDC Core 1.0 §3.1.3.7, point 13.
    fn age(&self, at: Option<OffsetDateTime>, now: OffsetDateTime) -> Result<(), NotMet> {
        let Some(most) = self.max_authentication_age else {
            return Ok(());
        };
        let not_met = |age| Err(NotMet::AuthenticationAge(age));
        let Some(at) = at else {
            return not_met(Age::Missing);
        };
        if at > now + SKEW {
            return not_met(Age::Future);
        }
        if now > at + most + SKEW {
            return not_met(Age::Seconds((now - at).whole_seconds().unsigned_abs()));
        }
        Ok(())
    }
}

fn one_of(wanted: &[Box<str>], found: &[Box<str>], refusal: NotMet) -> Result<(), NotMet> {
    if wanted.is_empty() || found.iter().any(|name| wanted.contains(name)) {
        Ok(())
    } else {
        Err(refusal)
    }
}

fn all_of(
    wanted: &[Box<str>],
    found: &[Box<str>],
    refusal: impl FnOnce(Box<str>) -> NotMet,
) -> Result<(), NotMet> {
    let missing = wanted.iter().find(|name| !found.contains(name));
    missing.map_or(Ok(()), |name| Err(refusal(name.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::claims::ClaimPath;
    use rstest::rstest;
    use serde_json::json;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2027-01-15 08:00 UTC);

    fn names(names: &[&str]) -> Vec<Box<str>> {
        names.iter().map(|name| (*name).into()).collect()
    }

    fn membership() -> Membership {
        Membership {
            account: ClaimPath::new("acct"),
            home: ClaimPath::new("idp"),
        }
    }

    fn judged(restrictions: &Restrictions, id_token: &Value) -> Result<(), String> {
        let email: EmailAddress = "ada@acme.example".parse().expect("an address");
        let (groups, roles) = (names(&["staff", "ops"]), names(&["editor"]));
        let seconds = id_token.get("auth_time").and_then(Value::as_i64);
        let candidate = Candidate {
            email: Some(&email),
            groups: &groups,
            roles: &roles,
            id_token: Some(id_token),
            authenticated_at: seconds
                .map(|it| OffsetDateTime::from_unix_timestamp(it).expect("a time")),
            known: Known {
                claims: &Value::Null,
                identity: &Value::Null,
            },
        };
        restrictions
            .judge(&candidate, NOW)
            .map_err(|it| it.to_string())
    }

    macro_rules! only {
        ($($field:ident: $value:expr),*) => {
            Restrictions { $($field: $value,)* ..Restrictions::default() }
        };
    }

    fn ago(seconds: i64) -> Value {
        json!({ "auth_time": NOW.unix_timestamp() - seconds })
    }

    #[rstest]
    #[case::none(only!(), json!({}), None)]
    #[case::domain(only!(email_domains: vec!["acme.example".parse().expect("one")]), json!({}), None)]
    #[case::other_domain(only!(email_domains: vec!["other.example".parse().expect("one")]), json!({}), Some("the address is at `acme.example`"))]
    #[case::one_group(only!(groups: names(&["x", "ops"])), json!({}), None)]
    #[case::no_group(only!(groups: names(&["x", "Ops"])), json!({}), Some("`groups`"))]
    #[case::all_groups(only!(all_groups: names(&["ops", "staff"])), json!({}), None)]
    #[case::not_all_groups(only!(all_groups: names(&["ops", "x"])), json!({}), Some("`all_groups`: not in `x`"))]
    #[case::one_role(only!(roles: names(&["editor"])), json!({}), None)]
    #[case::a_group_is_no_role(only!(roles: names(&["staff"])), json!({}), Some("`roles`"))]
    #[case::not_all_roles(only!(all_roles: names(&["editor", "admin"])), json!({}), Some("`all_roles`: does not have `admin`"))]
    #[case::member(only!(members: Some(membership())), json!({"acct": 0}), None)]
    #[case::guest(only!(members: Some(membership())), json!({"acct": 1}), Some("a guest's"))]
    #[case::from_elsewhere(only!(members: Some(membership())), json!({"iss": "a", "idp": "b"}), Some("a guest's"))]
    #[case::at_home(only!(members: Some(membership())), json!({"iss": "a", "idp": "a"}), None)]
    #[case::contradiction(only!(members: Some(membership())), json!({"acct": 0, "iss": "a", "idp": "b"}), Some("a guest's"))]
    #[case::unknown(only!(members: Some(membership())), json!({}), Some("nothing says"))]
    #[case::in_text(only!(members: Some(membership())), json!({"acct": "0"}), Some("a guest's"))]
    #[case::acr(only!(acr_values: names(&["phr", "phrh"])), json!({"acr": "phrh"}), None)]
    #[case::other_acr(only!(acr_values: names(&["phr"])), json!({"acr": "0"}), Some("`acr` is `0`"))]
    #[case::no_acr(only!(acr_values: names(&["phr"])), json!({}), Some("`acr` is missing"))]
    #[case::acr_in_a_list(only!(acr_values: names(&["phr"])), json!({"acr": ["phr"]}), Some("`acr` is"))]
    #[case::amr(only!(amr: names(&["mfa"])), json!({"amr": ["pwd", "mfa"]}), None)]
    #[case::one_amr(only!(amr: names(&["mfa"])), json!({"amr": "mfa"}), None)]
    #[case::not_all_amr(only!(amr: names(&["pwd", "otp"])), json!({"amr": ["pwd"]}), Some("`otp` is missing"))]
    #[case::no_amr(only!(amr: names(&["mfa"])), json!({}), Some("`amr` is missing"))]
    #[case::amr_of_another_kind(only!(amr: names(&["mfa"])), json!({"amr": {"mfa": true}}), Some("`mfa` is missing"))]
    #[case::fresh(only!(max_authentication_age: Some(Duration::from_hours(1))), ago(3660), None)]
    #[case::old(only!(max_authentication_age: Some(Duration::from_hours(1))), ago(3661), Some("3661 seconds old"))]
    #[case::no_time(only!(max_authentication_age: Some(Duration::from_hours(1))), json!({}), Some("`auth_time` is missing"))]
    #[case::future(only!(max_authentication_age: Some(Duration::from_hours(1))), ago(-61), Some("in the future"))]
    #[case::clocks_differ(only!(max_authentication_age: Some(Duration::ZERO)), ago(-60), None)]
    fn each_is_met_or_refuses_with_its_own_reason(
        #[case] restrictions: Restrictions,
        #[case] id_token: Value,
        #[case] reason: Option<&str>,
    ) {
        match (judged(&restrictions, &id_token), reason) {
            (Ok(()), None) => {}
            (Err(found), Some(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn nothing_known_meets_nothing() {
        let nobody = Candidate {
            email: None,
            groups: &[],
            roles: &[],
            id_token: None,
            authenticated_at: None,
            known: Known {
                claims: &Value::Null,
                identity: &Value::Null,
            },
        };
        let all = [
            only!(email_domains: vec!["acme.example".parse().expect("one")]),
            only!(groups: names(&["a"])),
            only!(all_groups: names(&["a"])),
            only!(roles: names(&["a"])),
            only!(all_roles: names(&["a"])),
            only!(members: Some(membership())),
            only!(acr_values: names(&["a"])),
            only!(amr: names(&["a"])),
            only!(max_authentication_age: Some(Duration::from_hours(1))),
        ];
        for restrictions in all {
            assert!(
                restrictions.judge(&nobody, NOW).is_err(),
                "{restrictions:?}"
            );
        }
    }
}
