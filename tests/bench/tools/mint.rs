//! What it costs to make a token of ours, beside the signature alone: CPU time of this process, in interleaved
//! rounds.
//!
//! The whole way is from claims to the text of the token. The signature alone is the library's, with a key that
//! was parsed before, over messages of the same length.

use anyhow::Context as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use doorward::jose::{Signer, SigningAlgorithm};
use serde_json::{Value, json};

use crate::parts::cpu_ms;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// `es256` or `eddsa`.
    #[arg(long)]
    algorithm: Algorithm,
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// In one round.
    #[arg(long, default_value_t = 5_000)]
    tokens: u32,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Algorithm {
    Es256,
    Eddsa,
}

enum Raw {
    Es256(EcdsaKeyPair, SystemRandom),
    EdDsa(Ed25519KeyPair),
}

/// Prints microseconds of the signature alone and of the whole way, for each round.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (algorithm, raw) = match arguments.algorithm {
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
            (
                SigningAlgorithm::Es256,
                Raw::Es256(pair, SystemRandom::new()),
            )
        }
        Algorithm::Eddsa => (
            SigningAlgorithm::EdDsa,
            Raw::EdDsa(Ed25519KeyPair::generate()?),
        ),
    };
    let signer = Signer::generate(algorithm)?;
    let claims = claims();
    let token = signer.sign(&claims, "at+jwt")?;
    let (message, _) = token.rsplit_once('.').context("no token")?;
    let (message, count) = (message.as_bytes(), arguments.tokens);
    let mut pairs = Vec::new();
    for round in 0..=arguments.rounds {
        let (raw, whole) = if round % 2 == 0 {
            let first = signatures(&raw, message, count)?;
            (first, tokens(&signer, &claims, count)?)
        } else {
            let first = tokens(&signer, &claims, count)?;
            (signatures(&raw, message, count)?, first)
        };
        // The first round does not count: caches are cold.
        if round > 0 {
            pairs.push((raw, whole));
        }
    }
    crate::tell(&json!(pairs))?;
    Ok(())
}

/// What an access token of a machine says (RFC 9068 §2.2).
fn claims() -> Value {
    json!({
        "iss": "https://login.example.com/t/acme",
        "sub": "nightly-report",
        "aud": "https://api.example.com/orders",
        "client_id": "nightly-report",
        "scope": "orders.read invoices.read",
        "iat": 1_800_000_000,
        "exp": 1_800_000_600,
        "jti": "dN4oDA7b2sZr0Q5pU3xVtw",
    })
}

fn signatures(raw: &Raw, message: &[u8], count: u32) -> anyhow::Result<f64> {
    let began = cpu_ms()?;
    for _ in 0..count {
        match raw {
            Raw::Es256(pair, random) => drop(std::hint::black_box(pair.sign(random, message)?)),
            Raw::EdDsa(pair) => drop(std::hint::black_box(pair.sign(message))),
        }
    }
    Ok(each(cpu_ms()? - began, count))
}

fn tokens(signer: &Signer, claims: &Value, count: u32) -> anyhow::Result<f64> {
    let began = cpu_ms()?;
    for _ in 0..count {
        drop(std::hint::black_box(signer.sign(claims, "at+jwt")?));
    }
    Ok(each(cpu_ms()? - began, count))
}

fn each(milliseconds: f64, count: u32) -> f64 {
    milliseconds * 1_000.0 / f64::from(count)
}
