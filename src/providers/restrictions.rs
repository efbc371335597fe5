//! Whom the operator lets in, held against what a preset can tell.

use super::mapping::Written;
use super::preset::Definition;
use super::protocol::Protocol as Speaks;
use crate::config::{Fault, Located, ProviderSettings};
use crate::domain::restrictions::Restrictions;

/// What the operator asks for, where this provider can say it.
pub(super) fn restrictions(
    provider: &ProviderSettings,
    definition: &Definition,
    written: Written<'_>,
) -> Result<Restrictions, Vec<Fault>> {
    let settings = &provider.restrictions;
    let preset = &provider.preset.value;
    let mut restrictions = settings.restrictions.clone();
    let mut faults = Vec::new();
    if matches!(definition.protocol, Speaks::OAuth2 { .. }) {
        for Located { value, at } in &settings.of_id_token {
            let message = format!(
                "`{value}` cannot be checked: a provider with the preset `{preset}` has no ID tokens"
            );
            faults.push(Fault::at(at.clone(), message).with_help("leave it out"));
        }
    }
    if let Some(at) = &settings.no_guests {
        let guests = definition.claims.guests.as_ref();
        restrictions.members = guests.and_then(|guests| written.membership(guests));
        if restrictions.members.is_none() {
            let message = format!("with the preset `{preset}` nothing tells a guest from a member");
            faults.push(Fault::at(at.clone(), message).with_help(
                    "leave it out, or write the claim that tells it into a preset of your own: guests = { account = \"…\", home = \"…\" }",
                ));
        }
    }
    if faults.is_empty() {
        Ok(restrictions)
    } else {
        Err(faults)
    }
}
