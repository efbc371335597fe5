//! An upstream provider: who authenticates a tenant's people, and how that provider really behaves.
//!
//! A preset file says what is true of every account at a provider; the tenant's configuration adds its
//! client. This is the result of both. Invariant: whatever a provider does differently is a value here,
//! never a branch on its name elsewhere.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::claim_changes::ClaimChanges;
use super::claims::{ClaimPath, texts};
use super::client_authentication::ClientAuthentication;
use super::email::{EmailAddress, EmailDomain};
use super::email_rule::EmailRule;
use super::ids::{Issuer, ProviderId};
use super::issuer_template::{IssuerTemplate, is_template};
use super::login_hint::LoginHint;
use super::logout::{Logout, LogoutNotices};
use super::profile_request::ProfileRequest;
use super::restrictions::Restrictions;
use super::upstream_tokens::TokenKeeping;

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
    /// What the operator changes about them.
    pub changes: ClaimChanges,
    /// Whom the operator lets in.
    pub restrictions: Restrictions,
    /// The canonical name of the issuer in the key of a person.
    pub issuer_key: Box<str>,
    /// Whether several tenants of its cloud come here, and each names its own people (Slack's workspaces).
    pub has_separate_people: bool,
    /// Whether `preferred_username` is never given to somebody else.
    pub preferred_username_is_stable: bool,
    /// How a sign-out reaches the provider.
    pub logout: Logout,
    /// How a sign-out at the provider reaches us.
    pub logout_notices: LogoutNotices,
    /// What is kept of its tokens, and what for.
    pub tokens: TokenKeeping,
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
    /// The page on which people sign in, where it is not the provider's.
    #[must_use]
    pub const fn sign_in_page(&self) -> Option<&SignInPage> {
        match &self.protocol {
            Protocol::OpenIdConnect(openid) => openid.sign_in_page.as_ref(),
            Protocol::OAuth2 { .. } => None,
        }
    }

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
    /// Whether the metadata may call itself by any of the spellings (Entra External ID).
    pub names_itself_in_any_spelling: bool,
    /// The one signature algorithm of its ID tokens; none: chosen from the metadata
    /// (RS256 where it is listed or nothing is, else the only asymmetric one).
    pub id_token_algorithm: Option<Box<str>>,
    /// Whether userinfo is asked even when nothing is missing from the ID token.
    pub userinfo: Userinfo,
    /// The page on which people sign in, where it is not the provider's.
    pub sign_in_page: Option<SignInPage>,
}

/// A page of the operator's on which people sign in with the provider's own software, and which then posts us
/// their ID token (Firebase): no code is exchanged, and no nonce is in the token.
#[derive(Clone, Debug)]
pub struct SignInPage {
    /// Where.
    pub address: Url,
    /// Where the keys are that sign the tokens.
    pub keys: Url,
    /// How long ago people may have signed in (`auth_time`).
    pub authenticated_within: Duration,
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
    /// Where: the first of these that is there counts.
    pub places: Vec<Place>,
    /// For a list of objects: the name within each; several are joined by `/`. One of the entries must fit.
    pub members: Vec<ClaimPath>,
    /// Whether the case of ASCII letters says nothing.
    pub ignore_case: bool,
    /// What.
    pub rule: ClaimRule,
}

/// What a claim must be: text, compared byte for byte. An absent claim fits only where it must be absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimRule {
    /// What every answer of this provider says; another one is no answer to us.
    Is(Box<str>),
    /// Whom the operator admits.
    OneOf(Vec<Box<str>>),
    /// Whom nobody admits.
    NoneOf(Vec<Box<str>>),
    /// It must not be there: it would say that this is another's (Firebase: `tenant`).
    Absent,
}

