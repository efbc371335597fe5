//! What a provider's answers mean. Pure: no request is made here.

use http::{StatusCode, header};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;

use super::super::code_exchange::MadeUpCode;
use super::super::is_of_registration;
use super::{Finding, Step};
use crate::domain::login_attempt::ProviderError;

/// Tokens are refused when clocks differ by more, in seconds.
const SKEW_SECONDS: i64 = 60;

/// What came in answer to an authorization request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Where the browser would go, whole.
    pub(super) location: Option<Url>,
    /// The other side's clock.
    pub(super) date: Option<OffsetDateTime>,
}

impl Answer {
    /// `asked` is what a relative address is relative to.
    pub(super) fn of(answer: &http::Response<Vec<u8>>, asked: &Url) -> Self {
        let text = |name| {
            let value = answer.headers().get(name)?;
            value.to_str().ok()
        };
        let redirects = answer.status().is_redirection();
        Self {
            status: answer.status(),
            location: text(header::LOCATION)
                .filter(|_| redirects)
                .and_then(|location| asked.join(location).ok()),
            date: text(header::DATE).and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok()),
        }
    }

    /// The parameters of an answer that goes to `redirect_uri`.
    fn at(&self, redirect_uri: &str) -> Option<Vec<(String, String)>> {
        let location = self.location.as_ref()?;
        let expected = Url::parse(redirect_uri).ok()?;
        let same = location.origin() == expected.origin() && location.path() == expected.path();
        same.then(|| location.query_pairs().into_owned().collect())
    }
}

/// What a good answer says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expectation<'a> {
    pub(super) redirect_uri: &'a str,
    pub(super) state: &'a str,
    pub(super) issuer: Option<&'a str>,
    pub(super) issuer_promised: bool,
}

/// A person would have to be asked: the request itself was good (OIDC Core 1.0 §3.1.2.6).
const NEEDS_A_PERSON: [&str; 4] = [
    "login_required",
    "interaction_required",
    "consent_required",
    "account_selection_required",
];

/// Whether the provider sends people back to us. `strange`: what it said to an address that cannot be registered.
pub(super) fn judge_redirect_uri(
    what: &str,
    expected: &Expectation<'_>,
    ours: &Answer,
    strange: Option<(&str, &Answer)>,
) -> Step {
    let uri = expected.redirect_uri;
    if let Some((_, answer)) = strange.filter(|(strange, answer)| answer.at(strange).is_some()) {
        let seen = format!(
            "it answers at {} too, which is registered nowhere",
            answer.location.as_ref().map_or_else(String::new, |url| {
                url.as_str()
                    .split('?')
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })
        );
        return Step::new(what, Finding::Doubtful, seen).advising(format!(
            "register exactly {uri} there, without a wildcard (RFC 9700 §2.1)"
        ));
    }
    if let Some(parameters) = ours.at(uri) {
        return judge_answer(what, expected, &parameters);
    }
    let refused = |answer: &Answer| answer.status.is_client_error();
    let told_apart = strange.is_some_and(|(_, answer)| refused(answer));
    let register = format!("register exactly {uri} at the provider, and look at `client_id`");
    match ours.status {
        StatusCode::TOO_MANY_REQUESTS => Step::new(what, Finding::Open, "it answers 429")
            .advising("too many requests: try again later"),
        status if status.is_server_error() => {
            let seen = format!("its page to sign in answers {}", status.as_u16());
            Step::new(what, Finding::Doubtful, seen).advising(register)
        }
        status if refused(ours) => {
            let seen = format!(
                "it answers {} instead of asking anybody to sign in",
                status.as_u16()
            );
            Step::new(what, Finding::Wrong, seen).advising(register)
        }
        _ if told_apart => {
            let seen = format!("{uri} is known there, and another one is refused");
            Step::new(what, Finding::Fine, seen)
        }
        _ => Step::new(
            what,
            Finding::Open,
            "it shows a page first, whatever the address",
        )
        .advising(format!("see that exactly {uri} is registered there")),
    }
}

