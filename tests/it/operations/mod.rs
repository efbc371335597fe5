//! Health, metrics, log lines.

mod explain;
mod health;
mod log_lines;
