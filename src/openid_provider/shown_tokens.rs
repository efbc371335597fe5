//! Tokens that are shown to be exchanged: whose they are, by the rules of their issuers.
//!
//! Invariant: a token is judged as bearers are, by the keys and rules of the issuer that it names, and for the
//! audiences that are expected here instead of those of apps; one whose issuer cannot be asked for its keys, or of
//! which it is not known whether it was revoked, is neither taken nor called bad.

use serde_json::Value;

use super::OpenIdProvider;
use super::refused::TokenRefused;
use crate::domain::ids::{TenantId, UserId};
use crate::domain::tenant::Tenant;
use crate::domain::token_exchange::{TokenExchange, TokenOrigin};
use crate::jose::{BearerAnswer, TokenKind, UnverifiedToken, VerifiedToken};
use crate::providers::issuers::IssuerRules;
use crate::signing::NotSigned;
use crate::storage::KnownSubject;
use crate::tenants::TenantTokens;

/// Whether a token of a trusted issuer was revoked here. None: there is no news, and nobody knows.
pub type IsRevoked<'a> = dyn Fn(&TenantId, &VerifiedToken) -> Option<bool> + Sync + 'a;

/// A tenant, and whose tokens it changes, in one snapshot of the configuration.
#[derive(Clone, Copy)]
pub struct ExchangeAt<'a> {
    /// The tenant.
    pub tenant: &'a Tenant,
    /// Its trusted issuers.
    pub tokens: &'a TenantTokens,
    /// What was revoked.
    pub is_revoked: &'a IsRevoked<'a>,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `subject_token`.
    Subject,
    /// `actor_token`.
    Actor,
}

impl std::fmt::Display for Role {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Subject => "subject",
            Self::Actor => "actor",
        })
    }
}

/// What whoever shows a token says that it is (RFC 8693 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenType {
    Access,
    Jwt,
    Identity,
}

impl TokenType {
    pub(super) const ACCESS: &'static str = "urn:ietf:params:oauth:token-type:access_token";
    pub(super) const JWT: &'static str = "urn:ietf:params:oauth:token-type:jwt";

    pub(super) fn read(text: &str) -> Option<Self> {
        match text {
            Self::ACCESS => Some(Self::Access),
            Self::JWT => Some(Self::Jwt),
            "urn:ietf:params:oauth:token-type:id_token" => Some(Self::Identity),
            _ => None,
        }
    }

    /// The rules of the issuer say what its tokens are.
    const fn is_of(self, kind: TokenKind) -> bool {
        match self {
            Self::Jwt => !matches!(kind, TokenKind::Attestation),
            Self::Access => matches!(kind, TokenKind::Access | TokenKind::AccessWithNonce),
            Self::Identity => matches!(kind, TokenKind::Identity),
        }
    }
}

/// A token that is good, and by whose rules.
#[derive(Debug)]
pub(super) struct ShownToken<'a> {
    pub(super) origin: TokenOrigin,
    rules: Option<&'a IssuerRules>,
    pub(super) token: VerifiedToken,
}

impl ShownToken<'_> {
    /// Whether it is for one of the audiences of this rule.
    pub(super) fn is_for(&self, rule: &TokenExchange) -> bool {
        if let Some(rules) = self.rules {
            let narrowed = rules.with_audiences(&rule.subject_audiences);
            return self.token.is_for(&narrowed.rules);
        }
        let audience = self.claim("aud");
        audience.is_some_and(|found| rule.subject_audiences.iter().any(|it| **it == *found))
    }

    /// A claim that is text.
    pub(super) fn claim(&self, name: &str) -> Option<&str> {
        self.token.claims().get(name).and_then(Value::as_str)
    }
}

impl OpenIdProvider {
    /// The token, once for each issuer whose rules it keeps: of one address there can be several.
    pub(super) async fn shown<'a>(
        &self,
        at: &ExchangeAt<'a>,
        role: Role,
        (token, kind): (&str, TokenType),
    ) -> Result<Vec<ShownToken<'a>>, TokenRefused> {
        let refused = |why| TokenRefused::Shown(role, why);
        let unverified = UnverifiedToken::read(token).map_err(refused)?;
        let issuer = unverified.issuer().unwrap_or_default().to_owned();
        let mut good = Vec::new();
        if issuer == at.tenant.base.address("") && kind != TokenType::Identity {
            good.extend(self.own(at.tenant, token).await?);
        }
        let mut last = TokenRefused::NobodysToken(role);
        let named = at.tokens.exchanged.iter();
        for rules in named.filter(|rules| rules.is_named(&issuer) && kind.is_of(rules.rules.kind)) {
            let keyed = self.outside.rules(rules).await;
            let keyed = keyed.map_err(|why| TokenRefused::IssuerUnavailable(why.0))?;
            let unverified = UnverifiedToken::read(token).map_err(refused)?;
            match self.verifier.verify(unverified, &keyed).await {
                Ok(token) => good.push(ShownToken {
                    origin: TokenOrigin::Trusted(rules.id.clone()),
                    rules: Some(rules),
                    token,
                }),
                Err(why) if why.answer() == BearerAnswer::Unavailable => {
                    return Err(TokenRefused::IssuerUnavailable(why.to_string().into()));
                }
                Err(why) => last = refused(why),
            }
        }
        // Behind every wait: what was revoked meanwhile is known by now.
        for one in &good {
            match (at.is_revoked)(&at.tenant.id, &one.token) {
                None => return Err(NotSigned::NoNews.into()),
                Some(true) => return Err(TokenRefused::ShownRevoked(role)),
                Some(false) => {}
            }
        }
        if good.is_empty() { Err(last) } else { Ok(good) }
    }

    async fn own<'a>(
        &self,
        tenant: &Tenant,
        token: &str,
    ) -> Result<Option<ShownToken<'a>>, TokenRefused> {
        let rules = tenant.token_exchanges.iter();
        let naming = rules.filter(|rule| {
            rule.issuers.contains(&TokenOrigin::Own) || rule.actors.contains(&TokenOrigin::Own)
        });
        let audiences: Vec<&str> = naming
            .flat_map(|rule| rule.subject_audiences.iter().map(AsRef::as_ref))
            .collect();
        if audiences.is_empty() {
            return Ok(None);
        }
        let verified = self.read_back(tenant, token, Some(&audiences)).await?;
        Ok(verified.map(|token| ShownToken {
            origin: TokenOrigin::Own,
            rules: None,
            token,
        }))
    }

    /// Our name of whoever a token is about: of tokens of ours what they say, of others the id that the same caller
    /// has at apps.
    pub(super) async fn name_of(
        &self,
        tenant: &Tenant,
        role: Role,
        shown: &ShownToken<'_>,
    ) -> Result<String, TokenRefused> {
        let Some(rules) = shown.rules else {
            let subject = shown.claim("sub").map(ToOwned::to_owned);
            return subject.ok_or(TokenRefused::NobodyNamed(role));
        };
        let subject_key = rules
            .subject_key(shown.token.claims())
            .ok_or(TokenRefused::NobodyNamed(role))?;
        let known = KnownSubject {
            tenant: &tenant.id,
            issuer_key: &rules.issuer_key,
            subject_key: &subject_key,
            issuer: shown.token.issuer().unwrap_or(&rules.issuer_key),
            subject: shown.token.subject().unwrap_or(&subject_key),
        };
        let new = UserId::from_bytes(self.random.array());
        let now = self.clock.now();
        let user = self.store.find_or_make_user(&known, new, now).await?;
        Ok(user.to_string())
    }
}
