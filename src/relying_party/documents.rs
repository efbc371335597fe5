//! What the documents about a person come to: one profile, or the reason why there is none.
//!
//! Invariant: a profile is made in [`Documents::profile`] and nowhere else, so that whoever is not let in gets none,
//! at a login as at every later look; and a list that is known not to be whole is never taken for "none".

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::id_token::{VerifiedIdToken, authenticated_at};
use super::{UpstreamTrouble, expressions};
use crate::domain::claims::{ClaimPath, texts};
use crate::domain::email::EmailAddress;
use crate::domain::email_rule::NotCounted;
use crate::domain::expression::Known;
use crate::domain::identity::Profile;
use crate::domain::identity_header::IdentitySource;
use crate::domain::ids::{Issuer, TenantId};
use crate::domain::profile_request::ProfileRequest;
use crate::domain::profile_values;
use crate::domain::restrictions::Candidate;
use crate::domain::tenant::Tenant;
use crate::domain::upstream_provider::{
    ClaimMapping, ClaimRule, GroupMapping, Place, Protocol, RequiredClaim, Source,
    UpstreamProvider, entry_name,
};

/// Longest claim that is kept for apps, in bytes of JSON: more would stand in each answer of a check.
const LONGEST_CLAIM: usize = 2048;

/// Most groups of a person that are kept.
const MOST_GROUPS: usize = 1000;

/// Claims about an ID token, not about a person (OIDC Core 1.0 §2).
pub(super) const OF_THE_TOKEN: [&str; 14] = [
    "iss",
    "sub",
    "aud",
    "azp",
    "exp",
    "iat",
    "nbf",
    "nonce",
    "auth_time",
    "acr",
    "amr",
    "sid",
    "at_hash",
    "typ",
];

/// What has been learned of a person so far.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// ID token, then userinfo: the first that has a claim counts.
    pub(super) claims: Vec<Value>,
    pub(super) userinfo: Option<Value>,
    pub(super) token_answer: Value,
    pub(super) profile: Vec<(Box<str>, Value)>,
}

/// The claims that apps of `tenant` are told as they stand.
fn told_claims(
    tenant: &Tenant,
    provider: &UpstreamProvider,
    merged: &Value,
) -> BTreeMap<Box<str>, Value> {
    let mut told = BTreeMap::new();
    for path in tenant.told_claims() {
        let Some(value) = path.find(merged) else {
            continue;
        };
        let length = value.to_string().len();
        if length > LONGEST_CLAIM {
            tracing::warn!(
                target: "audit", event = "claim_left_out", tenant = %tenant.id, provider = %provider.id,
                claim = %path, length, "a claim of more than 2048 bytes is told to no app"
            );
            continue;
        }
        told.insert(path.as_str().into(), value.clone());
    }
    told
}

impl Documents {
    /// What the ID token alone tells.
    pub(super) fn of_token(id_token: &VerifiedIdToken) -> Self {
        Self {
            claims: vec![id_token.claims().clone()],
            ..Self::default()
        }
    }

    /// Takes from the ID token of the sign-in how the person authenticated, where a later one does not repeat it:
    /// a refresh is no authentication (OIDC Core 1.0 §12.2).
    pub(super) fn inherit(&mut self, sign_in: &VerifiedIdToken) {
        let Some(Value::Object(claims)) = self.claims.first_mut() else {
            return;
        };
        for name in ["acr", "amr"] {
            if let Some(value) = sign_in.claims().get(name) {
                claims.entry(name).or_insert_with(|| value.clone());
            }
        }
        // What was judged at the sign-in goes on counting, whatever the person did there since.
        if let Some(at) = sign_in.claims().get("auth_time") {
            claims.insert("auth_time".to_owned(), at.clone());
        }
    }

