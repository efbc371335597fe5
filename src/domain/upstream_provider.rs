//! An upstream provider: who authenticates a tenant's people, and how that provider really behaves.
//!
//! A preset file says what is true of every account at a provider; the tenant's configuration adds its
//! client. This is the result of both. Invariant: whatever a provider does differently is a value here,
//! never a branch on its name elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use ipnet::IpNet;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::claims::ClaimPath;
use super::client_authentication::ClientAuthentication;
use super::email::{EmailAddress, EmailDomain};
use super::email_rule::EmailRule;
use super::ids::{Issuer, ProviderId};
use super::issuer_template::{IssuerTemplate, is_template};
use super::login_hint::LoginHint;

/// A provider of one tenant, ready to be used.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact about the provider, by its own name"
)]
pub struct UpstreamProvider {
    /// The operator's name of it; part of its redirect URI.
    pub id: ProviderId,
    /// What people call it: "Continue with {name}".
    pub name: Box<str>,
    /// The preset it was made from.
    pub preset: Box<str>,
    /// Our name at the provider (`client_id`, RFC 6749 §2.2).
    pub client_id: Box<str>,
    /// Our secret there; none for a public client, which PKCE protects, and for one that signs.
    pub client_secret: Option<SecretString>,
    /// How we authenticate.
    pub client_authentication: ClientAuthentication,
    /// OpenID Connect or plain OAuth 2.
    pub protocol: Protocol,
    /// Whether a PKCE challenge is sent (RFC 7636). Only S256 exists here.
    pub pkce: bool,
    /// Scopes asked for.
    pub scopes: Vec<Box<str>>,
    /// What stands between scopes in the request: a space by the standard.
    pub scope_separator: Box<str>,
    /// Further parameters of the authorization request.
    pub authorization_parameters: Vec<(Box<str>, Box<str>)>,
    /// How it answers an authorization request.
    pub response_mode: ResponseMode,
    /// Domains of the addresses of its people, who are sent here when they give one.
    pub email_domains: Vec<EmailDomain>,
    /// Which hints it understands, and what it calls them.
    pub hints: Vec<(LoginHint, Box<str>)>,
    /// Values of `prompt` that are handed on to it.
    pub prompts: Vec<Box<str>>,
    /// `prompt` that lets a person choose another account, where the provider knows one.
    pub switch_account_prompt: Option<Box<str>>,
    /// Parameters that let a person choose another account, where the provider has its own (Twitch:
    /// `force_verify`).
    pub switch_account_parameters: Vec<(Box<str>, Box<str>)>,
    /// How the token request is written.
    pub token_request: TokenRequest,
    /// Whether errors can come with status 200 (GitHub).
    pub errors_with_success_status: bool,
    /// Requests that tell who the person is, in order; their answers are one document each.
    pub profile_requests: Vec<ProfileRequest>,
    /// What the documents about a person must say before anything else in them counts.
    pub required_claims: Vec<RequiredClaim>,
    /// Where the facts about a person are.
    pub claims: ClaimMapping,
    /// The canonical name of the issuer in the key of a person.
    pub issuer_key: Box<str>,
    /// Whether several tenants of its cloud come here, and each names its own people (Slack's workspaces).
    pub has_separate_people: bool,
    /// Whether `preferred_username` is never given to somebody else.
    pub preferred_username_is_stable: bool,
    /// How a sign-out reaches the provider.
    pub logout: Logout,
    /// How the provider is reached.
    pub reach: Reach,
}

/// How the answer to an authorization request comes (`response_mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the query of a redirect, as nothing need be said for (RFC 6749 §4.1.2).
    #[default]
    Query,
    /// In a form that the browser posts (OAuth 2.0 Form Post Response Mode §2), and in no other way.
    FormPost,
}

impl UpstreamProvider {
    /// Whether nothing proves who we are there: a public client, which PKCE protects (RFC 6749 §2.1).
    #[must_use]
    pub const fn has_no_credentials(&self) -> bool {
        self.client_secret.is_none()
            && !matches!(
                self.client_authentication,
                ClientAuthentication::Assertion(_) | ClientAuthentication::GeneratedSecret(_)
            )
    }

