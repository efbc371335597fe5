//! TLS on the main listener, where the configuration has a certificate.
//!
//! Whether a connection is TLS, and which certificate it is shown, is read from the directory of that moment:
//! a reload is seen by the next connection, and those there are go on as they began. Invariant: where there
//! is a certificate nothing is answered in the clear.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::tenants::LiveDirectory;

/// How long the other side may take for its part of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Does TLS while the directory has a certificate.
pub(super) struct Tls {
    directory: Arc<LiveDirectory>,
    acceptor: TlsAcceptor,
}

impl Tls {
    #[expect(
        clippy::expect_used,
        reason = "both versions are in the provider that is named beside them"
    )]
    pub(super) fn new(directory: &Arc<LiveDirectory>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Current(Arc::clone(directory))));
        // RFC 7301: who speaks nothing but another protocol is told so. See `connections`.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            directory: Arc::clone(directory),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }

    /// What does the handshake; none: plain http is served.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        let directory = self.directory.current();
        directory.server().tls.as_ref()?;
        Some(self.acceptor.clone())
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tls")
    }
}

/// Shakes hands, within a limit.
pub(super) async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(shaken) => shaken,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the handshake took too long",
        )),
    }
}

/// The certificate of the directory at the moment of the handshake.
#[derive(Debug)]
struct Current(Arc<LiveDirectory>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let directory = self.0.current();
        let certificate = directory.server().tls.as_ref()?;
        Some(Arc::clone(certificate.certified_key()))
    }
}