    /// Maps what was learned, and lets nobody through who does not meet the provider's restrictions: a profile
    /// is made here and nowhere else.
    pub(super) fn profile(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        now: OffsetDateTime,
    ) -> Result<Profile, UpstreamTrouble> {
        let mut required = provider.required_claims.iter();
        required.try_for_each(|required| self.check(required))?;
        let mapping = &provider.claims;
        let subject = self
            .subject(&mapping.subject)
            .ok_or(UpstreamTrouble::Unmapped("subject"))?;
        let first = self.claims.first();
        let raw = |name: &str| first.and_then(|claims| ClaimPath::new(name).text(claims));
        let issuer = match &provider.protocol {
            Protocol::OpenIdConnect(openid) => {
                raw("iss").map_or_else(|| openid.issuer.clone(), |issuer| Issuer::new(&issuer))
            }
            Protocol::OAuth2 { .. } => Issuer::new(&provider.issuer_key),
        };
        let naming_issuer = match &provider.protocol {
            Protocol::OpenIdConnect(openid) => {
                openid.naming_issuer(issuer.as_str(), &provider.issuer_key)
            }
            Protocol::OAuth2 { .. } => &provider.issuer_key,
        };
        let changes = &provider.changes;
        let merged = self.merged();
        let text = |changed: &Option<ClaimPath>, place: &Option<Place>| match (changed, place) {
            (Some(path), _) => path.text(&merged),
            (None, Some(place)) => self.text(place),
            (None, None) => None,
        };
        let emails = self.emails(&tenant.id, provider);
        let picture = text(&changes.picture, &mapping.picture);
        let locale = text(&changes.locale, &mapping.locale);
        let mut profile = Profile {
            naming_issuer: naming_issuer.into(),
            issuer_key: provider.issuer_key.clone(),
            subject_key: subject.clone(),
            issuer,
            subject: raw("sub").unwrap_or(subject),
            name: text(&changes.name, &mapping.name),
            preferred_username: text(&changes.preferred_username, &mapping.preferred_username),
            email: emails.first().cloned(),
            groups: self.names("groups", provider, &merged)?,
            roles: self.names("roles", provider, &merged)?,
            picture: picture.and_then(|it| profile_values::picture(&it)),
            locale: locale.and_then(|it| profile_values::locale(&it)),
            claims: told_claims(tenant, provider, &merged),
            authenticated_at: first.and_then(authenticated_at),
            upstream_session: raw("sid"),
        };
        expressions::apply(&changes.expressions, &mut profile, &emails, &merged)?;
        let candidate = Candidate {
            known: Known {
                claims: &merged,
                identity: &expressions::identity(&profile, &emails),
            },
            email: profile.email.as_ref(),
            groups: &profile.groups,
            roles: &profile.roles,
            id_token: first,
            authenticated_at: profile.authenticated_at,
        };
        provider.restrictions.judge(&candidate, now)?;
        // Nobody keeps what nobody asks for.
        profile.picture = profile
            .picture
            .filter(|_| tenant.tells(IdentitySource::Picture));
        profile.locale = profile
            .locale
            .filter(|_| tenant.tells(IdentitySource::Locale));
        Ok(profile)
    }

    /// What the operator's own paths are read from: the claims, userinfo for what the ID token does not have;
    /// in plain OAuth 2 the answer to each profile request, under its name.
    fn merged(&self) -> Value {
        // What is said of the token itself counts in the signed document only, which is the first.
        let of_token = |name: &str, place: usize| place > 0 && OF_THE_TOKEN.contains(&name);
        let claims = self.claims.iter().enumerate().rev();
        let claims = claims.filter_map(|(place, claims)| Some((place, claims.as_object()?)));
        let claims = claims.flat_map(|(place, claims)| {
            let counts = claims
                .iter()
                .filter(move |(name, _)| !of_token(name, place));
            counts.map(|(name, value)| (name.clone(), value.clone()))
        });
        let answers = self.profile.iter();
        let answers = answers.map(|(name, answer)| (name.to_string(), answer.clone()));
        // Whose names are the same is the signed one.
        answers.chain(claims).collect::<Map<_, _>>().into()
    }

    /// Groups or roles, where the operator says that they are, or the preset, and as the operator wants them.
    fn names(
        &self,
        what: &'static str,
        provider: &UpstreamProvider,
        merged: &Value,
    ) -> Result<Vec<Box<str>>, UpstreamTrouble> {
        let (preset, change) = match what {
            "groups" => (&provider.claims.groups, &provider.changes.groups),
            _ => (&provider.claims.roles, &provider.changes.roles),
        };
        let Some(change) = change else {
            return self.groups(what, preset);
        };
        if change.from.is_empty() {
            return Ok(change.apply(self.groups(what, preset)?));
        }
        let mut names = Vec::new();
        for path in &change.from {
            // The preset may know where the whole list is.
            let own = preset
                .iter()
                .find(|list| list.place.source == Source::Claims && list.place.path == *path);
            if let Some(own) = own.filter(|own| own.instead.is_some()) {
                names.extend(self.groups(what, std::slice::from_ref(own))?);
                continue;
            }
            check_whole(path, &provider.claims, merged)?;
            if let Some(list) = path.find(merged) {
                names.extend(texts(list).ok_or(UpstreamTrouble::Unmapped(what))?);
            }
        }
        if names.len() > MOST_GROUPS {
            return Err(UpstreamTrouble::Unmapped(what));
        }
        Ok(change.apply(names))
    }

