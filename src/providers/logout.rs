//! `logout`: how a sign-out reaches the provider.

use super::layers::{Layers, Names};
use super::template::Template;
use crate::config::reader::Section;
use crate::domain::upstream_provider::{LogoutRedirect, LogoutValue};

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
