//! Somebody signs in, is sent on to an app, and is sent back to sign in: the page that stops them, and the cause
//! as far as it can be told.

use super::error_page::{ErrorPage, RequestStamp};

/// Why somebody who enters an app is sent back to sign in, as far as can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopCause {
    /// The app's cookie did not come back.
    Cookie,
    /// The browser speaks plain http.
    Scheme,
    /// The cookie came back, and its session is over or unknown.
    Clock,
    /// The cookie came back and is good: the check is asked about another host, or without it.
    Host,
}

impl LoopCause {
    /// One word, for logs and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Scheme => "scheme",
            Self::Clock => "clock",
            Self::Host => "host",
        }
    }

    /// What an operator can do, for the log.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Cookie => {
                "the browser refuses the app's cookie, or a proxy takes `Set-Cookie` or `Cookie` away"
            }
            Self::Scheme => {
                "redirect http to https at the proxy, and have it send `X-Forwarded-Proto`"
            }
            Self::Clock => {
                "set the clocks of all machines that run Doorward, and see that they share one database"
            }
            Self::Host => {
                "have the proxy pass `Cookie` and the host that was asked for on to the check, and let one \
                 Doorward answer both the check and the sign-in"
            }
        }
    }
}

impl ErrorPage {
    /// Status 400: the person was signed in and sent on again and again without arriving. No redirect follows.
    #[must_use]
    pub fn login_loop(
        request: RequestStamp<'_>,
        host: &str,
        cause: LoopCause,
        try_again: &str,
    ) -> Self {
        let stopped = format!(
            "You are signed in, but {host} does not recognize it and sends you back each time. \
             We have stopped here."
        );
        let (code, why) = match cause {
            LoopCause::Cookie => (
                "login_loop_cookie",
                format!(
                    "Your browser comes back to {host} without the cookie that it was given. Allow cookies \
                     for this address."
                ),
            ),
            LoopCause::Scheme => (
                "login_loop_scheme",
                format!(
                    "Your browser opened {host} with http, and the cookie that keeps you signed in is for \
                     https only. Write https in front of the address."
                ),
            ),
            LoopCause::Clock => (
                "login_loop_clock",
                format!(
                    "Your session at {host} is over as soon as it begins. A clock may be wrong over there."
                ),
            ),
            LoopCause::Host => (
                "login_loop_host",
                format!(
                    "Your browser does everything right. The question whether you may pass is asked about \
                     another address than {host}, or without your cookie."
                ),
            ),
        };
        let help = match cause {
            LoopCause::Cookie | LoopCause::Scheme => {
                "If that does not help, your administrator needs the details below."
            }
            LoopCause::Clock | LoopCause::Host => "Your administrator needs the details below.",
        };
        Self::new(
            request,
            code,
            "You keep being sent back to sign in",
            &[&stopped, &why, help],
        )
        .action("Try again", try_again)
    }
}
