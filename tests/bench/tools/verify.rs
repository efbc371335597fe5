//! What it costs to verify a token that was never seen before, beside the signature alone: CPU time of this
//! process, in interleaved rounds.
//!
//! The whole way is from the text of the token to verified claims: looked for in the memory and not found,
//! taken apart, judged with a key set that was published, and remembered. The signature alone is the library's
//! verification of the same messages with a parsed key and signatures that were decoded before.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward::domain::claims::ClaimPath;
use doorward::domain::ids::{Issuer, TenantId};
use doorward::domain::upstream_provider::{KeyIssuer, Reach};
use doorward::jose::{
    AnyOf, ClaimDemand, Issuers, KeySets, MemoryLimits, Revocations, SignatureAlgorithm, Signer,
    SigningAlgorithm, TimeRules, TokenKind, TokenMemory, TokenScope, TokenVerifier, TrustedIssuer,
    TrustedKeys, TypRule, UnverifiedToken,
};
use doorward::outbound::{FetchCounts, HttpClients, OutboundSettings};
use doorward::ports::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::parts::cpu_ms;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// `rs256` or `es256`.
    #[arg(long)]
    algorithm: Algorithm,
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Different tokens.
    #[arg(long, default_value_t = 2_000)]
    tokens: usize,
    /// How often they are verified in one round, each time by a memory that knows none of them.
    #[arg(long, default_value_t = 8)]
    times: u32,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Algorithm {
    Rs256,
    Es256,
}

const ISSUER: &str = "https://login.issuer.example/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/v2.0";

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let pairs = pairs(&arguments).await?;
    crate::tell(&json!(pairs))?;
    Ok(())
}

/// Microseconds of the signature alone and of the whole way, for each round.
async fn pairs(arguments: &Arguments) -> anyhow::Result<Vec<(f64, f64)>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    // Signatures of RSA are longer: tokens of one length have fewer groups.
    let (algorithm, groups) = match arguments.algorithm {
        Algorithm::Rs256 => (SigningAlgorithm::Rs256, 0),
        Algorithm::Es256 => (SigningAlgorithm::Es256, 5),
    };
    let signer = Signer::generate(algorithm)?;
    let now = clock.now().unix_timestamp();
    let tokens = (0..arguments.tokens)
        .map(|number| signer.sign(&claims(ISSUER, now, number, groups), "at+jwt"))
        .collect::<Result<Vec<_>, _>>()?;
    let length = tokens.first().map_or(0, String::len);
    anyhow::ensure!((1_250..1_350).contains(&length), "{length} bytes");
    let raw = Raw::new(&signer, &tokens)?;
    let whole = Whole::new(&signer, clock).await?;
    // Once each that does not count: the keys are fetched and parsed.
    raw.round(1)?;
    whole.round(&tokens, 1).await?;
    let mut pairs = Vec::new();
    for round in 0..arguments.rounds {
        let times = arguments.times;
        pairs.push(if round % 2 == 0 {
            let raw = raw.round(times)?;
            (raw, whole.round(&tokens, times).await?)
        } else {
            let whole = whole.round(&tokens, times).await?;
            (raw.round(times)?, whole)
        });
    }
    Ok(pairs)
}

/// What an access token of a cloud says.
pub(crate) fn claims(issuer: &str, now: i64, number: usize, groups: usize) -> Value {
    let groups: Vec<_> = (0..groups)
        .map(|group| format!("0b1c2d3e-0000-4000-8000-{group:012}"))
        .collect();
    json!({
        "iss": issuer,
        "aud": ["api://66666666-7777-4888-8999-000000000000"],
        "exp": now + 3600,
        "iat": now,
        "nbf": now,
        "jti": format!("{number:08}-7777-4888-8999-000000000000"),
        "azp": "22222222-3333-4444-8555-666666666666",
        "azpacr": "1",
        "oid": "99999999-8888-4777-8666-555555555555",
        "sub": "zZ8mQ4r1yPz0u6VfC3tXb7Hk2LwNdE9sAaGgJjKkMmQ",
        "tid": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
        "name": "Ada Lovelace",
        "preferred_username": "ada.lovelace@contoso.example",
        "scp": "orders.read orders.write invoices.read",
        "roles": ["Orders.Read.All", "Orders.Write.All"],
        "groups": groups,
        "uti": "u2VfC3tXb7Hk2LwNdE9s",
        "ver": "2.0",
    })
}

/// The signature alone.
struct Raw {
    key: ParsedPublicKey,
    signed: Vec<(String, Vec<u8>)>,
}

