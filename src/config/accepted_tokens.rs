//! What an app accepts of its tenant's trusted issuers, and `[tenants.apps.attestation]`.

use super::diagnostics::Position;
use super::item::{Located, located};
use super::reader::Section;
use super::table::{Key, Shape, Table};
use crate::domain::ids::TrustedIssuerId;

/// Which trusted issuers an app accepts tokens of, and what of them.
#[derive(Clone, Debug, Default)]
pub struct AcceptedTokens {
    /// Their names; none: all of the tenant's.
    pub issuers: Option<Vec<Located<TrustedIssuerId>>>,
    /// For whom tokens must be beside what their issuer says; none: whatever its list has.
    pub audiences: Option<Located<Vec<Box<str>>>>,
    /// What each request must show beside whoever calls.
    pub attestation: Option<AttestationSettings>,
}

/// `[tenants.apps.attestation]`.
#[derive(Clone, Debug)]
pub struct AttestationSettings {
    /// Whose attestations count.
    pub issuer: Located<TrustedIssuerId>,
    /// The header that they come in, in place of the profile's.
    pub header: Option<http::HeaderName>,
    /// The header that they must be bound to.
    pub bound_to: Option<http::HeaderName>,
    /// Where the table begins.
    pub at: Position,
}

pub(super) static ATTESTATION: Table = Table::new(
    "[tenants.apps.attestation]",
    "A token that each request must carry in a header of its own, in addition to whatever else the app accepts.",
    &[
        Key::new(
            "issuer",
            Shape::Id,
            "The trusted issuer that attests, with the profile \"approov\" or another of attestations.",
        )
        .required(),
        Key::new(
            "header",
            Shape::Text,
            "The header that it comes in.",
        )
        .or("the profile's"),
        Key::new(
            "bound_to",
            Shape::Text,
            "A header of the request that it must be bound to: \"Authorization\". Without it, binding is not looked at.",
        ),
    ],
);

impl AcceptedTokens {
    /// What an app's own table says of it. None: something was wrong, which has been told.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let issuers = section.get("issuers").map_or(Some(None), |item| {
            item.list(|item| located(item, item.parsed())).map(Some)
        });
        let audiences = section.get("audiences").map_or(Some(None), |item| {
            located(&item, item.list(|item| item.line(500))).map(Some)
        });
        let attestation = section.get("attestation").map_or(Some(None), |item| {
            let section = item.section(&ATTESTATION)?;
            let issuer = section
                .require(
                    "issuer",
                    "add issuer = \"…\": the trusted issuer that attests",
                )
                .and_then(|item| located(&item, item.parsed()));
            let name = |key| {
                section
                    .get(key)
                    .map_or(Some(None), |item| item.parsed().map(Some))
            };
            let (header, bound_to) = (name("header"), name("bound_to"));
            section.finish();
            Some(Some(AttestationSettings {
                issuer: issuer?,
                header: header?,
                bound_to: bound_to?,
                at: section.position(),
            }))
        });
        Some(Self {
            issuers: issuers?,
            audiences: audiences?,
            attestation: attestation?,
        })
    }
}
