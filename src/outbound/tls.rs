//! Whom to believe: the certificate authorities of the machine, and those an operator adds.
//!
//! Invariant: every client verifies certificates and host names; there is no switch for it. The authorities
//! are read once and shared by all clients without an addition. Where a machine has none (a minimal
//! container), Mozilla's list, built in, stands in.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Servers whose TLS sessions are remembered for a quick reconnect, for each client.
const RESUMED_SERVERS: usize = 64;

/// A `ca_file` that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaFileFault {
    /// It cannot be read.
    #[error("`ca_file` {path:?} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: Box<str>,
    },
    /// It is not PEM, or a block in it is not a certificate.
    #[error("`ca_file` {path:?} is not a list of PEM certificates: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// There is no certificate in it.
    #[error("`ca_file` {path:?} has no certificate (`-----BEGIN CERTIFICATE-----`)")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// The usual certificate authorities, read when first needed.
#[derive(Debug, Default)]
pub(super) struct Authorities {
    usual: OnceLock<Arc<RootCertStore>>,
}

impl Authorities {
    /// The usual ones, and `additional` ones. The first call reads files.
    fn with(&self, additional: &[CertificateDer<'static>]) -> Arc<RootCertStore> {
        let usual = self.usual.get_or_init(|| Arc::new(read_usual()));
        if additional.is_empty() {
            return Arc::clone(usual);
        }
        let mut store = RootCertStore::clone(usual);
        store.add_parsable_certificates(additional.iter().cloned());
        Arc::new(store)
    }

    /// How a client speaks TLS. The first call reads files.
    ///
    /// # Errors
    /// What rustls says; with its own provider it has no reason to.
    pub(super) fn client_config(
        &self,
        additional: &[CertificateDer<'static>],
    ) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_root_certificates(self.with(additional))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(RESUMED_SERVERS);
        Ok(config)
    }
}

fn read_usual() -> RootCertStore {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a certificate authority of this machine was skipped");
    }
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        tracing::info!("this machine has no certificate authorities: the built-in list is used");
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    store
}

/// Reads a `ca_file`, and tries each certificate in it.
///
/// # Errors
/// Why it cannot be used.
pub(super) fn read_ca_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, CaFileFault> {
    let malformed = |reason: String| CaFileFault::Malformed {
        path: path.to_owned(),
        reason: reason.into(),
    };
    let pem = std::fs::read(path).map_err(|error| CaFileFault::Unreadable {
        path: path.to_owned(),
        reason: error.to_string().into(),
    })?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(CaFileFault::Empty {
            path: path.to_owned(),
        });
    }
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store
            .add(certificate.clone())
            .map_err(|error| malformed(error.to_string()))?;
    }
    Ok(certificates)
}
