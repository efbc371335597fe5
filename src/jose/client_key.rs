//! The keys that we authenticate with at token endpoints: the operator's, read once, with the configuration.
//!
//! Invariant: a [`ClientKey`] exists only where key, algorithm and certificate fit each other; nothing that is
//! said about a key repeats any of it. `HS256` exists here, and here only: with it we sign for a provider that
//! shares our secret, and never verify. What is deliberately absent: claims.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustls::server::ParsedCertificate;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::algorithm::SignatureAlgorithm;
use super::sign::with_signature;
use crate::domain::client_authentication::{AssertionKey, NotSigned};

/// Shortest secret that may key `HS256`, in bytes (RFC 7518 §3.2).
const SHORTEST_SECRET: usize = 32;

/// A private key, as it stands in its file.
pub struct PrivateKey(Pair);

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
    P384(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// Why a private key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrivateKeyRefused {
    /// There is no PEM section with a private key.
    #[error("it is not a private key in PEM, which begins with -----BEGIN PRIVATE KEY-----")]
    NotPem,
    /// A section begins and does not end, or is not base64.
    #[error("its PEM is damaged, or not all of it is there")]
    Damaged,
    /// A password would be needed.
    #[error("it is encrypted, and nobody is there to type its password")]
    Encrypted,
    /// `RSA PRIVATE KEY` (RFC 8017) or `EC PRIVATE KEY` (RFC 5915).
    #[error("it is in an older form than PKCS#8")]
    OlderForm,
    /// Short RSA keys sign nothing here (RFC 7518 §3.3).
    #[error("it is an RSA key of fewer than 2048 bits")]
    TooShort,
    /// Another curve, another kind of key, or none.
    #[error("it is none of RSA of 2048 to 8192 bits, P-256, P-384 and Ed25519")]
    Unsupported,
}

impl PrivateKeyRefused {
    /// What to do.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::NotPem | Self::Damaged => {
                "write the file again, whole, from -----BEGIN to the last -----"
            }
            Self::Encrypted | Self::OlderForm => {
                "convert it: openssl pkcs8 -topk8 -nocrypt -in key.pem -out pkcs8.pem"
            }
            Self::TooShort => {
                "make another: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem"
            }
            Self::Unsupported => {
                "make another: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem"
            }
        }
    }
}

