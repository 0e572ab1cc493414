//! Connections and lanes as TLS 1.3 over TCP. rustls does the handshake, and carries the control connection; a lane takes over
//! socket and keys, and its records are sealed and opened in the buffers of their frames. A session over ssh has local sockets
//! instead, whose other ends ssh and `ftp-server` carry on.
//!
//! ```text
//! connection ─ handshake, hello (rustls, read record by record) ─► TlsConnection::into_lane ─┬─► TlsWriter: socket, Sealer
//!                                                                                      └─► TlsReader: socket, Deframer, Opener
//! file ─► FrameBuffer, laid out in records ─ sealed in place ─► socket ══► Deframer ─ opened in place ─► job
//! ```
//!
//! The two halves share the socket, and each direction has a key of its own. The reader keeps up to one frame's records and the
//! beginning of the next frame ([`FRAME_RECORDS_LEN_MAX`](crate::limits::FRAME_RECORDS_LEN_MAX)). The writer has no
//! buffer but the socket's own, whose unsent part is bounded on long paths.

mod aligned;
mod congestion;
mod connection;
mod deframer;
mod lane;
pub mod record;
mod socket;
pub mod tls;

pub use aligned::RecordAlignedReader;
pub use congestion::LONG_PATH;
pub use connection::{
    LocalTlsListener, PresentedIdentity, TlsAccepted, TlsConnection, TlsDialer, TlsListener,
};
pub use lane::{RECORD_LAYOUT, TlsLane, TlsReader, TlsWriter};
pub use socket::Socket;
