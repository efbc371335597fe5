//! Handles: 128 random bits that stand for something we remember, of which only a digest is stored.
//!
//! Invariant: each kind of handle has a digest of its own, so that one kind presented where another is
//! expected finds nothing, and a stolen database yields no handle.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use super::host::Host;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What a handle stands for.
pub trait Kind {
    /// Goes into the digest, so that kinds cannot be taken for each other.
    const LABEL: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $label:literal),+ $(,)?) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $kind {}

            impl Kind for $kind {
                const LABEL: &'static str = $label;
            }
        )+
    };
}

kinds! {
    /// A tenant's session, in the cookie `__Host-dws-{tenant}`.
    SessionKind = "session",
    /// The same session at one app host, in the cookie `__Host-dwa`.
    AppSessionKind = "app session",
    /// The same session at several app hosts below one name, in the cookie `__Secure-dwd-{tenant}`.
    ParentSessionKind = "parent session",
    /// A login attempt's browser, in the cookie `__Host-dwl-…`.
    AttemptKind = "login attempt",
    /// `state` of an authorization request (RFC 6749 §4.1.1).
    StateKind = "state",
    /// An answer that a provider posted, until the browser comes for it.
    AnswerKind = "answer",
    /// A sign-in that an app host asked for: the opaque id in `{base}/login?continue=…`.
    SignInKind = "sign-in",
    /// The browser at an app host that waits for its ticket, in the cookie `__Host-dwt-…`.
    BindingKind = "ticket binding",
    /// The one-time ticket that turns a tenant's session into an app session.
    TicketKind = "ticket",
    /// What a sign-out returns to, kept while the person is at the provider.
    SignOutKind = "sign-out",
    /// The token in the forms of a session's pages, made from the session's handle.
    FormKind = "form",
    /// A provider's own session (`sid`): of its name only.
    UpstreamSessionKind = "upstream session",
    /// A person as a provider's tokens name them (`sub`): of its name only.
    UpstreamSubjectKind = "upstream subject",
    /// A session of a person's whose name their provider did not tell.
    UnnamedSessionKind = "unnamed session",
    /// A logout token (`jti`): of its name only.
    LogoutTokenKind = "logout token",
}

/// 16 secret bytes; 22 characters of base64url (RFC 4648 §5) in a cookie or an address.
pub struct Handle<K> {
    bytes: [u8; 16],
    kind: PhantomData<fn() -> K>,
}

/// SHA-256 of a handle's kind and bytes: what is stored and looked up.
pub struct Digest<K> {
    bytes: [u8; 32],
    kind: PhantomData<fn() -> K>,
}

/// Text that is no handle. Says nothing about why: it came from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a handle")]
pub struct InvalidHandle;

impl<K: Kind> Handle<K> {
    /// From 16 bytes of [`crate::ports::SecureRandom`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self {
            bytes,
            kind: PhantomData,
        }
    }

    /// For conversion to a library's own type of session id; never for storage.
    #[must_use]
    pub const fn expose(&self) -> [u8; 16] {
        self.bytes
    }

    /// What is stored.
    #[must_use]
    pub fn digest(&self) -> Digest<K> {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        context.update(K::LABEL.as_bytes());
        context.update(&[0]);
        context.update(&self.bytes);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Digest {
            bytes,
            kind: PhantomData,
        }
    }

    /// The text that goes into a cookie or an address. Handles have no `Display`, so that none is
    /// printed by accident.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes)
    }
}

impl Handle<ParentSessionKind> {
    /// What it is stored as: it stands among the app sessions, none of which has a digest of this kind.
    #[must_use]
    pub fn stored(&self) -> Digest<AppSessionKind> {
        Digest::from_bytes(*self.digest().as_bytes())
    }

    /// What is remembered of it at one host, for it can be another app at each; and only as long as the cookie is
    /// for this domain.
    #[must_use]
    pub fn remembered_at(&self, domain: &Host, host: &Host) -> Digest<AppSessionKind> {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        context.update(b"parent session at a host");
        context.update(&[0]);
        context.update(&self.bytes);
        context.update(domain.name().as_bytes());
        context.update(&[0]);
        context.update(host.name().as_bytes());
        context.update(&host.port().unwrap_or_default().to_be_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Digest::from_bytes(bytes)
    }
}

impl<K: Kind> FromStr for Handle<K> {
    type Err = InvalidHandle;

