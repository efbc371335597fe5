//! All issuers that an API trusts, and the way of a token through their rules.
//!
//! Invariant: a token is judged by the rules of the issuer that it names, never by another's; no two rules share
//! a name, so there is nothing to choose between. What cannot be judged is not let in and not called bad.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, Uri};
use url::Url;

use super::builder::{TrustedIssuersBuilder, api_tenant};
use super::caller::Caller;
use super::credentials::{Credentials, of_authorization};
use super::metadata::keys_of;
use super::rejection::{Manner, Refusal, Rejection};
use super::scopes::{RequiredScopes, ScopeClaims};
use super::upkeep::Upkeep;
use crate::domain::issuer_template::IssuerTemplate;
use crate::jose::{
    IssuerMetadata, Issuers, Revocation, Revocations, RevocationsFull, SignatureAlgorithm,
    TokenMemory, TokenRefused, TokenScope, TokenVerifier, TrustedIssuer, TrustedKeys,
    UnverifiedToken, shown,
};
use crate::outbound::{Budget, DocumentCache, FetchFault, HttpClient, Refetch, Spending};

/// Rules that tokens can be judged by.
pub(super) struct Rules {
    pub(super) trusted: TrustedIssuer,
    pub(super) discovery: Option<Discovery>,
    pub(super) scopes: Arc<ScopeClaims>,
}

/// How the keys of an issuer are found.
pub(super) struct Discovery {
    /// Where the metadata are.
    pub(super) address: Url,
    /// What they must call the issuer.
    pub(super) issuer: Box<str>,
    pub(super) algorithm: Option<SignatureAlgorithm>,
    pub(super) client: HttpClient,
    pub(super) cool_down: Duration,
    pub(super) loopback_allowed: bool,
    /// The log has been told that they cannot be used: once, until they can.
    pub(super) complained: AtomicBool,
}

pub(super) struct Shared {
    pub(super) rules: Vec<Rules>,
    pub(super) verifier: TokenVerifier,
    pub(super) metadata: Arc<DocumentCache<IssuerMetadata>>,
    pub(super) memory: TokenMemory,
    pub(super) revocations: Arc<Revocations>,
    pub(super) scope: TokenScope,
    pub(super) manner: Arc<Manner>,
    /// Held, not asked.
    pub(super) _upkeep: Upkeep,
}

/// The issuers that an API trusts. Made once, cheap to clone.
///
/// ```
/// use doorward::api::TrustedIssuers;
/// use http::{HeaderMap, Uri};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuers = TrustedIssuers::builder()
///     .discover("https://login.example.com/realms/acme", &["orders"])
///     .build()?;
///
/// // In axum, `BearerLayer` does this. Elsewhere:
/// # let (headers, uri) = (HeaderMap::new(), Uri::from_static("/orders"));
/// match issuers.authenticate(&headers, &uri).await {
///     Ok(Some(caller)) => println!("{:?} of {:?}", caller.subject(), caller.issuer()),
///     Ok(None) => println!("nobody; {} refuses them", issuers.no_token().status()),
///     Err(rejection) => println!("{}", rejection.status()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TrustedIssuers(pub(super) Arc<Shared>);

impl TrustedIssuers {
    /// Begins with none.
    pub fn builder() -> TrustedIssuersBuilder {
        TrustedIssuersBuilder::default()
    }

    /// Judges one token. Waits only where its issuer's metadata or keys must be fetched first. Must be called
    /// within a Tokio runtime.
    ///
    /// # Errors
    /// Why it is refused, for the log. Never send it to the caller, who learns [`TokenRefused::answer`].
    pub async fn verify(&self, token: &str) -> Result<Caller, TokenRefused> {
        let shared = &*self.0;
        let key = shared.scope.key(token);
        if let Some(known) = shared.memory.recall(&key)
            && let Some(rules) = shared.rules_of(known.issuer())
        {
            return Ok(Caller::new(known, Arc::clone(&rules.scopes)));
        }
        let unverified = UnverifiedToken::read(token)?;
        let issuer = unverified.issuer();
        let rules = shared
            .rules_of(issuer)
            .ok_or_else(|| TokenRefused::Issuer(issuer.map_or_else(Box::default, shown)))?;
        let trusted = shared.with_keys(rules).await?;
        let verified = shared.verifier.verify(unverified, &trusted).await?;
        let verified = shared.memory.remember(&key, verified)?;
        Ok(Caller::new(verified, Arc::clone(&rules.scopes)))
    }

