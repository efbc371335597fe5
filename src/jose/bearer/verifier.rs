//! From a token that nobody has checked to one that is known to be good.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;

use super::answer::TokenAnswer;
use super::checks;
use super::refused::TokenRefused;
use super::trusted_issuer::{TrustedIssuer, TrustedKeys};
use super::unverified::UnverifiedToken;
use crate::domain::claims::ClaimPath;
use crate::jose::algorithm::SignatureAlgorithm;
use crate::jose::claims::date;
use crate::jose::header::JoseHeader;
use crate::jose::key_set::Jwk;
use crate::jose::key_sets::KeySets;
use crate::outbound::{Budget, Spending};
use crate::ports::Clock;

/// Judges tokens.
///
/// ```
/// use std::sync::Arc;
///
/// use doorward::domain::ids::Issuer;
/// use doorward::jose::{
///     KeySet, KeySets, SignatureAlgorithm, Signer, SigningAlgorithm, TokenVerifier, TrustedIssuer,
///     TrustedKeys, UnverifiedToken,
/// };
/// use doorward::outbound::FetchCounts;
/// use doorward::ports::{Clock, SystemClock};
/// use serde_json::json;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
/// # let issuer = Signer::generate(SigningAlgorithm::Es256)?;
/// # let key_set = json!({ "keys": [issuer.public_jwk()] }).to_string();
/// # let claims = json!({
/// #     "iss": "https://issuer.example",
/// #     "aud": "https://orders.example",
/// #     "sub": "ana",
/// #     "exp": clock.now().unix_timestamp() + 300,
/// # });
/// # let authorization = issuer.sign(&claims, "at+jwt")?;
/// let keys = TrustedKeys::Inline {
///     algorithm: SignatureAlgorithm::Es256,
///     keys: KeySet::parse(key_set.as_bytes())?,
/// };
/// let name = Issuer::new("https://issuer.example");
/// let trusted = TrustedIssuer::of_access_tokens(name, keys, &["https://orders.example"]);
///
/// let key_sets = KeySets::new(clock.clone(), Arc::new(FetchCounts::default()));
/// let verifier = TokenVerifier::new(Arc::new(key_sets), clock);
///
/// let unverified = UnverifiedToken::read(&authorization)?;
/// // Here the rules would be picked, where several issuers are trusted.
/// assert_eq!(unverified.issuer(), Some("https://issuer.example"));
/// let verified = verifier.verify(unverified, &trusted).await?;
/// assert_eq!(verified.subject(), Some("ana"));
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TokenVerifier {
    key_sets: Arc<KeySets>,
    clock: Arc<dyn Clock>,
}

impl TokenVerifier {
    /// With the key sets that logins use too: each address is fetched once for all.
    #[must_use]
    pub const fn new(key_sets: Arc<KeySets>, clock: Arc<dyn Clock>) -> Self {
        Self { key_sets, clock }
    }

    /// Judges `token` by the rules for its issuer. Waits only where the keys must be fetched first. Must be
    /// called within a Tokio runtime.
    ///
    /// # Errors
    /// The first reason to refuse it. Nothing is fetched for a token whose algorithm, `typ` or `iss` is not
    /// the rules', and no claim but `iss` (and the tenant in it) is judged before the signature.
    pub async fn verify(
        &self,
        token: UnverifiedToken<'_>,
        trusted: &TrustedIssuer,
    ) -> Result<VerifiedToken, TokenRefused> {
        let UnverifiedToken {
            signed,
            signature,
            algorithm,
            kid,
            typ,
            claims,
        } = token;
        let pinned = trusted.keys.algorithm();
        if algorithm != pinned {
            return Err(TokenRefused::Algorithm {
                pinned: pinned.as_str(),
                found: algorithm.as_str(),
            });
        }
        checks::check_typ(typ.as_deref(), trusted)?;
        let claims = Value::Object(claims);
        checks::check_issuer(&claims, &trusted.issuers)?;
        let seal = Seal {
            kid,
            message: signed.as_bytes(),
            signature: &signature,
        };
        let key = self.check_signature(seal, &trusted.keys).await?;
        let named = key.as_ref().and_then(|key| key.members().get("issuer"));
        checks::check_key_issuer(&claims, named, trusted)?;
        VerifiedToken::of(claims, trusted, self.clock.now())
    }

    /// Judges what an issuer answered to the question about a token, by the rules for its tokens. There is no
    /// signature: whoever asked vouches for the way. `iss` and `exp` may be left out (RFC 7662 §2.2).
    ///
    /// # Errors
    /// The first reason to refuse the token.
    pub fn accept(
        &self,
        answer: &TokenAnswer,
        trusted: &TrustedIssuer,
    ) -> Result<VerifiedToken, TokenRefused> {
        let claims = &answer.0;
        if claims.get("iss").is_some() {
            checks::check_issuer(claims, &trusted.issuers)?;
        }
        let mut rules = trusted.clone();
        rules.times.expiry_required = false;
        VerifiedToken::of(claims.clone(), &rules, self.clock.now())
    }

