//! Where a person may be sent after signing in or out.
//!
//! Invariant: a [`ReturnTarget`] is an absolute address on a host that the tenant owns. It is parsed by
//! the URL Standard, as browsers do, and what is sent on is the parser's own text, so that nothing can be
//! read differently later.

use url::Url;

use super::host::Host;

/// An absolute address on an allowed host, without user information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTarget {
    url: Url,
    host: Host,
}

/// Why an address is not returned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReturnTarget {
    /// Too long, or characters that browsers drop or rewrite.
    #[error(
        "the address to return to is longer than 4,096 bytes or has characters that do not belong there"
    )]
    Malformed,
    /// Neither an absolute http(s) address nor a path.
    #[error("the address to return to is neither an https address nor a path")]
    Scheme,
    /// Somebody else's host.
    #[error("the address to return to is on a host that does not belong to this tenant")]
    Host,
}

impl ReturnTarget {
    /// Parses `text`: an absolute address, or a path on `here` (an origin such as
    /// `https://wiki.example.com`). `allowed` says which hosts belong to the tenant; plain http is
    /// accepted only where `here` itself is plain http (development on loopback).
    ///
    /// # Errors
    /// [`InvalidReturnTarget`].
    pub fn parse(
        text: &str,
        here: &Url,
        allowed: impl Fn(&Host) -> bool,
    ) -> Result<Self, InvalidReturnTarget> {
        // The URL Standard strips tabs and newlines and turns `\` into `/`: refuse what it would mend.
        let clean = text.len() <= 4096
            && !text.contains('\\')
            && !text.chars().any(|c| c.is_control() || c.is_whitespace());
        if !clean {
            return Err(InvalidReturnTarget::Malformed);
        }
        let url = if text.starts_with('/') && !text.starts_with("//") {
            here.join(text)
                .map_err(|_| InvalidReturnTarget::Malformed)?
        } else {
            let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
            if !lower.starts_with("https://") && !lower.starts_with("http://") {
                return Err(InvalidReturnTarget::Scheme);
            }
            Url::parse(text).map_err(|_| InvalidReturnTarget::Malformed)?
        };
        let secure = url.scheme() == "https" || (url.scheme() == "http" && here.scheme() == "http");
        if !secure {
            return Err(InvalidReturnTarget::Scheme);
        }
        if !url.username().is_empty()
            || url.password().is_some()
            || text.contains('@') && has_user_information(text)
        {
            return Err(InvalidReturnTarget::Malformed);
        }
        let host = Host::of(&url).ok_or(InvalidReturnTarget::Malformed)?;
        if !allowed(&host) {
            return Err(InvalidReturnTarget::Host);
        }
        Ok(Self { url, host })
    }

    /// The address, as it goes into `Location`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The parsed address.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Its host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }
}

/// `https://@host/` has user information that the parser drops because it is empty.
fn has_user_information(text: &str) -> bool {
    text.split_once("//")
        .map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default())
        .is_some_and(|authority| authority.contains('@'))
}
