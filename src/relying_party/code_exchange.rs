//! The token request, for a code (RFC 6749 §4.1.3) or a refresh token (§6), and the many shapes of its answer.
//!
//! The `oauth2` crate builds the request and reads the answer; it accepts only what RFC 6749 §5 says, so
//! what a provider does differently is put right in [`normalised`] first.

use std::time::Duration;

use http::{StatusCode, header};
use oauth2::basic::{BasicErrorResponse, BasicTokenType};
use oauth2::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, PkceCodeVerifier, RedirectUrl,
    RefreshToken, RequestTokenError, StandardTokenResponse, TokenResponse as _, TokenUrl,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use url::Url;

use super::{RelyingParty, UpstreamTrouble};
use crate::domain::client_authentication::ClientAuthentication;
use crate::domain::login_attempt::MatchedAttempt;
use crate::domain::upstream_provider::{TokenRequest, UpstreamProvider};
use crate::jose::is_shallow;
use crate::outbound::{HttpClient, OutboundError};

/// What the provider gave for the code.
#[derive(Debug)]
pub(super) struct Tokens {
    /// For userinfo and profile requests.
    pub(super) access_token: SecretString,
    /// When it expires, as the provider says.
    pub(super) expires_at: Option<OffsetDateTime>,
    /// For the next ones.
    pub(super) refresh_token: Option<SecretString>,
    /// Not believed yet.
    pub(super) id_token: Option<SecretString>,
    /// What else stood in the answer. It came from the provider itself, over TLS, for this code.
    pub(super) further: Value,
}

impl Tokens {
    /// Where none were asked for.
    pub(super) fn none() -> Self {
        Self {
            access_token: SecretString::default(),
            expires_at: None,
            refresh_token: None,
            id_token: None,
            further: Value::Null,
        }
    }

    fn of(response: &TokenResponse, now: OffsetDateTime) -> Result<Self, UpstreamTrouble> {
        let further = Value::Object(response.extra_fields().further.clone());
        if !is_shallow(&further) {
            let reason = "it is nested deeper than 32 levels".to_owned();
            return Err(UpstreamTrouble::TokenAnswer(reason));
        }
        let lifetime = response.expires_in();
        let refresh_token = response.refresh_token();
        Ok(Self {
            access_token: response.access_token().secret().clone().into(),
            expires_at: lifetime.map(|lifetime| now + lifetime.min(LONGEST_LIFE)),
            refresh_token: refresh_token.map(|token| token.secret().clone().into()),
            id_token: response.extra_fields().id_token.clone().map(Into::into),
            further,
        })
    }
}

/// A token that lives longer is as good as one that never expires, and no calendar ends before it.
const LONGEST_LIFE: Duration = Duration::from_hours(24 * 3650);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct WithIdToken {
    #[serde(default)]
    id_token: Option<String>,
    #[serde(flatten)]
    further: Map<String, Value>,
}

impl oauth2::ExtraTokenFields for WithIdToken {}

type TokenResponse = StandardTokenResponse<WithIdToken, BasicTokenType>;

type Client = oauth2::Client<
    BasicErrorResponse,
    TokenResponse,
    oauth2::basic::BasicTokenIntrospectionResponse,
    oauth2::StandardRevocableToken,
    oauth2::basic::BasicRevocationErrorResponse,
>;

impl RelyingParty {
    /// Exchanges the code of a matched attempt.
    pub(super) async fn exchange_code(
        &self,
        provider: &UpstreamProvider,
        token_endpoint: &Url,
        authentication: &ClientAuthentication,
        redirect_uri: String,
        matched: &MatchedAttempt,
    ) -> Result<Tokens, UpstreamTrouble> {
        let code = AuthorizationCode::new(matched.code().expose_secret().to_owned());
        let verifier = &matched.attempt().code_verifier;
        let response = self
            .redeem(
                provider,
                token_endpoint,
                authentication,
                redirect_uri,
                code,
                verifier,
            )
            .await?;
        Tokens::of(&response, self.clock.now())
    }

