//! Cookies as Chromium keeps them (RFC 6265bis, with the prefixes, and `Secure` on plain http to
//! loopback).

use std::sync::Arc;

use cookie::{Cookie, SameSite};
use doorward::ports::{Clock as _, ManualClock};
use time::OffsetDateTime;
use url::Url;

/// Name and value together (RFC 6265bis §5.6).
const MAX_PAIR: usize = 4096;
/// Per host; the one that was set first goes first.
const MAX_PER_HOST: usize = 180;

/// One cookie as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) value: String,
    /// The host that set it, or the domain that it named.
    pub(crate) domain: String,
    pub(crate) host_only: bool,
    pub(crate) path: String,
    pub(crate) secure: bool,
    pub(crate) http_only: bool,
    /// Absent is treated as `Lax`.
    pub(crate) same_site: Option<SameSite>,
    pub(crate) expires: Option<OffsetDateTime>,
}

/// Why a cookie was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejected {
    pub(crate) line: String,
    pub(crate) why: &'static str,
}

/// From where and to what end a request is made, as far as `SameSite` cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crossing {
    /// The page that makes it is of another site.
    pub(crate) cross_site: bool,
    /// It is a top-level navigation with a safe method.
    pub(crate) lax_allowed: bool,
}

/// The cookies of one browser, shared by its tabs.
#[derive(Debug)]
pub(crate) struct Jar {
    clock: Arc<ManualClock>,
    kept: Vec<Kept>,
    /// What the browser would only tell in its console.
    pub(crate) rejected: Vec<Rejected>,
}

impl Jar {
    pub(crate) const fn new(clock: Arc<ManualClock>) -> Self {
        Self {
            clock,
            kept: Vec::new(),
            rejected: Vec::new(),
        }
    }

    /// Keeps, replaces or deletes what one `Set-Cookie` line says.
    pub(crate) fn store(&mut self, line: &str, url: &Url) {
        match self.judge(line, url) {
            Ok(kept) => self.put(kept),
            Err(why) => self.rejected.push(Rejected {
                line: line.to_owned(),
                why,
            }),
        }
    }

    fn judge(&self, line: &str, url: &Url) -> Result<Kept, &'static str> {
        if line
            .bytes()
            .any(|byte| byte.is_ascii_control() && byte != b'\t')
        {
            return Err("control character");
        }
        let cookie = Cookie::parse(line).map_err(|_| "no name and value")?;
        let (name, value) = (cookie.name().to_owned(), cookie.value().to_owned());
        if name.len() + value.len() > MAX_PAIR {
            return Err("larger than 4096 bytes");
        }
        let host = host_of(url);
        let secure = cookie.secure() == Some(true);
        if secure && !is_trustworthy(url) {
            return Err("Secure from an insecure origin");
        }
        if cookie.same_site() == Some(SameSite::None) && !secure {
            return Err("SameSite=None without Secure");
        }
        // A leading dot is ignored, an empty domain is none.
        let domain = cookie
            .domain()
            .map(|domain| domain.trim_start_matches('.').to_ascii_lowercase())
            .filter(|domain| !domain.is_empty());
        let (domain, host_only) = match domain {
            None => (host.clone(), true),
            // A public suffix may only name itself.
            Some(domain) if domain == host && is_public_suffix(&domain) => (domain, true),
            Some(domain) if is_public_suffix(&domain) => return Err("Domain is a public suffix"),
            Some(domain) if !domain_matches(&host, &domain) => {
                return Err("Domain of another host");
            }
            Some(domain) => (domain, false),
        };
        let path = match cookie.path() {
            Some(path) if path.starts_with('/') => path.to_owned(),
            _ => default_path(url),
        };
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("__secure-") && !secure {
            return Err("__Secure- without Secure");
        }
        if lower.starts_with("__host-") {
            let plain_path = cookie.path() == Some("/");
            if !secure || !host_only || cookie.domain().is_some() || !plain_path {
                return Err("__Host- needs Secure, Path=/ and no Domain");
            }
        }
        let kept = Kept {
            expires: expiry(&cookie, self.clock.now()),
            name,
            value,
            domain,
            host_only,
            path,
            secure,
            http_only: cookie.http_only() == Some(true),
            same_site: cookie.same_site(),
        };
        let hides_secure = |other: &Kept| {
            other.secure
                && other.name == kept.name
                && (domain_matches(&other.domain, &kept.domain)
                    || domain_matches(&kept.domain, &other.domain))
                && path_matches(&kept.path, &other.path)
        };
        if !kept.secure && !is_trustworthy(url) && self.kept.iter().any(hides_secure) {
            return Err("would hide a Secure cookie");
        }
        Ok(kept)
    }

    fn put(&mut self, cookie: Kept) {
        let now = self.clock.now();
        let gone = cookie.expires.is_some_and(|expires| expires <= now);
        let same = |other: &Kept| {
            other.name == cookie.name
                && other.domain == cookie.domain
                && other.host_only == cookie.host_only
                && other.path == cookie.path
        };
        match self.kept.iter().position(same) {
            Some(place) if gone => drop(self.kept.remove(place)),
            // Its age, and so its place in the header, stays.
            Some(place) => self.kept[place] = cookie,
            None if gone => {}
            None => {
                let domain = cookie.domain.clone();
                self.kept.push(cookie);
                let of_host = |other: &Kept| other.domain == domain;
                if self.kept.iter().filter(|other| of_host(other)).count() > MAX_PER_HOST {
                    let oldest = self.kept.iter().position(of_host).expect("there are many");
                    self.kept.remove(oldest);
                }
            }
        }
    }

    /// The `Cookie` header of a request: longer paths first, then older cookies.
    pub(crate) fn header(&mut self, url: &Url, crossing: Crossing) -> Option<String> {
        let mut cookies = self.cookies(url);
        cookies.retain(|cookie| {
            !crossing.cross_site
                || match cookie.same_site {
                    Some(SameSite::None) => true,
                    Some(SameSite::Strict) => false,
                    Some(SameSite::Lax) | None => crossing.lax_allowed,
                }
        });
        let pairs: Vec<String> = cookies
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// All that go to an address, in the order in which they are sent.
    pub(crate) fn cookies(&mut self, url: &Url) -> Vec<Kept> {
        let now = self.clock.now();
        let alive = |cookie: &Kept| cookie.expires.is_none_or(|expires| expires > now);
        self.kept.retain(alive);
        let host = host_of(url);
        let mut cookies: Vec<Kept> = self
            .kept
            .iter()
            .filter(|cookie| {
                let host_matches = if cookie.host_only {
                    cookie.domain == host
                } else {
                    domain_matches(&host, &cookie.domain)
                };
                host_matches
                    && path_matches(url.path(), &cookie.path)
                    && (!cookie.secure || is_trustworthy(url))
            })
            .cloned()
            .collect();
        cookies.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        cookies
    }

    /// Everything there is, for tests that look at what is left over.
    pub(crate) fn all(&self) -> &[Kept] {
        &self.kept
    }

    /// As if the person cleared it.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }

    /// Takes away every cookie of this name.
    pub(crate) fn remove(&mut self, name: &str) {
        self.kept.retain(|cookie| cookie.name != name);
    }
}

