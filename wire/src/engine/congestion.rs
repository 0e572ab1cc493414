//! Congestion control per lane: BBR on long paths, the system's own on short ones, and none that paces on very short ones.
//!
//! Loss-based congestion control (Linux's usual cubic) takes each lost packet for congestion. Measured at 100 ms and 0.5 %
//! loss on a link of 200 Mbit/s, one stream of it carries 5 Mbit/s and BBR 160. Only the sender of the data decides, so
//! each end sets it on its own sockets; after connect and accept, since a route may carry its own.
//!
//! Where BBR is the system's own, it costs what it is good for on a path of a few microseconds, as it sends by timers: on the
//! loopback with two cores, 1 GiB takes a fifth more processor time and 0.6 to 0.9 s, instead of 0.5 s with cubic or reno. A
//! socket that has begun to pace never stops, so there they [begin](begin_unpaced) without, until the path is known.

use rustix::net::sockopt::{set_tcp_congestion, tcp_congestion};
use socket2::SockRef;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::net::TcpStream;

/// A round trip from which on a path counts as long. Below it even loss-based control recovers quickly.
pub const LONG_PATH: Duration = Duration::from_millis(20);

/// A round trip up to which a path is very short: this machine, or one in the same room.
const SHORT_PATH: Duration = Duration::from_millis(1);

/// Bytes that may wait in a lane's socket without being on their way.
const UNSENT_LEN: u32 = 128 * 1024;

/// Before a socket connects, or of one that listens for all that it accepts: does without BBR if that is the system's own.
pub fn begin_unpaced(socket: impl AsFd) {
    let paces = tcp_congestion(&socket).is_ok_and(|own| own == BBR);
    if paces && !UNPACED.into_iter().any(|name| set_tcp_congestion(&socket, name).is_ok()) {
        tracing::debug!("neither cubic nor reno is to be had; the system's congestion control stays");
    }
}

/// Gives a socket that was accepted and is no lane the system's own congestion control back.
pub fn go_on_as_usual(socket: impl AsFd) {
    if bbr_is_own()
        && let Err(error) = set_tcp_congestion(socket, BBR)
    {
        tracing::debug!(%error, "BBR is not to be had any more");
    }
}

/// What a lane's socket has been set to.
#[derive(Default)]
pub(crate) struct Congestion {
    paces: bool,
    is_bounded: bool,
}

impl Congestion {
    /// Sets what the path needs, once it is known; a round trip of zero is none. What the kernel lacks or refuses is left.
    pub(crate) fn adapt(&mut self, socket: &TcpStream, round_trip: Duration) {
        let path_of_bbr = if bbr_is_own() { SHORT_PATH } else { LONG_PATH };
        if !self.paces && round_trip >= path_of_bbr {
            self.paces = true;
            if let Err(error) = set_tcp_congestion(socket, BBR) {
                tracing::debug!(%error, "BBR is not to be had; the system's congestion control stays");
            }
        }
        // A slow lane should not hold megabytes in its socket that a fast one could send: it would be the last to end.
        if !self.is_bounded && round_trip >= LONG_PATH {
            self.is_bounded = true;
            if let Err(error) = SockRef::from(socket).set_tcp_notsent_lowat(UNSENT_LEN) {
                tracing::debug!(%error, "unsent bytes cannot be bounded");
            }
        }
    }
}

/// Whether BBR is what the system's sockets have.
fn bbr_is_own() -> bool {
    static OWN: OnceLock<bool> = OnceLock::new();
    *OWN.get_or_init(|| {
        let name = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control");
        name.is_ok_and(|name| name.trim() == BBR)
    })
}

const BBR: &str = "bbr";
/// Loss-based, in the order of preference; anybody may have the last.
const UNPACED: [&str; 2] = ["cubic", "reno"];

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket};

    /// As far as this system has BBR and lets everybody set it.
    #[tokio::test]
    async fn the_path_decides() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        let own = tcp_congestion(&socket).unwrap();
        if set_tcp_congestion(TcpSocket::new_v4().unwrap(), BBR).is_err() {
            eprintln!("skipped: this system refuses BBR");
            return;
        }
        begin_unpaced(&socket);
        let before = tcp_congestion(&socket).unwrap();
        assert!(before != BBR && (bbr_is_own() || before == own));
        let socket = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        let mut congestion = Congestion::default();
        for unknown_or_very_short in [Duration::ZERO, Duration::from_micros(50)] {
            congestion.adapt(&socket, unknown_or_very_short);
            assert_eq!(tcp_congestion(&socket).unwrap(), before);
        }
        congestion.adapt(&socket, SHORT_PATH);
        assert_eq!(tcp_congestion(&socket).unwrap() == BBR, bbr_is_own());
        congestion.adapt(&socket, LONG_PATH);
        congestion.adapt(&socket, Duration::from_micros(50));
        assert_eq!(tcp_congestion(&socket).unwrap(), BBR, "a path that was long once stays so");
    }
}
