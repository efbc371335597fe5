//! What is asked about a person, with the access token.
//!
//! Invariant: a list is read to its end or not at all, and the token goes to the origin that the preset names
//! and to no other.

use http::{Request, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use super::UpstreamTrouble;
use crate::domain::upstream_provider::{Pages, ProfileRequest};
use crate::jose::is_shallow;
use crate::outbound::HttpClient;

/// Most pages of a list that are followed.
const MOST_PAGES: usize = 20;

/// The value of `Authorization`.
pub(super) fn bearer(scheme: &str, token: &SecretString) -> String {
    format!("{scheme} {}", token.expose_secret())
}

/// The whole answer to one request.
pub(super) async fn profile_request(
    client: &HttpClient,
    request: &ProfileRequest,
    access_token: &SecretString,
) -> Result<Value, UpstreamTrouble> {
    let mut address = request.url.clone();
    let mut whole = Vec::new();
    for _ in 0..MOST_PAGES {
        let (document, headers) = one_page(client, request, &address, access_token).await?;
        if let Some(name) = &request.incomplete_header
            && headers.contains_key(name)
        {
            return Err(UpstreamTrouble::Incomplete(request.name.clone()));
        }
        let (page, next) = match &request.pages {
            Pages::One => return Ok(document),
            Pages::Link => (Some(document), next_page(&headers, &request.url)),
            Pages::Body { next, list } => {
                let page = list.find(&document).cloned();
                (page, named_page(next.find(&document), request)?)
            }
        };
        let Some(Value::Array(mut page)) = page else {
            return Err(UpstreamTrouble::ProfileAnswer(
                request.name.clone(),
                "it is not a list".into(),
            ));
        };
        whole.append(&mut page);
        match next {
            // The access token goes nowhere else, and what stands there is missing.
            Some(next) if next.origin() != request.url.origin() => break,
            Some(next) => address = next,
            None => return Ok(Value::Array(whole)),
        }
    }
    Err(UpstreamTrouble::Incomplete(request.name.clone()))
}

/// The address of the next page as the answer names it. What is there and is no address is not the end.
fn named_page(
    next: Option<&Value>,
    request: &ProfileRequest,
) -> Result<Option<Url>, UpstreamTrouble> {
    match next {
        None => Ok(None),
        Some(Value::String(next)) if next.is_empty() => Ok(None),
        Some(Value::String(next)) => Ok(Some(request.url.join(next)?)),
        Some(_) => Err(UpstreamTrouble::Incomplete(request.name.clone())),
    }
}

async fn one_page(
    client: &HttpClient,
    request: &ProfileRequest,
    address: &Url,
    access_token: &SecretString,
) -> Result<(Value, http::HeaderMap), UpstreamTrouble> {
    let mut builder = Request::get(address.as_str()).header(
        header::AUTHORIZATION,
        bearer(&request.authorization_scheme, access_token),
    );
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let page = fetch(client, builder, &request.name).await;
    let (document, headers) = match (page, request.not_admitted_status) {
        (Err(UpstreamTrouble::Status(name, status)), Some(refused)) if status == refused => {
            return Err(UpstreamTrouble::AccountRefused {
                claim: name,
                found: "absent".into(),
            });
        }
        (page, _) => page?,
    };
    if let Some((member, good)) = &request.success
        && member.text(&document).as_ref() != Some(good)
    {
        let reason = format!("its `{member}` is not `{good}`");
        return Err(UpstreamTrouble::ProfileAnswer(request.name.clone(), reason));
    }
    Ok((document, headers))
}

/// The address of `Link: <…>; rel="next"` (RFC 8288 §3), wherever it is.
fn next_page(headers: &http::HeaderMap, asked: &Url) -> Option<Url> {
    let links = headers.get(header::LINK)?.to_str().ok()?;
    let next = links.split(',').find_map(|link| {
        let (address, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        parameters
            .split(';')
            .map(str::trim)
            .any(|parameter| matches!(parameter, "rel=\"next\"" | "rel=next"))
            .then_some(address)
    })?;
    asked.join(next).ok()
}

/// A JSON document, under a status of success.
pub(super) async fn fetch(
    client: &HttpClient,
    request: http::request::Builder,
    name: &str,
) -> Result<(Value, http::HeaderMap), UpstreamTrouble> {
    let answered = |reason: String| UpstreamTrouble::ProfileAnswer(name.into(), reason);
    let request = request
        .body(Vec::new())
        .map_err(|error| answered(error.to_string()))?;
    let (parts, body) = client.send(request).await?.into_parts();
    if !parts.status.is_success() {
        return Err(UpstreamTrouble::Status(name.into(), parts.status.as_u16()));
    }
    let document: Value = serde_json::from_slice(&body)
        .map_err(|error| answered(format!("it is not JSON ({:?})", error.classify())))?;
    if !is_shallow(&document) {
        return Err(answered("it is nested deeper than 32 levels".to_owned()));
    }
    Ok((document, parts.headers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::next(
        "<https://api.example/user/teams?page=2>; rel=\"next\", <https://api.example/x>; rel=\"last\"",
        Some("https://api.example/user/teams?page=2")
    )]
    #[case::last("<https://api.example/x>; rel=\"last\"", None)]
    #[case::elsewhere(
        "<https://evil.example/x>; rel=\"next\"",
        Some("https://evil.example/x")
    )]
    #[case::relative(
        "</user/teams?page=2>; rel=next",
        Some("https://api.example/user/teams?page=2")
    )]
    fn the_next_page_is_read_from_the_link_header(
        #[case] link: &'static str,
        #[case] expected: Option<&str>,
    ) {
        let mut headers = http::HeaderMap::new();
        headers.insert(header::LINK, header::HeaderValue::from_static(link));
        let asked = Url::parse("https://api.example/user/teams").expect("an address");
        assert_eq!(
            next_page(&headers, &asked).map(String::from).as_deref(),
            expected
        );
    }
}
