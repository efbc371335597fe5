//! E-mail addresses as they are compared: exactly one `@`, the domain lower case and in A-labels, the
//! whole in lower case, nothing that looks like something else.
//!
//! Invariant: an address is a fact about a person, never the key of one.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::host::is_plain_spelling;

/// An address that its provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct EmailAddress(Box<str>);

/// An e-mail domain that a rule names; it means itself, not its sub-domains.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct EmailDomain(Box<str>);

/// Not an address or domain with one clear meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address with exactly one `@` and a plain local part")]
pub struct InvalidEmail;

impl EmailAddress {
    /// As it is passed on.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the address is in `domain` itself (not in a sub-domain of it).
    #[must_use]
    pub fn is_in(&self, domain: &EmailDomain) -> bool {
        self.0
            .split_once('@')
            .is_some_and(|(_, own)| own == &*domain.0)
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        // RFC 5321 §4.5.3.1: 64 and 255 octets. No quoted local parts: they can hold anything.
        let plain = (1..=64).contains(&local.len())
            && local.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte)
            });
        if !plain {
            return Err(InvalidEmail);
        }
        let domain: EmailDomain = domain.parse()?;
        let local = local.to_ascii_lowercase();
        Ok(Self(format!("{local}@{}", domain.0).into()))
    }
}

impl FromStr for EmailDomain {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        // Full-width and other look-alikes of `@` and `.` would be folded by IDNA: refuse them first.
        let suspicious = |c: char| {
            matches!(
                c,
                '@' | '＠' | '﹫' | '。' | '．' | '｡' | '/' | ':' | '[' | ']'
            ) || c.is_whitespace()
                || c.is_control()
        };
        if text.chars().any(suspicious) || text.len() > 255 {
            return Err(InvalidEmail);
        }
        let ascii = idna::domain_to_ascii_strict(text).map_err(|_| InvalidEmail)?;
        let whole = ascii.contains('.')
            && ascii.split('.').all(|label| !label.is_empty())
            && is_plain_spelling(text, &ascii);
        if whole {
            Ok(Self(ascii.into()))
        } else {
            Err(InvalidEmail)
        }
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for EmailDomain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("Ada@Example.com", "ada@example.com")]
    #[case::plus("ada+x@example.com", "ada+x@example.com")]
    #[case::idn("ada@bücher.example", "ada@xn--bcher-kva.example")]
    fn t10_one_canonical_form(#[case] text: &str, #[case] canonical: &str) {
        assert_eq!(
            text.parse::<EmailAddress>().map(|e| e.to_string()),
            Ok(canonical.into())
        );
    }

    #[rstest]
    #[case::two_at("a@evil.com@corp.com")]
    #[case::full_width_at("a＠corp.com")]
    #[case::full_width_in_domain("a@evil.com＠corp.com")]
    #[case::ideographic_dot("a@corp。com")]
    #[case::full_width_letter("a@ｃorp.com")]
    #[case::kelvin_sign("a@\u{212a}orp.com")]
    #[case::soft_hyphen("a@co\u{ad}rp.com")]
    #[case::zero_width("a@co\u{200b}rp.com")]
    #[case::mathematical("a@𝐜orp.com")]
    #[case::not_ascii_before_the_at("ä@corp.com")]
    #[case::bracketed_address("a@[127.0.0.1]")]
    #[case::underscore("a@evil_corp.com")]
    #[case::percent("a@corp%2ecom")]
    #[case::display_name("Ada <a@corp.com>")]
    #[case::broken_a_label("a@xn--a.com")]
    #[case::quoted("\"a@corp.com\"@evil.com")]
    #[case::no_local("@corp.com")]
    #[case::no_domain("a@")]
    #[case::no_dot("a@corp")]
    #[case::trailing_dot("a@corp.com.")]
    #[case::space("a b@corp.com")]
    #[case::new_line("a@corp.com\n")]
    #[case::nul("a\0@corp.com")]
    #[case::comma("a,b@corp.com")]
    #[case::empty("")]
    fn a28_look_alikes_are_no_address(#[case] text: &str) {
        assert_eq!(text.parse::<EmailAddress>(), Err(InvalidEmail));
    }

    #[rstest]
    #[case::itself("a@example.com", true)]
    #[case::prefix("a@evil-example.com", false)]
    #[case::suffix("a@example.com.evil", false)]
    #[case::sub_domain("a@sub.example.com", false)]
    fn t11_a_domain_means_itself(#[case] address: &str, #[case] expected: bool) {
        let address: EmailAddress = address.parse().expect("an address");
        let domain: EmailDomain = "Example.COM".parse().expect("a domain");
        assert_eq!(address.is_in(&domain), expected);
    }

    proptest! {
        #[test]
        fn t10_an_address_is_read_back_as_itself(
            text in "[!-~ａ-ｚà-ÿK。@.]{1,12}@[!-~ａ-ｚà-ÿK。.]{1,20}",
        ) {
            if let Ok(address) = text.parse::<EmailAddress>() {
                prop_assert_eq!(address.as_str().matches('@').count(), 1);
                prop_assert!(address.as_str().is_ascii());
                prop_assert_eq!(address.as_str().parse::<EmailAddress>(), Ok(address));
            }
        }
    }
}