impl PrivateKey {
    /// Reads PKCS#8 (RFC 5958) in PEM (RFC 7468 §10).
    ///
    /// # Errors
    /// [`PrivateKeyRefused`].
    pub fn from_pem(text: &SecretString) -> Result<Self, PrivateKeyRefused> {
        let text = text.expose_secret();
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|error| {
            let has = |what: &str| text.contains(&format!("-----BEGIN {what}PRIVATE KEY-----"));
            match error {
                _ if has("ENCRYPTED ") || text.contains("Proc-Type: 4,ENCRYPTED") => {
                    PrivateKeyRefused::Encrypted
                }
                _ if has("RSA ") || has("EC ") => PrivateKeyRefused::OlderForm,
                pem::Error::NoItemsFound => PrivateKeyRefused::NotPem,
                _ => PrivateKeyRefused::Damaged,
            }
        })?;
        let der = der.secret_pkcs8_der();
        match RsaKeyPair::from_pkcs8(der) {
            Ok(pair) => return Ok(Self(Pair::Rsa(Box::new(pair)))),
            Err(rejected) if rejected.to_string() == "TooSmall" => {
                return Err(PrivateKeyRefused::TooShort);
            }
            Err(_) => {}
        }
        let on = |curve| EcdsaKeyPair::from_pkcs8(curve, der).map(Box::new);
        if let Ok(pair) = on(&ECDSA_P256_SHA256_FIXED_SIGNING) {
            return Ok(Self(Pair::P256(pair)));
        }
        if let Ok(pair) = on(&ECDSA_P384_SHA384_FIXED_SIGNING) {
            return Ok(Self(Pair::P384(pair)));
        }
        Ed25519KeyPair::from_pkcs8(der)
            .map(|pair| Self(Pair::Ed25519(Box::new(pair))))
            .map_err(|_| PrivateKeyRefused::Unsupported)
    }

    /// Whether it can sign so.
    #[must_use]
    pub const fn fits(&self, algorithm: SignatureAlgorithm) -> bool {
        use SignatureAlgorithm as A;
        match self.0 {
            Pair::Rsa(_) => matches!(
                algorithm,
                A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512
            ),
            Pair::P256(_) => matches!(algorithm, A::Es256),
            Pair::P384(_) => matches!(algorithm, A::Es384),
            Pair::Ed25519(_) => matches!(algorithm, A::EdDsa),
        }
    }

    /// What kind of key it is, in words.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.0 {
            Pair::Rsa(_) => "an RSA key",
            Pair::P256(_) => "a key on P-256",
            Pair::P384(_) => "a key on P-384",
            Pair::Ed25519(_) => "an Ed25519 key",
        }
    }

    /// Whether this is the certificate of its public half.
    #[must_use]
    pub fn is_of(&self, certificate: &ClientCertificate) -> bool {
        self.public()
            .is_some_and(|public| *public == *certificate.public)
    }

    /// `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7).
    fn public(&self) -> Option<Vec<u8>> {
        let der = match &self.0 {
            Pair::Rsa(pair) => pair.public_key().as_der(),
            Pair::P256(pair) | Pair::P384(pair) => pair.public_key().as_der(),
            Pair::Ed25519(pair) => pair.public_key().as_der(),
        };
        der.ok().map(|der| der.as_ref().to_vec())
    }

    fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        let random = SystemRandom::new();
        match &self.0 {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding(algorithm), &random, message, &mut signature)?;
                Ok(signature)
            }
            Pair::P256(pair) | Pair::P384(pair) => {
                let signature = pair.sign(&random, message)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey({})", self.kind())
    }
}

/// How an RSA key signs. [`PrivateKey::fits`] has seen to it that nothing else comes here.
const fn encoding(algorithm: SignatureAlgorithm) -> &'static dyn RsaEncoding {
    use SignatureAlgorithm as A;
    match algorithm {
        A::Rs384 => &RSA_PKCS1_SHA384,
        A::Rs512 => &RSA_PKCS1_SHA512,
        A::Ps256 => &RSA_PSS_SHA256,
        A::Ps384 => &RSA_PSS_SHA384,
        A::Ps512 => &RSA_PSS_SHA512,
        A::Rs256 | A::Es256 | A::Es384 | A::EdDsa => &RSA_PKCS1_SHA256,
    }
}

/// The certificate that a provider knows our key by.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    thumbprint: Box<str>,
    public: Box<[u8]>,
}

/// A certificate is none (X.509).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be read as a certificate (X.509)")]
pub struct CertificateRefused;

impl ClientCertificate {
    /// Reads DER (RFC 5280 §4.1).
    ///
    /// # Errors
    /// [`CertificateRefused`].
    pub fn from_der(der: &CertificateDer<'_>) -> Result<Self, CertificateRefused> {
        let parsed = ParsedCertificate::try_from(der).map_err(|_| CertificateRefused)?;
        let thumbprint = digest::digest(&digest::SHA256, der);
        Ok(Self {
            thumbprint: BASE64_URL_SAFE_NO_PAD.encode(thumbprint).into(),
            public: parsed.subject_public_key_info().as_ref().into(),
        })
    }

    /// Base64url of the SHA-256 of its DER (RFC 7515 §4.1.8).
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }
}

/// A key that signs our assertions, with the header that stands before each of them.
pub struct ClientKey {
    signs: Signs,
    header: Value,
}

enum Signs {
    Private(PrivateKey, SignatureAlgorithm),
    Shared(Box<hmac::Key>),
}

