//! `doorward check`: what a configuration comes to.

use std::fmt::{Display, Write as _};
use std::path::Path;

use super::{Failure, load, say, say_warnings};
use crate::config::{Config, TargetHeaders};
use crate::domain::condition::When;
use crate::domain::logout::{Logout, LogoutValue};
use crate::domain::policy::{Allow, Requirements, Rule};
use crate::domain::tenant::{ProtectedApp, Tenant};
use crate::tenants::Directory;

/// Loads the configuration as `serve` would, and prints what its tenants' users will see.
pub(super) fn run(file: &Path) -> Result<(), Failure> {
    let (config, directory) = load(file)?;
    say_warnings(&config);
    say(summary(&config, &directory).trim_end());
    Ok(())
}

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

/// All of it, for people. Writing to a `String` cannot fail.
fn summary(config: &Config, directory: &Directory) -> String {
    let mut out = format!("{} is fine.\n\n", config.file.display());
    let server = &config.server;
    let scheme = if server.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let _ = writeln!(out, "Listens on {scheme}://{}", server.listen);
    if let Some(listen) = config.operations.listen {
        let _ = writeln!(out, "Health and metrics on http://{listen}");
    }
    if let Some(listen) = config.ext_authz.listen {
        let _ = writeln!(out, "Envoy asks over gRPC on {listen}");
    }
    for proxy in &server.trusted_proxies {
        let told = match proxy.target_headers {
            Some(TargetHeaders::XOriginal) => "tells what is asked for in X-Original-*",
            Some(TargetHeaders::XForwarded) => "tells what is asked for in X-Forwarded-*",
            None => {
                "asks at /api/authz/… (no `target_headers`: right for every recipe but nginx.conf)"
            }
        };
        let _ = writeln!(
            out,
            "Trusts the proxy at {}, which {told}",
            list(&proxy.networks)
        );
    }
    for tenant in directory.tenants() {
        describe(tenant, &mut out);
    }
    for remark in remarks(config, directory) {
        let _ = write!(out, "\n{remark}\n");
    }
    out
}

fn describe(tenant: &Tenant, out: &mut String) {
    let base = &tenant.base;
    let pages = base.address("/login");
    let _ = write!(
        out,
        "\n{} ({})\n  pages      {pages}\n",
        tenant.name, tenant.id
    );
    if let Some(cookie) = &tenant.parent_cookie {
        let (domain, hosts) = (cookie.domain.name(), list(&cookie.hosts));
        let _ = writeln!(out, "  cookie     for {domain}, which counts at {hosts}");
    }
    for provider in &tenant.providers {
        let _ = write!(
            out,
            "  provider   {} ({}, preset {})\n             register this redirect URI there:\n             {}\n",
            provider.name,
            provider.id,
            provider.preset,
            base.redirect_uri(&provider.id),
        );
        if returns(&provider.logout) {
            let _ = write!(
                out,
                "             and this address for after a sign-out:\n             {}\n",
                base.address("/signed-out")
            );
        }
        let notices = provider.logout_notices;
        for (told, what) in [
            (notices.back_channel, "backchannel-logout"),
            (notices.front_channel, "frontchannel-logout"),
        ] {
            if told {
                let _ = write!(
                    out,
                    "             and this one for {}, if it is to tell of sign-outs:\n             {}\n",
                    what.replace("channel-", "-channel "),
                    base.address(&format!("/login/{}/{what}", provider.id))
                );
            }
        }
    }
    for app in &tenant.apps {
        let hosts = list(&app.hosts);
        let _ = writeln!(out, "  app        {} ({}) at {hosts}", app.name, app.id);
        if let Some(upstream) = &app.upstream {
            let (scheme, authority) = (&upstream.scheme, &upstream.authority);
            let _ = writeln!(out, "             forwarded to {scheme}://{authority}");
        }
        let mut rest = "everything";
        for rule in app.policy.rules() {
            let (place, who) = (place(rule, rest), who(&rule.allow));
            let _ = writeln!(out, "             {place}: {who}");
            rest = "everything else";
        }
    }
}

