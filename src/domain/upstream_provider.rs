//! An upstream provider: who authenticates a tenant's people, and how that provider really behaves.
//!
//! A preset file says what is true of every account at a provider; the tenant's configuration adds its
//! client. This is the result of both. Invariant: whatever a provider does differently is a value here,
//! never a branch on its name elsewhere.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use super::claims::{ClaimPath, EmailRule};
use super::ids::{Issuer, ProviderId};

/// A provider of one tenant, ready to be used.
#[derive(Clone, Debug)]
pub struct UpstreamProvider {
    /// The operator's name of it; part of its redirect URI.
    pub id: ProviderId,
    /// What people call it: "Continue with {name}".
    pub name: Box<str>,
    /// The preset it was made from.
    pub preset: Box<str>,
    /// Our name at the provider (`client_id`, RFC 6749 §2.2).
    pub client_id: Box<str>,
    /// Our secret there; none for a public client, which PKCE protects.
    pub client_secret: Option<SecretString>,
    /// How the secret is presented.
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
    /// `prompt` that lets a person choose another account, where the provider knows one.
    pub switch_account_prompt: Option<Box<str>>,
    /// Whether errors can come with status 200 (GitHub).
    pub errors_with_success_status: bool,
    /// Requests that tell who the person is, in order; their answers are one document each.
    pub profile_requests: Vec<ProfileRequest>,
    /// Where the facts about a person are.
    pub claims: ClaimMapping,
    /// The canonical name of the issuer in the key of a person.
    pub issuer_key: Box<str>,
    /// Whether `preferred_username` is never given to somebody else.
    pub preferred_username_is_stable: bool,
    /// How a sign-out reaches the provider.
    pub logout: Logout,
    /// How the provider is reached.
    pub reach: Reach,
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
    /// `iss` of its ID tokens.
    pub issuer: Issuer,
    /// Where its metadata is (OIDC Discovery 1.0 §4).
    pub discovery: Url,
    /// The one signature algorithm of its ID tokens; none: chosen from the metadata
    /// (RS256 where it is listed or nothing is, else the only asymmetric one).
    pub id_token_algorithm: Option<Box<str>>,
    /// Whether userinfo is asked even when nothing is missing from the ID token.
    pub userinfo: Userinfo,
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

/// How our secret is presented to the token endpoint (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// As the metadata says; basic where it says nothing.
    #[default]
    Discovered,
    /// `Authorization: Basic`, both parts form-encoded first.
    Basic,
    /// In the body.
    Post,
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
    /// Whether more pages are followed by `Link: <…>; rel="next"` (RFC 8288); the answer is a list then.
    pub paginated: bool,
    /// An answer header that means the list is not whole (GitHub: `X-GitHub-SSO`). Then the login is
    /// refused where the answer matters: unknown is not "none".
    pub incomplete_header: Option<HeaderName>,
}

/// Which document a fact is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The verified ID token, and userinfo for what is missing there.
    Claims,
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
    /// What the provider really keeps stable. Required.
    pub subject: Place,
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
}

/// How a sign-out reaches the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logout {
    /// It cannot: people are told that they stay signed in there.
    None,
    /// RP-initiated logout where the metadata has `end_session_endpoint` (OIDC RP-Initiated Logout 1.0).
    Discovered,
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
