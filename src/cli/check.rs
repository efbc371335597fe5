//! `doorward check`: what a configuration comes to.

use std::fmt::Write as _;
use std::path::Path;

use super::{Failure, load, say, say_warnings};
use crate::config::Config;
use crate::domain::policy::Rule;
use crate::domain::tenant::ProtectedApp;
use crate::tenants::Directory;

/// An app whose rules cannot be decided, because no trusted proxy tells path and method.
fn undecidable<'a>(config: &Config, directory: &'a Directory) -> Option<&'a ProtectedApp> {
    let proxies = &config.server.trusted_proxies;
    let told = proxies.iter().any(|proxy| proxy.target_headers.is_some());
    let apps = directory.tenants().iter().flat_map(|tenant| &tenant.apps);
    // What we forward ourselves needs nobody to tell.
    let mut apps = apps.filter(|app| app.upstream.is_none());
    let about_targets = |rule: &Rule| !rule.paths.is_empty() || !rule.methods.is_empty();
    apps.find(|app| !told && !proxies.is_empty() && app.policy.rules().iter().any(about_targets))
}

/// Loads the configuration as `serve` would, and prints what its tenants' users will see.
pub(super) fn run(file: &Path) -> Result<(), Failure> {
    let (config, directory) = load(file)?;
    say_warnings(&config);
    let mut out = format!("{} is fine.\n", file.display());
    for tenant in directory.tenants() {
        let _ = write!(
            out,
            "\n{} ({})\n  pages      {}\n",
            tenant.name,
            tenant.id,
            tenant.base.address("/login")
        );
        for provider in &tenant.providers {
            let _ = write!(
                out,
                "  provider   {} ({}, preset {})\n             register this redirect URI there:\n             {}\n",
                provider.name,
                provider.id,
                provider.preset,
                tenant.base.redirect_uri(&provider.id),
            );
        }
        for app in &tenant.apps {
            let hosts: Vec<String> = app.hosts.iter().map(ToString::to_string).collect();
            let rules = app.policy.rules().len();
            let plural = if rules == 1 { "rule" } else { "rules" };
            let _ = writeln!(
                out,
                "  app        {} at {}, {rules} {plural}",
                app.name,
                hosts.join(", ")
            );
            if let Some(upstream) = &app.upstream {
                let (scheme, authority) = (&upstream.scheme, &upstream.authority);
                let _ = writeln!(out, "             forwarded to {scheme}://{authority}");
            }
        }
    }
    let mut apps = directory.tenants().iter().flat_map(|tenant| &tenant.apps);
    let asked_for = apps.any(|app| app.upstream.is_none());
    if config.server.trusted_proxies.is_empty() && asked_for {
        out.push_str(
            "\nNo proxy is trusted: target headers are ignored, and apps with rules about paths answer 403.\n\
             Add [[server.trusted_proxies]] with your proxy's network.\n",
        );
    }
    if let Some(app) = undecidable(&config, &directory) {
        let _ = write!(
            out,
            "\n{} has rules about paths or methods, and no trusted proxy says what is asked for: asked at /oauth2/auth it would answer 403.\n\
             Add `target_headers` to [[server.trusted_proxies]], or have the proxy ask at /api/authz/.\n",
            app.name
        );
    }
    say(out.trim_end());
    Ok(())
}
