//! People with more groups than a token holds: the whole list is asked for where the operator wants it, at the
//! address that the preset names. What cannot be had whole is never "none".

use rstest::rstest;
use serde_json::{Value, json};

use super::presets::{as_written, start};
use super::*;
use crate::support::provider::{Endpoint, Trouble};

const ROLE: &str = "entra_groups";
const FIRST: &str = "0f000000-0000-4000-8000-000000000001";
const SECOND: &str = "0f000000-0000-4000-8000-000000000002";

/// The operator's settings but for the permission.
fn without_permission(role: &mut Value) {
    let settings = role["settings"].as_array_mut().expect("a list");
    settings.retain(|line| {
        !line
            .as_str()
            .expect("a line")
            .starts_with("graph_permission")
    });
    role["authorization"]["request"]["scope"] = "openid profile email".into();
}

#[tokio::test]
async fn p13_2_overage_is_resolved_at_the_clouds_graph_and_nowhere_else() {
    let (broker, entra, _role) = start(ROLE, as_written).await;
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    let groups = format!("{FIRST},{SECOND}");
    assert_eq!(check.header("x-auth-request-groups"), groups);
    let asked = entra.last(Endpoint::Call).expect("a request");
    assert_eq!(asked.path, "/graph.microsoft.com/v1.0/me/getMemberGroups");
    assert_eq!(asked.header("content-type"), Some("application/json"));
    // What the token says of where the groups are is an address of whoever writes tokens.
    assert_eq!(entra.count(Endpoint::Elsewhere), 0);
}

#[rstest]
#[case::groups("_claim_names", json!({"groups": "src1"}))]
#[case::implicit("hasgroups", json!(true))]
#[case::implicit_in_text("hasgroups", json!("true"))]
#[tokio::test]
async fn p13_2_without_the_permission_an_overage_is_unknown(
    #[case] name: &str,
    #[case] mark: Value,
) {
    let (broker, entra, _role) = start(ROLE, |role| {
        without_permission(role);
        let claims = role["token"]["id_token"].as_object_mut().expect("claims");
        claims.remove("_claim_names");
        claims.insert(name.into(), mark.clone());
    })
    .await;
    refused_at_second(&broker, (403, GROUPS), "is not whole").await;
    assert_eq!(entra.count(Endpoint::Call), 0);
    assert_eq!(entra.count(Endpoint::Elsewhere), 0);
}

/// Nobody is asked where the token tells all.
#[tokio::test]
async fn a_list_that_is_whole_is_not_asked_for() {
    let (broker, entra, _role) = start(ROLE, |role| {
        let claims = role["token"]["id_token"].as_object_mut().expect("claims");
        claims.remove("_claim_names");
        claims.insert("groups".into(), json!([SECOND]));
    })
    .await;
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-groups"), SECOND);
    assert_eq!(entra.count(Endpoint::Call), 0);
}

/// A list beside a mark is a part of it at most.
#[tokio::test]
async fn what_stands_beside_a_mark_does_not_count() {
    let (broker, _entra, _role) = start(ROLE, |role| {
        role["token"]["id_token"]["groups"] = json!(["stale"]);
    })
    .await;
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    let groups = format!("{FIRST},{SECOND}");
    assert_eq!(check.header("x-auth-request-groups"), groups);
}

/// Somebody whom the operator does not let in is not asked about.
#[tokio::test]
async fn nothing_is_asked_about_people_of_other_directories() {
    let (broker, entra, _role) = start(ROLE, |role| {
        role["token"]["id_token"]["ver"] = "1.0".into();
    })
    .await;
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "`/ver`").await;
    assert_eq!(entra.count(Endpoint::Call), 0);
}

const NEXT: &str = "/graph.microsoft.com/v1.0/me/getMemberGroups?$skiptoken=made-up";

