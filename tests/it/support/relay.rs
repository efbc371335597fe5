//! A proxy that passes on the check's own answer where it is a refusal, as Traefik, Caddy and Envoy do, with an
//! app behind it that tells which headers reached it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::broker::Broker;
use super::browser::{Browser, Page};
use super::envoy::{Envoy, Listener, question};
use super::http::exchange;

/// How it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// Traefik and Caddy.
    ForwardAuth,
    /// Envoy, over HTTP.
    ExtAuthz,
    /// Envoy, over gRPC.
    Grpc,
}

/// The proxy in front of every app host that a browser is told to reach here.
pub(crate) struct Relay {
    address: SocketAddr,
    serving: JoinHandle<()>,
    _grpc: Listener,
}

#[derive(Debug)]
struct Behind {
    broker: SocketAddr,
    grpc: SocketAddr,
    asks: Asks,
}

/// What an allowed answer may put into the request, as in the recipes.
const PASSED_ON: [&str; 5] = [
    "remote-user",
    "remote-groups",
    "remote-name",
    "remote-email",
    "cookie",
];

impl Relay {
    /// In front of `broker`'s apps.
    pub(crate) async fn start(broker: &Broker, asks: Asks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let grpc = Listener::start(broker).await;
        let behind = Arc::new(Behind {
            broker: broker.address,
            grpc: grpc.address,
            asks,
        });
        let router = Router::new().fallback(pass).with_state(behind);
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self {
            address,
            serving,
            _grpc: grpc,
        }
    }

    /// A browser that reaches these hosts through it.
    pub(crate) fn browser(&self, broker: &Broker, hosts: &[&str]) -> Browser {
        let browser = broker.browser();
        for host in hosts {
            browser.reach(host, self.address);
        }
        browser
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Whether this page is the app's, and not the broker's.
pub(crate) fn is_app(page: &Page) -> bool {
    page.headers.contains_key("x-app")
}

async fn pass(State(behind): State<Arc<Behind>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let target = parts.uri.path_and_query().expect("a path").as_str();
    if behind.asks == Asks::Grpc {
        return pass_grpc(&behind, &parts, target).await;
    }
    let mut check = http::Request::new(Bytes::new());
    *check.headers_mut() = parts.headers.clone();
    check.headers_mut().remove(header::CONTENT_LENGTH);
    let headers = check.headers_mut();
    let mut tell = |name: &'static str, value: &str| {
        headers.insert(name, HeaderValue::from_str(value).expect("a value"));
    };
    tell("x-forwarded-proto", "http");
    let asked = match behind.asks {
        Asks::ForwardAuth => {
            tell("x-forwarded-method", parts.method.as_str());
            tell("x-forwarded-uri", target);
            tell(
                "x-forwarded-host",
                parts.headers[header::HOST].to_str().expect("text"),
            );
            "/api/authz/forward-auth".to_owned()
        }
        Asks::ExtAuthz => {
            *check.method_mut() = parts.method.clone();
            format!("/api/authz/ext-authz/{target}")
        }
        Asks::Grpc => unreachable!("asked above"),
    };
    *check.uri_mut() = asked.parse().expect("an address");
    let answer = exchange(behind.broker, check).await.expect("an answer");
    let allowed = match behind.asks {
        Asks::ForwardAuth => answer.status().is_success(),
        Asks::ExtAuthz | Asks::Grpc => answer.status() == http::StatusCode::OK,
    };
    if !allowed {
        return answer.map(Body::from);
    }
    for name in PASSED_ON {
        parts.headers.remove(name);
        if let Some(value) = answer.headers().get(name) {
            parts.headers.insert(name, value.clone());
        }
    }
    app(&parts.headers)
}

/// As Envoy does: sets what is to be set, then removes what is to be removed.
async fn pass_grpc(behind: &Behind, parts: &http::request::Parts, target: &str) -> Response {
    let host = parts.headers[header::HOST].to_str().expect("text");
    let mut envoy = Envoy::connect(behind.grpc).await;
    let question = question(parts.method.as_str(), host, target, &parts.headers);
    let answer = envoy.check(&question).await.expect("an answer");
    if let Some(ok) = &answer.ok {
        let mut headers = parts.headers.clone();
        for (name, value) in &answer.headers() {
            headers.insert(name, value.clone());
        }
        for name in &ok.headers_to_remove {
            headers.remove(name);
        }
        return app(&headers);
    }
    let mut response = Response::new(Body::from(answer.denied.clone().expect("a refusal").body));
    *response.status_mut() = answer.http_status().try_into().expect("a status");
    *response.headers_mut() = answer.headers();
    response
}

/// Each header on a line.
fn app(headers: &HeaderMap) -> Response {
    let mut seen = Vec::new();
    for (name, value) in headers {
        seen.extend_from_slice(format!("{name}: ").as_bytes());
        seen.extend_from_slice(value.as_bytes());
        seen.push(b'\n');
    }
    ([("x-app", "yes")], seen).into_response()
}
