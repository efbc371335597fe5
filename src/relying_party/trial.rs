//! What can be found out about a provider without a person: whether a login there can work.
//!
//! Invariant: what is sent is what a login sends, made by the same code. Nothing is remembered, no token is kept,
//! nobody is signed in. Two requests are sent a second time with something that cannot be right (another redirect
//! URI, another secret): only a provider that tells the two apart has looked at ours.

mod judgement;
#[cfg(test)]
mod tests;

use http::{StatusCode, header};
use serde_json::Value;
use url::Url;

use self::judgement::{
    Answer, Expectation, judge_client, judge_client_without_secret, judge_redirect_uri,
};
use super::begin_login::{authorization_request, spaces_as_everywhere};
use super::complete_login::posted_token_algorithm;
use super::{RelyingParty, UpstreamTrouble};
use crate::domain::client_authentication::ClientAuthentication;
use crate::domain::login_attempt::Continuation;
use crate::domain::login_hint::LoginHints;
use crate::domain::tenant::Tenant;
use crate::domain::upstream_provider::{
    KeyIssuer, OpenIdConnect, Protocol, UpstreamProvider, Userinfo,
};
use crate::jose::{Jwk, SignatureAlgorithm};
use crate::outbound::HttpClient;
use crate::providers::ProviderMetadata;

/// A page to sign in can be this large, in bytes.
const LARGEST_PAGE: usize = 4 * 1024 * 1024;

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is about, in a word or two.
    pub what: Box<str>,
    /// What was found.
    pub finding: Finding,
    /// What was seen, for an operator.
    pub seen: String,
    /// What to do now; none where all is well.
    pub advice: Option<String>,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// As it must be.
    Fine,
    /// Works, or may work, and still should be looked at.
    Doubtful,
    /// No login can work like this.
    Wrong,
    /// Cannot be told without a person.
    Open,
}

impl Step {
    fn new(what: &str, finding: Finding, seen: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            finding,
            seen: printable(&seen.into()),
            advice: None,
        }
    }

    fn advising(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    fn of_trouble(what: &str, trouble: &UpstreamTrouble) -> Self {
        let step = Self::new(what, Finding::Wrong, trouble.to_string());
        match trouble {
            UpstreamTrouble::Metadata(_) => step,
            _ if trouble.is_unreachable() => step.advising(
                "see that this machine reaches it: name, firewall, `proxy`, `allow_networks`, `ca_file`",
            ),
            _ => step,
        }
    }
}

/// Some of it is a provider's word, and whoever reads it may sit at a terminal.
fn printable(text: &str) -> String {
    let spelt = |character: char| {
        let control = character.is_control().then(|| character.escape_default());
        let plain = Some(character).filter(|character| !character.is_control());
        plain.into_iter().chain(control.into_iter().flatten())
    };
    text.chars().flat_map(spelt).collect()
}

/// Where a login's requests go.
struct Endpoints {
    authorization: Url,
    token: Url,
    authentication: ClientAuthentication,
    userinfo: Option<Url>,
}

