//! Attestations: tokens in a header of their own, which say that a request comes from a genuine app, and nothing
//! about who sits before it (Approov).
//!
//! Invariant: an attestation is never a caller. Whatever is wrong with it, the answer is 401 with an empty JSON
//! object; the reason is for the log. There is no `WWW-Authenticate`, because no scheme exists for it.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::caller::Caller;
use super::credentials::{Credentials, of_header, the_only};
use super::layer::{Answering, taken};
use super::rejection::{Manner, Refusal, Rejection};
use super::trusted_issuers::TrustedIssuers;
use crate::domain::claims::ClaimPath;
use crate::jose::VerifiedToken;

/// Demands a good attestation of each request. Stands beside [`BearerLayer`](super::BearerLayer), and replaces it
/// nowhere.
///
/// ```
/// use axum::Router;
/// use axum::http::HeaderName;
/// use axum::http::header::AUTHORIZATION;
/// use axum::routing::get;
/// use doorward::api::{Attestation, AttestationLayer, IssuerRules, TrustedIssuers};
/// use doorward::jose::{HmacAlgorithm, SharedSecrets};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secret = [7; 32];
/// let secrets = SharedSecrets::new(HmacAlgorithm::Hs256).with(&secret, None)?;
/// let approov = TrustedIssuers::builder()
///     .trust(IssuerRules::attestations(&["acme.approov.io"], secrets))
///     .build()?;
/// let attested = AttestationLayer::new(approov, HeaderName::from_static("approov-token"))
///     // The claim `pay` is the digest of the person's own token, so neither works without the other.
///     .bound_to("pay", AUTHORIZATION);
///
/// let app: Router = Router::new()
///     .route("/shapes", get(|_: Attestation| async { "circle" }))
///     .layer(attested);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AttestationLayer(Arc<Rules>);

#[derive(Clone, Debug)]
struct Rules {
    issuers: TrustedIssuers,
    header: HeaderName,
    binding: Option<(ClaimPath, HeaderName)>,
    manner: Arc<Manner>,
}

/// What an attestation said that was good. In axum an extractor, behind [`AttestationLayer`].
#[derive(Clone, Debug)]
pub struct Attestation(Caller);

impl Attestation {
    /// All that was signed.
    #[must_use]
    pub fn token(&self) -> &VerifiedToken {
        self.0.token()
    }
}

impl AttestationLayer {
    /// Attestations by `issuers` ([`IssuerRules::attestations`](super::IssuerRules::attestations)), in the header
    /// `header`.
    #[must_use]
    pub fn new(issuers: TrustedIssuers, header: HeaderName) -> Self {
        Self(Arc::new(Rules {
            issuers,
            header,
            binding: None,
            manner: Arc::new(Manner::Attestation),
        }))
    }

    /// Demands that `claim` is the base64 of the SHA-256 of the whole value of `header`, which must be there,
    /// once.
    #[must_use]
    pub fn bound_to(self, claim: &str, header: HeaderName) -> Self {
        let mut rules = Arc::unwrap_or_clone(self.0);
        rules.binding = Some((ClaimPath::new(claim), header));
        Self(Arc::new(rules))
    }
}

impl Rules {
    async fn judge(&self, headers: &HeaderMap) -> Result<Attestation, Rejection> {
        let refuse = |refusal| Rejection::new(refusal, &self.manner);
        let token = match of_header(headers, &self.header) {
            Credentials::Token(token) => token,
            Credentials::None => return Err(refuse(Refusal::Missing)),
            Credentials::NoToken => return Err(refuse(Refusal::InvalidToken)),
            Credentials::Confused => return Err(refuse(Refusal::InvalidRequest)),
        };
        let caller = self.issuers.verify(token).await.map_err(|refused| {
            tracing::debug!(reason = %refused, "an attestation is refused");
            Rejection::of_token(&refused, &self.manner)
        })?;
        if !self.is_bound(caller.token(), headers) {
            tracing::debug!("an attestation is refused: it is bound to another request");
            return Err(refuse(Refusal::InvalidToken));
        }
        Ok(Attestation(caller))
    }

    fn is_bound(&self, token: &VerifiedToken, headers: &HeaderMap) -> bool {
        let Some((claim, header)) = &self.binding else {
            return true;
        };
        match the_only(headers, header) {
            Ok(Some(value)) => token.is_bound_to(claim, value.as_bytes()),
            _ => false,
        }
    }
}

impl<S> Layer<S> for AttestationLayer {
    type Service = AttestationService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AttestationService {
            inner,
            rules: Arc::clone(&self.0),
        }
    }
}

/// What [`AttestationLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct AttestationService<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S, B, R> Service<Request<B>> for AttestationService<S>
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
        let rules = Arc::clone(&self.rules);
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match rules.judge(&parts.headers).await {
                Ok(attestation) => {
                    parts.extensions.insert(attestation);
                    inner.call(Request::from_parts(parts, body)).await
                }
                Err(rejection) => Ok(rejection.response()),
            }
        })
    }
}
