//! Whose tokens are accepted, and which of them: rules as data.
//!
//! Invariant: a rule that is not written admits nothing more than the defaults here, and the algorithm is one.
//! Symmetric algorithms exist only together with secrets, asymmetric ones only together with public keys, so
//! that no token can choose between them (RFC 8725 §3.1).

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::secret::SharedSecrets;
use super::unverified::NamedAlgorithm;
use crate::domain::claims::ClaimPath;
use crate::domain::ids::{Issuer, TenantId};
use crate::domain::upstream_provider::KeyIssuer;
use crate::jose::algorithm::SignatureAlgorithm;
use crate::jose::key_set::KeySet;
use crate::outbound::HttpClient;

/// An issuer whose tokens are accepted, and what they must say.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// Which `iss` its tokens have.
    pub issuers: Issuers,
    /// What verifies their signatures, and with which algorithm.
    pub keys: TrustedKeys,
    /// Whether keys say whose tokens they sign (Entra).
    pub key_issuer: KeyIssuer,
    /// What the tokens are.
    pub kind: TokenKind,
    /// What their header must call them.
    pub typ: TypRule,
    /// Whom they must be for. None: for anybody, which only `party` or a claim can then restrain.
    pub audience: Option<AnyOf>,
    /// To whom they must have been issued. None: to any client.
    pub party: Option<AnyOf>,
    /// How their times are judged.
    pub times: TimeRules,
    /// What else they must say.
    pub claims: Vec<ClaimDemand>,
}

impl TrustedIssuer {
    /// Access tokens as RFC 9068 has them, of one issuer, for one of `audiences`: `at+jwt`, `exp`, a minute of
    /// skew. What an issuer does differently is changed afterwards, rule by rule.
    #[must_use]
    pub fn of_access_tokens(issuer: Issuer, keys: TrustedKeys, audiences: &[&str]) -> Self {
        Self {
            issuers: Issuers::OneOf(vec![issuer]),
            keys,
            key_issuer: KeyIssuer::Ignored,
            kind: TokenKind::Access,
            typ: TypRule::AccessToken,
            audience: Some(AnyOf {
                claim: ClaimPath::new("aud"),
                values: audiences.iter().map(|each| (*each).into()).collect(),
            }),
            party: None,
            times: TimeRules::default(),
            claims: Vec::new(),
        }
    }
}

/// Names of an issuer, compared byte for byte and never normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuers {
    /// One of these (Google has two).
    OneOf(Vec<Issuer>),
    /// One for each tenant of a cloud (Entra).
    Template {
        /// With `{tenantid}` where the tenant stands, in any case.
        template: Box<str>,
        /// The claim that names the tenant: a GUID.
        tenant_claim: ClaimPath,
        /// The tenants that are let in; none: every tenant of the cloud.
        tenants: Option<Vec<Box<str>>>,
    },
    /// The claim may be left out; where it stands, it is one of these (attestations).
    Unnamed(Vec<Issuer>),
}

/// What verifies signatures.
#[derive(Clone, Debug)]
pub enum TrustedKeys {
    /// A key set at an address.
    Published {
        /// The one algorithm.
        algorithm: SignatureAlgorithm,
        /// Where, from the configuration or the issuer's metadata. It is fetched again for an unknown `kid`
        /// on the bearers' account, never on that of logins.
        address: Url,
        /// How it is reached.
        client: HttpClient,
        /// On whose account.
        tenant: TenantId,
        /// How long after such a fetch no other is made: 30 s, or what the issuer asks for.
        cool_down: Duration,
    },
    /// A key set that was written down here.
    Inline {
        /// The one algorithm.
        algorithm: SignatureAlgorithm,
        /// The keys.
        keys: KeySet,
    },
    /// Secrets, which name their algorithm.
    Shared(SharedSecrets),
}

impl TrustedKeys {
    /// The one algorithm.
    pub(super) const fn algorithm(&self) -> NamedAlgorithm {
        match self {
            Self::Published { algorithm, .. } | Self::Inline { algorithm, .. } => {
                NamedAlgorithm::Signature(*algorithm)
            }
            Self::Shared(secrets) => NamedAlgorithm::Hmac(secrets.algorithm()),
        }
    }
}

