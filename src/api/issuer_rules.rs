//! One issuer, and what its tokens must be.
//!
//! Invariant: what is not said is the strictest that the standards know: RFC 9068 access tokens for a named
//! audience. Each method that admits more says what then protects.

use std::time::Duration;

use url::Url;

use super::scopes::ScopeClaims;
use crate::domain::claims::ClaimPath;
use crate::domain::ids::Issuer;
use crate::domain::upstream_provider::{KeyIssuer, Reach};
use crate::jose::{
    AnyOf, ClaimDemand, HmacAlgorithm, Issuers, KeySet, SharedSecrets, SignatureAlgorithm,
    TokenKind, TrustedIssuer, TrustedKeys, TypRule,
};

/// How long after a fetch for an unknown `kid` no other is made.
const COOL_DOWN: Duration = Duration::from_secs(30);

/// Where the keys come from.
#[derive(Clone, Debug)]
pub(super) enum KeySource {
    /// From the issuer's metadata: at this address, else at the usual one.
    Discovered(Option<Box<str>>),
    /// From an address of a key set.
    Published(Box<str>),
    /// They are here.
    Here(TrustedKeys),
}

/// Whose tokens are trusted, and which of them.
///
/// ```
/// use doorward::api::{IssuerRules, ScopeClaims};
/// use doorward::jose::{ClaimDemand, SignatureAlgorithm};
///
/// // Keys by discovery; access tokens as RFC 9068 has them, for the audience `orders`.
/// IssuerRules::discovered("https://login.example.com/realms/acme", &["orders"]);
///
/// // An issuer that does not write `at+jwt` into the header, but something else into the payload.
/// IssuerRules::discovered("https://keycloak.example.com/realms/acme", &["orders"])
///     .any_typ()
///     .demand(ClaimDemand::is("typ", "Bearer"))
///     .scopes(ScopeClaims::new(&["scope", "/realm_access/roles"]));
///
/// // Without discovery.
/// IssuerRules::keys_at(
///     "https://issuer.example.com",
///     "https://issuer.example.com/keys.json",
///     SignatureAlgorithm::Es256,
///     &["orders"],
/// );
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct IssuerRules {
    /// With keys that verify nothing, until the source is known.
    pub(super) trusted: TrustedIssuer,
    pub(super) source: KeySource,
    pub(super) algorithm: Option<SignatureAlgorithm>,
    pub(super) scopes: ScopeClaims,
    pub(super) reach: Reach,
    pub(super) cool_down: Duration,
    /// `any_audience` was said.
    pub(super) open_audience: bool,
}

impl IssuerRules {
    /// The keys of `issuer` by discovery: its metadata is at `{issuer}/.well-known/openid-configuration`, must
    /// name the same issuer, and says where the keys are and how they sign. Nothing is fetched before the first
    /// token comes. One of `audiences` must stand in `aud`.
    pub fn discovered(issuer: &str, audiences: &[&str]) -> Self {
        Self::new(issuer, KeySource::Discovered(None), audiences)
    }

    /// The keys of `issuer` in the key set at `address` (RFC 7517), all used with one algorithm.
    pub fn keys_at(
        issuer: &str,
        address: &str,
        algorithm: SignatureAlgorithm,
        audiences: &[&str],
    ) -> Self {
        let source = KeySource::Published(address.into());
        Self::new(issuer, source, audiences).algorithm(algorithm)
    }

