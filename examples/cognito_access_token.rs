//! Verifies an access token of an Amazon Cognito user pool, with the library alone.
//!
//! ```sh
//! echo "$TOKEN" | cargo run --example cognito_access_token -- \
//!     https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123 1abcdefghijk2lmnop3qrst4uv
//! ```
//!
//! The words are the pool's issuer, the app clients whose tokens are taken, separated by commas, and, where the
//! keys are elsewhere than below the issuer, their address. The claims go to standard output; why a token is
//! refused goes to standard error, and the status is 1.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use doorward::domain::claims::ClaimPath;
use doorward::domain::ids::Issuer;
use doorward::domain::upstream_provider::{KeyIssuer, Reach};
use doorward::jose::{
    AnyOf, ClaimDemand, Issuers, KeySets, MAX_TOKEN_BYTES, SignatureAlgorithm, TimeRules,
    TokenKind, TokenVerifier, TrustedIssuer, TrustedKeys, TypRule, UnverifiedToken,
};
use doorward::outbound::{FetchCounts, HttpClients, OutboundSettings};
use doorward::ports::{Clock, SystemClock};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match verify().await {
        Ok(claims) => {
            let written = writeln!(std::io::stdout(), "{claims}");
            written.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
        }
        Err(reason) => {
            // Nobody is left to tell when this fails too.
            let _ = writeln!(std::io::stderr(), "{reason}");
            ExitCode::FAILURE
        }
    }
}

async fn verify() -> Result<String, Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(issuer), Some(clients)) = (words.next(), words.next()) else {
        return Err("ISSUER CLIENT[,CLIENT…] [KEY_SET], and a token on standard input".into());
    };
    let address = words
        .next()
        .unwrap_or_else(|| format!("{issuer}/.well-known/jwks.json"));
    let trusted = access_tokens(&issuer, &clients, &address)?;

    let mut token = String::new();
    std::io::stdin()
        .take(MAX_TOKEN_BYTES as u64 + 2)
        .read_to_string(&mut token)?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let key_sets = KeySets::new(clock.clone(), Arc::new(FetchCounts::default()));
    let verifier = TokenVerifier::new(Arc::new(key_sets), clock);
    let unverified = UnverifiedToken::read(token.trim_end())?;
    let good = verifier.verify(unverified, &trusted).await?;
    Ok(good.claims().to_string())
}

/// Access tokens have no `aud`: who asked for one stands in `client_id`. The same keys sign ID tokens, and
/// `token_use` tells them apart.
fn access_tokens(
    issuer: &str,
    clients: &str,
    address: &str,
) -> Result<TrustedIssuer, Box<dyn Error>> {
    let reach = HttpClients::new(OutboundSettings {
        // Loopback is for trying this out; everything else is asked over https all the same.
        development: true,
        ..OutboundSettings::default()
    });
    Ok(TrustedIssuer {
        issuers: Issuers::OneOf(vec![Issuer::new(issuer)]),
        keys: TrustedKeys::Published {
            algorithm: SignatureAlgorithm::Rs256,
            address: address.parse()?,
            client: reach.for_reach(&Reach::default())?,
            tenant: "example".parse()?,
            cool_down: Duration::from_secs(30),
        },
        key_issuer: KeyIssuer::Ignored,
        kind: TokenKind::Access,
        typ: TypRule::NotDemanded,
        audience: None,
        party: Some(AnyOf {
            claim: ClaimPath::new("client_id"),
            values: clients.split(',').map(Into::into).collect(),
        }),
        times: TimeRules::default(),
        claims: vec![ClaimDemand::Is {
            claim: ClaimPath::new("token_use"),
            value: "access".into(),
        }],
    })
}