    /// Whether people with this address sign in here.
    #[must_use]
    pub fn is_for(&self, address: &EmailAddress) -> bool {
        self.email_domains
            .iter()
            .any(|domain| address.is_in(domain))
    }
}

/// What the provider speaks.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// OpenID Connect with discovery.
    OpenIdConnect(OpenIdConnect),
    /// OAuth 2 without identity: profile requests tell who it is.
    OAuth2 {
        /// Where people are sent (RFC 6749 §3.1).
        authorization_endpoint: Url,
        /// Where codes are exchanged (RFC 6749 §3.2).
        token_endpoint: Url,
        /// The `iss` it may send with its answer (RFC 9207).
        response_issuer: Option<Issuer>,
    },
}

/// An OpenID Connect provider.
#[derive(Clone, Debug)]
pub struct OpenIdConnect {
    /// What it calls itself in its metadata, and `iss` of its ID tokens unless the next lines say otherwise.
    pub issuer: Issuer,
    /// Other spellings of it in ID tokens (Google leaves out the scheme at times).
    pub further_issuers: Vec<Issuer>,
    /// The claim that `{tenantid}` stands for, in the issuer and in the issuers of keys: always a GUID.
    pub tenant_claim: Option<ClaimPath>,
    /// Whether each of its keys says whose tokens it signs.
    pub key_issuer: KeyIssuer,
    /// How long its keys are not asked for again because a token names one that is not there.
    pub key_cool_down: Duration,
    /// Where its metadata is (OIDC Discovery 1.0 §4).
    pub discovery: Url,
    /// The one signature algorithm of its ID tokens; none: chosen from the metadata
    /// (RS256 where it is listed or nothing is, else the only asymmetric one).
    pub id_token_algorithm: Option<Box<str>>,
    /// Whether userinfo is asked even when nothing is missing from the ID token.
    pub userinfo: Userinfo,
}

/// Whether keys have a member `issuer`, which says whose tokens each of them signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyIssuer {
    /// What stands there means nothing.
    #[default]
    Ignored,
    /// Where it stands, it must fit `iss`.
    Checked,
    /// It must stand there, and fit.
    Required,
}

/// What a document about a person must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredClaim {
    /// Where.
    pub place: Place,
    /// What.
    pub rule: ClaimRule,
}

/// What a claim must be: text, compared byte for byte. An absent claim never fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimRule {
    /// What every answer of this provider says; another one is no answer to us.
    Is(Box<str>),
    /// Whom the operator admits.
    OneOf(Vec<Box<str>>),
    /// Whom nobody admits.
    NoneOf(Vec<Box<str>>),
}

impl ClaimRule {
    /// Whether `value` fits.
    #[must_use]
    pub fn admits(&self, value: Option<&str>) -> bool {
        value.is_some_and(|value| match self {
            Self::Is(wanted) => **wanted == *value,
            Self::OneOf(admitted) => admitted.iter().any(|wanted| **wanted == *value),
            Self::NoneOf(refused) => refused.iter().all(|other| **other != *value),
        })
    }
}

/// When userinfo is asked (OIDC Core 1.0 §5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Userinfo {
    /// When a claim that was asked for is missing from the ID token.
    #[default]
    WhenMissing,
    /// At every login.
    Always,
    /// Never.
    Never,
}

/// How the token request is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenRequest {
    /// As a form (RFC 6749 §4.1.3).
    #[default]
    Form,
    /// As a JSON object with the same members (Notion).
    Json,
}

