//! What a token says, held against the rules.
//!
//! Invariant: each check fails for a claim of the wrong shape; only what is truly absent counts as absent.

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::refused::TokenRefused;
use super::trusted_issuer::{
    AnyOf, ClaimDemand, Issuers, TimeRules, TokenKind, TrustedIssuer, TypRule,
};
use crate::domain::claims::ClaimPath;
use crate::domain::issuer_template::IssuerTemplate;
use crate::domain::upstream_provider::KeyIssuer;
use crate::jose::claims::{date, numeric_date, text_claim};
use crate::jose::shown;

/// Longest `sub` and `jti`, in bytes (OIDC Core 1.0 §2 says 255 of `sub`).
const LONGEST_NAME: usize = 255;

/// `typ` of the header (RFC 8725 §3.11).
pub(super) fn check_typ(typ: Option<&str>, trusted: &TrustedIssuer) -> Result<(), TokenRefused> {
    let bare = typ.map(without_application);
    let is = |wanted: &str| bare.is_some_and(|typ| typ.eq_ignore_ascii_case(wanted));
    let fits = match &trusted.typ {
        TypRule::AccessToken => is("at+jwt"),
        TypRule::OneOf(wanted) => wanted.iter().any(|wanted| is(without_application(wanted))),
        TypRule::NotDemanded => {
            let is_access = matches!(trusted.kind, TokenKind::Access | TokenKind::AccessWithNonce);
            !bare.is_some_and(names_a_kind) || (is_access && is("at+jwt"))
        }
    };
    if fits {
        Ok(())
    } else {
        Err(TokenRefused::Type(typ.map_or_else(Box::default, shown)))
    }
}

fn without_application(typ: &str) -> &str {
    match typ.split_at_checked("application/".len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    }
}

/// Whether it is a media type of one kind of token (`logout+jwt`), not plainly `JWT`.
fn names_a_kind(typ: &str) -> bool {
    let from = typ.len().saturating_sub("+jwt".len());
    typ.get(from..)
        .is_some_and(|end| end.eq_ignore_ascii_case("+jwt"))
}

/// `iss`, byte for byte (RFC 7519 §4.1.1).
pub(super) fn check_issuer(claims: &Value, issuers: &Issuers) -> Result<(), TokenRefused> {
    let found = claims.get("iss");
    let name = found.and_then(Value::as_str);
    let fits = match issuers {
        Issuers::OneOf(issuers) => {
            name.is_some_and(|name| issuers.iter().any(|issuer| issuer.as_str() == name))
        }
        Issuers::Unnamed(issuers) => match (found, name) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(name)) => issuers.iter().any(|issuer| issuer.as_str() == name),
        },
        Issuers::Template {
            template,
            tenant_claim,
            tenants,
        } => {
            let tenant = tenant_claim.find(claims).and_then(Value::as_str);
            let admitted = |tenant: &str| {
                tenants
                    .as_ref()
                    .is_none_or(|tenants| tenants.iter().any(|each| **each == *tenant))
            };
            match (IssuerTemplate::new(template), tenant, name) {
                (Some(template), Some(tenant), Some(name)) => {
                    template.is_filled(tenant, name) && admitted(tenant)
                }
                _ => false,
            }
        }
    };
    if fits {
        Ok(())
    } else {
        Err(TokenRefused::Issuer(name.map_or_else(Box::default, shown)))
    }
}

/// The member `issuer` of the key, `named`, against `iss`, which has been checked.
pub(super) fn check_key_issuer(
    claims: &Value,
    named: Option<&Value>,
    trusted: &TrustedIssuer,
) -> Result<(), TokenRefused> {
    let named = match (trusted.key_issuer, named) {
        (KeyIssuer::Ignored, _) | (KeyIssuer::Checked, None) => return Ok(()),
        (KeyIssuer::Required, None) => return Err(TokenRefused::KeyIssuer),
        (KeyIssuer::Checked | KeyIssuer::Required, Some(named)) => named.as_str(),
    };
    let name = claims.get("iss").and_then(Value::as_str);
    let (Some(named), Some(name)) = (named, name) else {
        return Err(TokenRefused::KeyIssuer);
    };
    let fits = match (&trusted.issuers, IssuerTemplate::new(named)) {
        (_, None) => named == name,
        (Issuers::Template { tenant_claim, .. }, Some(template)) => tenant_claim
            .find(claims)
            .and_then(Value::as_str)
            .is_some_and(|tenant| template.is_filled(tenant, name)),
        // Of one fixed tenant: whatever GUID makes the template into its `iss`.
        (_, Some(template)) => name.split('/').any(|part| template.is_filled(part, name)),
    };
    if fits {
        Ok(())
    } else {
        Err(TokenRefused::KeyIssuer)
    }
}

