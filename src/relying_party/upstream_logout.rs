//! Signing out at the provider (OIDC RP-Initiated Logout 1.0 §2).

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::RelyingParty;
use crate::domain::handle::{Handle, SignOutKind};
use crate::domain::tenant::Tenant;
use crate::domain::upstream_provider::{Logout, Protocol, UpstreamProvider};

impl RelyingParty {
    /// Where the person signs out at the provider, if it has such a place and can be asked where. `state`
    /// comes back with the person.
    pub async fn logout_address(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        id_token: Option<&SecretString>,
        state: &Handle<SignOutKind>,
    ) -> Option<Url> {
        let mut address = self.end_session_endpoint(tenant, provider).await?;
        {
            let mut query = address.query_pairs_mut();
            if let Some(id_token) = id_token {
                query.append_pair("id_token_hint", id_token.expose_secret());
            }
            query.append_pair("client_id", &provider.client_id);
            query.append_pair(
                "post_logout_redirect_uri",
                &tenant.base.address("/signed-out"),
            );
            query.append_pair("state", &state.reveal());
        }
        Some(address)
    }

    /// Whether there is such a place.
    pub async fn offers_logout(&self, tenant: &Tenant, provider: &UpstreamProvider) -> bool {
        self.end_session_endpoint(tenant, provider).await.is_some()
    }

    async fn end_session_endpoint(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
    ) -> Option<Url> {
        let Protocol::OpenIdConnect(openid) = &provider.protocol else {
            return None;
        };
        if provider.logout == Logout::None {
            return None;
        }
        match self.metadata(provider, openid).await {
            Ok(metadata) => metadata.end_session_endpoint.clone(),
            // A provider that is down must not keep anybody signed in here.
            Err(error) => {
                tracing::warn!(tenant = %tenant.id, provider = %provider.id, %error, "signing out here only");
                None
            }
        }
    }
}