    /// What must be said before anything counts is read from one document alone: the ID token, or the profile
    /// request that the preset names.
    pub(super) fn check(&self, required: &RequiredClaim) -> Result<(), UpstreamTrouble> {
        let mut there = required.places.iter().filter_map(|place| {
            let document = self.of(&place.source).next()?;
            place.path.find(document)
        });
        let value = there.next();
        let found = value.and_then(|value| names(value, &required.members));
        let admitted = match required.rule {
            ClaimRule::Absent => value.is_none(),
            _ => required.admits(found.as_deref()),
        };
        if admitted {
            return Ok(());
        }
        let claim = required.places.first().map(Place::to_string);
        let claim = claim.unwrap_or_default().into();
        Err(match &required.rule {
            ClaimRule::Is(_) | ClaimRule::Absent => UpstreamTrouble::RequiredClaim(claim),
            ClaimRule::OneOf(_) | ClaimRule::NoneOf(_) => UpstreamTrouble::AccountRefused {
                claim,
                found: found.map_or_else(|| "absent".into(), |it| quoted(&it.join(", "))),
            },
        })
    }

    /// Several facts are joined by `:`, which none of them may hold: two persons must not become one.
    fn subject(&self, places: &[Place]) -> Option<Box<str>> {
        let parts: Option<Vec<_>> = places.iter().map(|place| self.text(place)).collect();
        match parts?.as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            parts => {
                let clear = parts.iter().all(|part| !part.contains(':'));
                clear.then(|| parts.join(":").into())
            }
        }
    }

    /// The addresses that count. That it does not is told: people and operators wonder why a rule says no.
    fn emails(&self, tenant: &TenantId, provider: &UpstreamProvider) -> Vec<EmailAddress> {
        let (source, rule) = &provider.claims.email;
        let (mut emails, mut left_out) = (Vec::new(), None);
        for document in self.of(source) {
            match rule.judge(document) {
                Ok(address) if emails.contains(&address) => {}
                Ok(address) => emails.push(address),
                Err(NotCounted::Absent) => {}
                Err(reason) => left_out = Some(reason),
            }
        }
        if let Some(reason) = left_out.filter(|_| emails.is_empty()) {
            tracing::info!(
                target: "audit", event = "email_left_out", %tenant, provider = %provider.id, reason = %reason,
                "an e-mail address does not count: it is neither passed on nor matched"
            );
        }
        emails
    }

    fn of<'a>(&'a self, source: &'a Source) -> impl Iterator<Item = &'a Value> {
        let claims = self
            .claims
            .iter()
            .filter(move |_| *source == Source::Claims);
        let one = match source {
            Source::Userinfo => self.userinfo.as_ref(),
            Source::TokenAnswer => Some(&self.token_answer),
            Source::Claims | Source::Profile(_) => None,
        };
        let profile = self
            .profile
            .iter()
            .filter_map(move |(name, document)| match source {
                Source::Profile(wanted) if wanted == name => Some(document),
                _ => None,
            });
        claims.chain(one).chain(profile)
    }

    fn text(&self, place: &Place) -> Option<Box<str>> {
        self.of(&place.source)
            .find_map(|document| place.path.text(document))
    }

    pub(super) fn lacks_something(&self, tenant: &Tenant, provider: &UpstreamProvider) -> bool {
        let mapping = &provider.claims;
        let lacks = |place: &Place| {
            place.source == Source::Claims
                && self
                    .of(&place.source)
                    .all(|document| place.path.find(document).is_none())
        };
        let email = mapping.email.0 == Source::Claims
            && self
                .of(&mapping.email.0)
                .all(|document| !mapping.email.1.has_address(document));
        let lists = mapping.groups.iter().chain(&mapping.roles);
        let told = [
            (IdentitySource::Picture, &mapping.picture),
            (IdentitySource::Locale, &mapping.locale),
        ];
        let mut told = told.into_iter().filter(|(source, _)| tenant.tells(*source));
        let mut changed = provider.changes.paths();
        let absent =
            |path: &ClaimPath| self.claims.iter().all(|claims| path.find(claims).is_none());
        email
            || provider.changes.expressions.look_at_claims()
            || provider.restrictions.look_at_claims()
            || mapping.subject.iter().any(lacks)
            || mapping.name.as_ref().is_some_and(lacks)
            || lists.into_iter().any(|list| lacks(&list.place))
            || told.any(|(_, place)| place.as_ref().is_some_and(lacks))
            || tenant.told_claims().any(absent)
            || changed.any(absent)
    }

    /// Whether a mark says that a list is not whole which the answer to `request` stands in for.
    pub(super) fn lacks_groups_of(
        &self,
        provider: &UpstreamProvider,
        request: &ProfileRequest,
    ) -> bool {
        provider.claims.groups.iter().any(|mapping| {
            let stands_in = |instead: &GroupMapping| match &instead.place.source {
                Source::Profile(name) => *name == request.name,
                _ => false,
            };
            mapping.instead.as_deref().is_some_and(stands_in)
                && mapping.mark(self.of(&mapping.place.source)).is_some()
        })
    }

    fn list<'a>(&'a self, mapping: &'a GroupMapping) -> Option<&'a Value> {
        self.of(&mapping.place.source)
            .find_map(|document| mapping.place.path.find(document))
    }

    fn groups(
        &self,
        what: &'static str,
        mappings: &[GroupMapping],
    ) -> Result<Vec<Box<str>>, UpstreamTrouble> {
        let mut groups: Vec<Box<str>> = Vec::new();
        for mapping in mappings {
            let mark = mapping.mark(self.of(&mapping.place.source));
            let instead = mapping.instead.as_deref().filter(|_| mark.is_some());
            let list = match (mark, instead.and_then(|instead| self.list(instead))) {
                (None, _) => self.list(mapping).map(|list| (list, mapping)),
                (Some(_), Some(list)) => instead.map(|instead| (list, instead)),
                (Some(mark), None) => {
                    return Err(UpstreamTrouble::Overage {
                        groups: mapping.place.path.to_string().into(),
                        mark: mark.to_string().into(),
                    });
                }
            };
            let Some((list, mapping)) = list else {
                continue;
            };
            for group in mapping.names(list).ok_or(UpstreamTrouble::Unmapped(what))? {
                if !groups.contains(&group) {
                    groups.push(group);
                }
                // Here, because each group is held against all before it.
                if groups.len() > MOST_GROUPS {
                    return Err(UpstreamTrouble::Unmapped(what));
                }
            }
        }
        Ok(groups)
    }
}

