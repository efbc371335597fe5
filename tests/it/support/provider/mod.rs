//! An OpenID Provider (and a GitHub) on real loopback TCP that misbehaves on request.
//!
//! [`TestProvider::set`] takes a [`Fault`], which holds until it is cleared; without faults the provider
//! is a strict one: codes are for one use, bound to client, redirect URI and PKCE challenge, clients
//! authenticate, and its time is the test's clock. Invariant: nothing here sleeps; what is slow waits
//! until the test releases it or the client goes away:
//!
//! ```ignore
//! let provider = TestProvider::start(Arc::clone(&clock));
//! provider.set(IdTokenFault::ExpiredFor(61));
//! provider.trouble(Endpoint::Jwks, Trouble::Held);
//! // … a login begins …
//! provider.until_waiting(Endpoint::Jwks, 1).await;
//! provider.release(Endpoint::Jwks);
//! assert_eq!(provider.count(Endpoint::Token), 1);
//! provider.behave();
//! ```
//!
//! Deliberately absent: anything of the crate but
//! its ports, so that a mistake cannot hide by being made on both sides.

mod answer;
mod assertion;
mod body;
mod fault;
mod forge;
mod github;
mod jwks;
mod keys;
mod oidc;
mod people;
mod refresh;
mod role;
mod server;
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use doorward::ports::{Clock, ManualClock};
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

pub(crate) use assertion::RegisteredKey;
pub(crate) use fault::{
    AuthorizeFault, DiscoveryFault, Endpoint, Fault, GithubFault, IdTokenFault, JwksFault, KeyText,
    TokenFault, Trouble, UserinfoFault,
};
pub(crate) use keys::Algorithm;
pub(crate) use people::Person;
pub(crate) use refresh::RefreshTokens;

use forge::{Forge, Strangers};
use keys::SigningKey;
use server::Port;

/// The client that is registered from the start.
pub(crate) const CLIENT_ID: &str = "doorward-at-the-test";
/// Its secret. The characters must be form-encoded before they go into `Basic` (RFC 6749 §2.3.1).
pub(crate) const CLIENT_SECRET: &str = "s3cret:with/odd+characters & a space%";

