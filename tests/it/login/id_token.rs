//! ID tokens that must not be believed (OIDC Core 1.0 §3.1.3.7), each through a whole login.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::support::provider::{Algorithm, Endpoint, IdTokenFault as F, KeyText};

/// A login with this fault ends at the callback, for this reason.
async fn refused(fault: F, reason: &str) -> Broker {
    let broker = Broker::start().await;
    broker.provider.set(fault);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(&broker, &browser, &page, (400, NOT_TRUSTED), reason).await;
    assert!(cookies(&browser, "__Host-dwl-").is_empty());
    broker
}

async fn accepted(fault: F) {
    let broker = Broker::start().await;
    broker.provider.set(fault);
    assert_signs_in(&broker, &mut broker.browser()).await;
}

const AUDIENCE: &str = "Invalid audiences";
const ISSUER: &str = "Invalid issuer";
const MALFORMED: &str = "does not read as an ID token";

#[rstest]
#[case::other_audience(F::OtherAudience, AUDIENCE)]
#[case::no_audience(F::NoAudience, AUDIENCE)]
#[case::empty_audience(F::EmptyAudience, AUDIENCE)]
#[case::null_audience(F::Claim("aud", json!(null)), MALFORMED)]
#[case::audience_begins_with_ours(F::AudienceThatBeginsWithOurs, AUDIENCE)]
#[case::audience_within_ours(F::AudienceWithinOurs, AUDIENCE)]
#[case::audience_in_capitals(F::Claim("aud", json!("DOORWARD-AT-THE-TEST")), AUDIENCE)]
#[case::audience_with_space(F::Claim("aud", json!("doorward-at-the-test ")), AUDIENCE)]
#[case::audience_as_object(F::Claim("aud", json!({"doorward-at-the-test": true})), MALFORMED)]
#[case::extra_audience(F::ExtraAudience, AUDIENCE)]
#[case::extra_audience_without_azp(F::ExtraAudienceWithoutAzp, AUDIENCE)]
#[case::other_azp(F::OtherAzp, "`azp`")]
#[case::azp_of_another_kind(F::Claim("azp", json!(["doorward-at-the-test"])), "")]
#[case::other_issuer(F::OtherIssuer, ISSUER)]
#[case::issuer_with_slash(F::IssuerWithSlash, ISSUER)]
#[case::no_issuer(F::NoIssuer, ISSUER)]
#[case::empty_issuer(F::Claim("iss", json!("")), "")]
#[tokio::test]
async fn a16_issuer_and_audience_are_ours_exactly(#[case] fault: F, #[case] reason: &str) {
    refused(fault, reason).await;
}

#[tokio::test]
async fn a16_one_audience_in_a_list_and_ourselves_as_party_are_fine() {
    accepted(F::Claim("aud", json!(["doorward-at-the-test"]))).await;
    accepted(F::Claim("azp", json!("doorward-at-the-test"))).await;
}

#[rstest]
#[case::none(F::Unsigned("none"))]
#[case::none_in_capitals(F::Unsigned("NONE"))]
#[case::none_mixed(F::Unsigned("nOnE"))]
#[case::none_with_space(F::Unsigned("none "))]
#[case::no_algorithm(F::Unsigned(""))]
#[case::keyed_with_pem(F::HmacKeyedWith(KeyText::Pem))]
#[case::keyed_with_trimmed_pem(F::HmacKeyedWith(KeyText::TrimmedPem))]
#[case::keyed_with_der(F::HmacKeyedWith(KeyText::Der))]
#[case::keyed_with_jwk(F::HmacKeyedWith(KeyText::Jwk))]
#[case::keyed_with_our_secret(F::HmacKeyedWith(KeyText::ClientSecret))]
#[case::keyed_with_nothing(F::HmacKeyedWith(KeyText::Empty))]
#[case::unheard_of(F::MislabelledAlgorithm("RS257"))]
#[case::lower_case(F::MislabelledAlgorithm("rs256"))]
#[tokio::test]
async fn a18_an_algorithm_that_proves_nothing_is_refused_unread(#[case] fault: F) {
    let broker = refused(fault, "the algorithm").await;
    assert_eq!(broker.provider.count(Endpoint::Jwks), 0);
}

#[rstest]
#[case::other_key_truthfully_labelled(F::SignedWithTheOtherAlgorithm)]
#[case::does_not_fit_the_key(F::MislabelledAlgorithm("ES256"))]
#[case::of_the_same_family(F::MislabelledAlgorithm("PS256"))]
#[case::of_another_strength(F::MislabelledAlgorithm("RS512"))]
#[tokio::test]
async fn a18_only_the_pinned_algorithm_counts(#[case] fault: F) {
    let broker = refused(fault, "the provider's keys cannot be used").await;
    assert_eq!(broker.provider.count(Endpoint::Jwks), 0);
}

