//! What handlers ask for: axum's extractors.
//!
//! Invariant: a handler that asks for a caller is never called without one, and one that may do without is never
//! told "nobody" of somebody who sent a bad token, or of a request that nobody judged.

use std::ops::Deref;
use std::sync::Arc;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::attestation::Attestation;
use super::caller::Caller;
use super::layer::Judged;
use super::rejection::{Manner, Refusal, Rejection};
use super::scopes::RequiredScopes;

/// The caller, with the claims of their token in a type of the handler's own. Stands behind
/// [`BearerLayer`](super::BearerLayer).
///
/// Claims that do not fit the type are answered with 401 `invalid_token`: the issuer signed another token than
/// this API takes. `Option<Bearer<C>>` is for handlers behind
/// [`BearerLayer::optional`](super::BearerLayer::optional).
///
/// ```
/// use doorward::api::{Bearer, Rejection};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Claims {
///     sub: String,
///     #[serde(default)]
///     groups: Vec<String>,
/// }
///
/// async fn order(caller: Bearer<Claims>) -> Result<String, Rejection> {
///     caller.require_any(["orders:write", "admin"])?;
///     Ok(format!("{} of {:?}", caller.claims.sub, caller.claims.groups))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Bearer<C = Value> {
    /// What the token says, as the handler reads it.
    pub claims: C,
    caller: Caller,
    manner: Arc<Manner>,
}

impl<C> Bearer<C> {
    /// Demands all of `scopes`.
    ///
    /// # Errors
    /// An answer 403 `insufficient_scope` that names them.
    pub fn require_all<S>(&self, scopes: S) -> Result<(), Rejection>
    where
        S: IntoIterator<Item: AsRef<str>>,
    {
        self.require(&RequiredScopes::all(scopes))
    }

    /// Demands one of `scopes`.
    ///
    /// # Errors
    /// An answer 403 `insufficient_scope` that names them.
    pub fn require_any<S>(&self, scopes: S) -> Result<(), Rejection>
    where
        S: IntoIterator<Item: AsRef<str>>,
    {
        self.require(&RequiredScopes::any(scopes))
    }

    /// Demands what is `required`.
    ///
    /// # Errors
    /// An answer 403 `insufficient_scope` that names the scopes.
    ///
    /// ```
    /// use std::sync::LazyLock;
    ///
    /// use doorward::api::{Bearer, Rejection, RequiredScopes};
    ///
    /// static READING: LazyLock<RequiredScopes> = LazyLock::new(|| RequiredScopes::all(["orders:read"]));
    ///
    /// async fn orders(caller: Bearer) -> Result<&'static str, Rejection> {
    ///     caller.require(&READING)?;
    ///     Ok("…")
    /// }
    /// ```
    pub fn require(&self, required: &RequiredScopes) -> Result<(), Rejection> {
        if self.caller.has(required) {
            Ok(())
        } else {
            Err(Rejection::insufficient(required, &self.manner))
        }
    }
}

/// Issuer, subject, scopes and the whole token.
impl<C> Deref for Bearer<C> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<C: DeserializeOwned> Bearer<C> {
    fn of(judged: &Judged) -> Result<Self, Rejection> {
        let caller = judged.caller()?;
        // What serde says quotes the claim, which is about a person.
        let claims = C::deserialize(caller.token().claims()).map_err(|_| {
            let wanted = std::any::type_name::<C>();
            tracing::debug!(
                wanted,
                "a bearer token is refused: its claims have another shape"
            );
            Rejection::new(Refusal::InvalidToken, &judged.manner)
        })?;
        Ok(Self {
            claims,
            caller: caller.clone(),
            manner: Arc::clone(&judged.manner),
        })
    }
}

fn judged(parts: &Parts) -> Result<&Judged, Rejection> {
    parts
        .extensions
        .get::<Judged>()
        .ok_or_else(|| Rejection::not_guarded("Bearer", "BearerLayer"))
}

impl<S: Sync, C: DeserializeOwned> FromRequestParts<S> for Bearer<C> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Self::of(judged(parts)?)
    }
}

impl<S: Sync, C: DeserializeOwned> OptionalFromRequestParts<S> for Bearer<C> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        let judged = judged(parts)?;
        match judged.caller {
            None => Ok(None),
            Some(_) => Self::of(judged).map(Some),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Attestation {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Rejection::not_guarded("Attestation", "AttestationLayer"))
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.response()
    }
}