impl RequiredClaim {
    /// Whether `values` fit: what stands at the place, or the names of the entries there. None: nothing stands
    /// there that can be read.
    #[must_use]
    pub fn admits(&self, values: Option<&[Box<str>]>) -> bool {
        let same = |wanted: &str, value: &str| {
            wanted == value || (self.ignore_case && wanted.eq_ignore_ascii_case(value))
        };
        let among = |all: &[Box<str>], value: &str| all.iter().any(|wanted| same(wanted, value));
        let Some(values) = values else {
            return false;
        };
        match &self.rule {
            ClaimRule::Is(wanted) => values.iter().any(|value| same(wanted, value)),
            ClaimRule::OneOf(admitted) => values.iter().any(|value| among(admitted, value)),
            ClaimRule::NoneOf(refused) => values.iter().all(|value| !among(refused, value)),
            // Whether something is there at all is for the document to say.
            ClaimRule::Absent => false,
        }
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

/// For the log: the claim, or what was asked for where the whole answer counts.
impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Profile(name) if self.path.is_all() => formatter.write_str(name),
            _ => self.path.fmt(formatter),
        }
    }
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
    /// Roles, likewise.
    pub roles: Vec<GroupMapping>,
    /// The address of a picture.
    pub picture: Option<Place>,
    /// Language.
    pub locale: Option<Place>,
}

/// One source of groups or roles.
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
    /// Where the whole list is then, if it can be asked for.
    pub instead: Option<Box<Self>>,
}

impl GroupMapping {
    /// What says in these documents that the list is not whole.
    pub fn mark<'a>(&'a self, documents: impl Iterator<Item = &'a Value>) -> Option<&'a ClaimPath> {
        let mut marks = documents.flat_map(|document| {
            let marks = self.overage.iter();
            marks.filter(move |mark| mark.find(document).is_some())
        });
        marks.next()
    }

    /// The names in one list. `None`: it has another shape than the preset says.
    #[must_use]
    pub fn names(&self, list: &Value) -> Option<Vec<Box<str>>> {
        if self.members.is_empty() {
            return texts(list);
        }
        let counts = |entry: &&Value| {
            self.only
                .as_ref()
                .is_none_or(|(path, wanted)| path.text(entry).as_ref() == Some(wanted))
        };
        list.as_array()?
            .iter()
            .filter(counts)
            .map(|entry| entry_name(entry, &self.members))
            .collect()
    }
}

