//! When an e-mail address counts: what a provider must say of it before it is passed on or matched.
//!
//! Invariant: what speaks for an address comes from the document that the address is in. A flag in one
//! document says nothing about an address in another.

use serde_json::Value;

use super::claims::ClaimPath;
use super::email::{EmailAddress, EmailDomain};

/// When an address counts as verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EmailRule {
    /// Never: the provider says nothing that counts.
    #[default]
    Never,
    /// Always: the provider tells only addresses that it has confirmed.
    Always {
        /// Where the address is.
        email: ClaimPath,
    },
    /// The flag is true.
    Flag {
        /// Where the address is.
        email: ClaimPath,
        /// What says that it is verified.
        flag: Flag,
    },
    /// All of several flags are true (Kakao: `is_email_valid`, `is_email_verified`).
    All {
        /// Where the address is.
        email: ClaimPath,
        /// Flags that must all be `true`.
        flags: Vec<ClaimPath>,
    },
    /// A list of entries; the one whose flags are all `true` counts (GitHub: `primary`, `verified`).
    Entry {
        /// Where the list is; empty: the document itself.
        list: ClaimPath,
        /// The address within an entry.
        email: ClaimPath,
        /// Flags that must all be `true`.
        flags: Vec<ClaimPath>,
    },
    /// The flag is true, and the account's own organization is the address's domain: a personal account
    /// keeps a work address after its owner has left (Google: `hd`).
    Hosted {
        /// Where the address is.
        email: ClaimPath,
        /// What says that it was verified once.
        flag: Flag,
        /// The domain of the account's organization.
        organization: ClaimPath,
        /// Domains whose mailboxes are the provider's own.
        own: Vec<EmailDomain>,
    },
    /// The flag is true, or the operator vouches for the domain and the account is a member, not a guest
    /// (Entra, for one fixed tenant).
    Trusted {
        /// Where the address is.
        email: ClaimPath,
        /// What says that it is verified.
        flag: Flag,
        /// Domains that the operator vouches for.
        domains: Vec<EmailDomain>,
        /// What tells members from guests.
        membership: Membership,
    },
}

impl EmailRule {
    /// What it looks at: the address first, then what vouches for it. All of it must be said in one breath.
    #[must_use]
    pub fn paths(&self) -> Vec<&ClaimPath> {
        match self {
            Self::Never => Vec::new(),
            Self::Always { email } => vec![email],
            Self::Flag { email, flag } => vec![email, &flag.path],
            Self::All { email, flags } => std::iter::once(email).chain(flags).collect(),
            Self::Entry { list, .. } => vec![list],
            Self::Hosted {
                email,
                flag,
                organization,
                ..
            } => vec![email, &flag.path, organization],
            Self::Trusted {
                email,
                flag,
                membership,
                ..
            } => vec![email, &flag.path, &membership.account, &membership.home],
        }
    }
}

/// A claim that says yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Where it is.
    pub path: ClaimPath,
    /// What counts beside JSON `true`.
    pub also: TrueSpellings,
}

/// Ways to write "true" that are none in JSON. A preset names those that its provider uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrueSpellings {
    /// `"true"`
    pub text: bool,
    /// `1` and `"1"`
    pub number: bool,
}

/// What tells a tenant's members from its guests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// 0 for a member, 1 for a guest.
    pub account: ClaimPath,
    /// Who authenticated the person: `iss` itself, or somebody else for a guest.
    pub home: ClaimPath,
}

/// Why an address that is there does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCounted {
    /// There is none.
    #[error("there is no address")]
    Absent,
    /// It does not read as one.
    #[error("it is not an address with one clear meaning")]
    Malformed,
    /// The provider does not say that it is verified.
    #[error("the provider does not say that it is verified")]
    NotVerified,
    /// It was verified once, but belongs to another organization than the account.
    #[error("it is not in the domain of the account's own organization")]
    OtherOrganization,
    /// Its domain is trusted, but the account is a guest's.
    #[error("its domain is trusted for members only, and this is a guest")]
    Guest,
    /// Its domain is trusted, but nothing says whether the account is a member's.
    #[error("its domain is trusted for members only, and nothing says that this is one")]
    MembershipUnknown,
}

