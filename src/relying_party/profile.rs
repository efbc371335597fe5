//! Who the person is: claims of the ID token, userinfo for what is missing there, and profile requests for what
//! neither tells.
//!
//! Invariant: nothing is read from a document whose subject is not the ID token's, and an answer that is
//! known not to be whole is never taken for "none".

use http::{Request, header};
use serde_json::Value;
use url::Url;

use super::code_exchange::Tokens;
use super::id_token::{VerifiedIdToken, authenticated_at};
use super::profile_requests::{bearer, fetch, profile_request};
use super::{RelyingParty, UpstreamTrouble};
use crate::domain::claims::{ClaimPath, texts};
use crate::domain::email::EmailAddress;
use crate::domain::email_rule::NotCounted;
use crate::domain::identity::Profile;
use crate::domain::ids::{Issuer, TenantId};
use crate::domain::profile_request::{Asked, ProfileRequest};
use crate::domain::upstream_provider::{
    ClaimRule, GroupMapping, OpenIdConnect, Place, Protocol, RequiredClaim, Source,
    UpstreamProvider, Userinfo,
};

/// Most groups of a person that are kept.
const MOST_GROUPS: usize = 1000;

/// What has been learned of a person so far.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// ID token, then userinfo: the first that has a claim counts.
    claims: Vec<Value>,
    userinfo: Option<Value>,
    token_answer: Value,
    profile: Vec<(Box<str>, Value)>,
}

impl RelyingParty {
    /// Asks userinfo where the preset says so, or where a claim asked for is missing.
    pub(super) async fn claims_documents(
        &self,
        provider: &UpstreamProvider,
        openid: &OpenIdConnect,
        userinfo_endpoint: Option<&Url>,
        id_token: &VerifiedIdToken,
        tokens: &Tokens,
    ) -> Result<Documents, UpstreamTrouble> {
        let mut documents = Documents {
            claims: vec![id_token.claims().clone()],
            token_answer: tokens.further.clone(),
            ..Documents::default()
        };
        let ask = match openid.userinfo {
            Userinfo::Always => true,
            Userinfo::WhenMissing => documents.lacks_something(provider),
            Userinfo::Never => false,
        };
        // What only userinfo tells would be "none" without it.
        if openid.userinfo == Userinfo::Always && userinfo_endpoint.is_none() {
            return Err(UpstreamTrouble::Incomplete("userinfo".into()));
        }
        if let Some(endpoint) = userinfo_endpoint.filter(|_| ask) {
            let client = self.http.for_reach(&provider.reach)?;
            let request = Request::get(endpoint.as_str())
                .header(header::ACCEPT, "application/json")
                .header(
                    header::AUTHORIZATION,
                    bearer("Bearer", &tokens.access_token),
                );
            let userinfo = fetch(&client, request, Vec::new(), "userinfo").await?.0;
            // OIDC Core 1.0 §5.3.2: a userinfo of somebody else must not be used.
            if userinfo.get("sub").and_then(Value::as_str) != Some(id_token.subject()) {
                return Err(UpstreamTrouble::Subject);
            }
            documents.userinfo = Some(userinfo.clone());
            documents.claims.push(userinfo);
        }
        Ok(documents)
    }

    /// What plain OAuth 2 tells: what stands beside the tokens, and the answers to the profile requests.
    pub(super) async fn profile_documents(
        &self,
        provider: &UpstreamProvider,
        tokens: &Tokens,
    ) -> Result<Documents, UpstreamTrouble> {
        let mut documents = Documents {
            token_answer: tokens.further.clone(),
            ..Documents::default()
        };
        self.ask_further(provider, tokens, &mut documents).await?;
        Ok(documents)
    }

    /// Makes the profile requests, in order. Nobody is asked about a person whom the ID token already keeps out.
    pub(super) async fn ask_further(
        &self,
        provider: &UpstreamProvider,
        tokens: &Tokens,
        documents: &mut Documents,
    ) -> Result<(), UpstreamTrouble> {
        if provider.profile_requests.is_empty() {
            return Ok(());
        }
        let signed = provider.required_claims.iter();
        let mut signed = signed.filter(|it| it.places.iter().all(|it| it.source == Source::Claims));
        signed.try_for_each(|required| documents.check(required))?;
        let client = self.http.for_reach(&provider.reach)?;
        for request in &provider.profile_requests {
            if request.asked == Asked::OnOverage && !documents.lacks_groups_of(provider, request) {
                continue;
            }
            let id_token = documents.claims.first();
            let document =
                profile_request(&client, request, id_token, &tokens.access_token).await?;
            documents.profile.push((request.name.clone(), document));
        }
        Ok(())
    }
}

