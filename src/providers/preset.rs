//! The words of a preset file.
//!
//! A preset is read once, whole, with each of its variants laid over it, and everything that is wrong with
//! it is told at once. Names in braces must be parameters or variables of the same file.

use std::collections::BTreeMap;
use std::path::Path;

use http::{HeaderName, HeaderValue};

use super::parameters::{self, Parameter};
use super::template::{Template, Values};
use crate::config::reader::{Document, Item, Section};
use crate::config::source::Source as FileSource;
use crate::config::{Faults, quoted, suggestion};
use crate::domain::upstream_provider::{ClientAuthentication, Logout, Userinfo};

/// What is true of every account at a provider.
#[derive(Clone, Debug)]
pub(super) struct Preset {
    pub(super) title: Box<str>,
    pub(super) parameters: Vec<Parameter>,
    variants: Vec<(Condition, Definition)>,
    base: Definition,
}

/// Parameters whose values choose a variant.
#[derive(Clone, Debug)]
struct Condition(Vec<(Box<str>, Box<str>)>);

/// A preset, or one variant of it.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) variables: BTreeMap<Box<str>, Template>,
    pub(super) protocol: Protocol,
    pub(super) issuer_key: Template,
    pub(super) secret_required: bool,
    pub(super) client_authentication: ClientAuthentication,
    pub(super) pkce: bool,
    pub(super) scopes: Vec<Box<str>>,
    pub(super) scope_separator: Box<str>,
    pub(super) authorization_parameters: Vec<(Box<str>, Template)>,
    pub(super) switch_account_prompt: Option<Template>,
    pub(super) errors_with_success_status: bool,
    pub(super) profile_requests: Vec<Request>,
    pub(super) claims: Claims,
    pub(super) preferred_username_is_stable: bool,
    pub(super) logout: Logout,
}

#[derive(Clone, Debug)]
pub(super) enum Protocol {
    OpenIdConnect {
        issuer: Template,
        discovery: Option<Template>,
        userinfo: Userinfo,
    },
    OAuth2 {
        authorization_endpoint: Template,
        token_endpoint: Template,
        response_issuer: Option<Template>,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) name: Box<str>,
    pub(super) url: Template,
    pub(super) authorization_scheme: Box<str>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) paginated: bool,
    pub(super) incomplete_header: Option<HeaderName>,
}

/// A fact's place: a document (none: the claims), and a path in it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) from: Option<Box<str>>,
    pub(super) path: Template,
}

#[derive(Clone, Debug)]
pub(super) struct Claims {
    pub(super) subject: Place,
    pub(super) name: Option<Place>,
    pub(super) preferred_username: Option<Place>,
    pub(super) email: Option<(Option<Box<str>>, Email)>,
    pub(super) groups: Vec<Groups>,
}