#[rstest]
#[case::bad(F::BadSignature)]
#[case::changed_afterwards(F::ChangedAfterSigning)]
#[case::empty(F::NoSignature)]
#[case::strangers(F::SignedByStranger)]
#[tokio::test]
async fn a18_the_signature_must_be_the_providers(#[case] fault: F) {
    refused(fault, "the ID token's signature is refused").await;
}

#[tokio::test]
async fn a18_a_key_of_another_algorithm_is_not_tried() {
    refused(F::KidOfOtherKey, "the provider's keys cannot be used").await;
}

/// The token came over TLS from the token endpoint: where that is enough for others, it is not here.
#[tokio::test]
async fn an_elliptic_curve_signs_as_well() {
    let broker = Broker::start().await;
    broker
        .provider
        .configure(|settings| settings.algorithm = Algorithm::Es256);
    let mut browser = broker.browser();
    assert_signs_in(&broker, &mut browser).await;
    broker.provider.set(F::BadSignature);
    let mut other = broker.browser();
    let page = answer_to_callback(&broker, &mut other, WIKI).await;
    assert_refused(&broker, &other, &page, (400, NOT_TRUSTED), "signature").await;
}

#[rstest]
#[case::text(F::StringExpiry, "`exp`")]
#[case::number_in_quotes(F::NumberInStringExpiry, "`exp`")]
#[case::null(F::NullExpiry, "`exp`")]
#[case::absent(F::NoExpiry, "`exp`")]
#[case::endless(F::EndlessExpiry, "`exp`")]
#[case::negative(F::NegativeExpiry, "`exp`")]
#[case::list(F::Claim("exp", json!([1_900_000_000])), "`exp`")]
#[case::truth(F::Claim("exp", json!(true)), "`exp`")]
#[case::text_not_before(F::StringNotBefore, "`nbf`")]
#[case::null_not_before(F::NullNotBefore, "`nbf`")]
#[case::no_issued_at(F::NoIssuedAt, "`iat`")]
#[case::text_issued_at(F::StringIssuedAt, "`iat`")]
#[tokio::test]
async fn a19_a_malformed_time_is_not_an_absent_one(#[case] fault: F, #[case] claim: &str) {
    let broker = Broker::start().await;
    broker.provider.set(fault);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    // Which of two readers stumbles first is not the point; that one does, and for the time, is.
    let reason = audit::only(&page).field("reason");
    assert!(
        reason.contains(claim) || reason.contains(MALFORMED),
        "{reason}"
    );
    assert_refused(&broker, &browser, &page, (400, NOT_TRUSTED), "ID token").await;
}

#[tokio::test]
async fn a19_half_a_second_is_a_time() {
    accepted(F::FractionalExpiry).await;
}

#[rstest]
#[case::expired(F::ExpiredFor(61), "`exp`")]
#[case::not_yet_valid(F::NotBeforeIn(61), "`nbf`")]
#[case::of_the_future(F::IssuedIn(61), "`iat`")]
#[tokio::test]
async fn t16_a_clock_that_is_61_seconds_off_is_refused(#[case] fault: F, #[case] claim: &str) {
    refused(fault, claim).await;
}

#[rstest]
#[case::expired(F::ExpiredFor(59))]
#[case::not_yet_valid(F::NotBeforeIn(59))]
#[case::of_the_future(F::IssuedIn(59))]
#[tokio::test]
async fn t16_a_clock_that_is_59_seconds_off_is_forgiven(#[case] fault: F) {
    accepted(fault).await;
}

#[rstest]
#[case::provider_behind(-360, 400)]
#[case::provider_ahead(61, 400)]
#[case::a_little_ahead(50, 303)]
#[case::a_little_behind(-50, 303)]
#[tokio::test]
async fn t16_the_providers_own_clock(#[case] skew: i64, #[case] status: u16) {
    let broker = Broker::start().await;
    broker.provider.configure(|settings| settings.skew = skew);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_eq!(page.status.as_u16(), status, "{}", page.text());
    assert_eq!(has_session(&browser), status == 303);
}

