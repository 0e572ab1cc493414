//! Which of the measured stages limits.
//!
//! The rate of a direction in the long run is the slowest of what moved together and of the disks at its ends, which a
//! measurement of some seconds fills only the memory of. If it is what moved together, the processors are looked at: this
//! machine's by how busy they were, the server's by its hash, which all that moves must pass. What is left is the network.

use super::{DirectionRates, Measurements};
use std::fmt;
use std::time::Duration;
use wire::delta::{FAST_RATE, NEAR};

/// The limit of the slower direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferBottleneck {
    /// Its kind.
    pub culprit: Culprit,
    /// Bytes per second that it lets through.
    pub rate: u64,
    /// The direction.
    pub direction: TransferDirection,
}

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferDirection {
    /// To the server.
    Upload,
    /// From the server.
    Download,
}

/// A part of the way that may limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Culprit {
    /// `--limit-rate`.
    RateLimit,
    /// The network in between.
    Network,
    /// This machine's disk.
    Disk,
    /// This machine's processors.
    Processor,
    /// The server's disk.
    ServerDisk,
    /// The server's processors.
    ServerProcessor,
}

/// Ways to move fewer bytes than a content has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Savings {
    /// Compression does, of content that becomes smaller.
    pub compression: bool,
    /// Deltas do, of large files that replace others.
    pub delta: bool,
}

impl TransferBottleneck {
    /// Returns what the options that decide by themselves do on this way.
    #[must_use]
    pub fn savings(&self, measured: &Measurements) -> Savings {
        let (is_network, is_near) = match self.culprit {
            Culprit::RateLimit => (true, false),
            Culprit::Network => (true, measured.round_trip_min < NEAR),
            Culprit::Disk | Culprit::Processor | Culprit::ServerDisk | Culprit::ServerProcessor => {
                (false, true)
            }
        };
        Savings {
            compression: is_network && self.rate < COMPRESSION_RATE,
            delta: is_network && !is_near && self.rate < FAST_RATE,
        }
    }
}

impl fmt::Display for Savings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.compression, self.delta) {
            (true, true) => "compression and deltas shorten transfers on this way",
            (true, false) => "compression shortens transfers on this way; deltas do not",
            (false, true) => "deltas shorten transfers on this way; compression does not",
            (false, false) => "neither compression nor deltas shorten transfers on this way",
        })
    }
}

/// Returns the limit; `None` if no bytes could be moved.
#[must_use]
pub fn bottleneck(measured: &Measurements) -> Option<TransferBottleneck> {
    let ways = [TransferDirection::Upload, TransferDirection::Download];
    ways.into_iter().filter_map(|direction| of_way(measured, direction)).min_by_key(|limit| limit.rate)
}

fn of_way(measured: &Measurements, direction: TransferDirection) -> Option<TransferBottleneck> {
    let (way, disks) = match direction {
        TransferDirection::Upload => {
            let ends = [
                (Culprit::Disk, &measured.here.disk_read),
                (Culprit::ServerDisk, &measured.server.disk_write),
            ];
            (&measured.upload, ends.to_vec())
        }
        // How fast the server's disk is read shows only in what moves.
        TransferDirection::Download => (&measured.download, vec![(Culprit::Disk, &measured.here.disk_write)]),
    };
    let together = best(way)?;
    let disks = disks.into_iter().filter_map(|(culprit, rate)| Some((culprit, *rate.as_ref().ok()?)));
    let slowest = disks.min_by_key(|(_, rate)| *rate).filter(|(_, rate)| is_below(*rate, together));
    let (culprit, rate) = match slowest {
        Some(disk) => disk,
        None => (of_moving(measured, together, way.busy), together),
    };
    Some(TransferBottleneck { culprit, rate, direction })
}

fn of_moving(measured: &Measurements, together: u64, busy: Option<u8>) -> Culprit {
    let server_hash = measured.server.hash.as_ref().ok().copied().unwrap_or(u64::MAX);
    if measured.rate_limit > 0 && !is_below(together, measured.rate_limit) {
        Culprit::RateLimit
    } else if busy >= Some(BUSY_PERCENT) {
        Culprit::Processor
    } else if !is_below(together, server_hash) {
        Culprit::ServerProcessor
    } else {
        Culprit::Network
    }
}

