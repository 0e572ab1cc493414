//! The line that announces that the server accepts connections, where, and with which key.

use super::{logging, output};
use serde::Serialize;
use std::io;
use std::net::SocketAddr;

/// A server that accepts connections.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "listening")]
pub(crate) struct Listening<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) fingerprint: &'a str,
}

impl Listening<'_> {
    /// Prints the line. A server goes on without a reader of its standard output.
    pub(crate) fn announce(&self, json: bool) {
        logging::flush(); // earlier log lines must come first
        if let Err(error) = self.print(json) {
            tracing::warn!(%error, "cannot print where the server listens");
        }
    }

    fn print(&self, json: bool) -> io::Result<()> {
        if json { output::json_line(self) } else { output::line(self.text()) }
    }

    fn text(&self) -> String {
        format!("listening on {} {}", self.address, self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_what_scripts_expect() {
        let listening = Listening { address: "127.0.0.1:41234".parse().unwrap(), fingerprint: "sha256:ab" };
        assert_eq!(listening.text(), "listening on 127.0.0.1:41234 sha256:ab");
        assert_eq!(
            serde_json::to_string(&listening).unwrap(),
            r#"{"event":"listening","address":"127.0.0.1:41234","fingerprint":"sha256:ab"}"#
        );
    }
}
