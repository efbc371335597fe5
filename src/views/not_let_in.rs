//! The provider has signed somebody in, and the tenant does not let them in from there: what they can do about it.

use super::error_page::{ErrorPage, RequestStamp};

impl ErrorPage {
    /// Status 403: the provider signed somebody in whom this tenant does not let in: another organization's, or
    /// a personal account.
    #[must_use]
    pub fn account_refused(
        request: RequestStamp<'_>,
        provider: &str,
        tenant: &str,
        another_account: &str,
    ) -> Self {
        Self::new(
            request,
            "account_refused",
            "This account cannot sign in here",
            &[&format!(
                "{provider} knows the account, but it is not one of those that {tenant} lets in. Use the \
                 account that you have at {tenant}."
            )],
        )
        .action("Use another account", another_account)
    }

    /// Status 403: the tenant lets the person in, but not by a sign-in of this strength, or so long ago.
    #[must_use]
    pub fn sign_in_too_weak(
        request: RequestStamp<'_>,
        provider: &str,
        tenant: &str,
        sign_in_again: &str,
    ) -> Self {
        Self::new(
            request,
            "sign_in_too_weak",
            "This sign-in is not enough here",
            &[
                &format!(
                    "{tenant} asks for a stronger or more recent sign-in at {provider} than this one. Sign in there \
                     again, with a second factor if you have one."
                ),
                "If it happens again, tell your administrator. The details below help.",
            ],
        )
        .action("Sign in again", sign_in_again)
    }

    /// Status 403: the provider has said that it left out groups of the person: unknown is not "none".
    #[must_use]
    pub fn groups_incomplete(request: RequestStamp<'_>, provider: &str, start_again: &str) -> Self {
        Self::new(
            request,
            "groups_incomplete",
            &format!("{provider} did not tell all your groups"),
            &[
                "What you may open depends on your groups, and some of them were left out. You are not \
                 signed in.",
                "Your administrator can change that. The details below help.",
            ],
        )
        .action("Start again", start_again)
    }
}