/// The rate over the best number of lanes, which may be one.
fn best(way: &DirectionRates) -> Option<u64> {
    let lanes = *way.lanes.as_ref().ok()?;
    Some(way.one_lane.as_ref().map_or(lanes, |one| lanes.max(*one)))
}

/// True if it is smaller by more than what measurements differ anyway.
fn is_below(rate: u64, other: u64) -> bool {
    u128::from(rate) * 5 < u128::from(other) * 4
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RateLimit => "--limit-rate",
            Self::Network => "the network",
            Self::Disk => "this machine's disk",
            Self::Processor => "this machine's processors",
            Self::ServerDisk => "the server's disk",
            Self::ServerProcessor => "the server's processors",
        })
    }
}

impl Culprit {
    /// The advice against it.
    #[must_use]
    pub fn advice(self, measured: &Measurements, direction: TransferDirection) -> &'static str {
        let way = match direction {
            TransferDirection::Upload => &measured.upload,
            TransferDirection::Download => &measured.download,
        };
        let lanes_help = matches!((&way.lanes, &way.one_lane), (Ok(all), Ok(one)) if one * 3 < all * 2);
        let one_is_faster = matches!((&way.lanes, &way.one_lane), (Ok(all), Ok(one)) if is_below(*all, *one));
        match self {
            Self::Network | Self::Processor | Self::ServerProcessor if one_is_faster => {
                "one lane (--lanes 1): it carries more than several"
            }
            Self::RateLimit => "a higher --limit-rate, or none",
            Self::Network if lanes_help && measured.round_trip_min >= LONG => {
                "more lanes (--lanes N), as the way is long"
            }
            Self::Network if lanes_help => "more lanes (--lanes N): one carries less than several",
            Self::Network => "a faster network; more lanes bring little",
            Self::Disk => "a faster disk here, or another folder (--dir measures it)",
            Self::Processor => "fewer programs beside it, or a faster machine",
            Self::ServerDisk => "a faster disk there; what fits into its memory goes faster",
            Self::ServerProcessor => "a faster server, or the other checksum (--checksum)",
        }
    }
}