/// How long a test waits for something that must happen, in real time, before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) endpoint: Endpoint,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) form: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Recorded {
    /// The first parameter of this name in the query.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        first(&self.query, name)
    }

    /// The first parameter of this name in the form.
    pub(crate) fn form(&self, name: &str) -> Option<&str> {
        first(&self.form, name)
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// The provider. Dropping it closes the port.
#[derive(Debug)]
pub(crate) struct TestProvider {
    shared: Arc<Shared>,
    port: tokio::sync::Mutex<Port>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Shared {
    clock: Arc<ManualClock>,
    base: String,
    changed: Notify,
    strangers: Strangers,
    state: Mutex<State>,
}

/// Everything that a test can look at or change.
#[derive(Debug)]
struct State {
    faults: Vec<Fault>,
    passes: HashMap<Endpoint, usize>,
    counts: HashMap<Endpoint, usize>,
    waiting: HashMap<Endpoint, usize>,
    requests: VecDeque<Recorded>,
    settings: Settings,
    keys: Keys,
    people: HashMap<String, Person>,
    codes: HashMap<String, Grant>,
    access_tokens: HashMap<String, Grant>,
    refresh_tokens: HashMap<String, refresh::Issued>,
    assertion_ids: HashSet<String>,
    /// The provider that this one plays, see [`role`].
    role: Option<Value>,
    issued: usize,
    replayed_codes: usize,
    reused_refresh_tokens: usize,
}

/// How the provider is set up, when nothing is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What it calls itself in metadata, tokens and answers. Its own address, unless a test needs two
    /// that claim the same name.
    pub(crate) issuer: String,
    /// Signs ID tokens.
    pub(crate) algorithm: Algorithm,
    /// Ahead of the test's clock by so many seconds (negative: behind).
    pub(crate) skew: i64,
    /// Life of an ID token, in seconds.
    pub(crate) id_token_lifetime: i64,
    /// Life of an access token, in seconds.
    pub(crate) access_token_lifetime: i64,
    /// How refresh tokens are given.
    pub(crate) refresh: RefreshTokens,
    /// Life of a code, in seconds.
    pub(crate) code_lifetime: i64,
    /// Whether metadata promise `iss` in the answer (RFC 9207 §3). It is sent either way.
    pub(crate) promises_issuer: bool,
    /// Whether a code can only be had with a PKCE challenge.
    pub(crate) requires_pkce: bool,
    /// What metadata list as `token_endpoint_auth_methods_supported`; others are refused.
    pub(crate) client_authentication: Vec<&'static str>,
    /// Names and secrets of clients; no secret: a public client.
    pub(crate) clients: HashMap<String, Option<String>>,
    /// What clients sign with that authenticate so; a secret of theirs does not count.
    pub(crate) client_keys: HashMap<String, RegisteredKey>,
    /// Exact redirect URIs; empty: any is taken.
    pub(crate) redirect_uris: Vec<String>,
    /// Who is signed in where nothing else says so.
    pub(crate) person: String,
    /// `sid` of ID tokens; left out where empty.
    pub(crate) session: String,
    /// `Cache-Control` of the key set.
    pub(crate) jwks_cache_control: String,
}

#[derive(Debug)]
struct Keys {
    rsa: SigningKey,
    ec: SigningKey,
    announced: Option<SigningKey>,
    retired: Vec<SigningKey>,
    made: usize,
}

impl Keys {
    fn of(&self, algorithm: Algorithm) -> &SigningKey {
        match algorithm {
            Algorithm::Rs256 => &self.rsa,
            Algorithm::Es256 => &self.ec,
        }
    }

    fn next(&mut self, algorithm: Algorithm) -> SigningKey {
        self.made += 1;
        let family = algorithm.name().to_ascii_lowercase();
        SigningKey::new(algorithm, format!("{family}-{}", self.made))
    }
}

/// What a person agreed to.
#[derive(Clone, Debug)]
struct Grant {
    client_id: String,
    redirect_uri: Option<String>,
    scope: String,
    nonce: Option<String>,
    challenge: Option<String>,
    person: Person,
    at: i64,
}

impl TestProvider {
    /// Starts on a free port of 127.0.0.1, at the time of `clock`. Needs a Tokio runtime.
    pub(crate) fn start(clock: Arc<ManualClock>) -> Self {
        let port = Port::reserve();
        let address = port.address();
        let base = format!("http://{address}");
        let settings = Settings {
            issuer: base.clone(),
            algorithm: Algorithm::Rs256,
            skew: 0,
            id_token_lifetime: 300,
            access_token_lifetime: 3600,
            refresh: RefreshTokens::default(),
            code_lifetime: 60,
            promises_issuer: true,
            requires_pkce: true,
            client_authentication: vec!["client_secret_basic", "client_secret_post"],
            clients: HashMap::from([(CLIENT_ID.into(), Some(CLIENT_SECRET.into()))]),
            client_keys: HashMap::new(),
            redirect_uris: Vec::new(),
            person: "ada".into(),
            session: "session-at-the-provider".into(),
            jwks_cache_control: "public, max-age=3600".into(),
        };
        let state = State {
            faults: Vec::new(),
            passes: HashMap::new(),
            counts: HashMap::new(),
            waiting: HashMap::new(),
            requests: VecDeque::new(),
            settings,
            keys: Keys {
                rsa: SigningKey::new(Algorithm::Rs256, "rs256-1"),
                ec: SigningKey::new(Algorithm::Es256, "es256-1"),
                announced: None,
                retired: Vec::new(),
                made: 1,
            },
            people: HashMap::new(),
            codes: HashMap::new(),
            access_tokens: HashMap::new(),
            refresh_tokens: HashMap::new(),
            assertion_ids: HashSet::new(),
            role: None,
            issued: 0,
            replayed_codes: 0,
            reused_refresh_tokens: 0,
        };
        let mut provider = Self {
            shared: Arc::new(Shared {
                clock,
                base,
                changed: Notify::new(),
                strangers: Strangers::default(),
                state: Mutex::new(state),
            }),
            port: tokio::sync::Mutex::new(port),
            address,
        };
        serve(&provider.shared, provider.port.get_mut());
        provider
    }

    /// `http://127.0.0.1:{port}`: the issuer, and where everything is below.
    pub(crate) fn base(&self) -> &str {
        &self.shared.base
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Below [`TestProvider::base`].
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.shared.base)
    }

    // What goes wrong.

    /// Adds a fault.
    pub(crate) fn set(&self, fault: impl Into<Fault>) {
        self.shared.lock().faults.push(fault.into());
        self.shared.changed.notify_waiters();
    }

    /// Adds a trouble of one endpoint.
    pub(crate) fn trouble(&self, endpoint: Endpoint, trouble: Trouble) {
        self.set(Fault::At(endpoint, trouble));
    }

    /// Takes all faults away, and lets everything go that was held.
    pub(crate) fn behave(&self) {
        let mut state = self.shared.lock();
        state.faults.clear();
        state.passes.clear();
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// Takes one fault away.
    pub(crate) fn unset(&self, fault: impl Into<Fault>) {
        let fault = fault.into();
        self.shared.lock().faults.retain(|set| *set != fault);
        self.shared.changed.notify_waiters();
    }

    /// Changes how the provider is set up.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.lock().settings);
    }

    /// Everybody who does not say otherwise is this person from now on. `login_hint` (GitHub: `login`)
    /// says otherwise, then a cookie `person` of the browser. Any name will do: see [`Person::named`].
    pub(crate) fn sign_in_as(&self, username: &str) {
        self.configure(|settings| username.clone_into(&mut settings.person));
    }

    /// Changes a person.
    pub(crate) fn person(&self, username: &str, change: impl FnOnce(&mut Person)) {
        let mut state = self.shared.lock();
        let person = state
            .people
            .entry(username.to_owned())
            .or_insert_with(|| Person::named(username));
        change(person);
    }

    /// Plays another provider from now on: the role's addresses must be below [`TestProvider::base`].
    pub(crate) fn play(&self, role: Value) {
        self.shared.lock().role = Some(role);
    }

    // Keys.

    /// A new key signs, and it alone is published from now on.
    pub(crate) fn rotate(&self) {
        let mut state = self.shared.lock();
        let algorithm = state.settings.algorithm;
        let key = match state.keys.announced.take() {
            Some(key) if key.algorithm() == algorithm => key,
            _ => state.keys.next(algorithm),
        };
        let old = match algorithm {
            Algorithm::Rs256 => std::mem::replace(&mut state.keys.rsa, key),
            Algorithm::Es256 => std::mem::replace(&mut state.keys.ec, key),
        };
        state.keys.retired.push(old);
    }

    /// The same, and the new key has the name of the old one.
    pub(crate) fn rotate_under_the_old_name(&self) {
        self.rotate();
        let mut state = self.shared.lock();
        let keys = &mut state.keys;
        let old = keys.retired.last().expect("it was rotated");
        let new = match old.algorithm() {
            Algorithm::Rs256 => &mut keys.rsa,
            Algorithm::Es256 => &mut keys.ec,
        };
        new.kid.clone_from(&old.kid);
    }

    /// Publishes the key that the next [`TestProvider::rotate`] takes.
    pub(crate) fn announce_next_key(&self) {
        let mut state = self.shared.lock();
        let algorithm = state.settings.algorithm;
        let key = state.keys.next(algorithm);
        state.keys.announced = Some(key);
    }

    /// The `kid` that signs now.
    pub(crate) fn kid(&self) -> String {
        let state = self.shared.lock();
        state.keys.of(state.settings.algorithm).kid.clone()
    }

    /// The key set as it is served, with the faults that are set.
    pub(crate) fn key_set(&self) -> Value {
        jwks::key_set(&self.shared, &self.shared.lock())
    }

    /// A signed token with these claims (`iss`, `aud`, `iat` and `exp` are added where missing), with
    /// the ID token faults that are set: for whoever checks tokens without a login.
    pub(crate) fn token(&self, claims: Value) -> String {
        let Value::Object(given) = claims else {
            panic!("claims are an object");
        };
        let state = self.shared.lock();
        let now = self.shared.now(&state);
        let mut claims = Map::new();
        claims.insert("iss".into(), state.settings.issuer.clone().into());
        claims.insert("aud".into(), CLIENT_ID.into());
        claims.insert("iat".into(), now.into());
        claims.insert(
            "exp".into(),
            (now + state.settings.id_token_lifetime).into(),
        );
        claims.extend(given);
        self.shared.forge(&state, CLIENT_ID, claims)
    }

    /// A logout token (OIDC Back-Channel Logout 1.0 §2.4) about `about`, which can also replace its claims; one
    /// that is null is left out. The ID token faults that are set apply to it too.
    pub(crate) fn logout_token(&self, about: Value) -> String {
        let Value::Object(about) = about else {
            panic!("claims are an object");
        };
        let mut state = self.shared.lock();
        let jti = state.unique("logout-token");
        let now = self.shared.now(&state);
        let event = "http://schemas.openid.net/event/backchannel-logout";
        let Value::Object(mut claims) = json!({
            "iss": state.settings.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 120, "jti": jti,
            "events": { event: {} },
        }) else {
            unreachable!("it is an object");
        };
        claims.extend(about);
        claims.retain(|_, value| !value.is_null());
        let kind = IdTokenFault::Type("logout+jwt");
        self.shared
            .forge_with(&state, CLIENT_ID, claims, Some(kind))
    }

    // Being slow, without sleeping.

    /// Lets everything go that waits at `endpoint`, and holds nothing there any more.
    pub(crate) fn release(&self, endpoint: Endpoint) {
        self.shared.lock().faults.retain(|fault| {
            !matches!(fault, Fault::At(at, Trouble::Held | Trouble::Stalled) if *at == endpoint)
        });
        self.shared.changed.notify_waiters();
    }

    /// Lets one request go that waits at `endpoint`, or that will.
    pub(crate) fn release_one(&self, endpoint: Endpoint) {
        *self.shared.lock().passes.entry(endpoint).or_default() += 1;
        self.shared.changed.notify_waiters();
    }

    /// How many requests wait at `endpoint` now. A client that went away does not.
    pub(crate) fn waiting(&self, endpoint: Endpoint) -> usize {
        count(&self.shared.lock().waiting, endpoint)
    }

    /// Returns once `count` requests wait at `endpoint`.
    pub(crate) async fn until_waiting(&self, endpoint: Endpoint, wanted: usize) {
        let what = format!("{wanted} requests held at {endpoint:?}");
        self.until(&what, |state| count(&state.waiting, endpoint) == wanted)
            .await;
    }

    /// Returns once `count` requests or more have come to `endpoint` since the start.
    pub(crate) async fn until_asked(&self, endpoint: Endpoint, wanted: usize) {
        let what = format!("{wanted} requests to {endpoint:?}");
        self.until(&what, |state| count(&state.counts, endpoint) >= wanted)
            .await;
    }

    async fn until(&self, what: &str, happened: impl Fn(&State) -> bool) {
        let wait = async {
            loop {
                let changed = self.shared.changed.notified();
                if happened(&self.shared.lock()) {
                    break;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            let state = self.shared.lock();
            panic!(
                "waited in vain for {what}; asked {:?}, waiting {:?}",
                state.counts, state.waiting
            );
        }
    }

    // What happened.

    /// How many requests came to `endpoint`.
    pub(crate) fn count(&self, endpoint: Endpoint) -> usize {
        count(&self.shared.lock().counts, endpoint)
    }

    /// The last request to `endpoint`.
    pub(crate) fn last(&self, endpoint: Endpoint) -> Option<Recorded> {
        let state = self.shared.lock();
        let mut requests = state.requests.iter().rev();
        requests.find(|at| at.endpoint == endpoint).cloned()
    }

    /// The last requests, oldest first; a thousand are kept.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.shared.lock().requests.iter().cloned().collect()
    }

    /// How many codes were offered a second time.
    pub(crate) fn replayed_codes(&self) -> usize {
        self.shared.lock().replayed_codes
    }

    /// How many refresh tokens were used a second time, after they had been replaced.
    pub(crate) fn reused_refresh_tokens(&self) -> usize {
        self.shared.lock().reused_refresh_tokens
    }

    /// How many refresh tokens are good for something.
    pub(crate) fn live_refresh_tokens(&self) -> usize {
        let state = self.shared.lock();
        state
            .refresh_tokens
            .values()
            .filter(|it| it.is_live())
            .count()
    }

    /// Withdraws everything that was granted: the account was closed.
    pub(crate) fn withdraw(&self) {
        let mut state = self.shared.lock();
        state.refresh_tokens.clear();
        state.access_tokens.clear();
    }

    /// Forgets counts and requests.
    pub(crate) fn forget_requests(&self) {
        let mut state = self.shared.lock();
        state.counts.clear();
        state.requests.clear();
    }

    // Being away.

    /// Ends all connections; the port refuses new ones.
    pub(crate) async fn down(&self) {
        self.port.lock().await.refuse().await;
    }

    /// Listens again, on the same port.
    pub(crate) async fn up(&self) {
        serve(&self.shared, &mut *self.port.lock().await);
    }
}

fn count(counts: &HashMap<Endpoint, usize>, endpoint: Endpoint) -> usize {
    counts.get(&endpoint).copied().unwrap_or_default()
}

fn serve(shared: &Arc<Shared>, port: &mut Port) {
    let shared = Arc::clone(shared);
    port.serve(move |request| answer::answer(Arc::clone(&shared), request));
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Seconds since 1970 by the provider's own clock.
    fn now(&self, state: &State) -> i64 {
        self.clock.now().unix_timestamp() + state.settings.skew
    }

    fn arrived(&self, request: &Recorded) -> Vec<Trouble> {
        let mut state = self.lock();
        *state.counts.entry(request.endpoint).or_default() += 1;
        if state.requests.len() == 1000 {
            state.requests.pop_front();
        }
        state.requests.push_back(request.clone());
        let troubles = state.troubles(request.endpoint).cloned().collect();
        drop(state);
        self.changed.notify_waiters();
        troubles
    }

    /// Waits until `endpoint` does not hold requests any more, or one is let go.
    async fn pass(self: Arc<Self>, endpoint: Endpoint, mine: fn(&Trouble) -> bool) {
        let _here = Waiting::at(&self, endpoint);
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.lock();
                if !state.troubles(endpoint).any(mine) {
                    return;
                }
                let passes = state.passes.entry(endpoint).or_default();
                if *passes > 0 {
                    *passes -= 1;
                    return;
                }
            }
            changed.await;
        }
    }

    fn forge(&self, state: &State, client_id: &str, claims: Map<String, Value>) -> String {
        self.forge_with(state, client_id, claims, None)
    }

    /// With something that is so unless the faults that are set say otherwise.
    fn forge_with(
        &self,
        state: &State,
        client_id: &str,
        claims: Map<String, Value>,
        first: Option<IdTokenFault>,
    ) -> String {
        let algorithm = state.settings.algorithm;
        let secret = state.settings.clients.get(client_id).cloned().flatten();
        let forge = Forge {
            now: self.now(state),
            base: &self.base,
            client_id,
            client_secret: secret.as_deref().unwrap_or_default(),
            key: state.keys.of(algorithm),
            other_key: state.keys.of(algorithm.other()),
            retired: state.keys.retired.last(),
            strangers: &self.strangers,
        };
        let set = state.faults.iter().filter_map(|fault| match fault {
            Fault::IdToken(fault) => Some(fault.clone()),
            _ => None,
        });
        let faults: Vec<IdTokenFault> = first.into_iter().chain(set).collect();
        forge.token(claims, &faults)
    }
}

