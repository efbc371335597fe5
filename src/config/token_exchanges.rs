//! `[[tenants.token_exchanges]]`: whose tokens are changed into tokens of the tenant's own (RFC 8693).

use std::sync::Arc;
use std::time::Duration;

use super::diagnostics::Position;
use super::expressions;
use super::item::{Item, Located, located};
use super::reader::Section;
use super::table::{Key, Shape, Table};
use super::trusted_issuers::{self, ClaimDemandSettings};
use crate::domain::expression::Expression;
use crate::domain::ids::{ClientId, TokenExchangeId, TrustedIssuerId};
use crate::domain::machine_client::Scope;

/// What stands for the tenant itself among issuers.
pub const OWN_TOKENS: &str = "self";

const LIVES: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(1));

const USUAL_LIFE: time::Duration = time::Duration::minutes(10);

/// A rule as the operator wrote it, with the places of what names others.
#[derive(Clone, Debug)]
pub struct TokenExchangeSettings {
    /// Its name.
    pub id: TokenExchangeId,
    /// Whose tokens; [`OWN_TOKENS`] are the tenant's.
    pub issuers: Vec<Located<TrustedIssuerId>>,
    /// For whom they must be. None: for the tenant's issuer.
    pub subject_audiences: Option<Vec<Box<str>>>,
    /// Whose `sub` it must be.
    pub subjects: Vec<Box<str>>,
    /// What else they must say.
    pub required_claims: Vec<ClaimDemandSettings>,
    /// What must be true.
    pub when: Option<Arc<dyn Expression>>,
    /// Which clients may ask.
    pub clients: Vec<Located<ClientId>>,
    /// Whose tokens may be an actor's.
    pub actors: Vec<Located<TrustedIssuerId>>,
    /// Whom the new token can be for.
    pub audiences: Vec<Box<str>>,
    /// What it may allow.
    pub scopes: Vec<Scope>,
    /// How long it is good for.
    pub lifetime: time::Duration,
    /// Where its table begins.
    pub at: Position,
}

pub(super) static TABLE: Table = Table::new(
    "[[tenants.token_exchanges]]",
    "Whose tokens are changed into tokens of the tenant's own (RFC 8693): the first rule that fits decides, none refuses.",
    &[
        Key::new("id", Shape::Id, "In logs and metrics.").required(),
        Key::new(
            "issuers",
            Shape::List(&Shape::Id),
            "The trusted issuers whose tokens it is about; \"self\": the tenant's own access tokens.",
        )
        .required(),
        Key::new(
            "subject_audiences",
            Shape::List(&Shape::Line(500)),
            "For whom these tokens must be: one of these, byte for byte, whatever the issuer's own `audiences` say.",
        )
        .or("the tenant's issuer address"),
        Key::new(
            "subjects",
            Shape::List(&Shape::Line(255)),
            "Whose tokens: `sub` is one of these, as the issuer writes it.",
        ),
        Key::tables("required_claims", &REQUIRED_CLAIM),
        Key::new(
            "when",
            Shape::Text,
            "An expression in CEL about `claims` of the token that must be true.",
        ),
        Key::new(
            "clients",
            Shape::List(&Shape::Id),
            "The machine clients that may ask. Left out: whoever holds the token, without being a client.",
        ),
        Key::new(
            "actors",
            Shape::List(&Shape::Id),
            "Issuers whose tokens may be shown as `actor_token`, \"self\" among them.",
        ),
        Key::new(
            "audiences",
            Shape::List(&Shape::Line(200)),
            "Whom the new token can be for. Whoever asks names one (`audience`, or `resource`), unless there is only one.",
        )
        .required(),
        Key::new(
            "scopes",
            Shape::List(&Shape::Line(128)),
            "What it may allow; all of it where nothing is asked for.",
        ),
        Key::new(
            "lifetime",
            Shape::Duration(LIVES.0, LIVES.1),
            "How long it is good for at most; never longer than the token that was shown.",
        )
        .or("10m"),
    ],
);

static REQUIRED_CLAIM: Table = Table::new(
    "[[tenants.token_exchanges.required_claims]]",
    "What the token must say beside all that, all of it.",
    trusted_issuers::REQUIRED_CLAIM_KEYS,
);

pub(super) fn read(section: &Section<'_>) -> Option<TokenExchangeSettings> {
    let id = section.require("id", "add id = \"deploy\": its name in logs");
    let id = id.and_then(|item| item.parsed());
    let help = "add issuers = [\"…\"]: trusted issuers, or \"self\" for tokens of this tenant";
    let issuers = section.require("issuers", help);
    let issuers = issuers.and_then(|item| names(&item));
    let many = |key, limit| {
        section.get(key).map_or(Some(None), |item| {
            item.list(|item| item.line(limit)).map(Some)
        })
    };
    let subject_audiences = many("subject_audiences", 500);
    let subjects = many("subjects", 255);
    let required_claims = section
        .get("required_claims")
        .map(|item| item.sections(&REQUIRED_CLAIM))
        .unwrap_or_default();
    let required_claims: Option<Vec<_>> = required_claims
        .iter()
        .map(trusted_issuers::demand)
        .collect();
    let when = section
        .get("when")
        .map_or(Some(None), |item| condition(&item).map(Some));
    let clients = section
        .get("clients")
        .map_or(Some(Vec::new()), |item| names(&item));
    let actors = section
        .get("actors")
        .map_or(Some(Vec::new()), |item| names(&item));
    let help = "add audiences = [\"https://api.example.com\"]: whom the new token is for";
    let audiences = section.require("audiences", help);
    let audiences = audiences.and_then(|item| item.list(|item| item.line(200)));
    let scopes = section
        .get("scopes")
        .map_or(Some(Vec::new()), |item| item.list(Item::parsed::<Scope>));
    let lifetime = section.get("lifetime").map_or(Some(USUAL_LIFE), |item| {
        item.duration(LIVES.0, LIVES.1)?.try_into().ok()
    });
    section.finish();
    Some(TokenExchangeSettings {
        id: id?,
        issuers: issuers?,
        subject_audiences: subject_audiences?,
        subjects: subjects?.unwrap_or_default(),
        required_claims: required_claims?,
        when: when?,
        clients: clients?,
        actors: actors?,
        audiences: audiences?,
        scopes: scopes?,
        lifetime: lifetime?,
        at: section.position(),
    })
}

fn names<T: std::str::FromStr<Err: std::fmt::Display>>(item: &Item<'_>) -> Option<Vec<Located<T>>> {
    item.list(|item| located(item, item.parsed()))
}

/// There is nobody's identity yet when a token is judged.
fn condition(item: &Item<'_>) -> Option<Arc<dyn Expression>> {
    let expression = expressions::read(item)?;
    if !expression.looks_at_claims() {
        item.fault_with_help(
            "this condition does not look at the token",
            "write about its `claims`: claims.ref == \"refs/heads/main\"",
        );
        return None;
    }
    Some(expression)
}
