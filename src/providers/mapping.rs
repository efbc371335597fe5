//! Where the facts about a person are, and what is asked for them, once the operator's values stand in a preset's templates.

use url::Url;

use super::claims::{Claims, Email, Flag as FlagDefinition, Groups, Place as PlaceDefinition};
use super::parameters::{List, Lists};
use super::requests::{Pages as PagesDefinition, Request};
use super::template::{Template, Values};
use crate::domain::claims::ClaimPath;
use crate::domain::email::EmailDomain;
use crate::domain::email_rule::{EmailRule, Flag, Membership};
use crate::domain::profile_request::{FromClaim, Pages, ProfileRequest};
use crate::domain::upstream_provider::{ClaimMapping, GroupMapping, Place, Source};

/// What the operator wrote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'a> {
    pub(super) values: &'a Values,
    pub(super) lists: &'a Lists,
}

impl Written<'_> {
    pub(super) fn claims(&self, claims: &Claims) -> Option<ClaimMapping> {
        let optional = |place: &Option<PlaceDefinition>| place.as_ref().and_then(|p| self.place(p));
        let email = match &claims.email {
            None | Some((_, Email::Never)) => (Source::Claims, EmailRule::Never),
            // What the operator did not name vouches for nothing.
            Some((from, rule)) => (from.clone(), self.email_rule(rule).unwrap_or_default()),
        };
        let groups = claims.groups.iter().filter_map(|it| self.groups(it));
        let subject = claims.subject.iter().map(|place| self.place(place));
        Some(ClaimMapping {
            subject: subject.collect::<Option<_>>()?,
            name: optional(&claims.name),
            preferred_username: optional(&claims.preferred_username),
            email,
            groups: groups.collect(),
        })
    }

    fn groups(&self, groups: &Groups) -> Option<GroupMapping> {
        let only = match &groups.only {
            None => None,
            Some((member, value)) => Some((self.path(member)?, value.clone())),
        };
        let instead = match &groups.instead {
            None => None,
            Some(instead) => Some(Box::new(self.groups(instead)?)),
        };
        Some(GroupMapping {
            place: self.place(&groups.list)?,
            members: self.paths(&groups.members)?,
            only,
            overage: self.paths(&groups.overage)?,
            instead,
        })
    }

    fn email_rule(&self, rule: &Email) -> Option<EmailRule> {
        Some(match rule {
            Email::Never => EmailRule::Never,
            Email::Always { address } => EmailRule::Always {
                email: self.path(address)?,
            },
            Email::Flag {
                address,
                flag,
                trusted,
            } => {
                let (email, flag) = (self.path(address)?, self.flag(flag)?);
                let vouched = trusted.as_ref().and_then(|trusted| {
                    let List::Of(domains) = self.lists.get(&trusted.domains)? else {
                        return None;
                    };
                    let domains: Result<Vec<EmailDomain>, _> =
                        domains.iter().map(|domain| domain.parse()).collect();
                    Some((domains.ok()?, trusted))
                });
                match vouched {
                    None => EmailRule::Flag { email, flag },
                    Some((domains, trusted)) => EmailRule::Trusted {
                        email,
                        flag,
                        domains,
                        membership: Membership {
                            account: self.path(&trusted.account)?,
                            home: self.path(&trusted.home)?,
                        },
                    },
                }
            }
            Email::All { address, flags } => EmailRule::All {
                email: self.path(address)?,
                flags: self.paths(flags)?,
            },
            Email::Entry {
                list,
                address,
                flags,
            } => EmailRule::Entry {
                list: self.path(list)?,
                email: self.path(address)?,
                flags: self.paths(flags)?,
            },
            Email::Hosted {
                address,
                flag,
                organization,
                own,
            } => EmailRule::Hosted {
                email: self.path(address)?,
                flag: self.flag(flag)?,
                organization: self.path(organization)?,
                own: own.clone(),
            },
        })
    }

    fn flag(&self, flag: &FlagDefinition) -> Option<Flag> {
        Some(Flag {
            path: self.path(&flag.path)?,
            also: flag.also,
        })
    }

    pub(super) fn place(&self, place: &PlaceDefinition) -> Option<Place> {
        Some(Place {
            source: place.source.clone(),
            path: self.path(&place.path)?,
        })
    }

    pub(super) fn path(&self, template: &Template) -> Option<ClaimPath> {
        template.fill(self.values).map(|it| ClaimPath::new(&it))
    }

    pub(super) fn paths(&self, templates: &[Template]) -> Option<Vec<ClaimPath>> {
        templates.iter().map(|it| self.path(it)).collect()
    }

    pub(super) fn profile_request(&self, request: &Request, url: Url) -> Option<ProfileRequest> {
        let success = match &request.success {
            Some((member, value)) => Some((self.path(member)?, value.clone())),
            None => None,
        };
        let pages = match &request.pages {
            PagesDefinition::One => Pages::One,
            PagesDefinition::Link => Pages::Link,
            PagesDefinition::Body { next, list } => Pages::Body {
                next: self.path(next)?,
                list: self.path(list)?,
            },
            PagesDefinition::Token {
                token,
                parameter,
                list,
            } => Pages::Token {
                token: self.path(token)?,
                parameter: parameter.clone(),
                list: self.path(list)?,
            },
        };
        let from_claims = request.from_claims.iter();
        let from_claims = from_claims.map(|(name, text)| self.query_parameter(name, text));
        Some(ProfileRequest {
            name: request.name.clone(),
            url,
            method: request.method.clone(),
            body: request.body.clone(),
            asked: request.asked,
            from_claims: from_claims.collect::<Option<_>>()?,
            authorization_scheme: request.authorization_scheme.clone(),
            headers: request.headers.clone(),
            pages,
            success,
            not_admitted_status: request.not_admitted_status,
            incomplete_header: request.incomplete_header.clone(),
        })
    }

    /// Text with one claim in braces.
    fn query_parameter(&self, parameter: &str, text: &Template) -> Option<FromClaim> {
        let text = text.fill(self.values)?;
        let (before, rest) = text.split_once('{')?;
        let (claim, after) = rest.split_once('}')?;
        Some(FromClaim {
            parameter: parameter.into(),
            before: before.into(),
            claim: ClaimPath::new(claim),
            after: after.into(),
        })
    }
}
