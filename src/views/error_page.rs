//! Something went wrong: what, what to do now, and what the administrator needs.
//!
//! Invariant: every sentence is ours. A provider's own text is never shown (it could say "call this
//! number"), and neither is an internal error; the code and the request id lead to them in the log.

use serde::Serialize;
use time::OffsetDateTime;

use super::parts::{Contact, Incident, Link};

/// Something went wrong.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorPage {
    /// The fault in a few words; the document's title too.
    pub title: String,
    /// What happened, in the person's words. One paragraph each.
    pub happened: Vec<String>,
    /// What to do now: the one filled button.
    pub action: Option<Link>,
    /// Other ways on.
    pub others: Vec<OtherProvider>,
    /// Whom to ask.
    pub contact: Option<Contact>,
    /// For the administrator.
    pub incident: Incident,
}

/// Another provider to sign in with.
#[derive(Clone, Debug, Serialize)]
pub struct OtherProvider {
    /// What people call it.
    pub name: String,
    /// Letter of its badge; see [`mark_of`](super::mark_of).
    pub mark: String,
    /// Where the login begins.
    pub href: String,
}

/// The request a page answers, for the administrator's block.
#[derive(Clone, Copy, Debug)]
pub struct RequestStamp<'a> {
    /// Its id, as in the log.
    pub id: &'a str,
    /// When it came.
    pub at: OffsetDateTime,
}

impl ErrorPage {
    pub(super) fn new(
        request: RequestStamp<'_>,
        code: &str,
        title: &str,
        happened: &[&str],
    ) -> Self {
        Self {
            title: title.to_owned(),
            happened: happened.iter().map(|text| (*text).to_owned()).collect(),
            action: None,
            others: Vec::new(),
            contact: None,
            incident: Incident::new(request.id, request.at, code),
        }
    }

    pub(super) fn action(mut self, label: &str, href: &str) -> Self {
        self.action = Some(Link {
            label: label.to_owned(),
            href: href.to_owned(),
        });
        self
    }

    /// Adds whom to ask.
    #[must_use]
    pub fn with_contact(mut self, contact: Option<Contact>) -> Self {
        self.contact = contact;
        self
    }

    /// Adds other providers to sign in with.
    #[must_use]
    pub fn with_others(mut self, others: Vec<OtherProvider>) -> Self {
        self.others = others;
        self
    }

    /// Status 400: the callback matches no waiting login: too late, used, or its cookie is lost. `start_again`
    /// leads to the same target.
    #[must_use]
    pub fn login_expired(request: RequestStamp<'_>, start_again: &str) -> Self {
        Self::new(
            request,
            "login_expired",
            "This sign-in has expired",
            &[
                "It took too long, was already used, or began in another browser or window. \
                 You are not signed in.",
            ],
        )
        .action("Start again", start_again)
    }

    /// Status 400: the provider answered with `error` (RFC 6749 §4.1.2.1). Its value chooses among our own
    /// sentences; an unknown one gets the general sentence.
    #[must_use]
    pub fn provider_refused(
        request: RequestStamp<'_>,
        provider: &str,
        error: &str,
        start_again: &str,
    ) -> Self {
        let (code, title, happened) = match error {
            "access_denied"
            | "consent_required"
            | "interaction_required"
            // Apple's own word.
            | "user_cancelled_authorize" => (
                "provider_access_denied",
                format!("{provider} did not sign you in"),
                format!("Either you cancelled, or {provider} does not let this account in."),
            ),
            "temporarily_unavailable" | "server_error" => (
                "provider_unavailable",
                format!("{provider} cannot sign you in right now"),
                format!("{provider} has a problem of its own. Try again in a few minutes."),
            ),
            _ => (
                "provider_error",
                format!("{provider} did not sign you in"),
                format!(
                    "{provider} answered with an error. If it happens again, your administrator \
                     needs the details below."
                ),
            ),
        };
        Self::new(
            request,
            code,
            &title,
            &[&happened, "You are not signed in."],
        )
        .action("Start again", start_again)
    }

