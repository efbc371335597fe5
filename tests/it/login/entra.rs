//! Microsoft Entra ID in its own shape: one directory or all of them, tokens without a verified address,
//! keys that say for whom they sign, a sign-out that brings nothing back. All values are made up.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::support::http::post_form;
use crate::support::provider::{
    AuthorizeFault, CLIENT_SECRET, DiscoveryFault, Endpoint, IdTokenFault as F, JwksFault, Person,
};
use crate::support::raw;

pub(super) const ACME: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
pub(super) const OTHER: &str = "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee";
pub(super) const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// A broker with Entra as `acme`'s second provider, for `tenant` and what `more` says; people come from the
/// directory [`ACME`].
pub(super) async fn start(tenant: &str, more: &str) -> (Broker, TestProvider) {
    let settings = settings(tenant, more);
    let (broker, entra) = with_second_provider(&settings, Setup::default()).await;
    plays_entra(&entra, tenant);
    (broker, entra)
}

fn settings(tenant: &str, more: &str) -> String {
    format!("preset = \"entra\"\nhost = \"{{second_host}}\"\ntenant = \"{tenant}\"\n{more}")
}

fn plays_entra(entra: &TestProvider, tenant: &str) {
    let shared = tenant == "common" || tenant == "organizations";
    let named = if shared { "{tenantid}" } else { ACME };
    let issuer = format!("{}/{named}/v2.0", entra.base());
    let of = |path: &str| Value::from(entra.url(path));
    for fault in [
        DiscoveryFault::With("issuer", issuer.clone().into()),
        DiscoveryFault::With("end_session_endpoint", of("/oauth2/v2.0/logout")),
        DiscoveryFault::With("id_token_signing_alg_values_supported", json!(["RS256"])),
        DiscoveryFault::With("subject_types_supported", json!(["pairwise"])),
        DiscoveryFault::With("tenant_region_scope", json!("EU")),
        DiscoveryFault::Without("code_challenge_methods_supported"),
        DiscoveryFault::Without("authorization_response_iss_parameter_supported"),
    ] {
        entra.set(fault);
    }
    entra.set(JwksFault::WithoutAlgorithm);
    entra.set(JwksFault::KeyIssuer(issuer));
    entra.set(AuthorizeFault::NoIssuer);
    entra.configure(|settings| {
        settings.client_authentication = vec![
            "client_secret_post",
            "private_key_jwt",
            "client_secret_basic",
        ];
        settings.session = String::new();
    });
    comes_from(entra, ACME);
    entra.person("ada", |person| account(person, ACME, 1));
}

/// Tokens are of this directory from now on.
pub(super) fn comes_from(entra: &TestProvider, tenant: &str) {
    entra.configure(|settings| settings.issuer = format!("{}/{tenant}/v2.0", entra.base()));
}

/// What the ID token says of an account in a directory.
pub(super) fn account(person: &mut Person, tenant: &str, number: u8) {
    person.subject = format!("pairwise-subject-{number}");
    person.email_verified = None;
    person.groups = Vec::new();
    let more = json!({
        "ver": "2.0",
        "tid": tenant,
        "oid": format!("99999999-8888-4777-8666-0000000000{number:02}"),
        "uti": "u1",
        "rh": "0.x",
        "aio": "opaque",
    });
    person.more.clone_from(more.as_object().expect("claims"));
}

fn also(entra: &TestProvider, name: &str, value: Value) {
    entra.person("ada", |person| drop(person.more.insert(name.into(), value)));
}

#[tokio::test]
async fn a_person_of_the_directory_signs_in_and_out() {
    let (broker, entra) = start(ACME, "").await;
    also(&entra, "roles", json!(["Wiki.Editor"]));
    let mut browser = broker.browser();
    let check = signs_in_at_second(&broker, &mut browser).await;
    assert_eq!(check.header("x-auth-request-groups"), "Wiki.Editor");
    // Nobody vouches for her address.
    assert_eq!(check.header("x-auth-request-email"), "");
    let asked = entra.last(Endpoint::Discovery).expect("metadata");
    assert_eq!(
        asked.path,
        format!("/{ACME}/v2.0/.well-known/openid-configuration")
    );
    let request = entra.last(Endpoint::Authorize).expect("a request");
    assert_eq!(request.query("scope"), Some("openid profile email"));
    assert_eq!(request.query("code_challenge_method"), Some("S256"));
    let exchange = entra.last(Endpoint::Token).expect("an exchange");
    assert_eq!(exchange.form("client_secret"), Some(CLIENT_SECRET));
    assert!(exchange.header("origin").is_none());
    assert_eq!(entra.count(Endpoint::Userinfo), 0);
    // Out: what is documented and nothing else, and the browser remembers where it goes on.
    let page = signs_out(&broker, &mut browser).await;
    let out = entra.last(Endpoint::EntraLogout).expect("a sign-out there");
    let back = broker.url("acme.localhost", "/signed-out");
    assert_eq!(out.query, [("post_logout_redirect_uri".to_owned(), back)]);
    let paths = page.chain.iter().map(|hop| hop.url.path().to_owned());
    assert_eq!(
        paths.collect::<Vec<_>>(),
        [
            "/oauth2/sign_out",
            "/logout",
            "/oauth2/v2.0/logout",
            "/signed-out"
        ]
    );
}

