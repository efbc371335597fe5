//! What `tests/bench/run` needs beside wrk: the baseline, a provider, an open-loop load, raw costs.
//!
//! Each command is a process of its own, so that the driver can put it on a core and read its CPU time. What
//! a command measured goes to standard output, as one line of JSON.

#![expect(
    clippy::disallowed_methods,
    reason = "what is measured here is real time"
)]

mod bare;
mod closed_loop;
mod grpc;
mod mint;
mod open_loop;
mod parts;
mod provider;
mod requests;
mod sweep;
mod tokens;
mod verify;

use clap::Parser;

/// Tools of `tests/bench/run`.
#[derive(Debug, Parser)]
enum Tool {
    /// A bare axum handler that answers as the check does.
    Bare(bare::Arguments),
    /// As many requests as are answered.
    ClosedLoop(closed_loop::Arguments),
    /// Writes down Envoy's question about a request.
    GrpcQuestion(grpc::WriteDown),
    /// Asks it once.
    GrpcAsk(grpc::Ask),
    /// Asks it as often as it is answered.
    GrpcLoop(grpc::Loop),
    /// A bare service of tonic's that gives one answer.
    GrpcBare(grpc::Bare),
    /// Requests at a fixed rate; latency counts from when each should have been sent.
    OpenLoop(open_loop::Arguments),
    /// One request with each of many cookies.
    Sweep(sweep::Arguments),
    /// An OpenID Provider that lets everybody in.
    Provider(provider::Arguments),
    /// What the parts of a login cost by themselves.
    Parts(parts::Arguments),
    /// Issuers and their tokens.
    Tokens(tokens::Arguments),
    /// What a token of a stranger costs beside its signature.
    Verify(verify::Arguments),
    /// What a token of ours costs beside its signature.
    Mint(mint::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Tool::parse() {
        Tool::Bare(arguments) => runtime()?.block_on(bare::run(arguments)),
        Tool::ClosedLoop(arguments) => closed_loop::run(&arguments),
        Tool::GrpcQuestion(arguments) => grpc::question(&arguments),
        Tool::GrpcAsk(arguments) => grpc::ask(&arguments),
        Tool::GrpcLoop(arguments) => grpc::closed_loop(&arguments),
        Tool::GrpcBare(arguments) => runtime()?.block_on(grpc::bare(arguments)),
        Tool::OpenLoop(arguments) => open_loop::run(&arguments),
        Tool::Sweep(arguments) => sweep::run(&arguments),
        Tool::Provider(arguments) => runtime()?.block_on(provider::run(arguments)),
        Tool::Parts(arguments) => runtime()?.block_on(parts::run(arguments)),
        Tool::Tokens(arguments) => tokens::run(&arguments),
        Tool::Verify(arguments) => runtime()?.block_on(verify::run(arguments)),
        Tool::Mint(arguments) => mint::run(&arguments),
    }
}

/// As `doorward serve` makes its own.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

/// Tells the driver.
fn tell(measured: &serde_json::Value) -> std::io::Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{measured}")
}