    /// Status 400: the provider's answer failed a check: it is not to be trusted, whatever the reason.
    #[must_use]
    pub fn provider_answer_invalid(
        request: RequestStamp<'_>,
        provider: &str,
        start_again: &str,
    ) -> Self {
        Self::new(
            request,
            "provider_answer_invalid",
            &format!("The answer of {provider} cannot be trusted"),
            &[
                &format!("What {provider} sent did not pass our checks, so you are not signed in."),
                "If it happens again, tell your administrator. The details below help.",
            ],
        )
        .action("Start again", start_again)
    }

    /// Status 502: the provider does not take us for its client. `elsewhere` leads to the other providers, where
    /// there are some: the same one again does not help.
    #[must_use]
    pub fn provider_not_set_up(
        request: RequestStamp<'_>,
        provider: &str,
        elsewhere: Option<&str>,
    ) -> Self {
        let page = Self::new(
            request,
            "provider_not_set_up",
            &format!("Signing in with {provider} does not work"),
            &[
                &format!(
                    "{provider} does not accept this sign-in service at the moment. That is nothing you did, and \
                     trying again does not help. You are not signed in."
                ),
                "Tell your administrator. The details below help.",
            ],
        );
        match elsewhere {
            Some(elsewhere) => page.action("Sign in another way", elsewhere),
            None => page,
        }
    }

    /// Status 502 or 504: the provider cannot be reached, or is too slow.
    #[must_use]
    pub fn provider_unreachable(
        request: RequestStamp<'_>,
        provider: &str,
        try_again: &str,
        others: Vec<OtherProvider>,
    ) -> Self {
        let way_on = if others.is_empty() {
            "Try again in a few minutes."
        } else {
            "Try again in a few minutes, or continue with another provider."
        };
        Self::new(
            request,
            "provider_unreachable",
            &format!("{provider} cannot be reached"),
            &[
                &format!("We could not get an answer from {provider}."),
                way_on,
            ],
        )
        .action("Try again", try_again)
        .with_others(others)
    }

    /// Status 502 or 504: the app does not answer, or not in time.
    #[must_use]
    pub fn app_unavailable(
        request: RequestStamp<'_>,
        app: &str,
        late: bool,
        try_again: &str,
    ) -> Self {
        let (code, happened) = if late {
            (
                "app_too_slow",
                format!("You are allowed to open {app}, but it took too long to answer."),
            )
        } else {
            (
                "app_unavailable",
                format!("You are allowed to open {app}, but it does not answer."),
            )
        };
        Self::new(
            request,
            code,
            &format!("{app} does not answer"),
            &[&happened, "Try again in a few minutes."],
        )
        .action("Try again", try_again)
    }

    /// Status 400: the address can be read in more than one way, so nobody can say what is behind it.
    #[must_use]
    pub fn address_ambiguous(request: RequestStamp<'_>, home: &str) -> Self {
        Self::new(
            request,
            "address_ambiguous",
            "This address cannot be opened",
            &[
                "It can be read in more than one way, so we cannot tell what you may see there.",
                "Go to the first page, and find your way from there.",
            ],
        )
        .action("Go to the first page", home)
    }

    /// Status 400: the address was opened over plain http, where no session is shown.
    #[must_use]
    pub fn needs_https(request: RequestStamp<'_>, address: &str) -> Self {
        Self::new(
            request,
            "needs_https",
            "This address needs https",
            &[
                "It was opened with http, where others could read along. Nothing is shown there.",
                "Write https in front of the address.",
            ],
        )
        .action("Open it with https", address)
    }

    /// Status 403: nobody may open this, signed in or not.
    #[must_use]
    pub fn closed_to_all(request: RequestStamp<'_>, app: &str, home: &str) -> Self {
        Self::new(
            request,
            "closed_to_all",
            "Nobody may open this",
            &[&format!("This part of {app} is closed to everybody.")],
        )
        .action("Go to the first page", home)
    }

    /// Status 404: no such page. `home` is the tenant's first page, if there is one.
    #[must_use]
    pub fn not_found(request: RequestStamp<'_>, home: Option<&str>) -> Self {
        let page = Self::new(
            request,
            "not_found",
            "There is no such page",
            &["The address may be mistyped, or the page has moved."],
        );
        match home {
            Some(home) => page.action("Go to your sessions", home),
            None => page,
        }
    }

