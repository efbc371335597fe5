//! The header of a token, before anything in it is believed (RFC 7515 §4).
//!
//! Invariant: what would lead a verifier astray is refused here, cheaply and without a request: size, nesting,
//! encryption, `none`, unknown extensions, and keys that the token brings along. Certificates (`x5c`, `x5t`)
//! are ignored by [`JoseHeader`]: nothing here reads them. A bearer with a certificate is refused.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use super::algorithm::SignatureAlgorithm;
use super::json;
use super::shown;

/// No token is longer, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// No header is longer, as it is encoded.
const MAX_HEADER_BYTES: usize = 8 * 1024;
/// No key id is longer.
const MAX_KID_BYTES: usize = 1024;

/// A header that is fit to choose a key by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoseHeader {
    algorithm: SignatureAlgorithm,
    kid: Option<Box<str>>,
    typ: Option<Box<str>>,
}

/// Why a token is refused by its header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderRefused {
    /// Longer than [`MAX_TOKEN_BYTES`], or a header or `kid` beyond reason.
    #[error("the token, its header or its `kid` is too long")]
    TooLong,
    /// Five parts: a JWE (RFC 7516 §3.1). Never decrypted, so never a decompression bomb.
    #[error("encrypted tokens are not supported")]
    Encrypted,
    /// Not three parts of base64url, or a header that is no JSON object, or one with a member twice.
    #[error("the token is not a signed token (three base64url parts, RFC 7515 §3.1)")]
    Malformed,
    /// `alg` is missing, `none`, symmetric, or unknown (RFC 8725 §3.1, §3.2).
    #[error("the algorithm `{0}` is not accepted")]
    Algorithm(Box<str>),
    /// `crit` or `b64`: extensions that must be understood, and are not (RFC 7515 §4.1.11, RFC 7797 §6).
    #[error("the header has `{0}`, an extension that is not supported")]
    Extension(&'static str),
    /// `jwk`, `jku`, `x5u`, in a bearer also `x5c`: a key of the token's own choice (RFC 8725 §3.10).
    #[error("the header has `{0}`: keys are never taken from a token")]
    EmbeddedKey(&'static str),
}

impl JoseHeader {
    /// Reads the header of a compact token.
    ///
    /// # Errors
    /// The first reason to refuse it.
    pub fn peek(token: &str) -> Result<Self, HeaderRefused> {
        let [header, ..] = segments(token, MAX_TOKEN_BYTES)?;
        let Header {
            algorithm,
            kid,
            typ,
            ..
        } = Header::read(header)?;
        let algorithm = algorithm
            .parse()
            .map_err(|_| HeaderRefused::Algorithm(shown(&algorithm)))?;
        Ok(Self::new(algorithm, kid, typ))
    }

    pub(super) const fn new(
        algorithm: SignatureAlgorithm,
        kid: Option<Box<str>>,
        typ: Option<Box<str>>,
    ) -> Self {
        Self {
            algorithm,
            kid,
            typ,
        }
    }

    /// `alg` (RFC 7515 §4.1.1). Believe it only where it equals the pinned one.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// `kid` (RFC 7515 §4.1.4).
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// `typ` (RFC 7515 §4.1.9), as it stands.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }
}

/// Header, payload and signature of a compact token, as they are encoded (RFC 7515 §3.1).
pub(super) fn segments(token: &str, longest: usize) -> Result<[&str; 3], HeaderRefused> {
    if token.len() > longest {
        return Err(HeaderRefused::TooLong);
    }
    let mut rest = token.split('.');
    match (rest.next(), rest.next(), rest.next(), rest.count()) {
        (Some(header), Some(payload), Some(signature), 0) => Ok([header, payload, signature]),
        (_, _, Some(_), 2) => Err(HeaderRefused::Encrypted),
        _ => Err(HeaderRefused::Malformed),
    }
}

/// What a header says, with nothing in it that would lead a verifier astray.
pub(super) struct Header {
    /// `alg`; empty where there is none.
    pub(super) algorithm: Box<str>,
    pub(super) kid: Option<Box<str>>,
    pub(super) typ: Option<Box<str>>,
    /// Whether it brings a certificate along (`x5c`, RFC 7515 §4.1.6).
    pub(super) has_certificate: bool,
}

impl Header {
    /// Reads the first segment.
    pub(super) fn read(encoded: &str) -> Result<Self, HeaderRefused> {
        if encoded.len() > MAX_HEADER_BYTES {
            return Err(HeaderRefused::TooLong);
        }
        let header = BASE64_URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| HeaderRefused::Malformed)?;
        let members = json::object(&header).ok_or(HeaderRefused::Malformed)?;
        for name in ["crit", "b64", "zip"] {
            if members.contains_key(name) {
                return Err(HeaderRefused::Extension(name));
            }
        }
        for name in ["jwk", "jku", "x5u"] {
            if members.contains_key(name) {
                return Err(HeaderRefused::EmbeddedKey(name));
            }
        }
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(HeaderRefused::Malformed),
        };
        let algorithm = text("alg")?.unwrap_or_default();
        let kid = text("kid")?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
            return Err(HeaderRefused::TooLong);
        }
        Ok(Self {
            algorithm: algorithm.into(),
            kid: kid.map(Into::into),
            typ: text("typ")?.map(Into::into),
            has_certificate: members.contains_key("x5c"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn token(header: &str) -> String {
        format!("{}.e30.c2ln", BASE64_URL_SAFE_NO_PAD.encode(header))
    }

    #[test]
    fn an_ordinary_header_is_read() {
        let header = JoseHeader::peek(&token(
            r#"{"alg":"RS256","kid":"k1","typ":"JWT","x5t":"abc","x5c":["MII"],"other":{"a":[1]}}"#,
        ))
        .expect("accepted");
        assert_eq!(header.algorithm(), SignatureAlgorithm::Rs256);
        assert_eq!(header.kid(), Some("k1"));
        assert_eq!(header.typ(), Some("JWT"));
    }

    #[test]
    fn only_the_algorithm_is_needed() {
        let header = JoseHeader::peek(&token(r#"{"alg":"EdDSA"}"#)).expect("accepted");
        assert_eq!((header.kid(), header.typ()), (None, None));
    }

    #[rstest]
    #[case::none(r#""none""#)]
    #[case::none_capital(r#""None""#)]
    #[case::none_mixed(r#""nOnE""#)]
    #[case::none_upper(r#""NONE""#)]
    #[case::none_padded(r#"" none ""#)]
    #[case::none_escaped(r#""\u006eone""#)]
    #[case::nothing(r#""""#)]
    #[case::hs256(r#""HS256""#)]
    #[case::hs384(r#""HS384""#)]
    #[case::hs512(r#""HS512""#)]
    #[case::hs256_lower(r#""hs256""#)]
    #[case::rs256_lower(r#""rs256""#)]
    #[case::rs256_padded(r#""RS256 ""#)]
    #[case::rs256_with_zero(r#""RS256\u0000""#)]
    #[case::es256k(r#""ES256K""#)]
    #[case::rs1(r#""RS1""#)]
    #[case::encryption(r#""RSA-OAEP""#)]
    #[case::passwords(r#""PBES2-HS256+A128KW""#)]
    fn a18_algorithms_that_are_never_accepted(#[case] algorithm: &str) {
        let refused = JoseHeader::peek(&token(&format!(r#"{{"alg":{algorithm},"kid":"k1"}}"#)));
        assert!(
            matches!(refused, Err(HeaderRefused::Algorithm(_))),
            "{refused:?}"
        );
    }

    #[rstest]
    #[case::missing(r#"{"kid":"k1"}"#, HeaderRefused::Algorithm("".into()))]
    #[case::null(r#"{"alg":null}"#, HeaderRefused::Malformed)]
    #[case::number(r#"{"alg":256}"#, HeaderRefused::Malformed)]
    #[case::list(r#"{"alg":["RS256"]}"#, HeaderRefused::Malformed)]
    #[case::twice(r#"{"alg":"RS256","alg":"none"}"#, HeaderRefused::Malformed)]
    #[case::twice_in_disguise(r#"{"alg":"none","\u0061lg":"RS256"}"#, HeaderRefused::Malformed)]
    #[case::kid_number(r#"{"alg":"RS256","kid":1}"#, HeaderRefused::Malformed)]
    #[case::kid_null(r#"{"alg":"RS256","kid":null}"#, HeaderRefused::Malformed)]
    #[case::typ_number(r#"{"alg":"RS256","typ":1}"#, HeaderRefused::Malformed)]
    fn a18_a_header_of_the_wrong_shape(#[case] header: &str, #[case] reason: HeaderRefused) {
        assert_eq!(JoseHeader::peek(&token(header)), Err(reason));
    }

    #[rstest]
    #[case::crit(r#"{"alg":"RS256","crit":["exp"]}"#, "crit")]
    #[case::crit_empty(r#"{"alg":"RS256","crit":[]}"#, "crit")]
    #[case::crit_null(r#"{"alg":"RS256","crit":null}"#, "crit")]
    #[case::b64_with_crit(r#"{"alg":"RS256","b64":false,"crit":["b64"]}"#, "crit")]
    #[case::b64_bare(r#"{"alg":"RS256","b64":false}"#, "b64")]
    #[case::b64_true(r#"{"alg":"RS256","b64":true}"#, "b64")]
    #[case::zip(r#"{"alg":"RS256","zip":"DEF"}"#, "zip")]
    fn a20_extensions_are_refused(#[case] header: &str, #[case] name: &'static str) {
        assert_eq!(
            JoseHeader::peek(&token(header)),
            Err(HeaderRefused::Extension(name))
        );
    }

    #[rstest]
    #[case::jwk(r#"{"alg":"RS256","jwk":{"kty":"RSA","n":"x","e":"AQAB"}}"#, "jwk")]
    #[case::jwk_null(r#"{"alg":"RS256","jwk":null}"#, "jwk")]
    #[case::jku(
        r#"{"alg":"RS256","kid":"k1","jku":"https://evil.example/keys"}"#,
        "jku"
    )]
    #[case::x5u(r#"{"alg":"RS256","x5u":"https://evil.example/cert"}"#, "x5u")]
    fn a21_keys_from_the_token_are_refused(#[case] header: &str, #[case] name: &'static str) {
        assert_eq!(
            JoseHeader::peek(&token(header)),
            Err(HeaderRefused::EmbeddedKey(name))
        );
    }

    #[test]
    fn a22_encrypted_tokens_are_refused_unread() {
        let header = BASE64_URL_SAFE_NO_PAD
            .encode(r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"zip":"DEF"}"#);
        assert_eq!(
            JoseHeader::peek(&format!("{header}.a.b.c.d")),
            Err(HeaderRefused::Encrypted)
        );
        assert_eq!(JoseHeader::peek("...."), Err(HeaderRefused::Encrypted));
    }

    #[rstest]
    #[case::empty("", HeaderRefused::Malformed)]
    #[case::opaque("gho_abcdefghijklmnopqrstuvwxyz", HeaderRefused::Malformed)]
    #[case::two_dots("..", HeaderRefused::Malformed)]
    #[case::two_parts("e30.e30", HeaderRefused::Malformed)]
    #[case::four_parts("e30.e30.e30.e30", HeaderRefused::Malformed)]
    #[case::six_parts("a.b.c.d.e.f", HeaderRefused::Malformed)]
    #[case::padded("eyJhbGciOiJSUzI1NiJ9==.e30.c2ln", HeaderRefused::Malformed)]
    #[case::standard_alphabet("+/+/.e30.c2ln", HeaderRefused::Malformed)]
    #[case::line_break("eyJhbGciOi\nJSUzI1NiJ9.e30.c2ln", HeaderRefused::Malformed)]
    #[case::not_json("AAAA.e30.c2ln", HeaderRefused::Malformed)]
    #[case::not_an_object("W10.e30.c2ln", HeaderRefused::Malformed)]
    #[case::dots(&".".repeat(1_000_000), HeaderRefused::TooLong)]
    #[case::dots_within_the_limit(&".".repeat(MAX_TOKEN_BYTES), HeaderRefused::Malformed)]
    #[case::long(&token(r#"{"alg":"RS256"}"#).repeat(1_000), HeaderRefused::TooLong)]
    #[case::long_header(&format!("{}.e30.c2ln", "A".repeat(MAX_HEADER_BYTES + 1)), HeaderRefused::TooLong)]
    #[case::long_kid(&token(&format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(MAX_KID_BYTES + 1))), HeaderRefused::TooLong)]
    #[case::nested(&token(&format!(r#"{{"alg":"RS256","a":{}{}}}"#, "[".repeat(32), "]".repeat(32))), HeaderRefused::Malformed)]
    #[case::nested_objects(&token(&format!(r#"{{"alg":"RS256","a":{}1{}}}"#, r#"{"a":"#.repeat(32), "}".repeat(32))), HeaderRefused::Malformed)]
    #[case::nested_without_end(&token(&"[".repeat(6_000)), HeaderRefused::Malformed)]
    #[case::nested_100k(&token(&"[".repeat(100_000)), HeaderRefused::TooLong)]
    fn a23_floods_and_rubbish_are_refused(#[case] token: &str, #[case] reason: HeaderRefused) {
        assert_eq!(JoseHeader::peek(token), Err(reason));
    }

    #[test]
    fn nesting_up_to_the_limit_is_accepted() {
        let nested = format!(
            r#"{{"alg":"RS256","a":{}{}}}"#,
            "[".repeat(31),
            "]".repeat(31)
        );
        assert!(JoseHeader::peek(&token(&nested)).is_ok());
    }

    #[test]
    fn a_refusal_can_be_logged() {
        let hostile = token(&format!(
            r#"{{"alg":"a\u001b[2J\r\n{}"}}"#,
            "x".repeat(4_000)
        ));
        let refused = JoseHeader::peek(&hostile).expect_err("refused").to_string();
        assert!(refused.len() < 200, "{refused}");
        assert!(!refused.chars().any(char::is_control), "{refused}");
    }
}