    /// The keys of `issuer`, written down here.
    ///
    /// ```
    /// use doorward::api::IssuerRules;
    /// use doorward::jose::{KeySet, SignatureAlgorithm, Signer, SigningAlgorithm};
    /// use serde_json::json;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let signer = Signer::generate(SigningAlgorithm::Es256)?;
    /// let keys = json!({ "keys": [signer.public_jwk()] }).to_string();
    /// let keys = KeySet::parse(keys.as_bytes())?;
    /// IssuerRules::key_set("https://issuer.example", keys, SignatureAlgorithm::Es256, &["orders"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn key_set(
        issuer: &str,
        keys: KeySet,
        algorithm: SignatureAlgorithm,
        audiences: &[&str],
    ) -> Self {
        let source = KeySource::Here(TrustedKeys::Inline { algorithm, keys });
        Self::new(issuer, source, audiences)
    }

    /// Secrets that `issuer` and we know. Whoever has one can sign: give each issuer its own.
    ///
    /// ```
    /// use doorward::api::IssuerRules;
    /// use doorward::jose::{HmacAlgorithm, SharedSecrets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bytes = [7; 32]; // from where secrets are kept, decoded
    /// let secrets = SharedSecrets::new(HmacAlgorithm::Hs256).with(&bytes, None)?;
    /// IssuerRules::secrets("https://issuer.example", secrets, &["orders"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn secrets(issuer: &str, secrets: SharedSecrets, audiences: &[&str]) -> Self {
        let source = KeySource::Here(TrustedKeys::Shared(secrets));
        Self::new(issuer, source, audiences)
    }

    /// Attestations that need not name their issuer (Approov): by secrets, for anybody, with `exp`. They have a
    /// layer of their own, and are never taken for a person's token.
    ///
    /// ```
    /// use doorward::api::IssuerRules;
    /// use doorward::jose::{HmacAlgorithm, SharedSecrets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bytes = [7; 32]; // the account's secret, decoded from base64
    /// let secrets = SharedSecrets::new(HmacAlgorithm::Hs256).with(&bytes, None)?;
    /// IssuerRules::attestations(&["acme.approov.io"], secrets);
    /// # Ok(())
    /// # }
    /// ```
    pub fn attestations(issuers: &[&str], secrets: SharedSecrets) -> Self {
        let source = KeySource::Here(TrustedKeys::Shared(secrets));
        let mut rules = Self::new("", source, &[]).kind(TokenKind::Attestation);
        rules.trusted.issuers =
            Issuers::Unnamed(issuers.iter().map(|name| Issuer::new(name)).collect());
        rules.any_typ().any_audience()
    }

    fn new(issuer: &str, source: KeySource, audiences: &[&str]) -> Self {
        // A set without secrets verifies nothing.
        let none_yet = TrustedKeys::Shared(SharedSecrets::new(HmacAlgorithm::Hs256));
        Self {
            trusted: TrustedIssuer::of_access_tokens(Issuer::new(issuer), none_yet, audiences),
            source,
            algorithm: None,
            scopes: ScopeClaims::default(),
            reach: Reach::default(),
            cool_down: COOL_DOWN,
            open_audience: false,
        }
    }

    /// The one algorithm of the signatures, where metadata list several or none that is used. Needed with keys
    /// from an address, which brings it; without effect on keys that are written down here.
    pub fn algorithm(mut self, algorithm: SignatureAlgorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// The same rules with these keys in place of the issuer's own: for the tests of a service, which then need no
    /// network.
    ///
    /// ```
    /// use doorward::api::{IssuerRules, TrustedIssuers};
    /// use doorward::jose::{KeySet, SignatureAlgorithm, Signer, SigningAlgorithm};
    /// use serde_json::json;
    ///
    /// fn rules() -> IssuerRules {
    ///     IssuerRules::discovered("https://login.example.com", &["orders"])
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let signer = Signer::generate(SigningAlgorithm::Es256)?;
    /// let keys = json!({ "keys": [signer.public_jwk()] }).to_string();
    /// let keys = KeySet::parse(keys.as_bytes())?;
    /// let issuers = TrustedIssuers::builder()
    ///     .trust(rules().keys_here(keys, SignatureAlgorithm::Es256))
    ///     .build()?;
    ///
    /// let claims = json!({"iss": "https://login.example.com", "aud": "orders", "sub": "ana", "exp": 4_102_444_800_u64});
    /// let caller = issuers.verify(&signer.sign(&claims, "at+jwt")?).await?;
    /// assert_eq!(caller.subject(), Some("ana"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn keys_here(mut self, keys: KeySet, algorithm: SignatureAlgorithm) -> Self {
        self.source = KeySource::Here(TrustedKeys::Inline { algorithm, keys });
        self
    }

    /// Where the metadata are, when not at the usual place (RFC 8414 §3 puts the path behind the well-known
    /// part). Without effect where keys are not discovered.
    pub fn metadata_at(mut self, address: &str) -> Self {
        if let KeySource::Discovered(at) = &mut self.source {
            *at = Some(address.into());
        }
        self
    }

    /// Another name that tokens may have in `iss` (Google writes `accounts.google.com` too).
    pub fn also_named(mut self, issuer: &str) -> Self {
        if let Issuers::OneOf(issuers) | Issuers::Unnamed(issuers) = &mut self.trusted.issuers {
            issuers.push(Issuer::new(issuer));
        }
        self
    }

    /// Takes `iss` for a template with `{tenantid}`, which the claim `tid` fills (Entra), and lets in these
    /// tenants only. An empty list lets nobody in. The keys must say whose tokens they sign, where they say it.
    pub fn tenants(mut self, tenants: &[&str]) -> Self {
        if let Issuers::OneOf(issuers) = &self.trusted.issuers
            && let Some(template) = issuers.first()
        {
            self.trusted.issuers = Issuers::Template {
                template: template.as_str().into(),
                tenant_claim: ClaimPath::new("tid"),
                tenants: Some(tenants.iter().map(|each| (*each).into()).collect()),
            };
            self.trusted.key_issuer = KeyIssuer::Checked;
        }
        self
    }

    /// What the tokens are, when not access tokens. [`TokenKind::Identity`] for those whose ID tokens are the
    /// tokens of APIs (Firebase, Google): then every audience must be one of ours.
    pub fn kind(mut self, kind: TokenKind) -> Self {
        self.trusted.kind = kind;
        if kind == TokenKind::Identity && self.trusted.typ == TypRule::AccessToken {
            self.trusted.typ = TypRule::NotDemanded;
        }
        self
    }

    /// Does not demand `at+jwt` in the header, which most issuers do not write (RFC 9068 §2.1). ID tokens are
    /// then told apart by `nonce`, `at_hash` and the like, and by what they say of themselves; where an issuer
    /// has a mark of its own for access tokens, [`IssuerRules::demand`] it.
    pub fn any_typ(mut self) -> Self {
        self.trusted.typ = TypRule::NotDemanded;
        self
    }

    /// Where the audience stands when not in `aud`: `client_id` in Cognito's access tokens.
    pub fn audience_in(mut self, claim: &str) -> Self {
        if let Some(audience) = &mut self.trusted.audience {
            audience.claim = ClaimPath::new(claim);
        }
        self
    }

    /// Takes tokens for anybody: any service that the issuer makes tokens for can then pass on to us the ones
    /// that it gets. Only with something else that says for whom they are ([`IssuerRules::issued_to`],
    /// [`IssuerRules::demand`]).
    pub fn any_audience(mut self) -> Self {
        self.trusted.audience = None;
        self.open_audience = true;
        self
    }

    /// The clients that tokens must have been issued to, and the claim that says so: `azp`, `appid`, `cid`,
    /// `client_id`.
    pub fn issued_to(mut self, claim: &str, clients: &[&str]) -> Self {
        self.trusted.party = Some(AnyOf {
            claim: ClaimPath::new(claim),
            values: clients.iter().map(|each| (*each).into()).collect(),
        });
        self
    }

    /// One more thing that tokens must say.
    pub fn demand(mut self, demand: ClaimDemand) -> Self {
        self.trusted.claims.push(demand);
        self
    }

    /// How far clocks may differ. 60 s without this.
    pub fn skew(mut self, skew: Duration) -> Self {
        self.trusted.times.skew = skew;
        self
    }

    /// The age by `iat` from which on tokens are refused although they have not expired.
    pub fn oldest(mut self, age: Duration) -> Self {
        self.trusted.times.oldest = Some(age);
        self
    }

    /// Where scopes stand. `scope` and `scp` without this.
    pub fn scopes(mut self, claims: ScopeClaims) -> Self {
        self.scopes = claims;
        self
    }

    /// How the issuer is reached: an authority of its own, a private network that it is in, a proxy.
    ///
    /// ```
    /// use doorward::api::IssuerRules;
    /// use doorward::domain::upstream_provider::Reach;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// IssuerRules::discovered("https://kubernetes.default.svc.cluster.local", &["orders"]).reach(Reach {
    ///     ca_file: Some("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt".into()),
    ///     allow_networks: vec!["10.0.0.0/8".parse()?],
    ///     ..Reach::default()
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// How long after a fetch for an unknown key no other is made. 30 s without this; Entra asks for 300.
    pub fn cool_down(mut self, cool_down: Duration) -> Self {
        self.cool_down = cool_down;
        self
    }

    /// The name that it is discovered under, and shown by.
    pub(super) fn name(&self) -> &str {
        match &self.trusted.issuers {
            Issuers::OneOf(issuers) | Issuers::Unnamed(issuers) => {
                issuers.first().map_or("", Issuer::as_str)
            }
            Issuers::Template { template, .. } => template,
        }
    }

    /// Where its metadata are (OIDC Discovery 1.0 §4.1).
    pub(super) fn usual_metadata_address(&self) -> String {
        let issuer = self.name();
        let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
        format!("{issuer}/.well-known/openid-configuration")
    }
}

/// Rules that were made elsewhere, with their keys.
impl From<TrustedIssuer> for IssuerRules {
    fn from(trusted: TrustedIssuer) -> Self {
        let source = KeySource::Here(trusted.keys.clone());
        let mut rules = Self::new("", source, &[]);
        rules.open_audience = trusted.audience.is_none();
        rules.trusted = trusted;
        rules
    }
}

/// Whether keys or metadata may come from there: https, or http where loopback is allowed (the client refuses the
/// rest).
pub(super) fn may_be_fetched(address: &Url, loopback_allowed: bool) -> bool {
    let fits = match address.scheme() {
        "https" => true,
        "http" => loopback_allowed,
        _ => false,
    };
    fits && address.has_host()
}

/// Reads such an address.
pub(super) fn address(text: &str, loopback_allowed: bool) -> Option<Url> {
    let address = Url::parse(text).ok()?;
    may_be_fetched(&address, loopback_allowed).then_some(address)
}
