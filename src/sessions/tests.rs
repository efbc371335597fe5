//! Sessions over a real store, with a clock that stands still until it is moved.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tower_sessions_core::SessionStore as _;

use super::tenant_store::{handle_of, id_of};
use super::*;
use crate::domain::handle::{AppSessionKind, BindingKind, Handle, SessionKind, TicketKind};
use crate::domain::host::Host;
use crate::domain::ids::{AppId, TenantId};
use crate::domain::session::SessionLifetimes;
use crate::domain::tenant::{BaseUrl, Tenant};
use crate::ports::{Clock as _, ManualClock, SeededRandom};
use crate::storage::contract::{CAPS, START, host, identity};
use crate::storage::sealing::SealingKeys;
use crate::storage::sqlite::SqliteStore;
use crate::storage::sqlite::tests::hold_write_lock;
use crate::storage::{SignIn, StorageError, Store};

/// What `access` would prepare.
type Prepared = String;

/// One process over the database in `folder`.
struct Process {
    clock: Arc<ManualClock>,
    store: Arc<dyn Store>,
    sessions: Sessions,
    apps: AppSessions<Prepared>,
    folder: Arc<tempfile::TempDir>,
}

impl Process {
    async fn first() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        Self::over(folder, Arc::new(ManualClock::at(START)), 1).await
    }

    /// Another process beside this one.
    async fn beside(&self) -> Self {
        Self::over(Arc::clone(&self.folder), Arc::clone(&self.clock), 2).await
    }

    async fn over(folder: Arc<tempfile::TempDir>, clock: Arc<ManualClock>, seed: u64) -> Self {
        let key = crate::config::SealingKey::from_bytes([7; 32]);
        let keys = SealingKeys::new(&[key]).expect("a key");
        let random = Arc::new(SeededRandom::new(seed));
        let path = folder.path().join("doorward.db");
        let store = SqliteStore::open(&path, keys, random.clone()).await;
        let store: Arc<dyn Store> = Arc::new(store.expect("opened"));
        let sessions = Sessions::new(Arc::clone(&store), clock.clone(), random);
        Self {
            clock,
            store,
            apps: AppSessions::new(&sessions, 1000),
            sessions,
            folder,
        }
    }

    async fn sign_in(&self, subject: &str, presented: Option<Handle<SessionKind>>) -> Established {
        let browser = Browser {
            user_agent: "Firefox on Linux".into(),
            address: Some("192.0.2.1".into()),
        };
        self.sessions
            .establish(
                &tenant(),
                identity("acme", "issuer", subject),
                Granted {
                    id_token: Some("id-token".into()),
                    tokens: None,
                },
                browser,
                presented,
            )
            .await
            .expect("established")
    }

    async fn enter(&self, session: &Established, app: &str) -> Handle<AppSessionKind> {
        let sign_in = SignIn {
            tenant: acme(),
            app: app_id(app),
            host: app_host(app),
            target: format!("https://{}/", app_host(app)),
            binding: Handle::from_bytes([0; 16]).digest(),
            asked_at: START,
        };
        let begun = self
            .sessions
            .begin_app_session(
                &acme(),
                (&sign_in, Handle::from_bytes([0; 16]).digest()),
                session.session,
            )
            .await;
        begun.expect("written").expect("alive").handle
    }

    async fn check(
        &self,
        app: &str,
        handle: &Handle<AppSessionKind>,
    ) -> Result<bool, StorageError> {
        let checked = self
            .apps
            .check(&acme(), &app_host(app), &handle.digest())
            .await?;
        Ok(checked.is_some())
    }

    async fn passes(&self, app: &str, handle: &Handle<AppSessionKind>) -> bool {
        self.check(app, handle).await.expect("an answer")
    }

    async fn is_signed_in(&self, handle: &Handle<SessionKind>) -> bool {
        let current = self.sessions.current(&acme(), handle).await;
        current.expect("an answer").is_some()
    }

    /// Time passes, with the news heard every second as the server does.
    async fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.sessions.poll_ended().await.expect("news");
    }
}

fn acme() -> TenantId {
    "acme".parse().expect("a name")
}

fn app_id(app: &str) -> AppId {
    app.parse().expect("a name")
}

fn app_host(app: &str) -> Host {
    host(&format!("{app}.example.com"))
}

