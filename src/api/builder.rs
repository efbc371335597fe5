//! From what is written in a program to issuers that tokens can be judged by.
//!
//! Invariant: a mistake that can be seen without a network is found here, and names what to change.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use url::Url;

use super::issuer_rules::{IssuerRules, KeySource, address};
use super::rejection::{Manner, is_quotable};
use super::trusted_issuers::{Discovery, Rules, Shared, TrustedIssuers};
use super::upkeep::Upkeep;
use crate::domain::ids::{Issuer, TenantId};
use crate::domain::issuer_template::is_template;
use crate::jose::{
    IssuerMetadata, Issuers, KeySets, MemoryLimits, Revocations, TokenMemory, TokenScope,
    TokenVerifier, TrustedKeys,
};
use crate::outbound::{FetchCounts, FetchObserver, HttpClients, OutboundSettings, ReachFault};
use crate::ports::{Clock, SystemClock};

/// Revocations kept at most.
const REVOCATIONS: usize = 10_000;

/// On whose account an API fetches: its own.
#[expect(clippy::expect_used, reason = "a name that is written here")]
pub(super) fn api_tenant() -> TenantId {
    "api".parse().expect("a name")
}

/// Why issuers cannot be trusted as they were written down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustedIssuersFault {
    /// None.
    #[error("no issuer is trusted: name one with `discover` or `trust`")]
    None,
    /// Two rules for the same name.
    #[error("the issuer `{0}` is named twice: one issuer has one set of rules")]
    Twice(Box<str>),
    /// Two rules for tokens without issuer, or with the same place for a tenant.
    #[error("two issuers' tokens cannot be told apart by `iss`: give each a layer of its own")]
    Alike,
    /// No audience.
    #[error(
        "no audience is named for `{0}`, so every service that it makes tokens for could use theirs here: name what tokens \
         for this API have in `aud`, or say `any_audience()`"
    )]
    Audience(Box<str>),
    /// An address that nothing may be fetched from.
    #[error("`{0}` is no https address to fetch the keys of `{1}` from")]
    Address(Box<str>, Box<str>),
    /// No algorithm for keys from an address.
    #[error(
        "the keys of `{0}` are at an address, and it is not said with which `algorithm` they sign"
    )]
    Algorithm(Box<str>),
    /// How an issuer is reached.
    #[error("`{0}` cannot be reached so: {1}")]
    Reach(Box<str>, ReachFault),
    /// A realm that cannot stand in quotes.
    #[error("the realm {0:?} must be printable ASCII without `\"` and `\\`")]
    Realm(Box<str>),
    /// Not an address.
    #[error("the resource's metadata must have an https address, not {0:?}")]
    ResourceMetadata(Box<str>),
    /// Not on a runtime.
    #[error(
        "trusted issuers are made within a Tokio runtime (in `#[tokio::main]`), which keeps their keys fresh"
    )]
    NoRuntime,
}

/// Collects what is trusted, and what holds for all of it.
///
/// ```
/// use doorward::api::{IssuerRules, TrustedIssuers, TrustedIssuersFault};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// TrustedIssuers::builder()
///     .discover("https://login.example.com/realms/acme", &["orders"])
///     .trust(IssuerRules::discovered("https://acme.eu.auth0.com/", &["https://orders.example.com"]))
///     .realm("orders")
///     .resource_metadata("https://orders.example.com/.well-known/oauth-protected-resource")
///     .build()?;
///
/// // What is missing is said here, not at the first token.
/// let for_anybody = TrustedIssuers::builder().discover("https://login.example.com", &[]).build();
/// assert!(matches!(for_anybody, Err(TrustedIssuersFault::Audience(_))));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustedIssuersBuilder {
    rules: Vec<IssuerRules>,
    realm: Box<str>,
    resource_metadata: Option<Box<str>>,
    memory: MemoryLimits,
    outbound: OutboundSettings,
    clock: Option<Arc<dyn Clock>>,
    observer: Option<Observer>,
}

