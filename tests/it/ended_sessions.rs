//! What operators are told of sessions that a person ends from another one of theirs.

use crate::support::audit;
use crate::support::broker::Broker;

#[rstest::rstest]
#[case::one("/sessions/end")]
#[case::all_others("/sessions/end-others")]
#[tokio::test]
async fn a_session_ended_from_another_one_leaves_a_line(#[case] form: &str) {
    let broker = Broker::start().await;
    let mut lost = broker.browser();
    broker.sign_in(&mut lost, "wiki.acme.localhost", "/").await;
    let mut own = broker.browser();
    broker.sign_in(&mut own, "wiki.acme.localhost", "/").await;
    let sessions: Vec<String> = audit::here()
        .iter()
        .filter(|line| line.event() == "signed_in")
        .map(|line| line.field("session"))
        .collect();
    let page = own.open(&broker.url("acme.localhost", "/sessions")).await;
    own.submit(&page.form(form), &[]).await;
    let lines: Vec<_> = audit::here()
        .into_iter()
        .filter(|line| line.event() == "session_ended")
        .collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0].field("session"), sessions[0]);
    assert_eq!(lines[0].field("by"), sessions[1]);
    assert_eq!(lines[0].field("tenant"), "acme");
}
