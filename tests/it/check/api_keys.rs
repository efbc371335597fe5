//! API keys at the check.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward::domain::api_key::{ApiKey, ApiKeyGrant};
use doorward::domain::ids::ApiKeyId;
use doorward::storage::{KeyChange, NewApiKey};
use http::{Method, Response, StatusCode};
use rstest::rstest;
use secrecy::ExposeSecret as _;
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::task::JoinSet;

use crate::support::asking::{Endpoint, Target, ask};
use crate::support::audit;
use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::command::{doorward, doorward_with_input};
use crate::support::nodes::{BOARD, GLOBEX_WIKI, WIKI};
use crate::support::provider::CLIENT_SECRET;
use crate::support::raw::{self, values};
use crate::support::tampering::Database;

const START: OffsetDateTime = datetime!(2027-01-15 08:00 UTC);

fn configuration(tenant: &str, app: &str) -> String {
    let accepting =
        |id: &str, more: &str| format!("id = \"{id}\"\naccept = [\"api_key\"]\n{more}\n");
    CONFIGURATION
        .replacen("id = \"wiki\"\n", &accepting("wiki", app), 1)
        .replacen("id = \"board\"\n", &accepting("board", ""), 1)
        .replacen(
            "contact = \"it@acme.example\"\n",
            &format!("contact = \"it@acme.example\"\n{tenant}\n"),
            1,
        )
}

async fn started(tenant: &str, app: &str) -> Broker {
    Broker::with(Setup {
        configuration: configuration(tenant, app),
        ..Setup::default()
    })
    .await
}

fn grant(name: &str) -> ApiKeyGrant {
    ApiKeyGrant {
        name: name.into(),
        owner: None,
        apps: Box::default(),
        groups: Box::default(),
        roles: Box::default(),
        scopes: Box::default(),
    }
}

/// Makes a key as the command does, in a store that the broker shares.
async fn make(broker: &Broker, grant: ApiKeyGrant, expires_at: Option<OffsetDateTime>) -> Made {
    let random = broker.door.parts.random.as_ref();
    let key = ApiKey::of(random.array());
    let id = ApiKeyId::from_bytes(random.array());
    let new = NewApiKey {
        tenant: "acme".parse().expect("a name"),
        id,
        digest: key.digest(),
        grant,
        created_at: START,
        expires_at,
    };
    let made = broker.door.parts.store.make_api_key(&new).await;
    made.expect("written").expect("made");
    broker.door.upkeep().await;
    Made {
        id,
        key: key.reveal().expose_secret().to_owned(),
    }
}

struct Made {
    id: ApiKeyId,
    key: String,
}

async fn show(broker: &Broker, host: &str, path: &str, key: &str) -> Response<Bytes> {
    let more = [("x-api-key", key), ("sec-fetch-mode", "cors")];
    ask(
        broker,
        Endpoint::ForwardAuth,
        Target::get(host, path),
        &more,
    )
    .await
}

async fn status(broker: &Broker, host: &str, key: &str) -> StatusCode {
    show(broker, host, "/", key).await.status()
}

async fn change(broker: &Broker, made: &Made, change: KeyChange) {
    let tenant = "acme".parse().expect("a name");
    let store = &broker.door.parts.store;
    let done = store.change_api_key(&tenant, made.id, change, START).await;
    assert!(done.expect("written"));
}

#[tokio::test]
async fn a_key_lets_in_and_the_app_is_told_what_it_carries() {
    let broker = started("", "").await;
    let admins = ApiKeyGrant {
        groups: ["admins".into()].into(),
        ..grant("nightly backup")
    };
    let made = make(&broker, admins, None).await;
    let answer = show(&broker, BOARD, "/admin", &made.key).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let told = |name: &str| values(answer.headers(), name).join("|");
    assert_eq!(told("remote-name"), "nightly backup");
    assert_eq!(told("remote-groups"), "admins");
    assert_eq!(told("remote-email"), "");
    let user = told("remote-user");
    assert_eq!(user.len(), 32, "{user}");
    let elsewhere = show(&broker, WIKI, "/", &made.key).await;
    assert_eq!(values(elsewhere.headers(), "remote-user").join("|"), user);
    // A key without the group may not open what asks for it.
    let plain = make(&broker, grant("plain"), None).await;
    let answer = show(&broker, BOARD, "/admin", &plain.key).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let answer = show(&broker, WIKI, "/", &plain.key).await;
    assert_ne!(values(answer.headers(), "remote-user").join("|"), user);
}

