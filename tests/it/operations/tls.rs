//! TLS on the main listener.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward::config::Faults;
use doorward::web::connections;
use doorward::web::front::Front;
use http::StatusCode;
use rcgen::KeyPair;
use rstest::rstest;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{
    self, ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
};

use crate::support::audit;
use crate::support::broker::{Broker, CONFIGURATION, Setup, clock, folder};
use crate::support::certificates::{Authority, authority, named};
use crate::support::provider::TestProvider;
use crate::support::raw;

/// A certificate and its key, PEM.
fn pair(authority: &Authority) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let certificate = named("acme.localhost")
        .signed_by(&key, authority)
        .expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

fn write(folder: &Path, (certificate, key): &(String, String)) {
    fs::write(folder.join("cert.pem"), certificate).expect("written");
    fs::write(folder.join("key.pem"), key).expect("written");
}

const TLS: &str = "[server.tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n\n[storage]";

/// A broker that shows a certificate of this authority.
async fn with_tls(authority: &Authority) -> Broker {
    let folder: Arc<TempDir> = folder();
    write(folder.path(), &pair(authority));
    let setup = Setup {
        configuration: CONFIGURATION.replacen("[storage]", TLS, 1),
        ..Setup::default()
    };
    let clock = clock();
    let provider = TestProvider::start(Arc::clone(&clock));
    Broker::on(setup, clock, provider, folder).await
}

fn client(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A resumed session shows no certificate.
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

async fn connect(broker: &Broker, with: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(broker.address).await.expect("a port");
    let name = ServerName::try_from("acme.localhost").expect("a name");
    with.connect(name, stream).await
}

async fn connected(broker: &Broker, authority: &Authority) -> TlsStream<TcpStream> {
    let client = client(authority, rustls::ALL_VERSIONS, &["http/1.1"]);
    connect(broker, &client).await.expect("a handshake")
}

/// The status of `GET /healthz` on a connection that stays open.
async fn healthz(stream: &mut TlsStream<TcpStream>) -> StatusCode {
    let request = b"GET /healthz HTTP/1.1\r\nhost: acme.localhost\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("an answer"));
    }
    let answer = String::from_utf8(answer).expect("a head");
    let length = answer.split("content-length: ").nth(1).expect("a length");
    let length: usize = length
        .split('\r')
        .next()
        .and_then(|it| it.parse().ok())
        .expect("a number");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a body");
    answer["HTTP/1.1 ".len()..][..3].parse().expect("a status")
}

fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    let (_, connection) = stream.get_ref();
    connection.peer_certificates().expect("a certificate")[0].to_vec()
}

#[rstest]
#[case::new(&rustls::version::TLS13, ProtocolVersion::TLSv1_3)]
#[case::older(&rustls::version::TLS12, ProtocolVersion::TLSv1_2)]
#[tokio::test]
async fn both_versions_of_tls_are_spoken(
    #[case] version: &'static SupportedProtocolVersion,
    #[case] expected: ProtocolVersion,
) {
    let authority = authority();
    let broker = with_tls(&authority).await;
    let client = client(&authority, &[version], &["h2", "http/1.1"]);
    let mut stream = connect(&broker, &client).await.expect("a handshake");
    let (_, connection) = stream.get_ref();
    assert_eq!(connection.protocol_version(), Some(expected));
    assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(healthz(&mut stream).await, StatusCode::OK);
}

/// RFC 7301 §3.2: a client that speaks no protocol of ours is told so, one that says nothing gets HTTP/1.1.
#[tokio::test]
async fn another_protocol_is_refused_and_none_is_not() {
    let authority = authority();
    let broker = with_tls(&authority).await;
    let other = client(&authority, rustls::ALL_VERSIONS, &["h2"]);
    let refused = connect(&broker, &other).await.expect_err("no protocol");
    assert!(
        refused.to_string().contains("NoApplicationProtocol"),
        "{refused}"
    );
    let silent = client(&authority, rustls::ALL_VERSIONS, &[]);
    let mut stream = connect(&broker, &silent).await.expect("a handshake");
    assert_eq!(healthz(&mut stream).await, StatusCode::OK);
}

