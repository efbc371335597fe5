//! What an operator must or may say beside the client: `issuer`, `host`, `groups_claim`.
//!
//! Invariant: a value gets into an address only after its kind was checked, so that no value changes the
//! meaning of what stands around it.

use super::template::{Template, Values};
use crate::config::reader::Section;
use crate::config::{PresetKey, Shape, checked_url, quoted};
use crate::domain::host::Host;

/// A parameter of a preset.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) name: Box<str>,
    pub(super) kind: Kind,
    pub(super) required: bool,
    pub(super) default: Option<Template>,
    pub(super) one_of: Vec<Box<str>>,
    pub(super) about: Box<str>,
}

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One line.
    Text,
    /// Letters, digits, `-`, `_`, `.`: a realm, a region, a pool.
    Name,
    /// Hexadecimal groups of 8-4-4-4-12.
    Guid,
    /// A host; `{name.origin}` is its address.
    Host,
    /// An https address.
    Url,
    /// An issuer (OIDC Discovery 1.0 §3): an address without query and fragment, kept byte for byte.
    Issuer,
    /// A claim: the name of a member, or a JSON pointer.
    Claim,
}

const KINDS: [(&str, Kind); 7] = [
    ("text", Kind::Text),
    ("name", Kind::Name),
    ("guid", Kind::Guid),
    ("host", Kind::Host),
    ("url", Kind::Url),
    ("issuer", Kind::Issuer),
    ("claim", Kind::Claim),
];

pub(super) fn read(name: &str, section: &Section<'_>) -> Option<Parameter> {
    let kind = section
        .require("kind", "add kind = \"text\"")
        .and_then(|item| item.choice(&KINDS));
    let required = section.get("required");
    let required = required.map_or(Some(false), |item| item.flag());
    let default = section.get("default").and_then(|item| item.parsed());
    let one_of = section.get("one_of");
    let one_of = one_of.map_or(Some(Vec::new()), |item| item.list(|item| item.line(200)));
    let about = section
        .require("about", "say in a few words what it is")
        .and_then(|item| item.line(200));
    section.finish();
    Some(Parameter {
        name: name.into(),
        kind: kind?,
        required: required?,
        default,
        one_of: one_of?,
        about: about?,
    })
}

impl Parameter {
    /// As the JSON Schema of the configuration shows it.
    pub(super) fn declared(&self) -> PresetKey {
        PresetKey {
            name: self.name.clone(),
            about: self.about.clone(),
            shape: match self.kind {
                Kind::Url | Kind::Issuer => Shape::Address,
                Kind::Host => Shape::Host,
                Kind::Text | Kind::Name | Kind::Guid | Kind::Claim => Shape::Text,
            },
            one_of: self.one_of.clone(),
            required: self.required,
            default: self
                .default
                .as_ref()
                .and_then(|default| default.fill(&Values::new()))
                .map(Into::into),
        }
    }

    /// Checks `text` and puts it into `values`.
    pub(super) fn set(
        &self,
        text: &str,
        development: bool,
        values: &mut Values,
    ) -> Result<(), (String, String)> {
        let wrong = |what: &str, help: &str| {
            Err((format!("{} is not {what}", quoted(text)), help.to_owned()))
        };
        if text.is_empty() || text.len() > 2000 || text.chars().any(char::is_control) {
            return wrong("one line of text", "leave it out if it has no value");
        }
        if !self.one_of.is_empty() && !self.one_of.iter().any(|word| **word == *text) {
            let words: Vec<_> = self
                .one_of
                .iter()
                .map(|word| format!("\"{word}\""))
                .collect();
            return wrong(
                &format!("a value of `{}`", self.name),
                &format!("use one of {}", words.join(", ")),
            );
        }
        let mut value: Box<str> = text.into();
        match self.kind {
            Kind::Name if !is_name(text) => {
                return wrong("a name", "use letters, digits, `-`, `_` and `.`");
            }
            Kind::Guid if !is_guid(text) => {
                return wrong("a GUID", "write it as 00000000-0000-0000-0000-000000000000");
            }
            Kind::Text | Kind::Claim | Kind::Name | Kind::Guid => {}
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
            Kind::Url | Kind::Issuer => {
                let url =
                    checked_url(text, development).map_err(|fault| (fault.message, fault.help))?;
                if self.kind == Kind::Issuer && url.query().is_some() {
                    return wrong("an issuer", "leave out `?` and what follows");
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

fn is_name(text: &str) -> bool {
    !matches!(text, "." | "..")
        && text.len() <= 128
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl std::str::FromStr for Template {
    type Err = super::template::InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