/// At the tenant's own page too, and there without a target a page says what has ended.
#[tokio::test]
async fn the_tenants_page_signs_out_there() {
    let (broker, entra) = start(ACME, "").await;
    let mut browser = broker.browser();
    signs_in_at_second(&broker, &mut browser).await;
    let page = browser
        .visit(&broker.url("acme.localhost", "/logout"))
        .await;
    let left = browser.submit(&page.form("/logout"), &[]).await;
    assert_eq!(left.url.path(), "/signed-out");
    assert!(
        left.text().contains("Signed out of Second ID"),
        "{}",
        left.text()
    );
    assert_eq!(entra.count(Endpoint::EntraLogout), 1);
    let out = entra.last(Endpoint::EntraLogout).expect("a sign-out there");
    assert_eq!(out.query("state"), None);
    // What was remembered was for one return.
    let again = browser.visit(left.url.as_str()).await;
    assert!(again.text().contains("You are not signed in"));
}

#[rstest]
#[case::anybody("common", "allowed_tenants = \"any\"")]
#[case::named(
    "common",
    "allowed_tenants = [\"AAAAAAAA-BBBB-4ccc-8ddd-eeeeeeeeeeee\"]"
)]
#[case::any_organization("organizations", "allowed_tenants = \"any\"")]
#[tokio::test]
async fn people_of_many_directories_sign_in_through_one_provider(
    #[case] tenant: &str,
    #[case] more: &str,
) {
    let (broker, entra) = start(tenant, more).await;
    signs_in_at_second(&broker, &mut broker.browser()).await;
    let asked = entra.last(Endpoint::Discovery).expect("metadata");
    assert!(asked.path.starts_with(&format!("/{tenant}/v2.0/")));
}

/// The administrators of each directory give the registration's roles to their own people.
#[rstest]
#[case::organizations("organizations")]
#[case::common("common")]
#[tokio::test]
async fn t02_roles_say_nothing_where_everybodys_directory_is_let_in(#[case] tenant: &str) {
    let (broker, entra) = start(tenant, "allowed_tenants = \"any\"").await;
    also(&entra, "roles", json!(["admins"]));
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-groups"), "");
}

#[tokio::test]
async fn a_personal_account_signs_in_where_consumers_may() {
    let (broker, entra) = start("consumers", "").await;
    let issuer = format!("{}/{PERSONAL}/v2.0", entra.base());
    entra.set(DiscoveryFault::With("issuer", issuer.into()));
    entra.set(JwksFault::KeyIssuer(format!(
        "{}/{{tenantid}}/v2.0",
        entra.base()
    )));
    comes_from(&entra, PERSONAL);
    entra.person("ada", |person| account(person, PERSONAL, 1));
    signs_in_at_second(&broker, &mut broker.browser()).await;
}

pub(super) const MANY: &str = "allowed_tenants = [\"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\", \"cccccccc-bbbb-4ccc-8ddd-eeeeeeeeeeee\"]";