    /// What the token endpoint says to a code that it never gave: which of client and code it finds wrong tells
    /// whether it takes us for its client. Tokens are no answer to that, and are dropped.
    pub(super) async fn offer_made_up_code(
        &self,
        provider: &UpstreamProvider,
        token_endpoint: &Url,
        authentication: &ClientAuthentication,
        redirect_uri: String,
    ) -> Result<MadeUpCode, UpstreamTrouble> {
        let code = AuthorizationCode::new(format!("made-up-{}", self.secret().expose_secret()));
        let verifier = self.secret();
        let answer = self
            .redeem(
                provider,
                token_endpoint,
                authentication,
                redirect_uri,
                code,
                &verifier,
            )
            .await;
        match answer {
            Ok(_) => Ok(MadeUpCode::Taken),
            Err(UpstreamTrouble::TokenRefused(error)) => Ok(MadeUpCode::Refused(error)),
            Err(trouble) => Err(trouble),
        }
    }

    /// One token request for one code.
    async fn redeem(
        &self,
        provider: &UpstreamProvider,
        token_endpoint: &Url,
        authentication: &ClientAuthentication,
        redirect_uri: String,
        code: AuthorizationCode,
        verifier: &SecretString,
    ) -> Result<TokenResponse, UpstreamTrouble> {
        let Authenticated {
            client,
            credentials,
        } = self.authenticated(provider, token_endpoint, authentication)?;
        let client = client
            .set_token_uri(TokenUrl::from_url(token_endpoint.clone()))
            .set_redirect_uri(RedirectUrl::new(redirect_uri)?);
        let mut request = client.exchange_code(code);
        for (name, value) in credentials.assertion_parameters() {
            request = request.add_extra_param(name, value);
        }
        if provider.pkce {
            let verifier = verifier.expose_secret().to_owned();
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier));
        }
        let sender = self.sender(provider)?;
        let send = move |request| sender.clone().send(request);
        request.request_async(&send).await.map_err(trouble)
    }

    /// Exchanges a refresh token for new tokens (RFC 6749 §6), with what was granted before and no more.
    pub(super) async fn exchange_refresh_token(
        &self,
        provider: &UpstreamProvider,
        token_endpoint: &Url,
        authentication: &ClientAuthentication,
        refresh_token: &SecretString,
    ) -> Result<Tokens, UpstreamTrouble> {
        let Authenticated {
            client,
            credentials,
        } = self.authenticated(provider, token_endpoint, authentication)?;
        let client = client.set_token_uri(TokenUrl::from_url(token_endpoint.clone()));
        let refresh_token = RefreshToken::new(refresh_token.expose_secret().to_owned());
        let mut request = client.exchange_refresh_token(&refresh_token);
        for (name, value) in credentials.assertion_parameters() {
            request = request.add_extra_param(name, value);
        }
        let sender = self.sender(provider)?;
        let send = move |request| sender.clone().send(request);
        let response = request.request_async(&send).await.map_err(trouble)?;
        Tokens::of(&response, self.clock.now())
    }

    fn sender(&self, provider: &UpstreamProvider) -> Result<Sender, UpstreamTrouble> {
        Ok(Sender {
            http: self.http.for_reach(&provider.reach)?,
            written: provider.token_request,
            errors_with_success_status: provider.errors_with_success_status,
        })
    }
}

/// Brings a request to the token endpoint, written as it wants it, and its answer back as RFC 6749 has it.
#[derive(Clone)]
struct Sender {
    http: HttpClient,
    written: TokenRequest,
    errors_with_success_status: bool,
}

