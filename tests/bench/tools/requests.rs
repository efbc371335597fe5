//! Requests as bytes, and answers as far as they matter here.

use std::io::{self, Read as _};
use std::net::TcpStream;

use anyhow::Context as _;

/// The requests that `template` stands for, one for each line of `lines`: `{handle}` is what stands on it, or its
/// first part before a tab; `{host}` the second.
pub(crate) fn filled(template: &str, lines: &str) -> Vec<String> {
    let fill = |line: &str| {
        let (handle, host) = line.split_once('\t').unwrap_or((line, "{host}"));
        template.replace("{handle}", handle).replace("{host}", host)
    };
    lines.lines().map(fill).collect()
}

/// A connection whose answers have no body.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: std::net::SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            answer: Vec::with_capacity(4096),
        })
    }

    /// Reads what is there. The status, once the answer is whole.
    pub(crate) fn read(&mut self) -> anyhow::Result<Option<u16>> {
        let mut piece = [0; 4096];
        let count = match self.stream.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            count => count?,
        };
        anyhow::ensure!(count > 0, "the server closed the connection");
        self.answer
            .extend_from_slice(piece.get(..count).unwrap_or_default());
        if !self.answer.ends_with(b"\r\n\r\n") {
            return Ok(None);
        }
        // `HTTP/1.1 202 Accepted`
        let status = self
            .answer
            .get(9..12)
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
            .context("an answer without a status")?;
        self.answer.clear();
        Ok(Some(status))
    }
}