/// Text is compressed at some 300 MB/s by one thread.
const COMPRESSION_RATE: u64 = 250_000_000;
/// From here on other programs get no processor time.
const BUSY_PERCENT: u8 = 85;
/// A way on which a lane waits for its acknowledgements.
const LONG: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::super::{LocalMeasurements, Measured, ServerMeasurements};
    use super::*;
    use wire::checksum::Checksum;

    const MB: u64 = 1_000_000;

    fn way(lanes: u64, one_lane: u64) -> DirectionRates {
        DirectionRates { lanes: Ok(lanes * MB), one_lane: Ok(one_lane * MB), busy: Some(30) }
    }

    fn none() -> Measured {
        Err("not measured".into())
    }

    /// A network of 110 MB/s between machines that have nothing to do.
    fn good() -> Measurements {
        Measurements {
            round_trip_min: Duration::from_micros(300),
            round_trip_median: Duration::from_micros(400),
            checksum: Checksum::Blake3,
            upload: way(110, 105),
            download: way(112, 104),
            here: LocalMeasurements {
                disk_write: Ok(500 * MB),
                disk_read: Ok(900 * MB),
                hash: Ok(2000 * MB),
                cipher: Ok(3000 * MB),
            },
            server: ServerMeasurements { disk_write: Ok(400 * MB), hash: Ok(1500 * MB) },
            rate_limit: 0,
        }
    }

    fn changed(change: impl FnOnce(&mut Measurements)) -> Option<(Culprit, u64, TransferDirection)> {
        let mut measured = good();
        change(&mut measured);
        bottleneck(&measured).map(|limit| (limit.culprit, limit.rate / MB, limit.direction))
    }

    #[test]
    fn the_slowest_stage_limits() {
        use Culprit::{Disk, Network, Processor, RateLimit, ServerDisk, ServerProcessor};
        use TransferDirection::{Download, Upload};
        type Change = fn(&mut Measurements);
        let table: [(Change, _); 13] = [
            (|_| {}, (Network, 110, Upload)),
            (|m| m.download = way(20, 5), (Network, 20, Download)),
            (|m| m.upload = way(20, 90), (Network, 90, Upload)), // one lane is faster
            (|m| m.server.disk_write = Ok(30 * MB), (ServerDisk, 30, Upload)),
            (|m| m.server.disk_write = Ok(100 * MB), (Network, 110, Upload)), // not by more than noise
            (|m| m.here.disk_read = Ok(20 * MB), (Disk, 20, Upload)),
            (|m| m.here.disk_write = Ok(20 * MB), (Disk, 20, Download)),
            (|m| m.upload.busy = Some(97), (Processor, 110, Upload)),
            (|m| m.download.busy = Some(97), (Network, 110, Upload)), // the other direction
            (|m| m.server.hash = Ok(100 * MB), (ServerProcessor, 110, Upload)),
            (|m| m.rate_limit = 111 * MB, (RateLimit, 110, Upload)),
            (|m| m.rate_limit = 900 * MB, (Network, 110, Upload)),
            (
                |m| (m.here.disk_read, m.server.disk_write) = (Ok(30 * MB), Ok(20 * MB)),
                (ServerDisk, 20, Upload),
            ),
        ];
        for (number, (change, expected)) in table.into_iter().enumerate() {
            assert_eq!(changed(change), Some(expected), "row {number}");
        }
    }

    #[test]
    fn a_slow_network_makes_compression_and_deltas_pay() {
        let savings = |change: fn(&mut Measurements)| {
            let mut measured = good();
            change(&mut measured);
            let Savings { compression, delta } = bottleneck(&measured).unwrap().savings(&measured);
            (compression, delta)
        };
        assert_eq!(savings(|_| {}), (true, false), "it is near");
        assert_eq!(savings(|m| m.round_trip_min = Duration::from_millis(5)), (true, true));
        assert_eq!(savings(|m| m.rate_limit = 110 * MB), (true, true));
        assert_eq!(savings(|m| m.server.disk_write = Ok(30 * MB)), (false, false), "a disk limits");
        let fast = |m: &mut Measurements| {
            (m.upload, m.download, m.round_trip_min) =
                (way(300, 300), way(300, 300), Duration::from_millis(5));
        };
        assert_eq!(savings(fast), (false, false));
    }

    #[test]
    fn what_was_not_measured_limits_nothing() {
        assert_eq!(
            changed(|m| m.upload.lanes = none()),
            Some((Culprit::Network, 112, TransferDirection::Download))
        );
        assert_eq!(changed(|m| (m.upload.lanes, m.download.lanes) = (none(), none())), None);
        let unknown = |m: &mut Measurements| {
            (m.here.disk_read, m.server.disk_write, m.server.hash, m.upload.busy) =
                (none(), none(), none(), None);
        };
        assert_eq!(changed(unknown), Some((Culprit::Network, 110, TransferDirection::Upload)));
    }

    #[test]
    fn advice_fits_into_a_line() {
        use Culprit::{Disk, Network, Processor, RateLimit, ServerDisk, ServerProcessor};
        for culprit in [Disk, Network, Processor, RateLimit, ServerDisk, ServerProcessor] {
            assert!(culprit.advice(&good(), TransferDirection::Upload).len() <= 60, "{culprit}");
        }
    }

    #[test]
    fn lanes_are_advised_where_they_bring_something() {
        let mut measured = good();
        let advice = |measured: &Measurements| Culprit::Network.advice(measured, TransferDirection::Upload);
        assert!(advice(&measured).starts_with("a faster network"));
        measured.upload = way(110, 20);
        assert!(advice(&measured).starts_with("more lanes"));
        measured.round_trip_min = Duration::from_millis(100);
        assert!(advice(&measured).ends_with("the way is long"));
        measured.upload = way(20, 110);
        assert!(advice(&measured).starts_with("one lane (--lanes 1)"));
    }
}
