//! `[[tenants.trusted_issuers]]`: whose bearer tokens a tenant's apps accept, as the operator wrote it.
//!
//! As with providers, which further parameters there are depends on the profile, which is read later. Invariant:
//! nothing is judged here but that it can be read.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::client_authentication::ALGORITHMS;
use super::diagnostics::nearest;
use super::item::{Item, Located, located};
use super::providers::{Parameter, parameter_of, reach};
use super::reader::Section;
use super::secrets::{looked_at, secret};
use super::table::{Key, Shape, Table, word};
use super::{Context, addresses};
use crate::domain::ids::{ProviderId, TrustedIssuerId};
use crate::domain::upstream_provider::Reach;

/// Between these lies how far clocks may differ.
const SKEW: (Duration, Duration) = (Duration::ZERO, Duration::from_mins(5));
/// Between these lies the age from which on a token is refused.
const AGES: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(24 * 365));
/// Between these lies how long the word of an introspection counts.
const CACHE: (Duration, Duration) = (Duration::ZERO, Duration::from_mins(5));
/// Longest file with keys, in bytes.
const LARGEST_KEY_SET: u64 = 256 * 1024;

/// Symmetric ones, which need a secret, and the others, which need keys.
static ALL_ALGORITHMS: [&str; 12] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256",
    "HS384", "HS512",
];

/// What profiles call their own settings, beside the words that presets have too.
pub(crate) const PROFILE_WORDS: &[&str] = &[
    "also_signed",
    "api",
    "callers",
    "client_claim",
    "endpoint",
    "environments",
    "events",
    "guests",
    "introspection_endpoint",
    "owners",
    "permissions_claim",
    "policy_claim",
    "project",
    "refs",
    "repositories",
    "scopes_claim",
    "service_accounts",
    "team",
    "token_profile",
    "web",
];

/// How a secret is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretEncoding {
    /// In base64, as Approov and others hand theirs out.
    Base64,
    /// As it is.
    Text,
}

const ENCODINGS: [(&str, SecretEncoding); 2] = [
    ("base64", SecretEncoding::Base64),
    ("text", SecretEncoding::Text),
];
static ENCODING_WORDS: [&str; 2] = ["base64", "text"];

/// What an operator demands of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimDemandSettings {
    /// Its name, or a JSON pointer.
    pub claim: Box<str>,
    /// One of these texts; none: it must be there.
    pub one_of: Option<Vec<Box<str>>>,
}

/// A trusted issuer as the operator wrote it.
#[derive(Clone, Debug)]
pub struct TrustedIssuerSettings {
    /// The operator's name of it.
    pub id: Located<TrustedIssuerId>,
    /// The profile it is made from.
    pub profile: Located<Box<str>>,
    /// Where its keys are, in place of the discovered address.
    pub jwks_uri: Option<Located<Url>>,
    /// Its keys, as the text of a key set.
    pub keys: Option<Located<Box<str>>>,
    /// The secret that both sides know.
    pub secret: Option<Located<SecretString>>,
    /// How that is written, in place of the profile's.
    pub secret_encoding: Option<SecretEncoding>,
    /// The one signature algorithm, in place of the profile's.
    pub algorithm: Option<Located<Box<str>>>,
    /// For whom its tokens must be.
    pub audiences: Vec<Box<str>>,
    /// To whom they must have been issued.
    pub clients: Vec<Box<str>>,
    /// What their header must call them, in place of the profile's.
    pub typ: Option<Vec<Box<str>>>,
    /// How far clocks may differ.
    pub skew: Option<Duration>,
    /// The age from which on they are refused.
    pub oldest: Option<Duration>,
    /// What else they must say.
    pub required_claims: Vec<ClaimDemandSettings>,
    /// The provider whose people they are about.
    pub provider: Option<Located<ProviderId>>,
    /// Our name where opaque tokens are asked about.
    pub client_id: Option<Located<Box<str>>>,
    /// Our secret there.
    pub client_secret: Option<Located<SecretString>>,
    /// How long an answer counts.
    pub cache: Option<Duration>,
    /// How the issuer is reached.
    pub reach: Reach,
    /// What the profile must know.
    pub parameters: Vec<Parameter>,
    /// Whether something in it was written wrongly, which has been told.
    pub misread: bool,
}

