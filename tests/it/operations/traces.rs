//! Traces, from a process of its own to a collector on loopback that reads what it gets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rstest::rstest;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::support::broker::CONFIGURATION;
use crate::support::browser::Browser;
use crate::support::nodes::{APP_COOKIE, WIKI};
use crate::support::provider::{CLIENT_ID, CLIENT_SECRET, TestProvider};
use crate::support::raw;
use doorward::ports::{Clock as _, ManualClock, SystemClock};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// What a collector was told: address, `Authorization`, body.
type Told = Arc<Mutex<Vec<(String, String, Bytes)>>>;

/// A collector for OTLP over HTTP.
async fn collector() -> (u16, Told) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let told = Told::default();
    let heard = Arc::clone(&told);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let heard = Arc::clone(&heard);
            let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let heard = Arc::clone(&heard);
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.expect("a body").to_bytes();
                    let key = parts.headers.get("authorization");
                    let key = key.map_or("", |key| key.to_str().expect("text"));
                    let mut heard = heard.lock().expect("no test panics here");
                    heard.push((parts.uri.path().to_owned(), key.to_owned(), body));
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(Full::new(Bytes::new())))
                }
            });
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            tokio::spawn(async move {
                let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    (port, told)
}

/// `doorward serve`, with the usual tenants and `more`.
struct Served {
    port: u16,
    process: Child,
    _provider: TestProvider,
    clock: Arc<ManualClock>,
    _folder: TempDir,
}

impl Served {
    async fn with(more: &str) -> Self {
        Self::trusting("127.0.0.1/32", more).await
    }

    async fn trusting(network: &str, more: &str) -> Self {
        // The process has the machine's clock, so its provider and browser have it too.
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let provider = TestProvider::start(Arc::clone(&clock));
        let folder = TempDir::new().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let text = CONFIGURATION
            .replace("127.0.0.1/32", network)
            .replace("127.0.0.1:0", &format!("127.0.0.1:{port}"))
            .replace("{port}", &port.to_string())
            .replace("{issuer}", provider.base())
            .replace("{client_id}", CLIENT_ID);
        let file = folder.path().join("doorward.toml");
        std::fs::write(&file, format!("{more}\n{text}")).expect("written");
        let mut process = Command::new(env!("CARGO_BIN_EXE_doorward"))
            .args(["serve", "--config"])
            .arg(&file)
            .env(
                "SEALING_KEY",
                "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
            )
            .env("CLIENT_SECRET", CLIENT_SECRET)
            .env("COLLECTOR_KEY", "Bearer key-of-the-collector")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it runs");
        let out = process.stdout.take().expect("its output");
        let mut lines = BufReader::new(out).lines();
        let first = lines.next_line().await.expect("text").expect("a line");
        assert!(first.contains("listens on"), "{first}");
        Self {
            port,
            process,
            _provider: provider,
            clock,
            _folder: folder,
        }
    }

    fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }

    async fn check(&self, browser: &Browser, headers: &[(&'static str, &str)]) -> StatusCode {
        let target = self.url(WIKI, "/secret-path?q=hunter2-query");
        let mut all = vec![("x-original-url", &*target), ("x-original-method", "GET")];
        all.extend(headers);
        let page = browser
            .request(Method::GET, &self.url(WIKI, "/oauth2/auth"), &all)
            .await;
        page.status
    }

    /// As an operator stops it; what was collected is sent first.
    async fn stop(mut self) {
        let id = self.process.id().expect("it runs").to_string();
        let killed = Command::new("kill").arg(&id).status().await;
        assert!(killed.expect("kill").success());
        let ended = tokio::time::timeout(Duration::from_secs(30), self.process.wait()).await;
        assert!(ended.expect("in time").expect("ended").success());
    }
}

/// The spans of all batches.
fn spans(told: &Told) -> Vec<Span> {
    let told = told.lock().expect("no test panics here");
    let mut spans = Vec::new();
    for (path, key, body) in told.iter() {
        assert_eq!(path, "/v1/traces");
        assert_eq!(key, "Bearer key-of-the-collector");
        let request = ExportTraceServiceRequest::decode(body.clone()).expect("OTLP");
        for resource in request.resource_spans {
            let about = attributes(&resource.resource.expect("a resource").attributes);
            assert_eq!(about["service.name"], "door");
            for scope in resource.scope_spans {
                spans.extend(scope.spans);
            }
        }
    }
    spans
}

fn attributes(
    pairs: &[opentelemetry_proto::tonic::common::v1::KeyValue],
) -> BTreeMap<String, String> {
    let shown = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs
        .iter()
        .map(|pair| {
            let value = pair.value.clone().and_then(|value| value.value);
            (pair.key.clone(), shown(value))
        })
        .collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn tracing(port: u16, more: &str) -> String {
    format!(
        "[tracing]\nendpoint = \"http://127.0.0.1:{port}\"\nservice_name = \"door\"\n\
         authorization = {{ env = \"COLLECTOR_KEY\" }}\n{more}"
    )
}

#[tokio::test]
async fn a_login_and_a_check_are_told_as_spans() {
    let (port, told) = collector().await;
    let served = Served::with(&tracing(port, "")).await;
    let mut ada = Browser::new(Arc::clone(&served.clock));
    ada.visit(&served.url(WIKI, "/oauth2/sign_in?rd=/")).await;
    let cookie = ada.cookie(&served.url(WIKI, "/"), APP_COOKIE);
    let cookie = cookie.expect("signed in");
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let parent = [("traceparent", &*traceparent)];
    assert_eq!(served.check(&ada, &parent).await, StatusCode::ACCEPTED);
    let stranger = Browser::new(Arc::clone(&served.clock));
    assert_eq!(served.check(&stranger, &[]).await, StatusCode::UNAUTHORIZED);
    served.stop().await;
    let spans = spans(&told);

    let checks = named(&spans, "check");
    assert_eq!(checks.len(), 2, "{spans:#?}");
    let (ours, begun): (Vec<_>, Vec<_>) = checks
        .into_iter()
        .partition(|span| hex(&span.trace_id) == TRACE);
    assert_eq!(hex(&ours[0].parent_span_id), PARENT);
    let about = attributes(&ours[0].attributes);
    assert_eq!(about["http.response.status_code"], "202");
    assert_eq!(about["doorward.tenant"], "acme");
    assert_eq!(about["doorward.app"], "wiki");
    assert!(begun[0].parent_span_id.is_empty());
    assert_eq!(
        attributes(&begun[0].attributes)["http.response.status_code"],
        "401"
    );

    // The callback's span has the login's in it, and that the token request.
    let complete = named(&spans, "login.complete")[0];
    let callbacks = named(&spans, "callback");
    let above = callbacks
        .iter()
        .find(|span| span.span_id == complete.parent_span_id);
    let above = above.expect("a span of the callback");
    assert_eq!(attributes(&above.attributes)["http.request.method"], "GET");
    assert_eq!(
        attributes(&complete.attributes)["doorward.provider"],
        "main"
    );
    let asked = spans
        .iter()
        .find(|span| span.name == "POST 127.0.0.1")
        .expect("a token request");
    assert_eq!(asked.trace_id, complete.trace_id);
    assert_eq!(asked.parent_span_id, complete.span_id);
    assert_eq!(
        attributes(&asked.attributes)["http.response.status_code"],
        "200"
    );
    assert_eq!(named(&spans, "login.begin").len(), 1);

    // Nothing in them opens anything, or says who it was.
    let told = told.lock().expect("no test panics here");
    for (_, _, body) in told.iter() {
        let text = String::from_utf8_lossy(body);
        for secret in [
            &*cookie,
            CLIENT_SECRET,
            "hunter2",
            "secret-path",
            "@example",
        ] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
}

/// Whoever is no trusted proxy begins a trace of our own, and so does who tells of two, or of none that reads
/// as one.
#[rstest]
#[case::stranger("192.0.2.1/32", &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])]
#[case::twice("127.0.0.1/32", &[
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
])]
#[case::malformed("127.0.0.1/32", &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033-01"])]
#[tokio::test]
async fn what_cannot_be_trusted_is_not_continued(#[case] trusted: &str, #[case] told: &[&str]) {
    let (port, heard) = collector().await;
    let served = Served::trusting(trusted, &tracing(port, "")).await;
    let host = format!("{WIKI}:{}", served.port);
    let target = format!("http://{host}/");
    let mut headers = vec![
        ("host", &*host),
        ("x-original-url", &*target),
        ("x-original-method", "GET"),
    ];
    headers.extend(told.iter().map(|value| ("traceparent", *value)));
    let address = ([127, 0, 0, 1], served.port).into();
    for path in ["/oauth2/auth", "/nowhere"] {
        raw::get(address, path, &headers).await;
    }
    served.stop().await;
    let spans = spans(&heard);
    assert_eq!(named(&spans, "check").len(), 1);
    assert_eq!(spans.len(), 2, "{spans:#?}");
    for span in &spans {
        assert_ne!(hex(&span.trace_id), TRACE);
        assert!(span.parent_span_id.is_empty());
    }
}

/// None of a hundred is sampled, except what a trusted proxy samples.
#[tokio::test]
async fn a_sample_is_a_sample() {
    let (port, told) = collector().await;
    let served = Served::with(&tracing(port, "sampled_percent = 0\n")).await;
    let browser = Browser::new(Arc::clone(&served.clock));
    for _ in 0..20 {
        served.check(&browser, &[]).await;
    }
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    served
        .check(&browser, &[("traceparent", &traceparent)])
        .await;
    served.stop().await;
    let spans = spans(&told);
    assert_eq!(spans.len(), 1, "{spans:#?}");
    assert_eq!(hex(&spans[0].trace_id), TRACE);
}

/// A collector that is not there takes nobody's door away.
#[tokio::test]
async fn without_a_collector_everything_goes_on() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let served = Served::with(&tracing(port, "")).await;
    let mut ada = Browser::new(Arc::clone(&served.clock));
    ada.visit(&served.url(WIKI, "/oauth2/sign_in?rd=/")).await;
    assert_eq!(served.check(&ada, &[]).await, StatusCode::ACCEPTED);
    served.stop().await;
}
