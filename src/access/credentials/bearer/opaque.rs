//! Tokens that nobody but their issuer can read: it is asked about each (RFC 7662, or its own way).
//!
//! Invariants: the token goes to the address that the configuration names and nowhere else; of many requests with
//! one token one asks; a "no" is remembered for a few seconds, trouble is not; no more than a few questions wait at
//! one issuer, so that a slow one holds up nobody else's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{Request, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio::sync::Semaphore;
use url::Url;

use crate::domain::ids::{TenantId, TrustedIssuerId};
use crate::jose::{TokenAnswer, TokenKey};
use crate::outbound::HttpClient;
use crate::ports::Clock;
use crate::providers::issuers::{Asking, IssuerRules, OpaqueRules, Outside, Unavailable};

/// How long a "no" counts.
const NEGATIVE: Duration = Duration::from_secs(10);
/// How many "no" are kept.
const NEGATIVES: u64 = 10_000;
/// How many questions may wait at one issuer.
const AT_ONCE: usize = 32;
/// Largest answer, in bytes.
const LARGEST: usize = 64 * 1024;

/// Why there is nothing to judge.
#[derive(Debug)]
pub(super) enum NotAnswered {
    /// The token is not good.
    Inactive,
    /// Nobody knows.
    Unavailable(Unavailable),
}

/// A question that is asked once for all who wait for it.
type Flight = Arc<tokio::sync::Mutex<Option<TokenAnswer>>>;
type Digest = [u8; 32];

/// Questions under way, and what was answered a moment ago.
pub(super) struct OpaqueTokens {
    clock: Arc<dyn Clock>,
    /// By token, scope and issuer; with the time on the monotonic clock until which it counts.
    refused: moka::sync::Cache<(Digest, TrustedIssuerId), Duration>,
    flights: Mutex<HashMap<(Digest, TrustedIssuerId), Flight>>,
    places: Mutex<HashMap<(TenantId, TrustedIssuerId), Arc<Semaphore>>>,
}

impl OpaqueTokens {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            refused: moka::sync::Cache::new(NEGATIVES),
            flights: Mutex::default(),
            places: Mutex::default(),
        }
    }

    /// What the issuer says of the token. Many who ask at once get one answer.
    pub(super) async fn ask(
        &self,
        outside: &Outside,
        rules: &IssuerRules,
        token: &str,
        key: &TokenKey<'_>,
    ) -> Result<TokenAnswer, NotAnswered> {
        let name = (key.digest(), rules.id.clone());
        if self.is_refused(&name) {
            return Err(NotAnswered::Inactive);
        }
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(flights.entry(name.clone()).or_default())
        };
        let landing = Landing {
            tokens: self,
            name: name.clone(),
            flight: Arc::clone(&flight),
        };
        let mut answer = flight.lock().await;
        // Somebody may have asked meanwhile.
        if self.is_refused(&name) {
            return Err(NotAnswered::Inactive);
        }
        if let Some(answer) = &*answer {
            return Ok(answer.clone());
        }
        let asked = self.ask_now(outside, rules, token).await;
        match &asked {
            Ok(found) => *answer = Some(found.clone()),
            Err(NotAnswered::Inactive) => self.refuse(rules, key),
            Err(NotAnswered::Unavailable(_)) => {}
        }
        drop(answer);
        drop(landing);
        asked
    }

    /// Remembers for a while that what the issuer said of the token does not do.
    pub(super) fn refuse(&self, rules: &IssuerRules, key: &TokenKey<'_>) {
        let until = self.clock.monotonic().saturating_add(NEGATIVE);
        self.refused.insert((key.digest(), rules.id.clone()), until);
    }

    fn is_refused(&self, name: &(Digest, TrustedIssuerId)) -> bool {
        let until = self.refused.get(name);
        until.is_some_and(|until| self.clock.monotonic() < until)
    }

    async fn ask_now(
        &self,
        outside: &Outside,
        rules: &IssuerRules,
        token: &str,
    ) -> Result<TokenAnswer, NotAnswered> {
        let unavailable = |why: &str| NotAnswered::Unavailable(Unavailable(why.into()));
        let asking = rules
            .opaque
            .as_ref()
            .ok_or_else(|| unavailable("nobody is asked about its tokens"))?;
        let address = asking
            .endpoint
            .as_ref()
            .ok_or_else(|| unavailable("it is not known where to ask"))?;
        let place = self.place(rules);
        let Ok(_place) = place.try_acquire() else {
            return Err(unavailable("too many questions wait there already"));
        };
        let client = outside.client(rules).map_err(NotAnswered::Unavailable)?;
        send(&client, asking, address, token).await
    }

    fn place(&self, rules: &IssuerRules) -> Arc<Semaphore> {
        let name = (rules.tenant.clone(), rules.id.clone());
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(name);
        Arc::clone(place.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
    }
}