impl RelyingParty {
    /// Tries `provider` as far as that is possible without a person. Sends at most two authorization requests, two
    /// token requests, and one request to each other address of a login, which carries no token.
    pub async fn try_out(&self, tenant: &Tenant, provider: &UpstreamProvider) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Protocol::OpenIdConnect(openid) = &provider.protocol
            && let Some(page) = &openid.sign_in_page
        {
            let algorithm = posted_token_algorithm(openid).map_err(UpstreamTrouble::from);
            steps.push(self.keys(provider, algorithm, &page.keys).await);
            let reached = self.reached(provider, "sign-in page", &page.address);
            steps.push(reached.await);
            return steps;
        }
        let endpoints = match &provider.protocol {
            Protocol::OpenIdConnect(openid) => self.discovered(provider, openid, &mut steps).await,
            Protocol::OAuth2 {
                authorization_endpoint,
                token_endpoint,
                ..
            } => Some(Endpoints {
                authorization: authorization_endpoint.clone(),
                token: token_endpoint.clone(),
                authentication: provider.client_authentication.clone(),
                userinfo: None,
            }),
        };
        let Some(endpoints) = endpoints else {
            return steps;
        };
        self.redirect_uri(tenant, provider, &endpoints, &mut steps)
            .await;
        steps.push(self.client(tenant, provider, &endpoints).await);
        let userinfo = endpoints.userinfo.iter().map(|url| ("userinfo", url));
        let requests = provider.profile_requests.iter();
        let requests = requests.map(|request| (&*request.name, &request.url));
        for (what, url) in userinfo.chain(requests) {
            steps.push(self.reached(provider, what, url).await);
        }
        steps
    }

    /// Metadata and keys. `None`: without them there is nothing further to try.
    async fn discovered(
        &self,
        provider: &UpstreamProvider,
        openid: &OpenIdConnect,
        steps: &mut Vec<Step>,
    ) -> Option<Endpoints> {
        let metadata = match self.metadata(provider, openid).await {
            Ok(metadata) => metadata,
            Err(trouble) => {
                steps.push(Step::of_trouble("discovery", &trouble));
                return None;
            }
        };
        let seen = format!("{} is of issuer {}", openid.discovery, metadata.issuer);
        steps.push(Step::new("discovery", Finding::Fine, seen));
        steps.extend(unlisted(&metadata, provider));
        let algorithm = metadata.id_token_algorithm(openid.id_token_algorithm.as_deref());
        let algorithm = algorithm.map_err(UpstreamTrouble::from);
        steps.push(self.keys(provider, algorithm, &metadata.jwks_uri).await);
        let asks_userinfo = openid.userinfo != Userinfo::Never;
        if openid.userinfo == Userinfo::Always && metadata.userinfo_endpoint.is_none() {
            let seen = "its metadata name no `userinfo_endpoint`, which is asked at every sign-in";
            let step = Step::new("userinfo", Finding::Wrong, seen);
            steps.push(step.advising("see that this is the provider that the preset is for"));
        }
        Some(Endpoints {
            authorization: metadata.authorization_endpoint.clone(),
            token: metadata.token_endpoint.clone(),
            authentication: metadata.client_authentication(&provider.client_authentication),
            userinfo: metadata.userinfo_endpoint.clone().filter(|_| asks_userinfo),
        })
    }

    async fn keys(
        &self,
        provider: &UpstreamProvider,
        algorithm: Result<SignatureAlgorithm, UpstreamTrouble>,
        jwks_uri: &Url,
    ) -> Step {
        const WHAT: &str = "keys";
        let algorithm = match algorithm {
            Ok(algorithm) => algorithm,
            Err(trouble) => return Step::of_trouble(WHAT, &trouble),
        };
        let client = match self.http.for_reach(&provider.reach) {
            Ok(client) => client,
            Err(fault) => return Step::of_trouble(WHAT, &fault.into()),
        };
        let set = match self.key_sets.published(jwks_uri, &client).await {
            Ok(set) => set,
            Err(fault) => {
                let seen = format!("{jwks_uri}: {fault}");
                return Step::new(WHAT, Finding::Wrong, seen)
                    .advising("see that this machine reaches it, and that it is a key set");
            }
        };
        let says_for_whom = |key: &Jwk| key.members().get("issuer").is_some_and(Value::is_string);
        let must_say = matches!(
            &provider.protocol,
            Protocol::OpenIdConnect(openid) if openid.key_issuer == KeyIssuer::Required
        );
        let fitting = set.fitting(algorithm);
        let fitting = fitting
            .filter(|key| !must_say || says_for_whom(key))
            .count();
        let skipped = set.skipped().len();
        let rest = if skipped == 0 {
            String::new()
        } else {
            format!(", {skipped} left out")
        };
        let seen = format!("{fitting} for {algorithm}{rest}, at {jwks_uri}");
        if fitting > 0 {
            return Step::new(WHAT, Finding::Fine, seen);
        }
        Step::new(WHAT, Finding::Wrong, seen).advising(
            "set `id_token_algorithm` to the algorithm that it signs this client's ID tokens with",
        )
    }

    /// The authorization request as a login sends it, but that nobody shall be asked anything (`prompt=none`,
    /// OIDC Core 1.0 §3.1.2.1): who knows client and redirect URI then answers there.
    async fn redirect_uri(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        endpoints: &Endpoints,
        steps: &mut Vec<Step>,
    ) {
        const WHAT: &str = "redirect URI";
        let ours = tenant.base.redirect_uri(&provider.id);
        let asked = match self.asked(tenant, provider, endpoints, &ours).await {
            Ok(asked) => asked,
            Err(trouble) => {
                steps.push(Step::of_trouble(WHAT, &trouble));
                return;
            }
        };
        let strange = format!("{ours}/not-registered");
        let otherwise = self.asked(tenant, provider, endpoints, &strange).await;
        let otherwise = otherwise.ok().map(|asked| asked.answer);
        steps.extend(judgement::judge_clock(&asked.answer, self.clock.now()));
        let expectation = Expectation {
            redirect_uri: &ours,
            state: &asked.state,
            issuer: asked.issuer.as_deref(),
            issuer_promised: asked.issuer_promised,
        };
        steps.push(judge_redirect_uri(
            WHAT,
            &expectation,
            &asked.answer,
            otherwise.as_ref().map(|answer| (strange.as_str(), answer)),
        ));
    }

    async fn asked(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        endpoints: &Endpoints,
        redirect_uri: &str,
    ) -> Result<Asked, UpstreamTrouble> {
        let counterpart = self.counterpart(provider).await?;
        let continuation = Continuation::Sessions;
        let fresh = self.fresh_attempt(tenant, provider, &counterpart, continuation);
        let mut url = authorization_request(
            &endpoints.authorization,
            redirect_uri,
            provider,
            &fresh.attempt,
            &fresh.state,
            false,
            &LoginHints::default(),
        )?;
        if matches!(provider.protocol, Protocol::OpenIdConnect(_)) {
            without_asking(&mut url);
        }
        let client = self.http.for_reach(&provider.reach)?;
        let answer = get(&client.with_max_body(LARGEST_PAGE), &url, "text/html").await?;
        Ok(Asked {
            answer: Answer::of(&answer, &url),
            state: fresh.state.reveal(),
            issuer: counterpart.issuer.map(|issuer| issuer.to_string()),
            issuer_promised: counterpart.issuer_promised,
        })
    }

    /// Whether the token endpoint takes us for its client.
    async fn client(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        endpoints: &Endpoints,
    ) -> Step {
        const WHAT: &str = "client";
        let redirect_uri = tenant.base.redirect_uri(&provider.id);
        let offered = self
            .offer_made_up_code(
                provider,
                &endpoints.token,
                &endpoints.authentication,
                redirect_uri.clone(),
            )
            .await;
        let ours = match offered {
            Ok(ours) => ours,
            Err(trouble) => return Step::of_trouble(WHAT, &trouble),
        };
        if provider.has_no_credentials() {
            return judge_client_without_secret(WHAT, &ours);
        }
        let stranger = UpstreamProvider {
            client_secret: Some(self.secret()),
            ..provider.clone()
        };
        // By the same method: a client can be refused for another one before anything else is looked at.
        let how = endpoints.authentication.with_spoilt_signature();
        let strangers = self
            .offer_made_up_code(&stranger, &endpoints.token, &how, redirect_uri)
            .await;
        judge_client(WHAT, &ours, strangers.ok().as_ref())
    }

    /// Whether something answers at `url`. Nothing is proven to it, so it may answer what it likes.
    async fn reached(&self, provider: &UpstreamProvider, what: &str, url: &Url) -> Step {
        let answered = async {
            let client = self.http.for_reach(&provider.reach)?;
            get(&client, url, "application/json").await
        };
        match answered.await {
            Ok(answer) if says_nothing(answer.status()) => {
                let seen = format!("{url} answers {}", answer.status().as_u16());
                let advice = if answer.status().is_server_error() {
                    "a server's own trouble: try again later"
                } else {
                    "see that the address is right: redirects are not followed, and without a token 401 is usual"
                };
                Step::new(what, Finding::Doubtful, seen).advising(advice)
            }
            Ok(_) => Step::new(what, Finding::Fine, format!("{url} is reached")),
            Err(trouble) => Step::of_trouble(what, &trouble),
        }
    }
}

