//! Logs, metrics, traces and audit events.
//!
//! Invariant: no secret gets here: tokens, codes, handles and cookies are types that do not print
//! themselves. Audit events are log lines with the target `audit`: one line each, what happened, to whom,
//! where, why.

pub mod logging;
pub mod metrics;
pub mod traces;