#[derive(Clone, Debug)]
pub(super) enum Email {
    Never,
    Flag {
        address: Template,
        flag: Template,
    },
    Entry {
        list: Template,
        address: Template,
        flags: Vec<Template>,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Groups {
    pub(super) list: Place,
    pub(super) members: Vec<Template>,
    pub(super) only: Option<(Template, Box<str>)>,
}

impl Preset {
    /// Reads a preset file.
    pub(super) fn parse(text: &str, file: &Path) -> Result<Self, Faults> {
        let source = FileSource::new(file, text);
        let table = crate::config::syntax(&source, text)?;
        let document = Document::new(&source);
        let preset = read(&document.root(&table));
        match (Faults::new(document.into_faults()), preset) {
            (None, Some(preset)) => Ok(preset),
            (Some(faults), _) => Err(faults),
            (None, None) => Err(crate::config::Fault::nowhere(format!(
                "the preset {} cannot be used",
                quoted(&file.display().to_string())
            ))
            .into()),
        }
    }

    /// The definition for these parameters: the first variant that fits, or the preset as it stands.
    pub(super) fn definition(&self, values: &Values) -> &Definition {
        self.variants
            .iter()
            .find(|(condition, _)| condition.fits(values))
            .map_or(&self.base, |(_, definition)| definition)
    }
}

impl Condition {
    fn fits(&self, values: &Values) -> bool {
        self.0.iter().all(|(name, pattern)| {
            values.get(name).is_some_and(|value| {
                pattern.strip_prefix('*').map_or_else(
                    || *value == *pattern,
                    |suffix| value.len() > suffix.len() && value.ends_with(suffix),
                )
            })
        })
    }
}

fn read(root: &Section<'_>) -> Option<Preset> {
    let title = root
        .require("title", "add title = \"…\": what people call the provider")
        .and_then(|item| item.line(100));
    // How sure the facts are; for readers of the file.
    let _ = root
        .require("status", "add status = \"documentation\"")
        .and_then(|item| {
            item.choice(&[
                ("standard", ()),
                ("live", ()),
                ("documentation", ()),
                ("legacy", ()),
            ])
        });
    let parameters: Vec<Option<Parameter>> = root
        .get("parameters")
        .and_then(|item| item.section("[parameters]"))
        .map(|section| section.entries())
        .unwrap_or_default()
        .iter()
        .map(|item| {
            parameters::read(
                item.name,
                &item.section(format!("[parameters.{}]", item.name))?,
            )
        })
        .collect();
    let parameters: Vec<Parameter> = parameters.into_iter().collect::<Option<_>>()?;
    let variants = root
        .get("variants")
        .map(|item| item.sections("variants"))
        .unwrap_or_default();
    let base = definition(&Layers { root, over: None }, &parameters);
    let variants: Vec<_> = variants
        .iter()
        .map(|section| {
            let condition = condition(section, &parameters);
            let layers = Layers {
                root,
                over: Some(section),
            };
            let definition = definition(&layers, &parameters);
            section.finish();
            Some((condition?, definition?))
        })
        .collect();
    root.finish();
    Some(Preset {
        title: title?,
        parameters,
        variants: variants.into_iter().collect::<Option<_>>()?,
        base: base?,
    })
}

fn condition(section: &Section<'_>, parameters: &[Parameter]) -> Option<Condition> {
    let when = section
        .require(
            "when",
            "say for which parameters: when = { host = \"*.example.com\" }",
        )?
        .section("`when`")?;
    let conditions: Option<Vec<_>> = when
        .entries()
        .iter()
        .map(|item| {
            if !parameters
                .iter()
                .any(|parameter| *parameter.name == *item.name)
            {
                item.fault_at_key(
                    format!("there is no parameter {}", item.quoted_name()),
                    suggestion(
                        item.name,
                        parameters.iter().map(|parameter| &*parameter.name),
                    ),
                );
            }
            Some((item.name.into(), item.line(200)?))
        })
        .collect();
    conditions.map(Condition)
}

/// A preset with one of its variants over it.
struct Layers<'s, 'a> {
    root: &'s Section<'a>,
    over: Option<&'s Section<'a>>,
}

impl<'a> Layers<'_, 'a> {
    fn get(&self, key: &'static str) -> Option<Item<'a>> {
        let below = self.root.get(key);
        self.over.and_then(|section| section.get(key)).or(below)
    }

    fn require(&self, key: &'static str) -> Option<Item<'a>> {
        let over = self.over.and_then(|section| section.get(key));
        // That the preset itself lacks it was told before.
        if self.over.is_some() {
            return over.or_else(|| self.root.get(key));
        }
        self.root.require(key, &format!("add `{key}`"))
    }

    fn flag(&self, key: &'static str, default: bool) -> Option<bool> {
        self.get(key).map_or(Some(default), |item| item.flag())
    }

    /// The entries of a table, those of the variant in place of those below.
    fn entries(&self, key: &'static str) -> Vec<Item<'a>> {
        let below = self.root.get(key);
        let over = self.over.and_then(|section| section.get(key));
        let mut all: Vec<Item<'a>> = Vec::new();
        for item in [over, below].into_iter().flatten() {
            let Some(section) = item.section(format!("[{key}]")) else {
                continue;
            };
            for entry in section.entries() {
                if !all.iter().any(|other| other.name == entry.name) {
                    all.push(entry);
                }
            }
        }
        all
    }
}

/// Reads templates, knowing which names there are.
struct Names<'n>(Vec<&'n str>);

impl Names<'_> {
    fn template(&self, item: &Item<'_>) -> Option<Template> {
        // Here, unlike in lists of an operator's, an empty path means the whole document.
        let template: Template = item.parsed()?;
        for name in template.names() {
            let base = name.strip_suffix(".origin").unwrap_or(name);
            if !self.0.contains(&base) {
                item.fault_with_help(
                    format!("there is no parameter or variable {}", quoted(name)),
                    suggestion(base, self.0.iter().copied()),
                );
                return None;
            }
        }
        Some(template)
    }

    fn optional(&self, item: Option<Item<'_>>) -> Option<Option<Template>> {
        item.map_or(Some(None), |item| self.template(&item).map(Some))
    }
}

/// Parameters of the authorization request that protect it, or have a setting of their own.
const RESERVED: [&str; 9] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "prompt",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
];

fn definition(layers: &Layers<'_, '_>, parameters: &[Parameter]) -> Option<Definition> {
    let variables = layers.entries("variables");
    let mut names = Names(
        parameters
            .iter()
            .map(|parameter| &*parameter.name)
            .collect(),
    );
    for parameter in parameters {
        for name in parameter.default.iter().flat_map(Template::names) {
            if !names.0.contains(&name) {
                layers.root.fault_with_help(
                    format!(
                        "the default of `{}` names {}, which is no parameter",
                        parameter.name,
                        quoted(name)
                    ),
                    suggestion(name, names.0.iter().copied()),
                );
            }
        }
    }
    let read: Option<Vec<_>> = variables
        .iter()
        .map(|item| Some((item.name.into(), names.template(item)?)))
        .collect();
    names.0.extend(variables.iter().map(|item| item.name));
    let protocol = protocol(layers, &names);
    let requests = requests(layers, &names);
    let claims = layers
        .require("claims")
        .and_then(|item| item.section("[claims]"))
        .and_then(|section| {
            let documents: Vec<&str> = requests.iter().flatten().map(|r| &*r.name).collect();
            let reader = ClaimsReader {
                names: &names,
                documents,
                has_claims: matches!(protocol, Some(Protocol::OpenIdConnect { .. })),
            };
            let claims = reader.claims(&section);
            section.finish();
            claims
        });
    let issuer_key = layers
        .require("issuer_key")
        .and_then(|item| names.template(&item));
    let secret_required = layers
        .require("client_secret")
        .and_then(|item| item.choice(&[("required", true), ("optional", false)]));
    let client_authentication = layers.get("client_authentication").map_or(
        Some(ClientAuthentication::Discovered),
        |item| {
            item.choice(&[
                ("discovered", ClientAuthentication::Discovered),
                ("basic", ClientAuthentication::Basic),
                ("post", ClientAuthentication::Post),
            ])
        },
    );
    let pkce = layers.flag("pkce", true);
    let scope_separator = layers
        .get("scope_separator")
        .map_or(Some(" "), |item| item.choice(&[(" ", " "), (",", ",")]));
    let scopes = layers
        .require("scopes")
        .and_then(|item| item.section("[scopes]"))
        .and_then(|section| scopes(&section));
    let authorization_parameters: Option<Vec<_>> = layers
        .entries("authorization_parameters")
        .iter()
        .map(|item| {
            if RESERVED.contains(&item.name) {
                item.fault_at_key(
                    format!("{} is sent by Doorward itself", item.quoted_name()),
                    "leave it out",
                );
            }
            Some((item.name.into(), names.template(item)?))
        })
        .collect();
    let switch_account_prompt = names.optional(layers.get("switch_account_prompt"));
    let errors_with_success_status = layers.flag("errors_with_success_status", false);
    let preferred_username_is_stable = layers.flag("preferred_username_is_stable", false);
    let logout = layers
        .require("logout")
        .and_then(|item| item.choice(&[("none", false), ("discovered", true)]));
    Some(Definition {
        variables: read?.into_iter().collect(),
        protocol: protocol?,
        issuer_key: issuer_key?,
        secret_required: secret_required?,
        client_authentication: client_authentication?,
        pkce: pkce?,
        scopes: scopes?,
        scope_separator: scope_separator?.into(),
        authorization_parameters: authorization_parameters?,
        switch_account_prompt: switch_account_prompt?,
        errors_with_success_status: errors_with_success_status?,
        profile_requests: requests?,
        claims: claims?,
        preferred_username_is_stable: preferred_username_is_stable?,
        logout: if logout? {
            Logout::Discovered
        } else {
            Logout::None
        },
    })
}

fn protocol(layers: &Layers<'_, '_>, names: &Names<'_>) -> Option<Protocol> {
    let oidc = layers
        .require("protocol")?
        .choice(&[("oidc", true), ("oauth2", false)])?;
    let required = |key| layers.require(key).and_then(|item| names.template(&item));
    if oidc {
        let issuer = required("issuer");
        let discovery = names.optional(layers.get("discovery"));
        let userinfo = layers
            .get("userinfo")
            .map_or(Some(Userinfo::default()), |item| {
                item.choice(&[
                    ("when_missing", Userinfo::WhenMissing),
                    ("always", Userinfo::Always),
                    ("never", Userinfo::Never),
                ])
            });
        return Some(Protocol::OpenIdConnect {
            issuer: issuer?,
            discovery: discovery?,
            userinfo: userinfo?,
        });
    }
    let authorization_endpoint = required("authorization_endpoint");
    let token_endpoint = required("token_endpoint");
    let response_issuer = names.optional(layers.get("response_issuer"));
    Some(Protocol::OAuth2 {
        authorization_endpoint: authorization_endpoint?,
        token_endpoint: token_endpoint?,
        response_issuer: response_issuer?,
    })
}

/// Scopes by what they are for. All of them are asked for.
fn scopes(section: &Section<'_>) -> Option<Vec<Box<str>>> {
    let mut all = Vec::new();
    let mut right = true;
    for key in ["login", "email", "groups"] {
        let Some(items) = section.get(key).and_then(|item| item.items()) else {
            continue;
        };
        for item in items {
            match item.line(200) {
                Some(scope) => all.push(scope),
                None => right = false,
            }
        }
    }
    section.finish();
    right.then_some(all)
}

fn requests(layers: &Layers<'_, '_>, names: &Names<'_>) -> Option<Vec<Request>> {
    let Some(item) = layers.get("profile_requests") else {
        return Some(Vec::new());
    };
    let requests: Vec<_> = item
        .sections("profile_requests")
        .iter()
        .map(|section| request(section, names))
        .collect();
    requests.into_iter().collect()
}

fn request(section: &Section<'_>, names: &Names<'_>) -> Option<Request> {
    let name = section
        .require(
            "name",
            "add name = \"user\": what [claims] calls its answer",
        )
        .and_then(|item| item.line(50));
    let url = section
        .require("url", "add url = \"…\"")
        .and_then(|item| names.template(&item));
    let authorization_scheme = section
        .get("authorization_scheme")
        .map_or(Some("Bearer"), |item| {
            item.choice(&[("Bearer", "Bearer"), ("OAuth", "OAuth"), ("token", "token")])
        });
    let headers: Option<Vec<_>> = section
        .get("headers")
        .and_then(|item| item.section("`headers`"))
        .map(|section| section.entries())
        .unwrap_or_default()
        .iter()
        .map(|item| Some((header_name(item, item.name)?, item.parsed()?)))
        .collect();
    let paginated = section.get("paginated");
    let paginated = paginated.map_or(Some(false), |item| item.flag());
    let incomplete_header = section.get("incomplete_header").map_or(Some(None), |item| {
        header_name(&item, item.text()?).map(Some)
    });
    section.finish();
    Some(Request {
        name: name?,
        url: url?,
        authorization_scheme: authorization_scheme?.into(),
        headers: headers?,
        paginated: paginated?,
        incomplete_header: incomplete_header?,
    })
}

fn header_name(item: &Item<'_>, name: &str) -> Option<HeaderName> {
    let parsed = name.parse().ok();
    if parsed.is_none() {
        item.fault(format!("{} is not the name of a header", quoted(name)));
    }
    parsed
}

struct ClaimsReader<'n> {
    names: &'n Names<'n>,
    documents: Vec<&'n str>,
    has_claims: bool,
}