impl Default for TrustedIssuersBuilder {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            realm: "api".into(),
            resource_metadata: None,
            memory: MemoryLimits::default(),
            outbound: OutboundSettings::default(),
            clock: None,
            observer: None,
        }
    }
}

/// One without a text.
#[derive(Clone)]
struct Observer(Arc<dyn FetchObserver>);

impl std::fmt::Debug for Observer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Observer")
    }
}

impl TrustedIssuersBuilder {
    /// Trusts an issuer by [`IssuerRules::discovered`], without more ado.
    pub fn discover(self, issuer: &str, audiences: &[&str]) -> Self {
        self.trust(IssuerRules::discovered(issuer, audiences))
    }

    /// Trusts an issuer.
    pub fn trust(mut self, rules: impl Into<IssuerRules>) -> Self {
        self.rules.push(rules.into());
        self
    }

    /// What is protected, as challenges name it (RFC 9110 §11.5). `api` without this.
    pub fn realm(mut self, realm: &str) -> Self {
        self.realm = realm.into();
        self
    }

    /// Where clients read how to get a token (RFC 9728 §5.1): goes into each challenge.
    pub fn resource_metadata(mut self, address: &str) -> Self {
        self.resource_metadata = Some(address.into());
        self
    }

    /// How much is remembered of tokens that were verified. 100,000 in 64 MiB, for five minutes at most, without
    /// this.
    pub fn memory(mut self, limits: MemoryLimits) -> Self {
        self.memory = limits;
        self
    }

    /// How requests to issuers are made: deadline, size. Five seconds and 256 KiB without this.
    pub fn outbound(mut self, settings: OutboundSettings) -> Self {
        self.outbound = settings;
        self
    }

