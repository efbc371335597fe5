//! `[[tenants.providers]]`: who authenticates a tenant's people, as the operator wrote it.
//!
//! Which further parameters there are depends on the preset, which is read later: they are kept with their
//! places, so that `providers` can report them at the operator's line.

use secrecy::SecretString;
use url::Url;

use super::client_authentication::{
    self, ALGORITHMS, AssertionSettings, AuthenticationMethod, algorithm,
};
use super::diagnostics::nearest;
use super::item::{Item, Located, located};
use super::reader::Section;
use super::secrets::secret;
use super::table::{Key, Shape, Table, word};
use super::upstream_tokens::{LONGEST_RECHECK, SHORTEST_RECHECK, TokenSettings};
use super::{Context, RestrictionSettings, callers, claim_changes, restrictions, server, tls};
use crate::domain::claim_changes::ClaimChanges;
use crate::domain::email::EmailDomain;
use crate::domain::ids::ProviderId;
use crate::domain::upstream_provider::Reach;

/// A parameter that only the preset can judge.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: Located<Box<str>>,
    /// Its value.
    pub value: Located<ParameterValue>,
}

/// What an operator wrote for a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterValue {
    /// Text.
    Text(Box<str>),
    /// A list of texts.
    List(Vec<Box<str>>),
    /// Neither.
    Other,
}

/// A provider as the operator wrote it.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// The operator's name of it.
    pub id: Located<ProviderId>,
    /// The preset it is made from.
    pub preset: Located<Box<str>>,
    /// What people call it.
    pub name: Option<Box<str>>,
    /// Our name at the provider.
    pub client_id: Box<str>,
    /// Our secret there.
    pub client_secret: Option<Located<SecretString>>,
    /// Whether something about authentication was written wrongly, which has been told.
    pub authentication_misread: bool,
    /// Scopes in place of the preset's.
    pub scopes: Option<Vec<Box<str>>>,
    /// In place of the preset's.
    pub client_authentication: Option<Located<AuthenticationMethod>>,
    /// For methods that sign.
    pub assertion: AssertionSettings,
    /// In place of the discovered one.
    pub id_token_algorithm: Option<Located<Box<str>>>,
    /// Whether its logout tokens are listened to, in place of the preset's word.
    pub backchannel_logout: Option<Located<bool>>,
    /// The same of the page that it has browsers load.
    pub frontchannel_logout: Option<Located<bool>>,
    /// Domains of the addresses of its people.
    pub email_domains: Vec<EmailDomain>,
    /// What is kept of its tokens.
    pub tokens: TokenSettings,
    /// How the provider is reached.
    pub reach: Reach,
    /// What is changed about what it says of a person.
    pub changes: ClaimChanges,
    /// Whom the tenant lets in from it.
    pub restrictions: RestrictionSettings,
    /// What the preset must know.
    pub parameters: Vec<Parameter>,
    /// Whether nothing in it stands in for what could not be read.
    pub(super) whole: bool,
}

