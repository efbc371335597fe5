//! What is asked about a person, with the access token.
//!
//! Invariant: a list is read to its end or not at all, and the token goes to the origin that the preset names
//! and to no other.

use http::{Method, Request, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use super::UpstreamTrouble;
use crate::domain::profile_request::{Pages, ProfileRequest};
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
    id_token: Option<&Value>,
    access_token: &SecretString,
) -> Result<Value, UpstreamTrouble> {
    let mut address = first_page(request, id_token)?;
    let mut whole = Vec::new();
    for number in 0..MOST_PAGES {
        let first = number == 0;
        let (document, headers) = one_page(client, request, &address, first, access_token).await?;
        if let Some(name) = &request.incomplete_header
            && headers.contains_key(name)
        {
            return Err(UpstreamTrouble::Incomplete(request.name.clone()));
        }
        let (page, next) = match &request.pages {
            Pages::One => return Ok(document),
            Pages::Link => (Some(document), next_page(&headers, request)?),
            Pages::Body { next, list } => {
                let page = list.find(&document).cloned();
                (page, named_page(next.find(&document), request)?)
            }
            Pages::Token {
                token,
                parameter,
                list,
            } => {
                let next = token_of_page(token.find(&document), request)?;
                let next = next.map(|token| {
                    let mut next = first_page(request, id_token)?;
                    next.query_pairs_mut().append_pair(parameter, token);
                    Ok::<_, UpstreamTrouble>(next)
                });
                // Google leaves out a list that is empty.
                let page = list.find(&document).cloned();
                (
                    page.or_else(|| Some(Value::Array(Vec::new()))),
                    next.transpose()?,
                )
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

/// Where the first page is: the address, and what its query says of the person.
fn first_page(request: &ProfileRequest, id_token: Option<&Value>) -> Result<Url, UpstreamTrouble> {
    let mut address = request.url.clone();
    for from in &request.from_claims {
        let value = id_token.and_then(|claims| from.claim.text(claims));
        let value = value.filter(|value| !value.contains(['\'', '"', '\\']));
        let value = value.ok_or_else(|| {
            let reason = format!("`{}` of the ID token cannot stand in it", from.claim);
            UpstreamTrouble::ProfileAnswer(request.name.clone(), reason)
        })?;
        let value = format!("{}{value}{}", from.before, from.after);
        address
            .query_pairs_mut()
            .append_pair(&from.parameter, &value);
    }
    Ok(address)
}

/// The text that the next request repeats. What is there and is no text is not the end.
fn token_of_page<'a>(
    token: Option<&'a Value>,
    request: &ProfileRequest,
) -> Result<Option<&'a str>, UpstreamTrouble> {
    match token {
        None => Ok(None),
        Some(Value::String(token)) => Ok(Some(token.as_str()).filter(|token| !token.is_empty())),
        Some(_) => Err(UpstreamTrouble::Incomplete(request.name.clone())),
    }
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
    first: bool,
    access_token: &SecretString,
) -> Result<(Value, http::HeaderMap), UpstreamTrouble> {
    let method = if first {
        request.method.clone()
    } else {
        Method::GET
    };
    let body = request.body.as_ref().filter(|_| method == Method::POST);
    let mut builder = Request::builder()
        .method(method)
        .uri(address.as_str())
        .header(
            header::AUTHORIZATION,
            bearer(&request.authorization_scheme, access_token),
        );
    if body.is_some() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Vec::new, |body| body.as_bytes().to_vec());
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let page = fetch(client, builder, body, &request.name).await;
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

/// The address of `Link: <…>; rel="next"` (RFC 8288 §3), wherever it is. A header that cannot be read may have one.
fn next_page(
    headers: &http::HeaderMap,
    request: &ProfileRequest,
) -> Result<Option<Url>, UpstreamTrouble> {
    let unread = || UpstreamTrouble::Incomplete(request.name.clone());
    for links in headers.get_all(header::LINK) {
        let mut rest = links.to_str().map_err(|_| unread())?.trim();
        while !rest.is_empty() {
            let link = rest.strip_prefix('<').and_then(|it| it.split_once('>'));
            let (address, after) = link.ok_or_else(unread)?;
            let (parameters, further) = after.split_at(end_of_link(after));
            if parameters.split(';').any(is_next) {
                return Ok(Some(request.url.join(address)?));
            }
            rest = further.trim_start_matches([',', ' ', '\t']);
        }
    }
    Ok(None)
}

/// Where the parameters of a link end: at a comma outside quotes.
fn end_of_link(parameters: &str) -> usize {
    let mut quoted = false;
    let end = parameters.find(|character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    });
    end.unwrap_or(parameters.len())
}

fn is_next(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
        name.trim().eq_ignore_ascii_case("rel")
            && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
    })
}

