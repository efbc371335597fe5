//! A token of somebody else's, or one of ours, for a narrower one of ours (RFC 8693).
//!
//! Invariant: what comes of it ends no later than what was shown, is for one audience that the rule names, and says
//! who acts wherever that is known.

use serde_json::Value;

use super::OpenIdProvider;
use super::access_token::{IssuedToken, NewToken};
use super::client_authentication::AuthenticatedClient;
use super::client_credentials::target;
use super::refused::TokenRefused;
use super::shown_tokens::{ExchangeAt, Role, ShownToken, TokenType};
use super::token_request::TokenRequest;
use crate::domain::ids::{ClientId, TokenExchangeId};
use crate::domain::tenant::Tenant;
use crate::domain::token_exchange::{Actor, Fit, TokenExchange, TokenOrigin, act, check_may_act};

/// RFC 8693 §2.1.
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What came of an exchange.
#[derive(Debug)]
pub struct ExchangedToken {
    /// The new token.
    pub issued: IssuedToken,
    /// `issued_token_type` (RFC 8693 §2.2.1).
    pub kind: &'static str,
    /// The rule that decided.
    pub rule: TokenExchangeId,
    /// Whose token was shown.
    pub origin: TokenOrigin,
    /// Its `jti`, for the log.
    pub shown: Option<Box<str>>,
    /// About whom both are, by our name.
    pub subject: String,
    /// To whom it was given.
    pub client: String,
    /// Who acts, by our name.
    pub actor: Option<String>,
}

/// The rule, and the tokens that it fits.
struct Chosen<'a> {
    rule: &'a TokenExchange,
    subject: &'a ShownToken<'a>,
    actor: Option<&'a ShownToken<'a>>,
}

impl OpenIdProvider {
    /// Changes the token that is shown in `request` into one of ours; `client` asks, where it is one.
    ///
    /// # Errors
    /// [`TokenRefused`].
    pub async fn exchange(
        &self,
        at: ExchangeAt<'_>,
        client: Option<AuthenticatedClient<'_>>,
        request: &TokenRequest,
    ) -> Result<ExchangedToken, TokenRefused> {
        let kind = wanted(request)?;
        let (subjects, actors) = self.both(&at, request).await?;
        let client = client.map(|client| &client.client().id);
        let chosen = choose(at.tenant, &subjects, actors.as_deref(), client)?;
        let Chosen {
            rule,
            subject,
            actor,
        } = chosen;
        let audience = rule.audience(target(request)?)?;
        let own = subject.origin == TokenOrigin::Own;
        let held = (own && subject.claim("aud") == Some(audience))
            .then(|| subject.claim("scope").unwrap_or_default());
        let scope = rule.scope(request.parameter("scope"), held)?;
        let issuer = at.tenant.base.address("");
        check_may_act(
            subject.token.claims(),
            subject.token.issuer().unwrap_or_default(),
            acting(actor, client, &issuer),
        )?;
        let name = self.name_of(at.tenant, Role::Subject, subject).await?;
        let acts = match actor {
            Some(actor) => Some(self.name_of(at.tenant, Role::Actor, actor).await?),
            None => client.map(ToString::to_string),
        };
        // Nobody acts for themselves.
        let acts = acts.filter(|actor| *actor != name);
        let chain = act(
            subject.token.claims(),
            subject.token.issuer().unwrap_or_default(),
            &issuer,
            acts.as_deref(),
        )?;
        let latest = [Some(subject), actor].into_iter().flatten();
        let latest = latest.filter_map(|shown| shown.token.expires_at()).min();
        let client = given_to(rule, subject, client);
        let new = NewToken {
            subject: &name,
            client: &client,
            audience,
            scope,
            life: rule.lifetime,
            latest: Some(latest.ok_or(TokenRefused::Over)?),
            act: chain.as_ref(),
        };
        Ok(ExchangedToken {
            issued: self.issue(at.tenant, new)?,
            kind,
            rule: rule.id.clone(),
            origin: subject.origin.clone(),
            shown: subject.token.id().map(Into::into),
            subject: name,
            client,
            actor: acts,
        })
    }

