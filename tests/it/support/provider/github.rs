//! GitHub's endpoints, with its habits: form-encoded answers, scopes with commas, errors under 200,
//! lists in pages, and lists that are silently short.

use axum::Json;
use axum::body::Body;
use axum::response::IntoResponse;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};
use url::Url;

use super::fault::{Endpoint, Fault, GithubFault};
use super::oidc::{bearer, form_encoded, redeem, refused, send_back};
use super::{Grant, Recorded, Shared, State};

impl State {
    fn github(&self) -> impl Iterator<Item = &GithubFault> {
        self.faults.iter().filter_map(|fault| match fault {
            Fault::Github(fault) => Some(fault),
            _ => None,
        })
    }
}

/// `/login/oauth/authorize`.
pub(super) fn authorize(shared: &Shared, request: &Recorded) -> Response<Body> {
    let mut state = shared.lock();
    let known = request
        .query("client_id")
        .filter(|id| state.settings.clients.contains_key(*id));
    let Some(client_id) = known.map(str::to_owned) else {
        return refused("nobody registered this client_id");
    };
    let Some(target) = request
        .query("redirect_uri")
        .and_then(|uri| Url::parse(uri).ok())
    else {
        return refused("redirect_uri is no address");
    };
    let method = request.query("code_challenge_method");
    if request.query("code_challenge").is_some() && method != Some("S256") {
        return refused("only S256");
    }
    let mut scope = request.query("scope").unwrap_or_default().replace(' ', ",");
    let mut issuer = None;
    for fault in state.github() {
        match fault {
            GithubFault::GrantsOnly(scopes) => scope = (*scopes).into(),
            GithubFault::SendsIssuer(value) => issuer = Some((*value).to_owned()),
            _ => {}
        }
    }
    let grant = Grant {
        client_id,
        redirect_uri: request.query("redirect_uri").map(str::to_owned),
        scope,
        nonce: None,
        challenge: request.query("code_challenge").map(str::to_owned),
        person: state.somebody(request, "login"),
        at: shared.now(&state),
    };
    let code = state.unique("github-code");
    state.codes.insert(code.clone(), grant);
    let mut answer = vec![("code".to_owned(), code)];
    if let Some(value) = request.query("state") {
        answer.push(("state".into(), value.into()));
    }
    answer.extend(issuer.map(|issuer| ("iss".into(), issuer)));
    send_back(target, &answer, false)
}

/// `/login/oauth/access_token`: JSON only where it is asked for, errors under 200.
pub(super) fn token(shared: &Shared, request: &Recorded) -> Response<Body> {
    let mut state = shared.lock();
    let asked_for_json = request
        .header("accept")
        .is_some_and(|accept| accept.contains("application/json"));
    let mut answer = match issue(shared, &mut state, request) {
        Ok(answer) => answer,
        Err(error) => failure(error),
    };
    let mut json = asked_for_json;
    for fault in state.github() {
        match fault {
            GithubFault::ErrorUnder200(error) => answer = failure(error),
            GithubFault::AlwaysFormEncoded => json = false,
            _ => {}
        }
    }
    if json {
        Json(answer).into_response()
    } else {
        form_encoded(&answer)
    }
}

fn issue(
    shared: &Shared,
    state: &mut State,
    request: &Recorded,
) -> Result<Map<String, Value>, &'static str> {
    let client_id = request.form("client_id").unwrap_or_default().to_owned();
    let secret = request.form("client_secret").map(str::to_owned);
    if state.settings.clients.get(&client_id) != Some(&secret) {
        return Err("incorrect_client_credentials");
    }
    let grant = redeem(shared, state, &client_id, request).map_err(|_| "bad_verification_code")?;
    let token = state.unique("gho");
    let mut answer = Map::new();
    answer.insert("access_token".into(), token.clone().into());
    answer.insert("scope".into(), grant.scope.clone().into());
    answer.insert("token_type".into(), "bearer".into());
    state.access_tokens.insert(token, grant);
    Ok(answer)
}

fn failure(error: &str) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("error".into(), error.into());
    answer.insert(
        "error_description".into(),
        "The request was not right.".into(),
    );
    answer.insert("error_uri".into(), "https://docs.example/errors".into());
    answer
}