/// Why a key signs no assertions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientKeyRefused {
    /// The algorithm is for another kind of key.
    #[error("{0} does not sign with {1}")]
    Algorithm(SignatureAlgorithm, &'static str),
    /// The certificate is that of another key.
    #[error("the certificate is not that of `private_key`")]
    Certificate,
    /// The secret could be guessed (RFC 7518 §3.2).
    #[error("HS256 needs a secret of {SHORTEST_SECRET} bytes or more, and this one is shorter")]
    ShortSecret,
}

impl ClientKey {
    /// A key that signs with `algorithm`. The header names it as the provider knows it: `kid` (RFC 7515
    /// §4.1.4), or `x5t#S256`, the thumbprint of its certificate (RFC 7515 §4.1.8).
    ///
    /// # Errors
    /// [`ClientKeyRefused`].
    pub fn private(
        key: PrivateKey,
        algorithm: SignatureAlgorithm,
        kid: Option<&str>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Self, ClientKeyRefused> {
        if !key.fits(algorithm) {
            return Err(ClientKeyRefused::Algorithm(algorithm, key.kind()));
        }
        let mut header = json!({ "alg": algorithm.as_str(), "typ": "JWT" });
        if let Some(members) = header.as_object_mut() {
            if let Some(kid) = kid {
                members.insert("kid".to_owned(), kid.into());
            }
            if let Some(certificate) = certificate {
                if !key.is_of(certificate) {
                    return Err(ClientKeyRefused::Certificate);
                }
                let thumbprint = certificate.thumbprint();
                members.insert("x5t#S256".to_owned(), thumbprint.into());
            }
        }
        Ok(Self {
            signs: Signs::Private(key, algorithm),
            header,
        })
    }

    /// Our secret at the provider as the key of `HS256` (OIDC Core 1.0 §9, `client_secret_jwt`).
    ///
    /// # Errors
    /// [`ClientKeyRefused::ShortSecret`].
    pub fn shared(secret: &SecretString) -> Result<Self, ClientKeyRefused> {
        let bytes = secret.expose_secret().as_bytes();
        if bytes.len() < SHORTEST_SECRET {
            return Err(ClientKeyRefused::ShortSecret);
        }
        Ok(Self {
            signs: Signs::Shared(Box::new(hmac::Key::new(hmac::HMAC_SHA256, bytes))),
            header: json!({ "alg": "HS256", "typ": "JWT" }),
        })
    }
}

impl AssertionKey for ClientKey {
    fn sign(&self, claims: &Value) -> Result<SecretString, NotSigned> {
        let token = with_signature(&self.header, claims, |message| match &self.signs {
            Signs::Private(key, algorithm) => key.sign(*algorithm, message).map_err(|_| NotSigned),
            Signs::Shared(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        })?;
        Ok(token.into())
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientKey")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation};
    use rcgen::{
        CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
        PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData as _,
        SignatureAlgorithm as Kind,
    };
    use rstest::rstest;
    use std::sync::LazyLock;

    /// RSA keys are slow to make.
    static RSA: LazyLock<KeyPair> =
        LazyLock::new(|| KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key"));

    fn pair(kind: &'static Kind) -> KeyPair {
        if *kind == PKCS_RSA_SHA256 {
            let der = rustls_pki_types::PrivateKeyDer::try_from(RSA.serialize_der());
            return KeyPair::try_from(&der.expect("a key")).expect("a key");
        }
        KeyPair::generate_for(kind).expect("a key")
    }

    fn certificate(pair: &KeyPair) -> CertificateDer<'static> {
        let params = CertificateParams::new(Vec::new()).expect("names");
        params.self_signed(pair).expect("a certificate").into()
    }

    fn key(pair: &KeyPair) -> PrivateKey {
        PrivateKey::from_pem(&pair.serialize_pem().into()).expect("a key")
    }

    /// Header and claims, if the signature is that of `public` with exactly this algorithm.
    fn verified(
        token: &str,
        algorithm: &str,
        public: &DecodingKey,
    ) -> Result<(Value, Value), jsonwebtoken::errors::Error> {
        let mut validation = Validation::new(algorithm.parse().expect("an algorithm"));
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<Value>(token, public, &validation)?.claims;
        let header = token.split('.').next().expect("a header");
        let header = BASE64_URL_SAFE_NO_PAD.decode(header).expect("base64url");
        Ok((serde_json::from_slice(&header).expect("JSON"), claims))
    }

    fn flipped(token: &str) -> String {
        let (front, signature) = token.rsplit_once('.').expect("three parts");
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        bytes[5] ^= 1;
        format!("{front}.{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    #[rstest]
    #[case(&PKCS_RSA_SHA256, SignatureAlgorithm::Rs256)]
    #[case(&PKCS_RSA_SHA256, SignatureAlgorithm::Rs384)]
    #[case(&PKCS_RSA_SHA256, SignatureAlgorithm::Rs512)]
    #[case(&PKCS_RSA_SHA256, SignatureAlgorithm::Ps256)]
    #[case(&PKCS_RSA_SHA256, SignatureAlgorithm::Ps384)]
    #[case(&PKCS_RSA_SHA256, SignatureAlgorithm::Ps512)]
    #[case(&PKCS_ECDSA_P256_SHA256, SignatureAlgorithm::Es256)]
    #[case(&PKCS_ECDSA_P384_SHA384, SignatureAlgorithm::Es384)]
    #[case(&PKCS_ED25519, SignatureAlgorithm::EdDsa)]
    fn another_library_verifies_what_a_private_key_signs(
        #[case] kind: &'static Kind,
        #[case] algorithm: SignatureAlgorithm,
    ) {
        let pair = pair(kind);
        let (der, raw) = (certificate(&pair), pair.der_bytes());
        let public = match algorithm {
            SignatureAlgorithm::Es256 | SignatureAlgorithm::Es384 => DecodingKey::from_ec_der(raw),
            SignatureAlgorithm::EdDsa => DecodingKey::from_ed_der(raw),
            _ => DecodingKey::from_rsa_der(raw),
        };
        let certificate = ClientCertificate::from_der(&der).expect("a certificate");
        let thumbprint = digest::digest(&digest::SHA256, &der);
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(thumbprint);
        let claims = json!({ "iss": "Ána Ω", "exp": 1 });
        let plain = json!({ "alg": algorithm.as_str(), "typ": "JWT" });
        for (kid, certificate) in [
            (None, None),
            (Some("key-1"), None),
            (None, Some(&certificate)),
        ] {
            let signer = ClientKey::private(key(&pair), algorithm, kid, certificate);
            let token = signer.expect("fits").sign(&claims).expect("signed");
            let token = token.expose_secret();
            let mut header = plain.clone();
            if let Some(kid) = kid {
                header["kid"] = kid.into();
            }
            if certificate.is_some() {
                header["x5t#S256"] = thumbprint.clone().into();
            }
            let found = verified(token, algorithm.as_str(), &public).expect("verified");
            assert_eq!(found, (header, claims.clone()));
            assert!(verified(&flipped(token), algorithm.as_str(), &public).is_err());
        }
    }

    #[test]
    fn another_library_verifies_what_a_secret_keys() {
        let secret = "32 bytes: not one fewer will do.";
        let key = ClientKey::shared(&secret.into()).expect("long enough");
        let token = key.sign(&json!({ "sub": "x" })).expect("signed");
        let public = DecodingKey::from_secret(secret.as_bytes());
        let found = verified(token.expose_secret(), "HS256", &public).expect("verified");
        let header = json!({ "alg": "HS256", "typ": "JWT" });
        assert_eq!(found, (header, json!({ "sub": "x" })));
        assert!(verified(&flipped(token.expose_secret()), "HS256", &public).is_err());
        let short = ClientKey::shared(&secret[1..].into());
        assert_eq!(short.err(), Some(ClientKeyRefused::ShortSecret));
    }

    #[test]
    fn a_key_signs_with_its_own_algorithms_only() {
        let kinds = [
            (&PKCS_RSA_SHA256, 6),
            (&PKCS_ECDSA_P256_SHA256, 1),
            (&PKCS_ECDSA_P384_SHA384, 1),
            (&PKCS_ED25519, 1),
        ];
        for (kind, expected) in kinds {
            let pair = pair(kind);
            let fitting = SignatureAlgorithm::ALL.into_iter().filter(|algorithm| {
                let made = ClientKey::private(key(&pair), *algorithm, None, None);
                assert!(matches!(made, Ok(_) | Err(ClientKeyRefused::Algorithm(..))));
                made.is_ok()
            });
            assert_eq!(fitting.count(), expected, "{kind:?}");
        }
    }

    #[test]
    fn a_certificate_of_another_key_is_refused() {
        for kind in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
            let (own, other) = (pair(kind), pair(kind));
            let certificate = certificate(&other);
            let certificate = ClientCertificate::from_der(&certificate).expect("a certificate");
            assert!(key(&other).is_of(&certificate));
            assert!(!key(&own).is_of(&certificate));
        }
        assert!(ClientCertificate::from_der(&vec![0x30, 0].into()).is_err());
    }

    #[rstest]
    #[case::nothing("-", PrivateKeyRefused::NotPem)]
    #[case::text("hunter2-canary-hunter2-canary", PrivateKeyRefused::NotPem)]
    #[case::public(
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYH\n-----END PUBLIC KEY-----",
        PrivateKeyRefused::NotPem
    )]
    #[case::no_end("-----BEGIN PRIVATE KEY-----\nMIIE", PrivateKeyRefused::Damaged)]
    #[case::not_base64(
        "-----BEGIN PRIVATE KEY-----\n$$$\n-----END PRIVATE KEY-----",
        PrivateKeyRefused::Damaged
    )]
    #[case::encrypted(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n-----END ENCRYPTED PRIVATE KEY-----",
        PrivateKeyRefused::Encrypted
    )]
    #[case::older_encrypted(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIE\n-----END RSA PRIVATE KEY-----",
        PrivateKeyRefused::Encrypted
    )]
    #[case::older(
        "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----",
        PrivateKeyRefused::OlderForm
    )]
    #[case::not_a_key(
        "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
        PrivateKeyRefused::Unsupported
    )]
    #[case::short_rsa(
        include_str!("../../tests/fixtures/keys/rsa-1024.pem"),
        PrivateKeyRefused::TooShort
    )]
    fn a_key_that_cannot_be_used_is_told(#[case] text: &str, #[case] expected: PrivateKeyRefused) {
        let refused = PrivateKey::from_pem(&text.into()).expect_err("refused");
        assert_eq!(refused, expected);
    }

    #[test]
    fn another_curve_is_told() {
        let pem = pair(&PKCS_ECDSA_P521_SHA512).serialize_pem();
        let refused = PrivateKey::from_pem(&pem.into()).expect_err("refused");
        assert_eq!(refused, PrivateKeyRefused::Unsupported);
    }

    #[test]
    fn a_key_does_not_print() {
        let pair = pair(&PKCS_ECDSA_P256_SHA256);
        let pem = pair.serialize_pem();
        let key = key(&pair);
        assert_eq!(format!("{key:?}"), "PrivateKey(a key on P-256)");
        let key = ClientKey::private(key, SignatureAlgorithm::Es256, Some("1"), None);
        let shown = format!("{:?}", key.expect("fits"));
        for line in pem.lines().filter(|line| !line.starts_with('-')) {
            assert!(!shown.contains(line), "{shown}");
        }
    }
}