impl Raw {
    fn new(signer: &Signer, tokens: &[String]) -> anyhow::Result<Self> {
        let public = signer.public_jwk();
        let part = |name: &str| {
            let text = public.get(name).and_then(Value::as_str);
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.context("a part of the key")?)?;
            anyhow::Ok(bytes)
        };
        let key = if signer.algorithm() == "RS256" {
            let (n, e) = (part("n")?, part("e")?);
            RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)?
        } else {
            let point = [vec![4], part("x")?, part("y")?].concat();
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)?
        };
        let messages = tokens
            .iter()
            .map(|token| {
                let (message, signature) = token.rsplit_once('.').context("a signature")?;
                Ok((
                    message.to_owned(),
                    BASE64_URL_SAFE_NO_PAD.decode(signature)?,
                ))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            key,
            signed: messages,
        })
    }

    fn round(&self, times: u32) -> anyhow::Result<f64> {
        let began = cpu_ms()?;
        for _ in 0..times {
            for (message, signature) in &self.signed {
                self.key.verify_sig(message.as_bytes(), signature)?;
            }
        }
        Ok(each(cpu_ms()? - began, self.signed.len(), times))
    }
}

/// The whole way.
struct Whole {
    verifier: TokenVerifier,
    rules: TrustedIssuer,
    clock: Arc<dyn Clock>,
    scope: TokenScope,
}

impl Whole {
    async fn new(signer: &Signer, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let key_sets = KeySets::new(clock.clone(), Arc::new(FetchCounts::default()));
        let clients = HttpClients::new(OutboundSettings {
            development: true,
            ..OutboundSettings::default()
        });
        let tenant: TenantId = "acme".parse()?;
        let algorithm: SignatureAlgorithm = signer.algorithm().parse()?;
        let texts = |all: &[&str]| all.iter().map(|each| (*each).into()).collect();
        let rules = TrustedIssuer {
            issuers: Issuers::OneOf(vec![Issuer::new(ISSUER)]),
            keys: TrustedKeys::Published {
                algorithm,
                address: publish(signer).await?,
                client: clients.for_reach(&Reach::default())?,
                tenant: tenant.clone(),
                cool_down: Duration::from_secs(30),
            },
            key_issuer: KeyIssuer::Checked,
            kind: TokenKind::Access,
            typ: TypRule::AccessToken,
            audience: Some(AnyOf {
                claim: ClaimPath::new("aud"),
                values: texts(&["api://66666666-7777-4888-8999-000000000000"]),
            }),
            party: Some(AnyOf {
                claim: ClaimPath::new("azp"),
                values: texts(&["22222222-3333-4444-8555-666666666666"]),
            }),
            times: TimeRules::default(),
            claims: vec![ClaimDemand::Is {
                claim: ClaimPath::new("ver"),
                value: "2.0".into(),
            }],
        };
        Ok(Self {
            verifier: TokenVerifier::new(Arc::new(key_sets), clock.clone()),
            rules,
            scope: TokenScope::new(&tenant, 1, "orders", "check"),
            clock,
        })
    }

    async fn round(&self, tokens: &[String], times: u32) -> anyhow::Result<f64> {
        let memories: Vec<_> = (0..times)
            .map(|_| {
                let revocations = Revocations::new(self.clock.clone(), 1_000);
                let limits = MemoryLimits::default();
                TokenMemory::new(limits, Arc::new(revocations), self.clock.clone())
            })
            .collect();
        let began = cpu_ms()?;
        for memory in &memories {
            for token in tokens {
                let key = self.scope.key(token);
                anyhow::ensure!(memory.recall(&key).is_none(), "it was seen before");
                let unverified = UnverifiedToken::read(token)?;
                let verified = self.verifier.verify(unverified, &self.rules).await?;
                memory.remember(&key, verified)?;
            }
        }
        Ok(each(cpu_ms()? - began, tokens.len(), times))
    }
}

/// Microseconds for one.
fn each(milliseconds: f64, tokens: usize, times: u32) -> f64 {
    let count = f64::from(times) * f64::from(u32::try_from(tokens).unwrap_or(u32::MAX));
    milliseconds * 1_000.0 / count
}

/// A server with the public key.
async fn publish(signer: &Signer) -> anyhow::Result<url::Url> {
    let keys = json!({ "keys": [signer.public_jwk()] });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/keys", listener.local_addr()?).parse()?;
    let answer = axum::routing::get(move || std::future::ready(axum::Json(keys.clone())));
    let router = axum::Router::new().route("/keys", answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}