impl Sender {
    async fn send(
        self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, NoAnswer> {
        let request = match self.written {
            TokenRequest::Form => request,
            TokenRequest::Json => in_json(request),
        };
        let answer = self.http.send(request).await.map_err(NoAnswer::Outbound)?;
        match answer.status().as_u16() {
            429 => Err(NoAnswer::Status(429)),
            200..=299 | 400..=499 => Ok(normalised(answer, self.errors_with_success_status)),
            other => Err(NoAnswer::Status(other)),
        }
    }
}

/// What came of a code that was never given.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MadeUpCode {
    /// `error` of the answer (RFC 6749 §5.2).
    Refused(String),
    /// Tokens.
    Taken,
}

/// The client of one request to the token endpoint.
struct Authenticated {
    client: Client,
    credentials: Credentials,
}

/// What proves who we are.
pub(super) struct Credentials {
    /// Whether the secret goes into `Authorization`.
    pub(super) in_header: bool,
    pub(super) secret: Option<SecretString>,
    /// In place of a secret.
    assertion: Option<SecretString>,
}

impl Credentials {
    /// RFC 7523 §2.2.
    pub(super) fn assertion_parameters(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.assertion.iter().flat_map(assertion_parameters)
    }
}

impl RelyingParty {
    /// What proves who we are, as this provider wants to see it. What is signed is signed anew for each request.
    pub(super) fn credentials(
        &self,
        provider: &UpstreamProvider,
        token_endpoint: &Url,
        authentication: &ClientAuthentication,
    ) -> Result<Credentials, UpstreamTrouble> {
        let now = self.clock.now();
        let own = provider.client_secret.clone();
        let (in_header, secret, assertion) = match authentication {
            ClientAuthentication::Basic | ClientAuthentication::Discovered => (true, own, None),
            ClientAuthentication::Post => (false, own, None),
            ClientAuthentication::GeneratedSecret(ours) => {
                let secret = ours.secret(token_endpoint, now)?;
                (false, Some(secret), None)
            }
            // `client_id` may stand beside an assertion (RFC 7521 §4.2); some providers ask for it.
            ClientAuthentication::Assertion(ours) => {
                let assertion = ours.assertion(token_endpoint, now, self.random.array())?;
                (false, None, Some(assertion))
            }
        };
        Ok(Credentials {
            in_header,
            secret,
            assertion,
        })
    }

    fn authenticated(
        &self,
        provider: &UpstreamProvider,
        token_endpoint: &Url,
        authentication: &ClientAuthentication,
    ) -> Result<Authenticated, UpstreamTrouble> {
        let credentials = self.credentials(provider, token_endpoint, authentication)?;
        let how = if credentials.in_header {
            AuthType::BasicAuth
        } else {
            AuthType::RequestBody
        };
        let client = Client::new(ClientId::new(provider.client_id.to_string())).set_auth_type(how);
        let client = match &credentials.secret {
            Some(secret) => {
                client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
            }
            None => client,
        };
        Ok(Authenticated {
            client,
            credentials,
        })
    }
}

/// RFC 7523 §2.2.
fn assertion_parameters(assertion: &SecretString) -> [(&'static str, String); 2] {
    const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    [
        ("client_assertion_type", KIND.to_owned()),
        ("client_assertion", assertion.expose_secret().to_owned()),
    ]
}

/// The same request with its form as a JSON object.
fn in_json(request: http::Request<Vec<u8>>) -> http::Request<Vec<u8>> {
    let (mut parts, body) = request.into_parts();
    let members: Map<String, Value> = url::form_urlencoded::parse(&body)
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    parts.headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    http::Request::from_parts(parts, Value::Object(members).to_string().into_bytes())
}

/// Nothing that RFC 6749 §5 speaks of came back.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error(transparent)]
    Outbound(OutboundError),
    #[error("status {0}")]
    Status(u16),
}

