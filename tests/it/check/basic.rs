//! Names and passwords (RFC 7617) at the check.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Response, StatusCode};
use rstest::rstest;
use tokio::task::JoinSet;

use crate::support::asking::{ALL, Endpoint, Target, ask};
use crate::support::audit;
use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::command::doorward_with_input;
use crate::support::nodes::{BOARD, GLOBEX_WIKI, WIKI};
use crate::support::raw::values;

fn configuration(more: &str) -> String {
    let users = r#"
[[tenants.users]]
name = "ada"
password_hash = "$argon2id$v=19$m=64,t=1,p=2$MDEyMzQ1Njc4OWFiY2RlZg$WSSfe1mnbabV5EdR0HMZ1l+3H3KWmc3xRljelgVL3V8"
display_name = "Ada Lovelace"
email = "ada@example.com"
email_verified = true
groups = ["admins"]

[[tenants.users]]
name = "Sebastián"
password_hash = "$2y$05$vCP4MkDTggYuQjWzCAjuGO1OYD7xkeaWLVkb95YZUmYeFyM/wmjGC"
email = "sebastian@example.com"

[[tenants.apps]]
id = "wiki""#;
    CONFIGURATION
        .replacen("\n[[tenants.apps]]\nid = \"wiki\"", users, 1)
        .replacen(
            "id = \"wiki\"\n",
            "id = \"wiki\"\naccept = [\"basic\", \"session\"]\n",
            1,
        )
        .replacen(
            "id = \"board\"\n",
            "id = \"board\"\naccept = [\"basic\"]\n",
            1,
        )
        .replacen("[sessions]", &format!("{more}\n[sessions]"), 1)
}

