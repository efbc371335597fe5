//! Passwords as hashes, which a configuration may hold because nobody can read a password from them.
//!
//! Argon2id as a PHC string, and what people bring along: bcrypt, and Django's PBKDF2. Invariants: what stands
//! where a hash should stand is never repeated, because it may be the password; a hash that costs more than a
//! check may wait for is refused, and one that costs too little is told of.

use std::fmt;
use std::num::NonZeroU32;

use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::local_user::StoredPassword;

/// How many bytes of salt we draw (RFC 9106 §3.1).
pub const SALT: usize = 16;

/// A hash of a password that can be compared with one.
pub(super) struct HashedPassword(Form);

enum Form {
    Argon2id(Box<PasswordHash>),
    Bcrypt(Box<str>),
    /// Django's: HMAC-SHA-256, the salt as text, 32 bytes.
    Pbkdf2 {
        iterations: NonZeroU32,
        salt: Box<[u8]>,
        derived: Box<[u8]>,
    },
}

impl fmt::Debug for HashedPassword {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HashedPassword(…)")
    }
}

/// Why something is not taken for a hash. Nothing of it is in the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAHash {
    #[error("is not the hash of a password")]
    Unknown,
    #[error("is a hash of a kind that is too weak: {0}")]
    TooWeak(&'static str),
    #[error("is a hash of a kind that is not known here: {0}")]
    OtherKind(&'static str),
    #[error("costs too much to compare: {0}")]
    TooExpensive(&'static str),
    #[error("is damaged: it looks like {0}, and cannot be read")]
    Damaged(&'static str),
}

/// Beginnings of what is not taken, and the words for it.
const OTHERS: [(&str, NotAHash); 11] = [
    (
        "{SHA}",
        NotAHash::TooWeak("SHA-1 without salt, htpasswd's -s"),
    ),
    (
        "{SSHA",
        NotAHash::TooWeak("one round of SHA, an LDAP server's"),
    ),
    ("$apr1$", NotAHash::TooWeak("MD5, htpasswd's -m")),
    ("$1$", NotAHash::TooWeak("MD5, crypt's")),
    ("md5$", NotAHash::TooWeak("MD5, Django's")),
    ("$5$", NotAHash::OtherKind("SHA-256, crypt's")),
    ("$6$", NotAHash::OtherKind("SHA-512, crypt's")),
    ("$y$", NotAHash::OtherKind("yescrypt")),
    (
        "$argon2",
        NotAHash::OtherKind("another Argon2 than argon2id"),
    ),
    ("scrypt$", NotAHash::OtherKind("scrypt")),
    ("pbkdf2_sha1$", NotAHash::OtherKind("PBKDF2 with SHA-1")),
];

/// Pairs of memory (KiB) and passes that OWASP's Password Storage Cheat Sheet asks for at least.
const ARGON2_AT_LEAST: [(u32, u32); 5] = [
    (47_104, 1),
    (19_456, 2),
    (12_288, 3),
    (9_216, 4),
    (7_168, 5),
];
const ARGON2_AT_MOST: (u32, u32, u32) = (256 * 1024, 16, 16);
const BCRYPT: (u32, u32) = (10, 15);
const PBKDF2: (u32, u32) = (100_000, 5_000_000);

/// Shorter hashes could be met by chance.
const SHORTEST: usize = 16;

impl HashedPassword {
    /// Reads a hash.
    pub(super) fn read(text: &str) -> Result<Self, NotAHash> {
        if text.starts_with("$argon2id$") {
            return argon2id(text);
        }
        if ["$2a$", "$2b$", "$2y$"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            return bcrypt(text);
        }
        if let Some(rest) = text.strip_prefix("pbkdf2_sha256$") {
            return pbkdf2(rest);
        }
        let other = OTHERS.iter().find(|(prefix, _)| text.starts_with(prefix));
        Err(other.map_or(NotAHash::Unknown, |(_, why)| *why))
    }

    /// What is weak about it, if something is.
    pub(super) fn weakness(&self) -> Option<&'static str> {
        match &self.0 {
            Form::Argon2id(hash) => {
                let params = Params::try_from(&**hash).ok()?;
                let enough = ARGON2_AT_LEAST.iter().any(|(memory, passes)| {
                    params.m_cost() >= *memory && params.t_cost() >= *passes
                });
                (!enough).then_some("OWASP asks for at least m=19456 and t=2")
            }
            Form::Bcrypt(hash) => {
                let cost = hash.parse::<bcrypt::HashParts>().ok()?.get_cost();
                (cost < BCRYPT.0).then_some("its cost should be 10 at least")
            }
            Form::Pbkdf2 { iterations, .. } => {
                (iterations.get() < PBKDF2.0).then_some("it should have 100,000 rounds at least")
            }
        }
    }
}

fn argon2id(text: &str) -> Result<HashedPassword, NotAHash> {
    const DAMAGED: NotAHash = NotAHash::Damaged("argon2id");
    let hash = PasswordHash::new(text).map_err(|_| DAMAGED)?;
    let params = Params::try_from(&hash).map_err(|_| DAMAGED)?;
    let output = hash.hash.as_ref().ok_or(DAMAGED)?;
    if hash.salt.is_none() || output.len() < SHORTEST || hash.version != Some(0x13) {
        return Err(DAMAGED);
    }
    let (memory, passes, lanes) = ARGON2_AT_MOST;
    if params.m_cost() > memory || params.t_cost() > passes || params.p_cost() > lanes {
        return Err(NotAHash::TooExpensive("at most m=262144, t=16, p=16"));
    }
    Ok(HashedPassword(Form::Argon2id(Box::new(hash))))
}

fn bcrypt(text: &str) -> Result<HashedPassword, NotAHash> {
    let parts = text.parse::<bcrypt::HashParts>();
    let parts = parts.map_err(|_| NotAHash::Damaged("bcrypt"))?;
    if parts.get_cost() > BCRYPT.1 {
        return Err(NotAHash::TooExpensive("a cost of 15 at most"));
    }
    Ok(HashedPassword(Form::Bcrypt(text.into())))
}

fn pbkdf2(rest: &str) -> Result<HashedPassword, NotAHash> {
    const DAMAGED: NotAHash = NotAHash::Damaged("Django's pbkdf2_sha256");
    let mut parts = rest.split('$');
    let (Some(iterations), Some(salt), Some(derived), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(DAMAGED);
    };
    let iterations: NonZeroU32 = iterations.parse().map_err(|_| DAMAGED)?;
    let derived = STANDARD.decode(derived).map_err(|_| DAMAGED)?;
    if salt.is_empty() || derived.len() != 32 {
        return Err(DAMAGED);
    }
    if iterations.get() > PBKDF2.1 {
        return Err(NotAHash::TooExpensive("5,000,000 rounds at most"));
    }
    Ok(HashedPassword(Form::Pbkdf2 {
        iterations,
        salt: salt.as_bytes().into(),
        derived: derived.into(),
    }))
}

impl StoredPassword for HashedPassword {
    fn is(&self, password: &[u8]) -> bool {
        match &self.0 {
            Form::Argon2id(hash) => Argon2::default().verify_password(password, &**hash).is_ok(),
            // bcrypt reads 72 bytes: of a longer password the rest would be free to choose.
            Form::Bcrypt(hash) => bcrypt::non_truncating_verify(password, hash).unwrap_or(false),
            Form::Pbkdf2 {
                iterations,
                salt,
                derived,
            } => pbkdf2::verify(
                pbkdf2::PBKDF2_HMAC_SHA256,
                *iterations,
                salt,
                password,
                derived,
            )
            .is_ok(),
        }
    }
}

/// The line for the configuration: Argon2id with 19 MiB and two passes. `None`: the library refused the password
/// for its length.
#[must_use]
pub fn hash_password(password: &[u8], salt: [u8; SALT]) -> Option<String> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
    let hash: PasswordHash = argon2.hash_password_with_salt(password, &salt).ok()?;
    Some(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ARGON2: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$";

    fn is(hash: &str, password: &str) -> bool {
        let hash = HashedPassword::read(hash).expect("a hash");
        hash.is(password.as_bytes())
    }

    #[test]
    fn what_we_make_can_be_compared() {
        let line = hash_password("Sebasti\u{e1}n".as_bytes(), [7; SALT]).expect("a hash");
        assert!(
            line.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{line}"
        );
        assert!(is(&line, "Sebasti\u{e1}n"));
        assert!(!is(&line, "Sebastian"));
        assert_eq!(
            HashedPassword::read(&line).expect("a hash").weakness(),
            None
        );
    }

    #[rstest]
    #[case::plain("hunter2", NotAHash::Unknown)]
    #[case::empty("", NotAHash::Unknown)]
    #[case::hexadecimal("5f4dcc3b5aa765d61d8327deb882cf99", NotAHash::Unknown)]
    #[case::sha(
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        NotAHash::TooWeak("SHA-1 without salt, htpasswd's -s")
    )]
    #[case::apr1(
        "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/",
        NotAHash::TooWeak("MD5, htpasswd's -m")
    )]
    #[case::argon2i(
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$aaaa",
        NotAHash::OtherKind("another Argon2 than argon2id")
    )]
    #[case::no_hash(
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA",
        NotAHash::Damaged("argon2id")
    )]
    #[case::short_hash(
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAA",
        NotAHash::Damaged("argon2id")
    )]
    #[case::old_version(
        "$argon2id$v=16$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        NotAHash::Damaged("argon2id")
    )]
    #[case::memory(
        "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        NotAHash::TooExpensive("at most m=262144, t=16, p=16")
    )]
    #[case::bcrypt_cut(
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMU",
        NotAHash::Damaged("bcrypt")
    )]
    #[case::bcrypt_cost(
        "$2b$31$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        NotAHash::TooExpensive("a cost of 15 at most")
    )]
    #[case::no_rounds(
        "pbkdf2_sha256$0$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        NotAHash::Damaged("Django's pbkdf2_sha256")
    )]
    #[case::rounds(
        "pbkdf2_sha256$4000000000$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        NotAHash::TooExpensive("5,000,000 rounds at most")
    )]
    #[case::short(
        "pbkdf2_sha256$600000$salt$AAAA",
        NotAHash::Damaged("Django's pbkdf2_sha256")
    )]
    fn what_is_no_good_hash_is_refused(#[case] text: &str, #[case] why: NotAHash) {
        assert_eq!(HashedPassword::read(text).expect_err("refused"), why);
    }

    /// Made by argon2-cffi, crypt(3), htpasswd and Python's hashlib, in the form of Django.
    #[rstest]
    #[case::argon2(
        "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$KFDFXmWVCCkZ1AHP4GquFSqSiAj8Y1sHzTtd/WMrwFY",
        "Sebasti\u{e1}n",
        false
    )]
    #[case::argon2_lanes(
        "$argon2id$v=19$m=64,t=1,p=2$MDEyMzQ1Njc4OWFiY2RlZg$WSSfe1mnbabV5EdR0HMZ1l+3H3KWmc3xRljelgVL3V8",
        "password",
        true
    )]
    #[case::crypt(
        "$2b$04$UuTkLRZZ6QofpDOlMz32MuuxEHA43WOemOYHPz6.SjsVsyO1tDU96",
        "password",
        true
    )]
    #[case::htpasswd(
        "$2y$05$vCP4MkDTggYuQjWzCAjuGO1OYD7xkeaWLVkb95YZUmYeFyM/wmjGC",
        "Sebasti\u{e1}n",
        true
    )]
    #[case::django(
        "pbkdf2_sha256$1000$somesalt$j4Aa14inUtOh7Sg/D7hH54ohymuHNQD4+ccfhepGWAY=",
        "password",
        true
    )]
    fn hashes_of_other_programs_are_understood(
        #[case] hash: &str,
        #[case] password: &str,
        #[case] is_weak: bool,
    ) {
        assert!(is(hash, password));
        assert!(!is(hash, &format!("{password}x")));
        assert!(!is(hash, &password.to_uppercase()));
        assert!(!is(hash, ""));
        let hash = HashedPassword::read(hash).expect("a hash");
        assert_eq!(hash.weakness().is_some(), is_weak);
    }

    #[test]
    fn a_hash_does_not_print() {
        let hash = HashedPassword::read(&format!("{ARGON2}{}", "A".repeat(43))).expect("a hash");
        assert_eq!(format!("{hash:?}"), "HashedPassword(…)");
        assert!(hash.weakness().is_some());
    }

    /// Of a password that is longer than bcrypt reads, the rest would be free to choose.
    #[test]
    fn a24_an_extended_password_is_another_one() {
        let long = "x".repeat(72);
        let hash = bcrypt::hash_with_salt(&long, 4, [3; 16]).expect("a hash");
        let hash = HashedPassword::read(&hash.to_string()).expect("a hash");
        assert!(!hash.is(format!("{long}y").as_bytes()));
        assert!(!hash.is(long.as_bytes()));
    }
}
