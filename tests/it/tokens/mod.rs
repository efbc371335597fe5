//! Tokens of ours: for machines, and the documents that say how to get and verify them.

mod assertions;
mod documents;
mod exchange;
mod issued;
mod machines;
mod resources;

use bytes::Bytes;
use doorward::ports::Clock as _;
use http::Response;
use serde_json::Value;

use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::http::post_form;
use crate::support::nodes::{ACME, SHARED, SOLO};
use crate::support::raw;

/// The secret of `report`, which is written differently in a form.
const SECRET: &str = "EjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8=";
/// The one that it had before.
const OLD_SECRET: &str = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";

/// Host and path of tenants, as they are in the usual configuration.
const AT_ACME: (&str, &str) = (ACME, "");
const AT_GLOBEX: (&str, &str) = (SHARED, "/t/globex");
const AT_SOLO: (&str, &str) = (SOLO, "/oauth2");

const MACHINES: &str = r#"
[[tenants.machine_clients]]
id = "report"
secrets = [{ env = "NEXT_SEALING_KEY" }, { env = "SEALING_KEY" }]
audiences = ["https://api.example.com"]
scopes = ["orders.read", "orders.write"]

[[tenants.machine_clients]]
id = "broad"
secrets = [{ env = "NEXT_SEALING_KEY" }]
audiences = ["https://api.example.com", "urn:other"]
token_life = "1h"
"#;

/// A broker whose tenants have these machines beside `report` and `broad`.
async fn with(more: &str) -> Broker {
    with_all("", more).await
}

async fn with_all(first: &str, more: &str) -> Broker {
    let machines = format!("{MACHINES}{more}\n[[tenants]]\nid = ");
    let tenants = CONFIGURATION.replace("[[tenants]]\nid = ", &machines);
    // What was put in front of the first tenant belongs behind the last one.
    let configuration = tenants.replacen(&machines, "[[tenants]]\nid = ", 1);
    Broker::with(Setup {
        configuration: format!("{first}{configuration}{MACHINES}{more}"),
        ..Setup::default()
    })
    .await
}

async fn start() -> Broker {
    with("").await
}

/// Posts a form to `{base}{path}`.
async fn post(
    broker: &Broker,
    (host, base): (&str, &str),
    path: &str,
    headers: &[(&str, &str)],
    form: &[(&str, &str)],
) -> Response<Bytes> {
    let authority = format!("{host}:{}", broker.address.port());
    let headers = [&[("host", authority.as_str())], headers].concat();
    let target = format!("{base}{path}");
    let answer = post_form(broker.address, &target, &headers, form).await;
    let answer = answer.expect("an answer");
    // T22: on errors too.
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.headers().get("set-cookie").is_none());
    answer
}

/// Asks for a token with the secret in the form.
async fn ask(
    broker: &Broker,
    client: &str,
    secret: &str,
    more: &[(&str, &str)],
) -> Response<Bytes> {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("client_secret", secret),
    ];
    post(broker, AT_ACME, "/token", &[], &[&form, more].concat()).await
}

async fn get(broker: &Broker, host: &str, path: &str) -> Response<Bytes> {
    let authority = format!("{host}:{}", broker.address.port());
    raw::get(broker.address, path, &[("host", &authority)]).await
}

fn json(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or_else(|_| panic!("no JSON: {answer:?}"))
}

/// Status and `error`.
fn error(answer: &Response<Bytes>) -> (u16, String) {
    let error = json(answer)["error"].as_str().expect("an error").to_owned();
    (answer.status().as_u16(), error)
}

fn access_token(answer: &Response<Bytes>) -> String {
    let body = json(answer);
    let token = body["access_token"].as_str();
    token.unwrap_or_else(|| panic!("{body}")).to_owned()
}

/// The claims of a token, as somebody reads them who only knows the tenant's address: the key set is found by the
/// metadata, and another library verifies.
async fn verified(broker: &Broker, (host, base): (&str, &str), token: &str) -> Value {
    let metadata = get(
        broker,
        host,
        &format!("/.well-known/oauth-authorization-server{base}"),
    )
    .await;
    let metadata = json(&metadata);
    let address: url::Url = metadata["jwks_uri"]
        .as_str()
        .expect("text")
        .parse()
        .expect("an address");
    let set = get(broker, address.host_str().expect("a host"), address.path()).await;
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(json(&set)).expect("a key set");
    let header = jsonwebtoken::decode_header(token).expect("a header");
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let key = set.find(&header.kid.expect("a kid")).expect("its key");
    let mut validation = jsonwebtoken::Validation::new(header.alg);
    validation.set_issuer(&[metadata["issuer"].as_str().expect("text")]);
    validation.validate_aud = false;
    validation.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(key).expect("a key");
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation)
        .expect("verified")
        .claims;
    let now = broker.clock.now().unix_timestamp();
    assert_eq!(claims["iat"], now);
    claims
}
