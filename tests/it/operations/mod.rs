//! Health, metrics, log lines.

mod health;
mod log_lines;
