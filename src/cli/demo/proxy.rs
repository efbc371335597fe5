//! What nginx does, in a few lines: ask the broker before each request, pass on what it says.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use tower::ServiceExt as _;

use super::apps::DemoApps;

/// The proxy of the demo.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    broker: Router,
    apps: DemoApps,
}

impl Proxy {
    pub(super) fn new(broker: Router, apps: DemoApps) -> Self {
        Self { broker, apps }
    }

    pub(super) fn router(self) -> Router {
        Router::new().fallback(pass).with_state(self)
    }

    async fn ask(&self, mut request: Request) -> Response {
        // The broker sees its proxy, not the person.
        request
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
        match self.broker.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

async fn pass(
    State(proxy): State<Proxy>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let path = request.uri().path();
    // The check itself is not for browsers: a page's script could read what it tells.
    if path == "/oauth2/auth" {
        return StatusCode::NOT_FOUND.into_response();
    }
    for name in ["x-forwarded-for", "x-real-ip"] {
        request.headers_mut().remove(name);
    }
    if let Ok(address) = HeaderValue::from_str(&peer.ip().to_string()) {
        request.headers_mut().insert("x-forwarded-for", address);
    }
    if !proxy.apps.has(&host) || request.uri().path().starts_with("/oauth2/") {
        return proxy.ask(request).await;
    }
    let checked = proxy.ask(check_of(&request, &host)).await;
    match checked.status() {
        StatusCode::ACCEPTED => {
            let headers = request.headers_mut();
            // What the client sent under our names must not survive.
            let forged: Vec<HeaderName> = headers
                .keys()
                .filter(|name| name.as_str().starts_with("x-auth-request-"))
                .cloned()
                .collect();
            for name in forged {
                headers.remove(name);
            }
            for (name, value) in checked.headers() {
                if name.as_str().starts_with("x-auth-request-") || name == header::COOKIE {
                    headers.insert(name.clone(), value.clone());
                }
            }
            proxy.apps.answer(&host, request.headers())
        }
        StatusCode::UNAUTHORIZED if checked.headers().contains_key(header::WWW_AUTHENTICATE) => {
            StatusCode::UNAUTHORIZED.into_response()
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let target = format!("http://{host}{}", request.uri());
            let target: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
            crate::web::see_other(&format!("/oauth2/sign_in?rd={target}"))
        }
        status => status.into_response(),
    }
}

/// The question about `request`: its headers, and which request it is.
fn check_of(request: &Request, host: &str) -> Request {
    let mut check = Request::new(Body::empty());
    *check.uri_mut() = http::Uri::from_static("/oauth2/auth");
    let headers = check.headers_mut();
    *headers = request.headers().clone();
    for name in [
        "x-forwarded-uri",
        "x-forwarded-host",
        "x-forwarded-method",
        "x-forwarded-proto",
    ] {
        headers.remove(name);
    }
    let url = format!("http://{host}{}", request.uri());
    if let (Ok(url), Ok(method)) = (
        HeaderValue::from_str(&url),
        HeaderValue::from_str(request.method().as_str()),
    ) {
        headers.insert("x-original-url", url);
        headers.insert("x-original-method", method);
    }
    headers.remove("x-original-uri");
    check
}