/// A `ClientHello` (RFC 5246 §7.4.1.2) as versions before TLS 1.3 send it gets the server's, or the alert
/// `protocol_version` where all that it speaks is older.
#[rstest]
#[case::tls_1_2([3, 3], 22, None)]
#[case::tls_1_1([3, 2], 21, Some([2, 70]))]
#[case::tls_1_0([3, 1], 21, Some([2, 70]))]
#[tokio::test]
async fn old_versions_of_tls_are_refused(
    #[case] version: [u8; 2],
    #[case] kind: u8,
    #[case] alert: Option<[u8; 2]>,
) {
    let broker = with_tls(&authority()).await;
    let mut hello = version.to_vec();
    hello.extend([0x42; 32]);
    // No session; TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256; no compression.
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    // Extensions: X25519, ecdsa_secp256r1_sha256.
    hello.extend([0, 16, 0, 10, 0, 4, 0, 2, 0, 0x1d, 0, 13, 0, 4, 0, 2, 4, 3]);
    let length = u8::try_from(hello.len()).expect("short");
    let mut record = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    let mut stream = TcpStream::connect(broker.address).await.expect("a port");
    stream.write_all(&record).await.expect("sent");
    let mut head = [0; 7];
    stream.read_exact(&mut head).await.expect("an answer");
    assert_eq!(head[0], kind, "{head:?}");
    assert!(alert.is_none_or(|alert| head[5..] == alert), "{head:?}");
}

#[tokio::test]
async fn nothing_is_answered_in_the_clear() {
    let broker = with_tls(&authority()).await;
    for target in ["/healthz", "/oauth2/auth", "/login"] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: acme.localhost\r\n\r\n");
        let (status, answer) = raw::bytes(broker.address, request.as_bytes()).await;
        assert_eq!(status, None, "{answer}");
        assert!(!answer.contains("HTTP"), "{answer}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_the_next_connection() {
    let authority = authority();
    let broker = with_tls(&authority).await;
    let mut before = connected(&broker, &authority).await;
    assert_eq!(healthz(&mut before).await, StatusCode::OK);
    write(broker.folder.path(), &pair(&authority));
    assert!(broker.reloader.look().await.is_none());
    broker.reloader.look().await.expect("read").expect("right");
    let mut after = connected(&broker, &authority).await;
    assert_ne!(shown(&before), shown(&after));
    // Who was here goes on.
    assert_eq!(healthz(&mut before).await, StatusCode::OK);
    assert_eq!(healthz(&mut after).await, StatusCode::OK);
}

/// One of the two files is there before the other, or will never fit.
#[tokio::test]
async fn a_key_that_does_not_fit_changes_nothing() {
    let authority = authority();
    let broker = with_tls(&authority).await;
    let before = shown(&connected(&broker, &authority).await);
    let (certificate, key) = pair(&authority);
    fs::write(broker.folder.path().join("cert.pem"), certificate).expect("written");
    assert!(broker.reloader.look().await.is_none());
    let faults: Faults = broker
        .reloader
        .look()
        .await
        .expect("read")
        .expect_err("half a pair");
    assert!(
        faults
            .to_string()
            .contains("is not that of the certificate"),
        "{faults}"
    );
    assert_eq!(shown(&connected(&broker, &authority).await), before);
    let refused = audit::here();
    assert!(
        refused
            .iter()
            .any(|line| line.event() == "configuration_refused")
    );
    fs::write(broker.folder.path().join("key.pem"), key).expect("written");
    assert!(broker.reloader.look().await.is_none());
    broker.reloader.look().await.expect("read").expect("a pair");
    assert_ne!(shown(&connected(&broker, &authority).await), before);
}

/// With the certificate taken out of the file the next connection is plain http, and the other way round.
#[tokio::test]
async fn tls_is_switched_on_and_off_by_the_file() {
    let authority = authority();
    let broker = with_tls(&authority).await;
    broker.edit(|text| text.replacen(TLS, "[storage]", 1));
    broker.reload().await.expect("right");
    let host = broker.address.to_string();
    let answer = raw::get(broker.address, "/healthz", &[("host", &host)]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    broker.edit(|text| text.replacen("[storage]", TLS, 1));
    broker.reload().await.expect("right");
    let mut stream = connected(&broker, &authority).await;
    assert_eq!(healthz(&mut stream).await, StatusCode::OK);
}

#[tokio::test]
async fn who_does_not_shake_hands_is_let_go() {
    let broker = with_tls(&authority()).await;
    let mut silent = TcpStream::connect(broker.address).await.expect("a port");
    // The clock of timers jumps to the next one whenever there is nothing else to do.
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let mut answer = Vec::new();
    let _ = silent.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
    let took = began.elapsed();
    assert!(took <= Duration::from_secs(11), "{took:?}");
    assert!(took >= Duration::from_secs(9), "{took:?}");
}

#[tokio::test]
async fn who_still_shakes_hands_does_not_hold_up_the_end() {
    let broker = with_tls(&authority()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let front = Front::new(&broker.door, true);
    let serving = tokio::spawn(connections::serve(listener, front, async {
        let _ = stopped.await;
    }));
    let mut silent = TcpStream::connect(address).await.expect("a port");
    // A first byte, so that it was surely taken.
    silent.write_all(&[0x16]).await.expect("sent");
    tokio::task::yield_now().await;
    stop.send(()).expect("it serves");
    let ended = tokio::time::timeout(Duration::from_secs(5), serving).await;
    ended.expect("at once").expect("no panic");
}
