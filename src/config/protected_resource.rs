//! `[tenants.apps.protected_resource]`: what an app says of itself to those who would bring tokens.

use super::reader::Item;
use super::table::{Key, Shape, Table};
use crate::domain::machine_client::Scope;
use crate::domain::tenant::ProtectedResource;

pub(super) static TABLE: Table = Table::new(
    "[tenants.apps.protected_resource]",
    "What the app says of itself at /.well-known/oauth-protected-resource: that this tenant issues tokens for it.",
    &[Key::new(
        "scopes",
        Shape::List(&Shape::Line(128)),
        "What tokens may allow there.",
    )],
);

/// Reads the section. `None`: something in it is wrong, and was told.
pub(super) fn read(item: &Item<'_>) -> Option<ProtectedResource> {
    let section = item.section(&TABLE)?;
    let scopes = section.get("scopes");
    section.finish();
    let scopes = scopes.map_or(Some(Vec::new()), |item| item.list(Item::parsed::<Scope>));
    Some(ProtectedResource { scopes: scopes? })
}
