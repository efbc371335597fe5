//! Many logins that nobody completes.

use std::time::Duration;

use doorward::storage::WaitingCaps;

use super::*;
use crate::support::broker::Broker;

const CAPS: WaitingCaps = WaitingCaps {
    total: 40,
    per_network: 10,
};

async fn small() -> Broker {
    Broker::with(Setup {
        waiting: CAPS,
        ..Setup::default()
    })
    .await
}

/// A fresh browser at this address, as the trusted proxy tells it.
fn from(broker: &Broker, address: &str) -> Browser {
    broker.browser().always("x-forwarded-for", address)
}

async fn begin(broker: &Broker, browser: &mut Browser) -> Page {
    browser
        .open(&broker.url("acme.localhost", "/login/main"))
        .await
}

#[tokio::test]
async fn t26_one_network_fills_its_own_place_only() {
    let broker = small().await;
    let mut signed_in = broker.browser();
    assert_signs_in(&broker, &mut signed_in).await;
    for _ in 0..CAPS.per_network {
        let page = begin(&broker, &mut from(&broker, "198.51.100.7")).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
    }
    for _ in 0..200 {
        let mut browser = from(&broker, "198.51.100.7");
        let page = begin(&broker, &mut browser).await;
        assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(page.set_cookies().is_empty());
    }
    let mut browser = from(&broker, "198.51.100.7");
    let page = begin(&broker, &mut browser).await;
    assert_page(&page, 429, "Too many sign-ins");
    let seconds: u32 = page.header("retry-after").parse().expect("seconds");
    assert!((1..=900).contains(&seconds), "{seconds}");
    let line = audit::only(&page);
    assert_eq!(line.event(), "too_many_sign_ins");
    assert_eq!(line.field("network"), "198.51.100.7");
    // Others sign in, and who is signed in stays so.
    assert_signs_in(&broker, &mut from(&broker, "198.51.100.8")).await;
    let check = broker.check(&signed_in, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    let page = begin(&broker, &mut from(&broker, "2001:db8::1")).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    // After a quarter of an hour nobody waits there any more.
    broker.advance(Duration::from_secs(15 * 60 + 1)).await;
    let page = begin(&broker, &mut from(&broker, "198.51.100.7")).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
}

/// A /48 is one site (RFC 6177): its 65,536 networks push out nobody but each other.
#[tokio::test]
async fn t26_a_site_of_version_six_is_one_place() {
    let broker = small().await;
    let mut light = from(&broker, "192.0.2.1");
    let waits = up_to_callback(&broker, &mut light, WIKI).await;
    let mut busy = from(&broker, "2001:db8:0:ffff::1");
    let first_of_busy = up_to_callback(&broker, &mut busy, WIKI).await;
    for number in 0..CAPS.total * 2 {
        broker.clock.advance(Duration::from_millis(10));
        let address = format!("2001:db8:0:{number:x}::1");
        let page = begin(&broker, &mut from(&broker, &address)).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
    }
    let page = light.visit(waits.as_str()).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"), "{}", page.text());
    let page = busy.open(first_of_busy.as_str()).await;
    assert_page(&page, 400, EXPIRED);
}

/// What an untrusted client writes in front of the proxy's own word makes it nobody else.
#[tokio::test]
async fn t26_a_forged_address_does_not_help() {
    let broker = small().await;
    for number in 0..CAPS.per_network {
        let address = format!("203.0.113.{number}, 198.51.100.7");
        let page = begin(&broker, &mut from(&broker, &address)).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
    }
    let page = begin(&broker, &mut from(&broker, "203.0.113.99, 198.51.100.7")).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    // The trusted proxy itself is nobody's address, and never a key.
    for _ in 0..=CAPS.per_network {
        let page = begin(&broker, &mut broker.browser()).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
    }
}

/// One address is one place, however it is spelt; and all of IPv4, as a listener on `[::]` sees it, is not one.
#[tokio::test]
async fn a39_the_spellings_of_an_address_share_one_place() {
    let broker = small().await;
    for number in 0..CAPS.per_network {
        let spelling =
            ["198.51.100.7", "::ffff:198.51.100.7", "::FFFF:c633:6407"][number as usize % 3];
        let page = begin(&broker, &mut from(&broker, spelling)).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
    }
    for spelling in ["198.51.100.7", "::ffff:198.51.100.7"] {
        let page = begin(&broker, &mut from(&broker, spelling)).await;
        assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS, "{spelling}");
    }
    let page = begin(&broker, &mut from(&broker, "::ffff:198.51.100.8")).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
}

/// Many networks at once: at the total, the busiest gives way, and a light one is never refused.
#[tokio::test]
async fn t26_at_the_total_the_busiest_network_gives_way() {
    let broker = small().await;
    let mut light = from(&broker, "192.0.2.1");
    let waits = up_to_callback(&broker, &mut light, WIKI).await;
    let mut busy = from(&broker, "198.51.100.0");
    let first_of_busy = up_to_callback(&broker, &mut busy, WIKI).await;
    for network in 0..20 {
        for _ in 0..CAPS.per_network - 1 {
            broker.clock.advance(Duration::from_millis(10));
            let address = format!("198.51.100.{network}");
            let page = begin(&broker, &mut from(&broker, &address)).await;
            assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
        }
    }
    // 200 were begun, 40 can wait: the light one is among them.
    let page = light.visit(waits.as_str()).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"), "{}", page.text());
    let page = busy.open(first_of_busy.as_str()).await;
    assert_page(&page, 400, EXPIRED);
    // And somebody new, from anywhere, comes in.
    assert_signs_in(&broker, &mut from(&broker, "192.0.2.77")).await;
}

/// The same for sign-ins that apps ask for.
#[tokio::test]
async fn t26_an_apps_sign_ins_are_counted_too() {
    let broker = small().await;
    let start = broker.sign_in_url(WIKI, "/");
    for _ in 0..CAPS.per_network {
        let page = from(&broker, "198.51.100.7").open(&start).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
    }
    let page = from(&broker, "198.51.100.7").open(&start).await;
    assert_page(&page, 429, "Too many sign-ins");
    assert!(!page.header("retry-after").is_empty());
    assert!(page.set_cookies().is_empty());
    assert_eq!(audit::only(&page).event(), "too_many_sign_ins");
    assert_signs_in(&broker, &mut from(&broker, "198.51.100.8")).await;
}
