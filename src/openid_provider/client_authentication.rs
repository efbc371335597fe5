//! Who asks: a machine's secret, or its signed assertion (RFC 7523 §3).
//!
//! Invariant: an [`AuthenticatedClient`] is made here only, of the tenant that was asked. Whoever is unknown is
//! told what somebody with a wrong secret is told, after as much work with secrets.

use std::time::Duration as StdDuration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use time::Duration;

use super::OpenIdProvider;
use super::refused::TokenRefused;
use super::token_request::Credentials;
use crate::domain::claims::ClaimPath;
use crate::domain::handle::Digest;
use crate::domain::ids::Issuer;
use crate::domain::machine_client::{
    ClientKeys, MachineAuthentication, MachineClient, SecretDigest,
};
use crate::domain::tenant::Tenant;
use crate::domain::upstream_provider::{KeyIssuer, Reach};
use crate::jose::{
    AnyOf, ClaimDemand, Issuers, KeySet, SignatureAlgorithm, TimeRules, TokenKind,
    TokenRefused as AssertionRefused, TrustedIssuer, TrustedKeys, TypRule, UnverifiedToken,
};

/// How much later than now an assertion may end.
const LONGEST_ASSERTION: Duration = Duration::minutes(5);

/// How much clocks may differ.
const SKEW: Duration = Duration::minutes(1);

/// Between two fetches of a client's keys for a `kid` that nobody knows.
const COOL_DOWN: StdDuration = StdDuration::from_secs(30);

/// Longest `jti`, in bytes.
const LONGEST_ID: usize = 255;

/// A client of a tenant that has proved who it is.
#[derive(Clone, Copy, Debug)]
pub struct AuthenticatedClient<'a>(&'a MachineClient);

impl<'a> AuthenticatedClient<'a> {
    /// Which one.
    #[must_use]
    pub const fn client(self) -> &'a MachineClient {
        self.0
    }
}

impl OpenIdProvider {
    /// Judges a client's credentials. An assertion is used up.
    ///
    /// # Errors
    /// [`TokenRefused`].
    pub async fn authenticate<'a>(
        &self,
        tenant: &'a Tenant,
        credentials: &Credentials,
    ) -> Result<AuthenticatedClient<'a>, TokenRefused> {
        match credentials {
            Credentials::Secret { client, secrets } => {
                let known = client.parse().ok();
                let known = known.and_then(|id| tenant.machine_client(&id));
                let presented: Vec<_> = secrets
                    .iter()
                    .map(|secret| SecretDigest::of(secret.expose_secret()))
                    .collect();
                let method = known.map(|client| &client.authentication);
                let fits = MachineAuthentication::admits(method, &presented);
                known
                    .filter(|_| fits)
                    .map(AuthenticatedClient)
                    .ok_or(TokenRefused::WrongCredentials)
            }
            Credentials::Assertion { client, token } => {
                self.by_assertion(tenant, client.as_deref(), token.expose_secret())
                    .await
            }
        }
    }

    async fn by_assertion<'a>(
        &self,
        tenant: &'a Tenant,
        named: Option<&str>,
        token: &str,
    ) -> Result<AuthenticatedClient<'a>, TokenRefused> {
        let unverified = UnverifiedToken::read(token).map_err(TokenRefused::Assertion)?;
        // Whose keys it is judged by; that it is theirs, the signature says.
        let issuer = unverified.issuer().unwrap_or_default();
        if named.is_some_and(|named| named != issuer) {
            return Err(TokenRefused::WrongCredentials);
        }
        let client = issuer
            .parse()
            .ok()
            .and_then(|id| tenant.machine_client(&id));
        let trusted = match client {
            Some(client) => self.trusted(tenant, client)?,
            None => None,
        };
        let (Some(client), Some(trusted)) = (client, trusted) else {
            return Err(TokenRefused::WrongCredentials);
        };
        let verified = self.verifier.verify(unverified, &trusted).await;
        let verified = verified.map_err(TokenRefused::of_assertion)?;
        let now = self.clock.now();
        let ends = verified
            .expires_at()
            .filter(|at| *at <= now + LONGEST_ASSERTION + SKEW)
            .ok_or(TokenRefused::AssertionClaim("exp"))?;
        only_for_us(verified.claims(), tenant)?;
        let id = verified
            .id()
            .filter(|id| (1..=LONGEST_ID).contains(&id.len()))
            .ok_or(TokenRefused::AssertionClaim("jti"))?;
        // As long as it would be accepted: `exp` and the skew.
        let name = Digest::of_name(&[client.id.as_str(), id]);
        let first = self
            .store
            .use_assertion(&tenant.id, name, ends + SKEW + SKEW)
            .await?;
        if first {
            Ok(AuthenticatedClient(client))
        } else {
            Err(TokenRefused::Replayed)
        }
    }

    /// The rules for a client's assertions; none where it has secrets.
    fn trusted(
        &self,
        tenant: &Tenant,
        client: &MachineClient,
    ) -> Result<Option<TrustedIssuer>, TokenRefused> {
        let MachineAuthentication::PrivateKeyJwt { algorithm, keys } = &client.authentication
        else {
            return Ok(None);
        };
        let Ok(algorithm) = algorithm.parse::<SignatureAlgorithm>() else {
            return Ok(None);
        };
        let keys = match keys {
            ClientKeys::Inline(text) => TrustedKeys::Inline {
                algorithm,
                keys: KeySet::parse(text.as_bytes())
                    .map_err(|_| TokenRefused::Assertion(AssertionRefused::Signature))?,
            },
            ClientKeys::At(address) => TrustedKeys::Published {
                algorithm,
                address: address.clone(),
                client: self.outside.http.for_reach(&Reach::default())?,
                tenant: tenant.id.clone(),
                cool_down: COOL_DOWN,
            },
        };
        Ok(Some(TrustedIssuer {
            issuers: Issuers::OneOf(vec![Issuer::new(client.id.as_str())]),
            keys,
            key_issuer: KeyIssuer::Ignored,
            kind: TokenKind::Attestation,
            typ: TypRule::NotDemanded,
            audience: Some(AnyOf {
                claim: ClaimPath::new("aud"),
                values: audiences(tenant).map(Into::into).into(),
            }),
            party: None,
            times: TimeRules::default(),
            claims: vec![ClaimDemand::Is {
                claim: ClaimPath::new("sub"),
                value: json!(client.id.as_str()),
            }],
        }))
    }
}

/// Whom an assertion can be for: our issuer, or the token endpoint (RFC 7523 §3, point 3).
fn audiences(tenant: &Tenant) -> [String; 2] {
    [tenant.base.address(""), tenant.base.address("/token")]
}

/// An assertion that is for somebody else too could have been sent to us by them.
fn only_for_us(claims: &Value, tenant: &Tenant) -> Result<(), TokenRefused> {
    let ours = audiences(tenant);
    let is_ours = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| ours.iter().any(|one| one == text))
    };
    let all = match claims.get("aud") {
        Some(Value::Array(values)) => values.iter().all(is_ours),
        Some(value) => is_ours(value),
        None => false,
    };
    all.then_some(()).ok_or(TokenRefused::AssertionClaim("aud"))
}