    /// Lets issuers be on this machine, on plain http too. For tests and development.
    pub fn allow_loopback(mut self) -> Self {
        self.outbound.development = true;
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Who hears of each fetch, for metrics.
    pub fn observer(mut self, observer: Arc<dyn FetchObserver>) -> Self {
        self.observer = Some(Observer(observer));
        self
    }

    /// Makes them, and a task that keeps what they fetch fresh. It ends with the last clone. Nothing is fetched
    /// yet, so an issuer that is down is no reason not to start. Must be called within a Tokio runtime whose
    /// timers and I/O are on.
    ///
    /// # Errors
    /// The first thing that is wrong with what was written down.
    pub fn build(self) -> Result<TrustedIssuers, TrustedIssuersFault> {
        if self.rules.is_empty() {
            return Err(TrustedIssuersFault::None);
        }
        check_names(&self.rules)?;
        let manner = self.manner()?;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let observer = self
            .observer
            .map_or_else(|| Arc::new(FetchCounts::default()) as _, |each| each.0);
        let loopback_allowed = self.outbound.development;
        let clients = HttpClients::new(self.outbound);
        let rules = self
            .rules
            .into_iter()
            .map(|rules| resolved(rules, &clients, loopback_allowed))
            .collect::<Result<_, _>>()?;
        let key_sets = Arc::new(KeySets::new(clock.clone(), Arc::clone(&observer)));
        let metadata = Arc::new(IssuerMetadata::cache(clock.clone(), observer));
        let upkeep = Upkeep::begin(Arc::clone(&key_sets), Arc::clone(&metadata))
            .ok_or(TrustedIssuersFault::NoRuntime)?;
        let revocations = Arc::new(Revocations::new(clock.clone(), REVOCATIONS));
        Ok(TrustedIssuers(Arc::new(Shared {
            rules,
            verifier: TokenVerifier::new(key_sets, clock.clone()),
            metadata,
            memory: TokenMemory::new(self.memory, Arc::clone(&revocations), clock),
            revocations,
            // The memory is this value's own, and its rules never change.
            scope: TokenScope::new(&api_tenant(), 0, "", "api"),
            manner,
            _upkeep: upkeep,
        })))
    }

    fn manner(&self) -> Result<Arc<Manner>, TrustedIssuersFault> {
        if !is_quotable(&self.realm) {
            return Err(TrustedIssuersFault::Realm(self.realm.clone()));
        }
        let loopback_allowed = self.outbound.development;
        if let Some(text) = &self.resource_metadata
            && !(is_quotable(text) && address(text, loopback_allowed).is_some())
        {
            return Err(TrustedIssuersFault::ResourceMetadata(text.clone()));
        }
        Ok(Arc::new(Manner::Bearer {
            realm: self.realm.clone(),
            resource_metadata: self.resource_metadata.clone(),
        }))
    }
}

/// Each token has one set of rules.
fn check_names(all: &[IssuerRules]) -> Result<(), TrustedIssuersFault> {
    let mut known: Vec<&str> = Vec::new();
    let mut unnamed = 0;
    for rules in all {
        let named: Vec<&str> = match &rules.trusted.issuers {
            Issuers::OneOf(issuers) => issuers.iter().map(Issuer::as_str).collect(),
            Issuers::Unnamed(issuers) => {
                unnamed += 1;
                issuers.iter().map(Issuer::as_str).collect()
            }
            Issuers::Template { template, .. } => vec![template],
        };
        if let Some(twice) = named.iter().find(|name| known.contains(name)) {
            return Err(TrustedIssuersFault::Twice((*twice).into()));
        }
        known.extend(named);
    }
    if unnamed > 1 {
        return Err(TrustedIssuersFault::Alike);
    }
    Ok(())
}

/// Rules that tokens can be judged by.
fn resolved(
    rules: IssuerRules,
    clients: &HttpClients,
    loopback_allowed: bool,
) -> Result<Rules, TrustedIssuersFault> {
    let name: Box<str> = rules.name().into();
    let has_audience = rules
        .trusted
        .audience
        .as_ref()
        .is_some_and(|audience| !audience.values.is_empty());
    if !has_audience && !rules.open_audience {
        return Err(TrustedIssuersFault::Audience(name));
    }
    let read = |text: &str| {
        address(text, loopback_allowed)
            .ok_or_else(|| TrustedIssuersFault::Address(text.into(), name.clone()))
    };
    let client = || {
        clients
            .for_reach(&rules.reach)
            .map_err(|fault| TrustedIssuersFault::Reach(name.clone(), fault))
    };
    let mut trusted = rules.trusted.clone();
    let mut discovery = None;
    match &rules.source {
        KeySource::Here(keys) => trusted.keys = keys.clone(),
        KeySource::Published(text) => {
            trusted.keys = TrustedKeys::Published {
                algorithm: rules
                    .algorithm
                    .ok_or_else(|| TrustedIssuersFault::Algorithm(name.clone()))?,
                address: read(text)?,
                client: client()?,
                tenant: api_tenant(),
                cool_down: rules.cool_down,
            };
        }
        KeySource::Discovered(at) => {
            discovery = Some(Discovery {
                address: metadata_address(at.as_deref(), &rules, read)?,
                issuer: name.clone(),
                algorithm: rules.algorithm,
                client: client()?,
                cool_down: rules.cool_down,
                loopback_allowed,
                complained: AtomicBool::new(false),
            });
        }
    }
    Ok(Rules {
        trusted,
        discovery,
        scopes: Arc::new(rules.scopes),
    })
}

/// Where the metadata are. A template has no place of its own.
fn metadata_address(
    at: Option<&str>,
    rules: &IssuerRules,
    read: impl Fn(&str) -> Result<Url, TrustedIssuersFault>,
) -> Result<Url, TrustedIssuersFault> {
    match at {
        Some(text) => read(text),
        None if is_template(rules.name()) => Err(TrustedIssuersFault::Address(
            rules.usual_metadata_address().into(),
            rules.name().into(),
        )),
        None => read(&rules.usual_metadata_address()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::upstream_provider::Reach;
    use crate::jose::{HmacAlgorithm, SharedSecrets, SignatureAlgorithm};
    use rstest::rstest;

    const ISSUER: &str = "https://issuer.example";

    fn builder() -> TrustedIssuersBuilder {
        TrustedIssuers::builder()
    }

    fn good() -> TrustedIssuersBuilder {
        builder().discover(ISSUER, &["orders"])
    }

    fn secrets() -> SharedSecrets {
        SharedSecrets::new(HmacAlgorithm::Hs256)
    }

    fn keys_at(address: &str) -> IssuerRules {
        IssuerRules::keys_at(ISSUER, address, SignatureAlgorithm::Rs256, &["orders"])
    }

    fn is(text: &str) -> Box<str> {
        text.into()
    }

    #[rstest]
    #[case::no_issuer(builder(), TrustedIssuersFault::None)]
    #[case::no_audience(builder().discover(ISSUER, &[]), TrustedIssuersFault::Audience(is(ISSUER)))]
    #[case::twice(good().discover(ISSUER, &["invoices"]), TrustedIssuersFault::Twice(is(ISSUER)))]
    #[case::a_secret_beside_keys(
        good().trust(IssuerRules::secrets(ISSUER, secrets(), &["orders"])),
        TrustedIssuersFault::Twice(is(ISSUER))
    )]
    #[case::another_name_twice(
        good().trust(IssuerRules::discovered("https://b.example", &["orders"]).also_named(ISSUER)),
        TrustedIssuersFault::Twice(is(ISSUER))
    )]
    #[case::two_without_name(
        builder()
            .trust(IssuerRules::attestations(&["a"], secrets()))
            .trust(IssuerRules::attestations(&["b"], secrets())),
        TrustedIssuersFault::Alike
    )]
    #[case::plain_http(
        builder().trust(keys_at("http://issuer.example/keys")),
        TrustedIssuersFault::Address(is("http://issuer.example/keys"), is(ISSUER))
    )]
    #[case::a_file(
        builder().trust(keys_at("file:///keys")),
        TrustedIssuersFault::Address(is("file:///keys"), is(ISSUER))
    )]
    #[case::no_address(
        builder().discover("issuer.example", &["orders"]),
        TrustedIssuersFault::Address(
            is("issuer.example/.well-known/openid-configuration"),
            is("issuer.example")
        )
    )]
    #[case::a_template_without_a_place(
        builder().trust(IssuerRules::discovered("https://b.example/{tenantid}", &["orders"]).tenants(&["a"])),
        TrustedIssuersFault::Address(
            is("https://b.example/{tenantid}/.well-known/openid-configuration"),
            is("https://b.example/{tenantid}")
        )
    )]
    #[case::quotes_in_the_realm(good().realm("a\"b"), TrustedIssuersFault::Realm(is("a\"b")))]
    #[case::line_in_the_realm(good().realm("a\r\nb"), TrustedIssuersFault::Realm(is("a\r\nb")))]
    #[case::metadata_of_the_resource(
        good().resource_metadata("orders"),
        TrustedIssuersFault::ResourceMetadata(is("orders"))
    )]
    #[tokio::test]
    async fn a_mistake_is_named(
        #[case] builder: TrustedIssuersBuilder,
        #[case] expected: TrustedIssuersFault,
    ) {
        assert_eq!(builder.build().expect_err("refused"), expected);
    }

    #[tokio::test]
    async fn an_authority_that_cannot_be_read_is_named() {
        let reach = Reach {
            ca_file: Some("/nowhere/ca.pem".into()),
            ..Reach::default()
        };
        let fault = builder()
            .trust(keys_at("https://issuer.example/keys").reach(reach))
            .build();
        assert!(
            matches!(fault, Err(TrustedIssuersFault::Reach(..))),
            "{fault:?}"
        );
    }

    #[test]
    fn a_runtime_is_asked_for() {
        let fault = good().build().expect_err("refused");
        assert_eq!(fault, TrustedIssuersFault::NoRuntime);
    }
}
