//! Sealing: what must be read back but not be readable in a stolen database.
//!
//! A sealed value is `key id (4) ‖ nonce (12) ‖ AES-256-GCM ciphertext and tag` (NIST SP 800-38D), with
//! purpose and tenant as associated data, so that a value moved to another column or tenant does not open.
//! The first key seals, all of them open: a key is replaced by putting the new one in front and taking the
//! old one away when nothing sealed with it is left. Invariant: a nonce is never chosen here; it comes from
//! [`SecureRandom`], and at 96 random bits a key is good for 2³² values.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};

use crate::config;
use crate::domain::ids::TenantId;
use crate::ports::SecureRandom;

const KEY_LEN: usize = 32;
const KEY_ID_LEN: usize = 4;

/// What a value is sealed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `nonce` of a login attempt.
    Nonce,
    /// The code verifier of a login attempt (RFC 7636 §4.1).
    CodeVerifier,
    /// The ID token of a session, for `id_token_hint`.
    IdToken,
    /// The answer that a provider posted: it can hold a code.
    Answer,
    /// A provider's access token.
    AccessToken,
    /// A provider's refresh token.
    RefreshToken,
    /// Where somebody who signs out goes on to: an address that can hold an ID token.
    SignOut,
    /// The private half of a key of ours.
    SigningKey,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::Nonce => "nonce",
            Self::CodeVerifier => "code verifier",
            Self::IdToken => "id token",
            Self::Answer => "answer",
            Self::AccessToken => "access token",
            Self::RefreshToken => "refresh token",
            Self::SignOut => "sign-out",
            Self::SigningKey => "signing key",
        }
    }

    /// No tenant has a zero byte in its name, so no two pairs have the same text.
    fn associated_data(self, tenant: &TenantId) -> Aad<Vec<u8>> {
        Aad::from([self.label().as_bytes(), b"\0", tenant.as_str().as_bytes()].concat())
    }
}

/// A ring without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("name at least one sealing key")]
pub struct NoSealingKey;

/// It was not sealed here for this purpose and tenant, or with a key that is gone, or was altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a sealed value does not open: it was altered, or its key is no longer among the sealing keys"
)]
pub struct Unsealable;

struct SealingKey {
    id: [u8; KEY_ID_LEN],
    key: LessSafeKey,
}

struct Ring {
    first: SealingKey,
    others: Vec<SealingKey>,
}

/// The ring of keys. Copies share it, so that it is [`replace`](SealingKeys::replace)d for all of them.
#[derive(Clone)]
pub struct SealingKeys(Arc<RwLock<Arc<Ring>>>);

/// What a new ring of keys changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// How many keys are no longer there.
    pub removed: usize,
}

impl SealingKeys {
    /// From keys that the configuration has read.
    ///
    /// # Errors
    /// [`NoSealingKey`].
    pub fn new(keys: &[config::SealingKey]) -> Result<Self, NoSealingKey> {
        let ring = Arc::new(Ring::of(keys)?);
        Ok(Self(Arc::new(RwLock::new(ring))))
    }

    /// Puts other keys in their place: the next value is sealed with the first of them.
    ///
    /// # Errors
    /// [`NoSealingKey`]; then nothing has changed.
    pub fn replace(&self, keys: &[config::SealingKey]) -> Result<Replaced, NoSealingKey> {
        let new = Arc::new(Ring::of(keys)?);
        let old = self.ring();
        let is_there = |id| new.all().any(|key| key.id == id);
        let removed = old.all().filter(|key| !is_there(key.id)).count();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(Replaced { removed })
    }

    /// The keys of this moment. What panics elsewhere leaves a whole ring here.
    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seals `plain`.
    #[must_use]
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "AES-256-GCM fails only beyond 64 GiB, which nothing here comes near"
    )]
    pub fn seal(
        &self,
        purpose: Purpose,
        tenant: &TenantId,
        plain: &SecretString,
        random: &dyn SecureRandom,
    ) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random.array();
        let mut text = plain.expose_secret().as_bytes().to_vec();
        let ring = self.ring();
        ring.first
            .key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                purpose.associated_data(tenant),
                &mut text,
            )
            .expect("short enough to be sealed");
        [&ring.first.id[..], &nonce, &text].concat()
    }

    /// Opens what [`SealingKeys::seal`] made for the same purpose and tenant.
    ///
    /// # Errors
    /// [`Unsealable`].
    pub fn open(
        &self,
        purpose: Purpose,
        tenant: &TenantId,
        sealed: &[u8],
    ) -> Result<SecretString, Unsealable> {
        let (id, rest) = sealed.split_first_chunk::<KEY_ID_LEN>().ok_or(Unsealable)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unsealable)?;
        self.ring()
            .all()
            .filter(|key| key.id == *id)
            .find_map(|key| {
                let mut text = text.to_vec();
                let plain = key
                    .key
                    .open_in_place(
                        Nonce::assume_unique_for_key(*nonce),
                        purpose.associated_data(tenant),
                        &mut text,
                    )
                    .ok()?;
                std::str::from_utf8(plain).ok().map(SecretString::from)
            })
            .ok_or(Unsealable)
    }
}