/// Whether people come back to us after a sign-out there.
fn returns(logout: &Logout) -> bool {
    let Logout::Redirect(redirect) = logout else {
        return false;
    };
    let mut values = redirect.parameters.iter().map(|(_, value)| value);
    values.any(|value| matches!(value, LogoutValue::ReturnAddress))
}

/// What a rule is about, where `rest` is what those before it left.
fn place(rule: &Rule, rest: &str) -> String {
    let mut place = match (rule.methods.is_empty(), rule.paths.is_empty()) {
        (true, true) => rest.into(),
        (true, false) => list(&rule.paths),
        (false, true) => format!("{} of {rest}", list(&rule.methods)),
        (false, false) => format!("{} of {}", list(&rule.methods), list(&rule.paths)),
    };
    if rule.preflight {
        place.push_str(" (CORS preflights pass)");
    }
    if !rule.networks.is_empty() {
        let _ = write!(place, " from {}", either(&rule.networks));
    }
    place
}

fn who(allow: &Allow) -> String {
    let requirements = match allow {
        Allow::Nobody => return "nobody".into(),
        Allow::Public => return "anybody, signed in or not".into(),
        Allow::SignedIn(requirements) => requirements,
    };
    let told = told(requirements);
    if told.is_empty() {
        "anybody who is signed in".into()
    } else {
        format!("who {told}")
    }
}

/// What a caller has to fit, in words; nothing where everybody who is known does.
pub(super) fn told(requirements: &Requirements) -> String {
    let Requirements {
        schemes,
        providers,
        issuers,
        clients,
        users,
        email_domains,
        emails,
        groups,
        all_groups,
        roles,
        all_roles,
        permissions,
        all_permissions,
        scopes,
        all_scopes,
        when,
        any_of,
    } = requirements;
    let schemes: Vec<_> = schemes.iter().map(|scheme| scheme.as_str()).collect();
    let any_of: Vec<_> = any_of.iter().map(told).collect();
    let when = when.as_ref().map(|when| format!("`{}`", one_line(when)));
    let lists = [
        ("is the user", either(users)),
        ("has an address at", either(email_domains)),
        ("has the address", either(emails)),
        ("is in", either(groups)),
        ("is in", both(all_groups)),
        ("has the role", either(roles)),
        ("has the roles", both(all_roles)),
        ("signed in through", either(providers)),
        ("is known by", either(&schemes)),
        ("has a token of", either(issuers)),
        ("uses the client", either(clients)),
        ("has the permission", either(permissions)),
        ("has the permissions", both(all_permissions)),
        ("has a token with the scope", either(scopes)),
        ("has a token with the scopes", both(all_scopes)),
        ("fits", when.unwrap_or_default()),
        ("either", any_of.join(", or ")),
    ];
    let given = lists.iter().filter(|(_, entries)| !entries.is_empty());
    let given: Vec<_> = given.map(|(what, all)| format!("{what} {all}")).collect();
    given.join(", and ")
}

