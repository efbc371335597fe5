//! How we authenticate at a token endpoint: what a preset knows, and what the operator chose of it.
//!
//! Invariant: what leaves here is ready to be used. A key is parsed once, and one that does not fit its
//! algorithm, its certificate or the preset is a fault at the operator's line, which repeats nothing of it.

use std::sync::Arc;

use super::assertions::KeyName;
use super::preset::Definition;
use super::protocol::Protocol;
use super::template::Values;
use crate::config::{
    AssertionSettings, AudienceKind, AuthenticationMethod as Method, Fault, Located, Position,
    ProviderSettings, quoted,
};
use crate::domain::client_authentication::{
    AssertionAudience, ClientAssertion, ClientAuthentication,
};
use crate::jose::{ClientCertificate, ClientKey, ClientKeyRefused, PrivateKey, SignatureAlgorithm};

/// How we authenticate, or everything that is wrong with what the operator wrote about it.
pub(super) fn authentication(
    settings: &ProviderSettings,
    definition: &Definition,
    values: &Values,
) -> Result<ClientAuthentication, Vec<Fault>> {
    // The file is refused; what would be said of the rest is not to be trusted.
    if settings.authentication_misread {
        return Ok(ClientAuthentication::Discovered);
    }
    let mut judged = Judged {
        settings,
        definition,
        faults: Vec::new(),
    };
    let authentication = judged.method().and_then(|method| {
        judged.meaningless(method);
        match method {
            Method::Discovered => judged.with_secret(ClientAuthentication::Discovered),
            Method::Basic => judged.with_secret(ClientAuthentication::Basic),
            Method::Post => judged.with_secret(ClientAuthentication::Post),
            Method::ClientSecretJwt => {
                let (key, audience) = (judged.shared_key(), judged.audience(values));
                let assertion = judged.assertion(key?, audience?, values);
                Some(ClientAuthentication::Assertion(assertion?))
            }
            Method::PrivateKeyJwt | Method::GeneratedSecret => {
                let (key, audience) = (judged.private_key(), judged.audience(values));
                let assertion = judged.assertion(key?, audience?, values)?;
                Some(if method == Method::PrivateKeyJwt {
                    ClientAuthentication::Assertion(assertion)
                } else {
                    ClientAuthentication::GeneratedSecret(assertion)
                })
            }
        }
    });
    match authentication {
        Some(authentication) if judged.faults.is_empty() => Ok(authentication),
        _ => Err(judged.faults),
    }
}

/// What the operator wrote, being judged.
struct Judged<'a> {
    settings: &'a ProviderSettings,
    definition: &'a Definition,
    faults: Vec<Fault>,
}