    /// The key that made the signature; none for a secret.
    async fn check_signature(
        &self,
        seal: Seal<'_>,
        keys: &TrustedKeys,
    ) -> Result<Option<Arc<Jwk>>, TokenRefused> {
        match keys {
            TrustedKeys::Shared(secrets) => {
                let Seal {
                    kid,
                    message,
                    signature,
                } = seal;
                if secrets.verify(kid.as_deref(), message, signature) {
                    Ok(None)
                } else {
                    Err(TokenRefused::Signature)
                }
            }
            TrustedKeys::Inline { algorithm, keys } => {
                let header = JoseHeader::new(*algorithm, seal.kid.clone(), None);
                let selected = keys.select(&header, *algorithm)?;
                let mut selected = selected.keys().iter();
                let key = selected.find_map(|key| seal.made_by(*algorithm, key));
                key.map(Some).ok_or(TokenRefused::Signature)
            }
            TrustedKeys::Published {
                algorithm,
                address,
                client,
                tenant,
                cool_down,
            } => {
                let header = JoseHeader::new(*algorithm, seal.kid.clone(), None);
                let spending = Spending {
                    tenant: tenant.clone(),
                    budget: Budget::Bearer,
                    cool_down: *cool_down,
                };
                let made_by = |key: &Arc<Jwk>| seal.made_by(*algorithm, key);
                let key = self
                    .key_sets
                    .verified(address, client, &header, *algorithm, &spending, made_by)
                    .await?;
                Ok(Some(key))
            }
        }
    }
}

/// A signature and what it is over.
struct Seal<'a> {
    kid: Option<Box<str>>,
    message: &'a [u8],
    signature: &'a [u8],
}

impl Seal<'_> {
    /// `key`, if it made the signature.
    fn made_by(&self, algorithm: SignatureAlgorithm, key: &Arc<Jwk>) -> Option<Arc<Jwk>> {
        let made = key.verifies(algorithm, self.message, self.signature);
        made.then(|| Arc::clone(key))
    }
}

/// A token that passed every check. Made by [`TokenVerifier::verify`] and [`TokenVerifier::accept`], and by nothing else.
#[derive(Clone, PartialEq)]
pub struct VerifiedToken {
    claims: Value,
    algorithm: &'static str,
    expires_at: Option<OffsetDateTime>,
}

impl VerifiedToken {
    /// Judges what a token says whose signature is good.
    fn of(
        claims: Value,
        trusted: &TrustedIssuer,
        now: OffsetDateTime,
    ) -> Result<Self, TokenRefused> {
        let members = claims.as_object().ok_or(TokenRefused::Payload)?;
        checks::check_kind(&claims, trusted.kind)?;
        let expires_at = checks::check_times(members, &trusted.times, now)?;
        checks::check_audience(&claims, trusted)?;
        checks::check_unbound(members)?;
        checks::check_names(members)?;
        checks::check_demands(&claims, trusted, now)?;
        Ok(Self {
            algorithm: trusted.keys.algorithm().as_str(),
            expires_at,
            claims,
        })
    }

    /// All claims: a JSON object, as it was signed.
    #[must_use]
    pub const fn claims(&self) -> &Value {
        &self.claims
    }

    /// The registered name of the algorithm that it was signed with.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// `iss` (RFC 7519 §4.1.1); attestations may have none.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// `sub` (RFC 7519 §4.1.2), at most 255 bytes. Unique together with the issuer only.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// `jti` (RFC 7519 §4.1.7), at most 255 bytes.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.text("jti")
    }

    /// `exp` (RFC 7519 §4.1.4), as it stands.
    #[must_use]
    pub const fn expires_at(&self) -> Option<OffsetDateTime> {
        self.expires_at
    }

    /// `iat` (RFC 7519 §4.1.6).
    #[must_use]
    pub fn issued_at(&self) -> Option<OffsetDateTime> {
        self.claims.get("iat").and_then(date)
    }

    /// Whether it is for an audience, and of a client, of these rules: where it was verified by wider ones.
    #[must_use]
    pub fn is_for(&self, trusted: &TrustedIssuer) -> bool {
        checks::check_audience(&self.claims, trusted).is_ok()
    }

    /// Whether the text at `claim` is the base64 of the SHA-256 of `value`: the token is bound to another
    /// header of the request (Approov's `pay`, over the whole value with `Bearer `). Compared in constant
    /// time; a token without the claim is bound to nothing.
    #[must_use]
    pub fn is_bound_to(&self, claim: &ClaimPath, value: &[u8]) -> bool {
        let digest = BASE64_STANDARD.encode(digest::digest(&digest::SHA256, value));
        claim
            .find(&self.claims)
            .and_then(Value::as_str)
            .is_some_and(|found| bool::from(found.as_bytes().ct_eq(digest.as_bytes())))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }
}

/// Without the claims, which are about a person.
impl fmt::Debug for VerifiedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifiedToken")
            .field("algorithm", &self.algorithm)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
