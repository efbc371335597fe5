//! Where an app is, for those who let us forward to it, and which headers may go there.
//!
//! Invariant: what tells an app who is asking, from where, and for what, comes from us alone. A header of the
//! client that could be taken for one of these is left out, in whatever spelling: what reads headers by way
//! of the environment (CGI, WSGI, PHP) cannot tell `X_Forwarded_For` from `X-Forwarded-For`. Deliberately
//! absent: sending, and the values of what is put in their place.

use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::identity_header::IdentityHeader;

/// Where an app is.
#[derive(Clone, Debug)]
pub struct AppUpstream {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host and port.
    pub authority: Authority,
    /// Which `Host` the app is told.
    pub host: UpstreamHost,
    /// Certificate authorities to trust beside the usual ones, DER.
    pub authorities: Authorities,
    /// Until a connection stands: name, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the end of the request to the head of the answer.
    pub response_timeout: Duration,
    /// How long a body or a WebSocket may be silent.
    pub idle_timeout: Duration,
}

/// Certificates, DER.
pub type Authorities = Arc<[Box<[u8]>]>;

/// Which `Host` an app is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamHost {
    /// The one that the browser asked for.
    #[default]
    Original,
    /// The app's own, from its address.
    Upstream,
}

/// Headers between two neighbours (RFC 9110 §7.6.1), with the older ones that RFC 2616 §13.5.1 had, and
/// `Expect`, which has been answered here.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Names under which proxies tell apps who is asking, from where, for what. `proxy` becomes `HTTP_PROXY` in
/// the environment of a CGI program.
const PROXYS_WORD: [&str; 32] = [
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "front-end-https",
    "path-info",
    "path-translated",
    "proxy",
    "remote-addr",
    "remote-email",
    "remote-groups",
    "remote-name",
    "remote-user",
    "request-method",
    "request-uri",
    "script-name",
    "true-client-ip",
    "x-azure-clientip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-real-ip",
    "x-real-port",
    "x-rewrite-url",
    "x-scheme",
    "x-script-name",
    "x-url-scheme",
];

/// Beginnings of such names.
const PROXYS_WORDS: [&str; 6] = [
    "x-auth-request-",
    "x-forwarded-",
    "x-original-",
    "x-pomerium-",
    "x-remote-",
    "x-webauth-",
];

/// A byte of a name as those read it that keep letters and digits only.
const fn folded_byte(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() {
        byte
    } else {
        b'-'
    }
}

fn folded(name: &HeaderName) -> String {
    let bytes = name.as_str().bytes();
    bytes.map(|byte| char::from(folded_byte(byte))).collect()
}

/// Whether those take one name for the other, both in lower case.
#[must_use]
pub fn reads_as(one: &str, other: &str) -> bool {
    let mut pairs = one.bytes().zip(other.bytes());
    one.len() == other.len() && pairs.all(|(a, b)| folded_byte(a) == folded_byte(b))
}

fn is_proxys_word(folded: &str) -> bool {
    PROXYS_WORD.contains(&folded) || PROXYS_WORDS.iter().any(|word| folded.starts_with(word))
}

/// Takes out of a client's headers what an app must hear from us or not at all, and what is between the client
/// and us.
pub fn leave_out(headers: &mut HeaderMap, identity: &[IdentityHeader]) {
    remove_hop_by_hop(headers);
    let told: Vec<String> = identity.iter().map(|it| folded(&it.name)).collect();
    let forged = |name: &HeaderName| {
        let folded = folded(name);
        // Another spelling of what frames the request is no header of an honest client.
        let framing = folded == "content-length" || HOP_BY_HOP.contains(&&*folded);
        is_proxys_word(&folded) || told.contains(&folded) || (framing && folded != name.as_str())
    };
    let forged: Vec<HeaderName> = headers
        .keys()
        .filter(|name| forged(name))
        .cloned()
        .collect();
    for name in forged {
        headers.remove(name);
    }
}

/// Takes out what is between two neighbours, and what `Connection` names besides (RFC 9110 §7.6.1).
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = connection_options(headers)
        .filter_map(|option| option.parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|option| !option.is_empty())
}

/// Whether this asks for, or agrees to, a WebSocket (RFC 6455 §4.1). No other protocol is switched to: behind
/// `h2c` requests would pass that nobody has judged.
#[must_use]
pub fn switches_to_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    let websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    protocols.next().is_some_and(websocket)
        && protocols.next().is_none()
        && connection_options(headers).any(|option| option.eq_ignore_ascii_case("upgrade"))
}

/// [`switches_to_websocket`] for a request.
#[must_use]
pub fn asks_for_websocket(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::GET && switches_to_websocket(headers)
}

/// Why the framing of a request is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request's `Transfer-Encoding` is not `chunked` alone")]
pub struct UnknownFraming;