/// Whose token it is must be said the same way everywhere (provider facts 2.5).
#[rstest]
#[case::token_of_another_tenant("tid", OTHER.into(), "Invalid issuer")]
#[case::template_as_tenant("tid", "{tenantid}".into(), "Invalid issuer")]
#[case::no_guid("tid", "common".into(), "Invalid issuer")]
#[case::tenant_is_no_text("tid", json!([ACME]), "Invalid issuer")]
#[case::version_one("ver", "1.0".into(), "`/ver`")]
#[case::version_is_a_number("ver", json!(2.0), "`/ver`")]
#[case::nobody_in_the_directory("oid", Value::Null, "`subject`")]
#[case::odd_object("oid", "a:b".into(), "`subject`")]
#[tokio::test]
async fn t02_a_token_that_is_not_one_directorys_is_refused(
    #[case] name: &'static str,
    #[case] value: Value,
    #[case] reason: &str,
) {
    for (tenant, more) in [("common", MANY), (ACME, "")] {
        let (broker, entra) = start(tenant, more).await;
        entra.set(F::Claim(name, value.clone()));
        // For one directory the issuer is right, and the claim is told.
        let reason = if tenant == ACME && name == "tid" {
            "`/tid`"
        } else {
            reason
        };
        // A wrong `tid` under a right issuer is an answer that cannot be.
        refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), reason).await;
    }
}

#[rstest]
#[case::template("{base}/{tenantid}/v2.0", "{tenantid}")]
#[case::version_one("https://sts.windows.net/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/", ACME)]
#[case::slash("{base}/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/v2.0/", ACME)]
#[case::other_host("https://evil.example/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/v2.0", ACME)]
#[tokio::test]
async fn t02_an_issuer_is_the_template_with_a_directory_in_it(
    #[case] issuer: &str,
    #[case] tenant: &str,
) {
    let (broker, entra) = start("common", "allowed_tenants = \"any\"").await;
    entra.set(F::Claim(
        "iss",
        issuer.replace("{base}", entra.base()).into(),
    ));
    entra.set(F::Claim("tid", tenant.into()));
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "Invalid issuer").await;
}

#[rstest]
#[case::another_directory("common", MANY, OTHER)]
#[case::another_organization("organizations", MANY, OTHER)]
#[case::personal_account("organizations", "allowed_tenants = \"any\"", PERSONAL)]
#[tokio::test]
async fn who_is_not_let_in_is_told_to_use_another_account(
    #[case] tenant: &str,
    #[case] more: &str,
    #[case] comes: &str,
) {
    let (broker, entra) = start(tenant, more).await;
    comes_from(&entra, comes);
    entra.person("ada", |person| account(person, comes, 1));
    let reason = format!("its `/tid` is `{comes}`");
    refused_at_second(&broker, (403, ACCOUNT), &reason).await;
    // The way on leads to the choice of an account.
    let mut browser = broker.browser();
    let login = broker.url("acme.localhost", "/login/second");
    let page = browser.visit(&login).await;
    let another = page.link("Use another account");
    assert_eq!(another.query(), Some("another=1"));
    let choice = browser.visit(another.as_str()).await;
    let second = choice
        .links()
        .into_iter()
        .find(|link| link.text.contains("Second"));
    let begun = browser.open(second.expect("a way").href.as_str()).await;
    let request = begun.location().expect("a redirect");
    assert_eq!(
        parameter(&request, "prompt").as_deref(),
        Some("select_account")
    );
}

/// The key set of all directories has keys that sign for one of them alone.
#[rstest]
#[case::another_directorys(
    "common",
    Some("{base}/bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee/v2.0"),
    false
)]
#[case::another_directorys_for_one(
    ACME,
    Some("{base}/bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee/v2.0"),
    false
)]
#[case::elsewhere("common", Some("https://evil.example/{tenantid}/v2.0"), false)]
#[case::own(
    "common",
    Some("{base}/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/v2.0"),
    true
)]
#[case::other_letters("common", Some("{base}/{tenantId}/v2.0"), true)]
#[case::silent("common", None, false)]
#[case::silent_for_one(ACME, None, true)]
#[tokio::test]
async fn t02_a_key_signs_for_whom_it_names(
    #[case] tenant: &str,
    #[case] named: Option<&str>,
    #[case] accepted: bool,
) {
    let more = if tenant == "common" { MANY } else { "" };
    let (broker, entra) = start(tenant, more).await;
    let own = if tenant == "common" {
        "{tenantid}"
    } else {
        ACME
    };
    let usual = format!("{}/{own}/v2.0", entra.base());
    entra.unset(JwksFault::KeyIssuer(usual));
    if let Some(named) = named {
        entra.set(JwksFault::KeyIssuer(named.replace("{base}", entra.base())));
    }
    if accepted {
        signs_in_at_second(&broker, &mut broker.browser()).await;
    } else {
        refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "key whose `issuer`").await;
    }
}