pub(super) static TABLE: Table = Table::new(
    "[[tenants.providers]]",
    "Who authenticates the tenant's people.",
    &[
        Key::new(
            "id",
            Shape::Id,
            "Part of the redirect URI, {base_url}/login/{id}/callback: register that at the provider.",
        )
        .required(),
        Key::new(
            "preset",
            Shape::Text,
            "What is known of the provider: the name of a preset, or of one of your own folder.",
        )
        .required(),
        Key::new("name", Shape::Line(100), "Continue with …").or("the preset's"),
        Key::new(
            "client_id",
            Shape::Line(255),
            "The name under which Doorward is registered there.",
        )
        .required(),
        Key::new("client_secret", Shape::Secret, "Its secret there."),
        Key::new(
            "scopes",
            Shape::List(&Shape::Text),
            "In place of the preset's scopes.",
        )
        .or("the preset's"),
        Key::new(
            "client_authentication",
            Shape::Words(&client_authentication::METHODS),
            "How Doorward authenticates at the token endpoint, among the ways that the preset knows. With a private key: by signing with it.",
        )
        .or("the preset's"),
        Key::new(
            "private_key",
            Shape::Secret,
            "The key to sign with, in place of a secret: PKCS#8 in PEM, not encrypted.",
        ),
        Key::new(
            "key_id",
            Shape::Line(255),
            "What the provider calls that key, for `kid`.",
        ),
        Key::new(
            "certificate",
            Shape::Path,
            "The certificate of that key, PEM, for providers that know it by its thumbprint (`x5t#S256`).",
        ),
        Key::new(
            "assertion_algorithm",
            Shape::Words(&ALGORITHMS),
            "How that key signs.",
        )
        .or("the first of the preset's that fits the key"),
        Key::new(
            "assertion_audience",
            Shape::Words(&client_authentication::AUDIENCES),
            "Whom the provider wants signed assertions to be for.",
        )
        .or("the preset's"),
        Key::new(
            "id_token_algorithm",
            Shape::Words(&ALGORITHMS),
            "The one signature algorithm of its ID tokens.",
        )
        .or("discovered"),
        Key::new(
            "backchannel_logout",
            Shape::Flag,
            "Whether a sign-out that the provider tells of ends sessions here: {base_url}/login/{id}/backchannel-logout.",
        )
        .or("the preset's"),
        Key::new(
            "frontchannel_logout",
            Shape::Flag,
            "The same through the browser, in a frame of the provider's page: {base_url}/login/{id}/frontchannel-logout.",
        )
        .or("the preset's"),
        Key::new(
            "email_domains",
            Shape::List(&Shape::Text),
            "Whose address is in one of these is sent here by the e-mail field of the page to choose.",
        ),
        Key::new(
            "refresh",
            Shape::Flag,
            "Whether its tokens are kept, sealed, so that people are looked at again while they are signed in: who is not let in any more is signed out.",
        )
        .or("false"),
        Key::new(
            "recheck_after",
            Shape::Duration(SHORTEST_RECHECK, LONGEST_RECHECK),
            "With `refresh`: after how long at the latest, also where the tokens live longer.",
        )
        .or("1h"),
        Key::new(
            "revoke_tokens",
            Shape::Flag,
            "With `refresh`: whether tokens are revoked there when their session ends.",
        )
        .or("where nothing ends but the sign-in they came from"),
        Key::new(
            "tokens_for_apps",
            Shape::List(&Shape::Id),
            "With `refresh`: ids of the apps that may be given its access and ID tokens, by an identity header.",
        ),
        Key::new(
            "ca_file",
            Shape::Path,
            "Certificate authorities to trust beside the usual ones, PEM.",
        ),
        Key::new(
            "allow_networks",
            Shape::List(&Shape::Network),
            "Private networks the provider may be in. Metadata addresses of clouds stay refused.",
        ),
        Key::new("proxy", Shape::Address, "A proxy to go through."),
        Key::table("claims", &claim_changes::TABLE),
        Key::table("restrictions", &restrictions::TABLE),
    ],
)
.open("preset");

/// The settings that every preset has.
pub(crate) fn settings() -> impl Iterator<Item = &'static str> + Clone {
    TABLE.keys().map(|key| key.name)
}

/// What presets call their own settings, also presets to come: their values may be shown.
pub(crate) const PRESET_WORDS: &[&str] = &[
    "issuer",
    "issuer_key",
    "discovery",
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "response_issuer",
    "subject_claim",
    "name_claim",
    "username_claim",
    "email_claim",
    "email_verified_claim",
    "groups_claim",
    "roles_claim",
    "switch_account_prompt",
    "host",
    "domain",
    "tenant",
    "team_id",
    "region",
    "realm",
    "user_pool_id",
    "allowed_tenants",
    "hosted_domains",
    "organizations",
    "email_trusted_domains",
    "url",
    "authorization_server",
    "groups_scope",
    "refresh_scope",
    "revocation_endpoint",
    "groups_from",
    "identity_provider",
    "guild",
    "teams",
    "accounts",
    "workspaces",
    "graph_version",
    "config_id",
    "cloud",
    "graph_permission",
    "signing_keys",
    "directory",
    "tenant_id",
    "policy",
    "issuer_form",
    "sign_in_page",
    "sign_in_providers",
    "organization_names",
    "connection",
    "sign_out",
    "identity_providers",
    "idp_identifier",
];

