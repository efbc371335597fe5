//! The baseline: what axum costs when there is nothing to decide.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::any;
use http::{HeaderName, HeaderValue, StatusCode};
use tokio::net::TcpListener;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    listen: SocketAddr,
    path: String,
    status: StatusCode,
    /// `name: value`, each answered as it stands.
    headers: Vec<String>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let headers = ready(arguments.headers)?;
    let status = arguments.status;
    // Nothing cheaper says the same: no header is copied or counted, the map is made once and large enough.
    let answer = move || async move {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let map = response.headers_mut();
        map.reserve(headers.len());
        for (name, value) in headers {
            map.insert(name, value.clone());
        }
        response
    };
    let router = Router::new().route(&arguments.path, any(answer));
    axum::serve(TcpListener::bind(arguments.listen).await?, router).await?;
    Ok(())
}

/// They live as long as the process, as those of a handler that is written down would.
fn ready(lines: Vec<String>) -> anyhow::Result<&'static [(HeaderName, HeaderValue)]> {
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.leak().split_once(": ").context("`name: value`")?;
        headers.push((
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        ));
    }
    Ok(headers.leak())
}
