//! Signing out at the provider (OIDC RP-Initiated Logout 1.0 §2, or what its preset says instead).

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::RelyingParty;
use crate::domain::handle::{Handle, SignOutKind};
use crate::domain::logout::{Logout, LogoutRedirect, LogoutValue};
use crate::domain::tenant::Tenant;
use crate::domain::upstream_provider::{OpenIdConnect, Protocol, UpstreamProvider};

/// Where a person goes to sign out at the provider.
#[derive(Debug)]
pub struct LogoutAddress {
    /// There.
    pub address: Url,
    /// Whether our `state` comes back with the person. Otherwise the browser has to remember it.
    pub returns_state: bool,
}

impl RelyingParty {
    /// Where the person signs out at the provider, if it has such a place and can be asked where. `state`
    /// comes back with the person, where the provider brings anything back.
    pub async fn logout_address(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        id_token: Option<&SecretString>,
        state: &Handle<SignOutKind>,
    ) -> Option<LogoutAddress> {
        let Logout::Redirect(redirect) = &provider.logout else {
            return None;
        };
        let mut address = self.place_of_logout(tenant, provider, redirect).await?;
        let mut returns_state = false;
        for (name, value) in &redirect.parameters {
            let mut query = address.query_pairs_mut();
            match value {
                LogoutValue::IdToken => {
                    if let Some(id_token) = id_token {
                        query.append_pair(name, id_token.expose_secret());
                    }
                }
                LogoutValue::ClientId => drop(query.append_pair(name, &provider.client_id)),
                LogoutValue::ReturnAddress => {
                    query.append_pair(name, &tenant.base.address("/signed-out"));
                }
                LogoutValue::Empty => drop(query.append_key_only(name)),
                LogoutValue::State => {
                    query.append_pair(name, &state.reveal());
                    returns_state = true;
                }
            }
        }
        Some(LogoutAddress {
            address,
            returns_state,
        })
    }

    /// Where people are at the provider when they sign in and out there, as far as its metadata can be had.
    pub async fn pages_of(&self, provider: &UpstreamProvider, openid: &OpenIdConnect) -> Vec<Url> {
        let metadata = self.metadata(provider, openid).await.ok();
        let mut pages: Vec<Url> = metadata
            .iter()
            .flat_map(|metadata| {
                let end_session = metadata.end_session_endpoint.clone();
                std::iter::once(metadata.authorization_endpoint.clone()).chain(end_session)
            })
            .collect();
        if let Logout::Redirect(redirect) = &provider.logout {
            pages.extend(redirect.address.clone());
        }
        pages
    }

    /// Whether there is such a place.
    pub async fn offers_logout(&self, tenant: &Tenant, provider: &UpstreamProvider) -> bool {
        match &provider.logout {
            Logout::None => false,
            Logout::Redirect(redirect) => self
                .place_of_logout(tenant, provider, redirect)
                .await
                .is_some(),
        }
    }

    async fn place_of_logout(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        redirect: &LogoutRedirect,
    ) -> Option<Url> {
        let Protocol::OpenIdConnect(openid) = &provider.protocol else {
            return redirect.address.clone();
        };
        if !redirect.discovered {
            return redirect.address.clone();
        }
        match self.metadata(provider, openid).await {
            Ok(metadata) => metadata
                .end_session_endpoint
                .clone()
                .or_else(|| redirect.address.clone()),
            // A provider that is down must not keep anybody signed in here.
            Err(error) => {
                tracing::warn!(tenant = %tenant.id, provider = %provider.id, %error, "signing out here only");
                None
            }
        }
    }
}
