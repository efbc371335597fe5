//! What every store must do: one list of tests, run against each of them by [`storage_contract!`].
//!
//! A store is opened empty for each test. What is special to one store (files, restarts, full disks) is
//! tested beside it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::domain::api_key::ApiKeyGrant;
use crate::domain::handle::{
    AppSessionKind, AttemptKind, BindingKind, Digest, Handle, Kind, SessionKind, SignInKind,
    SignOutKind, StateKind, TicketKind,
};
use crate::domain::host::Host;
use crate::domain::identity::{Profile, VerifiedIdentity};
use crate::domain::identity_header::IdentitySource;
use crate::domain::ids::{ApiKeyId, Issuer, ProviderId, SessionId, TenantId, UserId};
use crate::domain::login_attempt::{Callback, Continuation, PendingAttempt};
use crate::domain::revocation::Revocation;
use crate::domain::session::{SessionLifetimes, SessionTimes};
use crate::domain::signing_key::{
    KeyPlan, KeySchedule, Occasion, SigningAlgorithm, SigningRules, plan,
};
use crate::domain::upstream_logout::{
    LogoutNotice, NoticeRefused, SignedOutMeanwhile, SignedOutUpstream, UpstreamLogin,
    UpstreamNames,
};
use crate::domain::upstream_tokens::UpstreamTokens;

pub(crate) const START: OffsetDateTime = datetime!(2027-01-15 08:00 UTC);
pub(crate) const CAPS: WaitingCaps = WaitingCaps {
    total: 1000,
    per_network: 100,
};

/// Makes a test of each function below. `$open` is an async function that gives `(Arc<dyn Store>, guard)`.
macro_rules! storage_contract {
    ($open:path) => {
        $crate::storage::contract::storage_contract! {
            @each $open;
            an_attempt_comes_back_as_it_was,
            a25_an_attempt_is_taken_once_by_fifty,
            a25_a_stranger_does_not_use_an_attempt_up,
            a25_a_posted_answer_is_kept_once,
            a25_a_posted_answer_is_found_at_its_place_for_a_while,
            t26_one_network_has_its_share,
            t26_the_busiest_network_makes_room,
            t26_requests_of_nowhere_are_no_network,
            a29_a_person_is_their_issuer_and_subject,
            a31_one_identity_at_once_is_one_person,
            who_calls_without_a_session_is_one_user_for_ever,
            an_api_key_is_found_by_its_digest_and_changes_are_told,
            uses_of_a_key_are_added_all_or_none,
            revoked_tokens_are_told_in_their_order,
            a_session_is_found_by_its_tenant_and_handle,
            a26_a_renewed_session_has_lost_its_old_handle,
            a_session_has_few_handles_at_one_host,
            a_sign_in_that_needs_no_ticket_waits_no_more,
            t25_an_ended_session_stays_ended,
            a_person_ends_their_own_sessions_only,
            an_app_session_is_found_at_its_host_and_tenant,
            t24_a_ticket_is_redeemed_once,
            t24_a_ticket_of_another_place_is_worthless,
            t24_a_ticket_is_good_for_a_minute,
            t24_a_ticket_of_an_ended_session_is_worthless,
            t24_a_sign_in_is_answered_once,
            a_sign_out_returns_once_within_the_hour,
            a_last_use_never_goes_back,
            a13_the_right_to_a_refresh_is_one_hands,
            a_rotated_token_is_the_next_claims,
            what_a_look_has_found_is_written_and_told,
            apps_are_given_what_they_take_while_a_session_lives,
            somebody_else_is_written_nowhere,
            t25_a_claim_is_lost_with_its_session,
            a_claim_is_lost_to_a_new_sign_in,
            tokens_of_an_ended_session_are_taken_out_once,
            what_ended_is_told_in_order,
            what_is_over_is_swept_and_told,
            c_a_logout_token_is_used_once,
            t25_what_a_provider_ended_does_not_begin,
            t25_an_unnamed_login_does_not_outlive_a_session_of_its_person,
            what_a_provider_ended_is_told_and_swept,
            an_assertion_is_used_once_and_forgotten,
            revoked_tokens_are_told_in_order_until_they_end,
            one_of_many_makes_a_signing_key,
            a_plan_for_signing_keys_is_done_whole_or_not,
            it_can_be_probed,
        }
    };
    (@each $open:path; $($name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (store, _guard) = $open().await;
                $crate::storage::contract::$name(&store).await;
            }
        )+
    };
}
pub(crate) use storage_contract;

type AnyStore = Arc<dyn Store>;

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().expect("a name")
}

pub(crate) fn host(name: &str) -> Host {
    Host::parse(name, 443).expect("a host")
}

pub(crate) fn handle<K: Kind>(number: u8) -> Digest<K> {
    Handle::from_bytes([number; 16]).digest()
}

pub(crate) fn attempt(number: u8) -> PendingAttempt {
    PendingAttempt {
        tenant: tenant("acme"),
        provider: "entra".parse().expect("a name"),
        issuer: Some(Issuer::new("https://login.example/t")),
        issuer_promised: true,
        cookie: handle(number),
        state: handle(number),
        nonce: "canary-nonce".into(),
        code_verifier: "canary-verifier".into(),
        continuation: Continuation::Sessions,
        began_at: START,
    }
}

/// An identity as a login at `tenant` would give it.
pub(crate) fn identity(tenant_name: &str, issuer_key: &str, subject_key: &str) -> VerifiedIdentity {
    let attempt = PendingAttempt {
        tenant: tenant(tenant_name),
        ..attempt(1)
    };
    let callback = Callback {
        arrived_at: (attempt.tenant.clone(), attempt.provider.clone()),
        cookie: Some(attempt.cookie),
        state: attempt.state,
        issuer: attempt.issuer.clone(),
        answer: Ok("code".into()),
    };
    let matched = attempt.accept(callback, START).expect("accepted");
    let profile = Profile {
        issuer_key: issuer_key.into(),
        subject_key: subject_key.into(),
        issuer: Issuer::new(issuer_key),
        naming_issuer: issuer_key.into(),
        subject: subject_key.into(),
        name: Some("Ada".into()),
        preferred_username: None,
        email: "ada@example.com".parse().ok(),
        groups: ["engineers", "admins"].map(Into::into).into(),
        roles: Vec::new(),
        picture: None,
        locale: None,
        claims: std::collections::BTreeMap::new(),
        authenticated_at: None,
        upstream_session: None,
    };
    VerifiedIdentity::new(&matched, profile)
}

fn times(began_at: OffsetDateTime) -> SessionTimes {
    SessionTimes::begin(
        began_at,
        SessionLifetimes {
            idle: Duration::from_hours(1),
            absolute: Duration::from_hours(10),
        },
    )
}

pub(crate) fn new_session(number: u8) -> NewSession {
    NewSession {
        id: SessionId::from_bytes([number; 16]),
        handle: handle(number),
        new_user: UserId::from_bytes([number; 16]),
        times: times(START),
        id_token: Some("canary-id-token".into()),
        upstream: upstream_login("sid", START),
        tokens: None,
    }
}

fn names(provider: &ProviderId) -> UpstreamNames<'_> {
    UpstreamNames {
        provider,
        issuer: "issuer",
    }
}

fn upstream_login(sid: &str, asked_at: OffsetDateTime) -> UpstreamLogin {
    let provider = "entra".parse().expect("a name");
    UpstreamLogin {
        session: Some(names(&provider).session(sid)),
        subject: names(&provider).subject("ada"),
        asked_at,
    }
}

fn notice(who: SignedOutUpstream, jti: &str) -> LogoutNotice {
    LogoutNotice {
        who,
        token: names(&"entra".parse().expect("a name")).token(jti),
        valid_until: seconds(180),
    }
}

fn session_of(sid: &str) -> SignedOutUpstream {
    SignedOutUpstream::Session(names(&"entra".parse().expect("a name")).session(sid))
}

pub(crate) async fn begin(store: &dyn Store, number: u8) -> UserId {
    store
        .begin_session(
            &identity("acme", "issuer", "ada"),
            &new_session(number),
            &|user| format!("{{\"user\":\"{user}\"}}"),
        )
        .await
        .expect("written")
        .expect("begun")
}

fn new_app_session(number: u8) -> NewAppSession {
    NewAppSession {
        tenant: tenant("acme"),
        app: "wiki".parse().expect("a name"),
        host: host("wiki.example.com"),
        handle: handle(number),
        began_at: START,
    }
}

fn asked() -> SignIn {
    SignIn {
        tenant: tenant("acme"),
        app: "wiki".parse().expect("a name"),
        host: host("wiki.example.com"),
        target: "https://wiki.example.com/a?b=c".into(),
        binding: handle(1),
        asked_at: START,
    }
}

async fn is_live(store: &dyn Store, number: u8) -> bool {
    store
        .find_session(&tenant("acme"), handle(number))
        .await
        .expect("read")
        .is_some()
}

