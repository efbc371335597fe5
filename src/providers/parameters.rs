//! What an operator must or may say beside the client: `issuer`, `host`, `groups_claim`.
//!
//! Invariant: a value gets into an address only after its kind was checked, so that no value changes the
//! meaning of what stands around it.

use std::collections::BTreeMap;

use super::template::{Template, Values};
use crate::config::reader::Section;
use crate::config::{ParameterValue, PresetKey, Shape, checked_url, nearest, quoted};
use crate::domain::email::EmailDomain;
use crate::domain::host::Host;
use crate::domain::ids::is_guid;

/// A parameter of a preset.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) name: Box<str>,
    pub(super) kind: Kind,
    /// Several values in brackets, or one of `or`.
    pub(super) list: bool,
    pub(super) required: bool,
    pub(super) default: Option<Template>,
    pub(super) one_of: Vec<Box<str>>,
    /// Words that stand in place of what the kind asks for. For a list: that there is no list, on purpose.
    pub(super) or: Vec<Box<str>>,
    pub(super) begins_with: Box<str>,
    /// Values that are never right, each with what would be.
    pub(super) refused: Vec<(Box<str>, Box<str>)>,
    pub(super) about: Box<str>,
}

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One line.
    Text,
    /// Letters, digits, `-`, `_`, `.`: a realm, a region, a pool.
    Name,
    /// A name below another, with one slash between them: a team of an organization.
    Below,
    /// Hexadecimal groups of 8-4-4-4-12; kept in small letters.
    Guid,
    /// A host; `{name.origin}` is its address.
    Host,
    /// The domain of e-mail addresses; kept in small letters and A-labels.
    Domain,
    /// An https address.
    Url,
    /// An issuer (OIDC Discovery 1.0 §3): an address without query and fragment, kept byte for byte.
    Issuer,
    /// An address that others stand below, with or without a path; kept without slashes at its end.
    Base,
    /// A claim: the name of a member, or a JSON pointer.
    Claim,
}

const KINDS: [(&str, Kind); 10] = [
    ("text", Kind::Text),
    ("name", Kind::Name),
    ("below", Kind::Below),
    ("guid", Kind::Guid),
    ("host", Kind::Host),
    ("domain", Kind::Domain),
    ("url", Kind::Url),
    ("issuer", Kind::Issuer),
    ("base", Kind::Base),
    ("claim", Kind::Claim),
];

/// What the operator's lists hold, by name.
pub(super) type Lists = BTreeMap<Box<str>, List>;

/// The value of a parameter that is a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// These.
    Of(Vec<Box<str>>),
    /// The operator has said that there is no list, in this word.
    Unlimited(Box<str>),
}

pub(super) fn read(name: &str, section: &Section<'_>) -> Option<Parameter> {
    let kind = section
        .require("kind", "add kind = \"text\"")
        .and_then(|item| item.choice(&KINDS));
    let flag = |key| section.get(key).map_or(Some(false), |item| item.flag());
    let (list, required) = (flag("list"), flag("required"));
    let default = section.get("default").and_then(|item| item.parsed());
    let words = |key| {
        let item = section.get(key);
        item.map_or(Some(Vec::new()), |item| item.list(|item| item.line(200)))
    };
    let (one_of, or) = (words("one_of"), words("or"));
    let begins_with = section.get("begins_with");
    let begins_with = begins_with.map_or(Some("".into()), |item| item.line(20));
    let refused = section
        .get("refused")
        .and_then(|item| item.free_section("`refused`"))
        .map(|section| section.entries())
        .unwrap_or_default();
    let refused = refused
        .iter()
        .map(|item| Some((item.name.into(), item.line(200)?)));
    let refused: Option<Vec<_>> = refused.collect();
    let about = section
        .require("about", "say in a few words what it is")
        .and_then(|item| item.line(200));
    section.finish();
    Some(Parameter {
        name: name.into(),
        kind: kind?,
        list: list?,
        required: required?,
        default,
        one_of: one_of?,
        or: or?,
        begins_with: begins_with?,
        refused: refused?,
        about: about?,
    })
}

/// What is wrong with a value, and what would be right.
type Wrong = (String, String);

impl Parameter {
    /// As the JSON Schema of the configuration shows it.
    pub(super) fn declared(&self) -> PresetKey {
        PresetKey {
            name: self.name.clone(),
            about: self.about.clone(),
            shape: match self.kind {
                Kind::Url | Kind::Issuer | Kind::Base => Shape::Address,
                Kind::Host | Kind::Domain => Shape::Host,
                Kind::Text | Kind::Name | Kind::Below | Kind::Guid | Kind::Claim => Shape::Text,
            },
            one_of: self.one_of.clone(),
            required: self.required,
            default: self
                .default
                .as_ref()
                .and_then(|default| default.fill(&Values::new()))
                .map(Into::into),
            list: self.list,
            or: self.or.clone(),
        }
    }

