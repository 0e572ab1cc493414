//! Distinguishes a peer that went away from one that broke the protocol.

use std::io;

/// True if the peer is simply not there any more, with or without TLS's word of farewell.
pub(crate) fn went_away(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof].contains(&error.kind())
}
