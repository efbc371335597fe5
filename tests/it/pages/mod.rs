//! What is true of every page and answer.

mod headers;
mod hosts;
mod secrets;
mod sizes;
