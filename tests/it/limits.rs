//! How often one address, tenant or person may ask for what costs something.

use std::time::Duration;

use http::{Method, StatusCode};
use rstest::rstest;

use crate::support::audit;
use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::browser::{Browser, Page};
use crate::support::nodes::{ACME, BOARD, WIKI};

/// Few of everything.
const LIMITS: &str = r"
[limits.login]
address = 6
tenant = 5
[limits.callback]
address = 6
user = 2
[limits.ticket]
address = 6
user = 2
[limits.failed_checks]
address = 20
user = 3
";

async fn with(limits: &str) -> Broker {
    Broker::with(Setup {
        configuration: format!("{limits}{CONFIGURATION}"),
        ..Setup::default()
    })
    .await
}

async fn strict() -> Broker {
    with(LIMITS).await
}

/// A fresh browser at this address, as the trusted proxy tells it.
fn from(broker: &Broker, address: &str) -> Browser {
    broker.browser().always("x-forwarded-for", address)
}

fn assert_over(page: &Page) {
    assert_eq!(
        page.status,
        StatusCode::TOO_MANY_REQUESTS,
        "{}",
        page.text()
    );
    assert!(page.text().contains("Too many sign-ins"), "{}", page.text());
    let mut cookies = page.set_cookies().into_iter();
    assert!(cookies.all(|cookie| cookie.contains("Max-Age=0")));
    assert!(page.location().is_none());
    let seconds: u64 = page.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
}

fn rate_limited() -> Vec<audit::Line> {
    let mut lines = audit::here();
    lines.retain(|line| line.event() == "rate_limited");
    lines
}

/// Counters that aliases or races can get around are none (CVE-2025-24806).
#[tokio::test]
async fn a39_aliases_in_parallel_share_one_limit_of_failed_checks() {
    let broker = strict().await;
    let hosts = [WIKI, "WIKI.acme.localhost", "Wiki.Acme.LocalHost"];
    let addresses = [
        "198.51.100.7",
        "::ffff:198.51.100.7",
        "203.0.113.1, 198.51.100.7",
        "\u{ff}, 198.51.100.7",
    ];
    let checks = (0..60_usize).map(|number| {
        let browser = from(&broker, addresses[number % addresses.len()]);
        let broker = &broker;
        async move {
            let host = hosts[(number / 3) % 3];
            let page = broker.check(&browser, "GET", host, "/").await;
            (page.status, page.header("retry-after").to_owned())
        }
    });
    let answers = join_all(checks).await;
    let offered = answers
        .iter()
        .filter(|(status, _)| *status == StatusCode::UNAUTHORIZED);
    assert_eq!(offered.count(), 20, "{answers:?}");
    let over: Vec<_> = answers
        .iter()
        .filter(|(status, _)| *status == StatusCode::FORBIDDEN)
        .collect();
    assert_eq!(over.len(), 40, "{answers:?}");
    assert!(over.iter().all(|(_, seconds)| seconds == "3"), "{over:?}");
    // A flood of them is one line.
    let lines = rate_limited();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0].field("network"), "198.51.100.7");
    assert_eq!(lines[0].field("by"), "address");
    assert_eq!(lines[0].field("what"), "failed_check");
}

