//! An API that takes bearer tokens.
//!
//! ```text
//! cargo run --example axum-api --no-default-features --features axum
//! cargo run --example axum-api --no-default-features --features axum -- https://login.example.com/realms/acme orders
//! ```
//!
//! Without arguments it makes a key, signs a token with it, and prints how to call itself: no network, no account. With
//! an issuer and an audience it trusts that issuer instead, by discovery. With an issuer, a client and the address of
//! the keys it takes the access tokens that an Amazon Cognito user pool issued to that client; with `--id-tokens` before
//! them the ID tokens of any issuer, as apps of Google and Firebase send them. Why a token is refused is for the log, at
//! the level `debug`: add a subscriber of your choice.
#![expect(clippy::print_stdout, reason = "it shows what to do")]

use std::error::Error;

use axum::routing::get;
use axum::{Json, Router};
use doorward::api::{
    Bearer, BearerLayer, IssuerRules, Rejection, ScopeClaims, TrustedIssuers, require_scopes,
};
use doorward::domain::claims::ClaimPath;
use doorward::jose::{
    ClaimDemand, KeySet, SignatureAlgorithm, Signer, SigningAlgorithm, TokenKind,
};
use doorward::ports::{Clock as _, SystemClock};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What this API reads of a token.
#[derive(Deserialize)]
struct Claims {
    sub: String,
}

/// Open to whoever has the scope: the layer sees to it.
async fn orders(caller: Bearer<Claims>) -> Json<Value> {
    Json(json!({ "of": caller.claims.sub, "orders": ["17 apples"] }))
}

/// Decides for itself.
async fn new_order(caller: Bearer<Claims>) -> Result<Json<Value>, Rejection> {
    caller.require_any(["orders:write", "admin"])?;
    Ok(Json(
        json!({ "of": caller.claims.sub, "ordered": "17 apples" }),
    ))
}

/// Says more to those it knows.
async fn prices(caller: Option<Bearer<Claims>>) -> String {
    match caller {
        Some(caller) => format!("apples: 1, for you, {}", caller.claims.sub),
        None => "apples: 2".into(),
    }
}

fn router(issuers: &TrustedIssuers) -> Router {
    let guarded = Router::new()
        .route(
            "/orders",
            get(orders).layer(require_scopes(["orders:read"])),
        )
        .route("/orders/new", get(new_order).post(new_order))
        .layer(BearerLayer::new(issuers.clone()));
    let open = Router::new()
        .route("/prices", get(prices))
        .layer(BearerLayer::new(issuers.clone()).optional());
    guarded.merge(open)
}

/// An issuer in this process, and a token of its, good for an hour.
fn of_our_own() -> Result<(IssuerRules, String), Box<dyn Error>> {
    const NAME: &str = "https://issuer.example";
    let signer = Signer::generate(SigningAlgorithm::Es256)?;
    let keys = json!({ "keys": [signer.public_jwk()] }).to_string();
    let keys = KeySet::parse(keys.as_bytes())?;
    let claims = json!({
        "iss": NAME,
        "aud": "orders",
        "sub": "ana",
        "scope": "orders:read",
        "exp": SystemClock::new().now().unix_timestamp() + 3600,
    });
    let token = signer.sign(&claims, "at+jwt")?;
    let rules = IssuerRules::key_set(NAME, keys, SignatureAlgorithm::Es256, &["orders"]);
    Ok((rules, token))
}

/// An issuer somewhere, which need not follow RFC 9068 to the letter.
fn of(issuer: &str, audience: &str) -> IssuerRules {
    IssuerRules::discovered(issuer, &[audience])
        .any_typ()
        .scopes(ScopeClaims::new(&["scope", "scp", "permissions"]))
}

/// A user pool of Amazon Cognito. Its access tokens have no `aud`: who asked for one stands in `client_id`. The same
/// keys sign ID tokens, and `token_use` tells them apart.
fn of_a_user_pool(issuer: &str, client: &str, keys: &str) -> IssuerRules {
    IssuerRules::keys_at(issuer, keys, SignatureAlgorithm::Rs256, &[])
        .any_typ()
        .any_audience()
        .issued_to("client_id", &[client])
        .demand(ClaimDemand::Is {
            claim: ClaimPath::new("token_use"),
            value: "access".into(),
        })
}

/// An issuer whose ID tokens are shown to APIs: they are for the client that somebody signed in at.
fn of_id_tokens(issuer: &str, client: &str, keys: &str) -> IssuerRules {
    IssuerRules::keys_at(issuer, keys, SignatureAlgorithm::Rs256, &[client])
        .kind(TokenKind::Identity)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (rules, token) = match arguments.as_slice() {
        [] => of_our_own()?,
        [issuer, audience] => (of(issuer, audience), format!("A_TOKEN_FOR_{audience}")),
        [issuer, client, keys] => (
            of_a_user_pool(issuer, client, keys),
            format!("A_TOKEN_OF_{client}"),
        ),
        [form, issuer, client, keys] if form == "--id-tokens" => (
            of_id_tokens(issuer, client, keys),
            format!("AN_ID_TOKEN_FOR_{client}"),
        ),
        _ => {
            let usage = "usage: axum-api [ISSUER AUDIENCE | [--id-tokens] ISSUER CLIENT KEYS]";
            return Err(usage.into());
        }
    };
    let issuers = TrustedIssuers::builder()
        .trust(rules)
        .realm("orders")
        // For trying it out with an issuer on this machine: everything else is asked over https all the same.
        .allow_loopback()
        .build()?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    println!("curl -i http://{address}/prices");
    println!("curl -i http://{address}/orders -H 'Authorization: Bearer {token}'");
    println!("curl -i http://{address}/orders/new -X POST -H 'Authorization: Bearer {token}'");
    if arguments.is_empty() {
        println!("An issuer of yours: add its address and an audience to the command line.");
    }
    axum::serve(listener, router(&issuers)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    async fn status_of(path: &str, headers: &str) -> String {
        let (rules, token) = of_our_own().expect("an issuer");
        let issuers = TrustedIssuers::builder()
            .trust(rules)
            .build()
            .expect("issuers");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move { axum::serve(listener, router(&issuers)).await });
        let headers = headers.replace("{token}", &token);
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: api\r\nConnection: close\r\n{headers}\r\n");
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        server.abort();
        answer.split(' ').nth(1).expect("a status").to_owned()
    }

    #[tokio::test]
    async fn it_does_what_it_prints() {
        let token = "Authorization: Bearer {token}\r\n";
        for (path, headers, expected) in [
            ("/prices", "", "200"),
            ("/prices", token, "200"),
            ("/prices", "Authorization: Bearer x\r\n", "401"),
            ("/orders", token, "200"),
            ("/orders", "", "401"),
            ("/orders/new", token, "403"),
        ] {
            assert_eq!(status_of(path, headers).await, expected, "{path} {headers}");
        }
    }

    #[tokio::test]
    async fn an_issuer_of_yours_is_taken_from_the_command_line() {
        let rules = of("https://login.example.com", "orders");
        assert!(TrustedIssuers::builder().trust(rules).build().is_ok());
    }
}
