//! Apps behind TLS: the certificate must be good.

use std::io::Write as _;

use http::{Method, StatusCode};
use rstest::rstest;

use super::*;
use crate::support::audit;
use crate::support::certificates::{acceptor, authority, named};

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
    let app = App::with_tls(acceptor(&theirs, &named(name))).await;
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
