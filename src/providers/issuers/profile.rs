//! The words of a profile.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use http::HeaderName;

use super::rules::{Asking, ScopeForm};
use crate::config::reader::{Document, Item, Section};
use crate::config::source::Source as FileSource;
use crate::config::{Fault, Faults, SecretEncoding, quoted};
use crate::domain::upstream_provider::KeyIssuer;
use crate::jose::TokenKind;
use crate::providers::claims::{Claims, ClaimsReader};
use crate::providers::layers::{Layers, Names};
use crate::providers::parameters::{self, Parameter};
use crate::providers::template::Template;
use crate::providers::value::Value;

/// What is true of all tokens of a kind of issuer.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) title: Box<str>,
    pub(super) notes: Vec<Box<str>>,
    pub(super) parameters: Vec<Parameter>,
    /// In alphabetical order, and one may stand on parameters only.
    pub(super) variables: Vec<(Box<str>, Value)>,
    pub(super) issuers: IssuerNames,
    pub(super) key_issuer: KeyIssuer,
    pub(super) key_cool_down: Duration,
    pub(super) discovery: Option<Template>,
    pub(super) metadata_issuers: Vec<Template>,
    pub(super) jwks_uri: Option<Template>,
    /// None: there is nothing to verify.
    pub(super) algorithms: Vec<Box<str>>,
    pub(super) secret_encoding: SecretEncoding,
    pub(super) kind: TokenKind,
    pub(super) typ: Typ,
    pub(super) audience: Template,
    pub(super) audiences: Given,
    pub(super) clients: Given,
    pub(super) client: Vec<Template>,
    pub(super) required_claims: Vec<Demand>,
    pub(super) issuer_key: Template,
    pub(super) claims: Claims,
    pub(super) scopes: Vec<Template>,
    pub(super) scope_form: ScopeForm,
    pub(super) permissions: Option<Template>,
    pub(super) opaque: Option<Opaque>,
    pub(super) header: Option<HeaderName>,
    /// Parameters and variables that something here depends on.
    pub(super) used: BTreeSet<Box<str>>,
}

/// What `iss` may be.
#[derive(Clone, Debug)]
pub(super) enum IssuerNames {
    OneOf(Vec<Template>),
    /// One for each tenant of a cloud.
    Template {
        template: Template,
        claim: Template,
        tenants: Box<str>,
    },
    Unnamed(Vec<Template>),
}

/// What `typ` must be.
#[derive(Clone, Debug)]
pub(super) enum Typ {
    AccessToken,
    Any,
    OneOf(Vec<Box<str>>),
}

/// Who says it.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// The operator must.
    Required,
    /// The operator may.
    Optional,
    /// The profile does.
    Fixed(Vec<Template>),
}

/// What a claim must be.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    pub(super) claim: Template,
    pub(super) rule: Rule,
}

#[derive(Clone, Debug)]
pub(super) enum Rule {
    Is {
        text: Template,
        any_case: bool,
    },
    IsTrue,
    /// With a value it must be this, without it must not be there.
    IsOrAbsent(Template),
    /// A parameter that is a list; left out, nothing is demanded.
    OneOf {
        list: Box<str>,
        any_case: bool,
    },
    /// The claim, or one of these.
    Present(Vec<Template>),
    Absent,
    Past,
    /// Only where this has a value.
    PresentIf(Template),
    AbsentIf(Template),
    /// The number 0, only where this has a value.
    ZeroIf(Template),
}

/// How the issuer is asked.
#[derive(Clone, Debug)]
pub(super) struct Opaque {
    pub(super) endpoint: Option<Template>,
    pub(super) asking: Asking,
    pub(super) parameter: Box<str>,
    pub(super) authenticated: bool,
    pub(super) active: Option<Template>,
    pub(super) refused_status: Vec<u16>,
    pub(super) numbers_as_text: bool,
    pub(super) also_signed: Option<Template>,
}