/// "Member of nothing" is not what a left-out list says, and nobody asks where a token says to ask.
#[rstest]
#[case::sources(&[
    ("_claim_names", json!({"groups": "src1"})),
    ("_claim_sources", json!({"src1": {"endpoint": "{base}/graph/groups"}})),
])]
#[case::mark(&[("hasgroups", json!(true))])]
#[tokio::test]
async fn t13_a_list_of_groups_that_was_left_out_is_not_empty(
    #[case] marks: &[(&'static str, Value)],
) {
    let groups = "groups_claim = \"groups\"";
    let (broker, entra) = start(ACME, groups).await;
    entra.person("ada", |person| {
        person.groups = vec!["11111111-0000-4000-8000-000000000001".into()];
    });
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(
        check.header("x-auth-request-groups"),
        "11111111-0000-4000-8000-000000000001"
    );
    entra.set(F::WithoutClaim("groups"));
    for (name, value) in marks {
        let value = value.to_string().replace("{base}", entra.base());
        let value = serde_json::from_str(&value).expect("JSON");
        entra.set(F::Claim(name, value));
    }
    refused_at_second(&broker, (403, GROUPS), "`/groups` is not whole").await;
    assert_eq!(entra.count(Endpoint::Elsewhere), 0);
    // Who goes by roles does not need the list.
    let (broker, entra) = start(ACME, "").await;
    for (name, value) in marks {
        entra.set(F::Claim(name, value.clone()));
    }
    also(&entra, "roles", json!(["Wiki.Editor"]));
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-groups"), "Wiki.Editor");
}

/// A person is directory and object, whatever the registration calls them and whatever address they carry.
#[tokio::test]
async fn a29_a_person_is_an_object_of_a_directory() {
    let (broker, entra) = start("common", "allowed_tenants = \"any\"").await;
    let user = |check: &Page| check.header("x-auth-request-user").to_owned();
    let ada = user(&signs_in_at_second(&broker, &mut broker.browser()).await);
    // Another registration has another `sub` for her.
    entra.person("ada", |person| person.subject = "pairwise-elsewhere".into());
    let again = user(&signs_in_at_second(&broker, &mut broker.browser()).await);
    assert_eq!(again, ada);
    // The same object id, address and name in another directory ("nOAuth").
    comes_from(&entra, OTHER);
    also(&entra, "tid", OTHER.into());
    also(&entra, "xms_edov", json!(true));
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_ne!(user(&check), ada);
    assert_eq!(check.header("x-auth-request-email"), "ada@example.com");
}

/// The board lets in whoever has an address at example.com.
#[rstest]
#[case::nothing_said("", &[], false)]
#[case::verified_domain("", &[("xms_edov", json!(true))], true)]
#[case::verified_domain_in_text("", &[("xms_edov", json!("true"))], true)]
#[case::verified_domain_as_number("", &[("xms_edov", json!(1))], true)]
#[case::unverified_domain("", &[("xms_edov", json!(false))], false)]
#[case::unverified_domain_in_text("", &[("xms_edov", json!("0"))], false)]
#[case::flag_of_others("", &[("email_verified", json!(true))], false)]
#[case::trusted_and_unknown(TRUSTED, &[], false)]
#[case::trusted_member(TRUSTED, &[("acct", json!(0))], true)]
#[case::trusted_guest(TRUSTED, &[("acct", json!(1))], false)]
#[case::trusted_from_elsewhere(TRUSTED, &[("acct", json!(0)), ("idp", json!("live.com"))], false)]
#[case::trusted_guest_of_a_verified_domain(TRUSTED, &[("acct", json!(1)), ("xms_edov", json!(true))], true)]
#[case::another_domain_is_trusted("email_trusted_domains = [\"example.org\"]", &[("acct", json!(0))], false)]
#[case::domain_above_is_trusted("email_trusted_domains = [\"com.example\"]", &[("acct", json!(0))], false)]
#[tokio::test]
async fn t12_an_address_counts_where_somebody_vouches_for_its_domain(
    #[case] more: &str,
    #[case] claims: &[(&str, Value)],
    #[case] counts: bool,
) {
    let (broker, entra) = start(ACME, more).await;
    for (name, value) in claims {
        also(&entra, name, value.clone());
    }
    let mut browser = broker.browser();
    let wiki = signs_in_at_second(&broker, &mut browser).await;
    let expected = if counts { "ada@example.com" } else { "" };
    assert_eq!(wiki.header("x-auth-request-email"), expected);
    broker.sign_in(&mut browser, BOARD, "/read").await;
    let board = broker.check(&browser, "GET", BOARD, "/").await;
    let status = if counts {
        StatusCode::ACCEPTED
    } else {
        StatusCode::FORBIDDEN
    };
    assert_eq!(board.status, status);
    // Why not is told once for each sign-in, and without the address.
    let lines: Vec<_> = audit::everything_here()
        .into_iter()
        .filter(|line| line.event() == "email_left_out")
        .collect();
    assert_eq!(lines.is_empty(), counts, "{lines:?}");
}

