//! The first half of a login: remember an attempt, and say where to send the person.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth2::{
    AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{RelyingParty, UpstreamTrouble};
use crate::domain::handle::{AttemptKind, Handle, StateKind};
use crate::domain::ids::Issuer;
use crate::domain::login_attempt::{Continuation, PendingAttempt};
use crate::domain::login_hint::{LoginHint, LoginHints};
use crate::domain::tenant::Tenant;
use crate::domain::upstream_provider::{Protocol, ResponseMode, UpstreamProvider};
use crate::storage::{Network, StorageError, TooManyWaiting, WaitingCaps};

/// A login under way.
#[derive(Debug)]
pub struct Begun {
    /// Where the person goes: the provider's authorization endpoint with our request.
    pub authorization_request: Url,
    /// Names this attempt's cookie.
    pub state: Handle<StateKind>,
    /// The cookie's value: binds the attempt to this browser.
    pub cookie: Handle<AttemptKind>,
}

/// Why no login was begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginFailed {
    /// The provider's metadata cannot be had or used.
    #[error(transparent)]
    Upstream(#[from] UpstreamTrouble),
    /// The attempt could not be remembered.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Too many attempts from one network wait already.
    #[error(transparent)]
    TooMany(#[from] TooManyWaiting),
}

/// What the request for a login brings along.
#[derive(Debug)]
pub struct LoginRequest {
    /// Where the person goes afterwards.
    pub continuation: Continuation,
    /// Whether the person wants to choose another account.
    pub switch_account: bool,
    /// What else they, or the app, would like.
    pub hints: LoginHints,
    /// Where the request came from.
    pub network: Network,
}

impl RelyingParty {
    /// Begins a login at `provider`: state, nonce and PKCE verifier are new, and remembered with the
    /// issuer that must answer.
    ///
    /// # Errors
    /// [`BeginFailed`]; nothing is remembered then.
    pub async fn begin_login(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        request: LoginRequest,
    ) -> Result<Begun, BeginFailed> {
        let counterpart = self.counterpart(provider).await?;
        let Fresh {
            attempt,
            state,
            cookie,
        } = self.fresh_attempt(tenant, provider, &counterpart, request.continuation);
        let authorization_request = authorization_request(
            &counterpart.authorization_endpoint,
            &tenant.base.redirect_uri(&provider.id),
            provider,
            &attempt,
            &state,
            request.switch_account,
            &request.hints,
        )?;
        self.store
            .begin_attempt(&attempt, request.network, self.waiting)
            .await??;
        Ok(Begun {
            authorization_request,
            state,
            cookie,
        })
    }

    /// An attempt of which nobody knows yet.
    pub(super) fn fresh_attempt(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        counterpart: &Counterpart,
        continuation: Continuation,
    ) -> Fresh {
        let state = Handle::<StateKind>::from_bytes(self.random.array());
        let cookie = Handle::<AttemptKind>::from_bytes(self.random.array());
        let attempt = PendingAttempt {
            tenant: tenant.id.clone(),
            provider: provider.id.clone(),
            issuer: counterpart.issuer.clone(),
            issuer_promised: counterpart.issuer_promised,
            cookie: cookie.digest(),
            state: state.digest(),
            nonce: self.secret(),
            code_verifier: self.secret(),
            continuation,
            began_at: self.clock.now(),
        };
        Fresh {
            attempt,
            state,
            cookie,
        }
    }

    /// 256 random bits as 43 unreserved characters: the shape of a PKCE verifier (RFC 7636 §4.1).
    pub(super) fn secret(&self) -> SecretString {
        URL_SAFE_NO_PAD.encode(self.random.array::<32>()).into()
    }
}

/// An attempt with what only its browser will know.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) attempt: PendingAttempt,
    pub(super) state: Handle<StateKind>,
    pub(super) cookie: Handle<AttemptKind>,
}

/// The other side of a login: what the metadata or the preset says of it.
#[derive(Debug)]
pub(super) struct Counterpart {
    pub(super) authorization_endpoint: Url,
    pub(super) issuer: Option<Issuer>,
    pub(super) issuer_promised: bool,
}

