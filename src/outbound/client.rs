//! The client: one request out, one whole answer back.
//!
//! Invariant: [`HttpClient::send`] is the only way out, and it judges the address before it connects.
//! Clients are set up at their first request, since the certificate authorities cost memory that an idle
//! process need not have.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderMap, HeaderValue};
use rustls_pki_types::CertificateDer;
use tokio::sync::OnceCell;
use tracing::{Instrument as _, Span};
use url::Url;

use super::address_guard::{AddressGuard, Refusal};
use super::error::{OutboundError, OutboundFault};
use super::names::{GuardedNames, NameResolver, SystemNames};
use super::tls::{Authorities, CaFileFault, read_ca_file};
use crate::domain::upstream_provider::Reach;

/// How long an unused connection is kept.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
/// How many unused connections to one host are kept.
const IDLE_CONNECTIONS: usize = 4;
/// How many ways of reaching providers are kept once nobody uses them any more.
const UNUSED_REACHES: usize = 256;

/// What holds for every request.
#[derive(Clone, Debug)]
pub struct OutboundSettings {
    /// Loopback may be reached, also by plain http.
    pub development: bool,
    /// For all of a request: name, connection, headers, body.
    pub deadline: Duration,
    /// Bytes of a body, unless [`HttpClient::with_max_body`] says otherwise.
    pub max_body: usize,
    /// `User-Agent`.
    pub user_agent: HeaderValue,
}

impl Default for OutboundSettings {
    /// 5 s, 256 KiB, no development.
    fn default() -> Self {
        Self {
            development: false,
            deadline: Duration::from_secs(5),
            max_body: 256 * 1024,
            user_agent: HeaderValue::from_static(concat!("doorward/", env!("CARGO_PKG_VERSION"))),
        }
    }
}

/// A way of reaching a provider that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReachFault {
    /// Its `ca_file`.
    #[error(transparent)]
    CaFile(#[from] CaFileFault),
    /// Its `proxy`.
    #[error("`proxy` must be an `http://` or `https://` address with a host, not {0:?}")]
    Proxy(Box<str>),
}

/// Makes clients, and shares them.
#[derive(Clone)]
pub struct HttpClients(Arc<Shared>);

struct Shared {
    settings: OutboundSettings,
    names: Arc<dyn NameResolver>,
    authorities: Arc<Authorities>,
    lines: Mutex<Vec<Arc<Line>>>,
}

/// One way of reaching providers, with its connections.
struct Line {
    id: u64,
    reach: Reach,
    certificates: Vec<CertificateDer<'static>>,
    guard: Arc<AddressGuard>,
    client: OnceCell<reqwest::Client>,
}

/// Sends requests one way.
#[derive(Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
    line: Arc<Line>,
    max_body: usize,
}

impl HttpClients {
    /// Clients that resolve names as this machine does.
    #[must_use]
    pub fn new(settings: OutboundSettings) -> Self {
        Self::with_names(settings, Arc::new(SystemNames))
    }

    /// Clients with names of their own: for tests. What they resolve to is judged all the same.
    #[must_use]
    pub fn with_names(settings: OutboundSettings, names: Arc<dyn NameResolver>) -> Self {
        Self(Arc::new(Shared {
            settings,
            names,
            authorities: Arc::default(),
            lines: Mutex::default(),
        }))
    }

    /// The client for one way of reaching a provider; equal ways share one. `ca_file` is read here, at each
    /// call, so call this when configuration is loaded and keep the result.
    ///
    /// # Errors
    /// What is wrong with the `ca_file` or the `proxy`.
    pub fn for_reach(&self, reach: &Reach) -> Result<HttpClient, ReachFault> {
        let certificates = match &reach.ca_file {
            Some(path) => read_ca_file(path)?,
            None => Vec::new(),
        };
        if let Some(proxy) = &reach.proxy
            && !(matches!(proxy.scheme(), "http" | "https") && proxy.has_host())
        {
            return Err(ReachFault::Proxy(without_password(proxy)));
        }
        Ok(HttpClient {
            line: self.0.line(reach, certificates),
            max_body: self.0.settings.max_body,
            shared: Arc::clone(&self.0),
        })
    }
}

