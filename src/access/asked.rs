//! What a check was about, for an answer that is more than a status.

use std::sync::Arc;

use http::Method;

use super::target::CheckTarget;
use crate::domain::host::Host;
use crate::domain::tenant::Tenant;
use crate::tenants::AppAt;

/// What was asked for, where that needs an answer of its own.
#[derive(Debug)]
pub struct Asked {
    /// Whose app it is.
    pub tenant: Arc<Tenant>,
    /// The app's host.
    pub host: Host,
    /// `https` or `http`, where the proxy told.
    pub scheme: Option<&'static str>,
    /// The path and query, where the proxy told.
    pub path_and_query: Option<Box<str>>,
    /// The method, where the proxy told.
    pub method: Option<Method>,
}

impl Asked {
    pub(super) fn new(target: &CheckTarget<'_>, at: AppAt<'_>, host: &Host) -> Self {
        Self {
            tenant: Arc::clone(at.tenant),
            host: host.clone(),
            scheme: match target.scheme {
                Some("https") => Some("https"),
                Some("http") => Some("http"),
                _ => None,
            },
            path_and_query: target.path_and_query.map(Into::into),
            method: target.method.clone(),
        }
    }
}
