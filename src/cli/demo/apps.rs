//! The demo's apps: a page that shows what the proxy told.

use std::sync::Arc;

use axum::response::{Html, IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};

use super::people::TENANTS;
use crate::ports::SecureRandom;
use crate::views::{
    Account, Chrome, DemoAppLink, DemoAppPage, DemoHeader, LAST_RESORT, TenantChrome, Views,
    content_security_policy,
};

/// All four of them.
#[derive(Clone, Debug)]
pub(super) struct DemoApps {
    port: u16,
    views: Arc<Views>,
    random: Arc<dyn SecureRandom>,
}

const APPS: [(&str, &str); 2] = [("wiki", "Wiki"), ("payroll", "Payroll")];

impl DemoApps {
    pub(super) fn new(port: u16, views: Arc<Views>, random: Arc<dyn SecureRandom>) -> Self {
        Self {
            port,
            views,
            random,
        }
    }

    /// Whether `host` is one of them.
    pub(super) fn has(&self, host: &str) -> bool {
        self.find(host).is_some()
    }

    fn find(&self, host: &str) -> Option<(&'static str, &'static str, &'static str)> {
        TENANTS.iter().find_map(|tenant| {
            APPS.iter()
                .find(|(app, _)| host == format!("{app}.{}.localhost:{}", tenant.id, self.port))
                .map(|(app, name)| (tenant.id, *app, *name))
        })
    }

    /// What the app at `host` answers to a request with these headers.
    pub(super) fn answer(&self, host: &str, headers: &HeaderMap) -> Response {
        let Some((tenant, app, name)) = self.find(host) else {
            return Html(LAST_RESORT).into_response();
        };
        let told = |name: &str| {
            let value = headers
                .get(name)
                .map(HeaderValue::as_bytes)
                .unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        let shown = [
            "X-Auth-Request-User",
            "X-Auth-Request-Email",
            "X-Auth-Request-Preferred-Username",
            "X-Auth-Request-Groups",
            "Cookie",
        ];
        let username = told("x-auth-request-preferred-username");
        let page = DemoAppPage {
            app: name.to_owned(),
            host: host.to_owned(),
            account: Account::new(
                Some(username.as_str()).filter(|name| !name.is_empty()),
                &told("x-auth-request-email"),
            ),
            headers: shown
                .iter()
                .map(|name| DemoHeader {
                    name: (*name).to_owned(),
                    value: told(name),
                })
                .collect(),
            others: APPS
                .iter()
                .filter(|(other, _)| *other != app)
                .map(|(other, name)| {
                    let host = format!("{other}.{tenant}.localhost:{}", self.port);
                    DemoAppLink {
                        name: (*name).to_owned(),
                        href: format!("http://{host}/"),
                        host,
                    }
                })
                .collect(),
            sessions_href: Some(format!("http://{tenant}.localhost:{}/sessions", self.port)),
            sign_out_href: "/oauth2/sign_out".to_owned(),
        };
        let nonce = URL_SAFE_NO_PAD.encode(self.random.array::<16>());
        let organization = TENANTS
            .iter()
            .find(|other| other.id == tenant)
            .map(|tenant| TenantChrome::new(tenant.name, None));
        let chrome = Chrome {
            tenant: organization,
            ..Chrome::bare(&nonce)
        };
        html(&self.views, &page, &chrome)
    }
}

/// A page of the demo.
pub(super) fn html(views: &Views, page: &impl crate::views::Page, chrome: &Chrome) -> Response {
    let body = views.render(page, chrome).unwrap_or_else(|error| {
        tracing::error!(%error, "a page cannot be rendered");
        LAST_RESORT.to_owned()
    });
    let mut response = Html(body).into_response();
    // The provider's form leads back to another host: browsers hold that against `form-action` too.
    let policy = content_security_policy(&chrome.style_nonce, &["http:"]);
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