/// That nothing says that the list at `path` is not whole: the standard's mark, or one that the preset knows
/// for this very list.
fn check_whole(
    path: &ClaimPath,
    mapping: &ClaimMapping,
    merged: &Value,
) -> Result<(), UpstreamTrouble> {
    let lists = mapping.groups.iter().chain(&mapping.roles);
    let own = lists.filter(|list| list.place.path == *path);
    let known = own.flat_map(|list| list.overage.iter().cloned());
    let mut marks = std::iter::once(path.mark_of_absence()).chain(known);
    match marks.find(|mark| mark.find(merged).is_some()) {
        None => Ok(()),
        Some(mark) => Err(UpstreamTrouble::Overage {
            groups: path.to_string().into(),
            mark: mark.to_string().into(),
        }),
    }
}

/// What a required claim is held against: a text, or the names of the entries of a list.
fn names(value: &Value, members: &[ClaimPath]) -> Option<Vec<Box<str>>> {
    if members.is_empty() {
        return ClaimPath::new("").text(value).map(|text| vec![text]);
    }
    value
        .as_array()?
        .iter()
        .map(|it| entry_name(it, members))
        .collect()
}

/// Text of a provider, fit for a line of a log.
fn quoted(text: &str) -> Box<str> {
    let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    format!("`{shown}`").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn mapping(names: &[&str], only: Option<(&str, &str)>) -> GroupMapping {
        GroupMapping {
            place: Place {
                source: Source::Claims,
                path: ClaimPath::new("groups"),
            },
            members: names.iter().map(|name| ClaimPath::new(name)).collect(),
            only: only.map(|(path, value)| (ClaimPath::new(path), value.into())),
            overage: Vec::new(),
            instead: None,
        }
    }

    #[rstest]
    #[case::names(json!(["a", "b"]), mapping(&[], None), Some(vec!["a", "b"]))]
    #[case::one_name(json!("a"), mapping(&[], None), Some(vec!["a"]))]
    #[case::mixed(json!(["a", 1]), mapping(&[], None), None)]
    #[case::object(json!({"a": 1}), mapping(&[], None), None)]
    #[case::teams(
        json!([{"slug": "t", "organization": {"login": "o"}}]),
        mapping(&["/organization/login", "slug"], None),
        Some(vec!["o/t"])
    )]
    #[case::pending(
        json!([{"login": "a", "state": "pending"}, {"login": "b", "state": "active"}]),
        mapping(&["login"], Some(("state", "active"))),
        Some(vec!["b"])
    )]
    fn groups_are_read_whole_or_not_at_all(
        #[case] list: Value,
        #[case] mapping: GroupMapping,
        #[case] expected: Option<Vec<&str>>,
    ) {
        let found = mapping.names(&list);
        let expected =
            expected.map(|names| names.into_iter().map(Into::into).collect::<Vec<Box<str>>>());
        assert_eq!(found, expected);
    }
}
