//! What a provider speaks, with the operator's values in it.

use super::super::preset::Definition;
use super::super::protocol::Protocol as Speaks;
use super::Resolution;
use crate::domain::ids::Issuer;
use crate::domain::upstream_provider::{OpenIdConnect, Protocol, SignInPage};

impl Resolution<'_> {
    pub(super) fn protocol(&mut self, definition: &Definition) -> Option<Protocol> {
        match &definition.protocol {
            Speaks::OpenIdConnect {
                issuer,
                further_issuers,
                tenant_claim,
                key_issuer,
                key_cool_down,
                discovery,
                discovery_query,
                names_itself_in_any_spelling,
                userinfo,
                sign_in_page,
            } => {
                let issuer = self.text(issuer)?;
                let discovery = match discovery.as_ref().and_then(|it| it.fill(&self.values)) {
                    Some(text) => self.checked(&text),
                    // OIDC Discovery 1.0 §4.1: a final slash is taken off first.
                    None => self.checked(&format!(
                        "{}/.well-known/openid-configuration",
                        issuer.strip_suffix('/').unwrap_or(&issuer)
                    )),
                };
                let mut discovery = discovery?;
                for (name, value) in self.filled(discovery_query) {
                    discovery.query_pairs_mut().append_pair(&name, &value);
                }
                let sign_in_page = match sign_in_page {
                    None => None,
                    Some(page) => Some(SignInPage {
                        address: self.url(&page.address)?,
                        keys: self.url(&page.keys)?,
                        authenticated_within: page.authenticated_within,
                    }),
                };
                let algorithm = self.settings.id_token_algorithm.as_ref();
                let spellings = further_issuers.iter().filter_map(|it| self.text(it));
                Some(Protocol::OpenIdConnect(OpenIdConnect {
                    issuer: Issuer::new(&issuer),
                    further_issuers: spellings.map(|it| Issuer::new(&it)).collect(),
                    tenant_claim: tenant_claim.as_ref().and_then(|it| self.written().path(it)),
                    key_issuer: *key_issuer,
                    key_cool_down: *key_cool_down,
                    discovery,
                    names_itself_in_any_spelling: *names_itself_in_any_spelling,
                    id_token_algorithm: algorithm.map(|it| it.value.clone()),
                    userinfo: *userinfo,
                    sign_in_page,
                }))
            }
            Speaks::OAuth2 {
                authorization_endpoint,
                token_endpoint,
                response_issuer,
            } => {
                let authorization_endpoint = self.url(authorization_endpoint);
                let token_endpoint = self.url(token_endpoint);
                let response_issuer = response_issuer.as_ref().and_then(|it| self.text(it));
                Some(Protocol::OAuth2 {
                    authorization_endpoint: authorization_endpoint?,
                    token_endpoint: token_endpoint?,
                    response_issuer: response_issuer.map(|issuer| Issuer::new(&issuer)),
                })
            }
        }
    }
}
