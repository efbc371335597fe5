//! `[operations]`: health and metrics.

use std::net::SocketAddr;

use super::addresses;
use super::diagnostics::Fault;
use super::reader::Section;
use super::server::Server;
use super::table::{Key, Shape, Table};

/// Health and metrics.
#[derive(Clone, Debug, Default)]
pub struct Operations {
    /// A listener of their own; none: they are on the main one.
    pub listen: Option<SocketAddr>,
}

pub(super) static TABLE: Table = Table::new(
    "[operations]",
    "Health and metrics.",
    &[Key::new(
        "listen",
        Shape::Socket,
        "A listener of its own for /healthz, /readyz and /metrics. Without it they are on the main listener.",
    )
    .fixed()],
);

pub(super) fn read(root: &Section<'_>, server: &Server) -> Operations {
    let Some(section) = root.get("operations").and_then(|item| item.section(&TABLE)) else {
        return Operations::default();
    };
    let item = section.get("listen");
    let listen = item.as_ref().and_then(addresses::listen);
    section.finish();
    if let (Some(listen), Some(item)) = (listen, item) {
        if listen == server.listen && listen.port() != 0 {
            item.fault_with_help(
                format!("the main listener has {listen} already"),
                "choose another port, or leave `listen` out: then both are on the main listener",
            );
        } else if !listen.ip().is_loopback() {
            let warning = "metrics can be read from outside this machine";
            root.document.report(
                Fault::at(item.position(), warning)
                    .with_help("listen on 127.0.0.1, or keep strangers off this port")
                    .as_warning(),
            );
        }
    }
    Operations { listen }
}
