//! Decides for one direction of the link, without I/O or clock, which packets arrive, and when.

use std::time::{Duration, Instant};

use super::{Random, WanOptions};

/// The outcome for a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    Arrives(Instant),
    Lost,
    /// The queue was full.
    Overflowed,
}

/// A bottleneck of fixed rate with a queue that drops at its tail, then random loss, then a fixed delay.
#[derive(Debug)]
pub(super) struct Pipe {
    delay: Duration,
    bytes_per_s: f64,
    queue_bytes: f64,
    loss: f64,
    random: Random,
    /// Time at which the last byte of the accepted packets has left the bottleneck.
    free_at: Option<Instant>,
}

impl Pipe {
    pub(super) fn new(options: &WanOptions, seed: u64) -> Self {
        let bytes_per_s = options.rate_mbit * 1e6 / 8.0;
        let product = (bytes_per_s * options.rtt_ms / 1e3).max(65_536.0);
        Self {
            delay: Duration::from_secs_f64(options.rtt_ms / 2e3),
            bytes_per_s,
            queue_bytes: options.queue_kb.map_or(product, |kb| kb as f64 * 1024.0),
            loss: options.loss_percent / 100.0,
            random: Random::new(seed),
            free_at: None,
        }
    }

    /// Takes a packet of `len` bytes at `now`. A lost packet has used its share of the rate all the same.
    pub(super) fn admit(&mut self, now: Instant, len: usize, cut: bool) -> Fate {
        let free_at = self.free_at.map_or(now, |free_at| free_at.max(now));
        let backlog_bytes = (free_at - now).as_secs_f64() * self.bytes_per_s;
        if backlog_bytes + len as f64 > self.queue_bytes {
            return Fate::Overflowed;
        }
        let sent_at = free_at + Duration::from_secs_f64(len as f64 / self.bytes_per_s);
        self.free_at = Some(sent_at);
        if self.random.fraction() < self.loss || cut {
            return Fate::Lost;
        }
        Fate::Arrives(sent_at + self.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: usize = 1500;

    fn pipe(options: WanOptions) -> Pipe {
        Pipe::new(&options, 1)
    }

    #[test]
    fn a_packet_arrives_after_its_own_length_and_half_the_round_trip() {
        let now = Instant::now();
        let mut pipe = pipe(WanOptions { rtt_ms: 100.0, rate_mbit: 12.0, ..WanOptions::default() });
        assert_eq!(pipe.admit(now, PACKET, false), Fate::Arrives(now + Duration::from_millis(51)));
        assert_eq!(pipe.admit(now, PACKET, false), Fate::Arrives(now + Duration::from_millis(52)));
    }

    #[test]
    fn an_idle_link_does_not_save_up_rate() {
        let now = Instant::now();
        let mut pipe = pipe(WanOptions { rtt_ms: 100.0, rate_mbit: 12.0, ..WanOptions::default() });
        pipe.admit(now, PACKET, false);
        let later = now + Duration::from_secs(5);
        assert_eq!(pipe.admit(later, PACKET, false), Fate::Arrives(later + Duration::from_millis(51)));
    }

    #[test]
    fn a_full_queue_drops_the_newest_packet() {
        let now = Instant::now();
        let mut pipe = pipe(WanOptions { rate_mbit: 12.0, queue_kb: Some(3), ..WanOptions::default() });
        let fates: Vec<_> = (0..3).map(|_| pipe.admit(now, PACKET, false)).collect();
        assert!(matches!(fates[..], [Fate::Arrives(_), Fate::Arrives(_), Fate::Overflowed]), "{fates:?}");
    }

    #[test]
    fn losses_are_as_many_as_asked_for() {
        let now = Instant::now();
        let mut pipe =
            pipe(WanOptions { loss_percent: 5.0, queue_kb: Some(1 << 30), ..WanOptions::default() });
        let lost = (0..100_000).filter(|_| pipe.admit(now, PACKET, false) == Fate::Lost).count();
        assert!((4_500..5_500).contains(&lost), "{lost} of 100000");
    }

    #[test]
    fn a_cut_link_loses_everything() {
        let mut pipe = pipe(WanOptions::default());
        assert_eq!(pipe.admit(Instant::now(), PACKET, true), Fate::Lost);
    }
}
