//! Requests that no browser makes: headers twice, bytes that are no HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::http::exchange;

/// `GET` with exactly these headers, `Host` among them.
pub(crate) async fn get(
    address: SocketAddr,
    target: &str,
    headers: &[(&str, &str)],
) -> Response<Bytes> {
    send(address, Method::GET, target, headers, Bytes::new()).await
}

/// Any request with exactly these headers, and the length of its body.
pub(crate) async fn send(
    address: SocketAddr,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        let value = http::HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        request = request.header(*name, value);
    }
    let request = request.body(body).expect("a request");
    exchange(address, request).await.expect("an answer")
}

/// Sends these bytes (`Connection: close` among them) on a connection of their own. Gives the status (none where the connection is closed
/// without an answer), and all that came back.
pub(crate) async fn bytes(address: SocketAddr, request: &[u8]) -> (Option<StatusCode>, String) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // The other side may have had enough before all is sent.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    assert!(read.is_ok(), "the connection stays open");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok());
    (status, answer)
}

/// How often a header is in an answer, and its values as text.
pub(crate) fn values(answer: &http::HeaderMap, name: &str) -> Vec<String> {
    let values = answer.get_all(name).iter();
    values
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect()
}

/// Truncations, extensions, and another last character that decodes to the same bytes.
pub(crate) fn misspelt(handle: &str) -> Vec<String> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert_eq!(handle.len(), 22);
    let mut spellings: Vec<String> = (0..handle.len())
        .map(|length| handle[..length].to_owned())
        .collect();
    spellings.extend((1..handle.len()).map(|start| handle[start..].to_owned()));
    for more in [
        "A",
        "=",
        "==",
        ".",
        "%00",
        "AAAAAAAAAAAAAAAAAAAAAA",
        "-",
        "~",
    ] {
        spellings.push(format!("{handle}{more}"));
        spellings.push(format!("{more}{handle}"));
    }
    spellings.push(format!("{handle}{handle}"));
    // The last of 22 characters carries two bits of the handle and four that must be zero.
    for other in ALPHABET.chars() {
        let spelling = format!("{}{other}", &handle[..21]);
        if spelling != handle {
            spellings.push(spelling);
        }
    }
    spellings
}