/// What marks another kind of token (RFC 8725 §3.12).
pub(super) fn check_kind(claims: &Value, kind: TokenKind) -> Result<(), TokenRefused> {
    // `events` is a security event or a logout token (RFC 8417 §2.2, OIDC Back-Channel Logout 1.0 §2.4).
    let foreign: &[&'static str] = match kind {
        TokenKind::Access => &["events", "at_hash", "c_hash", "nonce"],
        TokenKind::AccessWithNonce => &["events", "at_hash", "c_hash"],
        TokenKind::Identity | TokenKind::Attestation => &["events"],
    };
    for name in foreign {
        if claims.get(name).is_some() {
            return Err(TokenRefused::Kind(name));
        }
    }
    // Keycloak and Cognito say in the payload what a token is, others in what they answer about it (RFC 7662).
    let says = |name: &str, others: &[&str]| match claims.get(name) {
        None => false,
        Some(value) => value
            .as_str()
            .is_none_or(|value| others.iter().any(|other| value.eq_ignore_ascii_case(other))),
    };
    let (types, uses): (&[&str], &[&str]) = match kind {
        TokenKind::Access | TokenKind::AccessWithNonce => (
            &["ID", "Refresh", "Offline", "Logout"],
            &["id", "id_token", "refresh", "refresh_token"],
        ),
        TokenKind::Identity => (
            &["Bearer", "Refresh", "Offline", "Logout"],
            &["access", "access_token", "refresh", "refresh_token"],
        ),
        TokenKind::Attestation => (
            &["Refresh", "Offline", "Logout"],
            &[
                "id",
                "id_token",
                "access",
                "access_token",
                "refresh",
                "refresh_token",
            ],
        ),
    };
    if says("typ", types) {
        return Err(TokenRefused::Kind("typ"));
    }
    if says("token_use", uses) {
        return Err(TokenRefused::Kind("token_use"));
    }
    Ok(())
}

