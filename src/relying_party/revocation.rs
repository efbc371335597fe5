//! Telling a provider that tokens are not needed any more (RFC 7009, or what its preset says instead).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use url::Url;

use super::code_exchange::Credentials;
use super::{RelyingParty, UpstreamTrouble};
use crate::domain::upstream_provider::{Protocol, UpstreamProvider};
use crate::domain::upstream_tokens::{Revocation, RevocationRequest, RevokedToken, UpstreamTokens};

impl RelyingParty {
    /// Revokes the tokens of a session that has ended. Whether the provider was told: there may be no way to, or no
    /// token that it takes.
    ///
    /// # Errors
    /// [`UpstreamTrouble`]. The tokens may live on until they expire.
    pub async fn revoke(
        &self,
        provider: &UpstreamProvider,
        tokens: &UpstreamTokens,
    ) -> Result<bool, UpstreamTrouble> {
        let Some(revocation) = &provider.tokens.revocation else {
            return Ok(false);
        };
        let Some((token, kind)) = chosen(revocation, tokens) else {
            return Ok(false);
        };
        let (token_endpoint, discovered, authentication) = match &provider.protocol {
            Protocol::OpenIdConnect(openid) => {
                let metadata = self.metadata(provider, openid).await?;
                let configured = &provider.client_authentication;
                let authentication = metadata.client_authentication(configured);
                let discovered = metadata.revocation_endpoint.clone();
                (metadata.token_endpoint.clone(), discovered, authentication)
            }
            Protocol::OAuth2 { token_endpoint, .. } => {
                let authentication = provider.client_authentication.clone();
                (token_endpoint.clone(), None, authentication)
            }
        };
        let discovered = discovered.filter(|_| revocation.discovered);
        let Some(address) = discovered.or_else(|| revocation.address.clone()) else {
            return Ok(false);
        };
        let request = match revocation.request {
            RevocationRequest::Form => {
                let credentials = self.credentials(provider, &token_endpoint, &authentication)?;
                form(&address, provider, &credentials, token, kind)
            }
            RevocationRequest::Delete => deletion(&address, provider, token),
        };
        let request = request.map_err(|error| {
            UpstreamTrouble::ProfileAnswer("the revocation endpoint".into(), error.to_string())
        })?;
        let answer = self.http.for_reach(&provider.reach)?.send(request).await?;
        if answer.status().is_success() {
            return Ok(true);
        }
        let status = answer.status().as_u16();
        Err(UpstreamTrouble::Status(
            "the revocation endpoint".into(),
            status,
        ))
    }
}

/// The token to revoke, and what RFC 7009 §2.1 calls it.
fn chosen<'a>(
    revocation: &Revocation,
    tokens: &'a UpstreamTokens,
) -> Option<(&'a SecretString, &'static str)> {
    let refresh = tokens.refresh_token.as_ref();
    let refresh = refresh.map(|token| (token, "refresh_token"));
    let access = Some((&tokens.access_token, "access_token"));
    match revocation.token {
        RevokedToken::Either => refresh.or(access),
        RevokedToken::Refresh => refresh,
        RevokedToken::Access => access,
    }
}

/// RFC 7009 §2.1. We are who we are at the token endpoint.
fn form(
    address: &Url,
    provider: &UpstreamProvider,
    credentials: &Credentials,
    token: &SecretString,
    kind: &str,
) -> http::Result<Request<Vec<u8>>> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token.expose_secret())
        .append_pair("token_type_hint", kind);
    let mut request = Request::post(address.as_str())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    match (&credentials.secret, credentials.in_header) {
        (Some(secret), true) => {
            request = request.header(header::AUTHORIZATION, basic(&provider.client_id, secret));
        }
        (secret, _) => {
            form.append_pair("client_id", &provider.client_id);
            if let Some(secret) = secret {
                form.append_pair("client_secret", secret.expose_secret());
            }
        }
    }
    for (name, value) in credentials.assertion_parameters() {
        form.append_pair(name, &value);
    }
    request.body(form.finish().into_bytes())
}

/// GitHub's way: the token in a JSON object, the client always by basic authentication.
fn deletion(
    address: &Url,
    provider: &UpstreamProvider,
    token: &SecretString,
) -> http::Result<Request<Vec<u8>>> {
    let body = json!({ "access_token": token.expose_secret() });
    let mut request = Request::builder()
        .method(Method::DELETE)
        .uri(address.as_str())
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(secret) = &provider.client_secret {
        request = request.header(header::AUTHORIZATION, basic(&provider.client_id, secret));
    }
    request.body(body.to_string().into_bytes())
}

/// RFC 6749 §2.3.1: both parts are written as in a form first.
fn basic(client_id: &str, secret: &SecretString) -> String {
    let written =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let both = format!("{}:{}", written(client_id), written(secret.expose_secret()));
    format!("Basic {}", STANDARD.encode(both))
}
