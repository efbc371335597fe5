//! What is asked about a person with the access token, and how its answer goes on.

use http::{HeaderName, HeaderValue, Method, StatusCode};
use url::Url;

use super::claims::ClaimPath;

/// One request about the person, with the access token.
#[derive(Clone, Debug)]
pub struct ProfileRequest {
    /// What mappings call its answer.
    pub name: Box<str>,
    /// Where.
    pub url: Url,
    /// How: GET or POST. Further pages are asked for by GET.
    pub method: Method,
    /// What is posted, JSON.
    pub body: Option<Box<str>>,
    /// When.
    pub asked: Asked,
    /// Further parameters of the query, with what the ID token says.
    pub from_claims: Vec<FromClaim>,
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

/// When a profile request is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// At every login.
    #[default]
    Always,
    /// Where a mark says that the list of groups which it stands in for is not whole.
    OnOverage,
}

/// A parameter of a query, with a claim of the ID token in its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromClaim {
    /// The parameter.
    pub parameter: Box<str>,
    /// What stands before the claim.
    pub before: Box<str>,
    /// The claim. One with a quote or a backslash is none: it could end the text that it stands in.
    pub claim: ClaimPath,
    /// What stands after it.
    pub after: Box<str>,
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
    /// By a text in the answer that the next request repeats (Google).
    Token {
        /// Where the text is; absent or empty on the last page.
        token: ClaimPath,
        /// The parameter that repeats it.
        parameter: Box<str>,
        /// Where the list is.
        list: ClaimPath,
    },
}
