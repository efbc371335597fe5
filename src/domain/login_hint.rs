//! What whoever asks for a login would like of it: which provider, which account, which language.
//!
//! Anybody can write these into an address. Invariant: they choose among what is allowed anyway, and none of them
//! makes a login count for more.

use super::email::EmailAddress;
use super::ids::ProviderId;

/// Longest value, in bytes: an e-mail address has at most 254 (RFC 5321 §4.5.3.1.3).
const LONGEST: usize = 256;

/// A parameter that is handed on to the provider, where its preset knows a name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginHint {
    /// Who will sign in: an e-mail address or a name (OIDC Core 1.0 §3.1.2.1).
    Login,
    /// The organization or domain whose people sign in.
    Domain,
    /// What the provider is to ask for, whether or not it has a session (OIDC Core 1.0 §3.1.2.1).
    Prompt,
    /// Languages of its pages, best first (BCP 47, OIDC Core 1.0 §3.1.2.1).
    UiLocales,
    /// How people should be authenticated (OIDC Core 1.0 §3.1.2.1). A wish: no rule counts on it.
    AcrValues,
}

impl LoginHint {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Login,
        Self::Domain,
        Self::Prompt,
        Self::UiLocales,
        Self::AcrValues,
    ];

    /// What it is called in our addresses and in presets.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Login => "login_hint",
            Self::Domain => "domain_hint",
            Self::Prompt => "prompt",
            Self::UiLocales => "ui_locales",
            Self::AcrValues => "acr_values",
        }
    }
}

/// What names the provider in our addresses.
const PROVIDER: &str = "idp_hint";

/// The hints of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginHints {
    /// The provider to go to without asking.
    pub provider: Option<ProviderId>,
    passed: Vec<(LoginHint, Box<str>)>,
}

impl LoginHints {
    /// Takes the hints out of a decoded query. The first of a name counts; what is empty, too long or has control
    /// characters is passed over: a login without it is better than none.
    pub fn parse<'n, 'v>(query: impl Iterator<Item = (&'n str, &'v str)>) -> Self {
        let mut hints = Self::default();
        for (name, value) in query {
            if name == PROVIDER {
                hints.provider = hints.provider.or_else(|| value.parse().ok());
                continue;
            }
            let usable = (1..=LONGEST).contains(&value.len()) && !value.contains(char::is_control);
            let hint = LoginHint::ALL.into_iter().find(|hint| hint.name() == name);
            if let Some(hint) = hint.filter(|hint| usable && hints.get(*hint).is_none()) {
                hints.passed.push((hint, value.into()));
            }
        }
        hints
    }

    /// The value of a hint.
    #[must_use]
    pub fn get(&self, hint: LoginHint) -> Option<&str> {
        let mut passed = self.passed.iter();
        passed
            .find(|(other, _)| *other == hint)
            .map(|(_, value)| &**value)
    }

    /// The same, for somebody who has said which address is theirs.
    #[must_use]
    pub fn with_login(mut self, address: &EmailAddress) -> Self {
        self.passed.retain(|(hint, _)| *hint != LoginHint::Login);
        let value = address.as_str();
        if value.len() <= LONGEST {
            self.passed.push((LoginHint::Login, value.into()));
        }
        self
    }

    /// The pairs that [`Self::parse`] reads again.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let provider = self.provider.iter().map(|id| (PROVIDER, id.as_str()));
        let passed = self.passed.iter();
        provider.chain(passed.map(|(hint, value)| (hint.name(), &**value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn what_is_read_is_written_again() {
        let pairs = [
            ("idp_hint", "corp"),
            ("login_hint", "ada@example.com"),
            ("ui_locales", "de en"),
            ("rd", "/x"),
        ];
        let hints = LoginHints::parse(pairs.into_iter());
        assert_eq!(hints.get(LoginHint::Login), Some("ada@example.com"));
        assert_eq!(hints.get(LoginHint::Prompt), None);
        assert_eq!(hints.pairs().collect::<Vec<_>>(), pairs[..3]);
        let again = LoginHints::parse(hints.pairs());
        assert_eq!(again, hints);
    }

    #[rstest]
    #[case::empty("login_hint", "")]
    #[case::too_long("login_hint", &"a".repeat(257))]
    #[case::new_line("login_hint", "a\nb")]
    #[case::nul("acr_values", "a\0b")]
    #[case::no_provider("idp_hint", "../admin")]
    #[case::other_case("LOGIN_HINT", "ada")]
    fn what_cannot_be_meant_is_passed_over(#[case] name: &str, #[case] value: &str) {
        let hints = LoginHints::parse([(name, value)].into_iter());
        assert_eq!(hints, LoginHints::default());
    }

    #[test]
    fn the_first_counts() {
        let hints = LoginHints::parse([("prompt", "login"), ("prompt", "none")].into_iter());
        assert_eq!(hints.get(LoginHint::Prompt), Some("login"));
    }
}