impl fmt::Debug for HttpClients {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HttpClients")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn line(&self, reach: &Reach, certificates: Vec<CertificateDer<'static>>) -> Arc<Line> {
        /// A line's name is never used twice, so what was cached for one is never taken for another.
        static NEXT: AtomicU64 = AtomicU64::new(0);

        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lines
            .iter()
            .find(|line| line.reach == *reach && line.certificates == certificates)
        {
            return Arc::clone(known);
        }
        if lines.len() >= UNUSED_REACHES {
            lines.retain(|line| Arc::strong_count(line) > 1);
        }
        let line = Arc::new(Line {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            reach: reach.clone(),
            certificates,
            guard: Arc::new(AddressGuard {
                development: self.settings.development,
                allow_networks: reach.allow_networks.clone(),
            }),
            client: OnceCell::new(),
        });
        lines.push(Arc::clone(&line));
        line
    }
}

impl HttpClient {
    /// The same, for answers of up to `bytes`.
    #[must_use]
    pub fn with_max_body(&self, bytes: usize) -> Self {
        Self {
            max_body: bytes,
            ..self.clone()
        }
    }

    /// What tells this way of reaching apart from others, for as long as the process lives.
    #[must_use]
    pub fn reach_id(&self) -> u64 {
        self.line.id
    }

    /// Sends a request. A redirect is returned as it is, like any other status.
    ///
    /// # Errors
    /// When the address is refused, or no whole answer came in time and size.
    pub async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, OutboundError> {
        let deadline = self.shared.settings.deadline;
        let (parts, body) = request.into_parts();
        let url = self.checked_url(&parts.uri)?;
        let origin = url.origin().ascii_serialization();
        let mut outgoing = reqwest::Request::new(parts.method, url);
        *outgoing.headers_mut() = parts.headers;
        // Nothing is decompressed here, so nothing compressed is asked for.
        outgoing.headers_mut().remove(ACCEPT_ENCODING);
        *outgoing.body_mut() = Some(body.into());

        let span = span(&outgoing);
        let exchange = self.exchange(outgoing).instrument(span.clone());
        let answered = tokio::time::timeout(deadline, exchange)
            .await
            .unwrap_or(Err(OutboundFault::Deadline(deadline)));
        match &answered {
            Ok(response) => span.record("http.response.status_code", response.status().as_u16()),
            Err(_) => span.record("otel.status_code", "ERROR"),
        };
        answered.map_err(|fault| OutboundError::new(&origin, fault))
    }