impl Flag {
    /// A flag that only JSON `true` sets.
    #[must_use]
    pub fn strict(path: ClaimPath) -> Self {
        Self {
            path,
            also: TrueSpellings::default(),
        }
    }

    fn is_set(&self, document: &Value) -> bool {
        match self.path.find(document) {
            Some(Value::Bool(set)) => *set,
            Some(Value::String(text)) => {
                (self.also.text && text == "true") || (self.also.number && text == "1")
            }
            Some(Value::Number(number)) => self.also.number && number.as_u64() == Some(1),
            _ => false,
        }
    }
}

impl Membership {
    /// Whether `document` says that its person is a member. Two claims that contradict each other make a
    /// guest.
    ///
    /// # Errors
    /// [`NotCounted::Guest`] or [`NotCounted::MembershipUnknown`].
    pub fn of(&self, document: &Value) -> Result<(), NotCounted> {
        let account = self.account.find(document);
        let home = self.home.find(document);
        let at_home = home.map(|home| Some(home) == document.get("iss"));
        let member = account.map(|account| account.as_u64() == Some(0));
        match (member, at_home) {
            (Some(false), _) | (_, Some(false)) => Err(NotCounted::Guest),
            (Some(true), _) | (_, Some(true)) => Ok(()),
            (None, None) => Err(NotCounted::MembershipUnknown),
        }
    }
}

impl EmailRule {
    /// The verified address of `document`, if there is one.
    #[must_use]
    pub fn verified(&self, document: &Value) -> Option<EmailAddress> {
        self.judge(document).ok()
    }

    /// The verified address of `document`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn judge(&self, document: &Value) -> Result<EmailAddress, NotCounted> {
        let verified = |flag: &Flag, address| {
            if flag.is_set(document) {
                Ok(address)
            } else {
                Err(NotCounted::NotVerified)
            }
        };
        match self {
            Self::Never => Err(NotCounted::Absent),
            Self::Always { email } => address(email, document),
            Self::Flag { email, flag } => verified(flag, address(email, document)?),
            Self::All { email, flags } => {
                let address = address(email, document)?;
                if all_true(flags, document) {
                    Ok(address)
                } else {
                    Err(NotCounted::NotVerified)
                }
            }
            Self::Entry { list, email, flags } => {
                let entries = list.find(document).and_then(Value::as_array);
                let entry = entries
                    .ok_or(NotCounted::Absent)?
                    .iter()
                    .find(|entry| all_true(flags, entry))
                    .ok_or(NotCounted::NotVerified)?;
                address(email, entry)
            }
            Self::Hosted {
                email,
                flag,
                organization,
                own,
            } => {
                let address = verified(flag, address(email, document)?)?;
                let organization = organization
                    .text(document)
                    .and_then(|domain| domain.parse::<EmailDomain>().ok());
                if organization.iter().chain(own).any(|it| address.is_in(it)) {
                    Ok(address)
                } else {
                    Err(NotCounted::OtherOrganization)
                }
            }
            Self::Trusted {
                email,
                flag,
                domains,
                membership,
            } => {
                let address = address(email, document)?;
                if flag.is_set(document) {
                    return Ok(address);
                }
                if !domains.iter().any(|domain| address.is_in(domain)) {
                    return Err(NotCounted::NotVerified);
                }
                membership.of(document).map(|()| address)
            }
        }
    }

    /// Whether `document` has an address at all, verified or not: if it has, no other document is asked.
    #[must_use]
    pub fn has_address(&self, document: &Value) -> bool {
        match self {
            Self::Never => true,
            Self::Always { email }
            | Self::Flag { email, .. }
            | Self::All { email, .. }
            | Self::Hosted { email, .. }
            | Self::Trusted { email, .. } => email.find(document).is_some(),
            Self::Entry { list, .. } => list.find(document).is_some(),
        }
    }
}

/// Whether each flag is JSON `true`. No flags say nothing.
fn all_true(flags: &[ClaimPath], document: &Value) -> bool {
    let is_true = |flag: &ClaimPath| flag.find(document) == Some(&Value::Bool(true));
    !flags.is_empty() && flags.iter().all(is_true)
}