    /// Status 421: the host belongs to no tenant and no app (RFC 9110 §15.5.20).
    #[must_use]
    pub fn unknown_host(request: RequestStamp<'_>) -> Self {
        Self::new(
            request,
            "unknown_host",
            "Nothing is set up at this address",
            &[
                "The address leads here, but no organization or app is known by it.",
                "Check the address. If it is right, tell the person who runs this service.",
            ],
        )
    }

    /// Status 400: the ticket is used up, too old, or belongs to another browser.
    #[must_use]
    pub fn ticket_invalid(request: RequestStamp<'_>, start_again: &str) -> Self {
        Self::new(
            request,
            "ticket_invalid",
            "This link is no longer valid",
            &[
                "It brought you from signing in to the app, works once, for one minute, and only in the \
                 browser that asked for it.",
            ],
        )
        .action("Start again", start_again)
    }

    /// Status 400: the browser came back without the cookie that it was given a moment ago. `secure`: the
    /// address is one of https.
    #[must_use]
    pub fn cookies_refused(
        request: RequestStamp<'_>,
        host: &str,
        secure: bool,
        try_again: &str,
    ) -> Self {
        let remedy = if secure {
            "Allow cookies for this address, open it with https, then try again."
        } else {
            "Allow cookies for this address, then try again."
        };
        Self::new(
            request,
            "cookies_refused",
            "Your browser does not keep cookies",
            &[
                &format!(
                    "Signing in needs a cookie of {host}, and your browser came back without it."
                ),
                remedy,
            ],
        )
        .action("Try again", try_again)
    }

    /// Status 400: the same, and the address was opened over plain http, where our cookies are not kept.
    #[must_use]
    pub fn cookies_need_https(request: RequestStamp<'_>, host: &str, try_again: &str) -> Self {
        Self::new(
            request,
            "cookies_need_https",
            "This address needs https",
            &[
                &format!(
                    "Signing in needs a cookie of {host}, and your browser keeps it only for an address that \
                     begins with https. This one was opened with http."
                ),
                "Write https in front of the address, then try again.",
            ],
        )
        .action("Try again", try_again)
    }

    /// Status 429: too many sign-ins from one place. `retry_after_minutes` is rounded up.
    #[must_use]
    pub fn too_many_sign_ins(
        request: RequestStamp<'_>,
        retry_after_minutes: u64,
        try_again: &str,
    ) -> Self {
        let wait = match retry_after_minutes {
            0 | 1 => "a minute".to_owned(),
            minutes => format!("{minutes} minutes"),
        };
        Self::new(
            request,
            "too_many_sign_ins",
            "Too many sign-ins",
            &[&format!(
                "Many sign-ins came from your network in a short time. Wait {wait}, then try again."
            )],
        )
        .action("Try again", try_again)
    }

    /// Status 400: a form came without its check value, or with that of another session.
    #[must_use]
    pub fn form_expired(request: RequestStamp<'_>, back: &str) -> Self {
        Self::new(
            request,
            "form_expired",
            "This form has expired",
            &["Nothing was changed. Go back and send it again."],
        )
        .action("Go back", back)
    }

    /// Status 400: the return target is none that this tenant leads to.
    #[must_use]
    pub fn target_refused(request: RequestStamp<'_>, without_it: &str) -> Self {
        Self::new(
            request,
            "target_refused",
            "This link leads somewhere else",
            &["It asks to send you to an address that does not belong here, so we have stopped."],
        )
        .action("Go on without it", without_it)
    }

    /// Status 503: the store does not answer. Sessions are not lost.
    #[must_use]
    pub fn store_trouble(request: RequestStamp<'_>, try_again: Option<&str>) -> Self {
        let page = Self::new(
            request,
            "store_unavailable",
            "Signing in is not possible right now",
            &[
                "A part of this service does not answer. You have done nothing wrong. \
                Try again in a few minutes.",
            ],
        );
        match try_again {
            Some(try_again) => page.action("Try again", try_again),
            None => page,
        }
    }

    /// Status 500: everything that should not happen.
    #[must_use]
    pub fn internal(request: RequestStamp<'_>, try_again: Option<&str>) -> Self {
        let page = Self::new(
            request,
            "internal_error",
            "Something failed on our side",
            &[
                "You have done nothing wrong. Try again. If it happens again, tell your \
                 administrator; the details below help.",
            ],
        );
        match try_again {
            Some(try_again) => page.action("Try again", try_again),
            None => page,
        }
    }
}
