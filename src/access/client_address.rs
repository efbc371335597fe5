//! Whose request this is, as far as can be told.
//!
//! Invariant: a trusted proxy's own address never stands for a person, an untrusted peer's word about
//! addresses counts nothing, and one address has one spelling.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, HeaderName};

use crate::config::Server;
use crate::storage::Network;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The address of the person's machine; `None` where only trusted proxies are seen. An IPv4 address is never
/// written as a mapped one (RFC 4291 §2.5.5.2), as a listener on `[::]` sees it: those would all be one network.
pub(crate) fn client_address(headers: &HeaderMap, peer: IpAddr, server: &Server) -> Option<IpAddr> {
    told_address(headers, peer, server).map(|address| address.to_canonical())
}

fn told_address(headers: &HeaderMap, peer: IpAddr, server: &Server) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| server.trusted_proxy(address).is_some();
    if !is_trusted(peer) {
        return Some(peer);
    }
    // As bytes: what a client wrote in front must not hide what a proxy has appended.
    let forwarded: Vec<&[u8]> = headers
        .get_all(&X_FORWARDED_FOR)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .collect();
    // Each proxy appends: read from the right, until somebody who is not one of ours.
    for entry in forwarded.iter().rev() {
        let text = std::str::from_utf8(entry.trim_ascii()).ok();
        match text.and_then(|text| text.parse::<IpAddr>().ok()) {
            Some(address) if is_trusted(address) => {}
            Some(address) => return Some(address),
            None => return None,
        }
    }
    headers
        .get(&X_REAL_IP)
        .filter(|_| forwarded.is_empty())
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .filter(|address| !is_trusted(*address))
}

/// The network that an address stands for: itself, or its /64, which is one customer (RFC 6177).
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

/// The IPv6 /48 of an address: what a site is given, with 65,536 networks to come from (RFC 6177 §2).
pub(crate) fn site_of(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80))),
    }
}

/// The network that waiting requests are counted by: an IPv4 address, an IPv6 /48, or empty.
pub(crate) fn network(address: Option<IpAddr>) -> Network {
    match address {
        None => "".into(),
        Some(address) => site_of(address).map_or_else(
            || address.to_string().into(),
            |site| format!("{site}/48").into(),
        ),
    }
}
