//! Tokens for an app: a provider's, and our assertion.
//!
//! Invariants: an app is given a provider's only where it and the provider both say so; none that has expired; what no header
//! takes is left out. They are unsealed once for a session at such an app, into headers that are good until the first
//! of them expires; what a refresh brings comes with the news that the session is to be read again.

use secrecy::{ExposeSecret as _, SecretString};

use super::check::Gate;
use super::identity_headers::HandedTokens;
use super::verdict::Prepared;
use crate::domain::caller::Subject;
use crate::domain::identity_header::IdentitySource;
use crate::domain::ids::SessionId;
use crate::domain::upstream_tokens::{TokensForApp, id_token_expiry};
use crate::sessions::AppEntry;
use crate::storage::StorageError;
use crate::tenants::AppAt;

/// Longer ones are left out: servers refuse requests with longer headers.
const LONGEST: usize = 8 * 1024;

/// The sources that are tokens.
const TOKENS: [IdentitySource; 2] = [IdentitySource::AccessToken, IdentitySource::IdToken];

impl Gate {
    /// Prepares a session at an app that takes tokens. Nothing to do at any other, and where it is done.
    pub(super) async fn with_tokens(
        &self,
        entry: &AppEntry<Prepared>,
        at: AppAt<'_>,
        version: u64,
    ) -> Result<(), StorageError> {
        if entry.ready().is_some() {
            return Ok(());
        }
        let (of_provider, ours) = (
            at.app.takes_tokens(),
            at.app.takes(IdentitySource::Assertion),
        );
        if of_provider || ours {
            let mut handed = (HandedTokens::default(), i64::MAX);
            if of_provider {
                // In a box, so that a check that does not come here need not carry room for it.
                handed = Box::pin(self.handed(entry, at)).await?;
            }
            if ours {
                let subject = entry.person().as_subject();
                let (assertion, until) = self.assertion(at, &subject, Some(entry.session()))?;
                handed.0.assertion = Some(assertion);
                handed.1 = handed.1.min(until);
            }
            let handed = (&handed.0, handed.1);
            entry.prepared(|entry| Prepared::with_tokens(version, at, entry.person(), handed));
        }
        Ok(())
    }

    /// Our assertion about somebody, and until when it is handed out.
    pub(super) fn assertion(
        &self,
        at: AppAt<'_>,
        subject: &Subject<'_>,
        session: Option<SessionId>,
    ) -> Result<(SecretString, i64), StorageError> {
        let signed = self.assertions.sign(at, subject, session);
        // Without it the app would refuse, or worse, believe the network.
        signed.map_err(|error| StorageError::Unavailable(format!("no assertion: {error}")))
    }

    /// What `entry` is given now, and when the first of it expires.
    async fn handed(
        &self,
        entry: &AppEntry<Prepared>,
        at: AppAt<'_>,
    ) -> Result<(HandedTokens, i64), StorageError> {
        let nothing = || Ok((HandedTokens::default(), i64::MAX));
        let provider = at.tenant.provider(&entry.person().provider);
        let Some(provider) = provider.filter(|it| it.tokens.for_apps.contains(&at.app.id)) else {
            return nothing();
        };
        let mut wanted = TOKENS.to_vec();
        wanted.retain(|source| at.app.takes(*source));
        let found = match self.sessions.tokens(entry, &wanted).await {
            // What does not open now never will: without it the app can still be used.
            Err(StorageError::Unreadable(reason)) => {
                left_out(entry, "all", &reason);
                None
            }
            found => found?.filter(|found| found.provider == provider.id),
        };
        let Some(found) = found else {
            return nothing();
        };
        let TokensForApp {
            access_token,
            expires_at,
            id_token,
            ..
        } = found;
        // Where the provider does not say when, it is good until the next refresh.
        let access_until = expires_at.map_or(i64::MAX, time::OffsetDateTime::unix_timestamp);
        let id_until = id_token
            .as_ref()
            .map(|token| id_token_expiry(token.expose_secret()).unwrap_or(i64::MIN));
        let now = entry.used_at();
        let mut good_until = i64::MAX;
        let mut fit = |token: Option<SecretString>, until: i64, name| {
            let token = token.filter(|_| now < until)?;
            if let Err(reason) = check_fit(token.expose_secret()) {
                left_out(entry, name, reason);
                return None;
            }
            good_until = good_until.min(until);
            Some(token)
        };
        let handed = HandedTokens {
            access_token: fit(access_token, access_until, "access_token"),
            id_token: fit(id_token, id_until.unwrap_or(i64::MIN), "id_token"),
            assertion: None,
        };
        Ok((handed, good_until))
    }
}

/// Why no header takes it: visible ASCII alone (RFC 6749 §A.12), and no space, which would end it.
fn check_fit(token: &str) -> Result<(), &'static str> {
    if token.len() > LONGEST {
        Err("it is longer than 8 KiB")
    } else if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err("it has characters that no header takes")
    } else {
        Ok(())
    }
}

fn left_out(entry: &AppEntry<Prepared>, token: &str, reason: &str) {
    tracing::warn!(
        target: "audit", event = "token_left_out", app = %entry.app(), user = %entry.person().user,
        session = %entry.session(), token, reason, "an app is not given a provider's token"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::opaque("ya29.a0-_~+/=", true)]
    #[case::empty("", false)]
    #[case::space("a b", false)]
    #[case::line_break("a\r\nX-Admin: yes", false)]
    #[case::nul("a\0", false)]
    #[case::utf8("žeton", false)]
    fn t07_a_token_ends_no_header(#[case] token: &str, #[case] fits: bool) {
        assert_eq!(check_fit(token).is_ok(), fits);
    }

    #[rstest]
    #[case::longest(8 * 1024, true)]
    #[case::too_long(8 * 1024 + 1, false)]
    fn a_token_has_a_longest_size(#[case] length: usize, #[case] fits: bool) {
        assert_eq!(check_fit(&"a".repeat(length)).is_ok(), fits);
    }
}
