//! Congestion control per lane: BBR on long paths, the system's own on short ones.
//!
//! Loss-based congestion control (Linux's usual cubic) takes each lost packet for congestion. Measured at 100 ms and 0.5 %
//! loss on a link of 200 Mbit/s, one stream of it carries 5 Mbit/s and BBR 160. Only the sender of the data decides, so
//! each end sets it on its own sockets; after connect and accept, since a route may carry its own.

use rustix::net::sockopt::set_tcp_congestion;
use socket2::SockRef;
use std::time::Duration;
use tokio::net::TcpStream;

/// A round trip from which on a path counts as long. Below it even loss-based control recovers quickly.
pub const LONG_PATH: Duration = Duration::from_millis(20);

/// Bytes that may wait in a lane's socket without being on their way.
const UNSENT_LEN: u32 = 128 * 1024;

/// Whether a lane's congestion control has been set.
#[derive(Default)]
pub(crate) struct Congestion {
    decided: bool,
}

impl Congestion {
    /// Sets BBR once the path is known to be long. Where the kernel lacks or refuses it, the system's own stays.
    pub(crate) fn adapt(&mut self, socket: &TcpStream, round_trip: Duration) {
        if !self.decided && round_trip >= LONG_PATH {
            self.decided = true;
            if let Err(error) = set_tcp_congestion(socket, "bbr") {
                tracing::debug!(%error, "BBR is not to be had; the system's congestion control stays");
            }
            // A slow lane should not hold megabytes in its socket that a fast one could send: it would be the last to end.
            if let Err(error) = SockRef::from(socket).set_tcp_notsent_lowat(UNSENT_LEN) {
                tracing::debug!(%error, "unsent bytes cannot be bounded");
            }
        }
    }
}
