//! What holds of whatever is read from outside, whoever wrote it.
//!
//! Each function takes bytes, panics when its property does not hold, and says whether they were accepted. The fuzz
//! targets call them with bytes of their own making, the ordinary tests with the seeds in `corpus`.

use std::sync::{Arc, LazyLock};

use doorward::access::{CheckTarget, WholeTarget};
use doorward::config::TargetHeaders;
use doorward::domain::ids::Issuer;
use doorward::domain::path::CanonicalPath;
use doorward::jose::{
    KeySet, KeySets, MAX_TOKEN_BYTES, SignatureAlgorithm, TokenVerifier, TrustedIssuer,
    TrustedKeys, UnverifiedToken,
};
use doorward::openid_provider::{Credentials, TokenRequest};
use doorward::outbound::FetchCounts;
use doorward::ports::ManualClock;
use doorward::providers::ProviderMetadata;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The public half of the key that the good seeds of `corpus/bearer` were signed with. The other half is gone.
const KEYS: &[u8] = include_bytes!("corpus/key_set/good-of-the-tokens");

/// All that was ever signed with it and is good: a token that verifies is one of these, up to its signature.
const SIGNED: [&str; 4] = [
    include_str!("corpus/bearer/good-access-token"),
    include_str!("corpus/bearer/good-no-kid"),
    include_str!("corpus/bearer/good-audience-list"),
    include_str!("corpus/bearer/good-fractional-date"),
];

struct Verifying {
    verifier: TokenVerifier,
    rules: TrustedIssuer,
    runtime: tokio::runtime::Runtime,
}

static VERIFYING: LazyLock<Verifying> = LazyLock::new(|| {
    let start = std::time::Duration::from_secs(1_900_000_000);
    let start = std::time::SystemTime::UNIX_EPOCH + start;
    let clock = Arc::new(ManualClock::at(start.into()));
    let keys = TrustedKeys::Inline {
        algorithm: "ES256".parse::<SignatureAlgorithm>().expect("an algorithm"),
        keys: KeySet::parse(KEYS).expect("a key set"),
    };
    let key_sets = KeySets::new(clock.clone(), Arc::new(FetchCounts::default()));
    Verifying {
        verifier: TokenVerifier::new(Arc::new(key_sets), clock),
        rules: TrustedIssuer::of_access_tokens(
            Issuer::new("https://issuer.example"),
            keys,
            &["https://api.example.com"],
        ),
        runtime: tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime"),
    }
});

/// A token that can be read is within the limit, has three segments and shows nothing of itself; one that verifies was
/// signed.
pub(crate) fn bearer(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(token) = UnverifiedToken::read(text) else {
        return false;
    };
    assert!(text.len() <= MAX_TOKEN_BYTES);
    assert_eq!(text.split('.').count(), 3);
    assert_eq!(format!("{token:?}"), "UnverifiedToken { .. }");
    assert!(UnverifiedToken::read_within(text, text.len() - 1).is_err());
    let Verifying {
        verifier,
        rules,
        runtime,
    } = &*VERIFYING;
    let Ok(verified) = runtime.block_on(verifier.verify(token, rules)) else {
        return false;
    };
    let message = |token: &'static str| token.rsplit_once('.').map(|(message, _)| message);
    let shown = text.rsplit_once('.').map(|(message, _)| message);
    assert!(SIGNED.into_iter().any(|signed| message(signed) == shown));
    assert_eq!(verified.issuer(), Some("https://issuer.example"));
    assert_eq!(verified.subject(), Some("ana"));
    true
}

/// A key set that is accepted reads back the same, is no larger than the limit, has no name twice and nothing secret.
pub(crate) fn key_set(bytes: &[u8]) -> bool {
    let Ok(set) = KeySet::parse(bytes) else {
        return false;
    };
    assert!(!set.keys().is_empty());
    assert!(set.keys().len() + set.skipped().len() <= 100);
    for (place, key) in set.keys().iter().enumerate() {
        assert!(!key.members().contains_key("d"));
        assert_ne!(key.members().get("kty"), Some(&"oct".into()));
        let mut later = set.keys().iter().skip(place + 1);
        assert!(key.kid().is_none() || later.all(|other| other.kid() != key.kid()));
    }
    let again = KeySet::parse(set.to_json().to_string().as_bytes()).expect("what was accepted");
    assert_eq!(again.keys(), set.keys());
    assert!(again.skipped().is_empty());
    true
}

