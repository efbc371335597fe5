//! Tokens of providers for apps: both must say so, the provider and the app. One alone does nothing, and is told.

use crate::config::{Fault, TenantSettings};

/// Apps that are named and take no token, and headers that take one that nobody gives.
pub(super) fn faults(tenant: &TenantSettings) -> Vec<Fault> {
    let named = || {
        let providers = tenant.providers.iter();
        providers.flat_map(|provider| &provider.tokens.tokens_for_apps)
    };
    let mut faults = Vec::new();
    for name in named() {
        let mut apps = tenant.apps.iter();
        // One that is not there was told when the file was read.
        let Some(app) = apps.find(|app| app.app.id == name.value) else {
            continue;
        };
        if !app.app.takes_tokens() {
            let message = format!("no identity header of app `{}` takes a token", name.value);
            faults.push(Fault::at(name.at.clone(), message).with_help(
                "add X-Forwarded-Access-Token = \"access_token\" to its identity_headers, or leave it out here",
            ));
        }
    }
    // Of what could not be read nothing is missing.
    for app in tenant.apps.iter().filter(|_| tenant.whole) {
        if named().any(|name| name.value == app.app.id) {
            continue;
        }
        for (header, at) in app.app.identity_headers.iter().zip(&app.headers_at) {
            if header.source.is_token() {
                let message = format!(
                    "{} takes a token, and no provider gives its tokens to app `{}`",
                    header.name, app.app.id
                );
                faults.push(Fault::at(at.clone(), message).with_help(format!(
                    "add tokens_for_apps = [\"{}\"] to the provider, or leave the header out",
                    app.app.id
                )));
            }
        }
    }
    faults
}