    /// `subject_token`, and `actor_token` where it is there.
    async fn both<'a>(
        &self,
        at: &ExchangeAt<'a>,
        request: &TokenRequest,
    ) -> Result<(Vec<ShownToken<'a>>, Option<Vec<ShownToken<'a>>>), TokenRefused> {
        let kind =
            |name| TokenType::read(request.required(name)?).ok_or(TokenRefused::Parameter(name));
        let subject = (
            request.required("subject_token")?,
            kind("subject_token_type")?,
        );
        let actor = match (
            request.parameter("actor_token"),
            request.parameter("actor_token_type"),
        ) {
            (None, None) => None,
            (None, Some(_)) => return Err(TokenRefused::Parameter("actor_token")),
            (Some(token), _) => Some((token, kind("actor_token_type")?)),
        };
        let subjects = self.shown(at, Role::Subject, subject).await?;
        let actors = match actor {
            None => None,
            Some(actor) => Some(self.shown(at, Role::Actor, actor).await?),
        };
        Ok((subjects, actors))
    }
}

/// `requested_token_type`: all our tokens are both (RFC 8693 §3).
fn wanted(request: &TokenRequest) -> Result<&'static str, TokenRefused> {
    match request.parameter("requested_token_type") {
        None | Some(TokenType::ACCESS) => Ok(TokenType::ACCESS),
        Some(TokenType::JWT) => Ok(TokenType::JWT),
        Some(_) => Err(TokenRefused::Parameter("requested_token_type")),
    }
}

/// The first rule that fits. What is for the audiences of one rule is not tried with those of another.
fn choose<'a>(
    tenant: &'a Tenant,
    subjects: &'a [ShownToken<'a>],
    actors: Option<&'a [ShownToken<'a>]>,
    client: Option<&ClientId>,
) -> Result<Chosen<'a>, TokenRefused> {
    let actors: Vec<_> = match actors {
        None => vec![None],
        Some(actors) => actors.iter().map(Some).collect(),
    };
    let mut nearly = false;
    for rule in &tenant.token_exchanges {
        for subject in subjects.iter().filter(|it| it.is_for(rule)) {
            let actors = actors.iter().copied();
            for actor in actors.filter(|it| it.is_none_or(|it| it.is_for(rule))) {
                let shown = (&subject.origin, subject.token.claims());
                let fit = rule.fit(shown, client, actor.map(|it| &it.origin));
                match fit.map_err(TokenRefused::Condition)? {
                    Fit::Whole => {
                        return Ok(Chosen {
                            rule,
                            subject,
                            actor,
                        });
                    }
                    Fit::AllButTheClient => nearly = true,
                    Fit::Not => {}
                }
            }
        }
    }
    Err(if nearly {
        TokenRefused::NotThisClient
    } else {
        TokenRefused::NoRule
    })
}

/// Who acts, by the names that a token's `may_act` can know.
fn acting<'a>(
    actor: Option<&'a ShownToken<'_>>,
    client: Option<&'a ClientId>,
    issuer: &'a str,
) -> Option<Actor<'a>> {
    match (actor, client) {
        (Some(actor), _) => Some(Actor {
            issuer: actor.token.issuer()?,
            subject: actor.token.subject()?,
            client: actor.claim("client_id"),
        }),
        (None, Some(client)) => Some(Actor {
            issuer,
            subject: client.as_str(),
            client: Some(client.as_str()),
        }),
        (None, None) => None,
    }
}

/// `client_id` (RFC 9068 §2.2): the client that asks; else whoever has the token that was shown. Of other issuers'
/// clients we have no names: there it is a name that no client has.
fn given_to(rule: &TokenExchange, subject: &ShownToken<'_>, client: Option<&ClientId>) -> String {
    let of_token = || {
        let own = subject.origin == TokenOrigin::Own;
        let client = subject.token.claims().get("client_id").filter(|_| own);
        client.and_then(Value::as_str).map(ToOwned::to_owned)
    };
    client
        .map(ToString::to_string)
        .or_else(of_token)
        .unwrap_or_else(|| format!("exchange:{}", rule.id))
}
