//! The second half of a login: from a callback to a verified identity.
//!
//! `CallbackParameters → MatchedAttempt → VerifiedIdToken → VerifiedIdentity`: each is made from the one
//! before and in no other way, so that no step can be left out.

use secrecy::{ExposeSecret as _, SecretString};

use super::callback_parameters::CallbackParameters;
use super::code_exchange::Tokens;
use super::id_token::{Expected, IdTokenRefused, VerifiedIdToken};
use super::profile::Documents;
use super::{RelyingParty, UpstreamTrouble};
use crate::domain::handle::{AttemptKind, Handle};
use crate::domain::identity::VerifiedIdentity;
use crate::domain::login_attempt::{Callback, CallbackRefused, Continuation, MatchedAttempt};
use crate::domain::tenant::Tenant;
use crate::domain::upstream_provider::{OpenIdConnect, Protocol, SignInPage, UpstreamProvider};
use crate::jose::{JoseHeader, KeySet, SignatureAlgorithm};
use crate::outbound::{Budget, Spending};
use crate::storage::StorageError;
use crate::telemetry::metrics::provider_took;

/// A login that is done.
#[derive(Debug)]
pub struct Completed {
    /// Who it is.
    pub identity: VerifiedIdentity,
    /// For `id_token_hint` at sign-out.
    pub id_token: Option<SecretString>,
    /// Where the person goes now.
    pub continuation: Continuation,
}

/// Why a callback did not sign anybody in.
#[derive(Debug, thiserror::Error)]
pub enum LoginFailed {
    /// There is no such attempt: it was used up, is too old, or was never ours.
    #[error(
        "no login waits for this callback: it was completed before, is too old, or was never begun"
    )]
    Unknown,
    /// The attempt is another browser's, provider's, or too old, or the provider refused.
    #[error(transparent)]
    Refused(#[from] CallbackRefused),
    /// The provider did not keep its side, after the attempt was used up.
    #[error(transparent)]
    Upstream(#[from] UpstreamTrouble),
    /// The store failed. The attempt may still wait.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A login that failed, and where the person wanted to go, as far as is known.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub reason: LoginFailed,
    /// Where "start again" leads.
    pub continuation: Option<Continuation>,
}

/// Whose ID token is checked.
#[derive(Clone, Copy, Debug)]
struct Provider<'a> {
    tenant: &'a Tenant,
    upstream: &'a UpstreamProvider,
    openid: &'a OpenIdConnect,
    jwks_uri: &'a url::Url,
    budget: Budget,
}

impl RelyingParty {
    /// Completes the login that `parameters` answer, for the browser that holds `cookie`.
    ///
    /// # Errors
    /// [`Failure`]. Nobody is signed in then, and the attempt is used up unless the callback was not this
    /// browser's.
    pub async fn complete_login(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        parameters: CallbackParameters,
        cookie: Option<&Handle<AttemptKind>>,
    ) -> Result<Completed, Failure> {
        let matched = self.matched(tenant, provider, parameters, cookie).await?;
        let continuation = matched.attempt().continuation.clone();
        let began = self.clock.monotonic();
        let identified = self.identify(tenant, provider, &matched).await;
        let took = self.clock.monotonic().saturating_sub(began);
        let (of, at) = (tenant.id.as_str(), provider.id.as_str());
        provider_took(of, at, identified.is_ok(), took);
        identified
            .map(|(identity, id_token)| Completed {
                identity,
                id_token,
                continuation: continuation.clone(),
            })
            .map_err(|trouble| Failure {
                reason: trouble.into(),
                continuation: Some(continuation),
            })
    }

    /// Takes the attempt out by state and cookie in one statement, then lets it judge the callback.
    async fn matched(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        parameters: CallbackParameters,
        cookie: Option<&Handle<AttemptKind>>,
    ) -> Result<MatchedAttempt, Failure> {
        let failed = |reason| Failure {
            reason,
            continuation: None,
        };
        let cookie = cookie
            .map(Handle::digest)
            .ok_or_else(|| failed(CallbackRefused::ForeignBrowser.into()))?;
        let state = parameters.state.digest();
        let attempt = self
            .store
            .take_attempt(state, cookie)
            .await
            .map_err(|error| failed(error.into()))?
            .ok_or_else(|| failed(LoginFailed::Unknown))?;
        let own = attempt.tenant == tenant.id;
        let continuation = Some(attempt.continuation.clone()).filter(|_| own);
        let callback = Callback {
            arrived_at: (tenant.id.clone(), provider.id.clone()),
            cookie: Some(cookie),
            state,
            issuer: parameters.issuer,
            answer: parameters.answer,
        };
        attempt
            .accept(callback, self.clock.now())
            .map_err(|refused| Failure {
                reason: refused.into(),
                continuation,
            })
    }

