//! Why a request got no answer, for operators.
//!
//! Invariant: no path, query, header or body is in here, since any of them can hold a secret; the origin is
//! enough to know which provider is meant. People see one message for all of these.

use std::error::Error;
use std::time::Duration;

use super::address_guard::Refusal;

/// A request that got no whole answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {fault}")]
pub struct OutboundError {
    origin: Box<str>,
    fault: OutboundFault,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundFault {
    /// The request is not one: its address does not parse.
    #[error("the request is not valid: {0}")]
    Request(Box<str>),
    /// The address must not be reached.
    #[error("{0}")]
    Refused(Refusal),
    /// The name did not resolve.
    #[error("the name could not be resolved: {0}")]
    Name(Box<str>),
    /// The other side did not prove who it is, or speaks no TLS that is still good.
    #[error("TLS failed: {0} (an authority of your own is named by the provider's `ca_file`)")]
    Tls(Box<str>),
    /// No connection, or it broke.
    #[error("{0}")]
    Connection(Box<str>),
    /// Not done in time: connecting, headers and body together.
    #[error("no whole answer within {0:?}")]
    Deadline(Duration),
    /// The body is larger than the caller takes, in bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The body is compressed although nothing of the kind was asked for.
    #[error("the answer is encoded as `{0}`, which was not asked for")]
    Encoded(Box<str>),
    /// The client itself could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Setup(Box<str>),
}

impl OutboundError {
    pub(super) fn new(origin: &str, fault: OutboundFault) -> Self {
        Self {
            origin: origin.into(),
            fault,
        }
    }

    /// Scheme, host and port of the address; the host alone where it was refused unresolved.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What went wrong.
    #[must_use]
    pub fn fault(&self) -> &OutboundFault {
        &self.fault
    }
}

impl OutboundFault {
    /// One word for a metric's label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Request(_) => "request",
            Self::Refused(_) => "refused",
            Self::Name(_) => "name",
            Self::Tls(_) => "tls",
            Self::Connection(_) => "connection",
            Self::Deadline(_) => "deadline",
            Self::TooLarge(_) => "too_large",
            Self::Encoded(_) => "encoded",
            Self::Setup(_) => "setup",
        }
    }

    /// Reads the chain of causes for the one that says something.
    pub(super) fn of(error: &reqwest::Error, deadline: Duration) -> Self {
        if error.is_timeout() {
            return Self::Deadline(deadline);
        }
        let mut deepest = None;
        let mut cause: Option<&(dyn Error + 'static)> = error.source();
        while let Some(error) = cause {
            let error = inside_io(error);
            if let Some(refusal) = error.downcast_ref::<Refusal>() {
                return Self::Refused(refusal.clone());
            }
            if let Some(unresolved) = error.downcast_ref::<Unresolved>() {
                return Self::Name(unresolved.0.to_string().into());
            }
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return Self::Tls(tls.to_string().into());
            }
            deepest = Some(error);
            cause = error.source();
        }
        Self::Connection(deepest.map_or_else(
            || "the connection failed".into(),
            |error| error.to_string().into(),
        ))
    }
}

/// A name that did not resolve.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unresolved(pub(super) std::io::Error);

/// `io::Error` leaves the error it wraps out of its chain of sources.
pub(super) fn inside_io<'e>(error: &'e (dyn Error + 'static)) -> &'e (dyn Error + 'static) {
    match error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref)
    {
        Some(inner) => inside_io(inner),
        None => error,
    }
}