/// Refuses a body in more than one coding: taken off here, the others would go on unnamed (RFC 9112 §6.1).
///
/// # Errors
/// [`UnknownFraming`].
pub fn check_framing(headers: &HeaderMap) -> Result<(), UnknownFraming> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(UnknownFraming),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity_header::IdentitySource;
    use rstest::rstest;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn identity(names: &[&'static str]) -> Vec<IdentityHeader> {
        let header = |name: &&'static str| {
            IdentityHeader::new(HeaderName::from_static(name), IdentitySource::User)
        };
        names.iter().map(header).collect()
    }

    #[rstest]
    #[case::default_name("x-auth-request-user")]
    #[case::underscores("x_auth_request_user")]
    #[case::half_underscores("x-auth_request-user")]
    #[case::dots("x.auth.request.user")]
    #[case::configured("grafana-user")]
    #[case::configured_with_underscores("grafana_user")]
    #[case::another_gateways("remote-user")]
    #[case::another_gateways_alias("remote_user")]
    #[case::oauth2_proxys("x-forwarded-email")]
    #[case::oauth2_proxys_groups("x_forwarded_groups")]
    #[case::grafanas("x-webauth-user")]
    #[case::pomeriums("x-pomerium-jwt-assertion")]
    #[case::address("x-forwarded-for")]
    #[case::address_alias("x_forwarded_for")]
    #[case::real_address("x-real-ip")]
    #[case::standard("forwarded")]
    #[case::host("x-forwarded-host")]
    #[case::prefix("x-forwarded-prefix")]
    #[case::path("x-original-url")]
    #[case::path_as_iis("x-rewrite-url")]
    #[case::method("x-http-method-override")]
    #[case::httpoxy("proxy")]
    #[case::length_alias("content_length")]
    #[case::path_of_the_app("script_name")]
    #[case::path_of_the_app_with_dashes("script-name")]
    #[case::path_info("path_info")]
    #[case::path_of_the_app_by_another_name("x-script-name")]
    #[case::scheme("x-scheme")]
    #[case::framing_alias("transfer_encoding")]
    fn a04_no_spelling_of_a_header_of_ours_survives(#[case] name: &'static str) {
        let mut sent = headers(&[(name, "forged"), (name, "twice"), ("accept", "*/*")]);
        leave_out(&mut sent, &identity(&["grafana-user"]));
        assert_eq!(sent, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn what_is_the_clients_own_goes_on() {
        let pairs = [
            ("host", "wiki.example.com"),
            ("cookie", "a=b"),
            ("authorization", "Bearer x"),
            ("content-length", "3"),
            ("x-api-key", "k"),
            ("my_header", "v"),
            ("x-request-id", "r"),
            ("origin", "https://wiki.example.com"),
        ];
        let mut sent = headers(&pairs);
        leave_out(&mut sent, &identity(&["x-auth-request-user"]));
        assert_eq!(sent, headers(&pairs));
    }

    #[test]
    fn what_is_between_neighbours_stays_there() {
        let mut sent = headers(&[
            ("connection", "close, X-Secret ,"),
            ("connection", "x-other"),
            ("x-secret", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("trailer", "x-t"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
        ]);
        remove_hop_by_hop(&mut sent);
        assert_eq!(sent, headers(&[("accept", "*/*")]));
    }

    #[rstest]
    #[case::asked("GET", &[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")], true)]
    #[case::h2c("GET", &[("connection", "upgrade"), ("upgrade", "h2c")], false)]
    #[case::both("GET", &[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")], false)]
    #[case::both_in_one("GET", &[("connection", "upgrade"), ("upgrade", "h2c, websocket")], false)]
    #[case::not_in_connection("GET", &[("upgrade", "websocket")], false)]
    #[case::posted("POST", &[("connection", "upgrade"), ("upgrade", "websocket")], false)]
    fn a_websocket_is_all_that_is_switched_to(
        #[case] method: &'static str,
        #[case] pairs: &[(&'static str, &'static str)],
        #[case] expected: bool,
    ) {
        let method = method.parse().expect("a method");
        assert_eq!(asks_for_websocket(&method, &headers(pairs)), expected);
    }

    #[rstest]
    #[case::none(&[], true)]
    #[case::chunked(&[("transfer-encoding", "Chunked")], true)]
    #[case::compressed(&[("transfer-encoding", "gzip, chunked")], false)]
    #[case::twice_in_one(&[("transfer-encoding", "chunked, chunked")], false)]
    #[case::twice(&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false)]
    #[case::hidden(&[("transfer-encoding", "x"), ("transfer-encoding", "chunked")], false)]
    fn one_coding_or_none(#[case] pairs: &[(&'static str, &'static str)], #[case] right: bool) {
        assert_eq!(check_framing(&headers(pairs)).is_ok(), right);
    }
}
