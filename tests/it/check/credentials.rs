//! Which cookies are a session, and where.

use http::StatusCode;
use rstest::rstest;

use crate::support::broker::Broker;
use crate::support::nodes::{
    ACME, APP_COOKIE, BOARD, GLOBEX_WIKI, SOLO, WIKI, acme_cookie, app_cookie, check,
};
use crate::support::raw::{self, misspelt};

#[rstest]
#[case::nothing("")]
#[case::empty("__Host-dwa=")]
#[case::no_value("__Host-dwa")]
#[case::short("__Host-dwa=x")]
#[case::padded("__Host-dwa=AAAAAAAAAAAAAAAAAAAAAA==")]
#[case::unknown("__Host-dwa=AAAAAAAAAAAAAAAAAAAAAA")]
#[case::other_alphabet("__Host-dwa=AAAAAAAAAAAA+/AAAAAAAA")]
#[case::quotes("__Host-dwa=\"AAAAAAAAAAAAAAAAAAAAAA\"")]
#[case::percent("__Host-dwa=%00%00%00%00%00%00")]
#[case::separators(";;;===;;;")]
#[case::only_equals("=")]
#[case::not_ascii("__Host-dwa=\u{e9}\u{e9}")]
#[case::json("__Host-dwa={\"user\":\"admin\"}")]
#[case::token("__Host-dwa=eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.")]
#[case::sql("__Host-dwa=' OR 1=1 --")]
#[tokio::test]
async fn a05_a_garbage_cookie_is_no_session(#[case] cookies: &str) {
    let broker = Broker::start().await;
    let status = check(&broker, WIKI, "/", cookies).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a05_a_cookie_of_16_kib_is_no_session() {
    let broker = Broker::start().await;
    let cookies = format!("__Host-dwa={}", "A".repeat(16 * 1024));
    let status = check(&broker, WIKI, "/", &cookies).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

/// Apps set cookies as they like; ours counts beside them.
#[rstest]
#[case::usual("theme=dark; {ours}; lang=de")]
#[case::quoted("a=\"x y\"; {ours}")]
#[case::empty_pairs(";; ;{ours};")]
#[case::no_space("a=b;{ours};c=d")]
#[case::utf8("name=M\u{fc}ller; {ours}")]
#[case::utf8_behind("{ours}; city=Z\u{fc}rich")]
#[case::json("state={\"a\":[1,2]}; {ours}")]
#[case::many("{many}; {ours}")]
#[tokio::test]
async fn other_cookies_do_not_matter(#[case] line: &str) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let ours = app_cookie(&broker, &browser, WIKI);
    let many: Vec<String> = (0..60).map(|i| format!("c{i}={i}")).collect();
    let line = line.replace("{many}", &many.join("; "));
    let line = line.replace("{ours}", &ours);
    let status = check(&broker, WIKI, "/", &line).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{line}");
    let signed_in = line.replace(&ours, &acme_cookie(&broker, &browser));
    let authority = format!("{ACME}:{}", broker.address.port());
    let headers = [("host", &*authority), ("cookie", &signed_in)];
    let page = raw::get(broker.address, "/sessions", &headers).await;
    assert_eq!(page.status(), StatusCode::OK, "{signed_in}");
}

#[rstest]
#[case::twice("{ours}; {ours}")]
#[case::another_first("__Host-dwa=AAAAAAAAAAAAAAAAAAAAAA; {ours}")]
#[case::another_behind("{ours}; __Host-dwa=AAAAAAAAAAAAAAAAAAAAAA")]
#[case::garbage_first("__Host-dwa=x; {ours}")]
#[case::garbage_behind("{ours}; __Host-dwa=x")]
#[case::empty_behind("{ours}; __Host-dwa=")]
#[case::not_utf8_behind("{ours}; __Host-dwa=\u{e9}")]
#[tokio::test]
async fn t08_a_session_cookie_that_comes_twice_is_no_session(#[case] line: &str) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let ours = app_cookie(&broker, &browser, WIKI);
    let line = line.replace("{ours}", &ours);
    assert_eq!(
        check(&broker, WIKI, "/", &line).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(check(&broker, WIKI, "/", &ours).await, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn t08_a_duplicate_in_a_header_of_its_own_counts_too() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let ours = app_cookie(&broker, &browser, WIKI);
    let planted = format!("{APP_COOKIE}=AAAAAAAAAAAAAAAAAAAAAA");
    let authority = format!("{WIKI}:{}", broker.address.port());
    for (lines, expected) in [
        (vec![&*ours], 202),
        (vec!["a=b", &ours], 202),
        (vec![&*ours, &planted], 401),
        (vec![&*planted, &ours], 401),
    ] {
        let mut headers = vec![("host", &*authority)];
        headers.extend(lines.iter().map(|line| ("cookie", *line)));
        let answer = raw::get(broker.address, "/oauth2/auth", &headers).await;
        assert_eq!(answer.status(), expected, "{lines:?}");
    }
}

#[tokio::test]
async fn t08_a_tenants_session_that_comes_twice_is_no_session() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let ours = acme_cookie(&broker, &browser);
    let authority = format!("{ACME}:{}", broker.address.port());
    for (line, expected) in [(ours.clone(), 200), (format!("{ours}; {ours}"), 303)] {
        let headers = [("host", &*authority), ("cookie", &line)];
        let answer = raw::get(broker.address, "/sessions", &headers).await;
        assert_eq!(answer.status(), expected, "{line}");
    }
}

/// A session at one tenant's app is none at another's, however often it is asked for.
#[tokio::test]
async fn a15_an_app_session_of_one_tenant_is_nothing_at_another() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    broker.sign_in(&mut browser, GLOBEX_WIKI, "/").await;
    let acme = app_cookie(&broker, &browser, WIKI);
    let globex = app_cookie(&broker, &browser, GLOBEX_WIKI);
    for (host, cookie, expected) in [
        (GLOBEX_WIKI, &acme, 401),
        (WIKI, &globex, 401),
        (SOLO, &acme, 401),
        (WIKI, &acme, 202),
        (GLOBEX_WIKI, &globex, 202),
    ] {
        let status = check(&broker, host, "/", cookie).await;
        assert_eq!(status, expected, "{host}");
    }
}

/// What is in memory for one host answers for that host only, in whichever order it is asked.
#[rstest]
#[case::seen_at_home_first(&[WIKI, BOARD, GLOBEX_WIKI, WIKI])]
#[case::seen_elsewhere_first(&[BOARD, GLOBEX_WIKI, WIKI, BOARD, WIKI])]
#[case::seen_at_the_other_tenant_first(&[GLOBEX_WIKI, SOLO, WIKI, GLOBEX_WIKI])]
#[tokio::test]
async fn t09_memory_of_one_host_does_not_answer_for_another(#[case] order: &[&str]) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    for host in order {
        let expected = if *host == WIKI { 202 } else { 401 };
        let status = check(&broker, host, "/", &cookie).await;
        assert_eq!(status, expected, "{host}");
    }
}

/// A name that is unknown now may be given out later; nobody may be told yes because of somebody else.
#[tokio::test]
async fn t09_two_people_are_never_mixed_up() {
    let broker = Broker::start().await;
    let mut cookies = Vec::new();
    for name in ["ada", "bob", "user-3", "user-4"] {
        broker.provider.sign_in_as(name);
        let mut browser = broker.browser();
        broker.sign_in(&mut browser, WIKI, "/").await;
        cookies.push((name, browser));
    }
    for _ in 0..3 {
        for (name, browser) in &cookies {
            let page = broker.check(browser, "GET", WIKI, "/").await;
            let email = format!("{name}@example.com");
            assert_eq!(page.header("x-auth-request-email"), email);
        }
    }
}

/// Every shorter and every longer spelling of a live handle is nothing.
#[tokio::test]
async fn a24_a_truncated_or_extended_app_session_is_none() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let (_, handle) = cookie.split_once('=').expect("a pair");
    for spelling in misspelt(handle) {
        let line = format!("{APP_COOKIE}={spelling}");
        let status = check(&broker, WIKI, "/", &line).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{spelling:?}");
    }
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn a24_a_truncated_or_extended_session_is_none() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = acme_cookie(&broker, &browser);
    let (name, handle) = cookie.split_once('=').expect("a pair");
    let authority = format!("{ACME}:{}", broker.address.port());
    for spelling in misspelt(handle) {
        let line = format!("{name}={spelling}");
        let headers = [("host", &*authority), ("cookie", &line)];
        let answer = raw::get(broker.address, "/sessions", &headers).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{spelling:?}");
    }
    let headers = [("host", &*authority), ("cookie", &cookie)];
    let answer = raw::get(broker.address, "/sessions", &headers).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

/// Another kind's handle in the app session's cookie, and the other way round.
#[tokio::test]
async fn a11_a_session_of_one_kind_is_none_of_the_other() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let app = app_cookie(&broker, &browser, WIKI);
    let tenant = acme_cookie(&broker, &browser);
    let (app_name, app_handle) = app.split_once('=').expect("a pair");
    let (tenant_name, tenant_handle) = tenant.split_once('=').expect("a pair");
    let line = format!("{app_name}={tenant_handle}");
    assert_eq!(
        check(&broker, WIKI, "/", &line).await,
        StatusCode::UNAUTHORIZED
    );
    // Nor is the tenant's cookie one that the check reads.
    assert_eq!(
        check(&broker, WIKI, "/", &tenant).await,
        StatusCode::UNAUTHORIZED
    );
    let authority = format!("{ACME}:{}", broker.address.port());
    for line in [format!("{tenant_name}={app_handle}"), app] {
        let headers = [("host", &*authority), ("cookie", &line)];
        let answer = raw::get(broker.address, "/sessions", &headers).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    }
}

/// The challenge names the cookie that it would take, and asks no browser for a password.
#[tokio::test]
async fn a_401_for_a_script_says_what_is_missing() {
    let broker = Broker::start().await;
    let browser = broker.browser();
    let script = [("sec-fetch-mode", "cors")];
    let page = broker.check_with(&browser, "GET", WIKI, "/", &script).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    let challenge = page.header("www-authenticate");
    assert!(
        challenge.starts_with("Cookie realm=\"acme\""),
        "{challenge}"
    );
    assert!(
        challenge.contains("cookie-name=\"__Host-dwa\""),
        "{challenge}"
    );
    assert!(page.set_cookies().is_empty());
    assert!(page.body.is_empty());
}