pub(super) static TABLE: Table = Table::new(
    "[[tenants.trusted_issuers]]",
    "Whose bearer tokens the tenant's apps accept.",
    &[
        Key::new("id", Shape::Id, "In rules, logs and metrics.").required(),
        Key::new(
            "profile",
            Shape::Text,
            "What is known of its tokens: the name of a profile.",
        )
        .or("oidc"),
        Key::new(
            "audiences",
            Shape::List(&Shape::Line(500)),
            "For whom its tokens must be: one of these, byte for byte.",
        ),
        Key::new(
            "clients",
            Shape::List(&Shape::Line(255)),
            "To which clients they must have been issued.",
        ),
        Key::new(
            "algorithm",
            Shape::Words(&ALL_ALGORITHMS),
            "The one signature algorithm of its tokens.",
        )
        .or("the profile's, RS256 mostly"),
        Key::new(
            "jwks_uri",
            Shape::Address,
            "Where its keys are.",
        )
        .or("the profile's, or discovered"),
        Key::new(
            "keys",
            Shape::Text,
            "Its keys themselves, as the text of a JSON Web Key Set: nothing is fetched.",
        ),
        Key::new(
            "keys_file",
            Shape::Path,
            "The same in a file.",
        ),
        Key::new(
            "secret",
            Shape::Secret,
            "The secret that its tokens are signed with, where `algorithm` is HS256, HS384 or HS512.",
        ),
        Key::new(
            "secret_encoding",
            Shape::Words(&ENCODING_WORDS),
            "How the secret is written: \"base64\" is decoded first.",
        )
        .or("the profile's, \"text\" mostly"),
        Key::new(
            "typ",
            Shape::List(&Shape::Line(100)),
            "What `typ` in the header must be: one of these.",
        )
        .or("the profile's"),
        Key::new(
            "skew",
            Shape::Duration(SKEW.0, SKEW.1),
            "How far its clock and ours may differ.",
        )
        .or("60s"),
        Key::new(
            "oldest",
            Shape::Duration(AGES.0, AGES.1),
            "The age by `iat` from which on a token is refused, whatever its `exp`.",
        ),
        Key::tables("required_claims", &REQUIRED_CLAIM),
        Key::new(
            "provider",
            Shape::Id,
            "The provider of this tenant whose people its tokens are about: then they are the same people.",
        ),
        Key::new(
            "client_id",
            Shape::Line(255),
            "Our name where opaque tokens are asked about.",
        ),
        Key::new("client_secret", Shape::Secret, "Our secret there."),
        Key::new(
            "cache",
            Shape::Duration(CACHE.0, CACHE.1),
            "How long an answer about an opaque token counts.",
        )
        .or("30s"),
        Key::new(
            "ca_file",
            Shape::Path,
            "Certificate authorities to trust beside the usual ones, PEM.",
        ),
        Key::new(
            "allow_networks",
            Shape::List(&Shape::Network),
            "Private networks the issuer may be in. Metadata addresses of clouds stay refused.",
        ),
        Key::new("proxy", Shape::Address, "A proxy to go through."),
    ],
)
.open("profile");

static REQUIRED_CLAIM: Table = Table::new(
    "[[tenants.trusted_issuers.required_claims]]",
    "What its tokens must say beside all that, all of it.",
    REQUIRED_CLAIM_KEYS,
);

/// What [`demand`] reads.
pub(super) const REQUIRED_CLAIM_KEYS: &[Key] = &[
    Key::new(
        "claim",
        Shape::Line(200),
        "The claim: its name, or a JSON pointer.",
    )
    .required(),
    Key::new(
        "one_of",
        Shape::List(&Shape::Line(500)),
        "It is one of these texts, byte for byte. Left out: it is there, and not empty.",
    ),
];

/// The settings that every profile has.
pub(crate) fn settings() -> impl Iterator<Item = &'static str> + Clone {
    TABLE.keys().map(|key| key.name)
}

