//! The key set, whole and spoilt (RFC 7517 §5).

use axum::Json;
use axum::body::Body;
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Response, header};
use serde_json::{Map, Value, json};

use super::fault::{Fault, JwksFault};
use super::keys::{Algorithm, SigningKey};
use super::{Shared, State};

/// `/jwks`.
pub(super) fn jwks(shared: &Shared) -> Response<Body> {
    let state = shared.lock();
    let mut cache_control = Some(state.settings.jwks_cache_control.as_str());
    for fault in &state.faults {
        match fault {
            Fault::Jwks(JwksFault::CacheControl(value)) => cache_control = Some(value),
            Fault::Jwks(JwksFault::NoCacheControl) => cache_control = None,
            _ => {}
        }
    }
    let mut response = Json(key_set(shared, &state)).into_response();
    if let Some(value) = cache_control {
        let value = HeaderValue::from_str(value).expect("a header value");
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    response
}

pub(super) fn key_set(shared: &Shared, state: &State) -> Value {
    let keys = &state.keys;
    let mut set: Vec<Value> = [&keys.rsa, &keys.ec]
        .into_iter()
        .chain(&keys.announced)
        .map(SigningKey::jwk)
        .collect();
    let good = set.clone();
    let edit = |set: &mut Vec<Value>, change: &dyn Fn(&mut Map<String, Value>)| {
        set.iter_mut()
            .filter_map(Value::as_object_mut)
            .for_each(change);
    };
    for fault in &state.faults {
        let Fault::Jwks(fault) = fault else { continue };
        match fault {
            JwksFault::NoKeys => return json!({"ok": true}),
            JwksFault::Empty => set.clear(),
            JwksFault::BrokenKeyAmongGoodOnes => {
                set.splice(0..0, broken_keys());
            }
            JwksFault::DuplicateKid => {
                let double = |jwk: &Value| {
                    let algorithm = match jwk["kty"].as_str() {
                        Some("RSA") => Algorithm::Rs256,
                        _ => Algorithm::Es256,
                    };
                    let mut double = shared.strangers.key(algorithm).jwk();
                    double["kid"] = jwk["kid"].clone();
                    double
                };
                set.splice(0..0, good.iter().map(double).collect::<Vec<_>>());
            }
            JwksFault::SymmetricKeys => {
                let symmetric = |jwk: &Value| {
                    json!({"kty": "oct", "kid": jwk["kid"], "alg": "HS256",
                        "k": URL_SAFE_NO_PAD.encode("everybody knows this secret, it is public")})
                };
                set.splice(0..0, good.iter().map(symmetric).collect::<Vec<_>>());
            }
            JwksFault::ManyKeys(count) => {
                let others = (set.len()..*count).map(|number| {
                    let mut jwk = good[1].clone();
                    jwk["kid"] = format!("other-{number}").into();
                    jwk
                });
                set.splice(0..0, others.collect::<Vec<_>>());
            }
            JwksFault::Stale => set = keys.retired.iter().map(SigningKey::jwk).collect(),
            JwksFault::WithoutAlgorithm => edit(&mut set, &|jwk| drop(jwk.remove("alg"))),
            JwksFault::WithoutUse => edit(&mut set, &|jwk| drop(jwk.remove("use"))),
            JwksFault::WithoutKid => edit(&mut set, &|jwk| drop(jwk.remove("kid"))),
            JwksFault::ForEncryption => edit(&mut set, &|jwk| {
                jwk.insert("use".into(), "enc".into());
            }),
            JwksFault::EncryptionKeysFirst => {
                let mut others: Vec<Value> = [Algorithm::Rs256, Algorithm::Es256]
                    .map(|algorithm| shared.strangers.key(algorithm).jwk())
                    .into();
                edit(&mut others, &|jwk| {
                    jwk.insert("use".into(), "enc".into());
                    jwk.remove("alg");
                });
                set.splice(0..0, others);
            }
            JwksFault::KeyIssuer(issuer) => edit(&mut set, &|jwk| {
                jwk.insert("issuer".into(), issuer.clone().into());
            }),
            JwksFault::CacheControl(_) | JwksFault::NoCacheControl => {}
        }
    }
    json!({ "keys": set })
}

/// What must be skipped without harm to the others (RFC 7517 §5).
fn broken_keys() -> Vec<Value> {
    vec![
        Value::Null,
        json!("a string"),
        json!({}),
        json!({"kty": "RSA", "kid": "no-numbers"}),
        json!({"kty": "RSA", "kid": "no-base64", "n": "!!!", "e": "AQAB"}),
        json!({"kty": "RSA", "kid": "tiny", "n": "AQAB", "e": "AQAB"}),
        json!({"kty": "EC", "kid": "off-the-curve", "crv": "P-256", "x": "AQ", "y": "AQ"}),
        json!({"kty": "EC", "kid": "unknown-curve", "crv": "P-999", "x": "AQ", "y": "AQ"}),
        json!({"kty": "LATTICE", "kid": "of-the-future", "alg": "ML-DSA-44", "pub": "AQ"}),
        json!({"kty": 5, "kid": ["a", "list"]}),
    ]
}

/// `/attacker/jwks`: forged tokens would be right by these keys.
pub(super) fn attacker_keys(shared: &Shared) -> Response<Body> {
    let keys =
        [Algorithm::Rs256, Algorithm::Es256].map(|algorithm| shared.strangers.key(algorithm).jwk());
    Json(json!({ "keys": keys })).into_response()
}