    /// Judges a request by its `Authorization` (RFC 6750 §2.1). None: it brings no bearer token. Cancel-safe.
    ///
    /// # Errors
    /// How the request is to be answered. A token that is no good is never the same as none.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
    ) -> Result<Option<Caller>, Rejection> {
        let refuse = |refusal| Err(Rejection::new(refusal, &self.0.manner));
        match of_authorization(headers, uri.query()) {
            Credentials::None => Ok(None),
            Credentials::Confused => refuse(Refusal::InvalidRequest),
            Credentials::NoToken => refuse(Refusal::InvalidToken),
            Credentials::Token(token) => match self.verify(token).await {
                Ok(caller) => Ok(Some(caller)),
                Err(refused) => {
                    tracing::debug!(reason = %refused, "a bearer token is refused");
                    Err(Rejection::of_token(&refused, &self.0.manner))
                }
            },
        }
    }

    /// The answer to a request without a token, where one is needed.
    #[must_use]
    pub fn no_token(&self) -> Rejection {
        Rejection::new(Refusal::Missing, &self.0.manner)
    }

    /// Whether `caller` has the scopes that are `required`.
    ///
    /// # Errors
    /// An answer 403 `insufficient_scope` that names them.
    ///
    /// ```
    /// # use doorward::api::{Caller, Rejection, RequiredScopes, TrustedIssuers};
    /// fn may_write(issuers: &TrustedIssuers, caller: &Caller) -> Result<(), Rejection> {
    ///     issuers.require(caller, &RequiredScopes::any(["orders:write", "admin"]))
    /// }
    /// ```
    pub fn require(&self, caller: &Caller, required: &RequiredScopes) -> Result<(), Rejection> {
        if caller.has(required) {
            Ok(())
        } else {
            Err(Rejection::insufficient(required, &self.0.manner))
        }
    }

    /// Takes tokens back before they expire, in this process, for as long as such tokens can live.
    ///
    /// # Errors
    /// [`RevocationsFull`]: it was not noted, and the tokens stay good.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use doorward::api::TrustedIssuers;
    /// use doorward::jose::Revocation;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let issuers = TrustedIssuers::builder().discover("https://login.example.com", &["orders"]).build()?;
    /// let stolen = Revocation::Token {
    ///     issuer: "https://login.example.com".into(),
    ///     id: "0f6c2a".into(),
    /// };
    /// issuers.revoke(&stolen, Duration::from_secs(3600))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn revoke(&self, what: &Revocation, lifetime: Duration) -> Result<(), RevocationsFull> {
        self.0.revocations.revoke(&api_tenant(), what, lifetime)
    }

    #[cfg(feature = "axum")]
    pub(super) fn manner(&self) -> &Arc<Manner> {
        &self.0.manner
    }
}

impl Shared {
    /// The rules for `iss`: those that name it, else those whose template it fills.
    fn rules_of(&self, issuer: Option<&str>) -> Option<&Rules> {
        let Some(issuer) = issuer else {
            return self.rules.iter().find(|rules| rules.is_unnamed());
        };
        self.rules
            .iter()
            .find(|rules| rules.is_named(issuer))
            .or_else(|| self.rules.iter().find(|rules| rules.is_filled_by(issuer)))
    }

    /// The rules with the keys that its metadata name.
    async fn with_keys<'a>(
        &self,
        rules: &'a Rules,
    ) -> Result<Cow<'a, TrustedIssuer>, TokenRefused> {
        let Some(discovery) = &rules.discovery else {
            return Ok(Cow::Borrowed(&rules.trusted));
        };
        let keys = self
            .discovered_keys(discovery)
            .await
            .inspect_err(|fault| discovery.complain(fault))
            .map_err(TokenRefused::KeysUnavailable)?;
        discovery.complained.store(false, Ordering::Relaxed);
        Ok(Cow::Owned(TrustedIssuer {
            keys,
            ..rules.trusted.clone()
        }))
    }

    /// Metadata that do not fit are asked for again, as often as a key that is unknown.
    async fn discovered_keys(&self, discovery: &Discovery) -> Result<TrustedKeys, FetchFault> {
        let Discovery {
            address, client, ..
        } = discovery;
        let metadata = self.metadata.get(address, client).await?;
        let fault = match discovery.keys_in(&metadata) {
            Ok(keys) => return Ok(keys),
            Err(fault) => fault,
        };
        let spending = Spending {
            tenant: api_tenant(),
            budget: Budget::Bearer,
            cool_down: discovery.cool_down,
        };
        match self.metadata.refetch(address, client, &spending).await {
            Refetch::Fetched(again) | Refetch::Joined(again) => discovery.keys_in(&*again?),
            Refetch::CoolingDown => Err(fault),
        }
    }
}

impl Rules {
    fn is_named(&self, name: &str) -> bool {
        match &self.trusted.issuers {
            Issuers::OneOf(issuers) | Issuers::Unnamed(issuers) => {
                issuers.iter().any(|issuer| issuer.as_str() == name)
            }
            Issuers::Template { .. } => false,
        }
    }

    fn is_filled_by(&self, name: &str) -> bool {
        match &self.trusted.issuers {
            Issuers::Template { template, .. } => IssuerTemplate::new(template)
                .is_some_and(|template| template.tenant_of(name).is_some()),
            Issuers::OneOf(_) | Issuers::Unnamed(_) => false,
        }
    }

    const fn is_unnamed(&self) -> bool {
        matches!(self.trusted.issuers, Issuers::Unnamed(_))
    }
}

impl Discovery {
    fn keys_in(&self, metadata: &IssuerMetadata) -> Result<TrustedKeys, FetchFault> {
        let (address, algorithm) = keys_of(
            metadata,
            &self.issuer,
            self.algorithm,
            self.loopback_allowed,
        )?;
        Ok(TrustedKeys::Published {
            algorithm,
            address: address.clone(),
            client: self.client.clone(),
            tenant: api_tenant(),
            cool_down: self.cool_down,
        })
    }

    /// Tells the log, once.
    fn complain(&self, fault: &FetchFault) {
        if !self.complained.swap(true, Ordering::Relaxed) {
            let issuer = &*self.issuer;
            tracing::warn!(issuer, %fault, "no token of this issuer can be judged");
        }
    }
}

impl fmt::Debug for TrustedIssuers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers = self.0.rules.iter().map(|rules| &rules.trusted.issuers);
        formatter
            .debug_tuple("TrustedIssuers")
            .field(&issuers.collect::<Vec<_>>())
            .finish()
    }
}
