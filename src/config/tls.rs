//! `[server.tls]`: the certificate that we show on our own listener.
//!
//! Invariant: a certificate that exists here can be served, with a key that is its own. Both files are read
//! whole when the configuration is, so that a file that is replaced under way cannot make half a pair.
//! Deliberately absent: a switch for old versions of TLS, and passwords of keys.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use secrecy::zeroize::Zeroizing;

use super::Context;
use super::reader::Item;
use super::table::{Key, Shape, Table};

/// Largest file that is read, in bytes.
const FILE_LIMIT: u64 = 1024 * 1024;

pub(super) static TABLE: Table = Table::new(
    "[server.tls]",
    "TLS on the main listener. Without it plain http arrives there, and a proxy in front does TLS.",
    &[
        Key::new(
            "certificate",
            Shape::Path,
            "The certificate, and those between it and its authority, PEM. Read again when it changes.",
        )
        .required(),
        Key::new(
            "key",
            Shape::Path,
            "Its private key, PEM, not encrypted. Read again when it changes.",
        )
        .required(),
    ],
);

/// A certificate with its key.
#[derive(Clone)]
pub struct ServerCertificate(Arc<CertifiedKey>);

impl ServerCertificate {
    /// What is served.
    #[must_use]
    pub const fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.0
    }

    /// Whether it is for `name`: a host, without its port (RFC 6125 §6.4).
    #[must_use]
    pub fn is_for(&self, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name) else {
            return false;
        };
        let parsed = self.0.cert.first().map(ParsedCertificate::try_from);
        parsed.is_some_and(|parsed| {
            parsed.is_ok_and(|certificate| verify_server_name(&certificate, &name).is_ok())
        })
    }
}

impl PartialEq for ServerCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ServerCertificate(…)")
    }
}

pub(super) fn read(item: &Item<'_>, context: &Context<'_>) -> Option<ServerCertificate> {
    let section = item.section(&TABLE)?;
    let certificate = section.require("certificate", "add certificate = \"fullchain.pem\"");
    let key = section.require("key", "add key = \"privkey.pem\"");
    section.finish();
    let chain = certificate
        .as_ref()
        .and_then(|item| chain(item, &read_file(item, context)?));
    let private = key
        .as_ref()
        .and_then(|item| private_key(item, &read_file(item, context)?));
    pair(&certificate?, &key?, chain?, private?)
}

/// The bytes of a file that may hold a key.
fn read_file(item: &Item<'_>, context: &Context<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let path = context.file(item.text()?);
    match read_limited(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            item.fault_with_help(
                format!("the file {} of `{}` cannot be read: {error}", item.shown(), item.name),
                "relative paths begin at the folder of this file; the user that Doorward runs as must be able to read it",
            );
            None
        }
    }
}

fn read_limited(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    if std::fs::metadata(path)?.len() > FILE_LIMIT {
        return Err(std::io::Error::other("it is larger than 1 MiB"));
    }
    std::fs::read(path).map(Zeroizing::new)
}

/// What is wrong with PEM, in words that repeat nothing of it.
pub(super) const fn pem_fault(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => {
            "its end is missing (`-----END …-----`): is it still being written?"
        }
        pem::Error::Base64Decode(_) => {
            "what stands in it is not base64: is it still being written?"
        }
        _ => "it is not PEM",
    }
}

fn chain(item: &Item<'_>, file: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_slice_iter(file).collect::<Result<Vec<_>, _>>();
    match chain {
        Ok(chain) if !chain.is_empty() => return Some(chain),
        Ok(_) => item.fault_with_help(
            format!("there is no certificate in {}", item.shown()),
            "it begins with -----BEGIN CERTIFICATE-----; the server's own comes first, then those between it and its authority",
        ),
        Err(error) => item.fault_with_help(
            format!("the certificates in {} cannot be read", item.shown()),
            pem_fault(&error),
        ),
    }
    None
}