impl Ring {
    fn of(keys: &[config::SealingKey]) -> Result<Self, NoSealingKey> {
        let mut keys = keys.iter().filter_map(|key| SealingKey::of(key.expose()));
        Ok(Self {
            first: keys.next().ok_or(NoSealingKey)?,
            others: keys.collect(),
        })
    }

    fn all(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl SealingKey {
    fn of(bytes: &[u8; KEY_LEN]) -> Option<Self> {
        let id = *digest(&SHA256, bytes).as_ref().first_chunk()?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).ok()?);
        Some(Self { id, key })
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "SealingKeys({}, redacted)",
            self.ring().all().count()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SeededRandom;

    fn ring(bytes: &[u8]) -> SealingKeys {
        let keys: Vec<_> = bytes
            .iter()
            .map(|byte| config::SealingKey::from_bytes([*byte; KEY_LEN]))
            .collect();
        SealingKeys::new(&keys).expect("keys")
    }

    fn tenant(name: &str) -> TenantId {
        name.parse().expect("a name")
    }

    fn sealed(ring: &SealingKeys) -> Vec<u8> {
        ring.seal(
            Purpose::IdToken,
            &tenant("acme"),
            &"canary".into(),
            &SeededRandom::new(1),
        )
    }

    fn opened(ring: &SealingKeys, sealed: &[u8]) -> Option<String> {
        ring.open(Purpose::IdToken, &tenant("acme"), sealed)
            .ok()
            .map(|plain| plain.expose_secret().to_owned())
    }

    #[test]
    fn what_is_sealed_opens_and_cannot_be_read() {
        let sealed = sealed(&ring(&[1]));
        assert!(!sealed.windows(6).any(|window| window == b"canary"));
        assert_eq!(opened(&ring(&[1]), &sealed).as_deref(), Some("canary"));
    }

    #[test]
    fn the_first_key_seals_and_every_key_opens() {
        let before = sealed(&ring(&[1]));
        let during = ring(&[2, 1]);
        assert_eq!(opened(&during, &before).as_deref(), Some("canary"));
        let after = sealed(&during);
        assert_eq!(opened(&ring(&[2]), &after).as_deref(), Some("canary"));
        assert_eq!(opened(&ring(&[2]), &before), None);
    }

    #[test]
    fn a_replaced_ring_seals_with_its_first_key_everywhere() {
        let one = ring(&[1]);
        let copy = one.clone();
        let before = sealed(&copy);
        let key = |byte| config::SealingKey::from_bytes([byte; KEY_LEN]);
        assert_eq!(one.replace(&[key(2), key(1)]), Ok(Replaced { removed: 0 }));
        assert_eq!(opened(&copy, &before).as_deref(), Some("canary"));
        assert_eq!(
            opened(&ring(&[2]), &sealed(&copy)).as_deref(),
            Some("canary")
        );
        assert_eq!(one.replace(&[]), Err(NoSealingKey));
        assert_eq!(opened(&copy, &before).as_deref(), Some("canary"));
        assert_eq!(one.replace(&[key(2)]), Ok(Replaced { removed: 1 }));
        assert_eq!(opened(&copy, &before), None);
    }

    #[test]
    fn the_same_text_is_never_sealed_alike() {
        let random = SeededRandom::new(1);
        let ring = ring(&[1]);
        let once = || ring.seal(Purpose::Nonce, &tenant("acme"), &"n".into(), &random);
        assert_ne!(once(), once());
    }

    #[test]
    fn a_value_opens_only_for_its_purpose_and_tenant() {
        let ring = ring(&[1]);
        let sealed = sealed(&ring);
        assert!(ring.open(Purpose::Nonce, &tenant("acme"), &sealed).is_err());
        assert!(
            ring.open(Purpose::IdToken, &tenant("globex"), &sealed)
                .is_err()
        );
    }

    #[test]
    fn no_altered_byte_and_no_cut_goes_unnoticed() {
        let ring = ring(&[1]);
        let sealed = sealed(&ring);
        for position in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[position] ^= 1;
            assert_eq!(opened(&ring, &altered), None, "byte {position}");
            assert_eq!(
                opened(&ring, &sealed[..position]),
                None,
                "cut at {position}"
            );
        }
    }

    #[test]
    fn a_ring_has_a_key() {
        assert_eq!(SealingKeys::new(&[]).err(), Some(NoSealingKey));
    }
}
