//! Health, metrics, log lines.

mod health;
mod log_lines;
mod process;
mod reload;
mod tls;