/// `Max-Age` wins over `Expires` (RFC 6265bis §5.7).
fn expiry(cookie: &Cookie<'_>, now: OffsetDateTime) -> Option<OffsetDateTime> {
    cookie
        .max_age()
        .map(|age| now.saturating_add(age))
        .or_else(|| cookie.expires_datetime())
}

pub(crate) fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_ascii_lowercase()
}

/// Potentially trustworthy (W3C Secure Contexts §3.1): TLS, or loopback by name or number.
pub(crate) fn is_trustworthy(url: &Url) -> bool {
    let host = host_of(url);
    url.scheme() == "https"
        || host == "localhost"
        || host.ends_with(".localhost")
        || host == "[::1]"
        || is_ipv4(&host) && host.starts_with("127.")
}

/// What a person would call one site: scheme, and the registrable domain. Numbers and `localhost` names
/// have none: `acme.localhost` is a site of its own, as Chromium sees it.
pub(crate) fn site_of(url: &Url) -> String {
    let host = host_of(url);
    let site = if is_ipv4(&host) || host.starts_with('[') {
        host
    } else {
        let labels: Vec<&str> = host.rsplit('.').take(2).collect();
        labels.into_iter().rev().collect::<Vec<_>>().join(".")
    };
    format!("{}://{site}", url.scheme())
}

/// Good enough for hosts in tests: names of one label, and two that people host apps under.
fn is_public_suffix(domain: &str) -> bool {
    !domain.contains('.') || matches!(domain, "co.uk" | "github.io")
}

fn is_ipv4(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok()
}

/// RFC 6265bis §5.1.3.
fn domain_matches(host: &str, domain: &str) -> bool {
    host == domain
        || !is_ipv4(host)
            && host
                .strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
}

/// RFC 6265bis §5.1.4.
fn path_matches(path: &str, of_cookie: &str) -> bool {
    path.strip_prefix(of_cookie)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || of_cookie.ends_with('/'))
}

fn default_path(url: &Url) -> String {
    match url.path().rfind('/') {
        None | Some(0) => "/".into(),
        Some(end) => url.path()[..end].into(),
    }
}
