//! Tenants and the apps they protect.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};
use url::Url;

use super::app_upstream::AppUpstream;
use super::colour::Colour;
use super::host::{Host, HostPattern};
use super::identity::Person;
use super::ids::{AppId, ProviderId, TenantId};
use super::policy::Policy;
use super::session::SessionLifetimes;
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
    /// A provider by its name.
    #[must_use]
    pub fn provider(&self, id: &ProviderId) -> Option<&UpstreamProvider> {
        self.providers.iter().find(|provider| provider.id == *id)
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
}

/// Headers for the browser, ready to be sent.
pub type SecurityHeaders = Arc<[(HeaderName, HeaderValue)]>;

/// Which of the two sets of identity headers an endpoint answers with, where an app names none of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderSet {
    /// `X-Auth-Request-…`.
    OAuth2Proxy,
    /// `Remote-…`.
    Authelia,
}

impl HeaderSet {
    /// Both.
    pub const ALL: [Self; 2] = [Self::OAuth2Proxy, Self::Authelia];

    /// What it consists of: names in lower case, and what they say.
    #[must_use]
    pub const fn defaults(self) -> [(&'static str, IdentitySource); 4] {
        match self {
            Self::OAuth2Proxy => [
                ("x-auth-request-user", IdentitySource::User),
                ("x-auth-request-email", IdentitySource::Email),
                (
                    "x-auth-request-preferred-username",
                    IdentitySource::PreferredUsername,
                ),
                ("x-auth-request-groups", IdentitySource::Groups),
            ],
            Self::Authelia => [
                ("remote-user", IdentitySource::User),
                ("remote-groups", IdentitySource::Groups),
                ("remote-name", IdentitySource::Name),
                ("remote-email", IdentitySource::Email),
            ],
        }
    }
}

impl ProtectedApp {
    /// The identity headers of one dialect.
    #[must_use]
    pub fn headers_for(&self, set: HeaderSet) -> &[IdentityHeader] {
        match (set, &self.authelia_headers) {
            (HeaderSet::Authelia, Some(headers)) => headers,
            _ => &self.identity_headers,
        }
    }
}

/// One header that tells an app about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub source: IdentitySource,
}

/// What an identity header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentitySource {
    /// Our stable id of the person: 32 hexadecimal digits.
    User,
    /// The provider's identifier of the person.
    Subject,
    /// Verified e-mail address.
    Email,
    /// Name at the provider.
    PreferredUsername,
    /// Display name.
    Name,
    /// Groups, joined by commas.
    Groups,
    /// The provider's name in the configuration.
    Provider,
}

impl IdentitySource {
    /// All of them, with the word of the configuration.
    pub const ALL: [(&'static str, Self); 7] = [
        ("user", Self::User),
        ("subject", Self::Subject),
        ("email", Self::Email),
        ("preferred_username", Self::PreferredUsername),
        ("name", Self::Name),
        ("groups", Self::Groups),
        ("provider", Self::Provider),
    ];

    /// The value for `person`, empty where there is none; and the groups that a list with commas cannot
    /// carry, which are left out.
    #[must_use]
    pub fn value(self, person: &Person) -> (String, Vec<Box<str>>) {
        let plain = |value: Option<&str>| (value.unwrap_or_default().to_owned(), Vec::new());
        match self {
            Self::User => (person.user.to_string(), Vec::new()),
            Self::Subject => plain(Some(&person.subject)),
            Self::Email => plain(
                person
                    .email
                    .as_ref()
                    .map(super::email::EmailAddress::as_str),
            ),
            Self::PreferredUsername => plain(person.preferred_username.as_deref()),
            Self::Name => plain(person.name.as_deref()),
            Self::Provider => plain(Some(person.provider.as_str())),
            Self::Groups => {
                let (kept, left_out): (Vec<_>, Vec<_>) = person
                    .groups
                    .iter()
                    .partition(|group| !group.contains(|c: char| c == ',' || c.is_control()));
                let joined = kept
                    .iter()
                    .map(|group| &***group)
                    .collect::<Vec<_>>()
                    .join(",");
                (joined, left_out.into_iter().cloned().collect())
            }
        }
    }
}
