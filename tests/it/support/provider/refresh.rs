//! Refresh tokens (RFC 6749 §6): given, used, replaced. A token that was replaced and comes again kills all of its
//! family, as RFC 9700 §4.14.2 has it: whoever races loses.

use axum::body::Body;
use axum::response::IntoResponse;
use http::{Method, Response, StatusCode};
use serde_json::Value;

use super::oidc::{authenticated_client, invalid_client};
use super::{Grant, Person, Recorded, Shared, State};

/// How refresh tokens are given.
#[derive(Clone, Debug)]
pub(crate) struct RefreshTokens {
    /// The scope without which none comes.
    pub(crate) scope: &'static str,
    /// Whether each use brings a new one, and the old one is dead.
    pub(crate) rotates: bool,
    /// Whether a refresh brings an ID token.
    pub(crate) with_id_token: bool,
    /// Whether that repeats the nonce.
    pub(crate) with_nonce: bool,
    /// `auth_time` of that, where it is not the sign-in's.
    pub(crate) auth_time: Option<i64>,
}

impl Default for RefreshTokens {
    fn default() -> Self {
        Self {
            scope: "offline_access",
            rotates: true,
            with_id_token: true,
            with_nonce: false,
            auth_time: None,
        }
    }
}

/// A refresh token as the provider knows it.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    grant: Grant,
    family: usize,
    replaced: bool,
}

impl Issued {
    pub(super) const fn is_live(&self) -> bool {
        !self.replaced
    }
}

/// The one that comes with a code's tokens, if one does.
pub(super) fn first(state: &mut State, grant: &Grant) -> Option<String> {
    let wanted = state.settings.refresh.scope;
    let asked = grant.scope.split([' ', ',']).any(|scope| scope == wanted);
    asked.then(|| begin(state, grant))
}

/// The first one of a family.
pub(super) fn begin(state: &mut State, grant: &Grant) -> String {
    let family = state.issued;
    issue(state, grant.clone(), family)
}

fn issue(state: &mut State, grant: Grant, family: usize) -> String {
    let token = state.unique("refresh-token");
    let issued = Issued {
        grant,
        family,
        replaced: false,
    };
    state.refresh_tokens.insert(token.clone(), issued);
    token
}

/// What a refresh token is good for: the next one, if it is replaced, and the grant, with the person as they are now.
pub(super) fn again(
    state: &mut State,
    client_id: &str,
    request: &Recorded,
) -> Result<(Option<String>, Grant), &'static str> {
    let token = request.form("refresh_token").ok_or("no refresh_token")?;
    let issued = state.refresh_tokens.get_mut(token);
    let issued = issued.ok_or("the refresh token is unknown or was revoked")?;
    if issued.grant.client_id != client_id {
        return Err("the refresh token was given to another client");
    }
    let (family, mut grant) = (issued.family, issued.grant.clone());
    if issued.replaced {
        state.reused_refresh_tokens += 1;
        state.refresh_tokens.retain(|_, it| it.family != family);
        return Err("the refresh token was used before");
    }
    let rotates = state.settings.refresh.rotates;
    issued.replaced = rotates;
    let username = grant.person.username.clone();
    let person = state.people.get(&username).cloned();
    grant.person = person.unwrap_or_else(|| Person::named(&username));
    let next = rotates.then(|| issue(state, grant.clone(), family));
    grant.at = state.settings.refresh.auth_time.unwrap_or(grant.at);
    if !state.settings.refresh.with_nonce {
        grant.nonce = None;
    }
    Ok((next, grant))
}

/// RFC 7009 §2: the token, and with a refresh token all of its family, is dead; one that is unknown is no error. GitHub
/// wants DELETE, and 204 is its answer.
pub(super) fn revoke(shared: &Shared, request: &Recorded) -> Response<Body> {
    let mut state = shared.lock();
    if let Err(why) = authenticated_client(shared, &mut state, request) {
        return invalid_client(why);
    }
    if request.method == Method::DELETE {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let token = body["access_token"].as_str().unwrap_or_default();
        return match state.access_tokens.remove(token) {
            Some(_) => StatusCode::NO_CONTENT.into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        };
    }
    let token = request.form("token").unwrap_or_default().to_owned();
    state.access_tokens.remove(&token);
    if let Some(issued) = state.refresh_tokens.get(&token) {
        let family = issued.family;
        state.refresh_tokens.retain(|_, it| it.family != family);
    }
    StatusCode::OK.into_response()
}
