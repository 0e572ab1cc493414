//! A lane: a connection whose handshake is done by rustls, and whose records are then sealed and opened in place.

use super::aligned::RecordAlignedReader;
use super::control::Connection;
use super::record::{Opener, RecordError, Sealer};
use crate::ids::LaneNo;
use crate::limits::{KEEPALIVE_INTERVAL, LANE_SILENCE_MAX, PEER_SILENCE_MAX};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// A lane that is bound to its session.
pub struct Lane {
    /// Its number within the session.
    pub number: LaneNo,
    /// Its socket, for both directions.
    pub socket: Arc<TcpStream>,
    /// Seals outgoing records.
    pub sealer: Sealer,
    /// Opens incoming records.
    pub opener: Opener,
}

/// Why a connection cannot become a lane.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// rustls does not export the secrets.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    /// The cipher suite is unknown.
    #[error("{0}")]
    Record(#[from] RecordError),
    /// The peer sent data before it was allowed to.
    #[error("data before the lane was ready")]
    Early,
    /// The socket is broken.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Lane {
    /// Takes over the connection from rustls. All plaintext that rustls has buffered must have been read.
    ///
    /// # Errors
    /// If rustls still has buffered data, or does not export the secrets.
    pub fn take_over(number: LaneNo, connection: Connection) -> Result<Self, LaneError> {
        let (io, secrets): (RecordAlignedReader<TcpStream>, _) = match connection {
            TlsStream::Client(stream) => {
                let (io, mut connection) = stream.into_inner();
                check_empty(connection.process_new_packets()?)?;
                (io, connection.dangerous_extract_secrets()?)
            }
            TlsStream::Server(stream) => {
                let (io, mut connection) = stream.into_inner();
                check_empty(connection.process_new_packets()?)?;
                (io, connection.dangerous_extract_secrets()?)
            }
        };
        let socket = io.into_inner();
        socket.set_nodelay(true)?;
        notice_death(&socket)?;
        Ok(Self {
            number,
            socket: Arc::new(socket),
            sealer: Sealer::new(secrets.tx)?,
            opener: Opener::new(secrets.rx)?,
        })
    }
}

/// Lets the system detect that the peer is gone, even while this end only reads. A lane has no pings of its own.
fn notice_death(socket: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(PEER_SILENCE_MAX / 2)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(2),
    )?;
    socket.set_tcp_user_timeout(Some(LANE_SILENCE_MAX))
}

fn check_empty(state: rustls::IoState) -> Result<(), LaneError> {
    if state.plaintext_bytes_to_read() == 0 && state.tls_bytes_to_write() == 0 {
        Ok(())
    } else {
        Err(LaneError::Early)
    }
}
