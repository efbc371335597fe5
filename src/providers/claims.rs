//! `[claims]`: where the facts about a person are.

use super::layers::Names;
use super::template::Template;
use crate::config::reader::{Item, Section};
use crate::config::{quoted, suggestion};
use crate::domain::email::EmailDomain;
use crate::domain::email_rule::TrueSpellings;
use crate::domain::upstream_provider::Source;

/// A fact's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) source: Source,
    pub(super) path: Template,
}

#[derive(Clone, Debug)]
pub(super) struct Claims {
    pub(super) subject: Vec<Place>,
    pub(super) name: Option<Place>,
    pub(super) preferred_username: Option<Place>,
    pub(super) email: Option<(Source, Email)>,
    pub(super) groups: Vec<Groups>,
}

#[derive(Clone, Debug)]
pub(super) enum Email {
    Never,
    Always {
        address: Template,
    },
    Flag {
        address: Template,
        flag: Flag,
        trusted: Option<Trusted>,
    },
    All {
        address: Template,
        flags: Vec<Template>,
    },
    Entry {
        list: Template,
        address: Template,
        flags: Vec<Template>,
    },
    Hosted {
        address: Template,
        flag: Flag,
        organization: Template,
        own: Vec<EmailDomain>,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Flag {
    pub(super) path: Template,
    pub(super) also: TrueSpellings,
}

/// Domains that an operator may vouch for, and what tells members from guests.
#[derive(Clone, Debug)]
pub(super) struct Trusted {
    pub(super) domains: Box<str>,
    pub(super) account: Template,
    pub(super) home: Template,
}

#[derive(Clone, Debug)]
pub(super) struct Groups {
    pub(super) list: Place,
    pub(super) members: Vec<Template>,
    pub(super) only: Option<(Template, Box<str>)>,
    pub(super) overage: Vec<Template>,
    /// Where the whole list is, where a mark says that this one is not.
    pub(super) instead: Option<Box<Self>>,
}

/// Reads `[claims]`.
pub(super) struct ClaimsReader<'n> {
    pub(super) names: &'n Names<'n>,
    /// Names of the profile requests.
    pub(super) documents: Vec<&'n str>,
    /// Whether there is an ID token.
    pub(super) has_claims: bool,
    /// Whether userinfo is asked at every login.
    pub(super) asks_userinfo: bool,
}

/// What `from` calls userinfo, of providers that have one.
const USERINFO: &str = "userinfo";

/// What `from` calls what stands in the token answer beside the tokens.
const TOKEN_ANSWER: &str = "token_answer";

impl ClaimsReader<'_> {
    pub(super) fn claims(&self, section: &Section<'_>) -> Option<Claims> {
        let subject = section
            .require(
                "subject",
                "add what the provider keeps stable about a person",
            )
            .and_then(|item| match item.as_items() {
                Some(_) => item.list(|item| self.place(item)),
                None => self.place(&item).map(|place| vec![place]),
            });
        let name = section.get("name").and_then(|item| self.place(&item));
        let preferred_username = section
            .get("preferred_username")
            .and_then(|item| self.place(&item));
        let email = section.get("email").and_then(|item| {
            let section = item.free_section("[claims.email]")?;
            let email = self.email(&section);
            section.finish();
            email
        });
        let groups = section
            .get("groups")
            .map(|item| item.free_sections("claims.groups"))
            .unwrap_or_default()
            .iter()
            .filter_map(|section| {
                let groups = self.groups(section);
                section.finish();
                groups
            })
            .collect();
        Some(Claims {
            subject: subject?,
            name,
            preferred_username,
            email,
            groups,
        })
    }

    /// `"sub"`, or `{ from = "user", path = "id" }`.
    pub(super) fn place(&self, item: &Item<'_>) -> Option<Place> {
        if !item.is_table() {
            let source =
                self.claims_themselves(|message, help| item.fault_with_help(message, help));
            let path = self.names.template(item);
            return Some(Place {
                source: source?,
                path: path?,
            });
        }
        let section = item.free_section(format!("`{}`", item.name))?;
        let source = self.source(&section);
        let path = section
            .require("path", "add path = \"…\"")
            .and_then(|item| self.names.template(&item));
        section.finish();
        Some(Place {
            source: source?,
            path: path?,
        })
    }

    /// The document that `from` names: a profile request, `"userinfo"` or `"token_answer"`; left out, the verified claims, where there are such.
    fn source(&self, section: &Section<'_>) -> Option<Source> {
        let Some(item) = section.get("from") else {
            return self.claims_themselves(|message, help| section.fault_with_help(message, help));
        };
        let name = item.text()?;
        if self.documents.contains(&name) {
            return Some(Source::Profile(name.into()));
        }
        match name {
            TOKEN_ANSWER => return Some(Source::TokenAnswer),
            USERINFO if self.asks_userinfo => return Some(Source::Userinfo),
            USERINFO if self.has_claims => {
                item.fault_with_help(
                    "userinfo is not asked at every login here",
                    "add userinfo = \"always\"",
                );
                return None;
            }
            _ => {}
        }
        let known = self.documents.iter().copied().chain([TOKEN_ANSWER]);
        item.fault_with_help(
            format!("there is no profile request {}", quoted(name)),
            suggestion(name, known),
        );
        None
    }