/// A key of somebody's is theirs: the app is told the id that it knows them by.
#[tokio::test]
async fn a_key_with_an_owner_is_its_owners() {
    let broker = Broker::with(Setup {
        configuration: configuration("", "").replacen(
            "accept = [\"api_key\"]",
            "accept = [\"api_key\", \"session\"]",
            1,
        ),
        ..Setup::default()
    })
    .await;
    let mut ada = broker.browser();
    broker.sign_in(&mut ada, WIKI, "/").await;
    let page = broker.check(&ada, "GET", WIKI, "/").await;
    let user = page.header("x-auth-request-user").to_owned();
    let hers = ApiKeyGrant {
        owner: Some(user.parse().expect("an id")),
        ..grant("ada's laptop")
    };
    let made = make(&broker, hers, None).await;
    let answer = show(&broker, WIKI, "/", &made.key).await;
    assert_eq!(values(answer.headers(), "remote-user"), [user]);
}

#[tokio::test]
async fn a24_every_truncation_and_extension_of_a_key_is_refused() {
    let broker = started("", "").await;
    let made = make(&broker, grant("a"), None).await;
    let key = &made.key;
    assert_eq!(status(&broker, WIKI, key).await, StatusCode::OK);
    let cut = (1..key.len()).flat_map(|at| [key[..at].to_owned(), key[at..].to_owned()]);
    let mut spellings: Vec<String> = cut.collect();
    for more in ["0", "=", ".", "%00", "dwk_", key] {
        spellings.extend([format!("{key}{more}"), format!("{more}{key}")]);
    }
    spellings.extend([
        key.to_uppercase(),
        key.to_lowercase(),
        key.replace('_', "-"),
    ]);
    for spelling in spellings {
        let status = status(&broker, WIKI, &spelling).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{spelling}");
    }
    assert_eq!(status(&broker, WIKI, key).await, StatusCode::OK);
}

