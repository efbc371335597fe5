use rstest::rstest;
use time::macros::datetime;
use url::Url;

use super::super::code_exchange::MadeUpCode;
use super::Finding::{self, Doubtful, Fine, Open, Wrong};
use super::judgement::{
    Answer, Expectation, judge_client, judge_client_without_secret, judge_clock, judge_redirect_uri,
};
use super::without_asking;

const OURS: &str = "https://login.example/login/id/callback";
const STRANGE: &str = "https://login.example/login/id/callback/not-registered";

fn answer(status: u16, location: &str) -> Answer {
    let answer = http::Response::builder().status(status);
    let answer = match location {
        "" => answer,
        location => answer.header("location", location),
    };
    let asked = Url::parse("https://id.example/authorize?x=1").expect("an address");
    Answer::of(&answer.body(Vec::new()).expect("an answer"), &asked)
}

/// What ours is answered, what a strange address is answered, what that means, and a word of it.
#[rstest]
#[case::known((302, "?error=login_required&state=s&iss=https%3A%2F%2Fid.example"), (400, ""), Fine, "known there (`login_required`)")]
#[case::signed_in_unasked((302, "?code=c&state=s"), (400, ""), Doubtful, "nobody was asked")]
#[case::nothing((302, "?state=s&id_token=t"), (400, ""), Wrong, "neither a code nor an error")]
#[case::page((200, ""), (400, ""), Fine, "another one is refused")]
#[case::page_elsewhere((302, "/sign-in"), (403, ""), Fine, "another one is refused")]
#[case::a_page_for_all((200, ""), (200, ""), Open, "shows a page first")]
#[case::another_page((302, "/sign-in"), (302, "/sign-in"), Open, "shows a page first")]
#[case::refused((400, ""), (400, ""), Wrong, "answers 400")]
#[case::no_client((401, ""), (401, ""), Wrong, "answers 401")]
#[case::wildcard((302, "?error=login_required&state=s"), (302, "?error=login_required&state=s"), Doubtful, "registered nowhere")]
#[case::scope((302, "?error=invalid_scope&state=s"), (400, ""), Wrong, "`invalid_scope`")]
#[case::odd_error((302, "?error=%1b%5b31m&state=s"), (400, ""), Wrong, "`malformed_error`")]
#[case::other_state((302, "?error=login_required&state=t"), (400, ""), Wrong, "without our `state`")]
#[case::other_issuer((302, "?error=login_required&state=s&iss=https://evil.example"), (400, ""), Wrong, "issuer")]
#[case::server_trouble((503, ""), (503, ""), Doubtful, "answers 503")]
#[case::too_many((429, ""), (429, ""), Open, "429")]
#[case::our_host_elsewhere((302, "https://login.example/other?error=login_required&state=s"), (302, "/x"), Open, "shows a page first")]
fn an_answer_tells_whether_the_redirect_uri_is_known(
    #[case] ours: (u16, &str),
    #[case] strange: (u16, &str),
    #[case] finding: Finding,
    #[case] word: &str,
) {
    let expected = Expectation {
        redirect_uri: OURS,
        state: "s",
        issuer: Some("https://id.example"),
        issuer_promised: false,
    };
    let at = |(status, location): (u16, &str), uri: &str| {
        if location.starts_with('?') {
            answer(status, &format!("{uri}{location}"))
        } else {
            answer(status, location)
        }
    };
    let step = judge_redirect_uri(
        "redirect URI",
        &expected,
        &at(ours, OURS),
        Some((STRANGE, &at(strange, STRANGE))),
    );
    assert_eq!(step.finding, finding, "{step:?}");
    assert!(step.seen.contains(word), "{step:?}");
    assert_eq!(step.advice.is_none(), finding == Fine, "{step:?}");
}

#[test]
fn a_promised_issuer_must_come() {
    let expected = Expectation {
        redirect_uri: OURS,
        state: "s",
        issuer: Some("https://id.example"),
        issuer_promised: true,
    };
    let ours = answer(302, &format!("{OURS}?error=login_required&state=s"));
    let step = judge_redirect_uri("redirect URI", &expected, &ours, None);
    assert_eq!(step.finding, Wrong, "{step:?}");
}

#[rstest]
#[case::proven("invalid_grant", Some("invalid_client"), Fine)]
#[case::github("bad_verification_code", Some("incorrect_client_credentials"), Fine)]
#[case::not_proven("invalid_grant", Some("invalid_grant"), Open)]
#[case::nothing_to_prove("invalid_grant", None, Open)]
#[case::refused("invalid_client", Some("invalid_client"), Wrong)]
#[case::not_allowed("unauthorized_client", Some("invalid_client"), Wrong)]
#[case::github_refuses("incorrect_client_credentials", None, Wrong)]
#[case::redirect_uri("redirect_uri_mismatch", None, Wrong)]
#[case::no_code_flow("unsupported_grant_type", None, Wrong)]
fn an_answer_tells_whether_we_are_its_client(
    #[case] ours: &str,
    #[case] strangers: Option<&str>,
    #[case] finding: Finding,
) {
    let refused = |error: &str| MadeUpCode::Refused(error.to_owned());
    let strangers = strangers.map(refused);
    let step = judge_client("client", &refused(ours), strangers.as_ref());
    assert_eq!(step.finding, finding, "{step:?}");
    assert_eq!(step.advice.is_none(), finding == Fine, "{step:?}");
}

#[rstest]
#[case::taken("invalid_grant", Fine)]
#[case::not_taken("invalid_client", Wrong)]
#[case::no_secret_allowed("unauthorized_client", Wrong)]
#[case::something_else("invalid_request", Open)]
fn a_client_without_a_secret_is_known_by_the_code_alone(
    #[case] ours: &str,
    #[case] finding: Finding,
) {
    let step = judge_client_without_secret("client", &MadeUpCode::Refused(ours.to_owned()));
    assert_eq!(step.finding, finding, "{step:?}");
}

#[test]
fn tokens_for_a_made_up_code_are_no_good_sign() {
    let step = judge_client("client", &MadeUpCode::Taken, None);
    assert_eq!(step.finding, Wrong);
}

#[rstest]
#[case::same("Sun, 22 Nov 2026 12:00:59 GMT", None)]
#[case::ahead("Sun, 22 Nov 2026 12:02:00 GMT", Some("120 s ahead of ours"))]
#[case::behind("Sun, 22 Nov 2026 11:58:00 GMT", Some("120 s behind ours"))]
#[case::no_date("yesterday", None)]
fn clocks_are_compared(#[case] date: &str, #[case] expected: Option<&str>) {
    let asked = Url::parse("https://id.example/authorize").expect("an address");
    let response = http::Response::builder().header("date", date);
    let answer = Answer::of(&response.body(Vec::new()).expect("an answer"), &asked);
    let step = judge_clock(&answer, datetime!(2026-11-22 12:00 UTC));
    let seen = step.map(|step| step.seen);
    assert_eq!(
        seen.is_some_and(|seen| seen.ends_with(expected.unwrap_or("nothing"))),
        expected.is_some()
    );
}

#[test]
fn nobody_is_asked() {
    let mut url: Url = "https://id.example/a?prompt=consent&scope=a%20b"
        .parse()
        .expect("an address");
    without_asking(&mut url);
    assert_eq!(url.as_str(), "https://id.example/a?scope=a%20b&prompt=none");
}