    fn claims_themselves(&self, fault: impl FnOnce(&str, &str)) -> Option<Source> {
        if self.has_claims {
            return Some(Source::Claims);
        }
        fault(
            "there are no claims in plain OAuth 2",
            "name the profile request: from = \"user\"",
        );
        None
    }

    fn email(&self, section: &Section<'_>) -> Option<(Source, Email)> {
        #[derive(Clone, Copy)]
        enum Rule {
            Never,
            Always,
            Flag,
            All,
            Entry,
            Hosted,
        }
        let rule = section
            .require(
                "rule",
                "say when an address counts: \"never\", \"always\", \"flag\", \"all\", \"entry\" or \"hosted\"",
            )?
            .choice(&[
                ("never", Rule::Never),
                ("always", Rule::Always),
                ("flag", Rule::Flag),
                ("all", Rule::All),
                ("entry", Rule::Entry),
                ("hosted", Rule::Hosted),
            ])?;
        if matches!(rule, Rule::Never) {
            return Some((Source::Claims, Email::Never));
        }
        let address = self.required(section, "address");
        let email = match rule {
            Rule::Never => Email::Never,
            Rule::Always => Email::Always { address: address? },
            Rule::Flag => {
                let flag = self.flag(section);
                let trusted = section
                    .get("trusted")
                    .map_or(Some(None), |item| self.trusted(&item).map(Some));
                Email::Flag {
                    address: address?,
                    flag: flag?,
                    trusted: trusted?,
                }
            }
            Rule::All => Email::All {
                address: address?,
                flags: self.flags(section)?,
            },
            Rule::Entry => {
                let (list, flags) = (self.list(section), self.flags(section));
                Email::Entry {
                    list: list?,
                    address: address?,
                    flags: flags?,
                }
            }
            Rule::Hosted => {
                let flag = self.flag(section);
                let organization = self.required(section, "organization");
                let own = section
                    .require("own", "add own = [\"…\"]: the provider's own mail domains")
                    .and_then(|item| item.list(Item::parsed));
                Email::Hosted {
                    address: address?,
                    flag: flag?,
                    organization: organization?,
                    own: own?,
                }
            }
        };
        Some((self.source(section)?, email))
    }

    fn flags(&self, section: &Section<'_>) -> Option<Vec<Template>> {
        section
            .require("flags", "add flags = [\"primary\", \"verified\"]")
            .and_then(|item| item.list(|item| self.names.template(item)))
    }

    fn required(&self, section: &Section<'_>, key: &'static str) -> Option<Template> {
        section
            .require(key, &format!("add `{key}`"))
            .and_then(|item| self.names.template(&item))
    }

    /// `flag`, and `also_true`: which spellings of "true" the provider uses that are none in JSON.
    fn flag(&self, section: &Section<'_>) -> Option<Flag> {
        let path = self.required(section, "flag");
        let words = section.get("also_true").map_or(Some(Vec::new()), |item| {
            item.list(|item| item.choice(&[("text", false), ("number", true)]))
        })?;
        Some(Flag {
            path: path?,
            also: TrueSpellings {
                text: words.contains(&false),
                number: words.contains(&true),
            },
        })
    }

    fn trusted(&self, item: &Item<'_>) -> Option<Trusted> {
        let section = item.free_section("[claims.email.trusted]")?;
        let domains = section
            .require("domains", "name the parameter with the operator's domains")
            .and_then(|item| self.names.list(&item));
        let account = self.required(&section, "account");
        let home = self.required(&section, "home");
        section.finish();
        Some(Trusted {
            domains: domains?,
            account: account?,
            home: home?,
        })
    }

    /// `list`; left out, the document itself is the list.
    fn list(&self, section: &Section<'_>) -> Option<Template> {
        section.get("list").map_or_else(
            || Template::parse("").ok(),
            |item| self.names.template(&item),
        )
    }

    fn groups(&self, section: &Section<'_>) -> Option<Groups> {
        let mut groups = self.list_of_groups(section)?;
        groups.overage = section.get("overage").map_or(Some(Vec::new()), |item| {
            item.list(|item| self.names.template(item))
        })?;
        if let Some(item) = section.get("instead") {
            if groups.overage.is_empty() {
                item.fault_with_help(
                    "nothing says when this list stands in place of the other",
                    "add overage = [\"…\"]: the marks that a list is not whole",
                );
            }
            let section = item.free_section("`instead`")?;
            let instead = self.list_of_groups(&section);
            section.finish();
            groups.instead = Some(Box::new(instead?));
        }
        Some(groups)
    }

    fn list_of_groups(&self, section: &Section<'_>) -> Option<Groups> {
        let source = self.source(section);
        let path = self.list(section);
        let members = section
            .get("members")
            .and_then(|item| item.list(|item| self.names.template(item)))
            .unwrap_or_default();
        let only = section.get("only").and_then(|item| {
            let section = item.free_section("`only`")?;
            let member = section
                .require("member", "add member = \"state\"")
                .and_then(|item| self.names.template(&item));
            let value = section
                .require("is", "add is = \"active\"")
                .and_then(|item| item.line(200));
            section.finish();
            Some((member?, value?))
        });
        Some(Groups {
            list: Place {
                source: source?,
                path: path?,
            },
            members,
            only,
            overage: Vec::new(),
            instead: None,
        })
    }
}