/// What a token is. Each kind refuses what marks the others (RFC 8725 §3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// An access token (RFC 9068 where `typ` is demanded). Not one with `at_hash`, `c_hash` or `events`; with
    /// `nonce`; with `token_use` or a payload `typ` that names another kind.
    Access,
    /// The same of an issuer that copies the `nonce` of the login into access tokens (Keycloak before 24).
    /// Then another mark is needed against ID tokens: see [`ClaimDemand::Is`] with a payload `typ`.
    AccessWithNonce,
    /// An ID token that its audience uses as a bearer (OIDC Core 1.0 §2). Every audience must be admitted,
    /// and `azp`, which several audiences need, must be admitted too (§3.1.3.7, points 3 to 5).
    Identity,
    /// An attestation of a device or a proxy (Approov, Google IAP, App Check).
    Attestation,
}

/// What the header's `typ` must be (RFC 7515 §4.1.9): compared without regard to case, and `application/` may
/// be left off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypRule {
    /// `at+jwt` (RFC 9068 §2.1, §4).
    AccessToken,
    /// None is demanded. Kinds that call themselves by a name of their own (`logout+jwt`) are refused, except
    /// for `at+jwt` on access tokens.
    NotDemanded,
    /// One of these.
    OneOf(Vec<Box<str>>),
}

/// A claim that must be one of several texts, or a list with one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyOf {
    /// Where: `aud`, and `client_id` for Cognito's access tokens; `azp`, `appid`, `cid` for clients.
    pub claim: ClaimPath,
    /// What, compared byte for byte. An empty list admits nothing.
    pub values: Vec<Box<str>>,
}

/// How times are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRules {
    /// How far clocks may differ: 60 s.
    pub skew: Duration,
    /// Whether a token must have `exp`: yes. Without it a token is good until its keys are gone.
    pub expiry_required: bool,
    /// The age by `iat` from which on a token is refused, which then must have one. None: by `exp` only.
    pub oldest: Option<Duration>,
}

impl Default for TimeRules {
    fn default() -> Self {
        Self {
            skew: Duration::from_secs(60),
            expiry_required: true,
            oldest: None,
        }
    }
}

/// What a token must say. An absent claim, and null, never fit, except where absence is demanded.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimDemand {
    /// Exactly this value, of this JSON type.
    Is {
        /// Where.
        claim: ClaimPath,
        /// What.
        value: Value,
    },
    /// One of these values.
    OneOf {
        /// Where.
        claim: ClaimPath,
        /// What.
        values: Vec<Value>,
    },
    /// It is there, and none of these values (Entra's `organizations`, without personal accounts).
    NoneOf {
        /// Where.
        claim: ClaimPath,
        /// What it must not be.
        values: Vec<Value>,
    },
    /// One of these texts, whatever the case of their letters (the policies of B2C).
    OneOfInAnyCase {
        /// Where.
        claim: ClaimPath,
        /// What.
        values: Vec<Box<str>>,
    },
    /// It is there, and no empty text, list or object.
    Present(ClaimPath),
    /// At least one of these is there so. Not enough against Entra's ID tokens, which can have `roles` too: people
    /// need `scp` there, and programs `idtyp`.
    AnyPresent(Vec<ClaimPath>),
    /// It is not there, not even as null.
    Absent(ClaimPath),
    /// It is there, a time, and not in the future (Firebase: `auth_time`).
    Past(ClaimPath),
}

impl ClaimDemand {
    /// The claim `claim` (a name, or a JSON pointer) is exactly `value`.
    ///
    /// ```
    /// use doorward::jose::ClaimDemand;
    ///
    /// ClaimDemand::is("token_use", "access");
    /// ClaimDemand::is("/firebase/sign_in_provider", "password");
    /// ```
    #[must_use]
    pub fn is(claim: &str, value: impl Into<Value>) -> Self {
        Self::Is {
            claim: ClaimPath::new(claim),
            value: value.into(),
        }
    }

    /// The claim `claim` is one of `values`.
    #[must_use]
    pub fn one_of(claim: &str, values: &[&str]) -> Self {
        Self::OneOf {
            claim: ClaimPath::new(claim),
            values: values.iter().map(|each| Value::from(*each)).collect(),
        }
    }

    /// The claim `claim` is there, and not empty.
    #[must_use]
    pub fn present(claim: &str) -> Self {
        Self::Present(ClaimPath::new(claim))
    }

    /// The claim `claim` is not there.
    #[must_use]
    pub fn absent(claim: &str) -> Self {
        Self::Absent(ClaimPath::new(claim))
    }

    /// The claim `claim` is a time, and not in the future.
    #[must_use]
    pub fn past(claim: &str) -> Self {
        Self::Past(ClaimPath::new(claim))
    }

    /// At least one of `claims` is there, and not empty.
    #[must_use]
    pub fn any_present(claims: &[&str]) -> Self {
        Self::AnyPresent(claims.iter().map(|claim| ClaimPath::new(claim)).collect())
    }
}
