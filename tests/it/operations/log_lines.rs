//! Log lines: nothing that a client sends writes one of its own, or colours a terminal.

use std::io;
use std::sync::{Arc, Mutex};

use http::StatusCode;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::broker::Broker;
use crate::support::nodes::{ACME, WIKI};
use crate::support::{audit, raw};

const HOSTILE: [&str; 6] = [
    "%0d%0a2027-01-15T08:00:00Z%20INFO%20audit:%20event=%22signed_in%22",
    "%0a{\"target\":\"audit\",\"event\":\"signed_in\"}",
    "%1b[31mred%1b[0m",
    "%00%07%08",
    "%c2%85%e2%80%a8next",
    "\"}",
];

/// Everywhere that a client can write what may be logged.
async fn knock(broker: &Broker) {
    for text in HOSTILE {
        let plain: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
        let printable = String::from_utf8_lossy(&plain).replace(['\r', '\n', '\0'], "?");
        let printable: String = printable
            .chars()
            .filter(|c| !c.is_control() || *c == '\u{85}')
            .collect();
        let ours = format!("{ACME}:{}", broker.address.port());
        let wiki = format!("{WIKI}:{}", broker.address.port());
        let quoted = text
            .replace('"', "%22")
            .replace('{', "%7b")
            .replace('}', "%7d");
        for path in [
            format!("/{quoted}"),
            format!("/login/{quoted}"),
            format!(
                "/login/main/callback?error={quoted}&error_description={quoted}&state={quoted}"
            ),
            format!("/logout?rd={quoted}"),
        ] {
            let headers = [
                ("host", &*ours),
                ("user-agent", &printable),
                ("x-request-id", &printable),
                ("sec-fetch-mode", "navigate"),
            ];
            raw::get(broker.address, &path, &headers).await;
        }
        let headers = [
            ("host", &*wiki),
            ("sec-fetch-mode", "navigate"),
            ("x-auth-request-redirect", &printable),
        ];
        raw::get(
            broker.address,
            &format!("/oauth2/sign_in?rd={quoted}"),
            &headers,
        )
        .await;
        raw::get(broker.address, "/oauth2/sign_in", &headers).await;
        let url = format!("http://{wiki}/{printable}");
        for headers in [
            vec![("host", &*printable)],
            vec![
                ("host", &*wiki),
                ("x-original-url", &*printable),
                ("x-original-method", "GET"),
            ],
            vec![
                ("host", &*wiki),
                ("x-original-url", &*url),
                ("x-original-method", &*printable),
            ],
            vec![
                ("host", &*wiki),
                ("x-original-url", &*url),
                ("x-forwarded-host", &*printable),
            ],
        ] {
            raw::get(broker.address, "/oauth2/auth", &headers).await;
            raw::get(broker.address, "/login", &headers).await;
        }
        // Bytes that no client library sends.
        let request = [
            b"GET /login HTTP/1.1\r\nHost: ".as_slice(),
            ours.as_bytes(),
            b"\r\nUser-Agent: ",
            plain.as_slice(),
            b"\r\nConnection: close\r\n\r\n",
        ]
        .concat();
        raw::bytes(broker.address, &request).await;
    }
}

#[tokio::test]
async fn t17_a_client_writes_no_json_line() {
    let broker = Broker::start().await;
    knock(&broker).await;
    // Each line is one JSON document, or `audit` would not have read it.
    let lines = audit::everything_here();
    assert!(lines.len() > 50, "{} lines", lines.len());
    for line in &lines {
        assert_ne!(line.event(), "signed_in", "{line:?}");
        for c in ['\u{1b}', '\r', '\n', '\0'] {
            for field in ["message", "path", "host", "wanted", "reason", "target"] {
                assert!(!line.field(field).contains(c), "{line:?}");
            }
        }
    }
    let health = broker.browser().fetch(&broker.url(ACME, "/healthz")).await;
    assert_eq!(health.status, StatusCode::OK);
}

/// The form for people has no quotes around a line: there it matters most.
#[tokio::test]
async fn t17_a_client_writes_no_line_for_people() {
    let broker = Broker::start().await;
    let written = Written::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(written.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    knock(&broker).await;
    drop(guard);
    let text = written.0.lock().expect("no test panics here").clone();
    let text = String::from_utf8(text).expect("UTF-8");
    let ours: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("audit") || line.contains("doorward"))
        .collect();
    assert!(ours.len() > 30, "{} lines", ours.len());
    for line in text.lines() {
        assert!(
            !line.contains("event=\"signed_in\"") || line.contains('\\'),
            "{line}"
        );
        let head: String = line.chars().take(40).collect();
        assert!(head.starts_with("20") && head.contains('T'), "{line}");
        assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
    }
}

#[derive(Clone, Debug, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics here").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