/// A JSON document, under a status of success.
pub(super) async fn fetch(
    client: &HttpClient,
    request: http::request::Builder,
    body: Vec<u8>,
    name: &str,
) -> Result<(Value, http::HeaderMap), UpstreamTrouble> {
    let answered = |reason: String| UpstreamTrouble::ProfileAnswer(name.into(), reason);
    let request = request
        .body(body)
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
    use crate::domain::profile_request::Asked;
    use rstest::rstest;

    #[rstest]
    #[case::next(
        "<https://api.example/user/teams?page=2>; rel=\"next\", <https://api.example/x>; rel=\"last\"",
        Some("https://api.example/user/teams?page=2")
    )]
    #[case::last("<https://api.example/x>; rel=\"last\"", None)]
    #[case::comma_in_the_address(
        "<https://api.example/x?q=a,b&page=2>; rel=\"next\"",
        Some("https://api.example/x?q=a,b&page=2")
    )]
    #[case::comma_in_a_title(
        "</a>; title=\"a, b\"; rel=last, </b>; rel=next",
        Some("https://api.example/b")
    )]
    #[case::other_case("</b>; Rel=\"NEXT\"", Some("https://api.example/b"))]
    #[case::two_relations("</b>; rel=\"last next\"", Some("https://api.example/b"))]
    #[case::white_space("</b> ; rel = next", Some("https://api.example/b"))]
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
        let next = next_page(&headers, &teams()).expect("it can be read");
        assert_eq!(next.map(String::from).as_deref(), expected);
    }

    fn teams() -> ProfileRequest {
        ProfileRequest {
            name: "teams".into(),
            url: Url::parse("https://api.example/user/teams").expect("an address"),
            method: Method::GET,
            body: None,
            asked: Asked::Always,
            from_claims: Vec::new(),
            authorization_scheme: "Bearer".into(),
            headers: Vec::new(),
            pages: Pages::Link,
            success: None,
            not_admitted_status: None,
            incomplete_header: None,
        }
    }

    #[test]
    fn the_next_page_may_stand_in_a_second_header() {
        let mut headers = http::HeaderMap::new();
        for link in ["</a>; rel=prev", "</b>; rel=next"] {
            headers.append(header::LINK, header::HeaderValue::from_static(link));
        }
        let next = next_page(&headers, &teams()).expect("it can be read");
        assert_eq!(next.expect("one").path(), "/b");
    }

    /// It could name a next page: the list is not known to be whole.
    #[rstest]
    #[case::no_brackets(b"https://api.example/x; rel=next")]
    #[case::no_end(b"<https://api.example/x; rel=next")]
    #[case::no_address(b"<https://[>; rel=next")]
    #[case::no_text(b"</x>; title=\xff; rel=next")]
    fn a_link_that_cannot_be_read_is_not_the_end(#[case] link: &[u8]) {
        let mut headers = http::HeaderMap::new();
        let link = header::HeaderValue::from_bytes(link).expect("a value");
        headers.insert(header::LINK, link);
        assert!(next_page(&headers, &teams()).is_err());
    }
}
