//! Who holds a token: its claims, as the profile of its issuer maps them.
//!
//! Invariant: what cannot be read as the profile says refuses the token; a list that is known not to be whole is
//! never taken for "none".

use serde_json::Value;

use crate::access::credentials::{NotAccepted, Shared};
use crate::domain::caller::{Caller, Scheme};
use crate::domain::claims::{ClaimPath, texts};
use crate::domain::ids::UserId;
use crate::domain::upstream_provider::{GroupMapping, Place};
use crate::providers::issuers::{IssuerRules, ScopeForm};
use crate::storage::KnownSubject;

/// Most groups, roles, scopes or permissions of a token.
const MOST_NAMES: usize = 1000;

/// The caller that `claims` are about.
pub(super) async fn caller(
    shared: &Shared,
    rules: &IssuerRules,
    claims: &Value,
) -> Result<Caller, NotAccepted> {
    let mapping = &rules.claims;
    let text = |place: &Option<Place>| place.as_ref().and_then(|it| it.path.text(claims));
    let subject_key = rules
        .subject_key(claims)
        .ok_or_else(|| unusable(rules, "nobody is named by it"))?;
    let named = |name: &str| ClaimPath::new(name).text(claims);
    let (issuer, subject) = (named("iss"), named("sub"));
    let mut caller = Caller {
        scheme: Scheme::Bearer,
        // Replaced below: nobody is looked up for a token that is refused.
        user: UserId::from_bytes([0; 16]),
        subject: subject.unwrap_or_else(|| subject_key.clone()),
        issuer: Some(rules.id.clone()),
        provider: rules.provider.clone(),
        client: rules.client.iter().find_map(|path| path.text(claims)),
        name: text(&mapping.name),
        preferred_username: text(&mapping.preferred_username),
        email: mapping.email.1.judge(claims).ok(),
        groups: names(rules, "groups", &mapping.groups, claims)?,
        roles: names(rules, "roles", &mapping.roles, claims)?,
        scopes: scopes(rules, claims)?,
        permissions: permissions(rules, claims)?,
        details: None,
    };
    let known = KnownSubject {
        tenant: &rules.tenant,
        issuer_key: &rules.issuer_key,
        subject_key: &subject_key,
        issuer: issuer.as_deref().unwrap_or(&rules.issuer_key),
        subject: &caller.subject,
    };
    let new = UserId::from_bytes(shared.random.array());
    let now = shared.clock.now();
    caller.user = shared.store.find_or_make_user(&known, new, now).await?;
    Ok(caller)
}

/// About the bytes that a caller takes.
pub(super) fn size(caller: &Caller) -> usize {
    let lists = [
        &caller.groups,
        &caller.roles,
        &caller.scopes,
        &caller.permissions,
    ];
    let lists = lists.into_iter().flat_map(|list| list.iter());
    let texts = [&caller.client, &caller.name, &caller.preferred_username];
    let texts = texts.into_iter().flatten().chain([&caller.subject]);
    let email = caller.email.as_ref().map_or(0, |it| it.as_str().len());
    // They stand in headers too, where apps are told them.
    let bytes: usize = lists.chain(texts).map(|text| 2 * text.len() + 32).sum();
    size_of::<Caller>() + bytes + 2 * email
}

fn unusable(rules: &IssuerRules, why: &str) -> NotAccepted {
    NotAccepted::invalid(&format!("issuer {}: {why}", rules.id))
}

fn names(
    rules: &IssuerRules,
    what: &str,
    lists: &[GroupMapping],
    claims: &Value,
) -> Result<Box<[Box<str>]>, NotAccepted> {
    let mut all: Vec<Box<str>> = Vec::new();
    for list in lists {
        if let Some(mark) = list.mark(std::iter::once(claims)) {
            return Err(unusable(
                rules,
                &format!(
                    "its list of {what} is not whole (`{mark}`): have the issuer send fewer, or roles"
                ),
            ));
        }
        let Some(value) = list.place.path.find(claims) else {
            continue;
        };
        let found = list.names(value);
        let found = found.ok_or_else(|| unusable(rules, &format!("its {what} cannot be read")))?;
        for name in found {
            if !all.contains(&name) {
                all.push(name);
            }
            if all.len() > MOST_NAMES {
                return Err(unusable(rules, &format!("it has too many {what}")));
            }
        }
    }
    Ok(all.into())
}

fn scopes(rules: &IssuerRules, claims: &Value) -> Result<Box<[Box<str>]>, NotAccepted> {
    let mut all: Vec<Box<str>> = Vec::new();
    for value in rules.scopes.iter().filter_map(|path| path.find(claims)) {
        let found: Option<Vec<Box<str>>> = match (value, rules.scope_form) {
            (Value::String(text), ScopeForm::Either | ScopeForm::Text) => {
                Some(text.split_ascii_whitespace().map(Into::into).collect())
            }
            (Value::Array(_), ScopeForm::Either | ScopeForm::List) => texts(value),
            _ => None,
        };
        all.extend(found.ok_or_else(|| unusable(rules, "its scopes cannot be read"))?);
    }
    limited(rules, all, "scopes")
}

fn permissions(rules: &IssuerRules, claims: &Value) -> Result<Box<[Box<str>]>, NotAccepted> {
    let value = rules.permissions.as_ref().and_then(|it| it.find(claims));
    let all = match value {
        None => Vec::new(),
        Some(value) => {
            texts(value).ok_or_else(|| unusable(rules, "its permissions cannot be read"))?
        }
    };
    limited(rules, all, "permissions")
}

fn limited(
    rules: &IssuerRules,
    all: Vec<Box<str>>,
    what: &str,
) -> Result<Box<[Box<str>]>, NotAccepted> {
    if all.len() > MOST_NAMES {
        return Err(unusable(rules, &format!("it has too many {what}")));
    }
    Ok(all.into())
}
