//! Changing a token into one of ours (RFC 8693): who may, and who acts for whom in what comes of it.
//!
//! Invariant: the first rule that fits decides, none refuses, and one that cannot be judged refuses too; a chain of
//! actors is bounded, and each of them is named together with its issuer. What is deliberately absent: signatures,
//! clocks, HTTP. The caller brings claims that were verified.

use std::sync::Arc;

use serde_json::{Map, Value};
use time::Duration;

use super::claims::ClaimPath;
use super::expression::{Expression, ExpressionFailed, Known, truth};
use super::ids::{ClientId, TokenExchangeId, TrustedIssuerId};
use super::machine_client::{GrantRefused, Scope, one_audience, scope_within};

/// Most actors in one token: who acts now, and those before (RFC 8693 §4.1).
const MOST_ACTORS: usize = 4;

/// Longest name of an actor, in bytes.
const LONGEST_NAME: usize = 255;

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenOrigin {
    /// An access token of the tenant's own.
    Own,
    /// One of a trusted issuer's.
    Trusted(TrustedIssuerId),
}

/// A rule: which tokens are changed, for whom, and into what.
#[derive(Clone, Debug)]
pub struct TokenExchange {
    /// Its name in logs and metrics.
    pub id: TokenExchangeId,
    /// Whose tokens.
    pub issuers: Vec<TokenOrigin>,
    /// For whom they must be: never whoever happens to be the audience of an API's token.
    pub subject_audiences: Vec<Box<str>>,
    /// Whose `sub` it must be, as the issuer writes it; empty: anybody's.
    pub subjects: Vec<Box<str>>,
    /// What else they must say, all of it.
    pub claims: Vec<RequiredClaim>,
    /// What must be true of their claims.
    pub when: Option<Arc<dyn Expression>>,
    /// Which clients may ask; empty: whoever holds the token, without being a client.
    pub clients: Vec<ClientId>,
    /// Whose tokens may be shown as an actor's (RFC 8693 §2.1); empty: none.
    pub actors: Vec<TokenOrigin>,
    /// Whom the new token can be for.
    pub audiences: Vec<Box<str>>,
    /// What it may allow.
    pub scopes: Vec<Scope>,
    /// How long it is good for at most.
    pub lifetime: Duration,
}

/// A claim that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredClaim {
    /// Where.
    pub claim: ClaimPath,
    /// One of these texts, byte for byte; none: it is there, and not empty.
    pub one_of: Option<Vec<Box<str>>>,
}

impl RequiredClaim {
    /// Whether `claims` say so.
    #[must_use]
    pub fn holds(&self, claims: &Value) -> bool {
        let Some(value) = self.claim.find(claims) else {
            return false;
        };
        match &self.one_of {
            Some(texts) => value
                .as_str()
                .is_some_and(|value| texts.iter().any(|text| **text == *value)),
            None => match value {
                Value::String(text) => !text.is_empty(),
                Value::Array(values) => !values.is_empty(),
                Value::Object(members) => !members.is_empty(),
                _ => true,
            },
        }
    }
}

/// How far a rule fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It does not.
    Not,
    /// But for who asks.
    AllButTheClient,
    /// It decides.
    Whole,
}

impl TokenExchange {
    /// Whether the rule is about a token of `origin` with these claims. That the token is for one of
    /// `subject_audiences` is judged with its signature.
    ///
    /// # Errors
    /// Its condition cannot be judged: then nothing can be said of this rule, nor of those behind it.
    pub fn fit(
        &self,
        (origin, claims): (&TokenOrigin, &Value),
        client: Option<&ClientId>,
        actor: Option<&TokenOrigin>,
    ) -> Result<Fit, ExpressionFailed> {
        let subject = claims.get("sub").and_then(Value::as_str);
        let of_subject = self.subjects.is_empty()
            || subject.is_some_and(|found| self.subjects.iter().any(|it| **it == *found));
        let fits = self.issuers.contains(origin)
            && actor.is_none_or(|actor| self.actors.contains(actor))
            && of_subject
            && self.claims.iter().all(|claim| claim.holds(claims));
        if !fits {
            return Ok(Fit::Not);
        }
        if let Some(when) = &self.when {
            let known = Known {
                claims,
                identity: &Value::Null,
            };
            if !truth(&when.evaluate(known)?)? {
                return Ok(Fit::Not);
            }
        }
        let may_ask = match client {
            None => self.clients.is_empty(),
            Some(client) => self.clients.contains(client),
        };
        Ok(if may_ask {
            Fit::Whole
        } else {
            Fit::AllButTheClient
        })
    }

