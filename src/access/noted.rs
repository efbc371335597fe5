//! What is counted and written down about checks that were not allowed.

use std::net::IpAddr;

use super::credentials::CredentialFault;
use super::dialect::CheckRequest;
use super::target::{AmbiguousTarget, CheckTarget};
use super::verdict::Verdict;
use crate::domain::caller::Subject;
use crate::domain::policy::{Refusal, Requirements, Target};
use crate::telemetry::metrics::{CheckOutcome, check_counter, count_failed_condition};
use crate::tenants::AppAt;

/// The request has no single target, so it is nobody's.
pub(super) fn unreadable(request: &CheckRequest<'_>, ambiguous: AmbiguousTarget) -> Verdict {
    tracing::warn!(
        target: "audit", event = "check_ambiguous", peer = %request.peer, reason = %ambiguous,
        "the check was refused"
    );
    check_counter("", "", CheckOutcome::Ambiguous).increment(1);
    Verdict::Ambiguous(ambiguous)
}

/// Queries hold tokens and codes of apps: they are not for logs.
fn without_query(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or_default()
}

/// Counts what was not allowed, and audits what an operator would want to know of.
pub(super) fn note(verdict: &Verdict, target: &CheckTarget<'_>, at: AppAt<'_>, peer: IpAddr) {
    let (tenant, app) = (at.tenant.id.as_str(), at.app.id.as_str());
    let outcome = match verdict {
        Verdict::Allowed(_) | Verdict::OwnPath(_) => return,
        Verdict::SignInOffered(_) => CheckOutcome::SignInOffered,
        Verdict::SignInRequired { .. } => CheckOutcome::SignInRequired,
        Verdict::Unaccepted(unaccepted) => match unaccepted.fault {
            CredentialFault::Unjudged => CheckOutcome::Unavailable,
            CredentialFault::Malformed | CredentialFault::Invalid | CredentialFault::Unattested => {
                CheckOutcome::Unaccepted
            }
        },
        Verdict::Refused(_) | Verdict::ScopeMissing(_) => CheckOutcome::Refused,
        Verdict::Ambiguous(_) => CheckOutcome::Ambiguous,
        Verdict::UnknownHost => CheckOutcome::UnknownHost,
        Verdict::OverLimit(_) => CheckOutcome::OverLimit,
        Verdict::Unavailable(_) => CheckOutcome::Unavailable,
    };
    check_counter(tenant, app, outcome).increment(1);
    match verdict {
        Verdict::Refused(refusal @ (Refusal::PathUnknown | Refusal::MethodUnknown)) => {
            tracing::warn!(
                target: "audit", event = "check_refused", tenant, app, %peer, reason = %refusal,
                "name the family of target headers in this proxy's entry (`target_headers`), and send it: \
                 `X-Original-URL` and `X-Original-Method`, or `X-Forwarded-Uri` and `X-Forwarded-Method`"
            );
        }
        Verdict::Refused(refusal) => refused(*refusal, target, at, peer),
        Verdict::ScopeMissing(_) => refused(Refusal::Scope, target, at, peer),
        Verdict::Ambiguous(ambiguous) => tracing::warn!(
            target: "audit", event = "check_ambiguous", tenant, app, %peer, reason = %ambiguous,
        ),
        Verdict::Unaccepted(unaccepted) => tracing::info!(
            target: "audit", event = "credential_refused", tenant, app, %peer,
            scheme = unaccepted.scheme.as_str(), reason = %unaccepted.reason,
        ),
        Verdict::Unavailable(error) => tracing::error!(
            tenant, app, %error, "nobody can be let through while the store fails"
        ),
        _ => {}
    }
}

/// A `when` could not be judged: the operator has to mend it, or to find out why something is not there.
pub(super) fn condition_failed(
    at: AppAt<'_>,
    (requirements, target): (&Requirements, Target<'_>),
    subject: Subject<'_>,
) {
    let (tenant, app) = (at.tenant.id.as_str(), at.app.id.as_str());
    count_failed_condition(tenant, app);
    if let Some(failed) = requirements.failed_condition(subject, target) {
        tracing::warn!(
            target: "audit", event = "condition_failed", tenant, app, user = %subject.user,
            place = failed.place, reason = %failed.why,
            "a rule's `when` could not be judged: nobody passes by it"
        );
    }
}

fn refused(refusal: Refusal, target: &CheckTarget<'_>, at: AppAt<'_>, peer: IpAddr) {
    let (tenant, app) = (at.tenant.id.as_str(), at.app.id.as_str());
    tracing::info!(
        target: "audit", event = "check_refused", tenant, app, %peer,
        path = target.path_and_query.map(without_query), reason = %refusal,
    );
}
