//! Connections of a transport, from their handshake until their first message has shown what they become.
//!
//! ```text
//! Acceptor ─► arrival ─ handshake ─► Connection ─┬─ Login ─────► control connection: messages, for the session's life
//! Dialer ───────────── handshake ─► Connection ─┴─ LaneHello ─► Lane: frames
//! ```
//!
//! Both ends of a connection know the same three values, and no one else does, not even the ends of another connection: they
//! bind a session, a login by key and a lane's proof to their connections.

use super::Lane;
use crate::binding::{SessionId, SessionSecret};
use crate::ids::LaneNo;
use crate::login::Channel;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes that nobody on the way can read or alter, with bounds that hold before the login.
#[allow(clippy::missing_errors_doc)] // of the handshake, which is done
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static {
    /// Its lanes.
    type Lane: Lane;

    /// Returns the id and the secret of the session whose control connection it is.
    fn session_binding(&self) -> io::Result<(SessionId, SessionSecret)>;
    /// Returns the properties that a login by key is bound to.
    fn login_channel(&self) -> io::Result<Channel>;
    /// Returns the value that a lane's proof covers.
    fn lane_binding(&self) -> io::Result<[u8; 32]>;
    /// Lifts the bounds of the time before the login: it stays a control connection.
    fn become_control(&mut self);
    /// Makes it a lane.
    ///
    /// # Errors
    /// If the peer has sent more than its hello, or the connection is broken.
    fn into_lane(self, number: LaneNo) -> io::Result<Self::Lane>;
}

/// Accepts connections, for a server. Once it is dropped, no further ones can be made.
pub trait Acceptor: Send + Sync + 'static {
    /// A connection before its handshake.
    type Accepted: Accepted;

    /// Waits for the next connection; returns it with the peer's address.
    ///
    /// # Errors
    /// If it cannot be accepted; a later one may be.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Accepted, SocketAddr)>> + Send;
}

/// A connection before its handshake. It does not keep its acceptor.
pub trait Accepted: Send + 'static {
    /// A connection after its handshake.
    type Connection: Connection;

    /// Does the handshake, which may take as long as the peer likes.
    ///
    /// # Errors
    /// If the connection breaks, or the peer speaks another protocol.
    fn handshake(self) -> impl Future<Output = io::Result<Self::Connection>> + Send;
}

/// Makes further connections to the server of a session, for a client.
pub trait Dialer: Send + Sync + 'static {
    /// A connection after its handshake.
    type Connection: Connection;

    /// Connects.
    ///
    /// # Errors
    /// If the server cannot be reached, or is another one.
    fn dial(&self) -> impl Future<Output = io::Result<Self::Connection>> + Send;

    /// True if the connection goes a longer way than others may, once there is a better one.
    fn is_detour(&self, _connection: &Self::Connection) -> bool {
        false
    }
}