pub(super) fn read(
    section: &Section<'_>,
    development: bool,
    context: &Context<'_>,
) -> Option<TrustedIssuerSettings> {
    let id = section.require("id", "add id = \"ci\": its name in rules and logs");
    let id = id.and_then(|item| located(&item, item.parsed()));
    let profile = match section.get("profile") {
        Some(item) => located(&item, item.text().map(Into::into)),
        None => Some(Located {
            value: "oidc".into(),
            at: section.position(),
        }),
    };
    let misread = std::cell::Cell::new(false);
    let noted = |given: bool, read: bool| misread.set(misread.get() || given != read);
    let lines = |key, limit| {
        let item = section.get(key);
        let list = item
            .as_ref()
            .and_then(|item| item.list(|item| item.line(limit)));
        noted(item.is_some(), list.is_some());
        list
    };
    let audiences = lines("audiences", 500).unwrap_or_default();
    let clients = lines("clients", 255).unwrap_or_default();
    let typ = lines("typ", 100);
    let algorithm = section.get("algorithm");
    let given = algorithm.is_some();
    let algorithm = algorithm.and_then(|item| {
        let words = ALL_ALGORITHMS.map(|name| (name, name));
        located(&item, item.choice(&words).map(Into::into))
    });
    noted(given, algorithm.is_some());
    let jwks_uri = section.get("jwks_uri");
    let given = jwks_uri.is_some();
    let jwks_uri = jwks_uri.and_then(|item| located(&item, addresses::url(&item, development)));
    noted(given, jwks_uri.is_some());
    let (given, keys) = keys(section, context);
    noted(given, keys.is_some());
    let reference = |key| {
        let item = section.get(key);
        let given = item.is_some();
        let read = item.and_then(|item| located(&item, secret(&item, context)));
        noted(given, read.is_some());
        read
    };
    let (shared, client_secret) = (reference("secret"), reference("client_secret"));
    let secret_encoding = section.get("secret_encoding");
    let given = secret_encoding.is_some();
    let secret_encoding = secret_encoding.and_then(|item| item.choice(&ENCODINGS));
    noted(given, secret_encoding.is_some());
    let duration = |key, (least, most)| {
        let item = section.get(key);
        let read = item.as_ref().and_then(|item| item.duration(least, most));
        noted(item.is_some(), read.is_some());
        read
    };
    let (skew, oldest) = (duration("skew", SKEW), duration("oldest", AGES));
    let cache = duration("cache", CACHE);
    let required_claims = section
        .get("required_claims")
        .map(|item| item.sections(&REQUIRED_CLAIM))
        .unwrap_or_default();
    let demands: Vec<_> = required_claims.iter().map(demand).collect();
    noted(true, demands.iter().all(Option::is_some));
    let provider = section.get("provider");
    let given = provider.is_some();
    let provider = provider.and_then(|item| located(&item, item.parsed()));
    noted(given, provider.is_some());
    let client_id = section.get("client_id");
    let given = client_id.is_some();
    let client_id = client_id.and_then(|item| located(&item, item.line(255)));
    noted(given, client_id.is_some());
    let reach = reach(section, context);
    let parameters = section.rest().iter().filter_map(parameter).collect();
    noted(true, id.is_some());
    let stand_in = || {
        Some(Located {
            value: section.stand_in().parse().ok()?,
            at: section.position(),
        })
    };
    Some(TrustedIssuerSettings {
        id: id.or_else(stand_in)?,
        profile: profile?,
        jwks_uri,
        keys,
        secret: shared,
        secret_encoding,
        algorithm,
        audiences,
        clients,
        typ,
        skew,
        oldest,
        required_claims: demands.into_iter().flatten().collect(),
        provider,
        client_id,
        client_secret,
        cache,
        reach,
        parameters,
        misread: misread.get(),
    })
}

/// Whether keys were written down, and which.
fn keys(section: &Section<'_>, context: &Context<'_>) -> (bool, Option<Located<Box<str>>>) {
    let (keys, file) = (section.get("keys"), section.get("keys_file"));
    if let (Some(_), Some(file)) = (&keys, &file) {
        file.fault_at_key("there is `keys` already", "leave one of the two out");
    }
    let given = keys.is_some() || file.is_some();
    let read = match (keys, file) {
        (Some(item), _) => located(&item, item.text().map(Into::into)),
        (None, Some(file)) => located(&file, key_file(&file, context)),
        (None, None) => None,
    };
    (given, read)
}

pub(super) fn demand(section: &Section<'_>) -> Option<ClaimDemandSettings> {
    let claim = section
        .require("claim", "add claim = \"…\": where it is")
        .and_then(|item| item.line(200));
    let one_of = section.get("one_of").map_or(Some(None), |item| {
        item.list(|item| item.line(500)).map(Some)
    });
    section.finish();
    Some(ClaimDemandSettings {
        claim: claim?,
        one_of: one_of?,
    })
}

/// Whoever uses the keys judges them.
fn key_file(item: &Item<'_>, context: &Context<'_>) -> Option<Box<str>> {
    let path = context.file(item.text()?);
    let read = std::fs::metadata(&path).and_then(|of| {
        if of.len() > LARGEST_KEY_SET {
            return Err(std::io::Error::other("it is larger than 256 KiB"));
        }
        std::fs::read_to_string(&path)
    });
    match read {
        Ok(text) => Some(text.into()),
        Err(error) => {
            let message = format!("the keys in {} cannot be read: {error}", item.shown());
            item.fault_with_help(message, looked_at(&path));
            None
        }
    }
}

/// A word that is nearly a setting of every issuer is no matter of the profile.
fn parameter(item: &Item<'_>) -> Option<Parameter> {
    let long = settings().filter(|setting| setting.len() > 4);
    let near = word(item.name)
        .is_none()
        .then(|| nearest(item.name, long))
        .flatten();
    if let Some(near) = near {
        item.fault_at_key(
            format!(
                "{} is not a setting of a trusted issuer",
                item.quoted_name()
            ),
            format!("did you mean `{near}`?"),
        );
        return None;
    }
    Some(parameter_of(item))
}

const _: () = assert!(ALL_ALGORITHMS.len() == ALGORITHMS.len() + 3);