/// Whatever else is wrong, its preset judges its parameters; without a preset nobody can.
pub(super) fn read(section: &Section<'_>, context: &Context<'_>) -> Option<ProviderSettings> {
    let id = section.require(
        "id",
        "add id = \"keycloak\": it is part of the redirect URI",
    );
    let id = id.and_then(|item| located(&item, item.parsed()));
    let preset = section
        .require(
            "preset",
            "add preset = \"oidc\", or the name of another preset",
        )
        .and_then(|item| located(&item, item.text().map(Into::into)));
    let name = section.get("name").and_then(|item| item.line(100));
    let client_id = section
        .require(
            "client_id",
            "add the name under which Doorward is registered at the provider",
        )
        .and_then(|item| item.line(255));
    let client_secret = section
        .get("client_secret")
        .and_then(|item| located(&item, secret(&item, context)));
    let scopes = section
        .get("scopes")
        .and_then(|item| item.list(|item| scope(item)));
    let client_authentication = section
        .get("client_authentication")
        .and_then(|item| located(&item, item.choice(&AuthenticationMethod::WORDS)));
    let assertion = AssertionSettings::read(section, context);
    let id_token_algorithm = section
        .get("id_token_algorithm")
        .and_then(|item| located(&item, algorithm(&item)));
    let backchannel_logout = section
        .get("backchannel_logout")
        .and_then(|item| located(&item, item.flag()));
    let frontchannel_logout = section
        .get("frontchannel_logout")
        .and_then(|item| located(&item, item.flag()));
    let email_domains = section
        .get("email_domains")
        .and_then(|item| item.list(callers::email_domain));
    let tokens = TokenSettings::read(section);
    let reach = reach(section, context);
    let changes = section.get("claims").map_or_else(
        || Some(ClaimChanges::default()),
        |item| claim_changes::read(&item),
    );
    let restrictions = section.get("restrictions").map_or_else(
        || Some(RestrictionSettings::default()),
        |item| restrictions::read(&item),
    );
    let rest = section.rest();
    let read = [
        client_secret.is_some(),
        client_authentication.is_some(),
        assertion.private_key.is_some(),
        assertion.key_id.is_some(),
        assertion.certificate.is_some(),
        assertion.algorithm.is_some(),
        assertion.audience.is_some(),
    ];
    let given = client_authentication::SETTINGS.map(|name| section.get(name).is_some());
    let authentication_misread = given != read
        || rest.iter().any(|item| {
            misspelt(item).is_some_and(|near| client_authentication::SETTINGS.contains(&near))
        });
    let parameters = rest.iter().filter_map(parameter).collect();
    let stand_in = || {
        Some(Located {
            value: section.stand_in().parse().ok()?,
            at: section.position(),
        })
    };
    Some(ProviderSettings {
        whole: id.is_some() && client_id.is_some() && changes.is_some() && restrictions.is_some(),
        id: id.or_else(stand_in)?,
        preset: preset?,
        name,
        client_id: client_id.unwrap_or_default(),
        client_secret,
        authentication_misread,
        scopes,
        client_authentication,
        assertion,
        id_token_algorithm,
        backchannel_logout,
        frontchannel_logout,
        email_domains: email_domains.unwrap_or_default(),
        tokens,
        reach,
        changes: changes.unwrap_or_default(),
        restrictions: restrictions.unwrap_or_default(),
        parameters,
    })
}

/// The setting of every provider that was probably meant.
fn misspelt(item: &Item<'_>) -> Option<&'static str> {
    let long = settings().filter(|setting| setting.len() > 4);
    word(item.name)
        .is_none()
        .then(|| nearest(item.name, long))
        .flatten()
}

/// A word that is nearly a setting of every provider is no matter of the preset.
fn parameter(item: &Item<'_>) -> Option<Parameter> {
    if let Some(near) = misspelt(item) {
        item.fault_at_key(
            format!("{} is not a setting of a provider", item.quoted_name()),
            format!("did you mean `{near}`?"),
        );
        return None;
    }
    Some(parameter_of(item))
}

/// What somebody else judges: a preset, or the profile of a trusted issuer.
pub(super) fn parameter_of(item: &Item<'_>) -> Parameter {
    Parameter {
        name: Located {
            value: item.name.into(),
            at: item.key_position(),
        },
        value: Located {
            value: parameter_value(item),
            at: item.position(),
        },
    }
}

fn parameter_value(item: &Item<'_>) -> ParameterValue {
    if let Some(text) = item.as_text() {
        return ParameterValue::Text(text.into());
    }
    let texts = item.as_items().map(|items| {
        let texts = items.iter().map(|item| item.as_text().map(Into::into));
        texts.collect::<Option<Vec<Box<str>>>>()
    });
    texts
        .flatten()
        .map_or(ParameterValue::Other, ParameterValue::List)
}

/// RFC 6749 §3.3, `scope-token`.
fn scope(item: &Item<'_>) -> Option<Box<str>> {
    let text = item.text()?;
    if text.contains([' ', ',']) && !text.contains('"') {
        item.fault_with_help(
            format!("{} is more than one scope", item.shown()),
            "write each in quotes of its own: [\"openid\", \"profile\"]",
        );
        None
    } else if text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
    {
        Some(text.into())
    } else {
        item.fault(format!(
            "{} has characters that a scope cannot have",
            item.shown()
        ));
        None
    }
}

pub(super) fn reach(section: &Section<'_>, context: &Context<'_>) -> Reach {
    let ca_file = section
        .get("ca_file")
        .and_then(|item| tls::authorities(&item, context))
        .map(|(path, _)| path);
    let allow_networks = section
        .get("allow_networks")
        .and_then(|item| item.list(|item| server::network(item)))
        .unwrap_or_default();
    let proxy = section.get("proxy").and_then(|item| proxy(&item));
    Reach {
        ca_file,
        allow_networks,
        proxy,
    }
}

/// Plain http is usual here: what goes through is a TLS tunnel.
fn proxy(item: &Item<'_>) -> Option<Url> {
    let text = item.text()?;
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host().is_some()
            && matches!(url.path(), "/" | "")
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if text.contains('@') {
        item.fault_with_help(
            "a proxy with user name or password is not accepted",
            "let the proxy know this machine by its address",
        );
        return None;
    }
    if url.is_none() {
        item.fault_with_help(
            format!("{} is not the address of a proxy", item.shown()),
            "write it as \"http://proxy.internal:3128\"",
        );
    }
    url
}
