//! The words of a preset file.
//!
//! A preset is read once, whole, with each of its variants laid over it, and everything that is wrong with
//! it is told at once. Names in braces must be parameters or variables of the same file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::assertions::{self, Assertions};
use super::authorization::{self, Authorization};
use super::claims::{Claims, ClaimsReader};
use super::layers::{Layers, Names};
use super::logout::{self, Logout};
use super::parameters::{self, List, Lists, Parameter};
use super::protocol::{self, Protocol};
use super::refresh::{self, Refresh};
use super::requests::{self, Request};
use super::required_claims::{self, RequiredClaim, Rule};
use super::revocation::{self, Revocation};
use super::template::{Template, Values};
use super::value::Value;
use crate::config::reader::{Document, Section};
use crate::config::source::Source as FileSource;
use crate::config::{AuthenticationMethod, Faults, quoted, suggestion};
use crate::domain::logout::LogoutNotices;
use crate::domain::profile_request::Asked;
use crate::domain::upstream_provider::{TokenRequest, Userinfo};

/// What is true of every account at a provider.
#[derive(Clone, Debug)]
pub(super) struct Preset {
    pub(super) title: Box<str>,
    pub(super) status: Status,
    pub(super) notes: Vec<Box<str>>,
    pub(super) parameters: Vec<Parameter>,
    variants: Vec<(Condition, Definition)>,
    base: Definition,
}

/// How the facts of a preset are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// A standard says them.
    Standard,
    /// They were seen on the running product.
    Live,
    /// The vendor's documentation says them.
    Documentation,
    /// They are what other public software does there; the vendor's own word was not read.
    Practice,
    /// The service is about to end, or has.
    Legacy,
}

/// Parameters whose values choose a variant.
#[derive(Clone, Debug)]
struct Condition(Vec<(Box<str>, Box<str>)>);

/// A preset, or one variant of it.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) variables: BTreeMap<Box<str>, Value>,
    pub(super) protocol: Protocol,
    pub(super) issuer_key: Template,
    pub(super) secret_required: bool,
    pub(super) client_authentication: Vec<AuthenticationMethod>,
    pub(super) assertions: Assertions,
    pub(super) authorization: Authorization,
    pub(super) token_request: TokenRequest,
    pub(super) errors_with_success_status: bool,
    pub(super) profile_requests: Vec<Request>,
    pub(super) required_claims: Vec<RequiredClaim>,
    pub(super) claims: Claims,
    pub(super) preferred_username_is_stable: bool,
    pub(super) logout: Logout,
    pub(super) logout_notices: LogoutNotices,
    pub(super) refresh: Refresh,
    pub(super) revocation: Option<Revocation>,
    /// Parameters and variables that something here depends on, without those that a variant withholds.
    pub(super) used: BTreeSet<Box<str>>,
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

    /// The definition for these parameters: the first variant that fits, or the preset as it stands. With it
    /// the parameters that chose it, in words.
    pub(super) fn definition(
        &self,
        values: &Values,
        lists: &Lists,
    ) -> (&Definition, Option<String>) {
        self.variants
            .iter()
            .find(|(condition, _)| condition.fits(values, lists))
            .map_or((&self.base, None), |(condition, definition)| {
                (definition, Some(condition.in_words()))
            })
    }

    /// As it stands, without any variant.
    pub(super) const fn base(&self) -> &Definition {
        &self.base
    }

    /// The variants, each with the parameters that choose it, in words.
    pub(super) fn variants(&self) -> impl Iterator<Item = (String, &Definition)> {
        let variants = self.variants.iter();
        variants.map(|(condition, definition)| (condition.in_words(), definition))
    }

    /// Whether another value of this parameter could choose another variant, all others being as they are.
    pub(super) fn chooses_by(&self, parameter: &str, values: &Values, lists: &Lists) -> bool {
        self.variants.iter().any(|(Condition(all), _)| {
            let (its, others): (Vec<_>, Vec<_>) =
                all.iter().partition(|(name, _)| **name == *parameter);
            !its.is_empty() && others.iter().all(|one| fits(one, values, lists))
        })
    }
}

