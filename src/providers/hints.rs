//! What a preset says about hints: what its provider calls them, and which prompts it knows.

use super::layers::Layers;
use crate::config::{quoted, suggestion};
use crate::domain::login_hint::LoginHint;

/// Parameters of the authorization request that protect it, or have a setting of their own.
pub(super) const RESERVED: [&str; 10] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "prompt",
    "redirect_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// `[hints]`: our name of a hint, and the provider's.
pub(super) fn hints(layers: &Layers<'_, '_>) -> Option<Vec<(LoginHint, Box<str>)>> {
    let known = || {
        LoginHint::ALL
            .into_iter()
            .filter(|hint| *hint != LoginHint::Prompt)
    };
    let entries = layers.entries("hints");
    let read = entries.iter().map(|item| {
        let Some(hint) = known().find(|hint| hint.name() == item.name) else {
            item.fault_with_help(
                format!("there is no hint {}", quoted(item.name)),
                suggestion(item.name, known().map(LoginHint::name)),
            );
            return None;
        };
        let name = item.line(64)?;
        if RESERVED.contains(&&*name) {
            item.fault(format!("{} is no hint", quoted(&name)));
            return None;
        }
        Some((hint, name))
    });
    read.collect()
}

/// `prompts`: the values of `prompt` that may be handed on. `none` is not among them: whoever cannot be signed in
/// without a page would see an error in its place.
pub(super) fn prompts(layers: &Layers<'_, '_>) -> Option<Vec<Box<str>>> {
    let Some(list) = layers.get("prompts") else {
        return Some(Vec::new());
    };
    let items = list.items()?;
    let read = items.iter().map(|item| {
        let prompt = item.line(64)?;
        if &*prompt == "none" || prompt.contains(' ') {
            item.fault_with_help(
                format!("{} cannot be handed on", quoted(&prompt)),
                "write single prompts such as \"login\"; none of them is `none`",
            );
            return None;
        }
        Some(prompt)
    });
    read.collect()
}
