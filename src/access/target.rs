//! What a check is about: the request that the proxy holds back.
//!
//! Proxies pass on target headers that the *client* sent, so one source only is read (the endpoint's own
//! family, or the one named in that proxy's entry) and only from a trusted peer. Invariant: a header of
//! another family that says something else, or one that stands twice, refuses the request; nothing is
//! guessed.

use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use crate::config::TargetHeaders;
use crate::domain::host::Host;
use crate::domain::path::{AmbiguousPath, CanonicalPath};

/// The request that the proxy holds back, as far as the proxy told.
#[derive(Clone, Debug, Default)]
pub struct CheckTarget<'a> {
    /// The host, as it was written.
    pub host: &'a str,
    /// `https` or `http`, where the proxy told.
    pub scheme: Option<&'a str>,
    /// Path and query, as they were written.
    pub path_and_query: Option<&'a str>,
    /// The method.
    pub method: Option<Method>,
    /// Whether more or less of the path may have stood in front of it: then it is good for the way back and
    /// for nothing else.
    pub path_is_open: bool,
}

/// How an endpoint that names its target whole is told of it.
#[derive(Clone, Copy, Debug)]
pub enum WholeTarget<'a> {
    /// `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri`.
    XForwarded,
    /// `X-Original-Method`, `X-Original-URL`.
    XOriginal,
    /// The start line of the held-back request.
    StartLine(StartLine<'a>),
}

/// The start line of a request (RFC 9112 §3), as its proxy passed it on.
#[derive(Clone, Copy, Debug)]
pub struct StartLine<'a> {
    /// The method.
    pub method: &'a str,
    /// The scheme, for where `X-Forwarded-Proto` does not tell it.
    pub scheme: Option<&'a str>,
    /// The host, where it does not stand in `Host`.
    pub host: Option<&'a str>,
    /// Path and query.
    pub path_and_query: &'a str,
    /// See [`CheckTarget::path_is_open`].
    pub path_is_open: bool,
}

/// Why a target cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmbiguousTarget {
    /// A header that counts stands twice.
    #[error("`{0}` stands twice")]
    Twice(&'static str),
    /// A header that counts does not read as what it should be.
    #[error("`{0}` does not read as what it should be")]
    Malformed(&'static str),
    /// A header of the other family says something else: the client sent it, or the proxy's entry names the
    /// wrong family.
    #[error("`{0}` contradicts the family of target headers that this proxy sends")]
    Contradiction(&'static str),
    /// The path has no single meaning.
    #[error(transparent)]
    Path(#[from] AmbiguousPath),
    /// The endpoint needs to be told, and was not.
    #[error("`{0}` is missing: the proxy has to send it")]
    Missing(&'static str),
    /// Somebody who is not believed asks an endpoint that is nothing but what it is told.
    #[error("whoever asks is not in `trusted_proxies`: name the proxy's network there")]
    Untrusted,
    /// No session is shown over plain http, and no identity told.
    #[error("the request did not come over https")]
    PlainHttp,
    /// A path of ours, asked about at an endpoint whose answers are not passed on.
    #[error(
        "the path is one of Doorward's own: the proxy has to route it to Doorward, past the check"
    )]
    OwnPath,
}

/// The scheme that a trusted proxy says a request came with, if it says so.
///
/// # Errors
/// [`AmbiguousTarget`].
pub(super) fn forwarded_scheme(
    headers: &HeaderMap,
) -> Result<Option<&'static str>, AmbiguousTarget> {
    let told = Told::by(headers);
    told.forwarded_proto
        .text()?
        .map(|_| told.scheme())
        .transpose()
}

/// The headers that can tell a target. They are found in one pass, because every check wants them all, most
/// of them to see that they are not there.
#[derive(Debug)]
struct Told<'a> {
    host: Header<'a>,
    forwarded_host: Header<'a>,
    forwarded_method: Header<'a>,
    forwarded_proto: Header<'a>,
    forwarded_uri: Header<'a>,
    original_method: Header<'a>,
    original_uri: Header<'a>,
    original_url: Header<'a>,
}

/// One of them.
#[derive(Debug)]
struct Header<'a> {
    name: &'static str,
    value: Option<&'a HeaderValue>,
    twice: bool,
}