/// An expression, without the line breaks that it was written with.
pub(super) fn one_line(when: &When) -> String {
    let text = when.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn list(all: &[impl Display]) -> String {
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    all.join(", ")
}

fn either(all: &[impl Display]) -> String {
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    all.join(" or ")
}

fn both(all: &[impl Display]) -> String {
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    all.join(" and ")
}

/// What can be right, and often is not.
fn remarks(config: &Config, directory: &Directory) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut apps = directory.tenants().iter().flat_map(|tenant| &tenant.apps);
    let asked_for = apps.any(|app| app.upstream.is_none());
    if config.server.trusted_proxies.is_empty() && asked_for {
        remarks.push(
            "No proxy is trusted: target headers are ignored, and apps with rules about paths answer 403.\n\
             Add [[server.trusted_proxies]] with your proxy's network."
                .into(),
        );
    }
    if let Some(app) = undecidable(config, directory) {
        remarks.push(format!(
            "{} has rules about paths or methods, and no trusted proxy says what is asked for: asked at /oauth2/auth it would answer 403.\n\
             Add `target_headers` to [[server.trusted_proxies]], or have the proxy ask at /api/authz/.",
            app.name
        ));
    }
    if let Some(certificate) = &config.server.tls {
        let hosts = directory.tenants().iter().map(|tenant| &tenant.base.host);
        let others = hosts.filter(|host| !certificate.is_for(host.name()));
        let mut others: Vec<_> = others.map(ToString::to_string).collect();
        others.dedup();
        if !others.is_empty() {
            remarks.push(format!(
                "The certificate is not for {}: browsers that reach Doorward without a proxy will refuse it.",
                others.join(", ")
            ));
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::providers::Presets;

    fn summary_of(text: &str) -> String {
        let environment: BTreeMap<String, String> = [
            (
                "DOORWARD_SEALING_KEY",
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            ),
            ("ACME_CLIENT_SECRET", "hunter2-canary"),
            ("ACME_GITHUB_SECRET", "hunter2-canary"),
            ("GLOBEX_CLIENT_SECRET", "hunter2-canary"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let config = crate::config::parse(text, Path::new("doorward.toml"), &environment);
        let config = config.map_err(|faults| faults.to_string()).expect("right");
        let presets = Presets::load(None).expect("presets");
        let directory = Directory::build(&config, &presets, 1).expect("right");
        let summary = summary(&config, &directory);
        assert!(!summary.contains("canary"), "{summary}");
        summary
    }

    #[test]
    fn the_example_in_words() {
        let text = include_str!("../../docs/examples/doorward.toml");
        insta::assert_snapshot!(summary_of(text), @r"
        doorward.toml is fine.

        Listens on http://127.0.0.1:4180
        Health and metrics on http://127.0.0.1:4181
        Trusts the proxy at 127.0.0.1/32, ::1/128, which tells what is asked for in X-Original-*

        Acme (acme)
          pages      https://login.acme.example/login
          provider   Acme staff (keycloak, preset oidc)
                     register this redirect URI there:
                     https://login.acme.example/login/keycloak/callback
                     and this address for after a sign-out:
                     https://login.acme.example/signed-out
                     and this one for back-channel logout, if it is to tell of sign-outs:
                     https://login.acme.example/login/keycloak/backchannel-logout
                     and this one for front-channel logout, if it is to tell of sign-outs:
                     https://login.acme.example/login/keycloak/frontchannel-logout
          provider   GitHub (github, preset github)
                     register this redirect URI there:
                     https://login.acme.example/login/github/callback
          app        Wiki (wiki) at wiki.acme.example, *.wiki.acme.example
                     /health: anybody, signed in or not
                     /admin: who is in admins, and signed in through keycloak
                     everything else: anybody who is signed in
          app        Grafana (grafana) at grafana.acme.example
                     everything: who has an address at acme.example

        Globex (globex)
          pages      https://login.example.com/t/globex/login
          provider   Globex account (legacy, preset oauth2)
                     register this redirect URI there:
                     https://login.example.com/t/globex/login/legacy/callback
          app        Shop (shop) at shop.globex.example
                     everything: anybody who is signed in
        ");
    }

    #[test]
    fn what_is_odd_is_remarked_upon() {
        let text = include_str!("../../docs/examples/doorward.toml");
        let silent = text.replacen("target_headers = \"x-original\"", "", 1);
        let summary = summary_of(&silent);
        assert!(
            summary.contains("Wiki has rules about paths or methods, and no"),
            "{summary}"
        );
        let nobody = text
            .replacen("[[server.trusted_proxies]]", "", 1)
            .replacen("networks = [\"127.0.0.1/32\", \"::1/128\"]", "", 1)
            .replacen("target_headers = \"x-original\"", "", 1);
        let summary = summary_of(&nobody);
        assert!(summary.contains("No proxy is trusted"), "{summary}");
    }
}
