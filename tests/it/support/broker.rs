//! A whole broker on loopback, with a clock that stands still and randomness from a seed.
//!
//! It is put together by the same function as `doorward serve`, from a configuration text. A test asks it
//! over TCP: with a [`Browser`], or as a proxy would (see [`Broker::check`]).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward::cli::reload::{Reloader, Trigger};
use doorward::cli::start::{Ground, door};
use doorward::config::{Faults, WatchedFiles};
use doorward::ports::{ManualClock, SeededRandom};
use doorward::providers::Presets;
use doorward::storage::WaitingCaps;
use doorward::tenants::Directory;
use doorward::web::front::Front;
use doorward::web::{Door, connections};
use http::{Method, StatusCode};
use tempfile::TempDir;
use time::macros::datetime;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::browser::{Browser, Page};
use super::provider::{CLIENT_ID, CLIENT_SECRET, TestProvider};

/// A broker with the tenants `acme` and `globex` at one provider, unless the test says otherwise.
pub(crate) struct Broker {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) provider: Arc<TestProvider>,
    pub(crate) door: Arc<Door>,
    pub(crate) address: SocketAddr,
    pub(crate) folder: Arc<TempDir>,
    /// Reads `doorward.toml` in the folder again.
    pub(crate) reloader: Reloader,
    serving: JoinHandle<()>,
}

/// What a broker is made of. `{port}` and `{issuer}` in `configuration` are filled in.
pub(crate) struct Setup {
    pub(crate) configuration: String,
    pub(crate) provider_deadline: Duration,
    pub(crate) waiting: WaitingCaps,
    pub(crate) seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            configuration: CONFIGURATION.to_owned(),
            provider_deadline: Duration::from_secs(5),
            waiting: WaitingCaps {
                total: 20_000,
                per_network: 1_000,
            },
            seed: SEEDS.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// Another for each broker: a restart must not give out the handles of before again, and request ids lead
/// to log lines that all tests share.
static SEEDS: AtomicU64 = AtomicU64::new(1);

/// Two tenants, each with a wiki (e-mail domain), a board (ordered rules) and a single-name sibling `solo`.
pub(crate) const CONFIGURATION: &str = r#"
[server]
listen = "127.0.0.1:0"
development = true
public_url = "http://login.localhost:{port}"
trusted_proxies = [{ networks = ["127.0.0.1/32"], target_headers = "x-original" }]

[storage]
sqlite = "doorward.db"
sealing_keys = [{ env = "SEALING_KEY" }]

[sessions]
idle = "1h"
absolute = "10h"

[[tenants]]
id = "acme"
name = "Acme"
base_url = "http://acme.localhost:{port}"
contact = "it@acme.example"

[[tenants.providers]]
id = "main"
preset = "oidc"
name = "Acme ID"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret = { env = "CLIENT_SECRET" }
scopes = ["openid", "profile", "email", "groups"]
groups_claim = "groups"

[[tenants.apps]]
id = "wiki"
name = "Wiki"
hosts = ["wiki.acme.localhost:{port}"]
hide_cookies = true
allow = { signed_in = true }

[[tenants.apps]]
id = "board"
name = "Board"
hosts = ["board.acme.localhost:{port}", "*.board.acme.localhost:{port}"]
[[tenants.apps.rules]]
paths = ["/public"]
public = true
[[tenants.apps.rules]]
paths = ["/admin"]
groups = ["admins"]
[[tenants.apps.rules]]
paths = ["/read"]
methods = ["GET", "HEAD"]
preflight = true
signed_in = true
[[tenants.apps.rules]]
email_domains = ["example.com"]

[[tenants]]
id = "globex"
name = "Globex"

[[tenants.providers]]
id = "main"
preset = "oidc"
name = "Globex ID"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret = { env = "CLIENT_SECRET" }

[[tenants.apps]]
id = "wiki"
name = "Wiki"
hosts = ["wiki.globex.localhost:{port}"]
allow = { signed_in = true }

[[tenants]]
id = "solo"
name = "Solo"
base_url = "http://solo.localhost:{port}/oauth2"

[[tenants.providers]]
id = "main"
preset = "oidc"
name = "Solo ID"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret = { env = "CLIENT_SECRET" }

[[tenants.apps]]
id = "solo"
name = "Solo"
hosts = ["solo.localhost:{port}"]
allow = { signed_in = true }
"#;

/// The clock that a broker and its providers share.
pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(datetime!(2027-01-15 08:00 UTC)))
}