impl<'a> CheckTarget<'a> {
    /// Reads the family that this proxy sends. `None`: the peer is not trusted, or no family is named for
    /// it; then `Host` is all that is known, and whatever else stands there is ignored.
    ///
    /// # Errors
    /// [`AmbiguousTarget`].
    pub fn read(
        headers: &'a HeaderMap,
        family: Option<TargetHeaders>,
    ) -> Result<Self, AmbiguousTarget> {
        let told = Told::by(headers);
        let host = told.host.text()?.unwrap_or_default();
        match family {
            None => Ok(Self {
                host,
                ..Self::default()
            }),
            Some(TargetHeaders::XForwarded) => {
                let target = Self {
                    host: told.forwarded_host.text()?.unwrap_or(host),
                    scheme: told.forwarded_proto.text()?,
                    path_and_query: told.forwarded_uri.text()?,
                    method: told.forwarded_method.method()?,
                    path_is_open: false,
                };
                target.agrees_with_original(&told)?;
                Ok(target)
            }
            Some(TargetHeaders::XOriginal) => {
                let target = match told.original_url.text()? {
                    Some(_) => Self::original(&told)?,
                    None => Self {
                        host,
                        path_and_query: told.original_uri.text()?,
                        method: told.original_method.method()?,
                        ..Self::default()
                    },
                };
                // A proxy that sends only one of the two passes on what its client wrote into the other.
                told.original_uri.agrees(target.path_and_query)?;
                if told.original_uri.text()?.is_some() && !same_host(target.host, host) {
                    return Err(told.original_url.contradicts());
                }
                target.agrees_with_forwarded(&told)?;
                Ok(target)
            }
        }
    }

    /// Reads a target that must be whole: scheme, host and path. Only the method may be unknown. The caller has
    /// seen that the peer is trusted.
    ///
    /// # Errors
    /// [`AmbiguousTarget`].
    pub fn read_whole(
        headers: &'a HeaderMap,
        source: WholeTarget<'a>,
    ) -> Result<Self, AmbiguousTarget> {
        let told = Told::by(headers);
        match source {
            WholeTarget::XForwarded => {
                let target = Self {
                    host: told.forwarded_host.required()?,
                    scheme: Some(told.scheme()?),
                    path_and_query: Some(told.forwarded_uri.required()?),
                    method: told.forwarded_method.method()?,
                    path_is_open: false,
                };
                target.agrees_with_original(&told)?;
                Ok(target)
            }
            WholeTarget::XOriginal => {
                told.original_url.required()?;
                let target = Self::original(&told)?;
                told.original_uri.agrees(target.path_and_query)?;
                target.agrees_with_forwarded(&told)?;
                Ok(target)
            }
            WholeTarget::StartLine(line) => {
                let target = Self::started(&told, line)?;
                target.agrees_with_original(&told)?;
                target.agrees_with_forwarded(&told)?;
                Ok(target)
            }
        }
    }

    /// What `X-Original-URL` and `X-Original-Method` say.
    fn original(told: &Told<'a>) -> Result<Self, AmbiguousTarget> {
        let url = told.original_url.required()?;
        let (scheme, host, path_and_query) =
            split(url).ok_or_else(|| told.original_url.malformed())?;
        Ok(Self {
            host,
            scheme: Some(scheme),
            path_and_query: Some(path_and_query),
            method: told.original_method.method()?,
            path_is_open: false,
        })
    }

    fn started(told: &Told<'a>, line: StartLine<'a>) -> Result<Self, AmbiguousTarget> {
        let host = match (line.host, told.host.text()?) {
            (Some(line), Some(header)) if !same_host(line, header) => {
                return Err(told.host.contradicts());
            }
            (Some(host), _) | (None, Some(host)) => host,
            (None, None) => return Err(AmbiguousTarget::Missing(told.host.name)),
        };
        let scheme = match line.scheme {
            Some(scheme) if told.forwarded_proto.text()?.is_none() => {
                web_scheme(scheme).ok_or(AmbiguousTarget::Malformed("the scheme"))?
            }
            _ => told.scheme()?,
        };
        Ok(Self {
            host,
            scheme: Some(scheme),
            path_and_query: Some(line.path_and_query),
            method: Some(method(line.method).ok_or(AmbiguousTarget::Malformed("the method"))?),
            path_is_open: line.path_is_open,
        })
    }

    /// The path that rules are about.
    ///
    /// # Errors
    /// [`AmbiguousTarget::Path`].
    pub fn path(&self) -> Result<Option<CanonicalPath>, AmbiguousTarget> {
        let told = self.path_and_query.filter(|_| !self.path_is_open);
        Ok(told.map(CanonicalPath::parse).transpose()?)
    }

    fn agrees_with_forwarded(&self, told: &Told<'_>) -> Result<(), AmbiguousTarget> {
        told.forwarded_uri.agrees(self.path_and_query)?;
        told.forwarded_method
            .agrees(self.method.as_ref().map(Method::as_str))?;
        match told.forwarded_host.text()? {
            Some(other) if !same_host(other, self.host) => Err(told.forwarded_host.contradicts()),
            _ => Ok(()),
        }
    }