fn tenant() -> Tenant {
    let origin: url::Url = "https://login.acme.example".parse().expect("an address");
    Tenant {
        id: acme(),
        name: "Acme".into(),
        base: BaseUrl {
            host: Host::of(&origin).expect("a host"),
            origin,
            path: "".into(),
            on_app_host: false,
        },
        contact: None,
        accent: None,
        lifetimes: SessionLifetimes {
            idle: Duration::from_mins(30),
            absolute: Duration::from_hours(10),
        },
        users: Arc::default(),
        api_key_header: http::HeaderName::from_static("x-api-key"),
        api_keys: Arc::default(),
        providers: Vec::new(),
        apps: Vec::new(),
        return_hosts: Vec::new(),
        parent_cookie: None,
        signing: crate::domain::signing_key::SigningRules::default(),
        machine_clients: Vec::new(),
        token_exchanges: Vec::new(),
    }
}

#[tokio::test]
async fn a_login_is_seen_by_pages_and_apps() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    assert_eq!(ada.origin, Origin::New);
    let current = process.sessions.current(&acme(), &ada.handle).await;
    let current = current.expect("an answer").expect("signed in");
    assert_eq!(current.id, ada.session);
    assert_eq!(current.person, ada.person);
    assert_eq!(&*current.browser.user_agent, "Firefox on Linux");
    assert_eq!(current.times.began_at, START);
    assert_eq!(&*ada.person.groups, ["engineers".into(), "admins".into()]);

    let handle = process.enter(&ada, "wiki").await;
    let entry = process
        .apps
        .check(&acme(), &app_host("wiki"), &handle.digest())
        .await;
    let entry = entry.expect("an answer").expect("alive");
    assert_eq!(entry.person(), &ada.person);
    assert_eq!(entry.app(), &app_id("wiki"));
}

#[tokio::test]
async fn a_remembered_answer_needs_no_store() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let handle = process.enter(&ada, "wiki").await;
    assert!(process.passes("wiki", &handle).await);
    process.store.close().await;
    assert!(process.passes("wiki", &handle).await);
    let place = app_host("wiki");
    let recalled = process.apps.recall(&acme(), &place, &handle.digest());
    assert!(matches!(recalled, Recalled::Alive(_)));
}

#[tokio::test]
async fn a_handle_is_good_at_its_own_host_and_tenant_only() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let handle = process.enter(&ada, "wiki").await;
    for remembered in [false, true] {
        assert!(
            !process.passes("ci", &handle).await,
            "remembered: {remembered}"
        );
        let globex: TenantId = "globex".parse().expect("a name");
        let elsewhere = process
            .apps
            .check(&globex, &app_host("wiki"), &handle.digest())
            .await;
        assert!(
            elsewhere.expect("an answer").is_none(),
            "remembered: {remembered}"
        );
        let page = process.sessions.current(&globex, &ada.handle).await;
        assert!(page.expect("an answer").is_none());
        assert!(
            process.passes("wiki", &handle).await,
            "asking elsewhere changes nothing"
        );
    }
}

#[tokio::test]
async fn unknown_handles_ask_the_store_once() {
    let process = Process::first().await;
    let garbage = Handle::from_bytes([9; 16]);
    assert!(!process.passes("wiki", &garbage).await);
    process.store.close().await;
    assert!(
        !process.passes("wiki", &garbage).await,
        "remembered as unknown"
    );
    process
        .check("ci", &garbage)
        .await
        .expect_err("at another host it is another question");
    process.clock.advance(Duration::from_secs(4));
    assert!(!process.passes("wiki", &garbage).await);
}

#[tokio::test]
async fn a26_a_planted_handle_is_worth_nothing_after_the_login() {
    let process = Process::first().await;
    let planted = Handle::from_bytes([6; 16]);
    let ada = process.sign_in("ada", Some(planted.clone())).await;
    assert_eq!(ada.origin, Origin::New);
    assert_ne!(ada.handle.digest(), planted.digest());
    assert!(!process.is_signed_in(&planted).await);
}

#[tokio::test]
async fn a26_a_login_over_ones_own_session_kills_the_old_handle() {
    let process = Process::first().await;
    let first = process.sign_in("ada", None).await;
    let wiki = process.enter(&first, "wiki").await;
    assert!(process.passes("wiki", &wiki).await);
    let again = process.sign_in("ada", Some(first.handle.clone())).await;
    assert_eq!(again.origin, Origin::Renewed);
    assert_eq!(again.session, first.session);
    assert!(!process.is_signed_in(&first.handle).await);
    assert!(process.is_signed_in(&again.handle).await);
    assert!(process.passes("wiki", &wiki).await, "apps stay signed in");
}