async fn start(more: &str) -> Broker {
    Broker::with(Setup {
        configuration: configuration(more),
        ..Setup::default()
    })
    .await
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

async fn show(broker: &Broker, host: &str, path: &str, authorization: &str) -> Response<Bytes> {
    let more = [("authorization", authorization), ("sec-fetch-mode", "cors")];
    ask(
        broker,
        Endpoint::ForwardAuth,
        Target::get(host, path),
        &more,
    )
    .await
}

#[tokio::test]
async fn a_right_password_lets_in_and_the_app_is_told_who_it_is() {
    let broker = start("").await;
    let answer = show(&broker, WIKI, "/", &basic("ada", "password")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let told = |name: &str| values(answer.headers(), name).join("|");
    assert_eq!(told("remote-name"), "Ada Lovelace");
    assert_eq!(told("remote-email"), "ada@example.com");
    assert_eq!(told("remote-groups"), "admins");
    let user = told("remote-user");
    assert_eq!(user.len(), 32, "{user}");
    // At every app the same person, and for ever.
    let elsewhere = show(&broker, BOARD, "/admin", &basic("ada", "password")).await;
    assert_eq!(elsewhere.status(), StatusCode::OK);
    assert_eq!(values(elsewhere.headers(), "remote-user").join("|"), user);
    let again = broker
        .restart(Setup {
            configuration: configuration(""),
            ..Setup::default()
        })
        .await;
    let answer = show(&again, WIKI, "/", &basic("ada", "password")).await;
    assert_eq!(values(answer.headers(), "remote-user").join("|"), user);
}

/// `Sebastián` in UTF-8, for which the challenge asks; an address that nobody vouches for does not count.
#[tokio::test]
async fn a_name_in_utf_8_works_and_an_unverified_address_does_not_count() {
    let broker = start("").await;
    let shown = basic("Sebasti\u{e1}n", "Sebasti\u{e1}n");
    let answer = show(&broker, WIKI, "/", &shown).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(values(answer.headers(), "remote-email").join("|"), "");
    // The rule of the board asks for a verified address in example.com.
    let answer = show(&broker, BOARD, "/", &shown).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let answer = show(&broker, BOARD, "/", &basic("ada", "password")).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[rstest]
#[case::wrong(&basic("ada", "passwore"))]
#[case::longer(&basic("ada", "password "))]
#[case::shorter(&basic("ada", "passwor"))]
#[case::empty(&basic("ada", ""))]
#[case::nobody(&basic("", ""))]
#[case::unknown(&basic("eve", "password"))]
#[case::case_matters(&basic("Ada", "password"))]
#[case::somebody_elses(&basic("ada", "Sebasti\u{e1}n"))]
#[case::decomposed(&basic("Sebastia\u{301}n", "Sebasti\u{e1}n"))]
#[case::the_hash(&basic("ada", "$argon2id$v=19$m=64,t=1,p=2$MDEyMzQ1Njc4OWFiY2RlZg$WSSfe1mnbabV5EdR0HMZ1l+3H3KWmc3xRljelgVL3V8"))]
#[case::not_base64("Basic ada:password")]
#[case::no_colon("Basic YWRh")]
#[case::no_padding("Basic YWRhOnBhc3N3b3Jk=")]
#[case::nothing("Basic")]
#[case::eight_kilobytes(&format!("Basic {}", "A".repeat(8_000)))]
#[tokio::test]
async fn a05_what_is_not_a_right_password_is_401(#[case] authorization: &str) {
    let broker = start("").await;
    for host in [WIKI, BOARD] {
        let answer = show(&broker, host, "/", authorization).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{host}");
        let challenges = values(answer.headers(), "www-authenticate");
        assert_eq!(
            challenges[0], "Basic realm=\"acme\", charset=\"UTF-8\"",
            "{host}"
        );
        assert_eq!(challenges.len(), if host == WIKI { 2 } else { 1 });
        assert!(values(answer.headers(), "remote-user").is_empty());
    }
}

/// Missing, or of a scheme that the app does not accept: 401 with its challenges, never 403.
#[rstest]
#[case::missing(None)]
#[case::another_scheme(Some("Bearer abc"))]
#[case::a_longer_name(Some("Basics YWRhOnBhc3N3b3Jk"))]
#[tokio::test]
async fn what_is_missing_is_asked_for(#[case] authorization: Option<&str>) {
    let broker = start("").await;
    for endpoint in ALL {
        let mut more = vec![("sec-fetch-mode", "cors")];
        more.extend(authorization.map(|value| ("authorization", value)));
        let answer = ask(&broker, endpoint, Target::get(BOARD, "/"), &more).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{endpoint:?}");
        assert_eq!(
            values(answer.headers(), "www-authenticate"),
            ["Basic realm=\"acme\", charset=\"UTF-8\""]
        );
    }
}

#[rstest]
#[case("basic")]
#[case("BASIC")]
#[case("  Basic  ")]
#[tokio::test]
async fn the_name_of_the_scheme_has_no_case_and_space_does_not_count(#[case] scheme: &str) {
    let broker = start("").await;
    let shown = basic("ada", "password").replacen("Basic", scheme, 1);
    let answer = show(&broker, WIKI, "/", &shown).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

/// Two headers: the app might go by the other one.
#[tokio::test]
async fn a04_two_authorizations_are_refused() {
    let broker = start("").await;
    let good = basic("ada", "password");
    for other in ["Bearer abc", &good, &basic("eve", "x")] {
        for pair in [[&*good, other], [other, &*good]] {
            let more = pair.map(|value| ("authorization", value));
            let target = Target::get(BOARD, "/");
            let answer = ask(&broker, Endpoint::ForwardAuth, target, &more).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{pair:?}");
        }
    }
}

/// An app that does not accept passwords does not look at them, nor does another tenant.
#[tokio::test]
async fn a11_a_password_is_nothing_where_it_is_not_accepted() {
    let broker = start("").await;
    let answer = show(&broker, GLOBEX_WIKI, "/", &basic("ada", "password")).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let challenges = values(answer.headers(), "www-authenticate");
    assert!(challenges[0].starts_with("Cookie "), "{challenges:?}");
    // A session's handle is no password, and a password no session.
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let handle = browser.cookie(&broker.url(WIKI, "/"), "__Host-dwa");
    let handle = handle.expect("a session");
    let answer = show(&broker, WIKI, "/", &basic("ada", &handle)).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

/// What is shown and not good is refused, also beside a session.
#[tokio::test]
async fn a_wrong_password_is_not_made_good_by_a_session() {
    let broker = start("").await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let wrong = basic("ada", "wrong");
    let more = [("authorization", &*wrong)];
    let page = broker.check_with(&browser, "GET", WIKI, "/", &more).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    let page = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
}

/// It is remembered, and forgotten when the configuration says otherwise.
#[tokio::test]
async fn a14_who_is_taken_out_of_the_file_is_out() {
    let broker = start("").await;
    let shown = basic("ada", "password");
    for _ in 0..3 {
        let answer = show(&broker, WIKI, "/", &shown).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    broker.edit(|text| text.replacen("name = \"ada\"", "name = \"adele\"", 1));
    broker.reload().await.expect("read");
    let answer = show(&broker, WIKI, "/", &shown).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let answer = show(&broker, WIKI, "/", &basic("adele", "password")).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

/// One password costs one try in five minutes, however often it is shown: by the thirty-first try of a name this
/// would be refused.
#[tokio::test]
async fn a_right_password_is_remembered_for_five_minutes() {
    let broker = start("[limits.passwords]\nuser = 2\n").await;
    let shown = basic("ada", "password");
    for _ in 0..20 {
        let answer = show(&broker, WIKI, "/", &shown).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    broker.clock.advance(Duration::from_secs(299));
    assert_eq!(show(&broker, WIKI, "/", &shown).await.status(), 200);
    broker.clock.advance(Duration::from_secs(2));
    // Two tries, which the time has given back by now.
    for wrong in ["one", "two"] {
        let answer = show(&broker, WIKI, "/", &basic("ada", wrong)).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let answer = show(&broker, WIKI, "/", &shown).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
}

/// Guesses at one name share one count, in whatever case and however many at once (CVE-2025-24806).
#[tokio::test]
async fn a39_guesses_in_parallel_share_one_limit() {
    let broker = Arc::new(start("[limits.passwords]\nuser = 5\n").await);
    let spellings = ["ada", "Ada", "ADA", "aDa"];
    let mut guesses = JoinSet::new();
    for number in 0..24 {
        let name = spellings[number % spellings.len()];
        let shown = basic(name, &format!("guess-{number}"));
        let broker = Arc::clone(&broker);
        guesses.spawn(async move { show(&broker, WIKI, "/", &shown).await });
    }
    let answers = guesses.join_all().await;
    let with = |status| answers.iter().filter(|it| it.status() == status).count();
    assert_eq!(with(StatusCode::UNAUTHORIZED), 5);
    assert_eq!(with(StatusCode::TOO_MANY_REQUESTS), 19);
    // The right one has to wait too, from there; elsewhere it does not.
    let right = basic("ada", "password");
    let answer = show(&broker, WIKI, "/", &right).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(!values(answer.headers(), "retry-after").is_empty());
    // In nginx's dialect a refusal is 403.
    let target = Target::get(WIKI, "/");
    let more = [("authorization", &*right)];
    let answer = ask(&broker, Endpoint::AuthRequest, target, &more).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let more = [
        ("authorization", &*right),
        ("x-forwarded-for", "198.51.100.9"),
    ];
    let target = Target::get(WIKI, "/");
    let answer = ask(&broker, Endpoint::ForwardAuth, target, &more).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

/// Nobody is let in whose id cannot be found, and nothing is called wrong.
#[tokio::test]
async fn a41_a_store_that_fails_is_503() {
    let broker = start("").await;
    broker.door.parts.store.close().await;
    let answer = show(&broker, WIKI, "/", &basic("ada", "password")).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(values(answer.headers(), "www-authenticate").is_empty());
    let answer = show(&broker, WIKI, "/", &basic("ada", "wrong")).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

/// Neither a password nor a name that was tried stands in an answer or a log line.
#[tokio::test]
async fn a36_what_was_shown_is_nowhere() {
    let broker = start("").await;
    for shown in [
        basic("canary-name", "canary-password"),
        basic("ada", "canary-password"),
        "Basic canary-password".to_owned(),
    ] {
        let answer = show(&broker, WIKI, "/", &shown).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let token = shown.split_once(' ').expect("a scheme").1.to_owned();
        let text = format!("{answer:?}{:?}", audit::everything_here());
        for canary in ["canary-name", "canary-password", &token] {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
    let refused = audit::here();
    let refused = refused
        .iter()
        .filter(|it| it.event() == "credential_refused");
    assert_eq!(refused.count(), 3);
}

/// The line that the command prints is one that the configuration takes.
#[tokio::test]
async fn a_hash_is_made_of_standard_input() {
    let made = doorward_with_input(&["users", "hash"], "Sebasti\u{e1}n\n").await;
    assert!(made.status.success(), "{made:?}");
    let line = String::from_utf8(made.stdout).expect("text");
    assert!(
        line.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{line}"
    );
    let broker = Broker::with(Setup {
        configuration: configuration("").replace(
            "$2y$05$vCP4MkDTggYuQjWzCAjuGO1OYD7xkeaWLVkb95YZUmYeFyM/wmjGC",
            line.trim(),
        ),
        ..Setup::default()
    })
    .await;
    let shown = basic("Sebasti\u{e1}n", "Sebasti\u{e1}n");
    let answer = show(&broker, WIKI, "/", &shown).await;
    assert_eq!(answer.status(), StatusCode::OK);
    for (input, why) in [
        ("", "the password is empty"),
        ("\n", "the password is empty"),
        ("one\ntwo\n", "more than one line"),
        ("a\tb", "control characters"),
    ] {
        let refused = doorward_with_input(&["users", "hash"], input).await;
        assert!(!refused.status.success());
        assert!(refused.stdout.is_empty());
        let text = String::from_utf8(refused.stderr).expect("text");
        assert!(text.contains(why), "{text}");
    }
}
