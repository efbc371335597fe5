//! Bearer tokens of trusted issuers, through the whole broker.

mod accepted;
mod attacks;
mod attestation;
mod commands;
mod floods;
mod opaque;
mod profiles;
mod revocation;
mod verify;

use std::sync::OnceLock;

use doorward::jose::{Signer, SigningAlgorithm};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::support::broker::{Broker, Setup};
use crate::support::raw;

/// Now, on the broker's clock.
const NOW: i64 = 1_800_000_000;

/// The key of whichever issuer is asked about.
fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| Signer::generate(SigningAlgorithm::Rs256).expect("a key"))
}

/// Its key set, as a line of TOML.
fn keys() -> String {
    format!("keys = '{}'", json!({ "keys": [signer().public_jwk()] }))
}

/// `value` with these members; null takes one away.
#[expect(clippy::needless_pass_by_value, reason = "the tables read better")]
fn with(value: &Value, changes: Value) -> Value {
    let mut value = value.clone();
    let members = value.as_object_mut().expect("an object");
    for (name, change) in changes.as_object().expect("an object") {
        if change.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), change.clone());
        }
    }
    value
}

fn signed(claims: &Value) -> String {
    signer().sign(claims, "JWT").expect("signed")
}

const API: &str = "api.acme.localhost";

/// A tenant whose app `api` accepts bearers of these issuers, and is told everything of who calls.
fn configuration(issuers: &str, app: &str) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
development = true
public_url = "http://login.localhost:{{port}}"
trusted_proxies = [{{ networks = ["127.0.0.1/32"], target_headers = "x-original" }}]

[storage]
sqlite = "doorward.db"
sealing_keys = [{{ env = "SEALING_KEY" }}]

[[tenants]]
id = "acme"
base_url = "http://acme.localhost:{{port}}"

[[tenants.providers]]
id = "main"
preset = "oidc"
issuer = "{{issuer}}"
client_id = "{{client_id}}"
client_secret = {{ env = "CLIENT_SECRET" }}

{issuers}

[[tenants.apps]]
id = "api"
hosts = ["api.acme.localhost:{{port}}"]
{app}
allow = {{ signed_in = true }}
[tenants.apps.identity_headers]
X-User = "user"
X-Name = "name"
X-Email = "email"
X-Groups = "groups"
X-Roles = "roles"
"#
    )
}

const BEARER: &str = "accept = [\"bearer\"]";

async fn broker(configuration: &str) -> Broker {
    Broker::with(Setup {
        configuration: configuration.to_owned(),
        ..Setup::default()
    })
    .await
}

/// One of these issuers alone, whose tokens the app accepts.
async fn trusting(issuer: &str) -> Broker {
    let issuer = format!("[[tenants.trusted_issuers]]\nid = \"it\"\n{issuer}");
    broker(&configuration(&issuer, BEARER)).await
}

/// What the check answers to a request with these headers.
async fn ask_at(
    broker: &Broker,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap) {
    let host = format!("{host}:{}", broker.address.port());
    let url = format!("http://{host}{path}");
    let mut all = vec![
        ("host", &*host),
        ("x-original-url", &*url),
        ("x-original-method", "GET"),
    ];
    all.extend(headers);
    let answer = raw::send(
        broker.address,
        Method::GET,
        "/oauth2/auth",
        &all,
        bytes::Bytes::new(),
    )
    .await;
    (answer.status(), answer.headers().clone())
}

async fn ask(broker: &Broker, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap) {
    ask_at(broker, API, "/", headers).await
}

/// The status for a token in its place.
async fn shown(broker: &Broker, token: &str) -> StatusCode {
    let authorization = format!("Bearer {token}");
    ask(broker, &[("authorization", &authorization)]).await.0
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |it| it.to_str().expect("text"))
}
