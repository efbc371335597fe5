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
        let Protocol::OpenIdConnect(openid) = &provider.protocol else {
            return None;
        };
        if provider.logout == Logout::None {
            return None;
        }
        // A provider that is down must not keep anybody signed in here.
        let metadata = match self.metadata(provider, openid).await {
            Ok(metadata) => metadata,
            Err(error) => {
                tracing::warn!(tenant = %tenant.id, provider = %provider.id, %error, "signing out here only");
                return None;
            }
        };
        let mut address = metadata.end_session_endpoint.clone()?;
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
}
