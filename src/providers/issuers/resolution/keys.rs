//! What verifies the tokens, or where it is to be found.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::ExposeSecret as _;
use url::Url;

use super::super::rules::KeySource;
use super::Resolution;
use crate::config::SecretEncoding;
use crate::jose::{HmacAlgorithm, Issuers, KeySet, SharedSecrets, SignatureAlgorithm, TrustedKeys};

impl Resolution<'_> {
    /// What verifies, or where it is to be found. `may_lack`: where there is nothing to verify, somebody is asked.
    pub(super) fn keys(
        &mut self,
        issuers: &Issuers,
        may_lack: bool,
    ) -> Option<(TrustedKeys, KeySource)> {
        let settings = self.settings;
        let ways = [
            settings.jwks_uri.as_ref().map(|it| &it.at),
            settings.keys.as_ref().map(|it| &it.at),
            settings.secret.as_ref().map(|it| &it.at),
        ];
        let mut ways = ways.into_iter().flatten();
        if let (Some(_), Some(second)) = (ways.next(), ways.next()) {
            let help = "use one of `jwks_uri`, `keys`, `keys_file` and `secret`";
            self.fault(second, "there are two places for the keys", help);
            return None;
        }
        let nothing = |algorithm| TrustedKeys::Inline {
            algorithm,
            keys: KeySet::default(),
        };
        let Some(algorithm) = self.algorithm()? else {
            let nothing = nothing("RS256".parse().ok()?);
            return may_lack.then_some((nothing, KeySource::Held));
        };
        let hmac = HmacAlgorithm::ALL
            .into_iter()
            .find(|each| each.as_str() == &*algorithm);
        if let Some(hmac) = hmac {
            return self.secret(hmac).map(|keys| (keys, KeySource::Held));
        }
        if let Some(secret) = &settings.secret {
            let message = format!("`{algorithm}` needs keys, not a secret");
            let help = "write algorithm = \"HS256\", or name the keys instead";
            self.fault(&secret.at, message, help);
            return None;
        }
        let algorithm: SignatureAlgorithm = algorithm.parse().ok()?;
        if let Some(keys) = &settings.keys {
            return match KeySet::parse(keys.value.as_bytes()) {
                Ok(set) => Some((
                    TrustedKeys::Inline {
                        algorithm,
                        keys: set,
                    },
                    KeySource::Held,
                )),
                Err(fault) => {
                    let message = format!("the keys cannot be read: {fault}");
                    let help = "write a JSON Web Key Set with public keys: {\"keys\": […]}";
                    self.fault(&keys.at, message, help);
                    None
                }
            };
        }
        let cool_down = self.profile.key_cool_down;
        let address = match &settings.jwks_uri {
            Some(url) => Some(url.value.clone()),
            None => match self
                .profile
                .jwks_uri
                .as_ref()
                .and_then(|it| it.fill(&self.values))
            {
                Some(text) => Some(self.checked(&text)?),
                None => None,
            },
        };
        let source = match address {
            Some(address) => KeySource::Published {
                algorithm,
                address,
                cool_down,
            },
            None => KeySource::Discovered {
                algorithm,
                metadata: self.metadata(issuers)?,
                names: self.names_of_metadata(issuers),
                cool_down,
            },
        };
        Some((nothing(algorithm), source))
    }

    /// The one algorithm. The inner none: the profile has nothing to verify.
    #[expect(
        clippy::option_option,
        reason = "the outer one is a fault that was told"
    )]
    fn algorithm(&mut self) -> Option<Option<Box<str>>> {
        let known = &self.profile.algorithms;
        let Some(written) = &self.settings.algorithm else {
            let secret = self.settings.secret.is_some();
            let fits = |it: &str| it.starts_with("HS") == secret;
            let first = known.iter().find(|it| fits(it)).or(known.first());
            return Some(first.cloned());
        };
        if known.contains(&written.value) {
            return Some(Some(written.value.clone()));
        }
        let profile = &self.settings.profile.value;
        let message = format!(
            "tokens of `{profile}` are never signed with {}",
            written.value
        );
        let help = if known.is_empty() {
            "leave it out: they are not signed for us at all".to_owned()
        } else {
            format!("use one of {}, or leave it out", known.join(", "))
        };
        self.fault(&written.at.clone(), message, help);
        None
    }

    fn secret(&mut self, algorithm: HmacAlgorithm) -> Option<TrustedKeys> {
        let Some(secret) = &self.settings.secret else {
            let profile = &self.settings.profile.value;
            self.at_profile(
                format!(
                    "the profile `{profile}` with {} needs `secret`",
                    algorithm.as_str()
                ),
                "add secret = { env = \"NAME\" } or { file = \"path\" }",
            );
            return None;
        };
        let text = secret.value.expose_secret();
        let encoding = self.settings.secret_encoding;
        let bytes = match encoding.unwrap_or(self.profile.secret_encoding) {
            SecretEncoding::Text => text.as_bytes().to_vec(),
            SecretEncoding::Base64 => {
                if let Ok(bytes) = BASE64_STANDARD.decode(text.trim()) {
                    bytes
                } else {
                    self.fault(
                        &secret.at,
                        "what `secret` refers to is not base64",
                        "write secret_encoding = \"text\" if it is meant as it stands",
                    );
                    return None;
                }
            }
        };
        match SharedSecrets::new(algorithm).with(&bytes, None) {
            Ok(secrets) => Some(TrustedKeys::Shared(secrets)),
            Err(refused) => {
                self.fault(
                    &secret.at,
                    format!("`secret` cannot be used: {refused}"),
                    "use the secret that the issuer gave out, whole",
                );
                None
            }
        }
    }

    fn metadata(&mut self, issuers: &Issuers) -> Option<Url> {
        let written = self.profile.discovery.as_ref();
        if let Some(text) = written.and_then(|it| it.fill(&self.values)) {
            return self.checked(&text);
        }
        match issuers {
            // OIDC Discovery 1.0 §4.1: a final slash is taken off first.
            Issuers::OneOf(names) if let Some(first) = names.first() => {
                let issuer = first.as_str();
                let below = issuer.strip_suffix('/').unwrap_or(issuer);
                self.checked(&format!("{below}/.well-known/openid-configuration"))
            }
            _ => {
                self.at_profile(
                    "it is not known where its keys are",
                    "add `jwks_uri`, `keys`, `keys_file` or `secret`",
                );
                None
            }
        }
    }

    /// What its metadata may call itself: what the profile says, else as its tokens do.
    fn names_of_metadata(&self, issuers: &Issuers) -> Vec<Box<str>> {
        let own = self.profile.metadata_issuers.iter();
        let own: Vec<Box<str>> = own.filter_map(|it| self.text(it)).collect();
        if !own.is_empty() {
            return own;
        }
        match issuers {
            Issuers::OneOf(names) | Issuers::Unnamed(names) => {
                names.iter().map(|name| name.as_str().into()).collect()
            }
            Issuers::Template { template, .. } => vec![template.clone()],
        }
    }
}
