//! Log lines: JSON for machines, or text for people. Control characters are escaped by the formatter, so
//! that no request can write a line of its own.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::traces::{TARGET, Traces};
use crate::config::{LogFormat, Logging};

/// Starts logging to standard error, and telling `traces` of spans. A second call does nothing.
pub fn start(logging: &Logging, traces: Option<&Traces>) {
    let spans = traces.map(|traces| {
        tracing_opentelemetry::layer()
            .with_tracer(traces.tracer())
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(TARGET, tracing::Level::INFO))
    });
    // Already started: tests in one process share the first.
    let _ = Registry::default()
        .with(lines(logging))
        .with(spans)
        .try_init();
}

fn lines(logging: &Logging) -> Box<dyn Layer<Registry> + Send + Sync> {
    // That crate warns of every cookie whose session is over. Spans are for the collector only.
    let level = format!("tower_sessions_core=error,{},{TARGET}=off", logging.level);
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let layer = tracing_subscriber::fmt::layer()
        .with_timer(SystemTime)
        .with_writer(std::io::stderr);
    match logging.format {
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_filter(filter)
            .boxed(),
        LogFormat::Pretty => layer
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .with_filter(filter)
            .boxed(),
    }
}
