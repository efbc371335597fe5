//! The layers that stand before routes.
//!
//! Invariant: behind [`BearerLayer`] no request was let through that was not judged, and without
//! [`BearerLayer::optional`] none that has no good token.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::caller::Caller;
use super::rejection::{Manner, Refusal, Rejection};
use super::scopes::RequiredScopes;
use super::trusted_issuers::TrustedIssuers;

/// An answer under way.
pub(super) type Answering<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

/// What [`BearerLayer`] found, for those behind it.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) caller: Option<Caller>,
    pub(super) manner: Arc<Manner>,
}

impl Judged {
    /// Whoever sends a request that must have a token.
    pub(super) fn caller(&self) -> Result<&Caller, Rejection> {
        self.caller
            .as_ref()
            .ok_or_else(|| Rejection::new(Refusal::Missing, &self.manner))
    }
}

/// Demands a good bearer token of each request, and keeps it for [`Bearer`](super::Bearer).
///
/// The usual order: layers that answer by themselves (CORS preflights bring no token) outside of this one.
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use doorward::api::{Bearer, BearerLayer, TrustedIssuers};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuers = TrustedIssuers::builder()
///     .discover("https://login.example.com/realms/acme", &["orders"])
///     .build()?;
///
/// let app: Router = Router::new()
///     .route("/orders", get(|caller: Bearer| async move { format!("{:?}", caller.subject()) }))
///     .layer(BearerLayer::new(issuers.clone()))
///     // Not behind the layer: open to everybody.
///     .route("/health", get(|| async { "ok" }));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BearerLayer {
    issuers: TrustedIssuers,
    optional: bool,
}

impl BearerLayer {
    /// Without a good token no request is let through.
    #[must_use]
    pub const fn new(issuers: TrustedIssuers) -> Self {
        Self {
            issuers,
            optional: false,
        }
    }

    /// Lets requests through that bring no token at all, too. One that is no good is refused all the same: an
    /// expired token must not turn somebody into nobody. Routes behind it ask with `Option<Bearer>`, `Bearer`
    /// or [`require_scopes`].
    ///
    /// ```
    /// use axum::Router;
    /// use axum::routing::get;
    /// use doorward::api::{Bearer, BearerLayer, TrustedIssuers};
    ///
    /// async fn prices(caller: Option<Bearer>) -> &'static str {
    ///     if caller.is_some() { "your prices" } else { "list prices" }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let issuers = TrustedIssuers::builder().discover("https://login.example.com", &["orders"]).build()?;
    /// let app: Router = Router::new()
    ///     .route("/prices", get(prices))
    ///     .layer(BearerLayer::new(issuers).optional());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    async fn judge<B>(&self, request: Request<B>) -> Result<Request<B>, Rejection> {
        let (mut parts, body) = request.into_parts();
        let caller = self
            .issuers
            .authenticate(&parts.headers, &parts.uri)
            .await?;
        if caller.is_none() && !self.optional {
            return Err(self.issuers.no_token());
        }
        parts.extensions.insert(Judged {
            caller,
            manner: Arc::clone(self.issuers.manner()),
        });
        Ok(Request::from_parts(parts, body))
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = BearerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BearerService {
            inner,
            layer: self.clone(),
        }
    }
}

/// What [`BearerLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct BearerService<S> {
    inner: S,
    layer: BearerLayer,
}

impl<S, B, R> Service<Request<B>> for BearerService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answering<R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut inner = taken(&mut self.inner);
        let layer = self.layer.clone();
        Box::pin(async move {
            match layer.judge(request).await {
                Ok(request) => inner.call(request).await,
                Err(rejection) => Ok(rejection.response()),
            }
        })
    }
}

/// The service that is ready; a clone, which is not, takes its place.
pub(super) fn taken<S: Clone>(service: &mut S) -> S {
    let next = service.clone();
    mem::replace(service, next)
}

/// Demands all of `scopes` of the token that [`BearerLayer`] found. It stands inside of that one, so it is added
/// before: in axum, the layer that is added last is asked first.
///
/// ```
/// use axum::Router;
/// use axum::routing::{get, post};
/// use doorward::api::{BearerLayer, TrustedIssuers, require_any_scope, require_scopes};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let issuers = TrustedIssuers::builder().discover("https://login.example.com", &["orders"]).build()?;
/// let app: Router = Router::new()
///     .route("/orders", get(|| async { "…" }).layer(require_scopes(["orders:read"])))
///     .route("/orders/new", post(|| async { "…" }).layer(require_any_scope(["orders:write", "admin"])))
///     .layer(BearerLayer::new(issuers));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn require_scopes<S: IntoIterator<Item: AsRef<str>>>(scopes: S) -> ScopesLayer {
    ScopesLayer(Arc::new(RequiredScopes::all(scopes)))
}

/// Demands one of `scopes`, as [`require_scopes`] demands all.
#[must_use]
pub fn require_any_scope<S: IntoIterator<Item: AsRef<str>>>(scopes: S) -> ScopesLayer {
    ScopesLayer(Arc::new(RequiredScopes::any(scopes)))
}

/// What [`require_scopes`] makes.
#[derive(Clone, Debug)]
pub struct ScopesLayer(Arc<RequiredScopes>);

impl<S> Layer<S> for ScopesLayer {
    type Service = ScopesService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ScopesService {
            inner,
            required: Arc::clone(&self.0),
        }
    }
}

/// What [`ScopesLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct ScopesService<S> {
    inner: S,
    required: Arc<RequiredScopes>,
}

impl<S, B, R> Service<Request<B>> for ScopesService<S>
where
    S: Service<Request<B>, Response = Response<R>, Error: Send + 'static>,
    S::Future: Send + 'static,
    R: From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answering<R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match check(request.extensions(), &self.required) {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(rejection) => Box::pin(std::future::ready(Ok(rejection.response()))),
        }
    }
}

fn check(extensions: &Extensions, required: &RequiredScopes) -> Result<(), Rejection> {
    let judged = extensions
        .get::<Judged>()
        .ok_or_else(|| Rejection::not_guarded("require_scopes", "BearerLayer"))?;
    if judged.caller()?.has(required) {
        Ok(())
    } else {
        Err(Rejection::insufficient(required, &judged.manner))
    }
}
