//! Clients that authenticate with a signed JWT (RFC 7523 §3), verified for real: everything that a strict
//! provider can find wrong with one is found wrong here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

use super::{Recorded, Shared, State};

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Longest life of an assertion, in seconds.
const LONGEST: i64 = 600;

/// What a client has registered to sign with.
#[derive(Clone, Debug)]
pub(crate) struct RegisteredKey {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
    /// What the header must name the key by, and how.
    pub(crate) named: Option<(&'static str, String)>,
    /// `iss`; empty: the client itself.
    pub(crate) issuer: String,
    /// `aud`; empty: the token endpoint.
    pub(crate) audience: String,
    /// Whether the JWT is sent as the secret (Apple), where neither `jti` nor `nbf` is expected.
    pub(crate) as_secret: bool,
}

impl RegisteredKey {
    pub(crate) fn new(algorithm: Algorithm, key: DecodingKey) -> Self {
        Self {
            algorithm,
            key,
            named: None,
            issuer: String::new(),
            audience: String::new(),
            as_secret: false,
        }
    }
}

/// The client of the assertion in `request`; its method is the second part.
pub(super) fn client(
    shared: &Shared,
    state: &mut State,
    request: &Recorded,
) -> Result<(String, &'static str), &'static str> {
    if request.form("client_secret").is_some() || request.header("authorization").is_some() {
        return Err("two methods at once");
    }
    if request.form("client_assertion_type") != Some(KIND) {
        return Err("client_assertion_type is another one");
    }
    let token = request.form("client_assertion").ok_or("no assertion")?;
    let id = part(token, 1)
        .and_then(|claims| Some(claims.get("sub")?.as_str()?.to_owned()))
        .ok_or("the assertion names no client")?;
    if request.form("client_id").is_some_and(|other| other != id) {
        return Err("client_id is not that of the assertion");
    }
    let key = state.settings.client_keys.get(&id).cloned();
    let key = key.filter(|key| !key.as_secret).ok_or("no such client")?;
    let claims = verified(shared, state, &id, &key, token)?;
    let jti = claims.get("jti").and_then(Value::as_str);
    let jti = jti.filter(|jti| !jti.is_empty()).ok_or("no jti")?;
    if !state.assertion_ids.insert(jti.to_owned()) {
        return Err("the assertion was seen before");
    }
    let method = match key.algorithm {
        Algorithm::HS256 => "client_secret_jwt",
        _ => "private_key_jwt",
    };
    Ok((id, method))
}

/// Whether `secret` is a JWT that this client has signed as its secret; none: it signs no secrets.
pub(super) fn as_secret(
    shared: &Shared,
    state: &State,
    id: &str,
    secret: &str,
) -> Option<Result<(), &'static str>> {
    let key = state.settings.client_keys.get(id)?;
    let key = Some(key).filter(|key| key.as_secret)?;
    Some(verified(shared, state, id, key, secret).map(drop))
}

fn verified(
    shared: &Shared,
    state: &State,
    id: &str,
    key: &RegisteredKey,
    token: &str,
) -> Result<Map<String, Value>, &'static str> {
    let header = part(token, 0).ok_or("the header cannot be read")?;
    if let Some((name, value)) = &key.named
        && header.get(*name).and_then(Value::as_str) != Some(value)
    {
        return Err("the header names another key");
    }
    let mut validation = Validation::new(key.algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims: Map<String, Value> = jsonwebtoken::decode(token, &key.key, &validation)
        .map_err(|_| "the signature does not fit")?
        .claims;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let endpoint = format!("{}/token", shared.base);
    let or = |own: &str, other: &str| if own.is_empty() { other } else { own }.to_owned();
    let now = shared.now(state);
    if text("iss") != Some(&or(&key.issuer, id)) {
        Err("iss is another one")
    } else if text("sub") != Some(id) {
        Err("sub is another one")
    } else if text("aud") != Some(&or(&key.audience, &endpoint)) {
        Err("aud is another one")
    } else if number("exp").is_none_or(|exp| exp <= now || exp > now + LONGEST) {
        Err("exp is over, or too far")
    } else if number("iat").is_none_or(|iat| iat > now || iat < now - LONGEST) {
        Err("iat is to come, or too long ago")
    } else if number("nbf").is_some_and(|nbf| nbf > now) {
        Err("nbf is to come")
    } else {
        Ok(claims)
    }
}

/// Header or claims, not believed.
fn part(token: &str, number: usize) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(number)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

mod tests {
    use super::*;
    use crate::support::broker::clock;
    use crate::support::http::post_form;
    use crate::support::provider::keys::SigningKey;
    use crate::support::provider::{Algorithm as Own, CLIENT_ID, CLIENT_SECRET, TestProvider};
    use doorward::ports::Clock as _;
    use rstest::rstest;
    use serde_json::json;

    struct Client {
        provider: TestProvider,
        key: SigningKey,
        clock: std::sync::Arc<doorward::ports::ManualClock>,
    }