const KINDS: [(&str, TokenKind); 4] = [
    ("access", TokenKind::Access),
    ("access_with_nonce", TokenKind::AccessWithNonce),
    ("identity", TokenKind::Identity),
    ("attestation", TokenKind::Attestation),
];

impl Profile {
    /// Reads a profile.
    pub(super) fn parse(text: &str, file: &Path) -> Result<Self, Faults> {
        let source = FileSource::new(file, text);
        let table = crate::config::syntax(&source, text)?;
        let document = Document::new(&source);
        let profile = read(&document.root(&table));
        match (Faults::new(document.into_faults()), profile) {
            (None, Some(profile)) => Ok(profile),
            (Some(faults), _) => Err(faults),
            (None, None) => {
                let name = quoted(&file.display().to_string());
                let message = format!("the profile {name} cannot be used");
                Err(Fault::nowhere(message).into())
            }
        }
    }
}

fn read(root: &Section<'_>) -> Option<Profile> {
    let layers = Layers { root, over: None };
    let title = root
        .require("title", "add title = \"…\"")
        .and_then(|item| item.line(100));
    let notes = root
        .get("notes")
        .map_or(Some(Vec::new()), |item| item.list(|item| item.line(300)));
    let parameters = parameters(&layers)?;
    let mut names = Names::of(&parameters);
    let variables = layers.entries("variables");
    let read: Option<Vec<_>> = variables
        .iter()
        .map(|item| Some((item.name.into(), Value::read(item, &names, &parameters)?)))
        .collect();
    names.known.extend(variables.iter().map(|item| item.name));
    let reading = Reading {
        root,
        names: &names,
    };
    let issuers = reading.issuers();
    let key_issuer = key_issuer(root);
    let cool_down = Duration::from_secs(30);
    let key_cool_down = root.get("key_cool_down").map_or(Some(cool_down), |item| {
        item.duration(cool_down, Duration::from_hours(1))
    });
    let algorithms = root
        .get("algorithms")
        .map_or(Some(Vec::new()), |item| item.list(|item| item.line(20)));
    let encoding = root
        .get("secret_encoding")
        .map_or(Some(SecretEncoding::Text), |item| {
            item.choice(&[
                ("base64", SecretEncoding::Base64),
                ("text", SecretEncoding::Text),
            ])
        });
    let kind = root
        .get("kind")
        .map_or(Some(TokenKind::Access), |item| item.choice(&KINDS));
    let claims = root
        .require("claims", "add [claims]: where the facts about a caller are")
        .and_then(|item| {
            let section = item.free_section("[claims]")?;
            let claims = claims_reader(&names).claims(&section);
            section.finish();
            claims
        });
    let scope_form = root
        .get("scope_form")
        .map_or(Some(ScopeForm::Either), |item| {
            item.choice(&[
                ("either", ScopeForm::Either),
                ("text", ScopeForm::Text),
                ("list", ScopeForm::List),
            ])
        });
    let header = root
        .get("header")
        .map_or(Some(None), |item| item.parsed().map(Some));
    let audience = root
        .get("audience")
        .map_or_else(|| Template::parse("aud").ok(), |item| names.template(&item));
    let profile = Profile {
        title: title?,
        notes: notes?,
        issuers: issuers?,
        key_issuer: key_issuer?,
        key_cool_down: key_cool_down?,
        discovery: names.optional(root.get("discovery")),
        metadata_issuers: reading.templates("metadata_issuers")?,
        jwks_uri: names.optional(root.get("jwks_uri")),
        algorithms: algorithms?,
        secret_encoding: encoding?,
        kind: kind?,
        typ: reading.typ()?,
        audience: audience?,
        audiences: reading.given("audiences")?,
        clients: reading.given("clients")?,
        client: reading.templates("client")?,
        required_claims: reading.demands()?,
        issuer_key: root
            .require("issuer_key", "add `issuer_key`")
            .and_then(|item| names.template(&item))?,
        claims: claims?,
        scopes: reading.templates("scopes")?,
        scope_form: scope_form?,
        permissions: names.optional(root.get("permissions")),
        opaque: reading.opaque()?,
        header: header?,
        variables: read?,
        used: names.into_used(&[]),
        parameters: Vec::new(),
    };
    root.finish();
    Some(Profile {
        parameters,
        ..profile
    })
}

