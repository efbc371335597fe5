//! Machines: whether their keys can verify what they sign, and whether their names are theirs alone.

use serde_json::Value;

use crate::config::{Fault, MachineClientSettings, TenantSettings};
use crate::domain::machine_client::{ClientKeys, MachineAuthentication};
use crate::jose::{KeySet, SignatureAlgorithm};

/// Key sets that were written down and are none, or have no key for the algorithm.
pub(super) fn faults(tenant: &TenantSettings) -> Vec<Fault> {
    let wrong = |settings: &MachineClientSettings| {
        let MachineAuthentication::PrivateKeyJwt {
            algorithm,
            keys: ClientKeys::Inline(keys),
        } = &settings.client.authentication
        else {
            return None;
        };
        let algorithm: SignatureAlgorithm = algorithm.parse().ok()?;
        let at = settings.at.clone();
        if has_private_members(keys) {
            let fault = Fault::at(
                at,
                "`jwks` of this machine has a private key, or a secret, in it",
            );
            return Some(
                fault.with_help("give the public halves alone, and make the machine a new key"),
            );
        }
        let set = match KeySet::parse(keys.as_bytes()) {
            Ok(set) => set,
            Err(fault) => {
                let fault = Fault::at(
                    at,
                    format!("`jwks` of this machine cannot be used: {fault}"),
                );
                return Some(fault.with_help("write it as { \"keys\": [ … ] }, public keys alone"));
            }
        };
        let fits = set.keys().iter().any(|key| key.fits(algorithm));
        let message = format!("no key in `jwks` of this machine verifies {algorithm}");
        let help = "add the key, or write `algorithm` as the machine signs";
        (!fits).then(|| Fault::at(at, message).with_help(help))
    };
    let machines = tenant.machine_clients.iter();
    let mut faults: Vec<_> = machines.clone().filter_map(wrong).collect();
    faults.extend(machines.filter_map(|settings| taken(tenant, settings)));
    faults
}

/// Both stand in `client_id`: a machine could revoke what an app's pages were given.
fn taken(tenant: &TenantSettings, settings: &MachineClientSettings) -> Option<Fault> {
    let id = settings.client.id.as_str();
    let mut giving = tenant.apps.iter().map(|app| &app.app);
    giving.find(|app| app.session_tokens.is_some() && app.id.as_str() == id)?;
    let message = format!("an app whose pages get tokens is called `{id}` too");
    let fault = Fault::at(settings.at.clone(), message);
    Some(fault.with_help("give this machine another `id`: tokens tell their clients by it"))
}

/// RFC 7518 §6.2.2, §6.3.2, §6.4.1: what is never published.
fn has_private_members(keys: &str) -> bool {
    let set: Value = serde_json::from_str(keys).unwrap_or_default();
    let keys = set.get("keys").and_then(Value::as_array);
    let mut keys = keys.into_iter().flatten();
    keys.any(|key| {
        ["d", "p", "q", "k"]
            .iter()
            .any(|name| key.get(name).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#"{"keys":[{"kty":"EC","x":"a","y":"b"}]}"#, false)]
    #[case(r#"{"keys":[{"kty":"EC","x":"a"},{"kty":"EC","d":"c"}]}"#, true)]
    #[case(r#"{"keys":[{"kty":"oct","k":"c"}]}"#, true)]
    #[case("d", false)]
    fn a36_a_private_key_is_seen(#[case] keys: &str, #[case] expected: bool) {
        assert_eq!(has_private_members(keys), expected);
    }
}