async fn app_is_live(store: &dyn Store, number: u8) -> bool {
    store
        .find_app_session(&tenant("acme"), &host("wiki.example.com"), handle(number))
        .await
        .expect("read")
        .is_some()
}

fn seconds(seconds: i64) -> OffsetDateTime {
    START + time::Duration::seconds(seconds)
}

pub(crate) async fn an_attempt_comes_back_as_it_was(store: &AnyStore) {
    let begun = PendingAttempt {
        continuation: Continuation::App(handle(9)),
        issuer: None,
        ..attempt(1)
    };
    store
        .begin_attempt(&begun, "192.0.2.1".into(), CAPS)
        .await
        .expect("written")
        .expect("room");
    let taken = store
        .take_attempt(handle(1), handle(1))
        .await
        .expect("read")
        .expect("there");
    assert_eq!(taken.tenant, begun.tenant);
    assert_eq!(taken.provider, begun.provider);
    assert_eq!(taken.issuer, begun.issuer);
    assert_eq!(taken.issuer_promised, begun.issuer_promised);
    assert_eq!(taken.cookie, begun.cookie);
    assert_eq!(taken.state, begun.state);
    assert_eq!(taken.continuation, begun.continuation);
    assert_eq!(taken.began_at, begun.began_at);
    assert_eq!(taken.nonce.expose_secret(), "canary-nonce");
    assert_eq!(taken.code_verifier.expose_secret(), "canary-verifier");
}

pub(crate) async fn a25_an_attempt_is_taken_once_by_fifty(store: &AnyStore) {
    let begun = store.begin_attempt(&attempt(1), "".into(), CAPS).await;
    begun.expect("written").expect("room");
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let store = Arc::clone(store);
        takers.spawn(async move { store.take_attempt(handle(1), handle(1)).await });
    }
    let taken = takers.join_all().await;
    let winners = taken
        .into_iter()
        .filter(|taken| taken.as_ref().expect("an answer").is_some());
    assert_eq!(winners.count(), 1);
}

pub(crate) async fn a25_a_stranger_does_not_use_an_attempt_up(store: &AnyStore) {
    let begun = store.begin_attempt(&attempt(1), "".into(), CAPS).await;
    begun.expect("written").expect("room");
    let take = |state: Digest<StateKind>, cookie: Digest<AttemptKind>| async move {
        store.take_attempt(state, cookie).await.expect("an answer")
    };
    assert!(take(handle(1), handle(2)).await.is_none());
    assert!(take(handle(2), handle(1)).await.is_none());
    assert!(take(handle(1), handle(1)).await.is_some());
}

/// An answer to the attempt with this number, under the handle with that one.
fn posted(number: u8, under: u8) -> PostedAnswer {
    let attempt = attempt(number);
    PostedAnswer {
        tenant: attempt.tenant,
        provider: attempt.provider,
        state: attempt.state,
        handle: handle(under),
        answer: format!("canary-answer-{under}").into(),
        posted_at: seconds(10),
    }
}

pub(crate) async fn a25_a_posted_answer_is_kept_once(store: &AnyStore) {
    for number in [1, 2] {
        let begun = store.begin_attempt(&attempt(number), "".into(), CAPS).await;
        begun.expect("written").expect("room");
    }
    let keep = |answer: PostedAnswer, began_after| async move {
        let kept = store.keep_answer(&answer, began_after).await;
        kept.expect("an answer")
    };
    let elsewhere = PostedAnswer {
        tenant: tenant("globex"),
        ..posted(1, 1)
    };
    assert!(!keep(elsewhere, START).await, "of another tenant");
    let elsewhere = PostedAnswer {
        provider: "other".parse().expect("a name"),
        ..posted(1, 1)
    };
    assert!(!keep(elsewhere, START).await, "of another provider");
    assert!(!keep(posted(3, 1), START).await, "nobody began it");
    assert!(
        !keep(posted(1, 1), seconds(1)).await,
        "it began too long ago"
    );
    assert!(keep(posted(1, 1), START).await);
    assert!(!keep(posted(1, 2), START).await, "the first one counts");
    assert!(keep(posted(2, 2), START).await, "each attempt has its own");

    // Of fifty at once one is kept.
    let begun = store.begin_attempt(&attempt(4), "".into(), CAPS).await;
    begun.expect("written").expect("room");
    let mut keepers = tokio::task::JoinSet::new();
    for under in 100..150 {
        let store = Arc::clone(store);
        keepers.spawn(async move { store.keep_answer(&posted(4, under), START).await });
    }
    let kept = keepers.join_all().await;
    let winners = kept
        .into_iter()
        .filter(|kept| *kept.as_ref().expect("an answer"));
    assert_eq!(winners.count(), 1);
}

pub(crate) async fn a25_a_posted_answer_is_found_at_its_place_for_a_while(store: &AnyStore) {
    let begun = store.begin_attempt(&attempt(1), "".into(), CAPS).await;
    begun.expect("written").expect("room");
    let kept = store.keep_answer(&posted(1, 7), START).await;
    assert!(kept.expect("an answer"));
    let (here, provider) = (attempt(1).tenant, attempt(1).provider);
    let (there, other) = (tenant("globex"), "other".parse().expect("a name"));
    let find = |tenant, provider, under: u8, after| async move {
        let found = store
            .find_answer(tenant, provider, handle(under), after)
            .await;
        found
            .expect("an answer")
            .map(|found| found.expose_secret().to_owned())
    };
    assert_eq!(find(&there, &provider, 7, START).await, None);
    assert_eq!(find(&here, &other, 7, START).await, None);
    assert_eq!(find(&here, &provider, 8, START).await, None);
    assert_eq!(find(&here, &provider, 7, seconds(11)).await, None);
    // Being looked at does not use it up; its attempt takes it along.
    for _ in 0..2 {
        let found = find(&here, &provider, 7, seconds(10)).await;
        assert_eq!(found.as_deref(), Some("canary-answer-7"));
    }
    let taken = store.take_attempt(handle(1), handle(1)).await;
    assert!(taken.expect("read").is_some());
    assert_eq!(find(&here, &provider, 7, START).await, None);
}

pub(crate) async fn t26_one_network_has_its_share(store: &AnyStore) {
    let caps = WaitingCaps {
        total: 100,
        per_network: 2,
    };
    let begin = |number, network: &str, began_at| {
        let begun = PendingAttempt {
            began_at,
            ..attempt(number)
        };
        let network = network.into();
        async move {
            store
                .begin_attempt(&begun, network, caps)
                .await
                .expect("written")
        }
    };
    assert!(begin(1, "192.0.2.1", START).await.is_ok());
    assert!(begin(2, "192.0.2.1", START).await.is_ok());
    assert_eq!(begin(3, "192.0.2.1", START).await, Err(TooManyWaiting));
    assert!(begin(4, "192.0.2.2", START).await.is_ok());
    for number in 10..10 + 2 * 16 {
        assert!(begin(number, "2001:db8::/48", START).await.is_ok());
    }
    assert!(begin(90, "2001:db8::/48", START).await.is_err());
    assert!(begin(91, "2001:db8:1::/48", START).await.is_ok());
    // Attempts that nobody can complete any more make room in their own network.
    assert!(begin(5, "192.0.2.1", seconds(15 * 60 + 1)).await.is_ok());
    let take = async |number| {
        store
            .take_attempt(handle(number), handle(number))
            .await
            .expect("read")
    };
    assert!(take(3).await.is_none(), "it was refused");
    assert!(take(4).await.is_some());
    assert!(take(5).await.is_some());
}

pub(crate) async fn t26_the_busiest_network_makes_room(store: &AnyStore) {
    let caps = WaitingCaps {
        total: 4,
        per_network: 100,
    };
    for (number, network) in [(1, "b"), (2, "a"), (3, "a"), (4, "a"), (5, "c")] {
        let sign_in = SignIn {
            asked_at: seconds(number.into()),
            ..asked()
        };
        let asked = store
            .ask_sign_in(handle(number), &sign_in, network.into(), caps)
            .await;
        asked.expect("written").expect("room");
    }
    let waits = async |number| {
        let found = store.find_sign_in(&tenant("acme"), handle(number)).await;
        found.expect("read").is_some()
    };
    assert!(waits(1).await, "a light network is not pushed out");
    assert!(!waits(2).await, "the oldest of the busiest network goes");
    assert!(waits(3).await && waits(4).await && waits(5).await);
}

