//! What the broker wrote down: every log line of this test binary, as the JSON that operators get.
//!
//! One subscriber serves all tests, since a process has one; a line is found by the request that it is
//! about ([`of`]), or by the thread that it was written on ([`here`]): `#[tokio::test]` runs a test and all
//! that it starts on a thread of its own. Not for tests with several threads.

use std::io;
use std::sync::{Mutex, Once, PoisonError};
use std::thread::ThreadId;

use http::HeaderMap;
use serde_json::Value;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::browser::Page;

/// A log line.
#[derive(Clone, Debug)]
pub(crate) struct Line(Value);

impl Line {
    /// A field as text: numbers and truth values too. Empty where it is missing.
    pub(crate) fn field(&self, name: &str) -> String {
        match self.0.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// What an audit line is about.
    pub(crate) fn event(&self) -> String {
        self.field("event")
    }

    fn is_audit(&self) -> bool {
        self.field("target") == "audit"
    }
}

/// The audit lines of the request that `page` answers, oldest first.
pub(crate) fn of(page: &Page) -> Vec<Line> {
    of_answer(&page.headers)
}

/// The same for any answer of the broker, such as a redirect that was followed.
pub(crate) fn of_answer(headers: &HeaderMap) -> Vec<Line> {
    let id = headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .expect("the broker names each request");
    let mut lines = lines(|_, text| text.contains(id));
    lines.retain(|line| line.is_audit() && line.field("request_id") == id);
    lines
}

/// The one audit line of the request that `page` answers.
pub(crate) fn only(page: &Page) -> Line {
    let mut lines = of(page);
    assert_eq!(
        lines.len(),
        1,
        "audit lines of {} {}: {lines:#?}",
        page.status,
        page.url
    );
    lines.remove(0)
}

/// The audit lines of this test, oldest first.
pub(crate) fn here() -> Vec<Line> {
    let mut lines = everything_here();
    lines.retain(Line::is_audit);
    lines
}

/// All log lines of this test, oldest first.
pub(crate) fn everything_here() -> Vec<Line> {
    let own = std::thread::current().id();
    lines(|thread, _| thread == own)
}

fn lines(wanted: impl Fn(ThreadId, &str) -> bool) -> Vec<Line> {
    let written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    written
        .iter()
        .filter(|(thread, text)| wanted(*thread, text))
        .map(|(_, text)| Line(serde_json::from_str(text).expect("a log line is JSON")))
        .collect()
}

/// Starts listening; every [`Broker`](super::broker::Broker) does it.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_env_filter(EnvFilter::new("info,audit=trace,doorward=trace"))
            .with_writer(Writer)
            .init();
    });
}

static WRITTEN: Mutex<Vec<(ThreadId, String)>> = Mutex::new(Vec::new());

/// Keeps lines; the formatter writes each in one piece.
#[derive(Clone, Copy, Debug)]
struct Writer;

impl io::Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line).into_owned();
        let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
        written.push((std::thread::current().id(), text));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Writer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

mod tests {
    use crate::support::audit;
    use crate::support::broker::Broker;

    #[tokio::test]
    async fn a_login_leaves_a_line_that_its_request_id_leads_to() {
        let broker = Broker::start().await;
        let mut browser = broker.browser();
        let page = broker
            .sign_in(&mut browser, "wiki.acme.localhost", "/")
            .await;
        let callback = page
            .chain
            .iter()
            .find(|hop| hop.url.path() == "/login/main/callback")
            .expect("a callback");
        let lines = audit::of_answer(&callback.headers);
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert_eq!(lines[0].event(), "signed_in");
        assert_eq!(lines[0].field("tenant"), "acme");
        assert!(audit::here().iter().any(
            |line| line.event() == "signed_in" && line.field("user") == lines[0].field("user")
        ));
    }
}
