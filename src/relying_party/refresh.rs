//! Looking at a person again while they are signed in (RFC 6749 §6, OIDC Core 1.0 §12).
//!
//! Two steps, so that nothing is lost between them: [`RelyingParty::refresh_tokens`] fetches new tokens, the caller
//! keeps a refresh token that came, and only then [`RelyingParty::look_again`] asks with them who the person is
//! now. It judges what a login judges, by the same code. Sessions are not known here.

use secrecy::SecretString;

use super::code_exchange::Tokens;
use super::complete_login::Provider;
use super::documents::Documents;
use super::id_token::{ExpectedNonce, IdTokenRefused, VerifiedIdToken};
use super::{RelyingParty, UpstreamTrouble};
use crate::domain::identity::Profile;
use crate::domain::tenant::Tenant;
use crate::domain::upstream_provider::{OpenIdConnect, Protocol, UpstreamProvider};
use crate::domain::upstream_tokens::{Refresh, UpstreamTokens};
use crate::outbound::Budget;
use crate::providers::ProviderMetadata;
use crate::storage::Claimed;

/// New tokens, nothing in them believed yet.
#[derive(Debug)]
pub struct Fresh(Tokens);

impl Fresh {
    /// In place of the one that fetched it, where one came. The old one may be dead by now.
    #[must_use]
    pub const fn refresh_token(&self) -> Option<&SecretString> {
        self.0.refresh_token.as_ref()
    }

    /// All of them, for [`RelyingParty::revoke`].
    #[must_use]
    pub fn to_revoke(&self) -> UpstreamTokens {
        UpstreamTokens {
            access_token: self.0.access_token.clone(),
            expires_at: None,
            refresh_token: self.0.refresh_token.clone(),
            id_token: None,
        }
    }
}

/// A person who is as their provider describes them now.
#[derive(Debug)]
pub struct LookedAgain {
    /// What it says.
    pub profile: Profile,
    /// What is kept from now on.
    pub tokens: UpstreamTokens,
}

/// Why a person was not looked at again.
#[derive(Debug, thiserror::Error)]
pub enum NotRefreshed {
    /// What was granted is over: withdrawn, expired, or its account closed. The session must end.
    #[error("the provider's grant is over: {0}")]
    Over(Box<str>),
    /// The provider answered, and this person would not be signed in by it. The session must end.
    #[error(transparent)]
    Refused(UpstreamTrouble),
    /// There is nothing left to ask with. The session goes on, and nobody looks before the next sign-in.
    #[error("the access token has expired, and no refresh token came with it")]
    NothingToAskWith,
    /// Nothing was learned of the person. The session goes on.
    #[error(transparent)]
    Trouble(UpstreamTrouble),
}

impl NotRefreshed {
    /// Whether it says of the person that their session must end.
    #[must_use]
    pub const fn is_about_the_person(&self) -> bool {
        match self {
            Self::Over(_) | Self::Refused(_) => true,
            Self::NothingToAskWith | Self::Trouble(_) => false,
        }
    }
}

impl From<UpstreamTrouble> for NotRefreshed {
    fn from(trouble: UpstreamTrouble) -> Self {
        if trouble.is_refusal() {
            Self::Refused(trouble)
        } else {
            Self::Trouble(trouble)
        }
    }
}