/// Metadata that are accepted send people to pages only, and never make an algorithm of what is none.
pub(crate) fn metadata(bytes: &[u8]) -> bool {
    let Ok(metadata) = ProviderMetadata::parse(bytes) else {
        return false;
    };
    let pages = [
        Some(&metadata.authorization_endpoint),
        metadata.end_session_endpoint.as_ref(),
    ];
    for page in pages.into_iter().flatten() {
        let host = page.host_str().unwrap_or_default();
        let is_here = host == "localhost" || host.ends_with(".localhost");
        let is_here = is_here || host.starts_with("127.") || host == "[::1]";
        assert!(page.scheme() == "https" || (page.scheme() == "http" && is_here));
    }
    for none in ["none", "HS256", "", "es256"] {
        assert!(metadata.id_token_algorithm(Some(none)).is_err());
    }
    let expected = metadata.id_token_algorithm(Some("ES256"));
    assert_eq!(expected.expect("one that we verify").as_str(), "ES256");
    if let Ok(chosen) = metadata.id_token_algorithm(None) {
        // Members that are not used may be no text.
        let document: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
        let listed = &document["id_token_signing_alg_values_supported"];
        let listed = listed.as_array().map_or(&[][..], |all| all);
        assert!(listed.is_empty() || listed.iter().any(|it| it == chosen.as_str()));
    }
    true
}

/// Headers that tell one target: what is taken stands in one header, once, and its path means the same when it is read
/// again. Whole targets have all their parts.
pub(crate) fn headers(bytes: &[u8]) -> bool {
    let headers = header_map(bytes);
    let mut accepted = false;
    for family in [TargetHeaders::XForwarded, TargetHeaders::XOriginal] {
        let Ok(target) = CheckTarget::read(&headers, Some(family)) else {
            continue;
        };
        let names = match family {
            TargetHeaders::XForwarded => ["x-forwarded-host", "x-forwarded-uri"],
            TargetHeaders::XOriginal => ["x-original-url", "x-original-method"],
        };
        for name in names {
            assert!(headers.get_all(name).iter().count() <= 1, "{name}");
        }
        let told = |text: &str| {
            let mut all = headers.values();
            all.any(|value| value.to_str().is_ok_and(|value| value.contains(text)))
        };
        assert!(
            target
                .path_and_query
                .is_none_or(|path| path == "/" || told(path))
        );
        assert!(target.host.is_empty() || told(target.host));
        accepted |= path_holds(&target);
    }
    for whole in [WholeTarget::XForwarded, WholeTarget::XOriginal] {
        if let Ok(target) = CheckTarget::read_whole(&headers, whole) {
            assert!(matches!(target.scheme, Some("https" | "http")));
            assert!(target.path_and_query.is_some() && !target.host.is_empty());
            path_holds(&target);
        }
    }
    // Where nobody is trusted, `Host` is all that is known.
    if let Ok(target) = CheckTarget::read(&headers, None) {
        assert_eq!((target.scheme, target.path_and_query), (None, None));
        assert!(target.method.is_none());
    }
    accepted
}

/// Whether the path has one meaning; then it has the same when it is read again, and climbs nowhere.
fn path_holds(target: &CheckTarget<'_>) -> bool {
    let Ok(path) = target.path() else {
        return false;
    };
    if let Some(path) = path {
        let again = CanonicalPath::parse(path.as_str());
        assert!(path.as_str().starts_with('/'));
        assert!(
            path.as_str()
                .split('/')
                .all(|part| part != ".." && part != ".")
        );
        // A decoded `%` or `?` is not written as it is read.
        let is_plain = !path.as_str().contains(['%', '?', '#']);
        assert!(!is_plain || again.is_ok_and(|again| again == path));
    }
    true
}

/// A form of the token endpoint says each thing once, and at most one way to authenticate.
pub(crate) fn form(bytes: &[u8]) -> bool {
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, kind);
    let Ok(request) = TokenRequest::parse(&headers, bytes) else {
        return false;
    };
    for name in [
        "grant_type",
        "scope",
        "client_id",
        "client_secret",
        "subject_token",
    ] {
        assert_ne!(request.parameter(name), Some(""));
    }
    if let Ok(credentials) = request.credentials(&headers) {
        assert!(request.names_client(&headers));
        match credentials {
            Credentials::Secret { client, .. } => {
                assert_eq!(request.parameter("client_id"), Some(&*client));
                assert!(request.parameter("client_assertion").is_none());
            }
            Credentials::Assertion { .. } => {
                assert!(request.parameter("client_secret").is_none());
            }
        }
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_static("Basic YTpi"),
        );
        assert!(request.credentials(&headers).is_err(), "two ways at once");
    }
    true
}

/// Lines as headers. What cannot be one never gets as far as us.
fn header_map(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(100) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts
            .next()
            .and_then(|name| HeaderName::from_bytes(name).ok());
        let value = parts.next().map(<[u8]>::trim_ascii);
        let value = value.and_then(|value| HeaderValue::from_bytes(value).ok());
        if let (Some(name), Some(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}