/// Where a broker keeps its database: in memory where the machine has such a place, since hundreds of
/// tests would wait for its disk.
pub(crate) fn folder() -> Arc<TempDir> {
    let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new());
    Arc::new(folder.expect("a folder"))
}

impl Broker {
    /// The usual one.
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// One that a test has set up.
    pub(crate) async fn with(setup: Setup) -> Self {
        let clock = clock();
        let provider = TestProvider::start(Arc::clone(&clock));
        let folder = folder();
        Self::on(setup, clock, provider, folder).await
    }

    /// One on a folder (and so a database) that is there already: a restart, or a second node.
    pub(crate) async fn on(
        setup: Setup,
        clock: Arc<ManualClock>,
        provider: impl Into<Arc<TestProvider>>,
        folder: Arc<TempDir>,
    ) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::at(anywhere, setup, clock, provider.into(), folder).await
    }

    /// The process ends in order, and another begins with the same folder and addresses.
    pub(crate) async fn restart(mut self, setup: Setup) -> Self {
        self.serving.abort();
        let _ = (&mut self.serving).await;
        self.door.drain().await;
        let (clock, folder) = (Arc::clone(&self.clock), Arc::clone(&self.folder));
        Self::at(
            self.address,
            setup,
            clock,
            Arc::clone(&self.provider),
            folder,
        )
        .await
    }

    async fn at(
        address: SocketAddr,
        setup: Setup,
        clock: Arc<ManualClock>,
        provider: Arc<TestProvider>,
        folder: Arc<TempDir>,
    ) -> Self {
        super::audit::listen();
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let text = setup
            .configuration
            .replace("{port}", &address.port().to_string())
            .replace("{issuer}", provider.base())
            .replace("{client_id}", CLIENT_ID);
        let environment: BTreeMap<String, String> = BTreeMap::from([
            (
                "SEALING_KEY".to_owned(),
                "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=".to_owned(),
            ),
            (
                "NEXT_SEALING_KEY".to_owned(),
                "EjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8=".to_owned(),
            ),
            ("CLIENT_SECRET".to_owned(), CLIENT_SECRET.to_owned()),
        ]);
        let file: PathBuf = folder.path().join("doorward.toml");
        std::fs::write(&file, text).expect("a file");
        let files = WatchedFiles::new(file.clone());
        let config = doorward::config::load(&file, &environment)
            .unwrap_or_else(|faults| panic!("{}", faults.render(doorward::config::Style::Plain)));
        let presets = Presets::load(config.server.providers_folder.as_deref()).expect("presets");
        let directory = Directory::build(&config, &presets, 1)
            .unwrap_or_else(|faults| panic!("{}", faults.render(doorward::config::Style::Plain)));
        let ground = Ground {
            clock: clock.clone(),
            random: Arc::new(SeededRandom::new(setup.seed)),
            provider_deadline: setup.provider_deadline,
            waiting: setup.waiting,
        };
        let door = door(&config, directory, ground).await.expect("a broker");
        let reloader = Reloader::new(&config, Arc::new(environment), Arc::clone(&door), files);
        let front = Front::new(&door, true);
        let serving = tokio::spawn(connections::serve(listener, front, std::future::pending()));
        Self {
            clock,
            provider,
            door,
            address,
            folder,
            reloader,
            serving,
        }
    }

    /// The configuration file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("doorward.toml")
    }

    /// Changes the configuration file, as an editor that writes in place.
    pub(crate) fn edit(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(self.file()).expect("a file");
        std::fs::write(self.file(), change(text)).expect("written");
    }

    /// Does what SIGHUP does.
    pub(crate) async fn reload(&self) -> Result<(), Faults> {
        self.reloader.reload(Trigger::Signal).await
    }

    /// A new browser, which reaches every `*.localhost` here.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(Arc::clone(&self.clock))
    }

    /// `http://{host}:{port}{path}`, for a host such as `wiki.acme.localhost`.
    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.address.port())
    }

    /// Where an app's sign-in is asked for, with the target in the query.
    pub(crate) fn sign_in_url(&self, host: &str, path: &str) -> String {
        let target = self.url(host, path);
        let target: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
        self.url(host, &format!("/oauth2/sign_in?rd={target}"))
    }

    /// Time passes, and what the server does each second is done.
    pub(crate) async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.door.upkeep().await;
    }

    /// Asks the check as a trusted nginx would for `method host path`, with the cookies of `browser`.
    pub(crate) async fn check(
        &self,
        browser: &Browser,
        method: &str,
        host: &str,
        path: &str,
    ) -> Page {
        self.check_with(browser, method, host, path, &[]).await
    }

    /// The same with further headers of the client; one of a name that nginx sets replaces it.
    pub(crate) async fn check_with(
        &self,
        browser: &Browser,
        method: &str,
        host: &str,
        path: &str,
        more: &[(&'static str, &str)],
    ) -> Page {
        let url = self.url(host, path);
        let mut headers = vec![
            ("x-original-url", url.as_str()),
            ("x-original-method", method),
        ];
        headers.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        headers.extend(more);
        browser
            .request(Method::GET, &self.url(host, "/oauth2/auth"), &headers)
            .await
    }

    /// Signs `browser` in at an app; the provider lets in whom the test named. Gives the last page.
    pub(crate) async fn sign_in(&self, browser: &mut Browser, host: &str, path: &str) -> Page {
        browser.visit(&self.sign_in_url(host, path)).await
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

mod tests {
    use super::*;

    #[tokio::test]
    async fn a_person_signs_in_and_reaches_the_app() {
        let broker = Broker::start().await;
        let mut browser = broker.browser();
        let before = broker
            .check(&browser, "GET", "wiki.acme.localhost", "/")
            .await;
        assert_eq!(before.status, StatusCode::UNAUTHORIZED);
        broker
            .sign_in(&mut browser, "wiki.acme.localhost", "/page?x=1")
            .await;
        assert_eq!(
            browser.at().map(ToString::to_string),
            Some(broker.url("wiki.acme.localhost", "/page?x=1"))
        );
        let after = broker
            .check(&browser, "GET", "wiki.acme.localhost", "/")
            .await;
        assert_eq!(after.status, StatusCode::ACCEPTED);
        assert_eq!(after.header("x-auth-request-user").len(), 32);
    }

    #[tokio::test]
    async fn login_and_app_can_share_one_host() {
        let broker = Broker::start().await;
        let mut browser = broker.browser();
        broker
            .sign_in(&mut browser, "solo.localhost", "/page")
            .await;
        assert_eq!(
            browser.at().map(ToString::to_string),
            Some(broker.url("solo.localhost", "/page"))
        );
        let after = broker.check(&browser, "GET", "solo.localhost", "/").await;
        assert_eq!(after.status, StatusCode::ACCEPTED);
    }

    #[tokio::test]
    async fn a_tenant_can_live_under_a_path() {
        let broker = Broker::start().await;
        let mut browser = broker.browser();
        broker
            .sign_in(&mut browser, "wiki.globex.localhost", "/")
            .await;
        let after = broker
            .check(&browser, "GET", "wiki.globex.localhost", "/")
            .await;
        assert_eq!(after.status, StatusCode::ACCEPTED);
    }
}