#[tokio::test]
async fn a26_a_login_over_anothers_session_ends_it() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let wiki = process.enter(&ada, "wiki").await;
    assert!(process.passes("wiki", &wiki).await);
    let eve = process.sign_in("eve", Some(ada.handle.clone())).await;
    assert_eq!(eve.origin, Origin::InsteadOf(ada.session));
    assert_ne!(eve.person.user, ada.person.user);
    assert!(!process.is_signed_in(&ada.handle).await);
    assert!(!process.passes("wiki", &wiki).await);
    assert!(process.is_signed_in(&eve.handle).await);
}

#[tokio::test]
async fn a_new_login_is_seen_by_apps_that_were_open() {
    let process = Process::first().await;
    let second = process.beside().await;
    let first = process.sign_in("ada", None).await;
    let wiki = process.enter(&first, "wiki").await;
    assert!(process.passes("wiki", &wiki).await && second.passes("wiki", &wiki).await);
    let digest = wiki.digest();
    let place = app_host("wiki");
    let entry_of = async |process: &Process| {
        let entry = process.apps.check(&acme(), &place, &digest).await;
        entry.expect("an answer").expect("alive")
    };
    let before = (entry_of(&process).await, entry_of(&second).await);
    process.sign_in("ada", Some(first.handle)).await;
    second.wait(1).await;
    let after = (entry_of(&process).await, entry_of(&second).await);
    assert!(!Arc::ptr_eq(&before.0, &after.0), "read again at once");
    assert!(
        !Arc::ptr_eq(&before.1, &after.1),
        "read again after the news"
    );
}

#[tokio::test]
async fn a27_signing_out_is_seen_at_once_here_and_within_a_poll_elsewhere() {
    let here = Process::first().await;
    let there = here.beside().await;
    let ada = here.sign_in("ada", None).await;
    let wiki = here.enter(&ada, "wiki").await;
    assert!(here.passes("wiki", &wiki).await);
    assert!(there.passes("wiki", &wiki).await);
    assert!(there.is_signed_in(&ada.handle).await);
    let ended = here.sessions.sign_out(&acme(), &ada.handle).await;
    let ended = ended.expect("written").expect("it was alive");
    let token = ended.id_token.as_ref().map(SecretString::expose_secret);
    assert_eq!(token, Some("id-token"));
    assert!(!here.passes("wiki", &wiki).await);
    assert!(!here.is_signed_in(&ada.handle).await);
    assert!(
        !there.is_signed_in(&ada.handle).await,
        "pages read the store"
    );
    there.wait(1).await;
    assert!(!there.passes("wiki", &wiki).await);
    let again = here.sessions.sign_out(&acme(), &ada.handle).await;
    assert!(again.expect("an answer").is_none());
}

#[tokio::test]
async fn a27_ending_from_the_list_reaches_the_apps() {
    let process = Process::first().await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let session = process.sign_in("ada", None).await;
        let wiki = process.enter(&session, "wiki").await;
        assert!(process.passes("wiki", &wiki).await);
        sessions.push((session, wiki));
        process.wait(1).await;
    }
    let user = sessions[0].0.person.user;
    let listed = process.sessions.list(&acme(), user).await.expect("read");
    let listed: Vec<_> = listed.iter().map(|session| session.id).collect();
    let newest_first: Vec<_> = sessions
        .iter()
        .rev()
        .map(|(session, _)| session.session)
        .collect();
    assert_eq!(listed, newest_first);
    let one = process.sessions.end_one(&acme(), user, listed[0]).await;
    assert!(one.expect("written"));
    assert!(!process.passes("wiki", &sessions[2].1).await);
    let others = process.sessions.end_others(&acme(), user, listed[1]).await;
    assert_eq!(others.expect("written"), [listed[2]]);
    assert!(!process.passes("wiki", &sessions[0].1).await);
    assert!(process.passes("wiki", &sessions[1].1).await);
}

#[tokio::test]
async fn a27_an_end_between_reading_and_remembering_is_not_overlooked() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let wiki = process.enter(&ada, "wiki").await.digest();
    let place = app_host("wiki");
    let generation = process.sessions.live().generation();
    let found = process.store.find_app_session(&acme(), &place, wiki).await;
    let read = found.expect("read").expect("alive");
    let ended = process.sessions.sign_out(&acme(), &ada.handle).await;
    assert!(ended.expect("written").is_some());
    let admitted = process
        .apps
        .admit(&acme(), &place, &wiki, read, generation)
        .await;
    assert!(
        admitted.expect("an answer").is_some(),
        "it was alive when it was read"
    );
    assert_eq!(process.sessions.live().count(), 0, "but nothing is kept");
    let next = process.apps.check(&acme(), &place, &wiki).await;
    assert!(next.expect("an answer").is_none());
}