impl Documents {
    /// What the ID token alone tells.
    pub(super) fn of_token(id_token: &VerifiedIdToken) -> Self {
        Self {
            claims: vec![id_token.claims().clone()],
            ..Self::default()
        }
    }

    /// Maps what was learned.
    pub(super) fn profile(
        &self,
        tenant: &TenantId,
        provider: &UpstreamProvider,
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
        Ok(Profile {
            issuer_key: provider.issuer_key.clone(),
            subject_key: subject.clone(),
            issuer,
            subject: raw("sub").unwrap_or(subject),
            name: mapping.name.as_ref().and_then(|place| self.text(place)),
            preferred_username: mapping
                .preferred_username
                .as_ref()
                .and_then(|place| self.text(place)),
            email: self.email(tenant, provider),
            groups: self.groups(&mapping.groups)?,
            authenticated_at: first.and_then(authenticated_at),
            upstream_session: raw("sid"),
        })
    }

    /// What must be said before anything counts is read from one document alone: the ID token, or the profile
    /// request that the preset names.
    fn check(&self, required: &RequiredClaim) -> Result<(), UpstreamTrouble> {
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

    /// The address, if it counts. That it does not is told: people and operators wonder why a rule says no.
    fn email(&self, tenant: &TenantId, provider: &UpstreamProvider) -> Option<EmailAddress> {
        let (source, rule) = &provider.claims.email;
        let mut left_out = None;
        for document in self.of(source) {
            match rule.judge(document) {
                Ok(address) => return Some(address),
                Err(NotCounted::Absent) => {}
                Err(reason) => left_out = Some(reason),
            }
        }
        if let Some(reason) = left_out {
            tracing::info!(
                target: "audit", event = "email_left_out", %tenant, provider = %provider.id, reason = %reason,
                "an e-mail address does not count: it is neither passed on nor matched"
            );
        }
        None
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

    fn lacks_something(&self, provider: &UpstreamProvider) -> bool {
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
        email
            || mapping.subject.iter().any(lacks)
            || mapping.name.as_ref().is_some_and(lacks)
            || mapping.groups.iter().any(|groups| lacks(&groups.place))
    }

    /// Whether a mark says that a list is not whole which the answer to `request` stands in for.
    fn lacks_groups_of(&self, provider: &UpstreamProvider, request: &ProfileRequest) -> bool {
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

    fn groups(&self, mappings: &[GroupMapping]) -> Result<Vec<Box<str>>, UpstreamTrouble> {
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
            for group in members(list, mapping).ok_or(UpstreamTrouble::Unmapped("groups"))? {
                if !groups.contains(&group) {
                    groups.push(group);
                }
            }
        }
        if groups.len() > MOST_GROUPS {
            return Err(UpstreamTrouble::Unmapped("groups"));
        }
        Ok(groups)
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
        .map(|it| name(it, members))
        .collect()
}

/// The name of an entry of a list.
fn name(entry: &Value, members: &[ClaimPath]) -> Option<Box<str>> {
    let parts: Option<Vec<_>> = members.iter().map(|path| path.text(entry)).collect();
    parts.map(|parts| parts.join("/").into())
}

/// The names in one list. `None`: it has another shape than the preset says.
fn members(list: &Value, mapping: &GroupMapping) -> Option<Vec<Box<str>>> {
    if mapping.members.is_empty() {
        return texts(list);
    }
    let counts = |entry: &&Value| {
        mapping
            .only
            .as_ref()
            .is_none_or(|(path, wanted)| path.text(entry).as_ref() == Some(wanted))
    };
    list.as_array()?
        .iter()
        .filter(counts)
        .map(|entry| name(entry, &mapping.members))
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
        let found = members(&list, &mapping);
        let expected =
            expected.map(|names| names.into_iter().map(Into::into).collect::<Vec<Box<str>>>());
        assert_eq!(found, expected);
    }
}
