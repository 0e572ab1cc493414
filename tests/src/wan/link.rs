//! The link at work: threads that carry packets between two TUN devices as the [`Pipe`]s decide.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tun_rs::{DeviceBuilder, SyncDevice};

use super::WanOptions;
use super::pipe::{Fate, Pipe};

/// Traffic of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets that were or will be delivered.
    pub packets: u64,
    /// Their length, IP headers included.
    pub bytes: u64,
    /// Packets lost at random or to a cut.
    pub lost: u64,
    /// Packets dropped because the queue was full.
    pub overflowed: u64,
}

/// Opens a new TUN device in the calling thread's namespace; closing it removes it.
pub(super) fn open_device() -> Result<SyncDevice> {
    let device = DeviceBuilder::new()
        .name(DEVICE)
        .mtu(1500)
        .tx_queue_len(10_000) // packets are dropped by the link, not on the way to it
        .build_sync()
        .context("opening a TUN device")?;
    device.set_nonblocking(true)?;
    Ok(device)
}

/// The running link; dropping it closes both devices.
#[derive(Debug)]
pub(super) struct Link {
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

impl Link {
    pub(super) fn start(a: SyncDevice, b: SyncDevice, options: &WanOptions) -> Self {
        let state = Arc::new(State::default());
        let (a, b) = (Arc::new(a), Arc::new(b));
        let mut threads = Vec::new();
        for (direction, (from, to)) in [(a.clone(), b.clone()), (b, a)].into_iter().enumerate() {
            let pipe = Pipe::new(options, options.seed.wrapping_mul(2).wrapping_add(direction as u64));
            let (outgoing, due) = channel();
            let carrier = Carrier { from, pipe, outgoing, state: state.clone(), direction };
            threads.push(std::thread::spawn(move || carrier.run()));
            threads.push(std::thread::spawn(move || deliver(&due, &to)));
        }
        Self { state, threads }
    }

    pub(super) fn set_cut(&self, cut: bool) {
        self.state.cut.store(cut, Ordering::Relaxed);
    }

    pub(super) fn totals(&self) -> [Totals; 2] {
        self.state.counters.each_ref().map(Counters::read)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[derive(Debug, Default)]
struct State {
    stop: AtomicBool,
    cut: AtomicBool,
    counters: [Counters; 2],
}

#[derive(Debug, Default)]
struct Counters {
    packets: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
    overflowed: AtomicU64,
}

impl Counters {
    fn read(&self) -> Totals {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            packets: get(&self.packets),
            bytes: get(&self.bytes),
            lost: get(&self.lost),
            overflowed: get(&self.overflowed),
        }
    }
}

/// A packet and its time of delivery. One direction's times never decrease.
type Due = (Instant, Vec<u8>);

/// Takes packets from one device and decides about them.
struct Carrier {
    from: Arc<SyncDevice>,
    pipe: Pipe,
    outgoing: Sender<Due>,
    state: Arc<State>,
    direction: usize,
}

impl Carrier {
    fn run(mut self) {
        hurry();
        let mut buffer = vec![0; 65_536];
        while !self.state.stop.load(Ordering::Relaxed) {
            if self.drain(&mut buffer).is_err() {
                return; // the device is gone
            }
            wait_for_packets(&self.from);
        }
    }

    fn drain(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            match self.from.recv(buffer) {
                Ok(len) => self.carry(&buffer[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn carry(&mut self, packet: &[u8]) {
        let cut = self.state.cut.load(Ordering::Relaxed);
        let counters = &self.state.counters[self.direction];
        let count = |counter: &AtomicU64, by: usize| counter.fetch_add(by as u64, Ordering::Relaxed);
        match self.pipe.admit(Instant::now(), packet.len(), cut) {
            Fate::Arrives(at) => {
                count(&counters.packets, 1);
                count(&counters.bytes, packet.len());
                let _ = self.outgoing.send((at, packet.to_vec()));
            }
            Fate::Lost => drop(count(&counters.lost, 1)),
            Fate::Overflowed => drop(count(&counters.overflowed, 1)),
        }
    }
}

/// Delivers packets when they are due, until the carrier is gone.
fn deliver(due: &Receiver<Due>, to: &SyncDevice) {
    hurry();
    while let Ok((at, packet)) = due.recv() {
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        let _ = to.send(&packet); // a host that is not up yet loses it, like real hosts
    }
}

/// Returns when there is a packet, and regularly anyway so that the caller notices when to stop.
fn wait_for_packets(device: &SyncDevice) {
    let now_and_then = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    let _ = poll(&mut [PollFd::from_borrowed_fd(device.as_fd(), PollFlags::IN)], Some(&now_and_then));
}

/// Gives the calling thread priority over the measured programs: their load must not lengthen the delay.
fn hurry() {
    let _ = rustix::process::nice(-10);
}

/// The device's name on either host.
pub(super) const DEVICE: &str = "tun0";