    /// Whom the new token is for (RFC 8693 §2.1): what is asked for, or the only one that there is.
    ///
    /// # Errors
    /// [`GrantRefused`].
    pub fn audience(&self, asked: Option<&str>) -> Result<&str, GrantRefused> {
        one_audience(&self.audiences, asked)
    }

    /// What it allows. `held`: the scope of the token that is shown, where the new one is for the same audience: it
    /// allows nothing more.
    ///
    /// # Errors
    /// [`GrantRefused::Scope`].
    pub fn scope(&self, asked: Option<&str>, held: Option<&str>) -> Result<String, GrantRefused> {
        let within = |scope: &&str| held.is_none_or(|held| held.split(' ').any(|it| it == *scope));
        scope_within(self.scopes.iter().map(Scope::as_str).filter(within), asked)
    }
}

/// Who acts, as a token that was verified names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor<'a> {
    /// Whose name for them it is.
    pub issuer: &'a str,
    /// The name.
    pub subject: &'a str,
    /// The client, where it is one.
    pub client: Option<&'a str>,
}

/// Why nobody may act so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActRefused {
    /// `may_act` (RFC 8693 §4.4) names somebody else, or cannot be understood whole.
    #[error("`may_act` of the token names somebody else, or says what is not known here")]
    MayAct,
    /// `act` is no chain of actors.
    #[error("`act` of the token is not a chain of actors")]
    Malformed,
    /// There are too many.
    #[error("more than {MOST_ACTORS} have acted for its subject, one for another")]
    TooMany,
}

/// Holds `may_act` of a token of `issuer` against who acts (RFC 8693 §4.4). A name without `iss` is its issuer's.
///
/// # Errors
/// [`ActRefused::MayAct`]; also where it names somebody and nobody is known to act.
pub fn check_may_act(
    claims: &Value,
    issuer: &str,
    actor: Option<Actor<'_>>,
) -> Result<(), ActRefused> {
    let Some(wanted) = claims.get("may_act") else {
        return Ok(());
    };
    let (Some(wanted), Some(actor)) = (wanted.as_object(), actor) else {
        return Err(ActRefused::MayAct);
    };
    let named_by = wanted.get("iss").map_or(Some(issuer), Value::as_str);
    let is_known = |(name, value): (&String, &Value)| match name.as_str() {
        "iss" => true,
        "sub" => value.as_str() == Some(actor.subject),
        "client_id" => value.as_str().is_some() && value.as_str() == actor.client,
        _ => false,
    };
    let names_somebody = wanted.contains_key("sub") || wanted.contains_key("client_id");
    if names_somebody && named_by == Some(actor.issuer) && wanted.iter().all(is_known) {
        Ok(())
    } else {
        Err(ActRefused::MayAct)
    }
}

/// `act` of the new token (RFC 8693 §4.1): `subject`, our name of who acts now, and inside it those who acted before,
/// of whom the token of `issuer` tells. None: nobody acts for anybody. `own` is our issuer, whose names stand alone.
///
/// # Errors
/// [`ActRefused`].
pub fn act(
    claims: &Value,
    issuer: &str,
    own: &str,
    subject: Option<&str>,
) -> Result<Option<Value>, ActRefused> {
    let mut chain = Vec::new();
    if let Some(subject) = subject {
        chain.push(Map::from_iter([("sub".to_owned(), subject.into())]));
    }
    let mut next = claims.get("act");
    while let Some(link) = next {
        if chain.len() == MOST_ACTORS {
            return Err(ActRefused::TooMany);
        }
        let link = link.as_object().ok_or(ActRefused::Malformed)?;
        chain.push(before(link, issuer, own)?);
        next = link.get("act");
    }
    let inside_out = chain.into_iter().rev();
    Ok(inside_out.fold(None, |inner: Option<Value>, mut link| {
        if let Some(inner) = inner {
            link.insert("act".to_owned(), inner);
        }
        Some(link.into())
    }))
}

