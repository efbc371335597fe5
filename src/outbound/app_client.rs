//! The client for apps that we forward to: what comes back is passed on as it comes.
//!
//! Unlike providers, apps are on loopback and in private networks, speak plain http, and answer as slowly and
//! as much as they like: how long that is waited for is the caller's. What holds here: a connection stands
//! within a time or not at all, certificates are verified, no redirect is followed, and what hands out the
//! machine's own credentials is no app ([`AddressGuard::for_apps`]). HTTP/1.1 alone, because a WebSocket
//! needs a connection of its own.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls_pki_types::CertificateDer;
use tower::Service;

use super::address_guard::{AddressGuard, Refusal};
use super::error::{Unresolved, inside_io};
use super::names::{GuardedNames, NameResolver, SystemNames};
use super::tls::Authorities as UsualAuthorities;
use crate::domain::app_upstream::{AppUpstream, Authorities};

/// How long an unused connection is kept: shorter than servers usually do, so that a request seldom meets one
/// that is just being closed.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
/// How many unused connections to one app are kept.
const IDLE_CONNECTIONS: usize = 64;
/// Largest head of an answer, in bytes.
const LARGEST_HEAD: usize = 64 * 1024;
/// How many ways of reaching apps are kept; beyond that, those of before a reload go.
const MOST_LINES: usize = 64;

/// What goes to an app.
pub type AppBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

type AppConnector = Timed<HttpsConnector<HttpConnector<GuardedNames>>>;

/// Sends requests to apps.
pub struct AppClients {
    names: GuardedNames,
    guard: Arc<AddressGuard>,
    authorities: UsualAuthorities,
    lines: RwLock<Vec<Line>>,
}

/// One way of reaching apps, with its connections.
struct Line {
    authorities: Authorities,
    connect_timeout: Duration,
    client: Client<AppConnector, AppBody>,
}

/// Why an app gave no answer. For operators; people see one page.
#[derive(Debug, thiserror::Error)]
pub enum AppFault {
    /// The address must not be reached.
    #[error("{0}")]
    Refused(Refusal),
    /// The name did not resolve.
    #[error("the name could not be resolved: {0}")]
    Name(Box<str>),
    /// The other side did not prove who it is, or speaks no TLS that is still good.
    #[error("TLS failed: {0} (an authority of your own is named by the upstream's `ca_file`)")]
    Tls(Box<str>),
    /// Nobody took the connection.
    #[error("no connection: {0}")]
    Connect(Box<str>),
    /// The connection did not stand in time.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// It was closed before there was an answer.
    #[error("the connection was closed before the answer")]
    Closed,
    /// The head of the answer does not fit into what is read at once (64 KiB), or has more than 100 headers.
    #[error("the head of the answer is too large: 64 KiB and 100 headers are taken")]
    TooLarge,
    /// What came back is no HTTP.
    #[error("what came back is no HTTP: {0}")]
    Malformed(Box<str>),
    /// The request's own body ended early, or was not sent in time: the client's doing, not the app's.
    #[error("the request's body broke off")]
    RequestBody,
    /// The client itself could not be set up.
    #[error("the client could not be set up: {0}")]
    Setup(Box<str>),
}

impl AppFault {
    /// Whether it was a matter of time.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::ConnectTimeout(_))
    }
}

impl AppClients {
    /// Resolves names as this machine does.
    #[must_use]
    pub fn new() -> Self {
        Self::with_names(Arc::new(SystemNames))
    }

    /// With names of their own: for tests. What they resolve to is judged all the same.
    #[must_use]
    pub fn with_names(names: Arc<dyn NameResolver>) -> Self {
        let guard = Arc::new(AddressGuard::for_apps());
        Self {
            names: GuardedNames {
                names,
                guard: Some(Arc::clone(&guard)),
            },
            guard,
            authorities: UsualAuthorities::default(),
            lines: RwLock::default(),
        }
    }

    /// Sends `request`, whose address is whole, to the app at `upstream`, and gives the head of its answer.
    /// Where a connection that lay unused turns out to be closed, and nothing has been sent on it, another one
    /// is taken; nothing is ever sent twice.
    ///
    /// # Errors
    /// [`AppFault`].
    pub async fn send(
        &self,
        upstream: &AppUpstream,
        request: Request<AppBody>,
    ) -> Result<Response<Incoming>, AppFault> {
        // Names are judged when they are resolved; an address is never resolved.
        self.guard
            .check_host(upstream.authority.host())
            .map_err(AppFault::Refused)?;
        let client = self.client(upstream)?;
        let sent = client.request(request).await;
        sent.map_err(|error| fault_of(&error, upstream.connect_timeout))
    }

    fn client(&self, upstream: &AppUpstream) -> Result<Client<AppConnector, AppBody>, AppFault> {
        let fits = |line: &&Line| {
            line.connect_timeout == upstream.connect_timeout
                && line.authorities == upstream.authorities
        };
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.iter().find(fits) {
            return Ok(line.client.clone());
        }
        drop(lines);
        let client = self.build(upstream)?;
        let mut lines = self.lines.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.iter().find(fits) {
            return Ok(line.client.clone());
        }
        if lines.len() >= MOST_LINES {
            // Requests under way hold theirs.
            lines.clear();
        }
        lines.push(Line {
            authorities: Arc::clone(&upstream.authorities),
            connect_timeout: upstream.connect_timeout,
            client: client.clone(),
        });
        Ok(client)
    }