/// One request about the person, with the access token.
#[derive(Clone, Debug)]
pub struct ProfileRequest {
    /// What mappings call its answer.
    pub name: Box<str>,
    /// Where.
    pub url: Url,
    /// Scheme before the access token in `Authorization`.
    pub authorization_scheme: Box<str>,
    /// Further headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether there is more than one page of the answer. With several, the document is one whole list.
    pub pages: Pages,
    /// What every good answer says, where the status does not tell (Naver: `resultcode` is `00`).
    pub success: Option<(ClaimPath, Box<str>)>,
    /// The status that says that the person is not one of those asked about, and so is not let in (Discord:
    /// 404 about a member of a server).
    pub not_admitted_status: Option<StatusCode>,
    /// An answer header that means the list is not whole (GitHub: `X-GitHub-SSO`). Then the login is
    /// refused where the answer matters: unknown is not "none".
    pub incomplete_header: Option<HeaderName>,
}

/// How a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pages {
    /// The answer is all there is.
    One,
    /// By `Link: <…>; rel="next"` (RFC 8288). The answer is a list.
    Link,
    /// By an address in the answer, which has the list beside it (Bitbucket).
    Body {
        /// Where the address of the next page is; absent on the last one.
        next: ClaimPath,
        /// Where the list is.
        list: ClaimPath,
    },
}

/// Which document a fact is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The verified ID token, and userinfo for what is missing there.
    Claims,
    /// Userinfo alone.
    Userinfo,
    /// What stands in the token answer beside the tokens (Notion: whose workspace it is).
    TokenAnswer,
    /// The answer to a profile request.
    Profile(Box<str>),
}

/// A fact's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which document.
    pub source: Source,
    /// Where in it.
    pub path: ClaimPath,
}

/// Where the facts about a person are.
#[derive(Clone, Debug)]
pub struct ClaimMapping {
    /// What the provider really keeps stable: one fact, or several that only together are one person.
    pub subject: Vec<Place>,
    /// Display name.
    pub name: Option<Place>,
    /// Name at the provider.
    pub preferred_username: Option<Place>,
    /// When an address counts, and where it is.
    pub email: (Source, EmailRule),
    /// Groups: a list of strings, or of objects.
    pub groups: Vec<GroupMapping>,
}

/// One source of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMapping {
    /// The list.
    pub place: Place,
    /// For a list of objects: the name within each; several are joined by `/` (organization and team).
    pub members: Vec<ClaimPath>,
    /// Kept only where this member has this value (GitHub: `state` = `active`).
    pub only: Option<(ClaimPath, Box<str>)>,
    /// Marks beside the list that it is not whole (Entra: `_claim_names`). Unknown is not "none".
    pub overage: Vec<ClaimPath>,
}

/// How a sign-out reaches the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logout {
    /// It cannot: people are told that they stay signed in there.
    None,
    /// The person is sent there.
    Redirect(LogoutRedirect),
}

/// Where a person is sent to sign out, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutRedirect {
    /// Whether the metadata's `end_session_endpoint` counts, where it has one (OIDC RP-Initiated Logout 1.0).
    pub discovered: bool,
    /// Otherwise here.
    pub address: Option<Url>,
    /// The query. Without [`LogoutValue::State`] the provider brings nothing back, so that the browser has to
    /// remember which sign-out it was.
    pub parameters: Vec<(Box<str>, LogoutValue)>,
}

/// What a parameter of the request to sign out says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoutValue {
    /// The ID token of the session that ends.
    IdToken,
    /// Our name at the provider.
    ClientId,
    /// Where the person comes back to.
    ReturnAddress,
    /// Names this sign-out, and comes back with the person.
    State,
}

impl LogoutRedirect {
    /// As OIDC RP-Initiated Logout 1.0 §2 has it.
    #[must_use]
    pub fn standard_parameters() -> Vec<(Box<str>, LogoutValue)> {
        [
            ("id_token_hint", LogoutValue::IdToken),
            ("client_id", LogoutValue::ClientId),
            ("post_logout_redirect_uri", LogoutValue::ReturnAddress),
            ("state", LogoutValue::State),
        ]
        .map(|(name, value)| (name.into(), value))
        .into()
    }
}