impl Condition {
    /// ``with `tenant` = "common"``
    fn in_words(&self) -> String {
        let each = self.0.iter();
        let each = each.map(|(name, value)| match &**value {
            "*" => format!("`{name}`"),
            value => format!("`{name}` = \"{value}\""),
        });
        format!("with {}", each.collect::<Vec<_>>().join(" and "))
    }

    fn fits(&self, values: &Values, lists: &Lists) -> bool {
        self.0.iter().all(|one| fits(one, values, lists))
    }
}

/// Whether a parameter has this value. A list is its one entry, or the word in place of a list.
fn fits((name, pattern): &(Box<str>, Box<str>), values: &Values, lists: &Lists) -> bool {
    let value = match lists.get(name) {
        Some(List::Unlimited(word)) => Some(word),
        _ => values.get(name),
    };
    value.is_some_and(|value| {
        pattern.strip_prefix('*').map_or_else(
            || *value == *pattern,
            |suffix| value.len() > suffix.len() && value.ends_with(suffix),
        )
    })
}

fn read(root: &Section<'_>) -> Option<Preset> {
    let title = root
        .require("title", "add title = \"…\": what people call the provider")
        .and_then(|item| item.line(100));
    let status = root
        .require("status", "add status = \"documentation\"")
        .and_then(|item| {
            item.choice(&[
                ("standard", Status::Standard),
                ("live", Status::Live),
                ("documentation", Status::Documentation),
                ("practice", Status::Practice),
                ("legacy", Status::Legacy),
            ])
        });
    let notes = root
        .get("notes")
        .map_or(Some(Vec::new()), |item| item.list(|item| item.line(300)));
    let parameters: Vec<Option<Parameter>> = root
        .get("parameters")
        .and_then(|item| item.free_section("[parameters]"))
        .map(|section| section.entries())
        .unwrap_or_default()
        .iter()
        .map(|item| {
            parameters::read(
                item.name,
                &item.free_section(format!("[parameters.{}]", item.name))?,
            )
        })
        .collect();
    let parameters: Vec<Parameter> = parameters.into_iter().collect::<Option<_>>()?;
    let variants = root
        .get("variants")
        .map(|item| item.free_sections("variants"))
        .unwrap_or_default();
    let base = definition(&Layers { root, over: None }, &parameters, &[]);
    let variants: Vec<_> = variants
        .iter()
        .map(|section| {
            let condition = condition(section, &parameters);
            let withheld = withheld(section, &parameters);
            let layers = Layers {
                root,
                over: Some(section),
            };
            let definition = definition(&layers, &parameters, &withheld);
            section.finish();
            Some((condition?, definition?))
        })
        .collect();
    root.finish();
    Some(Preset {
        title: title?,
        status: status?,
        notes: notes?,
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
        .free_section("`when`")?;
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
                    known(item.name, parameters),
                );
            }
            Some((item.name.into(), item.line(200)?))
        })
        .collect();
    conditions.map(Condition)
}

fn known(name: &str, parameters: &[Parameter]) -> String {
    suggestion(name, parameters.iter().map(|parameter| &*parameter.name))
}

/// Parameters that mean nothing in a variant.
fn withheld(section: &Section<'_>, parameters: &[Parameter]) -> Vec<Box<str>> {
    let items = section.get("withholds").and_then(|item| item.items());
    items
        .unwrap_or_default()
        .iter()
        .filter_map(|item| {
            let name = item.text()?;
            if !parameters.iter().any(|parameter| *parameter.name == *name) {
                item.fault_with_help(
                    format!("there is no parameter {}", quoted(name)),
                    known(name, parameters),
                );
            }
            Some(name.into())
        })
        .collect()
}