impl RelyingParty {
    /// Fetches new tokens. `None`: there is no refresh token, and the access token has to do.
    ///
    /// # Errors
    /// [`NotRefreshed`].
    pub async fn refresh_tokens(
        &self,
        provider: &UpstreamProvider,
        refresh: &Refresh,
        kept: &Claimed,
    ) -> Result<Option<Fresh>, NotRefreshed> {
        let now = self.clock.now();
        if refresh.is_outlived(kept.granted_at, now) {
            return Err(NotRefreshed::Over("it has reached its greatest age".into()));
        }
        let tokens = &kept.tokens;
        let Some(refresh_token) = tokens
            .refresh_token
            .as_ref()
            .filter(|_| refresh.uses_refresh_tokens)
        else {
            return match tokens.expires_at {
                Some(at) if now >= at => Err(NotRefreshed::NothingToAskWith),
                _ => Ok(None),
            };
        };
        let exchanged = match &provider.protocol {
            Protocol::OpenIdConnect(openid) => {
                let metadata = self.metadata(provider, openid).await?;
                let configured = &provider.client_authentication;
                let authentication = metadata.client_authentication(configured);
                let endpoint = &metadata.token_endpoint;
                self.exchange_refresh_token(provider, endpoint, &authentication, refresh_token)
                    .await
            }
            Protocol::OAuth2 { token_endpoint, .. } => {
                let authentication = &provider.client_authentication;
                self.exchange_refresh_token(provider, token_endpoint, authentication, refresh_token)
                    .await
            }
        };
        match exchanged {
            Ok(tokens) => Ok(Some(Fresh(tokens))),
            Err(UpstreamTrouble::TokenRefused(error)) if refresh.ends_with(&error) => {
                Err(NotRefreshed::Over(error.into()))
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// Asks who the person is now, with `fresh` tokens where some came.
    ///
    /// # Errors
    /// [`NotRefreshed`].
    pub async fn look_again(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        kept: &Claimed,
        fresh: Option<Fresh>,
    ) -> Result<LookedAgain, NotRefreshed> {
        let with_old_token = fresh.is_none();
        let fresh = fresh.map(|fresh| fresh.0);
        let asking = fresh.unwrap_or_else(|| still_good(kept));
        let documents = match &provider.protocol {
            Protocol::OpenIdConnect(openid) => {
                self.claims_now(tenant, provider, openid, kept, &asking)
                    .await
            }
            Protocol::OAuth2 { .. } => self.profile_documents(provider, &asking).await,
        };
        let documents = documents.map_err(|trouble| match trouble {
            // An access token that should live and does not was withdrawn (RFC 6750 §3.1).
            UpstreamTrouble::Status(place, 401) if with_old_token => {
                NotRefreshed::Over(format!("`{place}` refused the access token").into())
            }
            trouble => trouble.into(),
        })?;
        let profile = documents.profile(tenant, provider, self.clock.now())?;
        let tokens = UpstreamTokens {
            access_token: asking.access_token,
            expires_at: asking.expires_at,
            refresh_token: asking
                .refresh_token
                .or_else(|| kept.tokens.refresh_token.clone()),
            id_token: asking.id_token,
        };
        Ok(LookedAgain { profile, tokens })
    }

    async fn claims_now(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        openid: &OpenIdConnect,
        kept: &Claimed,
        tokens: &Tokens,
    ) -> Result<Documents, UpstreamTrouble> {
        let metadata = self.metadata(provider, openid).await?;
        let endpoint = metadata.userinfo_endpoint.as_ref();
        let first = kept.first_id_token.as_ref();
        let first = VerifiedIdToken::kept(first.ok_or(IdTokenRefused::Missing)?)?;
        let mut documents = if tokens.id_token.is_some() {
            let verified = self
                .verified_again(tenant, provider, openid, &metadata, tokens, &first)
                .await?;
            self.claims_documents(tenant, provider, openid, endpoint, &verified, tokens)
                .await?
        } else {
            let last = kept.tokens.id_token.as_ref();
            let last = VerifiedIdToken::kept(last.ok_or(IdTokenRefused::Missing)?)?;
            self.claims_documents_again(provider, openid, endpoint, &last, &tokens.access_token)
                .await?
        };
        documents.inherit(&first);
        self.ask_further(provider, tokens, &mut documents).await?;
        Ok(documents)
    }

    /// The ID token of a refresh, which must be about the same sign-in as the first (OIDC Core 1.0 §12.2).
    async fn verified_again(
        &self,
        tenant: &Tenant,
        upstream: &UpstreamProvider,
        openid: &OpenIdConnect,
        metadata: &ProviderMetadata,
        fresh: &Tokens,
        first: &VerifiedIdToken,
    ) -> Result<VerifiedIdToken, UpstreamTrouble> {
        let algorithm = metadata.id_token_algorithm(openid.id_token_algorithm.as_deref())?;
        let nonce = first.claims().get("nonce").and_then(|nonce| nonce.as_str());
        let provider = Provider {
            tenant,
            upstream,
            openid,
            jwks_uri: &metadata.jwks_uri,
            budget: Budget::TokenEndpoint,
        };
        let verified = self
            .verified(provider, algorithm, ExpectedNonce::AsBefore(nonce), fresh)
            .await?;
        verified.continues(first, openid)?;
        Ok(verified)
    }
}

/// What asks where no new tokens came.
fn still_good(kept: &Claimed) -> Tokens {
    Tokens {
        access_token: kept.tokens.access_token.clone(),
        expires_at: kept.tokens.expires_at,
        ..Tokens::none()
    }
}