    fn checked_url(&self, uri: &http::Uri) -> Result<Url, OutboundError> {
        let host = uri.host().unwrap_or("no host");
        let refuse = |fault| OutboundError::new(host, fault);
        // The parser drops an empty user part; the rule is that there is none at all.
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(refuse(OutboundFault::Refused(Refusal::UserInfo)));
        }
        let url = Url::parse(&uri.to_string())
            .map_err(|error| refuse(OutboundFault::Request(error.to_string().into())))?;
        self.line
            .guard
            .check_url(&url)
            .map_err(|refusal| refuse(OutboundFault::Refused(refusal)))?;
        Ok(url)
    }

    async fn exchange(
        &self,
        request: reqwest::Request,
    ) -> Result<http::Response<Vec<u8>>, OutboundFault> {
        let deadline = self.shared.settings.deadline;
        let client = self.line.client(&self.shared).await?;
        let mut answer = client
            .execute(request)
            .await
            .map_err(|error| OutboundFault::of(&error, deadline))?;

        let mut response = http::Response::new(Vec::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        refuse_encoding(response.headers())?;

        let announced = usize::try_from(answer.content_length().unwrap_or(0));
        if announced.is_ok_and(|length| length > self.max_body) {
            return Err(OutboundFault::TooLarge(self.max_body));
        }
        let body = response.body_mut();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| OutboundFault::of(&error, deadline))?
        {
            if chunk.len() > self.max_body - body.len() {
                return Err(OutboundFault::TooLarge(self.max_body));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(response)
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HttpClient")
            .field("reach_id", &self.line.id)
            .field("max_body", &self.max_body)
            .finish_non_exhaustive()
    }
}

impl Line {
    async fn client(&self, shared: &Shared) -> Result<&reqwest::Client, OutboundFault> {
        self.client
            .get_or_try_init(|| async {
                let authorities = Arc::clone(&shared.authorities);
                let certificates = self.certificates.clone();
                let tls =
                    tokio::task::spawn_blocking(move || authorities.client_config(&certificates))
                        .await
                        .map_err(|error| OutboundFault::Setup(error.to_string().into()))?
                        .map_err(|error| OutboundFault::Setup(error.to_string().into()))?;
                self.build(shared, tls)
                    .map_err(|error| OutboundFault::Setup(error.without_url().to_string().into()))
            })
            .await
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one HTTP client")]
    fn build(
        &self,
        shared: &Shared,
        tls: rustls::ClientConfig,
    ) -> Result<reqwest::Client, reqwest::Error> {
        // The operator chose the proxy, wherever it is. The targets behind it are resolved by it, out of
        // our sight: only their spelling has been judged.
        let guard = match self.reach.proxy {
            Some(_) => None,
            None => Some(Arc::clone(&self.guard)),
        };
        let settings = &shared.settings;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(GuardedNames {
                names: Arc::clone(&shared.names),
                guard,
            })
            .user_agent(settings.user_agent.clone())
            // Several addresses share it, so that a dead one leaves time for the next.
            .connect_timeout(settings.deadline.mul_f64(0.8))
            .timeout(settings.deadline)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .no_proxy();
        if let Some(proxy) = &self.reach.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.clone())?);
        }
        builder.build()
    }
}

/// A part of the trace of the request that asks for it (see `telemetry::traces`). What nobody's request asks
/// for has none, and so what carries the traces themselves makes no further ones.
fn span(request: &reqwest::Request) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    let (method, host) = (
        request.method(),
        request.url().host_str().unwrap_or_default(),
    );
    tracing::info_span!(
        target: "otel", "exchange", otel.name = %format_args!("{method} {host}"), otel.kind = "client",
        http.request.method = method.as_str(), server.address = host,
        http.response.status_code = tracing::field::Empty, otel.status_code = tracing::field::Empty,
    )
}

/// An answer that is compressed unasked would be counted before decompression, and parsed as noise.
fn refuse_encoding(headers: &HeaderMap) -> Result<(), OutboundFault> {
    for value in headers.get_all(CONTENT_ENCODING) {
        if !value.as_bytes().eq_ignore_ascii_case(b"identity") {
            let shown: String = String::from_utf8_lossy(value.as_bytes())
                .chars()
                .filter(|character| !character.is_control())
                .take(32)
                .collect();
            return Err(OutboundFault::Encoded(shown.into()));
        }
    }
    Ok(())
}