    fn from_str(text: &str) -> Result<Self, InvalidHandle> {
        let mut bytes = [0; 16];
        // The engine refuses set trailing bits, so a handle has exactly one spelling.
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) if text.len() == 22 => Ok(Self::from_bytes(bytes)),
            _ => Err(InvalidHandle),
        }
    }
}

impl<K> Clone for Handle<K> {
    fn clone(&self) -> Self {
        Self {
            bytes: self.bytes,
            kind: PhantomData,
        }
    }
}

impl<K: Kind> fmt::Debug for Handle<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Handle<{}>(redacted)", K::LABEL)
    }
}

impl Digest<UpstreamSubjectKind> {
    /// What stands for every session of this person's whose name their provider did not tell.
    #[must_use]
    pub fn unnamed_session(&self) -> Digest<UnnamedSessionKind> {
        Digest::of_parts([self.bytes.as_slice()])
    }
}

impl<K: Kind> Digest<K> {
    /// Of a name that a provider gave, in parts: no two lists of parts have the same one.
    #[must_use]
    pub fn of_name(parts: &[&str]) -> Self {
        Self::of_parts(parts.iter().map(|part| part.as_bytes()))
    }

    fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        context.update(K::LABEL.as_bytes());
        context.update(&[0]);
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self::from_bytes(bytes)
    }
}

impl<K> Digest<K> {
    /// From storage.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self {
            bytes,
            kind: PhantomData,
        }
    }

    /// For storage.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl<K> Clone for Digest<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Digest<K> {}

impl<K> PartialEq for Digest<K> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<K> Eq for Digest<K> {}

impl<K> Hash for Digest<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl<K> fmt::Debug for Digest<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Digest(")?;
        for byte in self.bytes.iter().take(4) {
            write!(formatter, "{byte:02x}")?;
        }
        formatter.write_str("…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_handle_has_one_spelling() {
        let handle = Handle::<SessionKind>::from_bytes([255; 16]);
        let text = handle.reveal();
        assert_eq!(text.len(), 22);
        assert!(text.parse::<Handle<SessionKind>>().is_ok());
        let mut other_trailing_bits = text;
        other_trailing_bits.replace_range(21.., "x");
        assert!(other_trailing_bits.parse::<Handle<SessionKind>>().is_err());
    }

    #[rstest]
    #[case::empty("")]
    #[case::short("AAAAAAAAAAAAAAAAAAAAA")]
    #[case::long("AAAAAAAAAAAAAAAAAAAAAAA")]
    #[case::padded("AAAAAAAAAAAAAAAAAAAAAA==")]
    #[case::standard_alphabet("AAAAAAAAAAAA+/AAAAAAAA")]
    fn a24_a_truncated_or_altered_handle_is_none(#[case] text: &str) {
        assert_eq!(
            text.parse::<Handle<AppSessionKind>>().err(),
            Some(InvalidHandle)
        );
    }

    #[rstest]
    #[case::other_cut(&["ab", "c"], &["a", "bc"])]
    #[case::empty_part(&["a"], &["a", ""])]
    #[case::order(&["a", "b"], &["b", "a"])]
    fn t01_names_in_parts_are_never_taken_for_each_other(
        #[case] one: &[&str],
        #[case] other: &[&str],
    ) {
        let of = Digest::<UpstreamSessionKind>::of_name;
        assert_eq!(of(one), of(one));
        assert_ne!(of(one), of(other));
        let subject = Digest::<UpstreamSubjectKind>::of_name(one);
        assert_ne!(of(one).as_bytes(), subject.as_bytes());
    }

    #[test]
    fn a11_one_kind_is_never_taken_for_another() {
        let session = Handle::<SessionKind>::from_bytes([1; 16]).digest();
        let ticket = Handle::<TicketKind>::from_bytes([1; 16]).digest();
        assert_ne!(session.as_bytes(), ticket.as_bytes());
    }
}
