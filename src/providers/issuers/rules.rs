//! A trusted issuer of one tenant, ready to be used once it is known where its keys are.

use std::time::Duration;

use http::HeaderName;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use crate::domain::claims::ClaimPath;
use crate::domain::ids::{ProviderId, TenantId, TrustedIssuerId};
use crate::domain::issuer_template::IssuerTemplate;
use crate::domain::upstream_provider::{ClaimMapping, Reach};
use crate::jose::{AnyOf, Issuers, SignatureAlgorithm, TrustedIssuer, TrustedKeys};
use crate::outbound::HttpClient;

/// A trusted issuer.
#[derive(Clone, Debug)]
pub struct IssuerRules {
    /// The operator's name of it.
    pub id: TrustedIssuerId,
    /// The profile it was made from.
    pub profile: Box<str>,
    /// Whose issuer it is, and on whose account its keys are fetched.
    pub tenant: TenantId,
    /// What its tokens must be. No keys stand in it where they have to be fetched.
    pub rules: TrustedIssuer,
    /// Where its keys are.
    pub keys: KeySource,
    /// How it is reached.
    pub reach: Reach,
    /// Where the facts about a caller are.
    pub claims: ClaimMapping,
    /// What a token may be used for; all of these together.
    pub scopes: Vec<ClaimPath>,
    /// How scopes are written.
    pub scope_form: ScopeForm,
    /// What its caller may do, where that is not the same as scopes.
    pub permissions: Option<ClaimPath>,
    /// To which client it was issued: the first of these that is there.
    pub client: Vec<ClaimPath>,
    /// The canonical name of the issuer in the key of a caller.
    pub issuer_key: Box<str>,
    /// The provider whose people its tokens are about.
    pub provider: Option<ProviderId>,
    /// What is done with tokens that nobody but the issuer can read.
    pub opaque: Option<OpaqueRules>,
    /// The header that its attestations come in. None: it attests nothing, its tokens are bearers.
    pub header: Option<HeaderName>,
}

/// Where keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Here: they stand in the rules.
    Held,
    /// At an address.
    Published {
        /// The one algorithm.
        algorithm: SignatureAlgorithm,
        /// Where.
        address: Url,
        /// How long they are not asked for again for the sake of an unknown one.
        cool_down: Duration,
    },
    /// Where the issuer's metadata says.
    Discovered {
        /// The one algorithm.
        algorithm: SignatureAlgorithm,
        /// Where the metadata is (OIDC Discovery 1.0 §4, RFC 8414 §3).
        metadata: Url,
        /// What it may call itself.
        names: Vec<Box<str>>,
        /// As for an address.
        cool_down: Duration,
    },
}

/// How scopes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScopeForm {
    /// One text with spaces (RFC 8693 §4.2), or a list of texts.
    #[default]
    Either,
    /// A text only.
    Text,
    /// A list only (Okta).
    List,
}

/// How an issuer is asked about a token.
#[derive(Clone, Debug)]
pub struct OpaqueRules {
    /// Where. None: where its metadata says (RFC 8414 §2, `introspection_endpoint`).
    pub endpoint: Option<Url>,
    /// How.
    pub asking: Asking,
    /// What the token is called in the question.
    pub parameter: Box<str>,
    /// Our name there, and our secret.
    pub client: Option<(Box<str>, SecretString)>,
    /// The member of the answer that must be `true` (RFC 7662 §2.2). None: the status says it.
    pub active: Option<ClaimPath>,
    /// Statuses that say that the token is not good.
    pub refused_status: Vec<u16>,
    /// Whether numbers come as text (Google).
    pub numbers_as_text: bool,
    /// How long an answer counts at most.
    pub cache: Duration,
    /// Whether tokens that could be read here are asked about too.
    pub also_signed: bool,
}

/// How a question is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// `POST` of a form, with Basic (RFC 7662 §2.1).
    Form,
    /// `POST` of a JSON object, with Basic (GitHub).
    Json,
    /// `GET` with the token in the query (Google).
    Query,
}

impl IssuerRules {
    /// Whether a token that says that `issuer` issued it wants to be judged by these rules. Proves nothing.
    #[must_use]
    pub fn is_named(&self, issuer: &str) -> bool {
        match &self.rules.issuers {
            Issuers::OneOf(all) | Issuers::Unnamed(all) => {
                all.iter().any(|each| each.as_str() == issuer)
            }
            Issuers::Template { template, .. } => IssuerTemplate::new(template)
                .is_some_and(|template| template.tenant_of(issuer).is_some()),
        }
    }

    /// Whether all its tokens are of one issuer, and not of one for each tenant of a cloud.
    #[must_use]
    pub fn is_one_issuer(&self) -> bool {
        match &self.rules.issuers {
            Issuers::OneOf(_) | Issuers::Unnamed(_) => true,
            Issuers::Template { tenants, .. } => {
                tenants.as_ref().is_some_and(|tenants| tenants.len() < 2)
            }
        }
    }

    /// Whether its tokens can be verified here.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        match (&self.keys, &self.rules.keys) {
            (KeySource::Held, TrustedKeys::Inline { keys, .. }) => !keys.keys().is_empty(),
            _ => true,
        }
    }

    /// The rules with keys that are published at `address`.
    #[must_use]
    pub fn with_keys_at(
        &self,
        address: Url,
        algorithm: SignatureAlgorithm,
        cool_down: Duration,
        client: HttpClient,
    ) -> TrustedIssuer {
        TrustedIssuer {
            keys: TrustedKeys::Published {
                algorithm,
                address,
                client,
                tenant: self.tenant.clone(),
                cool_down,
            },
            ..self.rules.clone()
        }
    }

    /// What names the caller of a token with these claims, together with `issuer_key`. Several facts are joined by
    /// `:`, which none of them may hold: two callers must not become one. None: nobody is named.
    #[must_use]
    pub fn subject_key(&self, claims: &Value) -> Option<Box<str>> {
        let places = self.claims.subject.iter();
        let parts: Option<Vec<_>> = places.map(|place| place.path.text(claims)).collect();
        match parts?.as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            parts => {
                let clear = parts.iter().all(|part| !part.contains(':'));
                clear.then(|| parts.join(":").into())
            }
        }
    }

    /// The same for a place where tokens must be for one of `audiences`, and for nobody that apps expect.
    #[must_use]
    pub fn with_audiences(&self, audiences: &[Box<str>]) -> Self {
        let mut changed = self.clone();
        let own = self.rules.audience.as_ref();
        let claim = own.map_or_else(|| ClaimPath::new("aud"), |own| own.claim.clone());
        let values = audiences.to_vec();
        changed.rules.audience = Some(AnyOf { claim, values });
        changed
    }

    /// The same for an app that accepts only tokens for one of `audiences`. None: no token of this issuer is for
    /// any of them.
    #[must_use]
    pub fn for_audiences(&self, audiences: &[Box<str>]) -> Option<Self> {
        let mut narrowed = self.clone();
        let (claim, values): (_, Vec<Box<str>>) = match &self.rules.audience {
            None => (ClaimPath::new("aud"), audiences.to_vec()),
            Some(own) => {
                let both = own.values.iter().filter(|value| audiences.contains(value));
                (own.claim.clone(), both.cloned().collect())
            }
        };
        if values.is_empty() {
            return None;
        }
        narrowed.rules.audience = Some(AnyOf { claim, values });
        Some(narrowed)
    }
}
