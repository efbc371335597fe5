//! A provider behind TLS: its certificate must be good.

use std::net::SocketAddr;
use std::time::Duration;

use rcgen::CertificateParams;
use rstest::rstest;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::support::broker::{CONFIGURATION, folder};
use crate::support::certificates::{Authority, acceptor, authority, named};
use crate::support::provider::{DiscoveryFault, Endpoint};

/// Ends TLS in front of a provider.
struct Front {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn front(authority: &Authority, params: &CertificateParams, behind: SocketAddr) -> Front {
    let acceptor = acceptor(authority, params);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut inside) = acceptor.accept(stream).await else {
                    return;
                };
                if let Ok(mut outside) = TcpStream::connect(behind).await {
                    let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
                }
            });
        }
    });
    Front { address, task }
}

/// What is wrong with the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Certificate {
    Good,
    Expired,
    NotYetValid,
    OtherName,
    OtherAuthority,
}

/// A broker that trusts one authority, and a provider with such a certificate.
async fn broker_with(certificate: Certificate, trusting: bool) -> (Broker, Front) {
    let clock = clock();
    let provider = TestProvider::start(Arc::clone(&clock));
    let folder = folder();
    let own = authority();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, own.pem()).expect("a file");
    let name = match certificate {
        Certificate::OtherName => "127.0.0.2",
        _ => "127.0.0.1",
    };
    let mut params = named(name);
    match certificate {
        Certificate::Expired => {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        }
        Certificate::NotYetValid => params.not_before = rcgen::date_time_ymd(2999, 1, 1),
        _ => {}
    }
    let signer = match certificate {
        Certificate::OtherAuthority => authority(),
        _ => own,
    };
    let front = front(&signer, &params, provider.address()).await;
    let issuer = format!("https://{}", front.address);
    provider.configure(|settings| settings.issuer.clone_from(&issuer));
    for (member, path) in [
        ("authorization_endpoint", "authorize"),
        ("end_session_endpoint", "end_session"),
        ("token_endpoint", "token"),
        ("jwks_uri", "jwks"),
        ("userinfo_endpoint", "userinfo"),
    ] {
        let address = json!(format!("{issuer}/{path}"));
        provider.set(DiscoveryFault::With(member, address));
    }
    let ca_file = if trusting {
        format!("\nca_file = {:?}", ca_file.display().to_string())
    } else {
        String::new()
    };
    let settings = format!("issuer = \"{issuer}\"{ca_file}");
    let setup = Setup {
        configuration: CONFIGURATION.replace("issuer = \"{issuer}\"", &settings),
        provider_deadline: Duration::from_secs(5),
        ..Setup::default()
    };
    let broker = Broker::on(setup, clock, provider, folder).await;
    (broker, front)
}

#[tokio::test]
async fn a44_a_certificate_of_the_operators_authority_is_good() {
    let (broker, _front) = broker_with(Certificate::Good, true).await;
    let mut browser = broker.browser();
    // The browser need not believe the certificate: what is tested is whether we do.
    browser.reach("127.0.0.1", broker.provider.address());
    assert_signs_in(&broker, &mut browser).await;
    assert_eq!(broker.provider.count(Endpoint::Token), 1);
}

#[rstest]
#[case::of_an_authority_nobody_named(Certificate::Good, false)]
#[case::expired(Certificate::Expired, true)]
#[case::not_yet_valid(Certificate::NotYetValid, true)]
#[case::of_another_name(Certificate::OtherName, true)]
#[case::of_another_authority(Certificate::OtherAuthority, true)]
#[tokio::test]
async fn a44_a_bad_certificate_is_refused(
    #[case] certificate: Certificate,
    #[case] trusting: bool,
) {
    let (broker, _front) = broker_with(certificate, trusting).await;
    let mut browser = broker.browser();
    let page = broker.sign_in(&mut browser, WIKI, "/").await;
    assert_page(&page, 502, UNREACHABLE);
    let line = audit::only(&page);
    assert!(
        line.field("reason").contains("certificate"),
        "{}",
        line.field("reason")
    );
    assert_eq!(
        broker.provider.count(Endpoint::Discovery),
        0,
        "nothing was said"
    );
    assert!(!page.text().contains("certificate"), "{}", page.text());
}