#[tokio::test]
async fn t16_a_clock_that_steps_back_revives_nothing() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let wiki = process.enter(&ada, "wiki").await;
    assert!(process.passes("wiki", &wiki).await);
    let eve = process.sign_in("eve", None).await;
    process.clock.step_to(START + time::Duration::hours(10));
    assert!(!process.passes("wiki", &wiki).await);
    assert!(!process.is_signed_in(&eve.handle).await);
    process.clock.step_to(START);
    assert!(!process.passes("wiki", &wiki).await);
    assert!(!process.is_signed_in(&ada.handle).await);
    assert!(!process.is_signed_in(&eve.handle).await);
    let restarted = process.beside().await;
    assert!(!restarted.passes("wiki", &wiki).await);
}

#[tokio::test]
async fn t16_what_the_store_could_not_be_told_stays_dead_too() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let eve = process.sign_in("eve", None).await;
    let wiki = process.enter(&ada, "wiki").await;
    let ci = process.enter(&ada, "ci").await;
    let eves = process.enter(&eve, "wiki").await;
    assert!(process.passes("wiki", &wiki).await);
    let lock = hold_write_lock(&process.folder.path().join("doorward.db")).await;
    process.clock.step_to(START + time::Duration::hours(10));
    let (adas_check, eves_check) =
        tokio::join!(process.check("wiki", &wiki), process.check("wiki", &eves));
    adas_check.expect_err("the store cannot be told");
    eves_check.expect_err("the store cannot be told");
    process.clock.step_to(START);
    assert!(!process.passes("wiki", &wiki).await, "it was in memory");
    assert!(!process.passes("ci", &ci).await, "it was read only now");
    assert!(!process.is_signed_in(&ada.handle).await);
    drop(lock);
    let again = process.sign_in("ada", Some(ada.handle)).await;
    assert_eq!(
        again.origin,
        Origin::New,
        "a login does not revive it either"
    );
    process.sessions.flush_uses().await.expect("told");
    let restarted = process.beside().await;
    assert!(!restarted.passes("wiki", &eves).await);
}

#[tokio::test]
async fn t25_a_save_that_overlaps_the_sign_out_revives_nothing() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let pages = TenantSessionStore::for_pages(process.sessions.live(), &acme());
    let id = id_of(&ada.handle);
    let overlapping = pages.load(&id).await.expect("an answer").expect("alive");
    pages
        .save(&overlapping)
        .await
        .expect("saved while it is alive");
    assert!(
        process.is_signed_in(&ada.handle).await,
        "what was saved can be read"
    );
    process
        .sessions
        .sign_out(&acme(), &ada.handle)
        .await
        .expect("written");
    pages.save(&overlapping).await.expect_err("it has ended");
    assert!(pages.load(&id).await.expect("an answer").is_none());
    assert!(!process.is_signed_in(&ada.handle).await);
    let mut record = overlapping.clone();
    pages
        .create(&mut record)
        .await
        .expect_err("only a login begins a session");
    pages.delete(&id).await.expect("nothing to end");
}

#[test]
fn our_handle_and_their_id_print_alike() {
    for bytes in [[0; 16], [255; 16], *b"0123456789abcdef"] {
        let handle = Handle::<SessionKind>::from_bytes(bytes);
        let id = id_of(&handle);
        assert_eq!(id.to_string(), handle.reveal());
        assert_eq!(handle_of(id).expose(), bytes);
    }
}

#[tokio::test]
async fn using_one_app_keeps_the_other_alive() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let wiki = process.enter(&ada, "wiki").await;
    let ci = process.enter(&ada, "ci").await;
    for _ in 0..4 {
        assert!(process.passes("wiki", &wiki).await);
        process.wait(20 * 60).await;
    }
    assert!(process.passes("ci", &ci).await);
    assert!(process.is_signed_in(&ada.handle).await, "and the pages");
    process.wait(30 * 60).await;
    assert!(!process.passes("wiki", &wiki).await);
    assert!(!process.passes("ci", &ci).await);
    assert!(!process.is_signed_in(&ada.handle).await);
}

