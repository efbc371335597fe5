//! `logout`: how a sign-out reaches the provider. `backchannel_logout`, `frontchannel_logout`: how one there
//! reaches us.

use super::layers::{Layers, Names};
use super::protocol::Protocol;
use super::template::Template;
use crate::config::reader::Section;
use crate::config::{Fault, Located, ProviderSettings};
use crate::domain::logout::{LogoutNotices, LogoutRedirect, LogoutValue};

/// Where a person is sent to sign out; none: nowhere.
#[derive(Clone, Debug)]
pub(super) enum Logout {
    Nowhere,
    Redirect {
        discovered: bool,
        address: Option<Template>,
        parameters: Vec<(Box<str>, LogoutValue)>,
    },
}

const VALUES: [(&str, LogoutValue); 5] = [
    ("id_token", LogoutValue::IdToken),
    ("client_id", LogoutValue::ClientId),
    ("return_address", LogoutValue::ReturnAddress),
    ("state", LogoutValue::State),
    ("empty", LogoutValue::Empty),
];

/// `"none"`, `"discovered"`, or a table.
pub(super) fn read(layers: &Layers<'_, '_>, names: &Names<'_>) -> Option<Logout> {
    let item = layers.require("logout")?;
    if !item.is_table() {
        let redirect = item.choice(&[("none", false), ("discovered", true)])?;
        return Some(if redirect {
            Logout::Redirect {
                discovered: true,
                address: None,
                parameters: LogoutRedirect::standard_parameters(),
            }
        } else {
            Logout::Nowhere
        });
    }
    let section = item.free_section("[logout]")?;
    let logout = redirect(&section, names);
    section.finish();
    logout
}

/// Ways in which the provider can tell of a sign-out; without a word, none.
pub(super) fn notices(
    layers: &Layers<'_, '_>,
    protocol: Option<&Protocol>,
) -> Option<LogoutNotices> {
    let told = |key: &'static str| {
        let told = layers.flag(key, false)?;
        if told && matches!(protocol, Some(Protocol::OAuth2 { .. })) {
            let item = layers.get(key)?;
            item.fault_with_help(
                format!(
                    "`{key}` is OpenID Connect's: who signs no ID tokens can tell of no sign-out"
                ),
                "leave it out",
            );
        }
        Some(told)
    };
    let (back_channel, front_channel) = (told("backchannel_logout"), told("frontchannel_logout"));
    Some(LogoutNotices {
        back_channel: back_channel?,
        front_channel: front_channel?,
    })
}

/// What the provider can do, but for what the operator switched off.
pub(super) fn switched(known: LogoutNotices, settings: &ProviderSettings) -> LogoutNotices {
    let on = |known: bool, given: &Option<Located<bool>>| {
        known && given.as_ref().is_none_or(|it| it.value)
    };
    LogoutNotices {
        back_channel: on(known.back_channel, &settings.backchannel_logout),
        front_channel: on(known.front_channel, &settings.frontchannel_logout),
    }
}

/// What the operator switched on and the provider cannot do.
pub(super) fn not_told(known: LogoutNotices, settings: &ProviderSettings) -> Vec<Fault> {
    let ways = [
        (
            "backchannel_logout",
            known.back_channel,
            &settings.backchannel_logout,
        ),
        (
            "frontchannel_logout",
            known.front_channel,
            &settings.frontchannel_logout,
        ),
    ];
    let faults = ways.into_iter().filter_map(|(name, known, given)| {
        let given = given.as_ref().filter(|it| it.value && !known)?;
        let preset = &settings.preset.value;
        let message =
            format!("a provider with the preset `{preset}` tells of no sign-outs in this way");
        let fault = Fault::at(given.at.clone(), message);
        Some(fault.with_help(format!("leave out `{name}`")))
    });
    faults.collect()
}

fn redirect(section: &Section<'_>, names: &Names<'_>) -> Option<Logout> {
    let discovered = section.get("discovered");
    let discovered = discovered.map_or(Some(false), |item| item.flag());
    let address = section
        .get("address")
        .map_or(Some(None), |item| names.template(&item).map(Some));
    let parameters = section.get("parameters").map_or_else(
        || Some(LogoutRedirect::standard_parameters()),
        |item| {
            let entries = item.free_section("[logout.parameters]")?.entries();
            let parameters = entries
                .iter()
                .map(|item| Some((item.name.into(), item.choice(&VALUES)?)));
            parameters.collect()
        },
    );
    if discovered == Some(false) && address.as_ref().is_some_and(Option::is_none) {
        section.fault_with_help(
            "this sign-out leads nowhere",
            "add address = \"…\", or discovered = true",
        );
    }
    Some(Logout::Redirect {
        discovered: discovered?,
        address: address?,
        parameters: parameters?,
    })
}
