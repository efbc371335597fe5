//! Tenants and the apps they protect.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};
use url::Url;

use super::api_key::FixedApiKeys;
use super::app_upstream::AppUpstream;
use super::caller::Schemes;
use super::claims::ClaimPath;
use super::colour::Colour;
use super::host::{Host, HostPattern};
use super::identity_header::{HeaderSet, IdentityHeader, IdentitySource};
use super::ids::{AppId, ClientId, ProviderId, TenantId};
use super::local_user::LocalUsers;
use super::machine_client::{MachineClient, Scope};
use super::policy::Policy;
use super::session::SessionLifetimes;
use super::signing_key::SigningRules;
use super::token_exchange::TokenExchange;
use super::upstream_provider::UpstreamProvider;

/// An organization: its own address, providers, apps and sessions.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its name in addresses, cookies and logs.
    pub id: TenantId,
    /// What people call it.
    pub name: Box<str>,
    /// Where its pages live.
    pub base: BaseUrl,
    /// Whom to ask for access: an address or a line of text, shown when somebody is refused.
    pub contact: Option<Box<str>>,
    /// Accent colours of its pages.
    pub accent: Option<Accent>,
    /// How long sessions live.
    pub lifetimes: SessionLifetimes,
    /// Who authenticates its people.
    pub providers: Vec<UpstreamProvider>,
    /// What they may open.
    pub apps: Vec<ProtectedApp>,
    /// Further hosts that a sign-in or sign-out may return to.
    pub return_hosts: Vec<HostPattern>,
    /// Names and passwords of its own.
    pub users: Arc<LocalUsers>,
    /// The header that API keys are shown in.
    pub api_key_header: HeaderName,
    /// Keys that stand in the configuration, by what they are looked up by.
    pub api_keys: Arc<FixedApiKeys>,
    /// A cookie that several app hosts share; none: each has its own.
    pub parent_cookie: Option<Box<ParentCookie>>,
    /// Its own keys, for what it issues.
    pub signing: SigningRules,
    /// Machines that it gives tokens to.
    pub machine_clients: Vec<MachineClient>,
    /// Who may change a token into one of its own, the first that fits.
    pub token_exchanges: Vec<TokenExchange>,
}

/// A cookie for several app hosts below one name, where nothing can be routed to us. Only the check accepts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentCookie {
    /// The name they share: `Domain` of the cookie (RFC 6265 §4.1.2.3).
    pub domain: Host,
    /// Where it counts.
    pub hosts: Vec<HostPattern>,
}

impl ParentCookie {
    /// Whether it counts at `host`.
    #[must_use]
    pub fn counts_at(&self, host: &Host) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(host))
    }

    /// Whether a browser sends a cookie of `domain` to `name` (RFC 6265 §5.1.3).
    #[must_use]
    pub fn is_within(name: &str, domain: &Host) -> bool {
        name.strip_suffix(domain.name())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

/// Accent colours, checked for contrast when the configuration was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accent {
    /// On light surfaces.
    pub light: Colour,
    /// On dark surfaces.
    pub dark: Colour,
}

impl Tenant {
    /// Whether one of its apps is told this about a person.
    #[must_use]
    pub fn tells(&self, source: IdentitySource) -> bool {
        let headers = |app: &ProtectedApp| {
            let sets = HeaderSet::ALL.into_iter();
            let mut headers = sets.flat_map(|set| app.headers_for(set).iter());
            headers.any(|header| header.source == source)
        };
        self.apps.iter().any(headers)
    }

    /// The claims that one of its apps is told as they stand.
    pub fn told_claims(&self) -> impl Iterator<Item = &ClaimPath> {
        let headers = self.apps.iter().flat_map(|app| &app.identity_headers);
        headers.filter_map(|header| header.claim.as_ref())
    }

    /// A provider by its name.
    #[must_use]
    pub fn provider(&self, id: &ProviderId) -> Option<&UpstreamProvider> {
        self.providers.iter().find(|provider| provider.id == *id)
    }

    /// A machine by its name.
    #[must_use]
    pub fn machine_client(&self, id: &ClientId) -> Option<&MachineClient> {
        self.machine_clients.iter().find(|client| client.id == *id)
    }

    /// The app that `host` belongs to. An exact name wins over a pattern.
    #[must_use]
    pub fn app_of(&self, host: &Host) -> Option<&ProtectedApp> {
        let named = |app: &&ProtectedApp| {
            app.hosts
                .iter()
                .any(|pattern| pattern.exact().as_ref() == Some(host))
        };
        self.apps.iter().find(named).or_else(|| {
            self.apps
                .iter()
                .find(|app| app.hosts.iter().any(|pattern| pattern.matches(host)))
        })
    }