/// What came at the redirect URI.
fn judge_answer(what: &str, expected: &Expectation<'_>, parameters: &[(String, String)]) -> Step {
    let parameter = |wanted: &str| {
        let found = parameters.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    };
    let wrong = |seen: String| Step::new(what, Finding::Wrong, seen);
    if parameter("state") != Some(expected.state) {
        return wrong("its answer comes without our `state`".to_owned())
            .advising("no login can be told from another: the provider has to mend it");
    }
    let issuer = parameter("iss");
    let other = |found: &str| expected.issuer.is_some_and(|expected| expected != found);
    if let Some(found) = issuer.filter(|found| other(found)) {
        let found: String = found.chars().take(200).collect();
        return wrong(format!(
            "its answer is of issuer {found:?}, not {:?}",
            expected.issuer.unwrap_or_default()
        ))
        .advising("set `issuer` to what the provider calls itself (RFC 9207 §2.4)");
    }
    if issuer.is_none() && expected.issuer_promised {
        return wrong("its metadata promise `iss` in the answer, and there is none".to_owned())
            .advising("the provider has to mend it (RFC 9207 §3): no login is accepted like this");
    }
    let uri = expected.redirect_uri;
    match parameter("error") {
        Some(error) if NEEDS_A_PERSON.contains(&error) => {
            let seen = format!("{uri} is known there (`{error}`)");
            Step::new(what, Finding::Fine, seen)
        }
        Some(error) => {
            let error = ProviderError::new(error);
            let advice = match error.code() {
                "invalid_scope" => "allow this client the scopes, or set `scopes`",
                "unauthorized_client" | "unsupported_response_type" => {
                    "allow this client the authorization code flow"
                }
                "access_denied" => "see who is let in there: it refuses everybody",
                _ => "look at the client's settings there",
            };
            wrong(format!("it answers `{}`", error.code())).advising(advice)
        }
        None if parameter("code").is_some() => Step::new(
            what,
            Finding::Doubtful,
            "it signs somebody in, although nobody was asked and no cookie was sent",
        )
        .advising("see who that is: whoever can reach it may be that person"),
        None => wrong("its answer has neither a code nor an error".to_owned()).advising(
            "look at the client's settings there: the authorization code flow, and nothing else",
        ),
    }
}

/// Whether the token endpoint takes us for its client. `strangers`: what it said to a secret that cannot be right.
pub(super) fn judge_client(what: &str, ours: &MadeUpCode, strangers: Option<&MadeUpCode>) -> Step {
    let error = match ours {
        MadeUpCode::Taken => {
            return Step::new(
                what,
                Finding::Wrong,
                "it gives tokens for a code that it never gave",
            )
            .advising("do not use this provider: anybody could sign in");
        }
        MadeUpCode::Refused(error) => error.as_str(),
    };
    let refuses_strangers = matches!(
        strangers,
        Some(MadeUpCode::Refused(other)) if is_of_registration(other)
    );
    match error {
        _ if is_of_registration(error) => {
            Step::new(what, Finding::Wrong, format!("it does not take us for its client (`{error}`)"))
                .advising(
                    "look at `client_id`, `client_secret` (a new one, if it has run out) and `client_authentication`",
                )
        }
        "redirect_uri_mismatch" => Step::new(what, Finding::Wrong, format!("`{error}`"))
            .advising("register the redirect URI there"),
        "unsupported_grant_type" => Step::new(what, Finding::Wrong, format!("`{error}`"))
            .advising("allow this client the authorization code flow"),
        _ if refuses_strangers => {
            Step::new(what, Finding::Fine, "it takes us for its client, and refuses another secret")
        }
        _ => Step::new(
            what,
            Finding::Open,
            format!("it answers `{error}` to a made-up code, whoever asks"),
        )
        .advising("whether the secret is right shows at the first sign-in"),
    }
}

/// The same of a client that proves nothing: a code that was never given is all that is wrong then (RFC 6749 §5.2).
pub(super) fn judge_client_without_secret(what: &str, ours: &MadeUpCode) -> Step {
    match ours {
        MadeUpCode::Refused(error) if error == "invalid_grant" => Step::new(
            what,
            Finding::Fine,
            "it takes us for its client, without a secret",
        ),
        ours => judge_client(what, ours, None),
    }
}

/// Only a difference is worth a line.
pub(super) fn judge_clock(answer: &Answer, now: OffsetDateTime) -> Option<Step> {
    let apart = (answer.date? - now).whole_seconds();
    if apart.abs() <= SKEW_SECONDS {
        return None;
    }
    let direction = if apart > 0 { "ahead of" } else { "behind" };
    let seen = format!("its clock is {} s {direction} ours", apart.abs());
    let step = Step::new("clock", Finding::Wrong, seen);
    Some(step.advising(
        "set this machine's clock: tokens are refused when clocks differ by more than 60 s",
    ))
}
