//! Rules for exchanging tokens, together with whom they name.

use std::sync::Arc;

use crate::config::{
    Fault, Located, OWN_TOKENS, TenantSettings, TokenExchangeSettings, quoted, suggestion,
};
use crate::domain::claims::ClaimPath;
use crate::domain::ids::{ClientId, TrustedIssuerId};
use crate::domain::token_exchange::{RequiredClaim, TokenExchange, TokenOrigin};
use crate::jose::TokenKind;
use crate::providers::issuers::IssuerRules;

/// The rules as the token endpoint knows them.
pub(super) fn of(settings: &TenantSettings) -> Vec<TokenExchange> {
    let rules = settings.token_exchanges.iter();
    rules.map(|rule| exchange(settings, rule)).collect()
}

fn exchange(settings: &TenantSettings, rule: &TokenExchangeSettings) -> TokenExchange {
    let origins = |names: &[Located<TrustedIssuerId>]| {
        let names = names.iter().map(|name| origin(&name.value));
        names.collect()
    };
    let claims = rule.required_claims.iter().map(|it| RequiredClaim {
        claim: ClaimPath::new(&it.claim),
        one_of: it.one_of.clone(),
    });
    let ours = || vec![settings.base.address("").into()];
    TokenExchange {
        id: rule.id.clone(),
        issuers: origins(&rule.issuers),
        subject_audiences: rule.subject_audiences.clone().unwrap_or_else(ours),
        subjects: rule.subjects.clone(),
        claims: claims.collect(),
        when: rule.when.clone(),
        clients: rule.clients.iter().map(|it| it.value.clone()).collect(),
        actors: origins(&rule.actors),
        audiences: rule.audiences.clone(),
        scopes: rule.scopes.clone(),
        lifetime: rule.lifetime,
    }
}

fn origin(name: &TrustedIssuerId) -> TokenOrigin {
    if name.as_str() == OWN_TOKENS {
        TokenOrigin::Own
    } else {
        TokenOrigin::Trusted(name.clone())
    }
}

/// The trusted issuers that rules name, each for the audiences of all of these: which rule it is has yet to be found.
pub(super) fn issuers(
    rules: &[TokenExchange],
    known: &[Arc<IssuerRules>],
) -> Vec<Arc<IssuerRules>> {
    let expected = |issuer: &Arc<IssuerRules>| {
        let origin = TokenOrigin::Trusted(issuer.id.clone());
        let naming = rules
            .iter()
            .filter(|rule| rule.issuers.contains(&origin) || rule.actors.contains(&origin));
        let audiences: Vec<Box<str>> = naming
            .flat_map(|rule| rule.subject_audiences.iter().cloned())
            .collect();
        (!audiences.is_empty()).then(|| Arc::new(issuer.with_audiences(&audiences)))
    };
    known.iter().filter_map(expected).collect()
}

/// Names of nobody, and of issuers whose tokens cannot be exchanged. `whole`: all trusted issuers are known.
pub(super) fn faults(
    settings: &TenantSettings,
    known: &[Arc<IssuerRules>],
    whole: bool,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for rule in &settings.token_exchanges {
        let names = rule.issuers.iter().chain(&rule.actors);
        faults.extend(names.filter_map(|name| issuer_fault(name, known, whole)));
        let clients = settings.machine_clients.iter().map(|it| &it.client.id);
        for name in &rule.clients {
            if settings.whole && !clients.clone().any(|id| *id == name.value) {
                let text = name.value.as_str();
                let message = format!("there is no machine client {}", quoted(text));
                let known = clients.clone().map(ClientId::as_str);
                let fault = Fault::at(name.at.clone(), message);
                faults.push(fault.with_help(suggestion(text, known)));
            }
        }
    }
    if !settings.token_exchanges.is_empty()
        && let Some(own) = settings
            .trusted_issuers
            .iter()
            .find(|it| it.id.value.as_str() == OWN_TOKENS)
    {
        let message = "where tokens are exchanged, \"self\" are the tenant's own tokens";
        let fault = Fault::at(own.id.at.clone(), message);
        faults.push(fault.with_help("give this trusted issuer another `id`"));
    }
    faults
}

fn issuer_fault(
    name: &Located<TrustedIssuerId>,
    known: &[Arc<IssuerRules>],
    whole: bool,
) -> Option<Fault> {
    let text = name.value.as_str();
    if text == OWN_TOKENS {
        return None;
    }
    let fault = |message: String| Fault::at(name.at.clone(), message);
    let Some(issuer) = known.iter().find(|it| it.id == name.value) else {
        let all = known.iter().map(|it| it.id.as_str()).chain([OWN_TOKENS]);
        let help = suggestion(text, all);
        return whole.then(|| {
            fault(format!("there is no trusted issuer {}", quoted(text))).with_help(help)
        });
    };
    if issuer.rules.kind == TokenKind::Attestation {
        let help = "name an issuer whose tokens are bearers";
        return Some(fault(format!("tokens of `{text}` say nothing of who calls")).with_help(help));
    }
    if !issuer.has_keys() {
        let help = "name an issuer whose tokens are signed, and can be read here";
        let message = format!("tokens of `{text}` can be read by their issuer alone");
        return Some(fault(message).with_help(help));
    }
    None
}
