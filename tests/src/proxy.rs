//! A TCP proxy between client and server that imitates bad networks: cuts, resets, stalls, black holes, delays, tiny segments,
//! flipped bits. Random choices come from a seed, which it prints.

mod connections;
mod fate;
mod road;

pub use fate::{Fate, Fault};

use crate::wan::Random;
use connections::{Connections, End};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::WriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::{Instant, interval, sleep_until};

/// A proxy that listens on a free port of loopback until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Carries all connections; they are closed with it.
    runtime: Option<Runtime>,
}

type ChooseFate = dyn Fn(usize) -> Fate + Send + Sync;

struct Shared {
    server: Mutex<SocketAddr>,
    fate: Box<ChooseFate>,
    random: Mutex<Random>,
    connections: Connections,
    accepted: AtomicUsize,
    passed: AtomicU64,
    faults: Mutex<Vec<Fault>>,
    /// Writes wait until this time, and new connections until the other.
    stalled: Mutex<Instant>,
    held: Mutex<Instant>,
}

impl Proxy {
    /// A proxy to `server`. `fate` decides what happens to each connection; they are numbered from 0 as they arrive.
    pub fn to(server: SocketAddr, fate: impl Fn(usize) -> Fate + Send + Sync + 'static) -> io::Result<Self> {
        Self::seeded(seed(), server, fate)
    }

    /// The same, with the caller's seed.
    pub fn seeded(
        seed: u64,
        server: SocketAddr,
        fate: impl Fn(usize) -> Fate + Send + Sync + 'static,
    ) -> io::Result<Self> {
        println!("FAULTS_SEED={seed}");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let now = Instant::now();
        let shared = Arc::new(Shared {
            server: Mutex::new(server),
            fate: Box::new(fate),
            random: Mutex::new(Random::new(seed)),
            connections: Connections::default(),
            accepted: AtomicUsize::new(0),
            passed: AtomicU64::new(0),
            faults: Mutex::default(),
            stalled: Mutex::new(now),
            held: Mutex::new(now),
        });
        runtime.spawn(shared.clone().accept(listener));
        Ok(Self { address, shared, runtime: Some(runtime) })
    }

    /// Returns the address that clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of connections so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Returns the bytes carried so far, both ways, over all connections.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }

    /// Returns the faults that have happened.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        lock(&self.shared.faults).clone()
    }

    /// Leads new connections to another server from now on.
    pub fn lead_to(&self, server: SocketAddr) {
        *lock(&self.shared.server) = server;
    }

    /// Resets all connections now.
    pub fn reset_all(&self) {
        self.shared.note(Fault::ResetAll);
        self.shared.end_all(End::Reset);
    }

    /// Resets one arbitrary connection per period, from now on: but only once `bytes` more have been carried, so that on a slow
    /// machine too there is progress between two resets.
    pub fn reset_one_every(&self, period: Duration, bytes: u64) {
        let shared = self.shared.clone();
        let resets = async move {
            let mut ticks = interval(period);
            ticks.tick().await; // the first tick comes at once
            let mut reset_at = shared.passed.load(Ordering::SeqCst);
            loop {
                ticks.tick().await;
                let passed = shared.passed.load(Ordering::SeqCst);
                if passed - reset_at >= bytes {
                    reset_at = passed;
                    shared.reset_one();
                }
            }
        };
        if let Some(runtime) = &self.runtime {
            runtime.spawn(resets); // it ends with the runtime
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        while let Ok((client, _)) = listener.accept().await {
            let number = self.accepted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(self.clone().carry(number, client));
        }
    }

    /// Carries one connection to its end.
    async fn carry(self: Arc<Self>, number: usize, mut client: TcpStream) {
        let fate = (self.fate)(number);
        let held = *lock(&self.held);
        sleep_until(held).await;
        let address = *lock(&self.server);
        let Ok(mut server) = TcpStream::connect(address).await else { return }; // a connection that is gone has ended too
        if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
            return;
        }
        let connection = self.connections.add(number);
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both_ways = async {
            tokio::join!(
                road::carry(&self, &connection, fate.up, from_client, to_server),
                road::carry(&self, &connection, fate.down, from_server, to_client),
            );
        };
        let how = tokio::select! {
            how = connection.ended() => how,
            () = both_ways => End::Close,
        };
        self.connections.remove(number);
        connections::finish(how, client, server).await;
    }

    /// Writes a piece as a segment of its own; returns false if the other end is gone.
    async fn write(&self, to: &mut WriteHalf<'_>, piece: &[u8]) -> bool {
        let stalled = *lock(&self.stalled);
        sleep_until(stalled).await;
        self.passed.fetch_add(piece.len() as u64, Ordering::SeqCst);
        to.write_all(piece).await.is_ok()
    }

    fn note(&self, fault: Fault) {
        lock(&self.faults).push(fault);
    }

    fn stall(&self, time: Duration) {
        *lock(&self.stalled) = Instant::now() + time;
        self.hold_new(time);
    }

    fn hold_new(&self, time: Duration) {
        *lock(&self.held) = Instant::now() + time;
    }

    fn end_all(&self, how: End) {
        self.connections.all().iter().for_each(|connection| connection.end(how));
    }

    fn reset_one(&self) {
        let open = self.connections.all();
        let chosen = lock(&self.random).bits() % open.len().max(1) as u64;
        if let Some(connection) = open.get(usize::try_from(chosen).unwrap_or_default()) {
            self.note(Fault::Reset);
            connection.end(End::Reset);
        }
    }

    fn fraction_of(&self, time: Duration) -> Duration {
        time.mul_f64(lock(&self.random).fraction())
    }
}

/// Returns the seed of this run: `FAULTS_SEED`, or a random one.
#[must_use]
pub fn seed() -> u64 {
    let given = std::env::var("FAULTS_SEED").ok().and_then(|seed| seed.parse().ok());
    let fresh = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    given.unwrap_or_else(|| u64::try_from(fresh() % u128::from(u64::MAX)).unwrap_or_default())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