fn without_password(url: &Url) -> Box<str> {
    let mut shown = url.clone();
    // Fails only for addresses without a host, which have no password either.
    let _ = shown.set_password(None);
    shown.as_str().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::names::Resolving;
    use crate::outbound::test_server::{Answer, TestServer, json, response};
    use http::{Request, StatusCode};
    use rstest::rstest;
    use std::collections::HashMap;
    use std::io::Write;
    use std::net::IpAddr;
    use std::sync::atomic::AtomicUsize;

    fn development() -> OutboundSettings {
        OutboundSettings {
            development: true,
            ..OutboundSettings::default()
        }
    }

    fn client(settings: OutboundSettings) -> HttpClient {
        HttpClients::new(settings)
            .for_reach(&Reach::default())
            .expect("a client")
    }

    fn get(url: &Url) -> Request<Vec<u8>> {
        Request::get(url.as_str()).body(Vec::new()).expect("valid")
    }

    async fn fault(client: &HttpClient, url: &Url) -> OutboundFault {
        client
            .send(get(url))
            .await
            .expect_err("refused")
            .fault()
            .clone()
    }

    /// Names that resolve to what a test says, counted.
    #[derive(Default)]
    struct Names {
        known: HashMap<&'static str, Vec<Vec<IpAddr>>>,
        asked: AtomicUsize,
    }

    impl Names {
        /// The answers of one name, one after the other; the last one stays.
        fn of(name: &'static str, answers: &[&[&str]]) -> Arc<Self> {
            let parse = |addresses: &&[&str]| {
                addresses
                    .iter()
                    .map(|address| address.parse().expect("an address"))
                    .collect()
            };
            Arc::new(Self {
                known: HashMap::from([(name, answers.iter().map(parse).collect())]),
                asked: AtomicUsize::new(0),
            })
        }
    }

    impl NameResolver for Names {
        fn resolve(&self, name: &str) -> Resolving {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst);
            let found = self
                .known
                .get(name)
                .map(|answers| answers[asked.min(answers.len() - 1)].clone())
                .ok_or_else(|| std::io::Error::other("no such name"));
            Box::pin(async move { found })
        }
    }

    /// A server certificate for `name`, and its issuer as PEM.
    fn certificate(name: &str) -> (rustls::ServerConfig, String) {
        certificate_valid(name, |_| {})
    }

    fn certificate_valid(
        name: &str,
        change: impl Fn(&mut rcgen::CertificateParams),
    ) -> (rustls::ServerConfig, String) {
        let authority_key = rcgen::KeyPair::generate().expect("a key");
        let mut authority = rcgen::CertificateParams::new([]).expect("parameters");
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority =
            rcgen::CertifiedIssuer::self_signed(authority, authority_key).expect("an issuer");
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut parameters = rcgen::CertificateParams::new([name.to_owned()]).expect("parameters");
        change(&mut parameters);
        let certificate = parameters.signed_by(&key, &authority).expect("signed");
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        )
        .expect("a certificate");
        (config, authority.pem())
    }

    fn file(content: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(content.as_bytes()).expect("written");
        file
    }

    fn trusting(pem: &tempfile::NamedTempFile) -> Reach {
        Reach {
            ca_file: Some(pem.path().to_owned()),
            ..Reach::default()
        }
    }

    #[tokio::test]
    async fn an_answer_comes_back_whole() {
        let server = TestServer::start(json("{\"a\":1}", "x-test: yes\r\n")).await;
        let answer = client(development())
            .send(get(&server.url("/doc?x=1")))
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["x-test"], "yes");
        assert_eq!(answer.body(), b"{\"a\":1}");
        assert!(server.last_head().starts_with("GET /doc?x=1 HTTP/1.1\r\n"));
    }

    #[tokio::test]
    async fn a_request_says_no_more_than_it_has_to() {
        let server = TestServer::start(json("{}", "set-cookie: a=b\r\n")).await;
        let client = client(development());
        let mut request = get(&server.url("/"));
        request
            .headers_mut()
            .insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        client.send(request.clone()).await.expect("an answer");
        client.send(request).await.expect("an answer");
        let head = server.last_head().to_lowercase();
        assert!(head.contains("user-agent: doorward/"), "{head}");
        for unwanted in ["cookie:", "referer:", "accept-encoding:"] {
            assert!(!head.contains(unwanted), "{head}");
        }
    }

    #[rstest]
    #[case("301 Moved Permanently")]
    #[case("302 Found")]
    #[case("303 See Other")]
    #[case("307 Temporary Redirect")]
    #[case("308 Permanent Redirect")]
    #[tokio::test]
    async fn t03_redirects_are_not_followed(#[case] status: &str) {
        let inside = TestServer::start(json("{}", "")).await;
        let location = format!("location: {}\r\n", inside.url("/secret"));
        let server = TestServer::start(response(status, "text/html", "", &location)).await;
        let answer = client(development())
            .send(get(&server.url("/")))
            .await
            .expect("an answer");
        assert!(answer.status().is_redirection());
        assert_eq!(inside.hits(), 0);
    }

    #[rstest]
    #[case::says_nothing(Answer::Silence)]
    #[case::keeps_the_body(Answer::HeadersOnly)]
    #[tokio::test]
    async fn t04_a_slow_provider_meets_the_deadline(#[case] answer: Answer) {
        let deadline = Duration::from_millis(50);
        let server = TestServer::start(answer).await;
        let client = client(OutboundSettings {
            deadline,
            ..development()
        });
        assert_eq!(
            fault(&client, &server.url("/")).await,
            OutboundFault::Deadline(deadline)
        );
    }

    #[tokio::test]
    async fn t04_a_slow_resolver_meets_the_deadline() {
        struct Never;
        impl NameResolver for Never {
            fn resolve(&self, _: &str) -> Resolving {
                Box::pin(std::future::pending())
            }
        }
        let deadline = Duration::from_millis(50);
        let clients = HttpClients::with_names(
            OutboundSettings {
                deadline,
                ..OutboundSettings::default()
            },
            Arc::new(Never),
        );
        let client = clients.for_reach(&Reach::default()).expect("a client");
        let url = Url::parse("https://idp.example/").expect("a URL");
        assert_eq!(
            fault(&client, &url).await,
            OutboundFault::Deadline(deadline)
        );
    }

    #[tokio::test]
    async fn t04_bodies_are_capped_announced_or_not() {
        let server = TestServer::start(json(&"x".repeat(101), "")).await;
        let client = client(development()).with_max_body(100);
        let too_large = OutboundFault::TooLarge(100);
        assert_eq!(fault(&client, &server.url("/")).await, too_large);

        server.answer(Answer::Flood);
        assert_eq!(fault(&client, &server.url("/")).await, too_large);

        server.answer(Answer::Bytes(
            b"HTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n".to_vec(),
        ));
        assert_eq!(fault(&client, &server.url("/")).await, too_large);

        server.answer(json(&"x".repeat(100), ""));
        let answer = client.send(get(&server.url("/"))).await.expect("it fits");
        assert_eq!(answer.body().len(), 100);
    }

    #[rstest]
    #[case::truncated(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec())]
    #[case::truncated_chunks(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab".to_vec())]
    #[case::not_http(b"220 smtp.example ESMTP\r\n".to_vec())]
    #[case::nothing(Vec::new())]
    #[tokio::test]
    async fn t04_a_broken_answer_is_an_error(#[case] bytes: Vec<u8>) {
        let server = TestServer::start(Answer::Bytes(bytes)).await;
        let fault = fault(&client(development()), &server.url("/")).await;
        assert!(matches!(fault, OutboundFault::Connection(_)), "{fault:?}");
        assert_eq!(server.hits(), 1, "it is not tried again");
    }

    #[tokio::test]
    async fn t04_an_answer_compressed_unasked_is_refused() {
        let server = TestServer::start(json("{}", "content-encoding: gzip\r\n")).await;
        assert_eq!(
            fault(&client(development()), &server.url("/")).await,
            OutboundFault::Encoded("gzip".into())
        );
    }

    #[tokio::test]
    async fn a44_a_certificate_of_nobody_known_is_refused() {
        let (tls, _) = certificate("127.0.0.1");
        let server = TestServer::start_tls(json("{}", ""), tls).await;
        let fault = fault(&client(development()), &server.url("/")).await;
        assert!(
            matches!(&fault, OutboundFault::Tls(reason) if reason.contains("UnknownIssuer")),
            "{fault:?}"
        );
        assert_eq!(server.hits(), 0);
    }

    #[tokio::test]
    async fn a44_a_ca_file_is_trusted_by_its_own_reach_only() {
        let (tls, pem) = certificate("127.0.0.1");
        let server = TestServer::start_tls(json("{}", ""), tls).await;
        let clients = HttpClients::new(development());
        let pem = file(&pem);
        let trusting = clients.for_reach(&trusting(&pem)).expect("a client");
        let answer = trusting.send(get(&server.url("/"))).await;
        assert_eq!(answer.expect("trusted").status(), StatusCode::OK);

        let other = clients.for_reach(&Reach::default()).expect("a client");
        let fault = fault(&other, &server.url("/")).await;
        assert!(matches!(fault, OutboundFault::Tls(_)), "{fault:?}");
    }

    #[rstest]
    #[case::for_another_name("idp.example", |_: &mut rcgen::CertificateParams| {}, "not valid for name")]
    #[case::expired("127.0.0.1", |parameters: &mut rcgen::CertificateParams| {
        parameters.not_before = rcgen::date_time_ymd(2001, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2002, 1, 1);
    }, "expired")]
    #[case::not_yet("127.0.0.1", |parameters: &mut rcgen::CertificateParams| {
        parameters.not_before = rcgen::date_time_ymd(2999, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(3000, 1, 1);
    }, "not valid yet")]
    #[tokio::test]
    async fn a44_a_bad_certificate_of_a_known_issuer_is_refused(
        #[case] name: &str,
        #[case] change: fn(&mut rcgen::CertificateParams),
        #[case] expected: &str,
    ) {
        let (tls, pem) = certificate_valid(name, change);
        let server = TestServer::start_tls(json("{}", ""), tls).await;
        let pem = file(&pem);
        let client = HttpClients::new(development())
            .for_reach(&trusting(&pem))
            .expect("a client");
        let fault = fault(&client, &server.url("/")).await;
        assert!(
            matches!(&fault, OutboundFault::Tls(reason) if reason.contains(expected)),
            "{fault:?}"
        );
        assert_eq!(server.hits(), 0);
    }

    #[tokio::test]
    async fn a44_tls_is_at_least_1_2() {
        let config = Authorities::default()
            .client_config(&[])
            .expect("a configuration");
        // What is offered, as the other side sees it: the extension `supported_versions` (RFC 8446 §4.2.1)
        // with 1.3 (0x0304) and one more.
        let mut connection = rustls::ClientConnection::new(
            Arc::new(config),
            "idp.example".try_into().expect("a name"),
        )
        .expect("a connection");
        let mut hello = Vec::new();
        connection.write_tls(&mut hello).expect("written");
        let offered = |version: [u8; 2]| {
            hello
                .windows(9)
                .any(|window| window == [0, 43, 0, 5, 4, 3, 4, version[0], version[1]])
        };
        assert!(offered([3, 3]), "exactly TLS 1.3 and 1.2: {hello:?}");
    }

    #[rstest]
    #[case::missing(None, "cannot be read")]
    #[case::empty(Some(""), "has no certificate")]
    #[case::text(Some("hello"), "has no certificate")]
    #[case::broken(
        Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        "not a list of PEM"
    )]
    fn a_wrong_ca_file_is_explained(#[case] content: Option<&str>, #[case] expected: &str) {
        let pem = file(content.unwrap_or_default());
        let mut reach = trusting(&pem);
        if content.is_none() {
            reach.ca_file = Some("/nowhere/ca.pem".into());
        }
        let fault = HttpClients::new(development())
            .for_reach(&reach)
            .expect_err("refused")
            .to_string();
        assert!(fault.contains(expected), "{fault}");
    }

    #[rstest]
    #[case("socks5://10.0.0.1:1080")]
    #[case("ftp://user:secret@proxy.example/")]
    #[case("mailto:a@b")]
    fn a_wrong_proxy_is_explained_without_its_password(#[case] proxy: &str) {
        let reach = Reach {
            proxy: Some(Url::parse(proxy).expect("a URL")),
            ..Reach::default()
        };
        let fault = HttpClients::new(development())
            .for_reach(&reach)
            .expect_err("refused")
            .to_string();
        assert!(fault.contains("`http://` or `https://`"), "{fault}");
        assert!(!fault.contains("secret"), "{fault}");
    }

    #[test]
    fn equal_ways_share_a_client_and_others_do_not() {
        let clients = HttpClients::new(development());
        let open = Reach {
            allow_networks: vec!["10.0.0.0/8".parse().expect("a network")],
            ..Reach::default()
        };
        let id = |reach: &Reach| clients.for_reach(reach).expect("a client").reach_id();
        assert_eq!(id(&Reach::default()), id(&Reach::default()));
        assert_eq!(id(&open), id(&open));
        assert_ne!(id(&open), id(&Reach::default()));
        let others = HttpClients::new(development());
        assert_ne!(
            id(&open),
            others.for_reach(&open).expect("a client").reach_id()
        );
    }

    #[rstest]
    #[case::loopback("https://127.0.0.1/")]
    #[case::short("https://0x7f.1/")]
    #[case::one_number("https://2130706433/")]
    #[case::mapped("https://[::ffff:127.0.0.1]/")]
    #[case::localhost("https://localhost/")]
    #[case::plain("http://idp.example/")]
    #[case::user_info("https://good.example@idp.example/")]
    #[case::empty_user_info("https://@idp.example/")]
    #[case::metadata("https://169.254.169.254/latest/meta-data/")]
    #[tokio::test]
    async fn t03_refused_before_a_name_is_asked(#[case] url: &str) {
        let names = Names::of("idp.example", &[&["8.8.8.8"]]);
        let clients = HttpClients::with_names(OutboundSettings::default(), names.clone());
        let client = clients.for_reach(&Reach::default()).expect("a client");
        let request = Request::get(url).body(Vec::new()).expect("valid");
        let error = client.send(request).await.expect_err("refused");
        assert!(
            matches!(error.fault(), OutboundFault::Refused(_)),
            "{error:?}"
        );
        assert_eq!(names.asked.load(Ordering::SeqCst), 0);
    }

    #[rstest]
    #[case::inside(&["10.0.0.1"])]
    #[case::loopback(&["127.0.0.1"])]
    #[case::one_of_several(&["8.8.8.8", "127.0.0.1"])]
    #[case::mapped(&["::ffff:192.168.0.1"])]
    #[case::metadata(&["169.254.169.254"])]
    #[case::azure(&["168.63.129.16"])]
    #[tokio::test]
    async fn t03_a_name_is_judged_by_what_it_resolves_to(#[case] addresses: &[&str]) {
        let names = Names::of("idp.example", &[addresses]);
        let clients = HttpClients::with_names(OutboundSettings::default(), names);
        let client = clients.for_reach(&Reach::default()).expect("a client");
        let url = Url::parse("https://idp.example/").expect("a URL");
        let fault = fault(&client, &url).await;
        assert!(matches!(fault, OutboundFault::Refused(_)), "{fault:?}");
    }

    #[tokio::test]
    async fn t03_a_rebinding_name_is_judged_anew_at_each_connection() {
        let server = TestServer::start(json("{}", "")).await;
        let names = Names::of(
            "idp.example",
            &[&["127.0.0.1"], &["10.0.0.1"], &["169.254.169.254"]],
        );
        // TLS fails with a server that speaks none: it was connected to.
        let clients = HttpClients::with_names(development(), names);
        let client = clients.for_reach(&Reach::default()).expect("a client");
        let mut url = server.url_at("idp.example", "/");
        url.set_scheme("https").expect("https");
        let first = fault(&client, &url).await;
        assert!(!matches!(first, OutboundFault::Refused(_)), "{first:?}");
        for _ in 0..2 {
            let again = fault(&client, &url).await;
            assert!(matches!(again, OutboundFault::Refused(_)), "{again:?}");
        }
    }

    #[tokio::test]
    async fn t03_development_reaches_localhost_by_name_and_asks_nobody() {
        let server = TestServer::start(json("{}", "")).await;
        let names = Names::of("idp.example", &[]);
        let clients = HttpClients::with_names(development(), names.clone());
        let client = clients.for_reach(&Reach::default()).expect("a client");
        for host in ["localhost", "acme.localhost"] {
            let answer = client.send(get(&server.url_at(host, "/"))).await;
            assert_eq!(answer.expect("reached").status(), StatusCode::OK);
        }
        assert_eq!(names.asked.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn t03_a_listed_network_is_reached_without_development() {
        let (tls, pem) = certificate("idp.internal");
        let server = TestServer::start_tls(json("{}", ""), tls).await;
        let names = Names::of("idp.internal", &[&["127.0.0.1"]]);
        let clients = HttpClients::with_names(OutboundSettings::default(), names);
        let pem = file(&pem);
        let listed = Reach {
            allow_networks: vec!["127.0.0.0/8".parse().expect("a network")],
            ..trusting(&pem)
        };
        let url = server.url_at("idp.internal", "/");
        let client = clients.for_reach(&listed).expect("a client");
        let answer = client.send(get(&url)).await;
        assert_eq!(answer.expect("reached").status(), StatusCode::OK);

        let unlisted = clients.for_reach(&trusting(&pem)).expect("a client");
        let refused = fault(&unlisted, &url).await;
        assert!(matches!(refused, OutboundFault::Refused(_)), "{refused:?}");
    }

    #[tokio::test]
    async fn t03_a_proxy_is_the_operators_word_but_literals_behind_it_are_judged() {
        let proxy = TestServer::start(response("403 Forbidden", "text/plain", "", "")).await;
        let reach = Reach {
            proxy: Some(proxy.url_at("proxy.internal", "/")),
            ..Reach::default()
        };
        let names = Names::of("proxy.internal", &[&["127.0.0.1"]]);
        let clients = HttpClients::with_names(OutboundSettings::default(), names);
        let client = clients.for_reach(&reach).expect("a client");

        for url in [
            "https://169.254.169.254/",
            "https://10.0.0.1/",
            "https://metadata.google.internal/",
            "https://localhost/",
        ] {
            let url = Url::parse(url).expect("a URL");
            let refused = fault(&client, &url).await;
            assert!(matches!(refused, OutboundFault::Refused(_)), "{refused:?}");
        }
        assert_eq!(proxy.hits(), 0);

        let url = Url::parse("https://idp.example/").expect("a URL");
        let fault = fault(&client, &url).await;
        assert!(matches!(fault, OutboundFault::Connection(_)), "{fault:?}");
        assert!(
            proxy
                .last_head()
                .starts_with("CONNECT idp.example:443 HTTP/1.1\r\n")
        );
    }

    #[tokio::test]
    async fn an_unknown_name_and_a_closed_port_say_so() {
        let names = Names::of("idp.example", &[]);
        let clients = HttpClients::with_names(development(), names);
        let client = clients.for_reach(&Reach::default()).expect("a client");
        let unknown = Url::parse("https://unknown.example/").expect("a URL");
        let fault_of_name = fault(&client, &unknown).await;
        assert_eq!(fault_of_name, OutboundFault::Name("no such name".into()));

        let closed = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("an address")
        };
        let url = Url::parse(&format!("http://{closed}/")).expect("a URL");
        let refused = fault(&client, &url).await;
        assert!(
            matches!(&refused, OutboundFault::Connection(reason) if reason.contains("refused")),
            "{refused:?}"
        );
    }

    #[tokio::test]
    async fn an_error_names_the_origin_and_nothing_secret() {
        let server = TestServer::start(Answer::Hangup).await;
        let url = server.url("/path-canary?code=query-canary");
        let mut request = Request::post(url.as_str())
            .body(b"client_secret=body-canary".to_vec())
            .expect("valid");
        request.headers_mut().insert(
            http::header::AUTHORIZATION,
            HeaderValue::from_static("Bearer header-canary"),
        );
        let error = client(development())
            .send(request)
            .await
            .expect_err("it hung up");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(&server.address.to_string()), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
