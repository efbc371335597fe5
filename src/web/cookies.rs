//! Our cookies: names, attributes, and how requests are read.
//!
//! Names by kind, disjoint, with the `__Host-` prefix (RFC 6265bis §4.1.3.2): `Secure`, `HttpOnly`,
//! `SameSite=Lax`, `Path=/`, no domain; but for the one that several hosts share, where a tenant wants it: that
//! has a domain and `__Secure-`. Browsers accept that on plain http for loopback hosts. Invariant: a
//! name that a request brings twice counts as absent, for one of the two was planted.

use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, header};
use time::{Duration, OffsetDateTime};

use crate::domain::handle::{Digest, Handle, Kind, ParentSessionKind};
use crate::domain::host::Host;
use crate::domain::ids::{ProviderId, TenantId};
use crate::domain::tenant::Tenant;

/// The cookie of a session at one app host.
pub(crate) const APP_SESSION: &str = "__Host-dwa";
/// What all our cookies begin with,
const OURS: &str = "__Host-dw";
/// or, where several hosts share one, with this.
const PARENT: &str = "__Secure-dwd-";
/// What a login attempt's cookie begins with.
const ATTEMPT: &str = "__Host-dwl-";
/// What a ticket binding's cookie begins with.
const BINDING: &str = "__Host-dwt-";
/// Most cookies of one kind in one browser: twenty tabs, and some that were left.
const MOST: usize = 24;
/// How long the cookie of an attempt, a binding or a sign-out is kept.
pub(crate) const SHORT: Duration =
    Duration::minutes(crate::domain::login_attempt::LIFETIME_MINUTES);

/// The cookie of a tenant's session.
pub(crate) fn session(tenant: &TenantId) -> String {
    format!("__Host-dws-{tenant}")
}

/// What remembers which provider this browser signed in with last.
fn last_used(tenant: &TenantId) -> String {
    format!("__Host-dwp-{tenant}")
}

/// How long that is remembered: browsers keep nothing longer (RFC 6265bis §5.5).
const REMEMBERED: Duration = Duration::days(400);

/// How long a cookie is kept: as long as its session can live.
pub(crate) fn lifetime(tenant: &Tenant) -> Duration {
    Duration::try_from(tenant.lifetimes.absolute).unwrap_or(Duration::DAY)
}

/// The cookie of a sign-out that a provider brings nothing back for.
pub(crate) fn sign_out(tenant: &TenantId) -> String {
    format!("__Host-dwo-{tenant}")
}

/// The cookie that several app hosts of a tenant share.
pub(crate) fn parent(tenant: &TenantId) -> String {
    format!("{PARENT}{tenant}")
}

/// Cookies that come one for each attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// A login attempt, named from its state.
    Login,
    /// A ticket binding, named from its sign-in.
    Binding,
}

impl Attempt {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Login => ATTEMPT,
            Self::Binding => BINDING,
        }
    }

    fn name(self, tag: &str) -> String {
        format!("{}{tag}", self.prefix())
    }
}

/// The cookies of a request.
#[derive(Clone, Debug)]
pub(crate) struct RequestCookies(Vec<(String, String)>);

impl RequestCookies {
    /// Reads all `Cookie` headers; what does not read as a pair is passed over.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self(
            pairs(headers)
                .filter_map(parsed)
                .map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned()))
                .collect(),
        )
    }

    /// Whether the browser sent none at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The handle in the one cookie of this name.
    pub(crate) fn handle<K: Kind>(&self, name: &str) -> Option<Handle<K>> {
        self.only(name)?.parse().ok()
    }

    /// The handle of the attempt that `tag` names.
    pub(crate) fn attempt<K: Kind>(&self, kind: Attempt, tag: &str) -> Option<Handle<K>> {
        let (_, handle) = self.only(&kind.name(tag))?.split_once('.')?;
        handle.parse().ok()
    }

    /// The id of the provider that this browser signed in with last, if it says so: it decides about an order only.
    pub(crate) fn last_used(&self, tenant: &TenantId) -> Option<&str> {
        self.only(&last_used(tenant))
    }

    fn only(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(other, _)| other == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// The names of the oldest cookies of this kind beyond what one browser may keep, one more counted in.
    fn superfluous(&self, kind: Attempt) -> Vec<&str> {
        let mut waiting: Vec<(i64, &str)> = self
            .0
            .iter()
            .filter(|(name, _)| name.starts_with(kind.prefix()))
            .map(|(name, value)| {
                let time = value
                    .split_once('.')
                    .and_then(|(time, _)| time.parse().ok());
                (time.unwrap_or(0), name.as_str())
            })
            .collect();
        waiting.sort_unstable();
        let beyond = (waiting.len() + 1).saturating_sub(MOST);
        waiting
            .into_iter()
            .take(beyond)
            .map(|(_, name)| name)
            .collect()
    }
}