/// The name of an entry of a list.
#[must_use]
pub fn entry_name(entry: &Value, members: &[ClaimPath]) -> Option<Box<str>> {
    let parts: Option<Vec<_>> = members.iter().map(|path| path.text(entry)).collect();
    parts.map(|parts| parts.join("/").into())
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
        self.is_spelt(found)
    }

    /// Whether this is the issuer, in any of its spellings.
    pub(super) fn is_spelt(&self, found: &str) -> bool {
        self.spellings().any(|spelling| spelling == found)
    }

    fn spellings(&self) -> impl Iterator<Item = &str> {
        let all = std::iter::once(&self.issuer).chain(&self.further_issuers);
        all.map(Issuer::as_str)
    }

    /// Whether metadata that call themselves so are this provider's (OIDC Discovery 1.0 §4.3).
    #[must_use]
    pub fn is_called(&self, found: &str) -> bool {
        self.issuer.as_str() == found || (self.names_itself_in_any_spelling && self.is_spelt(found))
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
        let (Some(named), Some(found)) = (named, found) else {
            return false;
        };
        let signs_for = |spelling: &str| {
            if is_template(named) {
                self.is_for_tenant_of(claims, named, spelling)
            } else {
                named == spelling
            }
        };
        let any_spelling = self.names_itself_in_any_spelling;
        signs_for(found) || (any_spelling && self.spellings().any(signs_for))
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
            names_itself_in_any_spelling: false,
            id_token_algorithm: None,
            userinfo: Userinfo::Never,
            sign_in_page: None,
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
    #[case::a_tenants(of(A), true)]
    #[case::the_template_itself(of("{tenantid}"), false)]
    #[case::no_guid(of("common"), false)]
    #[case::nothing(of(""), false)]
    #[case::two(of(&format!("{A}/{B}")), false)]
    #[case::slash(of(A) + "/", false)]
    #[case::other_host(format!("https://evil.example/{A}/v2.0"), false)]
    fn t02_an_issuer_alone_names_a_tenant(#[case] issuer: String, #[case] expected: bool) {
        assert_eq!(shared().is_issuer(&issuer), expected);
        assert_eq!(shared().naming_issuer(&issuer, "key"), issuer);
        let single = provider(&of(A), &["spelling"], KeyIssuer::Ignored);
        assert_eq!(single.is_issuer(&issuer), issuer == of(A));
        assert!(single.is_issuer("spelling"));
        assert_eq!(single.naming_issuer("spelling", "key"), "key");
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

    /// Where a provider's spelling of itself differs from token to key, any of its own fits and no other's.
    #[rstest]
    #[case::another_spelling("https://login.example/a", true)]
    #[case::another_tenant("https://login.example/b", false)]
    #[case::silent("", true)]
    fn a_key_may_name_any_spelling(#[case] named: &str, #[case] expected: bool) {
        let mut single = provider(
            "https://a.login.example/a",
            &["https://login.example/a"],
            KeyIssuer::Checked,
        );
        single.names_itself_in_any_spelling = true;
        let named = Some(Value::from(named)).filter(|_| !named.is_empty());
        let claims = json!({"iss": "https://a.login.example/a"});
        assert_eq!(single.signed_by_key_of(named.as_ref(), &claims), expected);
    }

    fn required(rule: ClaimRule, ignore_case: bool) -> RequiredClaim {
        RequiredClaim {
            places: Vec::new(),
            members: Vec::new(),
            ignore_case,
            rule,
        }
    }

    #[rstest]
    #[case::is(ClaimRule::Is("a".into()), &["a"], true)]
    #[case::is_not(ClaimRule::Is("a".into()), &["A"], false)]
    #[case::one_of(ClaimRule::OneOf(vec!["a".into(), "b".into()]), &["b"], true)]
    #[case::other(ClaimRule::OneOf(vec!["a".into()]), &["ab"], false)]
    #[case::one_among_several(ClaimRule::OneOf(vec!["a".into()]), &["b", "a"], true)]
    #[case::none_of(ClaimRule::NoneOf(vec!["a".into()]), &["b"], true)]
    #[case::refused(ClaimRule::NoneOf(vec!["a".into()]), &["a"], false)]
    #[case::refused_among_several(ClaimRule::NoneOf(vec!["a".into()]), &["b", "a"], false)]
    fn a_required_claim_is_there_and_fits(
        #[case] rule: ClaimRule,
        #[case] values: &[&str],
        #[case] expected: bool,
    ) {
        let values: Vec<Box<str>> = values.iter().map(|&value| value.into()).collect();
        let required = required(rule, false);
        assert_eq!(required.admits(Some(&values)), expected);
        assert!(!required.admits(None), "what is absent fits nothing");
    }

    #[rstest]
    #[case::is(ClaimRule::Is("B2C_1_Sign".into()), "b2c_1_sign", true)]
    #[case::one_of(ClaimRule::OneOf(vec!["Acme".into()]), "aCME", true)]
    #[case::none_of(ClaimRule::NoneOf(vec!["Acme".into()]), "acme", false)]
    #[case::other(ClaimRule::Is("B2C_1_Sign".into()), "b2c_1_sign2", false)]
    // Letters that only some alphabets have are not folded: K here is the sign for kelvin.
    #[case::kelvin(ClaimRule::Is("k".into()), "\u{212a}", false)]
    fn letter_case_says_nothing_where_it_is_told(
        #[case] rule: ClaimRule,
        #[case] value: &str,
        #[case] expected: bool,
    ) {
        let values = [value.into()];
        assert_eq!(required(rule, true).admits(Some(&values)), expected);
    }
}
