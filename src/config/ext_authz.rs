//! `[ext_authz]`: Envoy asks over gRPC.

use std::net::SocketAddr;

use super::addresses;
use super::diagnostics::Fault;
use super::operations::Operations;
use super::reader::Section;
use super::server::Server;
use super::table::{Key, Shape, Table};

/// Envoy asks over gRPC.
#[derive(Clone, Debug, Default)]
pub struct ExtAuthz {
    /// Where; none: nobody can.
    pub listen: Option<SocketAddr>,
}

pub(super) static TABLE: Table = Table::new(
    "[ext_authz]",
    "Envoy asks over gRPC.",
    &[Key::new(
        "listen",
        Shape::Socket,
        "Where Envoy asks over gRPC (HTTP/2 without TLS). Without it there is no such listener.",
    )
    .required()
    .fixed()],
);

pub(super) fn read(root: &Section<'_>, server: &Server, operations: &Operations) -> ExtAuthz {
    let Some(section) = root.get("ext_authz").and_then(|item| item.section(&TABLE)) else {
        return ExtAuthz::default();
    };
    let item = section.require("listen", "add listen = \"127.0.0.1:4181\"");
    let listen = item.as_ref().and_then(addresses::listen);
    section.finish();
    if let (Some(listen), Some(item)) = (listen, item) {
        let others = [Some(server.listen), operations.listen];
        if others.contains(&Some(listen)) && listen.port() != 0 {
            item.fault_with_help(
                format!("another listener has {listen} already"),
                "choose another port: what arrives there is HTTP/2 and nothing else",
            );
        } else if server.trusted_proxies.is_empty() {
            let warning =
                "nobody is in `trusted_proxies`: every question of Envoy's will be refused";
            root.document.report(
                Fault::at(item.position(), warning)
                    .with_help("add [[server.trusted_proxies]] with Envoy's network")
                    .as_warning(),
            );
        }
    }
    ExtAuthz { listen }
}