/// Certificate authorities to trust beside the usual ones: the file, and what is in it.
pub(super) fn authorities(
    item: &Item<'_>,
    context: &Context<'_>,
) -> Option<(PathBuf, Vec<CertificateDer<'static>>)> {
    let file = read_file(item, context)?;
    let path = context.path(item.as_text()?);
    let found = CertificateDer::pem_slice_iter(&file).collect::<Result<Vec<_>, _>>();
    let how = "it is PEM, and each certificate begins with -----BEGIN CERTIFICATE-----; without `ca_file` the usual authorities are trusted";
    let found = match found {
        Ok(found) if !found.is_empty() => found,
        Ok(_) => {
            item.fault_with_help(format!("there is no certificate in {}", item.shown()), how);
            return None;
        }
        Err(error) => {
            item.fault_with_help(
                format!(
                    "the certificates in {} cannot be read: {}",
                    item.shown(),
                    pem_fault(&error)
                ),
                how,
            );
            return None;
        }
    };
    let mut store = RootCertStore::empty();
    let wrong = found
        .iter()
        .enumerate()
        .find_map(|(index, one)| Some((index + 1, store.add(one.clone()).err()?)));
    if let Some((number, error)) = wrong {
        item.fault_with_help(
            format!(
                "certificate {number} in {} cannot be used as an authority: {error}",
                item.shown()
            ),
            "take it out, or export it anew from whoever issued it",
        );
        return None;
    }
    Some((path, found))
}

/// The two ways in which PEM says that a key is encrypted (RFC 7468 §11, RFC 1421 §4.6.1.1).
fn is_encrypted(file: &[u8]) -> bool {
    let has = |mark: &[u8]| file.windows(mark.len()).any(|window| window == mark);
    has(b"BEGIN ENCRYPTED PRIVATE KEY") || has(b"Proc-Type: 4,ENCRYPTED")
}