pub(crate) async fn t26_requests_of_nowhere_are_no_network(store: &AnyStore) {
    let caps = WaitingCaps {
        total: 3,
        per_network: 1,
    };
    for number in 1..=4 {
        let begun = PendingAttempt {
            began_at: seconds(number.into()),
            ..attempt(number)
        };
        let begun = store.begin_attempt(&begun, "".into(), caps).await;
        begun.expect("written").expect("room");
    }
    let take = async |number| {
        store
            .take_attempt(handle(number), handle(number))
            .await
            .expect("read")
    };
    assert!(take(1).await.is_none(), "the oldest goes");
    assert!(take(2).await.is_some() && take(4).await.is_some());
}

pub(crate) async fn a29_a_person_is_their_issuer_and_subject(store: &AnyStore) {
    let mut users = HashSet::new();
    let identities = [
        ("acme", "issuer", "ada"),
        ("acme", "issuer", "eve"),
        ("acme", "other issuer", "ada"),
        ("globex", "issuer", "ada"),
    ];
    for (identity_of, number) in identities.into_iter().zip(1..) {
        let (tenant_name, issuer, subject) = identity_of;
        let identity = identity(tenant_name, issuer, subject);
        assert_eq!(store.user_of(&identity).await.expect("read"), None);
        let user = store
            .begin_session(&identity, &new_session(number), &|_| String::new())
            .await
            .expect("written")
            .expect("begun");
        assert!(
            users.insert(user),
            "all have the same e-mail, none the same person"
        );
        let again = store
            .begin_session(&identity, &new_session(number + 100), &|_| String::new())
            .await
            .expect("written")
            .expect("begun");
        assert_eq!(again, user);
        assert_eq!(store.user_of(&identity).await.expect("read"), Some(user));
    }
}

pub(crate) async fn a31_one_identity_at_once_is_one_person(store: &AnyStore) {
    let mut logins = tokio::task::JoinSet::new();
    for number in 0..20 {
        let store = Arc::clone(store);
        logins.spawn(async move { begin(&*store, number).await });
    }
    let users: HashSet<_> = logins.join_all().await.into_iter().collect();
    assert_eq!(users.len(), 1);
}

/// Each once, to whoever asks from where they were.
pub(crate) async fn revoked_tokens_are_told_in_their_order(store: &AnyStore) {
    let (before, _) = store.token_revocations_since(0).await.expect("an answer");
    let revoked = |what| StoredRevocation {
        tenant: tenant("acme"),
        what,
        needed_until: START + Duration::from_hours(1),
    };
    let all = [
        revoked(Revocation::Token {
            issuer: "issuer".into(),
            id: "j-1".into(),
        }),
        revoked(Revocation::Subject {
            issuer: "issuer".into(),
            subject: "ada".into(),
            issued_until: START,
        }),
        revoked(Revocation::Issuer {
            issuer: "".into(),
            issued_until: START,
        }),
    ];
    for one in &all {
        store.revoke_tokens(one).await.expect("revoked");
    }
    let (middle, told) = store
        .token_revocations_since(before)
        .await
        .expect("an answer");
    assert_eq!(told, all);
    let (after, told) = store
        .token_revocations_since(middle)
        .await
        .expect("an answer");
    assert_eq!((after, told.len()), (middle, 0));
    // Kept for a day longer than they are needed, because clocks step back; numbers are never used again.
    store
        .sweep(START + Duration::from_hours(24))
        .await
        .expect("swept");
    let (_, kept) = store.token_revocations_since(before).await.expect("told");
    assert_eq!(kept.len(), 3);
    store
        .sweep(START + Duration::from_hours(26))
        .await
        .expect("swept");
    let (_, kept) = store.token_revocations_since(before).await.expect("told");
    assert_eq!(kept.len(), 0);
    store.revoke_tokens(&all[0]).await.expect("revoked");
    let (again, _) = store.token_revocations_since(middle).await.expect("told");
    assert!(again > middle);
}

/// The first of many at once makes it; who signs in as the same is the same.
pub(crate) async fn who_calls_without_a_session_is_one_user_for_ever(store: &AnyStore) {
    let mut known = HashSet::new();
    let tasks: Vec<_> = (1..=20_u8)
        .map(|number| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let tenant = tenant("acme");
                let subject = KnownSubject {
                    tenant: &tenant,
                    issuer_key: "issuer",
                    subject_key: "ada",
                    issuer: "issuer",
                    subject: "ada",
                };
                let new = UserId::from_bytes([number; 16]);
                store.find_or_make_user(&subject, new, START).await
            })
        })
        .collect();
    for task in tasks {
        known.insert(task.await.expect("no panic").expect("a user"));
    }
    assert_eq!(known.len(), 1, "{known:?}");
    let same = identity("acme", "issuer", "ada");
    let signed_in = store.user_of(&same).await.expect("an answer");
    assert!(known.contains(&signed_in.expect("a user")));
    for (name, issuer_key, subject_key) in [
        ("globex", "issuer", "ada"),
        ("acme", "other", "ada"),
        ("acme", "issuer", "Ada"),
    ] {
        let tenant = tenant(name);
        let subject = KnownSubject {
            tenant: &tenant,
            issuer_key,
            subject_key,
            issuer: issuer_key,
            subject: subject_key,
        };
        let new = UserId::from_bytes([u8::try_from(known.len()).expect("few") + 100; 16]);
        let user = store.find_or_make_user(&subject, new, START).await;
        assert!(known.insert(user.expect("a user")), "{subject:?}");
    }
}

fn api_key(number: u8, name: &str) -> NewApiKey {
    NewApiKey {
        tenant: tenant("acme"),
        id: ApiKeyId::from_bytes([number; 16]),
        digest: Digest::from_bytes([number; 32]),
        grant: ApiKeyGrant {
            name: name.into(),
            owner: None,
            apps: ["wiki".parse().expect("a name")].into(),
            groups: ["staff, or so".into(), "\"x\"".into()].into(),
            roles: Box::default(),
            scopes: ["orders:read".into()].into(),
        },
        created_at: START,
        expires_at: Some(seconds(60)),
    }
}

pub(crate) async fn an_api_key_is_found_by_its_digest_and_changes_are_told(store: &AnyStore) {
    let acme = tenant("acme");
    let new = api_key(1, "backup");
    let changes = async |after| store.api_key_changes(after).await.expect("an answer");
    assert_eq!(store.newest_api_key_change().await.expect("read"), 0);
    assert_eq!(store.make_api_key(&new).await.expect("written"), Ok(()));
    let found = store.find_api_key(&acme, new.digest).await.expect("read");
    let found = found.expect("it is there");
    assert_eq!((found.id, &found.grant), (new.id, &new.grant));
    assert_eq!((found.expires_at, found.used), (new.expires_at, 0));
    let elsewhere = store.find_api_key(&tenant("globex"), new.digest).await;
    assert_eq!(elsewhere.expect("read"), None);
    let taken = store.make_api_key(&api_key(2, "backup")).await;
    assert_eq!(taken.expect("an answer"), Err(KeyNotMade::NameTaken));
    let mut of_nobody = api_key(3, "hers");
    of_nobody.grant.owner = Some(UserId::from_bytes([9; 16]));
    let of_nobody = store.make_api_key(&of_nobody).await;
    assert_eq!(of_nobody.expect("an answer"), Err(KeyNotMade::NoSuchOwner));
    for (change, done) in [
        (KeyChange::Renew(None), true),
        (KeyChange::Revoke, true),
        (KeyChange::Revoke, false),
        (KeyChange::Renew(None), false),
    ] {
        let outcome = store.change_api_key(&acme, new.id, change, START).await;
        assert_eq!(outcome.expect("an answer"), done, "{change:?}");
    }
    let other = tenant("globex");
    let foreign = store.change_api_key(&other, new.id, KeyChange::Revoke, START);
    assert!(!foreign.await.expect("an answer"));
    let (newest, told) = changes(0).await;
    let told: Vec<_> = told.iter().map(|it| (&*it.what, &*it.name)).collect();
    assert_eq!(
        told,
        [
            ("created", "backup"),
            ("renewed", "backup"),
            ("revoked", "backup")
        ]
    );
    assert_eq!(changes(newest).await, (newest, Vec::new()));
    assert_eq!(store.newest_api_key_change().await.expect("read"), newest);
    // Its name can be given again, and it stays what it was.
    let again = store.make_api_key(&api_key(2, "backup")).await;
    assert_eq!(again.expect("written"), Ok(()));
    let all = store.api_keys_of(&acme).await.expect("read");
    let standing: Vec<_> = all.iter().map(|key| key.revoked_at.is_some()).collect();
    assert_eq!(standing, [true, false]);
}

