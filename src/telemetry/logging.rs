//! Log lines: JSON for machines, or text for people. Control characters are escaped by the formatter, so
//! that no request can write a line of its own.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

use crate::config::{LogFormat, Logging};

/// Starts logging to standard error. A second call does nothing.
pub fn start(logging: &Logging) {
    // That crate warns of every cookie whose session is over.
    let level = format!("tower_sessions_core=error,{}", logging.level);
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(SystemTime)
        .with_writer(std::io::stderr);
    // Already started: tests in one process share the first.
    let _ = match logging.format {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .try_init(),
        LogFormat::Pretty => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
    };
}
