//! How an issuer is asked about tokens that nobody else can read.

use std::time::Duration;

use super::super::profile::Opaque;
use super::super::rules::OpaqueRules;
use super::Resolution;
use crate::providers::layers::CLIENT_ID;

/// How long an answer about an opaque token counts, unless the operator says otherwise.
const CACHE: Duration = Duration::from_secs(30);

impl Resolution<'_> {
    pub(super) fn check_asking(&mut self, opaque: Option<&OpaqueRules>) {
        let settings = self.settings;
        let given = [
            settings.client_secret.as_ref().map(|it| &it.at),
            settings.client_id.as_ref().map(|it| &it.at),
        ];
        if opaque.is_none()
            && !self.profile.used.contains(CLIENT_ID)
            && let Some(at) = given.into_iter().flatten().next()
        {
            let profile = &settings.profile.value;
            let message = format!("nobody is asked about tokens of `{profile}`");
            let help = "leave it out, or use the profile \"introspection\"";
            self.fault(at, message, help);
        }
    }

    pub(super) fn opaque(&mut self, opaque: &Opaque) -> Option<OpaqueRules> {
        let settings = self.settings;
        let client = match (&settings.client_id, &settings.client_secret) {
            (Some(id), Some(secret)) => Some((id.value.clone(), secret.value.clone())),
            _ if opaque.authenticated => {
                let profile = &settings.profile.value;
                self.at_profile(
                    format!("the profile `{profile}` needs `client_id` and `client_secret`"),
                    "add what the issuer knows Doorward by, when it is asked about tokens",
                );
                return None;
            }
            _ => None,
        };
        let endpoint = match opaque
            .endpoint
            .as_ref()
            .and_then(|it| it.fill(&self.values))
        {
            Some(text) => Some(self.checked(&text)?),
            None => None,
        };
        let written = self.written();
        let active = opaque.active.as_ref().and_then(|it| written.path(it));
        let also_signed = opaque.also_signed.as_ref();
        Some(OpaqueRules {
            endpoint,
            asking: opaque.asking,
            parameter: opaque.parameter.clone(),
            client,
            active,
            refused_status: opaque.refused_status.clone(),
            numbers_as_text: opaque.numbers_as_text,
            cache: settings.cache.unwrap_or(CACHE),
            also_signed: also_signed
                .is_some_and(|it| it.fill(&self.values).as_deref() == Some("yes")),
        })
    }
}
