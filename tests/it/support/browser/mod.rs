//! A browser over real loopback TCP: cookies as Chromium keeps them, `Sec-Fetch-*` and `Origin` as it
//! sends them, redirects only when asked to follow.
//!
//! `localhost`, `*.localhost` and 127.0.0.1 are reached at the port in the address. Any other host is
//! reached where [`Browser::reach`] says, also for `https`: as if something in between ended TLS.
//! A clone is another tab: same cookies, and a page of its own as the next navigation's origin.
//! Deliberately absent: scripts, sub-resources, caches, HSTS, `Referer`.

mod html;
mod jar;
mod tests;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use doorward::ports::ManualClock;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use url::Url;

pub(crate) use html::{Form, Link};
pub(crate) use jar::Jar;

use super::http::exchange;
use jar::{Crossing, is_trustworthy, site_of};

/// Redirects followed before the browser gives up, as browsers do.
const MAX_REDIRECTS: usize = 20;
const CHROMIUM: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                        Chrome/140.0.0.0 Safari/537.36";

/// A tab of a browser.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    jar: Arc<Mutex<Jar>>,
    reach: Arc<Mutex<HashMap<String, SocketAddr>>>,
    page: Option<Origin>,
    headers: HeaderMap,
}

/// What later requests of a page depend on.
#[derive(Clone, Debug)]
struct Origin {
    url: Url,
    referrer_policy: String,
}

/// An answer, and how it was reached.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Where it is from.
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The redirects before it, oldest first.
    pub(crate) chain: Vec<Hop>,
}

/// A redirect that was followed.
#[derive(Clone, Debug)]
pub(crate) struct Hop {
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

/// A request that is being put together.
#[derive(Clone, Debug)]
struct Outgoing {
    method: Method,
    url: Url,
    body: Option<(&'static str, Bytes)>,
    initiator: Option<Origin>,
    /// A script's request, and not a navigation.
    fetch: bool,
    /// The redirects so far left the initiator's site.
    crossed: bool,
    headers: HeaderMap,
}

impl Browser {
    /// A fresh profile with one tab. Cookies age by `clock`.
    pub(crate) fn new(clock: Arc<ManualClock>) -> Self {
        Self {
            jar: Arc::new(Mutex::new(Jar::new(clock))),
            reach: Arc::new(Mutex::new(HashMap::new())),
            page: None,
            headers: HeaderMap::new(),
        }
    }

    /// Another tab, with nothing opened in it yet.
    pub(crate) fn tab(&self) -> Self {
        Self {
            page: None,
            ..self.clone()
        }
    }

    /// Requests for `host` (without port; any scheme) go to this address, in plain text.
    pub(crate) fn reach(&self, host: &str, address: SocketAddr) {
        let mut reach = self.reach.lock().expect("no test panics here");
        reach.insert(host.to_owned(), address);
    }

    /// Sends this header with every request of this tab, instead of the browser's own.
    pub(crate) fn always(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        self.headers.insert(name, value);
        self
    }

    /// The cookies.
    pub(crate) fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().expect("no test panics here")
    }

    /// The value of the cookie of this name that goes to `url`.
    pub(crate) fn cookie(&self, url: &str, name: &str) -> Option<String> {
        let mut cookies = self.jar().cookies(&address(url)).into_iter();
        cookies
            .find(|cookie| cookie.name == name)
            .map(|cookie| cookie.value)
    }

    /// Plants a cookie as if `url` had set it.
    pub(crate) fn set_cookie(&self, url: &str, line: &str) {
        self.jar().store(line, &address(url));
    }

    /// The page of this tab, where a navigation from a link or form starts.
    pub(crate) fn at(&self) -> Option<&Url> {
        self.page.as_ref().map(|page| &page.url)
    }

    /// Types an address: no page asks for it. Redirects are not followed.
    pub(crate) async fn open(&mut self, url: &str) -> Page {
        let outgoing = self.outgoing(Method::GET, address(url), None, None);
        self.navigate(outgoing, 0).await
    }

    /// The same, and follows redirects.
    pub(crate) async fn visit(&mut self, url: &str) -> Page {
        let outgoing = self.outgoing(Method::GET, address(url), None, None);
        self.navigate(outgoing, MAX_REDIRECTS).await
    }

    /// Follows a link on the page of this tab, and redirects.
    pub(crate) async fn click(&mut self, url: &Url) -> Page {
        let initiator = self.page.clone();
        let outgoing = self.outgoing(Method::GET, url.clone(), None, initiator);
        self.navigate(outgoing, MAX_REDIRECTS).await
    }

    /// Goes where the redirect of `page` points, one step.
    pub(crate) async fn step(&mut self, page: &Page) -> Page {
        let target = page.location().expect("a redirect");
        let outgoing = self.outgoing(Method::GET, target, None, self.page.clone());
        self.navigate(outgoing, 0).await
    }

