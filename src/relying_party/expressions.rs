//! Facts that expressions of the operator make of a person.
//!
//! Invariant: all see the person as they stood before; none makes somebody else of them or an address count; one
//! that fails ends the sign-in.

use std::sync::Arc;

use serde_json::{Value, json};

use super::UpstreamTrouble;
use crate::domain::claim_changes::Expressions;
use crate::domain::email::EmailAddress;
use crate::domain::expression::{self, Expression, ExpressionFailed, Known};
use crate::domain::identity::Profile;
use crate::domain::profile_values;

/// What expressions call `identity`. `emails` are all that count.
pub(super) fn identity(profile: &Profile, emails: &[EmailAddress]) -> Value {
    json!({
        "subject": profile.subject,
        "name": profile.name,
        "preferred_username": profile.preferred_username,
        "email": profile.email,
        "emails": emails,
        "groups": profile.groups,
        "roles": profile.roles,
        "picture": profile.picture,
        "locale": profile.locale,
    })
}

/// Puts in what the expressions make.
pub(super) fn apply(
    expressions: &Expressions,
    profile: &mut Profile,
    emails: &[EmailAddress],
    claims: &Value,
) -> Result<(), UpstreamTrouble> {
    let before = identity(profile, emails);
    let known = Known {
        claims,
        identity: &before,
    };
    let text = |setting| made(setting, known, expression::text);
    if let Some(name) = &expressions.name {
        profile.name = text(("name", name))?;
    }
    if let Some(username) = &expressions.preferred_username {
        profile.preferred_username = text(("preferred_username", username))?;
    }
    if let Some(picture) = &expressions.picture {
        profile.picture = text(("picture", picture))?.and_then(|it| profile_values::picture(&it));
    }
    if let Some(locale) = &expressions.locale {
        profile.locale = text(("locale", locale))?.and_then(|it| profile_values::locale(&it));
    }
    if let Some(email) = &expressions.email {
        profile.email = made(("email", email), known, |answer| chosen(answer, emails))?;
    }
    if let Some(groups) = &expressions.groups {
        profile.groups = made(("groups", groups), known, expression::names)?;
    }
    if let Some(roles) = &expressions.roles {
        profile.roles = made(("roles", roles), known, expression::names)?;
    }
    Ok(())
}

fn made<T>(
    (setting, expression): (&'static str, &Arc<dyn Expression>),
    known: Known<'_>,
    read: impl FnOnce(Value) -> Result<T, ExpressionFailed>,
) -> Result<T, UpstreamTrouble> {
    let answer = expression.evaluate(known).and_then(read);
    answer.map_err(|why| UpstreamTrouble::Expression { setting, why })
}

/// One of the addresses that count, or none.
fn chosen(
    answer: Value,
    emails: &[EmailAddress],
) -> Result<Option<EmailAddress>, ExpressionFailed> {
    let Some(text) = expression::text(answer)? else {
        return Ok(None);
    };
    let address = text.parse().ok().filter(|address| emails.contains(address));
    let none = || ExpressionFailed("it gives an address that does not count".into());
    address.map(Some).ok_or_else(none)
}