impl Judged<'_> {
    fn fault(&mut self, at: &Position, message: String, help: impl Into<String>) {
        let fault = Fault::at(at.clone(), message);
        self.faults.push(fault.with_help(help.into()));
    }

    /// That something is missing stands at the preset, which asks for it.
    fn missing(&mut self, message: String, help: &str) {
        let at = self.settings.preset.at.clone();
        self.fault(&at, message, help);
    }

    fn preset(&self) -> &str {
        &self.settings.preset.value
    }

    /// As the operator chose; whoever gives a key means to use it.
    fn method(&mut self) -> Option<Method> {
        let known = &self.definition.client_authentication;
        if let Some(chosen) = &self.settings.client_authentication {
            if known.contains(&chosen.value) {
                return Some(chosen.value);
            }
            let written = known.iter().filter(|it| **it != Method::Discovered);
            let words: Vec<_> = written.map(|it| format!("\"{}\"", it.word())).collect();
            let message = format!(
                "{} is no way to authenticate with the preset `{}`",
                quoted(chosen.value.word()),
                self.preset()
            );
            let help = match words.as_slice() {
                [] => "leave it out".to_owned(),
                words => format!("use one of {}", words.join(", ")),
            };
            self.fault(&chosen.at, message, help);
            return None;
        }
        let Some(key) = &self.settings.assertion.private_key else {
            return known.first().copied();
        };
        let found = known.iter().find(|it| it.signs()).copied();
        if found.is_none() {
            let message = format!(
                "the preset `{}` does not authenticate with a key",
                self.preset()
            );
            self.fault(
                &key.at,
                message,
                "leave out `private_key`, and give `client_secret`",
            );
        }
        found
    }

    /// Whatever has no effect with this method is a fault.
    fn meaningless(&mut self, method: Method) {
        let AssertionSettings {
            private_key,
            key_id,
            certificate,
            algorithm,
            audience,
        } = &self.settings.assertion;
        let assertion = !matches!(method, Method::Discovered | Method::Basic | Method::Post);
        let (signs, key) = (method.signs(), self.definition.assertions.key);
        let written = [
            (
                "client_secret",
                place(self.settings.client_secret.as_ref()),
                !signs,
            ),
            ("private_key", place(private_key.as_ref()), signs),
            (
                "key_id",
                place(key_id.as_ref()),
                signs && key != KeyName::Certificate,
            ),
            (
                "certificate",
                place(certificate.as_ref()),
                signs && key != KeyName::KeyId,
            ),
            ("assertion_algorithm", place(algorithm.as_ref()), signs),
            ("assertion_audience", place(audience.as_ref()), assertion),
        ];
        for (name, at, counts) in written {
            if let Some(at) = at.filter(|_| !counts) {
                let message = match method {
                    Method::Discovered => format!("`{name}` means nothing without `private_key`"),
                    method => format!(
                        "`{name}` means nothing with client_authentication = \"{}\"",
                        method.word()
                    ),
                };
                self.fault(at, message, "leave it out");
            }
        }
    }

    fn with_secret(&mut self, how: ClientAuthentication) -> Option<ClientAuthentication> {
        if self.definition.secret_required && self.settings.client_secret.is_none() {
            let message = format!("the preset `{}` needs `client_secret`", self.preset());
            let help = if self
                .definition
                .client_authentication
                .iter()
                .any(|it| it.signs())
            {
                "add client_secret = { env = \"NAME\" } or { file = \"path\" }, or a `private_key`"
            } else {
                "add client_secret = { env = \"NAME\" } or { file = \"path\" }"
            };
            self.missing(message, help);
            return None;
        }
        Some(how)
    }

    fn shared_key(&mut self) -> Option<ClientKey> {
        let Some(secret) = &self.settings.client_secret else {
            self.missing(
                "client_authentication = \"client_secret_jwt\" needs `client_secret`".to_owned(),
                "add client_secret = { env = \"NAME\" } or { file = \"path\" }",
            );
            return None;
        };
        match ClientKey::shared(&secret.value) {
            Ok(key) => Some(key),
            Err(refused) => {
                let help = "have the provider make a longer one, or authenticate in another way";
                self.fault(&secret.at, refused.to_string(), help);
                None
            }
        }
    }

    fn private_key(&mut self) -> Option<ClientKey> {
        let written = &self.settings.assertion;
        let key_name = self.definition.assertions.key;
        let preset = self.preset().to_owned();
        if key_name == KeyName::KeyId && written.key_id.is_none() {
            self.missing(
                format!("the preset `{preset}` needs `key_id`"),
                "add key_id = \"…\": what the provider calls the key",
            );
        }
        if key_name == KeyName::Certificate && written.certificate.is_none() {
            self.missing(
                format!("the preset `{preset}` needs `certificate` beside `private_key`"),
                "add certificate = \"client.crt\": the one that was uploaded there",
            );
        }
        let Some(located) = &written.private_key else {
            self.missing(
                format!("the preset `{preset}` needs `private_key` to authenticate so"),
                "add private_key = { file = \"path\" } or { env = \"NAME\" }",
            );
            return None;
        };
        let certificate = match &written.certificate {
            None => Ok(None),
            Some(der) => ClientCertificate::from_der(&der.value)
                .map(Some)
                .map_err(|refused| (der.at.clone(), refused)),
        };
        let certificate = match certificate {
            Ok(certificate) => Some(certificate),
            Err((at, refused)) => {
                let message = format!("`certificate` cannot be used: {refused}");
                self.fault(&at, message, "name the file that was uploaded there");
                None
            }
        };
        let key = match PrivateKey::from_pem(&located.value) {
            Ok(key) => key,
            Err(refused) => {
                let message = format!("`private_key` cannot be used: {refused}");
                self.fault(&located.at, message, refused.help());
                return None;
            }
        };
        let algorithm = self.algorithm(&key, &located.at)?;
        let kid = written.key_id.as_ref().map(|kid| &*kid.value);
        match ClientKey::private(key, algorithm, kid, certificate?.as_ref()) {
            Ok(key) => Some(key),
            Err(refused) => {
                let (at, help) = match (&refused, &written.certificate, &written.algorithm) {
                    (ClientKeyRefused::Certificate, Some(certificate), _) => (
                        &certificate.at,
                        "name the two files that were made together",
                    ),
                    (_, _, Some(algorithm)) => (&algorithm.at, "leave it out: the key says it"),
                    _ => (&located.at, "use another key"),
                };
                self.fault(at, refused.to_string(), help);
                None
            }
        }
    }

    /// As the operator wrote, else the first of the preset's that fits the key.
    fn algorithm(&mut self, key: &PrivateKey, at: &Position) -> Option<SignatureAlgorithm> {
        let known = &self.definition.assertions.algorithms;
        let all = known.iter().map(|it| it.as_str()).collect::<Vec<_>>();
        if let Some(written) = &self.settings.assertion.algorithm {
            let parsed = written.value.parse().ok();
            if let Some(algorithm) = parsed.filter(|it| known.contains(it)) {
                return Some(algorithm);
            }
            let message = format!(
                "the preset `{}` does not sign with {}",
                self.preset(),
                quoted(&written.value)
            );
            self.fault(
                &written.at,
                message,
                format!("use one of {}", all.join(", ")),
            );
            return None;
        }
        let found = known.iter().find(|it| key.fits(**it)).copied();
        if found.is_none() {
            let message = format!(
                "`private_key` is {}, and the preset `{}` signs with {}",
                key.kind(),
                self.preset(),
                all.join(", ")
            );
            self.fault(at, message, "make a key for one of those");
        }
        found
    }

    fn audience(&mut self, values: &Values) -> Option<AssertionAudience> {
        let written = self.settings.assertion.audience.as_ref();
        let kind = written.map_or(self.definition.assertions.audience, |it| it.value);
        if kind == AudienceKind::TokenEndpoint {
            return Some(AssertionAudience::TokenEndpoint);
        }
        let issuer = match &self.definition.protocol {
            Protocol::OpenIdConnect {
                issuer,
                tenant_claim,
                ..
            } => issuer
                .fill(values)
                .filter(|it| tenant_claim.is_none() || !it.contains("{tenantid}")),
            Protocol::OAuth2 {
                response_issuer, ..
            } => response_issuer.as_ref().and_then(|it| it.fill(values)),
        };
        if issuer.is_none() {
            let at = written
                .map_or(&self.settings.preset.at, |it| &it.at)
                .clone();
            let message = format!(
                "with the preset `{}` there is no one issuer to name in assertions",
                self.preset()
            );
            self.fault(&at, message, "add assertion_audience = \"token_endpoint\"");
        }
        issuer.map(|it| AssertionAudience::Issuer(it.into()))
    }

    /// `None`: a parameter is missing, which is told elsewhere.
    fn assertion(
        &self,
        key: ClientKey,
        audience: AssertionAudience,
        values: &Values,
    ) -> Option<ClientAssertion> {
        let client_id = &self.settings.client_id;
        let issuer = match &self.definition.assertions.issuer {
            None => client_id.clone(),
            Some(template) => template.fill(values)?.into(),
        };
        Some(ClientAssertion {
            issuer,
            subject: client_id.clone(),
            audience,
            key: Arc::new(key),
        })
    }
}