/// However many processes add at once.
pub(crate) async fn uses_of_a_key_are_added_all_or_none(store: &AnyStore) {
    let new = api_key(1, "backup");
    let made = store.make_api_key(&new).await.expect("written");
    assert_eq!(made, Ok(()));
    let mut adding = tokio::task::JoinSet::new();
    for number in 1..=20_u8 {
        let store = Arc::clone(store);
        let uses = KeyUses {
            tenant: new.tenant.clone(),
            id: new.id,
            times: u64::from(number),
            last: seconds(i64::from(number)),
        };
        adding.spawn(async move { store.count_key_uses(&[uses]).await.expect("written") });
    }
    adding.join_all().await;
    let found = store.find_api_key(&new.tenant, new.digest).await;
    let found = found.expect("read").expect("it is there");
    assert_eq!((found.used, found.last_used_at), (210, Some(seconds(20))));
    let (newest, _) = store.api_key_changes(0).await.expect("read");
    assert_eq!(newest, 1, "a use is no change");
}

pub(crate) async fn a_session_is_found_by_its_tenant_and_handle(store: &AnyStore) {
    let user = begin(&**store, 1).await;
    let found = store.find_session(&tenant("acme"), handle(1)).await;
    let found = found.expect("read").expect("there");
    assert_eq!(
        (found.id, found.user),
        (SessionId::from_bytes([1; 16]), user)
    );
    assert_eq!(found.times, times(START));
    assert_eq!(found.data, format!("{{\"user\":\"{user}\"}}"));
    let elsewhere = store.find_session(&tenant("globex"), handle(1)).await;
    assert!(elsewhere.expect("read").is_none());
    assert!(!is_live(&**store, 2).await);
}

pub(crate) async fn a26_a_renewed_session_has_lost_its_old_handle(store: &AnyStore) {
    begin(&**store, 1).await;
    let session = SessionId::from_bytes([1; 16]);
    let begun = store
        .begin_app_session(session, &new_app_session(1), handle(9))
        .await;
    assert!(begun.expect("written"));
    let renewed = NewSession {
        times: times(seconds(60)),
        id_token: Some("newer".into()),
        ..new_session(2)
    };
    let acme = tenant("acme");
    let renew = store.renew_session(&acme, handle(1), &renewed, "new data");
    assert_eq!(renew.await.expect("written"), Ok(true));
    assert!(!is_live(&**store, 1).await);
    assert!(app_is_live(&**store, 1).await, "apps stay signed in");
    let found = store.find_session(&acme, handle(2)).await;
    let found = found.expect("read").expect("there");
    assert_eq!(found.id, SessionId::from_bytes([1; 16]), "its name stays");
    assert_eq!(
        (found.data.as_str(), found.times),
        ("new data", times(seconds(60)))
    );
    let (_, told) = store.ended_since(0).await.expect("read");
    assert_eq!(told, [found.id], "nobody goes on with the old data");
    let unknown = new_session(3);
    let again = store.renew_session(&acme, handle(1), &unknown, "x").await;
    let renewed = again.expect("written");
    assert_eq!(renewed, Ok(false), "the old handle renews nothing");
    let ended = store.end_by_handle(&acme, handle(2), START).await;
    let token = ended.expect("written").expect("live").id_token;
    assert_eq!(
        token.as_ref().map(SecretString::expose_secret),
        Some("newer")
    );
}

/// Who enters again and again leaves no more rows behind, and the newest handle is good.
pub(crate) async fn a_session_has_few_handles_at_one_host(store: &AnyStore) {
    begin(&**store, 1).await;
    let session = SessionId::from_bytes([1; 16]);
    for number in 1..=40 {
        let app = NewAppSession {
            began_at: seconds(i64::from(number)),
            ..new_app_session(number)
        };
        let begun = store.begin_app_session(session, &app, handle(9)).await;
        assert!(begun.expect("written"));
    }
    let mut live = Vec::new();
    for number in 1..=40 {
        if app_is_live(&**store, number).await {
            live.push(number);
        }
    }
    assert_eq!(live, (9..=40).collect::<Vec<_>>());
}

pub(crate) async fn a_sign_in_that_needs_no_ticket_waits_no_more(store: &AnyStore) {
    begin(&**store, 1).await;
    let session = SessionId::from_bytes([1; 16]);
    let acme = tenant("acme");
    let wanted = asked();
    let ask = store.ask_sign_in(handle(1), &wanted, "".into(), CAPS);
    ask.await.expect("written").expect("room");
    let elsewhere = NewAppSession {
        tenant: tenant("globex"),
        ..new_app_session(1)
    };
    let begun = store.begin_app_session(session, &elsewhere, handle(1));
    assert!(!begun.await.expect("written"), "another tenant's session");
    let waits = store.find_sign_in(&acme, handle(1)).await;
    assert!(waits.expect("read").is_some());
    let here = new_app_session(1);
    let begun = store.begin_app_session(session, &here, handle(1));
    assert!(begun.await.expect("written"));
    let waits = store.find_sign_in(&acme, handle(1)).await;
    assert!(waits.expect("read").is_none());
}

pub(crate) async fn t25_an_ended_session_stays_ended(store: &AnyStore) {
    begin(&**store, 1).await;
    let session = SessionId::from_bytes([1; 16]);
    let acme = tenant("acme");
    assert!(
        store
            .begin_app_session(session, &new_app_session(1), handle(9))
            .await
            .expect("written")
    );
    let ended = store.end_by_handle(&acme, handle(1), START).await;
    let ended = ended.expect("written").expect("it was live");
    assert_eq!(ended.session.id, session);
    let token = ended.id_token.as_ref().map(SecretString::expose_secret);
    assert_eq!(token, Some("canary-id-token"));

    assert!(
        !store
            .update_session(&acme, handle(1), "late")
            .await
            .expect("written")
    );
    assert_eq!(
        store
            .renew_session(&acme, handle(1), &new_session(2), "late")
            .await
            .expect("written"),
        Ok(false)
    );
    assert!(
        !store
            .begin_app_session(session, &new_app_session(2), handle(9))
            .await
            .expect("written")
    );
    store
        .note_uses(&[(session, seconds(60))])
        .await
        .expect("written");
    assert!(
        store
            .end_by_handle(&acme, handle(1), START)
            .await
            .expect("written")
            .is_none()
    );
    assert!(!is_live(&**store, 1).await && !is_live(&**store, 2).await);
    assert!(!app_is_live(&**store, 1).await && !app_is_live(&**store, 2).await);
    assert_eq!(store.last_use(session).await.expect("read"), None);
    let user = UserId::from_bytes([1; 16]);
    assert!(
        store
            .sessions_of(&acme, user)
            .await
            .expect("read")
            .is_empty()
    );
}

pub(crate) async fn a_person_ends_their_own_sessions_only(store: &AnyStore) {
    let mut mine = Vec::new();
    for number in 1..=3 {
        mine.push(SessionId::from_bytes([number; 16]));
        begin(&**store, number).await;
    }
    let user = UserId::from_bytes([1; 16]);
    let eve = identity("acme", "issuer", "eve");
    let others = store
        .begin_session(&eve, &new_session(4), &|_| String::new())
        .await;
    let eve = others.expect("written").expect("begun");
    let acme = tenant("acme");
    let end = async |tenant: &TenantId, which| {
        store
            .end_sessions(tenant, which, START)
            .await
            .expect("written")
    };
    assert!(end(&acme, Ending::One(mine[0], eve)).await.is_empty());
    assert!(
        end(&tenant("globex"), Ending::One(mine[0], user))
            .await
            .is_empty()
    );
    assert_eq!(end(&acme, Ending::One(mine[0], user)).await, [mine[0]]);
    assert!(end(&acme, Ending::One(mine[0], user)).await.is_empty());
    assert_eq!(end(&acme, Ending::Others(mine[1], user)).await, [mine[2]]);
    let left = store.sessions_of(&acme, user).await.expect("read");
    let left: Vec<_> = left.iter().map(|session| session.id).collect();
    assert_eq!(left, [mine[1]]);
    assert!(is_live(&**store, 4).await);
}

pub(crate) async fn an_app_session_is_found_at_its_host_and_tenant(store: &AnyStore) {
    begin(&**store, 1).await;
    let session = SessionId::from_bytes([1; 16]);
    assert!(
        store
            .begin_app_session(session, &new_app_session(1), handle(9))
            .await
            .expect("written")
    );
    let foreign = NewAppSession {
        tenant: tenant("globex"),
        ..new_app_session(2)
    };
    assert!(
        !store
            .begin_app_session(session, &foreign, handle(9))
            .await
            .expect("written")
    );
    let find = async |tenant_name: &str, host_name: &str, number| {
        store
            .find_app_session(&tenant(tenant_name), &host(host_name), handle(number))
            .await
            .expect("read")
    };
    let (found, app) = find("acme", "wiki.example.com", 1).await.expect("there");
    assert_eq!((found.id, app.as_str()), (session, "wiki"));
    assert!(find("globex", "wiki.example.com", 1).await.is_none());
    assert!(find("acme", "ci.example.com", 1).await.is_none());
    assert!(find("acme", "wiki.example.com:8443", 1).await.is_none());
    assert!(find("acme", "wiki.example.com", 2).await.is_none());
}