    /// Sends a form of the page of this tab with these fields besides or instead of its own, and follows
    /// redirects.
    pub(crate) async fn submit(&mut self, form: &Form, fields: &[(&str, &str)]) -> Page {
        let outgoing = self.filled_in(form, fields);
        self.navigate(outgoing, MAX_REDIRECTS).await
    }

    /// The same without following redirects.
    pub(crate) async fn submit_once(&mut self, form: &Form, fields: &[(&str, &str)]) -> Page {
        let outgoing = self.filled_in(form, fields);
        self.navigate(outgoing, 0).await
    }

    /// Posts a form from the page of this tab (from nowhere, if there is none) without following
    /// redirects.
    pub(crate) async fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Page {
        let body = Some(form_body(fields));
        let initiator = self.page.clone();
        let outgoing = self.outgoing(Method::POST, address(url), body, initiator);
        self.navigate(outgoing, 0).await
    }

    /// As `fetch(url)` with credentials by a script of the page of this tab; the page stays. Redirects
    /// are not followed.
    pub(crate) async fn fetch(&self, url: &str) -> Page {
        let mut outgoing = self.outgoing(Method::GET, address(url), None, self.page.clone());
        outgoing.fetch = true;
        self.send(&outgoing).await
    }

    /// Opens with another method and headers of its own; nothing is followed and the page stays.
    pub(crate) async fn request(
        &self,
        method: Method,
        url: &str,
        headers: &[(&'static str, &str)],
    ) -> Page {
        let mut outgoing = self.outgoing(method, address(url), None, self.page.clone());
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
            outgoing.headers.append(*name, value);
        }
        self.send(&outgoing).await
    }

    fn filled_in(&self, form: &Form, fields: &[(&str, &str)]) -> Outgoing {
        let mut all: Vec<(&str, &str)> = form
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !fields.iter().any(|(given, _)| given == name))
            .collect();
        all.extend(fields);
        let mut url = form.action.clone();
        if form.post {
            return self.outgoing(Method::POST, url, Some(form_body(&all)), self.page.clone());
        }
        url.query_pairs_mut().clear().extend_pairs(all);
        self.outgoing(Method::GET, url, None, self.page.clone())
    }

    fn outgoing(
        &self,
        method: Method,
        url: Url,
        body: Option<(&'static str, Bytes)>,
        initiator: Option<Origin>,
    ) -> Outgoing {
        Outgoing {
            method,
            url,
            body,
            initiator,
            fetch: false,
            crossed: false,
            headers: self.headers.clone(),
        }
    }

    async fn navigate(&mut self, mut outgoing: Outgoing, redirects: usize) -> Page {
        let mut chain = Vec::new();
        loop {
            let mut page = self.send(&outgoing).await;
            let next = page.location().filter(|_| page.status.is_redirection());
            match next {
                Some(_) if redirects > 0 && chain.len() == redirects => {
                    let visited: Vec<&str> =
                        chain.iter().map(|hop: &Hop| hop.url.as_str()).collect();
                    panic!("too many redirects: {visited:#?}");
                }
                Some(next) if redirects > 0 => {
                    outgoing = outgoing.redirected(page.status, next);
                    chain.push(Hop {
                        url: page.url,
                        status: page.status,
                        headers: page.headers,
                    });
                }
                next => {
                    // A redirect that is not followed leaves the tab where it was.
                    if next.is_none() {
                        self.page = Some(Origin {
                            url: page.url.clone(),
                            referrer_policy: page.header("referrer-policy").to_owned(),
                        });
                    }
                    page.chain = chain;
                    return page;
                }
            }
        }
    }

    async fn send(&self, outgoing: &Outgoing) -> Page {
        let url = &outgoing.url;
        let peer = self.peer(url);
        let mut target = url.path().to_owned();
        if let Some(query) = url.query() {
            target = format!("{target}?{query}");
        }
        let mut request = Request::builder()
            .method(outgoing.method.clone())
            .uri(target)
            .body(
                outgoing
                    .body
                    .clone()
                    .map_or_else(Bytes::new, |(_, body)| body),
            )
            .expect("a request");
        *request.headers_mut() = outgoing.head();
        if let Some(cookies) = self.jar().header(url, outgoing.crossing()) {
            let value = HeaderValue::from_bytes(cookies.as_bytes()).expect("a header value");
            request.headers_mut().insert(header::COOKIE, value);
        }
        for (name, value) in &outgoing.headers {
            request.headers_mut().insert(name, value.clone());
        }
        let answer = exchange(peer, request)
            .await
            .unwrap_or_else(|error| panic!("{} {url}: {error}", outgoing.method));
        let (head, body) = answer.into_parts();
        for line in head.headers.get_all(header::SET_COOKIE) {
            self.jar()
                .store(&String::from_utf8_lossy(line.as_bytes()), url);
        }
        Page {
            url: url.clone(),
            status: head.status,
            headers: head.headers,
            body,
            chain: Vec::new(),
        }
    }

    fn peer(&self, url: &Url) -> SocketAddr {
        let host = jar::host_of(url);
        let reach = self.reach.lock().expect("no test panics here");
        if let Some(address) = reach.get(&host) {
            return *address;
        }
        let local = host == "localhost" || host.ends_with(".localhost") || host == "127.0.0.1";
        assert!(
            local && url.scheme() == "http",
            "the browser cannot reach {url}"
        );
        let port = url.port_or_known_default().expect("http has a port");
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }
}

impl Outgoing {
    /// The next request after a redirect (Fetch Standard, "HTTP-redirect fetch").
    fn redirected(mut self, status: StatusCode, to: Url) -> Self {
        self.crossed |= self.relation() == "cross-site";
        let becomes_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::FOUND | StatusCode::MOVED_PERMANENTLY => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = None;
        }
        self.url = to;
        self
    }