    fn agrees_with_original(&self, told: &Told<'_>) -> Result<(), AmbiguousTarget> {
        told.original_uri.agrees(self.path_and_query)?;
        told.original_method
            .agrees(self.method.as_ref().map(Method::as_str))?;
        let Some(url) = told.original_url.text()? else {
            return Ok(());
        };
        let same = split(url).is_some_and(|(_, host, path_and_query)| {
            same_host(host, self.host) && Some(path_and_query) == self.path_and_query
        });
        if same {
            Ok(())
        } else {
            Err(told.original_url.contradicts())
        }
    }
}

impl<'a> Told<'a> {
    /// The scheme that `X-Forwarded-Proto` names; a WebSocket's counts as what it was upgraded from.
    fn scheme(&self) -> Result<&'static str, AmbiguousTarget> {
        web_scheme(self.forwarded_proto.required()?).ok_or_else(|| self.forwarded_proto.malformed())
    }

    fn by(headers: &'a HeaderMap) -> Self {
        let mut told = Self {
            host: Header::none("host"),
            forwarded_host: Header::none("x-forwarded-host"),
            forwarded_method: Header::none("x-forwarded-method"),
            forwarded_proto: Header::none("x-forwarded-proto"),
            forwarded_uri: Header::none("x-forwarded-uri"),
            original_method: Header::none("x-original-method"),
            original_uri: Header::none("x-original-uri"),
            original_url: Header::none("x-original-url"),
        };
        for (name, value) in headers {
            let header = match name.as_str() {
                "host" => &mut told.host,
                "x-forwarded-host" => &mut told.forwarded_host,
                "x-forwarded-method" => &mut told.forwarded_method,
                "x-forwarded-proto" => &mut told.forwarded_proto,
                "x-forwarded-uri" => &mut told.forwarded_uri,
                "x-original-method" => &mut told.original_method,
                "x-original-uri" => &mut told.original_uri,
                "x-original-url" => &mut told.original_url,
                _ => continue,
            };
            header.twice |= header.value.replace(value).is_some();
        }
        told
    }
}

impl<'a> Header<'a> {
    const fn none(name: &'static str) -> Self {
        Self {
            name,
            value: None,
            twice: false,
        }
    }

    fn text(&self) -> Result<Option<&'a str>, AmbiguousTarget> {
        if self.twice {
            return Err(AmbiguousTarget::Twice(self.name));
        }
        // Proxies that overwrite a header with nothing may send it empty.
        match self.value.map(HeaderValue::to_str) {
            None | Some(Ok("")) => Ok(None),
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(_)) => Err(self.malformed()),
        }
    }

    fn required(&self) -> Result<&'a str, AmbiguousTarget> {
        self.text()?.ok_or(AmbiguousTarget::Missing(self.name))
    }

    fn method(&self) -> Result<Option<Method>, AmbiguousTarget> {
        self.text()?
            .map(|text| method(text).ok_or_else(|| self.malformed()))
            .transpose()
    }

    fn agrees(&self, expected: Option<&str>) -> Result<(), AmbiguousTarget> {
        match self.text()? {
            Some(found) if Some(found) != expected => Err(self.contradicts()),
            _ => Ok(()),
        }
    }

    const fn malformed(&self) -> AmbiguousTarget {
        AmbiguousTarget::Malformed(self.name)
    }

    const fn contradicts(&self) -> AmbiguousTarget {
        AmbiguousTarget::Contradiction(self.name)
    }
}

/// Methods are case-sensitive (RFC 9110 §9.1): `get` is none that anybody has rules about.
fn method(text: &str) -> Option<Method> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    Method::from_bytes(text.as_bytes()).ok().filter(|_| plain)
}

fn web_scheme(text: &str) -> Option<&'static str> {
    match text {
        "https" | "wss" => Some("https"),
        "http" | "ws" => Some("http"),
        _ => None,
    }
}

fn same_host(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
        || matches!(
            (Host::parse(left, 443), Host::parse(right, 443)),
            (Ok(left), Ok(right)) if left == right
        )
}