fn trouble<E>(error: RequestTokenError<NoAnswer, E>) -> UpstreamTrouble
where
    E: oauth2::ErrorResponse + TokenError + 'static,
{
    match error {
        RequestTokenError::Request(NoAnswer::Outbound(error)) => {
            UpstreamTrouble::Unreachable(error)
        }
        RequestTokenError::Request(NoAnswer::Status(status)) => {
            UpstreamTrouble::Status("the token endpoint".into(), status)
        }
        RequestTokenError::ServerResponse(refusal) => UpstreamTrouble::TokenRefused(refusal.code()),
        // What came is not kept: it may hold tokens.
        RequestTokenError::Parse(error, _) => {
            UpstreamTrouble::TokenAnswer(format!("at `{}`", error.path()))
        }
        RequestTokenError::Other(reason) => UpstreamTrouble::TokenAnswer(reason),
    }
}

/// The code of an error answer (RFC 6749 §5.2).
trait TokenError {
    fn code(&self) -> String;
}

impl TokenError for BasicErrorResponse {
    fn code(&self) -> String {
        crate::domain::login_attempt::ProviderError::new(self.error().as_ref())
            .code()
            .to_owned()
    }
}

/// The answer as RFC 6749 §5 has it: JSON, `token_type` in lower case and present, `expires_in` a number
/// or absent, `refresh_token` a text or absent, `scope` a string with spaces, an error under a status of its own.
fn normalised(
    answer: http::Response<Vec<u8>>,
    errors_with_success_status: bool,
) -> http::Response<Vec<u8>> {
    let (mut parts, body) = answer.into_parts();
    let form = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    });
    let members = if form {
        Some(
            url::form_urlencoded::parse(&body)
                .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
                .collect::<Map<_, _>>(),
        )
    } else {
        serde_json::from_slice::<Map<String, Value>>(&body).ok()
    };
    let Some(mut members) = members else {
        return http::Response::from_parts(parts, body);
    };
    // An answer that holds an error is one, whatever its status says.
    if members.contains_key("error") && parts.status.is_success() {
        parts.status = if errors_with_success_status {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::BAD_GATEWAY
        };
    }
    if parts.status.is_success() {
        let token_type = match members.get("token_type") {
            Some(Value::String(kind)) => kind.to_ascii_lowercase(),
            _ => "bearer".to_owned(),
        };
        members.insert("token_type".to_owned(), token_type.into());
        let usable = |token: &Value| token.as_str().is_some_and(|token| !token.is_empty());
        if !members.get("refresh_token").is_some_and(usable) {
            members.remove("refresh_token");
        }
        let seconds = members.get("expires_in").and_then(|value| match value {
            Value::String(text) => text.parse::<u64>().ok(),
            Value::Number(number) => number.as_u64(),
            _ => None,
        });
        members.remove("expires_in");
        if let Some(seconds) = seconds {
            members.insert("expires_in".to_owned(), seconds.into());
        }
        let scopes = match members.remove("scope") {
            Some(Value::String(text)) => Some(text.replace(',', " ")),
            Some(Value::Array(list)) => Some(
                list.iter()
                    .filter_map(Value::as_str)
                    .collect::<Vec<_>>()
                    .join(" "),
            ),
            _ => None,
        };
        if let Some(scopes) = scopes {
            members.insert("scope".to_owned(), scopes.into());
        }
    } else {
        // What else stands there (numbers, objects, a description in a shape of its own) is never used.
        let error = error_code(&members).unwrap_or("malformed_error").to_owned();
        members = Map::from_iter([("error".to_owned(), error.into())]);
    }
    parts.headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    http::Response::from_parts(parts, Value::Object(members).to_string().into_bytes())
}

/// `error` (RFC 6749 §5.2). Twitch says in `message` what went wrong, beside the status and at most its name; Fitbit
/// in `errorType`, in a list.
fn error_code(members: &Map<String, Value>) -> Option<&str> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if members.get("status").is_some_and(Value::is_number) {
        let message = text("message").filter(|message| message.len() <= LONGEST_MESSAGE);
        if message.is_some() {
            return message;
        }
    }
    let first = members.get("errors").and_then(|errors| errors.get(0));
    let kind = || first?.get("errorType")?.as_str();
    text("error").or_else(kind)
}

