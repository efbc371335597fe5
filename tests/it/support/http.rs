//! One HTTP/1.1 request on a connection of its own, to an address that the caller names: the name in
//! `Host` need not resolve. Nothing is added, followed or remembered.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Sends `request`, whose target is in origin form (`/path?query`), and reads the whole answer.
///
/// # Errors
/// The port refuses connections, or the answer ends early.
pub(crate) async fn exchange(
    address: SocketAddr,
    request: Request<Bytes>,
) -> io::Result<Response<Bytes>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let answer = async {
        let answer = sender.send_request(request.map(Full::new)).await;
        let (head, body) = answer.map_err(io::Error::other)?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // The connection is done before the answer is read: its last bytes wait in the channel.
        _ = connection => answer.await,
    }
}

/// `GET` with these headers.
pub(crate) async fn get(
    address: SocketAddr,
    target: &str,
    headers: &[(&str, &str)],
) -> io::Result<Response<Bytes>> {
    send(address, Method::GET, target, headers, Bytes::new()).await
}

/// `POST` of a form, with these headers.
pub(crate) async fn post_form(
    address: SocketAddr,
    target: &str,
    headers: &[(&str, &str)],
    form: &[(&str, &str)],
) -> io::Result<Response<Bytes>> {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let headers = [headers, &[kind]].concat();
    send(address, Method::POST, target, &headers, body.into()).await
}

async fn send(
    address: SocketAddr,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> io::Result<Response<Bytes>> {
    let mut request = Request::builder().method(method).uri(target);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header(header::HOST, address.to_string());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    exchange(address, request.body(body).expect("a request")).await
}
