//! One request with each of many cookies, in their order.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;

use crate::requests::{Connection, filled};

/// Requests under way at once.
const TOGETHER: usize = 8;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    address: SocketAddr,
    /// A file with the request; `{handle}` stands for the handle, `{host}` for its host.
    request: PathBuf,
    /// A file with a handle on each line, and behind a tab its host.
    handles: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let request = std::fs::read_to_string(&arguments.request)?;
    let handles = std::fs::read_to_string(&arguments.handles)?;
    let requests = filled(&request, &handles);
    let mut connections = (0..TOGETHER)
        .map(|_| Connection::open(arguments.address))
        .collect::<Result<Vec<_>, _>>()?;
    let mut statuses: BTreeMap<u16, u32> = BTreeMap::new();
    for batch in requests.chunks(TOGETHER) {
        for (connection, request) in connections.iter_mut().zip(batch) {
            connection.stream.write_all(request.as_bytes())?;
        }
        for (connection, _) in connections.iter_mut().zip(batch) {
            let status = loop {
                if let Some(status) = connection.read()? {
                    break status;
                }
            };
            *statuses.entry(status).or_default() += 1;
        }
    }
    crate::tell(&json!(statuses))?;
    Ok(())
}