/// A status from which nobody can tell that this is the right address.
fn says_nothing(status: StatusCode) -> bool {
    status.is_server_error() || status.is_redirection() || status == StatusCode::NOT_FOUND
}

/// An authorization request that was answered.
struct Asked {
    answer: Answer,
    state: String,
    issuer: Option<String>,
    issuer_promised: bool,
}

/// What the metadata do not list and a login needs.
fn unlisted(metadata: &ProviderMetadata, provider: &UpstreamProvider) -> Option<Step> {
    let unlisted = metadata.unlisted(provider);
    if unlisted.is_empty() {
        return None;
    }
    let seen = format!("its metadata do not list {}", unlisted.join(", "));
    let step = Step::new("metadata", Finding::Doubtful, seen);
    Some(step.advising(
        "if a sign-in fails, look at `client_authentication` and the client's settings there",
    ))
}

/// Replaces any other wish about being asked.
fn without_asking(url: &mut Url) {
    let pairs: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != "prompt")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(pairs)
        .append_pair("prompt", "none");
    spaces_as_everywhere(url);
}

async fn get(
    client: &HttpClient,
    url: &Url,
    accept: &'static str,
) -> Result<http::Response<Vec<u8>>, UpstreamTrouble> {
    let request = http::Request::get(url.as_str())
        .header(header::ACCEPT, accept)
        .body(Vec::new())
        .map_err(|error| UpstreamTrouble::ProfileAnswer(url.as_str().into(), error.to_string()))?;
    Ok(client.send(request).await?)
}