impl RelyingParty {
    pub(super) async fn counterpart(
        &self,
        provider: &UpstreamProvider,
    ) -> Result<Counterpart, UpstreamTrouble> {
        match &provider.protocol {
            Protocol::OpenIdConnect(openid) => {
                if let Some(page) = &openid.sign_in_page {
                    return Ok(Counterpart {
                        authorization_endpoint: page.address.clone(),
                        issuer: Some(openid.issuer.clone()),
                        issuer_promised: false,
                    });
                }
                let metadata = self.metadata(provider, openid).await?;
                // Told before the person goes there, not after they have signed in.
                metadata.id_token_algorithm(openid.id_token_algorithm.as_deref())?;
                Ok(Counterpart {
                    authorization_endpoint: metadata.authorization_endpoint.clone(),
                    issuer: (!openid.is_shared_by_tenants()).then(|| Issuer::new(&metadata.issuer)),
                    issuer_promised: metadata.authorization_response_iss_parameter_supported,
                })
            }
            Protocol::OAuth2 {
                authorization_endpoint,
                response_issuer,
                ..
            } => Ok(Counterpart {
                authorization_endpoint: authorization_endpoint.clone(),
                issuer: response_issuer.clone(),
                issuer_promised: false,
            }),
        }
    }
}

/// The authorization request (RFC 6749 §4.1.1, OIDC Core 1.0 §3.1.2.1, RFC 7636 §4.3).
pub(super) fn authorization_request(
    endpoint: &Url,
    redirect_uri: &str,
    provider: &UpstreamProvider,
    attempt: &PendingAttempt,
    state: &Handle<StateKind>,
    switch_account: bool,
    hints: &LoginHints,
) -> Result<Url, UpstreamTrouble> {
    if provider.sign_in_page().is_some() {
        let mut page = endpoint.clone();
        page.query_pairs_mut()
            .append_pair("state", &state.reveal())
            .append_pair("redirect_uri", redirect_uri)
            .extend_pairs(wishes(provider, switch_account, hints));
        return Ok(page);
    }
    let client = oauth2::basic::BasicClient::new(ClientId::new(provider.client_id.to_string()))
        .set_auth_uri(AuthUrl::from_url(endpoint.clone()))
        .set_redirect_uri(RedirectUrl::new(redirect_uri.to_owned())?);
    let verifier = PkceCodeVerifier::new(attempt.code_verifier.expose_secret().to_owned());
    let state = state.reveal();
    // The crate leaves `scope` out where there is none.
    let mut request = client
        .authorize_url(|| CsrfToken::new(state))
        .add_scope(Scope::new(provider.scopes.join(&provider.scope_separator)));
    if provider.pkce {
        request =
            request.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
    }
    if matches!(provider.protocol, Protocol::OpenIdConnect(_)) {
        request = request.add_extra_param("nonce", attempt.nonce.expose_secret().to_owned());
    }
    for (name, value) in wishes(provider, switch_account, hints) {
        request = request.add_extra_param(name.to_owned(), value.to_owned());
    }
    if provider.response_mode == ResponseMode::FormPost {
        request = request.add_extra_param("response_mode", "form_post");
    }
    let switch = provider.switch_account_parameters.iter();
    let switch = switch.filter(|_| switch_account);
    for (name, value) in provider.authorization_parameters.iter().chain(switch) {
        request = request.add_extra_param(name.to_string(), value.to_string());
    }
    let mut url = request.url().0;
    spaces_as_everywhere(&mut url);
    Ok(url)
}

/// A space is `+` in forms and `%20` everywhere (RFC 3986 §2.1): some servers read no forms here. A plus itself is
/// never bare in a query that was just written.
pub(super) fn spaces_as_everywhere(url: &mut Url) {
    let query = url.query().map(|query| query.replace('+', "%20"));
    url.set_query(query.as_deref());
}

/// Parameters that nothing depends on. What the operator has laid down, no hint takes the place of; and who wants
/// another account is not led back to the one that a hint names.
fn wishes<'a>(
    provider: &'a UpstreamProvider,
    switch_account: bool,
    hints: &'a LoginHints,
) -> Vec<(&'a str, &'a str)> {
    let mut wishes = Vec::new();
    let switch = provider.switch_account_prompt.as_deref();
    let prompt = if switch_account {
        switch
    } else {
        let wanted = hints.get(LoginHint::Prompt);
        wanted.filter(|wanted| provider.prompts.iter().any(|known| **known == **wanted))
    };
    wishes.extend(prompt.map(|prompt| ("prompt", prompt)));
    let fixed = &provider.authorization_parameters;
    for (hint, name) in &provider.hints {
        let led_back = switch_account && *hint == LoginHint::Login;
        let laid_down = fixed.iter().any(|(fixed, _)| fixed == name);
        if let Some(value) = hints.get(*hint).filter(|_| !led_back && !laid_down) {
            wishes.push((name, value));
        }
    }
    wishes
}

/// How many attempts and sign-ins may wait at once.
pub const WAITING: WaitingCaps = WaitingCaps {
    total: 20_000,
    per_network: 1_000,
};
