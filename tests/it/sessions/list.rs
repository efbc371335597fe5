//! What the page shows, and what its buttons end.

use http::StatusCode;
use rstest::rstest;

use crate::support::broker::Broker;
use crate::support::browser::{Browser, Page};
use crate::support::nodes::{ACME, BOARD, GLOBEX_WIKI, SHARED, WIKI};
use crate::support::provider::Endpoint;

/// A browser in which `person` has signed in to the wiki.
async fn signed_in(broker: &Broker, person: &str) -> Browser {
    broker.provider.sign_in_as(person);
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    browser
}

async fn list(broker: &Broker, browser: &mut Browser) -> Page {
    let page = browser.visit(&broker.url(ACME, "/sessions")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    page
}

async fn may_enter(broker: &Broker, browser: &Browser) -> bool {
    let page = broker.check(browser, "GET", WIKI, "/").await;
    assert!(
        [202, 401].contains(&page.status.as_u16()),
        "{}",
        page.status
    );
    page.status == StatusCode::ACCEPTED
}

/// The ids that the buttons of the page would end.
fn ids(page: &Page) -> Vec<String> {
    let mut forms = page.forms();
    forms.retain(|form| form.action.path().ends_with("/sessions/end"));
    let fields = forms.into_iter().flat_map(|form| form.fields);
    fields
        .filter(|(name, _)| name == "session")
        .map(|(_, value)| value)
        .collect()
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_to_sign_in_and_comes_back() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let page = browser.visit(&broker.url(ACME, "/sessions")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.url.path(), "/sessions");
    assert_eq!(broker.provider.count(Endpoint::Authorize), 1);
    assert!(
        page.text().contains("You are signed in as Ada Example"),
        "{}",
        page.text()
    );
    for fact in ["ada@", "Acme ID", "staff", "Chrome", "This session"] {
        assert!(page.text().contains(fact), "{fact}: {}", page.text());
    }
}

#[tokio::test]
async fn one_session_is_ended_and_the_others_live() {
    let broker = Broker::start().await;
    let first = signed_in(&broker, "ada").await;
    let second = signed_in(&broker, "ada").await;
    let mut third = signed_in(&broker, "ada").await;
    let bob = signed_in(&broker, "bob").await;
    let page = list(&broker, &mut third).await;
    assert!(
        page.text().contains("Where you are signed in (3)"),
        "{}",
        page.text()
    );
    // The own one has no button, another person's is not there.
    assert_eq!(ids(&page).len(), 2);
    let forms = page.forms();
    let form = forms
        .iter()
        .find(|form| form.action.path().ends_with("/sessions/end"))
        .expect("a button");
    let page = third.submit(form, &[]).await;
    assert_eq!(page.url.path(), "/sessions");
    assert!(
        page.text().contains("Where you are signed in (2)"),
        "{}",
        page.text()
    );
    let alive = [
        may_enter(&broker, &first).await,
        may_enter(&broker, &second).await,
    ];
    assert_eq!(alive.iter().filter(|alive| **alive).count(), 1);
    assert!(may_enter(&broker, &third).await);
    assert!(may_enter(&broker, &bob).await);
}

#[tokio::test]
async fn all_others_are_ended_at_once() {
    let broker = Broker::start().await;
    let first = signed_in(&broker, "ada").await;
    let second = signed_in(&broker, "ada").await;
    let mut third = signed_in(&broker, "ada").await;
    let bob = signed_in(&broker, "bob").await;
    let page = list(&broker, &mut third).await;
    let page = third.submit(&page.form("/sessions/end-others"), &[]).await;
    assert!(
        page.text().contains("Where you are signed in (1)"),
        "{}",
        page.text()
    );
    assert!(!may_enter(&broker, &first).await);
    assert!(!may_enter(&broker, &second).await);
    assert!(may_enter(&broker, &third).await);
    assert!(may_enter(&broker, &bob).await);
    // And at the tenant's own pages.
    let mut tab = first.tab();
    let page = tab.open(&broker.url(ACME, "/sessions")).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
}

/// Somebody else's session, by its right name, of this tenant or another.
#[rstest]
#[case::of_the_same_tenant(false)]
#[case::of_another_tenant(true)]
#[tokio::test]
async fn a_session_of_somebody_else_is_not_ended(#[case] elsewhere: bool) {
    let broker = Broker::start().await;
    broker.provider.sign_in_as("bob");
    let (host, sessions) = if elsewhere {
        (GLOBEX_WIKI, broker.url(SHARED, "/t/globex/sessions"))
    } else {
        (WIKI, broker.url(ACME, "/sessions"))
    };
    let (mut one, mut other) = (broker.browser(), broker.browser());
    broker.sign_in(&mut one, host, "/").await;
    broker.sign_in(&mut other, host, "/").await;
    // Each sees the other's name.
    let of_other = ids(&one.visit(&sessions).await);
    let of_one = ids(&other.visit(&sessions).await);
    assert_eq!((of_other.len(), of_one.len()), (1, 1));

    let mut ada = signed_in(&broker, "ada").await;
    let second = signed_in(&broker, "ada").await;
    let page = list(&broker, &mut ada).await;
    for id in [&of_one[0], &of_other[0]] {
        let form = page.form("/sessions/end");
        let answer = ada.submit_once(&form, &[("session", id)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let location = answer.location().expect("back to the list");
        assert_eq!(location.path(), "/sessions");
    }
    for browser in [&one, &other] {
        let page = broker.check(browser, "GET", host, "/").await;
        assert_eq!(page.status, StatusCode::ACCEPTED);
    }
    // Nor has anything of her own ended.
    assert!(may_enter(&broker, &second).await);
    assert!(may_enter(&broker, &ada).await);
}

#[rstest]
#[case::empty("")]
#[case::short("00")]
#[case::words("all")]
#[case::wild("*")]
#[case::sql("' OR 1=1 --")]
#[case::unknown("00000000000000000000000000000000")]
#[tokio::test]
async fn a_name_that_is_no_sessions_ends_nothing(#[case] id: &str) {
    let broker = Broker::start().await;
    let other = signed_in(&broker, "ada").await;
    let mut browser = signed_in(&broker, "ada").await;
    let page = list(&broker, &mut browser).await;
    let answer = browser
        .submit(&page.form("/sessions/end"), &[("session", id)])
        .await;
    assert!(
        [200, 404].contains(&answer.status.as_u16()),
        "{}",
        answer.status
    );
    assert!(may_enter(&broker, &other).await);
    assert!(may_enter(&broker, &browser).await);
}

/// To end the session one is in means to sign out, and that is asked.
#[tokio::test]
async fn the_own_session_is_ended_by_signing_out() {
    let broker = Broker::start().await;
    let mut browser = signed_in(&broker, "ada").await;
    let mut second = signed_in(&broker, "ada").await;
    let own = ids(&list(&broker, &mut second).await).remove(0);
    let page = list(&broker, &mut browser).await;
    let form = page.form("/sessions/end");
    let answer = browser.submit(&form, &[("session", &own)]).await;
    assert_eq!(answer.url.path(), "/logout");
    assert!(
        answer.text().contains("Sign out of Acme?"),
        "{}",
        answer.text()
    );
    assert!(may_enter(&broker, &browser).await);
}

/// Signing in again as the same person goes on with the session; as another, ends it.
#[tokio::test]
async fn signing_in_again_renews_the_handle_and_keeps_the_apps() {
    let broker = Broker::start().await;
    let mut browser = signed_in(&broker, "ada").await;
    broker.sign_in(&mut browser, BOARD, "/").await;
    let before = crate::support::nodes::acme_cookie(&broker, &browser);
    browser.visit(&broker.url(ACME, "/login?another=1")).await;
    let after = crate::support::nodes::acme_cookie(&broker, &browser);
    assert_ne!(before, after);
    assert!(may_enter(&broker, &browser).await);
    assert_eq!(ids(&list(&broker, &mut browser).await).len(), 0);
    // The handle that was planted or stolen before is dead.
    let authority = format!("{ACME}:{}", broker.address.port());
    let headers = [("host", &*authority), ("cookie", &before)];
    let answer = crate::support::raw::get(broker.address, "/sessions", &headers).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);

    broker.provider.sign_in_as("bob");
    browser.visit(&broker.url(ACME, "/login?another=1")).await;
    assert!(!may_enter(&broker, &browser).await);
    let page = list(&broker, &mut browser).await;
    assert!(page.text().contains("Bob Example"), "{}", page.text());
}
