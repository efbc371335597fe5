//! `allow` and `[[tenants.apps.rules]]`: who may open what.
//!
//! Invariant: no rule is read as more generous than it was meant. An empty list, a rule that contradicts
//! itself, and one that never gets its turn are faults.

use http::Method;

use super::callers::{ALLOW, LISTS, WHO_KEYS, who};
use super::diagnostics::{Position, nearest};
use super::reader::{Item, Section};
use super::table::{Key, Shape, Table};
use crate::domain::path::CanonicalPath;
use crate::domain::policy::{Policy, Rule};

pub(super) static TABLE: Table = Table::new(
    "[[tenants.apps.rules]]",
    "Who may open what. The first rule whose paths and methods fit decides, whoever asks.",
    &[
        Key::new(
            "paths",
            Shape::List(&Shape::Path),
            "Paths and what is below them, in whole segments. No wildcards.",
        )
        .or("all"),
        Key::new(
            "methods",
            Shape::List(&Shape::Text),
            "Methods, in capitals.",
        )
        .or("all"),
        Key::new(
            "preflight",
            Shape::Flag,
            "A CORS preflight to these paths passes without identity.",
        )
        .or("false"),
    ],
)
.and(WHO_KEYS)
.and(LISTS);

/// Reads the rules of one app. `providers` are the tenant's, as they were written.
pub(super) fn read(app: &Section<'_>, providers: &[&str]) -> Option<Policy> {
    match (app.get("allow"), app.get("rules")) {
        (None, None) => {
            app.fault_with_help(
                "nobody may open this app: it has no rules",
                "add allow = { signed_in = true } for everybody who is signed in, or [[tenants.apps.rules]]",
            );
            None
        }
        (Some(_), Some(rules)) => {
            rules.fault_with_help(
                "this app has both `allow` and `rules`",
                "`allow` is short for one rule about everything: make it the last of the rules",
            );
            None
        }
        (Some(allow), None) => {
            let section = allow.section(&ALLOW)?;
            let who = who(&section, providers);
            section.finish();
            let (allow, networks) = who?;
            Some(Policy::new(vec![Rule {
                networks,
                allow,
                ..Rule::default()
            }]))
        }
        (None, Some(rules)) => {
            let sections = rules.sections(&TABLE);
            if sections.is_empty() {
                rules.fault_with_help(
                    "nobody may open this app: its list of rules is empty",
                    "add allow = { signed_in = true } in its place, or a rule",
                );
            }
            let read: Vec<_> = sections
                .iter()
                .map(|section| rule(section, providers))
                .collect();
            report_unreachable(&sections, &read);
            let rules: Option<Vec<_>> = read.into_iter().collect();
            rules.filter(|rules| !rules.is_empty()).map(Policy::new)
        }
    }
}

fn rule(section: &Section<'_>, providers: &[&str]) -> Option<Rule> {
    let paths = section.get("paths");
    let paths = paths.map_or(Some(Vec::new()), |item| item.list(|item| path(item)));
    let methods = section.get("methods");
    let methods = methods.map_or(Some(Vec::new()), |item| item.list(|item| method(item)));
    let preflight = section
        .get("preflight")
        .map_or(Some(false), |item| item.flag());
    let who = who(section, providers);
    section.finish();
    let (paths, methods, preflight) = (paths?, methods?, preflight?);
    let (allow, networks) = who?;
    Some(Rule {
        paths,
        methods,
        preflight,
        networks,
        allow,
    })
}

fn path(item: &Item<'_>) -> Option<CanonicalPath> {
    let text = item.text()?;
    if text.contains('*') {
        item.fault_with_help(
            format!("{} has a `*`, which is no wildcard here", item.shown()),
            "write the folder: \"/admin\" means itself and everything below it",
        );
        return None;
    }
    if text.contains('?') {
        item.fault_with_help(
            format!("{} has a query", item.shown()),
            "leave out `?` and what follows: rules are about paths",
        );
        return None;
    }
    match CanonicalPath::parse(text) {
        Ok(path) => Some(path),
        Err(error) => {
            item.fault_with_help(
                format!("{} cannot be the path of a rule", item.shown()),
                error.to_string(),
            );
            None
        }
    }
}

/// The IANA registry, without those that no browser or tool sends.
const METHODS: [&str; 22] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
    "ACL",
    "MKCALENDAR",
    "PURGE",
    "QUERY",
];

fn method(item: &Item<'_>) -> Option<Method> {
    let text = item.text()?;
    if METHODS.contains(&text) {
        return text.parse().ok();
    }
    let upper = text.to_ascii_uppercase();
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    let near = nearest(&upper, METHODS);
    if let Some(near) = near {
        item.fault_with_help(
            format!("{} is not a method", item.shown()),
            format!("did you mean \"{near}\"? (methods are compared with their case)"),
        );
        None
    } else if plain {
        text.parse().ok()
    } else {
        item.fault_with_help(
            format!("{} is not a method", item.shown()),
            "write it in capitals: \"GET\"; leave `methods` out for all of them",
        );
        None
    }
}

fn report_unreachable(sections: &[Section<'_>], rules: &[Option<Rule>]) {
    for (index, later) in rules.iter().enumerate() {
        let Some(later) = later else { continue };
        let earlier = rules
            .iter()
            .take(index)
            .position(|rule| rule.as_ref().is_some_and(|rule| shadows(rule, later)));
        let at = |index: usize| sections.get(index).map(Section::position);
        if let (Some(earlier), Some(section)) = (earlier, sections.get(index)) {
            let line = at(earlier).as_ref().map_or(0, Position::line);
            section.fault_with_help(
                format!("this rule is never reached: the one at line {line} covers all of it"),
                "the first rule that covers a path and method decides: put the narrower one first",
            );
        }
    }
}

/// Whether `earlier` covers every request that `later` covers.
fn shadows(earlier: &Rule, later: &Rule) -> bool {
    let paths = earlier.paths.is_empty()
        || earlier.paths.iter().any(|path| path.as_str() == "/")
        || (!later.paths.is_empty()
            && later
                .paths
                .iter()
                .all(|path| earlier.paths.iter().any(|above| path.is_under(above))));
    let methods = earlier.methods.is_empty()
        || (!later.methods.is_empty()
            && later
                .methods
                .iter()
                .all(|method| earlier.methods.contains(method))
            && (earlier.preflight || !later.preflight));
    paths && methods
}