/// `GET /user`, `/user/emails`, `/user/orgs`, `/user/memberships/orgs`, `/user/teams`.
pub(super) fn api(shared: &Shared, request: &Recorded) -> Response<Body> {
    let state = shared.lock();
    let trouble = |status: StatusCode, message: &str| {
        (status, Json(json!({ "message": message }))).into_response()
    };
    if request.header("user-agent").is_none_or(str::is_empty) {
        return trouble(
            StatusCode::FORBIDDEN,
            "Request forbidden by administrative rules.",
        );
    }
    let Some(grant) = bearer(&state, request) else {
        return trouble(StatusCode::UNAUTHORIZED, "Bad credentials");
    };
    if state
        .github()
        .any(|fault| *fault == GithubFault::RateLimited)
    {
        let mut response = trouble(StatusCode::FORBIDDEN, "API rate limit exceeded");
        let zero = HeaderValue::from_static("0");
        response.headers_mut().insert("x-ratelimit-remaining", zero);
        return response;
    }
    let granted = |wanted: &[&str]| grant.scope.split(',').any(|scope| wanted.contains(&scope));
    let account = &grant.person.github;
    let mut response = match request.endpoint {
        Endpoint::GithubUser => Json(user(&grant)).into_response(),
        Endpoint::GithubEmails if granted(&["user", "user:email"]) => {
            page(shared, &state, request, &account.emails)
        }
        Endpoint::GithubEmails => trouble(StatusCode::NOT_FOUND, "Not Found"),
        _ if !granted(&["read:org", "write:org", "admin:org", "repo", "user"]) => {
            trouble(StatusCode::FORBIDDEN, "You need at least read:org scope")
        }
        _ => organizations(shared, &state, request, &grant),
    };
    let scopes = HeaderValue::from_str(&grant.scope.replace(',', ", ")).expect("a header value");
    response.headers_mut().insert("x-oauth-scopes", scopes);
    response
}

fn user(grant: &Grant) -> Value {
    let person = &grant.person;
    json!({
        "login": person.username,
        "id": person.github.id,
        "node_id": format!("U_{}", person.github.id),
        "avatar_url": format!("https://avatars.example/u/{}", person.github.id),
        "type": "User",
        "name": person.name,
        // The public address, which people may set to anything they once verified, or hide.
        "email": null,
    })
}

fn organizations(
    shared: &Shared,
    state: &State,
    request: &Recorded,
    grant: &Grant,
) -> Response<Body> {
    let account = &grant.person.github;
    let organization = |login: &str| json!({"login": login, "id": number(login)});
    let active = |name: &str| {
        let mut members = account.organizations.iter();
        members.any(|(login, membership)| login == name && membership == "active")
    };
    let list: Vec<Value> = match request.endpoint {
        Endpoint::GithubOrganizations => account
            .organizations
            .iter()
            .filter(|(_, membership)| membership == "active")
            .map(|(login, _)| organization(login))
            .collect(),
        Endpoint::GithubMemberships => account
            .organizations
            .iter()
            .filter(|(_, membership)| request.query("state").is_none_or(|wanted| wanted == membership))
            .map(|(login, membership)| {
                json!({"state": membership, "role": "member", "organization": organization(login)})
            })
            .collect(),
        _ => account
            .teams
            .iter()
            .filter(|(login, _)| active(login))
            .map(|(login, slug)| {
                json!({"id": number(slug), "slug": slug, "name": slug, "organization": organization(login)})
            })
            .collect(),
    };
    let mut sso = None;
    for fault in state.github() {
        match fault {
            GithubFault::RequiredSingleSignOn => {
                let url = format!("required; url={}/orgs/acme/sso", shared.base);
                let body =
                    json!({"message": "Resource protected by organization SAML enforcement."});
                return (StatusCode::FORBIDDEN, [("x-github-sso", url)], Json(body))
                    .into_response();
            }
            GithubFault::PartialSingleSignOn => {
                sso = Some("partial-results; organizations=21955855");
            }
            _ => {}
        }
    }
    let mut response = page(shared, state, request, &list);
    if let Some(value) = sso {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert("x-github-sso", value);
    }
    response
}

fn number(name: &str) -> u64 {
    name.bytes()
        .fold(7, |sum, byte| sum * 31 % 1_000_003 + u64::from(byte))
}

/// One page of a list, with `Link` (RFC 8288) while there are more.
fn page(shared: &Shared, state: &State, request: &Recorded, list: &[Value]) -> Response<Body> {
    let parameter = |name: &str, otherwise: usize| {
        let value = request.query(name).and_then(|value| value.parse().ok());
        value.unwrap_or(otherwise).max(1)
    };
    let size = parameter("per_page", 30).min(100);
    let number = parameter("page", 1);
    let start = (number - 1).saturating_mul(size).min(list.len());
    let end = (start + size).min(list.len());
    let mut host = shared.base.as_str();
    let mut next = number + 1;
    let mut more = end < list.len();
    for fault in state.github() {
        match fault {
            GithubFault::NextPageElsewhere(other) => (host, more) = (other, true),
            GithubFault::NextPageIsThisPage => (next, more) = (number, true),
            _ => {}
        }
    }
    let mut response = Json(&list[start..end]).into_response();
    if more {
        let path = &request.path;
        let pages = list.len().div_ceil(size).max(1);
        let link = format!(
            "<{host}{path}?per_page={size}&page={next}>; rel=\"next\", \
             <{host}{path}?per_page={size}&page={pages}>; rel=\"last\""
        );
        let link = HeaderValue::from_str(&link).expect("a header value");
        response.headers_mut().insert(header::LINK, link);
    }
    response
}