/// A time that is there must be one.
fn time_claim(
    claims: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<OffsetDateTime>, TokenRefused> {
    numeric_date(claims.get(name)).map_err(|_| TokenRefused::Time(name))
}

/// `exp`, `nbf` and `iat` (RFC 7519 §4.1.4 to §4.1.6). `exp`, where there is one.
pub(super) fn check_times(
    claims: &Map<String, Value>,
    rules: &TimeRules,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, TokenRefused> {
    // Nothing here overflows: at either end of time it stays there.
    let later =
        |by: std::time::Duration| now.saturating_add(by.try_into().unwrap_or(time::Duration::MAX));
    let earlier =
        |by: std::time::Duration| now.saturating_sub(by.try_into().unwrap_or(time::Duration::MAX));
    let expires_at = time_claim(claims, "exp")?;
    match expires_at {
        None if rules.expiry_required => return Err(TokenRefused::Time("exp")),
        // "On or after which" it is not accepted.
        Some(at) if at <= earlier(rules.skew) => return Err(TokenRefused::Expired),
        _ => {}
    }
    for name in ["nbf", "iat"] {
        if time_claim(claims, name)?.is_some_and(|at| at > later(rules.skew)) {
            return Err(TokenRefused::Early(name));
        }
    }
    if let Some(oldest) = rules.oldest {
        let issued_at = time_claim(claims, "iat")?.ok_or(TokenRefused::Time("iat"))?;
        if issued_at < earlier(oldest.saturating_add(rules.skew)) {
            return Err(TokenRefused::Old);
        }
    }
    Ok(expires_at)
}

/// Whom the token is for, and to whom it was issued.
pub(super) fn check_audience(claims: &Value, trusted: &TrustedIssuer) -> Result<(), TokenRefused> {
    let is_identity = trusted.kind == TokenKind::Identity;
    if let Some(audience) = &trusted.audience {
        let refused = || TokenRefused::Audience(shown(&audience.claim.to_string()));
        let found = texts(audience.claim.find(claims)).ok_or_else(refused)?;
        let admitted = |value: &&str| audience.admits(value);
        let fits = if is_identity {
            !found.is_empty() && found.iter().all(admitted)
        } else {
            found.iter().any(admitted)
        };
        if !fits {
            return Err(refused());
        }
        if is_identity && trusted.party.is_none() {
            check_authorized_party(claims, audience, found.len())?;
        }
    }
    if let Some(party) = &trusted.party {
        let found = party.claim.find(claims).and_then(Value::as_str);
        if !found.is_some_and(|found| party.admits(found)) {
            return Err(TokenRefused::Client(shown(&party.claim.to_string())));
        }
    }
    Ok(())
}

/// OIDC Core 1.0 §3.1.3.7, points 4 and 5.
fn check_authorized_party(
    claims: &Value,
    audience: &AnyOf,
    audiences: usize,
) -> Result<(), TokenRefused> {
    match claims.get("azp") {
        None if audiences == 1 => Ok(()),
        Some(Value::String(party)) if audience.admits(party) => Ok(()),
        _ => Err(TokenRefused::Client("azp".into())),
    }
}

impl AnyOf {
    fn admits(&self, found: &str) -> bool {
        self.values.iter().any(|value| **value == *found)
    }
}

/// One text, or a list of nothing but texts.
fn texts(value: Option<&Value>) -> Option<Vec<&str>> {
    match value? {
        Value::String(text) => Some(vec![text]),
        Value::Array(values) => values.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// `cnf`: bound to a key of the sender (RFC 7800 §3.1).
pub(super) fn check_unbound(claims: &Map<String, Value>) -> Result<(), TokenRefused> {
    if claims.contains_key("cnf") {
        Err(TokenRefused::SenderConstrained)
    } else {
        Ok(())
    }
}

/// `sub` and `jti` are text where they stand.
pub(super) fn check_names(claims: &Map<String, Value>) -> Result<(), TokenRefused> {
    for name in ["sub", "jti"] {
        let text = text_claim(claims.get(name), 0..=LONGEST_NAME);
        text.map_err(|_| TokenRefused::Shape(name))?;
    }
    Ok(())
}

/// What else the rules ask for.
pub(super) fn check_demands(
    claims: &Value,
    trusted: &TrustedIssuer,
    now: OffsetDateTime,
) -> Result<(), TokenRefused> {
    let latest = now.saturating_add(trusted.times.skew.try_into().unwrap_or(time::Duration::MAX));
    for demand in &trusted.claims {
        let (claim, fits) = match demand {
            ClaimDemand::Is { claim, value } => (claim, claim.find(claims) == Some(value)),
            ClaimDemand::OneOf { claim, values } => (
                claim,
                claim
                    .find(claims)
                    .is_some_and(|found| values.contains(found)),
            ),
            ClaimDemand::NoneOf { claim, values } => (
                claim,
                claim
                    .find(claims)
                    .is_some_and(|found| !values.contains(found)),
            ),
            ClaimDemand::OneOfInAnyCase { claim, values } => {
                let found = claim.find(claims).and_then(Value::as_str);
                let fits = found.is_some_and(|found| {
                    values.iter().any(|value| value.eq_ignore_ascii_case(found))
                });
                (claim, fits)
            }
            ClaimDemand::Present(claim) => (claim, is_present(claim, claims)),
            ClaimDemand::AnyPresent(all) => match all.first() {
                None => continue,
                Some(first) => (first, all.iter().any(|claim| is_present(claim, claims))),
            },
            ClaimDemand::Absent(claim) => (claim, !claim.stands(claims)),
            ClaimDemand::Past(claim) => {
                let at = claim.find(claims).and_then(date);
                (claim, at.is_some_and(|at| at <= latest))
            }
        };
        if !fits {
            return Err(TokenRefused::Claim(shown(&claim.to_string())));
        }
    }
    Ok(())
}

fn is_present(claim: &ClaimPath, claims: &Value) -> bool {
    match claim.find(claims) {
        None => false,
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(Value::Array(values)) => !values.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        Some(_) => true,
    }
}
