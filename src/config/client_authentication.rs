//! How we authenticate at a provider's token endpoint, as the operator wrote it.
//!
//! Invariant: nothing is judged here but that it can be read. Whether a key fits its algorithm, its certificate
//! and the preset is known where the preset is.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject as _};
use secrecy::SecretString;

use super::Context;
use super::item::{Item, Located, located};
use super::reader::Section;
use super::secrets::secret_lines;
use super::tls;

/// How we authenticate at a token endpoint, as an operator or a preset names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationMethod {
    /// `client_secret_basic`, or whatever the metadata lists; only a preset says so.
    Discovered,
    /// `client_secret_basic` (OIDC Core 1.0 §9).
    Basic,
    /// `client_secret_post`.
    Post,
    /// `private_key_jwt`.
    PrivateKeyJwt,
    /// `client_secret_jwt`.
    ClientSecretJwt,
    /// A signed JWT as the secret (Apple).
    GeneratedSecret,
}

impl AuthenticationMethod {
    /// What operators choose among.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("basic", Self::Basic),
        ("post", Self::Post),
        ("private_key_jwt", Self::PrivateKeyJwt),
        ("client_secret_jwt", Self::ClientSecretJwt),
        ("generated_secret", Self::GeneratedSecret),
    ];

    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        let mut words = Self::WORDS.iter();
        let found = words.find(|(_, method)| *method == self);
        found.map_or("discovered", |(word, _)| word)
    }

    /// Whether it needs the operator's private key.
    #[must_use]
    pub const fn signs(self) -> bool {
        matches!(self, Self::PrivateKeyJwt | Self::GeneratedSecret)
    }
}

/// Whom our assertions name as their audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudienceKind {
    /// The token endpoint.
    TokenEndpoint,
    /// The issuer.
    Issuer,
}

impl AudienceKind {
    /// As they are written.
    pub const WORDS: [(&'static str, Self); 2] = [
        ("token_endpoint", Self::TokenEndpoint),
        ("issuer", Self::Issuer),
    ];
}

/// What an operator wrote about authenticating with a signed assertion. All of it is judged with the preset.
#[derive(Clone, Debug, Default)]
pub struct AssertionSettings {
    /// The key, as the file has it.
    pub private_key: Option<Located<SecretString>>,
    /// What the provider calls the key.
    pub key_id: Option<Located<Box<str>>>,
    /// The key's certificate, DER.
    pub certificate: Option<Located<CertificateDer<'static>>>,
    /// How the key signs.
    pub algorithm: Option<Located<Box<str>>>,
    /// In place of the preset's.
    pub audience: Option<Located<AudienceKind>>,
}

/// All settings about it.
pub(super) const SETTINGS: [&str; 7] = [
    "client_secret",
    "client_authentication",
    "private_key",
    "key_id",
    "certificate",
    "assertion_algorithm",
    "assertion_audience",
];

/// The words of [`AuthenticationMethod::WORDS`].
pub(super) const METHODS: [&str; 5] = [
    "basic",
    "post",
    "private_key_jwt",
    "client_secret_jwt",
    "generated_secret",
];

/// The words of [`AudienceKind::WORDS`].
pub(super) const AUDIENCES: [&str; 2] = ["token_endpoint", "issuer"];

impl AssertionSettings {
    pub(super) fn read(section: &Section<'_>, context: &Context<'_>) -> Self {
        let private_key = section.get("private_key");
        let file = section.get("certificate");
        Self {
            private_key: private_key.and_then(|item| located(&item, secret_lines(&item, context))),
            key_id: section
                .get("key_id")
                .and_then(|item| located(&item, item.line(255))),
            certificate: file.and_then(|item| located(&item, certificate(&item, context))),
            algorithm: section
                .get("assertion_algorithm")
                .and_then(|item| located(&item, algorithm(&item))),
            audience: section
                .get("assertion_audience")
                .and_then(|item| located(&item, item.choice(&AudienceKind::WORDS))),
        }
    }
}

/// The first certificate of a file; a chain above it is for others.
fn certificate(item: &Item<'_>, context: &Context<'_>) -> Option<CertificateDer<'static>> {
    let path = context.file(item.text()?);
    match CertificateDer::from_pem_file(&path) {
        Ok(certificate) => Some(certificate),
        Err(pem::Error::NoItemsFound) => {
            item.fault_with_help(
                format!("there is no certificate in {}", item.shown()),
                "it begins with -----BEGIN CERTIFICATE-----",
            );
            None
        }
        Err(pem::Error::Io(error)) => {
            item.fault_with_help(
                format!("the certificate in {} cannot be read", item.shown()),
                error.to_string(),
            );
            None
        }
        Err(error) => {
            item.fault_with_help(
                format!("the certificate in {} cannot be read", item.shown()),
                tls::pem_fault(&error),
            );
            None
        }
    }
}

/// What our verifier knows, and what our keys sign with. Symmetric ones are deliberately absent: they need the
/// secret as a key.
pub(super) const ALGORITHMS: [&str; 9] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

pub(super) fn algorithm(item: &Item<'_>) -> Option<Box<str>> {
    let text = item.text()?;
    if text.starts_with("HS") || text == "none" {
        item.fault_with_help(
            format!("{} proves nothing about who signed", item.shown()),
            format!("use one of {}", ALGORITHMS.join(", ")),
        );
        return None;
    }
    let words = ALGORITHMS.map(|name| (name, name));
    item.choice(&words).map(Into::into)
}
