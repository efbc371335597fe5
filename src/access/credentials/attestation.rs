//! Tokens that a request carries beside whatever says who calls: of a device, or of a proxy in front.
//!
//! Invariant: an app that demands one lets no request pass without it, not even to what its rules call public;
//! nothing of an attestation says who calls; the caller is told no reason.

use http::HeaderMap;

use super::{CredentialFault, NotAccepted, Shared};
use crate::domain::claims::ClaimPath;
use crate::jose::{
    MemoryLimits, Revocations, TokenFacts, TokenMemory, TokenRefused, TokenVerifier,
    UnverifiedToken, VerifiedToken,
};
use crate::providers::issuers::Outside;
use crate::tenants::Attestation;
use std::sync::Arc;

/// The claim that binds an attestation to another header (Approov).
const BINDING: &str = "pay";

/// Judges attestations.
#[derive(Debug)]
pub(super) struct Attestations {
    memory: TokenMemory<VerifiedToken>,
    verifier: TokenVerifier,
    outside: Outside,
}

impl Attestations {
    pub(super) fn new(shared: &Shared, outside: &Outside, revocations: &Arc<Revocations>) -> Self {
        let clock = Arc::clone(&shared.clock);
        let key_sets = Arc::clone(&outside.key_sets);
        Self {
            memory: TokenMemory::new(
                MemoryLimits::default(),
                Arc::clone(revocations),
                Arc::clone(&clock),
            ),
            verifier: TokenVerifier::new(key_sets, clock),
            outside: outside.clone(),
        }
    }

    /// Whether the request carries what `demanded` asks for.
    pub(super) async fn judge(
        &self,
        demanded: &Attestation,
        headers: &HeaderMap,
    ) -> Result<(), NotAccepted> {
        let token = one_value(headers, &demanded.header)
            .and_then(|value| std::str::from_utf8(value).ok())
            .ok_or_else(|| unattested("there is no attestation, or there are several"))?;
        let token = token.trim();
        let key = demanded.scope.key(token);
        let verified = if let Some(verified) = self.memory.recall(&key) {
            verified
        } else {
            let verified = self.verified(demanded, token).await?;
            let facts = TokenFacts::from(&verified);
            self.memory
                .keep(&key, Arc::new(verified), facts, token.len())
                .map_err(|refused| unattested(&refused.to_string()))?
        };
        let Some(bound_to) = &demanded.bound_to else {
            return Ok(());
        };
        let value = one_value(headers, bound_to);
        let is_bound = value.is_some_and(|value| {
            let value = value.trim_ascii();
            verified.is_bound_to(&ClaimPath::new(BINDING), value)
        });
        if is_bound {
            Ok(())
        } else {
            Err(unattested(&format!("it is not bound to `{bound_to}`")))
        }
    }

    async fn verified(
        &self,
        demanded: &Attestation,
        token: &str,
    ) -> Result<VerifiedToken, NotAccepted> {
        let rules = &demanded.issuer;
        let refused = |refused: TokenRefused| match refused {
            TokenRefused::KeysUnavailable(fault) => {
                NotAccepted::unjudged(&format!("issuer {}: {fault}", rules.id))
            }
            other => unattested(&format!("issuer {}: {other}", rules.id)),
        };
        let unverified = UnverifiedToken::read(token).map_err(refused)?;
        let keyed = self.outside.rules(rules).await;
        let keyed = keyed
            .map_err(|why| NotAccepted::unjudged(&format!("issuer {}: {}", rules.id, why.0)))?;
        self.verifier
            .verify(unverified, &keyed)
            .await
            .map_err(refused)
    }
}

fn unattested(reason: &str) -> NotAccepted {
    NotAccepted::Fault(CredentialFault::Unattested, reason.into())
}

/// The value of a header that stands there once.
fn one_value<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a [u8]> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    all.next().is_none().then(|| first.as_bytes())
}