    fn build(&self, upstream: &AppUpstream) -> Result<Client<AppConnector, AppBody>, AppFault> {
        let additional: Vec<CertificateDer<'static>> = upstream
            .authorities
            .iter()
            .map(|der| CertificateDer::from(der.to_vec()))
            .collect();
        let mut tls = self
            .authorities
            .client_config(&additional)
            .map_err(|error| AppFault::Setup(error.to_string().into()))?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut tcp = HttpConnector::new_with_resolver(self.names.clone());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // For each of several addresses; all of them have `connect_timeout` together.
        tcp.set_connect_timeout(Some(upstream.connect_timeout));
        let connector = Timed {
            inner: HttpsConnector::from((tcp, tls)),
            limit: upstream.connect_timeout,
        };
        Ok(Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http1_max_buf_size(LARGEST_HEAD)
            .build(connector))
    }
}

impl Default for AppClients {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AppClients {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AppClients")
    }
}

/// Reads the chain of causes for the one that says something.
fn fault_of(error: &ClientError, connect_timeout: Duration) -> AppFault {
    let mut deepest: Box<str> = "the connection failed".into();
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        let error = inside_io(error);
        if error.is::<TooLate>() {
            return AppFault::ConnectTimeout(connect_timeout);
        }
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return AppFault::Refused(refusal.clone());
        }
        if let Some(unresolved) = error.downcast_ref::<Unresolved>() {
            return AppFault::Name(unresolved.0.to_string().into());
        }
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return AppFault::Tls(tls.to_string().into());
        }
        if let Some(hyper) = error.downcast_ref::<hyper::Error>() {
            if hyper.is_parse_too_large() {
                return AppFault::TooLarge;
            }
            if hyper.is_parse() {
                return AppFault::Malformed(hyper.to_string().into());
            }
            if hyper.is_user() {
                return AppFault::RequestBody;
            }
            if hyper.is_incomplete_message() || hyper.is_closed() || hyper.is_canceled() {
                return AppFault::Closed;
            }
        }
        deepest = error.to_string().into();
        cause = error.source();
    }
    if error.is_connect() {
        AppFault::Connect(deepest)
    } else {
        AppFault::Closed
    }
}

/// A connector that has so long for all it does.
#[derive(Clone, Debug)]
struct Timed<C> {
    inner: C,
    limit: Duration,
}

/// It was not done in time.
#[derive(Debug, thiserror::Error)]
#[error("the connection did not stand in time")]
struct TooLate;

type BoxError = Box<dyn Error + Send + Sync>;

impl<C> Service<Uri> for Timed<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.inner.call(address));
        Box::pin(async move { connecting.await.unwrap_or_else(|_| Err(TooLate.into())) })
    }
}

impl Service<Name> for GuardedNames {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let sockets: Vec<SocketAddr> = this.addresses(name.as_str()).await?;
            Ok(sockets.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::app_upstream::UpstreamHost;
    use crate::outbound::names::Resolving;
    use http_body_util::{BodyExt as _, Empty};
    use rstest::rstest;
    use std::net::IpAddr;

    /// Every name resolves to this.
    struct Everything(IpAddr);

    impl NameResolver for Everything {
        fn resolve(&self, _: &str) -> Resolving {
            let address = self.0;
            Box::pin(async move { Ok(vec![address]) })
        }
    }

    fn upstream(authority: &str) -> AppUpstream {
        AppUpstream {
            scheme: http::uri::Scheme::HTTP,
            authority: authority.parse().expect("an authority"),
            host: UpstreamHost::Original,
            authorities: Arc::default(),
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(2),
        }
    }

    fn get(authority: &str) -> Request<AppBody> {
        let body = Empty::new().map_err(|never| match never {});
        Request::get(format!("http://{authority}/"))
            .body(AppBody::new(body))
            .expect("a request")
    }

    /// What a name resolves to is judged when it is dialled, whatever it was before.
    #[rstest]
    #[case("169.254.169.254")]
    #[case("fd00:ec2::254")]
    #[case("::ffff:169.254.169.254")]
    #[case("0.0.0.0")]
    #[tokio::test]
    async fn t03_a_name_of_a_metadata_service_is_refused(#[case] address: &str) {
        let address = address.parse().expect("an address");
        let clients = AppClients::with_names(Arc::new(Everything(address)));
        let app = upstream("app.internal");
        let sent = clients.send(&app, get("app.internal")).await;
        let fault = sent.expect_err("refused");
        assert!(matches!(fault, AppFault::Refused(_)), "{fault:?}");
    }

    #[tokio::test]
    async fn a_port_where_nobody_is_refuses() {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let authority = socket.local_addr().expect("an address").to_string();
        let clients = AppClients::new();
        let app = upstream(&authority);
        let sent = clients.send(&app, get(&authority)).await;
        let fault = sent.expect_err("nobody there");
        assert!(matches!(fault, AppFault::Connect(_)), "{fault:?}");
    }

    /// The other side takes the connection, and never speaks TLS.
    #[tokio::test]
    async fn a_connection_stands_in_time_or_not_at_all() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0");
        let listener = listener.await.expect("a port");
        let authority = listener.local_addr().expect("an address").to_string();
        let silent = AppUpstream {
            scheme: http::uri::Scheme::HTTPS,
            connect_timeout: Duration::from_millis(100),
            ..upstream(&authority)
        };
        let mut request = get(&authority);
        *request.uri_mut() = format!("https://{authority}/").parse().expect("a URI");
        let fault = AppClients::new().send(&silent, request).await;
        assert!(fault.expect_err("silent").is_timeout());
    }
}