async fn ask_and_answer(store: &dyn Store) {
    begin(store, 1).await;
    let asking = store
        .ask_sign_in(handle(1), &asked(), "".into(), CAPS)
        .await;
    asking.expect("written").expect("room");
    let session = SessionId::from_bytes([1; 16]);
    let answered = store
        .issue_ticket(&tenant("acme"), handle(1), handle(1), session, seconds(10))
        .await;
    assert_eq!(answered.expect("written"), Some(asked()));
}

async fn redeem(
    store: &dyn Store,
    ticket: Digest<TicketKind>,
    binding: Digest<BindingKind>,
    issued_after: OffsetDateTime,
    app_session: NewAppSession,
) -> Option<Redeemed> {
    store
        .redeem_ticket(ticket, binding, issued_after, &app_session)
        .await
        .expect("an answer")
}

pub(crate) async fn t24_a_ticket_is_redeemed_once(store: &AnyStore) {
    ask_and_answer(&**store).await;
    let redeemed = redeem(&**store, handle(1), handle(1), START, new_app_session(1)).await;
    let redeemed = redeemed.expect("redeemed");
    assert_eq!(redeemed.sign_in, asked());
    assert_eq!(redeemed.session.id, SessionId::from_bytes([1; 16]));
    assert!(app_is_live(&**store, 1).await);
    let again = redeem(&**store, handle(1), handle(1), START, new_app_session(2)).await;
    assert!(again.is_none());
    assert!(!app_is_live(&**store, 2).await);
}

pub(crate) async fn t24_a_ticket_of_another_place_is_worthless(store: &AnyStore) {
    ask_and_answer(&**store).await;
    let other_tenant = NewAppSession {
        tenant: tenant("globex"),
        ..new_app_session(1)
    };
    let other_host = NewAppSession {
        host: host("ci.example.com"),
        ..new_app_session(1)
    };
    let tries = [
        (
            "without the binding",
            handle(1),
            handle(2),
            new_app_session(1),
        ),
        ("another ticket", handle(2), handle(1), new_app_session(1)),
        ("at another host", handle(1), handle(1), other_host),
        ("at another tenant", handle(1), handle(1), other_tenant),
    ];
    for (why, ticket, binding, app_session) in tries {
        let redeemed = redeem(&**store, ticket, binding, START, app_session).await;
        assert!(redeemed.is_none(), "{why}");
        assert!(!app_is_live(&**store, 1).await, "{why}");
    }
    let rightful = redeem(&**store, handle(1), handle(1), START, new_app_session(1)).await;
    assert!(rightful.is_some(), "none of these used it up");
}

pub(crate) async fn t24_a_ticket_is_good_for_a_minute(store: &AnyStore) {
    ask_and_answer(&**store).await;
    let late = redeem(
        &**store,
        handle(1),
        handle(1),
        seconds(11),
        new_app_session(1),
    )
    .await;
    assert!(late.is_none());
    let in_time = redeem(
        &**store,
        handle(1),
        handle(1),
        seconds(10),
        new_app_session(1),
    )
    .await;
    assert!(in_time.is_some());
}

pub(crate) async fn t24_a_ticket_of_an_ended_session_is_worthless(store: &AnyStore) {
    ask_and_answer(&**store).await;
    let ended = store.end_by_handle(&tenant("acme"), handle(1), START).await;
    assert!(ended.expect("written").is_some());
    let redeemed = redeem(&**store, handle(1), handle(1), START, new_app_session(1)).await;
    assert!(redeemed.is_none());
    assert!(!app_is_live(&**store, 1).await);
}

pub(crate) async fn t24_a_sign_in_is_answered_once(store: &AnyStore) {
    begin(&**store, 1).await;
    let asking = store
        .ask_sign_in(handle(1), &asked(), "".into(), CAPS)
        .await;
    asking.expect("written").expect("room");
    let answer = async |tenant_name: &str, ticket, session| {
        store
            .issue_ticket(
                &tenant(tenant_name),
                handle::<SignInKind>(1),
                handle(ticket),
                SessionId::from_bytes([session; 16]),
                START,
            )
            .await
            .expect("an answer")
    };
    assert_eq!(answer("globex", 1, 1).await, None, "another tenant's");
    assert_eq!(answer("acme", 1, 9).await, None, "no such session");
    assert_eq!(answer("acme", 1, 1).await, Some(asked()));
    assert_eq!(answer("acme", 2, 1).await, None, "answered");
}

pub(crate) async fn a_sign_out_returns_once_within_the_hour(store: &AnyStore) {
    let acme = tenant("acme");
    for number in [1, 2] {
        let begun = store
            .begin_sign_out(&acme, handle(number), &"https://x.example/".into(), START)
            .await;
        begun.expect("written");
    }
    let finish = async |tenant_name: &str, number, now| {
        let finished = store
            .finish_sign_out(&tenant(tenant_name), handle::<SignOutKind>(number), now)
            .await
            .expect("an answer");
        finished.map(|onward| onward.expose_secret().to_owned())
    };
    assert_eq!(finish("globex", 1, START).await, None);
    let onward = finish("acme", 1, seconds(3599)).await;
    assert_eq!(onward.as_deref(), Some("https://x.example/"));
    assert_eq!(finish("acme", 1, START).await, None, "once");
    assert_eq!(finish("acme", 2, seconds(3600)).await, None, "too late");
}

pub(crate) async fn a_last_use_never_goes_back(store: &AnyStore) {
    begin(&**store, 1).await;
    let session = SessionId::from_bytes([1; 16]);
    for (noted, expected) in [(60, 60), (30, 60), (90, 90)] {
        let unknown = SessionId::from_bytes([9; 16]);
        let uses = [(unknown, seconds(noted)), (session, seconds(noted))];
        store.note_uses(&uses).await.expect("written");
        let last = store.last_use(session).await.expect("read");
        assert_eq!(last, Some(seconds(expected)));
    }
}

pub(crate) async fn what_ended_is_told_in_order(store: &AnyStore) {
    for number in 1..=3 {
        begin(&**store, number).await;
    }
    let id = |number| SessionId::from_bytes([number; 16]);
    let (start, none) = store.ended_since(0).await.expect("read");
    assert!(none.is_empty());
    store.end_overdue(id(2), START).await.expect("written");
    store.end_overdue(id(2), START).await.expect("written");
    let (middle, ended) = store.ended_since(start).await.expect("read");
    assert_eq!(ended, [id(2)], "once");
    let user = UserId::from_bytes([1; 16]);
    let rest = store
        .end_sessions(&tenant("acme"), Ending::Others(id(1), user), START)
        .await;
    assert_eq!(rest.expect("written"), [id(3)]);
    let (end, ended) = store.ended_since(middle).await.expect("read");
    assert_eq!(ended, [id(3)]);
    assert_eq!(
        store.ended_since(end).await.expect("read"),
        (end, Vec::new())
    );
    assert_eq!(
        store.ended_since(start).await.expect("read").1,
        [id(2), id(3)]
    );
}

pub(crate) async fn what_is_over_is_swept_and_told(store: &AnyStore) {
    let id = |number| SessionId::from_bytes([number; 16]);
    for number in 1..=3 {
        begin(&**store, number).await;
    }
    assert!(
        store
            .begin_app_session(id(1), &new_app_session(1), handle(9))
            .await
            .expect("written")
    );
    let begun = store.begin_attempt(&attempt(1), "".into(), CAPS).await;
    begun.expect("written").expect("room");
    // The third is used on; the second is ended.
    store
        .note_uses(&[(id(3), seconds(3000))])
        .await
        .expect("written");
    store.end_overdue(id(2), START).await.expect("written");
    let (sequence, _) = store.ended_since(0).await.expect("read");

    assert_eq!(store.sweep(seconds(599)).await.expect("swept"), 0);
    // The ended one, and the news of it.
    assert_eq!(store.sweep(seconds(601)).await.expect("swept"), 2);
    // The first is idle after an hour; last uses may still be on their way for a minute. The attempt goes.
    assert_eq!(store.sweep(seconds(3659)).await.expect("swept"), 1);
    assert!(is_live(&**store, 1).await);
    assert_eq!(store.sweep(seconds(3661)).await.expect("swept"), 1);
    assert!(!is_live(&**store, 1).await);
    assert!(!app_is_live(&**store, 1).await);
    assert!(is_live(&**store, 3).await);
    assert_eq!(store.ended_since(sequence).await.expect("read").1, [id(1)]);
    let attempt = store.take_attempt(handle(1), handle(1)).await;
    assert!(attempt.expect("read").is_none());
}