/// The one app session handle of a request, without copying anything. The check's own way.
pub(crate) fn app_session<K: Kind>(headers: &HeaderMap) -> Option<Handle<K>> {
    only_handle(headers, APP_SESSION)
}

/// The one handle that this host shares with others of `tenant`.
pub(crate) fn parent_session<K: Kind>(headers: &HeaderMap, tenant: &TenantId) -> Option<Handle<K>> {
    only_handle(headers, &parent(tenant))
}

fn only_handle<K: Kind>(headers: &HeaderMap, name: &str) -> Option<Handle<K>> {
    let mut found = pairs(headers)
        .filter(|pair| pair.starts_with(name.as_bytes()))
        .filter_map(parsed)
        .filter(|cookie| cookie.name() == name);
    match (found.next(), found.next()) {
        (Some(cookie), None) => cookie.value().parse().ok(),
        _ => None,
    }
}

/// The pairs of all `Cookie` headers (RFC 6265bis §4.2.1). Apps set what they like, and browsers send its bytes
/// as they are: one that is not ASCII must not hide the others.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty())
}

/// Names that are not ASCII are nobody's: the library takes white space away that browsers count as part of a
/// name, and `\u{2000}__Host-…` was planted by somebody whom the prefix should have kept out.
fn parsed(pair: &[u8]) -> Option<Cookie<'_>> {
    let name = pair.split(|byte| *byte == b'=').next()?;
    if !name.is_ascii() {
        return None;
    }
    Cookie::parse(std::str::from_utf8(pair).ok()?).ok()
}

/// Whether a `Set-Cookie` of an app would set one of ours.
pub(crate) fn sets_ours(value: &HeaderValue) -> bool {
    let value = value.as_bytes().trim_ascii();
    value.starts_with(OURS.as_bytes()) || value.starts_with(PARENT.as_bytes())
}

/// `Cookie` without our own, for the app behind the proxy. Empty where nothing is left.
pub(crate) fn without_ours(headers: &HeaderMap) -> HeaderValue {
    let sent = headers.get_all(header::COOKIE).iter();
    let mut kept = Vec::with_capacity(sent.map(|value| value.len() + 2).sum());
    let is_ours =
        |pair: &[u8]| pair.starts_with(OURS.as_bytes()) || pair.starts_with(PARENT.as_bytes());
    for pair in pairs(headers).filter(|pair| !is_ours(pair)) {
        if !kept.is_empty() {
            kept.extend_from_slice(b"; ");
        }
        kept.extend_from_slice(pair);
    }
    HeaderValue::try_from(kept).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// `Set-Cookie` headers of an answer, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnswerCookies(Vec<HeaderValue>);

impl AnswerCookies {
    /// Sets a session's cookie; the browser drops it when the session must be over.
    pub(crate) fn set<K: Kind>(&mut self, name: &str, handle: &Handle<K>, lifetime: Duration) {
        self.push(name, handle.reveal(), lifetime);
    }

    /// Sets the cookie that the tenant's listed app hosts share.
    pub(crate) fn set_parent(
        &mut self,
        tenant: &TenantId,
        domain: &Host,
        handle: &Handle<ParentSessionKind>,
        lifetime: Duration,
    ) {
        self.push_for(&parent(tenant), handle.reveal(), lifetime, Some(domain));
    }

    /// Remembers the provider of a login that is done.
    pub(crate) fn remember_last_used(&mut self, tenant: &TenantId, provider: &ProviderId) {
        self.push(&last_used(tenant), provider.to_string(), REMEMBERED);
    }

    /// Removes what a browser has of a tenant's session, on the tenant's own host.
    pub(crate) fn forget_session(&mut self, tenant: &Tenant) {
        self.forget(&session(&tenant.id));
        if let Some(shared) = &tenant.parent_cookie {
            let name = parent(&tenant.id);
            self.push_for(&name, String::new(), Duration::ZERO, Some(&shared.domain));
        }
    }

    /// Sets an attempt's cookie, and drops the oldest where there are too many.
    pub(crate) fn set_attempt<K: Kind>(
        &mut self,
        kind: Attempt,
        tag: &str,
        handle: &Handle<K>,
        now: OffsetDateTime,
        present: &RequestCookies,
    ) {
        for name in present.superfluous(kind) {
            self.forget(name);
        }
        let value = format!("{}.{}", now.unix_timestamp(), handle.reveal());
        self.push(&kind.name(tag), value, SHORT);
    }

    /// Removes a cookie. The attributes are needed for `__Host-` names.
    pub(crate) fn forget(&mut self, name: &str) {
        self.push(name, String::new(), Duration::ZERO);
    }

    /// Removes an attempt's cookie.
    pub(crate) fn forget_attempt(&mut self, kind: Attempt, tag: &str) {
        self.forget(&kind.name(tag));
    }

    /// Adds them to `headers`.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        for value in self.0 {
            headers.append(header::SET_COOKIE, value);
        }
    }

    fn push(&mut self, name: &str, value: String, lifetime: Duration) {
        self.push_for(name, value, lifetime, None);
    }

    fn push_for(&mut self, name: &str, value: String, lifetime: Duration, domain: Option<&Host>) {
        let mut cookie = Cookie::build((name, value))
            .path("/")
            .secure(true)
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(lifetime)
            .build();
        if let Some(domain) = domain {
            cookie.set_domain(domain.name());
        }
        // Names and values are ours: ASCII without separators.
        if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
            self.0.push(value);
        }
    }
}