/// Scheme, authority, path and query of an absolute address, each as it was written: a parser would put a
/// path right that is to be judged as it is. What it says is checked against a parser all the same.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = match url.strip_prefix("https://") {
        Some(rest) => ("https", rest),
        None => ("http", url.strip_prefix("http://")?),
    };
    let end = rest
        .bytes()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\'))
        .unwrap_or(rest.len());
    let (authority, path_and_query) = rest.split_at_checked(end)?;
    if authority.is_empty() {
        return None;
    }
    // With nothing in it but these there is nothing that a parser could see otherwise.
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':');
    if !authority.bytes().all(plain) {
        let default_port = if scheme == "https" { 443 } else { 80 };
        let parsed = Host::of(&Url::parse(url).ok()?)?;
        if parsed != Host::parse(authority, default_port).ok()? {
            return None;
        }
    }
    let path_and_query = if path_and_query.is_empty() {
        "/"
    } else {
        path_and_query
    };
    Some((scheme, authority, path_and_query))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a01_an_untrusted_peer_tells_its_host_only() {
        let headers = headers(&[
            ("host", "wiki.example.com"),
            ("x-forwarded-host", "other.example.com"),
            ("x-forwarded-uri", "/public"),
            ("x-original-url", "https://wiki.example.com/public"),
            ("x-original-method", "GET"),
        ]);
        let target = CheckTarget::read(&headers, None).expect("a target");
        assert_eq!(target.host, "wiki.example.com");
        assert_eq!((target.path_and_query, target.method), (None, None));
    }

    #[rstest]
    #[case::url(TargetHeaders::XOriginal, &[("x-original-url", "https://wiki.example.com/a?b"), ("x-original-method", "POST")], "wiki.example.com", Some("/a?b"))]
    #[case::url_without_path(TargetHeaders::XOriginal, &[("x-original-url", "https://wiki.example.com")], "wiki.example.com", Some("/"))]
    #[case::url_with_port(TargetHeaders::XOriginal, &[("x-original-url", "http://wiki.localhost:8080/a")], "wiki.localhost:8080", Some("/a"))]
    #[case::uri(TargetHeaders::XOriginal, &[("x-original-uri", "/a")], "host.example.com", Some("/a"))]
    #[case::forwarded(TargetHeaders::XForwarded, &[("x-forwarded-host", "wiki.example.com"), ("x-forwarded-uri", "/a")], "wiki.example.com", Some("/a"))]
    #[case::forwarded_without_host(TargetHeaders::XForwarded, &[("x-forwarded-uri", "/a")], "host.example.com", Some("/a"))]
    #[case::agreeing(TargetHeaders::XForwarded, &[("x-forwarded-host", "w.example"), ("x-forwarded-uri", "/a"), ("x-original-url", "https://w.example/a")], "w.example", Some("/a"))]
    #[case::nothing(TargetHeaders::XForwarded, &[], "host.example.com", None)]
    fn the_named_family_is_read(
        #[case] family: TargetHeaders,
        #[case] pairs: &[(&'static str, &'static str)],
        #[case] host: &str,
        #[case] path: Option<&str>,
    ) {
        let mut headers = headers(pairs);
        headers.append("host", HeaderValue::from_static("host.example.com"));
        let target = CheckTarget::read(&headers, Some(family)).expect("a target");
        assert_eq!((target.host, target.path_and_query), (host, path));
    }

    #[rstest]
    #[case::forged_uri(TargetHeaders::XOriginal, &[("x-original-url", "https://w.example/admin"), ("x-forwarded-uri", "/public")])]
    #[case::forged_host(TargetHeaders::XOriginal, &[("x-original-url", "https://w.example/"), ("x-forwarded-host", "open.example")])]
    #[case::forged_method(TargetHeaders::XOriginal, &[("x-original-url", "https://w.example/"), ("x-original-method", "POST"), ("x-forwarded-method", "GET")])]
    #[case::forged_url(TargetHeaders::XForwarded, &[("x-forwarded-uri", "/admin"), ("x-original-url", "https://w.example/public")])]
    #[case::forged_original_uri(TargetHeaders::XForwarded, &[("x-forwarded-uri", "/admin"), ("x-original-uri", "/public")])]
    #[case::only_the_other_family(TargetHeaders::XForwarded, &[("x-original-uri", "/public")])]
    #[case::forged_url_beside_a_uri(TargetHeaders::XOriginal, &[("x-original-uri", "/admin"), ("x-original-url", "https://open.example/admin")])]
    #[case::twice(TargetHeaders::XForwarded, &[("x-forwarded-uri", "/admin"), ("x-forwarded-uri", "/public")])]
    #[case::url_twice(TargetHeaders::XOriginal, &[("x-original-url", "https://w.example/admin"), ("x-original-url", "https://w.example/public")])]
    #[case::url_before_uri(TargetHeaders::XOriginal, &[("x-original-url", "https://w.example/public"), ("x-original-uri", "/admin")])]
    #[case::no_url(TargetHeaders::XOriginal, &[("x-original-url", "/admin")])]
    #[case::user_information(TargetHeaders::XOriginal, &[("x-original-url", "https://open.example@w.example/")])]
    #[case::scheme(TargetHeaders::XOriginal, &[("x-original-url", "ftp://w.example/")])]
    #[case::method_in_lower_case(TargetHeaders::XOriginal, &[("x-original-method", "get")])]
    #[case::method_with_space(TargetHeaders::XOriginal, &[("x-original-method", "GET /x")])]
    fn t28_a_forged_or_ambiguous_target_is_refused(
        #[case] family: TargetHeaders,
        #[case] pairs: &[(&'static str, &'static str)],
    ) {
        let mut headers = headers(pairs);
        headers.append("host", HeaderValue::from_static("w.example"));
        assert!(CheckTarget::read(&headers, Some(family)).is_err());
    }
}