/// At one tenant; what was refused for another reason is not used up.
pub(crate) async fn c_a_logout_token_is_used_once(store: &AnyStore) {
    let provider: ProviderId = "entra".parse().expect("a name");
    begin(&**store, 1).await;
    let end = async |tenant_name, who, jti| {
        let (tenant, notice) = (tenant(tenant_name), notice(who, jti));
        let ended = store
            .end_by_logout_token(&tenant, &provider, &notice, START)
            .await;
        ended.expect("written").map(|ended| ended.len())
    };
    let (session, other) = (
        names(&provider).session("sid"),
        names(&provider).subject("eve"),
    );
    let contradiction = SignedOutUpstream::SessionOf(session, other);
    assert_eq!(
        end("acme", contradiction, "1").await,
        Err(NoticeRefused::Contradiction)
    );
    assert!(is_live(&**store, 1).await);
    assert_eq!(end("globex", session_of("sid"), "1").await, Ok(0));
    assert!(is_live(&**store, 1).await);
    assert_eq!(end("acme", session_of("sid"), "1").await, Ok(1));
    assert!(!is_live(&**store, 1).await);
    assert_eq!(
        end("acme", session_of("other"), "1").await,
        Err(NoticeRefused::Replayed)
    );
    assert_eq!(end("acme", session_of("sid"), "2").await, Ok(0));
}

/// For a login that was begun before, in a new session and in one that is there.
pub(crate) async fn t25_what_a_provider_ended_does_not_begin(store: &AnyStore) {
    let acme = tenant("acme");
    let provider: ProviderId = "entra".parse().expect("a name");
    let identity = identity("acme", "issuer", "ada");
    let subject = SignedOutUpstream::Person(names(&provider).subject("ada"));
    begin(&**store, 1).await;
    for (who, jti) in [(session_of("new"), "1"), (subject, "2")] {
        let notice = notice(who, jti);
        store
            .end_by_logout_token(&acme, &provider, &notice, seconds(10))
            .await
            .expect("written")
            .expect("taken");
    }
    begin_asked_at(store, &identity, 2, "elsewhere", seconds(11))
        .await
        .expect("a later login");
    for (number, sid, asked, expected) in [
        (3, "new", 10, Err(SignedOutMeanwhile)),
        (4, "other", 10, Err(SignedOutMeanwhile)),
        (5, "new", 11, Ok(())),
    ] {
        let begun = begin_asked_at(store, &identity, number, sid, seconds(asked)).await;
        assert_eq!(begun, expected, "{sid} at {asked}");
        assert_eq!(is_live(&**store, number).await, expected.is_ok());
    }
    let renewed = NewSession {
        upstream: upstream_login("new", seconds(10)),
        ..new_session(6)
    };
    let renew = store
        .renew_session(&acme, handle(2), &renewed, "late")
        .await;
    assert_eq!(renew.expect("written"), Err(SignedOutMeanwhile));
    assert!(is_live(&**store, 2).await && !is_live(&**store, 6).await);
}

/// A login whose session the provider does not name may be the one that it ends, where it names the person too.
pub(crate) async fn t25_an_unnamed_login_does_not_outlive_a_session_of_its_person(
    store: &AnyStore,
) {
    let acme = tenant("acme");
    let provider: ProviderId = "entra".parse().expect("a name");
    let person = identity("acme", "issuer", "ada");
    let names = names(&provider);
    let who = SignedOutUpstream::SessionOf(names.session("s1"), names.subject("ada"));
    store
        .end_by_logout_token(&acme, &provider, &notice(who, "1"), seconds(10))
        .await
        .expect("written")
        .expect("taken");
    let ada = names.subject("ada");
    for (number, session, subject, asked, expected) in [
        (1, None, ada, 10, Err(SignedOutMeanwhile)),
        (2, Some("s1"), ada, 10, Err(SignedOutMeanwhile)),
        (3, Some("s2"), ada, 10, Ok(())),
        (4, None, names.subject("bob"), 10, Ok(())),
        (5, None, ada, 11, Ok(())),
    ] {
        let upstream = UpstreamLogin {
            session: session.map(|sid| names.session(sid)),
            subject,
            asked_at: seconds(asked),
        };
        let session = NewSession {
            upstream,
            ..new_session(number)
        };
        let begun = store.begin_session(&person, &session, &|_| String::new());
        let begun = begun.await.expect("written").map(drop);
        assert_eq!(begun, expected, "{number}");
    }
}

async fn begin_asked_at(
    store: &AnyStore,
    identity: &VerifiedIdentity,
    number: u8,
    sid: &str,
    asked_at: OffsetDateTime,
) -> Result<(), SignedOutMeanwhile> {
    let session = NewSession {
        upstream: upstream_login(sid, asked_at),
        ..new_session(number)
    };
    let begun = store
        .begin_session(identity, &session, &|_| String::new())
        .await;
    begun.expect("written").map(drop)
}

pub(crate) async fn what_a_provider_ended_is_told_and_swept(store: &AnyStore) {
    let acme = tenant("acme");
    let provider: ProviderId = "entra".parse().expect("a name");
    begin(&**store, 1).await;
    let session = SessionId::from_bytes([1; 16]);
    let begun = store
        .begin_app_session(session, &new_app_session(1), handle(9))
        .await;
    assert!(begun.expect("written"));
    let notice = notice(session_of("sid"), "1");
    let end = store
        .end_by_logout_token(&acme, &provider, &notice, START)
        .await;
    assert_eq!(end.expect("written").expect("taken")[0].session, session);
    assert!(!app_is_live(&**store, 1).await);
    assert_eq!(store.ended_since(0).await.expect("read").1, [session]);
    // The session and the news of it, then the token, then what a login under way would be held against.
    assert_eq!(store.sweep(seconds(599)).await.expect("swept"), 0);
    assert_eq!(store.sweep(seconds(601)).await.expect("swept"), 2);
    assert_eq!(store.sweep(seconds(779)).await.expect("swept"), 0);
    assert_eq!(store.sweep(seconds(781)).await.expect("swept"), 1);
    assert_eq!(store.sweep(seconds(1199)).await.expect("swept"), 0);
    assert_eq!(store.sweep(seconds(1201)).await.expect("swept"), 1);
}

pub(crate) async fn it_can_be_probed(store: &AnyStore) {
    store.probe().await.expect("it answers");
    store.close().await;
    store.probe().await.expect_err("it is closed");
    let acme = tenant("acme");
    let wiki = host("wiki.example.com");
    let found = store.find_session(&acme, handle::<SessionKind>(1)).await;
    found.expect_err("trouble is an error, never `not there`");
    let found = store
        .find_app_session(&acme, &wiki, handle::<AppSessionKind>(1))
        .await;
    found.expect_err("trouble is an error, never `not there`");
}

fn tokens(number: u8) -> UpstreamTokens {
    UpstreamTokens {
        access_token: format!("canary-access-token-{number}").into(),
        expires_at: Some(seconds(3600)),
        refresh_token: Some(format!("canary-refresh-token-{number}").into()),
        id_token: None,
    }
}

/// A session whose person is due in ten minutes.
pub(crate) async fn begin_with_tokens(store: &dyn Store, number: u8) -> SessionId {
    let session = NewSession {
        tokens: Some(NewTokens {
            provider: "entra".parse().expect("a name"),
            tokens: tokens(number),
            due_at: Some(seconds(600)),
        }),
        ..new_session(number)
    };
    store
        .begin_session(&identity("acme", "issuer", "ada"), &session, &|_| {
            "data".into()
        })
        .await
        .expect("begun")
        .expect("nobody ended it");
    session.id
}

async fn claim(store: &dyn Store, session: SessionId, at: i64) -> Claiming {
    let claiming = store.claim_refresh(session, seconds(at), seconds(at + 60));
    claiming.await.expect("an answer")
}

async fn claimed(store: &dyn Store, session: SessionId, at: i64) -> Claimed {
    match claim(store, session, at).await {
        Claiming::Ours(claimed) => *claimed,
        other => panic!("{other:?}"),
    }
}

fn looked_at(subject_key: &str, number: u8) -> LookedAt {
    LookedAt {
        tokens: UpstreamTokens {
            id_token: Some("canary-newer-id-token".into()),
            ..tokens(number)
        },
        issuer_key: "issuer".into(),
        subject_key: subject_key.into(),
        due_at: Some(seconds(1200)),
        for_apps: false,
        at: seconds(600),
    }
}

fn text(token: Option<&SecretString>) -> Option<&str> {
    token.map(SecretString::expose_secret)
}