fn address(path: &ClaimPath, document: &Value) -> Result<EmailAddress, NotCounted> {
    let text = path.text(document).ok_or(NotCounted::Absent)?;
    text.parse().map_err(|_| NotCounted::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn path(text: &str) -> ClaimPath {
        ClaimPath::new(text)
    }

    fn domain(text: &str) -> EmailDomain {
        text.parse().expect("a domain")
    }

    #[rstest]
    #[case::verified(json!({"email": "a@x.example", "email_verified": true}), true)]
    #[case::string_true(json!({"email": "a@x.example", "email_verified": "true"}), false)]
    #[case::string_false(json!({"email": "a@x.example", "email_verified": "false"}), false)]
    #[case::one(json!({"email": "a@x.example", "email_verified": 1}), false)]
    #[case::absent(json!({"email": "a@x.example"}), false)]
    #[case::no_address(json!({"email_verified": true}), false)]
    fn t12_only_true_verifies(#[case] document: Value, #[case] expected: bool) {
        let rule = EmailRule::Flag {
            email: path("email"),
            flag: Flag::strict(path("email_verified")),
        };
        assert_eq!(rule.verified(&document).is_some(), expected);
    }

    #[rstest]
    #[case::truth(json!(true), [true, true, true])]
    #[case::text(json!("true"), [false, true, false])]
    #[case::capitals(json!("True"), [false, false, false])]
    #[case::false_text(json!("false"), [false, false, false])]
    #[case::one(json!(1), [false, false, true])]
    #[case::one_in_text(json!("1"), [false, false, true])]
    #[case::two(json!(2), [false, false, false])]
    #[case::one_and_a_bit(json!(1.5), [false, false, false])]
    #[case::nought(json!(0), [false, false, false])]
    #[case::list(json!([true]), [false, false, false])]
    #[case::null(json!(null), [false, false, false])]
    fn t12_another_spelling_counts_only_where_it_was_named(
        #[case] value: Value,
        #[case] expected: [bool; 3],
    ) {
        let spellings = [(false, false), (true, false), (false, true)];
        let found = spellings.map(|(text, number)| {
            let flag = Flag {
                path: path("flag"),
                also: TrueSpellings { text, number },
            };
            flag.is_set(&json!({ "flag": value }))
        });
        assert_eq!(found, expected);
    }

    #[rstest]
    #[case::all(json!({"a": true, "b": true}), true)]
    #[case::one(json!({"a": true, "b": false}), false)]
    #[case::one_absent(json!({"a": true}), false)]
    #[case::text(json!({"a": true, "b": "true"}), false)]
    #[case::none(json!({}), false)]
    fn t12_of_several_flags_each_must_say_yes(#[case] mut document: Value, #[case] expected: bool) {
        document["email"] = "a@x.example".into();
        let rule = |flags: &[&str]| EmailRule::All {
            email: path("email"),
            flags: flags.iter().map(|flag| path(flag)).collect(),
        };
        assert_eq!(rule(&["a", "b"]).verified(&document).is_some(), expected);
        assert_eq!(rule(&[]).verified(&document), None);
    }

    #[test]
    fn the_entry_with_every_flag_counts() {
        let rule = EmailRule::Entry {
            list: path("/"),
            email: path("email"),
            flags: vec![path("primary"), path("verified")],
        };
        let document = json!([
            {"email": "old@x.example", "primary": true, "verified": false},
            {"email": "a@x.example", "primary": false, "verified": true},
        ]);
        assert_eq!(rule.verified(&document), None);
        let document = json!([{"email": "a@x.example", "primary": true, "verified": true}]);
        assert_eq!(
            rule.verified(&document).map(|e| e.to_string()),
            Some("a@x.example".into())
        );
    }

    #[rstest]
    #[case::own_domain(json!({"email": "a@corp.example", "email_verified": true, "hd": "corp.example"}), Ok(()))]
    #[case::own_domain_in_capitals(json!({"email": "a@corp.example", "email_verified": true, "hd": "CORP.example"}), Ok(()))]
    #[case::mailbox_of_the_provider(json!({"email": "a@gmail.com", "email_verified": true}), Ok(()))]
    #[case::not_verified(json!({"email": "a@gmail.com", "email_verified": false}), Err(NotCounted::NotVerified))]
    #[case::personal_account(json!({"email": "a@corp.example", "email_verified": true}), Err(NotCounted::OtherOrganization))]
    #[case::other_organization(json!({"email": "a@corp.example", "email_verified": true, "hd": "evil.example"}), Err(NotCounted::OtherOrganization))]
    #[case::domain_below(json!({"email": "a@mail.corp.example", "email_verified": true, "hd": "corp.example"}), Err(NotCounted::OtherOrganization))]
    #[case::domain_above(json!({"email": "a@corp.example", "email_verified": true, "hd": "mail.corp.example"}), Err(NotCounted::OtherOrganization))]
    #[case::list_of_domains(json!({"email": "a@corp.example", "email_verified": true, "hd": ["corp.example"]}), Err(NotCounted::OtherOrganization))]
    #[case::two_at(json!({"email": "a@corp.example@gmail.com", "email_verified": true}), Err(NotCounted::Malformed))]
    #[case::look_alike(json!({"email": "a@gmail.com.evil.example", "email_verified": true}), Err(NotCounted::OtherOrganization))]
    fn t12_a_company_address_counts_only_for_the_companys_own_account(
        #[case] document: Value,
        #[case] expected: Result<(), NotCounted>,
    ) {
        let rule = EmailRule::Hosted {
            email: path("email"),
            flag: Flag::strict(path("email_verified")),
            organization: path("hd"),
            own: vec![domain("gmail.com")],
        };
        assert_eq!(rule.judge(&document).map(|_| ()), expected);
    }

    const HOME: &str = "https://login.example/t/v2.0";

    #[rstest]
    #[case::member(json!({"acct": 0}), Ok(()))]
    #[case::member_at_home(json!({"acct": 0, "idp": HOME}), Ok(()))]
    #[case::at_home(json!({"idp": HOME}), Ok(()))]
    #[case::guest(json!({"acct": 1}), Err(NotCounted::Guest))]
    #[case::guest_who_is_at_home(json!({"acct": 1, "idp": HOME}), Err(NotCounted::Guest))]
    #[case::from_elsewhere(json!({"idp": "https://login.example/other/v2.0"}), Err(NotCounted::Guest))]
    #[case::member_from_elsewhere(json!({"acct": 0, "idp": "live.com"}), Err(NotCounted::Guest))]
    #[case::odd_account(json!({"acct": "0"}), Err(NotCounted::Guest))]
    #[case::nothing_said(json!({}), Err(NotCounted::MembershipUnknown))]
    #[case::guest_with_a_verified_domain(json!({"acct": 1, "xms_edov": true}), Ok(()))]
    #[case::domain_verified_by_number(json!({"xms_edov": "1"}), Ok(()))]
    #[case::other_domain(json!({"acct": 0, "email": "a@evil.example"}), Err(NotCounted::NotVerified))]
    #[case::domain_below(json!({"acct": 0, "email": "a@x.corp.example"}), Err(NotCounted::NotVerified))]
    #[case::two_at(json!({"acct": 0, "email": "a@evil.example@corp.example"}), Err(NotCounted::Malformed))]
    #[case::full_width_at(json!({"acct": 0, "email": "a＠corp.example"}), Err(NotCounted::Malformed))]
    #[case::no_address(json!({"acct": 0, "email": null}), Err(NotCounted::Absent))]
    fn t12_a28_a_trusted_domain_is_for_members(
        #[case] claims: Value,
        #[case] expected: Result<(), NotCounted>,
    ) {
        let rule = EmailRule::Trusted {
            email: path("email"),
            flag: Flag {
                path: path("xms_edov"),
                also: TrueSpellings {
                    text: true,
                    number: true,
                },
            },
            domains: vec![domain("corp.example")],
            membership: Membership {
                account: path("acct"),
                home: path("idp"),
            },
        };
        let mut document = json!({"iss": HOME, "email": "a@corp.example"});
        for (name, value) in claims.as_object().expect("claims") {
            document[name] = value.clone();
        }
        assert_eq!(rule.judge(&document).map(|_| ()), expected);
    }

    /// A document without `iss` cannot say where home is.
    #[test]
    fn t12_two_absent_names_are_not_one_home() {
        let membership = Membership {
            account: path("acct"),
            home: path("idp"),
        };
        let document = json!({"email": "a@corp.example"});
        assert_eq!(membership.of(&document), Err(NotCounted::MembershipUnknown));
    }
}
