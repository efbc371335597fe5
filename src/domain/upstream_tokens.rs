//! What a provider gives beside its word for a person, and how long that is good.
//!
//! Invariant: what has expired is never handed on, and a moment to look again always lies ahead of the end of
//! what is looked at with. What is deliberately absent: clocks and randomness; the caller passes both.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde::Deserialize;
use time::OffsetDateTime;
use url::Url;

use super::ids::{AppId, ProviderId};

/// The tokens of one token answer (RFC 6749 §5.1, OIDC Core 1.0 §3.1.3.3), as far as they are kept.
#[derive(Clone, Debug)]
pub struct UpstreamTokens {
    /// For userinfo, profile requests, and apps that are given it.
    pub access_token: SecretString,
    /// When it expires, where the provider says so.
    pub expires_at: Option<OffsetDateTime>,
    /// Fetches the next ones.
    pub refresh_token: Option<SecretString>,
    /// The newest that is verified.
    pub id_token: Option<SecretString>,
}

/// What of it an app is given. There is never a refresh token in it.
#[derive(Clone, Debug)]
pub struct TokensForApp {
    /// Who gave them.
    pub provider: ProviderId,
    /// The access token, where it was asked for.
    pub access_token: Option<SecretString>,
    /// When that expires, where the provider says so.
    pub expires_at: Option<OffsetDateTime>,
    /// The newest ID token, where it was asked for and there is one.
    pub id_token: Option<SecretString>,
}

/// When an ID token that was verified before it was kept expires: `exp` (RFC 7519 §4.1.4) in whole seconds since
/// 1970, cut. `None`: it does not read as one.
#[must_use]
pub fn id_token_expiry(token: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Times {
        exp: f64,
    }
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let Times { exp } = serde_json::from_slice(&payload).ok()?;
    Some(time::Duration::saturating_seconds_f64(exp).whole_seconds())
}

/// How a tenant keeps the tokens of one provider.
#[derive(Clone, Debug, Default)]
pub struct TokenKeeping {
    /// How people are looked at again; none: only at their next sign-in.
    pub refresh: Option<Refresh>,
    /// How they are revoked when their session ends; none: they live until they expire.
    pub revocation: Option<Revocation>,
    /// The apps that may be given them.
    pub for_apps: Vec<AppId>,
}

/// How a provider is told that a token is not needed any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Whether the metadata's `revocation_endpoint` counts, where it has one (RFC 8414 §2).
    pub discovered: bool,
    /// Otherwise here.
    pub address: Option<Url>,
    /// Which token.
    pub token: RevokedToken,
    /// How it is written.
    pub request: RevocationRequest,
}

/// Which token is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokedToken {
    /// The refresh token, with which the access token goes (RFC 7009 §2.1), or without one the access token.
    Either,
    /// Only refresh tokens are taken (Cognito).
    Refresh,
    /// The access token (Twitch).
    Access,
}

/// How a revocation is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationRequest {
    /// As a form (RFC 7009 §2.1).
    Form,
    /// As DELETE with a JSON object (GitHub).
    Delete,
}

impl TokenKeeping {
    /// Whether anything is kept at all.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        self.refresh.is_some()
    }
}

/// How people are looked at again while they are signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Whether a refresh token that comes is used; where there never is one, the access token asks again as long
    /// as it lives.
    pub uses_refresh_tokens: bool,
    /// Whether one that does not come is told.
    pub expects_refresh_tokens: bool,
    /// `prompt` without which no refresh token comes (Google).
    pub prompt: Option<Box<str>>,
    /// Codes that say, as `invalid_grant` does (RFC 6749 §5.2), that what was granted is over.
    pub over: Vec<Box<str>>,
    /// How long after the sign-in the refresh token is dead, whatever is done with it (Spotify).
    pub lifetime: Option<Duration>,
    /// A person is looked at again after so long, even where the access token lives longer.
    pub recheck_after: Duration,
    /// And no sooner, however short the tokens live: a provider is not to be flooded.
    pub interval: Duration,
}

/// The code of RFC 6749 §5.2 that says that what was granted is over.
const INVALID_GRANT: &str = "invalid_grant";

/// So long ahead of an expiry at most.
const LONGEST_LEAD: Duration = Duration::from_mins(5);

/// The first wait after trouble, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(15));

impl Refresh {
    /// Whether this `error` of the token endpoint says that the grant is over, rather than that something is wrong.
    #[must_use]
    pub fn ends_with(&self, error: &str) -> bool {
        error == INVALID_GRANT || self.over.iter().any(|code| **code == *error)
    }

    /// When a person is to be looked at again whose tokens came at `now`: ahead of the expiry by a fifth of the
    /// life, and at the latest after [`Refresh::recheck_after`]; `jitter` brings it forward by up to a tenth, so
    /// that those who came together do not come together again. `None`: never, for there is nothing to look with.
    #[must_use]
    pub fn due_at(
        &self,
        tokens: &UpstreamTokens,
        now: OffsetDateTime,
        jitter: u8,
    ) -> Option<OffsetDateTime> {
        let life = tokens.expires_at.map(|at| positive(at - now));
        let can_refresh = self.uses_refresh_tokens && tokens.refresh_token.is_some();
        let wait = match life {
            Some(life) => self
                .recheck_after
                .min(life.saturating_sub((life / 5).min(LONGEST_LEAD))),
            None => self.recheck_after,
        };
        let wait = wait
            .saturating_sub(part_of(wait, jitter) / 10)
            .max(self.interval);
        match life {
            Some(life) if !can_refresh && wait >= life => None,
            _ => Some(now + wait),
        }
    }