#[tokio::test]
async fn it_ends_after_its_time_however_it_is_used() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let wiki = process.enter(&ada, "wiki").await;
    for _ in 0..30 {
        assert!(process.passes("wiki", &wiki).await);
        process.wait(20 * 60).await;
    }
    assert!(!process.passes("wiki", &wiki).await);
}

#[tokio::test]
async fn use_at_another_process_counts_before_idleness_is_called() {
    let here = Process::first().await;
    let there = here.beside().await;
    let ada = here.sign_in("ada", None).await;
    let wiki = here.enter(&ada, "wiki").await;
    assert!(here.passes("wiki", &wiki).await);
    assert!(there.passes("wiki", &wiki).await);
    here.wait(20 * 60).await;
    there.wait(0).await;
    assert!(there.passes("wiki", &wiki).await);
    assert_eq!(there.sessions.flush_uses().await.expect("written"), 1);
    here.wait(20 * 60).await;
    assert!(
        here.passes("wiki", &wiki).await,
        "40 minutes unused here, 20 there"
    );
}

#[tokio::test]
async fn last_uses_are_written_in_one_go_and_survive_a_restart() {
    let process = Process::first().await;
    let mut handles = Vec::new();
    for subject in ["ada", "eve", "joe"] {
        let session = process.sign_in(subject, None).await;
        handles.push(process.enter(&session, "wiki").await);
    }
    process.wait(20 * 60).await;
    for handle in &handles {
        assert!(process.passes("wiki", handle).await);
    }
    assert_eq!(process.sessions.flush_uses().await.expect("written"), 3);
    assert_eq!(
        process.sessions.flush_uses().await.expect("written"),
        0,
        "nothing new"
    );
    assert_eq!(process.sessions.live().count(), 3, "apps hold them");
    process.wait(20 * 60).await;
    let restarted = process.beside().await;
    assert!(restarted.passes("wiki", &handles[0]).await);
}

#[tokio::test]
async fn what_is_in_use_is_not_swept() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let wiki = process.enter(&ada, "wiki").await;
    process.wait(29 * 60).await;
    assert!(process.passes("wiki", &wiki).await);
    process.wait(29 * 60).await;
    assert_eq!(process.sessions.sweep().await.expect("swept"), 0);
    assert!(process.passes("wiki", &wiki).await);
}

#[tokio::test]
async fn memory_is_freed_of_what_is_over() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let eve = process.sign_in("eve", None).await;
    let handles = [
        process.enter(&ada, "wiki").await,
        process.enter(&eve, "wiki").await,
    ];
    assert!(process.passes("wiki", &handles[0]).await);
    assert!(process.passes("wiki", &handles[1]).await);
    process
        .sessions
        .sign_out(&acme(), &ada.handle)
        .await
        .expect("written");
    process.apps.let_go();
    assert_eq!(process.apps.count(), 1);
    process.wait(60 * 60).await;
    process.sessions.sweep().await.expect("swept");
    process.sessions.poll_ended().await.expect("news");
    process.apps.let_go();
    process.sessions.flush_uses().await.expect("written");
    assert_eq!(
        (process.apps.count(), process.sessions.live().count()),
        (0, 0)
    );
}

#[tokio::test]
async fn a41_a_broken_store_is_an_error_never_a_yes_or_no() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let wiki = process.enter(&ada, "wiki").await;
    process.store.close().await;
    process
        .check("wiki", &wiki)
        .await
        .expect_err("not in memory");
    let page = process.sessions.current(&acme(), &ada.handle).await;
    page.expect_err("an error");
    process
        .sessions
        .sign_out(&acme(), &ada.handle)
        .await
        .expect_err("an error");
    let acme = tenant();
    let login = process.sessions.establish(
        &acme,
        identity("acme", "issuer", "eve"),
        Granted::default(),
        Browser::default(),
        None,
    );
    login.await.expect_err("no session");
}

#[tokio::test]
async fn a41_five_seconds_without_news_and_memory_is_not_believed() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let wiki = process.enter(&ada, "wiki").await;
    assert!(process.passes("wiki", &wiki).await);
    process.clock.advance(Duration::from_millis(4999));
    assert!(process.sessions.trusted() && process.passes("wiki", &wiki).await);
    process.clock.advance(Duration::from_millis(1));
    assert!(!process.sessions.trusted());
    process
        .check("wiki", &wiki)
        .await
        .expect_err("neither yes nor no");
    process.sessions.poll_ended().await.expect("news");
    assert!(process.passes("wiki", &wiki).await);
    // The time of day has nothing to do with it.
    process
        .clock
        .step_to(process.clock.now() + time::Duration::minutes(1));
    assert!(process.sessions.trusted());
}