    /// Checks what the operator wrote and puts it into `values` and `lists`. A list of one is also a value.
    pub(super) fn accept(
        &self,
        written: &ParameterValue,
        development: bool,
        values: &mut Values,
        lists: &mut Lists,
    ) -> Result<(), Wrong> {
        let name = &self.name;
        let example = self.or.first();
        let or = example.map_or_else(String::new, |word| format!(", or \"{word}\""));
        match written {
            ParameterValue::Text(text) if !self.list => self.set(text, development, values),
            ParameterValue::Text(text) if self.or.contains(text) => {
                lists.insert(name.clone(), List::Unlimited(text.clone()));
                Ok(())
            }
            ParameterValue::List(texts) if self.list && !texts.is_empty() => {
                let mut kept: Vec<Box<str>> = Vec::new();
                for text in texts {
                    if self.or.contains(text) {
                        let help = format!("write {name} = \"{text}\", without brackets");
                        return Err((format!("`{text}` is no entry of a list"), help));
                    }
                    let mut own = Values::new();
                    self.set(text, development, &mut own)?;
                    kept.extend(own.remove(name));
                }
                if let [only] = kept.as_slice() {
                    values.insert(name.clone(), only.clone());
                }
                lists.insert(name.clone(), List::Of(kept));
                Ok(())
            }
            ParameterValue::List(_) if self.list => Err((
                format!("`{name}` is an empty list"),
                format!("name at least one{or}"),
            )),
            _ if self.list => Err((
                format!("`{name}` is a list of texts in brackets{or}"),
                format!("write {name} = [\"…\"]"),
            )),
            _ => Err((format!("`{name}` is text in quotes"), String::new())),
        }
    }

    /// Checks `text` and puts it into `values`.
    pub(super) fn set(
        &self,
        text: &str,
        development: bool,
        values: &mut Values,
    ) -> Result<(), Wrong> {
        let wrong = |what: &str, help: &str| {
            let words: Vec<_> = self.or.iter().map(|word| format!("\"{word}\"")).collect();
            let or = if words.is_empty() || self.list {
                String::new()
            } else {
                format!(", or as one of {}", words.join(", "))
            };
            Err((
                format!("{} is not {what}", quoted(text)),
                format!("{help}{or}"),
            ))
        };
        if text.is_empty() || text.len() > 2000 || text.chars().any(char::is_control) {
            return wrong("one line of text", "leave it out if it has no value");
        }
        if !self.one_of.is_empty() && !self.one_of.iter().any(|word| **word == *text) {
            let words = self.one_of.iter().map(|word| &**word);
            let near = nearest(text, words.clone());
            let near = near.map_or_else(String::new, |word| format!("did you mean \"{word}\"? "));
            let words: Vec<_> = words.map(|word| format!("\"{word}\"")).collect();
            return wrong(
                &format!("a value of `{}`", self.name),
                &format!("{near}use one of {}", words.join(", ")),
            );
        }
        let is_refused = |(value, _): &&(Box<str>, _)| value.eq_ignore_ascii_case(text);
        if let Some((_, instead)) = self.refused.iter().find(is_refused) {
            return wrong(&format!("a value of `{}`", self.name), instead);
        }
        let mut value: Box<str> = text.into();
        if self.or.contains(&value) {
            values.insert(self.name.clone(), value);
            return Ok(());
        }
        if !text.starts_with(&*self.begins_with) {
            return wrong(
                &format!("a value of `{}`", self.name),
                &format!("it begins with {}", quoted(&self.begins_with)),
            );
        }
        match self.kind {
            Kind::Name if !is_name(text) => {
                return wrong("a name", "use letters, digits, `-`, `_` and `.`");
            }
            Kind::Below if !is_below(text) => {
                return wrong(
                    "a name below another",
                    "write both with one slash between them: \"acme/ops\"",
                );
            }
            Kind::Guid if !is_guid(text) => {
                return wrong("a GUID", "write it as 00000000-0000-0000-0000-000000000000");
            }
            Kind::Guid => value = text.to_ascii_lowercase().into(),
            Kind::Text | Kind::Claim | Kind::Name | Kind::Below => {}
            Kind::Domain => {
                let Ok(domain) = text.parse::<EmailDomain>() else {
                    return wrong(
                        "the domain of e-mail addresses",
                        "write it as \"example.com\"",
                    );
                };
                value = domain.to_string().into();
            }
            Kind::Host => {
                let Ok(host) = Host::parse(text, 443) else {
                    return wrong("a host", "write it as \"github.example.com\"");
                };
                let scheme = if development && host.is_loopback() {
                    "http"
                } else {
                    "https"
                };
                let origin = format!("{scheme}://{host}");
                values.insert(format!("{}.origin", self.name).into(), origin.into());
                value = host.to_string().into();
            }
            Kind::Url | Kind::Issuer | Kind::Base => {
                let url =
                    checked_url(text, development).map_err(|fault| (fault.message, fault.help))?;
                if self.kind == Kind::Issuer && url.query().is_some() {
                    return wrong("an issuer", "leave out `?` and what follows");
                }
                if self.kind == Kind::Base {
                    if url.query().is_some() {
                        return wrong("a base address", "leave out `?` and what follows");
                    }
                    value = text.trim_end_matches('/').into();
                }
                if text.ends_with("/.well-known/openid-configuration") && self.kind == Kind::Issuer
                {
                    return wrong(
                        "an issuer",
                        "leave out /.well-known/openid-configuration: that is where its metadata is",
                    );
                }
            }
        }
        values.insert(self.name.clone(), value);
        Ok(())
    }
}

fn is_below(text: &str) -> bool {
    let names = text.split_once('/');
    names.is_some_and(|(above, name)| [above, name].into_iter().all(is_name))
}

pub(super) fn is_name(text: &str) -> bool {
    !matches!(text, "." | "..")
        && text.len() <= 128
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

impl std::str::FromStr for Template {
    type Err = super::template::InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