impl UpstreamProvider {
    /// The one issuer of everybody who signs in here; none where each tenant of a cloud is one.
    #[must_use]
    pub fn only_issuer(&self) -> Option<&str> {
        if self.has_separate_people {
            return None;
        }
        match &self.protocol {
            Protocol::OpenIdConnect(openid) => {
                (!openid.is_shared_by_tenants()).then_some(openid.issuer.as_str())
            }
            Protocol::OAuth2 { .. } => Some(&self.issuer_key),
        }
    }
}

impl OpenIdConnect {
    /// Whether each tenant of a cloud is an issuer of its own here (Entra's `common`).
    #[must_use]
    pub fn is_shared_by_tenants(&self) -> bool {
        self.tenant_claim.is_some() && is_template(self.issuer.as_str())
    }

    /// Whether `iss` of these claims is one of this provider's, byte for byte.
    #[must_use]
    pub fn issued(&self, claims: &Value) -> bool {
        let Some(found) = claims.get("iss").and_then(Value::as_str) else {
            return false;
        };
        if self.is_shared_by_tenants() {
            return self.is_for_tenant_of(claims, self.issuer.as_str(), found);
        }
        let mut all = std::iter::once(&self.issuer).chain(&self.further_issuers);
        all.any(|issuer| issuer.as_str() == found)
    }

    /// Whether a key whose member `issuer` is `named` signs tokens with these claims, of which
    /// [`OpenIdConnect::issued`] is true.
    #[must_use]
    pub fn signed_by_key_of(&self, named: Option<&Value>, claims: &Value) -> bool {
        let named = match (self.key_issuer, named) {
            (KeyIssuer::Ignored, _) | (KeyIssuer::Checked, None) => return true,
            (KeyIssuer::Required, None) => return false,
            (KeyIssuer::Checked | KeyIssuer::Required, Some(named)) => named.as_str(),
        };
        let found = claims.get("iss").and_then(Value::as_str);
        match (named, found) {
            (Some(named), Some(found)) if !is_template(named) => named == found,
            (Some(named), Some(found)) => self.is_for_tenant_of(claims, named, found),
            _ => false,
        }
    }

    /// Whether `found` is `template` for the tenant that the claims name.
    fn is_for_tenant_of(&self, claims: &Value, template: &str, found: &str) -> bool {
        let tenant = self
            .tenant_claim
            .as_ref()
            .and_then(|claim| claim.find(claims));
        let tenant = tenant.and_then(Value::as_str);
        IssuerTemplate::new(template)
            .zip(tenant)
            .is_some_and(|(template, tenant)| template.is_filled(tenant, found))
    }
}

