//! What the authorization request says beside the protocol's own: scopes, and parameters of the provider's.

use super::hints::{self, RESERVED};
use super::layers::{Layers, Names};
use super::template::Template;
use crate::config::reader::{Item, Section};
use crate::domain::login_hint::LoginHint;
use crate::domain::upstream_provider::ResponseMode;

/// The words of a preset about the authorization request (RFC 6749 §4.1.1).
#[derive(Clone, Debug)]
pub(super) struct Authorization {
    pub(super) pkce: bool,
    /// All are asked for. One that depends on a parameter which was left out is left out too.
    pub(super) scopes: Vec<Template>,
    pub(super) scope_separator: Box<str>,
    pub(super) parameters: Vec<(Box<str>, Template)>,
    pub(super) response_mode: ResponseMode,
    pub(super) hints: Vec<(LoginHint, Box<str>)>,
    pub(super) prompts: Vec<Box<str>>,
    pub(super) switch_account_prompt: Option<Template>,
    pub(super) switch_account_parameters: Vec<(Box<str>, Template)>,
}

pub(super) fn read(layers: &Layers<'_, '_>, names: &Names<'_>) -> Option<Authorization> {
    let pkce = layers.flag("pkce", true);
    let scope_separator = layers
        .get("scope_separator")
        .map_or(Some(" "), |item| item.choice(&[(" ", " "), (",", ",")]));
    let scopes = layers
        .require("scopes")
        .and_then(|item| item.free_section("[scopes]"))
        .and_then(|section| scopes(&section, names));
    let parameters = parameters(layers, names, "authorization_parameters");
    let response_mode = layers
        .get("response_mode")
        .map_or(Some(ResponseMode::default()), |item| {
            item.choice(&[
                ("query", ResponseMode::Query),
                ("form_post", ResponseMode::FormPost),
            ])
        });
    let (hints, prompts) = (hints::hints(layers), hints::prompts(layers));
    let switch_account_prompt = names.optional(layers.get("switch_account_prompt"));
    let switch_account_parameters = self::parameters(layers, names, "switch_account_parameters");
    Some(Authorization {
        pkce: pkce?,
        scopes: scopes?,
        scope_separator: scope_separator?.into(),
        parameters,
        response_mode: response_mode?,
        hints: hints?,
        prompts: prompts?,
        switch_account_prompt,
        switch_account_parameters,
    })
}

fn parameters(
    layers: &Layers<'_, '_>,
    names: &Names<'_>,
    key: &'static str,
) -> Vec<(Box<str>, Template)> {
    let parameter = |item: &Item<'_>| {
        if RESERVED.contains(&item.name) {
            item.fault_at_key(
                format!("{} is sent by Doorward itself", item.quoted_name()),
                "leave it out",
            );
        }
        Some((item.name.into(), names.template(item)?))
    };
    layers.entries(key).iter().filter_map(parameter).collect()
}

/// Scopes by what they are for.
fn scopes(section: &Section<'_>, names: &Names<'_>) -> Option<Vec<Template>> {
    let mut all = Vec::new();
    let mut right = true;
    for key in ["login", "email", "groups"] {
        let Some(items) = section.get(key).and_then(|item| item.items()) else {
            continue;
        };
        for item in items {
            match names.template(&item) {
                Some(scope) => all.push(scope),
                None => right = false,
            }
        }
    }
    section.finish();
    right.then_some(all)
}