fn key_issuer(root: &Section<'_>) -> Option<KeyIssuer> {
    root.get("key_issuer")
        .map_or(Some(KeyIssuer::default()), |item| {
            item.choice(&[
                ("ignored", KeyIssuer::Ignored),
                ("checked", KeyIssuer::Checked),
                ("required", KeyIssuer::Required),
            ])
        })
}

fn parameters(layers: &Layers<'_, '_>) -> Option<Vec<Parameter>> {
    let read = |item: &Item<'_>| {
        let section = item.free_section(format!("[parameters.{}]", item.name))?;
        parameters::read(item.name, &section)
    };
    let all: Vec<_> = layers.entries("parameters").iter().map(read).collect();
    all.into_iter().collect()
}

fn claims_reader<'n>(names: &'n Names<'n>) -> ClaimsReader<'n> {
    ClaimsReader {
        names,
        documents: Vec::new(),
        on_overage: Vec::new(),
        has_claims: true,
        asks_userinfo: false,
    }
}

struct Reading<'r, 'a> {
    root: &'r Section<'a>,
    names: &'r Names<'r>,
}

impl Reading<'_, '_> {
    /// One template, or a list of them.
    fn templates(&self, key: &'static str) -> Option<Vec<Template>> {
        let Some(item) = self.root.get(key) else {
            return Some(Vec::new());
        };
        match item.as_items() {
            Some(_) => item.list(|item| self.names.template(item)),
            None => self.names.template(&item).map(|one| vec![one]),
        }
    }

    fn issuers(&self) -> Option<IssuerNames> {
        let all = self.templates("issuers")?;
        let unnamed = self
            .root
            .get("unnamed")
            .map_or(Some(false), |it| it.flag())?;
        let template = self.names.optional(self.root.get("issuer_template"));
        let claim = self.names.optional(self.root.get("tenant_claim"));
        let tenants = self.root.get("tenants");
        let tenants = tenants.and_then(|item| self.names.list(&item));
        match (template, claim, tenants) {
            (Some(template), Some(claim), Some(tenants)) if all.is_empty() => {
                Some(IssuerNames::Template {
                    template,
                    claim,
                    tenants,
                })
            }
            (None, None, None) if unnamed => Some(IssuerNames::Unnamed(all)),
            (None, None, None) => Some(IssuerNames::OneOf(all)),
            _ => {
                self.root.fault_with_help(
                    "issuers are named in one way",
                    "write `issuers`, or `issuer_template` with `tenant_claim` and `tenants`",
                );
                None
            }
        }
    }

    fn typ(&self) -> Option<Typ> {
        let Some(item) = self.root.get("typ") else {
            return Some(Typ::Any);
        };
        if item.as_items().is_some() {
            return item.list(|item| item.line(100)).map(Typ::OneOf);
        }
        item.choice(&[("access_token", true), ("any", false)])
            .map(|demanded| if demanded { Typ::AccessToken } else { Typ::Any })
    }

    fn given(&self, key: &'static str) -> Option<Given> {
        let Some(item) = self.root.get(key) else {
            return Some(Given::Optional);
        };
        if item.as_items().is_some() {
            return item
                .list(|item| self.names.template(item))
                .map(Given::Fixed);
        }
        item.choice(&[("required", true), ("optional", false)])
            .map(|required| {
                if required {
                    Given::Required
                } else {
                    Given::Optional
                }
            })
    }

    fn demands(&self) -> Option<Vec<Demand>> {
        let Some(item) = self.root.get("required_claims") else {
            return Some(Vec::new());
        };
        let sections = item.free_sections("required_claims");
        let demands: Vec<_> = sections
            .iter()
            .map(|section| self.demand(section))
            .collect();
        demands.into_iter().collect()
    }