#[rstest]
#[case::unheard_of(F::UnknownCritical, "`crit`")]
#[case::unencoded(F::UnencodedPayload, "`crit`")]
#[case::bare(F::BareUnencodedPayload, "`b64`")]
#[case::empty_list(F::Header("crit", json!([])), "`crit`")]
#[case::null(F::Header("crit", json!(null)), "`crit`")]
#[case::compressed(F::Header("zip", json!("DEF")), "`zip`")]
#[tokio::test]
async fn a20_an_extension_that_must_be_understood_is_refused(
    #[case] fault: F,
    #[case] extension: &str,
) {
    let broker = refused(fault, extension).await;
    assert_eq!(broker.provider.count(Endpoint::Jwks), 0);
}

#[rstest]
#[case::key(F::EmbeddedKey, "`jwk`")]
#[case::key_set(F::KeySetAddress, "`jku`")]
#[case::certificate(F::CertificateAddress, "`x5u`")]
#[tokio::test]
async fn a21_a_key_of_the_tokens_own_choice_is_never_asked_for(
    #[case] fault: F,
    #[case] parameter: &str,
) {
    let broker = refused(fault, parameter).await;
    assert_eq!(broker.provider.count(Endpoint::AttackerKeys), 0);
    assert_eq!(broker.provider.count(Endpoint::Jwks), 0);
    assert_eq!(broker.provider.count(Endpoint::Elsewhere), 0);
}

#[rstest]
#[case::dots(F::Dots(200_000), "too long")]
#[case::few_dots(F::Dots(10_000), "three base64url parts")]
#[case::deep_claims(F::NestedClaims(80_000), "too long")]
#[case::deep_claims_within_the_size(F::NestedClaims(5_000), MALFORMED)]
#[case::deep_header(F::NestedHeader(60_000), "too long")]
#[case::deep_header_within_the_size(F::NestedHeader(2_000), "three base64url parts")]
#[case::header_a_little_too_deep(F::NestedHeader(33), "three base64url parts")]
#[case::long_kid(F::LongKid(2_000), "too long")]
#[case::encrypted(F::Encrypted, "encrypted tokens")]
#[case::four_parts(F::FourParts, "three base64url parts")]
#[case::empty(F::Dots(0), "three base64url parts")]
#[tokio::test]
async fn a23_a_bomb_is_refused_and_the_next_login_works(#[case] fault: F, #[case] reason: &str) {
    let broker = refused(fault, reason).await;
    broker.provider.behave();
    assert_signs_in(&broker, &mut broker.browser()).await;
}

/// Larger than any answer that we read.
#[tokio::test]
async fn a23_a_megabyte_of_dots_is_not_read_to_its_end() {
    let broker = Broker::start().await;
    broker.provider.set(F::Dots(1_000_000));
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(&broker, &browser, &page, (502, UNREACHABLE), "larger than").await;
    broker.provider.behave();
    assert_signs_in(&broker, &mut broker.browser()).await;
}

#[rstest]
#[case::absent(F::NoSubject)]
#[case::empty(F::EmptySubject)]
#[case::null(F::NullSubject)]
#[case::number(F::NumberSubject)]
#[case::long(F::LongSubject(256))]
#[tokio::test]
async fn a_person_without_a_usable_name_is_nobody(#[case] fault: F) {
    refused(fault, "").await;
}

#[tokio::test]
async fn a_subject_of_255_characters_is_one() {
    accepted(F::LongSubject(255)).await;
}

#[tokio::test]
async fn a_claim_that_stands_twice_is_no_way_around_a_check() {
    // Two readers might choose differently.
    for (name, first) in [
        ("aud", "somebody-else"),
        ("iss", "https://evil.example"),
        ("nonce", "another"),
        ("sub", "subject-of-eve"),
        ("groups", "admins"),
    ] {
        let broker = Broker::start().await;
        broker.provider.set(F::DuplicateClaim(name, first));
        let mut browser = broker.browser();
        let page = answer_to_callback(&broker, &mut browser, WIKI).await;
        assert_refused(&broker, &browser, &page, (400, NOT_TRUSTED), "").await;
    }
}

#[tokio::test]
async fn base64_with_padding_is_not_a_token() {
    refused(F::Padded, "").await;
}

#[tokio::test]
async fn an_access_token_hash_that_does_not_fit_is_refused() {
    refused(
        F::Claim("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
        "`at_hash`",
    )
    .await;
}

/// Tokens of other kinds that the same keys sign (RFC 8725 §3.11, §3.12).
#[rstest]
#[case::access_token("at+jwt")]
#[case::logout_token("logout+jwt")]
#[tokio::test]
async fn a_token_of_another_kind_is_not_an_id_token(#[case] typ: &'static str) {
    refused(F::Type(typ), "").await;
}