pub(crate) async fn a13_the_right_to_a_refresh_is_one_hands(store: &AnyStore) {
    let session = begin_with_tokens(&**store, 1).await;
    let early = claim(&**store, session, 599).await;
    assert!(matches!(early, Claiming::NotBefore(at) if at == seconds(600)));
    let tries: Vec<_> = (0..50)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move { claim(&*store, session, 600).await })
        })
        .collect();
    let mut ours = Vec::new();
    for one in tries {
        match one.await.expect("no panic") {
            Claiming::Ours(claimed) => ours.push(claimed),
            Claiming::NotBefore(at) => assert_eq!(at, seconds(660)),
            Claiming::Nothing => panic!("it is there"),
        }
    }
    let [first] = ours.as_slice() else {
        panic!("{} have it", ours.len());
    };
    assert_eq!(first.provider.as_str(), "entra");
    assert_eq!((first.granted_at, first.failures), (START, 0));
    assert_eq!(
        text(first.tokens.refresh_token.as_ref()),
        Some("canary-refresh-token-1")
    );
    assert_eq!(
        text(first.tokens.id_token.as_ref()),
        Some("canary-id-token")
    );
    // Whoever does not come back has lost it.
    let second = claimed(&**store, session, 660).await;
    let late = store
        .postpone_refresh(&first.claim, Some(seconds(900)))
        .await;
    assert!(!late.expect("an answer"));
    let postponed = store
        .postpone_refresh(&second.claim, Some(seconds(700)))
        .await;
    assert!(postponed.expect("written"));
    assert_eq!(claimed(&**store, session, 700).await.failures, 1);
    let third = claimed(&**store, session, 800).await;
    let for_ever = store.postpone_refresh(&third.claim, None).await;
    assert!(for_ever.expect("written"));
    for unknown in [session, SessionId::from_bytes([9; 16])] {
        let found = claim(&**store, unknown, 1_000_000).await;
        assert!(matches!(found, Claiming::Nothing));
    }
}

pub(crate) async fn a_rotated_token_is_the_next_claims(store: &AnyStore) {
    let session = begin_with_tokens(&**store, 1).await;
    let first = claimed(&**store, session, 600).await;
    let newer = "canary-newer-refresh-token".into();
    assert!(
        store
            .keep_rotated(&first.claim, &newer)
            .await
            .expect("written")
    );
    let second = claimed(&**store, session, 660).await;
    assert_eq!(
        text(second.tokens.refresh_token.as_ref()),
        Some("canary-newer-refresh-token")
    );
    let late = store.keep_rotated(&first.claim, &"older".into()).await;
    assert!(!late.expect("an answer"), "its claim is lost");
}

pub(crate) async fn what_a_look_has_found_is_written_and_told(store: &AnyStore) {
    let session = begin_with_tokens(&**store, 1).await;
    let first = claimed(&**store, session, 600).await;
    let mut found = looked_at("ada", 2);
    found.tokens.refresh_token = None;
    let same = store
        .settle_refresh(&first.claim, &found, &|_| Ok(None))
        .await;
    assert_eq!(same.expect("written"), Settled::Unchanged);
    let (told, _) = store.ended_since(0).await.expect("read");
    assert_eq!(told, 0, "nobody need read it again");
    let stored = store.find_session(&tenant("acme"), handle(1)).await;
    assert_eq!(
        stored.expect("read").expect("there").due_at,
        Some(seconds(1200))
    );
    let second = claimed(&**store, session, 1200).await;
    assert_eq!(
        second.tokens.access_token.expose_secret(),
        "canary-access-token-2"
    );
    assert_eq!(
        text(second.tokens.refresh_token.as_ref()),
        Some("canary-refresh-token-1")
    );
    assert_eq!(
        text(second.tokens.id_token.as_ref()),
        Some("canary-newer-id-token")
    );
    assert_eq!(
        text(second.first_id_token.as_ref()),
        Some("canary-id-token")
    );
    let change = |data: &str| Ok(Some(format!("{data}, changed")));
    let changed = store
        .settle_refresh(&second.claim, &looked_at("ada", 3), &change)
        .await;
    assert_eq!(changed.expect("written"), Settled::Changed);
    let (_, told) = store.ended_since(0).await.expect("read");
    assert_eq!(told, [session]);
    let stored = store.find_session(&tenant("acme"), handle(1)).await;
    assert_eq!(stored.expect("read").expect("there").data, "data, changed");
    let failing = claimed(&**store, session, 1200).await;
    let fails = |_: &str| Err(StorageError::Unreadable("as the test wants".into()));
    let failed = store
        .settle_refresh(&failing.claim, &looked_at("ada", 4), &fails)
        .await;
    failed.expect_err("an error");
    let unchanged = claimed(&**store, session, 1260).await;
    let token = unchanged.tokens.access_token.expose_secret().to_owned();
    assert_eq!(token, "canary-access-token-3", "all or nothing");
}

pub(crate) async fn apps_are_given_what_they_take_while_a_session_lives(store: &AnyStore) {
    let session = begin_with_tokens(&**store, 1).await;
    let both = [IdentitySource::AccessToken, IdentitySource::IdToken];
    let acme = tenant("acme");
    let find = async |tenant: &TenantId, wanted: &[IdentitySource]| {
        let found = store.find_tokens(tenant, session, wanted).await;
        let found = found.expect("an answer")?;
        let access_token = text(found.access_token.as_ref()).map(ToOwned::to_owned);
        Some((
            access_token,
            text(found.id_token.as_ref()).map(ToOwned::to_owned),
        ))
    };
    let first = (
        Some("canary-access-token-1".to_owned()),
        Some("canary-id-token".to_owned()),
    );
    assert_eq!(find(&acme, &both).await, Some(first.clone()));
    assert_eq!(find(&acme, &both[..1]).await, Some((first.0, None)));
    assert_eq!(find(&acme, &both[1..]).await, Some((None, first.1)));
    assert_eq!(find(&tenant("globex"), &both).await, None);
    let claim = claimed(&**store, session, 600).await.claim;
    let found = LookedAt {
        for_apps: true,
        ..looked_at("ada", 2)
    };
    let settled = store.settle_refresh(&claim, &found, &|_| Ok(None)).await;
    assert_eq!(settled.expect("written"), Settled::Unchanged);
    let (_, told) = store.ended_since(0).await.expect("read");
    assert_eq!(told, [session], "all read it again");
    let second = (
        Some("canary-access-token-2".to_owned()),
        Some("canary-newer-id-token".to_owned()),
    );
    assert_eq!(find(&acme, &both).await, Some(second));
    store
        .end_overdue(session, seconds(700))
        .await
        .expect("ended");
    assert_eq!(find(&acme, &both).await, None);
}

pub(crate) async fn somebody_else_is_written_nowhere(store: &AnyStore) {
    let session = begin_with_tokens(&**store, 1).await;
    // Bob is known here, and is not Ada.
    let bob = new_session(2);
    store
        .begin_session(&identity("acme", "issuer", "bob"), &bob, &|_| "bob".into())
        .await
        .expect("begun")
        .expect("nobody ended it");
    let first = claimed(&**store, session, 600).await;
    for subject in ["bob", "nobody"] {
        let change = |_: &str| Ok(Some("bob".to_owned()));
        let settled = store
            .settle_refresh(&first.claim, &looked_at(subject, 2), &change)
            .await;
        assert_eq!(settled.expect("an answer"), Settled::AnotherPerson);
    }
    let stored = store.find_session(&tenant("acme"), handle(1)).await;
    assert_eq!(stored.expect("read").expect("there").data, "data");
    assert!(
        store
            .end_claimed(&first.claim, seconds(601))
            .await
            .expect("written")
    );
    assert!(!is_live(&**store, 1).await);
    assert!(is_live(&**store, 2).await);
}

pub(crate) async fn t25_a_claim_is_lost_with_its_session(store: &AnyStore) {
    let session = begin_with_tokens(&**store, 1).await;
    let first = claimed(&**store, session, 600).await;
    let ended = store
        .end_by_handle(&tenant("acme"), handle(1), seconds(610))
        .await;
    assert!(ended.expect("written").is_some());
    assert_lost(&**store, &first.claim).await;
    assert!(matches!(
        claim(&**store, session, 1000).await,
        Claiming::Nothing
    ));
    assert!(!is_live(&**store, 1).await);
}

pub(crate) async fn a_claim_is_lost_to_a_new_sign_in(store: &AnyStore) {
    let acme = tenant("acme");
    let session = begin_with_tokens(&**store, 1).await;
    let first = claimed(&**store, session, 600).await;
    let renewed = NewSession {
        times: times(seconds(610)),
        tokens: Some(NewTokens {
            provider: "main".parse().expect("a name"),
            tokens: tokens(2),
            due_at: Some(seconds(700)),
        }),
        ..new_session(2)
    };
    let renew = store.renew_session(&acme, handle(1), &renewed, "new data");
    assert_eq!(renew.await.expect("written"), Ok(true));
    assert_lost(&**store, &first.claim).await;
    let second = claimed(&**store, session, 700).await;
    assert_eq!(second.provider.as_str(), "main");
    assert_eq!(
        text(second.tokens.refresh_token.as_ref()),
        Some("canary-refresh-token-2")
    );
    assert_eq!((second.granted_at, second.failures), (seconds(610), 0));
    let without = NewSession {
        tokens: None,
        ..new_session(3)
    };
    let renew = store.renew_session(&acme, handle(2), &without, "newer data");
    assert_eq!(renew.await.expect("written"), Ok(true));
    assert!(matches!(
        claim(&**store, session, 2000).await,
        Claiming::Nothing
    ));
}

