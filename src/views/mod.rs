//! Pages, rendered on the server from templates that the binary carries and a folder may replace.
//!
//! Invariant: what a page says about a person, a provider or an address reaches the HTML escaped, and
//! every link and form leads to an http(s) address or to `mailto:`; a value that would not is an error,
//! never a page. Each template belongs to one context type (the table below), and a template
//! that does not fit its context is found when the process starts, not when a person meets it.
//!
//! Deliberately absent: HTTP. The web layer chooses status and headers; [`content_security_policy`] is
//! here because it follows from what the templates contain: one inline style, no script, nothing fetched.

mod browser;
mod chrome;
mod demo;
mod environment;
mod error_page;
mod login_loop;
mod not_let_in;
mod parts;
mod refused;
mod samples;
mod sessions;
mod sign_in;
mod sign_out;
mod templates;
#[cfg(test)]
mod tests;

use std::path::Path;

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Serialize;

pub use browser::browser_in_words;
pub use chrome::{Chrome, TenantChrome, mark_of};
pub use demo::{DemoAppLink, DemoAppPage, DemoHeader, DemoSignInPage, DemoUser};
pub use error_page::{ErrorPage, OtherProvider, RequestStamp};
pub use login_loop::LoopCause;
pub use parts::{Account, Contact, HiddenField, Incident, Link, Moment};
pub use refused::{RefusedClass, RefusedPage};
pub use sessions::{SessionEntry, SessionsPage};
pub use sign_in::{ByEmail, ProviderChoice, SignInNotice, SignInPage};
pub use sign_out::{Ended, SignOutPage, SignedOutPage, StillSignedIn, StillSignedInBecause};
pub use templates::ViewsFault;

/// The name of the hidden form field that carries a page's `csrf` value.
pub const CSRF_FIELD: &str = "csrf";

/// What is sent when even the page for internal errors cannot be rendered.
pub const LAST_RESORT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><title>Something failed on our side</title>\
    <h1>Something failed on our side</h1><p>Try again in a few minutes.</p></html>";

/// A page: the context of one template.
pub trait Page: Serialize + samples::Samples {
    /// The template it fills, as named below `templates/`.
    const TEMPLATE: &'static str;
}

/// Ties each template to the type that fills it, and lists what they are checked with.
macro_rules! pages {
    ($($template:literal => $context:ty),+ $(,)?) => {
        $(impl Page for $context {
            const TEMPLATE: &'static str = $template;
        })+

        /// Every page with data such as it meets: template, name of the sample, context.
        fn page_samples() -> Vec<(&'static str, &'static str, Value)> {
            let mut all = Vec::new();
            $(for (name, page) in <$context as samples::Samples>::samples() {
                all.push(($template, name, Value::from(Serde(&page))));
            })+
            all
        }
    };
}

pages! {
    "pages/sign_in.html" => SignInPage,
    "pages/refused.html" => RefusedPage,
    "pages/sign_out.html" => SignOutPage,
    "pages/signed_out.html" => SignedOutPage,
    "pages/sessions.html" => SessionsPage,
    "pages/error.html" => ErrorPage,
    "demo/app.html" => DemoAppPage,
    "demo/sign_in.html" => DemoSignInPage,
}

/// Why a page could not be rendered: a fault of ours or of a replaced template. For the log; it may
/// name values of the page, so it is never shown to people ([`LAST_RESORT`] is).
#[derive(Debug, thiserror::Error)]
#[error("the page `{template}` cannot be rendered: {source}")]
pub struct RenderError {
    /// Which template.
    pub template: &'static str,
    /// What the engine says.
    #[source]
    source: minijinja::Error,
}

/// All templates, compiled.
#[derive(Debug)]
pub struct Views {
    environment: Environment<'static>,
}

impl Views {
    /// Loads the templates of the binary, replaced by files of the same name below `overrides`
    /// (`pages/sign_in.html`, `style.css`, …), and renders each page once with sample data.
    ///
    /// # Errors
    /// A file that cannot be read, that replaces nothing, that is not a template, or that does not fit
    /// the page it is for.
    pub fn new(overrides: Option<&Path>) -> Result<Self, ViewsFault> {
        let mut environment = environment::strict();
        templates::load(&mut environment, overrides)?;
        let views = Self { environment };
        if overrides.is_some() {
            views.rehearse()?;
        }
        Ok(views)
    }

    /// The HTML of `page`.
    ///
    /// # Errors
    /// A fault in a template, or an address in `page` that is neither http(s) nor `mailto:`.
    pub fn render<P: Page>(&self, page: &P, chrome: &Chrome) -> Result<String, RenderError> {
        self.render_value(P::TEMPLATE, Value::from(Serde(page)), chrome)
            .map_err(|source| RenderError {
                template: P::TEMPLATE,
                source,
            })
    }

    fn render_value(
        &self,
        template: &str,
        page: Value,
        chrome: &Chrome,
    ) -> Result<String, minijinja::Error> {
        let chrome = Value::from(Serde(chrome));
        self.environment
            .get_template(template)?
            .render(context! { page, chrome, csrf_field => CSRF_FIELD })
    }

    /// Finds out at the start what a person would otherwise find.
    fn rehearse(&self) -> Result<(), ViewsFault> {
        for (template, _, page) in page_samples() {
            for chrome in [Chrome::bare("nonce"), samples::acme()] {
                self.render_value(template, page.clone(), &chrome)
                    .map_err(|source| ViewsFault::DoesNotFit { template, source })?;
            }
        }
        Ok(())
    }
}

/// The Content-Security-Policy (CSP Level 3) that the pages need: the one inline style with its nonce,
/// the tab's icon from a `data:` address, forms to this host, nothing else.
///
/// `form_sources` are further places that a form may lead to: origins, or `https:`. Chromium applies
/// `form-action` to every redirect that follows a form, so the sign-out page needs them where sign-out
/// continues at a provider (`https:` if that one may redirect onwards), and so does the demo provider.
#[must_use]
pub fn content_security_policy(style_nonce: &str, form_sources: &[&str]) -> String {
    let mut policy = format!(
        "default-src 'none'; style-src 'nonce-{style_nonce}'; img-src data:; base-uri 'none'; \
         frame-ancestors 'none'; form-action 'self'"
    );
    for source in form_sources {
        policy.push(' ');
        policy.push_str(source);
    }
    policy
}
