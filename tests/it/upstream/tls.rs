//! Apps behind TLS: the certificate must be good.

use std::io::Write as _;
use std::sync::Arc;

use http::{Method, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rstest::rstest;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::*;
use crate::support::audit;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("an authority")
}

fn acceptor(authority: &Authority, name: &str) -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([name.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    let provider = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider();
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .expect("a configuration");
    TlsAcceptor::from(Arc::new(config))
}

#[rstest]
#[case::good("localhost", true, 200)]
#[case::other_name("elsewhere.example", true, 502)]
#[case::unknown_authority("localhost", false, 502)]
#[tokio::test]
async fn a44_an_app_has_to_prove_itself(
    #[case] name: &str,
    #[case] trusted: bool,
    #[case] status: u16,
) {
    let theirs = authority();
    let app = App::with_tls(acceptor(&theirs, name)).await;
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let ours = if trusted { theirs } else { authority() };
    file.write_all(ours.pem().as_bytes()).expect("written");
    let upstream = format!(
        "{{ address = \"https://localhost:{}\", ca_file = \"{}\" }}",
        app.address.port(),
        file.path().display()
    );
    let broker = start(configuration(&upstream, "")).await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let page = browser
        .request(Method::GET, &broker.url(WIKI, "/x"), &[])
        .await;
    assert_eq!(page.status, status);
    if page.status == StatusCode::OK {
        assert_eq!(page.html(), "hello over TLS");
    } else {
        let reason = audit::only(&page).field("reason");
        assert!(reason.contains("TLS failed"), "{reason}");
        assert!(reason.contains("ca_file"), "{reason}");
        assert_eq!(app.count(), 0);
    }
}