const TRUSTED: &str = "email_trusted_domains = [\"example.com\"]";

#[rstest]
#[case::two_at("ada@evil.com@example.com")]
#[case::full_width_at("ada＠example.com")]
#[case::prefix("ada@evil-example.com")]
#[case::suffix("ada@example.com.evil")]
#[case::sub_domain("ada@sub.example.com")]
#[case::full_width_letters("ada@ｅxample.com")]
#[tokio::test]
async fn a28_a_look_alike_of_a_trusted_domain_is_not_it(#[case] email: &str) {
    let (broker, entra) = start(ACME, TRUSTED).await;
    also(&entra, "acct", json!(0));
    entra.person("ada", |person| person.email = Some(email.to_owned()));
    let mut browser = broker.browser();
    let wiki = signs_in_at_second(&broker, &mut browser).await;
    assert_eq!(wiki.header("x-auth-request-email"), "");
    broker.sign_in(&mut browser, BOARD, "/read").await;
    let board = broker.check(&browser, "GET", BOARD, "/").await;
    assert_eq!(board.status, StatusCode::FORBIDDEN);
}

/// The vendor asks for one fetch in five minutes.
#[tokio::test]
async fn t05_an_unknown_key_is_asked_for_once_in_five_minutes() {
    let (broker, entra) = start(ACME, "").await;
    signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(entra.count(Endpoint::Jwks), 1);
    entra.set(F::UnknownKid);
    let unknown = "no key `nobody-knows-this-one`";
    for fetched in [2, 2] {
        refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), unknown).await;
        assert_eq!(entra.count(Endpoint::Jwks), fetched);
    }
    broker.advance(Duration::from_secs(31)).await;
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), unknown).await;
    assert_eq!(entra.count(Endpoint::Jwks), 2);
    broker.clock.advance(Duration::from_secs(270));
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), unknown).await;
    assert_eq!(entra.count(Endpoint::Jwks), 3);
}

/// Where the callback names an issuer, the token must be of the same one (RFC 9207 §2.4).
#[tokio::test]
async fn t01_a_callback_that_names_another_directory_is_refused() {
    let (broker, entra) = start("common", "allowed_tenants = \"any\"").await;
    entra.unset(AuthorizeFault::NoIssuer);
    signs_in_at_second(&broker, &mut broker.browser()).await;
    entra.set(AuthorizeFault::OtherIssuer);
    let reason = "the callback named another";
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), reason).await;
}

/// The directory's own metadata, although its path says "common": somebody else's document.
#[tokio::test]
async fn t02_metadata_is_of_whom_it_should_be() {
    let (broker, entra) = start("common", MANY).await;
    let issuer = format!("{}/{ACME}/v2.0", entra.base());
    entra.set(DiscoveryFault::With("issuer", issuer.into()));
    let mut browser = broker.browser();
    let login = broker.url("acme.localhost", "/login/second");
    let page = browser.visit(&login).await;
    assert_page(&page, 502, "Second ID cannot be reached");
    assert_eq!(entra.count(Endpoint::Authorize), 0);
}

