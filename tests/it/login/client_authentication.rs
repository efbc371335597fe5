//! Proving to the token endpoint who we are without sending a secret: by signed assertions, which the provider
//! verifies for real. (A secret that is signed for each request is Apple's way, in `apple`.)

use jsonwebtoken::{Algorithm, DecodingKey};
use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    PKCS_RSA_SHA256, PublicKeyData as _,
};
use rstest::rstest;
use tempfile::TempDir;

use super::*;
use crate::support::broker::CONFIGURATION;
use crate::support::provider::{CLIENT_ID, CLIENT_SECRET, Endpoint, RegisteredKey};

const SECRET: &str = "client_secret = { env = \"CLIENT_SECRET\" }\nscopes";

/// A broker whose tenant `acme` authenticates as `settings` say, with the files of `write`.
async fn start(settings: &str, write: impl FnOnce(&Path), registered: RegisteredKey) -> Broker {
    let clock = clock();
    let provider = TestProvider::start(Arc::clone(&clock));
    provider.configure(|settings| {
        settings.client_authentication = vec![match registered.algorithm {
            _ if registered.as_secret => "client_secret_post",
            Algorithm::HS256 => "client_secret_jwt",
            _ => "private_key_jwt",
        }];
        settings.client_keys.insert(CLIENT_ID.into(), registered);
    });
    let folder: Arc<TempDir> = folder();
    write(folder.path());
    assert!(CONFIGURATION.contains(SECRET));
    let setup = Setup {
        configuration: CONFIGURATION.replacen(SECRET, &format!("{settings}\nscopes"), 1),
        ..Setup::default()
    };
    Broker::on(setup, clock, provider, folder).await
}

fn pair(algorithm: Algorithm) -> (KeyPair, RegisteredKey) {
    let kind = match algorithm {
        Algorithm::ES256 => &PKCS_ECDSA_P256_SHA256,
        Algorithm::ES384 => &PKCS_ECDSA_P384_SHA384,
        Algorithm::EdDSA => &PKCS_ED25519,
        _ => &PKCS_RSA_SHA256,
    };
    let pair = KeyPair::generate_for(kind).expect("a key");
    let raw = pair.der_bytes();
    let public = match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_der(raw),
        Algorithm::EdDSA => DecodingKey::from_ed_der(raw),
        _ => DecodingKey::from_rsa_der(raw),
    };
    (pair, RegisteredKey::new(algorithm, public))
}

const KEY: &str = "private_key = { file = \"key.pem\" }\nkey_id = \"key-1\"";

#[rstest]
#[case(Algorithm::RS256, "")]
#[case(Algorithm::PS256, "\nassertion_algorithm = \"PS256\"")]
#[case(Algorithm::ES256, "")]
#[case(Algorithm::ES384, "")]
#[case(Algorithm::EdDSA, "")]
#[tokio::test]
async fn a_private_key_signs_people_in(#[case] algorithm: Algorithm, #[case] more: &str) {
    let (pair, mut registered) = pair(algorithm);
    registered.named = Some(("kid", "key-1".to_owned()));
    let write = |folder: &Path| {
        std::fs::write(folder.join("key.pem"), pair.serialize_pem()).expect("written");
    };
    let broker = start(&format!("{KEY}{more}"), write, registered).await;
    assert_signs_in(&broker, &mut broker.browser()).await;
    // Another login is another assertion: the provider takes none twice.
    assert_signs_in(&broker, &mut broker.browser()).await;
    assert_eq!(broker.provider.count(Endpoint::Token), 2);
    let exchange = broker.provider.last(Endpoint::Token).expect("an exchange");
    assert_eq!(exchange.form("client_id"), Some(CLIENT_ID));
    assert_eq!(exchange.form("client_secret"), None);
    assert_eq!(exchange.header("authorization"), None);
    let assertion = exchange.form("client_assertion").expect("an assertion");
    assert!(
        audit::everything_here()
            .iter()
            .all(|line| !format!("{line:?}").contains(assertion)),
        "an assertion is not logged"
    );
}

#[tokio::test]
async fn a_certificate_names_the_key_by_its_thumbprint() {
    let (pair, mut registered) = pair(Algorithm::PS256);
    let params = CertificateParams::new(Vec::new()).expect("names");
    let certificate = params.self_signed(&pair).expect("a certificate");
    let thumbprint =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.der().as_ref());
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let thumbprint = base64::Engine::encode(&engine, thumbprint);
    registered.named = Some(("x5t#S256", thumbprint));
    let settings = "private_key = { file = \"key.pem\" }\ncertificate = \"client.crt\"\n\
                    assertion_algorithm = \"PS256\"";
    let write = |folder: &Path| {
        std::fs::write(folder.join("key.pem"), pair.serialize_pem()).expect("written");
        std::fs::write(folder.join("client.crt"), certificate.pem()).expect("written");
    };
    let broker = start(settings, write, registered).await;
    assert_signs_in(&broker, &mut broker.browser()).await;
}

#[tokio::test]
async fn the_issuer_can_be_the_audience() {
    let (pair, registered) = pair(Algorithm::ES256);
    let write = |folder: &Path| {
        std::fs::write(folder.join("key.pem"), pair.serialize_pem()).expect("written");
    };
    let settings = "private_key = { file = \"key.pem\" }\nassertion_audience = \"issuer\"";
    let broker = start(settings, write, registered).await;
    let registered = |audience: &str| {
        let audience = audience.to_owned();
        broker.provider.configure(|settings| {
            let key = settings.client_keys.get_mut(CLIENT_ID).expect("registered");
            key.audience = audience;
        });
    };
    registered("");
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    let expected = (502, NOT_SET_UP);
    assert_refused(&broker, &browser, &page, expected, "`invalid_client`").await;
    registered(broker.provider.base());
    assert_signs_in(&broker, &mut broker.browser()).await;
}

#[tokio::test]
async fn a_secret_can_key_the_assertion_and_stays_at_home() {
    let public = DecodingKey::from_secret(CLIENT_SECRET.as_bytes());
    let registered = RegisteredKey::new(Algorithm::HS256, public);
    let settings = "client_secret = { env = \"CLIENT_SECRET\" }\n\
                    client_authentication = \"client_secret_jwt\"";
    let broker = start(settings, |_| {}, registered).await;
    assert_signs_in(&broker, &mut broker.browser()).await;
    let exchange = broker.provider.last(Endpoint::Token).expect("an exchange");
    let body = String::from_utf8_lossy(&exchange.body);
    assert!(!body.contains("s3cret"), "{body}");
    assert_eq!(exchange.header("authorization"), None);
}

/// A key that the provider does not know: what is told, and that no one is signed in.
#[tokio::test]
async fn a_key_that_is_not_registered_signs_nobody_in() {
    let (_, registered) = pair(Algorithm::ES256);
    let (other, _) = pair(Algorithm::ES256);
    let write = |folder: &Path| {
        std::fs::write(folder.join("key.pem"), other.serialize_pem()).expect("written");
    };
    let broker = start(KEY, write, registered).await;
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    let expected = (502, NOT_SET_UP);
    assert_refused(&broker, &browser, &page, expected, "`invalid_client`").await;
}