    /// When it is tried again after `failures` in a row: from half a minute on, each time twice as long, up to a
    /// quarter of an hour, less up to half of it.
    #[must_use]
    pub fn again_at(failures: u32, now: OffsetDateTime, jitter: u8) -> OffsetDateTime {
        let (first, longest) = BACK_OFF;
        let factor = 1_u32.checked_shl(failures.min(16)).unwrap_or(u32::MAX);
        let wait = first.saturating_mul(factor).min(longest);
        now + wait.saturating_sub(part_of(wait, jitter) / 2)
    }

    /// Whether a grant of `granted_at` is dead of old age.
    #[must_use]
    pub fn is_outlived(&self, granted_at: OffsetDateTime, now: OffsetDateTime) -> bool {
        self.lifetime
            .is_some_and(|lifetime| now >= granted_at + lifetime)
    }
}

/// `jitter` 255ths of it.
fn part_of(duration: Duration, jitter: u8) -> Duration {
    duration / 255 * u32::from(jitter)
}

fn positive(span: time::Duration) -> Duration {
    Duration::try_from(span).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2027-01-15 08:00 UTC);

    fn refresh() -> Refresh {
        Refresh {
            uses_refresh_tokens: true,
            expects_refresh_tokens: true,
            prompt: None,
            over: vec!["bad_refresh_token".into()],
            lifetime: Some(Duration::from_hours(24)),
            recheck_after: Duration::from_hours(1),
            interval: Duration::from_secs(30),
        }
    }

    fn tokens(life: Option<u64>, refresh_token: bool) -> UpstreamTokens {
        UpstreamTokens {
            access_token: "a".into(),
            expires_at: life.map(|life| NOW + Duration::from_secs(life)),
            refresh_token: refresh_token.then(|| "r".into()),
            id_token: None,
        }
    }

    #[rstest]
    #[case::five_minutes(Some(300), true, 0, Some(240))]
    #[case::an_hour(Some(3600), true, 0, Some(3300))]
    #[case::longer_than_the_interval(Some(86_400), true, 0, Some(3600))]
    #[case::not_told(None, true, 0, Some(3600))]
    #[case::sooner_by_a_tenth(None, true, 255, Some(3240))]
    #[case::hardly_any_life(Some(5), true, 255, Some(30))]
    #[case::over_already(Some(0), true, 0, Some(30))]
    #[case::with_the_access_token(Some(86_400), false, 0, Some(3600))]
    #[case::with_one_that_never_expires(None, false, 0, Some(3600))]
    #[case::with_one_that_dies_first(Some(20), false, 0, None)]
    fn a_person_is_looked_at_ahead_of_the_expiry(
        #[case] life: Option<u64>,
        #[case] refresh_token: bool,
        #[case] jitter: u8,
        #[case] expected: Option<i64>,
    ) {
        let due_at = refresh().due_at(&tokens(life, refresh_token), NOW, jitter);
        let wait = due_at.map(|at| (at - NOW).whole_seconds());
        assert_eq!(wait, expected);
    }

    #[rstest]
    #[case::first(0, 0, 30)]
    #[case::second(1, 0, 60)]
    #[case::sooner(1, 255, 30)]
    #[case::longest(5, 0, 900)]
    #[case::many(u32::MAX, 0, 900)]
    fn trouble_is_met_with_patience(
        #[case] failures: u32,
        #[case] jitter: u8,
        #[case] expected: i64,
    ) {
        let wait = Refresh::again_at(failures, NOW, jitter) - NOW;
        assert_eq!(wait.whole_seconds(), expected);
    }

    #[rstest]
    #[case::whole(r#"{"exp":1800000300}"#, Some(1_800_000_300))]
    #[case::cut(r#"{"exp":1800000300.9}"#, Some(1_800_000_300))]
    #[case::missing("{}", None)]
    #[case::text(r#"{"exp":"never"}"#, None)]
    #[case::no_object("1800000300", None)]
    fn an_id_token_tells_when_it_expires(#[case] payload: &str, #[case] expected: Option<i64>) {
        let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload));
        assert_eq!(id_token_expiry(&token), expected);
        assert_eq!(id_token_expiry(payload), None, "that is no token");
    }

    #[rstest]
    #[case::standard("invalid_grant", true)]
    #[case::own("bad_refresh_token", true)]
    #[case::ours("invalid_client", false)]
    #[case::theirs("temporarily_unavailable", false)]
    fn only_what_says_so_ends_a_grant(#[case] error: &str, #[case] expected: bool) {
        assert_eq!(refresh().ends_with(error), expected);
    }

    #[rstest]
    #[case::young(86_399, false)]
    #[case::old(86_400, true)]
    fn a_grant_can_die_of_old_age(#[case] age: u64, #[case] expected: bool) {
        let now = NOW + Duration::from_secs(age);
        assert_eq!(refresh().is_outlived(NOW, now), expected);
    }
}