impl ClaimsReader<'_> {
    fn claims(&self, section: &Section<'_>) -> Option<Claims> {
        let subject = section
            .require(
                "subject",
                "add what the provider keeps stable about a person",
            )
            .and_then(|item| self.place(&item));
        let name = self.optional_place(section.get("name"));
        let preferred_username = self.optional_place(section.get("preferred_username"));
        let email = section.get("email").map_or(Some(None), |item| {
            let section = item.section("[claims.email]")?;
            let email = self.email(&section);
            section.finish();
            email.map(Some)
        });
        let groups: Vec<_> = section
            .get("groups")
            .map(|item| item.sections("claims.groups"))
            .unwrap_or_default()
            .iter()
            .map(|section| {
                let groups = self.groups(section);
                section.finish();
                groups
            })
            .collect();
        Some(Claims {
            subject: subject?,
            name: name?,
            preferred_username: preferred_username?,
            email: email?,
            groups: groups.into_iter().collect::<Option<_>>()?,
        })
    }

    /// `"sub"`, or `{ from = "user", path = "id" }`.
    fn place(&self, item: &Item<'_>) -> Option<Place> {
        if !item.is_table() {
            let path = self.names.template(item)?;
            return self.from(None, item).map(|from| Place { from, path });
        }
        let section = item.section(format!("`{}`", item.name))?;
        let from = self.from(section.get("from"), item);
        let path = section
            .require("path", "add path = \"…\"")
            .and_then(|item| self.names.template(&item));
        section.finish();
        Some(Place {
            from: from?,
            path: path?,
        })
    }

    fn optional_place(&self, item: Option<Item<'_>>) -> Option<Option<Place>> {
        item.map_or(Some(None), |item| self.place(&item).map(Some))
    }

    /// The document of a fact. Without a name it is the verified claims, where there are such.
    fn from(&self, item: Option<Item<'_>>, outer: &Item<'_>) -> Option<Option<Box<str>>> {
        let Some(item) = item else {
            if !self.has_claims {
                outer.fault_with_help(
                    "there are no claims in plain OAuth 2",
                    "name the profile request: { from = \"user\", path = \"id\" }",
                );
                return None;
            }
            return Some(None);
        };
        let name = item.text()?;
        if self.documents.contains(&name) {
            return Some(Some(name.into()));
        }
        item.fault_with_help(
            format!("there is no profile request {}", quoted(name)),
            suggestion(name, self.documents.iter().copied()),
        );
        None
    }

    fn email(&self, section: &Section<'_>) -> Option<(Option<Box<str>>, Email)> {
        #[derive(Clone, Copy)]
        enum Rule {
            Never,
            Flag,
            Entry,
        }
        let rule = section.require(
            "rule",
            "say when an address counts: \"never\", \"flag\" or \"entry\"",
        )?;
        let from = section.get("from");
        let required = |key| {
            section
                .require(key, &format!("add `{key}`"))
                .and_then(|item| self.names.template(&item))
        };
        let email = match rule.choice(&[
            ("never", Rule::Never),
            ("flag", Rule::Flag),
            ("entry", Rule::Entry),
        ])? {
            Rule::Never => return Some((None, Email::Never)),
            Rule::Flag => {
                let (address, flag) = (required("address"), required("flag"));
                Email::Flag {
                    address: address?,
                    flag: flag?,
                }
            }
            Rule::Entry => {
                let list = self.list(section);
                let address = required("address");
                let flags = section
                    .require("flags", "add flags = [\"primary\", \"verified\"]")
                    .and_then(|item| item.list(|item| self.names.template(item)));
                Email::Entry {
                    list: list?,
                    address: address?,
                    flags: flags?,
                }
            }
        };
        Some((self.from(from, &rule)?, email))
    }

    /// `list`; left out, the document itself is the list.
    fn list(&self, section: &Section<'_>) -> Option<Template> {
        section.get("list").map_or_else(
            || Template::parse("").ok(),
            |item| self.names.template(&item),
        )
    }

    fn groups(&self, section: &Section<'_>) -> Option<Groups> {
        let from = match section.get("from") {
            None if !self.has_claims => {
                section.fault_with_help(
                    "there are no claims in plain OAuth 2",
                    "name the profile request: from = \"teams\"",
                );
                None
            }
            None => Some(None),
            Some(item) => self.from(Some(item.clone()), &item),
        };
        let path = self.list(section);
        let members = section.get("members").map_or(Some(Vec::new()), |item| {
            item.list(|item| self.names.template(item))
        });
        let only = section.get("only").map_or(Some(None), |item| {
            let section = item.section("`only`")?;
            let member = section
                .require("member", "add member = \"state\"")
                .and_then(|item| self.names.template(&item));
            let value = section
                .require("is", "add is = \"active\"")
                .and_then(|item| item.line(200));
            section.finish();
            Some(Some((member?, value?)))
        });
        Some(Groups {
            list: Place {
                from: from?,
                path: path?,
            },
            members: members?,
            only: only?,
        })
    }
}