    /// `Sec-Fetch-Site` (Fetch Metadata §2.3).
    fn relation(&self) -> &'static str {
        match &self.initiator {
            None => "none",
            Some(_) if self.crossed => "cross-site",
            Some(page) if page.url.origin() == self.url.origin() => "same-origin",
            Some(page) if site_of(&page.url) == site_of(&self.url) => "same-site",
            Some(_) => "cross-site",
        }
    }

    fn crossing(&self) -> Crossing {
        Crossing {
            cross_site: self.relation() == "cross-site",
            lax_allowed: !self.fetch && self.method.is_safe(),
        }
    }

    fn head(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &str| {
            headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
        };
        let host = jar::host_of(&self.url);
        match self.url.port() {
            Some(port) => put("host", &format!("{host}:{port}")),
            None => put("host", &host),
        }
        put("user-agent", CHROMIUM);
        put("accept-language", "en-GB,en;q=0.9");
        if self.fetch {
            put("accept", "*/*");
        } else {
            put(
                "accept",
                "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
            );
            put("upgrade-insecure-requests", "1");
        }
        if is_trustworthy(&self.url) {
            put("sec-fetch-site", self.relation());
            if self.fetch {
                put("sec-fetch-mode", "cors");
                put("sec-fetch-dest", "empty");
            } else {
                put("sec-fetch-mode", "navigate");
                put("sec-fetch-dest", "document");
                put("sec-fetch-user", "?1");
            }
        }
        if let Some(origin) = self.origin() {
            put("origin", &origin);
        }
        if let Some((kind, body)) = &self.body {
            put("content-type", kind);
            put("content-length", &body.len().to_string());
        }
        headers
    }

    /// `Origin` (Fetch Standard, "append a request `Origin` header"): with every unsafe method, and with
    /// a script's request to another origin; `null` where the page's policy or a redirect hides it.
    fn origin(&self) -> Option<String> {
        let unsafe_method = !self.method.is_safe();
        let same_origin = self.relation() == "same-origin";
        if !unsafe_method && (!self.fetch || same_origin) {
            return None;
        }
        let Some(page) = &self.initiator else {
            return Some("null".into());
        };
        let hidden = !self.fetch
            && match page.referrer_policy.as_str() {
                "no-referrer" => true,
                "same-origin" => !same_origin,
                "strict-origin" | "strict-origin-when-cross-origin" | "" => {
                    page.url.scheme() == "https" && self.url.scheme() == "http"
                }
                _ => false,
            };
        if hidden || self.crossed && !same_origin {
            return Some("null".into());
        }
        Some(page.url.origin().ascii_serialization())
    }
}

impl Page {
    /// Where a redirect points, absolute.
    pub(crate) fn location(&self) -> Option<Url> {
        let value = self.headers.get(header::LOCATION)?.to_str().ok()?;
        self.url.join(value).ok()
    }

    /// The body as text.
    pub(crate) fn html(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What a person reads.
    pub(crate) fn text(&self) -> String {
        html::text_of(&self.html())
    }

    /// A header, empty where it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// All `Set-Cookie` lines.
    pub(crate) fn set_cookies(&self) -> Vec<String> {
        let lines = self.headers.get_all(header::SET_COOKIE).iter();
        lines
            .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
            .collect()
    }

    pub(crate) fn forms(&self) -> Vec<Form> {
        html::forms(&self.html(), &self.url)
    }

    /// The one form whose action's path ends so.
    pub(crate) fn form(&self, action: &str) -> Form {
        let mut forms = self.forms();
        forms.retain(|form| form.action.path().ends_with(action));
        assert_eq!(
            forms.len(),
            1,
            "forms to {action} at {}: {}",
            self.url,
            self.text()
        );
        forms.remove(0)
    }

    pub(crate) fn links(&self) -> Vec<Link> {
        html::links(&self.html(), &self.url)
    }

    /// The first link whose text contains this.
    pub(crate) fn link(&self, text: &str) -> Url {
        let mut links = self.links().into_iter();
        let link = links.find(|link| link.text.contains(text));
        link.unwrap_or_else(|| panic!("no link \"{text}\" at {}: {}", self.url, self.text()))
            .href
    }
}

fn address(url: &str) -> Url {
    Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn form_body(fields: &[(&str, &str)]) -> (&'static str, Bytes) {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    ("application/x-www-form-urlencoded", body.into())
}