impl std::fmt::Debug for OpaqueTokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("OpaqueTokens")
            .finish_non_exhaustive()
    }
}

/// The last one who waits for a question takes it out, also where its request was given up.
struct Landing<'a> {
    tokens: &'a OpaqueTokens,
    name: (Digest, TrustedIssuerId),
    flight: Flight,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let flights = self.tokens.flights.lock();
        let mut flights = flights.unwrap_or_else(PoisonError::into_inner);
        // The map's, and this one's; the caller's own is behind it.
        if Arc::strong_count(&self.flight) <= 3 {
            flights.remove(&self.name);
        }
    }
}

async fn send(
    client: &HttpClient,
    asking: &OpaqueRules,
    address: &Url,
    token: &str,
) -> Result<TokenAnswer, NotAnswered> {
    let unavailable = |why: String| NotAnswered::Unavailable(Unavailable(why.into()));
    let request = question(asking, address, token);
    let request = request.map_err(|error| unavailable(error.to_string()))?;
    let answer = client.with_max_body(LARGEST).send(request).await;
    let (parts, body) = answer
        .map_err(|error| unavailable(error.to_string()))?
        .into_parts();
    if asking.refused_status.contains(&parts.status.as_u16()) {
        return Err(NotAnswered::Inactive);
    }
    if parts.status != StatusCode::OK {
        return Err(unavailable(format!(
            "it answered with status {}",
            parts.status
        )));
    }
    let answer = TokenAnswer::read(&body)
        .ok_or_else(|| unavailable("its answer is not a JSON object".to_owned()))?;
    if asking
        .active
        .as_ref()
        .is_some_and(|place| !answer.says(place))
    {
        return Err(NotAnswered::Inactive);
    }
    Ok(if asking.numbers_as_text {
        answer.with_numbers()
    } else {
        answer
    })
}

fn question(asking: &OpaqueRules, address: &Url, token: &str) -> http::Result<Request<Vec<u8>>> {
    let (builder, body) = match asking.asking {
        Asking::Form => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.append_pair(&asking.parameter, token)
                .append_pair("token_type_hint", "access_token");
            let builder = Request::post(address.as_str())
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            (builder, form.finish().into_bytes())
        }
        Asking::Json => {
            let body = json!({ &*asking.parameter: token }).to_string();
            let builder =
                Request::post(address.as_str()).header(header::CONTENT_TYPE, "application/json");
            (builder, body.into_bytes())
        }
        Asking::Query => {
            let mut address = address.clone();
            address
                .query_pairs_mut()
                .append_pair(&asking.parameter, token);
            (Request::get(address.as_str()), Vec::new())
        }
    };
    let mut builder = builder
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, "doorward");
    if let Some((id, secret)) = &asking.client {
        builder = builder.header(header::AUTHORIZATION, basic(id, secret));
    }
    builder.body(body)
}

/// RFC 6749 §2.3.1: both parts are written as in a form first.
fn basic(client_id: &str, secret: &SecretString) -> String {
    let written =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let both = format!("{}:{}", written(client_id), written(secret.expose_secret()));
    format!("Basic {}", BASE64_STANDARD.encode(both))
}
