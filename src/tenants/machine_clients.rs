//! Keys of machines: whether they can verify what the machines sign.

use crate::config::{Fault, TenantSettings};
use crate::domain::machine_client::{ClientKeys, MachineAuthentication};
use crate::jose::{KeySet, SignatureAlgorithm};

/// Key sets that were written down and are none, or have no key for the algorithm.
pub(super) fn faults(tenant: &TenantSettings) -> Vec<Fault> {
    let wrong = |settings: &crate::config::MachineClientSettings| {
        let MachineAuthentication::PrivateKeyJwt {
            algorithm,
            keys: ClientKeys::Inline(keys),
        } = &settings.client.authentication
        else {
            return None;
        };
        let algorithm: SignatureAlgorithm = algorithm.parse().ok()?;
        let at = settings.keys_at.clone()?;
        let set = match KeySet::parse(keys.as_bytes()) {
            Ok(set) => set,
            Err(fault) => {
                let fault = Fault::at(at, format!("this is no JWK set: {fault}"));
                return Some(fault.with_help("write it as { \"keys\": [ … ] }, public keys alone"));
            }
        };
        let fits = set.keys().iter().any(|key| key.fits(algorithm));
        let message = format!("none of these keys verifies {algorithm}");
        let help = "add the key, or write `algorithm` as the machine signs";
        (!fits).then(|| Fault::at(at, message).with_help(help))
    };
    tenant.machine_clients.iter().filter_map(wrong).collect()
}