/// The role with a second page, at `next`.
fn in_two_pages(role: &mut Value, next: &str) {
    let at = role["calls"][0]["at"]
        .as_str()
        .expect("an address")
        .to_owned();
    let (base, _) = at.split_once("/graph.microsoft.com").expect("Graph");
    let next = next.replace("{base}", base);
    role["calls"][0]["answer"] = json!({ "value": [FIRST], "@odata.nextLink": next });
    let mut page = role["calls"][0].clone();
    page["at"] = format!("{base}{NEXT}").into();
    page["answer"] = json!({ "value": [SECOND] });
    page["method"] = "GET".into();
    page["body"] = Value::Null;
    role["calls"].as_array_mut().expect("calls").push(page);
}

#[tokio::test]
async fn further_pages_are_read_at_the_same_host() {
    let (broker, entra, _role) = start(ROLE, |role| {
        in_two_pages(role, &format!("{{base}}{NEXT}"));
    })
    .await;
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    let groups = format!("{FIRST},{SECOND}");
    assert_eq!(check.header("x-auth-request-groups"), groups);
    assert_eq!(entra.count(Endpoint::Call), 2);
}

/// What is not known to be whole signs nobody in.
#[rstest]
#[case::page_elsewhere(Some("https://evil.example/groups"), "is not whole")]
#[case::page_of_another_scheme(Some("ftp://127.0.0.1/groups"), "is not whole")]
#[case::no_such_page(Some("{base}/graph.microsoft.com/v1.0/gone"), "status 404")]
#[tokio::test]
async fn t13_pages_that_cannot_be_read_are_no_end(
    #[case] next: Option<&str>,
    #[case] reason: &str,
) {
    let (broker, _entra, _role) = start(ROLE, |role| {
        in_two_pages(role, next.expect("an address"));
    })
    .await;
    let answer = if reason == "is not whole" {
        (403, GROUPS)
    } else {
        (400, SECOND_NOT_TRUSTED)
    };
    refused_at_second(&broker, answer, reason).await;
}

#[tokio::test]
async fn t13_a_graph_that_fails_signs_nobody_in() {
    let (broker, entra, _role) = start(ROLE, as_written).await;
    let unreachable = "Second ID cannot be reached";
    let too_many = json!({ "error": { "code": "Directory_ResultSizeLimitExceeded" } });
    for (trouble, status, title, reason) in [
        (Trouble::HangUp, 502, unreachable, ""),
        (Trouble::Status(503), 502, unreachable, "503"),
        (Trouble::Status(429), 502, unreachable, "429"),
        (Trouble::Status(400), 400, SECOND_NOT_TRUSTED, "status 400"),
        (Trouble::Status(204), 400, SECOND_NOT_TRUSTED, "not JSON"),
        (Trouble::CutOff, 502, unreachable, ""),
        (Trouble::Html(200), 400, SECOND_NOT_TRUSTED, "not JSON"),
        (Trouble::RedirectToItself, 400, SECOND_NOT_TRUSTED, "307"),
        (
            Trouble::Text(too_many.to_string()),
            400,
            SECOND_NOT_TRUSTED,
            "not a list",
        ),
        (
            Trouble::Text(r#"{"value": null}"#.into()),
            400,
            SECOND_NOT_TRUSTED,
            "not a list",
        ),
        (
            Trouble::Text(r#"{"value": [1]}"#.into()),
            400,
            SECOND_NOT_TRUSTED,
            "groups",
        ),
    ] {
        entra.behave();
        entra.trouble(Endpoint::Call, trouble);
        refused_at_second(&broker, (status, title), reason).await;
    }
    entra.behave();
    signs_in_at_second(&broker, &mut broker.browser()).await;
}

/// A person of no group is one whom Graph says so of.
#[tokio::test]
async fn an_empty_list_of_graphs_is_no_groups() {
    let (broker, _entra, _role) = start(ROLE, |role| {
        role["calls"][0]["answer"]["value"] = json!([]);
    })
    .await;
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-groups"), "");
}
