//! `revocation`: how a provider is told that tokens are not needed any more.

use super::layers::{Layers, Names};
use super::template::Template;
use crate::config::reader::Section;
use crate::config::{Fault, TokenSettings};
use crate::domain::upstream_tokens::{RevocationRequest, RevokedToken};

/// What a preset says of revoking tokens.
#[derive(Clone, Debug)]
pub(super) struct Revocation {
    pub(super) discovered: bool,
    pub(super) address: Option<Template>,
    pub(super) token: RevokedToken,
    pub(super) request: RevocationRequest,
    pub(super) effect: Effect,
}

/// What ends with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// What belongs to the same sign-in.
    Session,
    /// All that the person has granted us there, in other browsers too.
    Grant,
}

/// `"none"`, `"discovered"`, or a table.
#[expect(
    clippy::option_option,
    reason = "outside: whether it could be read; inside: whether there is a way"
)]
pub(super) fn read(layers: &Layers<'_, '_>, names: &Names<'_>) -> Option<Option<Revocation>> {
    let Some(item) = layers.get("revocation") else {
        return Some(None);
    };
    if !item.is_table() {
        let discovered = item.choice(&[("none", false), ("discovered", true)])?;
        return Some(discovered.then_some(Revocation {
            discovered,
            address: None,
            token: RevokedToken::Either,
            request: RevocationRequest::Form,
            effect: Effect::Session,
        }));
    }
    let section = item.free_section("[revocation]")?;
    let revocation = table(&section, names);
    section.finish();
    revocation.map(Some)
}

fn table(section: &Section<'_>, names: &Names<'_>) -> Option<Revocation> {
    let discovered = section.get("discovered");
    let discovered = discovered.map_or(Some(false), |item| item.flag());
    let address = section
        .get("address")
        .map_or(Some(None), |item| names.template(&item).map(Some));
    let token = section
        .get("token")
        .map_or(Some(RevokedToken::Either), |item| {
            item.choice(&[
                ("either", RevokedToken::Either),
                ("refresh_token", RevokedToken::Refresh),
                ("access_token", RevokedToken::Access),
            ])
        });
    let request = section
        .get("request")
        .map_or(Some(RevocationRequest::Form), |item| {
            item.choice(&[
                ("form", RevocationRequest::Form),
                ("delete", RevocationRequest::Delete),
            ])
        });
    let effect = section.get("effect").map_or(Some(Effect::Session), |item| {
        item.choice(&[("session", Effect::Session), ("grant", Effect::Grant)])
    });
    if discovered == Some(false) && address.as_ref().is_some_and(Option::is_none) {
        section.fault_with_help(
            "there is nowhere to revoke tokens",
            "add address = \"…\", or discovered = true",
        );
    }
    Some(Revocation {
        discovered: discovered?,
        address: address?,
        token: token?,
        request: request?,
        effect: effect?,
    })
}

/// Whether tokens are revoked: the operator's word, else where nothing ends but what is ours.
pub(super) fn is_wanted(revocation: &Revocation, settings: &TokenSettings) -> bool {
    let word = settings.revoke_tokens.as_ref().map(|it| it.value);
    word.unwrap_or(revocation.effect == Effect::Session)
}

/// What is wrong with the operator's wish. `keeps`: whether there are tokens to revoke.
pub(super) fn fault(
    revocation: Option<&Revocation>,
    settings: &TokenSettings,
    preset: &str,
    keeps: bool,
) -> Option<Fault> {
    let wish = settings.revoke_tokens.as_ref()?;
    let at = wish.at.clone();
    if !keeps {
        let fault = Fault::at(at, "`revoke_tokens` has no effect: no tokens are kept");
        return Some(fault.with_help("add refresh = true, or leave it out"));
    }
    let impossible = wish.value && revocation.is_none();
    impossible.then(|| {
        let message = format!("a provider with the preset `{preset}` has no way to revoke tokens");
        Fault::at(at, message).with_help("leave out `revoke_tokens`")
    })
}