#[tokio::test]
async fn after_a_long_silence_everything_is_read_again() {
    let here = Process::first().await;
    let there = here.beside().await;
    let ada = here.sign_in("ada", None).await;
    let wiki = here.enter(&ada, "wiki").await;
    assert!(there.passes("wiki", &wiki).await);
    here.sessions
        .sign_out(&acme(), &ada.handle)
        .await
        .expect("written");
    here.wait(11 * 60).await;
    here.sessions
        .sweep()
        .await
        .expect("swept, and the news of it with it");
    there.sessions.poll_ended().await.expect("news");
    assert!(!there.passes("wiki", &wiki).await);
}

#[tokio::test]
async fn what_was_prepared_is_made_once_and_can_be_made_anew() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let handle = process.enter(&ada, "wiki").await.digest();
    let place = app_host("wiki");
    let entry = process.apps.check(&acme(), &place, &handle).await;
    let entry = entry.expect("an answer").expect("alive");
    assert_eq!(entry.prepared(|entry| entry.person().display_name()), "Ada");
    assert_eq!(entry.prepared(|_| unreachable!("made once")), "Ada");
    let renewed = process.apps.renewed(&handle, &entry);
    assert_eq!(renewed.prepared(|_| "new".into()), "new");
    let entry = process.apps.check(&acme(), &place, &handle).await;
    let entry = entry.expect("an answer").expect("alive");
    assert_eq!(entry.prepared(|_| unreachable!("made")), "new");
}

#[tokio::test]
async fn t24_a_ticket_leads_into_the_app_once() {
    let process = Process::first().await;
    let ada = process.sign_in("ada", None).await;
    let wiki = (app_id("wiki"), app_host("wiki"));
    let target = "https://wiki.example.com/page".to_owned();
    let asking = process
        .sessions
        .ask_sign_in(&acme(), &wiki.0, &wiki.1, target.clone(), "".into(), CAPS)
        .await;
    let asked = asking.expect("written").expect("room");
    let answered = process
        .sessions
        .issue_ticket(&acme(), asked.id.digest(), ada.session)
        .await;
    let (ticket, sign_in) = answered.expect("written").expect("answered");
    assert_eq!(sign_in.target, target);
    let redeem = async |ticket: &Handle<TicketKind>, binding: &Handle<BindingKind>| {
        let redeemed = process
            .sessions
            .redeem(&acme(), &wiki.0, &wiki.1, ticket, binding)
            .await;
        redeemed.expect("an answer")
    };
    let stranger = Handle::from_bytes([3; 16]);
    assert!(redeem(&ticket, &stranger).await.is_none());
    process.clock.advance(Duration::from_secs(60));
    process.sessions.poll_ended().await.expect("news");
    let entered = redeem(&ticket, &asked.binding).await.expect("in time");
    assert_eq!(entered.person, ada.person);
    assert_eq!(entered.sign_in.target, target);
    assert!(process.passes("wiki", &entered.handle).await);
    assert!(redeem(&ticket, &asked.binding).await.is_none(), "once");
}

#[tokio::test]
async fn t24_a_ticket_that_took_longer_or_outlived_its_session_is_worthless() {
    let process = Process::first().await;
    let wiki = (app_id("wiki"), app_host("wiki"));
    for (why, seconds) in [("61 s old", 61), ("session over", 0)] {
        let ada = process.sign_in("ada", None).await;
        let asking = process
            .sessions
            .ask_sign_in(
                &acme(),
                &wiki.0,
                &wiki.1,
                "https://wiki.example.com/".into(),
                "".into(),
                CAPS,
            )
            .await;
        let asked = asking.expect("written").expect("room");
        let id = asked.id.digest();
        let answered = process
            .sessions
            .issue_ticket(&acme(), id, ada.session)
            .await;
        let (ticket, _) = answered.expect("written").expect("answered");
        process.wait(seconds).await;
        if seconds == 0 {
            process
                .sessions
                .sign_out(&acme(), &ada.handle)
                .await
                .expect("written");
        }
        let redeemed = process
            .sessions
            .redeem(&acme(), &wiki.0, &wiki.1, &ticket, &asked.binding)
            .await;
        assert!(redeemed.expect("an answer").is_none(), "{why}");
    }
}
