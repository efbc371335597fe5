//! Tokens of trusted issuers (RFC 6750).
//!
//! A token that was judged a moment ago costs one digest and one look into memory. Another is judged by the
//! issuer of the app whose name it bears, or, where nobody but its issuer can read it, by asking there. Invariants:
//! a token counts in the header `Authorization` and nowhere else; what its issuer cannot be asked about now is
//! neither let in nor called bad; a caller is told no reason.

mod holder;
mod opaque;

use std::sync::Arc;
use std::time::Duration;

use self::opaque::OpaqueTokens;
use super::authorization::{ByScheme, by_scheme};
use super::revoked::Revoked;
use super::{CredentialFault, KnownCaller, NotAccepted, Shared, Standing};
use crate::access::check::Found;
use crate::access::dialect::CheckRequest;
use crate::jose::{
    MemoryLimits, Revocations, TokenFacts, TokenKey, TokenMemory, TokenRefused, TokenVerifier,
    UnverifiedToken, VerifiedToken,
};
use crate::providers::issuers::{IssuerRules, Outside};
use crate::tenants::AppTokens;

const SCHEME: &str = "Bearer";
/// Longest token that nobody but its issuer can read, in bytes.
const LONGEST_OPAQUE: usize = 4096;

/// Judges bearer tokens.
#[derive(Debug)]
pub(super) struct Bearer {
    memory: TokenMemory<KnownCaller>,
    verifier: TokenVerifier,
    outside: Outside,
    opaque: OpaqueTokens,
}

/// A token that is good, and who says so.
struct Vouched<'a> {
    rules: &'a IssuerRules,
    token: VerifiedToken,
    /// How long that counts at most.
    longest: Duration,
}

impl Bearer {
    pub(super) fn new(shared: &Shared, outside: &Outside, revocations: &Arc<Revocations>) -> Self {
        let clock = Arc::clone(&shared.clock);
        let key_sets = Arc::clone(&outside.key_sets);
        Self {
            memory: TokenMemory::new(
                MemoryLimits::default(),
                Arc::clone(revocations),
                Arc::clone(&clock),
            ),
            verifier: TokenVerifier::new(key_sets, Arc::clone(&clock)),
            outside: outside.clone(),
            opaque: OpaqueTokens::new(clock),
        }
    }

    /// The way to issuers.
    pub(super) const fn outside(&self) -> &Outside {
        &self.outside
    }

    /// What the request shows, from memory.
    pub(super) fn shown(
        &self,
        request: &CheckRequest<'_>,
        found: Found<'_>,
        revoked: &Revoked,
    ) -> Standing {
        let token = match by_scheme(request.headers, SCHEME) {
            ByScheme::Nothing => return Standing::NotShown,
            ByScheme::Several => return Standing::Unjudged,
            ByScheme::Shown(token) => std::str::from_utf8(token).ok(),
        };
        let recalled = token
            .zip(found.at.tokens)
            .and_then(|(token, tokens)| self.memory.recall(&tokens.scope.key(token)));
        recalled
            .filter(|_| revoked.is_trusted())
            .map_or(Standing::Unjudged, Standing::Known)
    }

    /// Judges a token that is not in memory.
    pub(super) async fn judge(
        &self,
        shared: &Shared,
        request: &CheckRequest<'_>,
        found: Found<'_>,
    ) -> Result<Arc<KnownCaller>, NotAccepted> {
        let token = match by_scheme(request.headers, SCHEME) {
            ByScheme::Nothing => return Err(NotAccepted::invalid("there is no token")),
            ByScheme::Several => {
                return Err(NotAccepted::malformed("there are two `Authorization`"));
            }
            ByScheme::Shown(token) => one_token(token)?,
        };
        let Some(tokens) = found.at.tokens.filter(|tokens| !tokens.issuers.is_empty()) else {
            return Err(NotAccepted::invalid("the app trusts no issuer"));
        };
        let key = tokens.scope.key(token);
        let vouched = self.vouched(tokens, token, &key).await?;
        let rules = vouched.rules;
        let caller = holder::caller(shared, rules, vouched.token.claims()).await;
        let caller = caller.inspect_err(|refused| {
            let bad = matches!(refused, NotAccepted::Fault(CredentialFault::Invalid, _));
            if bad && rules.opaque.is_some() {
                self.opaque.refuse(rules, &key);
            }
        })?;
        let size = holder::size(&caller);
        let known = KnownCaller::new(caller, found.at, found.directory.version());
        let facts = TokenFacts::from(&vouched.token);
        self.memory
            .keep_for(&key, Arc::new(known), facts, size, vouched.longest)
            .map_err(|refused| refused_by(rules, &refused))
    }