fn definition(
    layers: &Layers<'_, '_>,
    parameters: &[Parameter],
    withheld: &[Box<str>],
) -> Option<Definition> {
    let variables = layers.entries("variables");
    let mut names = Names::of(parameters);
    check_defaults(layers, parameters, &names);
    let read: Option<Vec<_>> = variables
        .iter()
        .map(|item| Some((item.name.into(), Value::read(item, &names, parameters)?)))
        .collect();
    names.known.extend(variables.iter().map(|item| item.name));
    let protocol = protocol::read(layers, &names);
    let requests = requests::read(layers, &names);
    let documents = requests.iter().flatten().map(|r| &*r.name).collect();
    let on_overage = requests.iter().flatten();
    let on_overage = on_overage.filter(|request| request.asked == Asked::OnOverage);
    let on_overage = on_overage.map(|request| &*request.name).collect();
    let reader = ClaimsReader {
        names: &names,
        documents,
        on_overage,
        has_claims: matches!(protocol, Some(Protocol::OpenIdConnect { .. })),
        asks_userinfo: matches!(
            protocol,
            Some(Protocol::OpenIdConnect {
                userinfo: Userinfo::Always,
                ..
            })
        ),
    };
    let claims = layers.require("claims").and_then(|item| {
        let section = item.free_section("[claims]")?;
        let claims = reader.claims(&section);
        section.finish();
        claims
    });
    let required_claims = required_claims::read(layers, &names, &reader);
    let issuer_key = layers
        .require("issuer_key")
        .and_then(|item| names.template(&item));
    let secret_required = layers
        .require("client_secret")
        .and_then(|item| item.choice(&[("required", true), ("optional", false)]));
    let client_authentication = assertions::methods(layers);
    let assertions = assertions::assertions(layers, &names);
    let authorization = authorization::read(layers, &names);
    let token_request = layers
        .get("token_request")
        .map_or(Some(TokenRequest::Form), |item| {
            item.choice(&[("form", TokenRequest::Form), ("json", TokenRequest::Json)])
        });
    let errors_with_success_status = layers.flag("errors_with_success_status", false);
    let preferred_username_is_stable = layers.flag("preferred_username_is_stable", false);
    let logout = logout::read(layers, &names);
    let logout_notices = logout::notices(layers, protocol.as_ref());
    let refresh = refresh::read(layers, &names);
    let revocation = revocation::read(layers, &names);
    if let (Some(protocol), Some(required)) = (&protocol, &required_claims) {
        check_tenants(layers, protocol, required);
    }
    Some(Definition {
        variables: read?.into_iter().collect(),
        protocol: protocol?,
        issuer_key: issuer_key?,
        secret_required: secret_required?,
        client_authentication: client_authentication?,
        assertions: assertions?,
        authorization: authorization?,
        token_request: token_request?,
        errors_with_success_status: errors_with_success_status?,
        profile_requests: requests?,
        required_claims: required_claims?,
        claims: claims?,
        preferred_username_is_stable: preferred_username_is_stable?,
        logout: logout?,
        logout_notices: logout_notices?,
        refresh: refresh?,
        revocation: revocation?,
        used: names.into_used(withheld),
    })
}

impl Definition {
    /// Whether the operator must say which tenants of a cloud are let in: those who admit all of them must
    /// have said so.
    pub(super) fn asks_for_tenants(&self) -> bool {
        match &self.protocol {
            Protocol::OpenIdConnect {
                tenant_claim: Some(claim),
                ..
            } => asks_for(claim, &self.required_claims),
            _ => false,
        }
    }
}

fn asks_for(claim: &Template, required: &[RequiredClaim]) -> bool {
    required
        .iter()
        .any(|it| it.is_about(claim) && matches!(it.rule, Rule::OneOf { required: true, .. }))
}

fn check_tenants(layers: &Layers<'_, '_>, protocol: &Protocol, required: &[RequiredClaim]) {
    let Protocol::OpenIdConnect {
        issuer,
        tenant_claim: Some(claim),
        ..
    } = protocol
    else {
        return;
    };
    if issuer.says("{tenantid}") && !asks_for(claim, required) {
        layers.root.fault_with_help(
            "an issuer with {tenantid} would let in every tenant",
            "add [[required_claims]] about `tenant_claim` with `one_of` and required = true",
        );
    }
}

fn check_defaults(layers: &Layers<'_, '_>, parameters: &[Parameter], names: &Names<'_>) {
    for parameter in parameters {
        for name in parameter.default.iter().flat_map(Template::names) {
            let base = name.strip_suffix(".origin").unwrap_or(name);
            if !names.known.contains(&base) {
                layers.root.fault_with_help(
                    format!(
                        "the default of `{}` names {}, which is no parameter",
                        parameter.name,
                        quoted(name)
                    ),
                    suggestion(name, names.known.iter().copied()),
                );
            }
        }
    }
}
