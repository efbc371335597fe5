//! What we issue ourselves: tokens for machines, and the documents that say how to ask for them and verify them.
//!
//! A request for a token goes through these files in this order: [`TokenRequest`] is the form, parsed and not
//! believed; `client_authentication` makes an [`AuthenticatedClient`] of it, which has no other maker; and
//! `client_credentials` gives it a token. `token_exchange` changes tokens that `shown_tokens` has judged into tokens of
//! ours; `access_token` makes all of them. `issued` says what is to be known of tokens that come back. Invariants:
//! nothing is issued that the configuration does not allow this client, or for this token; a credential counts at the
//! tenant whose it is, and as what it is; what cannot be judged is no token.
//! What is deliberately absent: HTTP, sessions, people.

mod access_token;
mod client_authentication;
mod client_credentials;
mod issued;
mod metadata;
mod refused;
mod session_token;
mod shown_tokens;
mod token_exchange;
mod token_request;

use std::sync::Arc;

pub use access_token::IssuedToken;
pub use client_authentication::AuthenticatedClient;
pub use metadata::Endpoints;
pub use refused::{Answer, TokenRefused};
pub use shown_tokens::{ExchangeAt, IsRevoked, Role};
pub use token_exchange::{ExchangedToken, TOKEN_EXCHANGE};
pub use token_request::{Credentials, OF_THE_CLIENT, TokenRequest};

use crate::jose::TokenVerifier;
use crate::ports::{Clock, SecureRandom};
use crate::providers::issuers::Outside;
use crate::signing::Signing;
use crate::storage::Store;

/// Issues tokens.
#[derive(Debug)]
pub struct OpenIdProvider {
    signing: Arc<Signing>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SecureRandom>,
    outside: Outside,
    verifier: TokenVerifier,
}

impl OpenIdProvider {
    /// With the keys that it signs with, and the way to those of others.
    #[must_use]
    pub fn new(
        signing: Arc<Signing>,
        store: Arc<dyn Store>,
        (clock, random): (Arc<dyn Clock>, Arc<dyn SecureRandom>),
        outside: Outside,
    ) -> Self {
        Self {
            signing,
            store,
            verifier: TokenVerifier::new(Arc::clone(&outside.key_sets), Arc::clone(&clock)),
            clock,
            random,
            outside,
        }
    }
}