/// One who acted before, by the names that identify: whatever else is said of them is not passed on.
fn before(
    link: &Map<String, Value>,
    issuer: &str,
    own: &str,
) -> Result<Map<String, Value>, ActRefused> {
    let mut told = Map::new();
    for name in ["iss", "sub", "client_id"] {
        let Some(value) = link.get(name) else {
            continue;
        };
        let text = value.as_str().filter(|text| text.len() <= LONGEST_NAME);
        told.insert(name.to_owned(), text.ok_or(ActRefused::Malformed)?.into());
    }
    if !told.contains_key("sub") && !told.contains_key("client_id") {
        return Err(ActRefused::Malformed);
    }
    if issuer != own {
        told.entry("iss").or_insert_with(|| issuer.into());
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    const THEIRS: &str = "https://issuer.example";
    const OURS: &str = "https://login.example";

    fn origin() -> TokenOrigin {
        TokenOrigin::Trusted("ci".parse().expect("a name"))
    }

    fn rule() -> TokenExchange {
        TokenExchange {
            id: "deploy".parse().expect("a name"),
            issuers: vec![origin()],
            subject_audiences: vec![OURS.into()],
            subjects: Vec::new(),
            claims: Vec::new(),
            when: None,
            clients: Vec::new(),
            actors: Vec::new(),
            audiences: vec!["https://api.example".into()],
            scopes: ["a", "b"].map(|it| it.parse().expect("a scope")).into(),
            lifetime: Duration::minutes(10),
        }
    }

    #[rstest]
    #[case::anybody(rule(), Fit::Whole)]
    #[case::another_issuer(TokenExchange { issuers: vec![TokenOrigin::Own], ..rule() }, Fit::Not)]
    #[case::the_subject(TokenExchange { subjects: vec!["s".into(), "s-1".into()], ..rule() }, Fit::Whole)]
    #[case::part_of_the_subject(TokenExchange { subjects: vec!["s".into()], ..rule() }, Fit::Not)]
    #[case::a_client_is_wanted(TokenExchange { clients: vec!["m".parse().expect("a name")], ..rule() }, Fit::AllButTheClient)]
    fn a_rule_fits_whole_or_not(#[case] rule: TokenExchange, #[case] expected: Fit) {
        let claims = json!({"sub": "s-1"});
        let found = rule.fit((&origin(), &claims), None, None);
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn a_rule_without_clients_is_no_clients_and_one_without_actors_no_actors() {
        let (claims, client) = (json!({"sub": "s"}), "m".parse().expect("a name"));
        let found = rule().fit((&origin(), &claims), Some(&client), None);
        assert_eq!(found, Ok(Fit::AllButTheClient));
        let found = rule().fit((&origin(), &claims), None, Some(&TokenOrigin::Own));
        assert_eq!(found, Ok(Fit::Not));
    }

    #[rstest]
    #[case::text(json!({"repository": "org/app"}), true)]
    #[case::another(json!({"repository": "org/apps"}), false)]
    #[case::case_of_letters(json!({"repository": "Org/app"}), false)]
    #[case::a_list_of_it(json!({"repository": ["org/app"]}), false)]
    #[case::null(json!({"repository": null}), false)]
    #[case::absent(json!({}), false)]
    fn a_claim_is_one_of_the_texts(#[case] claims: Value, #[case] expected: bool) {
        let required = RequiredClaim {
            claim: ClaimPath::new("repository"),
            one_of: Some(vec!["org/app".into()]),
        };
        assert_eq!(required.holds(&claims), expected);
    }

    #[rstest]
    #[case::all_of_the_rule(None, None, Ok("a b"))]
    #[case::held(None, Some("b c"), Ok("b"))]
    #[case::asked_and_held(Some("b"), Some("b c"), Ok("b"))]
    #[case::asked_and_not_held(Some("a"), Some("b c"), Err(GrantRefused::Scope))]
    #[case::held_and_not_the_rules(Some("c"), Some("b c"), Err(GrantRefused::Scope))]
    #[case::nothing_held(None, Some(""), Ok(""))]
    fn a_scope_never_grows(
        #[case] asked: Option<&str>,
        #[case] held: Option<&str>,
        #[case] expected: Result<&str, GrantRefused>,
    ) {
        assert_eq!(rule().scope(asked, held).as_deref(), expected.as_deref());
    }

    const MACHINE: Actor<'static> = Actor {
        issuer: OURS,
        subject: "m",
        client: Some("m"),
    };
    const POD: Actor<'static> = Actor {
        issuer: THEIRS,
        subject: "pod",
        client: None,
    };

    #[rstest]
    #[case::not_said(json!({}), None, true)]
    #[case::nobody_acts(json!({"may_act": {"sub": "pod"}}), None, false)]
    #[case::of_the_same_issuer(json!({"may_act": {"sub": "pod"}}), Some(POD), true)]
    #[case::named_with_issuer(json!({"may_act": {"iss": OURS, "sub": "m"}}), Some(MACHINE), true)]
    #[case::by_client(json!({"may_act": {"iss": OURS, "client_id": "m"}}), Some(MACHINE), true)]
    #[case::of_another_issuer(json!({"may_act": {"sub": "m"}}), Some(MACHINE), false)]
    #[case::another(json!({"may_act": {"sub": "pod2"}}), Some(POD), false)]
    #[case::another_client(json!({"may_act": {"sub": "pod", "client_id": "m"}}), Some(POD), false)]
    #[case::no_name(json!({"may_act": {"iss": THEIRS}}), Some(POD), false)]
    #[case::nothing(json!({"may_act": {}}), Some(POD), false)]
    #[case::null(json!({"may_act": null}), Some(POD), false)]
    #[case::a_list(json!({"may_act": [{"sub": "pod"}]}), Some(POD), false)]
    #[case::more_than_is_known(json!({"may_act": {"sub": "pod", "team": "x"}}), Some(POD), false)]
    fn a15_only_who_may_acts(
        #[case] claims: Value,
        #[case] actor: Option<Actor<'_>>,
        #[case] expected: bool,
    ) {
        assert_eq!(check_may_act(&claims, THEIRS, actor).is_ok(), expected);
    }

    #[rstest]
    #[case::nobody(json!({}), None, Ok(None))]
    #[case::one(json!({}), Some("m"), Ok(Some(json!({"sub": "m"}))))]
    #[case::one_before(
        json!({"act": {"sub": "pod", "groups": ["x"]}}), Some("m"),
        Ok(Some(json!({"sub": "m", "act": {"sub": "pod", "iss": THEIRS}})))
    )]
    #[case::kept(
        json!({"act": {"sub": "pod", "iss": "https://x.example"}}), None,
        Ok(Some(json!({"sub": "pod", "iss": "https://x.example"})))
    )]
    #[case::as_many_as_may(
        json!({"act": {"sub": "1", "act": {"sub": "2", "act": {"client_id": "3"}}}}), Some("m"),
        Ok(Some(json!({"sub": "m", "act": {"sub": "1", "iss": THEIRS, "act": {"sub": "2", "iss": THEIRS, "act": {"client_id": "3", "iss": THEIRS}}}})))
    )]
    #[case::one_more(
        json!({"act": {"sub": "1", "act": {"sub": "2", "act": {"sub": "3", "act": {"sub": "4"}}}}}), Some("m"),
        Err(ActRefused::TooMany)
    )]
    #[case::text(json!({"act": "pod"}), Some("m"), Err(ActRefused::Malformed))]
    #[case::null(json!({"act": null}), Some("m"), Err(ActRefused::Malformed))]
    #[case::nameless(json!({"act": {"iss": THEIRS}}), Some("m"), Err(ActRefused::Malformed))]
    #[case::number(json!({"act": {"sub": 7}}), Some("m"), Err(ActRefused::Malformed))]
    fn a_chain_of_actors_is_told_whole_or_refused(
        #[case] claims: Value,
        #[case] subject: Option<&str>,
        #[case] expected: Result<Option<Value>, ActRefused>,
    ) {
        assert_eq!(act(&claims, THEIRS, OURS, subject), expected);
    }

    #[test]
    fn our_own_names_stand_alone() {
        let claims = json!({"act": {"sub": "pod"}});
        let found = act(&claims, OURS, OURS, Some("m")).expect("a chain");
        assert_eq!(found, Some(json!({"sub": "m", "act": {"sub": "pod"}})));
    }
}