fn place<T>(written: Option<&Located<T>>) -> Option<&Position> {
    written.map(|it| &it.at)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::LazyLock;

    use rcgen::{
        CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
        PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256,
    };
    use rstest::rstest;
    use secrecy::ExposeSecret as _;
    use serde_json::{Value, json};
    use tempfile::TempDir;
    use time::macros::datetime;

    use super::*;
    use crate::config::Faults;
    use crate::domain::upstream_provider::UpstreamProvider;
    use crate::providers::Presets;
    use crate::providers::tests::{PRESET_LINE, settings_with};

    /// What lies on the operator's disk and in the environment.
    struct Things {
        folder: TempDir,
        variables: Vec<(&'static str, String)>,
    }

    static THINGS: LazyLock<Things> = LazyLock::new(|| {
        let folder = TempDir::new().expect("a folder");
        let pair = |kind| KeyPair::generate_for(kind).expect("a key");
        let (rsa, p256) = (pair(&PKCS_RSA_SHA256), pair(&PKCS_ECDSA_P256_SHA256));
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        for (name, key) in [("rsa.crt", &rsa), ("p256.crt", &p256)] {
            let params = CertificateParams::new(Vec::new()).expect("names");
            write(name, params.self_signed(key).expect("signed").pem());
        }
        write(
            "hollow.crt",
            "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_owned(),
        );
        let variables = vec![
            ("RSA", rsa.serialize_pem()),
            ("P256", p256.serialize_pem()),
            ("P384", pair(&PKCS_ECDSA_P384_SHA384).serialize_pem()),
            ("P521", pair(&PKCS_ECDSA_P521_SHA512).serialize_pem()),
            (
                "SHORT_RSA",
                include_str!("../../tests/fixtures/keys/rsa-1024.pem").to_owned(),
            ),
            ("TEXT", "hunter2-canary, which is no key".to_owned()),
            ("SECRET", "hunter2-canary".to_owned()),
            ("LONG", "hunter2-canary-hunter2-canary-32".to_owned()),
        ];
        Things { folder, variables }
    });

    /// `{folder}` is filled in; `{RSA}` is a reference to that variable.
    fn resolve(provider: &str) -> Result<UpstreamProvider, Faults> {
        let folder: PathBuf = THINGS.folder.path().into();
        let mut text = provider.replace("{folder}", &folder.display().to_string());
        let mut variables = Vec::new();
        for (name, value) in &THINGS.variables {
            text = text.replace(&format!("{{{name}}}"), &format!("{{ env = \"{name}\" }}"));
            variables.push((*name, value.as_str()));
        }
        let presets = Presets::load(None).expect("right");
        presets.resolve(&settings_with(&text, false, &variables), false)
    }

    const OIDC: &str = "preset = \"oidc\"\nissuer = \"https://id.example/\"\n";
    const ENTRA: &str = "preset = \"entra\"\ntenant = \"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"\n";
    const OAUTH2: &str = "preset = \"oauth2\"\nauthorization_endpoint = \"https://a.example/authorize\"\ntoken_endpoint = \"https://a.example/token\"\nuserinfo_endpoint = \"https://a.example/me\"\n";

    /// Header and claims of what would be sent.
    fn sent(provider: &UpstreamProvider) -> (Value, Value) {
        let ClientAuthentication::Assertion(ours) = &provider.client_authentication else {
            panic!("{:?}", provider.client_authentication);
        };
        let endpoint = "https://id.example/token".parse().expect("an address");
        let now = datetime!(2027-01-15 08:00 UTC);
        let token = ours.assertion(&endpoint, now, [0; 16]).expect("signed");
        let mut parts = token.expose_secret().split('.').map(|part| {
            let engine = base64::prelude::BASE64_URL_SAFE_NO_PAD;
            base64::Engine::decode(&engine, part).expect("base64url")
        });
        let mut next = || serde_json::from_slice(&parts.next().expect("a part")).expect("JSON");
        (next(), next())
    }

    #[rstest]
    #[case::rsa(OIDC, "private_key = {RSA}", "RS256", "https://id.example/token")]
    #[case::p256(OIDC, "private_key = {P256}", "ES256", "https://id.example/token")]
    #[case::p384(OIDC, "private_key = {P384}", "ES384", "https://id.example/token")]
    #[case::chosen(
        OIDC,
        "private_key = {RSA}\nassertion_algorithm = \"PS256\"\nassertion_audience = \"issuer\"",
        "PS256",
        "https://id.example/"
    )]
    #[case::said_twice(
        OIDC,
        "client_authentication = \"private_key_jwt\"\nprivate_key = {RSA}",
        "RS256",
        "https://id.example/token"
    )]
    #[case::shared(
        OIDC,
        "client_authentication = \"client_secret_jwt\"\nclient_secret = {LONG}",
        "HS256",
        "https://id.example/token"
    )]
    #[case::entra(
        ENTRA,
        "private_key = {RSA}\ncertificate = \"{folder}/rsa.crt\"",
        "PS256",
        "https://id.example/token"
    )]
    #[case::oauth2(OAUTH2, "private_key = {P256}", "ES256", "https://id.example/token")]
    fn an_assertion_is_as_preset_and_operator_say(
        #[case] preset: &str,
        #[case] more: &str,
        #[case] algorithm: &str,
        #[case] audience: &str,
    ) {
        let provider = resolve(&format!("{preset}{more}")).expect("right");
        let (header, claims) = sent(&provider);
        assert_eq!(header["alg"], algorithm);
        assert_eq!(header.get("kid"), None);
        assert_eq!(header.get("x5t#S256").is_some(), preset == ENTRA);
        let expected = json!({
            "iss": "doorward", "sub": "doorward", "aud": audience, "nbf": 1_800_000_000,
            "iat": 1_800_000_000, "exp": 1_800_000_300, "jti": "00000000-0000-4000-8000-000000000000",
        });
        assert_eq!(claims, expected);
        let (header, _) = sent(
            &resolve(&format!("{OIDC}private_key = {{P256}}\nkey_id = \"a b\"")).expect("right"),
        );
        assert_eq!(header["kid"], "a b");
    }

    #[rstest]
    #[case::not_pem(
        OIDC,
        "private_key = {TEXT}",
        "13:15 `private_key` cannot be used: it is not a private key in PEM"
    )]
    #[case::short(
        OIDC,
        "private_key = {SHORT_RSA}",
        "13:15 `private_key` cannot be used: it is an RSA key of fewer than 2048 bits"
    )]
    #[case::curve(
        OIDC,
        "private_key = {P521}",
        "13:15 `private_key` cannot be used: it is none of"
    )]
    #[case::curve_of_the_algorithm(
        OIDC,
        "assertion_algorithm = \"ES256\"\nprivate_key = {P384}",
        "13:23 ES256 does not sign with a key on P-384"
    )]
    #[case::algorithm_of_another_kind(
        OIDC,
        "assertion_algorithm = \"RS256\"\nprivate_key = {P256}",
        "13:23 RS256 does not sign with a key on P-256"
    )]
    #[case::unknown_to_the_preset(
        OIDC,
        "private_key = {RSA}\nassertion_algorithm = \"RS512\"",
        "14:23 the preset `oidc` does not sign with `RS512`"
    )]
    #[case::kind_unknown_to_the_preset(
        ENTRA,
        "private_key = {P256}\ncertificate = \"{folder}/p256.crt\"",
        "13:15 `private_key` is a key on P-256, and the preset `entra` signs with PS256, RS256"
    )]
    #[case::other_certificate(
        OIDC,
        "private_key = {RSA}\ncertificate = \"{folder}/p256.crt\"",
        "14:15 the certificate is not that of `private_key`"
    )]
    #[case::hollow_certificate(
        OIDC,
        "private_key = {RSA}\ncertificate = \"{folder}/hollow.crt\"",
        "14:15 `certificate` cannot be used"
    )]
    #[case::no_certificate(
        ENTRA,
        "private_key = {RSA}",
        "11:10 the preset `entra` needs `certificate`"
    )]
    #[case::key_id_for_entra(
        ENTRA,
        "private_key = {RSA}\ncertificate = \"{folder}/rsa.crt\"\nkey_id = \"1\"",
        "15:10 `key_id` means nothing"
    )]
    #[case::no_key(
        OIDC,
        "client_authentication = \"private_key_jwt\"",
        "11:10 the preset `oidc` needs `private_key`"
    )]
    #[case::key_and_secret(
        OIDC,
        "private_key = {RSA}\nclient_secret = {SECRET}",
        "14:17 `client_secret` means nothing with client_authentication = \"private_key_jwt\""
    )]
    #[case::key_for_post(
        OIDC,
        "private_key = {RSA}\nclient_authentication = \"post\"",
        "13:15 `private_key` means nothing with client_authentication = \"post\""
    )]
    #[case::certificate_alone(
        OIDC,
        "certificate = \"{folder}/rsa.crt\"",
        "13:15 `certificate` means nothing without `private_key`"
    )]
    #[case::key_where_none_is_known(
        "preset = \"google\"\nhosted_domains = \"any\"\n",
        "private_key = {RSA}",
        "13:15 the preset `google` does not authenticate with a key"
    )]
    #[case::method_that_is_unknown(
        "preset = \"google\"\nhosted_domains = \"any\"\n",
        "client_secret = {SECRET}\nclient_authentication = \"client_secret_jwt\"",
        "14:25 `client_secret_jwt` is no way to authenticate with the preset `google`"
    )]
    #[case::short_secret(
        OIDC,
        "client_secret = {SECRET}\nclient_authentication = \"client_secret_jwt\"",
        "13:17 HS256 needs a secret of 32 bytes or more, and this one is shorter"
    )]
    #[case::no_secret(
        OIDC,
        "client_authentication = \"client_secret_jwt\"",
        "11:10 client_authentication = \"client_secret_jwt\" needs `client_secret`"
    )]
    #[case::no_issuer(
        "preset = \"entra\"\ntenant = \"common\"\nallowed_tenants = \"any\"\n",
        "private_key = {RSA}\ncertificate = \"{folder}/rsa.crt\"\nassertion_audience = \"issuer\"",
        "16:22 with the preset `entra` there is no one issuer to name in assertions"
    )]
    fn a_key_that_does_not_fit_is_told_at_its_line(
        #[case] preset: &str,
        #[case] more: &str,
        #[case] expected: &str,
    ) {
        let faults = resolve(&format!("{preset}{more}")).expect_err("wrong");
        assert_eq!(faults.count(), 1, "{faults}");
        let fault = faults.iter().next().expect("one");
        let at = fault.position().expect("a place");
        // As if the settings began at line 11.
        let line = at.line() + 11 - PRESET_LINE;
        let found = format!("{line}:{} {}", at.column(), fault.message());
        assert!(found.starts_with(expected), "{found}");
        assert!(fault.help().is_some_and(|help| !help.is_empty()));
        let all = faults.to_string();
        for (_, secret) in &THINGS.variables {
            for line in secret.lines().filter(|line| !line.contains("---")) {
                assert!(!all.contains(line), "{all}");
            }
        }
    }
}
