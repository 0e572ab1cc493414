//! Congestion control per lane: BBR on long paths, the system's default on short ones, and one without pacing on very short
//! ones.
//!
//! Loss-based congestion control (Linux's usual cubic) takes each lost packet for congestion. Measured at 100 ms and 0.5 % loss
//! on a link of 200 Mbit/s, one stream of it carries 5 Mbit/s and BBR 160. Only the sender of the data decides, so each end
//! sets it on its own sockets; after connect and accept, since a route may carry its own.
//!
//! Where BBR is the system's default, it is slow on a path of a few microseconds, because it sends by timers: on the loopback
//! with two cores, 1 GiB takes a fifth more processor time and 0.6 to 0.9 s, instead of 0.5 s with cubic or reno. A socket that
//! has begun to pace never stops, so there sockets [avoid BBR](avoid_bbr_until_rtt_known) until the path is known.

use rustix::net::sockopt::{set_tcp_congestion, tcp_congestion};
use socket2::SockRef;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::net::TcpStream;

/// Shortest round trip of a long path. Below it even loss-based control recovers quickly.
pub const LONG_PATH: Duration = Duration::from_millis(20);

/// Longest round trip of a very short path: this machine, or one in the same room.
const SHORT_PATH: Duration = Duration::from_millis(1);

/// Bytes that may wait unsent in a lane's socket.
const UNSENT_LEN: u32 = 128 * 1024;

/// Replaces BBR, if it is the system's default, by a loss-based algorithm until the round trip is known. Call before
/// connecting, or on a listening socket for all that it accepts.
pub(super) fn avoid_bbr_until_rtt_known(socket: impl AsFd) {
    let paces = tcp_congestion(&socket).is_ok_and(|own| own == BBR);
    if paces && !UNPACED.into_iter().any(|name| set_tcp_congestion(&socket, name).is_ok()) {
        tracing::debug!("neither cubic nor reno is to be had; the system's congestion control stays");
    }
}

/// Restores the system's default on an accepted socket that does not become a lane.
pub(super) fn restore_default_congestion_control(socket: impl AsFd) {
    if bbr_is_own()
        && let Err(error) = set_tcp_congestion(socket, BBR)
    {
        tracing::debug!(%error, "BBR is not to be had any more");
    }
}

/// The congestion control set on a lane's socket.
#[derive(Default)]
pub(crate) struct Congestion {
    paces: bool,
    is_bounded: bool,
}

impl Congestion {
    /// Sets the algorithm that suits the path, once its round trip is known; zero means unknown. If the kernel lacks or refuses
    /// one, the socket stays as it is.
    pub(crate) fn adapt(&mut self, socket: &TcpStream, round_trip: Duration) {
        let path_of_bbr = if bbr_is_own() { SHORT_PATH } else { LONG_PATH };
        if !self.paces && round_trip >= path_of_bbr {
            self.paces = true;
            if let Err(error) = set_tcp_congestion(socket, BBR) {
                tracing::debug!(%error, "BBR is not to be had; the system's congestion control stays");
            }
        }
        // A slow lane should not keep megabytes in its socket that a fast one could send: it would be the last to end.
        if !self.is_bounded && round_trip >= LONG_PATH {
            self.is_bounded = true;
            if let Err(error) = SockRef::from(socket).set_tcp_notsent_lowat(UNSENT_LEN) {
                tracing::debug!(%error, "unsent bytes cannot be bounded");
            }
        }
    }
}

/// True if BBR is the system's default.
fn bbr_is_own() -> bool {
    static OWN: OnceLock<bool> = OnceLock::new();
    *OWN.get_or_init(|| {
        let name = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control");
        name.is_ok_and(|name| name.trim() == BBR)
    })
}

const BBR: &str = "bbr";
/// Loss-based algorithms, in the order of preference; every user may set the last.
const UNPACED: [&str; 2] = ["cubic", "reno"];

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket};

    /// Tests as much as possible on this system, which may lack BBR or restrict it.
    #[tokio::test]
    async fn the_path_decides() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        let own = tcp_congestion(&socket).unwrap();
        if set_tcp_congestion(TcpSocket::new_v4().unwrap(), BBR).is_err() {
            eprintln!("skipped: this system refuses BBR");
            return;
        }
        avoid_bbr_until_rtt_known(&socket);
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
