//! As many requests as are answered: each connection asks again as soon as it has its answer.
//!
//! Like [`crate::open_loop`] it never sleeps. A client that does has to be woken by the server, at a cost that
//! depends on the client: the slower a server, the more often its client sleeps.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::requests::{Connection, filled};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    address: SocketAddr,
    /// A file with the request; `{handle}` stands for the handle, `{host}` for its host.
    request: PathBuf,
    /// A file with a handle on each line, and behind a tab its host. Each request draws its own.
    handles: PathBuf,
    /// The status that every answer must have.
    status: u16,
    #[arg(long)]
    seconds: f64,
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// The same one draws the same handles.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let request = std::fs::read_to_string(&arguments.request)?;
    let handles = std::fs::read_to_string(&arguments.handles)?;
    let requests = filled(&request, &handles);
    let mut draw = Draw(arguments.seed);
    let mut connections = Vec::new();
    for _ in 0..arguments.connections {
        let mut connection = Connection::open(arguments.address)?;
        connection.stream.set_nonblocking(true)?;
        connection
            .stream
            .write_all(draw.one_of(&requests).as_bytes())?;
        connections.push(connection);
    }
    let until = Instant::now() + Duration::from_secs_f64(arguments.seconds);
    let mut count: u64 = 0;
    while Instant::now() < until {
        for connection in &mut connections {
            if let Some(status) = connection.read()? {
                anyhow::ensure!(status == arguments.status, "an answer with status {status}");
                count += 1;
                connection
                    .stream
                    .write_all(draw.one_of(&requests).as_bytes())?;
            }
        }
    }
    crate::tell(&json!({ "count": count }))?;
    Ok(())
}

/// Evenly spread numbers (`SplitMix64`).
struct Draw(u64);

impl Draw {
    fn one_of<'a>(&mut self, requests: &'a [String]) -> &'a str {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the rest of a division by their number"
        )]
        let index = (mixed % requests.len().max(1) as u64) as usize;
        requests.get(index).map_or("", String::as_str)
    }
}
