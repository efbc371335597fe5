//! Users of a tenant's own: names with passwords (RFC 7617).
//!
//! Invariant: a name that nobody has costs as much time as one that somebody has, and a password is compared
//! always. What a password is kept as is somebody else's affair ([`StoredPassword`]). Names and passwords are
//! compared as bytes, as they were sent: nothing is normalised.

use std::fmt::Debug;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;

use super::email::EmailAddress;

/// A password that is kept so that it can be compared and not be read. Comparing takes long on purpose.
pub trait StoredPassword: Debug + Send + Sync {
    /// Whether it is this one, in a time that does not tell how much of it is right.
    fn is(&self, password: &[u8]) -> bool;
}

/// A user of a tenant's own.
#[derive(Clone, Debug)]
pub struct LocalUser {
    /// What they sign in as.
    pub name: Box<str>,
    /// Their password.
    pub password: Arc<dyn StoredPassword>,
    /// Display name.
    pub display_name: Option<Box<str>>,
    /// Address, if the operator vouches for it.
    pub email: Option<EmailAddress>,
    /// Groups.
    pub groups: Box<[Box<str>]>,
    /// Roles.
    pub roles: Box<[Box<str>]>,
}

/// All users of one tenant's own.
#[derive(Clone, Debug, Default)]
pub struct LocalUsers(Box<[LocalUser]>);

impl LocalUsers {
    /// These. No two of them have one name.
    #[must_use]
    pub fn new(users: Vec<LocalUser>) -> Self {
        Self(users.into())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who they are.
    pub fn iter(&self) -> impl Iterator<Item = &LocalUser> {
        self.0.iter()
    }

    /// The user with this name and password. For a name that nobody has, the password of somebody else is compared
    /// in its place: `stand_in` says whose, and is always the same for one name, and not to be guessed.
    #[must_use]
    pub fn find(&self, name: &str, password: &[u8], stand_in: u64) -> Option<&LocalUser> {
        let mut found = None;
        for user in &self.0 {
            if bool::from(user.name.as_bytes().ct_eq(name.as_bytes())) {
                found = Some(user);
            }
        }
        let among = u64::try_from(self.0.len()).unwrap_or(u64::MAX).max(1);
        let index = usize::try_from(stand_in % among).unwrap_or_default();
        let compared = found.or_else(|| self.0.get(index))?;
        let fits = compared.password.is(password);
        found.filter(|_| fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Debug, Default)]
    struct Counting {
        password: &'static [u8],
        asked: AtomicUsize,
    }

    impl StoredPassword for Counting {
        fn is(&self, password: &[u8]) -> bool {
            self.asked.fetch_add(1, Ordering::Relaxed);
            password == self.password
        }
    }

    fn user(name: &str, password: &'static [u8]) -> (LocalUser, Arc<Counting>) {
        let counting = Arc::new(Counting {
            password,
            asked: AtomicUsize::default(),
        });
        let user = LocalUser {
            name: name.into(),
            password: counting.clone(),
            display_name: None,
            email: None,
            groups: Box::default(),
            roles: Box::default(),
        };
        (user, counting)
    }

    /// One password is compared, whoever is asked for; that of a stranger lets nobody in.
    #[rstest]
    #[case::right("ada", b"right", Some("ada"))]
    #[case::wrong("ada", b"wrong", None)]
    #[case::somebody_elses("ada", b"other", None)]
    #[case::unknown("eve", b"right", None)]
    #[case::unknown_with_another("eve", b"other", None)]
    #[case::case_matters("Ada", b"right", None)]
    #[case::utf8("Sebasti\u{e1}n", b"other", Some("Sebasti\u{e1}n"))]
    #[case::nobody("", b"", None)]
    fn t18_one_password_is_compared_for_every_name(
        #[case] name: &str,
        #[case] password: &[u8],
        #[case] expected: Option<&str>,
    ) {
        for stand_in in 0..3 {
            let (ada, adas) = user("ada", b"right");
            let (sebastian, his) = user("Sebasti\u{e1}n", b"other");
            let users = LocalUsers::new(vec![ada, sebastian]);
            let found = users.find(name, password, stand_in);
            assert_eq!(found.map(|user| &*user.name), expected);
            let asked = [adas, his].map(|counting| counting.asked.load(Ordering::Relaxed));
            assert_eq!(asked.iter().sum::<usize>(), 1, "{asked:?}");
        }
    }

    #[test]
    fn nobody_is_found_where_nobody_is() {
        assert!(LocalUsers::default().find("ada", b"right", 7).is_none());
    }
}