/// As Entra asks for it: in a frame, without our cookies, with the issuer of the person's directory. The same
/// name of a session in another directory is another session.
#[tokio::test]
async fn t02_a_sign_out_there_ends_the_session_of_its_directory() {
    let admits = format!("allowed_tenants = [\"{ACME}\", \"{OTHER}\"]");
    let (broker, entra) = start("organizations", &admits).await;
    entra.configure(|settings| settings.session = "s1".to_owned());
    let mut browser = broker.browser();
    signs_in_at_second(&broker, &mut browser).await;
    let authority = format!("acme.localhost:{}", broker.address.port());
    let headers = [
        ("host", authority.as_str()),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-dest", "iframe"),
    ];
    for (directory, sid, expected, ended) in [
        (OTHER, "s1", StatusCode::OK, false),
        ("{tenantid}", "s1", StatusCode::BAD_REQUEST, false),
        ("organizations", "s1", StatusCode::BAD_REQUEST, false),
        (ACME, "s2", StatusCode::OK, false),
        (ACME, "s1", StatusCode::OK, true),
    ] {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("sid", sid)
            .append_pair("iss", &format!("{}/{directory}/v2.0", entra.base()))
            .finish();
        let target = format!("/login/second/frontchannel-logout?{query}");
        let answer = raw::get(broker.address, &target, &headers).await;
        assert_eq!(answer.status(), expected, "{directory}");
        let check = broker.check(&browser, "GET", WIKI, "/").await;
        let is_in = check.status == StatusCode::ACCEPTED;
        assert_eq!(is_in, !ended, "{directory} {sid}");
    }
}

/// Were it to send logout tokens: the directory in `iss` and `tid` is one, and the session's.
#[tokio::test]
async fn t02_a_logout_token_is_of_its_directory() {
    let rewrite = |text: &str, _: &TestProvider| {
        let known = "frontchannel_logout = true";
        assert!(text.contains(known));
        text.replacen(known, &format!("{known}\nbackchannel_logout = true"), 1)
    };
    let admits = format!("allowed_tenants = [\"{ACME}\", \"{OTHER}\"]");
    let settings = |_: &TestProvider| settings("organizations", &admits);
    let (broker, entra) =
        with_rewritten_preset(Some("entra"), rewrite, settings, Setup::default()).await;
    plays_entra(&entra, "organizations");
    entra.configure(|settings| settings.session = "s1".to_owned());
    let mut browser = broker.browser();
    signs_in_at_second(&broker, &mut browser).await;
    let authority = format!("acme.localhost:{}", broker.address.port());
    let issuer = |directory: &str| format!("{}/{directory}/v2.0", entra.base());
    for (iss, tid, expected, ended) in [
        (issuer(ACME), Value::from(OTHER), 400, false),
        (issuer(ACME), Value::Null, 400, false),
        (issuer("{tenantid}"), "{tenantid}".into(), 400, false),
        (issuer(OTHER), OTHER.into(), 200, false),
        (issuer(ACME), ACME.into(), 200, true),
    ] {
        let token = entra.logout_token(json!({"iss": iss, "tid": tid, "sid": "s1"}));
        let path = "/login/second/backchannel-logout";
        let (headers, form) = ([("host", &*authority)], [("logout_token", &*token)]);
        let answer = post_form(broker.address, path, &headers, &form).await;
        let status = answer.expect("an answer").status();
        assert_eq!(status, expected, "{iss} {tid}");
        let check = broker.check(&browser, "GET", WIKI, "/").await;
        let is_in = check.status == StatusCode::ACCEPTED;
        assert_eq!(is_in, !ended, "{iss} {tid}");
    }
}

/// Guests of the directory, as Entra marks them.
#[rstest]
#[case::member(&[("acct", json!(0))], None)]
#[case::guest(&[("acct", json!(1))], Some("`guests`: the account is a guest's"))]
#[case::from_another_directory(&[("idp", json!("https://sts.windows.net/bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee/"))], Some("a guest's"))]
#[case::member_from_elsewhere(&[("acct", json!(0)), ("idp", json!("mail"))], Some("a guest's"))]
#[case::nothing_says(&[], Some("`guests`: nothing says"))]
#[tokio::test]
async fn guests_can_be_kept_out(#[case] claims: &[(&str, Value)], #[case] refused: Option<&str>) {
    let (broker, entra) = start(ACME, "[tenants.providers.restrictions]\nguests = false").await;
    for (name, value) in claims {
        also(&entra, name, value.clone());
    }
    match refused {
        Some(reason) => refused_at_second(&broker, (403, ACCOUNT), reason).await,
        None => drop(signs_in_at_second(&broker, &mut broker.browser()).await),
    }
}

/// App roles are roles, whatever stands for groups.
#[tokio::test]
async fn app_roles_can_be_required() {
    let more =
        "groups_claim = \"groups\"\n[tenants.providers.restrictions]\nroles = [\"Wiki.Editor\"]";
    let (broker, entra) = start(ACME, more).await;
    refused_at_second(&broker, (403, ACCOUNT), "`roles`").await;
    also(&entra, "roles", json!(["Wiki.Editor"]));
    signs_in_at_second(&broker, &mut broker.browser()).await;
}
