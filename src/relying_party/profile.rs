//! Who the person is: claims of the ID token, userinfo for what is missing there, and profile requests for what
//! neither tells.
//!
//! Invariant: nothing is read from a document whose subject is not the ID token's, and an answer that is
//! known not to be whole is never taken for "none".

use http::{Request, header};
use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

use super::code_exchange::Tokens;
use super::documents::{Documents, OF_THE_TOKEN};
use super::id_token::VerifiedIdToken;
use super::profile_requests::{bearer, fetch, profile_request};
use super::{RelyingParty, UpstreamTrouble};
use crate::domain::email_rule::EmailRule;
use crate::domain::profile_request::Asked;
use crate::domain::tenant::Tenant;
use crate::domain::upstream_provider::{OpenIdConnect, Source, UpstreamProvider, Userinfo};

impl RelyingParty {
    /// Asks userinfo where the preset says so, or where a claim asked for is missing.
    pub(super) async fn claims_documents(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        openid: &OpenIdConnect,
        userinfo_endpoint: Option<&Url>,
        id_token: &VerifiedIdToken,
        tokens: &Tokens,
    ) -> Result<Documents, UpstreamTrouble> {
        let mut documents = Documents {
            claims: vec![id_token.claims().clone()],
            token_answer: tokens.further.clone(),
            ..Documents::default()
        };
        let ask = match openid.userinfo {
            Userinfo::Always => true,
            Userinfo::WhenMissing => documents.lacks_something(tenant, provider),
            Userinfo::Never => false,
        };
        // What only userinfo tells would be "none" without it.
        if openid.userinfo == Userinfo::Always && userinfo_endpoint.is_none() {
            return Err(UpstreamTrouble::Incomplete("userinfo".into()));
        }
        if let Some(endpoint) = userinfo_endpoint.filter(|_| ask) {
            let userinfo = self.userinfo(provider, endpoint, id_token, &tokens.access_token);
            let userinfo = userinfo.await?;
            documents.userinfo = Some(userinfo.clone());
            documents.claims.push(userinfo);
        }
        Ok(documents)
    }

    async fn userinfo(
        &self,
        provider: &UpstreamProvider,
        endpoint: &Url,
        id_token: &VerifiedIdToken,
        access_token: &SecretString,
    ) -> Result<Value, UpstreamTrouble> {
        let client = self.http.for_reach(&provider.reach)?;
        let request = Request::get(endpoint.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, bearer("Bearer", access_token));
        let userinfo = fetch(&client, request, Vec::new(), "userinfo").await?.0;
        // OIDC Core 1.0 §5.3.2: a userinfo of somebody else must not be used.
        match userinfo.get("sub").and_then(Value::as_str) {
            Some(subject) if subject == id_token.subject() => Ok(userinfo),
            Some(_) => Err(UpstreamTrouble::Subject),
            None => {
                let reason = "it has no `sub` to compare".to_owned();
                Err(UpstreamTrouble::ProfileAnswer("userinfo".into(), reason))
            }
        }
    }

    /// What is known of a person without a new ID token: the claims of the last one, and in their place whatever
    /// userinfo says now, but for what says which sign-in it is of.
    pub(super) async fn claims_documents_again(
        &self,
        provider: &UpstreamProvider,
        openid: &OpenIdConnect,
        userinfo_endpoint: Option<&Url>,
        last: &VerifiedIdToken,
        access_token: &SecretString,
    ) -> Result<Documents, UpstreamTrouble> {
        let mut documents = Documents::default();
        let mut claims = last.claims().clone();
        let asked = userinfo_endpoint.filter(|_| openid.userinfo != Userinfo::Never);
        if let Some(endpoint) = asked {
            let userinfo = self
                .userinfo(provider, endpoint, last, access_token)
                .await?;
            if let (Some(claims), Some(said)) = (claims.as_object_mut(), userinfo.as_object()) {
                let unsaid = in_one_breath(claims, said, &provider.claims.email);
                for (name, value) in said {
                    if !OF_THE_TOKEN.contains(&name.as_str()) && !unsaid.contains(name) {
                        claims.insert(name.clone(), value.clone());
                    }
                }
            }
            documents.userinfo = Some(userinfo);
        } else if openid.userinfo == Userinfo::Always {
            return Err(UpstreamTrouble::Incomplete("userinfo".into()));
        }
        documents.claims.push(claims);
        Ok(documents)
    }

    /// What plain OAuth 2 tells: what stands beside the tokens, and the answers to the profile requests.
    pub(super) async fn profile_documents(
        &self,
        provider: &UpstreamProvider,
        tokens: &Tokens,
    ) -> Result<Documents, UpstreamTrouble> {
        let mut documents = Documents {
            token_answer: tokens.further.clone(),
            ..Documents::default()
        };
        self.ask_further(provider, tokens, &mut documents).await?;
        Ok(documents)
    }

    /// Makes the profile requests, in order. Nobody is asked about a person whom the ID token already keeps out.
    pub(super) async fn ask_further(
        &self,
        provider: &UpstreamProvider,
        tokens: &Tokens,
        documents: &mut Documents,
    ) -> Result<(), UpstreamTrouble> {
        if provider.profile_requests.is_empty() {
            return Ok(());
        }
        let signed = provider.required_claims.iter();
        let mut signed = signed.filter(|it| it.places.iter().all(|it| it.source == Source::Claims));
        signed.try_for_each(|required| documents.check(required))?;
        let client = self.http.for_reach(&provider.reach)?;
        for request in &provider.profile_requests {
            if request.asked == Asked::OnOverage && !documents.lacks_groups_of(provider, request) {
                continue;
            }
            let id_token = documents.claims.first();
            let document =
                profile_request(&client, request, id_token, &tokens.access_token).await?;
            documents.profile.push((request.name.clone(), document));
        }
        Ok(())
    }
}

/// An address and what vouches for it come from one document: where userinfo tells an address, the flags of an older
/// token do not count for it; where it tells none, its flags do not count for that of the token. Gives the claims of
/// userinfo that do not count.
fn in_one_breath(
    claims: &mut Map<String, Value>,
    said: &Map<String, Value>,
    (source, rule): &(Source, EmailRule),
) -> Vec<String> {
    let members: Vec<_> = rule
        .paths()
        .iter()
        .filter_map(|path| path.member())
        .collect();
    let (true, Some(address)) = (*source == Source::Claims, members.first()) else {
        return Vec::new();
    };
    if said.contains_key(address) {
        claims.retain(|name, _| !members.contains(name));
        return Vec::new();
    }
    members
}
