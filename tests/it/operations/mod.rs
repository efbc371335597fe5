//! Health, metrics, log lines.

mod dashboard;
mod explain;
mod faults;
mod health;
mod keys;
mod log_lines;
mod process;
mod provider_test;
mod reload;
mod tls;
mod traces;