    impl Client {
        fn new() -> Self {
            let clock = clock();
            let provider = TestProvider::start(clock.clone());
            let key = SigningKey::new(Own::Es256, "key-1");
            let jwk = serde_json::from_value(key.jwk()).expect("a JWK");
            let public = DecodingKey::from_jwk(&jwk).expect("a key");
            provider.configure(|settings| {
                settings.client_authentication = vec!["private_key_jwt"];
                let mut registered = RegisteredKey::new(Algorithm::ES256, public);
                registered.named = Some(("kid", "key-1".to_owned()));
                settings.client_keys.insert(CLIENT_ID.into(), registered);
            });
            Self {
                provider,
                key,
                clock,
            }
        }

        fn claims(&self) -> Value {
            let now = self.clock.now().unix_timestamp();
            json!({
                "iss": CLIENT_ID, "sub": CLIENT_ID, "aud": self.provider.url("/token"),
                "iat": now, "nbf": now, "exp": now + 300, "jti": "1",
            })
        }

        fn signed(&self, header: &Value, claims: &Value) -> String {
            let parts = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
            let message = parts.join(".");
            let signature = self.key.sign(message.as_bytes());
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
        }

        async fn told_of(&self, token: &str) -> String {
            let form = [("client_assertion_type", KIND), ("client_assertion", token)];
            self.told(&form).await
        }

        /// What the provider says to these parameters beside a made-up code.
        async fn told(&self, parameters: &[(&str, &str)]) -> String {
            let mut form = vec![("grant_type", "authorization_code"), ("code", "none")];
            form.extend(parameters);
            let address = self.provider.address();
            let answer = post_form(address, "/token", &[], &form).await;
            let answer = answer.expect("an answer");
            let body: Value = serde_json::from_slice(answer.body()).expect("JSON");
            body["error_description"]
                .as_str()
                .expect("a reason")
                .to_owned()
        }
    }

    /// Where the client is taken for itself, its code is asked for next.
    const TAKEN: &str = "the code is unknown or was used before";

    #[tokio::test]
    async fn a_right_assertion_is_taken_once() {
        let client = Client::new();
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "key-1" });
        let token = client.signed(&header, &client.claims());
        let right = [
            ("client_assertion_type", KIND),
            ("client_assertion", token.as_str()),
        ];
        assert_eq!(client.told(&right).await, TAKEN);
        let again = client.told(&right).await;
        assert_eq!(again, "the assertion was seen before");
        let other = client.told(&[right[0], right[1], ("client_id", "x")]).await;
        assert_eq!(other, "client_id is not that of the assertion");
        let both = client
            .told(&[right[0], right[1], ("client_secret", "x")])
            .await;
        assert_eq!(both, "two methods at once");
        let kind = client.told(&[right[1]]).await;
        assert_eq!(kind, "client_assertion_type is another one");
        let secret = [("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)];
        assert_eq!(client.told(&secret).await, "this client must sign");
    }

    #[rstest]
    #[case("aud", json!("https://id.example"), "aud is another one")]
    #[case("aud", json!(null), "aud is another one")]
    #[case("iss", json!("x"), "iss is another one")]
    #[case("sub", json!("x"), "no such client")]
    #[case("exp", json!(1), "exp is over, or too far")]
    #[case("exp", json!(4_000_000_000_i64), "exp is over, or too far")]
    #[case("exp", json!(null), "exp is over, or too far")]
    #[case("iat", json!(4_000_000_000_i64), "iat is to come, or too long ago")]
    #[case("iat", json!(1), "iat is to come, or too long ago")]
    #[case("nbf", json!(4_000_000_000_i64), "nbf is to come")]
    #[case("jti", json!(null), "no jti")]
    #[tokio::test]
    async fn a_wrong_claim_is_refused(
        #[case] name: &str,
        #[case] value: Value,
        #[case] reason: &str,
    ) {
        let client = Client::new();
        let mut claims = client.claims();
        claims[name] = value;
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "key-1" });
        let token = client.signed(&header, &claims);
        let told = client.told_of(&token);
        assert_eq!(told.await, reason);
    }

    #[rstest]
    #[case::other_key(json!({ "alg": "ES256", "kid": "key-2" }), "the header names another key")]
    #[case::no_key(json!({ "alg": "ES256" }), "the header names another key")]
    #[case::other_algorithm(json!({ "alg": "RS256", "kid": "key-1" }), "the signature does not fit")]
    #[case::unsigned(json!({ "alg": "none", "kid": "key-1" }), "the signature does not fit")]
    #[tokio::test]
    async fn a_wrong_header_is_refused(#[case] header: Value, #[case] reason: &str) {
        let client = Client::new();
        let token = client.signed(&header, &client.claims());
        let told = client.told_of(&token);
        assert_eq!(told.await, reason);
    }

    #[tokio::test]
    async fn a_signature_of_somebody_else_is_refused() {
        let (client, other) = (Client::new(), Client::new());
        let header = json!({ "alg": "ES256", "kid": "key-1" });
        let token = other.signed(&header, &client.claims());
        let told = client.told_of(&token);
        assert_eq!(told.await, "the signature does not fit");
    }
}
