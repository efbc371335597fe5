//! What a preset says of tokens, and what the operator wants, become what is kept.

use super::preset::Definition;
use super::refresh::{self, Asked};
use super::resolution::Resolution;
use super::revocation;
use crate::config::Fault;
use crate::domain::upstream_tokens::{Revocation, TokenKeeping};

impl Resolution<'_> {
    /// `None`: something is wrong, and has been told.
    pub(super) fn tokens(
        &mut self,
        definition: &Definition,
        asked: Asked<'_>,
    ) -> Option<TokenKeeping> {
        let settings = &self.settings.tokens;
        let name = &self.settings.preset.value;
        let mut faults = refresh::faults(&definition.refresh, settings, name, asked);
        let refresh = refresh::wanted(&definition.refresh, settings);
        let told = definition.revocation.as_ref();
        faults.extend(revocation::fault(told, settings, name, refresh.is_some()));
        if let (Some(first), None) = (settings.tokens_for_apps.first(), &refresh) {
            let fault = Fault::at(
                first.at.clone(),
                "`tokens_for_apps` has no effect: tokens are not kept",
            );
            faults.push(fault.with_help("add refresh = true, or leave it out"));
        }
        self.faults.extend(faults);
        let wanted = told.filter(|told| refresh.is_some() && revocation::is_wanted(told, settings));
        let revocation = match wanted {
            Some(told) => Some(self.revocation(told)?),
            None => None,
        };
        Some(TokenKeeping {
            refresh,
            revocation,
            for_apps: (settings.tokens_for_apps.iter())
                .map(|app| app.value.clone())
                .collect(),
        })
    }

    fn revocation(&mut self, told: &revocation::Revocation) -> Option<Revocation> {
        // An address that depends on what the operator left out is none.
        let address = told.address.as_ref().and_then(|it| self.text(it));
        let address = match address {
            Some(text) => Some(self.checked(&text)?),
            None => None,
        };
        Some(Revocation {
            discovered: told.discovered,
            address,
            token: told.token,
            request: told.request,
        })
    }
}