impl State {
    fn troubles(&self, endpoint: Endpoint) -> impl Iterator<Item = &Trouble> {
        self.faults.iter().filter_map(move |fault| match fault {
            Fault::At(at, trouble) if *at == endpoint => Some(trouble),
            _ => None,
        })
    }

    /// A value that was not given out before.
    fn unique(&mut self, kind: &str) -> String {
        self.issued += 1;
        format!("{kind}-{:06}", self.issued)
    }

    fn somebody(&self, request: &Recorded, hint: &str) -> Person {
        let cookie = request.header("cookie").and_then(|cookies| {
            cookies
                .split("; ")
                .find_map(|cookie| cookie.strip_prefix("person="))
        });
        let username = request
            .query(hint)
            .or(cookie)
            .unwrap_or(&self.settings.person);
        self.people
            .get(username)
            .cloned()
            .unwrap_or_else(|| Person::named(username))
    }
}

/// Counted as waiting while it lives: also a client that goes away drops it.
struct Waiting<'a>(&'a Shared, Endpoint);

impl<'a> Waiting<'a> {
    fn at(shared: &'a Shared, endpoint: Endpoint) -> Self {
        *shared.lock().waiting.entry(endpoint).or_default() += 1;
        shared.changed.notify_waiters();
        Self(shared, endpoint)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        *self.0.lock().waiting.entry(self.1).or_default() -= 1;
        self.0.changed.notify_waiters();
    }
}
