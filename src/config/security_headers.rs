//! `security_headers` of an app: what browsers are told about its pages.
//!
//! `true` is the set that our own pages have, where that breaks no app; a table changes it header by header.
//! A policy that only reports and has nowhere to report to protects nobody and tells nobody: it is refused.

use http::{HeaderName, HeaderValue, header};

use super::diagnostics::suggestion;
use super::reader::Item;
use super::table::Shape;
use crate::domain::tenant::SecurityHeaders;

const REPORT_ONLY: HeaderName = header::CONTENT_SECURITY_POLICY_REPORT_ONLY;
const REPORTING_ENDPOINTS: HeaderName = HeaderName::from_static("reporting-endpoints");

const LONGEST: usize = 8 * 1024;

/// The value of one of them.
pub(super) static VALUE: Shape = Shape::Line(LONGEST);

/// Every header there is, with its value where it is on by default.
static KNOWN: [(HeaderName, Option<&str>); 11] = [
    (header::STRICT_TRANSPORT_SECURITY, Some("max-age=63072000")),
    (header::X_CONTENT_TYPE_OPTIONS, Some("nosniff")),
    (header::REFERRER_POLICY, Some("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        Some("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        Some("same-origin"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        Some("frame-ancestors 'self'"),
    ),
    // For browsers that do not know `frame-ancestors`.
    (header::X_FRAME_OPTIONS, Some("SAMEORIGIN")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        None,
    ),
    (
        HeaderName::from_static("cross-origin-embedder-policy"),
        None,
    ),
    (REPORT_ONLY, None),
    (REPORTING_ENDPOINTS, None),
];

/// Gives the headers, in the order of the list; none where they are off.
pub(super) fn read(item: &Item<'_>) -> Option<SecurityHeaders> {
    if !item.is_table() {
        let on = item.flag()?;
        return Some(if on {
            collect(&[])
        } else {
            SecurityHeaders::default()
        });
    }
    let section = item.free_section("`security_headers`")?;
    let mut changes: Vec<(HeaderName, Option<HeaderValue>)> = Vec::new();
    let mut right = true;
    for entry in section.entries() {
        match change(&entry) {
            Some((name, _)) if changes.iter().any(|(other, _)| *other == name) => {
                entry.fault_at_key(
                    format!("the header {name} is there already"),
                    "case makes no difference in names of headers",
                );
                right = false;
            }
            Some(change) => changes.push(change),
            None => right = false,
        }
    }
    if !right {
        return None;
    }
    let headers = collect(&changes);
    if let Some(entry) = reports_to_nobody(&headers, &section.entries()) {
        entry.fault_with_help(
            "this policy only reports, and has nowhere to report to",
            "add `report-uri https://…` to it, or `report-to name` with that name in Reporting-Endpoints",
        );
        return None;
    }
    Some(headers)
}

fn change(entry: &Item<'_>) -> Option<(HeaderName, Option<HeaderValue>)> {
    let name = entry.name.parse::<HeaderName>().ok();
    let known = KNOWN.iter().find(|(known, _)| name.as_ref() == Some(known));
    let Some((name, default)) = known else {
        let names = KNOWN.iter().map(|(known, _)| known.as_str());
        entry.fault_at_key(
            format!("{} is not one of the security headers", entry.quoted_name()),
            suggestion(&entry.name.to_ascii_lowercase(), names),
        );
        return None;
    };
    if entry.as_text().is_none() {
        let on = entry.flag()?;
        let value = default.filter(|_| on).map(HeaderValue::from_static);
        if on && value.is_none() {
            entry.fault_with_help(
                format!("{name} has no value of its own to be switched on"),
                "write the value in quotes",
            );
            return None;
        }
        return Some((name.clone(), value));
    }
    let text = entry.line(LONGEST)?;
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let Some(value) = HeaderValue::from_str(&text).ok().filter(|_| plain) else {
        entry.fault_with_help(
            format!("the value of {name} has characters that no header can carry"),
            "use printable ASCII; encode what is not",
        );
        return None;
    };
    Some((name.clone(), Some(value)))
}

fn collect(changes: &[(HeaderName, Option<HeaderValue>)]) -> SecurityHeaders {
    KNOWN
        .iter()
        .filter_map(|(name, default)| {
            let value = match changes.iter().find(|(other, _)| other == name) {
                Some((_, value)) => value.clone(),
                None => default.map(HeaderValue::from_static),
            };
            Some((name.clone(), value?))
        })
        .collect()
}

/// The policy that reports to nobody, if there is one (CSP Level 3 §6.5).
fn reports_to_nobody<'e, 'a>(
    headers: &SecurityHeaders,
    entries: &'e [Item<'a>],
) -> Option<&'e Item<'a>> {
    let value = |name: &HeaderName| {
        let found = headers.iter().find(|(other, _)| other == name);
        found.and_then(|(_, value)| value.to_str().ok())
    };
    let policy = value(&REPORT_ONLY)?;
    let endpoints = value(&REPORTING_ENDPOINTS).unwrap_or_default();
    let reports = policy.split(';').any(|directive| {
        let mut words = directive.split_ascii_whitespace();
        let directive = words.next().unwrap_or_default();
        if directive.eq_ignore_ascii_case("report-uri") {
            words.clone().any(is_address) && words.all(is_address)
        } else if directive.eq_ignore_ascii_case("report-to") {
            words
                .next()
                .is_some_and(|name| names_endpoint(endpoints, name))
        } else {
            false
        }
    });
    let report_only = |entry: &&Item<'_>| entry.name.eq_ignore_ascii_case(REPORT_ONLY.as_str());
    if reports {
        return None;
    }
    entries.iter().find(report_only)
}

/// An https address, or a path on the app's own host.
fn is_address(word: &str) -> bool {
    let path = word.starts_with('/') && !word.starts_with("//");
    path || url::Url::parse(word).is_ok_and(|url| url.scheme() == "https")
}

/// Whether `name="https://…"` is one of the members (Reporting API §3.2).
fn names_endpoint(endpoints: &str, name: &str) -> bool {
    endpoints.split(',').any(|member| {
        member.trim().split_once('=').is_some_and(|(key, address)| {
            let address = address.trim().trim_matches('"');
            key.trim() == name && is_address(address)
        })
    })
}
