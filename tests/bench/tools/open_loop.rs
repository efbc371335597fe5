//! Load that does not wait for answers.
//!
//! Requests are due at a fixed rate, whatever the server does; one that finds no free connection stays due,
//! and its latency counts from then (else a server that stalls would be asked less, and look better). It
//! never sleeps: a core of its own is what it needs.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::requests::Connection;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    address: SocketAddr,
    /// A file with the request, as it goes out.
    request: PathBuf,
    /// The status that every answer must have.
    status: u16,
    #[arg(long)]
    per_second: f64,
    #[arg(long)]
    count: u32,
    /// Not counted, before the rest.
    #[arg(long, default_value_t = 5_000)]
    warm_up: u32,
    #[arg(long, default_value_t = 64)]
    connections: usize,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let request = std::fs::read(&arguments.request)?;
    let mut free = Vec::new();
    for _ in 0..arguments.connections {
        let connection = Connection::open(arguments.address)?;
        connection.stream.set_nonblocking(true)?;
        free.push(connection);
    }
    let mut waiting: Vec<(Connection, u32)> = Vec::new();
    let mut latencies = Vec::with_capacity(arguments.count as usize);
    let began = Instant::now();
    let due = |index: u32| Duration::from_secs_f64(f64::from(index) / arguments.per_second);
    let total = arguments.warm_up + arguments.count;
    let (mut sent, mut answered) = (0, 0);
    while answered < total {
        while sent < total && began.elapsed() >= due(sent) {
            let Some(mut connection) = free.pop() else {
                break;
            };
            connection.stream.write_all(&request)?;
            waiting.push((connection, sent));
            sent += 1;
        }
        let mut next = 0;
        while let Some((connection, index)) = waiting.get_mut(next) {
            let Some(status) = connection.read()? else {
                next += 1;
                continue;
            };
            anyhow::ensure!(status == arguments.status, "an answer with status {status}");
            if *index >= arguments.warm_up {
                latencies.push(began.elapsed().saturating_sub(due(*index)));
            }
            answered += 1;
            let (connection, _) = waiting.swap_remove(next);
            free.push(connection);
        }
    }
    latencies.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of their number"
        )]
        let index = (f64::from(arguments.count - 1) * share) as usize;
        latencies
            .get(index)
            .map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    };
    crate::tell(&json!({
        "p50_us": at(0.5), "p99_us": at(0.99), "p999_us": at(0.999), "max_us": at(1.0),
    }))?;
    Ok(())
}
