//! The logout token (OIDC Back-Channel Logout 1.0 §2.4, §2.6): a provider says that somebody has signed out there.
//!
//! Anybody can post one. So nothing is fetched for a token whose header does not fit, keys are asked for on an
//! account of its own, and what ends a session was signed by the provider for us, a few minutes ago at most.
//! Invariant: a [`LogoutNotice`] comes from here only. What is deliberately absent: sessions, and whether the
//! token was used before, which the store knows.

use std::sync::Arc;

use openidconnect::core::CoreJsonWebKey;
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::id_token::{
    IdTokenRefused, LONGEST_SUBJECT, SKEW, algorithm, check_signature, payload, time_claim,
};
use super::{RelyingParty, UpstreamTrouble};
use crate::domain::tenant::Tenant;
use crate::domain::upstream_logout::{LogoutNotice, SignedOutUpstream, UpstreamNames};
use crate::domain::upstream_provider::{OpenIdConnect, Protocol, UpstreamProvider};
use crate::jose::{HeaderRefused, JoseHeader, Jwk, KeyRefused, SignatureAlgorithm, text_claim};
use crate::outbound::{Budget, Spending};

/// How old a token may be, beside what clocks differ by (§2.4 recommends two minutes).
const AGE: Duration = Duration::minutes(2);

/// What makes a token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Longest `sid` and `jti`, in bytes.
const LONGEST_NAME: usize = 1024;

/// Which check a logout token failed.
#[derive(Debug, thiserror::Error)]
pub enum LogoutTokenRefused {
    /// No token, or one whose header asks for something we do not do.
    #[error("the logout token's header is refused: {0}")]
    Header(#[from] HeaderRefused),
    /// Another kind of token (RFC 8725 §3.11).
    #[error("the header's `typ` says that it is another kind of token")]
    Type,
    /// No key of the provider fits.
    #[error("no key of the provider fits the logout token: {0}")]
    Key(String),
    /// The signature is not the provider's.
    #[error("the logout token's signature is refused: it is not the provider's")]
    Signature,
    /// The payload is no object of claims, each once.
    #[error("the logout token's payload cannot be read")]
    Malformed,
    /// `iss` is another one.
    #[error("the logout token's `iss` is not the provider's")]
    Issuer,
    /// The key is the provider's, but signs for somebody else.
    #[error("the logout token is signed with a key whose `issuer` is not the token's")]
    KeyIssuer,
    /// `aud` does not name us.
    #[error("the logout token's `aud` does not name this client")]
    Audience,
    /// `iat`, `exp` or `nbf` is missing, malformed or out of range.
    #[error("the logout token's `{0}` is missing, malformed or out of range")]
    Time(&'static str),
    /// `jti` is missing.
    #[error("the logout token's `jti` is missing, empty or too long")]
    TokenId,
    /// `events` does not say what it is about: an ID token, perhaps.
    #[error("the logout token's `events` does not say that it is one")]
    Event,
    /// Neither `sub` nor `sid`, or one of them is no name.
    #[error("the logout token's `sub` and `sid` are missing, empty or too long")]
    Nobody,
    /// `nonce`: it is an ID token that was changed, or could be taken for one.
    #[error("the logout token has a `nonce`")]
    Nonce,
}

/// Why a logout token gave no notice.
#[derive(Debug, thiserror::Error)]
pub enum LogoutTokenFailed {
    /// It is not one that counts, and will not be.
    #[error(transparent)]
    Refused(#[from] LogoutTokenRefused),
    /// It cannot be judged now: the provider's metadata or keys cannot be had. It can come again.
    #[error(transparent)]
    Upstream(UpstreamTrouble),
}

impl RelyingParty {
    /// Reads a logout token that was posted for `provider` of `tenant`.
    ///
    /// # Errors
    /// [`LogoutTokenFailed`].
    pub async fn logout_notice(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        token: &str,
    ) -> Result<LogoutNotice, LogoutTokenFailed> {
        // Before anything is asked of anybody.
        let header = JoseHeader::peek(token).map_err(LogoutTokenRefused::from)?;
        check_type(header.typ())?;
        let Protocol::OpenIdConnect(openid) = &provider.protocol else {
            return Err(LogoutTokenRefused::Issuer.into());
        };
        let metadata = self
            .metadata(provider, openid)
            .await
            .map_err(LogoutTokenFailed::Upstream)?;
        let pinned = metadata
            .id_token_algorithm(openid.id_token_algorithm.as_deref())
            .map_err(|fault| LogoutTokenFailed::Upstream(fault.into()))?;
        let client = self
            .http
            .for_reach(&provider.reach)
            .map_err(|fault| LogoutTokenFailed::Upstream(fault.into()))?;
        let spending = Spending {
            tenant: tenant.id.clone(),
            budget: Budget::LogoutToken,
            cool_down: openid.key_cool_down,
        };
        let expected = Expected {
            provider,
            openid,
            algorithm: pinned,
            now: self.clock.now(),
        };
        let address = &metadata.jwks_uri;
        let verify = |key: &Arc<Jwk>| match expected.verify(token, key) {
            Err(LogoutTokenRefused::Signature) => None,
            verified => Some(verified),
        };
        let verified = self
            .key_sets
            .verified(address, &client, &header, pinned, &spending, verify)
            .await;
        Ok(verified.map_err(no_key)??)
    }
}

/// What cannot be known now is no refusal.
fn no_key(refused: KeyRefused) -> LogoutTokenFailed {
    match refused {
        refused if refused.is_undecided() => LogoutTokenFailed::Upstream(refused.into()),
        KeyRefused::Signature => LogoutTokenRefused::Signature.into(),
        refused => LogoutTokenRefused::Key(refused.to_string()).into(),
    }
}

/// `typ` names a logout token, or no kind at all (RFC 7515 §4.1.9; `JWT` says only what it is made of, RFC 7519
/// §5.1, and several providers write it).
fn check_type(typ: Option<&str>) -> Result<(), LogoutTokenRefused> {
    let Some(typ) = typ else { return Ok(()) };
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/").unwrap_or(&typ) {
        "logout+jwt" | "jwt" => Ok(()),
        _ => Err(LogoutTokenRefused::Type),
    }
}

/// What a logout token must fit.
#[derive(Debug)]
struct Expected<'a> {
    provider: &'a UpstreamProvider,
    openid: &'a OpenIdConnect,
    algorithm: SignatureAlgorithm,
    now: OffsetDateTime,
}

impl Expected<'_> {
    fn verify(&self, token: &str, key: &Jwk) -> Result<LogoutNotice, LogoutTokenRefused> {
        let algorithm = algorithm(self.algorithm).map_err(of_id_token)?;
        let readable: CoreJsonWebKey = serde_json::from_value(Value::Object(key.members().clone()))
            .map_err(|error| LogoutTokenRefused::Key(error.to_string()))?;
        check_signature(token, &algorithm, &readable).map_err(of_id_token)?;
        let claims = payload(token).map_err(of_id_token)?;
        if !self.openid.issued(&claims) {
            return Err(LogoutTokenRefused::Issuer);
        }
        if !self
            .openid
            .signed_by_key_of(key.members().get("issuer"), &claims)
        {
            return Err(LogoutTokenRefused::KeyIssuer);
        }
        check_audience(&claims, &self.provider.client_id)?;
        let valid_until = self.valid_until(&claims)?;
        let jti = text_claim(claims.get("jti"), 1..=LONGEST_NAME)
            .ok()
            .flatten();
        let jti = jti.ok_or(LogoutTokenRefused::TokenId)?;
        check_event(&claims)?;
        if claims.get("nonce").is_some() {
            return Err(LogoutTokenRefused::Nonce);
        }
        let issuer = claims
            .get("iss")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let names = UpstreamNames {
            provider: &self.provider.id,
            issuer: self.openid.naming_issuer(issuer, &self.provider.issuer_key),
        };
        Ok(LogoutNotice {
            who: who(&claims, &names)?,
            token: names.token(jti),
            valid_until,
        })
    }