    async fn vouched<'a>(
        &self,
        tokens: &'a AppTokens,
        token: &str,
        key: &TokenKey<'_>,
    ) -> Result<Vouched<'a>, NotAccepted> {
        let asked = |signed: bool| {
            let all = tokens.issuers.iter();
            all.filter(move |it| {
                it.opaque
                    .as_ref()
                    .is_some_and(|it| !signed || it.also_signed)
            })
        };
        let read = UnverifiedToken::read(token);
        let is_signed = read.is_ok() || looks_signed(token);
        let mut refusals = Refusals::default();
        if is_signed {
            match read {
                Ok(unverified) => {
                    let issuer = unverified.issuer().map(ToOwned::to_owned);
                    let named = tokens.issuers.iter().filter(|it| {
                        let named = issuer.as_deref().is_some_and(|issuer| it.is_named(issuer));
                        named && it.has_keys()
                    });
                    let signed = self.signed(named, token, unverified, &mut refusals).await;
                    if let Some(vouched) = signed {
                        return Ok(vouched);
                    }
                }
                Err(refused) => refusals.add(None, &refused),
            }
        } else if token.len() > LONGEST_OPAQUE {
            return Err(NotAccepted::invalid("the token is too long"));
        }
        for rules in asked(is_signed) {
            let answered = self.opaque.ask(&self.outside, rules, token, key).await;
            let judged = match answered {
                Ok(answer) => self.verifier.accept(&answer, &rules.rules),
                Err(opaque::NotAnswered::Inactive) => {
                    refusals.note(1, &rules.id, "its issuer says that it is not good");
                    continue;
                }
                Err(opaque::NotAnswered::Unavailable(why)) => {
                    refusals.unavailable(&rules.id, &why.0);
                    continue;
                }
            };
            match judged {
                Ok(token) => {
                    let longest = rules.opaque.as_ref().map(|it| it.cache);
                    let longest = longest.unwrap_or_default();
                    return Ok(Vouched {
                        rules,
                        token,
                        longest,
                    });
                }
                Err(refused) => {
                    self.opaque.refuse(rules, key);
                    refusals.add(Some(rules), &refused);
                }
            }
        }
        Err(refusals.into_answer())
    }

    /// The first of these issuers whose rules the token keeps.
    async fn signed<'a>(
        &self,
        named: impl Iterator<Item = &'a Arc<IssuerRules>>,
        text: &str,
        unverified: UnverifiedToken<'_>,
        refusals: &mut Refusals,
    ) -> Option<Vouched<'a>> {
        let mut first = Some(unverified);
        for rules in named {
            let keyed = match self.outside.rules(rules).await {
                Ok(keyed) => keyed,
                Err(why) => {
                    refusals.unavailable(&rules.id, &why.0);
                    continue;
                }
            };
            // Each verification takes the token.
            let unverified = match first.take() {
                Some(unverified) => unverified,
                None => UnverifiedToken::read(text).ok()?,
            };
            match self.verifier.verify(unverified, &keyed).await {
                Ok(token) => {
                    return Some(Vouched {
                        rules,
                        token,
                        longest: Duration::MAX,
                    });
                }
                Err(refused) => refusals.add(Some(rules), &refused),
            }
        }
        if first.is_some() {
            refusals.note(0, &"none", "no trusted issuer of the app has this `iss`");
        }
        None
    }
}

/// What is shown is one word (RFC 6750 §2.1, `b64token`).
fn one_token(shown: &[u8]) -> Result<&str, NotAccepted> {
    let is_word = !shown.is_empty()
        && shown
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte));
    let text = std::str::from_utf8(shown).ok().filter(|_| is_word);
    text.ok_or_else(|| NotAccepted::malformed("what follows `Bearer` is not one token"))
}

/// Whether it is in three parts, or in the five of an encrypted one: nobody is asked about such.
fn looks_signed(token: &str) -> bool {
    let dots = token.bytes().filter(|byte| *byte == b'.').count();
    dots == 2 || dots >= 4
}

fn refused_by(rules: &IssuerRules, refused: &TokenRefused) -> NotAccepted {
    NotAccepted::invalid(&format!("issuer {}: {refused}", rules.id))
}

/// Why nobody vouched, as far as one got.
#[derive(Debug, Default)]
struct Refusals {
    unavailable: Option<Box<str>>,
    /// The reason of the issuer by whose rules the token got farthest.
    best: Option<(u8, Box<str>)>,
}

impl Refusals {
    fn add(&mut self, rules: Option<&Arc<IssuerRules>>, refused: &TokenRefused) {
        if let (TokenRefused::KeysUnavailable(fault), Some(rules)) = (refused, rules) {
            self.unavailable(&rules.id, &fault.to_string());
            return;
        }
        let farthest = match refused {
            TokenRefused::Header(_)
            | TokenRefused::Payload
            | TokenRefused::SignatureEncoding
            | TokenRefused::Algorithm { .. }
            | TokenRefused::Type(_)
            | TokenRefused::Issuer(_) => 1,
            TokenRefused::Key(_) => 2,
            TokenRefused::Signature | TokenRefused::KeyIssuer => 3,
            _ => 4,
        };
        match rules {
            Some(rules) => self.note(farthest, &rules.id, &refused.to_string()),
            None => self.note(farthest, &"none", &refused.to_string()),
        }
    }

    fn note(&mut self, farthest: u8, issuer: &dyn std::fmt::Display, reason: &str) {
        if self.best.as_ref().is_none_or(|(best, _)| farthest > *best) {
            self.best = Some((farthest, format!("issuer {issuer}: {reason}").into()));
        }
    }

    fn unavailable(&mut self, issuer: &dyn std::fmt::Display, why: &str) {
        self.unavailable = Some(format!("issuer {issuer}: {why}").into());
    }

    /// An issuer that could not be asked may have said yes.
    fn into_answer(self) -> NotAccepted {
        match (self.unavailable, self.best) {
            (Some(why), _) => NotAccepted::unjudged(&why),
            (None, Some((_, reason))) => NotAccepted::invalid(&reason),
            (None, None) => NotAccepted::invalid("no trusted issuer of the app has such tokens"),
        }
    }
}
