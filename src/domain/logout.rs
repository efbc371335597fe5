//! Signing out at a provider: how ours reaches it, and how it tells us of its own.

use url::Url;

/// How a sign-out reaches the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logout {
    /// It cannot: people are told that they stay signed in there.
    None,
    /// The person is sent there.
    Redirect(LogoutRedirect),
}

/// Where a person is sent to sign out, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutRedirect {
    /// Whether the metadata's `end_session_endpoint` counts, where it has one (OIDC RP-Initiated Logout 1.0).
    pub discovered: bool,
    /// Otherwise here.
    pub address: Option<Url>,
    /// The query. Without [`LogoutValue::State`] the provider brings nothing back, so that the browser has to
    /// remember which sign-out it was.
    pub parameters: Vec<(Box<str>, LogoutValue)>,
}

/// What a parameter of the request to sign out says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoutValue {
    /// The ID token of the session that ends.
    IdToken,
    /// Our name at the provider.
    ClientId,
    /// Where the person comes back to.
    ReturnAddress,
    /// Names this sign-out, and comes back with the person.
    State,
    /// Nothing: that the parameter is there says it (Auth0: `federated`).
    Empty,
}

impl LogoutRedirect {
    /// As OIDC RP-Initiated Logout 1.0 §2 has it.
    #[must_use]
    pub fn standard_parameters() -> Vec<(Box<str>, LogoutValue)> {
        [
            ("id_token_hint", LogoutValue::IdToken),
            ("client_id", LogoutValue::ClientId),
            ("post_logout_redirect_uri", LogoutValue::ReturnAddress),
            ("state", LogoutValue::State),
        ]
        .map(|(name, value)| (name.into(), value))
        .into()
    }
}

/// How a provider tells us that somebody has signed out there. What is not here is not listened to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogoutNotices {
    /// By a logout token that it posts (OIDC Back-Channel Logout 1.0).
    pub back_channel: bool,
    /// By a page of ours that it has browsers load in a frame (OIDC Front-Channel Logout 1.0).
    pub front_channel: bool,
}