fn private_key(item: &Item<'_>, file: &[u8]) -> Option<PrivateKeyDer<'static>> {
    if is_encrypted(file) {
        item.fault_with_help(
            format!("the key in {} is encrypted", item.shown()),
            "nobody is there to type its password: openssl pkey -in encrypted.pem -out key.pem, readable by Doorward's user alone",
        );
        return None;
    }
    match PrivateKeyDer::from_pem_slice(file) {
        Ok(key) => return Some(key),
        Err(pem::Error::NoItemsFound) => item.fault_with_help(
            format!("there is no private key in {}", item.shown()),
            "it begins with -----BEGIN PRIVATE KEY-----",
        ),
        Err(error) => item.fault_with_help(
            format!("the key in {} cannot be read", item.shown()),
            pem_fault(&error),
        ),
    }
    None
}

fn pair(
    certificate: &Item<'_>,
    key: &Item<'_>,
    chain: Vec<CertificateDer<'static>>,
    private: PrivateKeyDer<'static>,
) -> Option<ServerCertificate> {
    // Told apart from a key that does not fit: which of the files is the wrong one is the question.
    if let Some(Err(error)) = chain.first().map(ParsedCertificate::try_from) {
        certificate.fault_with_help(
            format!(
                "the first certificate in {} cannot be used: {error}",
                certificate.shown()
            ),
            "the server's own certificate comes first",
        );
        return None;
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    match CertifiedKey::from_der(chain, private, &provider) {
        Ok(pair) => return Some(ServerCertificate(Arc::new(pair))),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => key.fault_with_help(
            format!(
                "the key in {} is not that of the certificate in {}",
                key.shown(),
                certificate.shown()
            ),
            "name the two files that were made together; the server's own certificate comes first in its file",
        ),
        Err(_) => key.fault_with_help(
            format!("the key in {} cannot be used", key.shown()),
            "use RSA of 2048 bits or more, ECDSA P-256, P-384 or P-521, or Ed25519",
        ),
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use rcgen::{CertificateParams, KeyPair};
    use rstest::rstest;
    use tempfile::TempDir;

    use crate::config::{Config, Faults, parse};

    /// `cert.pem` and `key.pem`, for these names.
    fn pair(names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.self_signed(&key).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    fn read_pair(certificate: Option<&str>, key: Option<&str>) -> Result<Config, Faults> {
        let folder = TempDir::new().expect("a folder");
        for (name, text) in [("cert.pem", certificate), ("key.pem", key)] {
            if let Some(text) = text {
                fs::write(folder.path().join(name), text).expect("written");
            }
        }
        let text = "[server.tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n\
                    [storage]\nsqlite = \"doorward.db\"\nsealing_keys = [{ env = \"SEAL\" }]\n\
                    [[tenants]]\nid = \"acme\"\nbase_url = \"https://acme.example\"\n\
                    [[tenants.providers]]\nid = \"it\"\npreset = \"oidc\"\nclient_id = \"x\"\n";
        let environment: BTreeMap<String, String> = [(
            "SEAL".to_owned(),
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned(),
        )]
        .into();
        parse(text, &folder.path().join("doorward.toml"), &environment)
    }

    /// The one fault, its line in front. Nothing of the key is in it.
    fn fault(certificate: Option<&str>, key: Option<&str>) -> String {
        let faults = read_pair(certificate, key).expect_err("a fault");
        assert_eq!(faults.count(), 1, "{faults}");
        let all = faults.to_string();
        let inside = |line: &&str| line.len() > 8 && !line.contains("---");
        for line in key.unwrap_or_default().lines().filter(inside) {
            assert!(!all.contains(line), "{all}");
        }
        let fault = faults.iter().next().expect("one");
        let line = fault.position().map_or(0, crate::config::Position::line);
        let help = fault.help().unwrap_or_default();
        format!("{line}: {} = {help}", fault.message())
    }

    #[test]
    fn a_pair_is_read_and_knows_its_names() {
        let (certificate, key) = pair(&["login.acme.example", "*.apps.acme.example"]);
        let config = read_pair(Some(&certificate), Some(&key)).expect("right");
        let tls = config.server.tls.expect("a certificate");
        assert!(tls.is_for("login.acme.example"));
        assert!(tls.is_for("wiki.apps.acme.example"));
        assert!(!tls.is_for("a.b.apps.acme.example"));
        assert!(!tls.is_for("acme.example"));
        assert_eq!(format!("{tls:?}"), "ServerCertificate(…)");
        let names = config.files.iter().filter_map(|path| path.file_name());
        let names: Vec<_> = names.collect();
        assert_eq!(names, ["doorward.toml", "cert.pem", "key.pem"]);
    }

    #[rstest]
    #[case::certificate(false, true, "2: the file `cert.pem` of `certificate` cannot be read")]
    #[case::key(true, false, "3: the file `key.pem` of `key` cannot be read")]
    fn a_missing_file_is_told(
        #[case] certificate: bool,
        #[case] key: bool,
        #[case] expected: &str,
    ) {
        let (one, other) = pair(&["a.example"]);
        let found = fault(certificate.then_some(&*one), key.then_some(&*other));
        assert!(found.starts_with(expected), "{found}");
    }

    #[test]
    fn a_key_of_another_certificate_is_told() {
        let (certificate, _) = pair(&["a.example"]);
        let (_, key) = pair(&["a.example"]);
        let found = fault(Some(&certificate), Some(&key));
        let expected = "3: the key in `key.pem` is not that of the certificate in `cert.pem`";
        assert!(found.starts_with(expected), "{found}");
    }

    /// The chain in the wrong order: the first certificate is the one that is served.
    #[test]
    fn the_servers_own_certificate_comes_first() {
        let (own, key) = pair(&["a.example"]);
        let (above, _) = pair(&["Authority"]);
        assert!(read_pair(Some(&format!("{own}{above}")), Some(&key)).is_ok());
        let found = fault(Some(&format!("{above}{own}")), Some(&key));
        assert!(
            found.contains("the server's own certificate comes first"),
            "{found}"
        );
    }

    #[test]
    fn a_half_written_file_is_told_wherever_it_was_cut() {
        let (certificate, key) = pair(&["a.example"]);
        // The last line can do without its line break.
        for end in 0..certificate.trim_end().len() {
            let found = fault(Some(&certificate[..end]), Some(&key));
            assert!(found.starts_with("2: "), "{end}: {found}");
        }
        for end in 0..key.trim_end().len() {
            let found = fault(Some(&certificate), Some(&key[..end]));
            assert!(found.starts_with("3: "), "{end}: {found}");
        }
    }

    #[rstest]
    #[case::pkcs8(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )]
    #[case::older(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIE\n-----END RSA PRIVATE KEY-----\n"
    )]
    fn an_encrypted_key_is_told(#[case] key: &str) {
        let (certificate, _) = pair(&["a.example"]);
        let found = fault(Some(&certificate), Some(key));
        let expected =
            "3: the key in `key.pem` is encrypted = nobody is there to type its password";
        assert!(found.starts_with(expected), "{found}");
    }

    #[test]
    fn files_in_each_others_place_are_told() {
        let (certificate, key) = pair(&["a.example"]);
        let faults = read_pair(Some(&key), Some(&certificate)).expect_err("two faults");
        let faults: Vec<_> = faults
            .iter()
            .map(|fault| fault.message().to_owned())
            .collect();
        assert_eq!(
            faults,
            [
                "there is no certificate in `cert.pem`",
                "there is no private key in `key.pem`"
            ]
        );
    }

    #[test]
    fn what_only_looks_like_a_certificate_is_told() {
        let (_, key) = pair(&["a.example"]);
        let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let found = fault(Some(text), Some(&key));
        assert!(
            found.starts_with("2: the first certificate in `cert.pem`"),
            "{found}"
        );
    }
}