/// In bytes. What is longer is no code by any name.
const LONGEST_MESSAGE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn answer(status: u16, kind: &str, body: &str) -> http::Response<Vec<u8>> {
        http::Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, kind)
            .body(body.as_bytes().to_vec())
            .expect("an answer")
    }

    #[rstest]
    #[case::form(
        "application/x-www-form-urlencoded; charset=utf-8",
        "access_token=a%2Bb&scope=read%3Auser%2Cread%3Aorg&token_type=bearer",
        r#"{"access_token":"a+b","scope":"read:user read:org","token_type":"bearer"}"#
    )]
    #[case::odd_types(
        "application/json",
        r#"{"access_token":"a","token_type":"Bearer","expires_in":"3600","scope":["x","y"]}"#,
        r#"{"access_token":"a","expires_in":3600,"scope":"x y","token_type":"bearer"}"#
    )]
    #[case::no_type(
        "application/json",
        r#"{"access_token":"a","expires_in":null,"refresh_token":""}"#,
        r#"{"access_token":"a","token_type":"bearer"}"#
    )]
    fn a_token_answer_is_put_right(#[case] kind: &str, #[case] body: &str, #[case] expected: &str) {
        let mended = normalised(answer(200, kind, body), false);
        let found: Value = serde_json::from_slice(mended.body()).expect("JSON");
        let expected: Value = serde_json::from_str(expected).expect("JSON");
        assert_eq!(found, expected);
    }

    #[rstest]
    #[case::entra(
        400,
        r#"{"error":"invalid_grant","error_description":"AADSTS70008: …","error_codes":[70008],"timestamp":"2026-11-22 08:00:00Z","trace_id":"t","correlation_id":"c","error_uri":"https://login.example/error?code=70008"}"#,
        "invalid_grant"
    )]
    #[case::auth0(
        403,
        r#"{"error":"invalid_grant","error_description":"Invalid authorization code"}"#,
        "invalid_grant"
    )]
    #[case::cognito(400, r#"{"error":"invalid_client"}"#, "invalid_client")]
    #[case::google(
        400,
        r#"{"error":"invalid_grant","error_description":"Bad Request"}"#,
        "invalid_grant"
    )]
    #[case::object(400, r#"{"error":{"message":"x","code":190}}"#, "malformed_error")]
    #[case::description_of_another_kind(
        400,
        r#"{"error":"invalid_grant","error_description":["x"]}"#,
        "invalid_grant"
    )]
    #[case::fitbit(
        400,
        r#"{"errors":[{"errorType":"invalid_grant","message":"x"}],"success":false}"#,
        "invalid_grant"
    )]
    #[case::twitch(
        400,
        r#"{"error":"Bad Request","status":400,"message":"Invalid refresh token"}"#,
        "Invalid refresh token"
    )]
    #[case::tidal(
        400,
        r#"{"status":400,"error":"invalid_grant","sub_status":11101}"#,
        "invalid_grant"
    )]
    #[case::no_errors(400, r#"{"errors":[]}"#, "malformed_error")]
    #[case::nothing(401, "{}", "malformed_error")]
    fn an_error_is_its_code(#[case] status: u16, #[case] body: &str, #[case] expected: &str) {
        let mended = normalised(answer(status, "application/json", body), false);
        let found: Value = serde_json::from_slice(mended.body()).expect("JSON");
        assert_eq!(found, serde_json::json!({ "error": expected }));
        assert_eq!(mended.status().as_u16(), status);
    }

    #[test]
    fn an_error_under_success_is_an_error() {
        let body = r#"{"error":"bad_verification_code","access_token":"a"}"#;
        let mended = normalised(answer(200, "application/json", body), true);
        assert_eq!(mended.status(), StatusCode::BAD_REQUEST);
    }
}