fn entras() -> TokensOf {
    TokensOf {
        tenant: tenant("acme"),
        provider: "entra".parse().expect("a name"),
    }
}

async fn assert_lost(store: &dyn Store, claim: &Claim) {
    let change = |_: &str| Ok(Some("late".to_owned()));
    let kept = store.keep_rotated(claim, &"late".into()).await;
    assert!(!kept.expect("an answer"));
    let settled = store
        .settle_refresh(claim, &looked_at("ada", 9), &change)
        .await;
    assert_eq!(settled.expect("an answer"), Settled::Lost);
    let postponed = store.postpone_refresh(claim, Some(seconds(620))).await;
    assert!(!postponed.expect("an answer"));
    assert!(
        !store
            .end_claimed(claim, seconds(620))
            .await
            .expect("an answer")
    );
}

pub(crate) async fn tokens_of_an_ended_session_are_taken_out_once(store: &AnyStore) {
    for number in 1..=3 {
        begin_with_tokens(&**store, number).await;
    }
    let acme = tenant("acme");
    let alive = store.take_ended_tokens(&entras(), 10).await.expect("read");
    assert!(alive.is_empty(), "{alive:?}");
    assert!(store.find_ended_tokens().await.expect("read").is_empty());
    for number in [2, 1] {
        let at = seconds(i64::from(10 - number));
        let ended = store.end_by_handle(&acme, handle(number), at).await;
        assert!(ended.expect("written").is_some());
    }
    let waiting = store.find_ended_tokens().await.expect("read");
    assert_eq!(waiting, [entras()]);
    let of_another = TokensOf {
        provider: "main".parse().expect("a name"),
        ..entras()
    };
    let others = store.take_ended_tokens(&of_another, 10).await;
    assert!(others.expect("read").is_empty());
    let oldest = store.take_ended_tokens(&entras(), 1).await.expect("read");
    let [oldest] = oldest.as_slice() else {
        panic!("{oldest:?}");
    };
    assert_eq!(oldest.session, SessionId::from_bytes([2; 16]));
    assert_eq!(
        (oldest.tenant.as_str(), oldest.provider.as_str()),
        ("acme", "entra")
    );
    assert_eq!(
        text(oldest.tokens.refresh_token.as_ref()),
        Some("canary-refresh-token-2")
    );
    let tries: Vec<_> = (0..10)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                store
                    .take_ended_tokens(&entras(), 10)
                    .await
                    .expect("read")
                    .len()
            })
        })
        .collect();
    let mut taken = 0;
    for one in tries {
        taken += one.await.expect("no panic");
    }
    assert_eq!(taken, 1);
    assert!(is_live(&**store, 3).await);
}

pub(crate) async fn an_assertion_is_used_once_and_forgotten(store: &AnyStore) {
    let name = |name: &str| Digest::of_name(&["report", name]);
    let until = seconds(300);
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let mut firsts = 0;
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                store
                    .use_assertion(&tenant("acme"), name("one"), until)
                    .await
                    .expect("written")
            })
        })
        .collect();
    for one in tries {
        firsts += i32::from(one.await.expect("no panic"));
    }
    assert_eq!(firsts, 1);
    let elsewhere = store.use_assertion(&globex, name("one"), until);
    assert!(elsewhere.await.expect("written"));
    let another = store.use_assertion(&acme, name("two"), until);
    assert!(another.await.expect("written"));
    store.sweep(seconds(300 + 600)).await.expect("swept");
    let again = store.use_assertion(&acme, name("one"), until);
    assert!(!again.await.expect("written"), "a clock can step back");
    store.sweep(seconds(300 + 601)).await.expect("swept");
    let again = store.use_assertion(&acme, name("one"), until);
    assert!(again.await.expect("written"));
}

pub(crate) async fn revoked_tokens_are_told_in_order_until_they_end(store: &AnyStore) {
    let revoked = |tenant_name: &str, id: &str, until: i64| RevokedToken {
        tenant: tenant(tenant_name),
        issuer: "https://login.example".into(),
        id: id.into(),
        valid_until: seconds(until),
    };
    let all = [
        revoked("acme", "a", 60),
        revoked("globex", "a", 600),
        revoked("acme", "b", 600),
    ];
    let (begin, none) = store.revoked_since(0).await.expect("read");
    assert!(none.is_empty());
    for one in all.iter().chain(&all) {
        store.revoke_token(one).await.expect("written");
    }
    let (middle, told) = store.revoked_since(begin).await.expect("read");
    assert_eq!(told, all);
    assert!(
        store
            .revoked_since(middle)
            .await
            .expect("read")
            .1
            .is_empty()
    );
    store.sweep(seconds(60 + 601)).await.expect("swept");
    assert_eq!(store.revoked_since(0).await.expect("read").1, all[1..]);
    // What is new comes behind what was told before.
    store
        .revoke_token(&revoked("acme", "c", 900))
        .await
        .expect("written");
    let (_, told) = store.revoked_since(middle).await.expect("read");
    assert_eq!(told, [revoked("acme", "c", 900)]);
}

fn new_signing_key(kid: &str) -> NewSigningKey {
    NewSigningKey {
        kid: kid.into(),
        algorithm: SigningAlgorithm::Es256,
        public: serde_json::json!({ "kid": kid }),
        private: format!("canary-signing-key-{kid}").into(),
    }
}

pub(crate) async fn one_of_many_makes_a_signing_key(store: &AnyStore) {
    let before = store.signing_key_change().await.expect("read");
    let tries: Vec<_> = (0..10)
        .map(|number| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let new = new_signing_key(&number.to_string());
                let rules = SigningRules::default();
                let plan = |keys: &[KeySchedule]| plan(keys, rules, Occasion::Upkeep, START);
                let done = store
                    .turn_signing_keys(&tenant("acme"), &plan, Some(&new), START)
                    .await;
                done.expect("written").is_some()
            })
        })
        .collect();
    let mut made = 0;
    for one in tries {
        made += i32::from(one.await.expect("no panic"));
    }
    assert_eq!(made, 1);
    assert_ne!(store.signing_key_change().await.expect("read"), before);
    let keys = store.signing_keys().await.expect("read");
    let [key] = keys.as_slice() else {
        panic!("{keys:?}");
    };
    assert_eq!(
        (key.tenant.as_str(), key.schedule.signs_from),
        ("acme", START)
    );
    assert_eq!(key.public["kid"], *key.schedule.kid);
    let private = key.private.as_ref().expect("it opens").expose_secret();
    assert_eq!(private, format!("canary-signing-key-{}", key.schedule.kid));
}

pub(crate) async fn a_plan_for_signing_keys_is_done_whole_or_not(store: &AnyStore) {
    let acme = tenant("acme");
    let add = |signs_from| KeyPlan {
        add: Some(signs_from),
        ..KeyPlan::default()
    };
    for kid in ["one", "two"] {
        let plan = |_: &[KeySchedule]| Some(add(START));
        let new = new_signing_key(kid);
        let done = store.turn_signing_keys(&acme, &plan, Some(&new), START);
        assert!(done.await.expect("written").is_some());
    }
    let schedules = async || {
        let keys = store.signing_keys().await.expect("read");
        keys.into_iter().map(|key| key.schedule).collect::<Vec<_>>()
    };
    let before = schedules().await;
    let whole = |keys: &[KeySchedule]| {
        let mut changed = keys[1].clone();
        changed.signs_until = Some(seconds(60));
        changed.published_until = Some(seconds(120));
        Some(KeyPlan {
            add: Some(seconds(60)),
            change: vec![changed],
            remove: vec![keys[0].kid.clone()],
        })
    };
    // It wants a key, and none was made.
    let done = store.turn_signing_keys(&acme, &whole, None, START).await;
    assert!(done.expect("an answer").is_none());
    assert_eq!(schedules().await, before);
    let new = new_signing_key("three");
    let done = store.turn_signing_keys(&acme, &whole, Some(&new), seconds(1));
    assert!(done.await.expect("written").is_some());
    let after = schedules().await;
    assert_eq!(&*after[0].kid, "two");
    assert_eq!(after[0].published_until, Some(seconds(120)));
    assert_eq!(&*after[1].kid, "three");
    assert_eq!(
        (after[1].created_at, after[1].signs_from),
        (seconds(1), seconds(60))
    );
    // Nobody else's are looked at.
    let nobodys = |keys: &[KeySchedule]| keys.is_empty().then(KeyPlan::default);
    let globex = tenant("globex");
    let done = store.turn_signing_keys(&globex, &nobodys, None, START);
    assert!(done.await.expect("an answer").is_some());
}