/// Nothing in the answer tells one from another, at the first look and at the next ones.
#[tokio::test]
async fn t18_unknown_expired_revoked_and_foreign_keys_are_one_answer() {
    let broker = started("", "").await;
    let unknown = ApiKey::of([7; 32]);
    let over = START - time::Duration::seconds(1);
    let expired = make(&broker, grant("expired"), Some(over)).await;
    let revoked = make(&broker, grant("revoked"), None).await;
    change(&broker, &revoked, KeyChange::Revoke).await;
    let elsewhere = ApiKeyGrant {
        apps: ["board".parse().expect("a name")].into(),
        ..grant("for the board")
    };
    let elsewhere = make(&broker, elsewhere, None).await;
    broker.advance(Duration::from_secs(1)).await;
    let shown = [
        unknown.reveal().expose_secret(),
        &*expired.key,
        &revoked.key,
        &elsewhere.key,
        "no key at all",
    ];
    let mut answers = Vec::new();
    for _ in 0..2 {
        for key in shown {
            let answer = show(&broker, WIKI, "/", key).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
            let mut headers = answer.headers().clone();
            for name in ["date", "x-request-id"] {
                headers.remove(name);
            }
            answers.push(format!("{headers:?}{:?}", answer.body()));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert!(answers[0].contains("ApiKey realm="), "{answers:?}");
    // The operator is told which it was.
    let reasons: Vec<_> = audit::here()
        .iter()
        .filter(|line| line.event() == "credential_refused")
        .map(|line| line.field("reason"))
        .collect();
    assert!(reasons[0].contains("no such key"), "{reasons:?}");
    assert!(reasons[1].contains("expired"), "{reasons:?}");
    assert!(reasons[2].contains("revoked"), "{reasons:?}");
    assert!(reasons[3].contains("other apps"), "{reasons:?}");
    assert_eq!(status(&broker, BOARD, &elsewhere.key).await, 403);
}

/// Whoever revokes it, in whatever process: within a second, and within five where the store is silent.
#[tokio::test]
async fn a14_a_revoked_key_is_refused_within_seconds() {
    let broker = started("", "").await;
    let made = make(&broker, grant("a"), None).await;
    assert_eq!(status(&broker, WIKI, &made.key).await, StatusCode::OK);
    change(&broker, &made, KeyChange::Revoke).await;
    broker.advance(Duration::from_secs(1)).await;
    assert_eq!(
        status(&broker, WIKI, &made.key).await,
        StatusCode::UNAUTHORIZED
    );
    // It stays revoked, and its name can be given again.
    let tenant = "acme".parse().expect("a name");
    let store = &broker.door.parts.store;
    let renewed = store
        .change_api_key(&tenant, made.id, KeyChange::Renew(None), START)
        .await;
    assert!(!renewed.expect("an answer"));
    let again = make(&broker, grant("a"), None).await;
    assert_eq!(status(&broker, WIKI, &again.key).await, StatusCode::OK);
    assert_eq!(
        status(&broker, WIKI, &made.key).await,
        StatusCode::UNAUTHORIZED
    );
    let events: Vec<_> = audit::here().iter().map(audit::Line::event).collect();
    for event in ["api_key_created", "api_key_revoked"] {
        assert!(events.iter().any(|it| it == event), "{event} in {events:?}");
    }
}

/// Nothing is asked for a key that was let in a moment ago; without news of revocations it is not believed.
#[tokio::test]
async fn a41_a_store_that_is_silent_is_503_after_five_seconds() {
    let broker = started("", "").await;
    let made = make(&broker, grant("a"), None).await;
    let other = make(&broker, grant("b"), None).await;
    assert_eq!(status(&broker, WIKI, &made.key).await, StatusCode::OK);
    broker.door.parts.store.close().await;
    assert_eq!(status(&broker, WIKI, &made.key).await, StatusCode::OK);
    let cold = show(&broker, WIKI, "/", &other.key).await;
    assert_eq!(cold.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(values(cold.headers(), "www-authenticate").is_empty());
    broker.advance(Duration::from_secs(5)).await;
    let warm = status(&broker, WIKI, &made.key).await;
    assert_eq!(warm, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn t16_a_key_ends_when_its_time_is_over_and_a_clock_does_not_revive_it() {
    let broker = started("", "").await;
    let end = START + time::Duration::seconds(30);
    let made = make(&broker, grant("a"), Some(end)).await;
    assert_eq!(status(&broker, WIKI, &made.key).await, StatusCode::OK);
    broker.advance(Duration::from_secs(29)).await;
    assert_eq!(status(&broker, WIKI, &made.key).await, StatusCode::OK);
    broker.advance(Duration::from_secs(1)).await;
    assert_eq!(
        status(&broker, WIKI, &made.key).await,
        StatusCode::UNAUTHORIZED
    );
    // Renewed, it is good again.
    change(&broker, &made, KeyChange::Renew(None)).await;
    broker.advance(Duration::from_secs(1)).await;
    assert_eq!(status(&broker, WIKI, &made.key).await, StatusCode::OK);
}

/// Keys are made by the command alone: no address makes one, with or without somebody's session.
#[rstest]
#[case::ours("acme.localhost", "/api-keys")]
#[case::ours_api("acme.localhost", "/api/api-keys")]
#[case::ours_create("acme.localhost", "/api-key/create")]
#[case::below_the_prefix(WIKI, "/oauth2/api-keys")]
#[case::of_the_check(WIKI, "/api/authz/api-keys")]
#[tokio::test]
async fn a35_no_address_makes_a_key(#[case] host: &str, #[case] path: &str) {
    let broker = started("", "").await;
    let made = make(&broker, grant("a"), None).await;
    let mut database = Database::of(&broker).await;
    let owner = "1".repeat(32);
    let host = format!("{host}:{}", broker.address.port());
    let origin = format!("http://{host}");
    for credential in [("x-nobody", ""), ("x-api-key", &*made.key)] {
        let headers = [
            ("host", &*host),
            ("origin", &*origin),
            ("content-type", "application/json"),
            credential,
        ];
        let body = serde_json::json!({ "name": "b", "userId": owner, "owner": owner });
        let answer = raw::send(
            broker.address,
            Method::POST,
            path,
            &headers,
            body.to_string().into(),
        )
        .await;
        assert!(answer.status().is_client_error(), "{}", answer.status());
    }
    assert_eq!(database.rows("api_key").await, 1);
    database.close().await;
}

/// A key has the scopes that it was made with: there is no token to get with more.
#[tokio::test]
async fn a_scope_that_a_key_lacks_is_not_asked_for_as_a_tokens() {
    let broker = Broker::with(Setup {
        configuration: configuration("", "").replacen(
            "allow = { signed_in = true }",
            "rules = [{ scopes = [\"orders.read\"] }]",
            1,
        ),
        ..Setup::default()
    })
    .await;
    let made = make(&broker, grant("a"), None).await;
    let answer = show(&broker, WIKI, "/", &made.key).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(values(answer.headers(), "www-authenticate").join("|"), "");
    let scoped = ApiKeyGrant {
        scopes: ["orders.read".into()].into(),
        ..grant("b")
    };
    let made = make(&broker, scoped, None).await;
    assert_eq!(status(&broker, WIKI, &made.key).await, StatusCode::OK);
}

/// What is allowed is counted, each time, however many come at once; what is not allowed is not.
#[tokio::test]
async fn uses_are_counted_exactly_under_two_hundred_at_once() {
    let broker = Arc::new(started("", "").await);
    let made = Arc::new(make(&broker, grant("a"), None).await);
    let mut asked = JoinSet::new();
    for _ in 0..200 {
        let (broker, made) = (Arc::clone(&broker), Arc::clone(&made));
        asked.spawn(async move { status(&broker, WIKI, &made.key).await });
    }
    let answers = asked.join_all().await;
    assert!(answers.iter().all(|status| *status == StatusCode::OK));
    assert_eq!(
        status(&broker, BOARD, &made.key).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        status(&broker, WIKI, "dwk_").await,
        StatusCode::UNAUTHORIZED
    );
    let tenant = "acme".parse().expect("a name");
    let used = async || {
        let keys = broker.door.parts.store.api_keys_of(&tenant).await;
        let key = keys.expect("an answer").remove(0);
        (key.used, key.last_used_at)
    };
    assert_eq!(used().await, (0, None), "it is written in batches");
    // What cannot be written is kept for the next time.
    let mut database = Database::of(&broker).await;
    database
        .run("ALTER TABLE api_key RENAME TO lost_api_key")
        .await;
    broker.door.housekeeping().await;
    database
        .run("ALTER TABLE lost_api_key RENAME TO api_key")
        .await;
    database.close().await;
    assert_eq!(used().await, (0, None));
    broker.door.housekeeping().await;
    assert_eq!(used().await, (200, Some(START)));
    broker.door.housekeeping().await;
    assert_eq!(used().await.0, 200);
    // Those of the last minute are written when the process ends.
    broker.clock.advance(Duration::from_secs(3));
    assert_eq!(status(&broker, WIKI, &made.key).await, StatusCode::OK);
    broker.door.housekeeping().await;
    let later = START + time::Duration::seconds(3);
    assert_eq!(used().await, (201, Some(later)));
}

#[tokio::test]
async fn uses_of_the_last_minute_are_written_at_the_end() {
    let broker = started("", "").await;
    let made = make(&broker, grant("a"), None).await;
    for _ in 0..3 {
        assert_eq!(status(&broker, WIKI, &made.key).await, StatusCode::OK);
    }
    let again = broker
        .restart(Setup {
            configuration: configuration("", ""),
            ..Setup::default()
        })
        .await;
    let tenant = "acme".parse().expect("a name");
    let keys = again.door.parts.store.api_keys_of(&tenant).await;
    assert_eq!(keys.expect("an answer")[0].used, 3);
    assert_eq!(status(&again, WIKI, &made.key).await, StatusCode::OK);
}

/// A key is nothing in any other place, and nothing else is a key.
#[tokio::test]
async fn a11_a_key_is_nothing_elsewhere() {
    let broker = started("", "").await;
    let made = make(&broker, grant("a"), None).await;
    assert_eq!(
        status(&broker, GLOBEX_WIKI, &made.key).await,
        StatusCode::UNAUTHORIZED
    );
    let bearer = format!("Bearer {}", made.key);
    let cookie = format!("__Host-dwa={}", made.key);
    for header in [("authorization", &*bearer), ("cookie", &*cookie)] {
        let more = [header, ("sec-fetch-mode", "cors")];
        for host in [WIKI, GLOBEX_WIKI] {
            let answer = ask(
                &broker,
                Endpoint::ForwardAuth,
                Target::get(host, "/"),
                &more,
            )
            .await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{header:?}");
        }
    }
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, GLOBEX_WIKI, "/").await;
    let handle = browser.cookie(&broker.url(GLOBEX_WIKI, "/"), "__Host-dwa");
    let handle = handle.expect("a session");
    assert_eq!(
        status(&broker, WIKI, &handle).await,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a04_two_keys_are_refused() {
    let broker = started("", "").await;
    let made = make(&broker, grant("a"), None).await;
    let other = make(&broker, grant("b"), None).await;
    for pair in [[&made.key, &other.key], [&made.key, &made.key]] {
        let more = pair.map(|key| ("x-api-key", &**key));
        let answer = ask(
            &broker,
            Endpoint::ForwardAuth,
            Target::get(WIKI, "/"),
            &more,
        )
        .await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}

/// Where it is switched on, and nowhere else; never beside the header.
#[rstest]
#[case::off("", false)]
#[case::on("api_key_query = true", true)]
#[tokio::test]
async fn a_key_in_the_query_counts_where_it_may(#[case] app: &str, #[case] counts: bool) {
    let broker = started("", app).await;
    let made = make(&broker, grant("a"), None).await;
    let path = format!("/feed?x=1&api-key={}", made.key);
    let expected = if counts {
        StatusCode::OK
    } else {
        StatusCode::UNAUTHORIZED
    };
    for endpoint in crate::support::asking::ALL {
        let more = [("sec-fetch-mode", "cors")];
        let answer = ask(&broker, endpoint, Target::get(WIKI, &path), &more).await;
        assert_eq!(answer.status(), expected, "{endpoint:?}");
        let answer = ask(&broker, endpoint, Target::get(BOARD, &path), &more).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{endpoint:?}");
    }
    let both = show(&broker, WIKI, &path, &made.key).await;
    assert_eq!(both.status() == StatusCode::OK, !counts);
    let text = format!("{:?}", audit::everything_here());
    assert!(!text.contains(&made.key), "{text}");
}

#[tokio::test]
async fn the_header_is_the_tenants_choice() {
    let broker = started("api_key_header = \"X-Acme-Key\"", "").await;
    let made = make(&broker, grant("a"), None).await;
    assert_eq!(
        status(&broker, WIKI, &made.key).await,
        StatusCode::UNAUTHORIZED
    );
    let more = [("x-acme-key", &*made.key)];
    let answer = ask(
        &broker,
        Endpoint::ForwardAuth,
        Target::get(WIKI, "/"),
        &more,
    )
    .await;
    assert_eq!(answer.status(), StatusCode::OK);
}

/// A key that the operator brings along, named where it is: for the apps it is for, and with what it carries.
#[tokio::test]
async fn a_key_of_the_configuration_is_a_reference() {
    let key = "EjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8=";
    let tenant = "[[tenants.api_keys]]\nname = \"monitoring\"\nsecret = { env = \"NEXT_SEALING_KEY\" }\n\
                  apps = [\"board\"]\ngroups = [\"admins\"]";
    let broker = started(tenant, "").await;
    let answer = show(&broker, BOARD, "/admin", key).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(values(answer.headers(), "remote-name"), ["monitoring"]);
    assert_eq!(status(&broker, WIKI, key).await, StatusCode::UNAUTHORIZED);
    for wrong in [&key[..43], "EjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze9="] {
        let answer = show(&broker, BOARD, "/admin", wrong).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    broker.edit(|text| text.replacen(tenant, "", 1));
    broker.reload().await.expect("read");
    let answer = show(&broker, BOARD, "/admin", key).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

async fn command(broker: &Broker, arguments: &[&str]) -> (Option<i32>, String, String) {
    let file = broker.file();
    let file = file.to_str().expect("a plain path");
    let whole = [&["api-keys"], arguments, &["--config", file]].concat();
    let output = doorward(&whole, CLIENT_SECRET).await;
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Beside a broker that runs, which hears of each change.
#[tokio::test]
async fn keys_are_made_listed_renewed_and_revoked_by_the_command() {
    let broker = started("", "").await;
    let until = ["--expires", "2027-02-01T00:30:00+01:00"];
    let create = [
        &[
            "create",
            "acme",
            "--name",
            "backup",
            "--apps",
            "wiki,board",
            "--groups",
            "admins",
        ],
        &until[..],
    ];
    let (code, key, told) = command(&broker, &create.concat()).await;
    assert_eq!(code, Some(0), "{told}");
    let key = key.trim_end();
    assert!(key.starts_with("dwk_") && key.len() == 53, "{key}");
    assert!(
        told.contains("2027-01-31T23:30:00Z") && told.contains("x-api-key"),
        "{told}"
    );
    broker.advance(Duration::from_secs(1)).await;
    assert_eq!(
        show(&broker, BOARD, "/admin", key).await.status(),
        StatusCode::OK
    );
    broker.door.housekeeping().await;

    let (_, list, _) = command(&broker, &["list", "acme"]).await;
    assert!(
        list.lines().all(|line| line.chars().count() <= 80),
        "{list}"
    );
    assert!(
        list.contains("backup") && list.contains("good") && list.contains("wiki,board"),
        "{list}"
    );
    let (_, usage, _) = command(&broker, &["usage", "acme", "backup", "--output", "json"]).await;
    let usage: serde_json::Value = serde_json::from_str(&usage).expect("JSON");
    assert_eq!(usage[0]["used"], 1);
    assert_eq!(usage[0]["last_used_at"], "2027-01-15T08:00:01Z");
    assert!(!usage.to_string().contains(key));

    let (code, said, _) = command(&broker, &["renew", "acme", "backup", "--never-expires"]).await;
    assert_eq!(code, Some(0));
    assert!(said.contains("until it is revoked"), "{said}");
    broker.advance(Duration::from_secs(86_400 * 40)).await;
    assert_eq!(
        show(&broker, BOARD, "/admin", key).await.status(),
        StatusCode::OK
    );
    let (code, ..) = command(&broker, &["revoke", "acme", "backup"]).await;
    assert_eq!(code, Some(0));
    broker.advance(Duration::from_secs(1)).await;
    assert_eq!(show(&broker, BOARD, "/admin", key).await.status(), 401);
    let (code, _, told) = command(&broker, &["renew", "acme", "backup"]).await;
    assert_eq!(code, Some(1));
    assert!(told.contains("was revoked"), "{told}");
}

#[tokio::test]
async fn a_command_that_cannot_be_done_says_why() {
    let broker = started("", "").await;
    make(&broker, grant("backup"), None).await;
    for (arguments, expected, words) in [
        (vec!["renew", "acme", "bakcup"], 1, "did you mean `backup`"),
        (vec!["revoke", "acme", "nothing"], 1, "has no key `nothing`"),
        (vec!["list", "acmee"], 2, "there is no tenant `acmee`"),
        (
            vec!["create", "acme", "--name", "x", "--apps", "wikki"],
            2,
            "did you mean `wiki`",
        ),
        (
            vec!["create", "acme", "--name", "x", "--expires", "31.1.2027"],
            2,
            "is no time",
        ),
        (
            vec!["create", "acme", "--name", "x", "--expires", "2027-01-31"],
            2,
            "is no time",
        ),
        (
            vec![
                "create",
                "acme",
                "--name",
                "x",
                "--expires",
                "2020-01-31T12:00:00Z",
            ],
            2,
            "is over already",
        ),
        (vec!["create", "acme", "--name", " x"], 2, "`--name`"),
        (
            vec!["create", "acme", "--name", "x", "--owner", "ada"],
            2,
            "`--owner`",
        ),
        (
            vec![
                "create",
                "acme",
                "--name",
                "x",
                "--owner",
                "0123456789abcdef0123456789abcdef",
            ],
            1,
            "no such user",
        ),
    ] {
        let (code, out, told) = command(&broker, &arguments).await;
        assert_eq!(code, Some(expected), "{arguments:?}: {told}");
        assert!(told.contains(words), "{arguments:?}: {told}");
        assert_eq!(out, "", "{arguments:?}");
    }
}

/// The database holds what a key is looked up by, and not the key.
#[tokio::test]
async fn a36_a_key_is_shown_once_and_stands_nowhere() {
    let broker = started("", "").await;
    let made = make(&broker, grant("a"), None).await;
    assert_eq!(status(&broker, WIKI, &made.key).await, StatusCode::OK);
    let wrong = format!("{}x", made.key);
    assert_eq!(
        status(&broker, WIKI, &wrong).await,
        StatusCode::UNAUTHORIZED
    );
    let text = format!("{:?}", audit::everything_here());
    assert!(!text.contains(&made.key), "{text}");
    for entry in std::fs::read_dir(broker.folder.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        let found = bytes
            .windows(made.key.len())
            .any(|it| it == made.key.as_bytes());
        assert!(!found, "{}", path.display());
    }
}

/// What the request shows is given on standard input, not as an argument that the whole machine can read.
#[tokio::test]
async fn explain_judges_a_key_and_does_not_repeat_it() {
    let broker = started("", "").await;
    let made = make(&broker, grant("nightly backup"), None).await;
    let (file, url) = (broker.file(), broker.url(WIKI, "/"));
    let arguments = |output: &'static str| {
        let file = file.to_str().expect("a plain path");
        [
            "explain",
            "--config",
            file,
            "--url",
            &url,
            "--headers-from",
            "-",
            "--output",
            output,
        ]
        .map(ToOwned::to_owned)
    };
    for (key, code, words) in [
        (&*made.key, 0, "API key nightly backup"),
        (
            "dwk_canary",
            3,
            "it is no key: mistyped, cut, or something else",
        ),
        (
            ApiKey::of([3; 32]).reveal().expose_secret(),
            3,
            "there is no such key",
        ),
    ] {
        let arguments = arguments("text");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = doorward_with_input(&arguments, &format!("X-API-Key: {key}\n")).await;
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr)
        );
        assert_eq!(said.status.code(), Some(code), "{text}");
        assert!(text.contains(words), "{text}");
        assert!(!text.contains(key), "{text}");
    }
    // It is no use of the key.
    broker.door.housekeeping().await;
    let tenant = "acme".parse().expect("a name");
    let keys = broker.door.parts.store.api_keys_of(&tenant).await;
    assert_eq!(keys.expect("an answer")[0].used, 0);
}

/// An assertion that an app is told of a key is signed once in five minutes, and none is handed out that is about to
/// expire.
#[tokio::test]
async fn an_assertion_about_a_key_is_made_anew_every_five_minutes() {
    let broker = started("", "identity_headers = { X-Assertion = \"assertion\" }").await;
    broker.door.turn_signing_keys().await;
    broker.advance(Duration::from_secs(1)).await;
    let made = make(&broker, grant("a"), None).await;
    let assertion = async || {
        let answer = show(&broker, WIKI, "/", &made.key).await;
        assert_eq!(answer.status(), StatusCode::OK);
        values(answer.headers(), "x-assertion").join("|")
    };
    let first = assertion().await;
    assert_eq!(first.split('.').count(), 3, "{first}");
    broker.advance(Duration::from_secs(299)).await;
    assert_eq!(assertion().await, first);
    broker.advance(Duration::from_secs(1)).await;
    assert_ne!(assertion().await, first);
}