    /// Exchanges the code and reads who it is.
    async fn identify(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        matched: &MatchedAttempt,
    ) -> Result<(VerifiedIdentity, Option<SecretString>), UpstreamTrouble> {
        if let Protocol::OpenIdConnect(openid) = &provider.protocol
            && let Some(page) = &openid.sign_in_page
        {
            let verified = self
                .posted_token(tenant, provider, openid, page, matched)
                .await?;
            let profile = Documents::of_token(&verified).profile(&tenant.id, provider)?;
            return Ok((VerifiedIdentity::new(matched, profile), None));
        }
        let redirect_uri = tenant.base.redirect_uri(&provider.id);
        let (documents, id_token) = match &provider.protocol {
            Protocol::OpenIdConnect(openid) => {
                let metadata = self.metadata(provider, openid).await?;
                let authentication =
                    metadata.client_authentication(&provider.client_authentication);
                let tokens = self
                    .exchange_code(
                        provider,
                        &metadata.token_endpoint,
                        &authentication,
                        redirect_uri,
                        matched,
                    )
                    .await?;
                let algorithm =
                    metadata.id_token_algorithm(openid.id_token_algorithm.as_deref())?;
                let verified = self
                    .verified(
                        Provider {
                            tenant,
                            upstream: provider,
                            openid,
                            jwks_uri: &metadata.jwks_uri,
                            budget: Budget::TokenEndpoint,
                        },
                        algorithm,
                        Some(&matched.attempt().nonce),
                        &tokens,
                    )
                    .await?;
                if openid.is_shared_by_tenants() {
                    verified.check_named(matched.issuer())?;
                }
                let endpoint = metadata.userinfo_endpoint.as_ref();
                let mut documents = self
                    .claims_documents(provider, openid, endpoint, &verified, &tokens)
                    .await?;
                self.ask_further(provider, &tokens, &mut documents).await?;
                (documents, tokens.id_token)
            }
            Protocol::OAuth2 { token_endpoint, .. } => {
                let tokens = self
                    .exchange_code(
                        provider,
                        token_endpoint,
                        &provider.client_authentication,
                        redirect_uri,
                        matched,
                    )
                    .await?;
                let documents = self.profile_documents(provider, &tokens).await?;
                (documents, None)
            }
        };
        let profile = documents.profile(&tenant.id, provider)?;
        Ok((VerifiedIdentity::new(matched, profile), id_token))
    }

    /// The ID token that the operator's page has posted. It is no answer to a request of ours: the callback was
    /// this browser's, and the token must have been made since the login began.
    async fn posted_token(
        &self,
        tenant: &Tenant,
        upstream: &UpstreamProvider,
        openid: &OpenIdConnect,
        page: &SignInPage,
        matched: &MatchedAttempt,
    ) -> Result<VerifiedIdToken, UpstreamTrouble> {
        let algorithm = posted_token_algorithm(openid)?;
        let tokens = Tokens {
            access_token: SecretString::default(),
            id_token: Some(matched.code().clone()),
            further: serde_json::Value::Null,
        };
        let provider = Provider {
            tenant,
            upstream,
            openid,
            jwks_uri: &page.keys,
            // It came from a browser, as bearer tokens do.
            budget: Budget::Bearer,
        };
        let verified = self.verified(provider, algorithm, None, &tokens).await?;
        let within = page.authenticated_within.try_into();
        verified.check_fresh(
            matched.attempt().began_at,
            within.unwrap_or(time::Duration::ZERO),
            self.clock.now(),
        )?;
        Ok(verified)
    }

    /// The ID token, checked with the one key of the provider that fits it. A provider can put a new key in
    /// the place of an old one without changing its name: a signature that does not fit is tried once more,
    /// with the key that stands there now.
    async fn verified(
        &self,
        provider: Provider<'_>,
        algorithm: SignatureAlgorithm,
        nonce: Option<&SecretString>,
        tokens: &Tokens,
    ) -> Result<VerifiedIdToken, UpstreamTrouble> {
        let raw = tokens.id_token.as_ref().ok_or(IdTokenRefused::Missing)?;
        let header = JoseHeader::peek(raw.expose_secret())
            .map_err(|refused| IdTokenRefused::Header(refused.to_string()))?;
        let client = self.http.for_reach(&provider.upstream.reach)?;
        let spending = Spending {
            tenant: provider.tenant.id.clone(),
            budget: provider.budget,
            cool_down: provider.openid.key_cool_down,
        };
        let verify = |keys: &KeySet| {
            let [key] = keys.keys() else {
                return Err(IdTokenRefused::Key(format!(
                    "{} keys fit",
                    keys.keys().len()
                )));
            };
            let expected = Expected {
                openid: provider.openid,
                client_id: &provider.upstream.client_id,
                algorithm,
                key,
                nonce,
                access_token: &tokens.access_token,
                now: self.clock.now(),
            };
            VerifiedIdToken::verify(raw, &expected)
        };
        let keys = self
            .key_sets
            .keys_for(provider.jwks_uri, &client, &header, algorithm, &spending)
            .await?;
        match verify(&keys) {
            Err(IdTokenRefused::Signature(reason)) => {
                let instead = self
                    .key_sets
                    .keys_instead_of(
                        &keys,
                        provider.jwks_uri,
                        &client,
                        &header,
                        algorithm,
                        &spending,
                    )
                    .await
                    .ok_or(IdTokenRefused::Signature(reason))?;
                Ok(verify(&instead)?)
            }
            verified => Ok(verified?),
        }
    }

    /// Whose metadata this is was checked when it was fetched.
    pub(super) async fn metadata(
        &self,
        provider: &UpstreamProvider,
        openid: &OpenIdConnect,
    ) -> Result<std::sync::Arc<crate::providers::ProviderMetadata>, UpstreamTrouble> {
        let client = self.http.for_reach(&provider.reach)?;
        let metadata = self.documents.get(&openid.discovery, &client).await?;
        if !openid.is_called(&metadata.issuer) {
            return Err(crate::providers::MetadataFault::Issuer {
                expected: openid.issuer.to_string(),
                found: metadata.issuer.clone(),
            }
            .into());
        }
        Ok(metadata)
    }
}

/// The one algorithm of ID tokens that a page posts: there are no metadata to choose it from.
pub(super) fn posted_token_algorithm(
    openid: &OpenIdConnect,
) -> Result<SignatureAlgorithm, IdTokenRefused> {
    let configured = openid.id_token_algorithm.as_deref().unwrap_or("RS256");
    configured
        .parse()
        .map_err(|_| IdTokenRefused::Key(format!("{configured} cannot be checked")))
}