    /// Until when this token would be taken. One without `exp` is judged by its age alone.
    fn valid_until(&self, claims: &Value) -> Result<OffsetDateTime, LogoutTokenRefused> {
        let date = |name| time_claim(claims, name).map_err(of_id_token);
        let issued_at = date("iat")?.ok_or(LogoutTokenRefused::Time("iat"))?;
        if issued_at > self.now + SKEW || self.now >= issued_at + AGE + SKEW {
            return Err(LogoutTokenRefused::Time("iat"));
        }
        let aged = issued_at + AGE + SKEW;
        let expires_at = date("exp")?.map_or(aged, |expires_at| expires_at + SKEW);
        if self.now >= expires_at {
            return Err(LogoutTokenRefused::Time("exp"));
        }
        if date("nbf")?.is_some_and(|not_before| not_before > self.now + SKEW) {
            return Err(LogoutTokenRefused::Time("nbf"));
        }
        Ok(aged.min(expires_at))
    }
}

/// What the ID token's checks say of a logout token.
fn of_id_token(refused: IdTokenRefused) -> LogoutTokenRefused {
    match refused {
        IdTokenRefused::Signature => LogoutTokenRefused::Signature,
        IdTokenRefused::Key(reason) => LogoutTokenRefused::Key(reason),
        IdTokenRefused::Time(name) => LogoutTokenRefused::Time(name),
        _ => LogoutTokenRefused::Malformed,
    }
}

fn check_audience(claims: &Value, client_id: &str) -> Result<(), LogoutTokenRefused> {
    let names_us = match claims.get("aud") {
        Some(Value::String(audience)) => audience == client_id,
        Some(Value::Array(audiences)) => {
            audiences.iter().all(Value::is_string)
                && audiences.iter().any(|audience| audience == client_id)
        }
        _ => false,
    };
    names_us.then_some(()).ok_or(LogoutTokenRefused::Audience)
}

fn check_event(claims: &Value) -> Result<(), LogoutTokenRefused> {
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    event
        .is_some_and(Value::is_object)
        .then_some(())
        .ok_or(LogoutTokenRefused::Event)
}

fn who(claims: &Value, names: &UpstreamNames<'_>) -> Result<SignedOutUpstream, LogoutTokenRefused> {
    let text = |claim: &str, longest| {
        text_claim(claims.get(claim), 1..=longest).map_err(|_| LogoutTokenRefused::Nobody)
    };
    let session = text("sid", LONGEST_NAME)?;
    let subject = text("sub", LONGEST_SUBJECT)?;
    match (session, subject) {
        (Some(sid), None) => Ok(SignedOutUpstream::Session(names.session(sid))),
        (None, Some(sub)) => Ok(SignedOutUpstream::Person(names.subject(sub))),
        (Some(sid), Some(sub)) => Ok(SignedOutUpstream::SessionOf(
            names.session(sid),
            names.subject(sub),
        )),
        (None, None) => Err(LogoutTokenRefused::Nobody),
    }
}
