//! The second half of a login: from a callback to a verified identity.
//!
//! `CallbackParameters → MatchedAttempt → VerifiedIdToken → VerifiedIdentity`: each is made from the one
//! before and in no other way, so that no step can be left out.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use super::callback_parameters::CallbackParameters;
use super::code_exchange::Tokens;
use super::documents::Documents;
use super::id_token::{Expected, ExpectedNonce, IdTokenRefused, VerifiedIdToken};
use super::{RelyingParty, UpstreamTrouble};
use crate::domain::handle::{AttemptKind, Handle};
use crate::domain::identity::VerifiedIdentity;
use crate::domain::login_attempt::{Callback, CallbackRefused, Continuation, MatchedAttempt};
use crate::domain::tenant::Tenant;
use crate::domain::upstream_logout::SignedOutMeanwhile;
use crate::domain::upstream_provider::{OpenIdConnect, Protocol, SignInPage, UpstreamProvider};
use crate::domain::upstream_tokens::UpstreamTokens;
use crate::jose::{JoseHeader, Jwk, KeyRefused, SignatureAlgorithm};
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
    /// What else is kept, where the provider's tokens are.
    pub tokens: Option<UpstreamTokens>,
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
    /// The provider ended the login before it was done.
    #[error(transparent)]
    SignedOutMeanwhile(#[from] SignedOutMeanwhile),
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
pub(super) struct Provider<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) upstream: &'a UpstreamProvider,
    pub(super) openid: &'a OpenIdConnect,
    pub(super) jwks_uri: &'a url::Url,
    pub(super) budget: Budget,
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
            .map(|(identity, tokens)| Completed {
                identity,
                tokens: kept(tenant, provider, &tokens),
                id_token: tokens.id_token,
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
    ) -> Result<(VerifiedIdentity, Tokens), UpstreamTrouble> {
        if let Protocol::OpenIdConnect(openid) = &provider.protocol
            && let Some(page) = &openid.sign_in_page
        {
            let verified = self
                .posted_token(tenant, provider, openid, page, matched)
                .await?;
            let profile =
                Documents::of_token(&verified).profile(tenant, provider, self.clock.now())?;
            return Ok((VerifiedIdentity::new(matched, profile), Tokens::none()));
        }
        let redirect_uri = tenant.base.redirect_uri(&provider.id);
        let (documents, tokens) = match &provider.protocol {
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
                        ExpectedNonce::Attempt(&matched.attempt().nonce),
                        &tokens,
                    )
                    .await?;
                if openid.is_shared_by_tenants() {
                    verified.check_named(matched.issuer())?;
                }
                let endpoint = metadata.userinfo_endpoint.as_ref();
                let mut documents = self
                    .claims_documents(tenant, provider, openid, endpoint, &verified, &tokens)
                    .await?;
                self.ask_further(provider, &tokens, &mut documents).await?;
                (documents, tokens)
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
                let id_token = None;
                (documents, Tokens { id_token, ..tokens })
            }
        };
        let profile = documents.profile(tenant, provider, self.clock.now())?;
        Ok((VerifiedIdentity::new(matched, profile), tokens))
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
            id_token: Some(matched.code().clone()),
            ..Tokens::none()
        };
        let provider = Provider {
            tenant,
            upstream,
            openid,
            jwks_uri: &page.keys,
            // It came from a browser, as bearer tokens do.
            budget: Budget::Bearer,
        };
        let verified = self
            .verified(provider, algorithm, ExpectedNonce::NotOurs, &tokens)
            .await?;
        let within = page.authenticated_within.try_into();
        verified.check_fresh(
            matched.attempt().began_at,
            within.unwrap_or(time::Duration::ZERO),
            self.clock.now(),
        )?;
        Ok(verified)
    }

    /// The ID token, checked with the one key of the provider that fits it.
    pub(super) async fn verified(
        &self,
        provider: Provider<'_>,
        algorithm: SignatureAlgorithm,
        nonce: ExpectedNonce<'_>,
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
        let verify = |key: &Arc<Jwk>| {
            let expected = Expected {
                openid: provider.openid,
                client_id: &provider.upstream.client_id,
                algorithm,
                key,
                nonce,
                access_token: &tokens.access_token,
                now: self.clock.now(),
            };
            match VerifiedIdToken::verify(raw, &expected) {
                Err(IdTokenRefused::Signature) => None,
                verified => Some(verified),
            }
        };
        let address = provider.jwks_uri;
        let verified = self
            .key_sets
            .verified(address, &client, &header, algorithm, &spending, verify)
            .await;
        match verified {
            Err(KeyRefused::Signature) => Err(IdTokenRefused::Signature.into()),
            verified => Ok(verified??),
        }
    }

    /// Whose metadata this is was checked when it was fetched.
    pub(super) async fn metadata(
        &self,
        provider: &UpstreamProvider,
        openid: &OpenIdConnect,
    ) -> Result<Arc<crate::providers::ProviderMetadata>, UpstreamTrouble> {
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

/// What is kept of the tokens, where this provider's are.
fn kept(tenant: &Tenant, provider: &UpstreamProvider, tokens: &Tokens) -> Option<UpstreamTokens> {
    if !provider.tokens.keeps() {
        return None;
    }
    let refresh = provider.tokens.refresh.as_ref();
    let uses_refresh_tokens = refresh.is_some_and(|refresh| refresh.uses_refresh_tokens);
    if refresh.is_some_and(|refresh| refresh.expects_refresh_tokens)
        && tokens.refresh_token.is_none()
    {
        tracing::warn!(
            target: "audit", event = "no_refresh_token", tenant = %tenant.id, provider = %provider.id,
            "the provider gave no refresh token: people are looked at again as long as the access token lives"
        );
    }
    Some(UpstreamTokens {
        access_token: tokens.access_token.clone(),
        expires_at: tokens.expires_at,
        refresh_token: tokens.refresh_token.clone().filter(|_| uses_refresh_tokens),
        // It is the session's own.
        id_token: None,
    })
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