/// How a provider is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Certificate authorities to trust beside the usual ones, PEM.
    pub ca_file: Option<PathBuf>,
    /// Networks it may be in although they are private. Metadata addresses stay refused.
    pub allow_networks: Vec<IpNet>,
    /// An HTTP proxy to go through.
    pub proxy: Option<Url>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    const A: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
    const B: &str = "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee";

    fn provider(issuer: &str, further: &[&str], key_issuer: KeyIssuer) -> OpenIdConnect {
        OpenIdConnect {
            issuer: Issuer::new(issuer),
            further_issuers: further.iter().map(|issuer| Issuer::new(issuer)).collect(),
            tenant_claim: Some(ClaimPath::new("tid")),
            key_issuer,
            key_cool_down: Duration::from_secs(30),
            discovery: "https://login.example/x".parse().expect("an address"),
            id_token_algorithm: None,
            userinfo: Userinfo::Never,
        }
    }

    fn shared() -> OpenIdConnect {
        provider(
            "https://login.example/{tenantid}/v2.0",
            &[],
            KeyIssuer::Required,
        )
    }

    fn of(tenant: &str) -> String {
        format!("https://login.example/{tenant}/v2.0")
    }

    #[rstest]
    #[case::own(json!({"iss": of(A), "tid": A}), true)]
    #[case::another_tenants(json!({"iss": of(A), "tid": B}), false)]
    #[case::the_template_itself(json!({"iss": of("{tenantid}"), "tid": "{tenantid}"}), false)]
    #[case::no_guid(json!({"iss": of("common"), "tid": "common"}), false)]
    #[case::nothing(json!({"iss": of(""), "tid": ""}), false)]
    #[case::no_tenant(json!({"iss": of(A)}), false)]
    #[case::list(json!({"iss": of(A), "tid": [A]}), false)]
    #[case::slash(json!({"iss": of(A) + "/", "tid": A}), false)]
    #[case::path(json!({"iss": "https://login.example/evil", "tid": "../evil"}), false)]
    #[case::capitals(json!({"iss": of(A), "tid": A.to_uppercase()}), false)]
    #[case::other_host(json!({"iss": format!("https://evil.example/{A}/v2.0"), "tid": A}), false)]
    #[case::no_issuer(json!({"tid": A}), false)]
    fn t02_only_the_tenant_is_filled_into_an_issuer(#[case] claims: Value, #[case] expected: bool) {
        assert_eq!(shared().issued(&claims), expected);
    }

    #[rstest]
    #[case::itself("https://accounts.example", true)]
    #[case::spelling("accounts.example", true)]
    #[case::slash("https://accounts.example/", false)]
    #[case::spelling_with_slash("accounts.example/", false)]
    #[case::http("http://accounts.example", false)]
    #[case::capitals("https://Accounts.example", false)]
    #[case::prefix("https://accounts.example.evil", false)]
    fn t02_a_spelling_is_exact(#[case] issuer: &str, #[case] expected: bool) {
        let spellings = ["accounts.example"];
        let provider = provider("https://accounts.example", &spellings, KeyIssuer::Ignored);
        assert_eq!(provider.issued(&json!({ "iss": issuer })), expected);
    }

    /// Without a claim for it, braces are letters like others.
    #[test]
    fn t02_an_issuer_is_no_template_unless_the_preset_says_so() {
        let mut provider = shared();
        provider.tenant_claim = None;
        assert!(!provider.issued(&json!({"iss": of(A), "tid": A})));
        assert!(!provider.is_shared_by_tenants());
    }

    #[rstest]
    #[case::template(Some(json!("https://login.example/{tenantid}/v2.0")), true)]
    #[case::template_in_other_letters(Some(json!("https://login.example/{TenantId}/v2.0")), true)]
    #[case::own(Some(json!(of(A))), true)]
    #[case::another_tenants(Some(json!(of(B))), false)]
    #[case::other_host(Some(json!("https://evil.example/{tenantid}/v2.0")), false)]
    #[case::not_text(Some(json!([of(A)])), false)]
    #[case::null(Some(json!(null)), false)]
    #[case::absent(None, false)]
    fn t02_a_key_signs_for_whom_it_names(#[case] named: Option<Value>, #[case] expected: bool) {
        let claims = json!({"iss": of(A), "tid": A});
        assert_eq!(shared().signed_by_key_of(named.as_ref(), &claims), expected);
        // Where keys need not say it, only silence differs.
        let single = provider(&of(A), &[], KeyIssuer::Checked);
        let expected = expected || named.is_none();
        assert_eq!(single.signed_by_key_of(named.as_ref(), &claims), expected);
    }

    #[rstest]
    #[case::is(ClaimRule::Is("a".into()), Some("a"), true)]
    #[case::is_not(ClaimRule::Is("a".into()), Some("A"), false)]
    #[case::one_of(ClaimRule::OneOf(vec!["a".into(), "b".into()]), Some("b"), true)]
    #[case::other(ClaimRule::OneOf(vec!["a".into()]), Some("ab"), false)]
    #[case::none_of(ClaimRule::NoneOf(vec!["a".into()]), Some("b"), true)]
    #[case::refused(ClaimRule::NoneOf(vec!["a".into()]), Some("a"), false)]
    #[case::absent(ClaimRule::NoneOf(vec!["a".into()]), None, false)]
    fn a_required_claim_is_there_and_fits(
        #[case] rule: ClaimRule,
        #[case] value: Option<&str>,
        #[case] expected: bool,
    ) {
        assert_eq!(rule.admits(value), expected);
    }
}
