//! The tenant's login page: which provider somebody signs in with.
//!
//! Who asks is led straight on where nothing is left to choose: they are signed in, a hint names a provider, the rule
//! of what they want to open admits one only, or there is no other.

use axum::Form;
use axum::extract::RawQuery;
use axum::extract::rejection::FormRejection;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::asked_address::LoginQuery;
use super::login::Waiting;
use super::visit::Visit;
use crate::access::entry::providers_for;
use crate::domain::email::EmailAddress;
use crate::domain::upstream_provider::{Protocol, UpstreamProvider};
use crate::views::{ByEmail, ProviderChoice, SignInNotice, SignInPage, mark_of};

/// `GET {base}/login`.
pub(crate) async fn choose(visit: Visit, RawQuery(query): RawQuery) -> Response {
    let (query, waiting) = match visit.asked(query.as_deref()).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    if !query.another {
        match visit.session().await {
            Ok(Some(session)) if visit.tenant.provider(&session.person.provider).is_some() => {
                return visit.enter(session.id, &session.person, waiting).await;
            }
            // Nobody vouches any more for a person whose provider was taken out of the configuration.
            Ok(_) => {}
            Err(response) => return response,
        }
    }
    let offered = visit.offered(waiting.as_ref());
    let hinted = query.hints.provider.as_ref();
    let hinted = offered.iter().find(|provider| Some(&provider.id) == hinted);
    match (hinted, offered.as_slice()) {
        (Some(only), _) | (None, [only]) => visit.begin(&only.id, &query).await,
        _ => visit.choice(&query, waiting.as_ref(), None),
    }
}

/// What somebody gave as their address.
#[derive(Debug, Deserialize)]
pub(crate) struct Email {
    email: String,
}

/// `POST {base}/login`: goes where the people of an address's domain sign in. It is looked up in nothing but the
/// configuration: whether there is such an address is not told.
pub(crate) async fn by_email(
    visit: Visit,
    RawQuery(query): RawQuery,
    form: Result<Form<Email>, FormRejection>,
) -> Response {
    let (mut query, waiting) = match visit.asked(query.as_deref()).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    let Ok(Form(Email { email })) = form else {
        return visit.choice(&query, waiting.as_ref(), Some(String::new()));
    };
    let address = email.trim().parse::<EmailAddress>().ok();
    let offered = visit.offered(waiting.as_ref());
    let found = address.and_then(|address| {
        let mut claiming = offered.iter();
        let provider = claiming.find(|provider| provider.is_for(&address))?;
        Some((provider.id.clone(), address))
    });
    let Some((provider, address)) = found else {
        let shown = email.chars().filter(|c| !c.is_control()).take(254);
        return visit.choice(&query, waiting.as_ref(), Some(shown.collect()));
    };
    query.hints = query.hints.with_login(&address);
    visit.begin(&provider, &query).await
}

impl Visit {
    /// Whom one may sign in with to go where one wants to.
    fn offered(&self, waiting: Option<&Waiting>) -> Vec<&UpstreamProvider> {
        let target = waiting.and_then(|waiting| url::Url::parse(&waiting.sign_in.target).ok());
        match target {
            Some(target) => providers_for(&self.tenant, &target),
            None => self.tenant.providers.iter().collect(),
        }
    }

    /// The page to choose; `failed`: an address that led nowhere.
    fn choice(
        &self,
        query: &LoginQuery,
        waiting: Option<&Waiting>,
        failed: Option<String>,
    ) -> Response {
        let offered = self.offered(waiting);
        let last_used = self.cookies.last_used(&self.tenant.id);
        let choices = offered.iter().map(|provider| ProviderChoice {
            name: provider.name.to_string(),
            mark: mark_of(&provider.name),
            href: self.login_address(&provider.id, query),
            host: host_of(provider),
            last_used: last_used == Some(provider.id.as_str()),
        });
        let base = &self.tenant.base;
        let finds = offered
            .iter()
            .any(|provider| !provider.email_domains.is_empty());
        let status = match failed {
            Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
            None => StatusCode::OK,
        };
        let page = SignInPage {
            target_host: waiting.map(|waiting| waiting.sign_in.host.to_string()),
            notice: query.another.then_some(SignInNotice::AnotherAccount),
            by_email: finds.then(|| ByEmail {
                action: base.address(&format!("/login{}", query.to_query(query.another))),
                failed,
            }),
            providers: choices.collect(),
            contact: self.contact(),
        };
        // The form leads on to a provider, and that perhaps to another host: browsers hold every redirect after a
        // form against `form-action`.
        let scheme = format!("{}:", base.origin.scheme());
        let origins: &[&str] = if finds { &[&scheme] } else { &[] };
        self.page_with_forms(status, &page, origins)
    }
}

/// Where the person will sign in, as far as is known without asking.
fn host_of(provider: &UpstreamProvider) -> String {
    let page = provider.sign_in_page().map(|page| page.address.clone());
    let address = page.or_else(|| match &provider.protocol {
        Protocol::OpenIdConnect(openid) => url::Url::parse(openid.issuer.as_str()).ok(),
        Protocol::OAuth2 {
            authorization_endpoint,
            ..
        } => Some(authorization_endpoint.clone()),
    });
    address
        .and_then(|address| {
            let host = address.host_str()?;
            Some(match address.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            })
        })
        .unwrap_or_default()
}
