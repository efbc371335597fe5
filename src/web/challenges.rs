//! What a 401 says it would take (RFC 9110 §15.5.2): one challenge for each scheme that the app accepts.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::cookies;
use crate::access::{CredentialFault, ScopeMissing, Unaccepted};
use crate::domain::caller::{Scheme, Schemes};

/// Adds the challenges of an app of `tenant`.
pub(super) fn challenge(response: &mut Response, tenant: &str, prefix: &str, accepts: Schemes) {
    for scheme in accepts.iter() {
        add(response, text(scheme, tenant, prefix, None));
    }
}

/// 401 with them, for a request that nobody is looking at.
pub(super) fn sign_in_required(tenant: &str, prefix: &str, accepts: Schemes) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    challenge(&mut response, tenant, prefix, accepts);
    response
}

/// The same where something was shown that is not good: its own challenge says so. Nothing is asked for where it
/// could not be judged.
pub(super) fn unaccepted(response: &mut Response, unaccepted: &Unaccepted, prefix: &str) {
    let error = match unaccepted.fault {
        CredentialFault::Unjudged => return,
        CredentialFault::Unattested => {
            *response.body_mut() = Body::from("{}");
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            return;
        }
        CredentialFault::Malformed => "invalid_request",
        CredentialFault::Invalid => "invalid_token",
    };
    let tenant = unaccepted.tenant.as_str();
    for scheme in unaccepted.accepts.iter() {
        let error = (scheme == unaccepted.scheme).then_some(error);
        add(response, text(scheme, tenant, prefix, error));
    }
}

/// 403 says which scopes it takes (RFC 6750 §3.1).
pub(super) fn scope_missing(response: &mut Response, missing: &ScopeMissing) {
    let ScopeMissing { tenant, scopes } = missing;
    add(
        response,
        format!("Bearer realm=\"{tenant}\", error=\"insufficient_scope\", scope=\"{scopes}\""),
    );
}

/// The status of what is not accepted.
pub(crate) const fn status(fault: CredentialFault) -> StatusCode {
    match fault {
        CredentialFault::Malformed | CredentialFault::Invalid | CredentialFault::Unattested => {
            StatusCode::UNAUTHORIZED
        }
        CredentialFault::Unjudged => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// `error` is a bearer's alone (RFC 6750 §3). No browser asks for a password at a scheme that it does not know:
/// at the first of these it does, where the app accepts passwords.
fn text(scheme: Scheme, tenant: &str, prefix: &str, error: Option<&str>) -> String {
    match scheme {
        Scheme::Basic => format!("Basic realm=\"{tenant}\", charset=\"UTF-8\""),
        Scheme::Bearer => match error {
            None => format!("Bearer realm=\"{tenant}\""),
            Some(error) => format!("Bearer realm=\"{tenant}\", error=\"{error}\""),
        },
        Scheme::ApiKey => format!("ApiKey realm=\"{tenant}\""),
        Scheme::Session => format!(
            "Cookie realm=\"{tenant}\", form-action=\"{prefix}/sign_in\", cookie-name=\"{}\"",
            cookies::APP_SESSION
        ),
    }
}

fn add(response: &mut Response, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        response
            .headers_mut()
            .append(header::WWW_AUTHENTICATE, value);
    }
}