    fn demand(&self, section: &Section<'_>) -> Option<Demand> {
        let claim = section
            .require("claim", "add claim = \"…\": where it is")
            .and_then(|item| self.names.template(&item));
        let text = |item: Option<Item<'_>>| item.map(|item| self.names.template(&item));
        let any_case = section
            .get("any_case")
            .map_or(Some(false), |item| item.flag())?;
        let is = text(section.get("is"));
        let is = is.map(|it| it.map(|text| Rule::Is { text, any_case }));
        let is_or_absent = text(section.get("is_or_absent"));
        let is_or_absent = is_or_absent.map(|it| it.map(Rule::IsOrAbsent));
        let one_of = section.get("one_of").map(|item| {
            let list = self.names.list(&item)?;
            Some(Rule::OneOf { list, any_case })
        });
        let present = section.get("present").map(|item| match item.as_items() {
            Some(_) => item
                .list(|item| self.names.template(item))
                .map(Rule::Present),
            None => item.flag().map(|_| Rule::Present(Vec::new())),
        });
        let flag = |key, rule: Rule| {
            let item = section.get(key)?;
            Some(item.flag().map(|_| rule))
        };
        let (absent, past) = (flag("absent", Rule::Absent), flag("past", Rule::Past));
        let is_true = flag("is_true", Rule::IsTrue);
        let present_if = text(section.get("present_if")).map(|it| it.map(Rule::PresentIf));
        let absent_if = text(section.get("absent_if")).map(|it| it.map(Rule::AbsentIf));
        let zero_if = text(section.get("zero_if")).map(|it| it.map(Rule::ZeroIf));
        section.finish();
        let all = [
            is,
            is_true,
            is_or_absent,
            one_of,
            present,
            absent,
            past,
            present_if,
            absent_if,
            zero_if,
        ];
        let mut rules: Vec<_> = all.into_iter().flatten().collect();
        if let (Some(rule), true) = (rules.pop(), rules.is_empty()) {
            return Some(Demand {
                claim: claim?,
                rule: rule?,
            });
        }
        section.fault_with_help(
            "a required claim says one thing",
            "`is`, `is_true`, `is_or_absent`, `one_of`, `present`, `absent`, `past`, `present_if`, `absent_if` or `zero_if`",
        );
        None
    }

    #[expect(
        clippy::option_option,
        reason = "the outer one is a fault that was told"
    )]
    fn opaque(&self) -> Option<Option<Opaque>> {
        let Some(item) = self.root.get("opaque") else {
            return Some(None);
        };
        let section = item.free_section("[opaque]")?;
        let asking = section
            .require("request", "add request = \"form\", \"json\" or \"query\"")
            .and_then(|item| {
                item.choice(&[
                    ("form", Asking::Form),
                    ("json", Asking::Json),
                    ("query", Asking::Query),
                ])
            });
        let parameter = section
            .require("parameter", "add parameter = \"token\"")
            .and_then(|item| item.line(100));
        let flag = |key, default| section.get(key).map_or(Some(default), |item| item.flag());
        let authenticated = flag("authenticated", true);
        let numbers_as_text = flag("numbers_as_text", false);
        let refused = section
            .get("refused_status")
            .map_or(Some(Vec::new()), |item| {
                item.list(|item| u16::try_from(item.integer()?).ok())
            });
        let endpoint = self.names.optional(section.get("endpoint"));
        let active = self.names.optional(section.get("active"));
        let also_signed = self.names.optional(section.get("also_signed"));
        section.finish();
        Some(Some(Opaque {
            endpoint,
            asking: asking?,
            parameter: parameter?,
            authenticated: authenticated?,
            active,
            refused_status: refused?,
            numbers_as_text: numbers_as_text?,
            also_signed,
        }))
    }
}
