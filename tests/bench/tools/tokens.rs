//! Issuers with a key each, and tokens of theirs, for the check.

use std::path::PathBuf;

use doorward::jose::{Signer, SigningAlgorithm};
use doorward::ports::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::verify::claims;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the files `key-sets` and `tokens` are written. Token and key set of one issuer stand on lines whose
    /// numbers, from 0 on, are the same modulo the number of issuers; the issuer's name is that number.
    folder: PathBuf,
    #[arg(long)]
    issuers: usize,
    #[arg(long)]
    tokens: usize,
}

/// With so many the tokens have 1.3 KB.
const GROUPS: usize = 5;

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let now = SystemClock::new().now().unix_timestamp();
    let signers = (0..arguments.issuers)
        .map(|_| Signer::generate(SigningAlgorithm::Es256))
        .collect::<Result<Vec<_>, _>>()?;
    let key_sets: Vec<_> = signers
        .iter()
        .map(|signer| json!({ "keys": [signer.public_jwk()] }).to_string())
        .collect();
    let numbered = signers.iter().enumerate().cycle().enumerate();
    let tokens = numbered
        .take(arguments.tokens)
        .map(|(number, (issuer, signer))| {
            let issuer = format!("https://login.issuer.example/{issuer:036}/v2.0");
            signer.sign(&caller(&issuer, now, number), "at+jwt")
        })
        .collect::<Result<Vec<_>, _>>()?;
    let length = tokens.first().map_or(0, String::len);
    anyhow::ensure!((1_250..1_350).contains(&length), "{length} bytes");
    std::fs::write(arguments.folder.join("key-sets"), key_sets.join("\n"))?;
    std::fs::write(arguments.folder.join("tokens"), tokens.join("\n"))?;
    crate::tell(&json!({ "bytes": length }))?;
    Ok(())
}

/// Somebody else each time. Scopes where RFC 9068 has them.
fn caller(issuer: &str, now: i64, number: usize) -> Value {
    let mut claims = claims(issuer, now, number, GROUPS);
    if let Some(claims) = claims.as_object_mut() {
        let scopes = claims.remove("scp").unwrap_or_default();
        claims.insert("scope".to_owned(), scopes);
        let subject = format!("zZ8mQ4r1yPz0u6VfC3tXb7Hk2LwNdE9s{number:011}");
        claims.insert("sub".to_owned(), subject.into());
    }
    claims
}
