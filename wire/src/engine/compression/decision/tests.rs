//! Tests of the decision on simulated networks: lanes that compress at a rate, and a link that carries at a rate.

use super::*;

/// A machine with lanes, a network, and data.
struct Machine {
    /// Bytes per second of the network.
    network: f64,
    /// Bytes per second that the lanes together compress.
    encode: f64,
    /// Bytes per second that the lanes together read, hash and seal.
    read: f64,
    /// The share of a content that is left when it was compressed.
    ratio: f64,
    round_trip: Duration,
}

/// A session and its clock.
struct Session {
    decision: Decision,
    now: Instant,
}

fn session() -> Session {
    Session { decision: Decision::default(), now: Instant::now() }
}

/// A usual machine at a network of this rate.
fn at(network: f64) -> Machine {
    let round_trip = Duration::from_millis(if network > 5e8 { 0 } else { 20 });
    Machine {
        network,
        encode: 4e8,
        read: 1.5e9,
        ratio: 0.25,
        round_trip: round_trip.max(Duration::from_micros(50)),
    }
}

impl Machine {
    /// Sends for so many seconds; returns the share of frames that were compressed, and the bytes of content per second.
    fn run(&self, session: &mut Session, seconds: f64) -> (f64, f64) {
        const LANES: f64 = 4.0;
        const LEN: f64 = 524_288.0;
        let Session { decision, now } = session;
        let begin = *now;
        let (mut at, mut frames, mut compressed) = (0.0, 0.0, 0.0);
        while at < seconds {
            let level = decision.level(self.round_trip);
            let is_compressed = level.is_some();
            let (encoding, sent) =
                if is_compressed { (LEN / self.encode, LEN * self.ratio) } else { (0.0, LEN) };
            if is_compressed {
                decision.on_encoded(LEN as usize, Duration::from_secs_f64(2.0 * encoding)); // two processors
            }
            let (here, network) = (LEN / self.read + encoding, sent / self.network);
            let took = here.max(network); // the lanes work side by side
            at += took;
            frames += 1.0;
            compressed += f64::from(u8::from(is_compressed));
            let frame = SentFrame {
                content_len: LEN as usize,
                sent_len: sent as usize,
                here: Duration::from_secs_f64(here * LANES),
                waiting: Duration::from_secs_f64((took - here) * LANES),
            };
            *now = begin + Duration::from_secs_f64(at);
            decision.on_sent(frame, *now);
        }
        (compressed / frames, frames * LEN / at)
    }
}

#[test]
fn slow_networks_are_helped_from_the_first_frame_on() {
    for network in [1e6, 12.5e6, 40e6] {
        let (share, rate) = at(network).run(&mut session(), 10.0);
        assert!(share == 1.0 && rate > 3.5 * network, "{network}: {share}, {rate}");
    }
}

#[test]
fn a_slow_network_that_is_near_is_noticed() {
    let machine = Machine { round_trip: Duration::from_micros(300), ..at(12.5e6) };
    let (share, rate) = machine.run(&mut session(), 10.0);
    assert!(share > 0.9 && rate > 3.0 * machine.network, "{share}, {rate}");
}

#[test]
fn fast_networks_are_left_alone() {
    for network in [1e9, 3e9] {
        assert_eq!(at(network).run(&mut session(), 10.0).0, 0.0);
    }
    // One that is far away is noticed soon.
    let machine = Machine { round_trip: Duration::from_millis(20), ..at(1e9) };
    let (share, rate) = machine.run(&mut session(), 10.0);
    assert!(share < 0.1 && rate > 0.95e9, "{share}, {rate}");
}

#[test]
fn it_is_never_much_slower_than_plain_frames() {
    for network in [1e6, 30e6, 100e6, 150e6, 200e6, 250e6, 300e6, 400e6, 600e6, 1e9, 2e9] {
        for encode in [20e6, 100e6, 300e6, 1e9] {
            for ratio in [0.05, 0.3, 0.6, 0.9] {
                let machine = Machine { encode, ratio, ..at(network) };
                let (share, rate) = machine.run(&mut session(), 10.0);
                let plain = network.min(machine.read);
                assert!(rate > 0.95 * plain, "{network} {encode} {ratio}: {share}, {rate}");
            }
        }
    }
}

#[test]
fn a_link_that_becomes_slow_is_noticed_and_so_is_one_that_becomes_fast() {
    let mut session = session();
    assert_eq!(at(2e9).run(&mut session, 2.0).0, 0.0);
    assert!(at(12.5e6).run(&mut session, 10.0).0 > 0.9);
    let fast = Machine { round_trip: Duration::from_millis(20), ..at(2e9) };
    assert!(fast.run(&mut session, 10.0).0 < 0.1);
}

#[test]
fn slow_networks_get_the_higher_level() {
    let mut session = session();
    for (network, level) in [(2e6, LEVEL_SMALL), (12.5e6, LEVEL_USUAL), (80e6, LEVEL_FAST)] {
        at(network).run(&mut session, 5.0);
        assert_eq!(session.decision.level(Duration::ZERO), Some(level), "{network}");
    }
}

/// A busy machine, on which compressing takes longer than the network for a while.
#[test]
fn a_network_that_is_known_to_be_slow_is_not_tried_plain() {
    let mut session = session();
    assert_eq!(at(12.5e6).run(&mut session, 1.0).0, 1.0);
    let busy = Machine { encode: 30e6, ..at(12.5e6) };
    assert_eq!(busy.run(&mut session, 2.0).0, 1.0);
}

#[test]
fn pauses_do_not_count() {
    let mut decision = Decision::default();
    let (mut now, machine) = (Instant::now(), at(2e9));
    decision.level(machine.round_trip);
    let (here, waiting) = (Duration::from_micros(200), Duration::from_micros(400));
    let frame = SentFrame { content_len: 524_288, sent_len: 524_288, here, waiting };
    for number in 0..1000 {
        now += if number % 5 == 0 { Duration::from_secs(2) } else { Duration::from_micros(200) };
        decision.on_sent(frame, now);
    }
    assert_eq!(decision.level(machine.round_trip), None);
}

#[test]
fn before_anything_is_measured_the_round_trip_decides() {
    let level = |round_trip| Decision::default().level(round_trip);
    assert_eq!(level(NEAR - Duration::from_nanos(1)), None);
    assert_eq!([NEAR, Duration::ZERO].map(level), [Some(3); 2], "a round trip of zero is unknown");
}
