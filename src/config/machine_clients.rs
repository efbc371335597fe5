//! `[[tenants.machine_clients]]`: machines that ask for tokens in their own name.

use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::Context;
use super::api_keys::known_app;
use super::diagnostics::Position;
use super::reader::{Item, Section};
use super::server::Server;
use super::table::{Key, Shape, Table};
use super::{addresses, secrets};
use crate::domain::ids::{ClientId, UserId};
use crate::domain::machine_client::{
    ClientKeys, MachineAuthentication, MachineClient, Scope, SecretDigest,
};

/// A machine, with the places of what is judged where keys are known.
#[derive(Clone, Debug)]
pub struct MachineClientSettings {
    /// The machine.
    pub client: MachineClient,
    /// Where its table begins: a line with keys is not shown, for somebody may have written a private one there.
    pub at: Position,
}

/// Shorter secrets can be guessed.
const SHORTEST_SECRET: usize = 16;

const LIVES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));

const USUAL_LIFE: time::Duration = time::Duration::minutes(10);

const ALGORITHMS: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

pub(super) static TABLE: Table = Table::new(
    "[[tenants.machine_clients]]",
    "Machines that ask for tokens in their own name (client credentials).",
    &[
        Key::new(
            "id",
            Shape::Id,
            "Its `client_id`, and `sub` of its tokens: 1 to 63 of a-z, 0-9, -.",
        )
        .required(),
        Key::new("name", Shape::Line(100), "What people read.").or("the id"),
        Key::new(
            "secrets",
            Shape::List(&Shape::Secret),
            "Its secret; two while it changes. Any of them admits it.",
        ),
        Key::new(
            "jwks",
            Shape::Text,
            "Its public keys, a JWK set, for private_key_jwt instead of a secret.",
        ),
        Key::new("jwks_uri", Shape::Address, "Where it publishes them."),
        Key::new(
            "algorithm",
            Shape::Words(ALGORITHMS),
            "With what its assertions are signed.",
        )
        .or("ES256"),
        Key::new(
            "audiences",
            Shape::List(&Shape::Line(200)),
            "Whom its tokens can be for. It names one (`resource`, or `audience`), unless there is only one.",
        ),
        Key::new(
            "introspects",
            Shape::List(&Shape::Line(200)),
            "Audiences as whose resource server it may ask about tokens.",
        ),
        Key::new(
            "verifies",
            Shape::List(&Shape::Id),
            "Apps of this tenant for which it may have tokens, keys and passwords judged.",
        ),
        Key::new(
            "scopes",
            Shape::List(&Shape::Line(128)),
            "What its tokens may allow; all of it where it asks for nothing.",
        ),
        Key::new(
            "token_life",
            Shape::Duration(LIVES.0, LIVES.1),
            "How long a token is good for.",
        )
        .or("10m"),
    ],
)
.exactly_one_of(&["secrets", "jwks", "jwks_uri"]);

pub(super) fn read(
    section: &Section<'_>,
    server: &Server,
    apps: &[&str],
    context: &Context<'_>,
) -> Option<MachineClientSettings> {
    let id = section
        .require("id", "add id = \"report\": its `client_id`")
        .and_then(|item| client_id(&item));
    let name = section.get("name").and_then(|item| item.line(100));
    let methods = ["secrets", "jwks", "jwks_uri"].map(|key| section.get(key));
    let algorithm = section.get("algorithm");
    let audiences = section.get("audiences");
    let introspects = section.get("introspects");
    let verifies = section.get("verifies");
    let scopes = section.get("scopes");
    let token_life = section.get("token_life");
    section.finish();
    if audiences.is_none() && introspects.is_none() && verifies.is_none() {
        section.fault_with_help(
            "this machine may do nothing",
            "add audiences = [\"https://api.example.com\"], whom its tokens are for; or `introspects` or `verifies`, for a service that asks about tokens",
        );
        return None;
    }
    let names = |item: Option<Item<'_>>| {
        item.map_or(Some(Vec::new()), |item| item.list(|item| item.line(200)))
    };
    let (audiences, introspects) = (names(audiences), names(introspects));
    let verifies = verifies.map_or(Some(Vec::new()), |item| {
        item.list(|item| known_app(item, apps))
    });
    let scopes = scopes.map_or(Some(Vec::new()), |item| item.list(Item::parsed::<Scope>));
    let token_life = token_life.map_or(Some(USUAL_LIFE), |item| {
        item.duration(LIVES.0, LIVES.1)?.try_into().ok()
    });
    let authentication = authentication(section, &methods, algorithm.as_ref(), server, context)?;
    let id = id?;
    Some(MachineClientSettings {
        client: MachineClient {
            name: name.unwrap_or_else(|| id.as_str().into()),
            id,
            authentication,
            audiences: audiences?,
            scopes: scopes?,
            token_life: token_life?,
            introspects: introspects?,
            verifies: verifies?,
        },
        at: section.position(),
    })
}

/// A name that no person has: both stand in `sub` (RFC 9068 §5).
fn client_id(item: &Item<'_>) -> Option<ClientId> {
    let id: ClientId = item.parsed()?;
    if id.as_str().parse::<UserId>().is_ok() {
        item.fault_with_help(
            format!("{} could be the name of a person", item.shown()),
            "choose one that is not 32 hexadecimal digits: it stands in `sub`, where people's ids do too",
        );
        return None;
    }
    Some(id)
}

fn authentication(
    section: &Section<'_>,
    methods: &[Option<Item<'_>>; 3],
    algorithm: Option<&Item<'_>>,
    server: &Server,
    context: &Context<'_>,
) -> Option<MachineAuthentication> {
    let keys = match methods {
        [Some(item), None, None] => {
            if let Some(algorithm) = algorithm {
                algorithm.fault_at_key(
                    "`algorithm` means nothing for a client with a secret",
                    "leave it out, or give `jwks` or `jwks_uri` in place of `secrets`",
                );
            }
            return Some(MachineAuthentication::Secrets(known(item, context)?));
        }
        [None, Some(item), None] => ClientKeys::Inline(item.text()?.into()),
        [None, None, Some(item)] => ClientKeys::At(addresses::url(item, server.development)?),
        _ => {
            section.fault_with_help(
                "a machine has exactly one of `secrets`, `jwks` and `jwks_uri`",
                "add secrets = [{ file = \"report-secret\" }]",
            );
            return None;
        }
    };
    let words: Vec<_> = ALGORITHMS.iter().map(|name| (*name, *name)).collect();
    let algorithm = algorithm.map_or(Some("ES256"), |item| item.choice(&words))?;
    Some(MachineAuthentication::PrivateKeyJwt {
        algorithm: algorithm.into(),
        keys,
    })
}

/// One, or two while it changes.
fn known(item: &Item<'_>, context: &Context<'_>) -> Option<Vec<SecretDigest>> {
    let secrets = item.list(|item| {
        let secret = secrets::secret(item, context)?;
        let secret = secret.expose_secret();
        if secret.len() < SHORTEST_SECRET {
            item.fault_with_help(
                format!("a machine's secret has at least {SHORTEST_SECRET} characters, and this one has fewer"),
                "make one with: openssl rand -base64 32",
            );
            return None;
        }
        Some(SecretDigest::of(secret))
    })?;
    if secrets.len() > 2 {
        item.fault_with_help(
            "a machine has at most two secrets",
            "the one that is used, and while it changes the one before",
        );
        return None;
    }
    Some(secrets)
}