    /// The cookie that counts at `host` beside its own.
    #[must_use]
    pub fn parent_cookie_at(&self, host: &Host) -> Option<&ParentCookie> {
        self.parent_cookie
            .as_deref()
            .filter(|cookie| cookie.counts_at(host))
    }

    /// Whether a sign-in or sign-out may return to `host`.
    #[must_use]
    pub fn may_return_to(&self, host: &Host) -> bool {
        *host == self.base.host
            || self.app_of(host).is_some()
            || self
                .return_hosts
                .iter()
                .any(|pattern| pattern.matches(host))
    }
}

/// Where a tenant's pages live: `https://login.acme.example`, `https://login.example.com/t/acme`, or
/// `https://app.example.com/oauth2` for those with a single app and a single name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Scheme and host.
    pub origin: Url,
    /// The host, as requests name it.
    pub host: Host,
    /// What stands before `/login`: empty, `/t/{tenant}` or the app prefix. No final slash.
    pub path: Box<str>,
    /// Whether this is an app's own host: then the login sets the app's cookie directly.
    pub on_app_host: bool,
}

impl BaseUrl {
    /// The absolute address of `path` (`/login`, …) at this tenant.
    #[must_use]
    pub fn address(&self, path: &str) -> String {
        format!(
            "{}{}{path}",
            self.origin.as_str().trim_end_matches('/'),
            self.path
        )
    }

    /// The one redirect URI of `provider` (RFC 9700 §4.4.2.2: one for each issuer).
    #[must_use]
    pub fn redirect_uri(&self, provider: &ProviderId) -> String {
        self.address(&format!("/login/{provider}/callback"))
    }

    /// Whether the tenant is served over https.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.origin.scheme() == "https"
    }
}

/// An app behind a proxy that asks us about each request.
#[derive(Clone, Debug)]
pub struct ProtectedApp {
    /// Its name in logs and metrics.
    pub id: AppId,
    /// What people call it.
    pub name: Box<str>,
    /// Its hosts. Unique over all tenants.
    pub hosts: Vec<HostPattern>,
    /// How callers may show who they are.
    pub accepts: Schemes,
    /// Whether an API key may stand in the query that is asked for.
    pub api_key_query: bool,
    /// Who may open what.
    pub policy: Policy,
    /// Status of an allowed answer of `/oauth2/auth`: 202, or 200 for proxies that want it.
    pub allowed_status: StatusCode,
    /// What the app is told about a person. Each is always present, empty where there is no value.
    pub identity_headers: Vec<IdentityHeader>,
    /// What stands in their place at the endpoints that speak Authelia's dialect; none: the same.
    pub authelia_headers: Option<Vec<IdentityHeader>>,
    /// Whether an allowed answer carries `Cookie` without our own cookies, for the proxy to pass on.
    pub hide_cookies: bool,
    /// Headers for the browser, which the app's answers are to have. None: that is the app's affair.
    pub security_headers: Option<SecurityHeaders>,
    /// Where it is, if we forward requests to it.
    pub upstream: Option<AppUpstream>,
    /// What it says of itself to those who would bring tokens; none: nothing.
    pub protected_resource: Option<ProtectedResource>,
}

/// What an app says of itself to those who would bring tokens (RFC 9728 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResource {
    /// What tokens may allow there.
    pub scopes: Vec<Scope>,
}

/// Headers for the browser, ready to be sent.
pub type SecurityHeaders = Arc<[(HeaderName, HeaderValue)]>;

impl ProtectedApp {
    /// The identity headers of one dialect.
    #[must_use]
    pub fn headers_for(&self, set: HeaderSet) -> &[IdentityHeader] {
        match (set, &self.authelia_headers) {
            (HeaderSet::Authelia, Some(headers)) => headers,
            _ => &self.identity_headers,
        }
    }

    /// The one that stands for `set` here: headers of an app's own are the same in both.
    #[must_use]
    pub const fn header_set(&self, set: HeaderSet) -> HeaderSet {
        if self.authelia_headers.is_some() {
            set
        } else {
            HeaderSet::OAuth2Proxy
        }
    }

    /// Whether one of its headers takes this.
    #[must_use]
    pub fn takes(&self, source: IdentitySource) -> bool {
        let mut headers = self.identity_headers.iter();
        headers.any(|header| header.source == source)
    }

    /// Whether one of its headers takes a token. The default sets have none.
    #[must_use]
    pub fn takes_tokens(&self) -> bool {
        let mut headers = self.identity_headers.iter();
        headers.any(|header| header.source.is_token())
    }
}