/// All at once, on this thread.
async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, done) in &mut waiting {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(answer) => *done = Some(answer),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

/// Each dialect has its own word for it: nginx takes any refusal but 403 for a fault of its own.
#[rstest]
#[case::auth_request("auth-request", StatusCode::FORBIDDEN)]
#[case::forward_auth("forward-auth", StatusCode::TOO_MANY_REQUESTS)]
#[case::ext_authz("ext-authz/", StatusCode::TOO_MANY_REQUESTS)]
#[tokio::test]
async fn each_dialect_says_when_to_come_again(#[case] endpoint: &str, #[case] over: StatusCode) {
    let broker = strict().await;
    let browser = from(&broker, "198.51.100.7");
    let url = broker.url(WIKI, &format!("/api/authz/{endpoint}"));
    let original = broker.url(WIKI, "/");
    let host = format!("{WIKI}:{}", broker.address.port());
    let headers: &[(&'static str, &str)] = match endpoint {
        "auth-request" => &[("x-original-url", &original), ("x-original-method", "GET")],
        "forward-auth" => &[
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", &host),
            ("x-forwarded-uri", "/"),
            ("x-forwarded-method", "GET"),
        ],
        _ => &[("x-forwarded-proto", "http")],
    };
    for number in 0..22 {
        let page = browser.request(Method::GET, &url, headers).await;
        if number < 20 {
            assert!(page.status != over, "{number}: {}", page.status);
            assert!(page.header("retry-after").is_empty());
        } else {
            assert_eq!(page.status, over);
            assert_eq!(page.header("retry-after"), "3");
            assert!(page.location().is_none() && page.body.is_empty());
        }
    }
}

/// Whoever is signed in passes, and whoever is elsewhere is offered a login, however many fail here.
#[tokio::test]
async fn failed_checks_take_nothing_from_others() {
    let broker = strict().await;
    let mut ada = from(&broker, "198.51.100.7");
    broker.sign_in(&mut ada, WIKI, "/").await;
    let stranger = from(&broker, "198.51.100.7");
    for _ in 0..50 {
        broker.check(&stranger, "GET", WIKI, "/").await;
    }
    let page = broker.check(&stranger, "GET", WIKI, "/").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    // A handle that is unknown is refused like none, and one that is good passes, cold or warm.
    for _ in 0..50 {
        let page = broker.check(&ada, "GET", WIKI, "/").await;
        assert_eq!(page.status, StatusCode::ACCEPTED);
    }
    let elsewhere = from(&broker, "198.51.100.8");
    let page = broker.check(&elsewhere, "GET", WIKI, "/").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    broker.advance(Duration::from_secs(60)).await;
    let page = broker.check(&stranger, "GET", WIKI, "/").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
}

/// What no app or tenant is counted at counts too, and floods no log.
#[rstest]
#[case::unknown_host("nobody.localhost", &[])]
#[case::ambiguous(WIKI, &[("x-forwarded-host", "evil.example")])]
#[tokio::test]
async fn checks_that_mean_nothing_are_counted(
    #[case] host: &str,
    #[case] headers: &[(&'static str, &str)],
) {
    let broker = strict().await;
    let browser = from(&broker, "198.51.100.9");
    for number in 0..60 {
        let page = broker.check_with(&browser, "GET", host, "/", headers).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert_eq!(!page.header("retry-after").is_empty(), number >= 20);
    }
    let mut lines = audit::here();
    // The start has its own.
    lines.retain(|line| line.event() != "signing_key_made");
    assert_eq!(lines.len(), 20 + 1, "{lines:#?}");
    assert_eq!(rate_limited().len(), 1);
}

/// A person who may not pass has a limit that goes with them from address to address.
#[tokio::test]
async fn failed_checks_of_a_person_are_counted_by_person() {
    let broker = strict().await;
    let mut ada = broker.browser();
    broker.sign_in(&mut ada, BOARD, "/read").await;
    let ask = async |path: &str, address: &str| {
        let headers = [("x-forwarded-for", address)];
        let page = broker.check_with(&ada, "GET", BOARD, path, &headers).await;
        (page.status, !page.header("retry-after").is_empty())
    };
    for number in 0..6 {
        let (status, over) = ask("/admin", &format!("198.51.100.{number}")).await;
        assert_eq!((status, over), (StatusCode::FORBIDDEN, number >= 3));
    }
    let lines = rate_limited();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0].field("by"), "user");
    assert_eq!(lines[0].field("user").len(), 32);
    assert_eq!(ask("/read", "198.51.100.1").await.0, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_login_too_many_is_a_page_and_says_when() {
    let broker = strict().await;
    let begin = broker.url(ACME, "/login/main");
    for _ in 0..6 {
        let page = from(&broker, "198.51.100.7").open(&begin).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
    }
    for _ in 0..6 {
        assert_over(&from(&broker, "198.51.100.7").open(&begin).await);
    }
    // At an app it is one and the same.
    let at_app = broker.sign_in_url(WIKI, "/");
    assert_over(&from(&broker, "198.51.100.7").open(&at_app).await);
    assert_eq!(rate_limited().len(), 1);
    broker.advance(Duration::from_secs(12)).await;
    let page = from(&broker, "198.51.100.7").open(&begin).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
}

/// Busy addresses share what their tenant has; a light one is let in all the same.
#[tokio::test]
async fn a_light_address_is_not_refused_for_others() {
    let broker = strict().await;
    let begin = broker.url(ACME, "/login/main");
    let mut refused = 0;
    for number in 0..4 {
        for _ in 0..6 {
            let address = format!("198.51.100.{number}");
            let page = from(&broker, &address).open(&begin).await;
            refused += usize::from(page.status == StatusCode::TOO_MANY_REQUESTS);
        }
    }
    // One each, and five that the tenant has.
    assert_eq!(refused, 24 - 4 - 5);
    assert!(
        rate_limited()
            .iter()
            .any(|line| line.field("by") == "tenant")
    );
    for number in 0..20 {
        let address = format!("203.0.113.{number}");
        let page = from(&broker, &address).open(&begin).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{address}");
    }
}

/// The attempt is not used up: who comes again in time gets in.
#[tokio::test]
async fn a_callback_too_many_can_come_again() {
    let broker = strict().await;
    let mut ada = from(&broker, "198.51.100.7");
    let begun = ada.open(&broker.url(ACME, "/login/main")).await;
    let answered = ada.step(&begun).await;
    let callback = answered.location().expect("a callback").to_string();
    for _ in 0..6 {
        let page = from(&broker, "198.51.100.7")
            .open(&broker.url(ACME, "/login/main/callback?state=x&code=y"))
            .await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
    }
    assert_over(&ada.open(&callback).await);
    broker.advance(Duration::from_secs(10)).await;
    let page = ada.open(&callback).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
}

/// What some page embeds uses up nothing of the people who look at that page.
#[tokio::test]
async fn embedded_answers_are_not_counted() {
    let broker = strict().await;
    let mut ada = from(&broker, "198.51.100.7");
    let begun = ada.open(&broker.url(ACME, "/login/main")).await;
    let answered = ada.step(&begun).await;
    let callback = answered.location().expect("a callback").to_string();
    let elsewhere = from(&broker, "198.51.100.7");
    for address in [
        broker.url(ACME, "/login/main/callback?state=x&code=y"),
        broker.url(WIKI, "/oauth2/callback?ticket=a.AAAAAAAAAAAAAAAAAAAAAA"),
    ] {
        for _ in 0..10 {
            let page = elsewhere.fetch(&address).await;
            assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{address}");
            assert!(page.set_cookies().is_empty());
        }
    }
    let page = ada.open(&callback).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
}

#[tokio::test]
async fn sign_ins_and_tickets_of_a_person_are_counted_by_person() {
    let broker = strict().await;
    // Two sign-ins, from wherever.
    for number in 0..2 {
        let mut browser = from(&broker, &format!("198.51.100.{number}"));
        let page = broker.sign_in(&mut browser, WIKI, "/").await;
        assert_eq!(page.url.as_str(), broker.url(WIKI, "/"));
    }
    let mut third = from(&broker, "198.51.100.3");
    let page = broker.sign_in(&mut third, WIKI, "/").await;
    assert_over(&page);
    assert_eq!(page.url.path(), "/login/main/callback");
    assert!(third.jar().cookies(&page.url).is_empty());
    let what = |what: &str| {
        let lines = rate_limited();
        lines
            .iter()
            .filter(|line| line.field("what") == what)
            .count()
    };
    assert_eq!((what("callback"), what("ticket")), (1, 0));
    // A minute later two more, and then no ticket for the second app.
    broker.advance(Duration::from_secs(60)).await;
    let mut fourth = from(&broker, "198.51.100.4");
    broker.sign_in(&mut fourth, WIKI, "/").await;
    broker.sign_in(&mut fourth, BOARD, "/read").await;
    let page = broker
        .sign_in(&mut fourth, &format!("x.{BOARD}"), "/read")
        .await;
    assert_over(&page);
    assert_eq!((what("callback"), what("ticket")), (1, 1));
}

#[tokio::test]
async fn a_ticket_too_many_is_refused_before_it_is_looked_up() {
    let broker = strict().await;
    let planted = broker.url(WIKI, "/oauth2/callback?ticket=a.AAAAAAAAAAAAAAAAAAAAAA");
    for number in 0..8 {
        let page = from(&broker, "198.51.100.7").open(&planted).await;
        if number < 6 {
            assert_eq!(page.status, StatusCode::BAD_REQUEST);
        } else {
            assert_over(&page);
        }
    }
}

/// The proxy itself is nobody, and nothing is counted under its name.
#[tokio::test]
async fn a_trusted_proxys_own_address_is_no_key() {
    let broker = strict().await;
    for _ in 0..60 {
        let page = broker.check(&broker.browser(), "GET", WIKI, "/").await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    }
    for _ in 0..20 {
        let page = broker
            .browser()
            .open(&broker.url(ACME, "/login/main"))
            .await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test]
async fn limits_can_be_turned_off() {
    let off = LIMITS.replacen(
        "[limits.login]",
        "[limits]\nenabled = false\n[limits.login]",
        1,
    );
    let broker = with(&off).await;
    for _ in 0..60 {
        let browser = from(&broker, "198.51.100.7");
        let page = broker.check(&browser, "GET", WIKI, "/").await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    }
    assert!(rate_limited().is_empty());
}

/// Twenty tabs opened in one instant all succeed with the limits that nobody has set.
#[tokio::test]
async fn what_is_usual_meets_no_limit() {
    let broker = with("").await;
    let mut ada = from(&broker, "198.51.100.7");
    for _ in 0..20 {
        let page = broker.sign_in(&mut ada, WIKI, "/").await;
        assert_eq!(page.url.as_str(), broker.url(WIKI, "/"));
    }
    assert!(rate_limited().is_empty());
}
