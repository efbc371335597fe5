//! What a preset says of tokens, and what the operator wants, become what is kept.

use super::preset::Definition;
use super::refresh::{self, Asked};
use super::resolution::Resolution;
use super::revocation;
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
        self.faults.extend(faults);
        let wanted = told.filter(|told| refresh.is_some() && revocation::is_wanted(told, settings));
        let revocation = match wanted {
            Some(told) => Some(self.revocation(told)?),
            None => None,
        };
        Some(TokenKeeping {
            refresh,
            revocation,
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
