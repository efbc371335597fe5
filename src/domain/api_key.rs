//! Keys that programs show: 256 random bits in a form that is recognised.
//!
//! `dwk_`, 43 characters of base62, and a checksum of six. So scanners for leaked secrets know one when they see
//! it, and one that was mistyped or cut is refused before anything is looked up. Invariant: of a key only its
//! digest is kept. That is SHA-256 and no slow hash, because slowness protects what can be guessed, and nobody
//! guesses 256 bits; and it makes the look-up one that takes the same time for every key, known or not.

use std::collections::HashMap;
use std::fmt;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;

use super::handle::{ApiKeyKind, Digest};
use super::ids::{ApiKeyId, AppId, TenantId, UserId};

/// What every key of ours begins with.
pub const PREFIX: &str = "dwk_";

/// Digits of base62, as GitHub orders them: numbers, capitals, small letters.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters of 256 bits, and of a checksum.
const RANDOM: usize = 43;
const CHECKSUM: usize = 6;

/// Length of a key in characters, all of which are ASCII.
pub const LENGTH: usize = PREFIX.len() + RANDOM + CHECKSUM;

/// A key, to be shown once.
pub struct ApiKey(SecretString);

/// Text that is no key of ours. Says nothing about why: it came from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an API key")]
pub struct NotAnApiKey;

impl ApiKey {
    /// From 32 bytes of [`crate::ports::SecureRandom`].
    #[must_use]
    pub fn of(random: [u8; 32]) -> Self {
        let mut text = Zeroizing::new(Vec::with_capacity(LENGTH));
        text.extend(PREFIX.as_bytes());
        text.extend(base62::<RANDOM>(random.to_vec()));
        let sum = crc32(&text).to_be_bytes();
        text.extend(base62::<CHECKSUM>(sum.to_vec()));
        Self(String::from_utf8_lossy(&text).into_owned().into())
    }

    /// The key, for whoever has asked for it.
    #[must_use]
    pub const fn reveal(&self) -> &SecretString {
        &self.0
    }

    /// What is stored.
    #[must_use]
    pub fn digest(&self) -> Digest<ApiKeyKind> {
        digest(self.0.expose_secret())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(redacted)")
    }
}

/// What a key is looked up by.
#[must_use]
pub fn digest(key: &str) -> Digest<ApiKeyKind> {
    Digest::of_name(&[key])
}

/// What text is looked up by that is a key of ours in every character.
///
/// # Errors
/// It is not.
pub fn read(text: &str) -> Result<Digest<ApiKeyKind>, NotAnApiKey> {
    let rest = text.strip_prefix(PREFIX).ok_or(NotAnApiKey)?;
    if text.len() != LENGTH || !rest.bytes().all(|byte| DIGITS.contains(&byte)) {
        return Err(NotAnApiKey);
    }
    let (body, sum) = text.split_at(LENGTH - CHECKSUM);
    let expected = base62::<CHECKSUM>(crc32(body.as_bytes()).to_be_bytes().to_vec());
    if sum.as_bytes() != expected {
        return Err(NotAnApiKey);
    }
    Ok(digest(text))
}

/// A number in `N` digits, the first bytes being the high ones.
fn base62<const N: usize>(number: Vec<u8>) -> [u8; N] {
    let mut number = Zeroizing::new(number);
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u16;
        for byte in number.iter_mut() {
            let value = rest * 256 + u16::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        *digit = DIGITS.get(usize::from(rest)).copied().unwrap_or(b'0');
    }
    digits
}

/// The checksum of Ethernet and zip (ISO/IEC 8802-3), bit by bit: it protects against typing, not against people.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            let low = sum & 1;
            sum = (sum >> 1) ^ (low * 0xedb8_8320);
        }
    }
    !sum
}

/// What a key is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyGrant {
    /// What operators call it.
    pub name: Box<str>,
    /// Whose it is; none: nobody's but its own.
    pub owner: Option<UserId>,
    /// The apps that it opens; none: all that accept keys.
    pub apps: Box<[AppId]>,
    /// Groups.
    pub groups: Box<[Box<str>]>,
    /// Roles.
    pub roles: Box<[Box<str>]>,
    /// Scopes.
    pub scopes: Box<[Box<str>]>,
}

impl ApiKeyGrant {
    /// Whether it opens this app.
    #[must_use]
    pub fn opens(&self, app: &AppId) -> bool {
        self.apps.is_empty() || self.apps.contains(app)
    }
}

/// Keys that stand in the configuration, by what they are looked up by.
pub type FixedApiKeys = HashMap<Digest<ApiKeyKind>, ApiKeyGrant>;

/// A key as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownApiKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name for ever.
    pub id: ApiKeyId,
    /// What it is good for.
    pub grant: ApiKeyGrant,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when on it is not good; none: never.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
    /// When it was last let in, as far as is written.
    pub last_used_at: Option<OffsetDateTime>,
    /// How often it was let in, as far as is written.
    pub used: u64,
}

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiKeyStanding {
    /// It is good.
    Live,
    /// Its time is over.
    Expired,
    /// Somebody has revoked it.
    Revoked,
}

impl KnownApiKey {
    /// How it stands at this time.
    #[must_use]
    pub fn standing(&self, now: OffsetDateTime) -> ApiKeyStanding {
        if self.revoked_at.is_some() {
            ApiKeyStanding::Revoked
        } else if self.expires_at.is_some_and(|end| now >= end) {
            ApiKeyStanding::Expired
        } else {
            ApiKeyStanding::Live
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn text(random: [u8; 32]) -> String {
        ApiKey::of(random).reveal().expose_secret().to_owned()
    }

    #[test]
    fn the_checksum_is_that_of_everybody() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[rstest]
    #[case::least([0; 32], "dwk_0000000000000000000000000000000000000000000")]
    #[case::most([255; 32], "dwk_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1")]
    fn a_key_has_one_length(#[case] random: [u8; 32], #[case] body: &str) {
        let key = text(random);
        assert_eq!(key.len(), LENGTH);
        assert_eq!(read(&key), Ok(ApiKey::of(random).digest()));
        assert!(key.starts_with(body), "{key}");
    }

    #[test]
    fn a_key_does_not_print() {
        let key = ApiKey::of([9; 32]);
        assert_eq!(format!("{key:?}"), "ApiKey(redacted)");
    }

    proptest! {
        #[test]
        fn a24_every_truncation_extension_and_typing_error_is_refused(random: [u8; 32], place in 0..LENGTH, other in 0..62_usize) {
            let key = text(random);
            prop_assert!(read(&key).is_ok());
            prop_assert!(read(&key[..place]).is_err());
            prop_assert!(read(&key[place.max(1)..]).is_err());
            for more in ["0", " ", "=", "\n"] {
                let longer = format!("{key}{more}");
                prop_assert!(read(&longer).is_err());
            }
            let mut typed = key.clone().into_bytes();
            typed[place] = DIGITS[other];
            let typed = String::from_utf8(typed).expect("ASCII");
            prop_assert_eq!(read(&typed).is_ok(), typed == key);
        }
    }
}