/// What names an attempt's cookie: 8 characters of its digest.
pub(crate) fn tag<K>(digest: &Digest<K>) -> String {
    use base64::Engine as _;
    let bytes = digest.as_bytes();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes.get(..6).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::handle::{AppSessionKind, AttemptKind};
    use rstest::rstest;

    const HANDLE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    fn request(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes());
            headers.append(header::COOKIE, value.expect("a value"));
        }
        headers
    }

    #[rstest]
    #[case::one(&[format!("a=b; __Host-dwa={HANDLE}; c=d")], true)]
    #[case::in_a_second_header(&["a=b".into(), format!("__Host-dwa={HANDLE}")], true)]
    #[case::beside_other_bytes(&[format!("name=M\u{fc}ller; __Host-dwa={HANDLE}")], true)]
    #[case::none(&["a=b".into()], false)]
    #[case::twice(&[format!("__Host-dwa={HANDLE}; __Host-dwa={HANDLE}")], false)]
    #[case::twice_in_two_headers(&[format!("__Host-dwa={HANDLE}"), format!("__Host-dwa={HANDLE}")], false)]
    #[case::garbage(&["__Host-dwa=xyz".into()], false)]
    #[case::case_counts(&[format!("__host-dwa={HANDLE}")], false)]
    #[case::other_kind(&[format!("__Host-dws-acme={HANDLE}")], false)]
    fn t08_a_planted_duplicate_counts_as_no_session(
        #[case] values: &[String],
        #[case] expected: bool,
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let headers = request(&values);
        assert_eq!(app_session::<AppSessionKind>(&headers).is_some(), expected);
        let cookies = RequestCookies::of(&headers);
        assert_eq!(
            cookies.handle::<AppSessionKind>(APP_SESSION).is_some(),
            expected
        );
    }

    #[rstest]
    #[case::wide_space("\u{2000}")]
    #[case::no_break_space("\u{a0}")]
    #[case::next_line("\u{85}")]
    fn t08_a_name_behind_unicode_white_space_is_not_ours(#[case] space: &str) {
        let planted = format!("{space}__Host-dws-acme={HANDLE}; {space}__Host-dwl-q=1.{HANDLE}");
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(planted.as_bytes()).expect("a value");
        headers.append(header::COOKIE, value);
        let cookies = RequestCookies::of(&headers);
        assert!(
            cookies
                .handle::<AppSessionKind>("__Host-dws-acme")
                .is_none()
        );
        assert!(
            cookies
                .attempt::<AttemptKind>(Attempt::Login, "q")
                .is_none()
        );
    }

    #[test]
    fn ours_do_not_reach_the_app() {
        let headers = request(&["a=b; __Host-dwa=x;c=\"d e\"", "__Host-dws-acme=y; f=g"]);
        assert_eq!(without_ours(&headers), "a=b; c=\"d e\"; f=g");
        assert_eq!(without_ours(&request(&["__Host-dwl-q=1.x"])), "");
    }

    #[test]
    fn the_oldest_attempts_give_way() {
        let cookies: Vec<String> = (0..30)
            .map(|i| format!("__Host-dwl-{i:08}={}.{HANDLE}", 1000 + i))
            .collect();
        let present = RequestCookies::of(&request(&[&cookies.join("; ")]));
        let mut answer = AnswerCookies::default();
        let handle = Handle::<AttemptKind>::from_bytes([1; 16]);
        answer.set_attempt(
            Attempt::Login,
            "new",
            &handle,
            OffsetDateTime::UNIX_EPOCH,
            &present,
        );
        let mut headers = HeaderMap::new();
        answer.write(&mut headers);
        let set: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(set.len(), 8);
        assert!(
            set[0]
                .to_str()
                .expect("text")
                .starts_with("__Host-dwl-00000000=;")
        );
    }

    #[test]
    fn every_cookie_has_every_attribute() {
        let mut answer = AnswerCookies::default();
        answer.set(
            APP_SESSION,
            &Handle::<AppSessionKind>::from_bytes([0; 16]),
            Duration::days(7),
        );
        answer.forget(APP_SESSION);
        let mut headers = HeaderMap::new();
        answer.write(&mut headers);
        for value in headers.get_all(header::SET_COOKIE) {
            let text = value.to_str().expect("text");
            for attribute in [
                "; HttpOnly",
                "; SameSite=Lax",
                "; Secure",
                "; Path=/",
                "; Max-Age=",
            ] {
                assert!(text.contains(attribute), "{text}");
            }
            assert!(!text.contains("Domain"));
        }
    }
}
